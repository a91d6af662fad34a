//! Tokens of one consent, used in any order at any time, held against a plain account of what should come of it.

use std::time::Duration;

use app::GivenTokens;
use proptest::{prelude::*, sample::Index};

use super::races::Scene;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Moments around which something ends.
const PAUSES: [Duration; 6] = [
    MINUTE,
    Duration::from_secs(599),
    Duration::from_secs(600),
    Duration::from_secs(7_200),
    DAY.saturating_mul(59),
    DAY.saturating_mul(60),
];

#[derive(Clone, Debug)]
enum Deed {
    /// One of the refresh tokens so far comes, spent or not.
    Refresh(Index),
    /// One of the refresh tokens comes from another application.
    Steal(Index),
    Pass(Duration),
    /// The code comes again.
    Replay,
}

/// What is known of a pair.
struct Pair {
    tokens: GivenTokens,
    access_until: Duration,
    refresh_until: Duration,
    spent_at: Option<Duration>,
    given: u32,
}

/// What should be true of a consent.
struct Account {
    now: Duration,
    revoked: bool,
    pairs: Vec<Pair>,
}

impl Account {
    fn add(&mut self, tokens: GivenTokens) {
        let end = DAY * 365;
        self.pairs.push(Pair {
            tokens,
            access_until: end.min(self.now + Duration::from_secs(7_200)),
            refresh_until: end.min(self.now + DAY * 60),
            spent_at: None,
            given: 0,
        });
    }

    /// Whether a refresh token gives another pair now; one that is replayed ends everything.
    fn refresh(&mut self, place: usize) -> bool {
        let (now, pair) = (self.now, &mut self.pairs[place]);
        if self.revoked || pair.refresh_until <= now {
            return false;
        }
        let spent_at = *pair.spent_at.get_or_insert(now);
        if now - spent_at >= Duration::from_secs(600) {
            self.revoked = true;
            return false;
        }
        pair.given += 1;
        pair.given <= 16
    }

    fn opens(&self, pair: &Pair) -> bool {
        !self.revoked && self.now < pair.access_until
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => any::<Index>().prop_map(Deed::Refresh),
        1 => any::<Index>().prop_map(Deed::Steal),
        4 => prop::sample::select(PAUSES.to_vec()).prop_map(Deed::Pass),
        1 => Just(Deed::Replay),
    ];
    prop::collection::vec(deed, 1..24)
}

async fn check(deeds: Vec<Deed>) {
    let scene = Scene::new().await;
    let other = scene.another_client().await;
    let code = scene.code().await;
    let first = scene.app.redeem_code(&scene.client, &code, None, None).await.expect("a fresh code");
    let mut account = Account { now: Duration::ZERO, revoked: false, pairs: vec![] };
    account.add(first);
    for deed in deeds {
        match deed {
            Deed::Refresh(index) => {
                let place = index.index(account.pairs.len());
                let token = account.pairs[place].tokens.refresh_token.clone();
                let given = scene.refresh(&token).await;
                assert_eq!(given.is_ok(), account.refresh(place), "pair {place} at {:?}", account.now);
                given.into_iter().for_each(|tokens| account.add(tokens));
            }
            Deed::Steal(index) => {
                let token = &account.pairs[index.index(account.pairs.len())].tokens.refresh_token;
                assert!(scene.app.refresh(&other, token).await.is_err(), "it is bound to its client");
            }
            Deed::Pass(time) => {
                scene.server.clock.pass(time);
                account.now += time;
            }
            Deed::Replay => {
                assert!(scene.app.redeem_code(&scene.client, &code, None, None).await.is_err());
                account.revoked |= account.now < Duration::from_secs(600);
            }
        }
        for (place, pair) in account.pairs.iter().enumerate() {
            let opens = scene.opens(&pair.tokens).await;
            assert_eq!(opens, account.opens(pair), "pair {place} at {:?}", account.now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tokens_of_a_consent_rotate_expire_and_end_together(deeds in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(deeds));
    }
}
