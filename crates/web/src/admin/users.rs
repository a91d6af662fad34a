//! `/api/v1/users`: vehicle owners.

use std::sync::Arc;

use app::App;
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::ids::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::{
    extract::Ids,
    route::{Operation, operation},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::POST,
            "/users/{id}/erase",
            erase,
            "Disconnects and deletes everything of an owner, and destroys the key, so that backups hold nothing either",
        )
        .answers::<Erased>(StatusCode::OK),
    ]
}

/// What an erasure took away.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Erased {
    vehicles: usize,
}

/// `POST /api/v1/users/{id}/erase`
async fn erase(State(app): State<Arc<App>>, Ids(id): Ids<UserId>) -> Answer<Erased> {
    Ok(Out(Erased { vehicles: app.erase_user(id).await? }))
}
