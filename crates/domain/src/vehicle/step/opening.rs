//! Opening what has come (slots, first deliveries), and deciding whether it is complete.

use std::time::Duration;

use super::{
    super::{
        Event, Gathering, Occasion, charging,
        slots::{self, Decision, Rhythm},
        watch,
    },
    Lapse, Lapsed, Owed, Step, live,
};
use crate::{
    ids::{EventId, WebhookNo},
    time::Timestamp,
    webhook::{Unified, Webhook},
};

impl Step<'_> {
    /// Follows what happened to the webhooks: deleted ones take their subscriptions along, a new cadence plans anew. A slot
    /// of the old cadence that has come is still owed.
    pub(super) fn reconcile(&mut self) {
        let (webhooks, now, info) = (self.webhooks, self.now, self.info);
        let mut lapsed = Vec::new();
        let mut subscriptions = std::mem::take(&mut self.document.subscriptions);
        let unchanged = &mut self.outcome.unchanged;
        subscriptions.retain_mut(|subscription| {
            let Some(webhook) = webhooks.iter().find(|webhook| webhook.no == subscription.webhook) else {
                *unchanged = false;
                return false;
            };
            let rhythm = Rhythm::of(&webhook.revision.plan, subscription.since, self.document, info);
            if let Some(rhythm) = rhythm
                && subscription.cadence_epoch != webhook.revision.cadence_epoch
            {
                subscription.cadence_epoch = webhook.revision.cadence_epoch;
                let old = std::mem::replace(&mut subscription.next_slot, rhythm.next_after(now));
                if old <= now && subscription.gathering.is_none() {
                    subscription.gathering = Some(Gathering::begin(old, now));
                }
                *unchanged = false;
            }
            if !webhook.status.delivers()
                && let Some(gathering) = subscription.gathering.take()
            {
                lapsed.push((webhook.no, gathering));
                *unchanged = false;
            }
            true
        });
        self.document.subscriptions = subscriptions;
        for (webhook, gathering) in lapsed {
            self.lapse(webhook, gathering.slot, Lapse::SwitchedOff);
        }
    }

    /// Gives up slots whose time is over, before new answers come in: they belong to the next slot.
    pub(super) fn close_ended(&mut self) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(gathering) = subscription.gathering else { continue };
            let has_slots = subscription.next_slot != Timestamp::NEVER;
            if has_slots && self.now >= gathering.ends_at(subscription.next_slot) {
                self.post(at, gathering);
            }
        }
    }

    /// Opens the slots that have come, and first deliveries that are owed. Slots of a webhook that is switched off pass
    /// silently: nothing is owed. Those of one that is not verified are logged.
    pub(super) fn open_reached(&mut self) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(webhook) = self.webhooks.iter().find(|webhook| webhook.no == subscription.webhook)
            else {
                continue;
            };
            let plan = &webhook.revision.plan;
            match Rhythm::of(plan, subscription.since, self.document, self.info) {
                Some(rhythm) => {
                    let reached = slots::reached(subscription, &rhythm, self.now);
                    if let Some(reached) = reached {
                        self.open_slot(at, webhook, reached);
                    }
                }
                None => self.open_watch(at, webhook),
            }
        }
    }

    fn open_slot(&mut self, at: usize, webhook: &Webhook, reached: slots::Reached) {
        let subscription = &mut self.document.subscriptions[at];
        let first = std::mem::replace(&mut subscription.next_slot, reached.next);
        self.outcome.unchanged = false;
        if !webhook.status.delivers() {
            if super::unverified(self.webhooks, webhook.no).is_some() {
                self.lapse(webhook.no, reached.slot, Lapse::Unverified);
            }
            return;
        }
        subscription.gathering = Some(match self.document.pushes.only {
            true => Gathering::of_pushes(reached.slot, self.now),
            false => Gathering::begin(reached.slot, self.now),
        });
        if let Some(until) = reached.last_missed {
            subscription.missed += reached.missed;
            self.outcome.lapsed.push(Lapsed {
                webhook: webhook.no,
                id: EventId::of_slot(webhook.id, self.info.id, until),
                from: first,
                until,
                count: reached.missed,
                why: Lapse::Missed,
            });
        }
    }

    /// A webhook that watches the vehicle and has begun to deliver is owed a first delivery; charging events begin with
    /// the next change.
    pub(super) fn open_watch(&mut self, at: usize, webhook: &Webhook) {
        let subscription = &mut self.document.subscriptions[at];
        if !webhook.status.delivers() || subscription.told.epoch == webhook.status.epoch {
            return;
        }
        if webhook.unified().is_none() {
            subscription.told.epoch = webhook.status.epoch;
            subscription.told.baselines.clear();
            // What was seen long ago may have changed while nobody looked.
            let fresh = charging::seen_at(self.document).is_some_and(|at| at >= self.now - slots::WINDOW);
            if let Some(charging) = charging::is_charging(self.document).filter(|_| fresh) {
                charging::remember(&mut self.document.subscriptions[at].told, charging);
            }
        } else if subscription.gathering.is_none() {
            let fresh_from = self.now - slots::WINDOW;
            subscription.gathering =
                Some(Gathering { slot: self.now, fresh_from, reads: 0, read_at: self.now });
        } else {
            return;
        }
        self.outcome.unchanged = false;
    }

    /// Decides each open slot and first delivery: post it, or read again.
    pub(super) fn decide(&mut self, leave_alone: Option<Duration>) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(gathering) = subscription.gathering else { continue };
            let Some(webhook) = live(self.webhooks, subscription.webhook) else { continue };
            if let Some(unified) = webhook.unified() {
                self.decide_first(at, webhook, unified, gathering, leave_alone);
                continue;
            }
            let Some(endpoints) = webhook.revision.plan.endpoints() else { continue };
            if gathering.read_at > self.now {
                continue;
            }
            let document = &*self.document;
            let standings = endpoints.iter().map(|&one| slots::standing(document, one, gathering.fresh_from));
            // The read that is due may be on its way: only its answers, or complete ones, decide.
            if self.asked && standings.clone().any(|standing| standing == slots::Standing::Open) {
                continue;
            }
            match gathering.after_read(standings, leave_alone, subscription.next_slot, self.now) {
                Decision::Post => self.post(at, gathering),
                Decision::ReadAt(read_at) => self.gather_on(at, gathering, read_at),
            }
        }
    }

    /// Where nobody can be asked, the first moment that is pushed is a first delivery; what follows it in the same step are changes.
    pub(super) fn decide_first_deliveries(&mut self) {
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let Some(gathering) = subscription.gathering else { continue };
            let Some(webhook) = live(self.webhooks, subscription.webhook) else { continue };
            if let Some(unified) = webhook.unified() {
                self.decide_first(at, webhook, unified, gathering, None);
            }
        }
    }

    fn gather_on(&mut self, at: usize, gathering: Gathering, read_at: Timestamp) {
        self.outcome.unchanged = false;
        self.document.subscriptions[at].gathering =
            Some(Gathering { reads: gathering.reads.saturating_add(1), read_at, ..gathering });
    }

    /// A first delivery is posted as soon as everything is answered, with what there is after a quarter of an hour, and
    /// with what was pushed where nobody can be asked.
    fn decide_first(
        &mut self,
        at: usize,
        webhook: &Webhook,
        unified: &Unified,
        gathering: Gathering,
        leave_alone: Option<Duration>,
    ) {
        let standings: Vec<_> = watch::standings(self.document, unified, gathering.fresh_from).collect();
        let give_up = gathering.slot + slots::WINDOW;
        let decision = if self.document.pushes.only {
            let known = watch::signals(unified).any(|signal| self.document.value(signal).is_some());
            if known { Decision::Post } else { Decision::ReadAt(Timestamp::NEVER) }
        } else if !standings.contains(&slots::Standing::Open) || self.now >= give_up {
            Decision::Post
        } else if self.seen.read && gathering.read_at <= self.now {
            gathering.after_read(standings.into_iter(), leave_alone, give_up, self.now)
        } else {
            return;
        };
        match decision {
            Decision::Post => {
                self.document.subscriptions[at].gathering = None;
                self.seen.faults = true;
                self.tell(at, webhook, unified, None);
            }
            Decision::ReadAt(read_at) if read_at != gathering.read_at => {
                self.gather_on(at, gathering, read_at);
            }
            Decision::ReadAt(_) => {}
        }
    }

    /// Ends a slot without an event. First deliveries have no slot, and a webhook that was deleted has no log to stand in.
    pub(super) fn lapse(&mut self, webhook: WebhookNo, slot: Timestamp, why: Lapse) {
        let known = self.webhooks.iter().find(|candidate| candidate.no == webhook);
        let Some(known) = known.filter(|known| known.revision.plan.endpoints().is_some()) else { return };
        let id = EventId::of_slot(known.id, self.info.id, slot);
        self.outcome.lapsed.push(Lapsed { webhook, id, from: slot, until: slot, count: 1, why });
    }

    /// Ends a slot with an event.
    pub(super) fn post(&mut self, at: usize, gathering: Gathering) {
        let subscription = &mut self.document.subscriptions[at];
        subscription.gathering = None;
        self.outcome.unchanged = false;
        let no = subscription.webhook;
        let Some(webhook) = live(self.webhooks, no) else {
            return self.lapse(no, gathering.slot, Lapse::SwitchedOff);
        };
        subscription.sequence += 1;
        let event = Event {
            webhook: webhook.no,
            revision: webhook.revision.number,
            id: EventId::of_slot(webhook.id, self.info.id, gathering.slot),
            at: gathering.slot,
            sequence: subscription.sequence,
            occasion: Occasion::Slot,
            observation: 0,
        };
        self.owed.push(Owed { event, fresh_from: Some(gathering.fresh_from), causes: Vec::new() });
    }
}
