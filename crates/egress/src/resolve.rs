//! From names to addresses.
//!
//! Every name is absolute: search domains never apply, so `metadata` cannot become `metadata.internal`. The hosts file is
//! asked for names that the operator's allow list gives, and for no other. Both families are asked for at once, each
//! look-up is bounded in time, and answers are kept between one second and a minute, whatever their TTL says.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use domain::delivery::Failure;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::Name,
    system_conf::read_system_conf,
};

const LONGEST: Duration = Duration::from_secs(5);
const PER_QUERY: Duration = Duration::from_secs(2);
const KEPT_AT_LEAST: Duration = Duration::from_secs(1);
const KEPT_AT_MOST: Duration = Duration::from_secs(60);
const ABSENCE_KEPT_AT_MOST: Duration = Duration::from_secs(10);
const NAMES_KEPT: u64 = 8_192;
/// Two for each request that can be in flight: look-ups that nobody answers take no room from those of other names.
const QUERIES_IN_FLIGHT: usize = 8_192;

pub(crate) struct Names {
    dns: TokioResolver,
    hosts_then_dns: TokioResolver,
}

impl Names {
    /// Asks these servers, or those of the system's settings.
    pub(crate) fn new(servers: Option<&[SocketAddr]>) -> Result<Self, NetError> {
        let servers = match servers {
            Some(servers) => servers.iter().copied().map(name_server).collect(),
            None => of_the_system(),
        };
        Ok(Self {
            dns: resolver(&servers, ResolveHosts::Never)?,
            hosts_then_dns: resolver(&servers, ResolveHosts::Always)?,
        })
    }

    /// All addresses of a name, IPv6 first; never none.
    pub(crate) async fn addresses(&self, name: &str, hosts_file: bool) -> Result<Vec<IpAddr>, Failure> {
        let resolver = if hosts_file { &self.hosts_then_dns } else { &self.dns };
        let name = Name::from_ascii(format!("{name}.")).map_err(|_| Failure::DnsNotFound)?;
        let both = async { tokio::join!(resolver.ipv6_lookup(name.clone()), resolver.ipv4_lookup(name)) };
        let (v6, v4) = tokio::time::timeout(LONGEST, both).await.map_err(|_| Failure::DnsFailed)?;
        gather(v6, v4)
    }
}

/// A machine without DNS can still send to addresses, and to itself.
fn of_the_system() -> Vec<NameServerConfig> {
    match read_system_conf() {
        Ok((config, _)) => config.name_servers,
        Err(error) => {
            tracing::warn!(%error, "the system names no DNS servers: give some in the configuration to send to names");
            Vec::new()
        }
    }
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let mut server =
        NameServerConfig::new(at.ip(), true, vec![ConnectionConfig::udp(), ConnectionConfig::tcp()]);
    for connection in &mut server.connections {
        connection.port = at.port();
    }
    server
}

fn resolver(servers: &[NameServerConfig], hosts: ResolveHosts) -> Result<TokioResolver, NetError> {
    let config = ResolverConfig::from_name_servers(servers.to_vec());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    set(builder.options_mut(), hosts);
    builder.build()
}

fn set(options: &mut ResolverOpts, hosts: ResolveHosts) {
    options.use_hosts_file = hosts;
    options.timeout = PER_QUERY;
    options.attempts = 1;
    options.cache_size = NAMES_KEPT;
    options.max_active_requests = QUERIES_IN_FLIGHT;
    options.positive_min_ttl = Some(KEPT_AT_LEAST);
    options.positive_max_ttl = Some(KEPT_AT_MOST);
    options.negative_min_ttl = Some(KEPT_AT_LEAST);
    options.negative_max_ttl = Some(ABSENCE_KEPT_AT_MOST);
}

/// One family may be missing. When both are, the graver reason stands: silence about one is no proof of absence.
fn gather(v6: Result<Lookup, NetError>, v4: Result<Lookup, NetError>) -> Result<Vec<IpAddr>, Failure> {
    let mut addresses = Vec::new();
    let mut failures = Vec::new();
    for answer in [v6, v4] {
        match answer {
            Ok(lookup) => {
                addresses.extend(lookup.answers().iter().filter_map(|record| record.data.ip_addr()))
            }
            Err(error) => failures.push(failure(&error)),
        }
    }
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    Err(failures.into_iter().find(|failure| *failure != Failure::DnsNotFound).unwrap_or(Failure::DnsNotFound))
}

fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => Failure::DnsNotFound,
        // No name server could even be asked, or too many questions are open.
        NetError::Busy | NetError::NoConnections | NetError::Io(_) => Failure::Local,
        _ => Failure::DnsFailed,
    }
}
