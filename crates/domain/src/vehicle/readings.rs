//! Readings: what is newer, what is believed, what is a change.
//!
//! A reading has up to three times: when the car measured it, when we had it, and the moment that counts. That is the car's
//! where it lies between the year 2010 and our clock; otherwise it is ours, an estimate. What is newer is a property of
//! the source ([`Order`]). A reading never fires by itself: it is judged, and only [`Verdict::fires`] says that it can.
//!
//! | reading | verdict |
//! | --- | --- |
//! | a value that means "not available" | unknown: what was known stands |
//! | no value | forgotten: what was known is not any more; a later value is a change if it is another one than that |
//! | a value that the signal cannot have, or that cannot follow what is known | implausible |
//! | older than the newest one, by the order of its source | late: kept in nothing |
//! | as old as the newest one, with the same value | duplicate |
//! | as old as the newest one, with another value | conflicting: the last one counts |
//! | the first of its signal | first: taken silently, unless a webhook was told that there is none |
//! | the first of its signal after an error that was reported | returned: it is news, whatever it is |
//! | newer, with an equal value | same |
//! | newer, with another value | changed |
//!
//! Two orders mend themselves. A moment that is only an estimate does not make a measured one late that is hardly older.
//! And numbers that begin anew are followed once it is clear that they did: at once where they are far below and the car's
//! moments go on, else after some that rise. A value that could not follow is believed once others agree with it, or with
//! [`Reading::reset`].

use std::{cmp::Ordering, time::Duration};

use super::{Document, Doubt, Forgotten, ReadingOutcome, Renumbered, SignalState, Why};
use crate::{
    errors::ErrorCode,
    signal::{
        Invalid, SignalId, Value, can_follow,
        form::{ALWAYS_TAKEN, MOST_BYTES_OF_VEHICLE},
        in_words_of, valid,
    },
    time::Timestamp,
};

/// How much older than an estimate a measured moment may be without being late.
const SKEW: Duration = Duration::from_secs(60);
/// Readings in a row that have to agree until one is believed that could not follow.
pub(super) const MOST_AGREE: u8 = 3;
/// Numbers that lie so far below the newest one are not merely late.
const FAR_BELOW: u64 = 64;
/// Numbers that have to rise until they are followed: where the car's moments go on, and where it says none.
const RISING: u8 = 3;
const RISING_UNTIMED: u8 = 8;
/// The place of a reading that has waited: nobody waits for its judgement.
pub(super) const HELD: u32 = u32::MAX;
/// Values that are remembered beside those that count.
const MOST_REMEMBERED_BYTES: usize = 1_024;
/// Ids that are remembered per vehicle, of readings that neither a moment nor a number tells from earlier ones.
const REMEMBERED: usize = 1_024;
/// Readings of one vehicle that may wait for earlier ones; the oldest goes on when there are more.
pub const MOST_HELD: usize = 256;

/// Bytes that their values may have together.
const MOST_HELD_BYTES: usize = 64 * 1_024;

/// Which feed pushed a reading: the end of its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedKey(pub u32);

/// Something that a source says about one signal of one vehicle.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Who says it.
    pub feed: FeedKey,
    /// Which signal.
    pub signal: SignalId,
    /// Its value, in its canonical unit; none says that it is no longer known.
    pub value: Option<Value>,
    /// When the car measured it, if the source says.
    pub observed_at: Option<Timestamp>,
    /// When we had it.
    pub received_at: Timestamp,
    /// What is newer.
    pub order: Order,
    /// Its id at the source, hashed.
    pub id: Option<u64>,
    /// How long it waits for earlier ones that come after it.
    pub hold: Duration,
    /// It counts whatever was known before: its sender says so.
    pub reset: bool,
    /// Its place among the readings of its input; the step gives it.
    pub place: u32,
}

/// What counts as newer among the readings of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What was measured later.
    #[default]
    Observed,
    /// What arrives later.
    Delivery,
    /// What has the higher number, among the readings of one feed.
    Sequence(u64),
}

/// What came of a reading. The discriminant is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// The first value of its signal.
    First = 0,
    /// Another value than before.
    Changed = 1,
    /// The value that it had.
    Same = 2,
    /// Known already.
    Duplicate = 3,
    /// Older than what is known.
    Late = 4,
    /// Not a value that the signal can have.
    Implausible = 5,
    /// The first value after an error that was reported.
    Returned = 6,
    /// Another value than was known of the same moment; it counts now.
    Conflicting = 7,
    /// Not a value: it is not available.
    Unknown = 8,
    /// The value is no longer known.
    Forgotten = 9,
}

impl Verdict {
    const ALL: [Self; 10] = [
        Self::First,
        Self::Changed,
        Self::Same,
        Self::Duplicate,
        Self::Late,
        Self::Implausible,
        Self::Returned,
        Self::Conflicting,
        Self::Unknown,
        Self::Forgotten,
    ];

    /// From the stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word of the API: that of the answer to a push.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First | Self::Changed | Self::Returned => "applied",
            Self::Same | Self::Duplicate => "unchanged",
            Self::Late => "late",
            Self::Implausible => "implausible",
            Self::Conflicting => "conflicting",
            Self::Unknown | Self::Forgotten => "unknown",
        }
    }

    /// Whether it is something to tell.
    pub const fn fires(self) -> bool {
        matches!(self, Self::Changed | Self::Returned | Self::Conflicting)
    }

    /// Whether the reading says what the signal is now, be it known or new.
    pub const fn is_news(self) -> bool {
        !matches!(self, Self::Late | Self::Implausible | Self::Unknown)
    }

    /// Whether the reading's value becomes the signal's.
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::First | Self::Returned | Self::Changed | Self::Same | Self::Conflicting)
    }
}

/// How many readings of a feed were judged in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Known or new, and taken.
    pub taken: u64,
    /// Older than what is known, though with another value.
    pub late: u64,
    /// Its numbers began anew.
    pub restarts: u64,
}

impl Tally {
    /// Readings after which a feed is judged.
    pub const ENOUGH: u64 = 100;

    /// Whether most of a feed's readings come late: then their order is not what was said of it, and values freeze.
    pub const fn is_out_of_order(self) -> bool {
        self.late > self.taken
    }

    /// Counts another one's readings, too.
    pub const fn add(&mut self, other: Self) {
        self.taken = self.taken.saturating_add(other.taken);
        self.late = self.late.saturating_add(other.late);
        self.restarts = self.restarts.saturating_add(other.restarts);
    }

    /// How many readings it counts.
    pub const fn readings(self) -> u64 {
        self.taken.saturating_add(self.late)
    }
}

/// How a reading is to be taken.
pub(super) struct Judged {
    pub verdict: Verdict,
    /// The value in the form that counts; none where there is none.
    pub value: Option<Value>,
    pub why: Option<Why>,
    /// Numbers of its feed have begun anew.
    pub restarted: bool,
}

impl Judged {
    const fn of(verdict: Verdict, value: Option<Value>) -> Self {
        Self { verdict, value, why: None, restarted: false }
    }
}

impl Reading {
    /// The moment that counts, in whole milliseconds as it is stored: one that lies ahead of our clock is not believed, so that
    /// a car whose clock is ahead does not silence itself.
    pub fn moment(&self) -> Timestamp {
        let believed = self.observed_at.filter(|&at| self.believes(at));
        Timestamp::from_millis(believed.unwrap_or(self.received_at).as_millis())
    }

    /// Whether its moment is the car's own.
    pub(super) fn is_timed(&self) -> bool {
        self.observed_at.is_some_and(|at| self.believes(at))
    }

    fn believes(&self, at: Timestamp) -> bool {
        (Timestamp::EARLIEST_MEASURED..=self.received_at).contains(&at)
    }

    /// Whether its moment or its number tells it from earlier readings.
    const fn is_placed(&self) -> bool {
        match self.order {
            Order::Observed => self.observed_at.is_some(),
            Order::Delivery => false,
            Order::Sequence(_) => true,
        }
    }

    /// Judges the reading by what is known of its signal, on a vehicle whose values weigh so much together. What it leaves
    /// open is noted in the state.
    pub(super) fn judge(&self, state: &mut SignalState, weight: usize) -> Judged {
        let value = match self.value.clone().map(|value| valid(self.signal, value)) {
            None => return self.forget(state),
            Some(Err(Invalid::Nothing)) => return Judged::of(Verdict::Unknown, self.value.clone()),
            Some(Err(invalid)) => {
                let why = Some(Why::Invalid(invalid));
                return Judged { why, ..Judged::of(Verdict::Implausible, self.value.clone()) };
            }
            Some(Ok(value)) => value,
        };
        let (place, restarted) = self.place_to(state);
        if place == Ordering::Less {
            return Judged::of(Verdict::Late, Some(value));
        }
        let value = if self.reset { value } else { settled(state, self.signal, value) };
        let known = state.value.as_ref().map(|(value, ..)| value);
        let verdict = match known {
            Some(known) if *known == value && place == Ordering::Equal => Verdict::Duplicate,
            Some(_) if place == Ordering::Equal => Verdict::Conflicting,
            _ => state.verdict_on(&value),
        };
        let heavy = value.weight();
        if heavy > ALWAYS_TAKEN
            && weight.saturating_sub(known.map_or(0, Value::weight)) + heavy > MOST_BYTES_OF_VEHICLE
        {
            return Judged { why: Some(Why::TooMuch), ..Judged::of(Verdict::Implausible, None) };
        }
        if !self.reset && !is_believed(state, self.signal, &value, self.moment()) {
            let why = Some(Why::CannotFollow);
            return Judged { why, ..Judged::of(Verdict::Implausible, Some(value)) };
        }
        Judged { restarted, ..Judged::of(verdict, Some(value)) }
    }

    /// Judges a reading that says that the value is no longer known.
    fn forget(&self, state: &mut SignalState) -> Judged {
        let (place, restarted) = self.place_to(state);
        let verdict = match (place, &state.value) {
            (Ordering::Less, _) => Verdict::Late,
            (_, None) => Verdict::Unknown,
            (_, Some(_)) => Verdict::Forgotten,
        };
        Judged { restarted, ..Judged::of(verdict, None) }
    }

    /// Where it stands to the newest reading of its signal, and whether that is because its numbers have begun anew.
    fn place_to(&self, state: &mut SignalState) -> (Ordering, bool) {
        match (self.order, state.sequence) {
            (Order::Delivery, _) => (Ordering::Greater, false),
            (Order::Sequence(number), Some((feed, newest))) if feed == self.feed => {
                let place = number.cmp(&newest);
                if place != Ordering::Less {
                    state.renumbered = None;
                } else if self.restarts(number, newest, state) {
                    return (Ordering::Greater, true);
                }
                (place, false)
            }
            // Numbers of two feeds have nothing to do with each other.
            (Order::Sequence(_) | Order::Observed, _) => (self.in_time(state), false),
        }
    }

    fn in_time(&self, state: &SignalState) -> Ordering {
        let newest = match (&state.value, &state.forgotten) {
            (Some((_, captured_at, _)), _) => *captured_at,
            (None, Some(forgotten)) => Some(forgotten.since),
            (None, None) => None,
        };
        let Some(newest) = newest else { return Ordering::Greater };
        match self.moment().cmp(&newest) {
            Ordering::Less if state.estimated && self.moment() + SKEW >= newest => Ordering::Greater,
            // Moments of ours say nothing about what was measured together.
            Ordering::Equal if !self.is_timed() || state.estimated => Ordering::Greater,
            place => place,
        }
    }

    /// Whether a number below the newest one begins a new count: the evidence is gathered in the state.
    fn restarts(&self, number: u64, newest: u64, state: &mut SignalState) -> bool {
        let known =
            state.value.as_ref().and_then(|(_, captured_at, _)| *captured_at).filter(|_| !state.estimated);
        let goes_on = match (self.is_timed(), known) {
            (true, Some(known)) => Some(self.moment() > known),
            _ => None,
        };
        if goes_on == Some(false) {
            return false;
        }
        let rises = state.renumbered.filter(|before| number > before.number).map_or(0, |before| before.count);
        let rising = Renumbered { number, count: rises.saturating_add(1) };
        let enough = match goes_on {
            Some(_) if newest - number > FAR_BELOW => 1,
            Some(_) => RISING,
            None => RISING_UNTIMED,
        };
        state.renumbered = (rising.count < enough).then_some(rising);
        rising.count >= enough
    }
}

/// A value as it counts beside what is known: completed by it, and in its words where it says the same.
pub(super) fn settled(state: &SignalState, signal: SignalId, value: Value) -> Value {
    match (&state.value, &state.forgotten) {
        (Some((known, ..)), _) => in_words_of(signal, value.completed_by(known), known),
        (None, Some(Forgotten { value: last, .. })) => in_words_of(signal, value, last),
        (None, None) => value,
    }
}

/// Whether a value can follow what is known, or what was known last; one that cannot is believed once enough in a row agree
/// with each other. That a sensor says 0 again is no evidence: one that sleeps does so, too.
pub(super) fn is_believed(state: &mut SignalState, signal: SignalId, value: &Value, at: Timestamp) -> bool {
    let (known, measured_at) = match (&state.value, &state.forgotten) {
        (Some((known, captured_at, received_at)), _) => (known, captured_at.unwrap_or(*received_at)),
        (None, Some(Forgotten { value, measured_at, .. })) => (value, *measured_at),
        (None, None) => return true,
    };
    if can_follow(signal, known, value, at.since(measured_at)) {
        state.doubt = None;
        return true;
    }
    let agree = match state.doubt.take() {
        Some(doubt) if can_follow(signal, &doubt.value, value, at.since(doubt.at)) => {
            // The same moment again is no new evidence.
            let is_evidence = at > doubt.at && *value != Value::Number(0.0);
            doubt.count.saturating_add(u8::from(is_evidence))
        }
        _ => 1,
    };
    if agree < MOST_AGREE {
        state.doubt = Some(Doubt { value: value.clone(), at, count: agree });
    }
    agree >= MOST_AGREE
}

/// A value as it is remembered beside the one that counts: not when it is large.
pub(super) fn remembered(value: Value) -> Option<Value> {
    (value.weight() <= MOST_REMEMBERED_BYTES).then_some(value)
}

impl Order {
    /// Whether readings are ordered by their numbers.
    const fn is_counted(self) -> bool {
        matches!(self, Self::Sequence(_))
    }

    /// Whether readings have an order of their own, so that they can be sorted.
    const fn sorts(self) -> bool {
        !matches!(self, Self::Delivery)
    }
}

/// Takes new readings in: those with an id that is remembered are left out, those that wait for earlier ones are held.
/// Answers with those whose time has come, in their order.
///
/// Of those that stay behind it is said whether they wait, or else are known.
pub(super) fn admit(
    document: &mut Document,
    readings: Vec<Reading>,
    now: Timestamp,
    mut stays: impl FnMut(u32, SignalId, ReadingOutcome),
) -> Vec<Reading> {
    let pushes = &mut document.pushes;
    let mut ready = Vec::with_capacity(readings.len());
    for mut reading in readings {
        if let Some(id) = reading.id.filter(|_| !reading.is_placed()) {
            if pushes.seen.contains(&id) {
                stays(reading.place, reading.signal, ReadingOutcome::Unchanged);
                continue;
            }
            pushes.seen.push(id);
        }
        match reading.hold.is_zero() || !reading.order.sorts() {
            true => ready.push(reading),
            false => {
                let place = std::mem::replace(&mut reading.place, HELD);
                stays(place, reading.signal, ReadingOutcome::Buffered);
                pushes.held.push(reading);
            }
        }
    }
    let forgotten = pushes.seen.len().saturating_sub(REMEMBERED);
    pushes.seen.drain(..forgotten);
    release(&mut pushes.held, &mut ready, now);
    sort(&mut ready);
    ready
}

/// Sorts readings by the order of their sources, and stably: those of one moment keep the order in which they came.
fn sort(ready: &mut Vec<Reading>) {
    if !ready.iter().all(|reading| reading.order.sorts()) {
        return;
    }
    if ready.iter().any(|reading| reading.order.is_counted()) {
        // Numbers that begin anew in the middle are in the right order as they came.
        let number = |reading: &Reading| match reading.order {
            Order::Sequence(number) => number,
            Order::Observed | Order::Delivery => 0,
        };
        let restarts = ready.windows(2).any(|pair| {
            pair[0].feed == pair[1].feed && number(&pair[0]).saturating_sub(number(&pair[1])) > FAR_BELOW
        });
        if !restarts {
            ready.sort_by_key(place);
        }
        return;
    }
    let untimed = ready.iter().filter(|reading| !reading.is_timed()).count();
    if untimed == ready.len() {
        return;
    }
    if untimed == 0 {
        ready.sort_by_key(place);
        return;
    }
    // One without a moment of its own was measured before it came, and not before what came before it.
    let mut reached = Timestamp::from_micros(i64::MIN);
    let mut keyed: Vec<(Timestamp, Reading)> = Vec::with_capacity(ready.len());
    for reading in ready.drain(..) {
        if reading.is_timed() {
            reached = reached.max(reading.moment());
            keyed.push((reading.moment(), reading));
        } else {
            keyed.push((reached, reading));
        }
    }
    keyed.sort_by_key(|(at, _)| *at);
    ready.extend(keyed.into_iter().map(|(_, reading)| reading));
}

/// Where a reading stands among others: those of one feed by their number, all others in time.
fn place(reading: &Reading) -> (Timestamp, FeedKey, u64) {
    match reading.order {
        Order::Sequence(number) => (Timestamp::from_micros(i64::MIN), reading.feed, number),
        Order::Observed | Order::Delivery => (reading.moment(), FeedKey::default(), 0),
    }
}

/// Which readings have an order among each other: those that are counted by one feed, and all that have only their moment.
fn row(reading: &Reading) -> Option<FeedKey> {
    reading.order.is_counted().then_some(reading.feed)
}

/// Moves held readings on: those that a much later one has overtaken, those that have waited long enough, and the
/// oldest of too many. Each takes along what is older, and the rest of its moment: after it, these would be late, or an
/// event of their own.
fn release(held: &mut Vec<Reading>, ready: &mut Vec<Reading>, now: Timestamp) {
    if held.is_empty() {
        return;
    }
    held.sort_by_key(place);
    let newest = held.iter().map(Reading::moment).max().unwrap_or(now);
    let weight: usize = held.iter().filter_map(|reading| reading.value.as_ref()).map(Value::weight).sum();
    let surplus = match weight > MOST_HELD_BYTES {
        true => held.len(),
        false => held.len().saturating_sub(MOST_HELD),
    };
    let goes = |reading: &Reading| {
        reading.moment() + reading.hold <= newest || reading.received_at + reading.hold <= now
    };
    let (mut stay, mut seen) = (Vec::new(), 0);
    for sorted in held.chunk_by(|one, next| row(one) == row(next)) {
        let last = (0..sorted.len()).rfind(|&at| seen + at < surplus || goes(&sorted[at]));
        seen += sorted.len();
        let upto = last.map_or(0, |at| sorted.partition_point(|one| place(one) <= place(&sorted[at])));
        let (go, wait) = sorted.split_at(upto);
        ready.extend_from_slice(go);
        stay.extend_from_slice(wait);
    }
    *held = stay;
}

/// When the first held reading has waited long enough.
pub(super) fn next_release(held: &[Reading]) -> Option<Timestamp> {
    held.iter().map(|reading| reading.received_at + reading.hold).min()
}

/// Whether a failure says something about the vehicle or its owner, and not only about the way there: only such errors are
/// reported to unified webhooks.
pub(super) fn is_reported(error: ErrorCode) -> bool {
    matches!(error.kind(), "CONNECTED_SERVICES_ACCOUNT" | "VEHICLE_STATE" | "COMPATIBILITY" | "PERMISSION")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{SPEED, STATE_OF_CHARGE};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + seconds)
    }

    fn reading(value: f64, observed: Option<i64>, order: Order) -> Reading {
        Reading {
            feed: FeedKey(1),
            signal: STATE_OF_CHARGE,
            value: Some(Value::Number(value)),
            observed_at: observed.map(at),
            received_at: at(100),
            order,
            id: None,
            hold: Duration::ZERO,
            reset: false,
            place: 0,
        }
    }

    fn verdict(reading: &Reading, mut state: SignalState) -> Verdict {
        reading.judge(&mut state, 0).verdict
    }

    fn admit(document: &mut Document, readings: Vec<Reading>, now: Timestamp) -> Vec<Reading> {
        super::admit(document, readings, now, |_, _, _| {})
    }

    /// 50 %, measured at 50 s, with number 5.
    fn known() -> SignalState {
        SignalState {
            value: Some((Value::Number(50.0), Some(at(50)), at(60))),
            sequence: Some((FeedKey(1), 5)),
            ..SignalState::new(STATE_OF_CHARGE)
        }
    }

    #[test]
    fn a_reading_is_judged_by_its_source_s_order() {
        use Order::{Delivery, Observed, Sequence};
        let table = [
            (51.0, Some(51), Observed, Verdict::Changed),
            (50.0, Some(51), Observed, Verdict::Same),
            (50.0, Some(50), Observed, Verdict::Duplicate),
            (51.0, Some(50), Observed, Verdict::Conflicting),
            (51.0, Some(49), Observed, Verdict::Late),
            (51.0, None, Observed, Verdict::Changed),
            (51.0, Some(49), Delivery, Verdict::Changed),
            (50.0, Some(49), Delivery, Verdict::Same),
            (51.0, Some(49), Sequence(6), Verdict::Changed),
            (51.0, Some(99), Sequence(4), Verdict::Late),
            (50.0, Some(99), Sequence(5), Verdict::Duplicate),
            (255.0, Some(51), Observed, Verdict::Implausible),
            (f64::NAN, Some(51), Observed, Verdict::Implausible),
        ];
        for (value, observed, order, expected) in table {
            let reading = reading(value, observed, order);
            assert_eq!(verdict(&reading, known()), expected, "{reading:?}");
        }
        let new = || SignalState::new(STATE_OF_CHARGE);
        assert_eq!(verdict(&reading(51.0, Some(1), Observed), new()), Verdict::First);
        let failed =
            SignalState { fault: Some(ErrorCode::VEHICLE_STATE_ASLEEP), ..SignalState::new(STATE_OF_CHARGE) };
        assert_eq!(verdict(&reading(51.0, Some(1), Observed), failed), Verdict::Returned);
    }

    #[test]
    fn numbers_of_two_feeds_have_nothing_to_do_with_each_other() {
        let other = |value, observed, number| Reading {
            feed: FeedKey(2),
            ..reading(value, Some(observed), Order::Sequence(number))
        };
        assert_eq!(verdict(&other(51.0, 51, 1), known()), Verdict::Changed);
        assert_eq!(verdict(&other(51.0, 49, 900), known()), Verdict::Late);
    }

    #[test]
    fn another_value_of_the_same_moment_or_number_is_a_conflict() {
        let conflicts = |value, observed, order| {
            verdict(&reading(value, Some(observed), order), known()) == Verdict::Conflicting
        };
        assert!(conflicts(51.0, 50, Order::Observed));
        assert!(conflicts(51.0, 99, Order::Sequence(5)));
        assert!(!conflicts(50.0, 50, Order::Observed), "a duplicate");
        assert!(!conflicts(51.0, 51, Order::Observed), "a change");
        assert!(!conflicts(51.0, 50, Order::Delivery), "moments mean nothing to it");
    }

    #[test]
    fn a_clock_that_is_ahead_does_not_become_the_high_water_mark() {
        assert_eq!(reading(1.0, Some(100), Order::Observed).moment(), at(100));
        assert_eq!(reading(1.0, Some(101), Order::Observed).moment(), at(100));
        assert_eq!(reading(1.0, None, Order::Observed).moment(), at(100));
    }

    #[test]
    fn an_id_that_was_seen_is_left_out_whatever_it_carries() {
        let mut document = Document::default();
        let one = |value, id| Reading { id: Some(id), ..reading(value, Some(50), Order::Delivery) };
        assert_eq!(admit(&mut document, vec![one(1.0, 7), one(2.0, 7), one(3.0, 8)], at(100)).len(), 2);
        assert_eq!(admit(&mut document, vec![one(9.0, 8)], at(101)).len(), 0);
        for id in 100..1_200 {
            admit(&mut document, vec![one(1.0, id)], at(102));
        }
        assert_eq!(document.pushes.seen.len(), REMEMBERED);
    }

    #[test]
    fn held_readings_go_on_in_their_order() {
        let mut document = Document::default();
        let hold = Duration::from_secs(5);
        let one = |second: i64| Reading {
            signal: SPEED,
            received_at: at(second),
            hold,
            ..reading(second as f64, Some(second), Order::Observed)
        };
        assert_eq!(admit(&mut document, vec![one(3)], at(3)), []);
        assert_eq!(admit(&mut document, vec![one(1)], at(3)), []);
        let ready = admit(&mut document, vec![one(7)], at(4));
        assert_eq!(ready.iter().map(Reading::moment).collect::<Vec<_>>(), [at(1)]);
        assert_eq!(next_release(&document.pushes.held), Some(at(8)));
        let ready = admit(&mut document, vec![], at(12));
        assert_eq!(ready.iter().map(Reading::moment).collect::<Vec<_>>(), [at(3), at(7)]);
        let many =
            (0..=MOST_HELD as i64).map(|i| Reading { hold: Duration::from_secs(3_600), ..one(100 + i) });
        let ready = admit(&mut document, many.collect(), at(100));
        assert_eq!(ready.len(), 1, "the oldest of too many goes on");
    }

    #[test]
    fn a_held_reading_that_goes_on_takes_along_what_is_older_and_the_rest_of_its_moment() {
        let one = |signal, observed: i64, received: i64| Reading {
            signal,
            received_at: at(received),
            hold: Duration::from_secs(5),
            ..reading(50.0, Some(observed), Order::Observed)
        };
        let mut document = Document::default();
        admit(&mut document, vec![one(SPEED, 2, 2)], at(2));
        admit(&mut document, vec![one(SPEED, 3, 5)], at(5));
        admit(&mut document, vec![one(STATE_OF_CHARGE, 2, 6), one(SPEED, 1, 6)], at(6));
        let counted = Reading { order: Order::Sequence(7), ..one(SPEED, 1, 6) };
        admit(&mut document, vec![counted], at(6));
        let ready = admit(&mut document, vec![], at(7));
        let gone: Vec<_> = ready.iter().map(|reading| (reading.moment(), reading.signal)).collect();
        assert_eq!(gone, [(at(1), SPEED), (at(2), SPEED), (at(2), STATE_OF_CHARGE)]);
        let waiting: Vec<_> = document.pushes.held.iter().map(|reading| reading.order).collect();
        assert_eq!(waiting, [Order::Sequence(7), Order::Observed], "numbers are no moments");
    }

    /// What becomes of readings that come one after the other, by the value that counts after each.
    fn course(readings: Vec<Reading>) -> Vec<Option<f64>> {
        let mut state = SignalState::new(readings[0].signal);
        readings
            .iter()
            .map(|reading| {
                let judged = reading.judge(&mut state, 0);
                if judged.verdict.is_taken() {
                    state.value =
                        judged.value.map(|value| (value, Some(reading.moment()), reading.received_at));
                    state.estimated = !reading.is_timed();
                    if let Order::Sequence(number) = reading.order {
                        state.sequence = Some((reading.feed, number));
                    }
                }
                state.value.as_ref().and_then(|(value, ..)| value.number("value"))
            })
            .collect()
    }

    #[test]
    fn what_was_said_of_the_future_does_not_outlast_the_truth_after_it() {
        let charge = |value, observed| reading(value, Some(observed), Order::Observed);
        assert_eq!(
            course(vec![charge(50.0, -200), charge(50.0, 145), charge(60.0, 99)]),
            [Some(50.0), Some(50.0), Some(60.0)]
        );
        let mut document = Document::default();
        let sorted =
            admit(&mut document, vec![charge(1.0, -200), charge(2.0, 145), charge(3.0, 99)], at(100));
        let order: Vec<_> = sorted.iter().map(|reading| reading.value.clone()).collect();
        assert_eq!(order, [1.0, 2.0, 3.0].map(|value| Some(Value::Number(value))), "in one request as well");
        let late = course(vec![charge(50.0, 145), charge(60.0, 30)]);
        assert_eq!(late, [Some(50.0), Some(50.0)], "what is much older stays late");
    }

    #[test]
    fn numbers_that_begin_anew_are_followed() {
        let counted =
            |number, value, observed: Option<i64>| reading(value, observed, Order::Sequence(number));
        let timed = |number, second: i64| counted(number, number as f64 / 100.0, Some(second));
        let far = course(vec![timed(1_000, 10), timed(1_001, 20), timed(1, 30), timed(2, 40)]);
        assert_eq!(far, [10.0, 10.01, 0.01, 0.02].map(Some), "far below, while the car's moments go on");
        let near = course(vec![
            timed(10, 10),
            timed(11, 20),
            timed(1, 30),
            timed(2, 40),
            timed(3, 50),
            timed(4, 60),
        ]);
        assert_eq!(near, [0.1, 0.11, 0.11, 0.11, 0.03, 0.04].map(Some), "near, once they rise");
        let late = course(vec![timed(10, 50), timed(11, 60), timed(7, 20), timed(8, 30), timed(9, 40)]);
        assert_eq!(late, [0.1, 0.11, 0.11, 0.11, 0.11].map(Some), "what was measured before is late");
        let mut untimed: Vec<_> = [1_000, 1_001].map(|number| counted(number, 9.0, None)).into();
        untimed.extend((1..=9).map(|number| counted(number, number as f64, None)));
        assert_eq!(course(untimed)[9..], [Some(8.0), Some(9.0)]);
        let mut document = Document::default();
        let batch = vec![timed(1_000, 10), timed(1_001, 20), timed(1, 30)];
        let order: Vec<_> =
            admit(&mut document, batch, at(100)).iter().map(|reading| reading.order).collect();
        assert_eq!(order, [1_000, 1_001, 1].map(Order::Sequence), "in one request as well");
    }

    #[test]
    fn one_outlier_is_not_believed_and_several_that_agree_are() {
        let odometer = |value, observed| Reading {
            signal: crate::signal::ODOMETER,
            ..reading(value, Some(observed), Order::Observed)
        };
        let km = 48_210.4;
        assert_eq!(
            course(vec![
                odometer(km, 1),
                odometer(0.0, 2),
                odometer(km, 3),
                odometer(0.0, 4),
                odometer(0.0, 5)
            ]),
            [Some(km); 5]
        );
        let replaced = vec![odometer(km, 1), odometer(12.0, 2), odometer(12.1, 3), odometer(12.2, 4)];
        assert_eq!(course(replaced), [km, km, km, 12.2].map(Some));
        let again = vec![odometer(km, 1), odometer(12.0, 2), odometer(12.0, 2), odometer(12.0, 2)];
        assert_eq!(course(again), [Some(km); 4], "the same moment again is no evidence");
        let deliberate = Reading { reset: true, ..odometer(0.0, 2) };
        assert_eq!(course(vec![odometer(km, 1), deliberate]), [km, 0.0].map(Some));
    }

    #[test]
    fn a_value_that_is_no_longer_known_comes_back_as_a_change_only_if_it_is_another() {
        let mut state = known();
        let forgotten = |value| Forgotten { value, since: at(60), measured_at: at(50) };
        state.forgotten = state.value.take().map(|(value, ..)| forgotten(value));
        let verdict_of =
            |value, observed| verdict(&reading(value, Some(observed), Order::Observed), state.clone());
        assert_eq!(verdict_of(50.0, 61), Verdict::Same);
        assert_eq!(verdict_of(51.0, 61), Verdict::Changed);
        assert_eq!(verdict_of(51.0, 59), Verdict::Late);
        let gone = Reading { value: None, ..reading(0.0, Some(70), Order::Observed) };
        assert_eq!(verdict(&gone, known()), Verdict::Forgotten);
        assert_eq!(verdict(&gone, state.clone()), Verdict::Unknown);
        let late = Reading { value: None, ..reading(0.0, Some(40), Order::Observed) };
        assert_eq!(verdict(&late, known()), Verdict::Late);
    }
}
