//! Retention, space, health and backup.

use std::path::PathBuf;

use async_trait::async_trait;
use domain::{ids::VehicleNo, time::Timestamp};

use crate::StoreError;

/// What may be deleted: everything older than its moment.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Observations taken before this.
    pub observations_before: Timestamp,
    /// Log rows of events that ended before this.
    pub log_before: Timestamp,
    /// Roll-ups of minutes before this.
    pub roll_ups_before: Timestamp,
    /// Codes and tokens that expired, grants without tokens since, and kept answers made, before this.
    pub tokens_before: Timestamp,
    /// Rows to delete at most in this call, per table.
    pub limit: usize,
}

/// What a pass of retention deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// Rows deleted.
    pub rows: usize,
    /// A table reached the limit: call again soon.
    pub more: bool,
}

/// How much space is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes in the files that hold nothing any more and will be used again.
    pub free_inside: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Bytes free on the file system; without end for a store in memory.
    pub free_on_disk: u64,
    /// Bytes handed to the file system since start.
    pub bytes_written: u64,
    /// Transactions committed since start, and the items that they carried.
    pub commits: u64,
    /// See `commits`.
    pub items: u64,
}

/// A finished backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// What keeps a store healthy.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Deletes old rows, a bounded number at a time.
    async fn retire(&self, retention: Retention) -> Result<Retired, StoreError>;
    /// Deletes the oldest observations and log rows, `limit` rows at most per table, whatever their age; but
    /// no observation that is as new as one that a queued event carries.
    async fn retire_oldest(&self, limit: usize) -> Result<Retired, StoreError>;
    /// Deletes everything of a vehicle but its place in the log: document, observations, connection. One that is still
    /// connected leaves a tombstone, as a disconnect does.
    async fn erase_vehicle(&self, vehicle: VehicleNo) -> Result<(), StoreError>;
    /// Writes, durably, the moment that the caller thinks it is, and answers with the latest one ever written.
    /// What `readyz` asks: it fails while the store cannot be written.
    async fn heartbeat(&self, now: Timestamp) -> Result<Timestamp, StoreError>;
    /// How much space is used.
    async fn size(&self) -> Result<Size, StoreError>;
    /// Copies a consistent state into a new file while work goes on. The file must not exist.
    async fn backup(&self, to: PathBuf) -> Result<Backup, StoreError>;
    /// Whether what is stored is sound; the findings otherwise.
    async fn check(&self) -> Result<Vec<String>, StoreError>;
    /// Finishes what is waiting, truncates the write-ahead log and closes.
    async fn close(&self) -> Result<(), StoreError>;
}
