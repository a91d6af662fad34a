//! Wall-clock time: UTC microseconds.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A moment: microseconds since 1970-01-01T00:00:00Z, without leap seconds. What is stored and compared.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than anything that is scheduled.
    pub const NEVER: Self = Self(i64::MAX);

    /// 2010-01-01: what says that it was measured before comes from a clock that was not set.
    pub const EARLIEST_MEASURED: Self = Self::from_secs(1_262_304_000);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970; saturates.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From whole seconds since 1970; saturates.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since 1970, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The calendar's form of the moment, held within the years that the calendar knows.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// The moment, unless it stands for "never" or "not yet": those lie outside of the years that the calendar knows.
    pub fn in_calendar(self) -> Option<Self> {
        jiff::Timestamp::from_microsecond(self.0).is_ok().then_some(self)
    }

    /// The calendar month in UTC, counted from January of year 0.
    pub fn month(self) -> u32 {
        let date = jiff::tz::Offset::UTC.to_datetime(self.to_jiff());
        u32::try_from(i32::from(date.year()) * 12 + i32::from(date.month()) - 1).unwrap_or(0)
    }

    /// From text of RFC 3339, or of ISO 8601 with an offset, as recorders and brokers write it: any number of digits of a second
    /// (what is finer than a nanosecond is cut off), and `24:00:00` for the end of a day.
    pub fn parse(text: &str) -> Option<Self> {
        /// Digits of a second that the calendar takes.
        const FINEST: usize = 9;
        let text = text.trim();
        // The calendar knows offsets of up to 25 hours; RFC 3339 has none of 24 or more.
        let offset = text.get(19..).and_then(|rest| rest.rsplit_once(['+', '-']));
        let hours = offset.and_then(|(_, offset)| offset.get(..2)?.parse::<u8>().ok());
        if hours.is_some_and(|hours| hours > 23) {
            return None;
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Some(Self::from_jiff(at));
        }
        let (front, fraction) = match text.find(['.', ',']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let digits = fraction.len()
            - fraction.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',')).len();
        let cut = if digits > FINEST + 1 {
            format!("{front}{}{}", &fraction[..=FINEST], &fraction[digits..])
        } else {
            text.to_owned()
        };
        // The date has ten characters; what comes after the T or blank is the time of day.
        let is_end_of_day = cut.get(11..19) == Some("24:00:00")
            && cut.get(19..).is_some_and(|rest| {
                let rest = rest.trim_start_matches(['.', ',']);
                rest.trim_start_matches('0').starts_with(['Z', 'z', '+', '-', ' '])
            });
        if !is_end_of_day {
            return cut.parse::<jiff::Timestamp>().ok().map(Self::from_jiff);
        }
        let midnight = format!("{}00:00:00{}", &cut[..11], &cut[19..]);
        let midnight = Self::from_jiff(midnight.parse::<jiff::Timestamp>().ok()?);
        Some(midnight + Duration::from_secs(24 * 60 * 60))
    }

    /// From text as [`Self::parse`] takes it, or from a number since 1970 in seconds or their thousandths, millionths or
    /// billionths, which its size tells apart. None outside of the years 2000 to 2099.
    pub fn read(text: &str) -> Option<Self> {
        /// 2000-01-01 and 2100-01-01, in seconds.
        const YEARS: std::ops::Range<i64> = 946_684_800..4_102_444_800;
        let text = text.trim();
        let at = match text.parse::<f64>() {
            Ok(number) => [1e6, 1e3, 1.0, 1e-3].into_iter().find_map(|micros| {
                // Whole units first, so that the fraction of a large number is not lost in its size.
                let fraction = (number.fract() * micros).round() as i64;
                let at = ((number.trunc() * micros) as i64).saturating_add(fraction);
                YEARS.contains(&at.div_euclid(1_000_000)).then(|| Self::from_micros(at))
            }),
            Err(_) => Self::parse(text),
        };
        at.filter(|at| YEARS.contains(&at.as_secs()))
    }

    /// From the calendar's form.
    pub fn from_jiff(at: jiff::Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// The form of the wire: `2024-05-01T16:01:12.345Z`, always three digits of a second.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::tz::Offset::UTC.to_datetime(self.to_jiff());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<C> minicbor::Encode<C> for Timestamp {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.i64(self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Timestamp {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.i64().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_the_wire_writes_them() {
        assert_eq!(Timestamp::from_millis(1_714_579_272_345).to_string(), "2024-05-01T16:01:12.345Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn moments_are_read_as_recorders_write_them() {
        let seconds = |text: &str| Timestamp::parse(text).map(|at| at.as_micros() as f64 / 1e6);
        let noon = 1_777_629_600.0;
        for (text, expected) in [
            ("2026-05-01T10:00:00Z", Some(noon)),
            ("2026-05-01T12:00:00+02:00", Some(noon)),
            ("2026-05-01T10:00:00.1234567891234567Z", Some(noon + 0.123_456)),
            ("2026-05-01T10:00:00,5000000000000+00:00", Some(noon + 0.5)),
            ("2026-04-30T24:00:00Z", Some(noon - 36_000.0)),
            ("2026-04-30T24:00:00.000Z", Some(noon - 36_000.0)),
            ("2026-04-30T24:00:00+02:00", Some(noon - 43_200.0)),
            ("2026-12-31t24:00:00z", Some(1_798_761_600.0)),
            ("2026-04-30T24:00:01Z", None),
            ("2026-04-30T24:00:00.5Z", None),
            ("2026-04-30T24:01:00Z", None),
            ("2026-04-30T25:00:00Z", None),
            ("2026-04-30T17:00:00+25:00", None),
            ("2026-04-30T17:00:00.5-24:00", None),
            ("2026-04-31T24:00:00Z", None),
            ("2026-05-01T10:00:00", None),
            ("24:00:00", None),
            ("äöü.123456789123", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates_at_the_ends() {
        assert_eq!(Timestamp::NEVER + Duration::from_secs(1), Timestamp::NEVER);
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(2)), Duration::ZERO);
    }
}
