//! Outgoing HTTP: the only code of Milepost that opens connections to places that somebody else has named.
//!
//! A callback URI is written by a tenant and dialled from inside the operator's network, so every request takes the same way:
//!
//! 1. `uri` parses the text once and applies the rules that need no network;
//! 2. `resolve` asks for all addresses of the name;
//! 3. `address` judges every one of them: a single bad one spoils the name;
//! 4. `dial` connects to judged addresses, never to names, and looks at who answered; or `proxy` has the operator's proxy
//!    connect to a judged address;
//! 5. `tls` shakes hands under the original name, and `trust` says which certificates will do;
//! 6. `connection` sends one request, follows nothing, and `answer` reads a bounded answer;
//! 7. `pool` keeps the connection, pinned to its address, for the next request of the same webhook.
//!
//! A connection that waited in the pool and is closed before a byte of the answer comes was closed as idle: the request is sent
//! once more on a fresh one. It may have arrived all the same. That is what at-least-once means: it is the same attempt of the
//! same event, with the same ids, so a receiver that knows ids it has seen takes it once.
//!
//! One deadline covers all of it, from the look-up to the last byte of the body. What is refused is refused with one
//! reason, whatever stands behind it, so answers do not map the operator's network.

mod address;
mod answer;
mod certificate;
mod coding;
mod connection;
mod dial;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod interfaces;
mod pool;
mod proxy;
mod resolve;
mod tls;
mod trust;
mod uri;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use app::ports::{Outbound, Post, Purpose, Reply, Target, UriRefused};
use async_trait::async_trait;
use domain::delivery::Failure;
use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

pub use address::Allowance;
pub use pool::IdleLimits;
pub use proxy::{Proxy, ProxyRefused};

use address::{AddressPolicy, Standing};
use connection::{Connection, Exchange, Stream};
use interfaces::Interfaces;
use pool::Pool;
use resolve::Names;
use tls::Tls;
use uri::Destination;

/// How many addresses of one name are tried. All are judged.
const DIALLED: usize = 8;
/// How many of them a proxy is asked to connect to.
const TUNNELLED: usize = 3;
/// A name server that fails is asked again after this long, where somebody waits for the answer.
const DNS_PAUSE: Duration = Duration::from_millis(500);
/// One that has taken longer than this to fail is not asked again.
const DNS_PATIENCE: Duration = Duration::from_secs(2);

/// What the operator sets.
#[derive(Clone)]
pub struct EgressConfig {
    /// Targets that are allowed although policy would refuse them.
    pub allow: Vec<Allowance>,
    /// Networks that are denied beside the special ones: public addresses of this server that no interface carries, its
    /// database and peers, a NAT64 prefix of the operator's own.
    pub deny: Vec<IpNet>,
    /// Certificates that are trusted beside those of the system: as authorities, and each as the certificate of a receiver.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Name servers instead of those in the system's settings.
    pub nameservers: Option<Vec<SocketAddr>>,
    /// Through which proxy requests leave.
    pub proxy: Option<Proxy>,
    /// How long a TCP connection may take to come about, over all addresses of a name.
    pub connect_timeout: Duration,
    /// Connections that are kept for the next request.
    pub idle: IdleLimits,
    /// Sees the addresses right before they are dialled and has the last word: for audit logs, and tests.
    pub on_dial: Option<OnDial>,
}

/// Says whether these addresses, all of them judged, may be dialled.
pub type OnDial = Arc<dyn Fn(&[SocketAddr]) -> bool + Send + Sync>;

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            extra_roots: Vec::new(),
            nameservers: None,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            idle: IdleLimits::default(),
            on_dial: None,
        }
    }
}

/// Why nothing can be sent from this machine.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The DNS library.
    #[error("look-ups of names cannot be set up")]
    Dns(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// One of the operator's certificate authorities.
    #[error("a certificate of the additional authorities cannot be used")]
    Root(#[source] rustls::Error),
    /// The TLS library.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Outgoing HTTP under one policy, with its pool of connections.
pub struct Egress {
    policy: AddressPolicy,
    interfaces: Interfaces,
    names: Names,
    tls: Tls,
    pool: Arc<Pool>,
    proxy: Option<Proxy>,
    connect_timeout: Duration,
    on_dial: Option<OnDial>,
}

impl Egress {
    /// Reads what the system offers (authorities, name servers, interfaces) and opens nothing yet.
    ///
    /// # Errors
    ///
    /// When one of the additional authorities cannot be used, or a library refuses its settings.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        Ok(Self {
            policy: AddressPolicy::new(config.allow, config.deny),
            interfaces: Interfaces::new(),
            names: Names::new(config.nameservers.as_deref())
                .map_err(|error| EgressError::Dns(Box::new(error)))?,
            tls: Tls::new(config.extra_roots)?,
            pool: Pool::new(config.idle),
            proxy: config.proxy,
            connect_timeout: config.connect_timeout,
            on_dial: config.on_dial,
        })
    }

    async fn exchange(&self, post: &Post, deadline: Instant) -> Result<Reply, Failure> {
        // A verification or a test must not fail over what an earlier request has left behind.
        let kept = match post.purpose {
            Purpose::Delivery => self.pool.take(post),
            Purpose::Probe => None,
        };
        if let Some(kept) = kept
            && let Some(result) = self.exchange_on_kept(kept, post, deadline).await
        {
            return result;
        }
        let mut fresh = self.connect(post, deadline).await?;
        match fresh.exchange(post, deadline).await {
            Exchange::Answered { reply, reusable } => {
                self.give_back(post, fresh, reusable);
                Ok(reply)
            }
            Exchange::Closed(failure) | Exchange::Failed(failure) => Err(failure),
        }
    }

    /// Nothing when the connection turned out to have been closed as idle.
    async fn exchange_on_kept(
        &self,
        mut kept: Connection,
        post: &Post,
        deadline: Instant,
    ) -> Option<Result<Reply, Failure>> {
        match kept.exchange(post, deadline).await {
            // That is how some servers say that a connection has been idle for too long; the request was not looked at
            // (RFC 9110, 15.5.9).
            Exchange::Answered { reply, reusable: false } if reply.status == 408 => None,
            Exchange::Answered { reply, reusable } => {
                self.give_back(post, kept, reusable);
                Some(Ok(reply))
            }
            Exchange::Closed(_) => None,
            Exchange::Failed(failure) => Some(Err(failure)),
        }
    }

    fn give_back(&self, post: &Post, connection: Connection, reusable: bool) {
        if reusable {
            self.pool.give(post, connection);
        }
    }

    async fn connect(&self, post: &Post, deadline: Instant) -> Result<Connection, Failure> {
        let target = &*post.target;
        let tcp = self.reach(target, post.purpose, deadline).await?;
        let stream: Box<dyn Stream> = if target.tls {
            Box::new(before(deadline, self.tls.connect(tcp, &target.host)).await?)
        } else {
            tcp
        };
        Ok(Connection::new(stream))
    }

    /// A byte stream to the target: directly, or through the proxy.
    async fn reach(
        &self,
        target: &Target,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Failure> {
        let proxy = self.proxy.as_ref().filter(|proxy| !proxy.is_bypassed_by(&target.host));
        if let Some(proxy) = proxy.filter(|proxy| proxy.resolves_names)
            && let Destination::Name(name) = uri::destination(target)
        {
            return self.tunnel(proxy, &[format!("{name}:{}", target.port)], deadline).await;
        }
        let addresses = before(deadline, self.addresses_for(target, purpose)).await?;
        if self.on_dial.as_ref().is_some_and(|on_dial| !on_dial(&addresses)) {
            return Err(Failure::Blocked);
        }
        let hosts: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
        match proxy.filter(|proxy| !proxy.is_bypassed_to(&hosts)) {
            Some(proxy) => {
                let authorities: Vec<_> =
                    addresses.iter().take(TUNNELLED).map(SocketAddr::to_string).collect();
                self.tunnel(proxy, &authorities, deadline).await
            }
            None => Ok(Box::new(self.dial(&addresses, deadline).await?)),
        }
    }

    async fn dial(&self, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
        let patience = Instant::now() + self.connect_timeout;
        match dial::dial(addresses, patience.min(deadline)).await {
            Err(Failure::ConnectTimedOut) if deadline < patience => Err(Failure::TimedOut),
            result => result,
        }
    }

    /// Has the proxy connect to the first of these that it can reach.
    async fn tunnel(
        &self,
        proxy: &Proxy,
        authorities: &[String],
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Failure> {
        let addresses = before(deadline, self.addresses_of_proxy(proxy)).await?;
        let mut last = Failure::ProxyFailed;
        for authority in authorities {
            let stream = match self.dial(&addresses, deadline).await {
                Ok(stream) => Box::new(stream),
                Err(Failure::TimedOut) => return Err(Failure::TimedOut),
                Err(_) => return Err(Failure::ProxyUnreachable),
            };
            match before(deadline, proxy.tunnel(stream, authority)).await {
                Err(Failure::ProxyFailed) => last = Failure::ProxyFailed,
                result => return result,
            }
        }
        Err(last)
    }

    /// Where the proxy is. The operator has named it, so nothing is judged.
    async fn addresses_of_proxy(&self, proxy: &Proxy) -> Result<Vec<SocketAddr>, Failure> {
        let bare = proxy.host.trim_start_matches('[').trim_end_matches(']');
        let addresses = match bare.parse() {
            Ok(address) => vec![address],
            Err(_) if bare == "localhost" => vec![IpAddr::from([127, 0, 0, 1])],
            Err(_) => self.names.addresses(bare, true).await.map_err(|_| Failure::ProxyUnreachable)?,
        };
        Ok(in_turn(&addresses).map(|address| SocketAddr::new(address, proxy.port)).take(DIALLED).collect())
    }

    /// As [`Egress::addresses`]. Where somebody waits for the answer, a name server that fails is asked once more.
    #[expect(clippy::disallowed_methods, reason = "name servers live in real time")]
    async fn addresses_for(&self, target: &Target, purpose: Purpose) -> Result<Vec<SocketAddr>, Failure> {
        let began = Instant::now();
        match self.addresses(target).await {
            Err(Failure::DnsFailed | Failure::Local)
                if purpose == Purpose::Probe && began.elapsed() < DNS_PATIENCE =>
            {
                tokio::time::sleep(DNS_PAUSE).await;
                self.addresses(target).await
            }
            result => result,
        }
    }

    /// All addresses of the target, every one of them judged.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let own = self.interfaces.addresses();
        let addresses = match uri::destination(target) {
            Destination::Literal(address) => vec![address],
            Destination::Localhost => uri::loopbacks(target, &self.policy, &own),
            Destination::Name(name) => {
                self.names.addresses(name, self.policy.names(target.port, name)).await?
            }
        };
        if addresses.is_empty() || addresses.iter().any(|&address| !self.may_dial(target, address, &own)) {
            return Err(Failure::Blocked);
        }
        Ok(in_turn(&addresses).map(|address| SocketAddr::new(address, target.port)).take(DIALLED).collect())
    }

    fn may_dial(&self, target: &Target, address: IpAddr, own: &[IpAddr]) -> bool {
        match self.policy.judge(address, target.port, &target.host, own) {
            Standing::Allowed => true,
            Standing::Public => uri::is_ordinary(target),
            Standing::Denied(reason) => {
                tracing::debug!(url.domain = target.host, reason, "a callback URI leads to a denied address");
                false
            }
        }
    }
}

/// The two families by turns, the first one first.
fn in_turn(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == addresses[0].is_ipv6());
    let rounds = first.len().max(second.len());
    (0..rounds).flat_map(move |n| [first.get(n).copied(), second.get(n).copied()]).flatten()
}

async fn before<T>(deadline: Instant, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout_at(deadline, work).await.unwrap_or(Err(Failure::TimedOut))
}

#[async_trait]
impl Outbound for Egress {
    fn parse(&self, uri: &str) -> Result<Target, UriRefused> {
        uri::parse(uri, &self.policy, &self.interfaces.addresses())
    }

    async fn vet(&self, target: &Target) -> Result<(), UriRefused> {
        let proxy =
            self.proxy.as_ref().filter(|proxy| proxy.resolves_names && !proxy.is_bypassed_by(&target.host));
        if proxy.is_some() && matches!(uri::destination(target), Destination::Name(_)) {
            return Ok(());
        }
        // Whatever is wrong with an address has one text; only what DNS says about the name has its own.
        self.addresses_for(target, Purpose::Probe).await.map(|_| ()).map_err(|failure| match failure {
            Failure::DnsNotFound => UriRefused::NameNotFound,
            Failure::DnsFailed | Failure::Local => UriRefused::NameNotResolved,
            _ => UriRefused::Address,
        })
    }

    async fn post(&self, post: Post) -> Result<Reply, Failure> {
        self.exchange(&post, Instant::now() + post.deadline).await
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}
