//! What a simulated car says of a moment, signal by signal, as precisely as cars do: whole percent and degrees of heading,
//! tenths of a kilometre and of a litre.

use domain::signal::{self, GridCell, SignalId, Value};

use super::{
    chance::Draw,
    charger::{Charger, charge_limit},
    journey::{Activity, Moment},
    mishap::{self, Defect, weather},
    settings::Opened,
    spec::{CarSpec, Lock},
};

// Signals that have no name of their own in the catalogue of the domain.
const AMPERAGE: u8 = 1;
const AMPERAGE_MAX: u8 = 2;
const CHARGE_RATE: u8 = 6;
const CHARGER_PHASES: u8 = 8;
const ENERGY_ADDED: u8 = 12;
const IS_CABLE_LATCHED: u8 = 16;
const IS_FAST_CHARGER_PRESENT: u8 = 18;
const TIME_TO_COMPLETE: u8 = 19;
const VOLTAGE: u8 = 20;
const WATTAGE: u8 = 21;
const INTERNAL_TEMPERATURE: u8 = 23;
const IS_ASLEEP: u8 = 33;
const IS_ONLINE: u8 = 35;
const FIRST_SYSTEM: u8 = 36;
const TROUBLE_CODE_COUNT: u8 = 41;
const LAST_SYSTEM: u8 = 58;
const LOW_VOLTAGE_CHARGE: u8 = 70;

/// What the car says of a signal; `None` for what no simulated car says.
pub(super) fn value(spec: &CarSpec, moment: &Moment, signal: SignalId) -> Option<Value> {
    let model = spec.model();
    let plugged = moment.activity.is_plugged_in();
    Some(match signal {
        signal::VIN => Value::Text(spec.vin()),
        signal::LOCATION => position(moment),
        signal::ODOMETER => Value::Number(tenths(odometer_km(spec, moment))),
        signal::SPEED => Value::Number(moment.speed_kmh.round()),
        signal::GEAR => word(gear(moment)),
        signal::STATE_OF_CHARGE => Value::Number(moment.charge.round()),
        signal::BATTERY_RANGE => share(moment.charge, model.electric_range_km),
        signal::NOMINAL_CAPACITY => Value::Number(model.battery_kwh),
        signal::FUEL_LEVEL => Value::Number(moment.fuel.round()),
        signal::FUEL_RANGE => share(moment.fuel, model.fuel_range_km),
        signal::FUEL_AMOUNT => Value::Number(broken(moment.fuel / 100.0 * model.tank_litres)),
        signal::OIL_LIFE => Value::Number(oil_life(spec, moment)),
        signal::IS_CABLE_CONNECTED => Value::Flag(plugged),
        signal::IS_CHARGING_PORT_OPEN => {
            let set = Opened::in_stage(spec.settings.charge_port, moment.stage);
            Value::Flag(set.unwrap_or(plugged))
        }
        signal::IS_CHARGING => Value::Flag(moment.activity == Activity::Charging),
        signal::CHARGING_STATUS => word(charging_status(moment.activity)),
        signal::CHARGE_LIMITS => Value::Number(charge_limit(spec)),
        signal::TIRES => tires(spec, moment),
        signal::IS_LOCKED => Value::Flag(is_locked(spec, moment)),
        signal::DOORS => doors(spec, moment),
        signal::WINDOWS => windows(spec, moment),
        signal::FRONT_TRUNK => {
            trunk(spec, moment, Opened::in_stage(spec.settings.frunk, moment.stage).unwrap_or(false))
        }
        signal::REAR_TRUNK => trunk(spec, moment, mishap::trunk_is_open(spec, moment)),
        signal::SUNROOF => Value::Flag(false),
        signal::EXTERNAL_TEMPERATURE => Value::Number(halves(weather(spec, moment))),
        signal::DTC_LIST => trouble_codes(mishap::defect(spec, moment)),
        signal::SERVICE_RECORDS => service_records(spec),
        unnamed => return unnamed_value(spec, moment, unnamed.number(), plugged),
    })
}

fn unnamed_value(spec: &CarSpec, moment: &Moment, signal: u8, plugged: bool) -> Option<Value> {
    let charging = moment.charging;
    let (charger, region) = (charging.charger, spec.region);
    Some(match signal {
        AMPERAGE if charging.power_kw > 0.0 => {
            Value::Number(tenths(charger.amperes(charging.power_kw, region)))
        }
        VOLTAGE if charging.power_kw > 0.0 => Value::Number(charger.volts(region)),
        AMPERAGE | VOLTAGE => Value::Number(0.0),
        AMPERAGE_MAX if plugged => Value::Number(tenths(charger.most_amperes(region))),
        AMPERAGE_MAX => Value::Number(tenths(Charger::at_home(spec.model(), spec.seed).most_amperes(region))),
        CHARGER_PHASES => Value::Number(if plugged { charger.phases(region) } else { 0.0 }),
        CHARGE_RATE => Value::Number(range_per_hour(spec, charging.power_kw).round()),
        ENERGY_ADDED => Value::Number(tenths(charging.added_kwh)),
        TIME_TO_COMPLETE => Value::Number(charging.minutes_left.ceil()),
        WATTAGE => Value::Number((charging.power_kw * 1_000.0).round()),
        IS_CABLE_LATCHED => Value::Flag(plugged),
        IS_FAST_CHARGER_PRESENT => Value::Flag(plugged && charger.is_fast()),
        INTERNAL_TEMPERATURE => Value::Number(halves(cabin(spec, moment))),
        IS_ASLEEP => Value::Flag(moment.activity == Activity::Parked),
        IS_ONLINE => Value::Flag(moment.activity != Activity::Parked),
        TROUBLE_CODE_COUNT => Value::Number(mishap::defect(spec, moment).map_or(0.0, |_| 1.0)),
        LOW_VOLTAGE_CHARGE => Value::Number(Draw::LowVoltage.between(spec.seed, 85.0, 100.0).floor()),
        FIRST_SYSTEM..=LAST_SYSTEM => word(health(spec, moment, signal)),
        _ => return None,
    })
}

fn position(moment: &Moment) -> Value {
    let micro = |degrees: f64| (degrees * 1e6).round() / 1e6;
    let heading = Some(moment.heading.round().rem_euclid(360.0));
    Value::position(micro(moment.latitude), micro(moment.longitude), heading)
}

fn odometer_km(spec: &CarSpec, moment: &Moment) -> f64 {
    f64::from(spec.begin.odometer_m) / 1_000.0 + moment.driven_km
}

const fn charging_status(activity: Activity) -> &'static str {
    match activity {
        Activity::Charging => "CHARGING",
        Activity::Charged => "FULLY_CHARGED",
        Activity::Interrupted
        | Activity::Moving
        | Activity::Alighting
        | Activity::Boarding
        | Activity::Stopped
        | Activity::Parked => "NOT_CHARGING",
    }
}

/// A leg begins with backing out.
fn gear(moment: &Moment) -> &'static str {
    const BACKING_OUT_US: u64 = 15_000_000;
    match moment.activity {
        Activity::Moving if moment.since_turn_us.is_some_and(|us| us < BACKING_OUT_US) => "REVERSE",
        Activity::Moving => "DRIVE",
        _ => "PARK",
    }
}

pub(super) fn drivers_door_is_open(spec: &CarSpec, moment: &Moment) -> bool {
    moment.activity.is_attended() || spec.live.door_open && moment.activity != Activity::Moving
}

fn is_locked(spec: &CarSpec, moment: &Moment) -> bool {
    match spec.live.lock {
        _ if drivers_door_is_open(spec, moment) => false,
        Some(Lock { locked, stage }) if stage == moment.stage => locked,
        _ => true,
    }
}

/// The driver sits on the left.
fn doors(spec: &CarSpec, moment: &Moment) -> Value {
    let (open, locked) = (drivers_door_is_open(spec, moment), is_locked(spec, moment));
    four(|cell| {
        let drivers = (cell.row, cell.column) == (0, 0);
        (cell.is_open, cell.is_locked) = (Some(drivers && open), Some(locked));
    })
}

fn windows(spec: &CarSpec, moment: &Moment) -> Value {
    let open = mishap::open_window(spec, moment);
    four(|cell| cell.is_open = Some(cell.row == 0 && Some(cell.column) == open))
}

fn trunk(spec: &CarSpec, moment: &Moment, open: bool) -> Value {
    let is_locked = Some(is_locked(spec, moment));
    Value::Grid(vec![GridCell { is_open: Some(open), is_locked, ..GridCell::default() }])
}

/// In the canonical form of the signal's body.
fn trouble_codes(defect: Option<Defect>) -> Value {
    Value::Json(match defect {
        None => r#"{"values":[]}"#.into(),
        Some(Defect { code, since, .. }) => {
            format!(r#"{{"values":[{{"code":"{code}","timestamp":"{since}"}}]}}"#)
        }
    })
}

fn health(spec: &CarSpec, moment: &Moment, system: u8) -> &'static str {
    let faulty = || {
        let defect = mishap::defect(spec, moment);
        defect.is_some_and(|defect| defect.system == system || system == mishap::MIL)
    };
    let low = || system == mishap::TIRE_PRESSURE && WHEELS.iter().any(|&wheel| is_low(spec, moment, wheel));
    if low() || faulty() { "ALERT" } else { "OK" }
}

fn is_low(spec: &CarSpec, moment: &Moment, (row, column): (u8, u8)) -> bool {
    quarter_psi(mishap::pressure(spec, moment, row, column)) < mishap::LOW_KPA
}

fn oil_life(spec: &CarSpec, moment: &Moment) -> f64 {
    const KM_PER_CHANGE: f64 = 15_000.0;
    let begun = Draw::OilLife.between(spec.seed, 30.0, 95.0);
    (begun - moment.driven_km / KM_PER_CHANGE * 100.0).max(0.0).round()
}

/// In steps of a quarter psi, as many cars measure: hardly ever a whole number of kilopascals.
fn tires(spec: &CarSpec, moment: &Moment) -> Value {
    four(|cell| cell.pressure = Some(quarter_psi(mishap::pressure(spec, moment, cell.row, cell.column))))
}

fn quarter_psi(kpa: f64) -> f64 {
    const STEP_KPA: f64 = 6.894_757_293_168 / 4.0;
    ((kpa / STEP_KPA).round() * STEP_KPA * 100.0).round() / 100.0
}

fn cabin(spec: &CarSpec, moment: &Moment) -> f64 {
    match moment.activity {
        Activity::Moving => 21.0,
        _ => weather(spec, moment) + 3.0,
    }
}

/// One visit to the workshop, in the canonical form of the signal's body.
fn service_records(spec: &CarSpec) -> Value {
    const KM_PER_SERVICE: u32 = 15_000;
    let odometer = spec.begin.odometer_m / 1_000 / KM_PER_SERVICE * KM_PER_SERVICE;
    let visits = match odometer {
        0 => String::new(),
        odometer => format!(
            concat!(
                r#"{{"id":"1","time":"{}-01-15T09:00:00.000Z","odometer":{},"#,
                r#""cost":{{"amount":210,"currency":"USD"}},"tasks":[{{"id":"1","description":"Inspection"}}]}}"#
            ),
            spec.year, odometer
        ),
    };
    Value::Json(format!(r#"{{"values":[{visits}]}}"#))
}

fn range_per_hour(spec: &CarSpec, power_kw: f64) -> f64 {
    power_kw / spec.model().battery_kwh * spec.model().electric_range_km
}

fn share(percent: f64, whole: f64) -> Value {
    Value::Number(broken(percent / 100.0 * whole))
}

/// In tenths, and never a whole number above 0: clients in languages that tell whole numbers from others expect that ranges
/// and amounts are of the other kind.
fn broken(number: f64) -> f64 {
    let tenths = (number * 10.0).round();
    let whole = tenths > 0.0 && tenths % 10.0 == 0.0;
    if whole { (tenths - 1.0) / 10.0 } else { tenths / 10.0 }
}

fn word(word: &str) -> Value {
    Value::Text(word.into())
}

const WHEELS: [(u8, u8); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

/// Doors, windows or tyres.
fn four(fill: impl Fn(&mut GridCell)) -> Value {
    let cells = WHEELS.map(|(row, column)| {
        let mut cell = GridCell { row, column, ..GridCell::default() };
        fill(&mut cell);
        cell
    });
    Value::Grid(cells.into())
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn halves(number: f64) -> f64 {
    (number * 2.0).round() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_without_a_name_have_the_number_that_they_are_known_by() {
        for (number, code) in [
            (AMPERAGE, "charge-amperage"),
            (AMPERAGE_MAX, "charge-amperagemax"),
            (CHARGE_RATE, "charge-chargerate"),
            (CHARGER_PHASES, "charge-chargerphases"),
            (ENERGY_ADDED, "charge-energyadded"),
            (IS_CABLE_LATCHED, "charge-ischargingcablelatched"),
            (IS_FAST_CHARGER_PRESENT, "charge-isfastchargerpresent"),
            (TIME_TO_COMPLETE, "charge-timetocomplete"),
            (VOLTAGE, "charge-voltage"),
            (WATTAGE, "charge-wattage"),
            (INTERNAL_TEMPERATURE, "climate-internaltemperature"),
            (IS_ASLEEP, "connectivitystatus-isasleep"),
            (IS_ONLINE, "connectivitystatus-isonline"),
            (FIRST_SYSTEM, "diagnostics-abs"),
            (TROUBLE_CODE_COUNT, "diagnostics-dtccount"),
            (LAST_SYSTEM, "diagnostics-waterinfuel"),
            (mishap::MIL, "diagnostics-mil"),
            (mishap::TIRE_PRESSURE, "diagnostics-tirepressure"),
            (LOW_VOLTAGE_CHARGE, "lowvoltagebattery-stateofcharge"),
        ] {
            assert_eq!(SignalId::from_number(number), SignalId::from_code(code), "{code}");
        }
    }
}
