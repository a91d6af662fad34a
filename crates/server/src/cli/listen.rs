//! `milepost listen`.

use std::net::SocketAddr;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:9000", value_parser = super::address)]
    pub listen: SocketAddr,
    /// The application's management token, which verifies signatures and answers challenges; without it neither is done
    #[arg(long, env = "MILEPOST_MANAGEMENT_TOKEN", hide_env_values = true, value_parser = super::trimmed)]
    pub secret: Option<String>,
    /// How to answer: 200, 500, hang, slow:5s, fail:30%, redirect, …; an unknown word lists all of them
    #[arg(long, default_value = "200")]
    pub respond: String,
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}
