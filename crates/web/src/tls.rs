//! TLS of the listener: a certificate and its key, replaced while connections go on with the old ones.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// What the listener proves its name with. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

/// Why a certificate cannot be used. The texts say what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate in the file.
    #[error("the certificate file is not PEM with at least one CERTIFICATE; the server's own comes first")]
    Certificate,
    /// No key in the file.
    #[error("the key file is not PEM with a PRIVATE KEY")]
    Key,
    /// They do not fit.
    #[error("certificate and key cannot be used together: {0}")]
    Refused(#[from] rustls::Error),
}

impl Tls {
    /// From the text of a certificate chain and of its key.
    ///
    /// # Errors
    ///
    /// When they are not what they should be.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(config(chain, key)?)))))
    }

    /// Takes another certificate for connections to come.
    ///
    /// # Errors
    ///
    /// When it cannot be used; the old one stays.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        *self.0.write() = Arc::new(config(chain, key)?);
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.read().clone().into()
    }
}

fn config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::Certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
