//! Connect as a browser without script meets it: pages, forms, redirects.

mod access;
mod defaults;

use std::{collections::BTreeSet, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, header},
};
use domain::connect::{PermissionSet, form};
use serde_json::{Value, json};

use super::page::{SCRIPT_PATH, STYLE_PATH};
use crate::testing::{Answered, Server};

/// The redirect of a mobile application.
const MOBILE: &str = "sc0190a8c8-0000-7000-8000-000000000000://back";
const REDIRECT: &str = "https://app.example/auth?from=milepost";
const ORIGIN: &str = "https://milepost.example";

/// An application and a browser that has been sent by it.
struct Visitor<'a> {
    server: &'a Server,
    client: String,
    cookie: Option<String>,
    /// The page that is shown.
    shown: Answered,
    /// Where it is.
    path: String,
}

async fn application(server: &Server) -> String {
    application_on(server, "Fleet & <Co>", "free").await
}

async fn application_on(server: &Server, name: &str, plan: &str) -> String {
    let new =
        json!({"name": name, "plan": plan, "redirectUris": [REDIRECT, "http://localhost:8000/cb", MOBILE]});
    server.admin(Method::POST, "/applications", new).await.expect(201).text("id")
}

fn blank() -> Answered {
    Answered { status: axum::http::StatusCode::OK, headers: HeaderMap::new(), body: String::new() }
}

impl<'a> Visitor<'a> {
    async fn new(server: &'a Server) -> Self {
        Self::of(server, application(server).await)
    }

    fn of(server: &'a Server, client: String) -> Self {
        Self { server, client, cookie: None, shown: blank(), path: String::new() }
    }

    /// Sent by the application with more parameters.
    async fn sent(mut self, more: &str) -> Self {
        self.send_to(&format!("/oauth/authorize?client_id={}&{more}", self.client)).await;
        self
    }

    /// Sent to choose cars of the simulator.
    async fn in_test_mode(self, more: &str) -> Self {
        self.sent(&format!("response_type=code&mode=test&state=s%26t&{more}")).await
    }

    async fn send_to(&mut self, path: &str) {
        let request = Request::get(path);
        self.go(request.body(Body::empty()).unwrap(), path).await;
    }

    async fn go(&mut self, mut request: Request<Body>, path: &str) {
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        }
        self.shown = self.server.send(request).await;
        self.path = path.to_owned();
        if let Some(cookie) = self.shown.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
    }

    /// The visit that the page carries on, or was shown for.
    fn visit(&self) -> String {
        match self.shown.body.split_once(r#"name="visit" value=""#) {
            Some((_, rest)) => rest.split_once('"').unwrap().0.to_owned(),
            None => self.path.split_once("?visit=").expect(&self.shown.body).1.to_owned(),
        }
    }

    /// Sends the form of a screen, and follows to the next screen. Answers with where it leads away, if it does.
    async fn submit(&mut self, screen: &str, fields: &[(&str, &str)]) -> Option<String> {
        let visit = self.visit();
        let fields = std::iter::once(("visit", visit.as_str())).chain(fields.iter().copied());
        let body = form::write(fields);
        let path = format!("/connect/{screen}");
        let request = Request::post(&path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.go(request.body(Body::from(body)).unwrap(), &path).await;
        assert_eq!(self.shown.status, 303, "{}", self.shown.body);
        let to = self.shown.headers[header::LOCATION].to_str().unwrap().to_owned();
        if !to.starts_with("/connect/") {
            return Some(to);
        }
        self.send_to(&to).await;
        None
    }

    async fn must(&mut self, screen: &str, fields: &[(&str, &str)]) {
        let away = self.submit(screen, fields).await;
        assert_eq!(away, None);
    }

    fn is_at(&self, screen: &str) {
        assert!(
            self.path.starts_with(&format!("/connect/{screen}?")),
            "{} is no {screen}: {}",
            self.path,
            self.shown.body
        );
        assert_eq!(self.shown.status, 200);
    }

    /// From the preamble to behind the login.
    async fn signed_in(mut self, make: &str, username: &str) -> Self {
        self.must("start", &[("country", "US"), ("language", "en")]).await;
        if self.path.starts_with("/connect/brands") {
            self.must("brands", &[("make", make)]).await;
        }
        self.submit("sign-in", &[("username", username), ("password", "secret")]).await;
        self
    }

    async fn approve(&mut self, fields: &[(&str, &str)]) -> String {
        self.is_at("permissions");
        let fields = [&[("action", "approve")], fields].concat();
        self.submit("permissions", &fields).await.expect("it leads away")
    }
}

/// What an application is told by a redirect.
fn told(to: &str) -> Vec<(String, String)> {
    let rest = to.strip_prefix(REDIRECT).unwrap_or_else(|| panic!("{to}"));
    form::read(rest.strip_prefix('&').unwrap()).unwrap()
}

fn value<'a>(told: &'a [(String, String)], name: &str) -> &'a str {
    told.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[track_caller]
fn check_failed(to: &str, error: &str, extras: &[(&str, &str)]) {
    let told = told(to);
    assert_eq!(value(&told, "error"), error, "{told:?}");
    assert!(!value(&told, "error_description").is_empty());
    assert_eq!((value(&told, "state"), value(&told, "iss")), ("s&t", ORIGIN), "{told:?}");
    assert_eq!(value(&told, "code"), "");
    let known = ["error", "error_description", "state", "iss"];
    let others: Vec<_> = told.iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
    let others: Vec<_> = others.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(others, extras);
}

#[tokio::test]
async fn an_owner_agrees_and_the_application_gets_a_code_that_opens_the_vehicle() {
    let server = Server::new().await;
    let scope = "scope=required:read_odometer+read_vin+read_fuel+control_charge";
    let mut owner = Visitor::new(&server).await.in_test_mode(scope).await;
    assert_eq!(owner.shown.status, 200);
    for part in
        [r#"<button type="submit" id="continue-button""#, "Fleet &amp; &lt;Co&gt;", r#"<html lang="en">"#]
    {
        assert!(owner.shown.body.contains(part), "{part}: {}", owner.shown.body);
    }
    owner.must("start", &[("country", "US"), ("language", "en"), ("action", "continue")]).await;
    for part in [r#"id="brand-search""#, r#"id="CHEVROLET" class="brand-list-item""#, r#"id="LAND_ROVER""#] {
        assert!(owner.shown.body.contains(part), "{part}: {}", owner.shown.body);
    }
    owner.must("brands", &[("make", "CHEVROLET")]).await;
    for part in [r#"id="username""#, r#"id="password""#, r#"id="sign-in-button""#, "Sign in to Chevrolet"] {
        assert!(owner.shown.body.contains(part), "{part}: {}", owner.shown.body);
    }
    owner.must("sign-in", &[("username", "jo@example.com"), ("password", "secret")]).await;
    owner.is_at("permissions");
    for part in [
        r#"class="page-content""#,
        r#"id="approval-button""#,
        "Chevrolet Volt",
        "Start, stop and limit charging",
    ] {
        assert!(owner.shown.body.contains(part), "{part}: {}", owner.shown.body);
    }
    assert!(!owner.shown.body.contains("read_fuel"), "the car cannot tell it");
    assert!(!owner.shown.body.contains(r#"value="read_odometer""#), "what is required cannot be taken out");
    let to = owner.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    let told = told(&to);
    assert_eq!(
        told.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["code", "state", "user_id", "iss"]
    );
    assert_eq!(value(&told, "code").len(), 36);
    assert_eq!((value(&told, "state"), value(&told, "iss")), ("s&t", ORIGIN));
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    let [vehicle] = &vehicles["items"].as_array().unwrap()[..] else { panic!("{vehicles}") };
    assert_eq!(vehicle["userId"], value(&told, "user_id"));
    assert_eq!((&vehicle["make"], &vehicle["model"]), (&json!("CHEVROLET"), &json!("Volt")));
    assert_eq!(vehicle["permissions"], json!(["read_vin", "read_odometer"]));
}

#[tokio::test]
async fn the_code_is_redeemed_by_its_application_with_the_verifier_that_belongs_to_it() {
    let server = Server::new().await;
    let made =
        server.admin(Method::POST, "/applications", json!({"name": "A", "redirectUris": [REDIRECT]})).await;
    let (client, secret) = (made.text("id"), made.text("clientSecret"));
    // The example of RFC 7636, appendix B.
    let (verifier, hash) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let sent = form::write([
        ("redirect_uri", REDIRECT),
        ("code_challenge", hash),
        ("code_challenge_method", "S256"),
    ]);
    let owner = Visitor::of(&server, client.clone()).in_test_mode(&sent).await;
    let mut owner = owner.signed_in("CHEVROLET", "2-cars@x.example").await;
    let to = owner.approve(&[("vehicle", "1"), ("permission", "read_vin")]).await;
    let told = told(&to);
    let redeem = async |verifier: &str, redirect: &str| {
        let body = form::write([
            ("grant_type", "authorization_code"),
            ("code", value(&told, "code")),
            ("redirect_uri", redirect),
            ("client_id", &client),
            ("client_secret", &secret),
            ("code_verifier", verifier),
        ]);
        let request = Request::post("/oauth/token");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        server.send(request.body(Body::from(body)).unwrap()).await
    };
    redeem("another-verifier-that-is-long-enough-to-be-one", REDIRECT).await.expect(400);
    redeem(verifier, "https://app.example/auth").await.expect(400);
    redeem(verifier, REDIRECT).await.expect(200).text("access_token");
    redeem(verifier, REDIRECT).await.expect(400);
}

#[tokio::test]
async fn an_owner_and_a_car_are_found_again_across_disconnecting() {
    let server = Server::new().await;
    let client = application(&server).await;
    let connect = async |username: &str, permission: &str| {
        let scope = "scope=read_vin+read_odometer&approval_prompt=force";
        let mut owner = Visitor::of(&server, client.clone())
            .in_test_mode(scope)
            .await
            .signed_in("CHEVROLET", username)
            .await;
        let to = owner.approve(&[("vehicle", "0"), ("permission", permission)]).await;
        value(&told(&to), "user_id").to_owned()
    };
    let vehicles = async || {
        let listed = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
        let items = listed["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|it| (it["id"].as_str().unwrap().to_owned(), it["permissions"].clone()))
            .collect::<Vec<_>>()
    };
    let user = connect("jo@example.com", "read_vin").await;
    let first = vehicles().await;
    assert_eq!(connect("jo@example.com", "read_odometer").await, user);
    let id = first[0].0.clone();
    assert_eq!(vehicles().await, [(id.clone(), json!(["read_odometer"]))]);
    server.admin(Method::POST, &format!("/vehicles/{id}/disconnect"), Value::Null).await.expect(204);
    assert_eq!(vehicles().await, []);
    assert_eq!(connect("jo@example.com", "read_vin").await, user);
    assert_eq!(vehicles().await, [(id.clone(), json!(["read_vin"]))]);
    assert_ne!(connect("al@example.com", "read_vin").await, user);
    assert_eq!(vehicles().await.len(), 2);

    server.admin(Method::POST, &format!("/users/{user}/erase"), Value::Null).await.expect(200);
    let again = connect("jo@example.com", "read_vin").await;
    assert_ne!(again, user, "an erased owner is met for the first time");
    assert!(vehicles().await.iter().all(|(vehicle, _)| *vehicle != id));
}

#[tokio::test]
async fn another_application_knows_the_same_owner_by_other_ids() {
    let server = Server::new().await;
    let mut users = BTreeSet::new();
    for _ in 0..2 {
        let visitor = Visitor::new(&server).await.in_test_mode("").await;
        let to = visitor
            .signed_in("CHEVROLET", "jo@example.com")
            .await
            .approve(&[("vehicle", "0"), ("permission", "read_vin")])
            .await;
        users.insert(value(&told(&to), "user_id").to_owned());
    }
    assert_eq!(users.len(), 2);
}

#[tokio::test]
async fn an_identical_consent_is_not_asked_for_again_unless_the_application_wants_that() {
    let server = Server::new().await;
    let client = application(&server).await;
    let again = async |more: &str| {
        let owner = Visitor::of(&server, client.clone()).in_test_mode(more).await;
        owner.signed_in("CHEVROLET", "2-cars@example.com").await
    };
    again("scope=read_vin").await.approve(&[("vehicle", "1"), ("permission", "read_vin")]).await;
    let asked = |visitor: &Visitor<'_>| visitor.path.starts_with("/connect/permissions");
    assert!(!asked(&again("scope=read_vin").await));
    assert!(asked(&again("scope=read_vin&approval_prompt=force").await));
    assert!(asked(&again("scope=read_vin+read_odometer").await));
    let mut named = again("scope=read_vin&external_id=o-1").await;
    assert!(asked(&named), "an id that is not known has to be agreed to");
    named.approve(&[("vehicle", "1"), ("permission", "read_vin")]).await;
    assert!(!asked(&again("scope=read_vin&external_id=o-1").await));
    assert!(!asked(&again("scope=read_vin").await));
    assert!(!asked(&again("scope=read_vin&user=o-2").await));
    assert!(asked(&again("scope=read_vin&external_id=o-2").await));
    assert!(asked(&again("scope=read_vin&external_id=null").await));
    let passed = again("scope=read_vin&single_select=true&external_id=o-1").await;
    let told = told(passed.shown.headers[header::LOCATION].to_str().unwrap());
    assert_eq!((value(&told, "code").len(), value(&told, "external_id")), (36, "o-1"));
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    assert_eq!(vehicles["items"].as_array().unwrap().len(), 1, "the other car is not connected by that");
}

#[tokio::test]
async fn an_application_gives_owners_ids_of_its_own_and_takes_them_back() {
    let server = Server::new().await;
    let client = application(&server).await;
    let returned = async |more: &str| {
        let owner =
            Visitor::of(&server, client.clone()).in_test_mode(&format!("approval_prompt=force&{more}")).await;
        let to = owner
            .signed_in("CHEVROLET", "jo@example.com")
            .await
            .approve(&[("vehicle", "0"), ("permission", "read_vin")])
            .await;
        value(&told(&to), "external_id").to_owned()
    };
    assert_eq!(returned("external_id=o%201").await, "o 1");
    assert_eq!(returned("").await, "o 1");
    assert_eq!(returned("user=o-2").await, "o 1");
    assert_eq!(returned("user=o-2&external_id=o-3").await, "o-3");
    assert_eq!(returned("external_id=null").await, "");
    assert_eq!(returned("").await, "");
    assert_eq!(returned("user=o-2").await, "", "that is for statistics, and is not kept");
}

#[tokio::test]
async fn a_page_tells_the_applications_own_id_only_where_the_request_spoke_of_it() {
    let server = Server::new().await;
    let client = application(&server).await;
    let told = async |more: &str| {
        let sent = format!("response_type=none&mode=test&scope=read_vin&approval_prompt=force&{more}");
        let owner = Visitor::of(&server, client.clone()).sent(&sent).await;
        let mut owner = owner.signed_in("CHEVROLET", "jo@x.example").await;
        owner
            .must("permissions", &[("action", "approve"), ("vehicle", "0"), ("permission", "read_vin")])
            .await;
        message(&owner.shown)
    };
    assert_eq!(told("external_id=o-1").await["externalId"], "o-1");
    assert_eq!(told("").await.get("externalId"), None);
    assert_eq!(told("user=o-1").await.get("externalId"), None);
    assert_eq!(told("external_id=o-1").await["externalId"], "o-1");
    assert_eq!(told("external_id=null").await.get("externalId"), None);
}

/// What the page that ends a visit tells its opener.
#[track_caller]
fn message(shown: &Answered) -> Value {
    let (_, message) = shown.body.split_once("data-message=\"").expect(&shown.body);
    let message = message.split_once('"').unwrap().0.replace("&quot;", "\"");
    serde_json::from_str(&message).unwrap()
}

/// The page of Tesla on which an owner adds the key for this server.
const KEY: &str = "https://www.tesla.com/_ak/milepost.example";

#[tokio::test]
async fn a_car_that_wants_a_key_has_a_page_about_it_and_the_application_is_told_where_it_is_added() {
    let server = Server::new().await;
    let client = application(&server).await;
    let come = async |more: &str| {
        let owner =
            Visitor::of(&server, client.clone()).sent(&format!("mode=test&scope=read_vin&{more}")).await;
        owner.signed_in("TESLA", "2-keyless@x.example").await
    };
    let giving = |place| [("action", "approve"), ("vehicle", place), ("permission", "read_vin")];

    // The first car has its key.
    let to = come("response_type=code").await.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    assert_eq!((value(&told(&to), "code").len(), value(&told(&to), "virtual_key_url")), (36, ""));
    let again = come("response_type=code").await;
    let to = again.shown.headers[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(value(&told(&to), "virtual_key_url"), "", "only what was given before is given again");

    let mut owner = come("response_type=code&approval_prompt=force").await;
    owner.must("permissions", &giving("1")).await;
    owner.is_at("key");
    let link = format!(r#"href="{KEY}" target="_blank" rel="noopener""#);
    assert!(owner.shown.body.contains(&link), "{}", owner.shown.body);
    assert!(owner.shown.body.contains("your Tesla answers only"), "{}", owner.shown.body);
    // A code lives ten minutes; the owner may take longer with the car.
    server.clock.pass(Duration::from_secs(15 * 60));
    let to = owner.submit("key", &[("action", "continue")]).await.expect("it leads away");
    let told_now = told(&to);
    assert_eq!((value(&told_now, "code").len(), value(&told_now, "virtual_key_url")), (36, KEY));
    let entry = server.app.application(client.parse().unwrap()).unwrap();
    server.app.redeem_code(&entry, value(&told_now, "code"), None, None).await.unwrap();

    let mut again = come("response_type=none").await;
    again.is_at("key");
    again.must("key", &[("action", "continue")]).await;
    again.is_at("done");
    assert_eq!(message(&again.shown)["virtualKeyUrl"], KEY);
}

#[tokio::test]
async fn nobody_gets_to_the_page_about_the_key_before_agreeing() {
    let server = Server::new().await;
    let owner = Visitor::new(&server).await.in_test_mode("scope=read_vin").await;
    let mut owner = owner.signed_in("TESLA", "keyless@x.example").await;
    owner.is_at("permissions");
    owner.must("key", &[("action", "continue")]).await;
    owner.is_at("problem");
    assert_eq!(server.admin(Method::GET, "/vehicles", Value::Null).await.json()["items"], json!([]));
}

#[tokio::test]
async fn what_has_been_ended_on_the_page_about_the_key_is_not_given_any_more() {
    let server = Server::new().await;
    let owner = Visitor::new(&server).await.in_test_mode("scope=read_vin").await;
    let mut owner = owner.signed_in("TESLA", "2-keyless@x.example").await;
    let agreeing = [("action", "approve"), ("vehicle", "0"), ("vehicle", "1"), ("permission", "read_vin")];
    owner.must("permissions", &agreeing).await;
    let page = owner.path.clone();
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    let ids = [0, 1].map(|place| vehicles["items"][place]["id"].as_str().unwrap().to_owned());
    let end = async |id: &str| {
        server.admin(Method::POST, &format!("/vehicles/{id}/disconnect"), Value::Null).await.expect(204);
    };

    end(&ids[0]).await;
    let to = owner.submit("key", &[]).await.expect("one is left");
    let entry = server.app.application(owner.client.parse().unwrap()).unwrap();
    let given = server.app.redeem_code(&entry, value(&told(&to), "code"), None, None).await.unwrap();
    let path = "/v2.0/vehicles";
    let listed = server.request(Method::GET, path, &given.access_token, Value::Null).await.expect(200).json();
    assert_eq!(listed["vehicles"], json!([ids[1]]));

    end(&ids[1]).await;
    owner.send_to(&page).await;
    owner.is_at("key");
    owner.must("key", &[]).await;
    owner.is_at("problem");
}

#[tokio::test]
async fn a_fleet_that_wants_keys_is_led_straight_back() {
    let server = Server::new().await;
    let owner = Visitor::new(&server).await.in_test_mode("scope=read_vin").await;
    let mut owner = owner.signed_in("TESLA", "65-keyless@x.example").await;
    let places: Vec<String> = (0..65).map(|place| place.to_string()).collect();
    let mut fields: Vec<_> = places.iter().map(|place| ("vehicle", place.as_str())).collect();
    fields.push(("permission", "read_vin"));
    let to = owner.approve(&fields).await;
    assert_eq!((value(&told(&to), "code").len(), value(&told(&to), "virtual_key_url")), (36, KEY));
}

#[tokio::test]
async fn one_vehicle_only_is_one_vehicle_only() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("single_select=true&scope=read_vin").await;
    owner = owner.signed_in("CHEVROLET", "3-cars@example.com").await;
    assert_eq!(owner.shown.body.matches(r#"type="radio" name="vehicle""#).count(), 3);
    owner
        .must(
            "permissions",
            &[("action", "approve"), ("vehicle", "0"), ("vehicle", "1"), ("permission", "read_vin")],
        )
        .await;
    assert!(owner.shown.body.contains("Choose one vehicle only."), "{}", owner.shown.body);
    owner.approve(&[("vehicle", "2"), ("permission", "read_vin")]).await;
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    assert_eq!(vehicles["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_form_that_grants_nothing_is_shown_again() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server)
        .await
        .in_test_mode("scope=read_vin")
        .await
        .signed_in("CHEVROLET", "2-cars@x.example")
        .await;
    owner.must("permissions", &[("action", "approve"), ("permission", "read_vin")]).await;
    assert!(owner.shown.body.contains("Choose at least one vehicle."));
    owner.must("permissions", &[("action", "approve"), ("vehicle", "7"), ("permission", "read_vin")]).await;
    assert!(owner.shown.body.contains("Choose at least one vehicle."));
    owner.must("permissions", &[("action", "approve"), ("vehicle", "0")]).await;
    assert!(owner.shown.body.contains("Leave at least one thing allowed"));
    owner.must("permissions", &[("vehicle", "0"), ("permission", "read_vin")]).await;
    owner.is_at("problem");
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    assert_eq!(vehicles["items"], json!([]));
}

#[tokio::test]
async fn a_wrong_login_is_told_on_the_page_and_the_password_is_nowhere() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("make=CHEVROLET").await;
    owner.must("start", &[]).await;
    for (username, password) in [("wrong@example.com", "a secret"), ("jo@example.com", ""), ("", "a secret")]
    {
        owner.must("sign-in", &[("username", username), ("password", password)]).await;
        owner.is_at("sign-in");
        assert!(owner.shown.body.contains("The name or the password is not right."), "{}", owner.shown.body);
        assert!(owner.shown.body.contains(&format!(r#"value="{username}""#)));
        assert!(!owner.shown.body.contains("a secret") && !owner.path.contains("secret"));
    }
}

#[tokio::test]
async fn a_brand_may_ask_for_a_code_and_nothing_goes_on_without_it() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server)
        .await
        .in_test_mode("make=rivian&scope=read_vin")
        .await
        .signed_in("RIVIAN", "jo@x.example")
        .await;
    owner.is_at("code");
    let before = owner.visit();
    owner.must("code", &[("code", "654321")]).await;
    assert!(owner.shown.body.contains("That is not right."));
    owner.must("code", &[("code", "123456")]).await;
    owner.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    for screen in ["permissions", "battery", "problem", "done"] {
        owner.send_to(&format!("/connect/{screen}?visit={before}")).await;
        assert_eq!(owner.shown.status, 303, "{screen}");
        assert!(owner.shown.headers[header::LOCATION].to_str().unwrap().starts_with("/connect/problem"));
    }
}

#[tokio::test]
async fn a_step_cannot_be_left_out() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("").await;
    let begun = owner.visit();
    for screen in ["sign-in", "code", "battery", "permissions", "key", "problem", "done"] {
        owner.send_to(&format!("/connect/{screen}?visit={begun}")).await;
        assert_eq!(owner.shown.status, 303, "{screen}");
        let to = owner.shown.headers[header::LOCATION].to_str().unwrap().to_owned();
        owner.send_to(&to).await;
        owner.is_at("problem");
        let to = owner.submit("problem", &[("action", "leave")]).await.unwrap();
        check_failed(
            &to,
            "configuration_error",
            &[("status_code", "400"), ("error_message", "a step of the visit was left out")],
        );
    }
    owner.send_to(&format!("/connect/start?visit={begun}")).await;
    let forged = [("action", "approve"), ("vehicle", "0"), ("permission", "read_vin")];
    owner.must("permissions", &forged).await;
    owner.is_at("problem");
}

#[tokio::test]
async fn a_battery_that_is_not_known_is_asked_for_and_kept() {
    let server = Server::new().await;
    let visitor = async |scope: &str| {
        let owner =
            Visitor::new(&server).await.in_test_mode(&format!("scope={scope}&approval_prompt=force")).await;
        owner.signed_in("NISSAN", "jo@x.example").await
    };
    visitor("read_vin").await.is_at("permissions");
    let mut owner = visitor("read_battery").await;
    owner.is_at("battery");
    assert!(owner.shown.body.contains("40.5 kWh"));
    let (_, vin) = owner.shown.body.split_once(r#"name="vin" value=""#).unwrap();
    let vin = vin[..17].to_owned();
    owner.must("battery", &[("vin", &vin), ("action", "choose")]).await;
    assert!(owner.shown.body.contains("Choose one of the batteries."));
    owner.must("battery", &[("vin", &vin), ("capacity", "99999")]).await;
    assert!(owner.shown.body.contains("Choose one of the batteries."));
    owner.must("battery", &[("vin", &vin), ("capacity", "40500")]).await;
    owner.approve(&[("vehicle", "0"), ("permission", "read_battery")]).await;
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    let vehicle = vehicles["items"][0]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(chosen_capacity(&server, vehicle).await, Some(40.5));
    let mut owner = visitor("read_battery").await;
    owner.must("battery", &[("vin", &vin), ("action", "unknown")]).await;
    owner.is_at("permissions");
}

#[tokio::test]
async fn each_end_of_a_visit_is_told_to_the_application() {
    let server = Server::new().await;
    let plain =
        || async { Visitor::new(&server).await.in_test_mode("scope=read_vin+required:read_odometer").await };
    let granting = || async { plain().await.signed_in("CHEVROLET", "jo@x.example").await };

    let to = granting().await.submit("permissions", &[("action", "refuse")]).await.unwrap();
    check_failed(&to, "access_denied", &[]);
    let to = granting().await.submit("permissions", &[("action", "back")]).await.unwrap();
    check_failed(&to, "user_manually_returned_to_application", &[]);
    let mut owner = Visitor::new(&server).await.in_test_mode("make=CHEVROLET").await;
    owner.must("start", &[]).await;
    let to = owner.submit("sign-in", &[("action", "back")]).await.unwrap();
    check_failed(&to, "user_manually_returned_to_application", &[]);
    owner.send_to("/").await;
    let mut owner = Visitor::new(&server).await.in_test_mode("make=CHEVROLET").await;
    owner.must("start", &[]).await;
    check_failed(
        &owner.submit("sign-in", &[("action", "cancel")]).await.unwrap(),
        "oem_cancelled_login",
        &[],
    );

    let troubled = |name: &'static str| async move {
        let owner = plain().await.signed_in("CHEVROLET", name).await;
        owner.is_at("problem");
        owner
    };
    let leave = [("action", "leave")];
    check_failed(
        &troubled("ended@x").await.submit("problem", &leave).await.unwrap(),
        "invalid_subscription",
        &[],
    );
    check_failed(&troubled("empty@x").await.submit("problem", &leave).await.unwrap(), "no_vehicles", &[]);
    let configuration = [("status_code", "400"), ("error_message", "a test login in another mode")];
    check_failed(
        &troubled("lost@x").await.submit("problem", &leave).await.unwrap(),
        "configuration_error",
        &configuration,
    );
    check_failed(
        &troubled("old@x").await.submit("problem", &leave).await.unwrap(),
        "vehicle_incompatible",
        &[],
    );
    let car = [("vin", "0MPOLD00000000001"), ("make", "CHEVROLET"), ("model", "T"), ("year", "1912")];
    check_failed(
        &troubled("old@x").await.submit("problem", &[("action", "share")]).await.unwrap(),
        "vehicle_incompatible",
        &car,
    );
}

#[tokio::test]
async fn a_car_without_a_required_permission_is_incompatible() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("scope=read_vin+required:read_fuel").await;
    owner = owner.signed_in("CHEVROLET", "jo@x.example").await;
    owner.is_at("problem");
    assert!(owner.shown.body.contains("<dt>Model</dt><dd>Volt</dd>"), "{}", owner.shown.body);
    let to = owner.submit("problem", &[("action", "share")]).await.unwrap();
    assert_eq!(value(&told(&to), "error"), "vehicle_incompatible");
    assert_eq!((value(&told(&to), "vin").len(), value(&told(&to), "year")), (17, "2019"));
}

#[tokio::test]
async fn a_brand_that_there_is_not_is_incompatible() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("make=TRABANT").await;
    owner.must("start", &[]).await;
    owner.is_at("problem");
    let to = owner.submit("problem", &[("action", "share")]).await.unwrap();
    check_failed(&to, "vehicle_incompatible", &[("make", "TRABANT")]);
}

#[tokio::test]
async fn a_vehicle_number_skips_the_brands_and_is_the_only_one_offered() {
    let server = Server::new().await;
    let number = "5YJSA1E29LF403082";
    let mut owner = Visitor::new(&server)
        .await
        .in_test_mode(&format!("single_select=true&single_select_vin={number}&make=BMW"))
        .await;
    owner.must("start", &[]).await;
    owner.is_at("sign-in");
    assert!(owner.shown.body.contains("Sign in to Tesla"));
    owner.must("sign-in", &[("username", "jo@x.example"), ("password", "p")]).await;
    assert!(owner.shown.body.contains("403082"), "{}", owner.shown.body);
    for (more, error, message) in [
        (
            "mode=test&single_select_vin=SHORT",
            "configuration_error",
            "single_select_vin is the number of a vehicle, of 17 letters and digits",
        ),
        (
            "mode=live&single_select_vin=0SCAUDI037A5ADB1C",
            "configuration_error",
            "a test vehicle cannot be connected in live mode",
        ),
    ] {
        let mut owner =
            Visitor::new(&server).await.sent(&format!("response_type=code&state=s%26t&{more}")).await;
        owner.must("start", &[]).await;
        let to = owner.submit("problem", &[("action", "leave")]).await.unwrap();
        check_failed(&to, error, &[("status_code", "400"), ("error_message", message)]);
    }
}

#[tokio::test]
async fn live_mode_says_that_there_are_no_brands_yet() {
    let server = Server::new().await;
    for more in ["", "make=BMW"] {
        let mut owner =
            Visitor::new(&server).await.sent(&format!("response_type=code&state=s%26t&{more}")).await;
        owner.must("start", &[]).await;
        assert!(owner.shown.body.contains("cannot connect real cars yet"), "{}", owner.shown.body);
        if owner.path.starts_with("/connect/brands") {
            owner.must("brands", &[("make", "?")]).await;
        }
        let to = owner.submit("problem", &[("action", "leave")]).await.unwrap();
        let message = ("error_message", "this server connects no cars in live mode");
        check_failed(&to, "configuration_error", &[("status_code", "501"), message]);
    }
}

#[tokio::test]
async fn a_plan_that_is_full_connects_nothing() {
    let server = Server::with_room("small", 1).await;
    let client = application_on(&server, "A", "small").await;
    let connect = async |vehicles: &[(&str, &str)]| {
        let owner =
            Visitor::of(&server, client.clone()).in_test_mode("scope=read_vin&approval_prompt=force").await;
        let mut owner = owner.signed_in("CHEVROLET", "2-cars@x.example").await;
        let fields = [&[("action", "approve"), ("permission", "read_vin")], vehicles].concat();
        let away = owner.submit("permissions", &fields).await;
        (owner, away)
    };
    let (mut owner, away) = connect(&[("vehicle", "0"), ("vehicle", "1")]).await;
    assert_eq!(away, None);
    owner.is_at("problem");
    let to = owner.submit("problem", &[("action", "leave")]).await.unwrap();
    assert_eq!(
        (value(&told(&to), "error"), value(&told(&to), "status_code")),
        ("configuration_error", "430")
    );
    assert!(connect(&[("vehicle", "0")]).await.1.is_some());
    assert!(connect(&[("vehicle", "0")]).await.1.is_some(), "a vehicle that is connected costs nothing");
    assert_eq!(connect(&[("vehicle", "1")]).await.1, None);
}

#[tokio::test]
async fn a_car_of_the_operator_is_connected_with_its_own_login() {
    let server = Server::new().await;
    let car = server
        .admin(Method::POST, "/simulator/vehicles", json!({"make": "Tesla", "model": "Model 3"}))
        .await
        .expect(201);
    let login = &car.json()["login"];
    let (username, password) = (login["username"].as_str().unwrap(), login["password"].as_str().unwrap());
    let mut owner = Visitor::new(&server).await.in_test_mode("make=TESLA&scope=read_vin").await;
    owner.must("start", &[]).await;
    owner.must("sign-in", &[("username", username), ("password", password)]).await;
    assert!(owner.shown.body.contains("000001"), "{}", owner.shown.body);
    owner.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    let car = server
        .admin(Method::GET, &format!("/simulator/vehicles/{}", car.text("id")), Value::Null)
        .await
        .json();
    assert_eq!(car["vehicleIds"].as_array().unwrap().len(), 1, "{car}");
}

// Before the application and its address are known to be good, nothing goes anywhere.

#[tokio::test]
async fn an_unknown_client_stays_on_the_page() {
    let server = Server::new().await;
    let mut visitor = Visitor::of(&server, "0190a8c8-0000-7000-8000-00000000000a".into());
    visitor
        .send_to(&format!(
            "/oauth/authorize?client_id={}&redirect_uri=https%3A%2F%2Fevil.example&response_type=code",
            visitor.client
        ))
        .await;
    assert_stays(&visitor.shown);
    for query in ["", "client_id=x", "response_type=code", "client_id=%ff"] {
        visitor.send_to(&format!("/oauth/authorize?{query}")).await;
        assert_stays(&visitor.shown);
    }
}

#[track_caller]
fn assert_stays(shown: &Answered) {
    assert_eq!(shown.status, 400, "{}", shown.body);
    assert!(!shown.headers.contains_key(header::LOCATION) && !shown.headers.contains_key(header::SET_COOKIE));
    assert!(!shown.body.contains("evil") && !shown.body.contains("<meta http-equiv"), "{}", shown.body);
}

#[tokio::test]
async fn more_than_200_near_misses_of_a_redirect_uri_are_refused_without_redirecting() {
    let server = Server::new().await;
    let client = application(&server).await;
    let mut visitor = Visitor::of(&server, client.clone());
    let mut tried = 0;
    for registered in [REDIRECT, MOBILE] {
        for (at, character) in registered.char_indices() {
            let (before, after) = (&registered[..at], &registered[at + 1..]);
            for uri in [
                format!("{before}{after}"),
                format!("{before}%{:02X}{after}", u32::from(character)),
                format!("{before}{character}{character}{after}"),
                format!("{before}{character}\u{200b}{after}"),
                format!("{before}{character}@evil.example/{after}"),
                format!("{before}\\{after}"),
            ] {
                let query = form::write([
                    ("client_id", client.as_str()),
                    ("response_type", "code"),
                    ("redirect_uri", &uri),
                ]);
                visitor.send_to(&format!("/oauth/authorize?{query}")).await;
                assert_eq!(visitor.shown.status, 400, "{uri}");
                assert!(!visitor.shown.headers.contains_key(header::LOCATION), "{uri}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[tokio::test]
async fn a_refusal_after_that_goes_back_with_what_to_do() {
    let server = Server::new().await;
    for (more, error) in [
        ("response_type=token", "unsupported_response_type"),
        ("scope=everything&response_type=code", "invalid_scope"),
        ("response_type=code&code_challenge=a&code_challenge_method=plain", "invalid_request"),
        ("response_type=code&mode=test&mode=live", "invalid_request"),
        ("", "invalid_request"),
    ] {
        let visitor = Visitor::new(&server).await.sent(&format!("state=s%26t&{more}")).await;
        assert_eq!(visitor.shown.status, 303, "{more}");
        check_failed(visitor.shown.headers[header::LOCATION].to_str().unwrap(), error, &[]);
    }
}

#[tokio::test]
async fn a_visit_without_an_address_ends_on_a_page_that_tells_its_opener() {
    let server = Server::new().await;
    let opener = "app_origin=https%3A%2F%2Fapp.example";
    let mut owner = Visitor::new(&server)
        .await
        .sent(&format!("response_type=none&mode=test&scope=read_vin&state=x&{opener}"))
        .await;
    owner = owner.signed_in("CHEVROLET", "jo@x.example").await;
    owner.must("permissions", &[("action", "approve"), ("vehicle", "0"), ("permission", "read_vin")]).await;
    owner.is_at("done");
    assert!(owner.shown.body.contains("Your car is connected"));
    assert!(owner.shown.body.contains(r#"data-opener="https://app.example""#), "{}", owner.shown.body);
    let message = message(&owner.shown);
    assert_eq!(
        (&message["name"], &message["isSmartcarHosted"]),
        (&json!("SmartcarAuthMessage"), &json!(true))
    );
    assert_eq!((&message["state"], message["userId"].as_str().unwrap().len()), (&json!("x"), 36));
    assert_eq!(message.get("code"), None);
    let policy = owner.shown.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");

    let stranger =
        Visitor::new(&server).await.sent("response_type=none&app_origin=https%3A%2F%2Fevil.example").await;
    assert_stays(&stranger.shown);
    let refused = Visitor::new(&server).await.sent(&format!("response_type=none&scope=x&{opener}")).await;
    assert_eq!(refused.shown.status, 400);
    assert!(refused.shown.body.contains("invalid_scope"), "{}", refused.shown.body);
    assert!(refused.shown.body.contains("return to Fleet &amp; &lt;Co&gt;"), "{}", refused.shown.body);
}

// The visit.

#[tokio::test]
async fn a_visit_goes_on_only_in_its_own_browser() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("").await;
    let visit = owner.visit();
    let path = format!("/connect/brands?visit={visit}");
    owner.send_to(&path).await;
    owner.is_at("brands");
    let mut stranger = Visitor::of(&server, owner.client.clone()).in_test_mode("").await;
    assert_ne!(stranger.cookie, owner.cookie);
    stranger.send_to(&path).await;
    assert_eq!(stranger.shown.status, 403);
    stranger.cookie = None;
    stranger.send_to(&path).await;
    assert_eq!(stranger.shown.status, 403);
    stranger.cookie = Some("__Host-milepost-connect=".into());
    stranger.send_to(&path).await;
    assert_eq!(stranger.shown.status, 403);
    assert!(!stranger.shown.body.contains(&visit));
}

#[tokio::test]
async fn a_browser_keeps_its_cookie_over_several_visits() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("").await;
    let (first, cookie) = (owner.visit(), owner.cookie.clone());
    owner = owner.in_test_mode("").await;
    assert_eq!(owner.cookie, cookie);
    owner.send_to(&format!("/connect/brands?visit={first}")).await;
    owner.is_at("brands");
}

#[tokio::test]
async fn a_visit_ends_after_an_hour() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("").await;
    let path = format!("/connect/brands?visit={}", owner.visit());
    server.clock.pass(Duration::from_secs(3_599));
    owner.send_to(&path).await;
    owner.is_at("brands");
    server.clock.pass(Duration::from_secs(1));
    owner.send_to(&path).await;
    assert_eq!(owner.shown.status, 410);
    assert!(owner.shown.body.contains("This visit has ended"));
}

#[tokio::test]
async fn a_visit_that_was_tampered_with_does_not_open() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("").await;
    let visit = owner.visit();
    let flip = |at: usize| {
        let mut bytes = visit.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    for at in (0..visit.len()).step_by(7) {
        owner.send_to(&format!("/connect/brands?visit={}", flip(at))).await;
        assert_eq!(owner.shown.status, 400, "{at}");
    }
    for broken in ["", "x", &visit[2..], &visit[..visit.len() - 2], &visit[..32], &format!("{visit}00")] {
        owner.send_to(&format!("/connect/brands?visit={broken}")).await;
        assert_eq!(owner.shown.status, 400, "{broken}");
    }
    let other = application(&server).await;
    let mut moved = other.replace('-', "");
    moved.push_str(&visit[32..]);
    owner.send_to(&format!("/connect/brands?visit={moved}")).await;
    assert_eq!(owner.shown.status, 400, "a visit belongs to its application");
}

#[tokio::test]
async fn a_redirect_uri_that_is_taken_back_ends_the_visits_to_it() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode(&form::write([("redirect_uri", MOBILE)])).await;
    let path = format!("/connect/brands?visit={}", owner.visit());
    owner.send_to(&path).await;
    owner.is_at("brands");
    let edit = json!({"redirectUris": [REDIRECT]});
    server.admin(Method::PATCH, &format!("/applications/{}", owner.client), edit).await.expect(200);
    owner.send_to(&path).await;
    assert_eq!(owner.shown.status, 400);
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let server = Server::new().await;
    let owner = Visitor::new(&server).await.in_test_mode("make=CHEVROLET").await;
    let (visit, cookie) = (owner.visit(), owner.cookie.clone().unwrap());
    let post = async |headers: &[(&str, &str)]| {
        let mut request = Request::post("/connect/start")
            .header(header::COOKIE, &cookie)
            .header(header::HOST, "milepost.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        server
            .send(request.body(Body::from(form::write([("visit", visit.as_str())]))).unwrap())
            .await
            .status
            .as_u16()
    };
    let form = ("content-type", "application/x-www-form-urlencoded");
    for good in [
        vec![form],
        vec![form, ("sec-fetch-site", "same-origin")],
        vec![form, ("origin", ORIGIN)],
        vec![form, ("origin", "null"), ("sec-fetch-site", "same-origin")],
    ] {
        assert_eq!(post(&good).await, 303, "{good:?}");
    }
    for bad in [
        vec![form, ("sec-fetch-site", "cross-site")],
        vec![form, ("sec-fetch-site", "same-site")],
        vec![form, ("sec-fetch-site", "cross-site"), ("origin", ORIGIN)],
        vec![form, ("origin", "https://evil.example")],
        vec![form, ("origin", "https://milepost.example.evil.example")],
        vec![],
        vec![("content-type", "text/plain")],
        vec![("content-type", "multipart/form-data; boundary=x")],
    ] {
        assert_eq!(post(&bad).await, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn nothing_changes_on_a_get_and_other_methods_are_refused() {
    let server = Server::new().await;
    let owner = Visitor::new(&server)
        .await
        .in_test_mode("scope=read_vin")
        .await
        .signed_in("CHEVROLET", "jo@x.example")
        .await;
    owner.is_at("permissions");
    let path = format!("{}&action=approve&vehicle=0&permission=read_vin", owner.path);
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder()
            .method(method.clone())
            .uri(&path)
            .header(header::COOKIE, owner.cookie.as_ref().unwrap());
        let request = request.header(header::ORIGIN, "https://evil.example");
        let answered = server.send(request.body(Body::empty()).unwrap()).await;
        assert!(!answered.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{method}");
    }
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    assert_eq!(vehicles["items"], json!([]));
}

#[tokio::test]
async fn every_page_has_its_guards() {
    let server = Server::new().await;
    let mut owner = Visitor::new(&server).await.in_test_mode("scope=read_vin").await;
    let cookie = owner.shown.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    for part in ["__Host-milepost-connect=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    check_guards(&owner.shown);
    owner.must("start", &[]).await;
    check_guards(&owner.shown);
    owner.must("brands", &[("make", "CHEVROLET")]).await;
    check_guards(&owner.shown);
    owner.must("sign-in", &[("username", "jo@x.example"), ("password", "p")]).await;
    check_guards(&owner.shown);
    owner.submit("permissions", &[("action", "refuse")]).await;
    assert_eq!(owner.shown.headers[header::REFERRER_POLICY], "no-referrer");
    for path in ["/oauth/authorize?client_id=x", "/connect/brands?visit=00"] {
        owner.send_to(path).await;
        check_guards(&owner.shown);
    }
    for asset in [STYLE_PATH, SCRIPT_PATH] {
        owner.send_to(asset).await;
        assert_eq!(owner.shown.status, 200);
        assert!(!owner.shown.body.contains("http://") && !owner.shown.body.contains("https://"));
    }
}

#[track_caller]
fn check_guards(shown: &Answered) {
    let header = |name: &str| shown.headers[name].to_str().unwrap();
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cache-control"), "no-store");
    assert!(header("strict-transport-security").ends_with("; includeSubDomains"));
    assert!(shown.headers.contains_key("cross-origin-opener-policy"));
    assert!(!shown.body.contains("style=") && !shown.body.contains(" onclick"), "{}", shown.body);
    let markup = shown.body.replace(SCRIPT_PATH, "").replace(STYLE_PATH, "");
    for elsewhere in ["src=\"http", "href=\"http", "src=\"//", "<img", "<iframe"] {
        assert!(!markup.contains(elsewhere), "{elsewhere}");
    }
    assert!(!shown.body.contains("<script>"), "{}", shown.body);
}

#[tokio::test]
async fn a_form_may_lead_on_wherever_the_application_goes_and_nowhere_where_nobody_is_led_to_it() {
    let server = Server::new().await;
    let policy =
        |shown: &Answered| shown.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    for redirect in [REDIRECT, "http://localhost:50123/cb", MOBILE] {
        let mut owner =
            Visitor::new(&server).await.in_test_mode(&form::write([("redirect_uri", redirect)])).await;
        assert!(!policy(&owner.shown).contains("form-action"), "{redirect}: {}", policy(&owner.shown));
        owner.must("start", &[]).await;
        assert!(!policy(&owner.shown).contains("form-action"), "{redirect}: {}", policy(&owner.shown));
    }
    let mut owner = Visitor::new(&server).await.sent("response_type=none&mode=test").await;
    assert!(policy(&owner.shown).contains("form-action 'self';"), "{}", policy(&owner.shown));
    owner.must("start", &[]).await;
    assert!(policy(&owner.shown).contains("form-action 'self';"), "{}", policy(&owner.shown));
    for path in
        [&format!("/connect/access?client_id={}&mode=test", owner.client), "/oauth/authorize?client_id=x"]
    {
        owner.send_to(path).await;
        assert!(policy(&owner.shown).contains("form-action 'self';"), "{path}: {}", policy(&owner.shown));
    }
}

#[tokio::test]
async fn pages_speak_the_language_of_the_browser_or_the_one_that_was_chosen() {
    let server = Server::new().await;
    let client = application(&server).await;
    let path = format!("/oauth/authorize?client_id={client}&response_type=code&mode=test&flags=country:DE");
    let mut owner = Visitor::of(&server, client);
    let request = Request::get(&path).header(header::ACCEPT_LANGUAGE, "de-DE,en;q=0.5");
    owner.go(request.body(Body::empty()).unwrap(), &path).await;
    assert!(owner.shown.body.contains(r#"<html lang="de">"#));
    assert!(owner.shown.body.contains(r#"<option value="DE" selected>"#));
    owner.must("start", &[("language", "fr"), ("country", "CH"), ("action", "language")]).await;
    owner.is_at("start");
    assert!(owner.shown.body.contains(r#"<html lang="fr">"#));
    assert!(owner.shown.body.contains(r#"<option value="CH" selected>"#));
    owner.must("start", &[("action", "continue")]).await;
    assert!(owner.shown.body.contains("Choisissez la marque"));
}

#[tokio::test]
async fn names_that_are_markup_are_shown_as_text() {
    let server = Server::new().await;
    let hostile = r#""><script>alert(1)</script>{make}"#;
    let client = application_on(&server, hostile, "free").await;
    let mut owner = Visitor::of(&server, client).in_test_mode("scope=read_vin").await;
    let check = |shown: &Answered| {
        assert!(
            !shown.body.contains("<script>alert") && shown.body.contains("&lt;script&gt;"),
            "{}",
            shown.body
        )
    };
    check(&owner.shown);
    owner.must("start", &[]).await;
    let search = format!("/connect/brands?visit={}&q=%22%3E%3Cscript%3Ealert(1)", owner.visit());
    owner.send_to(&search).await;
    check(&owner.shown);
    owner.send_to(&format!("/connect/brands?visit={}", owner.visit())).await;
    owner.must("brands", &[("make", "TESLA")]).await;
    owner.must("sign-in", &[("username", "wrong@\"><script>alert(2)</script>"), ("password", "x")]).await;
    check(&owner.shown);
    owner.must("sign-in", &[("username", "jo@x.example"), ("password", "x")]).await;
    check(&owner.shown);
    assert!(owner.shown.body.contains("Model &lt;3&gt;"));
}

/// A visit in another language, from its first page on.
async fn in_language<'a>(server: &'a Server, client: &str, language: &str, door: &str) -> Visitor<'a> {
    let mut owner = Visitor::of(server, client.to_owned());
    let request = Request::get(door).header(header::ACCEPT_LANGUAGE, language);
    owner.go(request.body(Body::empty()).unwrap(), door).await;
    assert_eq!(owner.shown.status, 200, "{}", owner.shown.body);
    owner
}

#[tokio::test]
async fn each_door_says_in_every_language_what_happens_behind_it() {
    let server = Server::new().await;
    let (client, vehicle) = linked(&server).await;
    let doors = [
        format!("/oauth/authorize?client_id={client}&response_type=code&mode=test"),
        format!("/oauth/reauthenticate?client_id={client}&response_type=vehicle_id&vehicle_id={vehicle}"),
        format!(
            "/battery-capacity?client_id={client}&response_type=vehicle_id&vehicle_id={vehicle}&token=00"
        ),
        format!("/connect/access?client_id={client}&mode=test"),
    ];
    let mut said = BTreeSet::new();
    for language in ["en", "de", "fr"] {
        for door in &doors {
            let owner = in_language(&server, &client, language, door).await;
            let part = |from: &str, to: &str| {
                let (_, rest) = owner.shown.body.split_once(from).unwrap();
                rest.split_once(to).unwrap().0.to_owned()
            };
            said.insert(part("<h1>", "</h1>"));
            said.insert(part("<p class=\"lead\">", "</p>"));
        }
    }
    assert_eq!(said.len(), 3 * doors.len() * 2, "{said:?}");
}

#[tokio::test]
async fn an_owner_reads_no_words_of_the_wire() {
    let server = Server::new().await;
    let client = application(&server).await;
    let door = |more: &str| format!("/oauth/authorize?client_id={client}&mode=test&{more}");
    for (language, vin, make, model, year, sentence, developers) in [
        (
            "en",
            "Vehicle number (VIN)",
            "Brand",
            "Model",
            "Model year",
            "You can close",
            "For those who build",
        ),
        ("de", "Fahrgestellnummer (VIN)", "Marke", "Modell", "Modelljahr", "Sie können", "Für die, die die"),
        (
            "fr",
            "Numéro du véhicule (VIN)",
            "Marque",
            "Modèle",
            "Année du modèle",
            "Vous pouvez",
            "Pour celles et ceux",
        ),
    ] {
        let mut owner =
            in_language(&server, &client, language, &door("response_type=none&make=CHEVROLET")).await;
        owner.must("start", &[("language", language)]).await;
        owner.must("sign-in", &[("username", "old@x.example"), ("password", "p")]).await;
        let rows = [(vin, "0MPOLD00000000001"), (make, "Chevrolet"), (model, "T"), (year, "1912")];
        let rows = rows.map(|(label, value)| format!("<dt>{label}</dt><dd>{value}</dd>\n")).concat();
        assert!(owner.shown.body.contains(&format!("<dl>\n{rows}</dl>")), "{}", owner.shown.body);

        owner.must("problem", &[("action", "share")]).await;
        owner.is_at("done");
        let (before, raw) = owner.shown.body.split_once("<details>").expect("there is a part for developers");
        assert!(before.contains(&format!("<p class=\"lead\">{sentence}")), "{before}");
        assert!(!before.contains("vehicle_incompatible") && !before.contains("<dl"), "{before}");
        assert!(raw.starts_with(&format!("\n<summary>{developers}")), "{raw}");
        assert!(raw.contains("<dt>error</dt><dd>vehicle_incompatible</dd>"), "{raw}");

        let mut owner = in_language(&server, &client, language, &door("response_type=code")).await;
        owner.must("start", &[("language", language)]).await;
        owner.send_to(&format!("/connect/code?visit={}", owner.visit())).await;
        let to = owner.shown.headers[header::LOCATION].to_str().unwrap().to_owned();
        owner.send_to(&to).await;
        let (before, raw) = owner.shown.body.split_once("<details>").expect("there is a part for developers");
        assert!(!before.contains("left out") && raw.contains("a step of the visit was left out"), "{before}");
    }
}

#[tokio::test]
async fn the_simulator_says_in_every_language_what_does_beside_a_password() {
    let server = Server::new().await;
    let client = application(&server).await;
    for (language, hint) in [
        ("en", "any digits will do, unless all of them are zeros"),
        ("de", "Beliebige Ziffern genügen, nur nicht lauter Nullen"),
        ("fr", "n’importe quels chiffres conviennent, sauf uniquement des zéros"),
    ] {
        for mode in ["test", "simulated"] {
            let door =
                format!("/oauth/authorize?client_id={client}&mode={mode}&response_type=code&make=RIVIAN");
            let mut owner = in_language(&server, &client, language, &door).await;
            owner.must("start", &[("language", language)]).await;
            assert!(!owner.shown.body.contains(hint));
            owner.must("sign-in", &[("username", "jo@x.example"), ("password", "p")]).await;
            owner.is_at("code");
            assert!(owner.shown.body.contains(hint), "{}", owner.shown.body);
        }
    }
}

// Signing in again, and the battery.

async fn linked(server: &Server) -> (String, String) {
    let client = application(server).await;
    let owner = Visitor::of(server, client.clone()).in_test_mode("scope=read_vin").await;
    owner
        .signed_in("CHEVROLET", "jo@x.example")
        .await
        .approve(&[("vehicle", "0"), ("permission", "read_vin")])
        .await;
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    (client, vehicles["items"][0]["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_owner_signs_in_again_for_a_vehicle() {
    let server = Server::new().await;
    let (client, vehicle) = linked(&server).await;
    let mut owner = Visitor::of(&server, client.clone());
    let door = format!("/oauth/reauthenticate?client_id={client}&state=s%26t&vehicle_id={vehicle}");
    owner.send_to(&format!("{door}&response_type=vehicle_id")).await;
    owner.must("start", &[]).await;
    assert!(owner.shown.body.contains("Sign in to Chevrolet"), "{}", owner.shown.body);
    owner.must("sign-in", &[("username", "al@x.example"), ("password", "p")]).await;
    assert!(owner.shown.body.contains("The car is not in this account."));
    let to = owner.submit("sign-in", &[("username", "jo@x.example"), ("password", "p")]).await.unwrap();
    assert_eq!(value(&told(&to), "vehicle_id"), vehicle);
    assert_eq!((value(&told(&to), "state"), value(&told(&to), "code")), ("s&t", ""));

    let other = application(&server).await;
    owner.send_to(&format!("/oauth/reauthenticate?client_id={other}&response_type=vehicle_id&state=s%26t&vehicle_id={vehicle}")).await;
    owner.must("start", &[]).await;
    let to = owner.submit("problem", &[("action", "leave")]).await.unwrap();
    check_failed(
        &to,
        "configuration_error",
        &[("status_code", "400"), ("error_message", "the application has no vehicle with this vehicle_id")],
    );
}

#[tokio::test]
async fn an_owner_who_signs_in_again_brings_the_applications_own_id_in_and_out() {
    let server = Server::new().await;
    let (client, vehicle) = linked(&server).await;
    let returned = async |username: &str, more: &str| {
        let mut owner = Visitor::of(&server, client.clone());
        let door = format!("/oauth/reauthenticate?client_id={client}&vehicle_id={vehicle}&{more}");
        owner.send_to(&door).await;
        owner.must("start", &[]).await;
        let to = owner.submit("sign-in", &[("username", username), ("password", "p")]).await.unwrap();
        let told = told(&to);
        let value = |name| value(&told, name).to_owned();
        (value("external_id"), !value("user_id").is_empty())
    };
    let jo = "jo@x.example";
    assert_eq!(returned(jo, "response_type=vehicle_id").await, ("".into(), false));
    assert_eq!(returned(jo, "response_type=vehicle_id&user=o-0").await, ("".into(), false));
    assert_eq!(returned(jo, "response_type=vehicle_id&external_id=o-1").await, ("o-1".into(), false));
    let redirect = form::write([("redirect_uri", REDIRECT)]);
    let none = format!("response_type=none&{redirect}");
    assert_eq!(returned(jo, &none).await, ("o-1".into(), true));
    assert_eq!(returned(jo, &format!("{none}&external_id=o-2")).await, ("o-2".into(), true));
    // The car is in this account, too, but that is not the owner who has connected it.
    assert_eq!(returned("twin-of-jo@x.example", &format!("{none}&external_id=evil")).await.0, "o-2");
    assert_eq!(returned(jo, "response_type=vehicle_id").await.0, "o-2");
    assert_eq!(returned(jo, "response_type=vehicle_id&external_id=null").await.0, "");
    assert_eq!(returned(jo, &none).await.0, "");
}

/// The battery that the owner of a vehicle has chosen, in kWh.
async fn chosen_capacity(server: &Server, vehicle: domain::ids::VehicleId) -> Option<f64> {
    let row = server.app.vehicle(vehicle, None).await.unwrap();
    server.app.capacity_choice(&row).await.unwrap().unwrap().chosen
}

#[tokio::test]
async fn a_read_of_a_battery_that_is_not_settled_links_to_where_the_owner_can_choose() {
    let server = Server::new().await;
    let client = application(&server).await;
    let owner = Visitor::of(&server, client.clone()).in_test_mode("scope=read_vin").await;
    let mut owner = owner.signed_in("NISSAN", "jo@x.example").await;
    owner.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    let vehicle = vehicles["items"][0]["id"].as_str().unwrap().to_owned();
    server.app.set_permissions(vehicle.parse().unwrap(), PermissionSet::ALL).await.unwrap();
    let (token, _) = server.app.grant_access_token(vehicle.parse().unwrap()).await.unwrap();
    let path = format!("/v2.0/vehicles/{vehicle}/battery/nominal_capacity");
    let read = async || server.request(Method::GET, &path, &token, Value::Null).await.expect(200).json();
    let open = read().await;
    assert_eq!(open["availableCapacities"][1], json!({"capacity": 40.5, "description": null}));
    assert_eq!(open["capacity"], Value::Null);
    let plain = path.replace("nominal_capacity", "capacity");
    let refused = server.request(Method::GET, &plain, &token, Value::Null).await.expect(500).json();
    assert_eq!(refused["code"], "MULTIPLE_RECORDS_FOUND");
    assert_eq!(refused["detail"], json!([{"capacities": [24.0, 40.5]}]));
    let mut owner = Visitor::of(&server, client);
    owner.send_to(open["url"].as_str().unwrap().strip_prefix(ORIGIN).unwrap()).await;
    owner.must("start", &[]).await;
    let (_, vin) = owner.shown.body.split_once(r#"name="vin" value=""#).unwrap();
    let vin = vin[..17].to_owned();
    owner.submit("battery", &[("vin", &vin), ("capacity", "40500")]).await;
    let settled = read().await;
    assert_eq!(settled["capacity"], json!({"nominal": 40.5, "source": "USER_SELECTED"}));
    assert_eq!(settled["url"], Value::Null);
    let told = server.request(Method::GET, &plain, &token, Value::Null).await.expect(200);
    assert_eq!(told.json(), json!({"capacity": 40.5}));
}

#[tokio::test]
async fn a_link_lets_an_owner_say_which_battery_a_vehicle_has_for_thirty_days() {
    let server = Server::new().await;
    let client = application(&server).await;
    let owner = Visitor::of(&server, client.clone()).in_test_mode("scope=read_vin").await;
    owner
        .signed_in("NISSAN", "jo@x.example")
        .await
        .approve(&[("vehicle", "0"), ("permission", "read_vin")])
        .await;
    let vehicles = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    let vehicle = vehicles["items"][0]["id"].as_str().unwrap().to_owned();
    let link = server.app.capacity_link(vehicle.parse().unwrap()).await.unwrap();
    let path = format!("{}&state=s%26t", link.strip_prefix(ORIGIN).unwrap());
    let mut owner = Visitor::of(&server, client);
    owner.send_to(&path).await;
    owner.must("start", &[]).await;
    owner.is_at("battery");
    let (_, vin) = owner.shown.body.split_once(r#"name="vin" value=""#).unwrap();
    let vin = vin[..17].to_owned();
    let visit = owner.path.clone();
    let to = owner.submit("battery", &[("action", "unknown")]).await.unwrap();
    check_failed(&to, "battery_capacity_no_selection", &[]);
    owner.send_to(&visit).await;
    let to = owner.submit("battery", &[("vin", &vin), ("capacity", "40500")]).await.unwrap();
    let told = told(&to);
    assert_eq!((value(&told, "vehicle_id"), value(&told, "selected_capacity")), (vehicle.as_str(), "40.5"));
    assert_eq!(value(&told, "reason"), "battery_capacity");
    assert_eq!(chosen_capacity(&server, vehicle.parse().unwrap()).await, Some(40.5));

    owner.send_to(&path.replace("token=", "token=00")).await;
    owner.must("start", &[]).await;
    owner.is_at("problem");
    server.clock.pass(Duration::from_secs(30 * 24 * 3_600));
    owner.send_to(&path).await;
    owner.must("start", &[]).await;
    owner.is_at("problem");
}
