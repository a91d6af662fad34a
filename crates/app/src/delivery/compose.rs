//! Composing a request's body from what its events saw. The same event gives the same data at every attempt; what tells
//! attempts apart (`deliveryId`, `deliveredAt`) comes from the moment at which the attempt begins.

use domain::{
    ids::{EventId, UserId},
    payload::{
        self, Links,
        unified::{self, Envelope, Subject},
        v2::{self, VehicleBlock},
    },
    time::Timestamp,
    vehicle::{Observation, Occasion, VehicleInfo},
    webhook::{Plan, Revision},
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
pub(crate) fn compose(webhook: &WebhookEntry, entries: &mut Vec<Entry>, at: Timestamp) -> Composed {
    let mut left_over = Vec::new();
    loop {
        let body = body_of(webhook, entries, at);
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

/// What the body of one event is made of.
pub(crate) struct Content<'a> {
    pub id: EventId,
    pub at: Timestamp,
    pub sequence: u64,
    pub occasion: &'a Occasion,
    pub user: UserId,
    pub info: &'a VehicleInfo,
    pub observation: &'a Observation,
    pub revision: &'a Revision,
}

fn body_of(webhook: &WebhookEntry, entries: &[Entry], at: Timestamp) -> String {
    let first = entries.first().expect("a request is about an event");
    if let Plan::Scheduled(settings) = &first.revision.plan {
        let links = &webhook.application.links;
        let blocks: Vec<_> = entries.iter().map(|entry| entry.content().block(links)).collect();
        return v2::schedule(webhook.webhook().id, settings, &blocks);
    }
    one(webhook, &first.content(), at)
}

/// The body of one event.
pub(crate) fn one(webhook: &WebhookEntry, content: &Content<'_>, delivered_at: Timestamp) -> String {
    let links = &webhook.application.links;
    let (id, info) = (webhook.webhook().id, content.info);
    match (&content.revision.plan, content.occasion) {
        (Plan::Scheduled(settings), _) => v2::schedule(id, settings, &[content.block(links)]),
        (Plan::Unified(settings), occasion) => {
            let envelope = Envelope {
                event: content.id,
                delivery: content.id.delivery(delivered_at),
                delivered_at,
                webhook: id,
                webhook_name: &webhook.webhook().name,
            };
            let subject = Subject { user: content.user, external_id: None, info, sequence: content.sequence };
            match occasion {
                Occasion::Errors(changes) => unified::errors(&envelope, settings, &subject, links, changes),
                occasion => unified::state(&envelope, settings, &subject, occasion, content.observation),
            }
        }
        (Plan::EventBased(_), Occasion::Charging(event)) => {
            v2::charging(id, info.mode, content.id, info.id, *event, content.at)
        }
        (Plan::EventBased(_) | Plan::Dynamic(_), _) => v2::dynamic(id, content.block(links)),
    }
}

impl<'a> Content<'a> {
    fn block(&self, links: &'a Links) -> VehicleBlock<'a> {
        VehicleBlock { info: self.info, request: self.id.request(), observation: self.observation, links }
    }
}

impl Entry {
    fn content(&self) -> Content<'_> {
        Content {
            id: self.id,
            at: self.at,
            sequence: self.sequence,
            occasion: &self.occasion,
            user: self.user,
            info: &self.info,
            observation: &self.observation,
            revision: &self.revision,
        }
    }
}
