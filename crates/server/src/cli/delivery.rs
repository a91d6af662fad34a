//! `milepost delivery`.

use clap::Subcommand;

use super::{Paging, id, one_of};

/// How deliveries wait, and how they end.
const STATUSES: &[&str] =
    &["queued", "retrying", "delivered", "failed", "dropped", "cancelled", "expired", "missed"];

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// List ended deliveries, newest first; or those that wait, in the order of webhook and next attempt
    List {
        /// Only of this webhook
        #[arg(long, value_parser = id)]
        webhook: Option<String>,
        /// Only of this vehicle
        #[arg(long, value_parser = id)]
        vehicle: Option<String>,
        /// Only those that ended so; queued lists all that wait, retrying those of them that were attempted
        #[arg(long, value_parser = one_of(STATUSES), ignore_case = true)]
        status: Option<String>,
        /// Those that wait, with attempts, last status and next attempt: short for --status queued
        #[arg(long, conflicts_with = "status")]
        queued: bool,
        /// Only those that ended at this moment or later: 2026-05-01T16:00:00Z
        #[arg(long, value_name = "MOMENT")]
        from: Option<String>,
        /// Only those that ended before this moment
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Count how events ended, by the minute
    Metrics {
        /// Only of this webhook
        #[arg(long, value_parser = id)]
        webhook: Option<String>,
        /// From this minute on; an hour before --to by default
        #[arg(long, value_name = "MOMENT")]
        from: Option<String>,
        /// Before this minute; now by default
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
    },
    /// Show a delivery with its attempts
    Show {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Send a delivery again, with the same event id
    Redeliver {
        #[arg(value_parser = id)]
        id: String,
    },
}
