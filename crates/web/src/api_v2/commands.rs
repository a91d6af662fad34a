//! `POST`, `PUT` and `DELETE` below a vehicle: commands, and the batch.
//!
//! | path | body |
//! | --- | --- |
//! | `/security` | `{"action": "LOCK"}` or `UNLOCK` |
//! | `/charge` | `{"action": "START"}` or `STOP` |
//! | `/charge/limit` | `{"limit": 0.8}`, from 0.5 to 1; a text of a number does, too |
//! | `/navigation/destination` | `{"latitude": 40.7, "longitude": -74}` |
//! | `/batch` | see [`batch`] |
//!
//! Vehicles of some brands take more, also with `PUT` and `DELETE`, see [`super::brand_commands`].

use std::sync::Arc;

use app::App;
use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use domain::{errors::ErrorCode, units::UnitSystem, vehicle::Command};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::TokenGrant;

use super::{
    V2Path, V2Query,
    asking::{self, error, error_of},
    auth::{self, Owner},
    batch,
    brand_commands::{self, BrandOrder, Found},
    error::V2Error,
    json,
    read::vehicle_id,
};
use crate::front::Named;

/// The vehicle has done it. Clients compare the message.
#[derive(Serialize)]
pub(super) struct Done {
    status: &'static str,
    message: &'static str,
}

impl Done {
    pub(super) const SENT: Self = Self { status: "success", message: "Successfully sent request to vehicle" };
}

/// What a path below a vehicle takes.
#[derive(Clone, Copy)]
enum Order {
    Security,
    Charge,
    ChargeLimit,
    Destination,
    Batch,
    Brand(Found),
}

impl Order {
    fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        match path {
            _ if *method != Method::POST => None,
            "security" => Some(Self::Security),
            "charge" => Some(Self::Charge),
            "charge/limit" => Some(Self::ChargeLimit),
            "navigation/destination" => Some(Self::Destination),
            "batch" => Some(Self::Batch),
            _ => None,
        }
        .or_else(|| brand_commands::find(method, path).map(Self::Brand))
    }

    fn command(self, parts: &Sent<'_>) -> Result<Command, V2Error> {
        let body: Value = match (self, parts.body) {
            (Self::Brand(Found::Order(BrandOrder::ClearPin)), b"") => Value::Null,
            (_, body) => json(body)?,
        };
        match self {
            Self::Brand(Found::Order(order)) => {
                let place = (parts.query.latitude.as_deref(), parts.query.longitude.as_deref());
                Ok(Command::Brand(order.command(&body, place, parts.units)?))
            }
            Self::Brand(Found::Shouted) => Err(ErrorCode::PERMISSION.into()),
            Self::Security => match body["action"].as_str() {
                Some("LOCK") => Ok(Command::Lock),
                Some("UNLOCK") => Ok(Command::Unlock),
                _ => Err(V2Error::invalid("action", "the action is LOCK or UNLOCK")),
            },
            Self::Charge => match body["action"].as_str() {
                Some("START") => Ok(Command::StartCharge),
                Some("STOP") => Ok(Command::StopCharge),
                _ => Err(V2Error::invalid("action", "the action is START or STOP")),
            },
            Self::ChargeLimit => match number(&body["limit"]) {
                Some(limit) if (0.5..=1.0).contains(&limit) => Ok(Command::ChargeLimit(limit * 100.0)),
                Some(_) => Err(V2Error::unacceptable("limit", "the limit is from 0.5 to 1")),
                None => Err(V2Error::invalid("limit", "the limit is a number from 0.5 to 1")),
            },
            Self::Destination => {
                let degrees = |name: &'static str, most: f64| match number(&body[name]) {
                    Some(degrees) if degrees.abs() <= most => Ok(degrees),
                    Some(_) => Err(V2Error::unacceptable(name, format!("from -{most} to {most} degrees"))),
                    None => Err(V2Error::invalid(name, format!("a number from -{most} to {most}"))),
                };
                let (latitude, longitude) = (degrees("latitude", 90.0)?, degrees("longitude", 180.0)?);
                Ok(Command::Destination { latitude, longitude })
            }
            Self::Batch => Err(ErrorCode::RESOURCE_NOT_FOUND_PATH.into()),
        }
    }
}

/// What came with an order.
struct Sent<'a> {
    body: &'a [u8],
    query: &'a PlaceQuery,
    units: UnitSystem,
}

/// The place that an order is about, where it names one.
#[derive(Debug, Deserialize)]
pub(super) struct PlaceQuery {
    latitude: Option<String>,
    longitude: Option<String>,
}

/// A number, or the text of one.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number| number.is_finite())
}

/// Does what is sent to a path below a vehicle.
#[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
pub(super) async fn below(
    State(app): State<Arc<App>>,
    Owner(grant): Owner,
    method: Method,
    V2Path((vehicle, path)): V2Path<(String, String)>,
    V2Query(query): V2Query<PlaceQuery>,
    Extension(named): Extension<Named>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, V2Error> {
    match Order::of(&method, &path).ok_or(ErrorCode::RESOURCE_NOT_FOUND_PATH)? {
        Order::Batch => batch::batch(&app, &grant, &vehicle, &headers, &body, &named).await,
        order => {
            let sent = Sent { body: &body, query: &query, units: asking::units(&headers)? };
            command(&app, &grant, &vehicle, order, &sent).await
        }
    }
}

async fn command(
    app: &App,
    grant: &TokenGrant,
    vehicle: &str,
    order: Order,
    sent: &Sent<'_>,
) -> Result<Response, V2Error> {
    let id = vehicle_id(vehicle)?;
    let command = order.command(sent)?;
    let row = auth::covered(app, grant, id).await?;
    app.admit(grant.application, 1)?;
    let links = app.application_of_no(row.application)?.links.clone();
    app.capable_of(&row, command).map_err(|code| error(code.into(), &links, &row))?;
    if !row.permissions.contains(command.permission()) {
        return Err(ErrorCode::PERMISSION.into());
    }
    app.spend_requests(&row, 1).await.map_err(|cause| error_of(cause, &links, &row))?;
    match app.command(&row, command).await {
        Ok(details) => match command {
            Command::Brand(command) => {
                let answer =
                    brand_commands::answer(command, &row.info, details.as_ref(), sent.units, app.now());
                answer.map_err(|code| error(code.into(), &links, &row))
            }
            _ => Ok(Json(Done::SENT).into_response()),
        },
        Err(cause) => {
            app.give_back_requests(&row, 1).await?;
            Err(error_of(cause, &links, &row))
        }
    }
}
