//! `DELETE /v2.0/vehicles/{vehicleId}/webhooks/{webhookId}`

use std::sync::Arc;

use app::{App, AppError};
use axum::{Json, extract::State};
use domain::errors::ErrorCode;

use super::{Done, Subscription, auth::Manager, error::V2Error, webhook_of};

/// Takes a vehicle off a webhook of the management token's application. One that is not on it is no error, and neither
/// is a body, which some SDKs send.
pub(super) async fn unsubscribe(
    State(app): State<Arc<App>>,
    Manager(application): Manager,
    subscription: Subscription,
) -> Result<Json<Done>, V2Error> {
    let (vehicle, webhook) = subscription.ids()?;
    webhook_of(&app, webhook, application.application.no)?;
    if let Ok(row) = app.vehicle(vehicle, Some(application.application.no)).await {
        app.spend_requests(&row, 1).await?;
    }
    match app.unsubscribe(webhook, vehicle).await {
        Ok(_) => Ok(Json(Done::SUCCESS)),
        // A vehicle of another application is answered like one that there is not.
        Err(AppError::NotFound(_)) => Err(ErrorCode::PERMISSION.into()),
        Err(error) => Err(error.into()),
    }
}
