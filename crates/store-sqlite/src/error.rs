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
            Some(SystemIoFailure) if is_a_failed_read(error) => StoreError::Damaged(error.to_string()),
            Some(SystemIoFailure) => StoreError::Disk(error.to_string()),
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged(error.to_string()),
            Some(DatabaseBusy) => StoreError::Busy,
            _ => StoreError::Failed(error.to_string()),
        },
    }
}

/// Whether what was stored cannot be read. That is damage, and stays: a page that fails to be read is not mended by the next
/// page that can be. A write or a sync that fails costs nothing that was acknowledged, and may succeed later.
fn is_a_failed_read(error: &Error) -> bool {
    /// The checksum file system or the operating system says that the file itself is damaged.
    const SQLITE_IOERR_DATA: i32 = ffi::SQLITE_IOERR | 32 << 8;
    const SQLITE_IOERR_CORRUPTFS: i32 = ffi::SQLITE_IOERR | 33 << 8;
    let Some(ffi::Error { extended_code, .. }) = error.sqlite_error() else { return false };
    matches!(
        *extended_code,
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | SQLITE_IOERR_DATA | SQLITE_IOERR_CORRUPTFS
    )
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
