//! Brands and models of simulated cars: what they are driven by, how far they go, and what they cannot tell.
//!
//! Figures are round ones of a typical variant. A model lacks signals as cars of that age and brand tend to, so that a
//! fleet of all models meets every gap that a real one has.

mod catalogue;

use std::fmt;

use domain::signal::{Endpoint, Powertrain, SignalId};
pub use domain::vehicle::Region;

/// A model of the catalogue, by its stored number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelNo(u8);

/// What is the same for all cars of a model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Upper case: `TESLA`.
    pub make: &'static str,
    /// `Model 3`
    pub name: &'static str,
    /// What drives it.
    pub powertrain: Powertrain,
    /// Nominal capacity of the traction battery in kWh; 0 without a plug.
    pub battery_kwh: f64,
    /// How far a full traction battery takes it, in km.
    pub electric_range_km: f64,
    /// Litres that the tank holds; 0 without one.
    pub tank_litres: f64,
    /// How far a full tank takes it, in km.
    pub fuel_range_km: f64,
    /// First and last model year.
    pub years: (u16, u16),
    /// Where it is sold.
    pub regions: &'static [Region],
    lacks: SignalSet,
}

impl Model {
    /// Whether a car of this model can tell a signal of the catalogue at all.
    pub fn has(&self, signal: SignalId) -> bool {
        !self.lacks.contains(signal) && signal.entry().powertrains.contains(self.powertrain)
    }

    /// Whether it can be charged.
    pub const fn plugs_in(&self) -> bool {
        matches!(self.powertrain, Powertrain::Bev | Powertrain::Phev)
    }
}

impl ModelNo {
    /// The model with a stored number, if this program knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        (usize::from(number) < catalogue::ROWS.len()).then_some(Self(number))
    }

    /// The number that is stored.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its row in the catalogue.
    pub fn model(self) -> &'static Model {
        &catalogue::ROWS[usize::from(self.0)]
    }
}

impl fmt::Debug for ModelNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.model().make, self.model().name)
    }
}

/// Every model, by number.
pub fn models() -> impl Iterator<Item = ModelNo> {
    (0..catalogue::ROWS.len()).map(|number| ModelNo(number as u8))
}

/// Why there is no such car. The texts say what there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchCar {
    /// Not a brand of the catalogue.
    #[error("the simulator has no make {make}; it has {known}")]
    Make {
        /// What was asked for.
        make: String,
        /// What there is.
        known: String,
    },
    /// Not a model of this brand.
    #[error("the simulator has no {make} {model}; of {make} it has {known}")]
    Model {
        /// The brand.
        make: &'static str,
        /// What was asked for.
        model: String,
        /// What there is.
        known: String,
    },
    /// The model was not built in this year.
    #[error("the {make} {model} of the simulator is of the years {first} to {last}, not {year}")]
    Year {
        /// The brand.
        make: &'static str,
        /// The model.
        model: &'static str,
        /// What was asked for.
        year: u16,
        /// The first there is.
        first: u16,
        /// The last there is.
        last: u16,
    },
    /// The model is not sold there.
    #[error("the {make} {model} of the simulator is not sold in {region}, but in {known}")]
    Region {
        /// The brand.
        make: &'static str,
        /// The model.
        model: &'static str,
        /// What was asked for.
        region: &'static str,
        /// Where it is.
        known: String,
    },
}

/// The model of a car that is described in words. Case does not matter, and a space, `_` and `-` are the same.
///
/// # Errors
///
/// When there is none; the error names what there is instead.
pub fn find(make: &str, model: &str, year: u16, region: Region) -> Result<ModelNo, NoSuchCar> {
    let found = named(make, model)?;
    check(found, year, region).map(|()| found)
}

fn named(make: &str, model: &str) -> Result<ModelNo, NoSuchCar> {
    let of_make: Vec<_> = models().filter(|no| same_words(no.model().make, make)).collect();
    let Some(&any) = of_make.first() else {
        return Err(NoSuchCar::Make { make: make.into(), known: list(models().map(|no| no.model().make)) });
    };
    of_make.iter().copied().find(|no| same_words(no.model().name, model)).ok_or_else(|| {
        let known = list(of_make.iter().map(|no| no.model().name));
        NoSuchCar::Model { make: any.model().make, model: model.into(), known }
    })
}

/// The model of a car that is described in words without a year, and its newest year.
///
/// # Errors
///
/// As [`find`].
pub fn find_newest(make: &str, model: &str, region: Region) -> Result<(ModelNo, u16), NoSuchCar> {
    let found = named(make, model)?;
    let year = found.model().years.1;
    check(found, year, region).map(|()| (found, year))
}

/// Whether a model was built in this year and is sold in this region.
pub(super) fn check(no: ModelNo, year: u16, region: Region) -> Result<(), NoSuchCar> {
    let &Model { make, name: model, years: (first, last), regions, .. } = no.model();
    if !(first..=last).contains(&year) {
        return Err(NoSuchCar::Year { make, model, year, first, last });
    }
    if !regions.contains(&region) {
        let known = list(regions.iter().map(|region| region.as_str()));
        return Err(NoSuchCar::Region { make, model, region: region.as_str(), known });
    }
    Ok(())
}

fn same_words(known: &str, asked: &str) -> bool {
    let words = |text: &str| text.trim().to_uppercase().replace([' ', '_'], "-");
    words(known) == words(asked)
}

/// Names separated by commas, each once; the same names stand together in the catalogue.
fn list(names: impl Iterator<Item = &'static str>) -> String {
    let mut names: Vec<_> = names.collect();
    names.dedup();
    names.join(", ")
}

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(u128);

impl SignalSet {
    /// No signal.
    pub const NONE: Self = Self(0);

    /// Every signal that an endpoint is made of.
    pub const fn of_endpoint(endpoint: Endpoint) -> Self {
        let signals = endpoint.signals();
        let (mut set, mut at) = (Self::NONE, 0);
        while at < signals.len() {
            set = set.with(signals[at]);
            at += 1;
        }
        set
    }

    /// The set with one signal more.
    #[must_use]
    pub const fn with(self, signal: SignalId) -> Self {
        Self(self.0 | Self::bit(signal))
    }

    /// What is in one of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the signal is in the set.
    pub const fn contains(self, signal: SignalId) -> bool {
        self.0 & Self::bit(signal) != 0
    }

    pub(super) const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    const fn bit(signal: SignalId) -> u128 {
        assert!(signal.number() < 128, "the set has a bit for each number below 128");
        1 << signal.number()
    }
}

impl FromIterator<SignalId> for SignalSet {
    fn from_iter<T: IntoIterator<Item = SignalId>>(signals: T) -> Self {
        signals.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::signal;

    #[test]
    fn the_catalogue_has_the_makes_of_the_field_and_several_models() {
        let mut makes: Vec<_> = models().map(|no| no.model().make).collect();
        makes.dedup();
        let distinct: std::collections::BTreeSet<_> = makes.iter().collect();
        assert_eq!(makes.len(), distinct.len(), "models of a make stand together");
        assert!(makes.len() >= 40, "{}", makes.len());
        assert!(models().count() >= 80, "{}", models().count());
        assert!(makes.iter().all(|make| make.to_uppercase() == **make));
    }

    #[test]
    fn a_model_has_the_battery_and_the_tank_of_its_powertrain() {
        for no in models() {
            let model = no.model();
            let burns = model.powertrain != Powertrain::Bev;
            assert_eq!(model.battery_kwh > 0.0, model.plugs_in(), "{no:?}");
            assert_eq!(model.electric_range_km > 0.0, model.plugs_in(), "{no:?}");
            assert_eq!(model.tank_litres > 0.0, burns, "{no:?}");
            assert_eq!(model.fuel_range_km > 0.0, burns, "{no:?}");
            assert!(model.years.0 <= model.years.1, "{no:?}");
            assert!(!model.regions.is_empty(), "{no:?}");
            assert!(model.has(signal::ODOMETER) && model.has(signal::LOCATION), "{no:?}");
        }
    }

    #[test]
    fn every_region_and_every_powertrain_has_cars() {
        for region in Region::ALL {
            for powertrain in [Powertrain::Ice, Powertrain::Hev, Powertrain::Phev, Powertrain::Bev] {
                let there = |model: &Model| model.regions.contains(region) && model.powertrain == powertrain;
                assert!(models().any(|no| there(no.model())), "{region:?} {powertrain:?}");
            }
        }
    }

    #[test]
    fn every_model_is_found_by_its_words() {
        for no in models() {
            let model = no.model();
            assert_eq!(find(model.make, model.name, model.years.1, model.regions[0]), Ok(no));
            assert_eq!(ModelNo::from_number(no.number()), Some(no));
        }
        let land_rover = find("land_rover", "DEFENDER", 2023, Region::Europe);
        assert_eq!(format!("{:?}", land_rover.unwrap()), "LAND ROVER Defender");
        assert_eq!(ModelNo::from_number(u8::MAX), None);
    }

    #[test]
    fn an_error_says_what_there_is() {
        let error = |make, model, year, region| find(make, model, year, region).unwrap_err().to_string();
        let makes = error("TRABANT", "601", 1970, Region::Europe);
        assert!(makes.starts_with("the simulator has no make TRABANT; it has TESLA, "), "{makes}");
        assert_eq!(
            error("tesla", "Model Z", 2022, Region::UnitedStates),
            "the simulator has no TESLA Model Z; of TESLA it has Model 3, Model Y, Model S, Model X"
        );
        assert_eq!(
            error("TESLA", "Model 3", 1999, Region::UnitedStates),
            "the TESLA Model 3 of the simulator is of the years 2017 to 2026, not 1999"
        );
        assert_eq!(
            error("VAUXHALL", "Corsa Electric", 2023, Region::UnitedStates),
            "the VAUXHALL Corsa Electric of the simulator is not sold in US, but in EUROPE"
        );
    }

    #[test]
    fn without_a_year_the_newest_is_found_where_the_model_is_sold() {
        let of =
            |make, model, region| find_newest(make, model, region).map(|(no, year)| (no.model().name, year));
        assert_eq!(of("byd", "seal", Region::Europe), Ok(("Seal", 2026)));
        assert_eq!(
            of("BYD", "Seal", Region::UnitedStates).unwrap_err().to_string(),
            "the BYD Seal of the simulator is not sold in US, but in EUROPE"
        );
        for no in models() {
            let model = no.model();
            let spelt = model.make.replace(' ', "_");
            assert_eq!(find_newest(&spelt, model.name, model.regions[0]), Ok((no, model.years.1)), "{spelt}");
        }
    }

    #[test]
    fn every_signal_has_its_bit_in_a_set() {
        let all: SignalSet = SignalId::all().collect();
        assert!(SignalId::all().all(|signal| all.contains(signal)));
        assert_eq!(SignalSet::from_bytes(all.to_bytes()), all);
        let one = SignalSet::NONE.with(signal::VIN);
        assert_eq!(SignalId::all().filter(|&signal| one.contains(signal)).collect::<Vec<_>>(), [signal::VIN]);
    }
}
