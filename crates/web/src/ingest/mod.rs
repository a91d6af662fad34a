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
//! | `value` | a number, text or flag in the signal's own unit, or the body of the signal as an object, with its `unit`; `null` says that it is no longer known |
//! | `observedAt` | when the car measured it: text, or milliseconds since 1970; without it, the moment of arrival counts |
//! | `id` | the reading's id at its source: one that comes again is left out, among the newest 1,024 of a vehicle, where neither its moment nor its number tells it from earlier ones |
//! | `sequence` | the reading's number, for feeds that are ordered by it |
//! | `reset` | `true`: the value counts, though it cannot follow the one that is known |
//!
//! A reading that cannot be taken is reported by its place, and the others are taken; what became of those is said, too.
//! The answer comes when those are committed: what was answered with 200 survives a crash, and what was not may be sent
//! again. While events of the application lag because the server has more to do than it can, the answer waits, and then it
//! is 429 with the time after which there is room again.

mod answer;
mod body;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod reading;

use std::sync::Arc;

use app::App;
use axum::{
    Extension, Json as Out, Router,
    extract::{DefaultBodyLimit, RawQuery, State},
    http::HeaderMap,
    routing::post,
};
use bytes::Bytes;

use self::{
    answer::{Taken, Wanted},
    body::{Reader, Sorted},
};
use crate::{extract::bearer, heavy::Heavy, problem::ApiError, whole::Budget};

/// The door for readings.
pub(crate) fn router(app: Arc<App>) -> Router {
    // The front bounds bodies.
    let take = post(take).layer(DefaultBodyLimit::disable());
    let heavy = Heavy::of_the_machine();
    Router::new().route("/ingest/v1/readings", take).with_state(Door { app, heavy })
}

#[derive(Clone)]
struct Door {
    app: Arc<App>,
    /// Where large bodies are read.
    heavy: Heavy,
}

async fn take(
    State(Door { app, heavy }): State<Door>,
    Extension(budget): Extension<Budget>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Out<Taken>, ApiError> {
    let wanted = Wanted::of(query.as_deref())?;
    let feed = bearer(&headers).and_then(|token| app.feed(token)).ok_or_else(ApiError::no_feed)?;
    let mut reader = Reader::new(&headers, body, budget)?;
    let mut admitted = app.admit_readings(feed.application).await?;
    if !reader.begin()? {
        let work = move || reader.finish().map(|()| reader);
        reader = heavy.run(feed.application, work).await??;
    }
    // What was unpacked counts until it is answered.
    let (Sorted { readings, rejected }, _room) = reader.into_parts();
    admitted.expect(readings.len())?;
    let places: Vec<usize> = readings.iter().map(|(index, _)| *index).collect();
    let mut ingested = app.ingest(&feed, readings).await?;
    ingested.rejected.extend(rejected);
    ingested.rejected.sort_unstable_by_key(|rejected| rejected.index);
    let taken = Taken::of(&places, ingested, wanted);
    app.count_answer(feed.id, taken.counts());
    Ok(Out(taken))
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
        let packed = packed.finish().unwrap();
        for (kind, coding, body) in [
            ("application/json", None, array.clone()),
            ("application/x-ndjson", None, lines),
            ("application/json; charset=utf-8", Some("gzip"), packed.clone()),
            ("application/json", Some("GZIP"), packed.clone()),
            ("application/json", Some(" X-Gzip "), packed.clone()),
            ("application/json", Some("gzip, identity"), packed.clone()),
            ("application/json", Some("identity,GZip ,"), packed),
            ("application/json", Some("Identity"), array.clone()),
            ("application/json", Some("identity, identity"), array.clone()),
            ("application/json", Some(""), array.clone()),
            ("application/json", None, [b"\xef\xbb\xbf".to_vec(), array].concat()),
            ("application/x-ndjson", None, format!("\u{feff}{one}\n{one}").into_bytes()),
        ] {
            let answered = push(&server, &token, kind, coding, body).await.expect(200);
            let taken = answered.json();
            assert_eq!((&taken["accepted"], &taken["rejected"]), (&json!(2), &json!([])), "{kind}");
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
            {"index":2,"error":"tractionbattery-stateofcharge takes a number of percent, 0 to 100"}
            {"index":3,"error":"there is no signal \"no-such\"; see /docs/signals on this server"}
            {"index":4,"error":"signal is missing"}"#]]
        .assert_eq(&told.join("\n"));
    }

    #[tokio::test]
    async fn the_example_of_the_documentation_is_answered_as_it_says() {
        let page = include_str!("../../../../docs/readings.md");
        let blocks: Vec<&str> =
            page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        let [request, answer] = blocks[..] else { panic!("a request and its answer: {blocks:?}") };
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let body = request.replace("22222222-2222-4222-8222-222222222222", &tenant.vehicle).into_bytes();
        let answered = push(&server, &token, "application/json", None, body).await.expect(200).json();
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(answered, answer, "{answered:#}");
    }

    #[tokio::test]
    async fn what_is_not_json_in_one_reading_concerns_no_other() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let good = reading(&tenant.vehicle, json!(78)).to_string();
        for nothing in ["NaN", "-Infinity", "undefined", "0x10", "1."] {
            let bad = good.replace(":78,", &format!(":{nothing},"));
            assert_ne!(bad, good);
            let body = format!("[{good},{bad}]").into_bytes();
            let answered = push(&server, &token, "application/json", None, body).await.expect(200).json();
            assert_eq!(
                (&answered["accepted"], &answered["rejected"][0]["index"]),
                (&json!(1), &json!(1)),
                "{nothing}"
            );
        }
        let cut = format!("[{good},{{\"vehicleId\":").into_bytes();
        push(&server, &token, "application/json", None, cut).await.expect(400);
    }

    #[tokio::test]
    async fn the_answer_says_what_became_of_each_reading() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let of = |signal: &str, value: Value, at: &str| json!({"vehicleId": tenant.vehicle, "signal": signal, "value": value, "observedAt": at});
        let charge = |value: Value, second: u8| {
            of("tractionbattery-stateofcharge", value, &format!("2026-03-02T11:59:{second:02}Z"))
        };
        let body = json!([
            charge(json!(78), 10),
            charge(json!(78), 11),
            charge(json!(255), 12),
            charge(json!(null), 13),
            of(
                "location-preciselocation",
                json!({"latitude": 48.2, "longitude": 11.6, "heading": -1}),
                "2026-03-02T11:59:10Z"
            ),
            of("transmission-gearstate", json!("<invalid>"), "2026-03-02T11:59:10Z"),
            of("transmission-gearstate", json!("SPORT"), "2026-03-02T11:59:10Z"),
            of("odometer-traveleddistance", json!({"value": 100, "unit": "miles"}), "2026-03-02T11:59:10Z"),
        ]);
        let sent =
            |body: &Value| push(&server, &token, "application/json", None, body.to_string().into_bytes());
        let answered = sent(&body).await.expect(200).json();
        expect_test::expect![[r#"
            {
              "accepted": 7,
              "rejected": [
                {
                  "index": 6,
                  "error": "transmission-gearstate takes one of PARK, DRIVE, REVERSE, NEUTRAL, not \"SPORT\""
                }
              ],
              "outcomes": {
                "applied": 3,
                "unchanged": 1,
                "late": 0,
                "conflicting": 0,
                "implausible": 1,
                "unknown": 2,
                "buffered": 0
              },
              "results": [
                {
                  "index": 1,
                  "outcome": "unchanged"
                },
                {
                  "index": 2,
                  "outcome": "implausible",
                  "reason": "tractionbattery-stateofcharge takes a number of percent, 0 to 100"
                },
                {
                  "index": 3,
                  "outcome": "unknown",
                  "reason": "the value is no longer known"
                },
                {
                  "index": 4,
                  "outcome": "applied",
                  "ignored": [
                    "heading"
                  ]
                },
                {
                  "index": 5,
                  "outcome": "unknown",
                  "reason": "the value means that it is not available; what was known stands"
                }
              ]
            }"#]]
        .assert_eq(&format!("{answered:#}"));
        let again = sent(&json!([charge(json!(70), 5)])).await.expect(200).json();
        assert_eq!(again["results"][0]["outcome"], "late");
        let all = Request::post("/ingest/v1/readings?results=all")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let body = json!([charge(json!(70), 20), charge(json!(71), 21)]).to_string();
        let all = server.send(all.body(Body::from(body)).unwrap()).await.expect(200).json();
        let named = json!([{"index": 0, "outcome": "applied"}, {"index": 1, "outcome": "applied"}]);
        assert_eq!(all["results"], named);
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
        for coding in ["br", "gzip, br", "gzip, gzip"] {
            push(&server, &token, "application/json", Some(coding), fine.clone()).await.expect(415);
        }
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

    #[tokio::test]
    async fn a_reading_that_is_too_long_is_refused_by_its_place_and_the_others_are_taken() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let long = format!(r#"{{"vehicleId":"x","signal":"y","value":[{}0]}}"#, "0,".repeat(100_000));
        let body = format!("[{long},{}]", reading(&tenant.vehicle, json!(78)));
        let answered = push(&server, &token, "application/json", None, body.into_bytes()).await.expect(200);
        let taken = answered.json();
        assert_eq!(taken["accepted"], 1);
        assert_eq!(taken["rejected"], json!([{"index": 0, "error": "a reading has at most 32768 bytes"}]));
    }

    #[tokio::test]
    async fn a_body_that_unpacks_to_hundreds_of_times_its_size_is_refused() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let bomb = format!(r#"[{{"vehicleId":"x","signal":"y","value":[{}0]}}]"#, "0,".repeat(3_900_000));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(bomb.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 16_384, "{}", packed.len());
        push(&server, &token, "application/json", Some("gzip"), packed).await.expect(413);
    }

    #[tokio::test]
    async fn what_a_body_unpacks_to_counts_among_the_bodies_that_are_held() {
        let limits = crate::Limits { body: 64 << 10, bodies: 256 << 10, ..crate::Limits::default() };
        let server = Server::with(limits).await;
        let tenant = server.tenant("A").await;
        let token = feed(&server, &tenant).await;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b' '; 1 << 20]).unwrap();
        let answered =
            push(&server, &token, "application/x-ndjson", Some("gzip"), packed.finish().unwrap()).await;
        let answered = answered.expect(503);
        assert!(answered.headers.contains_key("retry-after"));
        let fine = reading(&tenant.vehicle, json!(78)).to_string().into_bytes();
        push(&server, &token, "application/x-ndjson", None, fine).await.expect(200);
    }
}
