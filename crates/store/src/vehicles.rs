//! Vehicles: their documents, due times, connections and subscriptions, and the commit of a step.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    connect::PermissionSet,
    ids::{
        ApplicationNo, ConnectionId, EventId, EventNo, ObservationNo, PoolNo, SubscriptionId, UserId,
        VehicleId, VehicleNo, WebhookNo,
    },
    time::Timestamp,
    vehicle::{Mode, RowChange, VehicleInfo},
};
use uuid::Uuid;

use crate::{LaneKey, LogStatus, SecretHash, StoreError, Tombstone};

/// The version of a document: 1 when it is linked first, one more with each commit. A vehicle that is linked again begins
/// above all that it ever had.
pub type Version = u64;

/// Where a vehicle is read.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRef {
    /// Which source: 1 the simulated fleet, 2 a recording. Stored.
    pub kind: u8,
    /// The budget that a read costs.
    pub pool: PoolNo,
    /// What the source needs to find the car; only the source reads it.
    pub spec: Vec<u8>,
}

/// A vehicle to be linked: a user, a connection and a vehicle in one transaction.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The application that gets access.
    pub application: ApplicationNo,
    /// The owner; made when the application does not have it yet.
    pub user: UserId,
    /// The new connection.
    pub connection: ConnectionId,
    /// What payloads show of the vehicle, with its id.
    pub info: VehicleInfo,
    /// Keyed hash of its number, by which it is found again; empty for one that is not to be.
    pub vin: Vec<u8>,
    /// The vehicle that was linked before and is now again: it keeps its number, its id and where it is read.
    pub again: Option<VehicleNo>,
    /// What the owner granted.
    pub permissions: PermissionSet,
    /// Where it is read.
    pub source: SourceRef,
    /// The simulator's car that it is, if it is one.
    pub car: Option<Uuid>,
    /// Its first document, sealed.
    pub document: Vec<u8>,
    /// Now.
    pub connected_at: Timestamp,
}

/// A vehicle owner as one application knows them: who has signed in at a brand.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// The id on the wire.
    pub user: UserId,
    /// The application.
    pub application: ApplicationNo,
    /// Keyed hash of the account at the brand.
    pub account: SecretHash,
    /// The application's own id of the owner, sealed; empty when it has given none.
    pub external_id: Vec<u8>,
    /// What the application asked for when the owner last agreed.
    pub asked: PermissionSet,
    /// When the owner last ended the access to a vehicle. Written by [`Vehicles::note_ended_access`] alone.
    pub ended_at: Option<Timestamp>,
}

/// A vehicle of an owner that is or was linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownVehicle {
    /// Row number.
    pub no: VehicleNo,
    /// The id on the wire.
    pub id: VehicleId,
    /// What is granted of it, while it is connected.
    pub granted: Option<PermissionSet>,
}

/// A vehicle with all that a step needs.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedVehicle {
    /// Row number.
    pub no: VehicleNo,
    /// What payloads show of it.
    pub info: VehicleInfo,
    /// Its application.
    pub application: ApplicationNo,
    /// Its owner, whose data key seals the document.
    pub user: UserId,
    /// Where it is read.
    pub source: SourceRef,
    /// The version that a commit must name.
    pub version: Version,
    /// The document, sealed.
    pub document: Vec<u8>,
}

/// Asks for vehicles that are due, in the order of due time and row number.
#[derive(Clone, Debug)]
pub struct ClaimDue {
    /// The budget that was taken before.
    pub pool: PoolNo,
    /// What is due at or before this.
    pub now: Timestamp,
    /// Only what comes after this one: a node goes on where its last claim ended, and begins anew when it gets nothing.
    pub after: Option<(Timestamp, VehicleNo)>,
    /// At most so many.
    pub limit: usize,
    /// How long no other node may claim them. A backend that one process owns does not write it.
    pub lease: Duration,
}

/// A vehicle that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The vehicle.
    pub vehicle: LoadedVehicle,
    /// Since when.
    pub due: Timestamp,
}

/// What one step wants written.
#[derive(Clone, Debug)]
pub struct StepCommit {
    /// The vehicle.
    pub vehicle: VehicleNo,
    /// The version that the step started from.
    pub expected: Version,
    /// The next document, sealed.
    pub document: Vec<u8>,
    /// When something has to happen next; `None` for never.
    pub due: Option<Timestamp>,
    /// What was seen, sealed, oldest first.
    pub observations: Vec<NewObservation>,
    /// Events that refer to these observations.
    pub events: Vec<NewEvent>,
    /// Slots that ended without an event, for the log.
    pub lapsed: Vec<NewLapse>,
    /// Changes of the relational rows.
    pub rows: Vec<RowChange>,
    /// Now.
    pub now: Timestamp,
}

/// An observation to be appended.
#[derive(Clone, Debug)]
pub struct NewObservation {
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Encoded and sealed.
    pub body: Vec<u8>,
}

/// An event to be queued.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The lane that it waits in.
    pub lane: LaneKey,
    /// The revision that it was made under.
    pub revision: u32,
    /// The epoch of the webhook that it was made under: it is queued only if the webhook delivers in that epoch still.
    pub epoch: u32,
    /// Its id on the wire.
    pub id: EventId,
    /// The slot it is for, or when it happened.
    pub slot: Timestamp,
    /// Rises with the events of its subscription.
    pub sequence: u64,
    /// Why it is owed, encoded; empty for a slot.
    pub occasion: Vec<u8>,
    /// Which of the step's observations it carries.
    pub observation: usize,
}

/// Slots that ended without an event, for the log.
#[derive(Clone, Debug)]
pub struct NewLapse {
    /// Whose slots.
    pub webhook: WebhookNo,
    /// The id of the last of these occurrences.
    pub id: EventId,
    /// The first slot.
    pub from: Timestamp,
    /// The last slot.
    pub until: Timestamp,
    /// How many.
    pub count: u64,
    /// How they ended.
    pub status: LogStatus,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum StepResult {
    /// Written.
    Committed {
        /// The version that the next step starts from.
        version: Version,
        /// The numbers of the observations, in their order.
        observations: Vec<ObservationNo>,
        /// The numbers of the events, in their order; `None` for one whose webhook does not deliver any more, or has begun
        /// anew since: the log says that it was not sent.
        events: Vec<Option<EventNo>>,
        /// Tombstones that row changes wrote.
        tombstones: Vec<Tombstone>,
    },
    /// Somebody else has stepped this vehicle since: load it and step again.
    Conflict,
    /// The vehicle is no longer there.
    Gone,
}

/// A vehicle in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct VehicleRow {
    /// Row number; lists are in its order.
    pub no: VehicleNo,
    /// What payloads show of it.
    pub info: VehicleInfo,
    /// Its application.
    pub application: ApplicationNo,
    /// Its owner.
    pub user: UserId,
    /// The connection.
    pub connection: ConnectionId,
    /// What the owner granted.
    pub permissions: PermissionSet,
    /// Where it is read.
    pub source: SourceRef,
    /// When it was linked.
    pub connected_at: Timestamp,
    /// When something happens next.
    pub due: Option<Timestamp>,
}

/// A vehicle whose connection has ended: what is kept of it until it is erased.
#[derive(Clone, Debug, PartialEq)]
pub struct DisconnectedVehicle {
    /// Row number.
    pub no: VehicleNo,
    /// What payloads showed of it.
    pub info: VehicleInfo,
    /// The application that had access.
    pub application: ApplicationNo,
    /// Its owner.
    pub user: UserId,
}

/// Which vehicles to list. All conditions hold.
#[derive(Clone, Debug, Default)]
pub struct VehicleFilter {
    /// Of one application.
    pub application: Option<ApplicationNo>,
    /// Of one owner.
    pub user: Option<UserId>,
    /// Of one source.
    pub source: Option<u8>,
    /// With or without a real car.
    pub mode: Option<Mode>,
    /// After this one, in the order of the list.
    pub after: Option<VehicleNo>,
    /// Newest first; oldest first otherwise.
    pub newest_first: bool,
}

/// Which connections to list. All conditions hold.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    /// Of one application.
    pub application: Option<ApplicationNo>,
    /// Of one owner.
    pub user: Option<UserId>,
}

/// A connection in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// The id on the wire.
    pub id: ConnectionId,
    /// The vehicle.
    pub vehicle: VehicleId,
    /// The owner.
    pub user: UserId,
}

/// A subscription in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionRow {
    /// The id on the wire.
    pub id: SubscriptionId,
    /// The webhook.
    pub webhook: WebhookNo,
    /// The vehicle's row number; lists are in its order.
    pub vehicle: VehicleNo,
    /// The vehicle's id on the wire.
    pub vehicle_id: VehicleId,
    /// Since when.
    pub since: Timestamp,
}

/// A car of the simulator: it exists before an application is connected to it, and may be connected to several.
#[derive(Clone, Debug, PartialEq)]
pub struct Car {
    /// Its id in the simulator.
    pub id: Uuid,
    /// What payloads will show of it; the id is the car's own.
    pub info: VehicleInfo,
    /// What the source needs to find it.
    pub source: SourceRef,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Vehicles, their documents and what is due about them.
#[async_trait]
pub trait Vehicles: Send + Sync + 'static {
    /// The number of the pool with this name; made when it is new.
    async fn pool(&self, name: String) -> Result<PoolNo, StoreError>;
    /// Every pool with its name.
    async fn pools(&self) -> Result<Vec<(PoolNo, String)>, StoreError>;

    /// Links vehicles, all or none. Numbers rise in the given order.
    async fn link(&self, links: Vec<NewLink>) -> Result<Vec<VehicleNo>, StoreError>;
    /// Writes what is known of an owner, new or not, and links vehicles of theirs, all or none.
    async fn link_owned(&self, owner: Owner, links: Vec<NewLink>) -> Result<Vec<VehicleNo>, StoreError>;
    /// Who signed in at a brand with an account, if an application has met them.
    async fn owner_of_account(
        &self,
        application: ApplicationNo,
        account: SecretHash,
    ) -> Result<Option<Owner>, StoreError>;
    /// What is known of an owner who has signed in at a brand.
    async fn owner(&self, user: UserId) -> Result<Option<Owner>, StoreError>;
    /// Notes that an owner has ended the access to a vehicle; an earlier moment than the one that is known changes
    /// nothing.
    async fn note_ended_access(&self, user: UserId, now: Timestamp) -> Result<(), StoreError>;
    /// Forgets an owner's account; false when there is none.
    async fn forget_owner(&self, user: UserId) -> Result<bool, StoreError>;
    /// The vehicles of an owner by the keyed hash of their numbers, in the order asked.
    async fn known_vehicles(
        &self,
        user: UserId,
        vins: Vec<Vec<u8>>,
    ) -> Result<Vec<Option<KnownVehicle>>, StoreError>;
    /// Notes the capacity that an owner has chosen for a vehicle, in Wh.
    async fn set_capacity(&self, vehicle: VehicleNo, capacity_wh: u32) -> Result<(), StoreError>;
    /// The capacity that an owner has chosen for a vehicle, in Wh.
    async fn capacity(&self, vehicle: VehicleNo) -> Result<Option<u32>, StoreError>;
    /// Vehicles by number, in the order asked; `None` for those that are gone.
    async fn load(&self, vehicles: Vec<VehicleNo>) -> Result<Vec<Option<LoadedVehicle>>, StoreError>;
    /// The number of a vehicle with an id, with its application.
    async fn find_vehicle(&self, id: VehicleId) -> Result<Option<VehicleRow>, StoreError>;
    /// The vehicle with an id whose connection has ended, until it is erased.
    async fn find_disconnected(&self, id: VehicleId) -> Result<Option<DisconnectedVehicle>, StoreError>;
    /// The row numbers of connected vehicles and their applications, in the order of the ids.
    async fn vehicle_numbers(
        &self,
        ids: Vec<VehicleId>,
    ) -> Result<Vec<Option<(VehicleNo, ApplicationNo)>>, StoreError>;
    /// Vehicles in the order of their numbers, or the other way round.
    async fn list_vehicles(&self, filter: VehicleFilter, limit: usize)
    -> Result<Vec<VehicleRow>, StoreError>;
    /// The vehicles of an owner that are not erased, connected or not, in the order of linking.
    async fn vehicles_of_user(&self, user: UserId, limit: usize) -> Result<Vec<VehicleNo>, StoreError>;
    /// How many vehicles the application has (all applications for `None`).
    async fn count_vehicles(&self, application: Option<ApplicationNo>) -> Result<u64, StoreError>;
    /// Adds a car to the simulator.
    async fn add_car(&self, car: Car) -> Result<(), StoreError>;
    /// A car of the simulator, with the vehicles that are connected to it.
    async fn car(&self, id: Uuid) -> Result<Option<(Car, Vec<VehicleId>)>, StoreError>;
    /// Cars of the simulator after one, oldest first.
    async fn list_cars(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<(Car, Vec<VehicleId>)>, StoreError>;
    /// Notes that a vehicle is this car.
    async fn attach_car(&self, id: Uuid, vehicle: VehicleNo) -> Result<(), StoreError>;
    /// The newest vehicle of an application that is this car and not erased, with its owner; of one owner only, when one is
    /// named.
    async fn vehicle_of_car(
        &self,
        id: Uuid,
        application: ApplicationNo,
        user: Option<UserId>,
    ) -> Result<Option<(KnownVehicle, UserId)>, StoreError>;
    /// Replaces the source's data of a car and of every vehicle that is this car; false when there is no such car.
    async fn update_car(&self, id: Uuid, spec: Vec<u8>) -> Result<bool, StoreError>;

    /// Replaces the source's data of a vehicle, and of its car with every vehicle that is that car, if the vehicle's is
    /// still what it was; false otherwise.
    async fn replace_spec(&self, vehicle: VehicleNo, was: Vec<u8>, spec: Vec<u8>)
    -> Result<bool, StoreError>;

    /// Counts requests about a vehicle, or takes back what was counted; answers with how many there were in this month
    /// (months since year 0).
    async fn count_requests(&self, vehicle: VehicleNo, month: u32, by: i32) -> Result<u64, StoreError>;

    /// Vehicles that are due.
    async fn claim_due(&self, claim: ClaimDue) -> Result<Vec<Due>, StoreError>;
    /// The earliest due time of a pool after `after`.
    async fn next_due(&self, pool: PoolNo, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    /// Commits steps, each all or none, in one transaction with whatever else is waiting. An item that conflicts fails
    /// alone. Results are in the order of the commits.
    async fn commit_steps(&self, commits: Vec<StepCommit>) -> Result<Vec<StepResult>, StoreError>;

    /// Subscriptions of a webhook after a vehicle, in the order of vehicle numbers.
    async fn subscriptions_of_webhook(
        &self,
        webhook: WebhookNo,
        after: Option<VehicleNo>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError>;
    /// Subscriptions of a vehicle.
    async fn subscriptions_of_vehicle(&self, vehicle: VehicleNo) -> Result<Vec<SubscriptionRow>, StoreError>;
    /// How many vehicles a webhook has.
    async fn count_subscriptions(&self, webhook: WebhookNo) -> Result<u64, StoreError>;
    /// The newest observations of a vehicle before a number, newest first.
    async fn observations(
        &self,
        vehicle: VehicleNo,
        before: Option<ObservationNo>,
        limit: usize,
    ) -> Result<Vec<(ObservationNo, Timestamp, Vec<u8>)>, StoreError>;
}
