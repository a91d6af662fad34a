//! The delivery log: one row per ended event, and roll-ups kept on write.

use async_trait::async_trait;
use domain::{
    ids::{EventId, EventNo, ObservationNo, UserId, VehicleId, VehicleNo, WebhookNo},
    time::Timestamp,
};

use crate::StoreError;

/// How an event ended. The discriminant is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LogStatus {
    /// A 2xx came back.
    Delivered = 1,
    /// The retries are used up, or the body could not be sent at all.
    Failed = 2,
    /// The webhook was switched off or deleted.
    Dropped = 3,
    /// The vehicle was unsubscribed, disconnected or erased, or its owner narrowed what may be read.
    Cancelled = 4,
    /// Too old to be sent.
    Expired = 5,
    /// A slot passed while we were down; nothing was read for it.
    Missed = 6,
    /// It happened while the webhook was not verified.
    Skipped = 7,
}

impl LogStatus {
    /// From the stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Delivered,
            2 => Self::Failed,
            3 => Self::Dropped,
            4 => Self::Cancelled,
            5 => Self::Expired,
            6 => Self::Missed,
            7 => Self::Skipped,
            _ => return None,
        })
    }

    /// The word of API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
        }
    }

    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Delivered,
        Self::Failed,
        Self::Dropped,
        Self::Cancelled,
        Self::Expired,
        Self::Missed,
        Self::Skipped,
    ];
}

/// Which deliveries to list; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only of these webhooks; empty for all.
    pub webhooks: Vec<WebhookNo>,
    /// Of one vehicle.
    pub vehicle: Option<VehicleNo>,
    /// With this end.
    pub status: Option<LogStatus>,
    /// Ended at or after.
    pub from: Option<Timestamp>,
    /// Ended before.
    pub to: Option<Timestamp>,
    /// Older than this one.
    pub before: Option<EventNo>,
}

/// A page of a list, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// There is more after the last.
    pub more: bool,
}

/// An ended event.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedDelivery {
    /// Its number.
    pub event: EventNo,
    /// Its id on the wire.
    pub id: EventId,
    /// The webhook.
    pub webhook: WebhookNo,
    /// The vehicle.
    pub vehicle: VehicleNo,
    /// The vehicle's id on the wire, while the vehicle is there.
    pub vehicle_id: Option<VehicleId>,
    /// The owner, while the vehicle is there.
    pub user: Option<UserId>,
    /// The revision that it was made under; 0 for missed slots.
    pub revision: u32,
    /// The slot it was for, or when it happened; the last one of a run of missed slots.
    pub slot: Timestamp,
    /// Why it was owed, encoded; empty for a slot.
    pub occasion: Vec<u8>,
    /// Rises with the events of its subscription; 0 for missed slots.
    pub sequence: u64,
    /// The first slot of a run of missed slots.
    pub missed_from: Option<Timestamp>,
    /// How many slots were missed; 0 otherwise.
    pub missed: u64,
    /// How it ended.
    pub status: LogStatus,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The status of the last answer; 0 when there was none.
    pub http_status: u16,
    /// How long the last attempt took, in milliseconds.
    pub took_ms: u32,
    /// How many attempts it took.
    pub attempt_count: u16,
    /// The attempts, encoded.
    pub attempts: Vec<u8>,
    /// What it carried.
    pub observation: Option<ObservationNo>,
    /// The sealed observation, while it is kept.
    pub observed: Option<Vec<u8>>,
    /// It had ended before and an operator sent it again.
    pub redelivery: bool,
}

/// A minute of a webhook, rolled up.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// The webhook.
    pub webhook: WebhookNo,
    /// Start of the minute.
    pub minute: Timestamp,
    /// How these events ended.
    pub status: LogStatus,
    /// How many ended so (for missed slots: how many slots).
    pub count: u64,
    /// Attempts that they took.
    pub attempts: u64,
    /// Sum of the times of their last attempts, in milliseconds.
    pub took_ms: u64,
}

/// The log and its roll-ups.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// Ended events, newest first.
    async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Page<LoggedDelivery>, StoreError>;
    /// One ended event.
    async fn delivery(&self, event: EventNo) -> Result<Option<LoggedDelivery>, StoreError>;
    /// Roll-ups of webhooks (all for an empty list) from one minute until before another, oldest first.
    async fn roll_ups(
        &self,
        webhooks: Vec<WebhookNo>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Bucket>, StoreError>;
    /// When an event of the webhook was last delivered.
    async fn last_delivered(&self, webhook: WebhookNo) -> Result<Option<Timestamp>, StoreError>;
}
