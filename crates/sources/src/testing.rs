//! A clock for tests: time passes only when somebody sleeps or the test says so.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use app::ports::Clock;
use domain::time::Timestamp;

/// A moment on which nothing special happens.
pub(crate) const NOON: Timestamp = Timestamp::from_secs(1_770_000_000);

pub(crate) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

pub(crate) const fn hours(hours: u64) -> Duration {
    minutes(hours * 60)
}

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_micros()))
    }

    pub(crate) fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_micros(0))
    }

    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.0.fetch_max(at.as_micros(), Relaxed);
        Box::pin(ready(()))
    }
}
