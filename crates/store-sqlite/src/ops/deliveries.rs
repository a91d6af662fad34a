//! The log and its roll-ups.

use domain::{
    ids::{EventId, EventNo, ObservationNo, UserId, VehicleId, VehicleNo, WebhookNo},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, ToSql, params};
use store::{Bucket, DeliveryFilter, LogStatus, LoggedDelivery, Page};

use crate::rows;

const LOGGED: &str = "SELECT d.event, d.id, d.webhook, d.vehicle, v.id, v.user, d.revision, d.slot, d.missed_from, d.missed,
        d.status, d.created_at, d.ended_at, d.http_status, d.took_ms, d.attempt_count, d.attempts, d.observation, o.body,
        d.redelivery, d.occasion, d.sequence
    FROM delivery AS d LEFT JOIN vehicle AS v ON v.no = d.vehicle LEFT JOIN observation AS o ON o.no = d.observation";

pub(crate) fn list_deliveries(
    conn: &Connection,
    filter: &DeliveryFilter,
    limit: usize,
) -> Result<Page<LoggedDelivery>> {
    let wanted = limit.saturating_add(1);
    let mut items = match filter.webhooks.as_slice() {
        [] => newest(conn, filter, None, wanted)?,
        // Each webhook's newest are read along its index, and merged: together that is less than sorting all.
        webhooks => {
            let mut items = Vec::new();
            for &webhook in webhooks {
                items.extend(newest(conn, filter, Some(webhook), wanted)?);
            }
            items.sort_unstable_by_key(|item| std::cmp::Reverse(item.event));
            items.dedup_by_key(|item| item.event);
            items
        }
    };
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Page { items, more })
}

/// The newest deliveries of one webhook or of all.
fn newest(
    conn: &Connection,
    filter: &DeliveryFilter,
    webhook: Option<WebhookNo>,
    limit: usize,
) -> Result<Vec<LoggedDelivery>> {
    let limit = rows::limit(limit);
    let before = filter.before.map_or(i64::MAX, |event| event.0);
    let webhook = webhook.map(|no| no.0);
    let vehicle = filter.vehicle.map(|no| no.0);
    let status = filter.status.map(|status| status as u8);
    let from = filter.from.map(Timestamp::as_micros);
    let to = filter.to.map(Timestamp::as_micros);

    let mut sql = format!("{LOGGED} WHERE d.event < :before");
    let mut values: Vec<(&str, &dyn ToSql)> = vec![(":before", &before), (":limit", &limit)];
    if let Some(webhook) = &webhook {
        sql += " AND d.webhook = :webhook";
        values.push((":webhook", webhook));
    }
    if let Some(vehicle) = &vehicle {
        sql += " AND d.vehicle = :vehicle";
        values.push((":vehicle", vehicle));
    }
    if let Some(status) = &status {
        sql += " AND d.status = :status";
        values.push((":status", status));
        if *status != LogStatus::Delivered as u8 {
            // Says that the index of what was not delivered has them all.
            sql += " AND d.status <> 1";
        }
    }
    if let Some(from) = &from {
        sql += " AND d.ended_at >= :from";
        values.push((":from", from));
    }
    if let Some(to) = &to {
        sql += " AND d.ended_at < :to";
        values.push((":to", to));
    }
    sql += " ORDER BY d.event DESC LIMIT :limit";
    conn.prepare_cached(&sql)?.query_map(values.as_slice(), logged)?.collect()
}

pub(crate) fn delivery(conn: &Connection, event: EventNo) -> Result<Option<LoggedDelivery>> {
    conn.prepare_cached(&format!("{LOGGED} WHERE d.event = ?1"))?.query_row([event.0], logged).optional()
}

pub(crate) fn roll_ups(
    conn: &Connection,
    webhooks: &[WebhookNo],
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Bucket>> {
    let (from, to) = (minute_at_or_after(from), minute_at_or_after(to));
    let all;
    let webhooks = match webhooks {
        [] => {
            all = every_webhook(conn)?;
            &all
        }
        some => some,
    };
    let mut read = conn.prepare_cached(
        "SELECT webhook, minute, status, count, attempts, took_ms FROM roll_up
         WHERE webhook = ?1 AND minute >= ?2 AND minute < ?3",
    )?;
    let mut buckets = Vec::new();
    for webhook in webhooks {
        for found in read.query_map([webhook.0, from, to], bucket)? {
            buckets.push(found?);
        }
    }
    buckets.sort_unstable_by_key(|bucket| (bucket.minute, bucket.webhook, bucket.status as u8));
    buckets.dedup();
    Ok(buckets)
}

pub(crate) fn last_delivered(conn: &Connection, webhook: WebhookNo) -> Result<Option<Timestamp>> {
    conn.prepare_cached("SELECT at FROM last_delivered WHERE webhook = ?1")?
        .query_row(params![webhook.0], |row| rows::moment(row, 0))
        .optional()
}

/// Deleted ones too: their counts stay until they expire.
fn every_webhook(conn: &Connection) -> Result<Vec<WebhookNo>> {
    conn.prepare_cached("SELECT no FROM webhook ORDER BY no")?
        .query_map([], |row| row.get(0).map(WebhookNo))?
        .collect()
}

/// The first minute that begins at the moment or after it.
fn minute_at_or_after(moment: Timestamp) -> i64 {
    let micros = moment.as_micros();
    micros.div_euclid(60_000_000) + i64::from(micros.rem_euclid(60_000_000) > 0)
}

fn bucket(row: &Row<'_>) -> Result<Bucket> {
    Ok(Bucket {
        webhook: WebhookNo(row.get(0)?),
        minute: Timestamp::from_secs(row.get::<_, i64>(1)?.saturating_mul(60)),
        status: rows::status(row, 2)?,
        count: rows::count(row, 3)?,
        attempts: rows::count(row, 4)?,
        took_ms: rows::count(row, 5)?,
    })
}

fn logged(row: &Row<'_>) -> Result<LoggedDelivery> {
    Ok(LoggedDelivery {
        event: EventNo(row.get(0)?),
        id: EventId(rows::uuid(row, 1)?),
        webhook: WebhookNo(row.get(2)?),
        vehicle: VehicleNo(row.get(3)?),
        vehicle_id: uuid_if_any(row, 4)?.map(VehicleId),
        user: uuid_if_any(row, 5)?.map(UserId),
        revision: row.get(6)?,
        slot: rows::moment(row, 7)?,
        missed_from: rows::moment_if_any(row, 8)?,
        missed: rows::count(row, 9)?,
        status: rows::status(row, 10)?,
        created_at: rows::moment(row, 11)?,
        ended_at: rows::moment(row, 12)?,
        http_status: row.get(13)?,
        took_ms: row.get(14)?,
        attempt_count: row.get(15)?,
        attempts: row.get(16)?,
        observation: row.get::<_, Option<i64>>(17)?.map(ObservationNo),
        observed: row.get(18)?,
        redelivery: row.get(19)?,
        occasion: row.get(20)?,
        sequence: rows::count(row, 21)?,
    })
}

fn uuid_if_any(row: &Row<'_>, column: usize) -> Result<Option<uuid::Uuid>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(uuid::Uuid::from_bytes))
}
