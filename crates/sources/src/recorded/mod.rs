//! Recorded trips: a CSV file that a car drives again.
//!
//! The first row of a [`Recording`] is "now" when its car starts. A read shows the last row that has come by then, and
//! the last row of all for ever after the end. Rows that cannot be true are left out when the file is read, and
//! counted; noise that can be true (a state of charge that rises a little, a gear that flips) stays, because it is
//! what triggers have to cope with.

mod columns;
mod recording;

pub use columns::{ColumnMap, MapRefused};
pub use recording::{Quirks, Recording, RecordingError, Skipped};

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use app::ports::{Answers, Clock, VehicleSource, no_such_source};
use async_trait::async_trait;
use domain::{
    errors::ErrorCode,
    signal::{self, SignalId, Value},
    time::Timestamp,
    vehicle::{Answer, Fault},
};
use minicbor::{Decoder, Encoder, data::Type, decode::Error};
use parking_lot::RwLock;
use store::SourceRef;

/// Which recording a car drives, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TripSpec {
    /// The name under which the recording is registered.
    pub name: String,
    /// When the first row is.
    pub started_at: Timestamp,
    /// How many times as fast as it was recorded it is driven; at least 1.
    pub speed: u16,
    /// The vehicle number, which no recording has.
    pub vin: Option<String>,
}

/// The bytes of a spec that was written by something else.
#[derive(Debug, thiserror::Error)]
#[error("the spec of a recorded car is malformed")]
pub struct MalformedTrip(#[from] Error);

impl TripSpec {
    /// The form that is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(vec![]);
        self.write(&mut encoder).expect("a vector takes all bytes");
        encoder.into_writer()
    }

    fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(4)?.str(&self.name)?.i64(self.started_at.as_micros())?.u16(self.speed)?;
        match &self.vin {
            Some(vin) => e.str(vin)?.ok(),
            None => e.null()?.ok(),
        }
    }

    /// From the stored form. What a newer program has appended is ignored.
    ///
    /// # Errors
    ///
    /// When the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedTrip> {
        let d = &mut Decoder::new(bytes);
        if d.array()?.is_none_or(|fields| fields < 4) {
            return Err(Error::message("fields are missing").into());
        }
        Ok(Self {
            name: d.str()?.into(),
            started_at: Timestamp::from_micros(d.i64()?),
            speed: d.u16()?.max(1),
            vin: if d.datatype()? == Type::Null { None } else { Some(d.str()?.into()) },
        })
    }

    /// What the car answers when it is asked at a moment: one answer per wanted signal, in their order.
    pub fn answer(&self, recording: &Recording, wanted: &[SignalId], now: Timestamp) -> Answers {
        let speed = u32::from(self.speed.max(1));
        let row = recording.row_at(now.since(self.started_at).saturating_mul(speed));
        let captured_at = self.started_at + recording.offset(row) / speed;
        let outcome = |signal| match self.value(recording, row, signal) {
            Some(value) => Ok((value, Some(captured_at))),
            None => Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into()),
        };
        wanted.iter().map(|&signal| Answer { signal, outcome: outcome(signal) }).collect()
    }

    fn value(&self, recording: &Recording, row: usize, signal: SignalId) -> Option<Value> {
        match signal {
            signal::VIN => self.vin.clone().map(Value::Text),
            signal => recording.value(row, signal),
        }
    }

    /// How long after its start the last row comes.
    pub fn length(&self, recording: &Recording) -> Duration {
        recording.length() / u32::from(self.speed.max(1))
    }
}

/// The source of cars that drive recordings.
pub struct RecordedTrips {
    clock: Arc<dyn Clock>,
    recordings: RwLock<BTreeMap<String, Arc<Recording>>>,
}

impl RecordedTrips {
    /// Without a recording.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, recordings: RwLock::default() }
    }

    /// Makes a recording known under a name; it takes the place of an earlier one.
    pub fn register(&self, name: impl Into<String>, recording: Recording) {
        self.recordings.write().insert(name.into(), Arc::new(recording));
    }

    /// The recording with a name.
    pub fn recording(&self, name: &str) -> Option<Arc<Recording>> {
        self.recordings.read().get(name).cloned()
    }
}

#[async_trait]
impl VehicleSource for RecordedTrips {
    async fn read(&self, car: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault> {
        let trip = TripSpec::decode(&car.spec).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "A recorded car cannot be read.");
            Fault::from(ErrorCode::SERVER_INTERNAL)
        })?;
        let recording = self.recording(&trip.name).ok_or_else(|| {
            tracing::warn!(
                recording.name = trip.name,
                "A car drives a recording that this server does not have."
            );
            no_such_source()
        })?;
        Ok(trip.answer(&recording, wanted, self.clock.now()))
    }
}

#[cfg(test)]
mod tests;
