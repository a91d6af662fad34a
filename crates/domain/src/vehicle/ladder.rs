//! How often a vehicle is read for webhooks that watch it: by what it does, by how fresh its brand's data can be, and by
//! how long nothing has changed. A read never wakes a car.

use std::time::Duration;

use super::{Document, VehicleInfo, charging};
use crate::{
    errors::ErrorCode,
    signal::{GEAR, IS_ASLEEP, IS_CABLE_CONNECTED, SPEED, SignalId, Value},
    time::Timestamp,
};

const MINUTE: Duration = Duration::from_secs(60);
/// No watched vehicle is read less often.
pub(super) const SLOWEST: Duration = Duration::from_secs(3_600);
/// After so many intervals without a push, a stream counts as silent.
pub(super) const SILENCE: u32 = 2;

/// What a vehicle seems to be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It moves or charges: much changes.
    Busy,
    /// It is plugged in, or nothing is known.
    Waiting,
    /// It stands.
    Parked,
    /// It sleeps, or cannot be reached.
    Asleep,
}

/// Minutes between fresh data by brand: while something happens, and otherwise.
const BRANDS: &[(&[&str], u64, u64)] = &[
    (&["TESLA"], 1, 5),
    (&["BYD", "POLESTAR", "VOLVO"], 1, 3),
    (&["AUDI", "RIVIAN"], 3, 5),
    (&["HYUNDAI", "KIA", "SKODA"], 5, 5),
    (&["HONDA", "JAGUAR", "LAND ROVER"], 15, 30),
    (&["BUICK", "CADILLAC", "CHEVROLET", "GMC"], 30, 45),
    (&["ACURA", "DACIA", "MG", "MINI", "PORSCHE", "RENAULT", "TOYOTA"], 30, 60),
];
/// Of all others.
const OTHERS: (u64, u64) = (5, 10);

/// The shortest and the longest time between fresh data of a brand.
pub(super) fn freshness(make: &str) -> (Duration, Duration) {
    let (short, long) =
        BRANDS.iter().find(|(makes, ..)| makes.contains(&make)).map_or(OTHERS, |row| (row.1, row.2));
    (MINUTE * short as u32, MINUTE * long as u32)
}

/// What a vehicle seems to be doing.
pub(super) fn activity(document: &Document) -> Activity {
    let asleep = matches!(
        document.watching.source_fault,
        Some(ErrorCode::VEHICLE_STATE_ASLEEP | ErrorCode::VEHICLE_STATE_UNREACHABLE)
    );
    if asleep || document.value(IS_ASLEEP) == Some(&Value::Flag(true)) {
        return Activity::Asleep;
    }
    let moves = matches!(document.value(SPEED), Some(Value::Number(speed)) if *speed > 0.0)
        || matches!(document.value(GEAR), Some(Value::Text(gear)) if !gear.starts_with(['P', 'p']));
    if moves || charging::is_charging(document) == Some(true) {
        return Activity::Busy;
    }
    match document.value(IS_CABLE_CONNECTED) {
        Some(Value::Flag(true)) => Activity::Waiting,
        _ if document.signals.is_empty() => Activity::Waiting,
        _ => Activity::Parked,
    }
}

/// How long until the next read.
pub(super) fn interval(make: &str, activity: Activity, quiet: u8) -> Duration {
    let (short, long) = freshness(make);
    let doubled = |from: Duration, most: u8| from * 2_u32.pow(u32::from(quiet.min(most)));
    match activity {
        Activity::Busy => short,
        Activity::Waiting => long,
        Activity::Parked => doubled(long, 3).min(SLOWEST),
        Activity::Asleep => SLOWEST,
    }
}

/// Of these signals those that are worth a read for somebody who asks what is known: never answered, or longer ago than the
/// brand's data get for what the vehicle does.
pub fn stale(document: &Document, info: &VehicleInfo, signals: &[SignalId], now: Timestamp) -> Vec<SignalId> {
    let fresh_from = now - interval(&info.make, activity(document), 0);
    let is_stale = |signal: &SignalId| {
        document.permissions.contains(signal.entry().permission)
            && document.signal(*signal).is_none_or(|state| state.answered_at < fresh_from)
    };
    signals.iter().copied().filter(is_stale).collect()
}

/// Spreads reads of many vehicles over an eighth of the interval, the same for a vehicle each time.
pub(super) fn spread(interval: Duration, vehicle: uuid::Uuid) -> Duration {
    let lot = u32::from(vehicle.as_bytes()[15]);
    interval * (2_048 - lot) / 2_048
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_follows_the_brand_and_what_the_car_does() {
        let minutes = |make, activity, quiet| interval(make, activity, quiet).as_secs() / 60;
        let table = [
            ("TESLA", Activity::Busy, 0, 1),
            ("TESLA", Activity::Busy, 9, 1),
            ("TESLA", Activity::Waiting, 0, 5),
            ("TESLA", Activity::Parked, 0, 5),
            ("TESLA", Activity::Parked, 2, 20),
            ("TESLA", Activity::Parked, 9, 40),
            ("TESLA", Activity::Asleep, 0, 60),
            ("BMW", Activity::Busy, 0, 5),
            ("BMW", Activity::Parked, 9, 60),
            ("TOYOTA", Activity::Busy, 0, 30),
            ("TOYOTA", Activity::Parked, 0, 60),
        ];
        for (make, activity, quiet, expected) in table {
            assert_eq!(minutes(make, activity, quiet), expected, "{make} {activity:?} {quiet}");
        }
    }

    #[test]
    fn reads_of_a_fleet_are_spread_and_none_is_later_than_the_interval() {
        let spread = |lot: u128| super::spread(Duration::from_secs(3_600), uuid::Uuid::from_u128(lot));
        assert_eq!(spread(0), Duration::from_secs(3_600));
        assert!(spread(255) >= Duration::from_secs(3_150) && spread(255) < spread(254));
    }
}
