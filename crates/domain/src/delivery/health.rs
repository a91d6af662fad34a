//! How the receiver of a webhook does, from the results of attempts, and when that is news.
//!
//! A receiver fails from its first failed attempt until an attempt succeeds. An operator is to hear of that once and not with
//! every attempt, and a receiver that goes up and down all the time must not fill a log. So a change is reported at once if the last
//! report was long enough ago, and otherwise with the first attempt after that, if it still holds.

use std::time::Duration;

use super::{AttemptResult, Outcome};
use crate::time::Timestamp;

/// The least time between two reports about one webhook.
const BETWEEN_REPORTS: Duration = Duration::from_secs(60);

/// How a receiver does, as far as its attempts have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverHealth {
    /// The start of the attempt from which on it has failed; `None` while it does not.
    pub failing_since: Option<Timestamp>,
    /// The last failed attempt.
    pub last_failure: Option<LastFailure>,
    was_reported_failing: bool,
    reported_at: Option<Timestamp>,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// When it ended.
    pub at: Timestamp,
    /// What it came to.
    pub result: AttemptResult,
}

/// What is news about a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthReport {
    /// It has begun to fail.
    Failing,
    /// It takes events again.
    Recovered,
}

impl ReceiverHealth {
    /// Learns from an attempt. What says nothing of the way to the receiver changes nothing.
    pub fn observe(
        &mut self,
        result: AttemptResult,
        started_at: Timestamp,
        ended_at: Timestamp,
    ) -> Option<HealthReport> {
        match result.outcome() {
            Outcome::Accepted => self.failing_since = None,
            Outcome::Failed | Outcome::OwnFault => {
                self.failing_since.get_or_insert(started_at);
                self.last_failure = Some(LastFailure { at: ended_at, result });
            }
            Outcome::Unsendable => return None,
        }
        self.report(ended_at)
    }

    fn report(&mut self, now: Timestamp) -> Option<HealthReport> {
        let is_failing = self.failing_since.is_some();
        let is_due = self.reported_at.is_none_or(|at| now.since(at) >= BETWEEN_REPORTS);
        if is_failing == self.was_reported_failing || !is_due {
            return None;
        }
        self.was_reported_failing = is_failing;
        self.reported_at = Some(now);
        Some(if is_failing { HealthReport::Failing } else { HealthReport::Recovered })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::delivery::Failure;

    /// Attempts at these seconds, `+` for one that succeeded; what was reported, and since when it fails at the end.
    fn check(attempts: &str, expected: Expect) {
        let mut health = ReceiverHealth::default();
        let mut said = Vec::new();
        for attempt in attempts.split(' ') {
            let (result, second) = match attempt.strip_prefix('+') {
                Some(second) => (AttemptResult::Answered { status: 204 }, second),
                None => (AttemptResult::Answered { status: 500 }, attempt),
            };
            let at = Timestamp::from_secs(second.parse().unwrap());
            said.extend(health.observe(result, at, at).map(|report| format!("{second} {report:?}")));
        }
        let since = health.failing_since.map(Timestamp::as_secs);
        expected.assert_eq(&format!("{}; {since:?}", said.join(", ")));
    }

    #[test]
    fn the_first_failure_is_reported_and_the_others_are_not() {
        check("+0 10 20 100 200 1000", expect!["10 Failing; Some(10)"]);
    }

    #[test]
    fn a_recovery_is_reported_once() {
        check("10 90 +100 +200 +300", expect!["10 Failing, 100 Recovered; None"]);
        check("+0 +100", expect!["; None"]);
    }

    #[test]
    fn a_receiver_that_goes_up_and_down_is_reported_once_a_minute() {
        check("0 +5 10 +15 20 +61 65 +70 130", expect!["0 Failing, 61 Recovered, 130 Failing; Some(130)"]);
    }

    #[test]
    fn faults_of_our_own_keep_events_from_the_receiver_too() {
        let at = Timestamp::from_secs(7);
        let mut health = ReceiverHealth::default();
        let unsendable = AttemptResult::Failed(Failure::BodyTooLarge);
        assert_eq!((health.observe(unsendable, at, at), health.failing_since), (None, None));
        let result = AttemptResult::Failed(Failure::ProxyUnreachable);
        assert_eq!(health.observe(result, at, at), Some(HealthReport::Failing));
        assert_eq!(health.last_failure, Some(LastFailure { at, result }));
    }
}
