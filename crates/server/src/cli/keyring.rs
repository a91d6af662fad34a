//! `milepost keyring`: the wrapped data keys.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyringCommand {
    /// Write a consistent copy of a running server's keyring, which `restore --keyring` takes
    Export {
        /// The new file
        file: PathBuf,
    },
}
