//! `milepost demo`: server, simulated fleet and receiver in one, with a clock that runs faster.
//!
//! Applications, webhooks and cars are made by the use-cases that the API calls. What the screen shows has come the way
//! that a team's software gets it: as signed requests, to callback URIs.

mod owner;
mod stage;
mod story;
mod tally;

use std::{cell::OnceCell, convert::Infallible, future, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use domain::{time::Timestamp, webhook::Disabled};
use lab::{
    console::{Console, ShownTime},
    receiver::{Receiver, ReceiverOptions},
};
use store::{Registry, StoredWebhook, SwitchedOff, Upkeep, WebhookChange};
use tokio::sync::broadcast::error::RecvError;

use self::{stage::Stage, tally::Tally};
use super::{WrongUse, serve::Signals};
use crate::{
    cli::Demo,
    config::{Config, LogFormat},
    machine::MachineClock,
    telemetry,
    wiring::{self, Stores},
};

/// How long before the hour the demo's clock begins, in time that passes: enough to verify, test and subscribe.
const LEAD: Duration = Duration::from_secs(2);
const HOUR_S: i64 = 3_600;

pub(crate) async fn run(args: Demo) -> Result<()> {
    if !(1.0..=3_600.0).contains(&args.speed) {
        bail!(WrongUse("--speed is a number from 1 to 3600"));
    }
    let trip = args.replay.as_deref().map(|file| Trip::read(file, args.columns.as_deref())).transpose()?;
    let mut config = Config::of_process(None)?;
    config.server.listen = args.listen;
    config.server.data = args.data.clone();
    config.server.metrics_listen = String::new();
    config.egress.allow = vec!["127.0.0.0/8".into()];
    config.log.level = "warn".into();
    config.pace = Some(args.speed.ceil() as u32);
    config.log.format = LogFormat::Text;
    telemetry::log(&config.log)?;
    let mut signals = Signals::of_terminal()?;
    let Beginning { from, retired } = beginning(&args).await?;
    let clock = Arc::new(MachineClock::paced(from, args.speed));
    let console = Console::for_stdout(shown_time(from, args.speed));
    let receiver = Receiver::start(ReceiverOptions::default()).await.context("the receiver cannot listen")?;
    let running = wiring::start(&config, clock.clone(), None).await?;
    let stage = Stage::new(running.app.clone(), clock, &receiver, console, args.json);
    stage.introduce(&running, &args, from, retired);
    let mut arriving = receiver.log().subscribe();
    let per_slot = OnceCell::new();
    let performance = perform(&stage, trip, &per_slot);
    tokio::pin!(performance);
    let mut tally = Tally::default();
    loop {
        tokio::select! {
            failed = &mut performance => match failed? {},
            received = arriving.recv() => {
                let received = match received {
                    Ok(received) => received,
                    Err(RecvError::Lagged(missed)) => {
                        tally.seen += missed;
                        continue;
                    }
                    Err(RecvError::Closed) => break,
                };
                stage.show(&received);
                tally.count(&received);
                let whole = per_slot.get().map_or(0, |&per_slot| tally.whole_slots(per_slot));
                if args.slots.is_some_and(|slots| whole >= slots) {
                    break;
                }
            }
            () = signals.next() => break,
            () = running.app.health().a_loop_died() => bail!("{}", running.app.health().problems().join("; ")),
        }
    }
    // What has arrived by now is shown before it is summed up.
    let counts = receiver.log().counts();
    while tally.seen < counts.requests {
        let Ok(received) = arriving.recv().await else { break };
        stage.show(&received);
        tally.count(&received);
    }
    for (label, text) in tally.summary(counts) {
        stage.note(label, &text);
    }
    stage.note("stopping", &format!("the data stays in {}", args.data.display()));
    running.stop().await
}

/// Sets the stage, says how many payloads a slot has, and plays the story.
async fn perform(stage: &Stage<'_>, trip: Option<Trip>, per_slot: &OnceCell<u64>) -> Result<Infallible> {
    match trip {
        Some(trip) => {
            let _ = per_slot.set(stage.set_up_trip(trip).await?);
        }
        None => {
            let cast = stage.set_up_fleet().await?;
            let _ = per_slot.set(cast.per_slot);
            story::play(stage, &cast).await;
        }
    }
    future::pending().await
}

/// A recorded trip that can be driven.
struct Trip {
    name: String,
    columns: Option<String>,
    content: Vec<u8>,
}

impl Trip {
    /// Reads a file, and checks it before anything is started.
    fn read(file: &Path, columns: Option<&Path>) -> Result<Self> {
        let columns = columns.map(|path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the column map {}", path.display()))
        });
        let columns = columns.transpose()?;
        let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        crate::simulator::read(&*content, columns.as_deref())
            .with_context(|| format!("{} cannot be driven", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self { name: super::replay::name_of(&name), columns, content })
    }
}

/// With what a demo begins.
struct Beginning {
    /// What its clock shows.
    from: Timestamp,
    /// Webhooks of earlier demos in the same folder, whose receivers have ended.
    retired: usize,
}

/// Before the next hour, and never before what was written by an earlier run, whose webhooks are switched off.
async fn beginning(args: &Demo) -> Result<Beginning> {
    use app::ports::Clock;
    let stores = Stores::open(&args.data)?;
    let latest = stores.store.heartbeat(MachineClock::wall().now()).await?;
    let retired = retire(&stores.store, latest).await?;
    stores.close().await?;
    let lead = LEAD.mul_f64(args.speed);
    let hour = (latest + lead).as_secs().div_euclid(HOUR_S) + 1;
    Ok(Beginning { from: Timestamp::from_secs(hour * HOUR_S) - lead, retired })
}

/// Switches off the webhooks of earlier demos: nobody listens at their callback URIs any more.
async fn retire(store: &impl Registry, now: Timestamp) -> Result<usize> {
    let demos: Vec<_> = store.applications().await?;
    let demos: Vec<_> = demos.iter().filter(|of| of.name == stage::APPLICATION).map(|of| of.no).collect();
    let mut retired = 0;
    for StoredWebhook { webhook, .. } in store.webhooks().await? {
        if demos.contains(&webhook.application) && webhook.status.disabled.is_none() {
            let since = SwitchedOff { at: now, status: None, failure: None };
            store.change_webhook(webhook.no, WebhookChange::Disable { why: Disabled::Operator, since }).await?;
            retired += 1;
        }
    }
    Ok(retired)
}

/// The screen shows the demo's clock, which begins now.
fn shown_time(from: Timestamp, speed: f64) -> ShownTime {
    use app::ports::Clock;
    let of_lab = |at: Timestamp| lab::Timestamp::from_micros(at.as_micros());
    ShownTime::Paced { begun: of_lab(MachineClock::wall().now()), from: of_lab(from), speed }
}
