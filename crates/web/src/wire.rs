//! Parts that many wire types share.

use std::{fmt::Display, str::FromStr};

use domain::{ids::EventNo, signal::Value as SignalValue, time::Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::ApiError;

/// A UUID of 36 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = "uuid")]
pub(crate) struct Id(String);

impl Id {
    pub(crate) fn of(id: impl Display) -> Self {
        Self(id.to_string())
    }

    /// The id as a type of the domain; `field` is where it was given.
    pub(crate) fn parse<T: FromStr>(&self, field: &str) -> Result<T, ApiError>
    where
        T::Err: Display,
    {
        self.0.parse().map_err(|error| ApiError::invalid(field, format!("{:?} is {error}", self.0)))
    }
}

/// A moment in UTC with three digits of a second: `2024-05-01T16:01:12.345Z`. Read in any form of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl Moment {
    /// A moment that is shown only if it is one: what stands for "never" or "not yet" is absent.
    pub(crate) fn known(at: Timestamp) -> Option<Self> {
        at.in_calendar().map(Self)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = text.parse::<jiff::Timestamp>().map_err(|_| {
            D::Error::custom(format!("{text:?} is not a moment; write it like 2024-05-01T16:01:12Z"))
        })?;
        Ok(Self(Timestamp::from_jiff(at)))
    }
}

/// A member that was given, be it null.
pub(crate) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The id of a delivery: a UUID of version 8 that carries the number of its event, so that no table has to.
///
/// Its first 60 free bits are a fixed mark, by which other ids are recognised as not being one; the last 62 are the
/// number, so that ids sort as their events do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeliveryId(pub(crate) EventNo);

const MARK: u64 = u64::from_be_bytes(*b"milepo\x8d\xe1");
const VARIANT: u64 = 0b10 << 62;

impl DeliveryId {
    fn uuid(self) -> Uuid {
        // Numbers come from a counter that starts at 1; 62 bits outlast any server.
        Uuid::from_u64_pair(MARK, VARIANT | self.0.0.cast_unsigned() & !(0b11 << 62))
    }
}

impl Display for DeliveryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.uuid().hyphenated().fmt(f)
    }
}

/// No delivery has this id.
#[derive(Debug)]
pub(crate) struct NotADelivery;

impl FromStr for DeliveryId {
    type Err = NotADelivery;

    fn from_str(text: &str) -> Result<Self, NotADelivery> {
        let uuid = Uuid::try_parse(text).map_err(|_| NotADelivery)?;
        let id = Self(EventNo((uuid.as_u64_pair().1 & !(0b11 << 62)).cast_signed()));
        if id.uuid() == uuid && text.len() == 36 { Ok(id) } else { Err(NotADelivery) }
    }
}

/// The value of a signal, in its canonical metric unit.
pub(crate) fn signal_value(value: &SignalValue) -> Value {
    match value {
        SignalValue::Flag(flag) => json!(flag),
        SignalValue::Number(number) => json!(number),
        SignalValue::Text(text) => json!(text),
        SignalValue::Position { latitude, longitude, heading, direction, location_type } => {
            let mut position = json!({"latitude": latitude, "longitude": longitude});
            if let Some(heading) = heading {
                position["heading"] = json!(heading);
            }
            if let Some(direction) = direction {
                position["direction"] = json!(direction.as_str());
            }
            if let Some(kind) = location_type {
                position["locationType"] = json!(kind.as_str());
            }
            position
        }
        SignalValue::Grid(cells) => cells.iter().map(grid_cell).collect(),
        SignalValue::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

fn grid_cell(cell: &domain::signal::GridCell) -> Value {
    let mut object = json!({"row": cell.row, "column": cell.column});
    if let Some(open) = cell.is_open {
        object["isOpen"] = json!(open);
    }
    if let Some(locked) = cell.is_locked {
        object["isLocked"] = json!(locked);
    }
    if let Some(pressure) = cell.pressure {
        object["pressure"] = json!(pressure);
    }
    object
}

/// An error of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct CatalogueError {
    /// `VEHICLE_STATE`
    #[serde(rename = "type")]
    kind: &'static str,
    /// `ASLEEP`; types without codes have none.
    code: Option<&'static str>,
    description: &'static str,
}

impl From<domain::errors::ErrorCode> for CatalogueError {
    fn from(error: domain::errors::ErrorCode) -> Self {
        Self { kind: error.kind(), code: error.code(), description: error.description() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_id_of_a_delivery_leads_back_to_its_event(number in 0..1_i64 << 62) {
            let id = DeliveryId(EventNo(number));
            prop_assert_eq!(id.to_string().parse::<DeliveryId>().unwrap(), id);
            prop_assert_eq!(id.uuid().get_version_num(), 8);
            prop_assert_eq!(id.uuid().get_variant(), uuid::Variant::RFC4122);
        }

        #[test]
        fn ids_of_deliveries_sort_as_their_events(a in 0..1_i64 << 62, b in 0..1_i64 << 62) {
            let text = |number| DeliveryId(EventNo(number)).to_string();
            prop_assert_eq!(text(a).cmp(&text(b)), a.cmp(&b));
        }
    }

    #[test]
    fn other_ids_are_no_deliveries() {
        for text in ["", "1", "0190a8c8-0000-7000-8000-000000000000", "6d696c65706f8de18000000000000001"] {
            assert!(text.parse::<DeliveryId>().is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_read_in_any_zone_and_written_in_utc() {
        let moment: Moment = serde_json::from_str(r#""2024-05-01T18:01:12.5+02:00""#).unwrap();
        assert_eq!(serde_json::to_string(&moment).unwrap(), r#""2024-05-01T16:01:12.500Z""#);
        let refused = serde_json::from_str::<Moment>(r#""yesterday""#).unwrap_err().to_string();
        assert!(refused.contains("write it like 2024-05-01T16:01:12Z"), "{refused}");
    }

    #[test]
    fn what_stands_for_never_or_not_yet_is_no_moment() {
        for at in [i64::MIN, i64::MIN + 1, i64::MIN + 1_777_629_600_000_000, i64::MAX] {
            assert_eq!(Moment::known(Timestamp::from_micros(at)), None, "{at}");
        }
        let at = Timestamp::from_secs(1_777_629_600);
        assert_eq!(Moment::known(at), Some(Moment(at)));
    }

    #[test]
    fn values_are_shown_in_the_shape_of_their_form() {
        let cell = domain::signal::GridCell { row: 1, pressure: Some(240.5), ..Default::default() };
        let shown = [
            signal_value(&SignalValue::Grid(vec![cell])),
            signal_value(&SignalValue::position(1.5, -2.0, None)),
            signal_value(&SignalValue::Json(r#"{"values":[1]}"#.into())),
        ];
        assert_eq!(
            serde_json::to_string(&shown).unwrap(),
            r#"[[{"row":1,"column":0,"pressure":240.5}],{"latitude":1.5,"longitude":-2.0},{"values":[1]}]"#
        );
    }
}
