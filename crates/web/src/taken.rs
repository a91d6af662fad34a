//! A stream whose other end has to take what it is sent.
//!
//! A client that asks and does not read would hold its connection, and all that waits to be sent, for as long as it
//! likes. From the moment that something cannot be written until all of it is, there is so much time and no more.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// The stream.
pub(crate) struct Taken<S> {
    stream: S,
    within: Duration,
    /// Runs while something waits to be written.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Taken<S> {
    pub(crate) fn new(stream: S, within: Duration) -> Self {
        Self { stream, within, waits: None }
    }

    /// Nothing could be written now.
    fn waited<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let within = self.within;
        #[expect(clippy::disallowed_methods, reason = "deadlines of sockets follow real time")]
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        waits.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_pending() { self.waited(cx) } else { result }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Whoever writes flushes when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        if result.is_ready() {
            self.waits = None;
        }
        self.written(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, result)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "deadlines of sockets follow the time of the runtime")]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_in_time_ends_the_stream() {
        let (mut client, server) = duplex(10);
        let mut server = Taken::new(server, Duration::from_secs(60));
        let error = server.write_all(&[7; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // A drop at a time is not enough.
        let (mut slow, server) = duplex(10);
        let mut server = Taken::new(server, Duration::from_secs(60));
        let sips = async {
            loop {
                tokio::time::sleep(Duration::from_secs(30)).await;
                if slow.read_u8().await.is_err() {
                    return;
                }
            }
        };
        let sent = async { (server.write_all(&[7; 100]).await, drop(server)).0 };
        assert!(tokio::join!(sips, sent).1.is_err());
        drop(client.read_u8().await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_each_answer_may_stay() {
        let (mut client, server) = duplex(10);
        let mut server = Taken::new(server, Duration::from_secs(60));
        let reads = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                client.read_exact(&mut [0; 20]).await.unwrap();
            }
        };
        let writes = async {
            for _ in 0..10 {
                server.write_all(&[7; 20]).await.unwrap();
                server.flush().await.unwrap();
            }
        };
        tokio::join!(reads, writes);
    }
}
