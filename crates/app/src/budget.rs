//! Budgets of reads: how fast, and how many at a time, the vehicles of one pool may be asked.

use std::time::Duration;

/// A token bucket over time that never goes back. Filled for one second at most, so a pause is not saved up.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Tokens per second; `None` when the budget is open.
    per_second: Option<f64>,
    tokens: f64,
    filled_at: Duration,
}

impl Budget {
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        Self { per_second, tokens: per_second.unwrap_or(0.0).max(1.0), filled_at: Duration::ZERO }
    }

    /// Takes up to `most` tokens, and leaves those that are kept for reads that somebody waits for.
    pub(crate) fn take(&mut self, most: usize, now: Duration) -> usize {
        let Some(per_second) = self.per_second else { return most };
        self.fill(per_second, now);
        let free = (self.tokens - kept(per_second)).max(0.0);
        let taken = (free.floor() as usize).min(most);
        self.tokens -= taken as f64;
        taken
    }

    /// Takes one token for a read that somebody waits for.
    ///
    /// # Errors
    ///
    /// How long until there is one.
    pub(crate) fn take_one(&mut self, now: Duration) -> Result<(), Duration> {
        let Some(per_second) = self.per_second else { return Ok(()) };
        self.fill(per_second, now);
        if self.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / per_second));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    fn fill(&mut self, per_second: f64, now: Duration) {
        let passed = now.saturating_sub(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * per_second).min(per_second.max(1.0));
        self.filled_at = now;
    }

    /// Gives tokens back that were not used.
    pub(crate) fn give_back(&mut self, unused: usize) {
        self.tokens += unused as f64;
    }

    /// How long until there is a token.
    pub(crate) fn wait(&self) -> Duration {
        match self.per_second {
            Some(per_second) if self.tokens < 1.0 + kept(per_second) => {
                Duration::from_secs_f64((1.0 + kept(per_second) - self.tokens) / per_second)
            }
            _ => Duration::ZERO,
        }
    }
}

/// Of a second's tokens, one in ten waits for reads that somebody waits for. What is kept and not used is no loss: it
/// stays in the bucket, and slots get all that comes in.
fn kept(per_second: f64) -> f64 {
    (per_second / 10.0).floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_budget_gives_what_is_asked() {
        assert_eq!(Budget::new(None).take(512, Duration::ZERO), 512);
    }

    #[test]
    fn a_budget_of_two_a_second_gives_two_a_second() {
        let mut budget = Budget::new(Some(2.0));
        let taken: usize = (0..=100).map(|tick| budget.take(10, Duration::from_millis(tick * 100))).sum();
        assert_eq!(taken, 2 + 20);
    }

    #[test]
    fn one_token_in_ten_is_kept_for_reads_that_somebody_waits_for() {
        let mut budget = Budget::new(Some(50.0));
        let second = Duration::from_secs(1);
        assert_eq!(budget.take(100, second), 45);
        assert_eq!(budget.take(100, second), 0);
        assert_eq!((0..9).filter(|_| budget.take_one(second).is_ok()).count(), 5);
        assert_eq!(budget.take_one(second), Err(Duration::from_millis(20)));
        assert_eq!(budget.wait(), Duration::from_millis(120));
        let slots: usize = (11..=110).map(|at| budget.take(100, Duration::from_millis(at * 100))).sum();
        assert!((494..=495).contains(&slots), "{slots}: what is kept is kept once");
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let mut budget = Budget::new(Some(2.0));
        assert_eq!(budget.take(10, Duration::from_secs(3_600)), 2);
        assert!(budget.wait() > Duration::from_millis(400));
        budget.give_back(1);
        assert_eq!(budget.wait(), Duration::ZERO);
    }
}
