//! Webhooks: making, editing, verifying, testing, switching off and on, deleting.
//!
//! A webhook delivers vehicle data only after its callback URI has answered a challenge with the digest that only the
//! holder of the management token can compute. A new URI has to answer anew. Verifications and tests are synchronous
//! requests beside the lanes; their results are kept for the operator.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{
    delivery::{AttemptResult, Failure},
    ids::{ApplicationId, ApplicationNo, EventId, VehicleNo, WebhookId, WebhookNo},
    payload::{
        unified::{self, Envelope},
        v2,
    },
    signal, signature,
    time::Timestamp,
    warning::Warning,
    webhook::{Agent, Disabled, Kind, Plan, Revision, Scheduled, Status, Unified, Webhook},
};
use hashbrown::HashMap;
use parking_lot::Mutex;
use store::{NewWebhook, Store, StoredWebhook, WebhookChange};

use super::{applications::checked_name, chance, idempotency::Answering};
use crate::{
    App, AppError, WebhookEntry,
    ports::{Post, Reply, Target},
};

const CHALLENGE_LENGTH: usize = 16;
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
}

/// A webhook as its operator sees it.
#[derive(Clone)]
pub struct WebhookView {
    /// The webhook.
    pub entry: Arc<WebhookEntry>,
    /// The last verification.
    pub last_verification: Option<ProbeResult>,
    /// The last test.
    pub last_test: Option<ProbeResult>,
    /// Vehicles on it.
    pub subscriptions: u64,
    /// Events waiting, counted up to 100,000.
    pub queued: u64,
}

/// What a synchronous request to a callback URI is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Probe {
    Verification,
    Test,
}

/// When each webhook was last probed.
#[derive(Default)]
pub(crate) struct ProbeLimits(Mutex<HashMap<(WebhookNo, Probe), Duration>>);

impl ProbeLimits {
    /// Takes the turn of a webhook, or says how long to wait.
    fn take(
        &self,
        probe: (WebhookNo, Probe),
        monotonic: Duration,
        interval: Duration,
    ) -> Result<(), AppError> {
        let mut last = self.0.lock();
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
    /// Makes a webhook, unverified.
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
        self.check_error_uri(&request.plan, request.error_uri.as_deref()).await?;
        let now = self.now();
        let new = NewWebhook {
            id: WebhookId::new(now, chance(&*self.dice)),
            application: application.application.no,
            name,
            revision: Revision {
                number: 1,
                callback_uri: request.callback_uri,
                error_uri: request.error_uri,
                plan: request.plan,
                agent: request.agent,
                cadence_epoch: 1,
            },
            auto_subscribe: request.auto_subscribe,
            created_at: now,
        };
        let unnumbered = self.registry.webhook_entry_of(unnumbered(&new), application);
        let made = WebhookView {
            entry: Arc::new(unnumbered),
            last_verification: None,
            last_test: None,
            subscriptions: 0,
            queued: 0,
        };
        let make = move |store: Arc<dyn Store>| async move { store.create_webhook(new).await };
        let stored = self.keeping(answering, &made, make).await?;
        let entry = self.take_in(stored)?;
        self.health.wake_sweeper();
        self.view(entry).await
    }

    /// What to know about what a webhook is about, whoever its receiver is.
    pub async fn settings_warnings(&self, entry: &WebhookEntry) -> Result<Vec<Warning>, AppError> {
        let mut warnings = Vec::new();
        if entry.webhook().revision.plan.kind() == Kind::Dynamic {
            warnings.push(Warning::Superseded);
        }
        Ok(warnings)
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

    /// Changes a webhook. A new callback URI is verified at once; until it has answered, no data is sent.
    pub async fn edit_webhook(
        self: &Arc<Self>,
        id: WebhookId,
        edit: EditWebhook,
    ) -> Result<WebhookView, AppError> {
        if let Some(uri) = &edit.callback_uri {
            self.check_uri(uri).await?;
        }
        let one_at_a_time = self.webhook_edit.lock().await;
        let current = self.webhook_entry(id)?;
        let webhook = current.webhook();
        let name = checked_name(edit.name.as_deref().unwrap_or(&webhook.name))?;
        let mut revision = webhook.revision.clone();
        let mut sweep = false;
        if let Some(plan) = edit.plan {
            check_plan(&plan)?;
            sweep = replans(&revision.plan, &plan)?;
            revision.plan = plan;
        }
        if let Some(error_uri) = edit.error_uri {
            self.check_error_uri(&revision.plan, error_uri.as_deref()).await?;
            revision.error_uri = error_uri;
        }
        let moved = edit.callback_uri.is_some_and(|uri| {
            let moved = uri != revision.callback_uri;
            revision.callback_uri = uri;
            moved
        });
        revision.agent = edit.agent.unwrap_or(revision.agent);
        revision.number += 1;
        revision.cadence_epoch += u32::from(sweep);
        let verified = webhook.status.verified && !moved;
        let auto_subscribe = edit.auto_subscribe.unwrap_or(current.stored.auto_subscribe);
        let change = WebhookChange::Revise { name, revision, verified, sweep, auto_subscribe };
        let view = self.change(webhook.no, change).await?;
        drop(one_at_a_time);
        self.health.wake_sweeper();
        if moved { self.verify_webhook(id).await } else { Ok(view) }
    }

    /// Sends a challenge to the callback URI and keeps what came of it. A webhook that was verified stays so when this
    /// fails: its URI has not changed.
    pub async fn verify_webhook(self: &Arc<Self>, id: WebhookId) -> Result<WebhookView, AppError> {
        let entry = self.webhook_entry(id)?;
        let no = entry.webhook().no;
        let interval = self.settings.delivery.probe_interval;
        self.probes.take((no, Probe::Verification), self.clock.monotonic(), interval)?;
        let challenge = self.challenge();
        let lenient = match &entry.webhook().revision.plan {
            Plan::Unified(unified) => unified.lenient_verification,
            _ => true,
        };
        let body = match entry.webhook().unified() {
            Some(_) => unified::verify(&self.envelope(&entry), &challenge),
            None => v2::verify(id, &challenge),
        };
        let expected = signature::expected_challenge(entry.application.signing_token(self.now()), &challenge);
        let (at, took_ms, answer) = self.probe(&entry, entry.target.clone(), body).await;
        let mut result = probe_result(at, took_ms, &answer);
        result.problem = match &answer {
            Ok(reply) => challenge_problem(reply, &expected, lenient),
            Err(failure) => Some(failure.sentence().to_owned()),
        };
        result.passed = result.problem.is_none();
        (result.challenge, result.expected) = (challenge, expected);
        // The URI that answered must still be the webhook's: an edit in the meantime asks for a verification of its own.
        let _one_at_a_time = self.webhook_edit.lock().await;
        let now_current = self.webhook_entry(id)?;
        let passed = result.passed
            && now_current.webhook().revision.callback_uri == entry.webhook().revision.callback_uri;
        let change = WebhookChange::Verification { result: encode(&result), passed };
        let view = self.change(no, change).await?;
        self.health.wake_sweeper();
        Ok(view)
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
    pub async fn test_webhook(self: &Arc<Self>, id: WebhookId, error: bool) -> Result<WebhookView, AppError> {
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
        let target = if error { &entry.error_target } else { &entry.target };
        let (at, took_ms, answer) = self.probe(&entry, target.clone(), body).await;
        let mut result = probe_result(at, took_ms, &answer);
        result.problem = match &answer {
            Ok(reply) if (200..300).contains(&reply.status) => None,
            Ok(reply) => Some(status_problem(reply.status)),
            Err(failure) => Some(failure.sentence().to_owned()),
        };
        result.passed = result.problem.is_none();
        self.change(no, WebhookChange::Test { result: encode(&result) }).await
    }

    /// Switches a webhook on again. What was dropped while it was off is not sent by itself.
    pub async fn enable_webhook(self: &Arc<Self>, id: WebhookId) -> Result<WebhookView, AppError> {
        let no = self.webhook_entry(id)?.webhook().no;
        let view = self.change(no, WebhookChange::Enable).await?;
        self.health.wake_sweeper();
        Ok(view)
    }

    /// Switches a webhook off: nothing leaves later than a second from now, what is queued ends as dropped.
    pub async fn disable_webhook(self: &Arc<Self>, id: WebhookId) -> Result<WebhookView, AppError> {
        let no = self.webhook_entry(id)?.webhook().no;
        self.change(no, WebhookChange::Disable { why: Disabled::Operator, now: self.now() }).await
    }

    /// Switches a webhook off because the retries of an event are used up.
    pub(crate) async fn switch_off(&self, no: WebhookNo) -> Result<(), AppError> {
        self.change(no, WebhookChange::Disable { why: Disabled::RetriesUsedUp, now: self.now() }).await?;
        Ok(())
    }

    /// Deletes a webhook with its subscriptions; its log stays until it expires.
    pub async fn delete_webhook(self: &Arc<Self>, id: WebhookId) -> Result<(), AppError> {
        let no = self.webhook_entry(id)?.webhook().no;
        let _changing = self.webhooks_change.write().await;
        let changed = self.store.change_webhook(no, WebhookChange::Delete { now: self.now() }).await?;
        self.registry.remove_webhook(no);
        self.lanes.close(no);
        if let Some((_, Some(tombstone))) = changed {
            self.lanes.bury(tombstone);
        }
        self.note_ends().await
    }

    /// Writes a change, then tells memory: first what must not leave any more, then the rest.
    async fn change(&self, no: WebhookNo, change: WebhookChange) -> Result<WebhookView, AppError> {
        let changing = self.webhooks_change.write().await;
        let may_end = matches!(change, WebhookChange::Revise { .. } | WebhookChange::Disable { .. });
        let changed = self.store.change_webhook(no, change).await?;
        let (stored, tombstone) = changed.ok_or(AppError::NotFound("webhook"))?;
        if let Some(tombstone) = tombstone {
            self.lanes.bury(tombstone);
        }
        let entry = self.take_in(stored)?;
        drop(changing);
        if may_end {
            self.note_ends().await?;
        }
        self.view(entry).await
    }

    fn take_in(&self, stored: StoredWebhook) -> Result<Arc<WebhookEntry>, AppError> {
        let entry = self.registry.put_webhook(stored).ok_or(AppError::NotFound("application"))?;
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
            last_test: decode(&entry.stored.last_test),
            subscriptions: self.store.count_subscriptions(no).await?,
            queued,
            entry,
        })
    }

    async fn check_uri(&self, uri: &str) -> Result<Target, AppError> {
        let target = self.outbound.parse(uri)?;
        self.outbound.vet(&target).await?;
        Ok(target)
    }

    /// A URI of its own for errors has to be one that data could go to.
    async fn check_error_uri(&self, plan: &Plan, uri: Option<&str>) -> Result<(), AppError> {
        let Some(uri) = uri else { return Ok(()) };
        if !matches!(plan, Plan::Unified(_)) {
            return Err(AppError::invalid(
                "errorCallbackUri",
                "only unified webhooks report errors of vehicles",
            ));
        }
        let refused = |error| match error {
            AppError::Invalid { message, .. } => AppError::Invalid { field: "errorCallbackUri", message },
            other => other,
        };
        self.check_uri(uri).await.map(drop).map_err(refused)
    }

    async fn probe(
        &self,
        entry: &WebhookEntry,
        target: Option<Arc<Target>>,
        body: String,
    ) -> (Timestamp, u32, Result<Reply, Failure>) {
        let (at, begun) = (self.now(), self.clock.monotonic());
        let Some(target) = target else { return (at, 0, Err(Failure::Blocked)) };
        let post = Post {
            target,
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

    fn challenge(&self) -> String {
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
        received: reply.map(|reply| String::from_utf8_lossy(&reply.body).into_owned()).unwrap_or_default(),
        problem: None,
        took_ms,
    }
}

/// Why an answer to a challenge does not verify a webhook: it takes the right digest in the body of a 200, or of any 2xx
/// where the webhook is lenient, as those of v2 are.
fn challenge_problem(reply: &Reply, expected: &str, lenient: bool) -> Option<String> {
    if !(200..300).contains(&reply.status) {
        return Some(status_problem(reply.status));
    }
    if reply.status != 200 && !lenient {
        let status = reply.status;
        return Some(format!(
            "the callback URI answered with status {status}; a challenge is answered with 200"
        ));
    }
    match challenge_in(&reply.body) {
        Some(given) if signature::matches(expected, &given) => None,
        Some(_) => Some(
            "the digest in the answer is not the expected one: answer with HMAC-SHA256 of the challenge under the \
             application's management token, in lower-case hexadecimal"
                .into(),
        ),
        None => Some(r#"the answer must be JSON like {"challenge":"<hex digest>"}"#.into()),
    }
}

fn challenge_in(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    answer.get("challenge")?.as_str().map(str::to_owned)
}

fn status_problem(status: u16) -> String {
    let hint = AttemptResult::Answered { status }.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
    format!("the callback URI answered with status {status}{hint}")
}

fn encode(result: &ProbeResult) -> Vec<u8> {
    minicbor::to_vec(result).expect("a vector takes all bytes")
}

fn decode(bytes: &[u8]) -> Option<ProbeResult> {
    minicbor::decode(bytes).ok()
}
