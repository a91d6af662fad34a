//! What a simulated car is like at a moment of its own time: closed formulas, so that any moment costs the same and
//! nothing has to be remembered.
//!
//! A profile is a [`Plan`]. Within a stage of it the car reports at a steady pace, and once at its beginning; a read
//! shows the newest report. Driving is a number of legs of equal length around a circle that leads back home: speed
//! swells and ebbs as in traffic, and is the derivative of the distance.

use std::f64::consts::TAU;

use super::{
    chance::Draw,
    charger::Charging,
    models::Region,
    plan::{self, Plan, Stage},
    spec::{CarSpec, Profile, Run},
};

/// What a car does for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activity {
    Moving,
    /// Somebody gets out, and may unload something.
    Alighting,
    /// Somebody gets in.
    Boarding,
    /// A stop between two legs.
    Stopped,
    Charging,
    /// Plugged in, with the limit reached.
    Charged,
    /// Plugged in, and without power before the limit was reached.
    Interrupted,
    Parked,
}

impl Activity {
    /// The word of the simulator's API.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "driving",
            Self::Alighting => "alighting",
            Self::Boarding => "boarding",
            Self::Stopped => "stopped",
            Self::Charging => "charging",
            Self::Charged => "charged",
            Self::Interrupted => "interrupted",
            Self::Parked => "parked",
        }
    }

    pub(super) const fn is_plugged_in(self) -> bool {
        matches!(self, Self::Charging | Self::Charged | Self::Interrupted)
    }

    /// Whether somebody stands at the open car.
    pub(super) const fn is_attended(self) -> bool {
        matches!(self, Self::Alighting | Self::Boarding)
    }
}

/// A car at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) activity: Activity,
    /// Since the beginning of the profile, in microseconds.
    pub(super) at_us: u64,
    /// Since the car was made, in microseconds of its own time.
    pub(super) age_us: u64,
    /// Tells the stages of a profile apart.
    pub(super) stage: u64,
    /// Since the leg began that it is on, or the last one ended.
    pub(super) since_turn_us: Option<u64>,
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

impl Moment {
    /// The newest report of the car at a moment of its time.
    pub(super) fn reported(spec: &CarSpec, car_us: u64) -> Self {
        let plan = Plan::of(spec);
        if spec.run == Run::Paused {
            return Self::of(&plan, spec, spec.passed_us);
        }
        let stage = plan.stage(spec, car_us);
        let every_us = report_us(spec.seed, stage.activity);
        let report_us = stage.from_us + (car_us - stage.from_us) / every_us * every_us;
        Self::of(&plan, spec, report_us.max(spec.passed_us))
    }

    /// The car itself.
    pub(super) fn at(spec: &CarSpec, car_us: u64) -> Self {
        Self::of(&Plan::of(spec), spec, car_us)
    }

    fn of(plan: &Plan, spec: &CarSpec, car_us: u64) -> Self {
        let stage = plan.stage(spec, car_us);
        let begin = &spec.begin;
        let moving = stage.activity == Activity::Moving;
        Self {
            activity: stage.activity,
            at_us: car_us,
            age_us: spec.live.before_us.saturating_add(car_us),
            stage: stage.number,
            since_turn_us: stage.since_turn_us,
            driven_km: plan.driven_km(stage.legs),
            speed_kmh: if moving { plan.speed_kmh(stage.into) } else { 0.0 },
            latitude: f64::from(begin.latitude) / 1e6,
            longitude: f64::from(begin.longitude) / 1e6,
            heading: bearing(spec.seed),
            charge: plan::begun(spec),
            fuel: f64::from(begin.fuel) / 100.0,
            charging: Charging::default(),
        }
        .charged(spec, &stage)
        .spent(plan, spec, &stage)
        .along(plan.lap_km)
    }

    /// With what the charger gave where the car is, or was last.
    fn charged(mut self, spec: &CarSpec, stage: &Stage) -> Self {
        if let Some((stay, until_us, _)) = stage.stay {
            self.charge = stay.charge_at(until_us);
            self.charging = stay.charging_at(until_us, spec.model());
        }
        self
    }

    /// Without what the car used since.
    fn spent(mut self, plan: &Plan, spec: &CarSpec, stage: &Stage) -> Self {
        const PERCENT_PER_HOUR_PARKED: f64 = 0.02;
        let model = spec.model();
        let driven_km = plan.driven_km(stage.stay.map_or(stage.legs, |(_, _, legs)| legs));
        let electric_km = match spec.profile {
            Profile::Day if model.plugs_in() => driven_km,
            Profile::Parked | Profile::Driving | Profile::Charging | Profile::Day => {
                driven_km.min(plan::reach_km(spec, self.charge).0)
            }
        };
        if spec.profile == Profile::Parked {
            self.charge -= PERCENT_PER_HOUR_PARKED * hours(self.at_us);
        }
        if model.electric_range_km > 0.0 {
            self.charge -= electric_km / model.electric_range_km * 100.0;
        }
        if spec.profile == Profile::Day && !model.plugs_in() {
            self.fuel = plan.fuel_on_a_day(spec, stage.legs);
        } else if model.fuel_range_km > 0.0 {
            self.fuel -= (driven_km - electric_km) / model.fuel_range_km * 100.0;
        }
        self.charge = self.charge.max(0.0);
        self
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

/// What a car does in its profile, with the moments of its time at which each begins.
pub(super) fn stages(spec: &CarSpec, car_us: u64) -> Vec<(Activity, u64)> {
    Plan::of(spec).stages(spec, car_us)
}

/// How long something goes on in a car's profile.
pub(super) fn length_us(spec: &CarSpec) -> u64 {
    match spec.profile {
        Profile::Parked => plan::day_us(spec.seed),
        Profile::Driving | Profile::Charging | Profile::Day => Plan::of(spec).length_us(),
    }
}

/// Towns with land all around them; those of the United States are in Colorado, where suites expect test cars.
pub(super) const fn towns(region: Region) -> &'static [(f64, f64)] {
    match region {
        Region::UnitedStates => {
            // Denver, Colorado Springs, Fort Collins, Pueblo, Grand Junction
            &[(39.74, -104.99), (38.83, -104.82), (40.59, -105.08), (38.25, -104.61), (39.06, -108.55)]
        }
        Region::Canada => &[(51.05, -114.07), (45.42, -75.7), (49.9, -97.14), (52.13, -106.67)],
        Region::Europe => &[(48.14, 11.58), (52.52, 13.4), (48.86, 2.35), (40.42, -3.7), (52.09, 5.12)],
    }
}

/// How long after one report the next follows.
fn report_us(seed: u32, activity: Activity) -> u64 {
    seconds_us(match activity {
        Activity::Moving => Draw::MovingReport.between(seed, 2.0, 10.0),
        Activity::Alighting | Activity::Boarding | Activity::Stopped => {
            Draw::StoppedReport.between(seed, 60.0, 300.0)
        }
        Activity::Charging => Draw::ChargingReport.between(seed, 60.0, 300.0),
        Activity::Charged | Activity::Interrupted | Activity::Parked => {
            Draw::RestingReport.between(seed, 1_200.0, 1_800.0)
        }
    })
}

fn bearing(seed: u32) -> f64 {
    Draw::Bearing.between(seed, 0.0, 360.0)
}

pub(super) fn hours(us: u64) -> f64 {
    us as f64 / 3.6e9
}

pub(super) fn micros(hours: f64) -> u64 {
    (hours * 3.6e9) as u64
}

pub(super) fn seconds_us(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
