//! The lab: what stands on the other side of the wire, for demos, development, benchmarks and tests.
//!
//! - [`receiver`] takes webhooks, well or badly ([`behaviour`]), and remembers what it got;
//! - [`checker`] compares what had to come with what came, and says what is wrong;
//! - [`load`] sends requests at a constant rate and measures, [`client`] sends them one by one;
//! - [`console`] prints webhooks for people, [`listen`](mod@listen) is a receiver for development.
//!
//! The lab is an independent witness. It knows the wire and nothing of the server: signatures, bodies, times and calendars
//! are its own, written more simply and never shared, so that a mistake there is not repeated here.

pub mod arrival;
pub mod behaviour;
pub mod checker;
pub mod client;
mod clock;
pub mod console;
pub mod event;
pub mod id;
pub mod latency;
pub mod listen;
pub mod load;
pub mod receiver;
pub mod secret;
pub mod time;

pub use arrival::{Arrival, Signature};
pub use behaviour::Behaviour;
pub use client::HttpClient;
pub use id::Id;
pub use latency::{Latencies, Stopwatch};
pub use listen::{ListenOptions, listen};
pub use receiver::{Receiver, ReceiverOptions, Recording};
pub use time::Timestamp;
