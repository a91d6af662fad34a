//! Retention, space, health and backup.

use std::path::PathBuf;

use async_trait::async_trait;
use domain::{ids::VehicleNo, time::Timestamp};

use crate::{LedgerEntry, StoreError, Subject};

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
    /// Now. A row that claims to be of a later moment was written while the clock was ahead: it is judged by the rows
    /// after it, because rows are numbered in the order of writing.
    pub now: Timestamp,
    /// What to do about codes, tokens and kept answers from while the clock was ahead; nothing while it may be behind.
    pub ahead: Option<Ahead>,
    /// Rows to delete at most in this call, per table.
    pub limit: usize,
}

/// The latest moments that rows written by now can have. Later ones are set back to these.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// When something was written: an answer kept, a consent given, a minute counted.
    pub written: Timestamp,
    /// The end of an access token.
    pub access: Timestamp,
    /// The end of a refresh token, and of a consent that is not used.
    pub refresh: Timestamp,
    /// The end of a code.
    pub code: Timestamp,
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

/// Where a check in pieces goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckStep {
    /// Where to go on; none after the last table.
    pub place: Option<String>,
    /// What was found.
    pub findings: Vec<String>,
}

/// What keeps a store healthy.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Deletes old rows, a bounded number at a time.
    async fn retire(&self, retention: Retention) -> Result<Retired, StoreError>;
    /// Deletes the oldest observations and log rows, `limit` rows at most per table, whatever their age; but no
    /// observation that a queued event carries.
    async fn retire_oldest(&self, limit: usize) -> Result<Retired, StoreError>;
    /// Deletes everything of a vehicle but its place in the log: document, observations, connection. One that is still
    /// connected leaves a tombstone, as a disconnect does.
    async fn erase_vehicle(&self, vehicle: VehicleNo) -> Result<(), StoreError>;
    /// Writes, durably, the moment that the caller thinks it is, and answers with the latest one ever written.
    /// What `readyz` asks: it fails while the store cannot be written.
    async fn heartbeat(&self, now: Timestamp) -> Result<Timestamp, StoreError>;
    /// How much space is used.
    async fn size(&self) -> Result<Size, StoreError>;
    /// Copies a consistent state into a new file while work goes on; the file says when it was made. It must not exist.
    async fn backup(&self, to: PathBuf, now: Timestamp) -> Result<Backup, StoreError>;
    /// Whether what is stored is sound; the findings otherwise.
    async fn check(&self) -> Result<Vec<String>, StoreError>;
    /// What an operation said that met damage since the store was opened.
    fn damage(&self) -> Option<String>;
    /// Reads every page once, without comparing indexes with tables; the findings.
    async fn quick_check(&self) -> Result<Vec<String>, StoreError>;
    /// Looks at the next piece after a place, in a read of its own that is short: the whole store, piece by piece.
    async fn check_next(&self, place: Option<String>) -> Result<CheckStep, StoreError>;
    /// The latest moment ever written is `now` from here on: the clock was ahead, and is right again.
    async fn accept_clock(&self, now: Timestamp) -> Result<(), StoreError>;
    /// Which installation this is: the number that was given first stays.
    async fn installation(&self, fresh: u64) -> Result<u64, StoreError>;
    /// Entries of the ledger with a version above `after`, in the order of versions.
    async fn ledger(&self, after: i64, limit: usize) -> Result<Vec<LedgerEntry>, StoreError>;
    /// Takes entries of the ledger in: the newest of a thing stays.
    async fn add_to_ledger(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError>;
    /// Deletes the entries of a subject that was erased.
    async fn forget_in_ledger(&self, subject: Subject) -> Result<(), StoreError>;
    /// Applies an entry to what is stored, if that says otherwise; false when it does not. It does nothing about what a
    /// vehicle's document holds (connections, permissions, subscriptions): that takes a step.
    async fn apply_end(&self, entry: LedgerEntry, now: Timestamp) -> Result<bool, StoreError>;
    /// Deletes an application with everything that belongs to it. False when it is not there.
    async fn purge_application(
        &self,
        id: domain::ids::ApplicationId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Finishes what is waiting, truncates the write-ahead log and closes.
    async fn close(&self) -> Result<(), StoreError>;
}
