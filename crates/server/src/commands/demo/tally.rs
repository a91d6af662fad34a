//! What has arrived, counted.

use std::collections::BTreeMap;

use lab::receiver::{Counts, Received};

/// Requests by event, and payloads of scheduled webhooks by the hour that they were made in.
#[derive(Default)]
pub(super) struct Tally {
    by_event: BTreeMap<String, u64>,
    by_hour: BTreeMap<String, u64>,
    tests: u64,
    /// Requests of any kind, and those that were too many to be shown.
    pub(super) seen: u64,
}

/// The events of each generation, with what one is called.
const GENERATIONS: [(&str, &str); 5] = [
    ("schedule", "scheduled"),
    ("eventBased", "eventBased"),
    ("dynamic", "dynamic"),
    ("VEHICLE_STATE", "unified states"),
    ("VEHICLE_ERROR", "unified errors"),
];

impl Tally {
    pub(super) fn count(&mut self, received: &Received) {
        self.seen += 1;
        let Some(event) = &received.event else { return };
        if event.is_verification() || is_test(event.mode.as_deref()) {
            self.tests += u64::from(!event.is_verification());
            return;
        }
        *self.by_event.entry(event.name.clone()).or_default() += 1;
        if let (Some(made), "schedule") = (event.told(), event.name.as_str()) {
            *self.by_hour.entry(made.to_string()[..13].to_owned()).or_default() += event.items().len() as u64;
        }
    }

    /// In how many hours so many vehicles have arrived.
    pub(super) fn whole_slots(&self, per_slot: u64) -> u64 {
        self.by_hour.values().filter(|&&count| count >= per_slot).count() as u64
    }

    pub(super) fn summary(&self, counts: Counts) -> [(&'static str, String); 2] {
        let of = |name: &str| self.by_event.get(name).copied().unwrap_or_default();
        let told: Vec<String> =
            GENERATIONS.iter().map(|(name, called)| format!("{} {called}", of(name))).collect();
        let Counts { requests, verifications, good, .. } = counts;
        let received = format!(
            "{}; besides {verifications} verifications and {} tests",
            told.join(", "),
            self.tests
        );
        let signed =
            format!("{good} of {requests} requests, checked with the application's management token");
        [("received", received), ("signed", signed)]
    }
}

fn is_test(mode: Option<&str>) -> bool {
    mode.is_some_and(|mode| mode.eq_ignore_ascii_case("test"))
}
