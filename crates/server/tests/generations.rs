//! Webhooks of every generation, feeds and vehicles that push, through the real binary and its command line.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use common::{Server, items, text};
use lab::{Receiver, ReceiverOptions};
use serde_json::{Value, json};

/// Where the receiver is a callback URI that the server may call.
const ALLOWED: &[(&str, &str)] = &[("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.0/8"]"#)];

/// What a command answered, with `--json`.
async fn told(server: &Server, arguments: &[&str]) -> Value {
    server.cli(&[arguments, &["--json"]].concat()).await.json()
}

/// What a command shows people.
async fn shown(server: &Server, arguments: &[&str]) -> String {
    let done = server.cli(arguments).await;
    assert_eq!(done.code, 0, "{done:?}");
    done.output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_each_kind_is_made_shown_and_changed_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), ALLOWED).await;
    let receiver =
        Receiver::start(ReceiverOptions { honest_verification: true, ..ReceiverOptions::default() })
            .await
            .unwrap();
    let made = told(&server, &["app", "create", "Fleet"]).await;
    receiver.set_secrets_everywhere(&[text(&made, "managementToken")]);
    let app = text(&made, "id");
    let uri = receiver.url("/hooks");
    let create = async |kind: &str, settings: &[&str]| {
        let common = ["webhook", "create", "--app", app, "--name", kind, "--callback-uri", &uri, "--verify"];
        let webhook = told(&server, &[&common, &["--kind", kind][..], settings].concat()).await;
        assert_eq!((&webhook["kind"], &webhook["verified"]), (&json!(kind), &json!(true)), "{webhook:#}");
        webhook
    };
    let scheduled = create("scheduled", &["--endpoints", "/odometer,/battery", "--every", "6h"]).await;
    assert_eq!(scheduled["cadence"], json!({ "every": "hours", "hours": 6 }));
    let charging = create("eventBased", &["--events", "CHARGING_STARTED,CHARGING_COMPLETED"]).await;
    assert_eq!(charging["events"], json!(["CHARGING_STARTED", "CHARGING_COMPLETED"]));
    let dynamic = create("dynamic", &["--pace", "brand", "--auto-subscribe"]).await;
    assert_eq!((&dynamic["pace"], &dynamic["autoSubscribe"]), (&json!("brand"), &json!(true)));
    let triggers = "charge-ischarging,tractionbattery-stateofcharge=5";
    let unified = create(
        "unified",
        &["--triggers", triggers, "--signals", "odometer-traveleddistance", "--profile", "captured"],
    )
    .await;
    assert_eq!(
        unified["triggers"],
        json!([{ "signal": "charge-ischarging" }, { "signal": "tractionbattery-stateofcharge", "deadBand": 5.0 }])
    );
    assert_eq!(unified["permissions"], json!(["read_odometer", "read_battery", "read_charge"]));

    let listed = told(&server, &["webhook", "list", "--app", app]).await;
    let kinds: Vec<_> = items(&listed).iter().map(|webhook| text(webhook, "kind")).collect();
    assert_eq!(kinds, ["scheduled", "eventBased", "dynamic", "unified"]);
    for webhook in items(&listed) {
        let page = shown(&server, &["webhook", "show", text(webhook, "id")]).await;
        assert!(page.contains(text(webhook, "kind")) && page.contains("permissions"), "{page}");
    }
    let id = text(&unified, "id");
    let edited = told(&server, &["webhook", "edit", id, "--profile", "docs-2026"]).await;
    assert_eq!((&edited["profile"], &edited["triggers"]), (&json!("docs-2026"), &unified["triggers"]));
    let version = edited["version"].to_string();
    assert_eq!(told(&server, &["webhook", "show", id]).await["version"].to_string(), version);
    let rename = ["webhook", "edit", id, "--name", "Renamed", "--if-match"];
    let stale = server.cli(&[&rename[..], &["999"]].concat()).await;
    assert!(stale.code == 1 && stale.errors.contains(&version), "{stale:?}");
    let renamed = told(&server, &[&rename[..], &[&version]].concat()).await;
    assert!(renamed["name"] == "Renamed" && renamed["version"] != edited["version"], "{renamed:#}");
    let stale = server.cli(&["webhook", "delete", id, "--if-match", &version]).await;
    assert_eq!(stale.code, 1, "{stale:?}");
    let tested = told(&server, &["webhook", "test", id, "--event-type", "VEHICLE_ERROR"]).await;
    assert_eq!(tested["passed"], true);
    let refused = server.cli(&["webhook", "edit", id, "--units", "imperial"]).await;
    assert!(refused.code != 0 && refused.errors.contains("goes with scheduled webhooks"), "{refused:?}");
    let misspelt = ["--kind", "unified", "--triggers", "state-of-charge"];
    let common = ["webhook", "create", "--app", app, "--name", "A", "--callback-uri", &uri];
    let refused = server.cli(&[&common[..], &misspelt].concat()).await;
    assert!(refused.errors.contains("tractionbattery-stateofcharge"), "{refused:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_pushes_is_added_approved_and_explained_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), ALLOWED).await;
    let made = told(&server, &["app", "create", "Fleet"]).await;
    let app = text(&made, "id");

    let feed = shown(&server, &["feed", "create", "--app", app, "--name", "Cars"]).await;
    assert!(feed.contains("mpf_") && feed.contains("not shown again"), "{feed}");
    let feeds = told(&server, &["feed", "list", "--app", app]).await;
    assert_eq!((items(&feeds).len(), &items(&feeds)[0]["newer"]), (1, &json!("observed")));
    assert_eq!(shown(&server, &["feed", "delete", text(&items(&feeds)[0], "id")]).await, "done\n");

    let car =
        ["--make", "Ford", "--model", "Mustang Mach-E", "--year", "2023", "--permissions", "read_charge"];
    let car = told(&server, &[&["vehicle", "add", "--app", app], &car[..]].concat()).await;
    assert_eq!((&car["make"], &car["permissions"]), (&json!("FORD"), &json!(["read_charge"])));
    let id = text(&car, "id");
    let permitted = told(&server, &["vehicle", "permit", id, "read_charge,read_battery"]).await;
    assert_eq!(permitted["permissions"], json!(["read_battery", "read_charge"]));

    let webhook = async |settings: &[&str]| {
        let common =
            ["webhook", "create", "--app", app, "--name", "A", "--callback-uri", "https://127.0.0.1/hooks"];
        told(&server, &[&common[..], settings].concat()).await
    };
    let charging = webhook(&["--kind", "eventBased", "--events", "CHARGING_STARTED"]).await;
    let charging = text(&charging, "id");
    told(&server, &["webhook", "subscribe", charging, id]).await;
    let states = shown(&server, &["webhook", "vehicles", charging]).await;
    assert!(states.contains("pendingApproval"), "{states}");
    shown(&server, &["vehicle", "approve", id]).await;
    let states = shown(&server, &["webhook", "vehicles", charging]).await;
    assert!(states.contains("active"), "{states}");

    let unified = webhook(&["--kind", "unified", "--triggers", "tractionbattery-stateofcharge=2"]).await;
    let unified = text(&unified, "id");
    let explained = shown(&server, &["vehicle", "explain", id, "--webhook", unified]).await;
    assert!(explained.starts_with("tractionbattery-stateofcharge  notSubscribed\n"), "{explained}");
    assert!(explained.contains("dead band     2"), "{explained}");
    let explained = told(&server, &["vehicle", "explain", id, "--webhook", unified]).await;
    assert_eq!(items(&explained)[0]["finding"], "notSubscribed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_the_configuration_says_which_webhooks_and_how_many_vehicles_there_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let plan = ("MILEPOST_PLANS_SMALL", r#"{ webhooks = ["scheduled"], vehicles = 1 }"#);
    let server = Server::serve(folder.path(), &[ALLOWED[0], plan]).await;
    let made = told(&server, &["app", "create", "Fleet", "--plan", "small"]).await;
    let app = text(&made, "id");
    let create = [
        "webhook",
        "create",
        "--app",
        app,
        "--name",
        "A",
        "--callback-uri",
        "https://127.0.0.1/hooks",
        "--kind",
    ];
    let refused = server.cli(&[&create[..], &["dynamic"]].concat()).await;
    assert!(refused.errors.contains("dynamic webhooks are not in the plan \"small\""), "{refused:?}");
    shown(&server, &[&create[..], &["scheduled", "--endpoints", "/odometer"]].concat()).await;
    let add = ["vehicle", "add", "--app", app, "--make", "BMW", "--model", "i4", "--year", "2024"];
    shown(&server, &add).await;
    let refused = server.cli(&add).await;
    assert!(refused.errors.contains("ends at 1 vehicles, of which 1 are connected"), "{refused:?}");
    server.stop().await;
}
