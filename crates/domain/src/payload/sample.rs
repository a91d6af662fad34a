//! The invented vehicle of test payloads. It has an answer for everything, so it plugs in and burns fuel.

use crate::{
    ids::{UserId, VehicleId},
    signal::{GridCell, Powertrain, SignalId, Value},
    time::Timestamp,
    vehicle::{Mode, Observation, Observed, Region, Sample, VehicleInfo},
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
        region: Region::Europe,
    }
}

/// Its owner, by an id of the same kind.
pub(super) fn user() -> UserId {
    UserId(uuid::Uuid::from_u128(0x00000000_0000_8000_8000_000000000002))
}

/// A value for each of the signals, as if measured `at`.
pub(super) fn observation(signals: impl Iterator<Item = SignalId>, at: Timestamp) -> Observation {
    let mut signals: Vec<SignalId> = signals.collect();
    signals.sort_unstable();
    signals.dedup();
    let sample = |signal| Sample { value: value(signal), captured_at: Some(at), retrieved_at: at };
    let signals =
        signals.into_iter().map(|signal| Observed { signal, outcome: Ok(sample(signal)), older: None });
    Observation { taken_at: at, signals: signals.collect(), causes: vec![] }
}

/// A flag without an arm of its own says no, a word without one is a system's verdict.
fn value(signal: SignalId) -> Value {
    let entry = signal.entry();
    match entry.code.as_str() {
        "charge-amperage" => Value::Number(16.0),
        "charge-amperagemax" => Value::Number(32.0),
        "charge-amperagerequested" => Value::Number(16.0),
        "charge-chargelimits" => Value::Number(80.0),
        "charge-chargeportstatuscolor" => text("GREEN"),
        "charge-chargerate" => Value::Number(18.0),
        "charge-chargerecords" => Value::Json(
            concat!(
                r#"{"values":[{"id":"1","cost":{"currency":"EUR","energyAmount":4.2,"otherAmount":0},"#,
                r#""startTime":"2026-01-14T20:00:00.000Z","endTime":"2026-01-14T22:30:00.000Z","#,
                r#""location":null,"energyAdded":9,"connectorType":"TYPE_2","chargingType":"AC","#,
                r#""isPublicCharger":false,"startStateOfCharge":15,"endStateOfCharge":80}]}"#
            )
            .into(),
        ),
        "charge-chargerphases" => Value::Number(1.0),
        "charge-chargetimers" => Value::Json(
            concat!(
                r#"{"values":[{"type":"GLOBAL","condition":null,"#,
                r#""schedules":[{"start":"22:00:00","end":"06:00:00","days":["MONDAY","FRIDAY"]}],"#,
                r#""departureTimers":[],"isOEMOptimizationEnabled":false}]}"#
            )
            .into(),
        ),
        "charge-chargingconnectortype" => text("TYPE_2"),
        "charge-detailedchargingstatus" => text("CHARGING"),
        "charge-energyadded" => Value::Number(4.5),
        "charge-fastchargertype" => text("CCS"),
        "charge-ischarging"
        | "charge-ischargingcableconnected"
        | "charge-ischargingcablelatched"
        | "charge-ischargingportflapopen"
        | "closure-islocked"
        | "connectivitystatus-isonline"
        | "location-isathome" => Value::Flag(true),
        "charge-timetocomplete" => Value::Number(45.0),
        "charge-voltage" => Value::Number(230.0),
        "charge-wattage" => Value::Number(3_680.0),
        "climate-externaltemperature" => Value::Number(18.5),
        "climate-internaltemperature" | "hvac-cabintargettemperature" => Value::Number(21.0),
        "closure-doors" => grid(|cell| (cell.is_open, cell.is_locked) = (Some(false), Some(true))),
        "closure-fronttrunk" | "closure-reartrunk" | "closure-tailgate" => {
            let (is_open, is_locked) = (Some(false), Some(true));
            Value::Grid(vec![GridCell { is_open, is_locked, ..GridCell::default() }])
        }
        "closure-windows" => grid(|cell| cell.is_open = Some(false)),
        "connectivitysoftware-currentfirmwareversion" => text("1.2.3"),
        "diagnostics-dtccount" => Value::Number(0.0),
        "diagnostics-dtclist" | "vehicleidentification-packages" => Value::Json(r#"{"values":[]}"#.into()),
        "internalcombustionengine-amountremaining" => Value::Number(31.2),
        "internalcombustionengine-fuellevel" => Value::Number(62.0),
        "internalcombustionengine-oillife" => Value::Number(84.0),
        "internalcombustionengine-range" => Value::Number(430.0),
        "location-preciselocation" => Value::position(51.4778, -0.0015, None),
        "lowvoltagebattery-stateofcharge" => Value::Number(92.0),
        "lowvoltagebattery-status" => text("GOOD"),
        "motion-currentspeed" => Value::Number(0.0),
        "odometer-traveleddistance" => Value::Number(20_123.4),
        "service-records" => Value::Json(
            concat!(
                r#"{"values":[{"id":"1","time":"2026-01-15T09:00:00.000Z","odometer":19500,"#,
                r#""cost":{"amount":210,"currency":"EUR"},"tasks":[{"id":"1","description":"Oil change"}]}]}"#
            )
            .into(),
        ),
        "surveillance-brand" => text("Guard"),
        "tractionbattery-maxrangechargecounter" => Value::Number(12.0),
        "tractionbattery-nominalcapacity" => Value::Number(13.8),
        "tractionbattery-range" => Value::Number(41.0),
        "tractionbattery-stateofcharge" => Value::Number(78.0),
        "transmission-drivemode" => text("NORMAL"),
        "transmission-gearstate" => text("PARK"),
        "vehicleidentification-exteriorcolor" => text("Blue"),
        "vehicleidentification-nickname" => text("Sample"),
        "vehicleidentification-trim" => text("Long Range"),
        "vehicleidentification-vin" => text("11111111111111111"),
        "vehicleuseraccount-permissions" => Value::Json(r#"{"values":["vehicle_read"]}"#.into()),
        "vehicleuseraccount-role" => text("OWNER"),
        "wheel-style" => text("Aero"),
        "wheel-tires" => grid(|cell| cell.pressure = Some(240.0)),
        _ if entry.group == "Closure" || entry.name.starts_with("Is") => Value::Flag(false),
        _ => text("OK"),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn grid(fill: impl Fn(&mut GridCell)) -> Value {
    let cells = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| {
        let mut cell = GridCell { row, column, ..GridCell::default() };
        fill(&mut cell);
        cell
    });
    Value::Grid(cells.into())
}
