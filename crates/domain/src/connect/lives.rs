//! How long codes and tokens live, and what follows when one is used a second time.
//!
//! A consent gives a code; the code becomes a grant with a first pair of tokens; each refresh spends a refresh token and
//! gives a successor pair. An application whose requests cross may spend the same token twice within moments, so that is
//! forgiven for a while; later it means that somebody has a copy.

use std::time::Duration;

use crate::time::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How long an authorization code waits to be redeemed.
pub const CODE_LIFE: Duration = MINUTE.saturating_mul(10);

/// How long the tokens of a grant live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// An access token.
    pub access: Duration,
    /// A refresh token that is not used.
    pub refresh: Duration,
    /// The grant, however often it is refreshed.
    pub grant: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self { access: MINUTE * 120, refresh: DAY * 60, grant: DAY * 365 }
    }
}

/// Until when the tokens of a pair work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairLife {
    /// The access token.
    pub access: Timestamp,
    /// The refresh token.
    pub refresh: Timestamp,
}

impl Lives {
    /// Until when the tokens of a pair work that is given now: never longer than their grant.
    pub fn pair(&self, granted_at: Timestamp, now: Timestamp) -> PairLife {
        let end = granted_at + self.grant;
        PairLife { access: end.min(now + self.access), refresh: end.min(now + self.refresh) }
    }
}

/// What is forgiven when a refresh token comes that was spent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// For how long.
    pub time: Duration,
    /// How many pairs it may give, the first one among them.
    pub pairs: u32,
}

impl Default for Grace {
    fn default() -> Self {
        Self { time: MINUTE * 10, pairs: 16 }
    }
}

/// A refresh token that was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// When it was spent first.
    pub at: Timestamp,
    /// How many pairs it has given.
    pub pairs: u32,
}

/// What follows when a refresh token comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It gives a pair.
    Give,
    /// It has given as many pairs as it may: nothing happens.
    Exhausted,
    /// Somebody has a copy: the grant is revoked.
    Replayed,
}

impl Grace {
    /// Decides about a refresh token that has not expired.
    pub fn turn(&self, spent: Option<Spent>, now: Timestamp) -> Turn {
        match spent {
            None => Turn::Give,
            Some(spent) if now.since(spent.at) >= self.time => Turn::Replayed,
            Some(spent) if spent.pairs >= self.pairs => Turn::Exhausted,
            Some(_) => Turn::Give,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

    #[test]
    fn a_pair_lives_two_hours_and_sixty_days_and_no_longer_than_its_grant() {
        let lives = Lives::default();
        let at_once = PairLife { access: NOW + MINUTE * 120, refresh: NOW + DAY * 60 };
        assert_eq!(lives.pair(NOW, NOW), at_once);
        let end = NOW + DAY * 365;
        let late = end - DAY;
        assert_eq!(lives.pair(NOW, late), PairLife { access: late + MINUTE * 120, refresh: end });
        assert_eq!(lives.pair(NOW, end - MINUTE), PairLife { access: end, refresh: end });
    }

    #[test]
    fn a_spent_token_gives_more_pairs_for_ten_minutes_and_betrays_a_copy_afterwards() {
        let grace = Grace::default();
        let turn = |pairs, after| grace.turn(Some(Spent { at: NOW, pairs }), NOW + after);
        assert_eq!(grace.turn(None, NOW), Turn::Give);
        assert_eq!(turn(1, Duration::ZERO), Turn::Give);
        assert_eq!(turn(15, MINUTE * 10 - Duration::from_micros(1)), Turn::Give);
        assert_eq!(turn(16, MINUTE), Turn::Exhausted);
        assert_eq!(turn(1, MINUTE * 10), Turn::Replayed);
        assert_eq!(turn(16, DAY), Turn::Replayed);
    }

    #[test]
    fn a_clock_that_went_back_accuses_nobody() {
        let spent = Spent { at: NOW, pairs: 1 };
        assert_eq!(Grace::default().turn(Some(spent), NOW - DAY), Turn::Give);
    }
}
