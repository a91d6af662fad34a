//! What there is to know of a simulated car: a few bytes that are kept with the vehicle.
//!
//! A car has a time of its own. It stands still before the start and during a pause, and may run many times faster
//! than the clock. What the car is like follows from the spec and that time alone, so controls are functions from
//! spec to spec. A control also makes the car report, which is why no control turns its `captured_at` back.

use std::time::Duration;

use app::ports::CarStage;
use domain::{
    errors::ErrorCode,
    signal::SignalId,
    time::Timestamp,
    vehicle::{BrandCommand, Fault},
};
use minicbor::{Decoder, Encoder, data::Type, decode::Error};

use super::{
    Latency, Trouble,
    chance::Draw,
    journey::{self, Activity, Moment},
    mishap,
    models::{self, Model, ModelNo, NoSuchCar, Region},
    settings::Settings,
    vin,
};

/// What a car does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Profile {
    /// A day of trips around home with stops between them, 8 to 24 hours; parked afterwards.
    Driving = 0,
    /// Plugged in from the start, charging until the limit or until that breaks off; after 8 to 24 hours it drives
    /// somewhere and back, and is parked.
    Charging = 1,
    /// Standing, and reporting rarely.
    Parked = 2,
    /// One day after the other: an errand, a charger at noon, another errand, and the night at the wall box; faults
    /// are less rare than usual. Without a plug, the same with fuel.
    Day = 3,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Driving, Self::Charging, Self::Parked, Self::Day];

    /// The lower-case word of the simulator's API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Driving => "driving",
            Self::Charging => "charging",
            Self::Parked => "parked",
            Self::Day => "day",
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
    pub(super) live: Live,
    /// The number that somebody gave to the car; otherwise it has one of its own.
    pub(super) number: Option<Number>,
    /// What commands have set.
    pub(super) settings: Settings,
}

/// A vehicle's number: 17 upper-case letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number([u8; 17]);

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        text.as_bytes().try_into().ok().filter(|_| plain).map(Self)
    }
}

/// What the life of a car and its controls add to a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Live {
    /// How old the car was when its profile began, in microseconds of its own time.
    pub(super) before_us: u64,
    /// How the stay of [`Profile::Charging`] goes.
    pub(super) session: Session,
    /// A fault that somebody gave to the car: the number of the system's signal, and since when.
    pub(super) fault: Option<(u8, Timestamp)>,
    /// Faults that are drawn for before this age are mended.
    pub(super) cleared_us: u64,
    /// The driver's door stands open whenever the car stands.
    pub(super) door_open: bool,
    pub(super) account: Account,
    /// Whether somebody locked or unlocked it from afar; that holds until the car does something else.
    pub(super) lock: Option<Lock>,
    /// Up to where it is charged, in hundredths of a percent, where somebody chose it.
    pub(super) limit: Option<u16>,
}

/// A lock that was worked from afar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) locked: bool,
    /// The stage of the profile in which that was.
    pub(super) stage: u64,
}

/// How charging goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Session {
    /// As drawn: some break off.
    #[default]
    Drawn,
    /// Until the limit.
    Whole,
    /// Until somebody stopped it.
    Interrupted {
        /// In the car's time.
        at_us: u64,
        /// In hundredths of a percent.
        plugged_in_with: u16,
    },
}

/// Whether the owner's account at the brand lets anybody read the car.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Account {
    /// It does.
    #[default]
    Open = 0,
    /// The owner withdrew the access.
    Revoked = 1,
    /// The owner has another password now.
    PasswordChanged = 2,
}

impl Account {
    /// How every read fails, if it does.
    pub(super) const fn error(self) -> Option<ErrorCode> {
        match self {
            Self::Open => None,
            Self::Revoked => Some(ErrorCode::CONNECTED_SERVICES_ACCOUNT_PERMISSION),
            Self::PasswordChanged => Some(ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED),
        }
    }
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
    /// Nothing to unplug.
    #[error("the car is not plugged in; plug it in first")]
    NotPluggedIn,
    /// Nothing to interrupt.
    #[error("the car is not charging; plug it in first, or look at its charge limit")]
    NotCharging,
    /// Not a system of the catalogue, or none that this model tells of.
    #[error("a {make} {model} does not tell of the health of {system:?}; {known}")]
    NoSuchSystem {
        /// The brand.
        make: &'static str,
        /// The model.
        model: &'static str,
        /// What was asked for.
        system: String,
        /// What there is.
        known: String,
    },
}

/// The bytes of a spec that was written by something else, or by a newer program.
#[derive(Debug, thiserror::Error)]
#[error("the spec of a simulated car is malformed")]
pub struct MalformedSpec(#[from] Error);

impl CarSpec {
    /// The fastest that a car's time may run.
    pub const MAX_SPEED: u16 = 3_600;
    /// The most bytes that an encoded spec takes. Cars that were sent no commands take far fewer.
    pub const MAX_BYTES: usize = 320;

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
            live: Live::default(),
            number: None,
            settings: Settings::default(),
        })
    }

    /// Lets a day of the car begin at home in the evening, plugged in and with a part of the battery left: so commands have
    /// something to start, to stop and to limit. A car without a plug, and one of another profile, stays as it is.
    #[must_use]
    pub fn at_home(mut self) -> Self {
        if self.profile == Profile::Day && self.model().plugs_in() {
            self.begin.charge = self.charge_at_home();
        }
        self
    }

    /// Whether it is a car whose first day began at home.
    pub fn began_at_home(&self) -> bool {
        self.profile == Profile::Day && self.begin.charge == self.charge_at_home()
    }

    /// No other beginning of a day has so little.
    fn charge_at_home(&self) -> u16 {
        const LEAST: f64 = 25.0;
        const MOST: f64 = 40.0;
        hundredths(Draw::Charge.between(self.seed, LEAST, MOST))
    }

    /// Gives the car a number of 17 letters and digits; one of another form is left out.
    #[must_use]
    pub fn with_vin(self, vin: &str) -> Self {
        Self { number: Number::parse(&vin.to_ascii_uppercase()), ..self }
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
        let before_us = here.live.before_us.saturating_add(here.passed_us);
        let live = Live { before_us, session: Session::Drawn, ..here.live };
        Ok(Self { profile, passed_us: 0, begin, live, ..here })
    }

    /// Plugs the car in where it is: it becomes a charging one that nothing but a control interrupts. One that charges,
    /// or is charged, goes on with that.
    ///
    /// # Errors
    ///
    /// [`SpecRefused::NoPlug`] when it cannot be charged.
    pub fn plug_in(self, now: Timestamp) -> Result<Self, SpecRefused> {
        if matches!(self.activity(now), Activity::Charging | Activity::Charged) {
            return Ok(self);
        }
        Ok(self.change(Profile::Charging, now)?.with_session(Session::Whole))
    }

    /// Unplugs the car and leaves it parked.
    ///
    /// # Errors
    ///
    /// [`SpecRefused::NotPluggedIn`] when there is no cable in it.
    pub fn unplug(self, now: Timestamp) -> Result<Self, SpecRefused> {
        if !self.activity(now).is_plugged_in() {
            return Err(SpecRefused::NotPluggedIn);
        }
        self.change(Profile::Parked, now)
    }

    /// Stops charging before the limit, with the cable in.
    ///
    /// # Errors
    ///
    /// [`SpecRefused::NotCharging`] when there is nothing to interrupt.
    pub fn interrupt(self, now: Timestamp) -> Result<Self, SpecRefused> {
        let here = self.touched(now);
        let moment = Moment::at(&here, here.passed_us);
        if moment.activity != Activity::Charging {
            return Err(SpecRefused::NotCharging);
        }
        let added = moment.charging.added_kwh / here.model().battery_kwh * 100.0;
        let plugged_in_with = hundredths(moment.charge - added);
        let here = match here.profile {
            Profile::Charging => here,
            Profile::Driving | Profile::Parked | Profile::Day => here.change(Profile::Charging, now)?,
        };
        let at_us = here.passed_us;
        Ok(here.with_session(Session::Interrupted { at_us, plugged_in_with }))
    }

    /// Opens the driver's door, or shuts it. An open one is open whenever the car stands; a shut one does as the
    /// profile has it.
    #[must_use]
    pub fn with_open_door(self, door_open: bool, now: Timestamp) -> Self {
        self.with_live(now, |live| live.door_open = door_open)
    }

    /// Gives one of the car's systems a fault that stays until it is cleared; the system goes by its name in the
    /// catalogue, in any case: `Airbag`.
    ///
    /// # Errors
    ///
    /// [`SpecRefused::NoSuchSystem`] when the model tells of no such system.
    pub fn with_fault(self, system: &str, now: Timestamp) -> Result<Self, SpecRefused> {
        let told = || mishap::systems().filter(|&signal| self.model().has(signal));
        let Some(signal) = told().find(|signal| signal.entry().name.eq_ignore_ascii_case(system)) else {
            let &Model { make, name: model, .. } = self.model();
            return Err(SpecRefused::NoSuchSystem {
                make,
                model,
                system: system.into(),
                known: known_systems(told()),
            });
        };
        Ok(self.with_live(now, |live| live.fault = Some((signal.number(), now))))
    }

    /// Mends the car: the fault that somebody gave it, and the one that it has on its own.
    #[must_use]
    pub fn clear_fault(self, now: Timestamp) -> Self {
        let cleared_us = self.live.before_us.saturating_add(self.elapsed_us(now)).saturating_add(1);
        self.with_live(now, |live| (live.fault, live.cleared_us) = (None, cleared_us))
    }

    /// Sets what the owner's account at the brand lets others do.
    #[must_use]
    pub fn with_account(mut self, account: Account) -> Self {
        self.live.account = account;
        self
    }

    fn with_live(&self, now: Timestamp, set: impl FnOnce(&mut Live)) -> Self {
        let mut after = self.touched(now);
        set(&mut after.live);
        after
    }

    fn with_session(mut self, session: Session) -> Self {
        self.live.session = session;
        self
    }

    /// Locks the car or unlocks it, until it does something else.
    pub(super) fn with_lock(self, locked: bool, now: Timestamp) -> Self {
        let stage = self.stage(now);
        self.with_live(now, |live| live.lock = Some(Lock { locked, stage }))
    }

    /// Sets what a command of the brand sets, in a stage of the profile.
    pub(super) fn with_setting(self, command: BrandCommand, stage: u64, now: Timestamp) -> Self {
        let mut after = self.touched(now);
        after.settings = after.settings.after(command, stage);
        after
    }

    /// Goes on charging where that was interrupted.
    pub(super) fn charge_on(self, now: Timestamp) -> Result<Self, SpecRefused> {
        Ok(self.change(Profile::Charging, now)?.with_session(Session::Whole))
    }

    /// Charges up to so many whole percent from now on. Where the car is on a day of its profile whose course depends on that,
    /// the day begins anew.
    pub(super) fn with_charge_limit(self, percent: f64, now: Timestamp) -> Result<Self, SpecRefused> {
        let moment = Moment::at(&self, self.elapsed_us(now));
        let plugged_in_with = hundredths(moment.charge);
        let mut after = match (moment.activity, self.profile) {
            (Activity::Charging | Activity::Charged, _) => self.charge_on(now)?,
            (Activity::Interrupted, _) => self
                .change(Profile::Charging, now)?
                .with_session(Session::Interrupted { at_us: 0, plugged_in_with }),
            (_, Profile::Charging) => self.change(Profile::Driving, now)?,
            (_, Profile::Day) => self.change(Profile::Day, now)?,
            (_, Profile::Driving | Profile::Parked) => self,
        };
        after.live.limit = Some(hundredths(percent.round()));
        Ok(after)
    }

    /// Why the car answers nobody: its owner's account, its trouble, or that it was never started.
    pub(super) fn refusal(&self, now: Timestamp) -> Option<Fault> {
        let of_account = self.account().error().map(Fault::from);
        let of_trouble = || self.trouble.and_then(|trouble| trouble.of_read(now));
        let not_started = || {
            (self.run == Run::NotStarted).then(|| ErrorCode::CONNECTED_SERVICES_ACCOUNT_ACCOUNT_ISSUE.into())
        };
        of_account.or_else(of_trouble).or_else(not_started)
    }

    /// Whether nothing goes on in its profile any more. A car that lived day by day until a command changed that lives on.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let ends = self.profile != Profile::Day && !self.settings.lives_on;
        ends && self.elapsed_us(now) >= journey::length_us(self)
    }

    /// The car after a command that made `after` of `self`: what was set from afar stays although the stage of the profile
    /// has changed, and a car that lives day by day lives on.
    pub(super) fn commanded(&self, mut after: Self, now: Timestamp) -> Self {
        let (before, stage) = (self.stage(now), after.stage(now));
        after.settings.lives_on |= self.profile == Profile::Day && after.profile != Profile::Day;
        if let Some(lock) = after.live.lock.as_mut().filter(|lock| lock.stage == before) {
            lock.stage = stage;
        }
        after.settings.carry(before, stage);
        after
    }

    pub(super) fn stage(&self, now: Timestamp) -> u64 {
        Moment::at(self, self.elapsed_us(now)).stage
    }

    pub(super) fn activity(&self, now: Timestamp) -> Activity {
        Moment::at(self, self.elapsed_us(now)).activity
    }

    /// What it does now, in the word of [`Self::stages`].
    pub fn doing(&self, now: Timestamp) -> &'static str {
        self.activity(now).as_str()
    }

    /// The stages of its profile, in their order; of [`Profile::Day`] those of the present day. A car is in one of them.
    pub fn stages(&self, now: Timestamp) -> Vec<CarStage> {
        let car_us = self.elapsed_us(now);
        let stages = journey::stages(self, car_us);
        let present = stages.iter().rposition(|&(_, from_us)| from_us <= car_us);
        let stage = |(place, (activity, from_us)): (usize, (Activity, u64))| CarStage {
            activity: activity.as_str(),
            begins: Duration::from_micros(from_us),
            is_now: Some(place) == present,
        };
        stages.into_iter().enumerate().map(stage).collect()
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

    /// What the owner's account lets others do.
    pub const fn account(&self) -> Account {
        self.live.account
    }

    /// The system with a fault that somebody gave to the car, by its name in the catalogue.
    pub fn fault(&self) -> Option<&'static str> {
        let (system, _) = self.live.fault?;
        SignalId::from_number(system).map(|signal| signal.entry().name)
    }

    /// Its vehicle number.
    pub fn vin(&self) -> String {
        match self.number {
            Some(Number(number)) => number.into_iter().map(char::from).collect(),
            None => vin::vin(self.seed, self.model.number(), self.year),
        }
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

    /// When the clock showed an age of the car, as if its time had always run as it does now.
    pub(super) fn clock_at_age(&self, age_us: u64) -> Timestamp {
        let touched_us = self.live.before_us.saturating_add(self.passed_us);
        let speed = u64::from(self.speed);
        match age_us.checked_sub(touched_us) {
            Some(later_us) => self.since + Duration::from_micros(later_us / speed),
            None => self.since - Duration::from_micros((touched_us - age_us) / speed),
        }
    }

    /// The same car with its time counted from now.
    fn touched(&self, now: Timestamp) -> Self {
        Self { passed_us: self.elapsed_us(now), since: now, ..self.clone() }
    }

    /// The form that is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::with_capacity(128));
        self.write(&mut encoder).expect("a vector takes all bytes");
        encoder.into_writer()
    }

    fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        let begin = &self.begin;
        // What is at its beginning is left out from the end.
        let fields = match (self.number, self.live != Live::default()) {
            _ if self.settings != Settings::default() => 19,
            (Some(_), _) => 18,
            (None, true) => 17,
            (None, false) => 16,
        };
        e.array(fields)?.u32(self.seed)?.u8(self.model.number())?.u16(self.year)?.u8(self.region as u8)?;
        e.u8(self.profile as u8)?.u8(self.run as u8)?.i64(self.since.as_micros())?.u64(self.passed_us)?;
        e.u16(self.speed)?.u8(self.latency as u8)?.u32(begin.odometer_m)?.u16(begin.charge)?;
        e.u16(begin.fuel)?.i32(begin.latitude)?.i32(begin.longitude)?;
        match &self.trouble {
            None => e.null()?.ok()?,
            Some(trouble) => trouble.encode(e)?,
        }
        if fields > 16 {
            self.live.encode(e)?;
        }
        match &self.number {
            Some(Number(number)) => e.bytes(number)?.ok()?,
            None if fields > 18 => e.null()?.ok()?,
            None => {}
        }
        if fields > 18 {
            self.settings.encode(e)?;
        }
        Ok(())
    }

    /// From the stored form. What a newer program has appended is ignored.
    ///
    /// # Errors
    ///
    /// When the bytes are something else, or say what this program does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedSpec> {
        let d = &mut Decoder::new(bytes);
        let Some(fields @ 16..) = d.array()? else {
            return Err(Error::message("fields are missing").into());
        };
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
            trouble: match d.datatype()? {
                Type::Null => d.null().map(|()| None)?,
                _ => Some(Trouble::decode(d)?),
            },
            live: if fields == 16 { Live::default() } else { Live::decode(d)? },
            number: None,
            settings: Settings::default(),
        };
        let number = match fields {
            ..18 => None,
            _ if d.datatype()? == Type::Null => d.null().map(|()| None)?,
            _ => Some(known(d.bytes()?.try_into().ok().map(Number))?),
        };
        let settings = if fields >= 19 { Settings::decode(d)? } else { Settings::default() };
        let spec = Self { number, settings, ..spec };
        check_plug(spec.model, spec.profile).map_err(Error::message)?;
        Ok(spec)
    }
}

impl Live {
    fn encode(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        let (session, at_us, plugged_in_with) = match self.session {
            Session::Drawn => (0, 0, 0),
            Session::Whole => (1, 0, 0),
            Session::Interrupted { at_us, plugged_in_with } => (2, at_us, plugged_in_with),
        };
        let (system, since) = self.fault.unwrap_or((0, Timestamp::from_micros(0)));
        let (lock, stage) = match self.lock {
            None => (0, 0),
            Some(Lock { locked: true, stage }) => (1, stage),
            Some(Lock { locked: false, stage }) => (2, stage),
        };
        let commanded = self.lock.is_some() || self.limit.is_some();
        e.array(if commanded { 12 } else { 9 })?
            .u64(self.before_us)?
            .u8(session)?
            .u64(at_us)?
            .u16(plugged_in_with)?;
        e.u8(system)?.i64(since.as_micros())?.u64(self.cleared_us)?;
        e.bool(self.door_open)?.u8(self.account as u8)?;
        if commanded {
            e.u8(lock)?.u64(stage)?.u16(self.limit.unwrap_or(0))?;
        }
        Ok(())
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        let Some(fields @ 9..) = d.array()? else {
            return Err(Error::message("fields are missing"));
        };
        let before_us = d.u64()?;
        let session = match (d.u8()?, d.u64()?, d.u16()?) {
            (0, ..) => Session::Drawn,
            (1, ..) => Session::Whole,
            (2, at_us, with) => Session::Interrupted { at_us, plugged_in_with: with.min(FULL) },
            _ => return Err(Error::message("a word that this program does not know")),
        };
        let fault = match (d.u8()?, d.i64()?) {
            (0, _) => None,
            (system, since) => {
                known(mishap::trouble_code(system))?;
                Some((system, Timestamp::from_micros(since)))
            }
        };
        let accounts = [Account::Open, Account::Revoked, Account::PasswordChanged];
        let mut live = Self {
            before_us,
            session,
            fault,
            cleared_us: d.u64()?,
            door_open: d.bool()?,
            account: known(accounts.get(usize::from(d.u8()?)).copied())?,
            ..Self::default()
        };
        if fields >= 12 {
            live.lock = match (d.u8()?, d.u64()?) {
                (0, _) => None,
                (1, stage) => Some(Lock { locked: true, stage }),
                (2, stage) => Some(Lock { locked: false, stage }),
                _ => return Err(Error::message("a word that this program does not know")),
            };
            live.limit = Some(d.u16()?.min(FULL)).filter(|&limit| limit > 0);
        }
        Ok(live)
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
            Profile::Day => (50.0, 65.0),
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
            charge: hundredths(moment.charge),
            fuel: hundredths(moment.fuel),
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

fn known_systems(told: impl Iterator<Item = SignalId>) -> String {
    let names: Vec<_> = told.map(|signal| signal.entry().name).collect();
    match names.is_empty() {
        true => "it tells of no system; a Ford does".into(),
        false => format!("it tells of {}", names.join(", ")),
    }
}

fn hundredths(percent: f64) -> u16 {
    ((percent * 100.0).round() as u16).min(FULL)
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
