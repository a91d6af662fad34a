//! How long a brand's cloud takes to answer.

use std::{f64::consts::TAU, time::Duration};

use domain::time::Timestamp;

use super::chance::unit;

/// How long reads of a car take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// No time.
    #[default]
    Ideal,
    /// Log-normal: half of the reads take 0.8 s at most, 99 of 100 take 10 s, none a minute.
    Realistic,
}

const MEDIAN_S: f64 = 0.8;
/// `ln(10 / 0.8)` over the 99th percentile of the normal distribution.
const SIGMA: f64 = 1.085_7;
const LONGEST_S: f64 = 60.0;

impl Latency {
    /// How long a read takes that is asked at this moment.
    pub(super) fn of_read(self, seed: u64, at: Timestamp) -> Duration {
        match self {
            Self::Ideal => Duration::ZERO,
            Self::Realistic => {
                let seconds = MEDIAN_S * (SIGMA * normal(seed, at.as_micros() as u64)).exp();
                Duration::from_secs_f64(seconds.min(LONGEST_S))
            }
        }
    }
}

/// A draw of the standard normal distribution (Box and Muller).
fn normal(seed: u64, question: u64) -> f64 {
    let (radius, angle) = (unit(seed, question), unit(!seed, question));
    (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOON;

    #[test]
    fn realistic_reads_take_eight_tenths_of_a_second_and_one_in_a_hundred_ten_seconds() {
        let mut reads: Vec<_> = (0..50_000).map(|seed| Latency::Realistic.of_read(seed, NOON)).collect();
        reads.sort_unstable();
        let (p50, p99) = (reads[25_000].as_secs_f64(), reads[49_500].as_secs_f64());
        assert!((0.77..0.83).contains(&p50), "{p50}");
        assert!((9.2..10.8).contains(&p99), "{p99}");
        assert!(reads[49_999] <= Duration::from_secs(60));
    }

    #[test]
    fn the_same_read_takes_equally_long_each_time_and_another_one_does_not() {
        let at = |seconds| Latency::Realistic.of_read(7, NOON + Duration::from_secs(seconds));
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
        assert_eq!(Latency::Ideal.of_read(7, NOON), Duration::ZERO);
    }
}
