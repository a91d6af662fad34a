//! Why a trigger fired, or did not: from what is kept of its signal's last reading and of the subscription.

use domain::{
    errors::ErrorCode,
    ids::{EventId, VehicleId, WebhookId},
    signal::{SignalId, Value},
    time::Timestamp,
    vehicle::{Document, Judged, Subscription, Verdict},
    webhook::{Plan, Trigger, Webhook},
};

use crate::{App, AppError};

/// What is known of one trigger of a webhook about one vehicle.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The trigger's signal.
    pub signal: SignalId,
    /// Whether its last reading made an event, and else why not.
    pub finding: Finding,
    /// Its value now, with the moments at which it was measured and had.
    pub value: Option<(Value, Option<Timestamp>, Timestamp)>,
    /// How its last reading was judged, and by what.
    pub judged: Option<Judged>,
    /// Why it could not be read when it was last asked for.
    pub fault: Option<ErrorCode>,
    /// By how much it has to move.
    pub dead_band: Option<f64>,
    /// What the last event carried of it, where it has a dead band.
    pub baseline: Option<Value>,
    /// The newest event of the subscription.
    pub last_event: Option<EventId>,
    /// When the vehicle is read next for this.
    pub next_read: Option<Timestamp>,
}

/// Whether a trigger fired, and else why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Its value changed.
    Fired,
    /// The vehicle is not on the webhook.
    NotSubscribed,
    /// Its value changed before the vehicle was on the webhook.
    BeforeSubscription,
    /// The webhook is not verified, or is switched off.
    NotDelivering,
    /// The first delivery, which carries all signals, is still being gathered.
    FirstDeliveryPending,
    /// The owner has not granted it.
    NotPermitted,
    /// It could not be read.
    Failed,
    /// Nothing was read or pushed yet.
    NothingYet,
    /// It was the first value.
    FirstValue,
    /// The value was the same as before.
    SameValue,
    /// The change was smaller than the dead band.
    WithinDeadBand,
    /// The reading was known already.
    Duplicate,
    /// The reading was older than what was known.
    Late,
    /// The value is not one that the signal can have.
    Implausible,
}

impl Finding {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::NotSubscribed => "notSubscribed",
            Self::BeforeSubscription => "beforeSubscription",
            Self::NotDelivering => "notDelivering",
            Self::FirstDeliveryPending => "firstDeliveryPending",
            Self::NotPermitted => "notPermitted",
            Self::Failed => "failed",
            Self::NothingYet => "nothingYet",
            Self::FirstValue => "firstValue",
            Self::SameValue => "sameValue",
            Self::WithinDeadBand => "withinDeadBand",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Implausible => "implausible",
        }
    }

    /// A sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Fired => "The last reading changed the value, and an event was made.",
            Self::BeforeSubscription => "The value last changed before the vehicle was on this webhook.",
            Self::NotSubscribed => "The vehicle is not on this webhook; subscribe it first.",
            Self::NotDelivering => {
                "The webhook is not verified or is switched off; nothing is evaluated meanwhile."
            }
            Self::FirstDeliveryPending => {
                "The first delivery is still being gathered; it will carry the newest value of every signal."
            }
            Self::NotPermitted => "The owner has not granted the permission that this signal needs.",
            Self::Failed => "The signal could not be read; the error says why.",
            Self::NothingYet => "Nothing was read or pushed for this signal yet.",
            Self::FirstValue => "It was the first value of the signal, and a first value is not a change.",
            Self::SameValue => "The last reading had the same value as before.",
            Self::WithinDeadBand => "The value has not moved by the dead band since the last event.",
            Self::Duplicate => "The last reading was known already.",
            Self::Late => "The last reading was older than what was known.",
            Self::Implausible => {
                "The last reading was not a value that the signal can have, so it counts as unknown."
            }
        }
    }
}

impl App {
    /// Explains the triggers of a webhook about a vehicle.
    pub async fn explain(
        &self,
        vehicle: VehicleId,
        webhook: WebhookId,
    ) -> Result<Vec<Explanation>, AppError> {
        let entry = self.webhook_entry(webhook)?;
        self.vehicle(vehicle, Some(entry.webhook().application)).await?;
        let Plan::Unified(settings) = &entry.webhook().revision.plan else {
            return Err(AppError::Conflict("only unified webhooks have triggers to explain".into()));
        };
        let document = self.document(vehicle).await?;
        Ok(settings.triggers.iter().map(|trigger| explain(&document, entry.webhook(), trigger)).collect())
    }
}

fn explain(document: &Document, webhook: &Webhook, trigger: &Trigger) -> Explanation {
    let subscription = document.subscription(webhook.no);
    let state = document.signal(trigger.signal);
    let told = subscription.map(|subscription| &subscription.told);
    Explanation {
        signal: trigger.signal,
        finding: finding(document, webhook, subscription, trigger),
        value: state.and_then(|state| state.value.clone()),
        judged: state.and_then(|state| state.judged.clone()),
        fault: state.and_then(|state| state.fault),
        dead_band: trigger.dead_band,
        baseline: told
            .and_then(|told| told.baselines.iter().find(|(of, _)| *of == trigger.signal))
            .map(|(_, value)| value.clone()),
        last_event: subscription
            .filter(|subscription| subscription.sequence > 0)
            .map(|subscription| EventId::of_number(subscription.id, subscription.sequence)),
        next_read: document.watching.read_at,
    }
}

fn finding(
    document: &Document,
    webhook: &Webhook,
    subscription: Option<&Subscription>,
    trigger: &Trigger,
) -> Finding {
    let Some(subscription) = subscription else { return Finding::NotSubscribed };
    if !webhook.status.delivers() {
        return Finding::NotDelivering;
    }
    if subscription.told.epoch != webhook.status.epoch {
        return Finding::FirstDeliveryPending;
    }
    if !document.permissions.contains(trigger.signal.entry().permission) {
        return Finding::NotPermitted;
    }
    let Some(state) = document.signal(trigger.signal) else { return Finding::NothingYet };
    if state.fault.is_some() {
        return Finding::Failed;
    }
    let Some(judged) = &state.judged else { return Finding::NothingYet };
    let baseline = subscription.told.baselines.iter().find(|(of, _)| *of == trigger.signal);
    match judged.verdict {
        Verdict::Changed if judged.before.as_ref().is_some_and(|(_, at)| *at < subscription.since) => {
            Finding::BeforeSubscription
        }
        Verdict::Changed => match (baseline, &state.value) {
            (Some((_, baseline)), Some((value, ..))) if baseline != value => Finding::WithinDeadBand,
            _ => Finding::Fired,
        },
        Verdict::First => Finding::FirstValue,
        Verdict::Same => Finding::SameValue,
        Verdict::Duplicate => Finding::Duplicate,
        Verdict::Late => Finding::Late,
        Verdict::Implausible => Finding::Implausible,
    }
}
