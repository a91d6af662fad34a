//! The v2 API as its clients see it, over cars that say one thing and do all that they are told.

use std::time::Duration;

use app::Plan;
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use domain::{
    errors::ErrorCode,
    limits::Limit,
    signal::{self, BrandRead, Endpoint, IS_CHARGING},
    vehicle::{Command, Fault},
};
use expect_test::expect;
use serde_json::{Value, json};

use crate::testing::{Answered, Server, Tenant};

const UNKNOWN: &str = "0190a8c8-0000-7000-8000-000000000000";

/// Who may use an endpoint.
#[derive(Clone, Copy, PartialEq)]
enum Door {
    Owner,
    Manager,
}

/// Every endpoint below a vehicle, with a body that it takes.
fn endpoints() -> Vec<(Method, String, Value, Door)> {
    let core = Endpoint::ALL.iter().map(|endpoint| endpoint.path().trim_end_matches('/').to_owned());
    let brands = BrandRead::all().map(|read| read.path().to_owned());
    let shouted =
        BrandRead::all().map(|read| read.path().replacen(read.brand(), &read.brand().to_uppercase(), 1));
    let reads = core.chain(brands).chain(shouted).chain(["/permissions".into()]);
    let mut all: Vec<_> = reads.map(|path| (Method::GET, path, Value::Null, Door::Owner)).collect();
    for (path, body) in [
        ("/security", json!({"action": "LOCK"})),
        ("/charge", json!({"action": "START"})),
        ("/charge/limit", json!({"limit": 0.8})),
        ("/navigation/destination", json!({"latitude": 1, "longitude": 2})),
        ("/batch", json!({"requests": [{"path": "/odometer"}]})),
    ] {
        all.push((Method::POST, path.to_owned(), body, Door::Owner));
    }
    all.push((Method::DELETE, "/application".into(), Value::Null, Door::Owner));
    all.push((Method::DELETE, "/application".into(), json!({}), Door::Manager));
    all
}

fn below(vehicle: &str, path: &str) -> String {
    format!("/v2.0/vehicles/{vehicle}{path}")
}

fn token(tenant: &Tenant, door: Door) -> &str {
    match door {
        Door::Owner => &tenant.access_token,
        Door::Manager => &tenant.management_token,
    }
}

/// Status, type and code of an error that is complete.
#[track_caller]
fn error(answered: &Answered) -> (u16, String, Value) {
    let body = answered.json();
    assert_eq!(body["requestId"], answered.headers["sc-request-id"].to_str().unwrap());
    assert_eq!(body["statusCode"], answered.status.as_u16());
    assert_eq!(answered.headers["content-type"], "application/json");
    assert!(body["docURL"].is_string() && body["description"].is_string(), "{body}");
    let resolution = body["resolution"].as_object().unwrap();
    assert!(resolution.contains_key("type") && resolution.get("url").is_none_or(Value::is_string), "{body}");
    assert!(body.get("suggestedUserMessage").is_none_or(Value::is_string), "{body}");
    assert!(body.as_object().unwrap().contains_key("code"), "{body}");
    (answered.status.as_u16(), answered.text("type"), body["code"].clone())
}

#[track_caller]
fn check(answered: &Answered, status: u16, kind: &str, code: &Value) {
    assert_eq!(error(answered), (status, kind.to_owned(), code.clone()), "{}", answered.body);
}

impl Server {
    async fn read(&self, tenant: &Tenant, path: &str) -> Answered {
        self.request(Method::GET, &below(&tenant.vehicle, path), &tenant.access_token, Value::Null).await
    }

    async fn order(&self, tenant: &Tenant, path: &str, body: Value) -> Answered {
        self.request(Method::POST, &below(&tenant.vehicle, path), &tenant.access_token, body).await
    }

    async fn batch(&self, tenant: &Tenant, paths: &[&str]) -> Answered {
        let requests: Vec<_> = paths.iter().map(|path| json!({"path": path})).collect();
        self.order(tenant, "/batch", json!({"requests": requests})).await
    }

    async fn permit(&self, tenant: &Tenant, permissions: &[&str]) {
        let path = format!("/vehicles/{}/permissions", tenant.vehicle);
        self.admin(Method::PUT, &path, json!({"permissions": permissions})).await.expect(200);
    }

    async fn basic(&self, method: Method, path: &str, name: &str, password: &str) -> Answered {
        let credentials = BASE64_STANDARD.encode(format!("{name}:{password}"));
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn vehicles_of_others_are_answered_like_unknown_ones_at_every_endpoint() {
    let server = Server::new().await;
    let (own, other) = (server.tenant("A").await, server.tenant("B").await);
    for (method, path, body, door) in endpoints() {
        let answered = async |vehicle: &str| {
            let path = below(vehicle, &path);
            server.request(method.clone(), &path, token(&own, door), body.clone()).await
        };
        let (foreign, unknown) = (answered(&other.vehicle).await, answered(UNKNOWN).await);
        check(&foreign, 403, "PERMISSION", &Value::Null);
        let told = |answered: Answered| {
            let id = answered.headers["sc-request-id"].to_str().unwrap().to_owned();
            answered.body.replace(&id, "")
        };
        assert_eq!(told(foreign), told(unknown), "{method} {path}");
    }
    let listed = server.read(&other, "").await;
    assert_eq!(listed.expect(200).text("id"), other.vehicle, "nothing was disconnected");
}

#[tokio::test]
async fn who_asks_is_checked_before_the_path_and_the_path_before_the_id() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    for (method, path, body, door) in endpoints() {
        for wrong in ["", "wrong", &tenant.client_secret] {
            let path = below("bad_id", &path);
            let answered = server.request(method.clone(), &path, wrong, body.clone()).await;
            check(&answered, 401, "AUTHENTICATION", &Value::Null);
        }
        let token = token(&tenant, door);
        let answered = server.request(method.clone(), &below("bad_id", &path), token, body.clone()).await;
        check(&answered, 400, "VALIDATION", &Value::Null);
        assert_eq!(answered.json()["detail"][0]["field"], "vehicleId", "{method} {path}");
    }
    for (method, path) in [
        (Method::GET, "/v2.0/vehicles/bad_id/teapot"),
        (Method::POST, "/v2.0/vehicles/bad_id/odometer"),
        (Method::PUT, "/v2.0/vehicles/bad_id/charge"),
        (Method::POST, "/v2.0/user"),
        (Method::GET, "/v2.0/teapot"),
    ] {
        let answered = server.request(method.clone(), path, &tenant.access_token, json!({})).await;
        check(&answered, 404, "RESOURCE_NOT_FOUND", &json!("PATH"));
        let answered = server.request(method, path, "wrong", json!({})).await;
        check(&answered, 401, "AUTHENTICATION", &Value::Null);
    }
}

#[tokio::test]
async fn a_read_is_answered_with_its_age_its_units_and_one_look_at_the_car() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    server.clock.pass(Duration::from_millis(1_500));
    let answered = server.read(&tenant, "/odometer/").await.expect(200);
    assert_eq!(answered.body, r#"{"distance":100.5}"#);
    assert_eq!(answered.headers["sc-data-age"], "2026-03-02T12:00:00.000Z");
    assert_eq!(answered.headers["sc-fetched-at"], "2026-03-02T12:00:01.500Z");
    assert_eq!(answered.headers["sc-unit-system"], "metric");
    assert_eq!(answered.headers["content-type"], "application/json");
    assert_eq!(answered.headers["sc-request-id"].len(), 36);
    assert_eq!(server.cars.reads(), 1);

    let answered = server.read(&tenant, "").await.expect(200);
    assert_eq!(answered.json()["make"], "TESLA");
    assert_eq!(answered.headers.keys().filter(|name| name.as_str().starts_with("sc-")).count(), 1);
    assert_eq!(server.cars.reads(), 1, "the record of the vehicle needs no look at it");

    let answered = server.read(&tenant, "/tesla/alerts").await.expect(200);
    assert_eq!(answered.body, r#"{"alerts":[]}"#);
    assert_eq!(answered.headers["sc-data-age"], "2026-03-02T12:00:00.000Z");
    check(&server.read(&tenant, "/tesla/speedometer").await, 502, "UPSTREAM", &json!("INVALID_DATA"));

    let imperial = |system: &'static str| {
        let request = Request::get(below(&tenant.vehicle, "/odometer")).header("SC-Unit-System", system);
        let authorization = format!("Bearer {}", tenant.access_token);
        request.header(header::AUTHORIZATION, authorization).body(Body::empty()).unwrap()
    };
    let answered = server.send(imperial("imperial")).await.expect(200);
    assert_eq!(answered.body, r#"{"distance":62.45}"#);
    assert_eq!(answered.headers["sc-unit-system"], "imperial");
    check(&server.send(imperial("roman")).await, 400, "VALIDATION", &json!("PARAMETER"));
}

#[tokio::test]
async fn what_a_read_brings_is_known_to_webhooks_too() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    server.read(&tenant, "/odometer").await.expect(200);
    let document = server.app.document(tenant.vehicle.parse().unwrap()).await.unwrap();
    assert_eq!(document.value(domain::signal::ODOMETER), Some(&domain::signal::Value::Number(100.5)));
    server.cars.fail(Some(ErrorCode::VEHICLE_STATE_ASLEEP.into()));
    server.read(&tenant, "/odometer").await.expect(409);
    let document = server.app.document(tenant.vehicle.parse().unwrap()).await.unwrap();
    assert_eq!(document.watching.source_fault, Some(ErrorCode::VEHICLE_STATE_ASLEEP));
}

#[tokio::test]
async fn every_error_of_the_catalogue_is_answered_with_its_status_and_what_helps() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    for code in ErrorCode::all() {
        let retry_after = (code == ErrorCode::RATE_LIMIT_VEHICLE).then_some(Duration::from_millis(59_500));
        server.cars.fail(Some(Fault { code, retry_after }));
        let read = server.read(&tenant, "/odometer").await;
        let ordered = server.order(&tenant, "/security", json!({"action": "LOCK"})).await;
        let of_brand = server.read(&tenant, "/tesla/migration").await;
        for answered in [read, ordered, of_brand] {
            check(&answered, code.status(), code.kind(), &json!(code.code()));
            assert_eq!(answered.json()["resolution"]["type"], json!(code.resolution().as_str()), "{code}");
            let linked = [
                ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED,
                ErrorCode::CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED,
            ];
            assert_eq!(answered.json()["resolution"].get("url").is_some(), linked.contains(&code), "{code}");
            let waits = answered.headers.get("retry-after").map(|value| value.to_str().unwrap());
            assert_eq!(waits, retry_after.map(|_| "60"), "{code}");
        }
    }
}

#[tokio::test]
async fn capability_comes_before_permission_and_permission_before_the_car() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    server.permit(&tenant, &["read_vin"]).await;
    server.cars.fail(Some(ErrorCode::VEHICLE_STATE_ASLEEP.into()));
    for path in ["/fuel", "/engine/oil", "/audi/charge", "/chevrolet/charge/voltmeter"] {
        check(&server.read(&tenant, path).await, 501, "COMPATIBILITY", &json!("VEHICLE_NOT_CAPABLE"));
    }
    for path in ["/odometer", "/battery", "/tesla/battery", "/TESLA/battery", "/AUDI/charge", ""] {
        check(&server.read(&tenant, path).await, 403, "PERMISSION", &Value::Null);
    }
    let answered = server.order(&tenant, "/security", json!({"action": "LOCK"})).await;
    check(&answered, 403, "PERMISSION", &Value::Null);
    check(&server.read(&tenant, "/vin").await, 409, "VEHICLE_STATE", &json!("ASLEEP"));
    let answered = server.read(&tenant, "/permissions").await.expect(200);
    assert_eq!(answered.json(), json!({"permissions": ["read_vin"], "paging": {"count": 1, "offset": 0}}));
}

#[tokio::test]
async fn nothing_is_read_or_done_without_its_permission_at_any_endpoint() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    server.permit(&tenant, &["read_vin"]).await;
    let free = ["/vin", "/permissions", "/batch", "/application"];
    for (method, path, body, _) in
        endpoints().into_iter().filter(|(_, path, ..)| !free.contains(&path.as_str()))
    {
        let below = below(&tenant.vehicle, &path);
        let answered = server.request(method.clone(), &below, &tenant.access_token, body).await;
        let (status, kind, _) = error(&answered);
        assert!(
            matches!((status, kind.as_str()), (403, "PERMISSION") | (501, "COMPATIBILITY")),
            "{method} {path}: {status}"
        );
        if method == Method::GET {
            let paths = [if path.is_empty() { "/" } else { &path }];
            let part = server.batch(&tenant, &paths).await.expect(200).json()["responses"][0].clone();
            assert_eq!(
                (part["code"].as_u64(), &part["body"]["type"]),
                (Some(status.into()), &json!(kind)),
                "{path}"
            );
        }
    }
    assert_eq!(server.cars.reads(), 0, "no car was asked");
    assert_eq!(server.cars.told(), [], "no car was told anything");
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order_with_one_look_at_the_car() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    server.permit(&tenant, &["read_odometer", "read_vehicle_info", "read_fuel"]).await;
    let paths = ["/odometer/", "/location", "/", "/fuel", "/odometer", "/permissions"];
    let answered = server.batch(&tenant, &paths).await.expect(200);
    let id = answered.headers["sc-request-id"].to_str().unwrap();
    let mut summary = String::new();
    for response in answered.json()["responses"].as_array().unwrap() {
        let body = response["body"].to_string().replace(id, "ID").replace(&tenant.vehicle, "VEHICLE");
        summary += &format!("{} {} {}\n  {body}\n", response["path"], response["code"], response["headers"]);
    }
    expect![[r#"
        "/odometer/" 200 {"sc-data-age":"2026-03-02T12:00:00.000Z","sc-fetched-at":"2026-03-02T12:00:00.000Z","sc-unit-system":"metric"}
          {"distance":100.5}
        "/location" 403 {}
          {"type":"PERMISSION","code":null,"description":"Your application has insufficient permissions to access the requested resource. Please prompt the user to re-authenticate using Smartcar Connect.","docURL":"https://milepost.example/docs/errors/permission-errors#null","statusCode":403,"requestId":"ID","resolution":{"type":"REAUTHENTICATE"},"suggestedUserMessage":"Please connect your car again and allow access to the data that this app asks for."}
        "/" 200 {}
          {"id":"VEHICLE","make":"TESLA","model":"Model 3","year":2026}
        "/fuel" 501 {}
          {"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","description":"The vehicle does not have this feature; asking again will not help.","docURL":"https://milepost.example/docs/errors/compatibility-errors#vehicle-not-capable","statusCode":501,"requestId":"ID","resolution":{"type":null},"suggestedUserMessage":"Your car does not have this feature."}
        "/odometer" 200 {"sc-data-age":"2026-03-02T12:00:00.000Z","sc-fetched-at":"2026-03-02T12:00:00.000Z","sc-unit-system":"metric"}
          {"distance":100.5}
        "/permissions" 200 {}
          {"permissions":["read_vehicle_info","read_odometer","read_fuel"],"paging":{"count":3,"offset":0}}
    "#]]
    .assert_eq(&summary);
    assert_eq!(server.cars.reads(), 1);
}

#[tokio::test]
async fn a_batch_with_a_path_that_there_is_not_fails_whole() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    for paths in [&["/odometer", "/LOCATIONNN"][..], &["odometer"], &["/batch"], &[], &["/odometer"; 101]] {
        check(&server.batch(&tenant, paths).await, 400, "VALIDATION", &Value::Null);
    }
    for body in [Value::Null, json!([]), json!({}), json!({"requests": ["/odometer"]})] {
        check(&server.order(&tenant, "/batch", body).await, 400, "VALIDATION", &Value::Null);
    }
    assert_eq!(server.cars.reads(), 0);
}

#[tokio::test]
async fn a_car_that_fails_in_a_batch_fails_where_it_is_asked() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let fault = Fault { code: ErrorCode::RATE_LIMIT_VEHICLE, retry_after: Some(Duration::from_secs(30)) };
    server.cars.fail(Some(fault));
    let answered = server.batch(&tenant, &["/", "/odometer", "/tesla/alerts"]).await.expect(200);
    let json = answered.json();
    let codes: Vec<_> = json["responses"].as_array().unwrap().iter().map(|part| &part["code"]).collect();
    assert_eq!(codes, [200, 429, 429]);
    assert_eq!(json["responses"][1]["headers"], json!({"retry-after": "30"}));
}

#[tokio::test]
async fn a_command_is_done_once_and_what_it_changes_is_kept() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    for (path, body) in [
        ("/security", json!({"action": "LOCK"})),
        ("/security/", json!({"action": "UNLOCK"})),
        ("/charge", json!({"action": "START"})),
        ("/charge", json!({"action": "STOP"})),
        ("/charge/limit", json!({"limit": 0.5})),
        ("/charge/limit", json!({"limit": "0.7"})),
        ("/navigation/destination", json!({"latitude": 40.7, "longitude": -74})),
    ] {
        let answered = server.order(&tenant, path, body).await.expect(200).json();
        assert!(answered["status"] == "success" && answered["message"].is_string(), "{answered}");
    }
    let told = [
        Command::Lock,
        Command::Unlock,
        Command::StartCharge,
        Command::StopCharge,
        Command::ChargeLimit(50.0),
        Command::ChargeLimit(70.0),
        Command::Destination { latitude: 40.7, longitude: -74.0 },
    ];
    assert_eq!(server.cars.told(), told);
    let row = server.app.vehicle(tenant.vehicle.parse().unwrap(), None).await.unwrap();
    assert!(row.source.spec.ends_with(b"!!!!!!!"));
}

#[tokio::test]
async fn a_command_that_is_malformed_or_out_of_range_reaches_no_car() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    for (path, body, code, field) in [
        ("/security", json!({"action": "lock"}), Value::Null, "action"),
        ("/charge", json!({}), Value::Null, "action"),
        ("/charge/limit", json!({"limit": "x"}), Value::Null, "limit"),
        ("/charge/limit", json!({"limit": 0.49}), json!("PARAMETER"), "limit"),
        ("/charge/limit", json!({"limit": 1.01}), json!("PARAMETER"), "limit"),
        ("/navigation/destination", json!({"latitude": 1}), Value::Null, "longitude"),
        ("/navigation/destination", json!({"latitude": 91, "longitude": 0}), json!("PARAMETER"), "latitude"),
    ] {
        let answered = server.order(&tenant, path, body).await;
        check(&answered, 400, "VALIDATION", &code);
        assert_eq!(answered.json()["detail"][0]["field"], field);
    }
    check(&server.order(&tenant, "/security", Value::Null).await, 400, "VALIDATION", &Value::Null);
    assert_eq!(server.cars.told(), []);
}

#[tokio::test]
async fn the_owner_and_the_vehicles_of_a_token_are_listed_in_pages() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let second = server.pushed_vehicle(&tenant, "BMW").await;
    let get = async |path: &str| server.request(Method::GET, path, &tenant.access_token, Value::Null).await;
    assert_eq!(get("/v2.0/user/").await.expect(200).json(), json!({"id": tenant.user}));
    let both = json!({"vehicles": [tenant.vehicle, second], "paging": {"count": 2, "offset": 0}});
    assert_eq!(get("/v2.0/vehicles").await.expect(200).json(), both);
    let page = get("/v2.0/vehicles/?limit=1&offset=1&flags=x").await.expect(200).json();
    assert_eq!(page, json!({"vehicles": [second], "paging": {"count": 2, "offset": 1}}));
    let page = get("/v2.0/vehicles?offset=7").await.expect(200).json();
    assert_eq!(page, json!({"vehicles": [], "paging": {"count": 2, "offset": 7}}));
    for wrong in ["limit=0", "limit=51", "limit=x", "offset=-1", "limit=1&limit=2"] {
        check(&get(&format!("/v2.0/vehicles?{wrong}")).await, 400, "VALIDATION", &Value::Null);
    }
}

#[tokio::test]
async fn a_disconnected_vehicle_is_gone() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let path = below(&tenant.vehicle, "/application");
    let answered = server.request(Method::DELETE, &path, &tenant.access_token, json!({})).await.expect(200);
    assert_eq!(answered.body, r#"{"status":"success"}"#);
    check(&server.read(&tenant, "/odometer").await, 403, "PERMISSION", &Value::Null);
    let answered = server.request(Method::DELETE, &path, &tenant.management_token, Value::Null).await;
    check(&answered, 403, "PERMISSION", &Value::Null);
    let other = server.tenant("B").await;
    let path = below(&other.vehicle, "/application");
    server.request(Method::DELETE, &path, &other.management_token, Value::Null).await.expect(200);
}

#[tokio::test]
async fn errors_of_the_first_version_have_its_form() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    server.permit(&tenant, &["read_vin"]).await;
    let get = async |path: &str| server.request(Method::GET, path, &tenant.access_token, Value::Null).await;
    let answered = get("/v1.0/vehicles/bad_id/odometer").await.expect(400);
    let id = answered.headers["sc-request-id"].to_str().unwrap().to_owned();
    expect![[r#"{"statusCode":400,"error":"validation_error","message":"The request, an id in it or its body is malformed.","requestId":"ID"}"#]]
        .assert_eq(&answered.body.replace(&id, "ID"));
    let answered = get(&format!("/v1.0/vehicles/{}/odometer", tenant.vehicle)).await.expect(403);
    assert_eq!(answered.json()["error"], "permission_error");
    assert!(answered.json().get("code").is_none());
    let path = format!("/v1.0/vehicles/{}/batch", tenant.vehicle);
    let part = json!({"requests": [{"path": "/odometer"}]});
    let batch = server.request(Method::POST, &path, &tenant.access_token, part).await.expect(200).json();
    let body = &batch["responses"][0]["body"];
    assert_eq!((&body["error"], body.get("type")), (&json!("permission_error"), None));
    assert_eq!(get("/v1.0/teapot").await.expect(404).json()["error"], "resource_not_found_error");
    get("/v1.0/user").await.expect(200);
}

#[tokio::test]
async fn connections_are_listed_newest_first_and_ended_with_the_management_token() {
    let server = Server::new().await;
    let (tenant, other) = (server.tenant("A").await, server.tenant("B").await);
    let second = server.pushed_vehicle(&tenant, "BMW").await;
    let path = "/v2.0/management/connections";
    let list = async |query: &str| {
        let path = format!("{path}/?{query}");
        server.basic(Method::GET, &path, "default", &tenant.management_token).await.expect(200).json()
    };
    let connection = |vehicle: &str, mode: &str| {
        let at = "2026-03-02T12:00:00.000Z";
        json!({"vehicleId": vehicle, "userId": tenant.user, "connectedAt": at, "mode": mode})
    };
    let (newest, oldest) = (connection(&second, "live"), connection(&tenant.vehicle, "simulated"));
    let all = list("").await;
    assert_eq!(all, json!({"connections": [newest, oldest], "paging": {"cursor": null}}));
    let page = list("limit=1").await;
    assert_eq!(page["connections"], json!([newest]));
    let cursor = page["paging"]["cursor"].as_str().unwrap();
    for name in ["cursor", "cursor_id"] {
        let page = list(&format!("limit=1&{name}={cursor}")).await;
        assert_eq!(page, json!({"connections": [oldest], "paging": {"cursor": null}}));
    }
    assert_eq!(list("mode=simulated").await["connections"], json!([oldest]));
    assert_eq!(list("mode=live").await["connections"], json!([newest]));
    assert_eq!(list(&format!("vehicle_id={second}")).await["connections"], json!([newest]));
    assert_eq!(list(&format!("user_id={}", tenant.user)).await["connections"].as_array().unwrap().len(), 2);
    for foreign in [format!("vehicle_id={}", other.vehicle), format!("user_id={}", other.user)] {
        assert_eq!(list(&foreign).await["connections"], json!([]));
        assert_eq!(list(&foreign.replace(&other.vehicle, UNKNOWN)).await["connections"], json!([]));
    }

    let delete = async |query: &str| {
        server.basic(Method::DELETE, &format!("{path}?{query}"), "default", &tenant.management_token).await
    };
    check(&delete("").await, 400, "VALIDATION", &Value::Null);
    check(&delete("vehicle_id=x").await, 400, "VALIDATION", &Value::Null);
    let foreign = delete(&format!("vehicle_id={}", other.vehicle)).await.expect(200);
    assert_eq!(foreign.body, r#"{"connections":[]}"#);
    let ended = delete(&format!("vehicle_id={second}")).await.expect(200).json();
    assert_eq!(ended, json!({"connections": [{"vehicleId": second, "userId": tenant.user}]}));
    let ended = delete(&format!("user_id={}", tenant.user)).await.expect(200).json();
    assert_eq!(ended, json!({"connections": [{"vehicleId": tenant.vehicle, "userId": tenant.user}]}));
    assert_eq!(list("").await["connections"], json!([]));
    server.read(&other, "/odometer").await.expect(200);

    for (name, password) in [("default", "wrong"), ("other", &*tenant.management_token), ("default", "")] {
        for method in [Method::GET, Method::DELETE] {
            let answered = server.basic(method, path, name, password).await;
            check(&answered, 401, "AUTHENTICATION", &Value::Null);
        }
    }
    let by_bearer = async |token: &str| server.request(Method::GET, path, token, Value::Null).await;
    by_bearer(&tenant.management_token).await.expect(200);
    check(&by_bearer(&tenant.access_token).await, 401, "AUTHENTICATION", &Value::Null);
}

#[tokio::test]
async fn compatibility_is_told_to_clients_with_their_secret() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let get = async |path: &str| {
        let path = format!("/v2.0/compatibility{path}");
        server.basic(Method::GET, &path, &tenant.application, &tenant.client_secret).await
    };
    let answered = get("/?vin=5YJ3XDE22LF068739&scope=read_odometer+read_fuel").await.expect(200);
    let capability = |permission, endpoint, reason: Value| {
        let capable = reason.is_null();
        json!({"permission": permission, "endpoint": endpoint, "capable": capable, "reason": reason})
    };
    let capabilities = [
        capability("read_odometer", "/odometer", Value::Null),
        capability("read_fuel", "/fuel", json!("SMARTCAR_NOT_CAPABLE")),
    ];
    let expected = json!({"compatible": true, "reason": null, "capabilities": capabilities});
    assert_eq!(answered.json(), expected);
    let answered = get("?vin=WBAKE5C58DJ107700&scope=read_odometer").await.expect(200);
    let expected = json!({"compatible": false, "reason": "MAKE_NOT_COMPATIBLE", "capabilities": []});
    assert_eq!(answered.json(), expected);
    for (query, field) in [
        ("", "vin"),
        ("?vin=5YJ3XDE22LF068739", "scope"),
        ("?vin=5YJ3XDE22LF068739&scope=read_minds", "scope"),
        ("?vin=5YJ3XDE22LF068739&scope=read_vin&country=Utopia", "country"),
        ("?vin=5YJ3XDE22LF068739&scope=read_vin&mode=test", "test_mode_compatibility_level"),
        ("/matrix", "region"),
        ("/matrix?region=US&type=steam", "type"),
    ] {
        let answered = get(query).await;
        check(&answered, 400, "VALIDATION", &Value::Null);
        assert_eq!(answered.json()["detail"][0]["field"], field, "{query}");
    }
    let answered = get("?vin=5YJ3XDE22LF068739&scope=read_vin&mode=test").await;
    let said = "Field must be one of: [compatible,phev,incompatible,fuel,dinosaur,bev]";
    assert_eq!(answered.json()["detail"][0]["message"], said);
    let level = "?vin=5YJ3XDE22LF068739&scope=read_fuel&mode=test&test_mode_compatibility_level=fuel";
    assert_eq!(get(level).await.expect(200).json()["capabilities"][0]["capable"], true);
    let matrix = get("/matrix?region=US&make=TESLA&type=BEV&scope=read_battery").await.expect(200).json();
    assert_eq!(matrix["TESLA"][0]["startYear"], 2018);
    assert_eq!(get("/matrix?region=CA").await.expect(200).json(), json!({}));
    for path in ["/v2.0/compatibility", "/v2.0/compatibility/matrix"] {
        let answered = server.basic(Method::GET, path, &tenant.application, "wrong").await;
        check(&answered, 401, "AUTHENTICATION", &Value::Null);
    }
}

#[tokio::test]
async fn an_application_is_as_fast_as_its_plan_and_free_calls_are_free() {
    let plan = Plan { rate: Some(Limit { burst: 4.0, per_minute: 2.0 }), ..Plan::default() };
    let server = Server::with_plans(&[("unlimited", plan)]).await;
    let tenant = server.tenant("A").await;
    let free = ["/v2.0/user", "/v2.0/vehicles", &below(&tenant.vehicle, "/permissions")];
    for path in free.iter().cycle().take(30) {
        server.request(Method::GET, path, &tenant.access_token, Value::Null).await.expect(200);
    }
    server.batch(&tenant, &["/odometer", "/", "/odometer"]).await.expect(200);
    let answered = server.batch(&tenant, &["/odometer", "/odometer"]).await;
    check(&answered, 429, "RATE_LIMIT", &json!("SMARTCAR_API"));
    assert_eq!(answered.headers["retry-after"], "30");
    server.read(&tenant, "/odometer").await.expect(200);
    let answered = server.order(&tenant, "/security", json!({"action": "LOCK"})).await;
    check(&answered, 429, "RATE_LIMIT", &json!("SMARTCAR_API"));
    let other = server.tenant("B").await;
    server.read(&other, "/odometer").await.expect(200);
    server.clock.pass(Duration::from_secs(30));
    server.read(&tenant, "/odometer").await.expect(200);
}

#[tokio::test]
async fn a_batch_that_can_never_pass_is_not_told_to_come_back() {
    let rate = Some(Limit { burst: 5.0, per_minute: 60.0 });
    let server = Server::with_plans(&[("unlimited", Plan { rate, ..Plan::default() })]).await;
    let tenant = server.tenant("A").await;
    let answered = server.batch(&tenant, &["/odometer"; 6]).await;
    check(&answered, 400, "VALIDATION", &Value::Null);
    assert_eq!(answered.json()["detail"][0]["field"], "requests");
    assert!(!answered.headers.contains_key("retry-after"));
    server.batch(&tenant, &["/odometer"; 5]).await.expect(200);
}

#[tokio::test]
async fn a_path_of_a_batch_has_parameters_like_a_request_of_its_own() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let answered =
        server.batch(&tenant, &["/permissions?limit=1&offset=1", "/permissions"]).await.expect(200);
    let parts = &answered.json()["responses"];
    assert_eq!(parts[0]["path"], "/permissions?limit=1&offset=1");
    assert_eq!(parts[0]["body"]["permissions"].as_array().unwrap().len(), 1);
    assert_eq!(parts[0]["body"]["paging"]["offset"], 1);
    assert!(parts[1]["body"]["permissions"].as_array().unwrap().len() > 1);
    for wrong in
        ["/permissions?limit=many", "/tesla/charge/records?page=0", "/service/history?start_date=soon"]
    {
        check(&server.batch(&tenant, &[wrong]).await, 400, "VALIDATION", &Value::Null);
    }
    for well in ["/odometer?limit=999&page=x", "/tesla/charge/records?page=&endDate=9999-12-31"] {
        server.batch(&tenant, &[well]).await.expect(200);
    }
}

#[tokio::test]
async fn a_vehicle_is_asked_as_often_as_its_brand_bears() {
    let server = Server::with_vehicle_rate("TESLA", Limit::each_minute(2.0)).await;
    let tenant = server.tenant("A").await;
    for _ in 0..2 {
        server.read(&tenant, "/odometer").await.expect(200);
    }
    let answered = server.read(&tenant, "/odometer").await;
    check(&answered, 429, "RATE_LIMIT", &json!("VEHICLE"));
    assert_eq!(answered.headers["retry-after"], "30");
    server.clock.pass(Duration::from_secs(30));
    server.read(&tenant, "/odometer").await.expect(200);
    let answered = server.batch(&tenant, &["/odometer"; 5]).await;
    check(&answered, 429, "RATE_LIMIT", &json!("VEHICLE"));
    assert_eq!(answered.headers["retry-after"], "60");
    server.clock.pass(Duration::from_secs(60));
    server.batch(&tenant, &["/odometer"; 5]).await.expect(200);
}

#[tokio::test]
async fn a_month_has_as_many_requests_as_the_plan_and_failures_are_not_counted() {
    let plan = Plan { requests: Some(3), ..Plan::default() };
    let server = Server::with_plans(&[("unlimited", plan)]).await;
    let tenant = server.tenant("A").await;
    server.read(&tenant, "/odometer").await.expect(200);
    server.cars.fail(Some(ErrorCode::VEHICLE_STATE_ASLEEP.into()));
    for _ in 0..5 {
        server.read(&tenant, "/odometer").await.expect(409);
        server.order(&tenant, "/security", json!({"action": "LOCK"})).await.expect(409);
    }
    server.cars.fail(None);
    for _ in 0..5 {
        server.read(&tenant, "/location").await.expect(501);
        server.read(&tenant, "/fuel").await.expect(501);
        server.read(&tenant, "/permissions").await.expect(200);
    }
    let too_many = server.batch(&tenant, &["/odometer", "/", "/odometer"]).await;
    check(&too_many, 430, "BILLING", &json!("VEHICLE_REQUEST_LIMIT"));
    server.batch(&tenant, &["/odometer", "/location"]).await.expect(200);
    server.order(&tenant, "/security", json!({"action": "LOCK"})).await.expect(200);
    let answered = server.read(&tenant, "/odometer").await;
    check(&answered, 430, "BILLING", &json!("VEHICLE_REQUEST_LIMIT"));
    assert_eq!(answered.json()["resolution"]["type"], "CONTACT_SUPPORT");
    server.clock.pass(Duration::from_secs(30 * 86_400));
    let path = format!("/vehicles/{}/access-token", tenant.vehicle);
    let access_token = server.admin(Method::POST, &path, Value::Null).await.expect(201).text("accessToken");
    let april = Tenant { access_token, ..tenant };
    server.read(&april, "/odometer").await.expect(200);
}

#[tokio::test]
async fn a_vehicle_that_only_pushes_is_answered_from_what_it_has_pushed() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let vehicle = server.pushed_vehicle(&tenant, "FORD").await;
    server.push_charge(&tenant, &vehicle, 57.0).await;
    server.clock.pass(Duration::from_secs(3_600));
    let read = async |path: &str| {
        server.request(Method::GET, &below(&vehicle, path), &tenant.access_token, Value::Null).await
    };
    let answered = read("/battery").await.expect(200);
    assert_eq!(answered.body, r#"{"percentRemaining":0.57,"range":null}"#);
    assert_eq!(answered.headers["sc-data-age"], "2026-03-02T12:00:00.000Z");
    check(&read("/odometer").await, 502, "UPSTREAM", &json!("NO_RESPONSE"));
    assert_eq!(server.cars.reads(), 0);
}

#[tokio::test]
async fn charging_is_answered_from_whichever_signal_says_it() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    for (charging, state) in [(true, "CHARGING"), (false, "NOT_CHARGING")] {
        let vehicle = server.pushed_vehicle(&tenant, "FORD").await;
        server.push(&tenant, &vehicle, IS_CHARGING, signal::Value::Flag(charging)).await;
        let path = below(&vehicle, "/charge");
        let answered = server.request(Method::GET, &path, &tenant.access_token, Value::Null).await;
        assert_eq!(answered.expect(200).json()["state"], state);
    }
}
