//! Where codes, tokens and secrets must not be found after all that happens in their lives.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use app::NewCode;
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use store_sqlite::Options;

use crate::testing::{ADMIN_TOKEN, Answered, Server, Tenant, receiver};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Scene {
    server: Server,
    tenant: Tenant,
    /// What must not be found.
    secrets: Vec<String>,
    /// What refusals have said.
    errors: String,
}

impl Scene {
    async fn new(folder: &Path) -> Self {
        let server = Server::in_folder(folder, Options::default()).await;
        let tenant = server.tenant("A").await;
        let secrets = vec![
            tenant.client_secret.clone(),
            tenant.management_token.clone(),
            tenant.access_token.clone(),
            VERIFIER.into(),
        ];
        Self { server, tenant, secrets, errors: String::new() }
    }

    /// Keeps an answer if it is a refusal. The one sentence in which SDKs look for what they sent may have it.
    fn heard(&mut self, answered: Answered) -> Answered {
        if answered.status.as_u16() >= 400 {
            let mut said = answered.body.clone();
            for secret in &self.secrets {
                said = said.replace(&format!("Invalid code: {secret}."), "");
                said = said.replace(&format!("Invalid refresh_token: {secret}."), "");
            }
            self.errors += &format!("{} {said} {:?}\n", answered.status, answered.headers);
        }
        answered
    }

    /// A request of the admin API, and the secrets that its answer shows this once.
    async fn admin(&mut self, path: &str, body: Value, shows: &[&str]) -> Answered {
        let request = Request::post(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", format!("key {}", self.secrets.len()));
        let answered = self.server.send(request.body(Body::from(body.to_string())).unwrap()).await;
        self.secrets.extend(shows.iter().map(|&member| answered.text(member)));
        self.heard(answered)
    }

    async fn form(&mut self, path: &str, authorization: Option<&str>, fields: &[(&str, &str)]) -> Answered {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let answered = self.server.send(request.body(Body::from(body)).unwrap()).await;
        if answered.status == 200 && !answered.json()["access_token"].is_null() {
            self.secrets.extend([answered.text("access_token"), answered.text("refresh_token")]);
        }
        self.heard(answered)
    }

    async fn code(&mut self) -> String {
        let new = NewCode {
            application: self
                .server
                .app
                .application(self.tenant.application.parse().unwrap())
                .unwrap()
                .application
                .no,
            user: self.tenant.user.parse().unwrap(),
            vehicles: vec![self.tenant.vehicle.parse().unwrap()],
            redirect_uri: Some("https://fleet.example/callback".into()),
            challenge: Some(CHALLENGE.into()),
        };
        let code = self.server.app.issue_code(new).await.unwrap().to_string();
        self.secrets.push(code.clone());
        code
    }

    async fn uses(&mut self, method: Method, token: &str) {
        let path = format!(
            "/v2.0/vehicles/{}/webhooks/{}?access_token={token}",
            self.tenant.vehicle, self.tenant.webhook
        );
        let answered = self.server.request(method, &path, token, Value::Null).await;
        self.heard(answered);
    }

    /// All that can happen to a code and its tokens.
    async fn life_of_a_code(&mut self) {
        let (id, secret) = (self.tenant.application.clone(), self.tenant.client_secret.clone());
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let basic = Some(basic.as_str());
        let wrong = format!("Basic {}", STANDARD.encode(format!("{id}:{}", self.tenant.management_token)));
        let in_query = format!("/oauth/token?client_id={id}&client_secret={secret}");
        let code = self.code().await;
        let redeem = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", "https://fleet.example/callback"),
            ("code_verifier", VERIFIER),
        ];
        for (path, authorization, fields, status) in [
            ("/oauth/token", Some(wrong.as_str()), &redeem[..], 401),
            ("/oauth/token", basic, &redeem[..2], 400),
            ("/oauth/token", basic, &redeem[..3], 400),
            (&format!("/oauth/token?code={code}"), basic, &redeem[..], 400),
        ] {
            self.form(path, authorization, fields).await.expect(status);
        }
        let tokens = self.form(&in_query, None, &redeem).await.expect(200);
        let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
        self.uses(Method::POST, &access).await;
        self.uses(Method::POST, &refresh).await;
        let spend = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        for _ in 0..17 {
            self.form("/oauth/token", basic, &spend).await;
        }
        self.form("/oauth/token", basic, &[spend[0], spend[1], spend[1]]).await.expect(400);
        self.form("/oauth/token", Some("Bearer x"), &[("password", &secret)]).await.expect(401);
        self.form(&format!("/oauth/revoke?token={refresh}"), basic, &[]).await.expect(400);
        self.form("/oauth/revoke", basic, &[("token", &access)]).await.expect(200);
        self.server.clock.pass(Duration::from_secs(9 * 60));
        self.form("/oauth/token", basic, &redeem).await.expect(400);
        self.form("/oauth/token", basic, &spend).await.expect(400);
        self.uses(Method::POST, &access).await;

        let code = self.code().await;
        let tokens =
            self.form("/oauth/token", basic, &[redeem[0], ("code", &code), redeem[2], redeem[3]]).await;
        let refresh = tokens.expect(200).text("refresh_token");
        let spend = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        self.form("/oauth/token", basic, &spend).await.expect(200);
        self.server.clock.pass(Duration::from_secs(11 * 60));
        self.form("/oauth/token", basic, &spend).await.expect(400);
    }

    /// All that can happen to the secrets of an application.
    async fn life_of_an_application(&mut self) {
        let application = format!("/applications/{}", self.tenant.application);
        self.admin("/applications", json!({"name": "B"}), &["clientSecret", "managementToken"]).await;
        self.admin(&format!("{application}/secrets"), json!({}), &["clientSecret"]).await;
        let vehicle = format!("/vehicles/{}/access-token", self.tenant.vehicle);
        self.admin(&vehicle, json!({}), &["accessToken"]).await;
        let rotate = format!("{application}/management-token/rotate");
        let old = self.tenant.management_token.clone();
        let rotated = self.admin(&rotate, json!({"overlapSeconds": 60}), &["managementToken"]).await;
        self.server.outbound.answer(receiver(old.clone(), 200));
        self.admin(&format!("/webhooks/{}/verify", self.tenant.webhook), json!({}), &[]).await.expect(200);
        for token in [old.clone(), rotated.text("managementToken"), format!("{old}x")] {
            self.uses(Method::DELETE, &token).await;
        }
        self.admin(&rotate, json!({"overlapSeconds": 60}), &[]).await.expect(409);
        self.server.clock.pass(Duration::from_secs(60));
        self.server.settle().await;
        self.uses(Method::DELETE, &old).await;
    }
}

#[tokio::test]
async fn codes_tokens_and_secrets_are_found_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    subscriber.try_init().expect("this is the only test of its process that logs");
    let metrics = PrometheusBuilder::new().install_recorder().expect("and that measures");
    let folder = tempfile::tempdir().unwrap();

    let mut scene = Scene::new(folder.path()).await;
    scene.life_of_a_code().await;
    scene.life_of_an_application().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let metrics = metrics.render();
    let mut places = vec![
        ("the log".to_owned(), log.into_bytes()),
        ("an error".to_owned(), scene.errors.clone().into_bytes()),
        ("the metrics".to_owned(), metrics.into_bytes()),
    ];
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    // What may be there is, so the search finds what is there.
    let data: Vec<u8> = places[3..].iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    for (bytes, what) in [
        (&places[0].1, "A request was answered"),
        (&places[0].1, "came a second time"),
        (&places[0].1, "long after it was spent"),
        (&places[1].1, "invalid_client"),
        (&places[2].1, "milepost_"),
        (&data, "https://receiver.example/hooks"),
    ] {
        assert!(contains(bytes, what.as_bytes()), "{what}");
    }
    assert!(scene.secrets.len() > 40);
    for secret in &scene.secrets {
        let random = secret.split_once('_').map_or(secret.as_str(), |(_, random)| random);
        for (place, bytes) in &places {
            assert!(!contains(bytes, random.as_bytes()), "a secret is in {place}: {secret}");
        }
    }
    let token = scene.secrets.iter().rfind(|secret| secret.starts_with("mpr_")).unwrap();
    assert!(contains(&data, &app::token_hash(token)), "the data has hashes of tokens");
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
