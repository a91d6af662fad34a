//! The ledger of what has ended, in the data and, as a copy, in the keyring.
//!
//! Both have the same table, and [`put`] is the only way into it: the newer version of an entry stays, and the entry of a
//! larger thing deletes those of the smaller ones in it.

use domain::{
    ids::{ApplicationId, ApplicationNo, VehicleNo, WebhookNo},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use store::{EndKind, LedgerEntry, Subject, WebhookState};
use uuid::Uuid;

use crate::{engine::Tx, error::damaged, rows};

/// What is noted of an end.
pub(crate) struct End<'a> {
    pub(crate) kind: EndKind,
    pub(crate) key: &'a [u8],
    pub(crate) subject: Subject,
    pub(crate) vehicle: Option<Uuid>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) value: Vec<u8>,
}

impl<'a> End<'a> {
    /// An end that nothing but an erasure deletes.
    pub(crate) fn new(kind: EndKind, key: &'a [u8], subject: Subject) -> Self {
        Self { kind, key, subject, vehicle: None, until: None, value: vec![] }
    }
}

/// Notes an end in the transaction that makes it.
pub(crate) fn note(tx: &Tx<'_>, end: End<'_>) -> Result<()> {
    let End { kind, key, subject, vehicle, until, value } = end;
    let version = next_version(tx)?;
    put(tx, &LedgerEntry { kind, key: key.to_vec(), version, subject, vehicle, until, value })
}

/// Notes that something has come back, if the ledger has it: an entry that is older must not end it.
pub(crate) fn touch(tx: &Tx<'_>, kind: EndKind, key: &[u8], value: &[u8]) -> Result<()> {
    let is_there: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM ledger WHERE kind = ?1 AND key = ?2)")?
        .query_row(params![kind as u8, key], |row| row.get(0))?;
    if !is_there {
        return Ok(());
    }
    let version = next_version(tx)?;
    tx.prepare_cached("UPDATE ledger SET version = ?3, value = ?4 WHERE kind = ?1 AND key = ?2")?
        .execute(params![kind as u8, key, version, value])
        .map(drop)
}

/// Versions rise with the time, too, as far as it was ever written: they go on above those of a history that was lost.
fn next_version(tx: &Tx<'_>) -> Result<i64> {
    tx.prepare_cached(
        "INSERT INTO meta (name, value)
         VALUES ('ledger', max(1, ifnull((SELECT value FROM meta WHERE name = 'latest'), 1)))
         ON CONFLICT (name) DO UPDATE SET
             value = max(value + 1, ifnull((SELECT value FROM meta WHERE name = 'latest'), 1))
         RETURNING value",
    )?
    .query_row([], |row| row.get(0))
}

/// Takes an entry in unless there is a newer one of the same thing.
pub(crate) fn put(tx: &Connection, entry: &LedgerEntry) -> Result<()> {
    let LedgerEntry { kind, key, version, subject, vehicle, until, value } = entry;
    let changed = tx
        .prepare_cached(
            "INSERT INTO ledger (kind, key, version, subject, vehicle, until, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kind, key) DO UPDATE SET
                 version = excluded.version, subject = excluded.subject, vehicle = excluded.vehicle,
                 until = excluded.until, value = excluded.value
             WHERE excluded.version > ledger.version",
        )?
        .execute(params![
            *kind as u8,
            key,
            version,
            subject.as_bytes(),
            vehicle.as_ref().map(Uuid::as_bytes),
            until.map(Timestamp::as_micros),
            value,
        ])?;
    if changed > 0 {
        delete_covered(tx, entry)?;
    }
    Ok(())
}

/// Deletes the older entries of what has ended with a larger thing.
fn delete_covered(tx: &Connection, entry: &LedgerEntry) -> Result<()> {
    match entry.kind {
        EndKind::Connection | EndKind::Vehicle => {
            tx.prepare_cached("DELETE FROM ledger WHERE vehicle = ?1 AND version < ?2")?
                .execute(params![entry.key, entry.version])?;
        }
        EndKind::Webhook if WebhookState::from_value(&entry.value) == WebhookState::Deleted => {
            let mut last = entry.key.clone();
            last.resize(entry.key.len() + 16, 0xff);
            tx.prepare_cached(
                "DELETE FROM ledger WHERE kind = ?1 AND key > ?2 AND key <= ?3 AND version < ?4",
            )?
            .execute(params![EndKind::Subscription as u8, entry.key, last, entry.version])?;
            tx.prepare_cached("DELETE FROM ledger WHERE kind = ?1 AND key = ?2 AND version < ?3")?
                .execute(params![EndKind::Destination as u8, entry.key, entry.version])?;
        }
        _ => {}
    }
    Ok(())
}

pub(crate) fn entries(conn: &Connection, after: i64, limit: usize) -> Result<Vec<LedgerEntry>> {
    conn.prepare_cached(
        "SELECT kind, key, version, subject, vehicle, until, value FROM ledger WHERE version > ?1
         ORDER BY version LIMIT ?2",
    )?
    .query_map(params![after, rows::limit(limit)], entry)?
    .collect()
}

pub(crate) fn forget(tx: &Connection, subject: Subject) -> Result<()> {
    tx.prepare_cached("DELETE FROM ledger WHERE subject = ?1")?.execute([subject.as_bytes()]).map(drop)
}

pub(crate) fn prune(tx: &Connection, before: Timestamp) -> Result<()> {
    tx.prepare_cached("DELETE FROM ledger WHERE until < ?1")?.execute([before.as_micros()]).map(drop)
}

/// The next version is above all of these.
pub(crate) fn go_on_above(tx: &Tx<'_>, version: i64) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO meta (name, value) VALUES ('ledger', ?1)
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
    )?
    .execute([version])
    .map(drop)
}

fn entry(row: &Row<'_>) -> Result<LedgerEntry> {
    Ok(LedgerEntry {
        kind: EndKind::from_number(row.get(0)?).ok_or_else(|| damaged(0, "no such kind of end"))?,
        key: row.get(1)?,
        version: row.get(2)?,
        subject: rows::uuid(row, 3)?,
        vehicle: row.get::<_, Option<[u8; 16]>>(4)?.map(Uuid::from_bytes),
        until: rows::moment_if_any(row, 5)?,
        value: row.get(6)?,
    })
}

/// The ids of a vehicle and of its owner.
pub(crate) fn vehicle_and_user(tx: &Connection, vehicle: VehicleNo) -> Result<Option<(Uuid, Uuid)>> {
    tx.prepare_cached("SELECT id, user FROM vehicle WHERE no = ?1")?
        .query_row([vehicle.0], |row| Ok((rows::uuid(row, 0)?, rows::uuid(row, 1)?)))
        .optional()
}

/// The ids of a webhook and of its application, which may be gone.
pub(crate) fn webhook_and_application(tx: &Connection, webhook: WebhookNo) -> Result<Option<(Uuid, Uuid)>> {
    tx.prepare_cached(
        "SELECT w.id, ifnull(a.id, zeroblob(16)) FROM webhook AS w LEFT JOIN application AS a ON a.no = w.application
         WHERE w.no = ?1",
    )?
    .query_row([webhook.0], |row| Ok((rows::uuid(row, 0)?, rows::uuid(row, 1)?)))
    .optional()
}

/// The id of an application; nil when it is gone.
pub(crate) fn application_id(tx: &Connection, no: ApplicationNo) -> Result<ApplicationId> {
    let found = tx
        .prepare_cached("SELECT id FROM application WHERE no = ?1")?
        .query_row([no.0], |row| rows::uuid(row, 0))
        .optional()?;
    Ok(ApplicationId(found.unwrap_or_default()))
}

/// The key of a vehicle on a webhook.
pub(crate) fn subscription_key(webhook: Uuid, vehicle: Uuid) -> Vec<u8> {
    [*webhook.as_bytes(), *vehicle.as_bytes()].concat()
}
