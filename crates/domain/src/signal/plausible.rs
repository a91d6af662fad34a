//! Which values a signal can have. Sources send numbers that mean "not available" (255 %, 699.9 km) and numbers that are
//! plain wrong; neither is a value.

use super::{
    BATTERY_RANGE, EXTERNAL_TEMPERATURE, FUEL_AMOUNT, FUEL_LEVEL, FUEL_RANGE, NOMINAL_CAPACITY, ODOMETER,
    OIL_LIFE, SPEED, STATE_OF_CHARGE, SignalId, Value,
};

/// The numbers that a signal can be, and those among them that mean "not available".
struct Range {
    signal: SignalId,
    least: f64,
    most: f64,
    sentinels: &'static [f64],
}

const fn range(signal: SignalId, least: f64, most: f64) -> Range {
    Range { signal, least, most, sentinels: &[] }
}

/// In canonical units; a signal without a row can be any finite number.
const RANGES: &[Range] = &[
    range(STATE_OF_CHARGE, 0.0, 100.0),
    range(FUEL_LEVEL, 0.0, 100.0),
    range(OIL_LIFE, 0.0, 100.0),
    Range { signal: BATTERY_RANGE, least: 0.0, most: 2_000.0, sentinels: &[699.9] },
    range(FUEL_RANGE, 0.0, 3_000.0),
    range(FUEL_AMOUNT, 0.0, 2_000.0),
    range(NOMINAL_CAPACITY, 0.0, 2_000.0),
    range(ODOMETER, 0.0, 10_000_000.0),
    range(SPEED, 0.0, 450.0),
    range(EXTERNAL_TEMPERATURE, -80.0, 85.0),
];
/// kPa
const TYRE: std::ops::RangeInclusive<f64> = 0.0..=1_500.0;
/// Words for "not available", in any case.
const NOTHING: &[&str] = &["SNA", "UNKNOWN", "INVALID"];

/// Whether a value is one that its signal can have.
pub fn plausible(signal: SignalId, value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_finite() && in_range(signal, *number),
        Value::Text(text) => !NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(text)),
        Value::Position { latitude, longitude, heading } => {
            // The point 0, 0 lies in the sea: it is what receivers without a fix say.
            let somewhere = *latitude != 0.0 || *longitude != 0.0;
            let heading = heading.is_none_or(|heading| (0.0..=360.0).contains(&heading));
            (-90.0..=90.0).contains(latitude) && (-180.0..=180.0).contains(longitude) && somewhere && heading
        }
        Value::Grid(cells) => {
            cells.iter().all(|cell| cell.pressure.is_none_or(|pressure| TYRE.contains(&pressure)))
        }
        Value::Flag(_) | Value::Json(_) => true,
    }
}

fn in_range(signal: SignalId, number: f64) -> bool {
    RANGES.iter().find(|range| range.signal == signal).is_none_or(|range| {
        (range.least..=range.most).contains(&number) && !range.sentinels.contains(&number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{GEAR, GridCell, LOCATION, TIRES};

    #[test]
    fn what_means_nothing_or_cannot_be_is_not_a_value() {
        let position = |latitude, longitude| Value::Position { latitude, longitude, heading: None };
        let tyre = |pressure| Value::Grid(vec![GridCell { pressure: Some(pressure), ..GridCell::default() }]);
        let table = [
            (STATE_OF_CHARGE, Value::Number(0.0), true),
            (STATE_OF_CHARGE, Value::Number(100.0), true),
            (STATE_OF_CHARGE, Value::Number(255.0), false),
            (STATE_OF_CHARGE, Value::Number(-1.0), false),
            (BATTERY_RANGE, Value::Number(699.9), false),
            (BATTERY_RANGE, Value::Number(f64::INFINITY), false),
            (SPEED, Value::Number(-1.0), false),
            (SPEED, Value::Number(130.0), true),
            (GEAR, Value::Text("SNA".into()), false),
            (GEAR, Value::Text("DRIVE".into()), true),
            (LOCATION, position(0.0, 0.0), false),
            (LOCATION, position(52.5, 13.4), true),
            (LOCATION, position(91.0, 13.4), false),
            (LOCATION, position(f64::NAN, 13.4), false),
            (TIRES, tyre(235.0), true),
            (TIRES, tyre(-1.0), false),
        ];
        for (signal, value, expected) in table {
            assert_eq!(plausible(signal, &value), expected, "{signal:?} {value:?}");
        }
    }
}
