//! The stage: an application, two hourly webhooks on one callback URI, vehicles, callers, a receiver with a durable
//! journal, and a server that is killed and started again on one data folder.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lab::behaviour::Behaviour;
use lab::receiver::{Receiver, ReceiverOptions, read_journal};
use lab::{HttpClient, Id, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::calls::{Caller, KINDS, Pair, Period, hourly, path_of};
use super::judge::{History, Judgement, Row, judge};
use super::{Chance, FastClock, Launch, Server, before, pause, wall};

/// An hour in a second.
const SPEED: f64 = 3_600.0;
const HOUR: Duration = Duration::from_secs(3_600);
const CALLBACK: &str = "/webhooks";
/// A server that was killed is ready again after this.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// Until everything has ended that the last kill has left open.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// When to kill.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// Some time within one and a half slots.
    Any,
    /// While a slot is worked through.
    InSlot,
    /// So many times before or just after it is ready again.
    WhileStarting(u8),
}

/// How large the stage is.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Vehicles that stay on both webhooks.
    pub(crate) steady: usize,
    /// Vehicles that are put on and taken off by each caller.
    pub(crate) restless: usize,
    pub(crate) callers: usize,
    pub(crate) receiver: Behaviour,
}

/// What is on the stage.
pub(crate) struct Stage {
    launch: Launch,
    receiver: Receiver,
    journal: PathBuf,
    clock: Arc<FastClock>,
    client: HttpClient,
    chance: Chance,
    webhooks: [Id; 2],
    application: String,
    steady: Vec<Pair>,
    callers: Vec<Caller>,
    kills: Vec<Timestamp>,
    starts: u64,
    slowest_start: Duration,
    server: Option<Server>,
    _folder: TempDir,
}

impl Stage {
    /// Sets the stage with a first server on it.
    pub(crate) async fn set(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("received.tsv");
        let options = ReceiverOptions {
            journal: Some(journal.clone()),
            behaviour: plan.receiver.clone(),
            honest_verification: true,
            ..ReceiverOptions::default()
        };
        let receiver = Receiver::start(options).await.unwrap();
        let launch = Launch::new(folder.path());
        let clock = Arc::new(FastClock::new("2026-03-01T06:20:00Z".parse().unwrap(), SPEED));
        let mut stage = Self {
            client: launch.client(),
            launch,
            receiver,
            journal,
            clock,
            chance: Chance(plan.seed),
            webhooks: [Id(0); 2],
            application: String::new(),
            steady: Vec::new(),
            callers: Vec::new(),
            kills: Vec::new(),
            starts: 0,
            slowest_start: Duration::ZERO,
            server: None,
            _folder: folder,
        };
        stage.start().await;
        stage.furnish(&plan).await;
        stage
    }

    async fn furnish(&mut self, plan: &Plan) {
        let application = self.post("/applications", json!({ "name": "Fleet" })).await;
        self.receiver.set_secrets_everywhere(&[application["managementToken"].as_str().unwrap()]);
        let application = application["id"].as_str().unwrap();
        self.application = application.to_owned();
        let callback = self.receiver.url(CALLBACK);
        for number in 0..self.webhooks.len() {
            let body = hourly(&format!("Hourly {number}"), &callback, true);
            let made = self.post(&format!("/applications/{application}/webhooks"), body).await;
            assert_eq!(made["verified"], true, "{made}");
            self.webhooks[number] = id(&made["id"]);
        }
        for _ in 0..plan.steady {
            let vehicle = self.vehicle(application).await;
            self.steady.extend(self.off(vehicle));
        }
        self.subscribe_steady().await;
        for _ in 0..plan.callers {
            let mut pairs = Vec::new();
            for _ in 0..plan.restless {
                let vehicle = self.vehicle(application).await;
                pairs.extend(self.off(vehicle));
            }
            let chance = Chance(self.chance.draw());
            self.callers.push(Caller::new(self.client.clone(), application, &callback, chance, pairs));
        }
    }

    fn off(&self, vehicle: Id) -> impl Iterator<Item = Pair> + use<> {
        self.webhooks.into_iter().map(move |webhook| Pair { webhook, vehicle, periods: Vec::new() })
    }

    async fn vehicle(&self, application: &str) -> Id {
        let car = json!({ "make": "TESLA", "model": "Model 3", "region": "US", "profile": "driving" });
        let car = self.post("/simulator/vehicles", car).await;
        let path = format!("/simulator/vehicles/{}/connect", car["id"].as_str().unwrap());
        id(&self.post(&path, json!({ "applicationId": application })).await["vehicleId"])
    }

    async fn subscribe_steady(&mut self) {
        let vehicles: Vec<_> =
            self.steady.iter().step_by(self.webhooks.len()).map(|pair| pair.vehicle.to_string()).collect();
        for webhook in self.webhooks {
            let begin = before(self.clock.now(), self.lag());
            self.post(&format!("/webhooks/{webhook}/subscriptions"), json!({ "vehicleIds": vehicles })).await;
            let on = (begin, self.clock.now());
            for pair in self.steady.iter_mut().filter(|pair| pair.webhook == webhook) {
                pair.periods.push(Period { on, off: None });
            }
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.client.post(path, &body).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(path).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// All items of a list.
    async fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}?limit=100{cursor}")).await;
            items.append(page["items"].as_array_mut().unwrap());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Starts a server on the folder, which has to be ready soon.
    async fn start(&mut self) {
        let mut server = self.launch.spawn(self.clock.for_a_server());
        let ready =
            server.ready().await.unwrap_or_else(|problem| panic!("{problem}\n{}", self.launch.said()));
        self.starts += 1;
        self.slowest_start = self.slowest_start.max(ready);
        assert!(ready <= READY_WITHIN, "ready after {ready:?}");
        self.server = Some(server);
    }

    /// How much the clock of a server may be behind ours at most.
    fn lag(&self) -> Duration {
        self.clock.stretch(READY_WITHIN.min(self.slowest_start))
    }

    /// Lets the callers call, kills at the moment, starts again, and asks whether all that was said holds.
    pub(crate) async fn kill(&mut self, moment: Moment) {
        let patience = match moment {
            Moment::Any => self.chance.up_to_ms(1_500),
            Moment::InSlot => self.until_the_hour() + self.chance.up_to_ms(120),
            Moment::WhileStarting(depth) => return self.kill_while_starting(depth).await,
        };
        let calling = self.call(Arc::default());
        pause(patience).await;
        self.kill_now().await;
        self.callers = calling.join_all().await;
        self.start().await;
        self.holds().await;
    }

    async fn kill_now(&mut self) {
        let mut server = self.server.take().expect("one runs");
        if let Some(status) = server.ended() {
            panic!("the server ended by itself with {status}:\n{}", self.launch.said());
        }
        self.kills.push(wall());
        server.kill().await;
    }

    /// Kills, then starts and kills again before anybody has seen it ready.
    async fn kill_while_starting(&mut self, depth: u8) {
        self.kill_now().await;
        for _ in 0..depth {
            self.server = Some(self.launch.spawn(self.clock.for_a_server()));
            self.starts += 1;
            pause(self.chance.up_to_ms(500)).await;
            self.kill_now().await;
        }
        self.start().await;
        self.holds().await;
    }

    fn until_the_hour(&self) -> Duration {
        let hour = i64::try_from(HOUR.as_micros()).unwrap();
        let left = hour - self.clock.now().micros().rem_euclid(hour);
        Duration::from_micros(left.unsigned_abs()).div_f64(SPEED)
    }

    fn call(&mut self, stop: Arc<AtomicBool>) -> JoinSet<Caller> {
        let lag = self.lag();
        self.callers.drain(..).map(|caller| caller.call(self.clock.clone(), lag, stop.clone())).collect()
    }

    /// Everything that a call was answered with holds.
    async fn holds(&self) {
        for webhook in self.webhooks {
            let listed = self.list(&format!("/webhooks/{webhook}/subscriptions")).await;
            let on: Vec<Id> = listed.iter().map(|item| id(&item["vehicleId"])).collect();
            let in_doubt = |pair: &Pair| {
                let mut doubts = self.callers.iter().filter_map(Caller::in_doubt);
                doubts.any(|doubt| (doubt.webhook, doubt.vehicle) == (pair.webhook, pair.vehicle))
            };
            let pairs = self.steady.iter().chain(self.callers.iter().flat_map(|caller| &caller.pairs));
            for pair in pairs.filter(|pair| pair.webhook == webhook && !in_doubt(pair)) {
                assert_eq!(on.contains(&pair.vehicle), pair.is_on(), "after a kill: {pair:?}");
            }
        }
        let made = |kind| {
            let all = self.callers.iter().flat_map(|caller| &caller.done.made);
            all.filter(move |(made, _)| *made == kind).map(|(_, id)| id.as_str())
        };
        for kind in 0..KINDS.len() {
            let listed = self.made(kind).await;
            let listed: BTreeSet<&str> = listed.iter().filter_map(|item| item["id"].as_str()).collect();
            assert!(made(kind).all(|id| listed.contains(id)), "{} are missing", KINDS[kind]);
        }
    }

    /// Everything of a kind that callers have made: each is there once, however often its call was sent.
    async fn made(&self, kind: usize) -> Vec<Value> {
        let mut listed = self.list(&path_of(kind, &self.application)).await;
        listed.retain(|item| item["name"].as_str().is_some_and(|name| name.starts_with("made ")));
        listed
    }

    /// Nothing was made twice, and nothing that nobody was answered with.
    async fn everything_was_made_once(&self) {
        for kind in 0..KINDS.len() {
            let answered = self.callers.iter().flat_map(|caller| &caller.done.made);
            let answered = answered.filter(|(made, _)| *made == kind).count();
            assert_eq!(self.made(kind).await.len(), answered, "{}", KINDS[kind]);
        }
    }

    /// Lets everything end on a slow clock, so that no slot follows, and judges. Panics if something is wrong.
    pub(crate) async fn end(&mut self, name: &str) {
        if self.server.is_some() {
            self.kill_now().await;
        }
        let hour = i64::try_from(HOUR.as_micros()).unwrap();
        let until =
            Timestamp::from_micros((self.clock.now().micros() / hour + 1) * hour) + Duration::from_secs(1);
        self.clock = Arc::new(FastClock::new(until, 1.0));
        self.start().await;
        let answered = Arc::new(AtomicBool::new(true));
        self.callers = self.call(answered).join_all().await;
        self.holds().await;
        self.everything_was_made_once().await;
        let begun = wall();
        loop {
            let judgement = self.judge(until + HOUR / 2).await;
            if judgement.is_clean() {
                println!("{name}: {}", self.summary(&judgement));
                break;
            }
            assert!(
                wall().since(begun) < SETTLED_WITHIN,
                "{name}: {}\n{}\n{:?}\n{}",
                self.summary(&judgement),
                judgement.verdict.explain(),
                judgement.problems,
                self.launch.said()
            );
            pause(Duration::from_millis(200)).await;
        }
        let server = self.server.take().expect("one runs");
        let (status, _) = server.terminate().await;
        assert!(status.success(), "{status}: {}", self.launch.said());
    }

    async fn judge(&self, until: Timestamp) -> Judgement {
        let log: Vec<Row> = self.list("/deliveries").await.iter().map(Row::parse).collect();
        let received = read_journal(&self.journal).unwrap();
        judge(&History {
            steady: &self.steady,
            callers: &self.callers,
            received: &received,
            log: &log,
            kills: &self.kills,
            until,
        })
    }

    fn summary(&self, judgement: &Judgement) -> String {
        let sum = |of: fn(&Caller) -> u64| self.callers.iter().map(of).sum::<u64>();
        let Judgement { verdict, most_repeats, repeats, .. } = judgement;
        format!(
            "{} kills, {} starts (slowest {:?}), {} calls ({} repeated), {} slots: {} delivered, {} ended otherwise; \
             {repeats} repeats, at most {most_repeats} after one kill; {} findings",
            self.kills.len(),
            self.starts,
            self.slowest_start,
            sum(|caller| caller.done.calls),
            sum(|caller| caller.done.repeated),
            verdict.expected,
            verdict.delivered,
            verdict.ended,
            verdict.findings() + judgement.problems.len(),
        )
    }

    /// How many kills there were.
    pub(crate) fn kills(&self) -> u64 {
        self.kills.len() as u64
    }

    /// Some moment.
    pub(crate) fn any_moment(&mut self) -> Moment {
        match self.chance.below(8) {
            0 => Moment::WhileStarting(1 + (self.chance.draw() % 4) as u8),
            1..=4 => Moment::InSlot,
            _ => Moment::Any,
        }
    }

    /// Lets the callers call, stops the server in a slot as an operator would, and says how long that took.
    pub(crate) async fn stop_under_load(&mut self) -> Duration {
        let calling = self.call(Arc::default());
        pause(self.until_the_hour() + Duration::from_millis(30)).await;
        let server = self.server.take().expect("one runs");
        let (status, took) = server.terminate().await;
        assert_eq!(status.code(), Some(0), "{}", self.launch.said());
        self.callers = calling.join_all().await;
        took
    }

    /// Starts a second server on the same folder, and returns what it says before it ends.
    pub(crate) async fn start_a_second(&self) -> (Option<i32>, String) {
        let before = self.launch.said().len();
        let second = self.launch.spawn(None);
        let status = second.wait().await;
        (status.code(), self.launch.said()[before..].to_owned())
    }
}

fn id(value: &Value) -> Id {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no id: {value}"))
}
