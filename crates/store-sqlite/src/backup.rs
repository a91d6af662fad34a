//! A consistent copy of a database while work goes on.
//!
//! The copy reads one snapshot from beginning to end. Writers are not held up, but the write-ahead log cannot be emptied
//! meanwhile: it grows by what is written during the copy. Without the snapshot, each commit would make SQLite begin the
//! copy anew.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, backup};
use store::{Backup, StoreError};

use crate::error::store_error;

/// Pages copied at a time.
const STEP: i32 = 256;

/// Copies the database behind a connection into a new file. An unfinished copy is never at that path.
pub(crate) fn copy(conn: &Connection, to: &Path) -> Result<Backup, StoreError> {
    if to.exists() {
        return Err(StoreError::Failed(format!("the backup file {} exists already", to.display())));
    }
    let unfinished = beside(to, ".part");
    remove(&unfinished).map_err(|error| failed(&error))?;
    copy_pages(conn, &unfinished).map_err(|error| store_error(&error))?;
    put_in_place(&unfinished, to).map_err(|error| failed(&error))?;
    let bytes = fs::metadata(to).map_err(|error| failed(&error))?.len();
    Ok(Backup { path: to.into(), bytes })
}

fn copy_pages(conn: &Connection, to: &Path) -> rusqlite::Result<()> {
    let snapshot = conn.unchecked_transaction()?;
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    backup::Backup::new(&snapshot, &mut target)?.run_to_completion(STEP, Duration::ZERO, None)
}

/// Gives a synced file its name, durably.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
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
