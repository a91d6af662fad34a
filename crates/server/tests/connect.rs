//! Connect in a real browser, against the real binary, as the suites of the format drive it.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod browser;
mod common;
mod disk;

use std::{collections::BTreeMap, path::Path};

use browser::{Browser, ENTER, Looks, SPACE};
use common::{PATIENCE, Server, eventually, items, text};
use disk::{Disk, SMALL};
use hyper::Method;
use lab::client::HttpClient;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server with an application whose owners return to a page of the browser's own machine.
struct Scene {
    _folder: Option<tempfile::TempDir>,
    server: Server,
    client: String,
    redirect: String,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self::on(folder.path(), &[]).await;
        Self { _folder: Some(folder), ..scene }
    }

    async fn on(data: &Path, settings: &[(&str, &str)]) -> Self {
        let server = Server::serve(data, settings).await;
        // Another origin than the server's, and one that answers: with a page that there is not.
        let redirect = server.url.replace("127.0.0.1", "localhost") + "/back";
        let new = json!({"name": "Watt & Co", "redirectUris": [redirect, "https://example.com/auth"]});
        let client = text(&server.post("/applications", new).await, "id").to_owned();
        Self { _folder: None, server, client, redirect }
    }

    fn url(&self, more: &str) -> String {
        let Self { server, client, .. } = self;
        format!(
            "{}/oauth/authorize?response_type=code&client_id={client}&mode=test&state=a%26b&{more}",
            server.url
        )
    }

    async fn vehicles(&self) -> Vec<Value> {
        items(&self.server.get("/vehicles").await).to_vec()
    }

    /// What the application is told.
    fn told(&self, location: &str) -> BTreeMap<String, String> {
        let location = url::Url::parse(location).unwrap();
        assert!(location.as_str().starts_with(&self.redirect), "{location}");
        location.query_pairs().into_owned().collect()
    }

    async fn end(self, browsers: Vec<Browser>) {
        for browser in browsers {
            browser.end().await;
        }
        self.server.stop().await;
    }
}

/// From the preamble to the grant screen, by the ids that the suites click.
async fn to_grant(browser: &Browser, make: &str, username: &str) {
    browser.click("button#continue-button").await;
    browser.click(&format!("button#{make}.brand-list-item")).await;
    browser.write("input#username", username).await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.led_to("/connect/permissions").await;
    assert!(browser.is_there(".page-content").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_clicks_through_and_the_application_gets_a_code() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    browser.go(&scene.url("scope=read_vin%20required:read_odometer")).await;
    browser.click("button#continue-button").await;
    browser.write("input#brand-search", "chev").await;
    let hidden = "return document.querySelector('#FORD').checkVisibility()";
    assert_eq!(browser.run(hidden, json!([])).await, json!(false), "the list follows what is typed");
    browser.click("button#CHEVROLET.brand-list-item").await;
    browser.write("input#username", "jo@example.com").await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.click("button#approval-button").await;
    let told = scene.told(&browser.led_to("/back?").await);
    assert_eq!((told["code"].len(), told["state"].as_str()), (36, "a&b"));
    assert_eq!(told["iss"], scene.server.url);
    let vehicles = scene.vehicles().await;
    assert_eq!(
        (text(&vehicles[0], "model"), text(&vehicles[0], "userId")),
        ("Volt", told["user_id"].as_str())
    );
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_stands_in_the_location_even_where_nobody_answers() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    browser.go(&scene.url("make=FORD&redirect_uri=https%3A%2F%2Fexample.com%2Fauth")).await;
    browser.click("button#continue-button").await;
    browser.write("input#username", "jo@example.com").await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.click("button#approval-button").await;
    browser.led_to("https://example.com/auth?code=").await;
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_gets_wherever_the_callback_leads_on_to() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    // Three origins: the server's, the callback's, and the one that the callback sends the owner on to.
    let landing = scene.server.url.replace("127.0.0.1", "localhost") + "/landing";
    let callback = callback_that_leads_on(&landing).await;
    let uris = json!({"redirectUris": [callback]});
    let path = format!("/applications/{}", scene.client);
    assert_eq!(scene.server.admin(Method::PATCH, &path, &uris).await.status, 200);
    browser.go(&scene.url("make=FORD")).await;
    browser.click("button#continue-button").await;
    browser.write("input#username", "jo@example.com").await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.click("button#approval-button").await;
    browser.led_to(&landing).await;
    assert_eq!(scene.vehicles().await.len(), 1);
    scene.end(vec![browser]).await;
}

/// The callback of an application that takes the result and sends the owner on.
async fn callback_that_leads_on(to: &str) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let callback = format!("http://{}/callback", listener.local_addr().unwrap());
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // The request fits into one packet; a browser may also open connections that it does not use.
            let mut request = [0; 16_384];
            if connection.read(&mut request).await.is_ok_and(|read| read > 0) {
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        }
    });
    callback
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_car_of_the_operator_connects_it_and_signs_in_again_when_access_was_lost() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    let car = scene.server.post("/simulator/vehicles", json!({"make": "KIA", "model": "EV6"})).await;
    let login = &car["login"];
    let sign_in = async |password: &str| {
        browser.write("input#username", text(login, "username")).await;
        browser.write("input#password", password).await;
        browser.click("button#sign-in-button").await;
    };
    browser.go(&scene.url("make=KIA&scope=read_vin")).await;
    browser.click("button#continue-button").await;
    sign_in(text(login, "password")).await;
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    let vehicles = scene.vehicles().await;
    let path = format!("/simulator/vehicles/{}", text(&car, "id"));
    assert_eq!(scene.server.get(&path).await["vehicleIds"], json!([vehicles[0]["id"]]));

    scene.server.post(&format!("{path}/change-password"), Value::Null).await;
    assert_eq!(scene.server.get(&path).await["state"]["account"], "password changed");
    let Scene { server, client, .. } = &scene;
    let vehicle = text(&vehicles[0], "id");
    let door = format!("{}/oauth/reauthenticate?response_type=vehicle_id&client_id={client}", server.url);
    browser.go(&format!("{door}&vehicle_id={vehicle}&state=again")).await;
    browser.click("button#continue-button").await;
    sign_in(text(login, "password")).await;
    let told = scene.told(&browser.led_to("/back?").await);
    assert_eq!((told["vehicle_id"].as_str(), told["state"].as_str()), (vehicle, "again"));
    assert_eq!(scene.server.get(&path).await["state"].get("account"), None);
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_chooses_among_cars_takes_permissions_out_or_refuses() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    let scope = "scope=read_vin%20required:read_odometer%20read_fuel&approval_prompt=force";
    browser.go(&scene.url(scope)).await;
    to_grant(&browser, "BMW", "3-vehicles@smartcar.com").await;
    browser.click("input[name=vehicle][value='1']").await;
    browser.click("input[name=permission][value=read_vin]").await;
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    let vehicles = scene.vehicles().await;
    assert_eq!(vehicles.len(), 2);
    assert_eq!(vehicles[0]["permissions"], json!(["read_odometer"]));

    browser.go(&scene.url(&format!("{scope}&single_select=true"))).await;
    to_grant(&browser, "BMW", "3-vehicles@smartcar.com").await;
    browser.click("input[name=vehicle][value='1']").await;
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    assert_eq!(scene.vehicles().await.len(), 3);

    browser.go(&scene.url(scope)).await;
    to_grant(&browser, "BMW", "other@example.com").await;
    browser.click("button#refusal-button").await;
    assert_eq!(scene.told(&browser.led_to("error=").await)["error"], "access_denied");
    assert_eq!(scene.vehicles().await.len(), 3);
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_shows_client_scopes_and_lifetime_and_the_owner_lists_and_revokes() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    let seen = async || {
        let text = browser.run("return document.body.innerText", json!([])).await;
        text.as_str().unwrap().to_owned()
    };
    browser.go(&scene.url("scope=required:read_odometer%20control_charge")).await;
    to_grant(&browser, "BMW", "2-vehicles@smartcar.com").await;
    let consent = seen().await;
    for shown in
        ["Watt & Co", "How far the car has gone", "Start, stop and limit charging", "This lasts until you"]
    {
        assert!(consent.contains(shown), "{shown}: {consent}");
    }
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    let vehicles = scene.vehicles().await;
    assert_eq!(vehicles.len(), 2);

    let Scene { server, client, .. } = &scene;
    browser.go(&format!("{}/connect/access?client_id={client}&mode=test", server.url)).await;
    browser.click("button#continue-button").await;
    browser.click("button#BMW").await;
    browser.write("input#username", "2-vehicles@smartcar.com").await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.led_to("/connect/vehicles").await;
    let list = seen().await;
    for shown in ["What Watt & Co has access to", "How far the car has gone", "Connected since 20"] {
        assert!(list.contains(shown), "{shown}: {list}");
    }
    let button = |vehicle: &Value| format!("button.end-access[value='{}']", text(vehicle, "id"));
    for vehicle in &vehicles {
        assert!(list.contains(text(vehicle, "model")) && browser.is_there(&button(vehicle)).await, "{list}");
    }
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    browser.click(&button(&vehicles[0])).await;
    browser.shows(&format!("main:not(:has({}))", button(&vehicles[0]))).await;
    assert!(seen().await.contains("The access has ended"));
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    let left = scene.vehicles().await;
    assert_eq!(left.iter().map(|it| text(it, "id")).collect::<Vec<_>>(), [text(&vehicles[1], "id")]);
    browser.click(&button(&vehicles[1])).await;
    browser.shows("main:not(:has(.accesses))").await;
    assert_eq!(scene.vehicles().await, Vec::<Value>::new());
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_reaches_the_application_with_its_extras() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    let sign_in = async |username: &str| {
        browser.click("button#continue-button").await;
        browser.write("input#username", username).await;
        browser.write("input#password", "secret").await;
        browser.click("button#sign-in-button").await;
    };
    let failed = async |error: &str, extras: &[(&str, &str)]| {
        let mut told = scene.told(&browser.led_to("error=").await);
        let mut take = |name: &str| told.remove(name).unwrap_or_default();
        assert_eq!(
            (take("error"), take("state"), take("iss")),
            (error.into(), "a&b".into(), scene.server.url.clone())
        );
        assert!(!take("error_description").is_empty(), "{error} says nothing");
        let extras = extras.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(told, extras.collect(), "{error}");
    };
    let make = scene.url("make=AUDI");

    for (username, error) in [
        ("smartcar@invalid-subscription.com", "invalid_subscription"),
        ("0-vehicles@smartcar.com", "no_vehicles"),
        ("smartcar@vehicle-incompatible.com", "vehicle_incompatible"),
    ] {
        browser.go(&make).await;
        sign_in(username).await;
        browser.click("button#return-button").await;
        failed(error, &[]).await;
    }
    browser.go(&make).await;
    sign_in("smartcar@vehicle-incompatible.com").await;
    browser.click("button#share-button").await;
    let car = [("vin", "0SCAUDI012FE3B132"), ("make", "AUDI"), ("model", "e-tron"), ("year", "2019")];
    failed("vehicle_incompatible", &car).await;

    let live = make.replace("mode=test", "mode=live");
    browser.go(&format!("{live}&single_select=true&single_select_vin=0SCAUDI037A5ADB1C")).await;
    browser.click("button#continue-button").await;
    browser.click("button#return-button").await;
    let message = "a test vehicle cannot be connected in live mode";
    failed("configuration_error", &[("status_code", "400"), ("error_message", message)]).await;

    browser.go(&make).await;
    browser.click("button#continue-button").await;
    browser.click("button[value=cancel]").await;
    failed("oem_cancelled_login", &[]).await;
    browser.go(&make).await;
    browser.click("button#continue-button").await;
    browser.click("button[value=back]").await;
    failed("user_manually_returned_to_application", &[]).await;
    browser.go(&make).await;
    sign_in("jo@example.com").await;
    browser.click("button#refusal-button").await;
    failed("access_denied", &[]).await;
    assert_eq!(scene.vehicles().await, Vec::<Value>::new());

    browser.go(&scene.url("make=NISSAN&scope=read_battery")).await;
    sign_in("jo@example.com").await;
    browser.click("button[value=unknown]").await;
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    let vehicle = text(&scene.vehicles().await[0], "id").to_owned();
    let token = scene.server.post(&format!("/vehicles/{vehicle}/access-token"), Value::Null).await;
    let application =
        HttpClient::new(&scene.server.url).unwrap().bearer(text(&token, "accessToken")).unwrap();
    let path = format!("/v2.0/vehicles/{vehicle}/battery/nominal_capacity");
    let answer = application.get(&path).await.unwrap().json();
    browser.go(&format!("{}&state=a%26b", text(&answer, "url"))).await;
    browser.click("button#continue-button").await;
    browser.click("button[value=back]").await;
    failed("battery_capacity_no_selection", &[]).await;
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_tries_again_or_leaves_when_the_server_cannot_store() {
    let Some(disk) = Disk::in_memory(24) else {
        println!("not run: this user cannot mount a small disk");
        return;
    };
    let scene = Scene::on(disk.path(), SMALL).await;
    let browser = Browser::start(Looks::default()).await;
    let full = async || {
        let filler = disk.fill();
        let more = json!({"name": "More"});
        while scene.server.admin(Method::POST, "/applications", &more).await.status == 201 {}
        filler
    };
    browser.go(&scene.url("scope=read_vin")).await;
    to_grant(&browser, "BMW", "jo@example.com").await;
    let filler = full().await;
    browser.click("button#approval-button").await;
    browser.shows("a#again-link").await;
    for dark in [false, true] {
        browser.dark(dark).await;
        assert_eq!(browser.barriers().await, Vec::<String>::new(), "dark: {dark}");
    }
    browser.click("a#again-link").await;
    browser.led_to("/connect/permissions").await;
    std::fs::remove_file(filler).unwrap();
    assert!(eventually(PATIENCE, async || scene.server.status("/readyz").await == 200).await);
    browser.click("button#approval-button").await;
    assert_eq!(scene.told(&browser.led_to("/back?").await)["code"].len(), 36);

    browser.go(&scene.url("scope=read_vin")).await;
    to_grant(&browser, "BMW", "other@example.com").await;
    full().await;
    browser.click("button#approval-button").await;
    browser.click("button#return-button").await;
    let told = scene.told(&browser.led_to("error=").await);
    assert_eq!((told["error"].as_str(), told["state"].as_str()), ("server_error", "a&b"));
    assert_eq!(scene.vehicles().await.len(), 1, "nothing was connected");
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_is_enough() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    browser.go(&scene.url("scope=read_vin%20read_odometer")).await;
    browser.tab_to("#continue-button").await;
    browser.press(ENTER).await;
    browser.led_to("/connect/brands").await;
    browser.tab_to("#CHEVROLET").await;
    browser.press(SPACE).await;
    browser.led_to("/connect/sign-in").await;
    browser.tab_to("#username").await;
    browser.press("jo@example.com").await;
    browser.tab_to("#password").await;
    browser.press("secret").await;
    browser.press(ENTER).await;
    browser.led_to("/connect/permissions").await;
    browser.tab_to("input[value=read_vin]").await;
    browser.press(SPACE).await;
    browser.tab_to("#approval-button").await;
    browser.press(ENTER).await;
    browser.led_to("code=").await;
    assert_eq!(scene.vehicles().await[0]["permissions"], json!(["read_odometer"]));
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_work_without_script() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks { without_script: true, ..Looks::default() }).await;
    browser.go(&scene.url("scope=read_vin")).await;
    browser.click("button#continue-button").await;
    browser.write("input#brand-search", "chev").await;
    browser.click("form.search button").await;
    browser.led_to("q=chev").await;
    assert!(browser.is_there("#CHEVROLET").await && !browser.is_there("#FORD").await);
    browser.click("button#CHEVROLET").await;
    browser.write("input#username", "jo@example.com").await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_and_reload_lead_nowhere_bad() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    browser.go(&scene.url("scope=read_vin")).await;
    to_grant(&browser, "CHEVROLET", "jo@example.com").await;
    let grant = browser.led_to("/connect/permissions").await;
    browser.go(&grant).await;
    browser.back().await;
    browser.led_to("/connect/").await;
    browser.go(&grant).await;
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    browser.back().await;
    browser.led_to("/connect/permissions").await;
    browser.click("button#approval-button").await;
    browser.led_to("code=").await;
    assert_eq!(scene.vehicles().await.len(), 1);
    scene.end(vec![browser]).await;
}

/// The login of an owner whose Tesla has no virtual key yet.
const KEYLESS: &str = "CONNECTED_SERVICES_ACCOUNT.VIRTUAL_KEY_REQUIRED@smartcar.com";

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_adds_the_key_beside_the_visit_and_goes_on() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    let key = "https://www.tesla.com/_ak/127.0.0.1";
    browser.go(&scene.url("make=TESLA&scope=read_vin")).await;
    browser.click("button#continue-button").await;
    browser.write("input#username", KEYLESS).await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.click("button#approval-button").await;
    browser.led_to("/connect/key").await;
    let visit = browser.window().await;
    browser.click("a#key-link").await;
    browser.switch_to_other_than(&visit).await;
    browser.led_to(key).await;
    browser.switch_to(&visit).await;
    browser.click("button#finish-button").await;
    let told = scene.told(&browser.led_to("/back?").await);
    assert_eq!((told["code"].len(), told["virtual_key_url"].as_str()), (36, key));
    assert_eq!(told["user_id"], text(&scene.vehicles().await[0], "userId"));

    // At another brand there is no such key, and the owner is led straight back.
    browser.go(&scene.url("make=FORD&scope=read_vin")).await;
    browser.click("button#continue-button").await;
    browser.write("input#username", KEYLESS).await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.click("button#approval-button").await;
    let told = scene.told(&browser.led_to("/back?").await);
    assert_eq!((told["code"].len(), told.get("virtual_key_url")), (36, None));
    scene.end(vec![browser]).await;
}

/// Every screen, in the order of a visit, with what leads to it.
async fn each_screen(scene: &Scene, browser: &Browser, mut see: impl AsyncFnMut(&str)) {
    let sign_in = async |username: &str| {
        browser.write("input#username", username).await;
        browser.write("input#password", "secret").await;
        browser.click("button#sign-in-button").await;
    };
    browser.go(&scene.url("scope=read_vin%20required:read_battery%20control_charge")).await;
    see("preamble").await;
    browser.click("button#continue-button").await;
    browser.led_to("/connect/brands").await;
    see("brands").await;
    browser.click("button#NISSAN").await;
    browser.led_to("/connect/sign-in").await;
    see("sign-in").await;
    sign_in("2-vehicles@smartcar.com").await;
    browser.led_to("/connect/battery").await;
    see("battery").await;
    browser.click("button[value=unknown]").await;
    browser.led_to("/connect/permissions").await;
    see("permissions").await;

    browser.go(&scene.url("make=RIVIAN")).await;
    browser.click("button#continue-button").await;
    sign_in("jo@example.com").await;
    browser.led_to("/connect/code").await;
    browser.write("input#code", "000000").await;
    browser.click("button#code-button").await;
    browser.shows(".note").await;
    see("code").await;

    browser.go(&scene.url("make=TESLA&scope=read_vin")).await;
    browser.click("button#continue-button").await;
    sign_in(KEYLESS).await;
    browser.click("button#approval-button").await;
    browser.led_to("/connect/key").await;
    see("virtual key").await;

    browser.go(&scene.url("make=AUDI")).await;
    browser.click("button#continue-button").await;
    sign_in("smartcar@vehicle-incompatible.com").await;
    browser.led_to("/connect/problem").await;
    see("problem").await;

    let Scene { server, client, .. } = scene;
    browser
        .go(&format!("{}/oauth/authorize?client_id={client}&response_type=code&mode=live", server.url))
        .await;
    browser.click("button#continue-button").await;
    browser.led_to("/connect/brands").await;
    see("no brands").await;
    browser
        .go(&format!(
            "{}/oauth/authorize?client_id={client}&response_type=none&mode=test&make=FORD&scope=read_vin",
            server.url
        ))
        .await;
    browser.click("button#continue-button").await;
    sign_in("jo@example.com").await;
    browser.click("button#approval-button").await;
    let done = browser.led_to("/connect/done").await;
    see("done").await;

    browser
        .go(&format!(
            "{}/oauth/authorize?client_id={client}&response_type=none&mode=test&make=FORD",
            server.url
        ))
        .await;
    browser.click("button#continue-button").await;
    browser.click("button[value=cancel]").await;
    browser.led_to("/connect/done").await;
    browser.click("summary").await;
    see("done without success").await;
    browser.go(&done).await;

    browser.click(".hint a").await;
    browser.led_to("/connect/access").await;
    see("door to the owner's page").await;
    browser.click("button#continue-button").await;
    browser.click("button#FORD").await;
    sign_in("jo@example.com").await;
    browser.led_to("/connect/vehicles").await;
    see("access").await;
    browser.click("button.end-access").await;
    browser.shows("main:not(:has(.accesses))").await;
    see("ended access").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_can_be_used_by_everybody_in_both_colours_and_says_nothing_to_the_console() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    let mut seen = 0;
    each_screen(&scene, &browser, async |screen| {
        for dark in [false, true] {
            browser.dark(dark).await;
            assert_eq!(browser.barriers().await, Vec::<String>::new(), "{screen}, dark: {dark}");
        }
        assert_eq!(browser.console().await, Vec::<String>::new(), "{screen}");
        seen += 1;
    })
    .await;
    assert_eq!(seen, 14);
    // Pages that refuse answer 400, which a browser notes; they are looked at like the others.
    browser.go(&format!("{}/oauth/authorize?client_id=x", scene.server.url)).await;
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_screen_is_wider_than_a_phone() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks { phone: true, ..Looks::default() }).await;
    each_screen(&scene, &browser, async |screen| {
        assert_eq!(browser.overflow().await, 0, "{screen}");
    })
    .await;
    scene.end(vec![browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_that_opened_a_visit_is_told_and_nobody_else() {
    let scene = Scene::new().await;
    let browser = Browser::start(Looks::default()).await;
    let opener = scene.redirect.trim_end_matches("/back").to_owned();
    // A page of the application's origin, with a window of its own for the visit.
    browser.go(&format!("{opener}/healthz")).await;
    let url = format!(
        "{}/oauth/authorize?client_id={}&response_type=none&mode=test&make=FORD&scope=read_vin&state=s&app_origin={opener}",
        scene.server.url, scene.client
    );
    let script = "window.told = []; addEventListener('message', event => told.push([event.origin, event.data])); window.open(arguments[0], 'connect')";
    browser.run(script, json!([url])).await;
    let main = browser.window().await;
    browser.switch_to_other_than(&main).await;
    browser.click("button#continue-button").await;
    browser.write("input#username", "jo@example.com").await;
    browser.write("input#password", "secret").await;
    browser.click("button#sign-in-button").await;
    browser.click("button#approval-button").await;
    browser.switch_to(&main).await;
    let mut told = Value::Null;
    let came = common::eventually(common::PATIENCE, async || {
        told = browser.run("return window.told", json!([])).await;
        told.as_array().is_some_and(|told| !told.is_empty())
    });
    assert!(came.await, "nothing was told");
    assert_eq!(told[0][0], json!(scene.server.url));
    let message = &told[0][1];
    assert_eq!((text(message, "name"), text(message, "state")), ("SmartcarAuthMessage", "s"));
    assert_eq!(text(message, "userId").len(), 36);
    scene.end(vec![browser]).await;
}
