//! `milepost demo`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the data goes
    #[arg(long, default_value = "./milepost-data")]
    pub data: PathBuf,
    /// Speed of the demo's clock: 60 is a minute per second; 1 to 3600
    #[arg(long, default_value_t = 60.0)]
    pub speed: f64,
    /// Drive one vehicle from a recorded trip (CSV or GPX) in place of the simulated fleet
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// The column map of the recorded trip (TOML): a CSV file needs one, unless its header begins with
    /// Date,Time,Soc,Speed,Mode,LAT,LON
    #[arg(long, value_name = "FILE.toml", requires = "replay")]
    pub columns: Option<PathBuf>,
    /// Stop after so many hourly slots
    #[arg(long, value_parser = super::positive::<u64>)]
    pub slots: Option<u64>,
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:0", value_parser = super::address)]
    pub listen: SocketAddr,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}
