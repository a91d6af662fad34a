//! Measures the layout of the store: what `docs/adr/0001-store-layout.md` decides by.
//!
//! ```text
//! cargo run --release -p milepost-store-sqlite --example layout [DOCUMENTS [EVENTS]]
//! ```
//!
//! First, documents of 1 KB (a million by default) are rewritten with a new due time, in batches of 256: in key order and
//! in random order, with the due time in an indexed column and in a narrow table of its own. Then events (300,000 by
//! default) go through the store itself, from the step's commit to the record of their delivery. Each figure is the
//! median of three runs. The files are made in a folder of the system's temporary directory and removed.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use domain::{
    ids::{EventId, EventNo, PoolNo, VehicleNo, WebhookNo},
    time::Timestamp,
};
use milepost_store_sqlite::{Options, SqliteStore};
use rusqlite::{Connection, OpenFlags, params};
use store::{
    ClaimDue, LaneLease, LogStatus, NewEvent, NewObservation, Queue, StepCommit, StepResult, Upkeep,
    Vehicles,
    conformance::fixture::{Fixture, at, ended, lane},
};
use uuid::Uuid;

const BATCH: usize = 256;
const RUNS: usize = 3;
/// What a document of 30 signals takes.
const DOCUMENT: usize = 1_024;
/// What an observation of 20 signals takes, sealed.
const OBSERVATION: usize = 600;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<i64>());
    let documents = arguments.next().transpose().context("DOCUMENTS is a number")?.unwrap_or(1_000_000);
    let events = arguments.next().transpose().context("EVENTS is a number")?.unwrap_or(300_000);
    if documents < 10_000 || events < 10_000 {
        bail!("fewer than 10,000 say nothing");
    }
    print_machine();

    println!(
        "\n| due time in | order | updates/s | KB written each | µs of CPU each |\n| --- | --- | --- | --- | --- |"
    );
    let updates = usize::try_from(documents)? / 5;
    for due in [Due::Column, Due::Table] {
        for order in [Order::Random, Order::Key] {
            let cost = measure_documents(documents, due, order)?;
            let (rate, kb) = (cost.per_second(updates), cost.written_per(updates) / 1_000.0);
            println!("| {due:?} | {order:?} | {rate:.0} | {kb:.1} | {:.1} |", cost.cpu_micros_per(updates));
        }
    }
    measure_store(usize::try_from(events)?).await
}

/// Where a due time stands.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// In an indexed column of the document.
    Column,
    /// In a narrow table keyed by it.
    Table,
}

/// In which order documents are rewritten.
#[derive(Clone, Copy, Debug)]
enum Order {
    Random,
    Key,
}

/// Rewrites a fifth of the documents in each run.
fn measure_documents(documents: i64, due: Due, order: Order) -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let mut conn = open(&folder.path().join("documents.db"))?;
    conn.execute_batch(match due {
        Due::Column => {
            "CREATE TABLE document (vehicle INTEGER PRIMARY KEY, due INTEGER NOT NULL, body BLOB NOT NULL);
             CREATE INDEX by_due ON document (due)"
        }
        Due::Table => {
            "CREATE TABLE document (vehicle INTEGER PRIMARY KEY, due INTEGER NOT NULL, body BLOB NOT NULL);
             CREATE TABLE due (due INTEGER, vehicle INTEGER, PRIMARY KEY (due, vehicle)) WITHOUT ROWID"
        }
    })?;
    let (first_slot, next_slot) = (1_750_000_000_000_000, 1_750_003_600_000_000);
    let keys: Vec<i64> = match order {
        Order::Key => (0..documents).collect(),
        Order::Random => scattered(documents),
    };
    let body = vec![1_u8; DOCUMENT];
    for part in (0..documents).collect::<Vec<_>>().chunks(10_000) {
        let tx = conn.transaction()?;
        for &vehicle in part {
            tx.prepare_cached("INSERT INTO document VALUES (?1, ?2, ?3)")?
                .execute(params![vehicle, first_slot, body])?;
            if let Due::Table = due {
                tx.prepare_cached("INSERT INTO due VALUES (?1, ?2)")?.execute([first_slot, vehicle])?;
            }
        }
        tx.commit()?;
    }
    empty_wal(&conn)?;

    let mut runs = Vec::new();
    for part in keys.chunks(keys.len() / 5).take(RUNS) {
        let measure = Measure::start();
        for batch in part.chunks(BATCH) {
            rewrite(&mut conn, batch, due, (first_slot, next_slot), &body)?;
        }
        empty_wal(&conn)?;
        runs.push(measure.stop());
    }
    Ok(median(runs))
}

fn rewrite(conn: &mut Connection, batch: &[i64], due: Due, slots: (i64, i64), body: &[u8]) -> Result<()> {
    let tx = conn.transaction()?;
    for &vehicle in batch {
        tx.prepare_cached("UPDATE document SET due = ?2, body = ?3 WHERE vehicle = ?1")?
            .execute(params![vehicle, slots.1, body])?;
        if let Due::Table = due {
            tx.prepare_cached("DELETE FROM due WHERE due = ?1 AND vehicle = ?2")?
                .execute([slots.0, vehicle])?;
            tx.prepare_cached("INSERT INTO due VALUES (?1, ?2)")?.execute([slots.1, vehicle])?;
        }
    }
    Ok(tx.commit()?)
}

/// The numbers below a bound, each once, in an order without locality.
fn scattered(bound: i64) -> Vec<i64> {
    let mut numbers: Vec<i64> = (0..bound).collect();
    numbers.sort_by_cached_key(|&number| Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes()));
    numbers
}

/// A connection with the settings of the store's writer.
fn open(path: &Path) -> Result<Connection> {
    let conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "wal_autocheckpoint", 4_096)?;
    conn.pragma_update(None, "cache_size", -65_536)?;
    Ok(conn)
}

fn empty_wal(conn: &Connection) -> Result<()> {
    Ok(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Puts events through the store and prints what they cost.
async fn measure_store(events: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path(), Options::default())?;
    let per_run = events / RUNS / BATCH * BATCH;
    let mut scene = Scene::new(&store, per_run).await?;
    let before = sizes(folder.path())?;

    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let measure = Measure::start();
        // As in the server: while a batch is recorded, the next one is committed, often in the same transaction.
        let mut queued = Vec::new();
        for _ in 0..per_run / BATCH {
            let steps = scene.steps();
            let (next, recorded) = tokio::join!(scene.commit(steps), scene.record(&queued));
            recorded?;
            queued = next?;
        }
        scene.record(&queued).await?;
        runs.push(measure.stop());
    }
    let cost = median(runs);
    println!("\nevents from commit to delivered, in batches of {BATCH}: {:.0}/s", cost.per_second(per_run));
    let (written, cpu) = (cost.written_per(per_run), cost.cpu_micros_per(per_run));
    println!("each: {written:.0} bytes written, {cpu:.1} µs of CPU on both sides of the store");
    let cost = scene.claim_all().await?;
    println!("due vehicles, claimed {BATCH} at a time: {:.0}/s", cost.per_second(per_run));

    let ended = (per_run * RUNS) as f64;
    let after = sizes(folder.path())?;
    println!("\n| kept per delivered event | bytes |\n| --- | --- |");
    let mut total = 0.0;
    for name in ["observation", "delivery", "delivery_of_webhook", "delivery_of_vehicle", "roll_up"] {
        let bytes = (size(&after, name) - size(&before, name)) / ended;
        total += bytes;
        println!("| {name} | {bytes:.0} |");
    }
    println!("| all | {total:.0} |");
    println!("| of these, sealed observation | {OBSERVATION} |");

    for _ in 0..per_run / BATCH {
        let steps = scene.steps();
        scene.commit(steps).await?;
    }
    let waiting = (size(&sizes(folder.path())?, "queue") - size(&after, "queue")) / per_run as f64;
    println!("\nkept per waiting event, besides its observation: {waiting:.0} bytes");
    store.close().await?;
    Ok(())
}

/// A fleet whose vehicles are stepped in the order of their numbers.
struct Scene<'a> {
    store: &'a SqliteStore,
    pool: PoolNo,
    webhook: WebhookNo,
    lease: LaneLease,
    /// With the versions of their documents.
    vehicles: Vec<(VehicleNo, u64)>,
    next: usize,
    made: u64,
}

impl<'a> Scene<'a> {
    async fn new(store: &'a SqliteStore, vehicles: usize) -> Result<Self> {
        let fixture = Fixture::new(store).await;
        let webhook = fixture.webhook().await.webhook.no;
        let mut links = Vec::new();
        for _ in 0..vehicles {
            let mut link = fixture.new_link(domain::ids::UserId(fixture.uuid()));
            link.document = vec![1; DOCUMENT];
            links.push(link);
        }
        let vehicles = store.link(links).await?.into_iter().map(|no| (no, 1)).collect();
        let lease = fixture.lease(webhook).await;
        Ok(Self { store, pool: fixture.pool, webhook, lease, vehicles, next: 0, made: 0 })
    }

    /// A batch of steps with an observation and an event each.
    fn steps(&mut self) -> Vec<StepCommit> {
        let mut commits = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            self.made += 1;
            let now = at((self.made / 1_000).cast_signed());
            let place = self.next;
            self.next = (self.next + 1) % self.vehicles.len();
            let (vehicle, version) = &mut self.vehicles[place];
            commits.push(StepCommit {
                vehicle: *vehicle,
                expected: *version,
                document: vec![1; DOCUMENT],
                // All at one moment, as in a slot: the hardest case for a claim that goes on.
                due: Some(at(1_000_000 + version.cast_signed())),
                observations: vec![NewObservation { taken_at: now, body: vec![2; OBSERVATION] }],
                events: vec![NewEvent {
                    epoch: 1,
                    lane: lane(self.webhook),
                    revision: 1,
                    id: EventId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.made.to_be_bytes())),
                    slot: now,
                    sequence: *version,
                    occasion: Vec::new(),
                    observation: 0,
                }],
                lapsed: Vec::new(),
                rows: Vec::new(),
                now,
            });
            *version += 1;
        }
        commits
    }

    /// Commits steps; answers with where their events wait.
    async fn commit(&self, commits: Vec<StepCommit>) -> Result<Vec<(EventNo, Timestamp)>> {
        let moments: Vec<Timestamp> = commits.iter().map(|commit| commit.now).collect();
        let mut queued = Vec::with_capacity(BATCH);
        for (result, now) in self.store.commit_steps(commits).await?.into_iter().zip(moments) {
            let StepResult::Committed { events, .. } = result else { bail!("a step was not committed") };
            queued.extend(events.into_iter().flatten().map(|event| (event, now)));
        }
        Ok(queued)
    }

    /// Claims every vehicle, each claim going on after the one before.
    async fn claim_all(&self) -> Result<Cost> {
        let measure = Measure::start();
        let (mut claimed, mut after) = (0, None);
        loop {
            let pool = self.pool;
            let claim = ClaimDue { pool, now: Timestamp::NEVER, after, limit: BATCH, lease: Duration::ZERO };
            let due = self.store.claim_due(claim).await?;
            let Some(last) = due.last() else { break };
            after = Some((last.due, last.vehicle.no));
            claimed += due.len();
        }
        if claimed != self.vehicles.len() {
            bail!("{claimed} vehicles were due");
        }
        Ok(measure.stop())
    }

    /// Records that events were delivered at the first attempt.
    async fn record(&self, queued: &[(EventNo, Timestamp)]) -> Result<()> {
        let records = queued
            .iter()
            .map(|&(event, now)| {
                let mut record = ended(event, now, LogStatus::Delivered, now);
                record.attempts = vec![3; 24];
                record
            })
            .collect();
        let recorded = self.store.record(self.lease, records).await?;
        if recorded.moved != queued.len() {
            bail!("{} events were not in the queue", recorded.absent);
        }
        Ok(())
    }
}

/// Bytes of each table and index.
fn sizes(folder: &Path) -> Result<Vec<(String, f64)>> {
    let conn = Connection::open_with_flags(folder.join("milepost.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut query = conn.prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")?;
    let sizes = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as f64)))?;
    Ok(sizes.collect::<rusqlite::Result<_>>()?)
}

fn size(sizes: &[(String, f64)], name: &str) -> f64 {
    sizes.iter().find(|(known, _)| known == name).map_or(0.0, |(_, bytes)| *bytes)
}

/// What something has cost.
#[derive(Clone, Copy)]
struct Cost {
    took: Duration,
    /// Bytes that the process has had written to disks.
    written: f64,
    /// Seconds of CPU on all threads: other processes disturb it less than the time.
    cpu: f64,
}

impl Cost {
    fn per_second(&self, things: usize) -> f64 {
        things as f64 / self.took.as_secs_f64()
    }

    fn written_per(&self, things: usize) -> f64 {
        self.written / things as f64
    }

    fn cpu_micros_per(&self, things: usize) -> f64 {
        self.cpu * 1e6 / things as f64
    }
}

/// A measurement under way.
struct Measure {
    at: Instant,
    written: u64,
    cpu: f64,
}

impl Measure {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures how long things take")]
    fn start() -> Self {
        Self { written: bytes_written(), cpu: cpu_seconds(), at: Instant::now() }
    }

    fn stop(self) -> Cost {
        Cost {
            took: self.at.elapsed(),
            written: (bytes_written() - self.written) as f64,
            cpu: cpu_seconds() - self.cpu,
        }
    }
}

/// What the process has had written to disks so far.
fn bytes_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0)
}

/// Seconds of CPU that the process has used so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in brackets, may contain anything; user and system time are the 12th and 13th field after it.
    let ticks = stat.rsplit_once(')').map_or(0, |(_, fields)| {
        fields.split_ascii_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    });
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// The run that took the median time.
fn median(mut runs: Vec<Cost>) -> Cost {
    runs.sort_by_key(|run| run.took);
    runs[runs.len() / 2]
}

fn print_machine() {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |m| m.1);
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit =
        commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    println!(
        "{model}, {count} CPUs; SQLite {}; commit {commit}; medians of {RUNS} runs",
        rusqlite::version()
    );
}
