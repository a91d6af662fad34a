//! The command line as somebody meets it who has just found it: what it says when it is wrong, when nothing answers, when
//! there is nothing to list; and the way of a vehicle through it.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use common::{Server, items, run, text};
use lab::client::HttpClient;
use serde_json::{Value, json};

const NO_SERVER: &[&str] = &["--url", "http://127.0.0.1:9", "--token", "0123456789abcdef"];

/// An error is one line that begins with the program's name.
#[track_caller]
fn one_line(done: &common::Done, code: i32) -> String {
    assert_eq!(done.code, code, "{done:?}");
    assert_eq!(done.errors.lines().count(), 1, "{done:?}");
    done.errors.trim_end().strip_prefix("milepost: ").unwrap_or_else(|| panic!("{done:?}")).to_owned()
}

#[tokio::test]
async fn what_is_wrong_with_an_address_or_a_token_is_said_with_what_to_do() {
    let said = one_line(&run(&[&["app", "list"], NO_SERVER].concat()).await, 1);
    assert!(said.contains("nothing listens at http://127.0.0.1:9") && said.contains("--url"), "{said}");
    let said =
        one_line(&run(&["app", "list", "--url", "localhost:8080", "--token", "0123456789abcdef"]).await, 2);
    assert!(said.contains("--url \"localhost:8080\" is not an address such as"), "{said}");
    let said = one_line(&run(&["app", "list", "--token", "two words"]).await, 2);
    assert!(said.contains("one word") && said.contains("--token"), "{said}");
    let said = one_line(&run(&["app", "list", "--data", "/nowhere"]).await, 1);
    assert!(said.contains("MILEPOST_ADMIN_TOKEN") && said.contains("/nowhere/admin-token"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let said = one_line(&run(&["app", "list", "--url", &server.url, "--token", "0123456789abcdef"]).await, 1);
    assert!(said.contains("does not take this admin token"), "{said}");
    let elsewhere = format!("{}/docs", server.url);
    let said = one_line(
        &run(&["app", "list", "--url", &elsewhere, "--data", server.data.to_str().unwrap()]).await,
        1,
    );
    assert!(
        said.contains("not as a Milepost server does") || said.contains("nothing at this path"),
        "{said}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_value_is_named_by_its_option_and_known_words_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let made = server.cli(&["app", "create", "Fleet", "--json"]).await.json();
    let create = [
        "webhook",
        "create",
        "--app",
        text(&made, "id"),
        "--name",
        "N",
        "--callback-uri",
        "https://a.example",
    ];
    let said = one_line(&server.cli(&[&create[..], &["--endpoints", "/odometr"]].concat()).await, 1);
    assert!(said.starts_with("--endpoints: ") && !said.contains("column"), "{said}");
    let wrong = ["--kind", "unified", "--triggers", "odometer"];
    let said = one_line(&server.cli(&[&create[..], &wrong].concat()).await, 1);
    assert!(said.starts_with("--triggers: ") && said.contains("odometer-traveleddistance"), "{said}");
    let weekly = ["--endpoints", "/vin", "--every", "week", "--on", "monday", "--zone", "Europe/Nowhere"];
    let said = one_line(&server.cli(&[&create[..], &weekly].concat()).await, 1);
    assert!(said.starts_with("--zone: "), "{said}");
    for (wrong, words) in [
        (&["--kind", "hourly"][..], "eventBased"),
        (&["--endpoints", "/vin", "--units", "furlongs"], "imperial"),
        (&["--endpoints", "/vin", "--hour", "7"], "--every"),
        (&["--endpoints", "/vin", "--vehicles-per-request", "101"], "1..=100"),
    ] {
        let done = server.cli(&[&create[..], wrong].concat()).await;
        assert!(done.code == 2 && done.errors.contains(words), "{done:?}");
    }
    let done = server.cli(&["vehicle", "show", "../applications"]).await;
    assert!(done.code == 2 && done.errors.contains("an id looks like"), "{done:?}");
    server.stop().await;
}

#[tokio::test]
async fn empty_lists_say_what_to_do_and_long_ones_have_pages() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    assert!(server.cli(&["app", "list"]).await.output.contains("milepost app create"));
    for number in 0..3 {
        server.cli(&["app", "create", &format!("A{number}"), "--json"]).await.json();
    }
    let names = |page: &Value| items(page).iter().map(|app| text(app, "name").to_owned()).collect::<Vec<_>>();
    let first = server.cli(&["app", "list", "--limit", "2", "--json"]).await.json();
    assert_eq!(names(&first), ["A0", "A1"]);
    let cursor = text(&first, "nextCursor");
    let rest = server.cli(&["app", "list", "--cursor", cursor, "--json"]).await.json();
    assert_eq!((names(&rest), &rest["nextCursor"]), (vec!["A2".to_owned()], &Value::Null));
    let all = server.cli(&["app", "list", "--all", "--json"]).await.json();
    assert_eq!(names(&all), ["A0", "A1", "A2"]);
    let shown = server.cli(&["app", "list", "--limit", "2"]).await.output;
    assert!(shown.starts_with("ID ") && shown.contains(&format!("--cursor {cursor}")), "{shown}");
    assert!(!shown.contains("createdAt") && !shown.contains(".000Z"), "{shown}");
    server.stop().await;
}

#[tokio::test]
async fn a_simulated_car_is_made_controlled_disconnected_shown_and_erased() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let told = async |arguments: &[&str]| server.cli(&[arguments, &["--json"]].concat()).await.json();
    let app = told(&["app", "create", "Fleet"]).await;
    let make = [
        "simulator",
        "make",
        "--make",
        "kia",
        "--model",
        "EV6",
        "--profile",
        "PARKED",
        "--app",
        text(&app, "id"),
    ];
    let made = told(&make).await;
    let (vehicle, car) = (text(&made, "vehicleId"), text(&made["simulatedVehicle"], "id"));
    assert!(made["simulatedVehicle"]["login"]["password"].is_string(), "{made}");
    // A car answers to its own id and to that of a vehicle that it is.
    for id in [car, vehicle] {
        assert_eq!(text(&told(&["simulator", "show", id]).await, "id"), car);
    }
    assert_eq!(told(&["sim", "profile", vehicle, "driving"]).await["state"]["profile"], "driving");
    let failing = told(&["sim", "fail", vehicle, "vehicle_state:asleep"]).await["state"].clone();
    assert_eq!(failing["failsWith"], "VEHICLE_STATE:ASLEEP");
    assert!(failing["elapsedSeconds"].is_u64() && failing["speed"] == 1, "{failing}");
    assert!(told(&["sim", "fail", vehicle, "--never"]).await["state"]["failsWith"].is_null());
    told(&["simulator", "fail", car, "vehicle_state:asleep"]).await;
    told(&["simulator", "fail", car, "--never"]).await;
    assert!(!items(&told(&["simulator", "stages", car]).await).is_empty());
    let listed = server.cli(&["simulator", "list"]).await.output;
    assert!(listed.contains(car) && listed.contains("PROFILE") && listed.contains("USERNAME"), "{listed}");

    assert_eq!(server.cli(&["vehicle", "disconnect", vehicle]).await.code, 0);
    assert_eq!(told(&["vehicle", "show", vehicle]).await["connected"], json!(false));
    assert_eq!(server.cli(&["vehicle", "erase", vehicle]).await.code, 0);
    assert!(one_line(&server.cli(&["vehicle", "erase", vehicle]).await, 1).contains("no vehicle"));
    server.stop().await;
}

#[tokio::test]
async fn rates_follow_a_clock_that_runs_faster() {
    let folder = tempfile::tempdir().unwrap();
    // One read in 20 seconds, and one request about a vehicle in a minute: ten times a second at this speed.
    let settings =
        [("MILEPOST_READS_PER_SECOND", "0.05"), ("MILEPOST_READS_VEHICLE_PER_MINUTE", r#"{ "*" = 1 }"#)];
    let clock = ["--clock-from", "1800000000", "--clock-speed", "600"];
    let server = Server::serve_with(folder.path(), &settings, &clock).await;
    let app = server.post("/applications", json!({ "name": "Fleet" })).await;
    let made = server.cli(&["simulator", "make", "--app", text(&app, "id"), "--json"]).await.json();
    let vehicle = text(&made, "vehicleId");
    let token = server.post(&format!("/vehicles/{vehicle}/access-token"), Value::Null).await;
    let owner = HttpClient::new(&server.url).unwrap().bearer(text(&token, "accessToken")).unwrap();
    let (mut answered, mut asked) = (0, 0);
    while answered < 3 {
        let status = owner.get(&format!("/v2.0/vehicles/{vehicle}/odometer")).await.unwrap().status.as_u16();
        assert_ne!(status, 401);
        answered += u32::from(status != 429);
        asked += 1;
        assert!(asked < 1_500, "{answered} of {asked} requests were let through");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_whose_token_no_client_could_send_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("admin-token");
    std::fs::write(&file, "two lines\nof a token\n").unwrap();
    // A warning would say that others could read them.
    for (path, mode) in [(folder.path(), 0o700), (&*file, 0o600)] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let data = folder.path().to_str().unwrap();
    let said = one_line(&run(&["serve", "--listen", "127.0.0.1:0", "--data", data]).await, 1);
    assert!(said.contains("admin-token must be one word") && !said.contains("two lines"), "{said}");
}

#[tokio::test]
async fn the_catalogue_needs_no_server() {
    let signal = run(&["signals", "tractionbattery-stateofcharge"]).await;
    assert!(signal.code == 0 && signal.output.contains("read_battery"), "{signal:?}");
    let rows = run(&["signals", "--group", "Charge", "--trigger", "--json"]).await.json();
    assert!(items(&rows).len() > 15);
    let done = run(&["signals", "--brand", "trabant"]).await;
    assert!(one_line(&done, 2).starts_with("--brand: \"trabant\" is not one of"), "{done:?}");
    let endpoints = run(&["endpoints", "--webhook", "--json"]).await.json();
    assert_eq!(items(&endpoints).len(), 16);
    assert!(run(&["permissions", "read_odometer"]).await.output.contains("GET /odometer"));
    assert!(run(&["errors", "asleep"]).await.output.contains("VEHICLE_STATE"));
    assert!(run(&["signals", "nonsense"]).await.output.contains("milepost signals"));
}

#[tokio::test]
async fn a_webhook_that_is_not_verified_is_a_failure_of_the_command_that_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.1/32"]"#)]).await;
    let app = server.cli(&["app", "create", "Fleet", "--json"]).await.json();
    let create = ["webhook", "create", "--app", text(&app, "id"), "--name", "Hourly", "--endpoints", "/odometer"];
    let create = [&create[..], &["--callback-uri", "http://127.0.0.1:9/hooks", "--json"]].concat();
    let refused = server.cli(&[&create[..], &["--verify"]].concat()).await;
    let said = one_line(&refused, 1);
    let made: Value = serde_json::from_str(&refused.output).unwrap();
    assert_eq!(made["verified"], false);
    for words in ["the webhook was made, but is not verified", "refused the connection", text(&made, "id")] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    // Whoever does not ask for a challenge is not told that it failed.
    assert_eq!(server.cli(&create).await.json()["verified"], false);
    let id = text(&made, "id");
    assert_eq!(server.cli(&["webhook", "edit", id, "--name", "Daily", "--json"]).await.json()["name"], "Daily");
    let moved = server.cli(&["webhook", "edit", id, "--callback-uri", "http://127.0.0.1:9/x", "--json"]).await;
    assert!(one_line(&moved, 1).contains("was changed, but is not verified"), "{moved:?}");
    assert!(one_line(&server.cli(&["webhook", "edit", id]).await, 2).contains("say what to change"));
    assert!(one_line(&server.cli(&["app", "edit", text(&app, "id")]).await, 2).contains("say what to change"));

    let doctor = server.cli(&["doctor"]).await;
    assert_eq!(one_line(&doctor, 1), "1 finding needs attention; next says what to do about it");
    assert!(doctor.output.contains("next: `milepost webhook verify ID`"), "{doctor:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_by_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--data", data.to_str().unwrap(), "--listen"];
    let said = one_line(&run(&[&serve[..], &[&address]].concat()).await, 1);
    for words in ["server.listen: cannot listen on", &address, "MILEPOST_SERVER_LISTEN"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let config = folder.path().join("milepost.toml");
    std::fs::write(&config, format!("[server]\nmetrics_listen = \"{address}\"\n")).unwrap();
    let arguments = [&serve[..], &["127.0.0.1:0", "--config", config.to_str().unwrap()]].concat();
    let said = one_line(&run(&arguments).await, 1);
    for words in ["server.metrics_listen: cannot listen on", &address, "MILEPOST_SERVER_METRICS_LISTEN", "empty"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let said = one_line(&run(&["listen", "--listen", &address]).await, 1);
    assert!(said.contains("--listen: cannot listen on"), "{said}");
}

#[tokio::test]
async fn a_demo_checks_what_it_is_given_before_it_starts_anything() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("trip.csv");
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    let demo = ["demo", "--data", data.to_str().unwrap()];
    for (more, code, said) in [
        (&["--slots", "0"][..], 2, "a whole number from 1"),
        (&["--speed", "0"], 2, "--speed is a number from 1 to 3600"),
        (&["--replay", "/nowhere.csv"], 1, "cannot read /nowhere.csv"),
        (&["--replay", file.to_str().unwrap()], 1, "trip.csv cannot be driven: the columns \"a, b\" are not known"),
        (&["--replay", file.to_str().unwrap(), "--columns", "/nowhere.toml"], 1, "the column map /nowhere.toml"),
    ] {
        let refused = run(&[&demo[..], more].concat()).await;
        assert_eq!((refused.code, refused.output.as_str()), (code, ""), "{refused:?}");
        assert!(refused.errors.contains(said), "{said:?} is not in {refused:?}");
        assert!(!data.exists(), "{more:?}");
    }
}

#[tokio::test]
async fn a_second_demo_in_a_folder_is_as_quiet_as_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let demo = ["demo", "--slots", "1", "--speed", "1200", "--json", "--data", data.to_str().unwrap()];
    for is_second in [false, true] {
        let done = run(&demo).await;
        assert_eq!((done.code, done.errors.as_str()), (0, ""), "{done:?}");
        let earlier = done.output.lines().find(|line| line.contains(r#""note":"earlier""#));
        assert_eq!(earlier.is_some(), is_second, "{earlier:?}");
        assert!(earlier.is_none_or(|line| line.contains("its 5 webhooks are switched off")), "{earlier:?}");
    }
}

#[tokio::test]
async fn an_unknown_behaviour_of_the_receiver_is_a_wrong_option_and_lists_those_there_are() {
    let done = run(&["listen", "--respond", "maybe", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.errors.contains("--respond: `maybe` is no behaviour") && done.errors.contains("keep-alive-lie"));
}

#[tokio::test]
async fn a_replay_that_does_not_say_for_whom_names_both_ways() {
    let said = one_line(&run(&["replay", "Cargo.toml"]).await, 2);
    assert_eq!(said, "say --vehicle to push readings, or --app for a simulated car");
    let done = run(&["serve", "--listen", "8080"]).await;
    assert!(done.code == 2 && done.errors.contains("such as 127.0.0.1:8080"), "{done:?}");
}
