//! Vehicles: links, loading, lists, due times, subscriptions, observations and the simulator's cars.

use domain::{
    connect::PermissionSet,
    ids::{
        ApplicationNo, ConnectionId, ObservationNo, PoolNo, SubscriptionId, UserId, VehicleId, VehicleNo,
        WebhookNo,
    },
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, ToSql, params};
use store::{
    Car, ClaimDue, DisconnectedVehicle, Due, EndKind, KnownVehicle, LoadedVehicle, NewLink, Owner,
    SecretHash, SourceRef, SubscriptionRow, VehicleFilter, VehicleRow,
};
use uuid::Uuid;

use super::{
    ledger::{self, End},
    recordings,
};
use crate::{engine::Tx, rows};

pub(crate) fn pool(tx: &Tx<'_>, name: &str) -> Result<PoolNo> {
    tx.prepare_cached("INSERT OR IGNORE INTO pool (name) VALUES (?1)")?.execute([name])?;
    tx.prepare_cached("SELECT no FROM pool WHERE name = ?1")?.query_row([name], |row| row.get(0).map(PoolNo))
}

pub(crate) fn pools(conn: &Connection) -> Result<Vec<(PoolNo, String)>> {
    conn.prepare_cached("SELECT no, name FROM pool ORDER BY no")?
        .query_map([], |row| Ok((PoolNo(row.get(0)?), row.get(1)?)))?
        .collect()
}

pub(crate) fn link(tx: &Tx<'_>, links: &[NewLink]) -> Result<Vec<VehicleNo>> {
    links.iter().map(|new| link_one(tx, new)).collect()
}

pub(crate) fn link_owned(tx: &Tx<'_>, owner: &Owner, links: &[NewLink]) -> Result<Vec<VehicleNo>> {
    tx.prepare_cached(
        "INSERT INTO owner (user, application, account, external_id, asked) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user) DO UPDATE SET external_id = excluded.external_id, asked = excluded.asked",
    )?
    .execute(params![
        owner.user.0.as_bytes(),
        owner.application.0,
        owner.account,
        owner.external_id,
        owner.asked.bits(),
    ])?;
    link(tx, links)
}

fn link_one(tx: &Tx<'_>, new: &NewLink) -> Result<VehicleNo> {
    let (no, pool, version, last_observation) = match new.again {
        None => (insert_vehicle(tx, new)?, new.source.pool.0, 1, None),
        Some(no) => {
            // Above every version that a step may still know of the vehicle from before.
            let version = new.connected_at.as_micros().max(1);
            let (pool, last_observation): (i64, Option<i64>) = tx
                .prepare_cached("SELECT pool, last_observation FROM vehicle WHERE no = ?1")?
                .query_row([no.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            (no.0, pool, version, last_observation)
        }
    };
    tx.prepare_cached(
        "INSERT INTO connection (vehicle, id, application, user, permissions, connected_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        no,
        new.connection.0.as_bytes(),
        new.application.0,
        new.user.0.as_bytes(),
        new.permissions.bits(),
        new.connected_at.as_micros(),
    ])?;
    tx.prepare_cached(
        "INSERT INTO document (vehicle, version, pool, last_observation, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![no, version, pool, last_observation, new.document])?;
    if let Some(car) = new.car {
        attach_car(tx, car, VehicleNo(no))?;
    }
    if new.again.is_some()
        && let Some((vehicle, _)) = ledger::vehicle_and_user(tx, VehicleNo(no))?
    {
        ledger::touch(tx, EndKind::Connection, vehicle.as_bytes(), new.connection.0.as_bytes())?;
    }
    Ok(VehicleNo(no))
}

fn insert_vehicle(tx: &Tx<'_>, new: &NewLink) -> Result<i64> {
    tx.prepare_cached(
        "INSERT INTO vehicle (id, application, user, make, model, year, mode, powertrain, source, pool, spec, region,
             vin)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .insert(params![
        new.info.id.0.as_bytes(),
        new.application.0,
        new.user.0.as_bytes(),
        new.info.make,
        new.info.model,
        new.info.year,
        rows::mode(new.info.mode),
        rows::powertrain(new.info.powertrain),
        new.source.kind,
        new.source.pool.0,
        new.source.spec,
        new.info.region as u8,
        (!new.vin.is_empty()).then_some(&new.vin),
    ])
}

/// The beginning of a query for an owner.
const OWNER: &str = "SELECT user, application, account, external_id, asked, ended_at FROM owner";

pub(crate) fn owner_of_account(
    conn: &Connection,
    application: ApplicationNo,
    account: &SecretHash,
) -> Result<Option<Owner>> {
    conn.prepare_cached(&format!("{OWNER} WHERE application = ?1 AND account = ?2"))?
        .query_row(params![application.0, account], owner_row)
        .optional()
}

pub(crate) fn owner(conn: &Connection, user: UserId) -> Result<Option<Owner>> {
    conn.prepare_cached(&format!("{OWNER} WHERE user = ?1"))?
        .query_row([user.0.as_bytes()], owner_row)
        .optional()
}

pub(crate) fn note_ended_access(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<()> {
    tx.prepare_cached("UPDATE owner SET ended_at = max(ifnull(ended_at, ?2), ?2) WHERE user = ?1")?
        .execute(params![user.0.as_bytes(), now.as_micros()])?;
    let end = End::new(EndKind::SignIn, user.0.as_bytes(), user.0);
    ledger::note(tx, End { value: now.as_micros().to_be_bytes().to_vec(), ..end })
}

pub(crate) fn forget_owner(tx: &Tx<'_>, user: UserId) -> Result<bool> {
    Ok(tx.prepare_cached("DELETE FROM owner WHERE user = ?1")?.execute([user.0.as_bytes()])? > 0)
}

pub(crate) fn known_vehicles(
    conn: &Connection,
    user: UserId,
    vins: &[Vec<u8>],
) -> Result<Vec<Option<KnownVehicle>>> {
    let mut query = conn.prepare_cached(
        "SELECT v.no, v.id, c.permissions
         FROM vehicle AS v LEFT JOIN connection AS c ON c.vehicle = v.no WHERE v.user = ?1 AND v.vin = ?2",
    )?;
    vins.iter()
        .map(|vin| query.query_row(params![user.0.as_bytes(), vin], known_vehicle).optional())
        .collect()
}

/// The columns `no, id, permissions`.
fn known_vehicle(row: &Row<'_>) -> Result<KnownVehicle> {
    Ok(KnownVehicle {
        no: VehicleNo(row.get(0)?),
        id: VehicleId(rows::uuid(row, 1)?),
        granted: row.get::<_, Option<u32>>(2)?.map(PermissionSet::from_bits),
    })
}

pub(crate) fn set_capacity(tx: &Tx<'_>, vehicle: VehicleNo, capacity_wh: u32) -> Result<()> {
    tx.prepare_cached("UPDATE vehicle SET capacity = ?2 WHERE no = ?1")?
        .execute(params![vehicle.0, capacity_wh])
        .map(drop)
}

pub(crate) fn capacity(conn: &Connection, vehicle: VehicleNo) -> Result<Option<u32>> {
    let found = conn
        .prepare_cached("SELECT capacity FROM vehicle WHERE no = ?1")?
        .query_row([vehicle.0], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

fn owner_row(row: &Row<'_>) -> Result<Owner> {
    Ok(Owner {
        user: UserId(rows::uuid(row, 0)?),
        application: ApplicationNo(row.get(1)?),
        account: row.get(2)?,
        external_id: row.get(3)?,
        asked: PermissionSet::from_bits(row.get(4)?),
        ended_at: rows::moment_if_any(row, 5)?,
    })
}

/// The columns of a loaded vehicle: `d` is its document, `v` its row.
const LOADED: &str =
    "v.no, v.id, v.make, v.model, v.year, v.mode, v.powertrain, v.region, v.application, v.user, v.source, v.pool,
    v.spec, d.version, d.body";

pub(crate) fn load(conn: &Connection, vehicles: &[VehicleNo]) -> Result<Vec<Option<LoadedVehicle>>> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {LOADED} FROM document AS d CROSS JOIN vehicle AS v ON v.no = d.vehicle WHERE d.vehicle = ?1"
    ))?;
    vehicles.iter().map(|vehicle| query.query_row([vehicle.0], loaded).optional()).collect()
}

pub(crate) fn count_requests(tx: &Tx<'_>, vehicle: VehicleNo, month: u32, by: i32) -> Result<u64> {
    tx.prepare_cached(
        "INSERT INTO request_count (vehicle, month, count) VALUES (?1, ?2, max(?3, 0))
         ON CONFLICT (vehicle) DO UPDATE SET
             count = max(CASE WHEN month = excluded.month THEN count ELSE 0 END + ?3, 0),
             month = excluded.month
         RETURNING count",
    )?
    .query_row(params![vehicle.0, month, by], |row| rows::count(row, 0))
}

pub(crate) fn claim_due(conn: &Connection, claim: &ClaimDue) -> Result<Vec<Due>> {
    let (after, mut found) = match claim.after {
        Some((due, vehicle)) if due <= claim.now => {
            (due.as_micros(), rest_of_slot(conn, claim, due, vehicle)?)
        }
        Some((due, _)) => (due.as_micros(), Vec::new()),
        None => (i64::MIN, Vec::new()),
    };
    let missing = claim.limit.saturating_sub(found.len());
    found.append(&mut later_slots(conn, claim, after, missing)?);
    Ok(found)
}

/// The beginning of a query for due vehicles. The order of the joins is that of the keys: it must not depend on
/// statistics.
const DUE: &str = "FROM document AS d INDEXED BY document_by_due CROSS JOIN vehicle AS v ON v.no = d.vehicle";

/// Vehicles that are due at the same moment as another one, after it. A query of its own, because SQLite finds a place
/// in the middle of a moment only when the moment is one value.
fn rest_of_slot(conn: &Connection, claim: &ClaimDue, due: Timestamp, vehicle: VehicleNo) -> Result<Vec<Due>> {
    conn.prepare_cached(&format!(
        "SELECT {LOADED}, d.due {DUE} WHERE d.pool = ?1 AND d.due = ?2 AND d.vehicle > ?3 ORDER BY d.vehicle LIMIT ?4"
    ))?
    .query_map(params![claim.pool.0, due.as_micros(), vehicle.0, rows::limit(claim.limit)], due_vehicle)?
    .collect()
}

/// Vehicles that are due after a moment.
fn later_slots(conn: &Connection, claim: &ClaimDue, after: i64, limit: usize) -> Result<Vec<Due>> {
    conn.prepare_cached(&format!(
        "SELECT {LOADED}, d.due {DUE} WHERE d.pool = ?1 AND d.due > ?2 AND d.due <= ?3
         ORDER BY d.due, d.vehicle LIMIT ?4"
    ))?
    .query_map(params![claim.pool.0, after, claim.now.as_micros(), rows::limit(limit)], due_vehicle)?
    .collect()
}

pub(crate) fn next_due(conn: &Connection, pool: PoolNo, after: Timestamp) -> Result<Option<Timestamp>> {
    conn.prepare_cached("SELECT min(due) FROM document WHERE pool = ?1 AND due > ?2")?
        .query_row([pool.0, after.as_micros()], |row| rows::moment_if_any(row, 0))
}

/// The beginning of a query for vehicle rows.
const LISTED: &str = "SELECT v.no, v.id, v.make, v.model, v.year, v.mode, v.powertrain, v.region, v.application, v.user, c.id,
        c.permissions, v.source, v.pool, v.spec, c.connected_at, d.due
    FROM connection AS c CROSS JOIN vehicle AS v ON v.no = c.vehicle CROSS JOIN document AS d ON d.vehicle = c.vehicle";

pub(crate) fn find_vehicle(conn: &Connection, id: VehicleId) -> Result<Option<VehicleRow>> {
    conn.prepare_cached(&format!("{LISTED} WHERE c.vehicle = (SELECT no FROM vehicle WHERE id = ?1)"))?
        .query_row([id.0.as_bytes()], listed)
        .optional()
}

pub(crate) fn find_disconnected(conn: &Connection, id: VehicleId) -> Result<Option<DisconnectedVehicle>> {
    conn.prepare_cached(
        "SELECT no, make, model, year, mode, powertrain, region, application, user FROM vehicle AS v
         WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM connection AS c WHERE c.vehicle = v.no)",
    )?
    .query_row([id.0.as_bytes()], |row| {
        Ok(DisconnectedVehicle {
            no: VehicleNo(row.get(0)?),
            info: rows::info(row, id, 1)?,
            application: ApplicationNo(row.get(7)?),
            user: UserId(rows::uuid(row, 8)?),
        })
    })
    .optional()
}

pub(crate) fn vehicle_numbers(
    conn: &Connection,
    ids: &[VehicleId],
) -> Result<Vec<Option<(VehicleNo, ApplicationNo)>>> {
    let mut number = conn.prepare_cached(
        "SELECT v.no, v.application FROM vehicle AS v JOIN connection AS c ON c.vehicle = v.no WHERE v.id = ?1",
    )?;
    let found = ids.iter().map(|id| {
        let row = |row: &Row<'_>| Ok((VehicleNo(row.get(0)?), ApplicationNo(row.get(1)?)));
        number.query_row([id.0.as_bytes()], row).optional()
    });
    found.collect()
}

pub(crate) fn list_vehicles(
    conn: &Connection,
    filter: &VehicleFilter,
    limit: usize,
) -> Result<Vec<VehicleRow>> {
    let (comes_after, order, first) = match filter.newest_first {
        true => ("<", "DESC", i64::MAX),
        false => (">", "ASC", i64::MIN),
    };
    let after = filter.after.map_or(first, |vehicle| vehicle.0);
    let limit = rows::limit(limit);
    let mode = filter.mode.map(rows::mode);
    let application = filter.application.map(|no| no.0);
    let user = filter.user.map(|user| *user.0.as_bytes());
    let mut sql = format!("{LISTED} WHERE c.vehicle {comes_after} :after");
    let mut values: Vec<(&str, &dyn ToSql)> = vec![(":after", &after), (":limit", &limit)];
    if let Some(application) = &application {
        sql += " AND c.application = :application";
        values.push((":application", application));
    }
    if let Some(user) = &user {
        sql += " AND c.user = :user";
        values.push((":user", user));
    }
    if let Some(source) = &filter.source {
        sql += " AND v.source = :source";
        values.push((":source", source));
    }
    if let Some(mode) = &mode {
        sql += " AND v.mode = :mode";
        values.push((":mode", mode));
    }
    sql += &format!(" ORDER BY c.vehicle {order} LIMIT :limit");
    conn.prepare_cached(&sql)?.query_map(values.as_slice(), listed)?.collect()
}

pub(crate) fn vehicles_of_user(conn: &Connection, user: UserId, limit: usize) -> Result<Vec<VehicleNo>> {
    conn.prepare_cached("SELECT no FROM vehicle WHERE user = ?1 ORDER BY no LIMIT ?2")?
        .query_map(params![user.0.as_bytes(), rows::limit(limit)], |row| row.get(0).map(VehicleNo))?
        .collect()
}

pub(crate) fn count_vehicles(conn: &Connection, application: Option<ApplicationNo>) -> Result<u64> {
    match application {
        Some(no) => conn
            .prepare_cached("SELECT count(*) FROM connection WHERE application = ?1")?
            .query_row([no.0], |row| rows::count(row, 0)),
        None => {
            conn.prepare_cached("SELECT count(*) FROM connection")?.query_row([], |row| rows::count(row, 0))
        }
    }
}

pub(crate) fn add_car(tx: &Tx<'_>, car: &Car) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO car (id, make, model, year, mode, powertrain, source, pool, spec, created_at, region)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        car.id.as_bytes(),
        car.info.make,
        car.info.model,
        car.info.year,
        rows::mode(car.info.mode),
        rows::powertrain(car.info.powertrain),
        car.source.kind,
        car.source.pool.0,
        car.source.spec,
        car.created_at.as_micros(),
        car.info.region as u8,
    ])
    .map(drop)
}

const CAR: &str =
    "SELECT no, id, make, model, year, mode, powertrain, region, source, pool, spec, created_at FROM car";

pub(crate) fn car(conn: &Connection, id: Uuid) -> Result<Option<(Car, Vec<VehicleId>)>> {
    let found = conn
        .prepare_cached(&format!("{CAR} WHERE id = ?1"))?
        .query_row([id.as_bytes()], numbered_car)
        .optional()?;
    found.map(|(no, car)| Ok((car, vehicles_of_car(conn, no)?))).transpose()
}

pub(crate) fn list_cars(
    conn: &Connection,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<(Car, Vec<VehicleId>)>> {
    let after = match after {
        Some(id) => conn
            .prepare_cached("SELECT no FROM car WHERE id = ?1")?
            .query_row([id.as_bytes()], |row| row.get(0))
            .optional()?
            .unwrap_or(i64::MAX),
        None => i64::MIN,
    };
    let cars = conn
        .prepare_cached(&format!("{CAR} WHERE no > ?1 ORDER BY no LIMIT ?2"))?
        .query_map([after, rows::limit(limit)], numbered_car)?
        .collect::<Result<Vec<_>>>()?;
    cars.into_iter().map(|(no, car)| Ok((car, vehicles_of_car(conn, no)?))).collect()
}

pub(crate) fn attach_car(tx: &Tx<'_>, id: Uuid, vehicle: VehicleNo) -> Result<()> {
    recordings::note_driven(tx, id)?;
    tx.prepare_cached("UPDATE vehicle SET car = (SELECT no FROM car WHERE id = ?1) WHERE no = ?2")?
        .execute(params![id.as_bytes(), vehicle.0])
        .map(drop)
}

pub(crate) fn vehicle_of_car(
    conn: &Connection,
    id: Uuid,
    application: ApplicationNo,
    user: Option<UserId>,
) -> Result<Option<(KnownVehicle, UserId)>> {
    conn.prepare_cached(
        "SELECT v.no, v.id, c.permissions, v.user
         FROM vehicle AS v LEFT JOIN connection AS c ON c.vehicle = v.no
         WHERE v.car = (SELECT no FROM car WHERE id = ?1) AND v.application = ?2 AND (?3 IS NULL OR v.user = ?3)
         ORDER BY c.vehicle IS NULL, v.no DESC LIMIT 1",
    )?
    .query_row(params![id.as_bytes(), application.0, user.map(|user| *user.0.as_bytes())], |row| {
        Ok((known_vehicle(row)?, UserId(rows::uuid(row, 3)?)))
    })
    .optional()
}

pub(crate) fn update_car(tx: &Tx<'_>, id: Uuid, spec: &[u8]) -> Result<bool> {
    tx.prepare_cached("UPDATE vehicle SET spec = ?2 WHERE car = (SELECT no FROM car WHERE id = ?1)")?
        .execute(params![id.as_bytes(), spec])?;
    let cars =
        tx.prepare_cached("UPDATE car SET spec = ?2 WHERE id = ?1")?.execute(params![id.as_bytes(), spec])?;
    Ok(cars > 0)
}

pub(crate) fn replace_spec(tx: &Tx<'_>, vehicle: VehicleNo, was: &[u8], spec: &[u8]) -> Result<bool> {
    let replaced = tx
        .prepare_cached("UPDATE vehicle SET spec = ?3 WHERE no = ?1 AND spec = ?2")?
        .execute(params![vehicle.0, was, spec])?;
    if replaced == 0 {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE vehicle SET spec = ?2 WHERE car = (SELECT car FROM vehicle WHERE no = ?1)")?
        .execute(params![vehicle.0, spec])?;
    tx.prepare_cached("UPDATE car SET spec = ?2 WHERE no = (SELECT car FROM vehicle WHERE no = ?1)")?
        .execute(params![vehicle.0, spec])?;
    Ok(true)
}

fn vehicles_of_car(conn: &Connection, car: i64) -> Result<Vec<VehicleId>> {
    conn.prepare_cached(
        "SELECT v.id FROM vehicle AS v CROSS JOIN connection AS c ON c.vehicle = v.no WHERE v.car = ?1 ORDER BY v.no",
    )?
    .query_map([car], |row| rows::uuid(row, 0).map(VehicleId))?
    .collect()
}

/// The beginning of a query for subscriptions. Those of a deleted webhook have vanished, though a later pass of
/// retention removes their rows.
const SUBSCRIPTION: &str = "SELECT s.id, s.webhook, s.vehicle, v.id, s.since
    FROM subscription AS s CROSS JOIN vehicle AS v ON v.no = s.vehicle
    CROSS JOIN webhook AS w ON w.no = s.webhook AND w.deleted_at IS NULL";

pub(crate) fn subscriptions_of_webhook(
    conn: &Connection,
    webhook: WebhookNo,
    after: Option<VehicleNo>,
    limit: usize,
) -> Result<Vec<SubscriptionRow>> {
    let after = after.map_or(i64::MIN, |vehicle| vehicle.0);
    conn.prepare_cached(&format!(
        "{SUBSCRIPTION} WHERE s.webhook = ?1 AND s.vehicle > ?2 ORDER BY s.vehicle LIMIT ?3"
    ))?
    .query_map([webhook.0, after, rows::limit(limit)], subscription)?
    .collect()
}

pub(crate) fn subscriptions_of_vehicle(
    conn: &Connection,
    vehicle: VehicleNo,
) -> Result<Vec<SubscriptionRow>> {
    conn.prepare_cached(&format!("{SUBSCRIPTION} WHERE s.vehicle = ?1 ORDER BY s.webhook"))?
        .query_map([vehicle.0], subscription)?
        .collect()
}

pub(crate) fn count_subscriptions(conn: &Connection, webhook: WebhookNo) -> Result<u64> {
    conn.prepare_cached(
        "SELECT count(*) FROM subscription
         WHERE webhook = (SELECT no FROM webhook WHERE no = ?1 AND deleted_at IS NULL)",
    )?
    .query_row([webhook.0], |row| rows::count(row, 0))
}

pub(crate) fn observations(
    conn: &Connection,
    vehicle: VehicleNo,
    before: Option<ObservationNo>,
    limit: usize,
) -> Result<Vec<(ObservationNo, Timestamp, Vec<u8>)>> {
    let before = before.map_or(i64::MAX, |no| no.0);
    let mut read = conn.prepare_cached("SELECT taken_at, previous, body FROM observation WHERE no = ?1")?;
    let mut next = chain_before(conn, vehicle, before)?;
    let mut found = Vec::new();
    while let Some(no) = next
        && found.len() < limit
    {
        let here =
            read.query_row([no], |row| Ok((rows::moment(row, 0)?, row.get(1)?, row.get(2)?))).optional()?;
        // Retention has taken this one and all before it.
        let Some((taken_at, previous, body)) = here else { break };
        if no < before {
            found.push((ObservationNo(no), taken_at, body));
        }
        next = previous;
    }
    Ok(found)
}

/// Where to begin in a vehicle's chain: right before an observation of it, or at its head.
fn chain_before(conn: &Connection, vehicle: VehicleNo, before: i64) -> Result<Option<i64>> {
    let known: Option<Option<i64>> = conn
        .prepare_cached("SELECT previous FROM observation WHERE no = ?1 AND vehicle = ?2")?
        .query_row([before, vehicle.0], |row| row.get(0))
        .optional()?;
    match known {
        Some(previous) => Ok(previous),
        None => last_observation(conn, vehicle),
    }
}

/// The newest observation of a vehicle, connected or not.
pub(crate) fn last_observation(conn: &Connection, vehicle: VehicleNo) -> Result<Option<i64>> {
    conn.prepare_cached(
        "SELECT ifnull((SELECT last_observation FROM document WHERE vehicle = ?1),
                       (SELECT last_observation FROM vehicle WHERE no = ?1))",
    )?
    .query_row([vehicle.0], |row| row.get(0))
}

fn loaded(row: &Row<'_>) -> Result<LoadedVehicle> {
    Ok(LoadedVehicle {
        no: VehicleNo(row.get(0)?),
        info: rows::info(row, VehicleId(rows::uuid(row, 1)?), 2)?,
        application: ApplicationNo(row.get(8)?),
        user: UserId(rows::uuid(row, 9)?),
        source: source(row, 10)?,
        version: rows::count(row, 13)?,
        document: row.get(14)?,
    })
}

fn due_vehicle(row: &Row<'_>) -> Result<Due> {
    Ok(Due { vehicle: loaded(row)?, due: rows::moment(row, 15)? })
}

fn listed(row: &Row<'_>) -> Result<VehicleRow> {
    Ok(VehicleRow {
        no: VehicleNo(row.get(0)?),
        info: rows::info(row, VehicleId(rows::uuid(row, 1)?), 2)?,
        application: ApplicationNo(row.get(8)?),
        user: UserId(rows::uuid(row, 9)?),
        connection: ConnectionId(rows::uuid(row, 10)?),
        permissions: PermissionSet::from_bits(row.get(11)?),
        source: source(row, 12)?,
        connected_at: rows::moment(row, 15)?,
        due: rows::moment_if_any(row, 16)?,
    })
}

/// The columns `source, pool, spec` from a column on.
fn source(row: &Row<'_>, from: usize) -> Result<SourceRef> {
    Ok(SourceRef { kind: row.get(from)?, pool: PoolNo(row.get(from + 1)?), spec: row.get(from + 2)? })
}

fn numbered_car(row: &Row<'_>) -> Result<(i64, Car)> {
    let id = rows::uuid(row, 1)?;
    let info = rows::info(row, VehicleId(id), 2)?;
    Ok((row.get(0)?, Car { id, info, source: source(row, 8)?, created_at: rows::moment(row, 11)? }))
}

fn subscription(row: &Row<'_>) -> Result<SubscriptionRow> {
    Ok(SubscriptionRow {
        id: SubscriptionId(rows::uuid(row, 0)?),
        webhook: WebhookNo(row.get(1)?),
        vehicle: VehicleNo(row.get(2)?),
        vehicle_id: VehicleId(rows::uuid(row, 3)?),
        since: rows::moment(row, 4)?,
    })
}
