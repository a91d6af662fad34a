//! What database files take of their disk.

use std::path::Path;

use crate::backup::beside;

/// Sizes, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files {
    /// The database with its write-ahead log and index.
    pub(crate) bytes: u64,
    /// The write-ahead log alone.
    pub(crate) wal_bytes: u64,
    /// Free on the file system; without end for a database in memory.
    pub(crate) free_on_disk: u64,
    /// What the process has had written so far, where the system counts it.
    pub(crate) bytes_written: u64,
}

impl Files {
    /// Of a database in memory.
    pub(crate) const NONE: Self = Self { bytes: 0, wal_bytes: 0, free_on_disk: u64::MAX, bytes_written: 0 };

    /// Of a database file.
    pub(crate) fn of(path: &Path) -> Self {
        let wal_bytes = wal_bytes(path);
        Self {
            bytes: len(path) + wal_bytes + len(&beside(path, "-shm")),
            wal_bytes,
            free_on_disk: rustix::fs::statvfs(path).map_or(0, |disk| disk.f_bavail * disk.f_frsize),
            bytes_written: bytes_written(),
        }
    }
}

/// Bytes of the write-ahead log of a database file.
pub(crate) fn wal_bytes(path: &Path) -> u64 {
    len(&beside(path, "-wal"))
}

fn len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn bytes_written() -> u64 {
    std::fs::read_to_string("/proc/self/io")
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()))
        .unwrap_or(0)
}
