//! The v3 API as far as tokens of owners read it: a vehicle, and its signals as they are known here.
//!
//! | path | what |
//! | --- | --- |
//! | `GET /v3/vehicles/{id}` | make, model and year |
//! | `GET /v3/vehicles/{id}/signals` | all signals that are known and granted |
//! | `GET /v3/vehicles/{id}/signals/{code}` | one of them |
//!
//! Answers come from what reads, pushes and webhooks have brought. Where a signal that the owner has granted is missing or
//! stale, the vehicle is read first, within limits (see `App::freshen`); a signal that cannot be read says so in its entry. The
//! SDKs read errors in the form of v2 only, so errors have it.

use std::sync::Arc;

use app::App;
use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use domain::{
    connect::Permission,
    errors::ErrorCode,
    payload::v3,
    signal::SignalId,
    time::Timestamp,
    vehicle::{self, Observation},
};
use store::VehicleRow;

use crate::api_v2::{
    V2Path,
    auth::{self, Owner},
    error::V2Error,
    nowhere,
    read::vehicle_id,
};

/// The v3 API.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v3/vehicles/{vehicleId}", get(vehicle).fallback(nowhere))
        .route("/v3/vehicles/{vehicleId}/signals", get(signals).fallback(nowhere))
        .route("/v3/vehicles/{vehicleId}/signals/{code}", get(signal).fallback(nowhere))
        .with_state(app)
}

async fn vehicle(
    State(app): State<Arc<App>>,
    Owner(grant): Owner,
    V2Path(vehicle): V2Path<String>,
) -> Result<Response, V2Error> {
    let row = auth::covered(&app, &grant, vehicle_id(&vehicle)?).await?;
    if !row.permissions.contains(Permission::ReadVehicleInfo) {
        return Err(ErrorCode::PERMISSION.into());
    }
    Ok(json(v3::vehicle(&row.info)))
}

async fn signals(
    State(app): State<Arc<App>>,
    Owner(grant): Owner,
    V2Path(vehicle): V2Path<String>,
) -> Result<Response, V2Error> {
    let row = auth::covered(&app, &grant, vehicle_id(&vehicle)?).await?;
    app.admit(grant.application, 1)?;
    let granted = granted(&row);
    app.freshen(&row, &granted).await?;
    let seen = known(&app, &row, &granted).await?;
    Ok(json(v3::signals(&row.info, &seen)))
}

async fn signal(
    State(app): State<Arc<App>>,
    Owner(grant): Owner,
    V2Path((vehicle, code)): V2Path<(String, String)>,
) -> Result<Response, V2Error> {
    let nothing = ErrorCode::RESOURCE_NOT_FOUND_PATH;
    let wanted = SignalId::from_code(&code).ok_or(nothing)?;
    let row = auth::covered(&app, &grant, vehicle_id(&vehicle)?).await?;
    if !row.permissions.contains(wanted.entry().permission) {
        return Err(ErrorCode::PERMISSION.into());
    }
    app.admit(grant.application, 1)?;
    // One read brings all that will be asked next.
    app.freshen(&row, &granted(&row)).await?;
    let seen = known(&app, &row, &[wanted]).await?;
    Ok(json(v3::signal(&row.info, wanted, &seen).ok_or(nothing)?))
}

fn granted(row: &VehicleRow) -> Vec<SignalId> {
    SignalId::all().filter(|signal| row.permissions.contains(signal.entry().permission)).collect()
}

/// What is known of these signals, of those that anything is known of.
async fn known(app: &App, row: &VehicleRow, signals: &[SignalId]) -> Result<Observation, V2Error> {
    let document = app.document(row.info.id).await?;
    let answered: Vec<SignalId> =
        signals.iter().copied().filter(|&signal| document.signal(signal).is_some()).collect();
    let always = Timestamp::from_micros(i64::MIN);
    Ok(vehicle::observe(&document, &answered, always, app.now()))
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::Server;
    use axum::http::Method;
    use domain::{
        connect::{Permission, PermissionSet},
        errors::ErrorCode,
        limits::Limit,
    };
    use serde_json::{Value, json};

    async fn get(server: &Server, token: &str, path: &str) -> (u16, Value) {
        let answered = server.request(Method::GET, path, token, Value::Null).await;
        assert_eq!(answered.headers["content-type"], "application/json", "{path}");
        assert_eq!(answered.headers["sc-request-id"].len(), 36, "{path}");
        (answered.status.as_u16(), answered.json())
    }

    #[tokio::test]
    async fn an_owners_token_reads_what_is_known_in_the_first_shape_of_v3() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let vehicle = server.pushed_vehicle(&tenant, "BMW").await;
        let base = format!("/v3/vehicles/{vehicle}");
        let token = &tenant.access_token;
        let (status, shown) = get(&server, token, &base).await;
        assert_eq!((status, &shown["attributes"]["make"]), (200, &json!("BMW")));
        let (_, empty) = get(&server, token, &format!("{base}/signals")).await;
        assert_eq!((&empty["data"], &empty["meta"]["totalCount"]), (&json!([]), &json!(0)));
        server.push_charge(&tenant, &vehicle, 57.0).await;
        let (_, all) = get(&server, token, &format!("{base}/signals/")).await;
        assert_eq!(all["meta"], json!({"page": 1, "pageSize": 1, "totalCount": 1}));
        assert_eq!(all["included"]["vehicle"], shown);
        let code = "tractionbattery-stateofcharge";
        let (_, one) = get(&server, token, &format!("{base}/signals/{code}")).await;
        assert_eq!(one, all["data"][0]);
        assert_eq!((&one["id"], &one["attributes"]["status"]), (&json!(code), &json!({"value": "SUCCESS"})));
        assert_eq!(one["attributes"]["body"]["value"], 57);
        assert!(one["meta"]["retrievedAt"].is_i64());
    }

    #[tokio::test]
    async fn what_is_not_known_not_granted_or_somebody_elses_is_refused() {
        let server = Server::new().await;
        let (tenant, other) = (server.tenant("A").await, server.tenant("B").await);
        let vehicle = server.pushed_vehicle(&tenant, "BMW").await;
        server.push_charge(&tenant, &vehicle, 57.0).await;
        let path = |code: &str| format!("/v3/vehicles/{vehicle}/signals/{code}");
        for code in ["odometer-traveleddistance", "odometer-travelleddistance"] {
            let (status, error) = get(&server, &tenant.access_token, &path(code)).await;
            assert_eq!((status, &error["type"]), (404, &json!("RESOURCE_NOT_FOUND")), "{code}");
        }
        let charge = path("tractionbattery-stateofcharge");
        for (token, expected) in [(&other.access_token, 403), (&"nonsense".to_owned(), 401)] {
            assert_eq!(get(&server, token, &charge).await.0, expected);
        }
        let few: PermissionSet = [Permission::ReadVin].into_iter().collect();
        server.app.set_permissions(vehicle.parse().unwrap(), few).await.unwrap();
        for path in [charge, format!("/v3/vehicles/{vehicle}")] {
            assert_eq!(get(&server, &tenant.access_token, &path).await.0, 403, "{path}");
        }
        let (_, all) = get(&server, &tenant.access_token, &format!("/v3/vehicles/{vehicle}/signals")).await;
        assert_eq!(all["data"], json!([]));
    }

    #[tokio::test]
    async fn a_vehicle_that_is_only_asked_about_is_read_and_once_for_all_who_ask() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/v3/vehicles/{}/signals", tenant.vehicle);
        let odometer = format!("{path}/odometer-traveleddistance");
        let token = &tenant.access_token;
        let asks = || async { tokio::join!(get(&server, token, &path), get(&server, token, &odometer)) };
        let ((status, all), (_, one)) = asks().await;
        assert_eq!((status, &one["attributes"]["body"]["value"]), (200, &json!(100.5)));
        assert!(all["data"].as_array().unwrap().contains(&one), "{all}");
        assert_eq!(server.cars.reads(), 1);
        asks().await;
        assert_eq!(server.cars.reads(), 1, "what is known is fresh");
        server.clock.pass(Duration::from_secs(10 * 60));
        asks().await;
        assert_eq!(server.cars.reads(), 2, "a Tesla that stands has fresh data every five minutes");
        server.clock.pass(Duration::from_secs(60));
        let lock = format!("/v2.0/vehicles/{}/security", tenant.vehicle);
        server.request(Method::POST, &lock, token, json!({"action": "LOCK"})).await.expect(200);
        asks().await;
        assert_eq!(server.cars.reads(), 3, "a command has changed the vehicle");
    }

    #[tokio::test]
    async fn a_read_that_fails_is_told_by_signal_and_not_repeated_at_once() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/v3/vehicles/{}/signals", tenant.vehicle);
        server.cars.fail(Some(ErrorCode::VEHICLE_STATE_ASLEEP.into()));
        for _ in 0..3 {
            let (status, all) = get(&server, &tenant.access_token, &path).await;
            let first = &all["data"][0]["attributes"];
            assert_eq!((status, &first["status"]["value"]), (200, &json!("ERROR")), "{first}");
            assert_eq!(first["status"]["error"], json!({"type": "VEHICLE_STATE", "code": "ASLEEP"}));
            server.clock.pass(Duration::from_secs(10 * 60));
        }
        assert_eq!(server.cars.reads(), 1, "a car that sleeps is asked once an hour");
        server.cars.fail(None);
        server.clock.pass(Duration::from_secs(3_600));
        let odometer = format!("{path}/odometer-traveleddistance");
        assert_eq!(get(&server, &tenant.access_token, &odometer).await.0, 200);
    }

    #[tokio::test]
    async fn limits_hold_for_reads_that_v3_makes() {
        let server = Server::with_vehicle_rate("TESLA", Limit { burst: 1.0, per_minute: 0.001 }).await;
        let tenant = server.tenant("A").await;
        let v2 = format!("/v2.0/vehicles/{}/odometer", tenant.vehicle);
        server.request(Method::GET, &v2, &tenant.access_token, Value::Null).await.expect(200);
        server.clock.pass(Duration::from_secs(600));
        let path = format!("/v3/vehicles/{}/signals", tenant.vehicle);
        let (status, all) = get(&server, &tenant.access_token, &path).await;
        assert_eq!((status, &all["meta"]["totalCount"]), (200, &json!(1)), "what is known is told");
        let other = server.tenant("B").await;
        let v2 = format!("/v2.0/vehicles/{}/security", other.vehicle);
        server.request(Method::POST, &v2, &other.access_token, json!({"action": "LOCK"})).await.expect(200);
        let path = format!("/v3/vehicles/{}/signals", other.vehicle);
        let (status, error) = get(&server, &other.access_token, &path).await;
        assert_eq!((status, &error["type"], &error["code"]), (429, &json!("RATE_LIMIT"), &json!("VEHICLE")));
    }
}
