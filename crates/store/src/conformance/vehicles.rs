//! Promises about vehicles, their steps, due times, subscriptions and observations.

use domain::{
    connect::{Permission, PermissionSet},
    ids::{ApplicationNo, EventNo, ObservationNo, PoolNo, SubscriptionId, UserId, VehicleId, VehicleNo},
    time::Timestamp,
    vehicle::{Mode, RowChange},
};

use super::fixture::{Fixture, at, lane};
use crate::{
    Car, ClaimDue, KnownVehicle, LogStatus, NewEvent, NewLapse, NewLink, NewObservation, Owner, Scope,
    SourceRef, StepCommit, StepResult, Store, VehicleFilter,
};
use std::time::Duration;

fn claim(pool: PoolNo, now: Timestamp, limit: usize) -> ClaimDue {
    ClaimDue { pool, now, after: None, limit, lease: Duration::from_secs(30) }
}

async fn claimed(store: &dyn Store, claim: ClaimDue) -> Vec<(Timestamp, VehicleNo)> {
    let due = store.claim_due(claim).await.expect("claims");
    due.into_iter().map(|due| (due.due, due.vehicle.no)).collect()
}

pub async fn a_pool_keeps_its_number(store: &dyn Store) {
    let tesla = store.pool("tesla".into()).await.expect("makes");
    let bmw = store.pool("bmw".into()).await.expect("makes");
    assert_ne!(tesla, bmw);
    assert_eq!(store.pool("tesla".into()).await.expect("finds"), tesla);
    assert_eq!(store.pools().await.expect("lists"), [(tesla, "tesla".into()), (bmw, "bmw".into())]);
}

pub async fn linked_vehicles_are_numbered_in_order_and_begin_at_version_one(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let links: Vec<_> = (0..5).map(|_| fixture.new_link(UserId(fixture.uuid()))).collect();
    let numbers = store.link(links.clone()).await.expect("links");
    assert!(numbers.is_sorted_by(|a, b| a < b));
    for (link, no) in links.iter().zip(&numbers) {
        let loaded = store.load(vec![*no]).await.expect("loads").remove(0).expect("is there");
        assert_eq!((loaded.no, loaded.version, &loaded.document), (*no, 1, &link.document));
        assert_eq!(
            (&loaded.info, loaded.application, loaded.user),
            (&link.info, link.application, link.user)
        );
        assert_eq!(loaded.source, link.source);
        let found = store.find_vehicle(link.info.id).await.expect("finds").expect("is there");
        assert_eq!((found.no, &found.info, found.connection), (*no, &link.info, link.connection));
        assert_eq!((found.permissions, found.connected_at), (link.permissions, link.connected_at));
        assert_eq!(found.due, None);
    }
    let unknown = VehicleId(fixture.uuid());
    assert_eq!(store.find_vehicle(unknown).await.expect("finds"), None);
    let first = store.find_vehicle(links[0].info.id).await.expect("finds").expect("is there");
    let numbers = store.vehicle_numbers(vec![unknown, first.info.id]).await.expect("finds");
    assert_eq!(numbers, [None, Some((first.no, first.application))]);
}

pub async fn links_are_made_all_or_none(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let user = UserId(fixture.uuid());
    let good = fixture.new_link(user);
    let mut same_vehicle_again = fixture.new_link(user);
    same_vehicle_again.info.id = good.info.id;
    assert!(store.link(vec![good.clone(), same_vehicle_again]).await.is_err());
    assert_eq!(store.find_vehicle(good.info.id).await.expect("finds"), None);
    assert_eq!(store.count_vehicles(None).await.expect("counts"), 0);
}

pub async fn vehicles_load_in_the_order_asked(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (first, second) = (fixture.vehicle().await, fixture.vehicle().await);
    let loaded = store.load(vec![second, VehicleNo(999), first, second]).await.expect("loads");
    let numbers: Vec<_> = loaded.into_iter().map(|vehicle| vehicle.map(|vehicle| vehicle.no)).collect();
    assert_eq!(numbers, [Some(second), None, Some(first), Some(second)]);
}

pub async fn an_owner_may_have_several_vehicles(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let owner = UserId(fixture.uuid());
    let first = fixture.vehicle_of(owner).await;
    let second = fixture.vehicle_of(owner).await;
    let filter = VehicleFilter { user: Some(owner), ..VehicleFilter::default() };
    let listed = store.list_vehicles(filter, 9).await.expect("lists");
    assert_eq!(listed.iter().map(|row| row.no).collect::<Vec<_>>(), [first, second]);
}

pub async fn vehicles_are_listed_by_application_owner_and_source(store: &dyn Store) {
    let mut fixture = Fixture::new(store).await;
    let owner = UserId(fixture.uuid());
    let first = fixture.vehicle_of(owner).await;
    let other_owner = fixture.vehicle().await;
    let mut recorded = fixture.new_link(owner);
    recorded.source.kind = 2;
    let recorded = store.link(vec![recorded]).await.expect("links")[0];
    let application = fixture.application;
    fixture.application = fixture.application("other").await.no;
    let other_application = fixture.vehicle_of(owner).await;

    let all = VehicleFilter::default();
    let of_application = VehicleFilter { application: Some(application), ..all.clone() };
    for (filter, limit, expected) in [
        (all.clone(), 9, vec![first, other_owner, recorded, other_application]),
        (all.clone(), 2, vec![first, other_owner]),
        (VehicleFilter { after: Some(other_owner), ..all.clone() }, 9, vec![recorded, other_application]),
        (of_application.clone(), 9, vec![first, other_owner, recorded]),
        (VehicleFilter { user: Some(owner), ..all.clone() }, 9, vec![first, recorded, other_application]),
        (
            VehicleFilter { newest_first: true, ..all.clone() },
            3,
            vec![other_application, recorded, other_owner],
        ),
        (
            VehicleFilter { newest_first: true, after: Some(recorded), ..all.clone() },
            9,
            vec![other_owner, first],
        ),
        (VehicleFilter { mode: Some(Mode::Simulated), ..all.clone() }, 1, vec![first]),
        (VehicleFilter { mode: Some(Mode::Live), ..all.clone() }, 9, vec![]),
        (VehicleFilter { source: Some(2), ..all.clone() }, 9, vec![recorded]),
        (
            VehicleFilter { user: Some(owner), after: Some(first), ..of_application.clone() },
            9,
            vec![recorded],
        ),
        (VehicleFilter { source: Some(3), ..of_application }, 9, vec![]),
    ] {
        let listed = store.list_vehicles(filter.clone(), limit).await.expect("lists");
        assert_eq!(listed.iter().map(|row| row.no).collect::<Vec<_>>(), expected, "{filter:?}");
    }
    assert_eq!(store.count_vehicles(Some(application)).await.expect("counts"), 3);
    assert_eq!(store.count_vehicles(None).await.expect("counts"), 4);
}

pub async fn a_step_is_committed_with_all_that_it_wants_written(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let id = SubscriptionId(fixture.uuid());
    let commit = StepCommit {
        due: Some(at(60)),
        observations: vec![NewObservation { taken_at: at(10), body: b"seen".to_vec() }],
        events: vec![fixture.event(lane(webhook), 1), fixture.event(lane(webhook), 2)],
        rows: vec![RowChange::Subscribe { webhook, id }],
        ..fixture.step(vehicle, at(10)).await
    };
    let ids: Vec<_> = commit.events.iter().map(|event| event.id).collect();
    let result = store.commit_steps(vec![commit]).await.expect("commits").remove(0);
    let StepResult::Committed { version, observations, events, tombstones } = result else {
        panic!("not committed: {result:?}")
    };
    assert_eq!((version, tombstones), (2, vec![]));
    assert!(events[0] < events[1]);

    let loaded = store.load(vec![vehicle]).await.expect("loads").remove(0).expect("is there");
    assert_eq!((loaded.version, loaded.document), (2, b"next document".to_vec()));
    assert_eq!(claimed(store, claim(fixture.pool, at(60), 9)).await, [(at(60), vehicle)]);
    let seen = store.observations(vehicle, None, 9).await.expect("reads");
    assert_eq!(seen, [(observations[0], at(10), b"seen".to_vec())]);
    let waiting = fixture.waiting(webhook).await;
    assert_eq!(waiting.iter().map(|event| Some(event.no)).collect::<Vec<_>>(), events);
    assert_eq!(waiting.iter().map(|event| event.id).collect::<Vec<_>>(), ids);
    assert_eq!(store.subscriptions_of_vehicle(vehicle).await.expect("lists")[0].id, id);
}

pub async fn each_event_of_a_step_carries_its_own_observation(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let seen = |second, body: &[u8]| NewObservation { taken_at: at(second), body: body.to_vec() };
    let event = |sequence, observation| NewEvent { observation, ..fixture.event(lane(webhook), sequence) };
    let commit = StepCommit {
        observations: vec![seen(1, b"first"), seen(2, b"second")],
        events: vec![event(1, 1), event(2, 0), event(3, 1)],
        ..fixture.step(vehicle, at(10)).await
    };
    fixture.commit(commit).await;
    let waiting = fixture.waiting(webhook).await;
    let bodies: Vec<_> = waiting.iter().map(|event| event.observed.as_slice()).collect();
    assert_eq!(bodies, [&b"second"[..], b"first", b"second"]);
    let history = store.observations(vehicle, None, 9).await.expect("reads");
    assert_eq!(history.iter().map(|seen| seen.1).collect::<Vec<_>>(), [at(2), at(1)]);
}

pub async fn a_step_that_conflicts_fails_alone_and_writes_nothing(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let (first, stale, last) = (fixture.vehicle().await, fixture.vehicle().await, fixture.vehicle().await);
    let full = |vehicle, expected| StepCommit {
        vehicle,
        expected,
        document: b"written".to_vec(),
        due: Some(at(60)),
        observations: vec![NewObservation { taken_at: at(10), body: b"seen".to_vec() }],
        events: vec![fixture.event(lane(webhook), 1)],
        lapsed: vec![NewLapse {
            webhook,
            id: fixture.event(lane(webhook), 0).id,
            from: at(1),
            until: at(2),
            count: 2,
            status: LogStatus::Missed,
        }],
        rows: vec![RowChange::Subscribe { webhook, id: SubscriptionId(fixture.uuid()) }],
        now: at(10),
    };
    let commits = vec![
        full(first, 1),
        full(stale, 7),
        full(VehicleNo(999), 1),
        full(last, 1),
        full(last, 1),
        full(last, 2),
    ];
    let results = store.commit_steps(commits).await.expect("commits");
    let kinds: Vec<_> = results
        .iter()
        .map(|result| match result {
            StepResult::Committed { version, .. } => Some(*version),
            StepResult::Conflict => None,
            StepResult::Gone => Some(0),
        })
        .collect();
    assert_eq!(kinds, [Some(2), None, Some(0), Some(2), None, Some(3)]);

    let untouched = store.load(vec![stale]).await.expect("loads").remove(0).expect("is there");
    assert_eq!((untouched.version, untouched.document), (1, b"first document".to_vec()));
    assert_eq!(store.observations(stale, None, 9).await.expect("reads"), []);
    assert_eq!(store.subscriptions_of_vehicle(stale).await.expect("lists"), []);
    let due: Vec<_> =
        claimed(store, claim(fixture.pool, at(60), 9)).await.into_iter().map(|(_, no)| no).collect();
    assert_eq!(due, [first, last]);
    assert_eq!(fixture.waiting(webhook).await.len(), 3);
    let log = store.list_deliveries(crate::DeliveryFilter::default(), 9).await.expect("lists").items;
    assert!(log.iter().all(|logged| logged.vehicle != stale) && log.len() == 3);
}

pub async fn a_vehicle_is_due_once_and_at_its_newest_time(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let vehicle = fixture.vehicle().await;
    for due in [Some(at(60)), Some(at(60)), Some(at(30)), Some(at(90))] {
        fixture.commit(StepCommit { due, ..fixture.step(vehicle, at(1)).await }).await;
    }
    assert_eq!(claimed(store, claim(fixture.pool, at(89), 9)).await, []);
    assert_eq!(claimed(store, claim(fixture.pool, at(90), 9)).await, [(at(90), vehicle)]);
    assert_eq!(store.next_due(fixture.pool, at(0)).await.expect("answers"), Some(at(90)));
    assert_eq!(store.next_due(fixture.pool, at(90)).await.expect("answers"), None);
}

pub async fn due_vehicles_come_in_the_order_of_time_and_number(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (a, b, c) = (fixture.vehicle().await, fixture.vehicle().await, fixture.vehicle().await);
    for (vehicle, due) in [(c, 60), (a, 60), (b, 30)] {
        fixture.commit(StepCommit { due: Some(at(due)), ..fixture.step(vehicle, at(1)).await }).await;
    }
    let due = claimed(store, claim(fixture.pool, at(60), 9)).await;
    assert_eq!(due, [(at(30), b), (at(60), a), (at(60), c)]);
    let first = store.claim_due(claim(fixture.pool, at(60), 1)).await.expect("claims").remove(0);
    assert_eq!(Some(first.vehicle), store.load(vec![b]).await.expect("loads").remove(0));
}

pub async fn a_claim_goes_on_after_the_last_one(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let mut expected = Vec::new();
    for seconds in [10, 10, 10, 20, 20] {
        let vehicle = fixture.vehicle().await;
        fixture.commit(StepCommit { due: Some(at(seconds)), ..fixture.step(vehicle, at(1)).await }).await;
        expected.push((at(seconds), vehicle));
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let part = claimed(store, ClaimDue { after, ..claim(fixture.pool, at(20), 2) }).await;
        let Some(last) = part.last() else { break };
        after = Some(*last);
        seen.extend(part);
        assert!(seen.len() <= expected.len(), "a claim repeats what came before: {seen:?}");
    }
    assert_eq!(seen, expected);
}

pub async fn a_vehicle_without_a_due_time_is_never_due(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let vehicle = fixture.vehicle().await;
    fixture.commit(StepCommit { due: Some(at(60)), ..fixture.step(vehicle, at(1)).await }).await;
    fixture.commit(fixture.step(vehicle, at(2)).await).await;
    assert_eq!(claimed(store, claim(fixture.pool, Timestamp::NEVER, 9)).await, []);
    assert_eq!(store.next_due(fixture.pool, at(0)).await.expect("answers"), None);
}

pub async fn each_pool_has_its_own_due_vehicles(store: &dyn Store) {
    let mut fixture = Fixture::new(store).await;
    let here = fixture.vehicle().await;
    let pool = fixture.pool;
    fixture.pool = store.pool("another".into()).await.expect("makes");
    let there = fixture.vehicle().await;
    for (vehicle, due) in [(here, 30), (there, 60)] {
        fixture.commit(StepCommit { due: Some(at(due)), ..fixture.step(vehicle, at(1)).await }).await;
    }
    assert_eq!(claimed(store, claim(pool, at(60), 9)).await, [(at(30), here)]);
    assert_eq!(claimed(store, claim(fixture.pool, at(60), 9)).await, [(at(60), there)]);
    assert_eq!(store.next_due(fixture.pool, at(0)).await.expect("answers"), Some(at(60)));
}

pub async fn a_subscription_begins_and_ends_with_its_step(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let first = fixture.subscribe(vehicle, webhook).await;
    assert_eq!(store.subscriptions_of_vehicle(vehicle).await.expect("lists")[0].id, first);

    let tombstone =
        fixture.change(vehicle, RowChange::Unsubscribe { webhook }, at(3)).await.expect("one is written");
    assert_eq!(
        (tombstone.scope, tombstone.ends_as),
        (Scope::Subscription(webhook, vehicle), LogStatus::Cancelled)
    );
    assert_eq!(store.subscriptions_of_vehicle(vehicle).await.expect("lists"), []);
    assert_eq!(store.count_subscriptions(webhook).await.expect("counts"), 0);

    let second = fixture.subscribe(vehicle, webhook).await;
    let listed = store.subscriptions_of_vehicle(vehicle).await.expect("lists");
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [second]);
}

pub async fn subscriptions_are_listed_in_pages(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (webhook, other) = (fixture.webhook().await.webhook.no, fixture.webhook().await.webhook.no);
    let mut vehicles = Vec::new();
    for _ in 0..5 {
        let vehicle = fixture.vehicle().await;
        fixture.subscribe(vehicle, webhook).await;
        vehicles.push(vehicle);
    }
    fixture.subscribe(vehicles[2], other).await;
    let page = store.subscriptions_of_webhook(webhook, Some(vehicles[1]), 2).await.expect("lists");
    assert_eq!(page.iter().map(|row| row.vehicle).collect::<Vec<_>>(), vehicles[2..4]);
    let loaded = store.load(vec![vehicles[2]]).await.expect("loads").remove(0).expect("is there");
    assert_eq!((page[0].vehicle_id, page[0].webhook, page[0].since), (loaded.info.id, webhook, at(2)));
    assert_eq!(store.subscriptions_of_webhook(webhook, None, 99).await.expect("lists").len(), 5);
    assert_eq!(store.count_subscriptions(webhook).await.expect("counts"), 5);
    let both = store.subscriptions_of_vehicle(vehicles[2]).await.expect("lists");
    assert_eq!(both.iter().map(|row| row.webhook).collect::<Vec<_>>(), [webhook, other]);
}

pub async fn observations_are_read_newest_first_in_pages(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (vehicle, other) = (fixture.vehicle().await, fixture.vehicle().await);
    let mut expected = Vec::new();
    for second in 0..5 {
        for (vehicle, body) in [(vehicle, vec![second]), (other, b"other".to_vec())] {
            let observations = vec![NewObservation { taken_at: at(second.into()), body }];
            fixture.commit(StepCommit { observations, ..fixture.step(vehicle, at(9)).await }).await;
        }
        expected.insert(0, (at(second.into()), vec![second]));
    }
    let all = store.observations(vehicle, None, 9).await.expect("reads");
    let contents: Vec<_> = all.iter().map(|(_, taken_at, body)| (*taken_at, body.clone())).collect();
    assert_eq!(contents, expected);
    assert_eq!(store.observations(vehicle, None, 2).await.expect("reads"), all[..2]);
    assert_eq!(store.observations(vehicle, Some(all[1].0), 2).await.expect("reads"), all[2..4]);
    assert_eq!(
        store.observations(vehicle, Some(ObservationNo(all[1].0.0 + 1)), 9).await.expect("reads"),
        all[1..]
    );
    assert_eq!(store.observations(vehicle, Some(all[4].0), 9).await.expect("reads"), []);
}

pub async fn a_disconnected_vehicle_is_gone_and_the_log_still_names_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let owner = UserId(fixture.uuid());
    let vehicle = fixture.vehicle_of(owner).await;
    let id = store.load(vec![vehicle]).await.expect("loads").remove(0).expect("is there").info.id;
    assert_eq!(store.find_disconnected(id).await.expect("finds"), None);
    fixture.subscribe(vehicle, webhook).await;
    let event = fixture.queue(vehicle, webhook, at(10)).await;
    fixture.end(webhook, at(10), &[event], LogStatus::Delivered, at(11)).await;
    fixture.commit(StepCommit { due: Some(at(60)), ..fixture.step(vehicle, at(12)).await }).await;

    let tombstone = fixture.change(vehicle, RowChange::Disconnect, at(13)).await.expect("one is written");
    assert_eq!((tombstone.scope, tombstone.ends_as), (Scope::Vehicle(vehicle), LogStatus::Cancelled));
    assert_eq!(store.load(vec![vehicle]).await.expect("loads"), [None]);
    assert_eq!(store.find_vehicle(id).await.expect("finds"), None);
    let left = store.find_disconnected(id).await.expect("finds").expect("is kept until it is erased");
    assert_eq!((left.no, left.info.id, left.user), (vehicle, id, owner));
    assert_eq!(left.application, fixture.application);
    assert_eq!(store.list_vehicles(VehicleFilter::default(), 9).await.expect("lists"), []);
    assert_eq!(store.count_vehicles(None).await.expect("counts"), 0);
    assert_eq!(store.subscriptions_of_webhook(webhook, None, 9).await.expect("lists"), []);
    assert_eq!(claimed(store, claim(fixture.pool, at(99), 9)).await, []);
    let step = StepCommit { expected: 4, ..late_step(vehicle) };
    assert_eq!(store.commit_steps(vec![step]).await.expect("answers"), [StepResult::Gone]);
    let logged = store.delivery(event).await.expect("reads").expect("is there");
    assert_eq!((logged.vehicle_id, logged.user), (Some(id), Some(owner)));
    assert!(fixture.vehicle_of(owner).await > vehicle, "an owner who returns has a new vehicle");
}

fn an_owner(fixture: &Fixture<'_>, account: u8) -> Owner {
    Owner {
        user: UserId(fixture.uuid()),
        application: fixture.application,
        account: [account; 32],
        external_id: b"sealed".to_vec(),
        asked: PermissionSet::default().with(Permission::ReadVin),
        ended_at: None,
    }
}

pub async fn an_owner_is_found_again_by_the_account_and_forgotten_on_demand(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let owner = an_owner(&fixture, 1);
    let found =
        async |account| store.owner_of_account(fixture.application, [account; 32]).await.expect("looks");
    assert_eq!(found(1).await, None);
    store.link_owned(owner.clone(), vec![]).await.expect("writes");
    assert_eq!((found(1).await, found(2).await), (Some(owner.clone()), None));
    let later = Owner { external_id: vec![], asked: PermissionSet::ALL, ..owner.clone() };
    store.link_owned(later.clone(), vec![]).await.expect("writes");
    assert_eq!(found(1).await, Some(later.clone()));
    assert_eq!(store.owner(owner.user).await.expect("looks"), Some(later.clone()));
    // When an access was ended is noted, stays through another consent, and never goes back.
    for (noted, known) in [(5, 5), (9, 9), (7, 9)] {
        store.note_ended_access(owner.user, at(noted)).await.expect("notes");
        store.link_owned(later.clone(), vec![]).await.expect("writes");
        let expected = Owner { ended_at: Some(at(known)), ..later.clone() };
        assert_eq!(store.owner(owner.user).await.expect("looks"), Some(expected));
    }
    store.note_ended_access(UserId(fixture.uuid()), at(5)).await.expect("a stranger has nothing to note");
    let another = Owner { user: UserId(fixture.uuid()), ..owner.clone() };
    assert!(store.link_owned(another, vec![]).await.is_err(), "an account has one owner");
    assert!(store.forget_owner(owner.user).await.expect("forgets"));
    assert!(!store.forget_owner(owner.user).await.expect("forgets"));
    assert_eq!(found(1).await, None);
}

pub async fn a_vehicle_that_is_linked_again_keeps_its_number_and_its_past(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let owner = an_owner(&fixture, 1);
    let first = NewLink { vin: b"vin".to_vec(), ..fixture.new_link(owner.user) };
    let known = async || {
        let vins = vec![b"other".to_vec(), b"vin".to_vec()];
        store.known_vehicles(owner.user, vins).await.expect("looks")
    };
    assert_eq!(known().await, [None, None]);
    let vehicle = store.link_owned(owner.clone(), vec![first.clone()]).await.expect("links")[0];
    let is_known = |granted| [None, Some(KnownVehicle { no: vehicle, id: first.info.id, granted })];
    assert_eq!(known().await, is_known(Some(first.permissions)));
    let seen = NewObservation { taken_at: at(2), body: b"seen".to_vec() };
    fixture.commit(StepCommit { observations: vec![seen], ..fixture.step(vehicle, at(2)).await }).await;
    fixture.change(vehicle, RowChange::Disconnect, at(3)).await;
    assert_eq!(known().await, is_known(None));

    let again = NewLink {
        again: Some(vehicle),
        vin: b"vin".to_vec(),
        document: b"second document".to_vec(),
        connected_at: at(4),
        ..fixture.new_link(owner.user)
    };
    assert_eq!(store.link_owned(owner.clone(), vec![again]).await.expect("links"), [vehicle]);
    assert_eq!(known().await, is_known(Some(first.permissions)));
    let loaded = store.load(vec![vehicle]).await.expect("loads").remove(0).expect("is there");
    assert_eq!((&loaded.info, &loaded.source), (&first.info, &first.source));
    assert_eq!(loaded.document, b"second document");
    let seen = store.observations(vehicle, None, 9).await.expect("reads");
    assert_eq!(
        seen.into_iter().map(|(_, at, body)| (at, body)).collect::<Vec<_>>(),
        [(at(2), b"seen".to_vec())]
    );
    assert_eq!(store.count_vehicles(None).await.expect("counts"), 1);
}

pub async fn a_step_from_before_a_new_connection_writes_nothing(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let owner = an_owner(&fixture, 1);
    let first = NewLink { vin: b"vin".to_vec(), ..fixture.new_link(owner.user) };
    let vehicle = store.link_owned(owner.clone(), vec![first]).await.expect("links")[0];
    let late = fixture.step(vehicle, at(2)).await;
    fixture.change(vehicle, RowChange::Disconnect, at(3)).await;
    let again = NewLink { again: Some(vehicle), connected_at: at(4), ..fixture.new_link(owner.user) };
    store.link_owned(owner, vec![again]).await.expect("links");
    assert_eq!(store.commit_steps(vec![late]).await.expect("answers"), [StepResult::Conflict]);
}

pub async fn a_capacity_is_kept_with_its_vehicle(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let vehicle = fixture.vehicle().await;
    assert_eq!(store.capacity(vehicle).await.expect("reads"), None);
    store.set_capacity(vehicle, 58_500).await.expect("writes");
    assert_eq!(store.capacity(vehicle).await.expect("reads"), Some(58_500));
}

fn late_step(vehicle: VehicleNo) -> StepCommit {
    StepCommit {
        vehicle,
        expected: 1,
        document: b"late".to_vec(),
        due: Some(at(60)),
        observations: Vec::new(),
        events: Vec::new(),
        lapsed: Vec::new(),
        rows: Vec::new(),
        now: at(14),
    }
}

async fn car(fixture: &Fixture<'_>, seconds: i64) -> Car {
    let link = fixture.new_link(UserId(fixture.uuid()));
    let car = Car { id: link.info.id.0, info: link.info, source: link.source, created_at: at(seconds) };
    fixture.store.add_car(car.clone()).await.expect("adds");
    car
}

pub async fn cars_are_listed_with_the_vehicles_connected_to_them(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (first, second, third) = (car(&fixture, 1).await, car(&fixture, 2).await, car(&fixture, 3).await);
    let link = fixture.new_link(UserId(fixture.uuid()));
    let vehicle = store.link(vec![link.clone()]).await.expect("links")[0];
    store.attach_car(second.id, vehicle).await.expect("attaches");

    let connected = (second.clone(), vec![link.info.id]);
    assert_eq!(store.car(second.id).await.expect("reads"), Some(connected.clone()));
    assert_eq!(store.car(fixture.uuid()).await.expect("reads"), None);
    let page = store.list_cars(Some(first.id), 1).await.expect("lists");
    assert_eq!(page, [connected]);
    assert_eq!(store.list_cars(Some(second.id), 9).await.expect("lists"), [(third.clone(), vec![])]);

    fixture.change(vehicle, RowChange::Disconnect, at(4)).await;
    let all = store.list_cars(None, 9).await.expect("lists");
    assert_eq!(all, [(first, vec![]), (second, vec![]), (third, vec![])]);
}

pub async fn a_car_passes_its_data_on_to_its_vehicles(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let car = car(&fixture, 1).await;
    let (attached, other) = (fixture.vehicle().await, fixture.vehicle().await);
    store.attach_car(car.id, attached).await.expect("attaches");
    assert!(store.update_car(car.id, b"faster".to_vec()).await.expect("updates"));
    let specs: Vec<_> = store
        .load(vec![attached, other])
        .await
        .expect("loads")
        .into_iter()
        .flatten()
        .map(|v| v.source)
        .collect();
    let before = SourceRef { kind: 1, pool: fixture.pool, spec: b"car".to_vec() };
    assert_eq!(specs, [SourceRef { spec: b"faster".to_vec(), ..before.clone() }, before]);
    let (updated, _) = store.car(car.id).await.expect("reads").expect("is there");
    assert_eq!(updated.source.spec, b"faster");
    assert!(!store.update_car(fixture.uuid(), b"nobody".to_vec()).await.expect("answers"));
}

pub async fn the_vehicle_of_a_car_is_found_until_it_is_erased(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (first, other) = (car(&fixture, 1).await, car(&fixture, 2).await);
    let link = fixture.new_link(UserId(fixture.uuid()));
    let vehicle = store.link(vec![link.clone()]).await.expect("links")[0];
    store.attach_car(first.id, vehicle).await.expect("attaches");
    let found =
        async |car: &Car, user| store.vehicle_of_car(car.id, fixture.application, user).await.expect("finds");
    let connected = KnownVehicle { no: vehicle, id: link.info.id, granted: Some(link.permissions) };
    assert_eq!(found(&first, None).await, Some((connected, link.user)));
    assert_eq!(found(&first, Some(link.user)).await, Some((connected, link.user)));
    assert_eq!(found(&first, Some(UserId(fixture.uuid()))).await, None);
    assert_eq!(found(&other, None).await, None);
    let elsewhere = ApplicationNo(fixture.application.0 + 1);
    assert_eq!(store.vehicle_of_car(first.id, elsewhere, None).await.expect("finds"), None);
    fixture.change(vehicle, RowChange::Disconnect, at(4)).await;
    assert_eq!(found(&first, None).await, Some((KnownVehicle { granted: None, ..connected }, link.user)));
    store.erase_vehicle(vehicle).await.expect("erases");
    assert_eq!(found(&first, None).await, None);
}

pub async fn data_of_a_source_is_replaced_only_where_it_is_still_what_it_was(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let car = car(&fixture, 1).await;
    let (attached, twin, alone) = (fixture.vehicle().await, fixture.vehicle().await, fixture.vehicle().await);
    for vehicle in [attached, twin] {
        store.attach_car(car.id, vehicle).await.expect("attaches");
    }
    let replace = async |vehicle, was: &[u8], spec: &[u8]| {
        store.replace_spec(vehicle, was.to_vec(), spec.to_vec()).await.expect("answers")
    };
    assert!(!replace(attached, b"another", b"locked").await);
    assert!(replace(attached, b"car", b"locked").await);
    assert!(!replace(attached, b"car", b"unlocked").await, "it is locked meanwhile");
    let loaded = store.load(vec![attached, twin, alone]).await.expect("loads");
    let specs: Vec<_> = loaded.into_iter().flatten().map(|vehicle| vehicle.source.spec).collect();
    assert_eq!(specs, [&b"locked"[..], b"locked", b"car"]);
    assert_eq!(store.car(car.id).await.expect("reads").expect("is there").0.source.spec, b"locked");
    assert!(replace(alone, b"car", b"opened").await);
    assert_eq!(store.car(car.id).await.expect("reads").expect("is there").0.source.spec, b"locked");
}

/// The promise about permissions that lists show; what they do to the queue is with the tombstones.
pub(super) async fn grant(
    fixture: &Fixture<'_>,
    vehicle: VehicleNo,
    narrowed: bool,
) -> Option<crate::Tombstone> {
    let granted = if narrowed {
        PermissionSet::default().with(Permission::ReadOdometer)
    } else {
        PermissionSet::default()
            .with(Permission::ReadOdometer)
            .with(Permission::ReadBattery)
            .with(Permission::ReadLocation)
    };
    let tombstone = fixture.change(vehicle, RowChange::Permissions { granted, narrowed }, at(20)).await;
    let listed = fixture.store.list_vehicles(VehicleFilter::default(), 9).await.expect("lists");
    let row = listed.iter().find(|row| row.no == vehicle).expect("is there");
    assert_eq!(row.permissions, granted);
    tombstone
}

/// Events that a step queued, by number.
pub(super) async fn queued(
    fixture: &Fixture<'_>,
    vehicle: VehicleNo,
    webhooks: &[domain::ids::WebhookNo],
    now: i64,
) -> Vec<EventNo> {
    let mut events = Vec::new();
    for &webhook in webhooks {
        events.push(fixture.queue(vehicle, webhook, at(now)).await);
    }
    events
}

pub async fn the_vehicles_of_an_owner_are_found_until_they_are_erased(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (owner, other) = (UserId(fixture.uuid()), UserId(fixture.uuid()));
    let (first, second) = (fixture.vehicle_of(owner).await, fixture.vehicle_of(owner).await);
    fixture.vehicle_of(other).await;
    let found = async |limit| store.vehicles_of_user(owner, limit).await.expect("reads");
    assert_eq!(found(9).await, [first, second]);
    fixture.change(first, RowChange::Disconnect, at(1)).await;
    assert_eq!(found(9).await, [first, second]);
    assert_eq!(found(1).await, [first]);
    store.erase_vehicle(first).await.expect("erases");
    assert_eq!(found(9).await, [second]);
}

pub async fn requests_about_a_vehicle_are_counted_by_month(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (vehicle, other) = (fixture.vehicle().await, fixture.vehicle().await);
    let story = [
        (vehicle, 24_312, 1, 1),
        (vehicle, 24_312, 5, 6),
        (vehicle, 24_312, -2, 4),
        (other, 24_312, 1, 1),
        (vehicle, 24_313, 1, 1),
        (vehicle, 24_313, -3, 0),
        (vehicle, 24_313, 2, 2),
    ];
    for (vehicle, month, by, expected) in story {
        assert_eq!(store.count_requests(vehicle, month, by).await.expect("counts"), expected);
    }
}

pub async fn a_car_is_attached_with_the_link_that_names_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let link = fixture.new_link(UserId(fixture.uuid()));
    let id = fixture.uuid();
    let car = Car { id, info: link.info.clone(), source: link.source.clone(), created_at: at(0) };
    store.add_car(car).await.expect("adds");
    store.link(vec![NewLink { car: Some(id), ..link.clone() }]).await.expect("links");
    let (_, vehicles) = store.car(id).await.expect("reads").expect("is there");
    assert_eq!(vehicles, [link.info.id]);
}
