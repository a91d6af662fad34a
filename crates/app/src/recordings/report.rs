//! What the import of a recording has taken, and exactly what it has not and why.

use std::time::Duration;

use domain::{signal::SignalId, time::Timestamp};

/// Why a row, or one cell of a row, is not in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// A row whose time is missing or cannot be read.
    UnreadableTime,
    /// A row whose time is far from those of all others: a clock that was not set.
    ImplausibleTime,
    /// A row that is longer than lines may be.
    LineTooLong,
    /// A row of which no cell has a value.
    NoValue,
    /// The header, once more.
    RepeatedHeader,
    /// Units below the header.
    UnitsRow,
    /// The rest of a document that is not well-formed from here on.
    MalformedRest,
    /// A cell that cannot be read.
    UnreadableValue,
    /// A number that its signal cannot have.
    OutOfRange,
    /// A word that the signal does not have and the column map does not translate.
    UnknownWord,
    /// Latitude and longitude that are no position, or that a receiver without a fix reports.
    NoPosition,
    /// A cell of the same moment as another one, with another value; the later one is taken.
    SameMoment,
}

impl SkipReason {
    /// All of them, rows first.
    pub const ALL: [Self; 12] = [
        Self::UnreadableTime,
        Self::ImplausibleTime,
        Self::LineTooLong,
        Self::NoValue,
        Self::RepeatedHeader,
        Self::UnitsRow,
        Self::MalformedRest,
        Self::UnreadableValue,
        Self::OutOfRange,
        Self::UnknownWord,
        Self::NoPosition,
        Self::SameMoment,
    ];

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableTime => "unreadable_time",
            Self::ImplausibleTime => "implausible_time",
            Self::LineTooLong => "line_too_long",
            Self::NoValue => "no_value",
            Self::RepeatedHeader => "repeated_header",
            Self::UnitsRow => "units_row",
            Self::MalformedRest => "malformed_rest",
            Self::UnreadableValue => "unreadable_value",
            Self::OutOfRange => "out_of_range",
            Self::UnknownWord => "unknown_word",
            Self::NoPosition => "no_position",
            Self::SameMoment => "same_moment",
        }
    }

    /// Whether it is about whole rows; about single cells otherwise.
    pub const fn is_of_rows(self) -> bool {
        matches!(
            self,
            Self::UnreadableTime
                | Self::ImplausibleTime
                | Self::LineTooLong
                | Self::NoValue
                | Self::RepeatedHeader
                | Self::UnitsRow
                | Self::MalformedRest
        )
    }

    /// For people, after a number of rows or cells.
    const fn words(self) -> &'static str {
        match self {
            Self::UnreadableTime => "with a time that cannot be read",
            Self::ImplausibleTime => "with a time far from all others",
            Self::LineTooLong => "longer than a line may be",
            Self::NoValue => "without a value in any column of the map",
            Self::RepeatedHeader => "with the header again",
            Self::UnitsRow => "with units",
            Self::MalformedRest => "or more at the end, where the document is malformed",
            Self::UnreadableValue => "that cannot be read",
            Self::OutOfRange => "out of range",
            Self::UnknownWord => "with a word that is not known",
            Self::NoPosition => "without a position",
            Self::SameMoment => "replaced by a later one of the same moment",
        }
    }
}

/// What was skipped for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// How many rows or cells.
    pub count: u64,
    /// The lines of the first of them, at most [`Skipped::MOST_LINES`]; of a track, those in which its points begin.
    pub lines: Vec<u64>,
    /// The first one: its column and what it says, cut short.
    pub sample: Option<(String, String)>,
}

impl Skipped {
    /// How many lines are named.
    pub const MOST_LINES: usize = 5;
    const LONGEST_SAMPLE: usize = 40;
}

/// What an import has taken and what it has not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportReport {
    /// How the file was understood: `CSV, separator ";", decimal comma, UTF-8`.
    pub format: String,
    /// Rows with data in the file, or points of a track.
    pub rows: u64,
    /// Those of them that are in the recording.
    pub rows_taken: u64,
    /// Values in the recording.
    pub readings: u64,
    /// Values by signal, also for signals of which there is none.
    pub signals: Vec<(SignalId, u64)>,
    /// What was left out, by reason.
    pub skipped: Vec<Skipped>,
    /// The first and the last moment, where the file has dates.
    pub period: Option<(Timestamp, Timestamp)>,
    /// From the first row to the last, pauses shortened.
    pub length: Duration,
    /// The longest time between two rows as they were recorded.
    pub longest_pause: Duration,
}

impl ImportReport {
    /// Counts a row or a cell that is left out.
    pub fn skip(&mut self, reason: SkipReason, line: u64, sample: Option<(&str, &str)>) {
        let found = self.skipped.iter().position(|skipped| skipped.reason == reason);
        let at = found.unwrap_or_else(|| {
            let short = |text: &str| text.chars().take(Skipped::LONGEST_SAMPLE).collect();
            let sample = sample.map(|(column, cell)| (short(column), short(cell)));
            self.skipped.push(Skipped { reason, count: 0, lines: Vec::new(), sample });
            self.skipped.len() - 1
        });
        let skipped = &mut self.skipped[at];
        skipped.count += 1;
        if skipped.lines.len() < Skipped::MOST_LINES {
            skipped.lines.push(line);
        }
    }

    /// How many rows or cells were left out for a reason.
    pub fn count(&self, reason: SkipReason) -> u64 {
        self.skipped.iter().find(|skipped| skipped.reason == reason).map_or(0, |skipped| skipped.count)
    }

    /// For people: what was taken, then a line for each reason.
    pub fn lines(&self) -> Vec<String> {
        let Self { format, rows, rows_taken, readings, .. } = self;
        let mut lines = vec![format!("{format}: {readings} readings from {rows_taken} of {rows} rows")];
        let signals: Vec<String> =
            self.signals.iter().map(|(signal, count)| format!("{} {count}", signal.entry().code)).collect();
        if !signals.is_empty() {
            lines.push(format!("signals: {}", signals.join(", ")));
        }
        if let Some((first, last)) = self.period {
            let pause = self.longest_pause.as_secs();
            lines.push(format!("from {first} to {last}, longest pause {pause} s"));
        }
        for Skipped { reason, count, lines: places, sample } in &self.skipped {
            let what = match (reason.is_of_rows(), count) {
                (true, 1) => "row",
                (true, _) => "rows",
                (false, 1) => "cell",
                (false, _) => "cells",
            };
            let places: Vec<String> = places.iter().map(u64::to_string).collect();
            let more = if *count > places.len() as u64 { ", …" } else { "" };
            let sample = sample.as_ref().map(|(column, cell)| format!("; the first is {cell:?} in {column}"));
            lines.push(format!(
                "skipped {count} {what} {} (line {}{more}{})",
                reason.words(),
                places.join(", "),
                sample.unwrap_or_default()
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_words_of_their_own() {
        for (place, reason) in SkipReason::ALL.iter().enumerate() {
            let others = &SkipReason::ALL[place + 1..];
            assert!(others.iter().all(|other| other.as_str() != reason.as_str()), "{reason:?}");
            assert!(others.iter().all(|other| other.words() != reason.words()), "{reason:?}");
        }
    }

    #[test]
    fn a_report_counts_by_reason_and_names_the_first_lines() {
        let mut report = ImportReport { format: "CSV".into(), rows: 9, ..ImportReport::default() };
        for line in 2..9 {
            report.skip(SkipReason::OutOfRange, line, Some(("soc", "101")));
        }
        report.skip(SkipReason::UnreadableTime, 9, None);
        assert_eq!(report.count(SkipReason::OutOfRange), 7);
        assert_eq!(
            report.lines(),
            [
                "CSV: 0 readings from 0 of 9 rows",
                "skipped 7 cells out of range (line 2, 3, 4, 5, 6, …; the first is \"101\" in soc)",
                "skipped 1 row with a time that cannot be read (line 9)",
            ]
        );
    }
}
