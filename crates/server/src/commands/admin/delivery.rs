//! `milepost delivery`.

use anyhow::Result;
use serde_json::json;

use crate::{
    cli::{DeliveryCommand, WithServer},
    commands::{client::Client, show},
};

const DELIVERY_COLUMNS: &[&str] =
    &["id", "eventType", "status", "slot", "httpStatus", "attemptCount", "tookMs", "vehicleId", "endedAt"];

const WAITING_COLUMNS: &[&str] = &[
    "id",
    "eventType",
    "status",
    "createdAt",
    "httpStatus",
    "attemptCount",
    "nextAttemptAt",
    "vehicleId",
    "webhookId",
    "reason",
];

pub(crate) async fn delivery(with: WithServer<DeliveryCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        DeliveryCommand::List { webhook, vehicle, status, queued, from, to, paging } => {
            let status = if queued { Some("queued".to_owned()) } else { status };
            let is_waiting = matches!(status.as_deref(), Some("queued" | "retrying"));
            let (columns, hint) = match is_waiting {
                true => (WAITING_COLUMNS, "no deliveries wait"),
                false => (DELIVERY_COLUMNS, "no deliveries have ended yet; --queued lists those that wait"),
            };
            let filters = [
                ("webhookId", webhook),
                ("vehicleId", vehicle),
                ("status", status),
                ("from", from),
                ("to", to),
            ];
            let page = client.list("/deliveries", &filters, &paging).await?;
            show::list_or(&page, columns, json, hint);
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
