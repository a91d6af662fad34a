//! What a request and an answer look like on the wire.

use std::{sync::Arc, time::Duration};

use app::ports::{Header, Outbound, Post, Purpose};
use bytes::Bytes;
use domain::delivery::Failure;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

use crate::scene::{self, Receiver, post, read_request, status};

/// A receiver that notes the bytes of each request.
async fn noting() -> (Receiver, Arc<Mutex<Vec<String>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&noted);
    let receiver = Receiver::new(move |mut stream, _| {
        let notes = Arc::clone(&notes);
        async move {
            while let Some(request) = read_request(&mut stream).await {
                notes.lock().push(request);
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        }
    })
    .await;
    (receiver, noted)
}

#[tokio::test]
async fn row_h01_a_request_has_five_headers_in_a_fixed_order_and_spelling() {
    let (receiver, noted) = noting().await;
    let egress = scene::open();
    for _ in 0..2 {
        post(&egress, &receiver.uri()).await.unwrap();
    }
    let expected = format!(
        "POST /hook HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\
         User-Agent: Milepost/test\r\nSC-Signature: 0123abcd\r\n\r\n{{\"eventId\":\"1\"}}",
        receiver.address
    );
    assert_eq!(*noted.lock(), [expected.clone(), expected]);
}

#[tokio::test]
async fn an_unsigned_request_has_no_signature_header() {
    let (receiver, noted) = noting().await;
    let egress = scene::open();
    let target = egress.parse(&format!("http://localhost:{}/a?b=%20c", receiver.address.port())).unwrap();
    let post = Post { signature: None, body: Bytes::new(), ..scene::post_to(target, Duration::from_secs(5)) };
    egress.post(post).await.unwrap();
    let expected = format!(
        "POST /a?b=%20c HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n\
         Content-Length: 0\r\nUser-Agent: Milepost/test\r\n\r\n",
        receiver.address.port()
    );
    assert_eq!(*noted.lock(), [expected]);
}

#[tokio::test]
async fn headers_of_the_operator_follow_those_that_every_request_has() {
    let (receiver, noted) = noting().await;
    let egress = scene::open();
    let header = |name: &str, value: &str| Header::new(name.to_owned(), value.to_owned().into());
    let headers = [header("X-Api-Key", "k 1"), header("Authorization", "Basic dTpw")];
    let post = Post {
        headers: Arc::from(headers),
        purpose: Purpose::Probe,
        ..scene::post_to(egress.parse(&receiver.uri()).unwrap(), Duration::from_secs(5))
    };
    assert!(!format!("{post:?}").contains("k 1"), "a value is shown nowhere");
    egress.post(post).await.unwrap();
    let noted = noted.lock();
    assert!(
        noted[0].contains(
            "SC-Signature: 0123abcd\r\nAccept-Encoding: identity\r\nX-Api-Key: k 1\r\nAuthorization: Basic dTpw\r\n\r\n{"
        ),
        "{}",
        noted[0]
    );
}

#[tokio::test]
async fn a_body_of_50_kb_arrives_whole() {
    let (receiver, noted) = noting().await;
    let egress = scene::open();
    let body = Bytes::from(vec![b'x'; 51_200]);
    let target = egress.parse(&receiver.uri()).unwrap();
    egress.post(Post { body, ..scene::post_to(target, Duration::from_secs(5)) }).await.unwrap();
    assert_eq!(noted.lock()[0].split_once("\r\n\r\n").unwrap().1, "x".repeat(51_200));
}

#[tokio::test]
async fn every_status_is_handed_on_as_it_is() {
    let egress = scene::open();
    for code in [200, 201, 202, 204, 301, 304, 400, 401, 404, 409, 410, 418, 429, 500, 503, 599] {
        let receiver =
            Receiver::answering(format!("HTTP/1.1 {code} Whatever\r\nContent-Length: 0\r\n\r\n")).await;
        assert_eq!(status(&egress, &receiver.uri()).await, Ok(code));
    }
}

#[tokio::test]
async fn of_the_body_as_much_is_kept_as_was_asked_for() {
    let egress = scene::open();
    for (sent, kept) in [("", ""), ("short", "short"), ("0123456789abcdefgh", "0123456789abcdef")] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{sent}", sent.len());
        let receiver = Receiver::answering(answer).await;
        assert_eq!(post(&egress, &receiver.uri()).await.unwrap().body, kept);
    }
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let receiver = Receiver::answering(chunked).await;
    assert_eq!(post(&egress, &receiver.uri()).await.unwrap().body, "abcde");
}

#[tokio::test]
async fn interim_answers_are_never_final() {
    let egress = scene::open();
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let receiver = Receiver::answering(answer).await;
    assert_eq!(status(&egress, &receiver.uri()).await, Ok(200));
    let receiver =
        Receiver::answering("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            .await;
    assert_eq!(status(&egress, &receiver.uri()).await, Err(Failure::Protocol));
}
