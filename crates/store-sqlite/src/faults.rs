//! Faults of disks and processes, and what the engine promises about groups of writes.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
};

use domain::{
    ids::{VehicleNo, WebhookNo},
    time::Timestamp,
};
use rusqlite::Connection;
use store::{
    Keyring, LogStatus, NewObservation, Queue, StepCommit, StepResult, StoreError, Upkeep, Vehicles,
    WrappedKey,
    conformance::fixture::{Fixture, NODE, at, lane, later},
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    Fault, FaultHook, InMemory, OpenError, Options, Point, SqliteKeyring, SqliteStore,
    error::OpError,
    open::{DATA, engine_is_new_enough},
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &TempDir) -> SqliteStore {
    SqliteStore::open(folder.path(), Options::default()).unwrap()
}

fn open_with(folder: &TempDir, faults: FaultHook) -> SqliteStore {
    SqliteStore::open(folder.path(), Options { faults: Some(faults), ..Options::default() }).unwrap()
}

/// Runs a statement on the connection that writes.
async fn pragma(store: &SqliteStore, sql: &'static str) {
    store.engine().write(move |tx| Ok(tx.execute_batch(sql)?)).await.unwrap();
}

/// A fault at the n-th time that a point is passed, counted from 1, and at no other.
fn once(point: Point, nth: usize, fault: Fault) -> FaultHook {
    let passed = AtomicUsize::new(0);
    Arc::new(move |here| (here == point && passed.fetch_add(1, Ordering::SeqCst) + 1 == nth).then_some(fault))
}

/// A vehicle with a webhook.
async fn scene(store: &SqliteStore) -> (VehicleNo, WebhookNo) {
    let fixture = Fixture::new(store).await;
    (fixture.vehicle().await, fixture.webhook().await.webhook.no)
}

/// A step that writes a document, an observation and an event, which carry the version that the step makes.
fn full_step(vehicle: VehicleNo, webhook: WebhookNo, version: u64) -> StepCommit {
    let now = at(version.cast_signed());
    StepCommit {
        vehicle,
        expected: version - 1,
        document: version.to_be_bytes().to_vec(),
        due: Some(now),
        observations: vec![NewObservation { taken_at: now, body: vec![7; 600] }],
        events: vec![store::NewEvent {
            epoch: 1,
            lane: lane(webhook),
            revision: 1,
            id: domain::ids::EventId(Uuid::from_u128(version.into())),
            slot: now,
            sequence: version,
            occasion: Vec::new(),
            observation: 0,
        }],
        lapsed: Vec::new(),
        rows: Vec::new(),
        now,
    }
}

async fn version(store: &SqliteStore, vehicle: VehicleNo) -> u64 {
    store.load(vec![vehicle]).await.unwrap()[0].as_ref().unwrap().version
}

/// What full steps wrote must be there together: document, due time, observations and events of each version.
async fn assert_whole(store: &SqliteStore, vehicle: VehicleNo, webhook: WebhookNo) -> u64 {
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let version = version(store, vehicle).await;
    let events = store.fill(lane(webhook), Timestamp::NEVER, 100_000).await.unwrap();
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (2..=version).collect::<Vec<_>>());
    let observations = store.observations(vehicle, None, 100_000).await.unwrap();
    assert_eq!(observations.len(), sequences.len());
    version
}

#[tokio::test]
async fn fault_a3_a_crash_at_any_commit_leaves_whole_steps_in_memory() {
    for point in [Point::BeforeCommit, Point::AfterCommit] {
        for nth in 1..=5 {
            let memory = InMemory::new().unwrap();
            let store = SqliteStore::on(&memory).unwrap();
            let (vehicle, webhook) = scene(&store).await;
            memory.set_faults(Some(once(point, nth, Fault::Crash)));
            let acknowledged = step_until_it_ends(&store, vehicle, webhook).await;
            memory.set_faults(None);
            let store = SqliteStore::on(&memory).unwrap();
            let written = assert_whole(&store, vehicle, webhook).await;
            assert_eq!(written, acknowledged + u64::from(point == Point::AfterCommit));
            assert_eq!(acknowledged, nth as u64, "version 1 is the link");
        }
    }
}

#[tokio::test]
async fn fault_a3_a_crash_at_any_commit_leaves_whole_steps_in_a_file() {
    for point in [Point::BeforeCommit, Point::AfterCommit] {
        for nth in 1..=5 {
            let folder = folder();
            let store = open(&folder);
            let (vehicle, webhook) = scene(&store).await;
            drop(store);
            let store = open_with(&folder, once(point, nth, Fault::Crash));
            let acknowledged = step_until_it_ends(&store, vehicle, webhook).await;
            drop(store);
            let written = assert_whole(&open(&folder), vehicle, webhook).await;
            assert_eq!(written, acknowledged + u64::from(point == Point::AfterCommit));
        }
    }
}

/// Steps a vehicle until the store is closed; answers with the last version that was acknowledged.
async fn step_until_it_ends(store: &SqliteStore, vehicle: VehicleNo, webhook: WebhookNo) -> u64 {
    for version in 2.. {
        match store.commit_steps(vec![full_step(vehicle, webhook, version)]).await {
            Ok(results) => assert!(matches!(results[0], StepResult::Committed { .. })),
            Err(StoreError::Closed) => {
                assert!(
                    matches!(store.heartbeat(at(0)).await, Err(StoreError::Closed)),
                    "a dead process stays dead"
                );
                return version - 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("a fault ends the store")
}

#[tokio::test]
async fn fault_a9_after_a_failed_sync_nothing_is_acknowledged_before_the_file_was_opened_anew() {
    let folder = folder();
    let store = open(&folder);
    let (vehicle, webhook) = scene(&store).await;
    drop(store);
    let store = open_with(&folder, once(Point::BeforeCommit, 4, Fault::Sync));
    pragma(&store, "CREATE TEMP TABLE mark_of_the_connection (x)").await;
    for version in [2, 3] {
        store.commit_steps(vec![full_step(vehicle, webhook, version)]).await.unwrap();
    }
    let failed = store.commit_steps(vec![full_step(vehicle, webhook, 4)]).await;
    assert!(matches!(failed, Err(StoreError::Disk(_))), "{failed:?}");
    assert_eq!(version(&store, vehicle).await, 3);

    store.commit_steps(vec![full_step(vehicle, webhook, 4)]).await.unwrap();
    assert_eq!(assert_whole(&store, vehicle, webhook).await, 4);
    let marks = |tx: &crate::engine::Tx<'_>| {
        Ok(tx.query_row("SELECT count(*) FROM temp.sqlite_schema", [], |row| row.get(0))?)
    };
    let marks: u32 = store.engine().write(marks).await.unwrap();
    assert_eq!(marks, 0, "the connection that could not sync is gone");
    drop(store);
    assert_eq!(assert_whole(&open(&folder), vehicle, webhook).await, 4);
}

#[tokio::test]
async fn fault_a10_a_panic_in_a_write_ends_the_store_and_frees_the_folder() {
    let folder = folder();
    let store = open(&folder);
    let (vehicle, webhook) = scene(&store).await;
    let ended = store
        .engine()
        .write(move |tx| {
            tx.execute("DELETE FROM document", [])?;
            if tx.changes() > 0 {
                panic!("an invariant does not hold");
            }
            Ok(())
        })
        .await;
    assert!(matches!(ended, Err(StoreError::Closed)), "{ended:?}");
    assert!(matches!(store.heartbeat(at(0)).await, Err(StoreError::Closed)));
    drop(store);
    assert_eq!(assert_whole(&open(&folder), vehicle, webhook).await, 1);
}

#[tokio::test]
async fn fault_a12_a_newer_schema_is_refused_and_left_alone() {
    let folder = folder();
    drop(open(&folder));
    let raw = Connection::open(folder.path().join(DATA.file)).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let refused = SqliteStore::open(folder.path(), Options::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 99, .. }));
    assert!(refused.to_string().contains("schema 99"), "{refused}");
    let raw = Connection::open(folder.path().join(DATA.file)).unwrap();
    let version: u32 = raw.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[tokio::test]
async fn fault_b6_a_full_database_refuses_new_work_and_goes_on_when_there_is_room() {
    let folder = folder();
    let store = open(&folder);
    let (vehicle, webhook) = scene(&store).await;
    pragma(&store, "PRAGMA max_page_count = 80").await;
    let written = step_until_full(&store, vehicle, webhook).await;
    assert_eq!(assert_whole(&store, vehicle, webhook).await, written, "reads are served");
    pragma(&store, "PRAGMA max_page_count = 100000").await;
    store.commit_steps(vec![full_step(vehicle, webhook, written + 1)]).await.unwrap();
    drop(store);
    assert_eq!(assert_whole(&open(&folder), vehicle, webhook).await, written + 1);
}

#[tokio::test]
async fn fault_b6_a_full_disk_refuses_new_work_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("did not run: this user may not mount a tmpfs");
        return;
    };
    let filler = disk.folder.path().join("filler");
    let store = open(&disk.folder);
    let (vehicle, webhook) = scene(&store).await;
    std::fs::write(&filler, vec![0; 4 << 20]).unwrap();
    let written = step_until_full(&store, vehicle, webhook).await;
    let mut beats = 0;
    while store.heartbeat(at(0)).await.is_ok() {
        beats += 1;
        assert!(beats < 100, "readiness notices once there is no room for a page");
    }
    assert_eq!(assert_whole(&store, vehicle, webhook).await, written, "reads are served");
    assert!(store.size().await.unwrap().free_on_disk < 64 << 10);
    std::fs::remove_file(&filler).unwrap();
    store.commit_steps(vec![full_step(vehicle, webhook, written + 1)]).await.unwrap();
    store.heartbeat(at(0)).await.unwrap();
    drop(store);
    assert_eq!(assert_whole(&open(&disk.folder), vehicle, webhook).await, written + 1);
}

/// Steps a vehicle until the store is full; answers with the last version that was written.
async fn step_until_full(store: &SqliteStore, vehicle: VehicleNo, webhook: WebhookNo) -> u64 {
    for version in 2..100_000 {
        match store.commit_steps(vec![full_step(vehicle, webhook, version)]).await {
            Ok(_) => {}
            Err(StoreError::Full) => return version - 1,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never was full")
}

/// A file system of 8 MiB in memory.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = folder();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|mount| mount.status.success());
        mounted.then_some(Self { folder })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.folder.path()).output());
    }
}

#[tokio::test]
async fn fault_b7_a_database_that_turned_read_only_acknowledges_nothing_and_is_opened_anew() {
    let folder = folder();
    let store = open(&folder);
    let (vehicle, webhook) = scene(&store).await;
    pragma(&store, "PRAGMA query_only = 1").await;
    let refused = store.commit_steps(vec![full_step(vehicle, webhook, 2)]).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    assert_eq!(assert_whole(&store, vehicle, webhook).await, 1);
    store.commit_steps(vec![full_step(vehicle, webhook, 2)]).await.unwrap();
    assert_eq!(assert_whole(&store, vehicle, webhook).await, 2);
}

#[tokio::test]
async fn fault_b10_a_long_reader_holds_up_neither_writes_nor_for_ever_the_size_of_the_log() {
    let folder = folder();
    let wal_limit = 1 << 20;
    let store = SqliteStore::open(folder.path(), Options { wal_limit, ..Options::default() }).unwrap();
    let (vehicle, webhook) = scene(&store).await;
    let reader = Connection::open(folder.path().join(DATA.file)).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let before: i64 = reader.query_row("SELECT count(*) FROM queue", [], |row| row.get(0)).unwrap();

    for version in 2..300 {
        store.commit_steps(vec![full_step(vehicle, webhook, version)]).await.unwrap();
    }
    assert!(store.size().await.unwrap().wal_bytes > wal_limit, "the size is reported");
    let still: i64 = reader.query_row("SELECT count(*) FROM queue", [], |row| row.get(0)).unwrap();
    assert_eq!((before, still), (0, 0), "the reader has its snapshot");
    drop(reader);

    store.commit_steps(vec![full_step(vehicle, webhook, 300)]).await.unwrap();
    store.heartbeat(at(0)).await.unwrap();
    assert!(store.size().await.unwrap().wal_bytes <= wal_limit);
    assert_eq!(assert_whole(&store, vehicle, webhook).await, 300);
}

#[tokio::test]
async fn fault_b11_a_second_process_is_refused_and_told_who_has_the_folder() {
    let folder = folder();
    let store = open(&folder);
    let refused = SqliteStore::open(folder.path(), Options::default()).err().unwrap();
    let expected = format!("another milepost process (pid {}) uses this data folder", std::process::id());
    assert_eq!(refused.to_string(), expected);
    store.heartbeat(at(0)).await.unwrap();
    drop(store);
    open(&folder).heartbeat(at(1)).await.unwrap();
}

#[test]
fn fault_b12_an_engine_before_3_51_3_is_refused() {
    for (number, accepted) in [(3_045_000, false), (3_051_002, false), (3_051_003, true), (3_054_001, true)] {
        assert_eq!(engine_is_new_enough(number, "3.x").is_ok(), accepted, "{number}");
    }
    assert!(engine_is_new_enough(rusqlite::version_number(), rusqlite::version()).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b13_a_backup_taken_under_load_restores_to_whole_steps() {
    let folder = folder();
    let store = Arc::new(open(&folder));
    let (vehicle, webhook) = scene(&store).await;
    // Several steps of a copy, so that the load falls between them.
    for part in 0..8 {
        let versions = (2..1_002).map(|version| full_step(vehicle, webhook, part * 1_000 + version));
        store.commit_steps(versions.collect()).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            let mut version = 8_002;
            while !stop.load(Ordering::SeqCst) {
                store.commit_steps(vec![full_step(vehicle, webhook, version)]).await.unwrap();
                version += 1;
            }
        }
    });
    let restored = tempfile::tempdir().unwrap();
    let mut backups = Vec::new();
    for round in 0..3 {
        let before = version(&store, vehicle).await;
        let to = folder.path().join(format!("backup-{round}.db"));
        store.backup(to.clone(), domain::time::Timestamp::from_secs(0)).await.unwrap();
        backups.push((before, to, version(&store, vehicle).await));
    }
    stop.store(true, Ordering::SeqCst);
    load.await.unwrap();
    assert!(backups.iter().any(|(before, _, after)| before < after), "there was load meanwhile");
    for (round, (before, backup, after)) in backups.into_iter().enumerate() {
        let place = restored.path().join(round.to_string());
        std::fs::create_dir(&place).unwrap();
        std::fs::copy(backup, place.join(DATA.file)).unwrap();
        let restored = SqliteStore::open(&place, Options::default()).unwrap();
        let version = assert_whole(&restored, vehicle, webhook).await;
        assert!((before..=after).contains(&version), "{before} <= {version} <= {after}");
    }
}

#[tokio::test]
async fn writes_that_wait_for_each_other_are_committed_together() {
    let folder = folder();
    let store = Arc::new(open(&folder));
    let before = store.size().await.unwrap();
    let go_on = hold_writer(&store).await;
    let waiting: Vec<_> = (0..100).map(|second| heartbeat(&store, second)).collect();
    all_have_asked().await;
    go_on.send(()).unwrap();
    for write in waiting {
        write.await.unwrap().unwrap();
    }
    let after = store.size().await.unwrap();
    assert_eq!((after.items - before.items, after.commits - before.commits), (101, 2));
}

#[tokio::test]
async fn a_write_that_fails_does_not_take_others_along() {
    let folder = folder();
    let store = Arc::new(open(&folder));
    let go_on = hold_writer(&store).await;
    let good = heartbeat(&store, 1);
    all_have_asked().await;
    let bad = tokio::spawn({
        let store = store.clone();
        async move {
            let work = |tx: &crate::engine::Tx<'_>| {
                tx.execute("INSERT INTO pool (name) VALUES ('half')", [])?;
                tx.execute("INSERT INTO pool (name) VALUES ('half')", []).map(drop).map_err(OpError::from)
            };
            store.engine().write(work).await
        }
    });
    all_have_asked().await;
    let also_good = heartbeat(&store, 2);
    all_have_asked().await;
    go_on.send(()).unwrap();
    assert_eq!(good.await.unwrap().unwrap(), at(1));
    assert_eq!(also_good.await.unwrap().unwrap(), at(2));
    assert!(matches!(bad.await.unwrap(), Err(StoreError::Failed(_))));
    assert_eq!(store.pools().await.unwrap(), []);
}

#[tokio::test]
async fn more_writes_than_may_wait_are_refused() {
    let folder = folder();
    let options = Options { waiting: 3, ..Options::default() };
    let store = Arc::new(SqliteStore::open(folder.path(), options).unwrap());
    let go_on = hold_writer(&store).await;
    let waiting: Vec<_> = (0..3).map(|second| heartbeat(&store, second)).collect();
    all_have_asked().await;
    assert!(matches!(store.heartbeat(at(9)).await, Err(StoreError::Busy)));
    go_on.send(()).unwrap();
    for write in waiting {
        write.await.unwrap().unwrap();
    }
    assert_eq!(store.heartbeat(at(9)).await.unwrap(), at(9));
}

#[tokio::test]
async fn a_store_that_closes_finishes_what_is_waiting() {
    let folder = folder();
    let store = Arc::new(open(&folder));
    let go_on = hold_writer(&store).await;
    let waiting: Vec<_> = (0..10).map(|second| heartbeat(&store, second)).collect();
    all_have_asked().await;
    let closed = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    all_have_asked().await;
    go_on.send(()).unwrap();
    closed.await.unwrap().unwrap();
    for write in waiting {
        write.await.unwrap().unwrap();
    }
    assert!(!folder.path().join("milepost.db-wal").exists(), "the file is complete in itself");
    assert_eq!(open(&folder).heartbeat(at(0)).await.unwrap(), at(9));
}

/// Keeps the writer in a transaction until it is told to go on.
async fn hold_writer(store: &Arc<SqliteStore>) -> mpsc::Sender<()> {
    let (here, held) = mpsc::channel();
    let (go_on, told) = mpsc::channel();
    let store = store.clone();
    tokio::spawn(async move {
        let hold = move |_: &crate::engine::Tx<'_>| {
            here.send(()).unwrap();
            told.recv().unwrap();
            Ok(())
        };
        store.engine().write(hold).await.unwrap();
    });
    all_have_asked().await;
    held.recv().unwrap();
    go_on
}

fn heartbeat(
    store: &Arc<SqliteStore>,
    second: i64,
) -> tokio::task::JoinHandle<Result<Timestamp, StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { store.heartbeat(at(second)).await })
}

/// Lets the tasks of this thread run until each waits for its answer.
async fn all_have_asked() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn numbers_are_not_used_again_after_a_restart() {
    let folder = folder();
    let store = open(&folder);
    let (vehicle, webhook) = scene(&store).await;
    store.commit_steps(vec![full_step(vehicle, webhook, 2)]).await.unwrap();
    let queued = store.fill(lane(webhook), later(), 1).await.unwrap().remove(0);
    let lease = store.lease_lane(NODE, lane(webhook), at(0), later()).await.unwrap().unwrap();
    let end = store::conformance::fixture::ended(queued.no, queued.attempt_at, LogStatus::Delivered, at(9));
    store.record(lease, vec![end]).await.unwrap();
    while store.retire_oldest(10).await.unwrap().rows > 0 {}
    drop(store);

    let store = open(&folder);
    store.commit_steps(vec![full_step(vehicle, webhook, 3)]).await.unwrap();
    let next = store.fill(lane(webhook), later(), 1).await.unwrap().remove(0);
    assert!(next.no > queued.no && next.observation > queued.observation);
}

#[tokio::test]
async fn numbers_that_were_rolled_back_are_not_missed() {
    let folder = folder();
    let store = open(&folder);
    let (vehicle, webhook) = scene(&store).await;
    let failed = store
        .engine()
        .write(|tx| {
            for _ in 0..10_000 {
                tx.events.next(tx)?;
            }
            tx.execute_batch("this is not SQL").map_err(OpError::from)
        })
        .await;
    assert!(failed.is_err());
    store.commit_steps(vec![full_step(vehicle, webhook, 2)]).await.unwrap();
    drop(store);
    let store = open(&folder);
    store.commit_steps(vec![full_step(vehicle, webhook, 3)]).await.unwrap();
    let numbers: Vec<_> =
        store.fill(lane(webhook), later(), 9).await.unwrap().into_iter().map(|event| event.no.0).collect();
    assert!(numbers[0] < numbers[1], "{numbers:?}");
}

#[tokio::test]
async fn a_lane_is_free_after_a_restart_and_its_old_epoch_is_refused() {
    let folder = folder();
    let store = open(&folder);
    let (_, webhook) = scene(&store).await;
    let before = store.lease_lane(NODE, lane(webhook), at(0), later()).await.unwrap().unwrap();
    drop(store);
    let store = open(&folder);
    let other = store::NodeId(2);
    let after = store.lease_lane(other, lane(webhook), at(1), later()).await.unwrap().unwrap();
    assert!(after.epoch > before.epoch);
    assert!(matches!(store.record(before, Vec::new()).await, Err(StoreError::LeaseLost)));
}

#[tokio::test]
async fn opening_a_database_in_memory_again_ends_the_store_before() {
    let memory = InMemory::new().unwrap();
    let first = SqliteStore::on(&memory).unwrap();
    let (vehicle, _) = scene(&first).await;
    let second = SqliteStore::on(&memory).unwrap();
    assert!(matches!(first.heartbeat(at(0)).await, Err(StoreError::Closed)));
    assert!(matches!(first.pools().await, Err(StoreError::Closed)));
    assert_eq!(version(&second, vehicle).await, 1);
}

#[tokio::test]
async fn the_same_calls_give_the_same_bytes_in_memory() {
    let folder = folder();
    let mut copies = Vec::new();
    for run in 0..2 {
        let store = SqliteStore::in_memory().unwrap();
        let (vehicle, webhook) = scene(&store).await;
        for version in 2..50 {
            store.commit_steps(vec![full_step(vehicle, webhook, version)]).await.unwrap();
        }
        let copy = store
            .backup(folder.path().join(run.to_string()), domain::time::Timestamp::from_secs(0))
            .await
            .unwrap();
        copies.push(std::fs::read(copy.path).unwrap());
    }
    assert!(copies[0] == copies[1]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = folder();
    let file = folder.path().join(DATA.file);
    std::fs::write(&file, vec![b'x'; 10_000]).unwrap();
    let refused = SqliteStore::open(folder.path(), Options::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("milepost restore"));
    assert_eq!(std::fs::read(file).unwrap(), vec![b'x'; 10_000]);
}

#[tokio::test]
async fn a_value_that_nobody_can_have_written_is_damage() {
    let store = SqliteStore::in_memory().unwrap();
    let (vehicle, _) = scene(&store).await;
    pragma(&store, "UPDATE vehicle SET powertrain = 9").await;
    let damaged = store.load(vec![vehicle]).await;
    assert!(matches!(damaged, Err(StoreError::Damaged(_))), "{damaged:?}");
}

#[tokio::test]
async fn an_erased_key_is_in_no_file_when_the_erase_is_answered() {
    let folder = folder();
    let keyring = SqliteKeyring::open(folder.path()).unwrap();
    let (erased, kept) = (b"the canary that was erased".to_vec(), b"the canary that was kept".to_vec());
    let [alice, bob] = [1, 2].map(Uuid::from_u128);
    keyring.add(vec![(alice, WrappedKey(erased.clone())), (bob, WrappedKey(kept.clone()))]).await.unwrap();
    assert!(is_in_a_file(&folder, &erased) && is_in_a_file(&folder, &kept));
    keyring.erase(alice, at(1)).await.unwrap();
    assert!(!is_in_a_file(&folder, &erased));
    assert!(is_in_a_file(&folder, &kept));
    drop(keyring);
    let keyring = SqliteKeyring::open(folder.path()).unwrap();
    assert_eq!(keyring.keys(vec![alice]).await.unwrap(), [None]);
    assert_eq!(keyring.erased().await.unwrap(), [(alice, at(1))]);
}

fn is_in_a_file(folder: &TempDir, canary: &[u8]) -> bool {
    std::fs::read_dir(folder.path()).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(canary.len()).any(|window| window == canary)
    })
}

#[tokio::test]
async fn long_tables_are_read_along_their_indexes() {
    let store = SqliteStore::in_memory().unwrap();
    let newest = "AND event < 9 ORDER BY event DESC LIMIT 5";
    for (sql, plan) in [
        (
            format!("SELECT * FROM delivery WHERE webhook = 1 {newest}"),
            "delivery_of_webhook (webhook=? AND event<?)",
        ),
        (
            format!("SELECT * FROM delivery WHERE vehicle = 1 {newest}"),
            "delivery_of_vehicle (vehicle=? AND event<?)",
        ),
        (
            format!("SELECT * FROM delivery WHERE status = 2 AND status <> 1 {newest}"),
            "delivery_in_trouble (status=? AND event<?)",
        ),
        ("SELECT no FROM vehicle WHERE user = x'00' ORDER BY no".into(), "vehicle_by_user (user=?)"),
        (
            "SELECT * FROM document WHERE pool = 1 AND due = 9 AND vehicle > 2 ORDER BY vehicle".into(),
            "document_by_due (pool=? AND due=? AND rowid>?)",
        ),
        (
            "SELECT * FROM document WHERE pool = 1 AND due > 1 AND due <= 9 ORDER BY due, vehicle".into(),
            "document_by_due (pool=? AND due>? AND due<?)",
        ),
        (
            "SELECT min(due) FROM document WHERE pool = 1 AND due > 9".into(),
            "COVERING INDEX document_by_due (pool=? AND due>?)",
        ),
    ] {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let steps = store.engine().read(move |conn| {
            let mut query = conn.prepare(&explain)?;
            Ok(query.query_map([], |row| row.get::<_, String>(3))?.collect::<Result<Vec<_>, _>>()?)
        });
        let steps = steps.await.unwrap();
        assert!(matches!(steps.as_slice(), [step] if step.contains(plan)), "{steps:?}");
    }
}
