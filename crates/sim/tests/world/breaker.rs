//! A receiver that is down: retries probe it, new events wait at no cost, and a recovery is not answered with a flood.

use domain::webhook::Disabled;
use milepost_sim::{Answered, Hook, Received, World, answers};

use super::{check_requests, minutes, seconds};

/// Many cars on one hourly webhook whose receiver is down.
fn down(cars: usize) -> (World, Hook, Vec<milepost_sim::Car>) {
    let mut world = World::new(11);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(cars);
    world.subscribe_all(hook, &cars);
    world.receiver_is(hook, answers(503));
    (world, hook, cars)
}

/// The most requests that were under way at a time.
fn most_at_once(posts: &[Received]) -> usize {
    let at = |began: std::time::Duration| {
        posts
            .iter()
            .filter(|post| post.began <= began && post.ended.is_none_or(|ended| ended > began))
            .count()
    };
    posts.iter().map(|post| at(post.began)).max().unwrap_or(0)
}

#[test]
fn fault_e8_while_a_receiver_is_down_only_retries_and_a_few_first_attempts_reach_it() {
    let (mut world, hook, cars) = down(200);
    world.advance_to("16:04:59");
    let posts = world.posts(hook);
    let tried: std::collections::BTreeSet<_> = posts.iter().map(|post| post.id()).collect();
    assert!(tried.len() <= 16, "{} of {} events were tried", tried.len(), cars.len());
    assert!(posts.len() <= 16 * 5, "{} requests", posts.len());
}

#[test]
fn what_an_open_breaker_holds_is_listed_with_until_when() {
    let (mut world, _, cars) = down(200);
    world.advance_to("16:01");
    let now = world.now();
    let (waiting, _) =
        world.must(|app| async move { app.waiting(app::WaitingQuery::default(), 1_000).await });
    assert_eq!(waiting.len(), cars.len());
    let (held, tried): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|waits| waits.event.attempt_count == 0);
    assert!(held.len() > 150 && !tried.is_empty(), "{} held, {} tried", held.len(), tried.len());
    for waits in held {
        let until = waits.held_until.unwrap();
        assert!(until >= now && until <= waits.event.created_at + minutes(15), "{until}");
    }
    assert!(tried.iter().all(|waits| waits.held_until.is_none()), "retries keep their times");
}

#[test]
fn fault_e8_after_a_recovery_the_lane_drains_at_a_ramp() {
    let (mut world, hook, cars) = down(200);
    world.advance_to("16:04:59");
    world.forget_received();
    world.receiver_is(hook, answers(200).after(seconds(1)));
    world.advance_to("16:05:02");
    let first = world.posts(hook);
    assert!(most_at_once(&first) <= 20, "{} at once", most_at_once(&first));
    world.advance_to("16:30");
    let delivered = world.posts(hook).iter().filter(|post| post.answered == Answered::Status(200)).count();
    assert_eq!(delivered, cars.len());
    assert!(world.delivers(hook));
    check_requests(&world);
}

#[test]
fn a_receiver_that_stays_down_switches_the_webhook_off_and_what_waits_is_dropped() {
    let (mut world, hook, cars) = down(50);
    world.advance_to("17:30");
    let view = world.view(hook);
    assert_eq!(view.entry.webhook().status.disabled, Some(Disabled::RetriesUsedUp));
    assert_eq!(view.queued, 0);
    let log = world.log();
    assert_eq!(log.len(), cars.len());
    assert!(log.iter().all(|row| matches!(row.logged.status.as_str(), "failed" | "dropped")));
}

#[test]
fn one_car_that_a_receiver_cannot_digest_does_not_stop_the_others() {
    let mut world = World::new(11);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(5);
    world.subscribe_all(hook, &cars);
    world.receiver_to(hook, cars[0], answers(500));
    world.advance_to("18:30");
    assert!(world.delivers(hook));
    let delivered = world.posts(hook).iter().filter(|post| post.answered == Answered::Status(200)).count();
    assert_eq!(delivered, 3 * 4);
}

#[test]
fn a_restart_does_not_make_one_poisonous_car_stop_the_others() {
    let mut world = World::new(11);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(5);
    world.subscribe_all(hook, &cars);
    world.receiver_to(hook, cars[0], answers(500));
    world.advance_to("16:05:30");
    world.crash();
    world.advance_to("16:30");
    assert!(world.delivers(hook));
}

#[test]
fn where_no_retry_is_left_to_probe_a_waiting_event_is_the_probe() {
    let (mut world, hook, cars) = down(30);
    world.advance_to("16:00:10");
    let tried: std::collections::BTreeSet<_> = world
        .posts(hook)
        .iter()
        .flat_map(|post| post.arrivals())
        .filter_map(|arrival| arrival.vehicle)
        .collect();
    let (tried, waiting): (Vec<_>, Vec<_>) =
        cars.into_iter().partition(|car| tried.contains(&lab::id::Id(car.id().0.as_u128())));
    assert!(!tried.is_empty() && !waiting.is_empty());
    for car in tried {
        world.unsubscribe(hook, car);
    }
    world.receiver_is(hook, answers(200));
    world.forget_received();
    world.advance(minutes(2));
    assert_eq!(world.posts(hook).len(), waiting.len());
}
