//! When the vehicle has to be looked at next.

use std::time::Duration;

use super::{
    super::{
        charging,
        ladder::{self, SLOWEST},
        readings,
        slots::Rhythm,
    },
    Step, live, suspended, suspended_until,
};
use crate::{time::Timestamp, webhook::Plan};

impl Step<'_> {
    /// When the vehicle has to be looked at next.
    pub(super) fn plan(&mut self, leave_alone: Option<Duration>) {
        self.plan_dynamic();
        self.plan_watching(leave_alone);
        let slots = self.document.subscriptions.iter().filter_map(|subscription| {
            let slot = subscription.next_slot;
            let due = match subscription.gathering {
                Some(gathering) if slot == Timestamp::NEVER => gathering.read_at,
                Some(gathering) => gathering.read_at.min(gathering.ends_at(slot)),
                None => slot,
            };
            (due != Timestamp::NEVER).then_some(due)
        });
        let held = readings::next_release(&self.document.pushes.held);
        self.outcome.next_due = slots.chain(self.document.watching.read_at).chain(held).min();
    }

    /// A vehicle that was plugged in or out has its dynamic slots faster or slower from now on. Otherwise a slot that has
    /// passed stays passed, wherever the clock stands.
    fn plan_dynamic(&mut self) {
        if charging::is_plugged_in(self.document) == self.was_plugged_in {
            return;
        }
        for at in 0..self.document.subscriptions.len() {
            let subscription = &self.document.subscriptions[at];
            let webhook = self.webhooks.iter().find(|webhook| webhook.no == subscription.webhook);
            let Some(webhook) = webhook else { continue };
            let plan = &webhook.revision.plan;
            let Plan::Dynamic(_) = plan else { continue };
            let Some(rhythm) = Rhythm::of(plan, subscription.since, self.document, self.info) else {
                continue;
            };
            let next = rhythm.next_after(self.now);
            if next != subscription.next_slot {
                self.document.subscriptions[at].next_slot = next;
                self.outcome.unchanged = false;
            }
        }
    }

    /// When the vehicle is read next for webhooks that watch it.
    fn plan_watching(&mut self, leave_alone: Option<Duration>) {
        let watched = !self.document.pushes.only
            && self.document.subscriptions.iter().any(|on| {
                live(self.webhooks, on.webhook)
                    .is_some_and(|webhook| webhook.revision.plan.endpoints().is_none())
            });
        let planned = self.document.watching.read_at;
        let next = match planned {
            _ if !watched => None,
            None => Some(self.now),
            // A car that begins to do something is read sooner.
            Some(at) if at > self.now && self.seen.push && self.seen.change => Some(at.min(self.soon())),
            Some(at) if at > self.now => Some(at),
            Some(_) if self.seen.read => Some(self.next_watch(leave_alone)),
            Some(_) if suspended(self.document, self.info, self.webhooks, self.now) => {
                Some(self.next_watch(leave_alone))
            }
            planned => planned,
        };
        if next != planned {
            self.document.watching.read_at = next;
            self.outcome.unchanged = false;
        }
    }

    fn soon(&self) -> Timestamp {
        let activity = ladder::activity(self.document);
        let interval = ladder::interval(&self.info.make, activity, self.document.watching.quiet);
        self.now + ladder::spread(interval, self.info.id.0)
    }

    fn next_watch(&mut self, leave_alone: Option<Duration>) -> Timestamp {
        if self.seen.read && !self.seen.change {
            self.document.watching.quiet = self.document.watching.quiet.saturating_add(1);
        }
        let next = self.soon().max(self.now + leave_alone.unwrap_or(Duration::ZERO).min(SLOWEST));
        match suspended(self.document, self.info, self.webhooks, self.now) {
            true => {
                suspended_until(self.document, self.info, self.webhooks).map_or(next, |until| until.max(next))
            }
            false => next,
        }
    }
}
