//! The receiver of the benchmark: a child process that counts what arrives and answers questions on its standard input.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use lab::receiver::{Receiver, ReceiverOptions, Recording};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Longest wait for what a run sends.
const PATIENCE: Duration = Duration::from_secs(900);

/// Serves until standard input ends. Questions: `wait N` answers when N events have come; `tally` says how many distinct
/// events came and how many came again; `forget` begins to count anew.
pub(crate) async fn serve(secret: String) -> Result<()> {
    let recording = Recording::Lean { check_signatures: true, ids: 16_000_000, stopwatch: None };
    let options = ReceiverOptions { secrets: vec![secret], recording, ..ReceiverOptions::default() };
    let receiver = Receiver::start(options).await?;
    println!("{}", receiver.address());
    let mut questions = BufReader::new(tokio::io::stdin()).lines();
    while let Some(question) = questions.next_line().await? {
        match question.split_once(' ') {
            Some(("wait", count)) => {
                let came = receiver.log().wait_for_events(count.parse()?, PATIENCE).await;
                println!("{came}");
            }
            _ => {
                let (tally, counts) = (receiver.log().tally(), receiver.log().counts());
                println!("{} {} {}", tally.occurrences(), tally.repeated(), counts.bad + counts.unsigned);
            }
        }
    }
    receiver.shutdown().await;
    Ok(())
}

/// The child process.
pub(super) struct Counter {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Counter {
    pub(super) async fn start(secret: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench-receiver", "--secret", secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the receiver cannot be started")?;
        let questions = child.stdin.take().context("the receiver has no standard input")?;
        let out = child.stdout.take().context("the receiver has no standard output")?;
        let mut answers = BufReader::new(out).lines();
        let address = answers.next_line().await?.context("the receiver ended")?.parse()?;
        Ok(Self { child, questions, answers, address })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    async fn ask(&mut self, question: &str) -> Result<String> {
        self.questions.write_all(format!("{question}\n").as_bytes()).await?;
        self.answers.next_line().await?.context("the receiver ended")
    }

    /// Returns when so many events have come since it was started.
    pub(super) async fn wait(&mut self, events: u64) -> Result<()> {
        let came = self.ask(&format!("wait {events}")).await?;
        ensure!(came == "true", "only a part of {events} events came: {}", self.ask("tally").await?);
        Ok(())
    }

    /// Distinct events, repeated ones, bad signatures.
    pub(super) async fn tally(&mut self) -> Result<(u64, u64, u64)> {
        let answer = self.ask("tally").await?;
        let mut numbers = answer.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next().context("a short answer")?.context("not a number");
        Ok((next()?, next()?, next()?))
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.questions);
        self.child.wait().await?;
        Ok(())
    }
}
