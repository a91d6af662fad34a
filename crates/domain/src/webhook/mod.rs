//! Webhooks: what they are, what they send, and whether they may.
//!
//! What an event needs of its webhook is frozen in a [`Revision`]: an edit makes a new one, and an event carries the
//! number of the one that it was made under.

mod coverage;
mod headers;
mod plan;

pub use coverage::{Candidate, Coverage, charging_coverage, gaps};
pub use headers::{HeaderRefused, SealedHeaders, basic_authorization, check_headers};
pub use plan::{
    ChargingEvent, ChargingEvents, Dynamic, EventBased, Kind, Pace, Plan, Profile, Scheduled, ScheduledName,
    SimulatedMode, Trigger, Unified,
};

use crate::ids::{ApplicationNo, WebhookId, WebhookNo};

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
    /// The URI for errors of vehicles is on another origin than the callback URI and has not answered a challenge: errors
    /// wait until it has.
    pub errors_withheld: bool,
    /// Why it is switched off, if it is.
    pub disabled: Option<Disabled>,
    /// How often it has begun to deliver: each time, every vehicle on it owes a first delivery anew.
    pub epoch: u32,
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
    /// The plan of its application does not have webhooks of its generation any more.
    #[n(2)]
    PlanChanged,
}

impl Disabled {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Operator, Self::RetriesUsedUp, Self::PlanChanged];

    /// The word of API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::RetriesUsedUp => "retries_used_up",
            Self::PlanChanged => "plan_changed",
        }
    }

    /// Why, within a sentence.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Operator => "by an operator",
            Self::RetriesUsedUp => "the retries of an event were used up",
            Self::PlanChanged => "the plan of its application does not have such webhooks",
        }
    }
}

impl Status {
    /// Vehicle data is sent only to a webhook that is verified and not switched off.
    pub const fn delivers(self) -> bool {
        self.verified && self.disabled.is_none()
    }

    /// Errors of vehicles are sent only where somebody has answered a challenge, too.
    pub const fn delivers_errors(self) -> bool {
        self.delivers() && !self.errors_withheld
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
    /// Where errors of vehicles go, if not where data goes (unified webhooks).
    #[n(5)]
    pub error_uri: Option<String>,
    /// Headers of the operator's own. Each request has those of the current revision.
    #[n(8)]
    pub headers: Option<SealedHeaders>,
    /// Errors are sent to a URI of another origin though it has not answered a challenge: its receiver cannot.
    #[n(6)]
    #[cbor(default)]
    pub error_uri_unchecked: bool,
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
    pub const fn scheduled(&self) -> Option<&Scheduled> {
        match &self.revision.plan {
            Plan::Scheduled(scheduled) => Some(scheduled),
            _ => None,
        }
    }

    /// The settings of a unified webhook, if it is one.
    pub const fn unified(&self) -> Option<&Unified> {
        match &self.revision.plan {
            Plan::Unified(unified) => Some(unified),
            _ => None,
        }
    }
}
