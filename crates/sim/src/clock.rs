//! Time that passes only when nothing else can happen.
//!
//! The wall clock is a function of the monotonic one, so it can jump, run at another rate, and stand still; the
//! monotonic one only goes on.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use app::ports::Clock;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use parking_lot::Mutex;

/// The clock of a world; clones are the same clock.
#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<Inner>>);

struct Inner {
    monotonic: Duration,
    /// What the wall clock showed at a monotonic moment, and how it has run since.
    anchor: (Duration, Timestamp),
    rate: Rate,
    /// So much later than asked for the application wakes from a pause, as it does on a machine with too much to do.
    late: Duration,
    /// Grows with each jump: whoever sleeps then is woken early, as the port allows.
    jumps: u64,
    next: u64,
    by_wall: BTreeMap<(Timestamp, u64), Option<Waker>>,
    by_monotonic: BTreeMap<(Duration, u64), Option<Waker>>,
}

/// How fast the wall clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Too fast by so many millionths; too slow when negative.
    Drift(i32),
    /// Not at all.
    Frozen,
}

impl Rate {
    fn wall(self, passed: Duration) -> Duration {
        match self {
            Self::Frozen => Duration::ZERO,
            Self::Drift(0) => passed,
            Self::Drift(ppm) => {
                let nanos = passed.as_nanos() as i128;
                let wall = nanos + nanos * i128::from(ppm) / 1_000_000;
                Duration::from_nanos(u64::try_from(wall).unwrap_or(0))
            }
        }
    }

    /// How much monotonic time passes, at least, until the wall clock has gone on by so much. `None` for never.
    fn monotonic(self, wall: Duration) -> Option<Duration> {
        match self {
            Self::Frozen => None,
            Self::Drift(0) => Some(wall),
            Self::Drift(ppm) => {
                let nanos = wall.as_nanos() as i128 * 1_000_000 / (1_000_000 + i128::from(ppm));
                Some(
                    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)) + Duration::from_micros(1),
                )
            }
        }
    }
}

impl Inner {
    fn wall(&self) -> Timestamp {
        self.anchor.1 + self.rate.wall(self.monotonic - self.anchor.0)
    }

    fn set_anchor(&mut self, wall: Timestamp) {
        self.anchor = (self.monotonic, wall);
    }

    /// When the wall clock will show this, in monotonic time, if it will.
    fn monotonic_of(&self, wall: Timestamp) -> Option<Duration> {
        let now = self.wall();
        if wall <= now {
            return Some(self.monotonic);
        }
        Some(self.monotonic + self.rate.monotonic(wall.since(now))?)
    }

    /// Wakes whose moment has come.
    fn fire(&mut self) {
        let (wall, monotonic) = (self.wall(), self.monotonic);
        while let Some(entry) = self.by_wall.first_entry().filter(|entry| entry.key().0 <= wall) {
            entry.remove().into_iter().for_each(Waker::wake);
        }
        while let Some(entry) = self.by_monotonic.first_entry().filter(|entry| entry.key().0 <= monotonic) {
            entry.remove().into_iter().for_each(Waker::wake);
        }
    }
}

impl VirtualClock {
    pub(crate) fn at(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            // A machine has been up for a while; nothing should take zero for a special moment.
            monotonic: Duration::from_secs(1_000),
            anchor: (Duration::from_secs(1_000), wall),
            rate: Rate::Drift(0),
            late: Duration::ZERO,
            jumps: 0,
            next: 0,
            by_wall: BTreeMap::new(),
            by_monotonic: BTreeMap::new(),
        })))
    }

    /// Sleeps by the monotonic clock: for what happens outside of the application.
    pub(crate) fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send + 'static {
        let until = self.0.lock().monotonic + pause;
        Sleep { clock: self.clone(), until: Until::Monotonic(until), timer: None }
    }

    /// The next moment at which somebody wakes, in monotonic time.
    pub(crate) fn next_wake(&self) -> Option<Duration> {
        let inner = self.0.lock();
        let wall = inner.by_wall.first_key_value().and_then(|(key, _)| inner.monotonic_of(key.0));
        let monotonic = inner.by_monotonic.first_key_value().map(|(key, _)| key.0);
        wall.into_iter().chain(monotonic).min()
    }

    /// Lets time pass until a monotonic moment.
    pub(crate) fn pass_to(&self, monotonic: Duration) {
        let mut inner = self.0.lock();
        inner.monotonic = inner.monotonic.max(monotonic);
        inner.fire();
    }

    /// When the wall clock will show this, in monotonic time, if it will.
    pub(crate) fn monotonic_of(&self, wall: Timestamp) -> Option<Duration> {
        self.0.lock().monotonic_of(wall)
    }

    /// Sets the wall clock.
    pub(crate) fn jump_to(&self, wall: Timestamp) {
        let mut inner = self.0.lock();
        inner.set_anchor(wall);
        inner.jumps += 1;
        let sleepers: Vec<_> = std::mem::take(&mut inner.by_wall).into_values().flatten().collect();
        drop(inner);
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// Lets the wall clock run otherwise from now on.
    pub(crate) fn set_rate(&self, rate: Rate) {
        let mut inner = self.0.lock();
        let wall = inner.wall();
        inner.set_anchor(wall);
        inner.rate = rate;
    }

    /// Lets the application wake so much later than it asked for, from now on.
    pub(crate) fn set_late(&self, by: Duration) {
        self.0.lock().late = by;
    }

    /// Forgets all sleepers: their process is gone.
    pub(crate) fn forget_sleepers(&self) {
        let mut inner = self.0.lock();
        let forgotten = (std::mem::take(&mut inner.by_wall), std::mem::take(&mut inner.by_monotonic));
        drop(inner);
        drop(forgotten);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().wall()
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().monotonic
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let jumps = self.0.lock().jumps;
        Box::pin(Sleep { clock: self.clone(), until: Until::Wall(at, jumps), timer: None })
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let inner = self.0.lock();
        let until = Until::Monotonic(inner.monotonic + time + inner.late);
        drop(inner);
        Box::pin(Sleep { clock: self.clone(), until, timer: None })
    }
}

struct Sleep {
    clock: VirtualClock,
    until: Until,
    timer: Option<u64>,
}

#[derive(Clone, Copy)]
enum Until {
    Monotonic(Duration),
    /// Or until the clock has jumped more often than this.
    Wall(Timestamp, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let inner = &mut *clock.0.lock();
        let over = match self.until {
            Until::Monotonic(until) => until <= inner.monotonic,
            Until::Wall(at, jumps) => at <= inner.wall() || inner.jumps > jumps,
        };
        if over {
            return Poll::Ready(());
        }
        let timer = *self.timer.get_or_insert_with(|| {
            inner.next += 1;
            inner.next
        });
        let waker = Some(cx.waker().clone());
        match self.until {
            Until::Monotonic(until) => inner.by_monotonic.insert((until, timer), waker),
            Until::Wall(at, _) => inner.by_wall.insert((at, timer), waker),
        };
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(timer) = self.timer else { return };
        let mut inner = self.clock.0.lock();
        let forgotten = match self.until {
            Until::Monotonic(until) => inner.by_monotonic.remove(&(until, timer)),
            Until::Wall(at, _) => inner.by_wall.remove(&(at, timer)),
        };
        // The last waker of a task takes along what the task holds, maybe other sleeps: not under the lock.
        drop(inner);
        drop(forgotten);
    }
}
