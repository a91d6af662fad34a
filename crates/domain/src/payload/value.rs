//! Values by their form: what a body reads from the value of a signal, `None` when it is of another form.

use super::json;
use crate::signal::{GridCell, Value};

pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        _ => None,
    }
}

/// A number that JSON has a place for.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number).filter(|number| number.is_finite()),
        _ => None,
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Latitude, longitude, and heading where it is known.
pub(super) fn position(value: &Value) -> Option<(f64, f64, Option<f64>)> {
    match *value {
        Value::Position { latitude, longitude, heading } => {
            let finite = [latitude, longitude, heading.unwrap_or_default()].iter().all(|n| n.is_finite());
            finite.then_some((latitude, longitude, heading))
        }
        _ => None,
    }
}

pub(super) fn grid(value: &Value) -> Option<&[GridCell]> {
    match value {
        Value::Grid(cells) => {
            let finite = cells.iter().all(|cell| cell.pressure.is_none_or(f64::is_finite));
            finite.then_some(cells)
        }
        _ => None,
    }
}

/// The list of a body of the form `{"values":[…]}`.
pub(super) fn list(value: &Value) -> Option<&str> {
    match value {
        Value::Json(body) => json::member(body, "values").filter(|values| values.starts_with('[')),
        _ => None,
    }
}

/// A number that JSON has a place for, from its text.
pub(super) fn json_number(json: &str) -> Option<f64> {
    json.parse().ok().filter(|number: &f64| number.is_finite())
}
