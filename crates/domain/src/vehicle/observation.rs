//! Observations: what a step saw, kept for the events that it made and for history.

use crate::{
    errors::ErrorCode,
    signal::{SignalId, Value},
    time::Timestamp,
};

/// The signals of one step, in the order of their numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the step happened; the `timestamp` of payloads.
    pub taken_at: Timestamp,
    /// What was seen, or why it was not.
    pub signals: Vec<Observed>,
}

/// One signal of an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Which signal.
    pub signal: SignalId,
    /// Its value, or why there is none.
    pub outcome: Result<Sample, ErrorCode>,
}

/// A value with its two times.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The value, in its canonical unit.
    pub value: Value,
    /// When the car measured it, if the source says; milliseconds count.
    pub captured_at: Option<Timestamp>,
    /// When we had it; milliseconds count.
    pub retrieved_at: Timestamp,
}

impl Observation {
    /// What was seen of a signal; `None` when the step was not about it.
    pub fn get(&self, signal: SignalId) -> Option<&Result<Sample, ErrorCode>> {
        let at = self.signals.binary_search_by_key(&signal, |observed| observed.signal).ok()?;
        Some(&self.signals[at].outcome)
    }
}
