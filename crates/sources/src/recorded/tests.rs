use super::*;
use crate::{
    RECORDED,
    testing::{NOON, TestClock, minutes},
};
use domain::{ids::PoolNo, signal::Endpoint};
use futures::executor::block_on;
use std::path::{Path, PathBuf};

const TRIP: &str = "Date,Time,Soc,Speed,Mode,LAT,LON
7/1/2021,10:00:00,80,0,N,34.0,-6.7
7/1/2021,10:00:10,79.5,30,D,34.1,-6.7
7/1/2021,10:00:10,12,30,D,34.1,-6.7
7/1/2021,10:01:00,79,0,N,34.2,-6.7
";

fn recording() -> Recording {
    let map = ColumnMap::for_header(TRIP.lines().next().unwrap().split(',')).unwrap();
    Recording::read(TRIP.as_bytes(), &map, &Quirks::default()).unwrap()
}

fn trip(speed: u16) -> TripSpec {
    TripSpec { name: "trip".into(), started_at: NOON, speed, vin: Some("1M8GDM9AXKP042788".into()) }
}

/// State of charge, and seconds from the start to the moment of measuring.
fn charge(trip: &TripSpec, after: Duration) -> (Value, f64) {
    let answers = trip.answer(&recording(), &[signal::STATE_OF_CHARGE], NOON + after);
    let (value, captured_at) = answers[0].outcome.clone().unwrap();
    (value, captured_at.unwrap().since(NOON).as_secs_f64())
}

#[test]
fn a_read_shows_the_last_row_that_has_come() {
    let at = |seconds| charge(&trip(1), Duration::from_secs(seconds));
    assert_eq!(at(0), (Value::Number(80.0), 0.0));
    assert_eq!(at(9), (Value::Number(80.0), 0.0));
    assert_eq!(at(10), (Value::Number(79.5), 10.0));
    assert_eq!(at(59), (Value::Number(79.5), 10.0));
    assert_eq!(at(60), (Value::Number(79.0), 60.0));
    assert_eq!(at(1_000_000), (Value::Number(79.0), 60.0));
}

#[test]
fn a_trip_that_has_not_started_shows_its_first_row() {
    let early = trip(1).answer(&recording(), &[signal::STATE_OF_CHARGE], NOON - minutes(5));
    assert_eq!(early[0].outcome, Ok((Value::Number(80.0), Some(NOON))));
}

#[test]
fn a_trip_can_be_driven_faster_than_it_was() {
    assert_eq!(charge(&trip(10), Duration::from_secs(1)), (Value::Number(79.5), 1.0));
    assert_eq!(charge(&trip(10), Duration::from_secs(6)), (Value::Number(79.0), 6.0));
    assert_eq!(trip(10).length(&recording()), Duration::from_secs(6));
}

#[test]
fn what_was_not_recorded_the_car_is_not_capable_of() {
    let wanted: Vec<_> = Endpoint::ALL.iter().flat_map(|endpoint| endpoint.signals()).copied().collect();
    for answer in trip(1).answer(&recording(), &wanted, NOON) {
        match answer.signal {
            signal::STATE_OF_CHARGE | signal::LOCATION => assert!(answer.outcome.is_ok()),
            signal::VIN => {
                assert_eq!(answer.outcome.unwrap().0, Value::Text("1M8GDM9AXKP042788".into()));
            }
            _ => assert_eq!(answer.outcome, Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into())),
        }
    }
}

#[test]
fn a_spec_reads_back() {
    for trip in [trip(7), TripSpec { vin: None, ..trip(1) }] {
        assert_eq!(TripSpec::decode(&trip.encode()).unwrap(), trip);
    }
    assert!(TripSpec::decode(b"no trip").is_err());
}

#[test]
fn a_car_drives_the_recording_that_is_registered_under_its_name() {
    let clock = Arc::new(TestClock::at(NOON));
    let trips = RecordedTrips::new(clock.clone());
    let car = SourceRef { kind: RECORDED, pool: PoolNo(1), spec: trip(1).encode() };
    let read = || block_on(trips.read(&car, &[signal::SPEED]));
    assert_eq!(read(), Err(no_such_source()));
    trips.register("trip", recording());
    clock.set(NOON + Duration::from_secs(10));
    assert_eq!(read().unwrap()[0].outcome, Ok((Value::Number(30.0), Some(NOON + Duration::from_secs(10)))));
    let foreign = SourceRef { spec: vec![0xff], ..car.clone() };
    assert_eq!(block_on(trips.read(&foreign, &[])), Err(ErrorCode::SERVER_INTERNAL.into()));
}

/// Every second of three real trips, against a look-up of its own in the text of the file.
#[test]
fn a_replay_equals_the_recorded_file() {
    let Some(files) = recordings() else {
        println!("not run: MILEPOST_RECORDINGS does not name a folder with twizy/*.csv");
        return;
    };
    assert_eq!(files.len(), 3);
    for file in files {
        replay(&file);
    }
}

fn recordings() -> Option<Vec<PathBuf>> {
    let folder = PathBuf::from(std::env::var_os("MILEPOST_RECORDINGS")?).join("twizy");
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    Some(entries.filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect())
}

fn replay(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let map = ColumnMap::for_header(text.lines().next().unwrap().split(',')).unwrap();
    let recording = Recording::load(file, &map, &Quirks::default()).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(recording.rows() as u64 + recording.skipped().total(), rows.len() as u64);
    assert_eq!(recording.skipped(), Skipped::default(), "these files are clean");

    let begun = seconds_of_day(rows[0][1]);
    let wanted = [signal::STATE_OF_CHARGE, signal::SPEED, signal::GEAR, signal::LOCATION];
    let last = seconds_of_day(rows[rows.len() - 1][1]) - begun;
    let mut upcoming = 0;
    for elapsed in 0..=last + 60 {
        while upcoming < rows.len() && seconds_of_day(rows[upcoming][1]) - begun <= elapsed {
            upcoming += 1;
        }
        let row = &rows[upcoming - 1];
        let captured_at = NOON + Duration::from_secs(seconds_of_day(row[1]) - begun);
        // Half a second later still shows the same row.
        let now = NOON + Duration::from_millis(elapsed * 1_000 + 500);
        let answers = trip(1).answer(&recording, &wanted, now);
        let expected = [number(row[2]), number(row[3]), gear(row[4]), position(row[5], row[6])];
        for (answer, value) in answers.into_iter().zip(expected) {
            assert_eq!(answer.outcome, Ok((value, Some(captured_at))), "{} at {elapsed} s", file.display());
        }
    }
}

fn seconds_of_day(time: &str) -> u64 {
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap())
}

fn number(cell: &str) -> Value {
    Value::Number(cell.parse().unwrap())
}

fn gear(mode: &str) -> Value {
    let word = match mode {
        "D" => "DRIVE",
        "N" => "NEUTRAL",
        "R" => "REVERSE",
        other => panic!("no mode: {other}"),
    };
    Value::Text(word.into())
}

fn position(latitude: &str, longitude: &str) -> Value {
    Value::position(latitude.parse().unwrap(), longitude.parse().unwrap(), None)
}
