//! What webhooks of the four generations send and when, as requests and answers have it.
//!
//! The members of all generations lie side by side in a body, and `kind` says which of them belong: one that does not is
//! refused by its name. What a request leaves out stays as it is, or is as usual for a new webhook.

use domain::{
    signal::Endpoint,
    units::UnitSystem,
    webhook::{
        self, ChargingEvent, Dynamic, EventBased, Plan, Scheduled, ScheduledName, Trigger as Fires, Unified,
    },
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::ToSchema;

use super::{cadence::Cadence, signals};
use crate::problem::ApiError;

/// The generation of a webhook; `dynamic` is superseded by `unified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// Data of read endpoints on a cadence (v2).
    Scheduled,
    /// Charging begins, breaks off or is completed (v2).
    EventBased,
    /// Location, charge and battery every hour, faster while plugged in (v2). Superseded by `unified`.
    Dynamic,
    /// Chosen signals when chosen signals change.
    Unified,
}

/// The units of payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Units {
    #[default]
    Metric,
    Imperial,
}

/// The `eventName` of scheduled payloads, which documents of the format spell in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventName {
    #[default]
    Schedule,
    Scheduled,
}

/// What happens about charging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum Charging {
    #[serde(rename = "CHARGING_STARTED")]
    Started,
    #[serde(rename = "CHARGING_STOPPED")]
    Stopped,
    #[serde(rename = "CHARGING_COMPLETED")]
    Completed,
}

/// How fast a dynamic webhook follows a vehicle that is plugged in: every 30 minutes, or as often as the brand has fresh
/// data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Pace {
    #[default]
    HalfHourly,
    Brand,
}

/// Which of the documented shapes events have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// Everything that any version of the documents shows, without contradiction.
    #[default]
    Union,
    /// What was captured on the wire, key by key.
    Captured,
    /// What the pages of 2026 show.
    #[serde(rename = "docs-2026")]
    Docs2026,
}

/// What `meta.mode` says about simulated vehicles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SimulatedMode {
    #[default]
    Simulated,
    Live,
}

/// A signal whose change makes a webhook fire. A request may write one without a dead band as its code alone.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trigger {
    #[schema(example = "tractionbattery-stateofcharge")]
    signal: String,
    /// By how much it has to move from what the last event carried, in its unit, in metres for a position; any change
    /// counts without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_band: Option<f64>,
}

/// Where a trigger is written out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenOut {
    signal: String,
    dead_band: Option<f64>,
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeOrObject;

        impl<'de> Visitor<'de> for CodeOrObject {
            type Value = Trigger;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(r#"the code of a signal, or {"signal":"…","deadBand":1}"#)
            }

            fn visit_str<E: de::Error>(self, code: &str) -> Result<Trigger, E> {
                Ok(Trigger { signal: code.to_owned(), dead_band: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Trigger, A::Error> {
                let WrittenOut { signal, dead_band } =
                    WrittenOut::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Trigger { signal, dead_band })
            }
        }

        // Not as an untagged enum, whose errors name neither a place nor a member.
        deserializer.deserialize_any(CodeOrObject)
    }
}

/// What a request says of a webhook's settings.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) cadence: Option<Cadence>,
    pub(super) endpoints: Option<Vec<String>>,
    pub(super) units: Option<Units>,
    pub(super) event_name: Option<EventName>,
    pub(super) vehicles_per_request: Option<u16>,
    pub(super) events: Option<Vec<Charging>>,
    pub(super) pace: Option<Pace>,
    pub(super) triggers: Option<Vec<Trigger>>,
    pub(super) data: Option<Vec<String>>,
    pub(super) include_triggers: Option<bool>,
    pub(super) profile: Option<Profile>,
    pub(super) simulated_mode: Option<SimulatedMode>,
    pub(super) lenient_verification: Option<bool>,
    pub(super) verify_error_uri: Option<bool>,
}

impl Given {
    /// The settings of a new webhook.
    pub(super) fn fresh(self, kind: Kind) -> Result<Plan, ApiError> {
        self.refuse_what_does_not_belong(kind)?;
        Ok(match kind {
            Kind::Scheduled => {
                let usual = Scheduled {
                    cadence: self.cadence.as_ref().ok_or_else(no_cadence)?.to_domain()?,
                    endpoints: Default::default(),
                    units: UnitSystem::default(),
                    event_name: ScheduledName::default(),
                    vehicles_per_request: 1,
                };
                Plan::Scheduled(self.scheduled(usual)?)
            }
            Kind::EventBased => Plan::EventBased(self.event_based(EventBased { events: Default::default() })),
            Kind::Dynamic => Plan::Dynamic(self.dynamic(Dynamic::default())),
            Kind::Unified => {
                let usual = Unified {
                    triggers: vec![],
                    data: vec![],
                    profile: Default::default(),
                    simulated_mode: Default::default(),
                    lenient_verification: false,
                };
                Plan::Unified(self.unified(usual)?)
            }
        })
    }

    /// The settings of now with what is given.
    pub(super) fn over(self, now: &Plan) -> Result<Plan, ApiError> {
        self.refuse_what_does_not_belong(now.kind().into())?;
        Ok(match now.clone() {
            Plan::Scheduled(now) => Plan::Scheduled(self.scheduled(now)?),
            Plan::EventBased(now) => Plan::EventBased(self.event_based(now)),
            Plan::Dynamic(now) => Plan::Dynamic(self.dynamic(now)),
            Plan::Unified(now) => Plan::Unified(self.unified(now)?),
        })
    }

    /// A member that a webhook would ignore is more likely a mistake than a wish.
    fn refuse_what_does_not_belong(&self, kind: Kind) -> Result<(), ApiError> {
        use Kind::{Dynamic, EventBased, Scheduled, Unified};
        let members = [
            ("cadence", self.cadence.is_some(), Scheduled),
            ("endpoints", self.endpoints.is_some(), Scheduled),
            ("units", self.units.is_some(), Scheduled),
            ("eventName", self.event_name.is_some(), Scheduled),
            ("vehiclesPerRequest", self.vehicles_per_request.is_some(), Scheduled),
            ("events", self.events.is_some(), EventBased),
            ("pace", self.pace.is_some(), Dynamic),
            ("triggers", self.triggers.is_some(), Unified),
            ("data", self.data.is_some(), Unified),
            ("includeTriggers", self.include_triggers.is_some(), Unified),
            ("profile", self.profile.is_some(), Unified),
            ("simulatedMode", self.simulated_mode.is_some(), Unified),
            ("lenientVerification", self.lenient_verification.is_some(), Unified),
            ("verifyErrorUri", self.verify_error_uri.is_some(), Unified),
        ];
        match members.into_iter().find(|&(_, given, of)| given && of != kind) {
            None => Ok(()),
            Some((name, _, of)) => {
                let (of, kind) = (webhook::Kind::from(of).as_str(), webhook::Kind::from(kind).as_str());
                Err(ApiError::invalid(
                    name,
                    format!("{name} goes with {of} webhooks, and this one is {kind}; leave it out"),
                ))
            }
        }
    }

    fn scheduled(&self, mut settings: Scheduled) -> Result<Scheduled, ApiError> {
        if let Some(cadence) = &self.cadence {
            settings.cadence = cadence.to_domain()?;
        }
        if let Some(paths) = &self.endpoints {
            settings.endpoints = endpoints(paths)?.into();
        }
        settings.units = self.units.map_or(settings.units, Into::into);
        settings.event_name = self.event_name.map_or(settings.event_name, Into::into);
        settings.vehicles_per_request = self.vehicles_per_request.unwrap_or(settings.vehicles_per_request);
        Ok(settings)
    }

    fn event_based(&self, now: EventBased) -> EventBased {
        match &self.events {
            Some(events) => EventBased { events: events.iter().map(|&event| event.into()).collect() },
            None => now,
        }
    }

    fn dynamic(&self, now: Dynamic) -> Dynamic {
        Dynamic { pace: self.pace.map_or(now.pace, Into::into) }
    }

    fn unified(&self, mut settings: Unified) -> Result<Unified, ApiError> {
        let carried = |settings: &Unified| {
            settings.triggers.iter().all(|trigger| settings.data.contains(&trigger.signal))
        };
        let include = self.include_triggers.unwrap_or_else(|| carried(&settings));
        if !include && self.include_triggers.is_some() && self.data.is_none() {
            return Err(ApiError::invalid("data", "without its triggers, say what the webhook's data is"));
        }
        if let Some(triggers) = &self.triggers {
            settings.triggers = fires(triggers)?;
        }
        if let Some(codes) = &self.data {
            settings.data = signals::all("data", codes)?;
        }
        if include {
            for trigger in &settings.triggers {
                if !settings.data.contains(&trigger.signal) {
                    settings.data.push(trigger.signal);
                }
            }
        }
        settings.profile = self.profile.map_or(settings.profile, Into::into);
        settings.simulated_mode = self.simulated_mode.map_or(settings.simulated_mode, Into::into);
        settings.lenient_verification = self.lenient_verification.unwrap_or(settings.lenient_verification);
        Ok(settings)
    }
}

fn no_cadence() -> ApiError {
    ApiError::invalid("cadence", r#"say when the webhook is due, such as {"every":"hours","hours":1}"#)
}

fn endpoints(paths: &[String]) -> Result<Vec<Endpoint>, ApiError> {
    let endpoint = |(at, path): (usize, &String)| {
        Endpoint::from_path(path).map_err(|error| ApiError::invalid(format!("endpoints[{at}]"), error))
    };
    paths.iter().enumerate().map(endpoint).collect()
}

fn fires(triggers: &[Trigger]) -> Result<Vec<Fires>, ApiError> {
    let fires = |(at, trigger): (usize, &Trigger)| {
        let signal = signals::one(&format!("triggers[{at}]"), &trigger.signal)?;
        Ok(Fires { signal, dead_band: trigger.dead_band })
    };
    triggers.iter().enumerate().map(fires).collect()
}

/// The settings of a webhook, as an answer shows them: the members of its own generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    /// When a `scheduled` webhook is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    cadence: Option<Cadence>,
    /// Of a `scheduled` webhook: paths of v2 read endpoints, in the order of the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["/odometer", "/battery"]))]
    endpoints: Option<Vec<&'static str>>,
    /// Of a `scheduled` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<Units>,
    /// Of a `scheduled` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_name: Option<EventName>,
    /// Of a `scheduled` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    vehicles_per_request: Option<u16>,
    /// Of an `eventBased` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Charging>>,
    /// Of a `dynamic` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
    /// What makes a `unified` webhook fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    triggers: Option<Vec<Trigger>>,
    /// The signals that a `unified` webhook sends, by code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["tractionbattery-stateofcharge"]))]
    data: Option<Vec<&'static str>>,
    /// Of a `unified` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
    /// Of a `unified` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated_mode: Option<SimulatedMode>,
    /// Of a `unified` webhook: a challenge may be answered with any 2xx, not only with 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    lenient_verification: Option<bool>,
}

impl From<&Plan> for Settings {
    fn from(plan: &Plan) -> Self {
        match plan {
            Plan::Scheduled(settings) => Self {
                cadence: Some((&settings.cadence).into()),
                endpoints: Some(settings.endpoints.iter().map(|endpoint| endpoint.path()).collect()),
                units: Some(settings.units.into()),
                event_name: Some(settings.event_name.into()),
                vehicles_per_request: Some(settings.vehicles_per_request),
                ..Self::default()
            },
            Plan::EventBased(settings) => {
                Self { events: Some(settings.events.iter().map(Into::into).collect()), ..Self::default() }
            }
            Plan::Dynamic(settings) => Self { pace: Some(settings.pace.into()), ..Self::default() },
            Plan::Unified(settings) => Self {
                triggers: Some(settings.triggers.iter().map(Into::into).collect()),
                data: Some(settings.data.iter().map(|signal| signal.entry().code.as_str()).collect()),
                profile: Some(settings.profile.into()),
                simulated_mode: Some(settings.simulated_mode.into()),
                lenient_verification: Some(settings.lenient_verification),
                ..Self::default()
            },
        }
    }
}

impl From<&Fires> for Trigger {
    fn from(trigger: &Fires) -> Self {
        Self { signal: trigger.signal.entry().code.clone(), dead_band: trigger.dead_band }
    }
}

/// Both directions of words that mean the same on the wire and inside.
macro_rules! same {
    ($($wire:ident = $inside:ty { $($word:ident = $same:ident),* $(,)? })*) => {$(
        impl From<$wire> for $inside {
            fn from(word: $wire) -> Self {
                match word { $($wire::$word => Self::$same),* }
            }
        }

        impl From<$inside> for $wire {
            fn from(word: $inside) -> Self {
                match word { $(<$inside>::$same => Self::$word),* }
            }
        }
    )*};
}

pub(super) use same;

same! {
    Kind = webhook::Kind {
        Scheduled = Scheduled, EventBased = EventBased, Dynamic = Dynamic, Unified = Unified,
    }
    Units = UnitSystem { Metric = Metric, Imperial = Imperial }
    EventName = ScheduledName { Schedule = Schedule, Scheduled = Scheduled }
    Charging = ChargingEvent { Started = Started, Stopped = Stopped, Completed = Completed }
    Pace = webhook::Pace { HalfHourly = HalfHourly, Brand = Brand }
    Profile = webhook::Profile { Union = Union, Captured = Captured, Docs2026 = Docs2026 }
    SimulatedMode = webhook::SimulatedMode { Simulated = Simulated, Live = Live }
}
