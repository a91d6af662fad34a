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
mod metrics;
mod server;
mod simulator;
mod subscriptions;
mod triggers;
mod users;
mod vehicles;
mod webhooks;

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
    warnings::Changed,
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
}
