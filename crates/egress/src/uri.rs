//! From the text of a callback URI to a [`Target`].
//!
//! The text is parsed once, by the URL standard, and what comes out is what is judged, resolved, dialled and named in
//! the request: two parsers would disagree about some host sooner or later. What the standard repairs silently (tabs,
//! backslashes, missing slashes, user names) is refused before, because nobody writes it by accident.

use std::net::IpAddr;

use app::ports::{Target, UriRefused};
use http::uri::PathAndQuery;
use url::{Host, Url};

use crate::address::{AddressPolicy, Standing};

const LONGEST: usize = 2_048;
const HTTPS_PORTS: [u16; 2] = [443, 8443];

/// Names that never lead to the public internet: reserved ones, those of local networks, and those of container
/// platforms.
const LOCAL_SUFFIXES: [&str; 17] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "svc",
    "test",
    "workgroup",
];

/// What the rules need to know about where a target leads.
pub(crate) enum Destination<'a> {
    /// To this address.
    Literal(IpAddr),
    /// To this machine, by the one name that is never looked up.
    Localhost,
    /// To the addresses of this name.
    Name(&'a str),
}

/// Reads the host of a target.
pub(crate) fn destination(target: &Target) -> Destination<'_> {
    let bare = target.host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(address) => Destination::Literal(address),
        Err(_) if target.host == "localhost" => Destination::Localhost,
        Err(_) => Destination::Name(&target.host),
    }
}

/// Whether the target may lead to any public address; else only to what the operator allows.
pub(crate) fn is_ordinary(target: &Target) -> bool {
    target.tls && HTTPS_PORTS.contains(&target.port)
}

/// Parses the text and applies the rules that need no network.
pub(crate) fn parse(uri: &str, policy: &AddressPolicy, own: &[IpAddr]) -> Result<Target, UriRefused> {
    check_text(uri)?;
    let url = Url::parse(uri).map_err(|error| UriRefused::Malformed(error.to_string()))?;
    let target = Target {
        tls: url.scheme() == "https",
        host: host(&url)?,
        port: url.port_or_known_default().ok_or(UriRefused::Scheme)?,
        path: path(&url)?,
    };
    admit(&target, policy, own)?;
    Ok(target)
}

/// Refuses what the parser would repair.
fn check_text(uri: &str) -> Result<(), UriRefused> {
    if uri.len() > LONGEST {
        return Err(UriRefused::TooLong);
    }
    if uri.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(malformed("it contains a space, a control character or a backslash"));
    }
    let (scheme, rest) = uri.split_once(':').ok_or_else(|| malformed("it has no scheme"))?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(UriRefused::Scheme);
    }
    let rest =
        rest.strip_prefix("//").ok_or_else(|| malformed("two slashes are missing after the scheme"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(malformed("it has no host"));
    }
    if authority.contains('@') {
        return Err(UriRefused::UserInfo);
    }
    Ok(())
}

/// The host as it is dialled: without the dot that makes a name absolute, since all names are.
fn host(url: &Url) -> Result<String, UriRefused> {
    let name = match url.host() {
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name),
        Some(address) => return Ok(address.to_string()),
        None => return Err(malformed("it has no host")),
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(name.to_owned())
    } else {
        Err(malformed("the host is not a DNS name"))
    }
}

fn path(url: &Url) -> Result<String, UriRefused> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    // The HTTP library has its own idea of a path; what it cannot send must not be accepted here.
    PathAndQuery::try_from(path).map_err(|error| UriRefused::Malformed(error.to_string()))?;
    Ok(path.to_owned())
}

fn admit(target: &Target, policy: &AddressPolicy, own: &[IpAddr]) -> Result<(), UriRefused> {
    let unusual = || if target.tls { UriRefused::Port(target.port) } else { UriRefused::Scheme };
    match destination(target) {
        Destination::Literal(address) => match policy.judge(address, target.port, &target.host, own) {
            Standing::Allowed => Ok(()),
            _ if !is_ordinary(target) => Err(unusual()),
            Standing::Public => Ok(()),
            Standing::Denied(_) => Err(UriRefused::Address),
        },
        Destination::Localhost if loopbacks(target, policy, own).is_empty() => {
            Err(if is_ordinary(target) { UriRefused::Address } else { unusual() })
        }
        Destination::Localhost => Ok(()),
        Destination::Name(name) if !is_ordinary(target) && !policy.may_cover(target.port, name) => {
            Err(unusual())
        }
        Destination::Name(name) if is_local(name) && !policy.names(target.port, name) => {
            Err(UriRefused::Address)
        }
        Destination::Name(_) => Ok(()),
    }
}

/// The loopback addresses that the operator allows for this target.
pub(crate) fn loopbacks(target: &Target, policy: &AddressPolicy, own: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses = vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    addresses.retain(|&address| policy.judge(address, target.port, &target.host, own) == Standing::Allowed);
    addresses
}

fn is_local(name: &str) -> bool {
    let under =
        |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.contains('.') || LOCAL_SUFFIXES.into_iter().any(under)
}

fn malformed(what: &str) -> UriRefused {
    UriRefused::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Allowance;

    fn strict(uri: &str) -> Result<Target, UriRefused> {
        parse(uri, &AddressPolicy::new(vec![], vec![]), &[])
    }

    fn with(allow: &[(&str, Option<u16>, Option<&str>)], uri: &str) -> Result<Target, UriRefused> {
        let allow = allow
            .iter()
            .map(|(network, port, host)| Allowance {
                network: network.parse().unwrap(),
                port: *port,
                host: host.map(str::to_owned),
            })
            .collect();
        parse(uri, &AddressPolicy::new(allow, vec![]), &[])
    }

    #[test]
    fn a_target_is_what_the_url_standard_makes_of_the_text() {
        let target =
            strict("HTTPS://Hooks.Exämple.ORG.:8443/a/../b c?x='1'#part".replace(' ', "%20").as_str());
        assert_eq!(
            target,
            Ok(Target {
                tls: true,
                host: "hooks.xn--exmple-cua.org".to_owned(),
                port: 8443,
                path: "/b%20c?x=%271%27".to_owned(),
            })
        );
        assert_eq!(strict("https://example.org").unwrap().path, "/");
    }

    #[test]
    fn row_n01_plain_http_is_refused_unless_the_operator_allows_the_target() {
        assert_eq!(strict("http://example.org/hook"), Err(UriRefused::Scheme));
        assert_eq!(strict("http://127.0.0.1:9000/"), Err(UriRefused::Scheme));
        let loopback = [("127.0.0.0/8", None, None)];
        assert!(with(&loopback, "http://127.0.0.1:9000/").is_ok());
        assert!(with(&loopback, "http://localhost:9000/").is_ok());
        assert_eq!(with(&loopback, "http://8.8.8.8/"), Err(UriRefused::Scheme));
    }

    #[test]
    fn row_n02_a_literal_private_address_is_refused_however_it_is_written() {
        for uri in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://①②⑦.⓪.⓪.①/",
            "https://127。0。0。1/",
            "https://%31%32%37.0.0.1/",
            "https://127.0.0.1./",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://localhost/",
            "https://localhost./",
        ] {
            assert_eq!(strict(uri), Err(UriRefused::Address), "{uri}");
        }
    }

    #[test]
    fn a_port_that_webhooks_do_not_use_needs_the_operator() {
        for port in [0, 22, 80, 3306, 6379, 65535] {
            assert_eq!(strict(&format!("https://example.org:{port}/")), Err(UriRefused::Port(port)));
        }
        assert!(strict("https://example.org:443/").is_ok());
        assert!(strict("https://example.org:8443/").is_ok());
        let intranet = [("10.0.0.0/8", Some(9443), None)];
        assert!(with(&intranet, "https://hooks.example.org:9443/").is_ok());
        assert_eq!(with(&intranet, "https://hooks.example.org:9444/"), Err(UriRefused::Port(9444)));
    }

    #[test]
    fn a_user_name_is_refused_even_an_empty_one() {
        for uri in [
            "https://u:p@example.org/",
            "https://u@example.org/",
            "https://@example.org/",
            "https://:@example.org",
        ] {
            assert_eq!(strict(uri), Err(UriRefused::UserInfo), "{uri}");
        }
        assert!(strict("https://example.org/@/?a@b#@").is_ok());
    }

    #[test]
    fn what_the_parser_would_repair_is_refused() {
        for uri in [
            "",
            "https",
            "https:example.org",
            "https:/example.org",
            "https:///example.org",
            "https://?x",
            "https:\\\\example.org",
            "https://example.org\\@evil.example.net",
            " https://example.org",
            "https://exa\tmple.org",
            "https://example.org/\r\nX: y",
            "https://example.org/\u{0}",
            "https://a..example.org",
            "https://*.example.org",
            "https://1.2.3.4.5/",
            "https://foo.0x1/",
            "https://[fe80::1%25eth0]/",
            "https://example.org:99999/",
            "https://exa mple.org",
            "https://a\u{202e}b.org/",
        ] {
            assert!(matches!(strict(uri), Err(UriRefused::Malformed(_))), "{uri:?}: {:?}", strict(uri));
        }
        for uri in
            ["ftp://example.org", "file:///etc/passwd", "gopher://example.org:70/_", "javascript:alert(1)"]
        {
            assert_eq!(strict(uri), Err(UriRefused::Scheme), "{uri}");
        }
    }

    #[test]
    fn a_uri_may_have_2048_bytes() {
        let of = |length: usize| format!("https://example.org/{}", "x".repeat(length - 20));
        assert!(strict(&of(2_048)).is_ok());
        assert_eq!(strict(&of(2_049)), Err(UriRefused::TooLong));
    }

    #[test]
    fn names_of_local_networks_are_refused_unless_the_operator_gives_them() {
        for host in [
            "receiver",
            "printer.local",
            "x.localhost",
            "metadata.google.internal",
            "kubernetes.default.svc",
            "com",
            "router.lan",
            "x.home.arpa",
            "hidden.onion",
        ] {
            assert_eq!(strict(&format!("https://{host}/")), Err(UriRefused::Address), "{host}");
        }
        assert!(strict("https://notlocal.org/").is_ok());
        let compose = [("172.16.0.0/12", None, Some("receiver"))];
        assert!(with(&compose, "http://receiver:8080/hook").is_ok());
        assert_eq!(with(&compose, "https://other/"), Err(UriRefused::Address));
    }

    #[test]
    fn localhost_leads_to_the_loopback_addresses_that_are_allowed_and_to_no_other() {
        let policy = AddressPolicy::new(
            vec![Allowance { network: "127.0.0.0/8".parse().unwrap(), port: Some(9000), host: None }],
            vec![],
        );
        let target = parse("http://localhost:9000/", &policy, &[]).unwrap();
        assert_eq!(loopbacks(&target, &policy, &[]), [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(parse("http://localhost:9001/", &policy, &[]), Err(UriRefused::Scheme));
    }
}
