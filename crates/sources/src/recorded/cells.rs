//! Cells as values: numbers with their unit, flags and words.

use std::collections::BTreeMap;

use app::ports::SkipReason;
use domain::{
    payload::unified::unit_of,
    signal::{self, SignalId, Value},
};

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numerals {
    /// `.` or `,`
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
}

/// How the cells of a signal are read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Number(Conversion),
    /// Words for yes and no beside the usual ones.
    Flag(BTreeMap<String, bool>),
    /// The wire's word for each word of the file, in lower case; the words of the wire themselves go without.
    Words { words: BTreeMap<String, String>, known: &'static [&'static str] },
}

/// From a number of the file to the signal's unit: times factor, plus offset; then it is in this range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conversion {
    pub(super) factor: f64,
    pub(super) offset: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

/// What a signal can be, as far as one column can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Number,
    Flag,
    Words(&'static [&'static str]),
    Text,
}

/// What has more to it than one cell.
const COMPOSITE: [&str; 11] = [
    "charge-chargerecords",
    "charge-chargetimers",
    "closure-doors",
    "closure-windows",
    "diagnostics-dtclist",
    "location-preciselocation",
    "service-records",
    "vehicleidentification-packages",
    "vehicleidentification-vin",
    "vehicleuseraccount-permissions",
    "wheel-tires",
];
/// What is open or shut as a whole.
const LIDS: [&str; 5] =
    ["closure-enginecover", "closure-fronttrunk", "closure-reartrunk", "closure-sunroof", "closure-tailgate"];
const GEARS: &[&str] = &["PARK", "REVERSE", "NEUTRAL", "DRIVE"];
const CHARGING: &[&str] = &["CHARGING", "NOT_CHARGING", "FULLY_CHARGED"];
const HEALTH: &[&str] = &["OK", "ALERT"];
/// No text of a cell is longer.
const LONGEST_TEXT: usize = 100;

impl Shape {
    /// `None` for a signal that one column cannot say.
    pub(super) fn of(signal: SignalId) -> Option<Self> {
        let entry = signal.entry();
        let code = entry.code.as_str();
        Some(match signal {
            _ if COMPOSITE.contains(&code) => return None,
            _ if entry.name.starts_with("Is") || LIDS.contains(&code) => Self::Flag,
            _ if unit_of(signal, &Value::Number(1.0)).is_some() => Self::Number,
            signal::CHARGE_LIMITS | signal::NOMINAL_CAPACITY => Self::Number,
            signal::GEAR => Self::Words(GEARS),
            signal::CHARGING_STATUS => Self::Words(CHARGING),
            _ if entry.group == "Diagnostics" => Self::Words(HEALTH),
            _ => Self::Text,
        })
    }
}

/// The unit that values of a signal have inside.
fn own_unit(signal: SignalId) -> String {
    match signal {
        signal::CHARGE_LIMITS => "percent".into(),
        signal::NOMINAL_CAPACITY => "kWh".into(),
        signal => unit_of(signal, &Value::Number(1.0)).unwrap_or_default().to_string(),
    }
}

/// Units that can be converted, by the quantity that they measure: the names that files use for each, its factor and its
/// offset to the first one.
type Quantity = &'static [(&'static [&'static str], f64, f64)];
const QUANTITIES: [Quantity; 10] = [
    &[(&["km", "kilometers", "kilometres"], 1.0, 0.0), (&["m", "meters", "metres"], 0.001, 0.0), (&["mi", "mile", "miles"], 1.609_344, 0.0)],
    &[
        (&["kph", "km/h", "kmh"], 1.0, 0.0),
        (&["mph", "mi/h"], 1.609_344, 0.0),
        (&["m/s", "mps"], 3.6, 0.0),
        (&["kn", "knots", "kt"], 1.852, 0.0),
    ],
    &[(&["percent", "%"], 1.0, 0.0), (&["fraction", "ratio"], 100.0, 0.0)],
    &[(&["celsius", "°c", "c", "degc"], 1.0, 0.0), (&["fahrenheit", "°f", "f", "degf"], 5.0 / 9.0, -160.0 / 9.0), (&["kelvin", "k"], 1.0, -273.15)],
    &[(&["kwh"], 1.0, 0.0), (&["wh"], 0.001, 0.0)],
    &[(&["watts", "w", "watt"], 1.0, 0.0), (&["kw", "kilowatts"], 1_000.0, 0.0)],
    &[(&["volts", "v", "volt"], 1.0, 0.0), (&["mv"], 0.001, 0.0)],
    &[(&["ampere", "a", "amps", "amperes"], 1.0, 0.0), (&["ma"], 0.001, 0.0)],
    &[(&["liters", "l", "litres"], 1.0, 0.0), (&["gal", "us-gal", "gallons"], 3.785_411_784, 0.0)],
    &[(&["minutes", "min"], 1.0, 0.0), (&["s", "sec", "seconds"], 1.0 / 60.0, 0.0), (&["h", "hours"], 60.0, 0.0)],
];

/// Factor and offset from a unit of a file to a signal's own; the error lists the units that can be.
pub(super) fn unit(signal: SignalId, written: &str) -> Result<(f64, f64), String> {
    let own = own_unit(signal);
    let is = |names: &[&str], unit: &str| names.iter().any(|name| name.eq_ignore_ascii_case(unit));
    let written_ = written.trim().replace('°', "");
    let written_ = if written_.is_empty() { written.trim() } else { &written_ };
    if own.eq_ignore_ascii_case(written_) {
        return Ok((1.0, 0.0));
    }
    let quantity = QUANTITIES.iter().find(|quantity| quantity.iter().any(|(names, ..)| is(names, &own)));
    let Some(quantity) = quantity else {
        return Err(format!("{} has the unit {own:?}, which is not converted", signal.entry().code));
    };
    let (_, to_factor, to_offset) = quantity.iter().find(|(names, ..)| is(names, &own)).unwrap_or(&quantity[0]);
    match quantity.iter().find(|(names, ..)| is(names, written_)) {
        Some((_, factor, offset)) => Ok((factor / to_factor, (offset - to_offset) / to_factor)),
        None => {
            let names: Vec<_> = quantity.iter().map(|(names, ..)| names[0]).collect();
            Err(format!("{written:?} is not a unit of {}; write {}", signal.entry().code, names.join(", ")))
        }
    }
}

/// The least and the most that a signal can be, in its own unit.
pub(super) fn range(signal: SignalId) -> (f64, f64) {
    const AMOUNT: f64 = 1e7;
    match (signal, own_unit(signal).as_str()) {
        (signal::SPEED, _) => (0.0, 400.0),
        (_, "percent") => (0.0, 100.0),
        (_, "celsius") => (-90.0, 90.0),
        // A car that feeds the grid.
        (_, "watts" | "ampere") => (-AMOUNT, AMOUNT),
        _ => (0.0, AMOUNT),
    }
}

/// A cell that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'t> {
    Number(f64),
    Flag(bool),
    Text(std::borrow::Cow<'t, str>),
}

/// Words with which recorders say that a value is not known.
pub(super) fn is_empty(cell: &str) -> bool {
    const NOTHING: [&str; 12] =
        ["null", "nil", "none", "n/a", "na", "nan", "-", "--", "?", "<invalid>", "sna", "undefined"];
    cell.is_empty() || NOTHING.iter().any(|nothing| cell.eq_ignore_ascii_case(nothing))
}

impl Form {
    pub(super) fn read<'t>(&'t self, cell: &'t str, numerals: Numerals) -> Result<Cell<'t>, SkipReason> {
        match self {
            Self::Number(conversion) => conversion.read(cell, numerals).map(Cell::Number),
            Self::Flag(words) => flag(cell, words).map(Cell::Flag).ok_or(SkipReason::UnreadableValue),
            Self::Words { words, known } => {
                if let Some(word) = words.get(&cell.to_lowercase()) {
                    return Ok(Cell::Text(word.into()));
                }
                if known.is_empty() {
                    let fits = cell.chars().count() <= LONGEST_TEXT && !cell.contains(char::is_control);
                    return if fits { Ok(Cell::Text(cell.into())) } else { Err(SkipReason::UnreadableValue) };
                }
                let found = known.iter().find(|word| word.eq_ignore_ascii_case(cell));
                found.map(|word| Cell::Text((*word).into())).ok_or(SkipReason::UnknownWord)
            }
        }
    }
}

impl Conversion {
    fn read(self, cell: &str, numerals: Numerals) -> Result<f64, SkipReason> {
        let number = number(cell, numerals).ok_or(SkipReason::UnreadableValue)?;
        let converted = if (self.factor, self.offset) == (1.0, 0.0) {
            number
        } else {
            // No car measures finer, and 50 mph shall not be 80.46719999999999 km/h.
            ((number * self.factor + self.offset) * 1e6).round() / 1e6
        };
        let fits = (self.least..=self.most).contains(&converted);
        if fits { Ok(converted) } else { Err(SkipReason::OutOfRange) }
    }
}

/// A finite number as it is written; a per cent sign at its end says nothing.
pub(super) fn number(cell: &str, numerals: Numerals) -> Option<f64> {
    let cell = cell.strip_suffix('%').map_or(cell, str::trim_end);
    let mut plain = String::with_capacity(cell.len());
    for character in cell.chars() {
        match character {
            '0'..='9' | '+' | '-' | 'e' | 'E' => plain.push(character),
            decimal if decimal == numerals.decimal => plain.push('.'),
            thousands if Some(thousands) == numerals.thousands => {}
            // What a spreadsheet puts between thousands.
            '\u{a0}' | '\u{202f}' if numerals.thousands == Some(' ') => {}
            _ => return None,
        }
    }
    plain.parse().ok().filter(|number: &f64| number.is_finite())
}

fn flag(cell: &str, words: &BTreeMap<String, bool>) -> Option<bool> {
    const YES: [&str; 7] = ["true", "yes", "on", "t", "y", "open", "1"];
    const NO: [&str; 7] = ["false", "no", "off", "f", "n", "closed", "0"];
    let word = cell.to_lowercase();
    let given = words.get(&word).copied();
    given
        .or_else(|| YES.contains(&word.as_str()).then_some(true))
        .or_else(|| NO.contains(&word.as_str()).then_some(false))
        .or_else(|| word.parse::<f64>().ok().filter(|&n| n == 0.0 || n == 1.0).map(|n| n == 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::signal::{GEAR, LOCATION, ODOMETER, SPEED, STATE_OF_CHARGE};

    const ENGLISH: Numerals = Numerals { decimal: '.', thousands: None };
    const GERMAN: Numerals = Numerals { decimal: ',', thousands: Some('.') };

    #[test]
    fn numbers_follow_their_notation() {
        for (text, numerals, expected) in [
            ("-12.5", ENGLISH, Some(-12.5)),
            ("1e3", ENGLISH, Some(1000.0)),
            ("80 %", ENGLISH, Some(80.0)),
            ("1.234,5", GERMAN, Some(1234.5)),
            ("12,5", ENGLISH, None),
            ("0x10", ENGLISH, None),
            ("inf", ENGLISH, None),
            ("1e999", ENGLISH, None),
            ("1 234", ENGLISH, None),
            ("1 234", Numerals { decimal: '.', thousands: Some(' ') }, Some(1234.0)),
        ] {
            assert_eq!(number(text, numerals), expected, "{text}");
        }
    }

    #[test]
    fn units_lead_to_the_signals_own() {
        let converted = |signal, written: &str, number: f64| {
            let (factor, offset) = unit(signal, written).unwrap();
            ((number * factor + offset) * 1e6).round() / 1e6
        };
        assert_eq!(converted(SPEED, "mph", 50.0), 80.4672);
        assert_eq!(converted(SPEED, "m/s", 10.0), 36.0);
        assert_eq!(converted(ODOMETER, "mi", 100.0), 160.9344);
        assert_eq!(converted(STATE_OF_CHARGE, "fraction", 0.8), 80.0);
        assert_eq!(converted(signal::EXTERNAL_TEMPERATURE, "°F", 212.0), 100.0);
        assert_eq!(converted(signal::EXTERNAL_TEMPERATURE, "F", 32.0), 0.0);
        let wattage = SignalId::from_code("charge-wattage").unwrap();
        assert_eq!(converted(wattage, "kW", 11.0), 11_000.0);
        assert_eq!(
            unit(SPEED, "furlongs").unwrap_err(),
            "\"furlongs\" is not a unit of motion-currentspeed; write kph, mph, m/s, kn"
        );
    }

    #[test]
    fn every_signal_that_is_a_number_has_a_unit_that_is_known() {
        for signal in SignalId::all().filter(|&signal| Shape::of(signal) == Some(Shape::Number)) {
            assert_eq!(unit(signal, &own_unit(signal)), Ok((1.0, 0.0)), "{signal:?}");
        }
        assert_eq!(Shape::of(LOCATION), None);
        assert_eq!(Shape::of(GEAR), Some(Shape::Words(GEARS)));
    }

    #[test]
    fn flags_are_said_in_many_ways() {
        let own = BTreeMap::from([("charging".to_owned(), true), ("complete".to_owned(), false)]);
        for (text, expected) in [
            ("TRUE", Some(true)),
            ("0.0", Some(false)),
            ("1.0", Some(true)),
            ("Off", Some(false)),
            ("Charging", Some(true)),
            ("Complete", Some(false)),
            ("2", None),
            ("maybe", None),
        ] {
            assert_eq!(flag(text, &own), expected, "{text}");
        }
    }
}
