//! Requests through the operator's outgoing proxy.

use std::sync::Arc;

use app::ports::{Outbound, UriRefused};
use domain::delivery::Failure;
use milepost_egress::{Egress, EgressConfig, Proxy};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};

use crate::scene::{NameServer, Receiver, loopback, post_until_deadline, read_to_end, status};

const NAME: &str = "hook.example.org";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A proxy that notes each request and connects to what it names; or answers with these bytes, if there are any.
async fn proxy(answer: &'static str) -> (Receiver, Arc<Mutex<Vec<String>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&noted);
    let receiver = Receiver::new(move |mut stream, _| {
        let notes = Arc::clone(&notes);
        async move {
            let head = read_head(&mut stream).await;
            let authority = head.split(' ').nth(1).unwrap().to_owned();
            notes.lock().push(head);
            if !answer.is_empty() {
                let _ = stream.write_all(answer.as_bytes()).await;
                return read_to_end(&mut stream).await;
            }
            // Names lead to loopback here, whatever they are.
            let authority = authority.replace(NAME, "127.0.0.1");
            let Ok(mut receiver) = TcpStream::connect(authority).await else {
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
                return;
            };
            stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut receiver).await;
        }
    })
    .await;
    (receiver, noted)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Egress through this proxy, which finds [`NAME`] on loopback.
async fn through(proxy: &Receiver, user: &str, no_proxy: &[&str], resolves_names: bool) -> Egress {
    let names = NameServer::with(NAME, &["127.0.0.1"]).await;
    let no_proxy: Vec<_> = no_proxy.iter().map(|&text| text.to_owned()).collect();
    let proxy = Proxy::parse(&format!("http://{user}{}", proxy.address), &no_proxy, resolves_names).unwrap();
    let nameservers = Some(vec![names.address]);
    Egress::new(EgressConfig { proxy: Some(proxy), nameservers, ..loopback() }).unwrap()
}

#[tokio::test]
async fn the_proxy_is_asked_for_an_address_that_was_judged_and_the_tunnel_is_kept() {
    let (proxy, noted) = proxy("").await;
    let receiver = Receiver::answering(OK).await;
    let egress = through(&proxy, "", &[], false).await;
    for _ in 0..3 {
        let uri = format!("http://{NAME}:{}/", receiver.address.port());
        assert_eq!(status(&egress, &uri).await, Ok(200));
    }
    let address = receiver.address;
    assert_eq!(*noted.lock(), [format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n")]);
}

#[tokio::test]
async fn the_proxy_is_told_user_and_password() {
    let (proxy, noted) = proxy("").await;
    let receiver = Receiver::answering(OK).await;
    let egress = through(&proxy, "user:p%20w@", &[], false).await;
    assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    assert!(
        noted.lock()[0].contains("\r\nProxy-Authorization: Basic dXNlcjpwIHc=\r\n"),
        "{:?}",
        noted.lock()
    );
}

#[tokio::test]
async fn a_denied_address_stays_denied_with_a_proxy() {
    let (proxy, noted) = proxy("").await;
    let names = NameServer::with(NAME, &["10.0.0.1"]).await;
    let egress = Egress::new(EgressConfig {
        proxy: Some(Proxy::parse(&format!("http://{}", proxy.address), &[], false).unwrap()),
        nameservers: Some(vec![names.address]),
        ..EgressConfig::default()
    })
    .unwrap();
    let target = egress.parse(&format!("https://{NAME}/")).unwrap();
    assert_eq!(egress.vet(&target).await, Err(UriRefused::Address));
    assert_eq!(status(&egress, &format!("https://{NAME}/")).await, Err(Failure::Blocked));
    assert!(noted.lock().is_empty());
}

#[tokio::test]
async fn a_proxy_that_resolves_names_is_told_names_and_addresses_are_judged_all_the_same() {
    let (proxy, noted) = proxy("").await;
    let receiver = Receiver::answering(OK).await;
    let egress = Egress::new(EgressConfig {
        proxy: Some(Proxy::parse(&format!("http://{}", proxy.address), &[], true).unwrap()),
        nameservers: Some(vec![]),
        ..loopback()
    })
    .unwrap();
    let uri = format!("http://{NAME}:{}/", receiver.address.port());
    assert_eq!(egress.vet(&egress.parse(&uri).unwrap()).await, Ok(()));
    assert_eq!(status(&egress, &uri).await, Ok(200));
    assert!(noted.lock()[0].starts_with(&format!("CONNECT {NAME}:{} ", receiver.address.port())));
    assert_eq!(egress.parse("https://10.0.0.1/"), Err(UriRefused::Address));
    assert_eq!(egress.parse("https://printer.local/"), Err(UriRefused::Address));
}

#[tokio::test]
async fn some_targets_are_dialled_directly() {
    let (proxy, noted) = proxy("").await;
    let receiver = Receiver::answering(OK).await;
    let uri = format!("http://{NAME}:{}/", receiver.address.port());
    for no_proxy in ["example.org", "127.0.0.0/8", "*"] {
        let egress = through(&proxy, "", &[no_proxy], false).await;
        assert_eq!(status(&egress, &uri).await, Ok(200));
        assert!(noted.lock().is_empty(), "{no_proxy}");
    }
}

#[tokio::test]
async fn what_a_proxy_does_not_do_is_a_failure_of_its_own() {
    for (answer, failure) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            Failure::ProxyAuthentication,
        ),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", Failure::ProxyRefused),
        ("HTTP/1.1 405 Method Not Allowed\r\n\r\n", Failure::ProxyRefused),
        ("HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", Failure::ProxyRefused),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Failure::ProxyFailed),
        ("HTTP/1.1 504 Gateway Timeout\r\n\r\n", Failure::ProxyFailed),
        ("SSH-2.0-OpenSSH_9.9\r\n", Failure::ProxyFailed),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Failure::ProxyFailed),
    ] {
        let (proxy, _) = proxy(answer).await;
        let egress = through(&proxy, "", &[], false).await;
        assert_eq!(status(&egress, &format!("http://{NAME}:9000/")).await, Err(failure), "{answer:?}");
    }
    let (dead, _) = proxy("").await;
    let egress = through(&dead, "", &[], false).await;
    assert_eq!(status(&egress, &format!("http://{NAME}:1/")).await, Err(Failure::ProxyFailed));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_a_fault_of_our_own() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::parse(&format!("http://{closed}"), &[], false).unwrap();
    let egress = Egress::new(EgressConfig { proxy: Some(proxy), ..loopback() }).unwrap();
    assert_eq!(status(&egress, "http://127.0.0.1:9000/").await, Err(Failure::ProxyUnreachable));
}

#[tokio::test]
async fn the_deadline_covers_the_proxy_too() {
    let mute = Receiver::new(|mut stream, _| async move { read_to_end(&mut stream).await }).await;
    let egress = through(&mute, "", &[], false).await;
    let result = post_until_deadline(&egress, &format!("http://{NAME}:9000/")).await;
    assert_eq!(result.unwrap_err(), Failure::TimedOut);
}
