//! Options that all long lists have, and values that many options take.

use std::net::SocketAddr;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

/// Items that a list shows unless it is asked for others.
const USUAL: u32 = 50;

/// Which part of a list to show.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Paging {
    /// Show at most so many items [default: 50]
    #[arg(long, value_name = "N", value_parser = positive::<u32>, help_heading = "Pages")]
    pub limit: Option<u32>,
    /// Go on where another page ended: the cursor that it printed
    #[arg(long, help_heading = "Pages")]
    pub cursor: Option<String>,
    /// Show all items
    #[arg(long, conflicts_with = "limit", help_heading = "Pages")]
    pub all: bool,
}

impl Paging {
    /// How many items are wanted; `None` for all.
    pub(crate) fn wanted(&self) -> Option<usize> {
        (!self.all).then(|| self.limit.unwrap_or(USUAL) as usize)
    }
}

/// Takes one of these words in any case, and writes it as the server does.
pub(crate) fn one_of(words: &'static [&'static str]) -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(words).map(move |given| {
        let known = words.iter().find(|word| word.eq_ignore_ascii_case(&given));
        known.map_or(given, |word| (*word).to_owned())
    })
}

/// A whole number from 1.
///
/// # Errors
///
/// Says what is wanted.
pub(crate) fn positive<T: std::str::FromStr + From<u8> + PartialOrd>(text: &str) -> Result<T, String> {
    let number = text.trim().parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| "a whole number from 1 is needed".into())
}

/// Where to listen.
///
/// # Errors
///
/// Says what an address looks like.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| "an address with a port is needed, such as 127.0.0.1:8080".into())
}

/// A secret or an address without the line end of the file that a variable was filled from.
pub(crate) fn trimmed(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.trim().to_owned())
}

/// An id as the server prints it.
///
/// # Errors
///
/// Says what an id looks like.
pub(crate) fn id(text: &str) -> Result<String, String> {
    let id = text.trim();
    match !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        true => Ok(id.to_owned()),
        false => Err("an id looks like 0190a8c8-0000-7000-8000-000000000000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_has_a_port() {
        assert!(address(" 127.0.0.1:0\n").is_ok() && address("[::1]:8080").is_ok());
        for wrong in ["", "8080", ":8080", "localhost:8080", "127.0.0.1"] {
            assert!(address(wrong).unwrap_err().contains("127.0.0.1:8080"), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_not_a_number_of_things() {
        assert_eq!(positive::<u64>(" 3"), Ok(3));
        for wrong in ["0", "-1", "1.5", "x", "99999999999999999999"] {
            assert_eq!(positive::<u64>(wrong), Err("a whole number from 1 is needed".into()), "{wrong}");
        }
    }

    #[test]
    fn what_is_typed_as_an_id_cannot_lead_to_another_path() {
        assert_eq!(
            id(" 0190a8c8-0000-7000-8000-000000000000\n").as_deref(),
            Ok("0190a8c8-0000-7000-8000-000000000000")
        );
        for wrong in ["", " ", "../applications", "a/b", "a?b", "ä"] {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }
}
