//! Promises about lanes and what becomes of their events.

use domain::{
    ids::{EventNo, VehicleNo},
    vehicle::RowChange,
};

use super::fixture::{Fixture, NODE, at, ended, lane, later, retried};
use crate::{
    LaneKey, LaneLease, LogStatus, NewEvent, NewObservation, NodeId, Record, Recorded, Retention, StepCommit,
    Store, StoreError,
};

const OTHER: NodeId = NodeId(2);

pub async fn a_lane_has_one_holder_until_the_lease_ends(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let lane = lane(fixture.webhook().await.webhook.no);
    let lease =
        async |node, now, until| store.lease_lane(node, lane, at(now), at(until)).await.expect("answers");
    let first = lease(NODE, 0, 10).await.expect("nobody holds it");
    assert_eq!(lease(OTHER, 5, 15).await, None);
    assert_eq!(lease(NODE, 5, 15).await, Some(first), "a renewal keeps the epoch");
    assert_eq!(lease(OTHER, 14, 24).await, None, "a renewal moves the end");
    let second = lease(OTHER, 15, 25).await.expect("the lease has ended");
    assert!(second.epoch > first.epoch);
    assert_eq!(lease(NODE, 16, 26).await, None);
    let stripe = LaneKey { stripe: 1, ..lane };
    assert!(
        store.lease_lane(NODE, stripe, at(16), at(26)).await.expect("answers").is_some(),
        "each lane by itself"
    );
}

pub async fn a_lane_that_was_given_back_is_free_at_once(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let mine = fixture.lease(webhook).await;
    store.release_lane(OTHER, mine).await.expect("answers");
    let taken = async |node| store.lease_lane(node, lane(webhook), at(1), later()).await.expect("answers");
    assert_eq!(taken(OTHER).await, None, "only the holder gives a lane back");
    store.release_lane(NODE, mine).await.expect("answers");
    let next = taken(OTHER).await.expect("it is free");
    assert!(next.epoch > mine.epoch);
    store.release_lane(NODE, mine).await.expect("answers");
    assert_eq!(taken(NODE).await, None, "a lease that has passed on is not given back");
}

pub async fn events_come_in_the_order_of_due_time_and_number_retries_among_them(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let first = fixture.queue(vehicle, webhook, at(10)).await;
    let second = fixture.queue(vehicle, webhook, at(10)).await;
    let early = fixture.queue(vehicle, webhook, at(5)).await;
    let last = fixture.queue(vehicle, webhook, at(30)).await;
    assert_eq!(fixture.waiting_numbers(webhook).await, [early, first, second, last]);

    let lease = fixture.lease(webhook).await;
    let records = vec![retried(early, at(5), at(20)), retried(first, at(10), at(30))];
    assert_eq!(store.record(lease, records).await.expect("records"), Recorded { moved: 2, absent: 0 });
    assert_eq!(fixture.waiting_numbers(webhook).await, [second, early, first, last]);
    let due = async |until, limit| -> Vec<EventNo> {
        let events = store.fill(lane(webhook), at(until), limit).await.expect("fills");
        events.into_iter().map(|event| event.no).collect()
    };
    assert_eq!(due(19, 9).await, [second]);
    assert_eq!(due(20, 9).await, [second, early]);
    assert_eq!(due(30, 3).await, [second, early, first]);
}

pub async fn an_event_comes_with_all_that_its_body_needs(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let loaded = store.load(vec![vehicle]).await.expect("loads").remove(0).expect("is there");
    let lane = LaneKey { webhook, stripe: 255 };
    let event = NewEvent { revision: 7, slot: at(-60), ..fixture.event(lane, u64::from(u32::MAX) + 1) };
    let commit = StepCommit {
        observations: vec![NewObservation { taken_at: at(10), body: b"seen".to_vec() }],
        events: vec![event.clone()],
        ..fixture.step(vehicle, at(10)).await
    };
    let no = fixture.commit(commit).await.0[0];
    let queued = store.fill(lane, at(10), 9).await.expect("fills").remove(0);
    assert_eq!((queued.no, queued.id, queued.attempt_at), (no, event.id, at(10)));
    assert_eq!((queued.vehicle, &queued.info), (vehicle, &loaded.info));
    assert_eq!((queued.application, queued.user), (loaded.application, loaded.user));
    assert_eq!((queued.revision, queued.slot, queued.sequence), (7, at(-60), event.sequence));
    assert_eq!((queued.observed.as_slice(), queued.created_at), (b"seen".as_slice(), at(10)));
    assert_eq!((queued.attempts.as_slice(), queued.redelivery), (b"".as_slice(), false));
    assert_eq!(store.observations(vehicle, None, 1).await.expect("reads")[0].0, queued.observation);
}

pub async fn a_retry_keeps_its_attempts(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    let before = fixture.waiting(webhook).await.remove(0);
    let lease = fixture.lease(webhook).await;
    store.record(lease, vec![retried(event, at(10), at(20))]).await.expect("records");
    let after = fixture.waiting(webhook).await.remove(0);
    assert_eq!(after.attempts, b"attempts");
    assert_eq!(crate::QueuedEvent { attempts: vec![], attempt_at: at(10), ..after }, before);
}

pub async fn a_lane_says_when_its_next_attempt_is_due_and_how_deep_it_is(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    assert_eq!(store.next_attempt(lane(webhook), at(0)).await.expect("answers"), None);
    assert_eq!(store.depth(lane(webhook), 9).await.expect("answers"), (0, None));
    let vehicle = fixture.vehicle().await;
    for second in [10, 20, 30] {
        fixture.queue(vehicle, webhook, at(second)).await;
    }
    assert_eq!(store.next_attempt(lane(webhook), at(10)).await.expect("answers"), Some(at(20)));
    assert_eq!(store.next_attempt(lane(webhook), at(30)).await.expect("answers"), None);
    assert_eq!(store.depth(lane(webhook), 9).await.expect("answers"), (3, Some(at(10))));
    assert_eq!(store.depth(lane(webhook), 2).await.expect("answers").0, 2);
}

pub async fn lanes_with_work_are_those_with_events(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let mut webhooks = Vec::new();
    for _ in 0..3 {
        webhooks.push(fixture.webhook().await.webhook.no);
    }
    assert_eq!(store.lanes_with_work().await.expect("lists"), []);
    let vehicle = fixture.vehicle().await;
    let first = fixture.queue(vehicle, webhooks[0], at(10)).await;
    fixture.queue(vehicle, webhooks[2], at(10)).await;
    fixture.queue(vehicle, webhooks[2], at(11)).await;
    assert_eq!(store.lanes_with_work().await.expect("lists"), [lane(webhooks[0]), lane(webhooks[2])]);
    fixture.end(webhooks[0], at(10), &[first], LogStatus::Failed, at(12)).await;
    assert_eq!(store.lanes_with_work().await.expect("lists"), [lane(webhooks[2])]);
}

pub async fn an_event_is_recorded_once(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let (first, second) =
        (fixture.queue(vehicle, webhook, at(10)).await, fixture.queue(vehicle, webhook, at(10)).await);
    let lease = fixture.lease(webhook).await;
    let delivered = ended(first, at(10), LogStatus::Delivered, at(11));
    let records = vec![
        delivered.clone(),
        delivered.clone(),
        ended(EventNo(999_999), at(10), LogStatus::Failed, at(11)),
    ];
    assert_eq!(store.record(lease, records).await.expect("records"), Recorded { moved: 1, absent: 2 });
    let again: Vec<Record> = vec![delivered, retried(first, at(10), at(20)), retried(second, at(9), at(20))];
    assert_eq!(store.record(lease, again).await.expect("records"), Recorded { moved: 0, absent: 3 });
    assert_eq!(fixture.waiting_numbers(webhook).await, [second]);
    assert_eq!(fixture.end_of(first).await, Some(LogStatus::Delivered));
    let buckets = store.roll_ups(vec![], at(-60), at(600)).await.expect("reads");
    assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 1);
}

pub async fn a_stale_epoch_is_refused(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    let record =
        async |lease| store.record(lease, vec![ended(event, at(10), LogStatus::Delivered, at(11))]).await;
    let nobodys = record(LaneLease { lane: lane(webhook), epoch: 1 }).await;
    assert!(matches!(nobodys, Err(StoreError::LeaseLost)), "{nobodys:?}");

    let mine =
        store.lease_lane(NODE, lane(webhook), at(0), at(10)).await.expect("answers").expect("it is free");
    let theirs =
        store.lease_lane(OTHER, lane(webhook), at(10), at(20)).await.expect("answers").expect("it has ended");
    let stale = record(mine).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    assert_eq!((fixture.waiting_numbers(webhook).await, fixture.end_of(event).await), (vec![event], None));
    assert_eq!(record(theirs).await.expect("records").moved, 1);
}

pub async fn a_redelivery_keeps_the_id_and_gets_a_number_of_its_own(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    let before = fixture.waiting(webhook).await.remove(0);
    assert_eq!(store.redeliver(event, at(11)).await.expect("answers"), None, "it has not ended");
    fixture.end(webhook, at(10), &[event], LogStatus::Delivered, at(11)).await;

    let (queued_in, again) = store.redeliver(event, at(20)).await.expect("answers").expect("is kept");
    assert_eq!(queued_in, lane(webhook));
    assert!(again.no > event);
    let expected = crate::QueuedEvent {
        no: again.no,
        attempt_at: at(20),
        created_at: at(20),
        redelivery: true,
        ..before.clone()
    };
    assert_eq!(again, expected);
    assert_eq!(fixture.waiting(webhook).await, [expected]);
    fixture.end(webhook, at(20), &[again.no], LogStatus::Failed, at(21)).await;
    let logged = store.delivery(again.no).await.expect("reads").expect("is there");
    assert_eq!((logged.id, logged.redelivery, logged.status), (before.id, true, LogStatus::Failed));
    assert_eq!(fixture.end_of(event).await, Some(LogStatus::Delivered), "the first end stands");
}

pub async fn what_is_gone_is_not_redelivered(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let delivered = async |vehicle: VehicleNo, webhook| {
        let event = fixture.queue(vehicle, webhook, at(10)).await;
        fixture.end(webhook, at(10), &[event], LogStatus::Delivered, at(11)).await;
        event
    };
    assert_eq!(store.redeliver(EventNo(999_999), at(20)).await.expect("answers"), None);

    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let event = delivered(vehicle, webhook).await;
    fixture.change(vehicle, RowChange::Disconnect, at(12)).await;
    assert_eq!(store.redeliver(event, at(20)).await.expect("answers"), None, "the connection has ended");

    let vehicle = fixture.vehicle().await;
    let deleted = fixture.webhook().await.webhook.no;
    let event = delivered(vehicle, deleted).await;
    let delete = crate::WebhookChange::Delete { now: at(12) };
    store.change_webhook(deleted, delete).await.expect("deletes").expect("is there");
    assert_eq!(store.redeliver(event, at(20)).await.expect("answers"), None, "the webhook is deleted");

    let event = delivered(vehicle, webhook).await;
    let retention = Retention {
        observations_before: later(),
        log_before: at(0),
        roll_ups_before: at(0),
        tokens_before: at(0),
        now: later(),
        ahead: None,
        limit: 100,
    };
    store.retire(retention).await.expect("retires");
    assert_eq!(store.redeliver(event, at(20)).await.expect("answers"), None, "what it carried is not kept");
}
