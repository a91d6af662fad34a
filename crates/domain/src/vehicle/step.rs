//! The step itself.

use std::time::Duration;

use super::{
    Answer, Document, Event, Fault, Gathering, Judged, Observation, Observed, Occasion, Reading, Sample,
    SignalState, Subscription, Told, VehicleInfo, Verdict, charging,
    ladder::{self, SLOWEST},
    readings::{self, is_reported},
    slots::{self, Decision, Rhythm},
    watch,
};
use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{EventId, SubscriptionId, WebhookNo},
    signal::{SignalId, Value, plausible},
    time::Timestamp,
    webhook::{Coverage, Plan, Unified, Webhook, charging_coverage},
};

/// What the step learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The answers of a read that [`wanted`] asked for.
    Answers(Vec<Answer>),
    /// The source as a whole could not be asked for these signals.
    SourceFailed(Vec<SignalId>, Fault),
    /// Readings that were pushed.
    Readings(Vec<Reading>),
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
    /// The owner has approved at the brand that charging events are reported.
    Approve,
    /// The connection ends.
    Disconnect,
    /// Time has passed, or a webhook has changed.
    Tick,
}

/// What the step wants committed beside the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What was seen; each event carries one of these.
    pub observations: Vec<Observation>,
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
pub fn wanted(
    document: &Document,
    info: &VehicleInfo,
    webhooks: &[&Webhook],
    now: Timestamp,
) -> Vec<SignalId> {
    let mut signals = Vec::new();
    if document.pushes.only {
        return signals;
    }
    let watched =
        document.watching.read_at.is_some_and(|at| at <= now) && !suspended(document, info, webhooks, now);
    for subscription in &document.subscriptions {
        let Some(webhook) = live(webhooks, subscription.webhook) else { continue };
        let gathers = subscription.gathering.filter(|gathering| gathering.read_at <= now);
        let plan = &webhook.revision.plan;
        if let (Some(endpoints), Some(rhythm)) =
            (plan.endpoints(), Rhythm::of(plan, subscription.since, document, info))
        {
            let fresh_from = match (slots::reached(subscription, &rhythm, now), gathers) {
                (Some(reached), _) => Gathering::begin(reached.slot, now).fresh_from,
                (None, Some(gathering)) => gathering.fresh_from,
                (None, None) => continue,
            };
            signals.extend(slots::open_signals(document, endpoints, fresh_from));
        } else if watched || gathers.is_some() || owes_first(webhook, subscription) {
            signals.extend(watched_signals(plan));
        }
    }
    signals.retain(|signal| document.permissions.contains(signal.entry().permission));
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
    // What has only slots needs no record of how its readings were judged.
    let watched = webhooks.iter().any(|webhook| webhook.revision.plan.endpoints().is_none());
    let (owed, seen) = (Vec::new(), Seen::default());
    let was_plugged_in = charging::is_plugged_in(document);
    let mut step = Step { document, info, webhooks, now, outcome, owed, seen, watched, was_plugged_in };
    step.close_ended();
    step.reconcile();
    step.open_reached();
    let leave_alone = step.take_in(input);
    step.decide(leave_alone);
    step.report_errors();
    step.observe();
    step.plan(leave_alone);
    step.outcome
}

/// The webhook if it delivers now.
fn live<'a>(webhooks: &[&'a Webhook], no: WebhookNo) -> Option<&'a Webhook> {
    webhooks.iter().find(|webhook| webhook.no == no).copied().filter(|webhook| webhook.status.delivers())
}

/// Whether a vehicle owes a unified webhook its first delivery.
fn owes_first(webhook: &Webhook, subscription: &Subscription) -> bool {
    webhook.unified().is_some() && subscription.told.epoch != webhook.status.epoch
}

/// The signals that a webhook without slots watches.
fn watched_signals(plan: &Plan) -> Vec<SignalId> {
    match plan {
        Plan::Unified(unified) => watch::signals(unified).collect(),
        Plan::EventBased(_) => charging::SIGNALS.to_vec(),
        Plan::Scheduled(_) | Plan::Dynamic(_) => Vec::new(),
    }
}

/// Whether a stream of pushes makes reads needless: all that can make a webhook fire has lately come by push.
fn suspended(document: &Document, info: &VehicleInfo, webhooks: &[&Webhook], now: Timestamp) -> bool {
    let interval = ladder::interval(&info.make, ladder::activity(document), document.watching.quiet);
    if ladder::suspended_until(document, interval).is_none_or(|until| until <= now) {
        return false;
    }
    let pushed = |signal: SignalId| {
        document.signal(signal).and_then(|state| state.judged.as_ref()).is_some_and(|judged| judged.pushed)
    };
    document.subscriptions.iter().filter_map(|on| live(webhooks, on.webhook)).all(|webhook| {
        match &webhook.revision.plan {
            Plan::Unified(unified) => unified.triggers.iter().all(|trigger| pushed(trigger.signal)),
            Plan::EventBased(_) => pushed(crate::signal::IS_CHARGING),
            Plan::Scheduled(_) | Plan::Dynamic(_) => true,
        }
    })
}

struct Step<'a> {
    document: &'a mut Document,
    info: &'a VehicleInfo,
    webhooks: &'a [&'a Webhook],
    now: Timestamp,
    outcome: Outcome,
    /// Events of this step that have no observation yet.
    owed: Vec<Owed>,
    seen: Seen,
    /// A webhook is among them that watches the vehicle.
    watched: bool,
    /// Whether the vehicle was plugged in before the step.
    was_plugged_in: bool,
}

/// An event without its observation.
struct Owed {
    event: Event,
    /// The oldest answer that it takes; any, when there is none.
    fresh_from: Option<Timestamp>,
}

/// What a step has seen so far.
#[derive(Default)]
struct Seen {
    /// A read came back, with answers or with a failure.
    read: bool,
    /// Readings were pushed.
    push: bool,
    /// Something has another value than before.
    change: bool,
    /// Something failed that worked, or works that failed.
    faults: bool,
}

impl Step<'_> {
    /// Follows what happened to the webhooks: deleted ones take their subscriptions along, a new cadence plans anew. A slot
    /// of the old cadence that has come is still owed.
    fn reconcile(&mut self) {
        let (webhooks, now, info) = (self.webhooks, self.now, self.info);
        let mut subscriptions = std::mem::take(&mut self.document.subscriptions);
        let unchanged = &mut self.outcome.unchanged;
        subscriptions.retain_mut(|subscription| {
            let Some(webhook) = webhooks.iter().find(|webhook| webhook.no == subscription.webhook) else {
                *unchanged = false;
                return false;
            };
            let rhythm = Rhythm::of(&webhook.revision.plan, subscription.since, self.document, info);
            if let Some(rhythm) = rhythm
                && subscription.cadence_epoch != webhook.revision.cadence_epoch
            {
                subscription.cadence_epoch = webhook.revision.cadence_epoch;
                let old = std::mem::replace(&mut subscription.next_slot, rhythm.next_after(now));
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
        self.document.subscriptions = subscriptions;
    }

    /// Gives up slots whose time is over, before new answers come in: they belong to the next slot.
    fn close_ended(&mut self) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(gathering) = subscription.gathering else { continue };
            let has_slots = subscription.next_slot != Timestamp::NEVER;
            if has_slots && self.now >= gathering.ends_at(subscription.next_slot) {
                self.post(at, gathering);
            }
        }
    }

    /// Opens the slots that have come, and first deliveries that are owed. Slots of a webhook that does not deliver pass
    /// silently: nothing is owed.
    fn open_reached(&mut self) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(webhook) = self.webhooks.iter().find(|webhook| webhook.no == subscription.webhook)
            else {
                continue;
            };
            let plan = &webhook.revision.plan;
            match Rhythm::of(plan, subscription.since, self.document, self.info) {
                Some(rhythm) => {
                    let reached = slots::reached(subscription, &rhythm, self.now);
                    if let Some(reached) = reached {
                        self.open_slot(at, webhook, reached);
                    }
                }
                None => self.open_watch(at, webhook),
            }
        }
    }

    fn open_slot(&mut self, at: usize, webhook: &Webhook, reached: slots::Reached) {
        let subscription = &mut self.document.subscriptions[at];
        let first = std::mem::replace(&mut subscription.next_slot, reached.next);
        self.outcome.unchanged = false;
        if !webhook.status.delivers() {
            return;
        }
        subscription.gathering = Some(match self.document.pushes.only {
            true => Gathering::of_pushes(reached.slot, self.now),
            false => Gathering::begin(reached.slot, self.now),
        });
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

    /// A webhook that watches the vehicle and has begun to deliver is owed a first delivery; charging events begin with
    /// the next change.
    fn open_watch(&mut self, at: usize, webhook: &Webhook) {
        let subscription = &mut self.document.subscriptions[at];
        if !webhook.status.delivers() || subscription.told.epoch == webhook.status.epoch {
            return;
        }
        if webhook.unified().is_none() {
            subscription.told.epoch = webhook.status.epoch;
            self.document.watching.charging = None;
        } else if subscription.gathering.is_none() {
            let fresh_from = self.now - slots::WINDOW;
            subscription.gathering =
                Some(Gathering { slot: self.now, fresh_from, reads: 0, read_at: self.now });
        } else {
            return;
        }
        self.outcome.unchanged = false;
    }

    /// Takes in what was learned; answers with how long the source wants to be left alone.
    fn take_in(&mut self, input: Input) -> Option<Duration> {
        let mut leave_alone = None;
        match input {
            Input::Answers(answers) => {
                self.seen.read = true;
                let mut changed = Vec::new();
                for Answer { signal, outcome } in answers {
                    leave_alone = leave_alone.max(self.answer(signal, outcome, &mut changed));
                }
                self.source_works();
                self.look(&changed);
            }
            Input::SourceFailed(signals, fault) => {
                self.seen.read = true;
                self.seen.faults |= self.document.watching.source_fault != Some(fault.code);
                self.document.watching.source_fault = Some(fault.code);
                for signal in signals {
                    leave_alone = leave_alone.max(self.answer(signal, Err(fault), &mut Vec::new()));
                }
            }
            Input::Readings(readings) => self.push(readings),
            Input::Subscribe { webhook, id } => self.subscribe(webhook, id),
            Input::Unsubscribe { webhook } => self.unsubscribe(webhook),
            Input::Permissions(granted) => self.grant(granted),
            Input::Approve => {
                self.outcome.unchanged &= self.document.watching.approved;
                self.document.watching.approved = true;
            }
            Input::Disconnect => {
                self.document.subscriptions.clear();
                self.document.signals.clear();
                self.document.pushes.held.clear();
                self.forget_owed(|_| true);
                self.row(RowChange::Disconnect);
            }
            Input::Tick if self.document.pushes.held.is_empty() => {}
            Input::Tick => self.release(Vec::new()),
        }
        leave_alone
    }

    /// The source answers again: what its failure meant for signals that it was not asked about now is not true any more.
    fn source_works(&mut self) {
        let Some(failed) = self.document.watching.source_fault.take() else { return };
        self.seen.faults = true;
        let now = self.now;
        let stale = |state: &&mut SignalState| state.fault == Some(failed) && state.answered_at < now;
        for state in self.document.signals.iter_mut().filter(stale) {
            state.fault = None;
            state.answered_at =
                state.value.as_ref().map_or(Timestamp::from_micros(i64::MIN), |value| value.2);
        }
    }

    /// Takes in one answer of a read; a signal with another value than before joins the changed ones.
    fn answer(
        &mut self,
        signal: SignalId,
        outcome: Result<(Value, Option<Timestamp>), Fault>,
        changed: &mut Vec<SignalId>,
    ) -> Option<Duration> {
        let now = self.now;
        self.outcome.unchanged = false;
        let state = self.document.signal_mut(signal);
        state.answered_at = now;
        let outcome = outcome.and_then(|(value, captured_at)| match plausible(signal, &value) {
            false => Err(Fault::from(ErrorCode::UPSTREAM_INVALID_DATA)),
            true => Ok((value, captured_at)),
        });
        match outcome {
            Ok((value, captured_at)) => {
                if self.take(signal, value, captured_at, None) {
                    changed.push(signal);
                }
                None
            }
            Err(fault) => {
                self.seen.faults |= state.fault != Some(fault.code);
                state.fault = Some(fault.code);
                fault.retry_after
            }
        }
    }

    /// Takes in pushed readings, moment by moment: what was measured together makes one event.
    fn push(&mut self, readings: Vec<Reading>) {
        self.seen.push = true;
        self.document.pushes.last_at = Some(self.now);
        self.outcome.unchanged = false;
        self.release(readings);
    }

    fn release(&mut self, readings: Vec<Reading>) {
        let ready = readings::admit(self.document, readings, self.now);
        self.outcome.unchanged &= ready.is_empty();
        for moment in ready.chunk_by(|one, next| one.moment() == next.moment()) {
            let mut changed = Vec::new();
            for reading in moment {
                if self.take_reading(reading) && !changed.contains(&reading.signal) {
                    changed.push(reading.signal);
                }
            }
            self.look(&changed);
            if !self.owed.is_empty() {
                self.report_errors();
                self.observe();
            }
        }
    }

    /// Judges a reading and takes its value if it is the newest; true when that is a change.
    fn take_reading(&mut self, reading: &Reading) -> bool {
        let verdict = reading.judge(self.document.signal(reading.signal));
        if verdict.is_taken() {
            let moment = Some(reading.moment());
            let changed = self.take(reading.signal, reading.value.clone(), moment, Some(reading));
            let state = self.document.signal_mut(reading.signal);
            state.answered_at = self.now;
            if let super::Order::Sequence(number) = reading.order {
                state.sequence = Some(number);
            }
            return changed;
        }
        let (observed_at, received_at) = (reading.moment(), reading.received_at);
        let state = self.document.signal_mut(reading.signal);
        let before = state.judged.take().and_then(|judged| judged.before);
        let refused = Some(reading.value.clone());
        state.judged = Some(Judged { verdict, observed_at, received_at, pushed: true, refused, before });
        false
    }

    /// Takes a value; true when it is a change: another one than before, or the first after an error that was told.
    fn take(
        &mut self,
        signal: SignalId,
        value: Value,
        captured_at: Option<Timestamp>,
        pushed: Option<&Reading>,
    ) -> bool {
        let now = self.now;
        let received_at = pushed.map_or(now, |reading| reading.received_at);
        let state = self.document.signal_mut(signal);
        let failed = state.fault.take();
        let overtaken = pushed.is_none()
            && state.judged.as_ref().is_some_and(|judged| judged.pushed)
            && state.value.as_ref().is_some_and(|(_, newest, _)| captured_at < *newest);
        let mut before = state.judged.take().and_then(|judged| judged.before);
        let verdict = match &state.value {
            Some(_) if overtaken => Verdict::Late,
            Some((old, ..)) if *old == value => Verdict::Same,
            Some((old, ..)) => {
                before = Some((old.clone(), received_at));
                Verdict::Changed
            }
            None => Verdict::First,
        };
        let observed_at = captured_at.unwrap_or(received_at);
        let (refused, pushed) = (overtaken.then(|| value.clone()), pushed.is_some() || overtaken);
        if pushed || self.watched {
            state.judged = Some(Judged { verdict, observed_at, received_at, pushed, refused, before });
        }
        if !overtaken {
            state.value = Some((value, captured_at, received_at));
        }
        self.seen.faults |= failed.is_some() || verdict == Verdict::First;
        let changed =
            verdict == Verdict::Changed || (verdict == Verdict::First && failed.is_some_and(is_reported));
        if changed {
            self.seen.change = true;
            self.document.watching.quiet = 0;
        }
        changed
    }

    /// Tells webhooks that watch the vehicle what has changed.
    fn look(&mut self, changed: &[SignalId]) {
        let before = self.document.watching.charging;
        let after = charging::is_charging(self.document);
        self.document.watching.charging = after.or(before);
        let charging = charging::event(before, after, self.document);
        if changed.is_empty() && charging.is_none() {
            return;
        }
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(webhook) = live(self.webhooks, subscription.webhook) else { continue };
            if subscription.told.epoch != webhook.status.epoch {
                continue;
            }
            match &webhook.revision.plan {
                Plan::Unified(unified) => {
                    let fired = watch::fired(self.document, &subscription.told, unified, changed);
                    if !fired.is_empty() {
                        self.tell(at, webhook, unified, Some(fired));
                    }
                }
                Plan::EventBased(settings) => {
                    if let Some(event) = charging.filter(|&event| settings.events.contains(event))
                        && self.is_approved()
                    {
                        self.owe(at, webhook, Occasion::Charging(event));
                    }
                }
                Plan::Scheduled(_) | Plan::Dynamic(_) => {}
            }
        }
    }

    /// Whether charging events of the vehicle may be reported.
    fn is_approved(&self) -> bool {
        self.document.watching.approved || charging_coverage(self.info) != Coverage::NeedsApproval
    }

    /// Owes a unified webhook what these triggers have fired, or the first delivery.
    fn tell(&mut self, at: usize, webhook: &Webhook, unified: &Unified, fired: Option<Vec<SignalId>>) {
        let told = std::mem::take(&mut self.document.subscriptions[at].told);
        let mut told = Told { epoch: webhook.status.epoch, ..told };
        watch::remember(self.document, &mut told, unified, fired.as_deref());
        self.document.subscriptions[at].told = told;
        self.owe(at, webhook, fired.map_or(Occasion::FirstDelivery, Occasion::Changed));
    }

    /// Owes a webhook an event that has no slot.
    fn owe(&mut self, at: usize, webhook: &Webhook, occasion: Occasion) {
        let subscription = &mut self.document.subscriptions[at];
        let moment = u64::try_from(self.now.as_millis()).unwrap_or(0);
        subscription.sequence = moment.max(subscription.sequence + 1);
        self.outcome.unchanged = false;
        let event = Event {
            webhook: webhook.no,
            revision: webhook.revision.number,
            id: EventId::of_number(subscription.id, subscription.sequence),
            at: self.now,
            sequence: subscription.sequence,
            occasion,
            observation: 0,
        };
        self.owed.push(Owed { event, fresh_from: None });
    }

    fn subscribe(&mut self, webhook: WebhookNo, id: SubscriptionId) {
        let known = self.webhooks.iter().find(|candidate| candidate.no == webhook);
        let (Some(known), None) = (known, self.document.subscription(webhook)) else { return };
        let rhythm = Rhythm::of(&known.revision.plan, self.now, self.document, self.info);
        self.document.subscriptions.push(Subscription {
            webhook,
            id,
            since: self.now,
            next_slot: rhythm.map_or(Timestamp::NEVER, |rhythm| rhythm.next_after(self.now)),
            cadence_epoch: known.revision.cadence_epoch,
            gathering: None,
            sequence: 0,
            missed: 0,
            told: Told::default(),
        });
        self.row(RowChange::Subscribe { webhook, id });
        if known.revision.plan.endpoints().is_none() {
            self.open_watch(self.document.subscriptions.len() - 1, known);
        }
    }

    fn unsubscribe(&mut self, webhook: WebhookNo) {
        if self.document.subscription(webhook).is_some() {
            self.document.subscriptions.retain(|subscription| subscription.webhook != webhook);
            self.forget_owed(|no| no == webhook);
            self.row(RowChange::Unsubscribe { webhook });
        }
    }

    fn grant(&mut self, granted: PermissionSet) {
        let had = std::mem::replace(&mut self.document.permissions, granted);
        if had != granted {
            let narrowed = had.bits() & !granted.bits() != 0;
            self.document.signals.retain(|state| granted.contains(state.signal.entry().permission));
            self.seen.faults = true;
            if self.document.watching.read_at.is_some() {
                self.document.watching.read_at = Some(self.now);
            }
            self.row(RowChange::Permissions { granted, narrowed });
        }
    }

    fn row(&mut self, change: RowChange) {
        self.outcome.rows.push(change);
        self.outcome.unchanged = false;
    }

    /// Events that this very step made for a subscription that it ends are not owed any more.
    fn forget_owed(&mut self, gone: impl Fn(WebhookNo) -> bool) {
        self.owed.retain(|owed| !gone(owed.event.webhook));
    }

    /// Decides each open slot and first delivery: post it, or read again.
    fn decide(&mut self, leave_alone: Option<Duration>) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(gathering) = subscription.gathering else { continue };
            let Some(webhook) = live(self.webhooks, subscription.webhook) else { continue };
            if let Some(unified) = webhook.unified() {
                self.decide_first(at, webhook, unified, gathering, leave_alone);
                continue;
            }
            let Some(endpoints) = webhook.revision.plan.endpoints() else { continue };
            if gathering.read_at > self.now {
                continue;
            }
            let document = &*self.document;
            let standings = endpoints.iter().map(|&one| slots::standing(document, one, gathering.fresh_from));
            match gathering.after_read(standings, leave_alone, subscription.next_slot, self.now) {
                Decision::Post => self.post(at, gathering),
                Decision::ReadAt(read_at) => self.gather_on(at, gathering, read_at),
            }
        }
    }

    fn gather_on(&mut self, at: usize, gathering: Gathering, read_at: Timestamp) {
        self.outcome.unchanged = false;
        self.document.subscriptions[at].gathering =
            Some(Gathering { reads: gathering.reads.saturating_add(1), read_at, ..gathering });
    }

    /// A first delivery is posted as soon as everything is answered, with what there is after a quarter of an hour, and
    /// with what was pushed where nobody can be asked.
    fn decide_first(
        &mut self,
        at: usize,
        webhook: &Webhook,
        unified: &Unified,
        gathering: Gathering,
        leave_alone: Option<Duration>,
    ) {
        let standings: Vec<_> = watch::standings(self.document, unified, gathering.fresh_from).collect();
        let give_up = gathering.slot + slots::WINDOW;
        let decision = if self.document.pushes.only {
            let known = watch::signals(unified).any(|signal| self.document.value(signal).is_some());
            if known { Decision::Post } else { Decision::ReadAt(Timestamp::NEVER) }
        } else if !standings.contains(&slots::Standing::Open) || self.now >= give_up {
            Decision::Post
        } else if self.seen.read && gathering.read_at <= self.now {
            gathering.after_read(standings.into_iter(), leave_alone, give_up, self.now)
        } else {
            return;
        };
        match decision {
            Decision::Post => {
                self.document.subscriptions[at].gathering = None;
                self.seen.faults = true;
                self.tell(at, webhook, unified, None);
            }
            Decision::ReadAt(read_at) if read_at != gathering.read_at => {
                self.gather_on(at, gathering, read_at);
            }
            Decision::ReadAt(_) => {}
        }
    }

    /// Ends a slot with an event.
    fn post(&mut self, at: usize, gathering: Gathering) {
        let subscription = &mut self.document.subscriptions[at];
        subscription.gathering = None;
        self.outcome.unchanged = false;
        let Some(webhook) = live(self.webhooks, subscription.webhook) else { return };
        subscription.sequence += 1;
        let event = Event {
            webhook: webhook.no,
            revision: webhook.revision.number,
            id: EventId::of_slot(webhook.id, self.info.id, gathering.slot),
            at: gathering.slot,
            sequence: subscription.sequence,
            occasion: Occasion::Slot,
            observation: 0,
        };
        self.owed.push(Owed { event, fresh_from: Some(gathering.fresh_from) });
    }

    /// Owes unified webhooks the errors that have appeared or cleared.
    fn report_errors(&mut self) {
        if !std::mem::take(&mut self.seen.faults) {
            return;
        }
        for at in 0..self.document.subscriptions.len() {
            let Some(webhook) = live(self.webhooks, self.document.subscriptions[at].webhook) else {
                continue;
            };
            let Some(unified) = webhook.unified() else { continue };
            if owes_first(webhook, &self.document.subscriptions[at]) {
                continue;
            }
            let mut subscription = self.document.subscriptions[at].clone();
            let changes = watch::error_changes(self.document, &mut subscription, unified);
            self.document.subscriptions[at] = subscription;
            if !changes.is_empty() {
                self.owe(at, webhook, Occasion::Errors(changes));
            }
        }
    }

    /// Makes the observation that the owed events carry: the signals of all of them, once each.
    fn observe(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        let mut signals: Vec<(SignalId, Option<Timestamp>)> = Vec::new();
        for Owed { event, fresh_from } in &self.owed {
            let Some(webhook) = live(self.webhooks, event.webhook) else { continue };
            match (&webhook.revision.plan, webhook.revision.plan.endpoints()) {
                (_, Some(endpoints)) => {
                    let of_endpoint = endpoints.iter().flat_map(|endpoint| endpoint.signals());
                    signals.extend(of_endpoint.map(|&signal| (signal, *fresh_from)));
                }
                (Plan::Unified(unified), _) => {
                    signals.extend(watch::signals(unified).map(|signal| (signal, None)));
                }
                _ => {}
            }
        }
        // Where a slot asks for fresh values, its limit counts; of two slots, the earlier one's.
        signals.sort_unstable_by_key(|&(signal, fresh_from)| (signal, fresh_from.is_none(), fresh_from));
        signals.dedup_by_key(|(signal, _)| *signal);
        let document = &*self.document;
        let signals = signals
            .into_iter()
            .map(|(signal, fresh_from)| {
                observed(document, signal, fresh_from.unwrap_or(Timestamp::from_micros(i64::MIN)))
            })
            .collect();
        let observation = self.outcome.observations.len();
        self.outcome.observations.push(Observation { taken_at: self.now, signals });
        let events = self.owed.drain(..).map(|owed| Event { observation, ..owed.event });
        self.outcome.events.extend(events);
    }

    /// When the vehicle has to be looked at next.
    fn plan(&mut self, leave_alone: Option<Duration>) {
        self.plan_dynamic();
        self.plan_watching(leave_alone);
        let slots = self.document.subscriptions.iter().filter_map(|subscription| {
            let slot = subscription.next_slot;
            let due = match subscription.gathering {
                Some(gathering) if slot == Timestamp::NEVER => gathering.read_at,
                Some(gathering) => gathering.read_at.min(gathering.ends_at(slot)),
                None => slot,
            };
            (due != Timestamp::NEVER).then_some(due)
        });
        let held = readings::next_release(&self.document.pushes.held);
        self.outcome.next_due = slots.chain(self.document.watching.read_at).chain(held).min();
    }

    /// A vehicle that was plugged in or out has its dynamic slots faster or slower from now on. Otherwise a slot that has
    /// passed stays passed, wherever the clock stands.
    fn plan_dynamic(&mut self) {
        if charging::is_plugged_in(self.document) == self.was_plugged_in {
            return;
        }
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let webhook = self.webhooks.iter().find(|webhook| webhook.no == subscription.webhook);
            let Some(webhook) = webhook else { continue };
            let plan = &webhook.revision.plan;
            let Plan::Dynamic(_) = plan else { continue };
            let Some(rhythm) = Rhythm::of(plan, subscription.since, self.document, self.info) else {
                continue;
            };
            let next = rhythm.next_after(self.now);
            if next != subscription.next_slot {
                self.document.subscriptions[at].next_slot = next;
                self.outcome.unchanged = false;
            }
        }
    }

    /// When the vehicle is read next for webhooks that watch it.
    fn plan_watching(&mut self, leave_alone: Option<Duration>) {
        let watched = !self.document.pushes.only
            && self.document.subscriptions.iter().any(|on| {
                live(self.webhooks, on.webhook)
                    .is_some_and(|webhook| webhook.revision.plan.endpoints().is_none())
            });
        let planned = self.document.watching.read_at;
        let next = match planned {
            _ if !watched => None,
            None => Some(self.now),
            Some(at) if at > self.now => Some(at),
            Some(_) if self.seen.read => Some(self.next_watch(leave_alone)),
            Some(_) if suspended(self.document, self.info, self.webhooks, self.now) => {
                Some(self.next_watch(leave_alone))
            }
            planned => planned,
        };
        if next != planned {
            self.document.watching.read_at = next;
            self.outcome.unchanged = false;
        }
    }

    fn next_watch(&mut self, leave_alone: Option<Duration>) -> Timestamp {
        if self.seen.read && !self.seen.change {
            self.document.watching.quiet = self.document.watching.quiet.saturating_add(1);
        }
        let interval =
            ladder::interval(&self.info.make, ladder::activity(self.document), self.document.watching.quiet);
        let next = self.now + ladder::spread(interval, self.info.id.0);
        let next = next.max(self.now + leave_alone.unwrap_or(Duration::ZERO).min(SLOWEST));
        match suspended(self.document, self.info, self.webhooks, self.now) {
            true => ladder::suspended_until(self.document, interval).map_or(next, |until| until.max(next)),
            false => next,
        }
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
