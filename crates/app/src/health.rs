//! What works and what does not: loops, the store, the clock.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use domain::time::Timestamp;
use parking_lot::Mutex;
use store::StoreError;
use tokio::sync::Notify;

/// A loop that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopStatus {
    /// Tasks of this name that run.
    pub running: u32,
    /// One of them has ended though nobody asked it to: the process should stop with a failure.
    pub died: bool,
}

#[derive(Default)]
struct State {
    loops: BTreeMap<&'static str, LoopStatus>,
    store: Option<String>,
    clock: Option<String>,
    /// Since when the clock has been behind: what it said then, and the monotonic clock.
    behind: Option<(Timestamp, Duration)>,
    space: Option<String>,
    damage: Option<String>,
    /// Recordings that cannot be replayed, by name; what is wrong costs only their cars.
    recordings: BTreeMap<String, String>,
}

/// What works and what does not.
pub struct Health {
    state: Mutex<State>,
    started_at: Timestamp,
    died: Notify,
    sweeper: Notify,
}

impl Health {
    pub(crate) fn new(started_at: Timestamp) -> Self {
        Self { state: Mutex::default(), started_at, died: Notify::new(), sweeper: Notify::new() }
    }

    /// When the application was started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// What is wrong now; nothing when all is well.
    pub fn problems(&self) -> Vec<String> {
        let state = self.state.lock();
        let dead = state.loops.iter().filter(|(_, status)| status.died);
        let dead = dead.map(|(name, _)| format!("the {name} loop has ended"));
        [&state.damage, &state.store, &state.clock, &state.space]
            .into_iter()
            .flatten()
            .cloned()
            .chain(dead)
            .collect()
    }

    /// Recordings that could not be replayed since the start, with what is wrong.
    pub fn recordings(&self) -> BTreeMap<String, String> {
        self.state.lock().recordings.clone()
    }

    /// Notes that a recording cannot be replayed. A bounded number of them is kept.
    pub fn recording_failed(&self, name: &str, problem: &str) {
        /// Names that are kept.
        const MOST: usize = 100;
        let recordings = &mut self.state.lock().recordings;
        if recordings.len() < MOST || recordings.contains_key(name) {
            recordings.insert(name.to_owned(), problem.to_owned());
        }
    }

    /// Every loop by name.
    pub fn loops(&self) -> BTreeMap<&'static str, LoopStatus> {
        self.state.lock().loops.clone()
    }

    /// Returns when a loop has ended though nobody asked it to.
    pub async fn a_loop_died(&self) {
        self.died.notified().await;
    }

    /// The clock is off so far that nothing scheduled may happen.
    pub fn clock_is_off(&self) -> bool {
        self.state.lock().clock.is_some()
    }

    /// The last write has failed, and no heartbeat was written since.
    pub(crate) fn store_is_failing(&self) -> bool {
        self.state.lock().store.is_some()
    }

    pub(crate) fn begun(&self, name: &'static str) {
        self.state.lock().loops.entry(name).or_insert(LoopStatus { running: 0, died: false }).running += 1;
    }

    pub(crate) fn ended(&self, name: &'static str, asked: bool) {
        if let Some(status) = self.state.lock().loops.get_mut(name) {
            status.running -= 1;
            status.died |= !asked;
        }
        if !asked {
            self.died.notify_one();
        }
    }

    pub(crate) fn store_failed(&self, error: &StoreError) {
        self.state.lock().store = Some(error.to_string());
    }

    pub(crate) fn store_works(&self) {
        self.state.lock().store = None;
    }

    pub(crate) fn set_clock(&self, problem: Option<String>) {
        self.state.lock().clock = problem;
    }

    /// The clock is behind what was written; for how long it has been, as long as it ran evenly.
    pub(crate) fn clock_is_behind(&self, now: Timestamp, monotonic: Duration) -> Duration {
        const UNEVEN: Duration = Duration::from_secs(60);
        let mut state = self.state.lock();
        let (then, begun) = *state.behind.get_or_insert((now, monotonic));
        let passed = monotonic.saturating_sub(begun);
        let (told, most) = (now.since(then), passed + UNEVEN);
        if now < then || told > most || told + UNEVEN < passed {
            state.behind = Some((now, monotonic));
            return Duration::ZERO;
        }
        passed
    }

    pub(crate) fn clock_keeps_up(&self) {
        self.state.lock().behind = None;
    }

    pub(crate) fn set_damage(&self, what: Option<&str>) {
        self.state.lock().damage = what.map(|what| {
            format!(
                "the database is damaged ({what}): stop the server and put a backup in its place with \
                 `milepost restore BACKUP --data DIR --force`; the damaged files are kept beside it"
            )
        });
    }

    pub(crate) fn set_space(&self, problem: Option<String>) {
        self.state.lock().space = problem;
    }

    pub(crate) fn wake_sweeper(&self) {
        self.sweeper.notify_one();
    }

    pub(crate) async fn sweeper_woken(&self) {
        self.sweeper.notified().await;
    }
}

/// The wish that everything ends.
#[derive(Default)]
pub(crate) struct Stop {
    set: AtomicBool,
    notify: Notify,
}

impl Stop {
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// Returns when the wish is there.
    pub(crate) async fn wished(&self) {
        let notified = self.notify.notified();
        if !self.is_set() {
            notified.await;
        }
    }
}
