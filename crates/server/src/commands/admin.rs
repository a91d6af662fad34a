//! `milepost app | webhook | vehicle | delivery`: the admin API from the shell.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{WrongUse, client::Client, show};
use crate::cli::{AppCommand, DeliveryCommand, VehicleCommand, WebhookCommand, WebhookSettings, WithServer};

const WEBHOOK_COLUMNS: &[&str] =
    &["id", "name", "callbackUri", "verified", "enabled", "subscriptions", "queued"];
const VEHICLE_COLUMNS: &[&str] = &["id", "make", "model", "year", "mode", "connectedAt", "nextDue"];
const DELIVERY_COLUMNS: &[&str] =
    &["id", "status", "slot", "httpStatus", "attemptCount", "tookMs", "vehicleId", "endedAt"];

pub(crate) async fn application(with: WithServer<AppCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        AppCommand::Create { name, redirect_uris } => {
            let body = json!({ "name": name, "redirectUris": redirect_uris });
            show::object(&client.post("/applications", body).await?, json);
        }
        AppCommand::List => {
            show::list(&client.get("/applications").await?, &["id", "name", "plan", "createdAt"], json);
        }
        AppCommand::Show { id } => show::object(&client.get(&format!("/applications/{id}")).await?, json),
        AppCommand::RotateToken { id } => {
            let path = format!("/applications/{id}/management-token/rotate");
            show::object(&client.post(&path, json!({})).await?, json);
        }
        AppCommand::Delete { id } => {
            client.delete(&format!("/applications/{id}")).await?;
            done(json);
        }
    }
    Ok(())
}

pub(crate) async fn webhook(with: WithServer<WebhookCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        WebhookCommand::Create { app, name, callback_uri, settings, verify } => {
            let mut body = settings_body(&settings)?;
            if settings.endpoints.is_empty() {
                bail!(WrongUse("name what to send: --endpoints /odometer,/location"));
            }
            body.entry("cadence").or_insert(json!({ "every": "hours", "hours": 1 }));
            body.extend([
                ("kind".into(), json!("scheduled")),
                ("name".into(), json!(name)),
                ("callbackUri".into(), json!(callback_uri)),
                ("verify".into(), json!(verify)),
            ]);
            show::object(&client.post(&format!("/applications/{app}/webhooks"), body.into()).await?, json);
        }
        WebhookCommand::Edit { id, name, callback_uri, settings } => {
            let mut body = settings_body(&settings)?;
            body.extend(name.map(|name| ("name".into(), json!(name))));
            body.extend(callback_uri.map(|uri| ("callbackUri".into(), json!(uri))));
            show::object(&client.patch(&format!("/webhooks/{id}"), body.into()).await?, json);
        }
        WebhookCommand::List { app } => {
            show::list(&client.get(&format!("/applications/{app}/webhooks")).await?, WEBHOOK_COLUMNS, json);
        }
        WebhookCommand::Show { id } => show::object(&client.get(&format!("/webhooks/{id}")).await?, json),
        WebhookCommand::Verify { id } => probe(&client, &id, "verify", "lastVerification", json).await?,
        WebhookCommand::Test { id } => probe(&client, &id, "test", "lastTest", json).await?,
        WebhookCommand::Enable { id } => {
            show::object(&client.post(&format!("/webhooks/{id}/enable"), json!({})).await?, json);
        }
        WebhookCommand::Disable { id } => {
            show::object(&client.post(&format!("/webhooks/{id}/disable"), json!({})).await?, json);
        }
        WebhookCommand::Delete { id } => {
            client.delete(&format!("/webhooks/{id}")).await?;
            done(json);
        }
        WebhookCommand::Subscribe { id, vehicles, all } => {
            let body = match (all, vehicles.is_empty()) {
                (true, _) => json!({ "all": true }),
                (false, false) => json!({ "vehicleIds": vehicles }),
                (false, true) => bail!(WrongUse("name vehicles, or give --all")),
            };
            show::object(&client.post(&format!("/webhooks/{id}/subscriptions"), body).await?, json);
        }
        WebhookCommand::Unsubscribe { id, vehicle } => {
            client.delete(&format!("/webhooks/{id}/subscriptions/{vehicle}")).await?;
            done(json);
        }
        WebhookCommand::Vehicles { id } => {
            let page = client.get(&format!("/webhooks/{id}/subscriptions")).await?;
            show::list(&page, &["id", "vehicleId", "since"], json);
        }
    }
    Ok(())
}

/// Verifies or tests, shows the result, and fails when it did not go well.
async fn probe(client: &Client, id: &str, what: &str, member: &str, json: bool) -> Result<()> {
    let webhook = client.post(&format!("/webhooks/{id}/{what}"), json!({})).await?;
    let result = &webhook[member];
    show::object(result, json);
    match result["passed"].as_bool() {
        Some(true) => Ok(()),
        _ => bail!("{}", result["problem"].as_str().unwrap_or("it did not pass")),
    }
}

/// The members of a webhook's body that the settings of the command line name.
fn settings_body(settings: &WebhookSettings) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    if let Some(every) = &settings.every {
        body.insert("cadence".into(), cadence(every, settings)?);
    }
    if !settings.endpoints.is_empty() {
        body.insert("endpoints".into(), json!(settings.endpoints));
    }
    body.extend(settings.units.as_ref().map(|units| ("units".into(), json!(units))));
    Ok(body)
}

fn cadence(every: &str, settings: &WebhookSettings) -> Result<Value> {
    let mut cadence = match every {
        "hour" => json!({ "every": "hours", "hours": 1 }),
        "day" | "week" | "month" => json!({ "every": every }),
        other => {
            let hours = other.strip_suffix('h').and_then(|hours| hours.parse::<u8>().ok());
            json!({ "every": "hours", "hours": hours.ok_or(WrongUse("--every is hour, 6h, day, week or month"))? })
        }
    };
    if let Some(on) = &settings.on {
        match on.parse::<u8>() {
            Ok(day) => cadence["day"] = json!(day),
            Err(_) => cadence["weekday"] = json!(on.to_lowercase()),
        }
    }
    if let Some(hour) = settings.hour {
        cadence["hour"] = json!(hour);
    }
    if let Some(zone) = &settings.zone {
        cadence["timeZone"] = json!(zone);
    }
    Ok(cadence)
}

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

fn done(json: bool) {
    println!("{}", if json { "{}" } else { "done" });
}
