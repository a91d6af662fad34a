//! How operations reach SQLite.
//!
//! An operation is a plain function over a connection ([`crate::ops`]). For a file, [`Threaded`] sends writes to one
//! thread that commits them in groups, and reads to a few others. For the virtual world, [`Inline`] runs them in
//! place, so that the same inputs give the same bytes.
//!
//! What a caller may rely on in both: a write that is answered with `Ok` was committed and synced before; one that is
//! answered with an error has written nothing, or the store has ended.

mod core;
mod files;
mod inline;
mod orders;
mod threaded;

use self::core::Core;
pub(crate) use self::core::Tx;
use files::Files;
pub use inline::InMemory;
pub(crate) use inline::Inline;
pub(crate) use threaded::Threaded;

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use store::StoreError;

use crate::error::{OpError, OpResult};

/// Where a fault can be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The transaction is complete and not committed.
    BeforeCommit,
    /// It is committed, and nobody knows yet.
    AfterCommit,
}

/// A fault to be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends here: an open transaction is lost, and whoever waits is told [`StoreError::Closed`].
    Crash,
    /// The commit fails as it does when the operating system cannot sync. Only before a commit.
    Sync,
}

/// Asked at every commit whether a fault happens there.
pub type FaultHook = Arc<dyn Fn(Point) -> Option<Fault> + Send + Sync>;

/// Transactions committed since start, and the writes that they carried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Commits {
    pub(crate) commits: u64,
    pub(crate) items: u64,
}

/// Runs operations, and remembers damage that one of them has met.
pub(crate) struct Engine {
    runs: Runs,
    damage: Mutex<Option<String>>,
}

enum Runs {
    Threaded(Threaded),
    Inline(Inline),
}

impl Engine {
    pub(crate) fn threaded(threads: Threaded) -> Self {
        Self { runs: Runs::Threaded(threads), damage: Mutex::default() }
    }

    pub(crate) fn inline(inline: Inline) -> Self {
        Self { runs: Runs::Inline(inline), damage: Mutex::default() }
    }

    /// What the first operation said that met damage. It stays until the file is opened anew: a page that cannot be read
    /// is not mended by the next page that can.
    pub(crate) fn damage(&self) -> Option<String> {
        self.damage.lock().clone()
    }

    pub(crate) fn found_damage(&self, what: &str) {
        let mut damage = self.damage.lock();
        if damage.is_none() {
            tracing::error!(
                damage = what,
                "The database is damaged; restore a backup with `milepost restore`"
            );
            *damage = Some(what.to_owned());
        }
    }

    fn noticing<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Damaged(what)) = &result {
            self.found_damage(what);
        }
        result
    }

    /// Runs a write in a transaction, with others that are waiting. It may run twice: alone, after another one failed
    /// the transaction of both.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> OpResult<T> + Send + 'static,
    {
        self.noticing(match &self.runs {
            Runs::Threaded(threads) => threads.write(work, None).await,
            Runs::Inline(inline) => inline.write(work),
        })
    }

    /// Runs a write of so many items, which lets others go first.
    pub(crate) async fn write_bulk<T, F>(&self, items: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> OpResult<T> + Send + 'static,
    {
        self.noticing(match &self.runs {
            Runs::Threaded(threads) => threads.write(work, Some(items)).await,
            Runs::Inline(inline) => inline.write(work),
        })
    }

    /// Runs a read in a snapshot.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> OpResult<T> + Send + 'static,
    {
        self.noticing(match &self.runs {
            Runs::Threaded(threads) => threads.read(work).await,
            Runs::Inline(inline) => inline.read(work),
        })
    }

    /// Runs a long read beside the others, on a connection of its own.
    pub(crate) async fn read_aside<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.noticing(match &self.runs {
            Runs::Threaded(threads) => threads.read_aside(work).await,
            Runs::Inline(inline) => inline.read(|conn| work(conn).map_err(OpError::Refused)),
        })
    }

    /// Empties the write-ahead log into the file, so that nothing that was deleted is left in it.
    pub(crate) async fn truncate_wal(&self) -> Result<(), StoreError> {
        match &self.runs {
            Runs::Threaded(threads) => threads.truncate_wal().await,
            Runs::Inline(_) => Ok(()),
        }
    }

    /// Finishes what is waiting and closes.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match &self.runs {
            Runs::Threaded(threads) => threads.close().await,
            Runs::Inline(inline) => {
                inline.close();
                Ok(())
            }
        }
    }

    /// What the files take.
    pub(crate) fn files(&self) -> Files {
        match &self.runs {
            Runs::Threaded(threads) => Files::of(threads.path()),
            Runs::Inline(_) => Files::NONE,
        }
    }

    /// What was committed since start.
    pub(crate) fn commits(&self) -> Commits {
        match &self.runs {
            Runs::Threaded(threads) => threads.commits(),
            Runs::Inline(inline) => inline.commits(),
        }
    }
}
