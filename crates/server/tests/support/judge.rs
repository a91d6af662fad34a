//! The judgement over a history of kills: the checker's, and what can be said of it because the server's log is complete.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use lab::checker::{self, Cadence, End, FaultMark, LoggedEnd, Rules, Subscription, Until, Verdict};
use lab::receiver::Outcome;
use lab::{Arrival, Id, Timestamp};
use serde_json::Value;

use super::calls::{Between, Caller, Pair, RACING, Silence};

const HOURLY: Cadence = Cadence::EveryHours(1);
/// What may be repeated after one kill: requests in flight on both lanes, and the ends that are collected while a batch
/// of others is being written.
pub(crate) const REPEATS_PER_KILL: usize = 2 * 64 + 2 * 512;
/// An end is recorded so long after its arrival at the latest, and can then not be repeated any more.
const RECORDED_WITHIN: Duration = Duration::from_secs(2);
/// A request that a kill cut off may be read by the receiver so long after it.
const SETTLE: Duration = Duration::from_millis(250);
/// What was in flight when a subscription ended may still come so long after the answer.
pub(crate) const LATE: Duration = Duration::from_secs(1);

/// A row of the server's log.
pub(crate) struct Row {
    id: String,
    webhook: Id,
    vehicle: Id,
    request: Id,
    status: End,
    slot: Timestamp,
    missed_from: Option<Timestamp>,
    redelivery: bool,
    pub(crate) ended_at: Timestamp,
}

impl Row {
    /// Reads an item of the list of deliveries.
    pub(crate) fn parse(item: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{item}")).to_owned();
        let id = |member: &str| text(&item[member]).parse().unwrap();
        let status = match text(&item["status"]).as_str() {
            "delivered" => End::Delivered,
            "failed" => End::Failed,
            "dropped" => End::Dropped,
            "cancelled" => End::Cancelled,
            "expired" => End::Expired,
            "missed" => End::Missed,
            other => panic!("no status: {other}"),
        };
        Self {
            id: text(&item["id"]),
            webhook: id("webhookId"),
            vehicle: id("vehicleId"),
            request: id("requestId"),
            status,
            slot: text(&item["slot"]).parse().unwrap(),
            missed_from: item["missed"]["from"].as_str().map(|from| from.parse().unwrap()),
            redelivery: item["redelivery"] == true,
            ended_at: text(&item["endedAt"]).parse().unwrap(),
        }
    }

    fn end(&self) -> LoggedEnd {
        let Self { webhook, vehicle, status: end, .. } = *self;
        let slots = self.missed_from.unwrap_or(self.slot)..=self.slot;
        let id = (end != End::Missed).then_some(self.request);
        LoggedEnd { webhook, vehicle, slots, id, end }
    }
}

/// Everything that was recorded of an era.
pub(crate) struct History<'a> {
    pub(crate) steady: &'a [Pair],
    pub(crate) callers: &'a [Caller],
    /// Since the era began.
    pub(crate) received: &'a [Arrival],
    /// Since the era began.
    pub(crate) log: &'a [Row],
    /// Slots and data from before, by the server's clock, were judged with the era before.
    pub(crate) since: Timestamp,
    /// By the receiver's clock.
    pub(crate) kills: &'a [Timestamp],
    /// Later slots are not looked at.
    pub(crate) until: Timestamp,
}

/// What came of it.
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    /// What the checker does not look at.
    pub(crate) problems: Vec<String>,
    /// Most repeats after one kill.
    pub(crate) most_repeats: usize,
    /// Repeats in all.
    pub(crate) repeats: usize,
}

impl Judgement {
    /// Whether nothing is wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.verdict.is_clean() && self.problems.is_empty()
    }
}

/// Judges a history.
pub(crate) fn judge(history: &History<'_>) -> Judgement {
    let pairs = history.steady.iter().chain(history.callers.iter().flat_map(|caller| &caller.pairs));
    let expected: Vec<_> = pairs.flat_map(|pair| subscriptions(pair, history.until)).collect();
    let originals = history.log.iter().filter(|row| !row.redelivery);
    let watched = history.since..=history.until;
    let ended: Vec<_> = originals.map(Row::end).filter(|end| watched.contains(end.slots.end())).collect();
    let slots: HashMap<Id, Timestamp> = history.log.iter().map(|row| (row.request, row.slot)).collect();
    let is_of_before = |arrival: &&Arrival| {
        let of = slots.get(&arrival.id).copied().or(arrival.built);
        of.is_some_and(|of| of < history.since)
    };
    let received: Vec<_> =
        history.received.iter().filter(|arrival| !is_of_before(arrival)).cloned().collect();
    // The server runs on a clock of its own.
    let rules = Rules { skew: None, ..Rules::default() };
    let verdict = checker::check(&expected, &received, &ended, &faults(history), &rules);
    let mut problems = Vec::new();
    let repeats = repeats(history, &mut problems);
    redeliveries(history, &mut problems);
    silences(history, &mut problems);
    let most_repeats = repeats.values().copied().max().unwrap_or_default();
    if most_repeats > REPEATS_PER_KILL {
        problems.push(format!("{most_repeats} repeats after one kill"));
    }
    Judgement { verdict, problems, most_repeats, repeats: repeats.values().sum() }
}

/// When a pair was on. Slots while it is not known whether it was are at the edges of periods: they may be served or not.
fn subscriptions(pair: &Pair, until: Timestamp) -> Vec<Subscription> {
    let &Pair { webhook, vehicle, .. } = pair;
    let period = |from, until| Subscription { webhook, vehicle, from, until, cadence: HOURLY };
    let mut found = Vec::new();
    for one in &pair.periods {
        let doubt = |(begin, end): Between| {
            let edges = HOURLY.slots(begin, end);
            let starts = std::iter::once(begin).chain(edges.clone());
            starts
                .zip(edges.into_iter().chain([end]))
                .map(|(a, b)| period(a, Until::Stopped(b)))
                .collect::<Vec<_>>()
        };
        match one.off {
            None => {
                found.extend(doubt(one.on));
                found.push(period(one.on.1, Until::Watched(until)));
            }
            Some(off) if one.on.1 < off.0 => {
                found.extend(doubt(one.on));
                found.push(period(one.on.1, Until::Stopped(off.0)));
                found.extend(doubt(off));
            }
            Some(off) => found.extend(doubt((one.on.0, off.1))),
        }
    }
    found
}

/// What explains that something comes again: kills, and that somebody asked for it.
fn faults(history: &History<'_>) -> Vec<FaultMark> {
    let kills = history.kills.iter().map(|&at| FaultMark { at, in_flight: REPEATS_PER_KILL });
    let asked = history.callers.iter().flat_map(|caller| &caller.done.redeliveries_asked);
    kills.chain(asked.map(|&at| FaultMark { at, in_flight: 1 })).collect()
}

/// Arrivals beyond the deliveries of the log, counted per kill that made them necessary: the first one about or after
/// their arrival. Without such a kill, or with one that came only when the end was recorded already, they are wrong.
fn repeats(history: &History<'_>, problems: &mut Vec<String>) -> HashMap<Timestamp, usize> {
    let mut rows: HashMap<Id, usize> = HashMap::new();
    for row in history.log.iter().filter(|row| row.status != End::Missed) {
        *rows.entry(row.request).or_default() += 1;
    }
    let mut arrivals: HashMap<Id, Vec<Timestamp>> = HashMap::new();
    for arrival in history.received.iter().filter(|arrival| arrival.outcome != Outcome::Refused) {
        arrivals.entry(arrival.id).or_default().push(arrival.at);
    }
    let mut per_kill: HashMap<Timestamp, usize> = HashMap::new();
    for (id, mut times) in arrivals {
        let deliveries = rows.get(&id).copied().unwrap_or_default();
        let mut beyond = times.len().saturating_sub(deliveries);
        times.sort_unstable();
        for around in times.windows(2) {
            let kill = history.kills.get(history.kills.partition_point(|&kill| kill + SETTLE < around[0]));
            let explains = |kill: &Timestamp| *kill <= around[1] && kill.since(around[0]) <= RECORDED_WITHIN;
            if beyond > 0
                && let Some(kill) = kill.filter(|kill| explains(kill))
            {
                *per_kill.entry(*kill).or_default() += 1;
                beyond -= 1;
            }
        }
        // Without a row it is still on its way, and the checker misses its end.
        if beyond > 0 && deliveries > 0 {
            problems.push(format!("{id} came {beyond} times too often, and not because of a kill"));
        }
    }
    per_kill
}

/// Every redelivery that was accepted stands in the log, and no other one does: each call was done once, however often it
/// was sent, and one that was refused was not done.
fn redeliveries(history: &History<'_>, problems: &mut Vec<String>) {
    let done: HashSet<&str> =
        history.log.iter().filter(|row| row.redelivery).map(|row| row.id.as_str()).collect();
    let accepted: HashSet<&str> =
        history.callers.iter().flat_map(|caller| &caller.done.redeliveries).map(String::as_str).collect();
    let before: HashSet<&str> = history
        .callers
        .iter()
        .flat_map(|caller| &caller.done.redeliveries_before)
        .map(String::as_str)
        .collect();
    problems.extend(accepted.difference(&done).map(|id| format!("redelivery {id} is not in the log")));
    let unknown = done.iter().filter(|id| !accepted.contains(*id) && !before.contains(*id));
    problems.extend(unknown.map(|id| format!("redelivery {id} was done and not accepted")));
}

/// After the answer that a vehicle is off a webhook, nothing comes but what was in flight: soon, and one attempt of each
/// delivery. An event has as many as were redelivered at once.
fn silences(history: &History<'_>, problems: &mut Vec<String>) {
    let mut arrivals: HashMap<(Id, Id), Vec<&Arrival>> = HashMap::new();
    for arrival in history.received {
        if let (Some(webhook), Some(vehicle)) = (arrival.webhook, arrival.vehicle) {
            arrivals.entry((webhook, vehicle)).or_default().push(arrival);
        }
    }
    for silence in history.callers.iter().flat_map(|caller| &caller.done.silences) {
        let of_pair = arrivals.get(&(silence.webhook, silence.vehicle)).into_iter().flatten().copied();
        problems.extend(broken(silence, of_pair));
    }
}

/// What breaks a silence.
fn broken<'a>(silence: &Silence, arrivals: impl Iterator<Item = &'a Arrival>) -> Vec<String> {
    let Silence { webhook, vehicle, from, until } = silence;
    let mut in_flight: HashMap<Id, usize> = HashMap::new();
    let mut is_beyond = |event| {
        let attempts = in_flight.entry(event).or_default();
        *attempts += 1;
        *attempts > RACING
    };
    let within = arrivals.filter(|one| one.at > *from && until.is_none_or(|until| one.at < until));
    within
        .filter(|one| one.at > *from + LATE || is_beyond(one.id))
        .map(|one| {
            let after = one.at.since(*from);
            format!("{} came {after:?} after vehicle {vehicle} was off webhook {webhook}", one.id)
        })
        .collect()
}
