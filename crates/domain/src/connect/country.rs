//! The countries that an owner can choose, and the region whose brands are offered there.

use crate::vehicle::Region::{self, Canada, Europe, UnitedStates};

/// A country with brands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2, upper case.
    pub code: &'static str,
    /// As its people call it in their own language, which needs no translation.
    pub name: &'static str,
    /// Whose brands are offered.
    pub region: Region,
}

impl Country {
    /// The country with a code, in any case.
    pub fn find(code: &str) -> Option<Self> {
        COUNTRIES.iter().copied().find(|country| country.code.eq_ignore_ascii_case(code))
    }
}

const fn country(code: &'static str, name: &'static str, region: Region) -> Country {
    Country { code, name, region }
}

/// The country that is chosen when nobody has said another.
pub const USUAL_COUNTRY: Country = country("US", "United States", UnitedStates);

/// All of them; the list is shown in this order.
pub const COUNTRIES: &[Country] = &[
    USUAL_COUNTRY,
    country("CA", "Canada", Canada),
    country("AT", "Österreich", Europe),
    country("BE", "België / Belgique", Europe),
    country("BG", "България", Europe),
    country("CH", "Schweiz / Suisse", Europe),
    country("CZ", "Česko", Europe),
    country("DE", "Deutschland", Europe),
    country("DK", "Danmark", Europe),
    country("EE", "Eesti", Europe),
    country("ES", "España", Europe),
    country("FI", "Suomi", Europe),
    country("FR", "France", Europe),
    country("GB", "United Kingdom", Europe),
    country("GR", "Ελλάδα", Europe),
    country("HR", "Hrvatska", Europe),
    country("HU", "Magyarország", Europe),
    country("IE", "Ireland", Europe),
    country("IT", "Italia", Europe),
    country("LI", "Liechtenstein", Europe),
    country("LT", "Lietuva", Europe),
    country("LU", "Luxembourg", Europe),
    country("LV", "Latvija", Europe),
    country("NL", "Nederland", Europe),
    country("NO", "Norge", Europe),
    country("PL", "Polska", Europe),
    country("PT", "Portugal", Europe),
    country("RO", "România", Europe),
    country("SE", "Sverige", Europe),
    country("SI", "Slovenija", Europe),
    country("SK", "Slovensko", Europe),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_found_by_its_code() {
        assert_eq!(Country::find("de").map(|country| country.region), Some(Europe));
        assert_eq!(Country::find("CA").map(|country| country.region), Some(Canada));
        assert_eq!(Country::find("XX"), None);
        for country in COUNTRIES {
            assert_eq!(Country::find(country.code), Some(*country));
        }
    }
}
