//! `POST /oauth/token`: redeems codes and refreshes tokens.

use std::sync::Arc;

use app::{App, ApplicationEntry, GivenTokens, TokenRefused};
use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
};
use bytes::Bytes;
use serde::Serialize;

use super::{
    client,
    error::{OAuthError, Refusal},
    form::Form,
};

/// A pair of tokens on the wire.
#[derive(Serialize)]
pub(super) struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
}

impl From<GivenTokens> for Tokens {
    fn from(given: GivenTokens) -> Self {
        Self {
            access_token: given.access_token.to_string(),
            token_type: "Bearer",
            expires_in: given.expires_in.as_secs(),
            refresh_token: given.refresh_token.to_string(),
        }
    }
}

/// What is a secret and no client's.
pub(super) const NOT_IN_QUERIES: &[&str] =
    &["code", "code_verifier", "refresh_token", "access_token", "token", "password"];

pub(super) async fn token(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Tokens>, Refusal> {
    let form = Form::of_body(&headers, &body)?;
    // Parameters that nobody knows, such as the flags of the SDKs, are let be.
    let query = Form::of_query(query.as_deref())?;
    query.without(NOT_IN_QUERIES)?;
    let client = client::authenticated(&app, &headers, &[&form, &query]).await?;
    let given = match form.need("grant_type")? {
        "authorization_code" => redeem(&app, &client, &form).await?,
        "refresh_token" => refresh(&app, &client, &form).await?,
        _ => return Err(OAuthError::grant_type().into()),
    };
    Ok(Json(given.into()))
}

async fn redeem(app: &App, client: &ApplicationEntry, form: &Form) -> Result<GivenTokens, Refusal> {
    let code = form.need("code")?;
    let (redirect_uri, verifier) = (form.get("redirect_uri"), form.get("code_verifier"));
    let given = app.redeem_code(client, code, redirect_uri, verifier).await;
    given.map_err(|refused| told(refused, code))
}

async fn refresh(app: &App, client: &ApplicationEntry, form: &Form) -> Result<GivenTokens, Refusal> {
    let token = form.need("refresh_token")?;
    app.refresh(client, token).await.map_err(|refused| told(refused, token))
}

/// The error as the SDKs read it: what was sent is in it.
fn told(refused: TokenRefused, sent: &str) -> Refusal {
    match refused {
        TokenRefused::Code => OAuthError::code(sent).into(),
        TokenRefused::RefreshToken => OAuthError::refresh_token(sent).into(),
        TokenRefused::Exchange(why) => OAuthError::grant(why.to_string()).into(),
        TokenRefused::App(error) => error.into(),
    }
}
