//! Pages for people: what this server is, and what its errors mean. They hold no script, and a policy that allows none.

mod errors;
pub(crate) mod html;
mod landing;
mod problems;

use axum::{
    Router,
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};

const STYLE_PATH: &str = "/assets/milepost.css";
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// The pages. `origin` tells whether browsers reach them over TLS.
pub(crate) fn router(version: &str, origin: &str) -> Router {
    let landing = landing::page(version);
    let over_tls = origin.starts_with("https://");
    Router::new()
        .route("/", get(move || std::future::ready(Html(landing.clone()))))
        .route("/docs/errors", get(|| async { Html(errors::index()) }))
        .route("/docs/errors/{page}", get(error_page))
        .route("/docs/problems", get(|| async { Html(problems::page()) }))
        .route(STYLE_PATH, get(style))
        .layer(middleware::map_response(move |response| std::future::ready(guarded(response, over_tls))))
}

async fn error_page(Path(page): Path<String>) -> Response {
    match errors::page(&page) {
        Some(page) => Html(page).into_response(),
        None => (StatusCode::NOT_FOUND, Html(errors::unknown())).into_response(),
    }
}

async fn style() -> impl IntoResponse {
    const HEADERS: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (HEADERS, include_str!("milepost.css"))
}

fn guarded(mut response: Response, over_tls: bool) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if over_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, extract::Request};
    use tower::ServiceExt;

    async fn get_page(path: &str, origin: &str) -> (StatusCode, axum::http::HeaderMap, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router("1.2.3", origin).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (head.status, head.headers, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn every_link_to_an_error_leads_to_its_place_on_a_page() {
        for error in domain::errors::ErrorCode::all() {
            let (path, anchor) = error.doc_path().split_once('#').unwrap();
            let (status, _, body) = get_page(path, "https://a").await;
            assert_eq!(status, 200, "{path}");
            assert!(body.contains(&format!(r#"id="{anchor}""#)), "{path}#{anchor}");
        }
        assert_eq!(get_page("/docs/errors/none-errors", "https://a").await.0, 404);
    }

    #[tokio::test]
    async fn pages_allow_no_script_and_no_frame() {
        for path in
            ["/", "/docs/errors", "/docs/errors/vehicle-state-errors", "/docs/problems", "/docs/errors/x"]
        {
            let (_, headers, body) = get_page(path, "https://a").await;
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], POLICY);
            assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], HSTS);
            assert!(!body.contains("<script") && !body.contains("style="), "{path}");
        }
        let (_, headers, _) = get_page("/", "http://127.0.0.1:8080").await;
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[tokio::test]
    async fn the_link_of_every_problem_leads_to_its_place() {
        let (_, _, body) = get_page("/docs/problems", "https://a").await;
        for kind in crate::problem::KINDS {
            assert!(body.contains(&format!(r#"id="{}""#, kind.code)), "{}", kind.code);
        }
    }
}
