//! Recorded trips: how they are taken in, stored and forgotten.
//!
//! A file comes whole with its request, or before it in parts of an upload. It is read off the asynchronous workers, one
//! at a time, and what was understood of it is stored in parts that a read of its car needs one of. A recording has a
//! data key of its own, under which all of it is sealed from the first part of an upload on. Forgetting it destroys the
//! key first, so that backups forget it, too.
//!
//! A recording that is not complete when the process starts, or a day after it was begun, was given up, and one whose
//! vehicles were all erased has served: both are forgotten. What is cut off by a crash is done at the next start.

mod report;

use std::{
    io::{self, Read},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ids::VehicleId,
    time::Timestamp,
    vehicle::{Mode, VehicleInfo},
};
use store::{Car, RecordedCar, RecordingPart, SourceRef, Store};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use report::{ImportReport, SkipReason, Skipped};

use crate::{
    App, AppError, CarState, Health, Sealer, What,
    ports::{MadeCar, NewRecording, ReadRecording, RecordingReads, RecordingRefused},
    usecases::chance,
};

/// Bytes of one part of an upload.
pub const LARGEST_UPLOAD_PART: usize = 256 * 1024;
/// Parts of one upload: 256 MiB.
pub const MOST_UPLOAD_PARTS: u32 = 1_024;
/// After so long an upload that nobody has used was given up.
const UPLOADS_WAIT: Duration = Duration::from_secs(24 * 3_600);
/// Parts of an upload that wait to be read.
const PARTS_AHEAD: usize = 4;

impl App {
    /// Begins an upload of a recording.
    pub async fn begin_upload(&self) -> Result<Uuid, AppError> {
        let now = self.now();
        let long_ago = Timestamp::from_micros(now.as_micros() - UPLOADS_WAIT.as_micros() as i64);
        self.forget_unused_recordings(long_ago).await?;
        let id = VehicleId::new(now, chance(&*self.dice)).0;
        self.sealer.make_keys(&[id]).await?;
        self.store.begin_recording(id, now).await?;
        Ok(id)
    }

    /// Keeps a part of an upload, counted from 0; one with the same number is replaced.
    pub async fn put_upload_part(&self, upload: Uuid, no: u32, body: &[u8]) -> Result<(), AppError> {
        if no >= MOST_UPLOAD_PARTS {
            return Err(AppError::invalid(
                "part",
                format!("parts are numbered from 0 to {}", MOST_UPLOAD_PARTS - 1),
            ));
        }
        if body.is_empty() || body.len() > LARGEST_UPLOAD_PART {
            return Err(AppError::invalid("part", format!("a part has 1 to {LARGEST_UPLOAD_PART} bytes")));
        }
        if !self.store.is_being_uploaded(upload).await? {
            return Err(AppError::NotFound("upload"));
        }
        let key = self.sealer.key(upload).await?;
        let sealed = key.seal(&*self.dice, What::Recording, place(upload, RecordingPart::Upload, no), body);
        match self.store.put_recording_part(upload, RecordingPart::Upload, no, sealed).await? {
            true => Ok(()),
            false => Err(AppError::NotFound("upload")),
        }
    }

    /// Reads what was uploaded, and makes a car that drives it from now on. When it cannot be taken, the upload is kept for
    /// another attempt.
    pub async fn record_upload(
        self: &Arc<Self>,
        upload: Uuid,
        recording: NewRecording,
    ) -> Result<(CarState, ImportReport), AppError> {
        if !self.store.is_being_uploaded(upload).await? {
            return Err(AppError::NotFound("upload"));
        }
        let (parts, whole) = self.store.count_recording_parts(upload, RecordingPart::Upload).await?;
        if parts == 0 || !whole {
            return Err(AppError::Conflict(
                "parts of the upload are missing: send all of them first, from 0 on".into(),
            ));
        }
        let _one_at_a_time = self.imports.lock().await;
        let (send, receive) = mpsc::channel(PARTS_AHEAD);
        let reading =
            self.read_recording(recording, upload, PartsReader { receive, part: Vec::new(), at: 0 });
        let (read, ()) = futures::join!(reading, self.send_parts(upload, parts, send));
        let answer = self.store_trip(upload, read?, None).await?;
        while self.store.delete_recording_parts(upload, RecordingPart::Upload).await? {}
        Ok(answer)
    }

    /// Reads a recorded trip, and makes a car that drives it from now on.
    pub async fn record_trip(
        self: &Arc<Self>,
        recording: NewRecording,
        file: Vec<u8>,
    ) -> Result<(CarState, ImportReport), AppError> {
        self.import_trip(recording, file, None).await
    }

    /// Reads a recorded trip that a car drives from now on that exists already; its `started_at` stays, if it has one.
    pub async fn record_trip_for(
        self: &Arc<Self>,
        car: Uuid,
        recording: NewRecording,
        file: Vec<u8>,
    ) -> Result<(CarState, ImportReport), AppError> {
        self.import_trip(recording, file, Some(car)).await
    }

    async fn import_trip(
        self: &Arc<Self>,
        recording: NewRecording,
        file: Vec<u8>,
        car: Option<Uuid>,
    ) -> Result<(CarState, ImportReport), AppError> {
        let _one_at_a_time = self.imports.lock().await;
        let id = VehicleId::new(self.now(), chance(&*self.dice)).0;
        let read = self.read_recording(recording, id, io::Cursor::new(file)).await?;
        self.sealer.make_keys(&[id]).await?;
        self.store.begin_recording(id, self.now()).await?;
        let stored = self.store_trip(id, read, car).await;
        if stored.is_err()
            && let Err(error) = self.forget_recording(id).await
        {
            // The next start does it.
            tracing::warn!(%error, "What was stored of a recording could not be deleted.");
        }
        stored
    }

    async fn send_parts(&self, upload: Uuid, parts: u32, send: mpsc::Sender<Result<Vec<u8>, AppError>>) {
        for no in 0..parts {
            let part = open_part(&*self.store, &self.sealer, upload, RecordingPart::Upload, no).await;
            let part = part.and_then(|part| part.ok_or(AppError::NotFound("upload")));
            let broke = part.is_err();
            // Who reads may have seen enough.
            if send.send(part).await.is_err() || broke {
                return;
            }
        }
    }

    /// Reads a file off the asynchronous workers.
    async fn read_recording(
        &self,
        recording: NewRecording,
        id: Uuid,
        mut file: impl Read + Send + 'static,
    ) -> Result<ReadRecording, AppError> {
        let (simulator, now) = (self.simulator.clone(), self.now());
        let (send, read) = oneshot::channel();
        self.spawn.spawn_blocking(Box::new(move || {
            // Whoever asked may have gone.
            let _ = send.send(simulator.record(&recording, id, &mut file, now));
        }));
        match read.await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(RecordingRefused { field, message, report: None })) => {
                Err(AppError::invalid(field, message))
            }
            Ok(Err(RecordingRefused { message, report: Some(report), .. })) => {
                Err(AppError::NothingTaken { message, report })
            }
            Err(_) => Err(AppError::Internal("the reader of a recording has panicked".into())),
        }
    }

    /// Stores the parts, then completes the recording with its car.
    async fn store_trip(
        self: &Arc<Self>,
        id: Uuid,
        read: ReadRecording,
        known: Option<Uuid>,
    ) -> Result<(CarState, ImportReport), AppError> {
        let ReadRecording { car, trip, report } = read;
        let key = self.sealer.key(id).await?;
        let seal =
            |kind, no, plain: &[u8]| key.seal(&*self.dice, What::Recording, place(id, kind, no), plain);
        for no in 0..trip.parts() {
            let sealed = seal(RecordingPart::Trip, no, &trip.part(no));
            if !self.store.put_recording_part(id, RecordingPart::Trip, no, sealed).await? {
                return Err(AppError::NotFound("upload"));
            }
        }
        let manifest = seal(RecordingPart::Trip, MANIFEST, &trip.manifest());
        let (car_id, car) = match known {
            Some(known) => (known, RecordedCar::Known(known, car.spec)),
            None => {
                let car = self.new_car(car).await?;
                (car.id, RecordedCar::New(car))
            }
        };
        if !self.store.complete_recording(id, manifest, car).await? {
            return Err(AppError::NotFound("upload"));
        }
        Ok((self.car(car_id).await?, report))
    }

    pub(crate) async fn new_car(self: &Arc<Self>, made: MadeCar) -> Result<Car, AppError> {
        let now = self.now();
        let id = VehicleId::new(now, chance(&*self.dice));
        let pool = self.pool(&format!("simulated:{}", made.make)).await?;
        let info = VehicleInfo {
            id,
            make: made.make,
            model: made.model,
            year: made.year,
            mode: Mode::Simulated,
            powertrain: made.powertrain,
            region: made.region,
        };
        let source = SourceRef { kind: made.kind, pool, spec: made.spec };
        Ok(Car { id: id.0, info, source, created_at: now })
    }

    /// Deletes a car of the simulator with what it drives, unless a vehicle is connected to it.
    pub async fn delete_car(&self, id: Uuid) -> Result<(), AppError> {
        let recordings = self.store.recordings_of_car(id).await?;
        if !self.store.delete_car(id).await? {
            let (_, vehicles) = self.store.car(id).await?.ok_or(AppError::NotFound("simulated vehicle"))?;
            let many = vehicles.len();
            return Err(AppError::Conflict(format!(
                "vehicles of applications are this car ({many} connected); disconnect or erase them first"
            )));
        }
        for recording in recordings {
            self.forget_recording(recording).await?;
        }
        Ok(())
    }

    /// Forgets recordings that nobody needs, among them uploads that were begun before a moment.
    pub(crate) async fn forget_unused_recordings(&self, begun_before: Timestamp) -> Result<(), AppError> {
        loop {
            let unused = self.store.unused_recordings(begun_before).await?;
            if unused.is_empty() {
                return Ok(());
            }
            for recording in unused {
                self.forget_recording(recording).await?;
            }
        }
    }

    /// Forgets the recordings of which every vehicle was erased.
    pub(crate) async fn forget_erased_recordings(&self) -> Result<(), AppError> {
        let now = self.now();
        let long_ago = Timestamp::from_micros(now.as_micros() - UPLOADS_WAIT.as_micros() as i64);
        self.forget_unused_recordings(long_ago).await
    }

    async fn forget_recording(&self, id: Uuid) -> Result<(), AppError> {
        self.sealer.erase(id, self.now()).await?;
        for kind in [RecordingPart::Upload, RecordingPart::Trip] {
            while self.store.delete_recording_parts(id, kind).await? {}
        }
        Ok(self.store.forget_recording(id).await?)
    }
}

/// The number of the manifest among the parts of a trip, of which there are never so many.
const MANIFEST: u32 = u32::MAX;

/// What a sealed part is of: a part at another place does not open.
fn place(recording: Uuid, kind: RecordingPart, no: u32) -> Uuid {
    Uuid::from_u128(recording.as_u128() ^ (u128::from(kind as u8) << 32) ^ u128::from(no))
}

async fn open_part(
    store: &dyn Store,
    sealer: &Sealer,
    recording: Uuid,
    kind: RecordingPart,
    no: u32,
) -> Result<Option<Vec<u8>>, AppError> {
    let sealed = match no {
        MANIFEST => store.recording(recording).await?,
        no => store.recording_part(recording, kind, no).await?,
    };
    let Some(sealed) = sealed else { return Ok(None) };
    let key = sealer.key(recording).await?;
    Ok(Some(key.open(What::Recording, place(recording, kind, no), &sealed)?))
}

/// Recordings as the source of their cars reads them.
pub(crate) struct StoredRecordings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) health: Arc<Health>,
}

#[async_trait]
impl RecordingReads for StoredRecordings {
    async fn manifest(&self, recording: Uuid) -> Result<Option<Vec<u8>>, String> {
        self.part(recording, MANIFEST).await
    }

    async fn part(&self, recording: Uuid, no: u32) -> Result<Option<Vec<u8>>, String> {
        let part = open_part(&*self.store, &self.sealer, recording, RecordingPart::Trip, no).await;
        part.map_err(|error| error.to_string())
    }

    fn failed(&self, name: &str, problem: &str) {
        self.health.recording_failed(name, problem);
    }
}

/// The parts of an upload, one after the other; used on a thread that may block.
struct PartsReader {
    receive: mpsc::Receiver<Result<Vec<u8>, AppError>>,
    part: Vec<u8>,
    at: usize,
}

impl Read for PartsReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.part.len() {
            match self.receive.blocking_recv() {
                None => return Ok(0),
                Some(Ok(part)) => (self.part, self.at) = (part, 0),
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
            }
        }
        let taken = buf.len().min(self.part.len() - self.at);
        buf[..taken].copy_from_slice(&self.part[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}
