//! The simulated fleet: cars that nobody has to own.
//!
//! A car is a function of its [`CarSpec`] and the time. It has no state anywhere else, so a million idle cars cost
//! nothing, a restart loses nothing, any node may be asked, and the same question at the same time gets the same
//! answer bit for bit.
//!
//! What a car does is its [`Profile`]; what goes wrong with it, its [`Trouble`]; how long reads take, its
//! [`Latency`]. Controls (start, pause, jump and so on) are functions from spec to spec: whoever keeps the vehicle
//! stores the new spec.

mod accounts;
mod chance;
mod charger;
mod commands;
mod details;
mod journey;
mod latency;
mod mishap;
pub mod models;
mod plan;
mod settings;
mod spec;
mod trouble;
mod values;
mod vin;

pub use commands::{can, command};
pub use latency::Latency;
pub use models::{Model, ModelNo, NoSuchCar, Region, SignalSet, find, find_newest, models};
pub use spec::{Account, CarSpec, MalformedSpec, Profile, Run, SpecRefused};
pub use trouble::{TestLogin, Trouble, trouble_for_login, trouble_for_vin, vin_for_error};

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use app::ports::{Answers, Clock, VehicleSource};
use async_trait::async_trait;
use domain::{
    errors::ErrorCode,
    signal::{BrandRead, Details, SignalId},
    time::Timestamp,
    vehicle::{Answer, Command, Fault},
};
use parking_lot::Mutex;
use store::SourceRef;

use journey::Moment;

/// What a car answers when it is asked at a moment: one answer per wanted signal, in their order.
///
/// # Errors
///
/// What the owner's account refuses, the trouble of the car, or `CONNECTED_SERVICES_ACCOUNT:ACCOUNT_ISSUE` when it was never started.
pub fn answer(spec: &CarSpec, wanted: &[SignalId], now: Timestamp) -> Result<Answers, Fault> {
    if let Some(fault) = spec.refusal(now) {
        return Err(fault);
    }
    let trouble = spec.trouble();
    let moment = Moment::reported(spec, spec.elapsed_us(now));
    let captured_at = spec.clock_at(moment.at_us).min(now);
    let outcome = |signal| {
        if !spec.model().has(signal) {
            return Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into());
        }
        if let Some(fault) = trouble.and_then(|trouble| trouble.of_signal(signal)) {
            return Err(fault);
        }
        let value = values::value(spec, &moment, signal);
        value
            .map(|value| (value, Some(captured_at)))
            .ok_or(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into())
    };
    Ok(wanted.iter().map(|&signal| Answer { signal, outcome: outcome(signal) }).collect())
}

/// What a car tells for a read of its brand, beside its signals.
///
/// # Errors
///
/// As [`answer`].
pub fn details(spec: &CarSpec, read: BrandRead, now: Timestamp) -> Result<Details, Fault> {
    if let Some(fault) = spec.refusal(now) {
        return Err(fault);
    }
    let moment = Moment::reported(spec, spec.elapsed_us(now));
    let captured_at = spec.clock_at(moment.at_us).min(now);
    Ok(details::details(spec, &moment, read, captured_at))
}

/// The model and the year of a simulated car, by its vehicle number.
pub fn model_of_vin(vin: &str) -> Option<(ModelNo, u16)> {
    let (model, year) = vin::read(vin)?;
    let model = ModelNo::from_number(model)?;
    let (first, last) = model.model().years;
    (first..=last).contains(&year).then_some((model, year))
}

/// How many reads ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Every signal had a value.
    pub complete: u64,
    /// Some signals had none.
    pub partial: u64,
    /// The read failed as a whole.
    pub failed: u64,
}

impl ReadCounts {
    /// All reads.
    pub const fn total(&self) -> u64 {
        self.complete + self.partial + self.failed
    }
}

/// A read that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRead {
    /// The vehicle number of the car.
    pub vin: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// What for.
    pub wanted: Vec<SignalId>,
    /// Why it failed as a whole, if it did.
    pub fault: Option<Fault>,
}

/// The source of simulated cars.
pub struct SimulatedFleet {
    clock: Arc<dyn Clock>,
    seed: u64,
    complete: AtomicU64,
    partial: AtomicU64,
    failed: AtomicU64,
    recording: AtomicBool,
    recorded: Mutex<VecDeque<RecordedRead>>,
}

impl SimulatedFleet {
    /// How many reads are recorded; older ones are forgotten.
    pub const MAX_RECORDED: usize = 100_000;

    /// A fleet. The seed decides how long realistic reads take, and nothing else.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            clock,
            seed,
            complete: AtomicU64::new(0),
            partial: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            recording: AtomicBool::new(false),
            recorded: Mutex::default(),
        }
    }

    /// How many reads there were since the fleet was made.
    pub fn reads(&self) -> ReadCounts {
        ReadCounts {
            complete: self.complete.load(Relaxed),
            partial: self.partial.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    /// Whether single reads are recorded from now on. Those that are there stay.
    pub fn record_reads(&self, recording: bool) {
        self.recording.store(recording, Relaxed);
    }

    /// The reads that were recorded, of all cars, oldest first.
    pub fn recorded_reads(&self) -> Vec<RecordedRead> {
        self.recorded.lock().iter().cloned().collect()
    }

    fn count(&self, result: &Result<Answers, Fault>) {
        let counter = match result {
            Ok(answers) if answers.iter().all(|answer| answer.outcome.is_ok()) => &self.complete,
            Ok(_) => &self.partial,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn record(
        &self,
        spec: &CarSpec,
        asked_at: Timestamp,
        wanted: &[SignalId],
        result: &Result<Answers, Fault>,
    ) {
        let fault = result.as_ref().err().copied();
        let read = RecordedRead { vin: spec.vin(), asked_at, wanted: wanted.into(), fault };
        let mut recorded = self.recorded.lock();
        if recorded.len() == Self::MAX_RECORDED {
            recorded.pop_front();
        }
        recorded.push_back(read);
    }
}

#[async_trait]
impl VehicleSource for SimulatedFleet {
    async fn read(&self, car: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault> {
        let spec = decoded(car)?;
        let asked_at = self.clock.now();
        let latency = spec.latency.of_read(self.seed ^ u64::from(spec.seed), asked_at);
        if !latency.is_zero() {
            self.clock.sleep(latency).await;
        }
        let result = answer(&spec, wanted, asked_at);
        self.count(&result);
        if self.recording.load(Relaxed) {
            self.record(&spec, asked_at, wanted, &result);
        }
        result
    }

    fn offers(&self, car: &SourceRef, signal: SignalId) -> bool {
        CarSpec::decode(&car.spec).map_or(true, |spec| spec.model().has(signal))
    }

    async fn details(&self, car: &SourceRef, read: BrandRead) -> Result<Option<Details>, Fault> {
        details(&decoded(car)?, read, self.clock.now()).map(Some)
    }

    fn can(&self, car: &SourceRef, command: Command) -> Result<(), ErrorCode> {
        CarSpec::decode(&car.spec).map_or(Ok(()), |spec| can(&spec, command))
    }

    async fn command(&self, car: &SourceRef, wish: Command) -> Result<Option<Vec<u8>>, Fault> {
        let spec = decoded(car)?;
        let latency = spec.latency.of_read(self.seed ^ u64::from(spec.seed), self.clock.now());
        if !latency.is_zero() {
            self.clock.sleep(latency).await;
        }
        let after = command(spec, wish, self.clock.now())?.encode();
        Ok((after != car.spec).then_some(after))
    }
}

fn decoded(car: &SourceRef) -> Result<CarSpec, Fault> {
    CarSpec::decode(&car.spec).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "A simulated car cannot be read.");
        Fault::from(ErrorCode::SERVER_INTERNAL)
    })
}

#[cfg(test)]
mod tests;
