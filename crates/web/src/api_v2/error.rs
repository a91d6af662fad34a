//! Errors of the v2 API, in the form that its SDKs read.

use std::{borrow::Cow, collections::BTreeMap};

use app::{AppError, wait_seconds};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{errors::ErrorCode, vehicle::Fault};
use serde::Serialize;

use crate::problem::{self, ApiError};

/// Why a v2 request was not done. It travels like an [`ApiError`].
#[derive(Clone, Debug)]
pub(crate) struct V2Error {
    code: ErrorCode,
    detail: Vec<Detail>,
    retry_after_seconds: Option<u64>,
    /// Where the owner can do what the resolution asks for.
    url: Option<String>,
    /// For the log only.
    pub(crate) cause: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Detail {
    /// A value that is not acceptable.
    Field { field: Cow<'static, str>, message: Cow<'static, str> },
    /// Capacities that a battery may have.
    Capacities { capacities: Vec<f64> },
}

/// The body, complete: SDKs take missing members, and null where they expect none, for a broken server.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: Option<&'static str>,
    description: &'static str,
    #[serde(rename = "docURL")]
    doc_url: String,
    #[serde(rename = "statusCode")]
    status_code: u16,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    resolution: Resolution<'a>,
    #[serde(rename = "suggestedUserMessage", skip_serializing_if = "Option::is_none")]
    suggested_user_message: Option<&'static str>,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    detail: &'a [Detail],
}

/// Always an object. A client that expects a text breaks on a `url` that is null, so it is left out then.
#[derive(Serialize)]
struct Resolution<'a> {
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

/// The body of the first version.
#[derive(Serialize)]
struct FirstBody<'a> {
    #[serde(rename = "statusCode")]
    status_code: u16,
    error: String,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(rename = "requestId")]
    request_id: &'a str,
}

impl V2Error {
    /// The request is malformed in one of its values.
    pub(super) fn invalid(
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            detail: vec![Detail::Field { field: field.into(), message: message.into() }],
            ..ErrorCode::VALIDATION.into()
        }
    }

    /// A value is well formed, and not one that will do.
    pub(super) fn unacceptable(
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { code: ErrorCode::VALIDATION_PARAMETER, ..Self::invalid(field, message) }
    }

    /// With where the owner can do what the resolution asks for.
    pub(super) fn with_url(self, url: Option<String>) -> Self {
        Self { url, ..self }
    }

    /// With the capacities among which no choice could be made, where that is the error.
    pub(super) fn with_capacities(self, capacities: Vec<f64>) -> Self {
        if self.code != ErrorCode::SERVER_MULTIPLE_RECORDS_FOUND || capacities.is_empty() {
            return self;
        }
        Self { detail: vec![Detail::Capacities { capacities }], ..self }
    }

    /// The status of an answer with it.
    pub(super) const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The body of an answer with it.
    pub(super) fn body(&self, origin: &str, request_id: &str) -> String {
        let body = Body {
            kind: self.code.kind(),
            code: self.code.code(),
            description: self.code.description(),
            doc_url: format!("{origin}{}", self.code.doc_path()),
            status_code: self.code.status(),
            request_id,
            resolution: Resolution { kind: self.code.resolution().as_str(), url: self.url.as_deref() },
            suggested_user_message: self.code.user_message(),
            detail: &self.detail,
        };
        serde_json::to_string(&body).expect("texts and finite numbers")
    }

    /// The same in the form of the first version.
    pub(super) fn first_body(&self, request_id: &str) -> String {
        let body = FirstBody {
            status_code: self.code.status(),
            error: first_error(self.code),
            message: self.code.description(),
            code: first_code(self.code),
            request_id,
        };
        serde_json::to_string(&body).expect("texts and numbers")
    }

    /// The headers of a part of a batch with it.
    pub(super) fn inner_headers(&self) -> BTreeMap<&'static str, String> {
        self.retry_after_seconds.map(|seconds| ("retry-after", seconds.to_string())).into_iter().collect()
    }

    /// The answer in full.
    pub(crate) fn render(self, origin: &str, request_id: &str) -> Response {
        let body = self.body(origin, request_id);
        self.answer(body)
    }

    /// The answer in full, in the form of the first version.
    pub(crate) fn render_first(self, request_id: &str) -> Response {
        let body = self.first_body(request_id);
        self.answer(body)
    }

    fn answer(&self, body: String) -> Response {
        let status = StatusCode::from_u16(self.code.status()).expect("the catalogue has statuses of HTTP");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == ErrorCode::AUTHENTICATION {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The word of the first version: `validation_error`.
fn first_error(code: ErrorCode) -> String {
    match code.kind() {
        "RATE_LIMIT" => "rate_limiting_error".into(),
        "BILLING" => "monthly_limit_exceeded".into(),
        "COMPATIBILITY" => "vehicle_not_capable_error".into(),
        kind => format!("{}_error", kind.to_ascii_lowercase()),
    }
}

/// The code of the first version, which numbered some: `VS_000`.
fn first_code(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::VEHICLE_STATE_UNKNOWN => Some("VS_000"),
        code => code.code(),
    }
}

impl From<ErrorCode> for V2Error {
    fn from(code: ErrorCode) -> Self {
        Self { code, detail: vec![], retry_after_seconds: None, url: None, cause: None }
    }
}

impl From<Fault> for V2Error {
    fn from(fault: Fault) -> Self {
        Self {
            retry_after_seconds: fault.retry_after.map(|wait| wait_seconds(wait).max(1)),
            ..fault.code.into()
        }
    }
}

/// What a handler gives back; the front writes it out.
impl IntoResponse for V2Error {
    fn into_response(self) -> Response {
        let mut response = StatusCode::from_u16(self.code.status()).unwrap_or_default().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What happened before the v2 API was reached, and what use-cases say.
impl From<ApiError> for V2Error {
    fn from(error: ApiError) -> Self {
        let code = match error.kind.code {
            code if code == problem::UNAUTHORIZED.code => ErrorCode::AUTHENTICATION,
            code if code == problem::NOT_FOUND.code => ErrorCode::RESOURCE_NOT_FOUND_PATH,
            code if code == problem::METHOD_NOT_ALLOWED.code => ErrorCode::RESOURCE_NOT_FOUND_PATH,
            code if code == problem::PLAN.code => ErrorCode::BILLING_INVALID_PLAN,
            code if code == problem::TOO_OFTEN.code => ErrorCode::RATE_LIMIT_SMARTCAR_API,
            code if code == problem::BUSY.code => ErrorCode::RATE_LIMIT_SMARTCAR_API,
            _ if error.kind.status.is_client_error() => {
                return Self::invalid(error.field.unwrap_or_else(|| "request".into()), error.detail);
            }
            _ => ErrorCode::SERVER_INTERNAL,
        };
        // The client is not told what failed, so the log has to say it.
        let failed = (code == ErrorCode::SERVER_INTERNAL).then_some(error.detail);
        let (retry_after_seconds, cause) = (error.retry_after_seconds, error.cause.or(failed));
        Self { retry_after_seconds, cause, ..code.into() }
    }
}

impl From<AppError> for V2Error {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Incompatible { code, .. } => code.into(),
            AppError::Vehicle(fault) => fault.into(),
            AppError::TooManyRequests(wait) => Self {
                retry_after_seconds: Some(wait_seconds(wait).max(1)),
                ..ErrorCode::RATE_LIMIT_SMARTCAR_API.into()
            },
            AppError::PlanRequests(_) => ErrorCode::BILLING_VEHICLE_REQUEST_LIMIT.into(),
            other => ApiError::from(other).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    async fn check(error: impl Into<V2Error>, expected: Expect) {
        let response =
            error.into().render("https://milepost.example", "0190a8c8-0000-7000-8000-000000000000");
        let status = response.status();
        let retry_after =
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        expected.assert_eq(&format!("{status} {retry_after:?}\n{body:#}"));
    }

    #[tokio::test]
    async fn an_error_of_the_v2_form_is_complete() {
        check(ErrorCode::PERMISSION, expect![[r#"
            403 Forbidden None
            {
              "type": "PERMISSION",
              "code": null,
              "description": "Your application has insufficient permissions to access the requested resource. Please prompt the user to re-authenticate using Smartcar Connect.",
              "docURL": "https://milepost.example/docs/errors/permission-errors#null",
              "statusCode": 403,
              "requestId": "0190a8c8-0000-7000-8000-000000000000",
              "resolution": {
                "type": "REAUTHENTICATE"
              },
              "suggestedUserMessage": "Please connect your car again and allow access to the data that this app asks for."
            }"#]]).await;
        check(
            V2Error::invalid("webhookId", "no webhook of the application has this id"),
            expect![[r#"
            400 Bad Request None
            {
              "type": "VALIDATION",
              "code": null,
              "description": "The request, an id in it or its body is malformed.",
              "docURL": "https://milepost.example/docs/errors/validation-errors#null",
              "statusCode": 400,
              "requestId": "0190a8c8-0000-7000-8000-000000000000",
              "resolution": {
                "type": null
              },
              "detail": [
                {
                  "field": "webhookId",
                  "message": "no webhook of the application has this id"
                }
              ]
            }"#]],
        )
        .await;
    }

    #[tokio::test]
    async fn the_first_version_numbers_what_is_wrong_with_a_vehicle() {
        let body = async |code: ErrorCode| {
            let response = V2Error::from(code).render_first("0190a8c8-0000-7000-8000-000000000000");
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()
        };
        let unknown = body(ErrorCode::VEHICLE_STATE_UNKNOWN).await;
        assert_eq!((&unknown["error"], &unknown["code"]), (&"vehicle_state_error".into(), &"VS_000".into()));
        assert_eq!(body(ErrorCode::VEHICLE_STATE_ASLEEP).await["code"], "ASLEEP");
    }

    #[tokio::test]
    async fn trouble_of_the_server_says_nothing_of_its_cause() {
        check(
            AppError::Internal("table webhooks is broken".into()),
            expect![[r#"
            500 Internal Server Error None
            {
              "type": "SERVER",
              "code": "INTERNAL",
              "description": "The server has failed; the request id helps its operator to find out why.",
              "docURL": "https://milepost.example/docs/errors/server-errors#internal",
              "statusCode": 500,
              "requestId": "0190a8c8-0000-7000-8000-000000000000",
              "resolution": {
                "type": "RETRY_LATER"
              }
            }"#]],
        )
        .await;
        check(
            AppError::Unavailable(store::StoreError::Full),
            expect![[r#"
            500 Internal Server Error Some("5")
            {
              "type": "SERVER",
              "code": "INTERNAL",
              "description": "The server has failed; the request id helps its operator to find out why.",
              "docURL": "https://milepost.example/docs/errors/server-errors#internal",
              "statusCode": 500,
              "requestId": "0190a8c8-0000-7000-8000-000000000000",
              "resolution": {
                "type": "RETRY_LATER"
              }
            }"#]],
        )
        .await;
    }
}
