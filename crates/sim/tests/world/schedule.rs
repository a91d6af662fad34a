//! Scheduled webhooks: when cars are read, and when their data is posted.

use domain::{
    connect::{Permission, PermissionSet},
    errors::ErrorCode,
    signal,
    vehicle::Mode,
};
use expect_test::expect;
use milepost_sim::{Chance, World, answers, fails, fails_for, well};

use super::{check_requests, for_weeks, hours, seconds};

#[test]
fn row_c01_a_car_subscribed_at_a_quarter_to_four_is_posted_at_four() {
    let mut world = World::new(1);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.advance_to("18:05");
    expect![[r#"
        16:00:00 car 1: 200
        17:00:00 car 1: 200
        18:00:00 car 1: 200"#]]
    .assert_eq(&world.story(hook));
    expect![[r#"
        car 1 16:00:00: delivered after 1 attempt
        car 1 17:00:00: delivered after 1 attempt
        car 1 18:00:00: delivered after 1 attempt"#]]
    .assert_eq(&world.log_story(hook));
}

#[test]
fn row_c02_a_monthly_webhook_is_posted_at_midnight_of_its_day_and_on_the_last_day_of_a_shorter_month() {
    let mut world = World::with(1, for_weeks());
    let fifth = world.scheduled_webhook("monthly on 5", &["/odometer"]);
    let last = world.scheduled_webhook("monthly on 31", &["/odometer"]);
    let car = world.car();
    world.subscribe(fifth, car);
    world.subscribe(last, car);
    world.advance(hours(24 * 92));
    expect![[r#"
        03-05 00:00:00 car 1: 200
        04-05 00:00:00 car 1: 200
        05-05 00:00:00 car 1: 200"#]]
    .assert_eq(&world.story(fifth));
    expect![[r#"
        03-31 00:00:00 car 1: 200
        04-30 00:00:00 car 1: 200
        05-31 00:00:00 car 1: 200"#]]
    .assert_eq(&world.story(last));
}

#[test]
fn row_c03_a_car_that_cannot_be_reached_is_tried_in_later_windows_and_posted_late() {
    let mut world = World::new(1);
    let hook = world.scheduled_webhook("every 2 hours", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_is(car, fails(ErrorCode::VEHICLE_STATE_UNREACHABLE));
    world.advance_to("16:40");
    world.car_is(car, well());
    world.advance_to("17:30");
    let reads: Vec<_> = world.reads(car).iter().map(|read| read.at.to_string()[11..19].to_owned()).collect();
    expect!["16:00:00 16:00:30 16:01:30 16:03:30 16:07:30 16:13:30 16:15:00 16:30:00 16:45:00"]
        .assert_eq(&reads.join(" "));
    expect!["16:45:00 car 1: 200"].assert_eq(&world.story(hook));
    assert_eq!(world.posts(hook)[0].json()["payload"]["vehicles"][0]["data"][0]["code"], 200);
}

#[test]
fn a_car_that_is_never_reached_is_posted_as_errors_when_the_next_slot_comes() {
    let mut world = World::new(1);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_is(car, fails(ErrorCode::VEHICLE_STATE_UNREACHABLE));
    world.advance_to("18:05");
    expect![[r#"
        17:00:00 car 1: 200
        18:00:00 car 1: 200"#]]
    .assert_eq(&world.story(hook));
    assert_eq!(world.posts(hook)[0].json()["payload"]["vehicles"][0]["data"][0]["code"], 409);
}

#[test]
fn row_c06_an_endpoint_that_fails_for_good_is_an_entry_with_its_status_and_the_others_are_not_held_up() {
    let mut world = World::new(1);
    let hook = world.scheduled_webhook("every hour", &["/odometer", "/location", "/engine/oil"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_is(car, fails_for(&[signal::LOCATION], ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE));
    world.advance_to("16:00:01");
    let posts = world.posts(hook);
    assert_eq!(posts.len(), 1, "posted at once");
    let body = posts[0].json();
    let data = body["payload"]["vehicles"][0]["data"].as_array().unwrap();
    let codes: Vec<_> = data.iter().map(|entry| (entry["path"].clone(), entry["code"].clone())).collect();
    expect![[r#"[(String("/odometer"), Number(200)), (String("/location"), Number(501)), (String("/engine/oil"), Number(501))]"#]].assert_eq(&format!("{codes:?}"));
    assert_eq!(data[1]["body"]["type"], "COMPATIBILITY");
    assert_eq!(data[1]["body"]["statusCode"], data[1]["code"]);
}

#[test]
fn an_endpoint_that_fails_in_passing_is_asked_again_within_fifteen_minutes() {
    let mut world = World::new(1);
    let hook = world.scheduled_webhook("every hour", &["/odometer", "/location"]);
    let car = world.car();
    world.subscribe(hook, car);
    let trouble = fails_for(&[signal::LOCATION], ErrorCode::UPSTREAM_NO_RESPONSE);
    world.car_will(car, &[trouble.clone(), trouble], well());
    world.advance_to("16:59");
    let wanted: Vec<_> = world
        .reads(car)
        .iter()
        .map(|read| (read.at.to_string()[11..19].to_owned(), read.wanted.len()))
        .collect();
    expect![[r#"[("16:00:00", 2), ("16:00:30", 1), ("16:01:30", 1)]"#]].assert_eq(&format!("{wanted:?}"));
    expect!["16:01:30 car 1: 200"].assert_eq(&world.story(hook));
}

#[test]
fn row_c09_live_and_simulated_cars_are_told_apart() {
    let mut world = World::new(1);
    let mut settings = World::scheduled("every hour", &["/odometer"]);
    settings.vehicles_per_request = 10;
    let hook = world.webhook(settings);
    let (live, simulated) = (world.live_car(), world.car());
    world.subscribe_all(hook, &[live, simulated]);
    world.advance_to("16:30");
    let mut modes: Vec<_> = world.posts(hook).iter().map(|post| post.json()["mode"].to_string()).collect();
    modes.sort();
    assert_eq!(modes, [r#""live""#, r#""simulated""#], "never both in one request");
}

#[test]
fn one_read_serves_every_webhook_that_is_due() {
    let mut world = World::new(1);
    let hooks = [&["/odometer"][..], &["/odometer", "/location"], &["/battery"]]
        .map(|endpoints| world.scheduled_webhook("every hour", endpoints));
    let car = world.car();
    for hook in hooks {
        world.subscribe(hook, car);
    }
    world.advance_to("18:30");
    let wanted: Vec<_> = world.reads(car).iter().map(|read| read.wanted.len()).collect();
    assert_eq!(wanted, [4, 4, 4]);
    for hook in hooks {
        assert_eq!(world.posts(hook).len(), 3);
    }
}

#[test]
fn reads_keep_to_the_budget_of_their_pool() {
    let mut settings = app::Settings::default();
    settings.reads.per_second = Some(2.0);
    let mut world = World::with(1, settings);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(20);
    world.subscribe_all(hook, &cars);
    world.advance_to("16:00:05");
    let early = world.posts(hook).len();
    assert!((10..=13).contains(&early), "{early} in five seconds");
    world.advance_to("16:00:15");
    assert_eq!(world.posts(hook).len(), 20);
}

#[test]
fn fault_d5_a_local_hour_that_is_skipped_or_comes_twice_is_one_slot() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().map(domain::time::Timestamp::from_jiff).unwrap();
    for (begin, expected) in [
        ("2026-03-27T12:00:00Z", "03-28 01:00 03-29 01:00 03-30 00:00"),
        ("2026-10-23T12:00:00Z", "10-24 00:00 10-25 00:00 10-26 01:00"),
    ] {
        let mut world = World::beginning(1, for_weeks(), at(begin));
        let hook = world.scheduled_webhook("daily at 02:00 Europe/Berlin", &["/odometer"]);
        let car = world.car();
        world.subscribe(hook, car);
        world.advance(hours(72));
        let slots: Vec<_> =
            world.posts(hook).iter().map(|post| post.at.to_string()[5..16].replace('T', " ")).collect();
        assert_eq!(slots.join(" "), expected);
    }
}

#[test]
fn fault_d11_after_an_outage_there_is_one_catch_up_and_the_rest_is_counted() {
    for (outage, missed) in [(1, 0), (24, 23), (24 * 30, 24 * 30 - 1)] {
        let mut world = World::with(1, for_weeks());
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        let car = world.car();
        world.subscribe(hook, car);
        world.advance_to("15:50");
        world.outage(hours(outage));
        world.advance(seconds(30));
        assert_eq!(world.posts(hook).len(), 1, "{outage} hours");
        let counted: u64 = world.log().iter().map(|row| row.logged.missed).sum();
        assert_eq!(counted, missed, "{outage} hours");
        let (from, until) = (domain::time::Timestamp::from_secs(0), domain::time::Timestamp::NEVER);
        let buckets = world.must(|app| async move { app.delivery_metrics(vec![], from, until).await });
        let rolled_up: u64 =
            buckets.iter().filter(|one| one.status.as_str() == "missed").map(|one| one.count).sum();
        assert_eq!(rolled_up, missed, "{outage} hours");
        world.advance(hours(2));
        assert_eq!(world.posts(hook).len(), 3, "then every hour again");
    }
}

#[test]
fn a_world_is_a_function_of_its_seed() {
    let run = |seed| {
        let mut world = World::new(seed);
        world.keep_trace();
        let (hook, other) = (
            world.scheduled_webhook("every hour", &["/odometer"]),
            world.scheduled_webhook("every 2 hours", &["/location"]),
        );
        let mut chance = Chance::new(seed, 99);
        for car in world.cars(9) {
            world.subscribe(hook, car);
            world.subscribe(other, car);
        }
        for _ in 0..4 {
            let status = chance.pick(&[200, 500, 503]);
            world.receiver_is(hook, answers(status));
            world.advance(hours(1));
            world.crash();
            world.start();
            world.enable(hook);
        }
        check_requests(&world);
        (world.trace_hash(), world.trace())
    };
    let (first, second) = (run(1), run(1));
    assert_eq!(first.1, second.1);
    assert_eq!(first.0, second.0);
    assert_ne!(first.0, run(2).0);
}

#[test]
fn a_sleeping_car_is_posted_with_data_when_it_wakes_whatever_needs_no_read_beside_it() {
    let story = |endpoints: &[&str], permissions: PermissionSet| {
        let mut world = World::new(1);
        let hook = world.scheduled_webhook("every hour", endpoints);
        let car = world.car_with(Mode::Simulated, permissions);
        world.subscribe(hook, car);
        world.car_is(car, fails(ErrorCode::VEHICLE_STATE_ASLEEP));
        world.advance_to("16:20");
        world.car_is(car, well());
        world.advance_to("16:55");
        let body = world.posts(hook)[0].json();
        let entries = body["payload"]["vehicles"][0]["data"].as_array().unwrap();
        let odometer = entries.iter().find(|entry| entry["path"] == "/odometer").unwrap();
        assert_eq!(odometer["code"], 200, "{endpoints:?}: {odometer}");
        world.story(hook)
    };
    let no_location =
        Permission::ALL.iter().copied().filter(|&one| one != Permission::ReadLocation).collect();
    for (endpoints, permissions) in [
        (&["/odometer"][..], PermissionSet::ALL),
        (&["/", "/odometer"], PermissionSet::ALL),
        (&["/odometer", "/location"], no_location),
    ] {
        expect!["16:30:00 car 1: 200"].assert_eq(&story(endpoints, permissions));
    }
}
