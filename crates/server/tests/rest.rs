//! The v2 API through the real binary, over the simulated fleet.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use base64::{Engine, prelude::BASE64_STANDARD};
use common::{Server, text};
use hyper::Method;
use lab::client::{HttpAnswer, HttpClient};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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

/// An answer as it came over the wire.
struct Raw {
    status: u16,
    /// Names as they were written.
    headers: Vec<(String, String)>,
    body: Value,
}

impl Raw {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// What every answer has.
    fn checked(self, request: &str) -> Self {
        for (name, _) in &self.headers {
            assert_eq!(*name, name.to_ascii_lowercase(), "{request}");
        }
        assert!(self.header("content-type").starts_with("application/json"), "{request}: {:?}", self.headers);
        let id = ["sc-request-id", "x-request-id"].map(|name| self.header(name).len());
        assert!(id.contains(&36), "{request}: {:?}", self.headers);
        self
    }

    /// What every error of the v2 form has.
    fn error(self, request: &str) -> Self {
        let body = self.body.as_object().unwrap();
        for member in ["type", "code", "description", "docURL", "statusCode", "requestId", "resolution"] {
            assert!(body.contains_key(member), "{request}: {}", self.body);
        }
        let resolution = body["resolution"].as_object().unwrap();
        assert!(resolution.contains_key("type") && resolution.get("url").is_none_or(Value::is_string));
        assert!(body.get("suggestedUserMessage").is_none_or(Value::is_string), "{request}");
        assert_eq!(body["statusCode"], self.status, "{request}");
        assert_eq!(body["requestId"], self.header("sc-request-id"), "{request}");
        self
    }
}

/// Sends a request that is written out, with a length if there is a body.
async fn raw(server: &Server, first: &str, headers: &[(&str, &str)], body: &str) -> Raw {
    let mut stream = TcpStream::connect(server.url.split_once("://").unwrap().1).await.unwrap();
    let mut request = format!("{first} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    let pair =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    Raw {
        status: status.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: headers.split("\r\n").map(pair).collect(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    }
    .checked(first)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sdks_demand_of_a_server_holds_point_by_point() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let application = server.post("/applications", json!({"name": "Fleet"})).await;
    let car = json!({"make": "Ford", "model": "Mustang Mach-E", "profile": "charging", "seed": 1});
    let car = server.post("/simulator/vehicles", car).await;
    let connect = json!({"applicationId": application["id"]});
    let linked = server.post(&format!("/simulator/vehicles/{}/connect", text(&car, "id")), connect).await;
    let vehicle = text(&linked, "vehicleId");
    let token = server.post(&format!("/vehicles/{vehicle}/access-token"), Value::Null).await;
    let bearer = format!("Bearer {}", text(&token, "accessToken"));
    let manager = format!("Bearer {}", text(&application, "managementToken"));
    let basic = |name: &str, password: &str| {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
    };
    let (id, secret) = (text(&application, "id"), text(&application, "clientSecret"));
    let (client, default) = (basic(id, secret), basic("default", text(&application, "managementToken")));
    let own = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let of = |path: &str| format!("/v2.0/vehicles/{vehicle}{path}");

    // Slashes at the end, JSON that is announced and not sent, and nothing but 200.
    for path in [
        "/v2.0/user",
        "/v2.0/vehicles",
        &of(""),
        &of("/odometer"),
        &of("/permissions"),
        &format!("/v3/vehicles/{vehicle}"),
    ] {
        for path in [path.to_owned(), format!("{path}/")] {
            assert_eq!(raw(&server, &format!("GET {path}"), &own, "").await.status, 200, "{path}");
        }
    }
    let by_vin =
        format!("GET /v2.0/compatibility/?vin={}&scope=read_odometer&country=US", text(&car["state"], "vin"));
    assert_eq!(raw(&server, &by_vin, &[("Authorization", &client)], "").await.status, 200);
    let connections = "GET /v2.0/management/connections/";
    assert_eq!(raw(&server, connections, &[("Authorization", &default)], "").await.status, 200);

    // A client names itself in one of three places; all three get as far as the token.
    let form = "grant_type=refresh_token&refresh_token=x";
    let named = format!("client_id={id}&client_secret={secret}");
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    for (path, headers, body) in [
        ("/oauth/token", vec![kind, ("Authorization", client.as_str())], form.to_owned()),
        ("/oauth/token/", vec![kind], format!("{form}&{named}")),
        (&format!("/oauth/token?{named}"), vec![kind], form.to_owned()),
    ] {
        let answer = raw(&server, &format!("POST {path}"), &headers, &body).await;
        assert_eq!(
            (answer.status, text(&answer.body, "error_description")),
            (400, "Invalid refresh_token: x.")
        );
    }

    // Errors are JSON, too, and complete.
    let wrong = [("Authorization", "Bearer wrong")];
    for (first, headers, status) in [
        ("GET /v2.0/user".to_owned(), &wrong[..], 401),
        ("GET /v2.0/user".to_owned(), &[], 401),
        ("OPTIONS /v2.0/user".to_owned(), &own, 404),
        ("GET /v2.0/teapot".to_owned(), &own, 404),
        ("GET /version/user".to_owned(), &own, 404),
        ("GET /v2.0/vehicles/bad_id/odometer".to_owned(), &own, 400),
        (format!("GET /v2.0/vehicles/{}/odometer", common::UNKNOWN), &own, 403),
        (format!("GET {}", of("/fuel")), &own, 501),
        (format!("GET {}", of("/TESLA/battery")), &own, 403),
    ] {
        let answer = raw(&server, &first, headers, "").await.error(&first);
        assert_eq!(answer.status, status, "{first}: {}", answer.body);
    }

    // Moments have three digits behind the second; numbers are numbers.
    let odometer = raw(&server, &format!("GET {}", of("/odometer")), &own, "").await;
    for name in ["sc-data-age", "sc-fetched-at"] {
        let moment = odometer.header(name);
        assert!(moment.len() == 24 && moment.ends_with('Z') && &moment[19..20] == ".", "{name}: {moment}");
    }
    assert!(odometer.body["distance"].is_number());
    assert!(raw(&server, &format!("GET {}", of("")), &own, "").await.body["year"].is_u64());
    for limit in [r#"{"limit":0.8}"#, r#"{"limit":"0.9"}"#] {
        let answer = raw(&server, &format!("POST {}", of("/charge/limit")), &own, limit).await;
        assert_eq!((answer.status, text(&answer.body, "status")), (200, "success"), "{limit}");
    }
    assert!(raw(&server, &format!("GET {}", of("/service/history")), &own, "").await.body.is_array());
    let v3 = raw(&server, &format!("GET /v3/vehicles/{vehicle}"), &own, "").await;
    assert_eq!(text(&v3.body, "id"), vehicle, "the first shape of v3 has no envelope");

    // A body that says nothing.
    let disconnect = format!("DELETE {}", of("/application"));
    let headers = [("Authorization", manager.as_str()), ("Content-Type", "application/json")];
    let gone = raw(&server, &disconnect, &headers, "{}").await;
    assert_eq!((gone.status, text(&gone.body, "status")), (200, "success"));
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
