//! Listing what waits in the queues, along their key.

use domain::ids::{EventId, EventNo, VehicleId, VehicleNo};
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};
use store::{QueuePlace, WaitingEvent, WaitingFilter, WaitingPage};

use crate::rows;

/// Rows that are looked at for the events of one vehicle.
const LOOKED_AT: usize = 10_000;
/// Lanes of a webhook are next to each other.
const LANES: i64 = 0xff;

const COLUMNS: &str =
    "q.lane, q.attempt_at, q.event, q.id, q.vehicle, v.id, q.slot, q.occasion, q.sequence, q.created_at,
    q.http_status, q.took_ms, q.attempt_count, q.attempts, q.redelivery";

pub(crate) fn waiting(conn: &Connection, filter: &WaitingFilter, limit: usize) -> Result<WaitingPage> {
    let WaitingFilter { webhook, vehicle, retrying, after } = *filter;
    let (from, until) = webhook.map_or((0, i64::MAX), |no| (no.0 << 8, no.0 << 8 | LANES));
    let after = after.map_or((i64::MIN, i64::MIN, i64::MIN), place_numbers);
    // Both are in the order of the answer, so that reading ends with the page. The index of what was attempted is small.
    let (table, condition) = match retrying {
        true => ("queue AS q INDEXED BY queue_retrying", "AND q.attempt_count > 0"),
        false => ("queue AS q", ""),
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {table} LEFT JOIN vehicle AS v ON v.no = q.vehicle
         WHERE q.lane BETWEEN :from AND :until AND (q.lane, q.attempt_at, q.event) > (:lane, :attempt_at, :event) {condition}
         ORDER BY q.lane, q.attempt_at, q.event"
    ))?;
    let mut rows = statement.query(named_params! {
        ":from": from.max(after.0),
        ":until": until,
        ":lane": after.0,
        ":attempt_at": after.1,
        ":event": after.2,
    })?;
    let (mut items, mut looked_at, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        if items.len() >= limit || looked_at >= LOOKED_AT {
            return Ok(WaitingPage { items, next: last });
        }
        looked_at += 1;
        last = Some(place(row)?);
        if vehicle.is_none_or(|vehicle| row.get(4) == Ok(vehicle.0)) {
            items.push(event(row)?);
        }
    }
    Ok(WaitingPage { items, next: None })
}

pub(crate) fn retrying(conn: &Connection, event_no: EventNo) -> Result<Option<WaitingEvent>> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM queue AS q INDEXED BY queue_retrying_event LEFT JOIN vehicle AS v ON v.no = q.vehicle
         WHERE q.event = ?1 AND q.attempt_count > 0"
    ))?
    .query_row([event_no.0], event)
    .optional()
}

fn place_numbers(place: QueuePlace) -> (i64, i64, i64) {
    (rows::lane_number(place.lane), place.attempt_at.as_micros(), place.event.0)
}

fn place(row: &Row<'_>) -> Result<QueuePlace> {
    Ok(QueuePlace {
        lane: rows::lane(row.get(0)?),
        attempt_at: rows::moment(row, 1)?,
        event: EventNo(row.get(2)?),
    })
}

fn event(row: &Row<'_>) -> Result<WaitingEvent> {
    let vehicle_id: Option<[u8; 16]> = row.get(5)?;
    Ok(WaitingEvent {
        place: place(row)?,
        id: EventId(rows::uuid(row, 3)?),
        vehicle: VehicleNo(row.get(4)?),
        vehicle_id: vehicle_id.map(|bytes| VehicleId(uuid::Uuid::from_bytes(bytes))),
        slot: rows::moment(row, 6)?,
        occasion: row.get(7)?,
        sequence: rows::count(row, 8)?,
        created_at: rows::moment(row, 9)?,
        http_status: row.get(10)?,
        took_ms: row.get(11)?,
        attempt_count: row.get(12)?,
        attempts: row.get(13)?,
        redelivery: row.get(14)?,
    })
}
