//! How receivers do and what waits for them: the health of a webhook, and the queue as a list.
//!
//! What has failed shows from the first failed attempt on. Memory knows since when a receiver fails, and whether its breaker is
//! open; the queue knows every event that waits for another attempt, also of before a restart. Nothing here looks at what waits
//! for its first attempt one by one, of which there may be a million.

use std::collections::BTreeMap;

use domain::{
    delivery::{Attempt, AttemptResult, History, LastFailure, Outcome},
    ids::{EventNo, VehicleId, WebhookNo},
    time::Timestamp,
};
use store::{QueuePlace, WaitingEvent, WaitingFilter};

use crate::{App, AppError};

/// Events that wait for another attempt and are looked at for the health of one webhook.
const LOOKED_AT: usize = 100;
/// The same for all webhooks together.
const LOOKED_AT_IN_ALL: usize = 1_000;

/// Which waiting events to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaitingQuery {
    /// Of one webhook.
    pub webhook: Option<WebhookNo>,
    /// Of one vehicle.
    pub vehicle: Option<VehicleId>,
    /// Only those that were attempted.
    pub retrying: bool,
    /// After this place.
    pub after: Option<QueuePlace>,
}

/// A waiting event with its attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingSummary {
    /// What is stored.
    pub event: WaitingEvent,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// Its first attempt waits because the receiver fails, until this moment or until a retry succeeds.
    pub held_until: Option<Timestamp>,
}

/// How the receiver of a webhook does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReceiverState {
    /// Since when attempts fail; `None` while they do not.
    pub failing_since: Option<Timestamp>,
    /// The last failed attempt, as far as it is known.
    pub last_failure: Option<LastFailure>,
    /// Events that wait for another attempt, counted up to 100.
    pub retrying: u64,
    /// When the first of them is attempted.
    pub next_attempt_at: Option<Timestamp>,
    /// What the breaker does: `closed`, `open` or `recovering`.
    pub breaker: &'static str,
}

impl App {
    /// Waiting events, in the order of webhook and due time.
    pub async fn waiting(
        &self,
        query: WaitingQuery,
        limit: usize,
    ) -> Result<(Vec<WaitingSummary>, Option<QueuePlace>), AppError> {
        let vehicle = match query.vehicle {
            Some(id) => Some(self.vehicle(id, None).await?.no),
            None => None,
        };
        let WaitingQuery { webhook, retrying, after, .. } = query;
        let page = self.store.waiting(WaitingFilter { webhook, vehicle, retrying, after }, limit).await?;
        let now = self.now();
        let of = |event: WaitingEvent| {
            let is_first = event.attempt_count == 0;
            let held = is_first.then(|| self.lanes.held_until(event.place.lane, event.created_at, now));
            WaitingSummary { held_until: held.flatten(), ..WaitingSummary::from(event) }
        };
        Ok((page.items.into_iter().map(of).collect(), page.next))
    }

    /// A waiting event that was attempted.
    pub async fn retrying(&self, event: EventNo) -> Result<Option<WaitingSummary>, AppError> {
        Ok(self.store.retrying(event).await?.map(WaitingSummary::from))
    }

    /// How the receiver of a webhook does.
    pub async fn receiver(&self, webhook: WebhookNo) -> Result<ReceiverState, AppError> {
        let filter = WaitingFilter { webhook: Some(webhook), retrying: true, ..WaitingFilter::default() };
        let retrying = self.store.waiting(filter, LOOKED_AT).await?.items;
        let last_delivered = self.store.last_delivered(webhook).await?;
        Ok(self.state_of(webhook, &retrying, last_delivered))
    }

    /// The webhooks whose receivers fail, as far as memory and the events that wait longest for another attempt show.
    pub(crate) async fn failing_receivers(&self) -> Result<Vec<(WebhookNo, ReceiverState)>, AppError> {
        let filter = WaitingFilter { retrying: true, ..WaitingFilter::default() };
        let mut by_webhook: BTreeMap<WebhookNo, Vec<WaitingEvent>> = BTreeMap::new();
        for (no, _) in self.lanes.failing() {
            by_webhook.entry(no).or_default();
        }
        for event in self.store.waiting(filter, LOOKED_AT_IN_ALL).await?.items {
            by_webhook.entry(event.place.lane.webhook).or_default().push(event);
        }
        let mut failing = Vec::new();
        for (no, events) in by_webhook {
            let last_delivered = self.store.last_delivered(no).await?;
            let state = self.state_of(no, &events, last_delivered);
            failing.extend(state.failing_since.map(|_| (no, state)));
        }
        Ok(failing)
    }

    fn state_of(
        &self,
        webhook: WebhookNo,
        retrying: &[WaitingEvent],
        last_delivered: Option<Timestamp>,
    ) -> ReceiverState {
        let known = self.lanes.health(webhook);
        let histories: Vec<_> =
            retrying.iter().filter_map(|event| History::from_bytes(&event.attempts).ok()).collect();
        // Of before a restart: failed attempts that no success has followed.
        let stored =
            histories.iter().filter_map(History::last).filter_map(failure).max_by_key(|last| last.at);
        let is_news = |at: Timestamp| last_delivered.is_none_or(|delivered| at > delivered);
        let stored_since = stored.filter(|last| is_news(last.at)).and_then(|_| {
            histories
                .iter()
                .flat_map(History::attempts)
                .map(|attempt| attempt.started_at)
                .filter(|&at| is_news(at))
                .min()
        });
        let last_failure =
            [known.receiver.last_failure, stored].into_iter().flatten().max_by_key(|last| last.at);
        let recovered_since = known.receiver.last_failure.is_some() && known.receiver.failing_since.is_none();
        ReceiverState {
            failing_since: known.receiver.failing_since.or(stored_since.filter(|_| !recovered_since)),
            last_failure,
            retrying: retrying.len() as u64,
            next_attempt_at: retrying.iter().map(|event| event.place.attempt_at).min(),
            breaker: known.breaker.unwrap_or("closed"),
        }
    }
}

fn failure(attempt: &Attempt) -> Option<LastFailure> {
    match attempt.result.outcome() {
        Outcome::Accepted => None,
        _ => Some(LastFailure { at: attempt.ended_at(), result: attempt.result }),
    }
}

/// Why an attempt failed, in a few words: `status 503`, or the sentence of a failure.
pub(crate) fn reason(result: AttemptResult) -> String {
    match result {
        AttemptResult::Answered { status } => format!("it answers with status {status}"),
        AttemptResult::Failed(failure) => failure.sentence().trim_end_matches('.').to_owned(),
    }
}

impl From<WaitingEvent> for WaitingSummary {
    fn from(event: WaitingEvent) -> Self {
        let history = History::from_bytes(&event.attempts).unwrap_or_default();
        Self { attempts: history.attempts().to_vec(), event, held_until: None }
    }
}
