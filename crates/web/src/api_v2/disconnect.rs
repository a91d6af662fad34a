//! `DELETE /v2.0/vehicles/{vehicleId}/application`

use std::sync::Arc;

use app::{App, AppError};
use axum::{Json, extract::State};
use domain::errors::ErrorCode;

use super::{
    Done, V2Path,
    auth::{self, Either},
    error::V2Error,
    read::vehicle_id,
};

/// Ends the connection of a vehicle: by its owner's token, or by the management token of its application.
pub(super) async fn disconnect(
    State(app): State<Arc<App>>,
    caller: Either,
    V2Path(vehicle): V2Path<String>,
) -> Result<Json<Done>, V2Error> {
    let id = vehicle_id(&vehicle)?;
    let row = match caller {
        Either::Owner(grant) => auth::covered(&app, &grant, id).await?,
        Either::Manager(entry) => match app.vehicle(id, Some(entry.application.no)).await {
            Err(AppError::NotFound(_)) => return Err(ErrorCode::PERMISSION.into()),
            found => found?,
        },
    };
    match app.disconnect(row.info.id).await {
        Ok(()) => Ok(Json(Done::SUCCESS)),
        Err(AppError::NotFound(_)) => Err(ErrorCode::PERMISSION.into()),
        Err(error) => Err(error.into()),
    }
}
