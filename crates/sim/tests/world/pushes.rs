//! Pushed readings: what was answered is never lost, nothing fires twice for one reading, and ends of the process change
//! nothing about what receivers are told. Judged by a list of what was pushed.

use std::{sync::Arc, time::Duration};

use app::PushedReading;
use domain::{
    ids::VehicleId,
    signal::{GEAR, SPEED, STATE_OF_CHARGE, SignalId, Value},
    time::Timestamp,
    webhook::ChargingEvent,
};
use milepost_sim::{Answered, Car, Chance, Hook, Received, Strike, World, answers, resets};
use serde_json::{Value as Json, json};
use store::{Feed, Newer};

use super::{
    minutes, number,
    reference::{self, Moment},
    seconds,
};

const CHARGE: &str = "tractionbattery-stateofcharge";
const SPEED_CODE: &str = "motion-currentspeed";
const GEAR_CODE: &str = "transmission-gearstate";

/// A feed, its cars, and what it has pushed of each.
struct Feeder {
    world: World,
    feed: Arc<Feed>,
    cars: Vec<Car>,
    pushed: Vec<Vec<Moment>>,
    /// The requests so far.
    requests: Vec<Vec<PushedReading>>,
    /// When the last moment was measured.
    measured_at: Timestamp,
}

impl Feeder {
    fn new(seed: u64, cars: usize, hold: Duration) -> Self {
        let mut world = World::new(seed);
        let feed = world.feed(Newer::Observed, hold);
        let cars: Vec<Car> = (0..cars).map(|_| world.pushed_car()).collect();
        let pushed = vec![Vec::new(); cars.len()];
        let measured_at = world.now() - minutes(60 * 24);
        Self { world, feed, cars, pushed, requests: Vec::new(), measured_at }
    }

    /// Puts all cars on a webhook that carries what makes it fire.
    fn webhook(&mut self, triggers: &[SignalId]) -> Hook {
        let hook = self.world.unified_webhook(triggers);
        self.world.subscribe_all(hook, &self.cars);
        hook
    }

    /// The first moment of each car, which is its first delivery.
    fn first(&mut self) {
        for car in 0..self.cars.len() {
            self.push(car, &[(80.0, 0.0, "PARK")]);
            self.world.advance(seconds(30));
        }
    }

    /// Pushes moments of a car in one request, and again until that is answered.
    fn push(&mut self, car: usize, moments: &[(f64, f64, &str)]) {
        let mut readings = Vec::new();
        for &(charge, speed, gear) in moments {
            self.measured_at = self.measured_at + seconds(1);
            let values =
                [(STATE_OF_CHARGE, number(charge)), (SPEED, number(speed)), (GEAR, Value::Text(gear.into()))];
            let id = self.cars[car].id();
            readings.extend(values.map(|(signal, value)| reading(id, signal, value, self.measured_at)));
            self.pushed[car].push(vec![
                (CHARGE, json!({"value": charge, "unit": "percent"})),
                (SPEED_CODE, json!({"value": speed, "unit": "kph"})),
                (GEAR_CODE, json!({"value": gear})),
            ]);
        }
        self.requests.push(readings.clone());
        self.send(readings);
    }

    fn send(&mut self, readings: Vec<PushedReading>) {
        while self.world.push(&self.feed, readings.clone()).is_none_or(|rejected| {
            assert_eq!(rejected, []);
            false
        }) {}
    }

    /// Compares what a webhook was told with what was pushed.
    fn judge(&mut self, hook: Hook, triggers: &[&'static str], about: &str) -> Result<(), String> {
        let bodies = accepted(&self.world, hook);
        for (car, pushed) in self.cars.iter().zip(&self.pushed) {
            let id = car.id().to_string();
            let of_car: Vec<Json> = bodies.iter().filter(|body| body["vehicleId"] == id).cloned().collect();
            let (told, expected) = (reference::read(&of_car), reference::told(pushed, triggers));
            if told != expected {
                let differs = told.iter().zip(&expected).position(|(told, expected)| told != expected);
                let at = differs.unwrap_or(told.len().min(expected.len()));
                return Err(format!(
                    "{about}, car {}: {} events for {}; event {at} is {:?} and should be {:?}",
                    car.number,
                    told.len(),
                    expected.len(),
                    told.get(at),
                    expected.get(at)
                ));
            }
        }
        Ok(())
    }
}

fn reading(vehicle: VehicleId, signal: SignalId, value: Value, observed_at: Timestamp) -> PushedReading {
    PushedReading { observed_at: Some(observed_at), ..PushedReading::of(vehicle, signal, value) }
}

fn accepted(world: &World, hook: Hook) -> Vec<Json> {
    let posts = world.posts(hook);
    posts.iter().filter(|post| post.answered == Answered::Status(200)).map(Received::json).collect()
}

#[test]
fn a_clock_of_the_server_that_was_ahead_costs_no_event_afterwards() {
    for timed in [false, true] {
        let mut feeder = Feeder::new(5, 1, Duration::ZERO);
        let hook = feeder.webhook(&[STATE_OF_CHARGE]);
        feeder.first();
        let before = accepted(&feeder.world, hook).len();
        let id = feeder.cars[0].id();
        // The car's clock is right, whatever the server's says.
        let push = |feeder: &mut Feeder, charge: i32, ahead: Duration| {
            let observed_at = timed.then(|| feeder.world.now() - ahead);
            let value = number(f64::from(charge));
            feeder.send(vec![PushedReading { observed_at, ..PushedReading::of(id, STATE_OF_CHARGE, value) }]);
            feeder.world.advance(seconds(10));
        };
        feeder.world.jump(3_600);
        (70..73).for_each(|charge| push(&mut feeder, charge, seconds(3_600)));
        feeder.world.jump(-3_600);
        (40..49).for_each(|charge| push(&mut feeder, charge, seconds(0)));
        assert_eq!(accepted(&feeder.world, hook).len() - before, 3 + 9, "timed: {timed}");
    }
}

/// A car that drives off, request by request, the process ending twice.
fn driven_off(seed: u64, after: u64, hold: Duration) -> Result<(), String> {
    let mut feeder = Feeder::new(seed, 1, hold);
    let hook = feeder.webhook(&[STATE_OF_CHARGE, SPEED, GEAR]);
    feeder.first();
    feeder.world.foresee(Some(Strike::After(after)));
    feeder.world.foresee_next(Some(Strike::After(after / 2)));
    feeder.push(0, &[(80.0, 0.0, "DRIVE")]);
    feeder.push(0, &[(79.9, 10.0, "DRIVE"), (79.9, 10.0, "DRIVE"), (79.8, 20.0, "DRIVE")]);
    feeder.world.advance(seconds(3));
    feeder.push(0, &[(79.8, 30.0, "DRIVE")]);
    feeder.push(0, &[(79.8, 20.0, "DRIVE"), (79.9, 20.0, "DRIVE")]);
    feeder.world.advance(seconds(20));
    feeder.push(0, &[(79.9, 0.0, "PARK")]);
    feeder.world.advance(minutes(2));
    feeder.world.foresee(None);
    feeder.world.foresee_next(None);
    feeder.world.advance(minutes(10));
    feeder.judge(hook, &[CHARGE, SPEED_CODE, GEAR_CODE], &format!("after {after}, hold {hold:?}"))
}

#[test]
fn readings_that_were_answered_are_told_once_wherever_the_process_ends() {
    for hold in [Duration::ZERO, seconds(5)] {
        for after in 0..60 {
            driven_off(6_000 + after, after, hold).unwrap();
        }
    }
}

const TRIGGERS: &[(&[SignalId], &[&str])] =
    &[(&[STATE_OF_CHARGE], &[CHARGE]), (&[GEAR, SPEED], &[GEAR_CODE, SPEED_CODE])];

/// A life of some cars that push, of two webhooks, and of a process that ends now and then; judged at its end.
pub(super) fn live(seed: u64) -> Result<usize, String> {
    let mut chance = Chance::new(seed, 3);
    let hold = chance.pick(&[Duration::ZERO, seconds(2), seconds(30)]);
    let mut feeder = Feeder::new(seed, 3, hold);
    let hooks: Vec<Hook> = TRIGGERS.iter().map(|(triggers, _)| feeder.webhook(triggers)).collect();
    feeder.first();
    for _ in 0..60 {
        match chance.below(10) {
            0..=4 => {
                let car = chance.below(feeder.cars.len());
                let mut moment = || {
                    let charge = chance.from_to(70, 73) as f64 + 0.5;
                    (charge, chance.from_to(0, 2) as f64 * 10.0, chance.pick(&["PARK", "DRIVE"]))
                };
                let moments: Vec<_> = (0..3).map(|_| moment()).collect();
                let count = chance.below(3) + 1;
                feeder.push(car, &moments[..count]);
            }
            5 => {
                // A feed that does not know whether it was heard.
                let again = chance.pick(&feeder.requests);
                feeder.send(again);
            }
            6 => feeder.world.advance(Duration::from_millis(chance.from_to(0, 90_000))),
            7 => {
                // What was tried before has its end, so that no event has more failures than attempts.
                feeder.world.advance(seconds(200));
                let script: Vec<_> =
                    (0..chance.below(4)).map(|_| chance.pick(&[answers(500), resets()])).collect();
                feeder.world.receiver_will(chance.pick(&hooks), &script, answers(200));
            }
            8 => {
                feeder.world.foresee(Some(Strike::After(chance.from_to(0, 25))));
                if chance.once_in(3) {
                    feeder.world.foresee_next(Some(Strike::After(chance.from_to(0, 8))));
                }
            }
            _ => feeder.world.crash(),
        }
    }
    feeder.world.foresee(None);
    feeder.world.foresee_next(None);
    feeder.world.start();
    feeder.world.advance(minutes(10));
    for (hook, (_, codes)) in hooks.into_iter().zip(TRIGGERS) {
        feeder.judge(hook, codes, &format!("seed {seed}, hold {hold:?}"))?;
    }
    Ok(feeder.pushed.iter().map(Vec::len).sum())
}

#[test]
fn lives_of_pushing_cars_with_crashes_lose_nothing_and_tell_nothing_twice() {
    let mut moments = 0;
    for seed in 1..=60 {
        moments += live(seed).unwrap();
    }
    println!("60 lives, {moments} moments");
    assert!(moments > 2_000, "{moments}");
}

#[test]
fn row_s04_a_webhook_that_is_switched_on_again_is_told_what_was_pushed_meanwhile_once() {
    let mut feeder = Feeder::new(54, 1, Duration::ZERO);
    let hook = feeder.webhook(&[STATE_OF_CHARGE]);
    feeder.first();
    feeder.world.disable(hook);
    feeder.push(0, &[(79.0, 0.0, "PARK")]);
    feeder.push(0, &[(78.0, 0.0, "PARK")]);
    feeder.world.forget_received();
    feeder.world.enable(hook);
    feeder.world.advance(minutes(10));
    feeder.push(0, &[(77.0, 0.0, "PARK")]);
    feeder.world.advance(minutes(10));
    let told = reference::read(&accepted(&feeder.world, hook));
    let fired: Vec<_> = told.iter().map(|told| told.fired.join(" ")).collect();
    assert_eq!(fired, ["FIRST_DELIVERY", CHARGE]);
    assert_eq!(told[0].values[0]["value"], 78.0);
}

#[test]
fn a_car_that_only_pushes_is_never_read() {
    let mut feeder = Feeder::new(51, 1, Duration::ZERO);
    feeder.webhook(&[STATE_OF_CHARGE]);
    feeder.first();
    feeder.world.advance(minutes(300));
    assert!(feeder.world.reads(feeder.cars[0]).is_empty());
}

#[test]
fn a_stranger_s_vehicle_and_what_a_signal_cannot_be_are_refused_and_the_rest_is_taken() {
    let mut feeder = Feeder::new(52, 1, Duration::ZERO);
    let hook = feeder.webhook(&[STATE_OF_CHARGE]);
    let (id, now) = (feeder.cars[0].id(), feeder.world.now());
    let stranger = VehicleId(uuid::Uuid::from_u128(7));
    let readings = vec![
        reading(stranger, STATE_OF_CHARGE, number(1.0), now),
        reading(id, STATE_OF_CHARGE, Value::Flag(true), now),
        reading(id, STATE_OF_CHARGE, number(81.0), now),
    ];
    let rejected = feeder.world.push(&feeder.feed, readings).unwrap();
    let places: Vec<_> = rejected.iter().map(|rejected| rejected.index).collect();
    assert_eq!(places, [0, 1], "{rejected:?}");
    feeder.world.advance(seconds(1));
    assert_eq!(accepted(&feeder.world, hook).len(), 1);
}

#[test]
fn pushes_of_a_car_that_can_also_be_read_start_charging_events() {
    let mut world = World::new(53);
    let feed = world.feed(Newer::Observed, Duration::ZERO);
    let hook = world.charging_webhook(ChargingEvent::ALL);
    let car = world.live_car();
    world.subscribe(hook, car);
    world.advance(minutes(1));
    for charging in [true, false] {
        let now = world.now();
        let value = Value::Flag(charging);
        world.push(&feed, vec![reading(car.id(), domain::signal::IS_CHARGING, value, now)]).unwrap();
        world.advance(seconds(1));
    }
    let events: Vec<Json> =
        world.posts(hook).iter().map(|post| post.json()["payload"]["eventType"].clone()).collect();
    assert_eq!(events, ["CHARGING_STARTED", "CHARGING_STOPPED"]);
}
