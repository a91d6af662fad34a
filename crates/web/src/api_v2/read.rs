//! `GET /v2.0/vehicles/{vehicleId}` and everything that is read below it.

use std::sync::Arc;

use app::App;
use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    errors::ErrorCode,
    ids::VehicleId,
    payload::v2::rest::{Read, Within},
    signal::Endpoint,
    time::Timestamp,
};
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
    /// The part of an answer that they ask for. What means nothing to a read is not looked at.
    pub(super) fn wish(&self, target: Target) -> Result<Wish, V2Error> {
        match target {
            Target::Permissions => {
                let (limit, offset) = (said(self.limit.as_deref()), said(self.offset.as_deref()));
                let page = page(limit, offset, Page::default(), 50)?;
                Ok(Wish { page, ..Wish::default() })
            }
            Target::Read(Read::Core(Endpoint::ServiceHistory)) => {
                Ok(Wish { within: self.within()?, ..Wish::default() })
            }
            Target::Read(Read::Brand(read)) if read.has_sessions() => {
                Ok(Wish { within: self.within()?, sheet: self.sheet()?, ..Wish::default() })
            }
            Target::Read(_) | Target::Shouted => Ok(Wish::default()),
        }
    }

    fn within(&self) -> Result<Within, V2Error> {
        Ok(Within {
            from: date(self.start_date.as_deref(), "start_date", "T00:00:00Z")?,
            until: date(self.end_date.as_deref(), "end_date", "T23:59:59.999Z")?,
        })
    }

    fn sheet(&self) -> Result<usize, V2Error> {
        let Some(text) = said(self.page.as_deref()) else { return Ok(1) };
        let sheet = text.parse().ok().filter(|&sheet| sheet > 0);
        sheet.ok_or_else(|| V2Error::invalid("page", "page is a number from 1 on"))
    }
}

/// A parameter that says something. The Node SDK writes `undefined` for one that is left out.
fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !["", "undefined"].contains(text))
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
    let (units, wish) = (asking::units(headers)?, parameters.wish(target)?);
    let row = auth::covered(app, grant, id).await?;
    if let Target::Read(_) | Target::Shouted = target {
        app.admit(grant.application, 1)?;
    }
    let answer = asking::answers(app, &row, &[Question { target, wish }], units).await?.pop();
    Ok(answer.ok_or(ErrorCode::SERVER_INTERNAL)??.into_response())
}

/// How clients write that there is no end.
const LAST_DAY: &str = "9999-12-31";

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

/// A date, or a moment; a date alone is taken with a time of its day.
fn date(text: Option<&str>, name: &'static str, time: &str) -> Result<Option<Timestamp>, V2Error> {
    let Some(text) = said(text) else { return Ok(None) };
    let parsed = text.parse().or_else(|_| format!("{text}{time}").parse());
    match parsed {
        Ok(at) => Ok(Some(Timestamp::from_jiff(at))),
        // The last day of all is not over within what moments can tell.
        Err(_) if text.starts_with(LAST_DAY) => Ok(Some(Timestamp::from_jiff(jiff::Timestamp::MAX))),
        Err(_) => Err(V2Error::invalid(name, "write a date like 2024-05-01, or a moment of RFC 3339")),
    }
}
