//! Errors of the authorization server, in the form of RFC 6749: `{"error":…,"error_description":…}`.

use app::AppError;
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::problem::ApiError;

/// Why a request was not done. It has no `Debug`: what it says repeats what the client sent.
#[derive(Clone)]
pub(crate) struct OAuthError {
    status: StatusCode,
    code: &'static str,
    description: String,
    retry_after_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

impl OAuthError {
    fn new(code: &'static str, description: impl Into<String>) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, code, description: description.into(), retry_after_seconds: None }
    }

    /// The request is not one that can be understood.
    pub(super) fn request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// A parameter is missing.
    pub(super) fn missing(name: &str) -> Self {
        Self::request(format!("The parameter {name} is missing."))
    }

    /// The client is not known, or its secret is wrong. Those who use HTTP Basic, or nothing, are asked for it.
    pub(super) fn client(asked: bool) -> Self {
        let description = "The client is unknown, or its secret is wrong or missing.";
        let error = Self::new("invalid_client", description);
        if asked { Self { status: StatusCode::UNAUTHORIZED, ..error } } else { error }
    }

    /// The code cannot be redeemed. SDKs of the format look at both the error code and the sentence.
    pub(super) fn code(code: &str) -> Self {
        Self::request(format!("Invalid code: {code}."))
    }

    /// The refresh token cannot be spent. SDKs of the format look at the sentence.
    pub(super) fn refresh_token(token: &str) -> Self {
        Self::grant(format!("Invalid refresh_token: {token}."))
    }

    /// What was presented does not go with the rest of the request.
    pub(super) fn grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// There are two grant types.
    pub(super) fn grant_type() -> Self {
        let description = "The grant_type is authorization_code or refresh_token.";
        Self::new("unsupported_grant_type", description)
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = Body { error: self.code, error_description: &self.description };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oauth\""));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What happened before a handler was reached, and what use-cases say of the server.
impl From<ApiError> for OAuthError {
    fn from(error: ApiError) -> Self {
        let status = error.kind.status;
        let code = match status {
            StatusCode::INTERNAL_SERVER_ERROR => "server_error",
            _ if status.is_server_error() => "temporarily_unavailable",
            _ => "invalid_request",
        };
        let retry_after_seconds = error.retry_after_seconds;
        Self { status, code, description: error.detail, retry_after_seconds }
    }
}

/// Why a handler gives up.
pub(super) enum Refusal {
    OAuth(OAuthError),
    Api(Box<ApiError>),
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self::Api(Box::new(error.into()))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::OAuth(error) => error.into_response(),
            // The front logs the cause and writes it out.
            Self::Api(error) => error.into_response(),
        }
    }
}
