//! Fuzz targets on stable Rust. Nothing uses this crate; `cargo test -p milepost-fuzz` runs each target briefly with a
//! fixed seed, and `cargo xtask soak --only fuzz` for an hour (`--minutes`).
//!
//! A target is a function that takes any bytes. It may refuse them, but it must not panic, take more than [`TIME`] of
//! processor time or more than [`MEMORY`]. Inputs are mutations of a kept corpus, drawn from a seed: a run with the
//! same seed and number of inputs repeats exactly. There is no coverage feedback, so the corpus decides how deep a run
//! gets: keep one small file for each form that the code under test knows.
//!
//! To add a target:
//!
//! 1. Write a `fn(&[u8])` in a module here, with assertions about what must hold for every input.
//! 2. Add it to [`TARGETS`]. Its crate becomes a dependency; `xtask/src/check/arrows.rs` says which are allowed.
//! 3. Put examples into `corpus/<name>/`, one file each, of at most [`LARGEST`] bytes.
//! 4. Add a test to `tests/targets.rs`: `a_short_run` and `soak_fuzz_…`, one line each.
//!
//! An input that fails is written to `target/fuzz/<name>-<number>` and named in the panic; put it into the corpus with
//! the fix.

mod memory;
mod mutate;
mod recordings;
mod run;

pub use run::{Limit, Summary, run};

use std::time::Duration;

/// Code under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also the name of its folder in `corpus`.
    pub name: &'static str,
    /// Takes any bytes; fails by a panic.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "csv", run: recordings::csv },
    Target { name: "gpx", run: recordings::gpx },
    Target { name: "column-map", run: recordings::column_map },
    Target { name: "answer", run: egress::fuzzing::read_answer },
    Target { name: "ingest", run: web::fuzzing::read_readings },
];

/// Processor time that one input may take.
pub const TIME: Duration = Duration::from_secs(1);
/// Bytes that one input may have in use at once.
pub const MEMORY: usize = 256 * 1024 * 1024;
/// No input is larger.
pub const LARGEST: usize = 64 * 1024;

/// The target with a name.
///
/// # Panics
///
/// When there is none.
pub fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).expect("the target is in the list")
}
