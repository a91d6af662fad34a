//! How long things took: histograms, and a stopwatch between two ends that do not know one another.

use crate::id::Id;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

/// A histogram of durations from a microsecond to an hour, to three digits; longer ones count as an hour.
#[derive(Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are good ones"))
    }
}

impl Latencies {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(took.as_micros().try_into().unwrap_or(u64::MAX));
    }

    /// The duration below which this share (0 to 1) of all lies; zero if there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Takes over all that another histogram counted.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }
}

/// `p50 0.42 ms  p99 1.90 ms  max 3.10 ms  (12000)`
impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        let (p50, p99, max) = (self.quantile(0.5), self.quantile(0.99), self.max());
        write!(f, "p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms  ({})", ms(p50), ms(p99), ms(max), self.count())
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Measures from the sender of an input to the receiver of its webhook, by the vehicle that both name.
///
/// It trusts no clock but the lab's own. Start before sending: a webhook for a vehicle that was not started is not measured.
pub struct Stopwatch {
    most: usize,
    running: Mutex<HashMap<Id, Instant>>,
    taken: Mutex<Latencies>,
}

impl Stopwatch {
    /// A stopwatch for up to `most` vehicles under way at once; starts beyond that are not measured.
    pub fn new(most: usize) -> Self {
        Self { most, running: Mutex::default(), taken: Mutex::default() }
    }

    /// Starts the time of a vehicle's input, anew if it was running.
    pub fn start(&self, vehicle: Id, at: Instant) {
        let mut running = self.running.lock();
        if running.len() < self.most || running.contains_key(&vehicle) {
            running.insert(vehicle, at);
        }
    }

    /// Stops the time of a vehicle's input and counts it.
    pub fn stop(&self, vehicle: Id, at: Instant) {
        let started = self.running.lock().remove(&vehicle);
        if let Some(started) = started {
            self.taken.lock().record(at.saturating_duration_since(started));
        }
    }

    /// What was measured so far.
    pub fn latencies(&self) -> Latencies {
        self.taken.lock().clone()
    }

    /// What was measured since this was last asked.
    pub fn taken(&self) -> Latencies {
        std::mem::take(&mut self.taken.lock())
    }

    /// How many were started and have not arrived.
    pub fn under_way(&self) -> usize {
        self.running.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::default();
        (1..=100).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        assert_eq!(latencies.quantile(0.5).as_millis(), 50);
        assert_eq!(latencies.quantile(0.99).as_millis(), 99);
        assert_eq!(latencies.count(), 100);
    }

    #[test]
    fn an_hour_is_the_longest_that_is_told_apart() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_secs(100_000));
        assert_eq!(latencies.count(), 1);
        assert!(latencies.max() <= Duration::from_secs(3_604));
    }

    #[test]
    fn only_vehicles_that_were_started_are_measured_and_each_start_once() {
        let watch = Stopwatch::new(2);
        let begin = clock::now();
        watch.start(Id(1), begin);
        watch.start(Id(2), begin);
        watch.start(Id(3), begin);
        for vehicle in [1, 1, 3] {
            watch.stop(Id(vehicle), begin + Duration::from_millis(5));
        }
        assert_eq!(watch.latencies().count(), 1);
        assert_eq!(watch.latencies().max().as_millis(), 5);
        assert_eq!(watch.under_way(), 1);
    }
}
