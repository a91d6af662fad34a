//! The database as the application sees it: each call takes a moment, in which other tasks may go on, before it is done
//! and again before its caller knows. And the disk may be full.

use std::{path::PathBuf, pin::Pin, sync::Arc, task::Context, task::Poll};

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

use crate::crash::Fate;

/// A database behind a disk that has moods.
pub(crate) struct Disk {
    pub(crate) database: Arc<dyn Store>,
    pub(crate) fate: Fate,
}

macro_rules! passes_on {
    ($($part:ident {
        $(at once { $($at_once:tt)* })?
        $(reads fn $read:ident($($read_name:ident: $read_type:ty),*) -> $read_result:ty;)*
        $(writes fn $write:ident($($write_name:ident: $write_type:ty),*) -> $write_result:ty;)*
    })*) => {$(
        #[async_trait]
        impl $part for Disk {
            $($($at_once)*)?
            $(async fn $read(&self, $($read_name: $read_type),*) -> Result<$read_result, StoreError> {
                a_moment().await;
                let result = self.database.$read($($read_name),*).await;
                a_moment().await;
                result
            })*
            $(async fn $write(&self, $($write_name: $write_type),*) -> Result<$write_result, StoreError> {
                a_moment().await;
                if self.fate.disk_is_full() {
                    return Err(StoreError::Full);
                }
                let result = self.database.$write($($write_name),*).await;
                a_moment().await;
                result
            })*
        }
    )*};
}

passes_on! {
    Registry {
        at once {
            fn keeping(&self, keep: KeepAnswer) -> Arc<dyn Store> {
                Arc::new(Self { database: self.database.keeping(keep), fate: self.fate.clone() })
            }
        }
        reads fn applications() -> Vec<Application>;
        reads fn secrets(no: ApplicationNo) -> Vec<Secret>;
        reads fn webhooks() -> Vec<StoredWebhook>;
        reads fn deleted_webhooks() -> Vec<(WebhookNo, WebhookId)>;
        reads fn revision(webhook: WebhookNo, number: u32) -> Option<Revision>;
        reads fn sweeps() -> Vec<Sweep>;
        reads fn feeds() -> Vec<Feed>;
        reads fn kept(key: String) -> Option<Kept>;
        writes fn create_application(new: NewApplication) -> Application;
        writes fn update_application(
            no: ApplicationNo, version: u64, name: String, uris: Vec<String>, plan: String, connect: Defaults
        ) -> Edited<Application>;
        writes fn delete_application(no: ApplicationNo) -> bool;
        writes fn set_management_token(no: ApplicationNo, version: u64, sealed: Vec<u8>, retiring: Option<RetiringToken>)
            -> Edited<Application>;
        writes fn add_secret(no: ApplicationNo, secret: Secret, most: usize) -> bool;
        writes fn remove_secret(no: ApplicationNo, hint: String) -> bool;
        writes fn create_webhook(new: NewWebhook) -> StoredWebhook;
        writes fn change_webhook(no: WebhookNo, change: WebhookChange) -> Edited<(StoredWebhook, Option<Tombstone>)>;
        writes fn advance_auto(webhook: WebhookNo, after: VehicleNo) -> ();
        writes fn create_feed(feed: Feed, most: usize) -> bool;
        writes fn delete_feed(id: FeedId) -> bool;
        writes fn advance_sweep(sweep: Sweep) -> ();
        writes fn end_sweep(sweep: Sweep) -> ();
        writes fn keep(key: String, answer: Kept, now: Timestamp) -> Kept;
        writes fn replace_kept(key: String, answer: Kept) -> ();
    }
    Grants {
        reads fn token(hash: SecretHash) -> Option<TokenGrant>;
        reads fn code(hash: SecretHash) -> Option<Code>;
        writes fn grant_token(hash: SecretHash, application: ApplicationNo, user: UserId, expires_at: Timestamp)
            -> ();
        writes fn keep_code(hash: SecretHash, code: Code) -> ();
        writes fn spend_code(hash: SecretHash, application: ApplicationNo, pair: NewPair, lives: Lives, now: Timestamp)
            -> Redeemed;
        writes fn refresh(
            hash: SecretHash, application: ApplicationNo, pair: NewPair, lives: Lives, grace: Grace, now: Timestamp
        ) -> Refreshed;
        writes fn revoke(hash: SecretHash, application: ApplicationNo, now: Timestamp) -> bool;
        writes fn forget_grants(user: UserId) -> ();
    }
    Vehicles {
        reads fn vehicle_of_car(id: Uuid, application: ApplicationNo, user: Option<UserId>)
            -> Option<(KnownVehicle, UserId)>;
        reads fn pools() -> Vec<(PoolNo, String)>;
        reads fn load(vehicles: Vec<VehicleNo>) -> Vec<Option<LoadedVehicle>>;
        reads fn find_vehicle(id: VehicleId) -> Option<VehicleRow>;
        reads fn find_disconnected(id: VehicleId) -> Option<DisconnectedVehicle>;
        reads fn vehicle_numbers(ids: Vec<VehicleId>) -> Vec<Option<(VehicleNo, ApplicationNo)>>;
        reads fn list_vehicles(filter: VehicleFilter, limit: usize) -> Vec<VehicleRow>;
        reads fn vehicles_of_user(user: UserId, limit: usize) -> Vec<VehicleNo>;
        reads fn count_vehicles(application: Option<ApplicationNo>) -> u64;
        reads fn car(id: Uuid) -> Option<(Car, Vec<VehicleId>)>;
        reads fn list_cars(after: Option<Uuid>, limit: usize) -> Vec<(Car, Vec<VehicleId>)>;
        reads fn claim_due(claim: ClaimDue) -> Vec<Due>;
        reads fn next_due(pool: PoolNo, after: Timestamp) -> Option<Timestamp>;
        reads fn subscriptions_of_webhook(webhook: WebhookNo, after: Option<VehicleNo>, limit: usize)
            -> Vec<SubscriptionRow>;
        reads fn subscriptions_of_vehicle(vehicle: VehicleNo) -> Vec<SubscriptionRow>;
        reads fn count_subscriptions(webhook: WebhookNo) -> u64;
        reads fn observations(vehicle: VehicleNo, before: Option<ObservationNo>, limit: usize)
            -> Vec<(ObservationNo, Timestamp, Vec<u8>)>;
        reads fn owner_of_account(application: ApplicationNo, account: SecretHash) -> Option<Owner>;
        reads fn owner(user: UserId) -> Option<Owner>;
        reads fn known_vehicles(user: UserId, vins: Vec<Vec<u8>>) -> Vec<Option<KnownVehicle>>;
        reads fn capacity(vehicle: VehicleNo) -> Option<u32>;
        writes fn pool(name: String) -> PoolNo;
        writes fn count_requests(vehicle: VehicleNo, month: u32, by: i32) -> u64;
        writes fn replace_spec(vehicle: VehicleNo, was: Vec<u8>, spec: Vec<u8>) -> bool;
        writes fn link(links: Vec<NewLink>) -> Vec<VehicleNo>;
        writes fn link_owned(owner: Owner, links: Vec<NewLink>) -> Vec<VehicleNo>;
        writes fn note_ended_access(user: UserId, now: Timestamp) -> ();
        writes fn forget_owner(user: UserId) -> bool;
        writes fn set_capacity(vehicle: VehicleNo, capacity_wh: u32) -> ();
        writes fn add_car(car: Car) -> ();
        writes fn attach_car(id: Uuid, vehicle: VehicleNo) -> ();
        writes fn update_car(id: Uuid, spec: Vec<u8>) -> bool;
        writes fn commit_steps(commits: Vec<StepCommit>) -> Vec<StepResult>;
    }
    Recordings {
        reads fn recording_part(id: Uuid, kind: RecordingPart, no: u32) -> Option<Vec<u8>>;
        reads fn count_recording_parts(id: Uuid, kind: RecordingPart) -> (u32, bool);
        reads fn recording(id: Uuid) -> Option<Vec<u8>>;
        reads fn is_being_uploaded(id: Uuid) -> bool;
        reads fn unused_recordings(begun_before: Timestamp) -> Vec<Uuid>;
        reads fn recordings_of_car(car: Uuid) -> Vec<Uuid>;
        writes fn begin_recording(id: Uuid, now: Timestamp) -> ();
        writes fn put_recording_part(id: Uuid, kind: RecordingPart, no: u32, body: Vec<u8>) -> bool;
        writes fn complete_recording(id: Uuid, manifest: Vec<u8>, car: RecordedCar) -> bool;
        writes fn delete_recording_parts(id: Uuid, kind: RecordingPart) -> bool;
        writes fn forget_recording(id: Uuid) -> ();
        writes fn delete_car(id: Uuid) -> bool;
    }
    Queue {
        reads fn lanes_with_work() -> Vec<LaneKey>;
        reads fn fill(lane: LaneKey, until: Timestamp, limit: usize) -> Vec<QueuedEvent>;
        reads fn next_attempt(lane: LaneKey, after: Timestamp) -> Option<Timestamp>;
        reads fn depth(lane: LaneKey, most: u64) -> (u64, Option<Timestamp>);
        reads fn waiting(filter: WaitingFilter, limit: usize) -> WaitingPage;
        reads fn retrying(event: EventNo) -> Option<WaitingEvent>;
        reads fn tombstones() -> Vec<Tombstone>;
        writes fn lease_lane(node: NodeId, lane: LaneKey, now: Timestamp, until: Timestamp) -> Option<LaneLease>;
        writes fn release_lane(node: NodeId, lease: LaneLease) -> ();
        writes fn record(lease: LaneLease, records: Vec<Record>) -> Recorded;
        writes fn redeliver(event: EventNo, carries: PermissionSet, now: Timestamp) -> Redelivered;
        writes fn bury(tombstone: i64, now: Timestamp, limit: usize) -> bool;
    }
    Deliveries {
        reads fn list_deliveries(filter: DeliveryFilter, limit: usize) -> Page<LoggedDelivery>;
        reads fn delivery(event: EventNo) -> Option<LoggedDelivery>;
        reads fn roll_ups(webhooks: Vec<WebhookNo>, from: Timestamp, to: Timestamp) -> Vec<Bucket>;
        reads fn last_delivered(webhook: WebhookNo) -> Option<Timestamp>;
    }
    Upkeep {
        at once {
            fn damage(&self) -> Option<String> {
                self.database.damage()
            }
        }
        reads fn size() -> Size;
        reads fn backup(to: PathBuf, now: Timestamp) -> Backup;
        reads fn check() -> Vec<String>;
        reads fn quick_check() -> Vec<String>;
        reads fn check_next(place: Option<String>) -> CheckStep;
        reads fn ledger(after: i64, limit: usize) -> Vec<LedgerEntry>;
        reads fn close() -> ();
        writes fn retire(retention: Retention) -> Retired;
        writes fn retire_oldest(limit: usize) -> Retired;
        writes fn erase_vehicle(vehicle: VehicleNo) -> ();
        writes fn heartbeat(now: Timestamp) -> Timestamp;
        writes fn accept_clock(now: Timestamp) -> ();
        writes fn installation(fresh: u64) -> u64;
        writes fn add_to_ledger(entries: Vec<LedgerEntry>) -> ();
        writes fn forget_in_ledger(subject: Uuid) -> ();
        writes fn apply_end(entry: LedgerEntry, now: Timestamp) -> bool;
        writes fn purge_application(id: ApplicationId, now: Timestamp) -> bool;
    }
}

/// Lets other tasks go on.
fn a_moment() -> impl Future<Output = ()> + Send {
    Moment(false)
}

struct Moment(bool);

impl Future for Moment {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
