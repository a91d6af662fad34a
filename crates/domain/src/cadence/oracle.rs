//! What the slots should be, found out the slow way: somebody watches a wall clock, minute after minute.
//!
//! This shares nothing with the arithmetic that it judges. It asks the zone only which offset holds at an instant, never
//! which instant a local time is; it keeps its own calendar.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

/// The slot of a day by a zone's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) date: Date,
    pub(super) hour: i64,
    /// Seconds since 1970.
    pub(super) second: i64,
}

/// A day, as a page of a tear-off calendar shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    /// Since 1970-01-01.
    pub(super) number: i64,
}

impl Date {
    /// 1900-01-01, a Monday.
    pub(super) const START: Self = Self { year: 1900, month: 1, day: 1, number: -25_567 };

    /// The next page.
    pub(super) fn tomorrow(self) -> Self {
        let number = self.number + 1;
        match self {
            Self { month: 12, day: 31, year, .. } => Self { year: year + 1, month: 1, day: 1, number },
            _ if self.is_last_of_month() => Self { month: self.month + 1, day: 1, number, ..self },
            _ => Self { day: self.day + 1, number, ..self },
        }
    }

    pub(super) fn is_last_of_month(self) -> bool {
        let leap_year = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let length = match self.month {
            2 if leap_year => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        self.day == length
    }

    /// 0 is Monday.
    pub(super) fn weekday(self) -> i64 {
        (self.number - Self::START.number) % 7
    }

    /// Whether it is the day of a monthly cadence.
    pub(super) fn is_day_of_month(self, day: u8) -> bool {
        self.day == i64::from(day) || (self.is_last_of_month() && self.day < i64::from(day))
    }
}

/// All pages from 1900 to 2199.
pub(super) fn pages() -> Vec<Date> {
    std::iter::successors(Some(Date::START), |date| Some(date.tomorrow()))
        .take_while(|date| date.year < 2200)
        .collect()
}

/// Watches a zone's clock from one second to another and notes the slot of each day at each hour.
///
/// The watcher does not know what happened before: the slots of the first two days mean nothing.
pub(super) fn watch(zone: &TimeZone, pages: &[Date], from: i64, until: i64) -> Vec<Seen> {
    let page = |day: i64| pages[usize::try_from(day - Date::START.number).unwrap()];
    let mut clock = clock(zone, from);
    let mut shown = BTreeSet::from([clock.0]);
    let mut done = [clock.0; 24];
    let mut seen = Vec::new();
    for minute in (from..until).step_by(60) {
        if self::clock(zone, minute + 60) == clock {
            continue;
        }
        for second in minute + 1..=minute + 60 {
            clock = self::clock(zone, second);
            shown.insert(clock.0);
            for (hour, done) in (0..).zip(&mut done) {
                // Its hour has come on this day; on days before this one it has come or was skipped.
                let come = if hour <= clock.1 { clock.0 } else { clock.0 - 1 };
                while *done < come {
                    *done += 1;
                    if shown.contains(done) {
                        seen.push(Seen { date: page(*done), hour, second });
                    }
                }
            }
        }
    }
    seen
}

/// The day and the hour that the zone's clock shows.
fn clock(zone: &TimeZone, second: i64) -> (i64, i64) {
    let offset = zone.to_offset(jiff::Timestamp::from_second(second).unwrap());
    let local = second + i64::from(offset.seconds());
    (local.div_euclid(86_400), local.rem_euclid(86_400) / 3_600)
}
