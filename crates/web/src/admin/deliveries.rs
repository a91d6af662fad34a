//! `/api/v1/deliveries`: what was sent, when, how often, with what result; and sending it again.

use std::sync::Arc;

use app::{
    App, AppError, DeliveryDetail as Detail, DeliveryQuery, DeliverySummary, WaitingQuery, WaitingSummary,
    WebhookEntry,
};
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::{
    delivery::{Attempt as Tried, AttemptResult},
    ids::EventNo,
    payload::unified::FIRST_DELIVERY,
    signal::SignalId,
    vehicle::{ErrorChange, Observed, Occasion},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::LogStatus;
use utoipa::{IntoParams, ToSchema};

use super::{
    Answer, Changed,
    idempotency::Keyed,
    triggers::EventCause,
    waiting::{self, Waiting},
};
use crate::{
    extract::{Ids, Query, id_in_query},
    paging::{self, Cursor, Limit, List, Page},
    problem::ApiError,
    route::{Operation, operation},
    wire::{CatalogueError, DeliveryId, Id, Moment, signal_value},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/deliveries",
            list,
            "Lists ended deliveries, newest first; with status=queued or retrying those that wait",
        )
        .query::<DeliveriesQuery>()
        .page_of::<Delivery>(),
        operation(
            Method::GET,
            "/deliveries/{id}",
            get,
            "Shows a delivery with every attempt and what it carried",
        )
        .answers::<DeliveryDetail>(StatusCode::OK),
        operation(
            Method::POST,
            "/deliveries/{id}/redeliver",
            redeliver,
            "Sends an ended event again, with the same event id, as a new delivery",
        )
        .answers::<Redelivery>(StatusCode::ACCEPTED),
    ]
}

/// Which deliveries to list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeliveriesQuery {
    webhook_id: Option<String>,
    vehicle_id: Option<String>,
    /// Ended ones without it. `queued` lists all that wait, `retrying` those of them that were attempted, in the order of
    /// webhook and next attempt.
    status: Option<DeliveryState>,
    /// Ended at or after.
    from: Option<Moment>,
    /// Ended before.
    to: Option<Moment>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// How many items, 1 to 100; 50 by default.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Limit,
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryStatus {
    /// A 2xx came back.
    Delivered,
    /// The retries are used up, or the body could not be sent at all.
    Failed,
    /// The webhook was switched off or deleted.
    Dropped,
    /// The vehicle was unsubscribed, disconnected or erased, or its owner narrowed what may be read.
    Cancelled,
    /// Too old to be sent.
    Expired,
    /// A slot passed while the server was down; nothing was read for it.
    Missed,
    /// It happened while the webhook was not verified.
    Skipped,
}

/// Where an event is: on its way, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryState {
    /// It waits for its first attempt.
    Queued,
    /// An attempt has failed; it waits for the next one.
    Retrying,
    /// A 2xx came back.
    Delivered,
    /// The retries are used up, or the body could not be sent at all.
    Failed,
    /// The webhook was switched off or deleted.
    Dropped,
    /// The vehicle was unsubscribed, disconnected or erased, or its owner narrowed what may be read.
    Cancelled,
    /// Too old to be sent.
    Expired,
    /// A slot passed while the server was down; nothing was read for it.
    Missed,
    /// It happened while the webhook was not verified.
    Skipped,
}

impl DeliveryState {
    /// Which waiting events it lists; or how those ended that it lists.
    const fn listed(self) -> Result<LogStatus, Waiting> {
        Ok(match self {
            Self::Queued => return Err(Waiting::All),
            Self::Retrying => return Err(Waiting::Attempted),
            Self::Delivered => LogStatus::Delivered,
            Self::Failed => LogStatus::Failed,
            Self::Dropped => LogStatus::Dropped,
            Self::Cancelled => LogStatus::Cancelled,
            Self::Expired => LogStatus::Expired,
            Self::Missed => LogStatus::Missed,
            Self::Skipped => LogStatus::Skipped,
        })
    }
}

impl From<LogStatus> for DeliveryState {
    fn from(status: LogStatus) -> Self {
        match status {
            LogStatus::Delivered => Self::Delivered,
            LogStatus::Failed => Self::Failed,
            LogStatus::Dropped => Self::Dropped,
            LogStatus::Cancelled => Self::Cancelled,
            LogStatus::Expired => Self::Expired,
            LogStatus::Missed => Self::Missed,
            LogStatus::Skipped => Self::Skipped,
        }
    }
}

/// An event on its way, or as it ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: Id,
    /// The same over all attempts and redeliveries.
    event_id: Id,
    /// Under which the payload names the read that it came from.
    request_id: Id,
    /// Also of a webhook that is deleted.
    webhook_id: Option<Id>,
    /// Null when the vehicle is gone.
    vehicle_id: Option<Id>,
    /// What the receiver sees as `eventType`, or of a v2 webhook as `eventName` of its slots; null for a slot of a
    /// deleted webhook.
    event_type: Option<&'static str>,
    /// Codes of the signals that made a `VEHICLE_STATE`; `FIRST_DELIVERY` alone for the first one of a vehicle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<&'static str>,
    /// Errors that a `VEHICLE_ERROR` reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ReportedError>,
    /// Rises with the events of a vehicle for a webhook; 0 for missed slots.
    sequence: u64,
    status: DeliveryState,
    /// Why it was not sent, or not to the end; of one that waits, why it waits where its receiver keeps failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The slot that it was for, or when it happened.
    slot: Moment,
    created_at: Moment,
    /// While it waits: when it is attempted, unless the receiver keeps failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Moment>,
    /// None while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Moment>,
    /// The status of the last answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    attempt_count: u16,
    /// How long the last attempt took.
    took_ms: u32,
    /// It had ended before and was sent again.
    redelivery: bool,
    /// Slots that passed while the server was down.
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<MissedSlots>,
    /// Oldest first; in a list, the last one only.
    attempts: Vec<Attempt>,
}

/// A delivery with what it carried.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryDetail {
    #[serde(flatten)]
    delivery: Delivery,
    /// Why the event was made, of webhooks that watch vehicles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<EventCause>,
    /// What was seen, while it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    signals: Option<Vec<CarriedSignal>>,
    /// The body that was sent, while what it was made of is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// A run of slots that were missed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MissedSlots {
    from: Moment,
    until: Moment,
    count: u64,
}

/// One HTTP request of a delivery.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    started_at: Moment,
    took_ms: u32,
    /// The status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why there was no answer, as a word that never changes: `timed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    /// Why there was no answer, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
    /// What to look at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

/// A signal that a delivery carried, or why it did not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CarriedSignal {
    /// `tractionbattery-stateofcharge`
    code: &'static str,
    /// `SUCCESS` or `ERROR`
    status: &'static str,
    /// In its canonical metric unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// When the vehicle measured it, if the source said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    captured_at: Option<Moment>,
    /// When the server had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retrieved_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<CatalogueError>,
}

/// An error of a vehicle that has appeared or cleared.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportedError {
    #[serde(flatten)]
    error: CatalogueError,
    /// It has cleared.
    resolved: bool,
    /// The signals that it concerns; none when it concerns the whole vehicle.
    signals: Vec<&'static str>,
}

/// The delivery that an event got by being sent again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Redelivery {
    id: Id,
}

/// Why the first attempt of an event waits.
const HELD: &str = "the receiver fails, so the circuit breaker holds first attempts; a retry that succeeds ends that at once";

/// Why an event was not delivered.
const fn reason(status: LogStatus) -> Option<&'static str> {
    Some(match status {
        LogStatus::Delivered => return None,
        LogStatus::Failed => "the retries are used up, or it could not be sent at all",
        LogStatus::Dropped => "the webhook was switched off or deleted",
        LogStatus::Cancelled => {
            "the vehicle left the webhook, its connection ended, or its owner took permissions away"
        }
        LogStatus::Expired => "it was too old to be sent",
        LogStatus::Missed => "the server was down when the slot passed",
        LogStatus::Skipped => "the webhook was not verified when it happened; verify the webhook",
    })
}

impl Delivery {
    fn of(summary: &DeliverySummary, attempts: &[Tried], app: &App) -> Self {
        let logged = &summary.logged;
        let webhook = app.webhook_by_no(logged.webhook);
        let occasion = Occasion::decode(&logged.occasion).unwrap_or(Occasion::Slot);
        Self {
            id: Id::of(DeliveryId(logged.event)),
            event_id: Id::of(logged.id),
            request_id: Id::of(logged.id.request()),
            webhook_id: app.webhook_id(logged.webhook).map(Id::of),
            vehicle_id: logged.vehicle_id.map(Id::of),
            event_type: event_type(&occasion, webhook.as_deref()),
            triggers: triggers(&occasion),
            errors: errors(&occasion),
            sequence: logged.sequence,
            status: logged.status.into(),
            reason: reason(logged.status),
            slot: Moment(logged.slot),
            created_at: Moment(logged.created_at),
            next_attempt_at: None,
            ended_at: Some(Moment(logged.ended_at)),
            http_status: Some(logged.http_status).filter(|&status| status != 0),
            attempt_count: logged.attempt_count,
            took_ms: logged.took_ms,
            redelivery: logged.redelivery,
            missed: (logged.missed > 0).then(|| MissedSlots {
                from: Moment(logged.missed_from.unwrap_or(logged.slot)),
                until: Moment(logged.slot),
                count: logged.missed,
            }),
            attempts: attempts.iter().map(Attempt::from).collect(),
        }
    }

    /// One that waits.
    pub(super) fn waiting(summary: &WaitingSummary, attempts: &[Tried], app: &App) -> Self {
        let event = &summary.event;
        let webhook = app.webhook_by_no(event.place.lane.webhook);
        let occasion = Occasion::decode(&event.occasion).unwrap_or(Occasion::Slot);
        Self {
            id: Id::of(DeliveryId(event.place.event)),
            event_id: Id::of(event.id),
            request_id: Id::of(event.id.request()),
            webhook_id: app.webhook_id(event.place.lane.webhook).map(Id::of),
            vehicle_id: event.vehicle_id.map(Id::of),
            event_type: event_type(&occasion, webhook.as_deref()),
            triggers: triggers(&occasion),
            errors: errors(&occasion),
            sequence: event.sequence,
            status: match event.attempt_count {
                0 => DeliveryState::Queued,
                _ => DeliveryState::Retrying,
            },
            reason: summary.held_until.map(|_| HELD),
            slot: Moment(event.slot),
            created_at: Moment(event.created_at),
            next_attempt_at: Moment::known(summary.held_until.unwrap_or(event.place.attempt_at)),
            ended_at: None,
            http_status: Some(event.http_status).filter(|&status| status != 0),
            attempt_count: event.attempt_count,
            took_ms: event.took_ms,
            redelivery: event.redelivery,
            missed: None,
            attempts: attempts.iter().map(Attempt::from).collect(),
        }
    }

    /// As in a list.
    fn with_last_attempt(summary: &DeliverySummary, app: &App) -> Self {
        Self::of(summary, summary.attempts.last().map_or(&[], std::slice::from_ref), app)
    }
}

impl DeliveryDetail {
    fn of(detail: Detail, app: &App) -> Self {
        let logged = &detail.summary.logged;
        let seen = detail.observation.as_ref();
        let causes = seen.into_iter().flat_map(|seen| {
            let causes = seen.causes_of(logged.webhook, logged.sequence);
            causes.map(|cause| EventCause::of(seen, cause))
        });
        let causes = causes.collect();
        let signals = seen.map(|seen| seen.signals.iter().map(CarriedSignal::from).collect());
        let delivery = Delivery::of(&detail.summary, &detail.summary.attempts, app);
        Self { delivery, causes, signals, body: detail.body }
    }

    /// What it carries is composed with each attempt, so there is nothing to show before it has ended.
    fn waiting(summary: &WaitingSummary, app: &App) -> Self {
        let delivery = Delivery::waiting(summary, &summary.attempts, app);
        Self { delivery, causes: vec![], signals: None, body: None }
    }
}

fn event_type(occasion: &Occasion, webhook: Option<&WebhookEntry>) -> Option<&'static str> {
    match occasion {
        Occasion::Slot => webhook.and_then(|entry| entry.webhook().revision.plan.slot_name()),
        _ => Some(occasion.as_str()),
    }
}

fn errors(occasion: &Occasion) -> Vec<ReportedError> {
    match occasion {
        Occasion::Errors(changes) => changes.iter().map(Into::into).collect(),
        _ => vec![],
    }
}

fn triggers(occasion: &Occasion) -> Vec<&'static str> {
    match occasion {
        Occasion::FirstDelivery => vec![FIRST_DELIVERY],
        Occasion::Changed(signals) => codes(signals),
        _ => vec![],
    }
}

fn codes(signals: &[SignalId]) -> Vec<&'static str> {
    signals.iter().map(|signal| signal.entry().code.as_str()).collect()
}

impl From<&ErrorChange> for ReportedError {
    fn from(change: &ErrorChange) -> Self {
        Self { error: change.code.into(), resolved: change.resolved, signals: codes(&change.signals) }
    }
}

impl From<&Tried> for Attempt {
    fn from(attempt: &Tried) -> Self {
        let failure = match attempt.result {
            AttemptResult::Answered { .. } => None,
            AttemptResult::Failed(failure) => Some(failure),
        };
        Self {
            started_at: Moment(attempt.started_at),
            took_ms: attempt.took_ms,
            status: attempt.result.status(),
            failure: failure.map(|failure| failure.as_str()),
            problem: failure.map(|failure| failure.sentence()),
            hint: attempt.result.hint(),
        }
    }
}

impl From<&Observed> for CarriedSignal {
    fn from(observed: &Observed) -> Self {
        let (sample, error) = match &observed.outcome {
            Ok(sample) => (Some(sample), None),
            Err(error) => (None, Some(*error)),
        };
        Self {
            code: &observed.signal.entry().code,
            status: if error.is_none() { "SUCCESS" } else { "ERROR" },
            value: sample.map(|sample| signal_value(&sample.value)),
            captured_at: sample.and_then(|sample| sample.captured_at).map(Moment),
            retrieved_at: sample.map(|sample| Moment(sample.retrieved_at)),
            error: error.map(Into::into),
        }
    }
}

macro_rules! statuses {
    ($($status:ident),*) => {
        impl From<LogStatus> for DeliveryStatus {
            fn from(status: LogStatus) -> Self {
                match status { $(LogStatus::$status => Self::$status),* }
            }
        }

        impl From<DeliveryStatus> for LogStatus {
            fn from(status: DeliveryStatus) -> Self {
                match status { $(DeliveryStatus::$status => Self::$status),* }
            }
        }
    };
}

statuses!(Delivered, Failed, Dropped, Cancelled, Expired, Missed, Skipped);

/// `GET /api/v1/deliveries`
async fn list(State(app): State<Arc<App>>, Query(query): Query<DeliveriesQuery>) -> Answer<Page<Delivery>> {
    let webhook = id_in_query(query.webhook_id.as_deref(), "webhookId")?;
    let webhook = webhook.map(|id| app.webhook_number(id)).transpose()?;
    let vehicle = id_in_query(query.vehicle_id.as_deref(), "vehicleId")?;
    let status = match query.status.map(DeliveryState::listed) {
        Some(Err(which)) => {
            if query.from.is_some() || query.to.is_some() {
                let message =
                    "from and to are about ended deliveries; leave them out to list those that wait";
                return Err(ApiError::invalid("from", message));
            }
            let retrying = which == Waiting::Attempted;
            let wanted = WaitingQuery { webhook, vehicle, retrying, after: None };
            return waiting::list(&app, wanted, query.cursor.as_deref(), query.limit.0).await.map(Out);
        }
        Some(Ok(status)) => Some(status),
        None => None,
    };
    let filter = DeliveryQuery {
        webhooks: webhook.into_iter().collect(),
        vehicle,
        status,
        from: query.from.map(|from| from.0),
        to: query.to.map(|to| to.0),
        before: paging::after(query.cursor.as_deref(), List::Deliveries)?.map(|at| EventNo(paging::row(at))),
    };
    let page = app.deliveries(filter, query.limit.0).await?;
    let last = page.items.last().filter(|_| page.more);
    let next = last.map(|last| Cursor::after_row(List::Deliveries, last.logged.event.0));
    let items = page.items.iter().map(|summary| Delivery::with_last_attempt(summary, &app)).collect();
    Ok(Out(Page::new(items, next)))
}

/// `GET /api/v1/deliveries/{id}`
async fn get(State(app): State<Arc<App>>, Ids(DeliveryId(event)): Ids<DeliveryId>) -> Answer<DeliveryDetail> {
    match app.delivery(event).await {
        Ok(detail) => Ok(Out(DeliveryDetail::of(detail, &app))),
        Err(error @ AppError::NotFound(_)) => match app.retrying(event).await? {
            Some(summary) => Ok(Out(DeliveryDetail::waiting(&summary, &app))),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// `POST /api/v1/deliveries/{id}/redeliver`
async fn redeliver(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(DeliveryId(event)): Ids<DeliveryId>,
) -> Result<Changed<Redelivery>, ApiError> {
    let answer = |event: EventNo| Changed::accepted(Redelivery { id: Id::of(DeliveryId(event)) });
    let kept = |&event: &EventNo| answer(event).to_kept();
    Ok(answer(app.redeliver(event, keyed.answering(&kept).as_ref()).await?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Server, new_webhook_of};
    use domain::{
        delivery::Failure, errors::ErrorCode, signal, time::Timestamp, vehicle::Sample, webhook::Kind,
    };
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(shown: impl Serialize, expected: Expect) {
        expected.assert_eq(&serde_json::to_string_pretty(&shown).unwrap());
    }

    #[test]
    fn an_attempt_says_what_to_look_at() {
        let at = |result| Attempt::from(&Tried { started_at: Timestamp::from_secs(1), took_ms: 7, result });
        check(
            [at(AttemptResult::Answered { status: 413 }), at(AttemptResult::Failed(Failure::TimedOut))],
            expect![[r#"
                [
                  {
                    "startedAt": "1970-01-01T00:00:01.000Z",
                    "tookMs": 7,
                    "status": 413,
                    "hint": "The receiver's limit on the size of requests is the usual cause: allow at least 50 KB."
                  },
                  {
                    "startedAt": "1970-01-01T00:00:01.000Z",
                    "tookMs": 7,
                    "failure": "timed_out",
                    "problem": "No complete answer came in time; the receiver may have got the request.",
                    "hint": "Answer first and work afterwards: a receiver has 15 seconds for its whole answer."
                  }
                ]"#]],
        );
    }

    #[test]
    fn row_l01_the_detail_shows_each_signal_with_its_state() {
        let at = Timestamp::from_secs(1);
        let sample =
            Sample { value: signal::Value::Number(81_203.4), captured_at: Some(at), retrieved_at: at };
        let seen = [
            Observed { signal: signal::ODOMETER, outcome: Ok(sample), older: None },
            Observed {
                signal: signal::STATE_OF_CHARGE,
                outcome: Err(ErrorCode::VEHICLE_STATE_ASLEEP),
                older: None,
            },
        ];
        check(
            seen.iter().map(CarriedSignal::from).collect::<Vec<_>>(),
            expect![[r#"
            [
              {
                "code": "odometer-traveleddistance",
                "status": "SUCCESS",
                "value": 81203.4,
                "capturedAt": "1970-01-01T00:00:01.000Z",
                "retrievedAt": "1970-01-01T00:00:01.000Z"
              },
              {
                "code": "tractionbattery-stateofcharge",
                "status": "ERROR",
                "error": {
                  "type": "VEHICLE_STATE",
                  "code": "ASLEEP",
                  "description": "The vehicle is asleep and cannot be asked."
                }
              }
            ]"#]],
        );
    }

    #[test]
    fn every_end_of_an_event_has_the_word_that_metrics_have() {
        for &status in LogStatus::ALL {
            let word = serde_json::to_value(DeliveryStatus::from(status)).unwrap();
            assert_eq!(word, status.as_str());
            let read: DeliveryStatus = serde_json::from_value(word).unwrap();
            assert_eq!(LogStatus::from(read), status);
        }
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn row_l01_every_delivery_has_a_row_with_its_attempts_status_and_time() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 204).await;
        server.clock.pass(HOUR);
        let row = server.logged(1).await.remove(0);
        assert_eq!(row["status"], "delivered");
        assert_eq!((&row["httpStatus"], &row["attemptCount"]), (&json!(204), &json!(1)));
        assert_eq!((&row["webhookId"], &row["vehicleId"]), (&json!(tenant.webhook), &json!(tenant.vehicle)));
        assert_eq!(row["slot"], "2026-03-02T13:00:00.000Z");
        assert_eq!(row["attempts"][0]["status"], 204);

        let path = format!("/deliveries/{}", row["id"].as_str().unwrap());
        let detail = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        assert_eq!(detail["eventId"], row["eventId"]);
        let odometer = &detail["signals"].as_array().unwrap()[0];
        assert_eq!(odometer["code"], "odometer-traveleddistance");
        assert_eq!((&odometer["status"], &odometer["value"]), (&json!("SUCCESS"), &json!(100.5)));
        let body: Value = serde_json::from_str(detail["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["webhookId"], json!(tenant.webhook));
    }

    #[tokio::test]
    async fn row_l01_a_row_says_why_its_event_was_owed() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 200).await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::Unified)).await;
        let vehicle = server.pushed_vehicle(&tenant, "BMW").await;
        server.on(&webhook, &vehicle).await;
        for percent in [50.0, 60.0] {
            server.push_charge(&tenant, &vehicle, percent).await;
            server.clock.pass(Duration::from_secs(60));
            server.settle().await;
        }
        server.admin(Method::POST, &format!("/webhooks/{webhook}/subscriptions"), json!({"all": true})).await;
        server.clock.pass(HOUR);
        let mut rows: Vec<String> = Vec::new();
        for row in server.logged(5).await {
            let parts = ["eventType", "sequence", "triggers"].map(|member| row[member].to_string());
            rows.push(parts.join(" "));
            for error in row["errors"].as_array().into_iter().flatten() {
                rows.push(format!("  {error}"));
            }
        }
        rows.sort();
        expect![[r#"
              {"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","description":"The vehicle does not have this feature; asking again will not help.","resolved":false,"signals":["tractionbattery-stateofcharge"]}
            "VEHICLE_ERROR" 1772452920001 null
            "VEHICLE_STATE" 1772452800000 ["FIRST_DELIVERY"]
            "VEHICLE_STATE" 1772452860000 ["tractionbattery-stateofcharge"]
            "VEHICLE_STATE" 1772452920000 ["FIRST_DELIVERY"]
            "schedule" 1 null"#]].assert_eq(&rows.join("\n"));

        let path = format!("/deliveries?webhookId={webhook}&vehicleId={vehicle}");
        let newest = server.admin(Method::GET, &path, Value::Null).await.json()["items"][0].clone();
        let path = format!("/deliveries/{}", newest["id"].as_str().unwrap());
        let detail = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        let charge = &detail["signals"][0];
        assert_eq!(
            (&charge["code"], &charge["value"]),
            (&json!("tractionbattery-stateofcharge"), &json!(60.0))
        );
    }

    #[tokio::test]
    async fn row_l02_an_event_whose_retries_are_used_up_shows_its_last_error() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 413).await;
        server.clock.pass(HOUR);
        for retry in [20, 40, 80, 160, 300] {
            server.settle().await;
            server.clock.pass(Duration::from_secs(retry));
        }
        let row = server.logged(1).await.remove(0);
        assert_eq!((&row["status"], &row["attemptCount"]), (&json!("failed"), &json!(6)));
        assert_eq!(row["httpStatus"], 413);
        assert_eq!(row["attempts"].as_array().unwrap().len(), 1, "a list shows the last attempt only");
        assert!(row["attempts"][0]["hint"].as_str().unwrap().contains("limit on the size"));
        let path = format!("/deliveries/{}", row["id"].as_str().unwrap());
        let detail = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        assert_eq!(detail["attempts"].as_array().unwrap().len(), 6);
        let webhook = format!("/webhooks/{}", tenant.webhook);
        let webhook = server.admin(Method::GET, &webhook, Value::Null).await.expect(200).json();
        assert_eq!(
            (&webhook["enabled"], &webhook["disabledReason"]),
            (&json!(false), &json!("retries_used_up"))
        );
    }

    #[tokio::test]
    async fn a_delivery_is_sent_again_as_a_new_one_with_the_same_event_id() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 200).await;
        server.clock.pass(HOUR);
        let first = server.logged(1).await.remove(0);
        let path = format!("/deliveries/{}/redeliver", first["id"].as_str().unwrap());
        let id = server.admin(Method::POST, &path, Value::Null).await.expect(202).text("id");
        let again = server.logged(2).await.remove(0);
        assert_eq!((&again["id"], &again["redelivery"]), (&json!(id), &json!(true)));
        assert_eq!(again["eventId"], first["eventId"]);
        assert_ne!(again["id"], first["id"]);
    }

    #[tokio::test]
    async fn deliveries_are_found_by_webhook_vehicle_status_and_time() {
        let server = Server::new().await;
        let (own, other) = (server.tenant("A").await, server.tenant("B").await);
        server.subscribed(&own, 200).await;
        server.clock.pass(HOUR);
        server.logged(1).await;
        let found = |query: String| {
            let server = &server;
            async move {
                let listed =
                    server.admin(Method::GET, &format!("/deliveries?{query}"), Value::Null).await.expect(200);
                listed.json()["items"].as_array().unwrap().len()
            }
        };
        assert_eq!(found(format!("webhookId={}", own.webhook)).await, 1);
        assert_eq!(found(format!("webhookId={}", other.webhook)).await, 0);
        assert_eq!(found(format!("vehicleId={}&status=delivered", own.vehicle)).await, 1);
        assert_eq!(found(format!("vehicleId={}", other.vehicle)).await, 0);
        assert_eq!(found("status=failed".into()).await, 0);
        assert_eq!(found("from=2026-03-02T13:00:00Z&to=2026-03-02T14:00:00Z".into()).await, 1);
        assert_eq!(found("to=2026-03-02T13:00:00Z".into()).await, 0);
        assert_eq!(found("status=queued".into()).await, 0);
        assert_eq!(found("status=retrying".into()).await, 0);
        server.admin(Method::GET, "/deliveries?status=lost", Value::Null).await.expect(400);
        server
            .admin(Method::GET, "/deliveries?status=queued&to=2026-03-02T13:00:00Z", Value::Null)
            .await
            .expect(400);

        let path = format!("/metrics/deliveries?webhookId={}", own.webhook);
        let minutes =
            server.admin(Method::GET, &format!("{path}&to=2026-03-02T13:01:00Z"), Value::Null).await.json();
        assert_eq!(
            (&minutes["minutes"][0]["status"], &minutes["minutes"][0]["count"]),
            (&json!("delivered"), &json!(1))
        );
    }

    #[tokio::test]
    async fn what_is_no_delivery_is_not_found() {
        let server = Server::new().await;
        for id in ["x".to_owned(), DeliveryId(EventNo(77)).to_string()] {
            server.admin(Method::GET, &format!("/deliveries/{id}"), Value::Null).await.expect(404);
            server.admin(Method::POST, &format!("/deliveries/{id}/redeliver"), Value::Null).await.expect(404);
        }
    }
}
