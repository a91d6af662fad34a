//! Webhooks of v2 beside scheduled ones: charging events, and dynamic webhooks.

use domain::{
    errors::ErrorCode,
    signal::{
        BATTERY_RANGE, CHARGING_STATUS, IS_CABLE_CONNECTED, IS_CHARGING, LOCATION, STATE_OF_CHARGE, Value,
    },
    webhook::ChargingEvent,
};
use expect_test::expect;
use milepost_sim::{Car, Hook, Mood, Received, World, answers, fails};
use serde_json::{Value as Json, json};

use super::{check_requests, hours, minutes, number, shows};

/// A car that charges or not, to this percentage.
fn charging(charging: bool, charge: f64) -> Mood {
    let status = match (charging, charge >= 100.0) {
        (true, _) => "CHARGING",
        (false, true) => "FULLY_CHARGED",
        (false, false) => "NOT_CHARGING",
    };
    shows(&[
        (IS_CHARGING, Value::Flag(charging)),
        (IS_CABLE_CONNECTED, Value::Flag(charging)),
        (CHARGING_STATUS, Value::Text(status.into())),
        (STATE_OF_CHARGE, number(charge)),
        (BATTERY_RANGE, number(300.0)),
        (LOCATION, Value::position(52.0, 13.0, None)),
    ])
}

fn change(world: &mut World, car: Car, mood: Mood) {
    world.car_is(car, mood);
    world.advance(minutes(90));
}

/// A car that does not charge, on a webhook that reports these events.
fn on(events: &[ChargingEvent]) -> (World, Hook, Car) {
    let mut world = World::new(41);
    let hook = world.charging_webhook(events);
    let car = world.live_car();
    world.car_is(car, charging(false, 50.0));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    (world, hook, car)
}

fn events(world: &World, hook: Hook) -> Vec<Json> {
    world.posts(hook).iter().map(|post| post.json()["payload"]["eventType"].clone()).collect()
}

#[test]
fn row_b01_a_charging_event_says_what_happened_when_and_to_which_vehicle() {
    let (mut world, hook, car) = on(ChargingEvent::ALL);
    assert!(world.posts(hook).is_empty(), "the first look is no event");
    change(&mut world, car, charging(true, 51.0));
    let posts = world.posts(hook);
    assert_eq!(posts.len(), 1);
    let body = posts[0].json();
    assert_eq!((&body["version"], &body["eventName"]), (&json!("2.0"), &json!("eventBased")));
    assert_eq!((&body["webhookId"], &body["mode"]), (&json!(hook.id.to_string()), &json!("live")));
    let payload = body["payload"].as_object().unwrap();
    let keys: Vec<_> = payload.keys().map(String::as_str).collect();
    assert_eq!(keys, ["eventId", "vehicleId", "eventType", "eventTime"], "and no vehicles");
    assert_eq!(payload["vehicleId"], car.id().to_string());
    assert_eq!(payload["eventType"], "CHARGING_STARTED");
    assert_eq!(payload["eventTime"].as_str().unwrap()[..16], posts[0].at.to_string()[..16]);
    check_requests(&world);
}

#[test]
fn row_b02_only_chosen_events_are_reported() {
    let (mut world, hook, car) = on(&[ChargingEvent::Stopped, ChargingEvent::Completed]);
    change(&mut world, car, charging(true, 51.0));
    assert!(world.posts(hook).is_empty());
    change(&mut world, car, charging(false, 60.0));
    assert_eq!(events(&world, hook), ["CHARGING_STOPPED"]);
}

#[test]
fn row_b03_charging_to_the_target_is_completed_and_otherwise_stopped() {
    let (mut world, hook, car) = on(ChargingEvent::ALL);
    change(&mut world, car, charging(true, 51.0));
    change(&mut world, car, charging(false, 60.0));
    change(&mut world, car, charging(true, 61.0));
    change(&mut world, car, charging(false, 100.0));
    let expected = ["CHARGING_STARTED", "CHARGING_STOPPED", "CHARGING_STARTED", "CHARGING_COMPLETED"];
    assert_eq!(events(&world, hook), expected);
}

#[test]
fn a_charging_event_is_retried_with_the_same_body_and_growing_pauses() {
    let (mut world, hook, car) = on(ChargingEvent::ALL);
    world.receiver_is(hook, answers(500));
    change(&mut world, car, charging(true, 51.0));
    let posts = world.posts(hook);
    let after: Vec<_> = posts.iter().map(|post| (post.began - posts[0].began).as_secs()).collect();
    assert_eq!(after, [0, 30, 90, 210, 450, 930, 1_890]);
    assert!(posts.iter().all(|post| post.body == posts[0].body));
    assert!(!world.delivers(hook));
}

/// A car on a dynamic webhook, subscribed at 15:45:01.
fn dynamic() -> (World, Hook, Car) {
    let mut world = World::new(42);
    let hook = world.dynamic_webhook();
    let car = world.live_car();
    world.car_is(car, charging(false, 50.0));
    world.subscribe(hook, car);
    (world, hook, car)
}

#[test]
fn row_y01_a_dynamic_webhook_is_hourly_from_the_subscription_on() {
    let (mut world, hook, _) = dynamic();
    world.advance(hours(4));
    expect![[r#"
        16:45:01 car 1: 200
        17:45:01 car 1: 200
        18:45:01 car 1: 200
        19:45:01 car 1: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn row_y02_a_dynamic_webhook_is_half_hourly_while_plugged_in() {
    let (mut world, hook, car) = dynamic();
    world.advance_to("17:00");
    world.car_is(car, charging(true, 51.0));
    world.advance_to("19:00");
    world.car_is(car, charging(false, 60.0));
    world.advance_to("21:30");
    expect![[r#"
        16:45:01 car 1: 200
        17:45:01 car 1: 200
        18:15:01 car 1: 200
        18:45:01 car 1: 200
        19:15:01 car 1: 200
        19:45:01 car 1: 200
        20:45:01 car 1: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn fault_d1_a_clock_that_steps_back_repeats_no_slot_of_a_dynamic_webhook() {
    let (mut world, hook, car) = dynamic();
    world.advance_to("16:45:03");
    world.jump(-10);
    let other = world.unified_webhook(&[STATE_OF_CHARGE]);
    world.subscribe(other, car);
    world.advance_to("18:00");
    expect![[r#"
        16:45:01 car 1: 200
        17:45:01 car 1: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn row_y03_a_dynamic_payload_has_location_charge_and_battery() {
    let (mut world, hook, car) = dynamic();
    world.advance(hours(1));
    let body = world.posts(hook)[0].json();
    assert_eq!((&body["eventName"], &body["mode"]), (&json!("dynamic"), &json!("live")));
    let block = &body["payload"]["vehicles"][0];
    assert_eq!(block["vehicleId"], car.id().to_string());
    let paths: Vec<_> =
        block["data"].as_array().unwrap().iter().map(|entry| (&entry["path"], &entry["code"])).collect();
    let ok = json!(200);
    assert_eq!(paths, [(&json!("/location"), &ok), (&json!("/charge"), &ok), (&json!("/battery"), &ok)]);
}

#[test]
fn row_y04_a_failed_sign_in_is_an_entry_after_own_retries() {
    let (mut world, hook, car) = dynamic();
    world.car_is(car, fails(ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED));
    world.advance(hours(3));
    let posts = world.posts(hook);
    assert!(!posts.is_empty());
    let entry = &posts[0].json()["payload"]["vehicles"][0]["data"][0];
    assert_eq!(entry["body"]["type"], "CONNECTED_SERVICES_ACCOUNT");
    assert_eq!(entry["body"]["code"], "AUTHENTICATION_FAILED");
    assert_eq!(entry["code"], entry["body"]["statusCode"]);
}

#[test]
fn row_r10_a_dynamic_webhook_is_tried_seven_times_with_growing_pauses_and_then_switched_off() {
    let (mut world, hook, _) = dynamic();
    world.receiver_is(hook, answers(500));
    world.advance(hours(6));
    let posts: Vec<Received> = world.posts(hook);
    let after: Vec<_> = posts.iter().map(|post| (post.began - posts[0].began).as_secs()).collect();
    assert_eq!(after, [0, 30, 90, 210, 450, 930, 1_890]);
    assert!(!world.delivers(hook));
    expect!["car 1 16:45:01: failed after 7 attempts"].assert_eq(&world.log_story(hook));
}
