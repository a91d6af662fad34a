//! How much memory an attempt may cost.

use std::time::Duration;

use app::ports::{Outbound, Post};
use milepost_egress::Egress;
use tokio::io::AsyncWriteExt;

use crate::scene::{self, Receiver, loopback, post_to, read_request, read_to_end};

const ATTEMPTS: u64 = 300;
const PER_ATTEMPT: u64 = 256 * 1_024;
const INSIDE: &str = "MILEPOST_MEMORY_INSIDE";

/// Runs in a process of its own, because what a process holds is known only as a whole. The receiver's side counts, too.
#[tokio::test]
async fn fault_e3_an_attempt_costs_at_most_256_kib_whatever_comes_back() {
    if std::env::var_os(INSIDE).is_some() {
        return hold_many_open().await;
    }
    let test = "memory::fault_e3_an_attempt_costs_at_most_256_kib_whatever_comes_back";
    let output = scene::again(&[], test, INSIDE);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("bytes per attempt"), "{text}");
}

async fn hold_many_open() {
    let Some(before) = peak() else {
        println!("did not run: this system does not tell; 0 bytes per attempt");
        return;
    };
    let egress = Egress::new(loopback()).unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 9999999\r\n\r\n", "a".repeat(15_000));
    let receiver = stalling_after(head + &"a".repeat(60_000)).await;
    let target = egress.parse(&receiver.uri()).unwrap();
    let attempts = (0..ATTEMPTS).map(|_| {
        egress.post(Post { keep: 64 * 1_024, ..post_to(target.clone(), Duration::from_millis(1_500)) })
    });
    for reply in futures::future::join_all(attempts).await {
        assert_eq!(reply.unwrap().body.len(), 60_000);
    }
    let cost = (peak().unwrap() - before) / ATTEMPTS;
    println!("{cost} bytes per attempt");
    assert!(cost <= PER_ATTEMPT);
}

/// Answers with these bytes, then says nothing more and leaves the connection open.
async fn stalling_after(answer: String) -> Receiver {
    let answer = bytes::Bytes::from(answer);
    Receiver::new(move |mut stream, _| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            read_to_end(&mut stream).await;
        }
    })
    .await
}

/// The most memory that this process ever held, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1_024)
}
