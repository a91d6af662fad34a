//! Recordings through the real binary: what is taken and what is said about the rest.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use std::path::Path;

use common::{Server, items, text};
use hyper::Method;
use serde_json::{Value, json};

const MAP: &str = "[time]\ncolumn = \"time\"\n[signals]\ntractionbattery-stateofcharge = \"soc\"\nmotion-currentspeed = \"speed\"\n";
/// Rows with one cell each, a clock that was not set, a weekend, and one row of nothing.
const SPARSE: &str = "# a logger\ntime,soc,speed\n1980-01-06T00:00:00Z,1,1\n2026-05-01T10:00:00Z,80,,\n2026-05-01T10:00:01Z,,50\nsoon,1,1\n2026-05-04T10:00:00Z,79,\n";

fn written(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

struct Scene {
    folder: tempfile::TempDir,
    server: Server,
    application: String,
    map: String,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(&folder.path().join("data"), &[]).await;
    let made = server.post("/applications", json!({ "name": "Fleet" })).await;
    let application = text(&made, "id").to_owned();
    let map = written(folder.path(), "map.toml", MAP);
    Scene { folder, server, application, map }
}

#[tokio::test]
async fn what_a_replay_leaves_out_is_said_in_text_and_in_json() {
    let Scene { folder, server, application, map } = scene().await;
    let file = written(folder.path(), "trip.csv", SPARSE);
    let feed = server.post(&format!("/applications/{application}/feeds"), json!({ "name": "Trip" })).await;
    let car = server
        .post("/simulator/vehicles", json!({ "make": "TESLA", "model": "Model 3", "profile": "parked" }))
        .await;
    let path = format!("/simulator/vehicles/{}/connect", text(&car, "id"));
    let vehicle = server.post(&path, json!({ "applicationId": application })).await;
    let push = [
        "replay",
        &file,
        "--columns",
        &map,
        "--vehicle",
        text(&vehicle, "vehicleId"),
        "--token",
        text(&feed, "token"),
        "--speed",
        "max",
    ];
    let shown = server.cli(&push).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    for line in [
        "3 readings from 3 of 5 rows",
        "skipped 1 row with a time that cannot be read (line 6; the first is \"soon\" in time)",
        "skipped 1 row with a time far from all others (line 3)",
    ] {
        assert!(shown.output.contains(line), "{line} is not in {}", shown.output);
    }
    let skipped = json!([
        { "reason": "unreadable_time", "of": "rows", "count": 1, "lines": [6], "column": "time", "cell": "soon" },
        { "reason": "implausible_time", "of": "rows", "count": 1, "lines": [3], "column": null, "cell": null },
    ]);
    let import = server.cli(&[&push[..], &["--json"]].concat()).await.json()["import"].clone();
    assert_eq!((&import["skipped"], &import["readings"]), (&skipped, &json!(3)));

    let drive = ["replay", &file, "--columns", &map, "--app", &application, "--longest-pause", "60"];
    let shown = server.cli(&drive).await;
    assert!(shown.output.contains("3 readings from 3 of 5 rows"), "{shown:?}");
    let import = server.cli(&[&drive[..], &["--json"]].concat()).await.json()["import"].clone();
    assert_eq!((&import["skipped"], &import["lengthSeconds"]), (&skipped, &json!(61.0)));
    server.stop().await;
}

#[tokio::test]
async fn a_replay_says_what_became_of_its_readings_and_fails_when_none_counts() {
    let Scene { folder, server, application, map } = scene().await;
    let trip = |day: u8| {
        let rows = (0..3).map(|at| format!("2026-05-{day:02}T10:00:0{at}Z,{},{}\n", 80 - at, 50 + at));
        written(folder.path(), &format!("{day}.csv"), format!("time,soc,speed\n{}", rows.collect::<String>()))
    };
    let feed = server.post(&format!("/applications/{application}/feeds"), json!({ "name": "Trip" })).await;
    let vehicle = json!({ "make": "BMW", "model": "i4", "year": 2024, "powertrain": "BEV", "region": "EUROPE" });
    let vehicle = server.post(&format!("/applications/{application}/vehicles"), vehicle).await;
    let push = async |day: u8, more: &[&str]| {
        let file = trip(day);
        let arguments = ["replay", &file, "--columns", &map, "--vehicle", text(&vehicle, "id"), "--token"];
        let how = [text(&feed, "token"), "--speed", "max", "--keep-times"];
        server.cli(&[&arguments[..], &how, more].concat()).await
    };
    let shown = push(2, &[]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.output.contains("6 readings pushed") && shown.output.contains("of these 6 applied"), "{shown:?}");
    let again = push(2, &["--json"]).await.json();
    let counts: Vec<(&str, u64)> = (again["outcomes"].as_object().unwrap().iter())
        .filter_map(|(word, count)| Some((word.as_str(), count.as_u64().filter(|&count| count > 0)?)))
        .collect();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 6, "{again}");
    let late = push(1, &[]).await;
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.output.contains("of these 6 late"), "{late:?}");
    assert!(late.output.contains("the first is reading 1: a newer reading of this signal is known"), "{late:?}");
    assert!(late.errors.contains("no reading counts: 6 late; ") && late.errors.contains("--keep-times"), "{late:?}");
    let late = push(1, &["--json"]).await;
    let json: Value = serde_json::from_str(&late.output).unwrap();
    assert_eq!((late.code, &json["outcomes"]["late"], &json["accepted"]), (1, &json!(6), &json!(6)), "{late:?}");

    let listed = server.cli(&["feed", "list", "--app", &application, "--json"]).await.json();
    let readings = &listed["items"][0]["readings"];
    assert_eq!((&readings["received"], &readings["applied"]), (&json!(24), &json!(6)), "{readings}");
    let table = server.cli(&["feed", "list", "--app", &application]).await;
    for head in ["RECEIVED", "APPLIED", "UNCHANGED", "LATE"] {
        assert!(table.output.contains(head), "{table:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_car_that_cannot_be_connected_is_not_left_behind() {
    let Scene { folder, server, application, map } = scene().await;
    let file = written(folder.path(), "trip.csv", SPARSE);
    let drive = ["replay", &file, "--columns", &map, "--app"];
    let simulated = ["simulator", "make", "--app"];
    let hook = ["--webhook", common::UNKNOWN];
    for (line, code, said) in [
        ([&drive[..], &[common::UNKNOWN]].concat(), 1, "--app: no application with this id"),
        ([&drive[..], &[&application], &hook].concat(), 1, "--webhook: no webhook with this id"),
        ([&simulated[..], &[common::UNKNOWN]].concat(), 1, "--app: no application with this id"),
        ([&simulated[..], &[&application, "--permissions", "read_x"]].concat(), 1, "--permissions: "),
    ] {
        let refused = server.cli(&line).await;
        assert_eq!(refused.code, code, "{refused:?}");
        assert!(refused.errors.contains(said), "{said:?} is not in {refused:?}");
        assert_eq!(items(&server.get("/simulator/vehicles").await), [] as [Value; 0], "{line:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_file_of_which_nothing_can_be_taken_is_a_failure() {
    let Scene { folder, server, application, map } = scene().await;
    let file = written(folder.path(), "trip.csv", "time,soc,speed\nsoon,1,1\n");
    let refused = server.cli(&["replay", &file, "--columns", &map, "--app", &application, "--json"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let problem: Value = serde_json::from_str(&refused.output).unwrap();
    assert_eq!((&problem["status"], &problem["report"]["skipped"][0]["lines"]), (&json!(422), &json!([2])));
    let push =
        ["replay", &file, "--columns", &map, "--vehicle", common::UNKNOWN, "--token", "mpf_x", "--json"];
    let refused = server.cli(&push).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let said: Value = serde_json::from_str(&refused.output).unwrap();
    assert_eq!(said["import"]["skipped"][0]["reason"], "unreadable_time");
    assert_eq!(items(&server.get("/simulator/vehicles").await), [] as [Value; 0]);
    server.stop().await;
}

#[tokio::test]
async fn a_large_file_in_an_old_encoding_is_driven_and_forgotten_with_its_vehicle() {
    let Scene { folder, server, application, map } = scene().await;
    let mut file = b"time;soc;speed;Temp \xb0C\n".to_vec();
    for second in 0..40_000_i64 {
        let line = format!("{};{},5;{};20\n", 1_777_629_600 + second, 20 + second % 60, second % 90);
        file.extend_from_slice(line.as_bytes());
    }
    let padding = "x".repeat(40);
    file.extend(std::iter::repeat_n(format!("# {padding}\n"), 20_000).flat_map(String::into_bytes));
    assert!(file.len() > 1_500_000);
    let file = written(folder.path(), "long trip.csv", file);
    let made =
        server.cli(&["replay", &file, "--columns", &map, "--app", &application, "--json"]).await.json();
    assert_eq!((&made["import"]["rows"], &made["import"]["readings"]), (&json!(40_000), &json!(80_000)));
    assert_eq!(made["import"]["format"], "CSV, separator \";\", windows-1252");
    let cars = server.get("/simulator/vehicles").await;
    assert_eq!(cars["items"][0]["state"]["recording"], "long-trip");
    assert_eq!(cars["items"][0]["state"]["lengthSeconds"], 39_999);
    assert!(!server.data.join("recordings").exists());
    let erase = format!("/vehicles/{}/erase", text(&made, "vehicleId"));
    assert_eq!(server.admin(Method::POST, &erase, &Value::Null).await.status, 204);
    assert_eq!(items(&server.get("/simulator/vehicles").await), [] as [Value; 0]);
    server.stop().await;
}
