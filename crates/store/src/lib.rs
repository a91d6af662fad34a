//! What Milepost stores, as traits: one method is one use and one transaction, and no transaction crosses the trait.
//!
//! A store sees opaque bytes where data is sensitive: documents and observations arrive encoded and sealed. `now` is an
//! argument everywhere, so every backend can be tested at any date. When a method returns `Ok`, what it wrote is on
//! stable storage. A promise that every backend must keep is a function of [`conformance`].

pub mod conformance;
mod deliveries;
mod error;
mod grants;
mod keyring;
mod ledger;
mod queue;
mod recordings;
mod registry;
mod upkeep;
mod vehicles;

pub use deliveries::{Bucket, Deliveries, DeliveryFilter, LogStatus, LoggedDelivery, Page};
pub use error::StoreError;
pub use grants::{Code, Grants, NewPair, Redeemed, Refreshed, TokenGrant};
pub use keyring::{Keyring, Subject, WrappedKey};
pub use ledger::{EndKind, LedgerEntry, WebhookState, grant_key, grant_of_key};
pub use queue::{
    LaneKey, LaneLease, NodeId, OutcomeOf, Queue, QueuePlace, QueuedEvent, Record, Recorded, Redelivered,
    Scope, Tombstone, Unsendable, WaitingEvent, WaitingFilter, WaitingPage,
};
pub use recordings::{RecordedCar, RecordingPart, Recordings};
pub use registry::{
    Application, Edited, Feed, KeepAnswer, Kept, NewApplication, NewWebhook, Newer, Registry, RetiringToken,
    Secret, SecretHash, StoredWebhook, Sweep, SwitchedOff, WebhookChange,
};
pub use upkeep::{Ahead, Backup, CheckStep, Retention, Retired, Size, Upkeep};
pub use vehicles::{
    Car, ClaimDue, Connection, ConnectionFilter, DisconnectedVehicle, Due, KnownVehicle, LoadedVehicle,
    NewEvent, NewLapse, NewLink, NewObservation, Owner, SourceRef, StepCommit, StepResult, SubscriptionRow,
    VehicleFilter, VehicleRow, Vehicles, Version,
};

/// Everything that a data store does. Loops take only the part they need.
pub trait Store: Registry + Grants + Vehicles + Recordings + Queue + Deliveries + Upkeep {}

impl<T: Registry + Grants + Vehicles + Recordings + Queue + Deliveries + Upkeep> Store for T {}
