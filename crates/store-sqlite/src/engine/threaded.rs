//! A file behind one thread that writes and a few that read.
//!
//! **Group commit.** The writer commits at once when it is idle; what arrives while it is busy is its next transaction,
//! up to [`GROUP`] writes: first what somebody waits for, then what comes in bulk ([`Orders`]). Answers are sent after the commit returned, so one sync is shared by all of them and none is
//! told too early. When a write fails in SQL, the transaction is rolled back and each of its writes runs again alone, so
//! that one bad write does not take others along.
//!
//! **A failed sync is final for its connection.** The kernel reports it once and then forgets it, so a later success
//! proves nothing about the same pages. The writer then closes its connection, opens another and moves the whole
//! write-ahead log into the file before it commits anything else: whatever may not have reached the disk is written
//! anew. Until that works, every write is refused.
//!
//! **The write-ahead log stays bounded** by checkpoints at commits (every 16 MiB), and by cutting it when it has passed
//! its limit. Only a reader's long snapshot can hold that up, and it does not hold up writes; a log line names the size.

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::Connection;
use store::StoreError;
use tokio::sync::oneshot;

use super::{
    Commits, Core, FaultHook, Tx,
    core::Broken,
    files::wal_bytes,
    orders::{Arrival, NotTaken, Orders},
};
use crate::{
    error::{OpResult, is_about_the_file, store_error},
    open::{self, Kind, Lock, OpenError, Options},
};

/// Writes in one transaction at most.
const GROUP: usize = 256;

/// Items of the bulk in one transaction, beside those of the last order that began within it.
const BULK: usize = 1_024;

/// How long the writer waits for work before it looks after the write-ahead log.
const IDLE: Duration = Duration::from_secs(1);

/// How long a caller who needs the write-ahead log emptied waits for readers: their snapshots are short.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database file with its threads.
pub(crate) struct Threaded {
    path: PathBuf,
    kind: Kind,
    /// Taken when the store closes: that ends the threads, after what they have.
    ways_in: Mutex<Option<WaysIn>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

struct WaysIn {
    writes: Arc<Orders<Order>>,
    reads: SyncSender<Read>,
}

#[derive(Default)]
struct Counts {
    commits: AtomicU64,
    items: AtomicU64,
}

/// What the writer is asked to do.
enum Order {
    Write(Box<dyn Write>),
    TruncateWal(oneshot::Sender<Result<(), StoreError>>),
}

type Read = Box<dyn FnOnce(&Connection) + Send>;

impl Threaded {
    /// Opens the file and starts the threads.
    pub(crate) fn open(dir: &Path, kind: Kind, options: Options) -> Result<Self, OpenError> {
        let lock = Lock::take(dir, kind)?;
        let path = dir.join(kind.file);
        let conn = open::writer(&path, kind, options.wal_limit)?;
        conn.execute_batch(kind.at_start)?;

        let (reads, waiting_reads) = sync_channel(options.waiting);
        let waiting_reads = Arc::new(Mutex::new(waiting_reads));
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            let (conn, waiting) = (open::reader(&path, kind)?, waiting_reads.clone());
            readers.push(spawn("store-reader", move || serve_reads(&conn, &waiting))?);
        }

        let orders = Arc::new(Orders::new(options.waiting));
        let writes = orders.clone();
        let counts = Arc::<Counts>::default();
        let mut writer = Writer {
            core: Some(Core::new(conn, options.faults.clone())),
            path: path.clone(),
            kind,
            wal_limit: options.wal_limit,
            faults: options.faults,
            counts: counts.clone(),
            wal_reported: false,
        };
        let writer = spawn("store-writer", move || {
            let orders = WorkedOff(orders);
            writer.serve(&orders.0);
            drop(orders);
            readers.into_iter().for_each(|reader| drop(reader.join()));
            writer.finish();
            drop(lock);
        })?;
        let ways_in = Mutex::new(Some(WaysIn { writes, reads }));
        Ok(Self { path, kind, ways_in, writer: Mutex::new(Some(writer)), counts })
    }

    /// Runs a write: at once, or one of so many items in its turn.
    pub(crate) async fn write<T, F>(&self, work: F, items: Option<usize>) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> OpResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Write(Box::new(Job { work, result: None, reply })), items)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> OpResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |conn| drop(reply.send(in_snapshot(conn, work))));
        let reads = self.ways_in.lock().as_ref().ok_or(StoreError::Closed)?.reads.clone();
        reads.try_send(read).map_err(refused)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn read_aside<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        if self.ways_in.lock().is_none() {
            return Err(StoreError::Closed);
        }
        let (path, kind) = (self.path.clone(), self.kind);
        let (reply, answer) = oneshot::channel();
        let read = move || {
            let conn = open::reader(&path, kind).map_err(|error| store_error(&error))?;
            work(&conn)
        };
        spawn("store-aside", move || drop(reply.send(read())))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn truncate_wal(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::TruncateWal(reply), None)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        drop(self.ways_in.lock().take());
        let writer = self.writer.lock().take();
        let (ended, end) = oneshot::channel();
        spawn("store-closer", move || {
            drop(writer.map(JoinHandle::join));
            let _ = ended.send(());
        })
        .map_err(|error| StoreError::Failed(error.to_string()))?;
        end.await.map_err(|_| StoreError::Closed)
    }

    pub(crate) fn commits(&self) -> Commits {
        Commits {
            commits: self.counts.commits.load(Ordering::Relaxed),
            items: self.counts.items.load(Ordering::Relaxed),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn order(&self, order: Order, items: Option<usize>) -> Result<(), StoreError> {
        let writes = self.ways_in.lock().as_ref().ok_or(StoreError::Closed)?.writes.clone();
        writes.add(order, items).map_err(|refused| match refused {
            NotTaken::Full => StoreError::Busy,
            NotTaken::Closed => StoreError::Closed,
        })
    }
}

/// The orders of a thread; when that ends, however it ends, nobody waits for it any more.
struct WorkedOff(Arc<Orders<Order>>);

impl Drop for WorkedOff {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The writer works off what it has, and ends.
impl Drop for WaysIn {
    fn drop(&mut self) {
        self.writes.close();
    }
}

/// A store that is dropped finishes what was asked of it, and the folder is free when the drop returns.
impl Drop for Threaded {
    fn drop(&mut self) {
        drop(self.ways_in.lock().take());
        drop(self.writer.lock().take().map(JoinHandle::join));
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|source| OpenError::Folder { path: name.into(), source })
}

fn refused<T>(error: TrySendError<T>) -> StoreError {
    match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    }
}

fn serve_reads(conn: &Connection, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let next = waiting.lock().recv();
        match next {
            Ok(read) => read(conn),
            Err(_) => return,
        }
    }
}

/// Several statements of one read see the same state.
fn in_snapshot<T>(conn: &Connection, work: impl FnOnce(&Connection) -> OpResult<T>) -> Result<T, StoreError> {
    let snapshot = conn.unchecked_transaction().map_err(|error| store_error(&error))?;
    Ok(work(&snapshot)?)
}

/// A write that waits for its answer.
trait Write: Send {
    /// Runs it within a transaction and keeps the result.
    fn run(&mut self, tx: &Tx<'_>) -> rusqlite::Result<()>;
    /// Answers, after the commit with `Ok`.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Job<F, T> {
    work: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write for Job<F, T>
where
    T: Send,
    F: Fn(&Tx<'_>) -> OpResult<T> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        self.result = Some(tx.run(&self.work)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        // Whoever asked may have gone; the write stands.
        drop(reply.send(committed.and_then(|()| result.expect("what was committed has run"))));
    }
}

/// The thread that writes.
struct Writer {
    /// Gone while the file cannot be trusted or opened.
    core: Option<Core>,
    path: PathBuf,
    kind: Kind,
    wal_limit: u64,
    faults: Option<FaultHook>,
    counts: Arc<Counts>,
    wal_reported: bool,
}

impl Writer {
    fn serve(&mut self, orders: &Orders<Order>) {
        loop {
            let mut room = BULK;
            match orders.wait(IDLE, &mut room) {
                Arrival::Order(first) => {
                    if self.serve_group(first, orders, room).is_break() {
                        return;
                    }
                }
                Arrival::Nothing => self.look_after_wal(),
                Arrival::Closed => return,
            }
        }
    }

    /// Serves an order with those that have come meanwhile.
    fn serve_group(&mut self, first: Order, orders: &Orders<Order>, mut room: usize) -> ControlFlow<()> {
        let mut next = Some(first);
        let mut group = Vec::new();
        while let Some(order) = next.take() {
            match order {
                Order::Write(write) => group.push(write),
                Order::TruncateWal(reply) => {
                    self.commit(std::mem::take(&mut group))?;
                    drop(reply.send(self.truncate_wal()));
                }
            }
            if group.len() < GROUP {
                next = orders.more(&mut room);
            }
        }
        self.commit(group)?;
        self.look_after_wal();
        ControlFlow::Continue(())
    }

    /// Commits writes together, or each alone when one of them fails.
    fn commit(&mut self, mut group: Vec<Box<dyn Write>>) -> ControlFlow<()> {
        if group.is_empty() {
            return ControlFlow::Continue(());
        }
        let core = match self.core() {
            Ok(core) => core,
            Err(error) => return answer_all(group, &Err(error)),
        };
        let committed = core.transact(|tx| group.iter_mut().try_for_each(|write| write.run(tx)));
        match committed {
            Ok(()) => {
                self.counts.commits.fetch_add(1, Ordering::Relaxed);
                self.counts.items.fetch_add(group.len() as u64, Ordering::Relaxed);
                answer_all(group, &Ok(()))
            }
            Err(Broken::Work(error)) if group.len() > 1 && !is_about_the_file(&error) => {
                group.into_iter().try_for_each(|write| self.commit(vec![write]))
            }
            Err(Broken::Work(error) | Broken::Commit(error)) => {
                if is_about_the_file(&error) {
                    tracing::error!(error = %error, "the database file could not be written; opening it anew");
                    self.core = None;
                }
                answer_all(group, &Err(store_error(&error)))
            }
            Err(Broken::Crash) => {
                self.core = None;
                ControlFlow::Break(())
            }
        }
    }

    /// The connection; after a failure of the file, a new one that has moved the whole log into the file.
    fn core(&mut self) -> Result<&Core, StoreError> {
        if self.core.is_none() {
            let conn = open::writer(&self.path, self.kind, self.wal_limit).map_err(|error| match error {
                OpenError::Sqlite(error) => store_error(&error),
                OpenError::Folder { source, .. } => match source.kind() {
                    io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                        StoreError::ReadOnly
                    }
                    io::ErrorKind::StorageFull => StoreError::Full,
                    _ => StoreError::Disk(source.to_string()),
                },
                OpenError::Damaged { source, .. } => StoreError::Damaged(source.to_string()),
                other => StoreError::Failed(other.to_string()),
            })?;
            checkpoint(&conn, "TRUNCATE", PATIENCE).map_err(|error| store_error(&error))?;
            self.core = Some(Core::new(conn, self.faults.clone()));
        }
        Ok(self.core.as_ref().expect("set above"))
    }

    fn truncate_wal(&mut self) -> Result<(), StoreError> {
        match checkpoint(self.core()?.conn(), "TRUNCATE", PATIENCE) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Busy),
            Err(error) => Err(store_error(&error)),
        }
    }

    /// Cuts the log when it has grown past its limit, as far as readers let it: nobody waits for them here.
    fn look_after_wal(&mut self) {
        let bytes = wal_bytes(&self.path);
        if bytes <= self.wal_limit {
            self.wal_reported = false;
            return;
        }
        let Some(core) = &self.core else { return };
        let cut = checkpoint(core.conn(), "TRUNCATE", Duration::ZERO);
        if !matches!(cut, Ok(true)) && !self.wal_reported {
            tracing::warn!(wal.bytes = bytes, "a long read keeps the write-ahead log from being emptied");
            self.wal_reported = true;
        }
    }

    /// Leaves the file complete in itself.
    fn finish(&mut self) {
        if let Some(core) = self.core.take() {
            drop(checkpoint(core.conn(), "TRUNCATE", PATIENCE));
        }
    }
}

fn answer_all(group: Vec<Box<dyn Write>>, committed: &Result<(), StoreError>) -> ControlFlow<()> {
    group.into_iter().for_each(|write| write.answer(committed.clone()));
    ControlFlow::Continue(())
}

/// Runs a checkpoint; false when readers kept it from being complete.
fn checkpoint(conn: &Connection, mode: &str, patience: Duration) -> rusqlite::Result<bool> {
    conn.busy_timeout(patience)?;
    conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok(row.get::<_, i64>(0)? == 0))
}
