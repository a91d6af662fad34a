//! The ledger: what has ended, so that a restored backup does not revive it.
//!
//! A backup holds the state of its moment. Connections, subscriptions, feeds, secrets and tokens that ended later would
//! work again after a restore. So the transaction that ends something also writes an entry, and the entries are copied to
//! the keyring, which no backup of the data replaces, before the caller is answered.
//!
//! **Last writer wins.** An entry is the newest state of one thing, under its kind and key. Versions rise within an
//! installation, also over restores. Something that comes back (a vehicle that is connected again, a webhook that is
//! switched on) replaces its entry, so a backup from after that has the newer version and keeps it.
//!
//! **Bounded.** A thing has one entry however often it ends. The end of a larger thing deletes the entries of the smaller
//! ones in it, an erasure deletes all entries of its subject, and entries of tokens leave when the token has expired.

use domain::{ids::UserId, time::Timestamp};
use uuid::Uuid;

use crate::Subject;

/// What an entry is about. The discriminant is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EndKind {
    /// A vehicle's connection. Key: vehicle id. Value: the id of the connection in force, or empty.
    Connection = 1,
    /// What an owner grants. Key: vehicle id. Value: the permission bits.
    Permissions = 2,
    /// A vehicle on a webhook. Key: webhook id, vehicle id. Value: whether it is on it.
    Subscription = 3,
    /// Whether a webhook is on. Key: webhook id. Value: see [`WebhookState`].
    Webhook = 4,
    /// Where a webhook sends. Key: webhook id. Value: the number of the revision that moved it last.
    Destination = 5,
    /// A deleted feed. Key: feed id.
    Feed = 6,
    /// A removed client secret. Key: its hash.
    Secret = 7,
    /// The management tokens of an application. Key: application id. Value: both, sealed.
    ManagementToken = 8,
    /// A revoked consent. Key: owner, moment, number.
    Grant = 9,
    /// A revoked access token. Key: its hash.
    Token = 10,
    /// When an owner last ended an access: whoever signed in before signs in again. Key: user id. Value: the moment.
    SignIn = 11,
    /// An erased vehicle. Key: vehicle id.
    Vehicle = 12,
    /// Redirect URIs and plan of an application. Key: application id.
    Application = 13,
}

impl EndKind {
    /// All of them, in the order in which they are applied: what is larger first.
    pub const ALL: &[Self] = &[
        Self::Application,
        Self::Vehicle,
        Self::Connection,
        Self::Webhook,
        Self::Destination,
        Self::Permissions,
        Self::Subscription,
        Self::Feed,
        Self::Secret,
        Self::ManagementToken,
        Self::Grant,
        Self::Token,
        Self::SignIn,
    ];

    /// From the stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|&kind| kind as u8 == number)
    }

    /// What a report counts of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::Permissions => "permissions",
            Self::Subscription => "subscriptions",
            Self::Webhook => "webhooks",
            Self::Destination => "callbackUris",
            Self::Feed => "feeds",
            Self::Secret => "clientSecrets",
            Self::ManagementToken => "managementTokens",
            Self::Grant => "consents",
            Self::Token => "accessTokens",
            Self::SignIn => "signIns",
            Self::Vehicle => "erasedVehicles",
            Self::Application => "applicationSettings",
        }
    }
}

/// The newest state of one thing that has ended at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// What it is about.
    pub kind: EndKind,
    /// Which one.
    pub key: Vec<u8>,
    /// Rises with every entry of an installation: the higher one is newer.
    pub version: i64,
    /// Whose it is: its erasure deletes the entry. Nobody's is nil.
    pub subject: Subject,
    /// The vehicle that it belongs to: the end of its connection deletes the entry.
    pub vehicle: Option<Uuid>,
    /// After this it says nothing any more.
    pub until: Option<Timestamp>,
    /// Its state.
    pub value: Vec<u8>,
}

/// The state of a webhook in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// Switched on again.
    On,
    /// Switched off; the stored number of the reason.
    Off(u8),
    /// Deleted.
    Deleted,
}

impl WebhookState {
    /// As it is stored.
    pub fn to_value(self) -> Vec<u8> {
        match self {
            Self::On => vec![],
            Self::Off(why) => vec![1, why],
            Self::Deleted => vec![2],
        }
    }

    /// From what is stored. What is not known counts as deleted: nothing is sent.
    pub fn from_value(value: &[u8]) -> Self {
        match value {
            [] => Self::On,
            [1, why] => Self::Off(*why),
            _ => Self::Deleted,
        }
    }
}

/// The key of a revoked consent: row numbers are given again after a restore, so the owner and the moment belong to it.
pub fn grant_key(user: UserId, created_at: Timestamp, no: i64) -> Vec<u8> {
    let mut key = user.0.as_bytes().to_vec();
    key.extend_from_slice(&created_at.as_micros().to_be_bytes());
    key.extend_from_slice(&no.to_be_bytes());
    key
}

/// The owner, moment and number of a consent.
pub fn grant_of_key(key: &[u8]) -> Option<(UserId, Timestamp, i64)> {
    let (user, rest) = key.split_first_chunk::<16>()?;
    let (created_at, no) = rest.split_first_chunk::<8>()?;
    let (created_at, no) = (i64::from_be_bytes(*created_at), i64::from_be_bytes(no.try_into().ok()?));
    Some((UserId(Uuid::from_bytes(*user)), Timestamp::from_micros(created_at), no))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_number() {
        for &kind in EndKind::ALL {
            assert_eq!(EndKind::from_number(kind as u8), Some(kind));
        }
        assert_eq!(EndKind::from_number(0), None);
        assert_eq!(EndKind::from_number(14), None);
    }

    #[test]
    fn the_key_of_a_consent_is_read_back() {
        let consent = (UserId(Uuid::from_u128(7)), Timestamp::from_secs(-5), 9);
        assert_eq!(grant_of_key(&grant_key(consent.0, consent.1, consent.2)), Some(consent));
        assert_eq!(grant_of_key(b"short"), None);
    }
}
