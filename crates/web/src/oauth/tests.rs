use std::time::Duration;

use app::NewCode;
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::ids::VehicleId;
use serde_json::{Value, json};

use crate::testing::{ADMIN_TOKEN, Answered, Server, Tenant};

const CALLBACK: &str = "https://fleet.example/auth/callback?a=b";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// An application whose owner consents.
struct Scene {
    server: Server,
    tenant: Tenant,
}

impl Scene {
    async fn new() -> Self {
        Self::on(Server::new().await).await
    }

    async fn on(server: Server) -> Self {
        let tenant = server.tenant("A").await;
        let application = format!("/applications/{}", tenant.application);
        let uris = json!({"redirectUris": [CALLBACK, "https://fleet.example/other"]});
        server.admin(Method::PATCH, &application, uris).await.expect(200);
        Self { server, tenant }
    }

    /// A code as it is asked for without anything that is optional.
    async fn code(&self) -> String {
        self.code_for(&self.tenant, None, None).await
    }

    async fn code_for(&self, tenant: &Tenant, uri: Option<&str>, challenge: Option<&str>) -> String {
        self.server.app.issue_code(consent(&self.server, tenant, uri, challenge)).await.unwrap().to_string()
    }

    /// The tokens of a new consent.
    async fn tokens(&self) -> Answered {
        self.redeem(&self.code().await, &[]).await.expect(200)
    }

    async fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Answered {
        let fields = [&[("grant_type", "authorization_code"), ("code", code)], more].concat();
        self.post("/oauth/token", &fields).await
    }

    async fn refresh(&self, token: &str) -> Answered {
        self.refresh_as(&self.tenant, token).await
    }

    async fn refresh_as(&self, tenant: &Tenant, token: &str) -> Answered {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.send("/oauth/token", Some(&basic(tenant)), &fields).await
    }

    async fn revoke(&self, token: &str) -> Answered {
        self.post("/oauth/revoke", &[("token", token)]).await
    }

    /// A form, sent by the application with HTTP Basic.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answered {
        self.send(path, Some(&basic(&self.tenant)), fields).await
    }

    async fn send(&self, path: &str, authorization: Option<&str>, fields: &[(&str, &str)]) -> Answered {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let answered = self.server.send(request.body(Body::from(form(fields))).unwrap()).await;
        assert_eq!(answered.headers["content-type"], "application/json", "{}", answered.body);
        answered
    }

    /// What a token is told when it is used for a vehicle.
    async fn uses(&self, token: &str, vehicle: &str) -> u16 {
        let path = format!("/v2.0/vehicles/{vehicle}/webhooks/{}", self.tenant.webhook);
        self.server.request(Method::POST, &path, token, Value::Null).await.status.as_u16()
    }

    async fn opens(&self, tokens: &Answered) -> bool {
        match self.uses(&tokens.text("access_token"), &self.tenant.vehicle).await {
            200 => true,
            401 => false,
            other => panic!("a token is told {other}"),
        }
    }

    fn pass(&self, time: Duration) {
        self.server.clock.pass(time);
    }
}

fn consent(server: &Server, tenant: &Tenant, uri: Option<&str>, challenge: Option<&str>) -> NewCode {
    NewCode {
        application: server.app.application(tenant.application.parse().unwrap()).unwrap().application.no,
        user: tenant.user.parse().unwrap(),
        vehicles: vec![tenant.vehicle.parse().unwrap()],
        redirect_uri: uri.map(str::to_owned),
        challenge: challenge.map(str::to_owned),
    }
}

fn basic(tenant: &Tenant) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", tenant.application, tenant.client_secret)))
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[track_caller]
fn refused(answered: &Answered, status: u16, error: &str) -> String {
    assert_eq!((answered.status.as_u16(), answered.text("error").as_str()), (status, error));
    assert_eq!(answered.json().as_object().unwrap().len(), 2, "{}", answered.body);
    answered.text("error_description")
}

// ---- what is given ----

#[tokio::test]
async fn a_code_becomes_tokens_that_open_the_vehicles_of_the_consent() {
    let scene = Scene::new().await;
    let answered = scene.tokens().await;
    let members: Vec<_> = answered.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["access_token", "token_type", "expires_in", "refresh_token"]);
    let told = answered.json();
    assert_eq!((&told["token_type"], &told["expires_in"]), (&json!("Bearer"), &json!(7_200)));
    for name in ["access_token", "refresh_token"] {
        assert_eq!(answered.text(name).len(), 36, "SDKs expect the length of a UUID");
    }
    assert_eq!(answered.headers["cache-control"], "no-store");
    assert!(scene.opens(&answered).await);
    scene.pass(MINUTE * 120);
    assert!(!scene.opens(&answered).await);
}

#[tokio::test]
async fn a_refresh_gives_another_pair_and_lets_the_access_token_be() {
    let scene = Scene::new().await;
    let first = scene.tokens().await;
    scene.pass(MINUTE);
    let second = scene.refresh(&first.text("refresh_token")).await.expect(200);
    assert_ne!(first.text("access_token"), second.text("access_token"));
    assert_ne!(first.text("refresh_token"), second.text("refresh_token"));
    assert_eq!(second.json()["expires_in"], 7_200);
    assert_eq!(second.headers["cache-control"], "no-store");
    assert!(scene.opens(&first).await && scene.opens(&second).await);
    scene.pass(MINUTE * 119);
    assert!(!scene.opens(&first).await && scene.opens(&second).await);
}

#[tokio::test]
async fn clients_name_themselves_in_any_of_three_places() {
    let scene = Scene::new().await;
    let Tenant { application: id, client_secret: secret, .. } = &scene.tenant;
    let (basic, query) = (basic(&scene.tenant), form(&[("client_id", id), ("client_secret", secret)]));
    let in_body = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let in_query = format!("/oauth/token?{query}");
    for (path, authorization, credentials) in [
        ("/oauth/token", Some(basic.as_str()), &in_body[..0]),
        ("/oauth/token/", Some(&basic), &in_body[..0]),
        ("/oauth/token?flags=", Some(&basic), &in_body[..0]),
        ("/oauth/token?flags=country%3ADE", Some(&basic), &in_body[..0]),
        ("/oauth/token", None, &in_body[..]),
        (&in_query, None, &in_body[..0]),
        // More than one place, if they say the same.
        ("/oauth/token", Some(&basic), &in_body[..1]),
        (&in_query, Some(&basic), &in_body[..]),
    ] {
        let code = scene.code().await;
        let fields = [&[("grant_type", "authorization_code"), ("code", &code)], credentials].concat();
        let tokens = scene.send(path, authorization, &fields).await.expect(200);
        let token = tokens.text("refresh_token");
        let fields = [&[("grant_type", "refresh_token"), ("refresh_token", &token)], credentials].concat();
        scene.send(path, authorization, &fields).await.expect(200);
    }
}

#[tokio::test]
async fn every_client_secret_of_an_application_counts_until_it_is_removed() {
    let scene = Scene::new().await;
    let secrets = format!("/applications/{}/secrets", scene.tenant.application);
    let mut all = vec![scene.tenant.client_secret.clone()];
    for _ in 0..2 {
        let made = scene.server.admin(Method::POST, &secrets, Value::Null).await.expect(201);
        all.push(made.text("clientSecret"));
    }
    scene.server.admin(Method::POST, &secrets, Value::Null).await.expect(409);
    let with = async |secret: &str| {
        let encoded = STANDARD.encode(format!("{}:{secret}", scene.tenant.application));
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        scene.send("/oauth/token", Some(&format!("Basic {encoded}")), &fields).await.text("error")
    };
    for secret in &all {
        assert_eq!(with(secret).await, "invalid_grant", "the client is known");
    }
    let removed = format!("{secrets}/{}", &all[1][all[1].len() - 6..]);
    scene.server.admin(Method::DELETE, &removed, Value::Null).await.expect(204);
    assert_eq!(with(&all[0]).await, "invalid_grant");
    assert_eq!(with(&all[1]).await, "invalid_client");
    assert_eq!(with(&all[2]).await, "invalid_grant");
}

#[tokio::test]
async fn metadata_names_what_there_is() {
    let scene = Scene::new().await;
    let request = Request::get("/.well-known/oauth-authorization-server").body(Body::empty()).unwrap();
    let told = scene.server.send(request).await.expect(200);
    assert_eq!(told.headers["content-type"], "application/json");
    let told = told.json();
    assert_eq!(told["issuer"], "https://milepost.example");
    assert_eq!(told["authorization_endpoint"], "https://milepost.example/oauth/authorize");
    assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(told["authorization_response_iss_parameter_supported"], true);
    assert_eq!(told["grant_types_supported"], json!(["authorization_code", "refresh_token"]));
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    assert_eq!(told["token_endpoint_auth_methods_supported"], methods);
    for endpoint in ["token_endpoint", "revocation_endpoint"] {
        let path = told[endpoint].as_str().unwrap().strip_prefix("https://milepost.example").unwrap();
        refused(&scene.post(path, &[]).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_grant_is_revoked_by_its_refresh_token_and_an_access_token_by_itself() {
    let scene = Scene::new().await;
    let (first, other) = (scene.tokens().await, scene.tokens().await);
    let second = scene.refresh(&first.text("refresh_token")).await.expect(200);
    assert_eq!(scene.revoke(&first.text("access_token")).await.expect(200).body, "{}");
    assert!(!scene.opens(&first).await && scene.opens(&second).await);
    let hinted = [("token", &*second.text("refresh_token")), ("token_type_hint", "access_token")];
    assert_eq!(scene.post("/oauth/revoke/", &hinted).await.expect(200).headers["cache-control"], "no-store");
    assert!(!scene.opens(&second).await);
    let answered = scene.refresh(&second.text("refresh_token")).await;
    refused(&answered, 400, "invalid_grant");
    assert!(scene.opens(&other).await, "another consent is another grant");
    scene.revoke("whatever").await.expect(200);
}

// ---- what is refused ----

#[tokio::test]
async fn a_redirect_uri_other_than_that_of_the_authorize_request_is_refused() {
    let scene = Scene::new().await;
    let code = scene.code_for(&scene.tenant, Some(CALLBACK), None).await;
    let near = [
        "https://fleet.example/auth/callback",
        "https://fleet.example/auth/callback?a=b&c=d",
        "https://fleet.example/auth/callback/?a=b",
        "https://fleet.example/auth/callback?a=b#",
        "https://fleet.example/auth/callback?a=b ",
        "https://fleet.example/auth/callback?a=%62",
        "https://fleet.example/auth/./callback?a=b",
        "https://fleet.example:443/auth/callback?a=b",
        "https://FLEET.example/auth/callback?a=b",
        "https://user@fleet.example/auth/callback?a=b",
        "https://fleet.example.evil.example/auth/callback?a=b",
        "http://fleet.example/auth/callback?a=b",
        "https://fleet.example/other",
        "undefined",
        "null",
    ];
    for uri in near {
        let answered = scene.redeem(&code, &[("redirect_uri", uri)]).await;
        assert!(!refused(&answered, 400, "invalid_grant").contains(&code), "{uri}");
    }
    for nothing in [&[][..], &[("redirect_uri", "")]] {
        refused(&scene.redeem(&code, nothing).await, 400, "invalid_grant");
    }
    scene.redeem(&code, &[("redirect_uri", CALLBACK)]).await.expect(200);
}

#[tokio::test]
async fn a_redirect_uri_that_was_never_sent_is_refused_unless_it_is_the_default() {
    let scene = Scene::new().await;
    for (uri, status) in [
        (CALLBACK, 200),
        ("undefined", 200),
        ("", 200),
        ("https://fleet.example/other", 400),
        ("Undefined", 400),
    ] {
        let answered = scene.redeem(&scene.code().await, &[("redirect_uri", uri)]).await;
        assert_eq!(answered.status, status, "{uri}");
    }
}

#[tokio::test]
async fn a_verifier_that_is_wrong_or_missing_or_has_no_challenge_is_refused() {
    let scene = Scene::new().await;
    let long = "a".repeat(129);
    let verifiers = [None, Some(VERIFIER), Some(CHALLENGE), Some("short"), Some(&long), Some(&VERIFIER[1..])];
    for challenge in [None, Some(CHALLENGE)] {
        let code = scene.code_for(&scene.tenant, None, challenge).await;
        let fits = if challenge.is_some() { Some(VERIFIER) } else { None };
        for verifier in verifiers.into_iter().filter(|&verifier| verifier != fits) {
            let fields: Vec<_> = verifier.map(|verifier| ("code_verifier", verifier)).into_iter().collect();
            refused(&scene.redeem(&code, &fields).await, 400, "invalid_grant");
        }
        let fields: Vec<_> = fits.map(|verifier| ("code_verifier", verifier)).into_iter().collect();
        scene.redeem(&code, &fields).await.expect(200);
    }
}

#[tokio::test]
async fn a_challenge_that_is_no_hash_is_refused_a_code() {
    let scene = Scene::new().await;
    for challenge in ["", "plain", VERIFIER.trim_end_matches('k'), &"A".repeat(44)] {
        let consent = consent(&scene.server, &scene.tenant, None, Some(challenge));
        assert!(scene.server.app.issue_code(consent).await.is_err(), "{challenge}");
    }
    let nothing = NewCode { vehicles: vec![], ..consent(&scene.server, &scene.tenant, None, None) };
    assert!(scene.server.app.issue_code(nothing).await.is_err());
}

#[tokio::test]
async fn a_code_is_refused_the_second_time_and_what_it_gave_is_revoked() {
    let scene = Scene::new().await;
    let code = scene.code().await;
    let first = scene.redeem(&code, &[]).await.expect(200);
    let second = scene.refresh(&first.text("refresh_token")).await.expect(200);
    let answered = scene.redeem(&code, &[]).await;
    assert_eq!(refused(&answered, 400, "invalid_request"), format!("Invalid code: {code}."));
    for tokens in [first, second] {
        assert!(!scene.opens(&tokens).await);
        refused(&scene.refresh(&tokens.text("refresh_token")).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_code_that_is_unknown_or_ten_minutes_old_is_refused() {
    let scene = Scene::new().await;
    let code = scene.code().await;
    let fresh = scene.code().await;
    scene.pass(MINUTE * 10 - Duration::from_millis(1));
    scene.redeem(&fresh, &[]).await.expect(200);
    scene.pass(Duration::from_millis(1));
    for code in [code.as_str(), "b6d1d2bb-0e7c-4d8d-b0a9-2ab4f5d5a4d7", "a\"b<é>\n"] {
        let answered = scene.redeem(code, &[]).await;
        assert_eq!(refused(&answered, 400, "invalid_request"), format!("Invalid code: {code}."));
    }
}

#[tokio::test]
async fn codes_and_tokens_of_another_application_are_refused() {
    let scene = Scene::new().await;
    let other = scene.server.tenant("B").await;
    let code = scene.code_for(&other, None, None).await;
    refused(&scene.redeem(&code, &[]).await, 400, "invalid_request");
    let fields = [("grant_type", "authorization_code"), ("code", &code)];
    let tokens = scene.send("/oauth/token", Some(&basic(&other)), &fields).await.expect(200);
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    // The second time is the other's mistake: it revokes nothing.
    refused(&scene.redeem(&code, &[]).await, 400, "invalid_request");
    let answered = scene.refresh(&refresh).await;
    assert_eq!(refused(&answered, 400, "invalid_grant"), format!("Invalid refresh_token: {refresh}."));
    for token in [&access, &refresh] {
        scene.revoke(token).await.expect(200);
    }
    let used = format!("/v2.0/vehicles/{}/webhooks/{}", other.vehicle, other.webhook);
    scene.server.request(Method::POST, &used, &access, Value::Null).await.expect(200);
    scene.refresh_as(&other, &refresh).await.expect(200);
}

#[tokio::test]
async fn password_implicit_and_client_credentials_grants_are_refused() {
    let scene = Scene::new().await;
    for grant_type in
        ["password", "implicit", "token", "client_credentials", "Authorization_Code", "refresh_token "]
    {
        let fields = [
            ("grant_type", grant_type),
            ("username", "a"),
            ("refresh_token", "a"),
            ("code", "a"),
            ("password", "a"),
        ];
        refused(&scene.post("/oauth/token", &fields).await, 400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn a_spent_refresh_token_is_refused_after_ten_minutes_and_revokes_its_family() {
    let scene = Scene::new().await;
    let first = scene.tokens().await;
    let spent = first.text("refresh_token");
    let second = scene.refresh(&spent).await.expect(200);
    scene.pass(MINUTE * 10 - Duration::from_millis(1));
    let crossed = scene.refresh(&spent).await.expect(200);
    assert!(scene.opens(&first).await && scene.opens(&second).await && scene.opens(&crossed).await);
    scene.pass(Duration::from_millis(1));
    let answered = scene.refresh(&spent).await;
    assert_eq!(refused(&answered, 400, "invalid_grant"), format!("Invalid refresh_token: {spent}."));
    for tokens in [first, second, crossed] {
        assert!(!scene.opens(&tokens).await);
        refused(&scene.refresh(&tokens.text("refresh_token")).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_refresh_token_is_refused_a_seventeenth_pair_and_revokes_nothing() {
    let scene = Scene::new().await;
    let first = scene.tokens().await;
    let mut all = vec![];
    for _ in 0..16 {
        all.push(scene.refresh(&first.text("refresh_token")).await.expect(200));
    }
    refused(&scene.refresh(&first.text("refresh_token")).await, 400, "invalid_grant");
    all.push(first);
    for tokens in &all {
        assert!(scene.opens(tokens).await);
    }
}

#[tokio::test]
async fn a_refresh_token_that_was_not_used_for_sixty_days_is_refused() {
    let scene = Scene::new().await;
    let (used, unused) = (scene.tokens().await, scene.tokens().await);
    scene.pass(DAY * 60 - Duration::from_millis(1));
    let next = scene.refresh(&used.text("refresh_token")).await.expect(200);
    scene.pass(Duration::from_millis(1));
    refused(&scene.refresh(&unused.text("refresh_token")).await, 400, "invalid_grant");
    scene.refresh(&next.text("refresh_token")).await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_of_a_consent_that_is_a_year_old_is_refused() {
    let scene = Scene::new().await;
    let mut tokens = scene.tokens().await;
    for _ in 0..7 {
        scene.pass(DAY * 50);
        tokens = scene.refresh(&tokens.text("refresh_token")).await.expect(200);
    }
    scene.pass(DAY * 15 - MINUTE);
    let last = scene.refresh(&tokens.text("refresh_token")).await.expect(200);
    assert_eq!(last.json()["expires_in"], 60, "nothing outlives the consent");
    scene.pass(MINUTE);
    refused(&scene.refresh(&last.text("refresh_token")).await, 400, "invalid_grant");
    assert!(!scene.opens(&last).await);
}

#[tokio::test]
async fn a_client_without_valid_credentials_is_refused_at_every_endpoint() {
    let scene = Scene::new().await;
    let other = scene.server.tenant("B").await;
    let Tenant { application: id, client_secret: secret, .. } = &scene.tenant;
    let (foreign, code) = (other.client_secret.as_str(), scene.code().await);
    let tokens = scene.tokens().await;
    let (spent, access) = (tokens.text("refresh_token"), tokens.text("access_token"));
    let encoded = |id: &str, secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let headers = [
        encoded(id, ""),
        encoded(id, "x"),
        encoded(id, foreign),
        encoded(id, &secret[1..]),
        encoded(&other.application, secret),
        encoded("0190a8c8-0000-7000-8000-000000000000", secret),
        encoded("x", "y"),
        encoded(id, &scene.tenant.management_token),
        format!("Bearer {access}"),
        "Basic !".to_owned(),
    ];
    let in_body = [
        vec![("client_id", id.as_str())],
        vec![("client_secret", secret.as_str())],
        vec![("client_id", id), ("client_secret", foreign)],
    ];
    let asks = [
        ("/oauth/token", vec![("grant_type", "authorization_code"), ("code", &code)]),
        ("/oauth/token", vec![("grant_type", "refresh_token"), ("refresh_token", &spent)]),
        ("/oauth/revoke", vec![("token", &spent)]),
    ];
    for (path, fields) in &asks {
        for value in headers.iter().map(String::as_str).map(Some).chain([None]) {
            let answered = scene.send(path, value, fields).await;
            refused(&answered, 401, "invalid_client");
            assert!(answered.headers["www-authenticate"].to_str().unwrap().starts_with("Basic"));
        }
        for credentials in &in_body {
            let fields = [fields.as_slice(), credentials].concat();
            refused(&scene.send(path, None, &fields).await, 400, "invalid_client");
        }
    }
    // Nothing of this has spent or revoked anything.
    scene.redeem(&code, &[]).await.expect(200);
    assert!(scene.opens(&tokens).await);
    scene.refresh(&spent).await.expect(200);
}

#[tokio::test]
async fn a_client_that_is_named_twice_and_differently_is_refused() {
    let scene = Scene::new().await;
    let other = scene.server.tenant("B").await;
    let code = scene.code().await;
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str())];
    let differing = [("client_id", other.application.as_str()), ("client_secret", &other.client_secret)];
    for field in differing {
        let answered = scene.redeem(&code, &[field]).await;
        refused(&answered, 400, "invalid_request");
        let path = format!("/oauth/token?{}", form(&[field]));
        refused(&scene.post(&path, &fields).await, 400, "invalid_request");
    }
    scene.redeem(&code, &[]).await.expect(200);
}

#[tokio::test]
async fn codes_and_tokens_in_a_query_are_refused() {
    let scene = Scene::new().await;
    let (code, tokens) = (scene.code().await, scene.tokens().await);
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let redeem = [("grant_type", "authorization_code")];
    for query in [[("code", &code)], [("refresh_token", &refresh)], [("access_token", &access)]] {
        let query = form(&query.map(|(name, value)| (name, value.as_str())));
        let path = format!("/oauth/token?{query}");
        let answered = scene.post(&path, &[&redeem[..], &[("code", &code)]].concat()).await;
        refused(&answered, 400, "invalid_request");
    }
    let secret = [("client_id", &*scene.tenant.application), ("client_secret", &scene.tenant.client_secret)];
    for query in [form(&[("token", &refresh)]), form(&secret)] {
        let answered = scene.send(&format!("/oauth/revoke?{query}"), None, &[("token", &refresh)]).await;
        refused(&answered, 400, "invalid_request");
    }
    scene.redeem(&code, &[]).await.expect(200);
    assert!(scene.opens(&tokens).await);
}

#[tokio::test]
async fn tokens_in_a_query_open_nothing() {
    let scene = Scene::new().await;
    let access = scene.tokens().await.text("access_token");
    let Tenant { vehicle, webhook, management_token, .. } = &scene.tenant;
    let subscription = format!("/v2.0/vehicles/{vehicle}/webhooks/{webhook}");
    for (method, path) in [
        (Method::POST, format!("{subscription}?access_token={access}")),
        (Method::DELETE, format!("{subscription}?access_token={management_token}")),
        (Method::GET, format!("/api/v1/applications?{}", form(&[("access_token", ADMIN_TOKEN)]))),
        (Method::POST, format!("/ingest/v1/readings?access_token={access}")),
    ] {
        let request = Request::builder().method(method).uri(&path).body(Body::empty()).unwrap();
        assert_eq!(scene.server.send(request).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn an_access_token_is_refused_vehicles_that_the_owner_did_not_pick() {
    let scene = Scene::new().await;
    let other = scene.server.tenant("B").await;
    let unpicked = scene.server.pushed_vehicle(&scene.tenant, "BMW").await;
    let picked = scene.server.pushed_vehicle(&scene.tenant, "BMW").await;
    let vehicles = [&scene.tenant.vehicle, &picked].map(|id| id.parse::<VehicleId>().unwrap()).to_vec();
    let consent = NewCode { vehicles, ..consent(&scene.server, &scene.tenant, None, None) };
    let code = scene.server.app.issue_code(consent).await.unwrap();
    let tokens = scene.redeem(&code, &[]).await.expect(200);
    let refreshed = scene.refresh(&tokens.text("refresh_token")).await.expect(200);
    for tokens in [tokens, refreshed] {
        let access = tokens.text("access_token");
        for (vehicle, status) in
            [(&scene.tenant.vehicle, 200), (&picked, 200), (&unpicked, 403), (&other.vehicle, 403)]
        {
            assert_eq!(scene.uses(&access, vehicle).await, status);
        }
        for refresh in [tokens.text("refresh_token"), access.replace("mpa_", "mpr_")] {
            assert_eq!(scene.uses(&refresh, &scene.tenant.vehicle).await, 401, "no token stands for another");
        }
    }
}

/// Each credential with the one door that it opens.
#[tokio::test]
async fn each_credential_opens_its_own_door_and_no_other() {
    let scene = Scene::new().await;
    let Tenant { application, vehicle, webhook, management_token, client_secret, .. } = &scene.tenant;
    let (tokens, code) = (scene.tokens().await, scene.code().await);
    let feeds = format!("/applications/{application}/feeds");
    let made = scene.server.admin(Method::POST, &feeds, json!({"name": "Cars"})).await;
    let feed = made.expect(201).text("token");
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let credentials = [
        ("access token", access.as_str()),
        ("management token", management_token),
        ("admin token", ADMIN_TOKEN),
        ("feed token", &feed),
        ("refresh token", &refresh),
        ("code", &code),
        ("client secret", client_secret),
        ("nothing", ""),
    ];
    let doors = [
        ("access token", Method::GET, "/v2.0/user".to_owned()),
        ("access token", Method::GET, format!("/v2.0/vehicles/{vehicle}/odometer")),
        ("access token", Method::GET, format!("/v3/vehicles/{vehicle}/signals")),
        ("management token", Method::DELETE, format!("/v2.0/vehicles/{vehicle}/webhooks/{webhook}")),
        ("admin token", Method::GET, "/api/v1/vehicles".to_owned()),
        ("feed token", Method::POST, "/ingest/v1/readings".to_owned()),
    ];
    for (opener, method, path) in &doors {
        for (name, credential) in &credentials {
            let answered = scene.server.request(method.clone(), path, credential, Value::Null).await;
            assert_eq!(answered.status != 401, name == opener, "{name} at {path}: {}", answered.body);
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_allowed_nothing() {
    let scene = Scene::new().await;
    for path in [
        "/oauth/authorize",
        "/oauth/token",
        "/oauth/revoke",
        "/connect/permissions",
        "/v2.0/user",
        "/api/v1/vehicles",
    ] {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            let preflight = Request::builder()
                .method(method)
                .uri(path)
                .header(header::ORIGIN, "https://evil.example")
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
                .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
            let answered = scene.server.send(preflight.body(Body::empty()).unwrap()).await;
            assert!(!answered.status.is_success(), "{path}: {}", answered.body);
            let allows = |name: &header::HeaderName| name.as_str().starts_with("access-control");
            assert!(!answered.headers.keys().any(allows), "{path}");
        }
    }
}

#[tokio::test]
async fn an_erased_owner_has_granted_nothing() {
    let scene = Scene::new().await;
    let (code, tokens) = (scene.code().await, scene.tokens().await);
    let erase = format!("/users/{}/erase", scene.tenant.user);
    scene.server.admin(Method::POST, &erase, Value::Null).await.expect(200);
    refused(&scene.redeem(&code, &[]).await, 400, "invalid_request");
    refused(&scene.refresh(&tokens.text("refresh_token")).await, 400, "invalid_grant");
    assert_eq!(scene.uses(&tokens.text("access_token"), &scene.tenant.vehicle).await, 401);
}

#[tokio::test]
async fn a_request_that_cannot_be_understood_is_refused_in_json() {
    let scene = Scene::new().await;
    let fields = [("grant_type", "authorization_code"), ("code", "a")];
    let many: Vec<_> = (0..40).map(|number| (format!("p{number}"), "a")).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let long = "a".repeat(5_000);
    for fields in [
        vec![],
        vec![("code", "a")],
        vec![("grant_type", "authorization_code")],
        vec![("grant_type", "authorization_code"), ("code", "")],
        vec![("grant_type", "refresh_token"), ("code", "a")],
        [&fields[..], &[("code", "b")]].concat(),
        [&fields[..], &fields[..1]].concat(),
        vec![("grant_type", "refresh_token"), ("refresh_token", &long)],
        [&fields[..], &many].concat(),
    ] {
        refused(&scene.post("/oauth/token", &fields).await, 400, "invalid_request");
    }
    refused(&scene.post("/oauth/revoke", &[]).await, 400, "invalid_request");
    for kind in ["application/json", "text/plain", ""] {
        let request = Request::post("/oauth/token")
            .header(header::AUTHORIZATION, basic(&scene.tenant))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(form(&fields)));
        refused(&scene.server.send(request.unwrap()).await, 400, "invalid_request");
    }
    for path in ["/oauth/token", "/oauth/revoke"] {
        let answered = scene.server.request(Method::GET, path, "x", Value::Null).await;
        refused(&answered, 405, "invalid_request");
        assert_eq!(answered.headers["content-type"], "application/json");
    }
}
