//! What can go wrong in a store, as cases that a caller can act on.

/// Why a store did not do what it was asked. Nothing of the call was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left. Refuse new work; it passes when space is back.
    #[error("the disk is full; free space in the data folder and Milepost goes on by itself")]
    Full,
    /// The file or its file system can only be read.
    #[error("the database is read-only; make the data folder writable and Milepost goes on by itself")]
    ReadOnly,
    /// The disk could not be read or written.
    #[error("the disk of the data folder fails ({0}); mend it and Milepost goes on by itself")]
    Disk(String),
    /// The lease of a lane has passed to another node.
    #[error("the lease of this lane has passed on")]
    LeaseLost,
    /// The store is closing down.
    #[error("the store is closed")]
    Closed,
    /// Too much is waiting to be written.
    #[error("too many writes are waiting")]
    Busy,
    /// What is stored cannot be what we wrote.
    #[error("the database is damaged: {0}; restore a backup with `milepost restore`")]
    Damaged(String),
    /// Anything else the engine said.
    #[error("{0}")]
    Failed(String),
}
