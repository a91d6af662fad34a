//! What a simulated car is like at a moment of its own time: closed formulas, so that any moment costs the same and
//! nothing has to be remembered.
//!
//! A profile is a row of [`Stage`]s. Within a stage the car reports at a steady pace, and once at its beginning; a
//! read shows the newest report. Driving is a number of legs of equal length around a circle that leads back home:
//! speed swells and ebbs as in traffic, and is the derivative of the distance. Charging has constant power up to
//! a knee, then the power falls in proportion to what is missing.

use std::f64::consts::TAU;

use super::{
    chance::Draw,
    models::{Model, Region},
    spec::{CarSpec, Profile, Run},
};

/// What a car does for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activity {
    Moving,
    /// A stop between two legs.
    Stopped,
    Charging,
    /// Plugged in, with the limit reached.
    Charged,
    Parked,
}

/// A car at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) activity: Activity,
    /// Since the beginning of the profile, in microseconds.
    pub(super) at_us: u64,
    /// Since the beginning of the profile.
    pub(super) driven_km: f64,
    pub(super) speed_kmh: f64,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    /// Degrees clockwise from north.
    pub(super) heading: f64,
    /// Of the traction battery, in percent.
    pub(super) charge: f64,
    /// Of the tank, in percent.
    pub(super) fuel: f64,
    pub(super) charging: Charging,
}

/// What a charger does; all zero while none does anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Charging {
    pub(super) power_kw: f64,
    /// Since it was plugged in.
    pub(super) added_kwh: f64,
    pub(super) minutes_left: f64,
}

impl Moment {
    /// The newest report of the car at a moment of its time.
    pub(super) fn reported(spec: &CarSpec, car_us: u64) -> Self {
        if spec.run == Run::Paused {
            return Self::at(spec, spec.passed_us);
        }
        let stage = Stage::of(spec, car_us);
        let report_us = stage.from_us + (car_us - stage.from_us) / stage.every_us * stage.every_us;
        Self::at(spec, report_us.max(spec.passed_us))
    }

    /// The car itself.
    pub(super) fn at(spec: &CarSpec, car_us: u64) -> Self {
        let still = Self::still(spec, car_us);
        match spec.profile {
            Profile::Parked => still.drained(hours(car_us)),
            Profile::Charging => still.charged(spec, car_us),
            Profile::Driving => still.driven(spec, car_us),
        }
    }

    fn still(spec: &CarSpec, car_us: u64) -> Self {
        let begin = &spec.begin;
        Self {
            activity: Activity::Parked,
            at_us: car_us,
            driven_km: 0.0,
            speed_kmh: 0.0,
            latitude: f64::from(begin.latitude) / 1e6,
            longitude: f64::from(begin.longitude) / 1e6,
            heading: bearing(spec.seed),
            charge: f64::from(begin.charge) / 100.0,
            fuel: f64::from(begin.fuel) / 100.0,
            charging: Charging::default(),
        }
    }

    /// A standing car loses a little.
    fn drained(mut self, hours: f64) -> Self {
        const PERCENT_PER_HOUR: f64 = 0.02;
        self.charge = (self.charge - PERCENT_PER_HOUR * hours).max(0.0);
        self
    }

    fn charged(mut self, spec: &CarSpec, car_us: u64) -> Self {
        let curve = ChargeCurve::of(spec);
        let begun = self.charge;
        let left_us = curve.full_us().saturating_sub(car_us);
        if left_us > 0 {
            self.activity = Activity::Charging;
            self.charge = curve.at(hours(car_us));
            self.charging.power_kw = curve.power_kw_at(self.charge);
            self.charging.minutes_left = hours(left_us) * 60.0;
        } else {
            self.activity = Activity::Charged;
            self.charge = curve.limit.max(begun);
        }
        self.charging.added_kwh = (self.charge - begun) / 100.0 * spec.model().battery_kwh;
        self
    }

    fn driven(mut self, spec: &CarSpec, car_us: u64) -> Self {
        let day = Day::of(spec);
        self.driven_km = day.driven_km(car_us);
        (self.activity, self.speed_kmh) = day.motion(car_us);
        let model = spec.model();
        let electric_km = self.driven_km.min(day.electric_km);
        if model.electric_range_km > 0.0 {
            self.charge -= electric_km / model.electric_range_km * 100.0;
        }
        if model.fuel_range_km > 0.0 {
            self.fuel -= (self.driven_km - electric_km) / model.fuel_range_km * 100.0;
        }
        self.along(day.lap_km())
    }

    /// Moves the car along a circle through where it began.
    fn along(mut self, lap_km: f64) -> Self {
        const KM_PER_DEGREE: f64 = 111.32;
        if lap_km <= 0.0 {
            return self;
        }
        let radius = lap_km / TAU;
        let begun = (90.0 - self.heading).to_radians();
        let turned = begun + TAU * (self.driven_km / lap_km).fract();
        // At an angle, the way leads at right angles to the radius: a quarter turn ahead of it.
        let place = |angle: f64| (radius * angle.sin(), -radius * angle.cos());
        let ((east, north), (east_0, north_0)) = (place(turned), place(begun));
        let km_per_degree_east = KM_PER_DEGREE * self.latitude.to_radians().cos();
        self.latitude += (north - north_0) / KM_PER_DEGREE;
        self.longitude += (east - east_0) / km_per_degree_east;
        self.heading = (90.0 - turned.to_degrees()).rem_euclid(360.0);
        self
    }
}

/// How long something goes on in a car's profile.
pub(super) fn length_us(spec: &CarSpec) -> u64 {
    match spec.profile {
        Profile::Driving => Day::of(spec).length_us(),
        Profile::Charging => day_us(spec.seed).max(ChargeCurve::of(spec).full_us()),
        Profile::Parked => day_us(spec.seed),
    }
}

/// Towns with land all around them.
pub(super) const fn towns(region: Region) -> &'static [(f64, f64)] {
    match region {
        Region::Us => &[(39.74, -104.99), (30.27, -97.74), (39.96, -83.0), (38.63, -90.2), (33.45, -112.07)],
        Region::Canada => &[(51.05, -114.07), (45.42, -75.7), (49.9, -97.14), (52.13, -106.67)],
        Region::Europe => &[(48.14, 11.58), (52.52, 13.4), (48.86, 2.35), (40.42, -3.7), (52.09, 5.12)],
    }
}

/// A stretch of a profile in which the car reports at a steady pace.
struct Stage {
    from_us: u64,
    every_us: u64,
}

impl Stage {
    fn of(spec: &CarSpec, car_us: u64) -> Self {
        let seed = spec.seed;
        match spec.profile {
            Profile::Parked => Self { from_us: 0, every_us: resting_us(seed) },
            Profile::Charging => match ChargeCurve::of(spec).full_us() {
                full_us if car_us < full_us => Self { from_us: 0, every_us: charging_us(seed) },
                full_us => Self { from_us: full_us, every_us: resting_us(seed) },
            },
            Profile::Driving => Day::of(spec).stage(seed, car_us),
        }
    }
}

/// A day of driving: legs of one length in time and in distance, each followed by a stop.
struct Day {
    legs: u64,
    /// A leg with the stop after it.
    leg_us: u64,
    /// The leg alone.
    drive_us: u64,
    leg_km: f64,
    /// How far the traction battery takes the car before fuel has to.
    electric_km: f64,
}

impl Day {
    /// In towns and outside, stops not counted.
    const MEAN_KMH: f64 = 45.0;
    /// What a driver keeps in the tank or the battery.
    const RESERVE: f64 = 10.0;

    fn of(spec: &CarSpec) -> Self {
        let seed = spec.seed;
        let leg_us = micros(Draw::Leg.between(seed, 0.75, 1.25));
        let drive_us = (leg_us as f64 * Draw::Share.between(seed, 0.6, 0.8)) as u64;
        let legs = day_us(seed) / leg_us;
        let (electric_km, fuel_km) = reach_km(spec);
        let wish_km = Self::MEAN_KMH * hours(drive_us) * legs as f64;
        let leg_km = wish_km.min(electric_km + fuel_km) / legs as f64;
        Self { legs, leg_us, drive_us, leg_km, electric_km }
    }

    const fn length_us(&self) -> u64 {
        self.legs * self.leg_us
    }

    fn driven_km(&self, car_us: u64) -> f64 {
        let (legs, into) = self.progress(car_us);
        (legs as f64 + share_of_way(into)) * self.leg_km
    }

    fn motion(&self, car_us: u64) -> (Activity, f64) {
        let (legs, into) = self.progress(car_us);
        if legs >= self.legs {
            (Activity::Parked, 0.0)
        } else if into >= 1.0 || self.leg_km <= 0.0 {
            (Activity::Stopped, 0.0)
        } else {
            (Activity::Moving, share_of_speed(into) * self.leg_km / hours(self.drive_us))
        }
    }

    /// How many legs lie behind the car, and which share of the drive of the next.
    fn progress(&self, car_us: u64) -> (u64, f64) {
        let legs = car_us / self.leg_us;
        if legs >= self.legs {
            return (self.legs, 0.0);
        }
        (legs, ((car_us % self.leg_us) as f64 / self.drive_us as f64).min(1.0))
    }

    /// The circle is passed a whole number of times, so that the day ends at home.
    fn lap_km(&self) -> f64 {
        const USUAL_LAP_KM: f64 = 40.0;
        let way_km = self.leg_km * self.legs as f64;
        way_km / (way_km / USUAL_LAP_KM).round().max(1.0)
    }

    fn stage(&self, seed: u32, car_us: u64) -> Stage {
        let leg_from_us = car_us / self.leg_us * self.leg_us;
        if car_us >= self.length_us() {
            Stage { from_us: self.length_us(), every_us: resting_us(seed) }
        } else if car_us - leg_from_us < self.drive_us {
            Stage { from_us: leg_from_us, every_us: seconds_us(Draw::MovingReport.between(seed, 2.0, 10.0)) }
        } else {
            let every_us = seconds_us(Draw::StoppedReport.between(seed, 60.0, 300.0));
            Stage { from_us: leg_from_us + self.drive_us, every_us }
        }
    }
}

/// How far a car gets on battery and on fuel before it has to be filled.
fn reach_km(spec: &CarSpec) -> (f64, f64) {
    let model = spec.model();
    let reach = |hundredths: u16, range_km: f64| {
        (f64::from(hundredths) / 100.0 - Day::RESERVE).max(0.0) / 100.0 * range_km
    };
    (reach(spec.begin.charge, model.electric_range_km), reach(spec.begin.fuel, model.fuel_range_km))
}

/// How much of a leg's speed is one long swell; the rest is waves of traffic.
const SWELL: f64 = 0.6;
const WAVES: f64 = 9.0;

/// Speed as a share of the mean at a share of the drive, 0 at both ends and never below; its mean is 1.
fn share_of_speed(into: f64) -> f64 {
    (1.0 - SWELL * (TAU * into).cos() - (1.0 - SWELL) * (TAU * WAVES * into).cos()).max(0.0)
}

/// Share of the way at a share of the drive: the integral of [`share_of_speed`].
fn share_of_way(into: f64) -> f64 {
    let wave = |count: f64| (TAU * count * into).sin() / (TAU * count);
    (into - SWELL * wave(1.0) - (1.0 - SWELL) * wave(WAVES)).clamp(0.0, 1.0)
}

/// State of charge over time at a wall box.
struct ChargeCurve {
    begun: f64,
    limit: f64,
    /// Percent per hour up to the knee.
    rate: f64,
    power_kw: f64,
}

impl ChargeCurve {
    /// From here on power falls.
    const KNEE: f64 = 80.0;
    /// How much of the power is lost per percent above the knee, so that a tenth is left at 100 %.
    const FALL: f64 = 0.9 / 20.0;
    /// What arrives in the battery.
    const EFFICIENCY: f64 = 0.92;

    fn of(spec: &CarSpec) -> Self {
        let model = spec.model();
        let power_kw = charge_power_kw(model, spec.seed);
        Self {
            begun: f64::from(spec.begin.charge) / 100.0,
            limit: charge_limit(spec.seed),
            rate: power_kw * Self::EFFICIENCY / model.battery_kwh * 100.0,
            power_kw,
        }
    }

    /// When the limit is reached; at once when there is more in the battery already.
    fn full_us(&self) -> u64 {
        micros((self.hours_from_empty(self.limit) - self.hours_from_empty(self.begun)).max(0.0))
    }

    /// Before the limit is reached.
    fn at(&self, hours: f64) -> f64 {
        let hours = self.hours_from_empty(self.begun) + hours;
        let knee = Self::KNEE / self.rate;
        if hours <= knee {
            hours * self.rate
        } else {
            let above = (1.0 - (-Self::FALL * self.rate * (hours - knee)).exp()) / Self::FALL;
            (Self::KNEE + above).min(self.limit)
        }
    }

    /// How long it takes from an empty battery; the inverse of the curve.
    fn hours_from_empty(&self, charge: f64) -> f64 {
        let above = (charge - Self::KNEE).max(0.0);
        (charge.min(Self::KNEE) - (1.0 - Self::FALL * above).ln() / Self::FALL) / self.rate
    }

    fn power_kw_at(&self, charge: f64) -> f64 {
        self.power_kw * (1.0 - Self::FALL * (charge - Self::KNEE).max(0.0))
    }
}

/// Up to which percent the owner of a car lets it charge.
pub(super) fn charge_limit(seed: u32) -> f64 {
    Draw::ChargeLimit.pick(seed, &[70.0, 80.0, 80.0, 80.0, 90.0, 100.0])
}

/// What the wall box at home gives.
pub(super) fn charge_power_kw(model: &Model, seed: u32) -> f64 {
    const SMALL_BATTERY_KWH: f64 = 20.0;
    match model.battery_kwh {
        small if small <= SMALL_BATTERY_KWH => Draw::Power.pick(seed, &[2.3, 3.7]),
        _ => Draw::Power.pick(seed, &[7.4, 11.0]),
    }
}

fn bearing(seed: u32) -> f64 {
    Draw::Bearing.between(seed, 0.0, 360.0)
}

fn day_us(seed: u32) -> u64 {
    micros(Draw::Length.between(seed, 8.0, 24.0))
}

fn charging_us(seed: u32) -> u64 {
    seconds_us(Draw::ChargingReport.between(seed, 60.0, 300.0))
}

fn resting_us(seed: u32) -> u64 {
    seconds_us(Draw::RestingReport.between(seed, 1_200.0, 1_800.0))
}

pub(super) fn hours(us: u64) -> f64 {
    us as f64 / 3.6e9
}

fn micros(hours: f64) -> u64 {
    (hours * 3.6e9) as u64
}

fn seconds_us(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
