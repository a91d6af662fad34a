//! Receivers that do as they are told, and remember everything that reached them.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::Arc,
    time::Duration,
};

use app::ports::{Clock, Outbound, Post, Reply, Target, UriRefused};
use async_trait::async_trait;
use bytes::Bytes;
use domain::{delivery::Failure, time::Timestamp};
use lab::{
    arrival::{Arrival, Signature},
    event::{Content, Event},
    id::Id,
    receiver::Outcome,
    secret::Secret,
};
use parking_lot::Mutex;

use crate::{
    clock::VirtualClock,
    crash::{Fate, Moment},
    trace::Trace,
};

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reaction {
    does: Does,
    after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Answers(u16),
    /// The request never gets there.
    Misses(Failure),
    /// The request gets there, and no answer comes back.
    Breaks(Failure),
    Hangs,
}

/// Answers with this status.
pub const fn answers(status: u16) -> Reaction {
    Reaction { does: Does::Answers(status), after: Duration::ZERO }
}

/// Never answers.
pub const fn hangs() -> Reaction {
    Reaction { does: Does::Hangs, after: Duration::ZERO }
}

/// Is not reached, for this reason.
pub const fn unreached(failure: Failure) -> Reaction {
    Reaction { does: Does::Misses(failure), after: Duration::ZERO }
}

/// Gets the request and breaks the connection off.
pub const fn resets() -> Reaction {
    Reaction { does: Does::Breaks(Failure::Reset), after: Duration::ZERO }
}

impl Reaction {
    /// The same, so much later.
    #[must_use]
    pub const fn after(self, pause: Duration) -> Self {
        Self { after: pause, ..self }
    }
}

/// What a receiver answers to a challenge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToChallenge {
    /// With which status.
    pub status: u16,
    /// With which digest.
    pub digest: Digest,
    /// After which time.
    pub after: Duration,
}

impl Default for ToChallenge {
    fn default() -> Self {
        Self { status: 200, digest: Digest::Right, after: Duration::ZERO }
    }
}

/// The digest in the answer to a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// As it should be.
    Right,
    /// Of another challenge.
    Wrong,
    /// In upper-case digits.
    UpperCase,
    /// In base64.
    Base64,
    /// The answer has no body.
    Missing,
}

/// How a request ended, as the receiver saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// With this status.
    Status(u16),
    /// The sender went away before there was an answer.
    BrokenOff,
    /// The connection broke.
    Reset,
    /// Not yet.
    Open,
}

/// A request that reached a receiver.
#[derive(Clone, Debug)]
pub struct Received {
    /// By the wall clock of the world.
    pub at: Timestamp,
    /// By its monotonic clock.
    pub began: Duration,
    /// When it ended.
    pub ended: Option<Duration>,
    /// Where it was sent.
    pub uri: String,
    /// `User-Agent`
    pub agent: &'static str,
    /// Byte for byte.
    pub body: Bytes,
    /// The header.
    pub signature_text: Option<String>,
    /// What that is worth.
    pub signature: Signature,
    /// What the body says.
    pub event: Option<Event>,
    /// How it ended.
    pub answered: Answered,
}

impl Received {
    /// The id of the first occurrence in it.
    pub fn id(&self) -> Option<Id> {
        self.event.as_ref()?.items().first().map(|item| item.id)
    }

    /// The body, parsed.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("bodies are JSON")
    }

    /// Whether it is vehicle data rather than a challenge or a test.
    pub fn is_data(&self) -> bool {
        self.event.as_ref().is_some_and(|event| {
            let is_test = event.mode.as_ref().is_some_and(|mode| mode.eq_ignore_ascii_case("test"));
            matches!(event.content, Content::Vehicles(_) | Content::Single { .. }) && !is_test
        })
    }

    /// The occurrences in it, for the checker.
    pub fn arrivals(&self) -> Vec<Arrival> {
        let Some(event) = &self.event else { return Vec::new() };
        let outcome = match self.answered {
            Answered::Status(200..=299) => Outcome::Accepted,
            Answered::Status(_) => Outcome::Refused,
            Answered::BrokenOff | Answered::Reset | Answered::Open => Outcome::Unclear,
        };
        let arrival = |item: lab::event::Item| Arrival {
            at: lab::time::Timestamp::from_micros(self.at.as_micros()),
            id: item.id,
            webhook: event.webhook,
            vehicle: item.vehicle,
            built: item.built,
            fingerprint: item.fingerprint,
            signature: self.signature,
            outcome,
        };
        event.items().into_iter().map(arrival).collect()
    }
}

/// All receivers of a world; they outlive the application's crashes.
#[derive(Clone)]
pub(crate) struct Receivers {
    inner: Arc<Mutex<Inner>>,
    clock: VirtualClock,
    trace: Trace,
}

#[derive(Default)]
struct Inner {
    by_uri: BTreeMap<String, Receiver>,
    received: Vec<Received>,
}

struct Receiver {
    secret: Option<Secret>,
    script: VecDeque<Reaction>,
    then: Reaction,
    /// What it does with requests about a vehicle, before the script is asked.
    about: BTreeMap<Id, Reaction>,
    to_challenge: ToChallenge,
}

impl Receivers {
    pub(crate) fn new(clock: VirtualClock, trace: Trace) -> Self {
        Self { inner: Arc::default(), clock, trace }
    }

    /// Adds a receiver that accepts everything.
    pub(crate) fn add(&self, uri: &str) {
        let receiver = Receiver {
            secret: None,
            script: VecDeque::new(),
            then: answers(200),
            about: BTreeMap::new(),
            to_challenge: ToChallenge::default(),
        };
        self.inner.lock().by_uri.insert(uri.to_owned(), receiver);
    }

    fn change(&self, uri: &str, change: impl FnOnce(&mut Receiver)) {
        change(self.inner.lock().by_uri.get_mut(uri).expect("a receiver of this world"));
    }

    /// Tells a receiver the token of the application.
    pub(crate) fn confide(&self, uri: &str, token: &str) {
        self.change(uri, |receiver| receiver.secret = Some(Secret::new(token)));
    }

    /// What it does next, one by one, and what it does afterwards.
    pub(crate) fn script(&self, uri: &str, script: &[Reaction], then: Reaction) {
        self.change(uri, |receiver| {
            receiver.script = script.iter().copied().collect();
            receiver.then = then;
        });
    }

    /// What it does with every request about a vehicle.
    pub(crate) fn react_to(&self, uri: &str, vehicle: Id, reaction: Reaction) {
        self.change(uri, |receiver| {
            receiver.about.insert(vehicle, reaction);
        });
    }

    pub(crate) fn to_challenge(&self, uri: &str, answer: ToChallenge) {
        self.change(uri, |receiver| receiver.to_challenge = answer);
    }

    /// Everything that came, in the order of coming.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.lock().received.clone()
    }

    /// Looks at everything that came without copying it.
    pub(crate) fn with_received<T>(&self, look: impl FnOnce(&[Received]) -> T) -> T {
        look(&self.inner.lock().received)
    }

    /// Forgets what came so far.
    pub(crate) fn forget_received(&self) {
        self.inner.lock().received.clear();
    }

    /// Occurrences in requests that are under way, or ended this very moment.
    pub(crate) fn in_flight(&self) -> usize {
        let now = self.clock.monotonic();
        let recent = |received: &&Received| received.ended.is_none_or(|ended| ended + RECENT >= now);
        self.inner
            .lock()
            .received
            .iter()
            .rev()
            .take(LATEST)
            .filter(recent)
            .map(|post| post.arrivals().len())
            .sum()
    }

    /// Takes a request in; answers with its place in the log, unless it does not get there, and what follows.
    fn arrive(&self, post: &Post) -> (Option<usize>, Reaction, Bytes) {
        let uri = uri_of(&post.target);
        let inner = &mut *self.inner.lock();
        let Some(receiver) = inner.by_uri.get_mut(&uri) else {
            return (None, unreached(Failure::DnsNotFound), Bytes::new());
        };
        let event = Event::parse(&post.body);
        let signature = signature(receiver.secret.as_ref(), post);
        let (reaction, answer) = match event.as_ref().map(|event| &event.content) {
            Some(Content::Challenge(challenge)) => {
                let ToChallenge { status, after, digest } = receiver.to_challenge;
                (answers(status).after(after), digest.answer(receiver.secret.as_ref(), challenge))
            }
            _ => (receiver.reaction_to(event.as_ref()), Bytes::new()),
        };
        if let Does::Misses(_) = reaction.does {
            return (None, reaction, answer);
        }
        let received = Received {
            at: self.clock.now(),
            began: self.clock.monotonic(),
            ended: None,
            uri,
            agent: post.agent,
            body: post.body.clone(),
            signature_text: post.signature.clone(),
            signature,
            event,
            answered: Answered::Open,
        };
        let body = String::from_utf8_lossy(&received.body);
        self.trace.line(format_args!("{} post {} {body}", received.at, received.uri));
        inner.received.push(received);
        (Some(inner.received.len() - 1), reaction, answer)
    }

    fn end(&self, place: Option<usize>, answered: Answered) {
        let Some(place) = place else { return };
        let now = self.clock.monotonic();
        // A log that was forgotten meanwhile has no such place.
        if let Some(received) = self.inner.lock().received.get_mut(place) {
            received.answered = answered;
            received.ended = Some(now);
        }
    }
}

impl Receiver {
    fn reaction_to(&mut self, event: Option<&Event>) -> Reaction {
        let items = event.map(Event::items).unwrap_or_default();
        let about = items.iter().find_map(|item| self.about.get(&item.vehicle?));
        about.copied().unwrap_or_else(|| self.script.pop_front().unwrap_or(self.then))
    }
}

/// Among how many of the latest requests those under way are looked for.
const LATEST: usize = 1_000;
/// A request that ended so lately that its end may not be recorded yet.
const RECENT: Duration = Duration::from_millis(1);

fn uri_of(target: &Target) -> String {
    let Target { host, path, .. } = target;
    format!("https://{host}{path}")
}

fn signature(secret: Option<&Secret>, post: &Post) -> Signature {
    match (secret, &post.signature) {
        (None, _) => Signature::Unchecked,
        (_, None) => Signature::Missing,
        (Some(secret), Some(text)) if secret.signed(&post.body, text.as_bytes()) => Signature::Good,
        _ => Signature::Bad,
    }
}

impl Digest {
    fn answer(self, secret: Option<&Secret>, challenge: &str) -> Bytes {
        let hex = |text: &str| secret.map(|secret| secret.hex(text.as_bytes())).unwrap_or_default();
        let digest = match self {
            Self::Right => hex(challenge),
            Self::Wrong => hex("another"),
            Self::UpperCase => hex(challenge).to_uppercase(),
            Self::Base64 => "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=".to_owned(),
            Self::Missing => return Bytes::new(),
        };
        format!(r#"{{"challenge":"{digest}"}}"#).into()
    }
}

/// The way from one life of the process to the receivers.
pub(crate) struct Line {
    pub(crate) receivers: Receivers,
    pub(crate) fate: Fate,
}

#[async_trait]
impl Outbound for Line {
    fn parse(&self, uri: &str) -> Result<Target, UriRefused> {
        let rest = uri.strip_prefix("https://").ok_or(UriRefused::Scheme)?;
        let (host, path) = rest.split_once('/').ok_or_else(|| UriRefused::Malformed("no path".into()))?;
        Ok(Target { tls: true, host: host.to_owned(), port: 443, path: format!("/{path}") })
    }

    async fn vet(&self, _: &Target) -> Result<(), UriRefused> {
        Ok(())
    }

    async fn post(&self, post: Post) -> Result<Reply, Failure> {
        if self.fate.strikes(Moment::BeforePost) {
            return pending().await;
        }
        let (place, reaction, answer) = self.receivers.arrive(&post);
        let mut open = OpenRequest { receivers: &self.receivers, place, answered: Answered::BrokenOff };
        let pause = match reaction.does {
            Does::Hangs => post.deadline,
            _ => reaction.after.min(post.deadline),
        };
        if !pause.is_zero() {
            self.receivers.clock.sleep(pause).await;
        }
        let result = match reaction.does {
            _ if pause >= post.deadline => Err(Failure::TimedOut),
            Does::Answers(status) => Ok(Reply { status, body: answer.slice(..answer.len().min(post.keep)) }),
            Does::Misses(failure) | Does::Breaks(failure) => Err(failure),
            Does::Hangs => Err(Failure::TimedOut),
        };
        open.answered = match &result {
            Ok(reply) => Answered::Status(reply.status),
            Err(Failure::TimedOut) => Answered::BrokenOff,
            Err(_) => Answered::Reset,
        };
        drop(open);
        if self.fate.strikes(Moment::AfterPost) {
            return pending().await;
        }
        result
    }
}

/// A request that a receiver has; when the sender lets go of it, it ends.
struct OpenRequest<'a> {
    receivers: &'a Receivers,
    place: Option<usize>,
    answered: Answered,
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.receivers.end(self.place, self.answered);
    }
}
