//! Sending: success, failure, retries, signatures, the log.

use expect_test::expect;
use milepost_sim::{Answered, Hook, World, answers, hangs, resets, unreached};

use super::{check_requests, hours, minutes, seconds};
use app::AppError;
use domain::{
    connect::{Permission, PermissionSet},
    delivery::Failure,
};

/// A world with one car on one hourly webhook.
fn one_car() -> (World, Hook) {
    let mut world = World::new(7);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    (world, hook)
}

#[test]
fn row_r09_six_attempts_within_ten_minutes_and_then_the_webhook_is_switched_off() {
    let (mut world, hook) = one_car();
    world.receiver_is(hook, answers(500));
    world.advance_to("18:30");
    expect![[r#"
        16:00:00 car 1: 500
        16:00:20 car 1: 500
        16:01:00 car 1: 500
        16:02:20 car 1: 500
        16:05:00 car 1: 500
        16:10:00 car 1: 500"#]]
    .assert_eq(&world.story(hook));
    expect!["car 1 16:00:00: failed after 6 attempts"].assert_eq(&world.log_story(hook));
    assert!(!world.delivers(hook));
    check_requests(&world);
}

#[test]
fn row_r11_a_webhook_that_was_switched_off_resumes_when_an_operator_switches_it_on() {
    let (mut world, hook) = one_car();
    world.receiver_is(hook, answers(500));
    world.advance_to("16:30");
    world.receiver_is(hook, answers(200));
    world.enable(hook);
    world.forget_received();
    world.advance_to("18:30");
    expect![[r#"
        17:00:00 car 1: 200
        18:00:00 car 1: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn row_r12_a_second_attempt_that_succeeds_is_the_last() {
    let (mut world, hook) = one_car();
    world.receiver_will(hook, &[answers(500)], answers(200));
    world.advance_to("16:59");
    expect![[r#"
        16:00:00 car 1: 500
        16:00:20 car 1: 200"#]]
    .assert_eq(&world.story(hook));
    expect!["car 1 16:00:00: delivered after 2 attempts"].assert_eq(&world.log_story(hook));
}

#[test]
fn row_r13_a_receiver_that_is_slow_for_one_car_is_fast_for_the_other() {
    let mut world = World::new(7);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(3);
    world.subscribe_all(hook, &cars);
    world.receiver_to(hook, cars[0], hangs());
    world.advance_to("16:00:01");
    let delivered = world.posts(hook).iter().filter(|post| post.answered == Answered::Status(200)).count();
    assert_eq!(delivered, 2);
}

#[test]
fn a_receiver_that_hangs_does_not_delay_another_one() {
    let mut world = World::new(7);
    let slow = world.scheduled_webhook("every hour", &["/odometer"]);
    let fast = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(30);
    world.subscribe_all(slow, &cars);
    world.subscribe_all(fast, &cars);
    world.receiver_is(slow, hangs());
    world.advance_to("16:00:01");
    assert_eq!(world.posts(fast).len(), 30);
}

#[test]
fn row_r01_any_2xx_is_success() {
    let (mut world, hook) = one_car();
    world.receiver_will(hook, &[answers(200), answers(201), answers(202), answers(204)], answers(299));
    world.advance_to("20:30");
    expect![[r#"
        16:00:00 car 1: 200
        17:00:00 car 1: 201
        18:00:00 car 1: 202
        19:00:00 car 1: 204
        20:00:00 car 1: 299"#]]
    .assert_eq(&world.story(hook));
    check_requests(&world);
}

#[test]
fn row_r02_redirects_are_failures_and_nobody_follows_them() {
    let (mut world, hook) = one_car();
    world.receiver_will(hook, &[answers(301), answers(302), answers(307)], answers(200));
    world.advance_to("16:30");
    expect![[r#"
        16:00:00 car 1: 301
        16:00:20 car 1: 302
        16:01:00 car 1: 307
        16:02:20 car 1: 200"#]]
    .assert_eq(&world.story(hook));
    expect!["car 1 16:00:00: delivered after 4 attempts"].assert_eq(&world.log_story(hook));
}

#[test]
fn row_r03_other_statuses_are_failures_and_are_retried() {
    let (mut world, hook) = one_car();
    world.receiver_will(hook, &[400, 401, 404, 409, 410].map(answers), answers(200));
    world.advance_to("16:59");
    world.receiver_will(hook, &[429, 500, 503].map(answers), answers(200));
    world.advance_to("17:59");
    expect![[r#"
        16:00:00 car 1: 400
        16:00:20 car 1: 401
        16:01:00 car 1: 404
        16:02:20 car 1: 409
        16:05:00 car 1: 410
        16:10:00 car 1: 200
        17:00:00 car 1: 429
        17:00:20 car 1: 500
        17:01:00 car 1: 503
        17:02:20 car 1: 200"#]]
    .assert_eq(&world.story(hook));
    expect![[r#"
        car 1 16:00:00: delivered after 6 attempts
        car 1 17:00:00: delivered after 4 attempts"#]]
    .assert_eq(&world.log_story(hook));
}

#[test]
fn row_r04_a_receiver_that_cannot_be_reached_is_tried_again() {
    let (mut world, hook) = one_car();
    let failures = [Failure::Refused, Failure::DnsNotFound, Failure::TlsUnknownIssuer].map(unreached);
    world.receiver_will(hook, &failures, resets());
    world.advance_to("16:04");
    world.receiver_is(hook, answers(200));
    world.advance_to("16:30");
    expect![[r#"
        16:02:20 car 1: reset
        16:05:00 car 1: 200"#]]
    .assert_eq(&world.story(hook));
    expect!["car 1 16:00:00: delivered after 5 attempts"].assert_eq(&world.log_story(hook));
}

#[test]
fn row_r05_an_answer_after_fifteen_seconds_is_a_failure() {
    let (mut world, hook) = one_car();
    world.receiver_will(hook, &[answers(200).after(seconds(16))], answers(200).after(seconds(14)));
    world.advance_to("16:30");
    expect![[r#"
        16:00:00 car 1: broken off
        16:00:20 car 1: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn fault_e16_no_occurrence_has_two_requests_at_a_time() {
    let (mut world, hook) = one_car();
    world.receiver_is(hook, answers(500).after(seconds(14)));
    world.advance_to("16:30");
    assert_eq!(world.posts(hook).len(), 6);
    check_requests(&world);
}

#[test]
fn row_h02_and_h07_every_request_is_signed_for_its_own_body() {
    let mut world = World::new(7);
    let hook = world.scheduled_webhook("every hour", &["/odometer", "/location"]);
    let cars = world.cars(4);
    world.subscribe_all(hook, &cars);
    world.receiver_will(hook, &[answers(500); 6], answers(200));
    world.advance_to("18:30");
    assert!(world.posts(hook).len() > 12);
    check_requests(&world);
}

#[test]
fn row_h08_a_changed_token_signs_challenges_and_data_from_now_on() {
    let (mut world, hook) = one_car();
    world.advance_to("16:30");
    let token = world.rotate_token();
    world.confide(hook, &token);
    world.advance_to("17:30");
    world.verify(hook);
    assert_eq!((world.posts(hook).len(), world.probes().len()), (2, 2));
    check_requests(&world);
}

#[test]
fn row_h08_while_two_tokens_count_the_old_one_signs_and_then_the_new_one() {
    let (mut world, hook) = one_car();
    world.advance_to("16:30");
    let token = world.rotate_token_over(seconds(2 * 3_600));
    world.advance_to("17:30");
    world.verify(hook);
    world.outage(seconds(5));
    world.advance_to("18:20");
    world.confide(hook, &token);
    world.advance_to("19:10");
    world.verify(hook);
    world.outage(seconds(5));
    world.advance_to("20:10");
    assert_eq!((world.posts(hook).len(), world.probes().len()), (5, 3));
    check_requests(&world);
}

#[test]
fn every_attempt_of_an_occurrence_carries_the_same_id_and_data() {
    let (mut world, hook) = one_car();
    world.receiver_will(hook, &[answers(500); 4], answers(200));
    world.advance_to("16:30");
    let posts = world.posts(hook);
    assert_eq!(posts.len(), 5);
    assert!(posts.iter().all(|post| post.body == posts[0].body));
}

#[test]
fn row_l01_the_log_tells_of_each_attempt() {
    let (mut world, hook) = one_car();
    let script = [answers(503).after(seconds(2)), unreached(Failure::Refused)];
    world.receiver_will(hook, &script, answers(200).after(std::time::Duration::from_millis(120)));
    world.advance_to("16:30");
    let log = world.log();
    let told: Vec<_> = log[0].attempts.iter().map(|attempt| format!("{attempt:?}")).collect();
    expect![[r#"
        Attempt { started_at: 2026-03-02T16:00:00.000Z, took_ms: 2000, result: Answered { status: 503 } }
        Attempt { started_at: 2026-03-02T16:00:20.000Z, took_ms: 0, result: Failed(Refused) }
        Attempt { started_at: 2026-03-02T16:01:00.000Z, took_ms: 120, result: Answered { status: 200 } }"#]]
    .assert_eq(&told.join("\n"));
    let event = log[0].logged.event;
    let detail = world.must(|app| async move { app.delivery(event).await });
    assert_eq!(detail.body.unwrap().as_bytes(), world.posts(hook)[0].body);
}

#[test]
fn row_l02_retries_that_are_used_up_stand_in_the_log_as_failed_with_the_last_error() {
    let (mut world, hook) = one_car();
    world.receiver_will(hook, &[answers(500); 5], answers(410));
    world.advance_to("16:30");
    let log = world.log();
    expect!["car 1 16:00:00: failed after 6 attempts"].assert_eq(&world.log_story(hook));
    assert_eq!((log[0].logged.http_status, log[0].attempts.len()), (410, 6));
}

#[test]
fn what_was_sent_again_by_hand_has_the_id_and_the_data_of_the_first_time() {
    let (mut world, hook) = one_car();
    world.receiver_is(hook, answers(500));
    world.advance_to("16:30");
    world.receiver_is(hook, answers(200));
    world.enable(hook);
    let event = world.log()[0].logged.event;
    world.must(|app| async move { app.redeliver(event, None).await });
    world.advance(minutes(1));
    let posts = world.posts(hook);
    assert_eq!(posts.len(), 7);
    assert_eq!(posts[6].body, posts[0].body);
    expect![[r#"
        car 1 16:00:00: failed after 6 attempts
        car 1 16:00:00: delivered after 1 attempt"#]]
    .assert_eq(&world.log_story(hook));
    assert!(world.log()[1].logged.redelivery);
}

#[test]
fn a_redelivery_that_waits_when_the_process_ends_is_sent_by_the_next() {
    let (mut world, hook) = one_car();
    world.advance_to("16:30");
    world.receiver_is(hook, unreached(Failure::Refused));
    let event = world.log()[0].logged.event;
    world.must(|app| async move { app.redeliver(event, None).await });
    world.advance(seconds(5));
    world.receiver_is(hook, answers(200));
    world.outage(minutes(3));
    world.advance(hours(0) + seconds(1));
    expect![[r#"
        16:00:00 car 1: 200
        16:33:05 car 1: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn what_was_cancelled_when_permissions_were_narrowed_is_not_sent_again() {
    let mut world = World::new(7);
    let hook = world.scheduled_webhook("every hour", &["/odometer", "/location"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, unreached(Failure::Refused));
    world.advance_to("16:00:05");
    world.grant(car, [Permission::ReadOdometer].into_iter().collect());
    world.receiver_is(hook, answers(200));
    world.advance_to("16:05");
    expect!["car 1 16:00:00: cancelled after 1 attempt"].assert_eq(&world.log_story(hook));
    check_not_sent_again(&mut world, hook);
    world.grant(car, PermissionSet::ALL);
    check_not_sent_again(&mut world, hook);
}

#[test]
fn what_carries_more_than_an_owner_still_grants_is_not_sent_again() {
    let mut world = World::new(7);
    let hook = world.scheduled_webhook("every hour", &["/odometer", "/location"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.advance_to("16:05");
    world.grant(car, [Permission::ReadOdometer].into_iter().collect());
    check_not_sent_again(&mut world, hook);
    world.grant(car, [Permission::ReadOdometer, Permission::ReadLocation].into_iter().collect());
    let event = world.log()[0].logged.event;
    world.must(|app| async move { app.redeliver(event, None).await });
}

/// A redelivery of the first event of the log is refused, and nothing is sent.
#[track_caller]
fn check_not_sent_again(world: &mut World, hook: Hook) {
    let (event, before) = (world.log()[0].logged.event, world.posts(hook).len());
    let answered = world.ask(|app| async move { app.redeliver(event, None).await });
    assert!(matches!(answered, Some(Err(AppError::Conflict(_)))), "{answered:?}");
    world.advance(minutes(1));
    assert_eq!(world.posts(hook).len(), before);
}
