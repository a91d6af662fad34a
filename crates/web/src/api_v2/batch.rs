//! `POST /v2.0/vehicles/{vehicleId}/batch`: several reads of one vehicle, with one look at it.

use std::collections::BTreeMap;

use app::App;
use axum::{
    Json,
    http::Uri,
    response::{IntoResponse, Response},
};
use domain::errors::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::TokenGrant;

use super::{
    asking::{self, Answered, Question, Target},
    auth,
    error::V2Error,
    json, parameters,
    read::{Parameters, vehicle_id},
};
use crate::front::Named;

/// Paths of one batch.
const MOST: usize = 100;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    path: String,
}

#[derive(Serialize)]
struct Answers {
    responses: Vec<AnsweredPart>,
}

/// The answer to one path, as a request for it alone would have got it. The headers are there even if there are none:
/// SDKs add to them.
#[derive(Serialize)]
struct AnsweredPart {
    path: String,
    code: u16,
    body: Box<RawValue>,
    headers: BTreeMap<&'static str, String>,
}

/// What a path of a batch asks for, with the parameters behind it.
fn question(part: &Part) -> Result<Question, V2Error> {
    let nothing = || V2Error::invalid("path", format!("there is no {:?} below a vehicle", part.path));
    let uri: Uri = part.path.parse().map_err(|_| nothing())?;
    let target = part.path.starts_with('/').then(|| Target::of(uri.path())).flatten().ok_or_else(nothing)?;
    let parameters: Parameters = parameters(uri.query())?;
    Ok(Question { target, wish: parameters.wish(target)? })
}

/// Answers in the order of the paths, each under its path as it was sent. A path that there is not fails the whole.
pub(super) async fn batch(
    app: &App,
    grant: &TokenGrant,
    vehicle: &str,
    headers: &axum::http::HeaderMap,
    body: &[u8],
    named: &Named,
) -> Result<Response, V2Error> {
    let id = vehicle_id(vehicle)?;
    let batch: Batch = json(body)?;
    if !(1..=MOST).contains(&batch.requests.len()) {
        return Err(V2Error::invalid("requests", format!("a batch has 1 to {MOST} paths")));
    }
    let questions = batch.requests.iter().map(question).collect::<Result<Vec<_>, _>>()?;
    let units = asking::units(headers)?;
    let row = auth::covered(app, grant, id).await?;
    app.admit(grant.application, u32::try_from(questions.len()).unwrap_or(u32::MAX))?;
    let answers = asking::answers(app, &row, &questions, units).await?;
    let origin = &app.settings().origin;
    let part = |(part, answer): (Part, Result<Answered, V2Error>)| {
        let (code, body, headers) = match answer {
            Ok(answered) => (200, answered.body, answered.headers),
            Err(error) if named.first => (error.status(), error.first_body(&named.id), error.inner_headers()),
            Err(error) => (error.status(), error.body(origin, &named.id), error.inner_headers()),
        };
        let body = RawValue::from_string(body).map_err(|_| V2Error::from(ErrorCode::SERVER_INTERNAL))?;
        Ok(AnsweredPart { path: part.path, code, body, headers })
    };
    let responses = batch.requests.into_iter().zip(answers).map(part).collect::<Result<_, V2Error>>()?;
    Ok(Json(Answers { responses }).into_response())
}
