//! Readings pushed in over HTTP: what comes out of the callback URI, and what is only looked at.
//!
//! | figure | what is pushed |
//! | --- | --- |
//! | fired | one reading of each of 500 vehicles per request, each with another value than before |
//! | looked at, ten | ten signals of each of 50 vehicles per request, none of which is a trigger |
//! | looked at, one | one signal of each of 500 vehicles per request, with the value that it had |
//! | latency | one reading per request at a constant rate, each of which fires |

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use app::{LinkRequest, PUSHED};
use bytes::Bytes;
use domain::{
    connect::PermissionSet,
    ids::VehicleId,
    signal::{ODOMETER, Powertrain, STATE_OF_CHARGE},
    vehicle::{Mode, Region, VehicleInfo},
    webhook::{Plan, Profile, SimulatedMode, Trigger, Unified},
};
use hyper::Method;
use lab::{
    client::HttpClient,
    latency::Latencies,
    receiver::{Receiver, ReceiverOptions},
};
use parking_lot::Mutex;
use store::{Newer, SourceRef};

use super::{
    Figure,
    stage::{self, FIRST_HOUR, Stage},
};
use crate::{cli::Bench, wiring::Running};

/// Vehicles that are pushed about in turn.
const VEHICLES: usize = 10_000;
/// Readings of one request.
const BATCH: usize = 500;
/// Requests on their way at once.
const AT_ONCE: usize = 8;
/// Readings of one run that fires, and of one that does not.
const FIRED: usize = 200_000;
const LOOKED_AT: usize = 500_000;
/// Signals of one vehicle in a request of the run with ten.
const TEN: [&str; 10] = [
    "odometer-traveleddistance",
    "tractionbattery-range",
    "climate-externaltemperature",
    "climate-internaltemperature",
    "charge-voltage",
    "charge-wattage",
    "charge-amperage",
    "charge-amperagemax",
    "charge-energyadded",
    "charge-timetocomplete",
];
const PER_SECOND: usize = 1_000;
const SECONDS: usize = 10;

pub(super) async fn measure(args: &Bench, bound: f64) -> Result<Vec<Figure>> {
    let config = stage::config(&args.data)?;
    let running = stage::start(&config, FIRST_HOUR).await?;
    let plan = Plan::Unified(Unified {
        triggers: vec![Trigger { signal: STATE_OF_CHARGE, dead_band: None }],
        data: vec![STATE_OF_CHARGE, ODOMETER],
        profile: Profile::Union,
        simulated_mode: SimulatedMode::Simulated,
        lenient_verification: false,
    });
    let (stage, mut counter) = stage::prepare_with(&running, config, plan).await?;
    let vehicles = link(&running, &stage).await?;
    let feed = running.app.create_feed(stage.application, "Benchmark", Newer::Observed, 0, None).await?;
    let client = HttpClient::new(&format!("http://{}", running.address))?.bearer(&feed.token)?;
    let mut pusher = Pusher { client, vehicles, moment: FIRST_HOUR.as_millis(), step: 0 };
    // The first push of each vehicle is its first delivery.
    pusher.run(VEHICLES, Kind::Fired).await?;
    let mut expected = VEHICLES as u64;
    counter.wait(expected).await?;
    let (mut fired, mut ten, mut one) = (vec![], vec![], vec![]);
    for _ in 0..args.runs {
        let begun = begin();
        pusher.run(FIRED, Kind::Fired).await?;
        expected += FIRED as u64;
        counter.wait(expected).await?;
        fired.push(FIRED as f64 / begun.elapsed().as_secs_f64());
        let begun = begin();
        pusher.run(LOOKED_AT, Kind::Ten).await?;
        ten.push(LOOKED_AT as f64 / begun.elapsed().as_secs_f64());
        let begun = begin();
        pusher.run(LOOKED_AT / 2, Kind::One).await?;
        one.push((LOOKED_AT / 2) as f64 / begun.elapsed().as_secs_f64());
    }
    let (distinct, repeated, bad) = counter.tally().await?;
    ensure!(
        (distinct, repeated, bad) == (expected, 0, 0),
        "{distinct} of {expected} came, {repeated} again, {bad} with a bad signature"
    );
    counter.stop().await?;
    let (p50, p99) = latency(args, &running, &stage, &mut pusher).await?;
    running.stop().await?;
    std::fs::remove_dir_all(&args.data)?;
    let named = |quantile: &str| format!("reading to received at {PER_SECOND}/s: {quantile}");
    Ok(vec![
        Figure { bound: Some(bound), ..Figure::new("readings in to POSTs received", "/s", fired) },
        Figure::new("readings looked at, ten per vehicle and batch", "/s", ten),
        Figure::new("readings looked at, one per vehicle and batch", "/s", one),
        Figure::new(named("p50"), "ms", p50),
        Figure::new(named("p99"), "ms", p99),
    ])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn begin() -> Instant {
    Instant::now()
}

/// Vehicles that only pushes tell about, on the webhook.
async fn link(running: &Running, stage: &Stage) -> Result<Vec<String>> {
    let app = &running.app;
    let pool = app.pool("pushed").await?;
    let application = app.application(stage.application)?.application.no;
    let webhook = app.webhook_entry(stage.webhook)?;
    let request = || LinkRequest {
        application,
        user: None,
        info: VehicleInfo {
            id: VehicleId(uuid::Uuid::nil()),
            make: "TESLA".into(),
            model: "Model 3".into(),
            year: 2024,
            mode: Mode::Live,
            powertrain: Powertrain::Bev,
            region: Region::Europe,
        },
        permissions: PermissionSet::ALL,
        source: SourceRef { kind: PUSHED, pool, spec: Vec::new() },
    };
    let linked = app.link((0..VEHICLES).map(|_| request()).collect()).await?;
    let numbers: Vec<_> = linked.iter().map(|linked| linked.no).collect();
    app.subscribe_numbers(&webhook, &numbers).await?;
    Ok(linked.iter().map(|linked| linked.vehicle.to_string()).collect())
}

/// What the readings of a run do.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Fired,
    Ten,
    One,
}

/// Pushes readings, each later than all before.
struct Pusher {
    client: HttpClient,
    vehicles: Vec<String>,
    /// Milliseconds since 1970 of the newest reading.
    moment: i64,
    /// Requests so far.
    step: usize,
}

impl Pusher {
    async fn run(&mut self, readings: usize, kind: Kind) -> Result<()> {
        let mut on_their_way = tokio::task::JoinSet::new();
        for _ in 0..readings / BATCH {
            if on_their_way.len() >= AT_ONCE
                && let Some(answer) = on_their_way.join_next().await
            {
                answer??;
            }
            let body = self.body(kind);
            on_their_way.spawn(push(self.client.clone(), body, BATCH));
        }
        while let Some(answer) = on_their_way.join_next().await {
            answer??;
        }
        Ok(())
    }

    /// The next request: of the next vehicles in turn, a moment later than when it was their turn before.
    fn body(&mut self, kind: Kind) -> Bytes {
        let per_vehicle = if kind == Kind::Ten { TEN.len() } else { 1 };
        let first = self.step * (BATCH / per_vehicle) % self.vehicles.len();
        self.step += 1;
        self.moment += 1;
        let mut body = String::with_capacity(BATCH * 160);
        let value = (self.step % 97) as f64 + 1.0;
        for vehicle in &self.vehicles[first..first + BATCH / per_vehicle] {
            match kind {
                // Never the value of the vehicle's turn before.
                Kind::Fired => self.add(&mut body, vehicle, "tractionbattery-stateofcharge", value),
                Kind::One => self.add(&mut body, vehicle, "odometer-traveleddistance", 20_000.0),
                Kind::Ten => TEN.iter().for_each(|signal| self.add(&mut body, vehicle, signal, value)),
            }
        }
        body.into()
    }

    fn add(&self, body: &mut String, vehicle: &str, signal: &str, value: f64) {
        use std::fmt::Write;
        let moment = self.moment;
        writeln!(
            body,
            r#"{{"vehicleId":"{vehicle}","signal":"{signal}","value":{value},"observedAt":{moment}}}"#
        )
        .expect("text takes all");
    }
}

async fn push(client: HttpClient, body: Bytes, readings: usize) -> Result<()> {
    let answer = client.send(Method::POST, "/ingest/v1/readings", Some("application/x-ndjson"), body).await?;
    let taken = answer.json();
    ensure!(taken["accepted"] == readings, "readings were refused: {}", answer.text());
    Ok(())
}

/// From a request with one reading until the receiver has its event.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn latency(
    args: &Bench,
    running: &Running,
    stage: &Stage,
    pusher: &mut Pusher,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let options =
        ReceiverOptions { secrets: vec![stage.management_token.clone()], ..ReceiverOptions::default() };
    let receiver = Receiver::start(options).await?;
    let admin = HttpClient::new(&format!("http://{}", running.address))?.bearer(&running.admin_token.text)?;
    super::latency::move_webhook(&admin, &stage.webhook.to_string(), &receiver.url("/hook")).await?;
    let (mut p50, mut p99) = (vec![], vec![]);
    // A new URI is owed first deliveries: they come before anything is measured.
    pusher.run(VEHICLES, Kind::Fired).await?;
    receiver.log().wait_for_events(VEHICLES as u64, Duration::from_secs(120)).await;
    for _ in 0..args.runs {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut arriving = receiver.log().subscribe();
        let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let total = PER_SECOND * SECONDS;
        let sending = tokio::spawn(send(pusher.client.clone(), bodies(pusher, total), sent.clone()));
        let mut latencies = Latencies::default();
        while latencies.count() < total as u64 {
            let received = tokio::time::timeout(Duration::from_secs(20), arriving.recv())
                .await
                .context("events are missing")??;
            for item in received.event.iter().flat_map(lab::event::Event::items) {
                let vehicle =
                    item.vehicle.map(|id| uuid::Uuid::from_u128(id.0).to_string()).unwrap_or_default();
                if let Some(begun) = sent.lock().remove(&vehicle) {
                    latencies.record(received.instant.saturating_duration_since(begun));
                }
            }
        }
        sending.await??;
        p50.push(latencies.quantile(0.50).as_secs_f64() * 1_000.0);
        p99.push(latencies.quantile(0.99).as_secs_f64() * 1_000.0);
    }
    receiver.shutdown().await;
    Ok((p50, p99))
}

/// Requests with one reading each, with the vehicle that it is of.
fn bodies(pusher: &mut Pusher, total: usize) -> Vec<(String, Bytes)> {
    let body = |number: usize| {
        pusher.moment += 1;
        pusher.step += 1;
        let vehicle = pusher.vehicles[number % pusher.vehicles.len()].clone();
        let mut body = String::new();
        pusher.add(&mut body, &vehicle, "tractionbattery-stateofcharge", (pusher.step % 89) as f64 + 0.5);
        (vehicle, Bytes::from(body))
    };
    (0..total).map(body).collect()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn send(
    client: HttpClient,
    bodies: Vec<(String, Bytes)>,
    sent: Arc<Mutex<HashMap<String, Instant>>>,
) -> Result<()> {
    let begun = tokio::time::Instant::now();
    let mut asked = tokio::task::JoinSet::new();
    for (number, (vehicle, body)) in bodies.into_iter().enumerate() {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(number as f64 / PER_SECOND as f64)).await;
        sent.lock().insert(vehicle, Instant::now());
        asked.spawn(push(client.clone(), body, 1));
    }
    while let Some(answer) = asked.join_next().await {
        answer??;
    }
    Ok(())
}
