//! Verification: a webhook delivers only after its callback URI has answered a challenge.

use app::EditWebhook;
use milepost_sim::{Digest, Hook, ToChallenge, World};

use super::{check_requests, seconds};

/// Presses verify on a new webhook whose receiver answers like this; says whether it is verified, and what is wrong.
fn verified(answer: ToChallenge) -> (bool, Option<String>) {
    let mut world = World::new(2);
    let hook = unverified(&mut world);
    world.to_challenge(hook, answer);
    let view = world.verify(hook);
    check_requests(&world);
    (view.entry.webhook().status.verified, view.last_verification.and_then(|result| result.problem))
}

fn unverified(world: &mut World) -> Hook {
    world.unverified_webhook(World::scheduled("every hour", &["/odometer"]))
}

#[test]
fn row_v04_the_right_digest_verifies() {
    assert_eq!(verified(ToChallenge::default()), (true, None));
}

#[test]
fn row_v05_a_digest_in_upper_case_or_base64_does_not() {
    for digest in [Digest::UpperCase, Digest::Base64, Digest::Wrong] {
        let (verified, problem) = verified(ToChallenge { digest, ..ToChallenge::default() });
        assert!(!verified);
        assert!(problem.unwrap().contains("lower-case hexadecimal"));
    }
}

#[test]
fn row_v06_an_error_with_the_right_digest_does_not() {
    for status in [500, 404, 302] {
        let (verified, problem) = verified(ToChallenge { status, ..ToChallenge::default() });
        assert!(!verified);
        assert!(problem.unwrap().contains(&status.to_string()));
    }
}

#[test]
fn row_v08_any_2xx_with_the_right_digest_verifies_and_204_without_a_body_does_not() {
    for status in [201, 202] {
        assert_eq!(verified(ToChallenge { status, ..ToChallenge::default() }), (true, None));
    }
    let empty = ToChallenge { status: 204, digest: Digest::Missing, ..ToChallenge::default() };
    let (verified, problem) = verified(empty);
    assert!(!verified);
    assert!(problem.unwrap().contains("challenge"));
}

#[test]
fn row_v09_an_answer_after_fifteen_seconds_does_not() {
    let (late, problem) = verified(ToChallenge { after: seconds(16), ..ToChallenge::default() });
    assert!(!late);
    assert!(problem.unwrap().contains("in time"));
    let (in_time, _) = verified(ToChallenge { after: seconds(14), ..ToChallenge::default() });
    assert!(in_time);
}

#[test]
fn row_v10_an_unverified_webhook_gets_no_data() {
    let mut world = World::new(2);
    let hook = unverified(&mut world);
    let car = world.car();
    world.subscribe(hook, car);
    world.advance_to("18:30");
    assert!(world.received().is_empty());
    assert!(world.reads(car).is_empty());
}

#[test]
fn row_v11_a_failed_verification_can_be_repeated() {
    let mut world = World::new(2);
    let hook = unverified(&mut world);
    let car = world.car();
    world.subscribe(hook, car);
    world.to_challenge(hook, ToChallenge { digest: Digest::Wrong, ..ToChallenge::default() });
    assert!(!world.verify(hook).entry.webhook().status.verified);
    world.to_challenge(hook, ToChallenge::default());
    assert!(world.verify(hook).entry.webhook().status.verified);
    world.advance_to("16:30");
    assert_eq!(world.posts(hook).len(), 1);
}

#[test]
fn row_v12_a_new_uri_is_verified_before_it_gets_data() {
    let mut world = World::new(2);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    let car = world.car();
    world.subscribe(hook, car);
    let moved_to = world.receiver();
    world.receiver_to_challenge(&moved_to, ToChallenge { status: 500, ..ToChallenge::default() });
    let edit = EditWebhook { callback_uri: Some(moved_to.clone()), ..EditWebhook::default() };
    world.advance(seconds(5));
    assert!(!world.edit(hook, edit).entry.webhook().status.verified);
    assert_eq!(world.probes().last().unwrap().uri, moved_to);
    world.advance_to("16:30");
    assert!(world.posts(hook).is_empty());
    world.receiver_to_challenge(&moved_to, ToChallenge::default());
    assert!(world.verify(hook).entry.webhook().status.verified);
    world.advance_to("17:30");
    let posts = world.posts(hook);
    assert_eq!((posts.len(), posts[0].uri.as_str()), (1, moved_to.as_str()));
}

#[test]
fn a_verified_webhook_stays_so_when_pressing_verify_again_fails() {
    let mut world = World::new(2);
    let hook = world.scheduled_webhook("every hour", &["/odometer"]);
    world.to_challenge(hook, ToChallenge { status: 500, ..ToChallenge::default() });
    let view = world.verify(hook);
    assert!(!view.last_verification.unwrap().passed);
    assert!(view.entry.webhook().status.verified);
}

#[test]
fn row_v13_an_operator_sees_status_challenge_expected_digest_and_answer() {
    let mut world = World::new(2);
    let hook = unverified(&mut world);
    world.to_challenge(hook, ToChallenge { digest: Digest::Wrong, status: 200, after: seconds(3) });
    let seen = world.verify(hook).last_verification.unwrap();
    let sent = world.probes()[0].json();
    assert_eq!(sent["payload"]["challenge"], seen.challenge);
    let token = world.token();
    assert_eq!(seen.expected, lab::secret::Secret::new(&token).hex(seen.challenge.as_bytes()));
    assert_eq!((seen.status, seen.took_ms), (Some(200), 3_000));
    assert!(seen.received.starts_with(r#"{"challenge":""#));
    assert!(!seen.passed);
}

#[test]
fn row_v14_two_challenges_differ() {
    let mut world = World::new(2);
    let hook = unverified(&mut world);
    world.verify(hook);
    world.verify(hook);
    let probes = world.probes();
    assert_ne!(probes[0].json()["payload"]["challenge"], probes[1].json()["payload"]["challenge"]);
}

#[test]
fn row_v15_every_challenge_is_signed() {
    let mut world = World::new(2);
    let hook = unverified(&mut world);
    world.verify(hook);
    assert_eq!(world.probes().len(), 1);
    check_requests(&world);
}

#[test]
fn challenges_that_come_too_often_are_refused() {
    let mut world = World::new(2);
    let hook = unverified(&mut world);
    world.verify(hook);
    let again = world.ask(|app| async move { app.verify_webhook(hook.id).await }).unwrap();
    assert!(matches!(again, Err(app::AppError::TooOften(_))));
    assert_eq!(world.probes().len(), 1);
}
