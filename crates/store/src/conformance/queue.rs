//! Promises about lanes and what becomes of their events.

use domain::{
    connect::{Permission, PermissionSet},
    ids::EventNo,
    vehicle::RowChange,
};

use super::fixture::{Fixture, NODE, at, ended, lane, later, retried, revision};
use crate::{
    DeliveryFilter, LaneKey, LaneLease, LogStatus, NewEvent, NewObservation, NodeId, Record, Recorded,
    Redelivered, Retention, StepCommit, StepResult, Store, StoreError, Unsendable, WaitingFilter,
    WebhookChange,
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

/// All pages of this length, put together.
async fn listed(store: &dyn Store, filter: WaitingFilter, limit: usize) -> Vec<EventNo> {
    let (mut numbers, mut after) = (Vec::new(), filter.after);
    loop {
        let page = store.waiting(WaitingFilter { after, ..filter }, limit).await.expect("lists");
        assert!(page.items.len() <= limit);
        numbers.extend(page.items.iter().map(|event| event.place.event));
        after = page.next;
        if after.is_none() {
            return numbers;
        }
    }
}

pub async fn waiting_events_are_listed_in_pages_along_the_queue(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let other = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let late = fixture.queue(vehicle, webhook, at(30)).await;
    let early = fixture.queue(vehicle, webhook, at(10)).await;
    let elsewhere = fixture.queue(vehicle, other, at(20)).await;
    for limit in [1, 2, 9] {
        assert_eq!(listed(store, WaitingFilter::default(), limit).await, [early, late, elsewhere]);
        let filter = WaitingFilter { webhook: Some(other), ..WaitingFilter::default() };
        assert_eq!(listed(store, filter, limit).await, [elsewhere]);
    }
    let page = store.waiting(WaitingFilter::default(), 1).await.expect("lists");
    let queued = fixture.waiting(webhook).await.remove(0);
    let shown = &page.items[0];
    assert_eq!((shown.id, shown.vehicle, shown.vehicle_id), (queued.id, vehicle, Some(queued.info.id)));
    assert_eq!((shown.created_at, shown.place.attempt_at), (at(10), at(10)));
    assert_eq!((shown.attempt_count, shown.http_status), (0, 0));
}

pub async fn of_waiting_events_those_that_were_attempted_are_listed_and_found(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let fresh = fixture.queue(vehicle, webhook, at(10)).await;
    let failed = fixture.queue(vehicle, webhook, at(10)).await;
    let over = fixture.queue(vehicle, webhook, at(10)).await;
    let lease = fixture.lease(webhook).await;
    let records = vec![retried(failed, at(10), at(20)), ended(over, at(10), LogStatus::Delivered, at(11))];
    store.record(lease, records).await.expect("records");
    let filter = WaitingFilter { retrying: true, ..WaitingFilter::default() };
    assert_eq!(listed(store, filter, 9).await, [failed]);
    assert_eq!(listed(store, WaitingFilter { webhook: Some(webhook), ..filter }, 1).await, [failed]);
    let shown = store.retrying(failed).await.expect("answers").expect("it waits");
    assert_eq!((shown.place.attempt_at, shown.http_status, shown.attempt_count), (at(20), 200, 2));
    assert_eq!((shown.took_ms, shown.attempts.as_slice()), (30, &b"attempts"[..]));
    for event in [fresh, over] {
        assert_eq!(store.retrying(event).await.expect("answers"), None);
    }
    let one = async |event| store.waiting_event(event).await.expect("answers").map(|shown| shown.place.event);
    assert_eq!((one(fresh).await, one(failed).await, one(over).await), (Some(fresh), Some(failed), None));
}

pub async fn waiting_events_of_a_vehicle_are_listed(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let (mine, other) = (fixture.vehicle().await, fixture.vehicle().await);
    let first = fixture.queue(mine, webhook, at(10)).await;
    fixture.queue(other, webhook, at(11)).await;
    let second = fixture.queue(mine, webhook, at(12)).await;
    let filter = WaitingFilter { vehicle: Some(mine), ..WaitingFilter::default() };
    for limit in [1, 9] {
        assert_eq!(listed(store, filter, limit).await, [first, second]);
    }
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
    fixture.subscribe(vehicle, webhook).await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    let before = fixture.waiting(webhook).await.remove(0);
    assert_eq!(fixture.redeliver(event, at(11)).await, Err(Unsendable::NotKept), "it has not ended");
    fixture.end(webhook, at(10), &[event], LogStatus::Delivered, at(11)).await;

    let (queued_in, again) = fixture.redeliver(event, at(20)).await.expect("may be sent");
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

pub async fn a_redelivery_is_refused_from_the_commit_on_that_ends_the_right_to_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    assert_eq!(fixture.redeliver(EventNo(999_999), at(20)).await, Err(Unsendable::NotKept));
    let delivered = async || {
        let (webhook, vehicle) = (fixture.webhook().await.webhook.no, fixture.vehicle().await);
        fixture.subscribe(vehicle, webhook).await;
        let event = fixture.queue(vehicle, webhook, at(10)).await;
        fixture.end(webhook, at(10), &[event], LogStatus::Delivered, at(11)).await;
        (webhook, vehicle, event)
    };
    let (webhook, vehicle, event) = delivered().await;
    fixture.change(vehicle, RowChange::Unsubscribe { webhook }, at(12)).await;
    assert_eq!(fixture.redeliver(event, at(20)).await, Err(Unsendable::NotSubscribed));

    let (_, vehicle, event) = delivered().await;
    fixture.change(vehicle, RowChange::Disconnect, at(12)).await;
    assert_eq!(fixture.redeliver(event, at(20)).await, Err(Unsendable::NotConnected));

    let (webhook, _, event) = delivered().await;
    fixture.switch_off(webhook, at(12)).await;
    assert_eq!(fixture.redeliver(event, at(20)).await, Err(Unsendable::NotDelivering));

    let (webhook, _, event) = delivered().await;
    store.change_webhook(webhook, crate::WebhookChange::Delete { now: at(12) }).await.expect("deletes");
    assert_eq!(fixture.redeliver(event, at(20)).await, Err(Unsendable::NotDelivering));

    let (_, vehicle, event) = delivered().await;
    let carries = PermissionSet::default().with(Permission::ReadBattery);
    let redeliver = async || store.redeliver(event, carries, at(20)).await.expect("answers");
    assert!(matches!(redeliver().await, Redelivered::Queued(..)), "it is granted");
    let granted = PermissionSet::default().with(Permission::ReadOdometer);
    fixture.change(vehicle, RowChange::Permissions { granted, narrowed: true }, at(12)).await;
    assert_eq!(redeliver().await, Redelivered::Refused(Unsendable::NotGranted));

    let (_, _, event) = delivered().await;
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
    assert_eq!(fixture.redeliver(event, at(20)).await, Err(Unsendable::NotKept));
}

pub async fn a_step_queues_nothing_for_a_webhook_that_has_ended_since_it_was_made(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    // Each time, the event was made under the first epoch, and then the webhook has changed.
    for (ends, status) in [
        ("off", LogStatus::Dropped),
        ("anew", LogStatus::Dropped),
        ("gone", LogStatus::Dropped),
        ("moved", LogStatus::Skipped),
    ] {
        let (webhook, vehicle) = (fixture.webhook().await.webhook.no, fixture.vehicle().await);
        let commit = StepCommit {
            observations: vec![NewObservation { taken_at: at(10), body: b"seen".to_vec() }],
            events: vec![fixture.event(lane(webhook), 1)],
            ..fixture.step(vehicle, at(10)).await
        };
        match ends {
            "gone" => drop(
                store.change_webhook(webhook, WebhookChange::Delete { now: at(9) }).await.expect("deletes"),
            ),
            "moved" => {
                let moved = WebhookChange::Revise {
                    name: "moved".into(),
                    revision: revision(2),
                    verified: false,
                    sweep: false,
                    auto_subscribe: false,
                    errors_moved: false,
                    verify: true,
                };
                store.change_webhook(webhook, moved).await.expect("moves");
            }
            _ => {
                fixture.switch_off(webhook, at(9)).await;
            }
        }
        if ends == "anew" {
            store.change_webhook(webhook, WebhookChange::Enable).await.expect("is switched on");
        }
        let result = store.commit_steps(vec![commit]).await.expect("commits").remove(0);
        let StepResult::Committed { events, .. } = result else { panic!("{result:?}") };
        assert_eq!(events, [None], "{ends}");
        assert_eq!(fixture.waiting(webhook).await, [], "{ends}");
        let filter = DeliveryFilter { webhooks: vec![webhook], ..DeliveryFilter::default() };
        let logged = store.list_deliveries(filter, 9).await.expect("lists").items;
        assert_eq!(logged.iter().map(|row| row.status).collect::<Vec<_>>(), [status], "{ends}");
        assert_eq!((logged[0].sequence, logged[0].attempt_count), (1, 0));
    }
}
