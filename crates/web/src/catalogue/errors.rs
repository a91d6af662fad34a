//! Errors: of payloads and the v2 API by type and code, of the admin API by code.

use domain::errors::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{UnknownWord, advice, found, known};
use crate::problem::KINDS;

/// An error of payloads and of the v2 API.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueErrorEntry {
    /// Together with the code, what receivers match.
    #[serde(rename = "type")]
    #[schema(example = "VEHICLE_STATE")]
    pub kind: &'static str,
    /// Null for types without codes.
    #[schema(example = "ASLEEP")]
    pub code: Option<&'static str>,
    /// The HTTP status of answers of the v2 API.
    pub status: u16,
    /// What happened.
    pub description: &'static str,
    /// The word of payloads for what helps; null for nothing.
    #[schema(example = "RETRY_LATER")]
    pub resolution: Option<&'static str>,
    /// Who does what about it: the developer, the owner or the operator.
    pub advice: &'static str,
    /// What to tell the owner, where the owner should know.
    pub user_message: Option<&'static str>,
    /// Whether it may pass by itself. Scheduled reads then ask again by themselves, within the slot.
    pub retried: bool,
    /// Where the server explains it; `docURL` in payloads and answers is the origin with this path.
    #[schema(example = "/docs/errors/vehicle-state-errors#asleep")]
    pub page: &'static str,
}

/// A problem of the admin API.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueProblem {
    /// What programs match.
    #[schema(example = "invalid_value")]
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened.
    pub title: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// Where the server explains it; `type` in answers is this path.
    pub page: String,
}

/// Which errors to show.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ErrorFilter {
    /// Words that are all found in the row.
    pub q: Option<String>,
    /// Of this type: `VEHICLE_STATE`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// The errors that a filter shows.
///
/// # Errors
///
/// When the filter names a type that does not exist.
pub fn errors(filter: &ErrorFilter) -> Result<Vec<CatalogueErrorEntry>, UnknownWord> {
    let mut rows: Vec<_> = ErrorCode::all().map(row).collect();
    if let Some(kind) = &filter.kind {
        let kind = known("type", kind, ErrorCode::all().map(ErrorCode::kind))?;
        rows.retain(|row| row.kind == kind);
    }
    if let Some(search) = &filter.q {
        rows.retain(|row| {
            let status = row.status.to_string();
            let words = [row.kind, row.code.unwrap_or_default(), &status, row.description];
            let more = [row.resolution.unwrap_or_default(), row.advice, row.user_message.unwrap_or_default()];
            found(search, words.into_iter().chain(more))
        });
    }
    Ok(rows)
}

/// The problems of the admin API in whose rows all words of a search are found.
pub fn problems(search: Option<&str>) -> Vec<CatalogueProblem> {
    let row = |kind: &crate::problem::Kind| CatalogueProblem {
        code: kind.code,
        status: kind.status.as_u16(),
        title: kind.title,
        advice: kind.advice,
        page: format!("/docs/problems#{}", kind.code),
    };
    let is_found = |row: &CatalogueProblem| {
        let status = row.status.to_string();
        search.is_none_or(|search| found(search, [row.code, &status, row.title, row.advice]))
    };
    KINDS.iter().map(|kind| row(kind)).filter(is_found).collect()
}

fn row(error: ErrorCode) -> CatalogueErrorEntry {
    CatalogueErrorEntry {
        kind: error.kind(),
        code: error.code(),
        status: error.status(),
        description: error.description(),
        resolution: error.resolution().as_str(),
        advice: advice(error),
        user_message: error.user_message(),
        retried: error.passes(),
        page: error.doc_path(),
    }
}
