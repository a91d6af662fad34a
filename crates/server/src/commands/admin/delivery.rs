//! `milepost delivery`.

use anyhow::Result;
use serde_json::json;

use crate::{
    cli::{DeliveryCommand, WithServer},
    commands::{client::Client, show},
};

const DELIVERY_COLUMNS: &[&str] =
    &["id", "eventType", "status", "slot", "httpStatus", "attemptCount", "tookMs", "vehicleId", "endedAt"];

pub(crate) async fn delivery(with: WithServer<DeliveryCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        DeliveryCommand::List { webhook, vehicle, status, limit } => {
            let filters = [("webhookId", webhook), ("vehicleId", vehicle), ("status", status)];
            let filters = filters.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", value?)));
            let path = format!("/deliveries?limit={limit}{}", filters.collect::<String>());
            show::list(&client.get(&path).await?, DELIVERY_COLUMNS, json);
        }
        DeliveryCommand::Show { id } => show::object(&client.get(&format!("/deliveries/{id}")).await?, json),
        DeliveryCommand::Redeliver { id } => {
            show::object(&client.post(&format!("/deliveries/{id}/redeliver"), json!({})).await?, json);
        }
    }
    Ok(())
}
