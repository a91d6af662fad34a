//! TLS: whom egress trusts, and how it says that it does not.

use std::sync::Arc;

use domain::delivery::Failure;
use milepost_egress::{Egress, EgressConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
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

/// Egress that trusts this authority and finds [`HOST`] on loopback.
async fn trusting(authority: &Authority) -> Egress {
    let names = NameServer::with(HOST, &["127.0.0.1"]).await;
    let extra_roots = vec![authority.0.der().clone()];
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
    let nonsense = after_client_hello(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(tls_status(&nonsense).await, Err(Failure::TlsHandshake));
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
