//! The checker: three recorders are compared, and it shares no code with the server that two of them watch.
//!
//! - what was subscribed, from which an oracle computes every slot that had to be served;
//! - what the receiver got, from its log or its journal;
//! - how the server says that deliveries ended, and when faults were injected.
//!
//! The rules. Every (webhook, vehicle, slot) is accepted by the receiver or stands in the server's log as ended. Nothing
//! comes before its slot, and nothing that was not due. What was accepted comes again only where a fault explains it, no
//! more often than attempts were in flight, and then with the same id and the same data. Every signature is good.
//!
//! A v2 body does not name its slot. Where the server's log tells which id served which slot, that holds; else an
//! occurrence belongs to the newest slot before it was built, or to the one before that, if it was built soon after the
//! change: what could not be read in time is posted when the next slot begins.

mod calendar;
mod matching;
mod repeats;
mod verdict;

pub use calendar::Cadence;
pub use verdict::{Finding, Verdict};

use crate::arrival::{Arrival, Signature};
use crate::id::Id;
use crate::receiver::Outcome;
use crate::time::Timestamp;
use matching::Slot;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A vehicle on a scheduled webhook, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The webhook.
    pub webhook: Id,
    /// The vehicle.
    pub vehicle: Id,
    /// Since when. A slot at this very instant may be served or not.
    pub from: Timestamp,
    /// Until when.
    pub until: Until,
    /// When it is due.
    pub cadence: Cadence,
}

/// How the time ends for which a subscription is checked. A slot at that very instant may be served or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The test ended; what comes later is not looked at.
    Watched(Timestamp),
    /// It was unsubscribed, disconnected or disabled; nothing may come later.
    Stopped(Timestamp),
}

impl Until {
    fn at(self) -> Timestamp {
        match self {
            Self::Watched(at) | Self::Stopped(at) => at,
        }
    }
}

impl Subscription {
    /// Whether something may arrive at this time.
    fn allows(&self, at: Timestamp, rules: &Rules) -> bool {
        let begun = self.from <= at + rules.skew.unwrap_or_default();
        let open = match self.until {
            Until::Watched(_) => true,
            Until::Stopped(end) => at <= end + rules.farewell,
        };
        begun && open
    }
}

/// An end that the server's log tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEnd {
    /// The webhook.
    pub webhook: Id,
    /// The vehicle.
    pub vehicle: Id,
    /// The first and the last slot that it holds for: several for those missed during an outage.
    pub slots: RangeInclusive<Timestamp>,
    /// The id on the wire, where the log knows it; it settles which slot an arrival served.
    pub id: Option<Id>,
    /// How it ended.
    pub end: End,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The receiver accepted it.
    Delivered,
    /// All attempts failed.
    Failed,
    /// It was waiting when the webhook was switched off.
    Dropped,
    /// Its subscription ended first.
    Cancelled,
    /// Its data was too old to be sent.
    Expired,
    /// The server was down, so it was never built.
    Missed,
}

/// A fault that was injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultMark {
    /// When, by the receiver's clock.
    pub at: Timestamp,
    /// Attempts that may have been under way, and so may come again.
    pub in_flight: usize,
}

/// What is allowed besides the rules.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long after the next slot began an occurrence may still be built for the one before.
    pub grace: Duration,
    /// How much the receiver's clock may be behind the server's. `None` if the server runs on a clock of its own, as a demo
    /// does; then only the times in bodies are judged.
    pub skew: Option<Duration>,
    /// How long after a subscription was stopped something may still arrive.
    pub farewell: Duration,
    /// How long after a fault an attempt that it cut off may still be answered by the receiver.
    pub settle: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(60),
            skew: Some(Duration::ZERO),
            farewell: Duration::from_secs(1),
            settle: Duration::from_secs(1),
        }
    }
}

/// What is counted: a vehicle on a webhook.
type Pair = (Id, Id);

/// All arrivals of one id for one vehicle on one webhook.
struct Delivery<'a> {
    id: Id,
    /// When it was built; when it first came, if it does not say.
    built: Timestamp,
    first: Timestamp,
    arrivals: Vec<&'a Arrival>,
}

impl Delivery<'_> {
    fn accepted(&self) -> bool {
        self.arrivals.iter().any(|arrival| arrival.outcome == Outcome::Accepted)
    }

    /// Whether the sender may think so.
    fn maybe_accepted(&self) -> bool {
        self.arrivals.iter().any(|arrival| arrival.outcome != Outcome::Refused)
    }
}

/// Compares what had to come with what came, and with what the server says of the rest.
pub fn check(
    expected: &[Subscription],
    received: &[Arrival],
    ended: &[LoggedEnd],
    faults: &[FaultMark],
    rules: &Rules,
) -> Verdict {
    let mut verdict = Verdict::default();
    check_each(received, &mut verdict);
    let deliveries = deliveries(received);
    let histories = deliveries.values().flatten().map(|delivery| delivery.arrivals.as_slice());
    repeats::check(histories, faults, rules.settle, &mut verdict);

    let calendars = Calendars::new(expected);
    let mut pairs: BTreeMap<Pair, History<'_>> = BTreeMap::new();
    for subscription in expected {
        let pair = (subscription.webhook, subscription.vehicle);
        pairs.entry(pair).or_default().subscriptions.push(subscription);
    }
    for (pair, found) in deliveries {
        pairs.entry(pair).or_default().deliveries = found;
    }
    for end in ended {
        pairs.entry((end.webhook, end.vehicle)).or_default().ends.push(end);
    }
    for (pair, history) in pairs {
        history.check(pair, &calendars, rules, &mut verdict);
    }
    verdict
}

/// The check for histories of which only ids are known: every expected id came or ended, none else came, and no more
/// repeats than attempts were in flight.
pub fn check_ids(expected: &[Id], received: &[Id], ended: &[Id], faults: &[FaultMark]) -> Verdict {
    let finding = |id: Id, says: &str| Finding { id: Some(id), says: says.to_owned(), ..Finding::default() };
    let (due, ended): (HashSet<Id>, HashSet<Id>) =
        (expected.iter().copied().collect(), ended.iter().copied().collect());
    let mut verdict = Verdict { expected: due.len(), ..Verdict::default() };
    let mut came: HashSet<Id> = HashSet::new();
    let budget = faults.iter().map(|fault| fault.in_flight).sum();
    for &id in received {
        if came.insert(id) {
            if !due.contains(&id) {
                verdict.unexpected.push(finding(id, "came and was not expected"));
            }
        } else if verdict.excused < budget {
            verdict.excused += 1;
        } else {
            verdict.duplicates.push(finding(id, "came again"));
        }
    }
    let mut ordered: Vec<Id> = due.into_iter().collect();
    ordered.sort_unstable();
    for id in ordered {
        if came.contains(&id) {
            verdict.delivered += 1;
        } else if ended.contains(&id) {
            verdict.ended += 1;
        } else {
            verdict.lost.push(finding(id, "never came"));
        }
    }
    verdict
}

/// What can be said of arrivals without knowing what was due.
fn check_each(received: &[Arrival], verdict: &mut Verdict) {
    let mut owners: HashMap<Id, (Option<Id>, Option<Id>)> = HashMap::new();
    for arrival in received {
        match arrival.signature {
            Signature::Bad => verdict.bad_signatures.push(about(arrival, "signed badly")),
            Signature::Missing => verdict.bad_signatures.push(about(arrival, "not signed")),
            Signature::Good | Signature::Unchecked => {}
        }
        let owner = (arrival.webhook, arrival.vehicle);
        if *owners.entry(arrival.id).or_insert(owner) != owner {
            verdict.id_changes.push(about(arrival, "one id for two vehicles or webhooks"));
        }
        if arrival.webhook.is_none() || arrival.vehicle.is_none() {
            verdict.unexpected.push(about(arrival, "names no webhook or no vehicle"));
        }
    }
}

fn about(arrival: &Arrival, says: &str) -> Finding {
    Finding {
        webhook: arrival.webhook,
        vehicle: arrival.vehicle,
        slot: None,
        id: Some(arrival.id),
        at: Some(arrival.at),
        says: says.to_owned(),
    }
}

/// Groups arrivals by what they repeat; those of a pair in the order in which they were built.
fn deliveries(received: &[Arrival]) -> BTreeMap<Pair, Vec<Delivery<'_>>> {
    let mut grouped: HashMap<(Pair, Id), Vec<&Arrival>> = HashMap::new();
    for arrival in received {
        if let (Some(webhook), Some(vehicle)) = (arrival.webhook, arrival.vehicle) {
            grouped.entry(((webhook, vehicle), arrival.id)).or_default().push(arrival);
        }
    }
    let mut pairs: BTreeMap<Pair, Vec<Delivery<'_>>> = BTreeMap::new();
    for ((pair, id), mut arrivals) in grouped {
        arrivals.sort_by_key(|arrival| arrival.at);
        let first = arrivals[0].at;
        let built = arrivals.iter().filter_map(|arrival| arrival.built).min().unwrap_or(first);
        pairs.entry(pair).or_default().push(Delivery { id, built, first, arrivals });
    }
    for deliveries in pairs.values_mut() {
        deliveries.sort_by_key(|delivery| (delivery.built, delivery.first, delivery.id));
    }
    pairs
}

/// The slots of each cadence over the whole time, computed once for many subscriptions.
struct Calendars(HashMap<Cadence, Vec<Timestamp>>);

impl Calendars {
    fn new(expected: &[Subscription]) -> Self {
        let mut spans: HashMap<Cadence, (Timestamp, Timestamp)> = HashMap::new();
        for Subscription { cadence, from, until, .. } in expected {
            let span = spans.entry(*cadence).or_insert((*from, until.at()));
            *span = (span.0.min(*from), span.1.max(until.at()));
        }
        Self(
            spans.into_iter().map(|(cadence, (from, until))| (cadence, cadence.slots(from, until))).collect(),
        )
    }

    fn slots(&self, subscription: &Subscription) -> &[Timestamp] {
        let all = self.0.get(&subscription.cadence).map_or(&[][..], Vec::as_slice);
        let begin = all.partition_point(|&slot| slot < subscription.from);
        let end = all.partition_point(|&slot| slot <= subscription.until.at());
        &all[begin..end.max(begin)]
    }
}

/// All that is known of one vehicle on one webhook.
#[derive(Default)]
struct History<'a> {
    subscriptions: Vec<&'a Subscription>,
    deliveries: Vec<Delivery<'a>>,
    ends: Vec<&'a LoggedEnd>,
}

impl History<'_> {
    fn check(&self, pair: Pair, calendars: &Calendars, rules: &Rules, verdict: &mut Verdict) {
        let mut slots = self.slots(calendars);
        self.check_stopped(pair, rules, verdict);
        self.note_ends(pair, &mut slots, verdict);
        let pinned = self.pinned();
        let strays = matching::assign(&mut slots, &self.deliveries, &pinned, rules.grace);
        let watched = self.subscriptions.iter().map(|subscription| subscription.until.at()).max();
        for stray in strays {
            // What was built later is out of sight, or was judged by when it arrived.
            if watched.is_none_or(|end| self.deliveries[stray].built <= end) {
                self.judge_stray(pair, &mut slots, stray, verdict);
            }
        }
        for slot in &slots {
            self.judge_slot(pair, slot, rules, verdict);
        }
    }

    /// The slots of all periods of subscription, in order. Where periods touch, what one requires is required.
    fn slots(&self, calendars: &Calendars) -> Vec<Slot> {
        let mut required: BTreeMap<Timestamp, bool> = BTreeMap::new();
        for subscription in &self.subscriptions {
            for &at in calendars.slots(subscription) {
                *required.entry(at).or_default() |= subscription.from < at && at < subscription.until.at();
            }
        }
        required.into_iter().map(|(at, required)| Slot::new(at, required)).collect()
    }

    /// Nothing arrives while no subscription holds.
    fn check_stopped(&self, pair: Pair, rules: &Rules, verdict: &mut Verdict) {
        if self.subscriptions.is_empty() {
            return;
        }
        for delivery in &self.deliveries {
            for arrival in &delivery.arrivals {
                // The receiver's clock says nothing of a server that runs on its own.
                let at = if rules.skew.is_some() { arrival.at } else { delivery.built };
                if !self.subscriptions.iter().any(|subscription| subscription.allows(at, rules)) {
                    let says = "came while no subscription held".to_owned();
                    let known = finding(pair, None, Some(delivery));
                    verdict.unexpected.push(Finding { at: Some(at), says, ..known });
                }
            }
        }
    }

    /// Writes the ends of the log to their slots.
    fn note_ends(&self, pair: Pair, slots: &mut [Slot], verdict: &mut Verdict) {
        for end in &self.ends {
            let begin = slots.partition_point(|slot| slot.at < *end.slots.start());
            let after = slots.partition_point(|slot| slot.at <= *end.slots.end());
            if begin >= after {
                let says = format!("the log has an end ({:?}) where no slot is", end.end);
                let known =
                    Finding { id: end.id, slot: Some(*end.slots.start()), ..finding(pair, None, None) };
                verdict.unexpected.push(Finding { says, ..known });
                continue;
            }
            for slot in &mut slots[begin..after] {
                if let Some(before) = slot.end.replace(end.end) {
                    let says = format!("ended twice: {before:?} and {:?}", end.end);
                    verdict.false_ends.push(Finding { says, ..finding(pair, Some(slot.at), None) });
                }
            }
        }
    }

    /// Which ids the log assigns to which slot.
    fn pinned(&self) -> HashMap<Id, Timestamp> {
        let single = self.ends.iter().filter(|end| end.slots.start() == end.slots.end());
        single.filter_map(|end| end.id.map(|id| (id, *end.slots.start()))).collect()
    }

    /// A delivery that belongs to no slot: another id for what was delivered before, or early, or not due at all.
    fn judge_stray(&self, pair: Pair, slots: &mut [Slot], stray: usize, verdict: &mut Verdict) {
        let delivery = &self.deliveries[stray];
        let twin = |other: &&Delivery<'_>| {
            let (a, b) = (other.arrivals[0], delivery.arrivals[0]);
            other.id != delivery.id
                && a.built.is_some()
                && a.built == b.built
                && a.fingerprint == b.fingerprint
        };
        if let Some(twin) = self.deliveries.iter().find(twin) {
            let says = format!("the same as {} under another id", twin.id);
            verdict.id_changes.push(Finding { says, ..finding(pair, None, Some(delivery)) });
            return;
        }
        let next = slots.partition_point(|slot| slot.at <= delivery.built);
        match slots.get_mut(next) {
            // Judged with its slot, as what is early.
            Some(slot) if slot.is_open() => slot.taken = Some(stray),
            _ => {
                let says = if slots.is_empty() { "nothing was due" } else { "the slot was served already" };
                verdict
                    .unexpected
                    .push(Finding { says: says.to_owned(), ..finding(pair, None, Some(delivery)) });
            }
        }
    }

    fn judge_slot(&self, pair: Pair, slot: &Slot, rules: &Rules, verdict: &mut Verdict) {
        let delivery = slot.taken.map(|index| &self.deliveries[index]);
        let about = |says: &str| Finding { says: says.to_owned(), ..finding(pair, Some(slot.at), delivery) };
        if !slot.required && delivery.is_none() && slot.end.is_none() {
            return;
        }
        verdict.expected += 1;
        if let Some(delivery) = delivery {
            let sent = rules.skew.map_or(delivery.built, |skew| delivery.first + skew);
            let begun = sent.min(delivery.built);
            if begun < slot.at {
                verdict.early.push(about(&format!("early by {:.3} s", slot.at.since(begun).as_secs_f64())));
            }
        }
        match (delivery, slot.end) {
            (Some(delivery), Some(End::Missed)) if delivery.accepted() => {
                verdict.delivered += 1;
                verdict.false_ends.push(about("the log says missed, and it was delivered"));
            }
            (Some(delivery), _) if delivery.accepted() => verdict.delivered += 1,
            (Some(delivery), Some(End::Delivered)) if delivery.maybe_accepted() => verdict.delivered += 1,
            (_, Some(End::Delivered)) => {
                verdict.false_ends.push(about("the log says delivered, and it was never accepted"));
            }
            (_, Some(_)) => verdict.ended += 1,
            (Some(_), None) => {
                verdict.lost.push(about("came and was never accepted, and the log has no end of it"))
            }
            (None, None) => verdict.lost.push(about("never came, and the log has no end of it")),
        }
    }
}

fn finding((webhook, vehicle): Pair, slot: Option<Timestamp>, delivery: Option<&Delivery<'_>>) -> Finding {
    Finding {
        webhook: Some(webhook),
        vehicle: Some(vehicle),
        slot,
        id: delivery.map(|delivery| delivery.id),
        at: delivery.map(|delivery| delivery.first),
        says: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Fingerprint;

    const WEBHOOK: Id = Id(0xaaaa);
    const VEHICLE: Id = Id(0xbbbb);

    /// A time of one day, as `16:00:05`.
    fn at(time: &str) -> Timestamp {
        format!("2024-05-01T{time}Z").parse().unwrap()
    }

    /// A vehicle that is read every hour, watched for three slots: 16:00, 17:00 and 18:00.
    fn hourly() -> Subscription {
        Subscription {
            webhook: WEBHOOK,
            vehicle: VEHICLE,
            from: at("15:45:00"),
            until: Until::Watched(at("18:30:00")),
            cadence: Cadence::EveryHours(1),
        }
    }

    /// An occurrence that was built, sent and accepted at once.
    fn came(id: u128, time: &str) -> Arrival {
        Arrival {
            at: at(time),
            id: Id(id),
            webhook: Some(WEBHOOK),
            vehicle: Some(VEHICLE),
            built: Some(at(time)),
            fingerprint: Fingerprint(id as u64),
            signature: Signature::Good,
            outcome: Outcome::Accepted,
        }
    }

    fn again(arrival: &Arrival, time: &str) -> Arrival {
        Arrival { at: at(time), ..arrival.clone() }
    }

    fn refused(arrival: Arrival) -> Arrival {
        Arrival { outcome: Outcome::Refused, ..arrival }
    }

    fn ended(slots: RangeInclusive<&str>, end: End) -> LoggedEnd {
        let slots = at(slots.start())..=at(slots.end());
        LoggedEnd { webhook: WEBHOOK, vehicle: VEHICLE, slots, id: None, end }
    }

    fn served() -> Vec<Arrival> {
        vec![came(1, "16:01:00"), came(2, "17:02:00"), came(3, "18:00:00")]
    }

    fn judge(received: &[Arrival], ends: &[LoggedEnd], faults: &[FaultMark]) -> Verdict {
        check(&[hourly()], received, ends, faults, &Rules::default())
    }

    /// The only finding of a verdict: its kind, its slot and what it says.
    fn only(verdict: &Verdict) -> String {
        assert_eq!(verdict.findings(), 1, "{}", verdict.explain());
        let text = verdict.explain();
        let (kind, line) = text.split_once('\n').unwrap().1.split_once('\n').unwrap();
        let says = line.trim().split(", webhook").next().unwrap();
        let slot = line.split(", slot ").nth(1).map_or(String::new(), |slot| format!(", {}", &slot[11..16]));
        format!("{}: {says}{slot}", kind.split(':').next().unwrap())
    }

    #[test]
    fn a_history_in_which_every_slot_was_served_once_is_clean() {
        let verdict = judge(&served(), &[], &[]);
        assert!(verdict.is_clean(), "{}", verdict.explain());
        assert_eq!((verdict.expected, verdict.delivered, verdict.ended), (3, 3, 0));
    }

    #[test]
    fn a_slot_that_nobody_accounts_for_is_lost() {
        for (missing, slot) in ["16:00", "17:00", "18:00"].into_iter().enumerate() {
            let mut received = served();
            received.remove(missing);
            let verdict = judge(&received, &[], &[]);
            assert_eq!(only(&verdict), format!("lost: never came, and the log has no end of it, {slot}"));
        }
        assert_eq!(judge(&[], &[], &[]).lost.len(), 3);
    }

    #[test]
    fn a_slot_that_stands_in_the_log_is_not_lost() {
        for end in [End::Failed, End::Dropped, End::Cancelled, End::Expired, End::Missed] {
            let verdict = judge(&served()[..1], &[ended("17:00:00"..="18:00:00", end)], &[]);
            assert!(verdict.is_clean(), "{}", verdict.explain());
            assert_eq!((verdict.delivered, verdict.ended), (1, 2));
        }
    }

    #[test]
    fn a_slot_that_was_never_accepted_needs_an_end() {
        let mut received = served();
        received[1] = refused(received[1].clone());
        let verdict = judge(&received, &[], &[]);
        assert_eq!(only(&verdict), "lost: came and was never accepted, and the log has no end of it, 17:00");
        assert!(judge(&received, &[ended("17:00:00"..="17:00:00", End::Failed)], &[]).is_clean());
    }

    #[test]
    fn slots_at_the_very_edges_of_a_subscription_are_optional() {
        let edges = Subscription { from: at("16:00:00"), until: Until::Stopped(at("18:00:00")), ..hourly() };
        for received in [&served()[1..2], &served()[..2], &served()[1..], &served()] {
            let verdict = check(std::slice::from_ref(&edges), received, &[], &[], &Rules::default());
            assert!(verdict.is_clean(), "{}", verdict.explain());
        }
        assert_eq!(check(&[edges], &[], &[], &[], &Rules::default()).lost.len(), 1);
    }

    #[test]
    fn what_is_built_or_sent_before_its_slot_is_early() {
        let mut received = served();
        received[2] = came(3, "17:59:59");
        assert_eq!(only(&judge(&received, &[], &[])), "early: early by 1.000 s, 18:00");
        received[2] = Arrival { at: at("17:59:58"), ..came(3, "18:00:00") };
        assert_eq!(only(&judge(&received, &[], &[])), "early: early by 2.000 s, 18:00");
    }

    #[test]
    fn the_receivers_clock_is_left_out_when_the_server_runs_on_its_own() {
        let received: Vec<_> = served().iter().map(|arrival| again(arrival, "09:00:00")).collect();
        let rules = Rules { skew: None, ..Rules::default() };
        assert!(check(&[hourly()], &received, &[], &[], &rules).is_clean());
        assert!(!judge(&received, &[], &[]).is_clean());
    }

    #[test]
    fn a_slot_served_twice_is_unexpected() {
        let mut received = served();
        received.push(came(4, "17:20:00"));
        assert_eq!(only(&judge(&received, &[], &[])), "unexpected: the slot was served already");
    }

    #[test]
    fn the_same_occurrence_under_another_id_is_an_id_change() {
        let mut received = served();
        received.push(Arrival { id: Id(4), ..again(&received[1], "17:03:00") });
        let verdict = judge(&received, &[], &[]);
        assert_eq!(verdict.id_changes.len(), 1, "{}", verdict.explain());
        assert_eq!(verdict.findings(), 1);
    }

    #[test]
    fn one_id_for_two_vehicles_is_an_id_change() {
        let other = Id(0xcccc);
        let mut received = served();
        received.push(Arrival { vehicle: Some(other), ..came(2, "17:00:00") });
        let subscriptions = [
            hourly(),
            Subscription {
                vehicle: other,
                from: at("16:30:00"),
                until: Until::Watched(at("17:30:00")),
                ..hourly()
            },
        ];
        let verdict = check(&subscriptions, &received, &[], &[], &Rules::default());
        assert_eq!(only(&verdict), "id changes: one id for two vehicles or webhooks");
    }

    #[test]
    fn other_data_under_the_same_id_is_a_data_change() {
        let mut received = served();
        let first = refused(Arrival { fingerprint: Fingerprint(9), ..received[1].clone() });
        received.insert(1, first);
        assert_eq!(only(&judge(&received, &[], &[])), "data changes: came again with other data");
    }

    #[test]
    fn a_retry_after_a_failure_is_no_duplicate() {
        let mut received = served();
        received[0] = refused(received[0].clone());
        received.push(Arrival { outcome: Outcome::Unclear, ..again(&received[0], "16:01:25") });
        received.push(again(&served()[0], "16:02:15"));
        assert!(judge(&received, &[], &[]).is_clean());
    }

    #[test]
    fn a_repeat_without_a_fault_is_a_duplicate() {
        let mut received = served();
        received.push(again(&received[0], "16:05:00"));
        let verdict = judge(&received, &[], &[]);
        assert_eq!(
            only(&verdict),
            "duplicates: came again after it had been accepted at 2024-05-01T16:01:00.000Z"
        );
    }

    #[test]
    fn a_crash_explains_as_many_repeats_as_attempts_were_in_flight() {
        let mut received = served();
        received.push(again(&received[0], "16:05:00"));
        received.push(again(&received[1], "17:05:00"));
        let crash = |time, in_flight| FaultMark { at: at(time), in_flight };
        let both = judge(&received, &[], &[crash("16:02:00", 1), crash("17:03:00", 1)]);
        assert!(both.is_clean(), "{}", both.explain());
        assert_eq!(both.excused, 2);
        for faults in [vec![crash("16:02:00", 2)], vec![crash("17:03:00", 1)], vec![crash("18:00:00", 9)]] {
            assert!(!judge(&received, &[], &faults).duplicates.is_empty());
        }
    }

    #[test]
    fn bad_and_missing_signatures_are_found() {
        for (signature, says) in [(Signature::Bad, "signed badly"), (Signature::Missing, "not signed")] {
            let mut received = served();
            received[1].signature = signature;
            assert_eq!(only(&judge(&received, &[], &[])), format!("bad signatures: {says}"));
        }
    }

    #[test]
    fn nothing_may_come_after_the_end_of_a_subscription() {
        let stopped = Subscription { until: Until::Stopped(at("17:30:00")), ..hourly() };
        let verdict = |received: &[Arrival]| {
            check(std::slice::from_ref(&stopped), received, &[], &[], &Rules::default())
        };
        assert!(verdict(&served()[..2]).is_clean());
        assert_eq!(only(&verdict(&served())), "unexpected: came while no subscription held");
        let mut retried = served()[..2].to_vec();
        retried[1] = refused(retried[1].clone());
        retried.push(again(&served()[1], "17:30:01"));
        assert!(verdict(&retried).is_clean(), "within the second that stopping takes");
        retried[2].at = at("17:30:03");
        assert_eq!(only(&verdict(&retried)), "unexpected: came while no subscription held");
    }

    #[test]
    fn what_comes_after_the_watch_is_not_looked_at() {
        let mut received = served();
        received.push(came(4, "19:00:10"));
        assert!(judge(&received, &[], &[]).is_clean());
    }

    #[test]
    fn what_nobody_subscribed_to_is_unexpected() {
        let verdict = check(&[], &served()[..1], &[], &[], &Rules::default());
        assert_eq!(only(&verdict), "unexpected: nothing was due");
    }

    #[test]
    fn a_second_subscription_of_the_same_vehicle_goes_on_where_the_first_ended() {
        let first = Subscription { until: Until::Stopped(at("16:30:00")), ..hourly() };
        let second = Subscription { from: at("17:30:00"), ..hourly() };
        let both = [first, second];
        let verdict = |received: &[Arrival]| check(&both, received, &[], &[], &Rules::default());
        assert!(verdict(&[came(1, "16:01:00"), came(3, "18:00:00")]).is_clean());
        assert!(!verdict(&served()).is_clean(), "17:00 was not subscribed");
    }

    #[test]
    fn what_is_built_as_the_next_slot_begins_may_belong_to_the_one_before() {
        for late in [came(2, "18:00:01"), came(2, "18:00:30")] {
            let received = [came(1, "16:01:00"), late, came(3, "18:00:20")];
            let verdict = judge(&received, &[], &[]);
            assert!(verdict.is_clean(), "{}", verdict.explain());
        }
        let too_late = [came(1, "16:01:00"), came(2, "18:01:01"), came(3, "18:02:00")];
        assert_eq!(judge(&too_late, &[], &[]).findings(), 2, "one lost and one unexpected");
    }

    #[test]
    fn the_log_settles_which_slot_an_id_served() {
        let late = came(2, "18:10:00");
        let end = LoggedEnd { id: Some(late.id), ..ended("17:00:00"..="17:00:00", End::Delivered) };
        let received = [came(1, "16:01:00"), late, came(3, "18:20:00")];
        assert!(judge(&received, std::slice::from_ref(&end), &[]).is_clean());
        assert!(!judge(&received, &[], &[]).is_clean());
        let early = [came(1, "16:01:00"), came(2, "16:59:59"), came(3, "18:00:00")];
        assert_eq!(only(&judge(&early, &[end], &[])), "early: early by 1.000 s, 17:00");
    }

    #[test]
    fn a_log_that_claims_what_the_receiver_does_not_know_is_found() {
        let delivered = ended("17:00:00"..="17:00:00", End::Delivered);
        let mut received = served();
        received[1] = refused(received[1].clone());
        let verdict = judge(&received, std::slice::from_ref(&delivered), &[]);
        assert_eq!(only(&verdict), "false ends: the log says delivered, and it was never accepted, 17:00");
        received[1].outcome = Outcome::Unclear;
        assert!(judge(&received, std::slice::from_ref(&delivered), &[]).is_clean());
        let missed = ended("16:00:00"..="17:00:00", End::Missed);
        assert_eq!(judge(&served(), &[missed], &[]).false_ends.len(), 2);
        let verdict = judge(&served(), &[delivered.clone(), delivered], &[]);
        assert_eq!(only(&verdict), "false ends: ended twice: Delivered and Delivered, 17:00");
    }

    #[test]
    fn an_end_that_no_calendar_knows_is_unexpected() {
        let verdict = judge(&served(), &[ended("17:07:00"..="17:07:00", End::Failed)], &[]);
        assert_eq!(only(&verdict), "unexpected: the log has an end (Failed) where no slot is, 17:07");
    }

    #[test]
    fn among_many_vehicles_each_planted_fault_is_found_and_nothing_else() {
        let mut subscriptions = Vec::new();
        let mut received = Vec::new();
        for vehicle in 1..=20 {
            subscriptions.push(Subscription { vehicle: Id(vehicle), ..hourly() });
            received.extend(served().into_iter().map(|arrival| Arrival {
                id: Id(vehicle << 8 | arrival.id.0),
                vehicle: Some(Id(vehicle)),
                ..arrival
            }));
        }
        let verdict = |received: &[Arrival]| check(&subscriptions, received, &[], &[], &Rules::default());
        assert!(verdict(&received).is_clean());
        for planted in 0..received.len() {
            let mut without = received.clone();
            let gone = without.remove(planted);
            let lost = verdict(&without);
            assert_eq!((lost.findings(), lost.lost[0].vehicle), (1, gone.vehicle));
            let mut twice = received.clone();
            twice.push(again(&gone, "18:10:00"));
            let twice = verdict(&twice);
            assert_eq!((twice.findings(), twice.duplicates[0].id), (1, Some(gone.id)));
        }
    }

    #[test]
    fn where_only_ids_are_known_they_are_compared_as_sets() {
        let ids = |range: RangeInclusive<u128>| range.map(Id).collect::<Vec<_>>();
        assert!(check_ids(&ids(1..=5), &ids(1..=4), &ids(5..=5), &[]).is_clean());
        let verdict = check_ids(&ids(1..=5), &[ids(2..=6), ids(2..=3)].concat(), &[], &[]);
        assert_eq!((verdict.lost.len(), verdict.unexpected.len(), verdict.duplicates.len()), (1, 1, 2));
        let crash = FaultMark { at: at("16:00:00"), in_flight: 1 };
        let verdict = check_ids(&ids(1..=2), &[ids(1..=2), ids(1..=2)].concat(), &[], &[crash]);
        assert_eq!((verdict.excused, verdict.duplicates.len()), (1, 1));
    }
}
