//! Wrapped keys, the ledger of erasures, and notes.

use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use store::{LedgerEntry, Subject, WrappedKey};

use super::ledger;
use crate::{engine::Tx, rows};

pub(crate) fn keys(conn: &Connection, subjects: &[Subject]) -> Result<Vec<Option<WrappedKey>>> {
    let mut read = conn.prepare_cached("SELECT wrapped FROM data_key WHERE subject = ?1")?;
    subjects
        .iter()
        .map(|subject| read.query_row([subject.as_bytes()], |row| row.get(0).map(WrappedKey)).optional())
        .collect()
}

pub(crate) fn add(tx: &Tx<'_>, new: &[(Subject, WrappedKey)]) -> Result<Vec<Option<WrappedKey>>> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO data_key (subject, wrapped)
         SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM erasure WHERE subject = ?1)
         ON CONFLICT (subject) DO NOTHING",
    )?;
    for (subject, key) in new {
        insert.execute(params![subject.as_bytes(), key.0])?;
    }
    let subjects: Vec<Subject> = new.iter().map(|(subject, _)| *subject).collect();
    keys(tx, &subjects)
}

pub(crate) fn erase(tx: &Tx<'_>, subject: Subject, now: Timestamp) -> Result<()> {
    ledger::forget(tx, subject)?;
    tx.prepare_cached("DELETE FROM data_key WHERE subject = ?1")?.execute([subject.as_bytes()])?;
    tx.prepare_cached("INSERT OR IGNORE INTO erasure (subject, erased_at) VALUES (?1, ?2)")?
        .execute(params![subject.as_bytes(), now.as_micros()])
        .map(drop)
}

pub(crate) fn erased(conn: &Connection) -> Result<Vec<(Subject, Timestamp)>> {
    conn.prepare_cached("SELECT subject, erased_at FROM erasure ORDER BY erased_at, subject")?
        .query_map([], |row| Ok((rows::uuid(row, 0)?, rows::moment(row, 1)?)))?
        .collect()
}

pub(crate) fn add_to_ledger(tx: &Tx<'_>, entries: &[LedgerEntry]) -> Result<()> {
    for entry in entries {
        let is_erased: bool = tx
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM erasure WHERE subject = ?1)")?
            .query_row([entry.subject.as_bytes()], |row| row.get(0))?;
        if !is_erased {
            ledger::put(tx, entry)?;
        }
    }
    Ok(())
}

pub(crate) fn note(conn: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT value FROM note WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

pub(crate) fn set_note(tx: &Tx<'_>, name: &str, value: &[u8]) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO note (name, value) VALUES (?1, ?2)")?
        .execute(params![name, value])
        .map(drop)
}
