//! An oracle for cadences: it walks from hour to hour and asks of each whether it is one. Slow and plain on purpose.

use crate::time::{Civil, Timestamp, days_in_month};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// When a scheduled webhook is due, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cadence {
    /// At the hours of the day that this number divides, midnight among them.
    EveryHours(u32),
    /// Every day.
    Daily {
        /// 0 to 23.
        hour: u32,
    },
    /// One day of each week.
    Weekly {
        /// 1 is Monday, 7 is Sunday.
        weekday: u32,
        /// 0 to 23.
        hour: u32,
    },
    /// One day of each month, the last one where the month is shorter.
    Monthly {
        /// 1 to 31.
        day: u32,
        /// 0 to 23.
        hour: u32,
    },
}

impl Cadence {
    /// All slots from `from` to `until`, both included.
    pub fn slots(self, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let mut slots = Vec::new();
        let mut hour = from.hour_floor();
        while hour <= until {
            if hour >= from && self.is_due_in(&hour.civil()) {
                slots.push(hour);
            }
            hour = hour + HOUR;
        }
        slots
    }

    /// Whether a whole hour is a slot.
    fn is_due_in(self, at: &Civil) -> bool {
        match self {
            Self::EveryHours(hours) => at.hour.checked_rem(hours) == Some(0),
            Self::Daily { hour } => at.hour == hour,
            Self::Weekly { weekday, hour } => at.weekday == weekday && at.hour == hour,
            Self::Monthly { day, hour } => {
                at.day == day.min(days_in_month(at.year, at.month)) && at.hour == hour
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots as `month-day hour`, to be compared with a calendar on the wall.
    fn slots(cadence: Cadence, from: &str, until: &str) -> Vec<String> {
        let slots = cadence.slots(from.parse().unwrap(), until.parse().unwrap());
        slots.iter().map(|slot| slot.to_string()[5..13].replace('T', " ")).collect()
    }

    #[test]
    fn hours_are_whole_hours_of_the_utc_day_that_the_number_divides() {
        let found = slots(Cadence::EveryHours(1), "2024-05-01T15:45:00Z", "2024-05-01T18:00:00Z");
        assert_eq!(found, ["05-01 16", "05-01 17", "05-01 18"]);
        let found = slots(Cadence::EveryHours(5), "2024-05-01T01:00:00Z", "2024-05-02T05:00:00Z");
        assert_eq!(found, ["05-01 05", "05-01 10", "05-01 15", "05-01 20", "05-02 00", "05-02 05"]);
    }

    #[test]
    fn days_and_weeks_have_one_slot_each() {
        let found = slots(Cadence::Daily { hour: 6 }, "2024-02-28T06:00:00Z", "2024-03-01T06:00:00Z");
        assert_eq!(found, ["02-28 06", "02-29 06", "03-01 06"]);
        // The first of January 2024 was a Monday.
        let found =
            slots(Cadence::Weekly { weekday: 7, hour: 0 }, "2024-01-01T00:00:00Z", "2024-01-20T00:00:00Z");
        assert_eq!(found, ["01-07 00", "01-14 00"]);
    }

    #[test]
    fn a_month_that_is_too_short_has_its_slot_on_its_last_day() {
        let found =
            slots(Cadence::Monthly { day: 31, hour: 0 }, "2023-01-01T00:00:00Z", "2023-05-01T00:00:00Z");
        assert_eq!(found, ["01-31 00", "02-28 00", "03-31 00", "04-30 00"]);
        let found =
            slots(Cadence::Monthly { day: 30, hour: 0 }, "2024-02-01T00:00:00Z", "2024-02-29T23:00:00Z");
        assert_eq!(found, ["02-29 00"]);
    }

    #[test]
    fn leap_days_and_the_ends_of_32_bits_are_days_like_others() {
        for (from, count) in
            [("2024-02-28T00:00:00Z", 3), ("2100-02-28T00:00:00Z", 2), ("2038-01-18T00:00:00Z", 2)]
        {
            let from: Timestamp = from.parse().unwrap();
            let until = match count {
                3 => from + 48 * HOUR,
                _ => from + 24 * HOUR,
            };
            assert_eq!(Cadence::Daily { hour: 0 }.slots(from, until).len(), count);
        }
        let found = slots(Cadence::Daily { hour: 0 }, "2100-02-28T00:00:00Z", "2100-03-01T00:00:00Z");
        assert_eq!(found, ["02-28 00", "03-01 00"], "2100 is no leap year");
    }
}
