//! Errors of the v2 API, in the form that its SDKs read.

use app::AppError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::errors::ErrorCode;
use serde::Serialize;

use crate::problem::{self, ApiError};

/// Why a v2 request was not done. It travels like an [`ApiError`].
#[derive(Clone, Debug)]
pub(crate) struct V2Error {
    code: ErrorCode,
    detail: Vec<Detail>,
    retry_after_seconds: Option<u64>,
    /// For the log only.
    pub(crate) cause: Option<String>,
}

/// A value that is not acceptable.
#[derive(Clone, Debug, Serialize)]
struct Detail {
    field: &'static str,
    message: &'static str,
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
    resolution: Resolution,
    #[serde(rename = "suggestedUserMessage", skip_serializing_if = "Option::is_none")]
    suggested_user_message: Option<&'static str>,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    detail: &'a [Detail],
}

#[derive(Serialize)]
struct Resolution {
    #[serde(rename = "type")]
    kind: Option<&'static str>,
}

impl V2Error {
    /// The request is malformed in one of its values.
    pub(super) fn invalid(field: &'static str, message: &'static str) -> Self {
        Self { detail: vec![Detail { field, message }], ..ErrorCode::VALIDATION.into() }
    }

    /// The answer in full.
    pub(crate) fn render(self, origin: &str, request_id: &str) -> Response {
        let status = StatusCode::from_u16(self.code.status()).expect("the catalogue has statuses of HTTP");
        let body = Body {
            kind: self.code.kind(),
            code: self.code.code(),
            description: self.code.description(),
            doc_url: format!("{origin}{}", self.code.doc_path()),
            status_code: self.code.status(),
            request_id,
            resolution: Resolution { kind: self.code.resolution().as_str() },
            suggested_user_message: self.code.user_message(),
            detail: &self.detail,
        };
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == ErrorCode::AUTHENTICATION {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ErrorCode> for V2Error {
    fn from(code: ErrorCode) -> Self {
        Self { code, detail: vec![], retry_after_seconds: None, cause: None }
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
            _ if error.kind.status.is_client_error() => ErrorCode::VALIDATION,
            _ => ErrorCode::SERVER_INTERNAL,
        };
        Self { retry_after_seconds: error.retry_after_seconds, cause: error.cause, ..code.into() }
    }
}

impl From<AppError> for V2Error {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Incompatible { code, .. } => code.into(),
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
              "description": "The owner has not granted the permission that this needs, or the vehicle is no longer connected.",
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
