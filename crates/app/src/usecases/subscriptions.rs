//! Subscribing vehicles to webhooks.

use domain::{
    ids::{SubscriptionId, VehicleId, VehicleNo, WebhookId, WebhookNo},
    vehicle::Input,
};
use futures::future;
use store::{SubscriptionRow, VehicleFilter};

use super::chance;
use crate::{App, AppError, WebhookEntry};

/// Vehicles stepped at once while many are subscribed.
const AT_ONCE: usize = 512;

impl App {
    /// Puts vehicles of the webhook's application on it, all of those named or none; a vehicle that is on it stays.
    /// Answers with how many are on it now of those named.
    pub async fn subscribe(&self, webhook: WebhookId, vehicles: &[VehicleId]) -> Result<usize, AppError> {
        let entry = self.webhook_entry(webhook)?;
        let mut numbers = Vec::with_capacity(vehicles.len());
        for &id in vehicles {
            numbers.push(self.vehicle(id, Some(entry.webhook().application)).await?.no);
        }
        self.subscribe_numbers(&entry, &numbers).await?;
        Ok(numbers.len())
    }

    /// Puts every vehicle that the webhook's application has now on it. Answers with how many that is.
    pub async fn subscribe_all(&self, webhook: WebhookId) -> Result<usize, AppError> {
        let entry = self.webhook_entry(webhook)?;
        let mut filter =
            VehicleFilter { application: Some(entry.webhook().application), ..VehicleFilter::default() };
        let mut subscribed = 0;
        loop {
            let rows = self.store.list_vehicles(filter.clone(), AT_ONCE).await?;
            let Some(last) = rows.last() else { return Ok(subscribed) };
            filter.after = Some(last.no);
            let numbers: Vec<VehicleNo> = rows.iter().map(|row| row.no).collect();
            self.subscribe_numbers(&entry, &numbers).await?;
            subscribed += numbers.len();
        }
    }

    /// Puts vehicles on a webhook by their row numbers.
    pub async fn subscribe_numbers(
        &self,
        entry: &WebhookEntry,
        vehicles: &[VehicleNo],
    ) -> Result<(), AppError> {
        for chunk in vehicles.chunks(AT_ONCE) {
            let now = self.now();
            let steps = chunk.iter().map(|&vehicle| {
                let id = SubscriptionId::new(now, chance(&*self.dice));
                self.deliver_letter(vehicle, Input::Subscribe { webhook: entry.webhook().no, id })
            });
            for done in future::join_all(steps).await {
                done?;
            }
        }
        Ok(())
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
