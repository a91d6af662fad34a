//! What a contributor runs: `cargo xtask test`, `cargo xtask check`, `cargo xtask soak`.
//!
//! | part | what it does |
//! | --- | --- |
//! | `test` | sees that the tests find what they need, runs them, sums up; this is what CI runs |
//! | `check` | formatting, lints, documentation, licences, the arrows between the crates |
//! | `soak` | the long versions of the tests, with a row in `docs/soak.md` for each run |
//!
//! Everything here starts other programs and reads what they say; it knows nothing of the product's code.

mod check;
mod needs;
mod program;
mod sdks;
mod soak;
mod summary;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "What a contributor to Milepost runs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the tests, installing what they need if that is possible
    Test(test::Options),
    /// Check formatting, lints, documentation, licences and the arrows between the crates
    Check,
    /// Run the long versions of the tests and note each run in docs/soak.md
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Check => check::run_all(),
        Command::Soak(options) => soak::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
