//! `milepost doctor | backup | restore`: the health of a server and its data folder.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Doctor {}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The new file
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    pub file: PathBuf,
    /// The data folder
    #[arg(long, default_value = "./milepost-data")]
    pub data: PathBuf,
    /// The keyring that was exported with `milepost keyring export`; the one in the data folder counts, too
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<PathBuf>,
    /// The master key; otherwise MILEPOST_MASTER_KEY or the one in the data folder
    #[arg(long, value_name = "FILE")]
    pub master_key: Option<PathBuf>,
    /// Put the backup in the place of the database that is there, which is kept beside it
    #[arg(long)]
    pub force: bool,
    /// What was done as JSON
    #[arg(long)]
    pub json: bool,
    /// What time it is (seconds since 1970, UTC), for a server that was started with --clock-from
    #[arg(long, value_name = "SECONDS", help_heading = "Rehearsals")]
    pub clock_from: Option<i64>,
}
