//! A world: the application on virtual time, with its receivers, its cars and its disk, and the words to move it.

use std::{future::Future, sync::Arc, time::Duration};

use app::{
    App, AppError, DeliverySummary, EditWebhook, LinkRequest, Linked, NewWebhookRequest, PUSHED, Parts,
    PushedReading, Rejected, Settings, WebhookView,
    ports::{Clock, NoBrands, Spawn},
};
use domain::{
    connect::{PermissionSet, defaults::Defaults},
    ids::{ApplicationId, VehicleId, VehicleNo, WebhookId, WebhookNo},
    signal::{Endpoint, SignalId},
    time::Timestamp,
    vehicle::{Mode, Region, VehicleInfo},
    webhook::{
        Agent, ChargingEvent, Dynamic, EventBased, Plan, Scheduled, ScheduledName, SimulatedMode, Trigger,
        Unified,
    },
};
use futures::{FutureExt, future::BoxFuture};
use lab::checker::FaultMark;
use parking_lot::Mutex;
use sources::{
    SIMULATED,
    simulated::{CarSpec, Profile, models},
};
use store::{Feed, Newer, SourceRef};
use store_sqlite::{InMemory, SqliteKeyring, SqliteStore};
use zeroize::Zeroizing;

use crate::{
    cars::{Cars, Mood, NoControls, Read, Road},
    chance::{Chance, SeededDice},
    clock::{Rate, VirtualClock},
    crash::{Fate, Moment, Strike},
    disk::Disk,
    executor::Executor,
    receivers::{Line, Reaction, Received, Receivers, ToChallenge},
    trace::Trace,
    words,
};

/// When a world begins: a Monday, a quarter to four in the afternoon.
pub const BEGIN: &str = "2026-03-02 15:45";
/// How long a process that ended stays down.
const DOWNTIME: Duration = Duration::from_secs(1);
/// How long a use-case may take before a test is told that it hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// A webhook of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hook {
    /// On the wire.
    pub id: WebhookId,
    /// In the store.
    pub no: WebhookNo,
    /// Which receiver it sends to first.
    receiver: usize,
}

/// A car of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Car {
    /// Its vehicle and its connection.
    pub linked: Linked,
    /// Counted from 1.
    pub number: u32,
}

impl Car {
    /// Its id on the wire.
    pub fn id(self) -> VehicleId {
        self.linked.vehicle
    }
}

/// A world.
pub struct World {
    seed: u64,
    clock: VirtualClock,
    dice: SeededDice,
    receivers: Receivers,
    cars: Cars,
    trace: Trace,
    data: InMemory,
    keys: InMemory,
    settings: Settings,
    life: Option<Life>,
    lives: u64,
    strike: Option<Strike>,
    downtime: Option<Duration>,
    /// The process ended by itself and is to be started again.
    revive: bool,
    faults: Vec<FaultMark>,
    application: Option<ApplicationId>,
    made_receivers: usize,
    made_hooks: Vec<Hook>,
    made_cars: Vec<Car>,
}

/// One life of the process.
struct Life {
    executor: Executor,
    fate: Fate,
    app: Option<Arc<App>>,
}

impl World {
    /// A world of a seed, running. The store is looked after once a minute, which saves time.
    pub fn new(seed: u64) -> Self {
        let mut settings = Settings::default();
        settings.retention.pass_every = Duration::from_secs(60);
        settings.retention.heartbeat_every = Duration::from_secs(60);
        Self::with(seed, settings)
    }

    /// A world under other settings.
    pub fn with(seed: u64, settings: Settings) -> Self {
        Self::beginning(seed, settings, words::moment(BEGIN, Timestamp::default()))
    }

    /// A world whose clock shows this at the beginning.
    pub fn beginning(seed: u64, settings: Settings, at: Timestamp) -> Self {
        let (clock, trace) = (VirtualClock::at(at), Trace::new());
        let mut world = Self {
            seed,
            dice: SeededDice::new(Chance::new(seed, 1)),
            receivers: Receivers::new(clock.clone(), trace.clone()),
            cars: Cars::new(clock.clone(), trace.clone()),
            clock,
            trace,
            data: InMemory::new().expect("memory for a database"),
            keys: InMemory::new().expect("memory for a database"),
            settings,
            life: None,
            lives: 0,
            strike: None,
            downtime: Some(DOWNTIME),
            revive: false,
            faults: Vec::new(),
            application: None,
            made_receivers: 0,
            made_hooks: Vec::new(),
            made_cars: Vec::new(),
        };
        world.start();
        world
    }

    // ---- time ----

    /// What the wall clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time since the world began, and a little more; it never goes back.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.advance_until(by, |_| false);
    }

    /// Lets time pass until something is the case, which is asked whenever nothing else can happen; true if it is.
    pub fn advance_until(&mut self, most: Duration, mut reached: impl FnMut(&Self) -> bool) -> bool {
        let until = self.clock.monotonic() + most;
        loop {
            self.settle();
            if reached(self) {
                return true;
            }
            match self.clock.next_wake().filter(|&at| at <= until) {
                Some(at) => self.clock.pass_to(at),
                None if self.clock.monotonic() < until => self.clock.pass_to(until),
                None => return false,
            }
        }
    }

    /// Lets time pass until the clock shows a moment: `16:05`, `16:05:30`, or `2026-03-03 16:05`.
    pub fn advance_to(&mut self, moment: &str) {
        let moment = words::moment(moment, self.now());
        let until = self.clock.monotonic_of(moment).expect("a clock that runs");
        self.advance(until.saturating_sub(self.clock.monotonic()));
    }

    /// Lets time pass until the clock shows a moment, at which nothing has happened yet.
    pub fn advance_to_the_brink_of(&mut self, moment: &str) {
        let moment = words::moment(moment, self.now());
        let until = self.clock.monotonic_of(moment).expect("a clock that runs");
        self.advance(until.saturating_sub(self.clock.monotonic()) - Duration::from_micros(1));
        self.clock.pass_to(until);
    }

    /// Sets the wall clock forward or back.
    pub fn jump(&mut self, seconds: i64) {
        let now = self.now();
        let by = Duration::from_secs(seconds.unsigned_abs());
        self.clock.jump_to(if seconds < 0 { now - by } else { now + by });
        self.trace.line(format_args!("{now} jump {seconds}"));
        self.settle();
    }

    /// Sets the wall clock to a moment.
    pub fn jump_to(&mut self, moment: &str) {
        let moment = words::moment(moment, self.now());
        self.clock.jump_to(moment);
        self.settle();
    }

    /// Lets the application wake so much later than it asked for: the machine has more to do than it can.
    pub fn is_busy(&mut self, late: Duration) {
        self.clock.set_late(late);
    }

    /// Lets the wall clock run otherwise from now on.
    pub fn set_rate(&mut self, rate: Rate) {
        self.clock.set_rate(rate);
    }

    /// Lets everything happen that can happen now; revives a process that ended by itself.
    pub fn settle(&mut self) {
        loop {
            if let Some(life) = &mut self.life {
                life.executor.run_until_stalled(&life.fate);
                if !life.fate.is_sealed() {
                    return;
                }
                self.bury();
            }
            if !self.revive {
                return;
            }
            self.rest_in_peace();
            self.start();
        }
    }

    // ---- the process ----

    /// The application, while it runs.
    ///
    /// # Panics
    ///
    /// While the process is down.
    pub fn app(&self) -> Arc<App> {
        self.life.as_ref().and_then(|life| life.app.clone()).expect("the process is down")
    }

    /// Whether the process runs.
    pub fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Starts the process; it may end while it starts, and is then started again.
    pub fn start(&mut self) {
        while self.life.is_none() {
            self.begin_life();
            let start = App::start(self.parts(), self.settings.clone());
            let started = self.wait_for(start);
            match (started, &mut self.life) {
                (Some(app), Some(life)) => life.app = Some(app.expect("a process that can start")),
                _ if self.revive => self.rest_in_peace(),
                _ => return,
            }
        }
    }

    /// Lets the time pass for which a process that ended by itself stays down.
    fn rest_in_peace(&mut self) {
        let downtime = self.downtime.unwrap_or_default();
        self.clock.pass_to(self.clock.monotonic() + downtime);
    }

    /// Ends the process as a power cut does.
    pub fn crash(&mut self) {
        if self.life.is_some() {
            self.bury();
        }
        self.revive = false;
    }

    /// How long a process that ends by itself stays down; `None` until it is started again.
    pub fn set_downtime(&mut self, downtime: Option<Duration>) {
        self.downtime = downtime;
    }

    /// Ends the process, lets time pass, and starts it again.
    pub fn outage(&mut self, length: Duration) {
        self.crash();
        self.advance(length);
        self.start();
        self.settle();
    }

    /// Foretells when the process ends: this life, or the next when it is down.
    pub fn foresee(&mut self, strike: Option<Strike>) {
        match &self.life {
            Some(life) => life.fate.foresee(strike),
            None => self.strike = strike,
        }
    }

    /// Foretells when the life after this one ends.
    pub fn foresee_next(&mut self, strike: Option<Strike>) {
        self.strike = strike;
    }

    /// How often the process was started.
    pub fn lives(&self) -> u64 {
        self.lives
    }

    /// The ends of the process, for the checker.
    pub fn faults(&self) -> &[FaultMark] {
        &self.faults
    }

    /// Leaves no space on the disk of the data from now on, or gives it back.
    pub fn set_disk_is_full(&mut self, full: bool) {
        self.life.as_ref().expect("the process is down").fate.set_disk_is_full(full);
    }

    fn begin_life(&mut self) {
        self.lives += 1;
        let fate = Fate::default();
        fate.foresee(self.strike.take());
        let executor = Executor::new(Chance::new(self.seed, 1_000 + self.lives));
        self.life = Some(Life { executor, fate, app: None });
    }

    fn parts(&self) -> Parts {
        let Life { executor, fate, .. } = self.life.as_ref().expect("a life has begun");
        let store = SqliteStore::on(&self.data).expect("a database in memory opens");
        let keyring = SqliteKeyring::on(&self.keys).expect("a database in memory opens");
        self.data.set_faults(Some(fate.at_commits()));
        self.keys.set_faults(Some(fate.at_commits()));
        Parts {
            store: Arc::new(Disk { database: Arc::new(store), fate: fate.clone() }),
            keyring: Arc::new(keyring),
            master_key: Zeroizing::new([7; 32]),
            clock: Arc::new(self.clock.clone()),
            dice: Arc::new(self.dice.clone()),
            outbound: Arc::new(Line { receivers: self.receivers.clone(), fate: fate.clone() }),
            source: Arc::new(Road { cars: self.cars.clone(), fate: fate.clone() }),
            simulator: Arc::new(NoControls),
            accounts: Arc::new(NoBrands),
            spawn: Arc::new(executor.spawner()),
        }
    }

    /// Takes note of the end of a process and forgets what it had in memory.
    fn bury(&mut self) {
        let in_flight = self.receivers.in_flight();
        let life = self.life.take().expect("a process that ends was running");
        self.revive = self.downtime.is_some();
        let at = lab::time::Timestamp::from_micros(self.now().as_micros());
        self.trace.line(format_args!("{at} end {:?}, {in_flight} in flight", life.fate.sealed()));
        self.faults.push(FaultMark { at, in_flight });
        // What its tasks do while they are dropped must reach nobody.
        life.fate.strikes(Moment::AfterCommit);
        drop(life);
        self.clock.forget_sleepers();
    }

    // ---- asking the application ----

    /// Runs a use-case to its end, letting time pass as it needs. `None` when the process ended before it answered. One
    /// that is down is started first.
    pub fn ask<T, F>(&mut self, use_case: impl FnOnce(Arc<App>) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.start();
        let answer = use_case(self.app());
        self.wait_for(answer)
    }

    /// Runs a use-case that must succeed.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn must<T, F>(&mut self, use_case: impl FnOnce(Arc<App>) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = Result<T, AppError>> + Send + 'static,
    {
        match self.ask(use_case) {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => panic!("refused: {error}"),
            None => panic!("the process ended before it answered"),
        }
    }

    /// Begins a use-case and waits for nothing: it goes on as time passes.
    pub fn begin<F>(&mut self, use_case: impl FnOnce(Arc<App>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.start();
        let task = use_case(self.app()).boxed();
        let life = self.life.as_mut().expect("the process is down");
        life.executor.spawner().spawn("use-case", task);
    }

    fn wait_for<T: Send + 'static>(&mut self, task: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let slot: Arc<Mutex<Option<T>>> = Arc::default();
        let task: BoxFuture<'static, ()> = {
            let slot = slot.clone();
            task.map(move |answer| *slot.lock() = Some(answer)).boxed()
        };
        let life = self.life.as_mut().expect("the process is down");
        life.executor.spawner().spawn("use-case", task);
        let until = self.clock.monotonic() + PATIENCE;
        loop {
            life.executor.run_until_stalled(&life.fate);
            // The answer may have left before the process ended.
            let answer = slot.lock().take();
            if life.fate.is_sealed() {
                self.bury();
                return answer;
            }
            if answer.is_some() {
                return answer;
            }
            let next = self.clock.next_wake().filter(|&at| at <= until);
            self.clock.pass_to(next.expect("a use-case hangs"));
        }
    }

    // ---- applications and webhooks ----

    /// The application of this world, made when it is first asked for.
    pub fn application(&mut self) -> ApplicationId {
        if let Some(known) = self.application {
            return known;
        }
        let made = self.must(|app| async move {
            app.create_application("Acme", vec![], app::UNLIMITED, Defaults::default(), None).await
        });
        *self.application.insert(made.entry.application.id)
    }

    /// Another application: from now on the one that webhooks and cars are made for.
    pub fn another_application(&mut self) -> ApplicationId {
        self.application = None;
        self.application()
    }

    /// The management token that is in force.
    pub fn token(&mut self) -> String {
        let id = self.application();
        self.app().application(id).expect("the application of this world").management_token.to_string()
    }

    /// Gives the application another management token, and tells no receiver.
    pub fn rotate_token(&mut self) -> String {
        let id = self.application();
        self.must(|app| async move { app.rotate_management_token(id, Duration::ZERO, None).await });
        self.token()
    }

    /// Gives the application another management token beside the one that it has, which still signs for so long.
    pub fn rotate_token_over(&mut self, overlap: Duration) -> String {
        let id = self.application();
        self.must(move |app| async move { app.rotate_management_token(id, overlap, None).await });
        self.token()
    }

    /// A receiver that accepts everything; answers with its URI.
    pub fn receiver(&mut self) -> String {
        self.made_receivers += 1;
        let uri = uri_of(self.made_receivers);
        self.receivers.add(&uri);
        let token = self.token();
        self.receivers.confide(&uri, &token);
        uri
    }

    /// The settings of a webhook: `every hour`, `every 2 hours`, `daily at 06:00 Europe/Berlin`, `weekly on monday`,
    /// `monthly on 31`.
    pub fn scheduled(cadence: &str, endpoints: &[&str]) -> Scheduled {
        let endpoint = |path: &&str| Endpoint::from_path(path).expect("an endpoint");
        Scheduled {
            cadence: words::cadence(cadence),
            endpoints: endpoints.iter().map(endpoint).collect(),
            units: domain::units::UnitSystem::Metric,
            event_name: ScheduledName::Schedule,
            vehicles_per_request: 1,
        }
    }

    /// The settings of a unified webhook: what makes it fire, and what it carries.
    pub fn unified(triggers: &[SignalId], data: &[SignalId]) -> Unified {
        Unified {
            triggers: triggers.iter().map(|&signal| Trigger { signal, dead_band: None }).collect(),
            data: data.to_vec(),
            profile: Default::default(),
            simulated_mode: SimulatedMode::Simulated,
            lenient_verification: false,
        }
    }

    /// A verified unified webhook that carries just what makes it fire.
    pub fn unified_webhook(&mut self, triggers: &[SignalId]) -> Hook {
        self.webhook_of(Plan::Unified(Self::unified(triggers, triggers)))
    }

    /// A verified unified webhook whose errors go to a receiver of their own; answers with that one's URI, too.
    pub fn unified_webhook_with_error_uri(&mut self, triggers: &[SignalId]) -> (Hook, String) {
        let errors = self.receiver();
        let plan = Plan::Unified(Self::unified(triggers, triggers));
        let error_uri = errors.clone();
        let hook = self.unverified_webhook_with(plan, |request| request.error_uri = Some(error_uri));
        self.verified(hook);
        (hook, errors)
    }

    /// A unified webhook that is not verified, whose errors go to this URI.
    pub fn unverified_webhook_with_error_uri(
        &mut self,
        triggers: &[SignalId],
        errors: &str,
        unchecked: bool,
    ) -> Hook {
        let plan = Plan::Unified(Self::unified(triggers, triggers));
        let error_uri = errors.to_owned();
        self.unverified_webhook_with(plan, |request| {
            request.error_uri = Some(error_uri);
            request.error_uri_unchecked = unchecked;
        })
    }

    /// A verified webhook that is told about every vehicle of its application, present and coming ones.
    pub fn automatic_webhook(&mut self, plan: Plan) -> Hook {
        let hook = self.unverified_webhook_with(plan, |request| request.auto_subscribe = true);
        self.verified(hook);
        hook
    }

    /// A verified webhook that reports these charging events.
    pub fn charging_webhook(&mut self, events: &[ChargingEvent]) -> Hook {
        self.webhook_of(Plan::EventBased(EventBased { events: events.iter().copied().collect() }))
    }

    /// A verified dynamic webhook.
    pub fn dynamic_webhook(&mut self) -> Hook {
        self.webhook_of(Plan::Dynamic(Dynamic::default()))
    }

    /// A verified webhook with a receiver of its own that accepts everything.
    pub fn scheduled_webhook(&mut self, cadence: &str, endpoints: &[&str]) -> Hook {
        self.webhook(Self::scheduled(cadence, endpoints))
    }

    /// A verified webhook with other settings.
    pub fn webhook(&mut self, settings: Scheduled) -> Hook {
        self.webhook_of(Plan::Scheduled(settings))
    }

    /// A verified webhook of any generation.
    pub fn webhook_of(&mut self, plan: Plan) -> Hook {
        let hook = self.unverified_webhook_of(plan);
        self.verified(hook);
        hook
    }

    /// Verifies a webhook whose receiver knows the right answer.
    fn verified(&mut self, hook: Hook) {
        let view = self.verify(hook);
        assert!(view.entry.webhook().status.verified, "{:?}", view.last_verification);
    }

    /// A scheduled webhook that has not been verified.
    pub fn unverified_webhook(&mut self, settings: Scheduled) -> Hook {
        self.unverified_webhook_of(Plan::Scheduled(settings))
    }

    /// A webhook of any generation that has not been verified.
    pub fn unverified_webhook_of(&mut self, plan: Plan) -> Hook {
        self.unverified_webhook_with(plan, |_| {})
    }

    /// A webhook that has not been verified, with something else about it.
    fn unverified_webhook_with(&mut self, plan: Plan, change: impl FnOnce(&mut NewWebhookRequest)) -> Hook {
        let (application, uri) = (self.application(), self.receiver());
        let mut request = NewWebhookRequest {
            application,
            name: format!("Hook {}", self.made_receivers),
            callback_uri: uri,
            error_uri: None,
            error_uri_unchecked: false,
            verify: false,
            plan,
            auto_subscribe: false,
            agent: Agent::Milepost,
            headers: Default::default(),
        };
        change(&mut request);
        let view = self.must(|app| async move { app.create_webhook(request, None).await });
        let webhook = view.entry.webhook();
        let hook = Hook { id: webhook.id, no: webhook.no, receiver: self.made_receivers };
        self.made_hooks.push(hook);
        hook
    }

    /// Sends a challenge; a second passes first, because verifications are that rare at most.
    pub fn verify(&mut self, hook: Hook) -> WebhookView {
        self.advance(Duration::from_secs(1));
        self.must(|app| async move { app.verify_webhook(hook.id).await })
    }

    /// The webhook as its operator sees it.
    pub fn view(&mut self, hook: Hook) -> WebhookView {
        self.must(|app| async move { app.webhook(hook.id).await })
    }

    /// Whether the webhook delivers.
    pub fn delivers(&mut self, hook: Hook) -> bool {
        self.view(hook).entry.webhook().status.delivers()
    }

    /// Changes a webhook.
    pub fn edit(&mut self, hook: Hook, edit: EditWebhook) -> WebhookView {
        self.must(|app| async move { app.edit_webhook(hook.id, edit).await })
    }

    /// Gives a webhook another cadence.
    pub fn reschedule(&mut self, hook: Hook, cadence: &str) {
        let view = self.view(hook);
        let old = view.entry.webhook().scheduled().expect("a scheduled webhook").clone();
        let plan = Plan::Scheduled(Scheduled { cadence: words::cadence(cadence), ..old });
        self.edit(hook, EditWebhook { plan: Some(plan), ..EditWebhook::default() });
    }

    /// Switches a webhook on.
    pub fn enable(&mut self, hook: Hook) {
        self.must(|app| async move { app.enable_webhook(hook.id).await });
    }

    /// Switches a webhook off.
    pub fn disable(&mut self, hook: Hook) {
        self.must(|app| async move { app.disable_webhook(hook.id).await });
    }

    /// Deletes a webhook.
    pub fn delete(&mut self, hook: Hook) {
        self.must(|app| async move { app.delete_webhook(hook.id, &app::Precondition::None).await });
    }

    // ---- cars ----

    /// A simulated car whose owner has granted everything.
    pub fn car(&mut self) -> Car {
        self.car_with(Mode::Simulated, PermissionSet::ALL)
    }

    /// A car that counts as real.
    pub fn live_car(&mut self) -> Car {
        self.car_with(Mode::Live, PermissionSet::ALL)
    }

    /// Several cars.
    pub fn cars(&mut self, count: usize) -> Vec<Car> {
        (0..count).map(|_| self.car()).collect()
    }

    /// A car of a mode whose owner grants this.
    pub fn car_with(&mut self, mode: Mode, permissions: PermissionSet) -> Car {
        self.car_of(SIMULATED, mode, permissions)
    }

    /// A car that nobody can be asked about: all that is known of it is pushed.
    pub fn pushed_car(&mut self) -> Car {
        self.car_of(PUSHED, Mode::Live, PermissionSet::ALL)
    }

    /// A car of a kind of source.
    fn car_of(&mut self, kind: u8, mode: Mode, permissions: PermissionSet) -> Car {
        let id = self.application();
        let number = u32::try_from(self.made_cars.len() + 1).expect("not so many cars");
        let spec = car_spec(number, self.now());
        let model = spec.model();
        let info = VehicleInfo {
            // Linking gives it another one.
            id: VehicleId(uuid::Uuid::nil()),
            make: model.make.to_owned(),
            model: model.name.to_owned(),
            year: spec.year(),
            mode,
            powertrain: model.powertrain,
            region: Region::Europe,
        };
        let linked = self.must(|app| async move {
            let application = app.application(id)?.application.no;
            let pool = app.pool("simulated:TESLA").await?;
            let source = SourceRef { kind, pool, spec: spec.encode() };
            let request = LinkRequest { application, user: None, info, permissions, source };
            Ok(app.link(vec![request]).await?.remove(0))
        });
        let car = Car { linked, number };
        self.made_cars.push(car);
        car
    }

    /// Puts a car on a webhook.
    pub fn subscribe(&mut self, hook: Hook, car: Car) {
        self.must(|app| async move { app.subscribe(hook.id, &[car.id()]).await });
    }

    /// Puts cars on a webhook.
    pub fn subscribe_all(&mut self, hook: Hook, cars: &[Car]) {
        let ids: Vec<_> = cars.iter().map(|car| car.id()).collect();
        self.must(|app| async move { app.subscribe(hook.id, &ids).await });
    }

    /// Takes a car off a webhook.
    pub fn unsubscribe(&mut self, hook: Hook, car: Car) {
        self.must(|app| async move { app.unsubscribe(hook.id, car.id()).await });
    }

    /// Ends a connection.
    pub fn disconnect(&mut self, car: Car) {
        self.must(|app| async move { app.disconnect(car.id()).await });
    }

    /// Changes what the owner grants.
    pub fn grant(&mut self, car: Car, permissions: PermissionSet) {
        self.must(|app| async move { app.set_permissions(car.id(), permissions).await });
    }

    /// How a car answers from now on.
    pub fn car_is(&mut self, car: Car, mood: Mood) {
        self.car_will(car, &[], mood);
    }

    /// How a car answers next, one by one, and afterwards.
    pub fn car_will(&mut self, car: Car, next: &[Mood], then: Mood) {
        let vin = car_spec(car.number, self.now()).vin();
        self.cars.script(&vin, next, then);
    }

    /// All reads of a car so far.
    pub fn reads(&self, car: Car) -> Vec<Read> {
        let vin = car_spec(car.number, self.now()).vin();
        self.cars.reads().into_iter().filter(|read| read.vin == vin).collect()
    }

    // ---- pushes ----

    /// Who may push readings of this application's vehicles: what counts as newer, and how long readings wait for earlier
    /// ones.
    pub fn feed(&mut self, newer: Newer, hold: Duration) -> Arc<Feed> {
        let id = self.application();
        let hold_ms = u32::try_from(hold.as_millis()).expect("a short time");
        self.must(|app| async move { app.create_feed(id, "Cars", newer, hold_ms, None).await }).feed
    }

    /// Pushes readings in one request; answers with those that were refused. `None` when the process ended before it
    /// answered.
    pub fn push(&mut self, feed: &Arc<Feed>, readings: Vec<PushedReading>) -> Option<Vec<Rejected>> {
        let feed = feed.clone();
        let readings = readings.into_iter().enumerate().collect();
        let answered = self.ask(|app| async move { app.ingest(&feed, readings).await })?;
        Some(answered.expect("readings are taken in").rejected)
    }

    /// Pushes a reading; answers with whether it was applied. `None` when the process ended before it answered.
    pub(crate) fn push_applied(&mut self, feed: &Arc<Feed>, reading: PushedReading) -> Option<bool> {
        let feed = feed.clone();
        let answered = self.ask(|app| async move { app.ingest(&feed, vec![(0, reading)]).await })?;
        let ingested = answered.expect("readings are taken in");
        Some(ingested.rejected.is_empty() && ingested.outcomes.is_empty())
    }

    /// Pushes readings as a request over HTTP does: it waits while events of the application lag, and may be sent away.
    pub fn push_or_wait(
        &mut self,
        feed: &Arc<Feed>,
        readings: Vec<PushedReading>,
    ) -> Result<Vec<Rejected>, AppError> {
        let feed = feed.clone();
        let readings: Vec<_> = readings.into_iter().enumerate().collect();
        let pushed = self.ask(|app| async move {
            let mut admitted = app.admit_readings(feed.application).await?;
            admitted.expect(readings.len())?;
            app.ingest(&feed, readings).await
        });
        pushed.expect("the process does not end meanwhile").map(|ingested| ingested.rejected)
    }

    // ---- receivers ----

    /// What a webhook's receiver does from now on.
    pub fn receiver_is(&mut self, hook: Hook, reaction: Reaction) {
        self.receiver_will(hook, &[], reaction);
    }

    /// What a webhook's receiver does next, one by one, and afterwards.
    pub fn receiver_will(&mut self, hook: Hook, next: &[Reaction], then: Reaction) {
        self.receivers.script(&uri_of(hook.receiver), next, then);
    }

    /// What the receiver at a URI does from now on.
    pub fn uri_is(&mut self, uri: &str, reaction: Reaction) {
        self.receivers.script(uri, &[], reaction);
    }

    /// What a webhook's receiver does with every request about a car.
    pub fn receiver_to(&mut self, hook: Hook, car: Car, reaction: Reaction) {
        self.receivers.react_to(&uri_of(hook.receiver), lab::id::Id(car.id().0.as_u128()), reaction);
    }

    /// What a webhook's receiver answers to challenges from now on.
    pub fn to_challenge(&mut self, hook: Hook, answer: ToChallenge) {
        self.receivers.to_challenge(&uri_of(hook.receiver), answer);
    }

    /// What a receiver answers to challenges from now on.
    pub fn receiver_to_challenge(&mut self, uri: &str, answer: ToChallenge) {
        self.receivers.to_challenge(uri, answer);
    }

    /// The challenges and tests that receivers got.
    pub fn probes(&self) -> Vec<Received> {
        self.receivers.with_received(|all| all.iter().filter(|post| !post.is_data()).cloned().collect())
    }

    /// Tells a webhook's receiver a token.
    pub fn confide(&mut self, hook: Hook, token: &str) {
        self.receivers.confide(&uri_of(hook.receiver), token);
    }

    /// Everything that reached a receiver, in the order of coming.
    pub fn received(&self) -> Vec<Received> {
        self.receivers.received()
    }

    /// Looks at everything that reached a receiver.
    pub fn with_received<T>(&self, look: impl FnOnce(&[Received]) -> T) -> T {
        self.receivers.with_received(look)
    }

    /// Forgets what reached receivers so far.
    pub fn forget_received(&mut self) {
        self.receivers.forget_received();
    }

    /// The vehicle data that a webhook's receivers got.
    pub fn posts(&self, hook: Hook) -> Vec<Received> {
        let webhook = Some(lab::id::Id(hook.id.0.as_u128()));
        let of_hook = |post: &Received| {
            post.is_data() && post.event.as_ref().is_some_and(|event| event.webhook == webhook)
        };
        self.receivers.with_received(|all| all.iter().filter(|post| of_hook(post)).cloned().collect())
    }

    /// The vehicle data that a webhook's receivers got, in words: `16:00:00 car 1: 200`, one line each. What came at the
    /// same moment is told in the order of the cars.
    pub fn story(&self, hook: Hook) -> String {
        let mut posts = self.posts(hook);
        posts.sort_by_cached_key(|post| (post.began, words::post(post, &self.made_cars)));
        posts.iter().map(|post| words::post(post, &self.made_cars)).collect::<Vec<_>>().join("\n")
    }

    // ---- the log ----

    /// The delivery log, oldest first.
    pub fn log(&mut self) -> Vec<DeliverySummary> {
        let mut log = self.must(|app| async move {
            let mut all: Vec<DeliverySummary> = Vec::new();
            loop {
                let before = all.last().map(|row| row.logged.event);
                let query = app::DeliveryQuery { before, ..app::DeliveryQuery::default() };
                let page = app.deliveries(query, 1_000).await?;
                all.extend(page.items);
                if !page.more {
                    return Ok(all);
                }
            }
        });
        log.reverse();
        log
    }

    /// The log of a webhook in words: `car 1 16:00: delivered after 2 attempts`, one line each, in the order of slots and
    /// cars.
    pub fn log_story(&mut self, hook: Hook) -> String {
        let mut log = self.log();
        log.retain(|row| row.logged.webhook == hook.no);
        log.sort_by_key(|row| (row.logged.slot, row.logged.vehicle));
        log.iter().map(|row| words::log_row(row, &self.made_cars)).collect::<Vec<_>>().join("\n")
    }

    /// The ids on the wire of a webhook and a vehicle of the log.
    pub(crate) fn names_of(&self, webhook: WebhookNo, vehicle: VehicleNo) -> Option<(WebhookId, VehicleId)> {
        let hook = self.made_hooks.iter().find(|hook| hook.no == webhook)?;
        let car = self.made_cars.iter().find(|car| car.linked.no == vehicle)?;
        Some((hook.id, car.id()))
    }

    // ---- the trace ----

    /// Keeps the lines of the trace from now on.
    pub fn keep_trace(&mut self) {
        self.trace.keep_lines();
    }

    /// Writes into the trace what a test does.
    pub fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.line(format_args!("{} {what}", self.now()));
    }

    /// All that happened, as one number.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// The lines of the trace, while they are kept.
    pub fn trace(&self) -> Vec<String> {
        self.trace.lines()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(life) = self.life.take() {
            life.fate.strikes(Moment::AfterCommit);
            drop(life);
        }
        self.clock.forget_sleepers();
    }
}

fn uri_of(receiver: usize) -> String {
    format!("https://r{receiver}.example/hook")
}

/// The car with a number: a Tesla that stands.
fn car_spec(number: u32, now: Timestamp) -> CarSpec {
    let model = models().find(|no| no.model().make == "TESLA").expect("the catalogue has a Tesla");
    let year = model.model().years.1;
    let spec = CarSpec::new(number, model, year, Region::UnitedStates, Profile::Parked)
        .expect("a car of the catalogue");
    spec.start(now)
}
