//! Parameters, as forms and queries have them.

use axum::http::{HeaderMap, header};

use super::error::OAuthError;

/// Parameters of one request.
const MOST: usize = 32;
/// Bytes of a value.
const LONGEST: usize = 4_096;

/// Parameters by name, none of them twice. It has no `Debug`: values are secrets.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The parameters of a body, which must be declared as a form.
    pub(super) fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let description = "The body is a form: Content-Type: application/x-www-form-urlencoded.";
            return Err(OAuthError::request(description));
        }
        Self::parse(body)
    }

    /// The parameters of a query.
    pub(super) fn of_query(query: Option<&str>) -> Result<Self, OAuthError> {
        Self::parse(query.unwrap_or_default().as_bytes())
    }

    fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let mut known: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if known.len() == MOST {
                return Err(OAuthError::request(format!("There are more than {MOST} parameters.")));
            }
            if value.len() > LONGEST || name.len() > LONGEST {
                return Err(OAuthError::request(format!("A parameter is longer than {LONGEST} bytes.")));
            }
            if known.iter().any(|(known, _)| *known == name) {
                return Err(OAuthError::request("A parameter is there twice."));
            }
            known.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(known))
    }

    /// The value of a parameter; one without a value counts as left out.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// The value of a parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::missing(name))
    }

    /// Refuses parameters that have no business in a query, which is written into logs on its way.
    pub(super) fn without(&self, names: &[&str]) -> Result<(), OAuthError> {
        match names.iter().find(|name| self.get(name).is_some()) {
            None => Ok(()),
            Some(name) => Err(OAuthError::request(format!(
                "The parameter {name} belongs into the body, not into the query."
            ))),
        }
    }
}
