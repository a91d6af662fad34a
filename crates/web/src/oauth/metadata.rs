//! `GET /.well-known/oauth-authorization-server` (RFC 8414): what this server offers, for clients that find out.

use std::sync::Arc;

use app::App;
use axum::{Json, extract::State};
use domain::connect::Permission;
use serde::Serialize;

use super::{REVOKE, TOKEN};

/// The metadata.
#[derive(Serialize)]
pub(super) struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: String,
    response_types_supported: &'static [&'static str],
    response_modes_supported: &'static [&'static str],
    grant_types_supported: &'static [&'static str],
    token_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    code_challenge_methods_supported: &'static [&'static str],
    authorization_response_iss_parameter_supported: bool,
    scopes_supported: Vec<&'static str>,
}

const CLIENT_METHODS: &[&str] = &["client_secret_basic", "client_secret_post"];

pub(super) async fn metadata(State(app): State<Arc<App>>) -> Json<Metadata> {
    let origin = &app.settings().origin;
    Json(Metadata {
        issuer: origin.clone(),
        authorization_endpoint: format!("{origin}/oauth/authorize"),
        token_endpoint: format!("{origin}{TOKEN}"),
        revocation_endpoint: format!("{origin}{REVOKE}"),
        response_types_supported: &["code"],
        response_modes_supported: &["query"],
        grant_types_supported: &["authorization_code", "refresh_token"],
        token_endpoint_auth_methods_supported: CLIENT_METHODS,
        revocation_endpoint_auth_methods_supported: CLIENT_METHODS,
        code_challenge_methods_supported: &["S256"],
        authorization_response_iss_parameter_supported: true,
        scopes_supported: Permission::ALL.iter().map(|permission| permission.as_str()).collect(),
    })
}
