//! The answers of the admin API to whatever creates or changes something: the object as it is now, with warnings beside
//! its members.
//!
//! ```json
//! {"id":"…","verified":false,"warnings":[{"code":"notVerified","message":"…"}]}
//! ```
//!
//! The member is always there, empty where there is nothing to warn of. What to warn of is decided in `domain` and `app`;
//! the command line shows warnings after the object.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Something to know about a change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Warning {
    /// What a program should look at; it never changes.
    #[schema(example = "notVerified")]
    code: &'static str,
    /// What follows, and what to do.
    message: String,
}

impl From<domain::warning::Warning> for Warning {
    fn from(warning: domain::warning::Warning) -> Self {
        Self { code: warning.code(), message: warning.to_string() }
    }
}

/// The answer to a change.
#[derive(Debug)]
pub(crate) struct Changed<T> {
    status: StatusCode,
    version: Option<u64>,
    body: Body<T>,
}

#[derive(Debug, Serialize)]
struct Body<T> {
    #[serde(flatten)]
    object: T,
    warnings: Vec<Warning>,
}

impl<T> Changed<T> {
    /// The object was changed, and is this now.
    pub(crate) fn ok(object: T) -> Self {
        Self { status: StatusCode::OK, version: None, body: Body { object, warnings: Vec::new() } }
    }

    /// The object was created.
    pub(crate) fn created(object: T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(object) }
    }

    /// The change is accepted, and what follows is under way.
    pub(crate) fn accepted(object: T) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::ok(object) }
    }

    /// The version of the object, which goes into `ETag`.
    pub(crate) fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// What to know about it.
    pub(crate) fn warn(mut self, warnings: impl IntoIterator<Item = domain::warning::Warning>) -> Self {
        self.body.warnings.extend(warnings.into_iter().map(Warning::from));
        self
    }
}

impl<T: Serialize> Changed<T> {
    /// Status and body, to be kept under an idempotency key.
    pub(crate) fn to_kept(&self) -> (u16, Vec<u8>) {
        (self.status.as_u16(), serde_json::to_vec(&self.body).expect("an answer is plain data"))
    }
}

impl<T: Serialize> IntoResponse for Changed<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        if let Some(version) = self.version {
            response.headers_mut().insert(header::ETAG, etag(version));
        }
        response
    }
}

/// An object as it is, with its version in `ETag`.
pub(crate) struct Versioned<T>(pub(crate) u64, pub(crate) T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(self.0))], axum::Json(self.1)).into_response()
    }
}

/// A version as the header `ETag` has it.
pub(crate) fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::warning::Warning as Known;
    use serde_json::json;

    async fn shown(changed: Changed<serde_json::Value>) -> serde_json::Value {
        let body = axum::body::to_bytes(changed.into_response().into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn warnings_stand_beside_the_members_of_the_object_and_are_always_there() {
        let object = || json!({"id": "1"});
        assert_eq!(shown(Changed::ok(object())).await, json!({"id": "1", "warnings": []}));
        let warned = shown(Changed::created(object()).warn([Known::Superseded])).await;
        assert_eq!(warned["warnings"][0]["code"], "superseded");
        assert_eq!(warned["warnings"][0]["message"], Known::Superseded.to_string());
    }

    #[test]
    fn a_version_goes_into_the_header_etag() {
        let answer = Changed::ok(json!({})).version(7).into_response();
        assert_eq!(answer.headers()[header::ETAG], "\"7\"");
        assert!(!Changed::ok(json!({})).into_response().headers().contains_key(header::ETAG));
    }
}
