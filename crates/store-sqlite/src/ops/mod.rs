//! The operations: plain functions over a connection, split as the traits are.
//!
//! A function that takes a [`crate::engine::Tx`] writes; one that takes a `Connection` reads, in a snapshot.

pub(crate) mod deliveries;
pub(crate) mod grants;
pub(crate) mod keyring;
pub(crate) mod ledger;
pub(crate) mod queue;
pub(crate) mod recordings;
pub(crate) mod registry;
pub(crate) mod steps;
pub(crate) mod tombstones;
pub(crate) mod upkeep;
pub(crate) mod vehicles;
pub(crate) mod waiting;
