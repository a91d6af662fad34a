//! A trip in memory: for each signal the rows that say something of it, in the order of their times.

use std::{io::Read, time::Duration};

use app::ports::{ImportReport, SkipReason};
use domain::{
    signal::{SignalId, Value},
    time::Timestamp,
};

use super::{
    columns::{ColumnMap, MapRefused},
    import,
};

/// A trip that can be replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    pub(super) recorded_at: Timestamp,
    /// Microseconds since the first row; rising.
    pub(super) offsets: Vec<u64>,
    pub(super) columns: Vec<(SignalId, Column)>,
    pub(super) report: ImportReport,
    /// Whether the file says when it was recorded, and not only how long.
    pub(super) dated: bool,
}

/// What a recording says of one signal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// Rows that have a cell; rising.
    pub(super) rows: Vec<u32>,
    pub(super) cells: Cells,
}

/// The cells of those rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cells {
    Numbers(Vec<f64>),
    Flags(Vec<bool>),
    Texts {
        words: Vec<Box<str>>,
        at: Vec<u16>,
    },
    /// Latitude, longitude and heading; a heading that is not known is no number.
    Positions(Vec<[f64; 3]>),
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened or read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The column map is wrong.
    #[error(transparent)]
    Map(#[from] MapRefused),
    /// Not text, and not a track.
    #[error("{0}")]
    Form(String),
    /// There is no column map, and the header is not one that is known.
    #[error("the columns {header:?} are not known; give a column map (--columns FILE.toml)")]
    UnknownHeader {
        /// The first line that could be a header.
        header: String,
    },
    /// The map names a column that the file does not have.
    #[error("the recording has no column {}; it has {header}", .columns.join(", "))]
    NoSuchColumn {
        /// What the map names.
        columns: Vec<String>,
        /// What there is.
        header: String,
    },
    /// No row can be taken.
    #[error("the recording has no row that can be taken; {}", .0.lines().join("; "))]
    Empty(Box<ImportReport>),
    /// Too much to be kept in memory.
    #[error("a recording has at most {} MiB, {} rows and {} values; this one has more", Recording::MAX_BYTES >> 20, Recording::MAX_ROWS, Recording::MAX_VALUES)]
    TooLong,
}

impl Recording {
    /// How many bytes a file may have.
    pub const MAX_BYTES: u64 = 256 * 1024 * 1024;
    /// How many rows a recording may have: two months of one a second.
    pub const MAX_ROWS: usize = 5_000_000;
    /// How many values it may have, a position counted as three: what makes it stay below 256 MiB of memory while it is
    /// read.
    pub const MAX_VALUES: usize = 8_000_000;

    /// Reads a file: a track (GPX), or rows of separated text whose columns a map names, or a header that is known.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, lacks a column of the map or has no row that can be taken.
    pub fn read(file: impl Read, map: Option<&ColumnMap>) -> Result<Self, RecordingError> {
        import::import(file, map)
    }

    /// What was taken and what was left out.
    pub const fn report(&self) -> &ImportReport {
        &self.report
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        self.offsets.len()
    }

    /// When it was recorded: the time of its first row.
    pub const fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// Whether the file says when it was recorded, and not only how long after an unknown start.
    pub const fn is_dated(&self) -> bool {
        self.dated
    }

    /// From the first row to the last.
    pub fn length(&self) -> Duration {
        self.offset(self.rows() - 1)
    }

    /// The signals that it has.
    pub fn signals(&self) -> impl Iterator<Item = SignalId> {
        self.columns.iter().map(|&(signal, _)| signal)
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.rows.len()).sum()
    }

    /// The last row at or before a moment of the recording.
    pub fn row_at(&self, elapsed: Duration) -> usize {
        let elapsed = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.offsets.partition_point(|&offset| offset <= elapsed).saturating_sub(1)
    }

    /// How long after the first row another one is.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn offset(&self, row: usize) -> Duration {
        Duration::from_micros(self.offsets[row])
    }

    /// What is known of a signal at a row: its value in the last row at or before it that has one, or else its first;
    /// `None` when the recording does not have it.
    pub fn value(&self, row: usize, signal: SignalId) -> Option<Value> {
        self.value_and_row(row, signal).map(|(value, _)| value)
    }

    /// With the row that says it.
    pub(super) fn value_and_row(&self, row: usize, signal: SignalId) -> Option<(Value, usize)> {
        let (_, column) = self.columns.iter().find(|&&(known, _)| known == signal)?;
        let at = column.rows.partition_point(|&other| other as usize <= row).saturating_sub(1);
        Some((column.cells.value(at), column.rows[at] as usize))
    }

    /// Every value in the order of time, with the row that says it.
    pub fn readings(&self) -> impl Iterator<Item = (usize, SignalId, Value)> + '_ {
        let mut next = vec![0; self.columns.len()];
        let mut at = (0, 0);
        std::iter::from_fn(move || {
            while at.0 < self.rows() {
                let (row, place) = at;
                at = if place + 1 < self.columns.len() { (row, place + 1) } else { (row + 1, 0) };
                let (signal, column) = &self.columns[place];
                if column.rows.get(next[place]).is_some_and(|&other| other as usize == row) {
                    next[place] += 1;
                    return Some((row, *signal, column.cells.value(next[place] - 1)));
                }
            }
            None
        })
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let cells = self.columns.iter().map(|(_, column)| {
            let cell = match &column.cells {
                Cells::Numbers(_) => 8,
                Cells::Flags(_) => 1,
                Cells::Texts { .. } => 2,
                Cells::Positions(_) => 24,
            };
            let words = match &column.cells {
                Cells::Texts { words, .. } => words.iter().map(|word| word.len() + 16).sum(),
                _ => 0,
            };
            column.rows.len() * (4 + cell) + words
        });
        self.offsets.len() * 8 + cells.sum::<usize>()
    }

    /// The same with no time between two rows that is longer.
    #[must_use]
    pub fn with_pauses_of_at_most(mut self, longest: Duration) -> Self {
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let (mut before, mut moved) = (0, 0);
        for offset in &mut self.offsets {
            moved += (*offset - before).min(longest.max(1));
            before = *offset;
            *offset = moved;
        }
        self.report.length = self.length();
        self
    }
}

impl Cells {
    pub(super) fn value(&self, at: usize) -> Value {
        match self {
            Self::Numbers(numbers) => Value::Number(numbers[at]),
            Self::Flags(flags) => Value::Flag(flags[at]),
            Self::Texts { words, at: places } => Value::Text(words[usize::from(places[at])].to_string()),
            Self::Positions(positions) => {
                let [latitude, longitude, heading] = positions[at];
                Value::position(latitude, longitude, Some(heading).filter(|heading| !heading.is_nan()))
            }
        }
    }

    /// Whether two cells say the same.
    fn are_same(&self, one: usize, other: usize) -> bool {
        self.value(one) == self.value(other)
    }

    /// The cells at these places, in their order.
    pub(super) fn picked(&self, places: &[u32]) -> Self {
        let at = |place: &u32| *place as usize;
        match self {
            Self::Numbers(cells) => Self::Numbers(places.iter().map(|place| cells[at(place)]).collect()),
            Self::Flags(cells) => Self::Flags(places.iter().map(|place| cells[at(place)]).collect()),
            Self::Texts { words, at: cells } => Self::Texts {
                words: words.clone(),
                at: places.iter().map(|place| cells[at(place)]).collect(),
            },
            Self::Positions(cells) => Self::Positions(places.iter().map(|place| cells[at(place)]).collect()),
        }
    }
}

/// Rows as they were read, before their order and their times are judged.
pub(super) struct Rows {
    /// The first moment that each can be.
    pub(super) times: Vec<i64>,
    /// The second one, of those that can be two.
    pub(super) seconds: Vec<(u32, i64)>,
    /// Where each is in the file.
    pub(super) lines: Vec<u32>,
    pub(super) columns: Vec<(SignalId, Column)>,
}

/// Nobody drives so long without writing a row; farther times are of a clock that was not set, if they are few.
const FAR: i64 = 366 * 24 * 3_600 * 1_000_000;
/// Receivers count from 1980, computers from 1970: such times are of clocks that were not set, if others are later.
const UNSET_BEFORE: i64 = 631_152_000 * 1_000_000;
/// A row between two neighbours that is so far from both has a wrong time, in a file that is in order otherwise.
const SPIKE: i64 = 24 * 3_600 * 1_000_000;
const GONE: u32 = u32::MAX;

impl Rows {
    /// Orders rows by time, without those whose time cannot be true. Rows of one moment become one.
    pub(super) fn finish(
        mut self,
        mut report: ImportReport,
        dated: bool,
    ) -> Result<Recording, RecordingError> {
        let count = self.times.len();
        let newest_first = self.is_newest_first();
        let chronological = |place: usize| if newest_first { count - 1 - place } else { place };
        self.choose_moments(chronological);
        let ranks = self.ranks(&mut report, newest_first, chronological);
        report.rows_taken = ranks.taken as u64;
        if ranks.offsets.is_empty() {
            return Err(RecordingError::Empty(Box::new(report)));
        }
        // What is done with is let go of: a recording may take nearly all memory that it is granted.
        drop(std::mem::take(&mut self.times));
        drop(std::mem::take(&mut self.seconds));
        let in_order = ranks.in_order && !newest_first;
        let is_untouched = in_order && ranks.offsets.len() == count;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (signal, column) in self.columns {
            let column = match is_untouched {
                true => column,
                false => column.reordered(&ranks.of_row, in_order, chronological, &self.lines, &mut report),
            };
            report.signals.push((signal, column.rows.len() as u64));
            if !column.rows.is_empty() {
                columns.push((signal, column));
            }
        }
        let recorded_at = Timestamp::from_micros(ranks.first);
        let longest = ranks.offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        report.longest_pause = Duration::from_micros(longest);
        report.length = Duration::from_micros(ranks.offsets[ranks.offsets.len() - 1]);
        report.period = dated.then(|| (recorded_at, recorded_at + report.length));
        report.skipped.sort_by_key(|skipped| skipped.reason);
        let recording = Recording { recorded_at, offsets: ranks.offsets, columns, report, dated };
        let readings = recording.values() as u64;
        Ok(Recording { report: ImportReport { readings, ..recording.report }, ..recording })
    }

    fn is_newest_first(&self) -> bool {
        let falls = self.times.windows(2).filter(|pair| pair[1] < pair[0]).count();
        let rises = self.times.windows(2).filter(|pair| pair[1] > pair[0]).count();
        falls > rises
    }

    /// Of rows that can be at two moments, the order of the file says at which.
    fn choose_moments(&mut self, chronological: impl Fn(usize) -> usize) {
        if self.seconds.is_empty() {
            return;
        }
        let mut before = None;
        for place in 0..self.times.len() {
            let row = chronological(place);
            let second = self.seconds.binary_search_by_key(&(row as u32), |&(row, _)| row).ok();
            let second = second.map(|at| Timestamp::from_micros(self.seconds[at].1));
            let at = Timestamp::from_micros(self.times[row]);
            let chosen = super::moment::after(before, super::moment::Moment { at, second });
            self.times[row] = chosen.as_micros();
            before = Some(chosen);
        }
    }

    fn ranks(
        &self,
        report: &mut ImportReport,
        newest_first: bool,
        chronological: impl Fn(usize) -> usize,
    ) -> Ranks {
        let count = self.times.len();
        let plausible = self.plausible_times();
        let in_order_mostly = self.is_mostly_in_order();
        let mut order: Vec<u32> = Vec::with_capacity(count);
        let mut in_order = true;
        for place in 0..count {
            let row = chronological(place);
            let time = self.times[row];
            let neighbours = (place > 0 && place + 1 < count)
                .then(|| (self.times[chronological(place - 1)], self.times[chronological(place + 1)]));
            let is_spike = in_order_mostly
                && neighbours.is_some_and(|(before, after)| {
                    let far = |other: i64| time.abs_diff(other) > SPIKE as u64;
                    before.abs_diff(after) <= SPIKE as u64 && far(before) && far(after)
                });
            if is_spike || !plausible.iter().any(|range| range.contains(&time)) {
                report.skip(SkipReason::ImplausibleTime, u64::from(self.lines[row]), None);
                continue;
            }
            in_order &= order.last().is_none_or(|&last| self.times[last as usize] < time);
            order.push(row as u32);
        }
        if !in_order {
            let place = |row: u32| if newest_first { u32::MAX - row } else { row };
            order.sort_unstable_by_key(|&row| (self.times[row as usize], place(row)));
        }
        let mut ranks = Ranks {
            first: order.first().map_or(0, |&row| self.times[row as usize]),
            taken: order.len(),
            offsets: Vec::with_capacity(order.len()),
            of_row: vec![GONE; count],
            in_order,
        };
        for row in order {
            let offset = self.times[row as usize].abs_diff(ranks.first);
            if ranks.offsets.last() != Some(&offset) {
                ranks.offsets.push(offset);
            }
            ranks.of_row[row as usize] = ranks.offsets.len() as u32 - 1;
        }
        ranks
    }

    /// Whether nearly every row follows the one before, in either direction.
    fn is_mostly_in_order(&self) -> bool {
        let falls = self.times.windows(2).filter(|pair| pair[1] < pair[0]).count();
        let against = falls.min(self.times.len().saturating_sub(1 + falls));
        against * 10 <= self.times.len()
    }

    /// The stretches of time in which rows are believed: those that are not years from the most rows, or have many.
    fn plausible_times(&self) -> Vec<std::ops::RangeInclusive<i64>> {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let (mut stretches, mut begin) = (Vec::new(), 0);
        for place in 1..=sorted.len() {
            if place == sorted.len() || sorted[place] - sorted[place - 1] > FAR {
                stretches.push((sorted[begin], sorted[place - 1], place - begin));
                begin = place;
            }
        }
        let most = stretches.iter().map(|&(.., rows)| rows).max().unwrap_or_default();
        let any_is_set = stretches.iter().any(|&(_, last, _)| last >= UNSET_BEFORE);
        let largest = stretches
            .iter()
            .rposition(|&(_, last, rows)| rows == most && (last >= UNSET_BEFORE || !any_is_set));
        let believed = stretches.iter().enumerate().filter(|&(place, &(_, last, rows))| {
            let is_few = rows <= 2 || rows * 10 < sorted.len();
            let is_unset = last < UNSET_BEFORE && any_is_set;
            !is_unset && (Some(place) == largest || !is_few || largest.is_none())
        });
        believed.map(|(_, &(first, last, _))| first..=last).collect()
    }
}

/// Where each row comes in the order of time.
struct Ranks {
    first: i64,
    taken: usize,
    offsets: Vec<u64>,
    of_row: Vec<u32>,
    in_order: bool,
}

impl Column {
    /// With the rows of the recording instead of those of the file. Of several cells of one moment the last is taken.
    fn reordered(
        self,
        ranks: &[u32],
        in_order: bool,
        chronological: impl Fn(usize) -> usize,
        lines: &[u32],
        report: &mut ImportReport,
    ) -> Self {
        let mut places: Vec<u32> = (0..self.rows.len() as u32)
            .filter(|&place| ranks[self.rows[place as usize] as usize] != GONE)
            .collect();
        let rank = |place: u32| ranks[self.rows[place as usize] as usize];
        if !in_order {
            places.sort_unstable_by_key(|&place| {
                (rank(place), chronological(self.rows[place as usize] as usize))
            });
        }
        let mut kept: Vec<u32> = Vec::with_capacity(places.len());
        let mut rows = Vec::with_capacity(places.len());
        for place in places {
            let row = rank(place);
            if rows.last() == Some(&row) {
                let replaced = kept.last_mut().expect("there is a cell for each row");
                if !self.cells.are_same(*replaced as usize, place as usize) {
                    let line = lines[self.rows[*replaced as usize] as usize];
                    report.skip(SkipReason::SameMoment, u64::from(line), None);
                }
                *replaced = place;
            } else {
                rows.push(row);
                kept.push(place);
            }
        }
        Self { rows, cells: self.cells.picked(&kept) }
    }
}
