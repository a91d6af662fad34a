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

/// Runs operations.
pub(crate) enum Engine {
    Threaded(Threaded),
    Inline(Inline),
}

impl Engine {
    /// Runs a write in a transaction, with others that are waiting. It may run twice: alone, after another one failed
    /// the transaction of both.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> OpResult<T> + Send + 'static,
    {
        match self {
            Self::Threaded(threads) => threads.write(work, None).await,
            Self::Inline(inline) => inline.write(work),
        }
    }

    /// Runs a write of so many items, which lets others go first.
    pub(crate) async fn write_bulk<T, F>(&self, items: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> OpResult<T> + Send + 'static,
    {
        match self {
            Self::Threaded(threads) => threads.write(work, Some(items)).await,
            Self::Inline(inline) => inline.write(work),
        }
    }

    /// Runs a read in a snapshot.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> OpResult<T> + Send + 'static,
    {
        match self {
            Self::Threaded(threads) => threads.read(work).await,
            Self::Inline(inline) => inline.read(work),
        }
    }

    /// Runs a long read beside the others, on a connection of its own.
    pub(crate) async fn read_aside<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match self {
            Self::Threaded(threads) => threads.read_aside(work).await,
            Self::Inline(inline) => inline.read(|conn| work(conn).map_err(OpError::Refused)),
        }
    }

    /// Empties the write-ahead log into the file, so that nothing that was deleted is left in it.
    pub(crate) async fn truncate_wal(&self) -> Result<(), StoreError> {
        match self {
            Self::Threaded(threads) => threads.truncate_wal().await,
            Self::Inline(_) => Ok(()),
        }
    }

    /// Finishes what is waiting and closes.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match self {
            Self::Threaded(threads) => threads.close().await,
            Self::Inline(inline) => {
                inline.close();
                Ok(())
            }
        }
    }

    /// What the files take.
    pub(crate) fn files(&self) -> Files {
        match self {
            Self::Threaded(threads) => Files::of(threads.path()),
            Self::Inline(_) => Files::NONE,
        }
    }

    /// What was committed since start.
    pub(crate) fn commits(&self) -> Commits {
        match self {
            Self::Threaded(threads) => threads.commits(),
            Self::Inline(inline) => inline.commits(),
        }
    }
}
