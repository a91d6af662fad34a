//! Headers of an operator's own on the requests of a webhook: changing, sealing, opening.
//!
//! Values come in once and are never given out again; a change names headers one by one, so that nobody has to know the others to
//! change one. They are sealed under the application's data key with the webhook's id, and opened when a webhook is taken into
//! memory.

use domain::{
    ids::WebhookId,
    webhook::{HeaderRefused, SealedHeaders, basic_authorization, check_headers},
};
use zeroize::Zeroizing;

use crate::{
    AppError, DataKey, What,
    ports::{Dice, Header},
    sealing::SealError,
};

const AUTHORIZATION: &str = "Authorization";

/// What is to become of a webhook's headers; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct HeaderChange {
    /// All that there are go first.
    pub clear: bool,
    /// Set under this name, or removed for `None`. Case does not matter.
    pub set: Vec<(String, Option<Zeroizing<String>>)>,
    /// User and password for `Authorization`, or none of it.
    pub basic_auth: Option<Option<(String, Zeroizing<String>)>>,
    /// Whether an error URI on another origin gets them too.
    pub to_error_uri: Option<bool>,
}

impl HeaderChange {
    fn is_none(&self) -> bool {
        !self.clear && self.set.is_empty() && self.basic_auth.is_none() && self.to_error_uri.is_none()
    }

    /// The headers after the change.
    fn apply(self, headers: Vec<Header>) -> Result<Vec<Header>, AppError> {
        let mut headers = if self.clear { Vec::new() } else { headers };
        let mut named: Vec<String> = Vec::new();
        for (name, value) in self.set {
            if named.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                return Err(refused("headers", &HeaderRefused::Twice(name)));
            }
            set(&mut headers, &name, value);
            named.push(name);
        }
        if let Some(pair) = self.basic_auth {
            if named.iter().any(|name| name.eq_ignore_ascii_case(AUTHORIZATION)) {
                let message = "basicAuth is the header Authorization; give one of the two";
                return Err(AppError::invalid("basicAuth", message));
            }
            let value = pair.map(|(user, password)| basic_authorization(&user, &password)).transpose();
            let value = value.map_err(|error| refused("basicAuth", &error))?;
            set(&mut headers, AUTHORIZATION, value.map(Zeroizing::new));
        }
        check_headers(headers.iter().map(|header| (header.name(), header.value())))
            .map_err(|error| refused("headers", &error))?;
        Ok(headers)
    }
}

/// Replaces a header where it stands, adds it, or removes it.
fn set(headers: &mut Vec<Header>, name: &str, value: Option<Zeroizing<String>>) {
    let place = headers.iter().position(|header| header.name().eq_ignore_ascii_case(name));
    match (place, value) {
        (Some(place), Some(value)) => headers[place] = Header::new(name.to_owned(), value),
        (Some(place), None) => drop(headers.remove(place)),
        (None, Some(value)) => headers.push(Header::new(name.to_owned(), value)),
        (None, None) => {}
    }
}

fn refused(field: &'static str, error: &HeaderRefused) -> AppError {
    AppError::invalid(field, error.to_string())
}

/// The headers of the next revision, given those of the current one.
pub(crate) fn revised_headers(
    key: &DataKey,
    dice: &dyn Dice,
    webhook: WebhookId,
    current: Option<&SealedHeaders>,
    change: HeaderChange,
) -> Result<Option<SealedHeaders>, AppError> {
    if change.is_none() {
        return Ok(current.cloned());
    }
    let to_error_uri =
        change.to_error_uri.unwrap_or_else(|| current.is_some_and(|current| current.to_error_uri));
    let known = match current {
        // What is replaced as a whole need not open.
        Some(current) if !change.clear => open_headers(key, webhook, current)?,
        _ => Vec::new(),
    };
    let headers = change.apply(known)?;
    if headers.is_empty() && !to_error_uri {
        return Ok(None);
    }
    let pairs: Vec<_> = headers.iter().map(|header| (header.name(), header.value())).collect();
    let plain = Zeroizing::new(minicbor::to_vec(&pairs).expect("a vector takes all bytes"));
    let sealed = key.seal(dice, What::WebhookHeaders, webhook.0, &plain);
    let names = headers.iter().map(|header| header.name().to_owned()).collect();
    Ok(Some(SealedHeaders { names, sealed, to_error_uri }))
}

/// Opens the headers of a revision.
pub(crate) fn open_headers(
    key: &DataKey,
    webhook: WebhookId,
    headers: &SealedHeaders,
) -> Result<Vec<Header>, SealError> {
    let plain = Zeroizing::new(key.open(What::WebhookHeaders, webhook.0, &headers.sealed)?);
    let pairs: Vec<(String, String)> = minicbor::decode(&plain).map_err(|_| SealError::Damaged)?;
    Ok(pairs.into_iter().map(|(name, value)| Header::new(name, Zeroizing::new(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Header {
        Header::new(name.to_owned(), Zeroizing::new(value.to_owned()))
    }

    fn set(pairs: &[(&str, Option<&str>)]) -> HeaderChange {
        let set = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(|value| Zeroizing::new(value.to_owned()))));
        HeaderChange { set: set.collect(), ..HeaderChange::default() }
    }

    fn basic() -> HeaderChange {
        HeaderChange {
            basic_auth: Some(Some(("u".into(), Zeroizing::new("p".into())))),
            ..Default::default()
        }
    }

    fn field(result: Result<Vec<Header>, AppError>) -> &'static str {
        match result {
            Err(AppError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_names_headers_one_by_one_whatever_their_case() {
        let known = vec![header("X-A", "1"), header("X-B", "2")];
        let changed = set(&[("x-a", Some("3")), ("X-C", Some("4")), ("X-B", None)]).apply(known.clone());
        assert_eq!(changed.unwrap(), [header("x-a", "3"), header("X-C", "4")]);
        assert_eq!(HeaderChange::default().apply(known.clone()).unwrap(), known);
        let clear = HeaderChange { clear: true, ..set(&[("X-D", Some("5"))]) };
        assert_eq!(clear.apply(known).unwrap(), [header("X-D", "5")]);
    }

    #[test]
    fn basic_auth_is_the_authorization_header_and_goes_with_no_other() {
        assert_eq!(basic().apply(vec![]).unwrap(), [header("Authorization", "Basic dTpw")]);
        let none = HeaderChange { basic_auth: Some(None), ..HeaderChange::default() };
        assert_eq!(none.apply(vec![header("authorization", "x")]).unwrap(), []);
        let both = HeaderChange { set: set(&[("AUTHORIZATION", Some("x"))]).set, ..basic() };
        assert_eq!(field(both.apply(vec![])), "basicAuth");
    }

    #[test]
    fn the_bounds_hold_for_what_there_is_after_the_change() {
        let known: Vec<_> = (0..16).map(|n| header(&format!("X-{n}"), "v")).collect();
        assert_eq!(field(set(&[("X-16", Some("v"))]).apply(known.clone())), "headers");
        assert!(set(&[("X-16", Some("v")), ("X-0", None)]).apply(known).is_ok());
        assert_eq!(field(set(&[("X-A", Some("1")), ("x-a", None)]).apply(vec![])), "headers");
    }
}
