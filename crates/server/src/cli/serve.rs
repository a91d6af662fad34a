//! `milepost serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A configuration file; see --print-config for all settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Over server.listen
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Over server.data
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Over server.tls_cert: a certificate chain in PEM, read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Over server.tls_key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Print every setting with its default, and stop
    #[arg(long)]
    pub print_config: bool,
    /// For rehearsals: a clock that says this time at the start (seconds since 1970, UTC) instead of the machine's. On one
    /// data folder it must never go back. Cadences, retries and token lives follow it; deadlines of sockets do not
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub clock_from: Option<i64>,
    /// For rehearsals: how many times faster than time the clock of --clock-from runs
    #[arg(long, hide = true, default_value_t = 1.0, requires = "clock_from", value_parser = speed)]
    pub clock_speed: f64,
}

/// How fast a clock may run: from time itself to an hour in a second.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (1.0..=3_600.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 1 to 3600 is needed".into()),
    }
}
