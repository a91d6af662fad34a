//! What a process that is killed leaves behind. The test runs itself as that process.

#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use domain::{
    ids::{EventId, EventNo, VehicleNo, WebhookNo},
    time::Timestamp,
};
use milepost_store_sqlite::{Options, SqliteStore};
use store::{
    Deliveries, DeliveryFilter, LogStatus, NewEvent, NewObservation, Queue, Registry, StepCommit, StepResult,
    Upkeep, VehicleFilter, Vehicles,
    conformance::fixture::{Fixture, NODE, at, ended, lane, later},
};
use uuid::Uuid;

/// Where the process that is killed works; without it, there is no such process.
const FOLDER: &str = "MILEPOST_TEST_KILL_FOLDER";

#[tokio::test]
async fn fault_a1_what_was_acknowledged_survives_kills_one_after_another() {
    let folder = tempfile::tempdir().expect("a folder");
    make_scene(folder.path()).await;
    let mut acknowledged = Acknowledged::default();
    for round in 0..12 {
        let mut child = start(folder.path());
        // Each life is of another length, from the first writes after recovery to many groups later.
        read_until_killed(&mut child, 1 + round * round * 7, &mut acknowledged);
        assert_survived(folder.path(), &acknowledged).await;
    }
    assert!(acknowledged.version > 500, "the lives were long enough: {}", acknowledged.version);
}

async fn make_scene(folder: &Path) {
    let store = SqliteStore::open(folder, Options::default()).expect("opens");
    let fixture = Fixture::new(&store).await;
    fixture.vehicle().await;
    fixture.webhook().await;
}

/// What the process has said before it was killed.
#[derive(Default)]
struct Acknowledged {
    version: u64,
    delivered: u64,
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test runs itself")
}

/// Reads what the process acknowledges, kills it after some lines, and reads what it had still said.
fn read_until_killed(child: &mut Child, lines: u64, acknowledged: &mut Acknowledged) {
    let mut read = 0;
    let output = BufReader::new(child.stdout.take().expect("is piped"));
    for line in output.lines() {
        let line = line.expect("is text");
        let mut words = line.split_ascii_whitespace();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        match (words.next(), number(words.next())) {
            (Some("version"), Some(version)) => acknowledged.version = version,
            (Some("delivered"), Some(sequence)) => acknowledged.delivered = sequence,
            // The test harness talks too, and the last line may be torn.
            _ => continue,
        }
        read += 1;
        if read == lines {
            child.kill().expect("the process is ours");
        }
    }
    let status = child.wait().expect("the process is ours");
    assert!(!status.success() && read >= lines, "it was killed, not done: {status}, {read} lines");
}

async fn assert_survived(folder: &Path, acknowledged: &Acknowledged) {
    let store = SqliteStore::open(folder, Options::default()).expect("opens after a kill");
    assert_eq!(store.check().await.expect("checks"), Vec::<String>::new());
    let (vehicle, webhook) = scene(&store).await;
    let version = store.load(vec![vehicle]).await.expect("loads")[0].as_ref().expect("is there").version;
    assert!(version >= acknowledged.version, "{version} < {}", acknowledged.version);

    let log = store.list_deliveries(DeliveryFilter::default(), 1_000_000).await.expect("lists").items;
    assert!(log.iter().all(|row| row.status == LogStatus::Delivered));
    assert!(log.len() as u64 >= acknowledged.delivered, "{} < {}", log.len(), acknowledged.delivered);
    let waiting = store.fill(lane(webhook), Timestamp::NEVER, 1_000_000).await.expect("fills");
    let mut ids: Vec<_> = log.iter().map(|row| row.id).chain(waiting.iter().map(|event| event.id)).collect();
    ids.sort_unstable();
    let expected: Vec<_> = (2..=version).map(event_id).collect();
    assert_eq!(ids, expected, "each event is queued or ended, and never both");
    let counted: u64 = store
        .roll_ups(vec![], at(-60), later())
        .await
        .expect("reads")
        .iter()
        .map(|bucket| bucket.count)
        .sum();
    assert_eq!(counted, log.len() as u64);
}

#[tokio::test]
async fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = SqliteStore::open(folder.as_ref(), Options::default()).expect("opens after a kill");
    let (vehicle, webhook) = scene(&store).await;
    let lease =
        store.lease_lane(NODE, lane(webhook), at(0), later()).await.expect("leases").expect("is free");
    let mut version = store.load(vec![vehicle]).await.expect("loads")[0].as_ref().expect("is there").version;
    loop {
        let event = step(&store, vehicle, webhook, version).await;
        version += 1;
        say("version", version);
        let record = vec![ended(event, at(10), LogStatus::Delivered, at(11))];
        // What the life before has queued and not delivered stays queued.
        assert_eq!(store.record(lease, record).await.expect("records").moved, 1);
        let delivered: u64 = store
            .roll_ups(vec![], at(-60), later())
            .await
            .expect("reads")
            .iter()
            .map(|bucket| bucket.count)
            .sum();
        say("delivered", delivered);
    }
}

async fn step(store: &SqliteStore, vehicle: VehicleNo, webhook: WebhookNo, version: u64) -> EventNo {
    let commit = StepCommit {
        vehicle,
        expected: version,
        document: vec![3; 900],
        due: Some(at(version.cast_signed())),
        observations: vec![NewObservation { taken_at: at(10), body: vec![7; 600] }],
        events: vec![NewEvent {
            epoch: 1,
            lane: lane(webhook),
            revision: 1,
            id: event_id(version + 1),
            slot: at(10),
            sequence: version,
            occasion: Vec::new(),
            observation: 0,
        }],
        lapsed: Vec::new(),
        rows: Vec::new(),
        now: at(10),
    };
    match store.commit_steps(vec![commit]).await.expect("commits").remove(0) {
        StepResult::Committed { events, .. } => events[0].expect("the webhook delivers"),
        other => panic!("nobody else steps this vehicle: {other:?}"),
    }
}

fn event_id(version: u64) -> EventId {
    EventId(Uuid::from_u128(version.into()))
}

/// The one vehicle and the one webhook.
async fn scene(store: &SqliteStore) -> (VehicleNo, WebhookNo) {
    let vehicle = store.list_vehicles(VehicleFilter::default(), 1).await.expect("lists").remove(0).no;
    let webhook = store.webhooks().await.expect("lists").remove(0).webhook.no;
    (vehicle, webhook)
}

/// Says something at once: the next instruction may be the last.
fn say(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {number}").and_then(|()| out.flush()).expect("somebody reads");
}
