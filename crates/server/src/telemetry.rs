//! Logs and metrics of the process.

use std::{io::IsTerminal, time::Duration};

use anyhow::{Context, Result, anyhow};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

const SECONDS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0];
const LATENESS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0];
const STEPS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Histograms keep every sample until they are put into their buckets. Reading the metrics does that, but nobody may read them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Renders the metrics of the process.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to collect. Once per process.
    pub(crate) fn install() -> Result<Self> {
        let suffix = |text: &str| Matcher::Suffix(text.to_owned());
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(suffix("lateness_seconds"), LATENESS)?
            .set_buckets_for_metric(suffix("duration_seconds"), SECONDS)?
            .set_buckets_for_metric(suffix("commit_steps"), STEPS)?
            .install_recorder()
            .context("metrics cannot be collected")?;
        app::describe_metrics();
        let upkeep = handle.clone();
        std::thread::Builder::new()
            .name("metrics-upkeep".into())
            .spawn(move || {
                loop {
                    std::thread::sleep(UPKEEP);
                    upkeep.run_upkeep();
                }
            })
            .context("metrics cannot be looked after")?;
        Ok(Self(handle))
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Begins to write logs to standard error, which leaves standard output to answers.
pub(crate) fn log(settings: &Log) -> Result<()> {
    // What the parser says about it names no setting and stands there twice.
    let filter = EnvFilter::try_new(&settings.level).map_err(|_| {
        anyhow!("log.level {:?} must look like info, debug or milepost_app=debug,info", settings.level)
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match settings.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
