//! Whether readings are taken in now: how an application's events lag is looked at when somebody pushes, and at most every
//! few milliseconds. See [`domain::delivery::Pressure`] for what follows from it.

use std::{sync::Arc, time::Duration};

use domain::{
    delivery::{Admission, Pressure},
    ids::ApplicationNo,
};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::ingest::MOST_IN_FLIGHT;
use crate::{App, AppError};

/// For so long a look at the lanes is good.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What is counted in a second is smoothed over about so long.
const SMOOTHED_OVER: Duration = Duration::from_millis(500);
/// A sleep of this length shows how late work begins that is ready.
const NAP: Duration = Duration::from_millis(5);
/// A timer may be a millisecond late on an idle machine.
const LATE: Duration = Duration::from_millis(4);
/// After work began late, the machine counts as busy for so long.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// Requests of one application that wait; more are sent away at once.
const MOST_WAITING: u32 = 64;
/// Readings of a request, before they have been counted.
const GUESS: u64 = 100;
/// Readings of one application that are being taken in at once: half of all, so that there is room for others.
const MOST_OF_ONE: u64 = MOST_IN_FLIGHT as u64 / 2;

/// What is known of how events lag.
#[derive(Default)]
pub(crate) struct Lag {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    applications: HashMap<ApplicationNo, OfApplication>,
    looked_at: Duration,
    /// A nap is under way.
    naps: bool,
    /// When work last began late.
    late_at: Option<Duration>,
}

#[derive(Clone, Copy, Default)]
struct OfApplication {
    /// As the lanes showed when they were looked at.
    seen: LaneTotals,
    /// Attempts that end in a second, smoothed.
    per_second: f64,
    /// Events that a reading fires, smoothed.
    fan_out: Option<f64>,
    /// Readings that were admitted since the lanes were looked at.
    since: u64,
    /// Readings that are being taken in.
    in_work: u64,
    /// Requests that wait.
    waiting: u32,
}

/// What the lanes of an application have done and have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneTotals {
    /// Events that wait for receivers which answer promptly.
    pub(crate) pending: u64,
    /// Events handed over since the start.
    pub(crate) handed_over: u64,
    /// Attempts that have ended since the start.
    pub(crate) ended: u64,
}

/// Leave to take readings in. They count as being taken in until this is dropped.
pub struct Admitted<'a> {
    lag: &'a Lag,
    application: ApplicationNo,
    readings: u64,
}

/// A request that waits.
struct Waits<'a>(&'a Lag, ApplicationNo);

impl OfApplication {
    fn look(&mut self, now: LaneTotals, passed: Duration) {
        let weight = (passed.as_secs_f64() / SMOOTHED_OVER.as_secs_f64()).min(1.0);
        let ended = now.ended.saturating_sub(self.seen.ended) as f64 / passed.as_secs_f64().max(0.001);
        self.per_second += (ended - self.per_second) * weight;
        if self.since > 0 {
            let fired = now.handed_over.saturating_sub(self.seen.handed_over) as f64 / self.since as f64;
            let usual = self.fan_out.unwrap_or(fired);
            self.fan_out = Some(usual + (fired - usual) * weight);
        }
        self.since = 0;
        self.seen = now;
    }

    fn pressure(&self, is_busy: bool) -> Pressure {
        let readings = self.in_work.max(self.since);
        let coming = (readings as f64 * self.fan_out.unwrap_or(1.0)) as u64;
        Pressure { is_busy, pending: self.seen.pending, coming, per_second: self.per_second }
    }
}

impl App {
    /// Waits until readings of an application may be taken in, as long as that is worth it.
    ///
    /// # Errors
    ///
    /// [`AppError::TooOften`], with the time after which there is room.
    pub async fn admit_readings(
        self: &Arc<Self>,
        application: ApplicationNo,
    ) -> Result<Admitted<'_>, AppError> {
        let begun = self.clock.monotonic();
        let mut waits = None;
        loop {
            let now = self.clock.monotonic();
            let pause = match self.pressure(application, now).admission(now.saturating_sub(begun)) {
                Admission::Now => return Ok(self.lag.admit(application)),
                Admission::ComeBack(after) => return Err(come_back(after)),
                Admission::Wait(pause) => pause,
            };
            if waits.is_none() {
                waits = Some(self.lag.wait(application)?);
            }
            self.clock.sleep(pause * self.settings.pace).await;
        }
    }

    fn pressure(self: &Arc<Self>, application: ApplicationNo, now: Duration) -> Pressure {
        let inner = &mut *self.lag.inner.lock();
        let passed = now.saturating_sub(inner.looked_at);
        if passed >= LOOK_EVERY {
            inner.looked_at = now;
            let totals = self.lanes.totals(self.now());
            for (application, of) in &mut inner.applications {
                of.look(totals.get(application).copied().unwrap_or_default(), passed);
            }
            if !std::mem::replace(&mut inner.naps, true) {
                self.spawn.spawn("nap", Box::pin(nap(self.clone())));
            }
        }
        let is_busy = inner.late_at.is_some_and(|at| now.saturating_sub(at) < BUSY_FOR);
        inner.applications.entry(application).or_default().pressure(is_busy)
    }
}

/// Sleeps for a moment and takes note of how late it was woken.
async fn nap(app: Arc<App>) {
    let begun = app.clock.monotonic();
    app.clock.sleep(NAP * app.settings.pace).await;
    let now = app.clock.monotonic();
    let inner = &mut *app.lag.inner.lock();
    inner.naps = false;
    if now.saturating_sub(begun) >= NAP + LATE {
        inner.late_at = Some(now);
    }
}

fn come_back(after: Duration) -> AppError {
    AppError::TooOften(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}

impl Lag {
    fn admit(&self, application: ApplicationNo) -> Admitted<'_> {
        let inner = &mut *self.inner.lock();
        let of = inner.applications.entry(application).or_default();
        of.since += GUESS;
        of.in_work += GUESS;
        Admitted { lag: self, application, readings: GUESS }
    }

    fn wait(&self, application: ApplicationNo) -> Result<Waits<'_>, AppError> {
        let inner = &mut *self.inner.lock();
        let of = inner.applications.entry(application).or_default();
        if of.waiting >= MOST_WAITING {
            return Err(come_back(Duration::from_secs(1)));
        }
        of.waiting += 1;
        Ok(Waits(self, application))
    }
}

impl Admitted<'_> {
    /// How many readings there are.
    ///
    /// # Errors
    ///
    /// [`AppError::TooOften`], when the application has too many in work.
    pub fn expect(&mut self, readings: usize) -> Result<(), AppError> {
        let inner = &mut *self.lag.inner.lock();
        let of = inner.applications.entry(self.application).or_default();
        let readings = readings as u64;
        of.in_work = of.in_work - self.readings + readings;
        of.since = (of.since + readings).saturating_sub(self.readings);
        self.readings = readings;
        if of.in_work > MOST_OF_ONE { Err(come_back(Duration::from_secs(1))) } else { Ok(()) }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some(of) = self.lag.inner.lock().applications.get_mut(&self.application) {
            of.in_work -= self.readings;
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(of) = self.0.inner.lock().applications.get_mut(&self.1) {
            of.waiting -= 1;
        }
    }
}
