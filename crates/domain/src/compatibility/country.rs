//! Countries, and the regions of brands' clouds that they belong to.

use crate::vehicle::Region;

/// Countries whose cars are in the clouds for Europe (ISO 3166-1).
const EUROPE: &[&str] = &[
    "AD", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GI", "GR", "HR",
    "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI",
    "SK", "SM",
];

/// The region of a country, by its code of two letters in any case; `None` where no brand is reached.
pub fn region_of(country: &str) -> Option<Region> {
    match country.to_ascii_uppercase().as_str() {
        "US" => Some(Region::UnitedStates),
        "CA" => Some(Region::Canada),
        country => EUROPE.contains(&country).then_some(Region::Europe),
    }
}
