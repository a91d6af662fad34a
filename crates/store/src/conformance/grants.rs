//! Promises about codes, grants and tokens.

use std::time::Duration;

use domain::{
    connect::lives::{Grace, Lives, PairLife},
    ids::{ApplicationNo, UserId, VehicleId},
    time::Timestamp,
};

use super::fixture::{Fixture, at, later};
use crate::{Code, NewPair, Redeemed, Refreshed, Retention, SecretHash, Store, TokenGrant};

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 3_600;
/// The code of these promises.
const CODE: SecretHash = [0xc0; 32];

/// The hash of the access token with this number.
fn access(number: u8) -> SecretHash {
    [number; 32]
}

/// The hash of the refresh token with this number.
fn refresh(number: u8) -> SecretHash {
    [number | 0x80; 32]
}

fn pair(number: u8) -> NewPair {
    NewPair { access: access(number), refresh: refresh(number) }
}

/// A store with a code in it, given at the moment 0 for ten minutes.
struct Consent<'a> {
    fixture: Fixture<'a>,
    code: Code,
}

impl<'a> Consent<'a> {
    async fn new(store: &'a dyn Store) -> Self {
        let fixture = Fixture::new(store).await;
        let code = Code {
            application: fixture.application,
            user: UserId(fixture.uuid()),
            vehicles: vec![VehicleId(fixture.uuid()), VehicleId(fixture.uuid())],
            redirect_uri: Some("https://fleet.example/callback".into()),
            challenge: Some("a challenge".into()),
            expires_at: at(10 * MINUTE),
            grant: None,
        };
        store.keep_code(CODE, code.clone()).await.expect("keeps");
        Self { fixture, code }
    }

    /// One whose code was redeemed at the moment 0 for the first pair.
    async fn redeemed(store: &'a dyn Store) -> Self {
        let consent = Self::new(store).await;
        assert!(matches!(consent.redeem(1, at(0)).await, Redeemed::Given(_)));
        consent
    }

    async fn redeem(&self, number: u8, now: Timestamp) -> Redeemed {
        self.redeem_as(self.code.application, number, now).await
    }

    async fn redeem_as(&self, application: ApplicationNo, number: u8, now: Timestamp) -> Redeemed {
        let store = self.fixture.store;
        store.spend_code(CODE, application, pair(number), Lives::default(), now).await.expect("answers")
    }

    /// Spends the refresh token `spent` for the pair `number`.
    async fn refresh(&self, spent: u8, number: u8, now: Timestamp) -> Refreshed {
        self.refresh_as(self.code.application, spent, number, now).await
    }

    async fn refresh_as(
        &self,
        application: ApplicationNo,
        spent: u8,
        number: u8,
        now: Timestamp,
    ) -> Refreshed {
        let (lives, grace) = (Lives::default(), Grace::default());
        let store = self.fixture.store;
        store.refresh(refresh(spent), application, pair(number), lives, grace, now).await.expect("answers")
    }

    async fn revoke(&self, hash: SecretHash) -> bool {
        self.fixture.store.revoke(hash, self.code.application, at(5)).await.expect("answers")
    }

    async fn opens(&self, number: u8) -> Option<TokenGrant> {
        self.fixture.store.token(access(number)).await.expect("reads")
    }

    /// Which of the first access tokens open anything.
    async fn open(&self) -> Vec<u8> {
        let mut open = Vec::new();
        for number in 1..=30 {
            if self.opens(number).await.is_some() {
                open.push(number);
            }
        }
        open
    }

    fn life(&self, granted_at: Timestamp, now: Timestamp) -> PairLife {
        Lives::default().pair(granted_at, now)
    }
}

pub async fn a_token_opens_what_it_was_granted(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (application, user) = (fixture.application, UserId(fixture.uuid()));
    store.grant_token([7; 32], application, user, at(7_200)).await.expect("keeps");
    let grant = TokenGrant { application, user, vehicles: None, expires_at: at(7_200) };
    assert!(grant.covers(VehicleId(fixture.uuid())));
    assert_eq!(store.token([7; 32]).await.expect("reads"), Some(grant));
    assert_eq!(store.token([8; 32]).await.expect("reads"), None);
}

pub async fn a_code_is_read_with_what_it_was_kept_with(store: &dyn Store) {
    let consent = Consent::new(store).await;
    assert_eq!(store.code(CODE).await.expect("reads"), Some(consent.code.clone()));
    assert_eq!(store.code([1; 32]).await.expect("reads"), None);
    let plain = Code { redirect_uri: None, challenge: None, ..consent.code.clone() };
    store.keep_code([1; 32], plain.clone()).await.expect("keeps");
    assert_eq!(store.code([1; 32]).await.expect("reads"), Some(plain));
    consent.redeem(1, at(1)).await;
    assert!(store.code(CODE).await.expect("reads").expect("stays").grant.is_some());
}

pub async fn a_redeemed_code_gives_tokens_for_the_vehicles_of_its_consent(store: &dyn Store) {
    let consent = Consent::new(store).await;
    let life = consent.life(at(60), at(60));
    assert_eq!(consent.redeem(1, at(60)).await, Redeemed::Given(life));
    let opened = consent.opens(1).await.expect("opens");
    let Code { application, user, vehicles, .. } = consent.code.clone();
    assert!(vehicles.iter().all(|&vehicle| opened.covers(vehicle)));
    assert!(!opened.covers(VehicleId(consent.fixture.uuid())));
    let expected = TokenGrant { application, user, vehicles: Some(vehicles), expires_at: life.access };
    assert_eq!(opened, expected);
}

pub async fn a_code_that_comes_again_takes_back_what_it_gave(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    assert!(matches!(consent.refresh(1, 2, at(1)).await, Refreshed::Given(_)));
    for number in [3, 4] {
        assert_eq!(consent.redeem(number, at(2)).await, Redeemed::Replayed);
        assert_eq!(consent.open().await, []);
    }
    for spent in [1, 2, 3] {
        assert_eq!(consent.refresh(spent, 9, at(3)).await, Refreshed::Unknown, "{spent}");
    }
}

pub async fn a_code_is_unknown_to_other_applications_and_after_its_time(store: &dyn Store) {
    let consent = Consent::new(store).await;
    let other = consent.fixture.application("other").await.no;
    assert_eq!(consent.redeem_as(other, 1, at(1)).await, Redeemed::Unknown);
    assert_eq!(consent.redeem(1, at(10 * MINUTE)).await, Redeemed::Unknown);
    assert!(matches!(consent.redeem(1, at(10 * MINUTE - 1)).await, Redeemed::Given(_)));
    assert_eq!(consent.redeem_as(other, 2, at(10 * MINUTE - 1)).await, Redeemed::Unknown);
    assert_eq!(consent.redeem(2, at(10 * MINUTE)).await, Redeemed::Unknown);
    assert_eq!(consent.open().await, [1], "nobody who could not have had it has taken anything away");
}

pub async fn a_refresh_gives_a_successor_pair_and_leaves_access_tokens_alone(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    let life = consent.life(at(0), at(100));
    assert_eq!(consent.refresh(1, 2, at(100)).await, Refreshed::Given(life));
    assert_eq!(consent.open().await, [1, 2]);
    let (first, second) = (consent.opens(1).await.expect("opens"), consent.opens(2).await.expect("opens"));
    assert_eq!((first.expires_at, second.expires_at), (at(2 * 60 * MINUTE), life.access));
    assert_eq!(second.vehicles, first.vehicles);
    assert!(matches!(consent.refresh(2, 3, at(DAY)).await, Refreshed::Given(_)));
}

pub async fn a_refresh_token_that_crosses_itself_gives_a_bounded_number_of_pairs(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    for number in 2..18 {
        let given = consent.refresh(1, number, at(i64::from(number))).await;
        assert!(matches!(given, Refreshed::Given(_)), "{number}: {given:?}");
    }
    assert_eq!(consent.refresh(1, 18, at(30)).await, Refreshed::Exhausted);
    assert_eq!(consent.open().await, (1..18).collect::<Vec<_>>(), "and nothing is revoked");
    assert!(matches!(consent.refresh(17, 18, at(30)).await, Refreshed::Given(_)));
}

pub async fn a_refresh_token_that_comes_after_the_grace_revokes_its_grant(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    consent.refresh(1, 2, at(100)).await;
    consent.refresh(1, 3, at(100 + 10 * MINUTE - 1)).await;
    assert_eq!(consent.open().await, [1, 2, 3]);
    // The grace counts from the first time.
    assert_eq!(consent.refresh(1, 4, at(100 + 10 * MINUTE)).await, Refreshed::Replayed);
    assert_eq!(consent.open().await, []);
    for spent in [1, 2, 3] {
        assert_eq!(consent.refresh(spent, 4, at(100 + 10 * MINUTE)).await, Refreshed::Unknown, "{spent}");
    }
}

pub async fn a_refresh_token_is_unknown_to_other_applications_and_after_its_time(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    let other = consent.fixture.application("other").await.no;
    assert_eq!(consent.refresh_as(other, 1, 2, at(1)).await, Refreshed::Unknown);
    assert_eq!(consent.refresh(9, 2, at(1)).await, Refreshed::Unknown);
    assert_eq!(consent.refresh(1, 2, at(60 * DAY)).await, Refreshed::Unknown);
    assert!(matches!(consent.refresh(1, 2, at(60 * DAY - 1)).await, Refreshed::Given(_)));
    assert_eq!(consent.refresh_as(other, 1, 3, at(60 * DAY - 1)).await, Refreshed::Unknown);
    assert_eq!(
        consent.refresh(1, 3, at(60 * DAY)).await,
        Refreshed::Unknown,
        "its time is over, spent or not"
    );
    assert!(matches!(consent.refresh(2, 3, at(60 * DAY)).await, Refreshed::Given(_)));
}

pub async fn a_grant_ends_however_often_it_is_refreshed(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    for number in 1..=7 {
        let now = at(i64::from(number) * 50 * DAY);
        assert_eq!(
            consent.refresh(number, number + 1, now).await,
            Refreshed::Given(consent.life(at(0), now))
        );
    }
    let end = at(0) + Lives::default().grant;
    let last = end - Duration::from_secs(60);
    assert_eq!(consent.refresh(8, 9, last).await, Refreshed::Given(PairLife { access: end, refresh: end }));
    assert_eq!(consent.refresh(9, 10, end).await, Refreshed::Unknown);
}

pub async fn a_revoked_refresh_token_takes_its_grant_and_an_access_token_only_itself(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    let other = consent.fixture.application("other").await.no;
    consent.refresh(1, 2, at(1)).await;
    for hash in [access(1), refresh(1), access(20)] {
        assert!(!store.revoke(hash, other, at(2)).await.expect("answers"));
    }
    assert_eq!(consent.open().await, [1, 2]);
    assert!(consent.revoke(access(1)).await);
    assert!(!consent.revoke(access(1)).await);
    assert_eq!(consent.open().await, [2]);
    assert!(consent.revoke(refresh(2)).await);
    assert!(!consent.revoke(refresh(2)).await);
    assert_eq!(consent.open().await, []);
    assert_eq!(consent.refresh(2, 3, at(3)).await, Refreshed::Unknown);
}

pub async fn what_an_owner_has_granted_can_be_forgotten(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    let (application, user) = (consent.code.application, consent.code.user);
    let other = UserId(consent.fixture.uuid());
    store.grant_token(access(2), application, user, at(9)).await.expect("keeps");
    store.grant_token(access(3), application, other, at(9)).await.expect("keeps");
    store.keep_code([1; 32], Code { user: other, ..consent.code.clone() }).await.expect("keeps");
    store.forget_grants(user).await.expect("forgets");
    assert_eq!(consent.open().await, [3]);
    assert_eq!(store.code(CODE).await.expect("reads"), None);
    assert!(store.code([1; 32]).await.expect("reads").is_some());
    assert_eq!(consent.refresh(1, 4, at(1)).await, Refreshed::Unknown);
}

pub async fn what_an_application_was_granted_goes_with_it(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    store.keep_code([1; 32], consent.code.clone()).await.expect("keeps");
    assert!(store.delete_application(consent.code.application).await.expect("deletes"));
    assert_eq!(consent.open().await, []);
    assert_eq!(store.code([1; 32]).await.expect("reads"), None);
    assert_eq!(consent.refresh(1, 2, at(1)).await, Refreshed::Unknown);
}

pub async fn retention_deletes_codes_and_tokens_after_their_time(store: &dyn Store) {
    let consent = Consent::redeemed(store).await;
    consent.refresh(1, 2, at(DAY)).await;
    let retire = |before| {
        let retention = Retention {
            observations_before: at(0),
            log_before: at(0),
            roll_ups_before: at(0),
            tokens_before: before,
            now: later(),
            ahead: None,
            limit: 1,
        };
        async move { store.retire(retention).await.expect("retires").rows }
    };
    for (before, rows) in [
        (at(10 * MINUTE), 0),
        (at(10 * MINUTE + 1), 1),        // the code
        (at(120 * MINUTE + 1), 1),       // the first access token
        (at(DAY + 120 * MINUTE + 1), 1), // the second
        (at(60 * DAY + 1), 1),           // the first refresh token, and not yet the grant
        (at(61 * DAY), 0),
    ] {
        assert_eq!(retire(before).await, rows, "{before}");
    }
    assert!(matches!(consent.refresh(2, 3, at(61 * DAY - 1)).await, Refreshed::Given(_)));
    assert_eq!(retire(at(121 * DAY - 1)).await, 2, "the second refresh token and the third access token");
    assert_eq!(
        retire(at(122 * DAY)).await,
        3,
        "the last refresh token, the grant with it, and what the ledger has of it"
    );
    assert_eq!(retire(at(400 * DAY)).await, 0);
}
