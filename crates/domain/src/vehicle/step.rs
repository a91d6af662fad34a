//! The step itself.

use std::time::Duration;

use super::{
    Answer, Document, Event, Fault, Gathering, Observation, Observed, Occasion, Sample, Subscription,
    VehicleInfo,
    slots::{self, Decision},
};
use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{EventId, SubscriptionId, WebhookNo},
    signal::{SignalId, Value},
    time::Timestamp,
    webhook::{Scheduled, Webhook},
};

/// What the step learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The answers of a read that [`wanted`] asked for.
    Answers(Vec<Answer>),
    /// The source as a whole could not be asked for these signals.
    SourceFailed(Vec<SignalId>, Fault),
    /// The vehicle is put on a webhook. Nothing happens when it is on it already.
    Subscribe {
        /// Which webhook.
        webhook: WebhookNo,
        /// The id of the subscription, if there is to be a new one.
        id: SubscriptionId,
    },
    /// The vehicle is taken off a webhook. Nothing happens when it is not on it.
    Unsubscribe {
        /// Which webhook.
        webhook: WebhookNo,
    },
    /// The owner changed what may be read.
    Permissions(PermissionSet),
    /// The connection ends.
    Disconnect,
    /// Time has passed, or a webhook has changed.
    Tick,
}

/// What the step wants committed beside the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What was seen; present when there are events.
    pub observation: Option<Observation>,
    /// Webhooks that are owed a POST.
    pub events: Vec<Event>,
    /// Slots that passed while nobody looked.
    pub missed: Vec<Missed>,
    /// Changes of the relational rows.
    pub rows: Vec<RowChange>,
    /// When something has to happen next.
    pub next_due: Option<Timestamp>,
    /// The step changed nothing: there is nothing to commit.
    pub unchanged: bool,
}

/// Slots that passed while nobody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Whose slots.
    pub webhook: WebhookNo,
    /// The id that the last of them would have had.
    pub id: EventId,
    /// The first.
    pub from: Timestamp,
    /// The last.
    pub until: Timestamp,
    /// How many.
    pub count: u64,
}

/// A change of the relational rows that go with the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// A subscription begins.
    Subscribe {
        /// Which webhook.
        webhook: WebhookNo,
        /// Its id on the wire.
        id: SubscriptionId,
    },
    /// A subscription ends; what is queued for it is cancelled.
    Unsubscribe {
        /// Which webhook.
        webhook: WebhookNo,
    },
    /// The connection has other permissions. When some are taken away, what is queued of the vehicle is cancelled.
    Permissions {
        /// All that is granted now.
        granted: PermissionSet,
        /// Something was taken away.
        narrowed: bool,
    },
    /// The connection ends; what is queued of the vehicle is cancelled.
    Disconnect,
}

/// The signals that a read should ask for at `now`; empty when a step needs no read.
pub fn wanted(document: &Document, webhooks: &[&Webhook], now: Timestamp) -> Vec<SignalId> {
    let mut signals = Vec::new();
    for subscription in &document.subscriptions {
        let Some((_, settings)) = live(webhooks, subscription.webhook) else { continue };
        let fresh_from = match (slots::reached(subscription, settings, now), subscription.gathering) {
            (Some(reached), _) => Gathering::begin(reached.slot, now).fresh_from,
            (None, Some(gathering)) if gathering.read_at <= now => gathering.fresh_from,
            _ => continue,
        };
        signals.extend(slots::open_signals(document, settings, fresh_from));
    }
    signals.sort_unstable();
    signals.dedup();
    signals
}

/// Takes in what was learned about a vehicle and says what follows.
///
/// `webhooks` are the current states of the webhooks that the vehicle is on; a subscription whose webhook is not among
/// them has lost it and is removed.
pub fn step(
    document: &mut Document,
    info: &VehicleInfo,
    webhooks: &[&Webhook],
    input: Input,
    now: Timestamp,
) -> Outcome {
    let outcome = Outcome { unchanged: true, ..Outcome::default() };
    let mut step = Step { document, info, webhooks, now, outcome, posts: Vec::new() };
    step.close_ended();
    step.reconcile();
    step.open_reached();
    let leave_alone = step.take_in(input);
    step.decide(leave_alone);
    step.observe();
    step.plan();
    step.outcome
}

/// The webhook if it delivers now, with its settings.
fn live<'a>(webhooks: &[&'a Webhook], no: WebhookNo) -> Option<(&'a Webhook, &'a Scheduled)> {
    let webhook = webhooks.iter().find(|webhook| webhook.no == no).copied()?;
    webhook.scheduled().filter(|_| webhook.status.delivers()).map(|settings| (webhook, settings))
}

struct Step<'a> {
    document: &'a mut Document,
    info: &'a VehicleInfo,
    webhooks: &'a [&'a Webhook],
    now: Timestamp,
    outcome: Outcome,
    /// Webhooks whose slot is posted in this step, and the oldest answer that each takes.
    posts: Vec<(WebhookNo, Timestamp)>,
}

impl Step<'_> {
    /// Follows what happened to the webhooks: deleted ones take their subscriptions along, a new cadence plans anew. A slot
    /// of the old cadence that has come is still owed.
    fn reconcile(&mut self) {
        let (webhooks, now, unchanged) = (self.webhooks, self.now, &mut self.outcome.unchanged);
        self.document.subscriptions.retain_mut(|subscription| {
            let Some(webhook) = webhooks.iter().find(|webhook| webhook.no == subscription.webhook) else {
                *unchanged = false;
                return false;
            };
            if let Some(settings) = webhook.scheduled()
                && subscription.cadence_epoch != webhook.revision.cadence_epoch
            {
                subscription.cadence_epoch = webhook.revision.cadence_epoch;
                let old = std::mem::replace(&mut subscription.next_slot, settings.cadence.next_after(now));
                if old <= now && subscription.gathering.is_none() {
                    subscription.gathering = Some(Gathering::begin(old, now));
                }
                *unchanged = false;
            }
            if !webhook.status.delivers() && subscription.gathering.take().is_some() {
                *unchanged = false;
            }
            true
        });
    }

    /// Gives up slots whose time is over, before new answers come in: they belong to the next slot.
    fn close_ended(&mut self) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(gathering) = subscription.gathering else { continue };
            if self.now >= gathering.ends_at(subscription.next_slot) {
                self.post(at, gathering);
            }
        }
    }

    /// Opens the slots that have come. Slots of a webhook that does not deliver pass silently: nothing is owed.
    fn open_reached(&mut self) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &mut self.document.subscriptions[at];
            let Some(webhook) = self.webhooks.iter().find(|webhook| webhook.no == subscription.webhook)
            else {
                continue;
            };
            let Some(settings) = webhook.scheduled() else { continue };
            let Some(reached) = slots::reached(subscription, settings, self.now) else { continue };
            let first = std::mem::replace(&mut subscription.next_slot, reached.next);
            self.outcome.unchanged = false;
            if !webhook.status.delivers() {
                continue;
            }
            subscription.gathering = Some(Gathering::begin(reached.slot, self.now));
            if let Some(until) = reached.last_missed {
                subscription.missed += reached.missed;
                self.outcome.missed.push(Missed {
                    webhook: webhook.no,
                    id: EventId::of_slot(webhook.id, self.info.id, until),
                    from: first,
                    until,
                    count: reached.missed,
                });
            }
        }
    }

    /// Takes in what was learned; answers with how long the source wants to be left alone.
    fn take_in(&mut self, input: Input) -> Option<Duration> {
        let mut leave_alone = None;
        match input {
            Input::Answers(answers) => {
                for Answer { signal, outcome } in answers {
                    leave_alone = leave_alone.max(self.answer(signal, outcome));
                }
            }
            Input::SourceFailed(signals, fault) => {
                for signal in signals {
                    leave_alone = leave_alone.max(self.answer(signal, Err(fault)));
                }
            }
            Input::Subscribe { webhook, id } => self.subscribe(webhook, id),
            Input::Unsubscribe { webhook } => self.unsubscribe(webhook),
            Input::Permissions(granted) => self.grant(granted),
            Input::Disconnect => {
                self.document.subscriptions.clear();
                self.document.signals.clear();
                self.forget_posts(|_| true);
                self.row(RowChange::Disconnect);
            }
            Input::Tick => {}
        }
        leave_alone
    }

    fn answer(
        &mut self,
        signal: SignalId,
        outcome: Result<(Value, Option<Timestamp>), Fault>,
    ) -> Option<Duration> {
        let now = self.now;
        self.outcome.unchanged = false;
        let state = self.document.signal_mut(signal);
        state.answered_at = now;
        let outcome = outcome.and_then(|(value, captured_at)| match value {
            Value::Number(number) if !number.is_finite() => {
                Err(Fault::from(ErrorCode::UPSTREAM_INVALID_DATA))
            }
            value => Ok((value, captured_at)),
        });
        match outcome {
            Ok((value, captured_at)) => {
                state.value = Some((value, captured_at, now));
                state.fault = None;
                None
            }
            Err(fault) => {
                state.fault = Some(fault.code);
                fault.retry_after
            }
        }
    }

    fn subscribe(&mut self, webhook: WebhookNo, id: SubscriptionId) {
        let known = self.webhooks.iter().find(|candidate| candidate.no == webhook);
        let (Some(known), None) = (known, self.document.subscription(webhook)) else { return };
        let Some(settings) = known.scheduled() else { return };
        self.document.subscriptions.push(Subscription {
            webhook,
            id,
            since: self.now,
            next_slot: settings.cadence.next_after(self.now),
            cadence_epoch: known.revision.cadence_epoch,
            gathering: None,
            sequence: 0,
            missed: 0,
        });
        self.row(RowChange::Subscribe { webhook, id });
    }

    fn unsubscribe(&mut self, webhook: WebhookNo) {
        if self.document.subscription(webhook).is_some() {
            self.document.subscriptions.retain(|subscription| subscription.webhook != webhook);
            self.forget_posts(|no| no == webhook);
            self.row(RowChange::Unsubscribe { webhook });
        }
    }

    fn grant(&mut self, granted: PermissionSet) {
        let had = std::mem::replace(&mut self.document.permissions, granted);
        if had != granted {
            let narrowed = had.bits() & !granted.bits() != 0;
            self.document.signals.retain(|state| granted.contains(state.signal.entry().permission));
            self.row(RowChange::Permissions { granted, narrowed });
        }
    }

    fn row(&mut self, change: RowChange) {
        self.outcome.rows.push(change);
        self.outcome.unchanged = false;
    }

    /// Events that this very step made for a subscription that it ends are not owed any more.
    fn forget_posts(&mut self, gone: impl Fn(WebhookNo) -> bool) {
        self.posts.retain(|(webhook, _)| !gone(*webhook));
        self.outcome.events.retain(|event| !gone(event.webhook));
    }

    /// Decides each open slot: post it, or read again.
    fn decide(&mut self, leave_alone: Option<Duration>) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(gathering) = subscription.gathering.filter(|gathering| gathering.read_at <= self.now)
            else {
                continue;
            };
            let Some((_, settings)) = live(self.webhooks, subscription.webhook) else { continue };
            let document = &*self.document;
            let standings =
                settings.endpoints.iter().map(|&one| slots::standing(document, one, gathering.fresh_from));
            match gathering.after_read(standings, leave_alone, subscription.next_slot, self.now) {
                Decision::Post => self.post(at, gathering),
                Decision::ReadAt(read_at) => {
                    self.outcome.unchanged = false;
                    self.document.subscriptions[at].gathering =
                        Some(Gathering { reads: gathering.reads.saturating_add(1), read_at, ..gathering });
                }
            }
        }
    }

    /// Ends a slot with an event.
    fn post(&mut self, at: usize, gathering: Gathering) {
        let subscription = &mut self.document.subscriptions[at];
        subscription.gathering = None;
        self.outcome.unchanged = false;
        let Some((webhook, _)) = live(self.webhooks, subscription.webhook) else { return };
        subscription.sequence += 1;
        self.outcome.events.push(Event {
            webhook: webhook.no,
            revision: webhook.revision.number,
            id: EventId::of_slot(webhook.id, self.info.id, gathering.slot),
            at: gathering.slot,
            sequence: subscription.sequence,
            occasion: Occasion::Slot,
            observation: 0,
        });
        self.posts.push((webhook.no, gathering.fresh_from));
    }

    /// Makes the observation that the step's events refer to: the signals of all of them, once each.
    fn observe(&mut self) {
        if self.outcome.events.is_empty() {
            return;
        }
        let mut signals: Vec<(SignalId, Timestamp)> = Vec::new();
        for &(webhook, fresh_from) in &self.posts {
            let Some((_, settings)) = live(self.webhooks, webhook) else { continue };
            for &endpoint in &settings.endpoints {
                signals.extend(endpoint.signals().iter().map(|&signal| (signal, fresh_from)));
            }
        }
        signals.sort_unstable();
        signals.dedup_by_key(|(signal, _)| *signal);
        let document = &*self.document;
        let signals =
            signals.into_iter().map(|(signal, fresh_from)| observed(document, signal, fresh_from)).collect();
        self.outcome.observation = Some(Observation { taken_at: self.now, signals });
    }

    /// When the vehicle has to be looked at next.
    fn plan(&mut self) {
        self.outcome.next_due = self
            .document
            .subscriptions
            .iter()
            .map(|subscription| {
                let slot = subscription.next_slot;
                subscription.gathering.map_or(slot, |g| g.read_at.min(g.ends_at(slot)))
            })
            .min();
    }
}

/// What an event says of a signal: its value if it is fresh enough, else why it is missing and what was known before.
fn observed(document: &Document, signal: SignalId, fresh_from: Timestamp) -> Observed {
    if !document.permissions.contains(signal.entry().permission) {
        return Observed { signal, outcome: Err(ErrorCode::PERMISSION), older: None };
    }
    let state = document.signal(signal);
    let sample = state.and_then(|state| state.value.as_ref()).map(|(value, captured_at, retrieved_at)| {
        Sample { value: value.clone(), captured_at: *captured_at, retrieved_at: *retrieved_at }
    });
    let fault = match state.filter(|state| state.answered_at >= fresh_from) {
        None => Some(ErrorCode::UPSTREAM_NO_RESPONSE),
        Some(state) => state.fault,
    };
    match (fault, sample) {
        (None, Some(sample)) => Observed { signal, outcome: Ok(sample), older: None },
        (fault, older) => {
            Observed { signal, outcome: Err(fault.unwrap_or(ErrorCode::UPSTREAM_NO_RESPONSE)), older }
        }
    }
}
