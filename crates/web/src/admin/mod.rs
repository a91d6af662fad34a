//! The admin API, `/api/v1/…`: everything that an operator can do.
//!
//! Plural nouns, JSON with camelCase members, lists by cursor, errors as problem details, idempotency keys on POST.
//! Words that are values (`retries_used_up`) are in snake case.

mod applications;
mod auth;
mod catalogue;
mod connections;
mod deliveries;
mod feeds;
mod idempotency;
mod import_report;
mod metrics;
mod server;
mod simulator;
mod subscriptions;
mod triggers;
mod users;
mod vehicles;
mod waiting;
mod webhooks;

pub(crate) use import_report::ImportReportView;

use std::sync::Arc;

use app::App;
use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    response::Response,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use domain::ids::{ApplicationId, ApplicationNo};
use utoipa::openapi::OpenApi;

use crate::{
    WebConfig,
    problem::ApiError,
    route::{self, Operation},
    warnings::{Changed, Versioned},
};

const PREFIX: &str = "/api/v1";
const OPENAPI_PATH: &str = "/api/openapi.json";

/// The admin API with its description.
pub(crate) fn router(app: Arc<App>, config: &WebConfig) -> Router {
    let tokens = Arc::new(auth::AdminTokens::new(config.admin_token_hashes.clone()));
    let once = idempotency::Once::new(app.clone());
    let origin = app.settings().origin.clone();
    route::router(operations(), PREFIX)
        .route_layer(middleware::from_fn_with_state(once, idempotency::once))
        .route_layer(middleware::from_fn_with_state(tokens, auth::admins_only))
        .route_layer(middleware::map_response(not_stored))
        .with_state(app)
        .route(OPENAPI_PATH, description(&config.version, &origin))
}

/// The description of the admin API of a server that is reached at an origin.
pub fn openapi(version: &str, origin: &str) -> OpenApi {
    route::describe(&operations(), PREFIX, version, origin)
}

/// Serves the description, written out once.
fn description(version: &str, origin: &str) -> MethodRouter {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let document = serde_json::to_vec(&openapi(version, origin)).expect("a description is plain data");
    let document = Bytes::from(document);
    get(move || std::future::ready(([(header::CONTENT_TYPE, JSON)], document.clone())))
}

fn operations() -> Vec<Operation> {
    [
        applications::operations(),
        webhooks::operations(),
        subscriptions::operations(),
        deliveries::operations(),
        vehicles::operations(),
        triggers::operations(),
        feeds::operations(),
        connections::operations(),
        users::operations(),
        simulator::operations(),
        metrics::operations(),
        server::operations(),
        catalogue::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Answers of this API may hold secrets and positions.
async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer with a body.
type Answer<T> = Result<axum::Json<T>, ApiError>;

/// An answer with an object that can be edited.
type Shown<T> = Result<Versioned<T>, ApiError>;
/// An answer to a change.
type Change<T> = Result<Changed<T>, ApiError>;

/// The row number of an application that a filter names.
fn application_no(app: &App, id: Option<ApplicationId>) -> Result<Option<ApplicationNo>, ApiError> {
    id.map(|id| Ok(app.application(id)?.application.no)).transpose()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::testing::{ADMIN_TOKEN, Server};
    use axum::{
        body::Body,
        http::{Method, Request},
    };
    use serde_json::{Value, json};

    /// Methods by path, as the description has them.
    fn described(document: &Value) -> BTreeMap<String, BTreeSet<Method>> {
        let methods = |item: &Value| {
            item.as_object().unwrap().keys().map(|name| name.to_uppercase().parse().unwrap()).collect()
        };
        document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, item)| (path.clone(), methods(item)))
            .collect()
    }

    #[tokio::test]
    async fn what_is_described_is_what_is_served() {
        let server = Server::new().await;
        let request = Request::get("/api/openapi.json").body(Body::empty()).unwrap();
        let document = server.send(request).await.expect(200).json();
        for (path, methods) in described(&document) {
            for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let request =
                    Request::builder().method(&method).uri(path.replace(['{', '}'], "")).body(Body::empty());
                let answered = server.send(request.unwrap()).await;
                // Without a token, what is there asks for one.
                let expected = if methods.contains(&method) { 401 } else { 405 };
                assert_eq!(answered.status, expected, "{method} {path}");
            }
        }
        assert_eq!(described(&document).values().map(BTreeSet::len).sum::<usize>(), operations().len());
    }

    #[tokio::test]
    async fn no_operation_fails_over_an_id_that_is_unknown() {
        const UNKNOWN: &str = "0190a8c8-0000-7000-8000-00000000dead";
        let server = Server::new().await;
        let mut not_found = 0;
        let document = serde_json::to_value(openapi("1.2.3", "http://a")).unwrap();
        for (template, methods) in described(&document).iter().filter(|(path, _)| path.contains('{')) {
            let path =
                template.trim_start_matches("/api/v1").replace("{part}", "0").replace("{hint}", "abcd");
            let parts = path.split('/').map(|part| if part.starts_with('{') { UNKNOWN } else { part });
            let path = parts.collect::<Vec<_>>().join("/");
            for method in methods {
                let answered = server.admin(method.clone(), &path, Value::Null).await;
                assert!(answered.status.as_u16() < 500, "{method} {path}: {}", answered.body);
                not_found += usize::from(answered.status == 404);
            }
        }
        assert!(not_found > 30, "{not_found}");
    }

    #[test]
    fn the_description_holds_together() {
        let document = serde_json::to_value(openapi("1.2.3", "https://milepost.example")).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        for (at, start) in text.match_indices("#/components/schemas/") {
            let name = text[at + start.len()..].split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is referred to and not there");
        }
        let ids: Vec<_> = operations().iter().map(Operation::id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn a_name_of_the_description_means_one_thing() {
        let mut schemas = BTreeMap::new();
        for operation in operations() {
            for (name, schema) in operation.schemas() {
                let schema = serde_json::to_value(schema).unwrap();
                let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*known, schema, "two schemas have the name {name}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_without_an_admin_token_comes_in() {
        let server = Server::new().await;
        for wrong in ["", "x", &ADMIN_TOKEN[1..], &ADMIN_TOKEN.to_uppercase()] {
            server.request(Method::GET, "/api/v1/applications", wrong, Value::Null).await.expect(401);
        }
        server.request(Method::GET, "/api/v1/applications", ADMIN_TOKEN, Value::Null).await.expect(200);
        let request = Request::get("/api/v1/applications").body(Body::empty()).unwrap();
        let answered = server.send(request).await.expect(401);
        assert_eq!(answered.headers["www-authenticate"], "Bearer");
        assert_eq!(answered.json()["code"], "unauthorized");
        assert_eq!(answered.json()["requestId"], answered.headers["x-request-id"].to_str().unwrap());
    }

    #[tokio::test]
    async fn slashes_at_the_end_and_methods_are_handled_alike_everywhere() {
        let server = Server::new().await;
        server.admin(Method::GET, "/applications/", Value::Null).await.expect(200);
        let answered = server.admin(Method::PUT, "/applications", json!({})).await.expect(405);
        assert_eq!(answered.json()["code"], "method_not_allowed");
        assert!(answered.headers["allow"].to_str().unwrap().contains("POST"));
        server.admin(Method::TRACE, "/applications", Value::Null).await.expect(405);
        server.admin(Method::from_bytes(b"BREW").unwrap(), "/applications", Value::Null).await.expect(405);
        server.admin(Method::GET, "/teapots", Value::Null).await.expect(404);
    }

    #[tokio::test]
    async fn answers_of_the_admin_api_are_not_stored_on_the_way() {
        let server = Server::new().await;
        for path in ["/applications", "/applications/x"] {
            let answered = server.admin(Method::GET, path, Value::Null).await;
            assert_eq!(answered.headers["cache-control"], "no-store", "{path}");
        }
    }

    #[test]
    fn every_answer_to_a_change_is_described_with_its_warnings() {
        let document = serde_json::to_value(openapi("1.2.3", "https://milepost.example")).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let schema = &answer["content"]["application/json"]["schema"];
                    if method == "get" || schema.is_null() {
                        continue;
                    }
                    assert_eq!(
                        schema["allOf"][1]["required"],
                        json!(["warnings"]),
                        "{method} {path} {status}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn an_edit_on_a_version_that_has_passed_is_refused_with_the_version_of_now() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let (webhook, application) =
            (format!("/webhooks/{}", tenant.webhook), format!("/applications/{}", tenant.application));
        for path in [&webhook, &application] {
            let old = server.admin(Method::GET, path, Value::Null).await.expect(200).etag();
            let edited = server.admin_if(Method::PATCH, path, &old, json!({"name": "B"})).await.expect(200);
            let new = edited.etag();
            assert_ne!(old, new, "{path}");
            assert_eq!(server.admin(Method::GET, path, Value::Null).await.etag(), new);
            let refused = server.admin_if(Method::PATCH, path, &old, json!({"name": "C"})).await.expect(412);
            assert_eq!((refused.text("code").as_str(), refused.etag()), ("precondition_failed", new.clone()));
            assert!(refused.text("detail").contains(&format!("version {}", new.trim_matches('"'))));
            server.admin_if(Method::DELETE, path, &old, Value::Null).await.expect(412);
            server.admin_if(Method::PATCH, path, "*", json!({"name": "D"})).await.expect(200);
            server.admin_if(Method::PATCH, path, "W/\"0\"", json!({"name": "E"})).await.expect(412);
            server.admin_if(Method::PATCH, path, "1", json!({"name": "E"})).await.expect(400);
            server.admin(Method::PATCH, path, json!({"name": "F"})).await.expect(200);
            assert_eq!(server.admin(Method::GET, path, Value::Null).await.text("name"), "F");
        }
    }

    #[tokio::test]
    async fn what_an_owner_grants_is_changed_on_the_version_that_was_read() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let vehicle = format!("/vehicles/{}", tenant.vehicle);
        let permissions = format!("{vehicle}/permissions");
        let old = server.admin(Method::GET, &vehicle, Value::Null).await.expect(200).etag();
        let (few, more) =
            (json!({"permissions": ["read_vin"]}), json!({"permissions": ["read_vin", "read_fuel"]}));
        let changed = server.admin_if(Method::PUT, &permissions, &old, few.clone()).await.expect(200);
        assert_eq!(server.admin(Method::GET, &vehicle, Value::Null).await.etag(), changed.etag());
        server.admin_if(Method::PUT, &permissions, &old, more.clone()).await.expect(412);
        assert_eq!(
            server.admin(Method::GET, &vehicle, Value::Null).await.json()["permissions"],
            few["permissions"]
        );
        server.admin_if(Method::PUT, &permissions, &changed.etag(), more).await.expect(200);
    }

    #[tokio::test]
    async fn edits_of_different_members_at_once_lose_nothing() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/webhooks/{}", tenant.webhook);
        for round in 0..20 {
            let name = format!("Round {round}");
            let (one, other, third) = tokio::join!(
                server.admin(Method::PATCH, &path, json!({"name": name})),
                server.admin(Method::PATCH, &path, json!({"vehiclesPerRequest": round + 1})),
                server.admin(
                    Method::PATCH,
                    &path,
                    json!({"units": if round % 2 == 0 { "imperial" } else { "metric" }})
                ),
            );
            for answered in [one, other, third] {
                answered.expect(200);
            }
            let shown = server.admin(Method::GET, &path, Value::Null).await.json();
            assert_eq!((&shown["name"], &shown["vehiclesPerRequest"]), (&json!(name), &json!(round + 1)));
            assert_eq!(shown["units"], if round % 2 == 0 { "imperial" } else { "metric" });
        }
    }

    #[tokio::test]
    async fn a_list_of_values_in_their_order_is_not_an_object() {
        let server = Server::new().await;
        let body = json!(["arr", [], null, null]);
        let refused = server.admin(Method::POST, "/applications", body).await.expect(400);
        assert_eq!(refused.text("detail"), "the body is an object, and this is a list");
        let listed = server.admin(Method::GET, "/applications", Value::Null).await.json();
        assert_eq!(listed["items"], json!([]));
        let refused =
            server.admin(Method::GET, "/applications?limit=x&cursr=y", Value::Null).await.expect(400);
        assert!(!refused.text("detail").contains("deserialize"), "{}", refused.body);
    }

    #[tokio::test]
    async fn an_unknown_plan_is_refused_with_those_that_there_are() {
        let server = Server::with_plan("small", &[]).await;
        let new = json!({"name": "A", "plan": "gold"});
        let refused = server.admin(Method::POST, "/applications", new).await.expect(400);
        assert_eq!(refused.text("field"), "plan");
        let says = "no plan has the name \"gold\"; choose one of unlimited, small";
        assert_eq!(refused.text("detail"), says);
        let made = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.expect(201);
        let path = format!("/applications/{}", made.text("id"));
        server.admin(Method::PATCH, &path, json!({"plan": "gold"})).await.expect(400);
        server.admin(Method::PATCH, &path, json!({"plan": "small"})).await.expect(200);
    }

    #[tokio::test]
    async fn webhooks_say_what_keeps_them_from_data() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/webhooks", tenant.application);
        let dynamic = crate::testing::new_webhook_of(domain::webhook::Kind::Dynamic);
        let made = server.admin(Method::POST, &path, dynamic).await.expect(201);
        // The only vehicle tells nobody where it is.
        assert_eq!(made.warnings(), ["notVerified", "superseded", "unlikely"]);
        assert_eq!(made.json()["verification"]["callbackUri"]["status"], "pending");
        let webhook = format!("/webhooks/{}", made.text("id"));
        let twice = json!({"vehicleIds": [tenant.vehicle, tenant.vehicle]});
        let subscribe = format!("{webhook}/subscriptions");
        let subscribed = server.admin(Method::POST, &subscribe, twice).await.expect(200);
        assert_eq!(subscribed.json()["subscribed"], 1, "each vehicle counts once");
        assert_eq!(subscribed.warnings(), ["notVerified"]);
        let tested = server.admin(Method::POST, &format!("{webhook}/test"), Value::Null).await.expect(200);
        assert_eq!(tested.warnings(), ["notVerified"]);
        let off = server.admin(Method::POST, &format!("{webhook}/disable"), Value::Null).await.expect(200);
        assert_eq!(off.warnings(), ["switchedOff", "notVerified"]);
        assert_eq!(off.json()["disabled"]["reason"], "operator");
        assert!(off.json()["disabled"]["at"].is_string());
        let found = server.admin(Method::GET, "/server/diagnosis", Value::Null).await.expect(200);
        assert!(found.body.contains(&made.text("id")), "{}", found.body);
    }

    #[tokio::test]
    async fn fault_c4_a_condition_is_honoured_or_refused_on_every_route_that_changes_something() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let document = serde_json::to_value(openapi("1.2.3", "https://milepost.example")).unwrap();
        let mut honoured = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
                let describes_it = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
                let method: Method = method.to_uppercase().parse().unwrap();
                if method == Method::GET {
                    assert!(!describes_it, "{path}");
                    continue;
                }
                let id = match path.split('/').nth(3).unwrap() {
                    "applications" => &tenant.application,
                    "webhooks" => &tenant.webhook,
                    _ => &tenant.vehicle,
                };
                let to = path.strip_prefix(PREFIX).unwrap().replace("{id}", id);
                let to = to
                    .replace("{vehicleId}", &tenant.vehicle)
                    .replace("{hint}", "abcd")
                    .replace("{part}", "0");
                let body = match path.ends_with("/permissions") {
                    true => json!({"permissions": ["read_vin"]}),
                    false => json!({"name": "Renamed"}),
                };
                let answered = server.admin_if(method.clone(), &to, "\"999\"", body).await;
                if describes_it {
                    answered.expect(412);
                    assert!(operation["responses"]["412"].is_object(), "{path}");
                    honoured.insert(format!("{method} {path}"));
                } else {
                    let refused = answered.expect(400).json();
                    assert_eq!(refused["field"], "If-Match", "{method} {path}: {refused}");
                }
            }
        }
        let honoured: Vec<&str> = honoured.iter().map(String::as_str).collect();
        assert_eq!(
            honoured,
            [
                "DELETE /api/v1/applications/{id}",
                "DELETE /api/v1/webhooks/{id}",
                "PATCH /api/v1/applications/{id}",
                "PATCH /api/v1/webhooks/{id}",
                "PUT /api/v1/vehicles/{id}/permissions",
            ]
        );
        let shown =
            server.admin(Method::GET, &format!("/applications/{}", tenant.application), Value::Null).await;
        assert_eq!(shown.text("name"), "A");
        let any = server
            .admin_if(Method::POST, &format!("/webhooks/{}/disable", tenant.webhook), "*", json!({}))
            .await;
        any.expect(200);
    }

    #[tokio::test]
    async fn the_log_of_a_deleted_webhook_is_listed_by_its_id() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let log = format!("/deliveries?webhookId={}", tenant.webhook);
        server.admin(Method::DELETE, &format!("/webhooks/{}", tenant.webhook), Value::Null).await.expect(204);
        server.admin(Method::GET, &log, Value::Null).await.expect(200);
        server.admin(Method::GET, &format!("/webhooks/{}", tenant.webhook), Value::Null).await.expect(404);
        let never = "/deliveries?webhookId=0190a8c8-0000-7000-8000-000000000000";
        server.admin(Method::GET, never, Value::Null).await.expect(404);
    }
}
