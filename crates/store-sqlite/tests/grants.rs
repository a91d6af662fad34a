//! Trees of tokens against a model: whatever is redeemed, refreshed, replayed and revoked in whatever order and pace,
//! the store and a few lists that know the rules say the same.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

use domain::{
    connect::{
        defaults::Defaults,
        lives::{Grace, Lives},
    },
    ids::{ApplicationId, ApplicationNo, UserId, VehicleId},
    time::Timestamp,
};
use milepost_store_sqlite::SqliteStore;
use proptest::prelude::*;
use store::{
    Code, Grants, NewApplication, NewPair, Redeemed, Refreshed, Registry, Retention, Secret, SecretHash,
    Upkeep,
};
use uuid::Uuid;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What is done; a number means one of the things that there are, counted around.
#[derive(Clone, Debug)]
enum Act {
    Consent,
    Redeem {
        code: usize,
        foreign: bool,
    },
    Refresh {
        token: usize,
        foreign: bool,
    },
    /// The newest refresh token, as a client that goes on does.
    GoOn,
    RevokeRefresh(usize),
    RevokeAccess(usize),
    Pass(i64),
    Retire,
}

fn acts() -> impl Strategy<Value = Act> {
    let foreign = || prop::bool::weighted(0.1);
    let time = prop_oneof![
        4 => 1..MINUTE,
        4 => MINUTE..12 * MINUTE,
        2 => HOUR..3 * HOUR,
        2 => DAY..40 * DAY,
        2 => 40 * DAY..70 * DAY,
        1 => Just(10 * MINUTE),
        1 => Just(60 * DAY),
    ];
    prop_oneof![
        2 => Just(Act::Consent),
        4 => (any::<usize>(), foreign()).prop_map(|(code, foreign)| Act::Redeem { code, foreign }),
        8 => (any::<usize>(), foreign()).prop_map(|(token, foreign)| Act::Refresh { token, foreign }),
        8 => Just(Act::GoOn),
        2 => any::<usize>().prop_map(Act::RevokeRefresh),
        1 => any::<usize>().prop_map(Act::RevokeAccess),
        6 => time.prop_map(Act::Pass),
        1 => Just(Act::Retire),
    ]
}

/// The rules, in seconds.
#[derive(Default)]
struct Model {
    now: i64,
    codes: Vec<ModelCode>,
    grants: Vec<ModelGrant>,
    access: Vec<ModelAccess>,
    refresh: Vec<ModelRefresh>,
}

struct ModelCode {
    until: i64,
    grant: Option<usize>,
}

struct ModelGrant {
    until: i64,
    revoked: bool,
}

struct ModelAccess {
    grant: usize,
    until: i64,
    revoked: bool,
}

struct ModelRefresh {
    grant: usize,
    until: i64,
    first_spent: Option<i64>,
    pairs: usize,
}

/// What a request for tokens is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Given { access: i64, refresh: i64 },
    Exhausted,
    Replayed,
    Unknown,
}

impl Model {
    fn give(&mut self, grant: usize) -> Told {
        let end = self.grants[grant].until;
        let (access, refresh) = (end.min(self.now + 2 * HOUR), end.min(self.now + 60 * DAY));
        self.access.push(ModelAccess { grant, until: access, revoked: false });
        self.refresh.push(ModelRefresh { grant, until: refresh, first_spent: None, pairs: 0 });
        Told::Given { access, refresh }
    }

    fn redeem(&mut self, code: usize, foreign: bool) -> Told {
        let now = self.now;
        let code = &mut self.codes[code];
        if foreign || now >= code.until {
            return Told::Unknown;
        }
        if let Some(grant) = code.grant {
            self.grants[grant].revoked = true;
            return Told::Replayed;
        }
        code.grant = Some(self.grants.len());
        self.grants.push(ModelGrant { until: now + 365 * DAY, revoked: false });
        self.give(self.grants.len() - 1)
    }

    fn refresh(&mut self, token: usize, foreign: bool) -> Told {
        let now = self.now;
        let token = &mut self.refresh[token];
        let grant = token.grant;
        if foreign || now >= token.until || self.grants[grant].revoked {
            return Told::Unknown;
        }
        match token.first_spent {
            Some(first) if now - first >= 10 * MINUTE => {
                self.grants[grant].revoked = true;
                Told::Replayed
            }
            Some(_) if token.pairs == 16 => Told::Exhausted,
            _ => {
                token.first_spent.get_or_insert(now);
                token.pairs += 1;
                self.give(grant)
            }
        }
    }

    /// False when there is nothing to revoke: what is past its time is as if it had never been there.
    fn revoke(&mut self, token: usize) -> bool {
        let ModelRefresh { grant, until, .. } = self.refresh[token];
        let there = self.now < until && !self.grants[grant].revoked;
        self.grants[grant].revoked |= there;
        there
    }

    fn opens(&self, token: &ModelAccess) -> bool {
        !token.revoked && !self.grants[token.grant].revoked && self.now < token.until
    }
}

/// The hash of the thing of a kind with this number.
fn hash(kind: u8, number: usize) -> SecretHash {
    let mut hash = [kind; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

const CODE: u8 = 1;
const ACCESS: u8 = 2;
const REFRESH: u8 = 3;

struct Scene {
    store: SqliteStore,
    own: ApplicationNo,
    other: ApplicationNo,
    user: UserId,
    model: Model,
}

impl Scene {
    async fn new() -> Self {
        let store = SqliteStore::in_memory().unwrap();
        let mut made = Vec::new();
        for number in 1..=2_u8 {
            let new = NewApplication {
                id: ApplicationId(Uuid::from_u128(number.into())),
                name: "A".into(),
                redirect_uris: vec![],
                plan: "unlimited".into(),
                connect: Defaults::default(),
                management_token: vec![],
                secret: Secret { hash: [number; 32], hint: "hint".into(), created_at: at(0) },
                created_at: at(0),
            };
            made.push(store.create_application(new).await.unwrap().no);
        }
        let user = UserId(Uuid::from_u128(7));
        Self { store, own: made[0], other: made[1], user, model: Model::default() }
    }

    fn application(&self, foreign: bool) -> ApplicationNo {
        if foreign { self.other } else { self.own }
    }

    /// The pair that comes next.
    fn pair(&self) -> NewPair {
        let number = self.model.refresh.len();
        NewPair { access: hash(ACCESS, number), refresh: hash(REFRESH, number) }
    }

    async fn act(&mut self, act: &Act) {
        let now = at(self.model.now);
        match act {
            Act::Consent => {
                let until = self.model.now + 10 * MINUTE;
                let code = Code {
                    application: self.own,
                    user: self.user,
                    vehicles: vec![VehicleId(Uuid::from_u128(9))],
                    redirect_uri: None,
                    challenge: None,
                    expires_at: at(until),
                    grant: None,
                };
                self.store.keep_code(hash(CODE, self.model.codes.len()), code).await.unwrap();
                self.model.codes.push(ModelCode { until, grant: None });
            }
            Act::Redeem { code, foreign } if !self.model.codes.is_empty() => {
                let code = code % self.model.codes.len();
                let (application, pair, lives) = (self.application(*foreign), self.pair(), Lives::default());
                let found =
                    self.store.spend_code(hash(CODE, code), application, pair, lives, now).await.unwrap();
                let found = match found {
                    Redeemed::Given(life) => given(life.access, life.refresh),
                    Redeemed::Replayed => Told::Replayed,
                    Redeemed::Unknown => Told::Unknown,
                };
                assert_eq!(found, self.model.redeem(code, *foreign), "{act:?}");
            }
            Act::Refresh { token, foreign } if !self.model.refresh.is_empty() => {
                self.refresh(token % self.model.refresh.len(), *foreign).await;
            }
            Act::GoOn if !self.model.refresh.is_empty() => {
                self.refresh(self.model.refresh.len() - 1, false).await;
            }
            Act::RevokeRefresh(token) if !self.model.refresh.is_empty() => {
                let token = token % self.model.refresh.len();
                assert!(!self.store.revoke(hash(REFRESH, token), self.other, now).await.unwrap());
                let found = self.store.revoke(hash(REFRESH, token), self.own, now).await.unwrap();
                assert_eq!(found, self.model.revoke(token), "refresh token {token}");
            }
            Act::RevokeAccess(token) if !self.model.access.is_empty() => {
                let token = token % self.model.access.len();
                assert!(!self.store.revoke(hash(ACCESS, token), self.other, now).await.unwrap());
                self.store.revoke(hash(ACCESS, token), self.own, now).await.unwrap();
                self.model.access[token].revoked = true;
            }
            Act::Pass(seconds) => self.model.now += seconds,
            Act::Retire => {
                let past = at(-DAY);
                let retention = Retention {
                    observations_before: past,
                    log_before: past,
                    roll_ups_before: past,
                    tokens_before: now,
                    now: domain::time::Timestamp::from_secs(i64::MAX / 2_000_000),
                    ahead: None,
                    limit: 1_000,
                };
                self.store.retire(retention).await.unwrap();
            }
            _ => {}
        }
    }

    async fn refresh(&mut self, token: usize, foreign: bool) {
        let (application, pair, now) = (self.application(foreign), self.pair(), at(self.model.now));
        let (lives, grace) = (Lives::default(), Grace::default());
        let spent = hash(REFRESH, token);
        let found = self.store.refresh(spent, application, pair, lives, grace, now).await.unwrap();
        let found = match found {
            Refreshed::Given(life) => given(life.access, life.refresh),
            Refreshed::Exhausted => Told::Exhausted,
            Refreshed::Replayed => Told::Replayed,
            Refreshed::Unknown => Told::Unknown,
        };
        assert_eq!(found, self.model.refresh(token, foreign), "refresh token {token}");
    }

    /// Whether each access token opens what it should, and nothing else.
    async fn check(&self) {
        for (number, token) in self.model.access.iter().enumerate() {
            let found = self.store.token(hash(ACCESS, number)).await.unwrap();
            let opens = found.is_some_and(|grant| grant.expires_at > at(self.model.now));
            assert_eq!(opens, self.model.opens(token), "access token {number}");
        }
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_750_000_000 + seconds)
}

fn given(access: Timestamp, refresh: Timestamp) -> Told {
    let seconds = |moment: Timestamp| moment.as_secs() - at(0).as_secs();
    Told::Given { access: seconds(access), refresh: seconds(refresh) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn trees_of_tokens_grow_and_die_as_the_rules_say(acts in prop::collection::vec(acts(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut scene = Scene::new().await;
            scene.act(&Act::Consent).await;
            for act in &acts {
                scene.act(act).await;
                scene.check().await;
            }
        });
    }

    #[test]
    fn a_token_that_is_used_over_and_over_is_bounded(gaps in prop::collection::vec(0..40_i64, 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut scene = Scene::new().await;
            scene.act(&Act::Consent).await;
            scene.act(&Act::Redeem { code: 0, foreign: false }).await;
            for gap in gaps {
                scene.refresh(0, false).await;
                scene.act(&Act::Pass(gap)).await;
            }
            scene.check().await;
        });
    }
}
