//! The keyring in a file of its own, which data backups do not contain.
//!
//! An erased key is overwritten in the file, and the write-ahead log that may still hold it is emptied before the erase
//! is answered.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::time::Timestamp;
use store::{Backup, Keyring, LedgerEntry, StoreError, Subject, WrappedKey};

use crate::{
    engine::{Engine, InMemory, Threaded},
    open::{KEYRING, OpenError, Options},
    ops::{keyring as ops, ledger, upkeep},
};

/// Wrapped keys in SQLite.
pub struct SqliteKeyring {
    engine: Engine,
}

impl SqliteKeyring {
    /// Opens `keyring.db` in a data folder; both are made when they are missing.
    ///
    /// # Errors
    ///
    /// When another process has it, or it is not a keyring that this program can use.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let options = Options { readers: 1, ..Options::default() };
        Ok(Self { engine: Engine::threaded(Threaded::open(dir, KEYRING, options)?) })
    }

    /// A new one in memory.
    ///
    /// # Errors
    ///
    /// When SQLite gets no memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::on(&InMemory::new()?)
    }

    /// Opens the keyring that a database in memory holds. It must not hold a store.
    ///
    /// # Errors
    ///
    /// When SQLite gets no memory.
    pub fn on(memory: &InMemory) -> Result<Self, OpenError> {
        Ok(Self { engine: Engine::inline(memory.open(KEYRING)?) })
    }

    /// Finishes what is waiting and closes.
    ///
    /// # Errors
    ///
    /// When the thread that writes has failed.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.engine.close().await
    }
}

#[async_trait]
impl Keyring for SqliteKeyring {
    async fn keys(&self, subjects: Vec<Subject>) -> Result<Vec<Option<WrappedKey>>, StoreError> {
        self.engine.read(move |conn| Ok(ops::keys(conn, &subjects)?)).await
    }

    async fn add(&self, keys: Vec<(Subject, WrappedKey)>) -> Result<Vec<Option<WrappedKey>>, StoreError> {
        self.engine.write(move |tx| Ok(ops::add(tx, &keys)?)).await
    }

    async fn erase(&self, subject: Subject, now: Timestamp) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(ops::erase(tx, subject, now)?)).await?;
        self.engine.truncate_wal().await
    }

    async fn erased(&self) -> Result<Vec<(Subject, Timestamp)>, StoreError> {
        self.engine.read(|conn| Ok(ops::erased(conn)?)).await
    }

    fn damage(&self) -> Option<String> {
        self.engine.damage()
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        let findings = self
            .engine
            .read_aside(|conn| {
                upkeep::integrity(conn, "PRAGMA integrity_check(20)")
                    .map_err(|error| crate::error::store_error(&error))
            })
            .await?;
        findings.first().inspect(|finding| self.engine.found_damage(finding));
        Ok(findings)
    }

    async fn add_to_ledger(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(ops::add_to_ledger(tx, &entries)?)).await
    }

    async fn ledger(&self, after: i64, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.engine.read(move |conn| Ok(ledger::entries(conn, after, limit)?)).await
    }

    async fn prune_ledger(&self, before: Timestamp) -> Result<(), StoreError> {
        self.engine.write(move |tx| Ok(ledger::prune(tx, before)?)).await
    }

    async fn export(&self, to: PathBuf, now: Timestamp) -> Result<Backup, StoreError> {
        self.engine.read_aside(move |conn| crate::backup::copy(conn, &to, KEYRING, now)).await
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.engine.read(move |conn| Ok(ops::note(conn, &name)?)).await
    }

    async fn set_note(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.engine.write(move |tx| Ok(ops::set_note(tx, &name, &value)?)).await
    }
}
