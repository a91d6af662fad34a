//! `milepost webhook`.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{done, headers};
use crate::{
    cli::{WebhookCommand, WebhookSettings, WithServer},
    commands::{WrongUse, client::Client, refusal::spaced, show},
};

const WEBHOOK_COLUMNS: &[&str] =
    &["id", "kind", "name", "callbackUri", "verified", "enabled", "subscriptions", "queued"];

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
            let made = client.post(&format!("/applications/{app}/webhooks"), body.into()).await?;
            show::object(&made, json);
            if verify {
                verified(&made, "was made")?;
            }
        }
        WebhookCommand::Edit { id, name, callback_uri, settings, version } => {
            let mut body = settings_body(&settings)?;
            body.extend(name.map(|name| ("name".into(), json!(name))));
            body.extend(callback_uri.map(|uri| ("callbackUri".into(), json!(uri))));
            if body.is_empty() {
                bail!(WrongUse(
                    "say what to change: --name, --callback-uri or another option of `webhook edit --help`"
                ));
            }
            let challenged = CHALLENGED.iter().any(|member| body.contains_key(*member));
            let edited = client.on(version)?.patch(&format!("/webhooks/{id}"), body.into()).await?;
            show::object(&edited, json);
            if challenged {
                verified(&edited, "was changed")?;
            }
        }
        WebhookCommand::List { app, paging } => {
            let page = client.list(&format!("/applications/{app}/webhooks"), &[], &paging).await?;
            let hint = "no webhooks; `milepost webhook create --help` shows how to make one";
            show::list_or(&page, WEBHOOK_COLUMNS, json, hint);
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
        WebhookCommand::Delete { id, version } => {
            client.on(version)?.delete(&format!("/webhooks/{id}")).await?;
            done(json);
        }
        WebhookCommand::Subscribe { id, vehicles, all } => {
            let body = match (all, vehicles.is_empty()) {
                (true, _) => json!({ "all": true }),
                (false, false) => json!({ "vehicleIds": vehicles }),
                (false, true) => bail!(WrongUse("name vehicles by their ids, or give --all")),
            };
            let subscribed = client.post(&format!("/webhooks/{id}/subscriptions"), body).await?;
            show::object(&subscribed, json);
            if subscribed["subscribed"] == 0 && subscribed["notCoveredCount"].as_u64() > Some(0) {
                bail!("none of the vehicles can be on this webhook; notCovered says why");
            }
        }
        WebhookCommand::Unsubscribe { id, vehicle } => {
            client.delete(&format!("/webhooks/{id}/subscriptions/{vehicle}")).await?;
            done(json);
        }
        WebhookCommand::Vehicles { id, paging } => {
            let page = client.list(&format!("/webhooks/{id}/subscriptions"), &[], &paging).await?;
            let hint = "no vehicles on this webhook; `milepost webhook subscribe` puts some on it";
            show::list_or(&page, &["id", "vehicleId", "state", "since"], json, hint);
        }
    }
    Ok(())
}

/// Members of an edit after which URIs are asked for a challenge.
const CHALLENGED: &[&str] = &["callbackUri", "errorCallbackUri", "verifyErrorUri"];

/// Fails with the reason when a URI of a webhook has not answered its challenge.
fn verified(webhook: &Value, done: &str) -> Result<()> {
    match unanswered(webhook) {
        None => Ok(()),
        Some(problem) => {
            let id = webhook["id"].as_str().unwrap_or_default();
            bail!("the webhook {done}, but is not verified: {problem}; then `milepost webhook verify {id}`")
        }
    }
}

/// Why a webhook is not verified as a whole.
fn unanswered(webhook: &Value) -> Option<String> {
    let of = |uri: &str| &webhook["verification"][uri];
    let open = |uri: &&str| matches!(of(uri)["status"].as_str(), Some("pending" | "failed"));
    let uri = ["callbackUri", "errorCallbackUri"].into_iter().find(open)?;
    let problem = of(uri)["problem"].as_str().unwrap_or("the challenge has not been answered yet");
    Some(format!("{}: {}", spaced(uri), problem.trim_end_matches('.')))
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
        ("eventName", &settings.event_name),
    ];
    body.extend(words.into_iter().filter_map(|(name, word)| Some((name.into(), json!(word.as_ref()?)))));
    let switches = [
        ("autoSubscribe", settings.auto_subscribe),
        ("lenientVerification", settings.lenient_verification),
        ("verifyErrorUri", settings.verify_error_uri),
        ("includeTriggers", settings.without_triggers.then_some(false).or(settings.include_triggers)),
    ];
    body.extend(switches.into_iter().filter_map(|(name, on)| Some((name.into(), json!(on?)))));
    body.extend(headers::members(settings)?);
    if let Some(vehicles) = settings.vehicles_per_request {
        body.insert("vehiclesPerRequest".into(), json!(vehicles));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_whose_uris_have_not_all_answered_is_not_verified() {
        let of = |callback: Value, errors: Value| {
            unanswered(&json!({ "verification": { "callbackUri": callback, "errorCallbackUri": errors } }))
        };
        let verified = || json!({ "status": "verified", "problem": null });
        assert_eq!(of(verified(), Value::Null), None);
        assert_eq!(of(verified(), verified()), None);
        let failed = json!({ "status": "failed", "problem": "The receiver answered with status 500." });
        let said = of(failed.clone(), Value::Null).unwrap();
        assert_eq!(said, "callback uri: The receiver answered with status 500");
        assert_eq!(
            of(verified(), failed).unwrap(),
            "error callback uri: The receiver answered with status 500"
        );
        let pending = of(json!({ "status": "pending", "problem": null }), Value::Null).unwrap();
        assert_eq!(pending, "callback uri: the challenge has not been answered yet");
    }
}
