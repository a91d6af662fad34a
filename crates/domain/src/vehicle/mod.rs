//! The vehicle step: all that is learned about a vehicle goes through one pure function.
//!
//! ```text
//!   wanted(document, webhooks, now)      which signals a read should ask for, if any
//!   step(document, webhooks, input, now) -> Outcome { observation, events, lapsed, rows, next_due }
//! ```
//!
//! What the step returns is committed in one transaction, so a crash neither loses an edge nor fires it twice, and one
//! read serves every subscription that is due.

mod charging;
mod codec;
mod command;
mod document;
mod event;
mod judgement;
mod ladder;
mod observation;
mod readings;
mod slots;
mod step;
#[cfg(test)]
mod tests;
mod watch;

pub use charging::{SIGNALS as CHARGING_SIGNALS, is_charging, known_to as charging_known_to};
pub use codec::Malformed;
pub use command::{BrandCommand, ChargeDays, ChargeHours, Command, MOST_CHARGE_DAYS, MOST_SPANS, Span};
pub use document::{
    Document, Doubt, Forgotten, Gathering, Judged, Pushes, Renumbered, SignalState, Subscription, Told,
    Watching,
};
pub use event::{ErrorChange, Event, Occasion};
pub use judgement::{Judgement, ReadingOutcome, Why};
pub use ladder::stale;
pub use observation::{Cause, Fired, Observation, Observed, Sample};
pub use readings::{FeedKey, MOST_HELD, Order, Reading, Tally, Verdict};
pub use step::{Input, Lapse, Lapsed, Outcome, RowChange, observe, step, wanted};

use crate::{
    errors::ErrorCode,
    ids::VehicleId,
    signal::{Powertrain, SignalId, Value},
    time::Timestamp,
};
use std::time::Duration;

/// What does not change about a vehicle, as payloads show it.
#[derive(Clone, Debug, PartialEq)]
pub struct VehicleInfo {
    /// The id on the wire.
    pub id: VehicleId,
    /// Upper case: `TESLA`.
    pub make: String,
    /// `Model 3`
    pub model: String,
    /// Model year.
    pub year: u16,
    /// Whether there is a car behind it.
    pub mode: Mode,
    /// What drives it.
    pub powertrain: Powertrain,
    /// Where its brand's cloud is.
    pub region: Region,
}

/// Where a brand's cloud is, which decides what it offers. The discriminant is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Region {
    /// The United States.
    UnitedStates = 0,
    /// Canada.
    Canada = 1,
    /// Europe.
    #[default]
    Europe = 2,
}

impl Region {
    /// All of them, by number.
    pub const ALL: &[Self] = &[Self::UnitedStates, Self::Canada, Self::Europe];

    /// The word of API and wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnitedStates => "US",
            Self::Canada => "CA",
            Self::Europe => "EUROPE",
        }
    }

    /// From the stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The region with a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|region| region.as_str().eq_ignore_ascii_case(word))
    }
}

/// Whether there is a real car behind a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A real car.
    Live,
    /// A car of the simulator or of a recording.
    Simulated,
}

impl Mode {
    /// The lower-case word of v2 bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Simulated => "simulated",
        }
    }
}

/// A failure of a source about one signal or a whole read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which error of the catalogue it is.
    pub code: ErrorCode,
    /// How long the source wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self { code, retry_after: None }
    }
}

/// One signal of an answered read.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which signal.
    pub signal: SignalId,
    /// Its value with the moment at which the car measured it (`None` when the source does not say), or why not.
    pub outcome: Result<(Value, Option<Timestamp>), Fault>,
}
