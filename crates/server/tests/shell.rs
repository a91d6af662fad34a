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
