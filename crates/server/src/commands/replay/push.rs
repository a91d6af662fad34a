//! Pushing readings at the pace of their recording, or as fast as the server takes them.

use std::{collections::BTreeMap, iter::Peekable, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use app::ports::Clock;
use hyper::{Method, StatusCode};
use lab::client::{HttpAnswer, HttpClient};
use serde_json::{Value, json};

use super::readings::{Reading, Readings};
use crate::{
    cli::ReplaySpeed,
    commands::{bench::progress, client},
};

/// Readings of one request.
const BATCH: usize = 1_000;
/// How often a request is put off by the server before this gives up.
const MOST_WAITS: u32 = 600;
/// How long to wait when the server does not say how long.
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// No wait is longer, whatever the server says.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Reasons that are counted apart.
const MOST_REASONS: usize = 20;

/// The words of the server for what became of an accepted reading, in the order in which they are shown.
const OUTCOMES: [&str; 7] =
    ["applied", "unchanged", "buffered", "late", "conflicting", "implausible", "unknown"];
/// Outcomes of readings that count, or may count yet. Of two readings of one moment the last one counts.
const COUNTING: [&str; 4] = ["applied", "unchanged", "buffered", "conflicting"];

/// Where readings go, and for whom.
pub(super) struct Feed {
    client: HttpClient,
    vehicle: String,
}

/// How they go there.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub speed: ReplaySpeed,
    /// Leave their times as they were recorded.
    pub keep_times: bool,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Report {
    accepted: u64,
    rejected: u64,
    /// How many of the accepted readings became what, by the server's word.
    outcomes: BTreeMap<String, u64>,
    /// By outcome (or `rejected`) and reason: how many the server has named, and the place of the first in the recording.
    reasons: BTreeMap<(String, String), (u64, usize)>,
    waits: u32,
    took: Duration,
}

impl Feed {
    pub(super) fn new(url: &str, token: &str, vehicle: &str, ca_file: Option<&Path>) -> Result<Self> {
        Ok(Self { client: client::http(url, ca_file)?.bearer(token)?, vehicle: vehicle.to_owned() })
    }
}

/// Pushes all readings. Unless their times are kept, the last one is measured when it is pushed, and all others as long
/// before as they were recorded.
pub(super) async fn push(
    feed: &Feed,
    readings: &Readings,
    plan: Plan,
    clock: &dyn Clock,
    quiet: bool,
) -> Result<Report> {
    let count = readings.count();
    let ends = clock.now() + plan.speed.time_for(readings.length());
    let shift_ms = match readings.latest() {
        Some(latest) if !plan.keep_times => ends.as_millis() - latest.as_millis(),
        _ => 0,
    };
    let bar = progress(count as u64, "readings", quiet);
    let begun = clock.monotonic();
    let (mut report, mut next, mut waiting) = (Report::default(), 0, readings.iter().peekable());
    while let Some(first) = waiting.peek() {
        let passed = clock.monotonic().saturating_sub(begun);
        let due = plan.speed.time_for(first.due);
        if due > passed {
            clock.sleep(due - passed).await;
            continue;
        }
        let is_due = |reading: &Reading| plan.speed.time_for(reading.due) <= passed;
        let batch: Vec<Reading> = batch(&mut waiting, is_due);
        let size = batch.len();
        let lines = batch.into_iter().map(|reading| reading.item(&feed.vehicle, shift_ms).to_string() + "\n");
        let answer = send(feed, lines.collect(), clock, &mut report.waits)
            .await
            .with_context(|| format!("stopped before reading {} of {count}", next + 1))?;
        report.take(&answer, next, size);
        bar.inc(size as u64);
        next += size;
    }
    bar.finish_and_clear();
    report.took = clock.monotonic().saturating_sub(begun);
    Ok(report)
}

/// What is due and fits one request.
fn batch(
    waiting: &mut Peekable<impl Iterator<Item = Reading>>,
    is_due: impl Fn(&Reading) -> bool,
) -> Vec<Reading> {
    let mut batch = Vec::new();
    while batch.len() < BATCH
        && let Some(reading) = waiting.next_if(&is_due)
    {
        batch.push(reading);
    }
    batch
}

/// Sends one request until the server takes it, or says why not.
async fn send(feed: &Feed, body: String, clock: &dyn Clock, waits: &mut u32) -> Result<Value> {
    for _ in 0..MOST_WAITS {
        let answer = feed
            .client
            .send(Method::POST, "/ingest/v1/readings", Some("application/x-ndjson"), body.clone().into())
            .await
            .context("the server does not answer; is `milepost serve` running, and is --url right?")?;
        match answer.status {
            StatusCode::OK => return Ok(answer.json()),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                *waits += 1;
                clock.sleep(wait(&answer)).await;
            }
            StatusCode::UNAUTHORIZED => bail!("the server has no feed with this --token"),
            status => {
                let problem = answer.json();
                let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or_default();
                bail!("the server answered with status {}: {detail}", status.as_u16());
            }
        }
    }
    bail!("the server has put a request off {MOST_WAITS} times")
}

/// How long the server wants to be left alone.
fn wait(answer: &HttpAnswer) -> Duration {
    let said = answer.header("retry-after").and_then(|text| text.trim().parse().ok());
    said.map_or(USUAL_WAIT, Duration::from_secs).min(LONGEST_WAIT)
}

impl Report {
    /// Counts the answer to a request of so many readings, the first of which is at this place.
    fn take(&mut self, answer: &Value, first: usize, count: usize) {
        let list = |name: &str| answer[name].as_array().map_or(&[][..], Vec::as_slice);
        let rejected = list("rejected");
        self.accepted += answer["accepted"].as_u64().unwrap_or((count - rejected.len().min(count)) as u64);
        self.rejected += rejected.len() as u64;
        for (outcome, count) in answer["outcomes"].as_object().into_iter().flatten() {
            *self.outcomes.entry(outcome.clone()).or_default() += count.as_u64().unwrap_or_default();
        }
        for refused in rejected {
            self.reason("rejected", &refused["error"], &refused["index"], first);
        }
        for result in list("results") {
            if let Some(outcome) = result["outcome"].as_str() {
                self.reason(outcome, &result["reason"], &result["index"], first);
            }
        }
    }

    fn reason(&mut self, outcome: &str, reason: &Value, index: &Value, first: usize) {
        let Some(reason) = reason.as_str() else { return };
        let key = (outcome.to_owned(), reason.to_owned());
        if self.reasons.len() >= MOST_REASONS && !self.reasons.contains_key(&key) {
            return;
        }
        let at = first + index.as_u64().unwrap_or_default() as usize;
        self.reasons.entry(key).or_insert((0, at)).0 += 1;
    }

    /// Outcomes that occurred, in the order in which they are shown.
    fn shown_outcomes(&self) -> impl Iterator<Item = (&str, u64)> {
        let count = |outcome: &'static str| (outcome, self.outcomes.get(outcome).copied().unwrap_or_default());
        OUTCOMES.into_iter().map(count).filter(|(_, count)| *count > 0)
    }

    /// Why the replay has failed: no reading counts. `None` when one does.
    pub(super) fn failure(&self) -> Option<String> {
        let counting: u64 =
            self.shown_outcomes().filter(|(outcome, _)| COUNTING.contains(outcome)).map(|(_, count)| count).sum();
        if counting > 0 {
            return None;
        }
        let became = self.became();
        let most = self.shown_outcomes().max_by_key(|(_, count)| *count).map(|(outcome, _)| outcome);
        let advice = match most {
            Some("late") => {
                "; the vehicle has newer readings of these signals: leave out --keep-times, or push for another vehicle"
            }
            Some(_) => "; `milepost signals CODE` shows which values a signal takes",
            None => "",
        };
        Some(format!("no reading counts: {became}{advice}"))
    }

    /// `2 applied, 1 late, 3 rejected`.
    fn became(&self) -> String {
        let rejected = Some(("rejected", self.rejected)).filter(|(_, count)| *count > 0);
        let parts: Vec<String> =
            self.shown_outcomes().chain(rejected).map(|(outcome, count)| format!("{count} {outcome}")).collect();
        if parts.is_empty() { "none was accepted".into() } else { parts.join(", ") }
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { accepted, rejected, waits, took, .. } = self;
        let seconds = took.as_secs_f64();
        let rate = (*accepted + *rejected) as f64 / seconds.max(1e-3);
        let count = accepted + rejected;
        let mut lines = vec![
            format!("{count} readings pushed in {seconds:.1} s ({rate:.0} a second)"),
            format!("of these {}", self.became()),
        ];
        if *waits > 0 {
            lines.push(format!("the server asked {waits} times to wait"));
        }
        for ((outcome, reason), (count, first)) in &self.reasons {
            lines.push(format!("{outcome} {count}, the first is reading {}: {reason}", first + 1));
        }
        lines
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        let reasons: Vec<Value> = (self.reasons.iter())
            .map(|((outcome, reason), (count, first))| {
                json!({ "outcome": outcome, "reason": reason, "count": count, "first": first })
            })
            .collect();
        json!({
            "accepted": self.accepted, "rejected": self.rejected, "outcomes": self.outcomes, "waits": self.waits,
            "tookMs": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX), "reasons": reasons,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{commands::bench::config, machine::MachineClock, wiring};
    use app::ports::CarRequest;
    use domain::{
        connect::{PermissionSet, defaults::Defaults},
        signal::{ODOMETER, STATE_OF_CHARGE, Value as Known},
    };
    use lab::{Behaviour, Receiver};

    fn readings(rows: usize) -> Readings {
        let row = |at: usize| {
            let at = 1_777_629_600_000 + at as i64 * 1_000;
            format!(r#"{{"signal":"odometer-traveleddistance","value":{at},"observedAt":{at}}}"#)
        };
        let lines: Vec<String> = (0..rows).map(row).collect();
        Readings::read(lines.join("\n").as_bytes(), None, None).unwrap()
    }

    #[test]
    fn a_request_has_what_is_due_and_no_more_than_a_batch() {
        let readings = readings(3_000);
        let after = |speed: ReplaySpeed, seconds| {
            let is_due = |reading: &Reading| speed.time_for(reading.due) <= Duration::from_secs(seconds);
            batch(&mut readings.iter().skip(10).peekable(), is_due).len()
        };
        assert_eq!(after(ReplaySpeed::Times(1), 5), 0, "not due yet");
        assert_eq!(after(ReplaySpeed::Times(1), 20), 11);
        assert_eq!(after(ReplaySpeed::Times(10), 20), 191);
        assert_eq!(after(ReplaySpeed::Times(100), 20), BATCH);
        assert_eq!(after(ReplaySpeed::Max, 0), BATCH);
    }

    #[tokio::test]
    async fn a_server_that_is_busy_is_left_alone_for_as_long_as_it_says() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        let busy = Behaviour::RespondSequence { first: vec![429, 503], then: 401 };
        receiver.behave("/ingest/v1/readings", busy);
        let feed = Feed::new(&receiver.url(""), "mpf_x", "car", None).unwrap();
        let plan = Plan { speed: ReplaySpeed::Max, keep_times: false };
        // A clock that runs a hundred times faster: a second's wait is short.
        let clock = MachineClock::paced(Default::default(), 100.0);
        let problem = push(&feed, &readings(1), plan, &clock, true).await.err().unwrap();
        assert_eq!(
            format!("{problem:#}"),
            "stopped before reading 1 of 1: the server has no feed with this --token"
        );
        assert_eq!(receiver.log().counts().requests, 3);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_recording_is_pushed_into_a_running_server() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder.path().join("data")).unwrap();
        let server = wiring::start(&config, Arc::new(MachineClock::wall()), None).await.unwrap();
        let application = server
            .app
            .create_application("Fleet", vec![], app::UNLIMITED, Defaults::default(), None)
            .await
            .unwrap();
        let application = application.entry.application.id;
        let request = CarRequest {
            make: "TESLA".into(),
            model: "Model 3".into(),
            year: None,
            region: "US".into(),
            profile: "parked".into(),
            seed: Some(1),
            started: true,
        };
        let car = server.app.make_car(&request, None).await.unwrap().car.id;
        let linked = server.app.connect_car(car, application, None, PermissionSet::ALL, None).await.unwrap();
        let made =
            server.app.create_feed(application, "Trip", store::Newer::Observed, 0, None).await.unwrap();
        let feed = Feed::new(&format!("http://{}", server.address), &made.token, &linked.vehicle.to_string(), None)
            .unwrap();
        let plan = Plan { speed: ReplaySpeed::Max, keep_times: false };
        let rows: Vec<String> = (0..2_500)
            .map(|row| format!("{},{},{row}", 1_600_000_000 + row, 90.0 - f64::from(row) / 100.0))
            .collect();
        let csv = format!("at,soc,km\n{}\n", rows.join("\n"));
        let columns = r#"
            time = { column = "at", format = "epoch-s" }
            [signals]
            tractionbattery-stateofcharge = "soc"
            odometer-traveleddistance = "km"
        "#;
        let readings = Readings::read(csv.as_bytes(), Some(columns), None).unwrap();
        let report = push(&feed, &readings, plan, &MachineClock::wall(), true).await.unwrap();
        assert_eq!((report.accepted, report.rejected), (5_000, 0), "{:?}", report.lines());
        let document = server.app.document(linked.vehicle).await.unwrap();
        assert_eq!(document.value(ODOMETER), Some(&Known::Number(2_499.0)));
        assert_eq!(document.value(STATE_OF_CHARGE), Some(&Known::Number(90.0 - 24.99)));
        server.stop().await.unwrap();
    }

    #[test]
    fn what_became_of_readings_is_counted_by_the_words_of_the_server_with_the_first_place() {
        let mut report = Report { took: Duration::from_millis(1_500), waits: 2, ..Report::default() };
        let answer = json!({
            "accepted": 8,
            "rejected": [{ "index": 3, "error": "no such signal" }, { "index": 5, "error": "no such signal" }],
            "outcomes": { "applied": 6, "unchanged": 1, "late": 1, "conflicting": 0 },
            "results": [
                { "index": 6, "outcome": "unchanged" },
                { "index": 7, "outcome": "late", "reason": "a newer reading of this signal is known" },
            ],
        });
        report.take(&answer, 1_000, 10);
        expect_test::expect![[r#"
            10 readings pushed in 1.5 s (7 a second)
            of these 6 applied, 1 unchanged, 1 late, 2 rejected
            the server asked 2 times to wait
            late 1, the first is reading 1008: a newer reading of this signal is known
            rejected 2, the first is reading 1004: no such signal"#]]
        .assert_eq(&report.lines().join("\n"));
        let json = report.json();
        assert_eq!(json["outcomes"], json!({ "applied": 6, "unchanged": 1, "late": 1, "conflicting": 0 }));
        assert_eq!((&json["reasons"][0]["outcome"], &json["reasons"][1]["first"]), (&json!("late"), &json!(1_003)));
    }

    #[track_caller]
    fn fails(outcomes: Value, accepted: u64, rejected: u64, expected: Option<&str>) {
        let mut report = Report { rejected, ..Report::default() };
        report.take(&json!({ "accepted": accepted, "outcomes": outcomes }), 0, accepted as usize);
        let failure = report.failure();
        assert_eq!(failure.as_deref().map(|text| text.split(';').next().unwrap()), expected, "{failure:?}");
    }

    #[test]
    fn a_replay_of_which_no_reading_counts_has_failed() {
        fails(json!({ "late": 5 }), 5, 0, Some("no reading counts: 5 late"));
        fails(json!({ "implausible": 1, "unknown": 2 }), 3, 4, Some("no reading counts: 1 implausible, 2 unknown, 4 rejected"));
        fails(json!({}), 0, 7, Some("no reading counts: 7 rejected"));
        for outcome in COUNTING {
            fails(json!({ outcome: 1, "late": 100 }), 101, 5, None);
        }
    }
}
