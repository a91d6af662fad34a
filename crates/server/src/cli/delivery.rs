//! `milepost delivery`.

use clap::Subcommand;

use super::{Paging, id, one_of};

/// How deliveries end.
const STATUSES: &[&str] = &["delivered", "failed", "dropped", "cancelled", "expired", "missed"];

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// List ended deliveries, newest first
    List {
        /// Only of this webhook
        #[arg(long, value_parser = id)]
        webhook: Option<String>,
        /// Only of this vehicle
        #[arg(long, value_parser = id)]
        vehicle: Option<String>,
        /// Only those that ended so
        #[arg(long, value_parser = one_of(STATUSES), ignore_case = true)]
        status: Option<String>,
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
