//! Time zones by their IANA name.

use std::{fmt, str::FromStr, sync::Arc};

use jiff::tz::TimeZone;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::CadenceRefused;

/// A time zone that this program knows, kept and stored by name: its rules are looked up when they are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Coordinated universal time, which needs no rules.
    #[default]
    Utc,
    /// Any other, under the spelling of the IANA database.
    Named(ZoneName),
}

/// A name that was found in the IANA database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ZoneName(Arc<str>);

impl Zone {
    /// The IANA name: `UTC`, `Europe/Berlin`.
    pub fn name(&self) -> &str {
        match self {
            Self::Utc => "UTC",
            Self::Named(ZoneName(name)) => name,
        }
    }
}

impl ZoneName {
    /// The zone's rules as this program has them.
    pub(super) fn rules(&self) -> TimeZone {
        TimeZone::get(&self.0)
            .expect("the name was found when it was made, and the database is part of the program")
    }
}

/// Accepts an IANA name in any case.
impl FromStr for Zone {
    type Err = CadenceRefused;

    fn from_str(text: &str) -> Result<Self, CadenceRefused> {
        let refused = || CadenceRefused::Zone(text.to_owned());
        let rules = TimeZone::get(text).map_err(|_| refused())?;
        match rules.iana_name() {
            Some("UTC") => Ok(Self::Utc),
            Some(name) if !rules.is_unknown() => Ok(Self::Named(ZoneName(name.into()))),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<C> Encode<C> for Zone {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(self.name())?.ok()
    }
}

/// Fails for a zone that only a newer program knows: a guess would send at a wrong hour.
impl<'b, C> Decode<'b, C> for Zone {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.str()?.parse().map_err(decode::Error::custom)
    }
}
