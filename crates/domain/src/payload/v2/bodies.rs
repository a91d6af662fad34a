//! The bodies of v2 reads, each from the signals that it is made of.

use super::{
    super::{
        json,
        value::{flag, grid, json_number, list, number, number_of, position, text},
    },
    Writer,
};
use crate::{
    errors::ErrorCode,
    signal::{self, Endpoint, GridCell, SignalId, Value},
    time::Timestamp,
    units::{UnitSystem, fraction},
    vehicle::{Observation, Sample, VehicleInfo},
};

/// How old the values of a body are: none of them is older. `/` shows none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ages {
    /// When the car measured; when we had it, where the source does not say.
    pub(super) measured: Option<Timestamp>,
    /// When we had it.
    pub(super) fetched: Option<Timestamp>,
}

impl Ages {
    pub(super) fn add(&mut self, sample: &Sample) {
        let oldest = |known: Option<Timestamp>, moment| Some(known.map_or(moment, |known| known.min(moment)));
        self.measured = oldest(self.measured, sample.captured_at.unwrap_or(sample.retrieved_at));
        self.fetched = oldest(self.fetched, sample.retrieved_at);
    }
}

/// Writes the body of a read. Gives the ages of the values that it shows.
///
/// # Errors
///
/// The first failure, when no signal of the endpoint has a value; and that of one that has to be there: clients read the
/// state of `/charge` as a word. What was written is of no use then.
pub(super) fn read(
    body: &mut Writer,
    endpoint: Endpoint,
    info: &VehicleInfo,
    observation: &Observation,
    units: UnitSystem,
) -> Result<Ages, ErrorCode> {
    let mut answers = Answers { observation, ages: Ages::default(), failure: None, missing: None };
    match endpoint {
        Endpoint::Attributes => attributes(body, info),
        Endpoint::Vin => vin(body, &mut answers),
        Endpoint::Location => location(body, &mut answers),
        Endpoint::Odometer => odometer(body, &mut answers, units),
        Endpoint::Fuel => fuel(body, &mut answers, units),
        Endpoint::Battery => battery(body, &mut answers, units),
        Endpoint::BatteryCapacity => battery_capacity(body, &mut answers),
        Endpoint::NominalCapacity => nominal_capacity(body, &mut answers),
        Endpoint::Charge => charge(body, &mut answers),
        Endpoint::ChargeLimit => charge_limit(body, &mut answers),
        Endpoint::EngineOil => engine_oil(body, &mut answers),
        Endpoint::TirePressure => tire_pressure(body, &mut answers, units),
        Endpoint::Security => security(body, &mut answers),
        Endpoint::SystemStatus => system_status(body, &mut answers),
        Endpoint::TroubleCodes => trouble_codes(body, &mut answers),
        Endpoint::ServiceHistory => service_history(body, &mut answers, units),
    }
    match (answers.missing, answers.ages.measured, answers.failure) {
        (Some(failure), ..) | (None, None, Some(failure)) => Err(failure),
        _ => Ok(answers.ages),
    }
}

/// The signals of an observation, as one endpoint takes them.
struct Answers<'a> {
    observation: &'a Observation,
    ages: Ages,
    failure: Option<ErrorCode>,
    /// Why something is not there that clients do not read as `null`.
    missing: Option<ErrorCode>,
}

impl<'a> Answers<'a> {
    /// What `form` reads from the value of a signal, if there is one and the form is right.
    fn take<T>(&mut self, signal: SignalId, form: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        self.try_take(signal, |value| form(value).ok_or(ErrorCode::UPSTREAM_INVALID_DATA))
    }

    /// The same; without it, the read fails.
    fn require<T>(&mut self, signal: SignalId, form: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let before = self.failure.take();
        let taken = self.take(signal, form);
        self.missing = self.missing.or(self.failure);
        self.failure = before.or(self.failure);
        taken
    }

    fn try_take<T>(
        &mut self,
        signal: SignalId,
        form: impl FnOnce(&'a Value) -> Result<T, ErrorCode>,
    ) -> Option<T> {
        let taken = match self.observation.get(signal) {
            Some(Ok(sample)) => form(&sample.value).map(|value| (value, sample)),
            Some(Err(error)) => Err(*error),
            None => Err(ErrorCode::UPSTREAM_NO_RESPONSE),
        };
        match taken {
            Ok((value, sample)) => {
                self.ages.add(sample);
                Some(value)
            }
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }
}

fn attributes(body: &mut Writer, info: &VehicleInfo) {
    body.object(|w| {
        w.key("id").plain(info.id);
        w.key("make").string(&info.make);
        w.key("model").string(&info.model);
        w.key("year").integer(info.year.into());
    });
}

fn vin(body: &mut Writer, answers: &mut Answers<'_>) {
    body.object(|w| w.key("vin").optional(answers.take(signal::VIN, text), Writer::string));
}

fn location(body: &mut Writer, answers: &mut Answers<'_>) {
    let position = answers.take(signal::LOCATION, position);
    body.object(|w| {
        w.key("latitude").optional(position.map(|(latitude, _, _)| latitude), Writer::number);
        w.key("longitude").optional(position.map(|(_, longitude, _)| longitude), Writer::number);
    });
}

fn odometer(body: &mut Writer, answers: &mut Answers<'_>, units: UnitSystem) {
    let distance = answers.take(signal::ODOMETER, number).map(|km| units.distance(km));
    body.object(|w| w.key("distance").optional(distance, Writer::number));
}

fn fuel(body: &mut Writer, answers: &mut Answers<'_>, units: UnitSystem) {
    let range = answers.take(signal::FUEL_RANGE, number).map(|km| units.distance(km));
    let level = answers.take(signal::FUEL_LEVEL, number).map(fraction);
    let amount = answers.take(signal::FUEL_AMOUNT, number).map(|litres| units.volume(litres));
    body.object(|w| {
        w.key("range").optional(range, Writer::number);
        w.key("percentRemaining").optional(level, Writer::number);
        w.key("amountRemaining").optional(amount, Writer::number);
    });
}

fn battery(body: &mut Writer, answers: &mut Answers<'_>, units: UnitSystem) {
    let level = answers.take(signal::STATE_OF_CHARGE, number).map(fraction);
    let range = answers.take(signal::BATTERY_RANGE, |range| number_of(range, "value"));
    let range = range.map(|km| units.distance(km));
    body.object(|w| {
        w.key("percentRemaining").optional(level, Writer::number);
        w.key("range").optional(range, Writer::number);
    });
}

/// The one capacity of the model. This endpoint has no way to show a choice that is still open: that is an error.
fn battery_capacity(body: &mut Writer, answers: &mut Answers<'_>) {
    let capacity = answers.try_take(signal::NOMINAL_CAPACITY, |value| match value {
        Value::Number(capacity) if capacity.is_finite() => Ok(*capacity),
        Value::Json(choice) => json::member(choice, "capacity").and_then(json_number).ok_or_else(|| {
            let available = json::member(choice, "availableCapacities").and_then(json::elements);
            match available.into_iter().flatten().next() {
                Some(_) => ErrorCode::SERVER_MULTIPLE_RECORDS_FOUND,
                None => ErrorCode::SERVER_RECORD_NOT_FOUND,
            }
        }),
        _ => Err(ErrorCode::UPSTREAM_INVALID_DATA),
    });
    body.object(|w| w.key("capacity").optional(capacity, Writer::number));
}

/// The capacity that is chosen among those that the model has; the choice may still be open.
fn nominal_capacity(body: &mut Writer, answers: &mut Answers<'_>) {
    let Some(value) = answers.take(signal::NOMINAL_CAPACITY, |value| {
        matches!(value, Value::Number(_) | Value::Json(_)).then_some(value)
    }) else {
        return;
    };
    let choice = match value {
        Value::Json(choice) => choice.as_str(),
        _ => "",
    };
    let capacity = number(value).or_else(|| json_number(json::member(choice, "capacity")?));
    body.object(|w| {
        match (json::member(choice, "availableCapacities"), capacity) {
            (Some(available), _) => w.key("availableCapacities").raw(available),
            (None, capacity) => w.key("availableCapacities").array(|w| {
                if let Some(capacity) = capacity {
                    w.object(|w| {
                        w.key("capacity").number(capacity);
                        w.key("description").null();
                    });
                }
            }),
        }
        w.key("capacity").optional(capacity, |w, capacity| {
            w.object(|w| {
                w.key("nominal").number(capacity);
                w.key("source").raw(json::member(choice, "source").unwrap_or("\"SMARTCAR\""));
            });
        });
        w.key("url").null();
    });
}

fn charge(body: &mut Writer, answers: &mut Answers<'_>) {
    let plugged_in = answers.take(signal::IS_CABLE_CONNECTED, flag);
    let state = answers.require(signal::CHARGING_STATUS, text);
    body.object(|w| {
        w.key("isPluggedIn").optional(plugged_in, Writer::flag);
        w.key("state").optional(state, Writer::string);
    });
}

/// The limit in force; where none is (an unplugged car), the one that holds everywhere.
fn charge_limit(body: &mut Writer, answers: &mut Answers<'_>) {
    let limit = answers.take(signal::CHARGE_LIMITS, limit_of);
    body.object(|w| w.key("limit").optional(limit.map(fraction), Writer::number));
}

/// The charge limit in percent that a value says.
pub(super) fn limit_of(value: &Value) -> Option<f64> {
    match value {
        Value::Json(limits) => json::member(limits, "activeLimit").and_then(json_number).or_else(|| {
            json::elements(json::member(limits, "values")?)?
                .find(|limit| json::member(limit, "type") == Some("\"GLOBAL\""))
                .and_then(|limit| json_number(json::member(limit, "limit")?))
        }),
        other => number(other),
    }
}

fn engine_oil(body: &mut Writer, answers: &mut Answers<'_>) {
    let life = answers.take(signal::OIL_LIFE, number).map(fraction);
    body.object(|w| w.key("lifeRemaining").optional(life, Writer::number));
}

/// The places that v2 has a name for, by row and column.
const PLACES: [(&str, u8, u8); 4] =
    [("frontLeft", 0, 0), ("frontRight", 0, 1), ("backLeft", 1, 0), ("backRight", 1, 1)];

fn tire_pressure(body: &mut Writer, answers: &mut Answers<'_>, units: UnitSystem) {
    let measured = |cells: &[GridCell]| cells.iter().any(|tire| tire.pressure.is_some());
    let cells =
        answers.take(signal::TIRES, |value| grid(value).filter(|cells| measured(cells))).unwrap_or_default();
    body.object(|w| {
        for (place, row, column) in PLACES {
            let pressure = cell(cells, row, column).and_then(|tire| tire.pressure);
            w.key(place).optional(pressure.map(|kpa| units.pressure(kpa)), Writer::number);
        }
    });
}

/// Locks, and lists of what may stand open; a list is empty where nothing is known.
fn security(body: &mut Writer, answers: &mut Answers<'_>) {
    let locked = answers.take(signal::IS_LOCKED, flag);
    let doors = answers.take(signal::DOORS, grid).unwrap_or_default();
    let windows = answers.take(signal::WINDOWS, grid).unwrap_or_default();
    let sunroof = answers.take(signal::SUNROOF, opening);
    let front = answers.take(signal::FRONT_TRUNK, opening);
    let rear = answers.take(signal::REAR_TRUNK, opening);
    let port = answers.take(signal::IS_CHARGING_PORT_OPEN, opening);
    body.object(|w| {
        w.key("isLocked").optional(locked, Writer::flag);
        w.key("doors").array(|w| openings_by_place(w, doors));
        w.key("windows").array(|w| openings_by_place(w, windows));
        w.key("sunroof").array(|w| openings(w, &[("sunroof", sunroof)]));
        w.key("storage").array(|w| openings(w, &[("front", front), ("rear", rear)]));
        w.key("chargingPort").array(|w| openings(w, &[("chargingPort", port)]));
    });
}

fn openings_by_place(w: &mut Writer, cells: &[GridCell]) {
    let known = PLACES.map(|(place, row, column)| (place, cell(cells, row, column).map(Opening::of)));
    openings(w, &known);
}

fn openings(w: &mut Writer, known: &[(&'static str, Option<Opening>)]) {
    for &(place, opening) in known {
        if let Some(opening) = opening {
            w.object(|w| {
                w.key("type").plain(place);
                w.key("status").plain(opening.as_str());
            });
        }
    }
}

/// Whether something that can stand open does. That a shut door is locked besides is not said here: `LOCKED` is a
/// word that receivers written from older descriptions do not know, and `isLocked` has it.
#[derive(Clone, Copy)]
enum Opening {
    Open,
    Closed,
    Unknown,
}

impl Opening {
    const fn of(cell: &GridCell) -> Self {
        match cell.is_open {
            Some(true) => Self::Open,
            Some(false) => Self::Closed,
            None => Self::Unknown,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The `systemId` of each signal of [`Endpoint::SystemStatus`], in its order.
const SYSTEMS: [&str; 21] = [
    "SYSTEM_ABS",
    "SYSTEM_ACTIVE_SAFETY",
    "SYSTEM_AIRBAG",
    "SYSTEM_BRAKE_FLUID",
    "SYSTEM_DRIVER_ASSISTANCE",
    "SYSTEM_EMISSIONS",
    "SYSTEM_EV_BATTERY_CONDITIONING",
    "SYSTEM_EV_CHARGING",
    "SYSTEM_EV_DRIVE_UNIT",
    "SYSTEM_EV_HV_BATTERY",
    "SYSTEM_LIGHTING",
    "SYSTEM_ENGINE",
    "SYSTEM_OIL_LIFE",
    "SYSTEM_OIL_PRESSURE",
    "SYSTEM_OIL_TEMPERATURE",
    "SYSTEM_TELEMATICS",
    "SYSTEM_TIRE_PRESSURE",
    "SYSTEM_TPMS",
    "SYSTEM_TRANSMISSION",
    "SYSTEM_WASHER_FLUID",
    "SYSTEM_WATER_IN_FUEL",
];

fn system_status(body: &mut Writer, answers: &mut Answers<'_>) {
    body.object(|w| {
        w.key("systems").array(|w| {
            for (&signal, system) in Endpoint::SystemStatus.signals().iter().zip(SYSTEMS) {
                if let Some(health) = answers.take(signal, Health::of) {
                    w.object(|w| {
                        w.key("systemId").plain(system);
                        health.write(w);
                    });
                }
            }
        });
    });
}

/// A system's verdict, `OK` or `ALERT`, alone or with a remark.
enum Health<'a> {
    Word(&'a str),
    Remarked { status: &'a str, description: &'a str },
}

impl<'a> Health<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Text(word) => Some(Self::Word(word)),
            Value::Json(health) => Some(Self::Remarked {
                status: json::member(health, "status")?,
                description: json::member(health, "description").unwrap_or("null"),
            }),
            _ => None,
        }
    }

    fn write(self, w: &mut Writer) {
        match self {
            Self::Word(word) => {
                w.key("status").string(word);
                w.key("description").null();
            }
            Self::Remarked { status, description } => {
                w.key("status").raw(status);
                w.key("description").raw(description);
            }
        }
    }
}

fn trouble_codes(body: &mut Writer, answers: &mut Answers<'_>) {
    let codes = answers.take(signal::DTC_LIST, list).unwrap_or("[]");
    body.object(|w| w.key("activeCodes").raw(codes));
}

/// The one body that is an array.
fn service_history(body: &mut Writer, answers: &mut Answers<'_>, units: UnitSystem) {
    let records = answers.take(signal::SERVICE_RECORDS, list).and_then(json::elements);
    body.array(|w| records.into_iter().flatten().for_each(|record| service_record(w, record, units)));
}

/// One visit to a workshop. Some clients read ids and distance as whole numbers only, so ids are numbers where they
/// can be and the distance is whole; and clients disagree on the shape of `serviceDetails`, but all take `null`.
fn service_record(w: &mut Writer, record: &str, units: UnitSystem) {
    let distance =
        json::member(record, "odometer").and_then(json_number).map(|km| units.distance(km).round());
    let tasks = json::member(record, "tasks").and_then(json::elements);
    let cost = json::member(record, "cost").unwrap_or_default();
    w.object(|w| {
        w.key("serviceId").raw(whole_if_possible(raw(record, "id")));
        w.key("serviceDate").raw(raw(record, "time"));
        w.key("odometerDistance").optional(distance, Writer::number);
        w.key("serviceTasks").array(|w| {
            for task in tasks.into_iter().flatten() {
                w.object(|w| {
                    w.key("taskId").raw(whole_if_possible(raw(task, "id")));
                    w.key("taskDescription").raw(raw(task, "description"));
                });
            }
        });
        w.key("serviceDetails").null();
        w.key("serviceCost").object(|w| {
            w.key("totalCost").raw(raw(cost, "amount"));
            w.key("currency").raw(raw(cost, "currency"));
        });
    });
}

fn raw<'t>(object: &'t str, key: &str) -> &'t str {
    json::member(object, key).unwrap_or("null")
}

/// The digits of a text of digits, as long as they are an exact number in JavaScript; else the JSON as it is.
fn whole_if_possible(json: &str) -> &str {
    let digits = json.trim_matches('"');
    let plain = digits.len() <= 15 && !digits.starts_with('0') && !digits.is_empty();
    if plain && digits.bytes().all(|byte| byte.is_ascii_digit()) { digits } else { json }
}

fn opening(value: &Value) -> Option<Opening> {
    match value {
        Value::Flag(true) => Some(Opening::Open),
        Value::Flag(false) => Some(Opening::Closed),
        Value::Grid(cells) => cells.first().map(Opening::of),
        _ => None,
    }
}

fn cell(cells: &[GridCell], row: u8, column: u8) -> Option<&GridCell> {
    cells.iter().find(|cell| cell.row == row && cell.column == column)
}
