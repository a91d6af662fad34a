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
        DeliveryCommand::List { webhook, vehicle, status, from, to, paging } => {
            let filters = [
                ("webhookId", webhook),
                ("vehicleId", vehicle),
                ("status", status),
                ("from", from),
                ("to", to),
            ];
            let page = client.list("/deliveries", &filters, &paging).await?;
            let hint = "no deliveries have ended yet; `milepost webhook show` counts those that wait";
            show::list_or(&page, DELIVERY_COLUMNS, json, hint);
        }
        DeliveryCommand::Metrics { webhook, from, to } => {
            let query = [("webhookId", webhook), ("from", from), ("to", to)];
            show::object(&client.find("/metrics/deliveries", &query).await?, json);
        }
        DeliveryCommand::Show { id } => show::object(&client.get(&format!("/deliveries/{id}")).await?, json),
        DeliveryCommand::Redeliver { id } => {
            show::object(&client.post(&format!("/deliveries/{id}/redeliver"), json!({})).await?, json);
        }
    }
    Ok(())
}
