//! Retention, erasure, the heartbeat and checks.
//!
//! The space of deleted rows is used again by later ones; the file keeps the size that it once had.

use domain::{ids::VehicleNo, time::Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, params};
use store::{Retention, Retired, Scope};

use super::{tombstones, vehicles};
use crate::{engine::Tx, rows};

pub(crate) fn retire(tx: &Tx<'_>, retention: &Retention) -> Result<Retired> {
    let limit = rows::limit(retention.limit);
    let mut retired = Retired::default();
    let mut pass = |rows: usize| {
        retired.rows += rows;
        retired.more |= rows > 0 && rows >= retention.limit;
    };
    // Both tables grow by number and, but for late ends and jumps of the clock, by time: looking at the lowest numbers
    // finds the oldest rows without an index on time.
    for (sql, before) in [
        (
            "DELETE FROM observation WHERE no IN (
                 SELECT no FROM (SELECT no, taken_at FROM observation ORDER BY no LIMIT ?2) WHERE taken_at < ?1)",
            retention.observations_before,
        ),
        (
            "DELETE FROM delivery WHERE event IN (
                 SELECT event FROM (SELECT event, ended_at FROM delivery ORDER BY event LIMIT ?2) WHERE ended_at < ?1)",
            retention.log_before,
        ),
        (
            "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE expires_at < ?1 LIMIT ?2)",
            retention.tokens_before,
        ),
        (
            "DELETE FROM refresh_token WHERE hash IN (SELECT hash FROM refresh_token WHERE expires_at < ?1 LIMIT ?2)",
            retention.tokens_before,
        ),
        (
            "DELETE FROM code WHERE hash IN (SELECT hash FROM code WHERE expires_at < ?1 LIMIT ?2)",
            retention.tokens_before,
        ),
        (
            "DELETE FROM token_grant WHERE no IN (SELECT no FROM token_grant WHERE idle_at < ?1 LIMIT ?2)",
            retention.tokens_before,
        ),
        (
            "DELETE FROM kept WHERE key IN (SELECT key FROM kept WHERE kept_at < ?1 LIMIT ?2)",
            retention.tokens_before,
        ),
    ] {
        pass(tx.prepare_cached(sql)?.execute([before.as_micros(), limit])?);
    }
    pass(
        tx.prepare_cached(
            "DELETE FROM roll_up WHERE (webhook, minute, status) IN (
                 SELECT r.webhook, r.minute, r.status
                 FROM webhook AS w CROSS JOIN roll_up AS r ON r.webhook = w.no WHERE r.minute < ?1 LIMIT ?2)",
        )?
        .execute([retention.roll_ups_before.as_secs().div_euclid(60), limit])?,
    );
    // What a deleted webhook has left behind.
    pass(
        tx.prepare_cached(
            "DELETE FROM subscription WHERE (webhook, vehicle) IN (
                 SELECT s.webhook, s.vehicle FROM webhook AS w CROSS JOIN subscription AS s ON s.webhook = w.no
                 WHERE w.deleted_at IS NOT NULL LIMIT ?1)",
        )?
        .execute([limit])?,
    );
    Ok(retired)
}

pub(crate) fn retire_oldest(tx: &Tx<'_>, most: usize) -> Result<Retired> {
    let limit = rows::limit(most);
    let observations = tx
        .prepare_cached(
            // What a waiting event carries is not history yet.
            "DELETE FROM observation WHERE no IN (
                 SELECT no FROM observation
                 WHERE no < ifnull((SELECT min(observation) FROM queue), 9223372036854775807)
                 ORDER BY no LIMIT ?1)",
        )?
        .execute([limit])?;
    let log = tx
        .prepare_cached(
            "DELETE FROM delivery WHERE event IN (SELECT event FROM delivery ORDER BY event LIMIT ?1)",
        )?
        .execute([limit])?;
    Ok(Retired { rows: observations + log, more: most > 0 && observations.max(log) >= most })
}

pub(crate) fn erase_vehicle(tx: &Tx<'_>, vehicle: VehicleNo) -> Result<()> {
    let mut next = vehicles::last_observation(tx, vehicle)?;
    let mut remove = tx.prepare_cached("DELETE FROM observation WHERE no = ?1 RETURNING previous")?;
    while let Some(no) = next {
        next = remove.query_row([no], |row| row.get(0)).optional()?.flatten();
    }
    for sql in [
        "DELETE FROM document WHERE vehicle = ?1",
        "DELETE FROM subscription WHERE vehicle = ?1",
        "DELETE FROM request_count WHERE vehicle = ?1",
        "DELETE FROM vehicle WHERE no = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([vehicle.0])?;
    }
    // A connection that ended before has left a tombstone then.
    if tx.prepare_cached("DELETE FROM connection WHERE vehicle = ?1")?.execute([vehicle.0])? > 0 {
        tombstones::write(tx, Scope::Vehicle(vehicle))?;
    }
    Ok(())
}

pub(crate) fn heartbeat(tx: &Tx<'_>, now: Timestamp) -> Result<Timestamp> {
    // The count makes each beat a change: SQLite does not write a page whose content stays.
    tx.prepare_cached(
        "INSERT INTO meta (name, value) VALUES ('beats', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
    )?
    .execute([])?;
    tx.prepare_cached(
        "INSERT INTO meta (name, value) VALUES ('latest', ?1)
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)
         RETURNING value",
    )?
    .query_row([now.as_micros()], |row| rows::moment(row, 0))
}

/// Bytes of the pages in use and of those that are free.
pub(crate) fn pages(conn: &Connection) -> Result<(u64, u64)> {
    let [size, used, free] = ["page_size", "page_count", "freelist_count"]
        .map(|name| conn.pragma_query_value(None, name, |row| rows::count(row, 0)));
    let size = size?;
    Ok((size * used?, size * free?))
}

/// Findings of SQLite's own check, and of ours: rows that belong together.
pub(crate) fn check(conn: &Connection) -> Result<Vec<String>> {
    let mut findings: Vec<String> = conn
        .prepare("PRAGMA integrity_check(100)")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    findings.retain(|finding| finding != "ok");
    for (what, sql) in [
        (
            "connections without a document",
            "SELECT count(*) FROM connection LEFT JOIN document USING (vehicle) WHERE document.vehicle IS NULL",
        ),
        (
            "documents without a connection",
            "SELECT count(*) FROM document LEFT JOIN connection USING (vehicle) WHERE connection.vehicle IS NULL",
        ),
        (
            "queued events that are in the log",
            "SELECT count(*) FROM queue CROSS JOIN delivery ON delivery.event = queue.event",
        ),
    ] {
        let count: u64 = conn.query_row(sql, params![], |row| rows::count(row, 0))?;
        if count > 0 {
            findings.push(format!("{what}: {count}"));
        }
    }
    Ok(findings)
}
