//! Chance without a generator: a number that looks random and is always the same for the same seed and question.

/// What is drawn about a car, once and for all.
#[derive(Clone, Copy)]
pub(super) enum Draw {
    Charge,
    Fuel,
    Odometer,
    Town,
    Latitude,
    Longitude,
    Length,
    Leg,
    Share,
    Bearing,
    MovingReport,
    StoppedReport,
    ChargingReport,
    RestingReport,
    ChargeLimit,
    Power,
    Weather,
    OilLife,
    Pressure,
    LowVoltage,
    Board,
    Alight,
    Stop,
    Unload,
    Wait,
    Linger,
    BreaksOff,
    Break,
    Leak,
}

/// What is drawn again and again in the life of a car.
#[derive(Clone, Copy)]
pub(super) enum Event {
    NoonBreaksOff,
    NoonBreak,
    Trunk,
    Window,
    Fault,
    FaultBegin,
    FaultLength,
    FaultSystem,
    Puncture,
    PunctureBegin,
    PunctureLength,
    PunctureWheel,
}

impl Event {
    /// The draw for the time with a number, in `0.0..1.0`.
    pub(super) fn draw(self, seed: u64, time: u64) -> f64 {
        unit(bits(seed ^ EVENTS, self as u64), time)
    }
}

/// Keeps draws about events apart from those about cars.
const EVENTS: u64 = 0x6576_656e_7473_0000;

impl Draw {
    /// A draw in `from..to`.
    pub(super) fn between(self, seed: u32, from: f64, to: f64) -> f64 {
        from + unit(seed.into(), self as u64) * (to - from)
    }

    /// One of several; they are few, so the bias does not show.
    pub(super) fn pick<T: Copy>(self, seed: u32, choices: &[T]) -> T {
        choices[(bits(seed.into(), self as u64) % choices.len() as u64) as usize]
    }
}

/// A draw in `0.0..1.0`.
pub(super) fn unit(seed: u64, question: u64) -> f64 {
    (bits(seed, question) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The draw of a seed for a question, as 64 even bits (the finaliser of SplitMix64 over both).
pub(super) const fn bits(seed: u64, question: u64) -> u64 {
    mixed(mixed(seed).wrapping_add(question))
}

const fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_over_seeds_and_over_questions() {
        for mean in [
            (0..10_000).map(|seed| unit(seed, 1)).sum::<f64>() / 10_000.0,
            (0..10_000).map(|question| unit(1, question)).sum::<f64>() / 10_000.0,
            (0..10_000).map(|seed| Draw::Leg.between(seed, -0.5, 1.5)).sum::<f64>() / 10_000.0,
        ] {
            assert!((0.48..0.52).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn cars_differ_in_what_is_picked_for_them() {
        let picked: std::collections::BTreeSet<_> =
            (0..50).map(|seed| Draw::Town.pick(seed, &[1, 2, 3])).collect();
        assert_eq!(picked.len(), 3);
    }
}
