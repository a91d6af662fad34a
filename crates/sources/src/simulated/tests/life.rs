//! What happens in the life of a car: a day, a charge, doors and tyres, faults, and the controls that make them happen.

use super::*;
use domain::vehicle::Command;

const MINUTE: Duration = Duration::from_secs(60);

/// A Ford, which tells of everything, on its day.
fn ford(seed: u32) -> CarSpec {
    let no = find("FORD", "Mustang Mach-E", 2023, Region::UnitedStates).unwrap();
    CarSpec::new(seed, no, 2023, Region::UnitedStates, Profile::Day).unwrap().start(NOON)
}

fn coded(car: &CarSpec, code: &str, now: Timestamp) -> Value {
    outcome(car, SignalId::from_code(code).unwrap(), now).unwrap().0
}

fn flag(car: &CarSpec, code: &str, now: Timestamp) -> bool {
    match coded(car, code, now) {
        Value::Flag(flag) => flag,
        other => panic!("{code}: {other:?}"),
    }
}

fn amount(car: &CarSpec, code: &str, now: Timestamp) -> f64 {
    match coded(car, code, now) {
        Value::Number(number) => number,
        other => panic!("{code}: {other:?}"),
    }
}

fn cells(car: &CarSpec, signal: SignalId, now: Timestamp) -> Vec<domain::signal::GridCell> {
    match outcome(car, signal, now) {
        Ok((Value::Grid(cells), _)) => cells,
        other => panic!("{signal:?}: {other:?}"),
    }
}

fn a_door_is_open(car: &CarSpec, now: Timestamp) -> bool {
    cells(car, signal::DOORS, now).iter().any(|cell| cell.is_open == Some(true))
}

fn pressures(car: &CarSpec, now: Timestamp) -> Vec<f64> {
    cells(car, signal::TIRES, now).iter().filter_map(|cell| cell.pressure).collect()
}

/// The word of a moment: what somebody would say that the car does.
fn doing(car: &CarSpec, now: Timestamp) -> &'static str {
    let status = text(car, signal::CHARGING_STATUS, now);
    match (flag(car, "charge-ischargingcableconnected", now), status.as_str()) {
        (true, "CHARGING") => "charging",
        (true, "FULLY_CHARGED") => "charged",
        (true, _) => "interrupted",
        _ if text(car, signal::GEAR, now) != "PARK" => "driving",
        _ if a_door_is_open(car, now) => "open",
        _ => "standing",
    }
}

/// What the car does in some hours, each once for as long as it lasts.
fn course(car: &CarSpec, from: Timestamp, hours_long: u64) -> Vec<&'static str> {
    let mut course: Vec<_> =
        (0..hours_long * 120).map(|half| doing(car, from + Duration::from_secs(half * 30))).collect();
    course.dedup();
    course
}

// A day.

#[test]
fn a_day_begins_with_an_errand_and_a_charge_that_completes_or_breaks_off_within_four_hours() {
    let (mut complete, mut broken_off) = (0, 0);
    for seed in 0..60 {
        let course = course(&ford(seed), NOON, 4);
        let arrival =
            ["standing", "open", "driving", "open", "standing", "open", "driving", "open", "charging"];
        assert_eq!(course[..9], arrival, "seed {seed}");
        match course[9] {
            "charged" => complete += 1,
            "interrupted" => broken_off += 1,
            other => panic!("seed {seed}: {other}"),
        }
    }
    assert!(complete >= 30 && broken_off >= 8, "{complete} {broken_off}");
}

#[test]
fn the_day_of_seed_6_is_complete_and_that_of_seed_37_breaks_off_at_noon_but_not_at_night() {
    let errand = ["open", "driving", "open", "standing", "open", "driving", "open"];
    let whole = |noon: &'static str| {
        [&["standing"], &errand[..], &["charging", noon], &errand, &["charging", "charged", "standing"]]
            .concat()
    };
    let airbag_alerts = |car: &CarSpec| (0..24).any(|hour| alerts(car, NOON + hours(hour)) == ["Airbag"]);
    for (car, noon) in [(ford(6), "charged"), (ford(37), "interrupted")] {
        assert_eq!(course(&car, NOON, 24), whole(noon));
        assert!(airbag_alerts(&car));
    }
}

#[test]
fn a_day_is_followed_by_another_that_begins_at_home_with_the_limit() {
    for seed in 0..20 {
        let car = ford(seed);
        let limit = number(&car, signal::CHARGE_LIMITS, NOON);
        for day in 1..8 {
            let morning = NOON + hours(24 * day);
            assert_eq!(number(&car, signal::STATE_OF_CHARGE, morning), limit, "seed {seed} day {day}");
            assert!(distance_km(place(&car, NOON), place(&car, morning)) < 0.05);
            assert!(course(&car, morning, 24).contains(&"driving"));
        }
    }
}

#[test]
fn a_day_of_a_car_that_is_nearly_empty_begins_at_the_wall_box() {
    let no = find("FORD", "Mustang Mach-E", 2023, Region::UnitedStates).unwrap();
    let car = CarSpec::new(1, no, 2023, Region::UnitedStates, Profile::Charging).unwrap().start(NOON);
    let charge = number(&car, signal::STATE_OF_CHARGE, NOON);
    let car = car.change(Profile::Day, NOON).unwrap();
    assert_eq!(number(&car, signal::STATE_OF_CHARGE, NOON), charge);
    let course = course(&car, NOON, 20);
    assert_eq!(course[..5], ["charging", "charged", "standing", "open", "driving"]);
}

#[test]
fn a_car_without_a_plug_has_its_day_on_fuel_and_is_filled_before_it_is_empty() {
    let car = car("FORD", "Transit", Profile::Day);
    let fuel = |hour| number(&car, signal::FUEL_LEVEL, NOON + hours(hour));
    let levels: Vec<_> = (0..24 * 30).map(fuel).collect();
    assert!(levels.iter().all(|level| (9.0..=95.0).contains(level)));
    assert!(levels.windows(2).filter(|pair| pair[1] > pair[0] + 30.0).count() >= 2);
}

// Charging.

#[test]
fn a_charged_car_stays_plugged_in_and_later_drives_somewhere_and_back() {
    let car = tesla(Profile::Charging);
    let after = (car.length() + hours(1)).as_secs() / 3_600;
    let expected =
        ["charging", "charged", "open", "driving", "open", "standing", "open", "driving", "open", "standing"];
    assert_eq!(course(&car, NOON, after), expected);
    let home = NOON + hours(after);
    assert!(distance_km(place(&car, NOON), place(&car, home)) < 0.05);
    assert!(number(&car, signal::ODOMETER, home) > number(&car, signal::ODOMETER, NOON) + 5.0);
}

#[test]
fn one_in_five_charges_at_a_wall_box_breaks_off_below_the_limit() {
    let no = find("TESLA", "Model 3", 2023, Region::UnitedStates).unwrap();
    let broken_off = (0..200).filter(|&seed| {
        let car = CarSpec::new(seed, no, 2023, Region::UnitedStates, Profile::Charging).unwrap().start(NOON);
        let course = course(&car, NOON, 24);
        let broken_off = course[1] == "interrupted";
        let ended =
            (0..3_000).map(|minute| NOON + MINUTE * minute).find(|&now| doing(&car, now) == course[1]);
        let charge = number(&car, signal::STATE_OF_CHARGE, ended.unwrap());
        assert_eq!(charge < number(&car, signal::CHARGE_LIMITS, NOON), broken_off, "seed {seed}");
        broken_off
    });
    assert!((20..60).contains(&broken_off.count()));
}

#[test]
fn power_falls_above_eighty_percent_and_not_below() {
    let full = |seed: &u32| number(&ford(*seed), signal::CHARGE_LIMITS, NOON) == 100.0;
    let car = ford((0..).find(full).unwrap()).change(Profile::Parked, NOON).unwrap().plug_in(NOON).unwrap();
    let (mut watts_before, mut falls) = (f64::MAX, 0);
    for minute in 0..600 {
        let now = NOON + MINUTE * minute;
        if doing(&car, now) != "charging" {
            break;
        }
        let watts = amount(&car, "charge-wattage", now);
        if watts < watts_before && minute > 0 {
            assert!(number(&car, signal::STATE_OF_CHARGE, now) >= 80.0);
            falls += 1;
        }
        assert!(watts <= watts_before);
        watts_before = watts;
    }
    assert!(falls > 20, "{falls}");
}

#[test]
fn a_fast_charger_gives_direct_current() {
    let fast = |car: &CarSpec, now| flag(car, "charge-isfastchargerpresent", now);
    let (car, now) = (0..200)
        .map(ford)
        .find_map(|car| {
            let now = (0..240).map(|minute| NOON + MINUTE * minute).find(|&now| fast(&car, now))?;
            Some((car, now))
        })
        .expect("some charger is a fast one");
    assert_eq!((doing(&car, now), amount(&car, "charge-voltage", now)), ("charging", 400.0));
    assert!(amount(&car, "charge-wattage", now) > 22_000.0);
}

// Doors, windows, tyres.

#[test]
fn windows_are_open_now_and_then_on_warm_days_only() {
    let (mut open, mut warm_hours) = (0, 0);
    for seed in 0..40 {
        let car = ford(seed);
        for hour in 0..72 {
            let now = NOON + hours(hour);
            let warm = number(&car, signal::EXTERNAL_TEMPERATURE, now) >= 20.0;
            let is_open = cells(&car, signal::WINDOWS, now).iter().any(|cell| cell.is_open == Some(true));
            assert!(warm || !is_open);
            (open, warm_hours) = (open + u32::from(is_open), warm_hours + u32::from(warm));
        }
    }
    assert!(open > 10 && open < warm_hours / 3, "{open} of {warm_hours}");
}

#[test]
fn a_trunk_is_open_at_some_stops_while_the_door_is() {
    let (mut open, mut doors) = (0, 0);
    for minute in 0..3 * 1_440 {
        let now = NOON + MINUTE * minute;
        let trunk = cells(&ford(1), signal::REAR_TRUNK, now)[0].is_open == Some(true);
        let door = a_door_is_open(&ford(1), now);
        assert!(door || !trunk);
        (open, doors) = (open + u32::from(trunk), doors + u32::from(door));
    }
    assert!(open > 10 && open < doors, "{open} of {doors}");
}

#[test]
fn tyres_are_warm_after_driving_and_cold_in_the_morning() {
    let car = ford(1);
    let at = |word| {
        let now = (0..600).map(|minute| NOON + MINUTE * minute).find(|&now| doing(&car, now) == word);
        pressures(&car, now.unwrap())[0]
    };
    let cold = pressures(&car, NOON)[0];
    assert!((4.0..=7.0).contains(&(at("charging") - cold)), "{cold} {}", at("charging"));
    assert!((pressures(&car, NOON + hours(23))[0] - cold).abs() <= 1.0);
}

#[test]
fn a_tyre_loses_pressure_and_is_mended_and_the_car_alerts_meanwhile() {
    let parked = |seed| ford(seed).change(Profile::Parked, NOON).unwrap();
    let low = |car: &CarSpec, hour| pressures(car, NOON + hours(hour)).iter().any(|&kpa| kpa < 190.0);
    let mut punctures = 0;
    for car in (0..60).map(parked) {
        let lows: Vec<_> = (0..168).map(|hour| low(&car, hour)).collect();
        for (hour, &low) in (0..).zip(&lows) {
            let alert = coded(&car, "diagnostics-tirepressure", NOON + hours(hour));
            assert_eq!(alert == Value::Text("ALERT".into()), low);
        }
        assert!(!lows[0] && !lows[167]);
        punctures += u32::from(lows.contains(&true));
    }
    assert!((1..=15).contains(&punctures), "{punctures}");
}

// Faults.

/// The systems that alert, without the lamp.
fn alerts(car: &CarSpec, now: Timestamp) -> Vec<&'static str> {
    let systems = mishap::systems().filter(|signal| car.model().has(*signal));
    let alerting = systems.filter(|&signal| text(car, signal, now) == "ALERT");
    alerting
        .map(|signal| signal.entry().name)
        .filter(|&name| !matches!(name, "MIL" | "TirePressure"))
        .collect()
}

#[test]
fn faults_appear_and_clear_on_some_days_and_are_rare_outside_of_days() {
    let days_with_faults = |profile| {
        let days = (0..30).flat_map(|seed| (0..10).map(move |day| (seed, day)));
        let faulty = days.filter(|&(seed, day)| {
            let car = ford(seed).change(profile, NOON).unwrap();
            let count = |hour: u64| amount(&car, "diagnostics-dtccount", NOON + hours(24 * day + hour));
            let hours: Vec<_> = (0..24).map(count).collect();
            assert_eq!((hours[0], hours[23]), (0.0, 0.0));
            hours.contains(&1.0)
        });
        faulty.count()
    };
    let (day, parked) = (days_with_faults(Profile::Day), days_with_faults(Profile::Parked));
    assert!((40..110).contains(&day), "{day} of 300");
    assert!(parked <= 15, "{parked} of 300");
}

#[test]
fn an_airbag_fails_in_some_car_and_is_well_again() {
    let airbag = |car: &CarSpec, hour| {
        text(car, SignalId::from_code("diagnostics-airbag").unwrap(), NOON + hours(hour))
    };
    let found = (0..100).map(ford).find_map(|car| {
        let hour = (0..240).find(|&hour| airbag(&car, hour) == "ALERT")?;
        Some((car, hour))
    });
    let (car, hour) = found.expect("one of a hundred cars");
    let codes = outcome(&car, signal::DTC_LIST, NOON + hours(hour)).unwrap().0;
    assert!(matches!(&codes, Value::Json(text) if text.contains(r#""code":"B0001""#)), "{codes:?}");
    assert_eq!(airbag(&car, hour + 5), "OK");
}

#[test]
fn a_fault_tells_the_same_time_as_long_as_it_lasts_whatever_the_speed() {
    let count = |car: &CarSpec, minute| amount(car, "diagnostics-dtccount", NOON + MINUTE * minute);
    let faulty = |car: &CarSpec| (0..1_440).find(|&minute| count(car, minute) == 1.0);
    let (car, minute) =
        (0..).map(ford).find_map(|car| Some((faulty(&car)?, car))).map(|(a, b)| (b, a)).unwrap();
    let now = NOON + MINUTE * (minute + 5);
    let codes = |car: &CarSpec, now| outcome(car, signal::DTC_LIST, now).unwrap().0;
    let first = codes(&car, now);
    assert_eq!(codes(&car, now + MINUTE * 20), first);
    assert_eq!(codes(&car.pause(now), now + hours(30)), first);
}

// Controls.

#[test]
fn a_car_is_plugged_in_interrupted_plugged_in_again_and_unplugged() {
    let now = NOON + MINUTE;
    let parked = ford(2).change(Profile::Parked, NOON).unwrap();
    let charge = number(&parked, signal::STATE_OF_CHARGE, now);
    let charging = parked.plug_in(now).unwrap();
    assert_eq!(doing(&charging, now), "charging");
    assert_eq!(number(&charging, signal::STATE_OF_CHARGE, now), charge);
    assert_eq!(charging.clone().plug_in(now + MINUTE), Ok(charging.clone()));

    let later = now + minutes(30);
    let added = amount(&charging, "charge-energyadded", later);
    let interrupted = charging.interrupt(later).unwrap();
    assert_eq!(doing(&interrupted, later), "interrupted");
    assert!(flag(&interrupted, "charge-ischargingcablelatched", later + minutes(40)));
    assert!((amount(&interrupted, "charge-energyadded", later + minutes(40)) - added).abs() < 1.0);
    assert_eq!(interrupted.clone().interrupt(later), Err(SpecRefused::NotCharging));

    let again = interrupted.plug_in(later + minutes(50)).unwrap();
    assert_eq!(doing(&again, later + minutes(50)), "charging");
    let unplugged = again.unplug(later + minutes(55)).unwrap();
    assert_eq!(doing(&unplugged, later + minutes(55)), "standing");
    assert_eq!(unplugged.unplug(later + minutes(56)), Err(SpecRefused::NotPluggedIn));
}

#[test]
fn a_charge_of_a_day_is_interrupted_where_it_is() {
    let car = ford(1);
    let charging = (0..240).map(|minute| NOON + MINUTE * minute).find(|&now| doing(&car, now) == "charging");
    let now = charging.unwrap() + minutes(20);
    let charge = number(&car, signal::STATE_OF_CHARGE, now);
    let added = amount(&car, "charge-energyadded", now);
    let interrupted = car.interrupt(now).unwrap();
    assert_eq!(doing(&interrupted, now + hours(1)), "interrupted");
    // The control makes the car report, so it may show a few minutes more than before.
    assert!((charge..charge + 5.0).contains(&number(&interrupted, signal::STATE_OF_CHARGE, now)));
    assert!((added..added + 5.0).contains(&amount(&interrupted, "charge-energyadded", now)) && added > 0.0);
    for signal in ["charge-energyadded", "tractionbattery-stateofcharge"] {
        assert_eq!(amount(&interrupted, signal, now + hours(1)), amount(&interrupted, signal, now));
    }
}

#[test]
fn a_car_without_a_plug_is_not_plugged_in() {
    let parked = car("BMW", "X3", Profile::Parked);
    assert!(matches!(parked.clone().plug_in(NOON), Err(SpecRefused::NoPlug { .. })));
    assert_eq!(parked.clone().interrupt(NOON), Err(SpecRefused::NotCharging));
    assert_eq!(parked.unplug(NOON), Err(SpecRefused::NotPluggedIn));
}

#[test]
fn an_open_door_is_open_while_the_car_stands_until_somebody_shuts_it() {
    let now = NOON + MINUTE;
    let open = tesla(Profile::Driving).with_open_door(true, now);
    for minute in 1..120 {
        let now = NOON + MINUTE * minute;
        let stands = text(&open, signal::GEAR, now) == "PARK";
        assert_eq!(a_door_is_open(&open, now), stands);
        assert_eq!(outcome(&open, signal::IS_LOCKED, now).unwrap().0, Value::Flag(!stands));
    }
    let parked = tesla(Profile::Parked).with_open_door(true, now);
    assert!(a_door_is_open(&parked, now) && captured_at(&parked, now) == now);
    assert!(!a_door_is_open(&parked.with_open_door(false, now + MINUTE), now + MINUTE));
}

#[test]
fn a_system_that_is_given_a_fault_alerts_until_it_is_cleared() {
    let now = NOON + MINUTE;
    let car = ford(1).change(Profile::Parked, NOON).unwrap().with_fault("airbag", now).unwrap();
    for later in [now, now + hours(500)] {
        assert_eq!(alerts(&car, later), ["Airbag"]);
        assert_eq!(text(&car, SignalId::from_code("diagnostics-mil").unwrap(), later), "ALERT");
        let codes = format!(r#"{{"values":[{{"code":"B0001","timestamp":"{now}"}}]}}"#);
        assert_eq!(outcome(&car, signal::DTC_LIST, later).unwrap().0, Value::Json(codes));
    }
    assert_eq!(car.fault(), Some("Airbag"));
    assert_eq!(alerts(&car.clear_fault(now + MINUTE), now + MINUTE), [""; 0]);
}

#[test]
fn clearing_mends_a_fault_that_the_car_has_on_its_own_and_no_later_one() {
    let count = |car: &CarSpec, hour| amount(car, "diagnostics-dtccount", NOON + hours(hour));
    let faulty = |car: &CarSpec| (0..240).filter(|&hour| count(car, hour) == 1.0).collect::<Vec<_>>();
    let (car, when) =
        (0..).map(|seed| (ford(seed), faulty(&ford(seed)))).find(|(_, when)| when.len() > 6).unwrap();
    let cleared = car.clear_fault(NOON + hours(when[0]));
    let left = faulty(&cleared);
    assert!(!left.contains(&when[0]) && left.contains(when.last().unwrap()), "{left:?} of {when:?}");
}

#[test]
fn a_fault_of_a_system_that_the_model_does_not_tell_of_is_refused_with_those_that_it_does() {
    let refused = |car: CarSpec, system| car.with_fault(system, NOON).unwrap_err().to_string();
    assert_eq!(
        refused(tesla(Profile::Parked), "Airbag"),
        "a TESLA Model 3 does not tell of the health of \"Airbag\"; it tells of no system; a Ford does"
    );
    let ford = refused(ford(1), "OilPressure");
    assert!(ford.contains("it tells of ABS, ActiveSafety, Airbag"), "{ford}");
}

#[test]
fn an_account_that_is_shut_fails_each_read_until_it_is_restored() {
    let car = tesla(Profile::Parked).with_trouble(Some(Trouble::ASLEEP));
    for (account, code) in [
        (Account::Revoked, ErrorCode::CONNECTED_SERVICES_ACCOUNT_PERMISSION),
        (Account::PasswordChanged, ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED),
        (Account::Open, ErrorCode::VEHICLE_STATE_ASLEEP),
    ] {
        let shut = car.clone().with_account(account);
        assert_eq!(answer(&shut, &[signal::VIN], NOON + hours(3)), Err(code.into()));
    }
}

// The stored form.

/// A driving car, as programs stored it that knew no life.
const EARLIER: &str =
    "9007001907e70200011b000649ce3d40a0000001001a0fb5b0221922631912f91a02e724bc1a0025ec8682001820";

#[test]
fn a_spec_that_an_earlier_program_stored_is_read_and_written_as_it_was() {
    let bytes: Vec<_> = (0..EARLIER.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&EARLIER[at..at + 2], 16).unwrap())
        .collect();
    let car = CarSpec::decode(&bytes).unwrap();
    assert_eq!(car, tesla(Profile::Driving).with_trouble(Some(Trouble::ASLEEP)));
    assert_eq!(car.encode(), bytes);
}

/// Any car after some controls.
fn lived() -> impl Strategy<Value = CarSpec> {
    let controls = proptest::collection::vec((0..15_u8, 0..900_u64), 0..6);
    (cars(), controls).prop_map(|(mut car, controls)| {
        let mut now = NOON;
        for (control, more) in controls {
            now = now + minutes(more);
            let was = car.clone();
            car = match control {
                0 => car.plug_in(now).unwrap_or(was),
                1 => car.unplug(now).unwrap_or(was),
                2 => car.interrupt(now).unwrap_or(was),
                3 => car.with_open_door(more % 2 == 0, now),
                4 => car.with_fault("Airbag", now).unwrap_or(was),
                5 => car.clear_fault(now),
                6 => car.pause(now),
                7 => car.resume(now),
                8 => car.jump(minutes(more), now),
                9 => car.at_speed(more as u16, now),
                10 => command(car, Command::Unlock, now).unwrap_or(was),
                11 => command(car, Command::Lock, now).unwrap_or(was),
                12 => command(car, Command::StartCharge, now).unwrap_or(was),
                13 => command(car, Command::ChargeLimit(50.0 + more as f64 / 18.0), now).unwrap_or(was),
                _ => car.change(Profile::ALL[more as usize % 4], now).unwrap_or(was),
            };
        }
        car
    })
}

proptest! {
    #[test]
    fn a_car_that_lived_reads_back_and_answers_the_same(car in lived(), hour in 0..2_000_u64, account in 0..3_usize) {
        let car = car.with_account([Account::Open, Account::Revoked, Account::PasswordChanged][account]);
        let bytes = car.encode();
        prop_assert!(bytes.len() <= CarSpec::MAX_BYTES);
        let read = CarSpec::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &car);
        let now = NOON + hours(hour);
        prop_assert_eq!(answer(&read, &all_signals(), now), answer(&car, &all_signals(), now));
    }

    #[test]
    fn signals_agree_with_one_another_at_each_moment(car in lived(), minute in 0..20_000_u64) {
        let now = NOON + hours(100) + minutes(minute);
        let read = |code: &str| outcome(&car, SignalId::from_code(code).unwrap(), now).ok().map(|(value, _)| value);
        let is = |code: &str| read(code) == Some(Value::Flag(true));
        let of = |code: &str| match read(code) { Some(Value::Number(number)) => number, _ => f64::NAN };
        if car.model().has(signal::IS_CHARGING) {
            let plugged = is("charge-ischargingcableconnected");
            let charging = is("charge-ischarging");
            let status = text(&car, signal::CHARGING_STATUS, now);
            for with_cable in ["charge-ischargingcablelatched", "charge-ischargingportflapopen"] {
                let told = read(with_cable);
                prop_assert!(told.is_none() || told == Some(Value::Flag(plugged)), "{}", with_cable);
            }
            prop_assert!(plugged || !is("charge-isfastchargerpresent"));
            prop_assert!(plugged || status == "NOT_CHARGING");
            prop_assert_eq!(status == "CHARGING", charging);
            for flowing in ["charge-wattage", "charge-amperage", "charge-voltage", "charge-chargerate", "charge-timetocomplete"] {
                prop_assert_eq!(of(flowing) > 0.0, charging, "{}: {}", flowing, of(flowing));
            }
            if charging {
                let watts = of("charge-amperage") * of("charge-voltage") * of("charge-chargerphases");
                prop_assert!((watts - of("charge-wattage")).abs() <= 100.0, "{} {}", watts, of("charge-wattage"));
                prop_assert!(of("charge-amperage") <= of("charge-amperagemax"));
            }
            if car.model().has(signal::CHARGE_LIMITS) {
                let (charge, limit) = (of("tractionbattery-stateofcharge"), of("charge-chargelimits"));
                prop_assert!(!charging || charge <= limit);
                prop_assert!(status != "FULLY_CHARGED" || charge >= limit);
            }
            let range = of("tractionbattery-stateofcharge") / 100.0 * car.model().electric_range_km;
            prop_assert!((of("tractionbattery-range") - range).abs() <= 0.005 * car.model().electric_range_km + 1.0);
            prop_assert!(!plugged || !car.model().has(signal::GEAR) || text(&car, signal::GEAR, now) == "PARK");
        }
        if car.model().has(signal::GEAR) {
            let stands = text(&car, signal::GEAR, now) == "PARK";
            prop_assert!(!stands || of("motion-currentspeed") == 0.0);
            prop_assert!(stands || !is("connectivitystatus-isasleep"));
        }
        if car.model().has(signal::DOORS) {
            let doors = cells(&car, signal::DOORS, now);
            let locked = outcome(&car, signal::IS_LOCKED, now).unwrap().0 == Value::Flag(true);
            prop_assert!(doors.iter().all(|door| door.is_locked == Some(locked)));
            prop_assert!(!locked || doors.iter().all(|door| door.is_open == Some(false)));
            prop_assert!(!locked || cells(&car, signal::REAR_TRUNK, now)[0].is_open == Some(false));
        }
        prop_assert_eq!(is("connectivitystatus-isasleep"), !is("connectivitystatus-isonline"));
        if car.model().has(signal::DTC_LIST) {
            let faults = alerts(&car, now).len() as f64;
            prop_assert!(faults <= of("diagnostics-dtccount"));
            let lamp = text(&car, SignalId::from_code("diagnostics-mil").unwrap(), now) == "ALERT";
            prop_assert_eq!(lamp, of("diagnostics-dtccount") == 1.0);
            let Ok((Value::Json(codes), _)) = outcome(&car, signal::DTC_LIST, now) else { panic!("no codes") };
            prop_assert_eq!(codes.matches("\"code\"").count() as f64, of("diagnostics-dtccount"));
            prop_assert_eq!(domain::payload::json::canonical(&codes), Ok(codes));
        }
    }

    #[test]
    fn nothing_leaps_from_one_minute_to_the_next(seed: u32, no in proptest::sample::select(models().collect::<Vec<_>>()), from in 0..30_000_u64) {
        let model = no.model();
        let car = CarSpec::new(seed, no, model.years.1, model.regions[0], Profile::Day).unwrap().start(NOON);
        let mut before: Option<Moment> = None;
        for minute in from..from + 200 {
            let moment = Moment::at(&car, minute * 60_000_000);
            if let Some(before) = &before {
                let moved = distance_km((before.latitude, before.longitude), (moment.latitude, moment.longitude));
                prop_assert!(moved <= moment.driven_km - before.driven_km + 0.01, "{} km", moved);
                prop_assert!((moment.charge - before.charge).abs() <= 5.0, "{} {}", before.charge, moment.charge);
                prop_assert!((moment.driven_km - before.driven_km) <= 2.5);
                prop_assert!(moment.charge > 1.0 || !model.plugs_in());
            }
            before = Some(moment);
        }
    }
}

#[test]
fn the_stages_of_a_profile_are_what_the_car_does_from_each_of_their_beginnings_on() {
    for (seed, profile) in (0..20).flat_map(|seed| Profile::ALL.map(|profile| (seed, profile))) {
        let car = ford(seed).change(profile, NOON).unwrap();
        // On the first day, and on a later one.
        for now in [NOON, NOON + hours(80)] {
            let stages = car.stages(now);
            assert!((1..200).contains(&stages.len()), "{}", stages.len());
            assert!(
                stages.is_sorted_by(|one, next| one.begins < next.begins),
                "{profile:?} {seed}: {stages:?}"
            );
            assert_eq!(stages.iter().filter(|stage| stage.is_now).count(), 1, "{profile:?} {seed}");
            for (place, stage) in stages.iter().enumerate() {
                let there = |begins| car.clone().jump(begins, now).doing(now);
                assert_eq!(there(stage.begins), stage.activity, "{profile:?} {seed} {place}");
                if let Some(next) = stages.get(place + 1) {
                    let end = next.begins - Duration::from_micros(1);
                    assert_eq!(there(end), stage.activity, "{profile:?} {seed} {place}");
                }
            }
            let present = stages.iter().find(|stage| stage.is_now).unwrap();
            assert_eq!(present.activity, car.doing(now), "{profile:?} {seed}");
        }
    }
}

#[test]
fn charging_and_what_follows_it_are_stages_of_their_own() {
    let words = |profile, seed| -> Vec<&str> {
        let car = ford(seed).change(profile, NOON).unwrap();
        car.stages(NOON).iter().map(|stage| stage.activity).collect()
    };
    let of_seeds = |profile, wanted: &str| {
        (0..50).map(|seed| words(profile, seed)).find(|words| words.contains(&wanted))
    };
    let charged = of_seeds(Profile::Charging, "charged").unwrap();
    assert_eq!(
        charged,
        [
            "charging",
            "charged",
            "boarding",
            "driving",
            "alighting",
            "stopped",
            "boarding",
            "driving",
            "alighting",
            "parked"
        ]
    );
    let interrupted = of_seeds(Profile::Charging, "interrupted").unwrap();
    assert_eq!(interrupted[..3], ["charging", "interrupted", "boarding"]);
    assert_eq!(words(Profile::Parked, 1), ["parked"]);
    let day = words(Profile::Day, 1);
    assert_eq!(day.iter().filter(|&&word| word == "charging").count(), 2, "{day:?}");
    assert_eq!((day[0], day.iter().filter(|&&word| word == "driving").count()), ("parked", 4), "{day:?}");
}

#[test]
fn a_jump_to_the_charging_stage_makes_the_next_read_say_charging() {
    let car = ford(1);
    assert_ne!(text(&car, signal::CHARGING_STATUS, NOON), "CHARGING");
    let stages = car.stages(NOON);
    let charging = stages.iter().find(|stage| stage.activity == "charging").unwrap();
    let there = car.jump(charging.begins, NOON);
    assert_eq!((doing(&there, NOON), there.doing(NOON)), ("charging", "charging"));
    let charged = stages.iter().find(|stage| ["charged", "interrupted"].contains(&stage.activity)).unwrap();
    let after = there.jump(charged.begins, NOON);
    assert_eq!(doing(&after, NOON), charged.activity);
}
