//! Idempotency keys: a POST that is sent again gets the answer of the first time.
//!
//! Only answers of success are kept: a request that was refused has changed nothing and may well be tried again. While
//! a request is in work, another one under its key is told so.
//!
//! **After a crash.** What creates something, queues it or moves it on (applications, secrets, feeds, webhooks, vehicles,
//! cars and what is done to them, tokens, redeliveries) keeps its answer in the transaction that does it: a repetition gets
//! that answer, byte for byte, or is the first to do it. What sets a state (enable, disable, subscribe, disconnect, erase)
//! is done again, and leaves the same state. What asks somebody else (verify, test) is asked again; a webhook that was to be
//! verified when it was made is there, unverified. A backup that was finished is refused because its file is there.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use app::{Answering, App, KeptAnswer, KeyedRequest};
use axum::{
    body::{self, Body},
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use domain::ids::EventNo;

use crate::{problem::ApiError, wire::DeliveryId};

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
    let request = Arc::new(KeyedRequest::new(&turn.key, &request));
    if let Some(kept) = once.app.kept_answer(&request).await? {
        return Ok(replayed(kept));
    }
    let (mut head, body) = (head, Body::from(body));
    head.extensions.insert(Keyed(Some(request.clone())));
    let response = next.run(Request::from_parts(head, body)).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.map_err(ApiError::internal)?;
    if let Err(error) = once.app.keep_answer(&request, head.status.as_u16(), &body).await {
        // The work is done, so its answer counts; only a repetition would do it again.
        tracing::warn!(http.path = path, %error, "An answer could not be kept under its idempotency key");
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

/// The key of a request, for its handler.
#[derive(Clone, Default)]
pub(super) struct Keyed(Option<Arc<KeyedRequest>>);

impl<S: Send + Sync> FromRequestParts<S> for Keyed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

impl Keyed {
    /// How the answer is made of what the work makes, if it has to be kept with it.
    pub(super) fn answering<'a, T>(
        &'a self,
        answer: &'a (dyn Fn(&T) -> (u16, Vec<u8>) + Send + Sync),
    ) -> Option<Answering<'a, T>> {
        self.0.as_ref().map(|request| Answering { request, answer })
    }
}

fn replayed(kept: KeptAnswer) -> Response {
    let KeptAnswer { status, body, event } = kept;
    let body = match event {
        // The number was given with the work, after the answer was made.
        Some(event) => {
            let [unknown, known] = [EventNo(0), event].map(|event| DeliveryId(event).to_string());
            String::from_utf8_lossy(&body).replace(&unknown, &known).into_bytes()
        }
        None => body,
    };
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

    /// A POST that makes something, and where that is listed.
    struct Kind {
        path: String,
        body: Value,
        list: Option<String>,
    }

    fn kinds(application: &str, vehicle: &str) -> Vec<Kind> {
        let application = format!("/applications/{application}");
        let kind =
            |path: String, body, list: Option<&str>| Kind { path, body, list: list.map(str::to_owned) };
        let within = |rest: &str| format!("{application}{rest}");
        let vehicle_of_feed =
            json!({"make": "TESLA", "model": "Model 3", "year": 2022, "powertrain": "BEV", "region": "US"});
        let webhook = json!({
            "kind": "scheduled", "name": "Hourly", "callbackUri": "https://hooks.example/in",
            "cadence": {"every": "hours", "hours": 1}, "endpoints": ["/odometer"], "verify": false,
        });
        vec![
            kind("/applications".into(), json!({"name": "B"}), Some("/applications")),
            kind(within("/secrets"), Value::Null, Some(&within("/secrets"))),
            kind(within("/feeds"), json!({"name": "Box"}), Some(&within("/feeds"))),
            kind(within("/vehicles"), vehicle_of_feed, Some("/vehicles")),
            kind(within("/webhooks"), webhook, Some(&within("/webhooks"))),
            kind(within("/management-token/rotate"), json!({}), None),
            kind(format!("/vehicles/{vehicle}/access-token"), json!({}), None),
        ]
    }

    async fn listed(server: &Server, list: &Option<String>) -> usize {
        let Some(list) = list else { return 0 };
        let listed = server.admin(Method::GET, list, Value::Null).await.expect(200).json();
        listed["items"].as_array().unwrap().len()
    }

    /// The process ends after each of the commits that a request makes; whoever asks again is answered, and it is done once.
    #[tokio::test]
    async fn fault_a1_a_keyed_post_is_done_once_whichever_commit_the_process_ends_after() {
        for number in 0..kinds("", "").len() {
            for commits in 1..4 {
                let folder = tempfile::tempdir().unwrap();
                let left = Arc::new(std::sync::atomic::AtomicU64::new(u64::MAX));
                let counting = left.clone();
                let faults: store_sqlite::FaultHook = Arc::new(move |point| {
                    use std::sync::atomic::Ordering::SeqCst;
                    let armed = counting.load(SeqCst) != u64::MAX;
                    let is_last = armed
                        && point == store_sqlite::Point::AfterCommit
                        && counting.fetch_sub(1, SeqCst) == 1;
                    is_last.then_some(store_sqlite::Fault::Crash)
                });
                let options = || store_sqlite::Options { faults: Some(faults.clone()), ..Default::default() };
                let server = Server::in_folder(folder.path(), options()).await;
                let tenant = server.tenant("A").await;
                let (application, vehicle) = (tenant.application.to_string(), tenant.vehicle.to_string());
                let Kind { path, body, list } = kinds(&application, &vehicle).swap_remove(number);
                let before = listed(&server, &list).await;
                left.store(commits, std::sync::atomic::Ordering::SeqCst);
                post(&server, &path, "k", body.clone()).await;
                left.store(u64::MAX, std::sync::atomic::Ordering::SeqCst);
                server.end().await;

                let server = Server::in_folder(folder.path(), Default::default()).await;
                let first = post(&server, &path, "k", body.clone()).await;
                assert!(first.status.is_success(), "{path}, {commits}: {} {}", first.status, first.body);
                let again = post(&server, &path, "k", body).await;
                assert_eq!(again.body, first.body, "{path}, {commits}");
                assert_eq!(again.headers["idempotency-replayed"], "true");
                let added = usize::from(list.is_some());
                assert_eq!(listed(&server, &list).await, before + added, "{path}, {commits}");
            }
        }
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
