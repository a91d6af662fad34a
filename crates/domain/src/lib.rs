//! The nouns and the decisions of Milepost.
//!
//! Everything here is a value or a pure function: state, input, `now` and chance come in as arguments, the next
//! state and what to do about it go out. There is no async, I/O, clock, randomness, SQL or HTTP in this crate, so
//! every rule of the product can be tested as a table. The central decision is [`vehicle::step`].

pub mod cadence;
pub mod compatibility;
pub mod connect;
pub mod delivery;
pub mod errors;
pub mod ids;
pub mod limits;
pub mod payload;
pub mod signal;
pub mod signature;
pub mod time;
pub mod units;
pub mod vehicle;
pub mod warning;
pub mod webhook;
