//! Faults that were planted are found: a soak that finds nothing is worth something only if it finds these.

use app::planted::{Planted, plant};
use milepost_sim::{Moment, Strike, World, answers, soak, well};

use super::{errors, pushes, seconds, unified};

/// Worlds of a week that it may take.
const WORLDS: u64 = 200;

/// Plants a fault and lets worlds live until one is found guilty.
fn find(fault: Planted, live: impl Fn(u64, u32, bool) -> soak::Life + std::panic::RefUnwindSafe) {
    plant(Some(fault));
    let guilty = (1..=WORLDS).find_map(|seed| {
        let lived = std::panic::catch_unwind(|| live(seed, 1, true));
        let guilt = lived.map_or_else(|_| Some("panicked".to_owned()), |life| life.guilt());
        guilt.map(|guilt| (seed, guilt))
    });
    plant(None);
    let (seed, guilt) = guilty.unwrap_or_else(|| panic!("{fault:?} was not found in {WORLDS} weeks"));
    let first = guilt.lines().nth(1).unwrap_or(&guilt);
    println!("{fault:?}: found in week {seed}: {first}");
}

/// A scenario that holds, and does not hold with the fault.
fn check_found_by(fault: Planted, holds: impl Fn() -> bool) {
    assert!(holds(), "without the fault");
    plant(Some(fault));
    let still_holds = holds();
    plant(None);
    assert!(!still_holds, "{fault:?} was not found");
    println!("{fault:?}: found by its scenario");
}

#[test]
fn an_answer_before_the_commit_is_found() {
    let keeps_its_word = |seed| {
        let mut world = World::new(seed);
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        let car = world.car();
        world.foresee(Some(Strike::At(Moment::BeforeCommit, 0)));
        let answered =
            world.ask(|app| async move { app.subscribe(hook.id, &[car.id()]).await.is_ok() }) == Some(true);
        world.settle();
        !answered || world.view(hook).subscriptions == 1
    };
    check_found_by(Planted::AnswerBeforeCommit, || (1..20).all(keeps_its_word));
}

#[test]
fn a_due_time_that_a_conflict_swallows_is_found() {
    check_found_by(Planted::DueLostAfterConflict, || {
        let mut world = World::new(1);
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        let other = world.scheduled_webhook("every hour", &["/location"]);
        let car = world.car();
        world.subscribe(hook, car);
        world.car_will(car, &[well().after(seconds(20))], well());
        world.advance_to("16:00:10");
        world.subscribe(other, car);
        world.advance_to("18:30");
        world.posts(hook).len() == 3 && world.posts(other).len() == 2
    });
}

#[test]
fn an_event_that_a_full_window_swallows_is_found() {
    check_found_by(Planted::FullWindowDrops, || {
        let mut settings = app::Settings::default();
        settings.delivery.window = 4;
        let mut world = World::with(1, settings);
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        let cars = world.cars(20);
        world.subscribe_all(hook, &cars);
        world.receiver_is(hook, answers(200).after(seconds(1)));
        world.advance_to("17:05");
        world.posts(hook).len() == 40
    });
}

#[test]
fn a_change_that_a_conflict_swallows_is_found() {
    check_found_by(Planted::ChangeLostAfterConflict, unified::a_change_survives_a_conflict);
}

#[test]
fn errors_that_are_sent_as_data_are_found() {
    check_found_by(Planted::ErrorsSentAsData, errors::errors_have_a_uri_of_their_own);
}

#[test]
fn a_first_delivery_that_is_not_repeated_is_found() {
    check_found_by(Planted::FirstDeliveryOnlyOnce, || {
        let (world, hook, _) = unified::switched_on_again();
        world.posts(hook).len() == 1
    });
}

#[test]
fn a_first_delivery_that_is_not_repeated_is_found_in_weeks_of_all_generations() {
    find(Planted::FirstDeliveryOnlyOnce, soak::live_varied);
}

/// Plants a fault and lets cars push until one is told of wrongly.
fn find_among_pushes(fault: Planted) {
    plant(Some(fault));
    let guilty = (1..=WORLDS).find_map(|seed| {
        let lived = std::panic::catch_unwind(|| pushes::live(seed));
        let guilt = lived.map_or_else(|_| Some("panicked".to_owned()), Result::err);
        guilt.map(|guilt| (seed, guilt))
    });
    plant(None);
    let (seed, guilt) = guilty.unwrap_or_else(|| panic!("{fault:?} was not found in {WORLDS} lives"));
    println!("{fault:?}: found in life {seed}: {guilt}");
}

#[test]
fn readings_that_are_answered_before_they_are_kept_are_found() {
    find_among_pushes(Planted::AnswerBeforeCommit);
}

#[test]
fn readings_that_are_taken_as_new_each_time_they_come_are_found() {
    find_among_pushes(Planted::MeasuredTimeIgnored);
}

macro_rules! found {
    ($($name:ident: $fault:ident;)*) => {$(
        #[test]
        fn $name() {
            find(Planted::$fault, soak::live);
        }
    )*};
}

found! {
    an_end_that_is_not_recorded_is_found: EndNotRecorded;
    a_new_id_on_retries_is_found: NewIdOnRetry;
    attempts_that_a_restart_forgets_are_found: AttemptsForgotten;
    missed_slots_that_are_posted_are_found: MissedSlotsPosted;
    retries_without_end_are_found: RetriesWithoutEnd;
    ignored_tombstones_are_found: TombstonesIgnored;
    slots_that_come_early_are_found: EarlyByAMinute;
    an_event_that_is_queued_twice_is_found: PostedTwice;
    an_accepted_event_that_is_sent_again_is_found: AcceptedRetried;
}
