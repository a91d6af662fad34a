//! The bodies of signals, each in the one form that its signal has.
//!
//! A value that has more to it than its form shows comes as the JSON of the whole body and goes out as it is, if it has
//! what makes the body one of its signal: receivers read `value` of a quantity without looking for it first.

use super::super::{
    json::{self, Writer},
    value::{flag, grid, json_number, number, position, text},
};
use crate::signal::{
    GridCell, SignalId, Value,
    form::{BodyKind, Cells, Form, Lockable},
};

/// The body of a signal, ready to be written.
#[derive(Clone, Copy)]
pub(in crate::payload) enum Body<'a> {
    Flag(bool),
    Quantity(f64, Option<&'static str>),
    Range(f64),
    Capacity(f64),
    Limit(f64),
    Word(&'a str),
    DriveMode(&'a str),
    Health(&'a str),
    Position(&'a Value),
    Cells(Cells, &'a [GridCell]),
    Opening(Lockable, GridCell),
    Json(&'a str),
}

impl<'a> Body<'a> {
    /// The body that a value of a signal has; `None` when the value has a form that the signal cannot have.
    pub(in crate::payload) fn of(signal: SignalId, value: &'a Value) -> Option<Self> {
        let form = signal.form();
        match (form, value) {
            (_, Value::Json(body)) => (sound(body) && is_shown_by(form, body)).then_some(Self::Json(body)),
            (Form::Flag, _) => flag(value).map(Self::Flag),
            (Form::Number(of), _) => number(value).map(|number| Self::Quantity(number, of.unit)),
            (Form::Word(_) | Form::Text { .. }, _) => text(value).map(Self::Word),
            (Form::Position, _) => position(value).map(|_| Self::Position(value)),
            (Form::Grid(cells), _) => grid(value).map(|grid| Self::Cells(*cells, grid)),
            (Form::Opening(lockable), Value::Flag(open)) => {
                let cell = GridCell { is_open: Some(*open), ..GridCell::default() };
                Some(Self::Opening(*lockable, cell))
            }
            (Form::Opening(lockable), _) => grid(value)?.first().map(|&cell| Self::Opening(*lockable, cell)),
            (Form::Composite(composite), _) => match composite.body {
                BodyKind::Range => number(value).map(Self::Range),
                BodyKind::Capacity => number(value).map(Self::Capacity),
                BodyKind::Limits => number(value).map(Self::Limit),
                BodyKind::DriveMode => text(value).map(Self::DriveMode),
                BodyKind::Health => text(value).map(Self::Health),
                BodyKind::List => None,
            },
        }
    }

    pub(in crate::payload) fn write(self, w: &mut Writer) {
        match self {
            Self::Json(body) => w.raw(body),
            other => w.object(|w| other.members(w)),
        }
    }

    fn members(self, w: &mut Writer) {
        match self {
            Self::Flag(flag) => w.key("value").flag(flag),
            Self::Quantity(number, unit) => {
                w.key("value").number(number);
                if let Some(unit) = unit {
                    w.key("unit").plain(unit);
                }
            }
            Self::Range(km) => {
                w.key("value").number(km);
                w.key("type").plain("DEFAULT");
                w.key("additionalValues").array(|_| {});
                w.key("unit").plain("km");
            }
            Self::Capacity(kwh) => capacity(w, kwh),
            Self::Limit(percent) => limit(w, percent),
            Self::Word(word) => w.key("value").string(word),
            Self::DriveMode(word) => {
                w.key("canonical").string(word);
                w.key("oemDisplayName").string(word);
            }
            Self::Health(word) => {
                w.key("status").string(word);
                w.key("description").null();
            }
            Self::Position(position) => write_position(w, position),
            Self::Cells(cells, grid) => write_grid(w, cells, grid),
            Self::Opening(lockable, cell) => {
                w.key("isOpen").optional(cell.is_open, Writer::flag);
                if lockable == Lockable::Yes {
                    w.key("isLocked").optional(cell.is_locked, Writer::flag);
                }
            }
            Self::Json(_) => unreachable!("a body that is JSON is not written by its members"),
        }
    }
}

fn write_position(w: &mut Writer, position: &Value) {
    let &Value::Position { latitude, longitude, heading, direction, location_type } = position else {
        return;
    };
    w.key("latitude").number(latitude);
    w.key("longitude").number(longitude);
    if let Some(heading) = heading {
        w.key("heading").number(heading);
    }
    if let Some(direction) = direction {
        w.key("direction").plain(direction.as_str());
    }
    if let Some(kind) = location_type {
        w.key("locationType").plain(kind.as_str());
    }
}

/// The capacity of a model that has only this one.
fn capacity(w: &mut Writer, kwh: f64) {
    w.key("capacity").number(kwh);
    w.key("source").plain("SMARTCAR");
    w.key("availableCapacities").array(|w| {
        w.object(|w| {
            w.key("capacity").number(kwh);
            w.key("description").null();
        });
    });
    w.key("unit").plain("kWh");
}

/// One limit, which holds everywhere.
fn limit(w: &mut Writer, percent: f64) {
    w.key("values").array(|w| {
        w.object(|w| {
            w.key("type").plain("GLOBAL");
            w.key("limit").number(percent);
            w.key("condition").null();
        });
    });
    w.key("activeLimit").number(percent);
    w.key("unit").plain("percent");
}

fn write_grid(w: &mut Writer, cells: Cells, grid: &[GridCell]) {
    w.key("values").array(|w| {
        for cell in grid {
            w.object(|w| write_cell(w, cells, cell));
        }
    });
    let count = |place: fn(&GridCell) -> u8| grid.iter().map(|cell| u32::from(place(cell)) + 1).max();
    w.key("rowCount").integer(count(|cell| cell.row).unwrap_or(0));
    w.key("columnCount").integer(count(|cell| cell.column).unwrap_or(0));
    if cells == Cells::Tires {
        w.key("unit").plain("kPa");
    }
}

fn write_cell(w: &mut Writer, cells: Cells, cell: &GridCell) {
    w.key("row").integer(cell.row.into());
    w.key("column").integer(cell.column.into());
    match cells {
        Cells::Tires => w.key("tirePressure").optional(cell.pressure, Writer::number),
        Cells::Windows => w.key("isOpen").optional(cell.is_open, Writer::flag),
        Cells::Doors => {
            w.key("isOpen").optional(cell.is_open, Writer::flag);
            w.key("isLocked").optional(cell.is_locked, Writer::flag);
        }
    }
}

/// Whether a body may go out as it is: canonical, and without keys that JavaScript would move or numbers that it would change.
fn sound(body: &str) -> bool {
    let is_canonical = json::canonical(body).is_ok_and(|canonical| canonical == body);
    is_canonical && !json::has_index_key(body) && !json::has_unsafe_number(body)
}

/// Whether a body in JSON has what receivers of a signal read without looking for it first.
fn is_shown_by(form: &Form, body: &str) -> bool {
    let has = |key, is: fn(&str) -> bool| json::member(body, key).is_some_and(is);
    match form {
        Form::Flag => has("value", is_flag),
        Form::Number(_) => has("value", is_number),
        Form::Grid(_) => has("values", is_array),
        Form::Word(_) | Form::Text { .. } => has("value", is_string),
        Form::Position => has("latitude", is_number) && has("longitude", is_number),
        Form::Opening(_) => has("isOpen", |open| is_flag(open) || open == "null"),
        Form::Composite(composite) => match composite.body {
            BodyKind::Range => has("value", is_number),
            BodyKind::Capacity => has("availableCapacities", is_array),
            BodyKind::Limits | BodyKind::List => has("values", is_array),
            BodyKind::DriveMode => has("canonical", is_string) && has("oemDisplayName", is_string),
            BodyKind::Health => has("status", is_string),
        },
    }
}

fn is_flag(json: &str) -> bool {
    matches!(json, "true" | "false")
}

fn is_number(json: &str) -> bool {
    json_number(json).is_some()
}

fn is_string(json: &str) -> bool {
    json.starts_with('"')
}

fn is_array(json: &str) -> bool {
    json.starts_with('[')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        payload::{json::canonical, sample},
        signal,
        time::Timestamp,
    };
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(code: &str, value: Value, expected: Expect) {
        let signal = SignalId::from_code(code).unwrap();
        expected.assert_eq(&Body::of(signal, &value).map_or("-".into(), written));
    }

    fn written(body: Body<'_>) -> String {
        let mut w = Writer::default();
        body.write(&mut w);
        w.finish()
    }

    #[test]
    fn every_signal_has_a_form_and_a_sample_of_it() {
        let samples = sample::observation(SignalId::all(), Timestamp::default());
        let mut table = String::new();
        for observed in &samples.signals {
            let sample = observed.outcome.as_ref().unwrap();
            let body = Body::of(observed.signal, &sample.value);
            let body = body.unwrap_or_else(|| panic!("{:?} cannot be {:?}", observed.signal, sample.value));
            table += &format!("{:?} {}\n", observed.signal, written(body));
        }
        expect![[r#"
            charge-amperage {"value":16,"unit":"ampere"}
            charge-amperagemax {"value":32,"unit":"ampere"}
            charge-amperagerequested {"value":16,"unit":"ampere"}
            charge-chargelimits {"values":[{"type":"GLOBAL","limit":80,"condition":null}],"activeLimit":80,"unit":"percent"}
            charge-chargeportstatuscolor {"value":"GREEN"}
            charge-chargerate {"value":18,"unit":"km/h"}
            charge-chargerecords {"values":[{"id":"1","cost":{"currency":"EUR","energyAmount":4.2,"otherAmount":0},"startTime":"2026-01-14T20:00:00.000Z","endTime":"2026-01-14T22:30:00.000Z","location":null,"energyAdded":9,"connectorType":"TYPE_2","chargingType":"AC","isPublicCharger":false,"startStateOfCharge":15,"endStateOfCharge":80}]}
            charge-chargerphases {"value":1,"unit":"count"}
            charge-chargetimers {"values":[{"type":"GLOBAL","condition":null,"schedules":[{"start":"22:00:00","end":"06:00:00","days":["MONDAY","FRIDAY"]}],"departureTimers":[],"isOEMOptimizationEnabled":false}]}
            charge-chargingconnectortype {"value":"TYPE_2"}
            charge-detailedchargingstatus {"value":"CHARGING"}
            charge-energyadded {"value":4.5,"unit":"kWh"}
            charge-fastchargertype {"value":"CCS"}
            charge-ischarging {"value":true}
            charge-ischargingcableconnected {"value":true}
            charge-ischargingcablelatched {"value":true}
            charge-ischargingportflapopen {"value":true}
            charge-isfastchargerpresent {"value":false}
            charge-timetocomplete {"value":45}
            charge-voltage {"value":230,"unit":"volts"}
            charge-wattage {"value":3680,"unit":"watts"}
            climate-externaltemperature {"value":18.5,"unit":"celsius"}
            climate-internaltemperature {"value":21,"unit":"celsius"}
            closure-doors {"values":[{"row":0,"column":0,"isOpen":false,"isLocked":true},{"row":0,"column":1,"isOpen":false,"isLocked":true},{"row":1,"column":0,"isOpen":false,"isLocked":true},{"row":1,"column":1,"isOpen":false,"isLocked":true}],"rowCount":2,"columnCount":2}
            closure-enginecover {"isOpen":false}
            closure-fronttrunk {"isOpen":false,"isLocked":true}
            closure-islocked {"value":true}
            closure-reartrunk {"isOpen":false,"isLocked":true}
            closure-sunroof {"isOpen":false}
            closure-tailgate {"isOpen":false,"isLocked":true}
            closure-windows {"values":[{"row":0,"column":0,"isOpen":false},{"row":0,"column":1,"isOpen":false},{"row":1,"column":0,"isOpen":false},{"row":1,"column":1,"isOpen":false}],"rowCount":2,"columnCount":2}
            connectivitysoftware-currentfirmwareversion {"value":"1.2.3"}
            connectivitystatus-isasleep {"value":false}
            connectivitystatus-isdigitalkeypaired {"value":false}
            connectivitystatus-isonline {"value":true}
            diagnostics-abs {"status":"OK","description":null}
            diagnostics-activesafety {"status":"OK","description":null}
            diagnostics-airbag {"status":"OK","description":null}
            diagnostics-brakefluid {"status":"OK","description":null}
            diagnostics-driverassistance {"status":"OK","description":null}
            diagnostics-dtccount {"value":0,"unit":"count"}
            diagnostics-dtclist {"values":[]}
            diagnostics-emissions {"status":"OK","description":null}
            diagnostics-evbatteryconditioning {"status":"OK","description":null}
            diagnostics-evcharging {"status":"OK","description":null}
            diagnostics-evdriveunit {"status":"OK","description":null}
            diagnostics-evhvbattery {"status":"OK","description":null}
            diagnostics-lighting {"status":"OK","description":null}
            diagnostics-mil {"status":"OK","description":null}
            diagnostics-oillife {"status":"OK","description":null}
            diagnostics-oilpressure {"status":"OK","description":null}
            diagnostics-oiltemperature {"status":"OK","description":null}
            diagnostics-telematics {"status":"OK","description":null}
            diagnostics-tirepressure {"status":"OK","description":null}
            diagnostics-tirepressuremonitoring {"status":"OK","description":null}
            diagnostics-transmission {"status":"OK","description":null}
            diagnostics-washerfluid {"status":"OK","description":null}
            diagnostics-waterinfuel {"status":"OK","description":null}
            hvac-cabintargettemperature {"value":21,"unit":"celsius"}
            hvac-iscabinhvacactive {"value":false}
            hvac-isfrontdefrosteractive {"value":false}
            hvac-isreardefrosteractive {"value":false}
            hvac-issteeringheateractive {"value":false}
            internalcombustionengine-amountremaining {"value":31.2,"unit":"liters"}
            internalcombustionengine-fuellevel {"value":62,"unit":"percent"}
            internalcombustionengine-oillife {"value":84,"unit":"percent"}
            internalcombustionengine-range {"value":430,"unit":"km"}
            location-isathome {"value":true}
            location-preciselocation {"latitude":51.4778,"longitude":-0.0015}
            lowvoltagebattery-stateofcharge {"value":92,"unit":"percent"}
            lowvoltagebattery-status {"value":"GOOD"}
            motion-currentspeed {"value":0,"unit":"kph"}
            odometer-traveleddistance {"value":20123.4,"unit":"km"}
            service-isinservice {"value":false}
            service-records {"values":[{"id":"1","time":"2026-01-15T09:00:00.000Z","odometer":19500,"cost":{"amount":210,"currency":"EUR"},"tasks":[{"id":"1","description":"Oil change"}]}]}
            surveillance-brand {"value":"Guard"}
            surveillance-isenabled {"value":false}
            tractionbattery-isheateractive {"value":false}
            tractionbattery-maxrangechargecounter {"value":12,"unit":"count"}
            tractionbattery-nominalcapacity {"capacity":13.8,"source":"SMARTCAR","availableCapacities":[{"capacity":13.8,"description":null}],"unit":"kWh"}
            tractionbattery-range {"value":41,"type":"DEFAULT","additionalValues":[],"unit":"km"}
            tractionbattery-stateofcharge {"value":78,"unit":"percent"}
            transmission-drivemode {"canonical":"NORMAL","oemDisplayName":"NORMAL"}
            transmission-gearstate {"value":"PARK"}
            vehicleidentification-exteriorcolor {"value":"Blue"}
            vehicleidentification-nickname {"value":"Sample"}
            vehicleidentification-packages {"values":[]}
            vehicleidentification-trim {"value":"Long Range"}
            vehicleidentification-vin {"value":"11111111111111111"}
            vehicleuseraccount-permissions {"values":["vehicle_read"]}
            vehicleuseraccount-role {"value":"OWNER"}
            wheel-style {"value":"Aero"}
            wheel-tires {"values":[{"row":0,"column":0,"tirePressure":240},{"row":0,"column":1,"tirePressure":240},{"row":1,"column":0,"tirePressure":240},{"row":1,"column":1,"tirePressure":240}],"rowCount":2,"columnCount":2,"unit":"kPa"}
        "#]].assert_eq(&table);
    }

    #[test]
    fn what_is_not_known_of_a_composite_value_is_null_or_absent() {
        let trunk = GridCell { is_open: Some(true), ..GridCell::default() };
        check("closure-reartrunk", Value::Grid(vec![trunk]), expect![[r#"{"isOpen":true,"isLocked":null}"#]]);
        check("closure-sunroof", Value::Grid(vec![GridCell::default()]), expect![[r#"{"isOpen":null}"#]]);
        check(
            "closure-doors",
            Value::Grid(vec![]),
            expect![[r#"{"values":[],"rowCount":0,"columnCount":0}"#]],
        );
        let far = GridCell { row: 255, column: 2, ..GridCell::default() };
        check(
            "wheel-tires",
            Value::Grid(vec![far]),
            expect![[
                r#"{"values":[{"row":255,"column":2,"tirePressure":null}],"rowCount":256,"columnCount":3,"unit":"kPa"}"#
            ]],
        );
        let turned = Value::position(52.1, 5.0, Some(-0.0));
        check(
            "location-preciselocation",
            turned,
            expect![[r#"{"latitude":52.1,"longitude":5,"heading":0}"#]],
        );
    }

    #[test]
    fn the_json_of_a_whole_body_goes_out_as_it_is() {
        let json = |text: &str| Value::Json(canonical(text).unwrap());
        let limits = r#"{"values":[{"type":"LOCATION","limit":90,"condition":{"name":"Home"}}],"activeLimit":null,"unit":"percent"}"#;
        check(
            "charge-chargelimits",
            json(limits),
            expect![[
                r#"{"values":[{"type":"LOCATION","limit":90,"condition":{"name":"Home"}}],"activeLimit":null,"unit":"percent"}"#
            ]],
        );
        let open = r#"{"capacity":null,"source":null,"availableCapacities":[],"unit":"kWh"}"#;
        check(
            "tractionbattery-nominalcapacity",
            json(open),
            expect![[r#"{"capacity":null,"source":null,"availableCapacities":[],"unit":"kWh"}"#]],
        );
        check(
            "diagnostics-abs",
            json(r#"{"status":"ALERT","description":"wear"}"#),
            expect![[r#"{"status":"ALERT","description":"wear"}"#]],
        );
        check(
            "tractionbattery-range",
            json(r#"{"value":290,"type":"RATED"}"#),
            expect![[r#"{"value":290,"type":"RATED"}"#]],
        );
    }

    #[test]
    fn a_value_in_a_form_that_its_signal_cannot_have_has_no_body() {
        let none = |signal, value| assert!(Body::of(signal, &value).is_none(), "{signal:?} {value:?}");
        let json = |text: &str| Value::Json(text.into());
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            none(signal::ODOMETER, Value::Number(number));
            none(signal::LOCATION, Value::position(number, 0.0, None));
            none(signal::LOCATION, Value::position(0.0, 0.0, Some(number)));
            none(
                signal::TIRES,
                Value::Grid(vec![GridCell { pressure: Some(number), ..GridCell::default() }]),
            );
        }
        none(signal::ODOMETER, Value::Flag(true));
        none(signal::ODOMETER, json("{}"));
        none(signal::ODOMETER, json("7"));
        none(signal::ODOMETER, json(r#"{"value":"7"}"#));
        none(signal::ODOMETER, json(r#"{"value":null}"#));
        none(signal::ODOMETER, json(r#"{"value":7"#));
        none(signal::ODOMETER, json(r#"{"value":7.0}"#));
        none(signal::ODOMETER, json(r#"{"value":7,"value":8}"#));
        none(signal::ODOMETER, json(r#"{"17":1,"value":7}"#));
        none(signal::DTC_LIST, json(r#"{"values":[{"0":1}]}"#));
        none(signal::DTC_LIST, json(r#"["P0A80"]"#));
        none(signal::IS_CHARGING, Value::Number(1.0));
        none(signal::SUNROOF, Value::Grid(vec![]));
        none(signal::VIN, Value::Number(1.0));
    }
}
