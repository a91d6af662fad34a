//! Promises about the log and its roll-ups.

use std::collections::BTreeMap;

use domain::{
    ids::{EventNo, VehicleNo, WebhookNo},
    time::Timestamp,
};

use super::fixture::{Fixture, at, later};
use crate::{Bucket, DeliveryFilter, LogStatus, LoggedDelivery, NewLapse, StepCommit, Store, Unsendable};

/// A log with two webhooks, two vehicles and several ends.
struct Logged {
    webhooks: [WebhookNo; 2],
    vehicles: [VehicleNo; 2],
    /// In the order of their numbers.
    events: Vec<EventNo>,
}

async fn log(fixture: &Fixture<'_>) -> Logged {
    let webhooks = [fixture.webhook().await.webhook.no, fixture.webhook().await.webhook.no];
    let vehicles = [fixture.vehicle().await, fixture.vehicle().await];
    let mut events = Vec::new();
    for (webhook, vehicle, status, ended_at) in [
        (0, 0, LogStatus::Delivered, 100),
        (0, 1, LogStatus::Failed, 160),
        (1, 0, LogStatus::Delivered, 90),
        (1, 1, LogStatus::Expired, 161),
        (0, 0, LogStatus::Delivered, 161),
        (0, 1, LogStatus::Failed, 300),
    ] {
        let (webhook, vehicle) = (webhooks[webhook], vehicles[vehicle]);
        let event = fixture.queue(vehicle, webhook, at(10)).await;
        fixture.end(webhook, at(10), &[event], status, at(ended_at)).await;
        events.push(event);
    }
    Logged { webhooks, vehicles, events }
}

async fn all(store: &dyn Store) -> Vec<LoggedDelivery> {
    store.list_deliveries(DeliveryFilter::default(), 1_000).await.expect("lists").items
}

pub async fn the_log_has_one_row_per_ended_event(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    let queued = fixture.waiting(webhook).await.remove(0);
    assert_eq!(store.delivery(event).await.expect("reads"), None);
    fixture.end(webhook, at(10), &[event], LogStatus::Delivered, at(11)).await;
    let expected = LoggedDelivery {
        event,
        id: queued.id,
        webhook,
        vehicle,
        vehicle_id: Some(queued.info.id),
        user: Some(queued.user),
        revision: 1,
        slot: at(0),
        missed_from: None,
        missed: 0,
        status: LogStatus::Delivered,
        created_at: at(10),
        ended_at: at(11),
        http_status: 200,
        took_ms: 30,
        attempt_count: 2,
        attempts: b"attempts".to_vec(),
        observation: Some(queued.observation),
        observed: Some(b"seen".to_vec()),
        redelivery: false,
        occasion: b"why".to_vec(),
        sequence: queued.sequence,
    };
    assert_eq!(store.delivery(event).await.expect("reads"), Some(expected.clone()));
    assert_eq!(all(store).await, [expected]);
}

pub async fn the_log_is_filtered_by_all_conditions_at_once(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let Logged { webhooks, vehicles, events } = log(&fixture).await;
    let rows = all(store).await;
    assert_eq!(rows.iter().map(|row| row.event).rev().collect::<Vec<_>>(), events);
    let mut tried = 0;
    for of_webhooks in [vec![], vec![webhooks[0]], vec![webhooks[1]], webhooks.to_vec()] {
        for vehicle in [None, Some(vehicles[1])] {
            for status in [None, Some(LogStatus::Delivered), Some(LogStatus::Failed), Some(LogStatus::Missed)]
            {
                for (from, to) in [(None, None), (Some(at(100)), Some(at(161))), (Some(at(161)), None)] {
                    for before in [None, Some(events[4])] {
                        let webhooks = of_webhooks.clone();
                        let filter = DeliveryFilter { webhooks, vehicle, status, from, to, before };
                        let expected: Vec<_> =
                            rows.iter().filter(|row| fits(row, &filter)).cloned().collect();
                        let page = store.list_deliveries(filter.clone(), 9).await.expect("lists");
                        assert_eq!((page.items, page.more), (expected, false), "{filter:?}");
                        tried += 1;
                    }
                }
            }
        }
    }
    assert_eq!(tried, 192);
}

fn fits(row: &LoggedDelivery, filter: &DeliveryFilter) -> bool {
    (filter.webhooks.is_empty() || filter.webhooks.contains(&row.webhook))
        && filter.vehicle.is_none_or(|vehicle| row.vehicle == vehicle)
        && filter.status.is_none_or(|status| row.status == status)
        && filter.from.is_none_or(|from| row.ended_at >= from)
        && filter.to.is_none_or(|to| row.ended_at < to)
        && filter.before.is_none_or(|before| row.event < before)
}

pub async fn the_log_is_read_in_pages_newest_first(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let Logged { webhooks, events, .. } = log(&fixture).await;
    for of_webhooks in [vec![], webhooks.to_vec()] {
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let filter =
                DeliveryFilter { webhooks: of_webhooks.clone(), before, ..DeliveryFilter::default() };
            let page = store.list_deliveries(filter, 2).await.expect("lists");
            seen.extend(page.items.iter().map(|row| row.event));
            before = seen.last().copied();
            assert_eq!(page.more, seen.len() < events.len());
            if !page.more {
                break;
            }
        }
        seen.reverse();
        assert_eq!(seen, events);
    }
}

pub async fn roll_ups_agree_with_the_log(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let Logged { webhooks, vehicles, .. } = log(&fixture).await;
    miss(&fixture, vehicles[0], webhooks[1], 5).await;
    let mut expected: BTreeMap<_, (u64, u64, u64)> = BTreeMap::new();
    for row in all(store).await {
        let minute = row.ended_at.as_secs().div_euclid(60) * 60;
        let counts = expected.entry((minute, row.webhook, row.status as u8)).or_default();
        counts.0 += row.missed.max(1);
        counts.1 += u64::from(row.attempt_count);
        counts.2 += u64::from(row.took_ms);
    }
    let expected: Vec<_> = expected
        .into_iter()
        .map(|((minute, webhook, status), (count, attempts, took_ms))| Bucket {
            webhook,
            minute: Timestamp::from_secs(minute),
            status: LogStatus::from_number(status).expect("is a status"),
            count,
            attempts,
            took_ms,
        })
        .collect();
    assert_eq!(store.roll_ups(vec![], at(0), later()).await.expect("reads"), expected);

    let (from, to) = (expected[1].minute, expected[expected.len() - 1].minute);
    let of_one: Vec<_> = expected
        .into_iter()
        .filter(|bucket| bucket.webhook == webhooks[0] && bucket.minute >= from && bucket.minute < to)
        .collect();
    assert!(!of_one.is_empty());
    assert_eq!(store.roll_ups(vec![webhooks[0]], from, to).await.expect("reads"), of_one);
}

/// Notes slots of a webhook as missed.
async fn miss(fixture: &Fixture<'_>, vehicle: VehicleNo, webhook: WebhookNo, count: u64) {
    lapse(fixture, vehicle, webhook, count, LogStatus::Missed).await;
}

async fn lapse(fixture: &Fixture<'_>, vehicle: VehicleNo, webhook: WebhookNo, count: u64, status: LogStatus) {
    let id = domain::ids::EventId(fixture.uuid());
    let lapsed = NewLapse { webhook, id, from: at(20), until: at(80), count, status };
    fixture.commit(StepCommit { lapsed: vec![lapsed], ..fixture.step(vehicle, at(200)).await }).await;
}

pub async fn missed_slots_are_logged_and_counted(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    miss(&fixture, vehicle, webhook, 5).await;
    let row = all(store).await.remove(0);
    assert_eq!((row.status, row.missed, row.missed_from), (LogStatus::Missed, 5, Some(at(20))));
    assert_eq!((row.slot, row.created_at, row.ended_at), (at(80), at(200), at(200)));
    assert_eq!((row.webhook, row.vehicle, row.revision), (webhook, vehicle, 0));
    assert_eq!((row.observation, row.observed, row.attempt_count), (None, None, 0));
    assert_eq!(fixture.redeliver(row.event, at(300)).await, Err(Unsendable::NotKept));
    let buckets = store.roll_ups(vec![webhook], at(0), later()).await.expect("reads");
    assert_eq!(buckets.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [5]);
}

pub async fn a_slot_that_ends_without_an_event_is_logged_as_it_ended(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    for status in [LogStatus::Dropped, LogStatus::Cancelled] {
        lapse(&fixture, vehicle, webhook, 1, status).await;
        let row = all(store).await.remove(0);
        assert_eq!((row.status, row.slot, row.missed, row.missed_from), (status, at(80), 0, None));
        assert_eq!(fixture.redeliver(row.event, at(300)).await, Err(Unsendable::NotKept));
    }
    let buckets = store.roll_ups(vec![webhook], at(0), later()).await.expect("reads");
    assert_eq!(buckets.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [1, 1]);
}

pub async fn the_last_delivery_of_a_webhook_is_known(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let never = fixture.webhook().await.webhook.no;
    let Logged { webhooks, .. } = log(&fixture).await;
    assert_eq!(store.last_delivered(webhooks[0]).await.expect("reads"), Some(at(161)));
    assert_eq!(store.last_delivered(webhooks[1]).await.expect("reads"), Some(at(90)));
    assert_eq!(store.last_delivered(never).await.expect("reads"), None);
}
