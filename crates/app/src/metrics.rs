//! Metrics of the application: names carry unit and kind, labels are bounded.

use std::time::Duration;

use domain::{delivery::AttemptResult, webhook::Disabled};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::AnswerCounts;

/// An attempt has ended.
pub(crate) fn attempt(result: AttemptResult, took_ms: u32) {
    let outcome = match result {
        AttemptResult::Answered { status: 200..=299 } => "accepted",
        AttemptResult::Answered { status: 300..=399 } => "redirected",
        AttemptResult::Answered { status: 400..=499 } => "refused",
        AttemptResult::Answered { .. } => "failed",
        AttemptResult::Failed(failure) => failure.as_str(),
    };
    counter!("milepost_attempts_total", "outcome" => outcome, "reason" => reason(result)).increment(1);
    histogram!("milepost_attempt_duration_seconds").record(f64::from(took_ms) / 1_000.0);
}

/// The statuses that operators look for by themselves.
const STATUSES: &[(u16, &str)] = &[
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (410, "410"),
    (413, "413"),
    (415, "415"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

/// Why an attempt came to what it did: a status that operators look for by itself, the class of any other, or the word of a
/// failure. Receivers choose statuses, so there is a bound on them.
fn reason(result: AttemptResult) -> &'static str {
    let status = match result {
        AttemptResult::Failed(failure) => return failure.as_str(),
        AttemptResult::Answered { status } => status,
    };
    let watched = STATUSES.iter().find(|(known, _)| *known == status).map(|(_, word)| *word);
    watched.unwrap_or(match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    })
}

/// So many webhooks have receivers that fail.
pub(crate) fn failing(webhooks: usize) {
    gauge!("milepost_webhooks_failing").set(webhooks as f64);
}

/// Ends of attempts were written.
pub(crate) fn recorded(count: usize) {
    counter!("milepost_records_total").increment(count as u64);
}

/// A webhook was switched off.
pub(crate) fn switched_off(why: Disabled) {
    counter!("milepost_webhooks_switched_off_total", "reason" => why.as_str()).increment(1);
}

/// How many webhooks do not deliver for a reason.
pub(crate) fn webhooks_not_delivering(reason: &'static str, count: usize) {
    gauge!("milepost_webhooks_not_delivering", "reason" => reason).set(count as f64);
}

/// A slot was posted, so long after it came.
pub(crate) fn slot_posted(lateness: Duration) {
    histogram!("milepost_schedule_lateness_seconds").record(lateness.as_secs_f64());
}

/// Slots passed while nobody looked.
pub(crate) fn missed(count: u64) {
    counter!("milepost_slots_missed_total").increment(count);
}

/// A vehicle was read.
pub(crate) fn read(pool: &str, result: &'static str) {
    counter!("milepost_source_reads_total", "pool" => pool.to_owned(), "result" => result).increment(1);
}

/// Steps were committed together.
pub(crate) fn stepped(count: usize, conflicts: usize, took: Duration) {
    histogram!("milepost_commit_steps").record(count as f64);
    counter!("milepost_step_conflicts_total").increment(conflicts as u64);
    histogram!("milepost_commit_duration_seconds").record(took.as_secs_f64());
}

/// How much waits in all lanes, and how old the oldest is.
pub(crate) fn lanes(depth: u64, oldest: Duration) {
    gauge!("milepost_lane_depth_events").set(depth as f64);
    gauge!("milepost_lane_oldest_age_seconds").set(oldest.as_secs_f64());
}

/// How much space is used.
pub(crate) fn space(size: &store::Size) {
    gauge!("milepost_store_bytes").set(size.bytes as f64);
    gauge!("milepost_store_wal_bytes").set(size.wal_bytes as f64);
    gauge!("milepost_store_free_disk_bytes").set(size.free_on_disk as f64);
    counter!("milepost_store_commits_total").absolute(size.commits);
    counter!("milepost_store_items_total").absolute(size.items);
}

/// Counts pushed readings by outcome, in the words of the ingest answer.
pub(crate) fn answered(counts: AnswerCounts) {
    for (outcome, count) in counts.by_word() {
        counter!("milepost_readings_total", "outcome" => outcome).increment(count);
    }
}

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every metric family, with its type and help text.
const FAMILIES: &[(&str, Kind, &str)] = &[
    ("milepost_attempts_total", Kind::Counter, "Attempts to deliver, by outcome and reason."),
    (
        "milepost_attempt_duration_seconds",
        Kind::Histogram,
        "From the look-up of a receiver's name to its answer.",
    ),
    ("milepost_webhooks_failing", Kind::Gauge, "Webhooks whose last attempts have failed."),
    ("milepost_records_total", Kind::Counter, "Ends of attempts that were written to the store."),
    ("milepost_webhooks_switched_off_total", Kind::Counter, "Webhooks that were switched off, by reason."),
    ("milepost_webhooks_not_delivering", Kind::Gauge, "Webhooks that do not deliver now, by reason."),
    ("milepost_schedule_lateness_seconds", Kind::Histogram, "From the time of a slot to its event."),
    ("milepost_slots_missed_total", Kind::Counter, "Slots that passed while the server was down."),
    ("milepost_source_reads_total", Kind::Counter, "Reads of vehicles, by pool and result."),
    ("milepost_commit_steps", Kind::Histogram, "Steps of vehicles that were committed together."),
    (
        "milepost_step_conflicts_total",
        Kind::Counter,
        "Steps that were made again because their vehicle had changed.",
    ),
    ("milepost_commit_duration_seconds", Kind::Histogram, "How long the commit of steps took."),
    ("milepost_lane_depth_events", Kind::Gauge, "Events that wait in all lanes."),
    ("milepost_lane_oldest_age_seconds", Kind::Gauge, "Age of the oldest event that waits."),
    ("milepost_store_bytes", Kind::Gauge, "Size of the database."),
    ("milepost_store_wal_bytes", Kind::Gauge, "Size of the database's write-ahead log."),
    ("milepost_store_free_disk_bytes", Kind::Gauge, "Free space where the database is."),
    ("milepost_store_commits_total", Kind::Counter, "Transactions that were committed."),
    ("milepost_store_items_total", Kind::Counter, "Writes in these transactions."),
    (
        "milepost_readings_total",
        Kind::Counter,
        "Readings that were pushed, by outcome: that of the answer to the push, or rejected.",
    ),
];

/// Registers the help text of every metric family.
pub fn describe() {
    for &(name, kind, help) in FAMILIES {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    /// The families that are measured here, from the text of this file.
    fn measured() -> Vec<(&'static str, Kind)> {
        let code = include_str!("metrics.rs").split("\nmod tests {").next().unwrap();
        let of = |start: &'static str, kind| {
            code.split(start).skip(1).map(move |rest| (rest.split('"').next().unwrap(), kind))
        };
        let mut all: Vec<_> = of("counter!(\"", Kind::Counter)
            .chain(of("gauge!(\"", Kind::Gauge))
            .chain(of("histogram!(\"", Kind::Histogram))
            .collect();
        all.sort_by_key(|(name, _)| *name);
        all.dedup();
        all
    }

    #[test]
    fn every_family_says_what_it_measures() {
        let mut described: Vec<_> = FAMILIES.iter().map(|&(name, kind, _)| (name, kind)).collect();
        described.sort_by_key(|(name, _)| *name);
        assert_eq!(described, measured());
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            for &(name, kind, _) in FAMILIES {
                match kind {
                    Kind::Counter => counter!(name).increment(1),
                    Kind::Gauge => gauge!(name).set(1.0),
                    Kind::Histogram => histogram!(name).record(1.0),
                }
            }
        });
        let shown = shown.render();
        for (name, _, help) in FAMILIES {
            assert!(shown.contains(&format!("# HELP {name} {help}\n")), "{name}\n{shown}");
        }
    }
}
