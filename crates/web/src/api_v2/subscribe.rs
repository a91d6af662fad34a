//! `POST /v2.0/vehicles/{vehicleId}/webhooks/{webhookId}`

use std::sync::Arc;

use app::{App, AppError};
use axum::{Json, extract::State, http::HeaderMap};
use domain::errors::ErrorCode;
use serde::Serialize;

use super::{Subscription, error::V2Error, webhook_of};
use crate::{extract::bearer, wire::Id};

/// The vehicle is on the webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscribed {
    vehicle_id: Id,
    webhook_id: Id,
}

/// Puts a vehicle of the token's owner on a webhook of the token's application. One that is on it stays.
pub(super) async fn subscribe(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    subscription: Subscription,
) -> Result<Json<Subscribed>, V2Error> {
    let token = bearer(&headers).ok_or(ErrorCode::AUTHENTICATION)?;
    let grant = app.access(token).await?.ok_or(ErrorCode::AUTHENTICATION)?;
    let (vehicle, webhook) = subscription.ids()?;
    match app.vehicle(vehicle, Some(grant.application)).await {
        Ok(row) if row.user == grant.user && grant.covers(vehicle) => app.spend_request(&row).await?,
        Ok(_) | Err(AppError::NotFound(_)) => return Err(ErrorCode::PERMISSION.into()),
        Err(error) => return Err(error.into()),
    }
    webhook_of(&app, webhook, grant.application)?;
    app.subscribe(webhook, &[vehicle]).await?;
    Ok(Json(Subscribed { vehicle_id: Id::of(vehicle), webhook_id: Id::of(webhook) }))
}
