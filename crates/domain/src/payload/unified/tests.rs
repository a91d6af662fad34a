use super::*;
use crate::{
    ids::VehicleId,
    payload::{
        arbitrary::{any_outcome, any_text},
        javascript, json,
    },
    signal::{
        self, Powertrain, Value,
        form::{BodyKind, Form, MOST_BYTES_OF_VEHICLE},
    },
    vehicle::{Observed, Region},
    webhook::Trigger,
};
use expect_test::{Expect, expect};
use proptest::{collection, prelude::*, sample::select};

const VEHICLE: VehicleId = VehicleId(Uuid::from_u128(0x22222222_2222_4222_8222_222222222222));
const USER: UserId = UserId(Uuid::from_u128(0x55555555_5555_4555_8555_555555555555));
/// 2024-05-01T16:01:12.345Z
const NOW: Timestamp = Timestamp::from_millis(1_714_579_272_345);
/// When the car measured.
const MEASURED: Timestamp = Timestamp::from_millis(1_714_579_260_000);
/// When we had it.
const HAD: Timestamp = Timestamp::from_millis(1_714_579_271_852);

type Outcome = Result<Value, ErrorCode>;

fn envelope() -> Envelope<'static> {
    Envelope {
        event: EventId(Uuid::from_u128(0x44444444_4444_4444_8444_444444444444)),
        delivery: Uuid::from_u128(0x66666666_6666_4666_8666_666666666666),
        delivered_at: NOW,
        webhook: WebhookId(Uuid::from_u128(0x11111111_1111_4111_8111_111111111111)),
        webhook_name: "Home",
    }
}

fn settings(profile: Profile, data: &[SignalId]) -> Unified {
    Unified {
        triggers: vec![Trigger { signal: signal::STATE_OF_CHARGE, dead_band: None }],
        data: data.to_vec(),
        profile,
        simulated_mode: SimulatedMode::Simulated,
        lenient_verification: false,
    }
}

fn info() -> VehicleInfo {
    VehicleInfo {
        id: VEHICLE,
        make: "BYD".into(),
        model: "Seal".into(),
        year: 2025,
        mode: Mode::Live,
        powertrain: Powertrain::Bev,
        region: Region::Europe,
    }
}

fn subject(info: &VehicleInfo) -> Subject<'_> {
    Subject { user: USER, external_id: Some("driver-7"), info, sequence: 12 }
}

fn links() -> Links {
    Links { origin: "https://milepost.example".into(), client_id: "8229df9f".into() }
}

fn measured(value: Value) -> Sample {
    Sample { value, captured_at: Some(MEASURED), retrieved_at: HAD }
}

fn observation(signals: &[(SignalId, Outcome)]) -> Observation {
    let observed = signals.iter().map(|(signal, outcome)| Observed {
        signal: *signal,
        outcome: outcome.clone().map(measured),
        older: None,
    });
    let mut signals: Vec<_> = observed.collect();
    signals.sort_by_key(|observed| observed.signal);
    Observation { taken_at: NOW, signals, causes: vec![] }
}

fn state_of(settings: &Unified, occasion: &Occasion, observation: &Observation) -> String {
    state(&envelope(), settings, &subject(&info()), occasion, observation)
}

fn errors_of(profile: Profile, changes: &[ErrorChange]) -> String {
    errors(&envelope(), &settings(profile, &[]), &subject(&info()), &links(), changes)
}

/// What stands at a path of keys.
fn at<'t>(body: &'t str, path: &str) -> Option<&'t str> {
    path.split('.').try_fold(body, json::member)
}

fn lines(list: &str) -> String {
    json::elements(list).unwrap().map(|element| format!("{element}\n")).collect()
}

/// Two signals of which one has failed, after a change of the other.
fn changed(profile: Profile) -> String {
    let data = [signal::STATE_OF_CHARGE, signal::SUNROOF];
    let seen = observation(&[
        (signal::STATE_OF_CHARGE, Ok(Value::Number(78.0))),
        (signal::SUNROOF, Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE)),
    ]);
    state_of(&settings(profile, &data), &Occasion::Changed(vec![signal::STATE_OF_CHARGE]), &seen)
}

#[test]
fn row_v02_a_challenge_has_an_envelope_but_neither_mode_nor_vehicle() {
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VERIFY","data":{"challenge":"aB3dE6gH9jK2mN5p"},"meta":{"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":"2024-05-01T16:01:12.345Z"}}"#]].assert_eq(&verify(&envelope(), "aB3dE6gH9jK2mN5p"));
}

#[test]
fn row_t11_the_captured_profile_has_the_keys_that_were_captured_in_their_order() {
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VEHICLE_STATE","data":{"user":{"id":"55555555-5555-4555-8555-555555555555"},"vehicle":{"id":"22222222-2222-4222-8222-222222222222","make":"BYD","model":"Seal","year":2025},"signals":[{"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery","body":{"value":78,"unit":"percent"},"meta":{"oemUpdatedAt":1714579260000,"retrievedAt":1714579271852},"status":{"value":"SUCCESS"}},{"name":"Sunroof","group":"Closure","code":"closure-sunroof","status":{"value":"ERROR","error":{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE"}}}]},"triggers":[{"type":"SIGNAL_UPDATED","signal":{"name":"StateOfCharge","code":"tractionbattery-stateofcharge","group":"TractionBattery"}}],"meta":{"deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":1714579272345,"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","mode":"LIVE","signalCount":2}}"#]].assert_eq(&changed(Profile::Captured));
}

#[test]
fn row_t10_the_union_profile_can_be_read_by_every_version_of_the_documents() {
    let body = changed(Profile::Union);
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VEHICLE_STATE","vehicleId":"22222222-2222-4222-8222-222222222222","data":{"user":{"id":"55555555-5555-4555-8555-555555555555","externalId":"driver-7"},"vehicle":{"id":"22222222-2222-4222-8222-222222222222","make":"BYD","model":"Seal","year":2025,"mode":"live","powertrainType":"BEV"},"triggers":[{"type":"SIGNAL_UPDATED","signal":{"name":"StateOfCharge","code":"tractionbattery-stateofcharge","group":"TractionBattery"},"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery"}],"signals":[{"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery","body":{"value":78,"unit":"percent"},"meta":{"oemUpdatedAt":1714579260000,"retrievedAt":1714579271852,"fetchedAt":1714579271852},"status":{"value":"SUCCESS"}},{"name":"Sunroof","group":"Closure","code":"closure-sunroof","status":{"value":"ERROR","error":{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE"}}}]},"triggers":[{"type":"SIGNAL_UPDATED","signal":{"name":"StateOfCharge","code":"tractionbattery-stateofcharge","group":"TractionBattery"},"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery"}],"meta":{"deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":1714579272345,"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","mode":"LIVE","signalCount":2,"sequence":12}}"#]].assert_eq(&body);
    assert_eq!(at(&body, "triggers"), at(&body, "data.triggers"));
    assert_eq!(at(&body, "vehicleId"), at(&body, "data.vehicle.id"));
    let first = json::elements(at(&body, "data.signals").unwrap()).unwrap().next().unwrap();
    assert_eq!(at(first, "meta.fetchedAt"), at(first, "meta.retrievedAt"));
}

#[test]
fn the_profile_of_2026_has_flat_triggers_under_data_alone() {
    let body = changed(Profile::Docs2026);
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VEHICLE_STATE","vehicleId":"22222222-2222-4222-8222-222222222222","data":{"user":{"id":"55555555-5555-4555-8555-555555555555","externalId":"driver-7"},"vehicle":{"id":"22222222-2222-4222-8222-222222222222","make":"BYD","model":"Seal","year":2025,"mode":"live","powertrainType":"BEV"},"triggers":[{"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery"}],"signals":[{"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery","body":{"value":78,"unit":"percent"},"meta":{"oemUpdatedAt":1714579260000,"retrievedAt":1714579271852,"fetchedAt":1714579271852},"status":{"value":"SUCCESS"}},{"name":"Sunroof","group":"Closure","code":"closure-sunroof","status":{"value":"ERROR","error":{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE"}}}]},"meta":{"deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":1714579272345,"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","mode":"LIVE","signalCount":2,"sequence":12}}"#]].assert_eq(&body);
    assert_eq!(at(&body, "triggers"), None);
}

#[test]
fn a_first_delivery_is_its_only_trigger_in_the_shape_of_the_profile() {
    let triggers = |profile| {
        let body = state_of(&settings(profile, &[]), &Occasion::FirstDelivery, &observation(&[]));
        format!("{:?} {:?}\n", at(&body, "triggers"), at(&body, "data.triggers"))
    };
    let all: String = Profile::ALL.iter().map(|&profile| triggers(profile)).collect();
    expect![[r#"
        Some("[{\"type\":\"FIRST_DELIVERY\",\"code\":\"FIRST_DELIVERY\"}]") Some("[{\"type\":\"FIRST_DELIVERY\",\"code\":\"FIRST_DELIVERY\"}]")
        Some("[{\"type\":\"FIRST_DELIVERY\"}]") None
        None Some("[{\"code\":\"FIRST_DELIVERY\"}]")
    "#]].assert_eq(&all);
}

#[test]
fn each_trigger_that_fired_is_an_item() {
    let occasion = Occasion::Changed(vec![signal::STATE_OF_CHARGE, signal::DOORS]);
    let body = state_of(&settings(Profile::Captured, &[]), &occasion, &observation(&[]));
    expect![[r#"
        {"type":"SIGNAL_UPDATED","signal":{"name":"StateOfCharge","code":"tractionbattery-stateofcharge","group":"TractionBattery"}}
        {"type":"SIGNAL_UPDATED","signal":{"name":"Doors","code":"closure-doors","group":"Closure"}}
    "#]].assert_eq(&lines(at(&body, "triggers").unwrap()));
}

#[test]
#[should_panic(expected = "SLOT is no occasion")]
fn the_state_of_a_vehicle_without_an_occasion_is_a_bug() {
    state_of(&settings(Profile::Union, &[]), &Occasion::Slot, &observation(&[]));
}

#[test]
fn row_t06_the_count_of_signals_is_that_of_the_entries_with_those_that_failed() {
    for count in [0, 1, 30, 93] {
        let data: Vec<_> = SignalId::all().take(count).collect();
        for &profile in Profile::ALL {
            let body = state_of(&settings(profile, &data), &Occasion::FirstDelivery, &observation(&[]));
            let entries = json::elements(at(&body, "data.signals").unwrap()).unwrap().count();
            assert_eq!((entries, at(&body, "meta.signalCount")), (count, Some(count.to_string().as_str())));
        }
    }
}

#[test]
fn row_t07_row_t08_a_signal_has_body_times_and_success_or_an_error_and_neither() {
    let data =
        [signal::ODOMETER, signal::SUNROOF, signal::LOCATION, signal::VIN, signal::DOORS, signal::IS_LOCKED];
    let seen = observation(&[
        (signal::ODOMETER, Ok(Value::Number(42_506.3))),
        (signal::SUNROOF, Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE)),
        (signal::LOCATION, Err(ErrorCode::PERMISSION)),
        (signal::VIN, Ok(Value::Text("5YJ3E1EA7KF317000".into()))),
        (signal::DOORS, Ok(Value::Number(4.0))),
    ]);
    let body = state_of(&settings(Profile::Captured, &data), &Occasion::FirstDelivery, &seen);
    expect![[r#"
        {"code":"odometer-traveleddistance","name":"TraveledDistance","group":"Odometer","body":{"value":42506.3,"unit":"km"},"meta":{"oemUpdatedAt":1714579260000,"retrievedAt":1714579271852},"status":{"value":"SUCCESS"}}
        {"name":"Sunroof","group":"Closure","code":"closure-sunroof","status":{"value":"ERROR","error":{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE"}}}
        {"name":"PreciseLocation","group":"Location","code":"location-preciselocation","status":{"value":"ERROR","error":{"type":"PERMISSION","code":null}}}
        {"code":"vehicleidentification-vin","name":"VIN","group":"VehicleIdentification","body":{"value":"5YJ3E1EA7KF317000"},"meta":{"oemUpdatedAt":1714579260000,"retrievedAt":1714579271852},"status":{"value":"SUCCESS"}}
        {"name":"Doors","group":"Closure","code":"closure-doors","status":{"value":"ERROR","error":{"type":"UPSTREAM","code":"INVALID_DATA"}}}
        {"name":"IsLocked","group":"Closure","code":"closure-islocked","status":{"value":"ERROR","error":{"type":"UPSTREAM","code":"NO_RESPONSE"}}}
    "#]].assert_eq(&lines(at(&body, "data.signals").unwrap()));
}

#[test]
fn row_s02_signals_that_a_vehicle_does_not_offer_are_entries_of_its_first_delivery_with_errors() {
    let not_capable = || Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE);
    let data = [signal::STATE_OF_CHARGE, signal::FUEL_LEVEL, signal::SUNROOF];
    let seen = observation(&[
        (signal::STATE_OF_CHARGE, Ok(Value::Number(78.0))),
        (signal::FUEL_LEVEL, not_capable()),
        (signal::SUNROOF, not_capable()),
    ]);
    let body = state_of(&settings(Profile::Union, &data), &Occasion::FirstDelivery, &seen);
    let failed: Vec<_> = json::elements(at(&body, "data.signals").unwrap())
        .unwrap()
        .filter(|entry| at(entry, "status.value") == Some("\"ERROR\""))
        .collect();
    assert_eq!(failed.len(), 2);
    for entry in failed {
        assert_eq!((at(entry, "body"), at(entry, "meta")), (None, None));
        assert_eq!(at(entry, "status.error.code"), Some("\"VEHICLE_NOT_CAPABLE\""));
    }
}

#[test]
fn an_event_shows_the_newest_value_while_its_source_fails_for_now() {
    let seen = |error| Observation {
        taken_at: NOW,
        signals: vec![Observed {
            signal: signal::ODOMETER,
            outcome: Err(error),
            older: Some(measured(Value::Number(1.5))),
        }],
        causes: vec![],
    };
    let status = |error| {
        let settings = settings(Profile::Union, &[signal::ODOMETER]);
        let body = state_of(&settings, &Occasion::FirstDelivery, &seen(error));
        let entry = json::elements(at(&body, "data.signals").unwrap()).unwrap().next().unwrap().to_owned();
        (at(&entry, "status.value").unwrap().to_owned(), at(&entry, "body.value").map(str::to_owned))
    };
    assert_eq!(status(ErrorCode::VEHICLE_STATE_ASLEEP), ("\"SUCCESS\"".into(), Some("1.5".into())));
    assert_eq!(status(ErrorCode::PERMISSION), ("\"ERROR\"".into(), None));
}

#[test]
fn row_t09_what_was_never_measured_has_the_times_0() {
    let times = |signal, captured_at| {
        let value = Value::Text("x".into());
        let sample = Sample { value, captured_at, retrieved_at: HAD };
        let seen = Observation {
            taken_at: NOW,
            signals: vec![Observed { signal, outcome: Ok(sample), older: None }],
            causes: vec![],
        };
        let body = state_of(&settings(Profile::Captured, &[signal]), &Occasion::FirstDelivery, &seen);
        let entry = json::elements(at(&body, "data.signals").unwrap()).unwrap().next().unwrap().to_owned();
        at(&entry, "meta").unwrap().to_owned()
    };
    assert_eq!(times(signal::VIN, None), r#"{"oemUpdatedAt":0,"retrievedAt":0}"#);
    let both = r#"{"oemUpdatedAt":1714579260000,"retrievedAt":1714579271852}"#;
    assert_eq!(times(signal::VIN, Some(MEASURED)), both);
    let unsaid = r#"{"oemUpdatedAt":1714579271852,"retrievedAt":1714579271852}"#;
    assert_eq!(times(signal::CHARGING_STATUS, None), unsaid);
}

#[test]
fn row_t12_row_t13_the_mode_is_that_of_the_vehicle_in_upper_case_and_of_old_in_lower_case() {
    let modes = |mode, simulated_mode| {
        let info = VehicleInfo { mode, ..info() };
        let settings = Unified { simulated_mode, ..settings(Profile::Union, &[]) };
        let body =
            state(&envelope(), &settings, &subject(&info), &Occasion::FirstDelivery, &observation(&[]));
        assert_eq!(at(&body, "meta.version"), Some("\"4.0\""));
        let mode = |path| at(&body, path).unwrap().trim_matches('"').to_owned();
        (mode("meta.mode"), mode("data.vehicle.mode"))
    };
    let both = |upper: &str, lower: &str| (upper.to_owned(), lower.to_owned());
    assert_eq!(modes(Mode::Live, SimulatedMode::Simulated), both("LIVE", "live"));
    assert_eq!(modes(Mode::Simulated, SimulatedMode::Simulated), both("SIMULATED", "simulated"));
    assert_eq!(modes(Mode::Simulated, SimulatedMode::Live), both("LIVE", "simulated"));
}

#[test]
fn row_t15_each_event_names_owner_and_vehicle() {
    let error = ErrorChange { code: ErrorCode::PERMISSION, resolved: false, signals: vec![] };
    for &profile in Profile::ALL {
        for body in [changed(profile), errors_of(profile, std::slice::from_ref(&error))] {
            assert_eq!(at(&body, "data.user.id"), Some("\"55555555-5555-4555-8555-555555555555\""));
            let vehicle = at(&body, "data.vehicle").unwrap();
            let captured =
                r#"{"id":"22222222-2222-4222-8222-222222222222","make":"BYD","model":"Seal","year":2025"#;
            assert!(vehicle.starts_with(captured), "{vehicle}");
        }
    }
}

#[track_caller]
fn check_errors(changes: &[ErrorChange], expected: Expect) {
    expected.assert_eq(&lines(at(&errors_of(Profile::Union, changes), "data.errors").unwrap()));
}

fn appeared(code: ErrorCode, signals: &[SignalId]) -> ErrorChange {
    ErrorChange { code, resolved: false, signals: signals.to_vec() }
}

#[test]
fn row_e03_row_e08_an_error_that_appears_says_what_helps_in_the_order_that_was_captured() {
    let change = appeared(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE, &[signal::SUNROOF]);
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VEHICLE_ERROR","data":{"user":{"id":"55555555-5555-4555-8555-555555555555"},"vehicle":{"id":"22222222-2222-4222-8222-222222222222","make":"BYD","model":"Seal","year":2025},"errors":[{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","description":"The vehicle does not have this feature; asking again will not help.","docURL":"https://milepost.example/docs/errors/compatibility-errors#vehicle-not-capable","resolution":{"type":null},"suggestedUserMessage":"Your car does not have this feature.","state":"ERROR","signals":[{"code":"closure-sunroof","name":"Sunroof","group":"Closure"}]}]},"meta":{"deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":1714579272345,"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","mode":"LIVE"}}"#]].assert_eq(&errors_of(Profile::Captured, std::slice::from_ref(&change)));
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VEHICLE_ERROR","vehicleId":"22222222-2222-4222-8222-222222222222","data":{"user":{"id":"55555555-5555-4555-8555-555555555555","externalId":"driver-7"},"vehicle":{"id":"22222222-2222-4222-8222-222222222222","make":"BYD","model":"Seal","year":2025,"mode":"live","powertrainType":"BEV"},"errors":[{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","description":"The vehicle does not have this feature; asking again will not help.","docURL":"https://milepost.example/docs/errors/compatibility-errors#vehicle-not-capable","resolution":{"type":null},"suggestedUserMessage":"Your car does not have this feature.","state":"ERROR","signals":[{"code":"closure-sunroof","name":"Sunroof","group":"Closure"}]}]},"meta":{"deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":1714579272345,"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","mode":"LIVE","sequence":12}}"#]].assert_eq(&errors_of(Profile::Docs2026, &[change]));
}

#[test]
fn row_e04_an_error_that_clears_has_five_keys() {
    let cleared = |code, signals: &[SignalId]| ErrorChange { resolved: true, ..appeared(code, signals) };
    let changes = [
        cleared(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE, &[signal::SUNROOF]),
        cleared(ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED, &[]),
    ];
    check_errors(
        &changes,
        expect![[r#"
        {"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","state":"RESOLVED","description":"The vehicle does not have this feature; asking again will not help.","signals":[{"code":"closure-sunroof","name":"Sunroof","group":"Closure"}]}
        {"type":"CONNECTED_SERVICES_ACCOUNT","code":"AUTHENTICATION_FAILED","state":"RESOLVED","description":"The brand no longer accepts the owner's sign-in."}
    "#]],
    );
}

#[test]
fn row_e06_row_e07_row_e10_errors_of_the_connection_lead_the_owner_to_consent() {
    let changes = [
        appeared(ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED, &[]),
        appeared(ErrorCode::PERMISSION, &[signal::LOCATION, signal::DOORS]),
        appeared(ErrorCode::CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED, &[]),
    ];
    check_errors(
        &changes,
        expect![[r#"
        {"type":"CONNECTED_SERVICES_ACCOUNT","code":"AUTHENTICATION_FAILED","description":"The brand no longer accepts the owner's sign-in.","docURL":"https://milepost.example/docs/errors/connected-services-account-errors#authentication-failed","resolution":{"type":"REAUTHENTICATE","url":"https://milepost.example/oauth/reauthenticate?response_type=vehicle_id&client_id=8229df9f&vehicle_id=22222222-2222-4222-8222-222222222222"},"suggestedUserMessage":"Please sign in again to the account of your car's brand.","state":"ERROR"}
        {"type":"PERMISSION","code":null,"description":"Your application has insufficient permissions to access the requested resource. Please prompt the user to re-authenticate using Smartcar Connect.","docURL":"https://milepost.example/docs/errors/permission-errors#null","resolution":{"type":"REAUTHENTICATE"},"suggestedUserMessage":"Please connect your car again and allow access to the data that this app asks for.","state":"ERROR","signals":[{"code":"location-preciselocation","name":"PreciseLocation","group":"Location"},{"code":"closure-doors","name":"Doors","group":"Closure"}]}
        {"type":"CONNECTED_SERVICES_ACCOUNT","code":"VIRTUAL_KEY_REQUIRED","description":"The owner has to add a virtual key to the vehicle before this can be done.","docURL":"https://milepost.example/docs/errors/connected-services-account-errors#virtual-key-required","resolution":{"type":"ACTION_REQUIRED","url":"https://www.tesla.com/_ak/milepost.example"},"suggestedUserMessage":"Please add the virtual key to your car.","state":"ERROR"}
    "#]],
    );
}

#[test]
fn row_e09_an_error_event_has_no_triggers_and_a_resolution_is_an_object_or_absent() {
    let changes: Vec<_> = ErrorCode::all()
        .flat_map(|code| [false, true].map(|resolved| ErrorChange { resolved, ..appeared(code, &[]) }))
        .collect();
    for &profile in Profile::ALL {
        let body = errors_of(profile, &changes);
        for absent in ["triggers", "data.triggers", "meta.signalCount"] {
            assert_eq!(at(&body, absent), None);
        }
        for (item, change) in json::elements(at(&body, "data.errors").unwrap()).unwrap().zip(&changes) {
            let resolution = at(item, "resolution");
            assert_eq!(resolution.is_none(), change.resolved);
            assert!(resolution.is_none_or(|resolution| resolution.starts_with("{\"type\":")), "{item}");
            assert_eq!(at(item, "signals"), None);
        }
    }
}

#[test]
fn row_t14_a_test_state_has_a_sample_for_every_signal_and_says_that_it_is_a_test() {
    let all: Vec<_> = SignalId::all().collect();
    for &profile in Profile::ALL {
        let body = test_state(&envelope(), &settings(profile, &all));
        assert_eq!(at(&body, "meta.mode"), Some("\"TEST\""));
        for (entry, signal) in json::elements(at(&body, "data.signals").unwrap()).unwrap().zip(&all) {
            assert_eq!(at(entry, "status.value"), Some("\"SUCCESS\""), "{signal:?}");
            assert_eq!(at(entry, "meta.oemUpdatedAt"), Some("0"));
            assert_eq!(at(entry, "meta.retrievedAt"), Some("0"));
        }
    }
    let small = settings(Profile::Captured, &[signal::STATE_OF_CHARGE]);
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VEHICLE_STATE","data":{"user":{"id":"00000000-0000-8000-8000-000000000002"},"vehicle":{"id":"00000000-0000-8000-8000-000000000001","make":"MILEPOST","model":"Sample","year":2026},"signals":[{"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery","body":{"value":78,"unit":"percent"},"meta":{"oemUpdatedAt":0,"retrievedAt":0},"status":{"value":"SUCCESS"}}]},"triggers":[{"type":"SIGNAL_UPDATED","signal":{"name":"StateOfCharge","code":"tractionbattery-stateofcharge","group":"TractionBattery"}}],"meta":{"deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":1714579272345,"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","mode":"TEST","signalCount":1}}"#]].assert_eq(&test_state(&envelope(), &small));
    let untriggered = Unified { triggers: vec![], ..small };
    let body = test_state(&envelope(), &untriggered);
    assert_eq!(at(&body, "triggers"), Some(r#"[{"type":"FIRST_DELIVERY"}]"#));
}

#[test]
fn row_t14_a_test_error_is_about_a_signal_of_the_webhook() {
    let settings = settings(Profile::Captured, &[signal::DOORS, signal::VIN]);
    expect![[r#"{"eventId":"44444444-4444-4444-8444-444444444444","eventType":"VEHICLE_ERROR","data":{"user":{"id":"00000000-0000-8000-8000-000000000002"},"vehicle":{"id":"00000000-0000-8000-8000-000000000001","make":"MILEPOST","model":"Sample","year":2026},"errors":[{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","description":"The vehicle does not have this feature; asking again will not help.","docURL":"https://milepost.example/docs/errors/compatibility-errors#vehicle-not-capable","resolution":{"type":null},"suggestedUserMessage":"Your car does not have this feature.","state":"ERROR","signals":[{"code":"closure-doors","name":"Doors","group":"Closure"}]}]},"meta":{"deliveryId":"66666666-6666-4666-8666-666666666666","deliveredAt":1714579272345,"version":"4.0","webhookId":"11111111-1111-4111-8111-111111111111","webhookName":"Home","mode":"TEST"}}"#]].assert_eq(&test_error(&envelope(), &settings, &links()));
}

#[test]
fn a_vehicle_with_every_signal_fits_into_the_largest_body_however_much_changes_at_once() {
    let all: Vec<_> = SignalId::all().collect();
    let mut sizes = String::new();
    for &profile in Profile::ALL {
        let settings = settings(profile, &all);
        let size = |occasion: &Occasion| {
            let seen = sample::observation(SignalId::all(), NOW);
            let body = state_of(&settings, occasion, &seen);
            format!("{} bytes, fits: {}", body.len(), fits(&body))
        };
        let (first, half) = (size(&Occasion::FirstDelivery), size(&Occasion::Changed(all[..46].to_vec())));
        let changed = size(&Occasion::Changed(all.clone()));
        sizes += &format!("{}: first {first}; half {half}; all {changed}\n", profile.as_str());
    }
    expect![[r#"
        union: first 23703 bytes, fits: true; half 40695 bytes, fits: true; all 31655 bytes, fits: true
        captured: first 21072 bytes, fits: true; half 26170 bytes, fits: true; all 31655 bytes, fits: true
        docs-2026: first 23616 bytes, fits: true; half 27104 bytes, fits: true; all 30944 bytes, fits: true
    "#]]
    .assert_eq(&sizes);
}

#[test]
fn a_vehicle_whose_values_are_as_long_as_they_may_be_fits_into_the_largest_body() {
    let all: Vec<_> = SignalId::all().collect();
    let mut seen = sample::observation(SignalId::all(), NOW);
    let mut room = MOST_BYTES_OF_VEHICLE;
    for observed in &mut seen.signals {
        let sample = observed.outcome.as_mut().expect("samples are values");
        match observed.signal.form() {
            Form::Text { max_bytes, .. } => sample.value = Value::Text("x".repeat(*max_bytes)),
            Form::Composite(composite) if composite.body == BodyKind::List && room > 0 => {
                let long = room.min(composite.max_bytes);
                room -= long;
                let text = |length| format!(r#"{{"values":["{}"]}}"#, "x".repeat(length));
                sample.value = Value::Json(text(long - text(0).len()));
            }
            _ => {}
        }
    }
    assert_eq!(room, 0, "all of the room is taken");
    for &profile in Profile::ALL {
        let body = state_of(&settings(profile, &all), &Occasion::Changed(all.clone()), &seen);
        assert!(fits(&body), "{}: {} bytes", profile.as_str(), body.len());
    }
}

fn any_profile() -> impl Strategy<Value = Profile> {
    select(Profile::ALL)
}

proptest! {
    #[test]
    fn row_h04_a_state_survives_javascript_whatever_the_car_says(
        name in any_text(),
        make in any_text(),
        external_id in proptest::option::of(any_text()),
        outcomes in collection::vec(any_outcome(), SignalId::all().count()),
        times in any::<(i64, i64, i64, u64)>(),
        profile in any_profile(),
    ) {
        let (delivered, captured, retrieved, sequence) = times;
        let all: Vec<_> = SignalId::all().collect();
        let mut seen = observation(&all.iter().copied().zip(outcomes).collect::<Vec<_>>());
        for sample in seen.signals.iter_mut().filter_map(|observed| observed.outcome.as_mut().ok()) {
            sample.captured_at = Some(Timestamp::from_micros(captured));
            sample.retrieved_at = Timestamp::from_micros(retrieved);
        }
        let delivered_at = Timestamp::from_micros(delivered);
        let envelope = Envelope { webhook_name: &name, delivered_at, ..envelope() };
        let info = VehicleInfo { make, ..info() };
        let subject = Subject { external_id: external_id.as_deref(), sequence, ..subject(&info) };
        let occasion = Occasion::Changed(all.clone());
        let body = state(&envelope, &settings(profile, &all), &subject, &occasion, &seen);
        prop_assert!(!json::has_index_key(&body));
        prop_assert_eq!(javascript::reserialised(&body), body);
    }

    #[test]
    fn row_h04_errors_and_challenges_survive_javascript(
        name in any_text(),
        challenge in any_text(),
        errors in collection::vec((select(ErrorCode::all().collect::<Vec<_>>()), any::<bool>()), 0..4),
        profile in any_profile(),
    ) {
        let envelope = Envelope { webhook_name: &name, ..envelope() };
        let changes: Vec<_> = errors
            .into_iter()
            .map(|(code, resolved)| ErrorChange { code, resolved, signals: SignalId::all().collect() })
            .collect();
        let settings = settings(profile, &[]);
        let event = super::errors(&envelope, &settings, &subject(&info()), &links(), &changes);
        for body in [event, verify(&envelope, &challenge)] {
            prop_assert!(!json::has_index_key(&body));
            prop_assert_eq!(javascript::reserialised(&body), body);
        }
    }
}

#[test]
fn every_signal_and_every_trigger_of_the_catalogue_fit_into_a_test_and_into_an_event() {
    let data: Vec<SignalId> = SignalId::all().collect();
    let changes = |signal: &&SignalId| signal.entry().kind != Kind::Attribute;
    let fired: Vec<SignalId> = data.iter().filter(changes).copied().collect();
    assert_eq!((fired.len(), data.len()), (87, 93));
    let (info, seen) = (info(), sample::observation(data.iter().copied(), MEASURED));
    // The longest name that a webhook can have.
    let name = "n".repeat(100);
    let envelope = Envelope { webhook_name: &name, ..envelope() };
    for profile in [Profile::Captured, Profile::Union, Profile::Docs2026] {
        let triggers = fired.iter().map(|&signal| Trigger { signal, dead_band: None }).collect();
        let settings = Unified { triggers, ..settings(profile, &data) };
        let (test, event) = (
            test_state(&envelope, &settings),
            state(&envelope, &settings, &subject(&info), &Occasion::Changed(fired.clone()), &seen),
        );
        for body in [&test, &event] {
            assert!(fits(body), "{profile:?}: {} bytes", body.len());
            let signals = json::member(body, "data").and_then(|data| json::member(data, "signals")).unwrap();
            assert_eq!(json::elements(signals).unwrap().count(), 93, "{profile:?}");
        }
    }
}

#[test]
fn a_state_that_is_too_large_in_its_profile_is_written_in_the_terse_one() {
    let data: Vec<SignalId> = SignalId::all().collect();
    let fired: Vec<SignalId> = data.iter().take(MOST_FIRED).copied().collect();
    let seen = sample::observation(data.iter().copied(), MEASURED);
    let long = |observed: Observed| {
        let text =
            Sample { value: Value::Text("x".repeat(14_000)), captured_at: Some(MEASURED), retrieved_at: HAD };
        let is_text = matches!(&observed.outcome, Ok(Sample { value: Value::Text(_), .. }));
        if is_text && observed.signal == signal::GEAR {
            Observed { outcome: Ok(text), ..observed }
        } else {
            observed
        }
    };
    let seen = Observation { signals: seen.signals.into_iter().map(long).collect(), ..seen };
    let (info, settings) = (info(), settings(Profile::Union, &data));
    let (subject, envelope) = (subject(&info), envelope());
    let occasion = Occasion::Changed(fired);
    let full = Composer::new(&envelope, &settings, &subject).state(&occasion, &seen);
    assert!(!fits(&full), "{} bytes", full.len());
    let sent = state(&envelope, &settings, &subject, &occasion, &seen);
    assert!(fits(&sent), "{} bytes", sent.len());
    assert!(json::member(&sent, "vehicleId").is_none(), "the terse profile has no such key");
}
