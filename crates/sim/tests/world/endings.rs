//! What must not leave any more: nothing that was unsubscribed, disconnected, narrowed, switched off or deleted is sent
//! later than a second after the answer, and what is under way is broken off.

use domain::{
    connect::{Permission, PermissionSet},
    errors::ErrorCode,
};
use expect_test::expect;
use milepost_sim::{Answered, Car, Hook, World, answers, fails, hangs};

use super::{hours, seconds};

type End = fn(&mut World, Hook, Car);

const ENDS: [(&str, End, &str); 5] = [
    ("unsubscribed", |world, hook, car| world.unsubscribe(hook, car), "cancelled"),
    ("disconnected", |world, _, car| world.disconnect(car), "cancelled"),
    ("narrowed", |world, _, car| world.grant(car, few()), "cancelled"),
    ("switched off", |world, hook, _| world.disable(hook), "dropped"),
    ("deleted", |world, hook, _| world.delete(hook), "dropped"),
];

fn few() -> PermissionSet {
    [Permission::ReadVin].into_iter().collect()
}

fn one_car() -> (World, Hook, Car) {
    let mut world = World::new(3);
    let hook = world.scheduled_webhook("daily at 16:00", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    (world, hook, car)
}

#[test]
fn fault_h7_what_is_under_way_is_broken_off_and_ends_in_the_log() {
    for (name, end, status) in ENDS {
        let (mut world, hook, car) = one_car();
        world.receiver_is(hook, hangs());
        world.advance_to("16:00:05");
        assert_eq!(world.posts(hook)[0].answered, Answered::Open, "{name}");
        end(&mut world, hook, car);
        let answered_at = world.monotonic();
        world.advance(hours(23));
        let posts = world.posts(hook);
        assert_eq!((posts.len(), posts[0].answered), (1, Answered::BrokenOff), "{name}");
        assert!(posts[0].ended.unwrap() <= answered_at + seconds(1), "{name}");
        let log = world.log();
        assert_eq!((log.len(), log[0].logged.status.as_str()), (1, status), "{name}");
    }
}

#[test]
fn fault_h7_a_retry_that_waits_is_not_sent() {
    for (name, end, status) in ENDS {
        let (mut world, hook, car) = one_car();
        world.receiver_is(hook, answers(500));
        world.advance_to("16:00:10");
        end(&mut world, hook, car);
        world.advance(hours(23));
        assert_eq!(world.posts(hook).len(), 1, "{name}");
        let log = world.log();
        assert_eq!((log.len(), log[0].logged.status.as_str()), (1, status), "{name}");
        assert_eq!(log[0].attempts.len(), 1, "{name}: the attempt that was made stays in the log");
    }
}

#[test]
fn fault_h7_the_end_holds_across_an_end_of_the_process() {
    for (name, end, status) in ENDS {
        let (mut world, hook, car) = one_car();
        world.receiver_is(hook, answers(500));
        world.advance_to("16:00:10");
        end(&mut world, hook, car);
        world.crash();
        world.advance(seconds(30));
        world.start();
        world.advance(hours(23));
        assert_eq!(world.posts(hook).len(), 1, "{name}");
        assert_eq!(world.log()[0].logged.status.as_str(), status, "{name}");
    }
}

#[test]
fn a_request_for_several_cars_that_is_broken_off_for_one_is_sent_again_for_the_others() {
    let mut world = World::new(3);
    let mut settings = World::scheduled("daily at 16:00", &["/odometer"]);
    settings.vehicles_per_request = 10;
    let hook = world.webhook(settings);
    let cars = world.cars(4);
    world.subscribe_all(hook, &cars);
    world.receiver_will(hook, &[hangs(), hangs(), hangs(), hangs()], answers(200));
    world.advance_to("16:00:05");
    world.unsubscribe(hook, cars[0]);
    world.receiver_is(hook, answers(200));
    world.advance_to("16:05");
    let last: Vec<_> =
        world.posts(hook).iter().filter(|post| post.answered == Answered::Status(200)).cloned().collect();
    let served: usize = last.iter().map(|post| post.arrivals().len()).sum();
    assert_eq!(served, 3);
}

#[test]
fn an_end_that_overtakes_the_record_of_a_failed_attempt_holds() {
    let mut settings = app::Settings::default();
    settings.retention.pass_every = std::time::Duration::from_millis(50);
    let mut world = World::with(3, settings);
    let hook = world.scheduled_webhook("daily at 16:00", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, answers(500).after(seconds(1)));
    world.advance_to("16:00:00");
    world.advance(std::time::Duration::from_millis(900));
    world.set_disk_is_full(true);
    world.advance(std::time::Duration::from_millis(200));
    world.set_disk_is_full(false);
    world.unsubscribe(hook, car);
    world.advance(hours(1));
    assert_eq!(world.posts(hook).len(), 1);
}

#[test]
fn a_webhook_that_is_switched_off_with_many_events_waiting_costs_nothing_until_they_are_swept() {
    let mut settings = app::Settings::default();
    settings.delivery.window = 4;
    let mut world = World::with(3, settings);
    let hook = world.scheduled_webhook("daily at 16:00", &["/odometer"]);
    let cars = world.cars(20);
    world.subscribe_all(hook, &cars);
    world.receiver_is(hook, hangs());
    world.advance_to("16:00:05");
    world.disable(hook);
    world.advance(seconds(30));
    assert_eq!(world.view(hook).queued, 0);
    assert!(world.log().iter().all(|row| row.logged.status.as_str() == "dropped"));
    assert_eq!(world.log().len(), 20);
}

#[test]
fn what_a_tombstone_covers_does_not_hold_up_what_comes_after_it() {
    let mut settings = app::Settings::default();
    settings.delivery.window = 4;
    let mut world = World::with(3, settings);
    let hook = world.scheduled_webhook("daily at 16:00", &["/odometer"]);
    let cars = world.cars(20);
    world.subscribe_all(hook, &cars);
    world.receiver_is(hook, answers(503));
    world.advance_to("16:00:05");
    for &car in &cars[..19] {
        world.unsubscribe(hook, car);
    }
    world.receiver_is(hook, answers(200));
    world.forget_received();
    world.advance(seconds(120));
    assert_eq!(world.posts(hook).len(), 1);
}

#[test]
fn row_s07_an_unsubscribed_car_is_neither_read_nor_posted() {
    let (mut world, hook, car) = one_car();
    world.unsubscribe(hook, car);
    world.advance(hours(30));
    assert!(world.posts(hook).is_empty());
    assert!(world.reads(car).is_empty());
}

#[test]
fn row_s08_a_disconnected_car_has_no_subscriptions_and_is_never_read_again() {
    let (mut world, hook, car) = one_car();
    world.disconnect(car);
    world.advance(hours(30));
    assert!(world.posts(hook).is_empty());
    assert!(world.reads(car).is_empty());
    assert_eq!(world.view(hook).subscriptions, 0);
    let gone = world.ask(|app| async move { app.vehicle(car.id(), None).await }).unwrap();
    expect!["no vehicle with this id"].assert_eq(&gone.unwrap_err().to_string());
}

#[test]
fn a_deleted_webhook_keeps_its_log() {
    let (mut world, hook, _) = one_car();
    world.advance_to("16:30");
    world.delete(hook);
    world.advance(hours(48));
    expect!["car 1 16:00:00: delivered after 1 attempt"].assert_eq(&world.log_story(hook));
}

#[test]
fn who_subscribes_again_gets_the_next_slot_and_nothing_of_the_time_between() {
    let mut world = World::new(3);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, answers(500));
    world.advance_to("16:00:10");
    world.unsubscribe(hook, car);
    world.receiver_is(hook, answers(200));
    world.subscribe(hook, car);
    world.advance_to("17:30");
    expect![[r#"
        16:00:00 car 1: 500
        17:00:00 car 1: 200"#]]
    .assert_eq(&world.story(hook));
}

/// A slot whose data is still being gathered has no event yet that could end; it stands in the log all the same.
#[test]
fn what_is_still_gathered_stands_in_the_log() {
    let ends = ENDS.into_iter().filter(|(name, ..)| !["narrowed", "deleted"].contains(name));
    for (name, end, status) in ends {
        let (mut world, hook, car) = one_car();
        world.car_is(car, fails(ErrorCode::VEHICLE_STATE_ASLEEP));
        world.advance_to("16:00:30");
        let slot = world.reads(car)[0].at;
        end(&mut world, hook, car);
        world.advance(hours(1));
        let log = world.log();
        assert_eq!((log.len(), log[0].logged.status.as_str()), (1, status), "{name}");
        assert_eq!((log[0].logged.slot, log[0].logged.missed), (slot, 0), "{name}");
        assert_eq!(world.posts(hook).len(), 0, "{name}");
    }
}
