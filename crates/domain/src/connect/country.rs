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

    /// Where a browser is, as far as the languages say that it prefers (`Accept-Language`): the region of the first that
    /// has one with brands, or the country where most of its speakers are.
    pub fn of_languages(accept_language: &str) -> Option<Self> {
        let weighted = accept_language.split(',').take(MOST_LANGUAGES).filter_map(|range| {
            let (tag, weight) = range.split_once(";q=").unwrap_or((range, "1"));
            let weight = weight.trim().parse::<f32>().ok().filter(|weight| *weight > 0.0)?;
            Some((Self::of_language(tag.trim())?, weight))
        });
        // Of equal ones the first: a browser lists them in its order.
        weighted.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(country, _)| country)
    }

    /// The country of one language: `de-AT`, `fr`, `sr-Latn-ME`.
    fn of_language(tag: &str) -> Option<Self> {
        let mut parts = tag.split('-');
        let language = parts.next()?;
        match parts.find(|part| part.len() == 2) {
            Some(region) => Self::find(region),
            None => {
                let (_, code) =
                    MAIN_COUNTRIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(language))?;
                Self::find(code)
            }
        }
    }
}

const fn country(code: &'static str, name: &'static str, region: Region) -> Country {
    Country { code, name, region }
}

/// The most languages of a browser that are looked at.
const MOST_LANGUAGES: usize = 32;

/// Languages whose speakers with brands are mostly in one country. English, Spanish and Portuguese are those of several
/// continents and say nothing.
const MAIN_COUNTRIES: &[(&str, &str)] = &[
    ("bg", "BG"),
    ("cs", "CZ"),
    ("da", "DK"),
    ("de", "DE"),
    ("el", "GR"),
    ("et", "EE"),
    ("fi", "FI"),
    ("fr", "FR"),
    ("ga", "IE"),
    ("hr", "HR"),
    ("hu", "HU"),
    ("it", "IT"),
    ("lb", "LU"),
    ("lt", "LT"),
    ("lv", "LV"),
    ("nb", "NO"),
    ("nl", "NL"),
    ("nn", "NO"),
    ("no", "NO"),
    ("pl", "PL"),
    ("ro", "RO"),
    ("sk", "SK"),
    ("sl", "SI"),
    ("sv", "SE"),
];

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
    fn a_browser_is_where_its_languages_say() {
        for (languages, expected) in [
            ("de-DE,de;q=0.9,en;q=0.8", Some("DE")),
            ("fr-CA", Some("CA")),
            ("fr", Some("FR")),
            ("de", Some("DE")),
            ("en;q=0.5, de-AT ;q=0.9", Some("AT")),
            ("en-GB,de-DE;q=0.9", Some("GB")),
            ("en,de-CH;q=0.3", Some("CH")),
            ("pt-BR,pt;q=0.9", None),
            ("zh-Hant-TW", None),
            ("hr-Latn-HR", Some("HR")),
            ("es-419", None),
            ("en", None),
            ("de;q=0", None),
            ("de;q=x", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(Country::of_languages(languages).map(|country| country.code), expected, "{languages}");
        }
        assert!(MAIN_COUNTRIES.iter().all(|(_, code)| Country::find(code).is_some()));
    }

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
