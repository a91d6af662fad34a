//! The v2 API through the real binary, over the simulated fleet.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use common::{Server, text};
use hyper::Method;
use lab::client::{HttpAnswer, HttpClient};
use serde_json::{Value, json};

/// Errors that a login of a test car can ask for, with their status and what helps.
const ERRORS: [(&str, &str, u16, Option<&str>); 26] = [
    ("COMPATIBILITY", "MAKE_NOT_COMPATIBLE", 501, None),
    ("COMPATIBILITY", "SMARTCAR_NOT_CAPABLE", 501, None),
    ("COMPATIBILITY", "VEHICLE_NOT_CAPABLE", 501, None),
    ("CONNECTED_SERVICES_ACCOUNT", "ACCOUNT_ISSUE", 400, None),
    ("CONNECTED_SERVICES_ACCOUNT", "AUTHENTICATION_FAILED", 400, Some("REAUTHENTICATE")),
    ("CONNECTED_SERVICES_ACCOUNT", "NO_VEHICLES", 400, None),
    ("CONNECTED_SERVICES_ACCOUNT", "SUBSCRIPTION", 400, None),
    ("CONNECTED_SERVICES_ACCOUNT", "VEHICLE_MISSING", 400, None),
    ("RATE_LIMIT", "VEHICLE", 429, Some("RETRY_LATER")),
    ("UPSTREAM", "INVALID_DATA", 502, Some("RETRY_LATER")),
    ("UPSTREAM", "KNOWN_ISSUE", 502, Some("RETRY_LATER")),
    ("UPSTREAM", "NO_RESPONSE", 502, Some("RETRY_LATER")),
    ("UPSTREAM", "UNKNOWN_ISSUE", 502, Some("RETRY_LATER")),
    ("VEHICLE_STATE", "ASLEEP", 409, None),
    ("VEHICLE_STATE", "CHARGING_IN_PROGRESS", 409, None),
    ("VEHICLE_STATE", "CHARGING_PLUG_NOT_CONNECTED", 409, None),
    ("VEHICLE_STATE", "DOOR_OPEN", 409, None),
    ("VEHICLE_STATE", "FULLY_CHARGED", 409, None),
    ("VEHICLE_STATE", "HOOD_OPEN", 409, None),
    ("VEHICLE_STATE", "IGNITION_ON", 409, None),
    ("VEHICLE_STATE", "IN_MOTION", 409, None),
    ("VEHICLE_STATE", "REMOTE_ACCESS_DISABLED", 409, None),
    ("VEHICLE_STATE", "TRUNK_OPEN", 409, None),
    ("VEHICLE_STATE", "UNKNOWN", 409, Some("RETRY_LATER")),
    ("VEHICLE_STATE", "UNREACHABLE", 409, None),
    ("VEHICLE_STATE", "VEHICLE_OFFLINE_FOR_SERVICE", 409, None),
];

/// A simulated car that is connected, and its owner's token.
struct Car {
    controls: String,
    path: String,
    client: HttpClient,
}

impl Car {
    async fn connect(server: &Server, new: Value) -> Self {
        let application = server.post("/applications", json!({"name": "Fleet"})).await;
        let car = server.post("/simulator/vehicles", new).await;
        let controls = format!("/simulator/vehicles/{}", text(&car, "id"));
        let connect = json!({"applicationId": application["id"]});
        let linked = server.post(&format!("{controls}/connect"), connect).await;
        let vehicle = text(&linked, "vehicleId");
        let token = server.post(&format!("/vehicles/{vehicle}/access-token"), Value::Null).await;
        let client = HttpClient::new(&server.url).unwrap().bearer(text(&token, "accessToken")).unwrap();
        Self { controls, path: format!("/v2.0/vehicles/{vehicle}"), client }
    }

    async fn control(&self, server: &Server, name: &str, body: Value) {
        server.post(&format!("{}/{name}", self.controls), body).await;
    }

    async fn read(&self, path: &str) -> HttpAnswer {
        self.client.get(&format!("{}{path}", self.path)).await.unwrap()
    }

    async fn order(&self, path: &str, body: Value) -> HttpAnswer {
        let path = format!("{}{path}", self.path);
        let body = body.to_string().into_bytes();
        self.client.send(Method::POST, &path, Some("application/json"), body.into()).await.unwrap()
    }

    /// A member of a read's body.
    async fn value(&self, path: &str, member: &str) -> Value {
        let answer = self.read(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()[member].clone()
    }

    /// `success`, or the code of the error.
    async fn told(&self, path: &str, body: Value) -> String {
        let answer = self.order(path, body).await;
        let json = answer.json();
        let word = if answer.status == 200 { &json["status"] } else { &json["code"] };
        word.as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_car_answers_everything_with_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let car =
        Car::connect(&server, json!({"make": "Tesla", "model": "Model 3", "profile": "charging"})).await;
    for (kind, code, status, resolution) in ERRORS {
        car.control(&server, "fail", json!({"error": {"type": kind, "code": code}})).await;
        for answer in [
            car.read("/odometer").await,
            car.read("/tesla/charge").await,
            car.read("/tesla/alerts").await,
            car.order("/security", json!({"action": "LOCK"})).await,
            car.order("/charge/limit", json!({"limit": 0.8})).await,
        ] {
            let body = answer.json();
            assert_eq!(answer.status, status, "{kind} {code}");
            assert_eq!((&body["type"], &body["code"]), (&json!(kind), &json!(code)));
            assert_eq!(body["resolution"]["type"], json!(resolution), "{kind} {code}");
        }
        let batch = car.order("/batch", json!({"requests": [{"path": "/"}, {"path": "/odometer"}]})).await;
        let codes: Vec<_> =
            batch.json()["responses"].as_array().unwrap().iter().map(|part| part["code"].clone()).collect();
        assert_eq!(codes, [json!(200), json!(status)]);
    }
    car.control(&server, "fail", json!({"error": null})).await;
    assert_eq!(car.read("/odometer").await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_change_what_is_read_next_and_the_simulation_decides_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let new =
        json!({"make": "Ford", "model": "Mustang Mach-E", "profile": "parked", "seed": 1, "started": false});
    let car = Car::connect(&server, new).await;
    let (lock, unlock) = (json!({"action": "LOCK"}), json!({"action": "UNLOCK"}));
    let (start, stop) = (json!({"action": "START"}), json!({"action": "STOP"}));
    assert_eq!(car.told("/security", lock.clone()).await, "ACCOUNT_ISSUE");
    car.control(&server, "start", Value::Null).await;

    assert_eq!(car.told("/security", unlock.clone()).await, "success");
    assert_eq!(car.value("/security", "isLocked").await, false);
    assert_eq!(car.told("/security", lock.clone()).await, "success");
    assert_eq!(car.value("/security", "isLocked").await, true);

    assert_eq!(car.told("/charge", start.clone()).await, "CHARGING_PLUG_NOT_CONNECTED");
    car.control(&server, "plug-in", Value::Null).await;
    assert_eq!(car.told("/charge/limit", json!({"limit": "1"})).await, "success");
    assert_eq!(car.value("/charge/limit", "limit").await, 1);
    assert_eq!(car.value("/charge", "state").await, "CHARGING");
    assert_eq!(car.told("/charge", stop.clone()).await, "success");
    assert_eq!(car.value("/charge", "state").await, "NOT_CHARGING");
    assert_eq!(car.value("/charge", "isPluggedIn").await, true);
    assert_eq!(car.told("/charge", stop).await, "NOT_CHARGING");
    assert_eq!(car.told("/charge", start.clone()).await, "success");
    car.control(&server, "jump", json!({"seconds": 86_400 * 3})).await;
    assert_eq!(car.told("/charge", start).await, "UNREACHABLE", "the simulation is over");
    car.control(&server, "profile", json!({"profile": "parked"})).await;
    let destination = json!({"latitude": 40.7, "longitude": -74});
    assert_eq!(car.told("/navigation/destination", destination.clone()).await, "success");
    car.control(&server, "pause", Value::Null).await;
    assert_eq!(car.told("/navigation/destination", destination).await, "UNREACHABLE");
    assert!(car.value("/odometer", "distance").await.as_f64().unwrap() > 0.0, "it goes on answering");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_jumps_to_its_charging_stage_is_read_as_charging() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let car = Car::connect(
        &server,
        json!({"make": "Ford", "model": "Mustang Mach-E", "profile": "day", "seed": 1}),
    )
    .await;
    assert_eq!(car.value("/charge", "state").await, "NOT_CHARGING");
    let listed = server.get(&format!("{}/stages", car.controls)).await;
    let stages = listed["items"].as_array().unwrap();
    let present = stages.iter().find(|stage| stage["now"] == true).unwrap();
    assert_eq!(server.get(&car.controls).await["state"]["stage"], present["activity"]);
    let charging = stages.iter().find(|stage| stage["activity"] == "charging").unwrap();
    car.control(&server, "jump", json!({"stage": charging["stage"]})).await;
    assert_eq!(server.get(&car.controls).await["state"]["stage"], "charging");
    assert_eq!(car.value("/charge", "state").await, "CHARGING");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_numbers_the_state_that_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let car = Car::connect(&server, json!({"make": "Tesla", "model": "Model 3"})).await;
    let error = json!({"type": "VEHICLE_STATE", "code": "UNKNOWN"});
    car.control(&server, "fail", json!({"error": error})).await;
    let second = car.read("/odometer").await.json();
    assert_eq!((&second["type"], &second["code"]), (&error["type"], &error["code"]));
    let path = format!("{}/odometer", car.path.replace("/v2.0/", "/v1.0/"));
    let first = car.client.get(&path).await.unwrap();
    assert_eq!(first.status, 409);
    let first = first.json();
    assert_eq!((&first["error"], &first["code"]), (&json!("vehicle_state_error"), &json!("VS_000")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_car_is_named_in_the_problem() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let new = json!({"make": "BYD", "model": "Seal"});
    let refused = server.admin(Method::POST, "/simulator/vehicles", &new).await;
    let problem = refused.json();
    assert_eq!((refused.status.as_u16(), &problem["field"]), (400, &json!("region")));
    let says = text(&problem, "detail");
    assert!(says.contains("not sold in US, but in EUROPE"), "{says}");
    server.post("/simulator/vehicles", json!({"make": "ALFA_ROMEO", "model": "Giulia"})).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sets_what_counts_in_connect() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let run = async |arguments: &[&str]| {
        let done = server.cli(&[&["app"], arguments, &["--json"]].concat()).await;
        assert_eq!(done.code, 0, "{}", done.errors);
        done.json()
    };
    let words = "read_odometer,required:read_vin";
    let made = run(&["create", "A", "--permissions", words, "--country", "DE"]).await;
    let both = json!({"permissions": ["required:read_vin", "read_odometer"], "country": "DE"});
    assert_eq!(made["connect"], both);
    let id = text(&made, "id");
    assert_eq!(run(&["edit", id, "--name", "B"]).await["connect"], both);
    let edited = run(&["edit", id, "--permissions", "", "--country", "FR"]).await;
    assert_eq!(edited["connect"], json!({"permissions": null, "country": "FR"}));
    assert_eq!(run(&["edit", id, "--country", ""]).await["connect"]["country"], Value::Null);
    let refused = server.cli(&["app", "edit", id, "--country", "XX"]).await;
    assert!(refused.code != 0 && refused.errors.contains("there are US, CA, AT"), "{}", refused.errors);
    server.stop().await;
}
