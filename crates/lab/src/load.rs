//! An open-loop load generator: requests fall due at a constant rate whether or not earlier ones have been answered, and
//! latency counts from when a request fell due. So a server that stalls is charged for everything that it kept waiting.

use crate::client::{Connection, HttpAnswer, Origin};
use crate::clock;
use crate::latency::Latencies;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Before a new connection is tried after one could not be opened.
const REDIAL: Duration = Duration::from_millis(10);
/// The pace is looked at again at least this often, to notice that the run was given up.
const LOOK: Duration = Duration::from_millis(100);

/// What to send, where and how fast.
#[derive(Clone)]
pub struct LoadOptions {
    /// Where to POST: `http://host:port/path`.
    pub url: String,
    /// The bearer token, if one is needed.
    pub token: Option<String>,
    /// The media type of the bodies.
    pub content_type: &'static str,
    /// Requests in all.
    pub requests: u64,
    /// How they fall due.
    pub pace: Pace,
    /// Connections, and so the most requests under way at once.
    pub connections: usize,
    /// A request without a whole answer after this is broken.
    pub deadline: Duration,
    /// Makes the body of a request from its number (from 0) and the time when it fell due. Called right before sending.
    pub body: Arc<dyn Fn(u64, Instant) -> Bytes + Send + Sync>,
}

/// How requests fall due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// This many a second, evenly.
    PerSecond(f64),
    /// As soon as a connection is free: a closed loop, for throughput and not for latency.
    FlatOut,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer, for whatever reason.
    pub broken: u64,
    /// From when a request fell due to the end of its answer.
    pub latency: Latencies,
    /// From when a request fell due to when it was sent: what the generator itself was late. It is part of `latency`.
    pub lag: Latencies,
    /// From the first due time to the last answer.
    pub took: Duration,
}

impl LoadReport {
    /// Requests answered with 2xx.
    pub fn accepted(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, times)| times).sum()
    }

    /// Accepted requests per second.
    pub fn rate(&self) -> f64 {
        self.accepted() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn merge(&mut self, other: &Self) {
        for (&status, times) in &other.statuses {
            *self.statuses.entry(status).or_default() += times;
        }
        self.broken += other.broken;
        self.latency.merge(&other.latency);
        self.lag.merge(&other.lag);
    }
}

/// Sends all requests and waits for their ends.
///
/// # Errors
///
/// When the URL or the token cannot be used. That requests fail is a result, not an error.
pub async fn run(options: LoadOptions) -> io::Result<LoadReport> {
    let origin = Origin::parse(&options.url)?;
    let run = Arc::new(Run {
        headers: headers(&options)?,
        origin,
        start: clock::now(),
        next: AtomicU64::new(0),
        options,
    });
    let due = Arc::new(Semaphore::new(0));
    keep_pace(&run, &due)?;
    let mut workers = JoinSet::new();
    for _ in 0..run.options.connections.max(1) {
        workers.spawn(work(Arc::clone(&run), Arc::clone(&due)));
    }
    let mut report = LoadReport::default();
    for part in workers.join_all().await {
        report.merge(&part);
    }
    report.took = run.start.elapsed();
    Ok(report)
}

struct Run {
    options: LoadOptions,
    origin: Origin,
    headers: HeaderMap,
    start: Instant,
    next: AtomicU64,
}

impl Run {
    /// When a request falls due; those of a closed loop do when they are taken.
    fn due(&self, number: u64) -> Instant {
        match self.options.pace {
            Pace::PerSecond(rate) => self.start + Duration::from_secs_f64(number as f64 / rate),
            Pace::FlatOut => clock::now(),
        }
    }

    /// How many requests have fallen due by now.
    fn due_by(&self, now: Instant) -> u64 {
        let due = match self.options.pace {
            Pace::PerSecond(rate) => {
                (now.saturating_duration_since(self.start).as_secs_f64() * rate) as u64 + 1
            }
            Pace::FlatOut => u64::MAX,
        };
        due.min(self.options.requests)
    }
}

fn headers(options: &LoadOptions) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(options.content_type));
    if let Some(token) = &options.token {
        let value = format!("Bearer {token}").parse();
        headers.insert(
            AUTHORIZATION,
            value.map_err(|cause| io::Error::new(io::ErrorKind::InvalidInput, cause))?,
        );
    }
    Ok(headers)
}

/// Lets requests fall due, from a thread: its sleep is good to some 60 µs, the runtime's timer only to a millisecond.
///
/// What is due and not yet sent is a number in the semaphore, so a stalled server costs no memory here.
fn keep_pace(run: &Arc<Run>, due: &Arc<Semaphore>) -> io::Result<()> {
    let (run, due) = (Arc::clone(run), Arc::downgrade(due));
    thread::Builder::new().name("load-pace".to_owned()).spawn(move || release(&run, &due))?;
    Ok(())
}

fn release(run: &Run, due: &Weak<Semaphore>) {
    let mut released = 0;
    while released < run.options.requests {
        // Gone when the run was given up.
        let Some(permits) = due.upgrade() else { return };
        let fallen_due = run.due_by(clock::now());
        let more = (fallen_due - released).min(Semaphore::MAX_PERMITS as u64 / 2);
        permits.add_permits(more as usize);
        released += more;
        drop(permits);
        if released < run.options.requests {
            thread::sleep(run.due(released).saturating_duration_since(clock::now()).min(LOOK));
        }
    }
    // Workers that wait for more are told that there is none.
    if let Some(permits) = due.upgrade() {
        permits.add_permits(run.options.connections.max(1));
    }
}

async fn work(run: Arc<Run>, due: Arc<Semaphore>) -> LoadReport {
    let mut report = LoadReport::default();
    let mut connection = None;
    loop {
        due.acquire().await.expect("it is never closed").forget();
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        if number >= run.options.requests {
            return report;
        }
        let fell_due = run.due(number);
        report.lag.record(clock::now().saturating_duration_since(fell_due));
        let attempt =
            tokio::time::timeout(run.options.deadline, attempt(&run, &mut connection, number, fell_due))
                .await;
        report.latency.record(clock::now().saturating_duration_since(fell_due));
        if let Ok(Ok(answer)) = attempt {
            *report.statuses.entry(answer.status.as_u16()).or_default() += 1;
        } else {
            report.broken += 1;
            connection = None;
        }
    }
}

async fn attempt(
    run: &Run,
    kept: &mut Option<Connection>,
    number: u64,
    fell_due: Instant,
) -> io::Result<HttpAnswer> {
    if let Some(connection) = kept
        && !connection.is_open().await
    {
        *kept = None;
    }
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(dial(&run.origin).await?),
    };
    let body = (run.options.body)(number, fell_due);
    // The path is the origin's own.
    connection.exchange(run.origin.request(Method::POST, "", run.headers.clone(), body)?).await
}

async fn dial(origin: &Origin) -> io::Result<Connection> {
    let opened = Connection::open(origin, None).await;
    if opened.is_err() {
        clock::pause(REDIAL).await;
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::Behaviour;
    use crate::receiver::Receiver;

    fn options(receiver: &Receiver, requests: u64, pace: Pace) -> LoadOptions {
        LoadOptions {
            url: receiver.url("/ingest"),
            token: Some("token".to_owned()),
            content_type: "application/json",
            requests,
            pace,
            connections: 4,
            deadline: Duration::from_secs(5),
            body: Arc::new(|number, _| format!("[{number}]").into()),
        }
    }

    #[tokio::test]
    async fn every_request_is_sent_once_with_its_own_body() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        let report = run(options(&receiver, 50, Pace::FlatOut)).await.unwrap();
        assert_eq!((report.accepted(), report.broken, report.latency.count()), (50, 0, 50));
        let got = receiver.log().received();
        let mut bodies: Vec<u32> =
            got.iter().map(|r| serde_json::from_slice::<[u32; 1]>(&r.body).unwrap()[0]).collect();
        bodies.sort_unstable();
        assert_eq!(bodies, (0..50).collect::<Vec<_>>());
        assert_eq!((got[0].path(), got[0].header("authorization")), ("/ingest", Some("Bearer token")));
    }

    #[tokio::test]
    async fn requests_fall_due_at_the_rate_however_fast_the_answers_are() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        let report = run(options(&receiver, 40, Pace::PerSecond(200.0))).await.unwrap();
        // The last of 40 falls due after 195 ms.
        assert!(report.took >= Duration::from_millis(195), "{:?}", report.took);
    }

    #[tokio::test]
    async fn a_stall_is_charged_to_everything_that_waited_for_it() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        receiver.behave_everywhere(&Behaviour::Slow(Duration::from_millis(20)));
        let report =
            run(LoadOptions { connections: 1, ..options(&receiver, 20, Pace::PerSecond(1_000.0)) }).await;
        // One connection answers 50 a second: the last request fell due after 19 ms and is answered after 400.
        let latency = report.unwrap().latency;
        assert!(latency.max() >= Duration::from_millis(380), "{latency}");
        assert!(latency.quantile(0.5) >= Duration::from_millis(180), "{latency}");
    }

    #[tokio::test]
    async fn failures_are_counted_by_kind() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        receiver.behave_everywhere(&Behaviour::FailRatio { percent: 50, status: 503 });
        let report = run(options(&receiver, 10, Pace::FlatOut)).await.unwrap();
        assert_eq!(report.statuses, BTreeMap::from([(200, 5), (503, 5)]));
        receiver.behave_everywhere(&Behaviour::ResetAfterRequest);
        let report = run(options(&receiver, 10, Pace::FlatOut)).await.unwrap();
        assert_eq!((report.broken, report.accepted()), (10, 0));
    }
}
