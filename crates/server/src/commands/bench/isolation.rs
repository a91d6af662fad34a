//! One application's trouble beside another's work: each figure is also taken without the trouble, in the same run.
//!
//! | scenario | trouble | what is measured |
//! | --- | --- | --- |
//! | bombs | twelve requests at once, each a few kilobytes of gzip that unpack to a reading of millions of elements | another application's ingest; memory |
//! | hanging | 400 webhooks that have answered and then hang, with eight events each, again and again | reading to received, of the same application and of another; quiet is the same with answers |
//! | overload | readings pushed without pause, 100 to a request, each of which fires | events delivered meanwhile; memory; what is missing afterwards |

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use app::{LinkRequest, NewWebhookRequest, PUSHED};
use bytes::Bytes;
use domain::{
    connect::{PermissionSet, defaults::Defaults},
    ids::{ApplicationId, VehicleId, VehicleNo, WebhookId},
    signal::{ODOMETER, Powertrain, STATE_OF_CHARGE},
    vehicle::{Mode, Region, VehicleInfo},
    webhook::{Agent, Plan, Profile, SimulatedMode, Trigger, Unified},
};
use hyper::{Method, StatusCode};
use lab::{
    behaviour::Behaviour,
    client::HttpClient,
    id::Id,
    latency::{Latencies, Stopwatch},
    receiver::{Receiver, ReceiverOptions, Recording},
};
use store::{Newer, SourceRef};
use tokio::task::JoinSet;

use super::{
    Figure,
    stage::{self, FIRST_HOUR},
};
use crate::{cli::Bench, wiring::Running};

/// How long each measurement lasts, with the trouble and without.
const LASTS: Duration = Duration::from_secs(10);
/// Requests of the quiet application in a second.
const PER_SECOND: usize = 100;
/// Vehicles that are pushed about in turn.
const VEHICLES: usize = 1_000;

const BOMBS: usize = 12;
/// Elements of the value of a bomb.
const ELEMENTS: usize = 3_900_000;

const HANGING: usize = 400;
/// Events of each hanging webhook in a round.
const EVENTS: usize = 8;
const ROUND: Duration = Duration::from_secs(3);

/// Readings of a request under overload.
const BATCH: usize = 100;
const AT_ONCE: usize = 8;
const OVERLOAD: Duration = Duration::from_secs(60);
/// Events that are out at most while nothing is overloaded.
const PACED: u64 = 2_000;

/// An application with vehicles that are pushed about.
struct Tenant {
    id: ApplicationId,
    token: String,
    client: HttpClient,
    vehicles: Vec<(VehicleNo, VehicleId)>,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn instant() -> Instant {
    Instant::now()
}

/// Readings that fire, and the odometer beside them.
fn plan() -> Plan {
    Plan::Unified(Unified {
        triggers: vec![Trigger { signal: STATE_OF_CHARGE, dead_band: None }],
        data: vec![STATE_OF_CHARGE, ODOMETER],
        profile: Profile::Union,
        simulated_mode: SimulatedMode::Simulated,
        lenient_verification: false,
    })
}

async fn tenant(running: &Running, name: &str, vehicles: usize) -> Result<Tenant> {
    let app = &running.app;
    let created = app.create_application(name, vec![], app::UNLIMITED, Defaults::default(), None).await?;
    let application = created.entry.application.no;
    let pool = app.pool("pushed").await?;
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
    let linked = app.link((0..vehicles).map(|_| request()).collect()).await?;
    let id = created.entry.application.id;
    let feed = app.create_feed(id, "Benchmark", Newer::Observed, 0, None).await?;
    Ok(Tenant {
        id,
        token: created.entry.management_token.to_string(),
        client: HttpClient::new(&format!("http://{}", running.address))?.bearer(&feed.token)?,
        vehicles: linked.iter().map(|linked| (linked.no, linked.vehicle)).collect(),
    })
}

/// A verified webhook of a tenant with these vehicles on it.
async fn webhook(
    running: &Running,
    tenant: &Tenant,
    uri: String,
    vehicles: &[VehicleNo],
) -> Result<WebhookId> {
    let app = &running.app;
    let request = NewWebhookRequest {
        application: tenant.id,
        name: "Benchmark".into(),
        callback_uri: uri,
        error_uri: None,
        error_uri_unchecked: false,
        verify: false,
        plan: plan(),
        auto_subscribe: false,
        agent: Agent::Milepost,
        headers: Default::default(),
    };
    let made = app.create_webhook(request, None).await?;
    let id = made.entry.webhook().id;
    let verified = app.verify_webhook(id).await?;
    ensure!(verified.entry.webhook().status.verified, "the receiver was not verified");
    let entry = app.webhook_entry(id)?;
    app.subscribe_numbers(&entry, vehicles).await?;
    Ok(id)
}

/// Readings of vehicles, one to a line.
fn body(vehicles: &[(VehicleNo, VehicleId)], signal: &str, value: f64, moment: i64) -> Bytes {
    let line = |(_, id): &(VehicleNo, VehicleId)| {
        format!(
            "{{\"vehicleId\":\"{id}\",\"signal\":\"{signal}\",\"value\":{value},\"observedAt\":{moment}}}\n"
        )
    };
    vehicles.iter().map(line).collect::<String>().into()
}

const CHARGE: &str = "tractionbattery-stateofcharge";
const LINES: Option<&str> = Some("application/x-ndjson");

async fn push(client: &HttpClient, body: Bytes) -> Result<StatusCode> {
    let answer = client.send(Method::POST, "/ingest/v1/readings", LINES, body).await?;
    ensure!(
        matches!(answer.status.as_u16(), 200 | 429 | 503),
        "readings were refused: {} {}",
        answer.status,
        answer.text()
    );
    Ok(answer.status)
}

fn millis(latencies: &Latencies, quantile: f64) -> f64 {
    latencies.quantile(quantile).as_secs_f64() * 1_000.0
}

/// The median with and without trouble, and how many times the one is the other.
fn compared(what: &str, clean: Vec<f64>, troubled: Vec<f64>) -> Vec<Figure> {
    let ratios = clean.iter().zip(&troubled).map(|(clean, troubled)| troubled / clean).collect();
    vec![
        Figure::new(format!("{what}: quiet"), "ms", clean),
        Figure::new(format!("{what}: troubled"), "ms", troubled),
        Figure::new(format!("{what}: ratio"), "×", ratios),
    ]
}

// ---- bombs ----

pub(super) async fn bombs(args: &Bench) -> Result<Vec<Figure>> {
    let running = stage::start(&stage::config(&args.data)?, FIRST_HOUR).await?;
    let quiet = tenant(&running, "Quiet", VEHICLES).await?;
    let loud = tenant(&running, "Loud", 1).await?;
    let bomb = bomb(loud.vehicles[0].1)?;
    let (mut clean, mut beside, mut peak) = (vec![], vec![], vec![]);
    let mut moment = FIRST_HOUR.as_millis();
    ingest(&quiet, &mut moment).await?;
    for _ in 0..args.runs {
        clean.push(millis(&ingest(&quiet, &mut moment).await?, 0.99));
        stage::forget_peak();
        let mut bombers = JoinSet::new();
        for _ in 0..BOMBS {
            let (client, bomb) = (loud.client.clone(), bomb.clone());
            bombers.spawn(async move {
                let client = client.with_header("content-encoding", "gzip").expect("a valid header");
                while client.send(Method::POST, "/ingest/v1/readings", LINES, bomb.clone()).await.is_ok() {}
            });
        }
        beside.push(millis(&ingest(&quiet, &mut moment).await?, 0.99));
        peak.push(stage::own("status", "VmHWM:") as f64 / 1_024.0);
        bombers.shutdown().await;
    }
    running.stop().await?;
    std::fs::remove_dir_all(&args.data)?;
    let mut figures = compared("twelve bombs: another application's ingest p99", clean, beside);
    figures.push(Figure::new("twelve bombs: most memory", "MiB", peak));
    Ok(figures)
}

/// A reading of millions of elements, packed.
fn bomb(vehicle: VehicleId) -> Result<Bytes> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    write!(packed, r#"{{"vehicleId":"{vehicle}","signal":"{CHARGE}","value":[0"#)?;
    packed.write_all(",0".repeat(ELEMENTS).as_bytes())?;
    packed.write_all(b"]}\n")?;
    Ok(packed.finish()?.into())
}

/// How long requests with ten readings that fire nothing take, at a constant rate.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn ingest(tenant: &Tenant, moment: &mut i64) -> Result<Latencies> {
    let begun = tokio::time::Instant::now();
    let mut asked = JoinSet::new();
    for number in 0..PER_SECOND * LASTS.as_secs() as usize {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(number as f64 / PER_SECOND as f64)).await;
        *moment += 1;
        let first = number * 10 % tenant.vehicles.len();
        let body = body(&tenant.vehicles[first..first + 10], "odometer-traveleddistance", 100.0, *moment);
        let client = tenant.client.clone();
        asked.spawn(async move {
            let begun = Instant::now();
            let status = push(&client, body).await?;
            ensure!(status.is_success(), "the quiet application was sent away: {status}");
            Ok(begun.elapsed())
        });
    }
    let mut latencies = Latencies::default();
    while let Some(took) = asked.join_next().await {
        latencies.record(took??);
    }
    Ok(latencies)
}

// ---- hanging ----

pub(super) async fn hanging(args: &Bench) -> Result<Vec<Figure>> {
    let running = stage::start(&stage::config(&args.data)?, FIRST_HOUR).await?;
    let same = tenant(&running, "Same", VEHICLES + EVENTS).await?;
    let other = tenant(&running, "Other", VEHICLES).await?;
    let stopwatch = Arc::new(Stopwatch::new(4 * VEHICLES));
    let recording = Recording::Lean { check_signatures: false, ids: 0, stopwatch: Some(stopwatch.clone()) };
    let secrets = vec![same.token.clone(), other.token.clone()];
    let good = Receiver::start(ReceiverOptions { secrets, recording, ..ReceiverOptions::default() }).await?;
    let bad = Receiver::start(ReceiverOptions {
        secrets: vec![same.token.clone()],
        honest_verification: true,
        recording: Recording::Lean { check_signatures: false, ids: 0, stopwatch: None },
        most_connections: 100_000,
        ..ReceiverOptions::default()
    })
    .await?;
    let numbers =
        |vehicles: &[(VehicleNo, VehicleId)]| vehicles.iter().map(|(no, _)| *no).collect::<Vec<_>>();
    for tenant in [&same, &other] {
        webhook(&running, tenant, good.url("/hook"), &numbers(&tenant.vehicles[..VEHICLES])).await?;
    }
    let troubled = &same.vehicles[VEHICLES..];
    for number in 0..HANGING {
        webhook(&running, &same, bad.url(&format!("/hook/{number}")), &numbers(troubled)).await?;
    }
    let mut moment = FIRST_HOUR.as_millis();
    // First deliveries are not measured, and all receivers have answered once.
    for tenant in [&same, &other] {
        push(&tenant.client, body(&tenant.vehicles, CHARGE, 1.0, moment)).await?;
    }
    settle(&stopwatch).await;
    let (mut clean, mut beside) = (vec![], vec![]);
    // What has hung is sent later, so the quiet runs come first.
    for (behaviour, runs) in [(Behaviour::GOOD, &mut clean), (Behaviour::Hang, &mut beside)] {
        bad.behave_everywhere(&behaviour);
        for _ in 0..args.runs {
            runs.push(events([&same, &other], &stopwatch, &mut moment, troubled).await?);
        }
    }
    good.shutdown().await;
    running.stop().await?;
    bad.shutdown().await;
    std::fs::remove_dir_all(&args.data)?;
    let of = |runs: &[Latencies], quantile| runs.iter().map(|run| millis(run, quantile)).collect();
    let mut figures = compared("400 hanging webhooks: healthy p50", of(&clean, 0.5), of(&beside, 0.5));
    figures.extend(compared("400 hanging webhooks: healthy p99", of(&clean, 0.99), of(&beside, 0.99)));
    Ok(figures)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn settle(stopwatch: &Stopwatch) {
    let until = Instant::now() + Duration::from_secs(30);
    tokio::time::sleep(Duration::from_secs(2)).await;
    while stopwatch.under_way() > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// From a reading of one or the other application, by turns, until the receiver has its event; rounds of readings for the
/// other webhooks meanwhile, whether they hang or not.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn events(
    tenants: [&Tenant; 2],
    stopwatch: &Stopwatch,
    moment: &mut i64,
    troubled: &[(VehicleNo, VehicleId)],
) -> Result<Latencies> {
    drop(stopwatch.taken());
    let begun = tokio::time::Instant::now();
    let mut asked = JoinSet::new();
    let total = PER_SECOND * LASTS.as_secs() as usize;
    let each = PER_SECOND * ROUND.as_secs() as usize;
    for number in 0..total {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(number as f64 / PER_SECOND as f64)).await;
        *moment += 1;
        let value = (*moment % 89) as f64 + 0.5;
        if number % each == 0 {
            push(&tenants[0].client, body(troubled, CHARGE, value, *moment)).await?;
        }
        let tenant = tenants[number % 2];
        let vehicle = tenant.vehicles[number / 2 % VEHICLES];
        let (client, body) = (tenant.client.clone(), body(&[vehicle], CHARGE, value, *moment));
        let began = Instant::now();
        stopwatch.start(Id(vehicle.1.0.as_u128()), began);
        asked.spawn(async move { push(&client, body).await });
    }
    while let Some(answer) = asked.join_next().await {
        let status = answer??;
        ensure!(status.is_success(), "a reading was sent away: {status}");
    }
    settle(stopwatch).await;
    let measured = stopwatch.taken();
    ensure!(measured.count() == total as u64, "{} of {total} events came", measured.count());
    Ok(measured)
}

// ---- overload ----

pub(super) async fn overload(args: &Bench, bound: f64) -> Result<Vec<Figure>> {
    let running = stage::start(&stage::config(&args.data)?, FIRST_HOUR).await?;
    let tenant = tenant(&running, "Loud", 10 * VEHICLES).await?;
    let mut counter = super::receiver::Counter::start(&tenant.token).await?;
    let numbers: Vec<_> = tenant.vehicles.iter().map(|(no, _)| *no).collect();
    webhook(&running, &tenant, counter.url(), &numbers).await?;
    let mut pusher = Pusher { tenant: &tenant, moment: FIRST_HOUR.as_millis(), step: 0 };
    let (mut paced, mut under, mut ratios, mut late, mut memory) = (vec![], vec![], vec![], vec![], vec![]);
    let mut sent = 0;
    // The first push of each vehicle is its first delivery.
    while sent < numbers.len() as u64 {
        sent += pusher.one().await?;
    }
    counter.wait(sent).await?;
    for _ in 0..args.runs {
        let begun = instant();
        let from = sent;
        while begun.elapsed() < LASTS {
            let mut requests = JoinSet::new();
            for body in (0..AT_ONCE).map(|_| pusher.body()) {
                let client = tenant.client.clone();
                requests.spawn(async move { push(&client, body).await });
            }
            while let Some(answer) = requests.join_next().await {
                ensure!(answer??.is_success(), "a paced reading was sent away");
                sent += BATCH as u64;
            }
            counter.wait(sent.saturating_sub(PACED)).await?;
        }
        counter.wait(sent).await?;
        let reference = (sent - from) as f64 / begun.elapsed().as_secs_f64();
        let accepted = without_pause(&tenant, &mut pusher, &mut counter).await?;
        let rate = accepted.delivered as f64 / accepted.took.as_secs_f64();
        sent += accepted.readings;
        let drained = instant();
        counter.wait(sent).await?;
        late.push(drained.elapsed().as_secs_f64());
        memory.push(accepted.growth_mib);
        paced.push(reference);
        under.push(rate);
        ratios.push(rate / reference);
    }
    let (distinct, repeated, bad) = counter.tally().await?;
    ensure!(
        (distinct, repeated, bad) == (sent, 0, 0),
        "{distinct} of {sent} came, {repeated} again, {bad} with a bad signature"
    );
    counter.stop().await?;
    running.stop().await?;
    std::fs::remove_dir_all(&args.data)?;
    Ok(vec![
        Figure { bound: Some(bound), ..Figure::new("delivered, paced", "/s", paced) },
        Figure { bound: Some(bound), ..Figure::new("delivered under overload", "/s", under) },
        Figure::new("delivered under overload: ratio", "×", ratios),
        Figure::new("overload: until the last event has come", "s", late),
        Figure::new("overload: memory at its end over a third of it", "MiB", memory),
    ])
}

/// Pushes about vehicles in turn, each later than before and with another value.
struct Pusher<'a> {
    tenant: &'a Tenant,
    moment: i64,
    step: usize,
}

impl Pusher<'_> {
    fn body(&mut self) -> Bytes {
        let first = self.step * BATCH % self.tenant.vehicles.len();
        self.step += 1;
        self.moment += 1;
        // Never 0: sensors that sleep say that, so it fires nothing at once.
        let value = (self.step % 97) as f64 + 1.0;
        body(&self.tenant.vehicles[first..first + BATCH], CHARGE, value, self.moment)
    }

    async fn one(&mut self) -> Result<u64> {
        let body = self.body();
        let status = push(&self.tenant.client, body).await?;
        Ok(if status.is_success() { BATCH as u64 } else { 0 })
    }
}

struct Accepted {
    readings: u64,
    delivered: u64,
    took: Duration,
    growth_mib: f64,
}

/// Pushes as fast as it is answered; who is sent away comes back when told to.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn without_pause(
    tenant: &Tenant,
    pusher: &mut Pusher<'_>,
    counter: &mut super::receiver::Counter,
) -> Result<Accepted> {
    let before = counter.tally().await?.0;
    let (begun, mut accepted, mut third) = (Instant::now(), 0, None);
    let mut requests = JoinSet::new();
    while begun.elapsed() < OVERLOAD {
        while requests.len() < AT_ONCE {
            let (client, body) = (tenant.client.clone(), pusher.body());
            requests.spawn(async move {
                let answer = client.send(Method::POST, "/ingest/v1/readings", LINES, body).await?;
                if let Some(seconds) = answer.header("retry-after").and_then(|text| text.parse().ok()) {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                anyhow::Ok(answer.status)
            });
        }
        let status = requests.join_next().await.context("a request is under way")???;
        accepted += if status.is_success() { BATCH as u64 } else { 0 };
        if begun.elapsed() > OVERLOAD / 3 {
            third.get_or_insert_with(|| stage::own("status", "VmRSS:"));
        }
    }
    let (took, delivered) = (begun.elapsed(), counter.tally().await?.0 - before);
    while let Some(answer) = requests.join_next().await {
        accepted += if answer??.is_success() { BATCH as u64 } else { 0 };
    }
    let growth = stage::own("status", "VmRSS:") as f64 - third.unwrap_or_default() as f64;
    Ok(Accepted { readings: accepted, delivered, took, growth_mib: growth / 1_024.0 })
}
