//! Retention, erasure, the heartbeat and checks.
//!
//! The space of deleted rows is used again by later ones; the file keeps the size that it once had.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use domain::{
    ids::{ApplicationId, ApplicationNo, FeedId, GrantNo, VehicleNo, WebhookNo},
    time::Timestamp,
    webhook::Disabled,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Result, params};
use store::{
    Ahead, CheckStep, EndKind, LedgerEntry, Retention, Retired, Scope, SwitchedOff, WebhookChange,
    WebhookState,
};
use uuid::Uuid;

use super::{
    grants,
    ledger::{self, End},
    registry, tombstones, vehicles,
};
use crate::{engine::Tx, rows};

/// A table whose rows are numbered in the order of writing, and its time.
///
/// Both tables grow by number and, but for late ends and jumps of the clock, by time: looking at the lowest numbers
/// finds the oldest rows without an index on time.
#[derive(Clone, Copy)]
struct Numbered {
    table: &'static str,
    number: &'static str,
    moment: &'static str,
}

const OBSERVATIONS: Numbered = Numbered { table: "observation", number: "no", moment: "taken_at" };
const LOG: Numbered = Numbered { table: "delivery", number: "event", moment: "ended_at" };

/// Rows that are looked at to find out whether the clock was ahead.
const PROBES: i64 = 32;

impl Numbered {
    /// Deletes rows from before a moment, and rows of later than `now` that have such a row after them: those were
    /// written while the clock was ahead. A stretch of rows that is not old enough yet does not hide older ones behind it.
    fn retire(self, tx: &Tx<'_>, before: Timestamp, now: Timestamp, limit: usize) -> Result<usize> {
        let Some((first, last)) = self.ends(tx)? else { return Ok(0) };
        let deleted = self.delete(tx, first, before, now, i64::MIN, limit)?;
        if deleted > 0 {
            return Ok(deleted);
        }
        // Nothing at the beginning is old: that is the end of it, unless the clock has gone back since.
        let Some(old) = self.an_old_row(tx, first, last, before)? else { return Ok(0) };
        let deleted = self.delete(tx, first, before, now, old, limit)?;
        if deleted > 0 {
            return Ok(deleted);
        }
        let boundary = self.first_old(tx, first, old, before)?;
        self.delete(tx, boundary, before, now, old, limit)
    }

    /// Deletes among the next rows from a number on. Rows of later than `now` count as old below the number `old`.
    fn delete(
        self,
        tx: &Tx<'_>,
        from: i64,
        before: Timestamp,
        now: Timestamp,
        old: i64,
        limit: usize,
    ) -> Result<usize> {
        let Self { table, number, moment } = self;
        tx.prepare_cached(&format!(
            "DELETE FROM {table} WHERE {number} IN (
                 SELECT {number} FROM (
                     SELECT {number}, {moment} FROM {table} WHERE {number} >= ?1 ORDER BY {number} LIMIT ?5)
                 WHERE {moment} < ?2 OR ({moment} > ?3 AND {number} < ?4))"
        ))?
        .execute(params![from, before.as_micros(), now.as_micros(), old, rows::limit(limit)])
    }

    fn ends(self, tx: &Tx<'_>) -> Result<Option<(i64, i64)>> {
        let Self { table, number, .. } = self;
        let end = |order| {
            tx.prepare_cached(&format!("SELECT {number} FROM {table} ORDER BY {number} {order} LIMIT 1"))?
                .query_row([], |row| row.get(0))
                .optional()
        };
        Ok(end("ASC")?.zip(end("DESC")?))
    }

    /// The row at a number or after it: its number, and whether it is from before a moment.
    fn at(self, tx: &Tx<'_>, place: i64, before: Timestamp) -> Result<Option<(i64, bool)>> {
        let Self { table, number, moment } = self;
        tx.prepare_cached(&format!(
            "SELECT {number}, {moment} < ?2 FROM {table} WHERE {number} >= ?1 ORDER BY {number} LIMIT 1"
        ))?
        .query_row(params![place, before.as_micros()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
    }

    /// The highest number among the rows that are looked at whose row is from before a moment.
    fn an_old_row(self, tx: &Tx<'_>, first: i64, last: i64, before: Timestamp) -> Result<Option<i64>> {
        let range = last - first;
        // Evenly over all rows, and closer and closer to the oldest ones.
        let even = (1..=PROBES).map(|probe| range / PROBES * probe + range % PROBES * probe / PROBES);
        let close = (0..=62).map(|shift| range >> shift);
        let mut places: Vec<i64> = even.chain(close).filter(|&place| place > 0).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.dedup();
        for place in places {
            if let Some((number, true)) = self.at(tx, first + place, before)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Where rows from before a moment begin, between a row that is not and one that is.
    fn first_old(self, tx: &Tx<'_>, mut young: i64, mut old: i64, before: Timestamp) -> Result<i64> {
        while old - young > 1 {
            let middle = young + (old - young) / 2;
            match self.at(tx, middle, before)? {
                // The row found may lie anywhere behind the middle: the place is what is halved.
                Some((_, true)) => old = middle,
                _ => young = middle,
            }
        }
        Ok(old)
    }
}

pub(crate) fn retire(tx: &Tx<'_>, retention: &Retention) -> Result<Retired> {
    let limit = rows::limit(retention.limit);
    let mut retired = Retired::default();
    if let Some(ahead) = &retention.ahead {
        set_back(tx, ahead, limit)?;
    }
    let mut pass = |rows: usize| {
        retired.rows += rows;
        retired.more |= rows > 0 && rows >= retention.limit;
    };
    pass(OBSERVATIONS.retire(tx, retention.observations_before, retention.now, retention.limit)?);
    pass(LOG.retire(tx, retention.log_before, retention.now, retention.limit)?);
    for (sql, before) in [
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
        (
            "DELETE FROM ledger WHERE (kind, key) IN (SELECT kind, key FROM ledger WHERE until < ?1 LIMIT ?2)",
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

/// Sets moments back that no row can have that was written by now. A consent that was given while the clock was ahead
/// goes on, and ends as late as one that is given now.
fn set_back(tx: &Tx<'_>, ahead: &Ahead, limit: i64) -> Result<()> {
    for (sql, latest) in [
        (
            "UPDATE token SET expires_at = ?1
             WHERE hash IN (SELECT hash FROM token WHERE expires_at > ?1 LIMIT ?2)",
            ahead.access,
        ),
        (
            "UPDATE refresh_token SET expires_at = ?1
             WHERE hash IN (SELECT hash FROM refresh_token WHERE expires_at > ?1 LIMIT ?2)",
            ahead.refresh,
        ),
        (
            "UPDATE code SET expires_at = ?1 WHERE hash IN (SELECT hash FROM code WHERE expires_at > ?1 LIMIT ?2)",
            ahead.code,
        ),
        (
            "UPDATE token_grant SET idle_at = ?1
             WHERE no IN (SELECT no FROM token_grant WHERE idle_at > ?1 LIMIT ?2)",
            ahead.refresh,
        ),
        (
            "UPDATE kept SET kept_at = ?1 WHERE key IN (SELECT key FROM kept WHERE kept_at > ?1 LIMIT ?2)",
            ahead.written,
        ),
        (
            "UPDATE ledger SET until = ?1
             WHERE (kind, key) IN (SELECT kind, key FROM ledger WHERE until > ?1 LIMIT ?2)",
            ahead.refresh,
        ),
    ] {
        tx.prepare_cached(sql)?.execute([latest.as_micros(), limit])?;
    }
    // Minutes that are still to come were counted then; they would be added to when they come.
    tx.prepare_cached(
        "DELETE FROM roll_up WHERE (webhook, minute, status) IN (
             SELECT r.webhook, r.minute, r.status
             FROM webhook AS w CROSS JOIN roll_up AS r ON r.webhook = w.no WHERE r.minute > ?1 LIMIT ?2)",
    )?
    .execute([ahead.written.as_secs().div_euclid(60), limit])?;
    Ok(())
}

pub(crate) fn retire_oldest(tx: &Tx<'_>, most: usize) -> Result<Retired> {
    let limit = rows::limit(most);
    // What a waiting event carries is not history yet.
    let mut observations = tx
        .prepare_cached(
            "DELETE FROM observation WHERE no IN (
                 SELECT no FROM observation
                 WHERE no < ifnull((SELECT min(observation) FROM queue), 9223372036854775807)
                 ORDER BY no LIMIT ?1)",
        )?
        .execute([limit])?;
    if observations == 0 {
        // An event that waits for long must not hold up all that comes after it.
        observations = tx
            .prepare_cached(
                "DELETE FROM observation WHERE no IN (
                     SELECT no FROM observation WHERE no NOT IN (SELECT observation FROM queue)
                     ORDER BY no LIMIT ?1)",
            )?
            .execute([limit])?;
    }
    let log = tx
        .prepare_cached(
            "DELETE FROM delivery WHERE event IN (SELECT event FROM delivery ORDER BY event LIMIT ?1)",
        )?
        .execute([limit])?;
    Ok(Retired { rows: observations + log, more: most > 0 && observations.max(log) >= most })
}

pub(crate) fn erase_vehicle(tx: &Tx<'_>, vehicle: VehicleNo) -> Result<()> {
    if let Some((id, user)) = ledger::vehicle_and_user(tx, vehicle)? {
        ledger::note(tx, End::new(EndKind::Vehicle, id.as_bytes(), user))?;
    }
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

/// From here on, `now` is the latest moment ever written.
pub(crate) fn accept_clock(tx: &Tx<'_>, now: Timestamp) -> Result<()> {
    tx.prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'latest'")?
        .execute([now.as_micros()])
        .map(drop)
}

pub(crate) fn installation(tx: &Tx<'_>, fresh: u64) -> Result<u64> {
    tx.prepare_cached(
        "INSERT INTO meta (name, value) VALUES ('installation', ?1)
         ON CONFLICT (name) DO UPDATE SET value = value RETURNING value",
    )?
    .query_row([fresh.cast_signed()], |row| row.get::<_, i64>(0))
    .map(i64::cast_unsigned)
}

/// Applies an entry of the ledger to rows, if they say otherwise.
pub(crate) fn apply_end(tx: &Tx<'_>, entry: &LedgerEntry, now: Timestamp) -> Result<bool> {
    let key = &entry.key;
    match entry.kind {
        // These take a step of the vehicle.
        EndKind::Connection | EndKind::Permissions | EndKind::Subscription => Ok(false),
        EndKind::Application => set_application(tx, entry),
        EndKind::Vehicle => {
            let vehicle = number(tx, "SELECT no FROM vehicle WHERE id = ?1", key)?;
            vehicle.map(|no| erase_vehicle(tx, VehicleNo(no))).transpose().map(|erased| erased.is_some())
        }
        EndKind::Webhook => end_webhook(tx, entry, now),
        EndKind::Destination => leave_destination(tx, entry, now),
        EndKind::Feed => match Uuid::from_slice(key) {
            Ok(id) => registry::delete_feed(tx, FeedId(id)),
            Err(_) => Ok(false),
        },
        EndKind::Secret => Ok(tx.prepare_cached("DELETE FROM secret WHERE hash = ?1")?.execute([key])? > 0),
        EndKind::ManagementToken => set_management_token(tx, entry),
        EndKind::Grant => {
            let Some((user, created_at, no)) = store::grant_of_key(key) else { return Ok(false) };
            let works: bool = tx
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM token_grant
                         WHERE no = ?1 AND user = ?2 AND created_at = ?3 AND revoked_at IS NULL)",
                )?
                .query_row(params![no, user.0.as_bytes(), created_at.as_micros()], |row| row.get(0))?;
            if works {
                grants::revoke_grant(tx, GrantNo(no), now)?;
            }
            Ok(works)
        }
        EndKind::Token => Ok(tx.prepare_cached("DELETE FROM token WHERE hash = ?1")?.execute([key])? > 0),
        EndKind::SignIn => {
            let Ok(at) = <[u8; 8]>::try_from(entry.value.as_slice()).map(i64::from_be_bytes) else {
                return Ok(false);
            };
            Ok(tx
                .prepare_cached(
                    "UPDATE owner SET ended_at = ?2 WHERE user = ?1 AND ifnull(ended_at, 0) < ?2",
                )?
                .execute(params![key, at])?
                > 0)
        }
    }
}

fn number(tx: &Tx<'_>, sql: &str, key: &[u8]) -> Result<Option<i64>> {
    tx.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()
}

fn set_application(tx: &Tx<'_>, entry: &LedgerEntry) -> Result<bool> {
    let Ok((uris, plan)) = minicbor::decode::<(Vec<String>, String)>(&entry.value) else { return Ok(false) };
    Ok(tx
        .prepare_cached(
            "UPDATE application SET redirect_uris = ?2, plan = ?3, version = version + 1
             WHERE id = ?1 AND (redirect_uris <> ?2 OR plan <> ?3)",
        )?
        .execute(params![entry.key, registry::encode(&uris), plan])?
        > 0)
}

fn set_management_token(tx: &Tx<'_>, entry: &LedgerEntry) -> Result<bool> {
    let Ok(tokens) = minicbor::decode::<registry::Tokens>(&entry.value) else { return Ok(false) };
    Ok(tx
        .prepare_cached(
            "UPDATE application SET management_token = ?2, retiring_token = ?3, retiring_until = ?4,
                 version = version + 1
             WHERE id = ?1 AND (management_token <> ?2 OR retiring_token IS NOT ?3 OR retiring_until IS NOT ?4)",
        )?
        .execute(params![entry.key, tokens.sealed, tokens.retiring, tokens.until])?
        > 0)
}

fn end_webhook(tx: &Tx<'_>, entry: &LedgerEntry, now: Timestamp) -> Result<bool> {
    let found = tx
        .prepare_cached("SELECT no, disabled IS NULL FROM webhook WHERE id = ?1 AND deleted_at IS NULL")?
        .query_row([&entry.key], |row| Ok((WebhookNo(row.get(0)?), row.get::<_, bool>(1)?)))
        .optional()?;
    let Some((no, is_on)) = found else { return Ok(false) };
    let change = match WebhookState::from_value(&entry.value) {
        WebhookState::On => return Ok(false),
        WebhookState::Off(_) if !is_on => return Ok(false),
        WebhookState::Off(number) => {
            disable(rows::disabled_of_number(number).unwrap_or(Disabled::Operator), now)
        }
        WebhookState::Deleted => WebhookChange::Delete { now },
    };
    registry::change_webhook(tx, no, &change).map(|changed| changed.done().is_some())
}

fn disable(why: Disabled, now: Timestamp) -> WebhookChange {
    WebhookChange::Disable { why, since: SwitchedOff { at: now, status: None, failure: None } }
}

/// Where the backup has a webhook that sent to another place at the end, nothing may go to the place before: the webhook is
/// off and unverified until somebody has looked.
fn leave_destination(tx: &Tx<'_>, entry: &LedgerEntry, now: Timestamp) -> Result<bool> {
    let Ok(moved_by) = <[u8; 4]>::try_from(entry.value.as_slice()).map(u32::from_be_bytes) else {
        return Ok(false);
    };
    let found = tx
        .prepare_cached("SELECT no, revision FROM webhook WHERE id = ?1 AND deleted_at IS NULL")?
        .query_row([&entry.key], |row| Ok((WebhookNo(row.get(0)?), row.get::<_, u32>(1)?)))
        .optional()?;
    let Some((no, revision)) = found.filter(|&(_, revision)| revision < moved_by) else { return Ok(false) };
    tx.prepare_cached("UPDATE webhook SET verified = 0, verified_error_uri = NULL WHERE no = ?1")?
        .execute([no.0])?;
    registry::change_webhook(tx, no, &disable(Disabled::Operator, now))?;
    // Numbers of revisions go on from the backup's: what is restored next is compared with those.
    ledger::touch(tx, EndKind::Destination, &entry.key, &revision.to_be_bytes())?;
    Ok(true)
}

/// Deletes an application with its vehicles, webhooks, feeds and what it was granted.
pub(crate) fn purge_application(tx: &Tx<'_>, id: ApplicationId, now: Timestamp) -> Result<bool> {
    let Some(no) = number(tx, "SELECT no FROM application WHERE id = ?1", id.0.as_bytes())? else {
        return Ok(false);
    };
    let numbers = |sql: &str| -> Result<Vec<i64>> {
        tx.prepare_cached(sql)?.query_map([no], |row| row.get(0))?.collect()
    };
    for vehicle in numbers("SELECT no FROM vehicle WHERE application = ?1")? {
        erase_vehicle(tx, VehicleNo(vehicle))?;
    }
    for webhook in numbers("SELECT no FROM webhook WHERE application = ?1 AND deleted_at IS NULL")? {
        registry::change_webhook(tx, WebhookNo(webhook), &WebhookChange::Delete { now })?;
    }
    registry::delete_application(tx, ApplicationNo(no))
}

/// Bytes of the pages in use and of those that are free.
pub(crate) fn pages(conn: &Connection) -> Result<(u64, u64)> {
    let [size, used, free] = ["page_size", "page_count", "freelist_count"]
        .map(|name| conn.pragma_query_value(None, name, |row| rows::count(row, 0)));
    let size = size?;
    Ok((size * used?, size * free?))
}

/// The longest read of a check in pieces. The write-ahead log grows by what is written meanwhile.
const LONGEST_CHECK: Duration = Duration::from_secs(2);
/// Rows of a large table that are read at once.
const CHECKED_ROWS: usize = 5_000;

/// Looks at the next table with its indexes, in one read, or at the next rows of a table that is too large for that.
///
/// `place` is a table that is done, or `table/row` for one that is read in pieces.
pub(crate) fn check_next(conn: &Connection, place: Option<&str>) -> Result<CheckStep> {
    if let Some((table, row)) = place.and_then(|place| place.split_once('/')) {
        return check_rows(conn, table, row.parse().unwrap_or(i64::MIN));
    }
    let table: Option<String> = conn
        .prepare_cached(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name > ?1 AND name NOT LIKE 'sqlite_%'
             ORDER BY name LIMIT 1",
        )?
        .query_row([place.unwrap_or_default()], |row| row.get(0))
        .optional()?;
    let Some(table) = table else { return Ok(CheckStep::default()) };
    match within(conn, LONGEST_CHECK, || integrity(conn, &format!("PRAGMA integrity_check('{table}')")))? {
        Some(findings) => Ok(CheckStep { place: Some(table), findings }),
        None => check_rows(conn, &table, i64::MIN),
    }
}

/// Reads rows with everything that they hold. A table without row numbers is not read in pieces: none grows that large.
fn check_rows(conn: &Connection, table: &str, after: i64) -> Result<CheckStep> {
    let done = CheckStep { place: Some(table.to_owned()), findings: vec![] };
    let has_rows: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_table_list WHERE name = ?1 AND wr = 0)",
        [table],
        |row| row.get(0),
    )?;
    if !has_rows {
        return Ok(done);
    }
    let mut read =
        conn.prepare(&format!("SELECT rowid, * FROM {table} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2"))?;
    let columns = read.column_count();
    let mut rows = read.query(params![after, rows::limit(CHECKED_ROWS)])?;
    let (mut last, mut count) = (after, 0);
    while let Some(row) = rows.next()? {
        for column in 1..columns {
            row.get_ref(column)?;
        }
        last = row.get(0)?;
        count += 1;
    }
    Ok(if count < CHECKED_ROWS { done } else { CheckStep { place: Some(format!("{table}/{last}")), ..done } })
}

/// Runs a read for at most so long; nothing when it was not done by then.
fn within<T>(conn: &Connection, most: Duration, read: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    let interrupt = conn.get_interrupt_handle();
    let (done, waiting) = mpsc::channel::<()>();
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(most) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        });
        let result = read();
        drop(done);
        result
    });
    match result {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
        result => result.map(Some),
    }
}

/// Whether pages and their links are sound. It reads the whole file and compares no index with its table.
pub(crate) fn quick_check(conn: &Connection) -> Result<Vec<String>> {
    integrity(conn, "PRAGMA quick_check(20)")
}

pub(crate) fn integrity(conn: &Connection, pragma: &str) -> Result<Vec<String>> {
    let mut findings: Vec<String> =
        conn.prepare(pragma)?.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

/// Findings of SQLite's own check, and of ours: rows that belong together.
pub(crate) fn check(conn: &Connection) -> Result<Vec<String>> {
    let mut findings = integrity(conn, "PRAGMA integrity_check(100)")?;
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
