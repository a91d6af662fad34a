//! One connection to a receiver, and what goes over it.
//!
//! The state machine of the HTTP library is polled by whoever sends, in the same task: a request costs no hop to another
//! task, a connection that nobody uses costs nothing, and dropping the sender's future closes the socket. An answer is
//! bounded thrice: its head in bytes and fields, all of it on the wire in bytes (interim answers, chunk extensions and
//! trailers included), and the whole exchange in time.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use app::ports::{Post, Reply, Target};
use bytes::{Bytes, BytesMut};
use domain::delivery::Failure;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, Uri,
    body::Incoming,
    client::conn::{TrySendError, http1},
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
    http::{Extensions, uri::PathAndQuery},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

use crate::tls;

const LONGEST_HEAD: usize = 16 * 1_024;
const READ_BUFFER: usize = 32 * 1_024;
/// All bytes of one answer that are ever read: a head, and 64 KiB after it.
const LONGEST_ANSWER: usize = LONGEST_HEAD + 64 * 1_024;
const SIGNATURE: HeaderName = HeaderName::from_static("sc-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A byte stream, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection, kept alive between requests.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<http1::Connection<TokioIo<Metered>, Full<Bytes>>>>,
    closed: bool,
    allowance: Arc<AtomicUsize>,
    host: HeaderValue,
    spelling: Extensions,
    /// When it was dialled.
    pub(crate) born: Instant,
}

/// How an exchange ended.
pub(crate) enum Exchange {
    /// With an answer.
    Answered(Reply),
    /// The connection turned out to be closed before a byte of the request was written: it may be sent again.
    NotSent,
    /// Without an answer, and the receiver may have got the request.
    Failed(Failure),
}

impl Connection {
    /// Begins HTTP on a stream to a vetted address.
    pub(crate) async fn open(
        stream: Box<dyn Stream>,
        target: &Target,
        spelling: Extensions,
    ) -> Result<Self, Failure> {
        let allowance = Arc::new(AtomicUsize::new(0));
        let wire = TokioIo::new(Metered { inner: stream, allowance: Arc::clone(&allowance) });
        let (sender, driver) = http1::Builder::new()
            .max_header_size(LONGEST_HEAD)
            .max_buf_size(READ_BUFFER)
            .preserve_header_case(true)
            .handshake(wire)
            .await
            .map_err(|_| Failure::Local)?;
        let host = HeaderValue::try_from(authority(target))
            .expect("the parser leaves only letters, digits and dots");
        Ok(Self {
            sender,
            driver: Box::pin(driver),
            closed: false,
            allowance,
            host,
            spelling,
            born: Instant::now(),
        })
    }

    /// Whether the other side still seems to be there and ready for a request.
    pub(crate) fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.closed && self.sender.is_ready()
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn exchange(&mut self, post: &Post, deadline: Instant) -> Exchange {
        self.allowance.store(LONGEST_ANSWER, Ordering::Relaxed);
        let answer = self.sender.try_send_request(self.request(post));
        let response = match timeout_at(deadline, self.driven(answer)).await {
            Err(_) => return Exchange::Failed(Failure::TimedOut),
            Ok(Err(error)) if error.message().is_some() => return Exchange::NotSent,
            Ok(Err(error)) => return Exchange::Failed(failure(&error)),
            // The other side wants to speak something else from here on.
            Ok(Ok(response)) if response.status().is_informational() => {
                return Exchange::Failed(Failure::Protocol);
            }
            Ok(Ok(response)) => response,
        };
        let status = response.status().as_u16();
        let body = self.body(response, post.keep, deadline).await;
        Exchange::Answered(Reply { status, body })
    }

    /// Reads what there is of the body. The status has decided already: a body that breaks off, never ends or is longer than
    /// we read costs the connection and changes nothing else.
    async fn body(&mut self, response: Response<Incoming>, keep: usize, deadline: Instant) -> Bytes {
        let mut body = response.into_body();
        let mut kept = BytesMut::new();
        while let Ok(Some(Ok(frame))) = timeout_at(deadline, self.driven(body.frame())).await {
            if let Some(data) = frame.data_ref() {
                kept.extend_from_slice(&data[..data.len().min(keep.saturating_sub(kept.len()))]);
            }
        }
        kept.freeze()
    }

    fn request(&self, post: &Post) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(post.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path(&post.target);
        *request.extensions_mut() = self.spelling.clone();
        let headers = request.headers_mut();
        headers.reserve(5);
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(post.body.len()));
        headers.insert(USER_AGENT, HeaderValue::from_static(post.agent));
        if let Some(signature) = &post.signature {
            headers.insert(SIGNATURE, HeaderValue::try_from(signature).expect("a signature is hexadecimal"));
        }
        request
    }

    /// Runs the connection while something that depends on it is awaited.
    async fn driven<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.drive(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        // An error of the connection also reaches whoever waits for an answer, and nobody else is interested.
        self.closed = self.closed || self.driver.as_mut().poll(cx).is_ready();
    }
}

fn authority(target: &Target) -> String {
    match (target.tls, target.port) {
        (true, 443) | (false, 80) => target.host.clone(),
        _ => format!("{}:{}", target.host, target.port),
    }
}

fn path(target: &Target) -> Uri {
    PathAndQuery::try_from(target.path.as_str()).expect("the parser checked the path").into()
}

fn failure(error: &TrySendError<Request<Full<Bytes>>>) -> Failure {
    let error = error.error();
    if error.is_parse() || error.is_parse_too_large() {
        return Failure::Protocol;
    }
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause {
        Some(cause) if cause.get_ref().is_some_and(|inner| inner.is::<TooLong>()) => Failure::Protocol,
        Some(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Failure::ClosedEarly,
        Some(cause) if cause.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            tls::failure(cause)
        }
        Some(_) => Failure::Reset,
        None if error.is_incomplete_message() || error.is_canceled() => Failure::ClosedEarly,
        None => Failure::Protocol,
    }
}

/// A stream with an allowance of bytes to be read. When it is used up (give or take one buffer), reading fails.
struct Metered {
    inner: Box<dyn Stream>,
    allowance: Arc<AtomicUsize>,
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is too long")]
struct TooLong;

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let allowed = self.allowance.load(Ordering::Relaxed);
        if allowed == 0 {
            return Poll::Ready(Err(io::Error::other(TooLong)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        self.allowance.store(allowed.saturating_sub(read), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
