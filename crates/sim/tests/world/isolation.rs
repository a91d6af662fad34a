//! Nobody's trouble is another's: receivers that hang beside healthy ones, and feeds that push more than can be sent.

use std::{sync::Arc, time::Duration};

use app::{AppError, PushedReading, Settings};
use domain::{
    delivery::Failure,
    signal::{STATE_OF_CHARGE, Value},
};
use milepost_sim::{Car, Hook, Reaction, World, answers, hangs, unreached};
use store::{Feed, Newer};

use super::{check_requests, seconds};

const HANGING: usize = 60;
const CARS: usize = 12;
/// What a healthy receiver takes to answer.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// The ways in which nothing comes back: no answer, a body that drips, slow DNS, a black hole, a handshake that stalls.
fn ways_to_hang() -> [Reaction; 5] {
    [
        hangs(),
        answers(200).after(Duration::from_millis(14_900)),
        unreached(Failure::DnsFailed).after(seconds(5)),
        unreached(Failure::ConnectTimedOut).after(seconds(5)),
        unreached(Failure::TimedOut).after(seconds(15)),
    ]
}

/// A server with a quarter of the places that all its webhooks could fill, and the hooks that hang, and those that do not:
/// one of the same application, one of another.
fn stage() -> (World, Vec<Hook>, [Hook; 2]) {
    let mut settings = Settings::default();
    settings.retention.pass_every = seconds(60);
    settings.retention.heartbeat_every = seconds(60);
    settings.delivery.in_flight = 192;
    settings.delivery.lane_in_flight = 16;
    let mut world = World::with(7, settings);
    let cars = world.cars(CARS);
    let mut hooks: Vec<Hook> = (0..=HANGING).map(|_| hook(&mut world, &cars)).collect();
    let same = hooks.remove(HANGING / 2);
    world.another_application();
    let cars = world.cars(CARS);
    let other = hook(&mut world, &cars);
    (world, hooks, [same, other])
}

fn hook(world: &mut World, cars: &[Car]) -> Hook {
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    world.receiver_is(hook, answers(200).after(ROUND_TRIP));
    world.subscribe_all(hook, cars);
    hook
}

/// Every event of the healthy webhooks comes within half a second of its slot, though they may go one by one for a while.
#[track_caller]
fn check_healthy(world: &mut World, slot: &str, healthy: [Hook; 2]) {
    world.advance_to_the_brink_of(slot);
    world.forget_received();
    let begun = world.monotonic();
    world.advance(seconds(30));
    for hook in healthy {
        let posts = world.posts(hook);
        assert_eq!(posts.len(), CARS);
        let last = posts.iter().map(|post| post.began - begun).max().expect("something came");
        assert!(last <= Duration::from_millis(500), "the last event came after {last:?}");
    }
}

#[test]
fn receivers_that_begin_to_hang_all_at_once_delay_no_healthy_one() {
    let (mut world, hanging, healthy) = stage();
    world.advance_to("16:30");
    for (hook, way) in hanging.iter().zip(ways_to_hang().into_iter().cycle()) {
        world.receiver_is(*hook, way);
    }
    check_healthy(&mut world, "17:00", healthy);
    check_requests(&world);
}

#[test]
fn receivers_that_never_answered_delay_no_healthy_one() {
    let (mut world, hanging, healthy) = stage();
    for (hook, way) in hanging.iter().zip(ways_to_hang().into_iter().cycle()) {
        world.receiver_is(*hook, way);
    }
    check_healthy(&mut world, "16:00", healthy);
}

#[test]
fn a_receiver_that_hangs_has_few_requests_and_recovers_at_once() {
    let mut world = World::new(7);
    let cars = world.cars(30);
    let hook = hook(&mut world, &cars);
    world.receiver_is(hook, hangs());
    world.advance_to("16:00:10");
    assert_eq!(world.posts(hook).len(), 2, "one, and one more to see whether it was the only one");
    world.receiver_is(hook, answers(200).after(ROUND_TRIP));
    world.forget_received();
    world.advance_to("16:00:17");
    assert!(world.posts(hook).len() >= 28, "{}", world.story(hook));
}

#[test]
fn a_receiver_that_takes_its_time_is_sent_as_much_as_it_answers() {
    let mut world = World::new(7);
    let cars = world.cars(60);
    let hook = hook(&mut world, &cars);
    world.receiver_is(hook, answers(200).after(seconds(2)));
    world.advance_to("16:00:30");
    assert_eq!(world.posts(hook).len(), 60);
}

/// A webhook that fires on charge levels, with cars that nobody can be asked about.
struct Pushing {
    feed: Arc<Feed>,
    cars: Vec<Car>,
    hook: Hook,
    level: u32,
}

impl Pushing {
    fn new(world: &mut World) -> Self {
        let feed = world.feed(Newer::Observed, Duration::ZERO);
        let cars: Vec<Car> = (0..100).map(|_| world.pushed_car()).collect();
        let hook = world.unified_webhook(&[STATE_OF_CHARGE]);
        world.receiver_is(hook, answers(200).after(Duration::from_millis(10)));
        world.subscribe_all(hook, &cars);
        let mut pushing = Self { feed, cars, hook, level: 0 };
        pushing.push(world).expect("the first readings are taken");
        world.advance(seconds(5));
        pushing
    }

    /// A reading of each car, each of which fires.
    fn push(&mut self, world: &mut World) -> Result<(), AppError> {
        self.level += 1;
        let now = world.now();
        // Never 0: that is not believed at once.
        let level = Value::Number(f64::from(1 + self.level % 99));
        let observed_at = Some(now + Duration::from_micros(u64::from(self.level) * 1_000));
        let reading = |car: &Car| PushedReading {
            observed_at,
            ..PushedReading::of(car.id(), STATE_OF_CHARGE, level.clone())
        };
        let readings = self.cars.iter().map(reading).collect();
        let rejected = world.push_or_wait(&self.feed, readings)?;
        assert_eq!(rejected, []);
        Ok(())
    }
}

#[test]
fn while_the_machine_is_busy_readings_come_in_as_fast_as_events_go_out_and_others_do_not_wait() {
    let mut world = World::new(7);
    let mut loud = Pushing::new(&mut world);
    world.another_application();
    let mut quiet = Pushing::new(&mut world);
    world.is_busy(Duration::from_millis(20));
    world.forget_received();
    let (mut accepted, mut most) = (0, 0);
    for _ in 0..100 {
        if loud.push(&mut world).is_ok() {
            accepted += 100;
        }
        world.advance(Duration::from_millis(10));
        most = most.max(accepted - world.posts(loud.hook).len());
    }
    assert!(most < 2_000, "{most} events waited");
    let before = world.monotonic();
    quiet.push(&mut world).unwrap();
    assert!(world.monotonic() - before < Duration::from_millis(5));
    world.advance(seconds(60));
    assert_eq!(world.posts(loud.hook).len(), accepted, "what was accepted is delivered");
    assert!(accepted >= 3_000, "{accepted} were accepted");
}

#[test]
fn a_receiver_that_hangs_and_an_idle_machine_are_no_reason_to_take_nothing_in() {
    let mut world = World::new(7);
    let mut pushing = Pushing::new(&mut world);
    let before = world.monotonic();
    (0..20).for_each(|_| pushing.push(&mut world).unwrap());
    assert_eq!(world.monotonic(), before, "the machine is idle");
    world.advance(seconds(60));
    world.receiver_is(pushing.hook, hangs());
    world.is_busy(Duration::from_millis(20));
    for _ in 0..20 {
        let before = world.monotonic();
        pushing.push(&mut world).unwrap();
        assert_eq!(world.monotonic(), before, "the receiver hangs");
        world.advance(Duration::from_millis(100));
    }
}
