//! Which reading counts, and what its sender is told.

use std::time::Duration;

use super::{
    super::*,
    watching::{Car, MINUTE, at, changed, charging_events, errors, full, occasions, unified},
};
use crate::{
    connect::{Permission, PermissionSet},
    errors::ErrorCode,
    signal::{
        CHARGING_STATUS, DTC_LIST, GridCell, IS_CABLE_CONNECTED, IS_CHARGING, ODOMETER, STATE_OF_CHARGE,
        SignalId, TIRES, Value, read,
    },
    webhook::{ChargingEvent, Plan, Trigger},
};

/// A reading that was measured in a minute and arrives `now`.
fn reading(signal: SignalId, json: &str, minute: i64, now: Timestamp) -> Reading {
    Reading {
        feed: FeedKey(1),
        signal,
        value: read(signal, json).unwrap().value,
        observed_at: Some(at(minute)),
        received_at: now,
        order: Order::Observed,
        id: None,
        hold: Duration::ZERO,
        reset: false,
        place: 0,
    }
}

fn push(car: &mut Car, readings: &[(SignalId, &str, i64)], now: Timestamp) -> Outcome {
    let reading = |&(signal, json, minute): &(SignalId, &str, i64)| reading(signal, json, minute, now);
    car.step(Input::Readings(readings.iter().map(reading).collect()), now)
}

/// What became of readings, by their places; those that were applied are not among them.
fn became(outcome: &Outcome) -> Vec<(u32, &'static str)> {
    outcome.judgements.iter().map(|judgement| (judgement.place, judgement.outcome.as_str())).collect()
}

/// A car on a unified webhook that has had its first delivery: 80 %, 100 km.
fn delivered(plan: Plan) -> Car {
    let mut car = Car::on(plan);
    assert_eq!(car.read(&full(80.0, 100.0), at(0)), [Occasion::FirstDelivery]);
    car
}

#[test]
fn each_reading_is_answered_by_its_place() {
    let mut car = delivered(unified());
    let outcome = push(
        &mut car,
        &[
            (STATE_OF_CHARGE, "79", 10),
            (STATE_OF_CHARGE, "79", 10),
            (STATE_OF_CHARGE, "70", 5),
            (STATE_OF_CHARGE, "255", 11),
            (STATE_OF_CHARGE, "\"N/A\"", 12),
            (STATE_OF_CHARGE, "78", 10),
        ],
        at(20),
    );
    let mut told = became(&outcome);
    told.sort_unstable();
    assert_eq!(told, [(1, "unchanged"), (3, "implausible"), (4, "unknown"), (5, "conflicting")]);
    assert_eq!(became(&push(&mut car, &[(STATE_OF_CHARGE, "70", 9)], at(20))), [(0, "late")]);
}

#[test]
fn what_is_not_granted_waits_or_is_too_much_is_said() {
    let mut car = delivered(unified());
    car.step(Input::Permissions(PermissionSet::default().with(Permission::ReadDiagnostics)), at(1));
    let outcome = push(&mut car, &[(STATE_OF_CHARGE, "79", 2)], at(2));
    let judgement = outcome.judgements[0];
    assert_eq!(judgement.outcome, ReadingOutcome::Rejected(Why::NotGranted));
    let reason = judgement.outcome.reason(STATE_OF_CHARGE).unwrap();
    assert_eq!(reason, "the owner has not granted read_battery, which tractionbattery-stateofcharge needs");
    let held = Reading { hold: MINUTE, ..reading(DTC_LIST, r#"{"values":[]}"#, 3, at(3)) };
    assert_eq!(became(&car.step(Input::Readings(vec![held]), at(3))), [(0, "buffered")]);
    assert_eq!(car.step(Input::Tick, at(5)).judgements, [], "nobody waits for it any more");

    car.step(Input::Permissions(PermissionSet::ALL), at(6));
    let records = |count: usize| {
        let records: Vec<String> = (0..count).map(|id| format!(r#"{{"id":"{id:010}"}}"#)).collect();
        format!(r#"{{"values":[{}]}}"#, records.join(","))
    };
    let longest = |signal| (1..200).rev().map(records).find(|list| read(signal, list).is_ok()).unwrap();
    for signal in SignalId::all().take(4) {
        // As if these were as long as the longest.
        let long = Value::Json(format!(r#"{{"values":["{}"]}}"#, "x".repeat(8_000)));
        car.document.signal_mut(signal).value = Some((long, Some(at(0)), at(7)));
    }
    let sessions = SignalId::from_code("charge-chargerecords").unwrap();
    let too_much = push(&mut car, &[(sessions, &longest(sessions), 20)], at(20));
    assert_eq!(too_much.judgements[0].outcome, ReadingOutcome::Rejected(Why::TooMuch));
    assert_eq!(car.document.value(sessions), None);
}

#[test]
fn charging_is_one_truth_from_whichever_signal_is_newer() {
    let mut car = Car::on(charging_events());
    push(&mut car, &[(IS_CHARGING, "false", 1)], at(1));
    let outcome = push(&mut car, &[(CHARGING_STATUS, "\"charging\"", 3)], at(4));
    assert_eq!(occasions(&outcome), [Occasion::Charging(ChargingEvent::Started)]);
    assert_eq!(car.document.value(IS_CHARGING), Some(&Value::Flag(true)));
    let outcome = push(&mut car, &[(IS_CHARGING, "false", 2)], at(5));
    assert_eq!((occasions(&outcome), became(&outcome)), (vec![], vec![(0, "late")]));
    let nothing = push(&mut car, &[(CHARGING_STATUS, "\"<invalid>\"", 6)], at(6));
    assert_eq!((occasions(&nothing), became(&nothing)), (vec![], vec![(0, "unknown")]));
    let outcome = push(&mut car, &[(IS_CABLE_CONNECTED, "false", 7)], at(7));
    assert_eq!(occasions(&outcome), [Occasion::Charging(ChargingEvent::Stopped)]);
    assert_eq!(car.document.value(CHARGING_STATUS), Some(&Value::Text("NOT_CHARGING".into())));

    let mut car = Car::on(charging_events());
    push(&mut car, &[(IS_CHARGING, "true", 1)], at(1));
    let seen = observe(&car.document, &[CHARGING_STATUS], at(0), at(2));
    let status = seen.get(CHARGING_STATUS).unwrap().as_ref().unwrap();
    assert_eq!(status.value, Value::Text("CHARGING".into()));
}

#[test]
fn a_value_that_is_no_longer_known_fires_nothing_and_neither_does_its_return() {
    let mut car = delivered(unified());
    push(&mut car, &[(STATE_OF_CHARGE, "79", 1)], at(1));
    let outcome = push(&mut car, &[(STATE_OF_CHARGE, "null", 2)], at(2));
    assert_eq!((occasions(&outcome), became(&outcome)), (vec![], vec![(0, "unknown")]));
    let seen = observe(&car.document, &[STATE_OF_CHARGE], at(0), at(3));
    assert_eq!(seen.get(STATE_OF_CHARGE), Some(&Err(ErrorCode::UPSTREAM_NO_RESPONSE)));
    assert_eq!(occasions(&push(&mut car, &[(STATE_OF_CHARGE, "79", 4)], at(4))), []);
    push(&mut car, &[(STATE_OF_CHARGE, "null", 5)], at(5));
    let outcome = push(&mut car, &[(STATE_OF_CHARGE, "78", 6)], at(6));
    assert_eq!(occasions(&outcome), [changed(&[STATE_OF_CHARGE])]);
}

#[test]
fn what_was_known_last_guards_a_value_that_was_forgotten() {
    let mut car = delivered(unified());
    push(&mut car, &[(ODOMETER, "48210.4", 1)], at(200));
    push(&mut car, &[(ODOMETER, "48210.4", 2), (ODOMETER, "48210.4", 3), (ODOMETER, "48210.4", 4)], at(200));
    assert_eq!(car.document.value(ODOMETER), Some(&Value::Number(48_210.4)));
    push(&mut car, &[(ODOMETER, "null", 5)], at(200));
    let zero = push(&mut car, &[(ODOMETER, "0", 6)], at(200));
    assert_eq!((occasions(&zero), became(&zero)), (vec![], vec![(0, "implausible")]));
    assert_eq!(car.read(&full(80.0, 12.0), at(200)), [], "a read neither");
    assert_eq!(car.document.value(ODOMETER), None);
    let encoded = car.document.encode();
    car.document = Document::decode(&encoded).unwrap();
    let far = push(&mut car, &[(ODOMETER, "48900", 190)], at(200));
    assert_eq!(occasions(&far), [changed(&[ODOMETER])], "it had three hours, since it was true");
}

#[test]
fn a_sensor_that_says_nothing_but_zero_is_not_believed_for_saying_it_again() {
    let mut car = delivered(unified());
    for minute in 1..10 {
        let zero = push(&mut car, &[(STATE_OF_CHARGE, "0", minute)], at(minute));
        assert_eq!((occasions(&zero), became(&zero)), (vec![], vec![(0, "implausible")]), "{minute}");
    }
    assert_eq!(car.document.value(STATE_OF_CHARGE), Some(&Value::Number(80.0)));
}

#[test]
fn that_charging_is_not_known_any_more_is_not_undone_by_the_signal_that_agreed_with_it() {
    for (signal, other) in [(IS_CHARGING, CHARGING_STATUS), (CHARGING_STATUS, IS_CHARGING)] {
        let mut car = Car::on(charging_events());
        push(&mut car, &[(IS_CHARGING, "true", 1)], at(1));
        let gone = push(&mut car, &[(signal, "null", 2)], at(2));
        assert_eq!((occasions(&gone), became(&gone)), (vec![], vec![(0, "unknown")]));
        assert_eq!([signal, other].map(|of| car.document.value(of)), [None, None], "{signal:?}");
        assert_eq!(is_charging(&car.document), None);
        push(&mut car, &[(other, if other == IS_CHARGING { "false" } else { "\"NOT_CHARGING\"" }, 3)], at(3));
        assert_eq!(is_charging(&car.document), Some(false), "what is said later counts");
        assert!(car.document.value(signal).is_some());
    }
}

#[test]
fn a_reset_that_is_older_is_late_and_its_sender_is_told_how_it_counts() {
    let mut car = delivered(unified());
    push(&mut car, &[(STATE_OF_CHARGE, "79", 10)], at(10));
    let reset = |minute| Reading { reset: true, ..reading(STATE_OF_CHARGE, "0", minute, at(20)) };
    let late = car.step(Input::Readings(vec![reset(9)]), at(20));
    assert_eq!(late.judgements[0].outcome, ReadingOutcome::Late { reset: true });
    let reason = late.judgements[0].outcome.reason(STATE_OF_CHARGE).unwrap();
    assert!(reason.contains("later observedAt"), "{reason}");
    assert_eq!(occasions(&car.step(Input::Readings(vec![reset(11)]), at(20))), [changed(&[STATE_OF_CHARGE])]);
}

#[test]
fn a_word_of_a_brand_in_another_case_is_the_word_that_is_known() {
    let mode = SignalId::from_code("transmission-drivemode").unwrap();
    let Plan::Unified(mut settings) = unified() else { unreachable!() };
    settings.triggers = vec![Trigger { signal: mode, dead_band: None }];
    settings.data = vec![mode];
    let mut car = Car::on(Plan::Unified(settings));
    car.document.pushes.only = true;
    for (minute, json, outcome) in [
        (1, r#""Eco""#, None),
        (2, r#""ECO""#, Some("unchanged")),
        (3, r#"{"canonical":"eco","oemDisplayName":"Eco+"}"#, None),
        (4, r#"{"canonical":"ECO","oemDisplayName":"eco+"}"#, Some("unchanged")),
        (5, r#""sport""#, None),
    ] {
        let became: Vec<_> = became(&push(&mut car, &[(mode, json, minute)], at(minute)));
        assert_eq!(became.first().map(|(_, outcome)| *outcome), outcome, "{json}");
    }
}

#[test]
fn what_becomes_readable_is_sent() {
    let mut car = Car::on(unified());
    let without = PermissionSet::from_bits(
        PermissionSet::ALL.bits() & !PermissionSet::default().with(Permission::ReadBattery).bits(),
    );
    car.step(Input::Permissions(without), at(0));
    let mut values = full(80.0, 100.0);
    values.retain(|(signal, _)| *signal != STATE_OF_CHARGE);
    let events = car.read(&values, at(0));
    assert_eq!(events, [Occasion::FirstDelivery, errors(ErrorCode::PERMISSION, false, &[STATE_OF_CHARGE])]);
    car.step(Input::Permissions(PermissionSet::ALL), at(1));
    let events = occasions(&push(&mut car, &[(STATE_OF_CHARGE, "80", 2)], at(2)));
    let resolved = errors(ErrorCode::PERMISSION, true, &[STATE_OF_CHARGE]);
    assert_eq!(events, [changed(&[STATE_OF_CHARGE]), resolved]);
}

#[test]
fn a_clock_of_ours_that_was_ahead_costs_nothing_afterwards() {
    let mut car = delivered(unified());
    let untimed = |json: &str, now| Reading { observed_at: None, ..reading(STATE_OF_CHARGE, json, 0, now) };
    let ahead = at(61);
    assert_eq!(
        occasions(&car.step(Input::Readings(vec![untimed("79", ahead)]), ahead)),
        [changed(&[STATE_OF_CHARGE])]
    );
    for (minute, json) in [(2, "78"), (3, "77")] {
        let events = occasions(&car.step(Input::Readings(vec![untimed(json, at(minute))]), at(minute)));
        assert_eq!(events, [changed(&[STATE_OF_CHARGE])], "{json}");
    }
    car.step(Input::Readings(vec![untimed("76", ahead)]), ahead);
    let outcome = push(&mut car, &[(STATE_OF_CHARGE, "75", 4)], at(5));
    assert_eq!(occasions(&outcome), [changed(&[STATE_OF_CHARGE])], "what was measured before, too");
}

#[test]
fn tyres_whose_sensors_sleep_are_as_they_were() {
    let Plan::Unified(mut settings) = unified() else { unreachable!() };
    settings.triggers = vec![Trigger { signal: TIRES, dead_band: None }];
    settings.data = vec![TIRES];
    let mut car = Car::on(Plan::Unified(settings));
    car.document.pushes.only = true;
    let tyres = |pressures: [f64; 4]| {
        let cell = |(place, pressure): (usize, f64)| {
            format!(r#"{{"row":{},"column":{},"tirePressure":{pressure}}}"#, place / 2, place % 2)
        };
        let cells: Vec<_> = pressures.into_iter().enumerate().map(cell).collect();
        format!(r#"{{"values":[{}]}}"#, cells.join(","))
    };
    push(&mut car, &[(TIRES, &tyres([268.0, 269.0, 270.0, 271.0]), 1)], at(1));
    let asleep = push(&mut car, &[(TIRES, &tyres([0.0; 4]), 2)], at(2));
    assert_eq!((occasions(&asleep), became(&asleep)), (vec![], vec![(0, "unknown")]));
    let one = push(&mut car, &[(TIRES, &tyres([268.0, 0.0, 270.0, 271.0]), 3)], at(3));
    assert_eq!((occasions(&one), became(&one)), (vec![], vec![(0, "unchanged")]));
    let lost = push(&mut car, &[(TIRES, &tyres([180.0, 0.0, 270.0, 271.0]), 4)], at(4));
    assert_eq!(occasions(&lost), [changed(&[TIRES])]);
    let known = |cells: &[GridCell]| cells.iter().map(|cell| cell.pressure.unwrap()).collect::<Vec<_>>();
    let Some(Value::Grid(cells)) = car.document.value(TIRES) else { panic!() };
    assert_eq!(known(cells), [180.0, 269.0, 270.0, 271.0]);
}

#[test]
fn an_odometer_that_cannot_be_is_not_told_and_a_read_is_no_exception() {
    let mut car = delivered(unified());
    for minute in [1, 2] {
        assert_eq!(car.read(&full(80.0, 0.0), at(minute)), []);
        assert_eq!(car.document.value(ODOMETER), Some(&Value::Number(100.0)));
    }
    assert_eq!(car.read(&full(80.0, 120.0), at(30)), [changed(&[ODOMETER])]);
}

#[test]
fn what_differs_from_the_last_that_was_known_is_a_change_whichever_signal_says_it() {
    for (trigger, before, after) in [
        (IS_CHARGING, (IS_CHARGING, "true"), (CHARGING_STATUS, "\"FULLY_CHARGED\"")),
        (CHARGING_STATUS, (CHARGING_STATUS, "\"NOT_CHARGING\""), (IS_CHARGING, "true")),
    ] {
        let Plan::Unified(mut settings) = unified() else { unreachable!() };
        settings.triggers = vec![Trigger { signal: trigger, dead_band: None }];
        settings.data = vec![trigger];
        let mut car = Car::on(Plan::Unified(settings));
        push(&mut car, &[(before.0, before.1, 1)], at(1));
        push(&mut car, &[(CHARGING_STATUS, "null", 2)], at(2));
        let told = push(&mut car, &[(after.0, after.1, 3)], at(3));
        assert_eq!(occasions(&told), [changed(&[trigger])], "{trigger:?}");
    }
}

#[test]
fn what_was_measured_shortly_before_a_null_of_our_time_counts() {
    let mut car = delivered(unified());
    let null = Reading { observed_at: None, ..reading(STATE_OF_CHARGE, "null", 0, at(10)) };
    car.step(Input::Readings(vec![null]), at(10));
    let now = at(10) + Duration::from_secs(5);
    let measured = Reading {
        observed_at: Some(at(10) - Duration::from_secs(5)),
        ..reading(STATE_OF_CHARGE, "51", 0, now)
    };
    let told = car.step(Input::Readings(vec![measured]), now);
    assert_eq!((occasions(&told), became(&told)), (vec![changed(&[STATE_OF_CHARGE])], vec![]));
}
