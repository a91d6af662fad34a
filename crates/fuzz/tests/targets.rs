//! Every target, briefly with a fixed seed; and for long, as a soak.

use std::time::Duration;

use milepost_fuzz::{Limit, MEMORY, TARGETS, Target, run, target};

fn a_short_run(name: &str) {
    let summary = run(target(name), 1, Limit::Inputs(3_000));
    assert!(summary.inputs > 3_000);
}

/// `MILEPOST_SOAK_MINUTES` says how long; the seed is of the day, so that every soak tries something else.
#[expect(clippy::disallowed_methods, reason = "the seed of a soak is printed, and repeats it")]
fn soak(name: &str) {
    let minutes: u64 =
        std::env::var("MILEPOST_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.map_or(1, |since| since.as_secs());
    let summary = run(target(name), seed, Limit::Time(Duration::from_secs(minutes * 60)));
    println!(
        "soak: {name}: {} inputs from seed {seed}, the slowest {} ms, the largest {} KiB",
        summary.inputs,
        summary.slowest.as_millis(),
        summary.largest / 1024
    );
}

#[test]
fn any_separated_text_is_taken_or_refused() {
    a_short_run("csv");
}

#[test]
fn any_track_is_taken_or_refused() {
    a_short_run("gpx");
}

#[test]
fn any_column_map_is_taken_or_refused() {
    a_short_run("column-map");
}

#[test]
fn any_answer_of_a_receiver_is_read_or_refused() {
    a_short_run("answer");
}

#[test]
fn any_body_of_readings_is_divided_and_each_reading_is_taken_or_refused() {
    a_short_run("ingest");
}

#[test]
#[ignore = "long; cargo xtask soak --only fuzz"]
fn soak_fuzz_every_target() {
    for target in TARGETS {
        soak(target.name);
    }
}

#[test]
#[should_panic(expected = "gpx: panicked; the input is in ")]
fn a_target_that_panics_fails_with_its_input() {
    let broken = Target { name: "gpx", run: |_| panic!("on purpose") };
    run(broken, 1, Limit::Inputs(1));
}

#[test]
#[should_panic(expected = "gpx: had ")]
fn a_target_that_takes_too_much_memory_fails() {
    let hungry = Target { name: "gpx", run: |_| drop(std::hint::black_box(vec![0_u8; MEMORY + 1])) };
    run(hungry, 1, Limit::Inputs(1));
}
