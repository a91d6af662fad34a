//! Taking in what was learned: answers, failures, readings, and changes of subscriptions and permissions.

use std::time::Duration;

use super::{
    super::{
        Answer, Fault, FeedKey, Judged, Order, Reading, SignalState, Subscription, Tally, Told, Verdict,
        readings, readings::is_reported, slots::Rhythm,
    },
    Input, Lapse, Owed, RowChange, Step,
};
use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{SubscriptionId, WebhookNo},
    signal::{SignalId, Value, valid},
    time::Timestamp,
};

impl Step<'_> {
    /// Takes in what was learned; answers with how long the source wants to be left alone.
    pub(super) fn take_in(&mut self, input: Input) -> Option<Duration> {
        let mut leave_alone = None;
        match input {
            Input::Answers(answers) => {
                self.seen.read = true;
                leave_alone = self.answered(answers);
            }
            Input::SourceFailed(signals, fault) => {
                self.seen.read = true;
                leave_alone = self.source_failed(signals, fault);
            }
            Input::Asked(_, Ok(answers)) => leave_alone = self.answered(answers),
            Input::Asked(signals, Err(fault)) => leave_alone = self.source_failed(signals, fault),
            Input::Readings(readings) => self.push(readings),
            Input::Subscribe { webhook, id } => self.subscribe(webhook, id),
            Input::Unsubscribe { webhook } => self.unsubscribe(webhook),
            Input::Permissions(granted) => self.grant(granted),
            Input::Approve => {
                self.outcome.unchanged &= self.document.watching.approved;
                self.document.watching.approved = true;
            }
            Input::Disconnect => {
                self.leave(|_| true);
                self.document.signals.clear();
                self.document.pushes.held.clear();
                self.row(RowChange::Disconnect);
            }
            Input::Tick if self.document.pushes.held.is_empty() => {}
            Input::Tick => self.release(Vec::new()),
        }
        leave_alone
    }

    fn answered(&mut self, answers: Vec<Answer>) -> Option<Duration> {
        let (mut leave_alone, mut changed) = (None, Vec::new());
        for Answer { signal, outcome } in answers {
            leave_alone = leave_alone.max(self.answer(signal, outcome, &mut changed));
        }
        self.source_works();
        self.look(&changed);
        leave_alone
    }

    fn source_failed(&mut self, signals: Vec<SignalId>, fault: Fault) -> Option<Duration> {
        self.seen.faults |= self.document.watching.source_fault != Some(fault.code);
        self.document.watching.source_fault = Some(fault.code);
        let failed = signals.into_iter().map(|signal| self.answer(signal, Err(fault), &mut Vec::new()));
        failed.max().flatten()
    }

    /// The source answers again: what its failure meant for signals that it was not asked about now is not true any more.
    fn source_works(&mut self) {
        let Some(failed) = self.document.watching.source_fault.take() else { return };
        self.seen.faults = true;
        let now = self.now;
        let stale = |state: &&mut SignalState| state.fault == Some(failed) && state.answered_at < now;
        for state in self.document.signals.iter_mut().filter(stale) {
            state.fault = None;
            state.answered_at =
                state.value.as_ref().map_or(Timestamp::from_micros(i64::MIN), |value| value.2);
        }
    }

    /// Takes in one answer of a read; a signal with another value than before joins the changed ones.
    fn answer(
        &mut self,
        signal: SignalId,
        outcome: Result<(Value, Option<Timestamp>), Fault>,
        changed: &mut Vec<SignalId>,
    ) -> Option<Duration> {
        let now = self.now;
        self.outcome.unchanged = false;
        let state = self.document.signal_mut(signal);
        state.answered_at = now;
        let outcome = outcome.and_then(|(value, captured_at)| match valid(signal, value) {
            Err(_) => Err(Fault::from(ErrorCode::UPSTREAM_INVALID_DATA)),
            Ok(value) => Ok((value, captured_at)),
        });
        match outcome {
            Ok((value, captured_at)) => {
                if self.take(signal, value, captured_at, None) {
                    changed.push(signal);
                }
                None
            }
            Err(fault) => {
                self.seen.faults |= state.fault != Some(fault.code);
                state.fault = Some(fault.code);
                fault.retry_after
            }
        }
    }

    /// Takes in pushed readings, moment by moment: what was measured together makes one event.
    fn push(&mut self, readings: Vec<Reading>) {
        self.seen.push = true;
        self.outcome.unchanged = false;
        self.release(readings);
    }

    fn release(&mut self, readings: Vec<Reading>) {
        let mut ready = readings::admit(self.document, readings, self.now);
        self.outcome.unchanged &= ready.is_empty();
        // What the owner has not granted is not taken in.
        let granted = self.document.permissions;
        ready.retain(|reading| granted.contains(reading.signal.entry().permission));
        for moment in ready.chunk_by(|one, next| one.moment() == next.moment()) {
            let mut changed: Vec<(SignalId, Option<Value>)> = Vec::new();
            for reading in moment {
                let before = self.document.value(reading.signal).cloned();
                if self.take_reading(reading) && !changed.iter().any(|(signal, _)| *signal == reading.signal)
                {
                    changed.push((reading.signal, before));
                }
            }
            // Several values of one moment are a change only if the last one is.
            changed.retain(|(signal, before)| self.document.value(*signal) != before.as_ref());
            let changed: Vec<SignalId> = changed.into_iter().map(|(signal, _)| signal).collect();
            self.look(&changed);
            if self.document.pushes.only {
                self.decide_first_deliveries();
            }
            if !self.owed.is_empty() {
                self.report_errors();
                self.observe();
            }
        }
    }

    /// Judges a reading and takes its value if it is the newest; true when that is a change.
    fn take_reading(&mut self, reading: &Reading) -> bool {
        let known = self.document.signal(reading.signal);
        let verdict = reading.judge(known);
        self.tally(
            reading.feed,
            Tally {
                taken: u64::from(verdict.is_news()),
                late: u64::from(
                    verdict == Verdict::Late && known.is_some_and(|known| reading.differs(known)),
                ),
                conflicts: u64::from(known.is_some_and(|known| reading.conflicts(known))),
            },
        );
        if verdict.is_taken() {
            let moment = Some(reading.moment());
            let changed = self.take(reading.signal, reading.value.clone(), moment, Some(reading));
            let state = self.document.signal_mut(reading.signal);
            state.answered_at = self.now;
            if let Order::Sequence(number) = reading.order {
                state.sequence = Some((reading.feed, number));
            }
            return changed;
        }
        let (observed_at, received_at) = (reading.moment(), reading.received_at);
        let state = self.document.signal_mut(reading.signal);
        let before = state.judged.take().and_then(|judged| judged.before);
        let refused = Some(reading.value.clone());
        state.judged = Some(Judged { verdict, observed_at, received_at, pushed: true, refused, before });
        false
    }

    fn tally(&mut self, feed: FeedKey, tally: Tally) {
        match self.outcome.pushed.iter_mut().find(|(of, _)| *of == feed) {
            Some((_, sum)) => sum.add(tally),
            None => self.outcome.pushed.push((feed, tally)),
        }
    }

    /// Takes a value; true when it is a change: another one than before, or the first after an error that was told.
    fn take(
        &mut self,
        signal: SignalId,
        value: Value,
        captured_at: Option<Timestamp>,
        pushed: Option<&Reading>,
    ) -> bool {
        let now = self.now;
        let received_at = pushed.map_or(now, |reading| reading.received_at);
        let state = self.document.signal_mut(signal);
        let failed = state.fault.take();
        let overtaken = pushed.is_none()
            && state.judged.as_ref().is_some_and(|judged| judged.pushed)
            && state.value.as_ref().is_some_and(|(_, newest, _)| captured_at < *newest);
        let mut before = state.judged.take().and_then(|judged| judged.before);
        let verdict = match &state.value {
            Some(_) if overtaken => Verdict::Late,
            Some((old, ..)) if *old == value => Verdict::Same,
            Some((old, ..)) => {
                before = Some((old.clone(), received_at));
                Verdict::Changed
            }
            None if failed.is_some_and(is_reported) => Verdict::Returned,
            None => Verdict::First,
        };
        let observed_at = captured_at.unwrap_or(received_at);
        let (refused, pushed) = (overtaken.then(|| value.clone()), pushed.is_some() || overtaken);
        if pushed || self.watched {
            state.judged = Some(Judged { verdict, observed_at, received_at, pushed, refused, before });
        }
        if !overtaken {
            state.value = Some((value, captured_at, received_at));
        }
        self.seen.faults |= failed.is_some() || verdict == Verdict::First;
        if verdict.fires() || verdict == Verdict::First {
            self.seen.change = true;
            self.document.watching.quiet = 0;
        }
        verdict.fires()
    }

    fn subscribe(&mut self, webhook: WebhookNo, id: SubscriptionId) {
        let known = self.webhooks.iter().find(|candidate| candidate.no == webhook);
        let (Some(known), None) = (known, self.document.subscription(webhook)) else { return };
        let rhythm = Rhythm::of(&known.revision.plan, self.now, self.document, self.info);
        self.document.subscriptions.push(Subscription {
            webhook,
            id,
            since: self.now,
            next_slot: rhythm.map_or(Timestamp::NEVER, |rhythm| rhythm.next_after(self.now)),
            cadence_epoch: known.revision.cadence_epoch,
            gathering: None,
            sequence: 0,
            missed: 0,
            told: Told::default(),
        });
        self.row(RowChange::Subscribe { webhook, id });
        if known.revision.plan.endpoints().is_none() {
            self.open_watch(self.document.subscriptions.len() - 1, known);
        }
    }

    fn unsubscribe(&mut self, webhook: WebhookNo) {
        if self.document.subscription(webhook).is_some() {
            self.leave(|no| no == webhook);
            self.row(RowChange::Unsubscribe { webhook });
        }
    }

    fn grant(&mut self, granted: PermissionSet) {
        let had = std::mem::replace(&mut self.document.permissions, granted);
        if had != granted {
            let narrowed = had.bits() & !granted.bits() != 0;
            self.document.signals.retain(|state| granted.contains(state.signal.entry().permission));
            self.document.pushes.held.retain(|held| granted.contains(held.signal.entry().permission));
            self.seen.faults = true;
            if self.document.watching.read_at.is_some() {
                self.document.watching.read_at = Some(self.now);
            }
            self.row(RowChange::Permissions { granted, narrowed });
        }
    }

    pub(super) fn row(&mut self, change: RowChange) {
        self.outcome.rows.push(change);
        self.outcome.unchanged = false;
    }

    /// Ends subscriptions. What this very step has made for them is not owed any more, and neither is a slot that they were
    /// gathering.
    fn leave(&mut self, gone: impl Fn(WebhookNo) -> bool) {
        let all = std::mem::take(&mut self.document.subscriptions);
        let (left, stay) = all.into_iter().partition::<Vec<_>, _>(|subscription| gone(subscription.webhook));
        self.document.subscriptions = stay;
        for subscription in left {
            if let Some(gathering) = subscription.gathering {
                self.lapse(subscription.webhook, gathering.slot, Lapse::Left);
            }
        }
        let (forgotten, owed) = std::mem::take(&mut self.owed)
            .into_iter()
            .partition::<Vec<_>, _>(|owed| gone(owed.event.webhook));
        self.owed = owed;
        for Owed { event, .. } in forgotten {
            self.lapse(event.webhook, event.at, Lapse::Left);
        }
    }
}
