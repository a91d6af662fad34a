//! What the listener stands: TLS whose certificate is renewed, requests that are too large, clients that hold on to
//! connections, headers that anybody can write.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use common::{PATIENCE, Server, eventually, run};
use hyper::Method;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Writes a new certificate for localhost and its key; answers with the certificate.
fn certify(chain: &Path, key: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(chain, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A connection that trusts one certificate only.
async fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address(server)).await?;
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
}

fn address(server: &Server) -> SocketAddr {
    server.url.split_once("://").unwrap().1.parse().unwrap()
}

/// Sends a request and reads the head and the body of its answer, which has a length.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&answer).into_owned();
        }
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    answer.append(&mut body);
    String::from_utf8(answer).unwrap()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let first = certify(&chain, &key);
    let data = folder.path().join("data");
    let files = ["--tls-cert", chain.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = Server::serve_with(&data, &[], &files).await;
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let mut held = connect(&server, &first).await.unwrap();
    let answered = ask(&mut held, HEALTH).await.to_ascii_lowercase();
    assert!(answered.starts_with("http/1.1 200"), "{answered}");
    assert!(answered.contains("strict-transport-security: max-age=63072000"), "{answered}");

    let second = certify(&chain, &key);
    server.signal(Signal::HUP);
    assert!(eventually(PATIENCE, async || connect(&server, &second).await.is_ok()).await);
    assert!(connect(&server, &first).await.is_err(), "the old certificate is not shown any more");
    assert!(ask(&mut held, HEALTH).await.starts_with("HTTP/1.1 200"), "connections go on");

    std::fs::write(&key, "not a key").unwrap();
    server.signal(Signal::HUP);
    server.logged("the old one stays").await;
    assert!(connect(&server, &second).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_speaks_tls_and_trusts_a_certificate_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    certify(&chain, &key);
    let data = folder.path().join("data");
    let files = ["--tls-cert", chain.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = Server::serve_with(&data, &[], &files).await;
    let url = server.url.replace("127.0.0.1", "localhost");
    let list = ["app", "list", "--json", "--url", &url, "--data", data.to_str().unwrap()];
    let listed = run(&[&list[..], &["--ca-file", chain.to_str().unwrap()]].concat()).await;
    assert_eq!(listed.json()["items"], serde_json::json!([]));
    let stranger = run(&list).await;
    assert!(stranger.code == 1 && stranger.errors.contains("certificate"), "{stranger:?}");
    // A replay pushes over the same connection.
    let readings = folder.path().join("readings.jsonl");
    std::fs::write(&readings, r#"{"signal":"odometer-traveleddistance","value":1}"#).unwrap();
    let replay = ["replay", readings.to_str().unwrap(), "--vehicle", common::UNKNOWN, "--url", &url];
    let replay = [&replay[..], &["--token", "mpf_unknown"]].concat();
    let trusting = run(&[&replay[..], &["--ca-file", chain.to_str().unwrap()]].concat()).await;
    assert!(trusting.errors.contains("the server has no feed with this --token"), "{trusting:?}");
    let stranger = run(&replay).await;
    assert!(stranger.code == 1 && stranger.errors.contains("certificate"), "{stranger:?}");
    let plain = server.url.replace("https://", "http://");
    let plain = run(&["app", "list", "--url", &plain, "--data", data.to_str().unwrap()]).await;
    assert!(plain.code == 1 && plain.errors.contains("http or https"), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    certify(&chain, &key);
    let data = folder.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let alone = run(&[&serve[..], &["--tls-cert", chain.to_str().unwrap()]].concat()).await;
    assert_eq!(alone.code, 2, "{alone:?}");
    assert!(alone.errors.contains("--tls-key"), "{alone:?}");
    let files = ["--tls-cert", key.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let refused = run(&[&serve[..], &files].concat()).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.errors.contains("the certificate file is not PEM"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_g8_what_is_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let large = vec![b' '; 1_024 * 1_024 + 1];
    let refused = server.send(Method::POST, "/api/v1/applications", "application/json", large).await;
    assert_eq!(refused.status, 413, "{}", refused.text());
    for path in ["/vehicles", "/deliveries", "/applications"] {
        let refused = server.admin(Method::GET, &format!("{path}?limit=100000"), &Value::Null).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text());
    }
    let mut stream = TcpStream::connect(address(&server)).await.unwrap();
    let expecting = "POST /api/v1/applications HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2000000\r\n\r\n";
    let answered = ask(&mut stream, expecting).await;
    assert!(answered.starts_with("HTTP/1.1 413"), "{answered}");
    let many: String = (0..1_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "a".repeat(64 * 1_024));
    let above = format!("x-long: {}\r\n", "a".repeat(32 * 1_024));
    for headers in [many, long, above] {
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        // The server may have hung up before all of it is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let answered = answer(&mut stream).await;
        assert!(answered.starts_with("HTTP/1.1 431"), "{answered}");
    }
    assert_eq!(server.status("/healthz").await, 200);
    server.stop().await;
}

/// A connection from another address of this machine.
async fn connect_from(address: SocketAddr, last: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    socket.connect(address).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_g9_a_client_that_holds_on_to_connections_keeps_nobody_else_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let room = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(500);
    let mut held = Vec::new();
    for _ in 0..10_000.min(room) {
        held.push(connect_from(address(&server), 2).await.unwrap());
    }
    let mut other = connect_from(address(&server), 3).await.unwrap();
    let answered = tokio::time::timeout(PATIENCE, ask(&mut other, HEALTH)).await.expect("it is not kept out");
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    let mut open = 0;
    for stream in &mut held {
        // What was closed says so; what is open says nothing.
        let closed = tokio::time::timeout(Duration::from_millis(1), stream.read_u8()).await;
        open += usize::from(closed.is_err());
    }
    assert!((1..=1_024).contains(&open), "{open} connections of one client are open");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_g9_slow_requests_end_and_quick_ones_are_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("MILEPOST_SERVER_HEADER_S", "1"), ("MILEPOST_SERVER_REQUEST_S", "1")];
    let server = Server::serve(folder.path(), &settings).await;
    let address = address(&server);
    let mut headers = TcpStream::connect(address).await.unwrap();
    headers.write_all(b"GET /healthz HTTP/1.1\r\nhost: local").await.unwrap();
    let mut body = TcpStream::connect(address).await.unwrap();
    let begun = "POST /api/v1/applications HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{";
    let answered = tokio::time::timeout(PATIENCE, ask(&mut body, begun)).await.expect("it ends");
    assert!(answered.starts_with("HTTP/1.1 408"), "{answered}");
    let ended = tokio::time::timeout(PATIENCE, answer(&mut headers)).await.expect("it ends");
    assert!(ended.is_empty() || ended.starts_with("HTTP/1.1 408"), "{ended}");

    let mut pipelined = TcpStream::connect(address).await.unwrap();
    let paths = (0..100).map(|number| ["/healthz", "/nothing"][number % 2]);
    let requests: String =
        paths.map(|path| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).collect();
    pipelined.write_all(requests.as_bytes()).await.unwrap();
    for number in 0..100 {
        let expected = ["HTTP/1.1 200", "HTTP/1.1 404"][number % 2];
        let answered = answer(&mut pipelined).await;
        assert!(answered.starts_with(expected), "{number}: {answered}");
    }

    // HTTP/2 is not spoken, so its resets cannot be either.
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let answered = answer(&mut second).await;
    assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 4"), "{answered}");
}

/// Answers until the connection ends, or nothing more comes.
async fn answers(address: SocketAddr, request: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    loop {
        let one = tokio::time::timeout(PATIENCE, answer(&mut stream)).await.expect("it ends");
        if one.is_empty() {
            return answers;
        }
        answers.push(one.lines().next().unwrap_or_default().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_could_read_otherwise_is_refused_or_read_in_one_way() {
    let folder = tempfile::tempdir().unwrap();
    // A connection on which nothing more comes ends soon.
    let server = Server::serve(folder.path(), &[("MILEPOST_SERVER_HEADER_S", "1")]).await;
    let address = address(&server);
    let hidden = "GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n";
    for refused in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n host: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx: 1\u{0}\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 40\r\n\r\nabc",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nhost: a\r\n\r\n",
    ] {
        let said = answers(address, refused).await;
        assert!(
            said.len() <= 1 && said.iter().all(|line| line.starts_with("HTTP/1.1 400")),
            "{refused:?}: {said:?}"
        );
    }
    // Of both framings chunks decide, and what follows on the connection is not read.
    for read in [
        format!(
            "POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n{hidden}"
        ),
    ] {
        let said = answers(address, &read).await;
        assert!(said.len() == 1 && said[0].starts_with("HTTP/1.1 405"), "{read:?}: {said:?}");
    }
    let body =
        format!("GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{hidden}", hidden.len());
    assert_eq!(answers(address, &body).await.len(), 1, "a body is not a request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_g9_a_client_that_takes_no_answers_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[("MILEPOST_SERVER_REQUEST_S", "1")]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address(&server)).await.unwrap();
    let (mut taken, mut given) = stream.split();
    let request = b"GET /api/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n";
    let ask = async { while given.write_all(request).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, ask).await.expect("it is cut off");
    let rest = tokio::time::timeout(PATIENCE, taken.read_to_end(&mut Vec::new())).await;
    rest.expect("it has ended").ok();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_g9_bodies_that_do_not_come_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("MILEPOST_SERVER_REQUESTS", "4"), ("MILEPOST_SERVER_BODIES_MIB", "1")];
    let server = Server::serve(folder.path(), &settings).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        let begun = b"POST /v2.0/user HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nx";
        stream.write_all(begun).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(server.status("/healthz").await, 200);
    server.post("/applications", serde_json::json!({"name": "A"})).await;

    // What has arrived of all bodies is bounded: of two that together are more than all may be, one is sent away.
    let large = vec![b' '; 1_000_000];
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        let begun = b"POST /api/v1/applications HTTP/1.1\r\nhost: a\r\ncontent-length: 1000001\r\n\r\n";
        stream.write_all(begun).await.unwrap();
        // The one that is sent away may not be read to its end.
        let _ = stream.write_all(&large).await;
        streams.push(stream);
    }
    let (first, second) = streams.split_at_mut(1);
    let answered = tokio::select! {
        answered = answer(&mut first[0]) => answered,
        answered = answer(&mut second[0]) => answered,
    };
    assert!(answered.starts_with("HTTP/1.1 503"), "{answered}");
    assert_eq!(server.status("/readyz").await, 200);
    drop((streams, slow));
    let room = eventually(PATIENCE, async || {
        let taken =
            server.send(Method::POST, "/api/v1/applications", "application/json", large.clone()).await;
        taken.status == 400
    });
    assert!(room.await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_says_who_asks_and_nobody_says_where_this_server_is() {
    for (trusted, expected) in [("[]", "127.0.0.1"), (r#"["127.0.0.0/8"]"#, "198.51.100.7")] {
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("MILEPOST_SERVER_TRUSTED_PROXIES", trusted),
            ("MILEPOST_LOG_LEVEL", "debug"),
            ("MILEPOST_LOG_FORMAT", "json"),
        ];
        let server = Server::serve(folder.path(), &settings).await;
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        let request = "GET /nothing HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil.example\r\n\
                       x-forwarded-proto: https\r\nforwarded: for=9.9.9.9;host=evil.example\r\n\
                       x-forwarded-for: 9.9.9.9, 198.51.100.7\r\n\r\n";
        let answered = ask(&mut stream, request).await;
        assert!(!answered.contains("evil"), "{answered}");
        server.logged(&format!(r#""client.address":"{expected}""#)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_no_address_is_refused_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("milepost.toml");
    std::fs::write(&config, "[server]\ntrusted_proxies = [\"proxy.lan\"]\n").unwrap();
    let refused = run(&["serve", "--config", config.to_str().unwrap()]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.errors.contains("proxy.lan") && refused.errors.contains("10.0.0.0/8"), "{refused:?}");
}
