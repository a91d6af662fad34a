//! The readings of a recording, in the order of the file: rows of CSV, or readings as lines of JSON.

use std::{
    io::{BufRead, BufReader, Read},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use app::ports::ImportReport;
use domain::{signal::Value, time::Timestamp};
use serde_json::{Map, Value as Json, json};
use sources::recorded::Recording;

use crate::simulator;

/// A recording that can be pushed.
pub(super) enum Readings {
    Trip(Recording),
    /// As they are pushed, but for vehicle and time.
    Lines(Vec<Line>),
}

/// One line of JSON.
pub(super) struct Line {
    item: Map<String, Json>,
    observed_at: Option<Timestamp>,
    /// Since the first reading; never less than that of the line before.
    due: Duration,
}

/// A reading that can be pushed: when it is due, and what it says.
pub(super) struct Reading {
    /// Since the first reading.
    pub(super) due: Duration,
    item: Json,
    observed_at: Option<Timestamp>,
}

impl Reading {
    /// The reading on the wire, for a vehicle, its time moved by so many milliseconds.
    pub(super) fn item(mut self, vehicle: &str, shift_ms: i64) -> Json {
        self.item["vehicleId"] = vehicle.into();
        if let Some(at) = self.observed_at {
            self.item["observedAt"] = at.as_millis().saturating_add(shift_ms).into();
        }
        self.item
    }
}

impl Readings {
    /// Reads a file: lines of JSON begin with a brace, everything else is a recording.
    pub(super) fn read(
        file: impl Read,
        columns: Option<&str>,
        longest_pause: Option<Duration>,
    ) -> Result<Self> {
        let mut file = BufReader::new(file);
        let first = file.fill_buf().context("cannot read the recording")?;
        let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start().first();
        if first == Some(&b'{') && columns.is_none() {
            return Ok(Self::Lines(lines(file)?));
        }
        let recording = simulator::read(file, columns)?;
        Ok(Self::Trip(match longest_pause {
            Some(longest) => recording.with_pauses_of_at_most(longest),
            None => recording,
        }))
    }

    /// What was taken of the file; of lines of JSON each is a reading.
    pub(super) fn report(&self) -> Option<&ImportReport> {
        match self {
            Self::Trip(recording) => Some(recording.report()),
            Self::Lines(_) => None,
        }
    }

    /// Whether readings have times that can be kept.
    pub(super) fn is_dated(&self) -> bool {
        match self {
            Self::Trip(recording) => recording.is_dated(),
            Self::Lines(_) => true,
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Trip(recording) => recording.values(),
            Self::Lines(lines) => lines.len(),
        }
    }

    /// From the first reading to the last.
    pub(super) fn length(&self) -> Duration {
        match self {
            Self::Trip(recording) => recording.length(),
            Self::Lines(lines) => lines.last().map_or(Duration::ZERO, |line| line.due),
        }
    }

    /// When the latest reading was measured, if the file says.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        match self {
            Self::Trip(recording) => Some(recording.recorded_at() + recording.length()),
            Self::Lines(lines) => lines.iter().filter_map(|line| line.observed_at).max(),
        }
    }

    /// Every reading in the order of time.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = Reading> + Send + '_> {
        match self {
            Self::Trip(recording) => Box::new(recording.readings().map(|(row, signal, value)| {
                let due = recording.offset(row);
                let observed_at = recording.recorded_at() + due;
                let item = json!({
                    "vehicleId": null, "signal": signal.entry().code, "value": wire(value), "observedAt": null,
                });
                Reading { due, item, observed_at: Some(observed_at) }
            })),
            Self::Lines(lines) => Box::new(lines.iter().map(|line| Reading {
                due: line.due,
                item: line.item.clone().into(),
                observed_at: line.observed_at,
            })),
        }
    }
}

/// For scripts.
pub(super) fn report_json(report: &ImportReport) -> Json {
    let skipped: Vec<Json> = (report.skipped.iter())
        .map(|skipped| {
            let (column, cell) = skipped.sample.as_ref().map(|(column, cell)| (column, cell)).unzip();
            let of = if skipped.reason.is_of_rows() { "rows" } else { "cells" };
            json!({
                "reason": skipped.reason.as_str(), "of": of, "count": skipped.count, "lines": skipped.lines,
                "column": column, "cell": cell,
            })
        })
        .collect();
    let signals: Vec<Json> = (report.signals.iter())
        .map(|(signal, count)| json!({ "signal": signal.entry().code, "readings": count }))
        .collect();
    json!({
        "format": report.format, "rows": report.rows, "rowsTaken": report.rows_taken, "readings": report.readings,
        "signals": signals, "skipped": skipped,
        "from": report.period.map(|(first, _)| first.to_string()), "until": report.period.map(|(_, last)| last.to_string()),
        "lengthSeconds": report.length.as_secs_f64(), "longestPauseSeconds": report.longest_pause.as_secs_f64(),
    })
}

/// The form of a value in which it is pushed. Recordings have no others.
fn wire(value: Value) -> Json {
    match value {
        Value::Flag(flag) => flag.into(),
        Value::Number(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Position { latitude, longitude, heading: None, .. } => {
            json!({ "latitude": latitude, "longitude": longitude })
        }
        Value::Position { latitude, longitude, heading: Some(heading), .. } => {
            json!({ "latitude": latitude, "longitude": longitude, "heading": heading })
        }
        Value::Grid(_) | Value::Json(_) => Json::Null,
    }
}

fn lines(file: impl BufRead) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut first: Option<Timestamp> = None;
    for (number, line) in file.lines().enumerate() {
        let (number, line) = (number + 1, line.with_context(|| format!("line {} is no text", number + 1))?);
        let line = line.trim_start_matches('\u{feff}');
        if line.trim().is_empty() {
            continue;
        }
        if lines.len() == Recording::MAX_ROWS {
            bail!("a recording has at most {} readings", Recording::MAX_ROWS);
        }
        let item: Map<String, Json> =
            serde_json::from_str(line).with_context(|| format!("line {number} is no reading"))?;
        let observed_at = observed_at(item.get("observedAt"));
        if observed_at.is_none() && item.get("observedAt").is_some_and(|at| !at.is_null()) {
            bail!("line {number}: observedAt is a moment such as 2026-05-01T10:00:00Z or 1777629600000");
        }
        let before = lines.last().map_or(Duration::ZERO, |line| line.due);
        let due = observed_at.map_or(before, |at| at.since(*first.get_or_insert(at)).max(before));
        lines.push(Line { item, observed_at, due });
    }
    if lines.is_empty() { bail!("the recording has no reading") } else { Ok(lines) }
}

fn observed_at(json: Option<&Json>) -> Option<Timestamp> {
    match json? {
        Json::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
        Json::String(text) => text.parse().ok().map(Timestamp::from_jiff),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, shift_ms: i64, expected: Expect) {
        let readings = Readings::read(text.as_bytes(), None, None).unwrap();
        let shown = readings
            .iter()
            .map(|reading| format!("{} s {}\n", reading.due.as_secs_f64(), reading.item("car", shift_ms)));
        expected.assert_eq(&shown.collect::<String>());
    }

    #[test]
    fn each_row_of_a_csv_file_has_a_reading_of_each_signal() {
        let csv = "Date,Time,Soc,Speed,Mode,LAT,LON\n\
                   5/27/2022,10:00:00,80,0,N,34.01,-6.83\n\
                   5/27/2022,10:00:02,79.5,12,D,34.02,-6.84\n";
        check(
            csv,
            1_000,
            expect![[r#"
            0 s {"vehicleId":"car","signal":"location-preciselocation","value":{"latitude":34.01,"longitude":-6.83},"observedAt":1653645601000}
            0 s {"vehicleId":"car","signal":"motion-currentspeed","value":0.0,"observedAt":1653645601000}
            0 s {"vehicleId":"car","signal":"tractionbattery-stateofcharge","value":80.0,"observedAt":1653645601000}
            0 s {"vehicleId":"car","signal":"transmission-gearstate","value":"NEUTRAL","observedAt":1653645601000}
            2 s {"vehicleId":"car","signal":"location-preciselocation","value":{"latitude":34.02,"longitude":-6.84},"observedAt":1653645603000}
            2 s {"vehicleId":"car","signal":"motion-currentspeed","value":12.0,"observedAt":1653645603000}
            2 s {"vehicleId":"car","signal":"tractionbattery-stateofcharge","value":79.5,"observedAt":1653645603000}
            2 s {"vehicleId":"car","signal":"transmission-gearstate","value":"DRIVE","observedAt":1653645603000}
        "#]],
        );
    }

    #[test]
    fn lines_of_json_keep_what_they_say_but_vehicle_and_time() {
        let lines = concat!(
            r#"{"id":"a","vehicleId":"other","signal":"odometer-traveleddistance","value":1,"observedAt":"2026-05-01T10:00:00Z"}"#,
            "\n\n",
            r#"{"signal":"charge-ischarging","value":true,"sequence":7}"#,
            "\n",
            r#"{"signal":"odometer-traveleddistance","value":3,"observedAt":1777629605000}"#,
            "\n",
            r#"{"signal":"odometer-traveleddistance","value":2,"observedAt":1777629603000}"#,
        );
        check(
            lines,
            -5_000,
            expect![[r#"
            0 s {"id":"a","vehicleId":"car","signal":"odometer-traveleddistance","value":1,"observedAt":1777629595000}
            0 s {"signal":"charge-ischarging","value":true,"sequence":7,"vehicleId":"car"}
            5 s {"signal":"odometer-traveleddistance","value":3,"observedAt":1777629600000,"vehicleId":"car"}
            5 s {"signal":"odometer-traveleddistance","value":2,"observedAt":1777629598000,"vehicleId":"car"}
        "#]],
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_line() {
        let problem =
            |text: &str| format!("{:#}", Readings::read(text.as_bytes(), None, None).err().unwrap());
        assert!(problem("{}\n{").starts_with("line 2 is no reading"));
        assert!(problem(r#"{"observedAt":"noon"}"#).starts_with("line 1: observedAt is a moment"));
    }
}
