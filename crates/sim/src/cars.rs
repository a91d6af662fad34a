//! Cars that answer as they are told, around the simulated fleet; every read is remembered.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    io,
    sync::Arc,
    time::Duration,
};

use app::ports::{
    Answers, CarActivity, CarCommand, CarRefused, CarRequest, CarStage, Clock, MadeCar, NewRecording, ReadRecording,
    RecordingRefused, Simulator, VehicleSource,
};
use async_trait::async_trait;
use domain::{
    compatibility::Model,
    errors::ErrorCode,
    signal::{Powertrain, SignalId},
    time::Timestamp,
    vehicle::{Answer, Fault},
};
use parking_lot::Mutex;
use sources::simulated::{CarSpec, SimulatedFleet};
use store::SourceRef;
use uuid::Uuid;

use crate::{
    clock::VirtualClock,
    crash::{Fate, Moment},
    trace::Trace,
};

/// How a car answers a read.
#[derive(Clone, Debug, PartialEq)]
pub struct Mood {
    says: Says,
    after: Duration,
}

#[derive(Clone, Debug, PartialEq)]
enum Says {
    What,
    No(Fault),
    Partly(Vec<SignalId>, Fault),
    These(Answers),
    Nothing,
}

/// The car answers as it is.
pub const fn well() -> Mood {
    Mood { says: Says::What, after: Duration::ZERO }
}

/// The read fails as a whole.
pub fn fails(code: ErrorCode) -> Mood {
    Mood { says: Says::No(code.into()), after: Duration::ZERO }
}

/// Some signals fail.
pub fn fails_for(signals: &[SignalId], code: ErrorCode) -> Mood {
    Mood { says: Says::Partly(signals.into(), code.into()), after: Duration::ZERO }
}

/// The car answers just this.
pub const fn says(answers: Answers) -> Mood {
    Mood { says: Says::These(answers), after: Duration::ZERO }
}

/// No answer ever comes.
pub const fn is_silent() -> Mood {
    Mood { says: Says::Nothing, after: Duration::ZERO }
}

impl Mood {
    /// The same, so much later.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self { after: pause, ..self }
    }
}

/// A read that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// The car's vehicle number.
    pub vin: String,
    /// What for.
    pub wanted: Vec<SignalId>,
}

/// All cars of a world; they outlive the application's crashes.
#[derive(Clone)]
pub(crate) struct Cars {
    fleet: Arc<SimulatedFleet>,
    scripts: Arc<Mutex<BTreeMap<String, Script>>>,
    reads: Arc<Mutex<Vec<Read>>>,
    clock: VirtualClock,
    trace: Trace,
}

struct Script {
    next: VecDeque<Mood>,
    then: Mood,
}

impl Cars {
    pub(crate) fn new(clock: VirtualClock, trace: Trace) -> Self {
        let fleet = Arc::new(SimulatedFleet::new(Arc::new(clock.clone()), 0));
        Self { fleet, scripts: Arc::default(), reads: Arc::default(), clock, trace }
    }

    /// How a car answers next, one by one, and how it does afterwards.
    pub(crate) fn script(&self, vin: &str, next: &[Mood], then: Mood) {
        let next = next.iter().cloned().collect();
        self.scripts.lock().insert(vin.to_owned(), Script { next, then });
    }

    /// Every read so far.
    pub(crate) fn reads(&self) -> Vec<Read> {
        self.reads.lock().clone()
    }

    fn mood(&self, vin: &str) -> Mood {
        match self.scripts.lock().get_mut(vin) {
            Some(script) => script.next.pop_front().unwrap_or_else(|| script.then.clone()),
            None => well(),
        }
    }
}

/// The way from one life of the process to the cars.
pub(crate) struct Road {
    pub(crate) cars: Cars,
    pub(crate) fate: Fate,
}

#[async_trait]
impl VehicleSource for Road {
    async fn read(&self, car: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault> {
        if self.fate.strikes(Moment::BeforeRead) {
            return pending().await;
        }
        let vin = CarSpec::decode(&car.spec).expect("a car of this world").vin();
        let mood = self.cars.mood(&vin);
        let at = self.cars.clock.now();
        self.cars.trace.line(format_args!("{at} read {vin} {wanted:?}"));
        self.cars.reads.lock().push(Read { at, vin, wanted: wanted.into() });
        if !mood.after.is_zero() {
            self.cars.clock.sleep(mood.after).await;
        }
        let answered = match mood.says {
            Says::What => self.cars.fleet.read(car, wanted).await,
            Says::No(fault) => Err(fault),
            Says::Partly(failing, fault) => {
                let answers = self.cars.fleet.read(car, wanted).await;
                answers
                    .map(|answers| answers.into_iter().map(|answer| spoil(answer, &failing, fault)).collect())
            }
            Says::These(answers) => Ok(answers),
            Says::Nothing => return pending().await,
        };
        if self.fate.strikes(Moment::AfterRead) {
            return pending().await;
        }
        answered
    }
}

fn spoil(answer: Answer, failing: &[SignalId], fault: Fault) -> Answer {
    match failing.contains(&answer.signal) {
        true => Answer { outcome: Err(fault), ..answer },
        false => answer,
    }
}

/// A world makes its cars itself, so nobody asks for controls.
pub(crate) struct NoControls;

impl Simulator for NoControls {
    fn make(&self, _: &CarRequest, _: u64, _: Timestamp) -> Result<MadeCar, CarRefused> {
        Err(CarRefused::new("make", "this world makes its cars itself"))
    }

    fn control(&self, _: &[u8], _: &CarCommand, _: Timestamp) -> Result<Vec<u8>, CarRefused> {
        Err(CarRefused::new("command", "this world has no controls"))
    }

    fn stages(&self, _: &[u8], _: Timestamp) -> Result<Vec<CarStage>, String> {
        Err("this world has no stages".into())
    }

    fn describe(&self, _: &[u8], _: Timestamp) -> CarActivity {
        CarActivity::default()
    }

    fn record(
        &self,
        _: &NewRecording,
        _: Uuid,
        _: &mut dyn io::Read,
        _: Timestamp,
    ) -> Result<ReadRecording, RecordingRefused> {
        let message = "this world records nothing".into();
        Err(RecordingRefused { field: "csv", message, report: None })
    }

    fn models(&self) -> Vec<(String, String, u16, u16, Powertrain, String)> {
        Vec::new()
    }

    fn catalogue(&self) -> Vec<Model> {
        Vec::new()
    }

    fn model_of_vin(&self, _: &str) -> Option<(usize, u16)> {
        None
    }
}
