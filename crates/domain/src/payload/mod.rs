//! Bodies of requests: composed anew at each attempt, by pure functions, from what a step saw.
//!
//! [`json`] is the one way in which text for the wire is written; [`v2`] composes the bodies of scheduled, eventBased and
//! dynamic webhooks, [`unified`] those of unified ones. Composing twice from the same input gives the same bytes.

pub mod json;
mod links;
mod sample;
pub mod unified;
pub mod v2;
pub mod v3;
mod value;

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod javascript;

pub use links::Links;

/// The largest body that is ever sent, in bytes: receivers are promised "50 KB", and this is the strictest reading.
pub const MAX_BODY: usize = 50_000;

/// Whether a body may be sent.
pub const fn fits(body: &str) -> bool {
    body.len() <= MAX_BODY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_50_000_bytes_may_be_sent_and_not_one_byte_more() {
        assert!(fits(&"x".repeat(50_000)));
        assert!(!fits(&"x".repeat(50_001)));
        assert!(!fits(&"ä".repeat(25_001)), "bytes count, not characters");
    }
}
