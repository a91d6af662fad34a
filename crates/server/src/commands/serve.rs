//! `milepost serve`: the server until it is told to stop.

use std::{future::poll_fn, sync::Arc, task::Poll};

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

/// What signals do: some end the process in order, and no other one ends it.
///
/// | signal | what it does |
/// | --- | --- |
/// | `SIGTERM`, `SIGINT`, `SIGQUIT` | stop in order; a second one at once |
/// | `SIGHUP` | reads the certificate again, if there is one (`tls`); a demo stops in order, because its terminal is gone |
/// | `SIGPIPE`, `SIGXFSZ` | nothing: the write fails, and that is reported |
/// | `SIGUSR1`, `SIGUSR2`, `SIGALRM`, `SIGVTALRM`, `SIGPROF`, `SIGIO`, `SIGPWR` | nothing; a log line |
pub(crate) struct Signals {
    ends: Vec<Signal>,
    ignored: Vec<(&'static str, Signal)>,
}

/// Signals that would end a process that does not watch for them, by name and number on Linux.
const IGNORED: &[(&str, i32)] = &[
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGIO", 29),
    ("SIGPWR", 30),
];

impl Signals {
    /// Begins to watch for them, as a server does.
    pub(crate) fn new() -> Result<Self> {
        let mut signals = Self::of_terminal()?;
        signals.ends.pop();
        signals.ignored.push(("SIGHUP", signal(SignalKind::hangup())?));
        Ok(signals)
    }

    /// As a program does that belongs to a terminal: it ends with it.
    pub(crate) fn of_terminal() -> Result<Self> {
        let ends =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::hangup()];
        let ignored = IGNORED.iter().map(|&(name, number)| Ok((name, signal(SignalKind::from_raw(number))?)));
        Ok(Self {
            ends: ends.into_iter().map(signal).collect::<std::io::Result<_>>()?,
            ignored: ignored.collect::<Result<_>>()?,
        })
    }

    /// Returns at the next one that ends the process.
    pub(crate) async fn next(&mut self) {
        poll_fn(|cx| {
            for (name, ignored) in &mut self.ignored {
                while let Poll::Ready(Some(())) = ignored.poll_recv(cx) {
                    if *name == "SIGHUP" {
                        tracing::info!(
                            "SIGHUP: certificates are read again where there are any; nothing else is"
                        );
                    } else if *name != "SIGPIPE" {
                        tracing::info!(signal = *name, "A signal that means nothing here was ignored");
                    }
                }
            }
            match self.ends.iter_mut().any(|end| end.poll_recv(cx).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
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
