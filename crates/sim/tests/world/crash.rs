//! Ends of the process at every commit and every call: nothing is lost, and what is repeated has the same id and data.

use std::collections::BTreeMap;

use domain::vehicle::Mode;
use milepost_sim::{Answered, Hook, Moment, Strike, World, answers};

use super::{hours, minutes, seconds};

/// Three cars, the process ending while their slot is worked through.
fn slot_with(seed: u64, strikes: [Option<Strike>; 2], receiver: &[u16]) -> (World, Hook) {
    let mut world = World::new(seed);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(3);
    world.subscribe_all(hook, &cars);
    world.advance_to("15:59:59");
    let script: Vec<_> = receiver.iter().map(|&status| answers(status)).collect();
    world.receiver_will(hook, &script, answers(200));
    world.foresee(strikes[0]);
    world.foresee_next(strikes[1]);
    world.advance_to("16:20");
    world.foresee(None);
    world.foresee_next(None);
    world.advance_to("16:30");
    (world, hook)
}

/// Every car was accepted once, and again only where the process ended, under the same id and with the same data.
fn check_slot(world: &mut World, hook: Hook, about: &str) {
    let mut bodies: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for post in world.posts(hook) {
        if post.answered == Answered::Status(200) {
            bodies.entry(post.id()).or_default().push(post.body);
        }
    }
    assert_eq!(bodies.len(), 3, "{about}: each car once");
    let repeats: usize = bodies.values().map(|bodies| bodies.len() - 1).sum();
    let excused: usize = world.faults().iter().map(|fault| fault.in_flight).sum();
    assert!(repeats <= excused, "{about}: {repeats} repeats, {excused} in flight");
    assert!(bodies.values().all(|bodies| bodies.iter().all(|body| *body == bodies[0])), "{about}");
    let mut log: Vec<_> =
        world.log().iter().map(|row| (row.logged.vehicle, row.logged.status.as_str())).collect();
    log.sort_by_key(|row| row.0);
    assert_eq!(log.iter().map(|row| row.1).collect::<Vec<_>>(), ["delivered"; 3], "{about}");
    assert_eq!(world.view(hook).queued, 0, "{about}");
}

#[test]
fn fault_a2_a3_a4_the_process_may_end_at_any_step_of_a_slot() {
    for after in 0..40 {
        let (mut world, hook) = slot_with(1_000 + after, [Some(Strike::After(after)), None], &[]);
        check_slot(&mut world, hook, &format!("after {after}"));
    }
}

#[test]
fn fault_a5_the_process_may_end_while_retries_are_noted_and_no_attempt_is_forgotten() {
    for after in 0..40 {
        let (mut world, hook) =
            slot_with(2_000 + after, [Some(Strike::After(after)), None], &[500, 503, 500, 500]);
        check_slot(&mut world, hook, &format!("after {after}"));
        let counted: usize = world.log().iter().map(|row| row.attempts.len()).sum();
        let made = world.posts(hook).len();
        let excused: usize = world.faults().iter().map(|fault| fault.in_flight).sum();
        assert!(counted + excused >= made, "after {after}: {made} attempts made, {counted} noted");
    }
}

#[test]
fn fault_a6_the_process_may_end_while_it_recovers() {
    for after in 0..30 {
        let strikes = [Some(Strike::After(after)), Some(Strike::After(after / 3))];
        let (mut world, hook) = slot_with(3_000 + after, strikes, &[500]);
        check_slot(&mut world, hook, &format!("after {after}"));
    }
}

#[test]
fn fault_a4_a_request_that_was_answered_and_not_noted_is_repeated_under_its_id() {
    let (world, hook) = slot_with(4, [Some(Strike::At(Moment::AfterPost, 0)), None], &[]);
    let posts = world.posts(hook);
    assert_eq!(posts.len(), 4, "one more than cars");
    let repeated =
        posts.iter().filter(|post| posts.iter().filter(|other| other.id() == post.id()).count() == 2);
    let repeated: Vec<_> = repeated.collect();
    assert_eq!(repeated.len(), 2);
    assert_eq!(repeated[0].body, repeated[1].body);
}

#[test]
fn fault_a1_what_was_answered_is_kept_and_what_was_not_may_be_asked_again() {
    for after in 0..12 {
        let mut world = World::new(5_000 + after);
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        let car = world.car_with(Mode::Simulated, domain::connect::PermissionSet::ALL);
        world.foresee(Some(Strike::After(after)));
        let subscribe =
            |app: std::sync::Arc<app::App>| async move { app.subscribe(hook.id, &[car.id()]).await.is_ok() };
        let first = world.ask(subscribe);
        world.settle();
        world.foresee(None);
        if first != Some(true) {
            assert_eq!(world.ask(subscribe), Some(true));
        }
        world.crash();
        world.advance(seconds(5));
        world.start();
        assert_eq!(world.view(hook).subscriptions, 1, "after {after}");
        world.advance_to("16:30");
        assert_eq!(world.posts(hook).len(), 1, "after {after}");
    }
}

#[test]
fn used_up_retries_are_counted_across_ends_of_the_process() {
    let mut world = World::new(6);
    let hook = world.scheduled_webhook("daily at 16:00", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, answers(500));
    for _ in 0..5 {
        world.advance_to("16:00:01");
        for _ in 0..12 {
            world.advance(minutes(1));
            world.crash();
            world.start();
        }
        world.advance(hours(2));
        assert_eq!(world.posts(hook).len(), 6);
        assert!(!world.delivers(hook));
        world.enable(hook);
        world.forget_received();
    }
}
