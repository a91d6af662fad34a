//! Use-cases and loops of Milepost, and the ports they need.

pub mod ports;
