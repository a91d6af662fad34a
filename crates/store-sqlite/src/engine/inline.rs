//! Operations in place, on a database in memory that outlives the stores opened on it: for the virtual world.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use rusqlite::Connection;
use store::StoreError;

use super::{Commits, Core, FaultHook, Tx, core::Broken};
use crate::{
    error::{OpResult, store_error},
    open::{self, Kind, OpenError},
};

/// A database in memory that outlives the stores opened on it, as a disk outlives processes.
///
/// Opening a store on it ends the one that was opened before: its calls answer [`StoreError::Closed`] from then on.
#[derive(Clone)]
pub struct InMemory {
    disk: Arc<Mutex<Disk>>,
}

struct Disk {
    core: Core,
    /// Ends the store that was opened last.
    closed: Arc<AtomicBool>,
    commits: Commits,
}

impl InMemory {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// When SQLite gets no memory.
    pub fn new() -> Result<Self, OpenError> {
        open::engine_is_new_enough(rusqlite::version_number(), rusqlite::version())?;
        let core = Core::new(Connection::open_in_memory()?, None);
        let disk = Disk { core, closed: Arc::default(), commits: Commits::default() };
        Ok(Self { disk: Arc::new(Mutex::new(disk)) })
    }

    /// Sets what is asked at every commit, now and after restarts.
    pub fn set_faults(&self, faults: Option<FaultHook>) {
        self.disk.lock().core.set_faults(faults);
    }

    /// Starts a process on the database.
    pub(crate) fn open(&self, kind: Kind) -> Result<Inline, OpenError> {
        let mut disk = self.disk.lock();
        disk.closed.store(true, Ordering::SeqCst);
        disk.core.restart();
        open::settle(disk.core.conn(), kind, kind.cache_kib)?;
        open::migrate(disk.core.conn_mut(), kind.migrations)?;
        disk.core.conn().execute_batch(kind.at_start)?;
        disk.closed = Arc::default();
        disk.commits = Commits::default();
        Ok(Inline { disk: self.disk.clone(), closed: disk.closed.clone() })
    }
}

/// A process's view of a database in memory.
pub(crate) struct Inline {
    disk: Arc<Mutex<Disk>>,
    closed: Arc<AtomicBool>,
}

impl Inline {
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Tx<'_>) -> OpResult<T>) -> Result<T, StoreError> {
        let mut disk = self.disk.lock();
        self.still_open()?;
        match disk.core.transact(|tx| tx.run(work)) {
            Ok(result) => {
                disk.commits.commits += 1;
                disk.commits.items += 1;
                result
            }
            Err(Broken::Work(error) | Broken::Commit(error)) => Err(store_error(&error)),
            Err(Broken::Crash) => {
                self.close();
                Err(StoreError::Closed)
            }
        }
    }

    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> OpResult<T>) -> Result<T, StoreError> {
        let disk = self.disk.lock();
        self.still_open()?;
        Ok(work(disk.core.conn())?)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn commits(&self) -> Commits {
        self.disk.lock().commits
    }

    fn still_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) { Err(StoreError::Closed) } else { Ok(()) }
    }
}
