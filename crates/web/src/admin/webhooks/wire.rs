//! Webhooks on the wire.

use app::{EditWebhook, HeaderChange, NewWebhookRequest, ProbeResult, WebhookView};
use domain::{ids::ApplicationId, webhook};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    cadence::Cadence,
    headers::{self, BasicAuth, Headers},
    health::WebhookHealth,
    settings::{
        Charging, EventName, Given, Kind, Pace, Profile, Settings, SimulatedMode, Trigger, Units, same,
    },
};
use crate::{
    problem::ApiError,
    wire::{Id, Moment, some},
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
    /// Where errors of vehicles go, if not to the callback URI; of a `unified` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_callback_uri: Option<String>,
    /// Whether that URI has to answer a challenge where it is on another origin than the callback URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_error_uri: Option<bool>,
    #[serde(flatten)]
    settings: Settings,
    /// What owners have to grant for all that it sends and waits for.
    #[schema(example = json!(["read_battery"]))]
    permissions: Vec<&'static str>,
    /// All vehicles of the application are put on it, present and coming ones.
    auto_subscribe: bool,
    user_agent: UserAgent,
    /// The names of headers of your own that requests have; their values are never shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
    /// An error URI on another origin gets them, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    headers_to_error_uri: bool,
    /// The callback URI has answered a challenge since it was last changed.
    verified: bool,
    /// How each of its addresses stands.
    verification: Verification,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<DisabledReason>,
    /// Since when it is switched off, and after what.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<SwitchedOff>,
    /// How many vehicles are on it.
    subscriptions: u64,
    /// How many events wait, counted up to 100,000.
    queued: u64,
    health: WebhookHealth,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_verification: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_test: Option<Probe>,
    created_at: Moment,
}

/// Both bodies that say what a webhook is to be: their own members first, then those that they share.
macro_rules! bodies {
    ($($(#[$doc:meta])* $body:ident { $($own:tt)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(crate) struct $body {
            $($own)*
            /// Put all vehicles of the application on it, present and coming ones; `false` by default.
            auto_subscribe: Option<bool>,
            user_agent: Option<UserAgent>,
            /// Headers of your own for every request, also of retries: names with values, where null removes one. Those that an edit
            /// does not name stay; null in place of the object removes all. Values are kept sealed and never shown again.
            #[serde(default, deserialize_with = "some")]
            #[schema(value_type = Option<Headers>)]
            headers: Option<Option<Headers>>,
            /// User and password for the header `Authorization`; null removes it.
            #[serde(default, deserialize_with = "some")]
            #[schema(value_type = Option<BasicAuth>)]
            basic_auth: Option<Option<BasicAuth>>,
            /// With `unified`: an error URI on another origin gets these headers, too; `false` by default.
            headers_to_error_uri: Option<bool>,
            /// With `unified`: where errors of vehicles go, if not to the callback URI. Null sends them there again.
            #[serde(default, deserialize_with = "some")]
            #[schema(value_type = Option<String>)]
            error_callback_uri: Option<Option<String>>,
            /// With `unified`: a URI for errors on another origin than the callback URI has to answer a challenge before errors
            /// are sent there; `true` by default. `false` is for receivers that cannot answer.
            verify_error_uri: Option<bool>,
            /// With `scheduled`: when it is due.
            cadence: Option<Cadence>,
            /// With `scheduled`: paths of v2 read endpoints, in the order of the payload.
            #[schema(example = json!(["/odometer", "/battery"]))]
            endpoints: Option<Vec<String>>,
            /// With `scheduled`: `metric` by default.
            units: Option<Units>,
            /// With `scheduled`: `schedule` by default.
            event_name: Option<EventName>,
            /// With `scheduled`: 1 by default, 100 at most.
            #[schema(minimum = 1, maximum = 100)]
            vehicles_per_request: Option<u16>,
            /// With `eventBased`: which events it reports.
            events: Option<Vec<Charging>>,
            /// With `dynamic`: `halfHourly` by default.
            pace: Option<Pace>,
            /// With `unified`: what makes it fire, each a code or an object.
            triggers: Option<Vec<Trigger>>,
            /// With `unified`: the signals that it sends, by code; the triggers by default.
            #[schema(example = json!(["tractionbattery-stateofcharge"]))]
            data: Option<Vec<String>>,
            /// With `unified`: triggers are data too, unless this is `false`.
            include_triggers: Option<bool>,
            /// With `unified`: `union` by default.
            profile: Option<Profile>,
            /// With `unified`: `simulated` by default.
            simulated_mode: Option<SimulatedMode>,
            /// With `unified`: a challenge may be answered with any 2xx, not only with 200; `false` by default.
            lenient_verification: Option<bool>,
        }

        impl $body {
            fn header_change(&mut self) -> HeaderChange {
                headers::change(self.headers.take(), self.basic_auth.take(), self.headers_to_error_uri)
            }

            fn given(&mut self) -> Given {
                Given {
                    cadence: self.cadence.take(),
                    endpoints: self.endpoints.take(),
                    units: self.units,
                    event_name: self.event_name,
                    vehicles_per_request: self.vehicles_per_request,
                    events: self.events.take(),
                    pace: self.pace,
                    triggers: self.triggers.take(),
                    data: self.data.take(),
                    include_triggers: self.include_triggers,
                    profile: self.profile,
                    simulated_mode: self.simulated_mode,
                    lenient_verification: self.lenient_verification,
                    verify_error_uri: self.verify_error_uri,
                }
            }
        }
    )*};
}

bodies! {
    /// A webhook to be made; `kind` says which of the other members go with it.
    NewWebhook {
        kind: Kind,
        name: String,
        callback_uri: String,
        /// Send a challenge at once.
        #[serde(default)]
        pub(super) verify: bool,
    }

    /// What to change about a webhook; what is left out stays as it is.
    WebhookEdit {
        /// Cannot be changed.
        kind: Option<Kind>,
        name: Option<String>,
        callback_uri: Option<String>,
    }
}

/// Which test to send.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TestRequest {
    /// `VEHICLE_STATE` by default; `VEHICLE_ERROR` with `unified` only.
    #[serde(default)]
    pub(super) event_type: TestEvent,
}

/// What a test is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TestEvent {
    #[default]
    VehicleState,
    VehicleError,
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
    /// The plan of the application does not have such webhooks; it goes on when the plan has them again.
    PlanChanged,
}

/// When a webhook was switched off, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SwitchedOff {
    reason: DisabledReason,
    /// The reason as part of a sentence.
    message: &'static str,
    at: Option<Moment>,
    /// The status of the last answer, where failing deliveries are the cause.
    last_status: Option<u16>,
    /// Why there was no answer, as a word that never changes: `timed_out`.
    last_failure: Option<String>,
}

impl SwitchedOff {
    fn of(why: webhook::Disabled, view: &WebhookView) -> Self {
        let since = view.entry.stored.switched_off.as_ref();
        Self {
            reason: why.into(),
            message: why.phrase(),
            at: since.map(|since| Moment(since.at)),
            last_status: since.and_then(|since| since.status),
            last_failure: since.and_then(|since| since.failure.clone()),
        }
    }
}

/// How the addresses of a webhook stand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verification {
    callback_uri: Address,
    /// On the origin of the callback URI it stands as that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_callback_uri: Option<Address>,
}

/// How one address stands. Data goes only where it has passed, or is not asked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    status: AddressStatus,
    /// When it was last challenged.
    at: Option<Moment>,
    /// Why that did not pass, and what to do.
    problem: Option<String>,
}

/// Whether an address has answered a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AddressStatus {
    /// It has not been challenged, or the challenge is still to come.
    Pending,
    Passed,
    Failed,
    /// It is not challenged, as the webhook is set.
    NotAsked,
}

impl From<app::AddressState> for Address {
    fn from(state: app::AddressState) -> Self {
        Self {
            status: state.status.into(),
            at: state.last.as_ref().map(|last| Moment(last.at)),
            problem: state.last.and_then(|last| last.problem),
        }
    }
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
    pub(super) fn into_request(mut self, application: ApplicationId) -> Result<NewWebhookRequest, ApiError> {
        let headers = self.header_change();
        Ok(NewWebhookRequest {
            application,
            plan: self.given().fresh(self.kind)?,
            name: self.name,
            callback_uri: self.callback_uri,
            error_uri: self.error_callback_uri.flatten(),
            auto_subscribe: self.auto_subscribe.unwrap_or_default(),
            agent: self.user_agent.unwrap_or_default().into(),
            headers,
            error_uri_unchecked: self.verify_error_uri == Some(false),
            verify: self.verify,
        })
    }
}

impl WebhookEdit {
    /// The edit, given the settings of now.
    pub(super) fn into_edit(mut self, now: &webhook::Plan) -> Result<EditWebhook, ApiError> {
        if self.kind.is_some_and(|kind| now.kind() != kind.into()) {
            let now = now.kind().as_str();
            let message = format!("a webhook stays {now}; make another one for another kind");
            return Err(ApiError::invalid("kind", message));
        }
        let headers = self.header_change();
        Ok(EditWebhook {
            plan: Some(self.given().over(now)?).filter(|plan| plan != now),
            name: self.name,
            callback_uri: self.callback_uri,
            error_uri: self.error_callback_uri,
            auto_subscribe: self.auto_subscribe,
            agent: self.user_agent.map(Into::into),
            headers,
            error_uri_unchecked: self.verify_error_uri.map(|verify| !verify),
        })
    }
}

impl From<&WebhookView> for Webhook {
    fn from(view: &WebhookView) -> Self {
        let webhook = view.entry.webhook();
        let revision = &webhook.revision;
        Self {
            id: Id::of(webhook.id),
            application_id: Id::of(view.entry.application.application.id),
            kind: revision.plan.kind().into(),
            name: webhook.name.clone(),
            callback_uri: revision.callback_uri.clone(),
            error_callback_uri: revision.error_uri.clone(),
            verify_error_uri: revision.error_uri.as_ref().map(|_| !revision.error_uri_unchecked),
            settings: (&revision.plan).into(),
            permissions: revision.plan.permissions().iter().map(|needed| needed.as_str()).collect(),
            auto_subscribe: view.entry.stored.auto_subscribe,
            user_agent: revision.agent.into(),
            headers: revision.headers.iter().flat_map(|headers| headers.names.clone()).collect(),
            headers_to_error_uri: revision.headers.as_ref().is_some_and(|headers| headers.to_error_uri),
            verified: webhook.status.verified,
            verification: Verification {
                callback_uri: view.callback().into(),
                error_callback_uri: view.errors().map(Into::into),
            },
            enabled: webhook.status.disabled.is_none(),
            disabled_reason: webhook.status.disabled.map(Into::into),
            disabled: webhook.status.disabled.map(|why| SwitchedOff::of(why, view)),
            subscriptions: view.subscriptions,
            queued: view.queued,
            health: (&view.receiver).into(),
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

same! {
    UserAgent = webhook::Agent { Milepost = Milepost, Smartcar = Compatible }
    DisabledReason = webhook::Disabled {
        Operator = Operator, RetriesUsedUp = RetriesUsedUp, PlanChanged = PlanChanged,
    }
    AddressStatus = app::AddressStatus {
        Pending = Pending, Passed = Passed, Failed = Failed, NotAsked = NotAsked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::told;
    use domain::{
        cadence,
        signal::Endpoint,
        time::Timestamp,
        units::UnitSystem,
        webhook::{Plan, Scheduled, ScheduledName},
    };

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
        edit.into_edit(&Plan::Scheduled(settings())).unwrap().plan.map(scheduled)
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
        assert!(refused.contains("`scheduled`, `eventBased`, `dynamic`, `unified`"), "{refused}");
        let refused = new(&NEW.replace("callbackUri", "callbackUrl")).unwrap_err();
        assert!(refused.contains("callbackUrl"), "{refused}");
    }
}
