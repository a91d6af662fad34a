//! `/api/v1/simulator`: cars to try things with, their controls, and recorded trips.

use std::{sync::Arc, time::Duration};

use app::{
    App, CarState,
    ports::{CarActivity, CarCommand, CarRequest, CarStage, NewRecording},
};
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use bytes::Bytes;
use domain::{errors::ErrorCode, ids::VehicleId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answer, Change, Changed, ImportReportView, idempotency::Keyed, vehicles::granted};
use crate::{
    extract::{Car, Ids, Json, Part, Query, Uploaded},
    paging::{self, Cursor, List, Page, PageQuery},
    problem::ApiError,
    route::{Operation, operation},
    wire::{Id, Moment},
};

const USUAL_REGION: &str = "US";
const USUAL_PROFILE: &str = "home";
/// The furthest that a car may be sent ahead at once.
const FURTHEST_JUMP: Duration = Duration::from_secs(366 * 24 * 3_600);

pub(super) fn operations() -> Vec<Operation> {
    let ok = StatusCode::OK;
    let cars = "/simulator/vehicles";
    let car = |name: &str| format!("{cars}/{{id}}/{name}");
    vec![
        operation(Method::GET, "/simulator/models", models, "Lists brands and models that can be made")
            .page_of::<Model>(),
        operation(
            Method::POST,
            "/simulator/recordings",
            record,
            "Takes in a recorded trip and makes a car that drives it",
        )
        .takes::<Recording>()
        .answers::<Recorded>(StatusCode::CREATED),
        operation(
            Method::POST,
            "/simulator/uploads",
            begin_upload,
            "Begins the upload of a recording that is too large for one request",
        )
        .answers::<Upload>(StatusCode::CREATED),
        operation(
            Method::PUT,
            "/simulator/uploads/{id}/parts/{part}",
            put_upload_part,
            "Uploads the bytes of one part, counted from 0, of at most 256 KiB; all parts together are the file",
        )
        .answers_nothing(),
        operation(Method::GET, cars, list, "Lists simulated vehicles, oldest first")
            .query::<PageQuery>()
            .page_of::<SimulatedVehicle>(),
        operation(Method::POST, cars, create, "Makes a simulated vehicle")
            .takes::<NewSimulatedVehicle>()
            .answers::<SimulatedVehicle>(StatusCode::CREATED),
        operation(Method::GET, "/simulator/vehicles/{id}", get, "Shows a simulated vehicle")
            .answers::<SimulatedVehicle>(ok),
        operation(
            Method::DELETE,
            "/simulator/vehicles/{id}",
            delete,
            "Deletes a simulated vehicle with its recording, unless an application is connected to it",
        )
        .answers_nothing(),
        operation(Method::POST, &car("start"), start, "Lets it begin, or go on")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("pause"), pause, "Holds it").answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("restart"), restart, "Sends it back to its beginning")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("speed"), speed, "Lets its time run faster")
            .takes::<Speed>()
            .answers::<SimulatedVehicle>(ok),
        operation(
            Method::GET,
            &car("stages"),
            stages,
            "Lists what it does in its profile, one thing after the other; of the profile day, on its present day",
        )
        .page_of::<Stage>(),
        operation(Method::POST, &car("jump"), jump, "Sends it ahead in its time, or to a stage of its profile")
            .takes::<Jump>()
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("profile"), profile, "Gives it another profile")
            .takes::<Profile>()
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("fail"), fail, "Lets every read of it fail, or stops that")
            .takes::<Fail>()
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("latency"), latency, "Sets how long its reads take")
            .takes::<Latency>()
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("plug-in"), plug_in, "Plugs it in where it is")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("unplug"), unplug, "Unplugs it, and leaves it parked")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("interrupt"), interrupt, "Stops its charging before the limit")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("open-door"), open_door, "Holds its driver's door open")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("close-door"), close_door, "Lets go of its driver's door")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("fault"), fault, "Gives one of its systems a fault")
            .takes::<Fault>()
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("clear-fault"), clear_fault, "Mends its faults")
            .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("revoke"), revoke, "Lets its owner withdraw the access to it")
            .answers::<SimulatedVehicle>(ok),
        operation(
            Method::POST,
            &car("change-password"),
            change_password,
            "Lets its owner change the password at the brand",
        )
        .answers::<SimulatedVehicle>(ok),
        operation(Method::POST, &car("restore"), restore, "Lets its owner give the access back")
            .answers::<SimulatedVehicle>(ok),
        operation(
            Method::POST,
            &car("connect"),
            connect,
            "Connects it to an application, as its owner would",
        )
        .takes::<Connect>()
        .answers::<Connected>(StatusCode::CREATED),
    ]
}

/// A car of the simulator.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatedVehicle {
    id: Id,
    make: String,
    model: String,
    year: u16,
    powertrain: &'static str,
    /// What it does now.
    state: SimulatedActivity,
    /// How its owner signs in at the brand, in Connect.
    login: Login,
    /// The vehicles of applications that are this car.
    vehicle_ids: Vec<Id>,
    created_at: Moment,
}

/// What a car of the simulator does now. What does not apply to it is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatedActivity {
    /// `home`, `day`, `driving`, `charging` or `parked`
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'static str>,
    /// `not started`, `running` or `paused`
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// What it does, as its list of stages names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "charging")]
    stage: Option<&'static str>,
    /// Its own time since its beginning.
    elapsed_seconds: u64,
    /// How many times faster than the clock its time runs.
    speed: u16,
    /// Its vehicle number.
    #[serde(skip_serializing_if = "Option::is_none")]
    vin: Option<String>,
    /// The error with which its reads fail, as `TYPE:CODE` or a type alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "VEHICLE_STATE:ASLEEP")]
    fails_with: Option<String>,
    /// The system that has a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    /// Why its owner's account does not let it be read: `access revoked` or `password changed`
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'static str>,
    /// The name of the recorded trip that it drives.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<String>,
    /// How long the recorded trip is.
    #[serde(skip_serializing_if = "Option::is_none")]
    length_seconds: Option<u64>,
}

impl From<CarActivity> for SimulatedActivity {
    fn from(activity: CarActivity) -> Self {
        let CarActivity {
            profile,
            state,
            stage,
            elapsed,
            speed,
            vin,
            failure,
            fault,
            account,
            recording,
            length,
        } = activity;
        Self {
            profile,
            state,
            stage,
            elapsed_seconds: elapsed.as_secs(),
            speed,
            vin,
            fails_with: failure.map(|code| code.to_string()),
            fault,
            account,
            recording,
            length_seconds: length.map(|length| length.as_secs()),
        }
    }
}

/// How the owner of a car of the simulator signs in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Login {
    username: String,
    password: String,
}

/// A car to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewSimulatedVehicle {
    make: String,
    model: String,
    /// The newest one by default.
    year: Option<u16>,
    /// `US`, `CA` or `EUROPE`; `US` by default.
    region: Option<String>,
    /// `home`, `day`, `driving`, `charging` or `parked`; by default `home`, a day that begins at home, plugged in.
    profile: Option<String>,
    /// The same number makes the same car, with the same vehicle number and the same fate; drawn by default.
    seed: Option<u32>,
    /// False makes a car that answers nobody until it is started; true by default.
    started: Option<bool>,
}

/// How many times faster than time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Speed {
    factor: f64,
}

/// How far ahead, or where to: one of both.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jump {
    /// Ahead in its time, at most 366 days.
    seconds: Option<f64>,
    /// To the beginning of the stage with this place in the list of its stages, ahead or back.
    stage: Option<usize>,
}

/// A stretch of a car's time in which it does one thing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stage {
    /// Counted from 0.
    stage: usize,
    /// `driving`, `charging`, `charged`, `interrupted`, `stopped`, `boarding`, `alighting` or `parked`.
    #[schema(example = "charging")]
    activity: &'static str,
    /// The car's time at its beginning, in seconds since its profile began.
    begins_at_seconds: f64,
    /// Whether the car is in it.
    now: bool,
}

/// What a car does.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SimulatedProfile)]
pub(crate) struct Profile {
    /// `driving`, `charging`, `parked` or `day`
    profile: String,
}

/// What reads of a car answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fail {
    /// Null lets them succeed again.
    error: Option<WantedError>,
}

/// An error of the catalogue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedError {
    /// `VEHICLE_STATE`
    #[serde(rename = "type")]
    kind: String,
    /// `ASLEEP`; left out for types without codes.
    code: Option<String>,
}

/// What is wrong with a car.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The system's name in the catalogue of signals, group `Diagnostics`.
    #[schema(example = "Airbag")]
    system: String,
}

/// How long reads take.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    /// `ideal` or `realistic`
    latency: String,
}

/// Whom to connect a car with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SimulatedConnect)]
pub(crate) struct Connect {
    application_id: Id,
    /// The owner; a new one by default.
    user_id: Option<Id>,
    /// What the owner grants; everything by default.
    #[schema(example = json!(["read_odometer", "read_battery"]))]
    permissions: Option<Vec<String>>,
}

/// A car that is connected now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connected {
    vehicle_id: Id,
    user_id: Id,
    connection_id: Id,
}

/// A recorded trip.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Recording {
    name: String,
    /// The file: a track (GPX), or rows of separated text; or else upload.
    csv: Option<String>,
    /// The id of an upload whose parts are the file; or else csv.
    upload: Option<Id>,
    /// Which column is which signal (TOML), where the header does not say it.
    columns: Option<String>,
    /// How many times faster than time; 1 by default.
    speed: Option<u16>,
    /// No time between two rows is longer than this; as it was recorded by default.
    longest_pause_seconds: Option<f64>,
}

/// An upload that has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Upload {
    id: Id,
    /// The most bytes that a part may have.
    largest_part: usize,
    /// The most parts that an upload may have.
    most_parts: u32,
}

/// A recorded trip that was taken in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recorded {
    vehicle: SimulatedVehicle,
    /// What was taken and what was left out.
    report: ImportReportView,
}

/// What the simulator can make.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Model {
    make: String,
    model: String,
    first_year: u16,
    last_year: u16,
    powertrain: &'static str,
    regions: String,
}

impl From<CarState> for SimulatedVehicle {
    fn from(state: CarState) -> Self {
        Self {
            id: Id::of(state.car.id.hyphenated()),
            make: state.car.info.make,
            model: state.car.info.model,
            year: state.car.info.year,
            powertrain: state.car.info.powertrain.as_str(),
            state: state.state.into(),
            login: Login { username: state.login.username, password: state.login.password },
            vehicle_ids: state.vehicles.into_iter().map(Id::of).collect(),
            created_at: Moment(state.car.created_at),
        }
    }
}

/// `GET /api/v1/simulator/models`
async fn models(State(app): State<Arc<App>>) -> Answer<Page<Model>> {
    let model =
        |(make, model, first_year, last_year, powertrain, regions): (
            _,
            _,
            _,
            _,
            domain::signal::Powertrain,
            _,
        )| { Model { make, model, first_year, last_year, powertrain: powertrain.as_str(), regions } };
    Ok(Out(Page::whole(app.car_models().into_iter().map(model).collect())))
}

/// `GET /api/v1/simulator/vehicles`
async fn list(State(app): State<Arc<App>>, Query(page): Query<PageQuery>) -> Answer<Page<SimulatedVehicle>> {
    let (after, limit) = page.of(List::Cars)?;
    let mut cars = app.cars(after.map(Uuid::from_u128), limit + 1).await?;
    let next = paging::cut(&mut cars, limit, |state| Cursor::after_id(List::Cars, state.car.id));
    Ok(Out(Page::new(cars.into_iter().map(Into::into).collect(), next)))
}

/// `POST /api/v1/simulator/vehicles`
async fn create(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Json(new): Json<NewSimulatedVehicle>,
) -> Result<Changed<SimulatedVehicle>, ApiError> {
    let request = CarRequest {
        make: new.make.to_uppercase(),
        model: new.model,
        year: new.year,
        region: new.region.unwrap_or_else(|| USUAL_REGION.into()),
        profile: new.profile.unwrap_or_else(|| USUAL_PROFILE.into()),
        seed: new.seed,
        started: new.started.unwrap_or(true),
    };
    let kept = |made: &CarState| Changed::created(SimulatedVehicle::from(made.clone())).to_kept();
    Ok(Changed::created(app.make_car(&request, keyed.answering(&kept).as_ref()).await?.into()))
}

/// `POST /api/v1/simulator/recordings`
async fn record(
    State(app): State<Arc<App>>,
    Json(recording): Json<Recording>,
) -> Result<Changed<Recorded>, ApiError> {
    let Recording { name, csv, upload, columns, speed, longest_pause_seconds } = recording;
    let longest_pause = longest_pause_seconds.map(|seconds| {
        let pause = Duration::try_from_secs_f64(seconds).ok().filter(|pause| !pause.is_zero());
        pause.ok_or_else(|| ApiError::invalid("longestPauseSeconds", "a pause is longer than 0 seconds"))
    });
    let recording = NewRecording {
        name,
        columns,
        speed: speed.unwrap_or(1),
        longest_pause: longest_pause.transpose()?,
        started_at: None,
    };
    let (car, report) = match (csv, upload) {
        (Some(csv), None) => app.record_trip(recording, csv.into_bytes()).await?,
        (None, Some(upload)) => {
            let VehicleId(upload) = upload.parse("upload")?;
            app.record_upload(upload, recording).await?
        }
        _ => {
            return Err(ApiError::invalid("csv", "write the file as csv, or the id of its upload as upload"));
        }
    };
    Ok(Changed::created(Recorded { vehicle: car.into(), report: report.into() }))
}

/// `POST /api/v1/simulator/uploads`
async fn begin_upload(State(app): State<Arc<App>>) -> Result<Changed<Upload>, ApiError> {
    let id = app.begin_upload().await?;
    let answer = Upload {
        id: Id::of(id.hyphenated()),
        largest_part: app::recordings::LARGEST_UPLOAD_PART,
        most_parts: app::recordings::MOST_UPLOAD_PARTS,
    };
    Ok(Changed::created(answer))
}

/// `PUT /api/v1/simulator/uploads/{id}/parts/{part}`
async fn put_upload_part(
    State(app): State<Arc<App>>,
    Ids((Uploaded(upload), Part(part))): Ids<(Uploaded, Part)>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    app.put_upload_part(upload, part, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/v1/simulator/vehicles/{id}`
async fn delete(State(app): State<Arc<App>>, Ids(car): Ids<Car>) -> Result<StatusCode, ApiError> {
    app.delete_car(car.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/simulator/vehicles/{id}`
async fn get(State(app): State<Arc<App>>, Ids(car): Ids<Car>) -> Answer<SimulatedVehicle> {
    Ok(Out(app.car(car.0).await?.into()))
}

/// `POST /api/v1/simulator/vehicles/{id}/start`
async fn start(State(app): State<Arc<App>>, keyed: Keyed, Ids(car): Ids<Car>) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Start).await
}

/// `POST /api/v1/simulator/vehicles/{id}/pause`
async fn pause(State(app): State<Arc<App>>, keyed: Keyed, Ids(car): Ids<Car>) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Pause).await
}

/// `POST /api/v1/simulator/vehicles/{id}/restart`
async fn restart(State(app): State<Arc<App>>, keyed: Keyed, Ids(car): Ids<Car>) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Restart).await
}

/// `POST /api/v1/simulator/vehicles/{id}/speed`
async fn speed(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
    Json(speed): Json<Speed>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Speed(speed.factor)).await
}

/// `POST /api/v1/simulator/vehicles/{id}/jump`
async fn jump(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
    Json(jump): Json<Jump>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, jump.command()?).await
}

/// `GET /api/v1/simulator/vehicles/{id}/stages`
async fn stages(State(app): State<Arc<App>>, Ids(car): Ids<Car>) -> Answer<Page<Stage>> {
    let stage = |(place, stage): (usize, CarStage)| Stage {
        stage: place,
        activity: stage.activity,
        begins_at_seconds: stage.begins.as_secs_f64(),
        now: stage.is_now,
    };
    Ok(Out(Page::whole(app.car_stages(car.0).await?.into_iter().enumerate().map(stage).collect())))
}

/// `POST /api/v1/simulator/vehicles/{id}/profile`
async fn profile(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
    Json(profile): Json<Profile>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Profile(profile.profile)).await
}

/// `POST /api/v1/simulator/vehicles/{id}/fail`
async fn fail(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
    Json(fail): Json<Fail>,
) -> Change<SimulatedVehicle> {
    let error = fail.error.map(|error| error.find()).transpose()?;
    control(&app, &keyed, car, CarCommand::Fail(error)).await
}

/// `POST /api/v1/simulator/vehicles/{id}/latency`
async fn latency(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
    Json(latency): Json<Latency>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Latency(latency.latency)).await
}

/// `POST /api/v1/simulator/vehicles/{id}/plug-in`
async fn plug_in(State(app): State<Arc<App>>, keyed: Keyed, Ids(car): Ids<Car>) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::PlugIn).await
}

/// `POST /api/v1/simulator/vehicles/{id}/unplug`
async fn unplug(State(app): State<Arc<App>>, keyed: Keyed, Ids(car): Ids<Car>) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Unplug).await
}

/// `POST /api/v1/simulator/vehicles/{id}/interrupt`
async fn interrupt(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Interrupt).await
}

/// `POST /api/v1/simulator/vehicles/{id}/open-door`
async fn open_door(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::OpenDoor).await
}

/// `POST /api/v1/simulator/vehicles/{id}/close-door`
async fn close_door(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::CloseDoor).await
}

/// `POST /api/v1/simulator/vehicles/{id}/fault`
async fn fault(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
    Json(fault): Json<Fault>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Fault(fault.system)).await
}

/// `POST /api/v1/simulator/vehicles/{id}/clear-fault`
async fn clear_fault(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::ClearFault).await
}

/// `POST /api/v1/simulator/vehicles/{id}/revoke`
async fn revoke(State(app): State<Arc<App>>, keyed: Keyed, Ids(car): Ids<Car>) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Revoke).await
}

/// `POST /api/v1/simulator/vehicles/{id}/change-password`
async fn change_password(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::ChangePassword).await
}

/// `POST /api/v1/simulator/vehicles/{id}/restore`
async fn restore(State(app): State<Arc<App>>, keyed: Keyed, Ids(car): Ids<Car>) -> Change<SimulatedVehicle> {
    control(&app, &keyed, car, CarCommand::Restore).await
}

/// `POST /api/v1/simulator/vehicles/{id}/connect`
async fn connect(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(car): Ids<Car>,
    Json(connect): Json<Connect>,
) -> Result<Changed<Connected>, ApiError> {
    let application = connect.application_id.parse("applicationId")?;
    let user = connect.user_id.as_ref().map(|id| id.parse("userId")).transpose()?;
    let permissions = granted(connect.permissions.as_deref())?;
    let answer = |vehicle, user, connection| {
        Changed::created(Connected {
            vehicle_id: Id::of(vehicle),
            user_id: Id::of(user),
            connection_id: Id::of(connection),
        })
    };
    let kept = |row: &store::VehicleRow| answer(row.info.id, row.user, row.connection).to_kept();
    let answering = keyed.answering(&kept);
    let linked = app.connect_car(car.0, application, user, permissions, answering.as_ref()).await?;
    Ok(answer(linked.vehicle, linked.user, linked.connection))
}

async fn control(app: &Arc<App>, keyed: &Keyed, car: Car, command: CarCommand) -> Change<SimulatedVehicle> {
    let kept = |state: &CarState| Changed::ok(SimulatedVehicle::from(state.clone())).to_kept();
    Ok(Changed::ok(app.control_car(car.0, &command, keyed.answering(&kept).as_ref()).await?.into()))
}

impl Jump {
    fn command(&self) -> Result<CarCommand, ApiError> {
        match (self.seconds, self.stage) {
            (Some(seconds), None) => Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|&by| by <= FURTHEST_JUMP)
                .map(CarCommand::Jump)
                .ok_or_else(|| ApiError::invalid("seconds", "a car jumps ahead by 0 seconds to 366 days")),
            (None, Some(place)) => Ok(CarCommand::JumpToStage(place)),
            (None, None) => {
                Err(ApiError::invalid("seconds", "write how many seconds ahead, or to which stage"))
            }
            (Some(_), Some(_)) => Err(ApiError::invalid("stage", "write seconds or stage, not both")),
        }
    }
}

impl WantedError {
    fn find(&self) -> Result<ErrorCode, ApiError> {
        ErrorCode::find(&self.kind, self.code.as_deref()).ok_or_else(|| {
            ApiError::invalid(
                "error",
                "no error has this type and code; /docs/errors lists those that there are",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ADMIN_TOKEN, Server};
    use axum::{body::Body, extract::Request};
    use serde_json::{Value, json};

    #[test]
    fn a_car_fails_with_errors_of_the_catalogue_only() {
        let find = |json: &str| serde_json::from_str::<WantedError>(json).unwrap().find().ok();
        let asleep = find(r#"{"type":"VEHICLE_STATE","code":"ASLEEP"}"#);
        assert_eq!(asleep, Some(ErrorCode::VEHICLE_STATE_ASLEEP));
        assert_eq!(find(r#"{"type":"PERMISSION"}"#), Some(ErrorCode::PERMISSION));
        assert_eq!(find(r#"{"type":"VEHICLE_STATE"}"#), None);
    }

    #[test]
    fn a_car_jumps_ahead_and_not_without_end() {
        let ahead = |seconds| Jump { seconds: Some(seconds), ..Jump::default() }.command();
        assert_eq!(ahead(1.5).unwrap(), CarCommand::Jump(Duration::from_millis(1_500)));
        for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(ahead(seconds).is_err(), "{seconds}");
        }
    }

    #[tokio::test]
    async fn a_car_jumps_by_seconds_or_to_a_stage_of_its_list() {
        let server = Server::new().await;
        let new = json!({"make": "tesla", "model": "Model 3"});
        let made = server.admin(Method::POST, "/simulator/vehicles", new).await.expect(201);
        let path = format!("/simulator/vehicles/{}", made.text("id"));
        let stages =
            server.admin(Method::GET, &format!("{path}/stages"), Value::Null).await.expect(200).json();
        let driving = json!({"stage": 1, "activity": "driving", "beginsAtSeconds": 60.0, "now": true});
        assert_eq!((stages["items"].as_array().unwrap().len(), &stages["items"][1]), (3, &driving));
        let jump = async |body| server.admin(Method::POST, &format!("{path}/jump"), body).await;
        let told = jump(json!({"stage": 2})).await.expect(200);
        assert_eq!(told.json()["state"]["recording"], "JumpToStage(2)");
        for (body, field) in [(json!({}), "seconds"), (json!({"seconds": 1, "stage": 1}), "stage")] {
            assert_eq!(jump(body).await.expect(400).text("field"), field);
        }
        jump(json!({"stage": -1})).await.expect(400);
    }

    #[test]
    fn what_a_car_does_is_shown_in_words_and_numbers_whose_names_have_the_unit() {
        let activity = CarActivity {
            profile: Some("home"),
            elapsed: Duration::from_millis(381_900),
            speed: 60,
            failure: Some(ErrorCode::VEHICLE_STATE_ASLEEP),
            ..CarActivity::default()
        };
        let shown = serde_json::to_value(SimulatedActivity::from(activity)).unwrap();
        let expected =
            json!({"profile": "home", "elapsedSeconds": 381, "speed": 60, "failsWith": "VEHICLE_STATE:ASLEEP"});
        assert_eq!(shown, expected);
    }

    #[tokio::test]
    async fn a_car_is_made_and_told_what_to_do() {
        let server = Server::new().await;
        let new = json!({"make": "tesla", "model": "Model 3", "profile": "parked"});
        let made = server.admin(Method::POST, "/simulator/vehicles", new).await.expect(201);
        assert_eq!(
            (made.text("make"), made.json()["state"]["recording"].clone()),
            ("TESLA".into(), json!("parked"))
        );
        let path = format!("/simulator/vehicles/{}", made.text("id"));
        for (command, body, becomes) in [
            ("start", Value::Null, "Start"),
            ("pause", Value::Null, "Pause"),
            ("restart", Value::Null, "Restart"),
            ("speed", json!({"factor": 60}), "Speed(60.0)"),
            ("jump", json!({"seconds": 90}), "Jump(90s)"),
            ("profile", json!({"profile": "charging"}), "Profile(\"charging\")"),
            (
                "fail",
                json!({"error": {"type": "VEHICLE_STATE", "code": "ASLEEP"}}),
                "Fail(Some(VEHICLE_STATE:ASLEEP))",
            ),
            ("fail", json!({"error": null}), "Fail(None)"),
            ("latency", json!({"latency": "ideal"}), "Latency(\"ideal\")"),
            ("plug-in", Value::Null, "PlugIn"),
            ("unplug", Value::Null, "Unplug"),
            ("interrupt", Value::Null, "Interrupt"),
            ("open-door", Value::Null, "OpenDoor"),
            ("close-door", Value::Null, "CloseDoor"),
            ("fault", json!({"system": "Airbag"}), "Fault(\"Airbag\")"),
            ("clear-fault", Value::Null, "ClearFault"),
            ("revoke", Value::Null, "Revoke"),
            ("change-password", Value::Null, "ChangePassword"),
            ("restore", Value::Null, "Restore"),
        ] {
            let told = server.admin(Method::POST, &format!("{path}/{command}"), body).await.expect(200);
            assert_eq!(told.json()["state"]["recording"], becomes, "{command}");
        }
        let listed = server.admin(Method::GET, "/simulator/vehicles", Value::Null).await.json();
        assert_eq!(listed["items"][0]["id"], json!(made.text("id")));
        let refused =
            server.admin(Method::POST, "/simulator/vehicles", json!({"make": "X", "model": "Y"})).await;
        assert_eq!(refused.expect(400).text("detail"), "there is only TESLA");
    }

    #[tokio::test]
    async fn a_recording_comes_in_its_request_or_in_parts_before_it() {
        let server = Server::new().await;
        let small = json!({"name": "a", "csv": "12345"});
        let made = server.admin(Method::POST, "/simulator/recordings", small).await.expect(201).json();
        assert_eq!((&made["report"]["readings"], &made["vehicle"]["model"]), (&json!(5), &json!("a")));

        let upload = server.admin(Method::POST, "/simulator/uploads", Value::Null).await.expect(201).json();
        assert_eq!(upload["largestPart"], 262_144);
        let id = upload["id"].as_str().unwrap();
        let put = async |part: &str, bytes: Vec<u8>| {
            let path = format!("/api/v1/simulator/uploads/{id}/parts/{part}");
            let request = Request::put(path).header("authorization", format!("Bearer {ADMIN_TOKEN}"));
            server.send(request.body(Body::from(bytes)).unwrap()).await
        };
        let take = json!({"name": "b", "upload": id});
        let taken = async || server.admin(Method::POST, "/simulator/recordings", take.clone()).await;
        assert_eq!(taken().await.expect(409).json()["code"], "conflict");
        // Two MiB: more than any one request may bring.
        for part in 0..8 {
            put(&part.to_string(), vec![b'x'; 262_144]).await.expect(204);
        }
        put("9", b"x".to_vec()).await.expect(204);
        taken().await.expect(409);
        put("8", b"x".to_vec()).await.expect(204);
        for (part, bytes, status) in
            [("0", vec![], 400), ("0", vec![0; 262_145], 400), ("1024", vec![0], 400), ("x", vec![0], 404)]
        {
            put(part, bytes).await.expect(status);
        }
        let made = taken().await.expect(201).json();
        assert_eq!(made["report"]["readings"], 8 * 262_144 + 2);
        // It is complete now.
        taken().await.expect(404);
        put("0", b"x".to_vec()).await.expect(404);
    }

    #[tokio::test]
    async fn a_recording_of_which_nothing_can_be_taken_says_why() {
        let server = Server::new().await;
        let post = async |body| server.admin(Method::POST, "/simulator/recordings", body).await;
        let refused = post(json!({"name": "a", "csv": " "})).await.expect(422).json();
        assert_eq!(
            (&refused["code"], &refused["detail"]),
            (&json!("nothing_taken"), &json!("nothing can be taken"))
        );
        let skipped = json!([{"reason": "no_value", "of": "rows", "count": 1, "lines": [1], "column": null, "cell": null}]);
        assert_eq!(refused["report"]["skipped"], skipped);
        let columns = json!({"name": "a", "csv": "1", "columns": "x"});
        assert_eq!(post(columns).await.expect(400).text("field"), "columns");
        for body in [json!({"name": "a"}), json!({"name": "a", "csv": "1", "upload": "x"})] {
            post(body).await.expect(400);
        }
        let pause = json!({"name": "a", "csv": "1", "longestPauseSeconds": 0});
        assert_eq!(post(pause).await.expect(400).text("field"), "longestPauseSeconds");
        let listed = server.admin(Method::GET, "/simulator/vehicles", Value::Null).await.json();
        assert_eq!(listed["items"], json!([]), "what is refused makes no car");
    }

    #[tokio::test]
    async fn a_recording_goes_with_its_last_vehicle_and_with_its_car() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let record = async || {
            let body = json!({"name": "a", "csv": "1"});
            server.admin(Method::POST, "/simulator/recordings", body).await.expect(201).json()["vehicle"]
                .clone()
        };
        let connect = async |car: &Value| {
            let path = format!("/simulator/vehicles/{}/connect", car["id"].as_str().unwrap());
            let body = json!({"applicationId": tenant.application});
            server.admin(Method::POST, &path, body).await.expect(201).json()
        };
        let (car, other) = (record().await, record().await);
        let path = format!("/simulator/vehicles/{}", car["id"].as_str().unwrap());
        let vehicle = connect(&car).await;
        server.admin(Method::DELETE, &path, Value::Null).await.expect(409);
        let erase = format!("/vehicles/{}/erase", vehicle["vehicleId"].as_str().unwrap());
        server.admin(Method::POST, &erase, Value::Null).await.expect(204);
        server.admin(Method::GET, &path, Value::Null).await.expect(404);
        let path = format!("/simulator/vehicles/{}", other["id"].as_str().unwrap());
        server.admin(Method::DELETE, &path, Value::Null).await.expect(204);
        server.admin(Method::DELETE, &path, Value::Null).await.expect(404);
    }

    #[tokio::test]
    async fn a_car_that_is_connected_again_is_the_same_vehicle() {
        let server = Server::new().await;
        let (tenant, other) = (server.tenant("A").await, server.tenant("B").await);
        let new = json!({"make": "tesla", "model": "Model 3"});
        let car = server.admin(Method::POST, "/simulator/vehicles", new).await.expect(201).text("id");
        let connect = async |application: &str, more: Value| {
            let mut body = json!({"applicationId": application});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            server
                .admin(Method::POST, &format!("/simulator/vehicles/{car}/connect"), body)
                .await
                .expect(201)
                .json()
        };
        let first = connect(&tenant.application, json!({})).await;
        let again = connect(&tenant.application, json!({"permissions": ["read_odometer"]})).await;
        assert_eq!(first, again);
        let path = format!("/vehicles/{}", first["vehicleId"].as_str().unwrap());
        let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        assert_eq!(shown["permissions"], json!(["read_odometer"]));
        // Disconnected and connected: the same vehicle of the same owner with a new connection.
        server.admin(Method::POST, &format!("{path}/disconnect"), Value::Null).await.expect(204);
        let back = connect(&tenant.application, json!({})).await;
        assert_eq!((&back["vehicleId"], &back["userId"]), (&first["vehicleId"], &first["userId"]));
        assert_ne!(back["connectionId"], first["connectionId"]);
        // Another application, and another owner, have vehicles of their own.
        assert_ne!(connect(&other.application, json!({})).await["vehicleId"], first["vehicleId"]);
        let owner = connect(&other.application, json!({})).await["userId"].clone();
        let named = connect(&tenant.application, json!({"userId": owner})).await;
        assert_ne!(named["vehicleId"], first["vehicleId"]);
        let path = format!("/simulator/vehicles/{car}");
        let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        assert_eq!(shown["vehicleIds"].as_array().unwrap().len(), 3);
    }
}
