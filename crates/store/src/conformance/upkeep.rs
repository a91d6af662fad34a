//! Promises about retention, erasure, the heartbeat, backup and the end.

use std::path::PathBuf;

use domain::{ids::UserId, time::Timestamp, vehicle::RowChange};

use super::fixture::{Fixture, at, later};
use crate::{
    Ahead, DeliveryFilter, Kept, LogStatus, Retention, Store, StoreError, VehicleFilter, WebhookChange,
};

fn everything_before(moment: Timestamp, limit: usize) -> Retention {
    Retention {
        observations_before: moment,
        log_before: moment,
        roll_ups_before: moment,
        tokens_before: moment,
        now: later(),
        ahead: None,
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
        let kept = Kept { request: [number; 32], status: 200, body: vec![], event: None };
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
    let backup = store.backup(to.clone(), at(0)).await.expect("backs up");
    let bytes = std::fs::metadata(&to).expect("the file is there").len();
    let again = store.backup(to.clone(), at(0)).await;
    std::fs::remove_file(&to).expect("the file is ours");
    assert_eq!((backup.path, backup.bytes), (to, bytes));
    assert!(bytes > 0);
    assert!(matches!(again, Err(StoreError::Failed(_))), "{again:?}");
}

/// Queues and ends an event at each of these moments.
async fn delivered_at(fixture: &Fixture<'_>, moments: impl IntoIterator<Item = i64>) {
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    for moment in moments.into_iter().map(at) {
        let event = fixture.queue(vehicle, webhook, moment).await;
        fixture.end(webhook, moment, &[event], LogStatus::Delivered, moment).await;
    }
}

/// What retention leaves of the log, and how many observations, when it runs to its end.
async fn left_over(store: &dyn Store, before: i64, now: i64) -> (Vec<Timestamp>, usize) {
    let retention = Retention { now: at(now), ..everything_before(at(before), 4) };
    while store.retire(retention).await.expect("retires").rows > 0 {}
    let log = store.list_deliveries(DeliveryFilter::default(), 99).await.expect("lists").items;
    let vehicle = store.list_vehicles(VehicleFilter::default(), 1).await.expect("lists")[0].no;
    let seen = store.observations(vehicle, None, 99).await.expect("reads").len();
    (log.iter().rev().map(|row| row.ended_at).collect(), seen)
}

pub async fn rows_from_while_the_clock_was_ahead_go_with_those_after_them(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    // More rows than one pass looks at claim to be of a time that is still to come.
    let ahead = (0..20).map(|row| 900_000 + row);
    delivered_at(&fixture, (0..3).chain(ahead).chain(100..103).chain(500..503)).await;
    let (log, seen) = left_over(store, 50, 200).await;
    assert_eq!(log.len(), 26, "nothing after them is old yet");
    assert_eq!(seen, 26);
    assert_eq!(left_over(store, 300, 600).await, ((500..503).map(at).collect(), 3));
}

pub async fn rows_that_are_not_old_yet_hide_none_behind_them(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    // The clock was ahead by less than the time that rows are kept.
    delivered_at(&fixture, (400..420).chain(100..110).chain(500..503)).await;
    let (log, _) = left_over(store, 300, 600).await;
    assert_eq!(log, (400..420).chain(500..503).map(at).collect::<Vec<_>>());
    let (log, _) = left_over(store, 450, 750).await;
    assert_eq!(log, (500..503).map(at).collect::<Vec<_>>());
}

pub async fn a_clock_that_was_far_behind_for_a_moment_costs_no_rows_before_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    delivered_at(&fixture, (400..404).chain([-1_000_000]).chain(404..408)).await;
    let (log, _) = left_over(store, 300, 500).await;
    assert_eq!(log, (400..408).map(at).collect::<Vec<_>>());
}

pub async fn tokens_and_answers_from_ahead_are_set_back(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let user = UserId(fixture.uuid());
    store.grant_token([1; 32], fixture.application, user, at(900_000)).await.expect("keeps");
    store.grant_token([2; 32], fixture.application, user, at(150)).await.expect("keeps");
    let kept = Kept { request: [1; 32], status: 200, body: vec![], event: None };
    store.keep("ahead".into(), kept, at(900_000)).await.expect("keeps");
    delivered_at(&fixture, [900_000]).await;
    let ahead = Ahead { written: at(200), access: at(300), refresh: at(400), code: at(300) };
    let retention = Retention { now: at(100), ahead: Some(ahead), ..everything_before(at(0), 100) };
    store.retire(retention).await.expect("retires");
    let token =
        async |number: u8| store.token([number; 32]).await.expect("reads").map(|token| token.expires_at);
    assert_eq!((token(1).await, token(2).await), (Some(at(300)), Some(at(150))));
    assert!(store.roll_ups(vec![], at(0), later()).await.expect("reads").is_empty());
    store.retire(everything_before(at(301), 100)).await.expect("retires");
    assert_eq!(token(1).await, None);
    assert_eq!(store.kept("ahead".into()).await.expect("reads"), None);
}

pub async fn an_event_that_waits_for_long_does_not_hold_up_the_oldest_rows(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let waiting = fixture.queue(vehicle, webhook, at(0)).await;
    delivered_at(&fixture, 1..6).await;
    while store.retire_oldest(2).await.expect("retires").rows > 0 {}
    let seen = store.observations(vehicle, None, 9).await.expect("reads").len();
    assert_eq!(seen, 1, "what the event carries stays");
    assert_eq!(fixture.waiting_numbers(webhook).await, [waiting]);
    assert!(store.list_deliveries(DeliveryFilter::default(), 9).await.expect("lists").items.is_empty());
}

pub async fn a_clock_that_is_right_again_can_be_accepted(store: &dyn Store) {
    store.heartbeat(at(900_000)).await.expect("writes");
    assert_eq!(store.heartbeat(at(10)).await.expect("writes"), at(900_000));
    store.accept_clock(at(20)).await.expect("accepts");
    assert_eq!(store.heartbeat(at(15)).await.expect("writes"), at(20));
}

pub async fn an_installation_keeps_its_number(store: &dyn Store) {
    for fresh in [u64::MAX, 7] {
        assert_eq!(store.installation(fresh).await.expect("writes"), u64::MAX);
    }
}

pub async fn a_check_in_pieces_comes_to_its_end(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    delivered_at(&fixture, 0..3).await;
    assert_eq!(store.quick_check().await.expect("reads"), Vec::<String>::new());
    let (mut place, mut pieces) = (None, 0);
    loop {
        let step = store.check_next(place).await.expect("reads");
        assert_eq!(step.findings, Vec::<String>::new());
        match step.place {
            None => break,
            place_now => place = place_now,
        }
        pieces += 1;
    }
    assert!(pieces > 3, "{pieces}");
    assert_eq!(store.damage(), None);
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
