//! `/api/v1/vehicles`: what is connected, what is known of it, and the end of it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use app::{App, AppError};
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::{
    connect::{Permission, PermissionSet},
    ids::{ApplicationId, ApplicationNo, VehicleId, VehicleNo},
    signal::Powertrain,
    vehicle::{Document, Mode, Region, SignalState, VehicleInfo},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{DisconnectedVehicle, SubscriptionRow, VehicleFilter, VehicleRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Answer, Change, Changed, Shown, Versioned, application_no, idempotency::Keyed,
    subscriptions::SubscriptionState,
};
use crate::{
    extract::{Ids, IfMatch, Json, Query, id_in_query},
    paging::{self, Cursor, Limit, List, Page},
    problem::ApiError,
    route::{Operation, operation},
    wire::{CatalogueError, Id, Moment, signal_value},
};

/// Characters of a make or a model.
const MOST_NAME: usize = 64;
/// Model years that vehicles can have.
const YEARS: std::ops::RangeInclusive<u16> = 1900..=2100;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(Method::GET, "/vehicles", list, "Lists vehicles in the order of linking")
            .query::<VehicleQuery>()
            .page_of::<Vehicle>(),
        operation(
            Method::GET,
            "/vehicles/{id}",
            get,
            "Shows a vehicle with its subscriptions and all that is known of it",
        )
        .answers::<VehicleDetail>(StatusCode::OK),
        operation(
            Method::POST,
            "/applications/{id}/vehicles",
            connect,
            "Connects a vehicle that cannot be asked: all that is known of it is pushed by feeds",
        )
        .takes::<PushedVehicle>()
        .answers::<Vehicle>(StatusCode::CREATED),
        operation(
            Method::PUT,
            "/vehicles/{id}/permissions",
            permit,
            "Sets what the owner grants; what is queued is cancelled when something is taken away",
        )
        .takes::<Permissions>()
        .answers::<Vehicle>(StatusCode::OK),
        operation(
            Method::POST,
            "/vehicles/{id}/approve-charging-events",
            approve,
            "Says that the owner has approved at the brand that charging events are reported",
        )
        .answers_nothing(),
        operation(
            Method::POST,
            "/vehicles/{id}/disconnect",
            disconnect,
            "Ends the connection; nothing of the vehicle leaves later than a second from the answer",
        )
        .answers_nothing(),
        operation(
            Method::POST,
            "/vehicles/{id}/erase",
            erase,
            "Disconnects a vehicle and deletes what is kept of it",
        )
        .answers_nothing(),
        operation(
            Method::POST,
            "/vehicles/{id}/access-token",
            access_token,
            "Gives out an access token for the vehicles of this one's owner, for development",
        )
        .answers::<AccessToken>(StatusCode::CREATED),
    ]
}

/// Which vehicles to list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VehicleQuery {
    application_id: Option<String>,
    user_id: Option<String>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// How many items, 1 to 100; 50 by default.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Limit,
}

/// A vehicle, as one application knows it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vehicle {
    id: Id,
    application_id: Option<Id>,
    user_id: Id,
    /// Null once the vehicle is disconnected.
    connection_id: Option<Id>,
    /// Whether the application has access. A disconnected vehicle is shown until it is erased.
    connected: bool,
    make: String,
    model: String,
    year: u16,
    /// `live` or `simulated`
    mode: &'static str,
    /// `ICE`, `HEV`, `PHEV` or `BEV`
    powertrain: &'static str,
    permissions: Vec<&'static str>,
    /// Null once the vehicle is disconnected.
    connected_at: Option<Moment>,
    /// When something happens next about it.
    next_due: Option<Moment>,
}

/// A vehicle with all that is known of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VehicleDetail {
    #[serde(flatten)]
    vehicle: Vehicle,
    subscriptions: Vec<VehicleSubscription>,
    signals: Vec<KnownSignal>,
}

/// A webhook that a vehicle is on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VehicleSubscription {
    id: Id,
    webhook_id: Option<Id>,
    state: SubscriptionState,
    since: Moment,
    /// The next slot that is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_slot: Option<Moment>,
    /// Rises with the events of this subscription.
    sequence: u64,
    /// Slots that passed while this server was down.
    missed: u64,
}

/// What is known of a signal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownSignal {
    /// `tractionbattery-stateofcharge`
    code: &'static str,
    /// The newest value, in its canonical metric unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// When the vehicle measured it, if the source said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    captured_at: Option<Moment>,
    /// When this server had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retrieved_at: Option<Moment>,
    /// When the source last answered about it with a value or an error; absent when it never has.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<Moment>,
    /// What that answer was, if it was a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<CatalogueError>,
}

/// A vehicle whose readings are pushed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PushedVehicle {
    make: String,
    model: String,
    #[schema(minimum = 1900, maximum = 2100)]
    year: u16,
    powertrain: WantedPowertrain,
    region: WantedRegion,
    /// The owner; a new one by default.
    user_id: Option<Id>,
    /// What the owner grants; everything by default.
    #[schema(example = json!(["read_odometer", "read_battery"]))]
    permissions: Option<Vec<String>>,
}

/// What drives a vehicle.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum WantedPowertrain {
    Ice,
    Hev,
    Phev,
    Bev,
}

/// Where the cloud of a vehicle's brand is.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub(crate) enum WantedRegion {
    #[serde(rename = "US")]
    UnitedStates,
    #[serde(rename = "CA")]
    Canada,
    #[serde(rename = "EUROPE")]
    Europe,
}

/// What an owner grants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Permissions {
    #[schema(example = json!(["read_odometer", "read_battery"]))]
    permissions: Vec<String>,
}

/// An access token, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessToken {
    access_token: String,
    /// `Bearer`
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
}

/// The ids of applications by their row numbers.
pub(super) struct ApplicationIds(HashMap<ApplicationNo, Id>);

impl ApplicationIds {
    pub(super) fn new(app: &App) -> Self {
        let entries = app.applications().into_iter();
        Self(entries.map(|entry| (entry.application.no, Id::of(entry.application.id))).collect())
    }

    /// None when the application was deleted a moment ago.
    pub(super) fn of(&self, no: ApplicationNo) -> Option<Id> {
        self.0.get(&no).cloned()
    }
}

impl Vehicle {
    fn of(row: &VehicleRow, applications: &ApplicationIds) -> Self {
        Self {
            id: Id::of(row.info.id),
            application_id: applications.of(row.application),
            user_id: Id::of(row.user),
            connection_id: Some(Id::of(row.connection)),
            connected: true,
            make: row.info.make.clone(),
            model: row.info.model.clone(),
            year: row.info.year,
            mode: row.info.mode.as_str(),
            powertrain: row.info.powertrain.as_str(),
            permissions: row.permissions.iter().map(|permission| permission.as_str()).collect(),
            connected_at: Some(Moment(row.connected_at)),
            next_due: row.due.and_then(Moment::known),
        }
    }

    fn disconnected(vehicle: &DisconnectedVehicle, applications: &ApplicationIds) -> Self {
        Self {
            id: Id::of(vehicle.info.id),
            application_id: applications.of(vehicle.application),
            user_id: Id::of(vehicle.user),
            connection_id: None,
            connected: false,
            make: vehicle.info.make.clone(),
            model: vehicle.info.model.clone(),
            year: vehicle.info.year,
            mode: vehicle.info.mode.as_str(),
            powertrain: vehicle.info.powertrain.as_str(),
            permissions: vec![],
            connected_at: None,
            next_due: None,
        }
    }
}

impl VehicleSubscription {
    async fn of(row: &SubscriptionRow, document: &Document, app: &App) -> Result<Self, ApiError> {
        let planned = document.subscription(row.webhook);
        let webhook = app.webhook_by_no(row.webhook);
        let state = match &webhook {
            Some(webhook) => SubscriptionState::of(app, webhook, row.vehicle_id).await?,
            None => SubscriptionState::Active,
        };
        let has_slots =
            webhook.as_ref().is_some_and(|entry| entry.webhook().revision.plan.slot_name().is_some());
        Ok(Self {
            id: Id::of(row.id),
            webhook_id: webhook.map(|entry| Id::of(entry.webhook().id)),
            state,
            since: Moment(row.since),
            next_slot: planned.filter(|_| has_slots).and_then(|planned| Moment::known(planned.next_slot)),
            sequence: planned.map_or(0, |planned| planned.sequence),
            missed: planned.map_or(0, |planned| planned.missed),
        })
    }
}

impl PushedVehicle {
    /// What is shown of it; its id is yet to be drawn.
    fn info(&self) -> Result<VehicleInfo, ApiError> {
        let name = |field: &str, text: &str| match text.trim() {
            name if (1..=MOST_NAME).contains(&name.chars().count()) => Ok(name.to_owned()),
            _ => Err(ApiError::invalid(field, format!("a {field} has 1 to {MOST_NAME} characters"))),
        };
        if !YEARS.contains(&self.year) {
            return Err(ApiError::invalid("year", "a model year has four digits, such as 2024"));
        }
        Ok(VehicleInfo {
            id: VehicleId(Uuid::nil()),
            make: name("make", &self.make)?.to_uppercase(),
            model: name("model", &self.model)?,
            year: self.year,
            mode: Mode::Live,
            powertrain: self.powertrain.into(),
            region: self.region.into(),
        })
    }
}

impl From<WantedPowertrain> for Powertrain {
    fn from(wanted: WantedPowertrain) -> Self {
        match wanted {
            WantedPowertrain::Ice => Self::Ice,
            WantedPowertrain::Hev => Self::Hev,
            WantedPowertrain::Phev => Self::Phev,
            WantedPowertrain::Bev => Self::Bev,
        }
    }
}

impl From<WantedRegion> for Region {
    fn from(wanted: WantedRegion) -> Self {
        match wanted {
            WantedRegion::UnitedStates => Self::UnitedStates,
            WantedRegion::Canada => Self::Canada,
            WantedRegion::Europe => Self::Europe,
        }
    }
}

/// The permissions with these names; everything when none are named.
pub(super) fn granted(names: Option<&[String]>) -> Result<PermissionSet, ApiError> {
    let Some(names) = names else { return Ok(PermissionSet::ALL) };
    let permission = |(at, name): (usize, &String)| {
        name.parse::<Permission>().map_err(|error| ApiError::invalid(format!("permissions[{at}]"), error))
    };
    names.iter().enumerate().map(permission).collect()
}

impl From<&SignalState> for KnownSignal {
    fn from(state: &SignalState) -> Self {
        let value = state.value.as_ref();
        Self {
            code: &state.signal.entry().code,
            value: value.map(|(value, ..)| signal_value(value)),
            captured_at: value.and_then(|&(_, captured_at, _)| captured_at.map(Moment)),
            retrieved_at: value.map(|&(.., retrieved_at)| Moment(retrieved_at)),
            answered_at: Moment::known(state.answered_at),
            error: state.fault.map(Into::into),
        }
    }
}

/// `GET /api/v1/vehicles`
async fn list(State(app): State<Arc<App>>, Query(query): Query<VehicleQuery>) -> Answer<Page<Vehicle>> {
    let limit = query.limit.0;
    let filter = VehicleFilter {
        application: application_no(&app, id_in_query(query.application_id.as_deref(), "applicationId")?)?,
        user: id_in_query(query.user_id.as_deref(), "userId")?,
        after: paging::after(query.cursor.as_deref(), List::Vehicles)?.map(|at| VehicleNo(paging::row(at))),
        ..VehicleFilter::default()
    };
    let mut rows = app.list_vehicles(filter, limit + 1).await?;
    let next = paging::cut(&mut rows, limit, |row| Cursor::after_row(List::Vehicles, row.no.0));
    let applications = ApplicationIds::new(&app);
    Ok(Out(Page::new(rows.iter().map(|row| Vehicle::of(row, &applications)).collect(), next)))
}

/// `GET /api/v1/vehicles/{id}`
async fn get(State(app): State<Arc<App>>, Ids(id): Ids<VehicleId>) -> Shown<VehicleDetail> {
    let row = match app.vehicle(id, None).await {
        Err(AppError::NotFound(_)) => {
            let vehicle =
                Vehicle::disconnected(&app.disconnected_vehicle(id).await?, &ApplicationIds::new(&app));
            return Ok(Versioned(0, VehicleDetail { vehicle, subscriptions: vec![], signals: vec![] }));
        }
        found => found?,
    };
    let document = app.document(id).await?;
    let mut subscriptions = Vec::new();
    for row in app.subscriptions_of_vehicle(id).await? {
        subscriptions.push(VehicleSubscription::of(&row, &document, &app).await?);
    }
    Ok(Versioned(
        row.permissions.bits().into(),
        VehicleDetail {
            vehicle: Vehicle::of(&row, &ApplicationIds::new(&app)),
            subscriptions,
            signals: document.signals.iter().map(KnownSignal::from).collect(),
        },
    ))
}

/// `POST /api/v1/applications/{id}/vehicles`
async fn connect(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(application): Ids<ApplicationId>,
    Json(new): Json<PushedVehicle>,
) -> Result<Changed<Vehicle>, ApiError> {
    let user = new.user_id.as_ref().map(|id| id.parse("userId")).transpose()?;
    let permissions = granted(new.permissions.as_deref())?;
    let applications = ApplicationIds::new(&app);
    let kept = |row: &VehicleRow| Changed::created(Vehicle::of(row, &applications)).to_kept();
    let answering = keyed.answering(&kept);
    let linked = app.connect_pushed(application, user, new.info()?, permissions, answering.as_ref()).await?;
    Ok(Changed::created(shown(&app, linked.vehicle).await?))
}

/// `PUT /api/v1/vehicles/{id}/permissions`
async fn permit(
    State(app): State<Arc<App>>,
    Ids(id): Ids<VehicleId>,
    IfMatch(precondition): IfMatch,
    Json(permissions): Json<Permissions>,
) -> Change<Vehicle> {
    let granted = granted(Some(&permissions.permissions))?;
    app.set_permissions_if(id, &precondition, granted).await?;
    let vehicle = shown(&app, id).await?;
    Ok(Changed::ok(vehicle).version(granted.bits().into()))
}

async fn shown(app: &App, id: VehicleId) -> Result<Vehicle, ApiError> {
    Ok(Vehicle::of(&app.vehicle(id, None).await?, &ApplicationIds::new(app)))
}

/// `POST /api/v1/vehicles/{id}/approve-charging-events`
async fn approve(State(app): State<Arc<App>>, Ids(id): Ids<VehicleId>) -> Result<StatusCode, ApiError> {
    app.approve_charging_events(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/vehicles/{id}/disconnect`
async fn disconnect(State(app): State<Arc<App>>, Ids(id): Ids<VehicleId>) -> Result<StatusCode, ApiError> {
    app.disconnect(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/vehicles/{id}/erase`
async fn erase(State(app): State<Arc<App>>, Ids(id): Ids<VehicleId>) -> Result<StatusCode, ApiError> {
    app.erase_vehicle(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/vehicles/{id}/access-token`
async fn access_token(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(id): Ids<VehicleId>,
) -> Result<Changed<AccessToken>, ApiError> {
    let answer = |(token, life): &(Zeroizing<String>, Duration)| {
        Changed::created(AccessToken {
            access_token: token.to_string(),
            token_type: "Bearer",
            expires_in: life.as_secs(),
        })
    };
    let kept = |given: &_| answer(given).to_kept();
    Ok(answer(&app.grant_access_token(id, keyed.answering(&kept).as_ref()).await?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::granted;
    use crate::testing::Server;
    use axum::http::Method;
    use domain::connect::{Permission, PermissionSet};
    use serde_json::{Value, json};

    #[tokio::test]
    async fn a_plan_with_room_for_two_more_takes_two_of_many_at_once() {
        let server = Server::with_plan("small", &[]).await;
        let tenant = server.tenant("A").await;
        let application = format!("/applications/{}", tenant.application);
        server.admin(Method::PATCH, &application, json!({"plan": "small"})).await.expect(200);
        let path = format!("{application}/vehicles");
        let new =
            json!({"make": "BMW", "model": "X1", "year": 2024, "powertrain": "BEV", "region": "EUROPE"});
        let asked = (0..20).map(|_| server.admin(Method::POST, &path, new.clone()));
        let mut statuses: Vec<u16> =
            futures::future::join_all(asked).await.iter().map(|answered| answered.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses[..2], [201, 201]);
        assert!(statuses[2..].iter().all(|&status| status == 403), "{statuses:?}");
    }

    #[test]
    fn an_owner_grants_everything_unless_told_otherwise() {
        assert_eq!(granted(None).unwrap(), PermissionSet::ALL);
        let odometer = granted(Some(&["read_odometer".into()])).unwrap();
        assert_eq!(odometer.iter().collect::<Vec<_>>(), [Permission::ReadOdometer]);
        assert!(granted(Some(&["read_everything".into()])).is_err());
    }

    #[tokio::test]
    async fn row_l03_a_vehicle_shows_its_subscriptions_and_what_is_known_of_it() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 200).await;
        server.clock.pass(Duration::from_secs(3_600));
        server.logged(1).await;
        let path = format!("/vehicles/{}", tenant.vehicle);
        let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        assert_eq!((&shown["make"], &shown["mode"]), (&json!("TESLA"), &json!("simulated")));
        assert_eq!(shown["applicationId"], json!(tenant.application));
        let subscription = &shown["subscriptions"][0];
        assert_eq!(subscription["webhookId"], json!(tenant.webhook));
        assert_eq!((&subscription["sequence"], &subscription["missed"]), (&json!(1), &json!(0)));
        assert_eq!(subscription["nextSlot"], "2026-03-02T14:00:00.000Z");
        assert_eq!(shown["nextDue"], subscription["nextSlot"]);
        let signals = shown["signals"].as_array().unwrap();
        let known = |code: &str| signals.iter().find(|signal| signal["code"] == code).unwrap();
        assert_eq!(known("odometer-traveleddistance")["value"], json!(100.5));
        assert_eq!(known("tractionbattery-stateofcharge")["error"]["code"], "VEHICLE_NOT_CAPABLE");

        let path = format!("/webhooks/{}/subscriptions/{}", tenant.webhook, tenant.vehicle);
        server.admin(Method::DELETE, &path, Value::Null).await.expect(204);
        server.admin(Method::DELETE, &path, Value::Null).await.expect(404);
    }

    #[tokio::test]
    async fn a_signal_that_was_only_ever_unknown_has_no_moment_of_an_answer() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let made = server
            .admin(Method::POST, &format!("/applications/{}/feeds", tenant.application), json!({"name": "F"}))
            .await
            .expect(201);
        let nothing = json!([{
            "vehicleId": tenant.vehicle, "signal": "transmission-gearstate", "value": "<invalid>",
        }]);
        let pushed =
            server.request(Method::POST, "/ingest/v1/readings", &made.text("token"), nothing).await.expect(200);
        assert_eq!(pushed.json()["outcomes"]["unknown"], 1);
        // From memory, and as it is stored.
        for _ in 0..2 {
            let path = format!("/vehicles/{}", tenant.vehicle);
            let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200);
            let signals = shown.json()["signals"].clone();
            assert_eq!(signals, json!([{"code": "transmission-gearstate"}]));
            assert!(!shown.body.contains("\"-9999") && !shown.body.contains("\"9999"), "{}", shown.body);
            server.clock.pass(Duration::from_secs(1));
        }
    }

    #[tokio::test]
    async fn vehicles_and_connections_are_found_by_application_and_owner() {
        let server = Server::new().await;
        let (own, other) = (server.tenant("A").await, server.tenant("B").await);
        for list in ["/vehicles", "/connections"] {
            let found = |query: String| {
                let server = &server;
                async move {
                    let listed = server
                        .admin(Method::GET, &format!("{list}{query}"), Value::Null)
                        .await
                        .expect(200)
                        .json();
                    listed["items"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|item| item["userId"].clone())
                        .collect::<Vec<_>>()
                }
            };
            assert_eq!(found(String::new()).await, [json!(own.user), json!(other.user)]);
            assert_eq!(found(format!("?applicationId={}", other.application)).await, [json!(other.user)]);
            assert_eq!(found(format!("?userId={}", own.user)).await, [json!(own.user)]);
            let first =
                server.admin(Method::GET, &format!("{list}?limit=1"), Value::Null).await.text("nextCursor");
            assert_eq!(found(format!("?cursor={first}")).await, [json!(other.user)]);
        }
    }

    #[tokio::test]
    async fn what_is_disconnected_or_erased_is_gone() {
        let server = Server::new().await;
        let (own, other) = (server.tenant("A").await, server.tenant("B").await);
        server
            .admin(Method::POST, &format!("/vehicles/{}/disconnect", own.vehicle), Value::Null)
            .await
            .expect(204);
        let connections = server.admin(Method::GET, "/connections", Value::Null).await.json();
        assert_eq!(connections["items"].as_array().unwrap().len(), 1);
        let erase = format!("/users/{}/erase", other.user);
        let erased = server.admin(Method::POST, &erase, Value::Null).await.expect(200).json();
        assert_eq!(erased, json!({"vehicles": 1, "warnings": []}));
        server.admin(Method::GET, &format!("/vehicles/{}", other.vehicle), Value::Null).await.expect(404);
        server.admin(Method::POST, &erase, Value::Null).await.expect(404);
    }

    #[tokio::test]
    async fn a_disconnected_vehicle_is_shown_and_can_be_erased() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/vehicles/{}", tenant.vehicle);
        let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        assert_eq!(shown["connected"], true);
        for _ in 0..2 {
            server.admin(Method::POST, &format!("{path}/disconnect"), Value::Null).await.expect(204);
        }
        let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        assert_eq!((&shown["connected"], &shown["connectionId"]), (&json!(false), &Value::Null));
        assert_eq!((&shown["make"], &shown["userId"]), (&json!("TESLA"), &json!(tenant.user)));
        assert_eq!(shown["applicationId"], json!(tenant.application));
        let log = format!("/deliveries?vehicleId={}", tenant.vehicle);
        server.admin(Method::GET, &log, Value::Null).await.expect(200);
        server.admin(Method::POST, &format!("{path}/erase"), Value::Null).await.expect(204);
        for (method, path) in [(Method::GET, path.clone()), (Method::POST, format!("{path}/erase"))] {
            server.admin(method, &path, Value::Null).await.expect(404);
        }
    }

    #[tokio::test]
    async fn a_vehicle_that_only_pushes_is_connected_and_listed_like_others() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/vehicles", tenant.application);
        let new = json!({
            "make": "bmw", "model": "iX3", "year": 2024, "powertrain": "BEV", "region": "EUROPE",
            "userId": tenant.user, "permissions": ["read_battery"],
        });
        let made = server.admin(Method::POST, &path, new.clone()).await.expect(201).object();
        assert_eq!((&made["make"], &made["mode"]), (&json!("BMW"), &json!("live")));
        assert_eq!((&made["userId"], &made["permissions"]), (&json!(tenant.user), &json!(["read_battery"])));
        let listed = server.admin(Method::GET, "/vehicles", Value::Null).await.expect(200).json();
        assert_eq!(listed["items"][1], made);
        for (member, value, field) in [
            ("powertrain", json!("STEAM"), "powertrain"),
            ("region", json!("MARS"), "region"),
            ("year", json!(24), "year"),
            ("model", json!(" "), "model"),
            ("permissions", json!(["read_battery", "read_everything"]), "permissions[1]"),
        ] {
            let mut wrong = new.clone();
            wrong[member] = value;
            let refused = server.admin(Method::POST, &path, wrong).await.expect(400);
            assert_eq!(refused.text("field"), field);
        }
    }

    #[tokio::test]
    async fn what_an_owner_grants_is_replaced_as_a_whole() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/vehicles/{}/permissions", tenant.vehicle);
        let grants = json!({"permissions": ["read_battery", "read_odometer"]});
        let shown = server.admin(Method::PUT, &path, grants).await.expect(200).json();
        assert_eq!(shown["permissions"], json!(["read_odometer", "read_battery"]));
        let shown = server.admin(Method::PUT, &path, json!({"permissions": []})).await.expect(200).json();
        assert_eq!(shown["permissions"], json!([]));
    }
}
