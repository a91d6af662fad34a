//! Which column of a file is what: the column map, read from TOML and checked as a whole.
//!
//! An error names the key and the line that it is in. `docs/recordings.md` is the reference for users.

use std::{collections::BTreeMap, ops::Range};

use domain::{
    signal::{self, SignalId, means_nothing},
    time::Timestamp,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    cells::{self, Conversion, Form, Shape},
    moment::{Moment, TimeFormat, Zone},
    text::Encoding,
};

/// Which columns of a file hold the time, the position and the signals, and how the file is written.
#[derive(Clone, Debug)]
pub struct ColumnMap {
    pub(super) file: FileForm,
    pub(super) time: TimeColumns,
    pub(super) position: Option<PositionColumns>,
    pub(super) signals: Vec<(SignalId, SignalColumn)>,
}

/// How a file is written; what is `None` is found out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileForm {
    pub(super) separator: Option<char>,
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<char>,
    pub(super) encoding: Option<Encoding>,
    pub(super) comment: String,
    pub(super) header: bool,
    /// More words for an empty cell, in lower case.
    pub(super) empty: Vec<String>,
}

/// A column by the name in the header, or by its place counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ColumnRef {
    Name(String),
    Place(usize),
}

/// Where the time of a row is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeColumns {
    /// One column, or date and time.
    pub(super) columns: Vec<ColumnRef>,
    /// Tried one after the other.
    formats: Vec<TimeFormat>,
    zone: Zone,
    start: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PositionColumns {
    pub(super) latitude: ColumnRef,
    pub(super) longitude: ColumnRef,
    pub(super) heading: Option<ColumnRef>,
}

/// Where a signal is and how it is read.
#[derive(Clone, Debug)]
pub(super) struct SignalColumn {
    pub(super) column: ColumnRef,
    pub(super) form: Form,
}

/// What is wrong with a column map: the key, the line, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column map, line {line}: {message}")]
pub struct MapRefused {
    /// Counted from 1.
    pub line: usize,
    /// Begins with the key, where there is one.
    pub message: String,
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
    /// No map is larger, in bytes.
    pub const LARGEST: usize = 64 * 1024;
    /// Columns that a map may name for signals, and words that it may translate.
    const MOST_ENTRIES: usize = 256;

    /// From TOML.
    ///
    /// # Errors
    ///
    /// When it is malformed, or names what does not exist.
    pub fn from_toml(text: &str) -> Result<Self, MapRefused> {
        if text.len() > Self::LARGEST {
            let message = format!("a column map has at most {} bytes", Self::LARGEST);
            return Err(MapRefused { line: 1, message });
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            MapRefused { line: line_of(text, at), message: error.message().to_owned() }
        })?;
        let at = root.span();
        let mut root = Section { text, path: "", at, table: root.get_ref(), known: Vec::new() };
        let map = Self::from_section(&mut root)?;
        root.end()?;
        Ok(map)
    }

    fn from_section(root: &mut Section<'_, '_>) -> Result<Self, MapRefused> {
        let file = match root.section("file")? {
            Some(section) => FileForm::from_section(section)?,
            None => FileForm::default(),
        };
        let Some(time) = root.section("time")? else {
            return Err(root.refused("[time] is missing: write which column has the time of a row"));
        };
        let time = TimeColumns::from_section(time)?;
        let position = root.section("position")?.map(PositionColumns::from_section).transpose()?;
        let signals = match root.section("signals")? {
            Some(section) => signal_columns(&section)?,
            None => Vec::new(),
        };
        if position.is_none() && signals.is_empty() {
            return Err(root.refused(
                "the map names no signal and no position; write them under [signals] and [position]",
            ));
        }
        if !file.header
            && let Some((at, key)) = named_column(root.table)
        {
            let why = "is a number where there is no header (file.header = false): 1 is the first column";
            return Err(root.refused_at(at, &key, why.into()));
        }
        Ok(Self { file, time, position, signals })
    }

    /// Every column that it names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        let position = self.position.iter().flat_map(PositionColumns::columns);
        let signals = self.signals.iter().map(|(_, column)| &column.column);
        self.time.columns.iter().chain(position).chain(signals)
    }

    /// The map for a file with this header, if it is one that is known.
    pub fn for_header<'h>(header: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        let begins_alike = header.into_iter().map(str::trim).take(TWIZY_HEADER.len()).eq(TWIZY_HEADER);
        begins_alike.then(Self::built_in)
    }

    pub(super) fn built_in() -> Self {
        Self::from_toml(TWIZY).expect("the built-in map is well-formed")
    }
}

impl Default for FileForm {
    fn default() -> Self {
        Self {
            separator: None,
            decimal: None,
            thousands: None,
            encoding: None,
            comment: "#".into(),
            header: true,
            empty: Vec::new(),
        }
    }
}

impl FileForm {
    fn from_section(mut section: Section<'_, '_>) -> Result<Self, MapRefused> {
        let mut form = Self::default();
        if let Some((text, at)) = section.text_if_any("separator")? {
            form.separator = match text {
                "auto" => None,
                "tab" | "\t" => Some('\t'),
                "," | ";" | "|" | " " => text.chars().next(),
                other => {
                    return Err(section.refused_at(
                        at,
                        "separator",
                        format!("{other:?} is not one of auto, \",\", \";\", \"|\", \" \" or \"tab\""),
                    ));
                }
            };
        }
        if let Some((text, at)) = section.text_if_any("decimal")? {
            form.decimal = match text {
                "auto" => None,
                "." | "," => text.chars().next(),
                other => {
                    return Err(section.refused_at(
                        at,
                        "decimal",
                        format!("{other:?} is not one of auto, \".\" or \",\""),
                    ));
                }
            };
        }
        if let Some((text, at)) = section.text_if_any("thousands")? {
            form.thousands = match text {
                "none" => None,
                "." | "," | " " | "'" | "’" => text.chars().next(),
                other => {
                    return Err(section.refused_at(
                        at,
                        "thousands",
                        format!("{other:?} is not one of none, \".\", \",\", \" \" or \"'\""),
                    ));
                }
            };
            if form.thousands.is_some() && form.thousands == form.decimal {
                return Err(section.refused_at(at, "thousands", "is the same as decimal".into()));
            }
        }
        if let Some((text, at)) = section.text_if_any("encoding")? {
            form.encoding = Encoding::from_name(text).ok_or_else(|| {
                section.refused_at(at, "encoding", format!("{text:?} is not one of {}", Encoding::NAMES))
            })?;
        }
        if let Some((text, at)) = section.text_if_any("comment")? {
            if text.len() > 8 {
                return Err(section.refused_at(at, "comment", "has at most 8 bytes; \"\" for none".into()));
            }
            form.comment = text.to_owned();
        }
        if let Some((value, at)) = section.value("header") {
            form.header =
                value.as_bool().ok_or_else(|| section.refused_at(at, "header", "is true or false".into()))?;
        }
        if let Some((words, _)) = section.texts_if_any("empty")? {
            form.empty = words.iter().map(|word| word.trim().to_lowercase()).collect();
        }
        section.end()?;
        Ok(form)
    }
}

impl TimeColumns {
    fn from_section(mut section: Section<'_, '_>) -> Result<Self, MapRefused> {
        let column = section.column_if_any("column")?;
        let (date, time) = (section.column_if_any("date")?, section.column_if_any("time")?);
        let columns = match (column, date, time) {
            (Some(column), None, None) => vec![column],
            (None, Some(date), Some(time)) => vec![date, time],
            _ => {
                return Err(section.refused("[time] has either column, or both date and time"));
            }
        };
        let formats = match section.texts_if_any("format")? {
            Some((names, at)) => {
                let format = |name: &&str| {
                    TimeFormat::from_name(name).map_err(|why| section.refused_at(at.clone(), "format", why))
                };
                names.iter().map(format).collect::<Result<Vec<_>, _>>()?
            }
            None => vec![TimeFormat::Auto],
        };
        let zone = match section.text_if_any("zone")? {
            Some((name, at)) => Zone::from_name(name).ok_or_else(|| {
                section.refused_at(at, "zone", format!("{name:?} is neither a zone of the IANA database, such as Europe/Berlin, nor an offset such as +02:00"))
            })?,
            None => Zone::UTC,
        };
        let start = match section.text_if_any("start")? {
            Some((text, at)) => {
                let start = TimeFormat::Rfc3339.parse(text, &zone, Timestamp::from_secs(0));
                let start = start.ok_or_else(|| {
                    section.refused_at(
                        at,
                        "start",
                        format!("{text:?} is not a moment such as 2026-05-01T10:00:00+02:00"),
                    )
                })?;
                Some(start.at)
            }
            None => None,
        };
        let elapsed = formats.iter().any(|format| matches!(format, TimeFormat::Elapsed { .. }));
        if start.is_some() && !elapsed {
            return Err(section.refused("[time] start belongs to format = \"elapsed\""));
        }
        section.end()?;
        Ok(Self { columns, formats, zone, start })
    }

    /// The moment that the cells of the columns say.
    pub(super) fn parse(&self, cells: &str) -> Option<Moment> {
        let start = self.start.unwrap_or(Timestamp::from_secs(0));
        self.formats.iter().find_map(|format| format.parse(cells, &self.zone, start))
    }

    /// Whether rows only say how long after an unknown start they are.
    pub(super) fn is_without_date(&self) -> bool {
        self.start.is_none() && self.formats.iter().any(|format| matches!(format, TimeFormat::Elapsed { .. }))
    }
}

impl PositionColumns {
    fn from_section(mut section: Section<'_, '_>) -> Result<Self, MapRefused> {
        let latitude = section.column_if_any("latitude")?;
        let longitude = section.column_if_any("longitude")?;
        let heading = section.column_if_any("heading")?;
        let (Some(latitude), Some(longitude)) = (latitude, longitude) else {
            return Err(section.refused("[position] has both latitude and longitude"));
        };
        section.end()?;
        Ok(Self { latitude, longitude, heading })
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        [&self.latitude, &self.longitude].into_iter().chain(&self.heading)
    }
}

fn signal_columns(section: &Section<'_, '_>) -> Result<Vec<(SignalId, SignalColumn)>, MapRefused> {
    if section.table.len() > ColumnMap::MOST_ENTRIES {
        return Err(section.refused("[signals] has too many entries"));
    }
    let mut columns = Vec::new();
    for (code, value) in section.table {
        let (code, at) = (code.get_ref().as_ref(), code.span());
        let refused = |message: &str| section.refused_at(at.clone(), code, message.to_owned());
        let Some(signal) = SignalId::from_code(&code.to_ascii_lowercase()) else {
            return Err(refused("is not a signal; signals look like tractionbattery-stateofcharge"));
        };
        let shape = match (signal, Shape::of(signal)) {
            (_, Some(shape)) => shape,
            (signal::LOCATION, None) => {
                return Err(refused("is written as [position] latitude and longitude"));
            }
            (_, None) => return Err(refused("has more to it than one column can say")),
        };
        columns.push((signal, signal_column(section, code, signal, shape, value)?));
    }
    Ok(columns)
}

fn signal_column(
    parent: &Section<'_, '_>,
    code: &str,
    signal: SignalId,
    shape: Shape,
    value: &Spanned<DeValue<'_>>,
) -> Result<SignalColumn, MapRefused> {
    let DeValue::Table(table) = value.get_ref() else {
        let column = column_of(value.get_ref());
        let column = column.map_err(|why| parent.refused_at(value.span(), code, why))?;
        return Ok(SignalColumn { column, form: form(shape, (1.0, 0.0), (None, None), BTreeMap::new()) });
    };
    let path = format!("signals.{code}");
    let mut section = Section { text: parent.text, path: &path, at: value.span(), table, known: Vec::new() };
    let Some(column) = section.column_if_any("column")? else {
        return Err(section.refused(&format!("[{path}] needs a column")));
    };
    let unit = match section.text_if_any("unit")? {
        Some((unit, at)) => {
            let Shape::Number(of) = shape else {
                return Err(section.refused_at(at, "unit", "only numbers have one".into()));
            };
            Some(cells::unit(of, unit).map_err(|why| section.refused_at(at, "unit", why))?)
        }
        None => None,
    };
    let factor = section.number_if_any("factor", shape)?;
    let offset = section.number_if_any("offset", shape)?;
    let (unit_factor, unit_offset) = unit.unwrap_or((1.0, 0.0));
    let conversion = (factor.unwrap_or(1.0) * unit_factor, offset.unwrap_or(0.0) * unit_factor + unit_offset);
    let least = section.number_if_any("min", shape)?;
    let most = section.number_if_any("max", shape)?;
    let words = section.words(signal, shape)?;
    section.end()?;
    Ok(SignalColumn { column, form: form(shape, conversion, (least, most), words) })
}

fn form(
    shape: Shape,
    (factor, offset): (f64, f64),
    (least, most): (Option<f64>, Option<f64>),
    words: BTreeMap<String, String>,
) -> Form {
    match shape {
        Shape::Number(of) => {
            let (least, most) = (least.unwrap_or(f64::MIN), most.unwrap_or(f64::MAX));
            Form::Number(Conversion { factor, offset, least, most, of })
        }
        Shape::Flag => Form::Flag(words.into_iter().map(|(word, flag)| (word, flag == "true")).collect()),
        Shape::Words(known) => Form::Words { words, known },
        Shape::Text => Form::Words { words, known: &[] },
    }
}

/// The first key of a map whose column has a name.
fn named_column(map: &DeTable<'_>) -> Option<(Range<usize>, String)> {
    const KEYS: [(&str, &[&str]); 3] = [
        ("time", &["column", "date", "time"]),
        ("position", &["latitude", "longitude", "heading"]),
        ("signals", &[]),
    ];
    let tables = KEYS.iter().filter_map(|&(name, keys)| match map.get(name)?.get_ref() {
        DeValue::Table(table) => Some((name, keys, table)),
        _ => None,
    });
    let mut columns = tables.flat_map(|(name, keys, table)| {
        let columns =
            table.iter().filter(move |(key, _)| keys.is_empty() || keys.contains(&key.get_ref().as_ref()));
        columns.map(move |(key, value)| match value.get_ref() {
            DeValue::Table(of) => {
                of.get("column").map(|column| (column, format!("{name}.{}.column", key.get_ref())))
            }
            _ => Some((value, format!("{name}.{}", key.get_ref()))),
        })
    });
    columns.find_map(|column| {
        let (column, key) = column?;
        column.get_ref().as_str().map(|_| (column.span(), key))
    })
}

fn column_of(value: &DeValue<'_>) -> Result<ColumnRef, String> {
    let wrong = || "is the name of a column, or its place counted from 1".to_owned();
    match value {
        DeValue::String(name) if !name.trim().is_empty() => Ok(ColumnRef::Name(name.trim().to_owned())),
        DeValue::Integer(place) => match place.as_str().parse() {
            Ok(place @ 1..=10_000) => Ok(ColumnRef::Place(place)),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// The line of a byte of the text, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// Texts of a key, and where they stand in the map.
type Texts<'m> = (Vec<&'m str>, Range<usize>);

/// A table of the map, with the keys that were asked for so far: what is left over at the end is unknown.
struct Section<'m, 't> {
    text: &'t str,
    path: &'m str,
    at: Range<usize>,
    table: &'m DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'m, 't> Section<'m, 't> {
    fn refused(&self, message: &str) -> MapRefused {
        MapRefused { line: line_of(self.text, self.at.start), message: message.to_owned() }
    }

    fn refused_at(&self, at: Range<usize>, key: &str, message: String) -> MapRefused {
        let dot = if self.path.is_empty() { "" } else { "." };
        let message = format!("{}{dot}{key}: {message}", self.path);
        MapRefused { line: line_of(self.text, at.start), message }
    }

    fn value(&mut self, key: &'static str) -> Option<(&'m DeValue<'t>, Range<usize>)> {
        self.known.push(key);
        let value = self.table.get(key)?;
        Some((value.get_ref(), value.span()))
    }

    fn section(&mut self, key: &'static str) -> Result<Option<Section<'m, 't>>, MapRefused> {
        match self.value(key) {
            None => Ok(None),
            Some((DeValue::Table(table), at)) => {
                Ok(Some(Section { text: self.text, path: key, at, table, known: Vec::new() }))
            }
            Some((_, at)) => Err(self.refused_at(at, key, format!("is a table: [{key}]"))),
        }
    }

    fn text_if_any(&mut self, key: &'static str) -> Result<Option<(&'m str, Range<usize>)>, MapRefused> {
        match self.value(key) {
            None => Ok(None),
            Some((value, at)) => match value.as_str() {
                Some(text) => Ok(Some((text, at))),
                None => Err(self.refused_at(at, key, "is a text in quotes".into())),
            },
        }
    }

    /// One text or a list of them.
    fn texts_if_any(&mut self, key: &'static str) -> Result<Option<Texts<'m>>, MapRefused> {
        let Some((value, at)) = self.value(key) else { return Ok(None) };
        let texts = match value {
            DeValue::String(text) => Some(vec![text.as_ref()]),
            DeValue::Array(items) if (1..=16).contains(&items.len()) => {
                items.iter().map(|item| item.get_ref().as_str()).collect()
            }
            _ => None,
        };
        match texts {
            Some(texts) => Ok(Some((texts, at))),
            None => Err(self.refused_at(at, key, "is a text in quotes, or a list of 1 to 16".into())),
        }
    }

    fn number_if_any(&mut self, key: &'static str, shape: Shape) -> Result<Option<f64>, MapRefused> {
        let Some((value, at)) = self.value(key) else { return Ok(None) };
        if !matches!(shape, Shape::Number(_)) {
            return Err(self.refused_at(at, key, "only numbers have one".into()));
        }
        let number = match value {
            DeValue::Integer(number) => number.as_str().parse().ok(),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        let zero_factor = |number: f64| key == "factor" && number == 0.0;
        match number.filter(|number: &f64| number.abs() < 1e12 && !zero_factor(*number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.refused_at(at, key, "is a plain number, and no factor is 0".into())),
        }
    }

    fn column_if_any(&mut self, key: &'static str) -> Result<Option<ColumnRef>, MapRefused> {
        let Some((value, at)) = self.value(key) else { return Ok(None) };
        column_of(value).map(Some).map_err(|why| self.refused_at(at, key, why))
    }

    /// The words of the file in lower case, with what each means.
    fn words(&mut self, signal: SignalId, shape: Shape) -> Result<BTreeMap<String, String>, MapRefused> {
        let Some(section) = self.section("words")? else { return Ok(BTreeMap::new()) };
        if matches!(shape, Shape::Number(_)) || section.table.len() > ColumnMap::MOST_ENTRIES {
            return Err(
                section.refused("words are for signals that are words or yes and no, and at most 256")
            );
        }
        let mut words = BTreeMap::new();
        for (word, value) in section.table {
            let meaning = match (shape, value.get_ref()) {
                (Shape::Flag, DeValue::Boolean(flag)) => flag.to_string(),
                (Shape::Flag, DeValue::String(text)) if ["true", "false"].contains(&text.as_ref()) => {
                    text.clone().into_owned()
                }
                (Shape::Flag, _) => {
                    let why = "means true or false".into();
                    return Err(section.refused_at(value.span(), word.get_ref(), why));
                }
                (Shape::Words(known), DeValue::String(text)) if known.contains(&text.as_ref()) => {
                    text.clone().into_owned()
                }
                (Shape::Words(known), _) => {
                    let why = format!("{} is one of {}", signal.entry().code, known.join(", "));
                    return Err(section.refused_at(value.span(), word.get_ref(), why));
                }
                (_, DeValue::String(text)) if text.len() <= 64 && !means_nothing(text) => {
                    text.clone().into_owned()
                }
                (..) => {
                    let why = "means a text of at most 64 bytes".into();
                    return Err(section.refused_at(value.span(), word.get_ref(), why));
                }
            };
            words.insert(word.get_ref().trim().to_lowercase(), meaning);
        }
        Ok(words)
    }

    /// Refuses keys that nobody asked for.
    fn end(&self) -> Result<(), MapRefused> {
        let unknown = self.table.keys().find(|key| !self.known.contains(&key.get_ref().as_ref()));
        match unknown {
            None => Ok(()),
            Some(key) => {
                let why = format!("is not a key here; there are {}", self.known.join(", "));
                Err(self.refused_at(key.span(), key.get_ref(), why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[test]
    fn the_header_of_a_known_file_brings_its_map() {
        let header = "Date,Time,Soc,Speed,Mode,LAT,LON,ALT,GpsSpeed";
        let map = ColumnMap::for_header(header.split(',')).unwrap();
        assert_eq!(map.time.columns.len(), 2);
        assert_eq!(map.signals.len(), 3);
        assert!(ColumnMap::for_header("Date,Time,Soc".split(',')).is_none());
        assert!(ColumnMap::for_header("t,v".split(',')).is_none());
    }

    #[test]
    fn a_map_says_everything_that_it_can() {
        let map = ColumnMap::from_toml(
            r#"
            [file]
            separator = ";"
            decimal = ","
            thousands = "."
            encoding = "latin-1"
            comment = "//"
            empty = ["k.A."]
            [time]
            date = "Datum"
            time = "Zeit"
            format = ["%d.%m.%Y %H:%M:%S", "%d.%m.%y %H:%M"]
            zone = "Europe/Berlin"
            [position]
            latitude = 3
            longitude = 4
            heading = "Kurs"
            [signals]
            motion-currentspeed = { column = "Tempo", unit = "mph" }
            climate-externaltemperature = { column = "T", factor = 0.1, offset = -40, min = -40 }
            charge-ischarging = { column = "Status", words = { Charging = true, Complete = false } }
            "#,
        );
        let map = map.unwrap();
        assert_eq!(map.file.thousands, Some('.'));
        assert_eq!(map.columns().count(), 8);
        let conversion = map.signals.iter().find_map(|(_, column)| match column.form {
            Form::Number(conversion) if conversion.offset != 0.0 => Some(conversion),
            _ => None,
        });
        let Conversion { factor, offset, least, .. } = conversion.unwrap();
        assert_eq!((factor, offset, least), (0.1, -40.0, -40.0));
    }

    const TIME: &str = "[time]\ncolumn = \"t\"\n";

    #[track_caller]
    fn check(rest: &str, expected: Expect) {
        expected.assert_eq(&ColumnMap::from_toml(rest).unwrap_err().to_string());
    }

    #[test]
    fn a_map_that_cannot_be_followed_says_where_and_why() {
        check("no toml", expect!["column map, line 1: key with no value, expected `=`"]);
        check(
            "\n\n[signals]\n",
            expect!["column map, line 1: [time] is missing: write which column has the time of a row"],
        );
        check(
            TIME,
            expect![
                "column map, line 1: the map names no signal and no position; write them under [signals] and [position]"
            ],
        );
        check(
            &format!("{TIME}[signals]\nspeed = \"v\""),
            expect![
                "column map, line 4: signals.speed: is not a signal; signals look like tractionbattery-stateofcharge"
            ],
        );
        check(
            &format!("{TIME}[signals]\nclosure-doors = \"d\""),
            expect!["column map, line 4: signals.closure-doors: has more to it than one column can say"],
        );
        check(
            &format!("{TIME}[signals]\nmotion-currentspeed = {{ column = \"v\", unti = \"mph\" }}"),
            expect![
                "column map, line 4: signals.motion-currentspeed.unti: is not a key here; there are column, unit, factor, offset, min, max, words"
            ],
        );
        check(
            &format!("{TIME}[signals]\nmotion-currentspeed = {{ column = \"v\", unit = \"mp-hour\" }}"),
            expect![[
                r#"column map, line 4: signals.motion-currentspeed.unit: "mp-hour" is not a unit that is converted; write km/h, mph, m/s, kn"#
            ]],
        );
        check(
            &format!("{TIME}zone = \"Berlin\"\n[position]\nlatitude = 1\nlongitude = 2"),
            expect![[
                r#"column map, line 3: time.zone: "Berlin" is neither a zone of the IANA database, such as Europe/Berlin, nor an offset such as +02:00"#
            ]],
        );
        check(
            &format!("{TIME}[position]\nlatitude = 1"),
            expect!["column map, line 3: [position] has both latitude and longitude"],
        );
        check(
            "[time]\ndate = \"d\"\n[signals]\nmotion-currentspeed = \"v\"",
            expect!["column map, line 1: [time] has either column, or both date and time"],
        );
        let without = "[file]\nheader = false\n[time]\ncolumn = ";
        for (rest, expected) in [
            ("\"t\"\n[signals]\nmotion-currentspeed = 2", "line 4: time.column: "),
            ("1\n[position]\nlatitude = 2\nlongitude = \"lon\"", "line 7: position.longitude: "),
            ("1\n[signals]\nmotion-currentspeed = \"v\"", "line 6: signals.motion-currentspeed: "),
            (
                "1\n[signals]\nmotion-currentspeed = { unit = \"mph\", column = \"v\" }",
                "line 6: signals.motion-currentspeed.column: ",
            ),
        ] {
            let refused = ColumnMap::from_toml(&format!("{without}{rest}")).unwrap_err().to_string();
            let why = "is a number where there is no header (file.header = false): 1 is the first column";
            assert_eq!(refused, format!("column map, {expected}{why}"));
        }
        check(
            &format!("{TIME}format = \"%H:%M\"\n[signals]\nmotion-currentspeed = \"v\""),
            expect![[
                r#"column map, line 3: time.format: the pattern "%H:%M" does not describe a date and a time of day: datetime required to parse timestamp: date required to parse datetime: year required to parse date"#
            ]],
        );
        check(
            &format!(
                "{TIME}[signals]\ntransmission-gearstate = {{ column = \"g\", words = {{ D = \"drive\" }} }}"
            ),
            expect![
                "column map, line 4: words.D: transmission-gearstate is one of PARK, DRIVE, REVERSE, NEUTRAL"
            ],
        );
        check(
            &format!("{TIME}[files]\nseparator = \";\"\n[signals]\nmotion-currentspeed = \"v\""),
            expect!["column map, line 3: files: is not a key here; there are file, time, position, signals"],
        );
    }
}
