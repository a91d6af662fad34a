//! Scheduled webhooks: when cars are read, and when their data is posted.

use expect_test::expect;
use milepost_sim::World;

#[test]
fn row_c01_a_car_subscribed_at_a_quarter_to_four_is_posted_at_four() {
    let mut world = World::new(1);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    world.advance_to("18:05");
    expect![[r#""#]].assert_eq(&world.story(hook));
    expect![[r#""#]].assert_eq(&world.log_story(hook));
}

#[test]
fn a_world_is_a_function_of_its_seed() {
    let run = |seed| {
        let mut world = World::new(seed);
        world.keep_trace();
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        for car in world.cars(3) {
            world.subscribe(hook, car);
        }
        world.advance_to("18:05");
        (world.trace_hash(), world.trace())
    };
    let (first, second) = (run(1), run(1));
    assert_eq!(first.1, second.1);
    assert_eq!(first.0, second.0);
    assert_ne!(first.0, run(2).0);
}
