//! Which certificates are trusted.
//!
//! The rules of the public web hold: an authority that the system or the operator trusts has issued the certificate, for this
//! host name, for servers, and it is valid now. Receivers inside a company often have a certificate that one command has made
//! and that is its own issuer (`openssl req -x509`): marked as an authority, of version 1, or with its host as the common name
//! only. By those rules it can never be used.
//!
//! So a certificate that stands itself in the operator's file is trusted as it is: the very bytes are pinned, and nothing that it
//! might have issued as a leaf gains by that. What is still checked is what protects the operator from a mix-up: the time,
//! and the host. The host stands in subjectAltName, or, where there is none, in the common name.

use std::{fmt, sync::Arc};

use domain::delivery::Failure;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
        verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
};

use crate::{EgressError, certificate::Certificate, tls};

/// Verifies the certificates of receivers.
pub(crate) struct Trust {
    /// By the rules of the public web; nothing when no authority is known at all.
    by_authority: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a certificate is not taken, where the TLS library has no word of its own for it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) Failure);

impl Trust {
    /// Trusts the authorities of the system, and these certificates: as authorities, and each for itself.
    pub(crate) fn new(
        extra: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, EgressError> {
        let roots = roots(&extra)?;
        let by_authority = if roots.is_empty() {
            tracing::warn!("no root certificates were found: no receiver will be trusted");
            None
        } else {
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            Some(builder.build().map_err(|error| Error::General(error.to_string()))?)
        };
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { by_authority, pinned: extra, algorithms })
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        self.pinned.iter().any(|pinned| pinned.as_ref() == certificate.as_ref())
    }
}

fn roots(extra: &[CertificateDer<'static>]) -> Result<RootCertStore, EgressError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in native.errors {
        tracing::warn!(%error, "some of the system's root certificates cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    for root in extra.iter().filter(|root| may_issue(root)) {
        roots.add(root.clone()).map_err(EgressError::Root)?;
    }
    Ok(roots)
}

/// Whether a certificate may be an authority: it says so, or is of a version that cannot say it. What cannot be read goes to
/// the library, which names the fault.
fn may_issue(certificate: &CertificateDer<'_>) -> bool {
    Certificate::read(certificate.as_ref())
        .is_none_or(|certificate| certificate.is_authority || certificate.version < 3)
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_authority = match &self.by_authority {
            Some(verifier) => {
                verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let Err(error) = by_authority else { return by_authority };
        let certificate = Certificate::read(end_entity.as_ref());
        let failure = match certificate {
            Some(certificate) if self.is_pinned(end_entity) => match certificate.check(server_name, now) {
                Ok(()) => return Ok(ServerCertVerified::assertion()),
                Err(failure) => failure,
            },
            Some(certificate) => more_exact(&certificate, &error),
            None => return Err(error),
        };
        Err(CertificateError::Other(OtherError(Arc::new(Refusal(failure)))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // The library reads no certificate of version 1; the key in one that is pinned is a key like any other.
        match Certificate::read(certificate.as_ref()) {
            Some(old) if old.version < 3 && self.is_pinned(certificate) => {
                let key = SubjectPublicKeyInfoDer::from(old.public_key);
                verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
            }
            _ => verify_tls13_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("pinned", &self.pinned.len()).finish_non_exhaustive()
    }
}

/// Why the rules of the public web refuse a certificate, where the library only says that they do.
fn more_exact(certificate: &Certificate<'_>, error: &Error) -> Failure {
    let Error::InvalidCertificate(reason) = error else { return Failure::TlsCertificate };
    match tls::certificate_failure(reason) {
        Failure::TlsCertificate if certificate.version < 3 => Failure::TlsCertificateVersion,
        Failure::TlsCertificate if certificate.is_authority => Failure::TlsAuthorityCertificate,
        failure => failure,
    }
}
