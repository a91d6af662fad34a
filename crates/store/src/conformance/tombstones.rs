//! Promises about what must not leave any more.

use domain::{ids::WebhookNo, vehicle::RowChange, webhook::Disabled};

use super::{
    fixture::{Fixture, at, lane, retried},
    vehicles::{grant, queued},
};
use crate::{LogStatus, Scope, Store, SwitchedOff, Tombstone, Unsendable, WebhookChange};

async fn switch_off(store: &dyn Store, webhook: WebhookNo) -> Tombstone {
    let since = SwitchedOff { at: at(20), status: None, failure: None };
    let change = WebhookChange::Disable { why: Disabled::Operator, since };
    let changed = store.change_webhook(webhook, change).await.expect("changes").done();
    changed.expect("is there").1.expect("what is queued is covered")
}

pub async fn a_webhook_that_is_switched_off_drops_what_is_queued(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (off, on) = (fixture.webhook().await.webhook.no, fixture.webhook().await.webhook.no);
    let vehicle = fixture.vehicle().await;
    let first = queued(&fixture, vehicle, &[off, on], 10).await;
    let later_due = fixture.queue(vehicle, off, at(10)).await;
    let lease = fixture.lease(off).await;
    store.record(lease, vec![retried(later_due, at(10), at(90))]).await.expect("records");

    let tombstone = switch_off(store, off).await;
    assert!(tombstone.up_to >= later_due);
    fixture.bury(&tombstone, at(21)).await;
    assert_eq!(store.tombstones().await.expect("lists"), []);
    assert_eq!(fixture.end_of(first[0]).await, Some(LogStatus::Dropped));
    assert_eq!(fixture.waiting_numbers(off).await, []);
    assert_eq!(fixture.waiting_numbers(on).await, [first[1]]);
    let logged = store.delivery(later_due).await.expect("reads").expect("is there");
    assert_eq!((logged.status, logged.ended_at), (LogStatus::Dropped, at(21)));
    let attempts = (logged.attempt_count, logged.http_status, logged.took_ms, logged.attempts.as_slice());
    assert_eq!(attempts, (2, 200, 30, b"attempts".as_slice()), "the attempts before stay on record");
    assert!(store.bury(tombstone.no, at(22), 100).await.expect("answers"), "what is done stays done");
}

pub async fn an_unsubscribed_vehicle_cancels_what_is_queued_for_that_webhook(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (left, kept) = (fixture.webhook().await.webhook.no, fixture.webhook().await.webhook.no);
    let (vehicle, other) = (fixture.vehicle().await, fixture.vehicle().await);
    fixture.subscribe(vehicle, left).await;
    let mine = queued(&fixture, vehicle, &[left, kept], 10).await;
    let others = queued(&fixture, other, &[left, kept], 10).await;

    let tombstone =
        fixture.change(vehicle, RowChange::Unsubscribe { webhook: left }, at(20)).await.expect("is written");
    fixture.bury(&tombstone, at(21)).await;
    assert_eq!(fixture.end_of(mine[0]).await, Some(LogStatus::Cancelled));
    assert_eq!(fixture.waiting_numbers(left).await, [others[0]]);
    assert_eq!(fixture.waiting_numbers(kept).await, [mine[1], others[1]]);
}

pub async fn a_narrowed_permission_cancels_what_is_queued_of_the_vehicle(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhooks = [fixture.webhook().await.webhook.no, fixture.webhook().await.webhook.no];
    let (vehicle, other) = (fixture.vehicle().await, fixture.vehicle().await);
    let mine = queued(&fixture, vehicle, &webhooks, 10).await;
    let others = queued(&fixture, other, &webhooks, 10).await;

    let tombstone = grant(&fixture, vehicle, true).await.expect("one is written");
    assert_eq!((tombstone.scope, tombstone.ends_as), (Scope::Vehicle(vehicle), LogStatus::Cancelled));
    fixture.bury(&tombstone, at(21)).await;
    for (at, webhook) in webhooks.into_iter().enumerate() {
        assert_eq!(fixture.end_of(mine[at]).await, Some(LogStatus::Cancelled));
        assert_eq!(fixture.waiting_numbers(webhook).await, [others[at]]);
    }
}

pub async fn a_widened_permission_cancels_nothing(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let vehicle = fixture.vehicle().await;
    assert_eq!(grant(&fixture, vehicle, false).await, None);
    assert_eq!(store.tombstones().await.expect("lists"), []);
}

pub async fn a_disconnect_cancels_what_is_queued_of_the_vehicle(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let (vehicle, other) = (fixture.vehicle().await, fixture.vehicle().await);
    let mine = fixture.queue(vehicle, webhook, at(10)).await;
    let others = fixture.queue(other, webhook, at(10)).await;
    let tombstone = fixture.change(vehicle, RowChange::Disconnect, at(20)).await.expect("is written");
    fixture.bury(&tombstone, at(21)).await;
    assert_eq!(fixture.end_of(mine).await, Some(LogStatus::Cancelled));
    assert_eq!(fixture.waiting_numbers(webhook).await, [others]);
}

pub async fn a_tombstone_does_not_cover_what_comes_after_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    fixture.subscribe(vehicle, webhook).await;
    let before = fixture.queue(vehicle, webhook, at(10)).await;
    let tombstones = [
        fixture.change(vehicle, RowChange::Unsubscribe { webhook }, at(20)).await.expect("is written"),
        switch_off(store, webhook).await,
        grant(&fixture, vehicle, true).await.expect("is written"),
    ];
    store.change_webhook(webhook, WebhookChange::Enable).await.expect("is switched on");
    fixture.subscribe(vehicle, webhook).await;
    let after = fixture.queue(vehicle, webhook, at(21)).await;
    for tombstone in &tombstones {
        assert!(before <= tombstone.up_to && tombstone.up_to < after);
        fixture.bury(tombstone, at(22)).await;
    }
    assert_eq!(fixture.end_of(before).await, Some(LogStatus::Cancelled), "the first tombstone decides");
    assert_eq!(fixture.waiting_numbers(webhook).await, [after]);
}

pub async fn a_sweep_of_a_tombstone_looks_at_a_bounded_number_of_events(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (full, off) = (fixture.webhook().await.webhook.no, fixture.webhook().await.webhook.no);
    let (vehicle, other) = (fixture.vehicle().await, fixture.vehicle().await);
    for second in 0..5 {
        fixture.queue(other, full, at(second)).await;
        fixture.queue(vehicle, full, at(second)).await;
    }
    let elsewhere = fixture.queue(vehicle, off, at(10)).await;
    let tombstone = grant(&fixture, vehicle, true).await.expect("is written");
    let mut passes = 0;
    let mut left = 11;
    loop {
        passes += 1;
        let done = store.bury(tombstone.no, at(21), 3).await.expect("goes on");
        let now_left = fixture.waiting(full).await.len() + fixture.waiting(off).await.len();
        assert!(left - now_left <= 3);
        left = now_left;
        assert_eq!(store.tombstones().await.expect("lists").is_empty(), done);
        if done {
            break;
        }
    }
    assert!((4..=5).contains(&passes), "{passes} passes of 3 for 11 events");
    assert_eq!(left, 5);
    assert_eq!(fixture.end_of(elsewhere).await, Some(LogStatus::Cancelled));
    assert!(fixture.waiting(full).await.iter().all(|event| event.vehicle == other));
}

pub async fn a_retry_that_moves_towards_the_front_is_still_swept(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let (vehicle, other) = (fixture.vehicle().await, fixture.vehicle().await);
    for second in 0..3 {
        fixture.queue(other, webhook, at(second)).await;
    }
    let event = fixture.queue(vehicle, webhook, at(50)).await;
    let tombstone = grant(&fixture, vehicle, true).await.expect("is written");
    assert!(!store.bury(tombstone.no, at(21), 3).await.expect("goes on"));
    // The wall clock went back while the attempt was under way.
    let lease = fixture.lease(webhook).await;
    store.record(lease, vec![retried(event, at(50), at(1))]).await.expect("records");
    fixture.bury(&tombstone, at(22)).await;
    assert_eq!(fixture.end_of(event).await, Some(LogStatus::Cancelled));
}

pub async fn what_a_tombstone_dropped_can_be_redelivered(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    fixture.subscribe(vehicle, webhook).await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    let tombstone = switch_off(store, webhook).await;
    fixture.bury(&tombstone, at(21)).await;
    let once_more = switch_off(store, webhook).await;
    assert_eq!(fixture.redeliver(event, at(29)).await, Err(Unsendable::NotDelivering));
    store.change_webhook(webhook, WebhookChange::Enable).await.expect("changes");
    let (_, again) = fixture.redeliver(event, at(30)).await.expect("may be sent");
    fixture.bury(&once_more, at(31)).await;
    let left = store.fill(lane(webhook), at(30), 9).await.expect("fills");
    assert_eq!(left, [again], "it was queued after the tombstone was written");
}
