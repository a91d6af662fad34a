//! Deliveries: what an attempt came to, and every decision about what is sent when.
//!
//! An event goes out in attempts. Each leaves an [`Attempt`] in the event's [`History`], and the [`RetryPolicy`] reads
//! from the history what follows. Which event may go at all is decided per lane: its [`Breaker`] holds new events back
//! while the receiver fails, its [`InFlightLimit`] follows what the receiver can take, [`may_start`] keeps room for
//! first attempts beside retries, [`RoundRobin`] shares the process among applications and lanes, and [`Capacity`] keeps
//! places for those whose receivers answer. [`Pressure`] says whether readings that fire more of them are taken in.
//! [`ReceiverHealth`] says whether a receiver fails, and when that is news.
//!
//! All of it is plain state and arithmetic: moments come in as arguments, and the delivery loop carries it out.

mod attempt;
mod backpressure;
mod breaker;
mod capacity;
mod failure;
mod flow;
mod health;
mod retry;

pub use attempt::{Attempt, AttemptResult, History, MalformedHistory, Outcome};
pub use backpressure::{Admission, Pressure};
pub use breaker::{Allowance, Breaker, BreakerSettings};
pub use capacity::{Capacity, Load, Promptness, Standing};
pub use failure::Failure;
pub use flow::{Class, InFlight, InFlightLimit, RoundRobin, may_start};
pub use health::{HealthReport, LastFailure, ReceiverHealth};
pub use retry::{Reason, RetryPolicy, Verdict, switches_off};
