//! Which application asks: its client id and one of its secrets.

use std::sync::Arc;

use app::{App, ApplicationEntry};
use axum::http::{HeaderMap, header};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    error::{OAuthError, Refusal},
    form::Form,
};

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The application whose credentials a request carries: by HTTP Basic, or as `client_id` and `client_secret` of one of
/// the forms. More than one of them must say the same.
pub(super) async fn authenticated(
    app: &App,
    headers: &HeaderMap,
    forms: &[&Form],
) -> Result<Arc<ApplicationEntry>, Refusal> {
    let basic = basic(headers)?;
    let (mut id, mut secret) = match &basic {
        Some((id, secret)) => (Some(id.as_str()), Some(secret.as_str())),
        None => (None, None),
    };
    for form in forms {
        agree(&mut id, form.get("client_id"))?;
        agree(&mut secret, form.get("client_secret"))?;
    }
    let asked = basic.is_some() || (id.is_none() && secret.is_none());
    let (Some(id), Some(secret)) = (id, secret) else { return Err(OAuthError::client(asked).into()) };
    match app.authenticate_client(id, secret).await? {
        Some(entry) => Ok(entry),
        None => {
            tracing::info!("A client could not be authenticated");
            Err(OAuthError::client(asked).into())
        }
    }
}

fn agree<'a>(known: &mut Option<&'a str>, said: Option<&'a str>) -> Result<(), OAuthError> {
    match (*known, said) {
        (Some(known), Some(said)) if known != said => {
            let description = "The client is named in more than one place, and not in the same way.";
            Err(OAuthError::request(description))
        }
        _ => {
            *known = known.or(said);
            Ok(())
        }
    }
}

/// Id and secret of `Authorization: Basic …`, both decoded as a form is (RFC 6749, 2.3.1). A header that is repeated or
/// of another kind authenticates nobody.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(OAuthError::client(true));
    }
    let parts = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let bytes = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(encoded.trim()).ok())??;
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((decoded(id), decoded(secret)))
    };
    parts().map(Some).ok_or_else(|| OAuthError::client(true))
}

/// One value of a form.
fn decoded(text: &str) -> String {
    // A name alone: what stands before a sign that would end it cannot be meant otherwise here.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[track_caller]
    fn check(value: &str, expected: Option<(&str, &str)>) {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
        let found = basic(&headers).ok().flatten();
        let found = found.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn basic_credentials_are_read_and_nothing_else() {
        check("Basic aWQ6c2VjcmV0", Some(("id", "secret")));
        check("basic  aWQ6c2VjcmV0", Some(("id", "secret")));
        check("Basic aWQ6czplOmM=", Some(("id", "s:e:c")));
        check("Basic aWQ6czplOmM", Some(("id", "s:e:c")));
        check("Basic aWQ6", Some(("id", "")));
        for wrong in ["Basic", "Basic ", "Basic %", "Basic aWQ=", "Basic /w==", "Bearer aWQ6c2VjcmV0"] {
            check(wrong, None);
        }
    }

    #[test]
    fn basic_credentials_are_decoded_as_forms_are() {
        let header = format!("Basic {}", BASE64.encode("a%3Ab:c+d%26e&f=g"));
        check(&header, Some(("a:b", "c d&e&f=g")));
    }

    #[test]
    fn a_repeated_header_authenticates_nobody() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static("Basic aWQ6c2VjcmV0"));
        }
        assert!(basic(&headers).is_err());
        assert!(basic(&HeaderMap::new()).is_ok_and(|none| none.is_none()));
    }
}
