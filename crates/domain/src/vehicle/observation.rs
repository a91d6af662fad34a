//! Observations: what a step saw when it made events.

use super::CHARGING_SIGNALS;
use crate::{
    errors::ErrorCode,
    ids::WebhookNo,
    signal::{SignalId, Value},
    time::Timestamp,
    webhook::ChargingEvent,
};

/// What a step saw of the signals that its events carry. Appended to the vehicle's history; payloads are composed from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the step happened; the `timestamp` of payloads.
    pub taken_at: Timestamp,
    /// What was seen, or why it was not; by number of the signal.
    pub signals: Vec<Observed>,
    /// Why webhooks that watch the vehicle are told.
    pub causes: Vec<Cause>,
}

/// Why a webhook is told: what fired, and what it was held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The webhook.
    pub webhook: WebhookNo,
    /// The number of its event.
    pub sequence: u64,
    /// What fired.
    pub fired: Fired,
    /// What the webhook knew before; nothing where it is the first value after an error.
    pub before: Option<Value>,
}

/// Something that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired {
    /// The trigger of a signal.
    Signal(SignalId),
    /// A charging event, which several signals make.
    Charging(ChargingEvent),
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

impl Fired {
    /// The signals that made it fire.
    pub fn signals(&self) -> &[SignalId] {
        match self {
            Self::Signal(signal) => std::slice::from_ref(signal),
            Self::Charging(_) => &CHARGING_SIGNALS,
        }
    }
}

impl Observation {
    /// Why the event with this number was made.
    pub fn causes_of(&self, webhook: WebhookNo, sequence: u64) -> impl Iterator<Item = &Cause> {
        self.causes.iter().filter(move |cause| cause.webhook == webhook && cause.sequence == sequence)
    }

    /// What was seen of the signals that made something fire.
    pub fn seen(&self, fired: Fired) -> Vec<(SignalId, Sample)> {
        let sample = |&signal: &SignalId| Some((signal, self.get(signal)?.as_ref().ok()?.clone()));
        fired.signals().iter().filter_map(sample).collect()
    }

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
