//! TLS on the receiver's side, with whatever certificate a test wants to try.

use std::io;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate chain and its key, in PEM. Nothing about them is checked: expired and misnamed ones are what tests need.
#[derive(Clone)]
pub struct Tls {
    /// The chain, the receiver's own certificate first.
    pub certificates_pem: String,
    /// The key of that certificate.
    pub key_pem: String,
}

impl Tls {
    pub(crate) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let chain = CertificateDer::pem_slice_iter(self.certificates_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|cause| invalid(format!("certificates: {cause}")))?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|cause| invalid(format!("key: {cause}")))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|cause| invalid(cause.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|cause| invalid(cause.to_string()))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
