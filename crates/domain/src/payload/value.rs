//! Values by their form: what a body reads from the value of a signal, `None` when it is of another form.

use super::json;
use crate::signal::{GridCell, Value};

pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        _ => None,
    }
}

/// A number that JSON has a place for and that JavaScript holds.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number).filter(|&number| is_safe(number)),
        _ => None,
    }
}

/// The number that a value is, or that its body has under a key.
pub(super) fn number_of(value: &Value, key: &str) -> Option<f64> {
    value.number(key).filter(|&number| is_safe(number))
}

fn is_safe(number: f64) -> bool {
    number.abs() < json::UNSAFE
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
        Value::Position { latitude, longitude, heading, .. } => {
            let safe = [latitude, longitude, heading.unwrap_or_default()].into_iter().all(is_safe);
            safe.then_some((latitude, longitude, heading))
        }
        _ => None,
    }
}

pub(super) fn grid(value: &Value) -> Option<&[GridCell]> {
    match value {
        Value::Grid(cells) => {
            let finite = cells.iter().all(|cell| cell.pressure.is_none_or(is_safe));
            finite.then_some(cells)
        }
        _ => None,
    }
}

/// The list of a body of the form `{"values":[…]}`.
pub(super) fn list(value: &Value) -> Option<&str> {
    match value {
        Value::Json(body) => json::member(body, "values")
            .filter(|values| values.starts_with('[') && !json::has_unsafe_number(values)),
        _ => None,
    }
}

/// A number that JSON has a place for, from its text.
pub(super) fn json_number(json: &str) -> Option<f64> {
    json.parse().ok().filter(|&number| is_safe(number))
}
