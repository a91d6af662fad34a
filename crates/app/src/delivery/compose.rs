//! Composing a request's body from what its events saw. The same event gives the same data at every attempt.

use domain::{
    payload::{
        self,
        v2::{self, VehicleBlock},
    },
    webhook::Plan,
};

use super::Entry;
use crate::WebhookEntry;

/// The body of a request, or nothing when a single event does not fit; and the events that are not in it.
pub(crate) struct Composed {
    pub body: Option<String>,
    /// Taken from the end of the job, in order: they wait for another request.
    pub left_over: Vec<Entry>,
}

/// Composes the body for as many of the events as fit, from the first on.
pub(crate) fn compose(webhook: &WebhookEntry, entries: &mut Vec<Entry>) -> Composed {
    let mut left_over = Vec::new();
    loop {
        let body = body_of(webhook, entries);
        if payload::fits(&body) {
            return Composed { body: Some(body), left_over };
        }
        if entries.len() == 1 {
            return Composed { body: None, left_over };
        }
        let mut half = entries.split_off(entries.len() / 2);
        half.append(&mut left_over);
        left_over = half;
    }
}

fn body_of(webhook: &WebhookEntry, entries: &[Entry]) -> String {
    let Plan::Scheduled(settings) = &entries[0].revision.plan;
    let blocks: Vec<_> = entries
        .iter()
        .map(|entry| VehicleBlock {
            info: &entry.info,
            request: entry.id.request(),
            observation: &entry.observation,
            links: &webhook.application.links,
        })
        .collect();
    v2::schedule(webhook.webhook().id, settings, &blocks)
}
