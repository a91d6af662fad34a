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
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> HttpAnswer {
        let path = format!("{}{path}", self.path);
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        self.client.send(method, &path, Some("application/json"), body.into()).await.unwrap()
    }

    /// The body of an answer with 200.
    async fn done(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.send(method, path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
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
    assert_eq!(car.told("/charge", stop).await, "success", "it does not charge already");
    assert_eq!(car.value("/charge", "state").await, "NOT_CHARGING");
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

/// What a command answers whose effect is read elsewhere.
fn sent() -> Value {
    json!({"status": "success", "message": "Successfully sent request to vehicle"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_car_obeys_every_core_command_and_says_so_in_the_words_that_clients_compare() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let car = Car::connect(&server, json!({"make": "Ford", "model": "Mustang Mach-E"})).await;
    assert_eq!(car.value("/charge", "isPluggedIn").await, true);
    assert!(car.value("/battery", "percentRemaining").await.as_f64().unwrap() < 0.5);
    let (start, stop) = (json!({"action": "START"}), json!({"action": "STOP"}));
    for (path, body, read, member, value) in [
        ("/charge", start.clone(), "/charge", "state", json!("CHARGING")),
        ("/charge", start, "/charge", "state", json!("CHARGING")),
        ("/charge", stop.clone(), "/charge", "state", json!("NOT_CHARGING")),
        ("/charge", stop, "/charge", "isPluggedIn", json!(true)),
        ("/charge/limit", json!({"limit": 0.7}), "/charge/limit", "limit", json!(0.7)),
        ("/charge/limit", json!({"limit": "0.9"}), "/charge/limit", "limit", json!(0.9)),
        ("/security", json!({"action": "UNLOCK"}), "/security", "isLocked", json!(false)),
        ("/security", json!({"action": "UNLOCK"}), "/security", "isLocked", json!(false)),
        ("/security", json!({"action": "LOCK"}), "/security", "isLocked", json!(true)),
        (
            "/navigation/destination",
            json!({"latitude": 40.7, "longitude": -74}),
            "/security",
            "isLocked",
            json!(true),
        ),
    ] {
        assert_eq!(car.done(Method::POST, path, body.clone()).await, sent(), "{path} {body}");
        assert_eq!(car.value(read, member).await, value, "{path} {body}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_brands_are_done_and_read_next() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let tesla = Car::connect(&server, json!({"make": "Tesla", "model": "Model 3"})).await;
    let post = async |path: &str, body: Value| tesla.done(Method::POST, path, body).await;

    let cabin = "/tesla/climate/cabin";
    let warm = json!({"status": "ON", "temperature": 24});
    assert_eq!(post(cabin, json!({"action": "START", "temperature": 24})).await, warm);
    assert_eq!(tesla.read(cabin).await.json(), warm);
    assert_eq!(post(cabin, json!({"action": "SET", "temperature": "20"})).await["temperature"], 20);
    assert_eq!(post(cabin, json!({"action": "STOP"})).await, json!({"status": "OFF", "temperature": 20}));
    let imperial = tesla.client.with_header("sc-unit-system", "imperial").unwrap();
    let body = json!({"action": "SET", "temperature": 68}).to_string().into_bytes();
    let path = format!("{}{cabin}", tesla.path);
    let answer = imperial.send(Method::POST, &path, Some("application/json"), body.into()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("sc-unit-system")), (200, Some("imperial")));
    assert_eq!(tesla.value(cabin, "temperature").await, 20);

    for (path, member) in
        [("/tesla/climate/defroster", "frontStatus"), ("/tesla/climate/steering_wheel", "status")]
    {
        assert_eq!(post(path, json!({"action": "START"})).await, json!({"status": "START"}));
        assert_eq!(tesla.value(path, member).await, "ON", "{path}");
        assert_eq!(post(path, json!({"action": "STOP"})).await, json!({"status": "STOP"}));
        assert_eq!(tesla.value(path, member).await, "OFF", "{path}");
    }

    let message = "Successfully sent the following amperage: 16";
    let ammeter = "/tesla/charge/ammeter";
    assert_eq!(
        post(ammeter, json!({"amperage": 16})).await,
        json!({"status": "success", "message": message})
    );
    assert_eq!(tesla.value(ammeter, "amperage").await, 16);
    assert_eq!(tesla.value("/tesla/charge", "amperageRequested").await, 16);
    let most = post(ammeter, json!({"amperage": 999})).await;
    assert!(!text(&most, "message").contains("999"), "{most}");

    let schedule = json!({"departureTime": {"enabled": false, "time": null}, "startTime": {"enabled": true, "time": "23:30"}});
    let set = json!({"type": "START_TIME", "enable": true, "time": "23:30"});
    assert_eq!(post("/tesla/charge/schedule", set).await, schedule);
    assert_eq!(tesla.read("/tesla/charge/schedule").await.json(), schedule);

    for (action, open) in [("CLOSE", false), ("OPEN", true)] {
        assert_eq!(post("/tesla/charge/charge_port_door", json!({"action": action})).await, sent());
        assert_eq!(tesla.value("/tesla/charge", "chargePortOpen").await, open);
        assert_eq!(post("/tesla/security/trunk", json!({"action": action})).await, sent());
        let storage = tesla.value("/security", "storage").await;
        let rear = storage.as_array().unwrap().iter().find(|one| one["type"] == "rear").unwrap();
        assert_eq!(rear["status"], if open { "OPEN" } else { "CLOSED" });
    }
    assert_eq!(post("/tesla/security/frunk", json!({"action": "OPEN"})).await, sent());
    assert_eq!(post("/tesla/pin", json!({"pin": "1234"})).await, sent());
    assert_eq!(tesla.done(Method::DELETE, "/tesla/pin", Value::Null).await, sent());
    assert_eq!(tesla.done(Method::DELETE, "/tesla/pin", json!({})).await, sent());

    let nissan = Car::connect(&server, json!({"make": "Nissan", "model": "Leaf"})).await;
    let schedules =
        json!({"chargeSchedules": [{"start": "08:00", "end": "12:00", "days": ["MONDAY", "FRIDAY"]}]});
    assert_eq!(nissan.done(Method::PUT, "/nissan/charge/schedule", schedules.clone()).await, sent());
    assert_eq!(nissan.read("/nissan/charge/schedule").await.json(), schedules);

    let ford = Car::connect(&server, json!({"make": "Ford", "model": "Mustang Mach-E"})).await;
    let by_location = "/ford/charge/schedule_by_location";
    let places = ford.value(by_location, "chargingLocations").await;
    let place = &places[0]["location"];
    let at = format!("{by_location}?latitude={}&longitude={}", place["latitude"], place["longitude"]);
    let hours = json!({"weekday": [{"start": "09:00", "end": "17:00"}], "weekend": []});
    let body = json!({"chargingLocation": {"chargeLimit": 0.9, "chargingWindows": hours}});
    assert_eq!(ford.done(Method::PUT, &at, body.clone()).await, sent());
    let set = ford.value(by_location, "chargingLocations").await;
    assert_eq!((&set[0]["chargeLimit"], &set[0]["chargingSchedules"]), (&json!(0.9), &hours));

    // What is wrong is said as for every request.
    let error = async |car: &Car, method: Method, path: &str, body: Value| {
        let answer = car.send(method, path, body).await;
        let error = answer.json();
        (answer.status.as_u16(), text(&error, "type").to_owned(), error["code"].clone())
    };
    let is = |status: u16, kind: &str, code: Value| (status, kind.to_owned(), code);
    let path = Value::from("PATH");
    assert_eq!(
        error(&tesla, Method::POST, "/tesla/teapot", json!({})).await,
        is(404, "RESOURCE_NOT_FOUND", path.clone())
    );
    assert_eq!(
        error(&tesla, Method::PUT, ammeter, json!({"amperage": 16})).await,
        is(404, "RESOURCE_NOT_FOUND", path.clone())
    );
    assert_eq!(
        error(&tesla, Method::DELETE, "/odometer", Value::Null).await,
        is(404, "RESOURCE_NOT_FOUND", path)
    );
    let shouted = "/TESLA/charge/ammeter";
    assert_eq!(
        error(&tesla, Method::POST, shouted, json!({"amperage": 16})).await,
        is(403, "PERMISSION", Value::Null)
    );
    assert_eq!(
        error(&tesla, Method::POST, ammeter, json!({"amps": 16})).await,
        is(400, "VALIDATION", Value::Null)
    );
    let other = is(501, "COMPATIBILITY", "VEHICLE_NOT_CAPABLE".into());
    assert_eq!(error(&ford, Method::POST, ammeter, json!({"amperage": 16})).await, other);
    let elsewhere = format!("{by_location}?latitude=1&longitude=1");
    assert_eq!(error(&ford, Method::PUT, &elsewhere, body).await, is(400, "VALIDATION", "PARAMETER".into()));
    tesla.control(&server, "unplug", Value::Null).await;
    let unplugged = is(409, "VEHICLE_STATE", "CHARGING_PLUG_NOT_CONNECTED".into());
    assert_eq!(error(&tesla, Method::POST, ammeter, json!({"amperage": 16})).await, unplugged);
    let vehicle = tesla.path.rsplit('/').next().unwrap();
    let few = json!({"permissions": ["read_charge"]});
    server.admin(Method::PUT, &format!("/vehicles/{vehicle}/permissions"), &few).await;
    assert_eq!(
        error(&tesla, Method::POST, ammeter, json!({"amperage": 16})).await,
        is(403, "PERMISSION", Value::Null)
    );
    server.stop().await;
}

/// Every path below a vehicle that is read, with those of the car's brand.
fn reads(brand: &str) -> Vec<String> {
    let core =
        domain::signal::Endpoint::ALL.iter().map(|endpoint| endpoint.path().trim_end_matches('/').to_owned());
    let of_brand = domain::signal::BrandRead::all().filter(|read| read.brand() == brand);
    core.chain(of_brand.map(|read| read.path().to_owned())).chain(["/permissions".to_owned()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_answers_whatever_way_a_client_writes_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let car = Car::connect(&server, json!({"make": "Tesla", "model": "Model 3"})).await;
    let vehicle = car.path.rsplit('/').next().unwrap().to_owned();
    let token = server.post(&format!("/vehicles/{vehicle}/access-token"), Value::Null).await;
    let bearer = format!("Bearer {}", text(&token, "accessToken"));
    let plain = [("Authorization", bearer.as_str())];
    let typed = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json; charset=utf-8"),
        ("accept", "*/*"),
        ("sc-unit-system", "imperial"),
        ("sc-user-id", "0190a8c8-0000-7000-8000-000000000000"),
    ];
    for path in reads("tesla") {
        let path = format!("{}{path}", car.path);
        let answer = raw(&server, &format!("GET {path}"), &plain, "").await;
        let status = answer.status;
        // A car without a tank, or one that does not tell something, says that it is not capable; nothing else fails.
        assert!([200, 501].contains(&status), "{path}: {status} {}", answer.body);
        if status == 501 {
            answer.error(&path);
        } else if !answer.header("sc-fetched-at").is_empty() {
            for name in ["sc-data-age", "sc-fetched-at"] {
                let moment = answer.header(name);
                assert!(
                    moment.is_empty() || moment.len() == 24 && moment.ends_with('Z'),
                    "{path} {name}: {moment}"
                );
            }
        }
        for request in [
            format!("GET {path}/"),
            format!("GET {path}?flags=x&unknown=1&limit=undefined"),
            format!("HEAD {path}"),
        ] {
            assert_eq!(raw(&server, &request, &typed, "").await.status, status, "{request}");
        }
        for method in ["PUT", "PATCH", "OPTIONS"] {
            let answer = raw(&server, &format!("{method} {path}"), &plain, "").await.error(&path);
            assert_eq!((answer.status, &answer.body["code"]), (404, &json!("PATH")), "{method} {path}");
        }
        assert_eq!(raw(&server, &format!("GET {path}"), &[], "").await.error(&path).status, 401, "{path}");
    }
    server.stop().await;
}
