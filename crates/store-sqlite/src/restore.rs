//! What a restore needs of database files: telling what a file is, copying one that stands still, and the locks of a folder.
//!
//! Everything here is for a data folder whose server is stopped.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    backup::beside,
    open::{self, DATA, KEYRING, Kind, Lock, OpenError},
    ops::{ledger, upkeep},
};

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A backup of the data, or `milepost.db`.
    Data,
    /// An exported keyring, or `keyring.db`.
    Keyring,
}

impl FileKind {
    const fn kind(self) -> Kind {
        match self {
            Self::Data => DATA,
            Self::Keyring => KEYRING,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Data => Self::Keyring,
            Self::Keyring => Self::Data,
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its schema.
    pub schema: usize,
    /// When it was copied, if it is a copy.
    pub copied_at: Option<Timestamp>,
    /// Which installation it belongs to, if it was written by a program that gives numbers to them.
    pub installation: Option<u64>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It does not begin as SQLite's files do.
    #[error("it is not a database")]
    NotADatabase,
    /// It is a database of something else.
    #[error("it is a database of another program")]
    NotOurs,
    /// It is the other one of the two.
    #[error("{}", match .0 {
        FileKind::Data => "it is a backup of the data, not a keyring",
        FileKind::Keyring => "it is a keyring, not a backup of the data; give it with --keyring",
    })]
    Other(FileKind),
    /// A newer program has written it.
    #[error(
        "it has schema {found}, and this milepost knows schemas up to {known}: restore it with the newer milepost"
    )]
    Newer {
        /// The schema of the file.
        found: usize,
        /// The newest schema that this program knows.
        known: usize,
    },
    /// It is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Looks at the beginning of a file, without SQLite, which would write beside it.
///
/// # Errors
///
/// When it cannot be a database.
pub fn looks_like_a_database(path: &Path) -> Result<(), Unusable> {
    if !fs::metadata(path)?.is_file() {
        return Err(Unusable::NotADatabase);
    }
    let mut begin = Vec::new();
    File::open(path)?.take(100).read_to_end(&mut begin)?;
    match begin.as_slice() {
        [] => Err(Unusable::Empty),
        begin if begin.len() == 100 && begin.starts_with(b"SQLite format 3\0") => Ok(()),
        _ => Err(Unusable::NotADatabase),
    }
}

/// Looks through a file that is ours to open: its kind, schema and every page.
///
/// # Errors
///
/// When it is not a sound file of the kind.
pub fn inspect(path: &Path, kind: FileKind) -> Result<About, Unusable> {
    looks_like_a_database(path)?;
    let conn = Connection::open(path)?;
    if !open::is_a(&conn, kind.kind())? {
        let other = kind.other();
        let is_other = open::is_a(&conn, other.kind())?;
        return Err(if is_other { Unusable::Other(other) } else { Unusable::NotOurs });
    }
    let schema = conn.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? as usize;
    let known = kind.kind().migrations.len();
    if schema > known {
        return Err(Unusable::Newer { found: schema, known });
    }
    if schema == 0 {
        return Err(Unusable::Damaged("its schema number is missing".into()));
    }
    let damage = upkeep::integrity(&conn, "PRAGMA integrity_check(20)")?;
    if !damage.is_empty() {
        return Err(Unusable::Damaged(damage.join("; ")));
    }
    let note = |name: &str| -> rusqlite::Result<Option<i64>> {
        let sql = match kind {
            FileKind::Data => "SELECT value FROM meta WHERE name = ?1",
            FileKind::Keyring => "SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM note WHERE name = ?1",
        };
        conn.query_row(sql, [name], |row| row.get(0)).optional()
    };
    let copied_at = note("copied_at")?.map(Timestamp::from_micros);
    let installation = note("installation")?.map(i64::cast_unsigned);
    Ok(About { schema, copied_at, installation })
}

/// Copies a database that nobody has open, with what stands in its write-ahead log, into a new file.
///
/// # Errors
///
/// When it cannot be read as a database, or the copy cannot be written.
pub fn copy_at_rest(from: &Path, to: &Path) -> Result<(), Unusable> {
    // The copy is what SQLite opens: opening the original would move its log into it.
    for after in ["", "-wal"] {
        let (from, to) = (beside(from, after), beside(to, after));
        match fs::copy(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !after.is_empty() => {}
            copied => {
                copied?;
                private(&to)?;
            }
        }
    }
    let conn = Connection::open(to)?;
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    conn.pragma_update(None, "journal_mode", "delete")?;
    conn.close().map_err(|(_, error)| error)?;
    File::open(to)?.sync_all()?;
    Ok(())
}

fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Brings what another keyring of the same installation knows into one: its keys, erasures and entries of the ledger. What
/// either of them has erased is erased.
///
/// # Errors
///
/// When one of them cannot be read or written.
pub fn merge_keyrings(into: &Path, from: &Path) -> Result<(), Unusable> {
    let (mut target, mut source) = (Connection::open(into)?, Connection::open(from)?);
    for conn in [&mut target, &mut source] {
        open::settle(conn, KEYRING, KEYRING.cache_kib)?;
        open::migrate(conn, KEYRING.migrations).map_err(|error| Unusable::Damaged(error.to_string()))?;
    }
    let tx = target.transaction()?;
    let mut erasures = source.prepare("SELECT subject, erased_at FROM erasure")?;
    let mut rows = erasures.query([])?;
    while let Some(row) = rows.next()? {
        tx.execute(
            "INSERT OR IGNORE INTO erasure (subject, erased_at) VALUES (?1, ?2)",
            params![row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?],
        )?;
    }
    let mut keys = source.prepare("SELECT subject, wrapped FROM data_key")?;
    let mut rows = keys.query([])?;
    while let Some(row) = rows.next()? {
        tx.execute(
            "INSERT OR IGNORE INTO data_key (subject, wrapped) VALUES (?1, ?2)",
            params![row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?],
        )?;
    }
    tx.execute("DELETE FROM data_key WHERE subject IN (SELECT subject FROM erasure)", [])?;
    for entry in ledger::entries(&source, 0, usize::MAX)? {
        ledger::put(&tx, &entry)?;
    }
    tx.execute("DELETE FROM ledger WHERE subject IN (SELECT subject FROM erasure)", [])?;
    Ok(tx.commit()?)
}

/// Deletes the codes that nobody has redeemed: whoever has one of them may have redeemed it after the backup.
///
/// # Errors
///
/// When the file cannot be written.
pub fn forget_unredeemed_codes(path: &Path) -> Result<(), Unusable> {
    let conn = Connection::open(path)?;
    conn.execute("DELETE FROM code WHERE grant_no IS NULL", [])?;
    conn.pragma_update(None, "journal_mode", "delete")?;
    conn.close().map_err(|(_, error)| error)?;
    Ok(File::open(path)?.sync_all()?)
}

/// The right to change the files of a data folder: no server runs on it, and none can start.
#[derive(Debug)]
pub struct FolderLock {
    _data: Lock,
    _keyring: Lock,
}

impl FolderLock {
    /// Takes it; the folder is made if it is missing.
    ///
    /// # Errors
    ///
    /// When a server has the folder, or it cannot be used.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self { _data: Lock::take(dir, DATA)?, _keyring: Lock::take(dir, KEYRING)? })
    }
}
