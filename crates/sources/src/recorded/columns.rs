//! Which column of a CSV file is what.

use std::collections::BTreeMap;

use domain::{
    signal::{self, SignalId},
    time::Timestamp,
};
use jiff::{civil, tz::Offset};
use serde::Deserialize;

/// Which columns of a CSV file hold the time, the position and the signals.
///
/// Written as TOML:
///
/// ```toml
/// [time]
/// column = "Timestamp"            # or date = "Date" and time = "Time" in two columns
/// format = "rfc3339"              # or "epoch-s", "epoch-ms", or a pattern like "%m/%d/%Y %H:%M:%S"
///
/// [position]
/// latitude = "LAT"
/// longitude = "LON"
///
/// [signals]                       # signal = "column", or with more to say:
/// tractionbattery-stateofcharge = "Soc"
/// motion-currentspeed = { column = "SpeedMph", factor = 1.609344 }
/// transmission-gearstate = { column = "Mode", words = { D = "DRIVE", N = "NEUTRAL" } }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnMap {
    pub(super) time: TimeColumns,
    pub(super) position: Option<(String, String)>,
    pub(super) signals: Vec<(SignalId, SignalColumn)>,
}

/// Where the time of a row is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeColumns {
    /// One column, or date and time.
    pub(super) columns: Vec<String>,
    format: TimeFormat,
}

#[derive(Clone, Debug, PartialEq)]
enum TimeFormat {
    Rfc3339,
    EpochSeconds,
    EpochMillis,
    /// A pattern of `strptime`. A time without an offset is taken as UTC: only differences count.
    Pattern(String),
}

/// Where a signal is and how it is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SignalColumn {
    pub(super) column: String,
    pub(super) form: Form,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    /// A number that is multiplied to get to the signal's unit, and the least and most that it can be then.
    Number { factor: f64, least: f64, most: f64 },
    /// `true`, `false`, `1`, `0`, `yes`, `no`
    Flag,
    /// The wire's word for each word of the file.
    Words(BTreeMap<String, String>),
}

/// What is wrong with a column map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapRefused {
    /// Not TOML, or not of this shape.
    #[error("the column map is malformed: {0}")]
    Malformed(String),
    /// Neither one column nor two.
    #[error("the time of a row is either in one column (time.column) or in two (time.date and time.time)")]
    TimeColumns,
    /// A code that is not in the catalogue.
    #[error("{0} is no signal; signals look like tractionbattery-stateofcharge")]
    UnknownSignal(String),
    /// A signal that has more to it than a column.
    #[error("{0} cannot be taken from a column; numbers, Is… signals, gear and charging status can")]
    Composite(String),
    /// Nothing to replay.
    #[error("the column map names no signal and no position")]
    Nothing,
}

/// The form of the Twizy recordings of Rabat, and of files that begin alike.
const TWIZY: &str = r#"
    [time]
    date = "Date"
    time = "Time"
    format = "%m/%d/%Y %H:%M:%S"
    [position]
    latitude = "LAT"
    longitude = "LON"
    [signals]
    tractionbattery-stateofcharge = "Soc"
    motion-currentspeed = "Speed"
    transmission-gearstate = { column = "Mode", words = { D = "DRIVE", N = "NEUTRAL", R = "REVERSE" } }
"#;
const TWIZY_HEADER: [&str; 7] = ["Date", "Time", "Soc", "Speed", "Mode", "LAT", "LON"];

impl ColumnMap {
    /// From TOML.
    ///
    /// # Errors
    ///
    /// When it is malformed, or names what there is not.
    pub fn from_toml(text: &str) -> Result<Self, MapRefused> {
        let written: Written =
            toml::from_str(text).map_err(|error| MapRefused::Malformed(error.message().into()))?;
        let position = written.position.map(|position| (position.latitude, position.longitude));
        let signals = written.signals.into_iter().map(|(code, column)| signal_column(&code, column));
        let signals = signals.collect::<Result<Vec<_>, _>>()?;
        if position.is_none() && signals.is_empty() {
            return Err(MapRefused::Nothing);
        }
        Ok(Self { time: written.time.try_into()?, position, signals })
    }

    /// The map for a file with this header, if it is one that is known.
    pub fn for_header<'h>(header: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        let begins_alike = header.into_iter().map(str::trim).take(TWIZY_HEADER.len()).eq(TWIZY_HEADER);
        begins_alike.then(|| Self::from_toml(TWIZY).expect("the built-in map is well-formed"))
    }
}

/// Further from 1970 than any calendar goes.
const MOST_MICROS: f64 = 1e18;

impl TimeColumns {
    /// The moment that the cells of the columns say.
    pub(super) fn parse(&self, cells: &str) -> Option<Timestamp> {
        let micros = |factor: f64| {
            let micros = cells.parse::<f64>().ok()? * factor;
            (micros.abs() < MOST_MICROS).then(|| Timestamp::from_micros(micros.round() as i64))
        };
        match &self.format {
            TimeFormat::Rfc3339 => cells.parse().ok().map(Timestamp::from_jiff),
            TimeFormat::EpochSeconds => micros(1e6),
            TimeFormat::EpochMillis => micros(1e3),
            TimeFormat::Pattern(pattern) => {
                let parsed = jiff::fmt::strtime::parse(pattern, cells).ok()?;
                let at = parsed.to_timestamp().or_else(|_| {
                    let local: civil::DateTime = parsed.to_datetime()?;
                    Offset::UTC.to_timestamp(local)
                });
                at.ok().map(Timestamp::from_jiff)
            }
        }
    }
}

impl Form {
    fn of(signal: SignalId, factor: f64) -> Option<Self> {
        if signal.entry().name.starts_with("Is") {
            return Some(Self::Flag);
        }
        let (least, most) = bounds(signal)?;
        Some(Self::Number { factor, least, most })
    }
}

/// The least and the most that a signal can be that is one number.
fn bounds(signal: SignalId) -> Option<(f64, f64)> {
    const PERCENT: (f64, f64) = (0.0, 100.0);
    const CELSIUS: (f64, f64) = (-90.0, 90.0);
    const AMOUNT: (f64, f64) = (0.0, 1e7);
    Some(match signal {
        signal::STATE_OF_CHARGE | signal::FUEL_LEVEL | signal::OIL_LIFE | signal::CHARGE_LIMITS => PERCENT,
        signal::EXTERNAL_TEMPERATURE => CELSIUS,
        signal::SPEED => (0.0, 400.0),
        signal::ODOMETER
        | signal::BATTERY_RANGE
        | signal::FUEL_RANGE
        | signal::FUEL_AMOUNT
        | signal::NOMINAL_CAPACITY => AMOUNT,
        other => match other.entry().code.as_str() {
            "lowvoltagebattery-stateofcharge" => PERCENT,
            "climate-internaltemperature" | "hvac-cabintargettemperature" => CELSIUS,
            "charge-amperage"
            | "charge-voltage"
            | "charge-wattage"
            | "charge-energyadded"
            | "charge-chargerate"
            | "charge-timetocomplete" => AMOUNT,
            _ => return None,
        },
    })
}

fn signal_column(code: &str, written: WrittenColumn) -> Result<(SignalId, SignalColumn), MapRefused> {
    let signal = SignalId::from_code(code).ok_or_else(|| MapRefused::UnknownSignal(code.into()))?;
    let (column, factor, words) = match written {
        WrittenColumn::Name(column) => (column, 1.0, None),
        WrittenColumn::Table { column, factor, words } => (column, factor, words),
    };
    let form = match words {
        Some(words) => matches!(signal, signal::GEAR | signal::CHARGING_STATUS).then_some(Form::Words(words)),
        None => Form::of(signal, factor),
    };
    let form = form.ok_or_else(|| MapRefused::Composite(code.into()))?;
    Ok((signal, SignalColumn { column, form }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    time: WrittenTime,
    position: Option<WrittenPosition>,
    #[serde(default)]
    signals: BTreeMap<String, WrittenColumn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTime {
    column: Option<String>,
    date: Option<String>,
    time: Option<String>,
    format: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPosition {
    latitude: String,
    longitude: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenColumn {
    Name(String),
    #[serde(rename_all = "kebab-case")]
    Table {
        column: String,
        #[serde(default = "one")]
        factor: f64,
        words: Option<BTreeMap<String, String>>,
    },
}

const fn one() -> f64 {
    1.0
}

impl TryFrom<WrittenTime> for TimeColumns {
    type Error = MapRefused;

    fn try_from(written: WrittenTime) -> Result<Self, MapRefused> {
        let columns = match (written.column, written.date, written.time) {
            (Some(column), None, None) => vec![column],
            (None, Some(date), Some(time)) => vec![date, time],
            _ => return Err(MapRefused::TimeColumns),
        };
        let format = match written.format.as_str() {
            "rfc3339" => TimeFormat::Rfc3339,
            "epoch-s" => TimeFormat::EpochSeconds,
            "epoch-ms" => TimeFormat::EpochMillis,
            pattern => TimeFormat::Pattern(pattern.into()),
        };
        Ok(Self { columns, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(format: &str, cells: &str) -> Option<String> {
        let map = ColumnMap::from_toml(&format!(
            "[time]\ncolumn = \"t\"\nformat = \"{format}\"\n[signals]\nmotion-currentspeed = \"v\""
        ));
        map.unwrap().time.parse(cells).map(|at| at.to_string())
    }

    #[test]
    fn a_time_is_a_pattern_or_a_standard_form_or_a_count_since_1970() {
        let expected = Some("2021-07-01T10:34:36.000Z".into());
        assert_eq!(moment("%m/%d/%Y %H:%M:%S", "7/1/2021 10:34:36"), expected);
        assert_eq!(moment("%m/%d/%Y %H:%M:%S", "07/01/2021 10:34:36"), expected);
        assert_eq!(moment("%Y-%m-%d %H:%M:%S %z", "2021-07-01 12:34:36 +0200"), expected);
        assert_eq!(moment("rfc3339", "2021-07-01T12:34:36+02:00"), expected);
        assert_eq!(moment("epoch-s", "1625135676"), expected);
        assert_eq!(moment("epoch-ms", "1625135676000"), expected);
    }

    #[test]
    fn an_impossible_time_is_no_time() {
        for (format, cells) in [
            ("%m/%d/%Y %H:%M:%S", "13/1/2021 10:34:36"),
            ("%m/%d/%Y %H:%M:%S", "7/1/2021 10:61:36"),
            ("rfc3339", "yesterday"),
            ("epoch-s", "1e300"),
            ("epoch-s", "NaN"),
            ("epoch-ms", ""),
        ] {
            assert_eq!(moment(format, cells), None, "{cells}");
        }
    }

    #[test]
    fn the_header_of_a_known_file_brings_its_map() {
        let header = "Date,Time,Soc,Speed,Mode,LAT,LON,ALT,GpsSpeed";
        let map = ColumnMap::for_header(header.split(',')).unwrap();
        assert_eq!(map.time.columns, ["Date", "Time"]);
        assert_eq!(map.signals.len(), 3);
        assert_eq!(ColumnMap::for_header("Date,Time,Soc".split(',')), None);
        assert_eq!(ColumnMap::for_header("t,v".split(',')), None);
    }

    #[test]
    fn a_map_that_cannot_be_followed_says_why() {
        let refused = |rest: &str| ColumnMap::from_toml(rest).unwrap_err().to_string();
        let time = "[time]\ncolumn = \"t\"\nformat = \"rfc3339\"\n";
        assert_eq!(refused(time), "the column map names no signal and no position");
        assert_eq!(
            refused(&format!("{time}[signals]\nspeed = \"v\"")),
            "speed is no signal; signals look like tractionbattery-stateofcharge"
        );
        assert_eq!(
            refused(&format!("{time}[signals]\nclosure-doors = \"d\"")),
            "closure-doors cannot be taken from a column; numbers, Is… signals, gear and charging status can"
        );
        assert_eq!(
            refused("[time]\ndate = \"d\"\nformat = \"rfc3339\"\n[signals]\nmotion-currentspeed = \"v\""),
            "the time of a row is either in one column (time.column) or in two (time.date and time.time)"
        );
        assert!(refused("no toml").starts_with("the column map is malformed: "));
    }
}
