//! Recorded trips.

use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use store::{RecordedCar, RecordingPart};
use uuid::Uuid;

use super::vehicles;
use crate::{engine::Tx, rows};

/// Parts that one transaction deletes: others wait for it.
const DELETED_AT_ONCE: u32 = 32;
/// Recordings that are found at once; who forgets them asks again.
const FOUND_AT_ONCE: u32 = 100;

pub(crate) fn begin(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<()> {
    tx.prepare_cached("INSERT INTO recording (id, created_at) VALUES (?1, ?2)")?
        .execute(params![id.as_bytes(), now.as_micros()])
        .map(drop)
}

pub(crate) fn put_part(tx: &Tx<'_>, id: Uuid, kind: RecordingPart, no: u32, body: &[u8]) -> Result<bool> {
    let kept = tx
        .prepare_cached(
            "INSERT OR REPLACE INTO recording_part (recording, kind, no, body)
             SELECT id, ?2, ?3, ?4 FROM recording WHERE id = ?1 AND car IS NULL",
        )?
        .execute(params![id.as_bytes(), kind as u8, no, body])?;
    Ok(kept > 0)
}

pub(crate) fn part(conn: &Connection, id: Uuid, kind: RecordingPart, no: u32) -> Result<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT body FROM recording_part WHERE recording = ?1 AND kind = ?2 AND no = ?3")?
        .query_row(params![id.as_bytes(), kind as u8, no], |row| row.get(0))
        .optional()
}

pub(crate) fn count_parts(conn: &Connection, id: Uuid, kind: RecordingPart) -> Result<(u32, bool)> {
    conn.prepare_cached(
        "SELECT count(*), ifnull(max(no), -1) FROM recording_part WHERE recording = ?1 AND kind = ?2",
    )?
    .query_row(params![id.as_bytes(), kind as u8], |row| {
        let (count, last): (u32, i64) = (row.get(0)?, row.get(1)?);
        Ok((count, last + 1 == i64::from(count)))
    })
}

pub(crate) fn complete(tx: &Tx<'_>, id: Uuid, manifest: &[u8], car: &RecordedCar) -> Result<bool> {
    let car_id = match car {
        RecordedCar::New(car) => car.id,
        RecordedCar::Known(id, _) => *id,
    };
    if !is_being_uploaded(tx, id)? {
        return Ok(false);
    }
    match car {
        RecordedCar::New(car) => vehicles::add_car(tx, car)?,
        RecordedCar::Known(id, spec) => {
            if !vehicles::update_car(tx, *id, spec)? {
                return Ok(false);
            }
        }
    }
    tx.prepare_cached(
        "UPDATE recording SET manifest = ?2, car = (SELECT no FROM car WHERE id = ?3),
             driven = EXISTS (SELECT 1 FROM vehicle WHERE car = (SELECT no FROM car WHERE id = ?3))
         WHERE id = ?1",
    )?
    .execute(params![id.as_bytes(), manifest, car_id.as_bytes()])
    .map(|completed| completed > 0)
}

pub(crate) fn manifest(conn: &Connection, id: Uuid) -> Result<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT manifest FROM recording WHERE id = ?1 AND car IS NOT NULL")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()
}

pub(crate) fn is_being_uploaded(conn: &Connection, id: Uuid) -> Result<bool> {
    conn.prepare_cached("SELECT 1 FROM recording WHERE id = ?1 AND car IS NULL")?.exists([id.as_bytes()])
}

pub(crate) fn unused(conn: &Connection, begun_before: Timestamp) -> Result<Vec<Uuid>> {
    conn.prepare_cached(
        "SELECT id FROM recording AS r
         WHERE (car IS NULL AND created_at < ?1)
            OR (car IS NOT NULL AND NOT EXISTS (SELECT 1 FROM car WHERE car.no = r.car))
            OR (driven AND NOT EXISTS (SELECT 1 FROM vehicle AS v WHERE v.car = r.car))
         LIMIT ?2",
    )?
    .query_map(params![begun_before.as_micros(), FOUND_AT_ONCE], |row| rows::uuid(row, 0))?
    .collect()
}

pub(crate) fn of_car(conn: &Connection, car: Uuid) -> Result<Vec<Uuid>> {
    conn.prepare_cached("SELECT id FROM recording WHERE car = (SELECT no FROM car WHERE id = ?1)")?
        .query_map([car.as_bytes()], |row| rows::uuid(row, 0))?
        .collect()
}

pub(crate) fn delete_parts(tx: &Tx<'_>, id: Uuid, kind: RecordingPart) -> Result<bool> {
    let deleted = tx
        .prepare_cached(
            "DELETE FROM recording_part WHERE rowid IN
                 (SELECT rowid FROM recording_part WHERE recording = ?1 AND kind = ?2 LIMIT ?3)",
        )?
        .execute(params![id.as_bytes(), kind as u8, DELETED_AT_ONCE])?;
    Ok(deleted == DELETED_AT_ONCE as usize)
}

pub(crate) fn forget(tx: &Tx<'_>, id: Uuid) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM car WHERE no = (SELECT car FROM recording WHERE id = ?1)
             AND NOT EXISTS (SELECT 1 FROM vehicle WHERE vehicle.car = car.no)",
    )?
    .execute([id.as_bytes()])?;
    for sql in ["DELETE FROM recording_part WHERE recording = ?1", "DELETE FROM recording WHERE id = ?1"] {
        tx.prepare_cached(sql)?.execute([id.as_bytes()])?;
    }
    Ok(())
}

/// Notes that a vehicle was connected to the car that drives a recording.
pub(crate) fn note_driven(tx: &Tx<'_>, car: Uuid) -> Result<()> {
    tx.prepare_cached("UPDATE recording SET driven = 1 WHERE car = (SELECT no FROM car WHERE id = ?1)")?
        .execute([car.as_bytes()])
        .map(drop)
}

pub(crate) fn delete_car(tx: &Tx<'_>, id: Uuid) -> Result<bool> {
    let connected = tx
        .prepare_cached(
            "SELECT 1 FROM car CROSS JOIN vehicle ON vehicle.car = car.no
             CROSS JOIN connection ON connection.vehicle = vehicle.no WHERE car.id = ?1",
        )?
        .exists([id.as_bytes()])?;
    if connected {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE vehicle SET car = NULL WHERE car = (SELECT no FROM car WHERE id = ?1)")?
        .execute([id.as_bytes()])?;
    Ok(tx.prepare_cached("DELETE FROM car WHERE id = ?1")?.execute([id.as_bytes()])? > 0)
}
