//! Readings: what is newer, what is believed, what is a change.
//!
//! A reading has up to three times: when the car measured it, when we had it, and the moment that counts, which is the
//! first of these that can be believed. What is newer is a property of the source ([`Order`]). A reading never fires
//! by itself: it is judged, and only [`Verdict::fires`] says that it can.
//!
//! | reading | verdict |
//! | --- | --- |
//! | a value that the signal cannot have, or that means "not available" | implausible: *unknown*, which changes nothing |
//! | older than the newest one, by the order of its source | late: kept in nothing |
//! | as old as the newest one, with the same value | duplicate |
//! | the first of its signal | first: taken silently |
//! | the first of its signal after an error that was reported | returned: it is news, whatever it is |
//! | newer, with an equal value | same |
//! | newer, or as old, with another value | changed |

use std::{cmp::Ordering, time::Duration};

use super::{Document, SignalState};
use crate::{
    errors::ErrorCode,
    signal::{SignalId, Value, valid},
    time::Timestamp,
};

/// How far in the future a moment may lie before it is not believed.
const SKEW: Duration = Duration::from_secs(60);
/// Ids that are remembered per vehicle, of readings that neither a moment nor a number tells from earlier ones.
const REMEMBERED: usize = 1_024;
/// Readings of one vehicle that may wait for earlier ones; the oldest goes on when there are more.
pub const MOST_HELD: usize = 256;

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
    /// Its value, in its canonical unit.
    pub value: Value,
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
}

impl Verdict {
    const ALL: [Self; 7] = [
        Self::First,
        Self::Changed,
        Self::Same,
        Self::Duplicate,
        Self::Late,
        Self::Implausible,
        Self::Returned,
    ];

    /// From the stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Implausible => "implausible",
            Self::Returned => "returned",
        }
    }

    /// Whether it is something to tell.
    pub const fn fires(self) -> bool {
        matches!(self, Self::Changed | Self::Returned)
    }

    /// Whether the reading says what the signal is now, be it known or new.
    pub const fn is_news(self) -> bool {
        matches!(self, Self::First | Self::Returned | Self::Changed | Self::Same | Self::Duplicate)
    }

    /// Whether the reading's value becomes the signal's.
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::First | Self::Returned | Self::Changed | Self::Same)
    }
}

/// How many readings of a feed were judged in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Known or new, and taken.
    pub taken: u64,
    /// Older than what is known, though with another value.
    pub late: u64,
    /// As old as what is known, with another value. The last one counts.
    pub conflicts: u64,
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
        self.conflicts = self.conflicts.saturating_add(other.conflicts);
    }

    /// How many readings it counts.
    pub const fn readings(self) -> u64 {
        self.taken.saturating_add(self.late)
    }
}

impl Reading {
    /// The moment that counts, in whole milliseconds as it is stored: one in the future is not believed, so that a car whose
    /// clock is ahead does not silence itself.
    pub fn moment(&self) -> Timestamp {
        let believed = self.observed_at.filter(|&at| at <= self.received_at + SKEW);
        Timestamp::from_millis(believed.unwrap_or(self.received_at).as_millis())
    }

    /// Whether its moment or its number tells it from earlier readings.
    const fn is_placed(&self) -> bool {
        match self.order {
            Order::Observed => self.observed_at.is_some(),
            Order::Delivery => false,
            Order::Sequence(_) => true,
        }
    }

    /// Judges the reading by what is known of its signal.
    pub fn judge(&self, known: Option<&SignalState>) -> Verdict {
        if valid(self.signal, self.value.clone()).is_err() {
            return Verdict::Implausible;
        }
        let Some(state) = known else { return Verdict::First };
        let Some((value, ..)) = &state.value else {
            return if state.fault.is_some_and(is_reported) { Verdict::Returned } else { Verdict::First };
        };
        let equal = *value == self.value;
        match self.place_to(state) {
            Ordering::Less => Verdict::Late,
            Ordering::Equal if equal => Verdict::Duplicate,
            _ if equal => Verdict::Same,
            _ => Verdict::Changed,
        }
    }

    /// Whether it is as old as what is known of its signal and says something else: one of the two is wrong.
    pub(super) fn conflicts(&self, known: &SignalState) -> bool {
        self.differs(known) && self.place_to(known) == Ordering::Equal
    }

    /// Whether it says something else than what is known.
    pub(super) fn differs(&self, known: &SignalState) -> bool {
        known.value.as_ref().is_some_and(|(value, ..)| *value != self.value)
    }

    /// Where it stands to the newest reading of its signal.
    fn place_to(&self, known: &SignalState) -> Ordering {
        let newest = known.value.as_ref().and_then(|(_, captured_at, _)| *captured_at);
        let observed = || newest.map_or(Ordering::Greater, |newest| self.moment().cmp(&newest));
        match (self.order, known.sequence) {
            (Order::Delivery, _) => Ordering::Greater,
            (Order::Sequence(number), Some((feed, newest))) if feed == self.feed => number.cmp(&newest),
            // Numbers of two feeds have nothing to do with each other.
            (Order::Sequence(_) | Order::Observed, _) => observed(),
        }
    }
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
pub(super) fn admit(document: &mut Document, readings: Vec<Reading>, now: Timestamp) -> Vec<Reading> {
    let pushes = &mut document.pushes;
    let mut ready = Vec::with_capacity(readings.len());
    for reading in readings {
        if let Some(id) = reading.id.filter(|_| !reading.is_placed()) {
            if pushes.seen.contains(&id) {
                continue;
            }
            pushes.seen.push(id);
        }
        match reading.hold.is_zero() || !reading.order.sorts() {
            true => ready.push(reading),
            false => pushes.held.push(reading),
        }
    }
    let forgotten = pushes.seen.len().saturating_sub(REMEMBERED);
    pushes.seen.drain(..forgotten);
    release(&mut pushes.held, &mut ready, now);
    // A stable sort: readings of one moment keep the order in which they came.
    if ready.iter().all(|reading| reading.order.sorts()) {
        ready.sort_by_key(place);
    }
    ready
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
    let surplus = held.len().saturating_sub(MOST_HELD);
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
            value: Value::Number(value),
            observed_at: observed.map(at),
            received_at: at(100),
            order,
            id: None,
            hold: Duration::ZERO,
        }
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
            (51.0, Some(50), Observed, Verdict::Changed),
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
            assert_eq!(reading.judge(Some(&known())), expected, "{reading:?}");
        }
        assert_eq!(reading(51.0, Some(1), Observed).judge(None), Verdict::First);
        let failed =
            SignalState { fault: Some(ErrorCode::VEHICLE_STATE_ASLEEP), ..SignalState::new(STATE_OF_CHARGE) };
        assert_eq!(reading(51.0, Some(1), Observed).judge(Some(&failed)), Verdict::Returned);
    }

    #[test]
    fn numbers_of_two_feeds_have_nothing_to_do_with_each_other() {
        let other = |value, observed, number| Reading {
            feed: FeedKey(2),
            ..reading(value, Some(observed), Order::Sequence(number))
        };
        assert_eq!(other(51.0, 51, 1).judge(Some(&known())), Verdict::Changed);
        assert_eq!(other(51.0, 49, 900).judge(Some(&known())), Verdict::Late);
    }

    #[test]
    fn another_value_of_the_same_moment_or_number_is_a_conflict() {
        let conflicts = |value, observed, order| reading(value, Some(observed), order).conflicts(&known());
        assert!(conflicts(51.0, 50, Order::Observed));
        assert!(conflicts(51.0, 99, Order::Sequence(5)));
        assert!(!conflicts(50.0, 50, Order::Observed), "a duplicate");
        assert!(!conflicts(51.0, 51, Order::Observed), "a change");
        assert!(!conflicts(51.0, 50, Order::Delivery), "moments mean nothing to it");
    }

    #[test]
    fn a_clock_that_is_ahead_does_not_become_the_high_water_mark() {
        assert_eq!(reading(1.0, Some(160), Order::Observed).moment(), at(160));
        assert_eq!(reading(1.0, Some(161), Order::Observed).moment(), at(100));
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
}
