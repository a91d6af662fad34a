//! The command line: one file per command.

mod app;
mod bench;
mod catalogue;
mod data;
mod delivery;
mod demo;
mod feed;
mod keyring;
mod listen;
mod owner;
mod paging;
mod replay;
mod serve;
mod simulator;
mod vehicle;
mod webhook;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use app::{AppCommand, ConnectDefaults};
pub(crate) use bench::Bench;
pub(crate) use catalogue::{Endpoints, Errors, Family, Format, Permissions, Signals};
pub(crate) use data::{Backup, Doctor, Restore};
pub(crate) use delivery::DeliveryCommand;
pub(crate) use demo::Demo;
pub(crate) use feed::FeedCommand;
pub(crate) use keyring::KeyringCommand;
pub(crate) use listen::Listen;
pub(crate) use owner::{ConnectionCommand, UserCommand};
pub(crate) use paging::{Paging, address, id, one_of, positive, trimmed};
pub(crate) use replay::{Replay, ReplaySpeed};
pub(crate) use serve::Serve;
pub(crate) use simulator::{Car, NewCar, Owner, SimulatorCommand};
pub(crate) use vehicle::VehicleCommand;
pub(crate) use webhook::{WebhookCommand, WebhookSettings};

/// Self-hosted server that turns connected vehicles into webhooks: it reads cars within their rate limits and POSTs signed
/// data to callback URIs.
#[derive(Debug, Parser)]
#[command(name = "milepost", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 refused or failed, 2 wrong command line.
With --json, commands print the JSON of the server, with times in UTC; otherwise times are in the time zone of this machine.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server, a simulated fleet and a receiver: webhooks arrive within a minute
    Demo(Demo),
    /// Run the server
    Serve(Serve),
    /// Run a receiver for development: it answers challenges, checks signatures, prints events, and fails on request
    Listen(Listen),
    /// Applications: create, edit, list, show, delete, client secrets, management token
    App(WithServer<AppCommand>),
    /// Webhooks: create, edit, list, show, verify, test, subscribe, enable, disable, delete
    Webhook(WithServer<WebhookCommand>),
    /// Vehicles: add, list, show, explain triggers, permissions, disconnect, erase
    Vehicle(WithServer<VehicleCommand>),
    /// Feeds, which push readings into the server: create, list with counters, delete
    Feed(WithServer<FeedCommand>),
    /// Deliveries: list the log or the queue, show, redeliver, metrics
    Delivery(WithServer<DeliveryCommand>),
    /// Connections between vehicles and applications: list
    Connection(WithServer<ConnectionCommand>),
    /// Vehicle owners: erase
    User(WithServer<UserCommand>),
    /// Simulated cars: make, connect, list, control
    #[command(visible_alias = "sim")]
    Simulator(WithServer<SimulatorCommand>),
    /// List signals: codes, values, units, permissions, brands
    Signals(Signals),
    /// List the reads and commands of the v2 API with their signals
    Endpoints(Endpoints),
    /// List the permissions that owners can grant, and what each allows
    Permissions(Permissions),
    /// List errors of payloads and APIs, and who does what about them
    Errors(Errors),
    /// Replay a recorded trip: push its readings, or let a simulated car drive it
    Replay(WithServerArgs<Replay>),
    /// Run benchmarks on this machine
    Bench(Bench),
    /// The receiver of the benchmark
    #[command(hide = true)]
    BenchReceiver {
        #[arg(long)]
        secret: String,
    },
    /// Check a running server, and say what to do next
    Doctor(WithServerArgs<Doctor>),
    /// Write a consistent copy of a running server's database
    Backup(WithServerArgs<Backup>),
    /// Export the keyring, which backups do not contain
    Keyring(WithServer<KeyringCommand>),
    /// Restore a backup into a data folder while the server is stopped; see docs/backup.md
    Restore(Restore),
}

/// Where the server is and who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address
    #[arg(
        long,
        global = true,
        env = "MILEPOST_URL",
        default_value = "http://127.0.0.1:8080", value_parser = trimmed,
        help_heading = "Server"
    )]
    pub url: String,
    /// Certificates (PEM) that are trusted beside those of this machine, where the address begins with https
    #[arg(long, global = true, value_name = "FILE", env = "MILEPOST_CA_FILE", help_heading = "Server")]
    pub ca_file: Option<PathBuf>,
    /// The admin token; by default the file in the data folder is read
    #[arg(
        long,
        global = true,
        env = "MILEPOST_ADMIN_TOKEN",
        hide_env_values = true, value_parser = trimmed,
        help_heading = "Server"
    )]
    pub token: Option<String>,
    /// The data folder that has the admin token
    #[arg(
        long,
        global = true,
        default_value = "./milepost-data",
        value_name = "DIR",
        help_heading = "Server"
    )]
    pub data: PathBuf,
    /// Print the answer as JSON
    #[arg(long, global = true, help_heading = "Server")]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WithServer<C: Subcommand> {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(subcommand)]
    pub command: C,
}

#[derive(Debug, Args)]
pub(crate) struct WithServerArgs<A: Args> {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub args: A,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn no_option_of_a_command_is_in_the_way_of_one_that_all_have() {
        Cli::command().debug_assert();
    }
}
