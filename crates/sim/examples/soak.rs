//! Lets simulated worlds live for weeks: `cargo run --release -p milepost-sim --example soak -- --seeds 1..2501 --weeks 4`.

use std::{process::ExitCode, time::Instant};

use milepost_sim::{
    World,
    soak::{self, Report},
};

/// How often progress is told, in seconds.
const TOLD_EVERY: u64 = 10;

#[expect(clippy::disallowed_methods, reason = "progress for people")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let value =
        |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).map(String::as_str);
    let seeds = value("--seeds").and_then(|text| text.split_once("..")).unwrap_or(("1", "101"));
    let (Ok(first), Ok(end)) = (seeds.0.parse::<u64>(), seeds.1.parse::<u64>()) else {
        eprintln!("write the seeds like 1..101");
        return ExitCode::from(2);
    };
    let Ok(weeks) = value("--weeks").unwrap_or("1").parse::<u32>() else {
        eprintln!("write the weeks as a number");
        return ExitCode::from(2);
    };
    let crashes = !arguments.iter().any(|argument| argument == "--without-crashes");
    let varied = arguments.iter().any(|argument| argument == "--varied");
    let tell = arguments.iter().any(|argument| argument == "--tell");
    let (begun, mut told, mut report) = (Instant::now(), 0, Report::default());
    for seed in first..end {
        let prepare = |world: &mut World| {
            if tell {
                world.keep_trace()
            }
        };
        let life = match varied {
            true => soak::live_varied_with(seed, weeks, crashes, prepare),
            false => soak::live_with(seed, weeks, crashes, prepare),
        };
        life.trace.iter().for_each(|line| println!("{line}"));
        report.add(seed, &life);
        if let Some(guilt) = life.guilt() {
            eprintln!("seed {seed}: {guilt}");
        }
        let seconds = begun.elapsed().as_secs();
        if seconds >= told + TOLD_EVERY {
            told = seconds;
            eprintln!("{seconds} s, seed {seed}: {}", report.summary());
        }
    }
    println!("soak: {}", report.summary());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
