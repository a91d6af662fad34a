//! Commands that only vehicles of some brands take.
//!
//! | method and path | body |
//! | --- | --- |
//! | `POST /tesla/climate/cabin` | `{"action": "START", "temperature": 21}`; `START`, `STOP` or `SET` |
//! | `POST /tesla/climate/defroster`, `/tesla/climate/steering_wheel` | `{"action": "START"}` or `STOP` |
//! | `POST /tesla/charge/ammeter` | `{"amperage": 16}` |
//! | `POST /tesla/charge/schedule` | `{"type": "START_TIME", "enable": true, "time": "23:30"}`, or `DEPARTURE_TIME` |
//! | `POST /tesla/charge/charge_port_door`, `/tesla/security/trunk` | `{"action": "OPEN"}` or `CLOSE` |
//! | `POST /tesla/security/frunk` | `{"action": "OPEN"}` |
//! | `POST /tesla/pin`, `DELETE /tesla/pin` | `{"pin": "1234"}`, nothing |
//! | `PUT /nissan/charge/schedule` | `{"chargeSchedules": [{"start": "08:00", "end": "12:00", "days": ["MONDAY"]}]}`, at most three |
//! | `PUT /ford/charge/schedule_by_location?latitude=…&longitude=…`, the same for `/lincoln` | `{"chargingLocation": {"chargeLimit": 0.9, "chargingWindows": {"weekday": [{"start": "09:00", "end": "17:00"}], "weekend": []}}}` |
//!
//! Some answer with the state that they have led to, the others with `success`. The name of the brand is in lower case;
//! upper case is refused as it is for reads.

use axum::{
    Json,
    http::Method,
    response::{IntoResponse, Response},
};
use domain::{
    connect::Permission,
    errors::ErrorCode,
    payload::v2::rest::Read,
    signal::{Details, Value as SignalValue},
    time::Timestamp,
    units::UnitSystem,
    vehicle::{
        BrandCommand, ChargeDays, ChargeHours, MOST_CHARGE_DAYS, MOST_SPANS, Observation, Span, VehicleInfo,
    },
};
use serde::Serialize;
use serde_json::Value;

use super::{
    asking::{Answered, Wish, answered},
    commands::{Done, number},
    error::V2Error,
};

/// A command of a brand, before its body was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrandOrder {
    Cabin,
    Defroster,
    SteeringWheel,
    Amperage,
    ChargeTime,
    ChargePort,
    Trunk,
    Frunk,
    SetPin,
    ClearPin,
    ChargeDays,
    ChargeHours,
}

/// What a method and a path of a brand ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Order(BrandOrder),
    /// The same with the brand's name in upper case.
    Shouted,
}

const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

/// Documentation of the format has had `POST` for the schedule of a Nissan and another path for the steering wheel; both are
/// still taken.
const ORDERS: &[(Method, &str, &str, BrandOrder)] = &[
    (POST, "tesla", "climate/cabin", BrandOrder::Cabin),
    (POST, "tesla", "climate/defroster", BrandOrder::Defroster),
    (POST, "tesla", "climate/steering_wheel", BrandOrder::SteeringWheel),
    (POST, "tesla", "cabin/steering_wheel", BrandOrder::SteeringWheel),
    (POST, "tesla", "charge/ammeter", BrandOrder::Amperage),
    (POST, "tesla", "charge/schedule", BrandOrder::ChargeTime),
    (POST, "tesla", "charge/charge_port_door", BrandOrder::ChargePort),
    (POST, "tesla", "security/trunk", BrandOrder::Trunk),
    (POST, "tesla", "security/frunk", BrandOrder::Frunk),
    (POST, "tesla", "pin", BrandOrder::SetPin),
    (DELETE, "tesla", "pin", BrandOrder::ClearPin),
    (PUT, "nissan", "charge/schedule", BrandOrder::ChargeDays),
    (POST, "nissan", "charge/schedule", BrandOrder::ChargeDays),
    (PUT, "ford", "charge/schedule_by_location", BrandOrder::ChargeHours),
    (PUT, "lincoln", "charge/schedule_by_location", BrandOrder::ChargeHours),
];

/// Each command for the catalogue: its method, its brand, its path below the brand, and what the owner has to grant.
pub(crate) fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str, Permission)> {
    ORDERS.iter().map(|(method, brand, path, order)| (method.as_str(), *brand, *path, order.permission()))
}

/// What is asked for below a vehicle: `tesla/charge/ammeter`, without slashes at its ends.
pub(super) fn find(method: &Method, path: &str) -> Option<Found> {
    let (brand, rest) = path.split_once('/')?;
    let same = |order: &&(Method, &str, &str, BrandOrder)| {
        order.0 == *method && order.1.eq_ignore_ascii_case(brand) && order.2 == rest
    };
    let order = ORDERS.iter().find(same)?;
    Some(if order.1 == brand { Found::Order(order.3) } else { Found::Shouted })
}

impl BrandOrder {
    /// What the owner has to grant; the same as of the command that it becomes.
    const fn permission(self) -> Permission {
        match self {
            Self::Cabin | Self::Defroster | Self::SteeringWheel => Permission::ControlClimate,
            Self::Trunk | Self::Frunk => Permission::ControlTrunk,
            Self::SetPin | Self::ClearPin => Permission::ControlPin,
            Self::Amperage | Self::ChargeTime | Self::ChargePort | Self::ChargeDays | Self::ChargeHours => {
                Permission::ControlCharge
            }
        }
    }

    /// The command that a body asks for.
    pub(super) fn command(
        self,
        body: &Value,
        place: (Option<&str>, Option<&str>),
        units: UnitSystem,
    ) -> Result<BrandCommand, V2Error> {
        Ok(match self {
            Self::Cabin => cabin(body, units)?,
            Self::Defroster => BrandCommand::Defroster(starts(body)?),
            Self::SteeringWheel => BrandCommand::SteeringWheel(starts(body)?),
            Self::Amperage => BrandCommand::Amperage(amperage(body)?),
            Self::ChargeTime => charge_time(body)?,
            Self::ChargePort => BrandCommand::ChargePort(opens(body)?),
            Self::Trunk => BrandCommand::Trunk(opens(body)?),
            Self::Frunk if opens(body)? => BrandCommand::Frunk,
            Self::Frunk => return Err(V2Error::invalid("action", "the front trunk opens only: OPEN")),
            Self::SetPin => set_pin(body)?,
            Self::ClearPin => BrandCommand::ClearPin,
            Self::ChargeDays => BrandCommand::ChargeDays(charge_days(body)?),
            Self::ChargeHours => BrandCommand::ChargeHours(charge_hours(body, place)?),
        })
    }
}

/// What clients are answered when it is done.
pub(super) fn answer(
    command: BrandCommand,
    info: &VehicleInfo,
    details: Option<&Details>,
    units: UnitSystem,
    now: Timestamp,
) -> Result<Response, ErrorCode> {
    Ok(match command {
        BrandCommand::Defroster(on) | BrandCommand::SteeringWheel(on) => {
            Json(Switched::of(on)).into_response()
        }
        BrandCommand::Amperage(asked) => {
            let set = details
                .and_then(|details| details.values.iter().find(|(name, _)| *name == "amperageRequested"));
            let amperage = match set {
                Some((_, SignalValue::Number(amperes))) => *amperes,
                _ => asked,
            };
            let message = format!("Successfully sent the following amperage: {amperage}");
            Json(Message { status: "success", message }).into_response()
        }
        command => match command.shown_by() {
            None => Json(Done::SENT).into_response(),
            Some(read) => {
                let read = Read::Brand(read);
                let nothing = Observation { taken_at: now, signals: vec![], causes: vec![] };
                let shown = read.answer(info, &nothing, details, units)?;
                let Answered { body, headers } = answered(read, shown, Wish::default());
                Answered { body, headers }.into_response()
            }
        },
    })
}

#[derive(Serialize)]
struct Message {
    status: &'static str,
    message: String,
}

/// Which action was sent.
#[derive(Serialize)]
struct Switched {
    status: &'static str,
}

impl Switched {
    const fn of(on: bool) -> Self {
        Self { status: if on { "START" } else { "STOP" } }
    }
}

fn starts(body: &Value) -> Result<bool, V2Error> {
    match body["action"].as_str() {
        Some("START") => Ok(true),
        Some("STOP") => Ok(false),
        _ => Err(V2Error::invalid("action", "the action is START or STOP")),
    }
}

fn opens(body: &Value) -> Result<bool, V2Error> {
    match body["action"].as_str() {
        Some("OPEN") => Ok(true),
        Some("CLOSE") => Ok(false),
        _ => Err(V2Error::invalid("action", "the action is OPEN or CLOSE")),
    }
}

/// What a cabin can be heated and cooled to, in degrees Celsius.
const COOLEST: f64 = 15.0;
const WARMEST: f64 = 28.0;

fn cabin(body: &Value, units: UnitSystem) -> Result<BrandCommand, V2Error> {
    let on = match body["action"].as_str() {
        Some("START") => Some(true),
        Some("STOP") => Some(false),
        Some("SET") => None,
        _ => return Err(V2Error::invalid("action", "the action is START, STOP or SET")),
    };
    let celsius = match &body["temperature"] {
        Value::Null if on.is_some() => None,
        Value::Null => return Err(V2Error::invalid("temperature", "SET needs a temperature")),
        temperature => {
            let degrees = number(temperature)
                .ok_or_else(|| V2Error::invalid("temperature", "the temperature is a number"))?;
            let celsius = match units {
                UnitSystem::Metric => degrees,
                UnitSystem::Imperial => (degrees - 32.0) / 1.8,
            };
            let within = (COOLEST - 0.01..=WARMEST + 0.01).contains(&celsius);
            if !within {
                let (least, most) = (units.temperature(COOLEST), units.temperature(WARMEST));
                let message = format!("the temperature is from {least} to {most} degrees");
                return Err(V2Error::unacceptable("temperature", message));
            }
            Some(celsius)
        }
    };
    Ok(BrandCommand::Cabin { on, celsius })
}

fn amperage(body: &Value) -> Result<f64, V2Error> {
    const MOST: f64 = 1_000.0;
    match number(&body["amperage"]) {
        Some(amperage) if (1.0..=MOST).contains(&amperage) => Ok(amperage),
        Some(_) => Err(V2Error::unacceptable(
            "amperage",
            "the amperage is from 1 up; more than the charger gives is its most",
        )),
        None => Err(V2Error::invalid("amperage", "the amperage is a number of amperes")),
    }
}

/// Documentation of the format calls the switch `enable` and `enabled`; both are taken.
fn charge_time(body: &Value) -> Result<BrandCommand, V2Error> {
    let departure = match body["type"].as_str() {
        Some("START_TIME") => false,
        Some("DEPARTURE_TIME") => true,
        _ => return Err(V2Error::invalid("type", "the type is START_TIME or DEPARTURE_TIME")),
    };
    let switch = body.get("enable").or_else(|| body.get("enabled")).and_then(Value::as_bool);
    let enabled = switch.ok_or_else(|| V2Error::invalid("enable", "enable is true or false"))?;
    let minute = match (enabled, &body["time"]) {
        (false, _) => None,
        (true, time) => {
            Some(minute(time).ok_or_else(|| V2Error::invalid("time", "the time is HH:mm, such as 23:30"))?)
        }
    };
    Ok(BrandCommand::ChargeTime { departure, minute })
}

fn set_pin(body: &Value) -> Result<BrandCommand, V2Error> {
    let pin = body["pin"].as_str().unwrap_or_default();
    if pin.len() == 4 && pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(BrandCommand::SetPin);
    }
    Err(V2Error::invalid("pin", "the PIN is a text of four digits"))
}

const DAYS: [&str; 7] = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];

fn charge_days(body: &Value) -> Result<[Option<ChargeDays>; MOST_CHARGE_DAYS], V2Error> {
    const FIELD: &str = "chargeSchedules";
    let message = "schedules have a start and an end as HH:mm, and days from MONDAY to SUNDAY";
    let wrong = || V2Error::invalid(FIELD, message);
    let schedules = body[FIELD].as_array().ok_or_else(wrong)?;
    if schedules.len() > MOST_CHARGE_DAYS {
        return Err(V2Error::unacceptable(FIELD, format!("at most {MOST_CHARGE_DAYS} schedules can be set")));
    }
    let mut set = [None; MOST_CHARGE_DAYS];
    for (schedule, slot) in schedules.iter().zip(&mut set) {
        let day = |day: &Value| DAYS.iter().position(|known| day.as_str() == Some(*known));
        let days = schedule["days"].as_array().filter(|days| !days.is_empty()).ok_or_else(wrong)?;
        let bits = days.iter().try_fold(0_u8, |bits, one| Some(bits | 1 << day(one)?)).ok_or_else(wrong)?;
        let time = |name: &str| minute(&schedule[name]).ok_or_else(wrong);
        *slot = Some(ChargeDays { start: time("start")?, end: time("end")?, days: bits });
    }
    Ok(set)
}

fn charge_hours(
    body: &Value,
    (latitude, longitude): (Option<&str>, Option<&str>),
) -> Result<ChargeHours, V2Error> {
    let degrees = |text: Option<&str>, name: &'static str, most: f64| {
        let degrees =
            text.and_then(|text| text.trim().parse().ok()).filter(|degrees: &f64| degrees.abs() <= most);
        degrees
            .ok_or_else(|| V2Error::invalid(name, format!("the query has a {name} from -{most} to {most}")))
    };
    let (latitude, longitude) =
        (degrees(latitude, "latitude", 90.0)?, degrees(longitude, "longitude", 180.0)?);
    let place = &body["chargingLocation"];
    let limit = match number(&place["chargeLimit"]) {
        Some(limit) if (0.5..=1.0).contains(&limit) => limit * 100.0,
        Some(_) => return Err(V2Error::unacceptable("chargeLimit", "the limit is from 0.5 to 1")),
        None => return Err(V2Error::invalid("chargeLimit", "the limit is a number from 0.5 to 1")),
    };
    let windows = &place["chargingWindows"];
    let (weekday, weekend) = (spans(&windows["weekday"], "weekday")?, spans(&windows["weekend"], "weekend")?);
    Ok(ChargeHours { latitude, longitude, limit, weekday, weekend })
}

fn spans(windows: &Value, name: &'static str) -> Result<[Option<Span>; MOST_SPANS], V2Error> {
    let wrong = || V2Error::invalid(name, "a list of windows with a start and an end as HH:00");
    let windows = windows.as_array().ok_or_else(wrong)?;
    if windows.len() > MOST_SPANS {
        return Err(V2Error::unacceptable(name, format!("at most {MOST_SPANS} windows can be set")));
    }
    let mut set = [None; MOST_SPANS];
    for (window, slot) in windows.iter().zip(&mut set) {
        let hour = |name: &str| {
            let minute = minute(&window[name]).filter(|minute| minute % 60 == 0);
            minute.map(|minute| (minute / 60) as u8).ok_or_else(wrong)
        };
        *slot = Some((hour("start")?, hour("end")?));
    }
    Ok(set)
}

/// The minute of the day of `HH:mm`.
fn minute(time: &Value) -> Option<u16> {
    let (hours, minutes) = time.as_str()?.split_once(':')?;
    let two = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (hours, minutes): (u16, u16) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_method_and_a_path_lead_to_a_command_of_a_brand() {
        let order = |order| Some(Found::Order(order));
        assert_eq!(find(&POST, "tesla/charge/ammeter"), order(BrandOrder::Amperage));
        assert_eq!(find(&DELETE, "tesla/pin"), order(BrandOrder::ClearPin));
        assert_eq!(find(&PUT, "lincoln/charge/schedule_by_location"), order(BrandOrder::ChargeHours));
        assert_eq!(find(&POST, "TESLA/charge/ammeter"), Some(Found::Shouted));
        for (method, path) in [
            (&PUT, "tesla/charge/ammeter"),
            (&POST, "tesla/charge"),
            (&POST, "ford/charge/ammeter"),
            (&POST, "tesla/Charge/ammeter"),
            (&POST, "tesla"),
            (&DELETE, "nissan/charge/schedule"),
        ] {
            assert_eq!(find(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn bodies_are_read_in_the_units_asked_for_and_within_bounds() {
        let read = |order: BrandOrder, body: Value, units| {
            order.command(&body, (Some("48.1"), Some("11.5")), units).ok()
        };
        let metric = UnitSystem::Metric;
        let set = json!({"action": "SET", "temperature": 68});
        let cabin = BrandCommand::Cabin { on: None, celsius: Some(20.0) };
        assert_eq!(read(BrandOrder::Cabin, set.clone(), UnitSystem::Imperial), Some(cabin));
        assert_eq!(read(BrandOrder::Cabin, set, metric), None);
        let stop = BrandCommand::Cabin { on: Some(false), celsius: None };
        assert_eq!(read(BrandOrder::Cabin, json!({"action": "STOP"}), metric), Some(stop));
        assert_eq!(read(BrandOrder::Cabin, json!({"action": "SET"}), metric), None);
        assert_eq!(
            read(BrandOrder::Amperage, json!({"amperage": "16"}), metric),
            Some(BrandCommand::Amperage(16.0))
        );
        for wrong in [json!({}), json!({"amperage": 0}), json!({"amperage": "x"}), json!({"amperage": 1e9})] {
            assert_eq!(read(BrandOrder::Amperage, wrong, metric), None);
        }
        let time = BrandCommand::ChargeTime { departure: false, minute: Some(1_410) };
        for name in ["enable", "enabled"] {
            let body = json!({"type": "START_TIME", name: true, "time": "23:30"});
            assert_eq!(read(BrandOrder::ChargeTime, body, metric), Some(time));
        }
        for wrong in ["24:00", "7:30", "07:60", "+7:30", ""] {
            let body = json!({"type": "START_TIME", "enable": true, "time": wrong});
            assert_eq!(read(BrandOrder::ChargeTime, body, metric), None, "{wrong}");
        }
        for (pin, taken) in [("1234", true), ("12345", false), ("12a4", false), ("", false)] {
            assert_eq!(read(BrandOrder::SetPin, json!({"pin": pin}), metric).is_some(), taken, "{pin}");
        }
        let monday = json!({"start": "08:00", "end": "12:00", "days": ["MONDAY", "SUNDAY"]});
        let days = ChargeDays { start: 480, end: 720, days: 0b100_0001 };
        let body = json!({"chargeSchedules": [monday]});
        assert_eq!(
            read(BrandOrder::ChargeDays, body, metric),
            Some(BrandCommand::ChargeDays([Some(days), None, None]))
        );
        for wrong in
            [json!([monday, monday, monday, monday]), json!([{"start": "08:00", "end": "9", "days": []}])]
        {
            assert_eq!(read(BrandOrder::ChargeDays, json!({"chargeSchedules": wrong}), metric), None);
        }
        let hours = |start: &str, limit: f64| {
            json!({"chargingLocation": {
                "chargeLimit": limit,
                "chargingWindows": {"weekday": [{"start": start, "end": "17:00"}], "weekend": []},
            }})
        };
        assert!(read(BrandOrder::ChargeHours, hours("09:00", 0.9), metric).is_some());
        assert_eq!(read(BrandOrder::ChargeHours, hours("09:30", 0.9), metric), None);
        assert_eq!(read(BrandOrder::ChargeHours, hours("09:00", 0.4), metric), None);
        let nowhere = BrandOrder::ChargeHours.command(&hours("09:00", 0.9), (None, Some("11.5")), metric);
        assert!(nowhere.is_err());
    }
}
