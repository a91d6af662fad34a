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
pub(crate) use paging::{Paging, id, one_of, positive, trimmed};
pub(crate) use replay::{Replay, ReplaySpeed};
pub(crate) use serve::Serve;
pub(crate) use simulator::{Car, NewCar, Owner, SimulatorCommand};
pub(crate) use vehicle::VehicleCommand;
pub(crate) use webhook::{WebhookCommand, WebhookSettings};

/// Connected vehicles to webhooks: link cars, read them within their limits, POST signed data to callback URIs.
#[derive(Debug, Parser)]
#[command(name = "milepost", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 refused or failed, 2 the command line is wrong.
With --json, commands print what the server answers, with times in UTC; without, times are in the zone of this machine.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Server, simulated fleet and receiver in one: see webhooks arrive within a minute
    Demo(Demo),
    /// Run the server
    Serve(Serve),
    /// A receiver for development: answers verification, checks signatures, prints events, misbehaves on request
    Listen(Listen),
    /// Applications: create, edit, list, show, their secrets, rotate their management token
    App(WithServer<AppCommand>),
    /// Webhooks: create, list, show, edit, verify, test, enable, disable, subscribe, delete
    Webhook(WithServer<WebhookCommand>),
    /// Vehicles: simulate, add, list, show, explain, approve, disconnect, erase
    Vehicle(WithServer<VehicleCommand>),
    /// Feeds, which push readings of an application's vehicles: create, list, delete
    Feed(WithServer<FeedCommand>),
    /// The delivery log: list, show, redeliver, metrics
    Delivery(WithServer<DeliveryCommand>),
    /// Connections, by which owners' vehicles are an application's: list
    Connection(WithServer<ConnectionCommand>),
    /// Owners: erase
    User(WithServer<UserCommand>),
    /// Simulated cars: make, list, connect, and all that can happen to them
    #[command(visible_alias = "sim")]
    Simulator(WithServer<SimulatorCommand>),
    /// What vehicles can say: codes, values, units, permissions, brands
    Signals(Signals),
    /// Reads and commands of the v2 API, with the signals that they carry
    Endpoints(Endpoints),
    /// What owners can grant, and what each permission opens
    Permissions(Permissions),
    /// Errors of payloads and of both APIs, and what to do about them
    Errors(Errors),
    /// Push a recording into a running server, or let a simulated car drive it
    Replay(WithServerArgs<Replay>),
    /// Measure this machine: drain, latency, slots, beside a bare loop
    Bench(Bench),
    /// The receiver of the benchmark
    #[command(hide = true)]
    BenchReceiver {
        #[arg(long)]
        secret: String,
    },
    /// Ask a running server whether all is well
    Doctor(WithServerArgs<Doctor>),
    /// Write a consistent copy of a running server's database
    Backup(WithServerArgs<Backup>),
    /// The keyring, which backups do not contain: export
    Keyring(WithServer<KeyringCommand>),
    /// Put a backup into a data folder, with the server stopped; see docs/backup.md
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
