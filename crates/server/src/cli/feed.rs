//! `milepost feed`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Make a feed; its token is shown this once
    Create {
        /// The application's id
        #[arg(long)]
        app: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// What counts as newer: observed (measured later), delivery (arrives later) or sequence (has a higher number)
        #[arg(long, default_value = "observed")]
        newer: String,
        /// How long readings wait for earlier ones, in milliseconds
        #[arg(long, default_value_t = 0)]
        reorder_ms: u32,
    },
    /// List the feeds of an application
    List {
        #[arg(long)]
        app: String,
    },
    /// Remove a feed: its token opens nothing any more
    Delete { id: String },
}
