//! Opening a database file: one process, a new enough engine, a known schema, and the settings that the promises need.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works with the folder.
    #[error("another milepost process (pid {pid}) uses this data folder")]
    InUse {
        /// Its process id, as far as it has said.
        pid: String,
    },
    /// The folder could not be used.
    #[error("cannot use the data folder {path}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A newer program has written the file.
    #[error(
        "the database has schema {found}, and this milepost knows schemas up to {known}: \
         start the newer milepost again, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The schema of the file.
        found: usize,
        /// The newest schema that this program knows.
        known: usize,
    },
    /// SQLite before 3.51.3 can corrupt a database in write-ahead mode when a checkpoint is reset.
    #[error("SQLite {0} is too old for a write-ahead log: build with 3.51.3 or newer")]
    EngineTooOld(String),
    /// The file is no database any more.
    #[error(
        "{path} is damaged ({source}); nothing was changed. Put a backup in its place with \
         `milepost restore BACKUP --data DIR --force`, which keeps the damaged file"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file belongs to another program.
    #[error("{0} is a database of another program; name another data folder")]
    NotOurs(PathBuf),
    /// The file could not be opened or migrated.
    #[error("cannot open the database")]
    Sqlite(#[from] rusqlite::Error),
}

/// How a file is opened.
#[derive(Clone)]
pub struct Options {
    /// Connections that read.
    pub readers: usize,
    /// Writes that may wait; more are refused with [`store::StoreError::Busy`].
    pub waiting: usize,
    /// Bytes of the write-ahead log from which the writer tries harder to empty it, and says so.
    pub wal_limit: u64,
    /// Faults to be injected at commits, by tests.
    pub faults: Option<crate::FaultHook>,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 3, waiting: 4_096, wal_limit: 64 << 20, faults: None }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("readers", &self.readers)
            .field("waiting", &self.waiting)
            .field("wal_limit", &self.wal_limit)
            .finish_non_exhaustive()
    }
}

/// What a database file is to be.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Its name in the data folder.
    pub(crate) file: &'static str,
    /// Its migrations: the position is the schema version that each leads to, counted from 1.
    pub(crate) migrations: &'static [&'static str],
    /// What is deleted is overwritten.
    pub(crate) secure_delete: bool,
    /// KiB that the writer keeps in memory.
    pub(crate) cache_kib: u32,
    /// What is run once when the file is opened.
    pub(crate) at_start: &'static str,
    /// SQLite's application id: what tells our files from others', and from one another.
    pub(crate) application_id: i32,
    /// A table that files from before the application id have.
    pub(crate) known_by: &'static str,
    /// Writes into a copy when it was made.
    pub(crate) stamp: &'static str,
}

/// The main database.
pub(crate) const DATA: Kind = Kind {
    file: "milepost.db",
    migrations: &[
        include_str!("../migrations/data/0001_initial.sql"),
        include_str!("../migrations/data/0002_generations.sql"),
        include_str!("../migrations/data/0003_tokens.sql"),
        include_str!("../migrations/data/0004_connections.sql"),
        include_str!("../migrations/data/0005_connect.sql"),
        include_str!("../migrations/data/0006_webhook_states.sql"),
        include_str!("../migrations/data/0007_retrying.sql"),
        include_str!("../migrations/data/0008_recordings.sql"),
        include_str!("../migrations/data/0009_ledger.sql"),
    ],
    secure_delete: false,
    cache_kib: 64 << 10,
    // The lock says that no other process lives: the leases of the one before have ended.
    at_start: "UPDATE lane SET node = NULL",
    application_id: 0x4d50_4442,
    known_by: "document",
    stamp: "INSERT OR REPLACE INTO meta (name, value) VALUES ('copied_at', ?1)",
};

/// The keyring.
pub(crate) const KEYRING: Kind = Kind {
    file: "keyring.db",
    migrations: &[
        include_str!("../migrations/keyring/0001_initial.sql"),
        include_str!("../migrations/keyring/0002_ledger.sql"),
    ],
    secure_delete: true,
    cache_kib: 8 << 10,
    at_start: "",
    application_id: 0x4d50_4b52,
    known_by: "data_key",
    stamp: "INSERT OR REPLACE INTO note (name, value) VALUES ('copied_at', cast(?1 AS BLOB))",
};

/// Pages in the write-ahead log from which a commit also moves them into the file: 16 MiB, so that a page that changes
/// with every batch is moved once for many.
const CHECKPOINT_PAGES: u32 = 4_096;

/// How long a reader waits for a lock: it meets one only while the file is opened or recovered.
const BUSY: Duration = Duration::from_secs(5);

/// The right to work with a database file; it ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Takes the lock beside the file, or says who has it.
    pub(crate) fn take(dir: &Path, kind: Kind) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| OpenError::Folder { path: dir.into(), source })?;
        let path = dir.join(format!("{}.lock", kind.file));
        let folder = |source| OpenError::Folder { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(folder)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { pid: holder(&mut file) }),
            Err(TryLockError::Error(source)) => return Err(folder(source)),
        }
        // The lock is what counts; the number is for whoever meets it, and a full disk must not keep us from starting.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    match file.read_to_string(&mut pid) {
        Ok(_) if !pid.is_empty() => pid,
        _ => "unknown".into(),
    }
}

/// Refuses an engine with the write-ahead log's reset bug.
pub(crate) fn engine_is_new_enough(number: i32, name: &str) -> Result<(), OpenError> {
    if number < 3_051_003 { Err(OpenError::EngineTooOld(name.into())) } else { Ok(()) }
}

/// Opens the connection that writes, and brings the schema up to date.
pub(crate) fn writer(path: &Path, kind: Kind, wal_limit: u64) -> Result<Connection, OpenError> {
    engine_is_new_enough(rusqlite::version_number(), rusqlite::version())?;
    // SQLite gives its other files the rights of this one.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::Folder { path: path.into(), source })?;
    let mut conn = Connection::open(path)?;
    is_ours(&conn, path, kind)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    conn.pragma_update(None, "journal_size_limit", i64::try_from(wal_limit).unwrap_or(i64::MAX))?;
    settle(&conn, kind, kind.cache_kib)?;
    migrate(&mut conn, kind.migrations)?;
    if application_id(&conn)? != kind.application_id {
        conn.pragma_update(None, "application_id", kind.application_id)?;
    }
    Ok(conn)
}

/// Refuses what is no database, or another program's, before anything is written into it.
fn is_ours(conn: &Connection, path: &Path, kind: Kind) -> Result<(), OpenError> {
    match belongs(conn, kind) {
        Ok(true) => Ok(()),
        Ok(false) => Err(OpenError::NotOurs(path.into())),
        Err(source) if is_damage(&source) => Err(OpenError::Damaged { path: path.into(), source }),
        Err(error) => Err(error.into()),
    }
}

/// Whether a database is empty, or one of a kind.
fn belongs(conn: &Connection, kind: Kind) -> rusqlite::Result<bool> {
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 || is_a(conn, kind)?)
}

/// Whether a database is one of a kind.
pub(crate) fn is_a(conn: &Connection, kind: Kind) -> rusqlite::Result<bool> {
    match application_id(conn)? {
        0 => conn.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
            [kind.known_by],
            |row| row.get(0),
        ),
        id => Ok(id == kind.application_id),
    }
}

fn application_id(conn: &Connection) -> rusqlite::Result<i32> {
    conn.pragma_query_value(None, "application_id", |row| row.get(0))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path, kind: Kind) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY)?;
    settle(&conn, kind, kind.cache_kib / 4)?;
    Ok(conn)
}

/// What every connection of a kind is set to.
pub(crate) fn settle(conn: &Connection, kind: Kind, cache_kib: u32) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(256);
    // Otherwise a statement with `LIMIT ?` is prepared again each time that it runs: the planner looks at the number.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "secure_delete", kind.secure_delete)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    Ok(())
}

/// Brings the schema up to date: each migration is a transaction that also notes its number.
///
/// The migrations of a released program are never changed, only followed by others.
pub(crate) fn migrate(conn: &mut Connection, migrations: &[&str]) -> Result<(), OpenError> {
    let found: usize = conn.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? as usize;
    if found > migrations.len() {
        return Err(OpenError::Newer { found, known: migrations.len() });
    }
    for (number, migration) in (1..).zip(migrations).skip(found) {
        let tx = conn.transaction()?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_statement_is_not_prepared_again() {
        let conn = Connection::open_in_memory().unwrap();
        settle(&conn, DATA, DATA.cache_kib).unwrap();
        conn.execute_batch("CREATE TABLE row (no INTEGER PRIMARY KEY, at INTEGER); CREATE INDEX by_at ON row (at)")
            .unwrap();
        let mut select = conn.prepare("SELECT no FROM row WHERE at < ?1 LIMIT ?2").unwrap();
        for limit in 0..3 {
            select.query_map([i64::MAX, limit], |row| row.get::<_, i64>(0)).unwrap().for_each(drop);
        }
        assert_eq!(select.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }

    #[test]
    fn what_an_earlier_program_has_written_leaves_the_new_columns_open() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &DATA.migrations[..4]).unwrap();
        conn.execute_batch(
            "INSERT INTO application (no, id, name, redirect_uris, plan, management_token, created_at)
                 VALUES (1, x'01', 'A', x'80', 'free', x'', 0);
             INSERT INTO owner (user, application, account, external_id, asked) VALUES (x'02', 1, x'03', x'', 0);",
        )
        .unwrap();
        migrate(&mut conn, DATA.migrations).unwrap();
        let is_open: bool = conn
            .query_row(
                "SELECT coalesce(connect_permissions, connect_required, connect_country, ended_at) IS NULL
                 FROM application JOIN owner ON owner.application = application.no",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(is_open);
    }
}
