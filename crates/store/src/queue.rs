//! The queues of events waiting to be sent, one per lane.

use async_trait::async_trait;
use domain::{
    connect::PermissionSet,
    ids::{ApplicationNo, EventId, EventNo, ObservationNo, UserId, VehicleId, VehicleNo, WebhookNo},
    time::Timestamp,
    vehicle::VehicleInfo,
};

use crate::{LogStatus, StoreError};

/// A process among those that share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u64);

/// A webhook's queue, or a stripe of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The webhook.
    pub webhook: WebhookNo,
    /// 0 for data, 1 for errors of vehicles.
    pub stripe: u8,
}

/// The right to send from a lane. Every record carries its epoch, and a stale one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLease {
    /// The lane.
    pub lane: LaneKey,
    /// Rises each time the lane changes hands.
    pub epoch: u64,
}

/// An event that waits, with all that composing its body needs.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedEvent {
    /// Its number.
    pub no: EventNo,
    /// When its next attempt is due: with the lane and the number, its place in the queue.
    pub attempt_at: Timestamp,
    /// Its id on the wire.
    pub id: EventId,
    /// The vehicle.
    pub vehicle: VehicleNo,
    /// What payloads show of the vehicle.
    pub info: VehicleInfo,
    /// The vehicle's application.
    pub application: ApplicationNo,
    /// The owner, whose data key seals the observation.
    pub user: UserId,
    /// The revision that it was made under.
    pub revision: u32,
    /// The slot it is for, or when it happened.
    pub slot: Timestamp,
    /// Rises with the events of its subscription.
    pub sequence: u64,
    /// Why it is owed, encoded; empty for a slot.
    pub occasion: Vec<u8>,
    /// What was seen.
    pub observation: ObservationNo,
    /// Its body, sealed; empty when retention or erasure has taken it.
    pub observed: Vec<u8>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// The attempts so far, encoded; empty before the first.
    pub attempts: Vec<u8>,
    /// It ended before and an operator sends it again.
    pub redelivery: bool,
}

/// What came of an event, to be recorded.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number.
    pub event: EventNo,
    /// Where it stands in the queue.
    pub attempt_at: Timestamp,
    /// All its attempts, encoded.
    pub attempts: Vec<u8>,
    /// How many attempts that is.
    pub attempt_count: u16,
    /// The status of the last answer; 0 when there was none.
    pub http_status: u16,
    /// How long the last attempt took, in milliseconds.
    pub took_ms: u32,
    /// What follows.
    pub outcome: OutcomeOf,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeOf {
    /// The event is over and moves to the log.
    Ended(LogStatus, Timestamp),
    /// Another attempt is due.
    RetryAt(Timestamp),
}

/// What a batch of records did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Moved on.
    pub moved: usize,
    /// Not in the queue any more: a tombstone's sweep ended them first.
    pub absent: usize,
}

/// What became of queueing an ended event once more.
#[derive(Clone, Debug, PartialEq)]
pub enum Redelivered {
    /// It is queued.
    Queued(LaneKey, Box<QueuedEvent>),
    /// It may not be sent, and nothing is written.
    Refused(Unsendable),
}

/// Why an ended event may not be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The log does not have it, or what it carried is gone.
    NotKept,
    /// Its webhook is deleted, switched off or not verified.
    NotDelivering,
    /// The vehicle's connection has ended.
    NotConnected,
    /// The vehicle is not on the webhook.
    NotSubscribed,
    /// The owner does not grant all that it carries.
    NotGranted,
}

/// What a tombstone covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything of a webhook.
    Webhook(WebhookNo),
    /// One vehicle on one webhook.
    Subscription(WebhookNo, VehicleNo),
    /// Everything of a vehicle.
    Vehicle(VehicleNo),
}

/// Events up to a number that must not leave any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Tombstone {
    /// Row number.
    pub no: i64,
    /// What it covers.
    pub scope: Scope,
    /// The last event that it covers.
    pub up_to: EventNo,
    /// How the covered events end: dropped with a webhook, cancelled with a vehicle.
    pub ends_as: LogStatus,
}

/// A place in the queues: they are in the order of lane, due time and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueuePlace {
    /// The lane.
    pub lane: LaneKey,
    /// When the next attempt is due.
    pub attempt_at: Timestamp,
    /// The event's number.
    pub event: EventNo,
}

/// Which waiting events to list; all conditions hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingFilter {
    /// Only of this webhook.
    pub webhook: Option<WebhookNo>,
    /// Only of this vehicle.
    pub vehicle: Option<VehicleNo>,
    /// Only those that were attempted.
    pub retrying: bool,
    /// Only after this place.
    pub after: Option<QueuePlace>,
}

/// A waiting event as operators see it: without what it carries.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingEvent {
    /// Where it waits.
    pub place: QueuePlace,
    /// Its id on the wire.
    pub id: EventId,
    /// The vehicle.
    pub vehicle: VehicleNo,
    /// The vehicle's id on the wire, while the vehicle is there.
    pub vehicle_id: Option<VehicleId>,
    /// The slot it is for, or when it happened.
    pub slot: Timestamp,
    /// Why it is owed, encoded; empty for a slot.
    pub occasion: Vec<u8>,
    /// Rises with the events of its subscription.
    pub sequence: u64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// The status of the last answer; 0 when there was none.
    pub http_status: u16,
    /// How long the last attempt took, in milliseconds.
    pub took_ms: u32,
    /// How many attempts there were.
    pub attempt_count: u16,
    /// The attempts, encoded; empty before the first.
    pub attempts: Vec<u8>,
    /// It ended before and an operator sends it again.
    pub redelivery: bool,
}

/// A page of waiting events.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingPage {
    /// The events, in the order of their places.
    pub items: Vec<WaitingEvent>,
    /// Where to go on; there may be nothing after it.
    pub next: Option<QueuePlace>,
}

/// Queues of events, their leases and their tombstones.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Leases a lane to the node until `until`, renewing it if the node holds it. `None` while another node holds it.
    async fn lease_lane(
        &self,
        node: NodeId,
        lane: LaneKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LaneLease>, StoreError>;
    /// Gives a lane back at once.
    async fn release_lane(&self, node: NodeId, lease: LaneLease) -> Result<(), StoreError>;
    /// Lanes that have events, due or not.
    async fn lanes_with_work(&self) -> Result<Vec<LaneKey>, StoreError>;

    /// The first events of a lane whose next attempt is due at `until` or before, in the order of due time and number.
    async fn fill(
        &self,
        lane: LaneKey,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError>;
    /// When the first attempt after `after` is due in a lane.
    async fn next_attempt(&self, lane: LaneKey, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    /// How many events wait in a lane, counted up to `most`, and when the oldest of those was queued.
    async fn depth(&self, lane: LaneKey, most: u64) -> Result<(u64, Option<Timestamp>), StoreError>;

    /// Waiting events, from one place on. However many wait, this looks at few more than it answers with: with a vehicle at
    /// 10,000 at most, so a page may have fewer events than `limit` and still not be the last.
    async fn waiting(&self, filter: WaitingFilter, limit: usize) -> Result<WaitingPage, StoreError>;
    /// One waiting event, if it was attempted.
    async fn retrying(&self, event: EventNo) -> Result<Option<WaitingEvent>, StoreError>;
    /// One waiting event, if it was attempted, or is among the first 100,000 that wait.
    async fn waiting_event(&self, event: EventNo) -> Result<Option<WaitingEvent>, StoreError>;

    /// Writes the ends of attempts and moves their events on.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] when the lane's epoch has passed to another node since.
    async fn record(&self, lease: LaneLease, records: Vec<Record>) -> Result<Recorded, StoreError>;

    /// Queues an ended event once more, under its id and a new number, due at `now`, if it may be sent at this moment: its
    /// webhook delivers, its vehicle is connected and on the webhook, and the owner grants all of `carries`. The transaction
    /// decides, so that an end of any of these that is committed before leaves nothing queued behind it.
    async fn redeliver(
        &self,
        event: EventNo,
        carries: PermissionSet,
        now: Timestamp,
    ) -> Result<Redelivered, StoreError>;

    /// Tombstones whose events have not all ended.
    async fn tombstones(&self) -> Result<Vec<Tombstone>, StoreError>;
    /// Ends covered events, looking at `limit` queue rows at most, and removes the tombstone once it has seen all.
    /// True when it is done.
    async fn bury(&self, tombstone: i64, now: Timestamp, limit: usize) -> Result<bool, StoreError>;
}
