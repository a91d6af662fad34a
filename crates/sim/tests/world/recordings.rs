//! Recorded trips, pushed in different ways: the same readings always make the same events, and these are the events of a
//! reference that knows nothing but the rows.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use app::PushedReading;
use domain::{
    ids::VehicleId,
    signal::{GEAR, LOCATION, SPEED, STATE_OF_CHARGE, SignalId},
    time::Timestamp,
};
use milepost_sim::{Answered, Chance, Moment as End, Received, Strike, World};
use serde_json::{Value as Json, json};
use sources::recorded::Recording;
use store::{Feed, Newer};

use super::{
    minutes,
    reference::{self, Moment, Told},
    seconds,
};

const TRIGGERS: [SignalId; 4] = [STATE_OF_CHARGE, SPEED, GEAR, LOCATION];
const CODES: [&str; 4] = [
    "tractionbattery-stateofcharge",
    "motion-currentspeed",
    "transmission-gearstate",
    "location-preciselocation",
];
/// How many seconds late a reading may come where they are shuffled.
const LATEST: u64 = 4;
/// How long the feed waits then: longer, because a process that ended is away for a second.
const HOLD: Duration = Duration::from_secs(8);

/// How a recording is pushed.
#[derive(Clone, Copy, Default)]
struct Way {
    /// How many times as fast as it was recorded; 0 is 1.
    speed: u32,
    /// Each reading comes twice in its request, and once more later.
    repeated: bool,
    /// Each reading comes up to four recorded seconds late, in any order, and the feed waits for them.
    shuffled: bool,
    /// The process ends at each so many requests, each time at another moment; never for 0.
    ends_every: usize,
}

/// Pushes every recording in a way and compares what the webhook was told with the reference.
fn check(way: Way) {
    let Some(files) = recordings() else {
        println!("not run: MILEPOST_RECORDINGS does not name a folder with twizy/*.csv");
        return;
    };
    assert_eq!(files.len(), 3);
    for file in files {
        let expected = reference::told(&rows(&file), &CODES);
        let told = replay(&file, way);
        let differs = told.iter().zip(&expected).position(|(told, expected)| told != expected);
        let at = differs.unwrap_or(told.len().min(expected.len()));
        assert_eq!(told.get(at), expected.get(at), "{}: event {at}", file.display());
        println!("{}: {} events", file.display(), told.len());
    }
}

fn recordings() -> Option<Vec<PathBuf>> {
    let folder = PathBuf::from(std::env::var_os("MILEPOST_RECORDINGS")?).join("twizy");
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    Some(entries.filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect())
}

/// The rows as the reference sees them: cells of the text.
fn rows(file: &Path) -> Vec<Moment> {
    let text = std::fs::read_to_string(file).expect("a file of text");
    let number = |cell: &str| json!(cell.parse::<f64>().expect("a number"));
    let gear = |mode: &str| match mode {
        "D" => "DRIVE",
        "N" => "NEUTRAL",
        "R" => "REVERSE",
        other => panic!("no mode: {other}"),
    };
    let moment = |line: &str| -> Moment {
        let cells: Vec<&str> = line.split(',').collect();
        vec![
            (CODES[0], json!({"value": number(cells[2]), "unit": "percent"})),
            (CODES[1], json!({"value": number(cells[3]), "unit": "kph"})),
            (CODES[2], json!({"value": gear(cells[4])})),
            (CODES[3], json!({"latitude": number(cells[5]), "longitude": number(cells[6])})),
        ]
    };
    text.lines().skip(1).map(moment).collect()
}

/// Pushes a recording to a world; answers with what its webhook was told.
fn replay(file: &Path, way: Way) -> Vec<Told> {
    let text = std::fs::read_to_string(file).expect("a file of text");
    let recording = Recording::read(text.as_bytes(), None).expect("a recording");
    let mut world = World::new(71);
    let feed = world.feed(Newer::Observed, if way.shuffled { HOLD } else { Duration::ZERO });
    let car = world.pushed_car();
    let hook = world.unified_webhook(&TRIGGERS);
    world.subscribe(hook, car);
    // The first row comes alone, as the first delivery.
    push(&mut world, &feed, readings(&recording, 0, car.id()));
    world.advance(minutes(1));

    let begun = world.monotonic();
    for (place, (at, request)) in requests(&recording, car.id(), way).into_iter().enumerate() {
        world.advance((begun + at).saturating_sub(world.monotonic()));
        if way.ends_every > 0 && place % way.ends_every == 0 {
            world.foresee(Some(end_of(place / way.ends_every)));
        }
        push(&mut world, &feed, request);
    }
    world.foresee(None);
    world.advance(minutes(10));
    let posts = world.posts(hook);
    assert!(posts.iter().all(|post| post.answered == Answered::Status(200) || way.ends_every > 0));
    let bodies: Vec<Json> = posts.iter().map(Received::json).collect();
    reference::read(&bodies)
}

/// The moments at which the process ends, one after the other.
fn end_of(turn: usize) -> Strike {
    const ENDS: [End; 4] = [End::BeforeCommit, End::AfterCommit, End::BeforePost, End::AfterPost];
    Strike::At(ENDS[turn % ENDS.len()], (turn / ENDS.len() % 3) as u64)
}

/// Pushes a request until it is answered.
fn push(world: &mut World, feed: &Arc<Feed>, readings: Vec<PushedReading>) {
    while world.push(feed, readings.clone()).is_none() {}
}

/// Requests with the time at which each is made, counted from the first row: one per row, or per recorded second.
fn requests(recording: &Recording, car: VehicleId, way: Way) -> Vec<(Duration, Vec<PushedReading>)> {
    let mut chance = Chance::new(5, 4);
    let mut requests: Vec<(Duration, Vec<PushedReading>)> = Vec::new();
    for row in 1..recording.rows() {
        for reading in readings(recording, row, car) {
            let late = if way.shuffled { chance.from_to(0, LATEST) } else { 0 };
            let at = recording.offset(row) + seconds(late);
            let again = if way.repeated {
                vec![at, at, at + seconds(chance.from_to(0, LATEST - late))]
            } else {
                vec![at]
            };
            requests.extend(again.into_iter().map(|at| (at, vec![reading.clone()])));
        }
    }
    requests.sort_by_key(|(at, _)| *at);
    requests.dedup_by(|(later, more), (at, readings)| {
        let together = later == at;
        if together {
            readings.append(more);
        }
        together
    });
    for (at, readings) in &mut requests {
        *at /= way.speed.max(1);
        if way.shuffled {
            for place in (1..readings.len()).rev() {
                readings.swap(place, chance.below(place + 1));
            }
        }
    }
    requests
}

/// What a row says, measured long ago: how fast it is pushed does not matter to what is believed.
fn readings(recording: &Recording, row: usize, vehicle: VehicleId) -> Vec<PushedReading> {
    const RECORDED: Timestamp = Timestamp::from_secs(1_625_000_000);
    let observed_at = Some(RECORDED + recording.offset(row));
    let value = |signal| recording.value(row, signal).expect("the recording has it");
    TRIGGERS
        .map(|signal| PushedReading { observed_at, ..PushedReading::of(vehicle, signal, value(signal)) })
        .into()
}

#[test]
fn a_recording_makes_the_events_of_the_reference() {
    check(Way::default());
}

#[test]
fn a_recording_makes_the_same_events_a_thousand_times_as_fast() {
    check(Way { speed: 1_000, ..Way::default() });
}

#[test]
fn a_recording_makes_the_same_events_with_every_reading_repeated() {
    check(Way { repeated: true, ..Way::default() });
}

#[test]
fn a_recording_makes_the_same_events_shuffled_within_the_time_that_its_feed_waits() {
    check(Way { shuffled: true, ..Way::default() });
}

#[test]
fn a_recording_makes_the_same_events_shuffled_repeated_and_fast() {
    check(Way { speed: 1_000, shuffled: true, repeated: true, ..Way::default() });
}

#[test]
fn a_recording_makes_the_same_events_over_ends_of_the_process() {
    check(Way { ends_every: 37, ..Way::default() });
}

#[test]
fn a_recording_makes_the_same_events_over_ends_of_the_process_shuffled_and_repeated() {
    check(Way { ends_every: 83, shuffled: true, repeated: true, ..Way::default() });
}
