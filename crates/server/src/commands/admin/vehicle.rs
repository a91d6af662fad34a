//! `milepost vehicle`.

use anyhow::Result;
use serde_json::json;

use super::{done, simulator};
use crate::{
    cli::{VehicleCommand, WithServer},
    commands::{client::Client, show},
};

const VEHICLE_COLUMNS: &[&str] = &["id", "make", "model", "year", "mode", "connectedAt", "nextDue"];

pub(crate) async fn vehicle(with: WithServer<VehicleCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        VehicleCommand::Simulate(new) => show::object(&simulator::make(&client, *new).await?, json),
        VehicleCommand::Models => simulator::models(&client, json).await?,
        VehicleCommand::Add { app, make, model, year, powertrain, region, user, permissions } => {
            let mut body = json!({
                "make": make, "model": model, "year": year, "powertrain": powertrain, "region": region,
                "userId": user,
            });
            if !permissions.is_empty() {
                body["permissions"] = json!(permissions);
            }
            show::object(&client.post(&format!("/applications/{app}/vehicles"), body).await?, json);
        }
        VehicleCommand::Explain { id, webhook } => {
            let path = format!("/vehicles/{id}/triggers");
            let explained = client.find(&path, &[("webhookId", Some(webhook))]).await?;
            show::explanations(&explained, json);
        }
        VehicleCommand::Approve { id } => {
            client.post(&format!("/vehicles/{id}/approve-charging-events"), json!({})).await?;
            done(json);
        }
        VehicleCommand::Permit { id, permissions } => {
            let body = json!({ "permissions": permissions });
            show::object(&client.put(&format!("/vehicles/{id}/permissions"), body).await?, json);
        }
        VehicleCommand::List { app, user, paging } => {
            let page = client.list("/vehicles", &[("applicationId", app), ("userId", user)], &paging).await?;
            let hint = "no vehicles; owners connect them in Connect, `milepost simulator make --app APP` connects a \
                        simulated car";
            show::list_or(&page, VEHICLE_COLUMNS, json, hint);
        }
        VehicleCommand::Show { id } => show::object(&client.get(&format!("/vehicles/{id}")).await?, json),
        VehicleCommand::Disconnect { id } => {
            client.post(&format!("/vehicles/{id}/disconnect"), json!({})).await?;
            done(json);
        }
        VehicleCommand::Erase { id } => {
            client.post(&format!("/vehicles/{id}/erase"), json!({})).await?;
            done(json);
        }
        VehicleCommand::Token { id } => {
            show::object(&client.post(&format!("/vehicles/{id}/access-token"), json!({})).await?, json);
        }
    }
    Ok(())
}
