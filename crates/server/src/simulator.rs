//! The simulator's controls, over the simulated fleet and the recorded trips.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use app::ports::{CarCommand, CarRefused, CarRequest, CarStage, MadeCar, NewRecording, Simulator};
use domain::{
    compatibility::Model as CatalogueModel,
    errors::ErrorCode,
    signal::{Powertrain, SignalId},
    time::Timestamp,
};
use sources::{
    RECORDED, SIMULATED,
    recorded::{ColumnMap, Quirks, RecordedTrips, Recording, Skipped, TripSpec},
    simulated::{
        Account, CarSpec, Latency, NoSuchCar, Profile, Region, Run, SpecRefused, Trouble, find, find_newest,
        model_of_vin, models,
    },
};

/// The controls of cars that are not there.
pub(crate) struct Controls {
    trips: Arc<RecordedTrips>,
    /// Where recordings are kept over restarts.
    folder: PathBuf,
}

impl Controls {
    /// Takes up the recordings that are kept in a folder.
    pub(crate) fn open(trips: Arc<RecordedTrips>, folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            for entry in
                std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
            {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "csv") {
                    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    let csv = std::fs::read_to_string(&path)?;
                    let columns = std::fs::read_to_string(path.with_extension("toml")).ok();
                    let recording = read(&csv, columns.as_deref())
                        .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
                    trips.register(name, recording);
                }
            }
        }
        Ok(Self { trips, folder })
    }

    fn keep(&self, recording: &NewRecording) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{}.csv", recording.name));
        if let Some(columns) = &recording.columns {
            std::fs::write(path.with_extension("toml"), columns)?;
        }
        std::fs::write(path, &recording.csv)
    }
}

/// Reads a recorded trip: CSV whose columns are known by their header, or told by a map.
pub(crate) fn read(csv: &str, columns: Option<&str>) -> Result<Recording, String> {
    let map = match columns {
        Some(columns) => ColumnMap::from_toml(columns).map_err(|error| error.to_string())?,
        None => {
            let header = csv.lines().next().unwrap_or_default();
            ColumnMap::for_header(header.split(',').map(str::trim)).ok_or_else(|| {
                format!("the columns {header:?} are not known; give a column map (--columns FILE.toml)")
            })?
        }
    };
    Recording::read(csv.as_bytes(), &map, &Quirks::default()).map_err(|error| error.to_string())
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
        let profile = profile(&request.profile)?;
        let (make, model) = (&request.make, &request.model);
        let found = match request.year {
            Some(year) => find(make, model, year, region).map(|model| (model, year)),
            None => find_newest(make, model, region),
        };
        let (model, year) = found.map_err(|error| no_such_car(&error))?;
        let spec = CarSpec::new(request.seed.unwrap_or(seed as u32), model, year, region, profile)
            .map_err(|refused| spec_refused("profile", &refused))?;
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

    fn describe(&self, spec: &[u8], now: Timestamp) -> Vec<(&'static str, String)> {
        if let Ok(spec) = CarSpec::decode(spec) {
            let state = match spec.run() {
                Run::NotStarted => "not started",
                Run::Running => "running",
                Run::Paused => "paused",
            };
            let mut words = vec![
                ("profile", spec.profile().as_str().to_owned()),
                ("state", state.to_owned()),
                ("stage", spec.doing(now).to_owned()),
                ("elapsed", format!("{} s", spec.elapsed(now).as_secs())),
                ("vin", spec.vin()),
            ];
            words.extend(spec.trouble().map(|trouble| ("trouble", format!("{trouble:?}"))));
            words.extend(spec.fault().map(|system| ("fault", system.to_owned())));
            words.extend(account(spec.account()).map(|word| ("account", word.to_owned())));
            return words;
        }
        let Ok(trip) = TripSpec::decode(spec) else { return Vec::new() };
        let length = self.trips.recording(&trip.name).map(|recording| trip.length(&recording));
        vec![
            ("recording", trip.name.clone()),
            ("elapsed", format!("{} s", now.since(trip.started_at).as_secs())),
            ("length", format!("{} s", length.unwrap_or_default().as_secs())),
        ]
    }

    fn record(&self, recording: &NewRecording, now: Timestamp) -> Result<(MadeCar, String), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if recording.name.is_empty() || recording.name.len() > 64 || !recording.name.chars().all(plain) {
            return Err("the name of a recording has 1 to 64 letters, digits, - and _".into());
        }
        let read = read(&recording.csv, recording.columns.as_deref())?;
        let signals: Vec<_> = read.signals().map(|signal| signal.entry().code.as_str()).collect();
        let report = format!(
            "{} s long, with {}; {}",
            read.length().as_secs(),
            signals.join(", "),
            skipped(&read.skipped())
        );
        self.keep(recording).map_err(|error| format!("the recording cannot be kept: {error}"))?;
        self.trips.register(recording.name.clone(), read);
        let spec = TripSpec {
            name: recording.name.clone(),
            started_at: now,
            speed: recording.speed.max(1),
            vin: None,
        };
        let made = MadeCar {
            make: "RECORDED".into(),
            model: recording.name.clone(),
            year: u16::try_from(jiff::tz::Offset::UTC.to_datetime(now.to_jiff()).year()).unwrap_or(2000),
            powertrain: Powertrain::Bev,
            region: Region::Europe,
            kind: RECORDED,
            spec: spec.encode(),
        };
        Ok((made, report))
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

/// The rows of a recording that were not usable, by reason.
fn skipped(rows: &Skipped) -> String {
    let reasons = [
        ("malformed", rows.malformed),
        ("without a readable time", rows.unreadable_time),
        ("not later than the row before", rows.not_rising),
        ("after a leap in time", rows.leap),
        ("with an unreadable value", rows.unreadable_value),
        ("out of range", rows.out_of_range),
        ("without a place", rows.no_place),
    ];
    let told: Vec<_> = reasons
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if told.is_empty() { "every row is usable".into() } else { format!("rows skipped: {}", told.join(", ")) }
}

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
        CarRefused::new("profile", format!("profile is driving, charging, parked or day, not {word:?}"))
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
    use crate::machine::MachineClock;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    /// The controls, with a folder that is not there.
    fn controls() -> Controls {
        let trips = RecordedTrips::new(Arc::new(MachineClock::wall()));
        Controls::open(Arc::new(trips), PathBuf::from("not-there")).unwrap()
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
                assert!(
                    state.contains(&("stage", stage.activity.to_owned())),
                    "{profile} {place}: {state:?}"
                );
                let now: Vec<_> =
                    controls.stages(&there, NOW).unwrap().iter().map(|stage| stage.is_now).collect();
                assert!(now[place] && now.iter().filter(|&&now| now).count() == 1, "{profile} {place}");
            }
        }
        let trip = TripSpec { name: "x".into(), started_at: NOW, speed: 1, vin: None }.encode();
        assert_eq!(controls.stages(&trip, NOW), Err("a recorded trip has no stages".into()));
    }
}
