//! What cars do when they are told to, and what their brands tell beside signals.

use super::*;
use domain::{signal::BrandRead, vehicle::Command};

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
    assert_eq!(all_told(&charging, charged), "done done FULLY_CHARGED NOT_CHARGING done done");
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
