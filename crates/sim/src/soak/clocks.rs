//! Worlds whose server clock leads and lags by hours. They have no calendar: a clock that is wrong by an hour serves other
//! slots than one that is right, and no rule says which. What is judged is what cars push, and the order of events.

use std::time::Duration;

use super::{Life, Soak};
use crate::{crash::Strike, world::World};

/// How far the clock of the server is wrong at most, in seconds.
pub(super) const WRONG_MOST: u64 = 3 * 3_600;

/// Lets a world live for weeks in which clocks lead and lag.
pub fn live_with_wrong_clocks(
    seed: u64,
    weeks: u32,
    crashes: bool,
    prepare: impl FnOnce(&mut World),
) -> Life {
    let mut soak = Soak::new(seed, crashes);
    prepare(&mut soak.world);
    soak.clock_error = 2 * Duration::from_secs(WRONG_MOST);
    soak.add_watching();
    soak.add_pushed_cars();
    let until = soak.world.monotonic() + Duration::from_secs(7 * 86_400) * weeks;
    while soak.world.monotonic() < until {
        let pause = soak.chance.from_to(1, 8 * 3_600);
        soak.world.advance(Duration::from_secs(pause));
        soak.act_with_wrong_clocks();
    }
    soak.set_clock_ahead(0);
    soak.come_to_rest();
    soak.end(weeks)
}

impl Soak {
    fn act_with_wrong_clocks(&mut self) {
        let at = self.world.now();
        match self.chance.below(10) {
            0 => {
                let most = WRONG_MOST as i64;
                let ahead = self.chance.from_to(0, 2 * WRONG_MOST) as i64 - most;
                self.set_clock_ahead(ahead);
            }
            1 | 2 => self.set_clock_ahead(0),
            3 => self.act_on_watching(),
            4 if self.crashes => self.world.crash(),
            5 if self.crashes => {
                self.world.foresee(Some(Strike::After(self.chance.from_to(0, 60))));
            }
            _ => self.act_on_pushed(),
        }
        self.world.start();
        self.world.settle();
        self.note(at);
        self.note_stays();
    }
}
