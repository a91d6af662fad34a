use super::*;
use crate::{
    RECORDED,
    testing::{NOON, TestClock, minutes},
};
use app::ports::TripParts;
use domain::{ids::PoolNo, signal::Endpoint};
use futures::executor::block_on;
use std::path::{Path, PathBuf};

const TRIP: &str = "Date,Time,Soc,Speed,Mode,LAT,LON
7/1/2021,10:00:00,80,0,N,34.0,-6.7
7/1/2021,10:00:10,12,30,D,34.1,-6.7
7/1/2021,10:00:10,79.5,30,D,34.1,-6.7
7/1/2021,10:01:00,79,0,N,34.2,-6.7
";

fn recording() -> Recording {
    Recording::read(TRIP.as_bytes(), None).unwrap()
}

const ID: Uuid = Uuid::from_u128(7);

fn trip(speed: u16) -> TripSpec {
    TripSpec {
        name: "trip".into(),
        started_at: NOON,
        speed,
        vin: Some("1M8GDM9AXKP042788".into()),
        recording: Some(ID),
        length: recording().length(),
    }
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
    assert_eq!(trip(10).duration(), Duration::from_secs(6));
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
    for trip in [trip(7), TripSpec { vin: None, ..trip(1) }, TripSpec { recording: None, ..trip(1) }] {
        assert_eq!(TripSpec::decode(&trip.encode()).unwrap(), trip);
    }
    assert!(TripSpec::decode(b"no trip").is_err());
    // As it was written before recordings were stored with all other data.
    let old = Encoder::new(vec![])
        .array(4)
        .unwrap()
        .str("old")
        .unwrap()
        .i64(0)
        .unwrap()
        .u16(2)
        .unwrap()
        .null()
        .unwrap()
        .writer()
        .clone();
    let old = TripSpec::decode(&old).unwrap();
    assert_eq!((old.name.as_str(), old.recording), ("old", None));
}

/// One recording, or what is wrong with all of them.
struct Stored(Result<Parts, String>, parking_lot::Mutex<Vec<String>>);

#[async_trait]
impl RecordingReads for Stored {
    async fn manifest(&self, id: Uuid) -> Result<Option<Vec<u8>>, String> {
        self.0.as_ref().map(|parts| (id == ID).then(|| parts.manifest())).map_err(Clone::clone)
    }

    async fn part(&self, _: Uuid, no: u32) -> Result<Option<Vec<u8>>, String> {
        self.0.as_ref().map(|parts| Some(parts.part(no))).map_err(Clone::clone)
    }

    fn failed(&self, name: &str, problem: &str) {
        self.1.lock().push(format!("{name} {problem}"));
    }
}

#[test]
fn a_car_drives_the_recording_that_is_stored_under_its_id() {
    let clock = Arc::new(TestClock::at(NOON));
    let trips = RecordedTrips::new(clock.clone());
    let car = SourceRef { kind: RECORDED, pool: PoolNo(1), spec: trip(1).encode() };
    let read = |car: &SourceRef| block_on(trips.read(car, &[signal::SPEED]));
    assert_eq!(read(&car), Err(unreadable()));
    let stored = Arc::new(Stored(Ok(Parts::new(recording())), Default::default()));
    trips.attach(stored.clone());
    clock.set(NOON + Duration::from_secs(10));
    assert_eq!(
        read(&car).unwrap()[0].outcome,
        Ok((Value::Number(30.0), Some(NOON + Duration::from_secs(10))))
    );
    for recording in [None, Some(Uuid::nil())] {
        let spec = TripSpec { recording, ..trip(1) }.encode();
        assert_eq!(read(&SourceRef { spec, ..car.clone() }), Err(unreadable()));
    }
    assert_eq!(read(&SourceRef { spec: vec![0xff], ..car.clone() }), Err(unreadable()));
    assert_eq!(*stored.1.lock(), ["trip it is not stored here", "trip it is not stored here"]);
}

#[test]
fn a_recording_that_cannot_be_opened_fails_its_own_car_and_is_named() {
    let trips = RecordedTrips::new(Arc::new(TestClock::at(NOON)));
    let stored = Arc::new(Stored(Err("the data key was destroyed".into()), Default::default()));
    trips.attach(stored.clone());
    let car = SourceRef { kind: RECORDED, pool: PoolNo(1), spec: trip(1).encode() };
    let fault = block_on(trips.read(&car, &[signal::SPEED])).unwrap_err();
    assert_eq!(fault.code.to_string(), "UPSTREAM:INVALID_DATA");
    assert_eq!(*stored.1.lock(), ["trip it cannot be read: the data key was destroyed"]);
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
    let recording = Recording::read(text.as_bytes(), None).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(recording.rows(), rows.len());
    assert_eq!(recording.report().skipped, [], "these files are clean");

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
