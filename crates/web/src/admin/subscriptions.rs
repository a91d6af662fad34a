//! `/api/v1/webhooks/{id}/subscriptions`: the vehicles on a webhook.

use std::sync::Arc;

use app::{App, SubscribedAll, Uncovered, WebhookEntry};
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::{
    ids::{VehicleId, VehicleNo, WebhookId},
    warning::Warning,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, Change, Changed};
use crate::{
    extract::{Ids, Json, Query},
    paging::{self, Cursor, List, Page, PageQuery},
    problem::{ApiError, NOT_FOUND},
    route::{Operation, operation},
    wire::{CatalogueError, Id, Moment},
};

/// Vehicles that one request may name.
const MOST_VEHICLES: usize = 1_000;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(Method::GET, "/webhooks/{id}/subscriptions", list, "Lists the vehicles on a webhook")
            .query::<PageQuery>()
            .page_of::<Subscription>(),
        operation(
            Method::POST,
            "/webhooks/{id}/subscriptions",
            subscribe,
            "Puts vehicles on a webhook, all of those named or none; one that is on it stays",
        )
        .takes::<Subscribe>()
        .answers::<Subscribed>(StatusCode::OK),
        operation(
            Method::DELETE,
            "/webhooks/{id}/subscriptions/{vehicleId}",
            unsubscribe,
            "Takes a vehicle off a webhook; nothing for it leaves later than a second from the answer",
        )
        .answers_nothing(),
    ]
}

/// A vehicle on a webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscription {
    id: Id,
    vehicle_id: Id,
    state: SubscriptionState,
    since: Moment,
}

/// Whether a subscription works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SubscriptionState {
    Active,
    /// The owner has not yet approved at the brand that charging events are reported.
    PendingApproval,
}

impl SubscriptionState {
    /// Of a vehicle on a webhook.
    pub(super) async fn of(app: &App, webhook: &WebhookEntry, vehicle: VehicleId) -> Result<Self, ApiError> {
        Ok(match app.awaits_approval(webhook, vehicle).await? {
            true => Self::PendingApproval,
            false => Self::Active,
        })
    }
}

/// Vehicles to put on a webhook: either some or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Subscribe {
    /// At most 1,000.
    vehicle_ids: Option<Vec<Id>>,
    /// `true`: every vehicle that the webhook's application has now.
    all: Option<bool>,
}

/// How many vehicles are on the webhook now, of those asked for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscribed {
    subscribed: usize,
    /// With `all`: vehicles that cannot be on such a webhook, and why; the first 100.
    not_covered: Vec<UncoveredVehicle>,
    /// With `all`: how many vehicles cannot be on such a webhook.
    not_covered_count: usize,
}

/// A vehicle that cannot be on a webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UncoveredVehicle {
    vehicle_id: Id,
    /// `COMPATIBILITY:MAKE_NOT_COMPATIBLE`, for example.
    error: CatalogueError,
    /// Why, as a sentence.
    reason: String,
}

impl From<Uncovered> for UncoveredVehicle {
    fn from(Uncovered { vehicle, code, reason }: Uncovered) -> Self {
        Self { vehicle_id: Id::of(vehicle), error: code.into(), reason }
    }
}

/// Which vehicles a request means.
#[derive(Debug, PartialEq)]
enum Choice {
    All,
    Some(Vec<VehicleId>),
}

impl Subscribe {
    fn choice(self) -> Result<Choice, ApiError> {
        match (self.vehicle_ids, self.all) {
            (None, Some(true)) => Ok(Choice::All),
            (Some(ids), None | Some(false)) if (1..=MOST_VEHICLES).contains(&ids.len()) => {
                ids.iter().map(|id| id.parse("vehicleIds")).collect::<Result<_, _>>().map(Choice::Some)
            }
            (Some(_), None | Some(false)) => Err(ApiError::invalid(
                "vehicleIds",
                format!("name 1 to {MOST_VEHICLES} vehicles in one request"),
            )),
            _ => Err(ApiError::invalid("vehicleIds", r#"send either {"vehicleIds":["…"]} or {"all":true}"#)),
        }
    }
}

/// `GET /api/v1/webhooks/{id}/subscriptions`
async fn list(
    State(app): State<Arc<App>>,
    Ids(id): Ids<WebhookId>,
    Query(page): Query<PageQuery>,
) -> Answer<Page<Subscription>> {
    let (after, limit) = page.of(List::Subscriptions)?;
    let after = after.map(|position| VehicleNo(paging::row(position)));
    let webhook = app.webhook_entry(id)?;
    let mut rows = app.subscriptions(webhook.webhook().no, after, limit + 1).await?;
    let next = paging::cut(&mut rows, limit, |row| Cursor::after_row(List::Subscriptions, row.vehicle.0));
    let mut subscriptions = Vec::with_capacity(rows.len());
    for row in rows {
        // A vehicle that was erased a moment ago is on nothing any more.
        let state = match SubscriptionState::of(&app, &webhook, row.vehicle_id).await {
            Ok(state) => state,
            Err(error) if error.kind == &NOT_FOUND => continue,
            Err(error) => return Err(error),
        };
        let (id, vehicle_id) = (Id::of(row.id), Id::of(row.vehicle_id));
        subscriptions.push(Subscription { id, vehicle_id, state, since: Moment(row.since) });
    }
    Ok(Out(Page::new(subscriptions, next)))
}

/// `POST /api/v1/webhooks/{id}/subscriptions`
async fn subscribe(
    State(app): State<Arc<App>>,
    Ids(id): Ids<WebhookId>,
    Json(subscribe): Json<Subscribe>,
) -> Change<Subscribed> {
    let SubscribedAll { subscribed, not_covered, missing } = match subscribe.choice()? {
        Choice::All => app.subscribe_all(id).await?,
        Choice::Some(vehicles) => {
            let subscribed = app.subscribe(id, &vehicles).await?;
            let missing = app.missing_permissions(&*app.webhook_entry(id)?, &vehicles).await?;
            SubscribedAll { subscribed, missing, ..SubscribedAll::default() }
        }
    };
    let warnings = Warning::of_webhook(app.webhook_entry(id)?.webhook());
    let answer = Subscribed {
        subscribed,
        not_covered: not_covered.first.into_iter().map(Into::into).collect(),
        not_covered_count: not_covered.count,
    };
    let skipped =
        (answer.not_covered_count > 0).then_some(Warning::NotCovered { vehicles: answer.not_covered_count });
    Ok(Changed::ok(answer).warn(warnings).warn(skipped).warn(missing.warning()))
}

/// `DELETE /api/v1/webhooks/{id}/subscriptions/{vehicleId}`
async fn unsubscribe(
    State(app): State<Arc<App>>,
    Ids((webhook, vehicle)): Ids<(WebhookId, VehicleId)>,
) -> Result<StatusCode, ApiError> {
    match app.unsubscribe(webhook, vehicle).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("vehicle on this webhook")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Server, new_webhook_of};
    use domain::webhook::Kind;
    use serde_json::{Value, json};

    fn choice(json: &str) -> Result<Choice, ApiError> {
        serde_json::from_str::<Subscribe>(json).unwrap().choice()
    }

    #[test]
    fn a_request_names_some_vehicles_or_all() {
        let id = "0190a8c8-0000-7000-8000-000000000000";
        assert_eq!(choice(r#"{"all":true}"#).unwrap(), Choice::All);
        let some = choice(&format!(r#"{{"vehicleIds":["{id}"]}}"#)).unwrap();
        assert_eq!(some, Choice::Some(vec![id.parse().unwrap()]));
        for refused in ["{}", r#"{"all":false}"#, r#"{"vehicleIds":[]}"#, r#"{"vehicleIds":["x"]}"#] {
            assert!(choice(refused).is_err(), "{refused}");
        }
        assert!(choice(&format!(r#"{{"vehicleIds":["{id}"],"all":true}}"#)).is_err());
    }

    #[test]
    fn one_request_names_a_thousand_vehicles_at_most() {
        let ids = |count| vec![Id::of("0190a8c8-0000-7000-8000-000000000000"); count];
        let choice = |count| Subscribe { vehicle_ids: Some(ids(count)), all: None }.choice();
        assert!(choice(MOST_VEHICLES).is_ok());
        assert!(choice(MOST_VEHICLES + 1).is_err());
    }

    #[tokio::test]
    async fn charging_events_of_a_ford_wait_for_its_owners_approval() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::EventBased)).await;
        let (ford, tesla) = (server.pushed_vehicle(&tenant, "Ford").await, tenant.vehicle.clone());
        let list = format!("/webhooks/{webhook}/subscriptions");
        server.admin(Method::POST, &list, json!({"vehicleIds": [ford, tesla]})).await.expect(200);
        let states = async || {
            let page = server.admin(Method::GET, &list, Value::Null).await.expect(200).json();
            let mut states = std::collections::BTreeMap::new();
            for item in page["items"].as_array().unwrap() {
                states.insert(item["vehicleId"].as_str().unwrap().to_owned(), item["state"].clone());
            }
            (states[&ford].clone(), states[&tesla].clone())
        };
        assert_eq!(states().await, (json!("pendingApproval"), json!("active")));
        let shown = server.admin(Method::GET, &format!("/vehicles/{ford}"), Value::Null).await.expect(200);
        assert_eq!(shown.json()["subscriptions"][0]["state"], "pendingApproval");
        let approve = |vehicle: &str| format!("/vehicles/{vehicle}/approve-charging-events");
        server.admin(Method::POST, &approve(&ford), Value::Null).await.expect(204);
        assert_eq!(states().await, (json!("active"), json!("active")));
        let needless = server.admin(Method::POST, &approve(&tesla), Value::Null).await.expect(409);
        assert!(needless.text("detail").contains("need no approval"), "{}", needless.body);
    }

    #[tokio::test]
    async fn what_owners_have_not_granted_is_a_warning_of_subscribing() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let list = format!("/webhooks/{}/subscriptions", tenant.webhook);
        let warned = async |body: Value| {
            let answer = server.admin(Method::POST, &list, body).await.expect(200).json();
            let warnings = answer["warnings"].as_array().unwrap().iter();
            let mut found = warnings.filter(|warning| warning["code"] == "notPermitted");
            found.next().map(|warning| warning["message"].as_str().unwrap().to_owned())
        };
        let one = || json!({"vehicleIds": [tenant.vehicle, tenant.vehicle]});
        assert_eq!(warned(one()).await, None);
        let path = format!("/vehicles/{}/permissions", tenant.vehicle);
        let only_odometer = json!({"permissions": ["read_odometer"]});
        server.admin(Method::PUT, &path, only_odometer).await.expect(200);
        for body in [one(), json!({"all": true})] {
            let message = warned(body).await.unwrap();
            assert!(message.starts_with("the owner of 1 vehicle has not granted read_battery, so"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_vehicle_without_charging_events_is_not_put_on_an_event_based_webhook() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::EventBased)).await;
        let bmw = server.pushed_vehicle(&tenant, "BMW").await;
        let list = format!("/webhooks/{webhook}/subscriptions");
        let both = json!({"vehicleIds": [tenant.vehicle, bmw]});
        let refused = server.admin(Method::POST, &list, both).await.expect(409);
        assert_eq!(refused.text("code"), "incompatible");
        assert_eq!(refused.text("detail"), "charging events cannot be had of a BMW X1 in the region EUROPE");
        let all = server.admin(Method::POST, &list, json!({"all": true})).await.expect(200);
        let all = all.json();
        assert_eq!(all["subscribed"], 1, "those that can be");
        assert_eq!((&all["notCoveredCount"], &all["notCovered"][0]["vehicleId"]), (&json!(1), &json!(bmw)));
        assert_eq!(all["notCovered"][0]["error"]["code"], "MAKE_NOT_COMPATIBLE");
        assert_eq!(all["notCovered"][0]["reason"], refused.json()["detail"]);
        assert_eq!(all["warnings"][0]["code"], "notVerified", "{all}");
        assert_eq!(all["warnings"][1]["code"], "notCovered");
    }
}
