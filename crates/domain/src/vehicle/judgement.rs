//! What became of a pushed reading, for its sender.

use super::readings::MOST_AGREE;
use crate::signal::{Invalid, SignalId, form::MOST_BYTES_OF_VEHICLE};

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingOutcome {
    /// Its value is the signal's now, and another one than before.
    Applied,
    /// It says what was known.
    Unchanged,
    /// It is older than what is known.
    Late {
        /// It was sent as a reset.
        reset: bool,
    },
    /// It is not believed.
    Implausible(Why),
    /// Another value was known of the same moment; this one counts now.
    Conflicting,
    /// It says that the value is not known: for good where it was null, else only of this moment.
    Unknown {
        /// What was known before is not any more.
        forgotten: bool,
    },
    /// It waits for earlier ones.
    Buffered,
    /// It was not taken at all.
    Rejected(Why),
}

/// Why a reading is not believed or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The signal cannot have the value.
    Invalid(Invalid),
    /// The value cannot follow the one that is known.
    CannotFollow,
    /// The vehicle's values would be too large together.
    TooMuch,
    /// The owner has not granted it.
    NotGranted,
}

impl ReadingOutcome {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Late { .. } => "late",
            Self::Implausible(_) => "implausible",
            Self::Conflicting => "conflicting",
            Self::Unknown { .. } => "unknown",
            Self::Buffered => "buffered",
            Self::Rejected(_) => "rejected",
        }
    }

    /// The sentence for the sender, where the word does not say all.
    pub fn reason(self, signal: SignalId) -> Option<String> {
        let code = &signal.entry().code;
        match self {
            Self::Applied | Self::Unchanged => None,
            Self::Late { reset: false } => Some("a newer reading of this signal is known".into()),
            Self::Late { reset: true } => Some(
                "a newer reading of this signal is known, and a reset counts from its own moment on; send it with a later \
                 observedAt (or sequence), or without observedAt"
                    .into(),
            ),
            Self::Implausible(why) | Self::Rejected(why) => Some(match why {
                Why::Invalid(invalid) => invalid.describe(signal),
                Why::CannotFollow => format!(
                    "{code} cannot have this value after the one that is known; it is believed when {MOST_AGREE} \
                     readings in a row agree, or at once with \"reset\": true"
                ),
                Why::TooMuch => {
                    format!("the values of one vehicle take at most {MOST_BYTES_OF_VEHICLE} bytes together")
                }
                Why::NotGranted => {
                    format!(
                        "the owner has not granted {}, which {code} needs",
                        signal.entry().permission.as_str()
                    )
                }
            }),
            Self::Conflicting => {
                Some("another value was known of the same moment; this one counts now".into())
            }
            Self::Unknown { forgotten: true } => Some("the value is no longer known".into()),
            Self::Unknown { forgotten: false } => {
                Some("the value means that it is not available; what was known stands".into())
            }
            Self::Buffered => Some("it waits for earlier readings, as its feed asks".into()),
        }
    }
}

/// What became of one reading of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Its place among the readings of the input.
    pub place: u32,
    /// Which signal.
    pub signal: SignalId,
    /// What became of it.
    pub outcome: ReadingOutcome,
}
