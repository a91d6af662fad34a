//! The keyring: wrapped data keys, in a store of their own that data backups do not contain.

use async_trait::async_trait;
use domain::time::Timestamp;
use uuid::Uuid;

use crate::StoreError;

/// Whose data a key seals: a user's or an application's id.
pub type Subject = Uuid;

/// A data key, wrapped under the key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(pub Vec<u8>);

/// Wrapped keys by subject, and the ledger of erasures.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// The keys of subjects, in the order asked.
    async fn keys(&self, subjects: Vec<Subject>) -> Result<Vec<Option<WrappedKey>>, StoreError>;
    /// Adds keys. A subject that has a key, or was erased, keeps that state; the keys in force come back in order
    /// (`None` for erased subjects).
    async fn add(&self, keys: Vec<(Subject, WrappedKey)>) -> Result<Vec<Option<WrappedKey>>, StoreError>;
    /// Destroys a key for good and writes it into the ledger. Stable when it returns.
    async fn erase(&self, subject: Subject, now: Timestamp) -> Result<(), StoreError>;
    /// Every erasure so far: re-applied to a restored backup.
    async fn erased(&self) -> Result<Vec<(Subject, Timestamp)>, StoreError>;
    /// A small value kept beside the keys, such as the check value of the key-encryption key.
    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps a note.
    async fn set_note(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError>;
}
