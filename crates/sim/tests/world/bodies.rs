//! Bodies and their size.

use domain::{
    errors::ErrorCode,
    signal::{self, Value},
    vehicle::Answer,
};
use milepost_sim::{Car, Mood, World, says};

use super::check_requests;

const LIMIT: usize = 50 * 1_000;

/// A car whose vehicle number is so long.
fn with_vin_of(length: usize) -> Mood {
    says(vec![Answer { signal: signal::VIN, outcome: Ok((Value::Text("X".repeat(length)), None)) }])
}

#[test]
fn row_n05_an_event_that_is_too_large_is_never_sent_and_stands_in_the_log() {
    let mut world = World::new(9);
    let hook = world.scheduled_webhook("every hour", &["/vin"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_is(car, with_vin_of(60_000));
    world.advance_to("16:30");
    assert!(world.posts(hook).is_empty());
    let log = world.log();
    assert_eq!((log.len(), log[0].logged.status.as_str()), (1, "failed"));
    assert!(format!("{:?}", log[0].attempts).contains("BodyTooLarge"));
    assert!(world.delivers(hook), "and nothing is switched off for it");
}

#[test]
fn row_n05_a_request_for_many_cars_is_split_where_it_would_be_too_large() {
    let mut world = World::new(9);
    let mut settings = World::scheduled("every hour", &["/vin"]);
    settings.vehicles_per_request = 100;
    let hook = world.webhook(settings);
    let cars: Vec<Car> = world.cars(60);
    for (place, &car) in cars.iter().enumerate() {
        world.car_is(car, with_vin_of(if place == 17 { 60_000 } else { 200 + 150 * place }));
    }
    world.subscribe_all(hook, &cars);
    world.advance_to("16:30");
    let posts = world.posts(hook);
    assert!(posts.iter().all(|post| post.body.len() <= LIMIT));
    let served: usize = posts.iter().map(|post| post.arrivals().len()).sum();
    assert_eq!(served, 59, "all but the one that fits nowhere");
    assert!(posts.len() < 30, "{} requests", posts.len());
    assert_eq!(world.log().len(), 60);
    check_requests(&world);
}

#[test]
fn a_car_that_answers_nothing_that_was_asked_for_is_posted_as_an_error() {
    let mut world = World::new(9);
    let hook = world.scheduled_webhook("every hour", &["/vin"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_is(car, says(vec![]));
    world.advance_to("17:30");
    let body = world.posts(hook)[0].json();
    let entry = &body["payload"]["vehicles"][0]["data"][0];
    assert_eq!(entry["body"]["type"], ErrorCode::UPSTREAM_NO_RESPONSE.to_string().split(':').next().unwrap());
}
