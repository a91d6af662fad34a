//! `milepost connection | user`: what owners have granted, and the end of it.

use clap::Subcommand;

use super::{Paging, id};

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionCommand {
    /// List connections, oldest first
    List {
        /// Only of this application
        #[arg(long, value_parser = id)]
        app: Option<String>,
        /// Only of this owner
        #[arg(long, value_parser = id)]
        user: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Disconnect and delete everything of an owner, and destroy the key, so that backups hold nothing either
    Erase {
        #[arg(value_parser = id)]
        id: String,
    },
}
