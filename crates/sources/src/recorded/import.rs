//! From a file to a recording: takes what can be taken and counts what cannot, by reason and line.

use std::{
    collections::HashMap,
    io::{BufRead, ErrorKind, Read},
    rc::Rc,
};

use app::ports::{ImportReport, SkipReason};
use domain::{
    signal::{self, SignalId, Value, form::Form, valid},
    time::Timestamp,
};

use super::{
    cells::{self, Cell, Conversion, Numerals},
    columns::ColumnMap,
    gpx::{self, NoTrack, Point},
    moment::{Moment, TimeFormat, Zone},
    recording::{Cells, Column, Recording, RecordingError, Rows},
    table::{Next, NoTable, Row, Table},
    text::{Binary, Utf8},
};

/// Texts of one signal that are told apart.
const MOST_TEXTS: usize = 10_000;
/// Rows below the header among which units are looked for.
const UNITS_WITHIN: u64 = 2;

pub(super) fn import(file: impl Read, map: Option<&ColumnMap>) -> Result<Recording, RecordingError> {
    let encoding = map.and_then(|map| map.file.encoding);
    let mut text = match Utf8::new(file, encoding, Recording::MAX_BYTES)? {
        Ok(text) => text,
        Err(binary) => {
            let what = match binary {
                Binary::Gzip => "compressed (gzip); unpack it first",
                Binary::Zip => "an archive or a workbook (ZIP); unpack it, or save the sheet as CSV, first",
            };
            return Err(RecordingError::Form(format!("the file is {what}")));
        }
    };
    let first = text.fill_buf().map_err(io)?.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    match (first, map) {
        (Some(b'<'), None) => import_track(text),
        (Some(b'<'), Some(_)) => {
            Err(RecordingError::Form("the file is XML; a column map is for separated text only".into()))
        }
        (Some(b'{' | b'['), None) => Err(RecordingError::Form(
            "the file is JSON; lines of JSON can be pushed for a vehicle, and a simulated car drives CSV or GPX".into(),
        )),
        _ => import_table(text, map),
    }
}

fn io(error: std::io::Error) -> RecordingError {
    match error.kind() {
        ErrorKind::FileTooLarge => RecordingError::TooLong,
        _ => RecordingError::Io(error),
    }
}

fn import_table<R: Read>(text: Utf8<R>, map: Option<&ColumnMap>) -> Result<Recording, RecordingError> {
    let (mut table, map) = Table::open(text, map).map_err(no_table)?;
    let mut builder = Builder::new(&map, |column| table.place(column));
    let mut row = Row::default();
    loop {
        match table.next(&mut row).map_err(io)? {
            Next::End => break,
            Next::Row => builder.take(&row, &table)?,
            Next::TooLong(line) => {
                builder.report.rows += 1;
                builder.report.skip(SkipReason::LineTooLong, line, None);
            }
        }
    }
    builder.report.format = table.describe();
    builder.finish(!map.time.is_without_date())
}

fn no_table(why: NoTable) -> RecordingError {
    let listed = |row: &Row| {
        let all = row.cells().collect::<Vec<_>>().join(", ");
        all.chars().take(500).collect::<String>()
    };
    match why {
        NoTable::Io(error) => io(error),
        NoTable::Missing(columns, row) => RecordingError::NoSuchColumn { columns, header: listed(&row) },
        NoTable::Unknown(row) => RecordingError::UnknownHeader { header: listed(&row) },
        NoTable::Empty => RecordingError::Form("the file has no rows".into()),
    }
}

/// A signal of the map, with the places of its cells.
struct Place<'m> {
    at: usize,
    form: &'m cells::Form,
}

struct Builder<'m> {
    map: &'m ColumnMap,
    time_at: Vec<usize>,
    /// Latitude, longitude and heading, where the map has them; their column comes first.
    position_at: Option<(usize, usize, Option<usize>)>,
    signals_at: Vec<Place<'m>>,
    store: Store,
    report: ImportReport,
}

impl<'m> Builder<'m> {
    fn new(map: &'m ColumnMap, place: impl Fn(&super::columns::ColumnRef) -> Option<usize>) -> Self {
        // Columns that the file does not have were refused before.
        let at = |column| place(column).unwrap_or(usize::MAX);
        let position_at = map.position.as_ref().map(|position| {
            (at(&position.latitude), at(&position.longitude), position.heading.as_ref().map(at))
        });
        let signals = map.signals.iter().map(|(signal, column)| (*signal, Cells::for_form(&column.form)));
        let positions = position_at.map(|_| (signal::LOCATION, Cells::Positions(vec![])));
        Self {
            map,
            time_at: map.time.columns.iter().map(at).collect(),
            position_at,
            signals_at: map
                .signals
                .iter()
                .map(|(_, column)| Place { at: at(&column.column), form: &column.form })
                .collect(),
            store: Store::new(positions.into_iter().chain(signals)),
            report: ImportReport::default(),
        }
    }

    fn take<R: Read>(&mut self, row: &Row, table: &Table<R>) -> Result<(), RecordingError> {
        let time = match self.time_at[..] {
            [column] => row.cell(column).to_owned(),
            _ => self.time_at.iter().map(|&at| row.cell(at)).collect::<Vec<_>>().join(" "),
        };
        let Some(moment) = self.map.time.parse(&time) else {
            self.without_time(row, table, &time);
            return Ok(());
        };
        self.report.rows += 1;
        let before = self.store.values;
        self.position(row, table);
        for place in 0..self.signals_at.len() {
            self.cell(place, row, table);
        }
        if self.store.values == before {
            self.report.skip(SkipReason::NoValue, row.line, None);
            return Ok(());
        }
        self.store.row(moment, row.line)
    }

    /// A row whose time cannot be read: the header again, units, or a row of data with a wrong time.
    fn without_time<R: Read>(&mut self, row: &Row, table: &Table<R>, time: &str) {
        let in_header =
            |&at: &usize| !table.header.cell(at).is_empty() && row.cell(at) == table.header.cell(at);
        let has_digits = |at: usize| row.cell(at).bytes().any(|byte| byte.is_ascii_digit());
        let places = self.time_at.iter().copied().chain(self.signals_at.iter().map(|place| place.at));
        let reason = if self.time_at.iter().all(in_header) {
            SkipReason::RepeatedHeader
        } else if self.report.rows + self.report.count(SkipReason::UnitsRow) < UNITS_WITHIN
            && !places.into_iter().any(has_digits)
        {
            SkipReason::UnitsRow
        } else {
            self.report.rows += 1;
            SkipReason::UnreadableTime
        };
        let column = table.header.cell(self.time_at[0]);
        self.report.skip(reason, row.line, Some((column, time)));
    }

    fn is_empty(&self, cell: &str) -> bool {
        cells::is_empty(cell) || {
            let words = &self.map.file.empty;
            !words.is_empty() && words.contains(&cell.to_lowercase())
        }
    }

    fn position<R: Read>(&mut self, row: &Row, table: &Table<R>) {
        let Some((latitude_at, longitude_at, heading_at)) = self.position_at else { return };
        let (latitude, longitude) = (row.cell(latitude_at), row.cell(longitude_at));
        if self.is_empty(latitude) && self.is_empty(longitude) {
            return;
        }
        let number = |cell: &str| cells::number(cell, table.numerals(cell));
        let heading = heading_at.and_then(|at| number(row.cell(at)));
        match position(number(latitude), number(longitude), heading) {
            Some(position) => self.store.position(position),
            None => {
                let cell = format!("{latitude}, {longitude}");
                let column = table.header.cell(latitude_at);
                self.report.skip(SkipReason::NoPosition, row.line, Some((column, &cell)));
            }
        }
    }

    fn cell<R: Read>(&mut self, place: usize, row: &Row, table: &Table<R>) {
        let Place { at, form } = self.signals_at[place];
        let cell = row.cell(at);
        // A word of the map goes before the words for nothing.
        let translated = match form {
            cells::Form::Words { words, .. } => words.contains_key(&cell.to_lowercase()),
            cells::Form::Flag(words) => words.contains_key(&cell.to_lowercase()),
            cells::Form::Number(_) => false,
        };
        if !translated && self.is_empty(cell) {
            return;
        }
        let column = place + usize::from(self.position_at.is_some());
        let read = form.read(cell, table.numerals(cell));
        if let Err(reason) = read.and_then(|value| self.store.value(column, value)) {
            self.report.skip(reason, row.line, Some((table.header.cell(at), cell)));
        }
    }

    fn finish(self, dated: bool) -> Result<Recording, RecordingError> {
        self.store.rows.finish(self.report, dated)
    }
}

/// A place on earth, unless it is the one that receivers without a fix report.
fn position(latitude: Option<f64>, longitude: Option<f64>, heading: Option<f64>) -> Option<[f64; 3]> {
    let (latitude, longitude) = (latitude?, longitude?);
    // A heading that cannot be does not take the position along.
    let heading = heading.filter(|heading| (0.0..=360.0).contains(heading));
    valid(signal::LOCATION, Value::position(latitude, longitude, heading)).ok()?;
    Some([latitude, longitude, heading.unwrap_or(f64::NAN)])
}

/// Rows as they come.
struct Store {
    rows: Rows,
    texts: Vec<HashMap<Box<str>, u16>>,
    values: usize,
}

impl Cells {
    fn for_form(form: &cells::Form) -> Self {
        match form {
            cells::Form::Number(_) => Self::Numbers(vec![]),
            cells::Form::Flag(_) => Self::Flags(vec![]),
            cells::Form::Words { .. } => Self::Texts { words: vec![], at: vec![] },
        }
    }
}

impl Store {
    fn new(columns: impl Iterator<Item = (SignalId, Cells)>) -> Self {
        let columns: Vec<_> =
            columns.map(|(signal, cells)| (signal, Column { rows: vec![], cells })).collect();
        let texts = columns.iter().map(|_| HashMap::new()).collect();
        let rows = Rows { times: vec![], seconds: vec![], lines: vec![], columns };
        Self { rows, texts, values: 0 }
    }

    fn position(&mut self, position: [f64; 3]) {
        let row = self.rows.times.len() as u32;
        let (_, column) = &mut self.rows.columns[0];
        if let Cells::Positions(positions) = &mut column.cells {
            positions.push(position);
            column.rows.push(row);
            // As much memory as three numbers.
            self.values += 3;
        }
    }

    fn value(&mut self, column: usize, value: Cell<'_>) -> Result<(), SkipReason> {
        let row = self.rows.times.len() as u32;
        let (_, into) = &mut self.rows.columns[column];
        match (&mut into.cells, value) {
            (Cells::Numbers(numbers), Cell::Number(number)) => numbers.push(number),
            (Cells::Flags(flags), Cell::Flag(flag)) => flags.push(flag),
            (Cells::Texts { words, at }, Cell::Text(text)) => {
                let known = self.texts[column].get(text.as_ref()).copied();
                let place = match known {
                    Some(place) => place,
                    None if words.len() == MOST_TEXTS => return Err(SkipReason::UnreadableValue),
                    None => {
                        let place = words.len() as u16;
                        words.push(text.as_ref().into());
                        self.texts[column].insert(text.as_ref().into(), place);
                        place
                    }
                };
                at.push(place);
            }
            _ => return Err(SkipReason::UnreadableValue),
        }
        into.rows.push(row);
        self.values += 1;
        Ok(())
    }

    /// Ends a row.
    fn row(&mut self, moment: Moment, line: u64) -> Result<(), RecordingError> {
        let rows = &mut self.rows;
        if rows.times.len() == Recording::MAX_ROWS || self.values > Recording::MAX_VALUES {
            return Err(RecordingError::TooLong);
        }
        if let Some(second) = moment.second {
            rows.seconds.push((rows.times.len() as u32, second.as_micros()));
        }
        rows.times.push(moment.at.as_micros());
        rows.lines.push(u32::try_from(line).unwrap_or(u32::MAX));
        Ok(())
    }
}

const METRIC: Numerals = Numerals { decimal: '.', thousands: None };

fn import_track<R: Read>(text: Utf8<R>) -> Result<Recording, RecordingError> {
    let format = format!("GPX, {}", text.name());
    let Form::Number(of) = signal::SPEED.form() else { unreachable!("speed is a number") };
    let (least, most) = (f64::MIN, f64::MAX);
    let speed = cells::Form::Number(Conversion { factor: 3.6, offset: 0.0, least, most, of });
    let columns = [(signal::LOCATION, Cells::Positions(vec![])), (signal::SPEED, Cells::Numbers(vec![]))];
    let mut store = Store::new(columns.into_iter());
    let mut report = ImportReport { format, ..ImportReport::default() };
    let line = Rc::default();
    let read = gpx::points(text, &line, |point| take_point(point, &speed, &mut store, &mut report));
    match read {
        Ok(()) => {}
        // Of a file that was cut off, what came before is taken.
        Err(RecordingError::Form(_)) if report.rows > 0 => {
            report.skip(SkipReason::MalformedRest, line.get(), None);
        }
        Err(error) => return Err(error),
    }
    store.rows.finish(report, true)
}

impl From<NoTrack> for RecordingError {
    fn from(why: NoTrack) -> Self {
        match why {
            NoTrack::Io(error) => io(error),
            other => Self::Form(other.to_string()),
        }
    }
}

fn take_point(
    point: &Point,
    speed: &cells::Form,
    store: &mut Store,
    report: &mut ImportReport,
) -> Result<(), RecordingError> {
    report.rows += 1;
    let line = point.line;
    let start = Timestamp::from_secs(0);
    let Some(moment) = TimeFormat::Rfc3339.parse(&point.time, &Zone::UTC, start) else {
        report.skip(SkipReason::UnreadableTime, line, Some(("time", &point.time)));
        return Ok(());
    };
    let before = store.values;
    let number = |text: &str| cells::number(text, METRIC);
    match position(number(&point.latitude), number(&point.longitude), number(&point.course)) {
        Some(position) => store.position(position),
        None => {
            let cell = format!("{}, {}", point.latitude, point.longitude);
            report.skip(SkipReason::NoPosition, line, Some(("lat, lon", &cell)));
        }
    }
    if !point.speed.is_empty() {
        let read = speed.read(&point.speed, METRIC);
        if let Err(reason) = read.and_then(|value| store.value(1, value)) {
            report.skip(reason, line, Some(("speed", &point.speed)));
        }
    }
    if store.values == before {
        report.skip(SkipReason::NoValue, line, None);
        return Ok(());
    }
    store.row(moment, line)
}
