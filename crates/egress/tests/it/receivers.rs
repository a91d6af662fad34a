//! Receivers that misbehave, over plain HTTP.

use std::{future::pending, time::Duration};

use app::ports::{Outbound, Post, Purpose};
use bytes::Bytes;
use domain::delivery::Failure;
use milepost_egress::{Egress, EgressConfig};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::scene::{
    Receiver, SHORT, allowance, loopback, open, pause, post, post_to, post_until_deadline, read_request,
    read_to_end, status,
};

#[tokio::test]
async fn row_r02_a_redirect_is_an_answer_and_is_not_followed() {
    fault_e4(301).await;
    fault_e4(302).await;
}

#[tokio::test]
async fn fault_e4_no_redirect_is_followed_wherever_it_leads() {
    for status in [303, 307, 308] {
        fault_e4(status).await;
    }
}

async fn fault_e4(code: u16) {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let egress = open();
    for location in
        [elsewhere.uri().as_str(), "http://169.254.169.254/", "file:///etc/passwd", "gopher://x/_", "/hook"]
    {
        let answer = format!("HTTP/1.1 {code} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let receiver = Receiver::answering(answer).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(code), "{location}");
        assert_eq!(receiver.connections(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn row_r05_an_answer_after_the_deadline_is_a_failure() {
    let receiver = Receiver::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        pause(SHORT + Duration::from_millis(30)).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    assert_eq!(post_until_deadline(&open(), &receiver.uri()).await.unwrap_err(), Failure::TimedOut);
}

#[tokio::test]
async fn row_r14_a_huge_or_endless_body_changes_nothing_about_the_status() {
    let egress = open();
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    ] {
        let receiver = flooding(head, b"abcdefghijklmnop").await;
        let began = Instant::now();
        let reply = post(&egress, &receiver.uri()).await.unwrap();
        assert_eq!((reply.status, reply.body), (200, Bytes::from_static(b"abcdefghijklmnop")));
        assert!(began.elapsed() < Duration::from_secs(1), "the rest is not waited for");
    }
}

#[tokio::test]
async fn fault_e1_silence_ends_at_the_deadline() {
    let mute = Receiver::new(|stream, _| async move {
        let _open = stream;
        pending().await
    })
    .await;
    assert_eq!(post_until_deadline(&open(), &mute.uri()).await.unwrap_err(), Failure::TimedOut);
}

#[tokio::test]
async fn fault_e1_a_half_closed_connection_is_a_closed_one() {
    let half = Receiver::new(|mut stream, _| async move {
        stream.shutdown().await.unwrap();
        read_to_end(&mut stream).await;
    })
    .await;
    assert_eq!(status(&open(), &half.uri()).await, Err(Failure::ClosedEarly));
}

#[tokio::test]
async fn fault_e2_headers_that_drip_end_at_the_deadline() {
    let receiver =
        dripping("", b"HTTP/1.1 200 OK\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert_eq!(post_until_deadline(&open(), &receiver.uri()).await.unwrap_err(), Failure::TimedOut);
}

#[tokio::test]
async fn fault_e2_a_body_that_drips_ends_at_the_deadline_and_the_status_decides() {
    let receiver = dripping(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqr",
    )
    .await;
    let reply = post_until_deadline(&open(), &receiver.uri()).await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.body.starts_with(b"abc"));
}

#[tokio::test]
async fn fault_e3_a_head_without_bounds_is_a_failure() {
    let egress = open();
    for (head, flood) in [
        ("HTTP/1.1 200 OK\r\nX: ", "aaaaaaaaaaaaaaaa"),
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        ("HTTP/1.1 200 ", "OK"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "\r\n"),
    ] {
        let receiver = flooding(head, flood.as_bytes()).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Err(Failure::Protocol), "{head}{flood}…");
    }
}

#[tokio::test]
async fn fault_e3_endless_framing_costs_the_connection_and_not_the_status() {
    let egress = open();
    for (head, flood) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "ext=1;"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;e=1\r\na\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "trailer: x\r\n"),
    ] {
        let receiver = flooding(head, flood.as_bytes()).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200), "{head}{flood}…");
    }
}

#[tokio::test]
async fn fault_e3_the_answer_to_a_delivery_is_never_decompressed() {
    let packed = gzip(b"{}");
    for encoding in ["gzip", "br", "zstd"] {
        let receiver = Receiver::answering(answer_coded(encoding, &packed)).await;
        let egress = open();
        let target = egress.parse(&receiver.uri()).unwrap();
        let post = Post { keep: 1_000, ..post_to(target, Duration::from_secs(5)) };
        assert_eq!(egress.post(post).await.unwrap().body, packed);
    }
}

#[tokio::test]
async fn the_answer_to_a_probe_is_unpacked_within_what_is_kept() {
    let egress = open();
    let bomb = gzip(&vec![b'a'; 10_000_000]);
    for (packed, text) in [(gzip(b"{}"), &b"{}"[..]), (bomb, &[b'a'; 16_384])] {
        let receiver = Receiver::answering(answer_coded("gzip", &packed)).await;
        let target = egress.parse(&receiver.uri()).unwrap();
        let post = post_to(target, Duration::from_secs(5));
        let post = Post { keep: 16_384, purpose: Purpose::Probe, ..post };
        assert_eq!(egress.post(post).await.unwrap().body, text);
    }
}

fn answer_coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_status_line_that_can_be_read_decides_whatever_the_headers_are() {
    let many = "X-Filler: a\r\n".repeat(1_000);
    let egress = open();
    for headers in [
        "X-Policy: default-src 'self';\r\n script-src 'none'\r\nContent-Length: 0\r\n",
        " folded at once\r\nContent-Length: 0\r\n",
        "no colon\r\nContent-Length: 0\r\n",
        ": no name\r\nContent-Length: 0\r\n",
        "X-N\u{e4}me: \u{fc}\r\nContent-Length: 0\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        many.as_str(),
    ] {
        let receiver = Receiver::closing_after(format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200), "{headers:.60}");
        let bare = format!("HTTP/1.1 500\n{headers}\n").replace("\r\n", "\n");
        let receiver = Receiver::closing_after(bare).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(500), "{headers:.60}");
    }
}

#[tokio::test]
async fn an_answer_before_the_request_was_read_is_an_answer() {
    let receiver = Receiver::new(|mut stream, _| async move {
        stream.readable().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        pause(SHORT).await;
    })
    .await;
    let egress = open();
    let target = egress.parse(&receiver.uri()).unwrap();
    // More than the buffers of a socket take, so that writing has not ended when the answer comes.
    let body = Bytes::from(vec![b'x'; 16 << 20]);
    let post = Post { body, ..post_to(target, Duration::from_secs(5)) };
    assert_eq!(egress.post(post).await.unwrap().status, 413);
}

#[tokio::test]
async fn a_reset_after_the_answer_leaves_it_standing() {
    let receiver = Receiver::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        reset(stream);
    })
    .await;
    let egress = open();
    for _ in 0..20 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
}

#[tokio::test]
async fn a_body_that_only_a_close_would_end_is_not_waited_for() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\n\r\n{}").await;
    let began = Instant::now();
    assert_eq!(status(&open(), &receiver.uri()).await, Ok(200));
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn fault_e6_a_reset_before_the_answer_is_told_apart_from_a_close() {
    let after_request = Receiver::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        reset(stream);
    })
    .await;
    let in_the_head = Receiver::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 20").await.unwrap();
        pause(Duration::from_millis(20)).await;
        reset(stream);
    })
    .await;
    let egress = open();
    for receiver in [&after_request, &in_the_head] {
        assert_eq!(status(&egress, &receiver.uri()).await, Err(Failure::Reset));
        assert_eq!(receiver.connections(), 1, "a request that may have arrived is not repeated");
    }
}

#[tokio::test]
async fn fault_e6_a_reset_at_once_is_a_failure_at_whichever_step_it_is_seen() {
    let receiver = Receiver::new(|stream, _| async move { reset(stream) }).await;
    let failure = status(&open(), &receiver.uri()).await.unwrap_err();
    assert!(matches!(failure, Failure::Refused | Failure::Reset | Failure::ClosedEarly), "{failure}");
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn fault_e6_a_close_before_the_answer_is_complete() {
    let egress = open();
    for answer in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\n"] {
        let receiver = Receiver::closing_after(answer).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Err(Failure::ClosedEarly), "{answer:?}");
        assert_eq!(receiver.connections(), 1, "a request that may have arrived is not repeated");
    }
}

#[tokio::test]
async fn fault_e6_a_reset_within_the_body_leaves_the_status_standing() {
    let receiver = Receiver::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
        pause(Duration::from_millis(20)).await;
        reset(stream);
    })
    .await;
    assert_eq!(status(&open(), &receiver.uri()).await, Ok(200));
}

#[tokio::test]
async fn fault_e10_the_status_decides_whatever_the_body_says() {
    let egress = open();
    for (answer, code) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"error\":\"oops\"", 200),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody", 204),
        ("HTTP/1.1 204 No Content\r\n\r\nbody", 204),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 200),
        ("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort", 202),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense", 200),
        ("HTTP/1.0 200 OK\r\n\r\nold", 200),
    ] {
        let receiver = Receiver::closing_after(answer).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(code), "{answer:?}");
    }
}

#[tokio::test]
async fn fault_e10_what_is_not_http_1_is_a_failure_at_once() {
    let egress = open();
    let settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00".as_slice();
    let go_away = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".as_slice();
    for answer in [
        b"<html>HTTP/0.9</html>\r\n\r\n".as_slice(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        settings,
        go_away,
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"http/1.1 200 OK\r\n\r\n",
    ] {
        let receiver = Receiver::answering(answer).await;
        let began = Instant::now();
        assert_eq!(
            status(&egress, &receiver.uri()).await,
            Err(Failure::Protocol),
            "{}",
            answer.escape_ascii()
        );
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn row_r04_a_refused_connection_is_a_failure() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(status(&open(), &format!("http://{closed}/")).await, Err(Failure::Refused));
}

#[tokio::test]
async fn fault_e12_an_unreachable_network_is_told_apart() {
    // Class E is allowed here so that a dial happens; no kernel routes to the broadcast address over TCP.
    let egress = Egress::new(EgressConfig { allow: vec![allowance("240.0.0.0/4")], ..loopback() }).unwrap();
    assert_eq!(status(&egress, "http://255.255.255.255/").await, Err(Failure::Unreachable));
}

#[tokio::test]
async fn fault_e12_a_black_hole_costs_the_connect_timeout_and_no_more() {
    let (hole, _backlog) = black_hole().await;
    let connect_timeout = Duration::from_millis(200);
    let egress = Egress::new(EgressConfig { connect_timeout, ..loopback() }).unwrap();
    let began = Instant::now();
    assert_eq!(status(&egress, &format!("http://{hole}/")).await, Err(Failure::ConnectTimedOut));
    assert!(
        began.elapsed() >= connect_timeout && began.elapsed() < connect_timeout + Duration::from_millis(250)
    );
    assert_eq!(EgressConfig::default().connect_timeout, Duration::from_secs(5));
}

#[tokio::test]
async fn fault_e12_a_black_hole_does_not_outlast_the_deadline_either() {
    let (hole, _backlog) = black_hole().await;
    let result = post_until_deadline(&open(), &format!("http://{hole}/")).await;
    assert_eq!(result.unwrap_err(), Failure::TimedOut);
}

/// An address that answers no connection any more, since its backlog is full.
async fn black_hole() -> (std::net::SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut backlog = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        backlog.push(stream);
    }
    // The listener must stay open and must not accept.
    std::mem::forget(listener);
    (address, backlog)
}

/// Reads the request, sends `head`, then `flood` again and again until nobody listens.
async fn flooding(head: &str, flood: &[u8]) -> Receiver {
    let (head, flood) = (head.to_owned(), flood.repeat(4_096 / flood.len()));
    Receiver::new(move |mut stream, _| {
        let (head, flood) = (head.clone(), flood.clone());
        async move {
            read_request(&mut stream).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(&flood).await.is_ok() {}
        }
    })
    .await
}

/// Sends `head` at once and then a byte every few milliseconds.
async fn dripping(head: &'static str, drops: &'static [u8]) -> Receiver {
    Receiver::new(move |mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        for drop in drops {
            let _ = stream.write_all(&[*drop]).await;
            pause(Duration::from_millis(30)).await;
        }
    })
    .await
}

fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}
