//! Where readings come from: the [`simulated`] fleet and [`recorded`] trips.
//!
//! A source is asked for signals of one car and answers each, or says why it cannot. Which source a car belongs to is
//! the kind in its [`SourceRef`]; [`Sources`] sends a read to the right one. The rest of a `SourceRef` is the source's
//! own: sources here keep all that they know of a car in it, so that a fleet of a million costs no memory, and any
//! node answers for any car.

pub mod recorded;
pub mod simulated;

#[cfg(test)]
mod testing;

use std::sync::Arc;

use app::ports::{Answers, RecordingReads, VehicleSource, no_such_source};
use async_trait::async_trait;
use domain::{
    errors::ErrorCode,
    signal::{BrandRead, Details, SignalId},
    vehicle::{Command, Fault},
};
use store::SourceRef;

/// The kind of a car of the simulated fleet. Stored.
pub const SIMULATED: u8 = 1;
/// The kind of a car of a recording. Stored.
pub const RECORDED: u8 = 2;

/// All sources of a server, by kind.
#[derive(Clone, Default)]
pub struct Sources {
    by_kind: Vec<(u8, Arc<dyn VehicleSource>)>,
}

impl Sources {
    /// No source yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a source for cars of this kind; it takes the place of an earlier one.
    #[must_use]
    pub fn with(mut self, kind: u8, source: Arc<dyn VehicleSource>) -> Self {
        self.by_kind.retain(|&(other, _)| other != kind);
        self.by_kind.push((kind, source));
        self
    }

    fn of(&self, kind: u8) -> Result<&dyn VehicleSource, Fault> {
        let found = self.by_kind.iter().find(|&&(known, _)| known == kind);
        found.map(|(_, source)| &**source).ok_or_else(no_such_source)
    }
}

#[async_trait]
impl VehicleSource for Sources {
    async fn read(&self, car: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault> {
        self.of(car.kind)?.read(car, wanted).await
    }

    fn attach(&self, recordings: Arc<dyn RecordingReads>) {
        for (_, source) in &self.by_kind {
            source.attach(recordings.clone());
        }
    }

    fn offers(&self, car: &SourceRef, signal: SignalId) -> bool {
        self.of(car.kind).map_or(true, |source| source.offers(car, signal))
    }

    async fn details(&self, car: &SourceRef, read: BrandRead) -> Result<Option<Details>, Fault> {
        self.of(car.kind)?.details(car, read).await
    }

    fn can(&self, car: &SourceRef, command: Command) -> Result<(), ErrorCode> {
        match self.of(car.kind) {
            Ok(source) => source.can(car, command),
            Err(_) => Err(ErrorCode::COMPATIBILITY_SMARTCAR_NOT_CAPABLE),
        }
    }

    async fn command(&self, car: &SourceRef, command: Command) -> Result<Option<Vec<u8>>, Fault> {
        self.of(car.kind)?.command(car, command).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ids::PoolNo, signal, signal::Value, vehicle::Answer};
    use futures::executor::block_on;

    /// Answers every signal with its own name.
    struct Named(&'static str);

    #[async_trait]
    impl VehicleSource for Named {
        async fn read(&self, _: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault> {
            let answer = |&signal| Answer { signal, outcome: Ok((Value::Text(self.0.into()), None)) };
            Ok(wanted.iter().map(answer).collect())
        }
    }

    fn who_answers(sources: &Sources, kind: u8) -> Result<Value, Fault> {
        let car = SourceRef { kind, pool: PoolNo(1), spec: vec![] };
        let answers = block_on(sources.read(&car, &[signal::VIN]))?;
        answers[0].outcome.clone().map(|(value, _)| value)
    }

    #[test]
    fn a_read_goes_to_the_source_of_the_car_and_an_unknown_kind_is_a_fault() {
        let sources = Sources::new()
            .with(SIMULATED, Arc::new(Named("old")))
            .with(RECORDED, Arc::new(Named("recorded")))
            .with(SIMULATED, Arc::new(Named("simulated")));
        assert_eq!(who_answers(&sources, SIMULATED), Ok(Value::Text("simulated".into())));
        assert_eq!(who_answers(&sources, RECORDED), Ok(Value::Text("recorded".into())));
        assert_eq!(who_answers(&sources, 9), Err(no_such_source()));
    }
}
