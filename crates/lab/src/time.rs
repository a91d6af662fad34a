//! The lab's own calendar arithmetic: UTC only, and so plain that it can be checked by reading. It shares nothing with
//! the server's, because the checker has to disagree when that one is wrong.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An instant of the wall clock: microseconds since 1970 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A timestamp as a calendar and a clock on the wall show it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 1 is Monday, 7 is Sunday.
    pub weekday: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// Microseconds of the second.
    pub micro: u32,
}

impl Timestamp {
    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970, the form of unified events.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// Date and time of day.
    pub fn civil(self) -> Civil {
        let days = self.0.div_euclid(DAY);
        let rest = self.0.rem_euclid(DAY);
        let (year, day_of_year) = year_of(days);
        let (month, day) = month_of(year, day_of_year);
        Civil {
            year,
            month,
            day,
            // 1970-01-01 was a Thursday, the fourth day.
            weekday: u32::try_from((days + 3).rem_euclid(7) + 1).expect("1 to 7"),
            hour: part(rest, HOUR, 24),
            minute: part(rest, MINUTE, 60),
            second: part(rest, SECOND, 60),
            micro: part(rest, 1, SECOND),
        }
    }

    /// The whole hour at or before.
    pub(crate) fn hour_floor(self) -> Self {
        Self(self.0.div_euclid(HOUR) * HOUR)
    }
}

/// How many `unit`s there are in `rest`, of which `size` make the next larger unit.
fn part(rest: i64, unit: i64, size: i64) -> u32 {
    u32::try_from(rest / unit % size).expect("smaller than the size")
}

/// Whether the year has a 29th of February.
pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

/// How many days a month has.
pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Walks year by year from 1970 to the day, and gives the day of that year from 0.
fn year_of(days_since_1970: i64) -> (i64, i64) {
    let (mut year, mut days) = (1970, days_since_1970);
    while days < 0 {
        year -= 1;
        days += days_in_year(year);
    }
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    (year, days)
}

/// Walks month by month to the day of the year.
fn month_of(year: i64, day_of_year: i64) -> (u32, u32) {
    let mut days = u32::try_from(day_of_year).expect("less than 366");
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    (month, days + 1)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_micros().try_into().unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_micros().try_into().unwrap_or(i64::MAX)))
    }
}

/// ISO 8601 with milliseconds, as v2 bodies have it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, micro, .. } = self.civil();
        let milli = micro / 1_000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not an ISO 8601 instant in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an instant: 2024-05-01T16:00:00.000Z is the form")
    }
}

impl std::error::Error for NotATime {}

/// Reads `2024-05-01T16:01:12.345Z`; the fraction may be absent or longer.
impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let text = text.strip_suffix('Z').ok_or(NotATime)?;
        let (date, time) = text.split_once('T').ok_or(NotATime)?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
        let [year, month, day] = numbers(date, '-')?;
        let [hour, minute, second] = numbers(time, ':')?;
        if !(1970..=9999).contains(&year)
            || !(1..=12).contains(&month)
            || hour > 23
            || minute > 59
            || second > 59
        {
            return Err(NotATime);
        }
        let month = u32::try_from(month).map_err(|_| NotATime)?;
        if day < 1 || day > i64::from(days_in_month(year, month)) {
            return Err(NotATime);
        }
        let years: i64 = (1970..year).map(days_in_year).sum();
        let months: i64 = (1..month).map(|month| i64::from(days_in_month(year, month))).sum();
        let days = years + months + day - 1;
        Ok(Self(days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + micros_of(fraction)?))
    }
}

fn numbers(text: &str, separator: char) -> Result<[i64; 3], NotATime> {
    let mut parts = text.split(separator);
    let mut next = || {
        let digits = parts.next().filter(|part| part.bytes().all(|b| b.is_ascii_digit())).ok_or(NotATime)?;
        digits.parse().map_err(|_| NotATime)
    };
    let found = [next()?, next()?, next()?];
    if parts.next().is_some() { Err(NotATime) } else { Ok(found) }
}

fn micros_of(fraction: &str) -> Result<i64, NotATime> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotATime);
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    six.parse().map_err(|_| NotATime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_printing_and_reading() {
        for text in ["1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.999Z", "2038-01-19T03:14:08.000Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_known_instant_has_the_known_number() {
        let at: Timestamp = "2024-05-01T16:01:12.345Z".parse().unwrap();
        assert_eq!(at.micros(), 1_714_579_272_345_000);
        assert_eq!(at.civil().weekday, 3, "a Wednesday");
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in
            ["2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-05-01T24:00:00Z", "2024-05-01 16:00:00Z"]
        {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn a_day_before_1970_is_walked_back_to() {
        let civil = Timestamp::from_micros(-1).civil();
        assert_eq!((civil.year, civil.month, civil.day, civil.hour, civil.weekday), (1969, 12, 31, 23, 3));
    }
}
