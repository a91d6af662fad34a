//! How handlers read requests: strictly, and with refusals that say what to write instead.

use std::str::FromStr;

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query as AxumQuery, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use domain::ids::{ApplicationId, FeedId, UserId, VehicleId, WebhookId};
use serde::de::DeserializeOwned;

use crate::{problem::ApiError, wire::DeliveryId};

/// The ids of a path, in their order. One that is malformed is answered like one that is unknown.
pub(crate) struct Ids<T>(pub(crate) T);

/// What may stand in a path.
pub(crate) trait InPath: FromStr + Send {
    /// The noun, for the error.
    const NOUN: &'static str;
}

macro_rules! in_path {
    ($($id:ty => $noun:literal),* $(,)?) => {$(
        impl InPath for $id {
            const NOUN: &'static str = $noun;
        }
    )*};
}

in_path! {
    ApplicationId => "application",
    WebhookId => "webhook",
    VehicleId => "vehicle",
    UserId => "user",
    DeliveryId => "delivery",
    FeedId => "feed",
    Car => "simulated vehicle",
    Uploaded => "upload",
    Part => "part",
}

/// The id of an upload.
pub(crate) struct Uploaded(pub(crate) uuid::Uuid);

impl FromStr for Uploaded {
    type Err = domain::ids::MalformedId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|Car(id)| Self(id))
    }
}

/// The number of a part of an upload.
pub(crate) struct Part(pub(crate) u32);

impl FromStr for Part {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The id of a car of the simulator.
pub(crate) struct Car(pub(crate) uuid::Uuid);

impl FromStr for Car {
    type Err = domain::ids::MalformedId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The car's id has the form of a vehicle's.
        text.parse::<VehicleId>().map(|id| Self(id.0))
    }
}

fn parsed<T: InPath>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found(T::NOUN))
}

impl<S: Send + Sync, A: InPath> FromRequestParts<S> for Ids<A> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = path::<String, S>(parts, state).await?;
        Ok(Self(parsed(&text)?))
    }
}

impl<S: Send + Sync, A: InPath, B: InPath> FromRequestParts<S> for Ids<(A, B)> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((first, second)) = path::<(String, String), S>(parts, state).await?;
        Ok(Self((parsed(&first)?, parsed(&second)?)))
    }
}

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Path<T>, ApiError> {
    // Fails only where a segment is not UTF-8.
    Path::from_request_parts(parts, state).await.map_err(|_| ApiError::no_such_path())
}

/// The query, without parameters that nobody knows and without repeated ones.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match AxumQuery::try_from_uri(&parts.uri) {
            Ok(AxumQuery(query)) => Ok(Self(query)),
            Err(rejection) => Err(ApiError::malformed(rejection.body_text())),
        }
    }
}

/// A JSON body, without members that nobody knows and without repeated ones: request types deny them.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::media_type());
        }
        let body = Bytes::from_request(request, state).await.map_err(ApiError::internal)?;
        from_json(&body).map(Self)
    }
}

/// A JSON body that may be left out: what it would say is as usual then.
pub(crate) struct MaybeJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = is_json(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(ApiError::internal)?;
        match (body.is_empty(), json) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => from_json(&body).map(Self),
            (false, false) => Err(ApiError::media_type()),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let at = error.path().to_string();
        let refused = ApiError::malformed(error.into_inner().to_string());
        if at == "." { refused } else { refused.about(at) }
    })?;
    deserializer.end().map_err(|error| ApiError::malformed(error.to_string()))?;
    Ok(value)
}

/// A parameter of a query as text, parsed as an id of the domain.
pub(crate) fn id_in_query<T: FromStr>(text: Option<&str>, name: &str) -> Result<Option<T>, ApiError>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| text.parse().map_err(|error| ApiError::invalid(name, format!("{text:?} is {error}"))))
        .transpose()
}

/// The token of `Authorization: Bearer …`. None when the header is missing, repeated or of another kind.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::told;
    use axum::{http::HeaderValue, response::IntoResponse};
    use expect_test::{Expect, expect};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "inner")]
        _inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "hours")]
        _hours: u8,
    }

    fn check(body: &str, expected: Expect) {
        let error = from_json::<Sample>(body.as_bytes()).unwrap_err();
        expected.assert_eq(&told(&error));
    }

    #[test]
    fn a_misspelt_member_is_refused_by_its_name() {
        check(
            r#"{"name":"a","nmae":"b"}"#,
            expect!["malformed [nmae]: unknown field `nmae`, expected `name` or `inner` at line 1 column 18"],
        );
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_place() {
        check(
            r#"{"name":"a","inner":{"hours":300}}"#,
            expect!["malformed [inner.hours]: invalid value: integer `300`, expected u8 at line 1 column 32"],
        );
    }

    #[test]
    fn a_member_given_twice_is_refused() {
        check(r#"{"name":"a","name":"b"}"#, expect!["malformed: duplicate field `name` at line 1 column 18"]);
    }

    #[test]
    fn what_follows_the_value_is_refused() {
        check(r#"{"name":"a"} {"name":"b"}"#, expect!["malformed: trailing characters at line 1 column 14"]);
    }

    #[test]
    fn a_deep_body_is_refused_at_its_first_level_that_nobody_knows() {
        let deep =
            format!(r#"{{"name":"a","inner":{}1{}}}"#, r#"{"hours":"#.repeat(50_000), "}".repeat(50_000));
        assert!(from_json::<Sample>(deep.as_bytes()).is_err());
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        assert!(from_json::<Sample>(deep.as_bytes()).is_err());
    }

    #[test]
    fn json_goes_under_several_names() {
        let is = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        assert!(
            is("application/json")
                && is("application/JSON; charset=utf-8")
                && is("application/merge-patch+json")
        );
        assert!(!is("text/plain") && !is("application/x-www-form-urlencoded") && !is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_malformed_id_in_a_path_is_answered_like_an_unknown_one() {
        let malformed = parsed::<WebhookId>("x").unwrap_err();
        let unknown = ApiError::from(app::AppError::NotFound("webhook"));
        assert_eq!(told(&malformed), told(&unknown));
        assert_eq!(malformed.into_response().status(), 404);
    }

    fn check_bearer(value: &'static str, token: Option<&str>) {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
        assert_eq!(bearer(&headers), token, "{value}");
    }

    #[test]
    fn a_bearer_token_is_read_and_nothing_else() {
        check_bearer("Bearer abc", Some("abc"));
        check_bearer("bearer  abc", Some("abc"));
        check_bearer("Basic abc", None);
        check_bearer("Bearer", None);
        check_bearer("Bearer ", None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn two_authorization_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert_eq!(bearer(&headers), None);
    }
}
