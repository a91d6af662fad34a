//! What the scenarios share: the machine, a server in this process, and vehicles on a webhook.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use app::{App, LinkRequest, NewWebhookRequest};
use domain::{
    cadence::Cadence,
    connect::{PermissionSet, defaults::Defaults},
    ids::{ApplicationId, UserId, VehicleId, WebhookId},
    signal::{Endpoint, Powertrain},
    time::Timestamp,
    units::UnitSystem,
    vehicle::{Mode, VehicleInfo},
    webhook::{Agent, Plan, Scheduled, ScheduledName},
};
use indicatif::{ProgressBar, ProgressStyle};
use sources::{
    SIMULATED,
    simulated::{CarSpec, Latency, Profile, Region, models},
};
use store::SourceRef;

use super::receiver::Counter;
use crate::{
    config::Config,
    machine::MachineClock,
    wiring::{self, Running},
};

/// The hour that the first slot of a benchmark is for.
pub(super) const FIRST_HOUR: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
const LINKED_AT_ONCE: usize = 2_000;

/// Processor, memory, commit.
pub(super) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map(|(_, v)| v.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let folder = env!("CARGO_MANIFEST_DIR");
    let commit =
        std::process::Command::new("git").args(["-C", folder, "rev-parse", "--short", "HEAD"]).output();
    let commit = commit
        .ok()
        .filter(|out| out.status.success())
        .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    format!(
        "{processor}, {cores} cores, {memory}; milepost {} at commit {}",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or_else(|| "unknown".into())
    )
}

/// A server of the benchmark with its application and webhook.
pub(super) struct Stage {
    pub config: Config,
    pub webhook: WebhookId,
    pub application: ApplicationId,
    pub management_token: String,
}

/// A folder for one scenario, empty.
pub(crate) fn config(folder: &Path) -> Result<Config> {
    if folder.exists() {
        bail!("{} exists; remove it or name another with --data", folder.display());
    }
    let mut config = Config::load(None, std::iter::empty())?;
    config.server.listen = "127.0.0.1:0".parse()?;
    config.server.data = folder.to_owned();
    config.server.metrics_listen = String::new();
    config.egress.allow = vec!["127.0.0.0/8".into()];
    Ok(config)
}

/// Starts the server with a clock that says `from` now.
pub(super) async fn start(config: &Config, from: Timestamp) -> Result<Running> {
    wiring::start(config, Arc::new(MachineClock::paced(from, 1.0)), None).await
}

/// Makes an application and a verified hourly webhook to the receiver.
pub(super) async fn prepare(running: &Running, config: Config) -> Result<(Stage, Counter)> {
    let settings = Scheduled {
        cadence: Cadence::every_hours(1)?,
        endpoints: [
            Endpoint::Attributes,
            Endpoint::Odometer,
            Endpoint::Location,
            Endpoint::Battery,
            Endpoint::Charge,
        ]
        .into_iter()
        .collect(),
        units: UnitSystem::Metric,
        event_name: ScheduledName::Schedule,
        vehicles_per_request: 1,
    };
    prepare_with(running, config, Plan::Scheduled(settings)).await
}

/// Makes an application and a verified webhook of any kind to the receiver.
pub(super) async fn prepare_with(running: &Running, config: Config, plan: Plan) -> Result<(Stage, Counter)> {
    let app = &running.app;
    let created =
        app.create_application("Benchmark", vec![], app::UNLIMITED, Defaults::default(), None).await?;
    let token = created.entry.management_token.to_string();
    let counter = Counter::start(&token).await?;
    let request = NewWebhookRequest {
        application: created.entry.application.id,
        name: "Benchmark".into(),
        callback_uri: counter.url(),
        error_uri: None,
        error_uri_unchecked: false,
        verify: false,
        plan,
        auto_subscribe: false,
        agent: Agent::Milepost,
        headers: Default::default(),
    };
    let webhook = app.create_webhook(request, None).await?.entry.webhook().id;
    let verified = app.verify_webhook(webhook).await?;
    if !verified.entry.webhook().status.verified {
        bail!(
            "the receiver was not verified: {:?}",
            verified.last_verification.and_then(|result| result.problem)
        );
    }
    let application = created.entry.application.id;
    Ok((Stage { config, webhook, application, management_token: token }, counter))
}

/// Links distinct simulated vehicles and puts them on the webhook.
pub(super) async fn populate(
    app: &Arc<App>,
    stage: &Stage,
    vehicles: usize,
    latency: Latency,
    quiet: bool,
) -> Result<()> {
    let pool = app.pool("simulated:bench").await?;
    let application = app.application(stage.application)?.application.no;
    let webhook = app.webhook_entry(stage.webhook)?;
    let electric: Vec<_> = models().filter(|no| no.model().powertrain == Powertrain::Bev).collect();
    let bar = progress(vehicles as u64, "vehicles", quiet);
    for begun in (0..vehicles).step_by(LINKED_AT_ONCE) {
        let mut requests = Vec::with_capacity(LINKED_AT_ONCE);
        for number in begun..vehicles.min(begun + LINKED_AT_ONCE) {
            let no = electric[number % electric.len()];
            let model = no.model();
            let region = *model.regions.first().unwrap_or(&Region::UnitedStates);
            let spec = CarSpec::new(number as u32, no, model.years.1, region, Profile::Driving)?;
            requests.push(LinkRequest {
                application,
                user: None::<UserId>,
                info: VehicleInfo {
                    id: VehicleId(uuid::Uuid::nil()),
                    make: model.make.into(),
                    model: model.name.into(),
                    year: model.years.1,
                    mode: Mode::Simulated,
                    powertrain: model.powertrain,
                    region,
                },
                permissions: PermissionSet::ALL,
                source: SourceRef {
                    kind: SIMULATED,
                    pool,
                    spec: spec.start(app.now()).with_latency(latency).encode(),
                },
            });
        }
        let linked = app.link(requests).await.context("vehicles could not be linked")?;
        let numbers: Vec<_> = linked.iter().map(|linked| linked.no).collect();
        app.subscribe_numbers(&webhook, &numbers).await?;
        bar.inc(numbers.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Progress on a terminal.
pub(in crate::commands) fn progress(most: u64, what: &'static str, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}").expect("a fixed template");
    ProgressBar::new(most).with_style(style).with_message(what)
}

/// A number of `/proc/self/…`, in its own unit.
pub(super) fn own(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Begins a new measurement of the most memory that was ever resident.
pub(super) fn forget_peak() {
    // Not every kernel allows it; the peak is then that of the whole run.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
