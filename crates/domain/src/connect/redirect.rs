//! Which redirect URIs an application may register.
//!
//! | kind | form |
//! | --- | --- |
//! | web | `https://host…` |
//! | on the owner's own machine | `http://localhost…`, `http://127.0.0.1…`, `http://[::1]…`, with any port |
//! | mobile | `sc<client id>://…` |
//!
//! None has a user, a fragment, or anything that readers of URLs disagree about. Nor has one a parameter of the names that
//! results have: the application could not tell its own from what it is told.

use std::net::{Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use super::{form, outcome::NAMES};

/// Hosts that are the owner's own machine.
pub(super) const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// Bytes of the longest one.
const MOST_BYTES: usize = 2_048;
/// Bytes of the longest host, and of each of its parts.
const MOST_HOST: usize = 253;
const MOST_LABEL: usize = 63;
/// Characters of a UUID in its usual form.
const UUID: usize = 36;

/// Whether a redirect URI may be registered.
pub fn may_be_registered(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = host_and_port(authority);
    let fits = match scheme {
        "https" => true,
        "http" => LOOPBACK.contains(&host),
        mobile => mobile.strip_prefix("sc").is_some_and(is_client_id),
    };
    fits && uri.len() <= MOST_BYTES
        && uri.chars().all(is_plain)
        && is_host(host)
        && port.is_none_or(is_port)
        && has_a_query_of_its_own(uri)
}

/// A character that every reader of URLs takes as it is.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '#' | '\\' | '"' | '<' | '>' | '`' | '{' | '}' | '|' | '^')
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    // The colons of an address in brackets are its own.
    let host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[host..].find(':') {
        Some(colon) => (&authority[..host + colon], Some(&authority[host + colon + 1..])),
        None => (authority, None),
    }
}

/// A port that a connection can be made to.
pub(super) fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && !text.starts_with('0') && text.parse::<u16>().is_ok()
}

/// A name or an address that is somewhere.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
        return address.is_some_and(|address| !address.is_unspecified());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| (1..=MOST_LABEL).contains(&label.len()) && label.chars().all(of_name);
    let is_name = host.len() <= MOST_HOST && name.split('.').all(is_label);
    match name.rsplit('.').next() {
        // Readers of URLs take a name that ends in a number for an address, whatever it looks like before that.
        Some(last) if is_number(last) => {
            host.parse::<Ipv4Addr>().is_ok_and(|address| !address.is_unspecified())
        }
        _ => is_name,
    }
}

fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn is_client_id(text: &str) -> bool {
    text.len() == UUID && Uuid::try_parse(text).is_ok()
}

fn has_a_query_of_its_own(uri: &str) -> bool {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    form::read(query).is_ok_and(|pairs| pairs.iter().all(|(name, _)| !NAMES.contains(&name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_by_plain_http_is_refused_but_for_the_owners_own_machine() {
        for uri in [
            "https://example.com",
            "https://example.com:8443/back?a=b",
            "http://localhost",
            "http://localhost/back",
            "http://localhost:3000/back",
            "http://127.0.0.1:3000/back",
            "http://[::1]:3000/back",
            "http://localhost:65535?a",
            "https://xn--exmple-cua.com./back?a=%2F&b",
            "https://192.0.2.1:8443/back",
            "https://[2001:db8::1]:8443/back",
            "https://[2001:db8::1]",
            "https://my_app.example.com/back/a:b@c;d=(e)",
            "sc0190a8c8-0000-7000-8000-000000000000://back",
            "sc0190A8C8-0000-7000-8000-000000000000://back/here?a=b",
        ] {
            assert!(may_be_registered(uri), "{uri}");
        }
        for uri in [
            "http://example.com/back",
            "http://localhost.example.com/back",
            "http://localhost:80@example.com/back",
            "http://localhost:@example.com/back",
            "http://localhost:port/back",
            "http://localhostile/",
            "http://127.0.0.1.example.com/",
            "HTTP://localhost/",
            "https://",
            "https:///back",
            "https://a@example.com/",
            "https://example.com/#part",
            "https://example.com\\@evil.example/",
            "https://example.com/a b",
            "https://exämple.com/",
            "javascript://example.com/%0aalert(1)",
            "script://back",
            "sc://back",
            "ftp://example.com/",
            "/back",
            "",
        ] {
            assert!(!may_be_registered(uri), "{uri}");
        }
        assert!(!may_be_registered(&format!("https://example.com/{}", "a".repeat(2_048))));
    }

    #[test]
    fn a_redirect_uri_that_leads_nowhere_is_refused() {
        for uri in [
            "https://:80/x",
            "https://.",
            "https://..",
            "https://a..example/",
            "https://.example.com/",
            "https://[::1",
            "https://::1/",
            "https://[::1]x/",
            "https://[::1]:/",
            "https://[::g]/",
            "https://[]/",
            "https://[::]/",
            "https://0.0.0.0/",
            "https://1.2.3.256/",
            "https://example.1/",
            "https://0x7f.1/",
            "https://127.1/",
            "https://01.2.3.4/",
            "https://ex%41mple.com/",
            "https://exa!mple.com/",
            "https://example.com:/",
            "https://example.com:0/",
            "https://example.com:99999/",
            "https://example.com:+80/",
            "https://example.com:080/",
            "https://example.com:80:80/",
            "http://localhost:0/x",
            "http://localhost.:80/x",
            "http://[::1/x",
            "sc0190a8c8-0000-7000-8000-000000000000://",
            "sc0190a8c8-0000-7000-8000-000000000000:///back",
        ] {
            assert!(!may_be_registered(uri), "{uri}");
        }
        assert!(!may_be_registered(&format!("https://{}.example/", "a".repeat(64))));
        assert!(!may_be_registered(&format!("https://{}example/", "a.".repeat(130))));
    }

    #[test]
    fn a_redirect_uri_with_a_character_that_has_to_be_escaped_is_refused() {
        for character in "\"<>`{}|^ \\#\t\u{7f}".chars() {
            for uri in
                [format!("https://example.com/a{character}b"), format!("https://example.com/?a={character}b")]
            {
                assert!(!may_be_registered(&uri), "{uri}");
            }
        }
    }

    #[test]
    fn the_scheme_of_a_mobile_application_is_its_id_in_the_usual_form() {
        for id in [
            "------------------------------------",
            "0190a8c800007000800000000000000000-0",
            "0190a8c8-0000-7000-8000-00000000000g",
            "0190a8c8-0000-7000-80000-00000000000",
            "0190a8c8000070008000000000000000",
            "{0190a8c8-0000-7000-8000-000000000000}",
        ] {
            assert!(!may_be_registered(&format!("sc{id}://back")), "{id}");
        }
    }

    #[test]
    fn a_redirect_uri_has_no_parameter_that_results_have() {
        for name in NAMES {
            for query in [
                format!("{name}=x"),
                format!("a=b&{name}"),
                format!("%{:02x}{}=", name.as_bytes()[0], &name[1..]),
            ] {
                assert!(!may_be_registered(&format!("https://example.com/back?{query}")), "{query}");
            }
        }
        assert!(!may_be_registered("https://example.com/back?a=%zz"), "nobody knows what that is");
        assert!(may_be_registered("https://example.com/back?Code=1&my_state=2&a=code"));
    }
}
