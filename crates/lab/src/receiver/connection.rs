//! One connection: read a request, note it, answer or misbehave, and so on.

use super::Shared;
use super::request::{MOST_HEADERS, Parsed};
use super::script::{Play, Step};
use crate::arrival::Arrival;
use crate::clock;
use bytes::{Buf, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What is asked of the system at a time.
const READ: usize = 16 * 1024;
/// A misbehaviour without end ends here, should the other side bear it that long.
const PATIENCE: Duration = Duration::from_secs(600);

/// A stream that can be reset, under TLS or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin {
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// What became of one request.
pub(super) struct Taken {
    pub(super) play: Play,
    /// What has to be on stable storage before the play begins.
    pub(super) to_record: Vec<Arrival>,
    /// Whether the sender wants to close afterwards.
    pub(super) last: bool,
}

#[derive(PartialEq)]
enum Next {
    Request,
    Close,
}

/// Serves a connection to its end. That it breaks is ordinary here, and nobody's error.
pub(super) async fn serve<W: Wire>(mut wire: W, shared: &Shared) {
    let mut buffer = BytesMut::with_capacity(READ);
    while let Ok(Next::Request) = exchange(&mut wire, &mut buffer, shared).await {}
}

async fn exchange<W: Wire>(wire: &mut W, buffer: &mut BytesMut, shared: &Shared) -> io::Result<Next> {
    let mut continued = false;
    let (taken, length) = loop {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let wants_continue = match Parsed::read(buffer, &mut headers, shared.most_body) {
            Parsed::Complete(request) => break (shared.take(&request), request.length),
            Parsed::Refused(status) => return refuse(wire, status, shared).await,
            Parsed::Incomplete { wants_continue } => wants_continue,
        };
        if wants_continue && !continued {
            wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            continued = true;
        }
        buffer.reserve(READ);
        if wire.read_buf(buffer).await? == 0 {
            return Ok(Next::Close);
        }
    };
    buffer.advance(length);
    shared.record(&taken.to_record).await?;
    let next = match &taken.play {
        Play::Reply(bytes) => wire.write_all(bytes).await.map(|()| Next::Request)?,
        Play::Steps(steps) => perform(wire, steps).await?,
    };
    // With TLS a write may only have reached a buffer.
    wire.flush().await?;
    Ok(if taken.last { Next::Close } else { next })
}

async fn refuse<W: Wire>(wire: &mut W, status: u16, shared: &Shared) -> io::Result<Next> {
    shared.log.refused();
    let answer = format!("HTTP/1.1 {status} \r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    wire.write_all(answer.as_bytes()).await?;
    wire.shutdown().await?;
    Ok(Next::Close)
}

async fn perform<W: Wire>(wire: &mut W, steps: &[Step]) -> io::Result<Next> {
    let whole = async {
        for step in steps {
            if perform_one(wire, step).await? == Next::Close {
                return Ok(Next::Close);
            }
        }
        Ok(Next::Request)
    };
    tokio::time::timeout(PATIENCE, whole).await.unwrap_or(Ok(Next::Close))
}

async fn perform_one<W: Wire>(wire: &mut W, step: &Step) -> io::Result<Next> {
    match step {
        Step::Write(bytes) => {
            wire.write_all(bytes).await?;
            wire.flush().await?;
        }
        Step::Repeat { chunk, total } => {
            let mut left = *total;
            while left > 0 {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
                wire.write_all(&chunk[..now]).await?;
                left -= now as u64;
            }
        }
        Step::Drip { byte, every } => loop {
            wire.write_all(&[*byte]).await?;
            wire.flush().await?;
            clock::pause(*every).await;
        },
        Step::Pause(duration) => clock::pause(*duration).await,
        Step::AwaitPeer => return await_peer(wire).await,
        Step::CloseWriting => wire.shutdown().await?,
        Step::Close => {
            wire.shutdown().await?;
            return Ok(Next::Close);
        }
        Step::Reset => {
            // A socket that does not linger sends RST when it is dropped.
            wire.socket().set_zero_linger()?;
            return Ok(Next::Close);
        }
    }
    Ok(Next::Request)
}

/// Reads and forgets until the other side closes.
async fn await_peer<W: Wire>(wire: &mut W) -> io::Result<Next> {
    let mut sink = [0; 1024];
    while wire.read(&mut sink).await? > 0 {}
    Ok(Next::Close)
}
