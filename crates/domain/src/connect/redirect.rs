//! Which redirect URIs an application may register.
//!
//! | kind | form |
//! | --- | --- |
//! | web | `https://host…` |
//! | on the owner's own machine | `http://localhost…`, `http://127.0.0.1…`, `http://[::1]…`, with any port |
//! | mobile | `sc<client id>://…` |
//!
//! None has a user, a fragment, or anything that readers of URLs disagree about.

/// Hosts that are the owner's own machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// Bytes of the longest one.
const MOST_BYTES: usize = 2_048;

/// Whether a redirect URI may be registered.
pub fn may_be_registered(uri: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '\\');
    let Some((scheme, rest)) = uri.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let fits = match scheme {
        "https" => true,
        "http" => is_loopback(authority),
        mobile => mobile.strip_prefix("sc").is_some_and(is_client_id),
    };
    fits && uri.len() <= MOST_BYTES
        && uri.chars().all(plain)
        && !authority.is_empty()
        && !authority.contains('@')
}

fn is_loopback(authority: &str) -> bool {
    LOOPBACK.iter().any(|host| {
        authority.strip_prefix(host).is_some_and(|port| {
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

fn is_client_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
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
            "sc0190a8c8-0000-7000-8000-000000000000://back",
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
}
