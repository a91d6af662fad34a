//! Real time, in one place. The lab stamps what it receives and measures how long things take; all else in it takes
//! times as arguments.

use crate::time::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the lab measures durations on real sockets")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the witness stamps arrivals with a clock of its own, not the server's"
)]
pub(crate) fn wall() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since_1970.as_micros().try_into().unwrap_or(i64::MAX))
}

/// Lets real time pass: what a slow receiver does.
#[expect(clippy::disallowed_methods, reason = "slowness on a real socket takes real time")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
