//! What every request passes first: an id, bounds, and a promise to be worked to its end.
//!
//! Its head is judged, then its body is awaited, and only then it takes one of the places for requests in work: a client
//! that is slow to send costs the bytes that it has sent and its connection, nobody else's turn.
//!
//! hyper drops the future of a request when its client hangs up. A use-case that was dropped between writing and
//! telling memory would leave the two apart, so the front reads the whole body, within its bounds, and then runs the
//! rest as a task of its own. A client that has gone, or whose time is over, only misses the answer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use app::App;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{
    Limits, TrustedProxies,
    api_v2::error::V2Error,
    client::{Peer, Share, Shares, client_of},
    head, mount,
    oauth::{self, error::OAuthError},
    path::{self, FirstVersion},
    probes,
    problem::ApiError,
    whole::{Held, Whole},
};

/// The id of a request, in answers of the v2 form.
pub(crate) const SC_REQUEST_ID: HeaderName = HeaderName::from_static("sc-request-id");
/// The id of a request, in all others.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What handlers need that write errors into their answers.
#[derive(Clone)]
pub(crate) struct Named {
    /// The id of the request.
    pub(crate) id: String,
    /// Whether errors have the form of the first version.
    pub(crate) first: bool,
}

/// What the front needs.
#[derive(Clone)]
pub(crate) struct Front {
    app: Arc<App>,
    header_bytes: usize,
    bodies: Whole,
    time: Duration,
    permits: Arc<Semaphore>,
    per_client: usize,
    shares: Shares,
    trusted: TrustedProxies,
    /// Whether clients reach this server by https.
    secure: bool,
}

impl Front {
    pub(crate) fn new(app: Arc<App>, limits: Limits, trusted: TrustedProxies) -> Self {
        let permits = Arc::new(Semaphore::new(limits.requests));
        let secure = app.settings().origin.starts_with("https://");
        Self {
            app,
            header_bytes: limits.header_bytes,
            bodies: Whole::new(limits.body, limits.bodies),
            time: limits.request,
            permits,
            per_client: limits.requests_per_client,
            shares: Shares::default(),
            trusted,
            secure,
        }
    }

    /// A place for one more request in work.
    fn place(&self, client: Option<IpAddr>) -> Result<(Option<Share>, OwnedSemaphorePermit), ApiError> {
        let share = client.map(|client| self.shares.take(client, self.per_client).ok_or_else(ApiError::busy));
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| ApiError::busy())?;
        Ok((share.transpose()?, permit))
    }

    /// Who asks, where that is known.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let Peer(peer) = request.extensions().get()?;
        Some(client_of(*peer, request.headers(), &self.trusted))
    }
}

/// Answers a request within its bounds, with its id.
pub(crate) async fn answer(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let id = front.app.request_id().to_string();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let first = request.extensions().get::<FirstVersion>().is_some();
    request.extensions_mut().insert(Named { id: id.clone(), first });
    let client = front.client(&request);
    let response = match known(&method) {
        true => within_bounds(&front, client, request, next).await.unwrap_or_else(ApiError::into_response),
        false => ApiError::method_not_allowed().into_response(),
    };
    let form = match (path::is_v2(&path), first) {
        (_, true) => Form::First,
        (true, false) => Form::Second,
        (false, false) => Form::Problem,
    };
    let response = written_out(response, &front.app.settings().origin, &id, form, &path);
    tracing::debug!(
        request.id = id,
        http.method = %method,
        http.path = path,
        http.status = response.status().as_u16(),
        client.address = client.map(tracing::field::display),
        "A request was answered"
    );
    let mut response = named(response, if path::is_v2(&path) { SC_REQUEST_ID } else { X_REQUEST_ID }, &id);
    if front.secure {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, TWO_YEARS);
    }
    response
}

/// For so long a browser asks for nothing of this server but by https.
const TWO_YEARS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// Methods that some path may take. TRACE would show a client the headers that a proxy adds.
fn known(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

/// Bytes of a body, but for those that carry data: what people and programs ask for is small, and is parsed where it is
/// served.
const MOST_ASKED: usize = 1_024 * 1_024;

/// Bytes of a body behind a door.
fn most_body(path: &str) -> usize {
    let carries_data = ["/ingest/", "/api/v1/simulator/recordings"].iter().any(|door| path.starts_with(door));
    if carries_data { usize::MAX } else { MOST_ASKED }
}

async fn within_bounds(
    front: &Front,
    client: Option<IpAddr>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + front.time;
    let (mut head, body) = request.into_parts();
    head::check(&head, front.header_bytes)?;
    head.extensions.insert(front.bodies.budget(client));
    let most = most_body(head.uri.path());
    let read = timeout_at(deadline, front.bodies.read(client, &head.headers, body, most)).await;
    let Held { bytes, room } = read.map_err(|_| ApiError::too_slow())??;
    let place = if probes::is_here(head.uri.path()) { None } else { Some(front.place(client)?) };
    let work = tokio::spawn(async move {
        let response = next.run(Request::from_parts(head, Body::from(bytes))).await;
        drop((place, room));
        response
    });
    match timeout_at(deadline, work).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(panicked)) => Err(ApiError::internal(panicked)),
        Err(_) => Err(ApiError::takes_too_long()),
    }
}

/// The form of errors behind a door.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Problem details.
    Problem,
    /// That of the first version of the v2 API.
    First,
    /// That of the v2 API.
    Second,
}

/// Writes out the error that a response carries, in the form of its door.
fn written_out(mut response: Response, origin: &str, id: &str, form: Form, path: &str) -> Response {
    let extensions = response.extensions_mut();
    let (error, v2) = (extensions.remove::<ApiError>(), extensions.remove::<V2Error>());
    let v2 = v2.or_else(|| error.clone().filter(|_| form != Form::Problem).map(V2Error::from));
    let (cause, mut rendered) = match (v2, error) {
        (Some(error), _) if form == Form::First => (error.cause.clone(), error.render_first(id)),
        (Some(error), _) => (error.cause.clone(), error.render(origin, id)),
        (None, Some(error)) if oauth::is_here(path) => {
            (error.cause.clone(), OAuthError::from(error).into_response())
        }
        (None, Some(error)) => (error.cause.clone(), error.render(mount::path_of(origin), id)),
        (None, None) => return response,
    };
    if let Some(cause) = cause {
        tracing::error!(request.id = id, http.path = path, cause, "A request failed");
    }
    // Layers and the router have set headers already, such as the methods that the path takes.
    let mut headers = std::mem::take(response.headers_mut());
    headers.remove(header::CONTENT_LENGTH);
    headers.extend(std::mem::take(rendered.headers_mut()));
    *rendered.headers_mut() = headers;
    rendered
}

fn named(mut response: Response, name: HeaderName, id: &str) -> Response {
    let id = HeaderValue::from_str(id).expect("an id is 36 characters of ASCII");
    response.headers_mut().insert(name, id);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn endless() -> Body {
        Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_in_the_form_of_its_door() {
        let server = Server::with(Limits { body: 20, ..Limits::default() }).await;
        let answered =
            server.admin(Method::POST, "/applications", json!({"name": "much too long"})).await.expect(413);
        assert_eq!(answered.json()["code"], "too_large");
        let answered = server
            .request(Method::DELETE, "/v2.0/x", "t", json!({"name": "much too long"}))
            .await
            .expect(400);
        assert_eq!(answered.json()["type"], "VALIDATION");
        let said = &answered.json()["detail"][0]["message"];
        assert_eq!(said, "the body is larger than the 20 bytes that are allowed");
    }

    #[tokio::test]
    async fn only_doors_for_data_take_large_bodies() {
        let server = Server::with(Limits { body: 2 * MOST_ASKED, ..Limits::default() }).await;
        let sent = |path: &str| {
            let body = Body::from(vec![b' '; MOST_ASKED + 1]);
            Request::post(path).header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
        };
        server.send(sent("/api/v1/applications")).await.expect(413);
        server.send(sent("/ingest/v1/readings")).await.expect(401);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let server = Server::with(Limits { request: Duration::from_millis(5), ..Limits::default() }).await;
        server.send(Request::post("/api/v1/applications").body(endless()).unwrap()).await.expect(408);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_takes_no_turn_of_others() {
        let server = Server::with(Limits { requests: 1, ..Limits::default() }).await;
        let slow = Request::post("/api/v1/applications").body(endless()).unwrap();
        let mut slow = Box::pin(server.send(slow));
        assert!(futures::poll!(&mut slow).is_pending());
        server.admin(Method::GET, "/applications", Value::Null).await.expect(200);
    }

    #[tokio::test]
    async fn a_method_that_nothing_takes_is_refused_in_the_form_of_its_door() {
        let server = Server::new().await;
        for (path, status, kind) in [
            ("/v2.0/user", 404, "application/json"),
            ("/v1.0/user", 404, "application/json"),
            ("/oauth/token", 405, "application/json"),
            ("/api/v1/applications", 405, "application/problem+json"),
        ] {
            let answered = server.request(Method::TRACE, path, "t", Value::Null).await.expect(status);
            assert_eq!(answered.headers[header::CONTENT_TYPE], kind, "{path}");
            let id = if path::is_v2(path) { SC_REQUEST_ID } else { X_REQUEST_ID };
            assert!(answered.headers.contains_key(id), "{path}");
        }
    }

    #[tokio::test]
    async fn more_requests_than_may_be_in_work_are_sent_away() {
        let server = Server::with(Limits { requests: 0, ..Limits::default() }).await;
        let answered = server.admin(Method::GET, "/applications", Value::Null).await.expect(503);
        assert!(answered.headers.contains_key("retry-after"));
        let answered = server.request(Method::GET, "/v2.0/x", "t", Value::Null).await.expect(429);
        assert_eq!(answered.json()["resolution"]["type"], "RETRY_LATER");
        assert!(answered.headers.contains_key("retry-after"));
        for probe in ["/healthz", "/readyz"] {
            server.send(Request::get(probe).body(Body::empty()).unwrap()).await.expect(200);
        }
    }

    #[tokio::test]
    async fn a_request_is_worked_to_its_end_when_its_client_hangs_up() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let webhook = format!("/webhooks/{}", tenant.webhook);
        server.outbound.hold(true);
        let test = format!("{webhook}/test");
        let mut call = Box::pin(server.admin(Method::POST, &test, Value::Null));
        while !server.outbound.is_asked() {
            assert!(futures::poll!(&mut call).is_pending());
            tokio::task::yield_now().await;
        }
        drop(call);
        server.outbound.hold(false);
        for _ in 0..1_000 {
            if !server.admin(Method::GET, &webhook, Value::Null).await.json()["lastTest"].is_null() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the result of the test was not written");
    }

    #[tokio::test]
    async fn a_client_is_not_kept_waiting_without_end() {
        let server = Server::with(Limits { request: Duration::from_millis(50), ..Limits::default() }).await;
        let tenant = server.tenant("A").await;
        server.outbound.hold(true);
        let test = format!("/webhooks/{}/test", tenant.webhook);
        let answered = server.admin(Method::POST, &test, Value::Null).await.expect(503);
        assert!(answered.text("detail").contains("goes on"));
    }

    #[tokio::test]
    async fn a_bug_in_a_request_costs_only_that_request() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.outbound.answer(|_| panic!("a bug"));
        let test = format!("/webhooks/{}/test", tenant.webhook);
        let answered = server.admin(Method::POST, &test, Value::Null).await.expect(500);
        assert_eq!(answered.json()["code"], "internal");
        assert!(!answered.body.contains("a bug"));
        server.admin(Method::GET, "/applications", Value::Null).await.expect(200);
    }

    #[tokio::test]
    async fn every_answer_names_its_request() {
        let server = Server::new().await;
        for path in ["/", "/healthz", "/readyz", "/nothing", "/docs/errors"] {
            let answered = server.send(Request::get(path).body(Body::empty()).unwrap()).await;
            assert_eq!(answered.headers["x-request-id"].len(), 36, "{path}");
            assert_eq!(answered.headers["x-content-type-options"], "nosniff", "{path}");
        }
        let answered = server.send(Request::get("/readyz").body(Body::empty()).unwrap()).await.expect(200);
        assert_eq!(answered.json(), json!({"status": "ready", "reasons": []}));
    }
}
