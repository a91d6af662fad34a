//! `milepost replay`: drives a vehicle of a running server from a recorded trip.

use anyhow::{Context, Result};
use serde_json::json;

use super::{client::Client, show};
use crate::cli::{Replay, WithServerArgs};

pub(crate) async fn run(with: WithServerArgs<Replay>) -> Result<()> {
    let client = Client::of(&with.server)?;
    let args = with.args;
    let csv = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let columns = args
        .columns
        .as_ref()
        .map(std::fs::read_to_string)
        .transpose()
        .context("cannot read the column map")?;
    let name: String = (args.file.file_stem().unwrap_or_default().to_string_lossy().chars())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(64)
        .collect();
    let made = client
        .post(
            "/simulator/recordings",
            json!({ "name": name, "csv": csv, "columns": columns, "speed": args.speed }),
        )
        .await?;
    let car = made["vehicle"]["id"].as_str().unwrap_or_default();
    let linked = client
        .post(&format!("/simulator/vehicles/{car}/connect"), json!({ "applicationId": args.app }))
        .await?;
    if let Some(webhook) = &args.webhook {
        let body = json!({ "vehicleIds": [linked["vehicleId"]] });
        client.post(&format!("/webhooks/{webhook}/subscriptions"), body).await?;
    }
    if !with.server.json {
        println!("{}", made["report"].as_str().unwrap_or_default());
    }
    show::object(&linked, with.server.json);
    Ok(())
}
