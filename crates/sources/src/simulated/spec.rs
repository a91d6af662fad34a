//! What there is to know of a simulated car: a few bytes that are kept with the vehicle.
//!
//! A car has a time of its own. It stands still before the start and during a pause, and may run many times faster
//! than the clock. What the car is like follows from the spec and that time alone, so controls are functions from
//! spec to spec. A control also makes the car report, which is why no control turns its `captured_at` back.

use std::time::Duration;

use domain::time::Timestamp;
use minicbor::{Decoder, Encoder, data::Type, decode::Error};

use super::{
    Latency, Trouble,
    chance::Draw,
    journey::{self, Moment},
    models::{self, Model, ModelNo, NoSuchCar, Region},
    vin,
};

/// What a car does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Profile {
    /// A day of trips around home with stops between them, 8 to 24 hours; parked afterwards.
    Driving = 0,
    /// Plugged in from the start, charging until the limit.
    Charging = 1,
    /// Standing, and reporting rarely.
    Parked = 2,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Driving, Self::Charging, Self::Parked];

    /// The lower-case word of the simulator's API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Driving => "driving",
            Self::Charging => "charging",
            Self::Parked => "parked",
        }
    }

    /// The profile with a word, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str().eq_ignore_ascii_case(word))
    }
}

/// Whether the car's time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Run {
    /// Never started: its account answers with an error.
    NotStarted = 0,
    /// Time passes.
    Running = 1,
    /// Time stands still; the car goes on answering.
    Paused = 2,
}

/// A simulated car.
#[derive(Clone, Debug, PartialEq)]
pub struct CarSpec {
    /// Tells cars apart: what a draw decides about a car is drawn from it.
    pub(super) seed: u32,
    pub(super) model: ModelNo,
    pub(super) year: u16,
    pub(super) region: Region,
    pub(super) profile: Profile,
    pub(super) run: Run,
    /// When a control last touched the car's time.
    pub(super) since: Timestamp,
    /// The car's time at that moment, in microseconds.
    pub(super) passed_us: u64,
    pub(super) speed: u16,
    pub(super) begin: Begin,
    pub(super) latency: Latency,
    pub(super) trouble: Option<Trouble>,
}

/// The car at the beginning of its profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Begin {
    pub(super) odometer_m: u32,
    /// Of the traction battery, in hundredths of a percent.
    pub(super) charge: u16,
    /// Of the tank, in hundredths of a percent.
    pub(super) fuel: u16,
    /// Millionths of a degree.
    pub(super) latitude: i32,
    /// Millionths of a degree.
    pub(super) longitude: i32,
}

/// Why a car cannot be had like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecRefused {
    /// Not in the catalogue.
    #[error(transparent)]
    NoSuchCar(#[from] NoSuchCar),
    /// It has no plug.
    #[error("a {make} {model} cannot be charged; let it be driving or parked")]
    NoPlug {
        /// The brand.
        make: &'static str,
        /// The model.
        model: &'static str,
    },
}

/// The bytes of a spec that was written by something else, or by a newer program.
#[derive(Debug, thiserror::Error)]
#[error("the spec of a simulated car is malformed")]
pub struct MalformedSpec(#[from] Error);

impl CarSpec {
    /// The fastest that a car's time may run.
    pub const MAX_SPEED: u16 = 3_600;
    /// The most bytes that an encoded spec takes.
    pub const MAX_BYTES: usize = 80;

    /// A car at the beginning of its profile, not started. Cars with different seeds have different vehicle numbers.
    ///
    /// # Errors
    ///
    /// When the model is not of that year or region, or has no plug to be charged with.
    pub fn new(
        seed: u32,
        model: ModelNo,
        year: u16,
        region: Region,
        profile: Profile,
    ) -> Result<Self, SpecRefused> {
        models::check(model, year, region)?;
        check_plug(model, profile)?;
        Ok(Self {
            seed,
            model,
            year,
            region,
            profile,
            run: Run::NotStarted,
            since: Timestamp::from_micros(0),
            passed_us: 0,
            speed: 1,
            begin: Begin::drawn(seed, region, profile),
            latency: Latency::Ideal,
            trouble: None,
        })
    }

    /// Starts the time of a car that was never started.
    #[must_use]
    pub fn start(self, now: Timestamp) -> Self {
        match self.run {
            Run::NotStarted => Self { run: Run::Running, since: now, ..self },
            Run::Running | Run::Paused => self,
        }
    }

    /// Stops the time of a running car.
    #[must_use]
    pub fn pause(self, now: Timestamp) -> Self {
        match self.run {
            Run::Running => Self { run: Run::Paused, ..self.touched(now) },
            Run::NotStarted | Run::Paused => self,
        }
    }

    /// Lets the time of a paused car go on.
    #[must_use]
    pub fn resume(self, now: Timestamp) -> Self {
        match self.run {
            Run::Paused => Self { run: Run::Running, since: now, ..self },
            Run::NotStarted | Run::Running => self,
        }
    }

    /// Begins the profile anew, running. The odometer goes on from where it is.
    #[must_use]
    pub fn restart(self, now: Timestamp) -> Self {
        Self { run: Run::Running, ..self.jump(Duration::ZERO, now) }
    }

    /// Lets the car's time run this many times as fast, 1 to [`Self::MAX_SPEED`]; other numbers are held within.
    #[must_use]
    pub fn at_speed(self, times: u16, now: Timestamp) -> Self {
        Self { speed: times.clamp(1, Self::MAX_SPEED), ..self.touched(now) }
    }

    /// Sets the car's time, forwards or back. The odometer of a car never falls: after a jump back, it goes on from
    /// where it was.
    #[must_use]
    pub fn jump(self, to: Duration, now: Timestamp) -> Self {
        let before = self.touched(now);
        let mut after = Self { passed_us: micros(to), ..before.clone() };
        let lost =
            Moment::at(&before, before.passed_us).driven_km - Moment::at(&after, after.passed_us).driven_km;
        if lost > 0.0 {
            after.begin.odometer_m = after.begin.odometer_m.saturating_add((lost * 1_000.0).ceil() as u32);
        }
        after
    }

    /// Lets the car begin to do something else, from where and how it is now.
    ///
    /// # Errors
    ///
    /// [`SpecRefused::NoPlug`] when it is to charge and cannot.
    pub fn change(self, profile: Profile, now: Timestamp) -> Result<Self, SpecRefused> {
        check_plug(self.model, profile)?;
        let here = self.touched(now);
        let begin = Begin::after(&here.begin, &Moment::at(&here, here.passed_us));
        Ok(Self { profile, passed_us: 0, begin, ..here })
    }

    /// Gives the car a trouble, or takes it away.
    #[must_use]
    pub fn with_trouble(self, trouble: Option<Trouble>) -> Self {
        Self { trouble, ..self }
    }

    /// Sets how long its reads take.
    #[must_use]
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    /// Which model it is.
    pub const fn model_no(&self) -> ModelNo {
        self.model
    }

    /// What is the same for all cars of its model.
    pub fn model(&self) -> &'static Model {
        self.model.model()
    }

    /// Its model year.
    pub const fn year(&self) -> u16 {
        self.year
    }

    /// Where it is registered.
    pub const fn region(&self) -> Region {
        self.region
    }

    /// What it does.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether its time passes.
    pub const fn run(&self) -> Run {
        self.run
    }

    /// How many times as fast as the clock its time passes.
    pub const fn speed(&self) -> u16 {
        self.speed
    }

    /// How long its reads take.
    pub const fn latency(&self) -> Latency {
        self.latency
    }

    /// What is wrong with it.
    pub const fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Its vehicle number.
    pub fn vin(&self) -> String {
        vin::vin(self.seed, self.model.number(), self.year)
    }

    /// How long its profile has been running, in the car's own time.
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        Duration::from_micros(self.elapsed_us(now))
    }

    /// How long something goes on in its profile; afterwards the car stands as it is.
    pub fn length(&self) -> Duration {
        Duration::from_micros(journey::length_us(self))
    }

    pub(super) fn elapsed_us(&self, now: Timestamp) -> u64 {
        match self.run {
            Run::Running => {
                let ran = micros(now.since(self.since)).saturating_mul(self.speed.into());
                self.passed_us.saturating_add(ran)
            }
            Run::NotStarted | Run::Paused => self.passed_us,
        }
    }

    /// When the clock showed a moment of the car's time that is not before the last control.
    pub(super) fn clock_at(&self, car_us: u64) -> Timestamp {
        let ran = car_us.saturating_sub(self.passed_us);
        self.since + Duration::from_micros(ran / u64::from(self.speed))
    }

    /// The same car with its time counted from now.
    fn touched(&self, now: Timestamp) -> Self {
        Self { passed_us: self.elapsed_us(now), since: now, ..self.clone() }
    }

    /// The form that is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::with_capacity(Self::MAX_BYTES));
        self.write(&mut encoder).expect("a vector takes all bytes");
        encoder.into_writer()
    }

    fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        let begin = &self.begin;
        e.array(16)?.u32(self.seed)?.u8(self.model.number())?.u16(self.year)?.u8(self.region as u8)?;
        e.u8(self.profile as u8)?.u8(self.run as u8)?.i64(self.since.as_micros())?.u64(self.passed_us)?;
        e.u16(self.speed)?.u8(self.latency as u8)?.u32(begin.odometer_m)?.u16(begin.charge)?;
        e.u16(begin.fuel)?.i32(begin.latitude)?.i32(begin.longitude)?;
        match &self.trouble {
            None => e.null()?.ok(),
            Some(trouble) => trouble.encode(e),
        }
    }

    /// From the stored form. What a newer program has appended is ignored.
    ///
    /// # Errors
    ///
    /// When the bytes are something else, or say what this program does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedSpec> {
        let d = &mut Decoder::new(bytes);
        if d.array()?.is_none_or(|fields| fields < 16) {
            return Err(Error::message("fields are missing").into());
        }
        let spec = Self {
            seed: d.u32()?,
            model: known(ModelNo::from_number(d.u8()?))?,
            year: d.u16()?,
            region: known(Region::from_number(d.u8()?))?,
            profile: known(Profile::ALL.get(usize::from(d.u8()?)).copied())?,
            run: known([Run::NotStarted, Run::Running, Run::Paused].get(usize::from(d.u8()?)).copied())?,
            since: Timestamp::from_micros(d.i64()?),
            passed_us: d.u64()?,
            speed: d.u16()?.max(1),
            latency: known([Latency::Ideal, Latency::Realistic].get(usize::from(d.u8()?)).copied())?,
            begin: Begin {
                odometer_m: d.u32()?,
                charge: d.u16()?.min(FULL),
                fuel: d.u16()?.min(FULL),
                latitude: d.i32()?,
                longitude: d.i32()?,
            },
            trouble: if d.datatype()? == Type::Null { None } else { Some(Trouble::decode(d)?) },
        };
        check_plug(spec.model, spec.profile).map_err(Error::message)?;
        Ok(spec)
    }
}

/// Hundredths of a percent in a whole.
const FULL: u16 = 10_000;

impl Begin {
    fn drawn(seed: u32, region: Region, profile: Profile) -> Self {
        let (least, most) = match profile {
            Profile::Driving => (70.0, 95.0),
            Profile::Charging => (10.0, 35.0),
            Profile::Parked => (40.0, 80.0),
        };
        let (latitude, longitude) = Draw::Town.pick(seed, journey::towns(region));
        Self {
            odometer_m: Draw::Odometer.between(seed, 10_000_000.0, 300_000_000.0) as u32,
            charge: (Draw::Charge.between(seed, least, most) * 100.0) as u16,
            fuel: (Draw::Fuel.between(seed, 40.0, 95.0) * 100.0) as u16,
            latitude: micro_degrees(latitude + Draw::Latitude.between(seed, -0.2, 0.2)),
            longitude: micro_degrees(longitude + Draw::Longitude.between(seed, -0.2, 0.2)),
        }
    }

    /// Where a car goes on that began like `self` and is now like `moment`.
    fn after(&self, moment: &Moment) -> Self {
        let driven_m = (moment.driven_km * 1_000.0).ceil() as u32;
        Self {
            odometer_m: self.odometer_m.saturating_add(driven_m),
            charge: ((moment.charge * 100.0).round() as u16).min(FULL),
            fuel: ((moment.fuel * 100.0).round() as u16).min(FULL),
            latitude: micro_degrees(moment.latitude),
            longitude: micro_degrees(moment.longitude),
        }
    }
}

fn check_plug(no: ModelNo, profile: Profile) -> Result<(), SpecRefused> {
    let model = no.model();
    match profile {
        Profile::Charging if !model.plugs_in() => {
            Err(SpecRefused::NoPlug { make: model.make, model: model.name })
        }
        _ => Ok(()),
    }
}

fn micro_degrees(degrees: f64) -> i32 {
    (degrees * 1e6).round() as i32
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn known<T>(value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::message("a word that this program does not know"))
}
