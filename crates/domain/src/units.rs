//! Unit systems and their conversions. Inside, every signal has one metric unit; conversion happens when a body is
//! composed.
//!
//! A converted number is rounded to two decimals, so that 100 km are 62.14 mi and not 62.13711922373339: no car
//! measures finer. A number that is not converted goes out exactly as it came in.

/// The units of a webhook's bodies, or of an API answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum UnitSystem {
    /// Kilometres, litres, kilopascals.
    #[default]
    #[n(0)]
    Metric,
    /// Miles, US gallons, pounds per square inch.
    #[n(1)]
    Imperial,
}

const KM_PER_MILE: f64 = 1.609_344;
const LITRES_PER_GALLON: f64 = 3.785_411_784;
const KPA_PER_PSI: f64 = 6.894_757_293_168;

impl UnitSystem {
    /// The word of the wire, as in the header `sc-unit-system`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Imperial => "imperial",
        }
    }

    /// Kilometres in this system: km or mi.
    pub fn distance(self, km: f64) -> f64 {
        self.convert(km, KM_PER_MILE)
    }

    /// Litres in this system: L or US gal.
    pub fn volume(self, litres: f64) -> f64 {
        self.convert(litres, LITRES_PER_GALLON)
    }

    /// Kilopascals in this system: kPa or psi.
    pub fn pressure(self, kpa: f64) -> f64 {
        self.convert(kpa, KPA_PER_PSI)
    }

    /// Degrees Celsius in this system: °C or °F.
    pub fn temperature(self, celsius: f64) -> f64 {
        match self {
            Self::Metric => celsius,
            // Beyond the largest number there is no other one to show.
            Self::Imperial => match rounded(celsius * 1.8 + 32.0, 100.0) {
                fahrenheit if fahrenheit.is_finite() => fahrenheit,
                _ => celsius,
            },
        }
    }

    fn convert(self, metric: f64, per_imperial: f64) -> f64 {
        match self {
            Self::Metric => metric,
            Self::Imperial => rounded(metric / per_imperial, 100.0),
        }
    }
}

/// Percent as the fraction that v2 bodies show: 57.3 becomes 0.573, to six decimals.
pub fn fraction(percent: f64) -> f64 {
    rounded(percent / 100.0, 1_000_000.0)
}

/// The number nearest to `number` that is a whole multiple of `1 / scale`. Numbers so large that they have no such
/// decimals stay as they are.
fn rounded(number: f64, scale: f64) -> f64 {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let scaled = number * scale;
    if scaled.abs() < EXACT { scaled.round() / scale } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn converted_numbers_have_two_decimals_and_others_stay_exact() {
        assert_eq!(UnitSystem::Imperial.distance(100.0), 62.14);
        assert_eq!(UnitSystem::Imperial.distance(1.609_344), 1.0);
        assert_eq!(UnitSystem::Imperial.volume(50.0), 13.21);
        assert_eq!(UnitSystem::Imperial.pressure(240.0), 34.81);
        assert_eq!(UnitSystem::Imperial.temperature(21.5), 70.7);
        assert_eq!(UnitSystem::Metric.temperature(21.5), 21.5);
        assert_eq!(UnitSystem::Metric.distance(0.1 + 0.2), 0.1 + 0.2);
    }

    #[test]
    fn percent_become_the_fraction_that_one_would_write() {
        for tenths in 0..=1000_u32 {
            let percent: f64 = format!("{}.{}", tenths / 10, tenths % 10).parse().unwrap();
            let written: f64 = format!("{}.{:03}", tenths / 1000, tenths % 1000).parse().unwrap();
            assert_eq!(fraction(percent), written);
        }
    }

    proptest! {
        #[test]
        fn no_finite_number_stops_being_finite(number in proptest::num::f64::NORMAL) {
            for units in [UnitSystem::Metric, UnitSystem::Imperial] {
                prop_assert!(units.distance(number).is_finite());
                prop_assert!(units.volume(number).is_finite());
                prop_assert!(units.pressure(number).is_finite());
                prop_assert!(units.temperature(number).is_finite());
            }
            prop_assert!(fraction(number).is_finite());
        }

        #[test]
        fn a_mile_is_a_mile_to_half_a_hundredth(km in 0.0..2_000_000.0) {
            let miles = UnitSystem::Imperial.distance(km);
            prop_assert!((miles * 1.609_344 - km).abs() <= 0.005 * 1.609_344 + 1e-6);
        }
    }
}
