//! The machine's time, chance and tasks, as the application's ports see them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use app::ports::{Clock, Dice, Spawn};
use domain::time::Timestamp;
use futures::future::BoxFuture;

/// The longest time that a sleep trusts the wall clock not to jump.
const SLICE: Duration = Duration::from_secs(1);

/// The machine's wall clock, or a clock of its own that runs faster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineClock {
    begun: Instant,
    pace: Option<Pace>,
}

/// A clock that begins somewhere and runs so many times faster than time.
#[derive(Clone, Copy, Debug)]
struct Pace {
    from: Timestamp,
    speed: f64,
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else has to ask")]
impl MachineClock {
    /// The wall clock.
    pub(crate) fn wall() -> Self {
        Self { begun: Instant::now(), pace: None }
    }

    /// A clock that says `from` now and runs `speed` times faster than time.
    pub(crate) fn paced(from: Timestamp, speed: f64) -> Self {
        Self { begun: Instant::now(), pace: Some(Pace { from, speed }) }
    }

    fn read(&self) -> Timestamp {
        match self.pace {
            Some(pace) => pace.from + self.begun.elapsed().mul_f64(pace.speed),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
        }
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        self.read()
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    fn rate_time(&self) -> Duration {
        self.elapsed().mul_f64(self.pace.map_or(1.0, |pace| pace.speed))
    }

    #[expect(clippy::disallowed_methods, reason = "this is what sleeping on the clock means")]
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let clock = *self;
        let speed = self.pace.map_or(1.0, |pace| pace.speed);
        Box::pin(async move {
            loop {
                let left = at.since(clock.read()).div_f64(speed);
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(SLICE)).await;
            }
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is what sleeping on the clock means")]
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time.div_f64(self.pace.map_or(1.0, |pace| pace.speed))))
    }
}

/// The machine's random generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineDice;

impl Dice for MachineDice {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the random generator that everybody else has to ask"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }
}

/// Tasks of the runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineSpawn;

impl Spawn for MachineSpawn {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        tracing::trace!(task = name, "started");
        tokio::spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work);
    }
}
