//! A slot: distinct hourly vehicles, all due at the full hour, until the receiver has a payload of each.
//!
//! The simulated source answers half of the reads within 0.8 s, 99 of 100 within 10 s and the last ones after up to a
//! minute, so the last payload says how long the slowest car took; the first 99 % say what the server does.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sources::simulated::Latency;

use super::{
    Figure,
    stage::{self, FIRST_HOUR, HOUR},
};
use crate::cli::Bench;

/// The server starts so long before the hour.
const LEAD: Duration = Duration::from_secs(3);

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(super) async fn measure(args: &Bench, vehicles: usize) -> Result<Vec<Figure>> {
    let config = stage::config(&args.data)?;
    let running = stage::start(&config, FIRST_HOUR - HOUR / 2).await?;
    let (stage, mut counter) = stage::prepare(&running, config).await?;
    stage::populate(&running.app, &stage, vehicles, Latency::Realistic, args.json).await?;
    running.stop().await?;
    let (mut most, mut took, mut peak, mut written, mut kept) = (vec![], vec![], vec![], vec![], vec![]);
    for run in 1..=args.runs {
        let hour = FIRST_HOUR + HOUR * u32::try_from(run - 1)?;
        stage::forget_peak();
        let (written_before, begun) = (stage::own("io", "write_bytes"), Instant::now());
        let running = stage::start(&stage.config, hour - LEAD).await?;
        let before = live_bytes(&running.app.size().await?);
        let expected = (vehicles * run) as u64;
        let since_hour = || begun.elapsed().saturating_sub(LEAD).as_secs_f64();
        counter.wait(expected - vehicles as u64 / 100).await?;
        most.push(since_hour());
        counter.wait(expected).await?;
        took.push(since_hour());
        let app = running.app.clone();
        running.stop().await?;
        peak.push(stage::own("status", "VmHWM") as f64 / 1_024.0);
        written.push((stage::own("io", "write_bytes") - written_before) as f64 / vehicles as f64);
        drop(app);
        let running = stage::start(&stage.config, hour + HOUR / 2).await?;
        kept.push((live_bytes(&running.app.size().await?) - before) / vehicles as f64);
        running.stop().await?;
        let (distinct, repeated, bad) = counter.tally().await?;
        ensure!(
            (distinct, repeated, bad) == (expected, 0, 0),
            "{distinct} of {expected} came, {repeated} again, {bad} with a bad signature"
        );
    }
    counter.stop().await?;
    std::fs::remove_dir_all(&args.data)?;
    let named = |what: &str| format!("slot of {vehicles} vehicles: {what}");
    let rate = most.iter().map(|seconds| 0.99 * vehicles as f64 / seconds).collect();
    Ok(vec![
        Figure::new(named("hour to 99 % received"), "s", most),
        Figure::new(named("hour to all received"), "s", took),
        Figure::new(named("rate of those 99 %"), "POST/s", rate),
        Figure::new(named("peak memory"), "MiB", peak),
        Figure::new(named("written per event"), "bytes", written),
        Figure::new(named("kept per event"), "bytes", kept),
    ])
}

fn live_bytes(size: &store::Size) -> f64 {
    size.bytes as f64 - size.free_inside as f64 - size.wal_bytes as f64
}
