//! What of a body fits a line: few words for each entry, signal, trigger or error, the most telling ones first.

use super::{BAD, DIM, GOOD, NOTE, PLAIN, Values, WARN, printable};
use crate::event::{Content, Event};
use crate::id::Id;
use crate::receiver::Received;
use anstyle::Style;
use serde_json::Value;

/// Some words in one colour.
pub(super) struct Part {
    pub(super) style: Style,
    pub(super) text: String,
}

impl Part {
    fn new(style: Style, text: impl Into<String>) -> Self {
        Self { style, text: text.into() }
    }
}

/// The parts of a line, in the order of their worth. Values of unified events are compared with those known, and kept.
pub(super) fn parts(
    received: &Received,
    event: Option<&Event>,
    body: &Value,
    known: &mut Values,
) -> Vec<Part> {
    let Some(event) = event else {
        let Received { method, target, .. } = received;
        return vec![Part::new(BAD, format!("{method} {}: no event", printable(target)))];
    };
    let mut parts = Vec::new();
    if event.mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("test")) {
        parts.push(Part::new(DIM, "test"));
    }
    match &event.content {
        Content::Challenge(challenge) => {
            parts.push(Part::new(DIM, format!("challenge {}", printable(challenge))));
        }
        Content::Vehicles(_) => parts.extend(of_v2(body)),
        Content::Single { .. } | Content::Other if body["eventName"].is_string() => {
            parts.push(charging(&body["payload"]["eventType"]));
        }
        Content::Single { vehicle, .. } => parts.extend(of_unified(body, *vehicle, known)),
        Content::Other => parts.extend(of_unified(body, None, known)),
    }
    parts
}

fn of_v2(body: &Value) -> Vec<Part> {
    let blocks = list(&body["payload"]["vehicles"]);
    let mut parts: Vec<Part> = if let [block] = blocks {
        list(&block["data"]).iter().filter_map(entry).collect()
    } else {
        let entries: usize = blocks.iter().map(|block| list(&block["data"]).len()).sum();
        vec![Part::new(PLAIN, format!("{entries} entries"))]
    };
    // The end of a line may be cut off: errors come first, and places, which are long and say little, last.
    parts.sort_by_key(|part| (part.style != BAD, part.text.starts_with("location ")));
    parts
}

/// An entry in brief; nothing for the attributes, which are the vehicle's name.
fn entry(entry: &Value) -> Option<Part> {
    let path = entry["path"].as_str()?;
    let (code, body) = (entry["code"].as_u64()?, &entry["body"]);
    let name = printable(path.trim_start_matches('/'));
    if code != 200 {
        let kind = body["type"].as_str().map(printable).unwrap_or_default();
        return Some(Part::new(BAD, format!("{name} {code} {kind}").trim_end()));
    }
    let imperial = entry["headers"]["sc-unit-system"] == "imperial";
    let distance = |value: &Value| number(value, if imperial { " mi" } else { " km" });
    let share = |value: &Value| value.as_f64().map(|share| format!("{:.0}%", share * 100.0));
    let brief = match path {
        "/" => return None,
        "/battery" | "/fuel" => words([share(&body["percentRemaining"]), distance(&body["range"])]),
        "/odometer" => words([distance(&body["distance"])]),
        "/battery/capacity" => words([number(&body["capacity"], " kWh")]),
        // Who charges is plugged in, and who is not does not charge.
        "/charge" if body["state"] == "CHARGING" => "CHARGING".to_owned(),
        "/charge" if body["isPluggedIn"] == false => "unplugged".to_owned(),
        "/charge" => words([text(&body["state"]), plug(&body["isPluggedIn"])]),
        "/charge/limit" => words([share(&body["limit"])]),
        "/engine/oil" => words([share(&body["lifeRemaining"])]),
        "/location" => words([place(body)]),
        "/security" => words([either(&body["isLocked"], "locked", "unlocked")]),
        "/tires/pressure" => {
            let corners = ["frontLeft", "frontRight", "backLeft", "backRight"];
            let all = words(corners.map(|corner| number(&body[corner], "")));
            format!("{all}{}", if imperial { " psi" } else { " kPa" })
        }
        "/vin" => words([text(&body["vin"])]),
        _ => String::new(),
    };
    Some(Part::new(PLAIN, format!("{name} {brief}").trim_end()))
}

/// What an eventBased webhook says happened.
fn charging(kind: &Value) -> Part {
    let style = match kind.as_str() {
        Some("CHARGING_COMPLETED") => GOOD,
        Some("CHARGING_STOPPED") => WARN,
        _ => PLAIN,
    };
    Part::new(style, text(kind).unwrap_or_default())
}

fn of_unified(body: &Value, vehicle: Option<Id>, known: &mut Values) -> Vec<Part> {
    let data = &body["data"];
    match data["errors"].as_array() {
        Some(errors) => errors.iter().map(error).collect(),
        None => state(body, vehicle, known),
    }
}

/// `ERROR COMPATIBILITY:VEHICLE_NOT_CAPABLE Sunroof`
fn error(error: &Value) -> Part {
    let resolved = error["state"] == "RESOLVED";
    let code = text(&error["code"]).map(|code| format!(":{code}")).unwrap_or_default();
    let kind = text(&error["type"]).map(|kind| kind + &code);
    let signals: Vec<String> = list(&error["signals"]).iter().filter_map(|of| text(&of["name"])).collect();
    let signals = Some(signals.join(", ")).filter(|signals| !signals.is_empty());
    Part::new(if resolved { GOOD } else { BAD }, words([text(&error["state"]), kind, signals]))
}

/// The triggers with what changed about their signals, then the other signals in brief.
fn state(body: &Value, vehicle: Option<Id>, known: &mut Values) -> Vec<Part> {
    let signals = list(&body["data"]["signals"]);
    let triggers = body["triggers"].as_array().or(body["data"]["triggers"].as_array());
    let triggers = triggers.map_or(&[][..], Vec::as_slice);
    let fired = |code: &str| triggers.iter().any(|trigger| trigger_code(trigger) == Some(code));
    let mut parts: Vec<Part> = triggers
        .iter()
        .map(|trigger| {
            let signal = trigger_code(trigger)
                .and_then(|code| signals.iter().find(|signal| signal["code"].as_str() == Some(code)));
            Part::new(NOTE, changed(trigger, signal, vehicle, known))
        })
        .collect();
    for signal in signals {
        let (Some(code), Some(value)) = (signal["code"].as_str(), brief(&signal["body"])) else { continue };
        if !fired(code) {
            parts.push(Part::new(DIM, words([text(&signal["name"]), Some(value.clone())])));
        }
        if let Some(vehicle) = vehicle {
            known.learn(vehicle, code, value);
        }
    }
    let failed = signals.iter().filter(|signal| signal["status"]["value"] == "ERROR").count();
    if failed > 0 {
        parts.push(Part::new(WARN, format!("{failed} with errors")));
    }
    parts
}

/// The code of the signal that fired, in any of the forms of a trigger.
fn trigger_code(trigger: &Value) -> Option<&str> {
    trigger["signal"]["code"].as_str().or(trigger["code"].as_str())
}

/// `StateOfCharge 61→62%`; the trigger's own words, when none of the signals made it fire.
fn changed(trigger: &Value, signal: Option<&Value>, vehicle: Option<Id>, known: &Values) -> String {
    let Some(signal) = signal else {
        return words([text(&trigger["type"]).or(text(&trigger["code"]))]);
    };
    let after = brief(&signal["body"]);
    let before = vehicle.zip(signal["code"].as_str()).and_then(|(vehicle, code)| known.of(vehicle, code));
    let value = match (before, after) {
        // Of a place the new one says enough.
        (Some(before), Some(after)) if before != after && signal["body"]["latitude"].is_null() => {
            Some(format!("{}→{after}", without_unit_of(before, &after)))
        }
        (_, after) => after,
    };
    words([text(&signal["name"]), value])
}

/// The first of two values without the unit that both have.
fn without_unit_of<'a>(before: &'a str, after: &str) -> &'a str {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | ' ');
    let unit = after.trim_start_matches(is_number);
    let number = before.strip_suffix(unit).filter(|number| number.chars().all(is_number));
    number.map(str::trim_end).filter(|number| !number.is_empty()).unwrap_or(before)
}

/// The body of a signal in brief, where it has a form that fits a few words.
fn brief(body: &Value) -> Option<String> {
    let unit = match body["unit"].as_str() {
        None => String::new(),
        Some("percent") => "%".to_owned(),
        Some("celsius") => "°C".to_owned(),
        Some("kph") => " km/h".to_owned(),
        Some(unit) => format!(" {}", printable(unit)),
    };
    if let Some(cells) = body["values"].as_array().filter(|cells| cells.iter().any(|c| !c["row"].is_null())) {
        return Some(grid(cells, &unit));
    }
    place(body)
        .or_else(|| number(&body["activeLimit"], &unit))
        .or_else(|| number(&body["capacity"], &unit))
        .or_else(|| either(&body["value"], "yes", "no"))
        .or_else(|| either(&body["isOpen"], "open", "closed"))
        .or_else(|| number(&body["value"], &unit))
        .or_else(|| text(&body["value"]))
        .or_else(|| text(&body["status"]))
        .or_else(|| text(&body["canonical"]))
}

/// Which doors or windows stand open, or the pressure of all tires.
fn grid(cells: &[Value], unit: &str) -> String {
    let pressures: Vec<String> = cells.iter().filter_map(|cell| number(&cell["tirePressure"], "")).collect();
    if !pressures.is_empty() {
        return pressures.join(" ") + unit;
    }
    let open: Vec<&str> = cells.iter().filter(|cell| cell["isOpen"] == true).map(corner).collect();
    if open.is_empty() { "closed".to_owned() } else { format!("{} open", open.join("+")) }
}

/// Where in the car a cell is, seen from the driver's seat.
fn corner(cell: &Value) -> &'static str {
    match (cell["row"].as_u64(), cell["column"].as_u64()) {
        (Some(0), Some(0)) => "front-left",
        (Some(0), _) => "front-right",
        (_, Some(0)) => "rear-left",
        _ => "rear-right",
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn words<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// With one decimal at most, and blanks between thousands.
pub(super) fn number(value: &Value, unit: &str) -> Option<String> {
    let value = value.as_f64()?;
    let rounded = format!("{:.1}", value.abs());
    let (whole, decimal) = rounded.split_once('.')?;
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && whole.len() > 4 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let decimal = if decimal == "0" { String::new() } else { format!(".{decimal}") };
    Some(format!("{sign}{grouped}{decimal}{unit}"))
}

fn place(body: &Value) -> Option<String> {
    Some(format!("{:.4},{:.4}", body["latitude"].as_f64()?, body["longitude"].as_f64()?))
}

fn plug(plugged: &Value) -> Option<String> {
    either(plugged, "plugged in", "unplugged")
}

fn either(flag: &Value, yes: &str, no: &str) -> Option<String> {
    flag.as_bool().map(|flag| if flag { yes } else { no }.to_owned())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(printable)
}
