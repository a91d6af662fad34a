//! What this server knows: signals, endpoints, permissions and errors, as rows for people and programs.
//!
//! The rows are made from the tables of `domain`, so they cannot say anything else than the server does. They appear in four
//! places with the same words: the admin API (`/api/v1/catalogue/…`), the pages (`/docs/…`), the command line
//! (`milepost signals`, without a server) and the files in `docs/`, which the command line writes and a test compares.

mod advice;
mod endpoints;
mod errors;
mod markdown;
mod permissions;
mod signals;

use std::collections::BTreeSet;

use domain::{compatibility::Model, signal::Powertrain};

pub(crate) use advice::advice;
pub use endpoints::{CatalogueEndpoint, EndpointFilter, endpoints};
pub use errors::{CatalogueErrorEntry, CatalogueProblem, ErrorFilter, errors, problems};
pub(crate) use markdown::shortened;
pub use markdown::{endpoints_page, errors_page, permissions_page, signals_page};
pub use permissions::{CataloguePermission, permissions};
pub use signals::{CatalogueSignal, SignalFilter, signals};

/// A filter names something that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The filter: `group`.
    pub filter: &'static str,
    /// What to say: which words there are.
    pub message: String,
}

/// The row whose key equals a word, whatever the case; else an error that lists the keys.
fn known<'a>(
    filter: &'static str,
    word: &str,
    keys: impl IntoIterator<Item = &'a str>,
) -> Result<&'a str, UnknownWord> {
    let keys: BTreeSet<&str> = keys.into_iter().collect();
    let same = |key: &&str| plain(key) == plain(word);
    keys.iter().copied().find(same).ok_or_else(|| {
        let keys: Vec<&str> = keys.iter().copied().collect();
        UnknownWord { filter, message: format!("{word:?} is not one of {}", keys.join(", ")) }
    })
}

/// A word as it is compared: lower case, letters and digits only, so that `state of charge` finds `StateOfCharge`.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether all words of a search are somewhere in the texts of a row.
fn found<'a>(search: &str, texts: impl IntoIterator<Item = &'a str>) -> bool {
    let texts: Vec<String> = texts.into_iter().map(plain).collect();
    search.split_whitespace().map(plain).all(|word| texts.iter().any(|text| text.contains(&word)))
}

/// The brands of which some model satisfies a condition, in their order.
fn brands(models: &[Model], is: impl Fn(&Model) -> bool) -> Vec<String> {
    let brands: BTreeSet<&str> =
        models.iter().filter(|model| is(model)).map(|model| model.make.as_str()).collect();
    brands.into_iter().map(str::to_owned).collect()
}

/// The words of the powertrains that satisfy a condition.
fn powertrains(is: impl Fn(Powertrain) -> bool) -> Vec<&'static str> {
    Powertrain::ALL.into_iter().filter(|&powertrain| is(powertrain)).map(Powertrain::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_forgives_case_hyphens_and_the_order_of_words() {
        let texts = ["tractionbattery-stateofcharge", "TractionBattery", "read_battery"];
        for search in ["", "state of charge", "STATE-OF-CHARGE", "charge battery", "read_battery soc charge"]
        {
            assert_eq!(found(search, texts), search != "read_battery soc charge", "{search}");
        }
    }

    #[test]
    fn an_unknown_word_of_a_filter_is_answered_with_those_that_exist() {
        assert_eq!(known("brand", "land_rover", ["LAND ROVER", "KIA"]), Ok("LAND ROVER"));
        let unknown = known("brand", "trabant", ["LAND ROVER", "KIA"]).unwrap_err();
        assert_eq!(unknown.message, "\"trabant\" is not one of KIA, LAND ROVER");
    }
}
