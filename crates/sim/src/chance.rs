//! Chance from a seed: every draw of a world can be drawn again.

use std::sync::Arc;

use app::ports::Dice;
use parking_lot::Mutex;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of a seed for one purpose: what one part draws does not move what another one draws.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(purpose);
        Self(rng)
    }

    /// A number below `end`, 0 when that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The bias is of no importance at these sizes.
        if end <= 1 { 0 } else { (self.0.next_u64() % end as u64) as usize }
    }

    /// A number from a range, both ends included.
    pub fn from_to(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.next_u64() % (most - least + 1)
    }

    /// True once in so many draws on average.
    pub fn once_in(&mut self, draws: u64) -> bool {
        self.0.next_u64().is_multiple_of(draws)
    }

    /// One of several.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

/// The application's dice. They outlive its crashes, so that no life repeats the ids of the one before.
#[derive(Clone)]
pub(crate) struct SeededDice(Arc<Mutex<Chance>>);

impl SeededDice {
    pub(crate) fn new(chance: Chance) -> Self {
        Self(Arc::new(Mutex::new(chance)))
    }
}

impl Dice for SeededDice {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().fill(buffer);
    }
}
