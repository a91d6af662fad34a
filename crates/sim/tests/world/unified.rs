//! Unified webhooks: first deliveries, triggers, bodies, and what a subscription's beginning and end mean.

use app::{EditWebhook, PushedReading};
use domain::{
    errors::ErrorCode,
    signal::{DOORS, GEAR, LOCATION, ODOMETER, SPEED, STATE_OF_CHARGE, SUNROOF, SignalId, VIN, Value},
    vehicle::Answer,
    webhook::{Plan, Profile},
};
use expect_test::expect;
use milepost_sim::{Answered, Car, Hook, Mood, Received, Strike, ToChallenge, World, answers, fails, says};
use serde_json::{Value as Json, json};
use store::{LogStatus, Newer};

use super::{answers_with, check_requests, hours, minutes, number, seconds, shows};

const BOTH: &[SignalId] = &[STATE_OF_CHARGE, ODOMETER];

/// A car that shows a charge and a distance.
fn at(charge: f64, km: f64) -> Mood {
    shows(&[(STATE_OF_CHARGE, number(charge)), (ODOMETER, number(km))])
}

/// A live car on a webhook that fires on charge and distance, both told once.
fn told_once() -> (World, Hook, Car) {
    let mut world = World::new(21);
    let hook = world.unified_webhook(BOTH);
    let car = world.live_car();
    world.car_is(car, at(80.0, 100.0));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    (world, hook, car)
}

/// Lets a car change and time pass until it was read.
fn change(world: &mut World, car: Car, mood: Mood) {
    world.car_is(car, mood);
    world.advance(minutes(60));
}

fn bodies(world: &World, hook: Hook) -> Vec<Json> {
    world.posts(hook).iter().map(Received::json).collect()
}

/// The codes of the triggers of a body.
fn fired(body: &Json) -> Vec<&str> {
    let triggers = body["triggers"].as_array().expect("a list of triggers");
    triggers.iter().map(|trigger| trigger["code"].as_str().expect("a code")).collect()
}

fn values(body: &Json) -> Vec<&Json> {
    let signals = body["data"]["signals"].as_array().expect("a list of signals");
    signals.iter().map(|signal| &signal["body"]["value"]).collect()
}

fn keys(value: &Json) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

// ---- verification ----

#[test]
fn row_v02_a_unified_challenge_has_the_envelope_of_the_format_and_no_more() {
    let mut world = World::new(20);
    let hook = world.unified_webhook(BOTH);
    let body = world.probes()[0].json();
    assert_eq!(keys(&body), ["eventId", "eventType", "data", "meta"]);
    assert_eq!(body["eventType"], "VERIFY");
    assert_eq!(keys(&body["data"]), ["challenge"]);
    assert_eq!(keys(&body["meta"]), ["version", "webhookId", "webhookName", "deliveryId", "deliveredAt"]);
    assert_eq!(body["meta"]["version"], "4.0");
    assert_eq!(body["meta"]["webhookId"], hook.id.to_string());
    assert_eq!(body["meta"]["webhookName"], world.view(hook).entry.webhook().name);
    assert!(body["meta"]["deliveredAt"].as_str().unwrap().ends_with('Z'));
    check_requests(&world);
}

#[test]
fn row_v06_row_v07_a_unified_challenge_is_answered_with_200() {
    for (status, lenient, verified) in [
        (200, false, true),
        (201, false, false),
        (204, false, false),
        (500, false, false),
        (404, true, false),
        (201, true, true),
    ] {
        let mut world = World::new(20);
        let mut settings = World::unified(BOTH, BOTH);
        settings.lenient_verification = lenient;
        let hook = world.unverified_webhook_of(Plan::Unified(settings));
        world.to_challenge(hook, ToChallenge { status, ..ToChallenge::default() });
        let view = world.verify(hook);
        assert_eq!(view.entry.webhook().status.verified, verified, "{status}, lenient: {lenient}");
        let problem = view.last_verification.unwrap().problem;
        assert_eq!(problem.is_none(), verified, "{problem:?}");
        assert!(problem.is_none_or(|problem| problem.contains(&status.to_string())));
    }
}

#[test]
fn row_v10_an_unverified_unified_webhook_gets_nothing_and_then_a_first_delivery() {
    let mut world = World::new(20);
    let hook = world.unverified_webhook_of(Plan::Unified(World::unified(BOTH, BOTH)));
    let car = world.car();
    world.subscribe(hook, car);
    change(&mut world, car, at(80.0, 100.0));
    change(&mut world, car, at(70.0, 110.0));
    assert!(world.received().is_empty());
    assert!(world.reads(car).is_empty(), "nobody reads a car for nothing");
    world.verify(hook);
    world.advance(minutes(1));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 1);
    assert_eq!(fired(&bodies[0]), ["FIRST_DELIVERY"]);
    assert_eq!(values(&bodies[0]), [&json!(70), &json!(110)]);
}

#[test]
fn row_v16_pressing_verify_again_does_not_begin_anew() {
    let (mut world, hook, car) = told_once();
    assert!(world.verify(hook).entry.webhook().status.verified);
    change(&mut world, car, at(79.0, 100.0));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 2);
    assert_eq!(fired(&bodies[1]), ["tractionbattery-stateofcharge"]);
}

// ---- retries ----

#[test]
fn row_r06_four_attempts_at_0_25_75_and_175_seconds_and_then_the_event_is_dropped() {
    let (mut world, hook, car) = told_once();
    world.receiver_is(hook, answers(500));
    world.forget_received();
    change(&mut world, car, at(79.0, 100.0));
    let posts = world.posts(hook);
    let first = posts[0].began;
    let after: Vec<_> = posts.iter().map(|post| (post.began - first).as_secs()).collect();
    assert_eq!(after, [0, 25, 75, 175]);
    let log = world.log();
    assert_eq!((log[1].logged.status, log[1].attempts.len()), (LogStatus::Failed, 4));
    check_requests(&world);
}

#[test]
fn row_r07_after_a_dropped_event_the_next_is_tried_and_nothing_is_switched_off() {
    let (mut world, hook, car) = told_once();
    world.receiver_is(hook, answers(500));
    change(&mut world, car, at(79.0, 100.0));
    assert!(world.delivers(hook));
    world.receiver_is(hook, answers(200));
    world.forget_received();
    change(&mut world, car, at(78.0, 100.0));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 1);
    assert_eq!(values(&bodies[0])[0], 78, "what was dropped is not sent again");
}

#[test]
fn row_r08_a_retry_has_the_event_s_id_and_data_and_a_delivery_id_and_moment_of_its_own() {
    let (mut world, hook, car) = told_once();
    world.forget_received();
    world.receiver_will(hook, &[answers(500), answers(503)], answers(200));
    change(&mut world, car, at(79.0, 100.0));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 3);
    for pair in bodies.windows(2) {
        for same in ["eventId", "eventType", "vehicleId", "data", "triggers"] {
            assert_eq!(pair[0][same], pair[1][same]);
        }
        assert_ne!(pair[0]["meta"]["deliveryId"], pair[1]["meta"]["deliveryId"]);
        assert!(pair[0]["meta"]["deliveredAt"].as_i64() < pair[1]["meta"]["deliveredAt"].as_i64());
        assert_eq!(pair[0]["meta"]["sequence"], pair[1]["meta"]["sequence"]);
    }
    check_requests(&world);
}

// ---- subscriptions ----

#[test]
fn row_s01_the_first_event_is_a_first_delivery_with_all_signals() {
    let (world, hook, _) = told_once();
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0]["eventType"], "VEHICLE_STATE");
    assert_eq!(bodies[0]["triggers"], json!([{"type": "FIRST_DELIVERY", "code": "FIRST_DELIVERY"}]));
    assert_eq!(values(&bodies[0]), [&json!(80), &json!(100)]);
}

#[test]
fn row_s02_a_signal_that_the_car_does_not_have_is_an_error_entry_and_an_error_besides() {
    let mut world = World::new(21);
    let hook = world.unified_webhook(&[STATE_OF_CHARGE, SUNROOF]);
    let car = world.car();
    let incapable = Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE);
    world.car_is(car, answers_with([(STATE_OF_CHARGE, Ok(number(80.0))), (SUNROOF, incapable)]));
    world.subscribe(hook, car);
    world.advance(minutes(60));
    expect![[r#"
        15:45:01 car 1 ERROR COMPATIBILITY:VEHICLE_NOT_CAPABLE of closure-sunroof: 200
        15:45:01 car 1 FIRST_DELIVERY: 200"#]]
    .assert_eq(&world.story(hook));
    let bodies = bodies(&world, hook);
    let state = bodies.iter().find(|body| body["eventType"] == "VEHICLE_STATE").unwrap();
    let sunroof = &state["data"]["signals"][1];
    assert_eq!(keys(sunroof), ["name", "group", "code", "status"]);
    assert_eq!(
        sunroof["status"],
        json!({"value": "ERROR", "error": {"type": "COMPATIBILITY", "code": "VEHICLE_NOT_CAPABLE"}})
    );
}

#[test]
fn row_s03_a_second_subscription_begins_with_a_first_delivery() {
    let (mut world, hook, car) = told_once();
    world.unsubscribe(hook, car);
    change(&mut world, car, at(70.0, 120.0));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 2);
    assert_eq!(fired(&bodies[1]), ["FIRST_DELIVERY"]);
    assert_eq!(values(&bodies[1]), [&json!(70), &json!(120)]);
    assert_ne!(bodies[0]["eventId"], bodies[1]["eventId"]);
}

/// Switches a webhook off, lets the car change, switches it on again; says what follows.
pub(super) fn switched_on_again() -> (World, Hook, Car) {
    let (mut world, hook, car) = told_once();
    world.disable(hook);
    change(&mut world, car, at(60.0, 130.0));
    change(&mut world, car, at(50.0, 140.0));
    world.forget_received();
    world.enable(hook);
    world.advance(minutes(1));
    (world, hook, car)
}

#[test]
fn row_s04_a_webhook_that_is_switched_on_again_begins_with_current_values_and_replays_nothing() {
    let (mut world, hook, car) = switched_on_again();
    world.advance(hours(3));
    let first = bodies(&world, hook);
    assert_eq!(first.len(), 1, "nothing is replayed");
    assert_eq!(fired(&first[0]), ["FIRST_DELIVERY"]);
    assert_eq!(values(&first[0]), [&json!(50), &json!(140)]);
    change(&mut world, car, at(49.0, 140.0));
    assert_eq!(fired(&bodies(&world, hook)[1]), ["tractionbattery-stateofcharge"]);
}

#[test]
fn row_s04_holds_wherever_the_process_ends_while_a_webhook_is_switched_on() {
    for after in 0..24 {
        let (mut world, hook, car) = told_once();
        world.disable(hook);
        change(&mut world, car, at(50.0, 140.0));
        world.forget_received();
        world.foresee(Some(Strike::After(after)));
        let enabled = world.ask(|app| async move { app.enable_webhook(hook.id).await.is_ok() });
        world.advance(minutes(10));
        world.foresee(None);
        if enabled != Some(true) {
            world.enable(hook);
        }
        world.advance(hours(2));
        let mut first = bodies(&world, hook);
        first.dedup_by_key(|body| body["eventId"].clone());
        assert_eq!(first.len(), 1, "after {after}");
        assert_eq!(fired(&first[0]), ["FIRST_DELIVERY"], "after {after}");
        check_requests(&world);
    }
}

#[test]
fn row_s05_a_first_delivery_that_is_retried_stays_one() {
    let mut world = World::new(21);
    let hook = world.unified_webhook(BOTH);
    let car = world.car();
    world.car_is(car, at(80.0, 100.0));
    world.receiver_will(hook, &[answers(500), answers(500)], answers(200));
    world.subscribe(hook, car);
    world.advance(minutes(10));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| fired(body) == ["FIRST_DELIVERY"]));
    assert!(bodies.iter().all(|body| body["eventId"] == bodies[0]["eventId"]));
}

#[test]
fn row_s06_a_unified_webhook_that_is_off_sends_nothing_and_queues_nothing() {
    let (mut world, hook, car) = told_once();
    world.disable(hook);
    world.forget_received();
    change(&mut world, car, at(60.0, 130.0));
    assert!(world.received().is_empty());
    assert_eq!((world.view(hook).queued, world.log().len()), (0, 1));
}

#[test]
fn row_s07_unsubscribing_cancels_what_is_queued_in_both_lanes() {
    for crashes in [false, true] {
        let mut world = World::new(21);
        let (hook, errors) = world.unified_webhook_with_error_uri(&[STATE_OF_CHARGE, SUNROOF]);
        let car = world.car();
        let incapable = Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE);
        world.car_is(car, answers_with([(STATE_OF_CHARGE, Ok(number(80.0))), (SUNROOF, incapable)]));
        world.receiver_is(hook, answers(500));
        world.uri_is(&errors, answers(500));
        world.subscribe(hook, car);
        world.advance(seconds(5));
        assert_eq!(world.posts(hook).len(), 2, "one attempt in each lane");
        assert_eq!(world.view(hook).queued, 2);
        world.unsubscribe(hook, car);
        if crashes {
            world.outage(seconds(5));
        }
        world.car_is(car, at(70.0, 100.0));
        world.advance(hours(2));
        assert_eq!(world.posts(hook).len(), 2);
        let log = world.log();
        assert_eq!(log.len(), 2);
        assert!(log.iter().all(|row| row.logged.status == LogStatus::Cancelled && row.attempts.len() == 1));
        assert_eq!(world.view(hook).queued, 0);
    }
}

#[test]
fn row_s08_a_vehicle_that_is_disconnected_loses_its_subscriptions_silently() {
    let (mut world, hook, car) = told_once();
    world.disconnect(car);
    change(&mut world, car, at(60.0, 130.0));
    assert_eq!(world.posts(hook).len(), 1);
    assert_eq!(world.view(hook).subscriptions, 0);
}

#[test]
fn row_s09_an_automatic_webhook_has_present_and_coming_vehicles_and_none_that_was_taken_off() {
    for after in (0..60).step_by(3) {
        let mut world = World::new(300 + after);
        let present = world.cars(2);
        let hook = world.automatic_webhook(Plan::Unified(World::unified(BOTH, BOTH)));
        world.advance(minutes(1));
        world.unsubscribe(hook, present[0]);
        world.foresee(Some(Strike::After(after)));
        world.foresee_next(Some(Strike::After(after / 2)));
        world.advance(minutes(2));
        world.foresee(None);
        world.foresee_next(None);
        let coming = world.car();
        world.foresee(Some(Strike::After(after)));
        world.advance(minutes(10));
        world.foresee(None);
        world.outage(seconds(5));
        world.advance(minutes(10));
        let view = world.view(hook);
        assert_eq!(view.subscriptions, 2, "after {after}");
        for car in [present[0], present[1], coming] {
            let mut first: Vec<_> = bodies(&world, hook);
            first.retain(|body| {
                body["vehicleId"] == car.id().to_string() && fired(body) == ["FIRST_DELIVERY"]
            });
            first.dedup_by_key(|body| body["eventId"].clone());
            assert_eq!(first.len(), 1, "after {after}: car {}", car.number);
        }
        let rows = world.must(|app| async move { app.subscriptions_of_vehicle(present[0].id()).await });
        assert_eq!(rows, [], "after {after}: what was taken off stays off");
    }
}

#[test]
fn a_webhook_that_becomes_automatic_takes_in_the_vehicles_that_are_there() {
    let mut world = World::new(22);
    let hook = world.unified_webhook(BOTH);
    world.cars(3);
    world.advance(minutes(1));
    assert_eq!(world.view(hook).subscriptions, 0);
    world.edit(hook, EditWebhook { auto_subscribe: Some(true), ..EditWebhook::default() });
    world.advance(minutes(1));
    assert_eq!((world.view(hook).subscriptions, world.posts(hook).len()), (3, 3));
}

#[test]
fn row_s10_without_automatic_subscription_a_new_vehicle_is_on_nothing() {
    let (mut world, hook, _) = told_once();
    world.live_car();
    world.advance(hours(1));
    assert_eq!((world.view(hook).subscriptions, world.posts(hook).len()), (1, 1));
}

#[test]
fn row_s11_each_webhook_gets_an_event_of_its_own() {
    let (mut world, hook, car) = told_once();
    let other = world.unified_webhook(&[STATE_OF_CHARGE]);
    world.subscribe(other, car);
    world.advance(minutes(1));
    change(&mut world, car, at(79.0, 100.0));
    let (one, two) = (bodies(&world, hook), bodies(&world, other));
    assert_eq!((one.len(), two.len()), (2, 2));
    assert_eq!(fired(&one[1]), fired(&two[1]));
    assert_ne!(one[1]["eventId"], two[1]["eventId"]);
}

// ---- triggers and bodies ----

#[test]
fn row_t01_a_change_of_one_trigger_is_one_event_with_all_signals() {
    let mut world = World::new(23);
    let data = [STATE_OF_CHARGE, ODOMETER, SPEED, GEAR, VIN];
    let plan = Plan::Unified(World::unified(&[STATE_OF_CHARGE], &data));
    let hook = world.webhook_of(plan);
    let car = world.car();
    let with = |charge| {
        let text = |text: &str| Value::Text(text.into());
        shows(&[
            (STATE_OF_CHARGE, number(charge)),
            (ODOMETER, number(100.0)),
            (SPEED, number(0.0)),
            (GEAR, text("PARK")),
            (VIN, text("5YJ3E1EA7KF000001")),
        ])
    };
    world.car_is(car, with(80.0));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    change(&mut world, car, with(81.0));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 2);
    assert_eq!(fired(&bodies[1]), ["tractionbattery-stateofcharge"]);
    let signals = bodies[1]["data"]["signals"].as_array().unwrap();
    assert_eq!(signals.len(), data.len());
    let codes: Vec<_> = signals.iter().map(|signal| signal["code"].as_str().unwrap()).collect();
    assert_eq!(codes, data.map(|signal| signal.entry().code.as_str()));
}

#[test]
fn row_t02_two_triggers_of_one_read_are_one_event() {
    let (mut world, hook, car) = told_once();
    change(&mut world, car, at(79.0, 120.0));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 2);
    assert_eq!(fired(&bodies[1]), ["tractionbattery-stateofcharge", "odometer-traveleddistance"]);
}

#[test]
fn row_t03_two_triggers_of_successive_reads_are_two_events() {
    let (mut world, hook, car) = told_once();
    world.car_will(car, &[at(79.0, 100.0)], at(79.0, 120.0));
    world.advance(hours(1));
    let bodies = bodies(&world, hook);
    assert_eq!(bodies.len(), 3);
    assert_eq!(fired(&bodies[1]), ["tractionbattery-stateofcharge"]);
    assert_eq!(fired(&bodies[2]), ["odometer-traveleddistance"]);
}

#[test]
fn row_t04_data_alone_makes_no_event() {
    let mut world = World::new(23);
    let hook = world.webhook_of(Plan::Unified(World::unified(&[STATE_OF_CHARGE], BOTH)));
    let car = world.car();
    world.car_is(car, at(80.0, 100.0));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    change(&mut world, car, at(80.0, 120.0));
    assert_eq!(world.posts(hook).len(), 1);
    change(&mut world, car, at(79.0, 120.0));
    assert_eq!(values(&bodies(&world, hook)[1]), [&json!(79), &json!(120)], "but it comes with the next");
}

#[test]
fn row_t05_the_same_value_measured_later_makes_no_event() {
    let (mut world, hook, car) = told_once();
    for minute in 0..30 {
        let measured = world.now() + minutes(minute);
        let answer = |signal, value| Answer { signal, outcome: Ok((number(value), Some(measured))) };
        world.car_is(car, says(vec![answer(STATE_OF_CHARGE, 80.0), answer(ODOMETER, 100.0)]));
        world.advance(minutes(10));
    }
    assert!(world.reads(car).len() > 5, "{}", world.reads(car).len());
    assert_eq!(world.posts(hook).len(), 1);
}

/// A first delivery and a change under a profile, with one signal that works and one that does not.
fn profiled(profile: Profile, live: bool) -> Vec<Json> {
    let mut world = World::new(24);
    let settings = domain::webhook::Unified {
        profile,
        ..World::unified(&[STATE_OF_CHARGE], &[STATE_OF_CHARGE, DOORS, VIN])
    };
    let hook = world.webhook_of(Plan::Unified(settings));
    let car = if live { world.live_car() } else { world.car() };
    let with = |charge| {
        answers_with([
            (STATE_OF_CHARGE, Ok(number(charge))),
            (DOORS, Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE)),
            (VIN, Ok(Value::Text("5YJ3E1EA7KF000001".into()))),
        ])
    };
    world.car_is(car, with(80.0));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    change(&mut world, car, with(79.0));
    let mut states = bodies(&world, hook);
    states.retain(|body| body["eventType"] == "VEHICLE_STATE");
    assert_eq!(states.len(), 2);
    states
}

#[test]
fn row_t06_row_t07_row_t08_row_t09_entries_say_how_they_stand() {
    for profile in Profile::ALL {
        for body in profiled(*profile, true) {
            let signals = body["data"]["signals"].as_array().unwrap();
            assert_eq!(body["meta"]["signalCount"], signals.len(), "row T06");
            let [charge, doors, vin] = signals.as_slice() else { panic!("three signals") };
            assert_eq!(charge["status"], json!({"value": "SUCCESS"}), "row T07");
            assert_eq!(charge["body"]["unit"], "percent");
            assert!(charge["meta"]["oemUpdatedAt"].as_i64().unwrap() > 0);
            assert!(charge["meta"]["retrievedAt"].as_i64().unwrap() > 0);
            assert_eq!(keys(doors), ["name", "group", "code", "status"], "row T08");
            assert_eq!(doors["status"]["value"], "ERROR");
            assert_eq!(
                (&vin["meta"]["oemUpdatedAt"], &vin["meta"]["retrievedAt"]),
                (&json!(0), &json!(0)),
                "row T09"
            );
        }
    }
}

#[test]
fn row_t10_the_union_profile_names_triggers_vehicle_and_times_in_each_documented_way() {
    for body in profiled(Profile::Union, true) {
        assert_eq!(body["triggers"], body["data"]["triggers"]);
        assert_eq!(body["vehicleId"], body["data"]["vehicle"]["id"]);
        let meta = &body["data"]["signals"][0]["meta"];
        assert_eq!(meta["fetchedAt"], meta["retrievedAt"]);
    }
}

#[test]
fn row_t11_the_captured_profile_has_the_captured_keys_in_their_order() {
    let body = &profiled(Profile::Captured, true)[1];
    assert_eq!(keys(body), ["eventId", "eventType", "data", "triggers", "meta"]);
    assert_eq!(keys(&body["data"]), ["user", "vehicle", "signals"]);
    assert_eq!(keys(&body["data"]["vehicle"]), ["id", "make", "model", "year"]);
    let signal = &body["data"]["signals"][0];
    assert_eq!(keys(signal), ["code", "name", "group", "body", "meta", "status"]);
    assert_eq!(keys(&signal["meta"]), ["oemUpdatedAt", "retrievedAt"]);
    assert_eq!(keys(&body["triggers"][0]), ["type", "signal"]);
    assert_eq!(keys(&body["triggers"][0]["signal"]), ["name", "code", "group"]);
    let meta = ["deliveryId", "deliveredAt", "version", "webhookId", "webhookName", "mode", "signalCount"];
    assert_eq!(keys(&body["meta"]), meta);
}

#[test]
fn row_t12_row_t13_row_t15_an_event_says_whose_car_it_is_and_whether_it_is_real() {
    for (live, meta_mode, mode) in [(true, "LIVE", "live"), (false, "SIMULATED", "simulated")] {
        for body in profiled(Profile::Union, live) {
            assert_eq!((&body["meta"]["mode"], &body["meta"]["version"]), (&json!(meta_mode), &json!("4.0")));
            assert_eq!(body["data"]["vehicle"]["mode"], mode);
            assert_eq!(body["data"]["vehicle"]["make"], "TESLA");
            assert!(body["data"]["vehicle"]["year"].is_u64());
            assert!(body["data"]["user"]["id"].as_str().unwrap().len() == 36);
        }
    }
}

#[test]
fn row_t14_a_test_goes_to_one_uri_has_all_signals_and_stands_in_no_vehicle_s_log() {
    for error in [false, true] {
        let mut world = World::new(25);
        let (hook, errors) = world.unified_webhook_with_error_uri(BOTH);
        world.forget_received();
        world.receiver_is(hook, answers(500));
        world.uri_is(&errors, answers(500));
        let view = world.must(|app| async move { app.test_webhook(hook.id, error).await });
        assert!(!view.last_test.unwrap().passed);
        world.advance(hours(1));
        let probes = world.probes();
        assert_eq!(probes.len(), 1, "and is not tried again");
        assert_eq!(probes[0].uri == errors, error);
        let body = probes[0].json();
        assert_eq!(body["meta"]["mode"], "TEST");
        assert_eq!(body["eventType"], if error { "VEHICLE_ERROR" } else { "VEHICLE_STATE" });
        if !error {
            assert_eq!(values(&body).len(), 2);
            assert!(values(&body).iter().all(|value| value.is_number()));
        }
        assert_eq!(world.log().len(), 0);
        check_requests(&world);
    }
}

/// Whether a change arrives whose read was overtaken by a push, so that its step is made again.
pub(super) fn a_change_survives_a_conflict() -> bool {
    let (mut world, hook, car) = told_once();
    let feed = world.feed(Newer::Observed, seconds(0));
    world.car_is(car, at(79.0, 100.0).after(seconds(20)));
    let reads = world.reads(car).len();
    assert!(world.advance_until(hours(2), |world| world.reads(car).len() > reads));
    let (vehicle, signal, value) = (car.id(), SPEED, number(30.0));
    let reading = PushedReading::of(vehicle, signal, value);
    assert_eq!(world.push(&feed, vec![reading]), Some(vec![]));
    world.advance(hours(1));
    let bodies = bodies(&world, hook);
    bodies.len() == 2 && fired(&bodies[1]) == ["tractionbattery-stateofcharge"]
}

#[test]
fn a_change_arrives_though_something_was_pushed_while_the_car_was_read() {
    assert!(a_change_survives_a_conflict());
}

// ---- the log ----

#[test]
fn row_l01_the_log_names_the_event_its_attempts_and_how_each_signal_stood() {
    let (mut world, hook, car) = told_once();
    world.receiver_will(hook, &[answers(503).after(seconds(2))], answers(202).after(seconds(1)));
    change(&mut world, car, at(79.0, 100.0));
    let body = bodies(&world, hook).pop().unwrap();
    let log = world.log();
    let row = &log[1];
    assert_eq!(
        (row.logged.status, row.logged.http_status, row.logged.took_ms),
        (LogStatus::Delivered, 202, 1_000)
    );
    let attempts: Vec<_> = row.attempts.iter().map(|one| (one.result.status(), one.took_ms)).collect();
    assert_eq!(attempts, [(Some(503), 2_000), (Some(202), 1_000)]);
    let event = row.logged.event;
    let detail = world.must(|app| async move { app.delivery(event).await });
    let shown: Json = serde_json::from_str(&detail.body.unwrap()).unwrap();
    assert_eq!(shown, body, "the body that the last attempt carried");
    let seen = detail.observation.unwrap();
    assert!(BOTH.iter().all(|&signal| matches!(seen.newest(signal), Some(Ok(_)))));
}

#[test]
fn row_l02_an_event_whose_retries_are_used_up_is_marked_failed_with_its_last_error() {
    let (mut world, hook, car) = told_once();
    world.receiver_will(hook, &[answers(500), answers(500), answers(500)], answers(418));
    change(&mut world, car, at(79.0, 100.0));
    let log = world.log();
    let row = &log[1];
    assert_eq!((row.logged.status, row.logged.http_status, row.attempts.len()), (LogStatus::Failed, 418, 4));
}

// ---- what is known when ----

#[test]
fn a_first_delivery_of_a_car_that_cannot_be_reached_comes_at_once_and_says_so() {
    let mut world = World::new(26);
    let hook = world.unified_webhook(BOTH);
    let car = world.car();
    world.car_is(car, fails(ErrorCode::VEHICLE_STATE_UNREACHABLE));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    let story = world.story(hook);
    assert!(story.contains("FIRST_DELIVERY: 200"), "{story}");
    assert!(story.contains("ERROR VEHICLE_STATE:UNREACHABLE: 200"), "{story}");
    change(&mut world, car, at(80.0, 100.0));
    world.advance(hours(1));
    let story = world.story(hook);
    assert!(story.contains("RESOLVED VEHICLE_STATE:UNREACHABLE: 200"), "{story}");
}

#[test]
fn a_webhook_that_moves_begins_anew_at_its_new_uri() {
    let (mut world, hook, car) = told_once();
    let moved_to = world.receiver();
    world.edit(hook, EditWebhook { callback_uri: Some(moved_to.clone()), ..EditWebhook::default() });
    change(&mut world, car, at(79.0, 100.0));
    let posts = world.posts(hook);
    assert!(posts[1..].iter().all(|post| post.uri == moved_to));
    assert_eq!(fired(&posts[1].json()), ["FIRST_DELIVERY"]);
}

#[test]
fn a_position_fires_when_it_moves() {
    let mut world = World::new(27);
    let hook = world.unified_webhook(&[LOCATION]);
    let car = world.car();
    let place = |latitude| shows(&[(LOCATION, Value::position(latitude, 13.0, None))]);
    world.car_is(car, place(52.0));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    change(&mut world, car, place(52.0));
    assert_eq!(world.posts(hook).len(), 1);
    change(&mut world, car, place(52.001));
    let posts = world.posts(hook);
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[1].answered, Answered::Status(200));
    assert_eq!(posts[1].json()["data"]["signals"][0]["body"]["latitude"], 52.001);
}
