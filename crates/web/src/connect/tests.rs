//! Connect as a browser without script meets it: pages, forms, redirects.

mod access;
mod below;
mod defaults;
mod doors;
mod ends;
mod guards;
mod keys;
mod redirects;
mod words;

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
    application_on(server, "Fleet & <Co>", "unlimited").await
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

/// The battery that the owner of a vehicle has chosen, in kWh.
async fn chosen_capacity(server: &Server, vehicle: domain::ids::VehicleId) -> Option<f64> {
    let row = server.app.vehicle(vehicle, None).await.unwrap();
    server.app.capacity_choice(&row).await.unwrap().unwrap().chosen
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

#[tokio::test]
async fn a_login_of_the_simulator_with_another_password_or_at_another_brand_is_refused() {
    let server = Server::new().await;
    let car = server
        .admin(Method::POST, "/simulator/vehicles", json!({"make": "Tesla", "model": "Model 3"}))
        .await
        .expect(201);
    let login = &car.json()["login"];
    let (username, password) = (login["username"].as_str().unwrap(), login["password"].as_str().unwrap());
    let nobody = format!("0190a8c8-0000-7000-8000-000000000000@{}", username.split_once('@').unwrap().1);
    let malformed = format!("car@{}", username.split_once('@').unwrap().1);
    let loud = username.to_uppercase();
    for (make, username, password) in [
        ("TESLA", username, "another"),
        ("TESLA", loud.as_str(), "another"),
        ("CHEVROLET", username, password),
        ("TESLA", nobody.as_str(), password),
        ("TESLA", malformed.as_str(), password),
    ] {
        let make = format!("make={make}&scope=read_vin");
        let mut owner = Visitor::new(&server).await.in_test_mode(&make).await;
        owner.must("start", &[]).await;
        owner.must("sign-in", &[("username", username), ("password", password)]).await;
        let body = &owner.shown.body;
        assert!(body.contains("The name or the password is not right."), "{username}: {body}");
    }
}

// Before the application and its address are known to be good, nothing goes anywhere.

// The visit.

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

// Signing in again, and the battery.
