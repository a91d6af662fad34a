//! Full disks, retention, and expiry.

use domain::delivery::Failure;
use expect_test::expect;
use milepost_sim::{World, answers, unreached};

use super::{check_requests, for_weeks, hours, minutes, seconds};

#[test]
fn fault_b6_a_full_disk_pauses_everything_and_nothing_is_lost() {
    let mut world = World::with(17, app::Settings::default());
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(5);
    world.subscribe_all(hook, &cars);
    world.advance_to("15:59:50");
    world.set_disk_is_full(true);
    world.advance_to("16:10");
    assert!(world.posts(hook).is_empty(), "what cannot be noted is not sent");
    assert!(world.app().health().problems()[0].contains("disk is full"));
    assert!(world.reads(cars[0]).len() <= 3, "{} reads for nothing", world.reads(cars[0]).len());
    world.set_disk_is_full(false);
    world.advance(seconds(5));
    assert_eq!(world.posts(hook).len(), 5);
    assert!(world.app().health().problems().is_empty());
    world.advance_to("16:30");
    assert_eq!(world.log().len(), 5);
    check_requests(&world);
}

#[test]
fn fault_b6_what_was_delivered_while_the_disk_was_full_is_noted_afterwards_and_not_sent_again() {
    let mut world = World::with(17, app::Settings::default());
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(5);
    world.subscribe_all(hook, &cars);
    world.receiver_is(hook, answers(200).after(seconds(2)));
    world.advance_to("16:00:01");
    world.set_disk_is_full(true);
    world.advance_to("16:20");
    world.set_disk_is_full(false);
    world.advance_to("16:30");
    assert_eq!(world.posts(hook).len(), 5);
    expect![[r#"
        car 1 16:00:00: delivered after 1 attempt
        car 2 16:00:00: delivered after 1 attempt
        car 3 16:00:00: delivered after 1 attempt
        car 4 16:00:00: delivered after 1 attempt
        car 5 16:00:00: delivered after 1 attempt"#]]
    .assert_eq(&world.log_story(hook));
}

#[test]
fn an_event_that_waited_through_a_long_outage_still_has_its_body() {
    let mut world = World::new(17);
    let hook = world.scheduled_webhook("daily at 16:00", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, unreached(Failure::Refused));
    world.advance_to("16:00:05");
    world.receiver_is(hook, answers(200));
    world.outage(hours(23));
    world.advance(minutes(1));
    expect!["car 1 16:00:00: delivered after 2 attempts"].assert_eq(&world.log_story(hook));
    assert_eq!(world.posts(hook).len(), 1);
}

#[test]
fn an_event_that_is_older_than_a_day_expires() {
    let mut world = World::new(17);
    let hook = world.scheduled_webhook("weekly on monday at 16:00", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, unreached(Failure::Refused));
    world.advance_to("16:00:05");
    world.receiver_is(hook, answers(200));
    world.outage(hours(25));
    world.advance(minutes(1));
    expect!["car 1 16:00:00: expired"].assert_eq(&world.log_story(hook));
    assert!(world.posts(hook).is_empty());
}

#[test]
fn history_expires_and_what_waits_does_not() {
    let mut settings = for_weeks();
    settings.retention.observations = hours(30);
    settings.retention.log = hours(48);
    let mut world = World::with(17, settings);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.advance(hours(24 * 7));
    let log = world.log();
    assert!((47..=49).contains(&log.len()), "{} rows", log.len());
    let first = log[0].logged.event;
    let last = log[log.len() - 1].logged.event;
    assert_eq!(world.must(|app| async move { app.delivery(first).await }).body, None);
    assert!(world.must(|app| async move { app.delivery(last).await }).body.is_some());
}

#[test]
fn a_database_that_is_too_large_forgets_history_and_not_what_waits() {
    let mut settings = app::Settings::default();
    settings.retention.max_bytes = Some(1);
    let mut world = World::with(17, settings);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, answers(500));
    world.advance_to("16:04");
    world.receiver_is(hook, answers(200));
    world.outage(seconds(10));
    world.advance_to("16:06");
    let delivered =
        world.posts(hook).iter().filter(|post| post.answered == milepost_sim::Answered::Status(200)).count();
    assert_eq!(delivered, 1);
}
