//! `milepost replay`: a recording, into a running server. Either its readings are pushed for a vehicle, as a telematics
//! feed pushes them, or a simulated car drives it and is read like any other.

mod push;
mod readings;

use std::{fs::File, io::Read, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use sources::recorded::{Recording, RecordingError};

use self::readings::Readings;
use super::{WrongUse, admin::connect_new, client::Client, refusal::about, show};
use crate::{
    cli::{Replay, ReplaySpeed, ServerArgs, WithServerArgs},
    machine::MachineClock,
};

/// What tokens of feeds begin with.
const FEED_TOKEN: &str = "mpf_";

/// Bytes of one part of an upload.
const PART: usize = 256 * 1024;
/// A file up to this size goes with its request, if it is UTF-8.
const SMALL: usize = 64 * 1024;

pub(crate) async fn run(with: WithServerArgs<Replay>) -> Result<()> {
    let WithServerArgs { server, args } = with;
    let size = std::fs::metadata(&args.file).map(|file| file.len());
    let size = size.with_context(|| format!("cannot read {}", args.file.display()))?;
    if size > Recording::MAX_BYTES {
        bail!("{} has more than {} MiB", args.file.display(), Recording::MAX_BYTES >> 20);
    }
    let columns = args.columns.as_ref().map(|path| {
        std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the column map {}", path.display()))
    });
    let columns = columns.transpose()?;
    match (&args.vehicle, &args.app) {
        (Some(vehicle), _) => push(&server, &args, vehicle, columns.as_deref()).await,
        (None, Some(app)) => drive(&server, &args, app, columns).await,
        (None, None) => bail!(WrongUse("say --vehicle to push readings, or --app for a simulated car")),
    }
}

fn open(args: &Replay) -> Result<File> {
    File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))
}

/// Pushes the readings of the recording for a vehicle.
async fn push(server: &ServerArgs, args: &Replay, vehicle: &str, columns: Option<&str>) -> Result<()> {
    let Some(token) = server.token.as_deref().filter(|token| token.starts_with(FEED_TOKEN)) else {
        bail!(WrongUse("readings are pushed with the token of a feed: --token mpf_…"));
    };
    let longest_pause = args.longest_pause.map(Duration::from_secs);
    let readings = match Readings::read(open(args)?, columns, longest_pause) {
        Ok(readings) => readings,
        Err(error) => {
            if let (true, Some(RecordingError::Empty(report))) = (server.json, error.downcast_ref()) {
                println!("{}", json!({ "accepted": 0, "rejected": 0, "outcomes": {}, "import": readings::report_json(report) }));
            }
            return Err(error);
        }
    };
    if args.keep_times && !readings.is_dated() {
        bail!("the recording has no dates to keep: give its column map a start, or leave out --keep-times");
    }
    let feed = push::Feed::new(&server.url, token, vehicle, server.ca_file.as_deref())?;
    let plan = push::Plan { speed: args.speed, keep_times: args.keep_times };
    let import = readings.report().cloned();
    if let (false, Some(import)) = (server.json, &import) {
        import.lines().iter().for_each(|line| println!("{line}"));
    }
    let report = push::push(&feed, &readings, plan, &MachineClock::wall(), server.json).await?;
    if server.json {
        let mut json = report.json();
        json["import"] = import.as_ref().map_or(Value::Null, readings::report_json);
        println!("{json}");
    } else {
        report.lines().iter().for_each(|line| println!("{line}"));
    }
    report.failure().map_or(Ok(()), |failure| Err(anyhow!(failure)))
}

/// Makes a simulated car that drives the recording.
async fn drive(server: &ServerArgs, args: &Replay, app: &str, columns: Option<String>) -> Result<()> {
    let ReplaySpeed::Times(speed) = args.speed else {
        bail!(WrongUse("a simulated car has a --speed that is a number; max is for --vehicle"));
    };
    let client = Client::of(server)?;
    target(&client, app, args.webhook.as_deref()).await?;
    let name = name_of(&args.file.file_stem().unwrap_or_default().to_string_lossy());
    let mut body = json!({
        "name": name, "columns": columns, "speed": speed, "longestPauseSeconds": args.longest_pause,
    });
    match small(args)? {
        Some(text) => body["csv"] = text.into(),
        None => body["upload"] = upload(&client, open(args)?).await?.into(),
    }
    let made = match client.post_file("/simulator/recordings", body).await? {
        Ok(made) => made,
        Err(problem) => {
            if server.json {
                println!("{problem}");
            }
            bail!("{}", problem["detail"].as_str().unwrap_or("the recording was refused"));
        }
    };
    let car = made["vehicle"]["id"].as_str().unwrap_or_default();
    let mut linked = connect_new(&client, car, json!({ "applicationId": app })).await?;
    if let Some(webhook) = &args.webhook {
        let body = json!({ "vehicleIds": [linked["vehicleId"]] });
        let subscribed = client.post(&format!("/webhooks/{webhook}/subscriptions"), body).await?;
        linked["warnings"] = subscribed["warnings"].clone();
    }
    if server.json {
        linked["import"] = made["report"].clone();
    } else {
        let lines = made["report"]["text"].as_array().into_iter().flatten();
        lines.filter_map(Value::as_str).for_each(|line| println!("{line}"));
    }
    show::object(&linked, server.json);
    Ok(())
}

/// Whether the application is there, and the webhook is one of its own: before anything is made for them.
async fn target(client: &Client, app: &str, webhook: Option<&str>) -> Result<()> {
    client.get(&format!("/applications/{app}")).await.map_err(|error| about(error, "applicationId"))?;
    let Some(webhook) = webhook else { return Ok(()) };
    let path = format!("/webhooks/{webhook}");
    let webhook = client.get(&path).await.map_err(|error| about(error, "webhookId"))?;
    match webhook["applicationId"] == *app {
        true => Ok(()),
        false => bail!("--webhook: this is a webhook of another application than --app; nothing was made"),
    }
}

/// A name that a recording can have.
pub(crate) fn name_of(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = text.chars().map(plain).take(64).collect();
    if name.is_empty() { "recording".into() } else { name }
}

/// The text of a file that is small and UTF-8: it goes with its request.
fn small(args: &Replay) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    open(args)?.take(SMALL as u64 + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() > SMALL { None } else { String::from_utf8(bytes).ok() })
}

/// Uploads a file part by part; gives the id of the upload.
async fn upload(client: &Client, mut file: File) -> Result<String> {
    let upload = client.post("/simulator/uploads", Value::Null).await?;
    let id = upload["id"].as_str().context("the server gives no id of an upload; is it an older version?")?;
    for no in 0_u32.. {
        let mut part = Vec::with_capacity(PART);
        (&mut file).take(PART as u64).read_to_end(&mut part)?;
        if part.is_empty() {
            break;
        }
        client.put_bytes(&format!("/simulator/uploads/{id}/parts/{no}"), part.into()).await?;
    }
    Ok(id.to_owned())
}
