//! Whatever is wrong with a request, its refusal describes the request, in the form of the API that it came to, and never the
//! program.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::testing::{ADMIN_TOKEN, Answered, Server, Tenant};

/// Words of programs.
const WORDS: &[&str] = &[
    "struct",
    "expected u",
    "expected i",
    "expected f",
    "untagged",
    "deserialize",
    "line 1 column",
    "variant",
    "serde",
    "borrowed",
    "visitor",
    "panicked",
    "utf-8 sequence",
];

/// Bodies that nobody can take, whatever they were for.
fn malformed() -> Vec<String> {
    let long = "x".repeat(20_000);
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        "\"text\"",
        "{name:1}",
        "[\"a\",[],null,null]",
        "{\"action\":\"LOCK\",\"action\":\"UNLOCK\"}",
        "{\"limit\":0.8,\"limit\":0.9}",
        "{\"requests\":\"/odometer\"}",
        "{\"requests\":[7]}",
        "{\"requests\":[{}]}",
        "{\"requests\":[{\"path\":\"/odometer\",\"path\":\"/\"}]}",
        "{\"requests\":[{\"path\":\"/vehicles?limit=1&limit=2\"}]}",
        "{\"name\":[1,2]}",
        "{\"name\":null,\"path\":{}}",
        "{\"action\":{},\"limit\":[],\"latitude\":{},\"amperage\":\"much\",\"pin\":[],\"type\":7}",
        "{\"permissions\":\"all\",\"vehicleIds\":7,\"kind\":\"other\",\"speed\":\"fast\",\"seconds\":{}}",
        "{\"chargeSchedules\":{},\"chargingLocation\":[]}",
        "\u{fffd}{}",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("{{\"action\":\"{long}\",\"name\":\"{long}\",\"limit\":\"{long}\"}}")])
    .chain(["[".repeat(2_000), format!("{{\"action\":{}", "[".repeat(2_000))])
    .collect()
}

async fn send(
    server: &Server,
    method: &Method,
    path: &str,
    authorization: &str,
    kind: &str,
    body: &str,
) -> Answered {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, authorization).header(header::CONTENT_TYPE, kind);
    server.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// A refusal in words of requests.
#[track_caller]
fn check(answered: &Answered, of: &str) {
    assert!(answered.status.is_client_error(), "{of}: {} {}", answered.status, answered.body);
    let said = answered.body.to_lowercase();
    for word in WORDS {
        assert!(!said.contains(word), "{of}: {word:?} in {}", answered.body);
    }
    assert!(answered.body.len() < 8_000, "{of}: {} bytes", answered.body.len());
}

/// Below a vehicle, what takes bodies.
const ORDERS: &[(Method, &str)] = &[
    (Method::POST, "security"),
    (Method::POST, "charge"),
    (Method::POST, "charge/limit"),
    (Method::POST, "navigation/destination"),
    (Method::POST, "batch"),
    (Method::POST, "tesla/climate/cabin"),
    (Method::POST, "tesla/charge/ammeter"),
    (Method::POST, "tesla/charge/schedule"),
    (Method::POST, "tesla/pin"),
    (Method::PUT, "nissan/charge/schedule"),
    (Method::PUT, "ford/charge/schedule_by_location"),
];

#[tokio::test]
async fn v2_refuses_malformed_bodies_in_its_form_and_in_words_of_requests() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    for (method, path) in ORDERS {
        let to = format!("/v2.0/vehicles/{}/{path}", tenant.vehicle);
        let bearer = format!("Bearer {}", tenant.access_token);
        for body in malformed() {
            let of = format!("{method} {path} {}", body.chars().take(60).collect::<String>());
            let answered = send(&server, method, &to, &bearer, "application/json", &body).await;
            check(&answered, &of);
            let refused = answered.json();
            assert!(refused["type"].is_string() && refused["requestId"].is_string(), "{of}: {refused}");
            if refused["type"] == "VALIDATION" {
                let detail = &refused["detail"][0];
                assert!(detail["field"].is_string() && detail["message"].is_string(), "{of}: {refused}");
            }
        }
    }
}

#[tokio::test]
async fn v2_says_which_member_is_wrong_and_what_belongs_there() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let bearer = format!("Bearer {}", tenant.access_token);
    for (path, body, field, says) in [
        ("security", "{", "body", "the body is not JSON: it ends in the middle"),
        ("security", r#"{"action":"LOCK","action":"UNLOCK"}"#, "action", "action is given twice"),
        ("charge/limit", "", "body", "the body is empty; it must be JSON"),
        ("batch", "[]", "body", "the body is an object, and this is a list"),
        ("batch", "{}", "requests", "requests is missing"),
        ("batch", r#"{"requests":[{}]}"#, "requests[0].path", "requests[0].path is missing"),
        (
            "batch",
            r#"{"requests":[{"path":7}]}"#,
            "requests[0].path",
            "requests[0].path is text, and this is a number",
        ),
        (
            "batch",
            r#"{"requests":[{"path":"/service/history?page=1&page=2"}]}"#,
            "page",
            "page is given twice",
        ),
    ] {
        let to = format!("/v2.0/vehicles/{}/{path}", tenant.vehicle);
        let refused =
            send(&server, &Method::POST, &to, &bearer, "application/json", body).await.expect(400).json();
        let expected = json!({"field": field, "message": says});
        assert_eq!(
            (&refused["type"], &refused["detail"][0]),
            (&json!("VALIDATION"), &expected),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused_in_words_of_requests() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let owner = format!("Bearer {}", tenant.access_token);
    let manager = format!("Bearer {}", tenant.management_token);
    let admin = format!("Bearer {ADMIN_TOKEN}");
    for (authorization, path) in [
        (&owner, "/v2.0/vehicles?limit=1&limit=2".to_owned()),
        (&owner, "/v2.0/vehicles?limit=many".to_owned()),
        (&owner, "/v2.0/vehicles?offset=-1".to_owned()),
        (&owner, format!("/v2.0/vehicles?limit={}", "9".repeat(400))),
        (&owner, format!("/v2.0/vehicles/{}/service/history?startDate=a&start_date=b", tenant.vehicle)),
        (&owner, "/v3/vehicles/nobody/signals".to_owned()),
        (&manager, "/v2.0/management/connections?limit=1&limit=2".to_owned()),
        (&manager, "/v2.0/management/connections?cursor=a&cursor_id=b".to_owned()),
        (&admin, "/api/v1/deliveries?status=lost".to_owned()),
        (&admin, "/api/v1/deliveries?limit=1&limit=2".to_owned()),
        (&admin, "/api/v1/vehicles?limit=-7".to_owned()),
    ] {
        check(&send(&server, &Method::GET, &path, authorization, "application/json", "").await, &path);
    }
    let unknown = "/v2.0/vehicles?sdk=1&sdk=2&limit=1";
    send(&server, &Method::GET, unknown, &owner, "application/json", "").await.expect(200);
}

fn basic(tenant: &Tenant) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", tenant.application, tenant.client_secret)))
}

#[tokio::test]
async fn oauth_refuses_malformed_forms_in_its_form_and_in_words_of_requests() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let many = (0..40).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
    let long = format!("grant_type={}", "x".repeat(5_000));
    let forms = [
        "grant_type=refresh_token&grant_type=authorization_code",
        "grant_type",
        "grant_type=",
        "grant_type=%ff%fe",
        "grant_type=authorization_code&code=",
        "grant_type=authorization_code&code=%00",
        "grant_type=refresh_token&refresh_token=nobody%27s",
        "token=a&token=b",
        "=&=&=",
        "%",
        &many,
        &long,
    ];
    let malformed = malformed();
    let json = malformed.iter().map(|body| ("application/json", body.as_str()));
    let forms = forms.into_iter().map(|form| ("application/x-www-form-urlencoded", form));
    for (kind, body) in json.chain(forms) {
        for path in ["/oauth/token", "/oauth/revoke"] {
            let of = format!("{path} {kind} {}", body.chars().take(60).collect::<String>());
            let answered = send(&server, &Method::POST, path, &basic(&tenant), kind, body).await;
            check(&answered, &of);
            let refused = answered.json();
            assert!(
                refused["error"].is_string() && refused["error_description"].is_string(),
                "{of}: {refused}"
            );
        }
    }
    for query in ["response_type=code&response_type=code", "client_id=%ff", "response_type=token", &many] {
        let path = format!("/oauth/authorize?{query}");
        let answered = send(&server, &Method::GET, &path, "", "text/plain", "").await;
        check(&answered, &path);
    }
}

#[tokio::test]
async fn the_admin_api_refuses_malformed_bodies_on_every_route_in_words_of_requests() {
    let server = Server::new().await;
    let tenant = server.tenant("A").await;
    let description = send(&server, &Method::GET, "/api/openapi.json", "", "application/json", "").await;
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let mut routes = 0;
    for (path, item) in description.json()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["requestBody"]["required"] != Value::Bool(true) {
                continue;
            }
            routes += 1;
            let id = match path.split('/').nth(3).unwrap() {
                "applications" => &tenant.application,
                "webhooks" => &tenant.webhook,
                _ => &tenant.vehicle,
            };
            let to = path.replace("{id}", id).replace("{vehicleId}", &tenant.vehicle);
            let method: Method = method.to_uppercase().parse().unwrap();
            for body in malformed() {
                let of = format!("{method} {path} {}", body.chars().take(60).collect::<String>());
                check(&send(&server, &method, &to, &admin, "application/json", &body).await, &of);
            }
        }
    }
    assert!(routes > 12, "{routes}");
}
