//! What can be asked of the application, one file per noun. Each use-case checks, writes, and only then tells memory.

pub(crate) mod applications;
pub(crate) mod challenge;
pub(crate) mod commands;
pub(crate) mod compatibility;
pub(crate) mod connect;
pub(crate) mod deliveries;
pub(crate) mod explain;
pub(crate) mod feeds;
pub(crate) mod idempotency;
pub(crate) mod ingest;
pub(crate) mod limits;
pub(crate) mod operations;
pub(crate) mod pressure;
pub(crate) mod reads;
pub(crate) mod receivers;
pub(crate) mod refresh;
pub(crate) mod simulator;
pub(crate) mod subscriptions;
pub(crate) mod tokens;
pub(crate) mod vehicles;
pub(crate) mod webhook_headers;
pub(crate) mod webhook_warnings;
pub(crate) mod webhooks;

pub(crate) use webhook_headers::open_headers;

use crate::ports::Dice;

/// Ten random bytes, for an id.
pub(crate) fn chance(dice: &dyn Dice) -> [u8; 10] {
    let mut bytes = [0; 10];
    dice.fill(&mut bytes);
    bytes
}

/// A token of 256 random bits under a prefix that leak scanners recognise.
pub(crate) fn token(dice: &dyn Dice, prefix: &str) -> String {
    let mut bytes = [0; 32];
    dice.fill(&mut bytes);
    format!("{prefix}{}", hex::encode(bytes))
}

/// What is stored of a token that is only verified.
pub fn token_hash(token: &str) -> store::SecretHash {
    use sha2::Digest;
    sha2::Sha256::digest(token.as_bytes()).into()
}
