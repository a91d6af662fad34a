//! The v2 API: reads, commands, batch, connections, compatibility, and webhooks of vehicles.
//!
//! | path | who may |
//! | --- | --- |
//! | `GET /user`, `/vehicles`, `/vehicles/{id}` and all that is read below it ([`read`]) | an owner's access token |
//! | `POST /vehicles/{id}/security`, `…/batch` and so on ([`commands`]) | an owner's access token |
//! | `DELETE /vehicles/{id}/application` | an owner's access token, or a management token |
//! | `POST /vehicles/{id}/webhooks/{id}` | an owner's access token |
//! | `DELETE /vehicles/{id}/webhooks/{id}` | a management token |
//! | `GET` and `DELETE /management/connections` | a management token |
//! | `GET /compatibility`, `/compatibility/matrix` | client id and secret (HTTP Basic) |
//!
//! SDKs hold its answers against what they know, so every answer is JSON with `sc-request-id`, success is 200, and an
//! error is complete (see [`error`]). Any number does as the version, see [`path`](crate::path).
//!
//! A request is checked in one order: who asks, the path, the form of ids and values, whether the token covers the
//! vehicle, what the vehicle is capable of, what its owner has granted, and at last the vehicle itself. What there is
//! not, and what belongs to another application, is answered alike.

mod asking;
pub(crate) mod auth;
mod batch;
pub(crate) mod brand_commands;
mod commands;
mod compatibility;
mod connections;
mod disconnect;
pub(crate) mod error;
mod listing;
pub(crate) mod read;
mod subscribe;
#[cfg(test)]
mod tests;
mod unsubscribe;

use std::sync::Arc;

use app::App;
use axum::{
    Router,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use domain::{
    errors::ErrorCode,
    ids::{ApplicationNo, VehicleId, WebhookId},
};
use serde::{Serialize, de::DeserializeOwned};

use self::error::V2Error;
use crate::decode::{self, Refusal, Source};

/// The v2 API.
pub(crate) fn router(app: Arc<App>) -> Router {
    let vehicle = "/v2.0/vehicles/{vehicleId}";
    Router::new()
        .route("/v2.0/user", get(listing::user).fallback(nowhere))
        .route("/v2.0/vehicles", get(listing::vehicles).fallback(nowhere))
        .route(vehicle, get(read::attributes).fallback(nowhere))
        .route(
            &format!("{vehicle}/{{*path}}"),
            get(read::below)
                .post(commands::below)
                .put(commands::below)
                .delete(commands::below)
                .fallback(nowhere),
        )
        .route(&format!("{vehicle}/application"), delete(disconnect::disconnect).fallback(nowhere))
        .route(
            &format!("{vehicle}/webhooks/{{webhookId}}"),
            post(subscribe::subscribe).delete(unsubscribe::unsubscribe).fallback(nowhere),
        )
        .route(
            "/v2.0/management/connections",
            get(connections::list).delete(connections::delete).fallback(nowhere),
        )
        .route("/v2.0/compatibility", get(compatibility::by_vin).fallback(nowhere))
        .route("/v2.0/compatibility/matrix", get(compatibility::by_region).fallback(nowhere))
        .with_state(app)
}

/// There is nothing at a path of this API, or not for this method; which is told only to those who may ask.
pub(crate) async fn nowhere(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match auth::anybody(&app, &headers).await {
        Ok(()) => V2Error::from(ErrorCode::RESOURCE_NOT_FOUND_PATH).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Something is done, and there is nothing more to say.
#[derive(Serialize)]
struct Done {
    status: &'static str,
}

impl Done {
    const SUCCESS: Self = Self { status: "success" };
}

/// The query of a request. Parameters that nobody knows are ignored: SDKs send some.
struct V2Query<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for V2Query<T> {
    type Rejection = V2Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, V2Error> {
        parameters(parts.uri.query()).map(Self)
    }
}

/// The parameters of a query, among others that nobody knows.
fn parameters<T: DeserializeOwned>(query: Option<&str>) -> Result<T, V2Error> {
    decode::query_among_others(query).map_err(|refusal| refused(&refusal, Source::Query))
}

/// A JSON body, with members that nobody knows, but with none twice.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, V2Error> {
    decode::json(body).map_err(|refusal| refused(&refusal, Source::Body))
}

fn refused(refusal: &Refusal, source: Source) -> V2Error {
    let whole = match source {
        Source::Body | Source::Reading => "body",
        Source::Query => "query",
    };
    V2Error::invalid(refusal.field().unwrap_or_else(|| whole.into()), refusal.sentence(source))
}

/// Parts of a path, as they were written.
pub(crate) struct V2Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for V2Path<T> {
    type Rejection = V2Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, V2Error> {
        // Fails only where a segment is not UTF-8.
        let path = Path::<T>::from_request_parts(parts, state).await;
        let Path(path) = path.map_err(|_| V2Error::from(ErrorCode::RESOURCE_NOT_FOUND_PATH))?;
        Ok(Self(path))
    }
}

/// The vehicle and the webhook of a path, as they were written.
struct Subscription {
    vehicle: String,
    webhook: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Subscription {
    type Rejection = V2Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, V2Error> {
        let V2Path((vehicle, webhook)) = V2Path::from_request_parts(parts, state).await?;
        Ok(Self { vehicle, webhook })
    }
}

impl Subscription {
    fn ids(&self) -> Result<(VehicleId, WebhookId), V2Error> {
        let vehicle = self.vehicle.parse().map_err(|_| V2Error::invalid("vehicleId", "not a UUID"))?;
        let webhook = self.webhook.parse().map_err(|_| V2Error::invalid("webhookId", "not a UUID"))?;
        Ok((vehicle, webhook))
    }
}

/// Refuses a webhook of another application as if there were none.
fn webhook_of(app: &App, id: WebhookId, application: ApplicationNo) -> Result<(), V2Error> {
    match app.webhook_entry(id) {
        Ok(entry) if entry.webhook().application == application => Ok(()),
        _ => Err(V2Error::invalid("webhookId", "the application has no webhook with this id")),
    }
}

#[cfg(test)]
mod webhooks {
    use crate::testing::{Answered, Server, new_webhook_of};
    use axum::http::Method;
    use domain::webhook::Kind;
    use serde_json::{Value, json};

    const UNKNOWN: &str = "0190a8c8-0000-7000-8000-000000000000";

    fn path(vehicle: &str, webhook: &str) -> String {
        format!("/v2.0/vehicles/{vehicle}/webhooks/{webhook}")
    }

    /// Type, code and detail of an error, which has a request id and the same status as its answer.
    #[track_caller]
    fn error(answered: &Answered) -> (String, Value, Value) {
        let body = answered.json();
        assert_eq!(body["requestId"], answered.headers["sc-request-id"].to_str().unwrap());
        assert_eq!(body["statusCode"], answered.status.as_u16());
        assert_eq!(answered.headers["content-type"], "application/json");
        (body["type"].as_str().unwrap().to_owned(), body["code"].clone(), body["detail"].clone())
    }

    #[track_caller]
    fn check(answered: &Answered, status: u16, kind: &str, code: Value) {
        assert_eq!(answered.status, status, "{}", answered.body);
        let (found_kind, found_code, _) = error(answered);
        assert_eq!((found_kind.as_str(), found_code), (kind, code));
    }

    #[tokio::test]
    async fn row_a01_a_vehicle_is_subscribed_with_its_owners_token() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = path(&tenant.vehicle, &tenant.webhook);
        for _ in 0..2 {
            let answered =
                server.request(Method::POST, &path, &tenant.access_token, Value::Null).await.expect(200);
            assert_eq!(answered.json(), json!({"vehicleId": tenant.vehicle, "webhookId": tenant.webhook}));
            assert_eq!(answered.headers["sc-request-id"].len(), 36);
            assert_eq!(answered.headers["content-type"], "application/json");
        }
        let webhook = server.admin(Method::GET, &format!("/webhooks/{}", tenant.webhook), Value::Null).await;
        assert_eq!(webhook.json()["subscriptions"], 1);
    }

    #[tokio::test]
    async fn row_a02_an_unknown_webhook_is_a_failed_validation() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        for webhook in [UNKNOWN, "not-an-id"] {
            let path = path(&tenant.vehicle, webhook);
            let answered = server.request(Method::POST, &path, &tenant.access_token, Value::Null).await;
            check(&answered, 400, "VALIDATION", Value::Null);
        }
    }

    #[tokio::test]
    async fn row_a03_a_vehicle_is_unsubscribed_with_the_management_token() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = path(&tenant.vehicle, &tenant.webhook);
        server.request(Method::POST, &path, &tenant.access_token, Value::Null).await.expect(200);
        // Some SDKs send an empty object, and the second time it is not on the webhook any more.
        for body in [json!({}), Value::Null] {
            let answered =
                server.request(Method::DELETE, &path, &tenant.management_token, body).await.expect(200);
            assert_eq!(answered.body, r#"{"status":"success"}"#);
            assert_eq!(answered.headers["sc-request-id"].len(), 36);
        }
        let webhook = server.admin(Method::GET, &format!("/webhooks/{}", tenant.webhook), Value::Null).await;
        assert_eq!(webhook.json()["subscriptions"], 0);
    }

    #[tokio::test]
    async fn row_a04_a_wrong_management_token_does_not_authenticate() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = path(&tenant.vehicle, &tenant.webhook);
        for token in ["wrong", &tenant.access_token, ""] {
            let answered = server.request(Method::DELETE, &path, token, Value::Null).await;
            check(&answered, 401, "AUTHENTICATION", Value::Null);
        }
        let answered = server.request(Method::POST, &path, &tenant.management_token, Value::Null).await;
        check(&answered, 401, "AUTHENTICATION", Value::Null);
    }

    #[tokio::test]
    async fn an_access_token_ends_after_two_hours() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.clock.pass(std::time::Duration::from_secs(2 * 3_600));
        let path = path(&tenant.vehicle, &tenant.webhook);
        let answered = server.request(Method::POST, &path, &tenant.access_token, Value::Null).await;
        check(&answered, 401, "AUTHENTICATION", Value::Null);
    }

    #[tokio::test]
    async fn ids_of_another_application_are_answered_like_unknown_ones() {
        let server = Server::new().await;
        let (own, other) = (server.tenant("A").await, server.tenant("B").await);
        let answered = |method: Method, vehicle: String, webhook: String| {
            let token = if method == Method::POST { &own.access_token } else { &own.management_token };
            let server = &server;
            async move {
                let answered = server.request(method, &path(&vehicle, &webhook), token, Value::Null).await;
                (answered.status, error(&answered))
            }
        };
        for method in [Method::POST, Method::DELETE] {
            let foreign = answered(method.clone(), own.vehicle.clone(), other.webhook.clone()).await;
            let unknown = answered(method.clone(), own.vehicle.clone(), UNKNOWN.into()).await;
            assert_eq!(foreign, unknown, "{method} webhook");
            let foreign = answered(method.clone(), other.vehicle.clone(), own.webhook.clone()).await;
            let unknown = answered(method.clone(), UNKNOWN.into(), own.webhook.clone()).await;
            assert_eq!(foreign, unknown, "{method} vehicle");
            assert_eq!((foreign.0.as_u16(), foreign.1.0.as_str()), (403, "PERMISSION"));
        }
    }

    #[tokio::test]
    async fn a_token_covers_the_vehicles_of_its_owner_only() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let car = json!({"make": "Tesla", "model": "Model Y"});
        let car = server.admin(Method::POST, "/simulator/vehicles", car).await.expect(201).text("id");
        let connect = json!({"applicationId": tenant.application});
        let linked = server.admin(Method::POST, &format!("/simulator/vehicles/{car}/connect"), connect).await;
        let path = path(&linked.expect(201).text("vehicleId"), &tenant.webhook);
        let answered = server.request(Method::POST, &path, &tenant.access_token, Value::Null).await;
        check(&answered, 403, "PERMISSION", Value::Null);
    }

    #[tokio::test]
    async fn paths_and_versions_that_there_are_not_are_told_apart() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        for path in ["/v2.0/teapots", "/v2.0", "/v2.0/vehicles/x/y/z"] {
            let answered = server.request(Method::GET, path, &tenant.access_token, Value::Null).await;
            check(&answered, 404, "RESOURCE_NOT_FOUND", json!("PATH"));
        }
        for path in ["/vfoo/vehicles", "/v1.1/vehicles", "/vehicles"] {
            let answered = server.request(Method::GET, path, &tenant.access_token, Value::Null).await;
            check(&answered, 404, "RESOURCE_NOT_FOUND", json!("VERSION"));
        }
        let newest = path(&tenant.vehicle, &tenant.webhook).replace("v2.0", "v999999999") + "/";
        server.request(Method::POST, &newest, &tenant.access_token, Value::Null).await.expect(200);
        let answered = server.request(Method::GET, &newest, &tenant.access_token, Value::Null).await;
        check(&answered, 404, "RESOURCE_NOT_FOUND", json!("PATH"));
    }

    #[tokio::test]
    async fn row_a01_and_a03_webhooks_of_every_generation_are_subscribed_and_unsubscribed() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        for &kind in Kind::ALL {
            let webhook = server.webhook(&tenant, new_webhook_of(kind)).await;
            let path = path(&tenant.vehicle, &webhook);
            let answered = server.request(Method::POST, &path, &tenant.access_token, Value::Null).await;
            assert_eq!(
                answered.expect(200).json(),
                json!({"vehicleId": tenant.vehicle, "webhookId": webhook}),
                "{kind:?}"
            );
            let answered = server.request(Method::DELETE, &path, &tenant.management_token, Value::Null).await;
            assert_eq!(answered.expect(200).body, r#"{"status":"success"}"#, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_vehicle_without_charging_events_is_not_compatible_with_an_event_based_webhook() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::EventBased)).await;
        for (make, code) in [("BMW", "MAKE_NOT_COMPATIBLE"), ("Toyota", "VEHICLE_NOT_CAPABLE")] {
            let vehicle = server.pushed_vehicle(&tenant, make).await;
            let path = path(&vehicle, &webhook);
            let answered = server.request(Method::POST, &path, &tenant.access_token, Value::Null).await;
            check(&answered, 501, "COMPATIBILITY", json!(code));
        }
    }

    #[tokio::test]
    async fn a_webhook_that_is_not_in_the_plan_any_more_cannot_be_subscribed_to() {
        let server = Server::with_plan("small", &[Kind::Scheduled]).await;
        let tenant = server.tenant("A").await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::Unified)).await;
        let application = format!("/applications/{}", tenant.application);
        server.admin(Method::PATCH, &application, json!({"plan": "small"})).await.expect(200);
        let unified = path(&tenant.vehicle, &webhook);
        let answered = server.request(Method::POST, &unified, &tenant.access_token, Value::Null).await;
        check(&answered, 430, "BILLING", json!("INVALID_PLAN"));
        let vehicles = json!({"vehicleIds": [tenant.vehicle]});
        let path = format!("/webhooks/{webhook}/subscriptions");
        let answered = server.admin(Method::POST, &path, vehicles).await.expect(403);
        assert_eq!(answered.text("code"), "plan");
        server.request(Method::DELETE, &unified, &tenant.management_token, Value::Null).await.expect(200);
        let answered = server.request(Method::DELETE, &unified, &tenant.management_token, Value::Null).await;
        check(&answered, 430, "BILLING", json!("VEHICLE_REQUEST_LIMIT"));
    }
}
