//! Webhooks as a person reads them: one line each, in columns, calm. And as a script reads them: one JSON object each.

use crate::arrival::Signature;
use crate::event::{Content, Event};
use crate::id::Id;
use crate::receiver::{Answer, Received};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Columns of a screen whose width is not known.
const WIDTH: usize = 100;
/// Narrower screens do without the column of webhooks.
const NARROW: usize = 100;
/// Data gets at least this, however narrow the screen: then lines wrap.
const LEAST_DATA: usize = 18;
/// Vehicles whose names are remembered.
const MOST_NAMES: usize = 10_000;

const PLAIN: Style = Style::new();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const NOTE: Style = AnsiColor::Cyan.on_default();

/// Which clock the first column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownTime {
    /// When the webhook came, by the receiver's clock.
    Receipt,
    /// When the sender says it was built or sent: for a server on a clock of its own. A challenge does not say it.
    Sender,
}

/// Turns received webhooks into lines. It remembers the names of vehicles that bodies mention, for bodies that do not.
///
/// Lines hold colours as ANSI codes; print them through `anstream`, which drops those where nobody can see them.
pub struct Console {
    width: usize,
    time: ShownTime,
    names: HashMap<Id, String>,
}

impl Console {
    /// For a screen of this many columns.
    pub fn new(width: usize, time: ShownTime) -> Self {
        Self { width, time, names: HashMap::new() }
    }

    /// For the terminal that standard output is, if it is one.
    pub fn for_stdout(time: ShownTime) -> Self {
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let width = size.ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0);
        Self::new(width.unwrap_or(WIDTH), time)
    }

    /// Tells the name of a vehicle, as `TESLA Model 3`.
    pub fn name(&mut self, vehicle: Id, name: String) {
        if self.names.len() < MOST_NAMES || self.names.contains_key(&vehicle) {
            self.names.insert(vehicle, name);
        }
    }

    /// The heads of the columns.
    pub fn heading(&self) -> String {
        let webhook = if self.is_narrow() { "" } else { "WEBHOOK   " };
        let text = format!("TIME      {webhook}EVENT          SIG  HTTP  VEHICLE             DATA");
        format!("{DIM}{text}{DIM:#}")
    }

    fn is_narrow(&self) -> bool {
        self.width < NARROW
    }

    /// One request.
    pub fn line(&mut self, received: &Received) -> String {
        let body: Value = serde_json::from_slice(&received.body).unwrap_or(Value::Null);
        self.learn(&body);
        let event = received.event.as_ref();
        let mut line = Line::default();
        line.column(DIM, &self.time_of(received), 10);
        if !self.is_narrow() {
            let webhook = event.and_then(|event| event.webhook).map_or("-".to_owned(), Id::short);
            line.column(PLAIN, &webhook, 10);
        }
        line.column(NOTE, &event.map_or("?".to_owned(), |event| printable(&event.name)), 15);
        let (style, mark) = signature_mark(received.signature);
        line.column(style, mark, 5);
        let (style, answer) = answer_mark(received.answer);
        line.column(style, &answer, 6);
        line.column(PLAIN, &self.vehicle_of(event), 20);
        let room = self.width.saturating_sub(line.columns).max(LEAST_DATA);
        line.data(&data_of(received, event, &body), room);
        line.text
    }

    /// Remembers the names of vehicles that a body mentions.
    fn learn(&mut self, body: &Value) {
        let vehicle = &body["data"]["vehicle"];
        self.learn_one(&vehicle["id"], vehicle);
        for block in body["payload"]["vehicles"].as_array().into_iter().flatten() {
            let entries = block["data"].as_array().into_iter().flatten();
            for entry in entries.filter(|entry| entry["path"] == "/") {
                self.learn_one(&block["vehicleId"], &entry["body"]);
            }
        }
    }

    fn learn_one(&mut self, id: &Value, names: &Value) {
        let id = id.as_str().and_then(|text| text.parse().ok());
        if let (Some(id), Some(make), Some(model)) = (id, names["make"].as_str(), names["model"].as_str()) {
            self.name(id, printable(&format!("{make} {model}")));
        }
    }

    fn time_of(&self, received: &Received) -> String {
        let shown = match self.time {
            ShownTime::Receipt => Some(received.at),
            ShownTime::Sender => received.event.as_ref().and_then(Event::told),
        };
        shown.map_or("-".to_owned(), |time| time.to_string()[11..19].to_owned())
    }

    /// The vehicle by name and the end of its id; the number of them if there are several.
    fn vehicle_of(&self, event: Option<&Event>) -> String {
        let vehicle = match event.map(|event| &event.content) {
            Some(Content::Vehicles(blocks)) if blocks.len() > 1 => {
                return format!("{} vehicles", blocks.len());
            }
            Some(Content::Vehicles(blocks)) => blocks.first().map(|block| block.vehicle),
            Some(Content::Single { vehicle, .. }) => *vehicle,
            _ => None,
        };
        match vehicle {
            Some(id) => match self.names.get(&id) {
                Some(name) => format!("{} {}", cut(name, 13), &id.short()[4..]),
                None => id.short(),
            },
            None => "-".to_owned(),
        }
    }
}

/// A request as one JSON object.
pub fn json(received: &Received) -> Value {
    let Received { at, method, target, body, signature, event, answer, .. } = received;
    let parsed = serde_json::from_slice(body);
    json!({
        "receivedAt": at.to_string(),
        "method": method,
        "target": target,
        "webhookId": event.as_ref().and_then(|event| event.webhook).map(|id| id.to_string()),
        "event": event.as_ref().map(|event| &event.name),
        "mode": event.as_ref().and_then(|event| event.mode.as_deref()),
        "signature": match signature {
            Signature::Good => "good",
            Signature::Bad => "bad",
            Signature::Missing => "missing",
            Signature::Unchecked => "unchecked",
        },
        "answer": match answer {
            Answer::Status(status) | Answer::Unclear(status) => Some(*status),
            Answer::Nothing => None,
        },
        "body": parsed.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body).into_owned())),
    })
}

fn signature_mark(signature: Signature) -> (Style, &'static str) {
    match signature {
        Signature::Good => (GOOD, "✓"),
        Signature::Bad => (BAD, "✗"),
        Signature::Missing => (BAD, "no"),
        Signature::Unchecked => (DIM, "?"),
    }
}

fn answer_mark(answer: Answer) -> (Style, String) {
    match answer {
        Answer::Status(status @ 200..=299) => (GOOD, status.to_string()),
        Answer::Status(status) => (BAD, status.to_string()),
        Answer::Unclear(status) => (BAD, format!("{status}…")),
        Answer::Nothing => (BAD, "none".to_owned()),
    }
}

/// A line in the making: text with colours, and how many columns it takes without them.
#[derive(Default)]
struct Line {
    text: String,
    columns: usize,
}

impl Line {
    /// A column of this width, its text shortened to leave two blanks after it.
    fn column(&mut self, style: Style, text: &str, width: usize) {
        let shown = cut(text, width - 2);
        let blanks = width - shown.chars().count();
        self.text.push_str(&format!("{style}{shown}{style:#}{:blanks$}", ""));
        self.columns += width;
    }

    /// The parts between middle dots, as many as there is room for.
    fn data(&mut self, parts: &[Part], mut room: usize) {
        for (index, Part { style, text }) in parts.iter().enumerate() {
            let separator = if index == 0 { "" } else { " · " };
            let width = separator.chars().count() + text.chars().count();
            // The last part may take all the room, others leave some for a sign that more follows.
            let reserve = if index + 1 < parts.len() { 2 } else { 0 };
            if width + reserve <= room {
                self.text.push_str(&format!("{DIM}{separator}{DIM:#}{style}{text}{style:#}"));
                room -= width;
            } else if index == 0 {
                self.text.push_str(&format!("{style}{}{style:#}", cut(text, room)));
                return;
            } else {
                self.text.push_str(&format!("{DIM} …{DIM:#}"));
                return;
            }
        }
    }
}

struct Part {
    style: Style,
    text: String,
}

impl Part {
    fn plain(text: String) -> Self {
        Self { style: PLAIN, text }
    }

    fn bad(text: String) -> Self {
        Self { style: BAD, text }
    }
}

/// What of the data fits a line: values of v2 entries, triggers and signals of unified events, errors first.
fn data_of(received: &Received, event: Option<&Event>, body: &Value) -> Vec<Part> {
    let mut parts = match event.map(|event| &event.content) {
        None => vec![Part::bad(format!("{} {}: no event", received.method, printable(&received.target)))],
        Some(Content::Challenge(text)) => vec![Part::plain(format!("challenge {}", printable(text)))],
        Some(Content::Vehicles(_)) => v2_parts(body),
        Some(Content::Single { .. } | Content::Other) => unified_parts(body),
    };
    // Errors come first, because the end of a line may be cut off; else the order stays.
    parts.sort_by_key(|part| part.style != BAD);
    parts
}

fn v2_parts(body: &Value) -> Vec<Part> {
    let blocks = body["payload"]["vehicles"].as_array().map_or(&[][..], Vec::as_slice);
    if let [block] = blocks {
        block["data"].as_array().into_iter().flatten().filter_map(entry_part).collect()
    } else {
        let entries = blocks.iter().filter_map(|block| block["data"].as_array()).map(Vec::len).sum::<usize>();
        vec![Part::plain(format!("{entries} entries"))]
    }
}

/// An entry in brief; nothing for the attributes, which are the vehicle's name.
fn entry_part(entry: &Value) -> Option<Part> {
    let path = entry["path"].as_str()?;
    let (code, body) = (entry["code"].as_u64()?, &entry["body"]);
    let name = printable(path.trim_start_matches('/'));
    if code != 200 {
        let kind = body["type"].as_str().map(printable).unwrap_or_default();
        return Some(Part::bad(format!("{name} {code} {kind}").trim_end().to_owned()));
    }
    let imperial = entry["headers"]["sc-unit-system"] == "imperial";
    let distance = |value: &Value| number(value, if imperial { " mi" } else { " km" });
    let brief = match path {
        "/" => return None,
        "/battery" => words([percent(&body["percentRemaining"]), distance(&body["range"])]),
        "/fuel" => words([percent(&body["percentRemaining"]), distance(&body["range"])]),
        "/odometer" => words([distance(&body["distance"])]),
        "/battery/capacity" => words([number(&body["capacity"], " kWh")]),
        // Who charges is plugged in.
        "/charge" if body["state"] == "CHARGING" => "CHARGING".to_owned(),
        "/charge" => words([text(&body["state"]), plug(&body["isPluggedIn"])]),
        "/charge/limit" => words([percent(&body["limit"])]),
        "/engine/oil" => words([percent(&body["lifeRemaining"])]),
        "/location" => words([place(body)]),
        "/security" => {
            words([body["isLocked"].as_bool().map(|l| if l { "locked" } else { "unlocked" }.to_owned())])
        }
        "/tires/pressure" => tires(body, if imperial { " psi" } else { " kPa" }),
        "/vin" => words([text(&body["vin"])]),
        _ => String::new(),
    };
    Some(Part::plain(format!("{name} {brief}").trim_end().to_owned()))
}

fn unified_parts(body: &Value) -> Vec<Part> {
    let (payload, data) = (&body["payload"], &body["data"]);
    if let Some(kind) = payload["eventType"].as_str() {
        return vec![Part::plain(printable(kind))];
    }
    if let Some(errors) = data["errors"].as_array() {
        return errors.iter().map(error_part).collect();
    }
    let signals = data["signals"].as_array().map_or(&[][..], Vec::as_slice);
    let triggers = body["triggers"].as_array().or(data["triggers"].as_array()).map_or(&[][..], Vec::as_slice);
    let mut parts: Vec<Part> = triggers.iter().map(|trigger| trigger_part(trigger, signals)).collect();
    let failed = signals.iter().filter(|signal| signal["status"]["value"] == "ERROR").count();
    let errors = if failed == 0 { String::new() } else { format!(", {failed} with errors") };
    parts.push(Part { style: DIM, text: format!("{} signals{errors}", signals.len()) });
    parts
}

/// `COMPATIBILITY:VEHICLE_NOT_CAPABLE`, and whether it came or went.
fn error_part(error: &Value) -> Part {
    let kind = words([text(&error["type"])]);
    let code = text(&error["code"]).map(|code| format!(":{code}")).unwrap_or_default();
    if error["state"] == "RESOLVED" {
        Part { style: GOOD, text: format!("{kind}{code} resolved") }
    } else {
        Part::bad(format!("{kind}{code}"))
    }
}

/// The trigger with the value of its signal.
fn trigger_part(trigger: &Value, signals: &[Value]) -> Part {
    let signal = &trigger["signal"];
    let code = signal["code"].as_str().or(trigger["code"].as_str());
    let found = signals.iter().find(|signal| code.is_some() && signal["code"].as_str() == code);
    let Some(found) = found else {
        return Part { style: NOTE, text: words([text(&trigger["type"]).or(text(&trigger["code"]))]) };
    };
    let unit = match found["body"]["unit"].as_str() {
        Some("percent") => "%".to_owned(),
        Some(unit) => format!(" {}", printable(unit)),
        None => String::new(),
    };
    let value = match &found["body"]["value"] {
        Value::Bool(value) => Some(value.to_string()),
        Value::String(value) => Some(printable(value)),
        value => number(value, &unit),
    };
    Part { style: NOTE, text: words([text(&found["name"]), value]) }
}

fn words<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// With one decimal at most, and blanks between thousands.
fn number(value: &Value, unit: &str) -> Option<String> {
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

fn percent(share: &Value) -> Option<String> {
    Some(format!("{:.0}%", share.as_f64()? * 100.0))
}

fn place(body: &Value) -> Option<String> {
    Some(format!("{:.4},{:.4}", body["latitude"].as_f64()?, body["longitude"].as_f64()?))
}

fn plug(plugged: &Value) -> Option<String> {
    Some(if plugged.as_bool()? { "plugged in" } else { "unplugged" }.to_owned())
}

fn tires(body: &Value, unit: &str) -> String {
    let corner = |key: &str| number(&body[key], "");
    let all = words([corner("frontLeft"), corner("frontRight"), corner("backLeft"), corner("backRight")]);
    format!("{all}{unit}")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(printable)
}

/// Without control characters: what a sender puts into a body must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::event::samples::{schedule, unified_verify, vehicle_state};
    use expect_test::{Expect, expect};

    fn received(body: &str) -> Received {
        Received {
            at: "2024-05-01T16:01:13.002Z".parse().unwrap(),
            instant: clock::now(),
            method: "POST".to_owned(),
            target: "/hook".to_owned(),
            headers: Vec::new(),
            body: body.to_owned().into(),
            signature: Signature::Good,
            event: Event::parse(body.as_bytes()),
            answer: Answer::Status(200),
        }
    }

    fn v2(entries: &str) -> Received {
        let body = schedule();
        let begin = body.find(r#""data":["#).unwrap() + 8;
        let end = body.find(r#"],"timestamp""#).unwrap();
        received(&format!("{}{entries}{}", &body[..begin], &body[end..]))
    }

    /// Every kind of line, as it looks without colours.
    fn screen(width: usize) -> String {
        let mut console = Console::new(width, ShownTime::Sender);
        let errors = vehicle_state().replace("VEHICLE_STATE", "VEHICLE_ERROR").replace(
            r#""signals":["#,
            r#""errors":[{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","state":"ERROR"},{"type":"PERMISSION","code":null,"state":"RESOLVED"}],"signals":["#,
        );
        let requests = [
            received(&unified_verify("abcdefgh12345678")),
            received(&schedule()),
            v2(concat!(
                r#"{"path":"/location","code":200,"body":{"latitude":52.520008,"longitude":13.404954},"headers":{}},"#,
                r#"{"path":"/charge","code":200,"body":{"isPluggedIn":true,"state":"CHARGING"},"headers":{}},"#,
                r#"{"path":"/odometer","code":200,"body":{"distance":20123.45},"headers":{"sc-unit-system":"imperial"}},"#,
                r#"{"path":"/tires/pressure","code":200,"body":{"frontLeft":230.1,"frontRight":231,"backLeft":229,"backRight":228.96},"headers":{"sc-unit-system":"metric"}}"#
            )),
            received(&vehicle_state()),
            received(&errors),
            Received { signature: Signature::Bad, answer: Answer::Status(500), ..received(&schedule()) },
            Received {
                signature: Signature::Missing,
                answer: Answer::Nothing,
                ..received("not \u{1b}[31m JSON")
            },
            Received { answer: Answer::Unclear(200), ..received(&vehicle_state()) },
        ];
        let mut lines = vec![console.heading()];
        lines.extend(requests.iter().map(|request| console.line(request)));
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string().trim_end().to_owned();
        lines.iter().map(plain).collect::<Vec<_>>().join("\n")
    }

    fn check(width: usize, expected: Expect) {
        let screen = screen(width);
        assert!(screen.lines().all(|line| line.chars().count() <= width), "{screen}");
        expected.assert_eq(&screen);
    }

    #[test]
    fn lines_keep_to_eighty_columns() {
        check(
            80,
            expect![[r#"
            TIME      EVENT          SIG  HTTP  VEHICLE             DATA
            -         VERIFY         ✓    200   -                   challenge abcdefgh12345…
            16:01:12  schedule       ✓    200   TESLA Model 3 bbbb  odometer 501 COMPATIBIL…
            16:01:12  schedule       ✓    200   TESLA Model 3 bbbb  location 52.5200,13.4050
            00:53:29  VEHICLE_STATE  ✓    200   BYD Seal bbbb       StateOfCharge 78% …
            00:53:29  VEHICLE_ERROR  ✓    200   BYD Seal bbbb       COMPATIBILITY:VEHICLE_N…
            16:01:12  schedule       ✗    500   TESLA Model 3 bbbb  odometer 501 COMPATIBIL…
            -         ?              no   none  -                   POST /hook: no event
            00:53:29  VEHICLE_STATE  ✓    200…  BYD Seal bbbb       StateOfCharge 78% …"#]],
        );
    }

    #[test]
    fn lines_use_a_hundred_and_twenty_columns() {
        check(
            120,
            expect![[r#"
                TIME      WEBHOOK   EVENT          SIG  HTTP  VEHICLE             DATA
                -         0000aaaa  VERIFY         ✓    200   -                   challenge abcdefgh12345678
                16:01:12  0000aaaa  schedule       ✓    200   TESLA Model 3 bbbb  odometer 501 COMPATIBILITY · battery 78% 312.4 km
                16:01:12  0000aaaa  schedule       ✓    200   TESLA Model 3 bbbb  location 52.5200,13.4050 · charge CHARGING …
                00:53:29  0000aaaa  VEHICLE_STATE  ✓    200   BYD Seal bbbb       StateOfCharge 78% · 2 signals, 1 with errors
                00:53:29  0000aaaa  VEHICLE_ERROR  ✓    200   BYD Seal bbbb       COMPATIBILITY:VEHICLE_NOT_CAPABLE …
                16:01:12  0000aaaa  schedule       ✗    500   TESLA Model 3 bbbb  odometer 501 COMPATIBILITY · battery 78% 312.4 km
                -         -         ?              no   none  -                   POST /hook: no event
                00:53:29  0000aaaa  VEHICLE_STATE  ✓    200…  BYD Seal bbbb       StateOfCharge 78% · 2 signals, 1 with errors"#]],
        );
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown = |value: f64| number(&json!(value), "").unwrap();
        assert_eq!([shown(0.0), shown(78.0), shown(-5.25), shown(1234.0)], ["0", "78", "-5.2", "1234"]);
        assert_eq!(
            [shown(20123.45), shown(1234567.96), shown(999999.96)],
            ["20 123.5", "1 234 568", "1 000 000"]
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let body = schedule().replace("TESLA", "\\u001b[2J").replace("COMPATIBILITY", "\\u001b[31m");
        let mut console = Console::new(200, ShownTime::Receipt);
        let line = console.line(&received(&body));
        assert!(!line.contains("\u{1b}[2J"), "{line:?}");
        assert!(!anstream::adapter::strip_str(&line).to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_script_gets_one_object_with_the_body_in_it() {
        let object = json(&received(&schedule()));
        assert_eq!(
            (&object["event"], &object["signature"], &object["answer"]),
            (&json!("schedule"), &json!("good"), &json!(200))
        );
        assert_eq!(object["body"]["payload"]["vehicles"][0]["data"][0]["path"], "/");
        assert!(!object.to_string().contains('\n'));
        assert_eq!(json(&received("nonsense"))["body"], "nonsense");
    }
}
