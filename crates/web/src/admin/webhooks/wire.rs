//! Webhooks on the wire.

use app::{EditWebhook, NewWebhookRequest, ProbeResult, WebhookView};
use domain::{
    ids::ApplicationId,
    signal::Endpoint,
    units::UnitSystem,
    webhook::{self, Plan, Scheduled, ScheduledName},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cadence::Cadence;
use crate::{
    problem::ApiError,
    wire::{Id, Moment},
};

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    id: Id,
    application_id: Id,
    kind: Kind,
    name: String,
    callback_uri: String,
    cadence: Cadence,
    /// Paths of v2 read endpoints, in the order of the payload.
    #[schema(example = json!(["/odometer", "/battery"]))]
    endpoints: Vec<&'static str>,
    units: Units,
    event_name: EventName,
    user_agent: UserAgent,
    vehicles_per_request: u16,
    /// The callback URI has answered a challenge since it was last changed.
    verified: bool,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<DisabledReason>,
    /// How many vehicles are on it.
    subscriptions: u64,
    /// How many events wait, counted up to 100,000.
    queued: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_verification: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_test: Option<Probe>,
    created_at: Moment,
}

/// A webhook to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewWebhook {
    #[serde(rename = "kind")]
    _kind: Kind,
    name: String,
    callback_uri: String,
    cadence: Cadence,
    #[schema(example = json!(["/odometer", "/battery"]))]
    endpoints: Vec<String>,
    #[serde(default)]
    units: Units,
    #[serde(default)]
    event_name: EventName,
    #[serde(default)]
    user_agent: UserAgent,
    /// 1 by default, 100 at most.
    #[schema(minimum = 1, maximum = 100)]
    vehicles_per_request: Option<u16>,
    /// Send a challenge at once.
    #[serde(default)]
    pub(super) verify: bool,
}

/// What to change about a webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebhookEdit {
    name: Option<String>,
    callback_uri: Option<String>,
    cadence: Option<Cadence>,
    endpoints: Option<Vec<String>>,
    units: Option<Units>,
    event_name: Option<EventName>,
    user_agent: Option<UserAgent>,
    #[schema(minimum = 1, maximum = 100)]
    vehicles_per_request: Option<u16>,
}

/// The generation of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    Scheduled,
}

/// The units of payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Units {
    #[default]
    Metric,
    Imperial,
}

/// The `eventName` of payloads, which documents of the format spell in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventName {
    #[default]
    Schedule,
    Scheduled,
}

/// The name in `User-Agent`; `smartcar` is for receivers that look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserAgent {
    #[default]
    Milepost,
    Smartcar,
}

/// Why a webhook is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisabledReason {
    Operator,
    RetriesUsedUp,
}

/// What a verification or a test brought.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Probe {
    at: Moment,
    passed: bool,
    /// The challenge that was sent; only of a verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    /// The digest that the answer had to hold; only of a verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// The status of the answer, if there was one.
    status: Option<u16>,
    /// The beginning of the answer's body.
    received: String,
    /// Why it did not pass, and what to do.
    problem: Option<String>,
    took_ms: u32,
}

impl NewWebhook {
    pub(super) fn into_request(self, application: ApplicationId) -> Result<NewWebhookRequest, ApiError> {
        let settings = Scheduled {
            cadence: self.cadence.to_domain()?,
            endpoints: endpoints(&self.endpoints)?.into(),
            units: self.units.into(),
            event_name: self.event_name.into(),
            vehicles_per_request: self.vehicles_per_request.unwrap_or(1),
        };
        let Self { name, callback_uri, user_agent, .. } = self;
        Ok(NewWebhookRequest {
            application,
            name,
            callback_uri,
            error_uri: None,
            plan: Plan::Scheduled(settings),
            auto_subscribe: false,
            agent: user_agent.into(),
        })
    }
}

impl WebhookEdit {
    /// The edit, given the settings of now.
    pub(super) fn into_edit(self, current: Option<&Scheduled>) -> Result<EditWebhook, ApiError> {
        let settings = current.map(|current| self.settings(current)).transpose()?;
        Ok(EditWebhook {
            plan: settings.filter(|settings| Some(settings) != current).map(Plan::Scheduled),
            error_uri: None,
            auto_subscribe: None,
            name: self.name,
            callback_uri: self.callback_uri,
            agent: self.user_agent.map(Into::into),
        })
    }

    fn settings(&self, current: &Scheduled) -> Result<Scheduled, ApiError> {
        let mut settings = current.clone();
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
}

fn endpoints(paths: &[String]) -> Result<Vec<Endpoint>, ApiError> {
    let endpoint = |(at, path): (usize, &String)| {
        Endpoint::from_path(path).map_err(|error| ApiError::invalid(format!("endpoints[{at}]"), error))
    };
    paths.iter().enumerate().map(endpoint).collect()
}

impl From<&WebhookView> for Webhook {
    fn from(view: &WebhookView) -> Self {
        let webhook = view.entry.webhook();
        let settings = webhook.scheduled().expect("a scheduled webhook");
        Self {
            id: Id::of(webhook.id),
            application_id: Id::of(view.entry.application.application.id),
            kind: Kind::Scheduled,
            name: webhook.name.clone(),
            callback_uri: webhook.revision.callback_uri.clone(),
            cadence: (&settings.cadence).into(),
            endpoints: settings.endpoints.iter().map(|endpoint| endpoint.path()).collect(),
            units: settings.units.into(),
            event_name: settings.event_name.into(),
            user_agent: webhook.revision.agent.into(),
            vehicles_per_request: settings.vehicles_per_request,
            verified: webhook.status.verified,
            enabled: webhook.status.disabled.is_none(),
            disabled_reason: webhook.status.disabled.map(Into::into),
            subscriptions: view.subscriptions,
            queued: view.queued,
            last_verification: view.last_verification.as_ref().map(Into::into),
            last_test: view.last_test.as_ref().map(Into::into),
            created_at: Moment(view.entry.stored.created_at),
        }
    }
}

impl From<&ProbeResult> for Probe {
    fn from(result: &ProbeResult) -> Self {
        let of_verification = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            at: Moment(result.at),
            passed: result.passed,
            challenge: of_verification(&result.challenge),
            expected: of_verification(&result.expected),
            status: result.status,
            received: result.received.clone(),
            problem: result.problem.clone(),
            took_ms: result.took_ms,
        }
    }
}

/// Both directions of words that mean the same on the wire and inside.
macro_rules! same {
    ($($wire:ident = $inside:ty { $($word:ident = $same:ident),* })*) => {$(
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

same! {
    Units = UnitSystem { Metric = Metric, Imperial = Imperial }
    EventName = ScheduledName { Schedule = Schedule, Scheduled = Scheduled }
    UserAgent = webhook::Agent { Milepost = Milepost, Smartcar = Compatible }
    DisabledReason = webhook::Disabled { Operator = Operator, RetriesUsedUp = RetriesUsedUp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::told;
    use domain::{cadence, ids::ApplicationId, time::Timestamp};

    const NEW: &str = r#"{"kind":"scheduled","name":"Fleet","callbackUri":"https://example.com/hooks",
        "cadence":{"every":"hours","hours":1},"endpoints":["/odometer","/battery"]}"#;

    fn new(json: &str) -> Result<NewWebhookRequest, String> {
        let new: NewWebhook = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let application = ApplicationId::new(Timestamp::from_secs(1), [0; 10]);
        new.into_request(application).map_err(|error| told(&error))
    }

    fn settings() -> Scheduled {
        scheduled(new(NEW).unwrap().plan)
    }

    fn scheduled(plan: Plan) -> Scheduled {
        match plan {
            Plan::Scheduled(settings) => settings,
            other => panic!("not scheduled: {other:?}"),
        }
    }

    fn edited(json: &str) -> Option<Scheduled> {
        let edit: WebhookEdit = serde_json::from_str(json).unwrap();
        edit.into_edit(Some(&settings())).unwrap().plan.map(scheduled)
    }

    #[test]
    fn a_webhook_takes_the_usual_values_for_what_is_left_out() {
        let settings = settings();
        assert_eq!(settings.endpoints.to_vec(), [Endpoint::Odometer, Endpoint::Battery]);
        assert_eq!(settings.cadence, cadence::Cadence::every_hours(1).unwrap());
        assert_eq!((settings.units, settings.event_name), (UnitSystem::Metric, ScheduledName::Schedule));
        assert_eq!(settings.vehicles_per_request, 1);
    }

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else() {
        let changed = edited(r#"{"units":"imperial"}"#).unwrap();
        assert_eq!(changed, Scheduled { units: UnitSystem::Imperial, ..settings() });
        let changed = edited(r#"{"endpoints":["/vin"],"vehiclesPerRequest":10}"#).unwrap();
        assert_eq!(changed.endpoints.to_vec(), [Endpoint::Vin]);
        assert_eq!(changed.vehicles_per_request, 10);
    }

    #[test]
    fn an_edit_to_what_is_already_so_is_none() {
        assert_eq!(edited(r#"{"name":"Other"}"#), None);
        assert_eq!(edited(r#"{"units":"metric","cadence":{"every":"hours","hours":1}}"#), None);
    }

    #[test]
    fn endpoints_of_one_brand_are_refused_by_their_place() {
        let refused = new(&NEW.replace("/battery", "/tesla/battery")).unwrap_err();
        assert!(refused.contains("endpoints[1]") && refused.contains("specific to a brand"), "{refused}");
    }

    #[test]
    fn other_kinds_and_misspelt_members_are_refused() {
        let refused = new(&NEW.replace("\"scheduled\"", "\"hourly\"")).unwrap_err();
        assert!(refused.contains("expected `scheduled`"), "{refused}");
        let refused = new(&NEW.replace("callbackUri", "callbackUrl")).unwrap_err();
        assert!(refused.contains("callbackUrl"), "{refused}");
    }
}
