//! `milepost signals | endpoints | permissions | errors`: what the program knows, without a server.

use clap::{Args, ValueEnum};

/// How rows are printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Format {
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the whole page of docs/ as Markdown
    #[arg(long)]
    pub markdown: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  milepost signals state of charge
  milepost signals --group Charge --brand KIA --trigger
  milepost signals tractionbattery-stateofcharge        all about one signal")]
pub(crate) struct Signals {
    /// Words that are all found in a row: part of a code, a permission, an endpoint, a brand
    pub words: Vec<String>,
    /// Only of this group: Charge
    #[arg(long)]
    pub group: Option<String>,
    /// Only what this brand provides: KIA
    #[arg(long)]
    pub brand: Option<String>,
    /// Only what needs this permission: read_battery
    #[arg(long)]
    pub permission: Option<String>,
    /// Only what this v2 read carries: /battery
    #[arg(long)]
    pub endpoint: Option<String>,
    /// Only what can make a unified webhook fire
    #[arg(long, conflicts_with = "data_only")]
    pub trigger: bool,
    /// Only what can be data and nothing else
    #[arg(long)]
    pub data_only: bool,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Endpoints {
    /// Words that are all found in a row: part of a path, a permission, a signal, a brand
    pub words: Vec<String>,
    /// Only what vehicles of this brand answer: TESLA
    #[arg(long)]
    pub brand: Option<String>,
    /// Only what needs this permission: read_charge
    #[arg(long)]
    pub permission: Option<String>,
    /// Only what a scheduled webhook can carry
    #[arg(long)]
    pub webhook: bool,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Permissions {
    /// Words that are all found in a row: part of a name, a signal, an endpoint
    pub words: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Errors {
    /// Words that are all found in a row: a type, a code, a status
    pub words: Vec<String>,
    /// Only this type: VEHICLE_STATE
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Only one of the two families
    #[arg(long)]
    pub of: Option<Family>,
    #[command(flatten)]
    pub format: Format,
}

/// The two families of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// Errors of payloads and of the v2 API
    Vehicle,
    /// Problems of the admin and ingest API
    Admin,
}
