//! Paths before they are matched: with or without a slash at the end, and under any version that there could be.

use axum::{
    extract::Request,
    http::uri::{PathAndQuery, Uri},
};

/// The version of the v2 API that this server speaks, as the first segment of a path.
const NEWEST: &str = "v2.0";

/// The first version, which was switched off at the brand of the format. Old clients still ask for it and read its errors.
const FIRST: &str = "v1.0";

/// Marks a request that came for the first version: its errors have the form of that one.
#[derive(Clone, Copy)]
pub(crate) struct FirstVersion;

/// Cuts slashes off the end, and leads every number of a version that is not another API to the newest one.
pub(crate) fn normalise(mut request: Request) -> Request {
    if first_segment(request.uri().path()) == FIRST {
        request.extensions_mut().insert(FirstVersion);
    }
    if let Some(path) = normalised(request.uri().path()) {
        *request.uri_mut() = with_path(request.uri(), &path);
    }
    request
}

/// Whether the path asks for some version of the v2 API, even one that there is not: its answers have the form of v2.
pub(crate) fn is_v2(path: &str) -> bool {
    first_segment(path).starts_with('v')
}

/// Whether a normalised path asks for the version that is served.
pub(crate) fn is_newest(path: &str) -> bool {
    first_segment(path) == NEWEST
}

fn normalised(path: &str) -> Option<String> {
    let trimmed = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    let first = first_segment(trimmed);
    let newest = leads_to_newest(first) && first != NEWEST;
    match (newest, trimmed.len() == path.len()) {
        (true, _) => Some(format!("/{NEWEST}{}", &trimmed[1 + first.len()..])),
        (false, false) => Some(trimmed.to_owned()),
        (false, true) => None,
    }
}

fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// `v1.0`, `v2`, `v2.0` and any made-up number do. Version 3 is another API.
fn leads_to_newest(segment: &str) -> bool {
    if segment == FIRST {
        return true;
    }
    let Some(version) = segment.strip_prefix('v') else { return false };
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number(major) && number(minor) && !matches!(major.trim_start_matches('0'), "" | "1" | "3")
}

pub(crate) fn with_path(uri: &Uri, path: &str) -> Uri {
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    // A part of a valid path is a valid path; should it ever not be, the path stays as it came.
    parts.path_and_query = PathAndQuery::try_from(path_and_query).ok().or(parts.path_and_query);
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, becomes: &str) {
        let request = Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(normalise(request).uri().to_string(), becomes, "{path}");
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        check("/", "/");
        check("//", "/");
        check("/readyz/", "/readyz");
        check("/api/v1/applications/?limit=2", "/api/v1/applications?limit=2");
        check("/api/v1/applications", "/api/v1/applications");
    }

    #[test]
    fn a_made_up_version_is_the_newest_one() {
        check("/v2.0/vehicles/", "/v2.0/vehicles");
        check("/v2/vehicles?a=b", "/v2.0/vehicles?a=b");
        check("/v99999999999999999999/vehicles", "/v2.0/vehicles");
        check("/v4.1", "/v2.0");
        check("/v1.0/vehicles/", "/v2.0/vehicles");
    }

    #[test]
    fn words_and_other_apis_are_no_versions_of_this_one() {
        for path in
            ["/vfoo/vehicles", "/v1/vehicles", "/v3/vehicles", "/v2.x/vehicles", "/v/vehicles", "/v2.0.1"]
        {
            check(path, path);
            assert!(is_v2(path));
        }
        assert!(!is_v2("/api/v1/applications"));
        assert!(!is_v2("/"));
    }
}
