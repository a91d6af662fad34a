//! `milepost demo`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the data goes
    #[arg(long, default_value = "./milepost-data")]
    pub data: PathBuf,
    /// How many times faster than time the demo's clock runs
    #[arg(long, default_value_t = 60.0)]
    pub speed: f64,
    /// Drive one vehicle from a recorded trip (CSV or GPX) instead of the simulated fleet
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Which column of the recorded trip is which signal (TOML), where the header does not say it
    #[arg(long, value_name = "FILE.toml", requires = "replay")]
    pub columns: Option<PathBuf>,
    /// Stop after so many hourly slots
    #[arg(long)]
    pub slots: Option<u64>,
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// One JSON object per line instead of pictures for people
    #[arg(long)]
    pub json: bool,
}
