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
use futures::future::{BoxFuture, Either, select};
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

/// What is shared between a pool's loop and those who change what is due.
pub(crate) struct PoolState {
    name: String,
    wake: Notify,
    inner: Mutex<PoolInner>,
}

struct PoolInner {
    claimed: HashSet<VehicleNo>,
    /// Reads in flight that somebody waits for.
    asked: usize,
    budget: Budget,
    /// While the loop sleeps: until when.
    sleeps_until: Timestamp,
    /// The earliest due time that a step has set since the last pass began.
    earliest_set: Timestamp,
    /// Everything that was due until then has been claimed by a pass.
    passed: Option<Timestamp>,
    /// A claimed vehicle was let go of without a step: it is due as before.
    let_down: bool,
    /// The loop waits for a claimed vehicle to be let go of.
    full: bool,
}

/// Of the reads that may be in flight in a pool, one in so many is kept for those that somebody waits for.
const KEPT: usize = 10;

/// A read that somebody waits for, in flight.
pub(crate) struct Asking(Option<Arc<PoolState>>);

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(pool) = &self.0 {
            pool.inner.lock().asked -= 1;
        }
    }
}

/// A claimed vehicle; letting go of it allows the next claim.
pub(crate) struct Ticket {
    pool: Arc<PoolState>,
    vehicle: VehicleNo,
}

impl Ticket {
    /// The vehicle was not stepped and is due as before.
    pub(crate) fn failed(&self) {
        self.pool.inner.lock().let_down = true;
        self.pool.wake();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let was_full = {
            let mut inner = self.pool.inner.lock();
            inner.claimed.remove(&self.vehicle);
            std::mem::take(&mut inner.full)
        };
        if was_full {
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
            asked: 0,
            budget: Budget::new(app.settings.reads.per_second),
            sleeps_until: Timestamp::NEVER,
            earliest_set: Timestamp::NEVER,
            passed: None,
            let_down: false,
            full: false,
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
        let Some((due, state)) = due.and_then(|due| Some((due, self.pools.read().get(&pool)?.clone())))
        else {
            return;
        };
        let mut inner = state.inner.lock();
        inner.earliest_set = inner.earliest_set.min(due);
        if due < inner.sleeps_until {
            inner.sleeps_until = due;
            drop(inner);
            state.wake.notify_one();
        }
    }
}

impl App {
    /// Takes budget of a pool for a read that somebody waits for.
    ///
    /// # Errors
    ///
    /// How long until there may be some.
    pub(crate) fn ask(&self, pool: PoolNo) -> Result<Asking, Duration> {
        let Some(state) = self.pools.read().get(&pool).cloned() else { return Ok(Asking(None)) };
        {
            let mut inner = state.inner.lock();
            if inner.claimed.len() + inner.asked >= self.settings.reads.in_flight {
                return Err(PAUSE);
            }
            inner.budget.take_one(self.clock.rate_time())?;
            inner.asked += 1;
        }
        Ok(Asking(Some(state)))
    }

    /// The name of a pool, for what is measured.
    pub(crate) fn pool_name(&self, pool: PoolNo) -> Option<String> {
        self.pools.read().get(&pool).map(|state| state.name.clone())
    }
}

/// A place in the order of due vehicles.
type Place = (Timestamp, VehicleNo);

async fn run(app: Arc<App>, pool: PoolNo, state: Arc<PoolState>) {
    while !app.stop.is_set() {
        let pause = match pass(&app, pool, &state).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(pool = state.name, %error, "a pass over due vehicles was interrupted");
                state.inner.lock().let_down = true;
                Some(app.now() + PAUSE)
            }
        };
        sleep(&app, &state, pause).await;
    }
}

/// Claims everything that is due, in order, and begins its reads; then says until when to sleep.
async fn pass(app: &Arc<App>, pool: PoolNo, state: &Arc<PoolState>) -> Result<(), AppError> {
    let mut after = state.begin_pass();
    loop {
        let now = app.now();
        if app.stop.is_set() {
            return Ok(());
        }
        // While nothing can be written, a read would be for nothing.
        if app.health.clock_is_off() || app.health.store_is_failing() {
            state.end_pass(None, now + PAUSE);
            return Ok(());
        }
        let limit = match state.take_budget(app) {
            0 => {
                rest(app, state).await;
                continue;
            }
            limit => limit,
        };
        let due = app.store.claim_due(ClaimDue { pool, now, after, limit, lease: LEASE }).await?;
        let reached_end = due.len() < limit;
        after = due.last().map(|last| (last.due, last.vehicle.no)).or(after);
        let due = state.claim(due, limit);
        begin(app, state, due).await?;
        if reached_end {
            let next = app.store.next_due(pool, now).await?.unwrap_or(Timestamp::NEVER);
            state.end_pass(Some(now), next.min(now + app.settings.reads.look_every));
            return Ok(());
        }
    }
}

impl PoolState {
    /// Where a pass begins: behind what earlier passes have claimed, unless something there is due again.
    fn begin_pass(&self) -> Option<Place> {
        let mut inner = self.inner.lock();
        let earliest_set = std::mem::replace(&mut inner.earliest_set, Timestamp::NEVER);
        inner.sleeps_until = Timestamp::from_micros(i64::MIN);
        if std::mem::take(&mut inner.let_down) {
            return None;
        }
        let before = earliest_set - Duration::from_micros(1);
        inner.passed.map(|passed| (passed.min(before), VehicleNo(i64::MAX)))
    }

    fn end_pass(&self, passed: Option<Timestamp>, next: Timestamp) {
        let mut inner = self.inner.lock();
        inner.passed = passed.or(inner.passed);
        inner.sleeps_until = next.min(inner.earliest_set);
    }

    /// How many vehicles may be claimed now.
    fn take_budget(&self, app: &App) -> usize {
        let mut inner = self.inner.lock();
        let most = app.settings.reads.in_flight;
        let room = (most - most / KEPT).saturating_sub(inner.claimed.len());
        inner.budget.take(room.min(app.settings.reads.claim), app.clock.rate_time())
    }

    /// Remembers claimed vehicles; those that are being read already are left out.
    fn claim(&self, mut due: Vec<Due>, limit: usize) -> Vec<Due> {
        let mut inner = self.inner.lock();
        due.retain(|due| inner.claimed.insert(due.vehicle.no));
        inner.budget.give_back(limit - due.len());
        due
    }
}

/// Waits until there is budget, or room, for more.
async fn rest(app: &Arc<App>, state: &PoolState) {
    let wait = {
        let mut inner = state.inner.lock();
        inner.full = true;
        match inner.budget.wait() {
            Duration::ZERO => PAUSE,
            wait => wait,
        }
    };
    select(app.clock.sleep(wait), Box::pin(state.wake.notified())).await;
}

/// Sleeps until something is due, or everything ends.
async fn sleep(app: &Arc<App>, state: &PoolState, pause: Option<Timestamp>) {
    while !app.stop.is_set() {
        let until = pause.unwrap_or_else(|| {
            let inner = state.inner.lock();
            if inner.let_down { (app.now() + PAUSE).min(inner.sleeps_until) } else { inner.sleeps_until }
        });
        if app.now() >= until {
            return;
        }
        select(app.clock.sleep_until(until), Box::pin(state.wake.notified())).await;
    }
}

/// Opens claimed vehicles and begins their reads; those that need none are stepped at once.
async fn begin(app: &Arc<App>, state: &Arc<PoolState>, due: Vec<Due>) -> Result<(), AppError> {
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
        let vehicle = due.vehicle.no;
        let opened = match mailbox::open(due.vehicle, key) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, vehicle.no = vehicle.0, "a due vehicle cannot be read from the store");
                continue;
            }
        };
        let webhooks = mailbox::webhooks_of(app, &opened.document, &Input::Tick);
        let refs: Vec<&Webhook> = webhooks.iter().map(|entry| entry.webhook()).collect();
        let wanted = vehicle::wanted(&opened.document, &opened.info, &refs, now);
        if wanted.is_empty() {
            let letter = letter(opened, Input::Tick, ticket);
            app.mailbox.put(letter).await?;
        } else {
            app.spawn.spawn("read", Box::pin(read(app.clone(), opened, wanted, ticket)));
        }
    }
    Ok(())
}

/// Reads one vehicle and puts what came of it into the mailbox.
async fn read(app: Arc<App>, opened: Opened, wanted: Vec<SignalId>, ticket: Ticket) {
    let source = opened.source.clone();
    let answered = in_time(&app, app.source.read(&source, &wanted)).await;
    metrics::read(&ticket.pool.name, if answered.is_ok() { "answered" } else { "failed" });
    let input = match answered {
        Ok(answers) => Input::Answers(answers),
        Err(fault) => Input::SourceFailed(wanted, fault),
    };
    if let Err(error) = app.mailbox.put(letter(opened, input, ticket)).await {
        tracing::debug!(%error, "a read came too late");
    }
}

/// What a source answers, or a fault when that takes too long, whatever the wall clock does meanwhile.
pub(crate) async fn in_time<T>(app: &App, mut read: BoxFuture<'_, Result<T, Fault>>) -> Result<T, Fault> {
    let until = app.clock.monotonic() + app.settings.reads.deadline;
    loop {
        let left = until.saturating_sub(app.clock.monotonic());
        if left.is_zero() {
            return Err(Fault::from(ErrorCode::UPSTREAM_NO_RESPONSE));
        }
        match select(read, app.clock.sleep(left)).await {
            Either::Left((answered, _)) => return answered,
            Either::Right((_, pending)) => read = pending,
        }
    }
}

fn letter(opened: Opened, input: Input, ticket: Ticket) -> Letter {
    Letter {
        vehicle: opened.no,
        input,
        opened: Some(Box::new(opened)),
        replies: Vec::new(),
        ticket: Some(ticket),
        tries: 0,
        joined: 1,
    }
}
