//! `milepost vehicle`.

use anyhow::Result;
use serde_json::json;

use super::done;
use crate::{
    cli::{VehicleCommand, WithServer},
    commands::{client::Client, show},
};

const VEHICLE_COLUMNS: &[&str] = &["id", "make", "model", "year", "mode", "connectedAt", "nextDue"];

pub(crate) async fn vehicle(with: WithServer<VehicleCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        VehicleCommand::Simulate { make, model, year, region, profile, seed, app } => {
            let body = json!({
                "make": make, "model": model, "year": year, "region": region, "profile": profile, "seed": seed,
            });
            let car = client.post("/simulator/vehicles", body).await?;
            match app {
                None => show::object(&car, json),
                Some(app) => {
                    let path =
                        format!("/simulator/vehicles/{}/connect", car["id"].as_str().unwrap_or_default());
                    show::object(&client.post(&path, json!({ "applicationId": app })).await?, json);
                }
            }
        }
        VehicleCommand::Models => {
            let columns = &["make", "model", "firstYear", "lastYear", "powertrain", "regions"];
            show::list(&client.get("/simulator/models").await?, columns, json);
        }
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
            let explained = client.get(&format!("/vehicles/{id}/triggers?webhookId={webhook}")).await?;
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
        VehicleCommand::List { app } => {
            let query = app.map(|app| format!("?applicationId={app}")).unwrap_or_default();
            show::list(&client.get(&format!("/vehicles{query}")).await?, VEHICLE_COLUMNS, json);
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
