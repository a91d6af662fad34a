//! The simulated world: the whole application on virtual time, for tests of everything that depends on time.
//!
//! ```text
//!   World ─► App ─► SQLite in memory        time jumps to the next wake-up when nothing else can happen
//!             ├──► scripted receivers       each remembers what reached it, and when
//!             ├──► scripted cars            each read is remembered
//!             └──► dice and tasks           drawn from the seed
//! ```
//!
//! A world is a function of its seed: run twice, it leaves the same trace, bit for bit. The process can end at any commit
//! and at any call to the world outside; what was committed stays, what was in memory is gone.

mod cars;
mod chance;
mod clock;
mod crash;
mod disk;
mod executor;
mod judge;
mod receivers;
pub mod soak;
mod trace;
mod values;
mod words;
mod world;

pub use cars::{Mood, Read, fails, fails_for, is_silent, says, well};
pub use chance::Chance;
pub use clock::{Rate, VirtualClock};
pub use crash::{Moment, Strike};
pub use receivers::{Answered, Digest, Reaction, Received, ToChallenge, answers, hangs, resets, unreached};
pub use world::{BEGIN, Car, Hook, World};
