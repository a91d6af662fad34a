//! `milepost feed`.

use clap::Subcommand;

use super::{id, one_of};

#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Make a feed; its token is shown this once
    Create {
        /// The application's id
        #[arg(long, value_parser = id)]
        app: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// What counts as newer: observed (measured later), delivery (arrives later) or sequence (has a higher number)
        #[arg(
            long, default_value = "observed", value_parser = one_of(&["observed", "delivery", "sequence"]),
            ignore_case = true
        )]
        newer: String,
        /// How long readings wait for earlier ones, in milliseconds
        #[arg(long, default_value_t = 0)]
        reorder_ms: u32,
    },
    /// List the feeds of an application, with what their readings became since the server started
    List {
        #[arg(long, value_parser = id)]
        app: String,
    },
    /// Remove a feed: its token opens nothing any more
    Delete {
        #[arg(value_parser = id)]
        id: String,
    },
}
