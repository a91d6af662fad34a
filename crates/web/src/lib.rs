//! HTTP in: the admin API, the v2 endpoints, error pages, probes.
//!
//! One listener has many doors:
//!
//! | path | what | who may |
//! | --- | --- | --- |
//! | `/api/v1/…` | the admin API, described by `/api/openapi.json` | holders of an admin token |
//! | `/oauth/authorize`, `/oauth/reauthenticate`, `/battery-capacity`, `/connect/…` | Connect, the owner's consent flow, and `/connect/access`, where it is seen and ended | everybody |
//! | `/v2.0/…` | reads, commands, connections and webhooks of vehicles, in the form that the SDKs of the format expect | an owner's access token; an application's management token or client secret |
//! | `/v3/vehicles/…` | what is known of vehicles, as owners' tokens read it | an owner's access token |
//! | `/oauth/token`, `/oauth/revoke` | codes become tokens, tokens are refreshed and revoked | an application with its client secret |
//! | `/.well-known/oauth-authorization-server` | what the authorization server offers | everybody |
//! | `/ingest/v1/readings` | readings pushed in | holders of a feed's token |
//! | `/docs/…`, `/` | pages that links in errors lead to | everybody |
//! | `/healthz`, `/readyz` | probes | everybody |
//!
//! A request passes the `front` first, which bounds its body and its time and runs the rest to its end even when the
//! client has gone: a use-case that has written must also tell memory. Handlers read the request, call one use-case
//! and shape the answer in wire types of their own; errors become HTTP once, in `problem`, `api_v2::error` and
//! `oauth::error`.

mod admin;
mod api_v2;
mod api_v3;
pub mod catalogue;
mod client;
mod connect;
mod decode;
mod extract;
mod front;
mod head;
mod heavy;
mod ingest;
mod mount;
mod oauth;
mod pages;
mod paging;
mod path;
mod probes;
mod problem;
mod route;
mod serve;
mod taken;
mod tls;
mod warnings;
mod whole;
mod wire;

#[cfg(test)]
mod malformed;
#[cfg(test)]
mod testing;

use std::{sync::Arc, time::Duration};

use app::App;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Uri},
    middleware,
    response::{IntoResponse, Response},
};
use domain::errors::ErrorCode;
use tower::ServiceBuilder;

use crate::{api_v2::error::V2Error, front::Front, problem::ApiError};

pub use admin::openapi;
pub use client::TrustedProxies;
#[cfg(feature = "fuzzing")]
pub use ingest::fuzzing;
pub use mount::is_reserved;
pub use probes::metrics;
pub use serve::{Serving, serve};
pub use tls::{Tls, TlsError};

/// How HTTP in is set up.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// SHA-256 of each admin token.
    pub admin_token_hashes: Vec<[u8; 32]>,
    /// The version that pages and documents show.
    pub version: String,
    /// The bounds of requests and connections.
    pub limits: Limits,
    /// Proxies that are believed when they say who asks.
    pub trusted: TrustedProxies,
}

/// The bounds of requests and connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Bytes of all bodies that are held at once; requests beyond are told to come back.
    pub bodies: usize,
    /// From the end of a request's headers to its answer, and again until the client has taken that.
    pub request: Duration,
    /// Requests in work at once; more are told to come back.
    pub requests: usize,
    /// The same, of one client.
    pub requests_per_client: usize,
    /// From the first byte that is awaited of a request to the end of its headers; also how long a connection may idle.
    pub headers: Duration,
    /// Bytes of a request's address and headers.
    pub header_bytes: usize,
    /// Connections held at once; more wait to be accepted.
    pub connections: usize,
    /// The same, of one client that is not a trusted proxy; more are closed.
    pub connections_per_client: usize,
    /// How long requests may go on after a stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1_024 * 1_024,
            bodies: 256 * 1_024 * 1_024,
            request: Duration::from_secs(60),
            requests: 1_024,
            requests_per_client: 512,
            headers: Duration::from_secs(20),
            header_bytes: 32 * 1_024,
            connections: 4_096,
            connections_per_client: 1_024,
            drain: Duration::from_secs(10),
        }
    }
}

/// Everything that the main listener serves.
pub fn router(app: Arc<App>, config: WebConfig) -> Router {
    let front = Front::new(app.clone(), config.limits, config.trusted.clone());
    let below: Arc<str> = mount::path_of(&app.settings().origin).into();
    let doors = Router::new()
        .merge(connect::router(app.clone()))
        .merge(pages::router(&config.version, &app.settings().origin, app.compatible_models()))
        .merge(probes::router(app.clone(), &config.version))
        .merge(api_v2::router(app.clone()))
        .merge(api_v3::router(app.clone()))
        .merge(oauth::router(app.clone()))
        .merge(ingest::router(app.clone()))
        .merge(admin::router(app.clone(), &config))
        .fallback(move |uri: Uri, headers: HeaderMap| nothing_at(app, uri, headers))
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(middleware::from_fn_with_state(front, front::answer));
    // Paths are normalised before anything is matched against them.
    let router =
        Router::new().fallback_service(ServiceBuilder::new().map_request(path::normalise).service(doors));
    match &*below {
        "" => router,
        _ => router.layer(middleware::from_fn_with_state(below, mount::below)),
    }
}

async fn nothing_at(app: Arc<App>, uri: Uri, headers: HeaderMap) -> Response {
    match path::is_v2(uri.path()) {
        true if path::is_newest(uri.path()) => api_v2::nowhere(State(app), headers).await,
        true => V2Error::from(ErrorCode::RESOURCE_NOT_FOUND_VERSION).into_response(),
        false => ApiError::no_such_path().into_response(),
    }
}
