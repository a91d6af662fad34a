//! Where owners are sent, and where they are not.

use super::*;

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
