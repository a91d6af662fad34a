//! Subscribing vehicles to webhooks.

use domain::{
    errors::ErrorCode,
    ids::{SubscriptionId, VehicleId, VehicleNo, WebhookId, WebhookNo},
    vehicle::{Input, VehicleInfo},
    webhook::{Coverage, Kind, charging_coverage},
};
use futures::future;
use store::{SubscriptionRow, VehicleFilter};

use super::{chance, webhook_warnings::Missing};
use crate::{App, AppError, WebhookEntry};

/// Vehicles stepped at once while many are subscribed.
const AT_ONCE: usize = 512;

/// Uncovered vehicles that an answer names one by one.
const NAMED: usize = 100;

/// What became of putting all vehicles of an application on a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribedAll {
    /// How many are on it now.
    pub subscribed: usize,
    /// Which cannot be on it.
    pub not_covered: NotCovered,
    /// What owners of those on it have not granted.
    pub missing: Missing,
}

/// Vehicles that cannot be on a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotCovered {
    /// How many.
    pub count: usize,
    /// The first 100 of them.
    pub first: Vec<Uncovered>,
}

/// A vehicle that cannot be on a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncovered {
    /// Which.
    pub vehicle: VehicleId,
    /// The error of the catalogue.
    pub code: ErrorCode,
    /// Why, as a sentence.
    pub reason: String,
}

impl NotCovered {
    fn add(&mut self, info: &VehicleInfo) {
        self.count += 1;
        if self.first.len() < NAMED {
            let (code, reason) = why_uncovered(info);
            self.first.push(Uncovered { vehicle: info.id, code, reason });
        }
    }
}

impl App {
    /// Puts vehicles of the webhook's application on it, all of those named or none; a vehicle that is on it stays.
    /// Answers with how many are on it now of those named, each counted once.
    pub async fn subscribe(&self, webhook: WebhookId, vehicles: &[VehicleId]) -> Result<usize, AppError> {
        let entry = self.webhook_entry(webhook)?;
        self.settings
            .plans
            .allow_webhook(&entry.application.application.plan, entry.webhook().revision.plan.kind())?;
        let mut numbers = Vec::with_capacity(vehicles.len());
        for &id in vehicles {
            let row = self.vehicle(id, Some(entry.webhook().application)).await?;
            if !self.may_watch(&entry, &row.info) {
                return Err(no_charging_events(&row.info));
            }
            numbers.push(row.no);
        }
        numbers.sort_unstable();
        numbers.dedup();
        self.subscribe_numbers(&entry, &numbers).await?;
        Ok(numbers.len())
    }

    /// Puts every vehicle that the webhook's application has now on it, except those that cannot be on it.
    pub async fn subscribe_all(&self, webhook: WebhookId) -> Result<SubscribedAll, AppError> {
        let entry = self.webhook_entry(webhook)?;
        self.settings
            .plans
            .allow_webhook(&entry.application.application.plan, entry.webhook().revision.plan.kind())?;
        let mut filter =
            VehicleFilter { application: Some(entry.webhook().application), ..VehicleFilter::default() };
        let mut all = SubscribedAll::default();
        loop {
            let rows = self.store.list_vehicles(filter.clone(), AT_ONCE).await?;
            let Some(last) = rows.last() else { return Ok(all) };
            filter.after = Some(last.no);
            let (may, may_not): (Vec<_>, Vec<_>) =
                rows.iter().partition(|row| self.may_watch(&entry, &row.info));
            may_not.into_iter().for_each(|row| all.not_covered.add(&row.info));
            let needed = entry.webhook().revision.plan.permissions();
            may.iter().for_each(|row| all.missing.add(needed, row.permissions));
            let numbers: Vec<VehicleNo> = may.into_iter().map(|row| row.no).collect();
            self.subscribe_numbers(&entry, &numbers).await?;
            all.subscribed += numbers.len();
        }
    }

    /// Whether a webhook can be told about such a vehicle at all.
    pub(crate) fn may_watch(&self, entry: &WebhookEntry, info: &VehicleInfo) -> bool {
        let charging = entry.webhook().revision.plan.kind() == Kind::EventBased;
        let covered = matches!(charging_coverage(info), Coverage::Covered | Coverage::NeedsApproval);
        !charging || covered
    }

    /// Whether a vehicle's subscription to a webhook waits for its owner's approval at the brand.
    pub async fn awaits_approval(&self, entry: &WebhookEntry, vehicle: VehicleId) -> Result<bool, AppError> {
        if entry.webhook().revision.plan.kind() != Kind::EventBased {
            return Ok(false);
        }
        let row = self.vehicle(vehicle, None).await?;
        let asks = charging_coverage(&row.info) == Coverage::NeedsApproval;
        Ok(asks && !self.document(vehicle).await?.watching.approved)
    }

    /// The owner has approved at the brand that charging events are reported.
    pub async fn approve_charging_events(&self, vehicle: VehicleId) -> Result<(), AppError> {
        let row = self.vehicle(vehicle, None).await?;
        if charging_coverage(&row.info) != Coverage::NeedsApproval {
            let message = format!("charging events of a {} need no approval by its owner", row.info.make);
            return Err(AppError::Conflict(message));
        }
        self.deliver_letter(row.no, Input::Approve).await
    }

    /// Puts vehicles on a webhook by their row numbers.
    pub async fn subscribe_numbers(
        &self,
        entry: &WebhookEntry,
        vehicles: &[VehicleNo],
    ) -> Result<(), AppError> {
        self.subscribe_each(entry, vehicles).await.into_iter().collect()
    }

    /// Puts vehicles on a webhook, each for itself.
    pub(crate) async fn subscribe_each(
        &self,
        entry: &WebhookEntry,
        vehicles: &[VehicleNo],
    ) -> Vec<Result<(), AppError>> {
        let mut done = Vec::with_capacity(vehicles.len());
        for chunk in vehicles.chunks(AT_ONCE) {
            let now = self.now();
            let steps = chunk.iter().map(|&vehicle| {
                let id = SubscriptionId::new(now, chance(&*self.dice));
                self.deliver_letter(vehicle, Input::Subscribe { webhook: entry.webhook().no, id })
            });
            done.extend(future::join_all(steps).await);
        }
        done
    }

    /// Takes a vehicle off a webhook: nothing for it leaves later than a second from now. A vehicle that is not on it
    /// is an error for the admin API and a success for v2, so callers learn which it was.
    pub async fn unsubscribe(&self, webhook: WebhookId, vehicle: VehicleId) -> Result<bool, AppError> {
        let entry = self.webhook_entry(webhook)?;
        let row = self.vehicle(vehicle, Some(entry.webhook().application)).await?;
        let no = entry.webhook().no;
        let was = self.store.subscriptions_of_vehicle(row.no).await?.iter().any(|known| known.webhook == no);
        self.deliver_letter(row.no, Input::Unsubscribe { webhook: no }).await?;
        Ok(was)
    }

    /// Subscriptions of a webhook in the order of their vehicles.
    pub async fn subscriptions(
        &self,
        webhook: WebhookNo,
        after: Option<VehicleNo>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, AppError> {
        Ok(self.store.subscriptions_of_webhook(webhook, after, limit).await?)
    }
}

/// Why a vehicle cannot be on an eventBased webhook.
fn no_charging_events(info: &VehicleInfo) -> AppError {
    let (code, message) = why_uncovered(info);
    AppError::Incompatible { code, message }
}

fn why_uncovered(info: &VehicleInfo) -> (ErrorCode, String) {
    let code = match charging_coverage(info) {
        Coverage::NotThisMake => ErrorCode::COMPATIBILITY_MAKE_NOT_COMPATIBLE,
        _ => ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE,
    };
    let VehicleInfo { make, model, region, .. } = info;
    let region = region.as_str();
    (code, format!("charging events cannot be had of a {make} {model} in the region {region}"))
}
