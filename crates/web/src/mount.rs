//! A server below a path: `server.origin = "https://example.com/milepost"`.
//!
//! Everything inside is written as if the server had the host to itself. Here the path of the origin is taken off
//! requests and put before links of answers:
//!
//! | where | from | to |
//! | --- | --- | --- |
//! | path of a request | `/milepost/oauth/token` | `/oauth/token` |
//! | metadata of the authorization server (RFC 8414, 3.1) | `/.well-known/oauth-authorization-server/milepost` | without the end |
//! | `Location` of an answer | `/connect/brands?…` | `/milepost/connect/brands?…` |
//! | `href`, `action` and `src` in a page | `"/assets/…"` | `"/milepost/assets/…"` |
//!
//! A proxy may pass the path on or take it off, so requests without it are served as well. That is why the path must not
//! begin with a segment that the server itself has; see [`is_reserved`].
//!
//! Pages are rewritten as a whole rather than link by link, so that no page can forget it. Only templates of this server
//! have these attributes: text from elsewhere has its quotation marks escaped.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};

use crate::path::with_path;

/// First segments of paths that the server has.
const OWN: &[&str] = &[
    "api",
    "assets",
    "battery-capacity",
    "connect",
    "docs",
    "healthz",
    "ingest",
    "metrics",
    "oauth",
    "readyz",
    ".well-known",
];
const METADATA: &str = "/.well-known/oauth-authorization-server";
/// The largest page, by far.
const MOST_PAGE: usize = 16 << 20;

/// Whether an origin's path cannot begin with this segment, because the server has paths that do.
pub fn is_reserved(segment: &str) -> bool {
    let version =
        segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    OWN.contains(&segment) || version
}

/// The path of an origin: `/milepost`, or nothing.
pub(crate) fn path_of(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// Scheme and authority of an origin, without its path.
pub(crate) fn host_of(origin: &str) -> &str {
    &origin[..origin.trim_end_matches('/').len() - path_of(origin).len()]
}

/// Serves a request below the path.
pub(crate) async fn below(State(path): State<Arc<str>>, mut request: Request, next: Next) -> Response {
    if let Some(inner) = inside(request.uri().path(), &path) {
        *request.uri_mut() = with_path(request.uri(), &inner);
    }
    let mut response = next.run(request).await;
    let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    if let Some(to) = location.filter(|to| to.starts_with('/') && !to.starts_with("//")) {
        let to = HeaderValue::from_str(&format!("{path}{to}")).expect("both parts are values of headers");
        response.headers_mut().insert(header::LOCATION, to);
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("text/html")) {
        return rewritten(response, &path).await;
    }
    response
}

/// The path of a request as the server knows it.
fn inside(path: &str, base: &str) -> Option<String> {
    if path.strip_prefix(METADATA).is_some_and(|rest| rest.trim_end_matches('/') == base) {
        return Some(METADATA.to_owned());
    }
    match path.strip_prefix(base)? {
        "" => Some("/".to_owned()),
        rest if rest.starts_with('/') => Some(rest.to_owned()),
        // Another name that only begins alike.
        _ => None,
    }
}

async fn rewritten(response: Response, path: &str) -> Response {
    let (mut head, body) = response.into_parts();
    let page = to_bytes(body, MOST_PAGE).await.unwrap_or_default();
    head.headers.remove(header::CONTENT_LENGTH);
    let page = with_links_below(&String::from_utf8_lossy(&page), path);
    Response::from_parts(head, Body::from(page))
}

fn with_links_below(page: &str, path: &str) -> String {
    ["href", "action", "src"].iter().fold(page.to_owned(), |page, attribute| {
        page.replace(&format!(" {attribute}=\"/"), &format!(" {attribute}=\"{path}/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_host_and_perhaps_a_path() {
        for (origin, host, path) in [
            ("https://a.example", "https://a.example", ""),
            ("https://a.example/", "https://a.example", ""),
            ("http://[::1]:8080/milepost", "http://[::1]:8080", "/milepost"),
            ("https://a.example/x/y/", "https://a.example", "/x/y"),
        ] {
            assert_eq!((host_of(origin), path_of(origin)), (host, path), "{origin}");
        }
    }

    #[test]
    fn the_path_is_taken_off_requests_that_have_it() {
        let check = |path: &str, inner: Option<&str>| {
            assert_eq!(inside(path, "/milepost").as_deref(), inner, "{path}");
        };
        check("/milepost", Some("/"));
        check("/milepost/", Some("/"));
        check("/milepost/v2.0/vehicles", Some("/v2.0/vehicles"));
        check("/v2.0/vehicles", None);
        check("/mileposts/x", None);
        check("/.well-known/oauth-authorization-server/milepost", Some(METADATA));
        check("/.well-known/oauth-authorization-server", None);
    }

    #[test]
    fn links_of_a_page_go_below_the_path_and_words_stay() {
        let page =
            r#"<a href="/docs">/docs</a><form method="post" action="/connect/start"><a href="https://x">"#;
        assert_eq!(
            with_links_below(page, "/m"),
            r#"<a href="/m/docs">/docs</a><form method="post" action="/m/connect/start"><a href="https://x">"#
        );
    }

    #[test]
    fn paths_of_the_server_are_reserved() {
        for segment in ["api", "v2.0", "v3", "oauth", "connect", "docs", "ingest"] {
            assert!(is_reserved(segment), "{segment}");
        }
        assert!(!is_reserved("milepost") && !is_reserved("vehicles"));
    }
}
