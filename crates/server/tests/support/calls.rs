//! Those who call the admin API while its server is killed under them, and keep book of what they were told.
//!
//! A call without an answer may or may not have been done. As clients should, its caller sends it again, with the same
//! idempotency key, until there is an answer; nothing else is asked in between.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lab::client::HttpAnswer;
use lab::{HttpClient, Id, Timestamp};
use serde_json::{Value, json};

use super::{Chance, FastClock, before, pause, wall};

/// The longest rest between two calls of one caller.
const REST_MS: u64 = 25;
/// Things of each kind that one caller makes beside those that the stage has.
const MOST_MADE: [usize; KINDS.len()] = [20, 3, 20];

/// What callers make, in words of the API: the last part of the path. Each thing has a name of its own.
pub(crate) const KINDS: [&str; 3] = ["webhooks", "feeds", "applications"];

/// Where things of a kind are made and listed.
pub(crate) fn path_of(kind: usize, application: &str) -> String {
    match KINDS[kind] {
        "applications" => "/applications".into(),
        kind => format!("/applications/{application}/{kind}"),
    }
}

/// When something took effect: not before the first, not after the second, by the server's clock.
pub(crate) type Between = (Timestamp, Timestamp);

/// A vehicle on a webhook, from one time to another.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    pub(crate) on: Between,
    pub(crate) off: Option<Between>,
}

/// A vehicle that is on a webhook, or was, or will be.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) webhook: Id,
    pub(crate) vehicle: Id,
    pub(crate) periods: Vec<Period>,
}

impl Pair {
    /// Whether the server said last that the vehicle is on the webhook.
    pub(crate) fn is_on(&self) -> bool {
        self.periods.last().is_some_and(|period| period.off.is_none())
    }
}

/// What the server said that it has done.
#[derive(Default)]
pub(crate) struct Done {
    /// Answers of success.
    pub(crate) calls: u64,
    /// Calls that were sent more than once.
    pub(crate) repeated: u64,
    /// Kinds and ids of what was made.
    pub(crate) made: Vec<(usize, String)>,
    /// Ids of deliveries that came of redelivering.
    pub(crate) redeliveries: Vec<String>,
    /// When redeliveries were asked for first, by the receiver's clock.
    pub(crate) redeliveries_asked: Vec<Timestamp>,
}

/// One who calls.
pub(crate) struct Caller {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) done: Done,
    unanswered: Option<Asked>,
    client: HttpClient,
    application: String,
    callback: String,
    chance: Chance,
}

enum Call {
    Subscribe(usize),
    Unsubscribe(usize),
    Redeliver(String),
    Make(usize, String),
}

struct Asked {
    call: Call,
    key: String,
    /// By the server's clock, at the earliest.
    since: Timestamp,
    /// By the receiver's clock.
    at: Timestamp,
    tries: usize,
}

impl Caller {
    /// A caller of its own pairs, all of them off.
    pub(crate) fn new(
        client: HttpClient,
        application: &str,
        callback: &str,
        chance: Chance,
        pairs: Vec<Pair>,
    ) -> Self {
        let (application, callback) = (application.to_owned(), callback.to_owned());
        Self { pairs, done: Done::default(), unanswered: None, client, application, callback, chance }
    }

    /// The pair of which it is not known whether it is on, because a call has no answer yet.
    pub(crate) fn in_doubt(&self) -> Option<&Pair> {
        match self.unanswered.as_ref()?.call {
            Call::Subscribe(pair) | Call::Unsubscribe(pair) => Some(&self.pairs[pair]),
            Call::Redeliver(_) | Call::Make(..) => None,
        }
    }

    /// Calls until told to stop with everything answered, or until the server is gone. `lag`: how much its clock is
    /// behind this one at most.
    pub(crate) async fn call(mut self, clock: Arc<FastClock>, lag: Duration, stop: Arc<AtomicBool>) -> Self {
        while !(stop.load(Ordering::Relaxed) && self.unanswered.is_none()) {
            if self.call_once(&clock, lag).await.is_err() {
                return self;
            }
            pause(self.chance.up_to_ms(REST_MS)).await;
        }
        self
    }

    /// # Errors
    ///
    /// When there was no answer.
    async fn call_once(&mut self, clock: &FastClock, lag: Duration) -> io::Result<()> {
        if self.unanswered.is_none() {
            let Some(call) = self.choose().await? else { return Ok(()) };
            let since = before(clock.now(), lag);
            let key = format!("{:016x}", self.chance.draw());
            self.unanswered = Some(Asked { call, key, since, at: wall(), tries: 0 });
        }
        let mut asked = self.unanswered.take().expect("there is one now");
        asked.tries += 1;
        match self.send(&asked).await {
            Ok(answer) if answer.status == 503 => self.unanswered = Some(asked),
            Ok(answer) => self.note(asked, &answer, clock.now()),
            Err(error) => {
                self.unanswered = Some(asked);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn choose(&mut self) -> io::Result<Option<Call>> {
        Ok(match self.chance.below(8) {
            0 => {
                let kind = self.chance.below(KINDS.len());
                let made = self.done.made.iter().filter(|(known, _)| *known == kind).count();
                let name = format!("made {:08x}", self.chance.draw());
                (made < MOST_MADE[kind]).then_some(Call::Make(kind, name))
            }
            1..=2 => self.ended_delivery().await?.map(Call::Redeliver),
            _ => {
                let pair = self.chance.below(self.pairs.len());
                Some(if self.pairs[pair].is_on() { Call::Unsubscribe(pair) } else { Call::Subscribe(pair) })
            }
        })
    }

    async fn ended_delivery(&mut self) -> io::Result<Option<String>> {
        let listed = self.client.get("/deliveries?status=delivered&limit=20").await?.json();
        let items = listed["items"].as_array().filter(|items| !items.is_empty());
        Ok(items.and_then(|items| items[self.chance.below(items.len())]["id"].as_str().map(str::to_owned)))
    }

    async fn send(&self, asked: &Asked) -> io::Result<HttpAnswer> {
        let keyed = self.client.with_header("idempotency-key", &asked.key)?;
        match &asked.call {
            &Call::Subscribe(pair) => {
                let Pair { webhook, vehicle, .. } = &self.pairs[pair];
                let body = json!({ "vehicleIds": [vehicle.to_string()] });
                keyed.post(&format!("/webhooks/{webhook}/subscriptions"), &body).await
            }
            &Call::Unsubscribe(pair) => {
                let Pair { webhook, vehicle, .. } = &self.pairs[pair];
                self.client.delete(&format!("/webhooks/{webhook}/subscriptions/{vehicle}")).await
            }
            Call::Redeliver(delivery) => {
                keyed.post(&format!("/deliveries/{delivery}/redeliver"), &Value::Null).await
            }
            Call::Make(kind, name) => {
                let body = match KINDS[*kind] {
                    "webhooks" => hourly(name, &self.callback, false),
                    _ => json!({ "name": name }),
                };
                keyed.post(&path_of(*kind, &self.application), &body).await
            }
        }
    }

    fn note(&mut self, asked: Asked, answer: &HttpAnswer, until: Timestamp) {
        let status = answer.status.as_u16();
        // A server's clock is rounded up to the second when it starts.
        let between = (asked.since, until + Duration::from_secs(1));
        let id = || answer.json()["id"].as_str().expect("an id").to_owned();
        match (asked.call, status) {
            (Call::Subscribe(pair), 200) => {
                self.pairs[pair].periods.push(Period { on: between, off: None });
            }
            // Sent again, it may find that it was done the first time.
            (Call::Unsubscribe(pair), 204 | 404) if status == 204 || asked.tries > 1 => {
                self.pairs[pair].periods.last_mut().expect("it was on").off = Some(between);
            }
            (Call::Redeliver(_), 202) => {
                self.done.redeliveries.push(id());
                self.done.redeliveries_asked.push(asked.at);
            }
            // Refused: its vehicle is off the webhook by now.
            (Call::Redeliver(_), 409) => {
                self.done.redeliveries_asked.push(asked.at);
                return;
            }
            (Call::Make(kind, _), 201) => self.done.made.push((kind, id())),
            (..) => panic!("{status} {}", answer.text()),
        }
        self.done.calls += 1;
        self.done.repeated += u64::from(asked.tries > 1);
    }
}

/// The request for an hourly webhook.
pub(crate) fn hourly(name: &str, callback: &str, verify: bool) -> Value {
    json!({
        "kind": "scheduled", "name": name, "callbackUri": callback, "verify": verify,
        "cadence": { "every": "hours", "hours": 1 }, "endpoints": ["/odometer", "/battery"], "units": "metric",
    })
}
