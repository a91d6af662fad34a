//! The short version of the soak: weeks of simulated life, judged by the checker.

use milepost_sim::soak;

#[test]
fn weeks_with_crashes_lose_nothing_and_repeat_only_what_they_must() {
    let report = soak::weeks(1..61, 1, true);
    println!("{}", report.summary());
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(report.crashes > 200 && report.repeats > 0 && report.ended > 100, "{}", report.summary());
}

#[test]
fn weeks_without_crashes_repeat_nothing() {
    let report = soak::weeks(1..41, 1, false);
    println!("{}", report.summary());
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert_eq!((report.crashes, report.repeats), (0, 0));
}

#[test]
fn weeks_with_other_generations_beside_lose_nothing_and_repeat_only_what_they_must() {
    for (seeds, crashes) in [(1..11, true), (11..17, false)] {
        let report = soak::varied_weeks(seeds, 1, crashes);
        println!("{}", report.summary());
        assert!(report.failures.is_empty(), "{:#?}", report.failures);
        // Every second world has no calendar.
        let seen = report.expected > 500 && report.told > 50 && report.values > 100;
        assert!(seen, "{}", report.summary());
    }
}

#[test]
fn a_seed_lives_the_same_life_each_time() {
    let (first, second) = (soak::live(31, 1, true), soak::live(31, 1, true));
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_ne!(first.trace_hash, soak::live(32, 1, true).trace_hash);
}

#[test]
fn seed_84_a_slot_whose_car_was_being_read_when_its_cadence_changed_is_posted() {
    assert_eq!(soak::live(84, 1, false).guilt(), None);
}

#[test]
fn seed_874_a_slot_that_was_read_in_the_moment_of_the_switch_off_stands_in_the_log() {
    assert_eq!(soak::live(874, 4, true).guilt(), None);
}

#[test]
fn seed_2071_a_slot_that_came_during_a_silent_read_may_be_posted_after_a_switch_on() {
    assert_eq!(soak::live(2071, 4, true).guilt(), None);
}

#[test]
fn seed_53_a_retry_may_come_after_what_was_pushed_last() {
    assert_eq!(soak::live_varied(53, 4, true).guilt(), None);
}
