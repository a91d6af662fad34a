//! The document: all that the step needs to know about one vehicle.

use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{SubscriptionId, WebhookNo},
    signal::{SignalId, Value},
    time::Timestamp,
};

/// All that the step needs to know about one vehicle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What the owner granted.
    pub permissions: PermissionSet,
    /// The signals that were ever answered, by number.
    pub signals: Vec<SignalState>,
    /// Webhooks that the vehicle is on, in the order of subscribing.
    pub subscriptions: Vec<Subscription>,
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
    /// The next slot, under the cadence of `cadence_epoch`.
    pub next_slot: Timestamp,
    /// The cadence that `next_slot` was planned under.
    pub cadence_epoch: u32,
    /// A slot that has come and whose data is not complete yet.
    pub gathering: Option<Gathering>,
    /// Events so far.
    pub sequence: u64,
    /// Slots that passed while we were down.
    pub missed: u64,
}

/// A slot that has come and whose data is not complete yet.
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

impl Document {
    /// The state of a signal.
    pub fn signal(&self, signal: SignalId) -> Option<&SignalState> {
        let at = self.signals.binary_search_by_key(&signal, |state| state.signal).ok()?;
        Some(&self.signals[at])
    }

    /// The state of a signal, made when it is new.
    pub(super) fn signal_mut(&mut self, signal: SignalId) -> &mut SignalState {
        let at = match self.signals.binary_search_by_key(&signal, |state| state.signal) {
            Ok(at) => at,
            Err(at) => {
                let new = SignalState {
                    signal,
                    value: None,
                    answered_at: Timestamp::from_micros(i64::MIN),
                    fault: None,
                };
                self.signals.insert(at, new);
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
