//! The real binary as a process of its own: started on a data folder, waited for, asked over HTTP, killed.

#![expect(
    clippy::disallowed_methods,
    reason = "another process runs in real time, and so does who waits for it"
)]
#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

pub(crate) mod calls;
pub(crate) mod judge;
pub(crate) mod stage;

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab::{HttpClient, Timestamp};
use serde_json::Value;
use tokio::process::{Child, Command};

const ADMIN_TOKEN: &str = "a-token-for-rehearsals";
/// A server that is not ready by then never will be.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at a server that starts or stops.
const LOOK: Duration = Duration::from_millis(2);
/// Ports below those that the system gives to outgoing connections: nobody takes one while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// How a server is started, again and again in the same way.
pub(crate) struct Launch {
    folder: PathBuf,
    /// The data folder.
    pub(crate) data: PathBuf,
    address: SocketAddr,
}

impl Launch {
    /// A server on a folder, with a port of its own.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), data: folder.join("data"), address: free_address() }
    }

    /// The admin API, whichever process serves it at the time.
    pub(crate) fn client(&self) -> HttpClient {
        let client = HttpClient::new(&format!("http://{}/api/v1", self.address)).unwrap();
        client.bearer(ADMIN_TOKEN).unwrap().with_deadline(PATIENCE)
    }

    /// What the processes have said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("said.log")).unwrap_or_default()
    }

    /// Starts a process on the machine's clock, or on one that says a time now and runs faster.
    pub(crate) fn spawn(&self, clock: Option<(Timestamp, f64)>) -> Server {
        let said = OpenOptions::new().create(true).append(true).open(self.folder.join("said.log")).unwrap();
        let mut command = Command::new(binary());
        command
            .arg("serve")
            .args(["--listen", &self.address.to_string(), "--data"])
            .arg(&self.data)
            .env("MILEPOST_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.0/8"]"#)
            .env("MILEPOST_SERVER_METRICS_LISTEN", "")
            .env("MILEPOST_LOG_LEVEL", "warn")
            // On a fast clock a minute of the car may be a few milliseconds of the machine.
            .env("MILEPOST_READS_DEADLINE_S", "3600")
            // The checker wants the whole log, however many years pass.
            .env("MILEPOST_RETENTION_LOG_DAYS", "36500");
        if let Some((from, speed)) = clock {
            // Rounded up: it must not say less than the process before.
            let from = from.micros().div_euclid(1_000_000) + 1;
            command.args(["--clock-from", &from.to_string(), "--clock-speed", &speed.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).kill_on_drop(true);
        Server { spawned: Instant::now(), child: command.spawn().unwrap(), address: self.address }
    }
}

impl Launch {
    /// Runs a command of the same binary, against the running server if it asks one; it has to succeed, and say what it did
    /// as JSON.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--json").stdin(Stdio::null()).kill_on_drop(true);
        command
            .env("MILEPOST_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("MILEPOST_URL", format!("http://{}", self.address));
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("a command ends").unwrap();
        let [said, errors] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        assert!(output.status.success(), "{arguments:?}: {said} {errors}\n{}", self.said());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
    }
}

fn binary() -> String {
    std::env::var("MILEPOST_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_milepost").to_owned())
}

/// A process that was started.
pub(crate) struct Server {
    spawned: Instant,
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Waits until it is ready, and says how long that took from the start; an error if it ends or hangs.
    pub(crate) async fn ready(&mut self) -> Result<Duration, String> {
        let probe = HttpClient::new(&format!("http://{}", self.address)).unwrap().with_deadline(PATIENCE);
        while self.spawned.elapsed() < PATIENCE {
            if let Ok(answer) = probe.get("/readyz").await
                && answer.status.is_success()
            {
                return Ok(self.spawned.elapsed());
            }
            if let Some(status) = self.ended() {
                return Err(format!("it ended with {status} before it was ready"));
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(format!("it was not ready after {PATIENCE:?}"))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; returns how it ended and how long that took.
    pub(crate) async fn terminate(mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        (self.child.wait().await.unwrap(), begun.elapsed())
    }

    /// Waits for an end that comes by itself.
    pub(crate) async fn wait(mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends by itself").unwrap()
    }
}

/// The clock that a server on a fast clock is told to have, seen from outside. The server's own is behind it by no more
/// than it took to start.
pub(crate) struct FastClock {
    from: Timestamp,
    begun: Instant,
    speed: f64,
}

impl FastClock {
    /// Begins to run.
    pub(crate) fn new(from: Timestamp, speed: f64) -> Self {
        Self { from, begun: Instant::now(), speed }
    }

    /// What it says.
    pub(crate) fn now(&self) -> Timestamp {
        self.from + self.begun.elapsed().mul_f64(self.speed)
    }

    /// Itself, as a server is to be started on it now.
    pub(crate) fn for_a_server(&self) -> Option<(Timestamp, f64)> {
        Some((self.now(), self.speed))
    }

    /// What passes on it while so much time passes.
    pub(crate) fn stretch(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.speed)
    }
}

/// The machine's clock, by which the receiver notes arrivals.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// So much earlier.
pub(crate) fn before(at: Timestamp, duration: Duration) -> Timestamp {
    Timestamp::from_micros(at.micros() - i64::try_from(duration.as_micros()).unwrap())
}

/// Lets time pass for processes that run in it.
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Chance that a seed repeats (splitmix64).
#[derive(Clone)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Any number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw() % bound as u64).unwrap()
    }

    /// A number of milliseconds up to this one.
    pub(crate) fn up_to_ms(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.draw() % (most * 1_000 + 1))
    }
}

fn free_address() -> SocketAddr {
    let mut chance = Chance(u64::from(std::process::id()) ^ wall().micros().unsigned_abs());
    loop {
        let port = PORTS.start + u16::try_from(chance.below(PORTS.len())).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
