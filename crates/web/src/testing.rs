//! A server for tests: the application on a store in memory, a clock that stands, and a callback URI that answers as
//! it is told.

use std::{
    io::Read,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use app::{
    App, ConnectSettings, Parts, Plan, Plans, PushedReading, Settings, VehicleRates,
    ports::{
        AccountCar, AccountRefused, Answers, BrandAccount, BrandAccounts, CarActivity, CarCommand,
        CarRefused, CarRequest, CarStage, Clock, Dice, Factor, ImportReport, MadeCar, NewRecording, Outbound,
        Post, ReadRecording, RecordingRefused, Reply, SignIn, SignedIn, Simulator, SkipReason, Spawn, Target,
        TripParts, UriRefused, VehicleSource,
    },
};
use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use domain::{
    compatibility::Model,
    connect::{Permission, PermissionSet, authorize},
    delivery::Failure,
    errors::ErrorCode,
    limits::Limit,
    signal::{self, BrandRead, Details, Powertrain, SignalId},
    signature,
    time::Timestamp,
    vehicle::{Answer, Command, Fault, Region},
    webhook::Kind,
};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{Newer, SourceRef};
use store_sqlite::{Options, SqliteKeyring, SqliteStore};
use tokio::sync::watch;
use tower::ServiceExt;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Limits, TrustedProxies, WebConfig, problem::ApiError, router};

pub(crate) const ADMIN_TOKEN: &str = "an admin token";
/// A host name that leads to a private address.
pub(crate) const PRIVATE_HOST: &str = "private.example";

/// 2026-03-02 12:00 UTC.
const NOON: Timestamp = Timestamp::from_secs(1_772_452_800);

/// A clock that stands until it is moved.
#[derive(Clone)]
pub(crate) struct StandingClock(watch::Sender<Duration>);

impl StandingClock {
    pub(crate) fn pass(&self, by: Duration) {
        self.0.send_modify(|passed| *passed += by);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        NOON + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.0.borrow()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut passed = self.0.subscribe();
        Box::pin(async move { drop(passed.wait_for(|&passed| NOON + passed >= at).await) })
    }
}

/// Counts up, so that no two ids are alike.
#[derive(Default)]
struct CountingDice(AtomicU64);

/// Where the dice of a process begin that goes on in a folder.
const AGAIN: u64 = 1 << 32;

impl Dice for CountingDice {
    fn fill(&self, buffer: &mut [u8]) {
        for (chunk, at) in buffer.chunks_mut(32).zip(0_u64..) {
            let seed = [self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes(), at.to_be_bytes()].concat();
            chunk.copy_from_slice(&Sha256::digest(seed)[..chunk.len()]);
        }
    }
}

/// How the callback URI answers.
type Answering = dyn Fn(&Post) -> Result<Reply, Failure> + Send;

/// The way out, which leads to one callback URI.
#[derive(Clone)]
pub(crate) struct WayOut {
    answering: Arc<Mutex<Box<Answering>>>,
    held: watch::Sender<bool>,
    asked: Arc<AtomicBool>,
}

impl WayOut {
    fn new() -> Self {
        Self {
            answering: Arc::new(Mutex::new(Box::new(|_: &Post| Err(Failure::Refused)))),
            held: watch::Sender::new(false),
            asked: Arc::default(),
        }
    }

    /// How the callback URI answers from now on.
    pub(crate) fn answer(&self, with: impl Fn(&Post) -> Result<Reply, Failure> + Send + 'static) {
        *self.answering.lock().unwrap() = Box::new(with);
    }

    /// Answers like this from now on, and keeps the bodies that were sent.
    pub(crate) fn keep(
        &self,
        with: impl Fn(&Post) -> Result<Reply, Failure> + Send + 'static,
    ) -> Arc<Mutex<Vec<Value>>> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = kept.clone();
        self.answer(move |post| {
            keeps.lock().unwrap().push(serde_json::from_slice(&post.body).unwrap());
            with(post)
        });
        kept
    }

    /// Whether answers wait.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Whether anything was ever sent.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Outbound for WayOut {
    fn parse(&self, uri: &str) -> Result<Target, UriRefused> {
        let rest = uri.strip_prefix("https://").ok_or(UriRefused::Scheme)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Target { tls: true, host: host.into(), port: 443, path: format!("/{path}") })
    }

    async fn vet(&self, target: &Target) -> Result<(), UriRefused> {
        if target.host == PRIVATE_HOST { Err(UriRefused::Address) } else { Ok(()) }
    }

    async fn post(&self, post: Post) -> Result<Reply, Failure> {
        self.asked.store(true, Ordering::Relaxed);
        drop(self.held.subscribe().wait_for(|held| !held).await);
        self.answering.lock().unwrap()(&post)
    }
}

/// Cars that have always gone 100.5 km, and say nothing else. They do all that they are told.
#[derive(Default)]
pub(crate) struct Cars {
    failing: Mutex<Option<Fault>>,
    reads: AtomicU64,
    told: Mutex<Vec<Command>>,
}

impl Cars {
    /// How all of them fail from now on, if they do.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        *self.failing.lock().unwrap() = fault;
    }

    /// How many reads there were.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// What they were told to do.
    pub(crate) fn told(&self) -> Vec<Command> {
        self.told.lock().unwrap().clone()
    }

    fn refusal(&self) -> Result<(), Fault> {
        self.failing.lock().unwrap().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl VehicleSource for Cars {
    async fn read(&self, _: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.refusal()?;
        let answer = |&signal| Answer {
            signal,
            outcome: match signal {
                signal::ODOMETER => Ok((signal::Value::Number(100.5), Some(NOON))),
                signal::NOMINAL_CAPACITY => Ok((signal::Value::Number(24.0), Some(NOON))),
                _ => Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into()),
            },
        };
        Ok(wanted.iter().map(answer).collect())
    }

    async fn details(&self, _: &SourceRef, read: BrandRead) -> Result<Option<Details>, Fault> {
        self.refusal()?;
        let values = read.fields().iter().map(|field| (field.name, signal::Value::Json("[]".into())));
        Ok(Some(Details { captured_at: NOON, values: values.collect() }))
    }

    fn can(&self, _: &SourceRef, _: Command) -> Result<(), ErrorCode> {
        Ok(())
    }

    async fn command(&self, car: &SourceRef, command: Command) -> Result<Option<Vec<u8>>, Fault> {
        self.refusal()?;
        self.told.lock().unwrap().push(command);
        Ok(Some([&car.spec[..], b"!"].concat()))
    }
}

/// A recording in one part.
struct Whole(String);

impl TripParts for Whole {
    fn manifest(&self) -> Vec<u8> {
        b"manifest".to_vec()
    }

    fn parts(&self) -> u32 {
        1
    }

    fn part(&self, _: u32) -> Vec<u8> {
        self.0.clone().into_bytes()
    }
}

impl Simulator for Cars {
    fn make(&self, request: &CarRequest, _: u64, _: Timestamp) -> Result<MadeCar, CarRefused> {
        match request.make.as_str() {
            "TESLA" => Ok(MadeCar {
                make: request.make.clone(),
                model: request.model.clone(),
                year: request.year.unwrap_or(2026),
                powertrain: Powertrain::Bev,
                region: Region::from_word(&request.region).unwrap_or_default(),
                kind: 1,
                spec: request.profile.clone().into_bytes(),
            }),
            _ => Err(CarRefused::new("make", "there is only TESLA")),
        }
    }

    fn control(&self, _: &[u8], command: &CarCommand, _: Timestamp) -> Result<Vec<u8>, CarRefused> {
        Ok(format!("{command:?}").into_bytes())
    }

    fn stages(&self, _: &[u8], _: Timestamp) -> Result<Vec<CarStage>, String> {
        let stage = |activity, minutes: u64, is_now| {
            let begins = Duration::from_secs(60 * minutes);
            CarStage { activity, begins, is_now }
        };
        Ok(vec![stage("boarding", 0, false), stage("driving", 1, true), stage("parked", 30, false)])
    }

    fn describe(&self, spec: &[u8], _: Timestamp) -> CarActivity {
        let recording = Some(String::from_utf8_lossy(spec).into_owned());
        CarActivity { recording, elapsed: Duration::from_millis(381_500), ..CarActivity::default() }
    }

    /// Every byte of the file is a reading; a file of blanks has none.
    fn record(
        &self,
        recording: &NewRecording,
        id: Uuid,
        file: &mut dyn Read,
        _: Timestamp,
    ) -> Result<ReadRecording, RecordingRefused> {
        let refused =
            |field, message: &str, report| RecordingRefused { field, message: message.into(), report };
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| refused("csv", &error.to_string(), None))?;
        let mut report = ImportReport { readings: text.len() as u64, ..ImportReport::default() };
        if recording.columns.is_some() {
            return Err(refused("columns", "there are no columns", None));
        }
        if text.trim().is_empty() {
            report.skip(SkipReason::NoValue, 1, None);
            return Err(refused("csv", "nothing can be taken", Some(Box::new(report))));
        }
        let car = MadeCar {
            make: "RECORDED".into(),
            model: recording.name.clone(),
            year: 2026,
            powertrain: Powertrain::Bev,
            region: Region::Europe,
            kind: 1,
            spec: id.as_bytes().to_vec(),
        };
        Ok(ReadRecording { car, trip: Arc::new(Whole(text)), report })
    }

    fn models(&self) -> Vec<(String, String, u16, u16, Powertrain, String)> {
        vec![("TESLA".into(), "Model 3".into(), 2018, 2026, Powertrain::Bev, "US".into())]
    }

    fn catalogue(&self) -> Vec<Model> {
        vec![Model {
            make: "TESLA".into(),
            model: "Model 3".into(),
            years: (2018, 2026),
            powertrain: Powertrain::Bev,
            regions: vec![Region::UnitedStates],
            signals: vec![signal::ODOMETER, signal::STATE_OF_CHARGE],
        }]
    }

    fn model_of_vin(&self, _: &str) -> Option<(usize, u16)> {
        None
    }
}

/// The number of the car that the operator of a test has made.
const MADE_VIN: &str = "0MPMADE0000000001";

/// Owners whose names say what comes of them; everybody else has a car, or as many as the name begins with. The twin of
/// somebody has the same cars in an account of their own.
#[async_trait]
impl BrandAccounts for Cars {
    fn brands(&self, mode: authorize::Mode, _: Region) -> Vec<String> {
        match mode {
            authorize::Mode::Live => vec![],
            _ => ["CHEVROLET", "LAND ROVER", "NISSAN", "RIVIAN", "TESLA"].map(String::from).into(),
        }
    }

    fn make_of(&self, vin: &str) -> Option<String> {
        vin.starts_with("5YJ").then(|| "TESLA".into())
    }

    async fn sign_in(&self, attempt: &SignIn) -> Result<SignedIn, AccountRefused> {
        match attempt.username.split('@').next().unwrap_or_default() {
            "wrong" => Err(AccountRefused::WrongLogin),
            "empty" => Err(AccountRefused::NoVehicles),
            "ended" => Err(AccountRefused::Subscription),
            "lost" => Err(AccountRefused::Configuration("a test login in another mode".into())),
            "old" => Err(AccountRefused::Incompatible {
                vin: "0MPOLD00000000001".into(),
                model: Some("T".into()),
                year: Some(1912),
            }),
            _ => {
                let wanted = attempt.vin.as_deref().unwrap_or_default();
                let ticket = format!("{}|{}|{wanted}", attempt.make, attempt.username);
                let factor = (attempt.make == "RIVIAN").then_some(Factor::Code(6));
                Ok(SignedIn { ticket: ticket.into_bytes(), factor })
            }
        }
    }

    async fn confirm(&self, _: &[u8], typed: &str) -> Result<bool, AccountRefused> {
        Ok(typed == "123456")
    }

    async fn account(&self, ticket: &[u8], _: Timestamp) -> Result<BrandAccount, AccountRefused> {
        let text = String::from_utf8(ticket.to_vec()).unwrap();
        let parts: Vec<_> = text.split('|').collect();
        let [make, name, wanted] = parts[..] else { panic!("{text}") };
        let count = name.split('-').next().and_then(|count| count.parse().ok()).unwrap_or(1);
        let number = |place: u32| {
            let driver = name.strip_prefix("twin-of-").unwrap_or(name);
            let hash = hex(&Sha256::digest(format!("{make}{driver}{place}")));
            format!("0MP{}", hash[..14].to_uppercase())
        };
        let vin = |place| if wanted.is_empty() { number(place) } else { wanted.to_owned() };
        let car = |place: u32| AccountCar {
            // The last one has none yet.
            needs_virtual_key: name.contains("keyless") && place + 1 == count,
            ..account_car(make, &vin(place))
        };
        let cars = (0..count).map(car).collect();
        Ok(BrandAccount { identity: format!("{make}:{name}"), cars })
    }

    fn car(&self, _: u8, spec: &[u8]) -> Option<AccountCar> {
        let text = String::from_utf8_lossy(spec);
        let (make, vin) = text.split_once('|').unwrap_or(("TESLA", MADE_VIN));
        Some(account_car(make, vin))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn account_car(make: &str, vin: &str) -> AccountCar {
    AccountCar {
        vin: vin.into(),
        make: make.into(),
        model: if make == "CHEVROLET" { "Volt" } else { "Model <3>" }.into(),
        year: 2019,
        mode: domain::vehicle::Mode::Simulated,
        powertrain: Powertrain::Bev,
        region: Region::UnitedStates,
        capacities_wh: if make == "NISSAN" { vec![24_000, 40_500] } else { vec![] },
        supported: PermissionSet::ALL.without(Permission::ReadFuel),
        needs_virtual_key: false,
        kind: 1,
        spec: format!("{make}|{vin}").into_bytes(),
    }
}

struct Tasks;

impl Spawn for Tasks {
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work);
    }
}

fn usual() -> Settings {
    Settings { origin: "https://milepost.example".into(), ..Settings::default() }
}

/// A server.
pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) clock: StandingClock,
    pub(crate) outbound: WayOut,
    pub(crate) keyring: Arc<SqliteKeyring>,
    pub(crate) cars: Arc<Cars>,
}

/// What came back.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answered {
    /// The header `ETag`.
    pub(crate) fn etag(&self) -> String {
        self.headers["etag"].to_str().expect("a tag is text").to_owned()
    }

    /// The codes of the warnings beside an object.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let json = self.json();
        let warnings = json["warnings"].as_array().expect("a change has warnings").iter();
        warnings.map(|warning| warning["code"].as_str().expect("a code").to_owned()).collect()
    }

    /// The body as JSON; null when there is none.
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_str(&self.body).expect(&self.body) }
    }

    /// The object that a change has answered with, without warnings.
    pub(crate) fn object(&self) -> Value {
        let mut object = self.json();
        object.as_object_mut().expect("an object").remove("warnings").expect("a change has warnings");
        object
    }

    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("no text {member} in {}", self.body)).to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::start(limits, usual()).await
    }

    /// One that is reached at this origin.
    pub(crate) async fn at(origin: &str) -> Self {
        Self::start(Limits::default(), Settings { origin: origin.into(), ..usual() }).await
    }

    /// One with these plans.
    pub(crate) async fn with_plans(plans: &[(&str, Plan)]) -> Self {
        let plans = plans.iter().map(|(name, plan)| ((*name).to_owned(), plan.clone()));
        Self::planned(Plans(plans.collect())).await
    }

    /// One where the plan of this name has these webhooks only, two requests a month, and three vehicles.
    pub(crate) async fn with_plan(name: &str, webhooks: &[Kind]) -> Self {
        let plan =
            Plan { webhooks: webhooks.to_vec(), requests: Some(2), vehicles: Some(3), ..Plan::default() };
        Self::planned(Plans([(name.to_owned(), plan)].into())).await
    }

    /// One whose plan of this name ends at so many vehicles.
    pub(crate) async fn with_room(name: &str, vehicles: u64) -> Self {
        let plan = Plan { vehicles: Some(vehicles), ..Plan::default() };
        Self::planned(Plans([(name.to_owned(), plan)].into())).await
    }

    async fn planned(plans: Plans) -> Self {
        Self::start(Limits::default(), Settings { plans, ..usual() }).await
    }

    /// One where vehicles of a brand may be asked so often.
    pub(crate) async fn with_vehicle_rate(make: &str, limit: Limit) -> Self {
        let mut settings = usual();
        settings.reads.vehicle_rates = VehicleRates([(make.to_owned(), limit)].into());
        Self::start(Limits::default(), settings).await
    }

    /// One that connects no cars of the simulator.
    pub(crate) async fn without_simulated_cars() -> Self {
        let connect = ConnectSettings { simulated: false };
        Self::start(Limits::default(), Settings { connect, ..usual() }).await
    }

    async fn start(limits: Limits, settings: Settings) -> Self {
        let keyring = Arc::new(SqliteKeyring::in_memory().unwrap());
        Self::start_on(SqliteStore::in_memory().unwrap(), keyring, limits, settings).await
    }

    /// One whose data is on disk, in a folder that may have been used before.
    pub(crate) async fn in_folder(folder: &Path, options: Options) -> Self {
        let keyring = Arc::new(SqliteKeyring::open(folder).unwrap());
        // What a process before has made must not be made again.
        let dice = if folder.join("milepost.db").exists() { AGAIN } else { 0 };
        let store = SqliteStore::open(folder, options).unwrap();
        Self::start_with(store, keyring, Limits::default(), usual(), dice).await
    }

    /// Ends the process: its folder is free.
    pub(crate) async fn end(self) {
        self.app.shut_down(Duration::ZERO).await.unwrap();
        self.keyring.close().await.unwrap();
    }

    async fn start_on(
        store: SqliteStore,
        keyring: Arc<SqliteKeyring>,
        limits: Limits,
        settings: Settings,
    ) -> Self {
        Self::start_with(store, keyring, limits, settings, 0).await
    }

    async fn start_with(
        store: SqliteStore,
        keyring: Arc<SqliteKeyring>,
        limits: Limits,
        settings: Settings,
        dice: u64,
    ) -> Self {
        let clock = StandingClock(watch::Sender::new(Duration::ZERO));
        let outbound = WayOut::new();
        let cars = Arc::new(Cars::default());
        let parts = Parts {
            store: Arc::new(store),
            keyring: keyring.clone(),
            master_key: Zeroizing::new([7; 32]),
            clock: Arc::new(clock.clone()),
            dice: Arc::new(CountingDice(AtomicU64::new(dice))),
            outbound: Arc::new(outbound.clone()),
            source: cars.clone(),
            simulator: cars.clone(),
            accounts: cars.clone(),
            spawn: Arc::new(Tasks),
        };
        let app = App::start(parts, settings).await.unwrap();
        let config = WebConfig {
            admin_token_hashes: vec![Sha256::digest(ADMIN_TOKEN).into()],
            version: "1.2.3".into(),
            limits,
            trusted: TrustedProxies::default(),
        };
        Self { router: router(app.clone(), config), app, clock, outbound, keyring, cars }
    }

    /// Any request.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answered {
        let host = HeaderValue::from_static("milepost.example");
        request.headers_mut().entry(header::HOST).or_insert(host);
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answered { status: head.status, headers: head.headers, body: String::from_utf8(body.into()).unwrap() }
    }

    /// A request with a bearer token, and a body unless it is null.
    pub(crate) async fn request(&self, method: Method, path: &str, token: &str, body: Value) -> Answered {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    /// A request of the admin API on a version of its object.
    pub(crate) async fn admin_if(&self, method: Method, path: &str, if_match: &str, body: Value) -> Answered {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, if_match);
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    /// A request of the admin API.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Answered {
        self.request(method, &format!("/api/v1{path}"), ADMIN_TOKEN, body).await
    }

    /// Lets the tenant's receiver prove itself, and the tenant's vehicle be on the webhook.
    pub(crate) async fn subscribed(&self, tenant: &Tenant, status: u16) {
        self.outbound.answer(receiver(tenant.management_token.clone(), status));
        self.on(&tenant.webhook, &tenant.vehicle).await;
    }

    /// Verifies a webhook whose receiver can, and puts a vehicle on it.
    pub(crate) async fn on(&self, webhook: &str, vehicle: &str) {
        let webhook = format!("/webhooks/{webhook}");
        let verified = self.admin(Method::POST, &format!("{webhook}/verify"), Value::Null).await.expect(200);
        assert_eq!(verified.json()["verified"], true, "{}", verified.body);
        let vehicles = json!({"vehicleIds": [vehicle]});
        self.admin(Method::POST, &format!("{webhook}/subscriptions"), vehicles).await.expect(200);
    }

    /// The id of a new webhook of the tenant.
    pub(crate) async fn webhook(&self, tenant: &Tenant, new: Value) -> String {
        let path = format!("/applications/{}/webhooks", tenant.application);
        self.admin(Method::POST, &path, new).await.expect(201).text("id")
    }

    /// The id of a new vehicle of the tenant whose readings are pushed.
    pub(crate) async fn pushed_vehicle(&self, tenant: &Tenant, make: &str) -> String {
        let path = format!("/applications/{}/vehicles", tenant.application);
        let new = json!({
            "make": make, "model": "X1", "year": 2024, "powertrain": "BEV", "region": "EUROPE",
            "userId": tenant.user,
        });
        self.admin(Method::POST, &path, new).await.expect(201).text("id")
    }

    /// Lets the tenant's feed push a state of charge of a vehicle, measured now.
    pub(crate) async fn push_charge(&self, tenant: &Tenant, vehicle: &str, percent: f64) {
        self.push(tenant, vehicle, signal::STATE_OF_CHARGE, signal::Value::Number(percent)).await;
    }

    /// A feed of the application says something about a vehicle, measured now.
    pub(crate) async fn push(&self, tenant: &Tenant, vehicle: &str, signal: SignalId, value: signal::Value) {
        self.push_measured(tenant, vehicle, signal, value, self.clock.now()).await;
    }

    /// The same, measured at some other time.
    pub(crate) async fn push_measured(
        &self,
        tenant: &Tenant,
        vehicle: &str,
        signal: SignalId,
        value: signal::Value,
        at: Timestamp,
    ) {
        let application = tenant.application.parse().unwrap();
        let feed = match self.app.feeds(application).unwrap().pop() {
            Some(feed) => feed,
            None => self.app.create_feed(application, "Cars", Newer::Observed, 0, None).await.unwrap().feed,
        };
        let of = PushedReading::of(vehicle.parse().unwrap(), signal, value);
        let reading = PushedReading { observed_at: Some(at), ..of };
        assert_eq!(self.app.ingest(&feed, vec![(0, reading)]).await.unwrap().rejected, []);
    }

    /// Lets the loops do all that they can do now: they share the test's thread.
    pub(crate) async fn settle(&self) {
        for _ in 0..5_000 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets the loops work until the log has so many deliveries.
    pub(crate) async fn logged(&self, count: usize) -> Vec<Value> {
        for _ in 0..10_000 {
            let listed = self.admin(Method::GET, "/deliveries", Value::Null).await.expect(200).json();
            let items = listed["items"].as_array().unwrap();
            if items.len() >= count {
                return items.clone();
            }
            tokio::task::yield_now().await;
        }
        panic!("the log has fewer than {count} deliveries");
    }

    /// An application with a webhook and a vehicle.
    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let made = self.admin(Method::POST, "/applications", json!({"name": name})).await.expect(201);
        let id = made.text("id");
        let webhooks = format!("/applications/{id}/webhooks");
        let webhook = self.admin(Method::POST, &webhooks, new_webhook()).await.expect(201).text("id");
        let car = json!({"make": "Tesla", "model": "Model 3"});
        let car = self.admin(Method::POST, "/simulator/vehicles", car).await.expect(201).text("id");
        let connect = format!("/simulator/vehicles/{car}/connect");
        let linked = self.admin(Method::POST, &connect, json!({"applicationId": id})).await.expect(201);
        let vehicle = linked.text("vehicleId");
        let token = format!("/vehicles/{vehicle}/access-token");
        let token = self.admin(Method::POST, &token, Value::Null).await.expect(201);
        Tenant {
            management_token: made.text("managementToken"),
            client_secret: made.text("clientSecret"),
            access_token: token.text("accessToken"),
            user: linked.text("userId"),
            application: id,
            webhook,
            vehicle,
        }
    }
}

/// Answers challenges as the holder of a management token does, and everything else with a status.
pub(crate) fn receiver(management_token: String, status: u16) -> impl Fn(&Post) -> Result<Reply, Failure> {
    move |post| {
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        let challenge = body["payload"]["challenge"].as_str().or(body["data"]["challenge"].as_str());
        Ok(match challenge {
            Some(challenge) => {
                let digest = signature::expected_challenge(&management_token, challenge);
                Reply { status: 200, body: json!({"challenge": digest}).to_string().into() }
            }
            None => Reply { status, body: Default::default() },
        })
    }
}

/// An error of the admin API in one line.
pub(crate) fn told(error: &ApiError) -> String {
    let about = error.field.as_deref().map(|field| format!(" [{field}]")).unwrap_or_default();
    format!("{}{about}: {}", error.kind.code, error.detail)
}

/// An application with a webhook and a vehicle.
pub(crate) struct Tenant {
    pub(crate) application: String,
    pub(crate) management_token: String,
    pub(crate) client_secret: String,
    pub(crate) webhook: String,
    pub(crate) vehicle: String,
    pub(crate) user: String,
    pub(crate) access_token: String,
}

/// A webhook to be made.
pub(crate) fn new_webhook() -> Value {
    json!({
        "kind": "scheduled",
        "name": "Fleet",
        "callbackUri": "https://receiver.example/hooks",
        "cadence": {"every": "hours", "hours": 1},
        "endpoints": ["/odometer", "/battery"],
    })
}

/// A webhook to be made, of each other generation.
pub(crate) fn new_webhook_of(kind: Kind) -> Value {
    let mut new = json!({
        "kind": kind.as_str(),
        "name": "Fleet",
        "callbackUri": "https://receiver.example/hooks",
    });
    match kind {
        Kind::Scheduled => return new_webhook(),
        Kind::EventBased => new["events"] = json!(["CHARGING_STARTED", "CHARGING_COMPLETED"]),
        Kind::Dynamic => {}
        Kind::Unified => new["triggers"] = json!(["tractionbattery-stateofcharge"]),
    }
    new
}
