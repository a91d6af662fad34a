//! What SQLite says, as cases that a caller can act on.

use rusqlite::{Error, ErrorCode, ffi};
use store::StoreError;

/// Why an operation stopped.
#[derive(Debug)]
pub(crate) enum OpError {
    /// SQLite failed: what the transaction wrote so far is rolled back.
    Sqlite(Error),
    /// The operation declined before it wrote anything; others in its transaction go on.
    Refused(StoreError),
}

impl From<Error> for OpError {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<OpError> for StoreError {
    fn from(error: OpError) -> Self {
        match error {
            OpError::Sqlite(error) => store_error(&error),
            OpError::Refused(error) => error,
        }
    }
}

/// The result of an operation.
pub(crate) type OpResult<T> = Result<T, OpError>;

/// What to tell the caller.
pub(crate) fn store_error(error: &Error) -> StoreError {
    use ErrorCode::{CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly};
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..) => StoreError::Damaged(error.to_string()),
        _ => match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full,
            Some(ReadOnly | CannotOpen) => StoreError::ReadOnly,
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged(error.to_string()),
            Some(DatabaseBusy) => StoreError::Busy,
            _ => StoreError::Failed(error.to_string()),
        },
    }
}

/// Whether the operating system failed to read, write or sync. What it says about the same file later is not to be
/// believed: after a failed sync, a second one reports success without having written anything.
pub(crate) fn is_io(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// A sync that failed.
pub(crate) fn failed_sync() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None)
}

/// A stored value that this program cannot have written.
pub(crate) fn damaged(column: usize, what: &'static str) -> Error {
    Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, what.into())
}
