//! What a unified webhook is told about a vehicle: a first delivery, then changes, and errors as they appear and clear.

use super::{Document, ErrorChange, SignalState, Told, Verdict, readings::is_reported, slots::Standing};
use crate::{
    errors::ErrorCode,
    signal::{GridCell, SignalId, Value},
    time::Timestamp,
    webhook::{Trigger, Unified},
};

/// Metres of one degree of latitude.
const DEGREE: f64 = 111_320.0;

/// The signals that a webhook is about: what it carries and what makes it fire.
pub(super) fn signals(settings: &Unified) -> impl Iterator<Item = SignalId> + Clone {
    let triggers = settings.triggers.iter().map(|trigger| trigger.signal);
    settings.data.iter().copied().chain(triggers.filter(|signal| !settings.data.contains(signal)))
}

/// How the signals of a first delivery stand. Failures on the way to the vehicle may pass in a moment; what the vehicle
/// or its owner causes is an answer.
pub(super) fn standings<'a>(
    document: &'a Document,
    settings: &'a Unified,
    fresh_from: Timestamp,
) -> impl Iterator<Item = Standing> + Clone + 'a {
    signals(settings).map(move |signal| {
        if !document.permissions.contains(signal.entry().permission) {
            return Standing::NoRead;
        }
        match document.signal(signal).filter(|state| state.answered_at >= fresh_from) {
            Some(SignalState { fault: None, .. }) => Standing::Read,
            Some(SignalState { fault: Some(fault), .. }) if is_reported(*fault) => Standing::Final,
            Some(_) | None => Standing::Open,
        }
    })
}

/// The triggers that fire when these signals have changed, in the order of the webhook.
pub(super) fn fired(
    document: &Document,
    told: &Told,
    settings: &Unified,
    changed: &[SignalId],
) -> Vec<SignalId> {
    let fires = |trigger: &&Trigger| {
        changed.contains(&trigger.signal)
            && trigger.dead_band.is_none_or(|band| left_band(document, told, trigger.signal, band))
    };
    settings.triggers.iter().filter(fires).map(|trigger| trigger.signal).collect()
}

/// The triggers among signals with a first value of which the webhook was told that they cannot be read: what becomes
/// readable is news.
pub(super) fn readable<'a>(
    told: &'a Told,
    settings: &'a Unified,
    firsts: &'a [SignalId],
) -> impl Iterator<Item = SignalId> + 'a {
    let was_told = |signal: SignalId| told.open_errors.iter().any(|(_, of)| of.is_none_or(|of| of == signal));
    let triggers = settings.triggers.iter().map(|trigger| trigger.signal);
    triggers.filter(move |signal| firsts.contains(signal) && was_told(*signal))
}

/// Gives triggers with a dead band that have no baseline yet the value from which they drift: the one before this change, or
/// the first one.
pub(super) fn seed(document: &Document, told: &mut Told, settings: &Unified, changed: &[SignalId]) {
    for trigger in settings.triggers.iter().filter(|trigger| trigger.dead_band.is_some()) {
        let signal = trigger.signal;
        if told.baselines.iter().any(|(of, _)| *of == signal) {
            continue;
        }
        let Some((value, ..)) = document.signal(signal).and_then(|state| state.value.as_ref()) else {
            continue;
        };
        let judged = document.signal(signal).and_then(|state| state.judged.as_ref());
        let before = judged.and_then(|judged| judged.before.as_ref()).map(|(value, _)| value);
        let from = match (changed.contains(&signal), before) {
            (false, _) => value,
            (true, Some(before)) => before,
            // The first value after an error is told whatever it is.
            (true, None) => continue,
        };
        told.baselines.push((signal, from.clone()));
    }
}

/// Whether a signal has moved far enough from what was last told of it.
fn left_band(document: &Document, told: &Told, signal: SignalId, band: f64) -> bool {
    let Some(value) = document.value(signal) else { return false };
    let baseline = told.baselines.iter().find(|(of, _)| *of == signal).map(|(_, value)| value);
    baseline.is_none_or(|baseline| !within(baseline, value, band))
}

/// Whether two values are nearer to each other than a dead band.
fn within(one: &Value, other: &Value, band: f64) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => (one - other).abs() < band,
        // A body with more to it than its number moves when that does, or when the rest is another.
        (Value::Number(_) | Value::Json(_), Value::Number(_) | Value::Json(_)) => {
            let numbers = one.number("value").zip(other.number("value"));
            numbers.is_some_and(|(one, other)| (one - other).abs() < band)
        }
        // Every tyre by itself.
        (Value::Grid(cells), Value::Grid(others)) => {
            cells.len() == others.len()
                && cells.iter().zip(others).all(|(cell, other)| {
                    let near = match (cell.pressure, other.pressure) {
                        (Some(one), Some(other)) => (one - other).abs() < band,
                        (one, other) => one == other,
                    };
                    let rest = |cell: &GridCell| GridCell { pressure: None, ..*cell };
                    near && rest(cell) == rest(other)
                })
        }
        (
            Value::Position { latitude: north, longitude: east, .. },
            Value::Position { latitude: other_north, longitude: other_east, .. },
        ) => {
            let north_south = (north - other_north) * DEGREE;
            let around = (east - other_east + 540.0).rem_euclid(360.0) - 180.0;
            north_south.hypot(around * DEGREE * north.to_radians().cos()) < band
        }
        (one, other) => one == other,
    }
}

/// What a trigger was held against when it fired: what was last told of it where it has a dead band, else the value before.
pub(super) fn held_against<'a>(
    document: &'a Document,
    told: &'a Told,
    signal: SignalId,
) -> Option<&'a Value> {
    let baseline = told.baselines.iter().find(|(of, _)| *of == signal).map(|(_, value)| value);
    baseline.or_else(|| {
        let judged = document.signal(signal)?.judged.as_ref()?;
        judged.before.as_ref().filter(|_| judged.verdict == Verdict::Changed).map(|(value, _)| value)
    })
}

/// Remembers what an event has told of the triggers that have a dead band.
pub(super) fn remember(document: &Document, told: &mut Told, settings: &Unified, fired: Option<&[SignalId]>) {
    for trigger in settings.triggers.iter().filter(|trigger| trigger.dead_band.is_some()) {
        let signal = trigger.signal;
        if fired.is_some_and(|fired| !fired.contains(&signal)) {
            continue;
        }
        if let Some(value) = document.value(signal) {
            told.baselines.retain(|(of, _)| *of != signal);
            told.baselines.push((signal, value.clone()));
        }
    }
    told.baselines.retain(|(of, _)| {
        settings.triggers.iter().any(|trigger| trigger.signal == *of && trigger.dead_band.is_some())
    });
}

/// What has changed about the errors of a vehicle since the webhook was last told. What cannot be told now, because the
/// way to the vehicle is disturbed, stays as it is. An error that lasts is resolved by an answer only: a failure that passes
/// proves nothing about it.
pub(super) fn error_changes(document: &Document, told: &mut Told, settings: &Unified) -> Vec<ErrorChange> {
    let open = &mut told.open_errors;
    open.retain(|(_, of)| of.is_none_or(|of| signals(settings).any(|signal| signal == of)));
    let source = document.watching.source_fault;
    if source.is_some_and(|fault| !is_reported(fault)) {
        return Vec::new();
    }
    let now = current(document, settings, source);
    let mut changes = Vec::new();
    for &(code, of) in &now {
        if !open.contains(&(code, of)) {
            add(&mut changes, code, false, of);
        }
    }
    let lasts = |code: ErrorCode| !code.passes();
    let proves = |code, fault: ErrorCode| is_reported(fault) && (!lasts(code) || lasts(fault));
    let known = |code, of: Option<SignalId>| match of {
        None => source.is_none_or(|fault| proves(code, fault)),
        Some(_) if source.is_some() => false,
        Some(signal) if !document.permissions.contains(signal.entry().permission) => true,
        Some(signal) => {
            let fault = document.signal(signal).map(|state| state.fault);
            fault.is_some_and(|fault| fault.is_none_or(|fault| proves(code, fault)))
        }
    };
    open.retain(|&(code, of)| {
        let stays = now.contains(&(code, of)) || !known(code, of);
        if !stays {
            add(&mut changes, code, true, of);
        }
        stays
    });
    open.extend(now.iter().filter(|error| !open.contains(error)).copied().collect::<Vec<_>>());
    changes
}

/// The errors of a vehicle as they are: one of the whole vehicle, or those of its signals.
fn current(
    document: &Document,
    settings: &Unified,
    source: Option<ErrorCode>,
) -> Vec<(ErrorCode, Option<SignalId>)> {
    if let Some(source) = source {
        return vec![(source, None)];
    }
    let of_signal = |signal: SignalId| {
        if !document.permissions.contains(signal.entry().permission) {
            return Some((ErrorCode::PERMISSION, Some(signal)));
        }
        let fault = document.signal(signal)?.fault.filter(|&fault| is_reported(fault))?;
        Some((fault, Some(signal)))
    };
    signals(settings).filter_map(of_signal).collect()
}

fn add(changes: &mut Vec<ErrorChange>, code: ErrorCode, resolved: bool, of: Option<SignalId>) {
    let same = |change: &&mut ErrorChange| {
        change.code == code && change.resolved == resolved && change.signals.is_empty() == of.is_none()
    };
    match changes.iter_mut().find(same) {
        Some(change) => change.signals.extend(of),
        None => changes.push(ErrorChange { code, resolved, signals: of.into_iter().collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_band_is_in_the_unit_of_its_signal_and_in_metres_for_positions() {
        let number = Value::Number;
        let position = |latitude, longitude| Value::position(latitude, longitude, Some(1.0));
        assert!(within(&number(50.0), &number(50.4), 0.5));
        assert!(!within(&number(50.0), &number(50.5), 0.5));
        assert!(within(&position(52.0, 13.0), &position(52.000_08, 13.0), 10.0));
        assert!(!within(&position(52.0, 13.0), &position(52.000_1, 13.0), 10.0));
        assert!(within(&position(0.0, 179.999_99), &position(0.0, -179.999_99), 10.0));
        assert!(!within(&Value::Flag(true), &Value::Flag(false), 10.0));
        let tyres = |pressures: [f64; 2]| {
            let cell =
                |(column, pressure)| GridCell { column, pressure: Some(pressure), ..GridCell::default() };
            Value::Grid((0..).zip(pressures).map(cell).collect())
        };
        assert!(within(&tyres([240.0, 241.0]), &tyres([244.9, 237.0]), 5.0));
        assert!(!within(&tyres([240.0, 241.0]), &tyres([245.0, 241.0]), 5.0), "one tyre is enough");
        let range = |km: f64| {
            Value::Json(format!(r#"{{"value":{km},"type":"RATED","additionalValues":[],"unit":"km"}}"#))
        };
        assert!(within(&range(290.0), &number(294.0), 5.0));
        assert!(!within(&range(290.0), &range(295.0), 5.0));
    }
}
