//! What a simulated car says of a moment, signal by signal, as precisely as cars do: whole percent, kilometres and
//! degrees of heading, tenths of an odometer's kilometre.

use domain::signal::{self, GridCell, SignalId, Value};

use super::{
    chance::Draw,
    journey::{Activity, Moment, charge_limit, charge_power_kw, hours},
    models::Region,
    spec::CarSpec,
};

// Signals that have no name of their own in the catalogue of the domain.
const AMPERAGE: u8 = 1;
const AMPERAGE_MAX: u8 = 2;
const CHARGE_RATE: u8 = 6;
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
    let plugged = matches!(moment.activity, Activity::Charging | Activity::Charged);
    Some(match signal {
        signal::VIN => Value::Text(spec.vin()),
        signal::LOCATION => position(moment),
        signal::ODOMETER => Value::Number(tenths(odometer_km(spec, moment))),
        signal::SPEED => Value::Number(moment.speed_kmh.round()),
        signal::GEAR => word(if moment.activity == Activity::Moving { "DRIVE" } else { "PARK" }),
        signal::STATE_OF_CHARGE => Value::Number(moment.charge.round()),
        signal::BATTERY_RANGE => share(moment.charge, model.electric_range_km),
        signal::NOMINAL_CAPACITY => Value::Number(model.battery_kwh),
        signal::FUEL_LEVEL => Value::Number(moment.fuel.round()),
        signal::FUEL_RANGE => share(moment.fuel, model.fuel_range_km),
        signal::FUEL_AMOUNT => Value::Number(tenths(moment.fuel / 100.0 * model.tank_litres)),
        signal::OIL_LIFE => Value::Number(oil_life(spec, moment)),
        signal::IS_CABLE_CONNECTED | signal::IS_CHARGING_PORT_OPEN => Value::Flag(plugged),
        signal::IS_CHARGING => Value::Flag(moment.activity == Activity::Charging),
        signal::CHARGING_STATUS => word(charging_status(moment.activity)),
        signal::CHARGE_LIMITS => Value::Number(charge_limit(spec.seed)),
        signal::TIRES => tires(spec, moment),
        signal::IS_LOCKED => Value::Flag(true),
        signal::DOORS => four(|cell| (cell.is_open, cell.is_locked) = (Some(false), Some(true))),
        signal::WINDOWS => four(|cell| cell.is_open = Some(false)),
        signal::FRONT_TRUNK | signal::REAR_TRUNK => shut_and_locked(),
        signal::SUNROOF => Value::Flag(false),
        signal::EXTERNAL_TEMPERATURE => Value::Number(halves(weather(spec, moment))),
        signal::DTC_LIST => Value::Json(r#"{"values":[]}"#.into()),
        signal::SERVICE_RECORDS => service_records(spec),
        unnamed => return unnamed_value(spec, moment, unnamed.number(), plugged),
    })
}

fn unnamed_value(spec: &CarSpec, moment: &Moment, signal: u8, plugged: bool) -> Option<Value> {
    let charging = moment.charging;
    let volts = if charging.power_kw > 0.0 { mains_volts(spec.region) } else { 0.0 };
    Some(match signal {
        AMPERAGE => Value::Number(tenths(amperes(spec, charging.power_kw))),
        AMPERAGE_MAX => Value::Number(tenths(amperes(spec, charge_power_kw(spec.model(), spec.seed)))),
        CHARGE_RATE => Value::Number(range_per_hour(spec, charging.power_kw).round()),
        ENERGY_ADDED => Value::Number(tenths(charging.added_kwh)),
        TIME_TO_COMPLETE => Value::Number(charging.minutes_left.ceil()),
        VOLTAGE => Value::Number(volts),
        WATTAGE => Value::Number((charging.power_kw * 1_000.0).round()),
        IS_CABLE_LATCHED => Value::Flag(plugged),
        IS_FAST_CHARGER_PRESENT => Value::Flag(false),
        INTERNAL_TEMPERATURE => Value::Number(halves(cabin(spec, moment))),
        IS_ASLEEP => Value::Flag(moment.activity == Activity::Parked),
        IS_ONLINE => Value::Flag(true),
        TROUBLE_CODE_COUNT => Value::Number(0.0),
        LOW_VOLTAGE_CHARGE => Value::Number(Draw::LowVoltage.between(spec.seed, 85.0, 100.0).floor()),
        FIRST_SYSTEM..=LAST_SYSTEM => word("OK"),
        _ => return None,
    })
}

fn position(moment: &Moment) -> Value {
    let micro = |degrees: f64| (degrees * 1e6).round() / 1e6;
    let heading = Some(moment.heading.round().rem_euclid(360.0));
    Value::Position { latitude: micro(moment.latitude), longitude: micro(moment.longitude), heading }
}

fn odometer_km(spec: &CarSpec, moment: &Moment) -> f64 {
    f64::from(spec.begin.odometer_m) / 1_000.0 + moment.driven_km
}

const fn charging_status(activity: Activity) -> &'static str {
    match activity {
        Activity::Charging => "CHARGING",
        Activity::Charged => "FULLY_CHARGED",
        Activity::Moving | Activity::Stopped | Activity::Parked => "NOT_CHARGING",
    }
}

fn oil_life(spec: &CarSpec, moment: &Moment) -> f64 {
    const KM_PER_CHANGE: f64 = 15_000.0;
    let begun = Draw::OilLife.between(spec.seed, 30.0, 95.0);
    (begun - moment.driven_km / KM_PER_CHANGE * 100.0).max(0.0).round()
}

/// Kilopascals; driving warms the tyres.
fn tires(spec: &CarSpec, moment: &Moment) -> Value {
    let warmth = if moment.activity == Activity::Moving { 5.0 } else { 0.0 };
    let cold = Draw::Pressure.between(spec.seed, 205.0, 230.0);
    four(|cell| cell.pressure = Some((cold + warmth).round() + f64::from(cell.row) + f64::from(cell.column)))
}

/// Warmest in the middle of the car's own day.
fn weather(spec: &CarSpec, moment: &Moment) -> f64 {
    let mean = Draw::Weather.between(spec.seed, 4.0, 24.0);
    mean + 5.0 * (std::f64::consts::TAU * (hours(moment.at_us) / 24.0).fract()).sin()
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

/// Per phase; what is above 7.4 kW comes on three.
fn amperes(spec: &CarSpec, power_kw: f64) -> f64 {
    const ONE_PHASE_KW: f64 = 7.4;
    let phases = if charge_power_kw(spec.model(), spec.seed) > ONE_PHASE_KW { 3.0 } else { 1.0 };
    power_kw * 1_000.0 / phases / mains_volts(spec.region)
}

const fn mains_volts(region: Region) -> f64 {
    match region {
        Region::Us | Region::Canada => 240.0,
        Region::Europe => 230.0,
    }
}

fn range_per_hour(spec: &CarSpec, power_kw: f64) -> f64 {
    power_kw / spec.model().battery_kwh * spec.model().electric_range_km
}

fn share(percent: f64, whole: f64) -> Value {
    Value::Number((percent / 100.0 * whole).round())
}

fn word(word: &str) -> Value {
    Value::Text(word.into())
}

fn shut_and_locked() -> Value {
    let cell = GridCell { is_open: Some(false), is_locked: Some(true), ..GridCell::default() };
    Value::Grid(vec![cell])
}

fn four(fill: impl Fn(&mut GridCell)) -> Value {
    let cells = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| {
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
            (LOW_VOLTAGE_CHARGE, "lowvoltagebattery-stateofcharge"),
        ] {
            assert_eq!(SignalId::from_number(number), SignalId::from_code(code), "{code}");
        }
    }
}
