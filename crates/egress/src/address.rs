//! Which addresses may be dialled.
//!
//! The answer depends on the address alone, never on how it was written: by the time it gets here it is sixteen or four
//! bytes. Three voices are heard in this order: the operator's allow list, what is ours (interfaces, and what the
//! operator adds), and the tables below, which hold the special-purpose registries of IANA and the clouds' metadata
//! services that live in public space. IPv6 is turned round: only `2000::/3` is the public internet, minus exceptions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Targets that the operator allows although they are not public, or not https on a usual port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The addresses.
    pub network: IpNet,
    /// The port, or any.
    pub port: Option<u16>,
    /// The name that the callback URI must use, or any. A name given here may also be one that is refused otherwise
    /// (`receiver`, `host.docker.internal`), and the hosts file is asked for it.
    pub host: Option<String>,
}

impl Allowance {
    fn covers(&self, address: IpAddr, port: u16, host: &str) -> bool {
        self.network.contains(&address) && self.suits(port, host)
    }

    fn suits(&self, port: u16, host: &str) -> bool {
        self.port.is_none_or(|allowed| allowed == port)
            && self.host.as_deref().is_none_or(|name| name == host)
    }
}

/// What may be done with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// On the operator's allow list: http and unusual ports are fine, too.
    Allowed,
    /// The public internet: https on the usual ports.
    Public,
    /// Nothing may be sent there. The reason is for the operator's log; tenants get one answer for all.
    Denied(&'static str),
}

/// The operator's word on addresses.
pub(crate) struct AddressPolicy {
    allow: Vec<Allowance>,
    deny: Vec<IpNet>,
}

impl AddressPolicy {
    pub(crate) fn new(mut allow: Vec<Allowance>, deny: Vec<IpNet>) -> Self {
        for allowance in &mut allow {
            allowance.host =
                allowance.host.take().map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        }
        Self { allow, deny }
    }

    /// Judges one address for one target; `own` are the addresses of this machine.
    pub(crate) fn judge(&self, address: IpAddr, port: u16, host: &str, own: &[IpAddr]) -> Standing {
        if self.allow.iter().any(|allowance| allowance.covers(address, port, host)) {
            // An allowed carrier is worth what it carries; else a NAT64 prefix on the allow list would open everything.
            return match carried(address) {
                Some(inner) => self.judge(inner.into(), port, host, own),
                None => Standing::Allowed,
            };
        }
        if own.contains(&address) {
            return Standing::Denied("an address of this machine");
        }
        if self.deny.iter().any(|network| network.contains(&address)) {
            return Standing::Denied("denied by the operator");
        }
        special(address).map_or(Standing::Public, Standing::Denied)
    }

    /// Whether some allowance may turn out to cover this name, once its addresses are known.
    pub(crate) fn may_cover(&self, port: u16, host: &str) -> bool {
        self.allow.iter().any(|allowance| allowance.suits(port, host))
    }

    /// Whether the operator's list gives this very name.
    pub(crate) fn names(&self, port: u16, host: &str) -> bool {
        self.allow.iter().any(|allowance| allowance.host.is_some() && allowance.suits(port, host))
    }
}

/// The IPv4 address inside an IPv6 address of a transition mechanism.
fn carried(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, _, _] => Some(low),         // compatible
        [0, 0, 0, 0, 0, 0xffff, _, _] => Some(low),    // mapped
        [0, 0, 0, 0, 0xffff, 0, _, _] => Some(low),    // translated
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(low), // NAT64, well-known prefix
        [0x64, 0xff9b, 1, _, _, _, _, _] => Some(low), // NAT64, local use, as a /96
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!(bits as u32))), // Teredo hides the client's address
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)), // 6to4
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(low), // ISATAP
        _ => None,
    }
}

/// Why the address is not on the public internet, if it is not.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            SPECIAL_V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, reason)| *reason)
        }
        IpAddr::V6(address) if !GLOBAL_UNICAST.contains(&address) => Some("outside global unicast"),
        IpAddr::V6(address) => SPECIAL_V6
            .iter()
            .find(|(network, _)| network.contains(&address))
            .map(|(_, reason)| *reason)
            .or_else(|| carried(IpAddr::V6(address)).map(|_| "carries an IPv4 address")),
    }
}

const GLOBAL_UNICAST: Ipv6Net = v6(0x2000_0000_0000_0000, 3);

const SPECIAL_V4: [(Ipv4Net, &str); 21] = [
    (v4([0, 0, 0, 0], 8), "this network"),
    (v4([10, 0, 0, 0], 8), "private use"),
    (v4([100, 64, 0, 0], 10), "shared address space; metadata of Alibaba Cloud at 100.100.100.200"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([168, 63, 129, 16], 32), "platform services of Azure, in public space"),
    (v4([169, 254, 0, 0], 16), "link local; metadata of most clouds at 169.254.169.254"),
    (v4([172, 16, 0, 0], 12), "private use"),
    (v4([192, 0, 0, 0], 24), "protocol assignments; metadata of Oracle Cloud at 192.0.0.192"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 31, 196, 0], 24), "AS112"),
    (v4([192, 52, 193, 0], 24), "multicast tunnelling"),
    (v4([192, 88, 99, 0], 24), "6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private use"),
    (v4([192, 175, 48, 0], 24), "AS112"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([233, 252, 0, 0], 24), "documentation of multicast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
    (v4([255, 255, 255, 255], 32), "broadcast"),
];

const SPECIAL_V6: [(Ipv6Net, &str); 6] = [
    (
        v6(0x2001_0000_0000_0000, 23),
        "protocol assignments: Teredo, ORCHID, benchmarking, AS112, anycast relays",
    ),
    (v6(0x2001_0db8_0000_0000, 32), "documentation"),
    (v6(0x2002_0000_0000_0000, 16), "6to4"),
    (v6(0x2620_004f_8000_0000, 48), "AS112"),
    (v6(0x3ffe_0000_0000_0000, 16), "the former 6bone"),
    (v6(0x3fff_0000_0000_0000, 20), "documentation"),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

/// From the upper half of the address.
const fn v6(upper: u64, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits((upper as u128) << 64), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> AddressPolicy {
        AddressPolicy::new(vec![], vec![])
    }

    fn judged(policy: &AddressPolicy, address: &str) -> Standing {
        policy.judge(address.parse().unwrap(), 443, "example.org", &[])
    }

    fn allowance(network: &str, port: Option<u16>, host: Option<&str>) -> Allowance {
        Allowance { network: network.parse().unwrap(), port, host: host.map(str::to_owned) }
    }

    /// The blocks of the two IANA special-purpose registries, of the multicast registries, and of the IPv6 space outside
    /// global unicast. A line that is missing in the tables above fails here.
    const REGISTRY: &str = "
        0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
        192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24
        192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24
        198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 233.252.0.0/24 240.0.0.0/4 255.255.255.255/32
        ::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32
        2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28
        2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7
        fe80::/10 fec0::/10 ff00::/8 ::/96 ::ffff:0:0:0/96 3ffe::/16 4000::/3 6000::/3 8000::/3 a000::/3
        c000::/3 e000::/4 f000::/5 f800::/6 fe00::/9
        168.63.129.16/32 100.100.100.200/32 192.0.0.192/32 169.254.169.254/32 169.254.170.2/32 fd00:ec2::254/128";

    #[test]
    fn every_block_of_the_registries_is_denied_from_its_first_to_its_last_address() {
        for block in REGISTRY.split_whitespace() {
            let network: IpNet = block.parse().unwrap();
            for address in [network.network(), network.broadcast(), middle(network)] {
                assert!(
                    matches!(plain().judge(address, 443, "example.org", &[]), Standing::Denied(_)),
                    "{address} of {block}"
                );
            }
        }
    }

    fn middle(network: IpNet) -> IpAddr {
        match network {
            IpNet::V4(net) => {
                Ipv4Addr::from_bits(net.network().to_bits() + (net.hostmask().to_bits() >> 1)).into()
            }
            IpNet::V6(net) => {
                Ipv6Addr::from_bits(net.network().to_bits() + (net.hostmask().to_bits() >> 1)).into()
            }
        }
    }

    #[test]
    fn every_denied_block_of_the_tables_is_in_a_registry_or_a_known_metadata_service() {
        let registry: Vec<IpNet> = REGISTRY.split_whitespace().map(|block| block.parse().unwrap()).collect();
        let tables = SPECIAL_V4
            .iter()
            .map(|(net, _)| IpNet::V4(*net))
            .chain(SPECIAL_V6.iter().map(|(net, _)| IpNet::V6(*net)));
        for block in tables {
            assert!(registry.contains(&block), "{block} is denied by nobody's authority");
        }
    }

    #[test]
    fn the_public_internet_next_to_the_denied_blocks_stays_reachable() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "8.8.8.8",
            "2000::",
            "2001:200::",
            "2001:db7:ffff::1",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "2620:4f:7fff::1",
            "2a00:1450:4001::64",
            "3ffd:ffff::1",
            "3fff:1000::",
        ] {
            assert_eq!(judged(&plain(), address), Standing::Public, "{address}");
        }
    }

    #[test]
    fn an_ipv6_address_that_carries_an_ipv4_address_is_denied_whatever_it_carries() {
        for address in [
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::8.8.8.8",
            "2002:808:808::1",
            "2001:0:102:304::f7f7:f7f7",
            "2a00:1450::5efe:808:808",
            "2a00:1450::200:5efe:a00:1",
        ] {
            assert!(matches!(judged(&plain(), address), Standing::Denied(_)), "{address}");
        }
    }

    #[test]
    fn the_carried_address_is_found_in_every_transition_format() {
        for address in [
            "::ffff:10.1.2.3",
            "::10.1.2.3",
            "::ffff:0:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::10.1.2.3",
            "2002:a01:203::1",
            "2001:0:102:304::f5fe:fdfc",
            "fe80::5efe:10.1.2.3",
            "fe80::200:5efe:10.1.2.3",
        ] {
            assert_eq!(carried(address.parse().unwrap()), Some(Ipv4Addr::new(10, 1, 2, 3)), "{address}");
        }
        for address in ["::", "::1", "10.1.2.3", "2606:4700::1111"] {
            assert_eq!(carried(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn the_allow_list_wins_by_network_port_and_name() {
        let policy = AddressPolicy::new(
            vec![
                allowance("10.1.0.0/16", None, None),
                allowance("192.168.0.0/16", Some(9000), None),
                allowance("127.0.0.0/8", None, Some("Receiver.")),
            ],
            vec![],
        );
        let judge = |address: &str, port, host| {
            policy.judge(address.parse().unwrap(), port, host, &[]) == Standing::Allowed
        };
        assert!(judge("10.1.2.3", 1, "x.example"));
        assert!(!judge("10.2.0.0", 1, "x.example"));
        assert!(judge("192.168.1.1", 9000, "x.example"));
        assert!(!judge("192.168.1.1", 9001, "x.example"));
        assert!(judge("127.0.0.1", 9000, "receiver"));
        assert!(!judge("127.0.0.1", 9000, "other.example"));
    }

    #[test]
    fn an_allowed_carrier_is_worth_what_it_carries() {
        let policy = AddressPolicy::new(vec![allowance("64:ff9b::/96", None, None)], vec![]);
        assert_eq!(judged(&policy, "64:ff9b::8.8.8.8"), Standing::Public);
        assert!(matches!(judged(&policy, "64:ff9b::127.0.0.1"), Standing::Denied(_)));
    }

    #[test]
    fn what_is_ours_is_denied_unless_the_operator_allows_it() {
        let deny = vec!["198.100.0.0/24".parse().unwrap()];
        let own: [IpAddr; 1] = ["9.9.9.9".parse().unwrap()];
        let policy = AddressPolicy::new(vec![], deny.clone());
        let judge =
            |policy: &AddressPolicy, address: &str| policy.judge(address.parse().unwrap(), 443, "x", &own);
        assert!(matches!(judge(&policy, "9.9.9.9"), Standing::Denied(_)));
        assert!(matches!(judge(&policy, "198.100.0.7"), Standing::Denied(_)));
        assert_eq!(judge(&policy, "198.100.1.7"), Standing::Public);
        let policy = AddressPolicy::new(vec![allowance("9.9.9.9/32", None, None)], deny);
        assert_eq!(judge(&policy, "9.9.9.9"), Standing::Allowed);
    }
}
