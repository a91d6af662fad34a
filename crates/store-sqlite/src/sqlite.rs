//! The store: each method hands its operation to the engine.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use domain::{
    connect::{
        PermissionSet,
        defaults::Defaults,
        lives::{Grace, Lives},
    },
    ids::{
        ApplicationId, ApplicationNo, EventNo, FeedId, ObservationNo, PoolNo, UserId, VehicleId, VehicleNo,
        WebhookId, WebhookNo,
    },
    time::Timestamp,
    webhook::Revision,
};
use store::{
    Application, Backup, Bucket, Car, CheckStep, ClaimDue, Code, Deliveries, DeliveryFilter,
    DisconnectedVehicle, Due, Edited, Feed, Grants, KeepAnswer, Kept, KnownVehicle, LaneKey, LaneLease,
    LedgerEntry, LoadedVehicle, LoggedDelivery, NewApplication, NewLink, NewPair, NewWebhook, NodeId, Owner,
    Page, Queue, QueuedEvent, Record, Recorded, RecordedCar, RecordingPart, Recordings, Redeemed,
    Redelivered, Refreshed, Registry, Retention, Retired, RetiringToken, Secret, SecretHash, Size,
    StepCommit, StepResult, Store, StoreError, StoredWebhook, SubscriptionRow, Sweep, TokenGrant, Tombstone,
    Upkeep, VehicleFilter, VehicleRow, Vehicles, WaitingEvent, WaitingFilter, WaitingPage, WebhookChange,
};
use uuid::Uuid;

use crate::{
    engine::{Engine, InMemory, Threaded, Tx},
    error::OpResult,
    open::{DATA, OpenError, Options},
    ops::{
        deliveries, grants, ledger, queue, recordings, registry, steps, tombstones, upkeep, vehicles, waiting,
    },
};

/// The data store in SQLite.
pub struct SqliteStore {
    engine: KeepingEngine,
}

/// The engine, as one caller has it: with an answer to be kept by the transaction that does the work, if there is one.
#[derive(Clone)]
pub(crate) struct KeepingEngine {
    engine: Arc<Engine>,
    keep: Option<Arc<KeepAnswer>>,
}

impl KeepingEngine {
    fn new(engine: Engine) -> Self {
        Self { engine: Arc::new(engine), keep: None }
    }

    /// Runs a write. One that changed something keeps the answer, too; one that declined has no answer to keep.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> OpResult<T> + Send + 'static,
    {
        let Some(keep) = self.keep.clone() else { return self.engine.write(work).await };
        self.engine
            .write(move |tx| {
                let before = tx.total_changes();
                let done = work(tx)?;
                if tx.total_changes() > before {
                    registry::keep_with(tx, &keep)?;
                }
                Ok(done)
            })
            .await
    }
}

impl Deref for KeepingEngine {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl SqliteStore {
    /// Opens `milepost.db` in a data folder; both are made when they are missing.
    ///
    /// # Errors
    ///
    /// When another process has it, or it is not a database that this program can use.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Ok(Self { engine: KeepingEngine::new(Engine::threaded(Threaded::open(dir, DATA, options)?)) })
    }

    /// A new one in memory.
    ///
    /// # Errors
    ///
    /// When SQLite gets no memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::on(&InMemory::new()?)
    }

    /// Opens the store that a database in memory holds, as a process does that starts again. It must not hold a keyring.
    ///
    /// # Errors
    ///
    /// When SQLite gets no memory.
    pub fn on(memory: &InMemory) -> Result<Self, OpenError> {
        Ok(Self { engine: KeepingEngine::new(Engine::inline(memory.open(DATA)?)) })
    }

    /// The engine, for tests that need more than the traits.
    #[cfg(test)]
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

#[async_trait]
impl Registry for SqliteStore {
    fn keeping(&self, keep: KeepAnswer) -> Arc<dyn Store> {
        Arc::new(Self {
            engine: KeepingEngine { engine: self.engine.engine.clone(), keep: Some(Arc::new(keep)) },
        })
    }

    async fn create_application(&self, new: NewApplication) -> Result<Application, StoreError> {
        self.engine.write(move |tx| Ok(registry::create_application(tx, &new)?)).await
    }

    async fn applications(&self) -> Result<Vec<Application>, StoreError> {
        self.engine.read(|conn| Ok(registry::applications(conn)?)).await
    }

    async fn update_application(
        &self,
        no: ApplicationNo,
        version: u64,
        name: String,
        redirect_uris: Vec<String>,
        plan: String,
        connect: Defaults,
    ) -> Result<Edited<Application>, StoreError> {
        self.engine
            .write(move |tx| {
                Ok(registry::update_application(tx, no, version, &name, &redirect_uris, &plan, &connect)?)
            })
            .await
    }

    async fn delete_application(&self, no: ApplicationNo) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(registry::delete_application(tx, no)?)).await
    }

    async fn set_management_token(
        &self,
        no: ApplicationNo,
        version: u64,
        sealed: Vec<u8>,
        retiring: Option<RetiringToken>,
    ) -> Result<Edited<Application>, StoreError> {
        self.engine
            .write(move |tx| Ok(registry::set_management_token(tx, no, version, &sealed, retiring.as_ref())?))
            .await
    }

    async fn secrets(&self, no: ApplicationNo) -> Result<Vec<Secret>, StoreError> {
        self.engine.read(move |conn| Ok(registry::secrets(conn, no)?)).await
    }

    async fn add_secret(&self, no: ApplicationNo, secret: Secret, most: usize) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(registry::add_secret(tx, no, &secret, most)?)).await
    }

    async fn remove_secret(&self, no: ApplicationNo, hint: String) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(registry::remove_secret(tx, no, &hint)?)).await
    }

    async fn create_webhook(&self, new: NewWebhook) -> Result<StoredWebhook, StoreError> {
        self.engine.write(move |tx| Ok(registry::create_webhook(tx, &new)?)).await
    }

    async fn webhooks(&self) -> Result<Vec<StoredWebhook>, StoreError> {
        self.engine.read(|conn| Ok(registry::webhooks(conn)?)).await
    }

    async fn deleted_webhooks(&self) -> Result<Vec<(WebhookNo, WebhookId)>, StoreError> {
        self.engine.read(|conn| Ok(registry::deleted_webhooks(conn)?)).await
    }

    async fn revision(&self, webhook: WebhookNo, number: u32) -> Result<Option<Revision>, StoreError> {
        self.engine.read(move |conn| Ok(registry::revision(conn, webhook, number)?)).await
    }

    async fn change_webhook(
        &self,
        no: WebhookNo,
        change: WebhookChange,
    ) -> Result<Edited<(StoredWebhook, Option<Tombstone>)>, StoreError> {
        self.engine.write(move |tx| Ok(registry::change_webhook(tx, no, &change)?)).await
    }

    async fn sweeps(&self) -> Result<Vec<Sweep>, StoreError> {
        self.engine.read(|conn| Ok(registry::sweeps(conn)?)).await
    }

    async fn advance_auto(&self, webhook: WebhookNo, after: VehicleNo) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(registry::advance_auto(tx, webhook, after)?)).await
    }

    async fn create_feed(&self, feed: Feed, most: usize) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(registry::create_feed(tx, &feed, most)?)).await
    }

    async fn feeds(&self) -> Result<Vec<Feed>, StoreError> {
        self.engine.read(|conn| Ok(registry::feeds(conn)?)).await
    }

    async fn delete_feed(&self, id: FeedId) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(registry::delete_feed(tx, id)?)).await
    }

    async fn advance_sweep(&self, sweep: Sweep) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(registry::advance_sweep(tx, sweep)?)).await
    }

    async fn end_sweep(&self, sweep: Sweep) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(registry::end_sweep(tx, sweep)?)).await
    }

    async fn replace_kept(&self, key: String, answer: Kept) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(registry::replace_kept(tx, &key, &answer)?)).await
    }

    async fn kept(&self, key: String) -> Result<Option<Kept>, StoreError> {
        self.engine.read(move |conn| Ok(registry::kept(conn, &key)?)).await
    }

    async fn keep(&self, key: String, answer: Kept, now: Timestamp) -> Result<Kept, StoreError> {
        self.engine.write(move |tx| Ok(registry::keep(tx, &key, &answer, now)?)).await
    }
}

#[async_trait]
impl Grants for SqliteStore {
    async fn grant_token(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        user: UserId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(grants::grant_token(tx, &hash, application, user, expires_at)?)).await
    }

    async fn token(&self, hash: SecretHash) -> Result<Option<TokenGrant>, StoreError> {
        self.engine.read(move |conn| Ok(grants::token(conn, &hash)?)).await
    }

    async fn keep_code(&self, hash: SecretHash, code: Code) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(grants::keep_code(tx, &hash, &code)?)).await
    }

    async fn code(&self, hash: SecretHash) -> Result<Option<Code>, StoreError> {
        self.engine.read(move |conn| Ok(grants::code(conn, &hash)?)).await
    }

    async fn spend_code(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        pair: NewPair,
        lives: Lives,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        self.engine.write(move |tx| Ok(grants::spend_code(tx, &hash, application, &pair, &lives, now)?)).await
    }

    async fn refresh(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        pair: NewPair,
        lives: Lives,
        grace: Grace,
        now: Timestamp,
    ) -> Result<Refreshed, StoreError> {
        self.engine
            .write(move |tx| Ok(grants::refresh(tx, &hash, application, &pair, &lives, &grace, now)?))
            .await
    }

    async fn revoke(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(grants::revoke(tx, &hash, application, now)?)).await
    }

    async fn forget_grants(&self, user: UserId) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(grants::forget_grants(tx, user)?)).await
    }
}

#[async_trait]
impl Vehicles for SqliteStore {
    async fn pool(&self, name: String) -> Result<PoolNo, StoreError> {
        self.engine.write(move |tx| Ok(vehicles::pool(tx, &name)?)).await
    }

    async fn pools(&self) -> Result<Vec<(PoolNo, String)>, StoreError> {
        self.engine.read(|conn| Ok(vehicles::pools(conn)?)).await
    }

    async fn link(&self, links: Vec<NewLink>) -> Result<Vec<VehicleNo>, StoreError> {
        self.engine.write(move |tx| Ok(vehicles::link(tx, &links)?)).await
    }

    async fn link_owned(&self, owner: Owner, links: Vec<NewLink>) -> Result<Vec<VehicleNo>, StoreError> {
        self.engine.write(move |tx| Ok(vehicles::link_owned(tx, &owner, &links)?)).await
    }

    async fn owner_of_account(
        &self,
        application: ApplicationNo,
        account: SecretHash,
    ) -> Result<Option<Owner>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::owner_of_account(conn, application, &account)?)).await
    }

    async fn owner(&self, user: UserId) -> Result<Option<Owner>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::owner(conn, user)?)).await
    }

    async fn note_ended_access(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(vehicles::note_ended_access(tx, user, now)?)).await
    }

    async fn forget_owner(&self, user: UserId) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(vehicles::forget_owner(tx, user)?)).await
    }

    async fn known_vehicles(
        &self,
        user: UserId,
        vins: Vec<Vec<u8>>,
    ) -> Result<Vec<Option<KnownVehicle>>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::known_vehicles(conn, user, &vins)?)).await
    }

    async fn set_capacity(&self, vehicle: VehicleNo, capacity_wh: u32) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(vehicles::set_capacity(tx, vehicle, capacity_wh)?)).await
    }

    async fn capacity(&self, vehicle: VehicleNo) -> Result<Option<u32>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::capacity(conn, vehicle)?)).await
    }

    async fn load(&self, vehicles: Vec<VehicleNo>) -> Result<Vec<Option<LoadedVehicle>>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::load(conn, &vehicles)?)).await
    }

    async fn vehicle_numbers(
        &self,
        ids: Vec<VehicleId>,
    ) -> Result<Vec<Option<(VehicleNo, ApplicationNo)>>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::vehicle_numbers(conn, &ids)?)).await
    }

    async fn find_vehicle(&self, id: VehicleId) -> Result<Option<VehicleRow>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::find_vehicle(conn, id)?)).await
    }

    async fn find_disconnected(&self, id: VehicleId) -> Result<Option<DisconnectedVehicle>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::find_disconnected(conn, id)?)).await
    }

    async fn list_vehicles(
        &self,
        filter: VehicleFilter,
        limit: usize,
    ) -> Result<Vec<VehicleRow>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::list_vehicles(conn, &filter, limit)?)).await
    }

    async fn vehicles_of_user(&self, user: UserId, limit: usize) -> Result<Vec<VehicleNo>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::vehicles_of_user(conn, user, limit)?)).await
    }

    async fn count_vehicles(&self, application: Option<ApplicationNo>) -> Result<u64, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::count_vehicles(conn, application)?)).await
    }

    async fn add_car(&self, car: Car) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(vehicles::add_car(tx, &car)?)).await
    }

    async fn car(&self, id: Uuid) -> Result<Option<(Car, Vec<VehicleId>)>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::car(conn, id)?)).await
    }

    async fn list_cars(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<(Car, Vec<VehicleId>)>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::list_cars(conn, after, limit)?)).await
    }

    async fn attach_car(&self, id: Uuid, vehicle: VehicleNo) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(vehicles::attach_car(tx, id, vehicle)?)).await
    }

    async fn vehicle_of_car(
        &self,
        id: Uuid,
        application: ApplicationNo,
        user: Option<UserId>,
    ) -> Result<Option<(KnownVehicle, UserId)>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::vehicle_of_car(conn, id, application, user)?)).await
    }

    async fn update_car(&self, id: Uuid, spec: Vec<u8>) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(vehicles::update_car(tx, id, &spec)?)).await
    }

    async fn replace_spec(
        &self,
        vehicle: VehicleNo,
        was: Vec<u8>,
        spec: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(vehicles::replace_spec(tx, vehicle, &was, &spec)?)).await
    }

    async fn count_requests(&self, vehicle: VehicleNo, month: u32, by: i32) -> Result<u64, StoreError> {
        self.engine.write(move |tx| Ok(vehicles::count_requests(tx, vehicle, month, by)?)).await
    }

    async fn claim_due(&self, claim: ClaimDue) -> Result<Vec<Due>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::claim_due(conn, &claim)?)).await
    }

    async fn next_due(&self, pool: PoolNo, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::next_due(conn, pool, after)?)).await
    }

    async fn commit_steps(&self, commits: Vec<StepCommit>) -> Result<Vec<StepResult>, StoreError> {
        let items = commits.len();
        self.engine.write_bulk(items, move |tx| Ok(steps::commit_steps(tx, &commits)?)).await
    }

    async fn subscriptions_of_webhook(
        &self,
        webhook: WebhookNo,
        after: Option<VehicleNo>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.engine
            .read(move |conn| Ok(vehicles::subscriptions_of_webhook(conn, webhook, after, limit)?))
            .await
    }

    async fn subscriptions_of_vehicle(&self, vehicle: VehicleNo) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::subscriptions_of_vehicle(conn, vehicle)?)).await
    }

    async fn count_subscriptions(&self, webhook: WebhookNo) -> Result<u64, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::count_subscriptions(conn, webhook)?)).await
    }

    async fn observations(
        &self,
        vehicle: VehicleNo,
        before: Option<ObservationNo>,
        limit: usize,
    ) -> Result<Vec<(ObservationNo, Timestamp, Vec<u8>)>, StoreError> {
        self.engine.read(move |conn| Ok(vehicles::observations(conn, vehicle, before, limit)?)).await
    }
}

#[async_trait]
impl Recordings for SqliteStore {
    async fn begin_recording(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(recordings::begin(tx, id, now)?)).await
    }

    async fn put_recording_part(
        &self,
        id: Uuid,
        kind: RecordingPart,
        no: u32,
        body: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(recordings::put_part(tx, id, kind, no, &body)?)).await
    }

    async fn recording_part(
        &self,
        id: Uuid,
        kind: RecordingPart,
        no: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.read(move |conn| Ok(recordings::part(conn, id, kind, no)?)).await
    }

    async fn count_recording_parts(&self, id: Uuid, kind: RecordingPart) -> Result<(u32, bool), StoreError> {
        self.engine.read(move |conn| Ok(recordings::count_parts(conn, id, kind)?)).await
    }

    async fn complete_recording(
        &self,
        id: Uuid,
        manifest: Vec<u8>,
        car: RecordedCar,
    ) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(recordings::complete(tx, id, &manifest, &car)?)).await
    }

    async fn recording(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.read(move |conn| Ok(recordings::manifest(conn, id)?)).await
    }

    async fn is_being_uploaded(&self, id: Uuid) -> Result<bool, StoreError> {
        self.engine.read(move |conn| Ok(recordings::is_being_uploaded(conn, id)?)).await
    }

    async fn unused_recordings(&self, begun_before: Timestamp) -> Result<Vec<Uuid>, StoreError> {
        self.engine.read(move |conn| Ok(recordings::unused(conn, begun_before)?)).await
    }

    async fn recordings_of_car(&self, car: Uuid) -> Result<Vec<Uuid>, StoreError> {
        self.engine.read(move |conn| Ok(recordings::of_car(conn, car)?)).await
    }

    async fn delete_recording_parts(&self, id: Uuid, kind: RecordingPart) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(recordings::delete_parts(tx, id, kind)?)).await
    }

    async fn forget_recording(&self, id: Uuid) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(recordings::forget(tx, id)?)).await
    }

    async fn delete_car(&self, id: Uuid) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(recordings::delete_car(tx, id)?)).await
    }
}

#[async_trait]
impl Queue for SqliteStore {
    async fn lease_lane(
        &self,
        node: NodeId,
        lane: LaneKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LaneLease>, StoreError> {
        self.engine.write(move |tx| Ok(queue::lease_lane(tx, node, lane, now, until)?)).await
    }

    async fn release_lane(&self, node: NodeId, lease: LaneLease) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(queue::release_lane(tx, node, lease)?)).await
    }

    async fn lanes_with_work(&self) -> Result<Vec<LaneKey>, StoreError> {
        self.engine.read(|conn| Ok(queue::lanes_with_work(conn)?)).await
    }

    async fn fill(
        &self,
        lane: LaneKey,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        self.engine.read(move |conn| Ok(queue::fill(conn, lane, until, limit)?)).await
    }

    async fn next_attempt(&self, lane: LaneKey, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.engine.read(move |conn| Ok(queue::next_attempt(conn, lane, after)?)).await
    }

    async fn depth(&self, lane: LaneKey, most: u64) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.engine.read(move |conn| Ok(queue::depth(conn, lane, most)?)).await
    }

    async fn waiting(&self, filter: WaitingFilter, limit: usize) -> Result<WaitingPage, StoreError> {
        self.engine.read(move |conn| Ok(waiting::waiting(conn, &filter, limit)?)).await
    }

    async fn retrying(&self, event: EventNo) -> Result<Option<WaitingEvent>, StoreError> {
        self.engine.read(move |conn| Ok(waiting::retrying(conn, event)?)).await
    }

    async fn record(&self, lease: LaneLease, records: Vec<Record>) -> Result<Recorded, StoreError> {
        self.engine.write(move |tx| queue::record(tx, lease, &records)).await
    }

    async fn redeliver(
        &self,
        event: EventNo,
        carries: PermissionSet,
        now: Timestamp,
    ) -> Result<Redelivered, StoreError> {
        self.engine.write(move |tx| Ok(queue::redeliver(tx, event, carries, now)?)).await
    }

    async fn tombstones(&self) -> Result<Vec<Tombstone>, StoreError> {
        self.engine.read(|conn| Ok(tombstones::tombstones(conn)?)).await
    }

    async fn bury(&self, tombstone: i64, now: Timestamp, limit: usize) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(tombstones::bury(tx, tombstone, now, limit)?)).await
    }
}

#[async_trait]
impl Deliveries for SqliteStore {
    async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Page<LoggedDelivery>, StoreError> {
        self.engine.read(move |conn| Ok(deliveries::list_deliveries(conn, &filter, limit)?)).await
    }

    async fn delivery(&self, event: EventNo) -> Result<Option<LoggedDelivery>, StoreError> {
        self.engine.read(move |conn| Ok(deliveries::delivery(conn, event)?)).await
    }

    async fn roll_ups(
        &self,
        webhooks: Vec<WebhookNo>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Bucket>, StoreError> {
        self.engine.read(move |conn| Ok(deliveries::roll_ups(conn, &webhooks, from, to)?)).await
    }

    async fn last_delivered(&self, webhook: WebhookNo) -> Result<Option<Timestamp>, StoreError> {
        self.engine.read(move |conn| Ok(deliveries::last_delivered(conn, webhook)?)).await
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn retire(&self, retention: Retention) -> Result<Retired, StoreError> {
        self.engine.write(move |tx| Ok(upkeep::retire(tx, &retention)?)).await
    }

    async fn retire_oldest(&self, limit: usize) -> Result<Retired, StoreError> {
        self.engine.write(move |tx| Ok(upkeep::retire_oldest(tx, limit)?)).await
    }

    async fn erase_vehicle(&self, vehicle: VehicleNo) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(upkeep::erase_vehicle(tx, vehicle)?)).await
    }

    async fn heartbeat(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        self.engine.write(move |tx| Ok(upkeep::heartbeat(tx, now)?)).await
    }

    async fn size(&self) -> Result<Size, StoreError> {
        let (bytes, free_inside) = self.engine.read(|conn| Ok(upkeep::pages(conn)?)).await?;
        let files = self.engine.files();
        let commits = self.engine.commits();
        Ok(Size {
            bytes: bytes.max(files.bytes),
            free_inside,
            wal_bytes: files.wal_bytes,
            free_on_disk: files.free_on_disk,
            bytes_written: files.bytes_written,
            commits: commits.commits,
            items: commits.items,
        })
    }

    async fn backup(&self, to: PathBuf, now: Timestamp) -> Result<Backup, StoreError> {
        self.engine.read_aside(move |conn| crate::backup::copy(conn, &to, DATA, now)).await
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        self.engine
            .read_aside(|conn| upkeep::check(conn).map_err(|error| crate::error::store_error(&error)))
            .await
    }

    fn damage(&self) -> Option<String> {
        self.engine.damage()
    }

    async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        let findings = self
            .engine
            .read_aside(|conn| upkeep::quick_check(conn).map_err(|error| crate::error::store_error(&error)))
            .await?;
        findings.first().inspect(|finding| self.engine.found_damage(finding));
        Ok(findings)
    }

    async fn check_next(&self, after: Option<String>) -> Result<CheckStep, StoreError> {
        let step = self
            .engine
            .read_aside(move |conn| {
                upkeep::check_next(conn, after.as_deref()).map_err(|error| crate::error::store_error(&error))
            })
            .await?;
        step.findings.first().inspect(|finding| self.engine.found_damage(finding));
        Ok(step)
    }

    async fn accept_clock(&self, now: Timestamp) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(upkeep::accept_clock(tx, now)?)).await
    }

    async fn installation(&self, fresh: u64) -> Result<u64, StoreError> {
        self.engine.write(move |tx| Ok(upkeep::installation(tx, fresh)?)).await
    }

    async fn ledger(&self, after: i64, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.engine.read(move |conn| Ok(ledger::entries(conn, after, limit)?)).await
    }

    async fn add_to_ledger(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError> {
        self.engine
            .write(move |tx| {
                for entry in &entries {
                    ledger::put(tx, entry)?;
                    ledger::go_on_above(tx, entry.version)?;
                }
                Ok(())
            })
            .await
    }

    async fn forget_in_ledger(&self, subject: Uuid) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(ledger::forget(tx, subject)?)).await
    }

    async fn apply_end(&self, entry: LedgerEntry, now: Timestamp) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(upkeep::apply_end(tx, &entry, now)?)).await
    }

    async fn purge_application(&self, id: ApplicationId, now: Timestamp) -> Result<bool, StoreError> {
        self.engine.write(move |tx| Ok(upkeep::purge_application(tx, id, now)?)).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.engine.close().await
    }
}
