//! Cadences: the moments at which a scheduled webhook is due, its slots.
//!
//! Slots follow from the plan and from nothing else: not from when somebody last looked, and not from a stored list.
//! So none comes early, twice or not at all, and a time zone whose rules change keeps its local meaning, because the
//! zone is looked up by name in each computation.
//!
//! | cadence | slots |
//! | --- | --- |
//! | every N hours | the hours of the UTC day that N divides: with 5, at 00, 05, 10, 15 and 20 |
//! | daily, weekly, monthly | the chosen hour of each day, of one weekday, of one day of the month (the last day of a shorter month), in a zone |
//!
//! In a zone, the slot of a day is **the first moment at which the zone's clock shows the chosen hour of that day or a
//! later one**. Three rules follow:
//!
//! - an hour that is skipped (daylight saving begins): the slot is the moment right after the gap, even where that is
//!   midnight of the next day;
//! - an hour that comes twice (daylight saving ends): the slot is the first of the two, so each day has one;
//! - a day that a zone left out as a whole (Apia has no 2011-12-30) has no slot, and neither has the week or the month
//!   whose chosen day it was.
//!
//! Wall-clock time has no leap seconds. The calendar covers the years 1 to 9998; after its last slot comes
//! [`Timestamp::NEVER`].

mod calendar;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
mod zone;

use std::{fmt, str::FromStr};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::time::Timestamp;
use calendar::Slots;
pub use zone::Zone;

/// When a scheduled webhook is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cadence {
    repeats: Repeats,
    hour: u8,
    zone: Zone,
}

/// How often a cadence comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Repeats {
    /// At the hours of the UTC day that the number divides: `1..=24`.
    #[n(0)]
    EveryHours(#[n(0)] u8),
    /// Each day.
    #[n(1)]
    Daily,
    /// One day of the week.
    #[n(2)]
    Weekly(#[n(0)] Weekday),
    /// One day of the month, `1..=31`; the last one when the month is shorter.
    #[n(3)]
    Monthly(#[n(0)] u8),
}

/// A day of the week. The discriminant is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
#[allow(missing_docs, reason = "each is its name")]
pub enum Weekday {
    #[n(0)]
    Monday,
    #[n(1)]
    Tuesday,
    #[n(2)]
    Wednesday,
    #[n(3)]
    Thursday,
    #[n(4)]
    Friday,
    #[n(5)]
    Saturday,
    #[n(6)]
    Sunday,
}

/// Why there is no such cadence. The texts say what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CadenceRefused {
    /// Not a number of hours that fits into a day.
    #[error("a cadence of every {0} hours is not possible; choose 1 to 24, or a daily cadence")]
    Hours(u8),
    /// Not an hour of the day.
    #[error("there is no hour {0} in a day; choose 0 to 23")]
    HourOfDay(u8),
    /// Not a day of any month.
    #[error("no month has a day {0}; choose 1 to 31 (31 is the last day of every month)")]
    DayOfMonth(u8),
    /// An hour of the day for a cadence that comes at several.
    #[error(
        "a cadence of every few hours has no hour of the day; leave it out, or choose daily, weekly or monthly"
    )]
    HourlyAtHour,
    /// A zone for a cadence that counts UTC hours.
    #[error(
        "a cadence of every few hours counts the hours of UTC; leave the time zone out, or choose daily, weekly or monthly"
    )]
    HourlyInZone,
    /// Not a zone of the IANA database.
    #[error("there is no time zone {0:?}; write an IANA name such as Europe/Berlin, or UTC")]
    Zone(String),
    /// Not a day of the week.
    #[error("{0:?} is not a day of the week; write monday to sunday")]
    Weekday(String),
}

impl Cadence {
    /// At the hours of the UTC day that `hours` divides.
    ///
    /// # Errors
    ///
    /// Unless `hours` is `1..=24`.
    pub fn every_hours(hours: u8) -> Result<Self, CadenceRefused> {
        Self::new(Repeats::EveryHours(hours), 0, Zone::Utc)
    }

    /// Each day at 00:00 UTC.
    pub const fn daily() -> Self {
        Self { repeats: Repeats::Daily, hour: 0, zone: Zone::Utc }
    }

    /// Each week on a day at 00:00 UTC.
    pub const fn weekly(day: Weekday) -> Self {
        Self { repeats: Repeats::Weekly(day), hour: 0, zone: Zone::Utc }
    }

    /// Each month on a day at 00:00 UTC, on the last day of a shorter month.
    ///
    /// # Errors
    ///
    /// Unless `day` is `1..=31`.
    pub fn monthly(day: u8) -> Result<Self, CadenceRefused> {
        Self::new(Repeats::Monthly(day), 0, Zone::Utc)
    }

    /// The same cadence at another hour of the day, `0..=23`.
    ///
    /// # Errors
    ///
    /// When there is no such hour, or the cadence is one of every few hours.
    pub fn at_hour(self, hour: u8) -> Result<Self, CadenceRefused> {
        match self.repeats {
            Repeats::EveryHours(_) => Err(CadenceRefused::HourlyAtHour),
            _ => Self::new(self.repeats, hour, self.zone),
        }
    }

    /// The same cadence by the clock of another zone.
    ///
    /// # Errors
    ///
    /// When the cadence is one of every few hours, which are those of UTC.
    pub fn in_zone(self, zone: Zone) -> Result<Self, CadenceRefused> {
        Self::new(self.repeats, self.hour, zone)
    }

    /// All parts at once.
    ///
    /// # Errors
    ///
    /// When a part is out of its range, or does not go with the others.
    pub fn new(repeats: Repeats, hour: u8, zone: Zone) -> Result<Self, CadenceRefused> {
        match repeats {
            _ if hour > 23 => Err(CadenceRefused::HourOfDay(hour)),
            Repeats::EveryHours(hours) if !(1..=24).contains(&hours) => Err(CadenceRefused::Hours(hours)),
            Repeats::EveryHours(_) if hour != 0 => Err(CadenceRefused::HourlyAtHour),
            Repeats::EveryHours(_) if zone != Zone::Utc => Err(CadenceRefused::HourlyInZone),
            Repeats::Monthly(day) if !(1..=31).contains(&day) => Err(CadenceRefused::DayOfMonth(day)),
            _ => Ok(Self { repeats, hour, zone }),
        }
    }

    /// How often it comes.
    pub const fn repeats(&self) -> Repeats {
        self.repeats
    }

    /// The hour of the day, `0..=23`; 0 for a cadence of every few hours.
    pub const fn hour(&self) -> u8 {
        self.hour
    }

    /// The zone whose clock counts.
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first slot strictly later than `at`.
    pub fn next_after(&self, at: Timestamp) -> Timestamp {
        self.slots().next_after(at)
    }

    /// The newest slot that is not later than `at`; none before the calendar begins.
    pub fn latest_at_or_before(&self, at: Timestamp) -> Option<Timestamp> {
        self.slots().latest_at_or_before(at)
    }

    /// How many slots are later than `after` and not later than `until`: at a cost that does not grow with their number.
    pub fn count_between(&self, after: Timestamp, until: Timestamp) -> u64 {
        self.slots().count_between(after, until)
    }

    fn slots(&self) -> Slots {
        Slots::new(self.repeats, self.hour, &self.zone)
    }
}

impl Weekday {
    /// Monday to Sunday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The English name: `Monday`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "Monday",
            Self::Tuesday => "Tuesday",
            Self::Wednesday => "Wednesday",
            Self::Thursday => "Thursday",
            Self::Friday => "Friday",
            Self::Saturday => "Saturday",
            Self::Sunday => "Sunday",
        }
    }
}

/// Accepts the English name in any case.
impl FromStr for Weekday {
    type Err = CadenceRefused;

    fn from_str(text: &str) -> Result<Self, CadenceRefused> {
        Self::ALL
            .into_iter()
            .find(|day| day.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| CadenceRefused::Weekday(text.to_owned()))
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// For people: `every 2 hours`, `weekly on Monday at 06:00 Europe/Berlin`.
impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.repeats {
            Repeats::EveryHours(1) => return f.write_str("every hour"),
            Repeats::EveryHours(hours) => return write!(f, "every {hours} hours"),
            Repeats::Daily => f.write_str("daily")?,
            Repeats::Weekly(day) => write!(f, "weekly on {day}")?,
            Repeats::Monthly(day) => write!(f, "monthly on day {day}")?,
        }
        write!(f, " at {:02}:00 {}", self.hour, self.zone)
    }
}

/// The stored form. Numbers are never reused.
#[derive(Encode, Decode)]
struct Stored {
    #[n(0)]
    repeats: Repeats,
    #[n(1)]
    hour: u8,
    #[n(2)]
    zone: Zone,
}

impl<C> Encode<C> for Cadence {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), encode::Error<W::Error>> {
        Stored { repeats: self.repeats, hour: self.hour, zone: self.zone.clone() }.encode(e, c)
    }
}

/// Refuses what the constructors refuse, so that no stored byte can make a slot out of nonsense.
impl<'b, C> Decode<'b, C> for Cadence {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, decode::Error> {
        let Stored { repeats, hour, zone } = Stored::decode(d, c)?;
        Self::new(repeats, hour, zone).map_err(decode::Error::custom)
    }
}
