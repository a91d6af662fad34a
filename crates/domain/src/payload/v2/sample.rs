//! The invented vehicle of test payloads. Every endpoint of it has an answer, so it plugs in and burns fuel.

use crate::{
    ids::VehicleId,
    signal::{self, Endpoint, GridCell, Powertrain, SignalId, Value},
    time::Timestamp,
    vehicle::{Mode, Observation, Observed, Sample, VehicleInfo},
};

/// The vehicle. Its id is a UUID that no vehicle is given (version 8, without a time).
pub(super) fn info() -> VehicleInfo {
    VehicleInfo {
        id: VehicleId(uuid::Uuid::from_u128(0x00000000_0000_8000_8000_000000000001)),
        make: "MILEPOST".into(),
        model: "Sample".into(),
        year: 2026,
        mode: Mode::Simulated,
        powertrain: Powertrain::Phev,
        region: crate::vehicle::Region::Europe,
    }
}

/// A value for every signal of every endpoint, as if measured `now`.
pub(super) fn observation(now: Timestamp) -> Observation {
    let mut signals: Vec<SignalId> =
        Endpoint::ALL.iter().flat_map(|endpoint| endpoint.signals()).copied().collect();
    signals.sort_unstable();
    signals.dedup();
    let sample = |signal| Sample { value: value(signal), captured_at: Some(now), retrieved_at: now };
    let signals =
        signals.into_iter().map(|signal| Observed { signal, outcome: Ok(sample(signal)), older: None });
    Observation { taken_at: now, signals: signals.collect() }
}

fn value(signal: SignalId) -> Value {
    match signal {
        signal::VIN => Value::Text("11111111111111111".into()),
        signal::LOCATION => Value::Position { latitude: 51.4778, longitude: -0.0015, heading: None },
        signal::ODOMETER => Value::Number(20_123.4),
        signal::FUEL_RANGE => Value::Number(430.0),
        signal::FUEL_LEVEL => Value::Number(62.0),
        signal::FUEL_AMOUNT => Value::Number(31.2),
        signal::STATE_OF_CHARGE => Value::Number(78.0),
        signal::BATTERY_RANGE => Value::Number(41.0),
        signal::NOMINAL_CAPACITY => Value::Number(13.8),
        signal::IS_CABLE_CONNECTED | signal::IS_LOCKED => Value::Flag(true),
        signal::CHARGING_STATUS => Value::Text("CHARGING".into()),
        signal::CHARGE_LIMITS => Value::Number(80.0),
        signal::OIL_LIFE => Value::Number(84.0),
        signal::TIRES => grid(|cell| cell.pressure = Some(240.0)),
        signal::DOORS => grid(|cell| (cell.is_open, cell.is_locked) = (Some(false), Some(true))),
        signal::WINDOWS => grid(|cell| cell.is_open = Some(false)),
        signal::SUNROOF | signal::FRONT_TRUNK | signal::REAR_TRUNK => Value::Flag(false),
        signal::IS_CHARGING_PORT_OPEN => Value::Flag(true),
        signal::DTC_LIST => Value::Json(r#"{"values":[]}"#.into()),
        signal::SERVICE_RECORDS => Value::Json(
            concat!(
                r#"{"values":[{"id":"1","time":"2026-01-15T09:00:00.000Z","odometer":19500,"#,
                r#""cost":{"amount":210,"currency":"EUR"},"tasks":[{"id":"1","description":"Oil change"}]}]}"#
            )
            .into(),
        ),
        _diagnosis => Value::Text("OK".into()),
    }
}

fn grid(fill: impl Fn(&mut GridCell)) -> Value {
    let cells = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| {
        let mut cell = GridCell { row, column, ..GridCell::default() };
        fill(&mut cell);
        cell
    });
    Value::Grid(cells.into())
}
