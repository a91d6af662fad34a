//! Judges the values that webhooks got of cars that only push.
//!
//! Every push about a car carries another value than all before, so what arrives names the push that it comes from. The
//! judge knows no rule about which reading counts; it asks for what must hold under any such rule, however the clocks of
//! senders and server run:
//!
//! - a value that arrives was pushed about this car;
//! - an older value never comes after a newer one, in the order in which the events were made;
//! - what was answered as applied is sent to every webhook that watched the car then and has been reached since;
//! - once all clocks are right, one more reading is applied, and each webhook gets it.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    ids::{EventNo, VehicleId},
    signal,
};
use lab::id::Id;
use serde_json::Value as Json;

use crate::{
    judge,
    receivers::Received,
    world::{Car, Hook, World},
};

/// The signal that is pushed.
const CODE: &str = "tractionbattery-stateofcharge";
/// The first value, and how much each following one is above the one before: so little that none is implausible after
/// another, and so few in a life that the last one is below 100 percent.
const FIRST: f64 = 20.0;
const STEP: f64 = 0.01;
/// Within this time an event has arrived at a receiver that accepts everything.
const ARRIVED: Duration = Duration::from_secs(10 * 60);

/// The pushes of a world, in order.
#[derive(Default)]
pub(crate) struct Pushes(Vec<Push>);

struct Push {
    car: VehicleId,
    value: f64,
    /// When, by the monotonic clock.
    at: Duration,
    /// Answered as applied; a process that ended has not answered.
    applied: bool,
}

/// A car on a webhook whose receiver accepts everything, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay {
    pub(crate) hook: Hook,
    pub(crate) car: Car,
    pub(crate) from: Duration,
    pub(crate) until: Option<Duration>,
}

impl Pushes {
    /// The value that is pushed next, whatever the car.
    pub(crate) fn next_value(&self) -> f64 {
        let hundredths = (FIRST / STEP).round() + self.0.len() as f64;
        hundredths / STEP.recip()
    }

    /// Notes that a value was pushed, and whether the answer said that it was applied.
    pub(crate) fn note(&mut self, car: Car, value: f64, at: Duration, applied: bool) {
        self.0.push(Push { car: car.id(), value, at, applied });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of a value among those of a car.
    fn place(&self, car: Id, value: f64) -> Option<usize> {
        let of_car = |push: &Push| Id(push.car.0.as_u128()) == car && push.value == value;
        self.0.iter().position(of_car)
    }

    /// What is wrong with what a webhook got.
    pub(crate) fn judge(&self, world: &mut World, hook: Hook, cars: &[Car]) -> Vec<String> {
        let mut found = Vec::new();
        for (car, values) in self.arrived(world, hook, cars, &mut found) {
            for pair in values.windows(2).filter(|pair| pair[1] < pair[0]) {
                let [newer, older] = [pair[0], pair[1]].map(|place| self.0[place].value);
                found.push(format!("{car}: {older} came after {newer}, which was pushed later"));
            }
        }
        found
    }

    /// The pushes whose values arrived, by car, in the order in which their events were made.
    fn arrived(
        &self,
        world: &mut World,
        hook: Hook,
        cars: &[Car],
        found: &mut Vec<String>,
    ) -> BTreeMap<Id, Vec<usize>> {
        let made: BTreeMap<Id, EventNo> = world
            .log()
            .iter()
            .filter(|row| row.logged.webhook == hook.no)
            .map(|row| (judge::wire_id(row, world), row.logged.event))
            .collect();
        let mut by_car: BTreeMap<Id, BTreeMap<EventNo, usize>> = BTreeMap::new();
        for post in world.posts(hook) {
            let Some((event, car, value)) = content(&post) else { continue };
            if !cars.iter().any(|known| Id(known.id().0.as_u128()) == car) {
                continue;
            }
            match (self.place(car, value), made.get(&event)) {
                (None, _) => found.push(format!("{car}: {value} came and was never pushed")),
                // Another judge misses it in the log.
                (Some(_), None) => {}
                (Some(place), Some(&no)) => {
                    by_car.entry(car).or_default().insert(no, place);
                }
            }
        }
        by_car.into_iter().map(|(car, values)| (car, values.into_values().collect())).collect()
    }

    /// What was applied while a car was on a webhook whose receiver accepts everything, and did not arrive there.
    pub(crate) fn missing(&self, world: &mut World, stays: &[Stay]) -> Vec<String> {
        let mut found = Vec::new();
        for stay in stays {
            let got: Vec<f64> = world
                .posts(stay.hook)
                .iter()
                .filter_map(content)
                .filter(|(_, car, _)| *car == Id(stay.car.id().0.as_u128()))
                .map(|(.., value)| value)
                .collect();
            let owed = |push: &&Push| {
                push.applied
                    && push.car == stay.car.id()
                    && push.at > stay.from
                    && stay.until.is_none_or(|until| push.at + ARRIVED < until)
            };
            for push in self.0.iter().filter(owed).filter(|push| !got.contains(&push.value)) {
                found.push(format!(
                    "car {}: {} was applied at {:?}, and webhook {} never got it",
                    stay.car.number, push.value, push.at, stay.hook.id
                ));
            }
        }
        found
    }

    /// Whether a webhook got the value that was pushed last about a car. What was retried may come after it.
    pub(crate) fn last_came(&self, world: &World, hook: Hook, car: Car) -> Result<(), String> {
        let Some(last) = self.0.iter().rev().find(|push| push.car == car.id()) else { return Ok(()) };
        let id = Id(car.id().0.as_u128());
        let came = world
            .posts(hook)
            .iter()
            .filter_map(content)
            .any(|(_, of, value)| of == id && value == last.value);
        if came {
            return Ok(());
        }
        Err(format!(
            "car {}: webhook {} did not get {}, which was pushed last",
            car.number, hook.id, last.value
        ))
    }
}

/// The event, the car and the value that a request carries, if it carries a value.
fn content(post: &Received) -> Option<(Id, Id, f64)> {
    let arrival = post.arrivals().pop()?;
    let body = post.json();
    if body["eventType"] != "VEHICLE_STATE" {
        return None;
    }
    let signals = body["data"]["signals"].as_array()?;
    let charge = signals.iter().find(|signal| code(signal) == CODE)?;
    Some((arrival.id, arrival.vehicle?, charge["body"]["value"].as_f64()?))
}

fn code(signal: &Json) -> &str {
    debug_assert_eq!(signal::STATE_OF_CHARGE.entry().code, CODE);
    signal["code"].as_str().unwrap_or_default()
}
