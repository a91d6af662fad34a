//! The commands, one file each.

mod admin;
mod backup;
pub(crate) mod bench;
mod catalogue;
mod client;
#[cfg(test)]
mod coverage;
mod demo;
mod doctor;
mod keyring;
mod listen;
mod refusal;
pub(crate) mod replay;
mod restore;
mod serve;
mod show;

use anyhow::Result;

pub(crate) use refusal::Refused;

use crate::cli::{Cli, Command};

/// The command line asks for what no server could do: the process ends with 2, as for an option that there is not.
#[derive(Debug)]
pub(crate) struct WrongUse(pub &'static str);

impl std::error::Error for WrongUse {}

impl std::fmt::Display for WrongUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// An option has a value that it cannot have; the process ends with 2 as well.
#[derive(Debug)]
pub(crate) struct BadOption(pub String);

impl std::error::Error for BadOption {}

impl std::fmt::Display for BadOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Listen(args) => listen::run(args).await,
        Command::App(with) => admin::application(with).await,
        Command::Webhook(with) => admin::webhook(with).await,
        Command::Vehicle(with) => admin::vehicle(with).await,
        Command::Feed(with) => admin::feed(with).await,
        Command::Delivery(with) => admin::delivery(with).await,
        Command::Connection(with) => admin::connection(with).await,
        Command::User(with) => admin::user(with).await,
        Command::Simulator(with) => admin::simulator(with).await,
        Command::Signals(args) => catalogue::signals(&args),
        Command::Endpoints(args) => catalogue::endpoints(&args),
        Command::Permissions(args) => catalogue::permissions(&args),
        Command::Errors(args) => catalogue::errors(&args),
        Command::Replay(with) => replay::run(with).await,
        Command::Bench(args) => bench::run(args).await,
        Command::BenchReceiver { secret } => bench::serve_receiver(secret).await,
        Command::Doctor(with) => doctor::doctor(with).await,
        Command::Backup(with) => backup::backup(with).await,
        Command::Keyring(with) => keyring::keyring(with).await,
        Command::Restore(args) => restore::restore(args).await,
    }
}
