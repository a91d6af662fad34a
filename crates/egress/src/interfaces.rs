//! The addresses of this machine.
//!
//! A callback URI that leads back to the server could reach what listens on it for insiders only, even at a public
//! address. Interfaces come and go, so they are read again when somebody asks and the last look is a while ago: asking
//! happens before every new connection, and idle machines need no task for it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

const FRESH: Duration = Duration::from_secs(10);

pub(crate) struct Interfaces {
    seen: Mutex<Seen>,
}

struct Seen {
    at: Instant,
    addresses: Arc<[IpAddr]>,
}

impl Interfaces {
    pub(crate) fn new() -> Self {
        Self { seen: Mutex::new(Seen { at: Instant::now(), addresses: read() }) }
    }

    /// The addresses as they were at most ten seconds ago.
    pub(crate) fn addresses(&self) -> Arc<[IpAddr]> {
        let mut seen = self.seen.lock();
        if seen.at.elapsed() > FRESH {
            *seen = Seen { at: Instant::now(), addresses: read() };
        }
        Arc::clone(&seen.addresses)
    }
}

fn read() -> Arc<[IpAddr]> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(if_addrs::Interface::ip).collect(),
        Err(error) => {
            // The tables still deny every private address; what is lost is the protection of our public ones.
            tracing::warn!(%error, "the addresses of this machine cannot be read");
            Arc::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_address_is_among_our_own() {
        assert!(Interfaces::new().addresses().iter().any(IpAddr::is_loopback));
    }
}
