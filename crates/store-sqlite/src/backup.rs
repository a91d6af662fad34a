//! A consistent copy of a database while work goes on.
//!
//! The copy reads one snapshot from beginning to end. Writers are not held up, but the write-ahead log cannot be emptied
//! meanwhile: it grows by what is written during the copy. Without the snapshot, each commit would make SQLite begin the
//! copy anew.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::time::Timestamp;
use rusqlite::{Connection, backup};
use store::{Backup, StoreError};

use crate::{error::store_error, open::Kind};

/// Pages copied at a time.
const STEP: i32 = 256;

/// Copies the database behind a connection into a new file. An unfinished copy is never at that path, and a file that is
/// there by then is not written over.
pub(crate) fn copy(conn: &Connection, to: &Path, kind: Kind, now: Timestamp) -> Result<Backup, StoreError> {
    if to.exists() {
        return Err(exists(to));
    }
    let unfinished = beside(to, ".part");
    let copied = make(conn, &unfinished, to, kind, now);
    if copied.is_err() {
        let _ = remove_all(&unfinished);
    }
    copied?;
    let bytes = fs::metadata(to).map_err(|error| failed(&error))?.len();
    Ok(Backup { path: to.into(), bytes })
}

fn make(
    conn: &Connection,
    unfinished: &Path,
    to: &Path,
    kind: Kind,
    now: Timestamp,
) -> Result<(), StoreError> {
    remove_all(unfinished).map_err(|error| failed(&error))?;
    // What SQLite opens next has these rights already, whatever the umask of whoever embeds us.
    private_file(unfinished).map_err(|error| failed(&error))?;
    copy_pages(conn, unfinished, kind, now).map_err(|error| store_error(&error))?;
    put_in_place(unfinished, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(to),
        _ => failed(&error),
    })
}

fn copy_pages(conn: &Connection, to: &Path, kind: Kind, now: Timestamp) -> rusqlite::Result<()> {
    let snapshot = conn.unchecked_transaction()?;
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    backup::Backup::new(&snapshot, &mut target)?.run_to_completion(STEP, Duration::ZERO, None)?;
    // A copy is one file, without a log beside it.
    target.pragma_update(None, "journal_mode", "delete")?;
    target.execute(kind.stamp, [now.as_micros()])?;
    target.close().map_err(|(_, error)| error)
}

fn exists(to: &Path) -> StoreError {
    StoreError::Failed(format!("{} exists already; choose another name", to.display()))
}

/// Makes an empty file that only its owner can read.
fn private_file(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all()
}

/// Gives a synced file its name, durably, unless something has it.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has links.
        Err(_) => fs::rename(from, to)?,
    }
    match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Removes a file with what SQLite puts beside it.
fn remove_all(path: &Path) -> io::Result<()> {
    for after in ["", "-journal", "-wal", "-shm"] {
        remove(&beside(path, after))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The path with something after its name.
pub(crate) fn beside(path: &Path, after: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(after);
    name.into()
}

fn failed(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        _ => StoreError::Failed(format!("the backup could not be written: {error}")),
    }
}
