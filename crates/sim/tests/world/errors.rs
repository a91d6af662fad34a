//! Errors of vehicles, as unified webhooks are told of them.

use domain::{
    connect::{Permission, PermissionSet},
    delivery::Failure,
    errors::ErrorCode,
    signal::{DOORS, ODOMETER, STATE_OF_CHARGE, SUNROOF, SignalId},
};
use expect_test::expect;
use milepost_sim::{Car, Hook, Mood, Received, World, answers, fails, unreached};
use serde_json::{Value as Json, json};

use super::{answers_with, check_requests, hours, minutes, number};

const WATCHED: &[SignalId] = &[STATE_OF_CHARGE, ODOMETER, SUNROOF];

/// A car with this charge whose other signals answer like this.
fn with(charge: f64, others: Result<f64, ErrorCode>) -> Mood {
    answers_with([
        (STATE_OF_CHARGE, Ok(number(charge))),
        (ODOMETER, others.map(number)),
        (SUNROOF, others.map(|_| domain::signal::Value::Json(r#"{"isOpen":false}"#.into()))),
    ])
}

/// A car that is well, told once, on a webhook whose errors go to a URI of their own.
pub(super) fn told_once() -> (World, Hook, Car, String) {
    let mut world = World::new(31);
    let (hook, errors) = world.unified_webhook_with_error_uri(WATCHED);
    let car = world.live_car();
    world.car_is(car, with(80.0, Ok(100.0)));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    (world, hook, car, errors)
}

fn change(world: &mut World, car: Car, mood: Mood) {
    world.car_is(car, mood);
    world.advance(minutes(90));
}

/// What a webhook was told of errors: each `errors[]` list.
fn told(world: &World, hook: Hook) -> Vec<Json> {
    let bodies = world.posts(hook).iter().map(Received::json).collect::<Vec<_>>();
    let errors = bodies.into_iter().filter(|body| body["eventType"] == "VEHICLE_ERROR");
    errors.map(|mut body| body["data"]["errors"].take()).collect()
}

fn codes(error: &Json) -> Vec<&str> {
    let signals = error["signals"].as_array().expect("a list of signals");
    signals.iter().map(|signal| signal["code"].as_str().expect("a code")).collect()
}

const INCAPABLE: ErrorCode = ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE;

/// Whether states go to the data URI alone and errors to theirs alone, with some of each.
pub(super) fn errors_have_a_uri_of_their_own() -> bool {
    let (mut world, hook, car, errors) = told_once();
    change(&mut world, car, with(79.0, Err(INCAPABLE)));
    let posts = world.posts(hook);
    let is_error = |post: &&Received| post.json()["eventType"] == "VEHICLE_ERROR";
    let misdirected = posts.iter().filter(|post| is_error(post) != (post.uri == errors)).count();
    check_requests(&world);
    posts.iter().filter(is_error).count() == 1 && posts.len() == 3 && misdirected == 0
}

#[test]
fn row_e01_errors_go_to_their_uri_and_states_to_the_other() {
    assert!(errors_have_a_uri_of_their_own());
}

#[test]
fn row_e02_without_a_uri_for_errors_they_go_where_data_goes() {
    let mut world = World::new(31);
    let hook = world.unified_webhook(WATCHED);
    let car = world.car();
    world.car_is(car, with(80.0, Err(INCAPABLE)));
    world.subscribe(hook, car);
    world.advance(minutes(1));
    let posts = world.posts(hook);
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].uri, posts[1].uri);
    assert_eq!(told(&world, hook).len(), 1);
}

#[test]
fn row_e03_row_e04_row_e05_an_error_is_told_when_it_appears_and_when_it_clears_and_not_between() {
    let (mut world, hook, car, _) = told_once();
    change(&mut world, car, with(80.0, Err(INCAPABLE)));
    world.advance(hours(12));
    let appeared = told(&world, hook);
    assert_eq!(appeared.len(), 1, "row E05: it persists");
    let error = &appeared[0][0];
    assert_eq!((&error["type"], &error["code"]), (&json!("COMPATIBILITY"), &json!("VEHICLE_NOT_CAPABLE")));
    assert_eq!(error["state"], "ERROR");
    assert!(!error["description"].as_str().unwrap().is_empty());
    assert!(error["docURL"].as_str().unwrap().ends_with("#vehicle-not-capable"));
    assert!(error["resolution"].is_object());
    assert_eq!(codes(error), ["odometer-traveleddistance", "closure-sunroof"]);
    change(&mut world, car, with(80.0, Ok(100.0)));
    let all = told(&world, hook);
    assert_eq!(all.len(), 2);
    let cleared = &all[1][0];
    assert_eq!(cleared["state"], "RESOLVED");
    for same in ["type", "code", "signals"] {
        assert_eq!(cleared[same], error[same]);
    }
}

#[test]
fn row_e06_a_failed_sign_in_names_where_the_owner_signs_in_again() {
    let (mut world, hook, car, _) = told_once();
    change(&mut world, car, fails(ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED));
    let errors = told(&world, hook);
    assert_eq!(errors.len(), 1);
    let resolution = &errors[0][0]["resolution"];
    assert_eq!(resolution["type"], "REAUTHENTICATE");
    let url = resolution["url"].as_str().unwrap();
    assert!(url.contains("client_id="), "{url}");
    assert!(url.contains(&format!("vehicle_id={}", car.id())), "{url}");
}

#[test]
fn row_e07_what_was_not_granted_is_an_error_without_a_code() {
    let (mut world, hook, car, _) = told_once();
    let less: PermissionSet =
        Permission::ALL.iter().copied().filter(|&one| one != Permission::ReadOdometer).collect();
    world.grant(car, less);
    world.advance(minutes(90));
    let errors = told(&world, hook);
    assert_eq!(errors.len(), 1);
    let error = &errors[0][0];
    assert_eq!((&error["type"], &error["code"]), (&json!("PERMISSION"), &Json::Null));
    assert_eq!(error["resolution"]["type"], "REAUTHENTICATE");
    assert_eq!(codes(error), ["odometer-traveleddistance"]);
    world.grant(car, PermissionSet::ALL);
    world.advance(minutes(90));
    assert_eq!(told(&world, hook)[1][0]["state"], "RESOLVED");
}

#[test]
fn row_e08_what_a_car_does_not_have_has_no_resolution_to_offer() {
    let (mut world, hook, car, _) = told_once();
    change(&mut world, car, with(80.0, Err(INCAPABLE)));
    assert_eq!(told(&world, hook)[0][0]["resolution"], json!({"type": null}));
}

#[test]
fn row_e09_an_error_has_neither_triggers_nor_a_count_and_no_resolution_is_null() {
    let (mut world, hook, car, errors) = told_once();
    change(&mut world, car, with(80.0, Err(INCAPABLE)));
    change(&mut world, car, with(80.0, Ok(100.0)));
    change(&mut world, car, fails(ErrorCode::CONNECTED_SERVICES_ACCOUNT_PERMISSION));
    let bodies: Vec<Json> =
        world.posts(hook).iter().filter(|post| post.uri == errors).map(Received::json).collect();
    assert_eq!(bodies.len(), 3);
    for body in bodies {
        assert!(body.get("triggers").is_none() && body["data"].get("triggers").is_none());
        assert!(body["meta"].get("signalCount").is_none());
        for error in body["data"]["errors"].as_array().unwrap() {
            assert!(error.get("resolution").is_none_or(Json::is_object), "{error}");
        }
    }
}

#[test]
fn row_e10_an_error_of_the_whole_vehicle_names_no_signals() {
    let (mut world, hook, car, _) = told_once();
    change(&mut world, car, fails(ErrorCode::CONNECTED_SERVICES_ACCOUNT_PERMISSION));
    assert!(told(&world, hook)[0][0].get("signals").is_none());
}

#[test]
fn row_e11_what_works_is_told_beside_what_does_not() {
    let (mut world, hook, car, _) = told_once();
    world.forget_received();
    change(&mut world, car, with(79.0, Err(INCAPABLE)));
    let bodies: Vec<Json> = world.posts(hook).iter().map(Received::json).collect();
    assert_eq!(bodies.len(), 2);
    assert_ne!(bodies[0]["eventType"], bodies[1]["eventType"]);
    assert_ne!(bodies[0]["eventId"], bodies[1]["eventId"]);
}

#[test]
fn a_uri_for_errors_that_is_dead_holds_no_data_back() {
    let (mut world, hook, car, errors) = told_once();
    world.uri_is(&errors, unreached(Failure::Refused));
    world.forget_received();
    change(&mut world, car, with(79.0, Err(INCAPABLE)));
    change(&mut world, car, with(78.0, Err(INCAPABLE)));
    change(&mut world, car, with(77.0, Ok(100.0)));
    let story = world.posts(hook);
    assert_eq!(story.len(), 3, "{}", world.story(hook));
    assert!(story.iter().all(|post| post.uri != errors));
    assert!(world.delivers(hook));
    let log = world.log_story(hook);
    assert_eq!(log.matches("failed after 4 attempts").count(), 2, "{log}");
}

#[test]
fn a_uri_for_data_that_is_dead_holds_no_errors_back() {
    let (mut world, hook, car, errors) = told_once();
    world.receiver_is(hook, answers(500));
    change(&mut world, car, with(79.0, Err(INCAPABLE)));
    let at_errors = world.posts(hook).into_iter().filter(|post| post.uri == errors).count();
    assert_eq!(at_errors, 1);
}

#[test]
fn several_errors_of_one_read_are_one_event() {
    let mut world = World::new(32);
    let hook = world.unified_webhook(&[STATE_OF_CHARGE, SUNROOF, DOORS]);
    let car = world.car();
    world.car_is(
        car,
        answers_with([
            (STATE_OF_CHARGE, Ok(number(80.0))),
            (SUNROOF, Err(INCAPABLE)),
            (DOORS, Err(ErrorCode::COMPATIBILITY_SMARTCAR_NOT_CAPABLE)),
        ]),
    );
    world.subscribe(hook, car);
    world.advance(minutes(1));
    expect![[r#"
        15:45:01 car 1 ERROR COMPATIBILITY:VEHICLE_NOT_CAPABLE of closure-sunroof + ERROR COMPATIBILITY:SMARTCAR_NOT_CAPABLE of closure-doors: 200
        15:45:01 car 1 FIRST_DELIVERY: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn an_error_that_lasts_is_told_once_although_a_slot_finds_the_car_asleep_and_awake_again() {
    let (mut world, hook, car, _) = told_once();
    let hourly = world.scheduled_webhook("every hour", &["/battery"]);
    world.subscribe(hourly, car);
    let lacking = || with(80.0, Err(INCAPABLE));
    change(&mut world, car, lacking());
    assert_eq!(told(&world, hook).len(), 1);
    for _ in 0..3 {
        world.car_is(car, fails(ErrorCode::VEHICLE_STATE_ASLEEP));
        world.advance(minutes(40));
        world.car_is(car, lacking());
        world.advance(minutes(50));
    }
    let about_lacking = |errors: &Json| {
        let of = errors.as_array().unwrap().iter().filter(|error| error["code"] == "VEHICLE_NOT_CAPABLE");
        of.count()
    };
    assert_eq!(told(&world, hook).iter().map(about_lacking).sum::<usize>(), 1, "{:#?}", told(&world, hook));
    change(&mut world, car, with(80.0, Ok(100.0)));
    let resolved = told(&world, hook).pop().unwrap();
    assert_eq!(
        (&resolved[0]["code"], &resolved[0]["state"]),
        (&json!("VEHICLE_NOT_CAPABLE"), &json!("RESOLVED"))
    );
}
