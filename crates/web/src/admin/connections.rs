//! `/api/v1/connections`: which owner lets which application use which vehicle.

use std::sync::Arc;

use app::App;
use axum::{Json as Out, extract::State, http::Method};
use domain::ids::VehicleNo;
use serde::{Deserialize, Serialize};
use store::{VehicleFilter, VehicleRow};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, application_no, vehicles::ApplicationIds};
use crate::{
    extract::{Query, id_in_query},
    paging::{self, Cursor, Limit, List, Page},
    route::{Operation, operation},
    wire::{Id, Moment},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(Method::GET, "/connections", list, "Lists connections, oldest first")
            .query::<ConnectionQuery>()
            .page_of::<Connection>(),
    ]
}

/// Which connections to list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConnectionQuery {
    application_id: Option<String>,
    user_id: Option<String>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// How many items, 1 to 100; 50 by default.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Limit,
}

/// An owner's permission for an application to use a vehicle.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    id: Id,
    application_id: Option<Id>,
    user_id: Id,
    vehicle_id: Id,
    permissions: Vec<&'static str>,
    connected_at: Moment,
}

impl Connection {
    fn of(row: &VehicleRow, applications: &ApplicationIds) -> Self {
        Self {
            id: Id::of(row.connection),
            application_id: applications.of(row.application),
            user_id: Id::of(row.user),
            vehicle_id: Id::of(row.info.id),
            permissions: row.permissions.iter().map(|permission| permission.as_str()).collect(),
            connected_at: Moment(row.connected_at),
        }
    }
}

/// `GET /api/v1/connections`
async fn list(State(app): State<Arc<App>>, Query(query): Query<ConnectionQuery>) -> Answer<Page<Connection>> {
    let limit = query.limit.0;
    let filter = VehicleFilter {
        application: application_no(&app, id_in_query(query.application_id.as_deref(), "applicationId")?)?,
        user: id_in_query(query.user_id.as_deref(), "userId")?,
        after: paging::after(query.cursor.as_deref(), List::Connections)?
            .map(|at| VehicleNo(paging::row(at))),
        ..VehicleFilter::default()
    };
    // Each connection is of one vehicle, so the list follows that of vehicles.
    let mut rows = app.list_vehicles(filter, limit + 1).await?;
    let next = paging::cut(&mut rows, limit, |row| Cursor::after_row(List::Connections, row.no.0));
    let applications = ApplicationIds::new(&app);
    Ok(Out(Page::new(rows.iter().map(|row| Connection::of(row, &applications)).collect(), next)))
}
