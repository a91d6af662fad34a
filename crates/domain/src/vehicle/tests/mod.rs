//! The step as a manual: what a car answers or pushes, and what follows.

mod counting;
mod slots;
mod watching;

use crate::signal::{SignalId, Value, read};

/// A value that the signal can have.
fn example(signal: SignalId) -> Value {
    let read = read(signal, signal.example()).expect("an example can be read");
    read.value.expect("an example says something")
}
