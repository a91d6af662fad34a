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
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly, SystemIoFailure,
    };
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..) => StoreError::Damaged(error.to_string()),
        _ => match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full,
            Some(ReadOnly | CannotOpen) => StoreError::ReadOnly,
            Some(SystemIoFailure) => StoreError::Disk(error.to_string()),
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged(error.to_string()),
            Some(DatabaseBusy) => StoreError::Busy,
            _ => StoreError::Failed(error.to_string()),
        },
    }
}

/// Whether the file behind the connection is in doubt, so that only a new connection may go on.
///
/// After a failed read, write or sync, what the operating system says about the same pages later is not to be believed:
/// a second sync reports success without having written anything. And what cannot be written any more may have been
/// moved or mounted anew.
pub(crate) fn is_about_the_file(error: &Error) -> bool {
    use ErrorCode::{CannotOpen, ReadOnly, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(SystemIoFailure | ReadOnly | CannotOpen))
}

/// A sync that failed.
pub(crate) fn failed_sync() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None)
}

/// A stored value that this program cannot have written.
pub(crate) fn damaged(column: usize, what: &'static str) -> Error {
    Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, what.into())
}
