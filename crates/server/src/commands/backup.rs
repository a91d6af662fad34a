//! `milepost backup` and `milepost doctor`.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{client::Client, show};
use crate::cli::{Backup, Doctor, WithServerArgs};

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

pub(crate) async fn doctor(with: WithServerArgs<Doctor>) -> Result<()> {
    let findings = Client::of(&with.server)?.get("/server/diagnosis").await?;
    if with.server.json {
        println!("{findings}");
    }
    let mut bad = 0;
    for finding in findings["findings"].as_array().into_iter().flatten() {
        let good = finding["good"].as_bool().unwrap_or(false);
        bad += usize::from(!good);
        if !with.server.json {
            let mark = if good { "ok  " } else { "LOOK" };
            println!("{mark}  {:<12} {}", text(finding, "subject"), text(finding, "detail"));
        }
    }
    ensure!(bad == 0, "{bad} of the findings need a look");
    Ok(())
}

fn text<'a>(value: &'a serde_json::Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
