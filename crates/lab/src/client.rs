//! A minimal HTTP client for tests and drivers: JSON over plain HTTP to a server on the same machine, a few connections
//! kept, one deadline for everything.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, pki_types::ServerName};

/// Connections that are kept for the next request.
const MOST_IDLE: usize = 16;
/// Bytes of an answer.
const MOST_ANSWER: usize = 64 * 1024 * 1024;
/// From the start of a request to the last byte of its answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// A client of one server. Clones share connections and may have headers of their own.
#[derive(Clone)]
pub struct HttpClient {
    origin: Origin,
    tls: Option<TlsConnector>,
    headers: HeaderMap,
    deadline: Duration,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl HttpAnswer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl HttpClient {
    /// A client of the server at this address, `http://host:port`; a path in it goes before the path of each request.
    ///
    /// # Errors
    ///
    /// When the address is not that of a plain HTTP server.
    pub fn new(address: &str) -> io::Result<Self> {
        Ok(Self::at(Origin::parse(address)?, None))
    }

    /// A client of the server at this address, `https://host:port`.
    ///
    /// # Errors
    ///
    /// When the address is not that of a server that speaks TLS.
    pub fn over_tls(address: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        Ok(Self::at(Origin::parse_as("https", 443, address)?, Some(TlsConnector::from(config))))
    }

    fn at(origin: Origin, tls: Option<TlsConnector>) -> Self {
        Self { origin, tls, headers: HeaderMap::new(), deadline: DEADLINE, idle: Arc::default() }
    }

    /// The same client with a bearer token.
    ///
    /// # Errors
    ///
    /// When the token has characters that no header can have.
    pub fn bearer(&self, token: &str) -> io::Result<Self> {
        self.with_header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// The same client with one header more on each request.
    ///
    /// # Errors
    ///
    /// When name or value are none that a header can have.
    pub fn with_header(&self, name: &str, value: &str) -> io::Result<Self> {
        let name = HeaderName::try_from(name).map_err(invalid)?;
        let value = HeaderValue::try_from(value).map_err(invalid)?;
        let mut client = self.clone();
        client.headers.insert(name, value);
        Ok(client)
    }

    /// The same client with another deadline; the default is 30 seconds.
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// `GET`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn get(&self, path: &str) -> io::Result<HttpAnswer> {
        self.send(Method::GET, path, None, Bytes::new()).await
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn post(&self, path: &str, body: &Value) -> io::Result<HttpAnswer> {
        self.send(Method::POST, path, Some("application/json"), body.to_string().into()).await
    }

    /// `POST` of a form that is encoded already, as token endpoints want it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn post_form(&self, path: &str, form: &str) -> io::Result<HttpAnswer> {
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), form.to_owned().into()).await
    }

    /// `PATCH` of JSON.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn patch(&self, path: &str, body: &Value) -> io::Result<HttpAnswer> {
        self.send(Method::PATCH, path, Some("application/json"), body.to_string().into()).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn delete(&self, path: &str) -> io::Result<HttpAnswer> {
        self.send(Method::DELETE, path, None, Bytes::new()).await
    }

    /// Sends any request. Every status is an answer; redirects are not followed, nothing is sent twice.
    ///
    /// # Errors
    ///
    /// When there is no whole answer within the deadline.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> io::Result<HttpAnswer> {
        let mut headers = self.headers.clone();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let request = self.origin.request(method, path, headers, body)?;
        let answer = async {
            let mut connection = self.connection().await?;
            let answer = connection.exchange(request).await?;
            self.give_back(connection);
            Ok(answer)
        };
        tokio::time::timeout(self.deadline, answer)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn connection(&self) -> io::Result<Connection> {
        while let Some(mut connection) = { self.idle.lock().pop() } {
            if connection.is_open().await {
                return Ok(connection);
            }
        }
        Connection::open(&self.origin, self.tls.as_ref()).await
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }
}

/// Where requests go, and the path that comes before theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    authority: String,
    port: u16,
    host: String,
    prefix: String,
}

impl Origin {
    pub(crate) fn parse(address: &str) -> io::Result<Self> {
        Self::parse_as("http", 80, address)
    }

    fn parse_as(scheme: &str, port: u16, address: &str) -> io::Result<Self> {
        let uri: Uri = address.parse().map_err(invalid)?;
        let authority = match (uri.scheme_str(), uri.authority()) {
            (Some(given), Some(authority)) if given == scheme => authority,
            _ => {
                return Err(invalid(format!(
                    "`{address}` is not an address such as {scheme}://127.0.0.1:8080"
                )));
            }
        };
        Ok(Self {
            authority: authority.to_string(),
            port: authority.port_u16().unwrap_or(port),
            // Brackets belong to the URI, not to the IPv6 address.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> io::Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        let path = format!("{}{path}", self.prefix);
        *request.uri_mut() =
            if path.is_empty() { Uri::from_static("/") } else { path.parse().map_err(invalid)? };
        *request.headers_mut() = headers;
        request.headers_mut().insert(HOST, self.authority.parse().map_err(invalid)?);
        Ok(request)
    }
}

/// One kept connection.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn open(origin: &Origin, tls: Option<&TlsConnector>) -> io::Result<Self> {
        let socket = TcpStream::connect((origin.host.as_str(), origin.port)).await?;
        socket.set_nodelay(true)?;
        match tls {
            None => Self::over(socket).await,
            Some(tls) => {
                let name = ServerName::try_from(origin.host.clone()).map_err(invalid)?;
                Self::over(tls.connect(name, socket).await?).await
            }
        }
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> io::Result<Self> {
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
        // Ends when the sender is dropped or the connection breaks; the request that it breaks is told.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Whether it can take another request.
    pub(crate) async fn is_open(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    pub(crate) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> io::Result<HttpAnswer> {
        let (head, body) = self.0.send_request(request).await.map_err(other)?.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(HttpAnswer { status: head.status, headers: head.headers, body })
    }
}

fn invalid(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

fn other(problem: hyper::Error) -> io::Error {
    io::Error::other(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::Behaviour;
    use crate::receiver::Receiver;
    use serde_json::json;

    #[tokio::test]
    async fn a_request_goes_out_as_it_was_asked_for_and_the_answer_comes_back_whole() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        receiver.behave_everywhere(&Behaviour::RespondWith {
            status: 422,
            headers: vec![("x-request".to_owned(), "7".to_owned())],
            body: r#"{"error":"no"}"#.into(),
        });
        let client = HttpClient::new(&receiver.url("/base/")).unwrap().bearer("token").unwrap();
        let answer = client.patch("/things?a=1", &json!({"b": 2})).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("X-Request")), (422, Some("7")));
        assert_eq!(answer.json(), json!({"error": "no"}));
        client.delete("/things").await.unwrap();
        let got = receiver.log().received();
        assert_eq!((got[0].method.as_str(), got[0].target.as_str()), ("PATCH", "/base/things?a=1"));
        assert_eq!(got[0].header("authorization"), Some("Bearer token"));
        assert_eq!(got[0].body, r#"{"b":2}"#);
        assert_eq!(got[1].method, "DELETE");
    }

    #[tokio::test]
    async fn a_connection_that_the_server_closed_is_not_used_again() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        let client = HttpClient::new(&receiver.url("")).unwrap();
        client.get("/").await.unwrap();
        receiver.behave_everywhere(&Behaviour::CloseBeforeAnswer);
        client.get("/").await.unwrap_err();
        receiver.behave_everywhere(&Behaviour::GOOD);
        client.get("/").await.unwrap();
        assert_eq!(receiver.log().counts().requests, 3, "the one without an answer was not sent again");
    }

    #[tokio::test]
    async fn silence_ends_with_the_deadline() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        receiver.behave_everywhere(&Behaviour::Hang);
        let client = HttpClient::new(&receiver.url("")).unwrap().with_deadline(Duration::from_millis(30));
        assert_eq!(client.get("/").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn only_plain_http_addresses_are_taken() {
        for address in ["https://127.0.0.1", "127.0.0.1:80", "/path", "http://"] {
            assert!(Origin::parse(address).is_err(), "{address}");
        }
        let origin = Origin::parse("http://[::1]:8080/v1/").unwrap();
        assert_eq!((origin.host.as_str(), origin.port, origin.prefix.as_str()), ("::1", 8080, "/v1"));
    }
}
