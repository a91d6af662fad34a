//! Those who call the admin API while its server is killed under them, and keep book of what they were told.
//!
//! A call without an answer may or may not have been done. As clients should, its caller sends it again, with the same
//! idempotency key, until there is an answer; nothing else is asked in between. Some calls race: a vehicle is taken off its
//! webhook while events for it are redelivered.

use std::collections::HashSet;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use lab::client::HttpAnswer;
use lab::{HttpClient, Id, Timestamp};
use serde_json::{Value, json};

use super::{Chance, FastClock, before, pause, wall};

/// The longest rest between two calls of one caller.
const REST_MS: u64 = 25;
/// Things of each kind that one caller makes beside those that the stage has.
const MOST_MADE: [usize; KINDS.len()] = [20, 3, 20];
/// Redeliveries that race with one unsubscription.
pub(crate) const RACING: usize = 3;
/// A vehicle that was taken off in a race stays off so long, so that what comes late can be seen to.
const QUIET: Duration = Duration::from_millis(1_500);

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
    /// Whether redeliveries race with the ends of its subscription.
    pub(crate) races: bool,
    pub(crate) periods: Vec<Period>,
}

impl Pair {
    /// Whether the server said last that the vehicle is on the webhook.
    pub(crate) fn is_on(&self) -> bool {
        self.periods.last().is_some_and(|period| period.off.is_none())
    }

    /// Whether it was on all the time between these, or off all the time; nothing if that is not known.
    pub(crate) fn was_on(&self, (begin, end): Between) -> Option<bool> {
        let is_apart = |period: &Period| period.on.0 > end || period.off.is_some_and(|off| off.1 < begin);
        let covers = |period: &Period| period.on.1 < begin && period.off.is_none_or(|off| off.0 > end);
        if self.periods.iter().any(covers) {
            return Some(true);
        }
        self.periods.iter().all(is_apart).then_some(false)
    }
}

/// While a vehicle is off a webhook, nothing may come: from the answer of the server until somebody asks to put it on again,
/// by the receiver's clock.
#[derive(Clone, Debug)]
pub(crate) struct Silence {
    pub(crate) webhook: Id,
    pub(crate) vehicle: Id,
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// Something that a caller has made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) kind: usize,
    pub(crate) id: String,
    pub(crate) when: Between,
    /// Whether it was deleted again.
    pub(crate) is_gone: bool,
}

/// What the server said that it has done.
#[derive(Default)]
pub(crate) struct Done {
    /// Answers of success.
    pub(crate) calls: u64,
    /// Calls that were sent more than once.
    pub(crate) repeated: u64,
    /// Answers to calls with an idempotency key.
    pub(crate) keyed: u64,
    /// Those of them that were sent more than once.
    pub(crate) keyed_repeated: u64,
    /// Unsubscriptions that raced with redeliveries.
    pub(crate) races: u64,
    /// Redeliveries in races that came before the unsubscription.
    pub(crate) races_won: u64,
    pub(crate) made: Vec<Made>,
    pub(crate) silences: Vec<Silence>,
    /// Ids of deliveries that came of redelivering, in this era.
    pub(crate) redeliveries: Vec<String>,
    /// The same, of the eras before.
    pub(crate) redeliveries_before: HashSet<String>,
    /// When redeliveries were asked for first, by the receiver's clock.
    pub(crate) redeliveries_asked: Vec<Timestamp>,
}

/// One who calls.
pub(crate) struct Caller {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) done: Done,
    unanswered: Vec<Asked>,
    client: HttpClient,
    application: String,
    callback: String,
    chance: Chance,
}

#[derive(Clone)]
enum Call {
    Subscribe(usize),
    Unsubscribe(usize),
    Redeliver(String),
    Make(usize, String),
    /// What was made, by its place.
    Delete(usize),
}

struct Asked {
    call: Call,
    key: String,
    /// Whether it is one of several that race.
    races: bool,
    /// By the server's clock, at the earliest.
    since: Timestamp,
    /// By the receiver's clock.
    at: Timestamp,
    tries: usize,
}

/// An answer, and when it came: by the server's clock at the latest, and by the receiver's.
struct Answered {
    answer: HttpAnswer,
    until: Timestamp,
    at: Timestamp,
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
        Self { pairs, done: Done::default(), unanswered: Vec::new(), client, application, callback, chance }
    }

    /// The pair of which it is not known whether it is on, because a call has no answer yet.
    pub(crate) fn in_doubt(&self) -> Option<&Pair> {
        self.unanswered.iter().find_map(|asked| match asked.call {
            Call::Subscribe(pair) | Call::Unsubscribe(pair) => Some(&self.pairs[pair]),
            Call::Redeliver(_) | Call::Make(..) | Call::Delete(_) => None,
        })
    }

    /// What it has made and what is there, unless a call about it has no answer yet.
    pub(crate) fn made(&self) -> impl Iterator<Item = &Made> {
        let in_doubt =
            |at| self.unanswered.iter().any(|asked| matches!(asked.call, Call::Delete(other) if other == at));
        self.done.made.iter().enumerate().filter(move |(at, _)| !in_doubt(*at)).map(|(_, made)| made)
    }

    /// Calls until told to stop with everything answered, or until the server is gone. `lag`: how much its clock is
    /// behind this one at most.
    pub(crate) async fn call(mut self, clock: Arc<FastClock>, lag: Duration, stop: Arc<AtomicBool>) -> Self {
        while !(stop.load(Ordering::Relaxed) && self.unanswered.is_empty()) {
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
        if self.unanswered.is_empty() {
            let calls = self.choose().await?;
            let races = calls.len() > 1;
            let since = before(clock.now(), lag);
            for call in calls {
                let key = format!("{:016x}", self.chance.draw());
                self.unanswered.push(Asked { call, key, races, since, at: wall(), tries: 0 });
            }
        }
        let mut asked = mem::take(&mut self.unanswered);
        asked.iter_mut().for_each(|asked| asked.tries += 1);
        let answers = join_all(asked.iter().map(async |asked| {
            let answer = self.send(asked).await?;
            Ok(Answered { answer, until: clock.now(), at: wall() })
        }))
        .await;
        let mut lost = Ok(());
        for (asked, answered) in asked.into_iter().zip(answers) {
            match answered {
                Ok(answered) if answered.answer.status == 503 => self.unanswered.push(asked),
                Ok(answered) => self.note(asked, &answered),
                Err(error) => {
                    self.unanswered.push(asked);
                    lost = Err(error);
                }
            }
        }
        lost
    }

    async fn choose(&mut self) -> io::Result<Vec<Call>> {
        Ok(match self.chance.below(9) {
            0 => {
                let kind = self.chance.below(KINDS.len());
                let made = self.done.made.iter().filter(|made| made.kind == kind && !made.is_gone).count();
                let name = format!("made {:08x}", self.chance.draw());
                (made < MOST_MADE[kind]).then_some(Call::Make(kind, name)).into_iter().collect()
            }
            1 => {
                let there: Vec<_> =
                    (0..self.done.made.len()).filter(|&at| !self.done.made[at].is_gone).collect();
                let enough = there.len() > MOST_MADE.len();
                enough.then(|| Call::Delete(there[self.chance.below(there.len())])).into_iter().collect()
            }
            2..=3 => self.delivered("").await?.map(Call::Redeliver).into_iter().collect(),
            _ => {
                let pair = self.chance.below(self.pairs.len());
                match &self.pairs[pair] {
                    Pair { races: true, .. } if self.pairs[pair].is_on() => self.race(pair).await?,
                    Pair { races: true, .. } if self.is_quiet(pair) => vec![],
                    on if on.is_on() => vec![Call::Unsubscribe(pair)],
                    _ => vec![Call::Subscribe(pair)],
                }
            }
        })
    }

    /// The end of a subscription between redeliveries, if there is something to redeliver.
    async fn race(&mut self, pair: usize) -> io::Result<Vec<Call>> {
        let Pair { webhook, vehicle, .. } = &self.pairs[pair];
        let of = format!("&webhookId={webhook}&vehicleId={vehicle}");
        let Some(delivery) = self.delivered(&of).await? else { return Ok(vec![]) };
        let mut calls = vec![Call::Redeliver(delivery); RACING];
        calls.insert(self.chance.below(RACING + 1), Call::Unsubscribe(pair));
        Ok(calls)
    }

    /// Whether it was taken off so recently that it stays off for now.
    fn is_quiet(&self, pair: usize) -> bool {
        let Pair { webhook, vehicle, .. } = self.pairs[pair];
        let mut newest = self.done.silences.iter().rev();
        let newest = newest.find(|silence| (silence.webhook, silence.vehicle) == (webhook, vehicle));
        newest.is_some_and(|silence| silence.until.is_none() && wall().since(silence.from) < QUIET)
    }

    /// One of the deliveries that have succeeded.
    async fn delivered(&mut self, of: &str) -> io::Result<Option<String>> {
        let listed = self.client.get(&format!("/deliveries?status=delivered&limit=20{of}")).await?.json();
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
            &Call::Delete(at) => {
                let Made { kind, id, .. } = &self.done.made[at];
                self.client.delete(&format!("/{}/{id}", KINDS[*kind])).await
            }
        }
    }

    fn note(&mut self, asked: Asked, Answered { answer, until, at }: &Answered) {
        let status = answer.status.as_u16();
        // A server's clock is rounded up to the second when it starts.
        let between = (asked.since, *until + Duration::from_secs(1));
        let id = || answer.json()["id"].as_str().expect("an id").to_owned();
        let done = &mut self.done;
        match (&asked.call, status) {
            (&Call::Subscribe(pair), 200) => {
                let pair = &mut self.pairs[pair];
                pair.periods.push(Period { on: between, off: None });
                for silence in &mut done.silences {
                    let is_its = (silence.webhook, silence.vehicle) == (pair.webhook, pair.vehicle);
                    if is_its && silence.until.is_none() {
                        silence.until = Some(asked.at);
                    }
                }
            }
            // Sent again, it may find that it was done the first time.
            (&Call::Unsubscribe(pair), 204 | 404) if status == 204 || asked.tries > 1 => {
                let Pair { webhook, vehicle, periods, .. } = &mut self.pairs[pair];
                periods.last_mut().expect("it was on").off = Some(between);
                done.silences.push(Silence { webhook: *webhook, vehicle: *vehicle, from: *at, until: None });
                done.races += u64::from(asked.races);
            }
            (Call::Redeliver(_), 202) => {
                done.redeliveries.push(id());
                done.redeliveries_asked.push(asked.at);
                done.races_won += u64::from(asked.races);
            }
            // Refused: its vehicle is off the webhook by now.
            (Call::Redeliver(_), 409) => {
                done.redeliveries_asked.push(asked.at);
                return;
            }
            (&Call::Make(kind, _), 201) => {
                done.made.push(Made { kind, id: id(), when: between, is_gone: false });
            }
            (&Call::Delete(at), 204 | 404) if status == 204 || asked.tries > 1 => {
                done.made[at].is_gone = true
            }
            (..) => panic!("{status} {}", answer.text()),
        }
        let is_keyed = !matches!(asked.call, Call::Unsubscribe(_) | Call::Delete(_));
        let is_repeated = asked.tries > 1;
        done.calls += 1;
        done.repeated += u64::from(is_repeated);
        done.keyed += u64::from(is_keyed);
        done.keyed_repeated += u64::from(is_keyed && is_repeated);
    }
}

/// The request for an hourly webhook.
pub(crate) fn hourly(name: &str, callback: &str, verify: bool) -> Value {
    json!({
        "kind": "scheduled", "name": name, "callbackUri": callback, "verify": verify,
        "cadence": { "every": "hours", "hours": 1 }, "endpoints": ["/odometer", "/battery"], "units": "metric",
    })
}
