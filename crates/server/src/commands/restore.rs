//! `milepost restore`: a backup into a data folder, with the server stopped.

use anyhow::Result;
use app::ports::Clock;
use domain::time::Timestamp;

use crate::{
    cli::Restore,
    machine::MachineClock,
    restore::{self, Report, Request},
};

pub(crate) async fn restore(args: Restore) -> Result<()> {
    let Restore { file, keyring, master_key, data, force, json, clock_from } = args;
    let now = clock_from.map_or_else(|| MachineClock::wall().now(), Timestamp::from_secs);
    let request = Request { backup: file, keyring, master_key, data, replace: force, now };
    let report = restore::restore(&request).await?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", text(&report));
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let made = report.backup_made_at.as_ref().map(|at| format!(", made at {at}")).unwrap_or_default();
    let mut text = format!("restored {} from the backup{made}\n", report.restored.display());
    text += &format!("the keyring opens the data of all {} owners and applications\n", report.opened);
    let ended: Vec<_> = report.ended_again.iter().map(|(what, count)| format!("{what} {count}")).collect();
    text += &match ended.is_empty() {
        true => "nothing had to be ended again\n".to_owned(),
        false => format!("ended again, because it had ended since: {}\n", ended.join(", ")),
    };
    if let Some(folder) = &report.kept_in {
        text += &format!("the files that were there are in {}\n", folder.display());
    }
    for warning in &report.warnings {
        text += &format!("look: {warning}\n");
    }
    text += "look: refresh tokens that were used since the backup work again, once, and their successors do not; \
             events that were delivered since may be delivered again under their ids\n";
    text
}
