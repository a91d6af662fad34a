//! Promises about applications, webhooks, sweeps and kept answers.

use domain::{
    connect::{
        country::Country,
        defaults::{Defaults, Wanted},
    },
    ids::{ApplicationNo, FeedId, VehicleNo, WebhookId, WebhookNo},
    vehicle::RowChange,
    webhook::{ChargingEvent, Disabled, EventBased, Plan, Revision, Status},
};

use super::fixture::{Fixture, at, revision, secret};
use crate::{
    Edited, Feed, Kept, LogStatus, NewWebhook, Newer, RetiringToken, Scope, Store, StoredWebhook, Sweep,
    SwitchedOff, Tombstone, WebhookChange,
};

const NOBODY: ApplicationNo = ApplicationNo(999);

async fn change(
    store: &dyn Store,
    no: WebhookNo,
    change: WebhookChange,
) -> (StoredWebhook, Option<Tombstone>) {
    store.change_webhook(no, change).await.expect("a webhook is changed").done().expect("it is there")
}

fn revise(number: u32, verified: bool, sweep: bool) -> WebhookChange {
    WebhookChange::Revise {
        name: format!("name {number}"),
        revision: revision(number),
        verified,
        sweep,
        auto_subscribe: false,
        errors_moved: false,
        verify: false,
    }
}

pub async fn an_application_is_listed_with_what_it_was_made_with(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let second = fixture.application("second").await;
    let listed = store.applications().await.expect("lists");
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1], second);
    assert!(listed[0].no < listed[1].no);

    let (uris, plan) = (vec!["https://new.example".to_owned()], "large".to_owned());
    let permissions = Wanted::of_words(["read_vin", "required:read_odometer"]).ok();
    let mut changed = second.clone();
    // The country that it was made with, and each of both without the other.
    assert_eq!((listed[1].connect.permissions, listed[1].connect.country), (None, Country::find("FR")));
    for connect in [
        Defaults { permissions, country: None },
        Defaults { permissions, country: Country::find("DE") },
        Defaults::default(),
    ] {
        let (uris, plan) = (uris.clone(), plan.clone());
        let update =
            store.update_application(second.no, changed.version, "renamed".into(), uris, plan, connect);
        changed = update.await.expect("updates").done().expect("it is there");
        let listed = store.applications().await.expect("lists").remove(1);
        assert_eq!((changed.connect, listed.connect), (connect, connect));
    }
    assert_eq!((changed.name.as_str(), changed.plan.as_str()), ("renamed", "large"));
    assert_eq!(changed.redirect_uris, ["https://new.example"]);
    assert_eq!(changed.id, second.id);
    let retiring = RetiringToken { sealed: changed.management_token.clone(), until: at(9) };
    for retiring in [Some(retiring), None] {
        let (no, version) = (second.no, changed.version);
        let replaced = store.set_management_token(no, version, b"another".to_vec(), retiring.clone()).await;
        changed = replaced.expect("replaces").done().expect("it is there");
        let listed = store.applications().await.expect("lists").remove(1);
        assert_eq!((listed.management_token.as_slice(), listed.retiring), (b"another".as_slice(), retiring));
    }
    let nobodys =
        store.update_application(NOBODY, 1, String::new(), vec![], String::new(), Defaults::default());
    assert_eq!(nobodys.await.expect("updates"), Edited::Gone);
}

pub async fn an_edit_of_an_application_on_a_version_that_has_passed_writes_nothing(store: &dyn Store) {
    let _fixture = Fixture::new(store).await;
    let made = store.applications().await.expect("lists").remove(0);
    let rename = async |version, name: &str| {
        let (plan, connect) = (made.plan.clone(), made.connect);
        store.update_application(made.no, version, name.into(), vec![], plan, connect).await.expect("answers")
    };
    let Edited::Done(first) = rename(made.version, "first").await else { panic!("nobody was faster") };
    assert!(first.version > made.version);
    assert_eq!(rename(made.version, "second").await, Edited::Stale(first.clone()));
    let token = store.set_management_token(made.no, made.version, b"late".to_vec(), None).await;
    assert_eq!(token.expect("answers"), Edited::Stale(first.clone()));
    assert_eq!(store.applications().await.expect("lists"), [first]);
}

pub async fn an_edit_of_a_webhook_on_a_revision_that_has_passed_writes_nothing(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    let (now, _) = change(store, no, revise(2, true, false)).await;
    for number in [1, 2, 4] {
        let late = store.change_webhook(no, revise(number, true, true)).await.expect("answers");
        assert_eq!(late, Edited::Stale((now.clone(), None)), "{number}");
    }
    assert_eq!(store.webhooks().await.expect("lists"), [now]);
    assert_eq!(store.sweeps().await.expect("lists"), []);
}

pub async fn a_verification_counts_only_for_the_uri_that_answered(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    let WebhookChange::Revise { name, revision, verified, sweep, auto_subscribe, errors_moved, .. } =
        revise(2, false, false)
    else {
        unreachable!("it is made so")
    };
    let verify = true;
    let moved =
        WebhookChange::Revise { name, revision, verified, sweep, auto_subscribe, errors_moved, verify };
    change(store, no, moved).await;
    let (late, _) = change(store, no, verification("https://fleet.example/1".into(), b"yes", true)).await;
    assert!(!late.webhook.status.verified && late.verifying, "another URI has answered");
    let (now, _) = change(store, no, verification("https://fleet.example/2".into(), b"yes", true)).await;
    assert!(now.webhook.status.verified && !now.verifying);
}

pub async fn a_uri_for_errors_is_verified_until_it_changes(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    let uri = || "https://errors.example/".to_owned();
    let revised = |number, errors_moved| {
        let revision = Revision { error_uri: Some(uri()), ..revision(number) };
        let WebhookChange::Revise { name, verified, sweep, auto_subscribe, verify, .. } =
            revise(number, true, false)
        else {
            unreachable!("it is made so")
        };
        WebhookChange::Revise { name, revision, verified, sweep, auto_subscribe, errors_moved, verify }
    };
    let answered = |uri, passed| WebhookChange::ErrorVerification { uri, result: b"said".to_vec(), passed };
    change(store, no, revised(2, true)).await;
    let (other, _) = change(store, no, answered("https://other.example/".into(), true)).await;
    assert_eq!(other.verified_error_uri, None, "another URI has answered");
    assert_eq!(store.sweeps().await.expect("lists"), []);
    let (passed, _) = change(store, no, answered(uri(), true)).await;
    assert_eq!((passed.verified_error_uri, passed.last_error_verification), (Some(uri()), b"said".to_vec()));
    let sweep = Sweep { webhook: no, revision: 2, after: None, done: 0 };
    assert_eq!(store.sweeps().await.expect("lists"), [sweep], "errors that have waited are told");
    let (failed, _) = change(store, no, answered(uri(), false)).await;
    assert_eq!(failed.verified_error_uri, Some(uri()), "a failure of the same URI takes nothing away");
    assert_eq!(change(store, no, revised(3, false)).await.0.verified_error_uri, Some(uri()));
    assert_eq!(change(store, no, revised(4, true)).await.0.verified_error_uri, None);
}

pub async fn a_webhook_that_is_switched_off_says_since_when_and_after_what(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    for since in [
        SwitchedOff { at: at(3), status: Some(503), failure: None },
        SwitchedOff { at: at(4), status: None, failure: Some("timed_out".into()) },
    ] {
        let off = WebhookChange::Disable { why: Disabled::RetriesUsedUp, since: since.clone() };
        assert_eq!(change(store, no, off).await.0.switched_off, Some(since));
    }
    assert_eq!(change(store, no, WebhookChange::Enable).await.0.switched_off, None);
}

fn verification(uri: String, result: &[u8], passed: bool) -> WebhookChange {
    WebhookChange::Verification { uri, result: result.to_vec(), passed }
}

/// The callback URI of a webhook now.
async fn uri(no: WebhookNo, store: &dyn Store) -> String {
    let all = store.webhooks().await.expect("lists");
    let one = all.into_iter().find(|one| one.webhook.no == no).expect("it is there");
    one.webhook.revision.callback_uri
}

fn since(seconds: i64) -> SwitchedOff {
    SwitchedOff { at: at(seconds), status: None, failure: None }
}

pub async fn an_application_with_connections_or_webhooks_is_not_deleted(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let webhook = fixture.unverified().await.webhook.no;
    let vehicle = fixture.vehicle().await;
    assert!(!store.delete_application(fixture.application).await.expect("answers"));
    change(store, webhook, WebhookChange::Delete { now: at(3) }).await;
    assert!(!store.delete_application(fixture.application).await.expect("answers"));
    fixture.change(vehicle, RowChange::Disconnect, at(4)).await;
    assert!(store.delete_application(fixture.application).await.expect("answers"));
    assert_eq!(store.applications().await.expect("lists"), []);
    assert_eq!(store.secrets(fixture.application).await.expect("lists"), []);
    assert!(!store.delete_application(fixture.application).await.expect("answers"));
}

pub async fn an_application_has_no_more_secrets_than_allowed_and_never_none(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.application;
    assert_eq!(store.secrets(no).await.expect("lists"), [secret(1)]);
    assert!(!store.remove_secret(no, "hint1".into()).await.expect("answers"));
    assert!(store.add_secret(no, secret(2), 2).await.expect("answers"));
    assert!(!store.add_secret(no, secret(3), 2).await.expect("answers"));
    assert_eq!(store.secrets(no).await.expect("lists"), [secret(1), secret(2)]);
    assert!(!store.remove_secret(no, "hint3".into()).await.expect("answers"));
    assert!(store.remove_secret(no, "hint1".into()).await.expect("answers"));
    assert_eq!(store.secrets(no).await.expect("lists"), [secret(2)]);
}

pub async fn an_edit_keeps_the_revisions_before_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let made = fixture.unverified().await;
    let no = made.webhook.no;
    assert_eq!(made.webhook.status, Status::default());
    assert_eq!(store.webhooks().await.expect("lists"), [made]);

    let (changed, tombstone) = change(store, no, revise(2, true, false)).await;
    assert_eq!(tombstone, None);
    assert_eq!(changed.webhook.name, "name 2");
    assert_eq!(changed.webhook.revision, revision(2));
    assert_eq!(store.webhooks().await.expect("lists"), [changed]);
    assert_eq!(store.revision(no, 1).await.expect("reads"), Some(revision(1)));
    assert_eq!(store.revision(no, 2).await.expect("reads"), Some(revision(2)));
    assert_eq!(store.revision(no, 3).await.expect("reads"), None);
    let nobodys = store.change_webhook(WebhookNo(999), revise(2, true, false)).await.expect("answers");
    assert_eq!(nobodys, Edited::Gone);
}

pub async fn an_edit_can_take_a_verification_away_and_never_gives_one(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    assert!(!change(store, no, revise(2, true, false)).await.0.webhook.status.verified);
    let passed = verification(uri(no, store).await, b"yes", true);
    assert!(change(store, no, passed).await.0.webhook.status.verified);
    assert!(change(store, no, revise(3, true, false)).await.0.webhook.status.verified);
    assert!(!change(store, no, revise(4, false, false)).await.0.webhook.status.verified);
}

pub async fn a_verification_or_test_leaves_its_result(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    change(store, no, verification(uri(no, store).await, b"yes", true)).await;
    let failed = verification(uri(no, store).await, b"no", false);
    let (changed, _) = change(store, no, failed).await;
    assert!(changed.webhook.status.verified, "a failed verification of the same URI takes nothing away");
    assert_eq!(changed.last_verification, b"no");
    assert_eq!(
        change(store, no, WebhookChange::Test { result: b"tested".to_vec() }).await.0.last_test,
        b"tested"
    );
}

pub async fn a_webhook_that_was_switched_off_can_be_switched_on(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    for why in [Disabled::Operator, Disabled::RetriesUsedUp] {
        let (changed, tombstone) = change(store, no, WebhookChange::Disable { why, since: since(3) }).await;
        assert_eq!(changed.webhook.status.disabled, Some(why));
        let tombstone = tombstone.expect("what is queued is covered");
        assert_eq!((tombstone.scope, tombstone.ends_as), (Scope::Webhook(no), LogStatus::Dropped));
        assert!(store.tombstones().await.expect("lists").contains(&tombstone));
        let (changed, tombstone) = change(store, no, WebhookChange::Enable).await;
        assert_eq!((changed.webhook.status.disabled, tombstone), (None, None));
    }
    assert_eq!(store.tombstones().await.expect("lists").len(), 2, "switching on takes no tombstone away");
}

pub async fn a_deleted_webhook_is_gone_with_its_subscriptions(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (kept, deleted) = (fixture.unverified().await.webhook.no, fixture.unverified().await);
    let vehicle = fixture.vehicle().await;
    fixture.subscribe(vehicle, kept).await;
    fixture.subscribe(vehicle, deleted.webhook.no).await;
    change(store, deleted.webhook.no, revise(2, true, true)).await;

    let (last, tombstone) = change(store, deleted.webhook.no, WebhookChange::Delete { now: at(3) }).await;
    assert_eq!((last.webhook.id, last.webhook.revision), (deleted.webhook.id, revision(2)));
    assert_eq!(tombstone.map(|tombstone| tombstone.scope), Some(Scope::Webhook(deleted.webhook.no)));
    assert_eq!(store.webhooks().await.expect("lists").len(), 1);
    assert_eq!(store.sweeps().await.expect("lists"), []);
    assert_eq!(store.count_subscriptions(deleted.webhook.no).await.expect("counts"), 0);
    assert_eq!(store.subscriptions_of_webhook(deleted.webhook.no, None, 9).await.expect("lists"), []);
    let left = store.subscriptions_of_vehicle(vehicle).await.expect("lists");
    assert_eq!(left.iter().map(|row| row.webhook).collect::<Vec<_>>(), [kept]);
    let again = store.change_webhook(deleted.webhook.no, WebhookChange::Enable).await.expect("answers");
    assert_eq!(again, Edited::Gone);
    assert_eq!(
        store.deleted_webhooks().await.expect("lists"),
        [(deleted.webhook.no, deleted.webhook.id)],
        "the log still names it"
    );
}

pub async fn a_sweep_goes_on_where_it_was(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    change(store, no, revise(2, true, false)).await;
    assert_eq!(store.sweeps().await.expect("lists"), []);
    change(store, no, revise(3, true, true)).await;
    let begun = Sweep { webhook: no, revision: 3, after: None, done: 0 };
    assert_eq!(store.sweeps().await.expect("lists"), [begun]);
    let on = Sweep { after: Some(fixture.vehicle().await), done: 100, ..begun };
    store.advance_sweep(on).await.expect("advances");
    assert_eq!(store.sweeps().await.expect("lists"), [on]);
    store.end_sweep(on).await.expect("ends");
    assert_eq!(store.sweeps().await.expect("lists"), []);
}

pub async fn progress_of_an_older_sweep_does_not_touch_a_newer_one(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    change(store, no, revise(2, true, true)).await;
    let older = Sweep { webhook: no, revision: 2, after: Some(fixture.vehicle().await), done: 100 };
    change(store, no, revise(3, true, true)).await;
    store.advance_sweep(older).await.expect("answers");
    store.end_sweep(older).await.expect("answers");
    let newer = Sweep { webhook: no, revision: 3, after: None, done: 0 };
    assert_eq!(store.sweeps().await.expect("lists"), [newer]);
}

pub async fn the_first_answer_under_an_idempotency_key_stays(store: &dyn Store) {
    let first = Kept { request: [1; 32], status: 201, body: b"first".to_vec(), event: None };
    let second = Kept { request: [2; 32], status: 200, body: b"second".to_vec(), event: None };
    assert_eq!(store.kept("key".into()).await.expect("reads"), None);
    assert_eq!(store.keep("key".into(), first.clone(), at(0)).await.expect("keeps"), first);
    assert_eq!(store.keep("key".into(), second.clone(), at(1)).await.expect("keeps"), first);
    assert_eq!(store.kept("key".into()).await.expect("reads"), Some(first));
    assert_eq!(store.keep("other".into(), second.clone(), at(1)).await.expect("keeps"), second);
}

pub async fn a_webhook_begins_to_deliver_anew_each_time_it_is_verified_or_switched_on(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let no = fixture.unverified().await.webhook.no;
    let of = |number: u32| verification(format!("https://fleet.example/{number}"), b"", true);
    let verified = || of(1);
    let off = || WebhookChange::Disable { why: Disabled::Operator, since: since(5) };
    let story = [
        (WebhookChange::Test { result: Vec::new() }, 0),
        (verified(), 1),
        (verified(), 1),
        (off(), 1),
        (verified(), 1),
        (WebhookChange::Enable, 2),
        (revise(2, false, false), 2),
        (verified(), 2),
        (of(2), 3),
    ];
    for (step, epoch) in story {
        let what = format!("{step:?}");
        assert_eq!(change(store, no, step).await.0.webhook.status.epoch, epoch, "{what}");
    }
    assert_eq!(store.webhooks().await.expect("lists")[0].webhook.status.epoch, 3);
    assert_eq!(store.sweeps().await.expect("lists"), [], "slots need no telling");
}

pub async fn vehicles_on_a_webhook_that_watches_them_are_told_when_it_begins_to_deliver(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let events = [ChargingEvent::Started].into_iter().collect();
    let watching = Revision { plan: Plan::EventBased(EventBased { events }), ..revision(1) };
    let new = NewWebhook {
        id: WebhookId(fixture.uuid()),
        application: fixture.application,
        name: "charging".into(),
        revision: watching,
        auto_subscribe: true,
        verify: true,
        created_at: at(0),
    };
    let made = store.create_webhook(new).await.expect("a webhook is made");
    assert_eq!((made.auto_subscribe, made.auto_after), (true, VehicleNo(0)));
    assert!(made.verifying, "a challenge is to follow");
    let no = made.webhook.no;
    change(store, no, verification(uri(no, store).await, b"", true)).await;
    let sweep = Sweep { webhook: no, revision: 1, after: None, done: 0 };
    assert_eq!(store.sweeps().await.expect("lists"), [sweep]);
    store.advance_auto(no, VehicleNo(7)).await.expect("is noted");
    assert_eq!(store.webhooks().await.expect("lists")[0].auto_after, VehicleNo(7));
}

pub async fn a_feed_is_listed_with_what_it_was_made_with(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let feed = |number: u8| Feed {
        id: FeedId(fixture.uuid()),
        application: fixture.application,
        name: format!("feed {number}"),
        hash: [number; 32],
        hint: format!("hint{number}"),
        newer: Newer::ALL[usize::from(number) % 3],
        hold_ms: u32::from(number) * 1_000,
        created_at: at(number.into()),
    };
    let (one, other) = (feed(1), feed(2));
    assert!(store.create_feed(one.clone(), 2).await.expect("is made"));
    assert!(store.create_feed(other.clone(), 2).await.expect("is made"));
    assert!(!store.create_feed(feed(3), 2).await.expect("is refused"), "two are the most");
    assert_eq!(store.feeds().await.expect("lists"), [one.clone(), other.clone()]);
    assert!(store.delete_feed(one.id).await.expect("is removed"));
    assert!(!store.delete_feed(one.id).await.expect("is gone"));
    assert_eq!(store.feeds().await.expect("lists"), [other]);
}
