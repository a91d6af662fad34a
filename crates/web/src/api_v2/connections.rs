//! `GET` and `DELETE /v2.0/management/connections`: the connections of an application, with its management token.

use std::sync::Arc;

use app::App;
use axum::{Json, extract::State};
use domain::{
    ids::{UserId, VehicleId, VehicleNo},
    vehicle::Mode,
};
use serde::{Deserialize, Serialize};
use store::VehicleFilter;

use super::{V2Query, asking::Page, auth::Manager, error::V2Error, read};
use crate::{
    paging::{self, Cursor, List},
    wire::{Id, Moment},
};

/// Which connections.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    user_id: Option<String>,
    vehicle_id: Option<String>,
    mode: Option<String>,
    limit: Option<String>,
    /// Some clients call it the latter.
    #[serde(alias = "cursor_id")]
    cursor: Option<String>,
}

/// A page of connections, newest first.
#[derive(Serialize)]
pub(super) struct Connections {
    connections: Vec<Connection>,
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    vehicle_id: Id,
    user_id: Id,
    connected_at: Moment,
    mode: &'static str,
}

#[derive(Serialize)]
struct Paging {
    cursor: Option<String>,
}

/// Connections that have ended.
#[derive(Serialize)]
pub(super) struct Deleted {
    connections: Vec<Ended>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    vehicle_id: Id,
    user_id: Id,
}

impl Parameters {
    fn user(&self) -> Result<Option<UserId>, V2Error> {
        let id = self.user_id.as_deref().map(str::parse).transpose();
        id.map_err(|_| V2Error::invalid("user_id", "not a UUID"))
    }

    fn vehicle(&self) -> Result<Option<VehicleId>, V2Error> {
        let id = self.vehicle_id.as_deref().map(str::parse).transpose();
        id.map_err(|_| V2Error::invalid("vehicle_id", "not a UUID"))
    }

    /// What test mode was has become part of the simulated one.
    fn mode(&self) -> Result<Option<Mode>, V2Error> {
        match self.mode.as_deref() {
            None => Ok(None),
            Some("live") => Ok(Some(Mode::Live)),
            Some("simulated" | "test") => Ok(Some(Mode::Simulated)),
            Some(_) => Err(V2Error::invalid("mode", "the mode is live, simulated or test")),
        }
    }
}

/// Lists connections.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Manager(entry): Manager,
    V2Query(parameters): V2Query<Parameters>,
) -> Result<Json<Connections>, V2Error> {
    let usual = Page { limit: 10, offset: 0 };
    let limit = read::page(parameters.limit.as_deref(), None, usual, 100)?.limit;
    let cursor = parameters.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let after = paging::after(cursor, List::NewestConnections)
        .map_err(|_| V2Error::invalid("cursor", "take the cursor from paging.cursor of the page before"))?
        .map(|position| VehicleNo(paging::row(position)));
    let filter = VehicleFilter {
        application: Some(entry.application.no),
        user: parameters.user()?,
        mode: parameters.mode()?,
        after,
        newest_first: true,
        ..VehicleFilter::default()
    };
    let (rows, next) = app.connections(filter, parameters.vehicle()?, limit).await?;
    let connections = rows
        .into_iter()
        .map(|row| Connection {
            vehicle_id: Id::of(row.info.id),
            user_id: Id::of(row.user),
            connected_at: Moment(row.connected_at),
            mode: row.info.mode.as_str(),
        })
        .collect();
    let cursor = next.map(|last| Cursor::after_row(List::NewestConnections, last.0).to_string());
    Ok(Json(Connections { connections, paging: Paging { cursor } }))
}

/// Ends the connections of an owner, of a vehicle, or of both together.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Manager(entry): Manager,
    V2Query(parameters): V2Query<Parameters>,
) -> Result<Json<Deleted>, V2Error> {
    let (user, vehicle) = (parameters.user()?, parameters.vehicle()?);
    if user.is_none() && vehicle.is_none() {
        return Err(V2Error::invalid("user_id", "name an owner with user_id, or a vehicle with vehicle_id"));
    }
    let ended = app.delete_connections(entry.application.no, user, vehicle).await?;
    let connections = ended
        .into_iter()
        .map(|(vehicle, user)| Ended { vehicle_id: Id::of(vehicle), user_id: Id::of(user) })
        .collect();
    Ok(Json(Deleted { connections }))
}
