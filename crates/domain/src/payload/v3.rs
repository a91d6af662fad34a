//! The first generation of v3, in which the tokens of owners read: a vehicle, and its signals as the platform knows them.
//!
//! Resources are bare, their moments are milliseconds, and a signal that could not be read says so without failing the
//! others.

use super::{
    json::Writer,
    unified::{bodies::Body, name},
};
use crate::{
    errors::ErrorCode,
    signal::SignalId,
    time::Timestamp,
    vehicle::{Observation, Sample, VehicleInfo},
};

/// A vehicle.
pub fn vehicle(info: &VehicleInfo) -> String {
    let mut w = Writer::with_capacity(256);
    write_vehicle(&mut w, info);
    w.finish()
}

/// One signal of a vehicle; `None` when nothing is known of it.
pub fn signal(info: &VehicleInfo, signal: SignalId, seen: &Observation) -> Option<String> {
    let mut w = Writer::with_capacity(512);
    write_signal(&mut w, info, signal, seen);
    seen.newest(signal).map(|_| w.finish())
}

/// All that is known of a vehicle, on one page.
pub fn signals(info: &VehicleInfo, seen: &Observation) -> String {
    const ENTRY: usize = 400;
    let mut w = Writer::with_capacity(512 + ENTRY * seen.signals.len());
    let count = u32::try_from(seen.signals.len()).unwrap_or(u32::MAX);
    w.object(|w| {
        w.key("data").array(|w| {
            for observed in &seen.signals {
                write_signal(w, info, observed.signal, seen);
            }
        });
        w.key("meta").object(|w| {
            w.key("page").integer(1);
            w.key("pageSize").integer(count);
            w.key("totalCount").integer(count);
        });
        w.key("links").object(|w| w.key("self").plain(format_args!("/vehicles/{}/signals", info.id)));
        w.key("included").object(|w| write_vehicle(w.key("vehicle"), info));
    });
    w.finish()
}

fn write_vehicle(w: &mut Writer, info: &VehicleInfo) {
    w.object(|w| {
        w.key("id").plain(info.id);
        w.key("type").plain("vehicle");
        w.key("attributes").object(|w| {
            w.key("make").string(&info.make);
            w.key("model").string(&info.model);
            w.key("year").integer(info.year.into());
        });
        w.key("links").object(|w| w.key("self").plain(format_args!("/vehicles/{}", info.id)));
    });
}

fn write_signal(w: &mut Writer, info: &VehicleInfo, signal: SignalId, seen: &Observation) {
    let newest = seen.newest(signal).unwrap_or(Err(ErrorCode::UPSTREAM_NO_RESPONSE));
    let known = newest.and_then(|sample| {
        let body = Body::of(signal, &sample.value).ok_or(ErrorCode::UPSTREAM_INVALID_DATA)?;
        Ok((sample, body))
    });
    let code = &signal.entry().code;
    w.object(|w| {
        w.key("id").plain(code);
        w.key("type").plain("signal");
        w.key("attributes").object(|w| {
            name(w, signal);
            w.key("status").object(|w| match &known {
                Ok(_) => w.key("value").plain("SUCCESS"),
                Err(error) => {
                    w.key("value").plain("ERROR");
                    w.key("error").object(|w| {
                        w.key("type").plain(error.kind());
                        w.key("code").optional(error.code(), Writer::plain);
                    });
                }
            });
            if let Ok((_, body)) = known {
                body.write(w.key("body"));
            }
        });
        w.key("meta").object(|w| {
            if let Ok(sample) = newest {
                write_times(w, sample);
            }
        });
        w.key("links").object(|w| {
            w.key("self").plain(format_args!("/vehicles/{}/signals/{code}", info.id));
            w.key("vehicle").plain(format_args!("/vehicles/{}", info.id));
        });
    });
}

fn write_times(w: &mut Writer, sample: &Sample) {
    let retrieved = sample.retrieved_at.as_millis();
    w.key("retrievedAt").whole(retrieved);
    w.key("oemUpdatedAt").whole(sample.captured_at.map_or(retrieved, Timestamp::as_millis));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::VehicleId,
        signal::{ODOMETER, Powertrain, STATE_OF_CHARGE, Value},
        vehicle::{Mode, Observed, Region},
    };
    use expect_test::expect;

    fn car() -> VehicleInfo {
        VehicleInfo {
            id: VehicleId(uuid::Uuid::from_u128(9 << 8)),
            make: "TESLA".into(),
            model: "Model \"Y\"".into(),
            year: 2021,
            mode: Mode::Simulated,
            powertrain: Powertrain::Bev,
            region: Region::Europe,
        }
    }

    fn seen() -> Observation {
        let retrieved_at = Timestamp::from_millis(1_714_579_271_852);
        let sample = Sample { value: Value::Number(1_234.5), captured_at: None, retrieved_at };
        Observation {
            taken_at: retrieved_at,
            signals: vec![
                Observed { signal: ODOMETER, outcome: Ok(sample), older: None },
                Observed {
                    signal: STATE_OF_CHARGE,
                    outcome: Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE),
                    older: None,
                },
            ],
            causes: vec![],
        }
    }

    #[test]
    fn what_is_known_is_told_with_its_times_and_what_is_not_with_its_error() {
        expect![[r#"{"id":"00000000-0000-0000-0000-000000000900","type":"vehicle","attributes":{"make":"TESLA","model":"Model \"Y\"","year":2021},"links":{"self":"/vehicles/00000000-0000-0000-0000-000000000900"}}"#]]
            .assert_eq(&vehicle(&car()));
        expect![[r#"{"data":[{"id":"odometer-traveleddistance","type":"signal","attributes":{"code":"odometer-traveleddistance","name":"TraveledDistance","group":"Odometer","status":{"value":"SUCCESS"},"body":{"value":1234.5,"unit":"km"}},"meta":{"retrievedAt":1714579271852,"oemUpdatedAt":1714579271852},"links":{"self":"/vehicles/00000000-0000-0000-0000-000000000900/signals/odometer-traveleddistance","vehicle":"/vehicles/00000000-0000-0000-0000-000000000900"}},{"id":"tractionbattery-stateofcharge","type":"signal","attributes":{"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery","status":{"value":"ERROR","error":{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE"}}},"meta":{},"links":{"self":"/vehicles/00000000-0000-0000-0000-000000000900/signals/tractionbattery-stateofcharge","vehicle":"/vehicles/00000000-0000-0000-0000-000000000900"}}],"meta":{"page":1,"pageSize":2,"totalCount":2},"links":{"self":"/vehicles/00000000-0000-0000-0000-000000000900/signals"},"included":{"vehicle":{"id":"00000000-0000-0000-0000-000000000900","type":"vehicle","attributes":{"make":"TESLA","model":"Model \"Y\"","year":2021},"links":{"self":"/vehicles/00000000-0000-0000-0000-000000000900"}}}}"#]].assert_eq(&signals(&car(), &seen()));
        assert_eq!(signal(&car(), crate::signal::DOORS, &seen()), None);
    }
}
