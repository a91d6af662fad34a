//! Whether the command line can ask for everything that the admin API describes.
//!
//! Each line below is run against a server that notes requests. Every operation of the description, every parameter of a query
//! and every member of a body has to occur in one of them, or stand in the list of exceptions with the reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, Router, extract::State, http::Uri};
use clap::Parser;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{cli::Cli, commands};

/// What cannot be asked for, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("PATCH /webhooks/{id} kind", "it can only repeat what the kind is"),
    ("POST /simulator/uploads", "milepost replay sends in parts what one request cannot hold"),
    ("PUT /simulator/uploads/{id}/parts/{part}", "as above"),
    ("POST /simulator/recordings upload", "as above"),
    ("GET /catalogue/signals", "milepost signals needs no server"),
    ("GET /catalogue/endpoints", "milepost endpoints needs no server"),
    ("GET /catalogue/permissions", "milepost permissions needs no server"),
    ("GET /catalogue/errors", "milepost errors needs no server"),
    ("GET /catalogue/problems", "milepost errors --of admin needs no server"),
];

/// `A` stands for an id.
const LINES: &[&str] = &[
    "app create Fleet --redirect-uri https://a.example --plan small --permissions read_vin --country DE",
    "app edit A --name Other --redirect-uri https://a.example --plan small --permissions read_vin --country DE",
    "app list --cursor c",
    "app show A",
    "app delete A",
    "app secrets A",
    "app add-secret A",
    "app remove-secret A A",
    "app rotate-token A --overlap-seconds 60",
    "app end-overlap A",
    "webhook create --app A --name N --callback-uri https://a.example --endpoints /odometer --every week --on monday \
     --hour 6 --zone Europe/Berlin --units imperial --event-name scheduled --vehicles-per-request 10 --auto-subscribe \
     --user-agent smartcar --verify",
    "webhook create --app A --name N --callback-uri https://a.example --endpoints /odometer --every month --on 31",
    "webhook create --app A --name N --callback-uri https://a.example --endpoints /odometer --every 6h",
    "webhook create --app A --name N --callback-uri https://a.example --kind eventBased --events CHARGING_STARTED",
    "webhook create --app A --name N --callback-uri https://a.example --kind dynamic --pace brand",
    "webhook create --app A --name N --callback-uri https://a.example --kind unified --triggers x=5,y --signals z \
     --without-triggers --profile captured --simulated-mode live --lenient-verification --error-callback-uri https://b.example --verify-error-uri false",
    "webhook edit A --name N --callback-uri https://a.example --endpoints /odometer --every 6h --units metric \
     --event-name schedule --vehicles-per-request 1 --auto-subscribe false --user-agent milepost",
    "webhook edit A --every week --on monday --hour 6 --zone Europe/Berlin",
    "webhook edit A --every month --on 31",
    "webhook edit A --events CHARGING_STOPPED --pace halfHourly",
    "webhook edit A --triggers x=5 --signals z --include-triggers --profile union --simulated-mode simulated \
     --lenient-verification false --error-callback-uri https://b.example --verify-error-uri false",
    "webhook edit A --header X-Key:secret --headers-to-error-uri",
    "webhook edit A --basic-auth user:secret",
    "webhook create --app A --name N --callback-uri https://a.example --endpoints /vin --header X-Key:secret \
     --headers-to-error-uri",
    "webhook create --app A --name N --callback-uri https://a.example --endpoints /vin --basic-auth user:secret",
    "webhook list --app A --cursor c",
    "webhook show A",
    "webhook verify A",
    "webhook test A --event-type VEHICLE_ERROR",
    "webhook enable A",
    "webhook disable A",
    "webhook delete A",
    "webhook subscribe A A",
    "webhook subscribe A --all",
    "webhook unsubscribe A A",
    "webhook vehicles A --cursor c",
    "vehicle add --app A --make BMW --model i4 --year 2024 --powertrain BEV --region EUROPE --user A --permissions read_vin",
    "vehicle list --app A --user A --cursor c",
    "vehicle show A",
    "vehicle permit A read_vin",
    "vehicle approve A",
    "vehicle explain A --webhook A",
    "vehicle disconnect A",
    "vehicle erase A",
    "vehicle token A",
    "feed create --app A --name N --newer sequence --reorder-ms 100",
    "feed list --app A",
    "feed delete A",
    "delivery list --webhook A --vehicle A --status failed --from 2026-01-01T00:00:00Z --to 2026-01-02T00:00:00Z --cursor c",
    "delivery show A",
    "delivery redeliver A",
    "delivery metrics --webhook A --from 2026-01-01T00:00:00Z --to 2026-01-02T00:00:00Z",
    "connection list --app A --user A --cursor c",
    "user erase A",
    "simulator models",
    "simulator make --make KIA --model EV6 --year 2024 --region US --profile day --seed 7 --not-started --app A --user A \
     --permissions read_vin",
    "simulator list --cursor c",
    "simulator show A",
    "simulator connect A --app A --user A --permissions read_vin",
    "simulator delete A",
    "simulator start A",
    "simulator pause A",
    "simulator restart A",
    "simulator speed A 60",
    "simulator stages A",
    "simulator jump A --seconds 60",
    "simulator jump A --stage 2",
    "simulator profile A parked",
    "simulator fail A VEHICLE_STATE:ASLEEP",
    "simulator fail A --never",
    "simulator latency A ideal",
    "simulator plug-in A",
    "simulator unplug A",
    "simulator interrupt A",
    "simulator open-door A",
    "simulator close-door A",
    "simulator fault A Airbag",
    "simulator clear-fault A",
    "simulator revoke A",
    "simulator change-password A",
    "simulator restore A",
    "replay FILE --app A --webhook A --columns FILE --speed 2",
    "doctor",
    "backup FILE",
    "keyring export FILE",
];

/// Names that were used, by operation: `POST /webhooks/{id}/test` with `eventType`.
type Used = BTreeMap<String, BTreeSet<String>>;

/// What an operation takes, as the description has it.
fn described(document: &Value) -> Used {
    let mut used = Used::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut names = BTreeSet::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "query" {
                    names.insert(parameter["name"].as_str().unwrap().to_owned());
                }
            }
            members(
                document,
                &operation["requestBody"]["content"]["application/json"]["schema"],
                "",
                &mut names,
            );
            let path = path.strip_prefix("/api/v1").unwrap();
            used.insert(format!("{} {path}", method.to_uppercase()), names);
        }
    }
    used
}

/// The members of a schema, those of its objects with a dot.
fn members(document: &Value, schema: &Value, prefix: &str, names: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return members(document, &document["components"]["schemas"][name], prefix, names);
    }
    for variants in ["oneOf", "anyOf", "allOf"] {
        for schema in schema[variants].as_array().into_iter().flatten() {
            members(document, schema, prefix, names);
        }
    }
    if schema["items"].is_object() {
        members(document, &schema["items"], prefix, names);
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        names.insert(format!("{prefix}{name}"));
        members(document, schema, &format!("{prefix}{name}."), names);
    }
}

/// The members of a body.
fn sent(body: &Value, prefix: &str, names: &mut BTreeSet<String>) {
    match body {
        Value::Object(object) => {
            for (name, value) in object {
                names.insert(format!("{prefix}{name}"));
                sent(value, &format!("{prefix}{name}."), names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| sent(item, prefix, names)),
        _ => {}
    }
}

/// Whether a path is one of a template: `/webhooks/A` of `/webhooks/{id}`.
fn is_of(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    path.len() == template.len()
        && path.iter().zip(&template).all(|(part, known)| known.starts_with('{') || part == known)
}

/// A request that came.
struct Request {
    method: String,
    path: String,
    names: BTreeSet<String>,
}

type Noted = Arc<Mutex<Vec<Request>>>;

async fn note(
    State(noted): State<Noted>,
    method: axum::http::Method,
    uri: Uri,
    body: axum::body::Bytes,
) -> Json<Value> {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut names: BTreeSet<String> = query.map(|(name, _)| name.into_owned()).collect();
    sent(&serde_json::from_slice(&body).unwrap_or_default(), "", &mut names);
    let path = uri.path().strip_prefix("/api/v1").unwrap().to_owned();
    noted.lock().push(Request { method: method.to_string(), path, names });
    Json(json!({
        "id": "A", "applicationId": "A", "vehicleId": "A", "items": [], "nextCursor": null, "findings": [], "report": "", "vehicle": { "id": "A" },
        "lastVerification": { "passed": true }, "lastTest": { "passed": true },
    }))
}

async fn run_all(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trip.csv");
    std::fs::write(&file, "time\n").unwrap();
    for line in LINES {
        let words = line.split_whitespace().map(|word| match word {
            "FILE" => file.to_str().unwrap(),
            word => word,
        });
        let words = std::iter::once("milepost").chain(words);
        let words = words.chain(["--url", url, "--token", "0123456789abcdef", "--json"]);
        let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        commands::run(cli).await.unwrap_or_else(|error| panic!("{line}: {error:#}"));
    }
}

#[tokio::test]
async fn everything_that_the_admin_api_describes_can_be_asked_for_from_the_command_line() {
    let noted = Noted::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(note).with_state(noted.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    run_all(&url).await;
    server.abort();

    let document = serde_json::to_value(web::openapi("1.2.3", "http://127.0.0.1")).unwrap();
    let described = described(&document);
    let mut missing = BTreeSet::new();
    let noted = noted.lock();
    for (operation, names) in &described {
        let (method, template) = operation.split_once(' ').unwrap();
        // A fixed path is not one of a template: `/simulator/models` is no vehicle.
        let of_operation = || {
            noted.iter().filter(|request| {
                request.method == method
                    && is_of(&request.path, template)
                    && (template.contains('{') || request.path == template)
            })
        };
        if of_operation().next().is_none() {
            missing.insert(operation.clone());
            continue;
        }
        let used: BTreeSet<&String> = of_operation().flat_map(|request| &request.names).collect();
        missing.extend(
            names.iter().filter(|name| !used.contains(name)).map(|name| format!("{operation} {name}")),
        );
    }
    let excepted: BTreeSet<String> = EXCEPTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(missing, excepted, "left: what no command line asks for; right: the exceptions");
    for request in noted.iter() {
        let known = |operation: &String| {
            let (method, template) = operation.split_once(' ').unwrap();
            request.method == method && is_of(&request.path, template)
        };
        assert!(described.keys().any(known), "{} {} is not described", request.method, request.path);
    }
}
