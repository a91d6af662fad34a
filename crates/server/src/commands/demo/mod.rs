//! `milepost demo`: server, simulated fleet and receiver in one, with a clock that runs faster.
//!
//! Applications, webhooks and cars are made by the use-cases that the API calls. What the screen shows has come the way
//! that a team's software gets it: as signed requests, to callback URIs.

mod owner;
mod stage;
mod story;
mod tally;

use std::{cell::OnceCell, convert::Infallible, future, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use domain::time::Timestamp;
use lab::{
    console::{Console, ShownTime},
    receiver::{Receiver, ReceiverOptions},
};
use store::Upkeep;
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
    let from = beginning(&args).await?;
    let clock = Arc::new(MachineClock::paced(from, args.speed));
    let console = Console::for_stdout(shown_time(from, args.speed));
    let receiver = Receiver::start(ReceiverOptions::default()).await.context("the receiver cannot listen")?;
    let running = wiring::start(&config, clock.clone(), None).await?;
    let stage = Stage::new(running.app.clone(), clock, &receiver, console, args.json);
    stage.introduce(&running, &args, from);
    let mut arriving = receiver.log().subscribe();
    let per_slot = OnceCell::new();
    let performance = perform(&stage, &args, &per_slot);
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
    for line in tally.summary(counts) {
        stage.note(&line);
    }
    stage.note(&format!("stopping  the data stays in {}", args.data.display()));
    running.stop().await
}

/// Sets the stage, says how many payloads a slot has, and plays the story.
async fn perform(stage: &Stage<'_>, args: &Demo, per_slot: &OnceCell<u64>) -> Result<Infallible> {
    match &args.replay {
        Some(file) => {
            let _ = per_slot.set(stage.set_up_trip(file, args.columns.as_deref()).await?);
        }
        None => {
            let cast = stage.set_up_fleet().await?;
            let _ = per_slot.set(cast.per_slot);
            story::play(stage, &cast).await;
        }
    }
    future::pending().await
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

/// The screen shows the demo's clock, which begins now.
fn shown_time(from: Timestamp, speed: f64) -> ShownTime {
    use app::ports::Clock;
    let of_lab = |at: Timestamp| lab::Timestamp::from_micros(at.as_micros());
    ShownTime::Paced { begun: of_lab(MachineClock::wall().now()), from: of_lab(from), speed }
}
