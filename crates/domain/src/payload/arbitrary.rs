//! Whatever a car may say, for tests: extreme numbers, any text, JSON with strange keys, and each value under any signal.

use crate::{
    errors::ErrorCode,
    signal::{GridCell, Value},
};
use proptest::{collection, num::f64, option, prelude::*, sample::select};

use super::json;

/// A value or an error.
pub(super) fn any_outcome() -> impl Strategy<Value = Result<Value, ErrorCode>> {
    prop_oneof![
        4 => any_value().prop_map(Ok),
        1 => select(ErrorCode::all().collect::<Vec<_>>()).prop_map(Err),
    ]
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let cell = (any::<u8>(), 0..3_u8, any::<Option<bool>>(), any::<Option<bool>>(), option::of(any_number()))
        .prop_map(|(row, column, is_open, is_locked, pressure)| GridCell {
            row,
            column,
            is_open,
            is_locked,
            pressure,
        });
    prop_oneof![
        any::<bool>().prop_map(Value::Flag),
        any_number().prop_map(Value::Number),
        any_text().prop_map(Value::Text),
        (any_number(), any_number(), option::of(any_number()))
            .prop_map(|(latitude, longitude, heading)| Value::position(latitude, longitude, heading)),
        collection::vec(cell, 0..5).prop_map(Value::Grid),
        any_body().prop_map(Value::Json),
    ]
}

/// Any number, those too that JSON has no place for.
fn any_number() -> impl Strategy<Value = f64> {
    let edges = [0.0, -0.0, 1e21, 1e-7, 5e-324, f64::MAX, 0.1 + 0.2, 9_007_199_254_740_993.0];
    prop_oneof![f64::ANY, 0.0..100.0_f64, select(edges.to_vec())]
}

/// Any text; umlauts, emoji and control characters more often than by chance.
pub(super) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![".*", "[äß🚗\"\\\\/<&\u{0}-\u{1f}\u{7f}\u{2028}\u{feff}\u{10ffff}]{0,12}"]
}

/// JSON that has what the body of some signal has, beside any member; now and then it has not.
fn any_body() -> impl Strategy<Value = String> {
    let key = prop_oneof!["[0-9]{1,3}", any_text(), Just("__proto__".to_owned())];
    (any_number(), any_text(), key, any::<bool>()).prop_map(|(number, text, key, whole)| {
        let mut body = serde_json::json!({
            "values": [{ "id": text, "odometer": number, "code": text, "type": "GLOBAL", "limit": number }],
            "availableCapacities": [{ "capacity": number, "description": text }],
            "capacity": number,
            "canonical": text,
            "oemDisplayName": text,
            "status": text,
            "isOpen": null,
            "latitude": number,
            "longitude": number,
        });
        if whole {
            body["value"] = number.into();
        }
        body[key] = number.into();
        json::canonical(&body.to_string()).expect("what a serialiser wrote is JSON")
    })
}
