//! The document: all that the step needs to know about one vehicle.

use std::time::Duration;

use super::{FeedKey, Reading, Verdict, readings::is_reported};
use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{SubscriptionId, WebhookNo},
    signal::{SignalId, Value},
    time::Timestamp,
};

/// Clocks of processes that share a machine, or are set by a second, are no reason to doubt what is known.
const JITTER: Duration = Duration::from_secs(2);

/// All that the step needs to know about one vehicle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What the owner granted.
    pub permissions: PermissionSet,
    /// The signals that were ever answered, by number.
    pub signals: Vec<SignalState>,
    /// Webhooks that the vehicle is on, in the order of subscribing.
    pub subscriptions: Vec<Subscription>,
    /// What webhooks that watch the vehicle need beside its signals.
    pub watching: Watching,
    /// What is pushed and still matters.
    pub pushes: Pushes,
}

/// What is known of one signal.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalState {
    /// Which signal.
    pub signal: SignalId,
    /// The newest value, with the moment at which the car measured it and the moment at which we had it.
    pub value: Option<(Value, Option<Timestamp>, Timestamp)>,
    /// When the source last answered about it, with a value or with a fault.
    pub answered_at: Timestamp,
    /// The fault of that answer.
    pub fault: Option<ErrorCode>,
    /// How the last reading was judged.
    pub judged: Option<Judged>,
    /// The number of the newest reading, and whose numbers these are, where its feed counts.
    pub sequence: Option<(FeedKey, u64)>,
    /// The moment of the value is ours: its source said none, or one that lay ahead of our clock.
    pub estimated: bool,
    /// The last value that was known, where it is not any more.
    pub forgotten: Option<Forgotten>,
    /// A value that could not follow, and waits for others that agree with it.
    pub doubt: Option<Doubt>,
    /// Numbers that begin anew, and wait for others that go on from there.
    pub renumbered: Option<Renumbered>,
}

/// A value that is no longer known. What comes after it is judged by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Forgotten {
    /// The value.
    pub value: Value,
    /// Since when it is not known.
    pub since: Timestamp,
    /// When it was true.
    pub measured_at: Timestamp,
}

/// A value that could not follow the one that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// The newest of those that agree.
    pub value: Value,
    /// Its moment.
    pub at: Timestamp,
    /// How many agree.
    pub count: u8,
}

/// Numbers of a feed that lie below the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renumbered {
    /// The newest of those that rise.
    pub number: u64,
    /// How many rise.
    pub count: u8,
}

/// How the last reading of a signal was judged, with what it was judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What came of it.
    pub verdict: Verdict,
    /// When it was measured, as far as its source can be believed.
    pub observed_at: Timestamp,
    /// When we had it.
    pub received_at: Timestamp,
    /// It came by push.
    pub pushed: bool,
    /// Its value, where that did not become the signal's.
    pub refused: Option<Value>,
    /// The value before the last change, and when that was received.
    pub before: Option<(Value, Timestamp)>,
}

/// A vehicle on a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// The webhook.
    pub webhook: WebhookNo,
    /// The id on the wire.
    pub id: SubscriptionId,
    /// Since when.
    pub since: Timestamp,
    /// The next slot, under the cadence of `cadence_epoch`; never for a webhook without slots.
    pub next_slot: Timestamp,
    /// The cadence that `next_slot` was planned under.
    pub cadence_epoch: u32,
    /// A slot that has come, or a first delivery that is owed, whose data is not complete yet.
    pub gathering: Option<Gathering>,
    /// The number of the newest event.
    pub sequence: u64,
    /// Slots that passed while we were down.
    pub missed: u64,
    /// What was told to a webhook that watches the vehicle.
    pub told: Told,
}

/// What was told to a webhook that watches the vehicle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Up to which epoch of the webhook: an older one owes a first delivery.
    pub epoch: u32,
    /// What the last event carried of triggers with a dead band; whether the vehicle charges, for charging events.
    pub baselines: Vec<(SignalId, Value)>,
    /// Errors that were reported and have not cleared: of one signal, or of the whole vehicle.
    pub open_errors: Vec<(ErrorCode, Option<SignalId>)>,
}

/// A slot that has come, or a first delivery that is owed, whose data is not complete yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// The slot.
    pub slot: Timestamp,
    /// Answers before this are too old for it.
    pub fresh_from: Timestamp,
    /// Reads so far that left something open.
    pub reads: u8,
    /// When the next one is due.
    pub read_at: Timestamp,
}

/// What webhooks that watch a vehicle need beside its signals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watching {
    /// When it is read next for them.
    pub read_at: Option<Timestamp>,
    /// Reads in a row that brought no change.
    pub quiet: u8,
    /// Why the source as a whole failed when it was last asked.
    pub source_fault: Option<ErrorCode>,
    /// The owner has approved at the brand that charging events are reported.
    pub approved: bool,
}

/// What is pushed and still matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pushes {
    /// There is nobody to ask: all that is known of the vehicle is pushed.
    pub only: bool,
    /// Ids of the newest readings, hashed; the newest last.
    pub seen: Vec<u64>,
    /// Readings that wait for earlier ones.
    pub held: Vec<Reading>,
}

impl Document {
    /// The state of a signal.
    pub fn signal(&self, signal: SignalId) -> Option<&SignalState> {
        let at = self.signals.binary_search_by_key(&signal, |state| state.signal).ok()?;
        Some(&self.signals[at])
    }

    /// The newest value of a signal, however old.
    pub fn value(&self, signal: SignalId) -> Option<&Value> {
        self.signal(signal)?.value.as_ref().map(|(value, ..)| value)
    }

    /// The bytes of all values together, about.
    pub(super) fn weight(&self) -> usize {
        let values = self.signals.iter().filter_map(|state| state.value.as_ref());
        values.map(|(value, ..)| value.weight()).sum()
    }

    /// Undoes what a clock that was ahead has left: moments of ours that have not come yet. Nothing that is learned from now
    /// on is older than they are.
    pub(super) fn set_clock_right(&mut self, now: Timestamp) {
        let ahead = |at: Timestamp| at > now + JITTER;
        let held = self.pushes.held.iter().any(|reading| ahead(reading.received_at));
        let known = |state: &SignalState| {
            let received = state.value.as_ref().map(|(.., received_at)| *received_at);
            let judged = state.judged.as_ref().map(|judged| judged.received_at);
            [received, judged, Some(state.answered_at)].into_iter().flatten().any(ahead)
        };
        if !held && !self.signals.iter().any(known) {
            return;
        }
        for state in &mut self.signals {
            state.answered_at = state.answered_at.min(now);
            if let Some((_, captured_at, received_at)) = &mut state.value
                && ahead(*received_at)
            {
                *received_at = now;
                *captured_at = captured_at.filter(|&at| at <= now);
                state.estimated = true;
            }
            if let Some(judged) = &mut state.judged {
                judged.received_at = judged.received_at.min(now);
                judged.observed_at = judged.observed_at.min(now);
            }
            if let Some(forgotten) = &mut state.forgotten {
                forgotten.since = forgotten.since.min(now);
                forgotten.measured_at = forgotten.measured_at.min(now);
            }
            state.doubt = None;
        }
        for reading in &mut self.pushes.held {
            reading.received_at = reading.received_at.min(now);
        }
        for gathering in self.subscriptions.iter_mut().filter_map(|on| on.gathering.as_mut()) {
            gathering.read_at = gathering.read_at.min(now);
            gathering.fresh_from = gathering.fresh_from.min(now);
        }
        self.watching.read_at = self.watching.read_at.map(|at| at.min(now));
    }

    /// The state of a signal, made when it is new.
    pub(super) fn signal_mut(&mut self, signal: SignalId) -> &mut SignalState {
        let at = match self.signals.binary_search_by_key(&signal, |state| state.signal) {
            Ok(at) => at,
            Err(at) => {
                self.signals.insert(at, SignalState::new(signal));
                at
            }
        };
        &mut self.signals[at]
    }

    /// The vehicle's subscription to a webhook.
    pub fn subscription(&self, webhook: WebhookNo) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.webhook == webhook)
    }
}

impl SignalState {
    /// Of a signal that nobody was asked about yet.
    pub(super) const fn new(signal: SignalId) -> Self {
        Self {
            signal,
            value: None,
            answered_at: Timestamp::from_micros(i64::MIN),
            fault: None,
            judged: None,
            sequence: None,
            estimated: false,
            forgotten: None,
            doubt: None,
            renumbered: None,
        }
    }

    /// Compares a value with the one that is known, or else with the one that was known last.
    pub(super) fn verdict_on(&self, value: &Value) -> Verdict {
        let known = self.value.as_ref().map(|(value, ..)| value);
        match known.or_else(|| self.forgotten.as_ref().map(|forgotten| &forgotten.value)) {
            Some(last) if last == value => Verdict::Same,
            Some(_) => Verdict::Changed,
            None if self.fault.is_some_and(is_reported) => Verdict::Returned,
            None => Verdict::First,
        }
    }
}
