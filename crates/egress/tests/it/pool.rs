//! Connections that are kept for the next request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use app::ports::{Outbound, Post, Purpose};
use domain::{delivery::Failure, ids::WebhookNo};
use milepost_egress::{Egress, EgressConfig, IdleLimits};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc, time::timeout};

use crate::scene::{Receiver, loopback, open, post_to, read_request, read_to_end, status};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn limited(idle: IdleLimits) -> Egress {
    Egress::new(EgressConfig { idle, ..loopback() }).unwrap()
}

#[tokio::test]
async fn requests_to_one_origin_share_a_connection() {
    let receiver = Receiver::answering(OK).await;
    let egress = open();
    for _ in 0..100 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn requests_at_the_same_time_have_connections_of_their_own() {
    let receiver = Receiver::answering(OK).await;
    let egress = open();
    let uri = receiver.uri();
    for _ in 0..3 {
        let (a, b, c) = tokio::join!(status(&egress, &uri), status(&egress, &uri), status(&egress, &uri));
        assert_eq!((a, b, c), (Ok(200), Ok(200), Ok(200)));
    }
    assert_eq!(receiver.connections(), 3);
}

#[tokio::test]
async fn another_name_for_the_same_address_has_a_connection_of_its_own() {
    let receiver = Receiver::answering(OK).await;
    let egress = open();
    for host in ["127.0.0.1", "localhost", "127.0.0.1"] {
        let uri = format!("http://{host}:{}/", receiver.address.port());
        assert_eq!(status(&egress, &uri).await, Ok(200));
    }
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_is_not_used() {
    let receiver = Receiver::closing_after(OK).await;
    let egress = open();
    for _ in 0..20 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
    assert_eq!(receiver.connections(), 20);
}

/// Answers the first request of each connection with OK and the others as told. Counts requests.
async fn answering_once(
    then: impl Fn(TcpStream) -> futures::future::BoxFuture<'static, ()> + Clone + Send + Sync + 'static,
) -> (Receiver, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let receiver = Receiver::new(move |mut stream, _| {
        let (seen, then) = (Arc::clone(&seen), then.clone());
        async move {
            read_request(&mut stream).await;
            seen.fetch_add(1, Ordering::SeqCst);
            stream.write_all(OK.as_bytes()).await.unwrap();
            if read_request(&mut stream).await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
                then(stream).await;
            }
        }
    })
    .await;
    (receiver, requests)
}

#[tokio::test]
async fn a_kept_connection_that_closes_without_an_answer_is_replaced_once() {
    let (receiver, requests) = answering_once(|stream| Box::pin(async move { drop(stream) })).await;
    let egress = open();
    for _ in 0..3 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
    assert_eq!((requests.load(Ordering::SeqCst), receiver.connections()), (5, 3));
}

#[tokio::test]
async fn a_kept_connection_that_says_it_was_idle_for_too_long_is_replaced() {
    let (receiver, _) = answering_once(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n").await;
        })
    })
    .await;
    let egress = open();
    for _ in 0..3 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
}

#[tokio::test]
async fn a_request_of_which_an_answer_has_begun_is_not_sent_again() {
    let (receiver, requests) = answering_once(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 2").await;
            let _ = stream.shutdown().await;
            read_to_end(&mut stream).await;
        })
    })
    .await;
    let egress = open();
    assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    assert_eq!(status(&egress, &receiver.uri()).await, Err(Failure::ClosedEarly));
    assert_eq!((requests.load(Ordering::SeqCst), receiver.connections()), (2, 1));
}

#[tokio::test]
async fn webhooks_share_no_connections() {
    let receiver = Receiver::answering(OK).await;
    let egress = open();
    let target = egress.parse(&receiver.uri()).unwrap();
    for webhook in [1, 2, 1, 2] {
        let post = Post { webhook: WebhookNo(webhook), ..post_to(target.clone(), Duration::from_secs(5)) };
        egress.post(post).await.unwrap();
    }
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn a_probe_has_a_connection_of_its_own() {
    // The first answer of a connection leaves bytes behind that look like an answer to the next request.
    let receiver = Receiver::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 500 Stray\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let egress = open();
    assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    let target = egress.parse(&receiver.uri()).unwrap();
    let probe = Post { purpose: Purpose::Probe, ..post_to(target, Duration::from_secs(5)) };
    assert_eq!(egress.post(probe).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_ends_the_connection() {
    let receiver =
        Receiver::answering(format!("{OK}HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n")).await;
    let egress = open();
    for _ in 0..3 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
    assert_eq!(receiver.connections(), 3);
}

#[tokio::test]
async fn a_receiver_that_wants_to_close_is_left_alone() {
    let receiver =
        Receiver::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let egress = open();
    for _ in 0..3 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
    assert_eq!(receiver.connections(), 3);
}

#[tokio::test]
async fn no_more_connections_wait_than_the_limits_allow() {
    for limits in [
        IdleLimits { per_origin: 1, ..IdleLimits::default() },
        IdleLimits { total: 1, ..IdleLimits::default() },
    ] {
        let receiver = Receiver::answering(OK).await;
        let egress = limited(limits);
        let uri = receiver.uri();
        for _ in 0..2 {
            let (a, b) = tokio::join!(status(&egress, &uri), status(&egress, &uri));
            assert_eq!((a, b), (Ok(200), Ok(200)));
        }
        assert_eq!(receiver.connections(), 3, "one of two is kept");
    }
}

#[tokio::test]
async fn a_connection_is_closed_when_nobody_needs_it_for_long() {
    let (receiver, mut closed) = reporting_closes().await;
    let egress = limited(IdleLimits { idle: Duration::from_millis(50), ..IdleLimits::default() });
    assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    timeout(Duration::from_secs(2), closed.recv()).await.expect("closed although nothing is sent any more");
    assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    timeout(Duration::from_secs(2), closed.recv()).await.expect("the sweeping begins again");
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn a_connection_grows_old_however_busy_it_is() {
    let receiver = Receiver::answering(OK).await;
    let egress = limited(IdleLimits { age: Duration::ZERO, ..IdleLimits::default() });
    for _ in 0..3 {
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    }
    assert_eq!(receiver.connections(), 3);
}

#[tokio::test]
async fn giving_up_on_a_request_closes_its_connection() {
    let (sender, mut closed) = mpsc::channel(1);
    let receiver = Receiver::new(move |mut stream, _| {
        let sender = sender.clone();
        async move {
            read_to_end(&mut stream).await;
            let _ = sender.send(()).await;
        }
    })
    .await;
    let egress = open();
    let target = egress.parse(&receiver.uri()).unwrap();
    let post = egress.post(post_to(target, Duration::from_secs(60)));
    assert!(timeout(Duration::from_millis(50), post).await.is_err());
    timeout(Duration::from_secs(2), closed.recv()).await.unwrap();
}

/// A receiver that reports when a connection is closed by the other side.
async fn reporting_closes() -> (Receiver, mpsc::Receiver<()>) {
    let (sender, closed) = mpsc::channel(8);
    let receiver = Receiver::new(move |mut stream, _| {
        let sender = sender.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
            let _ = sender.send(()).await;
        }
    })
    .await;
    (receiver, closed)
}
