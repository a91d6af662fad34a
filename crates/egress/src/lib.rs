//! Outgoing HTTP: the only code of Milepost that opens connections to places that somebody else has named.
//!
//! A callback URI is written by a tenant and dialled from inside the operator's network, so every request takes the same way:
//!
//! 1. `uri` parses the text once and applies the rules that need no network;
//! 2. `resolve` asks for all addresses of the name;
//! 3. `address` judges every one of them: a single bad one spoils the name;
//! 4. `dial` connects to judged addresses, never to names, and looks at who answered;
//! 5. `tls` shakes hands under the original name;
//! 6. `connection` sends one request, follows nothing, and reads a bounded answer;
//! 7. `pool` keeps the connection, pinned to its address, for the next request.
//!
//! One deadline covers all of it, from the look-up to the last byte of the body. What is refused is refused with one
//! reason, whatever stands behind it, so answers do not map the operator's network.

mod address;
mod connection;
mod dial;
mod interfaces;
mod pool;
mod resolve;
mod spelling;
mod tls;
mod uri;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use app::ports::{Outbound, Post, Reply, Target, UriRefused};
use async_trait::async_trait;
use domain::delivery::Failure;
use hyper::http::Extensions;
use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};

pub use address::Allowance;
pub use pool::IdleLimits;

use address::{AddressPolicy, Standing};
use connection::{Connection, Exchange, Stream};
use interfaces::Interfaces;
use pool::Pool;
use resolve::Names;
use tls::Tls;
use uri::Destination;

/// How many addresses of one name are tried. All are judged.
const DIALLED: usize = 8;

/// What the operator sets.
#[derive(Clone)]
pub struct EgressConfig {
    /// Targets that are allowed although policy would refuse them.
    pub allow: Vec<Allowance>,
    /// Networks that are denied beside the special ones: public addresses of this server that no interface carries, its
    /// database and peers, a NAT64 prefix of the operator's own.
    pub deny: Vec<IpNet>,
    /// Certificate authorities that are trusted beside those of the system.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Name servers instead of those in the system's settings.
    pub nameservers: Option<Vec<SocketAddr>>,
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
    spelling: Extensions,
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
            spelling: spelling::learn(),
            connect_timeout: config.connect_timeout,
            on_dial: config.on_dial,
        })
    }

    async fn exchange(&self, post: &Post, deadline: Instant) -> Result<Reply, Failure> {
        if let Some(kept) = self.pool.take(&post.target)
            && let Some(result) = self.exchange_on(kept, post, deadline).await
        {
            return result;
        }
        // Nothing was written, so that this is still the first time the receiver sees the request.
        let fresh = self.connect(&post.target, deadline).await?;
        self.exchange_on(fresh, post, deadline).await.unwrap_or(Err(Failure::ClosedEarly))
    }

    /// Nothing when the connection was closed before the request was sent.
    async fn exchange_on(
        &self,
        mut connection: Connection,
        post: &Post,
        deadline: Instant,
    ) -> Option<Result<Reply, Failure>> {
        match connection.exchange(post, deadline).await {
            Exchange::Answered(reply) => {
                self.pool.give(&post.target, connection);
                Some(Ok(reply))
            }
            Exchange::NotSent => None,
            Exchange::Failed(failure) => Some(Err(failure)),
        }
    }

    async fn connect(&self, target: &Target, deadline: Instant) -> Result<Connection, Failure> {
        let addresses = before(deadline, self.addresses(target)).await?;
        if self.on_dial.as_ref().is_some_and(|on_dial| !on_dial(&addresses)) {
            return Err(Failure::Blocked);
        }
        let patience = Instant::now() + self.connect_timeout;
        let tcp = match dial::dial(&addresses, patience.min(deadline)).await {
            Err(Failure::ConnectTimedOut) if deadline < patience => return Err(Failure::TimedOut),
            result => result?,
        };
        let stream: Box<dyn Stream> = if target.tls {
            Box::new(before(deadline, self.tls.connect(tcp, &target.host)).await?)
        } else {
            Box::new(tcp)
        };
        Connection::open(stream, target, self.spelling.clone()).await
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
        self.addresses(target).await.map(|_| ()).map_err(|_| UriRefused::Address)
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
