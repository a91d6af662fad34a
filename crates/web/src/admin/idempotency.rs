//! Idempotency keys: a POST that is sent again gets the answer of the first time.
//!
//! Only answers of success are kept: a request that was refused has changed nothing and may well be tried again. While
//! a request is in work, another one under its key is told so; what a crash cuts off between the work and the keeping
//! of its answer is done again.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use app::App;
use axum::{
    body::{self, Body},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::problem::ApiError;

const HEADER: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const LONGEST_KEY: usize = 128;

/// The keys of requests in work; their number is bounded by that of requests in work.
#[derive(Clone)]
pub(super) struct Once {
    app: Arc<App>,
    in_work: Arc<Mutex<HashSet<String>>>,
}

/// Takes a key out when its request is done, however it ends.
struct Turn {
    key: String,
    in_work: Arc<Mutex<HashSet<String>>>,
}

impl Once {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, in_work: Arc::default() }
    }

    fn turn(&self, key: String) -> Result<Turn, ApiError> {
        match lock(&self.in_work).insert(key.clone()) {
            true => Ok(Turn { key, in_work: self.in_work.clone() }),
            false => {
                Err(ApiError::conflict("a request with this idempotency key is in work; ask again later"))
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.in_work).remove(&self.key);
    }
}

fn lock(set: &Mutex<HashSet<String>>) -> std::sync::MutexGuard<'_, HashSet<String>> {
    // A set of keys is whole after each of its operations.
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers a POST with a key as it was answered before, or does it and keeps the answer.
pub(super) async fn once(State(once): State<Once>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    match key(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => keyed(&once, key, request, next).await.unwrap_or_else(ApiError::into_response),
        Err(error) => error.into_response(),
    }
}

async fn keyed(once: &Once, key: String, request: Request, next: Next) -> Result<Response, ApiError> {
    // A key counts for its path, so that two operations never answer for one another.
    let path = request.uri().path().to_owned();
    let turn = once.turn(format!("{path} {key}"))?;
    let (head, body) = request.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.map_err(ApiError::internal)?;
    let query = head.uri.query().unwrap_or_default();
    let request = [path.as_bytes(), b"?", query.as_bytes(), b"\n", &body].concat();
    if let Some((status, body)) = once.app.kept_answer(&turn.key, &request).await? {
        return Ok(replayed(status, body));
    }
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.map_err(ApiError::internal)?;
    if let Err(error) = once.app.keep_answer(&turn.key, &request, head.status.as_u16(), &body).await {
        // The work is done, so its answer counts; only a repetition would do it again.
        tracing::warn!(http.path = path, %error, "An answer could not be kept under its idempotency key");
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

fn replayed(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, [(REPLAYED, HeaderValue::from_static("true"))]).into_response();
    if !body.is_empty() {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        *response.body_mut() = Body::from(body);
    }
    response
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=LONGEST_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::malformed(format!("Idempotency-Key has 1 to {LONGEST_KEY} printable characters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ADMIN_TOKEN, Answered, Server};
    use serde_json::{Value, json};

    async fn post(server: &Server, path: &str, key: &str, body: Value) -> Answered {
        let request = Request::post(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(HEADER, key);
        server.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn applications(server: &Server) -> usize {
        let listed = server.admin(Method::GET, "/applications", Value::Null).await.expect(200).json();
        listed["items"].as_array().unwrap().len()
    }

    #[tokio::test]
    async fn a_post_that_is_sent_again_is_done_once() {
        let server = Server::new().await;
        let first = post(&server, "/applications", "k1", json!({"name": "A"})).await.expect(201);
        let again = post(&server, "/applications", "k1", json!({"name": "A"})).await.expect(201);
        assert_eq!(again.body, first.body);
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.headers["content-type"], "application/json");
        assert_eq!(applications(&server).await, 1);
        post(&server, "/applications", "k2", json!({"name": "A"})).await.expect(201);
        assert_eq!(applications(&server).await, 2);
    }

    #[tokio::test]
    async fn a_key_is_for_one_request_on_one_path() {
        let server = Server::new().await;
        let made = post(&server, "/applications", "k", json!({"name": "A"})).await.expect(201);
        post(&server, "/applications", "k", json!({"name": "B"})).await.expect(409);
        let secrets = format!("/applications/{}/secrets", made.text("id"));
        post(&server, &secrets, "k", Value::Null).await.expect(201);
    }

    #[tokio::test]
    async fn a_refused_request_may_be_mended_under_its_key() {
        let server = Server::new().await;
        post(&server, "/applications", "k", json!({"name": ""})).await.expect(400);
        post(&server, "/applications", "k", json!({"name": "A"})).await.expect(201);
    }

    #[tokio::test]
    async fn a_key_has_a_bounded_length() {
        let server = Server::new().await;
        post(&server, "/applications", &"k".repeat(LONGEST_KEY), json!({"name": "A"})).await.expect(201);
        post(&server, "/applications", &"k".repeat(LONGEST_KEY + 1), json!({"name": "A"})).await.expect(400);
        post(&server, "/applications", "", json!({"name": "A"})).await.expect(400);
    }

    #[tokio::test]
    async fn a_second_request_is_held_off_while_the_first_is_in_work() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        // The receiver, while it holds the first request up, sees what happens to the second one.
        let path = format!("/webhooks/{}/test", tenant.webhook);
        let (router, seen) = (server.router.clone(), Arc::new(Mutex::new(None)));
        let inner = seen.clone();
        let inner_path = path.clone();
        server.outbound.answer(move |_| {
            let request = Request::post(format!("/api/v1{inner_path}"))
                .header(header::HOST, "milepost.example")
                .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
                .header(HEADER, "k")
                .body(Body::empty())
                .unwrap();
            let answered = std::thread::scope(|scope| {
                let router = router.clone();
                let call = async move { tower::ServiceExt::oneshot(router, request).await.unwrap().status() };
                let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                scope.spawn(move || runtime().block_on(call)).join().unwrap()
            });
            *inner.lock().unwrap() = Some(answered.as_u16());
            Err(domain::delivery::Failure::Refused)
        });
        let request = Request::post(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
            .header(HEADER, "k");
        server.send(request.body(Body::empty()).unwrap()).await.expect(200);
        assert_eq!(*seen.lock().unwrap(), Some(409));
    }
}
