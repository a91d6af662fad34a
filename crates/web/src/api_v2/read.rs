//! `GET /v2.0/vehicles/{vehicleId}` and everything that is read below it.

use std::sync::Arc;

use app::App;
use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{errors::ErrorCode, ids::VehicleId, payload::v2::rest::Within, time::Timestamp};
use serde::Deserialize;

use super::{
    V2Path, V2Query,
    asking::{self, Page, Question, Target, Wish},
    auth::{self, Owner},
    error::V2Error,
};

/// What some reads take. Parameters that nobody knows are ignored, because SDKs send some.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    limit: Option<String>,
    offset: Option<String>,
    #[serde(alias = "startDate")]
    start_date: Option<String>,
    #[serde(alias = "endDate")]
    end_date: Option<String>,
    page: Option<String>,
}

impl Parameters {
    /// The part of an answer that they ask for.
    pub(super) fn wish(&self) -> Result<Wish, V2Error> {
        let sheet = self.page.as_deref().map_or(Ok(1), str::parse);
        let whole = "page is a number from 1 on";
        Ok(Wish {
            page: page(self.limit.as_deref(), self.offset.as_deref(), Page::default(), 50)?,
            within: Within {
                from: date(self.start_date.as_deref(), "start_date", "T00:00:00Z")?,
                until: date(self.end_date.as_deref(), "end_date", "T23:59:59.999Z")?,
            },
            sheet: sheet.ok().filter(|&sheet| sheet > 0).ok_or_else(|| V2Error::invalid("page", whole))?,
        })
    }
}

/// Make, model and year.
pub(super) async fn attributes(
    State(app): State<Arc<App>>,
    owner: Owner,
    V2Path(vehicle): V2Path<String>,
    headers: HeaderMap,
) -> Result<Response, V2Error> {
    let target = Target::of("/").ok_or(ErrorCode::RESOURCE_NOT_FOUND_PATH)?;
    one(&app, &owner, &vehicle, target, &headers, &Parameters::default()).await
}

/// What a path below a vehicle asks for.
pub(super) async fn below(
    State(app): State<Arc<App>>,
    owner: Owner,
    V2Path((vehicle, path)): V2Path<(String, String)>,
    V2Query(parameters): V2Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, V2Error> {
    let target = Target::of(&format!("/{path}")).ok_or(ErrorCode::RESOURCE_NOT_FOUND_PATH)?;
    one(&app, &owner, &vehicle, target, &headers, &parameters).await
}

async fn one(
    app: &App,
    Owner(grant): &Owner,
    vehicle: &str,
    target: Target,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, V2Error> {
    let id = vehicle_id(vehicle)?;
    let (units, wish) = (asking::units(headers)?, parameters.wish()?);
    let row = auth::covered(app, grant, id).await?;
    if let Target::Read(_) | Target::Shouted = target {
        app.admit(grant.application, 1)?;
    }
    let answer = asking::answers(app, &row, &[Question { target, wish }], units).await?.pop();
    Ok(answer.ok_or(ErrorCode::SERVER_INTERNAL)??.into_response())
}

/// The vehicle of a path.
pub(crate) fn vehicle_id(text: &str) -> Result<VehicleId, V2Error> {
    text.parse().map_err(|_| V2Error::invalid("vehicleId", "not a UUID"))
}

/// `limit` and `offset` of a query.
pub(super) fn page(
    limit: Option<&str>,
    offset: Option<&str>,
    usual: Page,
    most: usize,
) -> Result<Page, V2Error> {
    let limit = match limit.map(str::parse) {
        None => usual.limit,
        Some(Ok(limit)) if (1..=most).contains(&limit) => limit,
        Some(_) => return Err(V2Error::invalid("limit", format!("limit is a number from 1 to {most}"))),
    };
    let offset = match offset.map(str::parse) {
        None => usual.offset,
        Some(Ok(offset)) => offset,
        Some(Err(_)) => return Err(V2Error::invalid("offset", "offset is a number from 0 on")),
    };
    Ok(Page { limit, offset })
}

/// A date, or a moment; a date alone is taken with a time of its day. The Node SDK writes `undefined` for one that is left out.
fn date(text: Option<&str>, name: &'static str, time: &str) -> Result<Option<Timestamp>, V2Error> {
    let Some(text) = text.filter(|text| !["", "undefined"].contains(text)) else { return Ok(None) };
    let parsed = text.parse().or_else(|_| format!("{text}{time}").parse());
    match parsed {
        Ok(at) => Ok(Some(Timestamp::from_jiff(at))),
        Err(_) => Err(V2Error::invalid(name, "write a date like 2024-05-01, or a moment of RFC 3339")),
    }
}
