//! The page about the virtual key that a car wants.

use super::*;

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
