//! Telling webhooks: what has fired, what has failed, and what their events carry.

use super::{
    super::{Cause, Document, Event, Fired, Observation, Observed, Occasion, Sample, Told, charging, watch},
    Lapse, Lapsed, Owed, Step, live, owes_first, unverified,
};
use crate::{
    errors::ErrorCode,
    ids::EventId,
    signal::{SignalId, Value},
    time::Timestamp,
    webhook::{Coverage, Plan, Unified, Webhook, charging_coverage},
};

impl Step<'_> {
    /// Tells webhooks that watch the vehicle what has changed.
    pub(super) fn look(&mut self, changed: &[SignalId]) {
        let charging = charging::is_charging(self.document);
        let firsts = std::mem::take(&mut self.firsts);
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            if let Some(webhook) = unverified(self.webhooks, subscription.webhook) {
                self.skip(at, webhook, changed);
                continue;
            }
            let Some(webhook) = live(self.webhooks, subscription.webhook) else { continue };
            if subscription.told.epoch != webhook.status.epoch {
                continue;
            }
            match &webhook.revision.plan {
                Plan::Unified(unified) => {
                    let mut told = std::mem::take(&mut self.document.subscriptions[at].told);
                    watch::seed(self.document, &mut told, unified, changed);
                    self.document.subscriptions[at].told = told;
                    let subscription = &self.document.subscriptions[at];
                    let mut fired = watch::fired(self.document, &subscription.told, unified, changed);
                    fired.extend(watch::readable(&subscription.told, unified, &firsts));
                    if !fired.is_empty() {
                        self.tell(at, webhook, unified, Some(fired));
                    }
                }
                Plan::EventBased(settings) => {
                    let before = charging::known_to(&subscription.told);
                    let event = charging::event(before, charging, self.document);
                    if let Some(charging) = charging.filter(|_| charging != before) {
                        charging::remember(&mut self.document.subscriptions[at].told, charging);
                        self.outcome.unchanged = false;
                    }
                    if let Some(event) = event.filter(|&event| settings.events.contains(event))
                        && self.is_approved()
                    {
                        let cause = (Fired::Charging(event), before.map(Value::Flag));
                        self.owe(at, webhook, Occasion::Charging(event), vec![cause]);
                    }
                }
                Plan::Scheduled(_) | Plan::Dynamic(_) => {}
            }
        }
    }

    /// Notes that a webhook would have been told something, were it verified.
    fn skip(&mut self, at: usize, webhook: &Webhook, changed: &[SignalId]) {
        let subscription = &self.document.subscriptions[at];
        let fires = match &webhook.revision.plan {
            Plan::Unified(unified) => {
                !watch::fired(self.document, &subscription.told, unified, changed).is_empty()
            }
            Plan::EventBased(settings) => {
                let before = charging::known_to(&subscription.told);
                let event = charging::event(before, charging::is_charging(self.document), self.document);
                let news = changed.iter().any(|signal| charging::SIGNALS.contains(signal));
                news && event.is_some_and(|event| settings.events.contains(event))
            }
            Plan::Scheduled(_) | Plan::Dynamic(_) => false,
        };
        if fires {
            let sequence = next_sequence(subscription.sequence, self.now);
            let id = EventId::of_number(subscription.id, sequence);
            self.document.subscriptions[at].sequence = sequence;
            let (webhook, from, until) = (webhook.no, self.now, self.now);
            self.outcome.lapsed.push(Lapsed { webhook, id, from, until, count: 1, why: Lapse::Unverified });
            self.outcome.unchanged = false;
        }
    }

    /// Whether charging events of the vehicle may be reported.
    fn is_approved(&self) -> bool {
        self.document.watching.approved || charging_coverage(self.info) != Coverage::NeedsApproval
    }

    /// Owes a unified webhook what these triggers have fired, or the first delivery.
    pub(super) fn tell(
        &mut self,
        at: usize,
        webhook: &Webhook,
        unified: &Unified,
        fired: Option<Vec<SignalId>>,
    ) {
        let told = std::mem::take(&mut self.document.subscriptions[at].told);
        let mut told = Told { epoch: webhook.status.epoch, ..told };
        let causes = fired.iter().flatten().map(|&signal| {
            (Fired::Signal(signal), watch::held_against(self.document, &told, signal).cloned())
        });
        let causes = causes.collect();
        watch::remember(self.document, &mut told, unified, fired.as_deref());
        self.document.subscriptions[at].told = told;
        self.owe(at, webhook, fired.map_or(Occasion::FirstDelivery, Occasion::Changed), causes);
    }

    /// Owes a webhook an event that has no slot.
    fn owe(&mut self, at: usize, webhook: &Webhook, occasion: Occasion, causes: Vec<(Fired, Option<Value>)>) {
        let happened = match occasion {
            Occasion::Charging(_) => charging::since(self.document).unwrap_or(self.now).min(self.now),
            _ => self.now,
        };
        let subscription = &mut self.document.subscriptions[at];
        subscription.sequence = next_sequence(subscription.sequence, self.now);
        self.outcome.unchanged = false;
        let event = Event {
            webhook: webhook.no,
            revision: webhook.revision.number,
            id: EventId::of_number(subscription.id, subscription.sequence),
            at: happened,
            sequence: subscription.sequence,
            occasion,
            observation: 0,
        };
        self.owed.push(Owed { event, fresh_from: None, causes });
    }

    /// Owes unified webhooks the errors that have appeared or cleared. Where errors have waited until their URI was verified,
    /// a tick shows that they may go.
    pub(super) fn report_errors(&mut self) {
        let faults = std::mem::take(&mut self.seen.faults);
        if !faults && !self.tick {
            return;
        }
        for at in 0..self.document.subscriptions.len() {
            let Some(webhook) = live(self.webhooks, self.document.subscriptions[at].webhook) else {
                continue;
            };
            let Some(unified) = webhook.unified() else { continue };
            if owes_first(webhook, &self.document.subscriptions[at])
                || webhook.status.errors_withheld
                || (!faults && webhook.revision.error_uri.is_none())
            {
                continue;
            }
            let mut told = std::mem::take(&mut self.document.subscriptions[at].told);
            let changes = watch::error_changes(self.document, &mut told, unified);
            self.document.subscriptions[at].told = told;
            if !changes.is_empty() {
                self.owe(at, webhook, Occasion::Errors(changes), Vec::new());
            }
        }
    }

    /// Makes the observation that the owed events carry: the signals of all of them, once each.
    pub(super) fn observe(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        let mut signals: Vec<(SignalId, Option<Timestamp>)> = Vec::new();
        for Owed { event, fresh_from, .. } in &self.owed {
            let Some(webhook) = live(self.webhooks, event.webhook) else { continue };
            match (&webhook.revision.plan, webhook.revision.plan.endpoints()) {
                (_, Some(endpoints)) => {
                    let of_endpoint = endpoints.iter().flat_map(|endpoint| endpoint.signals());
                    signals.extend(of_endpoint.map(|&signal| (signal, *fresh_from)));
                }
                (Plan::Unified(unified), _) => {
                    signals.extend(watch::signals(unified).map(|signal| (signal, None)));
                }
                // Its events carry no values; these are kept to say why.
                (Plan::EventBased(_), _) => signals.extend(charging::SIGNALS.map(|signal| (signal, None))),
                _ => {}
            }
        }
        // Where a slot asks for fresh values, its limit counts; of two slots, the earlier one's.
        signals.sort_unstable_by_key(|&(signal, fresh_from)| (signal, fresh_from.is_none(), fresh_from));
        signals.dedup_by_key(|(signal, _)| *signal);
        let document = &*self.document;
        let signals = signals
            .into_iter()
            .map(|(signal, fresh_from)| {
                observed(document, signal, fresh_from.unwrap_or(Timestamp::from_micros(i64::MIN)))
            })
            .collect();
        let observation = self.outcome.observations.len();
        let mut causes = Vec::new();
        for owed in self.owed.drain(..) {
            let Event { webhook, sequence, .. } = owed.event;
            let of_event = owed.causes.into_iter();
            causes.extend(of_event.map(|(fired, before)| Cause { webhook, sequence, fired, before }));
            self.outcome.events.push(Event { observation, ..owed.event });
        }
        self.outcome.observations.push(Observation { taken_at: self.now, signals, causes });
    }
}

/// The number of the next event of a subscription: it rises over restores and restarts, as the moment does.
fn next_sequence(last: u64, now: Timestamp) -> u64 {
    let moment = u64::try_from(now.as_millis()).unwrap_or(0);
    moment.max(last + 1)
}

/// What is known of signals, as an event would carry it: what was answered from a moment on, or why it is missing.
pub fn observe(
    document: &Document,
    signals: &[SignalId],
    fresh_from: Timestamp,
    taken_at: Timestamp,
) -> Observation {
    let mut signals = signals.to_vec();
    signals.sort_unstable();
    signals.dedup();
    let signals = signals.into_iter().map(|signal| observed(document, signal, fresh_from)).collect();
    Observation { taken_at, signals, causes: Vec::new() }
}

/// What an event says of a signal: its value if it is fresh enough, else why it is missing and what was known before.
fn observed(document: &Document, signal: SignalId, fresh_from: Timestamp) -> Observed {
    if !document.permissions.contains(signal.entry().permission) {
        return Observed { signal, outcome: Err(ErrorCode::PERMISSION), older: None };
    }
    let state = document.signal(signal);
    let sample = state.and_then(|state| state.value.as_ref()).map(|(value, captured_at, retrieved_at)| {
        Sample { value: value.clone(), captured_at: *captured_at, retrieved_at: *retrieved_at }
    });
    let fault = match state.filter(|state| state.answered_at >= fresh_from) {
        None => Some(document.watching.source_fault.unwrap_or(ErrorCode::UPSTREAM_NO_RESPONSE)),
        Some(state) => state.fault,
    };
    match (fault, sample) {
        (None, Some(sample)) => Observed { signal, outcome: Ok(sample), older: None },
        (fault, older) => {
            Observed { signal, outcome: Err(fault.unwrap_or(ErrorCode::UPSTREAM_NO_RESPONSE)), older }
        }
    }
}
