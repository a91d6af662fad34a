//! TLS: whom egress trusts, and how it says that it does not.

use std::sync::Arc;

use domain::delivery::Failure;
use milepost_egress::{Egress, EgressConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use crate::scene::{
    NameServer, Receiver, loopback, open, post_until_deadline, read_request, read_to_end, status,
};

const HOST: &str = "hook.example.org";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn server(&self, params: &CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        server(vec![params.signed_by(&key, &self.0).unwrap().der().clone()], &key)
    }
}

fn server(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

fn named(host: &str) -> CertificateParams {
    CertificateParams::new([host.to_owned()]).unwrap()
}

async fn receiver(config: ServerConfig) -> Receiver {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Receiver::new(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let name = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
            while read_request(&mut stream).await.is_some() {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await
}

/// What `openssl x509 -req -signkey` makes of a request: version 1, with the host as its common name.
const OF_VERSION_1: &str = include_str!("certificates/version-1.pem");
/// What `openssl req -x509 -subj /CN=hook.example.org` makes: CA:TRUE, and no subjectAltName.
const SELF_SIGNED: &str = include_str!("certificates/self-signed.pem");
/// The key of both, made for this test.
const KEY: &str = include_str!("certificates/key.pem");

/// Egress that trusts this authority and finds [`HOST`] on loopback.
async fn trusting(authority: &Authority) -> Egress {
    having(vec![authority.0.der().clone()]).await
}

/// Egress with these certificates from the operator.
async fn having(extra_roots: Vec<CertificateDer<'static>>) -> Egress {
    let names = NameServer::with(HOST, &["127.0.0.1"]).await;
    Egress::new(EgressConfig { extra_roots, nameservers: Some(vec![names.address]), ..loopback() }).unwrap()
}

async fn status_of(egress: &Egress, receiver: &Receiver) -> Result<u16, Failure> {
    status(egress, &format!("https://{HOST}:{}/", receiver.address.port())).await
}

#[tokio::test]
async fn a_certificate_of_an_additional_authority_is_trusted_under_the_name_of_the_uri() {
    let authority = Authority::new();
    let egress = trusting(&authority).await;
    let receiver = receiver(authority.server(&named(HOST))).await;
    let uri = format!("https://{HOST}:{}/", receiver.address.port());
    for _ in 0..3 {
        assert_eq!(
            crate::scene::post(&egress, &uri).await.unwrap().body,
            HOST,
            "the name goes into the handshake"
        );
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn an_address_can_have_a_certificate_too() {
    let authority = Authority::new();
    let egress = trusting(&authority).await;
    let receiver = receiver(authority.server(&named("127.0.0.1"))).await;
    assert_eq!(status(&egress, &format!("https://{}/", receiver.address)).await, Ok(200));
}

#[tokio::test]
async fn row_n03_a_bad_certificate_is_a_failure_that_says_what_is_wrong() {
    let authority = Authority::new();
    let egress = trusting(&authority).await;
    let mut expired = named(HOST);
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let mut early = named(HOST);
    early.not_before = date_time_ymd(3000, 1, 1);
    early.not_after = date_time_ymd(3001, 1, 1);
    let key = KeyPair::generate().unwrap();
    let self_signed = server(vec![named(HOST).self_signed(&key).unwrap().der().clone()], &key);
    for (config, failure) in [
        (authority.server(&expired), Failure::TlsCertificateExpired),
        (authority.server(&early), Failure::TlsCertificateExpired),
        (authority.server(&named("other.example.org")), Failure::TlsWrongName),
        (authority.server(&named("*.hook.example.org")), Failure::TlsWrongName),
        (Authority::new().server(&named(HOST)), Failure::TlsUnknownIssuer),
        (self_signed, Failure::TlsUnknownIssuer),
    ] {
        let receiver = receiver(config).await;
        assert_eq!(status_of(&egress, &receiver).await, Err(failure));
    }
}

/// A receiver with this certificate alone, and with TLS from this version on.
async fn showing(
    pem: &str,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> (Receiver, CertificateDer<'static>) {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let resolver = Showing(
        CertifiedKey::new(
            vec![certificate.clone()],
            provider.key_provider.load_private_key(PrivateKeyDer::Pkcs8(key.serialize_der().into())).unwrap(),
        )
        .into(),
    );
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    (receiver(config).await, certificate)
}

/// Shows a certificate without looking at it.
#[derive(Debug)]
struct Showing(Arc<CertifiedKey>);

impl ResolvesServerCert for Showing {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn a_certificate_of_its_own_is_taken_if_the_operator_gives_that_very_one() {
    let key = KeyPair::from_pem(KEY).unwrap();
    let stranger = Authority::new();
    for (pem, unknown) in
        [(SELF_SIGNED, Failure::TlsAuthorityCertificate), (OF_VERSION_1, Failure::TlsCertificateVersion)]
    {
        let (receiver, certificate) = showing(pem, &key, rustls::ALL_VERSIONS).await;
        assert_eq!(status_of(&having(vec![certificate]).await, &receiver).await, Ok(200));
        assert_eq!(status_of(&trusting(&stranger).await, &receiver).await, Err(unknown));
    }
    let (receiver, certificate) = showing(SELF_SIGNED, &key, &[&rustls::version::TLS12]).await;
    assert_eq!(status_of(&having(vec![certificate]).await, &receiver).await, Ok(200));
}

#[tokio::test]
async fn a_certificate_of_its_own_is_still_for_one_host_and_for_its_time() {
    let key = KeyPair::generate().unwrap();
    let own = |adjust: &dyn Fn(&mut CertificateParams)| {
        let mut params = named(HOST);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        adjust(&mut params);
        params.self_signed(&key).unwrap()
    };
    let expired = own(&|params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let other = own(&|params| params.subject_alt_names = named("other.example.org").subject_alt_names);
    for (certificate, expected) in [
        (own(&|_| {}), Ok(200)),
        (expired, Err(Failure::TlsCertificateExpired)),
        (other, Err(Failure::TlsWrongName)),
    ] {
        let (receiver, certificate) = showing(&certificate.pem(), &key, rustls::ALL_VERSIONS).await;
        assert_eq!(status_of(&having(vec![certificate]).await, &receiver).await, expected);
    }
}

#[tokio::test]
async fn what_a_pinned_leaf_has_signed_is_not_trusted() {
    let key = KeyPair::generate().unwrap();
    let mut params = named("other.example.org");
    params.is_ca = IsCa::ExplicitNoCa;
    let issuer = rcgen::Issuer::new(params.clone(), &key);
    let pinned = params.self_signed(&key).unwrap().der().clone();
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = named(HOST).signed_by(&leaf_key, &issuer).unwrap();
    let (receiver, _) = showing(&leaf.pem(), &leaf_key, rustls::ALL_VERSIONS).await;
    let result = status_of(&having(vec![pinned]).await, &receiver).await;
    assert!(result.is_err(), "{result:?}");
}

#[tokio::test]
async fn row_r04_a_certificate_is_checked_even_where_the_operator_allows_the_target() {
    let receiver = receiver(Authority::new().server(&named("127.0.0.1"))).await;
    let result = status(&open(), &format!("https://{}/", receiver.address)).await;
    assert_eq!(result, Err(Failure::TlsUnknownIssuer));
}

#[tokio::test]
async fn row_n04_a_receiver_that_speaks_only_tls_1_1_is_a_failure() {
    let alert = [0x15, 3, 2, 0, 2, 2, 70];
    // A server hello of TLS 1.1: version, 32 random bytes, no session, AES 128 CBC, no compression.
    let hello = [&[0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    for answer in [&alert[..], &hello] {
        let receiver = after_client_hello(answer).await;
        let result = status(&open(), &format!("https://{}/", receiver.address)).await;
        assert_eq!(result, Err(Failure::TlsProtocol), "{answer:?}");
        assert_eq!(receiver.connections(), 1, "nobody tries again with less");
    }
}

#[tokio::test]
async fn fault_e5_weak_ciphers_are_told_apart_from_broken_handshakes() {
    let refused = after_client_hello(&[0x15, 3, 3, 0, 2, 2, 40]).await;
    assert_eq!(tls_status(&refused).await, Err(Failure::TlsProtocol));
    for plain in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.9\r\n", b"220 mail ESMTP\r\n"]
    {
        let receiver = after_client_hello(plain).await;
        assert_eq!(tls_status(&receiver).await, Err(Failure::TlsNotSpoken));
    }
    let closed = after_client_hello(b"").await;
    assert_eq!(tls_status(&closed).await, Err(Failure::TlsHandshake));
    let half_a_record = after_client_hello(&[0x16, 3, 3, 0, 90, 2, 0]).await;
    assert_eq!(tls_status(&half_a_record).await, Err(Failure::TlsHandshake));
}

#[tokio::test]
async fn fault_e5_a_stalled_handshake_ends_at_the_deadline() {
    let stalled = Receiver::new(|mut stream, _| async move { read_to_end(&mut stream).await }).await;
    let result = post_until_deadline(&open(), &format!("https://{}/", stalled.address)).await;
    assert_eq!(result.unwrap_err(), Failure::TimedOut);
}

#[tokio::test]
async fn fault_e5_a_huge_chain_of_certificates_breaks_the_handshake() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let leaf = named(HOST).signed_by(&key, &authority.0).unwrap().der().clone();
    let receiver = receiver(server(vec![leaf; 1_000], &key)).await;
    assert_eq!(status_of(&trusting(&authority).await, &receiver).await, Err(Failure::TlsHandshake));
}

#[tokio::test]
async fn fault_e5_a_receiver_that_offers_only_http_2_fails_the_handshake() {
    let authority = Authority::new();
    let mut config = authority.server(&named(HOST));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let receiver = receiver(config).await;
    assert_eq!(status_of(&trusting(&authority).await, &receiver).await, Err(Failure::TlsHandshake));
}

async fn tls_status(receiver: &Receiver) -> Result<u16, Failure> {
    status(&open(), &format!("https://{}/", receiver.address)).await
}

/// Reads the client's first flight, sends these bytes and closes.
async fn after_client_hello(answer: &[u8]) -> Receiver {
    let answer = answer.to_owned();
    Receiver::new(move |mut stream: TcpStream, _| {
        let answer = answer.clone();
        async move {
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            read_to_end(&mut stream).await;
        }
    })
    .await
}
