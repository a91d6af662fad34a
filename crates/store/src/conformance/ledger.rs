//! Promises about the ledger of what has ended, and about answers that are kept with their work.

use domain::{
    connect::{
        PermissionSet,
        lives::{Grace, Lives},
    },
    ids::{FeedId, UserId, VehicleNo},
    time::Timestamp,
    vehicle::RowChange,
    webhook::Disabled,
};
use uuid::Uuid;

use super::fixture::{Fixture, at, revision, secret};
use crate::{
    Backup, Code, EndKind, Feed, KeepAnswer, Kept, Keyring, LedgerEntry, LogStatus, NewPair, Newer, Redeemed,
    Redelivered, Retention, Store, Unsendable, VehicleFilter, WebhookChange, WrappedKey,
};

/// The ledger as kinds and values, in the order of versions.
async fn ledger(store: &dyn Store) -> Vec<(EndKind, Vec<u8>)> {
    let entries = store.ledger(0, 99).await.expect("reads");
    assert!(entries.is_sorted_by(|a, b| a.version < b.version));
    entries.into_iter().map(|entry| (entry.kind, entry.value)).collect()
}

async fn kinds(store: &dyn Store) -> Vec<EndKind> {
    ledger(store).await.into_iter().map(|(kind, _)| kind).collect()
}

/// Applies entries to a store, and says which of them changed something.
async fn apply(store: &dyn Store, entries: &[LedgerEntry]) -> Vec<EndKind> {
    let mut applied = Vec::new();
    for entry in entries {
        if store.apply_end(entry.clone(), at(900)).await.expect("applies") {
            applied.push(entry.kind);
        }
    }
    applied
}

fn feed(fixture: &Fixture<'_>) -> Feed {
    Feed {
        id: FeedId(fixture.uuid()),
        application: fixture.application,
        name: "box".into(),
        hash: [9; 32],
        hint: "1234".into(),
        newer: Newer::Observed,
        hold_ms: 0,
        created_at: at(0),
    }
}

pub async fn what_ends_is_in_the_ledger(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    fixture.subscribe(vehicle, webhook).await;
    assert_eq!(ledger(store).await, [], "nothing has ended");
    let none = PermissionSet::from_bits(0);
    fixture.change(vehicle, RowChange::Permissions { granted: none, narrowed: true }, at(1)).await;
    fixture.change(vehicle, RowChange::Unsubscribe { webhook }, at(2)).await;
    fixture.switch_off(webhook, at(3)).await;
    let feed = feed(&fixture);
    assert!(store.create_feed(feed.clone(), 9).await.expect("makes"));
    assert!(store.delete_feed(feed.id).await.expect("deletes"));
    assert!(store.add_secret(fixture.application, secret(2), 3).await.expect("adds"));
    assert!(store.remove_secret(fixture.application, secret(2).hint).await.expect("removes"));
    store.set_management_token(fixture.application, 1, vec![7], None).await.expect("sets");
    assert_eq!(
        kinds(store).await,
        [
            EndKind::Permissions,
            EndKind::Subscription,
            EndKind::Webhook,
            EndKind::Feed,
            EndKind::Secret,
            EndKind::ManagementToken
        ]
    );
}

pub async fn what_comes_back_replaces_its_entry(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    let unsubscribe =
        async |second| fixture.change(vehicle, RowChange::Unsubscribe { webhook }, at(second)).await;
    fixture.subscribe(vehicle, webhook).await;
    unsubscribe(1).await;
    fixture.subscribe(vehicle, webhook).await;
    assert_eq!(ledger(store).await, [(EndKind::Subscription, vec![1])]);
    unsubscribe(2).await;
    assert_eq!(ledger(store).await, [(EndKind::Subscription, vec![0])]);
    fixture.switch_off(webhook, at(3)).await;
    store.change_webhook(webhook, WebhookChange::Enable).await.expect("changes");
    assert_eq!(ledger(store).await, [(EndKind::Subscription, vec![0]), (EndKind::Webhook, vec![])]);
}

pub async fn the_end_of_a_larger_thing_replaces_those_of_the_smaller_ones(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let other = fixture.webhook().await.webhook.no;
    let (vehicle, neighbour) = (fixture.vehicle().await, fixture.vehicle().await);
    for (vehicle, webhook) in [(vehicle, webhook), (vehicle, other), (neighbour, webhook)] {
        fixture.subscribe(vehicle, webhook).await;
        fixture.change(vehicle, RowChange::Unsubscribe { webhook }, at(1)).await;
    }
    assert_eq!(kinds(store).await.len(), 3);
    store.change_webhook(webhook, WebhookChange::Delete { now: at(2) }).await.expect("changes");
    assert_eq!(kinds(store).await, [EndKind::Subscription, EndKind::Webhook]);
    fixture.change(vehicle, RowChange::Disconnect, at(3)).await;
    assert_eq!(kinds(store).await, [EndKind::Webhook, EndKind::Connection]);
    store.erase_vehicle(vehicle).await.expect("erases");
    assert_eq!(kinds(store).await, [EndKind::Webhook, EndKind::Vehicle]);
    let user = store.ledger(0, 9).await.expect("reads")[1].subject;
    store.forget_in_ledger(user).await.expect("forgets");
    assert_eq!(kinds(store).await, [EndKind::Webhook]);
}

/// What one history has ended is applied to a state from before, which another store stands for.
pub async fn an_end_is_applied_to_what_is_from_before_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let made = fixture.webhook().await.webhook;
    let (feed, vehicle) = (feed(&fixture), fixture.vehicle().await);
    store.create_feed(feed.clone(), 9).await.expect("makes");
    store.add_secret(fixture.application, secret(2), 3).await.expect("adds");
    let application = store.applications().await.expect("lists").remove(0).id;
    let id = store.load(vec![vehicle]).await.expect("loads").remove(0).expect("is there").info.id;
    let user = UserId(fixture.uuid());
    store.grant_token([5; 32], fixture.application, user, at(800)).await.expect("keeps");
    let entry = |kind, key: &[u8], value: Vec<u8>| LedgerEntry {
        kind,
        key: key.to_vec(),
        version: 1,
        subject: Uuid::nil(),
        vehicle: None,
        until: None,
        value,
    };
    let entries = [
        entry(EndKind::Webhook, made.id.0.as_bytes(), vec![1, 0]),
        entry(EndKind::Destination, made.id.0.as_bytes(), 2_u32.to_be_bytes().to_vec()),
        entry(EndKind::Feed, feed.id.0.as_bytes(), vec![]),
        entry(EndKind::Secret, &secret(2).hash, vec![]),
        entry(EndKind::Token, &[5; 32], vec![]),
        entry(EndKind::Vehicle, id.0.as_bytes(), vec![]),
    ];
    assert_eq!(apply(store, &entries).await.len(), entries.len());
    assert_eq!(apply(store, &entries).await.len(), 1, "only the callback URI is still the one from before");
    let webhook = store.webhooks().await.expect("lists").remove(0).webhook;
    assert_eq!(webhook.status.disabled, Some(Disabled::Operator));
    assert!(!webhook.status.verified);
    assert_eq!(store.feeds().await.expect("lists"), []);
    assert_eq!(store.secrets(fixture.application).await.expect("lists"), [secret(1)]);
    assert_eq!(store.token([5; 32]).await.expect("reads"), None);
    assert_eq!(store.list_vehicles(VehicleFilter::default(), 9).await.expect("lists"), []);
    assert!(store.purge_application(application, at(900)).await.expect("purges"));
    assert!(!store.purge_application(application, at(900)).await.expect("purges"));
    assert_eq!(store.applications().await.expect("lists"), []);
}

pub async fn a_revoked_consent_stays_revoked_where_it_is_known_and_no_other_is(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let user = UserId(fixture.uuid());
    let pair = |number| NewPair { access: [number; 32], refresh: [number + 100; 32] };
    let consent = async |number: u8, now: Timestamp| {
        let code = Code {
            application: fixture.application,
            user,
            vehicles: vec![],
            redirect_uri: None,
            challenge: None,
            expires_at: now + std::time::Duration::from_secs(600),
            grant: None,
        };
        store.keep_code([number; 32], code).await.expect("keeps");
        let redeemed =
            store.spend_code([number; 32], fixture.application, pair(number), Lives::default(), now).await;
        assert!(matches!(redeemed, Ok(Redeemed::Given(_))));
    };
    consent(1, at(1)).await;
    consent(2, at(2)).await;
    assert!(store.revoke([101; 32], fixture.application, at(3)).await.expect("revokes"));
    let entries = store.ledger(0, 9).await.expect("reads");
    assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [EndKind::Grant]);
    assert!(entries[0].until.is_some(), "it leaves when its tokens have expired");
    let other_moment = LedgerEntry { key: crate::grant_key(user, at(3), 2), ..entries[0].clone() };
    assert_eq!(apply(store, &[other_moment]).await, [], "a number is not enough");
    let second = LedgerEntry { key: crate::grant_key(user, at(2), 2), ..entries[0].clone() };
    assert_eq!(apply(store, &[second]).await, [EndKind::Grant]);
    let refreshed = store
        .refresh([102; 32], fixture.application, pair(3), Lives::default(), Grace::default(), at(4))
        .await;
    assert_eq!(refreshed.expect("answers"), crate::Refreshed::Unknown);
}

pub async fn a_newer_entry_is_not_replaced_by_an_older_one(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    fixture.switch_off(webhook, at(3)).await;
    let known = store.ledger(0, 9).await.expect("reads").remove(0);
    let older = LedgerEntry { version: known.version - 1, value: vec![2], ..known.clone() };
    store.add_to_ledger(vec![older]).await.expect("adds");
    assert_eq!(store.ledger(0, 9).await.expect("reads"), std::slice::from_ref(&known));
    let newer = LedgerEntry { version: known.version + 1_000, value: vec![], ..known };
    store.add_to_ledger(vec![newer.clone()]).await.expect("adds");
    assert_eq!(store.ledger(0, 9).await.expect("reads"), std::slice::from_ref(&newer));
    store.change_webhook(webhook, WebhookChange::Delete { now: at(4) }).await.expect("changes");
    assert!(store.ledger(0, 9).await.expect("reads")[0].version > newer.version);
}

pub async fn an_edit_that_moves_a_webhook_is_in_the_ledger(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook;
    let revise = async |number: u32, uri: &str| {
        let revision = domain::webhook::Revision { callback_uri: uri.into(), ..revision(number) };
        let change = WebhookChange::Revise {
            name: "hook".into(),
            revision,
            verified: false,
            sweep: false,
            auto_subscribe: false,
            errors_moved: false,
            verify: false,
        };
        store.change_webhook(webhook.no, change).await.expect("changes");
    };
    revise(2, &webhook.revision.callback_uri).await;
    assert_eq!(ledger(store).await, []);
    revise(3, "https://elsewhere.example/hook").await;
    assert_eq!(ledger(store).await, [(EndKind::Destination, 3_u32.to_be_bytes().to_vec())]);
}

pub async fn an_answer_is_kept_with_its_work_or_not_at_all(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let keep = |key: &str| KeepAnswer {
        key: key.into(),
        answer: Kept { request: [1; 32], status: 201, body: b"sealed".to_vec(), event: None },
        names_event: false,
        now: at(1),
    };
    let feed = feed(&fixture);
    assert!(store.keeping(keep("a")).create_feed(feed.clone(), 1).await.expect("makes"));
    assert_eq!(store.kept("a".into()).await.expect("reads"), Some(keep("a").answer));
    let second = Feed { id: FeedId(fixture.uuid()), hash: [8; 32], ..feed.clone() };
    assert!(!store.keeping(keep("b")).create_feed(second.clone(), 1).await.expect("declines"));
    assert_eq!(store.kept("b".into()).await.expect("reads"), None, "what was declined has no answer");
    store.keeping(keep("a")).create_feed(second, 9).await.expect_err("the key has its answer");
    assert_eq!(
        store.feeds().await.expect("lists"),
        std::slice::from_ref(&feed),
        "and the work was not done again"
    );
    let broken = Feed { id: FeedId(fixture.uuid()), ..feed };
    store.keeping(keep("c")).create_feed(broken, 9).await.expect_err("its token is there already");
    assert_eq!(store.kept("c".into()).await.expect("reads"), None);
}

pub async fn a_kept_answer_names_the_event_that_was_queued_with_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.webhook().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    fixture.subscribe(vehicle, webhook).await;
    let event = fixture.queue(vehicle, webhook, at(1)).await;
    fixture.end(webhook, at(1), &[event], LogStatus::Delivered, at(2)).await;
    let answer = Kept { request: [1; 32], status: 202, body: vec![], event: None };
    let keep = KeepAnswer { key: "a".into(), answer: answer.clone(), names_event: true, now: at(3) };
    let redelivered = store.keeping(keep).redeliver(event, PermissionSet::default(), at(3)).await;
    let Redelivered::Queued(_, queued) = redelivered.expect("answers") else { panic!("may be sent") };
    let kept = store.kept("a".into()).await.expect("reads");
    assert_eq!(kept, Some(Kept { event: Some(queued.no), ..answer.clone() }));
    fixture.change(vehicle, RowChange::Unsubscribe { webhook }, at(4)).await;
    let refused = KeepAnswer { key: "r".into(), answer: answer.clone(), names_event: true, now: at(5) };
    let refused = store.keeping(refused).redeliver(event, PermissionSet::default(), at(5)).await;
    assert_eq!(refused.expect("answers"), Redelivered::Refused(Unsendable::NotSubscribed));
    assert_eq!(store.kept("r".into()).await.expect("reads"), None, "what was refused has no answer");
    let later = Kept { status: 200, ..answer };
    store.replace_kept("a".into(), later.clone()).await.expect("replaces");
    assert_eq!(store.kept("a".into()).await.expect("reads"), Some(later.clone()));
    store.replace_kept("b".into(), later).await.expect("answers");
    assert_eq!(store.kept("b".into()).await.expect("reads"), None);
}

pub async fn an_erased_vehicle_is_found_no_more_by_what_was_noted_of_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let vehicle: VehicleNo = fixture.vehicle().await;
    store.erase_vehicle(vehicle).await.expect("erases");
    let entries = store.ledger(0, 9).await.expect("reads");
    assert_eq!(apply(store, &entries).await, []);
    let retention = Retention {
        observations_before: at(0),
        log_before: at(0),
        roll_ups_before: at(0),
        tokens_before: at(1_000_000),
        now: at(1_000_000),
        ahead: None,
        limit: 9,
    };
    store.retire(retention).await.expect("retires");
    assert_eq!(kinds(store).await, [EndKind::Vehicle], "what has no end of its own stays");
}

const ALICE: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

fn of(subject: Uuid, version: i64, until: Option<Timestamp>) -> LedgerEntry {
    LedgerEntry {
        kind: EndKind::Feed,
        key: subject.as_bytes().to_vec(),
        version,
        subject,
        vehicle: None,
        until,
        value: vec![],
    }
}

pub async fn the_keyring_has_the_newest_entries_of_subjects_that_are_not_erased(keyring: &dyn Keyring) {
    keyring.add_to_ledger(vec![of(ALICE, 5, None), of(BOB, 6, Some(at(10)))]).await.expect("adds");
    keyring.add_to_ledger(vec![of(ALICE, 4, Some(at(1)))]).await.expect("adds");
    assert_eq!(keyring.ledger(0, 9).await.expect("reads"), [of(ALICE, 5, None), of(BOB, 6, Some(at(10)))]);
    assert_eq!(keyring.ledger(5, 9).await.expect("reads"), [of(BOB, 6, Some(at(10)))]);
    keyring.prune_ledger(at(11)).await.expect("prunes");
    keyring.erase(ALICE, at(2)).await.expect("erases");
    assert_eq!(keyring.ledger(0, 9).await.expect("reads"), []);
    keyring.add_to_ledger(vec![of(ALICE, 7, None)]).await.expect("answers");
    assert_eq!(keyring.ledger(0, 9).await.expect("reads"), []);
}

pub async fn an_exported_keyring_is_a_file_that_was_not_there(keyring: &dyn Keyring) {
    keyring.add(vec![(ALICE, WrappedKey(b"a".to_vec()))]).await.expect("adds");
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let to = std::env::temp_dir().join(format!("milepost-keyring-{process}-{thread:?}"));
    let Backup { path, bytes } = keyring.export(to.clone(), at(0)).await.expect("exports");
    let again = keyring.export(to.clone(), at(0)).await;
    let length = std::fs::metadata(&to).expect("is there").len();
    std::fs::remove_file(&to).expect("the file is ours");
    assert_eq!((path, bytes), (to, length));
    again.expect_err("it is not written over");
    assert_eq!(keyring.damage(), None);
    assert_eq!(keyring.check().await.expect("reads"), Vec::<String>::new());
}
