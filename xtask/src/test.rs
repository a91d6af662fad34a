//! `cargo xtask test`: what the tests need, then all of them, then one plain line that sums up.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{
    needs,
    program::{self, cargo, watch},
    sdks,
    summary::Summary,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the tests of this package; may be given several times
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,

    /// Only tests whose names contain this
    filter: Option<String>,

    /// For the test programs, such as `--nocapture`
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    needs::provide()?;
    sdks::provide();
    // Built before anything runs, so that what does not compile is told at once.
    build(options)?;
    let mut summary = Summary::default();
    let status = watch(&mut test_run(options), |line| summary.read(line))?;
    let counts = summary.counts();
    println!();
    summary.lines().iter().for_each(|line| println!("{line}"));
    println!("tests: {counts}");
    ensure!(counts.failed == 0, "{} failed", plural(counts.failed, "test"));
    ensure!(status.success(), "a test program ended without saying how its tests went; see above");
    ensure!(counts.passed > 0, "no test ran; see `cargo xtask test --help` for what may be named");
    Ok(())
}

/// Builds the tests, and with them the binary that the end-to-end tests start.
fn build(options: &Options) -> Result<()> {
    program::run(selection(&mut cargo(), options).arg("--no-run"))
}

fn test_run(options: &Options) -> Command {
    let mut command = cargo();
    selection(&mut command, options)
        .arg("--no-fail-fast")
        .arg("--")
        .args(&options.filter)
        .args(&options.arguments);
    command
}

fn selection<'a>(command: &'a mut Command, options: &Options) -> &'a mut Command {
    command.args(["test", "--all-features"]);
    if options.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.packages {
        command.args(["--package", package]);
    }
    command
}

fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn line_for(arguments: &[&str]) -> String {
        let command = Options::augment_args(clap::Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).unwrap();
        let line = program::line(&test_run(&Options::from_arg_matches(&matches).unwrap()));
        line.replacen(&program::line(&cargo()), "cargo", 1)
    }

    #[test]
    fn without_arguments_every_test_runs() {
        assert_eq!(line_for(&[]), "cargo test --all-features --workspace --no-fail-fast --");
    }

    #[test]
    fn packages_a_name_and_arguments_of_the_test_programs_are_passed_on() {
        assert_eq!(
            line_for(&["--package", "milepost-domain", "-p", "xtask", "soak_", "--", "--ignored"]),
            "cargo test --all-features --package milepost-domain --package xtask --no-fail-fast -- soak_ --ignored"
        );
    }
}
