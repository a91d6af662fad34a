//! What the head of a request must be before anything is done: of a bounded size, and framed so that a proxy in front cannot
//! have read it otherwise. hyper has refused by now what it cannot parse, lengths that contradict each other, and more than
//! a hundred headers.

use axum::http::{HeaderMap, HeaderValue, Version, header, request::Parts};

use crate::problem::ApiError;

/// Refuses a head that is too large or that two readers could take for different requests.
pub(crate) fn check(head: &Parts, most_bytes: usize) -> Result<(), ApiError> {
    if bytes(head) > most_bytes {
        return Err(ApiError::headers_too_large(most_bytes));
    }
    let named = head.headers.contains_key(header::HOST) || head.version >= Version::HTTP_11;
    if named && only(&head.headers, header::HOST).is_none_or(|host| !is_host(host)) {
        return Err(ApiError::malformed("a request has one header Host, with a name and perhaps a port"));
    }
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if head.headers.contains_key(header::TRANSFER_ENCODING)
        && !only(&head.headers, header::TRANSFER_ENCODING).is_some_and(chunked)
    {
        return Err(ApiError::malformed("chunked is the only Transfer-Encoding, and it is there once"));
    }
    Ok(())
}

/// What the head took on its way, but for the method and line ends.
fn bytes(head: &Parts) -> usize {
    let address = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    address + head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

/// A header that is there once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_host(host: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte);
    !host.is_empty() && host.as_bytes().iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{Request, StatusCode};

    #[track_caller]
    fn refused(headers: &[(&str, &str)]) -> Option<StatusCode> {
        let mut request = Request::get("/path?query");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, 100).err().map(|error| error.kind.status)
    }

    #[test]
    fn a_request_that_can_be_read_in_two_ways_is_refused() {
        let host = ("host", "milepost.example:8080");
        for good in [&[host][..], &[("host", "[::1]:8080")], &[host, ("transfer-encoding", "Chunked")]] {
            assert_eq!(refused(good), None, "{good:?}");
        }
        for bad in [
            &[][..],
            &[host, host],
            &[("host", "")],
            &[("host", "a b")],
            &[("host", "user@a")],
            &[("host", "a/b")],
            &[host, ("transfer-encoding", "gzip, chunked")],
            &[host, ("transfer-encoding", "identity")],
            &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(refused(bad), Some(StatusCode::BAD_REQUEST), "{bad:?}");
        }
    }

    #[test]
    fn a_head_is_as_large_as_it_may_be_and_no_larger() {
        let (host, rest) = (("host", "a"), 100 - "/path?query".len() - "hosta".len() - "x".len());
        assert_eq!(refused(&[host, ("x", &"v".repeat(rest))]), None);
        let too_large = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(refused(&[host, ("x", &"v".repeat(rest + 1))]), too_large);
    }
}
