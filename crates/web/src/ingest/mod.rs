//! Readings pushed in: `POST /ingest/v1/readings`.
//!
//! The body is a JSON array of readings, or one reading to a line (`application/x-ndjson`), as it is or under gzip:
//!
//! ```json
//! {"id":"4711","vehicleId":"…","signal":"tractionbattery-stateofcharge","value":78,"observedAt":"2026-05-01T10:00:00Z"}
//! ```
//!
//! | member | meaning |
//! | --- | --- |
//! | `vehicleId` | a vehicle of the application that the token is bound to |
//! | `signal` | a code of the catalogue |
//! | `value` | in the signal's canonical unit: a number, text or flag, or the body of the signal as an object |
//! | `observedAt` | when the car measured it: text, or milliseconds since 1970; without it, the moment of arrival counts |
//! | `id` | the reading's id at its source: one that comes again is left out, among the newest 1,024 of a vehicle, where neither its moment nor its number tells it from earlier ones |
//! | `sequence` | the reading's number, for feeds that are ordered by it |
//!
//! A reading that cannot be taken is reported by its place, and the others are taken. The answer comes when those are
//! committed: what was answered with 200 survives a crash, and what was not may be sent again.

mod reading;

use std::{io::Read, sync::Arc};

use app::{App, PushedReading, Rejected};
use axum::{
    Json as Out, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, header},
    routing::post,
};
use bytes::Bytes;
use serde::Serialize;

use self::reading::Item;
use crate::{extract::bearer, problem::ApiError};

/// Readings of one request.
const MOST_READINGS: usize = 10_000;
/// Bytes of a body once it is unpacked.
const MOST_UNPACKED: u64 = 8 * 1_024 * 1_024;

/// The door for readings.
pub(crate) fn router(app: Arc<App>) -> Router {
    // The front bounds bodies.
    let take = post(take).layer(DefaultBodyLimit::disable());
    Router::new().route("/ingest/v1/readings", take).with_state(app)
}

/// What became of a request.
#[derive(Serialize)]
struct Taken {
    accepted: usize,
    rejected: Vec<Refused>,
}

/// A reading that was not taken.
#[derive(Serialize)]
struct Refused {
    index: usize,
    error: String,
}

async fn take(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Out<Taken>, ApiError> {
    let feed = bearer(&headers).and_then(|token| app.feed(token)).ok_or_else(ApiError::no_feed)?;
    let body = unpacked(&headers, body)?;
    let (readings, mut rejected) = match form(&headers)? {
        Form::Array => of_array(&body)?,
        Form::Lines => of_lines(&body)?,
    };
    let count = readings.len() + rejected.len();
    rejected.extend(app.ingest(&feed, readings).await?);
    rejected.sort_unstable_by_key(|rejected| rejected.index);
    let accepted = count - rejected.len();
    let refused = |Rejected { index, reason }| Refused { index, error: reason };
    Ok(Out(Taken { accepted, rejected: rejected.into_iter().map(refused).collect() }))
}

/// How a body is divided.
enum Form {
    Array,
    Lines,
}

fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Array),
        "application/x-ndjson" | "application/jsonl" => Ok(Form::Lines),
        _ => Err(ApiError::readings_type()),
    }
}

/// The body without its packing, within bounds however small it was packed.
fn unpacked(headers: &HeaderMap, body: Bytes) -> Result<Bytes, ApiError> {
    match headers.get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes()) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") => {
            let mut unpacked = Vec::with_capacity(body.len().saturating_mul(4).min(MOST_UNPACKED as usize));
            let mut unpacking = flate2::read::MultiGzDecoder::new(&body[..]).take(MOST_UNPACKED + 1);
            unpacking
                .read_to_end(&mut unpacked)
                .map_err(|error| ApiError::malformed(format!("the body is not gzip: {error}")))?;
            if unpacked.len() as u64 > MOST_UNPACKED {
                return Err(ApiError::too_large(MOST_UNPACKED as usize));
            }
            Ok(unpacked.into())
        }
        Some(_) => Err(ApiError::readings_type()),
    }
}

/// The readings of a body by their places, and those that cannot be read.
type Sorted = (Vec<(usize, PushedReading)>, Vec<Rejected>);

fn of_array(body: &[u8]) -> Result<Sorted, ApiError> {
    // As a whole first: only a body with a mistake in it is read item by item.
    if let Ok(items) = serde_json::from_slice::<Vec<Item<'_>>>(body) {
        bounded(items.len())?;
        return Ok(sorted(items.into_iter().map(Ok).enumerate()));
    }
    let items: Vec<&serde_json::value::RawValue> = serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("the body is not an array of readings: {error}")))?;
    bounded(items.len())?;
    Ok(sorted(items.into_iter().map(|item| serde_json::from_str(item.get())).enumerate()))
}

fn of_lines(body: &[u8]) -> Result<Sorted, ApiError> {
    let body = std::str::from_utf8(body).map_err(|_| ApiError::malformed("the body is not UTF-8"))?;
    // A reading's place is that of its line; empty ones count, too.
    let lines = || body.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    bounded(lines().count())?;
    Ok(sorted(lines().map(|(place, line)| (place, serde_json::from_str(line)))))
}

fn bounded(count: usize) -> Result<(), ApiError> {
    match count > MOST_READINGS {
        true => Err(ApiError::too_many_readings(count, MOST_READINGS)),
        false => Ok(()),
    }
}

fn sorted<'b>(items: impl Iterator<Item = (usize, serde_json::Result<Item<'b>>)>) -> Sorted {
    let (mut readings, mut rejected) = (Vec::with_capacity(items.size_hint().0), Vec::new());
    for (index, item) in items {
        match item.map_err(|error| error.to_string()).and_then(Item::into_reading) {
            Ok(reading) => readings.push((index, reading)),
            Err(reason) => rejected.push(Rejected { index, reason }),
        }
    }
    (readings, rejected)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::{body::Body, http::Request};
    use serde_json::{Value, json};

    use crate::testing::{Answered, Server, Tenant};

    async fn feed(server: &Server, tenant: &Tenant) -> String {
        let id = tenant.application.parse().unwrap();
        let made = server.app.create_feed(id, "Telematics", store::Newer::Observed, 0, None).await.unwrap();
        made.token.to_string()
    }

    async fn push(server: &Server, token: &str, kind: &str, coding: Option<&str>, body: Vec<u8>) -> Answered {
        let mut request = Request::post("/ingest/v1/readings")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", kind);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        server.send(request.body(Body::from(body)).unwrap()).await
    }

    fn reading(vehicle: &str, value: Value) -> Value {
        json!({
            "vehicleId": vehicle,
            "signal": "tractionbattery-stateofcharge",
            "value": value,
            "observedAt": "2026-03-02T11:59:00Z",
        })
    }

    #[tokio::test]
    async fn readings_are_taken_from_arrays_lines_and_gzip() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let one = reading(&tenant.vehicle, json!(78));
        let array = json!([one, one]).to_string().into_bytes();
        let lines = format!("{one}\n\n{one}\n").into_bytes();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&array).unwrap();
        for (kind, coding, body) in [
            ("application/json", None, array.clone()),
            ("application/x-ndjson", None, lines),
            ("application/json; charset=utf-8", Some("gzip"), packed.finish().unwrap()),
        ] {
            let answered = push(&server, &token, kind, coding, body).await.expect(200);
            assert_eq!(answered.json(), json!({"accepted": 2, "rejected": []}), "{kind}");
        }
        let vehicle = tenant.vehicle.parse().unwrap();
        let document = server.app.document(vehicle).await.unwrap();
        let charge = document.value(domain::signal::STATE_OF_CHARGE);
        assert_eq!(charge, Some(&domain::signal::Value::Number(78.0)));
    }

    #[tokio::test]
    async fn every_part_of_a_gzip_body_counts() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let part = || {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writeln!(packed, "{}", reading(&tenant.vehicle, json!(78))).unwrap();
            packed.finish().unwrap()
        };
        let body = [part(), part()].concat();
        let answered = push(&server, &token, "application/x-ndjson", Some("gzip"), body).await.expect(200);
        assert_eq!(answered.json()["accepted"], 2);
    }

    #[tokio::test]
    async fn what_cannot_be_taken_is_told_by_its_place_and_the_rest_is_taken() {
        let server = Server::new().await;
        let (tenant, other) = (server.tenant("A").await, server.tenant("B").await);
        let token = feed(&server, &tenant).await;
        let body = json!([
            reading(&tenant.vehicle, json!(78)),
            reading(&other.vehicle, json!(78)),
            reading(&tenant.vehicle, json!("full")),
            {"vehicleId": tenant.vehicle, "signal": "no-such", "value": 1},
            {"vehicleId": tenant.vehicle, "value": 1},
            reading(&tenant.vehicle, json!(79)),
        ]);
        let body = body.to_string().into_bytes();
        let answered = push(&server, &token, "application/json", None, body).await.expect(200).json();
        assert_eq!(answered["accepted"], 2);
        let told: Vec<_> = answered["rejected"].as_array().unwrap().iter().map(Value::to_string).collect();
        expect_test::expect![[r#"
            {"index":1,"error":"no vehicle of this application has this id; connect it first"}
            {"index":2,"error":"tractionbattery-stateofcharge does not have values of this form; see /docs/signals on this server"}
            {"index":3,"error":"there is no signal \"no-such\"; see /docs/signals on this server"}
            {"index":4,"error":"missing field `signal` at line 1 column 62"}"#]]
        .assert_eq(&told.join("\n"));
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_read_changes_nothing() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let fine = json!([reading(&tenant.vehicle, json!(78))]).to_string().into_bytes();
        push(&server, "mpf_wrong", "application/json", None, fine.clone()).await.expect(401);
        push(&server, &tenant.management_token, "application/json", None, fine.clone()).await.expect(401);
        push(&server, &token, "text/csv", None, fine.clone()).await.expect(415);
        push(&server, &token, "application/json", Some("br"), fine.clone()).await.expect(415);
        push(&server, &token, "application/json", Some("gzip"), fine).await.expect(400);
        push(&server, &token, "application/json", None, b"{}".to_vec()).await.expect(400);
        let many = format!("[{}]", vec!["{}"; 10_001].join(",")).into_bytes();
        push(&server, &token, "application/json", None, many).await.expect(413);
        let document = server.app.document(tenant.vehicle.parse().unwrap()).await.unwrap();
        assert_eq!(document.value(domain::signal::STATE_OF_CHARGE), None);
    }

    #[tokio::test]
    async fn a_small_body_that_unpacks_without_end_is_refused() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b' '; 64 << 20]).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 100_000);
        push(&server, &token, "application/json", Some("gzip"), packed).await.expect(413);
    }
}
