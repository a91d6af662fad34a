//! `cargo xtask check`: everything that can be said about the code without running it. All checks run, and all that is
//! wrong is told.

mod arrows;
mod map;
mod places;

use anyhow::{Result, ensure};

use crate::program::{cargo, is_installed, run};

type Check = (&'static str, fn() -> Result<()>);

const CHECKS: &[Check] = &[
    ("formatting", formatting),
    ("arrows between the crates", arrows::check),
    ("the map", map::check),
    ("places of one machine", places::check),
    ("lints", lints),
    ("documentation", documentation),
    ("licences, bans and sources of dependencies", || deny(&["licenses", "bans", "sources"])),
    ("advisories against dependencies", || deny(&["advisories"])),
];

pub(crate) fn run_all() -> Result<()> {
    let mut wrong = Vec::new();
    for (name, check) in CHECKS {
        eprintln!("checking {name}");
        if let Err(error) = check() {
            eprintln!("{error:#}");
            wrong.push(*name);
        }
    }
    ensure!(wrong.is_empty(), "not in order: {}", wrong.join("; "));
    println!("all is in order");
    Ok(())
}

fn formatting() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check", "--", "--files-with-diff"]))
}

fn lints() -> Result<()> {
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))
}

/// With private items, because the documentation is for those who work on the code.
fn documentation() -> Result<()> {
    let arguments = ["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"];
    run(cargo().env("RUSTDOCFLAGS", "-D warnings").args(arguments))
}

fn deny(what: &[&str]) -> Result<()> {
    if !is_installed("cargo-deny") {
        eprintln!("not checked: install cargo-deny with `cargo install --locked cargo-deny`");
        return Ok(());
    }
    run(cargo().args(["deny", "check"]).args(what))
}
