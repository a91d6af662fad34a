//! What users are promised, through the real binary: demo, command line, admin API, receivers that misbehave, disks that fail.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;
mod disk;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use common::{PATIENCE, Server, UNKNOWN, eventually, hourly, items, pause, run, text};
use disk::{Disk, SMALL};
use hyper::Method;
use lab::{Behaviour, Receiver, ReceiverOptions, Signature, client::HttpClient};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An hour in six seconds: a retry after 20 seconds comes after a thirtieth of one.
const FAST: [&str; 2] = ["--speed", "600"];

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A receiver that answers challenges well, however it treats events.
async fn receiver() -> Receiver {
    Receiver::start(ReceiverOptions { honest_verification: true, ..ReceiverOptions::default() })
        .await
        .unwrap()
}

/// An application whose token the receiver knows.
async fn application(server: &Server, receiver: &Receiver) -> String {
    let made = server.post("/applications", json!({ "name": "Fleet" })).await;
    receiver.set_secrets_everywhere(&[text(&made, "managementToken")]);
    text(&made, "id").to_owned()
}

/// A simulated car that is connected to the application.
async fn vehicle(server: &Server, application: &str) -> Value {
    let car = json!({ "make": "TESLA", "model": "Model 3", "region": "US", "profile": "driving" });
    let car = server.post("/simulator/vehicles", car).await;
    let path = format!("/simulator/vehicles/{}/connect", text(&car, "id"));
    server.post(&path, json!({ "applicationId": application })).await
}

async fn webhook(server: &Server, application: &str, body: &Value) -> String {
    let made = server.post(&format!("/applications/{application}/webhooks"), body.clone()).await;
    text(&made, "id").to_owned()
}

async fn subscribe(server: &Server, webhook: &str, vehicles: &[&str]) {
    server.post(&format!("/webhooks/{webhook}/subscriptions"), json!({ "vehicleIds": vehicles })).await;
}

/// The keys of JSON text in the order of the text, with the depth of each.
fn keys(text: &str) -> Vec<(usize, String)> {
    let (mut keys, mut depth, mut rest) = (Vec::new(), 0, text);
    while let Some(at) = rest.find(['{', '}', '[', ']', '"']) {
        let (found, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = after;
        match found {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {
                let mut end = 0;
                while after.as_bytes()[end] != b'"' {
                    end += if after.as_bytes()[end] == b'\\' { 2 } else { 1 };
                }
                rest = &after[end + 1..];
                if rest.starts_with(':') {
                    keys.push((depth, after[..end].to_owned()));
                }
            }
        }
    }
    keys
}

/// The envelope and the entries have the documented keys and no others, in the documented order.
#[track_caller]
fn in_documented_form(body: &str) {
    let keys = keys(body);
    let at =
        |depth| keys.iter().filter(|(d, _)| *d == depth).map(|(_, key)| key.as_str()).collect::<Vec<_>>();
    assert_eq!(at(1), ["version", "webhookId", "eventName", "mode", "payload"], "{body}");
    assert_eq!(at(2), ["vehicles"], "{body}");
    assert_eq!(at(4), ["vehicleId", "requestId", "data", "timestamp"], "{body}");
    let entries = at(6);
    assert!(
        !entries.is_empty() && entries.chunks(4).all(|keys| keys == ["path", "code", "body", "headers"]),
        "{body}"
    );
    let value: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&value["version"], &value["eventName"]), (&json!("2.0"), &json!("schedule")), "{body}");
    let block = &value["payload"]["vehicles"][0];
    for id in [&value["webhookId"], &block["vehicleId"], &block["requestId"]] {
        assert_eq!(id.as_str().unwrap().len(), 36, "{body}");
    }
    let timestamp = text(block, "timestamp");
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{body}");
    for entry in block["data"].as_array().unwrap() {
        let code = entry["code"].as_u64().unwrap();
        assert!(code == 200 || entry["body"]["statusCode"] == code, "{entry}");
    }
}

/// What the demo says about itself: label and text.
fn notes(lines: &[Value]) -> Vec<(&str, &str)> {
    lines.iter().filter_map(|line| Some((line["note"].as_str()?, line["text"].as_str()?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_c04_the_demo_shows_signed_webhooks_of_two_slots_in_the_documented_form() {
    let folder = folder();
    let data = folder.path().join("data");
    let done =
        run(&["demo", "--slots", "2", "--speed", "1200", "--json", "--data", data.to_str().unwrap()]).await;
    assert_eq!((done.code, done.errors.as_str()), (0, ""), "{done:?}");
    let lines: Vec<Value> = done.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let notes: Vec<(&str, &str)> = notes(&lines);
    for (label, begins) in [
        ("server", "http://127.0.0.1:"),
        ("receiver", "http://127.0.0.1:"),
        ("data", "/"),
        ("verified", "webhook "),
    ] {
        let said = |(of, text): &(&str, &str)| *of == label && text.starts_with(begins);
        assert!(notes.iter().any(said), "{label} of {notes:?}");
    }
    assert!(notes.iter().all(|(_, text)| !text.contains("  ")), "nothing is padded: {notes:?}");
    let mut slots: BTreeMap<(String, String, String), u32> = BTreeMap::new();
    let (mut webhooks, mut tests) = (BTreeMap::new(), 0);
    for (line, raw) in lines.iter().zip(done.output.lines()).filter(|(line, _)| line["method"] == "POST") {
        assert_eq!((&line["signature"], &line["answer"]), (&json!("good"), &json!(200)), "{raw}");
        if line["event"] != "schedule" {
            continue;
        }
        assert_eq!(webhooks.entry(text(line, "webhookId")).or_insert(&line["target"]), &&line["target"]);
        let body = raw.split_once(r#""body":"#).unwrap().1;
        in_documented_form(body.strip_suffix('}').unwrap());
        match text(line, "mode") {
            "test" => tests += 1,
            mode => {
                assert_eq!(mode, "simulated");
                let block = &line["body"]["payload"]["vehicles"][0];
                let hour = text(block, "timestamp")[..13].to_owned();
                let key = (hour, text(line, "webhookId").to_owned(), text(block, "vehicleId").to_owned());
                *slots.entry(key).or_default() += 1;
            }
        }
    }
    assert_eq!((webhooks.len(), tests), (2, 2), "two webhooks, each tested once");
    assert!(webhooks.values().all(|target| **target == "/webhooks"), "they share a callback URI");
    assert!(slots.values().all(|&times| times == 1), "nothing comes twice: {slots:?}");
    let mut by_hour: BTreeMap<&str, usize> = BTreeMap::new();
    slots.keys().for_each(|(hour, ..)| *by_hour.entry(hour).or_default() += 1);
    let whole = by_hour.values().filter(|&&count| count == 2 * 6).count();
    assert!(whole >= 2, "two hours of six vehicles on two webhooks: {by_hour:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_all_four_generations_and_tells_its_story_to_the_end() {
    let folder = folder();
    let data = folder.path().join("data");
    let done =
        run(&["demo", "--slots", "3", "--speed", "600", "--json", "--data", data.to_str().unwrap()]).await;
    assert_eq!((done.code, done.errors.as_str()), (0, ""), "{done:?}");
    let lines: Vec<Value> = done.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let notes: Vec<&str> = notes(&lines).into_iter().map(|(_, text)| text).collect();
    let posts: Vec<&Value> = lines.iter().filter(|line| line["method"] == "POST").collect();
    let said = |words: &str| notes.iter().any(|note| note.contains(words));
    for words in ["wait for the owner's approval", "withdraws the access", "the airbag is mended"] {
        assert!(said(words), "{words:?} of {notes:?}");
    }
    assert!(!notes.iter().any(|note| note.contains("; but ")), "every scene can be played: {notes:?}");
    assert!(said(&format!("{0} of {0} requests, checked", posts.len())), "{notes:?}");
    let of = |event: &str| -> Vec<&Value> {
        let real = |line: &&&Value| !text(line, "mode").eq_ignore_ascii_case("test");
        posts.iter().filter(|line| line["event"] == event).filter(real).copied().collect()
    };
    let all_go_to = |event: &str, target: &str| of(event).iter().all(|line| line["target"] == target);

    let charging: BTreeSet<&str> =
        of("eventBased").iter().map(|line| text(&line["body"]["payload"], "eventType")).collect();
    assert_eq!(charging, ["CHARGING_COMPLETED", "CHARGING_STARTED", "CHARGING_STOPPED"].into());

    let dynamic = of("dynamic");
    assert!(!dynamic.is_empty() && all_go_to("dynamic", "/pulse"));
    for line in dynamic {
        let data = items_of(&line["body"]["payload"]["vehicles"][0]["data"]);
        let paths: Vec<&str> = data.iter().map(|entry| text(entry, "path")).collect();
        assert_eq!(paths, ["/location", "/charge", "/battery"]);
    }

    assert!(all_go_to("VEHICLE_STATE", "/changes") && all_go_to("VEHICLE_ERROR", "/errors"));
    let mut fired: BTreeMap<&str, usize> = BTreeMap::new();
    for trigger in of("VEHICLE_STATE").iter().flat_map(|line| items_of(&line["body"]["data"]["triggers"])) {
        *fired.entry(text(trigger, "code")).or_default() += 1;
    }
    assert_eq!(fired["FIRST_DELIVERY"], 6, "one for each vehicle: {fired:?}");
    for code in [
        "charge-ischarging",
        "charge-ischargingcableconnected",
        "tractionbattery-stateofcharge",
        "closure-doors",
        "diagnostics-airbag",
        "odometer-traveleddistance",
    ] {
        assert!(fired.contains_key(code), "{code} of {fired:?}");
    }

    let errors = of("VEHICLE_ERROR");
    let lost: Vec<(&str, &str)> = (errors.iter())
        .flat_map(|line| {
            let vehicle = text(&line["body"]["data"]["vehicle"], "id");
            items_of(&line["body"]["data"]["errors"]).iter().map(move |error| (vehicle, error))
        })
        .filter(|(_, error)| error["type"] == "CONNECTED_SERVICES_ACCOUNT" && error["code"] == "PERMISSION")
        .map(|(vehicle, error)| (vehicle, text(error, "state")))
        .collect();
    let [(vehicle, "ERROR"), (same, "RESOLVED")] = lost[..] else { panic!("{lost:?}") };
    assert_eq!(vehicle, same);
}

fn items_of(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn recordings() -> Option<Vec<PathBuf>> {
    let folder = PathBuf::from(std::env::var_os("MILEPOST_RECORDINGS")?).join("twizy");
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    Some(entries.filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_trip_arrives_with_the_values_of_its_rows() {
    let Some(files) = recordings() else {
        println!("not run: MILEPOST_RECORDINGS does not name a folder with twizy/*.csv");
        return;
    };
    assert_eq!(files.len(), 3);
    futures::future::join_all(files.iter().map(|file| replayed(file))).await;
}

/// How many cars drive a recording, each a while after the one before, so that a slot finds them at different rows.
const CARS: usize = 12;

async fn replayed(file: &Path) {
    let folder = folder();
    let path = file.to_str().unwrap();
    let server = Server::demo(folder.path(), &[], &["--replay", path, "--speed", "1200"]).await;
    let webhook = server.webhooks().await.remove(0);
    let (application, id) = (text(&webhook, "applicationId"), text(&webhook, "id"));
    for _ in 1..CARS {
        pause(Duration::from_millis(220)).await;
        assert_eq!(
            server.cli(&["replay", path, "--app", application, "--webhook", id, "--json"]).await.code,
            0
        );
    }
    // A car that shows the same row in two slots has come to its end.
    let ended = async || {
        let seen = seen(&server.output());
        seen.len() == CARS
            && seen.values().all(|rows| rows.len() > 1 && rows[rows.len() - 1].0 == rows[rows.len() - 2].0)
    };
    assert!(eventually(PATIENCE, ended).await, "the trips end");
    let trip = Trip::read(file);
    let mut different = BTreeSet::new();
    for rows in seen(&server.output()).values() {
        let begun = rows[rows.len() - 1].0 - trip.length() * 1_000;
        for (at, charge, latitude, longitude) in rows {
            let elapsed_ms = at - begun;
            assert_eq!(elapsed_ms % 1_000, 0, "rows are whole seconds apart");
            let [soc, lat, lon] = trip.at(elapsed_ms / 1_000);
            assert!(
                (charge - soc / 100.0).abs() < 1e-9,
                "{path} after {elapsed_ms} ms: {charge}, recorded {soc}"
            );
            assert_eq!((*latitude, *longitude), (lat, lon), "{path} after {elapsed_ms} ms");
            different.insert(elapsed_ms);
        }
    }
    assert!(different.len() >= 3, "the slots found {different:?} of {path}");
    server.stop().await;
}

/// By vehicle, what each slot brought: when the car measured it in milliseconds, state of charge, latitude and longitude.
fn seen(output: &[String]) -> BTreeMap<String, Vec<(i64, f64, f64, f64)>> {
    let mut seen: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in output.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if line["event"] != "schedule" || line["mode"] == "test" {
            continue;
        }
        let block = &line["body"]["payload"]["vehicles"][0];
        let entry =
            |path| block["data"].as_array().unwrap().iter().find(|entry| entry["path"] == path).unwrap();
        let (battery, location) = (entry("/battery"), entry("/location"));
        assert_eq!(battery["headers"]["sc-data-age"], location["headers"]["sc-data-age"]);
        let age: jiff::Timestamp = text(&battery["headers"], "sc-data-age").parse().unwrap();
        let number = |entry: &Value, member: &str| entry["body"][member].as_f64().unwrap();
        seen.entry(text(block, "vehicleId").to_owned()).or_default().push((
            age.as_millisecond(),
            number(battery, "percentRemaining"),
            number(location, "latitude"),
            number(location, "longitude"),
        ));
    }
    seen
}

/// A recording, read by no code of the product.
struct Trip(Vec<(i64, [f64; 3])>);

impl Trip {
    fn read(file: &Path) -> Self {
        let csv = std::fs::read_to_string(file).unwrap();
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            let second = cells[1].split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
            (second, [2, 5, 6].map(|at: usize| cells[at].parse().unwrap()))
        };
        Self(csv.lines().skip(1).map(row).collect())
    }

    fn length(&self) -> i64 {
        self.0[self.0.len() - 1].0 - self.0[0].0
    }

    /// State of charge, latitude and longitude after so many seconds.
    fn at(&self, elapsed: i64) -> [f64; 3] {
        let upcoming = self.0.partition_point(|(second, _)| second - self.0[0].0 <= elapsed);
        self.0[upcoming - 1].1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_looks_after_client_secrets_and_management_tokens() {
    let folder = folder();
    let server = Server::serve(&folder.path().join("data"), &[]).await;
    let made = server.cli(&["app", "create", "Shell", "--json"]).await.json();
    let app = text(&made, "id");
    let secrets = async || server.cli(&["app", "secrets", app, "--json"]).await.json();
    for _ in 0..2 {
        let added = server.cli(&["app", "add-secret", app, "--json"]).await.json();
        assert!(text(&added, "clientSecret").ends_with(text(&added, "hint")));
    }
    let fourth = server.cli(&["app", "add-secret", app]).await;
    assert!(fourth.code == 1 && fourth.errors.contains("at most 3 secrets"), "{fourth:?}");
    let listed = secrets().await;
    assert_eq!(items(&listed).len(), 3);
    let first = text(&made, "clientSecret");
    assert_eq!(server.cli(&["app", "remove-secret", app, &first[first.len() - 6..]]).await.output, "done\n");
    let left = secrets().await;
    assert_eq!(items(&left), &items(&listed)[1..]);

    let until = async || {
        let shown = server.cli(&["app", "show", app, "--json"]).await.json();
        shown["managementTokenOverlapUntil"].clone()
    };
    let rotate = ["app", "rotate-token", app, "--json", "--overlap-seconds"];
    let rotated = server.cli(&[&rotate[..], &["3600"]].concat()).await.json();
    assert_ne!(rotated["managementToken"], made["managementToken"]);
    assert!(until().await.is_string() && until().await == rotated["managementTokenOverlapUntil"]);
    let again = server.cli(&[&rotate[..], &["3600"]].concat()).await;
    assert!(again.code == 1 && again.errors.contains("end that overlap first"), "{again:?}");
    let ended = server.cli(&["app", "end-overlap", app, "--json"]).await.json();
    assert!(ended["managementTokenOverlapUntil"].is_null() && until().await.is_null());
    server.cli(&["app", "rotate-token", app, "--json"]).await.json();
    assert!(until().await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_does_everything_from_an_application_to_a_restored_backup() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::demo(&data, &[], &FAST).await;
    let receiver = receiver().await;
    let made = server.cli(&["app", "create", "Shell", "--json"]).await.json();
    let app = text(&made, "id");
    receiver.set_secrets_everywhere(&[text(&made, "managementToken")]);
    let uri = receiver.url("/hook");
    let hook = [
        "webhook",
        "create",
        "--app",
        app,
        "--name",
        "Hourly",
        "--callback-uri",
        &uri,
        "--every",
        "hour",
        "--endpoints",
        "/odometer,/location",
        "--verify",
        "--json",
    ];
    let hook = server.cli(&hook).await.json();
    assert_eq!(hook["verified"], true, "{hook:#}");
    let hook = text(&hook, "id");
    let car = server.cli(&["vehicle", "simulate", "--app", app, "--json"]).await.json();
    let other = server.cli(&["vehicle", "simulate", "--app", app, "--json"]).await.json();
    let car_id = text(&car, "vehicleId");
    server.cli(&["webhook", "subscribe", hook, car_id, "--json"]).await.json();
    assert_eq!(server.cli(&["webhook", "test", hook, "--json"]).await.json()["passed"], true);

    let came = receiver.log().wait_for_events(2, PATIENCE).await;
    assert!(came, "a test and a slot");
    let list = async || server.cli(&["delivery", "list", "--webhook", hook, "--json"]).await.json();
    assert!(eventually(PATIENCE, async || !items(&list().await).is_empty()).await);
    let listed = list().await;
    let first = items(&listed).last().unwrap();
    assert_eq!(first["status"], "delivered");
    let shown = server.cli(&["delivery", "show", text(first, "id"), "--json"]).await.json();
    let events = receiver.log().events();
    let sent = events.iter().find(|event| event.body == text(&shown, "body"));
    let sent = sent.expect("the log shows what was sent, byte for byte");
    let again = server.cli(&["delivery", "redeliver", text(first, "id"), "--json"]).await.json();
    assert_ne!(again["id"], first["id"]);
    let repeated = receiver
        .log()
        .wait_until(PATIENCE, |log| log.events().iter().filter(|event| event.body == sent.body).count() == 2);
    assert!(repeated.await, "a redelivery is the same event: same id, same bytes");

    assert_eq!(server.cli(&["webhook", "unsubscribe", hook, car_id]).await.output, "done\n");
    let late = server.cli(&["delivery", "redeliver", text(first, "id")]).await;
    assert!(late.code == 1 && late.errors.contains("not on this webhook any more"), "{late:?}");

    for list in [
        &["app", "list"][..],
        &["webhook", "list", "--app", app],
        &["vehicle", "list"],
        &["vehicle", "models"],
    ] {
        assert!(!items(&server.cli(&[list, &["--json"]].concat()).await.json()).is_empty(), "{list:?}");
        assert_eq!(server.cli(list).await.code, 0, "{list:?} for people");
    }
    let diagnosis = server.cli(&["doctor", "--json"]).await;
    assert_eq!(diagnosis.json()["good"], true);

    let backup = folder.path().join("backup.db");
    let backup = backup.to_str().unwrap();
    assert_eq!(server.cli(&["backup", backup, "--json"]).await.json()["path"], backup);
    assert_eq!(server.cli(&["backup", backup]).await.code, 1, "a backup is not written over");
    let before = everything(&server, app).await;
    server.post(&format!("/users/{}/erase", text(&other, "userId")), json!({})).await;
    server.cli(&["app", "create", "After the backup", "--json"]).await.json();
    let data_text = data.to_str().unwrap();
    let busy = run(&["restore", backup, "--data", data_text, "--force"]).await;
    assert_eq!(busy.code, 1, "nothing is restored under a running server");
    server.stop().await;

    let refused = run(&["restore", backup, "--data", data_text]).await;
    assert!(refused.code == 1 && refused.errors.contains("--force"), "{refused:?}");
    let restored = run(&["restore", backup, "--data", data_text, "--force"]).await;
    assert_eq!(restored.code, 0, "{restored:?}");
    let server = Server::serve(&data, &[]).await;
    let mut expected = before;
    expected["vehicles"].as_array_mut().unwrap().retain(|vehicle| vehicle["id"] != other["vehicleId"]);
    assert_eq!(everything(&server, app).await, expected, "all but what was erased since is back");
    let erased = server.cli(&["vehicle", "show", text(&other, "vehicleId")]).await;
    assert_eq!(erased.code, 1, "an erased owner stays erased: {erased:?}");
    assert_eq!(
        server.cli(&["delivery", "show", text(first, "id"), "--json"]).await.json()["body"],
        shown["body"]
    );
    let names: Vec<Value> =
        items(&server.get("/applications").await).iter().map(|app| app["name"].clone()).collect();
    assert!(names.contains(&json!("Shell")) && !names.contains(&json!("After the backup")));
    // The demo's receiver is gone, and what waited for it when the backup was taken waits again.
    server.end().await;
}

/// What lists show of an application, without what time changes.
async fn everything(server: &Server, app: &str) -> Value {
    let steady = |mut page: Value, members: &[&str]| {
        for item in page["items"].as_array_mut().unwrap() {
            members.iter().for_each(|member| drop(item.as_object_mut().unwrap().remove(*member)));
        }
        page["items"].take()
    };
    json!({
        "application": server.get(&format!("/applications/{app}")).await,
        "webhooks": steady(server.get(&format!("/applications/{app}/webhooks")).await, &["queued"]),
        "vehicles": steady(server.get(&format!("/vehicles?applicationId={app}")).await, &["nextDue"]),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_shell_say_what_to_do_in_one_line() {
    let folder = folder();
    let server = Server::serve(folder.path(), &[]).await;
    let app = text(&server.post("/applications", json!({ "name": "A" })).await, "id").to_owned();
    let create = |uri: &'static str, endpoints: &'static str, every: &'static str| {
        let fixed = ["webhook", "create", "--app", &app, "--name", "n", "--callback-uri", uri];
        [&fixed[..], &["--endpoints", endpoints, "--every", every]].concat()
    };
    let cases = [
        (vec!["app", "show", UNKNOWN], "no application with this id"),
        (vec!["webhook", "show", "x"], "no webhook with this id"),
        (vec!["vehicle", "show", UNKNOWN], "no vehicle with this id"),
        (vec!["delivery", "redeliver", UNKNOWN], "no delivery with this id"),
        (create("https://example.com/", "/odometer", "week"), "monday to sunday"),
        (create("https://example.com/", "/odometer", "25h"), "24"),
        (
            create("https://example.com/", "/odo", "hour"),
            "/odo is not an endpoint; endpoints look like /odometer",
        ),
        (create("https://example.com/", "/tesla/battery", "hour"), "/tesla/battery is specific to a brand"),
        (create("http://93.184.216.34/", "/odometer", "hour"), "must start with https://"),
        (create("https://192.168.1.10/", "/odometer", "hour"), "public internet address"),
        (create("https://user:secret@93.184.216.34/", "/odometer", "hour"), "user"),
        (vec!["backup", "/nowhere/that/is/there/x.db"], "there is no folder /nowhere/that/is/there"),
    ];
    for (arguments, expected) in cases {
        let done = server.cli(&arguments).await;
        assert!(done.code == 1 && done.output.is_empty(), "{arguments:?}: {done:?}");
        assert!(
            done.errors.starts_with("milepost: ") && done.errors.contains(expected),
            "{arguments:?}: {done:?}"
        );
        assert_eq!(done.errors.trim_end().lines().count(), 1, "{arguments:?}: {done:?}");
    }
    assert!(server.webhooks().await.is_empty(), "nothing came of it");
    let nowhere = ["app", "list", "--url", "http://127.0.0.1:1", "--token", "anything-will-do"];
    let nobody = run(&nowhere).await;
    assert!(nobody.code == 1 && nobody.errors.contains("start `milepost serve`"), "{nobody:?}");
    let stranger = run(&["app", "list", "--url", &server.url, "--token", "not-the-admin-token"]).await;
    assert!(stranger.code == 1 && stranger.errors.contains("admin token"), "{stranger:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_use_of_the_shell_is_told_apart_from_failure() {
    for arguments in [
        &["webhook", "frobnicate"][..],
        &["app", "create"],
        &["demo", "--speed", "fast"],
        &["demo", "--speed", "0"],
        &["replay", "trip.csv"],
        &["replay", "trip.csv", "--vehicle", UNKNOWN, "--app", UNKNOWN],
        &["replay", "trip.csv", "--app", UNKNOWN, "--speed", "0"],
        &["serve", "--nonsense"],
        &["webhook", "subscribe", UNKNOWN, "--token", "t"],
        &["webhook", "edit", UNKNOWN, "--every", "fortnight", "--token", "t"],
        &[
            "webhook",
            "create",
            "--app",
            UNKNOWN,
            "--name",
            "n",
            "--callback-uri",
            "https://a.example/",
            "--token",
            "t",
        ],
    ] {
        let done = run(arguments).await;
        assert!(done.code == 2 && !done.errors.is_empty(), "{arguments:?}: {done:?}");
    }
    for arguments in
        [&["--help"][..], &["--version"], &["webhook", "create", "--help"], &["serve", "--print-config"]]
    {
        let done = run(arguments).await;
        assert!(done.code == 0 && !done.output.is_empty(), "{arguments:?}: {done:?}");
    }
}

/// A request that must be refused, and how.
struct Bad<'a> {
    method: Method,
    path: String,
    body: Vec<u8>,
    content_type: &'static str,
    status: u16,
    code: &'a str,
}

fn bad<'a>(method: Method, path: impl Into<String>, body: &Value, status: u16, code: &'a str) -> Bad<'a> {
    let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
    Bad { method, path: path.into(), body, content_type: "application/json", status, code }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_a_problem_and_changes_nothing() {
    let folder = folder();
    let server = Server::demo(folder.path(), &[], &["--speed", "1"]).await;
    let receiver = receiver().await;
    let app = application(&server, &receiver).await;
    let car = vehicle(&server, &app).await;
    let hook = webhook(&server, &app, &hourly("Good", &receiver.url("/good"), true)).await;
    let before =
        (server.webhooks().await, server.get("/vehicles?limit=100").await, server.get("/applications").await);
    let arrived = receiver.log().counts().requests;

    let post = |path: &str, body: &Value, status, code| bad(Method::POST, path, body, status, code);
    let mut table = Vec::new();
    // Ids.
    for id in [UNKNOWN, "x", "%00", "..%2f..", "0190a8c8-0000-7000-8000-00000000000g", &"9".repeat(4_000)] {
        for (method, path) in [
            (Method::GET, format!("/applications/{id}")),
            (Method::DELETE, format!("/applications/{id}")),
            (Method::GET, format!("/webhooks/{id}")),
            (Method::DELETE, format!("/webhooks/{id}")),
            (Method::DELETE, format!("/webhooks/{hook}/subscriptions/{id}")),
            (Method::GET, format!("/vehicles/{id}")),
            (Method::GET, format!("/deliveries/{id}")),
        ] {
            table.push(bad(method, path, &Value::Null, 404, "not_found"));
        }
        for path in [
            "vehicles/{}/erase",
            "vehicles/{}/disconnect",
            "users/{}/erase",
            "deliveries/{}/redeliver",
            "webhooks/{}/test",
        ] {
            table.push(post(&format!("/{}", path.replace("{}", id)), &json!({}), 404, "not_found"));
        }
    }
    // Settings of a webhook, made and edited.
    let new = format!("/applications/{app}/webhooks");
    let edits = [
        ("cadence", json!({ "every": "hours", "hours": 0 })),
        ("cadence", json!({ "every": "hours", "hours": 25 })),
        ("cadence", json!({ "every": "hours", "hours": -1 })),
        ("cadence", json!({ "every": "hours", "hours": 1e300 })),
        ("cadence", json!({ "every": "week" })),
        ("cadence", json!({ "every": "week", "weekday": "someday" })),
        ("cadence", json!({ "every": "month", "day": 32 })),
        ("cadence", json!({ "every": "month", "day": 0 })),
        ("cadence", json!({ "every": "day", "hour": 24 })),
        ("cadence", json!({ "every": "day", "timeZone": "Mars/Olympus" })),
        ("cadence", json!({ "every": "fortnight" })),
        ("cadence", json!("hourly")),
        ("cadence", json!({ "every": "day", "weekday": "monday" })),
        ("endpoints", json!([])),
        ("endpoints", json!(["/odo"])),
        ("endpoints", json!(["/tesla/battery"])),
        ("endpoints", json!(["/odometer", "/odometer"])),
        ("endpoints", json!([7])),
        ("endpoints", json!("/odometer")),
        ("units", json!("nautical")),
        ("eventName", json!("verify")),
        ("userAgent", json!("Smartcar/1.0")),
        ("vehiclesPerRequest", json!(0)),
        ("vehiclesPerRequest", json!(101)),
        ("vehiclesPerRequest", json!(1.5)),
        ("name", json!("")),
        ("name", json!("x".repeat(100_000))),
        ("name", json!(7)),
        ("callbackUri", json!("")),
        ("callbackUri", json!("not a uri")),
        ("callbackUri", json!("http://93.184.216.34/")),
        ("callbackUri", json!("https://10.0.0.1/")),
        ("callbackUri", json!("https://[::ffff:10.0.0.1]/")),
        ("callbackUri", json!("https://user:pass@93.184.216.34/")),
        ("callbackUri", json!("https://93.184.216.34:22/")),
        ("callbackUri", json!("https://93.184.216.34/\r\nX-Injected: 1")),
        ("callbackUri", json!("file:///etc/passwd")),
        ("callbackUri", json!("javascript:alert(1)")),
        ("callbackUri", json!(format!("https://93.184.216.34/{}", "x".repeat(100_000)))),
        ("surprise", json!(true)),
    ];
    for (member, value) in edits {
        let mut body = hourly("Bad", &receiver.url("/bad"), true);
        body[member] = value.clone();
        table.push(post(&new, &body, 400, ""));
        table.push(bad(Method::PATCH, format!("/webhooks/{hook}"), &json!({ member: value }), 400, ""));
    }
    for (missing, code) in [
        ("kind", "malformed"),
        ("name", "malformed"),
        ("callbackUri", "malformed"),
        ("cadence", "invalid_value"),
        ("endpoints", "invalid_value"),
    ] {
        let mut body = hourly("Bad", &receiver.url("/bad"), true);
        body.as_object_mut().unwrap().remove(missing);
        table.push(post(&new, &body, 400, code));
    }
    // Webhooks of the other generations.
    let charge = "tractionbattery-stateofcharge";
    for (kind, member, value) in [
        ("unified", "triggers", json!([])),
        ("unified", "triggers", json!(["no-such-signal"])),
        ("unified", "triggers", json!([charge, charge])),
        ("unified", "triggers", json!(["vehicleidentification-vin"])),
        ("unified", "triggers", json!([{ "signal": charge, "deadBand": 0 }])),
        ("unified", "triggers", json!([{ "signal": charge, "deadband": 1 }])),
        ("unified", "data", json!(["no-such-signal"])),
        ("unified", "profile", json!("newest")),
        ("unified", "errorCallbackUri", json!("http://10.0.0.1/")),
        ("unified", "endpoints", json!(["/odometer"])),
        ("unified", "cadence", json!({ "every": "hours", "hours": 1 })),
        ("eventBased", "events", json!([])),
        ("eventBased", "events", json!(["CHARGING"])),
        ("eventBased", "triggers", json!([charge])),
        ("dynamic", "pace", json!("fast")),
        ("dynamic", "endpoints", json!(["/odometer"])),
        ("dynamic", "errorCallbackUri", json!("https://93.184.216.34/")),
        ("diagnostic", "events", json!(["DTC"])),
    ] {
        let mut body = json!({ "kind": kind, "name": "Bad", "callbackUri": receiver.url("/bad") });
        match kind {
            "unified" => body["triggers"] = json!([charge]),
            "eventBased" => body["events"] = json!(["CHARGING_STARTED"]),
            _ => {}
        }
        body[member] = value;
        table.push(post(&new, &body, 400, ""));
    }
    // Subscriptions, simulator, queries.
    let subscriptions = format!("/webhooks/{hook}/subscriptions");
    for body in [
        json!({}),
        json!({ "vehicleIds": ["x"] }),
        json!({ "vehicleIds": [car["vehicleId"]], "all": true }),
        json!([]),
    ] {
        table.push(post(&subscriptions, &body, 400, ""));
    }
    table.push(post(&subscriptions, &json!({ "vehicleIds": [car["vehicleId"], UNKNOWN] }), 404, ""));
    for car in [
        json!({ "make": "DELOREAN", "model": "DMC-12" }),
        json!({ "make": "TESLA" }),
        json!({ "make": "TESLA", "model": "Model 3", "region": "MOON" }),
    ] {
        table.push(post("/simulator/vehicles", &car, 400, ""));
    }
    for path in ["relative.db", "/nowhere/that/is/there/x.db", "", "/"] {
        table.push(post(
            "/server/backups",
            &json!({ "path": path }),
            if path == "/" { 409 } else { 400 },
            "",
        ));
    }
    for query in ["limit=0", "limit=101", "limit=x", "cursor=garbage", "page=2", "limit=1&limit=2"] {
        table.push(bad(Method::GET, format!("/vehicles?{query}"), &Value::Null, 400, ""));
    }
    for query in ["status=lost", "webhookId=x", "from=yesterday"] {
        table.push(bad(Method::GET, format!("/deliveries?{query}"), &Value::Null, 400, ""));
    }
    // Bodies that are none.
    let raw = |body: Vec<u8>, content_type, status, code| Bad {
        method: Method::POST,
        path: "/applications".into(),
        body,
        content_type,
        status,
        code,
    };
    let json_type = "application/json";
    table.push(raw(vec![], json_type, 400, "malformed"));
    table.push(raw(b"{".to_vec(), json_type, 400, "malformed"));
    table.push(raw(b"{\"name\":\"a\"} {}".to_vec(), json_type, 400, "malformed"));
    table.push(raw(b"{\"name\":\"a\",\"name\":\"b\"}".to_vec(), json_type, 400, "malformed"));
    table.push(raw(b"{\"name\":\"\xff\"}".to_vec(), json_type, 400, "malformed"));
    table.push(raw(b"{\"name\":\"a\"}".to_vec(), "text/plain", 415, "unsupported_media_type"));
    table.push(raw(
        br#"{"name":"a","redirectUris":"#.iter().copied().chain("[".repeat(400_000).into_bytes()).collect(),
        json_type,
        400,
        "malformed",
    ));
    let large = json!({ "name": "x".repeat(1_024 * 1_024) }).to_string().into_bytes();
    table.push(raw(large, json_type, 413, "too_large"));

    for Bad { method, path, body, content_type, status, code } in table {
        let shown =
            format!("{method} {} {:.200}", &path[..path.len().min(120)], String::from_utf8_lossy(&body));
        let answer = server.send(method, &format!("/api/v1{path}"), content_type, body).await;
        let problem = answer.json();
        assert_eq!(answer.status.as_u16(), status, "{shown}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
        assert_eq!(problem["status"], status, "{shown}");
        assert!(code.is_empty() || problem["code"] == code, "{shown}: {problem:#}");
        for member in ["type", "title", "detail", "code", "requestId"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member} of {shown}: {problem:#}"
            );
        }
    }
    let after =
        (server.webhooks().await, server.get("/vehicles?limit=100").await, server.get("/applications").await);
    assert_eq!(before, after, "nothing has changed");
    assert_eq!(receiver.log().counts().requests, arrived, "nothing was sent");
    assert_eq!(server.status("/readyz").await, 200);
    server.stop().await;
}

/// A receiver that misbehaves, and what the log says of it: the word of the failure or the status, and the hint.
const MISBEHAVIOURS: [(&str, Result<u16, &str>, Option<&str>); 8] = [
    ("hang", Err("timed_out"), Some("Answer first and work afterwards")),
    ("slow-headers:100ms", Err("timed_out"), Some("Answer first and work afterwards")),
    ("redirect", Ok(302), Some("Redirects are not followed")),
    ("reset", Err("reset"), None),
    ("close", Err("closed_early"), None),
    ("garbage", Err("protocol"), Some("speaks HTTP/1.1")),
    ("413", Ok(413), Some("limit on the size")),
    ("500", Ok(500), Some("its own log says why")),
];

/// What looks bad and is not: the status came, and decides.
const HARMLESS: [&str; 3] = ["drip:100ms", "endless", "gzip-bomb"];

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_misbehave_are_retried_logged_with_reason_and_hint_and_harm_nobody() {
    let folder = folder();
    let server =
        Server::demo(folder.path(), &[("MILEPOST_DELIVERY_DEADLINE_S", "1")], &["--speed", "400"]).await;
    let receiver = receiver().await;
    let app = application(&server, &receiver).await;
    let car = vehicle(&server, &app).await;
    let mut webhooks = BTreeMap::new();
    for form in MISBEHAVIOURS.iter().map(|(form, ..)| *form).chain(HARMLESS).chain(["ok"]) {
        let path = format!("/{}", form.replace(':', "-"));
        receiver.behave(&path, form.parse::<Behaviour>().unwrap());
        let hook = webhook(&server, &app, &hourly(form, &receiver.url(&path), true)).await;
        subscribe(&server, &hook, &[text(&car, "vehicleId")]).await;
        webhooks.insert(form, (hook, path));
    }
    let ended = async |form: &str| {
        let page = server.get(&format!("/deliveries?webhookId={}", webhooks[form].0)).await;
        items(&page).last().cloned()
    };
    for (form, expected, hint) in MISBEHAVIOURS {
        assert!(eventually(2 * PATIENCE, async || ended(form).await.is_some()).await, "{form} ends");
        assert_eq!(server.status("/readyz").await, 200, "while {form} went on");
        let delivery = ended(form).await.unwrap();
        assert_eq!(
            (&delivery["status"], &delivery["attemptCount"]),
            (&json!("failed"), &json!(6)),
            "{form}: {delivery:#}"
        );
        let detail = server.get(&format!("/deliveries/{}", text(&delivery, "id"))).await;
        for attempt in detail["attempts"].as_array().unwrap() {
            match expected {
                Ok(status) => assert_eq!(attempt["status"], status, "{form}: {attempt:#}"),
                Err(failure) => assert_eq!(attempt["failure"], failure, "{form}: {attempt:#}"),
            }
            let said = attempt["hint"].as_str();
            assert!(
                said.map(str::len).min(Some(1)) == hint.map(str::len).min(Some(1)),
                "{form}: {attempt:#}"
            );
            assert!(
                hint.is_none_or(|hint| said.is_some_and(|said| said.contains(hint))),
                "{form}: {attempt:#}"
            );
        }
        let (hook, path) = &webhooks[form];
        let got = receiver.log().events();
        let same =
            got.iter().filter(|event| event.path() == path && event.body == text(&detail, "body")).count();
        // The first attempt may go out on the connection that the verification left. One that breaks there before a byte
        // of the answer came is sent once more on a fresh connection, as part of the same attempt.
        let replaced = usize::from(matches!(form, "reset" | "close"));
        assert!(
            (6..=6 + replaced).contains(&same),
            "{form}: the first attempt and five retries, byte for byte the same, not {same}"
        );
        // The last end is recorded first, and the webhook is switched off for it afterwards.
        let off = async || server.get(&format!("/webhooks/{hook}")).await["enabled"] == json!(false);
        assert!(eventually(PATIENCE, off).await, "{form} is switched off");
        let hook = server.get(&format!("/webhooks/{hook}")).await;
        assert_eq!(hook["disabledReason"], "retries_used_up", "{form}");
    }
    for form in HARMLESS.into_iter().chain(["ok"]) {
        assert!(eventually(PATIENCE, async || ended(form).await.is_some()).await, "{form} ends");
        let delivery = ended(form).await.unwrap();
        assert_eq!(
            (&delivery["status"], &delivery["attemptCount"]),
            (&json!("delivered"), &json!(1)),
            "{form}: {delivery:#}"
        );
    }
    assert!(receiver.log().events().iter().all(|event| event.signature == Signature::Good));
    assert!(server.peak_mib() < 300, "{} MiB", server.peak_mib());
    server.stop().await;
}

async fn application_named(server: &Server, name: &str) -> u16 {
    let answer = server.admin(Method::POST, "/applications", &json!({ "name": name })).await;
    if answer.status == 507 || answer.status == 503 {
        assert!(answer.header("retry-after").is_some(), "{}", answer.text());
    }
    answer.status.as_u16()
}

/// Asks for one application after the other until one is refused; the names of those that were acknowledged.
async fn applications_until_refused(server: &Server, prefix: &str) -> (Vec<String>, u16) {
    let mut acknowledged = Vec::new();
    for number in 0..10_000 {
        let name = format!("{prefix} {number}");
        match application_named(server, &name).await {
            201 => acknowledged.push(name),
            refused => return (acknowledged, refused),
        }
    }
    panic!("a disk without space takes everything");
}

async fn names(server: &Server) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/applications?limit=100{cursor}")).await;
        names.extend(items(&page).iter().map(|app| text(app, "name").to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return names,
        }
    }
}

/// Whatever was acknowledged before, during and after is there, also after a restart.
async fn recovered(server: Server, mut acknowledged: Vec<String>) {
    let back = eventually(Duration::from_secs(5), async || application_named(&server, "After").await == 201);
    assert!(back.await, "it goes on by itself within five seconds");
    acknowledged.push("After".into());
    let green = eventually(Duration::from_secs(10), async || server.status("/readyz").await == 200);
    assert!(green.await, "readiness is back");
    let data = server.data.clone();
    all_there(&server, &acknowledged).await;
    server.stop().await;
    let server = Server::serve(&data, SMALL).await;
    all_there(&server, &acknowledged).await;
    server.stop().await;
}

async fn all_there(server: &Server, acknowledged: &[String]) {
    let there = names(server).await;
    let lost: Vec<_> = acknowledged.iter().filter(|name| !there.contains(name)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_b6_a_full_disk_acknowledges_nothing_and_nothing_acknowledged_is_lost() {
    let Some(disk) = Disk::in_memory(24) else {
        println!("not run: this user cannot mount a small disk");
        return;
    };
    let server = Server::serve(disk.path(), SMALL).await;
    assert_eq!(application_named(&server, "Before").await, 201);
    let filler = disk.fill();
    let (mut acknowledged, refused) = applications_until_refused(&server, "Full").await;
    assert!(matches!(refused, 507 | 503), "{refused}");
    let red = eventually(Duration::from_secs(10), async || server.status("/readyz").await == 503);
    assert!(red.await, "readiness turns red");
    assert_eq!(server.status("/healthz").await, 200);
    assert!(names(&server).await.contains(&"Before".to_owned()), "what is there can be read");
    std::fs::remove_file(filler).unwrap();
    acknowledged.push("Before".into());
    recovered(server, acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_b7_a_file_system_that_turned_read_only_acknowledges_nothing() {
    let home = folder();
    let Some(disk) = Disk::in_file(home.path()) else {
        println!("not run: this user cannot mount a file system from a file");
        return;
    };
    let server = Server::serve(disk.path(), SMALL).await;
    assert_eq!(application_named(&server, "Before").await, 201);
    if !disk.turn_read_only() {
        server.stop().await;
        println!("not run: this kernel cannot let a file system fail");
        return;
    }
    for _ in 0..3 {
        let refused = application_named(&server, "Meanwhile").await;
        assert_eq!(refused, 503);
    }
    let red = eventually(Duration::from_secs(10), async || server.status("/readyz").await == 503);
    assert!(red.await, "readiness turns red");
    assert!(names(&server).await.contains(&"Before".to_owned()), "what is there can be read");
    // The kernel lets nobody write to it before it is repaired, so the process has to let go of it.
    server.kill().await;
    disk.repair();
    recovered(Server::serve(disk.path(), SMALL).await, vec!["Before".into()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_h04_bodies_survive_parse_and_stringify_of_javascript_byte_for_byte() {
    if Command::new("node").arg("--version").output().is_err() {
        println!("not run: node is not installed");
        return;
    }
    let folder = folder();
    let server = Server::demo(&folder.path().join("data"), &[], &FAST).await;
    let receiver = receiver().await;
    let app = application(&server, &receiver).await;
    let mut vehicles = Vec::new();
    for _ in 0..60 {
        vehicles.push(vehicle(&server, &app).await);
    }
    let vehicles: Vec<&str> = vehicles.iter().map(|vehicle| text(vehicle, "vehicleId")).collect();
    let everything = [
        "/",
        "/vin",
        "/odometer",
        "/location",
        "/battery",
        "/battery/capacity",
        "/charge",
        "/charge/limit",
        "/fuel",
        "/engine/oil",
        "/tires/pressure",
        "/security",
    ];
    for units in ["metric", "imperial"] {
        let mut body = hourly(units, &receiver.url("/h04"), true);
        (body["endpoints"], body["units"]) = (json!(everything), json!(units));
        let hook = webhook(&server, &app, &body).await;
        subscribe(&server, &hook, &vehicles).await;
    }
    assert!(receiver.log().wait_for_events(300, 2 * PATIENCE).await, "{:?}", receiver.log().counts());
    let events = receiver.log().events();
    assert!(events.iter().all(|event| event.signature == Signature::Good));
    let bodies: Vec<&[u8]> = events.iter().map(|event| &event.body[..]).collect();
    let file = folder.path().join("bodies");
    std::fs::write(&file, bodies.join(&b'\n')).unwrap();
    let script = r#"
        const lines = require("fs").readFileSync(process.argv[1], "utf8").split("\n");
        const changed = lines.filter((line) => JSON.stringify(JSON.parse(line)) !== line);
        console.log(JSON.stringify({ read: lines.length, changed: changed.slice(0, 3) }));
    "#;
    let output = Command::new("node").args(["-e", script]).arg(&file).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told, json!({ "read": bodies.len(), "changed": [] }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_metrics_are_there_under_their_promised_names() {
    let folder = folder();
    // Any address of 127.0.0.0/8 is local: one that is made of the process's number is nobody else's.
    let number = std::process::id();
    let listen =
        format!("127.{}.{}.{}:9464", 1 + number / 65_536 % 250, number / 256 % 256, 1 + number % 254);
    let receiver = receiver().await;
    let settings = [
        ("MILEPOST_SERVER_METRICS_LISTEN", listen.as_str()),
        ("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.1/32"]"#),
    ];
    let server = Server::serve(folder.path(), &settings).await;
    let app = application(&server, &receiver).await;
    let hook = webhook(&server, &app, &hourly("Hourly", &receiver.url("/hook"), true)).await;
    assert_eq!(server.get(&format!("/webhooks/{hook}")).await["verified"], true);
    assert_eq!((server.status("/healthz").await, server.status("/readyz").await), (200, 200));
    assert_eq!(server.status("/metrics").await, 404, "metrics have an address of their own");
    let metrics = HttpClient::new(&format!("http://{listen}")).unwrap();
    let families = async || metrics.get("/metrics").await.unwrap().text();
    let promised = [
        "milepost_lane_depth_events",
        "milepost_lane_oldest_age_seconds",
        "milepost_store_bytes",
        "milepost_store_wal_bytes",
        "milepost_store_free_disk_bytes",
        "milepost_store_commits_total",
        "milepost_store_items_total",
    ];
    for family in promised {
        let there = eventually(PATIENCE, async || families().await.contains(&format!("\n{family} ")));
        assert!(there.await, "{family} is not in {}", families().await);
    }
    let shown = families().await;
    for line in shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let family = line.split(' ').next().unwrap();
        assert!(shown.contains(&format!("# HELP {family} ")), "{family} does not say what it measures");
    }
    for id in [&app, &hook] {
        assert!(!shown.contains(id.as_str()), "labels are bounded");
    }
    server.stop().await;
}

/// A webhook for charging events at a path of the receiver, verified at once.
async fn verified_at(server: &Server, application: &str, uri: String, more: Value) -> Value {
    let mut body = json!({
        "kind": "eventBased", "name": "Charging", "callbackUri": uri, "events": ["CHARGING_STARTED"], "verify": true,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post(&format!("/applications/{application}/webhooks"), body).await
}

#[tokio::test]
async fn receivers_of_the_field_verify_and_take_events_however_odd_their_answers_are() {
    let folder = folder();
    let server = Server::serve(folder.path(), &[("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.0/8"]"#)]).await;
    let receiver = Receiver::start(ReceiverOptions::default()).await.unwrap();
    let application = application(&server, &receiver).await;
    for behaviour in [
        "odd-headers",
        "bare-lines",
        "http10",
        "stray",
        "keep-alive-lie",
        "reset-after-answer",
        "gzip",
        "bom",
        "201",
    ] {
        let path = format!("/{behaviour}");
        receiver.behave(&path, behaviour.parse().unwrap());
        let made = verified_at(&server, &application, receiver.url(&path), json!({})).await;
        assert_eq!(made["verified"], true, "{behaviour}: {}", made["lastVerification"]);
        let tested = server.post(&format!("/webhooks/{}/test", text(&made, "id")), json!({})).await;
        assert_eq!(tested["lastTest"]["passed"], true, "{behaviour}: {}", tested["lastTest"]);
    }
    let refused = verified_at(&server, &application, receiver.url("/304"), json!({})).await;
    assert_eq!(refused["verified"], true, "a path with no behaviour of its own is a good one");
    receiver.behave("/304", "304".parse().unwrap());
    let tested = server.post(&format!("/webhooks/{}/test", text(&refused, "id")), json!({})).await;
    let problem = text(&tested["lastTest"], "problem").to_owned();
    assert!(
        problem.contains("304") && problem.contains("cached") && !problem.contains("Redirects"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_header_from_a_file_reaches_the_receiver_and_is_shown_by_its_name_only() {
    let folder = folder();
    let server = Server::serve(folder.path(), &[("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.0/8"]"#)]).await;
    let receiver = receiver().await;
    let application = application(&server, &receiver).await;
    let secret = folder.path().join("api-key");
    std::fs::write(&secret, "s3cret-value\n").unwrap();
    let made = verified_at(&server, &application, receiver.url("/hook"), json!({})).await;
    let id = text(&made, "id");
    let header = format!("X-Api-Key:file:{}", secret.display());
    let data = server.data.display().to_string();
    let with_server = ["--url", server.url.as_str(), "--data", data.as_str()];
    let edit = [&["webhook", "edit", id, "--header", header.as_str(), "--json"][..], &with_server].concat();
    let edited = run(&edit).await.json();
    assert_eq!(edited["headers"], json!(["X-Api-Key"]));
    server.post(&format!("/webhooks/{id}/test"), json!({})).await;
    let received = receiver.log().received();
    assert_eq!(received.last().unwrap().header("x-api-key"), Some("s3cret-value"));
    let shown = run(&[&["webhook", "show", id][..], &with_server].concat()).await.output;
    assert!(shown.contains("X-Api-Key") && !shown.contains("s3cret-value"), "{shown}");
}
