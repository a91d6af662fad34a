//! How handlers read requests: strictly, and with refusals that say what to write instead.

use std::str::FromStr;

use app::Precondition;
use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use domain::ids::{ApplicationId, FeedId, UserId, VehicleId, WebhookId};
use serde::de::DeserializeOwned;

use crate::{
    decode::{self, Refusal, Source},
    problem::ApiError,
    wire::DeliveryId,
};

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
        decode::query(parts.uri.query()).map(Self).map_err(|refusal| malformed(&refusal, Source::Query))
    }
}

/// Which versions `If-Match` asks for; any without it, and with `*`.
pub(crate) struct IfMatch(pub(crate) Precondition);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        precondition(&parts.headers).map(Self)
    }
}

fn precondition(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    let mut versions = None::<Vec<u64>>;
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().map_err(|_| no_etags())?;
        for tag in text.split(',').map(str::trim) {
            if tag == "*" {
                return Ok(Precondition::None);
            }
            let quoted = tag.strip_prefix("W/").unwrap_or(tag);
            let opaque =
                quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(no_etags)?;
            let known = versions.get_or_insert_default();
            // A tag that is not ours matches nothing. A proxy that compresses makes ours weak; they name the same version.
            known.extend(opaque.parse::<u64>().ok());
        }
    }
    Ok(versions.map_or(Precondition::None, Precondition::OneOf))
}

fn no_etags() -> ApiError {
    ApiError::malformed("If-Match is * or the ETag of an answer with its quotes, such as \"3\"")
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
    decode::json(body).map_err(|refusal| malformed(&refusal, Source::Body))
}

fn malformed(refusal: &Refusal, source: Source) -> ApiError {
    let refused = ApiError::malformed(refusal.sentence(source));
    match refusal.field() {
        Some(field) => refused.about(field),
        None => refused,
    }
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

    #[test]
    fn if_match_names_versions_or_any() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_MATCH, HeaderValue::from_static(value));
            }
            precondition(&headers)
        };
        let versions = |versions: &[u64]| Precondition::OneOf(versions.to_vec());
        assert_eq!(read(&[]).unwrap(), Precondition::None);
        assert_eq!(read(&["*"]).unwrap(), Precondition::None);
        assert_eq!(read(&["\"3\""]).unwrap(), versions(&[3]));
        assert_eq!(read(&["\"3\", \"4\"", "\"9\""]).unwrap(), versions(&[3, 4, 9]));
        assert_eq!(read(&["W/\"3\""]).unwrap(), versions(&[3]), "a proxy has made it weak");
        assert_eq!(read(&["\"x\""]).unwrap(), versions(&[]), "a foreign tag matches nothing");
        assert!(read(&["3"]).is_err() && read(&[""]).is_err());
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
