//! The queue: leases, filling, and what becomes of events.

use std::collections::BTreeMap;

use domain::{
    connect::PermissionSet,
    ids::{ApplicationNo, EventId, EventNo, ObservationNo, UserId, VehicleId, VehicleNo},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use store::{
    LaneKey, LaneLease, LogStatus, NodeId, OutcomeOf, QueuedEvent, Record, Recorded, Redelivered, StoreError,
    Unsendable,
};

use super::tombstones;
use crate::{
    engine::Tx,
    error::{OpError, OpResult},
    rows,
};

/// A place in the queue: the key of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) lane: i64,
    pub(crate) attempt_at: i64,
    pub(crate) event: i64,
}

impl Place {
    /// Before every row.
    pub(crate) const BEFORE_ALL: Self = Self { lane: i64::MIN, attempt_at: i64::MIN, event: i64::MIN };

    /// From the columns `lane, attempt_at, event`.
    pub(crate) fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Self { lane: row.get(from)?, attempt_at: row.get(from + 1)?, event: row.get(from + 2)? })
    }
}

pub(crate) fn lease_lane(
    tx: &Tx<'_>,
    node: NodeId,
    lane: LaneKey,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<LaneLease>> {
    let held = tx
        .prepare_cached("SELECT node, epoch, until FROM lane WHERE lane = ?1")?
        .query_row([rows::lane_number(lane)], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, rows::count(row, 1)?, rows::moment(row, 2)?))
        })
        .optional()?;
    let me = node.0.cast_signed();
    let epoch = match held {
        None => 1,
        Some((Some(holder), epoch, _)) if holder == me => epoch,
        Some((Some(_), _, until)) if until > now => return Ok(None),
        Some((_, epoch, _)) => epoch + 1,
    };
    tx.prepare_cached(
        "INSERT INTO lane (lane, node, epoch, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (lane) DO UPDATE SET node = excluded.node, epoch = excluded.epoch, until = excluded.until",
    )?
    .execute(params![rows::lane_number(lane), me, rows::from_count(epoch), until.as_micros()])?;
    Ok(Some(LaneLease { lane, epoch }))
}

pub(crate) fn release_lane(tx: &Tx<'_>, node: NodeId, lease: LaneLease) -> Result<()> {
    tx.prepare_cached("UPDATE lane SET node = NULL WHERE lane = ?1 AND node = ?2 AND epoch = ?3")?
        .execute(params![rows::lane_number(lease.lane), node.0.cast_signed(), rows::from_count(lease.epoch)])
        .map(drop)
}

pub(crate) fn lanes_with_work(conn: &Connection) -> Result<Vec<LaneKey>> {
    // One seek per lane, however many events it has.
    conn.prepare_cached(
        "WITH RECURSIVE found (lane) AS (
             SELECT min(lane) FROM queue
             UNION ALL
             SELECT (SELECT min(queue.lane) FROM queue WHERE queue.lane > found.lane) FROM found
             WHERE found.lane IS NOT NULL
         )
         SELECT lane FROM found WHERE lane IS NOT NULL",
    )?
    .query_map([], |row| row.get(0).map(rows::lane))?
    .collect()
}

/// The first part of a query for queued events. An event whose vehicle was erased is not found: a sweep ends it.
const QUEUED: &str = "SELECT q.attempt_at, q.event, q.id, q.vehicle, v.id, v.make, v.model, v.year, v.mode, v.powertrain,
        v.region, v.application, v.user, q.revision, q.slot, q.sequence, q.observation, o.body, q.created_at, q.attempts,
        q.redelivery, q.occasion
    FROM queue AS q CROSS JOIN vehicle AS v ON v.no = q.vehicle LEFT JOIN observation AS o ON o.no = q.observation";

pub(crate) fn fill(
    conn: &Connection,
    lane: LaneKey,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<QueuedEvent>> {
    conn.prepare_cached(&format!(
        "{QUEUED} WHERE q.lane = ?1 AND q.attempt_at <= ?2 ORDER BY q.attempt_at, q.event LIMIT ?3"
    ))?
    .query_map(params![rows::lane_number(lane), until.as_micros(), rows::limit(limit)], queued)?
    .collect()
}

pub(crate) fn next_attempt(conn: &Connection, lane: LaneKey, after: Timestamp) -> Result<Option<Timestamp>> {
    conn.prepare_cached("SELECT min(attempt_at) FROM queue WHERE lane = ?1 AND attempt_at > ?2")?
        .query_row(params![rows::lane_number(lane), after.as_micros()], |row| rows::moment_if_any(row, 0))
}

pub(crate) fn depth(conn: &Connection, lane: LaneKey, most: u64) -> Result<(u64, Option<Timestamp>)> {
    conn.prepare_cached(
        "SELECT count(*), min(created_at) FROM (
             SELECT created_at FROM queue WHERE lane = ?1 ORDER BY attempt_at, event LIMIT ?2
         )",
    )?
    .query_row(params![rows::lane_number(lane), rows::from_count(most)], |row| {
        Ok((rows::count(row, 0)?, rows::moment_if_any(row, 1)?))
    })
}

/// An event to be queued.
pub(crate) struct Enqueue<'a> {
    pub(crate) lane: LaneKey,
    pub(crate) attempt_at: Timestamp,
    pub(crate) event: i64,
    pub(crate) id: &'a EventId,
    pub(crate) vehicle: VehicleNo,
    pub(crate) revision: u32,
    pub(crate) slot: Timestamp,
    pub(crate) sequence: u64,
    pub(crate) observation: i64,
    pub(crate) redelivery: bool,
    pub(crate) occasion: &'a [u8],
}

/// Queues a new event, due at once.
pub(crate) fn enqueue(tx: &Tx<'_>, new: &Enqueue<'_>) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO queue (lane, attempt_at, event, id, vehicle, revision, slot, sequence, observation, created_at,
             redelivery, attempt_count, http_status, took_ms, attempts, occasion)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?2, ?10, 0, 0, 0, x'', ?11)",
    )?
    .execute(params![
        rows::lane_number(new.lane),
        new.attempt_at.as_micros(),
        new.event,
        new.id.0.as_bytes(),
        new.vehicle.0,
        new.revision,
        new.slot.as_micros(),
        rows::from_count(new.sequence),
        new.observation,
        new.redelivery,
        new.occasion,
    ])
    .map(drop)
}

pub(crate) fn record(tx: &Tx<'_>, lease: LaneLease, records: &[Record]) -> OpResult<Recorded> {
    let lane = rows::lane_number(lease.lane);
    let epoch = tx
        .prepare_cached("SELECT epoch FROM lane WHERE lane = ?1")?
        .query_row([lane], |row| rows::count(row, 0))
        .optional()?;
    if epoch != Some(lease.epoch) {
        return Err(OpError::Refused(StoreError::LeaseLost));
    }
    let mut moved = 0;
    for record in records {
        if let OutcomeOf::RetryAt(at) = record.outcome {
            moved += postpone(tx, lane, record, at)?;
        }
    }
    moved += end(tx, records.iter().filter_map(|record| Ending::of(lane, record)))?;
    Ok(Recorded { moved, absent: records.len() - moved })
}

/// Moves an event to where its next attempt is due; answers with how many events that were.
fn postpone(tx: &Tx<'_>, lane: i64, record: &Record, at: Timestamp) -> Result<usize> {
    let moved = tx
        .prepare_cached(
            "UPDATE queue SET attempt_at = ?4, attempt_count = ?5, http_status = ?6, took_ms = ?7, attempts = ?8
             WHERE lane = ?1 AND attempt_at = ?2 AND event = ?3",
        )?
        .execute(params![
            lane,
            record.attempt_at.as_micros(),
            record.event.0,
            at.as_micros(),
            record.attempt_count,
            record.http_status,
            record.took_ms,
            record.attempts,
        ])?;
    if moved > 0 && at < record.attempt_at {
        tombstones::start_over(tx)?;
    }
    Ok(moved)
}

/// How an event ends.
pub(crate) struct Ending<'a> {
    status: LogStatus,
    at: Timestamp,
    /// `None` when it ends without an attempt: then what the queue has of earlier ones stands.
    last: Option<&'a Record>,
}

impl<'a> Ending<'a> {
    /// Without an attempt.
    pub(crate) const fn unsent(status: LogStatus, at: Timestamp) -> Self {
        Self { status, at, last: None }
    }

    fn of(lane: i64, record: &'a Record) -> Option<(Place, Self)> {
        let OutcomeOf::Ended(status, at) = record.outcome else { return None };
        let place = Place { lane, attempt_at: record.attempt_at.as_micros(), event: record.event.0 };
        Some((place, Self { status, at, last: Some(record) }))
    }
}

/// Moves events from the queue to the log and counts them; answers with how many were still queued.
pub(crate) fn end<'a>(tx: &Tx<'_>, endings: impl Iterator<Item = (Place, Ending<'a>)>) -> Result<usize> {
    let mut log = tx.prepare_cached(
        "INSERT INTO delivery (event, webhook, vehicle, stripe, status, http_status, took_ms, attempt_count, revision,
             sequence, redelivery, missed, missed_from, observation, slot, created_at, ended_at, id, attempts, occasion)
         SELECT event, lane >> 8, vehicle, lane & 255, ?4, ifnull(?6, http_status), ifnull(?7, took_ms),
             ifnull(?8, attempt_count), revision, sequence, redelivery, 0, NULL, observation, slot, created_at, ?5, id,
             ifnull(?9, attempts), occasion
         FROM queue WHERE lane = ?1 AND attempt_at = ?2 AND event = ?3
         RETURNING attempt_count, took_ms",
    )?;
    let mut dequeue =
        tx.prepare_cached("DELETE FROM queue WHERE lane = ?1 AND attempt_at = ?2 AND event = ?3")?;
    let mut roll_up = RollUp::default();
    let mut ended = 0;
    for (Place { lane, attempt_at, event }, Ending { status, at, last }) in endings {
        let logged = log
            .query_row(
                params![
                    lane,
                    attempt_at,
                    event,
                    status as u8,
                    at.as_micros(),
                    last.map(|record| record.http_status),
                    last.map(|record| record.took_ms),
                    last.map(|record| record.attempt_count),
                    last.map(|record| &record.attempts),
                ],
                |row| Ok((rows::count(row, 0)?, rows::count(row, 1)?)),
            )
            .optional()?;
        let Some((attempts, took_ms)) = logged else { continue };
        dequeue.execute([lane, attempt_at, event])?;
        roll_up.add(lane >> 8, status, at, Counted { count: 1, attempts, took_ms });
        ended += 1;
    }
    roll_up.write(tx)?;
    Ok(ended)
}

/// What a batch adds to the roll-ups: written once per webhook, minute and status.
#[derive(Default)]
pub(crate) struct RollUp {
    buckets: BTreeMap<(i64, i64, u8), Counted>,
    last_delivered: BTreeMap<i64, i64>,
}

/// A part of a bucket.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    pub(crate) attempts: u64,
    pub(crate) took_ms: u64,
}

impl RollUp {
    /// Counts ended events of a webhook.
    pub(crate) fn add(&mut self, webhook: i64, status: LogStatus, at: Timestamp, counted: Counted) {
        let bucket = self.buckets.entry((webhook, at.as_secs().div_euclid(60), status as u8)).or_default();
        bucket.count += counted.count;
        bucket.attempts += counted.attempts;
        bucket.took_ms += counted.took_ms;
        if status == LogStatus::Delivered {
            let last = self.last_delivered.entry(webhook).or_insert(i64::MIN);
            *last = at.as_micros().max(*last);
        }
    }

    /// Adds them to what is stored.
    pub(crate) fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let mut upsert = tx.prepare_cached(
            "INSERT INTO roll_up (webhook, minute, status, count, attempts, took_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (webhook, minute, status) DO UPDATE SET
                 count = count + excluded.count,
                 attempts = attempts + excluded.attempts,
                 took_ms = took_ms + excluded.took_ms",
        )?;
        for (&(webhook, minute, status), counted) in &self.buckets {
            let [count, attempts, took_ms] =
                [counted.count, counted.attempts, counted.took_ms].map(rows::from_count);
            upsert.execute(params![webhook, minute, status, count, attempts, took_ms])?;
        }
        for (webhook, at) in &self.last_delivered {
            tx.prepare_cached(
                "INSERT INTO last_delivered (webhook, at) VALUES (?1, ?2)
                 ON CONFLICT (webhook) DO UPDATE SET at = max(at, excluded.at)",
            )?
            .execute([webhook, at])?;
        }
        Ok(())
    }
}

/// An ended event as the log has it, with what decides whether it may be sent once more.
struct Ended {
    lane: LaneKey,
    id: EventId,
    vehicle: VehicleNo,
    revision: u32,
    slot: Timestamp,
    sequence: u64,
    observation: i64,
    occasion: Vec<u8>,
    /// What the owner grants, while the vehicle is connected.
    granted: Option<u32>,
    delivers: bool,
    subscribed: bool,
}

pub(crate) fn redeliver(
    tx: &Tx<'_>,
    event: EventNo,
    carries: PermissionSet,
    now: Timestamp,
) -> Result<Redelivered> {
    let Some(ended) = ended_event(tx, event)? else { return Ok(Redelivered::Refused(Unsendable::NotKept)) };
    let refused = match ended.granted.map(PermissionSet::from_bits) {
        _ if !ended.delivers => Some(Unsendable::NotDelivering),
        None => Some(Unsendable::NotConnected),
        _ if !ended.subscribed => Some(Unsendable::NotSubscribed),
        Some(granted) if carries.iter().any(|needed| !granted.contains(needed)) => {
            Some(Unsendable::NotGranted)
        }
        Some(_) => None,
    };
    if let Some(why) = refused {
        return Ok(Redelivered::Refused(why));
    }
    // A number of its own, above what tombstones cover: what was dropped with them may be sent after all.
    let again = tx.events.next(tx)?;
    enqueue(
        tx,
        &Enqueue {
            lane: ended.lane,
            attempt_at: now,
            event: again,
            id: &ended.id,
            vehicle: ended.vehicle,
            revision: ended.revision,
            slot: ended.slot,
            sequence: ended.sequence,
            observation: ended.observation,
            redelivery: true,
            occasion: &ended.occasion,
        },
    )?;
    tx.prepare_cached(&format!("{QUEUED} WHERE q.lane = ?1 AND q.attempt_at = ?2 AND q.event = ?3"))?
        .query_row([rows::lane_number(ended.lane), now.as_micros(), again], queued)
        .map(|queued| Redelivered::Queued(ended.lane, Box::new(queued)))
}

fn ended_event(tx: &Tx<'_>, event: EventNo) -> Result<Option<Ended>> {
    tx.prepare_cached(
        "SELECT d.webhook << 8 | d.stripe, d.id, d.vehicle, d.revision, d.slot, d.sequence, d.observation, d.occasion,
             c.permissions, w.no IS NOT NULL, s.id IS NOT NULL
         FROM delivery AS d
         CROSS JOIN observation AS o ON o.no = d.observation
         LEFT JOIN connection AS c ON c.vehicle = d.vehicle
         LEFT JOIN webhook AS w ON w.no = d.webhook AND w.deleted_at IS NULL AND w.disabled IS NULL AND w.verified
         LEFT JOIN subscription AS s ON s.webhook = d.webhook AND s.vehicle = d.vehicle
         WHERE d.event = ?1",
    )?
    .query_row([event.0], |row| {
        Ok(Ended {
            lane: rows::lane(row.get(0)?),
            id: EventId(rows::uuid(row, 1)?),
            vehicle: VehicleNo(row.get(2)?),
            revision: row.get(3)?,
            slot: rows::moment(row, 4)?,
            sequence: rows::count(row, 5)?,
            observation: row.get(6)?,
            occasion: row.get(7)?,
            granted: row.get(8)?,
            delivers: row.get(9)?,
            subscribed: row.get(10)?,
        })
    })
    .optional()
}

fn queued(row: &Row<'_>) -> Result<QueuedEvent> {
    Ok(QueuedEvent {
        attempt_at: rows::moment(row, 0)?,
        no: EventNo(row.get(1)?),
        id: EventId(rows::uuid(row, 2)?),
        vehicle: VehicleNo(row.get(3)?),
        info: rows::info(row, VehicleId(rows::uuid(row, 4)?), 5)?,
        application: ApplicationNo(row.get(11)?),
        user: UserId(rows::uuid(row, 12)?),
        revision: row.get(13)?,
        slot: rows::moment(row, 14)?,
        sequence: rows::count(row, 15)?,
        observation: ObservationNo(row.get(16)?),
        observed: row.get::<_, Option<Vec<u8>>>(17)?.unwrap_or_default(),
        created_at: rows::moment(row, 18)?,
        attempts: row.get(19)?,
        redelivery: row.get(20)?,
        occasion: row.get(21)?,
    })
}
