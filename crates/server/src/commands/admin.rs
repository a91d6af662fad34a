//! `milepost app | webhook | vehicle | delivery`: the admin API from the shell.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{WrongUse, client::Client, show};
use crate::cli::{
    AppCommand, ConnectDefaults, DeliveryCommand, FeedCommand, VehicleCommand, WebhookCommand,
    WebhookSettings, WithServer,
};

const WEBHOOK_COLUMNS: &[&str] =
    &["id", "kind", "name", "callbackUri", "verified", "enabled", "subscriptions", "queued"];
const VEHICLE_COLUMNS: &[&str] = &["id", "make", "model", "year", "mode", "connectedAt", "nextDue"];
const DELIVERY_COLUMNS: &[&str] =
    &["id", "eventType", "status", "slot", "httpStatus", "attemptCount", "tookMs", "vehicleId", "endedAt"];

pub(crate) async fn application(with: WithServer<AppCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        AppCommand::Create { name, redirect_uris, plan, connect } => {
            let connect = connect_body(connect);
            let body =
                json!({ "name": name, "redirectUris": redirect_uris, "plan": plan, "connect": connect });
            show::object(&client.post("/applications", body).await?, json);
        }
        AppCommand::Edit { id, name, redirect_uris, plan, connect } => {
            let mut body = Map::new();
            body.insert("connect".into(), connect_body(connect));
            body.extend(name.map(|name| ("name".into(), json!(name))));
            body.extend(plan.map(|plan| ("plan".into(), json!(plan))));
            if !redirect_uris.is_empty() {
                body.insert("redirectUris".into(), json!(redirect_uris));
            }
            show::object(&client.patch(&format!("/applications/{id}"), body.into()).await?, json);
        }
        AppCommand::List => {
            show::list(&client.get("/applications").await?, &["id", "name", "plan", "createdAt"], json);
        }
        AppCommand::Show { id } => show::object(&client.get(&format!("/applications/{id}")).await?, json),
        AppCommand::RotateToken { id, overlap_seconds } => {
            let path = format!("/applications/{id}/management-token/rotate");
            let body = json!({ "overlapSeconds": overlap_seconds });
            show::object(&client.post(&path, body).await?, json);
        }
        AppCommand::EndOverlap { id } => {
            let path = format!("/applications/{id}/management-token/end-overlap");
            show::object(&client.post(&path, json!({})).await?, json);
        }
        AppCommand::Secrets { id } => {
            let page = client.get(&format!("/applications/{id}/secrets")).await?;
            show::list(&page, &["hint", "createdAt"], json);
        }
        AppCommand::AddSecret { id } => {
            show::object(&client.post(&format!("/applications/{id}/secrets"), json!({})).await?, json);
        }
        AppCommand::RemoveSecret { id, hint } => {
            client.delete(&format!("/applications/{id}/secrets/{hint}")).await?;
            done(json);
        }
        AppCommand::Delete { id } => {
            client.delete(&format!("/applications/{id}")).await?;
            done(json);
        }
    }
    Ok(())
}

/// What counts in Connect; an empty word leaves it open.
fn connect_body(connect: ConnectDefaults) -> Value {
    let mut body = Map::new();
    if let Some(mut words) = connect.permissions {
        words.retain(|word| !word.is_empty());
        body.insert("permissions".into(), if words.is_empty() { Value::Null } else { json!(words) });
    }
    if let Some(code) = connect.country {
        body.insert("country".into(), if code.is_empty() { Value::Null } else { json!(code) });
    }
    body.into()
}

pub(crate) async fn webhook(with: WithServer<WebhookCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        WebhookCommand::Create { kind, app, name, callback_uri, settings, verify } => {
            let mut body = settings_body(&settings)?;
            match kind.as_str() {
                "scheduled" if settings.endpoints.is_empty() => {
                    bail!(WrongUse("name what to send: --endpoints /odometer,/location"));
                }
                "eventBased" if settings.events.is_empty() => {
                    bail!(WrongUse("name what to report: --events CHARGING_STARTED,CHARGING_COMPLETED"));
                }
                "unified" if settings.triggers.is_empty() => {
                    bail!(WrongUse("name what makes it fire: --triggers tractionbattery-stateofcharge"));
                }
                "scheduled" => {
                    body.entry("cadence").or_insert(json!({ "every": "hours", "hours": 1 }));
                }
                _ => {}
            }
            body.extend([
                ("kind".into(), json!(kind)),
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
        WebhookCommand::Verify { id } => {
            probe(&client, &format!("/webhooks/{id}/verify"), json!({}), "lastVerification", json).await?;
        }
        WebhookCommand::Test { id, event_type } => {
            let body = event_type.map_or(json!({}), |event_type| json!({ "eventType": event_type }));
            probe(&client, &format!("/webhooks/{id}/test"), body, "lastTest", json).await?;
        }
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
            show::list(&page, &["id", "vehicleId", "state", "since"], json);
        }
    }
    Ok(())
}

/// Verifies or tests, shows the result, and fails when it did not go well.
async fn probe(client: &Client, path: &str, body: Value, member: &str, json: bool) -> Result<()> {
    let webhook = client.post(path, body).await?;
    let result = &webhook[member];
    show::object(&with_warnings_of(&webhook, result), json);
    match result["passed"].as_bool() {
        Some(true) => Ok(()),
        _ => bail!("{}", result["problem"].as_str().unwrap_or("it did not pass")),
    }
}

/// A part of an answer with the warnings of the whole.
fn with_warnings_of(answer: &Value, part: &Value) -> Value {
    let mut part = part.clone();
    if let Some(members) = part.as_object_mut() {
        members.insert("warnings".into(), answer["warnings"].clone());
    }
    part
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
    if !settings.triggers.is_empty() {
        let triggers = settings.triggers.iter().map(|text| trigger(text)).collect::<Result<Vec<_>>>()?;
        body.insert("triggers".into(), json!(triggers));
    }
    let lists = [("events", &settings.events), ("data", &settings.signals)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    body.extend(lists.map(|(name, list)| (name.into(), json!(list))));
    let words = [
        ("units", &settings.units),
        ("pace", &settings.pace),
        ("profile", &settings.profile),
        ("simulatedMode", &settings.simulated_mode),
        ("userAgent", &settings.user_agent),
    ];
    body.extend(words.into_iter().filter_map(|(name, word)| Some((name.into(), json!(word.as_ref()?)))));
    let switches = [
        ("autoSubscribe", settings.auto_subscribe),
        ("lenientVerification", settings.lenient_verification),
        ("includeTriggers", settings.without_triggers.then_some(false)),
    ];
    body.extend(switches.into_iter().filter_map(|(name, on)| Some((name.into(), json!(on?)))));
    if let Some(uri) = &settings.error_callback_uri {
        body.insert("errorCallbackUri".into(), if uri.is_empty() { Value::Null } else { json!(uri) });
    }
    Ok(body)
}

/// A trigger as it is written: `tractionbattery-stateofcharge`, or with a dead band `tractionbattery-stateofcharge=5`.
fn trigger(text: &str) -> Result<Value> {
    let Some((signal, dead_band)) = text.split_once('=') else { return Ok(json!(text)) };
    let dead_band: f64 = dead_band
        .parse()
        .map_err(|_| WrongUse("a dead band is a number: tractionbattery-stateofcharge=5"))?;
    Ok(json!({ "signal": signal, "deadBand": dead_band }))
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

pub(crate) async fn feed(with: WithServer<FeedCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        FeedCommand::Create { app, name, newer, reorder_ms } => {
            let body = json!({ "name": name, "newer": newer, "reorderMs": reorder_ms });
            let feed = client.post(&format!("/applications/{app}/feeds"), body).await?;
            show::object(&feed, json);
            if !json {
                println!(
                    "\nKeep the token: it is not shown again. Readings go to POST /ingest/v1/readings with it."
                );
            }
        }
        FeedCommand::List { app } => {
            let columns = &["id", "name", "newer", "reorderMs", "hint", "createdAt"];
            show::list(&client.get(&format!("/applications/{app}/feeds")).await?, columns, json);
        }
        FeedCommand::Delete { id } => {
            client.delete(&format!("/feeds/{id}")).await?;
            done(json);
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
