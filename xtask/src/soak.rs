//! `cargo xtask soak`: the long versions of the tests. Each run adds one row to `docs/soak.md`, failed runs too.
//!
//! A soak says what it did in lines that contain `soak: `, and what follows those words stands in the row. A soak that is
//! an ignored test is named `soak_<kind>_…`.

use std::{fmt, ops::Range, process::Command, str::FromStr, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::{
    program::{self, cargo, program, read, root, watch},
    sdks,
    summary::{Counts, Summary},
};

const RECORD: &str = "docs/soak.md";
const MARK: &str = "soak: ";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these, instead of all
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,

    /// Seeds of the simulated worlds, the last one excluded
    #[arg(long, default_value = "1..2501", value_name = "FIRST..LAST")]
    seeds: Seeds,

    /// Weeks that each simulated world lives
    #[arg(long, default_value_t = 4)]
    weeks: u32,

    /// How often the server is killed
    #[arg(long, default_value_t = 2_000)]
    kills: u32,

    /// How many kills lie between two restores of a backup
    #[arg(long, default_value_t = 50)]
    restore_every: u32,

    /// How long each fuzz target runs
    #[arg(long, default_value_t = 60)]
    minutes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Simulated worlds live for weeks, with crashes, and a checker with a calendar of its own judges them
    Weeks,
    /// The same with a dynamic and a unified webhook beside the scheduled ones
    Varied,
    /// The real server is killed again and again while it works
    Kills,
    /// Hostile callback URIs are tried in a network in which every address answers
    Addresses,
    /// Bodies survive being parsed and written again by JavaScript, and verify with the official SDKs
    Canonical,
    /// Slots of all time zones are compared with what a watcher of the clock sees
    Slots,
    /// Parsers take mutated inputs within limits of time and memory
    Fuzz,
}

/// Seeds as they are written: `1..2501`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (first, last) = text.split_once("..").context("write the seeds like 1..2501")?;
        let seeds = first.parse()?..last.parse()?;
        ensure!(!seeds.is_empty(), "there is no seed in {text}");
        Ok(Self(seeds))
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start, self.0.end)
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let kinds = if options.only.is_empty() { Kind::value_variants() } else { &options.only };
    let mut failed = Vec::new();
    for &kind in kinds {
        let row = soak(kind, options)?;
        append(&row)?;
        println!("{RECORD}: {row}");
        if !row.passed {
            failed.push(kind.name());
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Runs one soak to its end.
#[expect(clippy::disallowed_methods, reason = "how long a soak took is for people, no test depends on it")]
fn soak(kind: Kind, options: &Options) -> Result<Row> {
    let place = Place::here()?;
    if kind == Kind::Canonical {
        sdks::provide();
    }
    // What does not compile has not run, and is no row.
    program::run(&mut build(kind))?;
    let begun = Instant::now();
    let (mut report, mut summary) = (Report::default(), Summary::default());
    let status = watch(&mut command(kind, options), |line| {
        report.read(line);
        summary.read(line);
    })?;
    let counts = summary.counts();
    let ran = kind.has_seeds() || counts.passed + counts.failed > 0 || !status.success();
    ensure!(ran, "there is no test of the soak {}: nothing was recorded", kind.name());
    Ok(Row {
        place,
        what: kind.name(),
        seeds: if kind.has_seeds() { options.seeds.to_string() } else { "–".into() },
        counts: report.counts(counts),
        passed: status.success(),
        minutes: begun.elapsed().as_secs().div_ceil(60),
    })
}

/// What has to be built for a soak.
fn build(kind: Kind) -> Command {
    let mut command = cargo();
    match kind {
        Kind::Weeks | Kind::Varied => {
            command.args(["build", "--release", "--package", kind.package(), "--example", "soak"])
        }
        _ => command.args(["test", "--release", "--package", kind.package(), "--no-run"]),
    };
    command
}

/// What is started for a soak.
fn command(kind: Kind, options: &Options) -> Command {
    let mut command = cargo();
    if kind.has_seeds() {
        command.args(["run", "--release", "--package", kind.package(), "--example", "soak", "--"]);
        command.args(["--seeds", &options.seeds.to_string(), "--weeks", &options.weeks.to_string()]);
        if kind == Kind::Varied {
            command.arg("--varied");
        }
    } else {
        let name = format!("soak_{}_", kind.name());
        command.args([
            "test",
            "--release",
            "--package",
            kind.package(),
            "--",
            "--ignored",
            "--nocapture",
            &name,
        ]);
        command.env("MILEPOST_SOAK_KILLS", options.kills.to_string());
        command.env("MILEPOST_SOAK_RESTORE_EVERY", options.restore_every.to_string());
        command.env("MILEPOST_SOAK_MINUTES", options.minutes.to_string());
    }
    command
}

impl Kind {
    fn name(self) -> String {
        self.to_possible_value().expect("no kind is hidden").get_name().to_owned()
    }

    /// Whether it is made of simulated worlds.
    fn has_seeds(self) -> bool {
        matches!(self, Self::Weeks | Self::Varied)
    }

    /// Where it is.
    fn package(self) -> &'static str {
        match self {
            Self::Weeks | Self::Varied => "milepost-sim",
            Self::Kills => "milepost",
            Self::Addresses => "milepost-egress",
            Self::Canonical | Self::Slots => "milepost-domain",
            Self::Fuzz => "milepost-fuzz",
        }
    }
}

/// What a soak says of itself.
#[derive(Default)]
struct Report {
    marked: Vec<String>,
    last: String,
}

impl Report {
    fn read(&mut self, line: &str) {
        if let Some((_, said)) = line.split_once(MARK) {
            self.marked.push(said.to_owned());
        }
        if !line.is_empty() {
            line.clone_into(&mut self.last);
        }
    }

    /// In its own words; a soak without words of its own is counted in tests or quoted.
    fn counts(self, tests: Counts) -> String {
        if !self.marked.is_empty() {
            self.marked.join("; ")
        } else if tests != Counts::default() {
            tests.to_string()
        } else {
            self.last
        }
    }
}

/// Where and when a soak ran.
struct Place {
    date: String,
    commit: String,
    machine: String,
}

impl Place {
    fn here() -> Result<Self> {
        let commit = read(program("git").args(["rev-parse", "--short=12", "HEAD"]))?;
        // The record itself changes with every soak.
        let others = format!(":(exclude){RECORD}");
        let changes =
            read(program("git").args(["status", "--porcelain", "--untracked-files=no", "--", ".", &others]))?;
        let changed = if changes.is_empty() { "" } else { " with changes" };
        let cores = std::thread::available_parallelism()?;
        Ok(Self {
            date: read(program("date").args(["-u", "+%Y-%m-%d %H:%M"]))?.trim().to_owned(),
            commit: format!("{}{changed}", commit.trim()),
            machine: format!("{}, {cores} cores", processor()),
        })
    }
}

/// The model of the processor, as far as the system says.
fn processor() -> String {
    let said = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = said.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.trim().to_owned())
}

/// A row of the record.
struct Row {
    place: Place,
    what: String,
    seeds: String,
    counts: String,
    passed: bool,
    minutes: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place: Place { date, commit, machine }, what, seeds, counts, passed, minutes } = self;
        let counts = counts.replace('|', "\\|");
        let result = if *passed { "passed" } else { "FAILED" };
        write!(f, "| {date} | {commit} | {machine} | {what} | {seeds} | {counts} | {result}, {minutes} min |")
    }
}

/// Adds a row at the end of the record, where its table is.
fn append(row: &Row) -> Result<()> {
    let path = root().join(RECORD);
    let mut text = std::fs::read_to_string(&path).with_context(|| format!("{RECORD} cannot be read"))?;
    text.truncate(text.trim_end().len());
    text += &format!("\n{row}\n");
    std::fs::write(&path, text).with_context(|| format!("{RECORD} cannot be written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(lines: &[&str]) -> Report {
        let mut report = Report::default();
        lines.iter().for_each(|line| report.read(line));
        report
    }

    #[test]
    fn seeds_are_written_as_a_range() {
        assert_eq!("1..2501".parse::<Seeds>().unwrap(), Seeds(1..2501));
        for refused in ["", "7", "1..", "9..3", "3..3"] {
            assert!(refused.parse::<Seeds>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_soak_is_recorded_in_its_own_words() {
        let report = report_of(&["Compiling", "test kills ... soak: 1000 kills, 0 lost", "ok", ""]);
        assert_eq!(report.counts(Counts::default()), "1000 kills, 0 lost");
    }

    #[test]
    fn a_soak_without_words_of_its_own_is_counted_in_tests_or_quoted() {
        let one = Counts { passed: 1, ..Counts::default() };
        assert_eq!(report_of(&["done"]).counts(one), "1 passed, 0 failed, 0 skipped");
        assert_eq!(report_of(&["10000 weeks", ""]).counts(Counts::default()), "10000 weeks");
    }

    #[test]
    fn a_row_fits_the_table_whatever_the_soak_said() {
        let place =
            Place { date: "2030-01-02 03:04".into(), commit: "abc".into(), machine: "Z80, 1 cores".into() };
        let row = Row {
            place,
            what: "weeks".into(),
            seeds: "1..3".into(),
            counts: "2 weeks | 0 lost".into(),
            passed: false,
            minutes: 1,
        };
        assert_eq!(
            row.to_string(),
            r"| 2030-01-02 03:04 | abc | Z80, 1 cores | weeks | 1..3 | 2 weeks \| 0 lost | FAILED, 1 min |"
        );
    }
}
