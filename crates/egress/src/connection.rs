//! One connection to a receiver, and what goes over it.
//!
//! A request is written and its answer is read at the same time, since a receiver may answer, and even close, before it has
//! read everything. Both happen in the task of whoever sends: a request costs no hop to another task, a connection that
//! nobody uses costs no buffer, and dropping the sender's future closes the socket.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use app::ports::{Post, Purpose, Reply, Target};
use bytes::Buf;
use domain::delivery::Failure;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

use crate::{
    answer::{AnswerReader, Progress},
    coding, tls,
};

const READ_BUFFER: usize = 8 * 1_024;
/// How long the rest of a body is waited for that nobody needs and only the receiver's close ends.
const LINGER: Duration = Duration::from_secs(1);
/// The same for a body that is read.
const LINGER_FOR_A_BODY: Duration = Duration::from_secs(5);

/// A byte stream, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection, kept alive between requests.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    /// When it was dialled.
    pub(crate) born: Instant,
}

/// How an exchange ended.
pub(crate) enum Exchange {
    /// With an answer. Whether the connection may be used again is for [`Connection`] to say.
    Answered {
        reply: Reply,
        /// The answer's end is certain, and nothing came after it.
        reusable: bool,
    },
    /// The connection was closed before a byte of an answer came. If it had waited in the pool, that is how a receiver
    /// closes what it takes for idle.
    Closed(Failure),
    /// Without an answer.
    Failed(Failure),
}

impl Connection {
    /// Takes a stream to a vetted address.
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, born: Instant::now() }
    }

    /// Whether the other side is still there and has sent nothing that it was not asked for.
    pub(crate) fn is_usable(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        let cx = &mut Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_read(cx, &mut buffer).is_pending()
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn exchange(&mut self, post: &Post, deadline: Instant) -> Exchange {
        let mut talk = Talk {
            stream: &mut self.stream,
            request: request(post).chain(post.body.clone()),
            reader: AnswerReader::new(post.keep),
            is_flushed: false,
            write_error: None,
        };
        let mut end = timeout_at(deadline, talk.until(|reader| reader.status().is_some())).await;
        if talk.reader.status().is_some() && end.is_ok() {
            let linger = match post.purpose {
                Purpose::Delivery => LINGER,
                Purpose::Probe => LINGER_FOR_A_BODY,
            };
            let is_open_ended = talk.reader.is_open_ended();
            let patience = if is_open_ended { deadline.min(Instant::now() + linger) } else { deadline };
            end = timeout_at(patience, talk.until(|_| false)).await;
        }
        // The status has decided, whatever becomes of the body: one that breaks off, never ends or is longer than we read
        // costs the connection and nothing else.
        if let Some(status) = talk.reader.status() {
            let reusable = talk.reader.is_reusable() && talk.is_flushed;
            let coding = talk.reader.coding();
            let mut body = talk.reader.into_body();
            if post.purpose == Purpose::Probe {
                body = coding::unpacked(body, coding, post.keep);
            }
            return Exchange::Answered { reply: Reply { status, body }, reusable };
        }
        let failure = match end {
            Err(_) => Failure::TimedOut,
            Ok(Ended::Malformed | Ended::Enough) => Failure::Protocol,
            Ok(Ended::Closed(failure)) => failure,
        };
        match failure {
            Failure::Reset | Failure::ClosedEarly if !talk.reader.has_begun() => Exchange::Closed(failure),
            failure => Exchange::Failed(failure),
        }
    }
}

/// A request on its way, with its answer as far as it is there.
struct Talk<'a, B> {
    stream: &'a mut Box<dyn Stream>,
    request: B,
    reader: AnswerReader,
    is_flushed: bool,
    write_error: Option<io::Error>,
}

/// Why a talk paused or ended.
enum Ended {
    /// What was waited for is there, or the answer is complete.
    Enough,
    Malformed,
    /// The connection ended.
    Closed(Failure),
}

impl<B: Buf + Unpin> Talk<'_, B> {
    /// Writes and reads until the answer is complete or as far as wanted, or the connection ends.
    async fn until(&mut self, is_enough: impl Fn(&AnswerReader) -> bool) -> Ended {
        poll_fn(|cx| {
            self.poll_write(cx);
            self.poll_read(cx, &is_enough)
        })
        .await
    }

    /// Writes as much as the socket takes. A receiver that has stopped reading may still have answered.
    fn poll_write(&mut self, cx: &mut Context<'_>) {
        while self.write_error.is_none() && !self.is_flushed {
            let mut slices = [io::IoSlice::new(&[]); 2];
            let count = self.request.chunks_vectored(&mut slices);
            let result = match count {
                0 => match Pin::new(&mut *self.stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        self.is_flushed = true;
                        return;
                    }
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Pending => return,
                },
                _ => match Pin::new(&mut *self.stream).poll_write_vectored(cx, &slices[..count]) {
                    Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(result) => result,
                    Poll::Pending => return,
                },
            };
            match result {
                Ok(written) => self.request.advance(written),
                Err(error) => self.write_error = Some(error),
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, is_enough: &impl Fn(&AnswerReader) -> bool) -> Poll<Ended> {
        let mut bytes = [0; READ_BUFFER];
        loop {
            if self.reader.is_complete() || is_enough(&self.reader) {
                return Poll::Ready(Ended::Enough);
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            if let Err(error) = ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut buffer)) {
                return Poll::Ready(Ended::Closed(failure(&error)));
            }
            if buffer.filled().is_empty() {
                let failure = self.write_error.as_ref().map_or(Failure::ClosedEarly, failure);
                return Poll::Ready(Ended::Closed(failure));
            }
            match self.reader.take(buffer.filled()) {
                Progress::More => {}
                Progress::Complete => return Poll::Ready(Ended::Enough),
                Progress::Malformed => return Poll::Ready(Ended::Malformed),
            }
        }
    }
}

/// The head of a request. Some receivers look for `SC-Signature` letter by letter, so names are spelt as documented.
fn request(post: &Post) -> bytes::Bytes {
    let target = &*post.target;
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nUser-Agent: {}\r\n",
        target.path,
        authority(target),
        post.body.len(),
        post.agent,
    );
    let mut add = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    };
    if let Some(signature) = &post.signature {
        add("SC-Signature", signature);
    }
    if post.purpose == Purpose::Probe {
        // The body of this answer is read.
        add("Accept-Encoding", "identity");
    }
    for header in post.headers.iter() {
        add(header.name(), header.value());
    }
    head.push_str("\r\n");
    head.into()
}

fn authority(target: &Target) -> String {
    match (target.tls, target.port) {
        (true, 443) | (false, 80) => target.host.clone(),
        _ => format!("{}:{}", target.host, target.port),
    }
}

/// What the end of a connection says about the receiver.
pub(crate) fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::ClosedEarly,
        _ if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => tls::failure(error),
        _ => Failure::Reset,
    }
}
