//! What can follow what: values that no vehicle can have after the one before.
//!
//! | signal | cannot follow |
//! | --- | --- |
//! | odometer | a lower one (by more than a kilometre), or one further on than a vehicle drives in the time |
//! | count of full charges | a lower one |
//! | charge, fuel, range | nothing at all, sooner than it can be used up |
//! | energy that was charged | more than the fastest charger gives in the time; less is a new session |
//! | position | one further away than a vehicle drives in the time |
//! | VIN | another one |
//!
//! Everything else may jump: a battery that is exchanged, a session that begins anew.

use std::time::Duration;

use super::{
    BATTERY_RANGE, ENERGY_ADDED, FUEL_AMOUNT, FUEL_LEVEL, FUEL_RANGE, LOCATION, LOW_VOLTAGE_CHARGE,
    MAX_RANGE_CHARGES, ODOMETER, STATE_OF_CHARGE, SignalId, VIN, Value,
};

/// Kilometres by which an odometer may fall: sources that round differently take turns.
const ROUNDING_KM: f64 = 1.0;
/// Kilometres per hour that no vehicle outruns, and kilometres that it may always be ahead: clocks differ.
const FASTEST_KMH: f64 = 300.0;
const AHEAD_KM: f64 = 100.0;
/// The fastest that charge and fuel are used up: percent, kilometres and litres per minute.
const PERCENT_PER_MINUTE: f64 = 3.0;
const KM_PER_MINUTE: f64 = 10.0;
const LITRES_PER_MINUTE: f64 = 3.0;
/// The power of the largest chargers for lorries, with room, and what may always be ahead: kW and kWh.
const FASTEST_KW: f64 = 4_000.0;
const AHEAD_KWH: f64 = 10.0;
/// Kilometres of one degree of latitude.
const DEGREE_KM: f64 = 111.32;

/// Whether a value can be what a signal is, so long after it was another one.
pub fn can_follow(signal: SignalId, before: &Value, after: &Value, elapsed: Duration) -> bool {
    let numbers = || before.number("value").zip(after.number("value"));
    let minutes = elapsed.as_secs_f64() / 60.0;
    // What goes down to nothing needs its time; a sensor that has no value says 0 at once.
    let uses_up = |per_minute: f64| {
        numbers().is_none_or(|(before, after)| after != 0.0 || before <= per_minute * (minutes + 1.0))
    };
    match signal {
        ODOMETER => numbers().is_none_or(|(before, after)| {
            // 0 is what a source says that does not know it yet.
            before == 0.0 || after >= before - ROUNDING_KM && after <= before + furthest_km(minutes)
        }),
        LOCATION => distance_km(before, after).is_none_or(|distance| distance <= furthest_km(minutes)),
        ENERGY_ADDED => {
            numbers().is_none_or(|(before, after)| after <= before + AHEAD_KWH + FASTEST_KW * minutes / 60.0)
        }
        MAX_RANGE_CHARGES => numbers().is_none_or(|(before, after)| after >= before),
        STATE_OF_CHARGE | LOW_VOLTAGE_CHARGE | FUEL_LEVEL => uses_up(PERCENT_PER_MINUTE),
        BATTERY_RANGE | FUEL_RANGE => uses_up(KM_PER_MINUTE),
        FUEL_AMOUNT => uses_up(LITRES_PER_MINUTE),
        VIN => before == after,
        _ => true,
    }
}

fn furthest_km(minutes: f64) -> f64 {
    AHEAD_KM + FASTEST_KMH * minutes / 60.0
}

/// How far two positions lie apart, near enough for a bound: on the shorter way around, on the nearer of their parallels.
fn distance_km(one: &Value, other: &Value) -> Option<f64> {
    let (
        Value::Position { latitude: north, longitude: east, .. },
        Value::Position { latitude: other_north, longitude: other_east, .. },
    ) = (one, other)
    else {
        return None;
    };
    let around = (east - other_east + 540.0).rem_euclid(360.0) - 180.0;
    let shrinks = north.abs().max(other_north.abs()).to_radians().cos();
    Some(DEGREE_KM * (north - other_north).hypot(around * shrinks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_follow_is_told_by_signal_and_time() {
        let number = Value::Number;
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let table = [
            (ODOMETER, 48_210.4, 0.0, 1, false),
            (ODOMETER, 48_210.4, 48_210.0, 1, true),
            (ODOMETER, 48_210.4, 48_290.0, 1, true),
            (ODOMETER, 48_210.4, 48_400.0, 1, false),
            (ODOMETER, 48_210.4, 49_000.0, 24 * 60, true),
            (ODOMETER, 48_210.4, 482_104.0, 24 * 60, false),
            (ODOMETER, 0.0, 48_210.4, 1, true),
            (MAX_RANGE_CHARGES, 12.0, 11.0, 1, false),
            (STATE_OF_CHARGE, 78.0, 0.0, 1, false),
            (STATE_OF_CHARGE, 78.0, 0.0, 8 * 60, true),
            (STATE_OF_CHARGE, 3.0, 0.0, 1, true),
            (STATE_OF_CHARGE, 78.0, 20.0, 0, true),
            (STATE_OF_CHARGE, 20.0, 78.0, 0, true),
            (BATTERY_RANGE, 290.0, 0.0, 1, false),
            (FUEL_RANGE, 290.0, 0.0, 300, true),
            (FUEL_AMOUNT, 40.0, 0.0, 1, false),
            (ENERGY_ADDED, 12.5, 13.0, 1, true),
            (ENERGY_ADDED, 12.5, 0.0, 1, true),
            (ENERGY_ADDED, 12.5, 1_250.0, 1, false),
            (ENERGY_ADDED, 12.5, 90.0, 60, true),
        ];
        for (signal, before, after, elapsed, expected) in table {
            let follows = can_follow(signal, &number(before), &number(after), minutes(elapsed));
            assert_eq!(follows, expected, "{signal:?} {before} {after} in {elapsed} min");
        }
        let position = |latitude, longitude| Value::position(latitude, longitude, None);
        let munich = position(48.14, 11.58);
        assert!(can_follow(LOCATION, &munich, &position(48.37, 10.9), minutes(1)), "Augsburg");
        assert!(!can_follow(LOCATION, &munich, &position(52.52, 13.4), minutes(1)), "Berlin");
        assert!(can_follow(LOCATION, &munich, &position(52.52, 13.4), minutes(5 * 60)));
        assert!(can_follow(LOCATION, &position(-17.0, 179.9), &position(-17.0, -179.9), minutes(1)));
        let vin = |vin: &str| Value::Text(vin.into());
        assert!(!can_follow(VIN, &vin("A"), &vin("B"), minutes(9_999)));
    }
}
