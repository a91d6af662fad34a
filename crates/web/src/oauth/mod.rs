//! Tokens of owners: `POST /oauth/token`, `POST /oauth/revoke`, and the metadata of this authorization server.
//!
//! Bodies are forms, answers are JSON, and nothing on the way may store them. Applications authenticate as clients:
//! by HTTP Basic, in the body, or (at `/oauth/token` only, for old examples) in the query. What OAuth has an error code
//! for is an [`OAuthError`](error::OAuthError); everything else arrives as an error of the application and is written in
//! the same form by the front.

mod client;
pub(crate) mod error;
mod form;
mod metadata;
mod revoke;
mod token;

#[cfg(test)]
mod canaries;
#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trees;

use std::sync::Arc;

use app::App;
use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    response::Response,
    routing::{get, post},
};

/// The doors of the authorization server that need no page.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(TOKEN, post(token::token))
        .route(REVOKE, post(revoke::revoke))
        .route_layer(middleware::map_response(not_stored))
        .route("/.well-known/oauth-authorization-server", get(metadata::metadata))
        .with_state(app)
}

const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke";

/// Whether answers of this path have the form of this API, whatever went wrong.
pub(crate) fn is_here(path: &str) -> bool {
    [TOKEN, REVOKE].contains(&path.trim_end_matches('/'))
}

async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
