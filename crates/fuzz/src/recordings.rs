//! Recorded trips: separated text, tracks and column maps.

use std::time::Duration;

use domain::signal::valid;
use sources::recorded::{ColumnMap, Recording, RecordingError};

/// Between the map and the file of an input.
const MARK: &[u8] = b"%%%\n";

/// A column map and a file, with `%%%` on a line between them; without a map, the header has to be one that is known.
pub(crate) fn csv(input: &[u8]) {
    let mark = input.windows(MARK.len()).position(|window| window == MARK);
    let (map, file) = match mark {
        Some(at) => (Some(&input[..at]), &input[at + MARK.len()..]),
        None => (None, input),
    };
    let map = map.and_then(|map| ColumnMap::from_toml(std::str::from_utf8(map).ok()?).ok());
    check(Recording::read(file, map.as_ref()));
}

pub(crate) fn gpx(input: &[u8]) {
    check(Recording::read(input, None));
}

pub(crate) fn column_map(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match ColumnMap::from_toml(&text) {
        Ok(map) => check(Recording::read(&b"time,soc,speed\n2026-05-01T10:00:00Z,80,1\n"[..], Some(&map))),
        Err(refused) => assert!((1..=text.lines().count().max(1) + 1).contains(&refused.line), "{refused}"),
    }
}

/// What holds for every recording.
fn check(read: Result<Recording, RecordingError>) {
    let recording = match read {
        Ok(recording) => recording,
        Err(refused) => return assert!(!refused.to_string().is_empty()),
    };
    let report = recording.report();
    assert!(report.rows_taken <= report.rows && recording.rows() as u64 <= report.rows_taken);
    assert_eq!(report.readings, recording.values() as u64);
    assert_eq!(recording.readings().count(), recording.values());
    assert!(recording.values() > 0 && !report.lines().is_empty());
    for row in 0..recording.rows() {
        assert_eq!(recording.row_at(recording.offset(row)), row, "offsets rise");
        for signal in recording.signals() {
            let value = recording.value(row, signal).expect("it has the signal");
            assert!(valid(signal, value.clone()).is_ok(), "{value:?}");
        }
    }
    let (rows, longest) = (recording.rows() as u32, Duration::from_secs(1));
    assert!(recording.with_pauses_of_at_most(longest).length() <= longest * rows);
}
