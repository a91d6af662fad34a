//! What the application needs of the world: time, chance, outgoing HTTP, vehicles, and tasks.
//!
//! The server wires these to the machine; `sim` wires them to a virtual world in which the same loops run bit for bit
//! repeatably. Nothing in this crate knows the clock, the random generator or a socket in any other way.

use std::{io::Read, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    compatibility::Model,
    connect::{PermissionSet, authorize::Mode},
    delivery::Failure,
    errors::ErrorCode,
    ids::WebhookNo,
    signal::{BrandRead, Details, Powertrain, SignalId},
    time::Timestamp,
    vehicle::{self, Answer, Command, Fault, Region},
};
use futures::future::BoxFuture;
use store::SourceRef;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use crate::recordings::{ImportReport, SkipReason, Skipped};

/// Wall-clock time and sleep.
///
/// The wall clock may jump; loops therefore never trust one long sleep, but look again at least once a second.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, read once per step and passed on as `now`.
    fn now(&self) -> Timestamp;

    /// Time that never goes back, since some fixed point: for measuring how long something took.
    fn monotonic(&self) -> Duration;

    /// Time of this clock that never goes back, for rates: on a clock that runs faster than time, `reads.per_second` counts
    /// the seconds that the clock shows.
    fn rate_time(&self) -> Duration {
        self.monotonic()
    }

    /// Returns at the moment, or at most a second later; early when the wall clock jumps, so callers look again.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;

    /// Returns after so much time, whatever the wall clock does meanwhile: for deadlines and latencies, of which there
    /// may be very many at once.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + time)
    }
}

/// Chance.
pub trait Dice: Send + Sync + 'static {
    /// Fills the buffer with unpredictable bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// Starts the long-lived tasks of the loops.
pub trait Spawn: Send + Sync + 'static {
    /// Runs the task until it ends. The name appears in status and logs.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);

    /// Runs work that takes long on a thread that may block; at once, where there is none.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

/// A callback URI that was parsed once and that policy allows as far as can be told without asking DNS.
///
/// Made only by [`Outbound::parse`], so that what was checked is what is dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// `https`; `http` only where the operator allows it.
    pub tls: bool,
    /// The host as the URL standard serialises it: a lower-case ASCII name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// Explicit or default port.
    pub port: u16,
    /// Path with query, never empty; no fragment.
    pub path: String,
}

impl Target {
    /// Whether both lead to the same scheme, host and port.
    pub fn has_same_origin_as(&self, other: &Self) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }
}

/// Why a URI is not accepted. The texts say what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriRefused {
    /// Not a URL.
    #[error("the callback URI is not a valid URL: {0}; write it like https://example.com/webhooks")]
    Malformed(String),
    /// Longer than 2,048 bytes.
    #[error("the callback URI is longer than 2,048 bytes")]
    TooLong,
    /// Neither https nor an allowed http.
    #[error(
        "the callback URI must start with https:// (http is only for targets that the operator permits in egress.allow)"
    )]
    Scheme,
    /// `user:password@`.
    #[error(
        "the callback URI must not carry a user name or password; give the webhook `basicAuth` or `headers` instead"
    )]
    UserInfo,
    /// Not a port that webhooks use.
    #[error("port {0} is not allowed; use 443 or 8443, or have the operator permit the target in egress.allow")]
    Port(u16),
    /// An address, or a name that leads to one, to which nothing may be sent. One text for all reasons, so that answers do not map the network.
    #[error(
        "the callback URI does not lead to a public internet address that can be reached; use one that does, or have the \
         operator permit the target in egress.allow"
    )]
    Address,
    /// DNS says that there is no such name, or that it has no address.
    #[error("the host name of the callback URI does not exist in DNS, or has no address; check its spelling")]
    NameNotFound,
    /// No name server has answered.
    #[error("the host name of the callback URI could not be looked up just now; try again in a minute")]
    NameNotResolved,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// An event of a webhook: connections are kept, and the answer's status is all that matters.
    Delivery,
    /// A verification or a test, whose answer somebody waits for: a connection of its own, and the answer's body is read.
    Probe,
}

/// A header that an operator has set for a webhook. Its value may be a secret and is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: Zeroizing<String>,
}

impl Header {
    /// A name and a value that were checked when they were set.
    pub const fn new(name: String, value: Zeroizing<String>) -> Self {
        Self { name, value }
    }

    /// The name, as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The name alone.
impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Header({}: ..)", self.name)
    }
}

/// A request that leaves the process.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where to.
    pub target: Arc<Target>,
    /// The value of `SC-Signature`, if the body is signed.
    pub signature: Option<String>,
    /// `User-Agent`
    pub agent: &'static str,
    /// Headers beside those that every request has.
    pub headers: Arc<[Header]>,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose request it is: webhooks share no connections.
    pub webhook: WebhookNo,
    /// JSON.
    pub body: Bytes,
    /// From the first look-up of the name to the last byte of the answer's body. Real time, whatever the product clock does.
    pub deadline: Duration,
    /// How many bytes of the answer's body to keep; the rest is read up to a bound and dropped.
    pub keep: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status line's code; 1xx are never final.
    pub status: u16,
    /// The first bytes of the body.
    pub body: Bytes,
}

/// Any HTTP that goes out.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    /// Parses a URI and applies the policy that needs no network.
    fn parse(&self, uri: &str) -> Result<Target, UriRefused>;

    /// Resolves the name and vets every address: for the moment when a URI is entered. Sending vets again.
    async fn vet(&self, target: &Target) -> Result<(), UriRefused>;

    /// Sends one POST and reads the answer, in bounded time and memory, following nothing.
    async fn post(&self, post: Post) -> Result<Reply, Failure>;
}

/// What a read brought: one answer per signal that was asked for, in any order; a signal without an answer counts as unanswered.
pub type Answers = Vec<Answer>;

/// Where readings are asked for: the simulated fleet, a recording, a brand's cloud.
#[async_trait]
pub trait VehicleSource: Send + Sync + 'static {
    /// Reads the signals of one car. One call serves every subscription that is due.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the car or its cloud as a whole could not be asked.
    async fn read(&self, car: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault>;

    /// Hands the source the recordings that are stored. Called once, before the first read.
    fn attach(&self, _recordings: Arc<dyn RecordingReads>) {}

    /// Whether a car can tell a signal, as far as that is known without asking it.
    fn offers(&self, _car: &SourceRef, _signal: SignalId) -> bool {
        true
    }

    /// What a car tells for a read of its brand, beside its signals; `None` when the source has nothing to add.
    ///
    /// # Errors
    ///
    /// As [`VehicleSource::read`].
    async fn details(&self, _car: &SourceRef, _read: BrandRead) -> Result<Option<Details>, Fault> {
        Ok(None)
    }

    /// Whether a car can do something, as far as that is known without asking it.
    ///
    /// # Errors
    ///
    /// Why not.
    fn can(&self, _car: &SourceRef, _command: Command) -> Result<(), ErrorCode> {
        Err(ErrorCode::COMPATIBILITY_SMARTCAR_NOT_CAPABLE)
    }

    /// Has a car do something. Answers with what the source needs to find the car from now on, where that changes.
    ///
    /// # Errors
    ///
    /// Why the car did not do it.
    async fn command(&self, _car: &SourceRef, _command: Command) -> Result<Option<Vec<u8>>, Fault> {
        Err(ErrorCode::COMPATIBILITY_SMARTCAR_NOT_CAPABLE.into())
    }
}

/// The fault of a car whose source this server does not have.
pub fn no_such_source() -> Fault {
    Fault::from(ErrorCode::SERVER_INTERNAL)
}

/// A car to be made in the simulator.
#[derive(Clone, Debug, PartialEq)]
pub struct CarRequest {
    /// Upper case.
    pub make: String,
    /// As the catalogue has it.
    pub model: String,
    /// Model year; the newest by default.
    pub year: Option<u16>,
    /// `US`, `CA`, `EUROPE`
    pub region: String,
    /// `driving`, `charging`, `parked`, `day`; `home` is a day that begins at home, plugged in
    pub profile: String,
    /// What is drawn about the car is drawn from this; the same number makes the same car. Drawn by default.
    pub seed: Option<u32>,
    /// Whether its time begins to pass at once.
    pub started: bool,
}

/// How a recorded trip is to be read and driven.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecording {
    /// What its car is called.
    pub name: String,
    /// Which column is which signal (TOML), where the header does not say it.
    pub columns: Option<String>,
    /// So many times faster than time.
    pub speed: u16,
    /// No time between two rows is longer; as it was recorded for `None`.
    pub longest_pause: Option<Duration>,
    /// Since when it is driven; from now on for `None`.
    pub started_at: Option<Timestamp>,
}

/// A recorded trip that was read.
pub struct ReadRecording {
    /// The car that drives it.
    pub car: MadeCar,
    /// What is stored of it.
    pub trip: Arc<dyn TripParts>,
    /// What was taken and what was not.
    pub report: ImportReport,
}

/// A trip in parts, one of which says what a read needs.
pub trait TripParts: Send + Sync + 'static {
    /// What says which part has which time.
    fn manifest(&self) -> Vec<u8>;
    /// How many parts there are.
    fn parts(&self) -> u32;
    /// A part, counted from 0.
    fn part(&self, no: u32) -> Vec<u8>;
}

/// Why a recorded trip is not taken in.
#[derive(Clone, Debug)]
pub struct RecordingRefused {
    /// What is wrong, as the API names it.
    pub field: &'static str,
    /// What to write instead.
    pub message: String,
    /// What was left out, where the file could be read and nothing of it was taken.
    pub report: Option<Box<ImportReport>>,
}

/// The recordings that are stored; errors are for the log.
#[async_trait]
pub trait RecordingReads: Send + Sync + 'static {
    /// What says which part has which time; `None` for a recording that does not exist.
    async fn manifest(&self, recording: Uuid) -> Result<Option<Vec<u8>>, String>;
    /// A part, counted from 0.
    async fn part(&self, recording: Uuid, no: u32) -> Result<Option<Vec<u8>>, String>;
    /// Notes what is wrong with a recording, for the operator.
    fn failed(&self, name: &str, problem: &str);
}

/// A car that the simulator has made.
#[derive(Clone, Debug, PartialEq)]
pub struct MadeCar {
    /// Upper case.
    pub make: String,
    /// As the catalogue has it.
    pub model: String,
    /// Model year.
    pub year: u16,
    /// What drives it.
    pub powertrain: Powertrain,
    /// Where its brand's cloud is.
    pub region: Region,
    /// Which source reads it.
    pub kind: u8,
    /// What that source needs to find it.
    pub spec: Vec<u8>,
}

/// What an operator does to a simulated car.
#[derive(Clone, Debug, PartialEq)]
pub enum CarCommand {
    /// Begin, or go on after a pause.
    Start,
    /// Hold.
    Pause,
    /// From the beginning.
    Restart,
    /// So many times faster than time.
    Speed(f64),
    /// Ahead by so much.
    Jump(Duration),
    /// To the beginning of the stage with this place among [`Simulator::stages`].
    JumpToStage(usize),
    /// Another profile.
    Profile(String),
    /// Fail every read with this error, or stop failing.
    Fail(Option<ErrorCode>),
    /// `ideal` or `realistic`
    Latency(String),
    /// Plug it in where it is.
    PlugIn,
    /// Unplug it, and leave it parked.
    Unplug,
    /// Stop charging before the limit, with the cable in.
    Interrupt,
    /// Hold the driver's door open.
    OpenDoor,
    /// Let go of the driver's door.
    CloseDoor,
    /// Give the system with this name a fault: `Airbag`.
    Fault(String),
    /// Mend its faults.
    ClearFault,
    /// The owner withdraws the access to the car.
    Revoke,
    /// The owner changes the password of the account at the brand.
    ChangePassword,
    /// The owner gives the access back.
    Restore,
}

/// A stretch of a simulated car's time in which it does one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarStage {
    /// `driving`, `charging`, `charged`, `interrupted`, `stopped`, `boarding`, `alighting` or `parked`.
    pub activity: &'static str,
    /// The car's time at its beginning, since its profile began.
    pub begins: Duration,
    /// Whether the car is in it.
    pub is_now: bool,
}

/// What a simulated car does now. What does not apply to it is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CarActivity {
    /// `home`, `day`, `driving`, `charging` or `parked`.
    pub profile: Option<&'static str>,
    /// `not started`, `running` or `paused`.
    pub state: Option<&'static str>,
    /// What it does: `charging`.
    pub stage: Option<&'static str>,
    /// Its own time since its beginning.
    pub elapsed: Duration,
    /// How many times faster than the clock its time runs.
    pub speed: u16,
    /// Its vehicle number.
    pub vin: Option<String>,
    /// The error with which its reads fail.
    pub failure: Option<ErrorCode>,
    /// The system that has a fault.
    pub fault: Option<&'static str>,
    /// Why its owner's account does not let it be read: `access revoked` or `password changed`.
    pub account: Option<&'static str>,
    /// The recorded trip that it drives.
    pub recording: Option<String>,
    /// How long that is.
    pub length: Option<Duration>,
}

/// Why a car cannot be had like this, or does not do what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarRefused {
    /// What is wrong, as the API names it.
    pub field: &'static str,
    /// What to write instead.
    pub message: String,
}

impl CarRefused {
    /// With what is wrong and what to write instead.
    pub fn new(field: &'static str, message: impl ToString) -> Self {
        Self { field, message: message.to_string() }
    }
}

/// The controls of the simulated fleet: pure functions of a car's data.
pub trait Simulator: Send + Sync + 'static {
    /// Makes a car; the error lists what there is.
    fn make(&self, request: &CarRequest, seed: u64, now: Timestamp) -> Result<MadeCar, CarRefused>;
    /// The car's data after a command.
    fn control(&self, spec: &[u8], command: &CarCommand, now: Timestamp) -> Result<Vec<u8>, CarRefused>;
    /// The stages of the car's profile, of the present day where it goes on for days; an error for a car that has none.
    fn stages(&self, spec: &[u8], now: Timestamp) -> Result<Vec<CarStage>, String>;
    /// What the car does now.
    fn describe(&self, spec: &[u8], now: Timestamp) -> CarActivity;
    /// Reads a recorded trip (GPX, or separated text with columns by their header or by a column map) and makes a car that
    /// drives it under an id. Takes long.
    fn record(
        &self,
        recording: &NewRecording,
        id: Uuid,
        file: &mut dyn Read,
        now: Timestamp,
    ) -> Result<ReadRecording, RecordingRefused>;
    /// Brands and models that can be made: make, model, first and last year, powertrain, regions.
    fn models(&self) -> Vec<(String, String, u16, u16, Powertrain, String)>;
    /// The models that can be made, with what they can tell.
    fn catalogue(&self) -> Vec<Model>;
    /// The model of a simulated car by its vehicle number, as its place in the catalogue, with its year.
    fn model_of_vin(&self, vin: &str) -> Option<(usize, u16)>;
}

/// An owner who signs in at a brand.
pub struct SignIn {
    /// The brand, as [`BrandAccounts::brands`] has it.
    pub make: String,
    /// As it was typed.
    pub username: String,
    /// As it was typed.
    pub password: Zeroizing<String>,
    /// Whose cars may be met.
    pub mode: Mode,
    /// Where the account is.
    pub region: Region,
    /// The one vehicle that matters, if there is one.
    pub vin: Option<String>,
}

/// What a brand asks for beside a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// A code that the brand has sent to the owner, of so many digits.
    Code(u8),
    /// A number that the owner has chosen, of so many digits.
    Pin(u8),
}

/// An owner who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// What leads to the account from now on; only the brand's side reads it.
    pub ticket: Vec<u8>,
    /// What is asked for next.
    pub factor: Option<Factor>,
}

/// A car in an owner's account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountCar {
    /// The vehicle's number.
    pub vin: String,
    /// Upper case.
    pub make: String,
    /// As the catalogue has it.
    pub model: String,
    /// Model year.
    pub year: u16,
    /// Whether there is a car behind it.
    pub mode: vehicle::Mode,
    /// What drives it.
    pub powertrain: Powertrain,
    /// Where its brand's cloud is.
    pub region: Region,
    /// The batteries that this model may have, in Wh; several, when the brand does not say which it is.
    pub capacities_wh: Vec<u32>,
    /// What can be had of it.
    pub supported: PermissionSet,
    /// Whether it answers nobody until its owner has added a virtual key to it.
    pub needs_virtual_key: bool,
    /// Which source reads it.
    pub kind: u8,
    /// What that source needs to find it, from now on.
    pub spec: Vec<u8>,
}

/// An owner's account at a brand.
#[derive(Clone, Debug, PartialEq)]
pub struct BrandAccount {
    /// The same whenever the same owner signs in, and of nobody else.
    pub identity: String,
    /// What is in it.
    pub cars: Vec<AccountCar>,
}

/// Why there is no account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRefused {
    /// The brand does not know this name with this password.
    WrongLogin,
    /// There is no car in it.
    NoVehicles,
    /// The connected services are not active.
    Subscription,
    /// The car cannot be had at all.
    Incompatible {
        /// The vehicle's number.
        vin: String,
        /// The model, if it is known.
        model: Option<String>,
        /// Model year, if it is known.
        year: Option<u16>,
    },
    /// The application has sent the owner here wrongly.
    Configuration(String),
}

/// Where owners sign in: the simulator, a brand's cloud.
#[async_trait]
pub trait BrandAccounts: Send + Sync + 'static {
    /// The brands that one can sign in at, upper case, in the order of the alphabet.
    fn brands(&self, mode: Mode, region: Region) -> Vec<String>;

    /// The brand of a vehicle's number.
    fn make_of(&self, vin: &str) -> Option<String>;

    /// Signs an owner in.
    async fn sign_in(&self, attempt: &SignIn) -> Result<SignedIn, AccountRefused>;

    /// Whether what the owner has typed is what the brand asks for beside the password.
    async fn confirm(&self, ticket: &[u8], typed: &str) -> Result<bool, AccountRefused>;

    /// The account of an owner who has signed in.
    async fn account(&self, ticket: &[u8], now: Timestamp) -> Result<BrandAccount, AccountRefused>;

    /// A car by the data that a source keeps of it; `None` for one that nobody can own.
    fn car(&self, kind: u8, spec: &[u8]) -> Option<AccountCar>;
}

/// Where there is nobody to sign in.
pub struct NoBrands;

#[async_trait]
impl BrandAccounts for NoBrands {
    fn brands(&self, _: Mode, _: Region) -> Vec<String> {
        Vec::new()
    }

    fn make_of(&self, _: &str) -> Option<String> {
        None
    }

    async fn sign_in(&self, _: &SignIn) -> Result<SignedIn, AccountRefused> {
        Err(AccountRefused::WrongLogin)
    }

    async fn confirm(&self, _: &[u8], _: &str) -> Result<bool, AccountRefused> {
        Err(AccountRefused::WrongLogin)
    }

    async fn account(&self, _: &[u8], _: Timestamp) -> Result<BrandAccount, AccountRefused> {
        Err(AccountRefused::WrongLogin)
    }

    fn car(&self, _: u8, _: &[u8]) -> Option<AccountCar> {
        None
    }
}
