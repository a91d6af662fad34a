//! `milepost delivery`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// List ended deliveries, newest first
    List {
        #[arg(long)]
        webhook: Option<String>,
        #[arg(long)]
        vehicle: Option<String>,
        /// delivered, failed, dropped, cancelled, expired, missed
        #[arg(long)]
        status: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: u16,
    },
    /// Show a delivery with its attempts
    Show { id: String },
    /// Send a delivery again, with the same event id
    Redeliver { id: String },
}
