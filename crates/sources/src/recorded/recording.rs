//! A trip in memory: the rows of a CSV file that can be true, in the order of their times.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use csv::StringRecord;
use domain::{
    signal::{self, SignalId, Value},
    time::Timestamp,
};

use super::columns::{ColumnMap, Form};

/// A trip that can be replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    recorded_at: Timestamp,
    /// Since the first row; rising.
    offsets: Vec<Duration>,
    columns: Vec<(SignalId, Column)>,
    skipped: Skipped,
}

/// One signal of every row.
#[derive(Clone, Debug, PartialEq)]
enum Column {
    Numbers(Vec<f64>),
    Flags(Vec<bool>),
    Words(Vec<Box<str>>),
    Positions(Vec<(f64, f64)>),
}

/// Habits of a recorder, by which its rows are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Quirks {
    /// Whether 0° N 0° E is a place. Receivers without a fix report it, so by default it is not.
    pub null_island: bool,
    /// How long a recorder may be silent. A row that is later than this after the one before it has a wrong time;
    /// without this limit, one row from the far future would make all that follow look old.
    pub longest_gap: Duration,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { null_island: false, longest_gap: Duration::from_secs(24 * 3_600) }
    }
}

/// How many rows were skipped, by the first reason that was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Not a row of the file's form.
    pub malformed: u64,
    /// A time that cannot be read.
    pub unreadable_time: u64,
    /// A time that is not after the one before it.
    pub not_rising: u64,
    /// A time that is too long after the one before it.
    pub leap: u64,
    /// A cell that cannot be read, or is empty.
    pub unreadable_value: u64,
    /// A number that its signal cannot have: more than 100 %, slower than 0 or faster than 400 km/h.
    pub out_of_range: u64,
    /// No place on earth, or 0° N 0° E.
    pub no_place: u64,
}

impl Skipped {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.malformed
            + self.unreadable_time
            + self.not_rising
            + self.leap
            + self.unreadable_value
            + self.out_of_range
            + self.no_place
    }
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened or read.
    #[error("the recording cannot be read")]
    Io(#[from] io::Error),
    /// The header cannot be read.
    #[error("the header of the recording cannot be read")]
    Header(#[source] csv::Error),
    /// The map names a column that the file does not have.
    #[error("the recording has no column {column}; it has {header}")]
    NoSuchColumn {
        /// What the map names.
        column: String,
        /// What there is.
        header: String,
    },
    /// No row can be true.
    #[error("the recording has no row that can be replayed; {} were skipped", .0.total())]
    Empty(Skipped),
    /// Too much to be kept in memory.
    #[error("the recording has more than {} rows", Recording::MAX_ROWS)]
    TooLong,
}

impl Recording {
    /// How many rows a recording may have: two months of one a second.
    pub const MAX_ROWS: usize = 5_000_000;

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, lacks a column of the map or has no row that can be true.
    pub fn load(path: &Path, map: &ColumnMap, quirks: &Quirks) -> Result<Self, RecordingError> {
        Self::read(File::open(path)?, map, quirks)
    }

    /// Reads CSV text.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn read(text: impl Read, map: &ColumnMap, quirks: &Quirks) -> Result<Self, RecordingError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = reader.headers().map_err(RecordingError::Header)?;
        let mut parser = Parser::new(map, header, quirks)?;
        let mut record = StringRecord::new();
        loop {
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => parser.take(&record)?,
                Err(error) => match error.into_kind() {
                    csv::ErrorKind::Io(error) => return Err(error.into()),
                    _ => parser.skipped.malformed += 1,
                },
            }
        }
        parser.finish()
    }

    /// What was left out.
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        self.offsets.len()
    }

    /// When it was recorded: the time of its first row.
    pub const fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// From the first row to the last.
    pub fn length(&self) -> Duration {
        self.offset(self.rows() - 1)
    }

    /// The signals that it has.
    pub fn signals(&self) -> impl Iterator<Item = SignalId> {
        self.columns.iter().map(|&(signal, _)| signal)
    }

    /// The last row at or before a moment of the recording.
    pub fn row_at(&self, elapsed: Duration) -> usize {
        self.offsets.partition_point(|&offset| offset <= elapsed).saturating_sub(1)
    }

    /// How long after the first row another one is.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn offset(&self, row: usize) -> Duration {
        self.offsets[row]
    }

    /// What a row says of a signal; `None` when the recording does not have it.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn value(&self, row: usize, signal: SignalId) -> Option<Value> {
        let (_, column) = self.columns.iter().find(|&&(known, _)| known == signal)?;
        Some(match column {
            Column::Numbers(numbers) => Value::Number(numbers[row]),
            Column::Flags(flags) => Value::Flag(flags[row]),
            Column::Words(words) => Value::Text(words[row].to_string()),
            Column::Positions(positions) => {
                let (latitude, longitude) = positions[row];
                Value::position(latitude, longitude, None)
            }
        })
    }
}

/// Reads rows one after the other.
struct Parser<'m> {
    map: &'m ColumnMap,
    quirks: &'m Quirks,
    time_at: Vec<usize>,
    position_at: Option<(usize, usize)>,
    signals_at: Vec<usize>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    offsets: Vec<Duration>,
    columns: Vec<(SignalId, Column)>,
    skipped: Skipped,
}

/// A cell that was read.
enum Cell {
    Number(f64),
    Flag(bool),
    Word(Box<str>),
    Position(f64, f64),
}

/// Why a row is skipped: the counter that it belongs to.
type Reason = fn(&mut Skipped) -> &mut u64;

impl<'m> Parser<'m> {
    fn new(map: &'m ColumnMap, header: &StringRecord, quirks: &'m Quirks) -> Result<Self, RecordingError> {
        let place = |column: &String| {
            header.iter().position(|name| name == column).ok_or_else(|| RecordingError::NoSuchColumn {
                column: column.clone(),
                header: listed(header),
            })
        };
        let position_at = match &map.position {
            Some((latitude, longitude)) => Some((place(latitude)?, place(longitude)?)),
            None => None,
        };
        let positions = position_at.map(|_| (signal::LOCATION, Column::Positions(vec![])));
        let signals = map.signals.iter().map(|(signal, column)| (*signal, Column::new(&column.form)));
        Ok(Self {
            map,
            quirks,
            time_at: map.time.columns.iter().map(place).collect::<Result<_, _>>()?,
            position_at,
            signals_at: map.signals.iter().map(|(_, at)| place(&at.column)).collect::<Result<_, _>>()?,
            first: None,
            last: None,
            offsets: vec![],
            columns: positions.into_iter().chain(signals).collect(),
            skipped: Skipped::default(),
        })
    }

    fn take(&mut self, record: &StringRecord) -> Result<(), RecordingError> {
        if self.offsets.len() == Recording::MAX_ROWS {
            return Err(RecordingError::TooLong);
        }
        match self.time(record).and_then(|at| Ok((at, self.cells(record)?))) {
            Ok((at, cells)) => self.keep(at, cells),
            Err(reason) => *reason(&mut self.skipped) += 1,
        }
        Ok(())
    }

    fn time(&self, record: &StringRecord) -> Result<Timestamp, Reason> {
        let cells: Vec<_> = self.time_at.iter().filter_map(|&place| record.get(place)).collect();
        let unreadable: Reason = |skipped| &mut skipped.unreadable_time;
        let at = self.map.time.parse(&cells.join(" ")).ok_or(unreadable)?;
        match self.last {
            Some(last) if at <= last => Err(|skipped| &mut skipped.not_rising),
            Some(last) if at.since(last) > self.quirks.longest_gap => Err(|skipped| &mut skipped.leap),
            _ => Ok(at),
        }
    }

    fn cells(&self, record: &StringRecord) -> Result<Vec<Cell>, Reason> {
        let mut cells = Vec::with_capacity(self.columns.len());
        if let Some((latitude, longitude)) = self.position_at {
            cells.push(self.position(&record[latitude], &record[longitude])?);
        }
        for ((_, column), &place) in self.map.signals.iter().zip(&self.signals_at) {
            cells.push(cell(&column.form, &record[place])?);
        }
        Ok(cells)
    }

    fn position(&self, latitude: &str, longitude: &str) -> Result<Cell, Reason> {
        let (latitude, longitude) = (number(latitude)?, number(longitude)?);
        let nowhere = latitude == 0.0 && longitude == 0.0 && !self.quirks.null_island;
        if latitude.abs() > 90.0 || longitude.abs() > 180.0 || nowhere {
            return Err(|skipped| &mut skipped.no_place);
        }
        Ok(Cell::Position(latitude, longitude))
    }

    fn keep(&mut self, at: Timestamp, cells: Vec<Cell>) {
        let first = *self.first.get_or_insert(at);
        self.last = Some(at);
        self.offsets.push(at.since(first));
        for ((_, column), cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
    }

    fn finish(self) -> Result<Recording, RecordingError> {
        let Self { first, offsets, columns, skipped, .. } = self;
        let recorded_at = first.ok_or(RecordingError::Empty(skipped))?;
        Ok(Recording { recorded_at, offsets, columns, skipped })
    }
}

impl Column {
    const fn new(form: &Form) -> Self {
        match form {
            Form::Number { .. } => Self::Numbers(vec![]),
            Form::Flag => Self::Flags(vec![]),
            Form::Words(_) => Self::Words(vec![]),
        }
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Numbers(numbers), Cell::Number(number)) => numbers.push(number),
            (Self::Flags(flags), Cell::Flag(flag)) => flags.push(flag),
            (Self::Words(words), Cell::Word(word)) => words.push(word),
            (Self::Positions(positions), Cell::Position(latitude, longitude)) => {
                positions.push((latitude, longitude));
            }
            _ => unreachable!("a cell is read in the form of its column"),
        }
    }
}

fn cell(form: &Form, text: &str) -> Result<Cell, Reason> {
    match form {
        &Form::Number { factor, least, most } => {
            let number = number(text)? * factor;
            let possible = (least..=most).contains(&number);
            if possible { Ok(Cell::Number(number)) } else { Err(|skipped| &mut skipped.out_of_range) }
        }
        Form::Flag => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(Cell::Flag(true)),
            "false" | "0" | "no" => Ok(Cell::Flag(false)),
            _ => Err(|skipped| &mut skipped.unreadable_value),
        },
        Form::Words(words) => match words.get(text) {
            Some(word) => Ok(Cell::Word(word.as_str().into())),
            None => Err(|skipped| &mut skipped.unreadable_value),
        },
    }
}

fn number(text: &str) -> Result<f64, Reason> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or(|skipped| &mut skipped.unreadable_value)
}

fn listed(header: &StringRecord) -> String {
    header.iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAP: &str = r#"
        [time]
        column = "t"
        format = "epoch-s"
        [position]
        latitude = "lat"
        longitude = "lon"
        [signals]
        tractionbattery-stateofcharge = "soc"
        motion-currentspeed = { column = "mph", factor = 1.609344 }
        charge-ischarging = "charging"
        transmission-gearstate = { column = "gear", words = { D = "DRIVE", P = "PARK" } }
    "#;

    fn read(rows: &str) -> Result<Recording, RecordingError> {
        let map = ColumnMap::from_toml(MAP).unwrap();
        let text = format!("t,lat,lon,soc,mph,charging,gear\n{rows}");
        Recording::read(text.as_bytes(), &map, &Quirks::default())
    }

    #[test]
    fn a_row_becomes_values_in_the_units_of_the_signals() {
        let recording = read("100,52.5,13.4,80.5,100,no,D\n160.5,52.6,13.5,80,0,yes,P\n").unwrap();
        let value = |row, signal| recording.value(row, signal);
        assert_eq!(recording.rows(), 2);
        assert_eq!(recording.recorded_at(), Timestamp::from_secs(100));
        assert_eq!(recording.length(), Duration::from_millis(60_500));
        assert_eq!(value(0, signal::SPEED), Some(Value::Number(160.9344)));
        assert_eq!(value(0, signal::STATE_OF_CHARGE), Some(Value::Number(80.5)));
        assert_eq!(value(0, signal::GEAR), Some(Value::Text("DRIVE".into())));
        assert_eq!(value(1, signal::IS_CHARGING), Some(Value::Flag(true)));
        assert_eq!(value(1, signal::LOCATION), Some(Value::position(52.6, 13.5, None)));
        assert_eq!(value(0, signal::ODOMETER), None);
        assert_eq!(recording.skipped(), Skipped::default());
    }

    #[test]
    fn impossible_rows_are_skipped_and_counted_by_reason() {
        let rows = [
            "0,52,13,80,0,no,P",
            "soon,52,13,80,0,no,P",    // unreadable time
            "0,52,13,79,0,no,P",       // the time of the row before
            "-5,52,13,79,0,no,P",      // back in time
            "9000000,52,13,79,0,no,P", // a leap
            "1,,13,79,0,no,P",         // an empty cell
            "1,52,13,79,0,maybe,P",    // no flag
            "1,52,13,79,0,no,Z",       // no gear
            "1,52,13,NaN,0,no,P",      // no number
            "1,52,13,100.1,0,no,P",    // too full
            "1,52,13,-0.1,0,no,P",     // too empty
            "1,52,13,79,-1,no,P",      // too slow
            "1,52,13,79,300,no,P",     // too fast
            "1,90.1,13,79,0,no,P",     // no place
            "1,52,-180.1,79,0,no,P",   // no place
            "1,0,0,79,0,no,P",         // no fix
            "1,52,13",                 // half a row
            "2,52,13,78,0,no,P",
        ];
        let recording = read(&rows.join("\n")).unwrap();
        let skipped = Skipped {
            malformed: 1,
            unreadable_time: 1,
            not_rising: 2,
            leap: 1,
            unreadable_value: 4,
            out_of_range: 4,
            no_place: 3,
        };
        assert_eq!(recording.skipped(), skipped);
        assert_eq!((recording.rows(), skipped.total()), (2, 16));
        assert_eq!(recording.value(1, signal::STATE_OF_CHARGE), Some(Value::Number(78.0)));
    }

    #[test]
    fn quirks_of_a_recorder_can_be_allowed() {
        let map = ColumnMap::from_toml(MAP).unwrap();
        let quirks = Quirks { null_island: true, longest_gap: Duration::MAX };
        let text = "t,lat,lon,soc,mph,charging,gear\n0,0,0,80,0,no,P\n9000000,0,0,80,0,no,P\n";
        let recording = Recording::read(text.as_bytes(), &map, &quirks).unwrap();
        assert_eq!((recording.rows(), recording.skipped().total()), (2, 0));
    }

    #[test]
    fn a_file_that_cannot_be_replayed_says_why() {
        let error = |text: &str| {
            let map = ColumnMap::from_toml(MAP).unwrap();
            Recording::read(text.as_bytes(), &map, &Quirks::default()).unwrap_err().to_string()
        };
        assert_eq!(error("t,lat,lon\n"), "the recording has no column charging; it has t, lat, lon");
        assert_eq!(
            error("t,lat,lon,soc,mph,charging,gear\n1,0,0,80,0,no,P\n"),
            "the recording has no row that can be replayed; 1 were skipped"
        );
        let map = ColumnMap::from_toml(MAP).unwrap();
        let missing = Recording::load(Path::new("no such file"), &map, &Quirks::default());
        assert_eq!(missing.unwrap_err().to_string(), "the recording cannot be read");
    }

    proptest! {
        #[test]
        fn the_row_of_a_moment_is_the_last_one_at_or_before_it(
            steps in proptest::collection::vec(1..50_u64, 1..40), elapsed in 0..2_500_u64,
        ) {
            let mut at = 0;
            let mut rows = String::from("0,52,13,80,0,no,P\n");
            for step in &steps {
                at += step;
                rows += &format!("{at},52,13,80,0,no,P\n");
            }
            let recording = read(&rows).unwrap();
            let elapsed = Duration::from_secs(elapsed);
            let row = recording.row_at(elapsed);
            prop_assert!(recording.offset(row) <= elapsed);
            prop_assert!(row + 1 == recording.rows() || recording.offset(row + 1) > elapsed);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-z0-9,.\"\n-]{0,200}") {
            let _ = read(&text);
        }
    }
}
