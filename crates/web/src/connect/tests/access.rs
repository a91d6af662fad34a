//! The owner's own page: what an application has access to, and the end of it.

use super::*;
use crate::testing::{new_webhook, receiver};

/// Lets an owner connect the first car of an account, and answers with its id.
async fn connected(server: &Server, client: &str, username: &str) -> String {
    let owner =
        Visitor::of(server, client.to_owned()).in_test_mode("scope=read_odometer+control_charge").await;
    let mut owner = owner.signed_in("CHEVROLET", username).await;
    let before = ids(server).await;
    owner
        .approve(&[("vehicle", "0"), ("permission", "read_odometer"), ("permission", "control_charge")])
        .await;
    ids(server).await.difference(&before).next().expect("a car was connected").clone()
}

/// The vehicles that are connected.
async fn ids(server: &Server) -> BTreeSet<String> {
    let listed = server.admin(Method::GET, "/vehicles", Value::Null).await.expect(200).json();
    listed["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

/// An owner at the door to the page.
async fn at_the_door<'a>(server: &'a Server, client: &str) -> Visitor<'a> {
    let mut owner = Visitor::of(server, client.to_owned());
    owner.send_to(&format!("/connect/access?client_id={client}&mode=test")).await;
    assert_eq!(owner.shown.status, 200, "{}", owner.shown.body);
    owner
}

/// An owner who looks at the page.
async fn looking<'a>(server: &'a Server, client: &str, username: &str) -> Visitor<'a> {
    let owner = at_the_door(server, client).await.signed_in("CHEVROLET", username).await;
    owner.is_at("vehicles");
    owner
}

#[tokio::test]
async fn an_owner_sees_the_vehicles_with_what_may_be_read_and_done_and_nobody_elses() {
    let server = Server::new().await;
    let client = application(&server).await;
    let car = connected(&server, &client, "jo@x.example").await;
    let others = [
        connected(&server, &client, "al@x.example").await,
        connected(&server, &application(&server).await, "jo@x.example").await,
    ];
    for parameter in ["client_id", "application_id"] {
        let mut owner = Visitor::of(&server, client.clone());
        owner.send_to(&format!("/connect/access?{parameter}={client}&mode=simulated")).await;
        assert!(
            owner.shown.body.contains("What Fleet &amp; &lt;Co&gt; has access to"),
            "{}",
            owner.shown.body
        );
        check_guards(&owner.shown);
        let owner = owner.signed_in("CHEVROLET", "jo@x.example").await;
        owner.is_at("vehicles");
        check_guards(&owner.shown);
        for part in [
            "<b>Chevrolet Volt</b>",
            "2019 · number ends in ",
            "2026-03-02</time>",
            "<h3>Fleet &amp; &lt;Co&gt; may see</h3>\n<ul>\n<li>How far the car has gone</li>\n</ul>",
            "<li>Start, stop and limit charging</li>",
            "End access to Chevrolet Volt",
            &car,
        ] {
            assert!(owner.shown.body.contains(part), "{part}: {}", owner.shown.body);
        }
        assert!(!others.iter().any(|other| owner.shown.body.contains(other)), "{}", owner.shown.body);
    }
}

#[tokio::test]
async fn an_ended_access_opens_nothing_any_more_and_the_page_says_so() {
    let server = Server::new().await;
    let made =
        server.admin(Method::POST, "/applications", json!({"name": "A", "redirectUris": [REDIRECT]})).await;
    let (client, management) = (made.text("id"), made.text("managementToken"));
    server.outbound.answer(receiver(management, 200));
    let car = connected(&server, &client, "jo@x.example").await;
    let webhooks = format!("/applications/{client}/webhooks");
    let webhook = server.admin(Method::POST, &webhooks, new_webhook()).await.expect(201).text("id");
    server.on(&webhook, &car).await;
    let subscriptions = async || {
        let path = format!("/webhooks/{webhook}/subscriptions");
        server.admin(Method::GET, &path, Value::Null).await.expect(200).json()["items"].clone()
    };
    assert_eq!(subscriptions().await.as_array().unwrap().len(), 1);
    let path = format!("/vehicles/{car}/access-token");
    let token = server.admin(Method::POST, &path, Value::Null).await.expect(201).text("accessToken");
    let read = async || {
        let path = format!("/v2.0/vehicles/{car}/odometer");
        server.request(Method::GET, &path, &token, Value::Null).await.status.as_u16()
    };
    assert_eq!(read().await, 200);

    let mut owner = looking(&server, &client, "jo@x.example").await;
    let before = owner.path.clone();
    owner.must("vehicles", &[("vehicle", &car)]).await;
    owner.is_at("vehicles");
    for part in
        ["<h1>The access has ended</h1>", "no access to your Chevrolet Volt any more", "no access to a car"]
    {
        assert!(owner.shown.body.contains(part), "{part}: {}", owner.shown.body);
    }
    assert!(!owner.shown.body.contains(&car), "{}", owner.shown.body);
    assert_eq!((ids(&server).await, subscriptions().await), (BTreeSet::new(), json!([])));
    assert_eq!(read().await, 403);

    // The page from before, and the button again.
    owner.send_to(&before).await;
    assert!(!owner.shown.body.contains(&car));
    owner.must("vehicles", &[("vehicle", &car)]).await;
    assert!(owner.shown.body.contains("Nothing was changed."), "{}", owner.shown.body);

    // Whoever has ended the access is asked again before there is another.
    let again = Visitor::of(&server, client.clone()).in_test_mode("scope=read_odometer+control_charge").await;
    again.signed_in("CHEVROLET", "jo@x.example").await.is_at("permissions");
}

#[tokio::test]
async fn only_one_of_several_accesses_ends() {
    let server = Server::new().await;
    let client = application(&server).await;
    let owner = Visitor::of(&server, client.clone()).in_test_mode("scope=read_vin").await;
    let mut owner = owner.signed_in("CHEVROLET", "2-cars@x.example").await;
    owner.approve(&[("vehicle", "0"), ("vehicle", "1"), ("permission", "read_vin")]).await;
    let cars: Vec<_> = ids(&server).await.into_iter().collect();
    let mut owner = looking(&server, &client, "2-cars@x.example").await;
    owner.must("vehicles", &[("vehicle", &cars[0])]).await;
    assert!(owner.shown.body.contains("The access has ended") && owner.shown.body.contains(&cars[1]));
    assert_eq!(ids(&server).await, BTreeSet::from([cars[1].clone()]));
}

#[tokio::test]
async fn the_vehicle_of_another_owner_is_refused_like_one_that_there_is_not() {
    let server = Server::new().await;
    let (client, other) = (application(&server).await, application(&server).await);
    let cars = [
        connected(&server, &client, "al@x.example").await,
        connected(&server, &other, "jo@x.example").await,
        "0190a8c8-0000-7000-8000-00000000000a".to_owned(),
        "x".to_owned(),
        String::new(),
    ];
    connected(&server, &client, "jo@x.example").await;
    let before = ids(&server).await;
    for username in ["jo@x.example", "unknown@x.example"] {
        let mut owner = looking(&server, &client, username).await;
        for car in &cars {
            owner.must("vehicles", &[("vehicle", car)]).await;
            owner.is_at("vehicles");
            assert!(owner.shown.body.contains("Nothing was changed."), "{car}: {}", owner.shown.body);
        }
    }
    assert_eq!((before.len(), ids(&server).await), (3, before));
}

#[tokio::test]
async fn the_page_opens_in_the_browser_that_signed_in_only_and_forms_from_elsewhere_are_refused() {
    let server = Server::new().await;
    let client = application(&server).await;
    let car = connected(&server, &client, "jo@x.example").await;
    let owner = looking(&server, &client, "jo@x.example").await;
    let mut stranger = at_the_door(&server, &client).await;
    assert_ne!(stranger.cookie, owner.cookie);
    stranger.send_to(&owner.path).await;
    assert_eq!(stranger.shown.status, 403);
    assert!(!stranger.shown.body.contains(&car));
    let visit = owner.visit();
    let body = form::write([("visit", visit.as_str()), ("vehicle", car.as_str())]);
    for (cookie, site, status) in [
        (&stranger.cookie, "same-origin", 403),
        (&None, "same-origin", 403),
        (&owner.cookie, "cross-site", 400),
    ] {
        let request = Request::post("/connect/vehicles")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookie.as_deref().unwrap_or_default())
            .header("sec-fetch-site", site);
        let answered = server.send(request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!(answered.status, status, "{site}");
    }
    stranger.cookie = owner.cookie.clone();
    stranger.send_to(&format!("{}&vehicle={car}", owner.path)).await;
    assert_eq!(ids(&server).await, BTreeSet::from([car]), "nothing changes on a GET");
}

#[tokio::test]
async fn nothing_is_shown_before_the_owner_has_signed_in_with_all_that_the_brand_asks_for() {
    let server = Server::new().await;
    let client = application(&server).await;
    let owner = Visitor::of(&server, client.clone()).in_test_mode("scope=read_vin").await;
    let mut owner = owner.signed_in("RIVIAN", "jo@x.example").await;
    owner.must("code", &[("code", "123456")]).await;
    owner.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    let before = ids(&server).await;
    let car = before.first().unwrap().clone();

    let begun = at_the_door(&server, &client).await;
    let mut owner = at_the_door(&server, &client).await.signed_in("RIVIAN", "jo@x.example").await;
    owner.is_at("code");
    let visits = [(begun.visit(), begun.cookie.clone()), (owner.visit(), owner.cookie.clone())];
    for (visit, cookie) in visits {
        let mut early = Visitor::of(&server, client.clone());
        early.cookie = cookie;
        let path = format!("/connect/vehicles?visit={visit}");
        early.send_to(&path).await;
        assert_eq!(early.shown.status, 303);
        early.send_to(&path.replace("vehicles", "start")).await;
        early.must("vehicles", &[("vehicle", &car)]).await;
        early.is_at("problem");
    }
    assert_eq!(ids(&server).await, before);
    owner.must("code", &[("code", "123456")]).await;
    owner.is_at("vehicles");
    assert!(owner.shown.body.contains(&car), "{}", owner.shown.body);
}

#[tokio::test]
async fn an_unknown_owner_is_offered_nothing_and_a_visit_to_the_page_grants_nothing() {
    let server = Server::new().await;
    let client = application(&server).await;
    let mut owner = looking(&server, &client, "jo@x.example").await;
    assert!(owner.shown.body.contains("has no access to a car of this account"), "{}", owner.shown.body);
    assert!(!owner.shown.body.contains("<form"), "{}", owner.shown.body);
    owner.send_to(&owner.path.replace("vehicles", "start")).await;
    let visit = owner.path.clone();
    for (screen, fields) in [
        ("permissions", vec![("action", "approve"), ("vehicle", "0"), ("permission", "read_vin")]),
        ("permissions", vec![("action", "refuse")]),
        ("battery", vec![("action", "unknown")]),
        ("vehicles", vec![("action", "approve"), ("vehicle", "0")]),
    ] {
        owner.send_to(&visit).await;
        owner.must(screen, &fields).await;
    }
    assert_eq!(ids(&server).await, BTreeSet::new());
    // A visit that came by the other door does not lead here.
    let mut other = Visitor::of(&server, client).in_test_mode("scope=read_vin").await;
    other = other.signed_in("CHEVROLET", "jo@x.example").await;
    other.must("vehicles", &[("vehicle", "x")]).await;
    other.is_at("problem");
}

#[tokio::test]
async fn an_unknown_application_stays_on_the_page_and_no_visit_to_it_ever_leads_away() {
    let server = Server::new().await;
    let client = application(&server).await;
    let mut owner = Visitor::of(&server, client.clone());
    for query in [
        "",
        "client_id=x",
        "client_id=0190a8c8-0000-7000-8000-00000000000a&redirect_uri=https%3A%2F%2Fevil.example",
        &format!("client_id={client}&application_id=0190a8c8-0000-7000-8000-00000000000a"),
        &format!("client_id={client}&client_id={client}"),
        &format!(
            "client_id={client}&mode=real&redirect_uri=https%3A%2F%2Fapp.example%2Fauth%3Ffrom%3Dmilepost"
        ),
    ] {
        owner.send_to(&format!("/connect/access?{query}")).await;
        assert_eq!(owner.shown.status, 400, "{query}");
        assert!(!owner.shown.headers.contains_key(header::LOCATION), "{query}");
        check_guards(&owner.shown);
    }
    let query = "mode=test&redirect_uri=https%3A%2F%2Fevil.example&response_type=code&state=s";
    for leaving in [("sign-in", "cancel"), ("sign-in", "back"), ("problem", "share")] {
        owner.send_to(&format!("/connect/access?client_id={client}&{query}")).await;
        let policy = owner.shown.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("form-action 'self';"), "{policy}");
        owner.must("start", &[]).await;
        owner.must("brands", &[("make", "CHEVROLET")]).await;
        if leaving.0 == "problem" {
            owner.must("sign-in", &[("username", "old@x.example"), ("password", "p")]).await;
            assert!(!owner.shown.body.contains("share-button"), "{}", owner.shown.body);
        }
        owner.must(leaving.0, &[("action", leaving.1)]).await;
        owner.is_at("start");
    }
    // Where nothing is returned to, there need not be an address to return to.
    let bare = server.admin(Method::POST, "/applications", json!({"name": "B"})).await.expect(201).text("id");
    looking(&server, &bare, "jo@x.example").await;
}

#[tokio::test]
async fn the_grant_screen_and_the_last_page_lead_to_it() {
    let server = Server::new().await;
    let client = application(&server).await;
    let link = format!(r#"<a href="/connect/access?client_id={client}&amp;mode=test">"#);
    let mut owner = Visitor::of(&server, client.clone());
    owner
        .send_to(&format!("/oauth/authorize?client_id={client}&mode=test&response_type=none&scope=read_vin"))
        .await;
    let mut owner = owner.signed_in("CHEVROLET", "jo@x.example").await;
    owner.is_at("permissions");
    assert!(owner.shown.body.contains(&link), "{}", owner.shown.body);
    let grant = owner.path.clone();
    owner.must("permissions", &[("action", "refuse")]).await;
    owner.is_at("done");
    assert!(!owner.shown.body.contains(&link), "nothing was given: {}", owner.shown.body);
    owner.send_to(&grant).await;
    owner.must("permissions", &[("action", "approve"), ("vehicle", "0"), ("permission", "read_vin")]).await;
    owner.is_at("done");
    assert!(owner.shown.body.contains(&link), "{}", owner.shown.body);
}

#[tokio::test]
async fn a_visit_from_before_the_end_of_an_access_grants_nothing_until_its_owner_signs_in_again() {
    let server = Server::new().await;
    let client = application(&server).await;
    let car = connected(&server, &client, "jo@x.example").await;
    // A visit that was used, and one that was not, at the screen where the owner agrees.
    let visit = || async {
        let more = "scope=read_odometer+control_charge&approval_prompt=force";
        let owner = Visitor::of(&server, client.clone()).in_test_mode(more).await;
        owner.signed_in("CHEVROLET", "jo@x.example").await
    };
    let grants = [("vehicle", "0"), ("permission", "read_odometer")];
    let (mut used, mut unused) = (visit().await, visit().await);
    let at = used.path.clone();
    used.approve(&grants).await;
    used.send_to(&at).await;
    server.clock.pass(Duration::from_secs(1));
    looking(&server, &client, "jo@x.example").await.must("vehicles", &[("vehicle", &car)]).await;
    assert_eq!(ids(&server).await, BTreeSet::new());
    server.clock.pass(Duration::from_secs(1));
    for old in [&mut used, &mut unused] {
        old.is_at("permissions");
        old.must("permissions", &[&[("action", "approve")], &grants[..]].concat()).await;
        old.is_at("sign-in");
        assert_eq!(ids(&server).await, BTreeSet::new(), "nothing was granted");
        old.must("permissions", &[&[("action", "approve")], &grants[..]].concat()).await;
        assert_eq!(ids(&server).await, BTreeSet::new(), "and nobody is signed in any more");
    }
    used.send_to(&at.replace("permissions", "sign-in")).await;
    used.must("sign-in", &[("username", "jo@x.example"), ("password", "secret")]).await;
    used.approve(&grants).await;
    assert_eq!(ids(&server).await, BTreeSet::from([car]));
}

#[tokio::test]
async fn the_page_about_a_key_from_before_the_end_of_an_access_gives_nothing() {
    let server = Server::new().await;
    let client = application(&server).await;
    let grants = [("action", "approve"), ("vehicle", "0"), ("permission", "read_vin")];
    let visit = async || {
        let more = "scope=read_vin&approval_prompt=force";
        let owner = Visitor::of(&server, client.clone()).in_test_mode(more).await;
        let mut owner = owner.signed_in("TESLA", "keyless@x.example").await;
        owner.must("permissions", &grants).await;
        owner.is_at("key");
        owner
    };
    let mut old = visit().await;
    let car = ids(&server).await.into_iter().next().unwrap();
    server.clock.pass(Duration::from_secs(1));
    let mut owner = at_the_door(&server, &client).await.signed_in("TESLA", "keyless@x.example").await;
    owner.must("vehicles", &[("vehicle", &car)]).await;
    server.clock.pass(Duration::from_secs(1));
    let mut new = visit().await;
    old.must("key", &[]).await;
    old.is_at("sign-in");
    assert!(new.submit("key", &[]).await.expect("it leads away").contains("code="));
}

#[tokio::test]
async fn a_consent_is_not_taken_for_granted_after_the_end_of_an_access() {
    const NAME: &str = "2-cars@x.example";
    let server = Server::new().await;
    let client = application(&server).await;
    let code = [("code", "123456")];
    let at_the_code = async || {
        let owner = Visitor::of(&server, client.clone()).in_test_mode("scope=read_vin").await;
        owner.signed_in("RIVIAN", NAME).await
    };
    let both = [("action", "approve"), ("vehicle", "0"), ("vehicle", "1"), ("permission", "read_vin")];
    let agree = async |mut owner: Visitor<'_>| {
        owner.must("code", &code).await;
        owner.is_at("permissions");
        assert!(owner.submit("permissions", &both).await.expect("it leads away").contains("code="));
    };
    agree(at_the_code().await).await;
    let repeated = at_the_code().await.submit("code", &code).await;
    assert!(repeated.expect("the same is not asked for again").contains("code="));

    let mut old = at_the_code().await;
    let car = ids(&server).await.into_iter().next().unwrap();
    server.clock.pass(Duration::from_secs(1));
    let mut owner = at_the_door(&server, &client).await.signed_in("RIVIAN", NAME).await;
    owner.must("code", &code).await;
    owner.must("vehicles", &[("vehicle", &car)]).await;
    server.clock.pass(Duration::from_secs(1));
    old.must("code", &code).await;
    old.is_at("permissions");
    old.must("permissions", &both).await;
    old.is_at("sign-in");

    agree(at_the_code().await).await;
    assert_eq!(ids(&server).await.len(), 2, "what was ended can be connected anew");
    let repeated = at_the_code().await.submit("code", &code).await;
    assert!(repeated.expect("and then it is a repetition again").contains("code="));
}

#[tokio::test]
async fn what_is_required_now_and_was_taken_out_then_is_asked_for() {
    let server = Server::new().await;
    let client = application(&server).await;
    let visit = async |scope: &str| {
        let owner = Visitor::of(&server, client.clone()).in_test_mode(scope).await;
        owner.signed_in("CHEVROLET", "jo@x.example").await
    };
    let mut owner = visit("scope=read_vin+read_odometer").await;
    owner.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    assert_eq!(visit("scope=read_vin+read_odometer").await.shown.status, 303);
    visit("scope=read_vin+required:read_odometer").await.is_at("permissions");
}

#[tokio::test]
async fn the_end_of_an_access_concerns_the_visits_of_its_owner_alone() {
    let server = Server::new().await;
    let client = application(&server).await;
    let car = connected(&server, &client, "jo@x.example").await;
    let other = Visitor::of(&server, client.clone()).in_test_mode("scope=read_vin").await;
    let mut other = other.signed_in("CHEVROLET", "al@x.example").await;
    server.clock.pass(Duration::from_secs(1));
    looking(&server, &client, "jo@x.example").await.must("vehicles", &[("vehicle", &car)]).await;
    other.approve(&[("vehicle", "0"), ("permission", "read_vin")]).await;
    assert_eq!(ids(&server).await.len(), 1);
}
