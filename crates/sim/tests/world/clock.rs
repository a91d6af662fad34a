//! Clocks that jump, stop, drift, and start in 1970.

use domain::time::Timestamp;
use expect_test::expect;
use milepost_sim::{Car, Hook, Rate, World, answers, well};

use super::{check_requests, for_weeks, hours, minutes, seconds};

/// One car on an hourly webhook; the store is looked after as often as usual.
fn one_car() -> (World, Hook, Car) {
    let mut world = World::with(13, app::Settings::default());
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    (world, hook, car)
}

fn ids(world: &World, hook: Hook) -> Vec<lab::id::Id> {
    world.posts(hook).iter().filter_map(|post| post.id()).collect()
}

#[test]
fn fault_d1_a_clock_that_steps_back_repeats_no_slot() {
    for back in [1, 60, 3_600, 86_400] {
        let (mut world, hook, _) = one_car();
        world.advance_to("17:00:01");
        world.jump(-back);
        world.advance(seconds(back.unsigned_abs()) + minutes(30));
        let ids = ids(&world, hook);
        assert_eq!(ids.len(), 2, "back by {back} s");
        world.advance(hours(1));
        assert_eq!(world.posts(hook).len(), 3, "and goes on afterwards");
        check_requests(&world);
    }
}

#[test]
fn fault_d1_a_clock_that_steps_back_breaks_off_no_read() {
    for by in [-3_600, -5, 5, 3_000] {
        let (mut world, hook, car) = one_car();
        world.car_will(car, &[well().after(seconds(20))], well());
        world.advance_to("16:00:10");
        world.jump(by);
        world.advance(hours(2));
        let data = &world.posts(hook)[0].json()["payload"]["vehicles"][0]["data"][0];
        assert_eq!(data["code"], 200, "by {by} s");
    }
}

#[test]
fn fault_d2_a_clock_that_steps_forward_catches_up_once_and_counts_the_rest() {
    for (forward, missed) in [(1, 0), (60, 0), (3_600, 0), (86_400, 23)] {
        let (mut world, hook, _) = one_car();
        world.advance_to("16:30");
        world.jump(forward);
        world.advance(seconds(10));
        let caught_up = usize::from(forward >= 3_600);
        assert_eq!(world.posts(hook).len(), 1 + caught_up, "forward by {forward} s");
        let counted: u64 = world.log().iter().map(|row| row.logged.missed).sum();
        assert_eq!(counted, missed, "forward by {forward} s");
    }
}

#[test]
fn fault_d2_retries_that_a_step_forward_makes_due_are_sent_once_each() {
    let (mut world, hook, _) = one_car();
    world.receiver_is(hook, answers(500));
    world.advance_to("16:00:30");
    world.jump(3_600);
    world.advance(minutes(30));
    check_requests(&world);
    let first = ids(&world, hook)[0];
    let attempts = ids(&world, hook).iter().filter(|&&id| id == first).count();
    assert_eq!(attempts, 6);
}

#[test]
fn fault_d3_a_clock_that_starts_in_1970_holds_everything_until_it_is_set() {
    let (mut world, hook, car) = one_car();
    world.advance_to("16:30");
    world.crash();
    world.jump_to("1970-01-01 00:00");
    world.start();
    world.advance(hours(3));
    assert_eq!(world.posts(hook).len(), 1);
    assert_eq!(world.reads(car).len(), 1);
    let problems = world.app().health().problems();
    assert!(problems[0].contains("1970"), "{problems:?}");
    world.jump_to("2026-03-02 19:30");
    world.advance(seconds(10));
    expect![[r#"
        car 1 16:00:00: delivered after 1 attempt
        car 1 17:00:00 to 18:00:00: missed 2
        car 1 19:00:00: delivered after 1 attempt"#]]
    .assert_eq(&world.log_story(hook));
    assert!(world.app().health().problems().is_empty());
}

#[test]
fn fault_d3_a_clock_that_is_days_behind_what_was_written_holds_everything() {
    let (mut world, hook, _) = one_car();
    world.advance_to("16:30");
    world.jump(-86_400 * 30);
    world.advance(hours(3));
    assert_eq!(world.posts(hook).len(), 1);
    assert!(world.app().health().problems()[0].contains("was written before"));
    world.jump(86_400 * 30);
    world.advance(seconds(10));
    assert_eq!(world.posts(hook).len(), 2);
}

#[test]
fn fault_d3_a_clock_that_stands_still_fires_nothing_and_is_caught_up_with_once() {
    let (mut world, hook, _) = one_car();
    world.advance_to("16:30");
    world.set_rate(Rate::Frozen);
    world.advance(hours(5));
    assert_eq!(world.posts(hook).len(), 1);
    world.set_rate(Rate::Drift(0));
    world.jump_to("2026-03-02 21:30");
    world.advance(seconds(10));
    expect![[r#"
        car 1 16:00:00: delivered after 1 attempt
        car 1 17:00:00 to 20:00:00: missed 4
        car 1 21:00:00: delivered after 1 attempt"#]]
    .assert_eq(&world.log_story(hook));
}

#[test]
fn fault_d3_a_clock_that_drifts_misses_and_doubles_nothing() {
    for ppm in [-500, 500] {
        let mut world = World::with(13, for_weeks());
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        let car = world.car();
        world.subscribe(hook, car);
        world.set_rate(Rate::Drift(ppm));
        world.advance(hours(48));
        let posts = world.posts(hook);
        assert_eq!(posts.len(), 48);
        for post in posts {
            let late = post.at.since(Timestamp::from_secs(post.at.as_secs() / 3_600 * 3_600));
            assert!(late < seconds(1));
        }
    }
}

#[test]
fn fault_d4_a_host_that_was_suspended_goes_on_with_what_it_had_in_hand() {
    // Monotonic time stands still while a host is suspended; the wall clock goes on.
    let (mut world, hook, car) = one_car();
    world.car_will(car, &[well().after(seconds(20))], well());
    world.advance_to("16:00:10");
    world.jump(3 * 3_600);
    world.advance(minutes(10));
    expect![[r#"
        car 1 16:00:00 to 18:00:00: missed 3
        car 1 19:00:00: delivered after 1 attempt"#]]
    .assert_eq(&world.log_story(hook));
    check_requests(&world);
}
