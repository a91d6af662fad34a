//! Visits of other browsers, forms from elsewhere, and what browsers are told to guard.

use super::*;

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
async fn names_that_are_markup_are_shown_as_text() {
    let server = Server::new().await;
    let hostile = r#""><script>alert(1)</script>{make}"#;
    let client = application_on(&server, hostile, "unlimited").await;
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
