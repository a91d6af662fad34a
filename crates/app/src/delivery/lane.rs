//! One lane: what it holds in memory, and which event may be sent next. No I/O.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use domain::{
    delivery::{
        Allowance, AttemptResult, Breaker, BreakerSettings, Class, InFlight, InFlightLimit, Promptness,
        Standing, may_start,
    },
    ids::{ApplicationNo, EventNo, VehicleNo},
    time::Timestamp,
};
use futures::future::{AbortHandle, AbortRegistration};
use hashbrown::HashSet;
use store::{LaneLease, LogStatus, OutcomeOf, Record, Scope, Tombstone};

use super::{Entry, Loaded};
use crate::{WebhookEntry, planted::Planted};

/// Requests in flight that a lane starts with. More come with the first answers.
const START: u32 = 1;

/// A receiver that has taken nothing for so long holds its events up itself.
const TAKES_WITHIN: Duration = Duration::from_millis(250);

/// What came of one event: its record, and the event itself when it is to be tried again.
pub(crate) struct Ending {
    pub record: Record,
    pub again: Option<Entry>,
}

/// What a worker is to send: one event, or several in one request.
pub(crate) struct Job {
    pub webhook: Arc<WebhookEntry>,
    pub entries: Vec<Entry>,
    pub class: Class,
    pub abort: AbortRegistration,
    /// When it is out for longer than this, it is slow.
    pub patience: Duration,
}

/// A request under way.
struct UnderWay {
    class: Class,
    abort: AbortHandle,
    events: Vec<(EventNo, VehicleNo)>,
    is_slow: bool,
}

/// What a lane says when it is asked for work.
pub(crate) enum Next {
    /// Send this.
    Job(Job),
    /// These ended without being sent: too old.
    Ended(Vec<Ending>),
    /// Nothing may be sent now.
    Nothing,
}

/// A webhook's queue as far as it is in memory.
pub(crate) struct Lane {
    webhook: Arc<WebhookEntry>,
    /// It has errors of vehicles, which may have to wait until their URI is verified.
    errors: bool,
    /// The webhook was deleted: a tombstone covers all that there is.
    closed: bool,
    lease: Option<LaneLease>,
    /// First attempts that are due, in order.
    first: VecDeque<Entry>,
    /// Retries by when they are due.
    retries: BTreeMap<(Timestamp, EventNo), Entry>,
    /// Every event in memory, also those in flight and those whose record is not written yet.
    held: HashSet<EventNo>,
    /// Requests under way, by their first event.
    under_way: BTreeMap<EventNo, UnderWay>,
    in_flight: InFlight,
    /// Those of them that are not slow: what the limit is about.
    on_time: InFlight,
    limit: InFlightLimit,
    promptness: Promptness,
    /// It may send and waits for a place, in the queue of those that do.
    pub(crate) waits_for_capacity: bool,
    breaker: Breaker,
    last_delivered: Option<Timestamp>,
    stored: Stored,
}

/// What the store may hold that memory does not.
#[derive(Default)]
struct Stored {
    /// There may be due events.
    due: bool,
    /// When the next one is due.
    next: Option<Timestamp>,
    /// The last fill met only what tombstones cover: the next one waits until they are worked off.
    blocked: bool,
    /// A fill is under way; what was let go of since it began must not come back with it.
    filling: bool,
    let_go: HashSet<EventNo>,
    /// The highest number that a fill has brought: a hand-over below it may be old news.
    highest: EventNo,
}

impl Lane {
    pub(crate) fn new(webhook: Arc<WebhookEntry>, errors: bool, most_in_flight: u32) -> Self {
        Self {
            webhook,
            errors,
            closed: false,
            lease: None,
            first: VecDeque::new(),
            retries: BTreeMap::new(),
            held: HashSet::new(),
            under_way: BTreeMap::new(),
            in_flight: InFlight::default(),
            on_time: InFlight::default(),
            limit: InFlightLimit::new(START, most_in_flight),
            promptness: Promptness::default(),
            waits_for_capacity: false,
            breaker: Breaker::new(BreakerSettings::default()),
            last_delivered: None,
            // A lane that is new in memory has to lease its queue and look at it.
            stored: Stored { due: true, ..Stored::default() },
        }
    }

    pub(crate) fn lease(&self) -> Option<LaneLease> {
        self.lease
    }

    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn application(&self) -> ApplicationNo {
        self.webhook.application.application.no
    }

    /// What its receiver has shown.
    pub(crate) fn standing(&self) -> Standing {
        self.promptness.standing()
    }

    /// Requests in flight that are not slow.
    pub(crate) fn on_time(&self) -> u32 {
        self.on_time.first + self.on_time.retries
    }

    /// First attempts that wait, or are under way, while the receiver takes one after the other: what is to do is ours to
    /// do. More than memory holds counts as one more window.
    pub(crate) fn waits_for_us(&self, window: usize, now: Timestamp) -> usize {
        let delivers = !self.closed && self.webhook.webhook().status.delivers();
        let takes = self.last_delivered.is_some_and(|at| now.since(at) < TAKES_WITHIN);
        if !delivers || !takes || self.breaker.is_open() || self.standing() != Standing::Prompt {
            return 0;
        }
        let stored = if self.stored.due { window } else { 0 };
        self.first.len() + self.in_flight.first as usize + stored
    }

    pub(crate) fn has_stored(&self) -> bool {
        self.stored.due
    }

    /// A fill has read the store and is not taken in yet.
    pub(crate) fn is_filling(&self) -> bool {
        self.stored.filling
    }

    /// Until when the breaker holds back the first attempt of an event that was made then; `None` when it does not.
    pub(crate) fn held_until(&self, created_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self.breaker.first_attempts(created_at, !self.retries.is_empty(), now) {
            Allowance::HeldUntil(at) => Some(at),
            // The probe that may go is not this one.
            Allowance::UpTo(_) if self.breaker.is_open() => Some(now),
            Allowance::Any | Allowance::UpTo(_) => None,
        }
    }

    /// The word for what its breaker does.
    pub(crate) fn breaker(&self) -> &'static str {
        self.breaker.as_str()
    }

    pub(crate) fn last_delivered(&self) -> Option<Timestamp> {
        self.last_delivered
    }

    /// Takes an event that was just committed, unless something older may wait in the store: then it waits there too.
    /// False when the lane has to look into the store.
    pub(crate) fn take(&mut self, entry: Entry, window: usize) -> bool {
        let waits = self.stored.due
            || self.stored.filling
            || self.lease.is_none()
            || self.held.len() >= window
            || entry.no <= self.stored.highest;
        if waits && Planted::FullWindowDrops.is_here() && self.held.len() >= window {
            return true;
        }
        if waits {
            self.stored.due |= !self.held.contains(&entry.no);
            return false;
        }
        self.held.insert(entry.no);
        self.first.push_back(entry);
        true
    }

    /// Something was written to the store behind this lane's back.
    pub(crate) fn expect_stored(&mut self) {
        self.stored.due = true;
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Takes the newer of two states.
    pub(crate) fn refresh(&mut self, webhook: Arc<WebhookEntry>) {
        if webhook.order >= self.webhook.order {
            self.webhook = webhook;
        }
    }

    fn delivers(&self) -> bool {
        let status = self.webhook.webhook().status;
        if self.errors { status.delivers_errors() } else { status.delivers() }
    }

    /// Whether a fill should begin: not for a lane that may not send, and not again for what must not be sent.
    pub(crate) fn wants_fill(&self, window: usize, now: Timestamp) -> bool {
        let due = self.stored.due || self.stored.next.is_some_and(|at| at <= now);
        let may_send = !self.closed && self.delivers();
        due && may_send && !self.stored.filling && !self.stored.blocked && self.held.len() <= window / 2
    }

    /// A tombstone was worked off.
    pub(crate) fn unblock(&mut self) {
        self.stored.blocked = false;
    }

    pub(crate) fn begin_fill(&mut self) {
        self.stored.filling = true;
        self.stored.due = false;
    }

    pub(crate) fn fail_fill(&mut self) {
        self.stored.filling = false;
        self.stored.due = true;
        self.stored.let_go.clear();
    }

    /// Takes what a fill has read. Answers with the events that cannot be composed any more.
    pub(crate) fn end_fill(
        &mut self,
        loaded: Loaded,
        now: Timestamp,
        covered: impl Fn(EventNo, VehicleNo) -> bool,
    ) -> Vec<Ending> {
        self.lease = Some(loaded.lease);
        self.last_delivered = self.last_delivered.max(loaded.last_delivered);
        self.stored.filling = false;
        self.stored.due |= loaded.more;
        self.stored.next = loaded.next;
        let let_go = std::mem::take(&mut self.stored.let_go);
        let mut lost = Vec::new();
        let mut blocked = loaded.more;
        for event in loaded.events {
            let no = event.as_ref().map_or_else(|lost| lost.0, |entry| entry.no);
            self.stored.highest = self.stored.highest.max(no);
            if self.held.contains(&no) {
                continue;
            }
            if event.as_ref().is_ok_and(|entry| covered(no, entry.vehicle)) {
                continue;
            }
            blocked = false;
            if let_go.contains(&no) {
                continue;
            }
            self.held.insert(no);
            match event {
                Ok(entry) if entry.history.attempts().is_empty() => self.first.push_back(entry),
                Ok(entry) => {
                    self.retries.insert((entry.attempt_at, no), entry);
                }
                Err((no, attempt_at)) => lost.push(ended_unsent(no, attempt_at, LogStatus::Cancelled, now)),
            }
        }
        self.stored.blocked = blocked;
        lost
    }

    /// When the lane wants to be looked at again, after `now`.
    pub(crate) fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        let retry = self.retries.keys().next().map(|key| key.0);
        let held = self.first.front().and_then(|oldest| {
            match self.breaker.first_attempts(oldest.created_at, !self.retries.is_empty(), now) {
                Allowance::HeldUntil(at) => Some(at),
                Allowance::Any | Allowance::UpTo(_) => None,
            }
        });
        [retry, held, self.stored.next].into_iter().flatten().filter(|&at| at > now).min()
    }

    /// The next event to send, if one may be sent now.
    pub(crate) fn next(&mut self, now: Timestamp, max_age: Duration) -> Next {
        let Some(class) = self.startable(now) else { return Next::Nothing };
        let entry = match class {
            Class::Retry => self.retries.pop_first().map(|(_, entry)| entry),
            Class::First => self.first.pop_front(),
        };
        let Some(entry) = entry else { return Next::Nothing };
        if now.since(entry.created_at) > max_age {
            return Next::Ended(vec![ended_unsent(entry.no, entry.attempt_at, LogStatus::Expired, now)]);
        }
        let mut entries = vec![entry];
        if class == Class::First {
            self.add_companions(&mut entries);
        }
        Next::Job(self.start(entries, class))
    }

    /// The class whose turn it is: retries keep their times, so they come first.
    pub(crate) fn startable(&self, now: Timestamp) -> Option<Class> {
        if self.closed || self.lease.is_none() || !self.delivers() {
            return None;
        }
        let retry_is_due = self.retries.keys().next().is_some_and(|key| key.0 <= now);
        if retry_is_due && (self.may_start(Class::Retry) || self.has_room_for_one_retry()) {
            return Some(Class::Retry);
        }
        let oldest = self.first.front()?.created_at;
        let allowed = match self.breaker.first_attempts(oldest, !self.retries.is_empty(), now) {
            Allowance::Any => true,
            Allowance::UpTo(most) => self.in_flight.first < most,
            Allowance::HeldUntil(_) => false,
        };
        (allowed && self.may_start(Class::First)).then_some(Class::First)
    }

    /// Whether one more request may start: under the limit as far as those on time are concerned, and under what a lane may
    /// ever have with those that are slow. Once a probe is slow as well, nothing starts before one of them ends.
    fn may_start(&self, class: Class) -> bool {
        let hangs = self.promptness.strikes() > 1 && self.in_flight != self.on_time;
        // All requests of a receiver that takes its time are slow, so all of them count.
        let counted = if self.standing() == Standing::Slow { self.in_flight } else { self.on_time };
        !hangs
            && may_start(class, counted, self.limit.get())
            && may_start(class, self.in_flight, self.limit.most())
    }

    /// Retries keep their times, so one may be in flight beside first attempts that hang.
    fn has_room_for_one_retry(&self) -> bool {
        self.in_flight.retries == 0 && self.in_flight.first < self.limit.most()
    }

    /// Other first attempts that go in the same request, where the operator asked for batches.
    fn add_companions(&mut self, entries: &mut Vec<Entry>) {
        let most = entries[0].revision.plan.vehicles_per_request();
        while entries.len() < most {
            let same = |next: &Entry| {
                next.revision.number == entries[0].revision.number && next.info.mode == entries[0].info.mode
            };
            let Some(next) = self.first.front().filter(|next| same(next)) else { break };
            debug_assert!(self.held.contains(&next.no));
            entries.extend(self.first.pop_front());
        }
    }

    fn start(&mut self, entries: Vec<Entry>, class: Class) -> Job {
        *count_of(&mut self.in_flight, class) += 1;
        *count_of(&mut self.on_time, class) += 1;
        let (handle, abort) = AbortHandle::new_pair();
        let events = entries.iter().map(|entry| (entry.no, entry.vehicle)).collect();
        let under_way = UnderWay { class, abort: handle, events, is_slow: false };
        self.under_way.insert(entries[0].no, under_way);
        let patience = self.promptness.patience();
        Job { webhook: self.webhook.clone(), entries, class, abort, patience }
    }

    /// A request is out for longer than its patience. False when it has ended meanwhile.
    pub(crate) fn became_slow(&mut self, first: EventNo) -> bool {
        let Some(request) = self.under_way.get_mut(&first).filter(|request| !request.is_slow) else {
            return false;
        };
        request.is_slow = true;
        *count_of(&mut self.on_time, request.class) -= 1;
        if self.promptness.became_slow() {
            self.limit.stall();
        }
        true
    }

    /// Puts back what did not fit into a request.
    pub(crate) fn put_back(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.first.push_front(entry);
        }
    }

    /// A request has ended; its records are still to be written. True when it was slow.
    pub(crate) fn ended(
        &mut self,
        first: EventNo,
        class: Class,
        result: AttemptResult,
        took: Duration,
        now: Timestamp,
    ) -> bool {
        let was_slow = self.leave(first, class);
        self.limit.observe(result, self.in_flight.first + self.in_flight.retries);
        self.promptness.ended(result, took, was_slow);
        self.breaker.observe(first, class, result, now);
        if matches!(result, AttemptResult::Answered { status: 200..=299 }) {
            self.last_delivered = self.last_delivered.max(Some(now));
        }
        was_slow
    }

    /// A request was broken off: it proves nothing about the receiver. Those of its events that no tombstone covers are
    /// still in the store. True when it was slow.
    pub(crate) fn broken_off(&mut self, first: EventNo, class: Class, entries: &[Entry]) -> bool {
        let was_slow = self.leave(first, class);
        for entry in entries {
            self.let_go(entry.no);
        }
        self.stored.due = true;
        was_slow
    }

    fn leave(&mut self, first: EventNo, class: Class) -> bool {
        let was_slow = self.under_way.remove(&first).is_some_and(|request| request.is_slow);
        *count_of(&mut self.in_flight, class) -= 1;
        if !was_slow {
            *count_of(&mut self.on_time, class) -= 1;
        }
        was_slow
    }

    /// A record is written: the event is let go of, or waits for its next attempt.
    pub(crate) fn recorded(&mut self, event: EventNo, again: Option<Entry>) {
        match again {
            Some(entry) => {
                self.retries.insert((entry.attempt_at, event), entry);
            }
            None => self.let_go(event),
        }
    }

    /// The lane has passed to another node: nothing of it is ours any more.
    pub(crate) fn lose(&mut self) {
        self.lease = None;
        self.first.clear();
        self.retries.clear();
        self.held.clear();
        self.stored.due = true;
    }

    /// Breaks off requests that a tombstone covers.
    pub(crate) fn bury(&mut self, tombstone: &Tombstone) {
        if Planted::TombstonesIgnored.is_here() {
            return;
        }
        let no_webhook = self.webhook.webhook().no;
        for UnderWay { abort, events, .. } in self.under_way.values() {
            let covers = |&(no, vehicle): &(EventNo, VehicleNo)| {
                no <= tombstone.up_to
                    && match tombstone.scope {
                        Scope::Webhook(webhook) => webhook == no_webhook,
                        Scope::Subscription(webhook, of) => webhook == no_webhook && of == vehicle,
                        Scope::Vehicle(of) => of == vehicle,
                    }
            };
            if events.iter().any(covers) {
                abort.abort();
            }
        }
    }

    /// Lets go of waiting events that a tombstone covers.
    pub(crate) fn drop_covered(&mut self, covered: impl Fn(EventNo, VehicleNo) -> bool) {
        let mut gone = Vec::new();
        self.first.retain(|entry| keep(entry, &covered, &mut gone));
        self.retries.retain(|_, entry| keep(entry, &covered, &mut gone));
        for event in gone {
            self.let_go(event);
        }
    }

    fn let_go(&mut self, event: EventNo) {
        self.held.remove(&event);
        if self.stored.filling {
            self.stored.let_go.insert(event);
        }
    }
}

const fn count_of(counts: &mut InFlight, class: Class) -> &mut u32 {
    match class {
        Class::First => &mut counts.first,
        Class::Retry => &mut counts.retries,
    }
}

fn keep(entry: &Entry, covered: &impl Fn(EventNo, VehicleNo) -> bool, gone: &mut Vec<EventNo>) -> bool {
    let covered = covered(entry.no, entry.vehicle);
    if covered {
        gone.push(entry.no);
    }
    !covered
}

/// The end of an event that is not sent.
pub(crate) fn ended_unsent(
    event: EventNo,
    attempt_at: Timestamp,
    status: LogStatus,
    now: Timestamp,
) -> Ending {
    let record = Record {
        event,
        attempt_at,
        attempts: Vec::new(),
        attempt_count: 0,
        http_status: 0,
        took_ms: 0,
        outcome: OutcomeOf::Ended(status, now),
    };
    Ending { record, again: None }
}
