//! Codes and tokens that many ask with at once, on the store that serves in earnest.

use std::{sync::Arc, time::Duration};

use app::{App, ApplicationEntry, GivenTokens, NewCode, TokenRefused};
use futures::future::join_all;
use store_sqlite::Options;
use tempfile::TempDir;

use crate::testing::Server;

const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct Scene {
    pub(super) server: Server,
    pub(super) app: Arc<App>,
    pub(super) client: Arc<ApplicationEntry>,
    consent: NewCode,
    _folder: TempDir,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { waiting: 16_384, ..Options::default() };
        let server = Server::in_folder(folder.path(), options).await;
        let tenant = server.tenant("A").await;
        let app = server.app.clone();
        let client = app.application(tenant.application.parse().unwrap()).unwrap();
        let consent = NewCode {
            application: client.application.no,
            user: tenant.user.parse().unwrap(),
            vehicles: vec![tenant.vehicle.parse().unwrap()],
            redirect_uri: None,
            challenge: None,
        };
        Self { server, app, client, consent, _folder: folder }
    }

    /// Another application.
    pub(super) async fn another_client(&self) -> Arc<ApplicationEntry> {
        let tenant = self.server.tenant("B").await;
        self.app.application(tenant.application.parse().unwrap()).unwrap()
    }

    pub(super) async fn code(&self) -> Arc<str> {
        self.app.issue_code(self.consent.clone()).await.unwrap().as_str().into()
    }

    async fn tokens(&self) -> GivenTokens {
        let code = self.code().await;
        self.app.redeem_code(&self.client, &code, None, None).await.expect("a fresh code")
    }

    pub(super) async fn refresh(&self, token: &str) -> Result<GivenTokens, TokenRefused> {
        self.app.refresh(&self.client, token).await
    }

    pub(super) async fn opens(&self, tokens: &GivenTokens) -> bool {
        self.app.access(&tokens.access_token).await.unwrap().is_some()
    }

    /// Asks with one text in tasks of their own.
    async fn at_once<F>(
        &self,
        count: usize,
        text: &str,
        ask: impl Fn(Arc<App>, Arc<ApplicationEntry>, Arc<str>) -> F,
    ) -> (Vec<GivenTokens>, Vec<TokenRefused>)
    where
        F: Future<Output = Result<GivenTokens, TokenRefused>> + Send + 'static,
    {
        let text: Arc<str> = text.into();
        let asks = (0..count).map(|_| ask(self.app.clone(), self.client.clone(), text.clone()));
        let tasks: Vec<_> = asks.map(tokio::spawn).collect();
        let (mut given, mut refused) = (vec![], vec![]);
        for ended in join_all(tasks).await {
            match ended.unwrap() {
                Ok(tokens) => given.push(tokens),
                Err(why) => refused.push(why),
            }
        }
        (given, refused)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_thousand_redemptions_at_once_one_succeeds_and_is_taken_back() {
    let scene = Scene::new().await;
    let (code, other) = (scene.code().await, scene.tokens().await);
    let (given, refused) = scene
        .at_once(10_000, &code, |app, client, code| async move {
            app.redeem_code(&client, &code, None, None).await
        })
        .await;
    assert_eq!((given.len(), refused.len()), (1, 9_999));
    let other_reason = refused.iter().find(|why| !matches!(why, TokenRefused::Code));
    assert!(other_reason.is_none(), "{other_reason:?}");
    assert!(!scene.opens(&given[0]).await);
    assert!(matches!(scene.refresh(&given[0].refresh_token).await, Err(TokenRefused::RefreshToken)));
    assert!(scene.opens(&other).await, "another consent has nothing to do with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_races_of_refreshes_none_revokes_anything() {
    const RACERS: usize = 8;
    let scene = Scene::new().await;
    let mut tokens = scene.tokens().await;
    for race in 0..1_000 {
        let (mut given, refused) = scene
            .at_once(RACERS, &tokens.refresh_token, |app, client, token| async move {
                app.refresh(&client, &token).await
            })
            .await;
        assert_eq!((given.len(), refused.len()), (RACERS, 0), "race {race}: {:?}", refused.first());
        assert!(scene.opens(&tokens).await, "race {race}");
        for tokens in &given {
            assert!(scene.opens(tokens).await, "race {race}");
        }
        tokens = given.swap_remove(race % RACERS);
        scene.server.clock.pass(MINUTE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_replays_after_the_grace_all_are_noticed() {
    let scene = Scene::new().await;
    let mut families = Vec::new();
    for number in 0..1_000_u32 {
        let first = scene.tokens().await;
        let mut family = vec![scene.refresh(&first.refresh_token).await.expect("is fresh")];
        // Some have grown since, by successors and by requests that crossed.
        for _ in 0..number % 3 {
            let newest = family.last().expect("has one").refresh_token.clone();
            family.push(scene.refresh(&newest).await.expect("is fresh"));
            family.push(scene.refresh(&newest).await.expect("is within the grace"));
        }
        families.push((first, family));
        if number % 100 == 0 {
            scene.server.clock.pass(Duration::from_secs(1));
        }
    }
    scene.server.clock.pass(MINUTE * 10);
    let last = &families.last().expect("there are many").1;
    for (number, (spent, family)) in families.iter().enumerate() {
        assert!(scene.opens(&last[0]).await, "replays of others change nothing");
        let answered = scene.refresh(&spent.refresh_token).await;
        assert!(matches!(answered, Err(TokenRefused::RefreshToken)), "replay {number}");
        for tokens in family.iter().chain([spent]) {
            assert!(!scene.opens(tokens).await, "replay {number}");
            assert!(scene.refresh(&tokens.refresh_token).await.is_err(), "replay {number}");
        }
    }
}
