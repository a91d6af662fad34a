//! What happens to a car now and then, drawn from its seed and its age: faults of its systems, punctures, open windows.

use domain::{signal::SignalId, time::Timestamp};

use super::{
    chance::{Draw, Event},
    journey::{Activity, Moment, hours, micros},
    settings::Opened,
    spec::{CarSpec, Profile},
};

/// A system of a car that has a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Defect {
    /// The number of the signal that tells its health.
    pub(super) system: u8,
    /// The trouble code that goes with it.
    pub(super) code: &'static str,
    pub(super) since: Timestamp,
}

/// The lamp that is on with any fault.
pub(super) const MIL: u8 = 49;
/// Alerts when a tyre has little pressure.
pub(super) const TIRE_PRESSURE: u8 = 54;

/// A trouble code for each system, by the number of its signal: one of SAE J2012 where that has one for it, else one
/// of the makers' own range.
const SYSTEMS: [(u8, &str); 21] = [
    (36, "C0035"),
    (37, "U0235"),
    (38, "B0001"),
    (39, "C1214"),
    (40, "C1A67"),
    (43, "P0420"),
    (44, "P0A93"),
    (45, "P1D22"),
    (46, "P0A1B"),
    (47, "P0AA6"),
    (48, "B1250"),
    (MIL, "P0600"),
    (50, "P1500"),
    (51, "P0524"),
    (52, "P0197"),
    (53, "U0198"),
    (TIRE_PRESSURE, "C0775"),
    (55, "C0750"),
    (56, "P0700"),
    (57, "B1320"),
    (58, "P2269"),
];

/// The systems that can have a fault.
pub(super) fn systems() -> impl Iterator<Item = SignalId> {
    SYSTEMS.iter().filter_map(|&(number, _)| SignalId::from_number(number))
}

pub(super) fn trouble_code(system: u8) -> Option<&'static str> {
    SYSTEMS.iter().find(|known| known.0 == system).map(|known| known.1)
}

/// The fault that a car has at a moment: one that somebody gave it, or one that is drawn.
pub(super) fn defect(spec: &CarSpec, moment: &Moment) -> Option<Defect> {
    if let Some((system, since)) = spec.live.fault {
        return Some(Defect { system, code: trouble_code(system)?, since });
    }
    let began_us = fault_began_us(spec, moment.age_us)?;
    let first = (Event::FaultSystem.draw(seed(spec), began_us) * SYSTEMS.len() as f64) as usize;
    let (system, code) = (0..SYSTEMS.len())
        .map(|step| SYSTEMS[(first + step) % SYSTEMS.len()])
        .find(|&(system, _)| SignalId::from_number(system).is_some_and(|signal| spec.model().has(signal)))?;
    Some(Defect { system, code, since: spec.clock_at_age(began_us) })
}

/// When the fault of the day began, while it lasts, in the age of the car.
fn fault_began_us(spec: &CarSpec, age_us: u64) -> Option<u64> {
    let chance = if spec.profile == Profile::Day { 0.25 } else { 0.02 };
    let (seed, day) = (seed(spec), age_us / DAY_US);
    if Event::Fault.draw(seed, day) >= chance {
        return None;
    }
    let began_us = (day * DAY_US).saturating_add(micros(2.0 + 14.0 * Event::FaultBegin.draw(seed, day)));
    let ended_us = began_us.saturating_add(micros(1.0 + 3.0 * Event::FaultLength.draw(seed, day)));
    let lasts = (began_us..ended_us).contains(&age_us);
    (lasts && began_us >= spec.live.cleared_us).then_some(began_us)
}

const DAY_US: u64 = 24 * 3_600_000_000;

/// Below this, a tyre alerts.
pub(super) const LOW_KPA: f64 = 190.0;

/// Kilopascals of a tyre: it loses a little over a month until somebody inflates it, a lot after a puncture until
/// somebody mends it, and is warm from driving.
pub(super) fn pressure(spec: &CarSpec, moment: &Moment, row: u8, column: u8) -> f64 {
    const DAYS_BETWEEN_CHECKS: f64 = 30.0;
    let cold = Draw::Pressure.between(spec.seed, 210.0, 228.0);
    let leak_a_day = Draw::Leak.between(spec.seed, 0.03, 0.1);
    let days = (hours(moment.age_us) / 24.0).rem_euclid(DAYS_BETWEEN_CHECKS);
    let lost = match punctured(spec, moment.age_us) {
        Some((wheel, kpa)) if wheel == row * 2 + column => kpa,
        _ => 0.0,
    };
    cold + f64::from(row) + f64::from(column) - leak_a_day * days - lost + warmth(moment)
}

/// Warms up within half an hour of driving, and cools down slower.
fn warmth(moment: &Moment) -> f64 {
    const MOST_KPA: f64 = 6.0;
    let Some(since_us) = moment.since_turn_us else { return 0.0 };
    match moment.activity {
        Activity::Moving => MOST_KPA * (1.0 - (-hours(since_us) * 6.0).exp()),
        _ => MOST_KPA * (-hours(since_us) * 2.0).exp(),
    }
}

/// The wheel with a puncture, and what it has lost.
fn punctured(spec: &CarSpec, age_us: u64) -> Option<(u8, f64)> {
    const WEEK_US: u64 = 7 * DAY_US;
    const CHANCE: f64 = 0.1;
    const KPA_PER_HOUR: f64 = 6.0;
    const MOST_KPA: f64 = 30.0;
    let (seed, week) = (seed(spec), age_us / WEEK_US);
    if Event::Puncture.draw(seed, week) >= CHANCE {
        return None;
    }
    let into = hours(age_us % WEEK_US) - 100.0 * Event::PunctureBegin.draw(seed, week);
    let mended_after = 8.0 + 24.0 * Event::PunctureLength.draw(seed, week);
    let wheel = (Event::PunctureWheel.draw(seed, week) * 4.0) as u8;
    (0.0..mended_after).contains(&into).then(|| (wheel, (into * KPA_PER_HOUR).min(MOST_KPA)))
}

/// The window in front that is open, on the left (0) or on the right (1).
pub(super) fn open_window(spec: &CarSpec, moment: &Moment) -> Option<u8> {
    const WARM: f64 = 20.0;
    const CHANCE: f64 = 0.25;
    let draw = Event::Window.draw(seed(spec), moment.age_us / 3_600_000_000);
    let open = draw < CHANCE && !moment.activity.is_plugged_in() && weather(spec, moment) >= WARM;
    open.then_some(u8::from(draw < CHANCE / 2.0))
}

/// Warmest in the middle of the car's own day.
pub(super) fn weather(spec: &CarSpec, moment: &Moment) -> f64 {
    let mean = Draw::Weather.between(spec.seed, 4.0, 24.0);
    mean + 5.0 * (std::f64::consts::TAU * (hours(moment.age_us) / 24.0).fract()).sin()
}

/// Whether the trunk is open: as it was set from afar, or while somebody gets out.
pub(super) fn trunk_is_open(spec: &CarSpec, moment: &Moment) -> bool {
    const CHANCE: f64 = 0.5;
    let drawn =
        || moment.activity == Activity::Alighting && Event::Trunk.draw(seed(spec), moment.stage) < CHANCE;
    Opened::in_stage(spec.settings.trunk, moment.stage).unwrap_or_else(drawn)
}

fn seed(spec: &CarSpec) -> u64 {
    spec.seed.into()
}
