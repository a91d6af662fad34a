//! The janitor: heartbeat, retention, overlaps of management tokens, tombstones, sweeps.

use std::{fmt, sync::Arc, time::Duration};

use domain::{
    connect::lives::{CODE_LIFE, Lives},
    time::Timestamp,
    vehicle::Input,
    webhook::Disabled,
};
use futures::future::select;
use store::{Ahead, Retention, Sweep, VehicleFilter};

use crate::{App, AppError, WebhookEntry, metrics};

/// After a failure of the store.
const PAUSE: Duration = Duration::from_secs(1);
/// Between passes while there is more to do.
const AFTER_WORK: Duration = Duration::from_millis(20);
/// Queue rows that one pass over a tombstone looks at.
const BURY: usize = 5_000;
/// Vehicles replanned at once.
const SWEEP: usize = 256;
/// The wall clock may be so far behind the latest moment that was ever written before schedules are held.
const BEHIND_MOST: Duration = Duration::from_secs(48 * 3_600);
/// Before this nothing was ever scheduled: a machine that has just booted without a clock.
const EARLIEST: Timestamp = Timestamp::from_secs(1_577_836_800);

/// A clock that is behind and has run evenly for so long is right: it was ahead before.
const ACCEPTED_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The largest store that is looked through at start: a quarter of a second on a disk that reads 256 MiB/s.
const CHECKED_AT_START: u64 = 64 << 20;
/// Between pieces of a check.
const BETWEEN_PIECES: Duration = Duration::from_secs(1);

/// Looks through a small store before anything is done with it. A damaged one is served, red: what can be read may be
/// needed, and only its operator knows what is better.
pub(crate) async fn check_at_start(app: &Arc<App>) -> Result<(), AppError> {
    let size = app.store.size().await?;
    if app.settings.retention.check_every.is_some() && size.bytes <= CHECKED_AT_START {
        // What was found is damage, which health reports.
        drop(app.store.quick_check().await);
        drop(app.sealer.keyring().check().await);
        report_damage(app);
    }
    Ok(())
}

/// Looks through the whole store, piece by piece, again and again.
pub(crate) async fn check(app: Arc<App>) {
    let Some(every) = app.settings.retention.check_every else { return };
    let mut place = None;
    while !app.stop.is_set() {
        place = match app.store.check_next(place).await {
            Ok(step) => step.place,
            Err(error) => {
                warn(&app, &error, "the check of the database was interrupted");
                None
            }
        };
        report_damage(&app);
        rest(&app, if place.is_some() { BETWEEN_PIECES } else { every }).await;
    }
}

/// Says that a pass failed. One that the end of the server cut off did not.
fn warn(app: &App, error: &dyn fmt::Display, what: &str) {
    if !app.stop.is_set() {
        tracing::warn!(%error, "{what}");
    }
}

fn report_damage(app: &App) {
    let damage = app.store.damage().or_else(|| app.sealer.keyring().damage());
    app.health.set_damage(damage.as_deref());
}

/// Asks the store for the latest moment ever written, before any loop trusts the clock.
pub(crate) async fn first_heartbeat(app: &Arc<App>) -> Result<(), AppError> {
    beat(app).await
}

/// Writes a heartbeat every now and then: it notices a store that cannot be written, and a clock that went back.
pub(crate) async fn heartbeat(app: Arc<App>) {
    while !app.stop.is_set() {
        if let Err(error) = beat(&app).await {
            warn(&app, &error, "the heartbeat could not be written");
        }
        rest(&app, app.settings.retention.heartbeat_every).await;
    }
}

async fn beat(app: &Arc<App>) -> Result<(), AppError> {
    let now = app.now();
    if now < EARLIEST {
        let problem = format!("the clock says {now}; schedules are held until it is set");
        app.health.set_clock(Some(problem));
        return Ok(());
    }
    report_damage(app);
    match app.store.heartbeat(now).await {
        Ok(mut latest) => {
            if latest.since(now) <= BEHIND_MOST {
                app.health.clock_keeps_up();
            } else if app.health.clock_is_behind(now, app.clock.monotonic()) >= ACCEPTED_AFTER {
                tracing::warn!(%now, %latest, "The clock has run evenly for a day: it was ahead before, and is accepted");
                app.store.accept_clock(now).await?;
                latest = now;
                app.health.clock_keeps_up();
            }
            let behind = latest.since(now);
            app.health.set_clock((behind > BEHIND_MOST).then(|| {
                format!("the clock says {now}, but {latest} was written before; schedules are held until it is set")
            }));
            app.health.store_works();
            Ok(())
        }
        Err(error) => {
            app.health.store_failed(&error);
            Err(error.into())
        }
    }
}

/// Retention, tombstones and gauges.
pub(crate) async fn run(app: Arc<App>) {
    while !app.stop.is_set() {
        let more = match housekeep(&app).await {
            Ok(more) => more,
            Err(error) => {
                warn(&app, &error, "housekeeping failed");
                false
            }
        };
        rest(&app, if more { AFTER_WORK } else { app.settings.retention.pass_every }).await;
    }
}

/// One pass; true when there is more to do.
async fn housekeep(app: &Arc<App>) -> Result<bool, AppError> {
    let now = app.now();
    let mut more = false;
    for tombstone in app.lanes.tombstones() {
        if app.store.bury(tombstone, now, BURY).await? {
            app.lanes.buried(tombstone);
        } else {
            more = true;
        }
    }
    let size = app.store.size().await?;
    metrics::space(&size);
    let keep = &app.settings.retention;
    app.health.set_space((size.free_on_disk < keep.min_free_bytes).then(|| {
        format!("only {} MiB are free on the disk of the data folder", size.free_on_disk / (1 << 20))
    }));
    let retired = app
        .store
        .retire(Retention {
            observations_before: now - keep.observations,
            log_before: now - keep.log,
            roll_ups_before: now - keep.roll_ups,
            tokens_before: now - keep.observations,
            now,
            ahead: (!app.health.clock_is_off()).then(|| latest_moments(now, app.settings.pace)),
            limit: keep.batch,
        })
        .await?;
    more |= retired.more;
    app.complete_verifications();
    app.end_overlaps().await?;
    app.note_ends().await?;
    app.sealer.keyring().prune_ledger(now - keep.observations).await?;
    if keep.max_bytes.is_some_and(|most| size.bytes - size.free_inside > most) {
        more |= app.store.retire_oldest(keep.batch).await?.rows > 0;
    }
    webhook_gauges(app);
    lane_gauges(app, now).await?;
    Ok(more)
}

/// The latest moments that anything written by now can have: what the clock may be off by is granted.
fn latest_moments(now: Timestamp, pace: u32) -> Ahead {
    let Lives { access, refresh, .. } = Lives::default();
    let written = now + BEHIND_MOST;
    Ahead { written, access: written + access, refresh: written + refresh, code: written + CODE_LIFE * pace }
}

/// How many webhooks do not deliver, and why.
fn webhook_gauges(app: &App) {
    let webhooks = app.registry.webhooks(None);
    let off = |why| webhooks.iter().filter(|entry| entry.webhook().status.disabled == Some(why)).count();
    for why in Disabled::ALL {
        metrics::webhooks_not_delivering(why.as_str(), off(*why));
    }
    let status = |entry: &&Arc<WebhookEntry>| entry.webhook().status;
    let unverified =
        webhooks.iter().filter(|entry| !status(entry).verified && status(entry).disabled.is_none());
    metrics::webhooks_not_delivering("not_verified", unverified.count());
}

async fn lane_gauges(app: &Arc<App>, now: Timestamp) -> Result<(), AppError> {
    let (mut depth, mut oldest) = (0, Duration::ZERO);
    for (key, held, stored) in app.lanes.depths() {
        if held > 0 || stored {
            let (queued, since) = app.store.depth(key, 100_000).await?;
            depth += queued;
            oldest = oldest.max(since.map_or(Duration::ZERO, |since| now.since(since)));
        }
    }
    metrics::lanes(depth, oldest);
    metrics::failing(app.lanes.failing().len());
    Ok(())
}

/// Tells vehicles of changes of their webhooks, and puts vehicles on automatic ones, where it was left off.
pub(crate) async fn sweep(app: Arc<App>) {
    while !app.stop.is_set() {
        match sweep_all(&app).await {
            Ok(true) => {}
            Ok(false) => {
                let woken = Box::pin(app.health.sweeper_woken());
                select(woken, Box::pin(app.stop.wished())).await;
            }
            Err(error) => {
                warn(&app, &error, "a sweep was interrupted");
                rest(&app, PAUSE).await;
            }
        }
    }
}

/// A batch of each sweep; false when there was nothing to do.
async fn sweep_all(app: &Arc<App>) -> Result<bool, AppError> {
    let mut worked = false;
    for entry in app.registry.webhooks(None).iter().filter(|entry| entry.stored.auto_subscribe) {
        worked |= subscribe_more(app, entry).await?;
    }
    for sweep in app.store.sweeps().await? {
        sweep_on(app, sweep).await?;
        worked = true;
    }
    Ok(worked)
}

/// Puts the next vehicles of the application on an automatic webhook; false when it has them all.
async fn subscribe_more(app: &Arc<App>, entry: &WebhookEntry) -> Result<bool, AppError> {
    let (no, application) = (entry.webhook().no, entry.webhook().application);
    let after = Some(entry.stored.auto_after);
    let filter = VehicleFilter { application: Some(application), after, ..VehicleFilter::default() };
    let rows = app.store.list_vehicles(filter, SWEEP).await?;
    let Some(last) = rows.last() else { return Ok(false) };
    let watched = rows.iter().filter(|row| app.may_watch(entry, &row.info)).map(|row| row.no);
    each_that_is_there(app.subscribe_each(entry, &watched.collect::<Vec<_>>()).await)?;
    app.store.advance_auto(no, last.no).await?;
    app.registry.advance_auto(no, last.no);
    Ok(true)
}

/// One batch of a sweep.
async fn sweep_on(app: &Arc<App>, mut sweep: Sweep) -> Result<(), AppError> {
    let rows = app.store.subscriptions_of_webhook(sweep.webhook, sweep.after, SWEEP).await?;
    let Some(last) = rows.last() else { return Ok(app.store.end_sweep(sweep).await?) };
    sweep.after = Some(last.vehicle);
    sweep.done += rows.len() as u64;
    let steps = rows.iter().map(|row| app.deliver_letter(row.vehicle, Input::Tick));
    each_that_is_there(futures::future::join_all(steps).await)?;
    Ok(app.store.advance_sweep(sweep).await?)
}

/// A vehicle that has gone meanwhile needs nothing any more.
fn each_that_is_there(done: Vec<Result<(), AppError>>) -> Result<(), AppError> {
    let failed = done.into_iter().filter_map(Result::err);
    failed.filter(|error| !matches!(error, AppError::NotFound(_))).map(Err).next().unwrap_or(Ok(()))
}

async fn rest(app: &Arc<App>, pause: Duration) {
    select(app.clock.sleep_until(app.now() + pause), Box::pin(app.stop.wished())).await;
}
