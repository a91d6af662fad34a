//! `milepost backup`.

use anyhow::Result;
use serde_json::json;

use super::{client::Client, show};
use crate::cli::{Backup, WithServerArgs};

pub(crate) async fn backup(with: WithServerArgs<Backup>) -> Result<()> {
    let client = Client::of(&with.server)?;
    let path = std::path::absolute(&with.args.file)?;
    let made = client.post("/server/backups", json!({ "path": path })).await?;
    show::object(&made, with.server.json);
    if !with.server.json {
        println!(
            "keys are not in it: export them with `milepost keyring export`, after the backup and to another place"
        );
    }
    Ok(())
}
