//! Who may have one more request in flight: shares of applications and lanes, and how promptly a receiver answers.
//!
//! A receiver that does not answer holds its request for the whole deadline. If all requests counted alike, a few hundred
//! such receivers would hold every place, and events for the others would wait behind them. So a request that is out for
//! longer than its lane's [`Promptness::patience`] is *slow*: it leaves the places for requests on time and counts in a
//! class of its own. How much a lane may begin depends on its [`Standing`]:
//!
//! ```text
//!   new ──── a quick end ────► prompt ◄──── quick answers ──── slow
//!    │                            │                              ▲
//!    └──── nothing in time ───────┴───► stalled ──── late answers┘
//! ```
//!
//! Lanes that are not prompt begin a request only while the slow class has room, so that the number of requests that hang
//! is bounded in all and for one application, whatever the number of webhooks. Among lanes on time, a share is what is
//! free divided by a constant (the dynamic threshold of shared buffers): it shrinks for everybody as places run out, and
//! half of them is kept for lanes that have nothing in flight.

use std::time::Duration;

use super::{AttemptResult, Outcome};

/// Places for requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Requests on time, in all; as many again may be slow.
    most: u32,
    /// A lane may hold this part of what is free.
    lane_part: u32,
}

/// Requests in flight: of all lanes, or of the lanes of one application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Out for no longer than their lanes' patience.
    pub on_time: u32,
    /// Out for longer.
    pub slow: u32,
}

/// What a lane's receiver has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    New,
    /// It answers quickly.
    Prompt,
    /// It answers, and takes its time.
    Slow,
    /// A request is out for longer than its answers take, or ended without one after that long.
    Stalled,
}

/// How promptly a lane's receiver answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promptness {
    /// Of answers, smoothed.
    round_trip: Option<Duration>,
    /// A request has ended quickly, in whatever way.
    ends_quickly: bool,
    /// Requests that became slow since the last answer in time.
    strikes: u32,
}

/// An application may hold so many times what is free: three quarters of all places when nobody else has any.
const APPLICATION_PART: u32 = 3;

impl Capacity {
    /// For `most` requests on time, of which one lane may have `lane_most`.
    pub fn new(most: u32, lane_most: u32) -> Self {
        let most = most.max(1);
        let shared = most - most / 2;
        Self { most, lane_part: (shared / 2 / lane_most.max(1)).max(1) }
    }

    /// Requests in flight that there can ever be.
    pub const fn ceiling(self) -> u32 {
        self.most.saturating_mul(2)
    }

    /// Whether a lane may begin one more request, with `lane_on_time` of its own on time.
    pub fn admits(self, all: Load, application: Load, lane_on_time: u32, standing: Standing) -> bool {
        if all.is_zero() {
            return true;
        }
        let free = self.most.saturating_sub(all.on_time);
        if free == 0 || all.on_time.saturating_add(all.slow) >= self.ceiling() {
            return false;
        }
        let of_application = application.on_time < free.saturating_mul(APPLICATION_PART);
        let shared = free.saturating_sub(self.most / 2);
        let of_lane = lane_on_time == 0 || lane_on_time.saturating_mul(self.lane_part) < shared;
        let room_for_slow = (self.most / 2).saturating_sub(all.slow);
        let may_hang = match standing {
            Standing::Prompt => true,
            Standing::New | Standing::Slow => application.slow < room_for_slow,
            // Those that are known to hang leave half of the room to those that may not.
            Standing::Stalled => application.slow < room_for_slow / 2,
        };
        of_application && of_lane && may_hang
    }
}

impl Load {
    /// Nothing is in flight.
    pub const fn is_zero(self) -> bool {
        self.on_time == 0 && self.slow == 0
    }

    /// A request has begun.
    pub const fn begin(&mut self) {
        self.on_time += 1;
    }

    /// A request on time is slow from now on.
    pub const fn turn_slow(&mut self) {
        self.on_time -= 1;
        self.slow += 1;
    }

    /// A request has ended.
    pub const fn end(&mut self, was_slow: bool) {
        if was_slow { self.slow -= 1 } else { self.on_time -= 1 }
    }
}

impl Promptness {
    /// A request of a receiver that usually answers at once is slow after this.
    const LEAST: Duration = Duration::from_millis(200);
    /// Any request is slow after this. A first one has to look a name up and shake hands with somebody far away.
    const MOST: Duration = Duration::from_millis(500);
    /// From this round trip on a receiver is slow, though it answers.
    const SLOW: Duration = Duration::from_millis(250);

    /// How long a request may be out before it is slow.
    pub fn patience(&self) -> Duration {
        self.round_trip.map_or(Self::MOST, |usual| (usual * 4).clamp(Self::LEAST, Self::MOST))
    }

    /// What the receiver has shown so far.
    pub fn standing(&self) -> Standing {
        match self.round_trip {
            _ if self.strikes > 0 => Standing::Stalled,
            Some(usual) if usual >= Self::SLOW => Standing::Slow,
            Some(_) => Standing::Prompt,
            None if self.ends_quickly => Standing::Prompt,
            None => Standing::New,
        }
    }

    /// Requests that became slow since the last answer in time. A second one says that a probe hangs as well.
    pub const fn strikes(&self) -> u32 {
        self.strikes
    }

    /// A request is out for longer than the patience. True when it is the first since the last answer: then the lane's
    /// limit is cut. A receiver whose answers take that long has done nothing unusual.
    pub fn became_slow(&mut self) -> bool {
        if self.round_trip.is_some_and(|usual| usual >= Self::SLOW) {
            return false;
        }
        self.strikes += 1;
        self.strikes == 1
    }

    /// A request has ended after so long.
    pub fn ended(&mut self, result: AttemptResult, took: Duration, was_slow: bool) {
        if matches!(result.outcome(), Outcome::OwnFault | Outcome::Unsendable) {
            // That says nothing of the receiver.
            return;
        }
        if matches!(result, AttemptResult::Answered { .. }) {
            self.round_trip = Some(self.round_trip.map_or(took, |usual| (usual * 7 + took) / 8));
            self.strikes = 0;
        } else if !was_slow {
            self.ends_quickly = true;
            self.strikes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::Failure;

    const OK: AttemptResult = AttemptResult::Answered { status: 200 };
    const SILENT: AttemptResult = AttemptResult::Failed(Failure::TimedOut);
    const REFUSED: AttemptResult = AttemptResult::Failed(Failure::Refused);

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The default of the configuration.
    fn usual() -> Capacity {
        Capacity::new(2_048, 64)
    }

    /// Requests that one lane after another begins, each as many as it may, up to `limit`; and the load after that.
    fn begun(capacity: Capacity, lanes: usize, limit: u32, standing: Standing, all: &mut Load) -> Vec<u32> {
        let mut application = Load::default();
        let mut counts = vec![0; lanes];
        for count in &mut counts {
            while *count < limit && capacity.admits(*all, application, *count, standing) {
                *count += 1;
                all.begin();
                application.begin();
            }
        }
        counts
    }

    #[test]
    fn a_lane_alone_has_its_whole_limit() {
        assert_eq!(begun(usual(), 1, 64, Standing::Prompt, &mut Load::default()), [64]);
    }

    #[test]
    fn an_application_leaves_a_quarter_of_the_places_to_others() {
        let mut all = Load::default();
        begun(usual(), 5_000, 64, Standing::Prompt, &mut all);
        assert!((1_400..=1_536).contains(&all.on_time), "{all:?}");
        assert_eq!(begun(usual(), 1, 1, Standing::Prompt, &mut all), [1], "another application");
    }

    #[test]
    fn four_hundred_lanes_that_take_eight_each_leave_a_place_for_a_lane_of_the_same_application() {
        let mut all = Load::default();
        let counts = begun(usual(), 401, 8, Standing::Prompt, &mut all);
        assert!(counts.iter().all(|&count| count >= 1), "{counts:?}");
        assert!(all.on_time < 2_048, "{all:?}");
    }

    #[test]
    fn requests_that_hang_are_bounded_in_all_and_for_an_application() {
        let mut all = Load::default();
        let mut hanging = Load::default();
        for _ in 0..100_000 {
            if usual().admits(all, hanging, 0, Standing::New) {
                for load in [&mut all, &mut hanging] {
                    load.begin();
                    load.turn_slow();
                }
            }
        }
        assert_eq!(hanging.slow, 512);
        let other = Load::default();
        assert!(usual().admits(all, other, 0, Standing::New), "a new lane of another application");
        assert!(!usual().admits(all, hanging, 0, Standing::Stalled));
        assert!(usual().admits(all, hanging, 0, Standing::Prompt));
    }

    /// What a receiver has shown after `o` an answer at once, `l` a late one, `s` a request that becomes slow and ends
    /// without an answer, `r` a refusal.
    fn shown(script: &str) -> (Standing, u64) {
        let mut promptness = Promptness::default();
        for end in script.chars() {
            match end {
                'o' => promptness.ended(OK, millis(2), false),
                'l' => {
                    promptness.became_slow();
                    promptness.ended(OK, millis(3_000), true);
                }
                's' => {
                    promptness.became_slow();
                    promptness.ended(SILENT, millis(15_000), true);
                }
                'r' => promptness.ended(REFUSED, millis(1), false),
                _ => panic!("{end} is not an end"),
            }
        }
        (promptness.standing(), promptness.patience().as_millis() as u64)
    }

    #[test]
    fn a_receiver_is_judged_by_how_its_requests_end() {
        assert_eq!(shown(""), (Standing::New, 500));
        assert_eq!(shown("o"), (Standing::Prompt, 200));
        assert_eq!(shown("r"), (Standing::Prompt, 500));
        assert_eq!(shown("s"), (Standing::Stalled, 500));
        assert_eq!(shown("os"), (Standing::Stalled, 200));
        assert_eq!(shown("oso"), (Standing::Prompt, 200));
        assert_eq!(shown("sr"), (Standing::Prompt, 500));
        assert_eq!(shown("l"), (Standing::Slow, 500));
        assert_eq!(shown("lll"), (Standing::Slow, 500));
    }

    #[test]
    fn a_receiver_that_usually_takes_its_time_has_no_strikes() {
        let mut promptness = Promptness::default();
        promptness.ended(OK, millis(3_000), true);
        assert!(!promptness.became_slow());
        assert_eq!((promptness.strikes(), promptness.standing()), (0, Standing::Slow));
    }

    #[test]
    fn the_limit_is_cut_once_until_the_next_answer() {
        let mut promptness = Promptness::default();
        assert_eq!([0, 1, 2].map(|_| promptness.became_slow()), [true, false, false]);
        promptness.ended(OK, millis(1), false);
        assert!(promptness.became_slow());
    }

    proptest! {
        #[test]
        fn places_are_never_exceeded_and_an_idle_server_admits_everybody(
            most in 1..5_000_u32,
            lane_most in 1..200_u32,
            steps in prop::collection::vec((0..3_u8, 0..4_usize, any::<bool>()), 0..400),
        ) {
            let capacity = Capacity::new(most, lane_most);
            for standing in [Standing::New, Standing::Prompt, Standing::Slow, Standing::Stalled] {
                prop_assert!(capacity.admits(Load::default(), Load::default(), 0, standing));
            }
            let mut all = Load::default();
            let mut applications = [Load::default(); 4];
            for (step, who, flag) in steps {
                let application = &mut applications[who];
                let standing = if flag { Standing::Prompt } else { Standing::New };
                match step {
                    0 if capacity.admits(all, *application, 0, standing) => {
                        application.begin();
                        all.begin();
                    }
                    1 if application.on_time > 0 => {
                        application.turn_slow();
                        all.turn_slow();
                    }
                    2 if application.slow > 0 => {
                        application.end(true);
                        all.end(true);
                    }
                    _ => {}
                }
                prop_assert!(all.on_time <= most && all.on_time + all.slow <= capacity.ceiling());
            }
        }
    }
}
