//! `milepost delivery`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// List ended deliveries, newest first; or those that wait, in the order of webhook and next attempt
    List {
        #[arg(long)]
        webhook: Option<String>,
        #[arg(long)]
        vehicle: Option<String>,
        /// delivered, failed, dropped, cancelled, expired, missed; queued (all that wait), retrying
        #[arg(long)]
        status: Option<String>,
        /// Those that wait, with attempts, last status and next attempt: short for --status queued
        #[arg(long, conflicts_with = "status")]
        queued: bool,
        #[arg(long, default_value_t = 20)]
        limit: u16,
    },
    /// Show a delivery with its attempts
    Show { id: String },
    /// Send a delivery again, with the same event id
    Redeliver { id: String },
}
