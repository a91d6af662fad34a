//! The arithmetic of slots.
//!
//! Slots are numbered: slot `n` of a cadence has a moment, and moments never fall as numbers rise. "The next", "the
//! newest" and "how many" are then steps and differences of numbers. Only the days that a zone left out make holes.

use jiff::{
    civil::{Date, Time},
    tz::{Offset, TimeZone},
};

use super::{Repeats, Zone};
use crate::time::Timestamp;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// The first and the last day of the calendar, 0001-01-01 and 9998-12-31, counted from 1970-01-01. A year remains on
/// either side to what `jiff` can hold, so no conversion of a day with a slot can fail.
const CALENDAR: (i64, i64) = (-719_162, 2_932_531);
/// More than any clock is or was ahead of UTC.
const WIDEST_OFFSET: i64 = 26 * HOUR;
const IN_RANGE: &str = "moments are held within the calendar, which lies inside the years that jiff knows";

/// The slots of a cadence, by the rules of its zone as they are now.
pub(super) enum Slots {
    /// The hours of the UTC day that a number divides.
    Hours { step: i64, per_day: i64 },
    /// An hour of certain days; UTC without a zone.
    Days { days: Days, hour: i8, zone: Option<TimeZone> },
}

/// Which days have a slot, numbered.
#[derive(Clone, Copy)]
pub(super) enum Days {
    Each,
    /// Each seventh from this day on.
    Weekly {
        zeroth: i64,
    },
    /// One in each month; numbered as the months are.
    Monthly {
        day: i8,
    },
}

impl Slots {
    pub(super) fn new(repeats: Repeats, hour: u8, zone: &Zone) -> Self {
        let days = match repeats {
            Repeats::EveryHours(hours) => {
                let step = i64::from(hours);
                return Self::Hours { step, per_day: (24 + step - 1) / step };
            }
            Repeats::Daily => Days::Each,
            // 1970-01-01 was a Thursday, which is number 3.
            Repeats::Weekly(day) => Days::Weekly { zeroth: day as i64 - 3 },
            Repeats::Monthly(day) => Days::Monthly { day: day.cast_signed() },
        };
        let zone = match zone {
            Zone::Utc => None,
            Zone::Named(name) => Some(name.rules()),
        };
        Self::Days { days, hour: hour.cast_signed(), zone }
    }

    pub(super) fn next_after(&self, at: Timestamp) -> Timestamp {
        let (_, last) = self.numbers();
        (self.newest(at) + 1..=last).find_map(|number| self.slot(number)).unwrap_or(Timestamp::NEVER)
    }

    pub(super) fn latest_at_or_before(&self, at: Timestamp) -> Option<Timestamp> {
        let (first, _) = self.numbers();
        (first..=self.newest(at)).rev().find_map(|number| self.slot(number))
    }

    pub(super) fn count_between(&self, after: Timestamp, until: Timestamp) -> u64 {
        let numbers = self.newest(until) - self.newest(after);
        u64::try_from(numbers - self.left_out_between(after, until)).unwrap_or(0)
    }

    /// The numbers of the calendar's first and last slot.
    fn numbers(&self) -> (i64, i64) {
        let (first_day, last_day) = CALENDAR;
        match self {
            Self::Hours { per_day, .. } => (first_day * per_day, (last_day + 1) * per_day - 1),
            Self::Days { days, .. } => (days.newest(first_day - 1) + 1, days.newest(last_day)),
        }
    }

    /// The highest number whose moment is not later than `at`; one before the first when there is none.
    fn newest(&self, at: Timestamp) -> i64 {
        let (first, last) = self.numbers();
        let at = within_calendar(at);
        let number = match self {
            Self::Hours { step, per_day } => {
                let (day, hour) = (at.div_euclid(DAY), at.rem_euclid(DAY) / HOUR);
                day * per_day + hour / step
            }
            Self::Days { days, hour, zone: None } => {
                days.newest((at - i64::from(*hour) * HOUR).div_euclid(DAY))
            }
            Self::Days { days, hour, zone: Some(zone) } => {
                // A clock that was set back, by a day at most, may have shown the day after this one already.
                let mut number = days.newest(day_shown(zone, at) + 1);
                while first_showing(zone, days.day(number), *hour) > at {
                    number -= 1;
                }
                number
            }
        };
        number.clamp(first - 1, last)
    }

    /// The moment of a slot; none on a day that the zone left out.
    fn slot(&self, number: i64) -> Option<Timestamp> {
        let moment = match self {
            Self::Hours { step, per_day } => {
                number.div_euclid(*per_day) * DAY + number.rem_euclid(*per_day) * step * HOUR
            }
            Self::Days { days, hour, zone: None } => days.day(number) * DAY + i64::from(*hour) * HOUR,
            Self::Days { days, hour, zone: Some(zone) } => {
                let day = days.day(number);
                if is_left_out(zone, day) {
                    return None;
                }
                first_showing(zone, day, *hour)
            }
        };
        Some(Timestamp::from_micros(moment))
    }

    /// How many numbers between two moments belong to days that the zone left out. There are a handful in history.
    fn left_out_between(&self, after: Timestamp, until: Timestamp) -> i64 {
        let Self::Days { days, zone: Some(zone), .. } = self else { return 0 };
        let until = within_calendar(until);
        zone.following(jiff_timestamp(within_calendar(after)))
            .map(|change| change.timestamp().as_microsecond())
            .take_while(|&change| change <= until)
            .filter(|&change| day_shown(zone, change) - day_shown(zone, change - 1) > 1)
            .flat_map(|change| {
                let before = Timestamp::from_micros(change - 1);
                self.newest(before) + 1..=self.newest(Timestamp::from_micros(change))
            })
            .filter(|&number| is_left_out(zone, days.day(number)))
            .map(|_| 1)
            .sum()
    }
}

impl Days {
    /// The day of a number, counted from 1970-01-01.
    fn day(self, number: i64) -> i64 {
        match self {
            Self::Each => number,
            Self::Weekly { zeroth } => zeroth + 7 * number,
            Self::Monthly { day } => {
                let (year, month) = (number.div_euclid(12), number.rem_euclid(12) + 1);
                let first = Date::new(year as i16, month as i8, 1).expect(IN_RANGE);
                day_number(first) + i64::from(day.min(first.days_in_month())) - 1
            }
        }
    }

    /// The number of the newest day with a slot that is not later than the given one.
    fn newest(self, day: i64) -> i64 {
        match self {
            Self::Each => day,
            Self::Weekly { zeroth } => (day - zeroth).div_euclid(7),
            Self::Monthly { .. } => {
                let date = date(day);
                let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
                if self.day(month) <= day { month } else { month - 1 }
            }
        }
    }
}

/// The first moment at which the zone's clock shows the hour of the day, or a later time.
///
/// This goes through the zone's changes forwards, asking only which offset holds from when. The other way, from a local
/// time to its offset, `jiff` errs at a change after which a yearly rule takes over (America/Nuuk, 2023-10-28T23:00).
fn first_showing(zone: &TimeZone, day: i64, hour: i8) -> i64 {
    let wanted = day * DAY + i64::from(hour) * HOUR;
    let mut from = wanted - WIDEST_OFFSET;
    for change in zone.following(jiff_timestamp(from)) {
        let change = change.timestamp().as_microsecond();
        let shown_at = from.max(wanted - offset(zone, from));
        if shown_at < change {
            return shown_at;
        }
        from = change;
    }
    from.max(wanted - offset(zone, from))
}

/// Whether the zone's clock never showed any time of the day.
fn is_left_out(zone: &TimeZone, day: i64) -> bool {
    first_showing(zone, day, 0) == first_showing(zone, day + 1, 0)
}

/// The day that the zone's clock shows.
fn day_shown(zone: &TimeZone, at: i64) -> i64 {
    (at + offset(zone, at)).div_euclid(DAY)
}

/// How far the zone's clock is ahead of UTC.
fn offset(zone: &TimeZone, at: i64) -> i64 {
    i64::from(zone.to_offset(jiff_timestamp(at)).seconds()) * 1_000_000
}

fn day_number(date: Date) -> i64 {
    Offset::UTC.to_timestamp(date.to_datetime(Time::midnight())).expect(IN_RANGE).as_second() / 86_400
}

fn date(day: i64) -> Date {
    Offset::UTC.to_datetime(jiff_timestamp(day * DAY)).date()
}

fn jiff_timestamp(micros: i64) -> jiff::Timestamp {
    Timestamp::from_micros(micros).to_jiff()
}

/// The moment in microseconds, held within the calendar and a few days around it.
fn within_calendar(at: Timestamp) -> i64 {
    let (first_day, last_day) = CALENDAR;
    at.as_micros().clamp((first_day - 3) * DAY, (last_day + 3) * DAY)
}
