//! Charging: chargers, the curve of power over charge, and a stay at a charger from plugging in to unplugging.

use super::{
    chance::Draw,
    journey::{Activity, hours, micros},
    models::{Model, Region},
    spec::CarSpec,
};

/// What a charger does; all zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Charging {
    pub(super) charger: Charger,
    pub(super) power_kw: f64,
    /// Since it was plugged in, or while it last was.
    pub(super) added_kwh: f64,
    pub(super) minutes_left: f64,
}

/// A charger, by the most power that it gives in kW.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Charger(f64);

impl Charger {
    const SIZES_KW: [f64; 8] = [2.3, 3.7, 7.4, 11.0, 19.2, 50.0, 150.0, 350.0];
    /// Above this, a charger gives direct current.
    const ALTERNATING_KW: f64 = 22.0;
    const ONE_PHASE_KW: f64 = 7.4;
    const DIRECT_VOLTS: f64 = 400.0;

    /// The wall box at the home of a car.
    pub(super) fn at_home(model: &Model, seed: u32) -> Self {
        const SMALL_BATTERY_KWH: f64 = 20.0;
        Self(match model.battery_kwh {
            small if small <= SMALL_BATTERY_KWH => Draw::Power.pick(seed, &[2.3, 3.7]),
            _ => Draw::Power.pick(seed, &[7.4, 11.0]),
        })
    }

    /// The same where no more than so many tenths of an ampere are drawn from it.
    pub(super) fn limited(self, tenths: Option<u16>, region: Region) -> Self {
        let Some(tenths) = tenths else { return self };
        let amperes = f64::from(tenths.max(10)) / 10.0;
        Self(self.0.min(amperes * self.phases(region) * self.volts(region) / 1_000.0))
    }

    /// The smallest that brings a car from one charge to another within this time; the largest, when none does.
    pub(super) fn for_stay(model: &Model, begun: f64, limit: f64, within_us: u64) -> Self {
        let enough = |&kw: &f64| Curve::new(model, Self(kw), begun, limit).full_us() <= within_us;
        Self(Self::SIZES_KW.into_iter().find(enough).unwrap_or(Self::SIZES_KW[Self::SIZES_KW.len() - 1]))
    }

    pub(super) fn is_fast(self) -> bool {
        self.0 > Self::ALTERNATING_KW
    }

    pub(super) fn volts(self, region: Region) -> f64 {
        match region {
            _ if self.is_fast() => Self::DIRECT_VOLTS,
            Region::UnitedStates | Region::Canada => 240.0,
            Region::Europe => 230.0,
        }
    }

    /// Wall boxes of more than one phase are for Europe.
    pub(super) fn phases(self, region: Region) -> f64 {
        let several = region == Region::Europe && self.0 > Self::ONE_PHASE_KW && !self.is_fast();
        if several { 3.0 } else { 1.0 }
    }

    /// Per phase, at the most that it gives.
    pub(super) fn most_amperes(self, region: Region) -> f64 {
        self.amperes(self.0, region)
    }

    /// Per phase, while it gives so much power.
    pub(super) fn amperes(self, power_kw: f64, region: Region) -> f64 {
        power_kw * 1_000.0 / self.phases(region) / self.volts(region)
    }
}

/// Up to which percent the owner of a car lets it charge: as somebody chose, else as drawn.
pub(super) fn charge_limit(spec: &CarSpec) -> f64 {
    if let Some(limit) = spec.live.limit {
        return f64::from(limit) / 100.0;
    }
    let seed = spec.seed;
    Draw::ChargeLimit.pick(seed, &[70.0, 80.0, 80.0, 80.0, 90.0, 100.0])
}

/// A car at a charger, from plugging in on. Times are those of the car's plan.
#[derive(Clone, Copy)]
pub(super) struct Stay {
    pub(super) from_us: u64,
    pub(super) curve: Curve,
    /// When charging breaks off, unless it is done before.
    pub(super) broken_off_us: Option<u64>,
    /// In percent; less than the curve begins with when this goes on from an earlier charger.
    pub(super) plugged_in_with: f64,
}

impl Stay {
    /// A stay that nothing disturbs.
    pub(super) fn new(from_us: u64, curve: Curve) -> Self {
        Self { from_us, curve, broken_off_us: None, plugged_in_with: curve.begun }
    }

    /// What the plugged-in car does, and since when.
    pub(super) fn activity(&self, at_us: u64) -> (Activity, u64) {
        match self.end() {
            (end_us, _) if at_us < end_us => (Activity::Charging, self.from_us),
            (end_us, why) => (why, end_us),
        }
    }

    /// When charging ends, and how.
    pub(super) fn end(&self) -> (u64, Activity) {
        let full_us = self.from_us.saturating_add(self.curve.full_us());
        match self.broken_off_us {
            Some(broken_off_us) if broken_off_us < full_us => (broken_off_us, Activity::Interrupted),
            _ => (full_us, Activity::Charged),
        }
    }

    /// In percent.
    pub(super) fn charge_at(&self, at_us: u64) -> f64 {
        match self.end() {
            (end_us, Activity::Charged) if at_us >= end_us => self.curve.limit.max(self.curve.begun),
            (end_us, _) => self.curve.at(hours(at_us.min(end_us).saturating_sub(self.from_us))),
        }
    }

    pub(super) fn charging_at(&self, at_us: u64, model: &Model) -> Charging {
        let charge = self.charge_at(at_us);
        let mut charging = Charging {
            charger: self.curve.charger,
            added_kwh: (charge - self.plugged_in_with).max(0.0) / 100.0 * model.battery_kwh,
            ..Charging::default()
        };
        if self.activity(at_us).0 == Activity::Charging {
            let passed_us = at_us.saturating_sub(self.from_us);
            charging.power_kw = self.curve.power_kw_at(charge);
            charging.minutes_left = hours(self.curve.full_us().saturating_sub(passed_us)) * 60.0;
        }
        charging
    }
}

/// State of charge over time: constant power up to a knee, then the power falls in proportion to what is missing.
#[derive(Clone, Copy)]
pub(super) struct Curve {
    pub(super) begun: f64,
    limit: f64,
    /// Percent per hour up to the knee.
    rate: f64,
    charger: Charger,
}

impl Curve {
    /// From here on power falls.
    const KNEE: f64 = 80.0;
    /// How much of the power is lost per percent above the knee, so that a tenth is left at 100 %.
    const FALL: f64 = 0.9 / 20.0;
    /// What arrives in the battery.
    const EFFICIENCY: f64 = 0.92;

    pub(super) fn new(model: &Model, charger: Charger, begun: f64, limit: f64) -> Self {
        Self { begun, limit, rate: charger.0 * Self::EFFICIENCY / model.battery_kwh * 100.0, charger }
    }

    /// How long until the limit is reached; no time when there is more in the battery already.
    pub(super) fn full_us(&self) -> u64 {
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
        self.charger.0 * (1.0 - Self::FALL * (charge - Self::KNEE).max(0.0))
    }
}
