//! Worlds that live for weeks, with everything going wrong that can, judged at the end by the checker.
//!
//! A few webhooks and cars; receivers that fail for minutes or days; cars that sleep; clocks that jump by seconds;
//! operators who subscribe, unsubscribe, edit, switch off and on; and a process that ends at any commit or call. What must
//! hold is the checker's to say: every slot arrives or stands in the log as ended, repeats come only where the process
//! ended, under the same id with the same data, nothing comes early, and nothing later than a second after it was
//! unsubscribed.
//!
//! Where other generations are beside, a dynamic webhook is subscribed at full hours alone, so that its slots are those of a
//! calendar; a unified one has none, and is judged by what has to hold of any order of events. Cars that only push are on
//! that one too, and on one whose receiver accepts everything: of these, values are judged as well. Every second world of
//! that kind has no calendar, but clocks that are wrong by hours.

mod clocks;
mod pushed;

pub use clocks::live_with_wrong_clocks;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use app::{App, EditWebhook, PushedReading, Settings};
use domain::{
    connect::{Permission, PermissionSet},
    delivery::Failure,
    errors::ErrorCode,
    signal::{self, Value},
    time::Timestamp,
    vehicle::Mode,
    webhook::{Kind, Plan, Scheduled},
};
use lab::checker::Verdict;
use store::{Feed, Newer};

use crate::{
    cars::{self, Mood},
    chance::Chance,
    crash::Strike,
    judge::{self, Period, SlotOf, Watch},
    receivers::{Reaction, answers, hangs, resets, unreached},
    values::{Pushes, Stay},
    words,
    world::{Car, Hook, World},
};

/// What weeks of simulated life have shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Weeks lived.
    pub weeks: u64,
    /// Slots that had to be accounted for.
    pub expected: u64,
    /// Of those, how many were delivered.
    pub delivered: u64,
    /// Of those, how many stand in the log as ended otherwise.
    pub ended: u64,
    /// Repeats that ends of the process explain.
    pub repeats: u64,
    /// Events that webhooks were told which watch cars.
    pub told: u64,
    /// Values that cars pushed, each judged where it arrived.
    pub values: u64,
    /// How often the process ended.
    pub crashes: u64,
    /// Seeds whose world was found guilty, and of what.
    pub failures: Vec<(u64, String)>,
}

impl Report {
    /// One line.
    pub fn summary(&self) -> String {
        let Self { weeks, expected, delivered, ended, repeats, told, values, crashes, failures } = self;
        let told = match *told {
            0 => String::new(),
            _ => format!("{told} events of watched cars, {values} pushed values, "),
        };
        format!(
            "{weeks} weeks, {expected} slots: {delivered} delivered, {ended} ended otherwise, {told}{repeats} repeats \
             after {crashes} crashes; {} worlds guilty",
            failures.len()
        )
    }

    /// Adds what another world has shown.
    pub fn add(&mut self, seed: u64, life: &Life) {
        let count = |count: usize| count as u64;
        self.weeks += u64::from(life.weeks);
        self.expected += count(life.verdict.expected);
        self.delivered += count(life.verdict.delivered);
        self.ended += count(life.verdict.ended);
        self.repeats += count(life.verdict.excused);
        self.told += life.told;
        self.values += life.values;
        self.crashes += life.crashes;
        if let Some(guilt) = life.guilt() {
            self.failures.push((seed, guilt));
        }
    }
}

/// What one world has shown.
pub struct Life {
    /// Weeks lived.
    pub weeks: u32,
    /// The checker's.
    pub verdict: Verdict,
    /// Events that webhooks were told which watch cars.
    pub told: u64,
    /// Values that cars pushed.
    pub values: u64,
    /// What else is wrong: work that is left over, loops that ended, data that does not agree.
    pub left_over: Vec<String>,
    /// How often the process ended.
    pub crashes: u64,
    /// All that happened, as one number.
    pub trace_hash: u64,
    /// All that happened, line by line, if that was kept.
    pub trace: Vec<String>,
}

impl Life {
    /// What the world is guilty of, if it is.
    pub fn guilt(&self) -> Option<String> {
        if self.verdict.is_clean() && self.left_over.is_empty() {
            return None;
        }
        Some(format!("{}\n{}", self.verdict.explain(), self.left_over.join("\n")))
    }
}

/// Lets one world after the other live for weeks.
pub fn weeks(seeds: Range<u64>, weeks_per_seed: u32, crashes: bool) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        report.add(seed, &live(seed, weeks_per_seed, crashes));
    }
    report
}

/// Lets a world live for weeks.
pub fn live(seed: u64, weeks: u32, crashes: bool) -> Life {
    live_with(seed, weeks, crashes, |_| {})
}

/// Lets a world live for weeks that was prepared for it.
pub fn live_with(seed: u64, weeks: u32, crashes: bool, prepare: impl FnOnce(&mut World)) -> Life {
    let mut soak = Soak::new(seed, crashes);
    prepare(&mut soak.world);
    soak.settle_in();
    soak.live(weeks)
}

/// Lets one world after the other live for weeks whose scheduled webhooks have a dynamic and a unified one beside them.
pub fn varied_weeks(seeds: Range<u64>, weeks_per_seed: u32, crashes: bool) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        report.add(seed, &live_varied(seed, weeks_per_seed, crashes));
    }
    report
}

/// Lets a world live for weeks whose scheduled webhooks have a dynamic and a unified one beside them; one with an odd seed
/// lives with wrong clocks instead.
pub fn live_varied(seed: u64, weeks: u32, crashes: bool) -> Life {
    live_varied_with(seed, weeks, crashes, |_| {})
}

/// The same in a world that was prepared for it.
pub fn live_varied_with(seed: u64, weeks: u32, crashes: bool, prepare: impl FnOnce(&mut World)) -> Life {
    if seed % 2 == 1 {
        return live_with_wrong_clocks(seed, weeks, crashes, prepare);
    }
    let mut soak = Soak::new(seed, crashes);
    prepare(&mut soak.world);
    soak.settle_in();
    soak.add_variety();
    soak.live(weeks)
}

const CADENCES: &[&str] = &[
    "every hour",
    "every hour",
    "every 2 hours",
    "every 5 hours",
    "daily at 06:00",
    "daily",
    "weekly on thursday at 17:00",
    "monthly on 31 at 08:00",
];
const ENDPOINTS: &[&[&str]] =
    &[&["/odometer"], &["/", "/battery"], &["/location", "/odometer", "/tires/pressure"], &["/vin"]];
/// How long a read takes at most: a silent one ends at its deadline, and a step follows.
const READ_MOST: Duration = Duration::from_secs(76);
/// Around a full hour nothing is done but exactly at it: what an end of the process leaves unknown must not matter there.
const QUIET: u64 = 15;

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Act {
    Subscribe,
    Unsubscribe,
    Reschedule,
    Reselect,
    SwitchOff,
    SwitchOn,
    Receiver,
    Car,
    Permissions,
    Exchange,
    Jump,
    Crash,
    Foresee,
    Outage,
}

const ACTS: &[Act] = &[
    Act::Subscribe,
    Act::Subscribe,
    Act::Subscribe,
    Act::Unsubscribe,
    Act::Unsubscribe,
    Act::Reschedule,
    Act::Reselect,
    Act::SwitchOff,
    Act::SwitchOn,
    Act::SwitchOn,
    Act::SwitchOn,
    Act::Receiver,
    Act::Receiver,
    Act::Receiver,
    Act::Receiver,
    Act::Car,
    Act::Car,
    Act::Car,
    Act::Permissions,
    Act::Exchange,
    Act::Jump,
    Act::Crash,
    Act::Foresee,
    Act::Foresee,
    Act::Foresee,
    Act::Outage,
];

struct Soak {
    world: World,
    chance: Chance,
    crashes: bool,
    hooks: Vec<Hook>,
    cars: Vec<Car>,
    /// Webhooks that watch cars, and a feed that tells of them.
    watching: Vec<Hook>,
    feed: Option<Arc<Feed>>,
    watches: Vec<Watch>,
    /// Cars that only push, a webhook that watches them and whose receiver accepts everything, and what was pushed.
    pushed: Vec<Car>,
    calm: Option<Hook>,
    stays: Vec<Stay>,
    pushes: Pushes,
    /// By how many seconds the clock of the server is ahead of the true time.
    ahead: i64,
    /// How far that clock was wrong at most.
    clock_error: Duration,
    periods: Vec<Period>,
    unread: BTreeSet<SlotOf>,
    /// Slots that have come and wait for their first read, as of the last look.
    come: BTreeSet<SlotOf>,
    /// What was promised and not kept.
    broken: Vec<String>,
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.reads.look_every = Duration::from_secs(3_600);
    settings.retention.pass_every = Duration::from_secs(900);
    settings.retention.heartbeat_every = Duration::from_secs(900);
    settings.retention.log = Duration::from_secs(400 * 86_400);
    // So small that events often have to be looked for in the store.
    settings.delivery.window = 4;
    settings
}

impl Soak {
    /// Lives for weeks, comes to rest, and is judged.
    fn live(mut self, weeks: u32) -> Life {
        let until = self.world.monotonic() + Duration::from_secs(7 * 86_400) * weeks;
        while self.world.monotonic() < until {
            self.pause();
            self.act();
        }
        self.come_to_rest();
        self.end(weeks)
    }

    /// What a world that has come to rest has shown.
    fn end(mut self, weeks: u32) -> Life {
        let without_calendar: Vec<Hook> = self.watching.iter().chain(&self.calm).copied().collect();
        let verdict = judge::judge(&mut self.world, &self.periods, &self.unread, &without_calendar);
        Life {
            weeks,
            verdict,
            told: self.watching.iter().map(|&hook| self.world.posts(hook).len() as u64).sum(),
            values: self.pushes.len() as u64,
            left_over: self.left_over(),
            crashes: self.world.lives() - 1,
            trace_hash: self.world.trace_hash(),
            trace: self.world.trace(),
        }
    }

    fn new(seed: u64, crashes: bool) -> Self {
        Self {
            world: World::with(seed, settings()),
            chance: Chance::new(seed, 2),
            crashes,
            hooks: Vec::new(),
            cars: Vec::new(),
            watching: Vec::new(),
            feed: None,
            watches: Vec::new(),
            pushed: Vec::new(),
            calm: None,
            stays: Vec::new(),
            pushes: Pushes::default(),
            ahead: 0,
            clock_error: judge::JUMP_MOST,
            periods: Vec::new(),
            unread: BTreeSet::new(),
            come: BTreeSet::new(),
            broken: Vec::new(),
        }
    }

    /// A few webhooks and cars, without crashes.
    fn settle_in(&mut self) {
        for _ in 0..self.chance.from_to(1, 3) {
            let mut settings = World::scheduled(self.chance.pick(CADENCES), self.chance.pick(ENDPOINTS));
            settings.vehicles_per_request = self.chance.pick(&[1, 1, 3]);
            let hook = self.world.webhook(settings);
            self.hooks.push(hook);
        }
        for _ in 0..self.chance.from_to(1, 3) {
            let car = self.world.car();
            self.cars.push(car);
        }
        self.look();
    }

    /// A dynamic webhook among the others, a unified one beside them, and a feed.
    fn add_variety(&mut self) {
        let dynamic = self.world.dynamic_webhook();
        self.hooks.push(dynamic);
        self.add_watching();
        self.world.advance_to("16:00");
        for hook in [dynamic, self.watching[0]] {
            self.world.subscribe_all(hook, &self.cars);
        }
        let at = self.world.now();
        self.note(at);
        self.add_pushed_cars();
    }

    /// A unified webhook, and a feed.
    fn add_watching(&mut self) {
        let unified = self.world.unified_webhook(&[signal::STATE_OF_CHARGE, signal::ODOMETER]);
        self.watching.push(unified);
        self.feed = Some(self.world.feed(Newer::Observed, Duration::ZERO));
    }

    /// Lets time pass until the next act: minutes or hours, often until exactly the next hour.
    fn pause(&mut self) {
        let minutes = match self.chance.below(4) {
            0 => self.chance.from_to(0, 20),
            _ => self.chance.from_to(20, 720),
        };
        let mut seconds = minutes * 60 + self.chance.from_to(0, 59);
        let now = u64::try_from(self.world.now().as_secs()).unwrap_or(0);
        let into_hour = (now + seconds) % 3_600;
        if self.chance.once_in(4) || !(QUIET..=3_600 - QUIET).contains(&into_hour) {
            seconds += 3_600 - into_hour;
        }
        self.advance(Duration::from_secs(seconds));
    }

    /// Lets time pass and notes the moment at which a webhook is switched off by itself.
    fn advance(&mut self, by: Duration) {
        let until = self.world.monotonic() + by;
        while self.world.monotonic() < until {
            let delivering = self.delivering();
            let hooks = self.hooks.clone();
            let left = until - self.world.monotonic();
            let changed = self.world.advance_until(left, |world| status(world, &hooks) != delivering);
            if changed {
                let at = self.world.now();
                self.look();
                self.note(at);
            }
        }
    }

    fn delivering(&self) -> Vec<bool> {
        status(&self.world, &self.hooks)
    }

    fn act(&mut self) {
        let mut at = self.world.now();
        if !self.watching.is_empty() && self.chance.once_in(2) {
            match self.chance.once_in(2) {
                true => self.act_on_watching(),
                false => self.act_on_pushed(),
            }
            self.world.start();
            self.world.settle();
            self.note(at);
            self.note_stays();
            return;
        }
        let act = self.chance.pick(ACTS);
        self.look();
        self.world.tell(format_args!("{act:?}"));
        match act {
            Act::Subscribe => {
                let (hook, car) = self.some_pair();
                self.world.tell(format_args!("{} car {}", hook.id, car.number));
                if self.is_dynamic(hook) && !self.is_full_hour() {
                    return;
                }
                let done = self.world.ask(|app| async move { app.subscribe(hook.id, &[car.id()]).await });
                self.expect_subscribed(done.is_some_and(|done| done.is_ok()), hook, car);
            }
            Act::Unsubscribe => {
                let (hook, car) = self.some_pair();
                self.world.tell(format_args!("{} car {}", hook.id, car.number));
                self.world.ask(|app| async move { app.unsubscribe(hook.id, car.id()).await.map(drop) });
            }
            Act::Reschedule => {
                let cadence = words::cadence(self.chance.pick(CADENCES));
                self.edit(|settings| settings.cadence = cadence);
            }
            Act::Reselect => {
                let chosen = World::scheduled("daily", self.chance.pick(ENDPOINTS)).endpoints;
                self.edit(|settings| settings.endpoints = chosen);
            }
            Act::SwitchOff => {
                let hook = self.chance.pick(&self.hooks);
                self.world.ask(|app| async move { app.disable_webhook(hook.id).await.map(drop) });
            }
            Act::SwitchOn => {
                for hook in self.hooks.clone() {
                    self.world.ask(|app| async move { app.enable_webhook(hook.id).await.map(drop) });
                }
            }
            Act::Receiver => self.change_receiver(),
            Act::Car => {
                let (car, mood) = (self.chance.pick(&self.cars), self.some_mood());
                self.world.tell(format_args!("car {} {mood:?}", car.number));
                self.world.car_is(car, mood);
            }
            Act::Permissions => self.change_permissions(),
            Act::Exchange => self.exchange_car(),
            Act::Jump => {
                let most = judge::JUMP_MOST.as_secs();
                let by = self.chance.from_to(0, most) as i64 - (most / 2) as i64;
                self.world.jump(by);
                self.advance(Duration::from_secs(2 * most));
            }
            Act::Crash if self.crashes => self.world.crash(),
            Act::Foresee if self.crashes => {
                let strike = Some(Strike::After(self.chance.from_to(0, 60)));
                self.world.foresee(strike);
                if self.chance.once_in(3) {
                    let nested = Some(Strike::After(self.chance.from_to(0, 12)));
                    self.world.foresee_next(nested);
                }
            }
            Act::Outage if self.crashes => {
                let minutes = self.chance.pick(&[1, 10, 70, 300, 2_000]);
                self.world.crash();
                self.world.advance(Duration::from_secs(minutes * 60));
                at = self.world.now();
            }
            Act::Crash | Act::Foresee | Act::Outage => {}
        }
        self.world.start();
        self.world.settle();
        self.note(at);
    }

    /// Something about the webhooks that watch cars, or a push.
    fn act_on_watching(&mut self) {
        let cars = self.all_cars();
        let (hook, car) = (self.chance.pick(&self.watching), self.chance.pick(&cars));
        match self.chance.below(12) {
            0 | 1 => {
                self.world.ask(|app| async move { app.subscribe(hook.id, &[car.id()]).await.map(drop) });
            }
            2 => {
                self.world.ask(|app| async move { app.unsubscribe(hook.id, car.id()).await.map(drop) });
            }
            3 => {
                self.world.ask(|app| async move { app.disable_webhook(hook.id).await.map(drop) });
            }
            4 | 5 => {
                self.world.ask(|app| async move { app.enable_webhook(hook.id).await.map(drop) });
            }
            6 => {
                let reactions = [answers(200), answers(500), resets(), hangs()];
                let script: Vec<_> =
                    (0..self.chance.below(8)).map(|_| self.chance.pick(&reactions)).collect();
                self.world.receiver_will(hook, &script, answers(200));
            }
            _ if self.pushed.contains(&car) => self.push_some(car),
            _ => {
                let charge = self.chance.from_to(20, 90) as f64;
                let value = Value::Number(charge);
                let reading = PushedReading::of(car.id(), signal::STATE_OF_CHARGE, value);
                let feed = self.feed.clone().expect("a feed where cars are watched");
                // A car that is gone is refused, and a process that ends does not answer.
                self.world.push(&feed, vec![reading]);
            }
        }
    }

    /// A dynamic webhook counts its hours from the subscription; only from a full hour on they are those of a calendar.
    fn is_full_hour(&self) -> bool {
        self.world.is_up() && self.world.now().as_micros() % 3_600_000_000 == 0
    }

    fn is_dynamic(&mut self, hook: Hook) -> bool {
        self.world.start();
        let entry = self.world.app().webhook_entry(hook.id).expect("nobody deletes webhooks here");
        entry.webhook().revision.plan.kind() == Kind::Dynamic
    }

    /// A subscription that was answered is there, whatever happens next.
    fn expect_subscribed(&mut self, answered: bool, hook: Hook, car: Car) {
        if !answered {
            return;
        }
        self.world.settle();
        let rows = self.world.ask(|app| async move { app.subscriptions_of_vehicle(car.id()).await });
        if let Some(Ok(rows)) = rows
            && !rows.iter().any(|row| row.webhook == hook.no)
        {
            self.broken.push(format!("{} car {} was subscribed, and is not", hook.id, car.number));
        }
    }

    /// Those that are read, and those that only push.
    fn all_cars(&self) -> Vec<Car> {
        self.cars.iter().chain(&self.pushed).copied().collect()
    }

    fn some_pair(&mut self) -> (Hook, Car) {
        (self.chance.pick(&self.hooks), self.chance.pick(&self.cars))
    }

    fn edit(&mut self, change: impl FnOnce(&mut Scheduled)) {
        let hook = self.chance.pick(&self.hooks);
        self.world.start();
        let app = self.world.app();
        let entry = app.webhook_entry(hook.id).expect("nobody deletes webhooks here");
        let Some(settings) = entry.webhook().scheduled() else { return };
        let mut settings = settings.clone();
        change(&mut settings);
        let edit = EditWebhook { plan: Some(Plan::Scheduled(settings)), ..EditWebhook::default() };
        self.world.ask(|app| async move { app.edit_webhook(hook.id, edit).await.map(drop) });
    }

    fn change_receiver(&mut self) {
        let hook = self.chance.pick(&self.hooks);
        let reactions: [Reaction; 9] = [
            answers(200),
            answers(204).after(Duration::from_secs(3)),
            answers(200),
            answers(500),
            answers(429),
            hangs(),
            answers(200).after(Duration::from_secs(16)),
            resets(),
            unreached(Failure::Refused),
        ];
        let script: Vec<_> = (0..self.chance.below(8)).map(|_| self.chance.pick(&reactions)).collect();
        let any = self.chance.pick(&reactions);
        let then = self.chance.pick(&[reactions[0], reactions[1], reactions[2], any]);
        self.world.tell(format_args!("{} {script:?} then {then:?}", hook.id));
        self.world.receiver_will(hook, &script, then);
    }

    fn some_mood(&mut self) -> Mood {
        let moods = [
            cars::well(),
            cars::well(),
            cars::well().after(Duration::from_secs(4)),
            cars::fails(ErrorCode::VEHICLE_STATE_ASLEEP),
            cars::fails(ErrorCode::CONNECTED_SERVICES_ACCOUNT_VEHICLE_MISSING),
            cars::fails_for(&[signal::ODOMETER, signal::STATE_OF_CHARGE], ErrorCode::UPSTREAM_NO_RESPONSE),
            cars::is_silent(),
        ];
        self.chance.pick(&moods)
    }

    fn change_permissions(&mut self) {
        let car = self.chance.pick(&self.cars);
        let few: PermissionSet = [Permission::ReadVin, Permission::ReadOdometer].into_iter().collect();
        let granted = self.chance.pick(&[PermissionSet::ALL, PermissionSet::ALL, few]);
        self.world.ask(|app| async move { app.set_permissions(car.id(), granted).await });
    }

    /// Disconnects a car for good; another one comes.
    fn exchange_car(&mut self) {
        let gone = self.chance.below(self.cars.len());
        let car = self.cars[gone];
        if self.world.ask(|app| async move { app.disconnect(car.id()).await }).is_some() {
            self.world.foresee(None);
            self.cars[gone] = self.world.car_with(Mode::Simulated, PermissionSet::ALL);
        }
    }

    /// Notes which slots have come and wait for their first read: only that opens them.
    fn look(&mut self) {
        self.world.start();
        self.come.clear();
        for car in self.cars.clone() {
            let Some(Ok(document)) = self.world.ask(|app| async move { app.document(car.id()).await }) else {
                self.world.start();
                continue;
            };
            let now = self.world.now();
            for subscription in document.subscriptions {
                let Some(hook) = self.hooks.iter().find(|hook| hook.no == subscription.webhook) else {
                    continue;
                };
                if subscription.next_slot <= now {
                    self.come.insert((hook.id, car.id(), subscription.next_slot));
                }
            }
        }
    }

    /// Compares what is subscribed and delivers now with the periods so far; what has changed did so at `at`.
    fn note(&mut self, at: Timestamp) {
        let (now, watched) = self.subscribed();
        self.note_watched(at, watched);
        for period in self.periods.iter_mut().filter(|period| period.until.is_none()) {
            let key = (period.hook, period.car.number);
            if now.get(&key).is_none_or(|(_, cadence, _)| *cadence != period.cadence) {
                period.until = Some(at);
                let of_period = |slot: &&SlotOf| {
                    slot.0 == period.hook.id && slot.1 == period.car.id() && !now.contains_key(&key)
                };
                self.unread.extend(self.come.iter().filter(of_period));
            }
        }
        for ((hook, number), (car, cadence, since)) in now {
            let open = |period: &&Period| {
                period.hook == hook && period.car.number == number && period.until.is_none()
            };
            if self.periods.iter().find(open).is_none() {
                self.periods.push(Period { hook, car, cadence, from: begin(since, at), until: None });
            }
        }
    }

    /// The same of the webhooks that watch cars.
    fn note_watched(&mut self, at: Timestamp, now: Vec<Watch>) {
        let same = |one: &Watch, other: &Watch| {
            one.hook == other.hook && one.car == other.car && one.until.is_none() && other.until.is_none()
        };
        for watch in self.watches.iter_mut().filter(|watch| watch.until.is_none()) {
            if !now.iter().any(|now| same(now, watch)) {
                watch.until = Some(at);
            }
        }
        for watch in now {
            if !self.watches.iter().any(|known| same(known, &watch)) {
                self.watches.push(Watch { from: watch.from.max(at), ..watch });
            }
        }
    }

    /// Every car that is on a webhook that delivers, with its cadence and since when it is on it; and those that are watched.
    fn subscribed(&mut self) -> (Subscribed, Vec<Watch>) {
        let (mut subscribed, mut watched) = (BTreeMap::new(), Vec::new());
        for car in self.all_cars() {
            let rows = loop {
                self.world.start();
                let rows = self.world.ask(|app| async move { app.subscriptions_of_vehicle(car.id()).await });
                match rows {
                    Some(rows) => break rows.unwrap_or_default(),
                    None => continue,
                }
            };
            self.world.start();
            let app = self.world.app();
            for row in rows.into_iter().filter(|row| self.calm.is_none_or(|calm| calm.no != row.webhook)) {
                let watching = self.watching.iter().find(|hook| hook.no == row.webhook);
                if let Some(&hook) = watching {
                    if delivers(&app, hook) {
                        watched.push(Watch { hook, car, from: row.since, until: None });
                    }
                    continue;
                }
                let hook =
                    *self.hooks.iter().find(|hook| hook.no == row.webhook).expect("a webhook of this world");
                if let Some(cadence) = cadence_of(&app, hook) {
                    subscribed.insert((hook, car.number), (car, cadence, row.since));
                }
            }
        }
        (subscribed, watched)
    }

    /// Puts everything right and waits until nothing is left to do.
    fn come_to_rest(&mut self) {
        self.world.foresee(None);
        self.world.foresee_next(None);
        for &hook in self.hooks.iter().chain(&self.watching) {
            self.world.receiver_is(hook, answers(200));
        }
        self.push_the_last();
        for car in self.cars.clone() {
            self.world.car_is(car, cars::well());
        }
        self.advance(Duration::from_secs(2 * 3_600));
        let now = u64::try_from(self.world.now().as_secs()).unwrap_or(0);
        self.advance(Duration::from_secs(3_600 - now % 3_600 + 2_400));
    }

    /// What is left when nothing should be.
    fn left_over(&mut self) -> Vec<String> {
        let mut found = std::mem::take(&mut self.broken);
        found.extend(judge::attempts(&mut self.world, self.clock_error));
        found.extend(self.judge_values());
        for &hook in &self.watching {
            found.extend(judge::watched(&mut self.world, hook, &self.watches, self.clock_error));
        }
        found.extend(self.world.app().health().problems());
        for &hook in self.hooks.iter().chain(&self.watching) {
            let queued = self.world.view(hook).queued;
            if queued > 0 {
                found.push(format!("{queued} events wait in a lane for ever"));
            }
        }
        let findings = self.world.must(|app| async move { app.diagnose().await });
        let bad = findings.into_iter().filter(|finding| finding.subject == "database" && !finding.good);
        found.extend(bad.map(|finding| finding.detail));
        found
    }
}

fn status(world: &World, hooks: &[Hook]) -> Vec<bool> {
    let app = world.app();
    hooks.iter().map(|&hook| cadence_of(&app, hook).is_some()).collect()
}

/// From when a car's slots on a webhook count that delivers since `at`.
///
/// A slot that came while a read was under way is opened after it: that one may be posted or not, as one at the very
/// beginning.
fn begin(since: Timestamp, at: Timestamp) -> Timestamp {
    let hour = Timestamp::from_secs(at.as_secs() - at.as_secs() % 3_600);
    if since <= hour && at.since(hour) <= READ_MOST { hour } else { since.max(at) }
}

/// The cadence of a webhook, if it delivers.
fn cadence_of(app: &App, hook: Hook) -> Option<domain::cadence::Cadence> {
    let entry = app.webhook_entry(hook.id).ok()?;
    let webhook = entry.webhook();
    webhook.status.delivers().then(|| match &webhook.revision.plan {
        Plan::Scheduled(settings) => settings.cadence.clone(),
        _ => words::cadence("every hour"),
    })
}

fn delivers(app: &App, hook: Hook) -> bool {
    app.webhook_entry(hook.id).is_ok_and(|entry| entry.webhook().status.delivers())
}

/// Cars on webhooks with a calendar: with the cadence, and since when.
type Subscribed = BTreeMap<(Hook, u32), (Car, domain::cadence::Cadence, Timestamp)>;
