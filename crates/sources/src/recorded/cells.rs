//! Cells as values: numbers with their unit, flags and words.

use std::collections::BTreeMap;

use app::ports::SkipReason;
use domain::signal::{self, SignalId, form::Number, means_nothing};

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numerals {
    /// `.` or `,`
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
}

/// How the cells of a signal are read.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Number(Conversion),
    /// Words for yes and no beside the usual ones.
    Flag(BTreeMap<String, bool>),
    /// The wire's word for each word of the file, in lower case; the words of the wire themselves go without.
    Words {
        words: BTreeMap<String, String>,
        known: &'static [&'static str],
    },
}

/// From a number of the file to the signal's unit: times factor, plus offset; then it is one that the signal can be, and
/// in this range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conversion {
    pub(super) factor: f64,
    pub(super) offset: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) of: &'static Number,
}

/// What a signal can be, as far as one column can say it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Number(&'static Number),
    Flag,
    Words(&'static [&'static str]),
    Text,
}

/// No text of a cell is longer, in bytes.
const LONGEST_TEXT: usize = 64;

impl Shape {
    /// `None` for a signal that one column cannot say.
    pub(super) fn of(signal: SignalId) -> Option<Self> {
        Self::of_form(signal.form())
    }

    fn of_form(form: &'static signal::form::Form) -> Option<Self> {
        Some(match form {
            signal::form::Form::Flag | signal::form::Form::Opening(_) => Self::Flag,
            signal::form::Form::Number(number) => Self::Number(number),
            signal::form::Form::Word(words) => Self::Words(words),
            signal::form::Form::Text { .. } => Self::Text,
            signal::form::Form::Composite(composite) => return Self::of_form(composite.bare?),
            signal::form::Form::Position | signal::form::Form::Grid(_) => return None,
        })
    }
}

/// Factor and offset from a unit of a file to a signal's own; the error lists the units that are converted.
pub(super) fn unit(of: &Number, written: &str) -> Result<(f64, f64), String> {
    /// Far enough from zero that the rounding of a converted number does not show in the factor.
    const FAR: f64 = 1e6;
    let converted = |number| of.dimension.convert(number, written);
    match (converted(0.0), converted(FAR)) {
        (Some(offset), Some(far)) => Ok(((far - offset) / FAR, offset)),
        _ => {
            let words: Vec<_> = of.dimension.words().collect();
            Err(format!("{written:?} is not a unit that is converted; write {}", words.join(", ")))
        }
    }
}

/// A cell that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'t> {
    Number(f64),
    Flag(bool),
    Text(std::borrow::Cow<'t, str>),
}

/// Whether a cell says that a value is not known.
pub(super) fn is_empty(cell: &str) -> bool {
    means_nothing(cell)
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
                    let fits = cell.len() <= LONGEST_TEXT && !cell.contains(char::is_control);
                    return if fits { Ok(Cell::Text(cell.into())) } else { Err(SkipReason::UnreadableValue) };
                }
                let plain = cell.replace([' ', '-'], "_");
                let found = known.iter().find(|word| word.eq_ignore_ascii_case(&plain));
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
        let fits = self.of.holds(converted) && (self.least..=self.most).contains(&converted);
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
    use domain::signal::{
        BATTERY_RANGE, DOORS, EXTERNAL_TEMPERATURE, GEAR, LOCATION, ODOMETER, REAR_TRUNK, SPEED,
        STATE_OF_CHARGE, TIRES,
    };

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
        let read = |signal: SignalId, written: &str, cell: &str| {
            let Some(Shape::Number(of)) = Shape::of(signal) else { panic!("{signal:?} is a number") };
            let (factor, offset) = unit(of, written).unwrap();
            Conversion { factor, offset, least: f64::MIN, most: f64::MAX, of }.read(cell, ENGLISH)
        };
        assert_eq!(read(SPEED, "mph", "50"), Ok(80.4672));
        assert_eq!(read(SPEED, "m/s", "10"), Ok(36.0));
        assert_eq!(read(ODOMETER, "mi", "100"), Ok(160.9344));
        assert_eq!(read(STATE_OF_CHARGE, "fraction", "0.8"), Ok(80.0));
        assert_eq!(read(EXTERNAL_TEMPERATURE, "°F", "32"), Ok(0.0));
        assert_eq!(read(EXTERNAL_TEMPERATURE, "F", "212"), Err(SkipReason::OutOfRange));
        assert_eq!(read(SignalId::from_code("charge-wattage").unwrap(), "kW", "11"), Ok(11_000.0));
        let Some(Shape::Number(of)) = Shape::of(SPEED) else { panic!("it is a number") };
        assert_eq!(
            unit(of, "furlongs").unwrap_err(),
            "\"furlongs\" is not a unit that is converted; write km/h, mph, m/s, kn"
        );
    }

    #[test]
    fn a_column_can_say_what_has_one_cell() {
        assert!(matches!(Shape::of(STATE_OF_CHARGE), Some(Shape::Number(_))));
        assert!(matches!(Shape::of(BATTERY_RANGE), Some(Shape::Number(_))));
        assert!(matches!(Shape::of(GEAR), Some(Shape::Words(words)) if words.contains(&"PARK")));
        assert!(matches!(Shape::of(REAR_TRUNK), Some(Shape::Flag)));
        for signal in [LOCATION, DOORS, TIRES] {
            assert!(Shape::of(signal).is_none(), "{signal:?}");
        }
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
