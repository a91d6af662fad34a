//! The bare loop: a hyper client that POSTs over kept connections and does nothing else. The bound of every rate.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use super::{Figure, receiver::Counter};

const CONNECTIONS: usize = 64;
const LASTS: Duration = Duration::from_secs(3);
/// As long as a payload of five endpoints.
const BODY: usize = 1_024;

pub(super) async fn measure(runs: usize) -> Result<Figure> {
    let mut values = Vec::new();
    for _ in 0..runs {
        values.push(once().await?);
    }
    Ok(Figure::new("bare hyper loop", "POST/s", values))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn once() -> Result<f64> {
    let counter = Counter::start("bare").await?;
    let url = counter.url();
    let authority = url.trim_start_matches("http://").trim_end_matches("/hook").to_owned();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(post(authority.clone(), begun + LASTS));
    }
    let mut sent = 0;
    while let Some(done) = tasks.join_next().await {
        sent += done??;
    }
    let took = begun.elapsed();
    counter.stop().await?;
    Ok(sent as f64 / took.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn post(authority: String, until: Instant) -> Result<u64> {
    let stream = TcpStream::connect(&authority).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let body = Bytes::from(vec![b' '; BODY]);
    let mut sent = 0;
    while Instant::now() < until {
        let request = Request::post("/hook").header("host", &authority).body(Full::new(body.clone()))?;
        sender.send_request(request).await?.into_body().collect().await?;
        sent += 1;
    }
    drop(sender);
    driver.await??;
    Ok(sent)
}
