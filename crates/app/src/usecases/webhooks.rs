//! Webhooks: making, editing, verifying, testing, switching off and on, deleting.
//!
//! A webhook delivers vehicle data only after its callback URI has answered a challenge with the digest that only the
//! holder of the management token can compute. A new URI has to answer anew. So does a URI for errors of vehicles on another
//! origin (scheme, host and port): until it has, errors are not sent, and those that still stand are reported then.
//! Verifications and tests are synchronous requests beside the lanes; their results are kept for the operator. That a
//! challenge is to follow is stored with the edit: if it did not come to it, housekeeping completes it.
//!
//! An edit is a decision on the revision that it was made on, and the store takes it only while that is the current one;
//! the loser decides again on what is so now. Names are looked up in DNS before that, while nothing is held.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{
    delivery::{AttemptResult, Failure},
    ids::{ApplicationId, ApplicationNo, EventId, VehicleNo, WebhookId, WebhookNo},
    payload::{
        self,
        unified::{self, Envelope},
        v2,
    },
    signal, signature,
    time::Timestamp,
    webhook::{Agent, Disabled, Plan, Revision, Scheduled, Status, Unified, Webhook},
};
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use store::{Edited, NewWebhook, Store, StoreError, StoredWebhook, SwitchedOff, WebhookChange};

use super::{
    applications::checked_name,
    challenge::{challenge_problem, shown, test_problem},
    chance,
    idempotency::Answering,
    receivers::ReceiverState,
    webhook_headers::{HeaderChange, revised_headers},
};
use crate::{
    App, AppError, Precondition, WebhookEntry, metrics,
    ports::{Post, Purpose, Reply, Target},
};

const CHALLENGE_LENGTH: usize = 16;
/// Verifications that housekeeping begins in one pass.
const MOST_VERIFIED_AT_ONCE: usize = 16;
const MOST_ENDPOINTS: usize = 16;
const MOST_VEHICLES_PER_REQUEST: u16 = 100;

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhookRequest {
    /// The application it belongs to.
    pub application: ApplicationId,
    /// Its name.
    pub name: String,
    /// Where data goes.
    pub callback_uri: String,
    /// Where errors of vehicles go, if not where data goes (unified webhooks).
    pub error_uri: Option<String>,
    /// What is sent, and when.
    pub plan: Plan,
    /// Whether all vehicles of the application are put on it, present and coming ones.
    pub auto_subscribe: bool,
    /// Under which name.
    pub agent: Agent,
    /// Headers of the operator's own.
    pub headers: HeaderChange,
    /// Errors are sent to a URI of another origin though it is not challenged.
    pub error_uri_unchecked: bool,
    /// Send a challenge at once.
    pub verify: bool,
}

/// What may be changed about a webhook; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub struct EditWebhook {
    /// Another name.
    pub name: Option<String>,
    /// Another callback URI, which has to be verified anew.
    pub callback_uri: Option<String>,
    /// Another URI for errors of vehicles; `Some(None)` sends them where data goes.
    pub error_uri: Option<Option<String>>,
    /// Other settings, of the generation that the webhook has. A changed cadence replans every subscription.
    pub plan: Option<Plan>,
    /// Whether all vehicles of the application are put on it from now on.
    pub auto_subscribe: Option<bool>,
    /// Another name in `User-Agent`.
    pub agent: Option<Agent>,
    /// Other headers of the operator's own.
    pub headers: HeaderChange,
    /// Whether errors are sent to a URI of another origin though it is not challenged.
    pub error_uri_unchecked: Option<bool>,
}

/// What a verification or a test brought.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct ProbeResult {
    /// When it was sent.
    #[n(0)]
    pub at: Timestamp,
    /// It went well.
    #[n(1)]
    pub passed: bool,
    /// The challenge that was sent; empty for tests.
    #[n(2)]
    pub challenge: String,
    /// The digest that was expected; empty for tests.
    #[n(3)]
    pub expected: String,
    /// The status of the answer, if there was one.
    #[n(4)]
    pub status: Option<u16>,
    /// The beginning of the answer's body, as text.
    #[n(5)]
    pub received: String,
    /// Why it did not go well, and what to do.
    #[n(6)]
    pub problem: Option<String>,
    /// How long it took.
    #[n(7)]
    pub took_ms: u32,
    /// The URI that it was sent to.
    #[n(8)]
    pub uri: Option<String>,
}

/// A webhook as its operator sees it.
#[derive(Clone)]
pub struct WebhookView {
    /// The webhook.
    pub entry: Arc<WebhookEntry>,
    /// The last verification.
    pub last_verification: Option<ProbeResult>,
    /// The last challenge of the URI for errors.
    pub last_error_verification: Option<ProbeResult>,
    /// The last test.
    pub last_test: Option<ProbeResult>,
    /// Vehicles on it.
    pub subscriptions: u64,
    /// Events waiting, counted up to 100,000.
    pub queued: u64,
    /// How its receiver does.
    pub receiver: ReceiverState,
}

/// How an address of a webhook stands.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressState {
    /// The URI.
    pub uri: String,
    /// Whether data may go there.
    pub status: AddressStatus,
    /// What its last challenge brought.
    pub last: Option<ProbeResult>,
}

/// Whether an address of a webhook has answered a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressStatus {
    /// It has not been challenged, or the challenge is still to come.
    Pending,
    /// It has.
    Passed,
    /// It was challenged and did not answer as it has to.
    Failed,
    /// It is not challenged, as the webhook is set.
    NotAsked,
}

impl WebhookView {
    /// The callback URI.
    pub fn callback(&self) -> AddressState {
        let (webhook, stored) = (self.entry.webhook(), &self.entry.stored);
        let uri = webhook.revision.callback_uri.clone();
        let last =
            self.last_verification.clone().filter(|last| last.uri.as_ref().is_none_or(|of| *of == uri));
        let status = address_status(webhook.status.verified, stored.verifying, last.as_ref());
        AddressState { uri, status, last }
    }

    /// The URI for errors, where there is one. On the origin of the callback URI it stands as that does.
    pub fn errors(&self) -> Option<AddressState> {
        let (webhook, stored) = (self.entry.webhook(), &self.entry.stored);
        let uri = webhook.revision.error_uri.clone()?;
        if self.entry.challenged_error_uri().is_none() {
            return Some(match webhook.revision.error_uri_unchecked {
                true => AddressState { uri, status: AddressStatus::NotAsked, last: None },
                false => AddressState { uri, ..self.callback() },
            });
        }
        let last = self.last_error_verification.clone().filter(|last| last.uri.as_ref() == Some(&uri));
        let passed = stored.verified_error_uri.as_ref() == Some(&uri);
        let status = address_status(passed, stored.verifying, last.as_ref());
        Some(AddressState { uri, status, last })
    }
}

fn address_status(passed: bool, verifying: bool, last: Option<&ProbeResult>) -> AddressStatus {
    match (passed, verifying, last) {
        (true, ..) => AddressStatus::Passed,
        (false, false, Some(last)) if !last.passed => AddressStatus::Failed,
        _ => AddressStatus::Pending,
    }
}

/// What a synchronous request to a callback URI is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Probe {
    Verification,
    Test,
}

/// When each webhook was last probed, and which are being verified.
#[derive(Default)]
pub(crate) struct ProbeLimits {
    last: Mutex<HashMap<(WebhookNo, Probe), Duration>>,
    verifying: Mutex<HashSet<WebhookNo>>,
}

/// Somebody verifies a webhook: housekeeping leaves it alone.
struct Verifying<'p>(&'p ProbeLimits, WebhookNo);

impl Drop for Verifying<'_> {
    fn drop(&mut self) {
        self.0.verifying.lock().remove(&self.1);
    }
}

impl ProbeLimits {
    /// Notes that somebody verifies a webhook; `None` when somebody does already.
    fn begin(&self, no: WebhookNo) -> Option<Verifying<'_>> {
        let is_first = self.verifying.lock().insert(no);
        // Made only for the first: one that is dropped at once would end the turn of the other.
        is_first.then(|| Verifying(self, no))
    }

    /// Takes the turn of a webhook, or says how long to wait.
    fn take(
        &self,
        probe: (WebhookNo, Probe),
        monotonic: Duration,
        interval: Duration,
    ) -> Result<(), AppError> {
        let mut last = self.last.lock();
        last.retain(|_, at| monotonic.saturating_sub(*at) < interval);
        match last.get(&probe) {
            Some(&at) => {
                let wait = interval.saturating_sub(monotonic.saturating_sub(at));
                Err(AppError::TooOften(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)))
            }
            None => {
                last.insert(probe, monotonic);
                Ok(())
            }
        }
    }
}

impl App {
    /// Makes a webhook, unverified or verified at once.
    pub async fn create_webhook(
        &self,
        request: NewWebhookRequest,
        answering: Option<&Answering<'_, WebhookView>>,
    ) -> Result<WebhookView, AppError> {
        let application = self.application(request.application)?;
        let name = checked_name(&request.name)?;
        check_plan(&request.plan)?;
        self.settings.plans.allow_webhook(&application.application.plan, request.plan.kind())?;
        self.check_uri(&request.callback_uri).await?;
        check_error_uri(&request.plan, request.error_uri.as_deref())?;
        if let Some(uri) = &request.error_uri {
            self.check_uri(uri).await.map(drop).map_err(of_error_uri)?;
        }
        let now = self.now();
        let id = WebhookId::new(now, chance(&*self.dice));
        let headers = revised_headers(&application.key, &*self.dice, id, None, request.headers)?;
        let new = NewWebhook {
            id,
            application: application.application.no,
            name,
            revision: Revision {
                number: 1,
                callback_uri: request.callback_uri,
                error_uri: request.error_uri,
                plan: request.plan,
                agent: request.agent,
                cadence_epoch: 1,
                headers,
                error_uri_unchecked: request.error_uri_unchecked,
            },
            auto_subscribe: request.auto_subscribe,
            verify: request.verify,
            created_at: now,
        };
        let unnumbered = self.registry.webhook_entry_of(unnumbered(&new), application.clone(), 0);
        let made = WebhookView {
            entry: Arc::new(unnumbered),
            last_verification: None,
            last_error_verification: None,
            last_test: None,
            subscriptions: 0,
            queued: 0,
            receiver: ReceiverState { breaker: "closed", ..ReceiverState::default() },
        };
        let make = move |store: Arc<dyn Store>| async move { store.create_webhook(new).await };
        let stored = self.keeping(answering, &made, make).await?;
        let no = stored.webhook.no;
        let _verifying = self.probes.begin(no);
        let entry = self.take_in(stored)?;
        // The plan may have changed since it was looked at.
        self.apply_plan(application.application.no).await?;
        self.health.wake_sweeper();
        if request.verify { self.verify_if_not_too_often(no).await } else { self.view(entry).await }
    }

    /// The webhooks of an application (of all for `None`), oldest first.
    pub fn webhooks(&self, application: Option<ApplicationNo>) -> Vec<Arc<WebhookEntry>> {
        self.registry.webhooks(application)
    }

    /// One webhook.
    pub async fn webhook(&self, id: WebhookId) -> Result<WebhookView, AppError> {
        self.view(self.webhook_entry(id)?).await
    }

    /// One webhook, as the loops see it.
    pub fn webhook_entry(&self, id: WebhookId) -> Result<Arc<WebhookEntry>, AppError> {
        self.registry.webhook_by_id(id).ok_or(AppError::NotFound("webhook"))
    }

    /// A webhook by row number, as the loops see it.
    pub fn webhook_by_no(&self, no: WebhookNo) -> Option<Arc<WebhookEntry>> {
        self.registry.webhook(no)
    }

    /// Changes a webhook, whatever it is now.
    pub async fn edit_webhook(&self, id: WebhookId, edit: EditWebhook) -> Result<WebhookView, AppError> {
        self.edit_webhook_if(id, &Precondition::None, |_| Ok::<_, AppError>(edit.clone())).await
    }

    /// Changes a webhook by what `edit` makes of its settings. A new URI is challenged at once; until it has answered, nothing
    /// is sent there. One that is given again and has not answered yet is challenged again.
    pub async fn edit_webhook_if<E: From<AppError>>(
        &self,
        id: WebhookId,
        precondition: &Precondition,
        edit: impl Fn(&Plan) -> Result<EditWebhook, E> + Send + Sync,
    ) -> Result<WebhookView, E> {
        let mut vetted = HashSet::new();
        for _ in 0..Precondition::TRIES {
            let current = self.webhook_entry(id)?;
            let webhook = current.webhook();
            precondition.check("webhook", webhook.revision.number.into())?;
            let edit = edit(&webhook.revision.plan)?;
            self.vet(&edit, &mut vetted).await?;
            let Some(change) = self.revise(&current, edit)? else { return Ok(self.view(current).await?) };
            let verifies = matches!(change, WebhookChange::Revise { verify: true, .. });
            let _verifying = verifies.then(|| self.probes.begin(webhook.no));
            match self.store.change_webhook(webhook.no, change).await.map_err(AppError::from)? {
                Edited::Done((stored, _)) => {
                    let entry = self.take_in(stored)?;
                    self.health.wake_sweeper();
                    self.note_ends().await?;
                    return match verifies {
                        true => Ok(self.verify_if_not_too_often(webhook.no).await?),
                        false => Ok(self.view(entry).await?),
                    };
                }
                Edited::Stale((now, _)) => {
                    self.take_in(now)?;
                }
                Edited::Gone => return Err(AppError::NotFound("webhook").into()),
            }
        }
        Err(AppError::Unavailable(StoreError::Busy).into())
    }

    /// Looks at the addresses of an edit, each once.
    async fn vet(&self, edit: &EditWebhook, vetted: &mut HashSet<String>) -> Result<(), AppError> {
        if let Some(uri) = &edit.callback_uri
            && vetted.insert(uri.clone())
        {
            self.check_uri(uri).await?;
        }
        if let Some(Some(uri)) = &edit.error_uri
            && vetted.insert(uri.clone())
        {
            self.check_uri(uri).await.map(drop).map_err(of_error_uri)?;
        }
        Ok(())
    }

    /// What an edit makes of a webhook as it is; nothing when it changes nothing.
    fn revise(&self, current: &WebhookEntry, edit: EditWebhook) -> Result<Option<WebhookChange>, AppError> {
        let webhook = current.webhook();
        let name = checked_name(edit.name.as_deref().unwrap_or(&webhook.name))?;
        let mut revision = webhook.revision.clone();
        let mut sweep = false;
        if let Some(plan) = edit.plan {
            check_plan(&plan)?;
            sweep = replans(&revision.plan, &plan)?;
            revision.plan = plan;
        }
        let (names_callback, names_errors) = (edit.callback_uri.is_some(), edit.error_uri.is_some());
        if let Some(error_uri) = edit.error_uri {
            check_error_uri(&revision.plan, error_uri.as_deref())?;
            revision.error_uri = error_uri;
        }
        revision.error_uri_unchecked = edit.error_uri_unchecked.unwrap_or(revision.error_uri_unchecked);
        revision.callback_uri = edit.callback_uri.unwrap_or(revision.callback_uri);
        revision.agent = edit.agent.unwrap_or(revision.agent);
        let (key, current_headers) = (&current.application.key, revision.headers.as_ref());
        revision.headers = revised_headers(key, &*self.dice, webhook.id, current_headers, edit.headers)?;
        let moved = revision.callback_uri != webhook.revision.callback_uri;
        let errors_moved = revision.error_uri != webhook.revision.error_uri
            || revision.error_uri_unchecked != webhook.revision.error_uri_unchecked;
        let open_callback = names_callback && !webhook.status.verified;
        let open_errors = (names_errors || names_callback) && webhook.status.errors_withheld;
        let verify = moved || (errors_moved && revision.error_uri.is_some()) || open_callback || open_errors;
        let auto_subscribe = edit.auto_subscribe.unwrap_or(current.stored.auto_subscribe);
        let unchanged = revision == webhook.revision
            && name == webhook.name
            && auto_subscribe == current.stored.auto_subscribe;
        if unchanged && !verify {
            return Ok(None);
        }
        revision.number += 1;
        revision.cadence_epoch += u32::from(sweep);
        let verified = webhook.status.verified && !moved;
        Ok(Some(WebhookChange::Revise {
            name,
            revision,
            verified,
            sweep,
            auto_subscribe,
            errors_moved: errors_moved || moved,
            verify,
        }))
    }

    /// Sends a challenge to the callback URI, and to the URI for errors where it has an origin of its own, and keeps what came
    /// of it. What was verified stays so when this fails: its URI has not changed.
    pub async fn verify_webhook(&self, id: WebhookId) -> Result<WebhookView, AppError> {
        let no = self.webhook_entry(id)?.webhook().no;
        let interval = self.settings.delivery.probe_interval;
        self.probes.take((no, Probe::Verification), self.clock.monotonic(), interval)?;
        let _verifying = self.probes.begin(no);
        self.challenge_all(no).await
    }

    /// Verifies a webhook that has just changed. Where it was verified a moment ago, housekeeping does it later.
    async fn verify_if_not_too_often(&self, no: WebhookNo) -> Result<WebhookView, AppError> {
        let interval = self.settings.delivery.probe_interval;
        match self.probes.take((no, Probe::Verification), self.clock.monotonic(), interval) {
            Ok(()) => self.challenge_all(no).await,
            Err(_) => self.view(self.registry.webhook(no).ok_or(AppError::NotFound("webhook"))?).await,
        }
    }

    /// Sends the challenges that were asked for and that no answer came of, as a crash leaves them behind.
    pub(crate) fn complete_verifications(self: &Arc<Self>) {
        let open = self.registry.webhooks(None).into_iter().filter(|entry| entry.stored.verifying);
        for entry in open.take(MOST_VERIFIED_AT_ONCE) {
            let (app, no) = (self.clone(), entry.webhook().no);
            self.spawn.spawn(
                "verification",
                Box::pin(async move {
                    let Some(_verifying) = app.probes.begin(no) else { return };
                    match app.verify_if_not_too_often(no).await {
                        Ok(_) | Err(AppError::NotFound(_)) => {}
                        Err(error) => {
                            tracing::warn!(webhook.no = no.0, %error, "A verification could not be completed");
                        }
                    }
                }),
            );
        }
    }

    async fn challenge_all(&self, no: WebhookNo) -> Result<WebhookView, AppError> {
        let entry = self.registry.webhook(no).ok_or(AppError::NotFound("webhook"))?;
        let callback_uri = entry.webhook().revision.callback_uri.clone();
        let error_uri = entry.challenged_error_uri().map(str::to_owned);
        let of_errors = async {
            match &error_uri {
                None => None,
                Some(uri) => Some(self.challenge(&entry, uri, true).await),
            }
        };
        let of_callback = self.challenge(&entry, &callback_uri, false);
        let (of_callback, of_errors) = futures::future::join(of_callback, of_errors).await;
        if let Some((uri, result)) = error_uri.zip(of_errors) {
            let passed = result.passed;
            self.change(no, WebhookChange::ErrorVerification { uri, result: encode(&result), passed })
                .await?;
        }
        // The store knows whether the URI that answered is still the webhook's: an edit in the meantime asks for a verification
        // of its own.
        let (result, passed) = (encode(&of_callback), of_callback.passed);
        let view = self.change(no, WebhookChange::Verification { uri: callback_uri, result, passed }).await?;
        self.health.wake_sweeper();
        Ok(view)
    }

    /// Sends a challenge to one address of a webhook.
    async fn challenge(&self, entry: &WebhookEntry, uri: &str, is_error: bool) -> ProbeResult {
        let challenge = self.new_challenge();
        let lenient = match &entry.webhook().revision.plan {
            Plan::Unified(unified) => unified.lenient_verification,
            _ => true,
        };
        let body = match entry.webhook().unified() {
            Some(_) => unified::verify(&self.envelope(entry), &challenge),
            None => v2::verify(entry.webhook().id, &challenge),
        };
        let expected = signature::expected_challenge(entry.application.signing_token(self.now()), &challenge);
        let (at, took_ms, answer) = self.probe(entry, is_error, body).await;
        let mut result = probe_result(at, took_ms, &answer);
        result.problem = challenge_problem(&answer, &expected, lenient);
        result.passed = result.problem.is_none();
        result.uri = Some(uri.to_owned());
        (result.challenge, result.expected) = (challenge, expected);
        result
    }

    /// What a request beside the lanes calls itself.
    fn envelope<'a>(&self, entry: &'a WebhookEntry) -> Envelope<'a> {
        let now = self.now();
        let event = EventId::new(now, chance(&*self.dice));
        Envelope {
            event,
            delivery: event.delivery(now),
            delivered_at: now,
            webhook: entry.webhook().id,
            webhook_name: &entry.webhook().name,
        }
    }

    /// Sends a payload with an invented vehicle, in the form of the webhook, and keeps what came of it. A unified webhook
    /// has two: of a vehicle's state, and of its errors, which goes where such errors go.
    pub async fn test_webhook(&self, id: WebhookId, error: bool) -> Result<WebhookView, AppError> {
        let entry = self.webhook_entry(id)?;
        let no = entry.webhook().no;
        if error && entry.webhook().unified().is_none() {
            return Err(AppError::invalid("eventType", "only unified webhooks have tests of VEHICLE_ERROR"));
        }
        let interval = self.settings.delivery.probe_interval;
        self.probes.take((no, Probe::Test), self.clock.monotonic(), interval)?;
        let (links, now) = (&entry.application.links, self.now());
        let body = match &entry.webhook().revision.plan {
            Plan::Scheduled(settings) => v2::test(id, settings, self.request_id(), now),
            Plan::Dynamic(_) => v2::test_dynamic(id, self.request_id(), now),
            Plan::EventBased(settings) => {
                v2::test_charging(id, *settings, EventId::new(now, chance(&*self.dice)), now)
            }
            Plan::Unified(settings) if error => unified::test_error(&self.envelope(&entry), settings, links),
            Plan::Unified(settings) => unified::test_state(&self.envelope(&entry), settings),
        };
        let (at, took_ms, answer) = self.probe(&entry, error, body).await;
        let mut result = probe_result(at, took_ms, &answer);
        result.problem = test_problem(&answer);
        result.passed = result.problem.is_none();
        self.change(no, WebhookChange::Test { result: encode(&result) }).await
    }

    /// Switches a webhook on again. What was dropped while it was off is not sent by itself.
    pub async fn enable_webhook(&self, id: WebhookId) -> Result<WebhookView, AppError> {
        let entry = self.webhook_entry(id)?;
        let plan = &entry.application.application.plan;
        self.settings.plans.allow_webhook(plan, entry.webhook().revision.plan.kind())?;
        self.change(entry.webhook().no, WebhookChange::Enable).await?;
        // The plan may have changed since it was looked at.
        self.apply_plan(entry.webhook().application).await?;
        self.health.wake_sweeper();
        self.webhook(id).await
    }

    /// Switches a webhook off: nothing leaves later than a second from now, what is queued ends as dropped.
    pub async fn disable_webhook(&self, id: WebhookId) -> Result<WebhookView, AppError> {
        let no = self.webhook_entry(id)?.webhook().no;
        let since = SwitchedOff { at: self.now(), status: None, failure: None };
        let view = self.change(no, WebhookChange::Disable { why: Disabled::Operator, since }).await?;
        metrics::switched_off(Disabled::Operator);
        Ok(view)
    }

    /// Switches a webhook off because the retries of an event are used up, the last of which ended so.
    pub(crate) async fn switch_off(
        &self,
        no: WebhookNo,
        last: Option<AttemptResult>,
    ) -> Result<(), AppError> {
        let entry = self.registry.webhook(no).ok_or(AppError::NotFound("webhook"))?;
        if entry.webhook().status.disabled.is_some() {
            return Ok(());
        }
        let failure = match last {
            Some(AttemptResult::Failed(failure)) => Some(failure.as_str().to_owned()),
            _ => None,
        };
        let since = SwitchedOff { at: self.now(), status: last.and_then(AttemptResult::status), failure };
        tracing::warn!(
            webhook.id = %entry.webhook().id,
            http.status = since.status,
            failure = since.failure,
            "A webhook was switched off: the retries of an event are used up, and nothing was delivered since its first \
             attempt. Enable the webhook when its receiver is ready"
        );
        self.change(no, WebhookChange::Disable { why: Disabled::RetriesUsedUp, since }).await?;
        metrics::switched_off(Disabled::RetriesUsedUp);
        Ok(())
    }

    /// Switches off the webhooks of an application whose generation its plan does not have, and on those that were off for
    /// that reason alone. Answers with how many are off for it.
    pub(crate) async fn apply_plan(&self, application: ApplicationNo) -> Result<usize, AppError> {
        let Some(of) = self.registry.application(application) else { return Ok(0) };
        let mut off = 0;
        for entry in self.registry.webhooks(Some(application)) {
            let webhook = entry.webhook();
            let plans = &self.settings.plans;
            let has_it = plans.allow_webhook(&of.application.plan, webhook.revision.plan.kind()).is_ok();
            let change = match (has_it, webhook.status.disabled) {
                (false, None) => {
                    let since = SwitchedOff { at: self.now(), status: None, failure: None };
                    WebhookChange::Disable { why: Disabled::PlanChanged, since }
                }
                (true, Some(Disabled::PlanChanged)) => WebhookChange::Enable,
                (_, disabled) => {
                    off += usize::from(disabled == Some(Disabled::PlanChanged));
                    continue;
                }
            };
            match self.change(webhook.no, change).await {
                Ok(_) | Err(AppError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
            let plan = &of.application.plan;
            if has_it {
                tracing::info!(webhook.id = %webhook.id, plan, "A webhook goes on: the plan of its application has it again");
            } else {
                off += 1;
                metrics::switched_off(Disabled::PlanChanged);
                tracing::warn!(webhook.id = %webhook.id, plan, "A webhook was switched off: the plan of its application does not have it");
            }
        }
        self.health.wake_sweeper();
        Ok(off)
    }

    /// Applies the plans as they are configured now to all applications.
    pub(crate) async fn apply_plans(&self) -> Result<(), AppError> {
        for entry in self.registry.applications() {
            let application = &entry.application;
            if !self.settings.plans.is_known(&application.plan) {
                tracing::warn!(
                    application.id = %application.id, plan = application.plan,
                    "The plan of an application is not configured; until it is, or the application has another, its webhooks are off"
                );
            }
            self.apply_plan(application.no).await?;
        }
        Ok(())
    }

    /// Deletes a webhook with its subscriptions; its log stays until it expires.
    pub async fn delete_webhook(&self, id: WebhookId, precondition: &Precondition) -> Result<(), AppError> {
        let entry = self.webhook_entry(id)?;
        precondition.check("webhook", entry.webhook().revision.number.into())?;
        let no = entry.webhook().no;
        let changed = self.store.change_webhook(no, WebhookChange::Delete { now: self.now() }).await?;
        self.registry.remove_webhook(no);
        self.lanes.close(no);
        if let Edited::Done((_, Some(tombstone))) = changed {
            self.lanes.bury(tombstone);
        }
        self.note_ends().await
    }

    /// The number of a webhook by id, also of one that is deleted: the log still has it.
    pub fn webhook_number(&self, id: WebhookId) -> Result<WebhookNo, AppError> {
        self.registry.webhook_number(id).ok_or(AppError::NotFound("webhook"))
    }

    /// The id of a webhook by number, also of one that is deleted.
    pub fn webhook_id(&self, no: WebhookNo) -> Option<WebhookId> {
        self.registry.webhook_id(no)
    }

    /// Writes a change, then tells memory: first what must not leave any more, then the rest.
    async fn change(&self, no: WebhookNo, change: WebhookChange) -> Result<WebhookView, AppError> {
        let may_end = matches!(change, WebhookChange::Disable { .. });
        let (stored, tombstone) = match self.store.change_webhook(no, change).await? {
            Edited::Done(changed) | Edited::Stale(changed) => changed,
            Edited::Gone => return Err(AppError::NotFound("webhook")),
        };
        if let Some(tombstone) = tombstone {
            self.lanes.bury(tombstone);
        }
        let entry = self.take_in(stored)?;
        if may_end {
            self.note_ends().await?;
        }
        self.view(entry).await
    }

    fn take_in(&self, stored: StoredWebhook) -> Result<Arc<WebhookEntry>, AppError> {
        let entry = self.registry.put_webhook(stored).ok_or(AppError::NotFound("webhook"))?;
        self.lanes.refresh(entry.clone());
        Ok(entry)
    }

    async fn view(&self, entry: Arc<WebhookEntry>) -> Result<WebhookView, AppError> {
        let no = entry.webhook().no;
        let mut queued = 0;
        for lane in crate::delivery::lanes_of(no) {
            queued += self.store.depth(lane, 100_000).await?.0;
        }
        Ok(WebhookView {
            last_verification: decode(&entry.stored.last_verification),
            last_error_verification: decode(&entry.stored.last_error_verification),
            last_test: decode(&entry.stored.last_test),
            subscriptions: self.store.count_subscriptions(no).await?,
            queued,
            receiver: self.receiver(no).await?,
            entry,
        })
    }

    async fn check_uri(&self, uri: &str) -> Result<Target, AppError> {
        let target = self.outbound.parse(uri)?;
        self.outbound.vet(&target).await?;
        Ok(target)
    }

    async fn probe(
        &self,
        entry: &WebhookEntry,
        is_error: bool,
        body: String,
    ) -> (Timestamp, u32, Result<Reply, Failure>) {
        let (at, begun) = (self.now(), self.clock.monotonic());
        let Some((target, headers)) = entry.destination(is_error) else {
            return (at, 0, Err(Failure::Blocked));
        };
        // What no event may be, a test and a challenge may not be either.
        if !payload::fits(&body) {
            return (at, 0, Err(Failure::BodyTooLarge));
        }
        let post = Post {
            target,
            headers,
            purpose: Purpose::Probe,
            webhook: entry.webhook().no,
            signature: Some(entry.application.signer(at).sign(body.as_bytes())),
            agent: entry.webhook().revision.agent.header(),
            body: Bytes::from(body),
            deadline: self.settings.delivery.deadline,
            keep: self.settings.delivery.keep_answer,
        };
        let answer = self.outbound.post(post).await;
        let took = self.clock.monotonic().saturating_sub(begun).as_millis();
        (at, u32::try_from(took).unwrap_or(u32::MAX), answer)
    }

    fn new_challenge(&self) -> String {
        const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789xy";
        let mut bytes = [0; CHALLENGE_LENGTH];
        self.dice.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
    }
}

/// A webhook as it will be stored, but for its number, which nobody is shown.
fn unnumbered(new: &NewWebhook) -> StoredWebhook {
    StoredWebhook {
        webhook: Webhook {
            no: WebhookNo(0),
            id: new.id,
            application: new.application,
            name: new.name.clone(),
            status: Status::default(),
            revision: new.revision.clone(),
        },
        auto_subscribe: new.auto_subscribe,
        auto_after: VehicleNo(0),
        created_at: new.created_at,
        last_verification: Vec::new(),
        last_test: Vec::new(),
        last_error_verification: Vec::new(),
        verified_error_uri: None,
        verifying: new.verify,
        switched_off: None,
        changes: 0,
    }
}

/// Only unified webhooks have a URI of its own for errors.
fn check_error_uri(plan: &Plan, uri: Option<&str>) -> Result<(), AppError> {
    match (uri, plan) {
        (None, _) | (Some(_), Plan::Unified(_)) => Ok(()),
        (Some(_), _) => {
            Err(AppError::invalid("errorCallbackUri", "only unified webhooks report errors of vehicles"))
        }
    }
}

/// A refusal of a URI for errors names that.
fn of_error_uri(error: AppError) -> AppError {
    match error {
        AppError::Invalid { message, .. } => AppError::Invalid { field: "errorCallbackUri", message },
        other => other,
    }
}

/// Whether an edit makes every vehicle on the webhook plan anew; an edit cannot change the generation.
fn replans(now: &Plan, next: &Plan) -> Result<bool, AppError> {
    match (now, next) {
        (Plan::Scheduled(now), Plan::Scheduled(next)) => Ok(now.cadence != next.cadence),
        // A vehicle is read for new signals at its next read, and told of new triggers from then on.
        (Plan::Unified(_), Plan::Unified(_)) | (Plan::EventBased(_), Plan::EventBased(_)) => Ok(false),
        (Plan::Dynamic(_), Plan::Dynamic(_)) => Ok(false),
        _ => {
            let message = format!("a webhook stays {}; make another one for this", now.kind().as_str());
            Err(AppError::invalid("kind", message))
        }
    }
}

fn check_plan(plan: &Plan) -> Result<(), AppError> {
    match plan {
        Plan::Scheduled(settings) => check_scheduled(settings),
        Plan::Unified(settings) => check_unified(settings),
        Plan::EventBased(settings) if settings.events.iter().next().is_none() => {
            Err(AppError::invalid("events", "choose at least one event, such as CHARGING_STARTED"))
        }
        Plan::EventBased(_) | Plan::Dynamic(_) => Ok(()),
    }
}

fn check_unified(settings: &Unified) -> Result<(), AppError> {
    let triggers: Vec<_> = settings.triggers.iter().map(|trigger| trigger.signal).collect();
    check_signals("triggers", &triggers)?;
    check_signals("data", &settings.data)?;
    for trigger in &settings.triggers {
        let entry = trigger.signal.entry();
        if entry.kind == signal::Kind::Attribute {
            let message = format!("{} does not change; it can be data, not a trigger", entry.code);
            return Err(AppError::invalid("triggers", message));
        }
        if trigger.dead_band.is_some_and(|band| !(band.is_finite() && band > 0.0)) {
            return Err(AppError::invalid("triggers", "a deadBand is a number above 0"));
        }
        if trigger.dead_band.is_some() && !trigger.signal.form().takes_dead_band() {
            let code = &entry.code;
            let form = trigger.signal.form().describe();
            let message =
                format!("{code} takes no deadBand: it is {form}; leave it out, and every change fires");
            return Err(AppError::invalid("triggers", message));
        }
    }
    Ok(())
}

fn check_signals(field: &'static str, signals: &[signal::SignalId]) -> Result<(), AppError> {
    if signals.is_empty() {
        return Err(AppError::invalid(
            field,
            "choose at least one signal, such as tractionbattery-stateofcharge",
        ));
    }
    let mut seen = signals.to_vec();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() != signals.len() {
        return Err(AppError::invalid(field, "name each signal once"));
    }
    Ok(())
}

fn check_scheduled(settings: &Scheduled) -> Result<(), AppError> {
    if settings.endpoints.is_empty() || settings.endpoints.len() > MOST_ENDPOINTS {
        return Err(AppError::invalid("endpoints", "choose at least one endpoint, such as /odometer"));
    }
    let mut seen = settings.endpoints.to_vec();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() != settings.endpoints.len() {
        return Err(AppError::invalid("endpoints", "name each endpoint once"));
    }
    if !(1..=MOST_VEHICLES_PER_REQUEST).contains(&settings.vehicles_per_request) {
        let message = format!("vehiclesPerRequest is a number from 1 to {MOST_VEHICLES_PER_REQUEST}");
        return Err(AppError::invalid("vehiclesPerRequest", message));
    }
    Ok(())
}

fn probe_result(at: Timestamp, took_ms: u32, answer: &Result<Reply, Failure>) -> ProbeResult {
    let reply = answer.as_ref().ok();
    ProbeResult {
        at,
        passed: false,
        challenge: String::new(),
        expected: String::new(),
        status: reply.map(|reply| reply.status),
        received: reply.map(|reply| shown(&reply.body)).unwrap_or_default(),
        problem: None,
        took_ms,
        uri: None,
    }
}

fn encode(result: &ProbeResult) -> Vec<u8> {
    minicbor::to_vec(result).expect("a vector takes all bytes")
}

fn decode(bytes: &[u8]) -> Option<ProbeResult> {
    minicbor::decode(bytes).ok()
}
