//! The listener: connections within bounds, in all and of each other end, with TLS or without, and a stop that lets
//! requests in work end.

use std::{io, net::IpAddr, sync::Arc};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Duration, timeout},
};

use crate::{
    Limits, Tls, TrustedProxies,
    client::{Peer, Shares},
    taken::Taken,
};

/// How long to leave a listener alone that has just failed to accept, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How connections are taken.
#[derive(Clone, Default)]
pub struct Serving {
    /// Their bounds.
    pub limits: Limits,
    /// What the server proves its name with; plain HTTP without it.
    pub tls: Option<Tls>,
    /// Proxies, which speak for many clients: they may hold any number of connections.
    pub trusted: TrustedProxies,
}

/// Serves a router until `stop` is over, then lets requests in work end, for as long as the limits say.
///
/// Deadlines here are of sockets, so they follow real time whatever the product clock does.
pub async fn serve(listener: TcpListener, router: Router, serving: Serving, stop: impl Future<Output = ()>) {
    let Serving { limits, tls, trusted } = serving;
    let (stopping, stopped) = watch::channel(());
    let permits = Arc::new(Semaphore::new(limits.connections));
    let shares = Shares::default();
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &permits) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let most = if trusted.contains(peer) { usize::MAX } else { limits.connections_per_client };
                let Some(share) = shares.take(peer, most) else {
                    tracing::debug!(client.address = %peer, "A client has too many connections; one was closed");
                    continue;
                };
                let router = router.clone().layer(Extension(Peer(peer)));
                let connection = connection(stream, tls.clone(), router, limits, stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop((share, permit));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted");
                pause().await;
            }
        }
    }
    drop(listener);
    drop(stopping);
    if timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!(http.connections = connections.len(), "Requests did not end in time and are cut off");
    }
}

/// Waits until there is room, then for a connection.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer.ip().to_canonical(), permit))
}

/// Serves one connection. Its errors are those of clients that hang up or do not speak HTTP or TLS: nothing to tell anybody.
async fn connection(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    stopped: watch::Receiver<()>,
) {
    let Some(tls) = tls else { return requests(stream, router, limits, stopped).await };
    match timeout(limits.headers, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => requests(stream, router, limits, stopped).await,
        Ok(Err(error)) => tracing::debug!(%error, "A TLS handshake failed"),
        Err(_) => tracing::debug!("A TLS handshake took too long"),
    }
}

/// Serves the requests of one connection.
async fn requests<S>(stream: S, router: Router, limits: Limits, mut stopped: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(limits.header_bytes)
        .serve_connection(TokioIo::new(Taken::new(stream, limits.request)), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        // The sender is dropped when the listener stops.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "A connection ended early");
    }
}

async fn pause() {
    #[expect(clippy::disallowed_methods, reason = "file descriptors come back in real time")]
    tokio::time::sleep(PAUSE).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::{Notify, oneshot},
    };

    struct Served {
        address: std::net::SocketAddr,
        stop: oneshot::Sender<()>,
        done: tokio::task::JoinHandle<()>,
    }

    async fn served(router: Router, limits: Limits) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, wish) = oneshot::channel();
        let serving = Serving { limits, ..Serving::default() };
        let done = tokio::spawn(serve(listener, router, serving, async move { drop(wish.await) }));
        Served { address, stop, done }
    }

    async fn sent(address: std::net::SocketAddr, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_request_in_work_ends_before_the_stop() {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (begun, go) = (begun.clone(), go.clone());
            move || async move {
                begun.notify_one();
                go.notified().await;
                "done"
            }
        };
        let served = served(Router::new().route("/", get(handler)), Limits::default()).await;
        let stream = sent(served.address, GET).await;
        begun.notified().await;
        served.stop.send(()).unwrap();
        go.notify_one();
        assert!(answer(stream).await.ends_with("done"));
        served.done.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_cut_off_at_the_stop() {
        let begun = Arc::new(Notify::new());
        let handler = {
            let begun = begun.clone();
            move || async move {
                begun.notify_one();
                std::future::pending::<()>().await;
            }
        };
        let limits = Limits { drain: Duration::from_millis(1), ..Limits::default() };
        let served = served(Router::new().route("/", get(handler)), limits).await;
        let stream = sent(served.address, GET).await;
        begun.notified().await;
        served.stop.send(()).unwrap();
        served.done.await.unwrap();
        assert_eq!(answer(stream).await, "");
    }

    #[tokio::test]
    async fn a_client_that_does_not_finish_its_headers_is_cut_off() {
        let limits = Limits { headers: Duration::from_millis(5), ..Limits::default() };
        let served = served(Router::new(), limits).await;
        let stream = sent(served.address, "GET / HTTP/1.1\r\nhost: a\r\n").await;
        let said = answer(stream).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }

    #[tokio::test]
    async fn fault_g9_connections_of_one_client_beyond_its_share_are_closed() {
        let limits = Limits { connections_per_client: 2, ..Limits::default() };
        let served = served(Router::new().route("/", get(|| async { "done" })), limits).await;
        let idle = [sent(served.address, "").await, sent(served.address, "").await];
        let mut refused = TcpStream::connect(served.address).await.unwrap();
        assert_eq!(refused.read(&mut [0]).await.unwrap_or(0), 0);
        drop(idle);
        let mut answered = String::new();
        while !answered.ends_with("done") {
            tokio::task::yield_now().await;
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            // A refused connection may be reset before anything is written.
            let _ = stream.write_all(GET.as_bytes()).await;
            answered.clear();
            let _ = stream.read_to_string(&mut answered).await;
        }
    }

    #[tokio::test]
    async fn connections_beyond_the_cap_wait_for_their_turn() {
        let limits = Limits { connections: 1, headers: Duration::from_secs(600), ..Limits::default() };
        let served = served(Router::new().route("/", get(|| async { "done" })), limits).await;
        let first = sent(served.address, "GET / HTTP/1.1\r\n").await;
        let mut second = sent(served.address, GET).await;
        let early = timeout(Duration::from_millis(50), second.read_u8()).await;
        assert!(early.is_err(), "the second connection was served beside the first");
        drop(first);
        assert!(answer(second).await.ends_with("done"));
    }
}
