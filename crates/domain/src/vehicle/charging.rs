//! Charging events, derived from what is known of a vehicle.

use super::{Document, Told};
use crate::{
    signal::{
        CHARGE_LIMITS, CHARGING_STATUS, IS_CABLE_CONNECTED, IS_CHARGING, STATE_OF_CHARGE, SignalId, Value,
    },
    time::Timestamp,
    webhook::ChargingEvent,
};

/// The signals that charging events are derived from.
pub const SIGNALS: [SignalId; 5] =
    [IS_CHARGING, CHARGING_STATUS, IS_CABLE_CONNECTED, STATE_OF_CHARGE, CHARGE_LIMITS];
/// A battery this near to its target has reached it: some cars stop just below. Percent.
const NEAR: f64 = 0.5;

/// Whether a signal says whether the vehicle charges.
pub(super) const fn says(signal: SignalId) -> bool {
    matches!(signal, IS_CHARGING | CHARGING_STATUS | IS_CABLE_CONNECTED)
}

/// Whether the vehicle charges, as far as is known: by what was said last.
pub fn is_charging(document: &Document) -> Option<bool> {
    newest(document).map(|newest| newest.charging)
}

/// What was said last of charging.
struct Newest {
    charging: bool,
    captured_at: Option<Timestamp>,
    received_at: Timestamp,
    pushed: bool,
}

impl Newest {
    fn moment(&self) -> Timestamp {
        self.captured_at.unwrap_or(self.received_at)
    }
}

/// The newest of the two signals that say it, and of a cable that was pulled out. Of two that are as old, the plain one counts.
fn newest(document: &Document) -> Option<Newest> {
    let said = |signal, charging: fn(&Value) -> Option<bool>| {
        let state = document.signal(signal)?;
        let (value, captured_at, received_at) = state.value.as_ref()?;
        let pushed = state.judged.as_ref().is_some_and(|judged| judged.pushed);
        Some(Newest {
            charging: charging(value)?,
            captured_at: *captured_at,
            received_at: *received_at,
            pushed,
        })
    };
    let flag = said(IS_CHARGING, |value| match value {
        Value::Flag(charging) => Some(*charging),
        _ => None,
    });
    let status = said(CHARGING_STATUS, |value| match value {
        Value::Text(status) => Some(status == CHARGING),
        _ => None,
    });
    let unplugged = said(IS_CABLE_CONNECTED, |value| (*value == Value::Flag(false)).then_some(false));
    let newer = |one: Option<Newest>, other: Option<Newest>| match (one, other) {
        (Some(one), Some(other)) => Some(if other.moment() > one.moment() { other } else { one }),
        (one, other) => one.or(other),
    };
    let said = newer(flag, status)?;
    newer(Some(said), unplugged)
}

const CHARGING: &str = "CHARGING";
const NOT_CHARGING: &str = "NOT_CHARGING";

/// The values of the two signals that agree with what was said last, and its times.
pub(super) struct Agreed {
    pub values: [(SignalId, Value); 2],
    pub captured_at: Option<Timestamp>,
    pub received_at: Timestamp,
    pub pushed: bool,
}

/// What the two signals have to say so that there is one truth about charging; a status that says more than that stands.
pub(super) fn agreed(document: &Document) -> Option<Agreed> {
    let Newest { charging, captured_at, received_at, pushed } = newest(document)?;
    let status = match (charging, document.value(CHARGING_STATUS)) {
        (true, _) => Value::Text(CHARGING.into()),
        (false, Some(Value::Text(status))) if status != CHARGING => Value::Text(status.clone()),
        (false, _) => Value::Text(NOT_CHARGING.into()),
    };
    let values = [(IS_CHARGING, Value::Flag(charging)), (CHARGING_STATUS, status)];
    Some(Agreed { values, captured_at, received_at, pushed })
}

/// The moment since which it is not known any more whether the vehicle charges: the last that was said is that one of the two
/// signals is not known.
pub(super) fn forgotten_since(document: &Document) -> Option<(Timestamp, bool)> {
    let forgotten = |signal| {
        let state = document.signal(signal)?;
        Some((state.forgotten.as_ref()?.since, state.estimated))
    };
    let since = forgotten(IS_CHARGING).max(forgotten(CHARGING_STATUS))?;
    let is_last = newest(document).is_none_or(|newest| newest.moment() < since.0);
    is_last.then_some(since)
}

/// When it was last said whether the vehicle charges.
pub(super) fn seen_at(document: &Document) -> Option<Timestamp> {
    let seen = [IS_CHARGING, CHARGING_STATUS].into_iter().filter_map(|signal| document.signal(signal));
    seen.map(|state| state.answered_at).max()
}

/// When the car measured what is known of its charging, if its source says.
pub(super) fn since(document: &Document) -> Option<Timestamp> {
    newest(document)?.captured_at
}

/// Whether the vehicle charged when a webhook was last told, or first looked.
pub fn known_to(told: &Told) -> Option<bool> {
    match told.baselines.as_slice() {
        [(IS_CHARGING, Value::Flag(charging))] => Some(*charging),
        _ => None,
    }
}

/// Remembers what a webhook knows.
pub(super) fn remember(told: &mut Told, charging: bool) {
    told.baselines = vec![(IS_CHARGING, Value::Flag(charging))];
}

/// Whether the vehicle is plugged in, as far as is known.
pub(super) fn is_plugged_in(document: &Document) -> bool {
    document.value(IS_CABLE_CONNECTED) == Some(&Value::Flag(true))
}

/// What happened between two looks at a vehicle.
pub(super) fn event(before: Option<bool>, after: Option<bool>, document: &Document) -> Option<ChargingEvent> {
    match (before?, after?) {
        (false, true) => Some(ChargingEvent::Started),
        (true, false) if is_full(document) => Some(ChargingEvent::Completed),
        (true, false) => Some(ChargingEvent::Stopped),
        _ => None,
    }
}

fn is_full(document: &Document) -> bool {
    if document.value(CHARGING_STATUS) == Some(&Value::Text("FULLY_CHARGED".into())) {
        return true;
    }
    let limit = match document.value(CHARGE_LIMITS) {
        Some(Value::Number(limit)) => *limit,
        Some(Value::Json(limits)) => {
            let active = crate::payload::json::member(limits, "activeLimit");
            active.and_then(|active| active.parse().ok()).unwrap_or(100.0)
        }
        _ => 100.0,
    };
    matches!(document.value(STATE_OF_CHARGE), Some(Value::Number(charge)) if charge + NEAR >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn car(values: &[(SignalId, Value)]) -> Document {
        let mut document = Document::default();
        for (signal, value) in values {
            document.signal_mut(*signal).value =
                Some((value.clone(), None, Timestamp::from_secs(1_800_000_000)));
        }
        document
    }

    #[test]
    fn row_b03_charging_that_ends_at_its_target_is_completed_and_stopped_otherwise() {
        let full = (CHARGING_STATUS, Value::Text("FULLY_CHARGED".into()));
        let charge = |percent| (STATE_OF_CHARGE, Value::Number(percent));
        let limit = (CHARGE_LIMITS, Value::Json(r#"{"values":[],"activeLimit":80}"#.into()));
        let ended = |values: &[(SignalId, Value)]| event(Some(true), Some(false), &car(values));
        assert_eq!(ended(&[full, charge(76.0)]), Some(ChargingEvent::Completed));
        assert_eq!(ended(&[charge(79.6), limit.clone()]), Some(ChargingEvent::Completed));
        assert_eq!(ended(&[charge(79.4), limit]), Some(ChargingEvent::Stopped));
        assert_eq!(ended(&[charge(80.0)]), Some(ChargingEvent::Stopped));
        assert_eq!(ended(&[]), Some(ChargingEvent::Stopped));
    }

    #[test]
    fn what_is_not_known_is_no_event() {
        let document = car(&[]);
        assert_eq!(event(None, Some(true), &document), None);
        assert_eq!(event(Some(true), None, &document), None);
        assert_eq!(event(Some(false), Some(true), &document), Some(ChargingEvent::Started));
        assert_eq!(is_charging(&document), None);
        let by_status = car(&[(CHARGING_STATUS, Value::Text("CHARGING".into()))]);
        assert_eq!(is_charging(&by_status), Some(true));
    }
}
