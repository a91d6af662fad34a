//! Bodies and their size.

use domain::{
    errors::ErrorCode,
    signal::{self, Value},
    vehicle::Answer,
};
use milepost_sim::{Car, Mood, World, says};

use super::check_requests;

const LIMIT: usize = 50 * 1_000;

/// A car whose service history has so many entries of about 110 bytes.
fn with_services(count: usize) -> Mood {
    let services: Vec<String> = (0..count).map(|id| format!(r#"{{"id":"{id:0>100}"}}"#)).collect();
    let history = format!(r#"{{"values":[{}]}}"#, services.join(","));
    says(vec![Answer { signal: signal::SERVICE_RECORDS, outcome: Ok((Value::Json(history), None)) }])
}

#[test]
fn row_n05_what_a_car_says_without_measure_is_an_error_and_never_makes_an_event_too_large() {
    let mut world = World::new(9);
    let hook = world.scheduled_webhook("every hour", &["/service/history"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_is(car, with_services(600));
    world.advance_to("17:30");
    let posts = world.posts(hook);
    let entry = &posts[0].json()["payload"]["vehicles"][0]["data"][0];
    assert_eq!((&entry["code"], &entry["body"]["type"]), (&502.into(), &"UPSTREAM".into()), "{entry}");
    let log = world.log();
    assert!(log.iter().all(|logged| logged.logged.status.as_str() == "delivered"), "{log:?}");
}

#[test]
fn row_n05_a_request_for_many_cars_is_split_where_it_would_be_too_large() {
    let mut world = World::new(9);
    let mut settings = World::scheduled("every hour", &["/service/history"]);
    settings.vehicles_per_request = 100;
    let hook = world.webhook(settings);
    let cars: Vec<Car> = world.cars(60);
    for (place, &car) in cars.iter().enumerate() {
        world.car_is(car, with_services(1 + place / 2));
    }
    world.subscribe_all(hook, &cars);
    world.advance_to("16:30");
    let posts = world.posts(hook);
    assert!(posts.iter().all(|post| post.body.len() <= LIMIT));
    let served: usize = posts.iter().map(|post| post.arrivals().len()).sum();
    assert_eq!(served, 60);
    assert!((2..30).contains(&posts.len()), "{} requests", posts.len());
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
