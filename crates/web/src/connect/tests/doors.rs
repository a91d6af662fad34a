//! Signing in again for a vehicle, and the choice of a battery.

use super::*;

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
    // The car is in this account, too, but that is not the owner who has connected it, and nobody is named.
    let evil = format!("{none}&external_id=evil");
    assert_eq!(returned("twin-of-jo@x.example", &evil).await, (String::new(), false));
    assert_eq!(returned(jo, "response_type=vehicle_id").await.0, "o-2");
    assert_eq!(returned(jo, "response_type=vehicle_id&external_id=null").await.0, "");
    assert_eq!(returned(jo, &none).await.0, "");
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
    let (token, _) = server.app.grant_access_token(vehicle.parse().unwrap(), None).await.unwrap();
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
