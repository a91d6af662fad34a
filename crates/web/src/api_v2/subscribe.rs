//! `POST /v2.0/vehicles/{vehicleId}/webhooks/{webhookId}`

use std::sync::Arc;

use app::App;
use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    Subscription,
    auth::{Owner, covered},
    error::V2Error,
    webhook_of,
};
use crate::wire::Id;

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
    Owner(grant): Owner,
    subscription: Subscription,
) -> Result<Json<Subscribed>, V2Error> {
    let (vehicle, webhook) = subscription.ids()?;
    let row = covered(&app, &grant, vehicle).await?;
    app.spend_requests(&row, 1).await?;
    webhook_of(&app, webhook, grant.application)?;
    app.subscribe(webhook, &[vehicle]).await?;
    Ok(Json(Subscribed { vehicle_id: Id::of(vehicle), webhook_id: Id::of(webhook) }))
}
