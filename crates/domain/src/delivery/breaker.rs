//! The breaker of a lane: while a receiver fails, new events wait at no cost.
//!
//! ```text
//!            several events fail in a row                     a success
//!   closed ────────────────────────────────► open ───────────────────────► ramp
//!      ▲                                       ▲     several fail in a row    │
//!      │                                       └──────────────────────────────┤
//!      └──────────────────────────────────────────────────────────────────────┘
//!                       the limit has doubled until it does not matter
//! ```
//!
//! Only *first* attempts are held back. Retries keep their exact times and are the probes that notice a recovery; where
//! none waits, a first attempt is the probe. On recovery the held events go out at a ramp, not as a burst.

use std::time::Duration;

use super::{AttemptResult, Class, Outcome};
use crate::{ids::EventNo, time::Timestamp};

/// When a breaker opens, and how it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many events must fail, with no success between, to open it; 1 at least.
    pub opens_after: u8,
    /// How long a first attempt is held back at most.
    pub hold_most: Duration,
    /// The pause between first attempts that go out in spite of an open breaker.
    pub probe_every: Duration,
    /// How many first attempts may be in flight right after a recovery; 1 at least.
    pub ramp_from: u32,
    /// From where on the ramp is over.
    pub ramp_to: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            opens_after: 5,
            hold_most: Duration::from_secs(15 * 60),
            probe_every: Duration::from_secs(20),
            ramp_from: 2,
            ramp_to: 256,
        }
    }
}

/// How many first attempts of a lane may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// As many as other limits allow.
    Any,
    /// So many.
    UpTo(u32),
    /// None before this moment. A retry that succeeds earlier changes that.
    HeldUntil(Timestamp),
}

/// What a lane has learned of its receiver.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    gate: Gate,
    /// The events that failed since the last success; as many as it takes to open at most.
    failed: Vec<EventNo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Closed,
    /// `probed_at`: when a first attempt last failed, or the breaker opened.
    Open {
        probed_at: Timestamp,
    },
    /// `successes` in a row under this limit.
    Ramp {
        limit: u32,
        successes: u32,
    },
}

impl Breaker {
    /// Closed.
    pub const fn new(settings: BreakerSettings) -> Self {
        Self { settings, gate: Gate::Closed, failed: Vec::new() }
    }

    /// Whether first attempts are held back.
    pub const fn is_open(&self) -> bool {
        matches!(self.gate, Gate::Open { .. })
    }

    /// The word of the API: `closed`, `open` (first attempts are held back) or `recovering` (they go out at a ramp).
    pub const fn as_str(&self) -> &'static str {
        match self.gate {
            Gate::Closed => "closed",
            Gate::Open { .. } => "open",
            Gate::Ramp { .. } => "recovering",
        }
    }

    /// How many first attempts may be in flight, when the oldest that waits was queued at `oldest`.
    ///
    /// `retries_wait` says whether the lane has a retry in flight or waiting for its time, which then is the probe.
    pub fn first_attempts(&self, oldest: Timestamp, retries_wait: bool, now: Timestamp) -> Allowance {
        match self.gate {
            Gate::Closed => Allowance::Any,
            Gate::Ramp { limit, .. } => Allowance::UpTo(limit),
            Gate::Open { probed_at } => {
                let probe_at = probed_at + self.settings.probe_every;
                let overdue_at = oldest + self.settings.hold_most;
                let goes_at = if retries_wait { probe_at.max(overdue_at) } else { probe_at };
                if goes_at <= now { Allowance::UpTo(1) } else { Allowance::HeldUntil(goes_at) }
            }
        }
    }

    /// Learns from an attempt that ended at `now`. What says nothing of the receiver changes nothing.
    pub fn observe(&mut self, event: EventNo, class: Class, result: AttemptResult, now: Timestamp) {
        match result.outcome() {
            Outcome::Accepted => self.succeeded(),
            Outcome::Failed => self.failed(event, class, now),
            Outcome::OwnFault | Outcome::Unsendable => {}
        }
    }

    fn succeeded(&mut self) {
        self.failed.clear();
        self.gate = match self.gate {
            Gate::Closed => Gate::Closed,
            Gate::Open { .. } => Gate::Ramp { limit: self.settings.ramp_from.max(1), successes: 0 },
            Gate::Ramp { limit, successes } if successes + 1 < limit => {
                Gate::Ramp { limit, successes: successes + 1 }
            }
            Gate::Ramp { limit, .. } if limit.saturating_mul(2) >= self.settings.ramp_to => Gate::Closed,
            Gate::Ramp { limit, .. } => Gate::Ramp { limit: limit * 2, successes: 0 },
        };
    }

    fn failed(&mut self, event: EventNo, class: Class, now: Timestamp) {
        if self.failed.len() < self.opens_after() && !self.failed.contains(&event) {
            self.failed.push(event);
        }
        self.gate = match self.gate {
            Gate::Open { .. } if class == Class::First => Gate::Open { probed_at: now },
            Gate::Open { probed_at } => Gate::Open { probed_at },
            _ if self.failed.len() >= self.opens_after() => Gate::Open { probed_at: now },
            Gate::Ramp { limit, .. } => Gate::Ramp { limit, successes: 0 },
            Gate::Closed => Gate::Closed,
        };
    }

    fn opens_after(&self) -> usize {
        usize::from(self.settings.opens_after.max(1))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::delivery::Failure;

    const SETTINGS: BreakerSettings = BreakerSettings {
        opens_after: 3,
        hold_most: Duration::from_secs(100),
        probe_every: Duration::from_secs(20),
        ramp_from: 2,
        ramp_to: 16,
    };

    /// Plays a lane from second 0 and writes down the allowance after each step, while a retry waits and the oldest held
    /// event was queued at second 0: `*` any, a number, or `<` the second until which first attempts are held.
    ///
    /// `x4` first attempt of event 4 fails, `r4` a retry of it fails, `o4` one succeeds, `l4` a fault of our own, `+9`
    /// nine seconds pass.
    fn check(script: &str, expected: Expect) {
        let (mut breaker, mut now) = (Breaker::new(SETTINGS), Timestamp::from_secs(0));
        let mut told = Vec::new();
        for step in script.split_whitespace() {
            let (action, number) = step.split_at(1);
            let number: u32 = number.parse().unwrap();
            let mut observe = |class, result| breaker.observe(EventNo(number.into()), class, result, now);
            match action {
                "x" => observe(Class::First, AttemptResult::Answered { status: 500 }),
                "r" => observe(Class::Retry, AttemptResult::Failed(Failure::TimedOut)),
                "o" => observe(Class::Retry, AttemptResult::Answered { status: 200 }),
                "l" => observe(Class::First, AttemptResult::Failed(Failure::Local)),
                "+" => now = now + Duration::from_secs(number.into()),
                _ => panic!("no such step: {step}"),
            }
            told.push(match breaker.first_attempts(Timestamp::from_secs(0), true, now) {
                Allowance::Any => "*".to_owned(),
                Allowance::UpTo(limit) => limit.to_string(),
                Allowance::HeldUntil(at) => format!("<{}", at.as_secs()),
            });
        }
        expected.assert_eq(&told.join(" "));
    }

    #[test]
    fn several_events_that_fail_in_a_row_hold_new_ones_back() {
        check("x1 x2 x3", expect!["* * <100"]);
    }

    #[test]
    fn one_event_that_fails_again_and_again_holds_nothing_back() {
        check("x1 r1 r1 r1 r1 r1", expect!["* * * * * *"]);
    }

    #[test]
    fn a_success_between_failures_keeps_the_lane_open() {
        check("x1 x2 o9 x3 x4 o9 x5 x6", expect!["* * * * * * * *"]);
    }

    #[test]
    fn our_own_faults_say_nothing_of_the_receiver() {
        check("x1 x2 l3 l4 l5 x6 l7", expect!["* * * * * <100 <100"]);
    }

    #[test]
    fn fault_e8_after_a_recovery_the_lane_drains_at_a_ramp() {
        check(
            "x1 x2 x3 o1 o2 o3 o4 o5 o6 o7 o8 o9 o10 o11 o12 o13 o14 o15",
            expect!["* * <100 2 2 4 4 4 4 8 8 8 8 8 8 8 8 *"],
        );
    }

    #[test]
    fn a_failure_on_the_ramp_starts_its_step_again() {
        check("x1 x2 x3 o1 o2 o3 o4 x5 o6 o7 o8 o9", expect!["* * <100 2 2 4 4 4 4 4 4 8"]);
    }

    #[test]
    fn a_receiver_that_fails_on_the_ramp_is_left_alone_again() {
        check("x1 x2 x3 o1 o2 x4 x5 x6", expect!["* * <100 2 2 2 2 <100"]);
    }

    #[test]
    fn events_held_for_long_enough_go_out_one_at_a_time() {
        check("x1 x2 x3 +99 +1 x4 +19 +1 x5", expect!["* * <100 <100 1 <120 <120 1 <140"]);
    }

    #[test]
    fn failing_retries_do_not_prolong_the_hold() {
        check("x1 x2 x3 +95 r1 r2 r3 r4 r5 +5", expect!["* * <100 <100 <100 <100 <100 <100 <100 1"]);
    }

    #[test]
    fn where_no_retry_waits_a_first_attempt_is_the_probe() {
        let mut breaker = Breaker::new(BreakerSettings { opens_after: 1, ..SETTINGS });
        let opened_at = Timestamp::from_secs(50);
        breaker.observe(EventNo(1), Class::First, AttemptResult::Answered { status: 500 }, opened_at);
        let probe_at = opened_at + SETTINGS.probe_every;
        let allowed = |now| breaker.first_attempts(opened_at, false, now);
        assert_eq!(allowed(opened_at), Allowance::HeldUntil(probe_at));
        assert_eq!(allowed(probe_at), Allowance::UpTo(1));
    }
}
