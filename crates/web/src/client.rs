//! Who asks: the other end of the connection, or what a trusted proxy says of it.
//!
//! Anybody can write `X-Forwarded-For`. It is read from its end, hop by hop, for as long as the hop that wrote it is one that
//! the operator has named; the first address that is none of those is the client. Other headers of proxies mean nothing
//! here: where this server is reached is configured.
//!
//! What one client may take is bounded, so that it cannot take everything: connections by the other end, requests in work by
//! the client. An IPv6 client owns at least a /64, so that counts as one.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use axum::http::HeaderMap;
use ipnet::IpNet;
use parking_lot::Mutex;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The other end of a connection; each of its requests carries it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub IpAddr);

/// Proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From networks (`10.0.0.0/8`) and addresses.
    ///
    /// # Errors
    ///
    /// The first text that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let parse = |text: &String| {
            let network = IpNet::from_str(text).or_else(|_| IpAddr::from_str(text).map(IpNet::from));
            network.map_err(|_| text.clone())
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is one of them.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The client of a request that came from `peer`.
pub(crate) fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let mut client = peer.to_canonical();
    let values: Vec<&str> =
        headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        if !trusted.contains(client) {
            break;
        }
        let Some(before) = address(hop.trim()) else { break };
        client = before;
    }
    client
}

/// An address as proxies write it: with or without brackets and a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let without_port = || text.rsplit_once(':').filter(|(host, _)| !host.contains(':')).map(|(host, _)| host);
    let parsed = bare.unwrap_or(text).parse().ok().or_else(|| without_port()?.parse().ok());
    parsed.map(|address: IpAddr| address.to_canonical())
}

/// How many of something each client has.
#[derive(Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Shares {
    /// One more for a client, unless it has so many already.
    pub(crate) fn take(&self, client: IpAddr, most: usize) -> Option<Share> {
        let mut share = self.none(client);
        share.grow(1, most).then_some(share)
    }

    /// Nothing yet for a client.
    pub(crate) fn none(&self, client: IpAddr) -> Share {
        Share { of: self.clone(), client: owner(client), count: 0 }
    }
}

/// What a client has, until it is dropped.
pub(crate) struct Share {
    of: Shares,
    client: IpAddr,
    count: usize,
}

impl Share {
    /// So many more, unless the client would have more than `most` in all; then nothing changes.
    pub(crate) fn grow(&mut self, more: usize, most: usize) -> bool {
        let mut counts = self.of.0.lock();
        let had = counts.get(&self.client).copied().unwrap_or(0);
        let fits = had.saturating_add(more) <= most;
        if fits {
            counts.insert(self.client, had + more);
            self.count += more;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.of.0.lock();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= self.count;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

/// What counts as one client.
fn owner(client: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], client: &str) {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".into(), "2001:db8::1".into()]).unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        let found = client_of(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_hops_that_are_trusted_are_believed() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["192.0.2.66, 198.51.100.1, 10.9.9.9"], "198.51.100.1");
        check("10.0.0.1", &["192.0.2.66", "198.51.100.1"], "198.51.100.1");
        check("2001:db8::1", &["[2001:db8:7::9]:443"], "2001:db8:7::9");
        check("::ffff:10.0.0.1", &["198.51.100.1:5000"], "198.51.100.1");
        check("10.0.0.1", &["10.0.0.2"], "10.0.0.2");
    }

    #[test]
    fn what_is_no_address_ends_the_chain() {
        check("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.1, 10.0.0.3, _hidden"], "10.0.0.1");
    }

    #[test]
    fn a_client_gets_its_share_back_and_a_network_of_ipv6_is_one_client() {
        let shares = Shares::default();
        let one = shares.take("2001:db8::1".parse().unwrap(), 1);
        assert!(one.is_some());
        assert!(shares.take("2001:db8::2".parse().unwrap(), 1).is_none());
        assert!(shares.take("2001:db8:0:1::2".parse().unwrap(), 1).is_some());
        drop(one);
        assert!(shares.0.lock().is_empty());
        assert_eq!(TrustedProxies::parse(&["ten".into()]).unwrap_err(), "ten");
    }
}
