//! Identifiers.
//!
//! What leaves the process is a UUID in a type of its own. Rows of large tables are also known by a dense number,
//! given once by the store and never reused: it keeps queue rows narrow and work in key order.

use std::{fmt, str::FromStr};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new time-ordered id (UUID version 7) from the moment and ten random bytes.
            pub fn new(now: Timestamp, chance: [u8; 10]) -> Self {
                Self(uuid_v7(now, chance))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }

        /// Accepts the hyphenated form of 36 characters only, as the wire does.
        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                match text.len() {
                    36 => Uuid::try_parse(text).map(Self).map_err(|_| MalformedId),
                    _ => Err(MalformedId),
                }
            }
        }
    )*};
}

uuids! {
    /// A tenant: the software of one team.
    ApplicationId,
    /// A vehicle owner.
    UserId,
    /// A vehicle, as one application knows it.
    VehicleId,
    /// A user's permission for an application to use a vehicle.
    ConnectionId,
    /// Where events go.
    WebhookId,
    /// A vehicle on a webhook.
    SubscriptionId,
    /// A webhook is owed a POST. The same over all attempts, restarts and redeliveries.
    EventId,
    /// Who may push readings.
    FeedId,
    /// One request to us, or one read of a vehicle; what support asks for.
    RequestId,
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.i64(self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.i64().map(Self)
            }
        }
    )*};
}

numbers! {
    /// Row number of an application.
    ApplicationNo,
    /// Row number of a user; the key of the user's data key in the keyring.
    UserNo,
    /// Row number of a vehicle: the key of its document, and the order in which a slot is worked through.
    VehicleNo,
    /// Row number of a webhook.
    WebhookNo,
    /// Position of an observation in the append-only history.
    ObservationNo,
    /// Position of an event in the queue: later events have higher numbers.
    EventNo,
    /// Row number of a grant: what a redeemed code became, with all tokens that come of it.
    GrantNo,
    /// A budget of reads: a brand's cloud, or a source.
    PoolNo,
}

/// The text is not a UUID in its hyphenated form of 36 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of 36 characters")]
pub struct MalformedId;

/// A version 7 UUID: milliseconds since 1970 and ten bytes of chance.
pub fn uuid_v7(now: Timestamp, chance: [u8; 10]) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid()
}

impl EventId {
    /// The id of a scheduled occurrence: computed, so that an occurrence that is repeated repeats its id.
    pub fn of_slot(webhook: WebhookId, vehicle: VehicleId, slot: Timestamp) -> Self {
        let mut name = [0; 24];
        name[..16].copy_from_slice(vehicle.0.as_bytes());
        name[16..].copy_from_slice(&slot.as_micros().to_be_bytes());
        Self(Uuid::new_v5(&webhook.0, &name))
    }

    /// The id of an event that has no slot: computed from its subscription and its number there.
    pub fn of_number(subscription: SubscriptionId, sequence: u64) -> Self {
        Self(Uuid::new_v5(&subscription.0, &sequence.to_be_bytes()))
    }

    /// The id of one attempt to deliver the event: another for each, and the same whenever it is asked for.
    pub fn delivery(self, started_at: Timestamp) -> Uuid {
        Uuid::new_v5(&self.0, &started_at.as_micros().to_be_bytes())
    }

    /// The id under which the payload of this event names the read that it came from.
    pub fn request(self) -> RequestId {
        RequestId(Uuid::new_v5(&self.0, b"request"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_on_the_wire_have_36_characters_and_read_back() {
        let id = VehicleId::new(Timestamp::from_millis(1_700_000_000_000), [7; 10]);
        assert_eq!(id.to_string().len(), 36);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.0.get_version_num(), 7);
    }

    #[test]
    fn other_spellings_of_a_uuid_are_refused() {
        for text in ["", "x", "67e5504410b1426f9247bb680e5fe0c8", "{67e55044-10b1-426f-9247-bb680e5fe0c8}"] {
            assert_eq!(text.parse::<VehicleId>(), Err(MalformedId), "{text}");
        }
    }

    #[test]
    fn an_occurrence_has_one_id_and_another_occurrence_another() {
        let (webhook, vehicle) = (WebhookId(Uuid::from_u128(1)), VehicleId(Uuid::from_u128(2)));
        let at = |hour: i64| EventId::of_slot(webhook, vehicle, Timestamp::from_millis(hour * 3_600_000));
        assert_eq!(at(5), at(5));
        assert_ne!(at(5), at(6));
        assert_ne!(at(5).request().0, at(5).0);
    }
}
