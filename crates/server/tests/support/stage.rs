//! The stage: an application, two hourly webhooks on one callback URI and one on another that often fails, vehicles,
//! callers, a receiver with a durable journal, and a server that is killed and started again on one data folder.
//!
//! What is recorded is judged in eras. One ends when a backup is restored: everything that came before is judged, then the
//! server goes on from the backup, and what it says is compared with what the backup has to hold and with what has ended.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lab::behaviour::Behaviour;
use lab::receiver::{Receiver, ReceiverOptions, read_journal};
use lab::{HttpClient, Id, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::calls::{Between, Caller, KINDS, Pair, Period, RACING, Silence, hourly, path_of};
use super::judge::{History, Judgement, LATE, Row, judge};
use super::{Chance, FastClock, Launch, Server, before, pause, wall};

/// An hour in a second.
const SPEED: f64 = 3_600.0;
const HOUR: Duration = Duration::from_secs(3_600);
/// While an era ends: the longest pause before a retry takes seconds, and the next slot comes after the judgement.
const ENDING_SPEED: f64 = 100.0;
const CALLBACK: &str = "/webhooks";
/// Where events fail often, so that redeliveries are still queued when a subscription ends.
const FAILING: &str = "/failing";
const FAILURES: Behaviour = Behaviour::FailRatio { percent: 60, status: 500 };
/// Slots so long before an era may be served in it or in the one before.
const SEAM: Duration = Duration::from_secs(3 * 3_600);
/// A server that was killed is ready again after this.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// Until everything has ended that the last kill has left open.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// The number of the webhook whose events fail often.
const FAILS: usize = 2;

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

/// How often callers did what is dangerous.
#[derive(Debug)]
pub(crate) struct Dangers {
    /// Calls with an idempotency key.
    pub(crate) keyed: u64,
    /// Unsubscriptions beside redeliveries.
    pub(crate) races: u64,
    /// Redeliveries beside unsubscriptions that were taken.
    pub(crate) races_won: u64,
}

/// Where a backup is restored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RestoreTo {
    /// Over the database and beside the keyring that are there.
    SameFolder,
    /// Into a new folder, with an exported keyring.
    NewFolder,
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
    /// The last one fails often.
    webhooks: [Id; 3],
    application: String,
    steady: Vec<Pair>,
    callers: Vec<Caller>,
    era: Era,
    backup: Option<Backup>,
    totals: Totals,
    server: Option<Server>,
    folder: TempDir,
}

/// The time in which a server, however often it is killed, goes on from its own files.
#[derive(Default)]
struct Era {
    /// By the receiver's clock.
    since: Timestamp,
    /// By the server's clock. What a restored log has of the time before was judged in the era before.
    log_since: Timestamp,
    /// Slots before were judged in the era before.
    slots_since: Timestamp,
    /// By the receiver's clock.
    kills: Vec<Timestamp>,
}

/// A backup that was made while callers called.
struct Backup {
    file: PathBuf,
    when: Between,
}

/// Sums over all eras.
#[derive(Default)]
struct Totals {
    kills: u64,
    starts: u64,
    slowest_start: Duration,
    backups: u64,
    restores_in_place: u64,
    restores_elsewhere: u64,
    ended_again: u64,
    slots: usize,
    delivered: usize,
    ended: usize,
    repeats: usize,
    most_repeats: usize,
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
            webhooks: [Id(0); 3],
            application: String::new(),
            steady: Vec::new(),
            callers: Vec::new(),
            era: Era::default(),
            backup: None,
            totals: Totals::default(),
            server: None,
            folder,
        };
        stage.receiver.behave(FAILING, FAILURES);
        stage.start().await;
        stage.furnish(&plan).await;
        stage
    }

    async fn furnish(&mut self, plan: &Plan) {
        let application = self.post("/applications", json!({ "name": "Fleet" })).await;
        self.receiver.set_secrets_everywhere(&[application["managementToken"].as_str().unwrap()]);
        let application = application["id"].as_str().unwrap();
        self.application = application.to_owned();
        let [callback, failing] = [CALLBACK, FAILING].map(|path| self.receiver.url(path));
        for number in 0..self.webhooks.len() {
            let uri = if number == FAILS { &failing } else { &callback };
            let body = hourly(&format!("Hourly {number}"), uri, true);
            let made = self.post(&format!("/applications/{application}/webhooks"), body).await;
            assert_eq!(made["verified"], true, "{made}");
            self.webhooks[number] = id(&made["id"]);
        }
        for _ in 0..plan.steady {
            let vehicle = self.vehicle(application).await;
            self.steady.extend(self.off(vehicle).filter(|pair| !pair.races));
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
        let pair =
            move |(number, webhook)| Pair { webhook, vehicle, races: number == FAILS, periods: vec![] };
        self.webhooks.into_iter().enumerate().map(pair)
    }

    async fn vehicle(&self, application: &str) -> Id {
        let car = json!({ "make": "TESLA", "model": "Model 3", "region": "US", "profile": "driving" });
        let car = self.post("/simulator/vehicles", car).await;
        let path = format!("/simulator/vehicles/{}/connect", car["id"].as_str().unwrap());
        id(&self.post(&path, json!({ "applicationId": application })).await["vehicleId"])
    }

    async fn subscribe_steady(&mut self) {
        let vehicles: Vec<_> =
            self.steady.iter().step_by(FAILS).map(|pair| pair.vehicle.to_string()).collect();
        for webhook in &self.webhooks[..FAILS] {
            let begin = before(self.clock.now(), self.lag());
            self.post(&format!("/webhooks/{webhook}/subscriptions"), json!({ "vehicleIds": vehicles })).await;
            let on = (begin, self.clock.now());
            for pair in self.steady.iter_mut().filter(|pair| pair.webhook == *webhook) {
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
        self.totals.starts += 1;
        self.totals.slowest_start = self.totals.slowest_start.max(ready);
        assert!(ready <= READY_WITHIN, "ready after {ready:?}");
        self.server = Some(server);
    }

    /// How much the clock of a server may be behind ours at most.
    fn lag(&self) -> Duration {
        self.clock.stretch(READY_WITHIN.min(self.totals.slowest_start))
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
        self.era.kills.push(wall());
        self.totals.kills += 1;
        server.kill().await;
    }

    /// Lets the callers call, makes a backup meanwhile, lets them go on, and kills. The backup before is given up.
    pub(crate) async fn back_up(&mut self) {
        let file = self.folder.path().join(format!("backup-{}.db", self.totals.backups));
        let keyring = file.with_extension("keys");
        let (earlier, later) = (self.chance.up_to_ms(800), self.chance.up_to_ms(800));
        let calling = self.call(Arc::default());
        pause(earlier).await;
        let begun = before(self.clock.now(), self.lag());
        self.launch.command(&["backup", path(&file)]).await;
        let when = (begun, self.clock.now() + Duration::from_secs(1));
        // As an operator would; the restore takes a newer one, or the folder's own.
        self.launch.command(&["keyring", "export", path(&keyring)]).await;
        fs::remove_file(keyring).unwrap();
        pause(later).await;
        self.kill_now().await;
        self.callers = calling.join_all().await;
        self.start().await;
        self.holds().await;
        if let Some(old) = self.backup.replace(Backup { file, when }) {
            fs::remove_file(old.file).unwrap();
        }
        self.totals.backups += 1;
    }

    /// Judges what has been, restores the newest backup, goes on from there, and sees that the server has what the backup must
    /// hold and nothing that has ended.
    pub(crate) async fn restore(&mut self, place: RestoreTo) {
        let Backup { file, when } = self.backup.take().expect("a backup was made");
        self.settle_and_judge("an era").await;
        let report = match place {
            RestoreTo::SameFolder => self.restore_in_place(&file).await,
            RestoreTo::NewFolder => self.restore_elsewhere(&file).await,
        };
        fs::remove_file(file).unwrap();
        assert_eq!(report["warnings"], json!([]), "{report}");
        assert!(report["endsKnownUntil"].as_str() > report["backupMadeAt"].as_str(), "{report}");
        let ended_again = report["endedAgain"].as_object().expect("counts").values();
        self.totals.ended_again += ended_again.filter_map(Value::as_u64).sum::<u64>();
        self.clock = Arc::new(FastClock::new(self.clock.now(), SPEED));
        let log_since = self.clock.now();
        self.era = Era { since: wall(), log_since, slots_since: before(log_since, SEAM), kills: vec![] };
        self.start().await;
        self.begin_era(when).await;
        self.holds().await;
    }

    /// With the keyring that is there: every end is in it that was answered.
    async fn restore_in_place(&mut self, backup: &Path) -> Value {
        self.kill_now().await;
        let data = self.launch.data.clone();
        let now = self.seconds();
        let arguments = ["restore", path(backup), "--data", path(&data), "--force", "--clock-from", &now];
        let report = self.launch.command(&arguments).await;
        fs::remove_dir_all(report["keptIn"].as_str().expect("old files")).unwrap();
        self.totals.restores_in_place += 1;
        report
    }

    /// As on another machine: with a backup, an exported keyring and the master key.
    async fn restore_elsewhere(&mut self, backup: &Path) -> Value {
        let keyring = backup.with_extension("keys");
        self.launch.command(&["keyring", "export", path(&keyring)]).await;
        self.kill_now().await;
        let old = self.launch.data.clone();
        let new = self.folder.path().join(format!("data-{}", self.totals.starts));
        let (master_key, now) = (old.join("master.key"), self.seconds());
        let arguments = ["restore", path(backup), "--data", path(&new), "--keyring", path(&keyring)];
        let more = ["--master-key", path(&master_key), "--clock-from", &now];
        let report = self.launch.command(&[&arguments[..], &more].concat()).await;
        fs::remove_file(keyring).unwrap();
        fs::remove_dir_all(old).unwrap();
        self.launch.data = new;
        self.totals.restores_elsewhere += 1;
        report
    }

    fn seconds(&self) -> String {
        (self.clock.now().micros() / 1_000_000).to_string()
    }

    /// Sees what a restored server has, against what was on and off when its backup was made and what has ended since. What
    /// was made since is gone.
    async fn begin_era(&mut self, backup: Between) {
        let mut on: HashSet<(Id, Id)> = HashSet::new();
        for webhook in self.webhooks {
            let listed = self.list(&format!("/webhooks/{webhook}/subscriptions")).await;
            on.extend(listed.iter().map(|item| (webhook, id(&item["vehicleId"]))));
        }
        let now = self.clock.now();
        let &Era { since, slots_since, .. } = &self.era;
        let callers = self.callers.iter_mut().flat_map(|caller| &mut caller.pairs);
        for pair in self.steady.iter_mut().chain(callers) {
            let is_on = on.contains(&(pair.webhook, pair.vehicle));
            let expected = if pair.is_on() { pair.was_on(backup) } else { Some(false) };
            assert!(
                expected.is_none_or(|expected| expected == is_on),
                "restored {backup:?}: {is_on} {pair:?}"
            );
            let (off, seam) = ((slots_since, now), (slots_since, slots_since));
            pair.periods = vec![match is_on {
                true => Period { on: off, off: None },
                false => Period { on: seam, off: Some(off) },
            }];
        }
        let listed = self.listed().await;
        for Caller { pairs, done, .. } in &mut self.callers {
            for made in &done.made {
                let is_there = listed.contains(&made.id);
                assert!(!(made.is_gone && is_there), "restored, and was deleted: {made:?}");
                assert!(made.is_gone || is_there || made.when.1 >= backup.0, "not restored: {made:?}");
                assert!(!is_there || made.when.0 <= backup.1, "restored, and was made later: {made:?}");
            }
            done.made.retain(|made| listed.contains(&made.id));
            done.redeliveries_before.extend(done.redeliveries.drain(..));
            done.redeliveries_asked.clear();
            let off = pairs.iter().filter(|pair| !pair.is_on());
            let silence = |pair: &Pair| Silence {
                webhook: pair.webhook,
                vehicle: pair.vehicle,
                from: before(since, 2 * LATE),
                until: None,
            };
            done.silences = off.map(silence).collect();
        }
    }

    /// The ids of everything that callers have made and that is there.
    async fn listed(&self) -> HashSet<String> {
        let mut ids = HashSet::new();
        for kind in 0..KINDS.len() {
            ids.extend(
                self.made(kind).await.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)),
            );
        }
        ids
    }

    /// Kills, then starts and kills again before anybody has seen it ready.
    async fn kill_while_starting(&mut self, depth: u8) {
        self.kill_now().await;
        for _ in 0..depth {
            self.server = Some(self.launch.spawn(self.clock.for_a_server()));
            self.totals.starts += 1;
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
        let listed = self.listed().await;
        for made in self.callers.iter().flat_map(Caller::made) {
            assert_ne!(listed.contains(&made.id), made.is_gone, "after a kill: {made:?}");
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
        for (kind, name) in KINDS.iter().enumerate() {
            let answered = self.callers.iter().flat_map(|caller| &caller.done.made);
            let answered = answered.filter(|made| made.kind == kind && !made.is_gone).count();
            assert_eq!(self.made(kind).await.len(), answered, "{name}");
        }
    }

    /// Lets everything end, judges, and stops. Panics if something is wrong.
    pub(crate) async fn end(&mut self, name: &str) {
        self.settle_and_judge(name).await;
        println!("{name}: {}", self.summary());
        let server = self.server.take().expect("one runs");
        let (status, _) = server.terminate().await;
        assert!(status.success(), "{status}: {}", self.launch.said());
    }

    /// Lets everything end on a slower clock, so that no slot follows, and judges. Panics if something is wrong.
    async fn settle_and_judge(&mut self, name: &str) {
        if self.server.is_some() {
            self.kill_now().await;
        }
        let hour = i64::try_from(HOUR.as_micros()).unwrap();
        let until =
            Timestamp::from_micros((self.clock.now().micros() / hour + 1) * hour) + Duration::from_secs(1);
        self.clock = Arc::new(FastClock::new(until, ENDING_SPEED));
        self.receiver.behave(FAILING, Behaviour::GOOD);
        self.start().await;
        let answered = Arc::new(AtomicBool::new(true));
        self.callers = self.call(answered).join_all().await;
        self.holds().await;
        self.everything_was_made_once().await;
        let begun = wall();
        let judgement = loop {
            let judgement = self.judge(until + HOUR / 2).await;
            if judgement.is_clean() {
                break judgement;
            }
            assert!(
                wall().since(begun) < SETTLED_WITHIN,
                "{name}: {}\n{}\n{:#?}\n{}",
                self.summary(),
                judgement.verdict.explain(),
                judgement.problems,
                self.launch.said()
            );
            pause(Duration::from_millis(200)).await;
        };
        self.receiver.behave(FAILING, FAILURES);
        let totals = &mut self.totals;
        totals.slots += judgement.verdict.expected;
        totals.delivered += judgement.verdict.delivered;
        totals.ended += judgement.verdict.ended;
        totals.repeats += judgement.repeats;
        totals.most_repeats = totals.most_repeats.max(judgement.most_repeats);
    }

    async fn judge(&self, until: Timestamp) -> Judgement {
        let mut log: Vec<Row> = self.list("/deliveries").await.iter().map(Row::parse).collect();
        log.retain(|row| row.ended_at >= self.era.log_since);
        let mut received = read_journal(&self.journal).unwrap();
        received.retain(|arrival| arrival.at >= self.era.since);
        let mut judgement = judge(&History {
            steady: &self.steady,
            callers: &self.callers,
            received: &received,
            log: &log,
            since: self.era.slots_since,
            kills: &self.era.kills,
            until,
        });
        // Also of vehicles that are off by now: nothing waits for ever.
        for webhook in self.webhooks {
            let queued = self.get(&format!("/webhooks/{webhook}")).await["queued"].clone();
            if queued != 0 {
                judgement.problems.push(format!("{queued} events of webhook {webhook} are still queued"));
            }
        }
        judgement
    }

    fn summary(&self) -> String {
        let sum = |of: fn(&Caller) -> u64| self.callers.iter().map(of).sum::<u64>();
        let totals = &self.totals;
        format!(
            "{} kills, {} starts (slowest {:?}), {} calls ({} repeated), {} of them keyed ({} repeated), \
             {} unsubscriptions raced with {RACING} redeliveries each ({} of those taken), {} backups, \
             {} restores ({} into new folders; {} ends applied again), {} slots: {} delivered, {} ended otherwise; \
             {} repeats, at most {} after one kill; 0 findings",
            totals.kills,
            totals.starts,
            totals.slowest_start,
            sum(|caller| caller.done.calls),
            sum(|caller| caller.done.repeated),
            sum(|caller| caller.done.keyed),
            sum(|caller| caller.done.keyed_repeated),
            sum(|caller| caller.done.races),
            sum(|caller| caller.done.races_won),
            totals.backups,
            totals.restores_in_place + totals.restores_elsewhere,
            totals.restores_elsewhere,
            totals.ended_again,
            totals.slots,
            totals.delivered,
            totals.ended,
            totals.repeats,
            totals.most_repeats,
        )
    }

    /// How many kills there were.
    pub(crate) fn kills(&self) -> u64 {
        self.totals.kills
    }

    /// How often callers did what is dangerous.
    pub(crate) fn done(&self) -> Dangers {
        let sum = |of: fn(&Caller) -> u64| self.callers.iter().map(of).sum::<u64>();
        Dangers {
            keyed: sum(|caller| caller.done.keyed),
            races: sum(|caller| caller.done.races),
            races_won: sum(|caller| caller.done.races_won),
        }
    }

    /// A number up to this one.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.chance.draw() % (most + 1)
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

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

fn id(value: &Value) -> Id {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no id: {value}"))
}
