//! The keyring: wrapped data keys, in a store of their own that data backups do not contain.

use std::path::PathBuf;

use async_trait::async_trait;
use domain::time::Timestamp;
use uuid::Uuid;

use crate::{Backup, LedgerEntry, StoreError};

/// Whose data a key seals: a user's or an application's id.
pub type Subject = Uuid;

/// A data key, wrapped under the key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(pub Vec<u8>);

/// Wrapped keys by subject, the ledger of erasures, and a copy of the ledger of what has ended.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// The keys of subjects, in the order asked.
    async fn keys(&self, subjects: Vec<Subject>) -> Result<Vec<Option<WrappedKey>>, StoreError>;
    /// Adds keys. A subject that has a key, or was erased, keeps that state; the keys in force come back in order
    /// (`None` for erased subjects).
    async fn add(&self, keys: Vec<(Subject, WrappedKey)>) -> Result<Vec<Option<WrappedKey>>, StoreError>;
    /// Destroys a key for good, writes that into the ledger and deletes the subject's entries. Stable when it returns.
    async fn erase(&self, subject: Subject, now: Timestamp) -> Result<(), StoreError>;
    /// Every erasure so far: re-applied to a restored backup.
    async fn erased(&self) -> Result<Vec<(Subject, Timestamp)>, StoreError>;
    /// A small value kept beside the keys, such as the check value of the key-encryption key.
    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps a note.
    async fn set_note(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError>;
    /// What an operation said that met damage since the keyring was opened.
    fn damage(&self) -> Option<String>;
    /// Whether what is stored is sound; the findings otherwise.
    async fn check(&self) -> Result<Vec<String>, StoreError>;
    /// Takes entries of the ledger in. The newest of a thing stays; entries of erased subjects are left out.
    async fn add_to_ledger(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError>;
    /// Entries with a version above `after`, in the order of versions.
    async fn ledger(&self, after: i64, limit: usize) -> Result<Vec<LedgerEntry>, StoreError>;
    /// Deletes entries that have said nothing since `before`.
    async fn prune_ledger(&self, before: Timestamp) -> Result<(), StoreError>;
    /// Copies a consistent state, with what stands in the write-ahead log, into a new file that says when it was made.
    async fn export(&self, to: PathBuf, now: Timestamp) -> Result<Backup, StoreError>;
}
