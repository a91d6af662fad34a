//! Cadences on the wire: `{"every":"week","weekday":"monday","hour":6,"timeZone":"Europe/Berlin"}`.

use domain::cadence::{self, Repeats, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::ApiError;

/// When a scheduled webhook is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Cadence {
    every: Every,
    /// With `hours`: the hours of the UTC day that this number divides, 1 to 24.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 24)]
    hours: Option<u8>,
    /// With `week`.
    #[serde(skip_serializing_if = "Option::is_none")]
    weekday: Option<Weekday>,
    /// With `month`: 1 to 31; the last day of a shorter month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31)]
    day: Option<u8>,
    /// With `day`, `week` and `month`: the hour of the day, 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 23)]
    hour: Option<u8>,
    /// With `day`, `week` and `month`: an IANA name; UTC by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
}

/// What a cadence counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Every {
    Hours,
    Day,
    Week,
    Month,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

const WEEK: [(Weekday, cadence::Weekday); 7] = [
    (Weekday::Monday, cadence::Weekday::Monday),
    (Weekday::Tuesday, cadence::Weekday::Tuesday),
    (Weekday::Wednesday, cadence::Weekday::Wednesday),
    (Weekday::Thursday, cadence::Weekday::Thursday),
    (Weekday::Friday, cadence::Weekday::Friday),
    (Weekday::Saturday, cadence::Weekday::Saturday),
    (Weekday::Sunday, cadence::Weekday::Sunday),
];

impl Cadence {
    /// The cadence of the domain, if there is one like this.
    pub(crate) fn to_domain(&self) -> Result<cadence::Cadence, ApiError> {
        self.refuse_what_does_not_belong()?;
        let zone = match &self.time_zone {
            Some(name) => name.parse().map_err(|error| ApiError::invalid("cadence.timeZone", error))?,
            None => Zone::Utc,
        };
        cadence::Cadence::new(self.repeats()?, self.hour.unwrap_or(0), zone)
            .map_err(|error| ApiError::invalid("cadence", error))
    }

    fn repeats(&self) -> Result<Repeats, ApiError> {
        let missing = |field: &str, text: &str| ApiError::invalid(format!("cadence.{field}"), text);
        Ok(match self.every {
            Every::Hours => Repeats::EveryHours(
                self.hours.ok_or_else(|| missing("hours", "say every how many hours, 1 to 24"))?,
            ),
            Every::Day => Repeats::Daily,
            Every::Week => {
                let day =
                    self.weekday.ok_or_else(|| missing("weekday", "say on which day, monday to sunday"))?;
                Repeats::Weekly(WEEK[day as usize].1)
            }
            Every::Month => Repeats::Monthly(
                self.day.ok_or_else(|| missing("day", "say on which day of the month, 1 to 31"))?,
            ),
        })
    }

    /// A part that the cadence would ignore is more likely a mistake than a wish.
    fn refuse_what_does_not_belong(&self) -> Result<(), ApiError> {
        let parts = [
            ("hours", self.hours.is_some(), Every::Hours),
            ("weekday", self.weekday.is_some(), Every::Week),
            ("day", self.day.is_some(), Every::Month),
        ];
        match parts.into_iter().find(|&(_, given, belongs_to)| given && belongs_to != self.every) {
            None => Ok(()),
            Some((name, ..)) => Err(ApiError::invalid(
                format!("cadence.{name}"),
                "hours goes with every hours, weekday with every week, day with every month; leave the others out",
            )),
        }
    }
}

impl From<&cadence::Cadence> for Cadence {
    fn from(cadence: &cadence::Cadence) -> Self {
        let at = |every| Self {
            every,
            hours: None,
            weekday: None,
            day: None,
            hour: Some(cadence.hour()),
            time_zone: Some(cadence.zone().name().to_owned()),
        };
        match cadence.repeats() {
            Repeats::EveryHours(hours) => {
                Self { hours: Some(hours), hour: None, time_zone: None, ..at(Every::Hours) }
            }
            Repeats::Daily => at(Every::Day),
            Repeats::Weekly(day) => {
                let weekday = WEEK.iter().find(|pair| pair.1 == day).map(|pair| pair.0);
                Self { weekday, ..at(Every::Week) }
            }
            Repeats::Monthly(day) => Self { day: Some(day), ..at(Every::Month) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::told;
    use expect_test::{Expect, expect};

    fn check(json: &str, expected: Expect) {
        let cadence: Cadence = serde_json::from_str(json).unwrap();
        let said = match cadence.to_domain() {
            Ok(cadence) => {
                let shown = Cadence::from(&cadence);
                assert_eq!(shown.to_domain().unwrap(), cadence, "what is shown reads back");
                format!("{cadence} {}", serde_json::to_string(&shown).unwrap())
            }
            Err(error) => told(&error),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn cadences_read_back_as_they_are_shown() {
        check(r#"{"every":"hours","hours":2}"#, expect![[r#"every 2 hours {"every":"hours","hours":2}"#]]);
        check(
            r#"{"every":"day"}"#,
            expect![[r#"daily at 00:00 UTC {"every":"day","hour":0,"timeZone":"UTC"}"#]],
        );
        check(
            r#"{"every":"week","weekday":"sunday","hour":6,"timeZone":"europe/berlin"}"#,
            expect![[
                r#"weekly on Sunday at 06:00 Europe/Berlin {"every":"week","weekday":"sunday","hour":6,"timeZone":"Europe/Berlin"}"#
            ]],
        );
        check(
            r#"{"every":"month","day":31}"#,
            expect![[
                r#"monthly on day 31 at 00:00 UTC {"every":"month","day":31,"hour":0,"timeZone":"UTC"}"#
            ]],
        );
    }

    #[test]
    fn what_makes_no_cadence_is_refused_with_its_field() {
        check(
            r#"{"every":"hours"}"#,
            expect!["invalid_value [cadence.hours]: say every how many hours, 1 to 24"],
        );
        check(
            r#"{"every":"hours","hours":25}"#,
            expect![
                "invalid_value [cadence]: a cadence of every 25 hours is not possible; choose 1 to 24, or a daily cadence"
            ],
        );
        check(
            r#"{"every":"hours","hours":2,"hour":3}"#,
            expect![
                "invalid_value [cadence]: a cadence of every few hours has no hour of the day; leave it out, or choose daily, weekly or monthly"
            ],
        );
        check(
            r#"{"every":"day","weekday":"monday"}"#,
            expect![
                "invalid_value [cadence.weekday]: hours goes with every hours, weekday with every week, day with every month; leave the others out"
            ],
        );
        check(
            r#"{"every":"week"}"#,
            expect!["invalid_value [cadence.weekday]: say on which day, monday to sunday"],
        );
        check(
            r#"{"every":"day","timeZone":"Mars/Olympus"}"#,
            expect![[
                r#"invalid_value [cadence.timeZone]: there is no time zone "Mars/Olympus"; write an IANA name such as Europe/Berlin, or UTC"#
            ]],
        );
    }

    #[test]
    fn days_of_the_week_stand_in_their_order() {
        for (at, (day, same)) in WEEK.into_iter().enumerate() {
            assert_eq!(day as usize, at);
            assert_eq!(format!("{day:?}"), same.as_str());
        }
    }
}
