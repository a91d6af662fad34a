//! The readings of a recording, in the order of the file: rows of CSV, or readings as lines of JSON.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::{
    signal::{SignalId, Value},
    time::Timestamp,
};
use serde_json::{Map, Value as Json, json};
use sources::recorded::Recording;

use crate::simulator;

/// A recording that can be pushed.
pub(super) enum Readings {
    /// Every row has a reading of each signal.
    Rows { recording: Recording, signals: Vec<SignalId> },
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

impl Readings {
    /// Reads a file: lines of JSON begin with a brace, everything else is CSV.
    pub(super) fn read(text: &str, columns: Option<&str>) -> Result<Self> {
        if text.trim_start().starts_with('{') {
            return Ok(Self::Lines(lines(text)?));
        }
        let recording = simulator::read(text, columns).map_err(anyhow::Error::msg)?;
        let signals = recording.signals().collect();
        Ok(Self::Rows { recording, signals })
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Rows { recording, signals } => recording.rows() * signals.len(),
            Self::Lines(lines) => lines.len(),
        }
    }

    /// How long after the first reading this one is.
    pub(super) fn due(&self, at: usize) -> Duration {
        match self {
            Self::Rows { recording, signals } => recording.offset(at / signals.len()),
            Self::Lines(lines) => lines[at].due,
        }
    }

    /// From the first reading to the last.
    pub(super) fn length(&self) -> Duration {
        self.count().checked_sub(1).map_or(Duration::ZERO, |last| self.due(last))
    }

    /// When the latest reading was measured, if the file says.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        match self {
            Self::Rows { recording, .. } => Some(recording.recorded_at() + recording.length()),
            Self::Lines(lines) => lines.iter().filter_map(|line| line.observed_at).max(),
        }
    }

    /// A reading on the wire, for a vehicle, its time moved by so many milliseconds.
    pub(super) fn item(&self, at: usize, vehicle: &str, shift_ms: i64) -> Json {
        let moved = |at: Timestamp| at.as_millis().saturating_add(shift_ms);
        match self {
            Self::Rows { recording, signals } => {
                let (row, signal) = (at / signals.len(), signals[at % signals.len()]);
                let value = recording.value(row, signal).map(wire);
                let observed_at = moved(recording.recorded_at() + recording.offset(row));
                json!({
                    "vehicleId": vehicle, "signal": signal.entry().code, "value": value, "observedAt": observed_at,
                })
            }
            Self::Lines(lines) => {
                let line = &lines[at];
                let mut item = line.item.clone();
                item.insert("vehicleId".into(), vehicle.into());
                if let Some(at) = line.observed_at {
                    item.insert("observedAt".into(), moved(at).into());
                }
                item.into()
            }
        }
    }
}

/// The form of a value in which it is pushed. Recordings have no others.
fn wire(value: Value) -> Json {
    match value {
        Value::Flag(flag) => flag.into(),
        Value::Number(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Position { latitude, longitude, .. } => {
            json!({ "latitude": latitude, "longitude": longitude })
        }
        Value::Grid(_) | Value::Json(_) => Json::Null,
    }
}

fn lines(text: &str) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut first: Option<Timestamp> = None;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = number + 1;
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
        let readings = Readings::read(text, None).unwrap();
        let shown = (0..readings.count()).map(|at| {
            format!("{} s {}\n", readings.due(at).as_secs_f64(), readings.item(at, "car", shift_ms))
        });
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
        let problem = |text: &str| format!("{:#}", Readings::read(text, None).err().unwrap());
        assert!(problem("{}\n{").starts_with("line 2 is no reading"));
        assert!(problem(r#"{"observedAt":"noon"}"#).starts_with("line 1: observedAt is a moment"));
    }
}
