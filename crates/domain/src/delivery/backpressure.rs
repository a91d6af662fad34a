//! When readings are taken in while events lag.
//!
//! Taking readings in is cheaper than sending what they fire, and both share processors and the store. Without a bound, a
//! feed that pushes as fast as it is answered takes what deliveries need, and events come late for as long as it lasts. So
//! while the machine has more to do than it can, an application may push only as long as few of its own events wait: each
//! delivery makes room for more, and the queue keeps deliveries busy without growing.
//!
//! Events that wait for a receiver that is slow or hangs are not counted: that is no reason to take nothing in, and the
//! queue on disk is made for it. An idle machine takes everything.

use std::time::Duration;

/// How an application's events lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pressure {
    /// Work that is ready begins late.
    pub is_busy: bool,
    /// Events that wait for receivers which answer promptly.
    pub pending: u64,
    /// Events that readings which are being taken in will fire, as far as can be guessed.
    pub coming: u64,
    /// Attempts that end in a second.
    pub per_second: f64,
}

/// What becomes of a request with readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is taken in.
    Now,
    /// It waits so long and asks again.
    Wait(Duration),
    /// It is sent away; there will be room after so long.
    ComeBack(Duration),
}

/// Events that may wait are those of a quarter of a second, and between these bounds.
const WAITING: Duration = Duration::from_millis(250);
const LEAST_WAITING: u64 = 1_024;
const MOST_WAITING: u64 = 4_096;
/// How long a request waits at most. What has ended meanwhile shows how long the rest takes.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause before it asks again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));
/// The longest time that anybody is sent away for.
const LONGEST: Duration = Duration::from_secs(60);
/// Attempts in a second that are reckoned with before any were counted.
const LEAST_PER_SECOND: f64 = 250.0;

impl Pressure {
    /// What becomes of a request that has waited so long.
    pub fn admission(self, waited: Duration) -> Admission {
        let per_second = self.per_second.max(LEAST_PER_SECOND);
        let allowed = ((per_second * WAITING.as_secs_f64()) as u64).clamp(LEAST_WAITING, MOST_WAITING);
        let ahead = self.pending.saturating_add(self.coming);
        if !self.is_busy || ahead < allowed {
            return Admission::Now;
        }
        let room_after = Duration::from_secs_f64(((ahead - allowed + 1) as f64 / per_second).min(3_600.0));
        if waited >= PATIENCE {
            return Admission::ComeBack(room_after.clamp(Duration::from_secs(1), LONGEST));
        }
        Admission::Wait(room_after.clamp(PAUSE.0, PAUSE.1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn lagging(pending: u64, coming: u64, per_second: f64) -> Pressure {
        Pressure { is_busy: true, pending, coming, per_second }
    }

    #[test]
    fn an_application_pushes_while_few_of_its_events_wait() {
        use Admission::{ComeBack, Now, Wait};
        let millis = Duration::from_millis;
        for (pressure, waited, expected) in [
            (lagging(0, 0, 0.0), 0, Now),
            (lagging(1_023, 0, 0.0), 0, Now),
            (lagging(1_999, 0, 8_000.0), 0, Now),
            (lagging(1_999, 1, 8_000.0), 0, Wait(millis(5))),
            (lagging(2_399, 0, 8_000.0), 0, Wait(millis(50))),
            (lagging(9_999, 0, 8_000.0), 0, Wait(millis(100))),
            (lagging(41_999, 0, 0.0), 2_999, Wait(millis(100))),
            (lagging(9_999, 0, 8_000.0), 3_000, ComeBack(millis(1_000))),
            (lagging(41_999, 0, 8_000.0), 3_000, ComeBack(millis(5_000))),
            (lagging(u64::MAX, 9, 8_000.0), 3_000, ComeBack(millis(60_000))),
            (Pressure { is_busy: false, ..lagging(1_000_000, 0, 10.0) }, 0, Now),
        ] {
            assert_eq!(pressure.admission(millis(waited)), expected, "{pressure:?}");
        }
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_the_patience_and_nobody_is_sent_away_while_there_is_room(
            pending in any::<u64>(),
            coming in any::<u64>(),
            per_second in 0.0..1e6_f64,
            waited in 0..10_000_u64,
        ) {
            match lagging(pending, coming, per_second).admission(Duration::from_millis(waited)) {
                Admission::Now => prop_assert!(pending < MOST_WAITING && coming < MOST_WAITING),
                Admission::Wait(pause) => prop_assert!(pause <= PAUSE.1 && waited < 3_000),
                Admission::ComeBack(after) => {
                    prop_assert!((1..=60).contains(&after.as_secs()) && pending.saturating_add(coming) >= LEAST_WAITING);
                }
            }
        }
    }
}
