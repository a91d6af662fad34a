//! Identifiers as the wire has them: 36 characters, 128 bits.

use std::fmt;
use std::str::FromStr;

/// The id of a webhook, a vehicle or an event. The lab gives them no meaning: it compares and prints them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u128);

impl Id {
    /// Characters of the text form.
    pub const LENGTH: usize = 36;

    /// The last eight digits, to tell ids apart on a screen: ids are time-ordered, their beginnings look alike.
    pub fn short(self) -> String {
        format!("{:08x}", self.0 & 0xffff_ffff)
    }

    /// Reads the text form from bytes.
    pub fn from_bytes(text: &[u8]) -> Option<Self> {
        if text.len() != Self::LENGTH {
            return None;
        }
        let mut value = 0;
        for (position, &byte) in text.iter().enumerate() {
            match (position, byte) {
                (8 | 13 | 18 | 23, b'-') => {}
                (8 | 13 | 18 | 23, _) => return None,
                _ => value = value << 4 | u128::from(char::from(byte).to_digit(16)?),
            }
        }
        Some(Self(value))
    }
}

/// The text was not 36 characters of a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id: 36 characters of hexadecimal digits and hyphens are needed")
    }
}

impl std::error::Error for NotAnId {}

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Self::from_bytes(text.as_bytes()).ok_or(NotAnId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            v >> 80 & 0xffff,
            v >> 64 & 0xffff,
            v >> 48 & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_reading_and_printing() {
        let text = "0190f3b2-7c1e-7d4a-8f00-0123456789ab";
        let id: Id = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.short(), "456789ab");
    }

    #[test]
    fn text_that_is_no_uuid_is_no_id() {
        for text in ["", "0190f3b27c1e7d4a8f000123456789ab", "0190f3b2-7c1e-7d4a-8f00-0123456789ag"] {
            assert_eq!(text.parse::<Id>(), Err(NotAnId), "{text}");
        }
    }
}
