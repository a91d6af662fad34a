//! Recorded trips: separated text or a track (GPX) that a car drives again.
//!
//! The first row of a [`Recording`] is "now" when its car starts. A read shows for each signal the last value that has
//! come by then, and the last of all for ever after the end. What cannot be read or cannot be true is left out cell by
//! cell and counted by reason; noise that can be true (a state of charge that rises a little, a gear that flips) stays,
//! because it is what triggers have to cope with.
//!
//! Reading goes `text` (bytes to UTF-8) → `table` or `gpx` (rows) → `moment` and `cells` (values) → `import` (counting)
//! → `recording` (order). All of it is streamed; only values are kept, in columns.

mod cells;
mod columns;
mod gpx;
mod import;
mod moment;
mod recording;
mod stored;
mod table;
mod text;

pub use columns::{ColumnMap, MapRefused};
pub use recording::{Recording, RecordingError};
pub use stored::Parts;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use app::ports::{Answers, Clock, RecordingReads, VehicleSource};
use async_trait::async_trait;
use domain::{
    errors::ErrorCode,
    signal::{self, SignalId, Value},
    time::Timestamp,
    vehicle::{Answer, Fault},
};
use minicbor::{Decoder, Encoder, data::Type, decode::Error};
use store::SourceRef;
use uuid::Uuid;

use self::stored::{Cache, Unreadable};

/// Which recording a car drives, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TripSpec {
    /// What people call it.
    pub name: String,
    /// When the first row is.
    pub started_at: Timestamp,
    /// How many times as fast as it was recorded it is driven; at least 1.
    pub speed: u16,
    /// The vehicle number, which no recording has.
    pub vin: Option<String>,
    /// The stored recording; none of a car from before recordings were stored with all other data, until it was taken over.
    pub recording: Option<Uuid>,
    /// How long the recording is.
    pub length: Duration,
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
        e.array(6)?.str(&self.name)?.i64(self.started_at.as_micros())?.u16(self.speed)?;
        match &self.vin {
            Some(vin) => e.str(vin)?,
            None => e.null()?,
        };
        match &self.recording {
            Some(recording) => e.bytes(recording.as_bytes())?,
            None => e.null()?,
        };
        e.u64(u64::try_from(self.length.as_micros()).unwrap_or(u64::MAX))?.ok()
    }

    /// From the stored form. What a newer program has appended is ignored.
    ///
    /// # Errors
    ///
    /// When the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedTrip> {
        let d = &mut Decoder::new(bytes);
        let fields = d.array()?.unwrap_or_default();
        if fields < 4 {
            return Err(Error::message("fields are missing").into());
        }
        let name = d.str()?.into();
        let (started_at, speed) = (Timestamp::from_micros(d.i64()?), d.u16()?.max(1));
        let vin = if d.datatype()? == Type::Null { d.null().map(|()| None)? } else { Some(d.str()?.into()) };
        let (mut recording, mut length) = (None, Duration::ZERO);
        if fields >= 6 {
            if d.datatype()? == Type::Null {
                d.null()?;
            } else {
                let id = Uuid::from_slice(d.bytes()?).map_err(|_| Error::message("an id has 16 bytes"))?;
                recording = Some(id);
            }
            length = Duration::from_micros(d.u64()?);
        }
        Ok(Self { name, started_at, speed, vin, recording, length })
    }

    /// How far in the recording the car is at a moment.
    fn elapsed(&self, now: Timestamp) -> Duration {
        now.since(self.started_at).saturating_mul(u32::from(self.speed.max(1)))
    }

    /// What the car answers when it is asked at a moment: one answer per wanted signal, in their order.
    pub fn answer(&self, recording: &Recording, wanted: &[SignalId], now: Timestamp) -> Answers {
        let speed = u32::from(self.speed.max(1));
        let row = recording.row_at(self.elapsed(now));
        let captured_at = |row: usize| self.started_at + recording.offset(row) / speed;
        let known = |signal| match signal {
            signal::VIN if self.vin.is_some() => self.vin.clone().map(|vin| (Value::Text(vin), row)),
            // A value that comes later than this row was the car's before, too: it counts from the start.
            signal => {
                recording.value_and_row(row, signal).map(|(value, at)| (value, if at > row { 0 } else { at }))
            }
        };
        let outcome = |signal| match known(signal) {
            Some((value, at)) => Ok((value, Some(captured_at(at)))),
            None => Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE.into()),
        };
        wanted.iter().map(|&signal| Answer { signal, outcome: outcome(signal) }).collect()
    }

    /// How long after its start the last row comes.
    pub fn duration(&self) -> Duration {
        self.length / u32::from(self.speed.max(1))
    }
}

/// The source of cars that drive recordings.
pub struct RecordedTrips {
    clock: Arc<dyn Clock>,
    recordings: OnceLock<Arc<dyn RecordingReads>>,
    cache: Cache,
}

impl RecordedTrips {
    /// Without recordings until some are attached.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, recordings: OnceLock::new(), cache: Cache::default() }
    }

    async fn part(&self, trip: &TripSpec, elapsed: Duration) -> Result<Arc<Recording>, Unreadable> {
        let (Some(recordings), Some(id)) = (self.recordings.get(), trip.recording) else {
            return Err(Unreadable::Missing);
        };
        let elapsed = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.cache.part_at(&**recordings, id, elapsed).await
    }
}

/// The fault of a car whose recording cannot be read: what should say how it is, says nothing that makes sense.
fn unreadable() -> Fault {
    Fault::from(ErrorCode::UPSTREAM_INVALID_DATA)
}

#[async_trait]
impl VehicleSource for RecordedTrips {
    fn attach(&self, recordings: Arc<dyn RecordingReads>) {
        // Attached once; a second time changes nothing.
        let _ = self.recordings.set(recordings);
    }

    async fn read(&self, car: &SourceRef, wanted: &[SignalId]) -> Result<Answers, Fault> {
        let trip = TripSpec::decode(&car.spec).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "A recorded car cannot be read.");
            unreadable()
        })?;
        let now = self.clock.now();
        match self.part(&trip, trip.elapsed(now)).await {
            Ok(part) => Ok(trip.answer(&part, wanted, now)),
            Err(error) => {
                tracing::warn!(recording.name = trip.name, %error, "A recording cannot be replayed.");
                if let Some(recordings) = self.recordings.get() {
                    recordings.failed(&trip.name, &error.to_string());
                }
                Err(unreadable())
            }
        }
    }
}

#[cfg(test)]
mod forms;
#[cfg(test)]
mod tests;
