//! Tombstones: events that must not leave any more, and the sweeps that end them.
//!
//! A tombstone covers the events of a webhook, a vehicle or a subscription up to the last number given when it was
//! written. Later events are not covered: who subscribes again begins anew.

use domain::{ids::EventNo, time::Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use store::{LogStatus, Scope, Tombstone};

use super::queue::{self, Ending, Place};
use crate::{engine::Tx, rows};

/// Writes a tombstone that covers everything queued in the scope so far.
pub(crate) fn write(tx: &Tx<'_>, scope: Scope) -> Result<Tombstone> {
    let up_to = EventNo(tx.events.last(tx)?);
    let ends_as = match scope {
        Scope::Webhook(_) => LogStatus::Dropped,
        Scope::Subscription(..) | Scope::Vehicle(_) => LogStatus::Cancelled,
    };
    let (webhook, vehicle) = rows::scope_columns(scope);
    let Place { lane, attempt_at, event } = Place::BEFORE_ALL;
    tx.prepare_cached(
        "INSERT INTO tombstone (webhook, vehicle, up_to, ends_as, cursor_lane, cursor_attempt_at, cursor_event)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![webhook, vehicle, up_to.0, ends_as as u8, lane, attempt_at, event])?;
    Ok(Tombstone { no: tx.last_insert_rowid(), scope, up_to, ends_as })
}

pub(crate) fn tombstones(conn: &Connection) -> Result<Vec<Tombstone>> {
    conn.prepare_cached("SELECT no, webhook, vehicle, up_to, ends_as FROM tombstone ORDER BY no")?
        .query_map([], tombstone)?
        .collect()
}

/// Looks at the next rows of the queue for a tombstone; true when it has seen all and is gone.
pub(crate) fn bury(tx: &Tx<'_>, no: i64, now: Timestamp, limit: usize) -> Result<bool> {
    let Some((tombstone, cursor)) = tx
        .prepare_cached(
            "SELECT no, webhook, vehicle, up_to, ends_as, cursor_lane, cursor_attempt_at, cursor_event
             FROM tombstone WHERE no = ?1",
        )?
        .query_row([no], |row| Ok((tombstone(row)?, Place::from_row(row, 5)?)))
        .optional()?
    else {
        return Ok(true);
    };
    let (first_lane, last_lane) = lanes(tombstone.scope);
    let looked_at = tx
        .prepare_cached(
            "SELECT lane, attempt_at, event, vehicle FROM queue
             WHERE (lane, attempt_at, event) > (?1, ?2, ?3) AND lane BETWEEN ?4 AND ?5
             ORDER BY lane, attempt_at, event LIMIT ?6",
        )?
        .query_map(
            params![cursor.lane, cursor.attempt_at, cursor.event, first_lane, last_lane, rows::limit(limit)],
            |row| Ok((Place::from_row(row, 0)?, row.get::<_, i64>(3)?)),
        )?
        .collect::<Result<Vec<_>>>()?;
    let covered = looked_at
        .iter()
        .filter(|(place, vehicle)| place.event <= tombstone.up_to.0 && covers(tombstone.scope, *vehicle))
        .map(|&(place, _)| (place, Ending::unsent(tombstone.ends_as, now)));
    queue::end(tx, covered)?;
    match looked_at.last() {
        Some((last, _)) if looked_at.len() >= limit => {
            tx.prepare_cached(
                "UPDATE tombstone SET cursor_lane = ?2, cursor_attempt_at = ?3, cursor_event = ?4 WHERE no = ?1",
            )?
            .execute(params![no, last.lane, last.attempt_at, last.event])?;
            Ok(false)
        }
        _ => {
            tx.prepare_cached("DELETE FROM tombstone WHERE no = ?1")?.execute([no])?;
            Ok(true)
        }
    }
}

/// Has all sweeps begin anew: a row has moved towards the front of its lane, maybe past a cursor.
pub(crate) fn start_over(tx: &Tx<'_>) -> Result<()> {
    let Place { lane, attempt_at, event } = Place::BEFORE_ALL;
    tx.prepare_cached("UPDATE tombstone SET cursor_lane = ?1, cursor_attempt_at = ?2, cursor_event = ?3")?
        .execute([lane, attempt_at, event])
        .map(drop)
}

/// The lanes in which covered events can be, first and last.
fn lanes(scope: Scope) -> (i64, i64) {
    match scope {
        Scope::Webhook(webhook) | Scope::Subscription(webhook, _) => (webhook.0 << 8, webhook.0 << 8 | 0xff),
        Scope::Vehicle(_) => (i64::MIN, i64::MAX),
    }
}

fn covers(scope: Scope, vehicle: i64) -> bool {
    match scope {
        Scope::Webhook(_) => true,
        Scope::Subscription(_, covered) | Scope::Vehicle(covered) => covered.0 == vehicle,
    }
}

fn tombstone(row: &Row<'_>) -> Result<Tombstone> {
    Ok(Tombstone {
        no: row.get(0)?,
        scope: rows::scope(row, 1)?,
        up_to: EventNo(row.get(3)?),
        ends_as: rows::status(row, 4)?,
    })
}
