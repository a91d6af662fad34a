//! `POST /oauth/revoke` (RFC 7009): ends an access token, or with a refresh token everything that comes of its consent.

use std::sync::Arc;

use app::App;
use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
};
use bytes::Bytes;
use serde::Serialize;

use super::{client, error::Refusal, form::Form, token::NOT_IN_QUERIES};

/// There is nothing to tell, but SDKs want JSON.
#[derive(Serialize)]
pub(super) struct Done {}

/// A token that is unknown, or another application's, is answered like one that was revoked.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Refusal> {
    let form = Form::of_body(&headers, &body)?;
    let query = Form::of_query(query.as_deref())?;
    query.without(NOT_IN_QUERIES)?;
    query.without(&["client_secret"])?;
    let client = client::authenticated(&app, &headers, &[&form]).await?;
    app.revoke(&client, form.need("token")?).await?;
    Ok(Json(Done {}))
}
