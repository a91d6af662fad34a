//! Observations: what a step saw when it made events.

use crate::{
    errors::ErrorCode,
    signal::{SignalId, Value},
    time::Timestamp,
};

/// What a step saw of the signals that its events carry. Appended to the vehicle's history; payloads are composed from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the step happened; the `timestamp` of payloads.
    pub taken_at: Timestamp,
    /// What was seen, or why it was not; by number of the signal.
    pub signals: Vec<Observed>,
}

/// One signal of an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Which signal.
    pub signal: SignalId,
    /// Its value as fresh as the event's webhook asks for, or why there is none.
    pub outcome: Result<Sample, ErrorCode>,
    /// The newest value that is known, where that one is too old or its source fails for now.
    pub older: Option<Sample>,
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
        self.find(signal).map(|observed| &observed.outcome)
    }

    /// The newest value of a signal, however old, or why there is none. An error that does not pass hides what was known
    /// before it. `None` when the step was not about it.
    pub fn newest(&self, signal: SignalId) -> Option<Result<&Sample, ErrorCode>> {
        let observed = self.find(signal)?;
        Some(match (&observed.outcome, &observed.older) {
            (Ok(sample), _) => Ok(sample),
            (Err(error), Some(older)) if error.passes() => Ok(older),
            (Err(error), _) => Err(*error),
        })
    }

    fn find(&self, signal: SignalId) -> Option<&Observed> {
        let at = self.signals.binary_search_by_key(&signal, |observed| observed.signal).ok()?;
        Some(&self.signals[at])
    }
}
