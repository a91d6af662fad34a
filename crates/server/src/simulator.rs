//! The simulator's controls, over the simulated fleet and the recorded trips.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use app::{
    App,
    ports::{
        CarActivity, CarCommand, CarRefused, CarRequest, CarStage, MadeCar, NewRecording, ReadRecording, RecordingRefused,
        Simulator,
    },
};
use domain::{
    compatibility::Model as CatalogueModel,
    errors::ErrorCode,
    signal::{Powertrain, SignalId},
    time::Timestamp,
};
use sources::{
    RECORDED, SIMULATED,
    recorded::{ColumnMap, Parts, Recording, RecordingError, TripSpec},
    simulated::{
        Account, CarSpec, Latency, NoSuchCar, Profile, Region, Run, SpecRefused, Trouble, find, find_newest,
        model_of_vin, models,
    },
};
use uuid::Uuid;

/// The controls of simulated cars and of cars that drive recordings.
pub(crate) struct Controls;

/// Reads a recorded trip: a track, or rows whose columns are known by their header, or told by a map.
pub(crate) fn read(file: impl Read, columns: Option<&str>) -> Result<Recording, RecordingError> {
    let map = columns.map(ColumnMap::from_toml).transpose()?;
    Recording::read(file, map.as_ref())
}

/// Takes over the recordings that an earlier version kept as files in a folder, with the cars that drive them, and
/// deletes the files. A recording that cannot be read is named and stays; only its own cars fail.
pub(crate) async fn take_over(app: &Arc<App>, folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let mut left = BTreeSet::new();
    for (name, cars) in cars_of_files(app).await? {
        if let Err(error) = take_over_one(app, folder, &name, &cars).await {
            tracing::error!(
                recording.name = name,
                error = format!("{error:#}"),
                "A recording could not be taken over."
            );
            app.health().recording_failed(&name, &format!("{error:#}"));
            left.insert(name);
        }
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let is_ours = path.extension().is_some_and(|extension| extension == "csv" || extension == "toml");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if is_ours && !left.contains(&name) {
            std::fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
        }
    }
    // Only when nothing is left in it.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// The cars whose recordings are files, by the name of the file.
async fn cars_of_files(app: &Arc<App>) -> Result<BTreeMap<String, Vec<(Uuid, TripSpec)>>> {
    /// Cars that are looked up at once.
    const PAGE: usize = 100;
    let (mut cars, mut after) = (BTreeMap::<_, Vec<_>>::new(), None);
    loop {
        let page = app.cars(after, PAGE).await?;
        for state in &page {
            let is_recorded = state.car.source.kind == RECORDED;
            let spec = TripSpec::decode(&state.car.source.spec).ok().filter(|_| is_recorded);
            if let Some(spec) = spec.filter(|spec| spec.recording.is_none()) {
                cars.entry(spec.name.clone()).or_default().push((state.car.id, spec));
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.car.id),
            _ => return Ok(cars),
        }
    }
}

async fn take_over_one(app: &Arc<App>, folder: &Path, name: &str, cars: &[(Uuid, TripSpec)]) -> Result<()> {
    if !is_plain(name) {
        bail!("{name:?} is not the name of a file");
    }
    let path = folder.join(format!("{name}.csv"));
    let file = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let columns = std::fs::read_to_string(path.with_extension("toml")).ok();
    // A map may be left over from another recording of the same name.
    let columns = columns.filter(|columns| read(&*file, Some(columns)).is_ok());
    for (car, spec) in cars {
        let recording = NewRecording {
            name: name.to_owned(),
            columns: columns.clone(),
            speed: spec.speed,
            longest_pause: None,
            started_at: Some(spec.started_at),
        };
        app.record_trip_for(*car, recording, file.clone()).await?;
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

/// The models of the simulated fleet, with what each can tell.
pub(crate) fn models_of_fleet() -> Vec<CatalogueModel> {
    let known = |no: sources::simulated::ModelNo| {
        let model = no.model();
        CatalogueModel {
            make: model.make.into(),
            model: model.name.into(),
            years: model.years,
            powertrain: model.powertrain,
            regions: model.regions.into(),
            signals: SignalId::all().filter(|&signal| model.has(signal)).collect(),
        }
    };
    models().map(known).collect()
}

impl Simulator for Controls {
    fn make(&self, request: &CarRequest, seed: u64, now: Timestamp) -> Result<MadeCar, CarRefused> {
        let region = region(&request.region)?;
        let at_home = request.profile.eq_ignore_ascii_case(AT_HOME);
        let profile = if at_home { Profile::Day } else { profile(&request.profile)? };
        let (make, model) = (&request.make, &request.model);
        let found = match request.year {
            Some(year) => find(make, model, year, region).map(|model| (model, year)),
            None => find_newest(make, model, region),
        };
        let (model, year) = found.map_err(|error| no_such_car(&error))?;
        let spec = CarSpec::new(request.seed.unwrap_or(seed as u32), model, year, region, profile)
            .map_err(|refused| spec_refused("profile", &refused))?;
        let spec = if at_home { spec.at_home() } else { spec };
        let model = model.model();
        Ok(MadeCar {
            make: model.make.to_owned(),
            model: model.name.to_owned(),
            year,
            powertrain: model.powertrain,
            region,
            kind: SIMULATED,
            spec: if request.started { spec.start(now) } else { spec }.encode(),
        })
    }

    fn control(&self, spec: &[u8], command: &CarCommand, now: Timestamp) -> Result<Vec<u8>, CarRefused> {
        let spec = CarSpec::decode(spec)
            .map_err(|_| CarRefused::new(COMMAND, "a recorded trip cannot be controlled"))?;
        let spec = match command {
            CarCommand::Start => spec.start(now).resume(now),
            CarCommand::Pause => spec.pause(now),
            CarCommand::Restart => spec.restart(now),
            CarCommand::Speed(speed) if (1.0..=f64::from(CarSpec::MAX_SPEED)).contains(speed) => {
                spec.at_speed(*speed as u16, now)
            }
            CarCommand::Speed(_) => {
                let message = format!("factor is a number from 1 to {}", CarSpec::MAX_SPEED);
                return Err(CarRefused::new("factor", message));
            }
            CarCommand::Jump(by) => {
                let to = spec.elapsed(now) + *by;
                spec.jump(to, now)
            }
            CarCommand::JumpToStage(place) => {
                let stages = spec.stages(now);
                let Some(stage) = stages.get(*place) else {
                    let message = format!("stage is a place from 0 to {}", stages.len() - 1);
                    return Err(CarRefused::new("stage", message));
                };
                spec.jump(stage.begins, now)
            }
            CarCommand::Profile(word) => {
                spec.change(profile(word)?, now).map_err(|refused| spec_refused("profile", &refused))?
            }
            CarCommand::Fail(code) => spec.with_trouble(code.map(trouble)),
            CarCommand::Latency(word) => spec.with_latency(match word.as_str() {
                "ideal" => Latency::Ideal,
                "realistic" => Latency::Realistic,
                _ => {
                    let message = format!("latency is ideal or realistic, not {word:?}");
                    return Err(CarRefused::new("latency", message));
                }
            }),
            CarCommand::PlugIn => spec.plug_in(now).map_err(|refused| spec_refused(COMMAND, &refused))?,
            CarCommand::Unplug => spec.unplug(now).map_err(|refused| spec_refused(COMMAND, &refused))?,
            CarCommand::Interrupt => {
                spec.interrupt(now).map_err(|refused| spec_refused(COMMAND, &refused))?
            }
            CarCommand::OpenDoor => spec.with_open_door(true, now),
            CarCommand::CloseDoor => spec.with_open_door(false, now),
            CarCommand::Fault(system) => {
                spec.with_fault(system, now).map_err(|refused| spec_refused("system", &refused))?
            }
            CarCommand::ClearFault => spec.clear_fault(now),
            CarCommand::Revoke => spec.with_account(Account::Revoked),
            CarCommand::ChangePassword => spec.with_account(Account::PasswordChanged),
            CarCommand::Restore => spec.with_account(Account::Open),
        };
        Ok(spec.encode())
    }

    fn stages(&self, spec: &[u8], now: Timestamp) -> Result<Vec<CarStage>, String> {
        let spec = CarSpec::decode(spec).map_err(|_| "a recorded trip has no stages".to_owned())?;
        Ok(spec.stages(now))
    }

    fn describe(&self, spec: &[u8], now: Timestamp) -> CarActivity {
        if let Ok(spec) = CarSpec::decode(spec) {
            let profile = if spec.began_at_home() { AT_HOME } else { spec.profile().as_str() };
            return CarActivity {
                profile: Some(profile),
                state: Some(match spec.run() {
                    Run::NotStarted => "not started",
                    Run::Running => "running",
                    Run::Paused => "paused",
                }),
                stage: Some(spec.doing(now)),
                elapsed: spec.elapsed(now),
                speed: spec.speed(),
                vin: Some(spec.vin()),
                failure: spec.trouble().map(|trouble| trouble.code()),
                fault: spec.fault(),
                account: account(spec.account()),
                ..CarActivity::default()
            };
        }
        let Ok(trip) = TripSpec::decode(spec) else { return CarActivity::default() };
        CarActivity {
            elapsed: now.since(trip.started_at),
            speed: trip.speed,
            recording: Some(trip.name.clone()),
            length: Some(trip.duration()),
            ..CarActivity::default()
        }
    }

    fn record(
        &self,
        recording: &NewRecording,
        id: Uuid,
        file: &mut dyn Read,
        now: Timestamp,
    ) -> Result<ReadRecording, RecordingRefused> {
        if !is_plain(&recording.name) {
            let message = "the name of a recording has 1 to 64 letters, digits, - and _".into();
            return Err(RecordingRefused { field: "name", message, report: None });
        }
        let mut read = read(file, recording.columns.as_deref()).map_err(recording_refused)?;
        if let Some(longest) = recording.longest_pause {
            read = read.with_pauses_of_at_most(longest);
        }
        let report = read.report().clone();
        let spec = TripSpec {
            name: recording.name.clone(),
            started_at: recording.started_at.unwrap_or(now),
            speed: recording.speed.max(1),
            vin: None,
            recording: Some(id),
            length: read.length(),
        };
        let car = MadeCar {
            make: "RECORDED".into(),
            model: recording.name.clone(),
            year: u16::try_from(jiff::tz::Offset::UTC.to_datetime(now.to_jiff()).year()).unwrap_or(2000),
            powertrain: Powertrain::Bev,
            region: Region::Europe,
            kind: RECORDED,
            spec: spec.encode(),
        };
        Ok(ReadRecording { car, trip: Arc::new(Parts::new(read)), report })
    }

    fn models(&self) -> Vec<(String, String, u16, u16, Powertrain, String)> {
        models()
            .map(|no| {
                let model = no.model();
                let regions: Vec<&str> = model.regions.iter().map(|region| region.as_str()).collect();
                let (first, last) = model.years;
                (model.make.into(), model.name.into(), first, last, model.powertrain, regions.join(", "))
            })
            .collect()
    }

    fn catalogue(&self) -> Vec<CatalogueModel> {
        models_of_fleet()
    }

    fn model_of_vin(&self, vin: &str) -> Option<(usize, u16)> {
        let (model, year) = model_of_vin(vin)?;
        Some((model.number().into(), year))
    }
}

fn recording_refused(error: RecordingError) -> RecordingRefused {
    let message = error.to_string();
    match error {
        RecordingError::Empty(report) => RecordingRefused { field: "csv", message, report: Some(report) },
        RecordingError::Map(_)
        | RecordingError::NoSuchColumn { .. }
        | RecordingError::UnknownHeader { .. } => {
            RecordingRefused { field: "columns", message, report: None }
        }
        _ => RecordingRefused { field: "csv", message, report: None },
    }
}

/// What a new car does where nobody says: its first day begins at home, plugged in.
const AT_HOME: &str = "home";

/// The member that is wrong where the command itself is.
const COMMAND: &str = "command";

fn no_such_car(error: &NoSuchCar) -> CarRefused {
    let field = match error {
        NoSuchCar::Make { .. } => "make",
        NoSuchCar::Model { .. } => "model",
        NoSuchCar::Year { .. } => "year",
        NoSuchCar::Region { .. } => "region",
    };
    CarRefused::new(field, error)
}

fn spec_refused(field: &'static str, refused: &SpecRefused) -> CarRefused {
    match refused {
        SpecRefused::NoSuchCar(error) => no_such_car(error),
        refused => CarRefused::new(field, refused),
    }
}

fn region(word: &str) -> Result<Region, CarRefused> {
    Region::from_word(word)
        .ok_or_else(|| CarRefused::new("region", format!("region is US, CA or EUROPE, not {word:?}")))
}

fn profile(word: &str) -> Result<Profile, CarRefused> {
    Profile::from_word(word).ok_or_else(|| {
        CarRefused::new(
            "profile",
            format!("profile is driving, charging, parked or day, and home for a new vehicle, not {word:?}"),
        )
    })
}

/// What is worth saying about an owner's account.
const fn account(account: Account) -> Option<&'static str> {
    match account {
        Account::Open => None,
        Account::Revoked => Some("access revoked"),
        Account::PasswordChanged => Some("password changed"),
    }
}

/// How long a throttled car wants to be left alone.
const THROTTLE: Duration = Duration::from_secs(300);

fn trouble(code: ErrorCode) -> Trouble {
    match code {
        ErrorCode::RATE_LIMIT_VEHICLE => Trouble::Throttled { retry_after: THROTTLE },
        code => Trouble::Fail(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commands::bench::config, machine::MachineClock, wiring};
    use domain::payload::v2::rest::Read;
    use domain::{
        connect::{PermissionSet, defaults::Defaults},
        ids::{ApplicationId, VehicleId},
        signal::{Endpoint, STATE_OF_CHARGE, Value},
        units::UnitSystem,
        vehicle::{Mode, VehicleInfo},
    };
    use store::{Car, SourceRef, Vehicles};

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    fn controls() -> Controls {
        Controls
    }

    fn request(make: &str, model: &str) -> CarRequest {
        CarRequest {
            make: make.into(),
            model: model.into(),
            year: None,
            region: "US".into(),
            profile: "driving".into(),
            seed: Some(1),
            started: true,
        }
    }

    fn ford(profile: &str) -> Vec<u8> {
        let request = CarRequest { profile: profile.into(), ..request("FORD", "Mustang Mach-E") };
        controls().make(&request, 1, NOW).unwrap().spec
    }

    #[test]
    fn what_is_wrong_with_a_wished_car_is_named() {
        let refused = |request: CarRequest| {
            let CarRefused { field, message } = controls().make(&request, 1, NOW).unwrap_err();
            (field, message)
        };
        let (field, message) = refused(request("BYD", "Seal"));
        assert_eq!((field, message.contains("not sold in US, but in EUROPE")), ("region", true), "{message}");
        assert_eq!(refused(request("TRABANT", "601")).0, "make");
        assert_eq!(refused(request("FORD", "T")).0, "model");
        assert_eq!(refused(CarRequest { year: Some(1912), ..request("FORD", "Escape PHEV") }).0, "year");
        assert_eq!(
            refused(CarRequest { region: "MOON".into(), ..request("FORD", "Escape PHEV") }).0,
            "region"
        );
        assert_eq!(
            refused(CarRequest { profile: "x".into(), ..request("FORD", "Escape PHEV") }).0,
            "profile"
        );
        assert_eq!(
            refused(CarRequest { profile: "charging".into(), ..request("FORD", "Transit") }).0,
            "profile"
        );
    }

    #[test]
    fn a_brand_may_be_written_with_underscores() {
        let europe = CarRequest { region: "EUROPE".into(), ..request("ALFA_ROMEO", "Tonale") };
        assert_eq!(controls().make(&europe, 1, NOW).unwrap().make, "ALFA ROMEO");
    }

    #[test]
    fn what_is_wrong_with_a_command_is_named() {
        let refused =
            |command: CarCommand| controls().control(&ford("parked"), &command, NOW).unwrap_err().field;
        assert_eq!(refused(CarCommand::Speed(0.0)), "factor");
        assert_eq!(refused(CarCommand::Profile("x".into())), "profile");
        assert_eq!(refused(CarCommand::Latency("x".into())), "latency");
        assert_eq!(refused(CarCommand::Fault("x".into())), "system");
        assert_eq!(refused(CarCommand::JumpToStage(1)), "stage");
        assert_eq!(refused(CarCommand::Unplug), "command");
    }

    #[test]
    fn a_car_jumps_to_each_stage_of_its_profile_and_says_so() {
        let controls = controls();
        for profile in ["driving", "charging", "parked", "day"] {
            let spec = ford(profile);
            let stages = controls.stages(&spec, NOW).unwrap();
            for (place, stage) in stages.iter().enumerate() {
                let there = controls.control(&spec, &CarCommand::JumpToStage(place), NOW).unwrap();
                let state = controls.describe(&there, NOW);
                assert_eq!(state.stage, Some(stage.activity), "{profile} {place}");
                let now: Vec<_> =
                    controls.stages(&there, NOW).unwrap().iter().map(|stage| stage.is_now).collect();
                assert!(now[place] && now.iter().filter(|&&now| now).count() == 1, "{profile} {place}");
            }
        }
        let length = Duration::from_secs(60);
        let trip =
            TripSpec { name: "x".into(), started_at: NOW, speed: 1, vin: None, recording: None, length };
        let trip = trip.encode();
        assert_eq!(controls.stages(&trip, NOW), Err("a recorded trip has no stages".into()));
    }

    #[test]
    fn what_a_car_does_is_told_in_the_words_it_was_asked_for() {
        let controls = controls();
        for profile in ["home", "day", "driving", "charging", "parked"] {
            let told = controls.describe(&ford(profile), NOW + Duration::from_secs(381));
            assert_eq!((told.profile, told.state, told.speed), (Some(profile), Some("running"), 1));
            assert_eq!((told.elapsed, told.failure), (Duration::from_secs(381), None));
        }
        for code in [ErrorCode::VEHICLE_STATE_ASLEEP, ErrorCode::RATE_LIMIT_VEHICLE] {
            let failing = controls.control(&ford("home"), &CarCommand::Fail(Some(code)), NOW).unwrap();
            let told = controls.describe(&failing, NOW);
            assert_eq!((told.profile, told.failure), (Some("home"), Some(code)));
        }
    }

    const MAP: &str = "[time]\ncolumn = \"time\"\n[signals]\ntractionbattery-stateofcharge = \"soc\"\n";

    fn trip(soc: u8) -> Vec<u8> {
        format!("time,soc\n2026-05-01T10:00:00Z,{soc}\n2026-05-01T11:00:00Z,{soc}\n").into_bytes()
    }

    fn new_recording() -> NewRecording {
        let columns = Some(MAP.to_owned());
        NewRecording { name: "trip".into(), columns, speed: 1, longest_pause: None, started_at: None }
    }

    async fn started(data: &Path) -> wiring::Running {
        // A configuration for a folder that does not exist yet, then on the one that does.
        let mut config = config(&data.join("unused")).unwrap();
        config.server.data = data.to_owned();
        wiring::start(&config, Arc::new(MachineClock::wall()), None).await.unwrap()
    }

    async fn application(app: &Arc<App>) -> ApplicationId {
        let made =
            app.create_application("Fleet", vec![], app::UNLIMITED, Defaults::default(), None).await.unwrap();
        made.entry.application.id
    }

    /// The state of charge that a vehicle answers now, or the error.
    async fn charge(app: &Arc<App>, vehicle: VehicleId) -> Result<Option<Value>, String> {
        let row = app.vehicle(vehicle, None).await.unwrap();
        let battery = Read::Core(Endpoint::from_path("/battery").unwrap());
        let look = app.look(&row, &[battery]).await.map_err(|error| error.to_string())?;
        look.answer(battery, UnitSystem::Metric).map_err(|fault| fault.code.to_string())?;
        Ok(app.document(vehicle).await.unwrap().value(STATE_OF_CHARGE).cloned())
    }

    /// A data folder from copies of a database, a keyring and a master key.
    fn restored(backup: &Path, from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        std::fs::copy(backup, to.join("milepost.db")).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("keyring") || name == "master.key" {
                std::fs::copy(&path, to.join(name)).unwrap();
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn recordings_of_one_name_are_two_are_in_backups_and_are_erased_from_them() {
        let folder = tempfile::tempdir().unwrap();
        let [data, back, later, backup] =
            ["data", "back", "later", "backup.db"].map(|name| folder.path().join(name));
        let server = started(&data).await;
        let mut vehicles = Vec::new();
        for soc in [80, 30] {
            let application = application(&server.app).await;
            let (car, _) = server.app.record_trip(new_recording(), trip(soc)).await.unwrap();
            let linked = server
                .app
                .connect_car(car.car.id, application, None, PermissionSet::ALL, None)
                .await
                .unwrap();
            vehicles.push(linked.vehicle);
            assert_eq!(charge(&server.app, linked.vehicle).await, Ok(Some(Value::Number(soc.into()))));
        }
        server.app.back_up(backup.clone()).await.unwrap();
        server.stop().await.unwrap();

        restored(&backup, &data, &back);
        let server = started(&back).await;
        assert_eq!(charge(&server.app, vehicles[0]).await, Ok(Some(Value::Number(80.0))));
        assert_eq!(charge(&server.app, vehicles[1]).await, Ok(Some(Value::Number(30.0))));
        server.app.erase_vehicle(vehicles[0]).await.unwrap();
        assert_eq!(server.app.cars(None, 9).await.unwrap().len(), 1, "the other recording stays");
        assert_eq!(charge(&server.app, vehicles[1]).await, Ok(Some(Value::Number(30.0))));
        server.stop().await.unwrap();

        // The backup from before, with the keys of after: what was erased cannot be read, and nothing else is wrong.
        restored(&backup, &back, &later);
        let server = started(&later).await;
        let refused = charge(&server.app, vehicles[0]).await.unwrap_err();
        assert!(refused.contains("UPSTREAM:INVALID_DATA"), "{refused}");
        assert_eq!(charge(&server.app, vehicles[1]).await, Ok(Some(Value::Number(30.0))));
        let findings = server.app.diagnose().await.unwrap();
        let finding = findings.iter().find(|finding| finding.subject == "recordings").unwrap();
        assert!(!finding.good && finding.detail.contains("trip"), "{finding:?}");
        server.stop().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_of_an_earlier_version_are_taken_over_and_a_bad_one_fails_only_its_car() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let recordings = data.join("recordings");
        std::fs::create_dir_all(&recordings).unwrap();
        let stores = wiring::Stores::open(&data).unwrap();
        let pool = stores.store.pool("simulated:RECORDED".into()).await.unwrap();
        let mut cars = Vec::new();
        for name in ["good", "stale", "empty", "gone"] {
            let mut spec = TripSpec {
                name: name.into(),
                started_at: NOW,
                speed: 1,
                vin: None,
                recording: None,
                length: Duration::ZERO,
            };
            spec.started_at = Timestamp::from_secs(1_777_629_600);
            let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | cars.len() as u128);
            let info = VehicleInfo {
                id: VehicleId(id),
                make: "RECORDED".into(),
                model: name.into(),
                year: 2026,
                mode: Mode::Simulated,
                powertrain: Powertrain::Bev,
                region: Region::Europe,
            };
            let source = SourceRef { kind: RECORDED, pool, spec: spec.encode() };
            stores.store.add_car(Car { id, info, source, created_at: NOW }).await.unwrap();
            cars.push(id);
        }
        stores.close().await.unwrap();
        std::fs::write(recordings.join("good.csv"), trip(80)).unwrap();
        std::fs::write(recordings.join("good.toml"), MAP).unwrap();
        // The file was replaced by one in the built-in form, and the map of the one before was left.
        let built_in = "Date,Time,Soc,Speed,Mode,LAT,LON\n7/1/2021,10:00:00,70,0,N,34.0,-6.7\n";
        std::fs::write(recordings.join("stale.csv"), built_in).unwrap();
        std::fs::write(recordings.join("stale.toml"), MAP).unwrap();
        std::fs::write(recordings.join("empty.csv"), "").unwrap();
        std::fs::write(recordings.join("nobodys.csv"), trip(1)).unwrap();

        for _restart in 0..2 {
            let server = started(&data).await;
            let application = application(&server.app).await;
            let mut answers = Vec::new();
            for &car in &cars {
                let linked =
                    server.app.connect_car(car, application, None, PermissionSet::ALL, None).await.unwrap();
                answers.push(charge(&server.app, linked.vehicle).await.map_err(drop));
            }
            let known = |soc| Ok(Some(Value::Number(soc)));
            assert_eq!(answers, [known(80.0), known(70.0), Err(()), Err(())]);
            let findings = server.app.diagnose().await.unwrap();
            let finding = findings.iter().find(|finding| finding.subject == "recordings").unwrap();
            assert!(finding.detail.contains("empty: ") && finding.detail.contains("gone: "), "{finding:?}");
            assert!(!finding.detail.contains("good"), "{finding:?}");
            assert!(server.app.health().problems().is_empty(), "everything else is ready");
            server.stop().await.unwrap();
            let left = std::fs::read_dir(&recordings)
                .unwrap()
                .map(|file| file.unwrap().file_name())
                .collect::<Vec<_>>();
            assert_eq!(left, ["empty.csv"], "what was taken over is no file any more");
        }
    }
}
