//! The right to send: it ends in one transaction, whatever is under way beside it, and it is given to an address only by
//! what that address has answered.

use std::{future::Future, pin::Pin, sync::Arc, task::Poll};

use app::{App, AppError, EditApplication, EditWebhook, Plan, Precondition, PushedReading, Settings};
use domain::{
    connect::{Permission, PermissionSet},
    errors::ErrorCode,
    signal::{ODOMETER, STATE_OF_CHARGE, SignalId},
    webhook::{Disabled, Kind},
};
use milepost_sim::{Car, Hook, Received, ToChallenge, World, answers};
use store::Newer;

use super::{answers_with, hours, minutes, number, seconds};

type Done = Pin<Box<dyn Future<Output = Result<(), AppError>> + Send>>;
type End = fn(Arc<App>, Hook, Car) -> Done;

/// Everything that ends a right to send.
const ENDS: [(&str, End); 8] = [
    ("unsubscribed", |app, hook, car| {
        Box::pin(async move { app.unsubscribe(hook.id, car.id()).await.map(drop) })
    }),
    ("disconnected", |app, _, car| Box::pin(async move { app.disconnect(car.id()).await })),
    ("narrowed", |app, _, car| {
        let few: PermissionSet = [Permission::ReadVin].into_iter().collect();
        Box::pin(async move { app.set_permissions(car.id(), few).await })
    }),
    ("erased", |app, _, car| Box::pin(async move { app.erase_vehicle(car.id()).await })),
    ("owner erased", |app, _, car| Box::pin(async move { app.erase_user(car.linked.user).await.map(drop) })),
    ("switched off", |app, hook, _| Box::pin(async move { app.disable_webhook(hook.id).await.map(drop) })),
    ("deleted", |app, hook, _| {
        Box::pin(async move { app.delete_webhook(hook.id, &Precondition::None).await })
    }),
    ("plan changed", |app, hook, _| {
        Box::pin(async move {
            let application = app.webhook_entry(hook.id)?.application.application.id;
            let edit = EditApplication { plan: Some("none".into()), ..EditApplication::default() };
            app.edit_application(application, &Precondition::None, edit).await.map(drop)
        })
    }),
];

/// Settings with a plan that has no webhook of these tests.
fn with_plans() -> Settings {
    let none = Plan { webhooks: vec![Kind::Dynamic], ..Plan::default() };
    let mut settings = Settings::default();
    settings.plans.0.insert("none".into(), none);
    settings
}

/// Lets others go on so many times.
async fn after(turns: u32) {
    for _ in 0..turns {
        let mut passed = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut passed, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Whether a request reports that a permission is missing: of a car that stays on the webhook, that is news and no data.
fn reports_a_missing_permission(post: &Received) -> bool {
    let body = post.json();
    body["eventType"] == "VEHICLE_ERROR" && body["data"]["errors"][0]["type"] == "PERMISSION"
}

/// No data arrives later than a second from now, and nothing waits.
fn check_silent(world: &mut World, hook: Hook, what: &str) {
    let answered_at = world.monotonic();
    world.advance(minutes(40));
    for post in world.posts(hook) {
        if what.starts_with("narrowed") && reports_a_missing_permission(&post) {
            continue;
        }
        assert!(post.began <= answered_at + seconds(1), "{what}: a request began at {:?}", post.began);
    }
    let queued = world.ask(|app| async move { app.webhook(hook.id).await });
    if let Some(Ok(view)) = queued {
        assert_eq!(view.queued, 0, "{what}");
    }
}

#[test]
fn a_redelivery_that_races_with_an_end_sends_nothing_later_than_a_second() {
    for (name, end) in ENDS {
        for turns in (0..30).step_by(4) {
            let mut world = World::with(3, with_plans());
            let hook = world.scheduled_webhook("daily at 16:00", &["/odometer"]);
            let car = world.car();
            world.subscribe(hook, car);
            world.advance_to("16:05");
            world.receiver_is(hook, answers(500));
            let event = world.log()[0].logged.event;
            world.must(|app| async move {
                let again = async |turns| {
                    after(turns).await;
                    app.redeliver(event, None).await
                };
                let ended = async {
                    after(15).await;
                    end(app.clone(), hook, car).await
                };
                let (ended, ..) = futures::join!(ended, again(turns), again(turns + 1), again(turns + 7));
                ended
            });
            check_silent(&mut world, hook, &format!("{name} {turns}"));
        }
    }
}

#[test]
fn a_step_that_races_with_an_end_sends_nothing_later_than_a_second() {
    for (name, end) in ENDS {
        for turns in (0..30).step_by(4) {
            let mut world = World::with(3, with_plans());
            let feed = world.feed(Newer::Observed, seconds(0));
            let hook = world.unified_webhook(&[STATE_OF_CHARGE]);
            let car = world.pushed_car();
            world.subscribe(hook, car);
            world.push(&feed, vec![charge(&world, car, 50.0)]);
            world.advance(minutes(1));
            world.receiver_is(hook, answers(500));
            let reading = charge(&world, car, 60.0);
            world.must(|app| async move {
                let pushed = async {
                    after(turns).await;
                    app.ingest(&feed, vec![(0, reading)]).await
                };
                let ended = async {
                    after(15).await;
                    end(app.clone(), hook, car).await
                };
                futures::join!(ended, pushed).0
            });
            check_silent(&mut world, hook, &format!("{name} {turns}"));
        }
    }
}

fn charge(world: &World, car: Car, percent: f64) -> PushedReading {
    let of = PushedReading::of(car.id(), STATE_OF_CHARGE, number(percent));
    PushedReading { observed_at: Some(world.now()), ..of }
}

const WATCHED: &[SignalId] = &[STATE_OF_CHARGE, ODOMETER];

/// A car whose odometer cannot be had, for good.
fn with_a_lasting_error(world: &mut World, hook: Hook) -> Car {
    let car = world.live_car();
    let lacking = ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE;
    world.car_is(car, answers_with([(STATE_OF_CHARGE, Ok(number(80.0))), (ODOMETER, Err(lacking))]));
    world.subscribe(hook, car);
    car
}

fn data_at(world: &World, uri: &str) -> Vec<String> {
    let posts = world.received().into_iter().filter(|post| post.uri == uri);
    let kinds = posts.map(|post: Received| post.json()["eventType"].as_str().unwrap_or_default().to_owned());
    kinds.filter(|kind| kind != "VERIFY").collect()
}

#[test]
fn errors_go_to_another_origin_only_once_it_has_answered_a_challenge() {
    let mut world = World::new(31);
    let errors = world.receiver();
    world.receiver_to_challenge(&errors, ToChallenge { status: 404, ..ToChallenge::default() });
    let hook = world.unverified_webhook_with_error_uri(WATCHED, &errors, false);
    let view = world.verify(hook);
    let status = view.entry.webhook().status;
    assert!(status.verified && status.errors_withheld);
    assert_eq!(view.errors().unwrap().status, app::AddressStatus::Failed);
    with_a_lasting_error(&mut world, hook);
    world.advance(hours(2));
    assert!(data_at(&world, &errors).is_empty());
    let elsewhere =
        world.posts(hook).iter().filter(|post| post.json()["eventType"] == "VEHICLE_ERROR").count();
    assert_eq!(elsewhere, 0, "nor do they go where data goes");

    world.receiver_to_challenge(&errors, ToChallenge::default());
    let view = world.verify(hook);
    assert_eq!(view.errors().unwrap().status, app::AddressStatus::Passed);
    world.advance(minutes(5));
    assert_eq!(data_at(&world, &errors), ["VEHICLE_ERROR"], "what still stands is reported");
}

#[test]
fn a_uri_for_errors_that_is_moved_is_challenged_before_errors_go_there() {
    let mut world = World::new(31);
    let (hook, first) = world.unified_webhook_with_error_uri(WATCHED);
    let second = world.receiver();
    world.receiver_to_challenge(&second, ToChallenge { status: 500, ..ToChallenge::default() });
    world.advance(seconds(5));
    let edit = EditWebhook { error_uri: Some(Some(second.clone())), ..EditWebhook::default() };
    let view = world.edit(hook, edit);
    assert!(view.entry.webhook().status.verified && view.entry.webhook().status.errors_withheld);
    with_a_lasting_error(&mut world, hook);
    world.advance(hours(1));
    assert!(data_at(&world, &first).is_empty() && data_at(&world, &second).is_empty());

    // Back to the one that had answered: it has to answer anew.
    world.receiver_to_challenge(&first, ToChallenge { status: 500, ..ToChallenge::default() });
    world.advance(seconds(5));
    let edit = EditWebhook { error_uri: Some(Some(first.clone())), ..EditWebhook::default() };
    assert!(world.edit(hook, edit).entry.webhook().status.errors_withheld);
}

#[test]
fn addresses_that_are_swapped_are_both_challenged_anew() {
    let mut world = World::new(31);
    let (hook, errors) = world.unified_webhook_with_error_uri(WATCHED);
    let callback = world.view(hook).entry.webhook().revision.callback_uri.clone();
    for uri in [&callback, &errors] {
        world.receiver_to_challenge(uri, ToChallenge { status: 500, ..ToChallenge::default() });
    }
    world.advance(seconds(5));
    let swap = EditWebhook {
        callback_uri: Some(errors.clone()),
        error_uri: Some(Some(callback.clone())),
        ..EditWebhook::default()
    };
    let status = world.edit(hook, swap).entry.webhook().status;
    assert!(!status.verified && status.errors_withheld);
    let asked: Vec<_> = world.probes().iter().rev().take(2).map(|probe| probe.uri.clone()).collect();
    assert!(asked.contains(&callback) && asked.contains(&errors));
}

#[test]
fn a_uri_for_errors_that_is_not_to_be_asked_gets_errors_at_once() {
    let mut world = World::new(31);
    let errors = world.receiver();
    world.receiver_to_challenge(&errors, ToChallenge { status: 404, ..ToChallenge::default() });
    let hook = world.unverified_webhook_with_error_uri(WATCHED, &errors, true);
    let view = world.verify(hook);
    assert_eq!(view.errors().unwrap().status, app::AddressStatus::NotAsked);
    assert_eq!(world.probes().iter().filter(|probe| probe.uri == errors).count(), 0);
    with_a_lasting_error(&mut world, hook);
    world.advance(minutes(5));
    assert_eq!(data_at(&world, &errors), ["VEHICLE_ERROR"]);
}

#[test]
fn a_verification_that_a_crash_has_cut_off_is_completed_by_the_next_start() {
    let mut world = World::new(31);
    let hook = world.unified_webhook(&[STATE_OF_CHARGE]);
    let moved_to = world.receiver();
    world.receiver_to_challenge(&moved_to, ToChallenge { after: seconds(10), ..ToChallenge::default() });
    world.advance(seconds(5));
    let edit = EditWebhook { callback_uri: Some(moved_to.clone()), ..EditWebhook::default() };
    // The edit is committed, and the process ends while the receiver still thinks about the challenge.
    world.begin(|app| async move { drop(app.edit_webhook(hook.id, edit).await) });
    world.advance(seconds(2));
    world.crash();
    world.receiver_to_challenge(&moved_to, ToChallenge::default());
    world.start();
    let view = world.view(hook);
    assert_eq!(view.callback().uri, moved_to);
    world.advance(minutes(2));
    let view = world.view(hook);
    assert_eq!(view.callback().status, app::AddressStatus::Passed);
    assert!(view.entry.webhook().status.verified && !view.entry.stored.verifying);
}

#[test]
fn two_verifications_at_once_both_end_and_one_of_them_asks_the_receiver() {
    let mut world = World::new(31);
    let hook = world.unified_webhook(&[STATE_OF_CHARGE]);
    world.advance(seconds(5));
    let before = world.probes().len();
    let ended = world.ask(|app| async move {
        Ok::<_, AppError>(futures::join!(
            app.verify_webhook(hook.id),
            app.verify_webhook(hook.id),
            app.verify_webhook(hook.id)
        ))
    });
    let (first, second, third) = ended.expect("none waits for itself").expect("they end");
    let passed = [first, second, third].iter().filter(|ended| ended.is_ok()).count();
    assert_eq!((passed, world.probes().len() - before), (1, 1));
    // Afterwards it is verified as ever.
    assert!(world.verify(hook).entry.webhook().status.verified);
}

#[test]
fn the_same_edit_again_completes_what_has_failed_before() {
    let mut world = World::new(31);
    let hook = world.unified_webhook(&[STATE_OF_CHARGE]);
    let moved_to = world.receiver();
    world.receiver_to_challenge(&moved_to, ToChallenge { status: 500, ..ToChallenge::default() });
    let edit = EditWebhook { callback_uri: Some(moved_to.clone()), ..EditWebhook::default() };
    world.advance(seconds(5));
    assert_eq!(world.edit(hook, edit.clone()).callback().status, app::AddressStatus::Failed);
    world.receiver_to_challenge(&moved_to, ToChallenge::default());
    world.advance(seconds(5));
    assert_eq!(world.edit(hook, edit).callback().status, app::AddressStatus::Passed);
}

#[test]
fn what_comes_while_a_webhook_is_not_verified_is_logged_as_skipped() {
    let mut world = World::new(31);
    let feed = world.feed(Newer::Observed, seconds(0));
    let hook = world.unified_webhook(&[STATE_OF_CHARGE]);
    let car = world.pushed_car();
    world.subscribe(hook, car);
    world.push(&feed, vec![charge(&world, car, 50.0)]);
    world.advance(minutes(1));
    let moved_to = world.receiver();
    world.receiver_to_challenge(&moved_to, ToChallenge { status: 500, ..ToChallenge::default() });
    world.edit(hook, EditWebhook { callback_uri: Some(moved_to), ..EditWebhook::default() });
    for percent in [51.0, 52.0, 52.0] {
        world.advance(minutes(1));
        world.push(&feed, vec![charge(&world, car, percent)]);
    }
    let statuses: Vec<_> = world.log().iter().map(|row| row.logged.status.as_str()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "skipped").count(), 2, "{statuses:?}");
}

#[test]
fn a_slot_that_comes_while_a_webhook_is_not_verified_is_logged_as_skipped() {
    let mut world = World::new(2);
    let hook = world.unverified_webhook(World::scheduled("daily at 16:00", &["/odometer"]));
    let car = world.car();
    world.subscribe(hook, car);
    world.advance_to("16:30");
    let statuses: Vec<_> = world.log().iter().map(|row| row.logged.status.as_str()).collect();
    assert_eq!(statuses, ["skipped"]);
}

#[test]
fn a_plan_without_a_generation_switches_its_webhooks_off_and_back_on_when_it_returns() {
    let mut world = World::with(3, with_plans());
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let off_by_hand = world.scheduled_webhook("every hour", &["/odometer"]);
    world.disable(off_by_hand);
    let car = world.car();
    world.subscribe(hook, car);
    let application = world.application();
    let move_to = |world: &mut World, plan: &str| {
        let edit = EditApplication { plan: Some(plan.into()), ..EditApplication::default() };
        world.must(|app| async move { app.edit_application(application, &Precondition::None, edit).await });
    };
    move_to(&mut world, "none");
    let view = world.view(hook);
    assert_eq!(view.entry.webhook().status.disabled, Some(Disabled::PlanChanged));
    assert_eq!(view.entry.stored.switched_off.as_ref().unwrap().at, world.now());
    let refused = world.ask(|app| async move { app.enable_webhook(hook.id).await }).unwrap();
    assert!(matches!(refused, Err(AppError::Plan(_))));
    world.advance_to("17:30");
    assert!(world.posts(hook).is_empty());
    move_to(&mut world, app::UNLIMITED);
    assert!(world.delivers(hook));
    assert_eq!(world.view(off_by_hand).entry.webhook().status.disabled, Some(Disabled::Operator));
    world.advance_to("18:30");
    assert_eq!(world.posts(hook).len(), 1);
}

#[test]
fn an_edit_while_another_one_is_under_way_loses_nothing() {
    for turns in (0..40).step_by(4) {
        let mut world = World::new(3);
        let hook = world.scheduled_webhook("every hour", &["/odometer"]);
        let application = world.application();
        world.must(|app| async move {
            let rename = EditWebhook { name: Some("Other".into()), ..EditWebhook::default() };
            let automatic = EditWebhook { auto_subscribe: Some(true), ..EditWebhook::default() };
            let late = async {
                after(turns).await;
                app.edit_webhook(hook.id, automatic).await
            };
            let (one, other) = futures::join!(app.edit_webhook(hook.id, rename), late);
            one?;
            other?;
            let name = EditApplication { name: Some("Other".into()), ..EditApplication::default() };
            let uris = Some(vec!["https://a.example/back".to_owned()]);
            let uris = EditApplication { redirect_uris: uris, ..EditApplication::default() };
            let late = async {
                after(turns).await;
                app.edit_application(application, &Precondition::None, uris).await
            };
            let (one, other) =
                futures::join!(app.edit_application(application, &Precondition::None, name), late);
            one?;
            other?;
            Ok(())
        });
        let view = world.view(hook);
        assert_eq!((view.entry.webhook().name.as_str(), view.entry.stored.auto_subscribe), ("Other", true));
        let application = world.app().application(application).unwrap();
        assert_eq!(application.application.name, "Other", "{turns}");
        assert_eq!(application.application.redirect_uris.len(), 1, "{turns}");
    }
}
