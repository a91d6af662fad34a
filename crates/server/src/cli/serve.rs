//! `milepost serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A configuration file; see --print-config for all settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Over server.listen
    #[arg(long, value_parser = super::address)]
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
    /// Start the server's clock at this time (seconds since 1970, UTC) instead of the machine's time. On one data folder the
    /// clock must never go back. Cadences, retries, token lives and rates of reads follow it; deadlines of sockets do not
    #[arg(long, value_name = "SECONDS", help_heading = "Rehearsals")]
    pub clock_from: Option<i64>,
    /// Run the clock of --clock-from so many times faster than time, 1 to 3600
    #[arg(
        long, value_name = "FACTOR", default_value_t = 1.0, requires = "clock_from", value_parser = speed,
        help_heading = "Rehearsals"
    )]
    pub clock_speed: f64,
}

/// How fast a clock may run: from time itself to an hour in a second.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (1.0..=3_600.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 1 to 3600 is needed".into()),
    }
}
