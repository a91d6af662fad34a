//! TLS 1.2 and 1.3, with the trust of the system and of the operator.

use std::{io, sync::Arc};

use domain::delivery::Failure;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage,
    pki_types::{CertificateDer, ServerName},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    EgressError,
    connection::Stream,
    trust::{Refusal, Trust},
};

pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities of the system, and these certificates: as authorities, and each for itself.
    pub(crate) fn new(extra: Vec<CertificateDer<'static>>) -> Result<Self, EgressError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trust = Trust::new(extra, &provider)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands under the host's own name, whatever address was dialled.
    pub(crate) async fn connect(
        &self,
        stream: Box<dyn Stream>,
        host: &str,
    ) -> Result<TlsStream<Box<dyn Stream>>, Failure> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Failure::TlsWrongName)?;
        self.0.connect(name, stream).await.map_err(|error| failure(&error))
    }
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
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Failure::TlsNotSpoken,
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => Failure::TlsProtocol,
        _ => Failure::TlsHandshake,
    }
}

pub(crate) fn certificate_failure(reason: &CertificateError) -> Failure {
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
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Failure::TlsCertificatePurpose
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<Refusal>() {
            Some(&Refusal(failure)) => failure,
            None => Failure::TlsCertificate,
        },
        _ => Failure::TlsCertificate,
    }
}
