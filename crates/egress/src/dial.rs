//! TCP connections to addresses that were vetted.
//!
//! Several addresses are tried in turn, each a little after the one before unless that has failed already, and the first
//! that answers wins (RFC 8305 in its simplest form). Nothing here knows names, so nothing can be looked up twice.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use domain::delivery::Failure;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

const STAGGER: Duration = Duration::from_millis(250);

/// Connects to one of the addresses before the deadline.
pub(crate) async fn dial(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
    let mut waiting = addresses.iter().copied();
    let mut open = FuturesUnordered::new();
    let mut told = None;
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            open.push(connect(address));
        }
        let patience = if waiting.len() > 0 { deadline.min(Instant::now() + STAGGER) } else { deadline };
        match timeout_at(patience, open.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(failure))) => told = Some(more_telling(told, failure)),
            Ok(None) => return Err(told.unwrap_or(Failure::Unreachable)),
            Err(_) if Instant::now() >= deadline => return Err(Failure::ConnectTimedOut),
            Err(_) => {}
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await.map_err(|error| failure(address, &error))?;
    // What was vetted is what we talk to, whatever lies between us and the kernel's answer.
    if stream.peer_addr().map_err(|error| failure(address, &error))? != address {
        return Err(Failure::Blocked);
    }
    // Requests are written whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Of several addresses' failures the one that tells most: a machine without IPv6 reaches no IPv6 address, and that is
/// not the news.
fn more_telling(before: Option<Failure>, now: Failure) -> Failure {
    before.filter(|failure| !matches!(failure, Failure::Unreachable | Failure::Local)).unwrap_or(now)
}

fn failure(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted => Failure::Refused,
        // Reset as soon as it was made: before we look at it, it is not connected any more.
        ErrorKind::ConnectionReset | ErrorKind::NotConnected => Failure::Refused,
        ErrorKind::TimedOut => Failure::ConnectTimedOut,
        // A packet filter of this machine, or one that answers for the network, forbids the way.
        ErrorKind::PermissionDenied => Failure::Unreachable,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::InvalidInput => {
            Failure::Unreachable
        }
        // Without IPv6 there is no address to send from; with IPv4 it would mean that no port is free.
        ErrorKind::AddrNotAvailable if address.is_ipv6() => Failure::Unreachable,
        // No free port, no free descriptor, no memory, no network device.
        _ => Failure::Local,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn dialled(addresses: &[SocketAddr], patience: Duration) -> Result<SocketAddr, Failure> {
        let stream = dial(addresses, Instant::now() + patience).await?;
        Ok(stream.peer_addr().unwrap())
    }

    async fn closed_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn the_next_address_is_tried_at_once_when_one_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dead, live) = (closed_port().await, listener.local_addr().unwrap());
        assert_eq!(dialled(&[dead, live], Duration::from_millis(200)).await, Ok(live));
    }

    #[test]
    fn a_machine_without_ipv6_still_tells_what_ipv4_said() {
        assert_eq!(more_telling(Some(Failure::Unreachable), Failure::Refused), Failure::Refused);
        assert_eq!(more_telling(Some(Failure::Refused), Failure::Unreachable), Failure::Refused);
    }

    #[tokio::test]
    async fn fault_e12_a_refused_connection_is_told_apart_from_an_unreachable_network() {
        let dead = closed_port().await;
        assert_eq!(dialled(&[dead], Duration::from_secs(5)).await, Err(Failure::Refused));
        let broadcast = "255.255.255.255:443".parse().unwrap();
        assert_eq!(dialled(&[broadcast], Duration::from_secs(5)).await, Err(Failure::Unreachable));
    }
}
