//! Probes for whoever runs the process, and metrics for who watches it.

use std::sync::Arc;

use app::App;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    routing::get,
};
use serde::Serialize;

const HEALTH: &str = "/healthz";
const READINESS: &str = "/readyz";

/// Whether a path is a probe's. Probes are answered however much else is in work, or a busy server would be taken for a dead one.
pub(crate) fn is_here(path: &str) -> bool {
    matches!(path, HEALTH | READINESS)
}

/// `/healthz` says that the process answers; `/readyz` that it can do its work.
pub(crate) fn router(app: Arc<App>, version: &str) -> Router {
    let health = Health { status: "up", version: version.into() };
    Router::new()
        .route(READINESS, get(readyz))
        .with_state(app)
        .route(HEALTH, get(move || std::future::ready(Json(health.clone()))))
}

/// `/metrics`, for a listener of its own: what the function says, in the text format of Prometheus.
pub fn metrics(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Router::new()
        .route("/metrics", get(move || std::future::ready(([(header::CONTENT_TYPE, TEXT)], render()))))
}

#[derive(Clone, Serialize)]
struct Health {
    status: &'static str,
    version: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Readiness {
    status: &'static str,
    reasons: Vec<String>,
}

/// `GET /readyz`: whether the store can be written, the clock is sane and every loop is alive.
async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Readiness>) {
    let (status, readiness) = readiness(app.health().problems());
    (status, Json(readiness))
}

fn readiness(reasons: Vec<String>) -> (StatusCode, Readiness) {
    match reasons.is_empty() {
        true => (StatusCode::OK, Readiness { status: "ready", reasons }),
        false => (StatusCode::SERVICE_UNAVAILABLE, Readiness { status: "not_ready", reasons }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;

    #[test]
    fn what_is_wrong_is_told_to_who_probes() {
        assert_eq!(readiness(vec![]).0, 200);
        let (status, readiness) = readiness(vec!["the delivery loop has ended".into()]);
        assert_eq!(status, 503);
        assert_eq!(readiness.reasons, ["the delivery loop has ended"]);
    }

    #[tokio::test]
    async fn metrics_are_rendered_anew_for_each_request() {
        let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let router =
            metrics(move || format!("n {}", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
        for expected in ["n 0", "n 1"] {
            let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert!(
                response.headers()[header::CONTENT_TYPE]
                    .to_str()
                    .unwrap()
                    .starts_with("text/plain; version=0.0.4")
            );
            assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), expected);
        }
    }
}
