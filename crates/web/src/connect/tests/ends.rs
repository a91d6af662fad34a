//! How a visit ends that grants nothing, and what the application is told.

use super::*;

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
