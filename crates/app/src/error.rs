//! Why a use-case did not do what it was asked, as cases that an answer can be made of. Nothing was changed.

use std::time::Duration;

use domain::{errors::ErrorCode, vehicle::Fault};
use store::StoreError;

use crate::{ports::UriRefused, sealing::SealError};

/// Why a use-case did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such thing, or it belongs to somebody else.
    #[error("no {0} with this id")]
    NotFound(&'static str),
    /// A value is not acceptable; the text says what to write instead.
    #[error("{message}")]
    Invalid {
        /// The field, as the API names it.
        field: &'static str,
        /// What to write instead.
        message: String,
    },
    /// The state of something does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// It has changed since the version that the request was made on.
    #[error(
        "the {noun} has changed: it has version {current} now; read it again and repeat the change on that"
    )]
    Stale {
        /// What.
        noun: &'static str,
        /// Its version now.
        current: u64,
    },
    /// Asked too often; wait so many milliseconds.
    #[error("too many requests; try again in {0} ms")]
    TooOften(u64),
    /// The plan of the application does not contain it.
    #[error("{0}")]
    Plan(String),
    /// The plan of the application has no more requests about the vehicle this month.
    #[error("{0}")]
    PlanRequests(String),
    /// The vehicle does not offer it.
    #[error("{message}")]
    Incompatible {
        /// Which error of the catalogue that is.
        code: ErrorCode,
        /// What cannot be had of which vehicle.
        message: String,
    },
    /// The vehicle, or its brand's cloud, refuses or fails.
    #[error("the vehicle cannot be used now: {}", .0.code)]
    Vehicle(Fault),
    /// The application has made more requests than its plan has in so short a time.
    #[error("the application has made too many requests; try again in {} s", .0.as_secs())]
    TooManyRequests(Duration),
    /// Nothing of a file can be taken.
    #[error("{message}")]
    NothingTaken {
        /// What is wrong.
        message: String,
        /// What was left out, and why.
        report: Box<crate::recordings::ImportReport>,
    },
    /// New work cannot be stored now.
    #[error("{0}")]
    Unavailable(StoreError),
    /// A bug or damage: the chain is logged, the client learns nothing.
    #[error("internal error: {0}")]
    Internal(String),
}

impl AppError {
    /// A value that is not acceptable.
    pub fn invalid(field: &'static str, message: impl ToString) -> Self {
        Self::Invalid { field, message: message.to_string() }
    }
}

impl From<Fault> for AppError {
    fn from(fault: Fault) -> Self {
        Self::Vehicle(fault)
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full
            | StoreError::ReadOnly
            | StoreError::Disk(_)
            | StoreError::Damaged(_)
            | StoreError::Busy
            | StoreError::Closed => Self::Unavailable(error),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<SealError> for AppError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Store(error) => error.into(),
            SealError::WrongMasterKey => Self::Conflict(error.to_string()),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<UriRefused> for AppError {
    fn from(refused: UriRefused) -> Self {
        Self::invalid("callbackUri", refused)
    }
}
