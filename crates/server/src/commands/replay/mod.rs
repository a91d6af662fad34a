//! `milepost replay`: a recording, into a running server. Either its readings are pushed for a vehicle, as a telematics
//! feed pushes them, or a simulated car drives it and is read like any other.

mod push;
mod readings;

use anyhow::{Context, Result, bail};
use serde_json::json;

use self::readings::Readings;
use super::{WrongUse, client::Client, show};
use crate::{
    cli::{Replay, ReplaySpeed, ServerArgs, WithServerArgs},
    machine::MachineClock,
};

/// What tokens of feeds begin with.
const FEED_TOKEN: &str = "mpf_";

pub(crate) async fn run(with: WithServerArgs<Replay>) -> Result<()> {
    let WithServerArgs { server, args } = with;
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let columns = args
        .columns
        .as_ref()
        .map(std::fs::read_to_string)
        .transpose()
        .context("cannot read the column map")?;
    match (&args.vehicle, &args.app) {
        (Some(vehicle), _) => push(&server, &args, vehicle, &text, columns.as_deref()).await,
        (None, Some(app)) => drive(&server, &args, app, text, columns).await,
        (None, None) => bail!(WrongUse("say --vehicle to push readings, or --app for a simulated car")),
    }
}

/// Pushes the readings of the recording for a vehicle.
async fn push(
    server: &ServerArgs,
    args: &Replay,
    vehicle: &str,
    text: &str,
    columns: Option<&str>,
) -> Result<()> {
    let Some(token) = server.token.as_deref().filter(|token| token.starts_with(FEED_TOKEN)) else {
        bail!(WrongUse("readings are pushed with the token of a feed: --token mpf_…"));
    };
    let readings = Readings::read(text, columns)?;
    let feed = push::Feed::new(&server.url, token, vehicle)?;
    let plan = push::Plan { speed: args.speed, keep_times: args.keep_times };
    let report = push::push(&feed, &readings, plan, &MachineClock::wall(), server.json).await?;
    if server.json {
        println!("{}", report.json());
    } else {
        report.lines().iter().for_each(|line| println!("{line}"));
    }
    if report.accepted == 0 { bail!("no reading was taken") } else { Ok(()) }
}

/// Makes a simulated car that drives the recording.
async fn drive(
    server: &ServerArgs,
    args: &Replay,
    app: &str,
    csv: String,
    columns: Option<String>,
) -> Result<()> {
    let ReplaySpeed::Times(speed) = args.speed else {
        bail!(WrongUse("a simulated car has a --speed that is a number; max is for --vehicle"));
    };
    let client = Client::of(server)?;
    let name: String = (args.file.file_stem().unwrap_or_default().to_string_lossy().chars())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(64)
        .collect();
    let body = json!({ "name": name, "csv": csv, "columns": columns, "speed": speed });
    let made = client.post("/simulator/recordings", body).await?;
    let car = made["vehicle"]["id"].as_str().unwrap_or_default();
    let linked =
        client.post(&format!("/simulator/vehicles/{car}/connect"), json!({ "applicationId": app })).await?;
    if let Some(webhook) = &args.webhook {
        let body = json!({ "vehicleIds": [linked["vehicleId"]] });
        client.post(&format!("/webhooks/{webhook}/subscriptions"), body).await?;
    }
    if !server.json {
        println!("{}", made["report"].as_str().unwrap_or_default());
    }
    show::object(&linked, server.json);
    Ok(())
}
