//! What counts where a request leaves it open, and what a server leaves out.

use super::*;

/// An application with what counts in Connect.
async fn application_with(server: &Server, connect: Value) -> String {
    let new = json!({"name": "A", "redirectUris": [REDIRECT], "connect": connect});
    server.admin(Method::POST, "/applications", new).await.expect(201).text("id")
}

/// The country that the first page has chosen for a browser with these languages.
async fn country(server: &Server, client: &str, more: &str, languages: &str) -> String {
    let path = format!("/oauth/authorize?client_id={client}&response_type=code&mode=test&{more}");
    let mut owner = Visitor::of(server, client.to_owned());
    let request = Request::get(&path).header(header::ACCEPT_LANGUAGE, languages);
    owner.go(request.body(Body::empty()).unwrap(), &path).await;
    let (before, _) = owner.shown.body.split_once("\" selected>").expect("a country is chosen");
    before.rsplit('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_country_is_that_of_the_request_then_of_the_application_then_of_the_browser() {
    let server = Server::new().await;
    let set = application_with(&server, json!({"country": "DE"})).await;
    let open = application_with(&server, json!({})).await;
    for (client, more, languages, expected) in [
        (&set, "flags=country:FR", "it-IT", "FR"),
        (&set, "", "it-IT", "DE"),
        (&open, "flags=country:FR", "it-IT", "FR"),
        (&open, "", "it-IT,en;q=0.5", "IT"),
        (&open, "", "fr-CA", "CA"),
        (&open, "", "en", "US"),
        (&open, "", "ja-JP", "US"),
    ] {
        assert_eq!(country(&server, client, more, languages).await, expected, "{more} {languages}");
    }
}

#[tokio::test]
async fn what_is_asked_for_without_a_scope_is_what_the_application_has_set() {
    let server = Server::new().await;
    let set = json!({"permissions": ["required:read_vin", "control_charge"]});
    let client = application_with(&server, set).await;
    let asks = async |more: &str| {
        let owner = Visitor::of(&server, client.clone()).in_test_mode(more).await;
        let owner = owner.signed_in("TESLA", "jo@x.example").await;
        owner.is_at("permissions");
        owner
    };
    let mut owner = asks("").await;
    assert!(owner.shown.body.contains(r#"name="permission" value="control_charge""#));
    assert!(!owner.shown.body.contains("read_odometer"), "{}", owner.shown.body);
    assert!(!owner.shown.body.contains(r#"value="read_vin""#), "it cannot be taken out");
    owner.approve(&[("vehicle", "0")]).await;
    let listed = server.admin(Method::GET, "/vehicles", Value::Null).await.json();
    assert_eq!(listed["items"][0]["permissions"], json!(["read_vin"]));

    let said = asks("scope=read_odometer").await;
    assert!(
        said.shown.body.contains(r#"value="read_odometer""#) && !said.shown.body.contains("control_charge")
    );
    let path = format!("/applications/{client}");
    server.admin(Method::PATCH, &path, json!({"connect": null})).await.expect(200);
    let open = asks("").await;
    assert!(
        open.shown.body.contains(r#"value="read_odometer""#) && !open.shown.body.contains("control_charge")
    );
}

#[tokio::test]
async fn a_server_without_simulated_cars_sends_their_modes_back() {
    let server = Server::without_simulated_cars().await;
    for mode in ["test", "simulated"] {
        let owner =
            Visitor::new(&server).await.sent(&format!("response_type=code&mode={mode}&state=s")).await;
        assert_eq!(owner.shown.status, 303);
        let told = told(owner.shown.headers[header::LOCATION].to_str().unwrap());
        assert_eq!((value(&told, "error"), value(&told, "state")), ("invalid_request", "s"));
        let says = value(&told, "error_description");
        assert!(says.contains("this server connects no simulated cars"), "{says}");
    }
    let live = Visitor::new(&server).await.sent("response_type=code").await;
    assert_eq!(live.shown.status, 200);
}

#[tokio::test]
async fn an_owner_whose_brand_is_not_in_the_list_goes_back_with_that() {
    let server = Server::new().await;
    for (language, text) in [
        ("en", "My brand is not here"),
        ("de", "Meine Marke ist nicht dabei"),
        ("fr", "Ma marque n’est pas dans la liste"),
    ] {
        let mut owner = Visitor::new(&server).await.in_test_mode("").await;
        owner.must("start", &[("country", "US"), ("language", language)]).await;
        let button = r#"id="other-brand-button" name="make" value="?" class="quiet">"#;
        assert!(owner.shown.body.contains(&format!("{button}{text}</button>")), "{}", owner.shown.body);
        // It stays when nothing is found.
        let searched = format!("{}&q=trabant", owner.path);
        owner.send_to(&searched).await;
        assert!(owner.shown.body.contains(button) && !owner.shown.body.contains("brand-list-item"));
        owner.must("brands", &[("make", "?")]).await;
        owner.is_at("problem");
        assert!(!owner.shown.body.contains("share-button"), "there is no car to share");
        let told = told(&owner.submit("problem", &[("action", "leave")]).await.expect("it leads away"));
        assert_eq!((value(&told, "error"), value(&told, "state")), ("vehicle_incompatible", "s&t"));
        assert!(!told.iter().any(|(name, _)| ["vin", "make", "model"].contains(&name.as_str())));
    }
    let client = application(&server).await;
    let mut looking = Visitor::of(&server, client.clone());
    looking.send_to(&format!("/connect/access?client_id={client}&mode=test")).await;
    looking.must("start", &[("country", "US"), ("language", "en")]).await;
    looking.is_at("brands");
    assert!(!looking.shown.body.contains("other-brand-button"));
}
