//! The commit of a step: document, due time, rows, observation and events, all or none.

use std::collections::BTreeMap;

use domain::{
    ids::{EventNo, ObservationNo, VehicleNo, WebhookNo},
    time::Timestamp,
    vehicle::RowChange,
};
use rusqlite::{OptionalExtension, Result, params};
use store::{
    EndKind, LaneKey, LogStatus, NewEvent, NewLapse, NewObservation, Scope, StepCommit, StepResult, Tombstone,
};

use super::{
    ledger::{self, End},
    queue::{Counted, Enqueue, RollUp, enqueue},
    tombstones,
};
use crate::{engine::Tx, rows};

pub(crate) fn commit_steps(tx: &Tx<'_>, commits: &[StepCommit]) -> Result<Vec<StepResult>> {
    let mut webhooks = Webhooks::default();
    commits.iter().map(|commit| commit_step(tx, commit, &mut webhooks)).collect()
}

/// How webhooks stand at this commit: whoever made an event has seen them a little earlier.
#[derive(Default)]
struct Webhooks(BTreeMap<i64, Standing>);

#[derive(Clone, Copy)]
enum Standing {
    /// It delivers, in this epoch.
    Delivers(u32),
    /// It is not verified.
    Unverified,
    /// It is switched off or deleted.
    Off,
}

impl Webhooks {
    /// How an event of a webhook that was made in an epoch ends without being sent; `None` when it is to be sent.
    fn end_of(&mut self, tx: &Tx<'_>, webhook: WebhookNo, epoch: u32) -> Result<Option<LogStatus>> {
        let standing = match self.0.get(&webhook.0) {
            Some(&standing) => standing,
            None => {
                let standing = standing(tx, webhook)?;
                self.0.insert(webhook.0, standing);
                standing
            }
        };
        Ok(match standing {
            Standing::Delivers(now) if now == epoch => None,
            Standing::Delivers(_) | Standing::Off => Some(LogStatus::Dropped),
            Standing::Unverified => Some(LogStatus::Skipped),
        })
    }
}

fn standing(tx: &Tx<'_>, webhook: WebhookNo) -> Result<Standing> {
    let found = tx
        .prepare_cached(
            "SELECT verified, disabled IS NULL, epoch FROM webhook WHERE no = ?1 AND deleted_at IS NULL",
        )?
        .query_row([webhook.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(match found {
        Some((true, true, epoch)) => Standing::Delivers(epoch),
        Some((false, true, _)) => Standing::Unverified,
        Some((_, false, _)) | None => Standing::Off,
    })
}

/// What the store has of a document, without its body.
struct Stored {
    version: u64,
    last_observation: Option<i64>,
}

fn commit_step(tx: &Tx<'_>, commit: &StepCommit, webhooks: &mut Webhooks) -> Result<StepResult> {
    let Some(stored) = stored(tx, commit.vehicle)? else { return Ok(StepResult::Gone) };
    if stored.version != commit.expected {
        return Ok(StepResult::Conflict);
    }
    let mut tombstones = Vec::new();
    for change in &commit.rows {
        tombstones.extend(change_row(tx, commit.vehicle, change, commit.now)?);
    }
    let mut observations = Vec::with_capacity(commit.observations.len());
    let mut last_observation = stored.last_observation;
    for new in &commit.observations {
        let no = observe(tx, commit.vehicle, new, last_observation)?;
        last_observation = Some(no);
        observations.push(no);
    }
    if commit.rows.contains(&RowChange::Disconnect) {
        remove_document(tx, commit.vehicle, last_observation)?;
    } else {
        replace_document(tx, commit, &stored, last_observation)?;
    }
    let mut events = Vec::with_capacity(commit.events.len());
    for event in &commit.events {
        let observation = observations[event.observation];
        events.push(match webhooks.end_of(tx, event.lane.webhook, event.epoch)? {
            None => Some(queue_event(tx, commit, event, observation)?),
            Some(status) => {
                log_unsent(tx, commit, event, observation, status)?;
                None
            }
        });
    }
    log_lapsed(tx, commit)?;
    Ok(StepResult::Committed {
        version: stored.version + 1,
        observations: observations.into_iter().map(ObservationNo).collect(),
        events,
        tombstones,
    })
}

fn stored(tx: &Tx<'_>, vehicle: VehicleNo) -> Result<Option<Stored>> {
    tx.prepare_cached("SELECT version, last_observation FROM document WHERE vehicle = ?1")?
        .query_row([vehicle.0], |row| {
            Ok(Stored { version: rows::count(row, 0)?, last_observation: row.get(1)? })
        })
        .optional()
}

fn replace_document(
    tx: &Tx<'_>,
    commit: &StepCommit,
    stored: &Stored,
    last_observation: Option<i64>,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE document SET version = ?2, due = ?3, last_observation = ?4, body = ?5 WHERE vehicle = ?1",
    )?
    .execute(params![
        commit.vehicle.0,
        rows::from_count(stored.version + 1),
        commit.due.map(Timestamp::as_micros),
        last_observation,
        commit.document,
    ])
    .map(drop)
}

/// Ends the connection. The vehicle's row stays, so that the log can name it, and takes over the chain of observations.
fn remove_document(tx: &Tx<'_>, vehicle: VehicleNo, last_observation: Option<i64>) -> Result<()> {
    tx.prepare_cached("DELETE FROM document WHERE vehicle = ?1")?.execute([vehicle.0])?;
    tx.prepare_cached("UPDATE vehicle SET last_observation = ?2 WHERE no = ?1")?
        .execute(params![vehicle.0, last_observation])
        .map(drop)
}

/// Appends an observation to the vehicle's chain.
fn observe(tx: &Tx<'_>, vehicle: VehicleNo, new: &NewObservation, previous: Option<i64>) -> Result<i64> {
    let no = tx.observations.next(tx)?;
    tx.prepare_cached(
        "INSERT INTO observation (no, vehicle, taken_at, previous, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![no, vehicle.0, new.taken_at.as_micros(), previous, new.body])?;
    Ok(no)
}

fn queue_event(tx: &Tx<'_>, commit: &StepCommit, event: &NewEvent, observation: i64) -> Result<EventNo> {
    let no = tx.events.next(tx)?;
    enqueue(
        tx,
        &Enqueue {
            lane: event.lane,
            attempt_at: commit.now,
            event: no,
            id: &event.id,
            vehicle: commit.vehicle,
            revision: event.revision,
            slot: event.slot,
            sequence: event.sequence,
            observation,
            redelivery: false,
            occasion: &event.occasion,
        },
    )?;
    Ok(EventNo(no))
}

/// Logs an event that is not queued, because its webhook has changed since it was made.
fn log_unsent(
    tx: &Tx<'_>,
    commit: &StepCommit,
    event: &NewEvent,
    observation: i64,
    status: LogStatus,
) -> Result<()> {
    let LaneKey { webhook, stripe } = event.lane;
    tx.prepare_cached(
        "INSERT INTO delivery (event, webhook, vehicle, stripe, status, http_status, took_ms, attempt_count, revision,
             sequence, redelivery, missed, missed_from, observation, slot, created_at, ended_at, id, attempts, occasion)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, ?6, ?7, 0, 0, NULL, ?8, ?9, ?10, ?10, ?11, x'', ?12)",
    )?
    .execute(params![
        tx.events.next(tx)?,
        webhook.0,
        commit.vehicle.0,
        stripe,
        status as u8,
        event.revision,
        rows::from_count(event.sequence),
        observation,
        event.slot.as_micros(),
        commit.now.as_micros(),
        event.id.0.as_bytes(),
        event.occasion,
    ])?;
    let mut roll_up = RollUp::default();
    roll_up.add(webhook.0, status, commit.now, Counted { count: 1, ..Counted::default() });
    roll_up.write(tx)
}

fn log_lapsed(tx: &Tx<'_>, commit: &StepCommit) -> Result<()> {
    let mut roll_up = RollUp::default();
    for lapse in &commit.lapsed {
        log_lapse(tx, commit, lapse)?;
        let counted = Counted { count: lapse.count, ..Counted::default() };
        roll_up.add(lapse.webhook.0, lapse.status, commit.now, counted);
    }
    roll_up.write(tx)
}

fn log_lapse(tx: &Tx<'_>, commit: &StepCommit, lapse: &NewLapse) -> Result<()> {
    let missed = lapse.status == LogStatus::Missed;
    tx.prepare_cached(
        "INSERT INTO delivery (event, webhook, vehicle, stripe, status, http_status, took_ms, attempt_count, revision,
             sequence, redelivery, missed, missed_from, observation, slot, created_at, ended_at, id, attempts)
         VALUES (?1, ?2, ?3, 0, ?4, 0, 0, 0, 0, 0, 0, ?5, ?6, NULL, ?7, ?8, ?8, ?9, x'')",
    )?
    .execute(params![
        tx.events.next(tx)?,
        lapse.webhook.0,
        commit.vehicle.0,
        lapse.status as u8,
        rows::from_count(if missed { lapse.count } else { 0 }),
        missed.then(|| lapse.from.as_micros()),
        lapse.until.as_micros(),
        commit.now.as_micros(),
        lapse.id.0.as_bytes(),
    ])
    .map(drop)
}

/// Applies a change of the relational rows; answers with the tombstone that it takes.
fn change_row(
    tx: &Tx<'_>,
    vehicle: VehicleNo,
    change: &RowChange,
    now: Timestamp,
) -> Result<Option<Tombstone>> {
    match *change {
        RowChange::Subscribe { webhook, id } => {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO subscription (webhook, vehicle, id, since) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![webhook.0, vehicle.0, id.0.as_bytes(), now.as_micros()])?;
            note_subscription(tx, vehicle, webhook, true)?;
            Ok(None)
        }
        RowChange::Unsubscribe { webhook } => unsubscribe(tx, vehicle, webhook).map(Some),
        RowChange::Permissions { granted, narrowed } => {
            tx.prepare_cached("UPDATE connection SET permissions = ?2 WHERE vehicle = ?1")?
                .execute(params![vehicle.0, granted.bits()])?;
            note_permissions(tx, vehicle, granted.bits(), narrowed)?;
            narrowed.then(|| tombstones::write(tx, Scope::Vehicle(vehicle))).transpose()
        }
        RowChange::Disconnect => {
            tx.prepare_cached("DELETE FROM connection WHERE vehicle = ?1")?.execute([vehicle.0])?;
            tx.prepare_cached("DELETE FROM subscription WHERE vehicle = ?1")?.execute([vehicle.0])?;
            note_disconnected(tx, vehicle)?;
            tombstones::write(tx, Scope::Vehicle(vehicle)).map(Some)
        }
    }
}

fn unsubscribe(tx: &Tx<'_>, vehicle: VehicleNo, webhook: WebhookNo) -> Result<Tombstone> {
    tx.prepare_cached("DELETE FROM subscription WHERE webhook = ?1 AND vehicle = ?2")?
        .execute([webhook.0, vehicle.0])?;
    note_subscription(tx, vehicle, webhook, false)?;
    tombstones::write(tx, Scope::Subscription(webhook, vehicle))
}

fn note_subscription(tx: &Tx<'_>, vehicle: VehicleNo, webhook: WebhookNo, is_on: bool) -> Result<()> {
    let Some((vehicle, user)) = ledger::vehicle_and_user(tx, vehicle)? else { return Ok(()) };
    let Some((webhook, _)) = ledger::webhook_and_application(tx, webhook)? else { return Ok(()) };
    let key = ledger::subscription_key(webhook, vehicle);
    if is_on {
        return ledger::touch(tx, EndKind::Subscription, &key, &[1]);
    }
    let end = End::new(EndKind::Subscription, &key, user);
    ledger::note(tx, End { vehicle: Some(vehicle), value: vec![0], ..end })
}

fn note_permissions(tx: &Tx<'_>, vehicle: VehicleNo, granted: u32, narrowed: bool) -> Result<()> {
    let Some((vehicle, user)) = ledger::vehicle_and_user(tx, vehicle)? else { return Ok(()) };
    let value = granted.to_be_bytes();
    if !narrowed {
        return ledger::touch(tx, EndKind::Permissions, vehicle.as_bytes(), &value);
    }
    let end = End::new(EndKind::Permissions, vehicle.as_bytes(), user);
    ledger::note(tx, End { vehicle: Some(vehicle), value: value.to_vec(), ..end })
}

fn note_disconnected(tx: &Tx<'_>, vehicle: VehicleNo) -> Result<()> {
    let Some((vehicle, user)) = ledger::vehicle_and_user(tx, vehicle)? else { return Ok(()) };
    let end = End::new(EndKind::Connection, vehicle.as_bytes(), user);
    ledger::note(tx, End { vehicle: Some(vehicle), ..end })
}
