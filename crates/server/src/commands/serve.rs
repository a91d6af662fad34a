//! `milepost serve`: the server until it is told to stop.

use std::sync::Arc;

use anyhow::{Result, bail};
use domain::time::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cli::Serve,
    config::{Config, DEFAULTS},
    machine::MachineClock,
    telemetry::{self, Metrics},
    wiring::{self, Running},
};

pub(crate) async fn run(args: Serve) -> Result<()> {
    if args.print_config {
        print!("{DEFAULTS}");
        return Ok(());
    }
    let mut config = Config::of_process(args.config.as_ref())?;
    config.server.listen = args.listen.unwrap_or(config.server.listen);
    config.server.data = args.data.unwrap_or(config.server.data);
    config.server.tls_cert = args.tls_cert.unwrap_or(config.server.tls_cert);
    config.server.tls_key = args.tls_key.unwrap_or(config.server.tls_key);
    telemetry::log(&config.log)?;
    let clock = match args.clock_from {
        Some(from) => {
            // People in Connect are not faster than at the usual speed.
            config.pace = Some(args.clock_speed.ceil() as u32);
            MachineClock::paced(Timestamp::from_secs(from), args.clock_speed)
        }
        None => MachineClock::wall(),
    };
    let signals = Signals::new()?;
    let running = wiring::start(&config, Arc::new(clock), Some(Metrics::install()?)).await?;
    let scheme = if config.server.tls_cert.as_os_str().is_empty() { "http" } else { "https" };
    println!("milepost {} listens on {scheme}://{}", env!("CARGO_PKG_VERSION"), running.address);
    if !config.server.origin.is_empty() {
        println!("it is reached from outside at {}", config.server.origin);
    }
    if let Some(path) = &running.admin_token.written_to {
        println!("the admin token was written to {}", path.display());
    }
    until_told(running, signals).await
}

/// The wishes of the operating system that the process ends.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to watch for them.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns at the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs until a signal, or until a loop dies; then stops in order. A second signal ends it at once.
async fn until_told(running: Running, mut signals: Signals) -> Result<()> {
    let died = tokio::select! {
        () = signals.next() => false,
        () = running.app.health().a_loop_died() => true,
    };
    let problems = running.app.health().problems();
    tracing::info!("stopping");
    tokio::select! {
        stopped = running.stop() => stopped?,
        () = signals.next() => bail!("stopped at once; what was in flight will be sent again"),
    }
    if died {
        bail!("stopped because {}", problems.join("; "));
    }
    tracing::info!("stopped");
    Ok(())
}
