//! Units: the one that a signal has inside, and those that are converted into it.
//!
//! Words for units are compared without regard to case, spaces and separators, so that `km/h`, `KMH` and `kilometers per
//! hour` are found however their sender writes them. A unit that is not listed is refused: a number in an unknown unit
//! says nothing.

/// What a number measures. Each has one unit inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Kilometres.
    Distance,
    /// Kilometres per hour.
    Speed,
    /// Litres.
    Volume,
    /// Kilopascals.
    Pressure,
    /// Degrees Celsius.
    Temperature,
    /// Kilowatt-hours.
    Energy,
    /// Watts.
    Power,
    /// Amperes.
    Current,
    /// Volts.
    Voltage,
    /// Percent, 0 to 100.
    Share,
    /// Minutes.
    Time,
    /// A count.
    Count,
}

/// A unit: the words for it, and how a number in it becomes one in the unit inside: `number * factor + offset`.
struct Unit {
    words: &'static [&'static str],
    factor: f64,
    offset: f64,
}

const fn unit(words: &'static [&'static str], factor: f64) -> Unit {
    Unit { words, factor, offset: 0.0 }
}

const KM_PER_MILE: f64 = 1.609_344;
const PSI: f64 = 6.894_757_293_168;

/// Words are lower case, without spaces, `_`, `-`, `.`, `/`, `°` and `²`. The first one is shown to users.
const DISTANCE: &[Unit] = &[
    unit(&["km", "kms", "kilometer", "kilometers", "kilometre", "kilometres"], 1.0),
    unit(&["mi", "mile", "miles"], KM_PER_MILE),
    unit(&["m", "meter", "meters", "metre", "metres"], 0.001),
    unit(&["ft", "foot", "feet"], 0.000_304_8),
    unit(&["nmi", "nauticalmile", "nauticalmiles"], 1.852),
];
const SPEED: &[Unit] = &[
    unit(&["km/h", "kmh", "kph", "kmph", "kilometersperhour", "kilometresperhour", "kilometerperhour"], 1.0),
    unit(&["mph", "mih", "milesperhour", "mileperhour", "mihr", "mphr"], KM_PER_MILE),
    unit(&["m/s", "ms", "mps", "meterspersecond", "metrespersecond", "meterpersecond"], 3.6),
    unit(&["kn", "kt", "kts", "knot", "knots"], 1.852),
];
const VOLUME: &[Unit] = &[
    unit(&["liters", "l", "liter", "litre", "litres"], 1.0),
    unit(&["gallons", "gal", "gallon", "usgal", "usgallon", "usgallons", "galus"], 3.785_411_784),
    unit(
        &["imperialgallons", "ukgal", "ukgallon", "ukgallons", "impgal", "imperialgallon", "galuk"],
        4.546_09,
    ),
    unit(&["ml", "milliliters", "millilitres", "milliliter", "millilitre"], 0.001),
];
const PRESSURE: &[Unit] = &[
    unit(&["kPa", "kilopascal", "kilopascals"], 1.0),
    unit(&["bar", "bars"], 100.0),
    unit(&["psi", "psig", "lbfin", "poundspersquareinch"], PSI),
    unit(&["mbar", "millibar", "millibars", "hpa", "hectopascal", "hectopascals"], 0.1),
    unit(&["Pa", "pascal", "pascals"], 0.001),
    unit(&["atm", "atmosphere", "atmospheres"], 101.325),
];
const TEMPERATURE: &[Unit] = &[
    unit(&["celsius", "c", "degc", "degreescelsius", "degreecelsius", "celsiusdegrees"], 1.0),
    Unit {
        words: &["fahrenheit", "f", "degf", "degreesfahrenheit", "degreefahrenheit"],
        factor: 5.0 / 9.0,
        offset: -160.0 / 9.0,
    },
    Unit { words: &["kelvin", "k", "kelvins"], factor: 1.0, offset: -273.15 },
];
const ENERGY: &[Unit] = &[
    unit(&["kWh", "kwhr", "kwhrs", "kilowatthour", "kilowatthours"], 1.0),
    unit(&["Wh", "whr", "watthour", "watthours"], 0.001),
    unit(&["MWh", "megawatthour", "megawatthours"], 1_000.0),
    unit(&["MJ", "megajoule", "megajoules"], 1.0 / 3.6),
    unit(&["kJ", "kilojoule", "kilojoules"], 1.0 / 3_600.0),
];
const POWER: &[Unit] = &[
    unit(&["watts", "w", "watt"], 1.0),
    unit(&["kW", "kilowatt", "kilowatts"], 1_000.0),
    unit(&["megawatts", "megawatt"], 1_000_000.0),
    unit(&["hp", "horsepower", "bhp"], 745.699_871_582_270_2),
];
const CURRENT: &[Unit] = &[
    unit(&["ampere", "a", "amp", "amps", "amperes"], 1.0),
    unit(&["mA", "milliampere", "milliamperes", "milliamp", "milliamps"], 0.001),
];
const VOLTAGE: &[Unit] = &[
    unit(&["volts", "v", "volt"], 1.0),
    unit(&["kV", "kilovolt", "kilovolts"], 1_000.0),
    unit(&["mV", "millivolt", "millivolts"], 0.001),
];
const SHARE: &[Unit] =
    &[unit(&["percent", "%", "percentage", "pct"], 1.0), unit(&["fraction", "ratio", "unitinterval"], 100.0)];
const TIME: &[Unit] = &[
    unit(&["minutes", "min", "mins", "minute"], 1.0),
    unit(&["seconds", "s", "sec", "secs", "second"], 1.0 / 60.0),
    unit(&["hours", "h", "hr", "hrs", "hour"], 60.0),
    unit(&["milliseconds", "ms", "millisecond", "msec"], 1.0 / 60_000.0),
    unit(&["days", "d", "day"], 1_440.0),
];
const COUNT: &[Unit] = &[unit(&["count", "counts", "times", "pieces"], 1.0)];

impl Dimension {
    const fn units(self) -> &'static [Unit] {
        match self {
            Self::Distance => DISTANCE,
            Self::Speed => SPEED,
            Self::Volume => VOLUME,
            Self::Pressure => PRESSURE,
            Self::Temperature => TEMPERATURE,
            Self::Energy => ENERGY,
            Self::Power => POWER,
            Self::Current => CURRENT,
            Self::Voltage => VOLTAGE,
            Self::Share => SHARE,
            Self::Time => TIME,
            Self::Count => COUNT,
        }
    }

    /// The units that are taken, the one inside first, each by the word that users are shown.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        self.units().iter().map(|unit| unit.words[0])
    }

    /// A number of a unit in the unit inside; `None` when the unit is not one of this dimension. Of a number so large
    /// that it has no counterpart comes an infinity, which no signal can be.
    ///
    /// A converted number is rounded to a billionth of itself, so that 2.4 bar are 240 kPa and not 239.99999999999997.
    pub fn convert(self, number: f64, unit: &str) -> Option<f64> {
        let unit = self.units().iter().find(|known| known.words.iter().any(|word| is_same(word, unit)))?;
        if unit.factor == 1.0 && unit.offset == 0.0 {
            return Some(number);
        }
        Some(tidied(number * unit.factor + unit.offset))
    }
}

/// A number without the noise of binary arithmetic behind its ninth decimal.
fn tidied(number: f64) -> f64 {
    const SCALE: f64 = 1e9;
    let scaled = number * SCALE;
    if scaled.abs() < 9_007_199_254_740_992.0 { scaled.round() / SCALE } else { number }
}

/// Whether two words for a unit are the same one. Case decides only where it tells milli from mega.
fn is_same(known: &str, given: &str) -> bool {
    let letters = |word: &str| -> Vec<char> {
        let kept =
            word.trim().chars().filter(|c| !matches!(c, ' ' | '_' | '-' | '.' | '/' | '°' | '²' | '^'));
        kept.flat_map(char::to_lowercase).take(MOST_LETTERS).collect()
    };
    letters(known) == letters(given) && (!is_ambiguous(known) || known == given.trim())
}

/// Longer than any word for a unit.
const MOST_LETTERS: usize = 40;

/// `mW` is not `MW`, and `mWh` is not `MWh`.
fn is_ambiguous(word: &str) -> bool {
    matches!(word, "MWh" | "MJ" | "mA" | "mV" | "Pa")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_units_are_converted_however_they_are_written() {
        let table = [
            (Dimension::Distance, 100.0, "mi", Some(160.9344)),
            (Dimension::Distance, 100.0, "Miles", Some(160.9344)),
            (Dimension::Distance, 48_210_400.0, "m", Some(48_210.4)),
            (Dimension::Speed, 10.0, "m/s", Some(36.0)),
            (Dimension::Speed, 60.0, "miles_per_hour", Some(96.56064)),
            (Dimension::Speed, 60.0, "KPH", Some(60.0)),
            (Dimension::Volume, 10.0, "gal", Some(37.85411784)),
            (Dimension::Pressure, 2.4, "bar", Some(240.0)),
            (Dimension::Pressure, 35.0, "PSI", Some(241.316505261)),
            (Dimension::Temperature, 212.0, "°F", Some(100.0)),
            (Dimension::Temperature, 300.0, "K", Some(26.85)),
            (Dimension::Energy, 500.0, "Wh", Some(0.5)),
            (Dimension::Energy, 1.0, "MWh", Some(1_000.0)),
            (Dimension::Energy, 1.0, "mWh", None),
            (Dimension::Power, 7.2, "kW", Some(7_200.0)),
            (Dimension::Current, 500.0, "mA", Some(0.5)),
            (Dimension::Share, 0.78, "fraction", Some(78.0)),
            (Dimension::Share, 78.0, "%", Some(78.0)),
            (Dimension::Time, 90.0, "s", Some(1.5)),
            (Dimension::Time, 2.0, "hours", Some(120.0)),
            (Dimension::Distance, 1.0, "furlongs", None),
            (Dimension::Distance, 1.0, "", None),
            (Dimension::Pressure, 1.0, "km", None),
        ];
        for (dimension, number, unit, expected) in table {
            assert_eq!(dimension.convert(number, unit), expected, "{number} {unit:?}");
        }
    }

    #[test]
    fn no_word_stands_for_two_units_of_one_dimension() {
        let dimensions = [
            Dimension::Distance,
            Dimension::Speed,
            Dimension::Volume,
            Dimension::Pressure,
            Dimension::Temperature,
            Dimension::Energy,
            Dimension::Power,
            Dimension::Current,
            Dimension::Voltage,
            Dimension::Share,
            Dimension::Time,
            Dimension::Count,
        ];
        for dimension in dimensions {
            for unit in dimension.units() {
                for word in unit.words {
                    let known = |unit: &&Unit| unit.words.iter().any(|known| is_same(known, word));
                    assert_eq!(dimension.units().iter().filter(known).count(), 1, "{word}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_conversion_never_panics(number in any::<f64>(), unit in ".{0,12}|[a-zA-Z/%]{1,4}") {
            for dimension in [Dimension::Temperature, Dimension::Pressure, Dimension::Energy] {
                let _ = dimension.convert(number, &unit);
            }
        }
    }
}
