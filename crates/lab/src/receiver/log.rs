//! What the receiver got: counts of everything, and either the newest requests in full or the ids of very many.

use crate::arrival::{Arrival, Signature};
use crate::clock;
use crate::event::Event;
use crate::id::Id;
use crate::receiver::script::Answer;
use crate::time::Timestamp;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, broadcast, oneshot};

/// Requests that a slow subscriber may be behind before it misses some.
const SUBSCRIBER_BACKLOG: usize = 4_096;

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// By the wall clock.
    pub at: Timestamp,
    /// By the monotonic clock.
    pub instant: Instant,
    /// `POST`, if all is well.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// In order and spelled as sent.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Bytes,
    /// What its signature is worth.
    pub signature: Signature,
    /// What the body says, if it is an event.
    pub event: Option<Event>,
    /// What it is answered with.
    pub answer: Answer,
}

impl Received {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// Whether it is a verification.
    pub fn is_verification(&self) -> bool {
        self.event.as_ref().is_some_and(Event::is_verification)
    }

    fn weight(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// Numbers of requests since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that could be read.
    pub requests: u64,
    /// Of those, verifications.
    pub verifications: u64,
    /// Of those, signed well.
    pub good: u64,
    /// Of those, signed badly.
    pub bad: u64,
    /// Of those, not signed.
    pub unsigned: u64,
    /// Of those, neither dialect's event.
    pub no_event: u64,
    /// What could not be read as a request, and was refused.
    pub refused: u64,
}

/// The ids that a counting receiver saw.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How often each id came.
    pub ids: HashMap<Id, u32>,
    /// Occurrences of ids that came when as many were kept as should be.
    pub beyond: u64,
    /// When the first request came.
    pub first: Option<Instant>,
    /// When the newest request came.
    pub last: Option<Instant>,
}

impl Tally {
    /// How many occurrences came, repeated ones included.
    pub fn occurrences(&self) -> u64 {
        self.ids.values().map(|&times| u64::from(times)).sum::<u64>() + self.beyond
    }

    /// How many of them had come before.
    pub fn repeated(&self) -> u64 {
        self.ids.values().map(|&times| u64::from(times) - 1).sum()
    }
}

/// What a receiver remembers. Cheap to ask; everything in it is bounded.
pub struct Log {
    inner: Mutex<Inner>,
    live: broadcast::Sender<Arc<Received>>,
    changed: Notify,
    bounds: Bounds,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) requests: usize,
    pub(crate) bytes: usize,
    pub(crate) ids: usize,
}

#[derive(Default)]
struct Inner {
    counts: Counts,
    ring: VecDeque<Arc<Received>>,
    ring_bytes: usize,
    tally: Tally,
    /// Who waits for how many events.
    awaited: Vec<(u64, oneshot::Sender<()>)>,
}

impl Inner {
    /// Tells those whose events have come.
    fn tell(&mut self) {
        let events = self.counts.events();
        for (_, tell) in self.awaited.extract_if(.., |(awaited, _)| *awaited <= events) {
            // Who has given up does not want to know.
            let _ = tell.send(());
        }
    }
}

impl Log {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (live, _) = broadcast::channel(SUBSCRIBER_BACKLOG);
        Self { inner: Mutex::default(), live, changed: Notify::new(), bounds }
    }

    /// Numbers of requests.
    pub fn counts(&self) -> Counts {
        self.inner.lock().counts
    }

    /// The newest requests, oldest first; empty when the receiver only counts.
    pub fn received(&self) -> Vec<Arc<Received>> {
        self.inner.lock().ring.iter().cloned().collect()
    }

    /// The newest requests that are not verifications, oldest first.
    pub fn events(&self) -> Vec<Arc<Received>> {
        self.received().into_iter().filter(|received| !received.is_verification()).collect()
    }

    /// What the newest requests brought, in the form that the checker takes.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.received().iter().flat_map(|received| Arrival::of(received)).collect()
    }

    /// Forgets the requests kept so far and returns them. Counts go on.
    pub fn take(&self) -> Vec<Arc<Received>> {
        let mut inner = self.inner.lock();
        inner.ring_bytes = 0;
        inner.ring.drain(..).collect()
    }

    /// The ids seen so far by a receiver that only counts.
    pub fn tally(&self) -> Tally {
        self.inner.lock().tally.clone()
    }

    /// Each request from now on. A subscriber that falls behind is told how many it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Received>> {
        self.live.subscribe()
    }

    /// Waits until this many requests that are not verifications have come since the start; false if they did not in time.
    pub async fn wait_for_events(&self, events: u64, within: Duration) -> bool {
        let told = {
            let inner = &mut *self.inner.lock();
            if inner.counts.events() >= events {
                return true;
            }
            // Told once: to look at each request would cost as much as to take it.
            let (tell, told) = oneshot::channel();
            inner.awaited.push((events, tell));
            told
        };
        let came = tokio::time::timeout(within, told).await.is_ok();
        self.inner.lock().awaited.retain(|(_, tell)| !tell.is_closed());
        came
    }

    /// Waits until something holds, looking at each request; false if it did not in time.
    pub async fn wait_until(&self, within: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let deadline = clock::now() + within;
        loop {
            // Registered before looking, so that no request can slip in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(self) {
                return true;
            }
            if tokio::time::timeout_at(deadline.into(), changed).await.is_err() {
                return holds(self);
            }
        }
    }

    /// Keeps a request.
    pub(crate) fn keep(&self, received: Received) {
        let received = Arc::new(received);
        let inner = &mut *self.inner.lock();
        inner.counts.request(received.signature, received.is_verification());
        inner.counts.no_event += u64::from(received.event.is_none());
        inner.ring_bytes += received.weight();
        inner.ring.push_back(Arc::clone(&received));
        while inner.ring.len() > self.bounds.requests || inner.ring_bytes > self.bounds.bytes {
            let Some(oldest) = inner.ring.pop_front() else { break };
            inner.ring_bytes -= oldest.weight();
        }
        inner.tell();
        // Sent under the lock, so that subscribers see the order of the ring. Without subscribers it fails; nobody minds.
        let _ = self.live.send(received);
        self.changed.notify_waiters();
    }

    /// Counts a request of a receiver that does not keep them.
    pub(crate) fn count(&self, at: Instant, signature: Signature, verification: bool, ids: &[Id]) {
        let inner = &mut *self.inner.lock();
        inner.counts.request(signature, verification);
        inner.counts.no_event += u64::from(ids.is_empty() && !verification);
        let tally = &mut inner.tally;
        tally.first.get_or_insert(at);
        tally.last = Some(at);
        for &id in ids {
            if let Some(times) = tally.ids.get_mut(&id) {
                *times += 1;
            } else if tally.ids.len() < self.bounds.ids {
                tally.ids.insert(id, 1);
            } else {
                tally.beyond += 1;
            }
        }
        inner.tell();
        self.changed.notify_waiters();
    }

    /// Counts what was no request.
    pub(crate) fn refused(&self) {
        self.inner.lock().counts.refused += 1;
        self.changed.notify_waiters();
    }
}

impl Counts {
    /// Requests that are no verifications.
    const fn events(&self) -> u64 {
        self.requests - self.verifications
    }

    fn request(&mut self, signature: Signature, verification: bool) {
        self.requests += 1;
        self.verifications += u64::from(verification);
        match signature {
            Signature::Good => self.good += 1,
            Signature::Bad => self.bad += 1,
            Signature::Missing => self.unsigned += 1,
            Signature::Unchecked => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(body: &'static str) -> Received {
        Received {
            at: Timestamp::from_micros(0),
            instant: clock::now(),
            method: "POST".to_owned(),
            target: "/".to_owned(),
            headers: Vec::new(),
            body: Bytes::from_static(body.as_bytes()),
            signature: Signature::Missing,
            event: None,
            answer: Answer::Status(200),
        }
    }

    fn bodies(log: &Log) -> Vec<Bytes> {
        log.received().iter().map(|received| received.body.clone()).collect()
    }

    #[test]
    fn the_oldest_requests_make_room_by_number_and_by_size() {
        let log = Log::new(Bounds { requests: 2, bytes: 10, ids: 0 });
        for body in ["one", "two", "three"] {
            log.keep(received(body));
        }
        assert_eq!(bodies(&log), ["two", "three"]);
        log.keep(received("nine bytes"));
        assert_eq!(bodies(&log), ["nine bytes"]);
        assert_eq!(log.counts().requests, 4);
        assert_eq!((log.counts().unsigned, log.counts().no_event), (4, 4));
    }

    #[test]
    fn ids_beyond_the_bound_are_counted_and_not_kept() {
        let log = Log::new(Bounds { requests: 0, bytes: 0, ids: 2 });
        for id in [1, 2, 2, 3, 3] {
            log.count(clock::now(), Signature::Good, false, &[Id(id)]);
        }
        let tally = log.tally();
        assert_eq!((tally.ids.len(), tally.beyond, tally.repeated(), tally.occurrences()), (2, 2, 1, 5));
    }

    #[tokio::test]
    async fn waiting_ends_with_the_request_waited_for_or_with_the_time() {
        let log = Arc::new(Log::new(Bounds { requests: 9, bytes: 99, ids: 0 }));
        assert!(!log.wait_for_events(1, Duration::from_millis(10)).await);
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.wait_for_events(1, Duration::from_secs(30)).await }
        });
        tokio::task::yield_now().await;
        log.keep(received("one"));
        assert!(waiting.await.unwrap());
    }
}
