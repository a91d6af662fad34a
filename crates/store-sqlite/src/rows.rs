//! How values of the domain stand in columns, and back. What this program cannot have written is damage.

use domain::{
    ids::{VehicleId, VehicleNo, WebhookNo},
    signal::Powertrain,
    time::Timestamp,
    vehicle::{Mode, Region, VehicleInfo},
    webhook::Disabled,
};
use rusqlite::{Result, Row};
use store::{LaneKey, LogStatus, Scope};
use uuid::Uuid;

use crate::error::damaged;

/// A moment in a column.
pub(crate) fn moment(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

/// A moment in a column that may be empty.
pub(crate) fn moment_if_any(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// A UUID in a column.
pub(crate) fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// A count, which a column holds as a signed number.
pub(crate) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| damaged(column, "a count is negative"))
}

/// A count for a column.
pub(crate) fn from_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A limit for a query.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The number of a lane.
pub(crate) const fn lane_number(lane: LaneKey) -> i64 {
    lane.webhook.0 << 8 | lane.stripe as i64
}

/// The lane of a number.
pub(crate) const fn lane(number: i64) -> LaneKey {
    LaneKey { webhook: WebhookNo(number >> 8), stripe: (number & 0xff) as u8 }
}

/// The columns `make, model, year, mode, powertrain, region` from a column on.
pub(crate) fn info(row: &Row<'_>, id: VehicleId, from: usize) -> Result<VehicleInfo> {
    Ok(VehicleInfo {
        id,
        make: row.get(from)?,
        model: row.get(from + 1)?,
        year: row.get(from + 2)?,
        mode: match row.get(from + 3)? {
            0 => Mode::Live,
            1 => Mode::Simulated,
            _ => return Err(damaged(from + 3, "no such mode")),
        },
        powertrain: match row.get(from + 4)? {
            0 => Powertrain::Ice,
            1 => Powertrain::Hev,
            2 => Powertrain::Phev,
            3 => Powertrain::Bev,
            _ => return Err(damaged(from + 4, "no such powertrain")),
        },
        region: Region::from_number(row.get(from + 5)?).ok_or_else(|| damaged(from + 5, "no such region"))?,
    })
}

/// The stored number of a mode.
pub(crate) const fn mode(mode: Mode) -> u8 {
    match mode {
        Mode::Live => 0,
        Mode::Simulated => 1,
    }
}

/// The stored number of a powertrain.
pub(crate) const fn powertrain(powertrain: Powertrain) -> u8 {
    match powertrain {
        Powertrain::Ice => 0,
        Powertrain::Hev => 1,
        Powertrain::Phev => 2,
        Powertrain::Bev => 3,
    }
}

/// Why a webhook is switched off.
pub(crate) fn disabled(row: &Row<'_>, column: usize) -> Result<Option<Disabled>> {
    row.get::<_, Option<u8>>(column)?
        .map(|number| disabled_of_number(number).ok_or_else(|| damaged(column, "no such reason")))
        .transpose()
}

/// The reason with a stored number.
pub(crate) fn disabled_of_number(number: u8) -> Option<Disabled> {
    Disabled::ALL.iter().copied().find(|&why| disabled_number(why) == number)
}

/// The stored number of a reason.
pub(crate) const fn disabled_number(why: Disabled) -> u8 {
    match why {
        Disabled::Operator => 0,
        Disabled::RetriesUsedUp => 1,
        Disabled::PlanChanged => 2,
    }
}

/// How an event ended.
pub(crate) fn status(row: &Row<'_>, column: usize) -> Result<LogStatus> {
    LogStatus::from_number(row.get(column)?).ok_or_else(|| damaged(column, "no such status"))
}

/// The columns `webhook, vehicle` of a tombstone from a column on.
pub(crate) fn scope(row: &Row<'_>, from: usize) -> Result<Scope> {
    let webhook: Option<i64> = row.get(from)?;
    let vehicle: Option<i64> = row.get(from + 1)?;
    Ok(match (webhook.map(WebhookNo), vehicle.map(VehicleNo)) {
        (Some(webhook), Some(vehicle)) => Scope::Subscription(webhook, vehicle),
        (Some(webhook), None) => Scope::Webhook(webhook),
        (None, Some(vehicle)) => Scope::Vehicle(vehicle),
        (None, None) => return Err(damaged(from, "a tombstone covers nothing")),
    })
}

/// The columns `webhook, vehicle` of a tombstone.
pub(crate) const fn scope_columns(scope: Scope) -> (Option<i64>, Option<i64>) {
    match scope {
        Scope::Webhook(webhook) => (Some(webhook.0), None),
        Scope::Subscription(webhook, vehicle) => (Some(webhook.0), Some(vehicle.0)),
        Scope::Vehicle(vehicle) => (None, Some(vehicle.0)),
    }
}
