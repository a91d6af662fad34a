//! What follows an attempt.

use std::time::Duration;

use super::{Attempt, History, Outcome};
use crate::time::Timestamp;

/// When an event is tried again, and when it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    pauses: &'static [Duration],
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the receiver has the event.
    Delivered,
    /// Another attempt, then.
    RetryAt(Timestamp),
    /// Nothing: the event has failed.
    Abandon(Reason),
}

/// Why an event is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Every attempt that it had has failed.
    RetriesUsedUp,
    /// It can never be sent: its body is too large.
    Unsendable,
}

impl RetryPolicy {
    /// The least pause between the end of an attempt and the next. It only shows after attempts that overran their time,
    /// because the shortest pause of a policy is longer than the 15 seconds that an attempt may take by this much.
    const BREATH: Duration = Duration::from_secs(5);
    /// The pause after a fault of our own, doubled with each that follows directly.
    const OWN_FAULT: Duration = Duration::from_secs(1);
    /// The longest pause after a fault of our own.
    const OWN_FAULT_MOST: Duration = Duration::from_secs(64);

    /// Of scheduled webhooks: five retries within ten minutes.
    pub const fn scheduled() -> Self {
        const PAUSES: [Duration; 5] = [
            Duration::from_secs(20),
            Duration::from_secs(40),
            Duration::from_secs(80),
            Duration::from_secs(160),
            Duration::from_secs(300),
        ];
        Self { pauses: &PAUSES }
    }

    /// Of dynamic and eventBased webhooks: six retries, each after twice the pause of the one before.
    pub const fn dynamic() -> Self {
        const PAUSES: [Duration; 6] = [
            Duration::from_secs(30),
            Duration::from_secs(60),
            Duration::from_secs(120),
            Duration::from_secs(240),
            Duration::from_secs(480),
            Duration::from_secs(960),
        ];
        Self { pauses: &PAUSES }
    }

    /// Of unified webhooks: three retries, then the event is dropped.
    pub const fn unified() -> Self {
        const PAUSES: [Duration; 3] =
            [Duration::from_secs(25), Duration::from_secs(50), Duration::from_secs(100)];
        Self { pauses: &PAUSES }
    }

    /// Decides what follows the newest attempt of the history.
    ///
    /// The pauses are the generation's own, so they are exact, without jitter. They run from the start of the failed
    /// attempt: a receiver that lets every attempt time out gets the same ones at the same times as one that refuses
    /// them at once. A fault of our own does not spend a retry.
    ///
    /// # Panics
    ///
    /// Before the first attempt.
    pub fn after(&self, history: &History) -> Verdict {
        let attempt = history.last().expect("something is decided after an attempt");
        match attempt.result.outcome() {
            Outcome::Accepted => Verdict::Delivered,
            Outcome::Unsendable => Verdict::Abandon(Reason::Unsendable),
            Outcome::OwnFault => Verdict::RetryAt(after_own_fault(attempt, history.own_faults_in_a_row())),
            Outcome::Failed => match self.pauses.get(history.failures() - 1) {
                Some(&pause) => {
                    Verdict::RetryAt((attempt.started_at + pause).max(attempt.ended_at() + Self::BREATH))
                }
                None => Verdict::Abandon(Reason::RetriesUsedUp),
            },
        }
    }
}

/// Whether the end of an event switches its webhook off.
///
/// It does when its retries are used up and nothing of the webhook was delivered since its first attempt began: one
/// event that a receiver cannot digest must not stop those that it can.
pub fn switches_off(reason: Reason, began_at: Timestamp, last_delivered_at: Option<Timestamp>) -> bool {
    reason == Reason::RetriesUsedUp && last_delivered_at.is_none_or(|at| at < began_at)
}

fn after_own_fault(attempt: &Attempt, in_a_row: usize) -> Timestamp {
    let doublings = u32::try_from(in_a_row.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let pause = RetryPolicy::OWN_FAULT * 2_u32.pow(doublings);
    attempt.ended_at() + pause.min(RetryPolicy::OWN_FAULT_MOST)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::delivery::{AttemptResult, Failure};

    const ALWAYS_500: AttemptResult = AttemptResult::Answered { status: 500 };

    /// Plays an event against a script of results, the last one for ever, and writes down when it is tried, in seconds.
    fn check(took_ms: u32, script: &[AttemptResult], expected: Expect) {
        let (mut history, mut now) = (History::default(), Timestamp::from_secs(0));
        let mut tried = Vec::new();
        loop {
            let result = script.get(tried.len()).or(script.last()).copied().unwrap();
            tried.push(now.as_secs().to_string());
            history.push(Attempt { started_at: now, took_ms, result });
            match RetryPolicy::scheduled().after(&history) {
                Verdict::RetryAt(_) if tried.len() == 14 => tried.push("…".to_owned()),
                Verdict::RetryAt(at) => {
                    now = at;
                    continue;
                }
                verdict => tried.push(format!("{verdict:?}")),
            }
            return expected.assert_eq(&tried.join(" "));
        }
    }

    #[test]
    fn row_r09_six_attempts_are_spread_over_ten_minutes() {
        check(30, &[ALWAYS_500], expect!["0 20 60 140 300 600 Abandon(RetriesUsedUp)"]);
    }

    #[test]
    fn row_r09_holds_for_a_receiver_that_never_answers() {
        let hangs = AttemptResult::Failed(Failure::TimedOut);
        check(15_000, &[hangs], expect!["0 20 60 140 300 600 Abandon(RetriesUsedUp)"]);
    }

    #[test]
    fn fault_e16_no_attempt_begins_before_the_last_one_has_ended() {
        let hangs = AttemptResult::Failed(Failure::TimedOut);
        check(50_000, &[hangs], expect!["0 55 110 190 350 650 Abandon(RetriesUsedUp)"]);
    }

    #[test]
    fn row_r12_a_success_ends_the_attempts() {
        check(30, &[ALWAYS_500, AttemptResult::Answered { status: 202 }], expect!["0 20 Delivered"]);
    }

    #[test]
    fn row_r03_every_status_that_is_not_success_is_retried() {
        for status in [301, 302, 307, 400, 401, 404, 409, 410, 413, 429, 500, 503] {
            let refused = AttemptResult::Answered { status };
            check(30, &[refused], expect!["0 20 60 140 300 600 Abandon(RetriesUsedUp)"]);
        }
    }

    #[test]
    fn row_r04_every_failure_to_reach_the_receiver_is_retried() {
        for &failure in Failure::ALL {
            let is_ours =
                matches!(failure, Failure::Local | Failure::ProxyUnreachable | Failure::ProxyAuthentication);
            if !is_ours && failure != Failure::BodyTooLarge {
                let failed = AttemptResult::Failed(failure);
                check(30, &[failed], expect!["0 20 60 140 300 600 Abandon(RetriesUsedUp)"]);
            }
        }
    }

    #[test]
    fn row_n05_a_body_that_is_too_large_is_given_up_at_once() {
        check(0, &[AttemptResult::Failed(Failure::BodyTooLarge)], expect!["0 Abandon(Unsendable)"]);
    }

    #[test]
    fn our_own_faults_are_retried_at_growing_pauses_without_end() {
        for failure in [Failure::Local, Failure::ProxyUnreachable, Failure::ProxyAuthentication] {
            let ours = AttemptResult::Failed(failure);
            check(0, &[ours], expect!["0 1 3 7 15 31 63 127 191 255 319 383 447 511 …"]);
        }
    }

    #[test]
    fn our_own_faults_spend_no_retries() {
        let local = AttemptResult::Failed(Failure::Local);
        let script = [local, ALWAYS_500, local, local, ALWAYS_500];
        check(0, &script, expect!["0 1 21 22 24 64 144 304 604 Abandon(RetriesUsedUp)"]);
    }

    #[test]
    fn a_webhook_is_switched_off_only_if_nothing_arrived_since_the_first_attempt() {
        let began_at = Timestamp::from_secs(1_000);
        for (last_delivered_at, off) in
            [(None, true), (Some(999), true), (Some(1_000), false), (Some(1_500), false)]
        {
            let last_delivered_at = last_delivered_at.map(Timestamp::from_secs);
            assert_eq!(switches_off(Reason::RetriesUsedUp, began_at, last_delivered_at), off);
        }
    }

    #[test]
    fn an_event_that_can_never_be_sent_switches_nothing_off() {
        assert!(!switches_off(Reason::Unsendable, Timestamp::from_secs(0), None));
    }
}
