//! The step itself: what goes in, what comes out, and in which order it works.

mod intake;
mod opening;
mod planning;
mod telling;

pub use telling::observe;

use super::{
    Answer, Document, Event, Fault, FeedKey, Fired, Gathering, Judgement, Observation, Reading, Subscription,
    Tally, VehicleInfo, charging, ladder,
    slots::{self, Rhythm},
    watch,
};
use crate::{
    connect::PermissionSet,
    ids::{EventId, SubscriptionId, WebhookNo},
    signal::{SignalId, Value},
    time::Timestamp,
    webhook::{Plan, Webhook},
};

/// What the step learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The answers of a read that [`wanted`] asked for.
    Answers(Vec<Answer>),
    /// The source as a whole could not be asked for these signals.
    SourceFailed(Vec<SignalId>, Fault),
    /// What came of a read of these signals that somebody asked for, beside those that are due: its answers, or how the
    /// source as a whole failed. It changes what is known, and nothing about when the vehicle is read next.
    Asked(Vec<SignalId>, Result<Vec<Answer>, Fault>),
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
    /// The owner changed what may be read, if it was this.
    PermissionsIf {
        /// What was granted.
        was: PermissionSet,
        /// What is granted from now on.
        granted: PermissionSet,
    },
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
    /// Slots that ended without an event.
    pub lapsed: Vec<Lapsed>,
    /// How the readings of each feed were judged.
    pub pushed: Vec<(FeedKey, Tally)>,
    /// What became of the readings of the input that were not simply applied.
    pub judgements: Vec<Judgement>,
    /// Changes of the relational rows.
    pub rows: Vec<RowChange>,
    /// When something has to happen next.
    pub next_due: Option<Timestamp>,
    /// The step changed nothing: there is nothing to commit.
    pub unchanged: bool,
}

/// Slots that ended without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapsed {
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
    /// Why there is no event.
    pub why: Lapse,
}

/// Why a slot ended without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// It passed while nobody looked.
    Missed,
    /// Its webhook was switched off while it was gathered.
    SwitchedOff,
    /// The vehicle left the webhook, or its connection ended, while it was gathered.
    Left,
    /// Its webhook was not verified when it came. So are events of other webhooks that would have been made.
    Unverified,
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
    let asked = matches!(input, Input::Asked(..));
    let tick = matches!(input, Input::Tick);
    let mut step = Step {
        document,
        info,
        webhooks,
        now,
        outcome,
        owed,
        seen,
        watched,
        was_plugged_in,
        asked,
        tick,
        firsts: vec![],
    };
    step.document.set_clock_right(now);
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

/// The webhook if it is only unverified: switched on, and what it misses is to be seen.
fn unverified<'a>(webhooks: &[&'a Webhook], no: WebhookNo) -> Option<&'a Webhook> {
    let status = |webhook: &&Webhook| !webhook.status.verified && webhook.status.disabled.is_none();
    webhooks.iter().find(|webhook| webhook.no == no).copied().filter(status)
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

/// Until when pushes make reads needless: all that can make a webhook fire has lately come by push.
fn suspended_until(document: &Document, info: &VehicleInfo, webhooks: &[&Webhook]) -> Option<Timestamp> {
    let interval = ladder::interval(&info.make, ladder::activity(document), document.watching.quiet);
    let fresh_until = |signal: SignalId| {
        let judged = document.signal(signal).and_then(|state| state.judged.as_ref());
        let pushed = judged.filter(|judged| judged.pushed && judged.verdict.is_news());
        pushed.map(|judged| judged.received_at + interval * ladder::SILENCE)
    };
    let mut until = Timestamp::NEVER;
    for webhook in document.subscriptions.iter().filter_map(|on| live(webhooks, on.webhook)) {
        match &webhook.revision.plan {
            Plan::Unified(unified) => {
                for trigger in &unified.triggers {
                    until = until.min(fresh_until(trigger.signal)?);
                }
            }
            Plan::EventBased(_) => until = until.min(fresh_until(crate::signal::IS_CHARGING)?),
            Plan::Scheduled(_) | Plan::Dynamic(_) => {}
        }
    }
    Some(until)
}

/// Whether pushes make reads needless now.
fn suspended(document: &Document, info: &VehicleInfo, webhooks: &[&Webhook], now: Timestamp) -> bool {
    suspended_until(document, info, webhooks).is_some_and(|until| until > now)
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
    /// The step takes in a read that was not due.
    asked: bool,
    /// Signals that have just had their first value.
    firsts: Vec<SignalId>,
    /// Time has passed, or a webhook has changed.
    tick: bool,
}

/// An event without its observation.
struct Owed {
    event: Event,
    /// The oldest answer that it takes; any, when there is none.
    fresh_from: Option<Timestamp>,
    /// What fired, with what it was held against.
    causes: Vec<(Fired, Option<Value>)>,
}

/// What a step has seen so far.
#[derive(Default)]
struct Seen {
    /// A read that was due came back, with answers or with a failure.
    read: bool,
    /// Readings were pushed.
    push: bool,
    /// Something has another value than before.
    change: bool,
    /// Something failed that worked, or works that failed.
    faults: bool,
}
