//! Errors of the admin API as problem details (RFC 9457).
//!
//! A use-case says why it did not do something in cases of its own; here each becomes a status and a code, once. An
//! [`ApiError`] travels in the extensions of its response until the [`front`](crate::front) writes it out with the id
//! of the request; what it knows of an internal cause is logged there and not told to anybody.

use app::AppError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::{admin::ImportReportView, warnings::etag};

/// How long a client should wait when we do not know how long it takes.
const COME_BACK_SECONDS: u64 = 5;

/// A kind of problem: its code never changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    /// What helps, for the page that `type` leads to.
    pub(crate) advice: &'static str,
}

macro_rules! kinds {
    ($($name:ident $code:literal $status:ident $title:literal $advice:literal;)*) => {
        $(pub(crate) static $name: Kind =
            Kind { code: $code, status: StatusCode::$status, title: $title, advice: $advice };)*
        /// All of them.
        pub(crate) static KINDS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    MALFORMED "malformed" BAD_REQUEST "The request is malformed"
        "The detail says where. Unknown fields are refused, so that a misspelt one does not go unnoticed.";
    INVALID "invalid_value" BAD_REQUEST "A value is not acceptable"
        "The member field names the value, and the detail says what to write instead.";
    UNAUTHORIZED "unauthorized" UNAUTHORIZED "Credentials are missing or wrong"
        "Send the header Authorization: Bearer with an admin token of this server.";
    PLAN "plan" FORBIDDEN "The plan of the application does not include this"
        "Give the application another plan.";
    NOT_FOUND "not_found" NOT_FOUND "There is no such thing"
        "Check the path and the ids in it.";
    METHOD_NOT_ALLOWED "method_not_allowed" METHOD_NOT_ALLOWED "This path does not take this method"
        "The header Allow lists those that it takes.";
    TOO_SLOW "too_slow" REQUEST_TIMEOUT "The request came too slowly"
        "Send the whole request within a minute.";
    CONFLICT "conflict" CONFLICT "The present state does not allow this"
        "The detail says what to do first.";
    STALE "precondition_failed" PRECONDITION_FAILED "It has changed since the version that the request names"
        "Read it again and repeat the change on that; the header ETag has its version.";
    INCOMPATIBLE "incompatible" CONFLICT "The vehicle does not offer this"
        "Asking again does not help; the detail says what cannot be had of it.";
    TOO_LARGE "too_large" PAYLOAD_TOO_LARGE "The request is too large"
        "Split it into several requests.";
    HEADERS_TOO_LARGE "headers_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The headers are too large"
        "Send fewer headers, or shorter ones; the detail says how much is allowed.";
    MEDIA_TYPE "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The body is not declared as JSON"
        "Send the header Content-Type: application/json.";
    NOTHING_TAKEN "nothing_taken" UNPROCESSABLE_ENTITY "Nothing of the file can be taken"
        "The member report says what was left out and why.";
    TOO_OFTEN "too_often" TOO_MANY_REQUESTS "Too many requests"
        "Wait as many seconds as the header Retry-After says.";
    INTERNAL "internal" INTERNAL_SERVER_ERROR "The server has failed"
        "Its log has the cause under the id of the request.";
    UNAVAILABLE "unavailable" SERVICE_UNAVAILABLE "The server cannot do this now"
        "Wait as many seconds as the header Retry-After says. /readyz tells what is wrong.";
    BUSY "busy" SERVICE_UNAVAILABLE "Too many requests are in work"
        "Wait as many seconds as the header Retry-After says; nothing of this request was done.";
    DISK_FULL "disk_full" INSUFFICIENT_STORAGE "The disk of the server is full"
        "Free space in the data folder; the server then goes on by itself.";
}

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) kind: &'static Kind,
    pub(crate) detail: String,
    pub(crate) field: Option<String>,
    pub(crate) retry_after_seconds: Option<u64>,
    /// What an import left out, and why.
    pub(crate) report: Option<Box<ImportReportView>>,
    /// The version of the object now, for `ETag`.
    pub(crate) version: Option<u64>,
    /// For the log only.
    pub(crate) cause: Option<String>,
}

/// A problem as the wire has it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    /// The page that explains the code.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every problem with this code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What a program should look at.
    code: &'static str,
    /// The value that is not acceptable.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What was left out of a file, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Box<ImportReportView>>,
    /// Under which the server's log knows this request.
    request_id: String,
}

impl ApiError {
    fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            retry_after_seconds: None,
            version: None,
            report: None,
            cause: None,
        }
    }

    /// The request cannot be understood.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(&MALFORMED, detail)
    }

    /// A value is not acceptable; the text says what to write instead.
    pub(crate) fn invalid(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: Some(field.into()), ..Self::new(&INVALID, message.to_string()) }
    }

    /// The field that the error is about.
    pub(crate) fn about(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(&UNAUTHORIZED, "send the header Authorization: Bearer with an admin token of this server")
    }

    pub(crate) fn no_feed() -> Self {
        Self::new(&UNAUTHORIZED, "send the header Authorization: Bearer with the token of a feed")
    }

    /// No such thing, or one that must look as if it were not there.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(&NOT_FOUND, format!("no {what} with this id"))
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            &NOT_FOUND,
            "there is nothing at this path; the admin API is described by /api/openapi.json",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(&METHOD_NOT_ALLOWED, "this path does not take this method")
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(&CONFLICT, detail)
    }

    pub(crate) fn media_type() -> Self {
        Self::new(&MEDIA_TYPE, "a body needs the header Content-Type: application/json")
    }

    /// Readings come in one of two forms.
    pub(crate) fn readings_type() -> Self {
        Self::new(
            &MEDIA_TYPE,
            "readings are sent as application/json (an array) or application/x-ndjson (one to a line), \
             as they are or with Content-Encoding: gzip",
        )
    }

    pub(crate) fn too_many_readings(most: usize) -> Self {
        let detail = format!("there are more than the {most} readings that one request may have");
        Self::new(&TOO_LARGE, detail)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(&TOO_LARGE, format!("the body is larger than the {limit} bytes that are allowed"))
    }

    pub(crate) fn headers_too_large(limit: usize) -> Self {
        let detail = format!("address and headers are larger than the {limit} bytes that are allowed");
        Self::new(&HEADERS_TOO_LARGE, detail)
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(&TOO_SLOW, "the body did not arrive in time")
    }

    /// Too much is in work at once.
    pub(crate) fn busy() -> Self {
        let detail = "too many requests are in work; nothing of this one was done";
        Self { retry_after_seconds: Some(COME_BACK_SECONDS), ..Self::new(&BUSY, detail) }
    }

    /// So much of the application is in work already that this has to come later.
    pub(crate) fn come_back(after: std::time::Duration) -> Self {
        let seconds = after.as_secs().max(1);
        let detail = format!("the application has too much in work; try again in {seconds} s");
        Self { retry_after_seconds: Some(seconds), ..Self::new(&TOO_OFTEN, detail) }
    }

    /// Still at it when the time was over.
    pub(crate) fn takes_too_long() -> Self {
        Self::unavailable(
            "this takes longer than a request may; it goes on, so look at the result before trying again",
        )
    }

    pub(crate) fn internal(cause: impl ToString) -> Self {
        let error =
            Self::new(&INTERNAL, "the server has failed; its log has the cause under the id of the request");
        Self { cause: Some(cause.to_string()), ..error }
    }

    fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after_seconds: Some(COME_BACK_SECONDS), ..Self::new(&UNAVAILABLE, detail) }
    }

    /// The answer in full, of a server that is reached below a path.
    pub(crate) fn render(self, below: &str, request_id: &str) -> Response {
        let status = self.kind.status;
        let mut response =
            problem(self.kind, self.detail, self.field, self.report, below, request_id).into_response();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(version) = self.version {
            headers.insert(header::ETAG, etag(version));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn problem(
    kind: &Kind,
    detail: String,
    field: Option<String>,
    report: Option<Box<ImportReportView>>,
    below: &str,
    request_id: &str,
) -> axum::Json<Problem> {
    axum::Json(Problem {
        kind: format!("{below}/docs/problems#{}", kind.code),
        title: kind.title,
        status: kind.status.as_u16(),
        detail,
        code: kind.code,
        field,
        report,
        request_id: request_id.to_owned(),
    })
}

/// What a handler gives back; the front writes it out.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.kind.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let text = error.to_string();
        match error {
            AppError::NotFound(what) => Self::not_found(what),
            AppError::Invalid { field, message } => Self::invalid(field, message),
            AppError::Conflict(message) => Self::conflict(message),
            AppError::Stale { current, .. } => Self { version: Some(current), ..Self::new(&STALE, text) },
            AppError::TooOften(wait_ms) => {
                Self { retry_after_seconds: Some(wait_ms.div_ceil(1_000)), ..Self::new(&TOO_OFTEN, text) }
            }
            AppError::Plan(message) | AppError::PlanRequests(message) => Self::new(&PLAN, message),
            AppError::TooManyRequests(wait) => {
                Self { retry_after_seconds: Some(wait.as_secs().max(1)), ..Self::new(&TOO_OFTEN, text) }
            }
            AppError::Vehicle(_) => Self::new(&CONFLICT, text),
            AppError::Incompatible { message, .. } => Self::new(&INCOMPATIBLE, message),
            AppError::NothingTaken { message, report } => {
                Self { report: Some(Box::new((*report).into())), ..Self::new(&NOTHING_TAKEN, message) }
            }
            AppError::Unavailable(StoreError::Full) => {
                Self { retry_after_seconds: Some(COME_BACK_SECONDS), ..Self::new(&DISK_FULL, text) }
            }
            AppError::Unavailable(_) => Self::unavailable(text),
            AppError::Internal(_) => Self::internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    async fn check(error: impl Into<ApiError>, expected: Expect) {
        let response = error.into().render("", "0190a8c8-0000-7000-8000-000000000000");
        let mut text = format!("{}\n", response.status());
        for (name, value) in response.headers() {
            text += &format!("{name}: {}\n", value.to_str().unwrap());
        }
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        text += &serde_json::to_string_pretty(&body).unwrap();
        expected.assert_eq(&text);
    }

    #[tokio::test]
    async fn a_value_that_is_not_acceptable_is_named() {
        check(
            AppError::invalid("callbackUri", "write https://"),
            expect![[r#"
            400 Bad Request
            content-type: application/problem+json
            {
              "type": "/docs/problems#invalid_value",
              "title": "A value is not acceptable",
              "status": 400,
              "detail": "write https://",
              "code": "invalid_value",
              "field": "callbackUri",
              "requestId": "0190a8c8-0000-7000-8000-000000000000"
            }"#]],
        )
        .await;
    }

    #[tokio::test]
    async fn who_asks_too_often_learns_how_long_to_wait() {
        check(
            AppError::TooOften(1_200),
            expect![[r#"
            429 Too Many Requests
            content-type: application/problem+json
            retry-after: 2
            {
              "type": "/docs/problems#too_often",
              "title": "Too many requests",
              "status": 429,
              "detail": "too many requests; try again in 1200 ms",
              "code": "too_often",
              "requestId": "0190a8c8-0000-7000-8000-000000000000"
            }"#]],
        )
        .await;
    }

    #[tokio::test]
    async fn a_full_disk_is_told_apart_from_other_trouble() {
        check(
            AppError::Unavailable(StoreError::Full),
            expect![[r#"
            507 Insufficient Storage
            content-type: application/problem+json
            retry-after: 5
            {
              "type": "/docs/problems#disk_full",
              "title": "The disk of the server is full",
              "status": 507,
              "detail": "the disk is full; free space in the data folder and Milepost goes on by itself",
              "code": "disk_full",
              "requestId": "0190a8c8-0000-7000-8000-000000000000"
            }"#]],
        )
        .await;
        check(
            AppError::Unavailable(StoreError::Busy),
            expect![[r#"
            503 Service Unavailable
            content-type: application/problem+json
            retry-after: 5
            {
              "type": "/docs/problems#unavailable",
              "title": "The server cannot do this now",
              "status": 503,
              "detail": "too many writes are waiting",
              "code": "unavailable",
              "requestId": "0190a8c8-0000-7000-8000-000000000000"
            }"#]],
        )
        .await;
    }

    #[tokio::test]
    async fn an_internal_cause_is_not_told() {
        check(
            AppError::Internal("table webhooks is broken".into()),
            expect![[r#"
            500 Internal Server Error
            content-type: application/problem+json
            {
              "type": "/docs/problems#internal",
              "title": "The server has failed",
              "status": 500,
              "detail": "the server has failed; its log has the cause under the id of the request",
              "code": "internal",
              "requestId": "0190a8c8-0000-7000-8000-000000000000"
            }"#]],
        )
        .await;
    }

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let codes: std::collections::HashSet<_> = KINDS.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), KINDS.len());
    }
}
