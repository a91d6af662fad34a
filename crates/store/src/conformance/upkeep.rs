//! Promises about retention, erasure, the heartbeat, backup and the end.

use std::path::PathBuf;

use domain::{ids::UserId, time::Timestamp, vehicle::RowChange};

use super::fixture::{Fixture, at, later};
use crate::{DeliveryFilter, Kept, LogStatus, Retention, Store, StoreError, VehicleFilter, WebhookChange};

fn everything_before(moment: Timestamp, limit: usize) -> Retention {
    Retention {
        observations_before: moment,
        log_before: moment,
        roll_ups_before: moment,
        tokens_before: moment,
        limit,
    }
}

pub async fn retention_deletes_what_is_old_and_nothing_else(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let user = UserId(fixture.uuid());
    for (number, moment) in [(1, at(100)), (2, at(500))] {
        let event = fixture.queue(vehicle, webhook, moment).await;
        fixture.end(webhook, moment, &[event], LogStatus::Delivered, moment).await;
        store.grant_token([number; 32], fixture.application, user, moment).await.expect("keeps");
        let kept = Kept { request: [number; 32], status: 200, body: vec![] };
        store.keep(format!("key {number}"), kept, moment).await.expect("keeps");
    }
    let waiting = fixture.queue(vehicle, webhook, at(500)).await;

    let retired = store.retire(everything_before(at(300), 100)).await.expect("retires");
    assert_eq!((retired.rows, retired.more), (5, false));
    let log = store.list_deliveries(DeliveryFilter::default(), 9).await.expect("lists").items;
    assert_eq!(log.iter().map(|row| row.ended_at).collect::<Vec<_>>(), [at(500)]);
    let seen = store.observations(vehicle, None, 9).await.expect("reads");
    assert_eq!(seen.iter().map(|(_, taken_at, _)| *taken_at).collect::<Vec<_>>(), [at(500), at(500)]);
    assert_eq!(store.roll_ups(vec![], at(0), later()).await.expect("reads").len(), 1);
    assert_eq!(store.token([1; 32]).await.expect("reads"), None);
    assert!(store.token([2; 32]).await.expect("reads").is_some());
    assert_eq!(store.kept("key 1".into()).await.expect("reads"), None);
    assert!(store.kept("key 2".into()).await.expect("reads").is_some());
    assert_eq!(fixture.waiting_numbers(webhook).await, [waiting]);
    assert_eq!(store.retire(everything_before(at(300), 100)).await.expect("retires").rows, 0);
}

pub async fn retention_deletes_a_bounded_number_at_a_time(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    for second in 0..5 {
        let event = fixture.queue(vehicle, webhook, at(second)).await;
        fixture.end(webhook, at(second), &[event], LogStatus::Delivered, at(600 * second)).await;
    }
    let mut passes = Vec::new();
    loop {
        let retired = store.retire(everything_before(later(), 2)).await.expect("retires");
        passes.push(retired.rows);
        if !retired.more {
            break;
        }
    }
    assert_eq!(passes, [6, 6, 3], "observations, log and roll-ups, two at a time");
    assert!(store.list_deliveries(DeliveryFilter::default(), 9).await.expect("lists").items.is_empty());
    assert!(store.roll_ups(vec![], at(-60), later()).await.expect("reads").is_empty());
}

pub async fn an_event_outlives_its_observation(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let (ended, waiting) =
        (fixture.queue(vehicle, webhook, at(10)).await, fixture.queue(vehicle, webhook, at(10)).await);
    fixture.end(webhook, at(10), &[ended], LogStatus::Delivered, at(500)).await;
    store.retire(everything_before(at(300), 100)).await.expect("retires");
    let queued = fixture.waiting(webhook).await.remove(0);
    assert_eq!((queued.no, queued.observed), (waiting, vec![]));
    let logged = store.delivery(ended).await.expect("reads").expect("is there");
    assert_eq!(logged.observed, None);
    assert_eq!(store.observations(vehicle, None, 9).await.expect("reads"), []);
}

pub async fn the_oldest_rows_can_be_deleted_whatever_their_age(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let mut events = Vec::new();
    for second in 0..3 {
        let event = fixture.queue(vehicle, webhook, at(second)).await;
        fixture.end(webhook, at(second), &[event], LogStatus::Delivered, at(second)).await;
        events.push(event);
    }
    let retired = store.retire_oldest(2).await.expect("retires");
    assert_eq!((retired.rows, retired.more), (4, true));
    let log = store.list_deliveries(DeliveryFilter::default(), 9).await.expect("lists").items;
    assert_eq!(log.iter().map(|row| row.event).collect::<Vec<_>>(), events[2..]);
    assert_eq!(store.observations(vehicle, None, 9).await.expect("reads").len(), 1);
    let retired = store.retire_oldest(2).await.expect("retires");
    assert_eq!((retired.rows, retired.more), (2, false));
}

pub async fn numbers_are_not_used_again(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    let observation = fixture.waiting(webhook).await[0].observation;
    fixture.end(webhook, at(10), &[event], LogStatus::Delivered, at(11)).await;
    while store.retire_oldest(100).await.expect("retires").rows > 0 {}
    fixture.change(vehicle, RowChange::Disconnect, at(12)).await;
    store.erase_vehicle(vehicle).await.expect("erases");
    let change = WebhookChange::Delete { now: at(13) };
    store.change_webhook(webhook, change).await.expect("changes").done().expect("is there");

    let (next_vehicle, next_webhook) = (fixture.vehicle().await, fixture.webhook().await.webhook.no);
    assert!(next_vehicle > vehicle && next_webhook > webhook);
    assert!(fixture.queue(next_vehicle, next_webhook, at(14)).await > event);
    assert!(fixture.waiting(next_webhook).await[0].observation > observation);
}

pub async fn an_erased_vehicle_leaves_its_place_in_the_log_and_nothing_else(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let (connected, disconnected, other) =
        (fixture.vehicle().await, fixture.vehicle().await, fixture.vehicle().await);
    let id = store.load(vec![connected]).await.expect("loads").remove(0).expect("is there").info.id;
    for vehicle in [connected, disconnected, other] {
        fixture.subscribe(vehicle, webhook).await;
        let ended = fixture.queue(vehicle, webhook, at(10)).await;
        fixture.end(webhook, at(10), &[ended], LogStatus::Delivered, at(11)).await;
        fixture.queue(vehicle, webhook, at(12)).await;
    }
    fixture.change(disconnected, RowChange::Disconnect, at(13)).await;
    for vehicle in [connected, disconnected] {
        store.erase_vehicle(vehicle).await.expect("erases");
        assert_eq!(store.observations(vehicle, None, 9).await.expect("reads"), []);
    }
    for tombstone in store.tombstones().await.expect("lists") {
        fixture.bury(&tombstone, at(14)).await;
    }
    assert_eq!(store.load(vec![connected, disconnected]).await.expect("loads"), [None, None]);
    assert_eq!(store.find_vehicle(id).await.expect("finds"), None);
    assert_eq!(store.find_disconnected(id).await.expect("finds"), None);
    assert_eq!(store.list_vehicles(VehicleFilter::default(), 9).await.expect("lists").len(), 1);
    assert_eq!(store.count_subscriptions(webhook).await.expect("counts"), 1);
    assert_eq!(store.observations(other, None, 9).await.expect("reads").len(), 2);
    let waiting = fixture.waiting(webhook).await;
    assert_eq!(waiting.iter().map(|event| event.vehicle).collect::<Vec<_>>(), [other]);
    let log = store.list_deliveries(DeliveryFilter::default(), 9).await.expect("lists").items;
    let erased: Vec<_> = log.iter().filter(|row| row.vehicle != other).collect();
    assert_eq!(erased.len(), 4);
    assert!(
        erased.iter().all(|row| row.vehicle_id.is_none() && row.user.is_none() && row.observed.is_none())
    );
    let cancelled = erased.iter().filter(|row| row.status == LogStatus::Cancelled).count();
    assert_eq!(cancelled, 2);
}

pub async fn the_latest_heartbeat_never_goes_back(store: &dyn Store) {
    for (now, latest) in [(10, 10), (30, 30), (20, 30), (30, 30), (31, 31)] {
        assert_eq!(store.heartbeat(at(now)).await.expect("writes"), at(latest));
    }
}

pub async fn a_backup_is_a_file_that_was_not_there(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    fixture.vehicle().await;
    let to = unused_path();
    let backup = store.backup(to.clone()).await.expect("backs up");
    let bytes = std::fs::metadata(&to).expect("the file is there").len();
    let again = store.backup(to.clone()).await;
    std::fs::remove_file(&to).expect("the file is ours");
    assert_eq!((backup.path, backup.bytes), (to, bytes));
    assert!(bytes > 0);
    assert!(matches!(again, Err(StoreError::Failed(_))), "{again:?}");
}

/// A path that no other test uses: each runs on a thread of its own.
fn unused_path() -> PathBuf {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    std::env::temp_dir().join(format!("milepost-backup-{process}-{thread:?}"))
}

pub async fn a_closed_store_says_so(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    fixture.vehicle().await;
    store.close().await.expect("closes");
    let (read, write) = (store.count_vehicles(None).await, store.heartbeat(at(0)).await);
    assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
    assert!(matches!(write, Err(StoreError::Closed)), "{write:?}");
    store.close().await.expect("closing twice is no mistake");
}
