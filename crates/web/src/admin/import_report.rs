//! The report of an import, as the API has it.

use app::ports::{ImportReport, Skipped};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::Moment;

/// What the import of a recording has taken, and what it has left out and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportReportView {
    /// How the file was understood.
    #[schema(example = "CSV, separator \",\", UTF-8")]
    format: String,
    /// Rows with data in the file, or points of a track.
    rows: u64,
    /// Those of them that are in the recording.
    rows_taken: u64,
    /// Values in the recording.
    readings: u64,
    /// Values by signal.
    signals: Vec<SignalCount>,
    /// What was left out, by reason.
    skipped: Vec<SkippedView>,
    /// The first moment, where the file has dates.
    #[serde(rename = "from")]
    first: Option<Moment>,
    /// The last moment, where the file has dates.
    #[serde(rename = "until")]
    last: Option<Moment>,
    /// From the first row to the last, pauses shortened as wished.
    length_seconds: f64,
    /// The longest time between two rows as they were recorded.
    longest_pause_seconds: f64,
    /// The same for people, line by line.
    text: Vec<String>,
}

/// How many values a recording has of a signal.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SignalCount {
    signal: &'static str,
    readings: u64,
}

/// What was left out for one reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SkippedView {
    /// `unreadable_time`, `implausible_time`, `line_too_long`, `no_value`, `repeated_header`, `units_row`, `malformed_rest`,
    /// `unreadable_value`, `out_of_range`, `unknown_word`, `no_position` or `same_moment`.
    reason: &'static str,
    /// `rows` or `cells`
    of: &'static str,
    count: u64,
    /// Where the first of them are: lines of the file, or points of a track.
    lines: Vec<u64>,
    /// The column of the first one, where there is one.
    column: Option<String>,
    /// What it says, cut short.
    cell: Option<String>,
}

impl From<ImportReport> for ImportReportView {
    fn from(report: ImportReport) -> Self {
        let text = report.lines();
        let signals = report
            .signals
            .iter()
            .map(|&(signal, readings)| SignalCount { signal: signal.entry().code.as_str(), readings });
        Self {
            signals: signals.collect(),
            format: report.format,
            rows: report.rows,
            rows_taken: report.rows_taken,
            readings: report.readings,
            skipped: report.skipped.into_iter().map(Into::into).collect(),
            first: report.period.map(|(first, _)| Moment(first)),
            last: report.period.map(|(_, last)| Moment(last)),
            length_seconds: report.length.as_secs_f64(),
            longest_pause_seconds: report.longest_pause.as_secs_f64(),
            text,
        }
    }
}

impl From<Skipped> for SkippedView {
    fn from(Skipped { reason, count, lines, sample }: Skipped) -> Self {
        let (column, cell) = sample.unzip();
        let of = if reason.is_of_rows() { "rows" } else { "cells" };
        Self { reason: reason.as_str(), of, count, lines, column, cell }
    }
}
