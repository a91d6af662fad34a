//! The four generations of webhooks with their settings.

use minicbor::{Decoder, Encoder, decode::Error};
use smallvec::SmallVec;

use crate::{
    cadence::Cadence,
    connect::PermissionSet,
    delivery::RetryPolicy,
    signal::{Endpoint, SignalId},
    units::UnitSystem,
    vehicle::CHARGING_SIGNALS,
};

/// The generation of a webhook with its settings.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub enum Plan {
    /// Data on a cadence (v2 `schedule`).
    #[n(0)]
    Scheduled(#[n(0)] Scheduled),
    /// Charging begins or ends (v2 `eventBased`).
    #[n(1)]
    EventBased(#[n(0)] EventBased),
    /// Data every hour, faster while plugged in (v2 `dynamic`).
    #[n(2)]
    Dynamic(#[n(0)] Dynamic),
    /// Chosen signals when chosen signals change.
    #[n(3)]
    Unified(#[n(0)] Unified),
}

/// Which generation a webhook is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Data on a cadence.
    Scheduled,
    /// Charging begins or ends.
    EventBased,
    /// Data every hour, faster while plugged in.
    Dynamic,
    /// Chosen signals when chosen signals change.
    Unified,
}

impl Kind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Scheduled, Self::EventBased, Self::Dynamic, Self::Unified];

    /// The word of API, CLI and plans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::EventBased => "eventBased",
            Self::Dynamic => "dynamic",
            Self::Unified => "unified",
        }
    }

    /// The generation with a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

impl Plan {
    /// Which generation it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Scheduled(_) => Kind::Scheduled,
            Self::EventBased(_) => Kind::EventBased,
            Self::Dynamic(_) => Kind::Dynamic,
            Self::Unified(_) => Kind::Unified,
        }
    }

    /// The read endpoints that its payloads carry, where they carry endpoints.
    pub fn endpoints(&self) -> Option<&[Endpoint]> {
        match self {
            Self::Scheduled(scheduled) => Some(&scheduled.endpoints),
            Self::Dynamic(_) => Some(Dynamic::ENDPOINTS),
            Self::EventBased(_) | Self::Unified(_) => None,
        }
    }

    /// The signals that its payloads carry.
    pub fn signals(&self) -> Vec<SignalId> {
        match (self, self.endpoints()) {
            (Self::Unified(unified), _) => unified.data.clone(),
            (_, Some(endpoints)) => {
                endpoints.iter().flat_map(|endpoint| endpoint.signals()).copied().collect()
            }
            (_, None) => Vec::new(),
        }
    }

    /// The `eventName` of its slots, where it has slots.
    pub const fn slot_name(&self) -> Option<&'static str> {
        match self {
            Self::Scheduled(scheduled) => Some(scheduled.event_name.as_str()),
            Self::Dynamic(_) => Some("dynamic"),
            Self::EventBased(_) | Self::Unified(_) => None,
        }
    }

    /// What owners have to grant for all that it sends and waits for.
    pub fn permissions(&self) -> PermissionSet {
        let needed = |signals: &[SignalId]| signals.iter().map(|signal| signal.entry().permission).collect();
        match self {
            Self::Scheduled(scheduled) => scheduled.endpoints.iter().map(|at| at.permission()).collect(),
            Self::Dynamic(_) => Dynamic::ENDPOINTS.iter().map(|at| at.permission()).collect(),
            Self::EventBased(_) => needed(&CHARGING_SIGNALS),
            Self::Unified(unified) => {
                let triggers = unified.triggers.iter().map(|trigger| trigger.signal);
                needed(&triggers.chain(unified.data.iter().copied()).collect::<Vec<_>>())
            }
        }
    }

    /// When its events are tried again.
    pub const fn retries(&self) -> RetryPolicy {
        match self {
            Self::Scheduled(_) => RetryPolicy::scheduled(),
            Self::EventBased(_) | Self::Dynamic(_) => RetryPolicy::dynamic(),
            Self::Unified(_) => RetryPolicy::unified(),
        }
    }

    /// Whether an event whose retries are used up may switch the webhook off: v2 webhooks only.
    pub const fn switches_off(&self) -> bool {
        !matches!(self, Self::Unified(_))
    }

    /// How many vehicles one request may carry.
    pub const fn vehicles_per_request(&self) -> usize {
        match self {
            Self::Scheduled(scheduled) => scheduled.vehicles_per_request as usize,
            _ => 1,
        }
    }
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

/// Settings of an eventBased webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct EventBased {
    /// Which events it reports.
    #[n(0)]
    pub events: ChargingEvents,
}

/// What happens about charging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChargingEvent {
    /// Charging begins.
    Started = 0,
    /// Charging ends before its target.
    Stopped = 1,
    /// Charging ends at its target.
    Completed = 2,
}

impl ChargingEvent {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Started, Self::Stopped, Self::Completed];

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "CHARGING_STARTED",
            Self::Stopped => "CHARGING_STOPPED",
            Self::Completed => "CHARGING_COMPLETED",
        }
    }

    /// The event with a word of the wire.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.as_str() == word)
    }
}

/// A set of charging events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ChargingEvents(#[n(0)] u8);

impl ChargingEvents {
    /// Whether the event is in the set.
    pub const fn contains(self, event: ChargingEvent) -> bool {
        self.0 & (1 << event as u8) != 0
    }

    /// The members.
    pub fn iter(self) -> impl Iterator<Item = ChargingEvent> {
        ChargingEvent::ALL.iter().copied().filter(move |&event| self.contains(event))
    }
}

impl FromIterator<ChargingEvent> for ChargingEvents {
    fn from_iter<I: IntoIterator<Item = ChargingEvent>>(events: I) -> Self {
        Self(events.into_iter().fold(0, |set, event| set | 1 << event as u8))
    }
}

/// Settings of a dynamic webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Dynamic {
    /// How fast it follows a vehicle that is plugged in.
    #[n(0)]
    pub pace: Pace,
}

impl Dynamic {
    /// What its payloads carry, always.
    pub const ENDPOINTS: &[Endpoint] = &[Endpoint::Location, Endpoint::Charge, Endpoint::Battery];
}

/// How fast a dynamic webhook follows a vehicle that is plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Pace {
    /// Every 30 minutes.
    #[default]
    #[n(0)]
    HalfHourly,
    /// As often as the brand has fresh data, every 30 minutes at least.
    #[n(1)]
    Brand,
}

/// Settings of a unified webhook.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Unified {
    /// What makes it fire.
    #[n(0)]
    pub triggers: Vec<Trigger>,
    /// What its events carry, in their order; triggers are among them unless the operator took them out.
    #[n(1)]
    #[cbor(with = "signals")]
    pub data: Vec<SignalId>,
    /// Which of the documented shapes its events have.
    #[n(2)]
    pub profile: Profile,
    /// What `meta.mode` says about simulated vehicles.
    #[n(3)]
    pub simulated_mode: SimulatedMode,
    /// A verification may be answered with any 2xx, not only with 200.
    #[n(4)]
    pub lenient_verification: bool,
}

/// A signal whose change makes a webhook fire.
#[derive(Clone, Copy, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Trigger {
    /// Which signal.
    #[n(0)]
    #[cbor(with = "signal")]
    pub signal: SignalId,
    /// By how much it has to move from what the last event carried: in its unit, in metres for a position. Any
    /// change counts where there is none.
    #[n(1)]
    pub dead_band: Option<f64>,
}

/// Which of the documented shapes the events of a unified webhook have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Profile {
    /// Everything that any version of the documents shows, without contradiction.
    #[default]
    #[n(0)]
    Union,
    /// What was captured on the wire, key by key.
    #[n(1)]
    Captured,
    /// What the pages of 2026 show.
    #[n(2)]
    Docs2026,
}

impl Profile {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Union, Self::Captured, Self::Docs2026];

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Union => "union",
            Self::Captured => "captured",
            Self::Docs2026 => "docs-2026",
        }
    }
}

/// What `meta.mode` says about simulated vehicles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum SimulatedMode {
    /// `SIMULATED`
    #[default]
    #[n(0)]
    Simulated,
    /// `LIVE`, for receivers that know no other word.
    #[n(1)]
    Live,
}

mod endpoints {
    //! Endpoints are stored by number; one that this program does not know is left out.

    use super::{Decoder, Encoder, Endpoint, Error, SmallVec};

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

mod signals {
    //! Signals are stored by number; one that this program does not know is left out.

    use super::{Decoder, Encoder, Error, SignalId};

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        list: &[SignalId],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(list.len() as u64)?;
        for signal in list {
            e.u8(signal.number())?;
        }
        Ok(())
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<SignalId>, Error> {
        let numbers = d.array_iter::<u8>()?.collect::<Result<Vec<_>, _>>()?;
        Ok(numbers.into_iter().filter_map(SignalId::from_number).collect())
    }
}

mod signal {
    //! One signal, by number.

    use super::{Decoder, Encoder, Error, SignalId};

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        signal: &SignalId,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(signal.number())?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<SignalId, Error> {
        SignalId::from_number(d.u8()?).ok_or_else(|| Error::message("a signal of a newer program"))
    }
}
