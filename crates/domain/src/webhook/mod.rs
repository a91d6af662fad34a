//! Webhooks: what they are, what they send, and whether they may.
//!
//! What an event needs of its webhook is frozen in a [`Revision`]: an edit makes a new one, and an event carries the
//! number of the one that it was made under.

use smallvec::SmallVec;

use crate::{
    cadence::Cadence,
    ids::{ApplicationNo, WebhookId, WebhookNo},
    signal::Endpoint,
    units::UnitSystem,
};

/// A webhook as the step and the lanes see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Row number.
    pub no: WebhookNo,
    /// The id on the wire.
    pub id: WebhookId,
    /// The application it belongs to.
    pub application: ApplicationNo,
    /// The name its operator gave it.
    pub name: String,
    /// Whether it may deliver.
    pub status: Status,
    /// What it sends now.
    pub revision: Revision,
}

/// Whether a webhook may deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The callback URI has answered a challenge since it was last changed.
    pub verified: bool,
    /// Why it is switched off, if it is.
    pub disabled: Option<Disabled>,
}

/// Why a webhook is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Disabled {
    /// An operator did it.
    #[n(0)]
    Operator,
    /// The retries of an event were used up.
    #[n(1)]
    RetriesUsedUp,
}

impl Status {
    /// Vehicle data is sent only to a webhook that is verified and not switched off.
    pub const fn delivers(self) -> bool {
        self.verified && self.disabled.is_none()
    }
}

/// What a webhook sends and where to. Never changed, only succeeded.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Revision {
    /// 1 for the first.
    #[n(0)]
    pub number: u32,
    /// Where data goes.
    #[n(1)]
    pub callback_uri: String,
    /// What makes it fire, and with what.
    #[n(2)]
    pub plan: Plan,
    /// The `User-Agent` of its requests.
    #[n(3)]
    pub agent: Agent,
    /// Grows with each change of the cadence: a document that has seen less plans its slot anew.
    #[n(4)]
    pub cadence_epoch: u32,
}

/// The generation of a webhook with its settings.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub enum Plan {
    /// Data on a cadence (v2 `schedule`).
    #[n(0)]
    Scheduled(#[n(0)] Scheduled),
}

/// Settings of a scheduled webhook.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Scheduled {
    /// When.
    #[n(0)]
    pub cadence: Cadence,
    /// What, in the order of the payload.
    #[n(1)]
    #[cbor(with = "endpoints")]
    pub endpoints: SmallVec<[Endpoint; 8]>,
    /// In which units.
    #[n(2)]
    pub units: UnitSystem,
    /// The `eventName` of its payloads.
    #[n(3)]
    pub event_name: ScheduledName,
    /// How many vehicles one request may carry; 1 unless the operator asks for batches.
    #[n(4)]
    pub vehicles_per_request: u16,
}

/// The two spellings that the documents of the format have for scheduled payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum ScheduledName {
    /// `schedule`, as seen on the wire.
    #[default]
    #[n(0)]
    Schedule,
    /// `scheduled`, as one page has it.
    #[n(1)]
    Scheduled,
}

impl ScheduledName {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Scheduled => "scheduled",
        }
    }
}

/// Under which name requests are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Agent {
    /// `Milepost/{version}`
    #[default]
    #[n(0)]
    Milepost,
    /// `Smartcar/{version}`, for receivers that look at it.
    #[n(1)]
    Compatible,
}

impl Agent {
    /// The header value.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Milepost => concat!("Milepost/", env!("CARGO_PKG_VERSION")),
            Self::Compatible => concat!("Smartcar/", env!("CARGO_PKG_VERSION")),
        }
    }
}

impl Webhook {
    /// The settings of a scheduled webhook, if it is one.
    pub fn scheduled(&self) -> Option<&Scheduled> {
        match &self.revision.plan {
            Plan::Scheduled(scheduled) => Some(scheduled),
        }
    }
}

mod endpoints {
    //! Endpoints are stored by number; one that this program does not know is left out.

    use super::{Endpoint, SmallVec};
    use minicbor::{Decoder, Encoder, decode::Error};

    type List = SmallVec<[Endpoint; 8]>;

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        list: &List,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(list.len() as u64)?;
        for &endpoint in list {
            e.u8(endpoint as u8)?;
        }
        Ok(())
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<List, Error> {
        let numbers = d.array_iter::<u8>()?.collect::<Result<Vec<_>, _>>()?;
        Ok(numbers.into_iter().filter_map(Endpoint::from_number).collect())
    }
}
