//! What a car does and when: a row of steps that repeats, drawn from its seed.
//!
//! Every leg of a plan is equally long in time and in distance, so how far a car has come is a count of legs and a share
//! of one. In a plan that goes on for days the night's charge always reaches the limit, so each day but the first
//! begins with what is known without looking at the days before.

use super::{
    chance::{Draw, Event},
    charger::{Charger, Curve, Stay, charge_limit},
    journey::{Activity, hours, micros, seconds_us},
    spec::{CarSpec, Profile, Session},
};

/// What a step of a plan is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    /// Somebody gets in.
    Board,
    Drive,
    /// Somebody gets out.
    Alight,
    Stop,
    /// At a charger; a stop for a car without a plug.
    Plugged,
    Park,
}

/// A row of steps with their lengths in microseconds. Rows of different lengths end in steps of no length.
type Steps = [(Doing, u64); 18];

/// The row that repeats.
pub(super) struct Plan {
    steps: Steps,
    period_us: u64,
    /// How often it repeats; parked afterwards.
    repeats: u64,
    legs_per_period: u64,
    /// From the beginning of the row to the end of its last leg.
    rolled_us: u64,
    /// Where in the row the car begins.
    offset_us: u64,
    /// Legs of the row before that.
    legs_skipped: u64,
    drive_us: u64,
    leg_km: f64,
    /// Once around; a whole number of laps leads home.
    pub(super) lap_km: f64,
}

/// A step of a plan, with times of the plan.
#[derive(Clone, Copy)]
struct Step {
    doing: Doing,
    period: u64,
    index: usize,
    from_us: u64,
    /// Legs that were finished before.
    legs: u64,
    rolled: Option<u64>,
}

/// A stretch of a car's time in which it does one thing and reports at a steady pace.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub(super) activity: Activity,
    pub(super) from_us: u64,
    /// Tells stages apart.
    pub(super) number: u64,
    /// Finished legs, and how far into one, from 0 to 1.
    pub(super) legs: f64,
    /// How far into a leg, from 0 to 1.
    pub(super) into: f64,
    /// How long ago the leg began that the car is on, or the last one ended.
    pub(super) since_turn_us: Option<u64>,
    /// The charger where it is, or was last, with the time there and the legs since.
    pub(super) stay: Option<(Stay, u64, f64)>,
}

/// In towns and outside, stops not counted.
const MEAN_KMH: f64 = 45.0;
/// What a driver keeps in the tank or the battery, in percent.
pub(super) const RESERVE: f64 = 10.0;

/// Steps of a day on which something depends.
const DAY_STAY: usize = 8;
const NIGHT_STAY: usize = 16;
/// Legs before the stay at noon.
const LEGS_BEFORE_NOON: u64 = 2;
const LEGS_A_DAY: u64 = 4;

impl Plan {
    pub(super) fn of(spec: &CarSpec) -> Self {
        match spec.profile {
            Profile::Parked => Self::row(&[], 0),
            Profile::Driving => Self::trips(spec),
            Profile::Charging => Self::outing(spec),
            Profile::Day => Self::day(spec),
        }
    }

    /// Trips around home with stops between them.
    fn trips(spec: &CarSpec) -> Self {
        let seed = spec.seed;
        let leg_us = micros(Draw::Leg.between(seed, 0.75, 1.25));
        let drive_us = (leg_us as f64 * Draw::Share.between(seed, 0.6, 0.8)) as u64;
        let pace = Pace::of(seed);
        let stop_us = leg_us - drive_us - pace.board_us - pace.alight_us;
        let steps = [
            (Doing::Board, pace.board_us),
            (Doing::Drive, drive_us),
            (Doing::Alight, pace.alight_us),
            (Doing::Stop, stop_us),
        ];
        let mut plan = Self::row(&steps, day_us(seed) / leg_us);
        let way_km = plan.set_legs(MEAN_KMH * hours(drive_us), plan.repeats, reach_km(spec, begun(spec)));
        const USUAL_LAP_KM: f64 = 40.0;
        plan.lap_km = way_km / (way_km / USUAL_LAP_KM).round().max(1.0);
        plan
    }

    /// At the wall box for hours, then somewhere and back.
    fn outing(spec: &CarSpec) -> Self {
        let seed = spec.seed;
        let stay = wall_box_stay(spec);
        let full_us = stay.curve.full_us();
        let drive_us = micros(Draw::Share.between(seed, 0.4, 0.6));
        let pace = Pace::of(seed);
        let steps = [
            (Doing::Plugged, day_us(seed).max(full_us.saturating_add(micros(1.0)))),
            (Doing::Board, pace.board_us),
            (Doing::Drive, drive_us),
            (Doing::Alight, pace.alight_us),
            (Doing::Stop, pace.stop_us),
            (Doing::Board, pace.board_us),
            (Doing::Drive, drive_us),
            (Doing::Alight, pace.alight_us),
        ];
        let mut plan = Self::row(&steps, 1);
        let charge = stay.charge_at(stay.end().0);
        plan.lap_km = plan.set_legs(MEAN_KMH * hours(drive_us), 2, reach_km(spec, charge));
        plan
    }

    /// Two errands with a charger between them, and the night at the wall box.
    fn day(spec: &CarSpec) -> Self {
        const MOST_OF_BATTERY: f64 = 0.1;
        const ENOUGH_TO_DRIVE: f64 = 45.0;
        let (seed, model) = (spec.seed, spec.model());
        let wish_km = MEAN_KMH * Draw::Share.between(seed, 0.4, 0.6);
        let leg_km = match model.plugs_in() {
            true => wish_km.min(model.electric_range_km * MOST_OF_BATTERY),
            false => wish_km,
        };
        let drive_us = micros(leg_km / MEAN_KMH);
        let pace = Pace::of(seed);
        let unload_us = micros(Draw::Unload.between(seed, 0.25, 0.35));
        let wait_us = micros(Draw::Wait.between(seed, 0.1, 0.2));
        let linger_us = micros(Draw::Linger.between(seed, 0.3, 0.8));
        let mut steps = [
            (Doing::Park, wait_us),
            (Doing::Board, pace.board_us),
            (Doing::Drive, drive_us),
            (Doing::Alight, unload_us),
            (Doing::Stop, pace.stop_us),
            (Doing::Board, pace.board_us),
            (Doing::Drive, drive_us),
            (Doing::Alight, pace.alight_us),
            (Doing::Plugged, NOON_CHARGING_US + linger_us),
            (Doing::Board, pace.board_us),
            (Doing::Drive, drive_us),
            (Doing::Alight, unload_us),
            (Doing::Stop, pace.stop_us),
            (Doing::Board, pace.board_us),
            (Doing::Drive, drive_us),
            (Doing::Alight, pace.alight_us),
            (Doing::Plugged, NIGHT_CHARGING_US),
            (Doing::Park, 0),
        ];
        let busy_us: u64 = steps.iter().map(|step| step.1).sum();
        steps[NIGHT_STAY + 1].1 = DAY_US.saturating_sub(busy_us);
        if !model.plugs_in() {
            for step in &mut steps {
                step.0 = if step.0 == Doing::Plugged { Doing::Park } else { step.0 };
            }
        }
        let mut plan = Self::row(&steps, u64::MAX);
        (plan.leg_km, plan.lap_km) = (leg_km, leg_km * LEGS_A_DAY as f64);
        if model.plugs_in() && begun(spec) < ENOUGH_TO_DRIVE {
            plan.offset_us = steps[..NIGHT_STAY].iter().map(|step| step.1).sum();
            plan.legs_skipped = LEGS_A_DAY;
        }
        plan
    }

    fn row(row: &[(Doing, u64)], repeats: u64) -> Self {
        let mut steps: Steps = [(Doing::Park, 0); 18];
        steps[..row.len()].copy_from_slice(row);
        let (mut period_us, mut legs_per_period, mut rolled_us, mut drive_us) = (0_u64, 0, 0, 0);
        for &(doing, length_us) in row {
            period_us = period_us.saturating_add(length_us);
            if doing == Doing::Drive {
                (legs_per_period, rolled_us, drive_us) = (legs_per_period + 1, period_us, length_us);
            }
        }
        Self {
            steps,
            period_us,
            repeats,
            legs_per_period,
            rolled_us,
            offset_us: 0,
            legs_skipped: 0,
            drive_us,
            leg_km: 0.0,
            lap_km: 0.0,
        }
    }

    /// Makes legs as long as wished, or as battery and tank allow. Answers with the length of the whole way.
    fn set_legs(&mut self, wish_km: f64, legs: u64, (electric_km, fuel_km): (f64, f64)) -> f64 {
        let way_km = (wish_km * legs as f64).min(electric_km + fuel_km);
        self.leg_km = way_km / legs as f64;
        way_km
    }

    /// How long something goes on.
    pub(super) const fn length_us(&self) -> u64 {
        match self.repeats {
            u64::MAX => self.period_us,
            repeats => self.repeats_us(repeats),
        }
    }

    const fn repeats_us(&self, repeats: u64) -> u64 {
        repeats.saturating_mul(self.period_us)
    }

    pub(super) fn driven_km(&self, legs: f64) -> f64 {
        legs * self.leg_km
    }

    /// While the car is on a leg.
    pub(super) fn speed_kmh(&self, into: f64) -> f64 {
        share_of_speed(into) * self.leg_km / hours(self.drive_us)
    }

    fn step(&self, plan_us: u64) -> Step {
        let period = plan_us.checked_div(self.period_us).unwrap_or(0);
        if period >= self.repeats {
            return self.over();
        }
        let begin_us = period * self.period_us;
        let mut step = Step {
            doing: Doing::Park,
            period,
            index: 0,
            from_us: begin_us,
            legs: period * self.legs_per_period,
            rolled: (period > 0).then(|| begin_us - (self.period_us - self.rolled_us)),
        };
        for (index, &(doing, length_us)) in self.steps.iter().enumerate() {
            (step.doing, step.index) = (doing, index);
            if plan_us - step.from_us < length_us {
                break;
            }
            step.from_us += length_us;
            if doing == Doing::Drive {
                (step.legs, step.rolled) = (step.legs + 1, Some(step.from_us));
            }
        }
        step
    }

    /// After the last repetition.
    fn over(&self) -> Step {
        let from_us = self.repeats_us(self.repeats);
        let rolled = (self.rolled_us > 0).then(|| from_us - (self.period_us - self.rolled_us));
        let (period, legs) = (self.repeats, self.repeats * self.legs_per_period);
        Step { doing: Doing::Park, period, index: 0, from_us, legs, rolled }
    }

    /// What the car does at a moment of its time.
    pub(super) fn stage(&self, spec: &CarSpec, car_us: u64) -> Stage {
        let plan_us = car_us.saturating_add(self.offset_us);
        let step = self.step(plan_us);
        let driving = step.doing == Doing::Drive && self.leg_km > 0.0;
        let into = if step.doing == Doing::Drive {
            (plan_us - step.from_us) as f64 / self.drive_us as f64
        } else {
            0.0
        };
        let turned = if driving { Some(step.from_us) } else { step.rolled };
        let legs = step.legs.saturating_sub(self.legs_skipped) as f64 + share_of_way(into);
        let stay = self.stay(spec, &step);
        let (activity, from_us) = match (step.doing, &stay) {
            (Doing::Plugged, Some((stay, _))) => stay.activity(plan_us),
            (Doing::Drive, _) if driving => (Activity::Moving, step.from_us),
            (Doing::Board, _) => (Activity::Boarding, step.from_us),
            (Doing::Alight, _) => (Activity::Alighting, step.from_us),
            (Doing::Drive | Doing::Stop | Doing::Plugged, _) => (Activity::Stopped, step.from_us),
            (Doing::Park, _) => (Activity::Parked, step.from_us),
        };
        Stage {
            activity,
            from_us: from_us.saturating_sub(self.offset_us),
            number: step.period.wrapping_mul(self.steps.len() as u64).wrapping_add(step.index as u64),
            legs,
            into,
            since_turn_us: turned.map(|turned_us| plan_us.saturating_sub(turned_us)),
            stay: stay.map(|(stay, legs_before)| {
                let until_us = if step.doing == Doing::Plugged { plan_us } else { u64::MAX };
                (stay, until_us, legs - legs_before.saturating_sub(self.legs_skipped) as f64)
            }),
        }
    }

    /// What the car does in its profile, one thing after the other, each with the car's time at which it begins. Of a profile
    /// that goes on for days, that is the day of a moment.
    pub(super) fn stages(&self, spec: &CarSpec, car_us: u64) -> Vec<(Activity, u64)> {
        let periods = match self.repeats {
            u64::MAX => {
                let today = self.step(car_us.saturating_add(self.offset_us)).period;
                today..today + 1
            }
            repeats => 0..repeats,
        };
        let mut stages = Vec::new();
        for period in periods {
            let mut end_us = self.repeats_us(period);
            for &(_, length_us) in &self.steps {
                let begin_us = end_us.max(self.offset_us);
                end_us += length_us;
                if begin_us < end_us {
                    self.stages_of_step(
                        spec,
                        (begin_us - self.offset_us, end_us - self.offset_us),
                        &mut stages,
                    );
                }
            }
        }
        if self.repeats != u64::MAX {
            stages.push((Activity::Parked, self.repeats_us(self.repeats)));
        }
        stages
    }

    /// Those of one step, found from its end: charging and what follows it are one each.
    fn stages_of_step(
        &self,
        spec: &CarSpec,
        (begin_us, mut end_us): (u64, u64),
        stages: &mut Vec<(Activity, u64)>,
    ) {
        let first = stages.len();
        while end_us > begin_us {
            let stage = self.stage(spec, end_us - 1);
            end_us = stage.from_us.max(begin_us);
            stages.insert(first, (stage.activity, end_us));
        }
    }

    /// The charger where the car is, or was last, and how many legs of the plan were finished there.
    fn stay(&self, spec: &CarSpec, step: &Step) -> Option<(Stay, u64)> {
        match spec.profile {
            Profile::Driving | Profile::Parked => None,
            Profile::Charging => Some((wall_box_stay(spec), 0)),
            Profile::Day if !spec.model().plugs_in() => None,
            Profile::Day => match step.index {
                NIGHT_STAY.. => Some(self.night_stay(spec, step.period)),
                DAY_STAY.. => Some(self.noon_stay(spec, step.period)),
                _ => step.period.checked_sub(1).map(|yesterday| self.night_stay(spec, yesterday)),
            },
        }
    }

    fn noon_stay(&self, spec: &CarSpec, day: u64) -> (Stay, u64) {
        let legs = day * LEGS_A_DAY + LEGS_BEFORE_NOON;
        let charge = self.charge_in_the_morning(spec, day) - self.used(spec, LEGS_BEFORE_NOON as f64);
        let from_us = self.begin_of(day, DAY_STAY);
        let mut stay = Stay::new(from_us, stay_curve(spec, charge, NOON_CHARGING_US));
        let seed = spec.seed.into();
        let breaks_off = Event::NoonBreaksOff.draw(seed, day) < NOON_BREAKS_OFF;
        stay.broken_off_us = breaks_off.then(|| broken_off(&stay, Event::NoonBreak.draw(seed, day)));
        (stay, legs)
    }

    fn night_stay(&self, spec: &CarSpec, day: u64) -> (Stay, u64) {
        let legs = (day + 1) * LEGS_A_DAY;
        let charge = if day == 0 && self.offset_us > 0 {
            begun(spec)
        } else {
            let (noon, _) = self.noon_stay(spec, day);
            noon.charge_at(u64::MAX) - self.used(spec, (LEGS_A_DAY - LEGS_BEFORE_NOON) as f64)
        };
        let from_us = self.begin_of(day, NIGHT_STAY);
        (Stay::new(from_us, stay_curve(spec, charge, NIGHT_CHARGING_US)), legs)
    }

    /// On the first day what the car began with; later the limit, or more while it still lives on what it had.
    fn charge_in_the_morning(&self, spec: &CarSpec, day: u64) -> f64 {
        let legs = (day * LEGS_A_DAY).saturating_sub(self.legs_skipped) as f64;
        let left = begun(spec) - self.used(spec, legs);
        if day == 0 { left } else { left.max(charge_limit(spec)) }
    }

    /// Percent of the battery.
    fn used(&self, spec: &CarSpec, legs: f64) -> f64 {
        self.driven_km(legs) / spec.model().electric_range_km * 100.0
    }

    fn begin_of(&self, period: u64, index: usize) -> u64 {
        let into_us: u64 = self.steps[..index].iter().map(|step| step.1).sum();
        self.repeats_us(period).saturating_add(into_us)
    }

    /// Percent of the tank on a day without a plug. It is filled at a stop, before a leg that would take the reserve.
    pub(super) fn fuel_on_a_day(&self, spec: &CarSpec, legs: f64) -> f64 {
        const FILLED: f64 = 95.0;
        let used = self.leg_km / spec.model().fuel_range_km * 100.0;
        let begun = f64::from(spec.begin.fuel) / 100.0;
        let legs_of = |fuel: f64| ((fuel - RESERVE).max(0.0) / used).floor();
        let first = legs_of(begun);
        if legs < first || legs <= 0.0 {
            return begun - legs * used;
        }
        FILLED - (legs - first).rem_euclid(legs_of(FILLED).max(1.0)) * used
    }
}

const DAY_US: u64 = 24 * 3_600_000_000;
/// How long the charger at noon may take; the car stays longer.
const NOON_CHARGING_US: u64 = 105 * 60_000_000;
const NIGHT_CHARGING_US: u64 = 10 * 3_600_000_000;
/// How many of the stays at noon break off, and how many of those at a wall box by day.
const NOON_BREAKS_OFF: f64 = 0.3;
const WALL_BOX_BREAKS_OFF: f64 = 0.2;

/// How long people take.
struct Pace {
    board_us: u64,
    alight_us: u64,
    stop_us: u64,
}

impl Pace {
    fn of(seed: u32) -> Self {
        Self {
            board_us: seconds_us(Draw::Board.between(seed, 45.0, 90.0)),
            alight_us: seconds_us(Draw::Alight.between(seed, 60.0, 180.0)),
            stop_us: micros(Draw::Stop.between(seed, 0.1, 0.15)),
        }
    }
}

/// A stay of the charging profile: from its beginning on.
fn wall_box_stay(spec: &CarSpec) -> Stay {
    let seed = spec.seed;
    let charger = Charger::at_home(spec.model(), seed).limited(spec.settings.amperage, spec.region);
    let mut stay = Stay::new(0, Curve::new(spec.model(), charger, begun(spec), charge_limit(spec)));
    match spec.live.session {
        Session::Drawn => {
            let breaks_off = Draw::BreaksOff.between(seed, 0.0, 1.0) >= 1.0 - WALL_BOX_BREAKS_OFF;
            stay.broken_off_us = breaks_off.then(|| broken_off(&stay, Draw::Break.between(seed, 0.0, 1.0)));
        }
        Session::Whole => {}
        Session::Interrupted { at_us, plugged_in_with } => {
            stay.broken_off_us = Some(at_us);
            stay.plugged_in_with = f64::from(plugged_in_with) / 100.0;
        }
    }
    stay
}

/// Somewhere in the middle of a stay.
fn broken_off(stay: &Stay, draw: f64) -> u64 {
    let share = 0.3 + 0.4 * draw;
    stay.from_us.saturating_add((stay.curve.full_us() as f64 * share) as u64)
}

/// At a charger that is large enough for the time that the car is there.
fn stay_curve(spec: &CarSpec, charge: f64, within_us: u64) -> Curve {
    let (model, limit) = (spec.model(), charge_limit(spec));
    let charge = charge.max(0.0);
    Curve::new(model, Charger::for_stay(model, charge, limit, within_us), charge, limit)
}

/// How far a car gets on battery and on fuel before it has to be filled.
pub(super) fn reach_km(spec: &CarSpec, charge: f64) -> (f64, f64) {
    let model = spec.model();
    let reach = |percent: f64, range_km: f64| (percent - RESERVE).max(0.0) / 100.0 * range_km;
    (reach(charge, model.electric_range_km), reach(f64::from(spec.begin.fuel) / 100.0, model.fuel_range_km))
}

/// The charge that a profile begins with, in percent.
pub(super) fn begun(spec: &CarSpec) -> f64 {
    f64::from(spec.begin.charge) / 100.0
}

pub(super) fn day_us(seed: u32) -> u64 {
    micros(Draw::Length.between(seed, 8.0, 24.0))
}

/// How much of a leg's speed is one long swell; the rest is waves of traffic.
const SWELL: f64 = 0.6;
const WAVES: f64 = 9.0;

/// Speed as a share of the mean at a share of the drive, 0 at both ends and never below; its mean is 1.
fn share_of_speed(into: f64) -> f64 {
    use std::f64::consts::TAU;
    (1.0 - SWELL * (TAU * into).cos() - (1.0 - SWELL) * (TAU * WAVES * into).cos()).max(0.0)
}

/// Share of the way at a share of the drive: the integral of [`share_of_speed`].
fn share_of_way(into: f64) -> f64 {
    use std::f64::consts::TAU;
    let wave = |count: f64| (TAU * count * into).sin() / (TAU * count);
    (into - SWELL * wave(1.0) - (1.0 - SWELL) * wave(WAVES)).clamp(0.0, 1.0)
}
