//! How many requests an application may make, and how many may be made about one vehicle, in a short time.
//!
//! A limit is a bucket: it begins full, a request takes from it, and time fills it. What is kept of one is how much was in
//! it at a moment; a full bucket is as good as none, so that it can be forgotten.

use std::{collections::HashMap, hash::Hash, time::Duration};

/// How large a bucket is and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests at once.
    pub burst: f64,
    /// Requests in a minute after that.
    pub per_minute: f64,
}

impl Limit {
    /// So many in a minute, all at once or one by one. Less than one in a minute is one at once.
    pub const fn each_minute(requests: f64) -> Self {
        Self { burst: requests.max(1.0), per_minute: requests }
    }
}

/// What was in a bucket at a moment of a time that never goes back.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    left: f64,
    at: Duration,
    limit: Limit,
}

impl Level {
    fn now(self, now: Duration) -> f64 {
        let minutes = now.saturating_sub(self.at).as_secs_f64() / 60.0;
        (self.left + minutes * self.limit.per_minute).min(self.limit.burst)
    }

    /// What is gone.
    fn missing(self, now: Duration) -> f64 {
        self.limit.burst - self.now(now)
    }
}

/// Buckets of one kind, by whom they are for: so many at most.
#[derive(Debug)]
pub struct Buckets<K> {
    levels: HashMap<K, Level>,
    most: usize,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// None yet, and never more than `most`.
    pub fn new(most: usize) -> Self {
        Self { levels: HashMap::new(), most }
    }

    /// Takes requests out of a bucket.
    ///
    /// # Errors
    ///
    /// How long to wait until they fit; nothing was taken. What never fits waits for a full bucket.
    pub fn take(&mut self, whose: K, requests: u32, limit: Limit, now: Duration) -> Result<(), Duration> {
        let left = self.levels.get(&whose).map_or(limit.burst, |level| Level { limit, ..*level }.now(now));
        let requests = f64::from(requests);
        if requests > left {
            let missing = requests.min(limit.burst) - left;
            let minutes = if limit.per_minute > 0.0 { missing / limit.per_minute } else { f64::MAX };
            const LONGEST: f64 = 86_400.0;
            return Err(Duration::from_secs_f64((minutes * 60.0).clamp(1.0, LONGEST)));
        }
        if self.levels.len() >= self.most && !self.levels.contains_key(&whose) {
            self.make_room(now);
        }
        self.levels.insert(whose, Level { left: left - requests, at: now, limit });
        Ok(())
    }

    /// Forgets buckets that are full again; when there is none, the one from which the least is gone.
    fn make_room(&mut self, now: Duration) {
        self.levels.retain(|_, level| level.missing(now) > 0.0);
        if self.levels.len() < self.most {
            return;
        }
        let fullest =
            self.levels.iter().min_by(|(_, one), (_, other)| one.missing(now).total_cmp(&other.missing(now)));
        if let Some((&fullest, _)) = fullest {
            self.levels.remove(&fullest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: Limit = Limit { burst: 120.0, per_minute: 2.0 };

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_has_come_in() {
        let mut buckets = Buckets::new(10);
        let given = (0..200).filter(|_| buckets.take("A", 1, USUAL, seconds(0)).is_ok()).count();
        assert_eq!(given, 120);
        assert_eq!(buckets.take("A", 1, USUAL, seconds(0)), Err(seconds(30)));
        assert_eq!(buckets.take("A", 1, USUAL, seconds(30)), Ok(()));
        assert!(buckets.take("A", 1, USUAL, seconds(31)).is_err());
        assert_eq!(buckets.take("B", 120, USUAL, seconds(0)), Ok(()), "each has a bucket of its own");
    }

    #[test]
    fn a_batch_counts_each_of_its_paths_and_takes_nothing_when_it_is_refused() {
        let mut buckets = Buckets::new(10);
        buckets.take("A", 118, USUAL, seconds(0)).unwrap();
        assert_eq!(buckets.take("A", 5, USUAL, seconds(0)), Err(seconds(90)));
        assert_eq!(buckets.take("A", 2, USUAL, seconds(0)), Ok(()));
        assert_eq!(buckets.take("A", 500, USUAL, seconds(0)), Err(seconds(3_600)));
    }

    #[test]
    fn so_many_buckets_are_kept_and_no_more() {
        let mut buckets = Buckets::new(3);
        for whose in 0..100 {
            let _ = buckets.take(whose, 60, USUAL, seconds(0));
            assert!(buckets.levels.len() <= 3);
        }
        buckets.take(1_000, 1, USUAL, seconds(86_400)).unwrap();
        assert_eq!(buckets.levels.len(), 1, "full ones are forgotten first");
    }

    #[test]
    fn a_bucket_is_full_by_its_own_limit() {
        let mut buckets = Buckets::new(2);
        let (small, large) = (Limit::each_minute(2.0), Limit::each_minute(60.0));
        buckets.take("large", 50, large, seconds(0)).unwrap();
        buckets.take("small", 1, small, seconds(0)).unwrap();
        buckets.take("other", 1, small, seconds(0)).unwrap();
        assert!(buckets.take("large", 20, large, seconds(0)).is_err(), "ten are left of it");
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_burst_and_what_came_in(
            asks in proptest::collection::vec((1..20_u32, 0..120_u64), 1..200),
        ) {
            let mut buckets = Buckets::new(1);
            let (mut now, mut given) = (0, 0);
            for (requests, pause) in asks {
                now += pause;
                if buckets.take((), requests, USUAL, seconds(now)).is_ok() {
                    given += requests;
                }
                prop_assert!(f64::from(given) <= 120.0 + now as f64 / 30.0 + 1e-6);
            }
        }
    }
}
