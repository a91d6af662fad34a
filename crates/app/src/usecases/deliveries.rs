//! The delivery log: what was sent, when, how often, with what result; and sending it again.

use domain::{
    connect::PermissionSet,
    delivery::{Attempt, History},
    ids::{EventNo, VehicleId, WebhookNo},
    time::Timestamp,
    vehicle::{Observation, Occasion},
};
use store::{Bucket, DeliveryFilter, LogStatus, LoggedDelivery, Page, Redelivered, Store, Unsendable};

use std::sync::Arc;

use super::idempotency::Answering;
use crate::{
    App, AppError, WebhookEntry, What,
    delivery::compose::{self, Content},
};

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct DeliveryQuery {
    /// Of these webhooks; empty for all.
    pub webhooks: Vec<WebhookNo>,
    /// Of one vehicle.
    pub vehicle: Option<VehicleId>,
    /// With this end.
    pub status: Option<LogStatus>,
    /// Ended at or after.
    pub from: Option<Timestamp>,
    /// Ended before.
    pub to: Option<Timestamp>,
    /// Older than this one.
    pub before: Option<EventNo>,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliverySummary {
    /// What is stored.
    pub logged: LoggedDelivery,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

/// A row of the log with what it carried.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryDetail {
    /// The row.
    pub summary: DeliverySummary,
    /// What was seen, while it is kept.
    pub observation: Option<Observation>,
    /// The body that was sent, composed again from what is kept; vehicles of one batch are shown one by one.
    pub body: Option<String>,
}

impl App {
    /// Ended events, newest first.
    pub async fn deliveries(
        &self,
        query: DeliveryQuery,
        limit: usize,
    ) -> Result<Page<DeliverySummary>, AppError> {
        let vehicle = match query.vehicle {
            Some(id) => Some(self.vehicle_number(id).await?),
            None => None,
        };
        let DeliveryQuery { webhooks, status, from, to, before, .. } = query;
        let filter = DeliveryFilter { webhooks, vehicle, status, from, to, before };
        let page = self.store.list_deliveries(filter, limit).await?;
        Ok(Page { items: page.items.into_iter().map(summary).collect(), more: page.more })
    }

    /// One ended event with what it carried.
    pub async fn delivery(&self, event: EventNo) -> Result<DeliveryDetail, AppError> {
        let logged = self.store.delivery(event).await?.ok_or(AppError::NotFound("delivery"))?;
        let observation = self.open_observation(&logged).await;
        let body = match &observation {
            Some(observation) => self.body_of(&logged, observation).await?,
            None => None,
        };
        Ok(DeliveryDetail { summary: summary(logged), observation, body })
    }

    /// Sends an ended event again, with the same event id. Answers with the number of the new delivery.
    pub async fn redeliver(
        self: &Arc<Self>,
        event: EventNo,
        answering: Option<&Answering<'_, EventNo>>,
    ) -> Result<EventNo, AppError> {
        let Some(logged) = self.store.delivery(event).await? else {
            return Err(self.not_ended(event).await?);
        };
        let entry = self.registry.webhook(logged.webhook).ok_or(AppError::NotFound("delivery"))?;
        if !entry.webhook().status.delivers() {
            return Err(AppError::Conflict(unsendable(Unsendable::NotDelivering).into()));
        }
        let is_error = Occasion::decode(&logged.occasion).is_ok_and(|occasion| occasion.is_error());
        if is_error && entry.webhook().status.errors_withheld {
            let message = "the URI for errors of the webhook is not verified; verify the webhook first";
            return Err(AppError::Conflict(message.into()));
        }
        let subscribed = self.store.subscriptions_of_vehicle(logged.vehicle).await?;
        if !subscribed.iter().any(|subscription| subscription.webhook == logged.webhook) {
            return Err(AppError::Conflict(unsendable(Unsendable::NotSubscribed).into()));
        }
        if logged.status == LogStatus::Cancelled {
            let message =
                "it was cancelled when the vehicle left the webhook or its owner took permissions away";
            return Err(AppError::Conflict(message.into()));
        }
        let carries = self.carried(&logged, &entry).await?;
        // What has been looked at so far may end at any moment: the store decides.
        let _hand_over = self.lanes.begin_hand_over();
        let now = self.now();
        let queue = move |store: Arc<dyn Store>| async move { store.redeliver(event, carries, now).await };
        let (lane, queued) = match self.keeping_event(answering, queue).await? {
            Redelivered::Queued(lane, queued) => (lane, *queued),
            Redelivered::Refused(why) => return Err(AppError::Conflict(unsendable(why).into())),
        };
        let no = queued.no;
        self.lanes.hand_over_queued(self, lane, queued).await;
        Ok(no)
    }

    /// Why an event that the log does not have cannot be sent again.
    async fn not_ended(&self, event: EventNo) -> Result<AppError, AppError> {
        Ok(match self.waiting_event(event).await? {
            None => AppError::NotFound("delivery"),
            Some(waiting) => AppError::Conflict(format!(
                "it is still waiting, and is sent without being asked for: its next attempt is due at {}",
                waiting.event.place.attempt_at
            )),
        })
    }

    /// What an owner has to grant for the values that an event carries.
    async fn carried(
        &self,
        logged: &LoggedDelivery,
        entry: &Arc<WebhookEntry>,
    ) -> Result<PermissionSet, AppError> {
        let Some(observation) = self.open_observation(logged).await else {
            return Ok(PermissionSet::default());
        };
        let Some(revision) = self.registry.revision(entry, logged.revision).await? else {
            return Ok(PermissionSet::default());
        };
        let carried = revision.plan.signals().into_iter();
        let shown = carried.filter(|&signal| matches!(observation.newest(signal), Some(Ok(_))));
        Ok(shown.map(|signal| signal.entry().permission).collect())
    }

    /// Roll-ups for charts, one per webhook, minute and end.
    pub async fn delivery_metrics(
        &self,
        webhooks: Vec<WebhookNo>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Bucket>, AppError> {
        Ok(self.store.roll_ups(webhooks, from, to).await?)
    }

    async fn open_observation(&self, logged: &LoggedDelivery) -> Option<Observation> {
        let (sealed, vehicle, user) = (logged.observed.as_ref()?, logged.vehicle_id?, logged.user?);
        let key = self.sealer.key(user.0).await.ok()?;
        Observation::decode(&key.open(What::Observation, vehicle.0, sealed).ok()?).ok()
    }

    async fn body_of(
        &self,
        logged: &LoggedDelivery,
        observation: &Observation,
    ) -> Result<Option<String>, AppError> {
        let Some(entry) = self.registry.webhook(logged.webhook) else { return Ok(None) };
        let Some(loaded) = self.store.load(vec![logged.vehicle]).await?.pop().flatten() else {
            return Ok(None);
        };
        let revision = self.registry.revision(&entry, logged.revision).await?;
        let Some((revision, occasion)) = revision.zip(Occasion::decode(&logged.occasion).ok()) else {
            return Ok(None);
        };
        let content = Content {
            id: logged.id,
            at: logged.slot,
            sequence: logged.sequence,
            occasion: &occasion,
            user: loaded.user,
            info: &loaded.info,
            observation,
            revision: &revision,
        };
        // The last attempt that was made: its ids are those that the receiver has seen.
        let history = History::from_bytes(&logged.attempts).unwrap_or_default();
        let delivered_at = history.last().map_or(logged.ended_at, |attempt| attempt.started_at);
        Ok(Some(compose::one(&entry, &content, delivered_at)))
    }
}

const fn unsendable(why: Unsendable) -> &'static str {
    match why {
        Unsendable::NotKept => "what this delivery carried is not kept any more",
        Unsendable::NotDelivering => {
            "the webhook is not verified or is switched off; verify and enable it first"
        }
        Unsendable::NotConnected => "the connection of the vehicle has ended",
        Unsendable::NotSubscribed => "the vehicle is not on this webhook any more",
        Unsendable::NotGranted => {
            "the owner of the vehicle does not grant all that this delivery carries any more"
        }
    }
}

fn summary(logged: LoggedDelivery) -> DeliverySummary {
    let history = History::from_bytes(&logged.attempts).unwrap_or_default();
    DeliverySummary { attempts: history.attempts().to_vec(), logged }
}
