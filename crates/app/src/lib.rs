//! Use-cases and loops of Milepost, and the ports they need.
//!
//! ```text
//!   scheduler ─► source ─► mailbox ─► step ─► commit ─► lanes ─► compose ─► outbound
//!                  use-cases ─┘                            └─► recorder ─► log
//! ```
//!
//! Each loop claims what is due, acts on a bounded number at once, records what came of it, and sleeps until the next due
//! time or a wake-up. The store is the truth: whatever a loop holds in memory can be lost without losing work.

mod budget;
mod delivery;
mod error;
mod health;
mod janitor;
mod ledger;
mod mailbox;
mod metrics;
mod plans;
#[doc(hidden)]
pub mod planted;
pub mod ports;
mod precondition;
pub mod recordings;
mod registry;
mod scheduler;
mod sealing;
mod settings;
mod usecases;

pub use error::AppError;
pub use health::{Health, LoopStatus};
pub use ledger::{Fit, Reapplied, fit, reapply};
pub use metrics::describe as describe_metrics;
pub use plans::{Plan, Plans, UNLIMITED};
pub use precondition::Precondition;
pub use registry::{ApplicationEntry, WebhookEntry};
pub use sealing::{DataKey, Find, SealError, Sealer, What};
pub use settings::{
    ConnectSettings, DeliverySettings, ReadSettings, RetentionSettings, Settings, VehicleRates,
};
pub use usecases::token_hash;
pub use usecases::{
    applications::{CreatedApplication, EditApplication},
    connect::{
        Access, Begun, CapacityChoice, Ended, Motion, NotBegun, Note, Offer, Screen, SimulatedLogin,
        TroubleKind, Visit, VisitRefused,
    },
    deliveries::{DeliveryDetail, DeliveryQuery, DeliverySummary},
    explain::{Explanation, Finding as TriggerFinding, LastFired},
    feeds::{AnswerCounts, CreatedFeed, FeedWatch},
    idempotency::{Answering, KeptAnswer, KeyedRequest},
    ingest::{Ingested, MOST_IN_FLIGHT, PushedReading, Rejected},
    operations::Finding,
    pressure::Admitted,
    reads::{Look, wait_seconds},
    receivers::{ReceiverState, WaitingQuery, WaitingSummary},
    simulator::CarState,
    subscriptions::{NotCovered, SubscribedAll, Uncovered},
    tokens::{GivenTokens, NewCode, TokenRefused},
    vehicles::{LinkRequest, Linked, PUSHED},
    webhook_headers::HeaderChange,
    webhooks::{AddressState, AddressStatus, EditWebhook, NewWebhookRequest, ProbeResult, WebhookView},
};

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    ids::{PoolNo, RequestId},
    time::Timestamp,
};
use futures::future::BoxFuture;
use parking_lot::RwLock;
use store::{Keyring, Store};
use zeroize::Zeroizing;

use crate::{
    delivery::Lanes,
    health::Stop,
    mailbox::Mailbox,
    ports::{BrandAccounts, Clock, Dice, Outbound, Simulator, Spawn, VehicleSource},
    registry::Registry,
    scheduler::PoolState,
};

/// What the application is wired to.
pub struct Parts {
    /// The data.
    pub store: Arc<dyn Store>,
    /// The data keys.
    pub keyring: Arc<dyn Keyring>,
    /// The key-encryption key.
    pub master_key: Zeroizing<[u8; 32]>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
    /// HTTP that goes out.
    pub outbound: Arc<dyn Outbound>,
    /// Where vehicles are read.
    pub source: Arc<dyn VehicleSource>,
    /// The simulator's controls.
    pub simulator: Arc<dyn Simulator>,
    /// Where owners sign in.
    pub accounts: Arc<dyn BrandAccounts>,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
}

/// The running application. Use-cases are its methods; see `usecases`.
pub struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) source: Arc<dyn VehicleSource>,
    pub(crate) simulator: Arc<dyn Simulator>,
    pub(crate) accounts: Arc<dyn BrandAccounts>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) pools: RwLock<BTreeMap<PoolNo, Arc<PoolState>>>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) mailbox: Mailbox,
    pub(crate) health: Arc<Health>,
    pub(crate) ledger_copy: ledger::LedgerCopy,
    pub(crate) stop: Arc<Stop>,
    pub(crate) intake: usecases::ingest::Intake,
    pub(crate) lag: usecases::pressure::Lag,
    pub(crate) feeds: usecases::feeds::Feeds,
    pub(crate) probes: usecases::webhooks::ProbeLimits,
    pub(crate) limits: usecases::limits::Limits,
    pub(crate) gates: usecases::refresh::Gates,
    /// Held while vehicles are counted against a plan and linked.
    pub(crate) linking: tokio::sync::Mutex<()>,
    /// Held while a recording is read: one takes up to 256 MiB.
    pub(crate) imports: tokio::sync::Mutex<()>,
}

impl App {
    /// Reads what is stored and starts the loops.
    pub async fn start(parts: Parts, settings: Settings) -> Result<Arc<Self>, AppError> {
        let Parts { store, keyring, master_key, clock, dice, outbound, source, simulator, accounts, spawn } =
            parts;
        let sealer = Arc::new(Sealer::open(master_key, keyring, dice.clone()).await?);
        identify(&*store, &sealer).await?;
        let registry =
            Registry::load(store.clone(), sealer.clone(), outbound.clone(), settings.origin.clone()).await?;
        let feeds = usecases::feeds::Feeds::new(store.feeds().await?);
        let (mailbox, letters) = Mailbox::new();
        let health = Arc::new(Health::new(clock.now()));
        let stop = Arc::new(Stop::default());
        let (lanes, recorder) = Lanes::new(settings.delivery.clone());
        let app = Arc::new(Self {
            store,
            sealer,
            clock,
            dice,
            outbound,
            source,
            simulator,
            accounts,
            spawn,
            settings,
            registry,
            pools: RwLock::default(),
            lanes: Arc::new(lanes),
            mailbox,
            health,
            ledger_copy: ledger::LedgerCopy::default(),
            stop,
            intake: usecases::ingest::Intake::default(),
            lag: usecases::pressure::Lag::default(),
            feeds,
            probes: usecases::webhooks::ProbeLimits::default(),
            limits: usecases::limits::Limits::default(),
            gates: usecases::refresh::Gates::default(),
            linking: tokio::sync::Mutex::default(),
            imports: tokio::sync::Mutex::default(),
        });
        app.source.attach(Arc::new(recordings::StoredRecordings {
            store: app.store.clone(),
            sealer: app.sealer.clone(),
            health: app.health.clone(),
        }));
        app.apply_plans().await?;
        app.lanes.restore(&app).await?;
        janitor::first_heartbeat(&app).await?;
        janitor::check_at_start(&app).await?;
        for (shard, letters) in letters.into_iter().enumerate() {
            app.run("mailbox", mailbox::run(app.clone(), shard, letters));
        }
        app.run("recorder", delivery::recorder::run(app.clone(), recorder));
        app.run("delivery", delivery::run(app.clone()));
        app.run("janitor", janitor::run(app.clone()));
        app.run("heartbeat", janitor::heartbeat(app.clone()));
        for (pool, name) in app.store.pools().await? {
            scheduler::start_pool(&app, pool, name);
        }
        app.run("sweeper", janitor::sweep(app.clone()));
        if app.settings.retention.check_every.is_some() {
            app.run("checker", janitor::check(app.clone()));
        }
        if let Err(error) = app.forget_unused_recordings(app.now()).await {
            // They are of no use, but nothing else depends on it; the next start tries again.
            tracing::warn!(%error, "Recordings that nobody needs could not be deleted.");
        }
        Ok(app)
    }

    /// Starts a loop under a name; its end is noticed.
    pub(crate) fn run(self: &Arc<Self>, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (health, stop) = (self.health.clone(), self.stop.clone());
        health.begun(name);
        let task: BoxFuture<'static, ()> = Box::pin(async move {
            task.await;
            health.ended(name, stop.is_set());
        });
        self.spawn.spawn(name, task);
    }

    /// The product's wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id for a request to us.
    pub fn request_id(&self) -> RequestId {
        RequestId::new(self.now(), usecases::chance(&*self.dice))
    }

    /// What works and what does not.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The limits that it runs under.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Stops claiming, lets what is in flight end, records it, and closes the store. Returns when all is written, or
    /// when `patience` is over: then what is in flight will be sent again under the same ids.
    pub async fn shut_down(&self, patience: std::time::Duration) -> Result<(), AppError> {
        self.stop.set();
        self.lanes.wake();
        for pool in self.pools.read().values() {
            pool.wake();
        }
        let begun = self.clock.monotonic();
        while self.clock.monotonic().saturating_sub(begun) < patience {
            if self.lanes.is_quiet() && self.mailbox.is_quiet() {
                break;
            }
            self.clock.sleep_until(self.clock.now() + std::time::Duration::from_millis(20)).await;
        }
        Ok(self.store.close().await?)
    }
}

/// The note in the keyring that says which installation it belongs to, in decimal digits.
const INSTALLATION: &str = "installation";

/// Sees that data and keyring belong together. The first start gives both the same number.
async fn identify(store: &dyn Store, sealer: &Sealer) -> Result<(), AppError> {
    let keyring = sealer.keyring();
    let noted = keyring.note(INSTALLATION).await?;
    let noted = noted.and_then(|note| String::from_utf8(note).ok()?.parse::<i64>().ok());
    // The check value begins with a nonce that no other keyring has.
    let check = keyring.note(sealing::CHECK).await?.unwrap_or_default();
    let nonce = check.first_chunk().copied().map_or(0, i64::from_be_bytes);
    let fresh = noted.unwrap_or(nonce);
    let installation = store.installation(fresh.cast_unsigned()).await?.cast_signed();
    match noted {
        Some(noted) if noted != installation => Err(AppError::Conflict(
            "keyring.db belongs to another installation than milepost.db; put back the one that belongs to it, \
             or restore a backup with its exported keyring (milepost restore BACKUP --keyring FILE)"
                .into(),
        )),
        Some(_) => Ok(()),
        None => Ok(keyring.set_note(INSTALLATION, installation.to_string().into_bytes()).await?),
    }
}
