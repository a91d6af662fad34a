//! How much of a lane is in flight, and whose turn it is.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use super::{AttemptResult, Outcome};

/// How many requests of a lane may be in flight. It begins at one and grows with each success, as fast as TCP's slow start:
/// a receiver that never answers has one request, and one that does has many after a few round trips. From the first
/// trouble on it grows by one after each full window of successes. Time-outs halve it, and a request that is out for longer
/// than usual cuts it to one at once.
#[derive(Clone, Debug)]
pub struct InFlightLimit {
    limit: u32,
    most: u32,
    /// Below this, each success allows one more.
    threshold: u32,
    /// Successes at the limit since it last changed.
    successes: u32,
    /// How many of the requests that were in flight at the last cut are still to end. They say nothing new.
    settling: u32,
}

/// Whether an attempt is the first of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The first attempt.
    First,
    /// Any later one.
    Retry,
}

/// How many requests of a lane are in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// First attempts.
    pub first: u32,
    /// Retries.
    pub retries: u32,
}

/// Deficit round robin over the lanes that have work.
///
/// Each lane in turn sends a quantum of requests, so none waits for more than one quantum of each other. All operations
/// take constant time, amortised; lanes without work are not in it and cost nothing.
#[derive(Clone, Debug)]
pub struct RoundRobin<K> {
    quantum: u32,
    /// Each lane of `turns`, once.
    queue: VecDeque<K>,
    turns: HashMap<K, Turn>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Requests that remain of the quantum.
    left: u32,
    /// False once removed. The place in the queue stays until its turn, so that a lane which returns has not gained.
    has_work: bool,
}

impl InFlightLimit {
    /// After a stall, so much at least is regained quickly.
    const REGAINED: u32 = 8;

    /// Starts at `start` and rises to `most`; both are 1 at least.
    pub fn new(start: u32, most: u32) -> Self {
        let most = most.max(1);
        Self { limit: start.clamp(1, most), most, threshold: most, successes: 0, settling: 0 }
    }

    /// The highest that it can be.
    pub const fn most(&self) -> u32 {
        self.most
    }

    /// A request is out for longer than this receiver's usually are: until an answer comes, one more is the probe.
    pub fn stall(&mut self) {
        self.threshold = (self.limit / 2).max(Self::REGAINED.min(self.most));
        self.limit = 1;
        self.successes = 0;
    }

    /// The limit now, 1 at least.
    pub const fn get(&self) -> u32 {
        self.limit
    }

    /// Learns from an attempt that has ended, with `still_in_flight` others under way.
    ///
    /// A success counts only while the limit is what holds the lane back: an idle lane proves nothing.
    pub fn observe(&mut self, result: AttemptResult, still_in_flight: u32) {
        if self.settling > 0 {
            self.settling -= 1;
        } else if result.is_time_out() {
            self.cut(still_in_flight);
        } else if result.outcome() == Outcome::Accepted && still_in_flight + 1 >= self.limit {
            self.grow();
        }
    }

    fn cut(&mut self, still_in_flight: u32) {
        self.limit = (self.limit / 2).max(1);
        self.threshold = self.threshold.min(self.limit);
        self.successes = 0;
        self.settling = still_in_flight;
    }

    fn grow(&mut self) {
        self.successes += 1;
        if self.limit < self.threshold || self.successes >= self.limit {
            self.limit = (self.limit + 1).min(self.most);
            self.successes = 0;
        }
    }
}

/// Whether one more request of a class may start under the lane's limit.
///
/// An eighth of the limit is kept for retries, so that hanging first attempts do not move their exact times, and half
/// of it for first attempts, so that an old trouble does not hold up new events. Where the limit is too small to be
/// shared, the classes compete; the caller asks for retries first, because there are only so many per event.
pub fn may_start(class: Class, in_flight: InFlight, limit: u32) -> bool {
    let (of_class, kept_for_other) = match class {
        Class::First => (in_flight.first, limit / 8),
        Class::Retry => (in_flight.retries, limit / 2),
    };
    in_flight.first + in_flight.retries < limit && of_class < limit - kept_for_other
}

impl<K: Copy + Eq + Hash> RoundRobin<K> {
    /// Empty. A quantum is 1 at least.
    pub fn new(quantum: u32) -> Self {
        Self { quantum: quantum.max(1), queue: VecDeque::new(), turns: HashMap::new() }
    }

    /// Puts a lane last, unless it is there already.
    pub fn add(&mut self, lane: K) {
        let queue = &mut self.queue;
        let new = || {
            queue.push_back(lane);
            Turn { left: self.quantum, has_work: true }
        };
        self.turns.entry(lane).or_insert_with(new).has_work = true;
    }

    /// Takes a lane out: it has no work, or may not send now.
    pub fn remove(&mut self, lane: K) {
        if let Some(turn) = self.turns.get_mut(&lane) {
            turn.has_work = false;
        }
    }

    /// The lane that may send one request now.
    pub fn next_lane(&mut self) -> Option<K> {
        loop {
            let lane = *self.queue.front()?;
            let turn = self.turns.get_mut(&lane).expect("each lane of the queue has a turn");
            if !turn.has_work {
                self.turns.remove(&lane);
                self.queue.pop_front();
            } else if turn.left == 0 {
                turn.left = self.quantum;
                self.queue.rotate_left(1);
            } else {
                turn.left -= 1;
                return Some(lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::Failure;

    const OK: AttemptResult = AttemptResult::Answered { status: 200 };
    const ERROR: AttemptResult = AttemptResult::Answered { status: 500 };
    const SLOW: AttemptResult = AttemptResult::Failed(Failure::TimedOut);

    /// Feeds a limit that is at 2 after a time-out, and 4 at most, with `o` successes, `e` errors, `t` time-outs of a busy lane and
    /// `i` successes of an idle one, and writes down the limit after each.
    fn check(script: &str, expected: Expect) {
        let mut limit = InFlightLimit::new(4, 4);
        // Its slow start is over.
        limit.observe(SLOW, 0);
        let limits = script.chars().map(|result| {
            let others = limit.get() - 1;
            match result {
                'o' => limit.observe(OK, others),
                'e' => limit.observe(ERROR, others),
                't' => limit.observe(SLOW, others),
                'i' => limit.observe(OK, 0),
                _ => panic!("no such result: {result}"),
            }
            limit.get().to_string()
        });
        expected.assert_eq(&limits.collect::<String>());
    }

    #[test]
    fn a_full_window_of_successes_allows_one_more_in_flight() {
        check("oooooooooooo", expect!["233344444444"]);
    }

    #[test]
    fn a_new_lane_reaches_its_limit_after_a_few_round_trips_and_one_that_never_answers_has_one_request() {
        let mut limit = InFlightLimit::new(1, 64);
        let mut round_trips = 0;
        while limit.get() < 64 {
            round_trips += 1;
            for others in (0..limit.get()).rev() {
                // Whatever ends is replaced at once: the limit is what holds the lane back.
                let others = others.max(limit.get() - 1);
                limit.observe(OK, others);
            }
        }
        assert_eq!(round_trips, 6);
        let mut silent = InFlightLimit::new(1, 64);
        silent.observe(SLOW, 0);
        assert_eq!(silent.get(), 1);
    }

    #[test]
    fn a_lane_that_stalls_has_one_probe_and_regains_half_of_its_limit_quickly() {
        let mut limit = InFlightLimit::new(64, 64);
        limit.stall();
        assert_eq!(limit.get(), 1);
        (0..31).for_each(|_| limit.observe(OK, limit.get() - 1));
        assert_eq!(limit.get(), 32);
        (0..31).for_each(|_| limit.observe(OK, limit.get() - 1));
        assert_eq!(limit.get(), 32);
        limit.observe(OK, 31);
        assert_eq!(limit.get(), 33);
    }

    #[test]
    fn a_lane_below_its_limit_proves_nothing() {
        check("iiiiiiii", expect!["22222222"]);
    }

    #[test]
    fn errors_that_come_quickly_leave_the_limit_as_it_is() {
        check("eoeoe", expect!["22233"]);
    }

    #[test]
    fn time_outs_halve_the_limit_once_per_window() {
        check("oooootttttt", expect!["23334222211"]);
    }

    #[test]
    fn one_request_may_always_be_in_flight() {
        check("ttttttttt", expect!["111111111"]);
    }

    #[test]
    fn row_r13_shares_are_kept_for_first_attempts_and_for_retries() {
        /// Fills a lane with one class and says how many of it, and how many of the other after that, may start.
        fn fill(class: Class, other: Class, limit: u32) -> (u32, u32) {
            let mut in_flight = InFlight::default();
            let mut start = |class| {
                let mut started = 0;
                while may_start(class, in_flight, limit) {
                    match class {
                        Class::First => in_flight.first += 1,
                        Class::Retry => in_flight.retries += 1,
                    }
                    started += 1;
                }
                started
            };
            (start(class), start(other))
        }
        let of_first = |limit| fill(Class::First, Class::Retry, limit);
        let of_retries = |limit| fill(Class::Retry, Class::First, limit);
        assert_eq!([1, 2, 7, 8, 64].map(of_first), [(1, 0), (2, 0), (7, 0), (7, 1), (56, 8)]);
        assert_eq!([1, 2, 7, 8, 64].map(of_retries), [(1, 0), (1, 1), (4, 3), (4, 4), (32, 32)]);
    }

    /// Plays `+a` add, `-a` remove and `.` next on lanes of one letter; writes down whose turn it was.
    fn turns(quantum: u32, script: &str, expected: Expect) {
        let mut robin = RoundRobin::new(quantum);
        let mut sent = String::new();
        let mut steps = script.chars().filter(|step| !step.is_whitespace());
        while let Some(step) = steps.next() {
            match step {
                '+' => robin.add(steps.next().unwrap()),
                '-' => robin.remove(steps.next().unwrap()),
                '.' => sent.push(robin.next_lane().unwrap_or('_')),
                _ => panic!("no such step: {step}"),
            }
        }
        expected.assert_eq(&sent);
    }

    #[test]
    fn lanes_take_turns_of_a_quantum() {
        turns(2, "+a +b +c ..........", expect!["aabbccaabb"]);
    }

    #[test]
    fn a_lane_alone_has_every_turn() {
        turns(2, "+a .....", expect!["aaaaa"]);
    }

    #[test]
    fn no_lane_no_turn() {
        turns(2, ". +a . -a . +a .", expect!["_a_a"]);
    }

    #[test]
    fn a_lane_that_leaves_and_returns_gains_nothing() {
        turns(2, "+a +b . -a +a . -a +a . -a +a ....", expect!["aabbaab"]);
    }

    proptest! {
        #[test]
        fn the_limit_stays_within_its_bounds(
            start in any::<u32>(),
            most in 0..100_u32,
            ends in prop::collection::vec(
                (prop::sample::select(vec![OK, ERROR, SLOW]), 0..200_u32, any::<bool>()), 0..300),
        ) {
            let mut limit = InFlightLimit::new(start, most);
            for (result, still_in_flight, stalls) in ends {
                if stalls {
                    limit.stall();
                }
                limit.observe(result, still_in_flight);
                prop_assert!((1..=most.max(1)).contains(&limit.get()));
            }
        }

        #[test]
        fn the_classes_never_exceed_the_limit_together_and_an_empty_lane_may_always_start(
            limit in 1..300_u32,
            first in 0..300_u32,
            retries in 0..300_u32,
        ) {
            for class in [Class::First, Class::Retry] {
                prop_assert!(may_start(class, InFlight::default(), limit));
                if may_start(class, InFlight { first, retries }, limit) {
                    prop_assert!(first + retries < limit);
                }
            }
        }

        #[test]
        fn lanes_that_stay_are_served_alike_whatever_others_do(
            quantum in 1..5_u32,
            steps in prop::collection::vec((0..3_u8, 2..8_u32), 0..400),
        ) {
            let mut robin = RoundRobin::new(quantum);
            let mut served = [0_i64; 8];
            robin.add(0);
            robin.add(1);
            for (step, other) in steps {
                match step {
                    0 => robin.add(other),
                    1 => robin.remove(other),
                    _ => served[robin.next_lane().unwrap() as usize] += 1,
                }
                prop_assert!((served[0] - served[1]).abs() <= i64::from(quantum));
            }
        }
    }
}
