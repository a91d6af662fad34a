//! Switching webhooks off and on, and editing them.

use app::EditWebhook;
use domain::webhook::Plan;
use expect_test::expect;
use milepost_sim::{Strike, World, answers};

use super::{check_requests, hours, minutes, seconds};

#[test]
fn row_s06_a_webhook_that_is_off_sends_nothing_and_queues_nothing() {
    let mut world = World::new(5);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.disable(hook);
    world.advance_to("18:30");
    assert!(world.posts(hook).is_empty());
    assert!(world.reads(car).is_empty(), "nobody reads a car for nothing");
    assert_eq!(world.view(hook).queued, 0);
    assert!(world.log().is_empty());
}

#[test]
fn switching_on_again_replays_nothing() {
    let mut world = World::new(5);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.receiver_is(hook, answers(500));
    world.advance_to("16:01");
    world.disable(hook);
    world.receiver_is(hook, answers(200));
    world.advance_to("18:30");
    world.enable(hook);
    world.advance_to("19:30");
    expect![[r#"
        16:00:00 car 1: 500
        16:00:20 car 1: 500
        16:01:00 car 1: 500
        19:00:00 car 1: 200"#]]
    .assert_eq(&world.story(hook));
    expect![[r#"
        car 1 16:00:00: dropped after 3 attempts
        car 1 19:00:00: delivered after 1 attempt"#]]
    .assert_eq(&world.log_story(hook));
}

#[test]
fn a_new_cadence_holds_from_the_moment_of_the_edit() {
    let mut world = World::new(5);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let cars = world.cars(3);
    world.subscribe_all(hook, &cars);
    world.advance_to("16:30");
    world.reschedule(hook, "every 5 hours");
    world.forget_received();
    world.advance_to("2026-03-03 01:30");
    expect![[r#"
        20:00:00 car 1: 200
        20:00:00 car 2: 200
        20:00:00 car 3: 200
        03-03 00:00:00 car 1: 200
        03-03 00:00:00 car 2: 200
        03-03 00:00:00 car 3: 200"#]]
    .assert_eq(&world.story(hook));
}

#[test]
fn a_change_of_cadence_goes_on_after_an_end_of_the_process() {
    for after in 0..40 {
        let mut world = World::new(100 + after);
        let hook = world.scheduled_webhook("daily", &["/odometer"]);
        let cars = world.cars(3);
        world.subscribe_all(hook, &cars);
        world.foresee(Some(Strike::After(after)));
        let plan = Some(Plan::Scheduled(World::scheduled("every hour", &["/odometer"])));
        let edit = EditWebhook { plan, ..EditWebhook::default() };
        let edited = world.ask(|app| async move { app.edit_webhook(hook.id, edit).await.is_ok() });
        world.advance_to("16:30");
        world.foresee(None);
        world.advance_to("17:30");
        let entry = world.app().webhook_entry(hook.id).unwrap();
        let is_new = entry.webhook().revision.cadence_epoch == 2;
        assert!(is_new || edited.is_none(), "an edit that was answered holds");
        assert_eq!(world.posts(hook).len(), if is_new { 6 } else { 0 }, "after {after}");
        check_requests(&world);
    }
}

#[test]
fn fault_d10_what_is_edited_paused_or_deleted_at_the_moment_it_is_due_is_posted_once_at_most() {
    let acts: [fn(&mut World, milepost_sim::Hook); 4] = [
        |world, hook| world.reschedule(hook, "every 2 hours"),
        |world, hook| world.disable(hook),
        |world, hook| world.delete(hook),
        |world, hook| {
            world.disable(hook);
            world.enable(hook);
        },
    ];
    for seed in 0..25 {
        for act in acts {
            let mut world = World::new(seed);
            let hook = world.scheduled_webhook("every hour", &["/odometer"]);
            let cars = world.cars(2);
            world.subscribe_all(hook, &cars);
            world.advance_to_the_brink_of("16:00");
            act(&mut world, hook);
            world.advance(minutes(30));
            for car in cars {
                let id = lab::id::Id(car.id().0.as_u128());
                let of_car = world
                    .posts(hook)
                    .into_iter()
                    .filter(|post| post.arrivals().iter().any(|arrival| arrival.vehicle == Some(id)));
                assert!(of_car.count() <= 1);
            }
            if let Some(Ok(view)) = world.ask(|app| async move { app.webhook(hook.id).await }) {
                assert_eq!(view.queued, 0, "nothing waits for a webhook that is off");
            }
        }
    }
}

#[test]
fn a_slot_that_came_before_its_cadence_was_changed_is_still_posted() {
    let mut world = World::new(5);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_will(car, &[milepost_sim::well().after(seconds(50))], milepost_sim::well());
    world.advance_to("16:00:30");
    world.reschedule(hook, "daily");
    world.advance_to("16:30");
    expect!["16:01:00 car 1: 200"].assert_eq(&world.story(hook));
}

#[test]
fn nothing_is_sent_to_a_webhook_that_was_switched_off_while_a_car_was_read() {
    let mut world = World::new(5);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.car_is(car, milepost_sim::well().after(seconds(20)));
    world.advance_to("16:00:10");
    world.disable(hook);
    world.advance(seconds(1));
    world.enable(hook);
    world.advance_to("16:59");
    world.advance(hours(1));
    check_requests(&world);
}
