use super::*;
use crate::{
    SIMULATED,
    testing::{NOON, TestClock, hours, minutes},
};
use domain::{
    ids::PoolNo,
    signal::{self, Endpoint, Powertrain, Value},
};
use futures::executor::block_on;
use proptest::prelude::*;
use std::time::Duration;

mod commands;
mod life;

const SECOND: Duration = Duration::from_secs(1);

fn car(make: &str, model: &str, profile: Profile) -> CarSpec {
    let no = find(make, model, 2023, Region::Europe).unwrap();
    CarSpec::new(7, no, 2023, Region::Europe, profile).unwrap().start(NOON)
}

fn tesla(profile: Profile) -> CarSpec {
    car("TESLA", "Model 3", profile)
}

/// Any started car that there can be.
fn cars() -> impl Strategy<Value = CarSpec> {
    let model = proptest::sample::select(models().collect::<Vec<_>>());
    (any::<u32>(), model, 0..Profile::ALL.len(), any::<bool>()).prop_map(|(seed, no, profile, realistic)| {
        let model = no.model();
        let profile = match Profile::ALL[profile] {
            Profile::Charging if !model.plugs_in() => Profile::Parked,
            profile => profile,
        };
        let spec = CarSpec::new(seed, no, model.years.1, model.regions[0], profile).unwrap();
        spec.with_latency(if realistic { Latency::Realistic } else { Latency::Ideal }).start(NOON)
    })
}

/// Cars that were plugged in by hand, so that nothing interrupts them.
fn charging_cars() -> impl Strategy<Value = CarSpec> {
    cars().prop_filter_map("has a plug and tells its limit", |car| {
        let car = car.change(Profile::Parked, NOON).ok()?.plug_in(NOON).ok()?;
        car.model().has(signal::CHARGE_LIMITS).then_some(car)
    })
}

/// When a charging car reached its limit.
fn charged_at(car: &CarSpec) -> Timestamp {
    let status = |minute| text(car, signal::CHARGING_STATUS, NOON + minutes(minute));
    let found = (0..6_000).find(|&minute| status(minute) == "FULLY_CHARGED");
    NOON + minutes(found.expect("it is charged within days"))
}

fn troubles() -> impl Strategy<Value = Option<Trouble>> {
    let code = proptest::sample::select(ErrorCode::all().collect::<Vec<_>>());
    let signals = proptest::sample::subsequence(SignalId::all().collect::<Vec<_>>(), 0..20);
    proptest::option::of((code, signals, 0..4, 0..100_000_u64).prop_map(|(code, signals, kind, seconds)| {
        match kind {
            0 => Trouble::Fail(code),
            1 => Trouble::FailUntil(code, NOON + SECOND * seconds as u32),
            2 => Trouble::FailSignals(signals.into_iter().collect(), code),
            _ => Trouble::Throttled { retry_after: SECOND * seconds as u32 },
        }
    }))
}

fn all_signals() -> Vec<SignalId> {
    SignalId::all().collect()
}

fn outcome(car: &CarSpec, signal: SignalId, now: Timestamp) -> Result<(Value, Option<Timestamp>), Fault> {
    answer(car, &[signal], now).and_then(|answers| answers[0].outcome.clone())
}

fn number(car: &CarSpec, signal: SignalId, now: Timestamp) -> f64 {
    match outcome(car, signal, now) {
        Ok((Value::Number(number), _)) => number,
        other => panic!("{signal:?}: {other:?}"),
    }
}

fn text(car: &CarSpec, signal: SignalId, now: Timestamp) -> String {
    match outcome(car, signal, now) {
        Ok((Value::Text(text), _)) => text,
        other => panic!("{signal:?}: {other:?}"),
    }
}

fn place(car: &CarSpec, now: Timestamp) -> (f64, f64) {
    match outcome(car, signal::LOCATION, now) {
        Ok((Value::Position { latitude, longitude, .. }, _)) => (latitude, longitude),
        other => panic!("{other:?}"),
    }
}

fn captured_at(car: &CarSpec, now: Timestamp) -> Timestamp {
    outcome(car, signal::ODOMETER, now).unwrap().1.unwrap()
}

/// Great-circle distance in kilometres.
fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let [lat_1, lon_1, lat_2, lon_2] = [from.0, from.1, to.0, to.1].map(f64::to_radians);
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let a = half(lat_2 - lat_1) + lat_1.cos() * lat_2.cos() * half(lon_2 - lon_1);
    2.0 * 6_371.0 * a.sqrt().asin()
}

// What cars say.

#[test]
fn a_car_answers_every_v2_endpoint_of_its_powertrain_and_no_other() {
    let wanted: Vec<_> = Endpoint::ALL.iter().flat_map(|endpoint| endpoint.signals()).copied().collect();
    for (make, model, powertrain) in [
        ("FORD", "Mustang Mach-E", Powertrain::Bev),
        ("FORD", "Transit", Powertrain::Ice),
        ("VOLVO", "XC60 T8", Powertrain::Phev),
        ("HYUNDAI", "Tucson Hybrid", Powertrain::Hev),
    ] {
        let car = car(make, model, Profile::Parked);
        assert_eq!(car.model().powertrain, powertrain);
        for Answer { signal, outcome } in answer(&car, &wanted, NOON + hours(1)).unwrap() {
            let fits = car.model().has(signal);
            assert_eq!(outcome.is_ok(), fits, "{model} {signal:?}");
            if !signal.entry().powertrains.contains(powertrain) {
                assert_eq!(outcome, Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into()));
            }
        }
    }
}

#[test]
fn a_model_lacks_what_its_catalogue_row_says() {
    let sparse = car("RENAULT", "Twizy", Profile::Parked);
    assert_eq!(
        outcome(&sparse, signal::TIRES, NOON),
        Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into())
    );
    assert!(outcome(&sparse, signal::STATE_OF_CHARGE, NOON).is_ok());
}

#[test]
fn what_no_simulated_car_says_is_not_capable() {
    let records = SignalId::from_code("charge-chargerecords").unwrap();
    let refused = outcome(&tesla(Profile::Charging), records, NOON);
    assert_eq!(refused, Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into()));
}

#[test]
fn json_values_are_in_canonical_form() {
    let car = car("FORD", "Transit", Profile::Parked);
    for signal in all_signals() {
        if let Ok((Value::Json(text), _)) = outcome(&car, signal, NOON) {
            assert_eq!(domain::payload::json::canonical(&text).as_deref(), Ok(text.as_str()), "{signal:?}");
        }
    }
}

#[test]
fn a_driving_car_is_in_gear_and_a_stopped_one_in_park() {
    let car = tesla(Profile::Driving);
    let (mut driving, mut parked) = (0, 0);
    for minute in 0..600 {
        let now = NOON + minutes(minute);
        match (text(&car, signal::GEAR, now).as_str(), number(&car, signal::SPEED, now)) {
            ("DRIVE", _) => driving += 1,
            ("REVERSE", slow) if slow < 5.0 => driving += 1,
            ("PARK", 0.0) => parked += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(driving > 200 && parked > 100, "{driving} {parked}");
}

#[test]
fn a_driving_car_moves_as_fast_as_it_says() {
    let car = tesla(Profile::Driving);
    let mut compared = 0;
    for minute in 0..400 {
        let (from, to) = (NOON + minutes(minute), NOON + minutes(minute) + Duration::from_secs(30));
        let hours = captured_at(&car, to).since(captured_at(&car, from)).as_secs_f64() / 3_600.0;
        let said = (number(&car, signal::SPEED, from) + number(&car, signal::SPEED, to)) / 2.0;
        if said < 5.0 || hours == 0.0 {
            continue;
        }
        let moved = distance_km(place(&car, from), place(&car, to)) / hours;
        assert!((moved - said).abs() < 6.0, "{moved} km/h at {minute} min, not {said}");
        compared += 1;
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn a_day_of_driving_ends_where_it_began() {
    let car = tesla(Profile::Driving);
    let (begun, ended) = (place(&car, NOON), place(&car, NOON + car.length() + hours(30)));
    assert!(distance_km(begun, ended) < 0.01);
    assert!((0..480).any(|minute| distance_km(begun, place(&car, NOON + minutes(minute))) > 3.0));
    assert!((hours(7)..=hours(24)).contains(&car.length()));
}

#[test]
fn a_plug_in_hybrid_drives_on_its_battery_first_and_then_on_fuel() {
    let car = car("VOLVO", "XC60 T8", Profile::Driving);
    let at = |minute| {
        let now = NOON + minutes(minute);
        (number(&car, signal::STATE_OF_CHARGE, now), number(&car, signal::FUEL_LEVEL, now))
    };
    let (charge, fuel) = at(0);
    let first_fuel = (0..1_440).find(|&minute| at(minute).1 < fuel).expect("the battery does not last a day");
    assert!(at(first_fuel).0 <= 11.0 && charge >= 70.0);
    assert_eq!(at(1_440).0, at(first_fuel).0);
}

#[test]
fn a_charging_car_tells_how_much_power_it_takes_and_how_long_it_will_need() {
    let car = tesla(Profile::Charging);
    let read = |code, now| number(&car, SignalId::from_code(code).unwrap(), now);
    let left = read("charge-timetocomplete", NOON);
    assert!(read("charge-wattage", NOON) >= 7_000.0 && left > 60.0);
    assert_eq!(text(&car, signal::CHARGING_STATUS, NOON), "CHARGING");

    let done = NOON + minutes(left as u64 + 1);
    assert_eq!(text(&car, signal::CHARGING_STATUS, done), "FULLY_CHARGED");
    assert_eq!(number(&car, signal::STATE_OF_CHARGE, done), number(&car, signal::CHARGE_LIMITS, done));
    assert_eq!(outcome(&car, signal::IS_CABLE_CONNECTED, done).unwrap().0, Value::Flag(true));
    assert_eq!((read("charge-wattage", done), read("charge-timetocomplete", done)), (0.0, 0.0));
    let added = read("charge-energyadded", done);
    let risen = number(&car, signal::STATE_OF_CHARGE, done) - number(&car, signal::STATE_OF_CHARGE, NOON);
    assert!((added - risen / 100.0 * car.model().battery_kwh).abs() < 1.0, "{added} kWh");
}

#[test]
fn a_car_without_a_plug_is_never_charging() {
    let no = find("BMW", "X3", 2023, Region::UnitedStates).unwrap();
    let refused = CarSpec::new(1, no, 2023, Region::UnitedStates, Profile::Charging).unwrap_err();
    assert_eq!(refused.to_string(), "a BMW X3 cannot be charged; let it be driving or parked");
    let parked = CarSpec::new(1, no, 2023, Region::UnitedStates, Profile::Parked).unwrap();
    assert_eq!(parked.change(Profile::Charging, NOON), Err(refused));
}

#[test]
fn a_car_of_a_wrong_year_or_region_is_refused() {
    let no = find("BYD", "Seal", 2024, Region::Europe).unwrap();
    let make = |year, region| CarSpec::new(1, no, year, region, Profile::Parked).map(drop);
    assert!(matches!(make(2010, Region::Europe), Err(SpecRefused::NoSuchCar(NoSuchCar::Year { .. }))));
    assert!(matches!(
        make(2024, Region::UnitedStates),
        Err(SpecRefused::NoSuchCar(NoSuchCar::Region { .. }))
    ));
}

#[test]
fn a_driving_car_reports_every_few_seconds_and_a_parked_one_twice_an_hour() {
    let age = |car: &CarSpec, now| now - captured_at(car, now).since(Timestamp::from_micros(0));
    let oldest = |car: &CarSpec| {
        let ages = (0..120).map(|minute| age(car, NOON + minutes(minute) + SECOND * 59));
        Duration::from_micros(ages.max().unwrap().as_micros() as u64)
    };
    assert!((minutes(19)..=minutes(30)).contains(&oldest(&tesla(Profile::Parked))));
    let early_in_the_leg = NOON + minutes(20);
    let driving = tesla(Profile::Driving);
    assert!(early_in_the_leg.since(captured_at(&driving, early_in_the_leg)) <= SECOND * 10);
}

// Controls.

#[test]
fn a_paused_car_goes_on_answering_and_does_not_age_on_its_trip() {
    let car = tesla(Profile::Driving).pause(NOON + minutes(10));
    let (soon, late) = (NOON + minutes(11), NOON + hours(9));
    assert_eq!(answer(&car, &all_signals(), soon), answer(&car, &all_signals(), late));
    assert_eq!(captured_at(&car, late), NOON + minutes(10));
    assert_eq!(car.elapsed(late), minutes(10));

    let resumed = car.resume(NOON + hours(9));
    assert_eq!(resumed.elapsed(NOON + hours(9) + minutes(2)), minutes(12));
}

#[test]
fn a_car_runs_as_many_times_faster_as_it_is_told_from_then_on() {
    let car = tesla(Profile::Driving).at_speed(60, NOON + minutes(10));
    assert_eq!(car.elapsed(NOON + minutes(10)), minutes(10));
    assert_eq!(car.elapsed(NOON + minutes(11)), minutes(70));
    let slow = car.at_speed(1, NOON + minutes(11));
    assert_eq!(slow.elapsed(NOON + minutes(12)), minutes(71));
    assert_eq!(slow.clone().at_speed(0, NOON).speed(), 1);
    assert_eq!(slow.at_speed(u16::MAX, NOON).speed(), CarSpec::MAX_SPEED);
}

#[test]
fn a_jump_sets_the_time_of_the_car_and_a_restart_sets_it_to_the_beginning() {
    let car = tesla(Profile::Charging).jump(hours(3), NOON + minutes(1));
    assert_eq!(car.elapsed(NOON + minutes(2)), hours(3) + minutes(1));
    let again = car.restart(NOON + minutes(2));
    assert_eq!(again.elapsed(NOON + minutes(2)), Duration::ZERO);
    assert_eq!(
        number(&again, signal::STATE_OF_CHARGE, NOON + minutes(2)),
        number(&tesla(Profile::Charging), signal::STATE_OF_CHARGE, NOON)
    );
    assert_eq!(tesla(Profile::Parked).pause(NOON).restart(NOON).run(), Run::Running);
}

#[test]
fn a_control_that_does_not_fit_changes_nothing() {
    let running = tesla(Profile::Parked);
    assert_eq!(running.clone().start(NOON + hours(1)), running);
    assert_eq!(running.clone().resume(NOON + hours(1)), running);
    let paused = running.pause(NOON + hours(1));
    assert_eq!(paused.clone().pause(NOON + hours(2)), paused);
    assert_eq!(paused.clone().start(NOON + hours(2)), paused);
}

#[test]
fn a_car_that_changes_its_profile_goes_on_from_where_it_is() {
    let now = NOON + hours(2) + minutes(20);
    let driving = tesla(Profile::Driving);
    let charging = driving.clone().change(Profile::Charging, now).unwrap();
    assert!(distance_km(place(&driving, now), place(&charging, now)) < 1.0);
    for signal in [signal::ODOMETER, signal::STATE_OF_CHARGE] {
        let (before, after) = (number(&driving, signal, now), number(&charging, signal, now));
        assert!((before - after).abs() <= 1.0, "{signal:?}: {before} {after}");
    }
    assert_eq!(charging.elapsed(now), Duration::ZERO);
}

// Trouble.

#[test]
fn a_car_that_was_never_started_has_an_account_issue() {
    let no = find("TESLA", "Model 3", 2023, Region::UnitedStates).unwrap();
    let car = CarSpec::new(1, no, 2023, Region::UnitedStates, Profile::Parked).unwrap();
    let refused = Err(ErrorCode::CONNECTED_SERVICES_ACCOUNT_ACCOUNT_ISSUE.into());
    assert_eq!(answer(&car, &[signal::VIN], NOON), refused);
    assert!(answer(&car.start(NOON), &[signal::VIN], NOON).is_ok());
}

#[test]
fn a_trouble_fails_the_read_with_its_error() {
    let car = tesla(Profile::Parked);
    for (trouble, code, retry_after) in [
        (Trouble::ASLEEP, ErrorCode::VEHICLE_STATE_ASLEEP, None),
        (Trouble::MISSING, ErrorCode::CONNECTED_SERVICES_ACCOUNT_VEHICLE_MISSING, None),
        (Trouble::Fail(ErrorCode::UPSTREAM_NO_RESPONSE), ErrorCode::UPSTREAM_NO_RESPONSE, None),
        (Trouble::Throttled { retry_after: minutes(5) }, ErrorCode::RATE_LIMIT_VEHICLE, Some(minutes(5))),
    ] {
        let troubled = car.clone().with_trouble(Some(trouble));
        assert_eq!(answer(&troubled, &[signal::VIN], NOON), Err(Fault { code, retry_after }));
        assert!(answer(&troubled.with_trouble(None), &[signal::VIN], NOON).is_ok());
    }
}

#[test]
fn a_trouble_with_an_end_passes_at_that_moment() {
    let trouble = Trouble::FailUntil(ErrorCode::VEHICLE_STATE_UNREACHABLE, NOON + minutes(5));
    let car = tesla(Profile::Parked).with_trouble(Some(trouble));
    let fails = |after| answer(&car, &[signal::VIN], NOON + after).is_err();
    assert_eq!([fails(Duration::ZERO), fails(minutes(5) - SECOND), fails(minutes(5))], [true, true, false]);
}

#[test]
fn a_trouble_of_some_signals_leaves_the_others_alone() {
    let code = ErrorCode::UPSTREAM_INVALID_DATA;
    let trouble = Trouble::FailSignals(SignalSet::NONE.with(signal::ODOMETER), code);
    let car = tesla(Profile::Parked).with_trouble(Some(trouble));
    assert_eq!(outcome(&car, signal::ODOMETER, NOON), Err(code.into()));
    assert!(outcome(&car, signal::LOCATION, NOON).is_ok());
}

// The source.

fn source_ref(car: &CarSpec) -> SourceRef {
    SourceRef { kind: SIMULATED, pool: PoolNo(1), spec: car.encode() }
}

#[test]
fn a_read_takes_as_long_as_the_latency_of_the_car() {
    let clock = Arc::new(TestClock::at(NOON));
    let fleet = SimulatedFleet::new(clock.clone(), 1);
    block_on(fleet.read(&source_ref(&tesla(Profile::Parked)), &[signal::VIN])).unwrap();
    assert_eq!(clock.now(), NOON);
    let slow = tesla(Profile::Parked).with_latency(Latency::Realistic);
    let answers = block_on(fleet.read(&source_ref(&slow), &[signal::ODOMETER])).unwrap();
    assert!(clock.now() > NOON);
    // What it shows is what the car had reported when it was asked.
    assert_eq!(Ok(answers), answer(&slow, &[signal::ODOMETER], NOON));
}

#[test]
fn reads_are_counted_by_their_end() {
    let fleet = SimulatedFleet::new(Arc::new(TestClock::at(NOON)), 1);
    let car = tesla(Profile::Parked);
    let read = |car: &CarSpec, wanted: &[SignalId]| block_on(fleet.read(&source_ref(car), wanted)).is_ok();
    assert!(read(&car, &[signal::VIN]));
    assert!(read(&car, &[signal::VIN]));
    assert!(read(&car, &[signal::VIN, signal::FUEL_LEVEL]));
    assert!(!read(&car.with_trouble(Some(Trouble::ASLEEP)), &[signal::VIN]));
    assert_eq!(fleet.reads(), ReadCounts { complete: 2, partial: 1, failed: 1 });
    assert_eq!(fleet.reads().total(), 4);
}

#[test]
fn reads_are_recorded_only_while_somebody_wants_them() {
    let clock = Arc::new(TestClock::at(NOON));
    let fleet = SimulatedFleet::new(clock.clone(), 1);
    let car = tesla(Profile::Parked);
    let read = |signal| block_on(fleet.read(&source_ref(&car), &[signal])).unwrap();
    read(signal::VIN);
    fleet.record_reads(true);
    clock.set(NOON + minutes(1));
    read(signal::ODOMETER);
    fleet.record_reads(false);
    read(signal::TIRES);
    let recorded = RecordedRead {
        vin: car.vin(),
        asked_at: NOON + minutes(1),
        wanted: vec![signal::ODOMETER],
        fault: None,
    };
    assert_eq!(fleet.recorded_reads(), [recorded]);
}

#[test]
fn bytes_that_are_no_spec_are_a_fault_and_not_a_panic() {
    let fleet = SimulatedFleet::new(Arc::new(TestClock::at(NOON)), 1);
    let foreign = SourceRef { spec: vec![1, 2, 3], ..source_ref(&tesla(Profile::Parked)) };
    assert_eq!(block_on(fleet.read(&foreign, &[])), Err(ErrorCode::SERVER_INTERNAL.into()));
}

proptest! {
    #[test]
    fn a_spec_reads_back_and_is_small(
        car in cars(), trouble in troubles(), jump in 0..u64::MAX / 2, pause: bool, profile in 0..Profile::ALL.len(),
    ) {
        let now = NOON + hours(1);
        let car = car.with_trouble(trouble).jump(Duration::from_micros(jump), now).at_speed(3_600, now);
        let car = if pause { car.pause(now) } else { car };
        let car = car.clone().change(Profile::ALL[profile], now).unwrap_or(car);
        let bytes = car.encode();
        let most = if matches!(trouble, Some(Trouble::FailSignals(..))) { CarSpec::MAX_BYTES } else { 96 };
        prop_assert!(bytes.len() <= most, "{}", bytes.len());
        prop_assert_eq!(CarSpec::decode(&bytes).unwrap(), car);
    }

    #[test]
    fn foreign_bytes_are_refused_or_give_a_car_that_answers(
        bytes in proptest::collection::vec(any::<u8>(), 0..90),
    ) {
        if let Ok(car) = CarSpec::decode(&bytes) {
            let _ = answer(&car, &all_signals(), NOON);
        }
    }

    #[test]
    fn the_same_question_at_the_same_time_gets_the_same_answer_whatever_was_read_before(
        car in cars(), minute in 0..3_000_u64,
    ) {
        let (clock, now) = (Arc::new(TestClock::at(NOON)), NOON + minutes(minute));
        let busy = SimulatedFleet::new(clock.clone(), 1);
        let ask = |fleet: &SimulatedFleet, at| {
            clock.set(at);
            block_on(fleet.read(&source_ref(&car), &all_signals()))
        };
        for before in 0..5 {
            ask(&busy, NOON + minutes(before * 17)).unwrap();
        }
        let first = ask(&busy, now);
        prop_assert_eq!(&first, &ask(&SimulatedFleet::new(clock.clone(), 1), now));
        prop_assert_eq!(&first, &answer(&car, &all_signals(), now));
    }

    #[test]
    fn odometers_never_fall_and_reports_never_grow_older(
        car in cars(),
        steps in proptest::collection::vec((0..8_u8, 0..5_000_u64), 1..30),
    ) {
        let (mut car, mut now) = (car, NOON);
        let (mut driven, mut reported) = (0.0, NOON);
        for (control, amount) in steps {
            now = now + SECOND * amount as u32;
            car = match control {
                0 => car.pause(now),
                1 => car.resume(now),
                2 => car.restart(now),
                3 => car.at_speed(amount as u16, now),
                4 => car.jump(minutes(amount), now),
                5 => car.clone().change(Profile::ALL[amount as usize % Profile::ALL.len()], now).unwrap_or(car),
                _ => car,
            };
            let odometer = number(&car, signal::ODOMETER, now);
            prop_assert!(odometer >= driven, "{} after {}", odometer, driven);
            let captured_at = captured_at(&car, now);
            prop_assert!((reported..=now).contains(&captured_at));
            (driven, reported) = (odometer, captured_at);
        }
    }

    #[test]
    fn numbers_stay_within_what_a_car_can_have(car in cars(), minute in 0..100_000_u64) {
        for Answer { signal, outcome } in answer(&car, &all_signals(), NOON + minutes(minute)).unwrap() {
            let Ok((value, captured_at)) = outcome else { continue };
            prop_assert!(captured_at.is_some_and(|at| at <= NOON + minutes(minute)));
            match value {
                Value::Number(number) => {
                    let name = signal.entry().name;
                    let percent = matches!(name, "StateOfCharge" | "FuelLevel" | "OilLife" | "ChargeLimits");
                    let least = if name.contains("Temperature") { -20.0 } else { 0.0 };
                    let most = if percent { 100.0 } else { 1e6 };
                    prop_assert!((least..=most).contains(&number), "{:?}: {}", signal, number);
                    prop_assert!(signal != signal::SPEED || number <= 200.0, "{} km/h", number);
                }
                Value::Position { latitude, longitude, heading, .. } => {
                    prop_assert!(latitude.abs() < 70.0 && longitude.abs() < 180.0);
                    prop_assert!(heading.is_some_and(|heading| (0.0..360.0).contains(&heading)));
                }
                Value::Grid(cells) => {
                    let possible = |kpa: f64| (175.0..=245.0).contains(&kpa);
                    prop_assert!(cells.iter().filter_map(|cell| cell.pressure).all(possible));
                }
                Value::Flag(_) | Value::Text(_) | Value::Json(_) => {}
            }
        }
    }

    #[test]
    fn the_battery_of_a_driving_car_only_empties(car in charging_cars(), minutes_on in proptest::collection::vec(0..90_u64, 30)) {
        let car = car.change(Profile::Driving, NOON).unwrap();
        let (mut now, mut before) = (NOON, 100.0);
        for more in minutes_on {
            now = now + minutes(more);
            let charge = number(&car, signal::STATE_OF_CHARGE, now);
            prop_assert!(charge <= before, "{} after {}", charge, before);
            before = charge;
        }
    }

    #[test]
    fn charging_rises_to_the_limit_and_stays_there(car in charging_cars()) {
        let limit = number(&car, signal::CHARGE_LIMITS, NOON);
        let mut before = number(&car, signal::STATE_OF_CHARGE, NOON);
        let goal = limit.max(before);
        let (charged_at, stays) = (charged_at(&car), minutes(60));
        let mut now = NOON;
        while now < charged_at + stays {
            let charge = number(&car, signal::STATE_OF_CHARGE, now);
            prop_assert!((before..=goal).contains(&charge), "{} at {:?}", charge, now);
            let status = text(&car, signal::CHARGING_STATUS, now);
            prop_assert!(status == "CHARGING" || charge == goal, "{} at {} %", status, charge);
            (before, now) = (charge, now + minutes(7));
        }
        prop_assert_eq!(before, goal);
    }

    #[test]
    fn a_parked_car_stays_where_it_is(car in cars(), minute in 0..100_000_u64) {
        let car = car.change(Profile::Parked, NOON).unwrap();
        prop_assert_eq!(place(&car, NOON), place(&car, NOON + minutes(minute)));
        prop_assert_eq!(
            number(&car, signal::ODOMETER, NOON),
            number(&car, signal::ODOMETER, NOON + minutes(minute))
        );
    }
}
