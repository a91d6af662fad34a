//! What cars do when they are told to, and what their brands tell beside signals.

use super::*;
use domain::{
    signal::BrandRead,
    vehicle::{BrandCommand, Command},
};

use Command::*;

const HOME: Command = Destination { latitude: 48.14, longitude: 11.58 };

/// What came of a command: `done`, or the code of the error.
fn told(car: &CarSpec, wish: Command, now: Timestamp) -> String {
    match command(car.clone(), wish, now) {
        Ok(_) => "done".into(),
        Err(fault) => fault.code.code().unwrap_or("?").into(),
    }
}

/// Lock, unlock, start, stop, limit, destination.
fn all_told(car: &CarSpec, now: Timestamp) -> String {
    [Lock, Unlock, StartCharge, StopCharge, ChargeLimit(90.0), HOME]
        .map(|wish| told(car, wish, now))
        .join(" ")
}

fn is_locked(car: &CarSpec, now: Timestamp) -> bool {
    outcome(car, signal::IS_LOCKED, now).unwrap().0 == Value::Flag(true)
}

/// A moment at which the car does this, in its first hours.
fn when(car: &CarSpec, status: &str, gear: &str) -> Timestamp {
    let at = |minute| NOON + minutes(minute);
    let fits = |&minute: &u64| {
        text(car, signal::CHARGING_STATUS, at(minute)) == status
            && text(car, signal::GEAR, at(minute)) == gear
    };
    at((0..1_200).find(fits).expect("it does that in some hours"))
}

#[test]
fn what_a_car_does_when_it_is_told_depends_on_its_state() {
    let parked = tesla(Profile::Parked);
    let no_plug = "CHARGING_PLUG_NOT_CONNECTED CHARGING_PLUG_NOT_CONNECTED";
    assert_eq!(all_told(&parked, NOON), format!("done done {no_plug} done done"));
    let driving = tesla(Profile::Driving);
    let on_the_way = when(&driving, "NOT_CHARGING", "DRIVE");
    assert_eq!(all_told(&driving, on_the_way), format!("IN_MOTION IN_MOTION {no_plug} done done"));
    let charging = tesla(Profile::Parked).plug_in(NOON).unwrap();
    assert_eq!(all_told(&charging, NOON), "done done done done done done");
    let charged = charged_at(&charging);
    assert_eq!(all_told(&charging, charged), "done done FULLY_CHARGED done done done");
    let open = parked.clone().with_open_door(true, NOON);
    assert_eq!((told(&open, Lock, NOON), told(&open, Unlock, NOON)), ("DOOR_OPEN".into(), "done".into()));
}

#[test]
fn a_simulation_that_stands_or_is_over_cannot_be_reached_and_one_that_never_began_has_an_issue() {
    let unreachable = ["UNREACHABLE"; 6].join(" ");
    let car = tesla(Profile::Charging);
    assert_eq!(all_told(&car.clone().pause(NOON), NOON), unreachable);
    assert_eq!(all_told(&car, NOON + car.length()), unreachable);
    let no = car.model_no();
    let new = CarSpec::new(7, no, 2023, Region::Europe, Profile::Parked).unwrap();
    assert_eq!(all_told(&new, NOON), ["ACCOUNT_ISSUE"; 6].join(" "));
    let day = tesla(Profile::Day);
    assert_ne!(all_told(&day, NOON + hours(10_000)), unreachable, "days go on");
}

#[test]
fn a_car_in_trouble_fails_commands_as_it_fails_reads() {
    for code in ErrorCode::all() {
        let car = tesla(Profile::Parked).with_trouble(Some(Trouble::Fail(code)));
        assert_eq!(command(car.clone(), Lock, NOON), Err(code.into()));
        let read = BrandRead::find("/tesla/alerts").unwrap();
        assert_eq!(details(&car, read, NOON), Err(code.into()));
    }
    let revoked = tesla(Profile::Parked).with_account(Account::Revoked);
    assert_eq!(told(&revoked, Lock, NOON), "PERMISSION");
}

#[test]
fn a_lock_stays_as_it_was_told_until_the_car_does_something_else() {
    let car = tesla(Profile::Parked);
    assert!(is_locked(&car, NOON));
    let car = command(car, Unlock, NOON).unwrap();
    assert!(!is_locked(&car, NOON) && !is_locked(&car, NOON + hours(5)));
    let relocked = command(car.clone(), Lock, NOON + hours(5)).unwrap();
    assert!(is_locked(&relocked, NOON + hours(5)));
    let charging = tesla(Profile::Charging);
    let unlocked = command(charging.clone(), Unlock, NOON).unwrap();
    let driven = NOON + charging.length() - SECOND;
    assert!(!is_locked(&unlocked, NOON));
    assert_eq!(is_locked(&unlocked, driven), is_locked(&charging, driven), "it has been driven since");
}

#[test]
fn charging_stops_and_goes_on_as_told() {
    let car = tesla(Profile::Parked).plug_in(NOON).unwrap();
    let car = command(car, ChargeLimit(100.0), NOON).unwrap();
    let status = |car: &CarSpec, now| text(car, signal::CHARGING_STATUS, now);
    let (one, two) = (NOON + hours(1), NOON + hours(2));
    let stopped = command(car.clone(), StopCharge, one).unwrap();
    assert_eq!(
        (status(&stopped, one).as_str(), status(&stopped, two).as_str()),
        ("NOT_CHARGING", "NOT_CHARGING")
    );
    let charge = |car: &CarSpec, now| number(car, signal::STATE_OF_CHARGE, now);
    assert_eq!(charge(&stopped, two), charge(&car, one));
    let on = command(stopped.clone(), StartCharge, two).unwrap();
    assert_eq!((status(&on, two).as_str(), charge(&on, two)), ("CHARGING", charge(&stopped, two)));
    assert!(charge(&on, NOON + hours(3)) > charge(&on, two));
    assert_eq!(command(on.clone(), StartCharge, two), Ok(on), "it charges already");
}

#[test]
fn a_car_charges_up_to_the_limit_that_it_was_told() {
    let car = tesla(Profile::Parked).plug_in(NOON).unwrap();
    for limit in [50.0, 65.0, 100.0] {
        let car = command(car.clone(), ChargeLimit(limit), NOON).unwrap();
        assert_eq!(number(&car, signal::CHARGE_LIMITS, NOON), limit);
        let begun = number(&car, signal::STATE_OF_CHARGE, NOON);
        assert_eq!(number(&car, signal::STATE_OF_CHARGE, charged_at(&car)), limit.max(begun));
    }
    let full = charged_at(&car);
    let more = command(car, ChargeLimit(100.0), full).unwrap();
    assert_eq!(text(&more, signal::CHARGING_STATUS, full), "CHARGING");
    let stopped = command(more, StopCharge, full).unwrap();
    let limited = command(stopped, ChargeLimit(95.0), full).unwrap();
    assert_eq!(text(&limited, signal::CHARGING_STATUS, full), "NOT_CHARGING", "the limit starts nothing");
}

#[test]
fn what_a_model_does_not_tell_it_is_not_told() {
    let combustion = car("AUDI", "A4", Profile::Parked);
    let not_capable = Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE);
    assert_eq!(can(&combustion, StartCharge), not_capable);
    assert_eq!(can(&combustion, Lock), Ok(()));
    let sparse = car("RENAULT", "Twizy", Profile::Parked);
    assert_eq!([can(&sparse, Lock), can(&sparse, ChargeLimit(80.0)), can(&sparse, HOME)], [not_capable; 3]);
    assert_eq!(can(&sparse, StopCharge), Ok(()));
}

#[test]
fn every_field_of_every_brand_has_a_value_or_may_be_null() {
    use domain::{payload::v2::rest::Read, units::UnitSystem, vehicle};
    for read in BrandRead::all() {
        let no = models().find(|no| {
            let model = no.model();
            read.fits(model.make, model.powertrain) && model.years.1 >= 2023
        });
        let no = no.expect("there is a model of the brand");
        let model = no.model();
        let car = CarSpec::new(7, no, model.years.1, model.regions[0], Profile::Parked).unwrap();
        let car = car.start(NOON).plug_in(NOON).unwrap();
        let signals: Vec<_> = read.signals().collect();
        let mut document = vehicle::Document {
            permissions: domain::connect::PermissionSet::ALL,
            ..vehicle::Document::default()
        };
        let info = vehicle::VehicleInfo {
            id: "0190a8c8-0000-7000-8000-000000000000".parse().unwrap(),
            make: model.make.into(),
            model: model.name.into(),
            year: model.years.1,
            mode: vehicle::Mode::Simulated,
            powertrain: model.powertrain,
            region: model.regions[0],
        };
        let input = vehicle::Input::Answers(answer(&car, &signals, NOON).unwrap());
        vehicle::step(&mut document, &info, &[], input, NOON);
        let seen = vehicle::observe(&document, &signals, NOON, NOON);
        let details = details(&car, read, NOON).unwrap();
        for units in [UnitSystem::Metric, UnitSystem::Imperial] {
            let answered = Read::Brand(read).answer(&info, &seen, Some(&details), units);
            let answered = answered.unwrap_or_else(|error| panic!("{read:?}: {error}"));
            assert!(answered.data_age.is_some() && answered.fetched_at.is_some(), "{read:?}");
        }
    }
}

/// A car on its first day, as somebody gets it who connects one.
fn fresh(no: ModelNo, seed: u32) -> CarSpec {
    let model = no.model();
    CarSpec::new(seed, no, model.years.1, model.regions[0], Profile::Day).unwrap().at_home().start(NOON)
}

#[test]
fn a_fresh_car_with_a_plug_is_plugged_in_and_not_full_and_obeys_each_command_it_can_do_also_twice() {
    for no in models().filter(|no| no.model().plugs_in()) {
        for seed in 0..20 {
            let mut car = fresh(no, seed);
            let model = no.model();
            let context = format!("{} {} {seed}", model.make, model.name);
            if model.has(signal::STATE_OF_CHARGE) {
                assert!(number(&car, signal::STATE_OF_CHARGE, NOON) < 50.0, "{context}");
            }
            if model.has(signal::IS_CABLE_CONNECTED) {
                let plugged = outcome(&car, signal::IS_CABLE_CONNECTED, NOON).unwrap().0;
                assert_eq!(plugged, Value::Flag(true), "{context}");
            }
            let wishes = [
                StartCharge,
                StartCharge,
                StopCharge,
                StopCharge,
                StartCharge,
                ChargeLimit(90.0),
                ChargeLimit(70.0),
                StopCharge,
                StartCharge,
                Lock,
                Lock,
                Unlock,
                Unlock,
                Lock,
                HOME,
            ];
            let mut now = NOON;
            for wish in wishes {
                if can(&car, wish).is_err() {
                    continue;
                }
                now = now + SECOND;
                car =
                    command(car, wish, now).unwrap_or_else(|fault| panic!("{context}: {wish:?}: {fault:?}"));
                let charges = matches!(wish, StartCharge);
                if charges || matches!(wish, StopCharge) {
                    let is_charging = outcome(&car, signal::IS_CHARGING, now).unwrap().0;
                    assert_eq!(is_charging, Value::Flag(charges), "{context}: {wish:?}");
                }
                if matches!(wish, Lock | Unlock) {
                    assert_eq!(is_locked(&car, now), wish == Lock, "{context}");
                }
                if let (ChargeLimit(limit), true) = (wish, model.has(signal::CHARGE_LIMITS)) {
                    assert_eq!(number(&car, signal::CHARGE_LIMITS, now), limit, "{context}");
                }
            }
        }
    }
}

#[test]
fn a_lock_that_was_opened_stays_open_when_charging_is_started_and_stopped() {
    let mut car = fresh(tesla(Profile::Parked).model_no(), 7);
    car = command(car, Unlock, NOON).unwrap();
    for wish in [StopCharge, StartCharge, ChargeLimit(90.0), StopCharge] {
        car = command(car, wish, NOON + SECOND).unwrap();
        assert!(!is_locked(&car, NOON + SECOND), "{wish:?}");
    }
}

#[test]
fn a_car_that_lives_day_by_day_lives_on_after_a_command() {
    let car = fresh(tesla(Profile::Parked).model_no(), 7);
    let car = command(car, ChargeLimit(90.0), NOON).unwrap();
    let later = NOON + hours(24 * 30);
    assert_eq!(told(&car, Lock, later), "done");
    let car = CarSpec::decode(&car.encode()).unwrap();
    assert_eq!(told(&car, Lock, later), "done");
}

/// The values of a read of a brand.
fn shown(car: &CarSpec, path: &str, name: &str, now: Timestamp) -> Value {
    let details = details(car, BrandRead::find(path).unwrap(), now).unwrap();
    details.values.into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn what_a_command_of_a_brand_sets_is_read_next() {
    use BrandCommand::{
        Amperage, Cabin, ChargePort, ChargeTime, Defroster, Frunk, SetPin, SteeringWheel, Trunk,
    };
    let tesla = fresh(tesla(Profile::Parked).model_no(), 7);
    let after = |car: &CarSpec, set: BrandCommand| {
        let car = command(car.clone(), Brand(set), NOON).unwrap_or_else(|fault| panic!("{set:?}: {fault:?}"));
        assert!(car.encode().len() <= CarSpec::MAX_BYTES);
        assert_eq!(CarSpec::decode(&car.encode()).unwrap(), car);
        car
    };
    let (on, off) = (Value::Flag(true), Value::Flag(false));
    let json = |text: &str| Value::Json(text.into());

    let warm = after(&tesla, Cabin { on: Some(true), celsius: Some(24.5) });
    assert_eq!(shown(&warm, "/tesla/climate/cabin", "status", NOON), on);
    assert_eq!(shown(&warm, "/tesla/climate/cabin", "temperature", NOON), Value::Number(24.5));
    let set = after(&warm, Cabin { on: None, celsius: Some(20.0) });
    assert_eq!(shown(&set, "/tesla/climate/cabin", "status", NOON), on);
    assert_eq!(
        shown(&after(&set, Cabin { on: Some(false), celsius: None }), "/tesla/climate/cabin", "status", NOON),
        off
    );

    let clear = after(&tesla, Defroster(true));
    assert_eq!(shown(&clear, "/tesla/climate/defroster", "rearStatus", NOON), on);
    assert_eq!(
        shown(&after(&tesla, SteeringWheel(true)), "/tesla/climate/steering_wheel", "status", NOON),
        on
    );

    let amperes = SignalId::from_code("charge-amperage").unwrap();
    let slow = after(&tesla, Amperage(16.0));
    assert_eq!(number(&slow, amperes, NOON + SECOND), 16.0);
    assert_eq!(shown(&slow, "/tesla/charge", "amperageRequested", NOON), Value::Number(16.0));
    let most = after(&tesla, Amperage(900.0));
    let Value::Number(limited) = shown(&most, "/tesla/charge", "amperageRequested", NOON) else { panic!() };
    assert!((20.0..60.0).contains(&limited), "{limited}");
    let unplugged = tesla.clone().unplug(NOON).unwrap();
    assert_eq!(told(&unplugged, Brand(Amperage(16.0)), NOON), "CHARGING_PLUG_NOT_CONNECTED");

    let night = after(&tesla, ChargeTime { departure: false, minute: Some(1_410) });
    let schedule = |car: &CarSpec, name| shown(car, "/tesla/charge/schedule", name, NOON);
    assert_eq!(schedule(&night, "startTime"), json(r#"{"enabled":true,"time":"23:30"}"#));
    assert_eq!(schedule(&night, "departureTime"), json(r#"{"enabled":false,"time":null}"#));
    let ended = after(&night, ChargeTime { departure: false, minute: None });
    assert_eq!(schedule(&ended, "startTime"), json(r#"{"enabled":false,"time":null}"#));

    let open = |car: &CarSpec, signal| match outcome(car, signal, NOON).unwrap().0 {
        Value::Flag(flag) => flag,
        Value::Grid(cells) => cells[0].is_open.unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(open(&after(&tesla, Trunk(true)), signal::REAR_TRUNK));
    assert!(!open(&after(&after(&tesla, Trunk(true)), Trunk(false)), signal::REAR_TRUNK));
    assert!(open(&after(&tesla, Frunk), signal::FRONT_TRUNK));
    assert!(!open(&after(&tesla, ChargePort(false)), signal::IS_CHARGING_PORT_OPEN));
    assert_eq!(after(&tesla, SetPin).encode(), tesla.clone().at_speed(1, NOON).encode());

    let leaf = fresh(find("NISSAN", "Leaf", 2023, Region::Europe).unwrap(), 7);
    let days = domain::vehicle::ChargeDays { start: 480, end: 720, days: 0b1_0101 };
    let leaf = after(&leaf, BrandCommand::ChargeDays([Some(days), None, None]));
    assert_eq!(
        shown(&leaf, "/nissan/charge/schedule", "chargeSchedules", NOON),
        json(r#"[{"start":"08:00","end":"12:00","days":["MONDAY","WEDNESDAY","FRIDAY"]}]"#)
    );

    let ford = fresh(find("FORD", "Mustang Mach-E", 2023, Region::Europe).unwrap(), 7);
    let (latitude, longitude) = place(&ford, NOON);
    let hours = domain::vehicle::ChargeHours {
        latitude,
        longitude,
        limit: 90.0,
        weekday: [Some((9, 17)), None, None, None],
        weekend: [None; 4],
    };
    let ford_set = after(&ford, BrandCommand::ChargeHours(hours));
    let Value::Json(places) =
        shown(&ford_set, "/ford/charge/schedule_by_location", "chargingLocations", NOON)
    else {
        panic!()
    };
    let shows = r#""chargingSchedules":{"weekday":[{"start":"09:00","end":"17:00"}],"weekend":[]}"#;
    assert!(places.contains(r#""chargeLimit":0.9"#) && places.contains(shows), "{places}");
    let elsewhere =
        BrandCommand::ChargeHours(domain::vehicle::ChargeHours { latitude: latitude + 1.0, ..hours });
    assert_eq!(told(&ford, Brand(elsewhere), NOON), "PARAMETER");

    for (car, other) in [(&leaf, Frunk), (&ford, Amperage(16.0)), (&tesla, BrandCommand::ChargeHours(hours))]
    {
        assert_eq!(can(car, Brand(other)), Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE));
    }
}

#[test]
fn ranges_and_amounts_of_cars_are_never_whole_numbers() {
    let volt = find("CHEVROLET", "Volt", 2019, Region::UnitedStates).unwrap();
    for seed in 0..200 {
        let car =
            CarSpec::new(seed, volt, 2019, Region::UnitedStates, Profile::Day).unwrap().at_home().start(NOON);
        for signal in [signal::BATTERY_RANGE, signal::FUEL_AMOUNT, signal::NOMINAL_CAPACITY] {
            let number = number(&car, signal, NOON + minutes(u64::from(seed)));
            assert!(number > 0.0 && number.fract() != 0.0, "{signal:?} {number}");
        }
    }
}
