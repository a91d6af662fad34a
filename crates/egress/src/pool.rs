//! Connections that wait for the next request to the same origin.
//!
//! A connection is pinned to the address that was vetted when it was dialled, and it is used again only for the same
//! webhook at the same scheme, host and port: two webhooks may have one host and two owners, and a byte too many in the answer to
//! one must never be taken for an answer to the other. A connection lives for a minute at most, as long as an answer of DNS is believed, so receivers that move
//! are followed and what has been denied since is forgotten. Everything is bounded: what is idle per origin, in total, and for how long.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, Weak},
    time::Duration,
};

use app::ports::{Post, Target};
use domain::ids::WebhookNo;
use hashbrown::{Equivalent, HashMap};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connection::Connection;

/// How many connections wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct IdleLimits {
    /// For one webhook's scheme, host and port.
    pub per_origin: usize,
    /// For all together.
    pub total: usize,
    /// Without a request.
    pub idle: Duration,
    /// Since the connection was opened.
    pub age: Duration,
}

impl Default for IdleLimits {
    fn default() -> Self {
        Self { per_origin: 256, total: 4_096, idle: Duration::from_secs(30), age: Duration::from_secs(60) }
    }
}

pub(crate) struct Pool {
    limits: IdleLimits,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Each list is in the order of return, so that the freshest is used first and the others can grow old.
    origins: HashMap<Origin, Vec<Waiting>>,
    total: usize,
    is_swept: bool,
}

struct Waiting {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(limits: IdleLimits) -> Arc<Self> {
        Arc::new(Self { limits, idle: Mutex::default() })
    }

    /// Takes the freshest connection to the target's origin that still works.
    pub(crate) fn take(&self, post: &Post) -> Option<Connection> {
        loop {
            let mut waiting = self.pop(OriginRef::of(post))?;
            if self.is_fresh(&waiting, Instant::now()) && waiting.connection.is_usable() {
                return Some(waiting.connection);
            }
        }
    }

    /// Keeps a connection for later, if it can be used again and there is room.
    pub(crate) fn give(self: &Arc<Self>, post: &Post, mut connection: Connection) {
        let now = Instant::now();
        if now.duration_since(connection.born) >= self.limits.age || !connection.is_usable() {
            return;
        }
        if self.idle.lock().push(OriginRef::of(post), Waiting { connection, since: now }, &self.limits) {
            tokio::spawn(sweep(Arc::downgrade(self), self.limits.idle));
        }
    }

    fn pop(&self, origin: OriginRef<'_>) -> Option<Waiting> {
        let mut idle = self.idle.lock();
        let waiting = idle.origins.get_mut(&origin)?.pop()?;
        idle.total -= 1;
        Some(waiting)
    }

    fn is_fresh(&self, waiting: &Waiting, now: Instant) -> bool {
        now.duration_since(waiting.since) < self.limits.idle
            && now.duration_since(waiting.connection.born) < self.limits.age
    }

    /// Closes what is stale. Returns whether anything is left.
    fn close_stale(&self) -> bool {
        let now = Instant::now();
        let mut stale = Vec::new();
        let mut idle = self.idle.lock();
        idle.origins.retain(|_, list| {
            stale.extend(list.extract_if(.., |waiting| !self.is_fresh(waiting, now)));
            !list.is_empty()
        });
        idle.total -= stale.len();
        idle.is_swept = idle.total > 0;
        let is_swept = idle.is_swept;
        // Sockets are closed without holding up whoever needs a connection.
        drop(idle);
        drop(stale);
        is_swept
    }
}

impl Idle {
    /// Adds a connection if there is room. Returns whether somebody must begin to sweep.
    fn push(&mut self, origin: OriginRef<'_>, waiting: Waiting, limits: &IdleLimits) -> bool {
        if !self.origins.contains_key(&origin) {
            self.origins.insert(origin.to_owned(), Vec::new());
        }
        let list = self.origins.get_mut(&origin).expect("it was there or was just put there");
        if self.total >= limits.total || list.len() >= limits.per_origin {
            return false;
        }
        list.push(waiting);
        self.total += 1;
        !std::mem::replace(&mut self.is_swept, true)
    }
}

/// Closes stale connections from time to time until none is left: a burst of traffic must not hold sockets until the next.
#[expect(clippy::disallowed_methods, reason = "sockets live in real time, whatever the product's clock does")]
async fn sweep(pool: Weak<Pool>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        match pool.upgrade() {
            Some(pool) if pool.close_stale() => {}
            _ => return,
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Origin {
    webhook: WebhookNo,
    tls: bool,
    host: String,
    port: u16,
}

/// An [`Origin`] to look up without copying the host.
struct OriginRef<'a> {
    webhook: WebhookNo,
    tls: bool,
    host: &'a str,
    port: u16,
}

impl<'a> OriginRef<'a> {
    fn of(post: &'a Post) -> Self {
        let Target { tls, host, port, .. } = &*post.target;
        Self { webhook: post.webhook, tls: *tls, host, port: *port }
    }

    fn to_owned(&self) -> Origin {
        Origin { webhook: self.webhook, tls: self.tls, host: self.host.to_owned(), port: self.port }
    }
}

impl Hash for OriginRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.webhook.hash(state);
        self.tls.hash(state);
        self.host.hash(state);
        self.port.hash(state);
    }
}

impl Equivalent<Origin> for OriginRef<'_> {
    fn equivalent(&self, origin: &Origin) -> bool {
        self.webhook == origin.webhook
            && self.tls == origin.tls
            && self.port == origin.port
            && self.host == origin.host
    }
}
