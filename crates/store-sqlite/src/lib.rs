//! Storage in one SQLite file: a writer thread with group commit and a few readers.
//!
//! [`SqliteStore`] implements the traits of `milepost-store` on the file `milepost.db`, and [`SqliteKeyring`] on
//! `keyring.db`. The same operations run in place on [`InMemory`] databases, for the virtual world of the tests.
//!
//! | part | what it does |
//! | --- | --- |
//! | `open` | one process per file, engine and schema versions, migrations, settings |
//! | `ops` | each method as a plain function over a connection: the SQL |
//! | `engine` | transactions, group commit, snapshots, injected faults |
//! | `sqlite`, `keyring` | the traits, one line per method |
//! | `backup` | a consistent copy while work goes on |
//! | `restore` | what a file is, copies of files at rest, the locks of a folder |

mod backup;
mod engine;
mod error;
#[cfg(test)]
mod faults;
mod keyring;
mod open;
mod ops;
mod restore;
mod rows;
mod sqlite;

pub use engine::{Fault, FaultHook, InMemory, Point};
pub use keyring::SqliteKeyring;
pub use open::{OpenError, Options};
pub use restore::{
    About, FileKind, FolderLock, Unusable, copy_at_rest, forget_unredeemed_codes, inspect,
    looks_like_a_database, merge_keyrings,
};
pub use sqlite::SqliteStore;
