//! `milepost demo`: server, simulated fleet and receiver in one, with a clock that runs faster.
//!
//! Everything goes the way that a team's software would go: through the admin API, over HTTP, to a callback URI.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use domain::time::Timestamp;
use lab::{
    console::{self, Console, ShownTime},
    receiver::{Received, Receiver, ReceiverOptions},
};
use serde_json::{Value, json};
use store::Upkeep;

use super::{WrongUse, client::Client, serve::Signals};
use crate::{
    cli::Demo,
    config::{Config, LogFormat},
    machine::MachineClock,
    telemetry,
    wiring::{self, Running, Stores},
};

/// How long before the hour the demo's clock begins, in time that passes: enough to verify, test and subscribe.
const LEAD: Duration = Duration::from_secs(2);
const HOUR_S: i64 = 3_600;
/// The path that both webhooks share.
const CALLBACK: &str = "/webhooks";

const NOTE: anstyle::Style = anstyle::AnsiColor::Cyan.on_default();

/// Make, model, region, profile.
const FLEET: [(&str, &str, &str, &str); 6] = [
    ("TESLA", "Model 3", "US", "driving"),
    ("VOLKSWAGEN", "ID.4", "EUROPE", "charging"),
    ("FORD", "Mustang Mach-E", "US", "parked"),
    ("BMW", "i4", "EUROPE", "driving"),
    ("TOYOTA", "RAV4 Prime", "US", "driving"),
    ("KIA", "EV6", "US", "charging"),
];

pub(crate) async fn run(args: Demo) -> Result<()> {
    if !(1.0..=3_600.0).contains(&args.speed) {
        bail!(WrongUse("--speed is a number from 1 to 3600"));
    }
    let mut config = Config::load(None, std::env::vars())?;
    config.server.listen = args.listen;
    config.server.data = args.data.clone();
    config.server.metrics_listen = String::new();
    config.egress.allow = vec!["127.0.0.0/8".into()];
    config.log.level = "warn".into();
    config.log.format = LogFormat::Text;
    telemetry::log(&config.log)?;
    let mut signals = Signals::new()?;
    let from = beginning(&args).await?;
    let clock = Arc::new(MachineClock::paced(from, args.speed));
    let receiver = Receiver::start(ReceiverOptions::default()).await.context("the receiver cannot listen")?;
    let running = wiring::start(&config, clock, None).await?;
    let demo = Stage { json: args.json, client: client(&running)?, receiver: &receiver };
    let mut screen = Console::for_stdout(ShownTime::Sender);
    demo.introduce(&running, &args, from);
    let mut arriving = receiver.log().subscribe();
    let set_up = demo.set_up(&args);
    tokio::pin!(set_up);
    let (mut per_slot, mut arrived) = (None, BTreeMap::new());
    loop {
        tokio::select! {
            done = &mut set_up, if per_slot.is_none() => per_slot = Some(done?),
            received = arriving.recv() => {
                let Ok(received) = received else { continue };
                demo.show(&mut screen, &received);
                count(&received, &mut arrived);
                let whole = arrived.values().filter(|&&count| Some(count) >= per_slot && per_slot.is_some()).count();
                if args.slots.is_some_and(|slots| whole as u64 >= slots) {
                    break;
                }
            }
            () = signals.next() => break,
            () = running.app.health().a_loop_died() => bail!("{}", running.app.health().problems().join("; ")),
        }
    }
    demo.note(&format!("stopping; the data stays in {}", args.data.display()));
    running.stop().await
}

/// Where the demo's clock begins: before the next hour, and never before what was written by an earlier run.
async fn beginning(args: &Demo) -> Result<Timestamp> {
    use app::ports::Clock;
    let stores = Stores::open(&args.data)?;
    let latest = stores.store.heartbeat(MachineClock::wall().now()).await?;
    stores.close().await?;
    let lead = LEAD.mul_f64(args.speed);
    let hour = (latest + lead).as_secs().div_euclid(HOUR_S) + 1;
    Ok(Timestamp::from_secs(hour * HOUR_S) - lead)
}

fn client(running: &Running) -> Result<Client> {
    Client::new(&format!("http://{}", running.address), &running.admin_token.text)
}

/// Counts the vehicles of a received payload for the hour that it was made in; tests are not counted.
fn count(received: &Received, arrived: &mut BTreeMap<String, u64>) {
    let event = received.event.as_ref().filter(|event| event.mode.as_deref() == Some("simulated"));
    if let Some((event, made)) = event.and_then(|event| Some((event, event.told()?))) {
        *arrived.entry(made.to_string()[..13].to_owned()).or_default() += event.items().len() as u64;
    }
}

/// What the demo acts with.
struct Stage<'a> {
    json: bool,
    client: Client,
    receiver: &'a Receiver,
}

impl Stage<'_> {
    /// A line about what happens.
    fn note(&self, text: &str) {
        if self.json {
            println!("{}", json!({ "note": text }));
        } else {
            anstream::println!("{NOTE}·{NOTE:#} {text}");
        }
    }

    /// A webhook as it arrived.
    fn show(&self, screen: &mut Console, received: &Received) {
        if self.json {
            println!("{}", console::json(received));
        } else {
            anstream::println!("{}", screen.line(received));
        }
    }

    fn introduce(&self, running: &Running, args: &Demo, from: Timestamp) {
        self.note(&format!("server    http://{}", running.address));
        self.note(&format!("receiver  {}", self.receiver.url(CALLBACK)));
        self.note(&format!("data      {}", args.data.display()));
        self.note(&format!("clock     {from}, {} times faster than time", args.speed));
        if let Some(path) = &running.admin_token.written_to {
            self.note(&format!("admin     the token was written to {}", path.display()));
        }
        if !self.json {
            anstream::println!("\n{}", Console::for_stdout(ShownTime::Sender).heading());
        }
    }

    /// Makes an application with two webhooks on one callback URI, and puts vehicles on them. Answers with how many
    /// payloads a slot has.
    async fn set_up(&self, args: &Demo) -> Result<u64> {
        let application = self.client.post("/applications", json!({ "name": "Demo fleet" })).await?;
        let id = text(&application, "id");
        self.receiver.set_secrets_everywhere(&[text(&application, "managementToken")]);
        self.note(&format!("made      application {id}"));
        let energy = ["/", "/odometer", "/location", "/battery", "/charge"];
        let upkeep = ["/", "/tires/pressure", "/odometer", "/security"];
        let webhooks = match args.replay {
            Some(_) => {
                vec![self.webhook(id, "Recorded trip", &["/", "/battery", "/location"], "metric").await?]
            }
            None => vec![
                self.webhook(id, "Energy, hourly", &energy, "metric").await?,
                self.webhook(id, "Upkeep, hourly", &upkeep, "imperial").await?,
            ],
        };
        let vehicles = match &args.replay {
            Some(file) => vec![self.recorded(id, file).await?],
            None => self.fleet(id).await?,
        };
        for webhook in &webhooks {
            let body = json!({ "vehicleIds": vehicles });
            self.client.post(&format!("/webhooks/{webhook}/subscriptions"), body).await?;
        }
        self.note(&format!("subscribed {} vehicles; the next slot is at the full hour", vehicles.len()));
        Ok((vehicles.len() * webhooks.len()) as u64)
    }

    /// Makes a webhook, verified by a challenge that the receiver has to answer, and tests it.
    async fn webhook(
        &self,
        application: &str,
        name: &str,
        endpoints: &[&str],
        units: &str,
    ) -> Result<String> {
        let body = json!({
            "kind": "scheduled", "name": name, "callbackUri": self.receiver.url(CALLBACK),
            "cadence": { "every": "hours", "hours": 1 }, "endpoints": endpoints, "units": units, "verify": true,
        });
        let webhook = self.client.post(&format!("/applications/{application}/webhooks"), body).await?;
        let id = text(&webhook, "id").to_owned();
        if webhook["verified"] != json!(true) {
            bail!("webhook {id} was not verified: {}", webhook["lastVerification"]["problem"]);
        }
        let expected = text(&webhook["lastVerification"], "expected");
        self.note(&format!(
            "verified  webhook {id} ({name}): the answer was {}…",
            expected.get(..12).unwrap_or_default()
        ));
        let tested = self.client.post(&format!("/webhooks/{id}/test"), json!({})).await?;
        if tested["lastTest"]["passed"] != json!(true) {
            bail!("the test of webhook {id} failed: {}", tested["lastTest"]["problem"]);
        }
        Ok(id)
    }

    async fn fleet(&self, application: &str) -> Result<Vec<String>> {
        let mut vehicles = Vec::new();
        for (make, model, region, profile) in FLEET {
            let body = json!({ "make": make, "model": model, "region": region, "profile": profile });
            let car = self.client.post("/simulator/vehicles", body).await?;
            vehicles.push(self.connect(application, &car).await?);
        }
        Ok(vehicles)
    }

    async fn recorded(&self, application: &str, file: &std::path::Path) -> Result<String> {
        let csv = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let made = self.client.post("/simulator/recordings", json!({ "name": name, "csv": csv })).await?;
        self.note(&format!("recording {}", text(&made, "report")));
        self.connect(application, &made["vehicle"]).await
    }

    async fn connect(&self, application: &str, car: &Value) -> Result<String> {
        let path = format!("/simulator/vehicles/{}/connect", text(car, "id"));
        let linked = self.client.post(&path, json!({ "applicationId": application })).await?;
        let vehicle = text(&linked, "vehicleId").to_owned();
        let (make, model, year) = (text(car, "make"), text(car, "model"), &car["year"]);
        self.note(&format!("connected {make} {model} {year} as vehicle {vehicle}"));
        Ok(vehicle)
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}
