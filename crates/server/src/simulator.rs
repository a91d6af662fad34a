//! The simulator's controls, over the simulated fleet and the recorded trips.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use app::ports::{CarCommand, CarRequest, MadeCar, NewRecording, Simulator};
use domain::{
    compatibility::Model as CatalogueModel,
    errors::ErrorCode,
    signal::{Powertrain, SignalId},
    time::Timestamp,
};
use sources::{
    RECORDED, SIMULATED,
    recorded::{ColumnMap, Quirks, RecordedTrips, Recording, Skipped, TripSpec},
    simulated::{Account, CarSpec, Latency, Profile, Region, Run, Trouble, find, model_of_vin, models},
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

impl Simulator for Controls {
    fn make(&self, request: &CarRequest, seed: u64, now: Timestamp) -> Result<MadeCar, String> {
        let region = region(&request.region)?;
        let profile = profile(&request.profile)?;
        let year = match request.year {
            Some(year) => year,
            None => newest(&request.make, &request.model, region)?,
        };
        let model = find(&request.make, &request.model, year, region).map_err(|error| error.to_string())?;
        let spec = CarSpec::new(request.seed.unwrap_or(seed as u32), model, year, region, profile)
            .map_err(|error| error.to_string())?;
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

    fn control(&self, spec: &[u8], command: &CarCommand, now: Timestamp) -> Result<Vec<u8>, String> {
        let spec = CarSpec::decode(spec).map_err(|_| "a recorded trip cannot be controlled".to_owned())?;
        let spec = match command {
            CarCommand::Start => spec.start(now).resume(now),
            CarCommand::Pause => spec.pause(now),
            CarCommand::Restart => spec.restart(now),
            CarCommand::Speed(speed) if (1.0..=f64::from(CarSpec::MAX_SPEED)).contains(speed) => {
                spec.at_speed(*speed as u16, now)
            }
            CarCommand::Speed(_) => {
                return Err(format!("speed is a number from 1 to {}", CarSpec::MAX_SPEED));
            }
            CarCommand::Jump(by) => {
                let to = spec.elapsed(now) + *by;
                spec.jump(to, now)
            }
            CarCommand::Profile(word) => {
                spec.change(profile(word)?, now).map_err(|error| error.to_string())?
            }
            CarCommand::Fail(code) => spec.with_trouble(code.map(trouble)),
            CarCommand::Latency(word) => spec.with_latency(match word.as_str() {
                "ideal" => Latency::Ideal,
                "realistic" => Latency::Realistic,
                _ => return Err(format!("latency is ideal or realistic, not {word:?}")),
            }),
            CarCommand::PlugIn => spec.plug_in(now).map_err(|error| error.to_string())?,
            CarCommand::Unplug => spec.unplug(now).map_err(|error| error.to_string())?,
            CarCommand::Interrupt => spec.interrupt(now).map_err(|error| error.to_string())?,
            CarCommand::OpenDoor => spec.with_open_door(true, now),
            CarCommand::CloseDoor => spec.with_open_door(false, now),
            CarCommand::Fault(system) => spec.with_fault(system, now).map_err(|error| error.to_string())?,
            CarCommand::ClearFault => spec.clear_fault(now),
            CarCommand::Revoke => spec.with_account(Account::Revoked),
            CarCommand::ChangePassword => spec.with_account(Account::PasswordChanged),
            CarCommand::Restore => spec.with_account(Account::Open),
        };
        Ok(spec.encode())
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
        models()
            .map(|no| {
                let model = no.model();
                CatalogueModel {
                    make: model.make.into(),
                    model: model.name.into(),
                    years: model.years,
                    powertrain: model.powertrain,
                    regions: model.regions.into(),
                    signals: SignalId::all().filter(|&signal| model.has(signal)).collect(),
                }
            })
            .collect()
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

fn newest(make: &str, model: &str, region: Region) -> Result<u16, String> {
    let found = models().map(|no| no.model()).find(|known| {
        known.make.eq_ignore_ascii_case(make)
            && known.name.eq_ignore_ascii_case(model)
            && known.regions.contains(&region)
    });
    match found {
        Some(known) => Ok(known.years.1),
        // The catalogue's own search says what there is.
        None => find(make, model, 0, region).map(|_| 0).map_err(|error| error.to_string()),
    }
}

fn region(word: &str) -> Result<Region, String> {
    Region::from_word(word).ok_or_else(|| format!("region is US, CA or EUROPE, not {word:?}"))
}

fn profile(word: &str) -> Result<Profile, String> {
    Profile::from_word(word)
        .ok_or_else(|| format!("profile is driving, charging, parked or day, not {word:?}"))
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
