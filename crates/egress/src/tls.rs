//! TLS 1.2 and 1.3, with the trust of the system and of the operator.

use std::{io, sync::Arc};

use domain::delivery::Failure;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::EgressError;

pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities of the system and these.
    pub(crate) fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, EgressError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(extra_roots)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands under the host's own name, whatever address was dialled.
    pub(crate) async fn connect(&self, tcp: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, Failure> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Failure::TlsWrongName)?;
        self.0.connect(name, tcp).await.map_err(|error| failure(&error))
    }
}

fn roots(extra: Vec<CertificateDer<'static>>) -> Result<RootCertStore, EgressError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in native.errors {
        tracing::warn!(%error, "some of the system's root certificates cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    for root in extra {
        roots.add(root).map_err(EgressError::Root)?;
    }
    if roots.is_empty() {
        tracing::warn!("no root certificates were found: no receiver will be trusted");
    }
    Ok(roots)
}

/// What an error of the handshake, or of the encrypted stream, says about the receiver.
pub(crate) fn failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => tls_failure(error),
        None => Failure::TlsHandshake,
    }
}

fn tls_failure(error: &Error) -> Failure {
    match error {
        Error::InvalidCertificate(reason) => certificate_failure(reason),
        Error::NoCertificatesPresented => Failure::TlsCertificate,
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => Failure::TlsProtocol,
        _ => Failure::TlsHandshake,
    }
}

fn certificate_failure(reason: &CertificateError) -> Failure {
    match reason {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Failure::TlsCertificateExpired,
        // A wrong signature means that the issuer only has the name of one that we trust.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Failure::TlsUnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Failure::TlsWrongName
        }
        _ => Failure::TlsCertificate,
    }
}
