//! `milepost feed`.

use anyhow::Result;
use serde_json::json;

use super::done;
use crate::{
    cli::{FeedCommand, WithServer},
    commands::{client::Client, show},
};

/// What the readings became since the server started, in the words of the answers; `received` is the sum of the others.
const FEED_COLUMNS: &[&str] = &[
    "id",
    "name",
    "newer",
    "reorderMs",
    "hint",
    "readings.received",
    "readings.rejected",
    "readings.applied",
    "readings.unchanged",
    "readings.late",
    "readings.conflicting",
    "readings.implausible",
    "readings.unknown",
    "readings.buffered",
    "readings.outOfOrder",
];

pub(crate) async fn feed(with: WithServer<FeedCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        FeedCommand::Create { app, name, newer, reorder_ms } => {
            let body = json!({ "name": name, "newer": newer, "reorderMs": reorder_ms });
            let feed = client.post(&format!("/applications/{app}/feeds"), body).await?;
            show::object(&feed, json);
            if !json {
                println!(
                    "\nKeep the token: it is not shown again. Readings go to POST /ingest/v1/readings with it."
                );
            }
        }
        FeedCommand::List { app } => {
            let page = client.get(&format!("/applications/{app}/feeds")).await?;
            show::list_or(&page, FEED_COLUMNS, json, "no feeds; `milepost feed create` makes one");
        }
        FeedCommand::Delete { id } => {
            client.delete(&format!("/feeds/{id}")).await?;
            done(json);
        }
    }
    Ok(())
}
