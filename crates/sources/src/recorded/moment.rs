//! Times as recorders write them, as moments.
//!
//! A time without an offset belongs to a time zone. In the hour that a zone's clock shows twice, the order of the rows
//! says which of both is meant, so a reading of such a time has two moments until the order is known. A time that a
//! zone's clock skips is taken as if the clock had not been moved.

use domain::time::Timestamp;
use jiff::{
    SignedDuration, civil,
    tz::{Offset, TimeZone},
};

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TimeFormat {
    /// ISO 8601, or a count since 1970 whose size says its unit.
    Auto,
    Rfc3339,
    /// A count since 1970, so many of which make a second.
    Epoch {
        per_second: f64,
    },
    /// Since the start: `29.447`, `00:29.447`, `00:00:29.447`; so many of the plain number make a second.
    Elapsed {
        per_second: f64,
    },
    /// A pattern of `strptime`, with fractions of a second where it has seconds.
    Pattern(String),
}

/// Where a civil time is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Zone {
    Fixed(Offset),
    Named(TimeZone),
}

/// A moment, or two of them for a time that the clock shows twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) second: Option<Timestamp>,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { at, second: None }
    }
}

/// No recording is from before or after: 1900 and 2200. Times beyond are no times.
const EARLIEST: Timestamp = Timestamp::from_secs(-2_208_988_800);
const LATEST: Timestamp = Timestamp::from_secs(7_258_118_400);
/// An offset from UTC is never larger, in microseconds.
const WIDEST_OFFSET: i64 = 26 * 3_600 * 1_000_000;

impl TimeFormat {
    pub(super) const NAMES: &'static str = "auto, rfc3339, epoch-s, epoch-ms, epoch-us, epoch-ns, elapsed, elapsed-s, elapsed-ms, or a pattern such as \"%d.%m.%Y %H:%M:%S\"";

    /// By the name in a column map, or as a pattern; an error says what is wrong with it.
    pub(super) fn from_name(name: &str) -> Result<Self, String> {
        let epoch = |per_second| Self::Epoch { per_second };
        let elapsed = |per_second| Self::Elapsed { per_second };
        Ok(match name {
            "auto" => Self::Auto,
            "rfc3339" | "iso8601" => Self::Rfc3339,
            "epoch-s" => epoch(1.0),
            "epoch-ms" => epoch(1e3),
            "epoch-us" => epoch(1e6),
            "epoch-ns" => epoch(1e9),
            "elapsed" | "elapsed-s" => elapsed(1.0),
            "elapsed-ms" => elapsed(1e3),
            pattern if pattern.contains('%') => Self::Pattern(pattern_of(pattern)?),
            other => return Err(format!("{other:?} is not a time format; write {}", Self::NAMES)),
        })
    }

    /// The moment that cells say; `None` when they cannot be read.
    pub(super) fn parse(&self, text: &str, zone: &Zone, start: Timestamp) -> Option<Moment> {
        let moment = match self {
            Self::Auto => match number(text) {
                Some(count) => epoch(count, guessed_unit(count)?)?.into(),
                None => iso(text, zone)?,
            },
            Self::Rfc3339 => iso(text, zone)?,
            Self::Epoch { per_second } => epoch(number(text)?, *per_second)?.into(),
            Self::Elapsed { per_second } => (start + elapsed(text, *per_second)?).into(),
            Self::Pattern(pattern) => {
                let parsed = jiff::fmt::strtime::parse(pattern, text).ok()?;
                match (parsed.offset(), parsed.to_timestamp()) {
                    (_, Ok(at)) => Timestamp::from_jiff(at).into(),
                    (Some(_), Err(_)) => return None,
                    (None, Err(_)) => zone.moment(parsed.to_datetime().ok()?)?,
                }
            }
        };
        (EARLIEST..LATEST).contains(&moment.at).then_some(moment)
    }
}

/// A pattern that takes fractions of a second, and that can say a date and a time.
fn pattern_of(pattern: &str) -> Result<String, String> {
    let mut wide = String::with_capacity(pattern.len() + 4);
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        wide.push(character);
        if character != '%' {
            continue;
        }
        let Some(directive) = characters.next() else { break };
        wide.push(directive);
        let rest: String = characters.clone().take(3).collect();
        let has_fraction = [".%f", "%.f", ",%f"].iter().any(|fraction| rest.starts_with(fraction));
        if matches!(directive, 'S' | 'T') && !has_fraction {
            wide.push_str("%.f");
        }
    }
    // A pattern is tried with a moment that it has written itself.
    let example =
        civil::datetime(2026, 5, 17, 13, 24, 35, 0).to_zoned(TimeZone::UTC).map_err(|_| String::new());
    let example =
        example.and_then(|example| jiff::fmt::strtime::format(&wide, &example).map_err(|e| e.to_string()));
    let parsed = example.and_then(|text| {
        let parsed = jiff::fmt::strtime::parse(&wide, &text).map_err(|error| error.to_string())?;
        parsed.to_datetime().map(drop).or_else(|_| parsed.to_timestamp().map(drop)).map_err(|e| e.to_string())
    });
    match parsed {
        Ok(()) => Ok(wide),
        Err(error) => {
            Err(format!("the pattern {pattern:?} does not describe a date and a time of day: {error}"))
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// How many of a count since 1970 make a second: seconds have ten digits, milliseconds thirteen, and so on.
fn guessed_unit(count: f64) -> Option<f64> {
    Some(match count.abs() {
        1e8..1e11 => 1.0,
        1e11..1e14 => 1e3,
        1e14..1e17 => 1e6,
        1e17..1e20 => 1e9,
        _ => return None,
    })
}

fn epoch(count: f64, per_second: f64) -> Option<Timestamp> {
    let micros = count / per_second * 1e6;
    (micros.abs() < LATEST.as_micros() as f64).then(|| Timestamp::from_micros(micros.round() as i64))
}

/// `29.447`, `00:29.447`, `100:00:29.447`, with a comma, too.
fn elapsed(text: &str, per_second: f64) -> Option<std::time::Duration> {
    let text = text.replace(',', ".");
    let seconds = match text.rsplit_once(':') {
        None => number(&text)? / per_second,
        Some((front, seconds)) => {
            let whole = |part: &str| part.trim().parse::<u32>().ok().map(f64::from);
            let minutes = match front.split_once(':') {
                None => whole(front)?,
                Some((hours, minutes)) => whole(hours)? * 60.0 + whole(minutes).filter(|&m| m < 60.0)?,
            };
            minutes * 60.0 + number(seconds).filter(|seconds| (0.0..61.0).contains(seconds))?
        }
    };
    let micros = (seconds * 1e6).round();
    (0.0..1e16).contains(&micros).then(|| std::time::Duration::from_micros(micros as u64))
}

/// ISO 8601 with or without an offset; a blank instead of the T, and a comma before the fraction, are usual.
fn iso(text: &str, zone: &Zone) -> Option<Moment> {
    if let Some(at) = Timestamp::parse(text) {
        return Some(at.into());
    }
    // `2026-05-01 10:00:00 +0200`, `2026-05-01 10:00:00 UTC`
    let joined = text.strip_suffix("UTC").map(|rest| format!("{}Z", rest.trim_end()));
    let joined = joined.or_else(|| text.rsplit_once(" +").map(|(front, offset)| format!("{front}+{offset}")));
    if let Some(at) = joined.and_then(|text| Timestamp::parse(&text)) {
        return Some(at.into());
    }
    zone.moment(text.parse::<civil::DateTime>().ok().filter(|_| text.contains(':'))?)
}

impl Zone {
    pub(super) const UTC: Self = Self::Fixed(Offset::UTC);

    /// `Europe/Berlin`, `UTC`, `+02:00`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        if name.starts_with(['+', '-']) {
            let digits: String = name[1..].chars().filter(|&c| c != ':').collect();
            let [hours, minutes] = match digits.len() {
                2 => [digits.parse().ok()?, 0],
                4 if digits.is_ascii() => [digits[..2].parse().ok()?, digits[2..].parse().ok()?],
                _ => return None,
            };
            let seconds: i32 = hours * 3_600 + minutes * 60;
            let signed = if name.starts_with('-') { -seconds } else { seconds };
            return (minutes < 60).then(|| Offset::from_seconds(signed).ok().map(Self::Fixed))?;
        }
        let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())?;
        Some(Self::Named(zone))
    }

    /// When the zone's clock shows a time.
    ///
    /// This asks only which offset holds from when: `jiff` errs the other way, from a local time to its offset, at a
    /// change after which a yearly rule takes over (America/Nuuk, 2023-10-28T23:00).
    fn moment(&self, shown: civil::DateTime) -> Option<Moment> {
        let shown = Offset::UTC.to_timestamp(shown).ok()?.as_microsecond();
        let zone = match self {
            Self::Fixed(offset) => {
                let at = shown - i64::from(offset.seconds()) * 1_000_000;
                return Some(Timestamp::from_micros(at).into());
            }
            Self::Named(zone) => zone,
        };
        let instant = |micros| jiff::Timestamp::from_microsecond(micros).ok();
        let offset = |at| Some(i64::from(zone.to_offset(at).seconds()) * 1_000_000);
        let mut from = instant(shown.checked_sub(WIDEST_OFFSET)?)?;
        let until = instant(shown.checked_add(WIDEST_OFFSET)?)?;
        let (mut first, mut second) = (None, None);
        let mut before = offset(from)?;
        let changes = zone.following(from).map(|change| change.timestamp());
        // The stretches of one offset around the time; few zones have more than two in two days.
        for change in changes.take_while(|&change| change <= until).take(16).chain([until]) {
            let at = instant(shown - offset(from)?)?;
            if (from..change).contains(&at) {
                match first {
                    None => first = Some(at),
                    Some(_) => second = second.or(Some(at)),
                }
            } else if first.is_none() && at < from {
                // The clock was moved over this time: as if it had not been.
                first = Some(instant(shown - before)?);
            }
            before = offset(from)?;
            from = change;
        }
        let at = Timestamp::from_jiff(first?);
        Some(Moment { at, second: second.map(Timestamp::from_jiff) })
    }
}

/// A moment that may be this much before the one of the row before without being an hour later: rows are not always
/// in their order.
const JITTER: SignedDuration = SignedDuration::from_secs(60);

/// The one of both moments that follows the row before.
pub(super) fn after(before: Option<Timestamp>, moment: Moment) -> Timestamp {
    match (before, moment.second) {
        (Some(before), Some(second))
            if moment.at.as_micros() < before.as_micros() - JITTER.as_micros() as i64 =>
        {
            second
        }
        _ => moment.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, zone: &str, text: &str) -> Option<String> {
        let (format, zone) = (TimeFormat::from_name(format).unwrap(), Zone::from_name(zone).unwrap());
        let start = "2026-05-01T10:00:00Z".parse().map(Timestamp::from_jiff).unwrap();
        let moment = format.parse(text, &zone, start)?;
        let second = moment.second.map(|second| format!(" or {second}")).unwrap_or_default();
        Some(format!("{}{second}", moment.at))
    }

    #[test]
    fn a_time_is_read_in_every_form() {
        let expected = Some("2021-07-01T10:34:36.500Z".to_owned());
        for (format, text) in [
            ("%m/%d/%Y %H:%M:%S", "7/1/2021 10:34:36.5"),
            ("%Y-%m-%d %H:%M:%S %z", "2021-07-01 12:34:36.5 +0200"),
            ("%d-%b-%Y %T", "01-Jul-2021 10:34:36.500"),
            ("%d.%m.%Y %I:%M:%S%.f %p", "01.07.2021 10:34:36.5 AM"),
            ("rfc3339", "2021-07-01T12:34:36.5+02:00"),
            ("rfc3339", "2021-07-01 10:34:36.5"),
            ("auto", "2021-07-01 10:34:36.5Z"),
            ("auto", "2021-07-01 10:34:36.5 UTC"),
            ("auto", "2021-07-01 12:34:36,5 +02:00"),
            ("auto", "1625135676.5"),
            ("auto", "1625135676500"),
            ("auto", "1625135676500000"),
            ("auto", "1625135676500000000"),
            ("epoch-s", "1625135676.5"),
            ("epoch-ms", "1625135676500"),
            ("epoch-us", "1625135676500000"),
            ("epoch-ns", "1625135676500000000"),
        ] {
            assert_eq!(read(format, "UTC", text), expected, "{format} {text}");
        }
        assert_eq!(read("%m/%d/%Y %H:%M", "UTC", "7/1/2021 10:34"), Some("2021-07-01T10:34:00.000Z".into()));
    }

    #[test]
    fn elapsed_time_counts_from_the_start() {
        for (format, text) in [
            ("elapsed", "00:00:29.447"),
            ("elapsed", "0:29,447"),
            ("elapsed", "29.447"),
            ("elapsed-ms", "29447"),
        ] {
            assert_eq!(read(format, "UTC", text), Some("2026-05-01T10:00:29.447Z".into()), "{text}");
        }
        assert_eq!(read("elapsed", "UTC", "100:00:00"), Some("2026-05-05T14:00:00.000Z".into()));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for (format, text) in [
            ("%m/%d/%Y %H:%M:%S", "13/1/2021 10:34:36"),
            ("%m/%d/%Y %H:%M:%S", "7/1/2021 10:61:36"),
            ("rfc3339", "yesterday"),
            ("rfc3339", "2021-07-01"),
            ("auto", "7"),
            ("auto", ""),
            ("epoch-s", "1e300"),
            ("epoch-s", "NaN"),
            ("epoch-s", "inf"),
            ("epoch-ms", ""),
            ("elapsed", "-1"),
            ("elapsed", "1:99:00"),
            ("elapsed", "nan"),
        ] {
            assert_eq!(read(format, "UTC", text), None, "{format} {text}");
        }
    }

    #[test]
    fn a_format_that_says_no_moment_is_refused() {
        for format in ["%H:%M:%S", "%Y-%m", "%Y-%m-%d %!", "HH:mm", ""] {
            assert!(TimeFormat::from_name(format).is_err(), "{format}");
        }
    }

    #[test]
    fn local_times_follow_their_zone() {
        for (zone, text, expected) in [
            ("Europe/Berlin", "2026-07-01 12:00:00", "2026-07-01T10:00:00.000Z"),
            ("+05:30", "2026-07-01 12:00:00", "2026-07-01T06:30:00.000Z"),
            ("-0330", "2026-07-01 12:00:00", "2026-07-01T15:30:00.000Z"),
            // Shown twice.
            ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00.000Z or 2026-10-25T01:30:00.000Z"),
            ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25T02:00:00.000Z"),
            (
                "Australia/Lord_Howe",
                "2026-04-05 01:45:00",
                "2026-04-04T14:45:00.000Z or 2026-04-04T15:15:00.000Z",
            ),
            // Skipped.
            ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00.000Z"),
            ("Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29T01:00:00.000Z"),
            ("America/Nuuk", "2023-10-28 23:30:00", "2023-10-29T01:30:00.000Z"),
            ("America/Nuuk", "2023-10-28 22:30:00", "2023-10-29T00:30:00.000Z"),
        ] {
            assert_eq!(read("auto", zone, text).as_deref(), Some(expected), "{zone} {text}");
        }
        assert_eq!(Zone::from_name("Middle/Earth"), None);
        assert_eq!(Zone::from_name("+1"), None);
    }

    #[test]
    fn a_moment_is_when_the_zone_shows_its_time() {
        for name in ["Europe/Berlin", "America/Nuuk", "Australia/Lord_Howe"] {
            let (zone, rules) = (Zone::from_name(name).unwrap(), TimeZone::get(name).unwrap());
            for half_hours in (0..366 * 48).step_by(7) {
                let at = jiff::Timestamp::from_second(1_672_531_200 + half_hours * 1_800).unwrap();
                let moment = zone.moment(rules.to_datetime(at)).unwrap();
                let here = Timestamp::from_jiff(at);
                assert!(moment.at == here || moment.second == Some(here), "{name} {at} {moment:?}");
            }
        }
    }
}
