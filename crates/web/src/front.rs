//! What every request passes first: an id, bounds, and a promise to be worked to its end.
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
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::{
    Limits, TrustedProxies,
    api_v2::error::V2Error,
    client::{Peer, Shares, client_of},
    oauth::{self, error::OAuthError},
    path,
    problem::ApiError,
};

/// The id of a request, in answers of the v2 form.
pub(crate) const SC_REQUEST_ID: HeaderName = HeaderName::from_static("sc-request-id");
/// The id of a request, in all others.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the front needs.
#[derive(Clone)]
pub(crate) struct Front {
    app: Arc<App>,
    body: usize,
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
        let (body, time, per_client) = (limits.body, limits.request, limits.requests_per_client);
        Self { app, body, time, permits, per_client, shares: Shares::default(), trusted, secure }
    }

    /// Who asks, where that is known.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let Peer(peer) = request.extensions().get()?;
        Some(client_of(*peer, request.headers(), &self.trusted))
    }
}

/// Answers a request within its bounds, with its id.
pub(crate) async fn answer(State(front): State<Front>, request: Request, next: Next) -> Response {
    let id = front.app.request_id().to_string();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let client = front.client(&request);
    let response = match known(&method) {
        true => within_bounds(&front, client, request, next).await.unwrap_or_else(ApiError::into_response),
        false => return named(ApiError::method_not_allowed().render(&id), X_REQUEST_ID, &id),
    };
    let response = written_out(response, &front.app.settings().origin, &id, &path);
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

async fn within_bounds(
    front: &Front,
    client: Option<IpAddr>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + front.time;
    let share = client.map(|client| front.shares.take(client, front.per_client).ok_or_else(ApiError::busy));
    let share = share.transpose()?;
    let permit = front.permits.clone().try_acquire_owned().map_err(|_| ApiError::busy())?;
    let (head, body) = request.into_parts();
    let body = timeout_at(deadline, whole(body, front.body)).await.map_err(|_| ApiError::too_slow())??;
    let work = tokio::spawn(async move {
        let response = next.run(Request::from_parts(head, Body::from(body))).await;
        drop((share, permit));
        response
    });
    match timeout_at(deadline, work).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(panicked)) => Err(ApiError::internal(panicked)),
        Err(_) => Err(ApiError::takes_too_long()),
    }
}

async fn whole(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limit)),
        Err(_) => Err(ApiError::malformed("the body broke off")),
    }
}

/// Writes out the error that a response carries, in the form of its door.
fn written_out(mut response: Response, origin: &str, id: &str, path: &str) -> Response {
    let extensions = response.extensions_mut();
    let (error, v2) = (extensions.remove::<ApiError>(), extensions.remove::<V2Error>());
    let v2 = v2.or_else(|| error.clone().filter(|_| path::is_v2(path)).map(V2Error::from));
    let (cause, mut rendered) = match (v2, error) {
        (Some(error), _) => (error.cause.clone(), error.render(origin, id)),
        (None, Some(error)) if oauth::is_here(path) => {
            (error.cause.clone(), OAuthError::from(error).into_response())
        }
        (None, Some(error)) => (error.cause.clone(), error.render(id)),
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
    use serde_json::{Value, json};

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
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let server = Server::with(Limits { request: Duration::from_millis(5), ..Limits::default() }).await;
        let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        server.send(Request::post("/api/v1/applications").body(endless).unwrap()).await.expect(408);
    }

    #[tokio::test]
    async fn more_requests_than_may_be_in_work_are_sent_away() {
        let server = Server::with(Limits { requests: 0, ..Limits::default() }).await;
        let answered = server.admin(Method::GET, "/applications", Value::Null).await.expect(503);
        assert!(answered.headers.contains_key("retry-after"));
        let answered = server.request(Method::GET, "/v2.0/x", "t", Value::Null).await.expect(500);
        assert_eq!(answered.json()["resolution"]["type"], "RETRY_LATER");
        assert!(answered.headers.contains_key("retry-after"));
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
