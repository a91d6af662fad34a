//! `/api/v1/vehicles/{id}/triggers`: why a webhook fired about a vehicle, or did not.

use std::sync::Arc;

use app::{App, Explanation};
use axum::{Json as Out, extract::State, http::Method};
use domain::{
    ids::VehicleId,
    signal::{SignalId, Value as SignalValue},
    vehicle::{Cause, Fired, Judged, Observation, Sample},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::{
    extract::{Ids, Query},
    paging::Page,
    route::{Operation, operation},
    wire::{CatalogueError, Id, Moment, signal_value},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/vehicles/{id}/triggers",
            list,
            "Explains for each trigger of a unified or eventBased webhook why it fired about a vehicle, or did not",
        )
        .query::<TriggersQuery>()
        .page_of::<ExplainedTrigger>(),
    ]
}

/// Whose triggers.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TriggersQuery {
    #[param(value_type = String, format = "uuid")]
    webhook_id: Id,
}

/// What is known of one trigger of a webhook about one vehicle.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedTrigger {
    #[serde(flatten)]
    trigger: TriggerName,
    /// `fired`, `notSubscribed`, `notSelected`, `needsApproval`, `notDelivering`, `beforeSubscription`, `firstDeliveryPending`,
    /// `notPermitted`, `failed`, `nothingYet`, `firstValue`, `sameValue`, `withinDeadBand`, `changedBack`, `noTransition`,
    /// `duplicate`, `late`, `implausible` or `unknown`
    finding: &'static str,
    /// The finding as a sentence.
    sentence: &'static str,
    /// The values now of the signals that make it fire.
    values: Vec<SeenValue>,
    /// When it last fired, as far back as observations are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fired: Option<LastFired>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reading: Option<LastReading>,
    /// By how much the value has to move.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_band: Option<f64>,
    /// From where: what the last event told; for charging events, whether the vehicle charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<Value>,
    /// Why the signal could not be read when it was last asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<CatalogueError>,
    /// When the vehicle is read next for this.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_read: Option<Moment>,
    /// The newest event of the vehicle for this webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_id: Option<Id>,
}

/// What fires: the trigger of a signal, or a charging event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TriggerName {
    /// `tractionbattery-stateofcharge`
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'static str>,
    /// `CHARGING_STARTED`
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
}

impl From<Fired> for TriggerName {
    fn from(fired: Fired) -> Self {
        match fired {
            Fired::Signal(signal) => Self { signal: Some(&signal.entry().code), event: None },
            Fired::Charging(event) => Self { signal: None, event: Some(event.as_str()) },
        }
    }
}

/// Something that has fired, with what it was decided by.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastFired {
    /// The event; the receiver saw it under this id.
    event_id: Id,
    /// When it was decided.
    at: Moment,
    #[serde(flatten)]
    inputs: Inputs,
}

/// Why an event was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventCause {
    #[serde(flatten)]
    trigger: TriggerName,
    #[serde(flatten)]
    inputs: Inputs,
}

/// What a decision was made by.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inputs {
    /// What was held against it; nothing where it was the first value after an error.
    before: Option<Value>,
    /// What was seen.
    seen: Vec<SeenValue>,
}

impl Inputs {
    fn of(before: Option<&SignalValue>, seen: &[(SignalId, Sample)]) -> Self {
        Self { before: before.map(signal_value), seen: seen.iter().map(Into::into).collect() }
    }
}

impl EventCause {
    /// Why an event of an observation was made.
    pub(crate) fn of(observation: &Observation, cause: &Cause) -> Self {
        let seen = observation.seen(cause.fired);
        Self { trigger: cause.fired.into(), inputs: Inputs::of(cause.before.as_ref(), &seen) }
    }
}

/// A value of a signal in its canonical metric unit, with its times.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeenValue {
    signal: &'static str,
    value: Value,
    /// When the vehicle measured it, if the source said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    captured_at: Option<Moment>,
    /// When this server had it.
    retrieved_at: Moment,
}

/// The last reading of a signal, and how it was judged.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastReading {
    /// `applied`, `unchanged`, `late`, `conflicting`, `implausible` or `unknown`: as the answer to a push says
    verdict: &'static str,
    /// When it was measured, as far as its source can be believed.
    observed_at: Moment,
    /// When this server had it.
    received_at: Moment,
    /// It was pushed; otherwise it was asked for.
    pushed: bool,
    /// Its value, where that did not become the signal's.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Value>,
    /// The value before the last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<EarlierValue>,
}

/// A value that a signal had.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EarlierValue {
    value: Value,
    received_at: Moment,
}

impl From<&(SignalId, Sample)> for SeenValue {
    fn from((signal, sample): &(SignalId, Sample)) -> Self {
        Self {
            signal: &signal.entry().code,
            value: signal_value(&sample.value),
            captured_at: sample.captured_at.map(Moment),
            retrieved_at: Moment(sample.retrieved_at),
        }
    }
}

impl From<&Judged> for LastReading {
    fn from(judged: &Judged) -> Self {
        Self {
            verdict: judged.verdict.as_str(),
            observed_at: Moment(judged.observed_at),
            received_at: Moment(judged.received_at),
            pushed: judged.pushed,
            refused: judged.refused.as_ref().map(signal_value),
            before: judged.before.as_ref().map(|(value, received_at)| EarlierValue {
                value: signal_value(value),
                received_at: Moment(*received_at),
            }),
        }
    }
}

impl From<&Explanation> for ExplainedTrigger {
    fn from(explanation: &Explanation) -> Self {
        Self {
            trigger: explanation.trigger.into(),
            finding: explanation.finding.as_str(),
            sentence: explanation.finding.sentence(),
            values: explanation.values.iter().map(Into::into).collect(),
            last_fired: explanation.last_fired.as_ref().map(|last| LastFired {
                event_id: Id::of(last.event),
                at: Moment(last.at),
                inputs: Inputs::of(last.before.as_ref(), &last.seen),
            }),
            last_reading: explanation.judged.as_ref().map(Into::into),
            dead_band: explanation.dead_band,
            baseline: explanation.baseline.as_ref().map(signal_value),
            fault: explanation.fault.map(Into::into),
            next_read: explanation.next_read.and_then(Moment::known),
            last_event_id: explanation.last_event.map(Id::of),
        }
    }
}

/// `GET /api/v1/vehicles/{id}/triggers`
async fn list(
    State(app): State<Arc<App>>,
    Ids(vehicle): Ids<VehicleId>,
    Query(query): Query<TriggersQuery>,
) -> Answer<Page<ExplainedTrigger>> {
    let webhook = query.webhook_id.parse("webhookId")?;
    let explained = app.explain(vehicle, webhook).await?;
    Ok(Out(Page::whole(explained.iter().map(Into::into).collect())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{Server, Tenant, new_webhook_of, receiver};
    use axum::http::Method;
    use domain::{
        connect::{Permission, PermissionSet},
        signal,
        webhook::Kind,
    };
    use expect_test::expect;
    use serde_json::{Value, json};

    async fn explained(server: &Server, vehicle: &str, webhook: &str) -> Value {
        let path = format!("/vehicles/{vehicle}/triggers?webhookId={webhook}");
        server.admin(Method::GET, &path, Value::Null).await.expect(200).json()["items"][0].clone()
    }

    /// A webhook that fires when a charge has moved by 5 percent, and a vehicle whose charge is pushed.
    async fn watched(server: &Server) -> (Tenant, String, String) {
        let tenant = server.tenant("A").await;
        server.outbound.answer(receiver(tenant.management_token.clone(), 200));
        let mut new = new_webhook_of(Kind::Unified);
        new["triggers"] = json!([{"signal": "tractionbattery-stateofcharge", "deadBand": 5}]);
        let webhook = server.webhook(&tenant, new).await;
        let vehicle = server.pushed_vehicle(&tenant, "BMW").await;
        (tenant, webhook, vehicle)
    }

    #[tokio::test]
    async fn what_becomes_readable_is_sent_and_explained_as_that() {
        let server = Server::new().await;
        let (tenant, webhook, vehicle) = watched(&server).await;
        server.on(&webhook, &vehicle).await;
        server.push_charge(&tenant, &vehicle, 50.0).await;
        server.settle().await;
        let id = vehicle.parse().unwrap();
        for granted in [PermissionSet::default().with(Permission::ReadOdometer), PermissionSet::ALL] {
            server.app.set_permissions(id, granted).await.unwrap();
        }
        server.clock.pass(Duration::from_secs(60));
        server.push_charge(&tenant, &vehicle, 50.0).await;
        server.settle().await;
        assert_eq!(explained(&server, &vehicle, &webhook).await["finding"], "fired");
    }

    #[tokio::test]
    async fn a_trigger_is_explained_at_each_stage_of_its_life() {
        let server = Server::new().await;
        let (tenant, webhook, vehicle) = watched(&server).await;
        let mut findings = Vec::new();
        let mut look = async || {
            let explained = explained(&server, &vehicle, &webhook).await;
            findings.push(explained["finding"].as_str().unwrap().to_owned());
        };
        look().await;
        server.on(&webhook, &vehicle).await;
        for percent in [50.0, 50.0, 52.0, 57.0, 300.0] {
            server.clock.pass(Duration::from_secs(60));
            server.push_charge(&tenant, &vehicle, percent).await;
            server.settle().await;
            look().await;
        }
        expect!["notSubscribed firstValue sameValue withinDeadBand fired implausible"]
            .assert_eq(&findings.join(" "));
        let mut last = explained(&server, &vehicle, &webhook).await;
        assert_eq!(last["lastEventId"].as_str().unwrap().len(), 36);
        assert_eq!(last["lastFired"]["eventId"], last["lastEventId"]);
        last["lastEventId"] = Value::Null;
        last["lastFired"]["eventId"] = Value::Null;
        expect![[r#"
            {
              "signal": "tractionbattery-stateofcharge",
              "finding": "implausible",
              "sentence": "The last reading was not a value that the signal can have now, so it does not count.",
              "values": [
                {
                  "signal": "tractionbattery-stateofcharge",
                  "value": 57.0,
                  "capturedAt": "2026-03-02T12:04:00.000Z",
                  "retrievedAt": "2026-03-02T12:04:00.000Z"
                }
              ],
              "lastFired": {
                "eventId": null,
                "at": "2026-03-02T12:04:00.000Z",
                "before": 50.0,
                "seen": [
                  {
                    "signal": "tractionbattery-stateofcharge",
                    "value": 57.0,
                    "capturedAt": "2026-03-02T12:04:00.000Z",
                    "retrievedAt": "2026-03-02T12:04:00.000Z"
                  }
                ]
              },
              "lastReading": {
                "verdict": "implausible",
                "observedAt": "2026-03-02T12:05:00.000Z",
                "receivedAt": "2026-03-02T12:05:00.000Z",
                "pushed": true,
                "refused": 300.0,
                "before": {
                  "value": 52.0,
                  "receivedAt": "2026-03-02T12:04:00.000Z"
                }
              },
              "deadBand": 5.0,
              "baseline": 57.0,
              "lastEventId": null
            }"#]].assert_eq(&format!("{last:#}"));
    }

    #[tokio::test]
    async fn why_a_trigger_fired_is_known_after_later_readings_and_by_the_delivery_itself() {
        let server = Server::new().await;
        let (tenant, webhook, vehicle) = watched(&server).await;
        server.on(&webhook, &vehicle).await;
        for percent in [50.0, 57.0, 63.0, 63.0, 64.0] {
            server.clock.pass(Duration::from_secs(60));
            server.push_charge(&tenant, &vehicle, percent).await;
            server.settle().await;
        }
        let explained = explained(&server, &vehicle, &webhook).await;
        assert_eq!(explained["finding"], "withinDeadBand");
        let fired = &explained["lastFired"];
        assert_eq!((&fired["before"], &fired["seen"][0]["value"]), (&json!(57.0), &json!(63.0)));
        let of_event = |row: &Value| row["eventId"] == fired["eventId"];
        let row = server.logged(3).await.into_iter().find(of_event).unwrap();
        let path = format!("/deliveries/{}", row["id"].as_str().unwrap());
        let detail = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        let cause = &detail["causes"][0];
        assert_eq!(cause["signal"], "tractionbattery-stateofcharge");
        assert_eq!((&cause["before"], &cause["seen"][0]["value"]), (&json!(57.0), &json!(63.0)));
    }

    #[tokio::test]
    async fn a_charging_event_is_explained_at_each_stage_of_its_life() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.outbound.answer(receiver(tenant.management_token.clone(), 200));
        let mut new = new_webhook_of(Kind::EventBased);
        new["events"] = json!(["CHARGING_STARTED", "CHARGING_STOPPED"]);
        let webhook = server.webhook(&tenant, new).await;
        let vehicle = server.pushed_vehicle(&tenant, "Ford").await;
        let mut findings = Vec::new();
        let mut look = async || {
            let path = format!("/vehicles/{vehicle}/triggers?webhookId={webhook}");
            let items =
                server.admin(Method::GET, &path, Value::Null).await.expect(200).json()["items"].clone();
            let all = items.as_array().unwrap().iter();
            findings.push(all.map(|item| item["finding"].as_str().unwrap()).collect::<Vec<_>>().join(" "));
            items
        };
        look().await;
        server.on(&webhook, &vehicle).await;
        look().await;
        server
            .admin(Method::POST, &format!("/vehicles/{vehicle}/approve-charging-events"), Value::Null)
            .await;
        for charging in [None, Some(false), Some(true), Some(false)] {
            if let Some(charging) = charging {
                server.clock.pass(Duration::from_secs(60));
                server.push(&tenant, &vehicle, signal::IS_CHARGING, signal::Value::Flag(charging)).await;
                server.settle().await;
            }
            look().await;
        }
        expect![[r#"
            notSubscribed notSubscribed notSubscribed
            needsApproval needsApproval notSelected
            nothingYet nothingYet notSelected
            noTransition noTransition notSelected
            fired noTransition notSelected
            noTransition fired notSelected"#]]
        .assert_eq(&findings.join("\n"));
        let path = format!("/vehicles/{vehicle}/triggers?webhookId={webhook}");
        let started = &server.admin(Method::GET, &path, Value::Null).await.json()["items"][0];
        assert_eq!(started["event"], "CHARGING_STARTED");
        assert_eq!(started["lastFired"]["before"], false);
        assert_eq!(started["lastFired"]["seen"][0]["value"], true);
    }

    #[tokio::test]
    async fn only_a_webhook_that_watches_vehicles_of_its_application_has_triggers_to_explain() {
        let server = Server::new().await;
        let (_, webhook, vehicle) = watched(&server).await;
        let other = server.tenant("B").await;
        let path = |vehicle: &str, webhook: &str| format!("/vehicles/{vehicle}/triggers?webhookId={webhook}");
        server.admin(Method::GET, &path(&other.vehicle, &webhook), Value::Null).await.expect(404);
        server.admin(Method::GET, &path(&other.vehicle, &other.webhook), Value::Null).await.expect(409);
        server.admin(Method::GET, &format!("/vehicles/{vehicle}/triggers"), Value::Null).await.expect(400);
        let refused = server.admin(Method::GET, &path(&vehicle, "x"), Value::Null).await.expect(400);
        assert_eq!(refused.text("field"), "webhookId");
    }
}
