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
    /// Replace the database that is there
    #[arg(long)]
    pub force: bool,
}
