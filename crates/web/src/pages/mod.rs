//! Pages for people: what this server is, what it knows, how to receive what it sends, and what its errors mean. All of
//! them work without script.

mod catalogue;
mod errors;
mod guide;
pub(crate) mod html;
mod index;
mod landing;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, RawQuery},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use domain::compatibility::Model;

const STYLE_PATH: &str = "/assets/milepost.css";
const SCRIPT_PATH: &str = "/assets/catalogue.js";
/// Pages of text run no script; on pages that can be searched, one of this server filters the rows.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SEARCH_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; \
                             form-action 'self'; frame-ancestors 'none'";
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// The pages, but for those of single types of errors.
#[cfg(test)]
pub(crate) fn paths() -> Vec<String> {
    let others = ["/", "/docs", "/docs/errors/vehicle-state-errors"].map(str::to_owned);
    listed().into_iter().map(|(path, ..)| path).chain(others).collect()
}

/// Path, title and purpose of each page under `/docs`, in the order of lists.
fn listed() -> Vec<(String, &'static str, &'static str)> {
    let guides = guide::GUIDES.iter().map(|guide| (format!("/docs/{}", guide.name), guide.title, guide.about));
    let catalogue = [
        ("signals", "Signals", "What vehicles say: codes, units, values, permissions, brands."),
        ("endpoints", "Endpoints", "Reads and commands of the v2 API, and the signals that they carry."),
        ("permissions", "Permissions", "What owners grant, and what each permission opens."),
        ("errors", "Errors", "What errors in payloads and answers of the v2 API mean, and who does what about them."),
        ("problems", "Problems", "What problems of the admin API and the ingest API mean."),
    ];
    let catalogue = catalogue.map(|(name, title, about)| (format!("/docs/{name}"), title, about));
    guides.chain(catalogue).collect()
}

/// What a page that can be searched shows.
type Shows = fn(&[Model], &str) -> String;

/// The pages. `origin` tells whether browsers reach them over TLS, `models` are those that brands are counted by.
pub(crate) fn router(version: &str, origin: &str, models: Vec<Model>) -> Router {
    let landing = landing::page(version);
    let over_tls = origin.starts_with("https://");
    let models: Arc<[Model]> = models.into();
    let search = |shows: Shows| {
        let models = models.clone();
        get(move |RawQuery(query): RawQuery| {
            let page = Html(shows(&models, &searched(query.as_deref().unwrap_or_default())));
            std::future::ready(([(header::CONTENT_SECURITY_POLICY, SEARCH_POLICY)], page))
        })
    };
    Router::new()
        .route("/", get(move || std::future::ready(Html(landing.clone()))))
        .route("/docs", get(|| async { Html(index::page()) }))
        .route("/docs/", get(|| async { Redirect::permanent("/docs") }))
        .route("/docs/signals", search(catalogue::signals))
        .route("/docs/endpoints", search(catalogue::endpoints))
        .route("/docs/permissions", search(catalogue::permissions))
        .route("/docs/errors", search(|_, search| catalogue::errors(search)))
        .route("/docs/problems", search(|_, search| catalogue::problems(search)))
        .route("/docs/errors/{page}", get(error_page))
        .route("/docs/{page}", get(guide_page))
        .route("/docs/receivers/{file}", get(sample))
        .route(STYLE_PATH, get(|| asset("text/css; charset=utf-8", include_str!("milepost.css"))))
        .route(SCRIPT_PATH, get(|| asset("text/javascript; charset=utf-8", include_str!("catalogue.js"))))
        .layer(middleware::map_response(move |response| std::future::ready(guarded(response, over_tls))))
}

/// Bytes of a search that are looked at.
const LONGEST_SEARCH: usize = 200;

/// What is searched for: the first `q` of the query. What is malformed finds everything.
fn searched(query: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let search = pairs.find(|(name, _)| name == "q").map(|(_, value)| value.into_owned()).unwrap_or_default();
    search.chars().take(LONGEST_SEARCH).collect()
}

async fn guide_page(Path(name): Path<String>) -> Response {
    // As the file is called that the page is made of.
    if let Some(name) = name.strip_suffix(".md").filter(|name| is_listed(name)) {
        return Redirect::permanent(&format!("/docs/{name}")).into_response();
    }
    match guide::page(&name) {
        Some(page) => Html(page).into_response(),
        None => (StatusCode::NOT_FOUND, Html(not_found())).into_response(),
    }
}

async fn sample(Path(name): Path<String>) -> Response {
    match guide::sample(&name) {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        None => (StatusCode::NOT_FOUND, Html(not_found())).into_response(),
    }
}

fn is_listed(name: &str) -> bool {
    listed().iter().any(|(path, ..)| path.strip_prefix("/docs/") == Some(name))
}

fn not_found() -> String {
    html::page("Not found", "<p>There is no page at this address. <a href=\"/docs\">All pages</a></p>\n")
}

async fn error_page(Path(page): Path<String>) -> Response {
    match errors::page(&page) {
        Some(page) => Html(page).into_response(),
        None => (StatusCode::NOT_FOUND, Html(errors::unknown())).into_response(),
    }
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")], text).into_response()
}

fn guarded(mut response: Response, over_tls: bool) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    for (name, value) in [
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
        let response = router("1.2.3", origin, vec![]).oneshot(request).await.unwrap();
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
    async fn pages_allow_no_frame_and_no_script_but_the_one_that_filters_rows() {
        let missing = ["/docs/errors/x", "/docs/x"].map(str::to_owned);
        for path in paths().into_iter().chain(missing) {
            let (_, headers, body) = get_page(&path, "https://a").await;
            let script = body.contains("<script");
            let policy = if script { SEARCH_POLICY } else { POLICY };
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], policy, "{path}");
            assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], HSTS);
            assert_eq!(body.matches("<script").count(), usize::from(script));
            assert!(!body.contains(" style=") && !body.contains(" onclick="), "{path}");
        }
        let (_, headers, _) = get_page("/", "http://127.0.0.1:8080").await;
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[tokio::test]
    async fn every_link_between_pages_leads_to_a_page_and_an_anchor_that_exist() {
        let mut pages = std::collections::HashMap::new();
        for path in paths() {
            let (status, _, body) = get_page(&path, "https://a").await;
            assert_eq!(status, 200, "{path}");
            pages.insert(path, body);
        }
        let mut checked = 0;
        for (from, page) in pages.clone() {
            for (at, start) in page.match_indices("href=\"") {
                let link = page[at + start.len()..].split('"').next().unwrap();
                let Some((to, anchor)) =
                    link.split_once('#').or_else(|| link.starts_with("/docs").then_some((link, "")))
                else {
                    continue;
                };
                let to = if to.is_empty() { &from } else { to };
                if !pages.contains_key(to) {
                    let (status, _, body) = get_page(to, "https://a").await;
                    assert_eq!(status, 200, "{link} of {from}");
                    pages.insert(to.to_owned(), body);
                }
                assert!(
                    anchor.is_empty() || pages[to].contains(&format!("id=\"{anchor}\"")),
                    "{link} of {from}"
                );
                checked += 1;
            }
        }
        assert!(checked > 500, "{checked}");
    }

    #[tokio::test]
    async fn the_index_lists_every_page_and_the_names_of_files_lead_to_pages() {
        let (_, _, index) = get_page("/docs", "https://a").await;
        for (path, title, about) in listed() {
            let (status, _, page) = get_page(&path, "https://a").await;
            assert_eq!(status, 200, "{path}");
            assert!(page.contains(&format!("<h1>{title}</h1>")), "{path}");
            assert!(index.contains(&format!("href=\"{path}\"")) && index.contains(about), "{path}");
            if path != "/docs/problems" {
                let (status, headers, _) = get_page(&format!("{path}.md"), "https://a").await;
                assert_eq!((status.as_u16(), headers[header::LOCATION].to_str().unwrap()), (308, &*path));
            }
        }
        assert_eq!(get_page("/docs/x.md", "https://a").await.0, 404);
    }

    #[tokio::test]
    async fn a_search_without_script_shows_the_rows_that_have_its_words() {
        let (_, _, body) = get_page("/docs/signals?q=state+of%20charge", "https://a").await;
        assert!(
            body.contains("id=\"tractionbattery-stateofcharge\"") && !body.contains("id=\"charge-voltage\"")
        );
        assert!(body.contains("value=\"state of charge\""));
        let (_, _, body) = get_page("/docs/errors?q=%22%3E%3Cimgs%3E", "https://a").await;
        assert!(body.contains("value=\"&quot;&gt;&lt;imgs&gt;\"") && body.contains(">0 errors<"), "{body}");
    }

    #[tokio::test]
    async fn the_link_of_every_problem_leads_to_its_place() {
        let (_, _, body) = get_page("/docs/problems", "https://a").await;
        for kind in crate::problem::KINDS {
            assert!(body.contains(&format!(r#"id="{}""#, kind.code)), "{}", kind.code);
        }
    }
}
