//! The scheduler: one loop per pool that claims due vehicles, reads them, and puts the answers into the mailbox.
//!
//! Budget is taken first, and only so many vehicles are claimed. A vehicle that needs no read (its webhooks do not
//! deliver now) is stepped at once. A claimed vehicle is remembered until its letter is done with, so that it is not
//! read twice; if its step fails it is still due and is claimed again.

use std::{sync::Arc, time::Duration};

use domain::{
    errors::ErrorCode,
    ids::{PoolNo, VehicleNo},
    signal::SignalId,
    time::Timestamp,
    vehicle::{self, Fault, Input},
    webhook::Webhook,
};
use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
    stream::{FuturesUnordered, StreamExt},
};
use hashbrown::HashSet;
use parking_lot::Mutex;
use store::{ClaimDue, Due};
use tokio::sync::Notify;

use crate::{
    App, AppError,
    budget::Budget,
    mailbox::{self, Letter, Opened},
    metrics,
};

/// A claim is another node's when its holder has not stepped the vehicle by then.
const LEASE: Duration = Duration::from_secs(120);
/// After a failure of the store, and while the clock is off.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a loop sleeps at most.
const SLEEP_MOST: Duration = Duration::from_secs(60);

/// What is shared between a pool's loop and those who change what is due.
pub(crate) struct PoolState {
    name: String,
    wake: Notify,
    inner: Mutex<PoolInner>,
}

struct PoolInner {
    claimed: HashSet<VehicleNo>,
    budget: Budget,
    sleeps_until: Timestamp,
    /// A step failed, or something became due before the place that the claims have reached.
    look_again: bool,
}

/// A claimed vehicle; letting go of it allows the next claim.
pub(crate) struct Ticket {
    pool: Arc<PoolState>,
    vehicle: VehicleNo,
}

impl Ticket {
    /// The vehicle is still due: look again soon.
    pub(crate) fn failed(&self, _app: &App) {
        self.pool.inner.lock().look_again = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.pool.inner.lock();
        inner.claimed.remove(&self.vehicle);
        if inner.look_again || inner.claimed.is_empty() {
            drop(inner);
            self.pool.wake.notify_one();
        }
    }
}

impl PoolState {
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
}

/// Starts the loop of a pool unless it runs.
pub(crate) fn start_pool(app: &Arc<App>, pool: PoolNo, name: String) {
    let state = {
        let mut pools = app.pools.write();
        if pools.contains_key(&pool) {
            return;
        }
        let inner = PoolInner {
            claimed: HashSet::new(),
            budget: Budget::new(app.settings.reads.per_second),
            sleeps_until: Timestamp::NEVER,
            look_again: false,
        };
        let state = Arc::new(PoolState { name, wake: Notify::new(), inner: Mutex::new(inner) });
        pools.insert(pool, state.clone());
        state
    };
    app.run("scheduler", run(app.clone(), pool, state));
}

impl App {
    /// A vehicle of the pool is due then: its loop must not sleep longer.
    pub(crate) fn notice_due(&self, pool: PoolNo, due: Option<Timestamp>) {
        let Some((due, state)) = due.and_then(|due| Some((due, self.pools.read().get(&pool)?.clone()))) else {
            return;
        };
        let mut inner = state.inner.lock();
        if due < inner.sleeps_until {
            inner.look_again = true;
            drop(inner);
            state.wake.notify_one();
        }
    }
}

type Reads = FuturesUnordered<BoxFuture<'static, ()>>;

async fn run(app: Arc<App>, pool: PoolNo, state: Arc<PoolState>) {
    let mut reads: Reads = FuturesUnordered::new();
    let mut after = None;
    while !app.stop.is_set() {
        let pass = match claim(&app, pool, &state, after).await {
            Ok(pass) => pass,
            Err(error) => {
                tracing::warn!(pool = state.name, %error, "due vehicles could not be claimed");
                Pass::Wait(app.now() + PAUSE)
            }
        };
        let until = match pass {
            Pass::Claimed(due) => {
                after = due.last().map(|last| (last.due, last.vehicle.no));
                if let Err(error) = begin(&app, &state, due, &mut reads).await {
                    tracing::warn!(pool = state.name, %error, "due vehicles could not be begun");
                    state.inner.lock().look_again = true;
                }
                // Finished reads make room; the rest go on while the next are claimed.
                while reads.next().now_or_never().flatten().is_some() {}
                continue;
            }
            Pass::Wait(until) => until,
        };
        after = None;
        wait(&app, &state, &mut reads, until).await;
    }
}

enum Pass {
    Claimed(Vec<Due>),
    /// There is nothing to claim before this, unless something wakes the loop.
    Wait(Timestamp),
}

/// Claims as many due vehicles as budget and room allow.
async fn claim(
    app: &Arc<App>,
    pool: PoolNo,
    state: &PoolState,
    after: Option<(Timestamp, VehicleNo)>,
) -> Result<Pass, AppError> {
    let now = app.now();
    if app.health.clock_is_off() {
        return Ok(Pass::Wait(now + PAUSE));
    }
    let limit = {
        let mut inner = state.inner.lock();
        let room = app.settings.reads.in_flight.saturating_sub(inner.claimed.len());
        let limit = inner.budget.take(room.min(app.settings.reads.claim), app.clock.monotonic());
        if limit == 0 {
            inner.look_again = true;
            let wait = inner.budget.wait();
            return Ok(Pass::Wait(if wait.is_zero() { now + PAUSE } else { now + wait }));
        }
        if after.is_none() {
            inner.look_again = false;
            inner.sleeps_until = Timestamp::NEVER;
        }
        limit
    };
    let mut due = app.store.claim_due(ClaimDue { pool, now, after, limit, lease: LEASE }).await?;
    let reached_end = due.len() < limit;
    let last = due.last().map(|last| (last.due, last.vehicle.no));
    let look_again = {
        let mut inner = state.inner.lock();
        due.retain(|due| inner.claimed.insert(due.vehicle.no));
        inner.budget.give_back(limit - due.len());
        inner.look_again
    };
    if !due.is_empty() {
        return Ok(Pass::Claimed(due));
    }
    if look_again && last.is_none() {
        return Ok(Pass::Wait(now));
    }
    if !reached_end && let Some(last) = last {
        // A whole claim of vehicles that are already being read: go on behind them.
        return Box::pin(claim(app, pool, state, Some(last))).await;
    }
    let next = app.store.next_due(pool, now).await?.unwrap_or(Timestamp::NEVER).min(now + SLEEP_MOST);
    state.inner.lock().sleeps_until = next;
    Ok(Pass::Wait(next))
}

/// Sleeps until the time, a wake-up, or the end of everything; reads go on meanwhile.
async fn wait(app: &Arc<App>, state: &PoolState, reads: &mut Reads, until: Timestamp) {
    let mut wake = Box::pin(state.wake.notified());
    while app.now() < until && !app.stop.is_set() {
        let sleep = select(app.clock.sleep_until(until), &mut wake);
        let woken = if reads.is_empty() {
            matches!(sleep.await, Either::Right(_))
        } else {
            match select(sleep, reads.next()).await {
                Either::Left((Either::Right(_), _)) => true,
                Either::Left((Either::Left(_), _)) | Either::Right(_) => false,
            }
        };
        if woken {
            return;
        }
    }
    // A wake-up that came at the last moment is not lost: the loop looks again anyway.
}

/// Opens claimed vehicles and begins their reads; those that need none are stepped at once.
async fn begin(app: &Arc<App>, state: &Arc<PoolState>, due: Vec<Due>, reads: &mut Reads) -> Result<(), AppError> {
    let now = app.now();
    let tickets: Vec<Ticket> =
        due.iter().map(|due| Ticket { pool: state.clone(), vehicle: due.vehicle.no }).collect();
    let subjects: Vec<_> = due.iter().map(|due| due.vehicle.user.0).collect();
    let keys = app.sealer.keys(&subjects).await?;
    for ((due, key), ticket) in due.into_iter().zip(keys).zip(tickets) {
        let Some(key) = key else {
            tracing::warn!(vehicle.no = due.vehicle.no.0, "a due vehicle has no data key any more");
            continue;
        };
        let opened = mailbox::open(due.vehicle, key)?;
        let webhooks = mailbox::webhooks_of(app, &opened.document, &Input::Tick);
        let refs: Vec<&Webhook> = webhooks.iter().map(|entry| entry.webhook()).collect();
        let wanted = vehicle::wanted(&opened.document, &refs, now);
        if wanted.is_empty() {
            let letter = letter(opened, Input::Tick, ticket);
            app.mailbox.put(letter).await?;
        } else {
            reads.push(Box::pin(read(app.clone(), opened, wanted, ticket)));
        }
    }
    Ok(())
}

/// Reads one vehicle and puts what came of it into the mailbox.
async fn read(app: Arc<App>, opened: Opened, wanted: Vec<SignalId>, ticket: Ticket) {
    let source = opened.loaded.source.clone();
    let deadline = app.clock.sleep_until(app.now() + app.settings.reads.deadline);
    let answered = match select(Box::pin(app.source.read(&source, &wanted)), deadline).await {
        Either::Left((answered, _)) => answered,
        Either::Right(_) => Err(Fault::from(ErrorCode::UPSTREAM_NO_RESPONSE)),
    };
    metrics::read(&ticket.pool.name, if answered.is_ok() { "answered" } else { "failed" });
    let input = match answered {
        Ok(answers) => Input::Answers(answers),
        Err(fault) => Input::SourceFailed(wanted, fault),
    };
    if let Err(error) = app.mailbox.put(letter(opened, input, ticket)).await {
        tracing::debug!(%error, "a read came too late");
    }
}

fn letter(opened: Opened, input: Input, ticket: Ticket) -> Letter {
    Letter {
        vehicle: opened.loaded.no,
        input,
        opened: Some(Box::new(opened)),
        reply: None,
        ticket: Some(ticket),
        tries: 0,
    }
}
