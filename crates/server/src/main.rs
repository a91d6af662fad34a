//! Milepost: connected vehicles to webhooks, in one binary.
//!
//! `serve` and `demo` run the server; `listen` is a receiver for development; the other commands speak to a running
//! server through its admin API. Exit codes: 0 done, 1 failed, 2 wrong use.

mod cli;
mod commands;
mod config;
mod folder;
mod machine;
mod restore;
mod simulator;
mod telemetry;
mod tls;
mod wiring;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

/// What one thread allocates another one frees all day long: between sockets, steps and the writer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What clap ends with too.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    // Whatever this process writes is for its own user only.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let command = cli::Cli::command();
    let matches = command.clone().get_matches();
    let cli = match cli::Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("milepost: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref::<commands::Refused>() {
                Some(refused) => eprintln!("milepost: {}", refused.in_words_of(&command, &matches)),
                None => eprintln!("milepost: {error:#}"),
            }
            let wrong = error.is::<commands::WrongUse>() || error.is::<commands::BadOption>();
            if wrong { ExitCode::from(WRONG_USE) } else { ExitCode::FAILURE }
        }
    }
}
