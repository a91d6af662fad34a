//! A receiver for development: it answers verification, checks signatures, prints what arrives and misbehaves on request.

use crate::behaviour::Behaviour;
use crate::console::{self, Console, ShownTime};
use crate::receiver::{Log, Received, Receiver, ReceiverOptions};
use anstream::eprintln;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// What to listen for, and how.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// The application management token; without it verification fails and signatures are not checked.
    pub secret: Option<String>,
    /// How to treat events. Verification is answered well unless the behaviour is about verification.
    pub behaviour: Behaviour,
    /// Print JSON lines in place of columns.
    pub json: bool,
}

/// Listens until interrupted. What arrives goes to standard output, all else to standard error.
///
/// # Errors
///
/// When the address cannot be listened on, or standard output cannot be written to.
pub async fn listen(options: ListenOptions) -> io::Result<()> {
    let receiver = Receiver::start(ReceiverOptions {
        address: options.address,
        secrets: options.secret.iter().cloned().collect(),
        behaviour: options.behaviour.clone(),
        honest_verification: true,
        ..ReceiverOptions::default()
    })
    .await
    .map_err(|cause| cannot_listen(options.address, &cause))?;
    let arriving = receiver.log().subscribe();
    introduce(&receiver, &options);
    let ended = tokio::select! {
        printed = print_all(arriving, options.json) => printed,
        interrupted = tokio::signal::ctrl_c() => interrupted,
    };
    // Who pipes the lines to `head` has seen enough.
    ended.or_else(|cause| if cause.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(cause) })?;
    eprintln!("\n{}", farewell(receiver.log()));
    receiver.shutdown().await;
    Ok(())
}

fn cannot_listen(address: SocketAddr, cause: &io::Error) -> io::Error {
    let advice = advice(cause);
    io::Error::new(cause.kind(), format!("--listen: cannot listen on {address}: {advice} ({cause})"))
}

/// Why an address cannot be listened on, and what to do.
pub fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "something listens there already; choose another port, or 0 for a free one"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose a higher one",
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have this address; choose one that it has, such as 127.0.0.1 or 0.0.0.0"
        }
        _ => "this is not an address such as 127.0.0.1:9464; choose another",
    }
}

fn introduce(receiver: &Receiver, options: &ListenOptions) {
    eprintln!("Listening on {} (any path). Stop with Ctrl-C.", receiver.url("/"));
    if options.secret.is_none() {
        eprintln!("No token was given: verification will fail and signatures are not checked.");
    }
    if options.behaviour != Behaviour::GOOD {
        eprintln!("Events are answered with `{}`.", options.behaviour);
    }
}

async fn print_all(mut arriving: broadcast::Receiver<Arc<Received>>, json: bool) -> io::Result<()> {
    let mut console = Console::for_stdout(ShownTime::Receipt);
    if !json {
        print(&console.heading())?;
    }
    loop {
        match arriving.recv().await {
            Ok(received) if json => print(&console::json(&received).to_string())?,
            Ok(received) => print(&console.line(&received))?,
            Err(RecvError::Lagged(missed)) => eprintln!("{missed} came too fast to be printed"),
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

fn print(line: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{line}")
}

fn farewell(log: &Log) -> String {
    let counts = log.counts();
    let (good, bad, unsigned) = (counts.good, counts.bad, counts.unsigned);
    format!(
        "Requests: {}, verifications among them: {}. Signatures: {good} good, {bad} bad, {unsigned} missing.",
        counts.requests, counts.verifications
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::HttpClient;
    use serde_json::json;

    #[tokio::test]
    async fn a_taken_port_is_explained() {
        let receiver = Receiver::start(ReceiverOptions::default()).await.unwrap();
        let options = ListenOptions {
            address: receiver.address(),
            secret: None,
            behaviour: Behaviour::GOOD,
            json: true,
        };
        let problem = listen(options).await.unwrap_err().to_string();
        assert!(problem.contains("something listens there already"), "{problem}");
    }

    #[tokio::test]
    async fn the_last_words_count_what_came() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        HttpClient::new(&receiver.url("/")).unwrap().post("/", &json!({})).await.unwrap();
        assert_eq!(
            farewell(receiver.log()),
            "Requests: 1, verifications among them: 0. Signatures: 0 good, 0 bad, 1 missing."
        );
    }
}
