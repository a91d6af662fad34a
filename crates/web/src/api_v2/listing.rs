//! `GET /v2.0/user` and `GET /v2.0/vehicles`: who an access token speaks for, and what it covers.

use std::sync::Arc;

use app::App;
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

use super::{
    V2Query,
    asking::{Page, Paging},
    auth::Owner,
    error::V2Error,
    read,
};
use crate::wire::Id;

/// The owner behind a token.
#[derive(Serialize)]
pub(super) struct User {
    id: Id,
}

/// A part of the vehicles that a token covers.
#[derive(Serialize)]
pub(super) struct Vehicles {
    vehicles: Vec<Id>,
    paging: Paging,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    limit: Option<String>,
    offset: Option<String>,
}

pub(super) async fn user(Owner(grant): Owner) -> Json<User> {
    Json(User { id: Id::of(grant.user) })
}

/// An offset behind the last vehicle is no error.
pub(super) async fn vehicles(
    State(app): State<Arc<App>>,
    Owner(grant): Owner,
    V2Query(parameters): V2Query<Parameters>,
) -> Result<Json<Vehicles>, V2Error> {
    let usual = Page { limit: 10, offset: 0 };
    let page = read::page(parameters.limit.as_deref(), parameters.offset.as_deref(), usual, 50)?;
    let all = app.vehicles_of_grant(&grant).await?;
    let paging = Paging { count: all.len(), offset: page.offset };
    let vehicles = all.into_iter().skip(page.offset).take(page.limit).map(Id::of).collect();
    Ok(Json(Vehicles { vehicles, paging }))
}
