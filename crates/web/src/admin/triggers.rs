//! `/api/v1/vehicles/{id}/triggers`: why a webhook fired about a vehicle, or did not.

use std::sync::Arc;

use app::{App, Explanation};
use axum::{Json as Out, extract::State, http::Method};
use domain::{ids::VehicleId, signal::Value as SignalValue, time::Timestamp, vehicle::Judged};
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
            "Explains for each trigger of a unified webhook why it fired about a vehicle, or did not",
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
    /// `tractionbattery-stateofcharge`
    signal: &'static str,
    /// `fired`, `notSubscribed`, `notDelivering`, `firstDeliveryPending`, `notPermitted`, `failed`, `nothingYet`,
    /// `firstValue`, `sameValue`, `withinDeadBand`, `duplicate`, `late` or `implausible`
    finding: &'static str,
    /// The finding as a sentence.
    sentence: &'static str,
    /// The signal's value now.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<TimedValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reading: Option<LastReading>,
    /// By how much the value has to move.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_band: Option<f64>,
    /// From where: what the last event carried.
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

/// A value in its canonical metric unit, with its times.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimedValue {
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
    /// `first`, `changed`, `same`, `duplicate`, `late` or `implausible`
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

impl From<&(SignalValue, Option<Timestamp>, Timestamp)> for TimedValue {
    fn from((value, captured_at, retrieved_at): &(SignalValue, Option<Timestamp>, Timestamp)) -> Self {
        Self {
            value: signal_value(value),
            captured_at: captured_at.map(Moment),
            retrieved_at: Moment(*retrieved_at),
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
            signal: &explanation.signal.entry().code,
            finding: explanation.finding.as_str(),
            sentence: explanation.finding.sentence(),
            value: explanation.value.as_ref().map(Into::into),
            last_reading: explanation.judged.as_ref().map(Into::into),
            dead_band: explanation.dead_band,
            baseline: explanation.baseline.as_ref().map(signal_value),
            fault: explanation.fault.map(Into::into),
            next_read: explanation.next_read.map(Moment),
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
    use domain::webhook::Kind;
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
        last["lastEventId"] = Value::Null;
        expect![[r#"
            {
              "signal": "tractionbattery-stateofcharge",
              "finding": "implausible",
              "sentence": "The last reading was not a value that the signal can have, so it counts as unknown.",
              "value": {
                "value": 57.0,
                "capturedAt": "2026-03-02T12:04:00.000Z",
                "retrievedAt": "2026-03-02T12:04:00.000Z"
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
    async fn only_a_unified_webhook_of_the_vehicles_application_has_triggers_to_explain() {
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
