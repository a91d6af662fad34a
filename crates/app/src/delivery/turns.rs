//! Whose turn it is, and whether there is a place for one more request.
//!
//! Applications take turns, and the lanes of an application take turns within its own: one with a thousand webhooks has no
//! more of the process than one with a single webhook. A lane that may send while there is no place for it leaves the
//! turns and waits; each place that is given back lets two that wait look again.

use std::collections::VecDeque;

use domain::{
    delivery::{Capacity, Load, RoundRobin},
    ids::ApplicationNo,
};
use hashbrown::HashMap;
use store::LaneKey;

use super::lane::Lane;
use crate::usecases::pressure::LaneTotals;

/// Requests that a lane sends in its turn before the next lane has one, and an application before the next.
const QUANTUM: u32 = 16;
/// Lanes that look again when a place is given back: one takes it, and the queue gets shorter.
const LOOK_AGAIN: usize = 2;

/// The turns of applications and lanes.
pub(super) struct Turns {
    capacity: Capacity,
    applications: RoundRobin<ApplicationNo>,
    lanes: HashMap<ApplicationNo, RoundRobin<LaneKey>>,
    /// Lanes that may send and wait for a place, each once.
    waiting: VecDeque<(ApplicationNo, LaneKey)>,
    all: Load,
    loads: HashMap<ApplicationNo, Load>,
    totals: HashMap<ApplicationNo, LaneTotals>,
}

impl Turns {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            applications: RoundRobin::new(QUANTUM),
            lanes: HashMap::new(),
            waiting: VecDeque::new(),
            all: Load::default(),
            loads: HashMap::new(),
            totals: HashMap::new(),
        }
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.all.on_time + self.all.slow
    }

    /// Requests in flight that there can be.
    pub(super) fn most_requests(&self) -> usize {
        self.capacity.ceiling() as usize
    }

    /// What each application's lanes have done since the start.
    pub(super) fn totals(&self) -> &HashMap<ApplicationNo, LaneTotals> {
        &self.totals
    }

    /// An event of an application was handed over.
    pub(super) fn handed_over(&mut self, application: ApplicationNo) {
        self.totals.entry(application).or_default().handed_over += 1;
    }

    /// A lane has work.
    pub(super) fn add(&mut self, application: ApplicationNo, lane: LaneKey) {
        self.lanes.entry(application).or_insert_with(|| RoundRobin::new(QUANTUM)).add(lane);
        self.applications.add(application);
    }

    /// The lane whose turn it is.
    pub(super) fn next(&mut self) -> Option<(ApplicationNo, LaneKey)> {
        loop {
            let application = self.applications.next_lane()?;
            match self.lanes.get_mut(&application).and_then(RoundRobin::next_lane) {
                Some(lane) => return Some((application, lane)),
                None => {
                    self.applications.remove(application);
                    self.lanes.remove(&application);
                }
            }
        }
    }

    /// A lane has no work, or may not send now.
    pub(super) fn remove(&mut self, application: ApplicationNo, lane: LaneKey) {
        if let Some(lanes) = self.lanes.get_mut(&application) {
            lanes.remove(lane);
        }
    }

    /// Whether there is a place for one more request of a lane.
    pub(super) fn admits(&self, lane: &Lane) -> bool {
        let of_application = self.loads.get(&lane.application()).copied().unwrap_or_default();
        self.capacity.admits(self.all, of_application, lane.on_time(), lane.standing())
    }

    /// A lane waits for a place.
    pub(super) fn wait(&mut self, key: LaneKey, lane: &mut Lane) {
        let application = lane.application();
        self.remove(application, key);
        if !std::mem::replace(&mut lane.waits_for_capacity, true) {
            self.waiting.push_back((application, key));
        }
    }

    /// A request of an application has begun.
    pub(super) fn begin(&mut self, application: ApplicationNo) {
        self.all.begin();
        self.loads.entry(application).or_default().begin();
    }

    /// A request of an application is slow from now on.
    pub(super) fn turn_slow(&mut self, application: ApplicationNo) {
        self.all.turn_slow();
        self.loads.entry(application).or_default().turn_slow();
    }

    /// A request of an application has ended.
    pub(super) fn end(&mut self, application: ApplicationNo, was_slow: bool) {
        self.all.end(was_slow);
        self.totals.entry(application).or_default().ended += 1;
        let load = self.loads.entry(application).or_default();
        load.end(was_slow);
        if load.is_zero() {
            self.loads.remove(&application);
        }
    }

    /// Lets lanes that wait look again. True when there was one.
    pub(super) fn look_again(&mut self, lane_of: &mut std::collections::BTreeMap<LaneKey, Lane>) -> bool {
        let count = self.waiting.len().min(LOOK_AGAIN);
        for _ in 0..count {
            let Some((application, key)) = self.waiting.pop_front() else { break };
            if let Some(lane) = lane_of.get_mut(&key) {
                lane.waits_for_capacity = false;
                self.add(application, key);
            }
        }
        count > 0
    }
}
