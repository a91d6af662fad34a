//! `milepost keyring`.

use anyhow::Result;
use serde_json::json;

use super::{client::Client, show};
use crate::cli::{KeyringCommand, WithServer};

pub(crate) async fn keyring(with: WithServer<KeyringCommand>) -> Result<()> {
    let KeyringCommand::Export { file } = with.command;
    let client = Client::of(&with.server)?;
    let made = client.post("/server/keyring-exports", json!({ "path": std::path::absolute(&file)? })).await?;
    show::object(&made, with.server.json);
    if !with.server.json {
        println!(
            "keep it apart from the backups, and the master key (master.key or MILEPOST_MASTER_KEY) apart from both; \
             destroy older exports, which still hold the keys of owners who were erased since"
        );
    }
    Ok(())
}
