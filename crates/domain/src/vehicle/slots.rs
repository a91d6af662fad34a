//! One subscription and its slot: when to read, when to read again, when to stop waiting.
//!
//! | what the source answered | what happens |
//! | --- | --- |
//! | every endpoint answered, or failed for good | complete: posted at once |
//! | some failed in a way that passes | read again after growing gaps inside the slot's 15 minutes, then posted with error entries |
//! | nothing could be read | read again in each following 15-minute window, until the next slot or a day has passed, then posted as error entries |

use std::time::Duration;

use super::{Document, Gathering, SignalState, Subscription, VehicleInfo, charging, ladder};
use crate::{
    cadence::Cadence,
    errors::ErrorCode,
    signal::{Endpoint, SignalId},
    time::Timestamp,
    webhook::{Dynamic, Pace, Plan},
};

/// How long a slot is gathered before it is posted with what there is.
pub(super) const WINDOW: Duration = Duration::from_secs(15 * 60);
/// How long a slot that brought nothing is tried again.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// The pauses between the reads of one window.
const GAPS: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(240),
    Duration::from_secs(360),
];

/// When slots come.
pub(super) enum Rhythm<'a> {
    /// By a cadence.
    Cadence(&'a Cadence),
    /// Every so often, counted from the moment of subscription.
    Every(Duration, Timestamp),
}

impl<'a> Rhythm<'a> {
    /// When the slots of a vehicle on a webhook come; `None` for webhooks without slots.
    pub(super) fn of(
        plan: &'a Plan,
        since: Timestamp,
        document: &Document,
        info: &VehicleInfo,
    ) -> Option<Self> {
        match plan {
            Plan::Scheduled(scheduled) => Some(Self::Cadence(&scheduled.cadence)),
            Plan::Dynamic(dynamic) => Some(Self::Every(period(*dynamic, document, info), since)),
            Plan::EventBased(_) | Plan::Unified(_) => None,
        }
    }

    /// The first slot after a moment.
    pub(super) fn next_after(&self, at: Timestamp) -> Timestamp {
        match self {
            Self::Cadence(cadence) => cadence.next_after(at),
            Self::Every(period, since) => match at < *since {
                true => *since + *period,
                false => *since + *period * (periods(at, *since, *period) + 1),
            },
        }
    }

    fn latest_at_or_before(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cadence(cadence) => cadence.latest_at_or_before(at),
            Self::Every(period, since) => {
                let periods = periods(at, *since, *period);
                (at > *since && periods > 0).then(|| *since + *period * periods)
            }
        }
    }

    fn count_between(&self, after: Timestamp, until: Timestamp) -> u64 {
        match self {
            Self::Cadence(cadence) => cadence.count_between(after, until),
            Self::Every(period, _) => u64::from(periods(until, after, *period)),
        }
    }
}

/// Whole periods that have passed.
fn periods(at: Timestamp, since: Timestamp, period: Duration) -> u32 {
    u32::try_from(at.since(since).as_micros() / period.as_micros()).unwrap_or(u32::MAX - 1)
}

/// How often a dynamic webhook is sent a vehicle: hourly, and faster while it is plugged in.
fn period(dynamic: Dynamic, document: &Document, info: &VehicleInfo) -> Duration {
    const HALF_HOUR: Duration = Duration::from_secs(30 * 60);
    match (charging::is_plugged_in(document), dynamic.pace) {
        (false, _) => HALF_HOUR * 2,
        (true, Pace::HalfHourly) => HALF_HOUR,
        (true, Pace::Brand) => ladder::freshness(&info.make).1.min(HALF_HOUR),
    }
}

/// How an endpoint stands in a gathering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Something of it was read.
    Read,
    /// It failed in a way that does not pass.
    Final,
    /// It was not answered yet, or failed in a way that passes.
    Open,
    /// Nothing has to be read for it: the vehicle's record has it, or its owner has not granted it. It is complete, and says
    /// nothing about whether the vehicle could be read.
    NoRead,
}

/// What to do about a gathering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Post what there is.
    Post,
    /// Read again then.
    ReadAt(Timestamp),
}

impl Gathering {
    /// A slot that comes at `now`, or came while nobody looked.
    ///
    /// A reading of the last minutes before a late start is as good as one more read.
    pub(super) fn begin(slot: Timestamp, now: Timestamp) -> Self {
        Self { slot, fresh_from: slot.max(now - WINDOW), reads: 0, read_at: slot.max(now) }
    }

    /// A slot of a vehicle that only pushes tell about: there is nothing to wait for, and nothing is too old.
    pub(super) fn of_pushes(slot: Timestamp, now: Timestamp) -> Self {
        Self { fresh_from: Timestamp::from_micros(i64::MIN + 1), ..Self::begin(slot, now) }
    }

    /// When the slot is given up: at the next one, and after a day at the latest.
    pub(super) fn ends_at(&self, next_slot: Timestamp) -> Timestamp {
        next_slot.min(self.slot + PATIENCE)
    }

    /// Decides what follows a read that was answered at `now`.
    pub(super) fn after_read(
        &self,
        standings: impl Iterator<Item = Standing> + Clone,
        leave_alone: Option<Duration>,
        next_slot: Timestamp,
        now: Timestamp,
    ) -> Decision {
        if standings.clone().all(|standing| standing != Standing::Open) {
            return Decision::Post;
        }
        // What needs no read is no answer: with it alone, the slot has brought nothing and is tried in the next window.
        let something =
            standings.into_iter().any(|standing| matches!(standing, Standing::Read | Standing::Final));
        let again = self.next_read(now).max(now + leave_alone.unwrap_or(Duration::ZERO));
        let limit = if something { self.window_end(now) } else { self.ends_at(next_slot) };
        if again < limit { Decision::ReadAt(again) } else { self.without_a_read(something, next_slot) }
    }

    /// No read fits before the limit: post what there is, or give up a slot that brought nothing when it ends.
    fn without_a_read(&self, something: bool, next_slot: Timestamp) -> Decision {
        if something { Decision::Post } else { Decision::ReadAt(self.ends_at(next_slot)) }
    }

    /// The end of the 15 minutes in which `now` lies, counted from the slot.
    fn window_end(&self, now: Timestamp) -> Timestamp {
        let windows = now.since(self.slot).as_secs() / WINDOW.as_secs() + 1;
        self.slot + WINDOW * u32::try_from(windows).unwrap_or(u32::MAX)
    }

    /// The next read: a growing gap inside the first window, once in each following one.
    fn next_read(&self, now: Timestamp) -> Timestamp {
        match GAPS.get(usize::from(self.reads)) {
            Some(&gap) if now + gap < self.slot + WINDOW => now + gap,
            _ => self.window_end(now),
        }
    }
}

/// How an endpoint stands: by its signals that were answered since `fresh_from`.
pub(super) fn standing(document: &Document, endpoint: Endpoint, fresh_from: Timestamp) -> Standing {
    if !document.permissions.contains(endpoint.permission()) || endpoint.signals().is_empty() {
        return Standing::NoRead;
    }
    let mut worst = Standing::Final;
    for &signal in endpoint.signals() {
        match document.signal(signal).filter(|state| state.answered_at >= fresh_from) {
            None if document.pushes.only => {}
            None => return Standing::Open,
            Some(SignalState { fault: None, .. }) => worst = Standing::Read,
            Some(SignalState { fault: Some(fault), .. }) if fault.passes() => return Standing::Open,
            Some(_) => {}
        }
    }
    worst
}

/// The signals that a read has to ask for so that a gathering can be completed.
pub(super) fn open_signals<'a>(
    document: &'a Document,
    endpoints: &'a [Endpoint],
    fresh_from: Timestamp,
) -> impl Iterator<Item = SignalId> + 'a {
    endpoints
        .iter()
        .filter(|endpoint| document.permissions.contains(endpoint.permission()))
        .flat_map(|endpoint| endpoint.signals().iter().copied())
        .filter(move |&signal| {
            document.signal(signal).is_none_or(|state| {
                state.answered_at < fresh_from || state.fault.is_some_and(ErrorCode::passes)
            })
        })
}

/// The slots that `now` has reached: the newest, and how many were missed before it.
pub(super) struct Reached {
    /// The slot to gather.
    pub slot: Timestamp,
    /// The one after it.
    pub next: Timestamp,
    /// Slots before it that nobody looked at.
    pub missed: u64,
    /// The last of those.
    pub last_missed: Option<Timestamp>,
}

/// Which slot of a subscription has come, if one has.
pub(super) fn reached(subscription: &Subscription, rhythm: &Rhythm<'_>, now: Timestamp) -> Option<Reached> {
    let first = subscription.next_slot;
    if now < first {
        return None;
    }
    let next = rhythm.next_after(first);
    if now < next {
        return Some(Reached { slot: first, next, missed: 0, last_missed: None });
    }
    let slot = rhythm.latest_at_or_before(now).unwrap_or(first).max(first);
    let missed = rhythm.count_between(first, slot);
    Some(Reached {
        slot,
        next: rhythm.next_after(slot),
        missed,
        last_missed: rhythm.latest_at_or_before(slot - Duration::from_micros(1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn slot() -> Timestamp {
        Timestamp::from_secs(16 * 3600)
    }

    /// The reads of a slot whose source always answers alike, as minutes and seconds after the slot.
    fn reads(standings: &[Standing], leave_alone: Option<Duration>) -> String {
        let mut gathering = Gathering::begin(slot(), slot());
        let next_slot = slot() + 60 * MINUTE;
        let mut now = slot();
        let mut story = String::new();
        for _ in 0..20 {
            let after = now.since(slot()).as_secs();
            story += &format!("{}:{:02} ", after / 60, after % 60);
            if now >= gathering.ends_at(next_slot) {
                return story + "given up";
            }
            match gathering.after_read(standings.iter().copied(), leave_alone, next_slot, now) {
                Decision::Post => return story + "posted",
                Decision::ReadAt(at) => {
                    gathering.reads += 1;
                    now = at;
                }
            }
        }
        panic!("never ends: {story}")
    }

    #[test]
    fn a_complete_answer_is_posted_at_once() {
        assert_eq!(reads(&[Standing::Read, Standing::Final], None), "0:00 posted");
    }

    #[test]
    fn what_failed_in_passing_is_asked_again_within_15_minutes() {
        assert_eq!(reads(&[Standing::Read, Standing::Open], None), "0:00 0:30 1:30 3:30 7:30 13:30 posted");
    }

    #[test]
    fn a_slot_that_brought_nothing_is_tried_in_each_window_until_the_next() {
        assert_eq!(
            reads(&[Standing::Open, Standing::Open], None),
            "0:00 0:30 1:30 3:30 7:30 13:30 15:00 30:00 45:00 60:00 given up"
        );
    }

    #[test]
    fn what_needs_no_read_does_not_count_as_read() {
        assert_eq!(
            reads(&[Standing::NoRead, Standing::Open], None),
            reads(&[Standing::Open], None),
            "the slot is tried in each window"
        );
        assert_eq!(
            reads(&[Standing::NoRead, Standing::Read, Standing::Open], None),
            reads(&[Standing::Read, Standing::Open], None)
        );
        assert_eq!(reads(&[Standing::NoRead, Standing::NoRead], None), "0:00 posted");
        assert_eq!(reads(&[Standing::NoRead, Standing::Final], None), "0:00 posted");
    }

    #[test]
    fn a_source_that_asks_for_patience_gets_it() {
        assert_eq!(reads(&[Standing::Read, Standing::Open], Some(10 * MINUTE)), "0:00 10:00 posted");
        assert_eq!(reads(&[Standing::Open], Some(40 * MINUTE)), "0:00 40:00 60:00 given up");
    }
}
