//! Taking in what was learned: answers, failures, readings, and changes of subscriptions and permissions.

use std::time::Duration;

use super::{
    super::{
        Answer, Fault, FeedKey, Forgotten, Judged, Judgement, Order, Reading, ReadingOutcome, SignalState,
        Subscription, Tally, Told, Verdict, Why, charging, readings, slots::Rhythm,
    },
    Input, Lapse, Owed, RowChange, Step,
};
use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{SubscriptionId, WebhookNo},
    signal::{
        CHARGING_STATUS, IS_CHARGING, Invalid, SignalId, Value,
        form::{ALWAYS_TAKEN, MOST_BYTES_OF_VEHICLE},
        valid,
    },
    time::Timestamp,
};

/// What the sender of a reading is told of its verdict.
const fn outcome_of(verdict: Verdict, why: Option<Why>, reset: bool) -> ReadingOutcome {
    match (verdict, why) {
        // What cannot be one of its signal's values at all is refused, as it is where it is read.
        (
            _,
            Some(
                why @ (Why::TooMuch
                | Why::NotGranted
                | Why::Invalid(Invalid::Form | Invalid::Unlisted | Invalid::TooLong)),
            ),
        ) => ReadingOutcome::Rejected(why),
        (_, Some(why)) => ReadingOutcome::Implausible(why),
        (Verdict::First | Verdict::Changed | Verdict::Returned, None) => ReadingOutcome::Applied,
        (Verdict::Same | Verdict::Duplicate, None) => ReadingOutcome::Unchanged,
        (Verdict::Late, None) => ReadingOutcome::Late { reset },
        (Verdict::Conflicting, None) => ReadingOutcome::Conflicting,
        (Verdict::Unknown, None) => ReadingOutcome::Unknown { forgotten: false },
        (Verdict::Forgotten, None) => ReadingOutcome::Unknown { forgotten: true },
        (Verdict::Implausible, None) => ReadingOutcome::Implausible(Why::CannotFollow),
    }
}

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
            Input::PermissionsIf { was, granted } if self.document.permissions == was => self.grant(granted),
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
            Input::PermissionsIf { .. } => {}
            Input::Tick if self.document.pushes.held.is_empty() => {}
            Input::Tick => self.release(Vec::new()),
        }
        leave_alone
    }

    fn answered(&mut self, answers: Vec<Answer>) -> Option<Duration> {
        let (mut leave_alone, mut changed, mut answered) = (None, Vec::new(), false);
        for Answer { signal, outcome } in answers {
            answered = true;
            leave_alone = leave_alone.max(self.answer(signal, outcome, &mut changed));
        }
        if answered {
            self.source_works();
        }
        self.agree_on_charging(&mut changed);
        self.look(&changed);
        leave_alone
    }

    fn source_failed(&mut self, signals: Vec<SignalId>, fault: Fault) -> Option<Duration> {
        let before = self.document.watching.source_fault.replace(fault.code);
        if before != Some(fault.code) {
            self.seen.faults = true;
            let of_source = |state: &&mut SignalState| before.is_some() && state.fault == before;
            for state in self.document.signals.iter_mut().filter(of_source) {
                state.fault = Some(fault.code);
            }
        }
        for signal in signals {
            self.not_answered(signal, fault);
        }
        fault.retry_after
    }

    /// Notes for one signal that the source as a whole failed. What lasts about the signal itself stays: nothing was learned
    /// about it. A failure of the source that lasts, too, ends the wait for it.
    fn not_answered(&mut self, signal: SignalId, fault: Fault) {
        let now = self.now;
        let state = self.document.signal_mut(signal);
        match state.fault.filter(|&known| known != fault.code && !known.passes()) {
            Some(_) if fault.code.passes() => {}
            Some(_) => {
                self.outcome.unchanged = false;
                state.answered_at = now;
            }
            None => drop(self.answer(signal, Err(fault), &mut Vec::new())),
        }
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
        let outcome = outcome.and_then(|(value, captured_at)| match valid(signal, value) {
            Ok(value) if self.has_room_for(signal, &value) => Ok((value, captured_at)),
            Ok(_) | Err(_) => Err(Fault::from(ErrorCode::UPSTREAM_INVALID_DATA)),
        });
        let state = self.document.signal_mut(signal);
        // A failure that passes proves nothing about one that lasts: the signal was not answered.
        if let Err(fault) = &outcome
            && fault.code.passes()
            && state.fault.is_some_and(|known| !known.passes())
        {
            return fault.retry_after;
        }
        state.answered_at = now;
        match outcome {
            Ok((value, captured_at)) => {
                if self.take_answer(signal, value, captured_at) {
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

    /// Whether a value fits beside the vehicle's others.
    fn has_room_for(&self, signal: SignalId, value: &Value) -> bool {
        let others = || self.document.weight() - self.document.value(signal).map_or(0, Value::weight);
        value.weight() <= ALWAYS_TAKEN || others() + value.weight() <= MOST_BYTES_OF_VEHICLE
    }

    /// Takes in pushed readings, moment by moment: what was measured together makes one event.
    fn push(&mut self, mut readings: Vec<Reading>) {
        self.seen.push = true;
        self.outcome.unchanged = false;
        for (place, reading) in (0..).zip(&mut readings) {
            reading.place = place;
        }
        self.release(readings);
    }

    fn release(&mut self, readings: Vec<Reading>) {
        let judgements = &mut self.outcome.judgements;
        let mut ready = readings::admit(self.document, readings, self.now, |place, signal, outcome| {
            judgements.push(Judgement { place, signal, outcome });
        });
        self.outcome.unchanged &= ready.is_empty();
        // What the owner has not granted is not taken in.
        let granted = self.document.permissions;
        ready.retain(|reading| {
            let is_granted = granted.contains(reading.signal.entry().permission);
            if !is_granted {
                self.judged(reading.place, reading.signal, ReadingOutcome::Rejected(Why::NotGranted));
            }
            is_granted
        });
        let mut ready = ready.into_iter().peekable();
        while let Some(first) = ready.next() {
            let moment = first.moment();
            let mut changed: Vec<(SignalId, Option<Value>)> = Vec::new();
            let mut of_charging = false;
            let mut next = Some(first);
            while let Some(reading) = next {
                let signal = reading.signal;
                of_charging |= charging::says(signal);
                let before = self.document.value(signal).cloned();
                if self.take_reading(reading) && !changed.iter().any(|(of, _)| *of == signal) {
                    changed.push((signal, before));
                }
                next = ready.next_if(|next| next.moment() == moment);
            }
            // Several values of one moment are a change only if the last one is.
            changed.retain(|(signal, before)| self.document.value(*signal) != before.as_ref());
            let mut changed: Vec<SignalId> = changed.into_iter().map(|(signal, _)| signal).collect();
            if of_charging {
                self.agree_on_charging(&mut changed);
            }
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

    /// Notes what became of a reading of this input. That its value was applied goes without saying.
    fn judged(&mut self, place: u32, signal: SignalId, outcome: ReadingOutcome) {
        if place != readings::HELD && outcome != ReadingOutcome::Applied {
            self.outcome.judgements.push(Judgement { place, signal, outcome });
        }
    }

    /// Judges a reading and takes its value if it is the newest; true when that is a change.
    fn take_reading(&mut self, reading: Reading) -> bool {
        let heavy = reading.value.as_ref().is_some_and(|value| value.weight() > ALWAYS_TAKEN);
        let weight = if heavy { self.document.weight() } else { 0 };
        let state = self.document.signal_mut(reading.signal);
        let differs = |value: &Option<Value>| match (&state.value, value) {
            (Some((known, ..)), Some(value)) => known != value,
            _ => false,
        };
        let is_late_news = differs(&reading.value);
        let judged = reading.judge(state, weight);
        let verdict = judged.verdict;
        self.tally(
            reading.feed,
            Tally {
                taken: u64::from(verdict.is_news()),
                late: u64::from(verdict == Verdict::Late && is_late_news),
                restarts: u64::from(judged.restarted),
            },
        );
        self.judged(reading.place, reading.signal, outcome_of(verdict, judged.why, reading.reset));
        let moment = reading.moment();
        if verdict.is_taken()
            && let Some(value) = judged.value
        {
            let times = (Some(moment), reading.received_at);
            let changed = self.settle(reading.signal, value, times, verdict, true);
            let state = self.document.signal_mut(reading.signal);
            state.answered_at = self.now;
            state.estimated = !reading.is_timed();
            if let Order::Sequence(number) = reading.order {
                state.sequence = Some((reading.feed, number));
            }
            return changed;
        }
        let state = self.document.signal_mut(reading.signal);
        let mut before = state.judged.take().and_then(|judged| judged.before);
        if verdict == Verdict::Forgotten {
            if let Some((value, ..)) = &state.value {
                before = readings::remembered(value.clone()).map(|value| (value, reading.received_at));
            }
            if let Order::Sequence(number) = reading.order {
                state.sequence = Some((reading.feed, number));
            }
            self.forget(reading.signal, moment, !reading.is_timed());
        }
        let state = self.document.signal_mut(reading.signal);
        let refused = judged.value.and_then(readings::remembered);
        let received_at = reading.received_at;
        state.judged =
            Some(Judged { verdict, observed_at: moment, received_at, pushed: true, refused, before });
        false
    }

    fn tally(&mut self, feed: FeedKey, tally: Tally) {
        match self.outcome.pushed.iter_mut().find(|(of, _)| *of == feed) {
            Some((_, sum)) => sum.add(tally),
            None => self.outcome.pushed.push((feed, tally)),
        }
    }

    /// Takes the answer of a read; true when it is a change.
    fn take_answer(&mut self, signal: SignalId, value: Value, captured_at: Option<Timestamp>) -> bool {
        let now = self.now;
        // A moment that is none says nothing; one ahead of our clock neither.
        let captured_at = captured_at.filter(|at| (Timestamp::EARLIEST_MEASURED..=now).contains(at));
        let state = self.document.signal_mut(signal);
        let overtaken = state.judged.as_ref().is_some_and(|judged| judged.pushed)
            && state.value.as_ref().is_some_and(|(_, newest, _)| captured_at < *newest);
        let value = if overtaken { value } else { readings::settled(state, signal, value) };
        let verdict = match state.verdict_on(&value) {
            _ if overtaken => Verdict::Late,
            Verdict::Changed if !readings::is_believed(state, signal, &value, captured_at.unwrap_or(now)) => {
                Verdict::Implausible
            }
            verdict => verdict,
        };
        if verdict.is_taken() {
            return self.settle(signal, value, (captured_at, now), verdict, false);
        }
        // The source answers, though with nothing that counts: what was known stands.
        let state = self.document.signal_mut(signal);
        let failed = state.fault.take().is_some();
        let before = state.judged.take().and_then(|judged| judged.before);
        if overtaken || self.watched {
            let observed_at = captured_at.unwrap_or(now);
            let refused = readings::remembered(value);
            state.judged =
                Some(Judged { verdict, observed_at, received_at: now, pushed: overtaken, refused, before });
        }
        self.seen.faults |= failed;
        false
    }

    /// Makes a value the signal's; true when that is to be told.
    fn settle(
        &mut self,
        signal: SignalId,
        value: Value,
        (captured_at, received_at): (Option<Timestamp>, Timestamp),
        verdict: Verdict,
        pushed: bool,
    ) -> bool {
        let state = self.document.signal_mut(signal);
        let failed = state.fault.take();
        let known = state.value.take().map(|(value, ..)| value);
        let known = known.or_else(|| state.forgotten.take().map(|forgotten| forgotten.value));
        state.forgotten = None;
        state.estimated = false;
        let mut before = state.judged.take().and_then(|judged| judged.before);
        if verdict.fires()
            && let Some(known) = known
        {
            before = readings::remembered(known).map(|known| (known, received_at));
        }
        let observed_at = captured_at.unwrap_or(received_at);
        if pushed || self.watched {
            state.judged = Some(Judged { verdict, observed_at, received_at, pushed, refused: None, before });
        }
        state.value = Some((value, captured_at, received_at));
        self.seen.faults |= failed.is_some() || verdict == Verdict::First;
        if verdict == Verdict::First {
            self.firsts.push(signal);
        }
        if verdict.fires() || verdict == Verdict::First {
            self.seen.change = true;
            self.document.watching.quiet = 0;
        }
        verdict.fires()
    }

    /// Brings what is known of charging into agreement with what was said last of it, by whichever signal.
    fn agree_on_charging(&mut self, changed: &mut Vec<SignalId>) {
        if let Some((since, estimated)) = charging::forgotten_since(self.document) {
            let signals = [IS_CHARGING, CHARGING_STATUS];
            return signals.into_iter().for_each(|signal| self.forget(signal, since, estimated));
        }
        let Some(agreed) = charging::agreed(self.document) else { return };
        for (signal, value) in agreed.values {
            let state = self.document.signal_mut(signal);
            if state.value.as_ref().is_some_and(|(known, ..)| *known == value) {
                continue;
            }
            let verdict = state.verdict_on(&value);
            if verdict == Verdict::Returned {
                continue;
            }
            state.answered_at = self.now;
            let times = (agreed.captured_at, agreed.received_at);
            if self.settle(signal, value, times, verdict, agreed.pushed) && !changed.contains(&signal) {
                changed.push(signal);
            }
        }
    }

    /// What was known of a signal is not known since a moment, which may be one of ours.
    fn forget(&mut self, signal: SignalId, since: Timestamp, estimated: bool) {
        let now = self.now;
        let state = self.document.signal_mut(signal);
        if let Some((value, captured_at, received_at)) = state.value.take() {
            let measured_at = captured_at.unwrap_or(received_at);
            state.forgotten = Some(Forgotten { value, since, measured_at });
            (state.answered_at, state.doubt, state.estimated) = (now, None, estimated);
            self.seen.change = true;
        }
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
