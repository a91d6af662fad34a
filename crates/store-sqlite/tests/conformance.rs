//! The promises of the storage traits, on a file and in memory.

mod on_a_file {
    use milepost_store_sqlite::{Options, SqliteKeyring, SqliteStore};
    use tempfile::TempDir;

    async fn a_store() -> (SqliteStore, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        (SqliteStore::open(folder.path(), Options::default()).expect("opens"), folder)
    }

    async fn a_keyring() -> (SqliteKeyring, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        (SqliteKeyring::open(folder.path()).expect("opens"), folder)
    }

    store::conformance_of_store!(a_store);
    store::conformance_of_keyring!(a_keyring);
}

mod in_memory {
    use milepost_store_sqlite::{SqliteKeyring, SqliteStore};

    async fn a_store() -> (SqliteStore, ()) {
        (SqliteStore::in_memory().expect("opens"), ())
    }

    async fn a_keyring() -> (SqliteKeyring, ()) {
        (SqliteKeyring::in_memory().expect("opens"), ())
    }

    store::conformance_of_store!(a_store);
    store::conformance_of_keyring!(a_keyring);
}
