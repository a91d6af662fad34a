//! The operator's outgoing proxy: HTTP CONNECT, with the address policy kept.
//!
//! A proxy is told an address that was resolved and judged here, never a name, so it dials what was judged; TLS is spoken with
//! the receiver through the tunnel, under the original name. Where only the proxy can resolve names, the operator may have it do
//! so: then the policy sees names only, and what they lead to is for the proxy to judge.
//!
//! The proxy's own address comes from the configuration and is not judged. Variables of the environment such as
//! `https_proxy` are not looked at.

use std::{fmt, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::delivery::Failure;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    answer::{AnswerReader, Progress},
    connection::Stream,
};

/// Bytes that are read of the proxy's answer at a time.
const READ: usize = 1_024;

/// An outgoing proxy, and what does not go through it.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Zeroizing<String>>,
    bypass: Vec<Bypass>,
    /// Names are resolved by the proxy, unjudged.
    pub(crate) resolves_names: bool,
}

/// Why an outgoing proxy cannot be used as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyRefused {
    /// The address of the proxy. It is not repeated, since it may hold a password.
    #[error(
        "egress.proxy must look like http://proxy.example:3128 or http://user:password@proxy.example:3128"
    )]
    Address,
    /// An entry of the list of what does not go through it.
    #[error("egress.no_proxy: {0:?} is neither a host name, nor an address, nor a network like 10.0.0.0/8")]
    Bypass(String),
}

/// A target that is dialled directly.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bypass {
    All,
    /// This host, and all below it.
    Host(String),
    Network(IpNet),
}

impl Proxy {
    /// From the operator's settings.
    ///
    /// # Errors
    ///
    /// When the address or one of the exceptions cannot be read.
    pub fn parse(address: &str, no_proxy: &[String], resolves_names: bool) -> Result<Self, ProxyRefused> {
        let url = Url::parse(address).map_err(|_| ProxyRefused::Address)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyRefused::Address)?;
        if url.scheme() != "http" || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(ProxyRefused::Address);
        }
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let (user, password) = (decoded(user), decoded(password.unwrap_or_default()));
                let pair = Zeroizing::new([&user[..], b":", &password].concat());
                Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair))))
            }
        };
        Ok(Self {
            host: host.to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
            authorization,
            bypass: no_proxy.iter().map(|text| bypass(text)).collect::<Result<_, _>>()?,
            resolves_names,
        })
    }

    /// Whether this host is dialled directly, as far as its name says.
    pub(crate) fn is_bypassed_by(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => self.is_bypassed_to(&[address]),
            Err(_) => self.bypass.iter().any(|bypass| match bypass {
                Bypass::All => true,
                Bypass::Host(known) => bare
                    .strip_suffix(known.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                Bypass::Network(_) => false,
            }),
        }
    }

    /// Whether all these addresses are dialled directly.
    pub(crate) fn is_bypassed_to(&self, addresses: &[IpAddr]) -> bool {
        let covers = |address: &IpAddr| {
            self.bypass.iter().any(|bypass| match bypass {
                Bypass::All => true,
                Bypass::Network(network) => network.contains(address),
                Bypass::Host(_) => false,
            })
        };
        !addresses.is_empty() && addresses.iter().all(covers)
    }

    /// Has the proxy connect to an authority (`192.0.2.1:443`) on a connection to it.
    pub(crate) async fn tunnel(
        &self,
        mut stream: Box<dyn Stream>,
        authority: &str,
    ) -> Result<Box<dyn Stream>, Failure> {
        let mut request = Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"));
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|_| Failure::ProxyFailed)?;
        stream.flush().await.map_err(|_| Failure::ProxyFailed)?;
        match status(&mut stream).await? {
            200..=299 => Ok(stream),
            407 => Err(Failure::ProxyAuthentication),
            500..=599 => Err(Failure::ProxyFailed),
            _ => Err(Failure::ProxyRefused),
        }
    }
}

/// Reads the head of the proxy's answer. What follows it belongs to the receiver, which never speaks first.
async fn status(stream: &mut Box<dyn Stream>) -> Result<u16, Failure> {
    let mut reader = AnswerReader::new(1);
    let mut bytes = [0; READ];
    loop {
        let read = stream.read(&mut bytes).await.map_err(|_| Failure::ProxyFailed)?;
        if read == 0 || reader.take(&bytes[..read]) == Progress::Malformed {
            return Err(Failure::ProxyFailed);
        }
        match reader.status() {
            Some(200..=299) if reader.has_more_than_a_head() => return Err(Failure::ProxyFailed),
            Some(status) => return Ok(status),
            None => {}
        }
    }
}

fn bypass(text: &str) -> Result<Bypass, ProxyRefused> {
    let refused = || ProxyRefused::Bypass(text.to_owned());
    if text == "*" {
        return Ok(Bypass::All);
    }
    if let Ok(network) = text.parse::<IpNet>() {
        return Ok(Bypass::Network(network));
    }
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(Bypass::Network(address.into()));
    }
    let name = text.strip_prefix("*.").or(text.strip_prefix('.')).unwrap_or(text).to_ascii_lowercase();
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if is_name { Ok(Bypass::Host(name)) } else { Err(refused()) }
}

/// Without the percent encoding of URLs.
fn decoded(text: &str) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                out.push(value);
                rest = &after[2..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Result<Proxy, ProxyRefused> {
        Proxy::parse(address, &[], false)
    }

    #[test]
    fn a_proxy_is_an_http_url_with_a_host_and_perhaps_a_user() {
        let proxy = parse("http://us%40er:p%3Aw@Proxy.example:3128").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        assert_eq!(proxy.authorization.unwrap().as_str(), format!("Basic {}", STANDARD.encode("us@er:p:w")));
        assert!(parse("http://10.0.0.1:8080/").unwrap().authorization.is_none());
        assert_eq!(parse("http://[::1]").unwrap().port, 80);
        for bad in
            ["", "proxy:3128", "proxy", "https://proxy", "socks5://proxy:1080", "http://", "http://p/x"]
        {
            assert!(matches!(parse(bad), Err(ProxyRefused::Address)), "{bad}");
        }
    }

    #[test]
    fn errors_and_debug_text_hold_no_password() {
        let error = parse("https://user:secret@proxy").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        let proxy = parse("http://user:secret@proxy").unwrap();
        assert!(!format!("{proxy:?}").contains("secret") && !format!("{proxy:?}").contains("Basic"));
    }

    #[test]
    fn exceptions_are_hosts_with_all_below_them_addresses_and_networks() {
        let list =
            ["intranet.example", ".lan", "*.corp", "10.0.0.0/8", "192.0.2.7", "fd00::/8"].map(str::to_owned);
        let proxy = Proxy::parse("http://p", &list, false).unwrap();
        for (host, direct) in [
            ("intranet.example", true),
            ("a.intranet.example", true),
            ("notintranet.example", false),
            ("printer.lan", true),
            ("x.corp", true),
            ("example.org", false),
            ("10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("[fd00::1]", true),
        ] {
            assert_eq!(proxy.is_bypassed_by(host), direct, "{host}");
        }
        let to = |addresses: &[&str]| {
            proxy.is_bypassed_to(&addresses.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>())
        };
        assert!(to(&["10.0.0.1", "192.0.2.7"]) && !to(&["10.0.0.1", "192.0.2.8"]) && !to(&[]));
        let all = Proxy::parse("http://p", &["*".to_owned()], false).unwrap();
        assert!(all.is_bypassed_by("example.org"));
        let bad = Proxy::parse("http://p", &["a b".to_owned()], false);
        assert!(matches!(bad, Err(ProxyRefused::Bypass(text)) if text == "a b"));
    }
}
