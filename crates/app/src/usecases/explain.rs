//! Why a trigger fired, or did not.
//!
//! Two things are kept for that. Every event that is told to a webhook that watches vehicles keeps its causes in its
//! observation: what fired, what it was held against, what was seen. And of every signal, the document keeps how its last
//! reading was judged, with the values and times that it was judged by. The first says what fired last and why; the second
//! says why nothing has fired since.

use domain::{
    errors::ErrorCode,
    ids::{EventId, VehicleId, VehicleNo, WebhookId},
    signal::{SignalId, Value},
    time::Timestamp,
    vehicle::{
        Cause, Document, Fired, Judged, Observation, Sample, Subscription, VehicleInfo, Verdict,
        charging_known_to, is_charging,
    },
    webhook::{ChargingEvent, Coverage, EventBased, Plan, Trigger, Webhook, charging_coverage},
};

use crate::{App, AppError, What};

/// Observations that are read at once, and how many pages of them at most, in search of what fired last.
const PAGE: usize = 100;
const MOST_PAGES: usize = 10;

/// What is known of one trigger of a webhook about one vehicle.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What may fire.
    pub trigger: Fired,
    /// Whether its last reading made an event, and else why not.
    pub finding: Finding,
    /// The values now of the signals that make it fire.
    pub values: Vec<(SignalId, Sample)>,
    /// How the last reading of its signal was judged, and by what.
    pub judged: Option<Judged>,
    /// Why it could not be read when it was last asked for.
    pub fault: Option<ErrorCode>,
    /// By how much it has to move.
    pub dead_band: Option<f64>,
    /// What it will be held against: what the last event told of it where it has a dead band; whether the vehicle charged.
    pub baseline: Option<Value>,
    /// When it last fired, as far back as observations are kept.
    pub last_fired: Option<LastFired>,
    /// The newest event of the subscription.
    pub last_event: Option<EventId>,
    /// When the vehicle is read next for this.
    pub next_read: Option<Timestamp>,
}

/// Something that has fired, with what it was decided by.
#[derive(Clone, Debug, PartialEq)]
pub struct LastFired {
    /// The event.
    pub event: EventId,
    /// When it was decided.
    pub at: Timestamp,
    /// What it was held against; nothing where it was the first value after an error.
    pub before: Option<Value>,
    /// What was seen.
    pub seen: Vec<(SignalId, Sample)>,
}

macro_rules! findings {
    ($($name:ident $word:literal $sentence:literal;)*) => {
        /// Whether a trigger fired, and else why not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each has its sentence; see `sentence`")]
        pub enum Finding { $($name),* }

        impl Finding {
            /// The word of the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// A sentence for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence),* }
            }
        }
    };
}

findings! {
    Fired "fired" "The newest change made an event.";
    NotSubscribed "notSubscribed" "The vehicle is not on this webhook; subscribe it first.";
    NotSelected "notSelected" "The webhook does not report this event; select it to get it.";
    NeedsApproval "needsApproval" "The owner has not approved yet at the brand that charging events are reported.";
    BeforeSubscription "beforeSubscription" "The value last changed before the vehicle was on this webhook.";
    NotDelivering "notDelivering" "The webhook is not verified or is switched off; nothing is evaluated meanwhile.";
    FirstDeliveryPending "firstDeliveryPending"
        "The first delivery is still being gathered; it will carry the newest value of every signal.";
    NotPermitted "notPermitted" "The owner has not granted the permission that this signal needs.";
    Failed "failed" "The signal could not be read; the error says why.";
    NothingYet "nothingYet" "Nothing was read or pushed for this yet.";
    FirstValue "firstValue" "It was the first value of the signal, and a first value is not a change.";
    SameValue "sameValue" "The last reading had the same value as before.";
    WithinDeadBand "withinDeadBand" "The value has not moved by the dead band since the last event.";
    ChangedBack "changedBack" "Readings of one moment changed the value and changed it back.";
    NoTransition "noTransition" "Charging has neither begun nor ended in this way since the webhook was last told.";
    Duplicate "duplicate" "The last reading was known already.";
    Late "late" "The last reading was older than what was known.";
    Implausible "implausible" "The last reading was not a value that the signal can have now, so it does not count.";
    Unknown "unknown" "The last reading said that the value is not known.";
}

impl App {
    /// Explains the triggers of a webhook about a vehicle.
    pub async fn explain(
        &self,
        vehicle: VehicleId,
        webhook: WebhookId,
    ) -> Result<Vec<Explanation>, AppError> {
        let entry = self.webhook_entry(webhook)?;
        let row = self.vehicle(vehicle, Some(entry.webhook().application)).await?;
        let webhook = entry.webhook();
        let triggers = triggers(&webhook.revision.plan)?;
        let document = self.document(vehicle).await?;
        let subscription = document.subscription(webhook.no);
        let mut fired: Vec<Option<LastFired>> = vec![None; triggers.len()];
        if let Some(subscription) = subscription {
            self.find_fired(row.no, row.user.0, vehicle, subscription, &triggers, &mut fired).await?;
        }
        let explain =
            |(&trigger, fired)| explain(&document, &row.info, webhook, subscription, trigger, fired);
        Ok(triggers.iter().zip(fired).map(explain).collect())
    }

    /// Looks for the newest event of each trigger, back to when the vehicle was subscribed.
    async fn find_fired(
        &self,
        vehicle: VehicleNo,
        user: uuid::Uuid,
        id: VehicleId,
        subscription: &Subscription,
        triggers: &[Fired],
        found: &mut [Option<LastFired>],
    ) -> Result<(), AppError> {
        let key = self.sealer.key(user).await?;
        let mut before = None;
        for _ in 0..MOST_PAGES {
            let page = self.store.observations(vehicle, before, PAGE).await?;
            for (no, taken_at, sealed) in &page {
                before = Some(*no);
                if *taken_at < subscription.since || found.iter().all(Option::is_some) {
                    return Ok(());
                }
                let plain = key.open(What::Observation, id.0, sealed)?;
                let Ok(observation) = Observation::decode(&plain) else { continue };
                // Newest first: of several steps of one moment, too.
                for cause in observation.causes.iter().filter(|cause| cause.webhook == subscription.webhook) {
                    let place = triggers.iter().position(|trigger| *trigger == cause.fired);
                    let Some(place) = place.filter(|&place| found[place].is_none()) else { continue };
                    found[place] = Some(last_fired(&observation, cause, subscription));
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn last_fired(observation: &Observation, cause: &Cause, subscription: &Subscription) -> LastFired {
    LastFired {
        event: EventId::of_number(subscription.id, cause.sequence),
        at: observation.taken_at,
        before: cause.before.clone(),
        seen: observation.seen(cause.fired),
    }
}

/// What may fire by a plan.
fn triggers(plan: &Plan) -> Result<Vec<Fired>, AppError> {
    match plan {
        Plan::Unified(settings) => {
            Ok(settings.triggers.iter().map(|trigger| Fired::Signal(trigger.signal)).collect())
        }
        Plan::EventBased(_) => Ok(ChargingEvent::ALL.iter().copied().map(Fired::Charging).collect()),
        Plan::Scheduled(_) | Plan::Dynamic(_) => {
            let message =
                "only unified and eventBased webhooks have triggers to explain; others follow a schedule";
            Err(AppError::Conflict(message.into()))
        }
    }
}

fn explain(
    document: &Document,
    info: &VehicleInfo,
    webhook: &Webhook,
    subscription: Option<&Subscription>,
    trigger: Fired,
    last_fired: Option<LastFired>,
) -> Explanation {
    let signal = trigger.signals()[0];
    let state = document.signal(signal);
    let of_signal = match &webhook.revision.plan {
        Plan::Unified(settings) => settings.triggers.iter().find(|trigger| trigger.signal == signal),
        _ => None,
    };
    let told = subscription.map(|subscription| &subscription.told);
    let finding = match standing(document, webhook, subscription, trigger) {
        Err(finding) => finding,
        Ok(subscription) => match (&webhook.revision.plan, of_signal) {
            (Plan::EventBased(settings), _) => {
                of_charging(document, info, settings, subscription, trigger, last_fired.as_ref())
            }
            (_, Some(of_signal)) => of_reading(document, subscription, of_signal, last_fired.as_ref()),
            _ => Finding::NotSelected,
        },
    };
    Explanation {
        trigger,
        finding,
        values: trigger.signals().iter().filter_map(|&signal| value_now(document, signal)).collect(),
        judged: of_signal.and(state).and_then(|state| state.judged.clone()),
        fault: state.and_then(|state| state.fault),
        dead_band: of_signal.and_then(|trigger| trigger.dead_band),
        baseline: told
            .and_then(|told| told.baselines.iter().find(|(of, _)| *of == signal))
            .map(|(_, value)| value.clone()),
        last_fired,
        last_event: subscription.and_then(newest_event),
        next_read: document.watching.read_at,
    }
}

fn value_now(document: &Document, signal: SignalId) -> Option<(SignalId, Sample)> {
    let (value, captured_at, retrieved_at) = document.signal(signal)?.value.clone()?;
    Some((signal, Sample { value, captured_at, retrieved_at }))
}

/// The subscription, if it is one that is looked at, else why nothing can fire at all.
fn standing<'a>(
    document: &Document,
    webhook: &Webhook,
    subscription: Option<&'a Subscription>,
    trigger: Fired,
) -> Result<&'a Subscription, Finding> {
    let subscription = subscription.ok_or(Finding::NotSubscribed)?;
    if !webhook.status.delivers() {
        return Err(Finding::NotDelivering);
    }
    if subscription.told.epoch != webhook.status.epoch {
        return Err(match trigger {
            Fired::Signal(_) => Finding::FirstDeliveryPending,
            Fired::Charging(_) => Finding::NothingYet,
        });
    }
    match document.permissions.contains(trigger.signals()[0].entry().permission) {
        true => Ok(subscription),
        false => Err(Finding::NotPermitted),
    }
}

/// What came of the last reading of a trigger's signal.
fn of_reading(
    document: &Document,
    subscription: &Subscription,
    trigger: &Trigger,
    last: Option<&LastFired>,
) -> Finding {
    let Some(state) = document.signal(trigger.signal) else { return Finding::NothingYet };
    if state.fault.is_some() {
        return Finding::Failed;
    }
    let Some(judged) = &state.judged else { return Finding::NothingYet };
    match judged.verdict {
        Verdict::Changed | Verdict::Returned | Verdict::Conflicting
            if judged.received_at < subscription.since =>
        {
            Finding::BeforeSubscription
        }
        Verdict::Changed | Verdict::Returned | Verdict::Conflicting => {
            let now = value_now(document, trigger.signal);
            match last {
                Some(last) if last.seen.first() == now.as_ref() => Finding::Fired,
                _ if trigger.dead_band.is_some() => Finding::WithinDeadBand,
                _ => Finding::ChangedBack,
            }
        }
        // What a webhook was told that it cannot be read is news when it can.
        Verdict::First
            if last.is_some_and(|last| last.seen.first() == value_now(document, trigger.signal).as_ref()) =>
        {
            Finding::Fired
        }
        Verdict::First => Finding::FirstValue,
        Verdict::Same => Finding::SameValue,
        Verdict::Duplicate => Finding::Duplicate,
        Verdict::Late => Finding::Late,
        Verdict::Implausible => Finding::Implausible,
        Verdict::Unknown | Verdict::Forgotten => Finding::Unknown,
    }
}

/// What became of a charging event.
fn of_charging(
    document: &Document,
    info: &VehicleInfo,
    settings: &EventBased,
    subscription: &Subscription,
    trigger: Fired,
    last: Option<&LastFired>,
) -> Finding {
    let Fired::Charging(event) = trigger else { return Finding::NotSelected };
    if !settings.events.contains(event) {
        return Finding::NotSelected;
    }
    if charging_coverage(info) == Coverage::NeedsApproval && !document.watching.approved {
        return Finding::NeedsApproval;
    }
    let charging = is_charging(document);
    if charging.is_none() || charging_known_to(&subscription.told).is_none() {
        let failed = trigger.signals().iter().any(|&signal| {
            document.signal(signal).is_some_and(|state| state.fault.is_some() && state.value.is_none())
        });
        return if failed { Finding::Failed } else { Finding::NothingYet };
    }
    // What has fired last is what the vehicle does now.
    let newest = last.is_some_and(|last| Some(last.event) == newest_event(subscription));
    if newest { Finding::Fired } else { Finding::NoTransition }
}

fn newest_event(subscription: &Subscription) -> Option<EventId> {
    (subscription.sequence > 0).then(|| EventId::of_number(subscription.id, subscription.sequence))
}
