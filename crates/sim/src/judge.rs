//! What a world has to answer for, put before the checker, which has a calendar of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use app::DeliverySummary;
use domain::{
    cadence::{Cadence, Repeats, Weekday},
    ids::{VehicleId, WebhookId},
    time::Timestamp,
    webhook::Kind,
};
use lab::{
    checker::{self, End, FaultMark, LoggedEnd, Rules, Subscription, Until, Verdict},
    id::Id,
};
use store::LogStatus;

use crate::{
    receivers::Answered,
    world::{Car, Hook, World},
};

/// A car on a webhook that watches it, while that delivers.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) hook: Hook,
    pub(crate) car: Car,
    pub(crate) from: Timestamp,
    /// Until when; open while there is none.
    pub(crate) until: Option<Timestamp>,
}

/// A car on a webhook that delivers, under one cadence.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    pub(crate) hook: Hook,
    pub(crate) car: Car,
    pub(crate) cadence: Cadence,
    pub(crate) from: Timestamp,
    /// Until when; open while there is none.
    pub(crate) until: Option<Timestamp>,
}

/// A slot of a car on a webhook.
pub(crate) type SlotOf = (WebhookId, VehicleId, Timestamp);

/// How far the wall clock of a world may jump back.
pub(crate) const JUMP_MOST: Duration = Duration::from_secs(10);

/// Judges a world. `unread` are slots whose first read had not begun when their period ended: nothing is owed. What
/// webhooks got that watch vehicles has no calendar; of it, all but that is judged.
pub(crate) fn judge(
    world: &mut World,
    periods: &[Period],
    unread: &BTreeSet<SlotOf>,
    watching: &[Hook],
) -> Verdict {
    let end = world.now();
    let expected: Vec<_> = periods.iter().map(|period| subscription(period, end)).collect();
    let received = world.with_received(|all| all.iter().flat_map(|post| post.arrivals()).collect::<Vec<_>>());
    let mut log = world.log();
    log.retain(|row| watching.iter().all(|hook| hook.no != row.logged.webhook));
    let ended: Vec<_> = log.iter().filter_map(|row| logged_end(row, world)).collect();
    // A jump back may let a repeat look older than the fault that explains it.
    let shifted = |fault: &FaultMark| FaultMark { at: fault.at - JUMP_MOST, ..fault.clone() };
    let faults: Vec<_> = world.faults().iter().map(shifted).collect();
    let rules = Rules { skew: Some(JUMP_MOST), settle: 2 * JUMP_MOST, ..Rules::default() };
    let mut verdict = checker::check(&expected, &received, &ended, &faults, &rules);
    let watches = |hook: Id| watching.iter().any(|watching| id(watching.id.0) == hook);
    verdict.unexpected.retain(|found| !found.webhook.is_some_and(watches));
    let unread: BTreeSet<_> =
        unread.iter().map(|&(hook, car, at)| (id(hook.0), id(car.0), moment(at))).collect();
    verdict.lost.retain(|lost| match (lost.webhook, lost.vehicle, lost.slot) {
        (Some(hook), Some(car), Some(slot)) => !unread.contains(&(hook, car, slot)),
        _ => true,
    });
    verdict
}

/// Judges what webhooks got that watch vehicles: nothing came while a car was not on one, the first state of a car is a
/// first delivery, and what came stands in the log, once. `clock_error`: how far the wall clock was wrong at most.
pub(crate) fn watched(
    world: &mut World,
    hook: Hook,
    watches: &[Watch],
    clock_error: Duration,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut log: Vec<Id> = Vec::new();
    for row in world.log().iter().filter(|row| row.logged.webhook == hook.no) {
        log.push(wire_id(row, world));
    }
    log.sort_unstable();
    found.extend(
        log.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("{} ended twice", pair[0])),
    );
    let mut first: BTreeMap<Id, (i64, bool)> = BTreeMap::new();
    for post in world.posts(hook) {
        let body = post.json();
        let Some(arrival) = post.arrivals().pop() else { continue };
        let Some(vehicle) = arrival.vehicle else { continue };
        let held = watches.iter().any(|watch| {
            id(watch.car.id().0) == vehicle
                && watch.from <= post.at + clock_error
                && watch.until.is_none_or(|until| post.at <= until + FAREWELL + (clock_error - JUMP_MOST))
        });
        if !held {
            found.push(format!("{} came at {} though its car was not on the webhook", arrival.id, post.at));
        }
        if log.binary_search(&arrival.id).is_err() {
            found.push(format!("{} came, and the log has no end of it", arrival.id));
        }
        if body["eventType"] == "VEHICLE_STATE" {
            let sequence = body["meta"]["sequence"].as_i64().unwrap_or_default();
            let is_first = body["triggers"][0]["type"] == "FIRST_DELIVERY";
            let earliest = first.entry(vehicle).or_insert((sequence, is_first));
            if sequence < earliest.0 {
                *earliest = (sequence, is_first);
            }
        }
    }
    let second = first.iter().filter(|(_, (_, is_first))| !is_first);
    found.extend(second.map(|(vehicle, _)| format!("{vehicle} was told of a change first")));
    let waited = world.now() - LONG - (clock_error - JUMP_MOST);
    for watch in watches.iter().filter(|watch| watch.until.is_none() && watch.from < waited) {
        if !first.contains_key(&id(watch.car.id().0)) {
            found.push(format!("car {} had no first delivery", watch.car.number));
        }
    }
    found
}

/// How long after it was unsubscribed something may still arrive.
const FAREWELL: Duration = Duration::from_secs(1);
/// Within this time a first delivery has come, or was given up.
const LONG: Duration = Duration::from_secs(30 * 60);

/// The id under which receivers know an event of the log.
pub(crate) fn wire_id(row: &DeliverySummary, world: &World) -> Id {
    match kind_of(row, world) {
        Some(Kind::Unified | Kind::EventBased) => id(row.logged.id.0),
        _ => id(row.logged.id.request().0),
    }
}

fn kind_of(row: &DeliverySummary, world: &World) -> Option<Kind> {
    Some(world.app().webhook_by_no(row.logged.webhook)?.webhook().revision.plan.kind())
}

/// Compares the attempts that receivers saw with those of the log. Each that was answered stands there, but for those
/// that were under way when the process ended; and no occurrence has more than its generation has.
pub(crate) fn attempts(world: &mut World, clock_error: Duration) -> Vec<String> {
    let mut answered: BTreeMap<Id, Vec<Timestamp>> = BTreeMap::new();
    world.with_received(|all| {
        for post in all.iter().filter(|post| matches!(post.answered, Answered::Status(_) | Answered::Reset)) {
            for arrival in post.arrivals() {
                answered.entry(arrival.id).or_default().push(post.at);
            }
        }
    });
    let excused = |seen: &[Timestamp], world: &World| -> usize {
        let from = moment(seen[0]) - clock_error;
        world.faults().iter().filter(|fault| fault.at >= from).take(20).map(|fault| fault.in_flight).sum()
    };
    let mut found = Vec::new();
    for row in world.log() {
        let Some(seen) = answered.get(&wire_id(&row, world)) else { continue };
        let most = match kind_of(&row, world) {
            Some(Kind::Unified) => 4,
            Some(Kind::Dynamic | Kind::EventBased) => 7,
            Some(Kind::Scheduled) | None => 6,
        };
        let known = match row.logged.status {
            LogStatus::Delivered | LogStatus::Failed => row.attempts.len().min(most),
            _ => most,
        };
        if seen.len() > known && seen.len() > known + excused(seen, world) {
            found.push(format!("{} attempts of {} were seen, {known} are known", seen.len(), row.logged.id));
        }
    }
    found
}

fn subscription(period: &Period, end: Timestamp) -> Subscription {
    Subscription {
        webhook: id(period.hook.id.0),
        vehicle: id(period.car.id().0),
        from: moment(period.from),
        until: match period.until {
            Some(until) => Until::Stopped(moment(until)),
            None => Until::Watched(moment(end)),
        },
        cadence: cadence(&period.cadence),
    }
}

fn logged_end(row: &DeliverySummary, world: &World) -> Option<LoggedEnd> {
    let logged = &row.logged;
    let (hook, car) = world.names_of(logged.webhook, logged.vehicle)?;
    Some(LoggedEnd {
        webhook: id(hook.0),
        vehicle: id(car.0),
        slots: moment(logged.missed_from.unwrap_or(logged.slot))..=moment(logged.slot),
        id: Some(wire_id(row, world)),
        end: match logged.status {
            LogStatus::Delivered => End::Delivered,
            LogStatus::Failed => End::Failed,
            LogStatus::Dropped => End::Dropped,
            LogStatus::Cancelled => End::Cancelled,
            LogStatus::Expired => End::Expired,
            LogStatus::Missed => End::Missed,
            // As with one that is switched off, it came while the webhook did not deliver.
            LogStatus::Skipped => End::Dropped,
        },
    })
}

fn cadence(cadence: &Cadence) -> checker::Cadence {
    let hour = u32::from(cadence.hour());
    match cadence.repeats() {
        Repeats::EveryHours(hours) => checker::Cadence::EveryHours(hours.into()),
        Repeats::Daily => checker::Cadence::Daily { hour },
        Repeats::Weekly(day) => checker::Cadence::Weekly { weekday: weekday(day), hour },
        Repeats::Monthly(day) => checker::Cadence::Monthly { day: day.into(), hour },
    }
}

fn weekday(day: Weekday) -> u32 {
    let place = Weekday::ALL.iter().position(|&known| known == day).expect("a day of the week");
    u32::try_from(place + 1).expect("seven days")
}

fn id(uuid: uuid::Uuid) -> Id {
    Id(uuid.as_u128())
}

fn moment(at: Timestamp) -> lab::time::Timestamp {
    lab::time::Timestamp::from_micros(at.as_micros())
}
