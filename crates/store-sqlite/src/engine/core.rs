//! A connection that writes: transactions around operations, and the numbers that they give out.

use std::{cell::Cell, ops::Deref};

use rusqlite::{Connection, OptionalExtension, params};

use super::{Fault, FaultHook, Point};
use crate::error::{OpError, OpResult, failed_sync};

/// The connection that writes.
pub(crate) struct Core {
    conn: Connection,
    events: Numbers,
    observations: Numbers,
    faults: Option<FaultHook>,
}

/// Why a transaction was not committed, or not known to be.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The work failed; nothing was written.
    Work(rusqlite::Error),
    /// The commit failed; nothing was written as far as SQLite knows.
    Commit(rusqlite::Error),
    /// The process ends here, by order of the fault hook.
    Crash,
}

impl Core {
    /// Takes over a connection whose schema is up to date.
    pub(crate) fn new(conn: Connection, faults: Option<FaultHook>) -> Self {
        Self { conn, events: Numbers::new("event"), observations: Numbers::new("observation"), faults }
    }

    /// The connection, between transactions.
    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// The connection, to bring its schema up to date.
    pub(crate) fn conn_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }

    /// Forgets what a process has in memory.
    pub(crate) fn restart(&mut self) {
        self.roll_back();
        self.events.reset(None);
        self.observations.reset(None);
    }

    /// Replaces the fault hook.
    pub(crate) fn set_faults(&mut self, faults: Option<FaultHook>) {
        self.faults = faults;
    }

    /// Runs work in a transaction and commits it.
    pub(crate) fn transact<T>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Broken> {
        let marks = (self.events.mark(), self.observations.mark());
        let result = self.attempt(work);
        if result.is_err() {
            self.roll_back();
            self.events.reset(marks.0);
            self.observations.reset(marks.1);
        } else if self.fault(Point::AfterCommit) == Some(Fault::Crash) {
            return Err(Broken::Crash);
        }
        result
    }

    fn attempt<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, rusqlite::Error>) -> Result<T, Broken> {
        self.run("BEGIN IMMEDIATE").map_err(Broken::Work)?;
        let tx = Tx { conn: &self.conn, events: &self.events, observations: &self.observations };
        let value = work(&tx).map_err(Broken::Work)?;
        match self.fault(Point::BeforeCommit) {
            None => {}
            Some(Fault::Crash) => return Err(Broken::Crash),
            Some(Fault::Sync) => return Err(Broken::Commit(failed_sync())),
        }
        self.run("COMMIT").map_err(Broken::Commit)?;
        Ok(value)
    }

    /// Ends a transaction that failed; SQLite has done so already after some errors.
    fn roll_back(&self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.run("ROLLBACK")
        {
            tracing::error!(error = %error, "a transaction could not be rolled back");
        }
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn fault(&self, point: Point) -> Option<Fault> {
        self.faults.as_ref().and_then(|hook| hook(point))
    }
}

/// What a write sees: the connection within a transaction, and the counters.
pub(crate) struct Tx<'a> {
    conn: &'a Connection,
    /// Gives out event numbers.
    pub(crate) events: &'a Numbers,
    /// Gives out observation numbers.
    pub(crate) observations: &'a Numbers,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl Tx<'_> {
    /// Runs one of several operations of a transaction. One that declines has written nothing, so the rest may go on.
    pub(crate) fn run<T>(
        &self,
        work: impl FnOnce(&Self) -> OpResult<T>,
    ) -> Result<Result<T, store::StoreError>, rusqlite::Error> {
        let before = self.total_changes();
        match work(self) {
            Ok(value) => Ok(Ok(value)),
            Err(OpError::Sqlite(error)) => Err(error),
            Err(OpError::Refused(error)) => {
                assert_eq!(before, self.total_changes(), "an operation that declines has written nothing");
                Ok(Err(error))
            }
        }
    }
}

/// A counter that never goes back, not even when the rows with the highest numbers are deleted.
///
/// Numbers are reserved in blocks: `meta` holds the end of the block, so that giving out one costs nothing and a
/// restart leaves a gap of a block at most.
pub(crate) struct Numbers {
    name: &'static str,
    /// The last number given, and the last that is reserved; `None` until the first use.
    state: Cell<Option<(i64, i64)>>,
}

/// How many numbers are reserved at a time.
const BLOCK: i64 = 4_096;

impl Numbers {
    const fn new(name: &'static str) -> Self {
        Self { name, state: Cell::new(None) }
    }

    /// The next number.
    pub(crate) fn next(&self, tx: &Connection) -> rusqlite::Result<i64> {
        let (last, reserved) = self.state(tx)?;
        let next = last + 1;
        if next > reserved {
            tx.prepare_cached(
                "INSERT INTO meta (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![self.name, next + BLOCK])?;
        }
        self.state.set(Some((next, if next > reserved { next + BLOCK } else { reserved })));
        Ok(next)
    }

    /// The last number given so far.
    pub(crate) fn last(&self, tx: &Connection) -> rusqlite::Result<i64> {
        Ok(self.state(tx)?.0)
    }

    fn state(&self, tx: &Connection) -> rusqlite::Result<(i64, i64)> {
        if let Some(state) = self.state.get() {
            return Ok(state);
        }
        let reserved = tx
            .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
            .query_row([self.name], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        self.state.set(Some((reserved, reserved)));
        Ok((reserved, reserved))
    }

    fn mark(&self) -> Option<(i64, i64)> {
        self.state.get()
    }

    /// Takes back what a transaction did that was rolled back: nobody has seen its numbers.
    fn reset(&self, mark: Option<(i64, i64)>) {
        self.state.set(mark);
    }
}
