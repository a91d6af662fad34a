//! Egress against receivers, name servers and addresses that mean harm.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod memory;
mod names;
mod pool;
mod proxy;
mod receivers;
mod scene;
mod spelling;
mod trust;
mod wire;
mod witness;
