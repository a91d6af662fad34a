//! From a request to us until the receiver has the event: redeliveries at a constant rate, whatever the answers take.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{
    client::HttpClient,
    latency::Latencies,
    receiver::{Receiver, ReceiverOptions},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sources::simulated::Latency;

use super::{
    Figure,
    stage::{self, FIRST_HOUR, HOUR},
};
use crate::{cli::Bench, wiring::Running};

const PER_SECOND: usize = 200;
const SECONDS: usize = 10;
/// Distinct vehicles, each redelivered in turn.
const VEHICLES: usize = 1_000;
/// The server starts so long before the hour whose deliveries are sent again.
const LEAD: Duration = Duration::from_secs(2);
/// Redeliveries per second of the measurement start after this.
const SETTLE: Duration = Duration::from_secs(1);

type Sent = Arc<Mutex<HashMap<String, Instant>>>;

pub(super) async fn measure(args: &Bench) -> Result<Vec<Figure>> {
    let config = stage::config(&args.data)?;
    let running = stage::start(&config, FIRST_HOUR - HOUR / 2).await?;
    let (stage, mut counter) = stage::prepare(&running, config).await?;
    stage::populate(&running.app, &stage, VEHICLES, Latency::Ideal, args.json).await?;
    running.stop().await?;
    let running = stage::start(&stage.config, FIRST_HOUR - LEAD).await?;
    counter.wait(VEHICLES as u64).await?;
    counter.stop().await?;
    // From here on the receiver is in this process: both ends are measured with one clock.
    let options =
        ReceiverOptions { secrets: vec![stage.management_token.clone()], ..ReceiverOptions::default() };
    let receiver = Receiver::start(options).await?;
    let client =
        HttpClient::new(&format!("http://{}", running.address))?.bearer(&running.admin_token.text)?;
    move_webhook(&client, &stage.webhook.to_string(), &receiver.url("/hook")).await?;
    let deliveries = delivered(&client, &stage.webhook.to_string()).await?;
    let (mut p50, mut p99) = (vec![], vec![]);
    for _ in 0..args.runs {
        let latencies = once(&client, &receiver, &deliveries).await?;
        p50.push(latencies.quantile(0.50).as_secs_f64() * 1_000.0);
        p99.push(latencies.quantile(0.99).as_secs_f64() * 1_000.0);
    }
    end(running, receiver).await?;
    std::fs::remove_dir_all(&args.data)?;
    let named = |quantile: &str| format!("request to received at {PER_SECOND}/s: {quantile}");
    Ok(vec![Figure::new(named("p50"), "ms", p50), Figure::new(named("p99"), "ms", p99)])
}

async fn end(running: Running, receiver: Receiver) -> Result<()> {
    running.stop().await?;
    receiver.shutdown().await;
    Ok(())
}

pub(super) async fn move_webhook(client: &HttpClient, webhook: &str, url: &str) -> Result<()> {
    let answer =
        client.patch(&format!("/api/v1/webhooks/{webhook}"), &json!({ "callbackUri": url })).await?.json();
    ensure!(answer["verified"] == json!(true), "the receiver was not verified: {answer}");
    Ok(())
}

/// Ids of deliveries with their vehicles.
async fn delivered(client: &HttpClient, webhook: &str) -> Result<Vec<(String, String)>> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            client.get(&format!("/api/v1/deliveries?webhookId={webhook}&limit=100{cursor}")).await?.json();
        for item in page["items"].as_array().context("deliveries are a list")? {
            let text = |member: &str| item[member].as_str().unwrap_or_default().to_owned();
            found.push((text("id"), text("vehicleId")));
        }
        match &page["nextCursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return Ok(found),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn once(
    client: &HttpClient,
    receiver: &Receiver,
    deliveries: &[(String, String)],
) -> Result<Latencies> {
    tokio::time::sleep(SETTLE).await;
    let mut arriving = receiver.log().subscribe();
    let sent: Sent = Arc::default();
    let total = PER_SECOND * SECONDS;
    let sending = send(client.clone(), deliveries.to_vec(), sent.clone(), total);
    let sending = tokio::spawn(sending);
    let mut latencies = Latencies::default();
    while latencies.count() < total as u64 {
        let received = tokio::time::timeout(Duration::from_secs(20), arriving.recv())
            .await
            .context("events are missing")??;
        for item in received.event.iter().flat_map(lab::event::Event::items) {
            let vehicle =
                item.vehicle.map(|vehicle| uuid::Uuid::from_u128(vehicle.0).to_string()).unwrap_or_default();
            if let Some(begun) = sent.lock().remove(&vehicle) {
                latencies.record(received.instant.saturating_duration_since(begun));
            }
        }
    }
    sending.await??;
    Ok(latencies)
}

/// Asks for redeliveries at their moments; a late answer delays none of the others.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn send(client: HttpClient, deliveries: Vec<(String, String)>, sent: Sent, total: usize) -> Result<()> {
    let begun = tokio::time::Instant::now();
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..total {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(number as f64 / PER_SECOND as f64)).await;
        let (delivery, vehicle) = deliveries[number % deliveries.len()].clone();
        sent.lock().insert(vehicle, Instant::now());
        let client = client.clone();
        asked.spawn(async move {
            client.post(&format!("/api/v1/deliveries/{delivery}/redeliver"), &json!({})).await
        });
    }
    while let Some(answer) = asked.join_next().await {
        let answer = answer??;
        ensure!(answer.status.is_success(), "a redelivery was refused: {}", answer.text());
    }
    Ok(())
}
