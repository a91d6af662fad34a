//! One reading on the wire.

use std::borrow::Cow;

use app::PushedReading;
use domain::{
    ids::VehicleId,
    payload::{json::canonical, unified::unit_of},
    signal::{GridCell, SignalId, Value},
    time::Timestamp,
};
use serde::Deserialize;

/// Bytes of a reading's id.
const MOST_ID: usize = 256;

/// One reading on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a reading")]
pub(super) struct Item<'b> {
    #[serde(borrow)]
    id: Option<Cow<'b, str>>,
    #[serde(borrow)]
    vehicle_id: Cow<'b, str>,
    #[serde(borrow)]
    signal: Cow<'b, str>,
    value: serde_json::Value,
    observed_at: Option<Moment>,
    sequence: Option<u64>,
}

/// A moment as text, or as milliseconds since 1970.
#[derive(Deserialize)]
#[serde(untagged)]
enum Moment {
    Millis(i64),
    Text(String),
}

impl Item<'_> {
    /// The reading, or why it is none.
    pub(super) fn into_reading(self) -> Result<PushedReading, String> {
        let vehicle: VehicleId = self.vehicle_id.parse().map_err(|_| "vehicleId is not a UUID".to_owned())?;
        let signal = SignalId::from_code(&self.signal).ok_or_else(|| {
            format!("there is no signal {:?}; see /docs/signals on this server", self.signal)
        })?;
        let id = self.id.map(Cow::into_owned);
        if id.as_ref().is_some_and(|id| id.len() > MOST_ID) {
            return Err(format!("id is longer than {MOST_ID} bytes"));
        }
        Ok(PushedReading {
            vehicle,
            signal,
            value: value(signal, self.value)?,
            observed_at: self.observed_at.map(moment).transpose()?,
            id,
            sequence: self.sequence,
        })
    }
}

fn moment(moment: Moment) -> Result<Timestamp, String> {
    match moment {
        Moment::Millis(millis) => Ok(Timestamp::from_millis(millis)),
        Moment::Text(text) => text.parse().map(Timestamp::from_jiff).map_err(|_| {
            format!("observedAt {text:?} is not a moment such as 2026-05-01T10:00:00Z or 1777629600000")
        }),
    }
}

/// A value of the wire: a scalar as it is, and an object in the shape of its signal's body. Where a body names a unit, it
/// has to be the one that the signal has here.
fn value(signal: SignalId, json: serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    let unit = json.get("unit").and_then(Json::as_str).map(str::to_owned);
    let value = form(json)?;
    let own = unit_of(signal, &value);
    match unit {
        Some(unit) if own.as_ref().is_some_and(|own| *own != unit) => {
            Err(format!("{} is taken in {}, not in {unit}", signal.entry().code, own.unwrap_or_default()))
        }
        _ => Ok(value),
    }
}

fn form(json: serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    if let Json::Object(members) = &json
        && let Some(scalar @ (Json::Bool(_) | Json::Number(_) | Json::String(_))) = members.get("value")
        && members.keys().all(|key| key == "value" || key == "unit")
    {
        return form(scalar.clone());
    }
    match json {
        Json::Bool(flag) => Ok(Value::Flag(flag)),
        Json::Number(number) => Ok(Value::Number(number.as_f64().unwrap_or(f64::NAN))),
        Json::String(text) => Ok(Value::Text(text)),
        Json::Object(members) => {
            let json = Json::Object(members);
            match position(&json).or_else(|| grid(&json)) {
                Some(value) => Ok(value),
                None => canonical(&json.to_string()).map(Value::Json).map_err(|error| error.to_string()),
            }
        }
        Json::Null | Json::Array(_) => Err("value is a number, text, true or false, or an object".into()),
    }
}

fn position(json: &serde_json::Value) -> Option<Value> {
    let (latitude, longitude) = (json.get("latitude")?.as_f64()?, json.get("longitude")?.as_f64()?);
    let heading = json.get("heading").and_then(serde_json::Value::as_f64);
    Some(Value::position(latitude, longitude, heading))
}

/// Doors, windows or tyres: a list in which every item has its row and its column.
fn grid(json: &serde_json::Value) -> Option<Value> {
    let cell = |cell: &serde_json::Value| {
        let place = |name| cell.get(name)?.as_u64().and_then(|place| u8::try_from(place).ok());
        let flag = |name| cell.get(name).and_then(serde_json::Value::as_bool);
        Some(GridCell {
            row: place("row")?,
            column: place("column")?,
            is_open: flag("isOpen"),
            is_locked: flag("isLocked"),
            pressure: cell.get("tirePressure").and_then(serde_json::Value::as_f64),
        })
    };
    let cells = json.get("values")?.as_array().filter(|cells| !cells.is_empty())?;
    cells.iter().map(cell).collect::<Option<Vec<_>>>().map(Value::Grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_form_of_their_signals() {
        let read = |json: &str| form(serde_json::from_str(json).unwrap());
        assert_eq!(read("78.5"), Ok(Value::Number(78.5)));
        assert_eq!(read("true"), Ok(Value::Flag(true)));
        assert_eq!(read(r#""DRIVE""#), Ok(Value::Text("DRIVE".into())));
        let position = Value::position(52.5, 13.4, None);
        assert_eq!(read(r#"{"latitude":52.5,"longitude":13.4}"#), Ok(position));
        let door = GridCell { row: 1, column: 0, is_open: Some(true), ..GridCell::default() };
        assert_eq!(read(r#"{"values":[{"row":1,"column":0,"isOpen":true}]}"#), Ok(Value::Grid(vec![door])));
        assert_eq!(read(r#"{"activeLimit":80}"#), Ok(Value::Json(r#"{"activeLimit":80}"#.into())));
        assert_eq!(read(r#"{"value":78,"unit":"percent"}"#), Ok(Value::Number(78.0)));
        let limits = r#"{"values":[],"activeLimit":80,"unit":"percent"}"#;
        assert_eq!(read(limits), Ok(Value::Json(limits.into())));
        let of_charge =
            |json: &str| value(domain::signal::STATE_OF_CHARGE, serde_json::from_str(json).unwrap());
        assert!(of_charge(r#"{"value":78,"unit":"percent"}"#).is_ok());
        let refused = of_charge(r#"{"value":0.78,"unit":"fraction"}"#).unwrap_err();
        assert_eq!(refused, "tractionbattery-stateofcharge is taken in percent, not in fraction");
        assert!(read("null").is_err());
        assert!(read("[1]").is_err());
    }

    #[test]
    fn a_moment_is_text_or_milliseconds() {
        let at = Timestamp::from_millis(1_777_629_600_000);
        assert_eq!(moment(Moment::Millis(1_777_629_600_000)), Ok(at));
        assert_eq!(moment(Moment::Text("2026-05-01T10:00:00Z".into())), Ok(at));
        assert!(moment(Moment::Text("yesterday".into())).is_err());
    }
}
