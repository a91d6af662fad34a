//! Recorded trips that cars of the simulator drive.
//!
//! A recording is uploaded in parts, and complete when a car drives it. Manifest and parts arrive sealed under the data
//! key of the recording; whoever forgets one destroys that key first.

use async_trait::async_trait;
use domain::time::Timestamp;
use uuid::Uuid;

use crate::{Car, StoreError};

/// What a part of a recording is of. Stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordingPart {
    /// The file as it was uploaded, until it is read.
    Upload = 1,
    /// The trip, in the form in which it is driven.
    Trip = 2,
}

/// The car that drives a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordedCar {
    /// One that is added.
    New(Car),
    /// One that is there, with what its source needs from now on.
    Known(Uuid, Vec<u8>),
}

/// Recordings and their parts.
#[async_trait]
pub trait Recordings: Send + Sync + 'static {
    /// Begins a recording; it is not complete yet.
    async fn begin_recording(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError>;
    /// Keeps a part of a recording that is not complete; one with the same number is replaced. False when there is no such
    /// recording.
    async fn put_recording_part(
        &self,
        id: Uuid,
        kind: RecordingPart,
        no: u32,
        body: Vec<u8>,
    ) -> Result<bool, StoreError>;
    /// A part of a recording.
    async fn recording_part(
        &self,
        id: Uuid,
        kind: RecordingPart,
        no: u32,
    ) -> Result<Option<Vec<u8>>, StoreError>;
    /// How many parts of a kind there are, and whether they are numbered from 0 without a gap.
    async fn count_recording_parts(&self, id: Uuid, kind: RecordingPart) -> Result<(u32, bool), StoreError>;
    /// Completes a recording with its car. False when it does not exist, is complete, or the car does not exist.
    async fn complete_recording(
        &self,
        id: Uuid,
        manifest: Vec<u8>,
        car: RecordedCar,
    ) -> Result<bool, StoreError>;
    /// The manifest of a complete recording.
    async fn recording(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError>;
    /// Whether a recording is being uploaded.
    async fn is_being_uploaded(&self, id: Uuid) -> Result<bool, StoreError>;
    /// Recordings that nobody needs: not complete though begun before a moment, or driven for vehicles of which none is
    /// left.
    async fn unused_recordings(&self, begun_before: Timestamp) -> Result<Vec<Uuid>, StoreError>;
    /// The recordings that a car drives.
    async fn recordings_of_car(&self, car: Uuid) -> Result<Vec<Uuid>, StoreError>;
    /// Deletes a bounded number of parts of a kind; true when there are more.
    async fn delete_recording_parts(&self, id: Uuid, kind: RecordingPart) -> Result<bool, StoreError>;
    /// Forgets a recording with the car that drives it, unless a vehicle is that car. Its parts were deleted before.
    async fn forget_recording(&self, id: Uuid) -> Result<(), StoreError>;
    /// Deletes a car; false when it does not exist or a connected vehicle is that car.
    async fn delete_car(&self, id: Uuid) -> Result<bool, StoreError>;
}
