//! Why no answer came back from a callback URI.

use std::fmt;

/// Why an attempt brought no answer. The discriminant is stored and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Failure {
    /// A reason that only a newer program can name.
    Other = 0,
    /// The whole time of the attempt passed.
    TimedOut = 1,
    /// DNS says that there is no such name, or that it has no address.
    DnsNotFound = 2,
    /// DNS did not say.
    DnsFailed = 3,
    /// The name leads to an address to which policy lets nothing be sent.
    Blocked = 4,
    /// The connection was refused.
    Refused = 5,
    /// There is no way to the address.
    Unreachable = 6,
    /// The connection did not come about in time.
    ConnectTimedOut = 7,
    /// The connection was reset after something had been sent.
    Reset = 8,
    /// The connection was closed before the answer was complete.
    ClosedEarly = 9,
    /// The certificate has expired, or is not valid yet.
    TlsCertificateExpired = 10,
    /// The certificate was not issued by an authority that we trust.
    TlsUnknownIssuer = 11,
    /// The certificate is for another name.
    TlsWrongName = 12,
    /// The certificate is unusable for another reason.
    TlsCertificate = 13,
    /// The receiver speaks no version or cipher of TLS that we accept.
    TlsProtocol = 14,
    /// The TLS handshake broke off.
    TlsHandshake = 15,
    /// What came back is not HTTP, is malformed, or has headers beyond our limits.
    Protocol = 16,
    /// The body is larger than any that may be sent; it never was.
    BodyTooLarge = 17,
    /// Our own fault, such as no free sockets; nothing was sent.
    Local = 18,
    /// What listens at the port does not speak TLS.
    TlsNotSpoken = 19,
    /// The receiver's own certificate is one of an authority.
    TlsAuthorityCertificate = 20,
    /// The certificate is of version 1.
    TlsCertificateVersion = 21,
    /// The certificate is for other purposes than those of a server.
    TlsCertificatePurpose = 22,
    /// The operator's outgoing proxy could not be reached.
    ProxyUnreachable = 23,
    /// The outgoing proxy wants other credentials.
    ProxyAuthentication = 24,
    /// The outgoing proxy does not allow the connection.
    ProxyRefused = 25,
    /// The outgoing proxy could not connect to the receiver.
    ProxyFailed = 26,
}

impl Failure {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Other,
        Self::TimedOut,
        Self::DnsNotFound,
        Self::DnsFailed,
        Self::Blocked,
        Self::Refused,
        Self::Unreachable,
        Self::ConnectTimedOut,
        Self::Reset,
        Self::ClosedEarly,
        Self::TlsCertificateExpired,
        Self::TlsUnknownIssuer,
        Self::TlsWrongName,
        Self::TlsCertificate,
        Self::TlsProtocol,
        Self::TlsHandshake,
        Self::Protocol,
        Self::BodyTooLarge,
        Self::Local,
        Self::TlsNotSpoken,
        Self::TlsAuthorityCertificate,
        Self::TlsCertificateVersion,
        Self::TlsCertificatePurpose,
        Self::ProxyUnreachable,
        Self::ProxyAuthentication,
        Self::ProxyRefused,
        Self::ProxyFailed,
    ];

    /// The stored number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// From the stored number; [`Failure::Other`] for one of a newer program.
    pub fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Other)
    }

    /// The word of API and metrics; it never changes.
    pub const fn as_str(self) -> &'static str {
        self.texts().0
    }

    /// A sentence for operators.
    pub const fn sentence(self) -> &'static str {
        self.texts().1
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Other => ("other", "The attempt failed for a reason that this version cannot name."),
            Self::TimedOut => {
                ("timed_out", "No complete answer came in time; the receiver may have got the request.")
            }
            Self::DnsNotFound => ("dns_not_found", "The host name of the callback URI does not exist."),
            Self::DnsFailed => ("dns_failed", "The host name of the callback URI could not be looked up."),
            Self::Blocked => ("blocked", "The host name leads to an address to which nothing may be sent."),
            Self::Refused => ("refused", "The receiver refused the connection."),
            Self::Unreachable => ("unreachable", "There is no route to the receiver's address."),
            Self::ConnectTimedOut => {
                ("connect_timed_out", "The receiver did not accept a connection in time.")
            }
            Self::Reset => (
                "reset",
                "The connection was reset after data had been sent; the receiver may have got the request.",
            ),
            Self::ClosedEarly => (
                "closed_early",
                "The connection was closed before the answer was complete; the receiver may have got the request.",
            ),
            Self::TlsCertificateExpired => {
                ("tls_certificate_expired", "The receiver's TLS certificate has expired or is not valid yet.")
            }
            Self::TlsUnknownIssuer => (
                "tls_unknown_issuer",
                "The receiver's TLS certificate is self-signed or comes from an authority that is not trusted.",
            ),
            Self::TlsWrongName => {
                ("tls_wrong_name", "The receiver's TLS certificate is for another host name.")
            }
            Self::TlsCertificate => ("tls_certificate", "The receiver's TLS certificate is not usable."),
            Self::TlsProtocol => {
                ("tls_protocol", "The receiver offers neither TLS 1.2 nor 1.3 with a cipher in use today.")
            }
            Self::TlsHandshake => ("tls_handshake", "The TLS handshake with the receiver broke off."),
            Self::Protocol => {
                ("protocol", "The receiver answered with something that is not proper HTTP, or far too long.")
            }
            Self::BodyTooLarge => (
                "body_too_large",
                "The event is larger than the 50 KB that a webhook may carry; it was not sent.",
            ),
            Self::Local => (
                "local",
                "This server could not open a connection through a fault of its own; nothing was sent.",
            ),
            Self::TlsNotSpoken => {
                ("tls_not_spoken", "What listens at the port of the callback URI does not speak TLS.")
            }
            Self::TlsAuthorityCertificate => (
                "tls_authority_certificate",
                "The receiver's TLS certificate is marked as one of a certificate authority (CA:TRUE).",
            ),
            Self::TlsCertificateVersion => (
                "tls_certificate_version",
                "The receiver's TLS certificate is of version 1, which cannot name its host.",
            ),
            Self::TlsCertificatePurpose => {
                ("tls_certificate_purpose", "The receiver's TLS certificate was not issued for servers.")
            }
            Self::ProxyUnreachable => (
                "proxy_unreachable",
                "The outgoing proxy of this server could not be reached; nothing was sent.",
            ),
            Self::ProxyAuthentication => (
                "proxy_authentication",
                "The outgoing proxy of this server does not accept its user and password (407); nothing was sent.",
            ),
            Self::ProxyRefused => (
                "proxy_refused",
                "The outgoing proxy of this server does not allow connections to the receiver; nothing was sent.",
            ),
            Self::ProxyFailed => (
                "proxy_failed",
                "The outgoing proxy of this server could not connect to the receiver; nothing was sent.",
            ),
        }
    }

    /// What an operator should look at first, where the reason alone does not say it.
    pub const fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::TimedOut => {
                "Answer first and work afterwards: a receiver has 15 seconds for its whole answer."
            }
            Self::DnsNotFound => "Check the spelling of the callback URI and the domain's DNS records.",
            Self::Blocked => {
                "Use a publicly reachable address, or have the operator permit this private target in egress.allow."
            }
            Self::Refused => "Check that the receiver runs and listens on the port of the callback URI.",
            Self::Unreachable | Self::ConnectTimedOut => {
                "A firewall in front of the receiver is the usual cause; every address of its name must accept connections."
            }
            Self::TlsCertificateExpired => "Renew the certificate.",
            Self::DnsFailed => {
                "The name servers of the domain, or those that this server asks, did not answer; that often passes."
            }
            Self::TlsUnknownIssuer => {
                "A missing intermediate certificate is the usual cause: serve the whole chain. A certificate of your \
                 own, or its authority, has to be in the operator's egress.ca_file."
            }
            Self::TlsWrongName => {
                "Use the host name that the certificate was issued for; it has to be in subjectAltName."
            }
            Self::TlsNotSpoken => {
                "Check the port of the callback URI; a receiver that serves plain HTTP needs a TLS proxy before it."
            }
            Self::TlsAuthorityCertificate => {
                "`openssl req -x509` makes such certificates. Issue one with CA:FALSE, or have the operator add exactly \
                 this certificate to egress.ca_file."
            }
            Self::TlsCertificateVersion => {
                "Issue a certificate of version 3 with its host in subjectAltName. One of version 1 is only taken over \
                 TLS 1.3, if the operator adds exactly this certificate to egress.ca_file."
            }
            Self::TlsCertificatePurpose => "Issue it with extendedKeyUsage serverAuth.",
            Self::ProxyUnreachable | Self::ProxyAuthentication => {
                "Check egress.proxy in the server's configuration."
            }
            Self::ProxyRefused => {
                "Have the proxy allow CONNECT to this host and port, or name the host in egress.no_proxy."
            }
            Self::ProxyFailed => "Check whether the receiver can be reached from where the proxy is.",
            Self::TlsProtocol => "Enable TLS 1.2 or 1.3 at the receiver.",
            Self::Protocol => {
                "Check that the port of the callback URI speaks HTTP/1.1; one that speaks TLS needs https://."
            }
            Self::BodyTooLarge => {
                "Choose fewer endpoints or fewer vehicles per request; of a unified webhook, fewer signals and triggers."
            }
            Self::Local => "Look at this server's limits on open files and ports, and at its log.",
            Self::Other | Self::Reset | Self::ClosedEarly | Self::TlsCertificate | Self::TlsHandshake => {
                return None;
            }
        })
    }
}

/// The word.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn stored_numbers_and_words_never_change() {
        let all: Vec<_> =
            Failure::ALL.iter().map(|failure| format!("{} {failure}", failure.number())).collect();
        expect_test::expect![[r#"
            0 other
            1 timed_out
            2 dns_not_found
            3 dns_failed
            4 blocked
            5 refused
            6 unreachable
            7 connect_timed_out
            8 reset
            9 closed_early
            10 tls_certificate_expired
            11 tls_unknown_issuer
            12 tls_wrong_name
            13 tls_certificate
            14 tls_protocol
            15 tls_handshake
            16 protocol
            17 body_too_large
            18 local
            19 tls_not_spoken
            20 tls_authority_certificate
            21 tls_certificate_version
            22 tls_certificate_purpose
            23 proxy_unreachable
            24 proxy_authentication
            25 proxy_refused
            26 proxy_failed"#]]
        .assert_eq(&all.join("\n"));
    }

    #[test]
    fn a_stored_number_leads_back_to_its_failure() {
        for &failure in Failure::ALL {
            assert_eq!(Failure::from_number(failure.number()), failure);
        }
        assert_eq!(Failure::from_number(200), Failure::Other);
    }

    #[test]
    fn every_failure_has_a_sentence_of_its_own() {
        let sentences: HashSet<_> = Failure::ALL.iter().map(|failure| failure.sentence()).collect();
        assert_eq!(sentences.len(), Failure::ALL.len());
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
    }
}
