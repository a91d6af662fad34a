//! Wiring: from a configuration to a running server, and back to nothing.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use app::{
    App, Parts,
    ports::{Clock, Outbound},
};
use egress::{Allowance, Egress, EgressConfig};
use sources::{RECORDED, SIMULATED, Sources, recorded::RecordedTrips, simulated::SimulatedFleet};
use store::Upkeep;
use store_sqlite::{Options, SqliteKeyring, SqliteStore};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use web::{Serving, WebConfig};
use zeroize::Zeroizing;

use crate::{
    config::{Config, EgressSection},
    folder::{self, AdminToken},
    machine::{MachineDice, MachineSpawn},
    restore,
    simulator::{self, Controls},
    telemetry::Metrics,
    tls::TlsFiles,
};

/// The seed of the simulated fleet's chance; a car's own chance is in its data.
const FLEET_SEED: u64 = 1;

/// A running server.
pub(crate) struct Running {
    /// The application.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What opens the admin API.
    pub admin_token: AdminToken,
    keyring: Arc<SqliteKeyring>,
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
    patience: Duration,
}

/// Opens everything and begins to serve.
pub(crate) async fn start(
    config: &Config,
    clock: Arc<dyn Clock>,
    metrics: Option<Metrics>,
) -> Result<Running> {
    let data = &config.server.data;
    let Stores { store, keyring, master_key } = Stores::open(data)?;
    let admin_token = folder::admin_token(data, &MachineDice)?;
    let fleet = Arc::new(SimulatedFleet::new(clock.clone(), FLEET_SEED));
    let trips = Arc::new(RecordedTrips::new(clock.clone()));
    let source = Sources::new().with(SIMULATED, fleet.clone()).with(RECORDED, trips);
    let listener = listen("server.listen", &config.server.listen.to_string()).await?;
    let address = listener.local_addr()?;
    let metrics_listener = match (&metrics, config.server.metrics_listen.as_str()) {
        (None, _) | (_, "") => None,
        (Some(_), address) => Some(listen("server.metrics_listen", address).await?),
    };
    let tls = TlsFiles::open(&config.server.tls_cert, &config.server.tls_key)?;
    let trusted = config.server.trusted_proxies()?;
    let mut settings = config.settings();
    if config.server.origin.is_empty() {
        let scheme = if tls.is_some() { "https" } else { "http" };
        settings.origin = format!("{scheme}://{address}");
    }
    let parts = Parts {
        store: Arc::new(store),
        keyring: keyring.clone(),
        master_key,
        clock,
        dice: Arc::new(MachineDice),
        outbound: outbound(&config.egress)?,
        source: Arc::new(source),
        simulator: Arc::new(Controls),
        accounts: fleet,
        spawn: Arc::new(MachineSpawn),
    };
    let app = App::start(parts, settings).await?;
    if let Err(error) = simulator::take_over(&app, &data.join("recordings")).await {
        // The cars of recordings that are still files fail, and everything else works.
        tracing::error!(
            error = format!("{error:#}"),
            "Recordings of an earlier version could not be taken over."
        );
    }
    let (stop, stopped) = watch::channel(false);
    let web = WebConfig {
        admin_token_hashes: vec![app::token_hash(&admin_token.text)],
        version: env!("CARGO_PKG_VERSION").into(),
        limits: config.server.limits(),
        trusted: trusted.clone(),
    };
    let limits = web.limits;
    let router = web::router(app.clone(), web);
    let main = Serving { limits, tls: tls.as_ref().map(|files| files.tls()), trusted };
    let mut serving = vec![tokio::spawn(serve(listener, router, main, stopped.clone()))];
    if let Some(files) = tls {
        serving.push(tokio::spawn(files.follow(stopped.clone())));
    }
    if let (Some(metrics), Some(listener)) = (metrics, metrics_listener) {
        let router = web::metrics(move || metrics.render());
        serving.push(tokio::spawn(serve(listener, router, Serving::default(), stopped)));
    }
    let patience = Duration::from_secs(config.server.stop_within_s);
    Ok(Running { app, address, admin_token, keyring, stop, serving, patience })
}

/// Listens on the address of a setting; an error names the setting and says what to do.
async fn listen(setting: &str, address: &str) -> Result<TcpListener> {
    let variable = format!("MILEPOST_{}", setting.replace('.', "_").to_uppercase());
    TcpListener::bind(address).await.map_err(|cause| {
        let advice = lab::listen::advice(&cause);
        let off = if setting == "server.metrics_listen" { "; empty serves no metrics" } else { "" };
        anyhow!("{setting}: cannot listen on {address}: {advice}, in {setting} or {variable}{off} ({cause})")
    })
}

impl Running {
    /// Stops serving, lets what is in flight end, and closes the stores.
    pub(crate) async fn stop(self) -> Result<()> {
        // The servers may have ended already.
        let _ = self.stop.send(true);
        self.app.shut_down(self.patience).await?;
        for serving in self.serving {
            serving.await.context("a server ended badly")?;
        }
        self.keyring.close().await?;
        Ok(())
    }
}

/// The databases of a data folder, with the key that opens the keyring.
pub(crate) struct Stores {
    pub store: SqliteStore,
    pub keyring: Arc<SqliteKeyring>,
    pub master_key: Zeroizing<[u8; 32]>,
}

impl Stores {
    /// Opens them; a new folder gets a new key.
    pub(crate) fn open(data: &Path) -> Result<Self> {
        restore::swap::finish(data)?;
        folder::has_its_keyring(data)?;
        let master_key = folder::master_key(data, &MachineDice)?;
        folder::make_private(data)?;
        // The keyring first: data without its keyring is refused.
        let keyring = Arc::new(SqliteKeyring::open(data)?);
        let store = SqliteStore::open(data, Options::default())?;
        Ok(Self { store, keyring, master_key })
    }

    /// Finishes what is waiting and lets go of the folder.
    pub(crate) async fn close(self) -> Result<()> {
        self.store.close().await?;
        Ok(self.keyring.close().await?)
    }
}

async fn serve(
    listener: TcpListener,
    router: axum::Router,
    serving: Serving,
    mut stopped: watch::Receiver<bool>,
) {
    let stop = async move {
        // An end of the sender is an end of the server too.
        let _ = stopped.wait_for(|&stopped| stopped).await;
    };
    web::serve(listener, router, serving, stop).await;
}

/// Outgoing HTTP under the operator's policy.
pub(crate) fn outbound(section: &EgressSection) -> Result<Arc<dyn Outbound>> {
    let mut config = EgressConfig {
        allow: section.allow.iter().map(|text| allowance(text)).collect::<Result<_>>()?,
        proxy: section.proxy()?,
        ..EgressConfig::default()
    };
    for text in &section.deny {
        config.deny.push(
            text.parse()
                .with_context(|| format!("egress.deny: {text:?} is not a network like 203.0.113.0/24"))?,
        );
    }
    if !section.nameservers.is_empty() {
        config.nameservers = Some(section.nameservers.clone());
    }
    if !section.ca_file.is_empty() {
        let pem = std::fs::read(&section.ca_file)
            .with_context(|| format!("cannot read egress.ca_file {}", section.ca_file))?;
        config.extra_roots = rustls_pemfile::certs(&mut &*pem)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is not a PEM file of certificates", section.ca_file))?;
        ensure!(
            !config.extra_roots.is_empty(),
            "{} has no certificate; it must have lines like -----BEGIN CERTIFICATE-----",
            section.ca_file
        );
    }
    Ok(Arc::new(Egress::new(config)?))
}

/// One entry of the allow list: `network[:port][@host]`.
fn allowance(text: &str) -> Result<Allowance> {
    let help = || {
        format!(
            "egress.allow: {text:?} must look like 10.0.0.0/8, 127.0.0.1/32:9000 or 10.0.0.5/32:8443@hooks.lan"
        )
    };
    let (rest, host) = match text.split_once('@') {
        Some((rest, host)) => (rest, Some(host.to_ascii_lowercase())),
        None => (text, None),
    };
    let Some((address, tail)) = rest.rsplit_once('/') else { bail!(help()) };
    let (prefix, port) = match tail.split_once(':') {
        Some((prefix, port)) => (prefix, Some(port.parse().with_context(help)?)),
        None => (tail, None),
    };
    let network = format!("{address}/{prefix}").parse().with_context(help)?;
    Ok(Allowance { network, port, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allow_list_takes_networks_ports_and_hosts() {
        let allowance = |text| allowance(text).map(|a| format!("{} {:?} {:?}", a.network, a.port, a.host));
        assert_eq!(allowance("10.0.0.0/8").unwrap(), "10.0.0.0/8 None None");
        assert_eq!(allowance("127.0.0.1/32:9000").unwrap(), "127.0.0.1/32 Some(9000) None");
        assert_eq!(allowance("fd00::/8:8443@Hooks.lan").unwrap(), "fd00::/8 Some(8443) Some(\"hooks.lan\")");
        assert!(allowance("10.0.0.1").unwrap_err().to_string().contains("must look like"));
        assert!(allowance("10.0.0.0/8:http").is_err());
    }
}
