//! Files as recorders write them, and what is taken of each.

use app::ports::SkipReason;
use domain::signal::{GEAR, IS_CHARGING, LOCATION, ODOMETER, SPEED, STATE_OF_CHARGE, SignalId, Value};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::time::Duration;

use super::*;

const MAP: &str = r#"
[time]
column = "time"
format = "rfc3339"
[signals]
tractionbattery-stateofcharge = "soc"
motion-currentspeed = "speed"
"#;

fn read(text: &(impl AsRef<[u8]> + ?Sized), map: &str) -> Result<Recording, RecordingError> {
    Recording::read(text.as_ref(), Some(&ColumnMap::from_toml(map)?))
}

/// Every reading on a line, with its seconds since the first row, then what was left out.
fn shown(recording: &Recording) -> String {
    let line = |(row, signal, value): (usize, SignalId, Value)| {
        let value = match value {
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(text) => text,
            Value::Position { latitude, longitude, heading, .. } => {
                format!("{latitude} {longitude}{}", heading.map(|h| format!(" {h}°")).unwrap_or_default())
            }
            other => format!("{other:?}"),
        };
        let code = signal.entry().code.rsplit('-').next().unwrap();
        format!("{} {code} {value}\n", recording.offset(row).as_secs_f64())
    };
    let skipped = recording
        .report()
        .skipped
        .iter()
        .map(|skipped| format!("{} {} at {:?}\n", skipped.count, skipped.reason.as_str(), skipped.lines));
    recording.readings().map(line).chain(skipped).collect()
}

#[track_caller]
fn check(text: &(impl AsRef<[u8]> + ?Sized), map: &str, expected: Expect) {
    expected
        .assert_eq(&read(text, map).map_or_else(|error| error.to_string(), |recording| shown(&recording)));
}

const TWO: &str = "0 stateofcharge 80\n0 currentspeed 0\n1 stateofcharge 79.5\n1 currentspeed 50\n";

/// The same two rows, in other words.
#[track_caller]
fn check_two(text: &(impl AsRef<[u8]> + ?Sized), map: &str) {
    let recording = read(text, map).unwrap();
    let all: Vec<&str> = TWO.lines().collect();
    let text = shown(&recording);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| all.iter().position(|other| other == line));
    assert_eq!(lines, all);
}

#[test]
fn an_empty_cell_takes_nothing_but_itself_away() {
    check(
        "time,soc,speed\n2026-05-01T10:00:00Z,80,\n2026-05-01T10:00:01Z,,50\n2026-05-01T10:00:02Z,79.9,\n2026-05-01T10:00:03Z,,52\n",
        MAP,
        expect![[r#"
            0 stateofcharge 80
            1 currentspeed 50
            2 stateofcharge 79.9
            3 currentspeed 52
        "#]],
    );
}

#[test]
fn a_cell_that_cannot_be_true_takes_nothing_but_itself_away() {
    check(
        "time,soc,speed\n2026-05-01T10:00:00Z,101,50\n2026-05-01T10:00:01Z,full,-1\n2026-05-01T10:00:02Z,79.9,x\nsoon,1,1\n",
        MAP,
        expect![[r#"
            0 currentspeed 50
            2 stateofcharge 79.9
            1 unreadable_time at [5]
            1 no_value at [3]
            2 unreadable_value at [3, 4]
            2 out_of_range at [2, 3]
        "#]],
    );
}

#[test]
fn a_clock_that_was_not_set_costs_its_rows_wherever_they_stand() {
    for unset in
        ["1980-01-06T00:00:00Z", "1970-01-01T00:00:01Z", "2045-01-01T00:00:00Z", "2006-09-17T10:00:00Z"]
    {
        for place in 0..4 {
            let mut times = vec!["2026-05-01T10:00:00Z", "2026-05-01T10:00:01Z", "2026-05-01T10:00:02Z"];
            times.insert(place, unset);
            let rows: String = times.iter().map(|time| format!("{time},80,1\n")).collect();
            let recording = read(&format!("time,soc,speed\n{rows}"), MAP).unwrap();
            assert_eq!(recording.rows(), 3, "{unset} {place}");
            assert_eq!(recording.report().count(SkipReason::ImplausibleTime), 1);
            assert_eq!(recording.report().skipped[0].lines, [place as u64 + 2]);
        }
    }
}

#[test]
fn a_single_leap_within_the_year_costs_its_row() {
    let days =
        ["05-01", "05-02", "05-03", "09-01", "05-04", "05-05", "05-06", "05-07", "05-08", "05-09", "05-10"];
    let rows: String = days.iter().map(|day| format!("2026-{day}T10:00:00Z,80,1\n")).collect();
    let recording = read(&format!("time,soc,speed\n{rows}"), MAP).unwrap();
    assert_eq!((recording.rows(), &recording.report().skipped[0].lines), (10, &vec![5]));
}

#[test]
fn a_recorder_that_was_never_set_is_replayed_all_the_same() {
    let recording = read("time,soc,speed\n1980-01-06T00:00:00Z,80,1\n1980-01-06T00:00:01Z,80,1\n", MAP);
    assert_eq!(recording.unwrap().rows(), 2);
}

const WEEKEND: &str = "time,soc,speed\n2026-05-01T16:00:00Z,80,0\n2026-05-01T16:00:01Z,80,1\n2026-05-04T08:00:00Z,70,0\n2026-05-04T08:00:01Z,70,1\n2026-05-05T08:00:00Z,60,0\n";

#[test]
fn a_pause_of_days_is_a_pause_and_can_be_shortened() {
    let recording = read(WEEKEND, MAP).unwrap();
    assert_eq!(recording.rows(), 5);
    assert_eq!(recording.report().longest_pause, Duration::from_secs(64 * 3_600 - 1));
    let shorter = recording.with_pauses_of_at_most(Duration::from_secs(60));
    assert_eq!((shorter.rows(), shorter.length()), (5, Duration::from_secs(122)));
}

#[test]
fn rows_may_come_in_any_order() {
    let mut rows: Vec<String> = (0..60)
        .map(|second| format!("2026-05-01T10:00:{second:02}Z,{},1", 80.0 - f64::from(second) / 10.0))
        .collect();
    let text = |rows: &[String]| format!("time,soc,speed\n{}\n", rows.join("\n"));
    let expected = shown(&read(&text(&rows), MAP).unwrap());
    rows.reverse();
    assert_eq!(shown(&read(&text(&rows), MAP).unwrap()), expected);
    rows.swap(10, 50);
    rows.swap(3, 30);
    rows.rotate_left(7);
    assert_eq!(shown(&read(&text(&rows), MAP).unwrap()), expected);
}

#[test]
fn rows_of_one_moment_become_one_and_the_later_value_counts() {
    check(
        "time,soc,speed\n2026-05-01T10:00:00Z,80,\n2026-05-01T10:00:00Z,,50\n2026-05-01T10:00:00Z,79,50\n",
        MAP,
        expect![[r#"
            0 currentspeed 50
            0 stateofcharge 79
            1 same_moment at [2]
        "#]],
    );
}

#[test]
fn rows_need_not_have_as_many_cells_as_the_header() {
    check_two("time,soc,speed\n2026-05-01T10:00:00Z,80,0,\n2026-05-01T10:00:01Z,79.5,50,,,\n", MAP);
    check_two("time,soc,speed,note,\n2026-05-01T10:00:00Z,80,0\n2026-05-01T10:00:01Z,79.5,50,x\n", MAP);
}

#[test]
fn what_stands_around_the_rows_is_no_row() {
    check_two(
        "# made by a logger\nVehicle,X\n\ntime,soc,speed\n2026-05-01T10:00:00Z,80,0\n# pause\n\n2026-05-01T10:00:01Z,79.5,50\n",
        MAP,
    );
    check(
        "#x\ntime,soc,speed\nISO,%,km/h\n2026-05-01T10:00:00Z,80,0\ntime,soc,speed\n2026-05-01T10:00:01Z,79.5,50\n",
        MAP,
        expect![[r#"
            0 currentspeed 0
            0 stateofcharge 80
            1 currentspeed 50
            1 stateofcharge 79.5
            1 repeated_header at [5]
            1 units_row at [3]
        "#]],
    );
}

#[test]
fn a_file_may_be_written_on_any_system_in_any_country() {
    let plain = "time,soc,speed °\n2026-05-01T10:00:00Z,80,0\n2026-05-01T10:00:01Z,79.5,50\n";
    let map = MAP.replace("\"speed\"", "\"SPEED °\"");
    let utf16 = |mark: u16, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(mark).chain(plain.encode_utf16()).flat_map(unit).collect()
    };
    check_two(plain, &map);
    check_two(&format!("\u{feff}{plain}"), &map);
    check_two(&plain.replace('\n', "\r\n"), &map);
    check_two(&plain.replace('\n', "\r"), &map);
    check_two(&utf16(0xfeff, u16::to_le_bytes), &map);
    check_two(&utf16(0xfeff, u16::to_be_bytes), &map);
    check_two(&plain.chars().map(|c| c as u8).collect::<Vec<u8>>(), &map);
    check_two(&plain.replace(',', "\t"), &map);
    check_two(&plain.replace(',', "|"), &map);
    let german = plain.replace(',', ";").replace('.', ",");
    check_two(&german, &map);
    check_two(&german, &format!("[file]\nseparator = \";\"\ndecimal = \",\"\n{map}"));
    check_two(&plain.replace("79.5", "\"79,5\""), &format!("[file]\ndecimal = \",\"\n{map}"));
}

#[test]
fn thousands_are_separated_only_where_the_map_says_so() {
    let map = "[time]\ncolumn = \"t\"\n[signals]\nodometer-traveleddistance = \"km\"";
    let value = |text: &str, map: &str| read(text, map).map(|recording| recording.value(0, ODOMETER));
    let german = "[file]\nthousands = \".\"\n";
    assert_eq!(
        value("t;km\n1777629600;48.210,4\n", &format!("{german}{map}")).unwrap(),
        Some(Value::Number(48_210.4))
    );
    assert_eq!(value("t,km\n1777629600,48.210\n", map).unwrap(), Some(Value::Number(48.21)));
    let refused = value("t,km\n1777629600,\"48,210.4\"\n", map).unwrap_err().to_string();
    assert!(
        refused.contains("skipped 1 cell that cannot be read (line 2; the first is \"48,210.4\" in km)"),
        "{refused}"
    );
}

#[test]
fn the_order_of_rows_tells_the_two_passes_of_an_hour_apart() {
    let map = MAP.replace("format = \"rfc3339\"", "zone = \"Europe/Berlin\"");
    let times = ["02:30", "02:50", "02:05", "02:45", "03:05"];
    let rows = |times: &[&str]| {
        let rows: String = times.iter().map(|time| format!("2026-10-25 {time}:00,80,\n")).collect();
        let recording = read(&format!("time,soc,speed\n{rows}"), &map).unwrap();
        (0..recording.rows())
            .map(|row| (recording.recorded_at() + recording.offset(row)).to_string()[11..16].to_owned())
            .collect::<Vec<_>>()
    };
    let expected = ["00:30", "00:50", "01:05", "01:45", "02:05"];
    assert_eq!(rows(&times), expected);
    let mut newest_first = times;
    newest_first.reverse();
    assert_eq!(rows(&newest_first), expected);
    // The skipped hour, of a recorder that has not moved its clock yet.
    let spring =
        "time,soc,speed\n2026-03-29 01:59:59,80,\n2026-03-29 02:00:01,79,\n2026-03-29 03:00:02,78,\n";
    check(
        spring,
        &map,
        expect![[r#"
        0 stateofcharge 80
        2 stateofcharge 79
        3 stateofcharge 78
    "#]],
    );
}

#[test]
fn elapsed_time_is_enough_for_a_replay() {
    let map = "[time]\ncolumn = \"t\"\nformat = \"elapsed\"\n[signals]\ntractionbattery-stateofcharge = \"soc\"\nmotion-currentspeed = \"speed\"";
    let text = "t;soc;speed\n00:00:29.447;80;0\n00:00:30,447;79,5;50\n";
    check_two(text, map);
    assert!(!read(text, map).unwrap().is_dated());
    let started = map.replace("\"elapsed\"", "\"elapsed\"\nstart = \"2026-05-01T12:00:00+02:00\"");
    let recording = read(text, &started).unwrap();
    assert_eq!(
        (recording.is_dated(), recording.recorded_at().to_string().as_str()),
        (true, "2026-05-01T10:00:29.447Z")
    );
}

#[test]
fn words_and_units_become_those_of_the_wire() {
    let map = r#"
        [time]
        date = "date"
        time = "clock"
        format = "%d-%b-%Y %H:%M:%S"
        [position]
        latitude = "lat"
        longitude = "lon"
        heading = "cog"
        [signals]
        motion-currentspeed = { column = "mph", unit = "mph" }
        charge-ischarging = { column = "state", words = { Charging = true, Complete = false, Disconnected = false } }
        transmission-gearstate = { column = "gear", words = { P = "PARK", D = "DRIVE" } }
    "#;
    let text = "date,clock,lat,lon,cog,mph,state,gear\n\
        01-May-2026,10:00:00,52,13,42,100,Charging,P\n\
        01-May-2026,10:00:01.5,0,0,,0,complete,d\n\
        01-May-2026,10:00:02,52,13,-1,0,Melting,reverse\n\
        01-May-2026,10:00:03,91,13,0,0,,L\n";
    check(
        text,
        map,
        expect![[r#"
        0 preciselocation 52 13 42°
        0 ischarging true
        0 currentspeed 160.9344
        0 gearstate PARK
        1.5 ischarging false
        1.5 currentspeed 0
        1.5 gearstate DRIVE
        2 preciselocation 52 13
        2 currentspeed 0
        2 gearstate REVERSE
        3 currentspeed 0
        1 unreadable_value at [4]
        1 unknown_word at [5]
        2 no_position at [3, 5]
    "#]],
    );
    let recording = read(text, map).unwrap();
    assert_eq!(recording.value(3, GEAR), Some(Value::Text("REVERSE".into())));
    assert_eq!(recording.value(3, IS_CHARGING), Some(Value::Flag(false)));
}

#[test]
fn a_file_that_cannot_be_taken_says_why() {
    check("t,soc\n1,2\n", MAP, expect!["the recording has no column speed, time; it has t, soc"]);
    check("", MAP, expect!["the file has no rows"]);
    check("\n# x\n", MAP, expect!["the file has no rows"]);
    check(
        "time,soc,speed\nx,1,1\n",
        MAP,
        expect![[
            r#"the recording has no row that can be taken; CSV, separator ",", UTF-8: 0 readings from 0 of 1 rows; skipped 1 row with a time that cannot be read (line 2; the first is "x" in time)"#
        ]],
    );
    check(
        "PK\x03\x04",
        MAP,
        expect!["the file is an archive or a workbook (ZIP); unpack it, or save the sheet as CSV, first"],
    );
    check(b"\x1f\x8b", MAP, expect!["the file is compressed (gzip); unpack it first"]);
    let error = |text: &str| Recording::read(text.as_bytes(), None).unwrap_err().to_string();
    assert_eq!(error("t,v\n"), "the columns \"t, v\" are not known; give a column map (--columns FILE.toml)");
    assert_eq!(error("<kml/>"), "the file is XML, but not GPX: its root is \"kml\"");
    assert!(error("{}").starts_with("the file is JSON"));
}

const TRACK: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1" xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">
 <metadata><time>2026-05-01T09:00:00Z</time></metadata>
 <wpt lat="1" lon="1"><time>2026-05-01T09:00:00Z</time></wpt>
 <trk><name>A &amp; B</name>
  <trkseg>
   <trkpt lat="52.5" lon="13.4"><ele>34</ele><time>2026-05-01T10:00:00Z</time>
     <extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>10</gpxtpx:speed><gpxtpx:course>90</gpxtpx:course></gpxtpx:TrackPointExtension></extensions></trkpt>
   <trkpt lat="52.6" lon="13.4"/>
  </trkseg>
  <trkseg>
   <trkpt lon="13.5" lat="52.7"><time>2026-05-01T12:00:01.5+02:00</time><speed>0.5</speed></trkpt>
   <trkpt lat="0" lon="0"><time>2026-05-01T10:00:03Z</time></trkpt>
  </trkseg>
 </trk>
</gpx>"#;

#[test]
fn a_track_is_position_speed_and_course_of_all_its_segments() {
    let recording = Recording::read(TRACK.as_bytes(), None).unwrap();
    expect![[r#"
        0 preciselocation 52.5 13.4 90°
        0 currentspeed 36
        1.5 preciselocation 52.7 13.5
        1.5 currentspeed 1.8
        1 unreadable_time at [9]
        1 no_value at [13]
        1 no_position at [13]
    "#]]
    .assert_eq(&shown(&recording));
    assert_eq!(recording.signals().collect::<Vec<_>>(), [LOCATION, SPEED]);
    let marked = format!("\u{feff}\r\n{TRACK}");
    let a_line_later = shown(&recording).replace("[9]", "[10]").replace("[13]", "[14]");
    assert_eq!(shown(&Recording::read(marked.as_bytes(), None).unwrap()), a_line_later);
}

#[test]
fn a_track_that_was_cut_off_is_taken_up_to_there() {
    let cut = &TRACK[..TRACK.find("<wpt").unwrap()];
    assert!(Recording::read(cut.as_bytes(), None).is_err());
    // Within a tag, between two points, within one, and right before the end.
    for (end, rows, line) in [
        ("52.7", 1, 12),
        ("<trkpt lat=\"52.6", 1, 9),
        ("<speed>0.5", 1, 12),
        ("</trkseg>\n </trk>", 2, 14),
        ("</gpx>", 2, 16),
    ] {
        let cut = &TRACK[..TRACK.find(end).unwrap()];
        for text in [cut.to_owned(), cut.replace('\n', "\r\n"), cut.replace('\n', "\r")] {
            let recording = Recording::read(text.as_bytes(), None).unwrap();
            assert_eq!(recording.rows(), rows, "{end}");
            let rest =
                recording.report().skipped.iter().find(|skipped| skipped.reason == SkipReason::MalformedRest);
            let rest = rest.unwrap_or_else(|| panic!("{end}: it is said"));
            assert_eq!((rest.count, &rest.lines), (1, &vec![line]), "{end}");
            assert!(recording.report().lines().iter().any(|line| line.contains("malformed")), "{end}");
        }
    }
}

#[test]
fn a_hostile_document_ends_early() {
    let deep = format!("<gpx>{}", "<a>".repeat(100_000));
    let huge = format!("<gpx><trk a=\"{}\"/></gpx>", "x".repeat(3 << 20));
    let bomb = r#"<!DOCTYPE gpx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><gpx><trkpt lat="&b;" lon="1"><time>&b;</time></trkpt></gpx>"#;
    for text in [deep.as_str(), &huge, bomb] {
        assert!(Recording::read(text.as_bytes(), None).is_err());
    }
}

#[test]
fn a_value_is_known_from_its_row_on_and_before_the_first() {
    let recording = read(
        "time,soc,speed\n2026-05-01T10:00:00Z,,1\n2026-05-01T10:00:05Z,80,\n2026-05-01T10:00:09Z,,2\n",
        MAP,
    )
    .unwrap();
    let at = |row| recording.value(row, STATE_OF_CHARGE).unwrap();
    assert_eq!([at(0), at(1), at(2)], [80.0, 80.0, 80.0].map(Value::Number));
    assert_eq!(recording.value(1, SPEED), Some(Value::Number(1.0)));
    assert_eq!(recording.value(1, ODOMETER), None);
}

proptest! {
    #[test]
    fn the_row_of_a_moment_is_the_last_one_at_or_before_it(
        steps in proptest::collection::vec(1..50_u64, 1..40), elapsed in 0..2_500_u64,
    ) {
        let mut at = 1_700_000_000;
        let mut rows = format!("{at},80,1\n");
        for step in &steps {
            at += step;
            rows += &format!("{at},80,1\n");
        }
        let map = MAP.replace("rfc3339", "epoch-s");
        let recording = read(&format!("time,soc,speed\n{rows}"), &map).unwrap();
        let elapsed = Duration::from_secs(elapsed);
        let row = recording.row_at(elapsed);
        prop_assert!(recording.offset(row) <= elapsed);
        prop_assert!(row + 1 == recording.rows() || recording.offset(row + 1) > elapsed);
    }

    #[test]
    fn every_value_is_taken_or_counted(
        cells in proptest::collection::vec(("[0-9]{0,3}", "[0-9a]{0,2}", 0..90_u32), 1..40),
    ) {
        let rows: String =
            cells.iter().map(|(soc, speed, at)| format!("{},{soc},{speed}\n", 1_777_629_600 + at)).collect();
        let wanted = cells.iter().flat_map(|(soc, speed, _)| [soc, speed]).filter(|cell| !cell.is_empty()).count();
        let map = MAP.replace("rfc3339", "epoch-s");
        let report = match read(&format!("time,soc,speed\n{rows}"), &map) {
            Ok(recording) => recording.report().clone(),
            Err(RecordingError::Empty(report)) => *report,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let skipped: u64 = report.skipped.iter().filter(|s| !s.reason.is_of_rows()).map(|s| s.count).sum();
        // A value that is the same as another one of its moment is neither.
        prop_assert!(report.readings + skipped <= wanted as u64);
        let same = cells.len() - cells.iter().map(|(.., at)| at).collect::<std::collections::BTreeSet<_>>().len();
        prop_assert!(report.readings + skipped + 2 * same as u64 >= wanted as u64);
    }
}

#[test]
fn every_column_map_in_the_documentation_is_one() {
    let page = include_str!("../../../../docs/recordings.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() >= 7);
    for block in blocks {
        ColumnMap::from_toml(block).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
    for reason in SkipReason::ALL {
        assert!(page.contains(&format!("| `{}` |", reason.as_str())), "{reason:?}");
    }
}
