//! How many POSTs a second one core of a counting receiver takes: `cargo run --release -p milepost-lab --example receiver_speed`.
//!
//! The receiver runs on one thread, whose processor time is read from the kernel. So the figure holds also where the
//! senders share its core.

use milepost_lab::secret::Secret;
use milepost_lab::{Receiver, ReceiverOptions, Recording};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

const SENDERS: usize = 2;
const CONNECTIONS: usize = 16;
const POSTS: usize = 20_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn main() -> io::Result<()> {
    for entries in [1, 20] {
        for check_signatures in [false, true] {
            measure(entries, check_signatures)?;
        }
    }
    Ok(())
}

fn measure(entries: usize, check_signatures: bool) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let recording = Recording::Lean { check_signatures, ids: 1_000_000, stopwatch: None };
    let secrets = vec!["amt".to_owned()];
    let options = ReceiverOptions { secrets, recording, ..ReceiverOptions::default() };
    let receiver = runtime.block_on(Receiver::start(options))?;
    let (address, body) = (receiver.address(), body(entries));
    let size = body.len();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            thread::spawn({
                let body = body.clone();
                move || send(address, &body)
            })
        })
        .collect();
    let before = processor_time()?;
    let all = (SENDERS * POSTS) as u64;
    let arrived = runtime.block_on(receiver.log().wait_for_events(all, Duration::from_secs(120)));
    let spent = processor_time()? - before;
    // The last answers are still on their way.
    runtime.block_on(async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    });
    runtime.block_on(receiver.shutdown());
    for sender in senders {
        sender.join().expect("a sender does not panic")?;
    }
    assert!(arrived, "all posts arrive");
    let rate = all as f64 / spent.as_secs_f64();
    println!(
        "{size:>5} bytes, signatures checked: {check_signatures:<5}  {rate:>8.0} POSTs per second of one core"
    );
    Ok(())
}

/// Posts the same event over several connections, all written to before any is read.
fn send(address: SocketAddr, body: &str) -> io::Result<()> {
    let signature = Secret::new("amt").hex(body.as_bytes());
    let length = body.len();
    let request = format!(
        "POST /hook HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nSC-Signature: {signature}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut connections =
        (0..CONNECTIONS).map(|_| TcpStream::connect(address)).collect::<io::Result<Vec<_>>>()?;
    let mut answer = [0; ANSWER.len()];
    for _ in 0..POSTS / CONNECTIONS {
        for connection in &mut connections {
            connection.write_all(request.as_bytes())?;
        }
        for connection in &mut connections {
            connection.read_exact(&mut answer)?;
        }
    }
    Ok(())
}

fn body(entries: usize) -> String {
    let entry = r#"{"path":"/tires/pressure","code":200,"body":{"frontLeft":230.1,"frontRight":231,"backLeft":229,"backRight":228.9},"headers":{"sc-data-age":"2024-05-01T15:12:07.000Z","sc-unit-system":"metric"}}"#;
    let data = vec![entry; entries].join(",");
    format!(
        r#"{{"version":"2.0","webhookId":"0190f3b2-0000-7000-8000-00000000aaaa","eventName":"schedule","mode":"live","payload":{{"vehicles":[{{"vehicleId":"0190f3b2-0000-7000-8000-00000000bbbb","requestId":"0190f3b2-0000-7000-8000-00000000cccc","data":[{data}],"timestamp":"2024-05-01T16:01:12.345Z"}}]}}}}"#
    )
}

/// Processor time of this thread so far.
fn processor_time() -> io::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other("the kernel does not tell"))
}
