//! How the receivers of webhooks do: kept in memory as attempts end, logged when it changes.
//!
//! Memory begins empty. What failed before a restart shows in the queue, where each event that waits for another attempt has its
//! history; [`crate::usecases::receivers`] puts both together.

use domain::{
    delivery::{AttemptResult, HealthReport, ReceiverHealth},
    ids::WebhookNo,
    time::Timestamp,
};
use store::LaneKey;

use super::{Inner, Lanes, lanes_of};
use crate::WebhookEntry;

/// What the lanes of a webhook know of its receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaneHealth {
    pub receiver: ReceiverHealth,
    /// Of the lane for data, when there is one.
    pub breaker: Option<&'static str>,
}

impl Lanes {
    /// What the lanes of a webhook know of its receiver.
    pub(crate) fn health(&self, webhook: WebhookNo) -> LaneHealth {
        let inner = self.inner.lock();
        let [data, _] = lanes_of(webhook);
        LaneHealth {
            receiver: inner.health.get(&webhook).copied().unwrap_or_default(),
            breaker: inner.lanes.get(&data).map(|lane| lane.breaker()),
        }
    }

    /// Until when an open breaker holds back the first attempt of an event of a lane.
    pub(crate) fn held_until(&self, lane: LaneKey, created_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.inner.lock().lanes.get(&lane)?.held_until(created_at, now)
    }

    /// The webhooks whose receivers fail.
    pub(crate) fn failing(&self) -> Vec<(WebhookNo, ReceiverHealth)> {
        let inner = self.inner.lock();
        let mut failing: Vec<_> = inner.health.iter().map(|(no, health)| (*no, *health)).collect();
        failing.retain(|(_, health)| health.failing_since.is_some());
        failing.sort_by_key(|(no, _)| *no);
        failing
    }
}

impl Inner {
    /// Learns from an attempt; answers with what is news.
    pub(super) fn observe(
        &mut self,
        webhook: WebhookNo,
        result: AttemptResult,
        started_at: Timestamp,
        ended_at: Timestamp,
    ) -> Option<HealthReport> {
        self.health.entry(webhook).or_default().observe(result, started_at, ended_at)
    }
}

/// Says in the log that a receiver has begun to fail, or takes events again.
pub(super) fn log(webhook: &WebhookEntry, report: HealthReport, result: AttemptResult) {
    let id = webhook.webhook().id;
    match (report, result) {
        (HealthReport::Recovered, _) => {
            tracing::info!(webhook.id = %id, "the receiver of a webhook takes events again");
        }
        (HealthReport::Failing, AttemptResult::Answered { status }) => {
            tracing::warn!(webhook.id = %id, http.status = status, "the receiver of a webhook fails; its events are retried");
        }
        (HealthReport::Failing, AttemptResult::Failed(failure)) => {
            tracing::warn!(
                webhook.id = %id, reason = failure.as_str(),
                "the receiver of a webhook fails; its events are retried"
            );
        }
    }
}
