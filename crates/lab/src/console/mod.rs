//! Webhooks as a person reads them: one line each, in columns, calm. And as a script reads them: one JSON object each.

mod data;

use crate::arrival::Signature;
use crate::event::{Content, Event};
use crate::id::Id;
use crate::receiver::{Answer, Received};
use crate::time::Timestamp;
use anstyle::{AnsiColor, Style};
use data::Part;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Columns where there is no screen: a file holds long lines.
const WIDTH: usize = 160;
/// Narrower screens do without the column of webhooks.
const NARROW: usize = 100;
/// Data gets at least this, however narrow the screen: then lines wrap.
const LEAST_DATA: usize = 18;
/// Vehicles and webhooks whose names are remembered.
const MOST_NAMES: usize = 10_000;
/// Values that are remembered, to be compared with the next.
const MOST_VALUES: usize = 100_000;

const PLAIN: Style = Style::new();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const NOTE: Style = AnsiColor::Cyan.on_default();

/// Which clock the first column shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ShownTime {
    /// The receiver's.
    Receipt,
    /// One that runs faster than the receiver's: for a server on such a clock.
    Paced {
        /// When it began, by the receiver's clock.
        begun: Timestamp,
        /// What it showed then.
        from: Timestamp,
        /// How many times faster it runs.
        speed: f64,
    },
}

impl ShownTime {
    /// What the clock shows when the receiver's shows `at`.
    fn of(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Receipt => at,
            Self::Paced { begun, from, speed } => from + at.since(begun).mul_f64(speed),
        }
    }
}

/// What is known of the signals of vehicles, in brief: what a changed one is compared with.
#[derive(Default)]
struct Values(HashMap<(Id, String), String>);

impl Values {
    fn of(&self, vehicle: Id, signal: &str) -> Option<&str> {
        self.0.get(&(vehicle, signal.to_owned())).map(String::as_str)
    }

    fn learn(&mut self, vehicle: Id, signal: &str, value: String) {
        if self.0.len() >= MOST_VALUES {
            self.0.clear();
        }
        self.0.insert((vehicle, signal.to_owned()), value);
    }
}

/// Turns received webhooks into lines. It remembers the names of vehicles that bodies mention, for bodies that do not.
///
/// Lines hold colours as ANSI codes; print them through `anstream`, which drops those where nobody can see them.
pub struct Console {
    width: usize,
    time: ShownTime,
    names: HashMap<Id, String>,
    values: Values,
}

impl Console {
    /// For a screen of this many columns.
    pub fn new(width: usize, time: ShownTime) -> Self {
        Self { width, time, names: HashMap::new(), values: Values::default() }
    }

    /// For the terminal that standard output is, if it is one.
    pub fn for_stdout(time: ShownTime) -> Self {
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let width = size.ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0);
        Self::new(width.unwrap_or(WIDTH), time)
    }

    /// Tells the name of a vehicle, as `TESLA Model 3`, or of a webhook.
    pub fn name(&mut self, id: Id, name: &str) {
        if self.names.len() < MOST_NAMES || self.names.contains_key(&id) {
            self.names.insert(id, printable(name));
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
            line.column(PLAIN, &self.webhook_of(event), 10);
        }
        line.column(event_style(event), &event.map_or("?".to_owned(), |event| printable(&event.name)), 15);
        let (style, mark) = signature_mark(received.signature);
        line.column(style, mark, 5);
        let (style, answer) = answer_mark(received.answer);
        line.column(style, &answer, 6);
        line.column(PLAIN, &self.vehicle_of(event), 20);
        let room = self.width.saturating_sub(line.columns).max(LEAST_DATA);
        line.data(&data::parts(received, event, &body, &mut self.values), room);
        line.text
    }

    /// Remembers the names that a body mentions.
    fn learn(&mut self, body: &Value) {
        let (vehicle, meta) = (&body["data"]["vehicle"], &body["meta"]);
        if let (Some(id), Some(name)) = (id_at(&meta["webhookId"]), meta["webhookName"].as_str()) {
            self.name(id, name);
        }
        self.learn_one(&vehicle["id"], vehicle);
        for block in body["payload"]["vehicles"].as_array().into_iter().flatten() {
            let entries = block["data"].as_array().into_iter().flatten();
            for entry in entries.filter(|entry| entry["path"] == "/") {
                self.learn_one(&block["vehicleId"], &entry["body"]);
            }
        }
    }

    fn learn_one(&mut self, id: &Value, names: &Value) {
        let (make, model) = (names["make"].as_str(), names["model"].as_str());
        if let (Some(id), Some(make), Some(model)) = (id_at(id), make, model) {
            self.name(id, &format!("{make} {model}"));
        }
    }

    fn time_of(&self, received: &Received) -> String {
        self.time.of(received.at).to_string()[11..19].to_owned()
    }

    /// The webhook by name, or by the end of its id.
    fn webhook_of(&self, event: Option<&Event>) -> String {
        let webhook = event.and_then(|event| event.webhook);
        webhook.map_or("-".to_owned(), |id| self.names.get(&id).cloned().unwrap_or_else(|| id.short()))
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
                Some(name) => format!("{} {}", short_name(name), &id.short()[4..]),
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

/// Each generation has a colour of its own, and so have verifications and errors.
fn event_style(event: Option<&Event>) -> Style {
    match event.map(|event| event.name.as_str()) {
        None | Some("VEHICLE_ERROR") => BAD,
        Some("verify" | "VERIFY") => DIM,
        Some("VEHICLE_STATE") => AnsiColor::BrightBlue.on_default(),
        Some("eventBased") => WARN,
        Some("dynamic") => AnsiColor::Magenta.on_default(),
        Some(_) => NOTE,
    }
}

fn id_at(value: &Value) -> Option<Id> {
    value.as_str()?.parse().ok()
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

/// Without control characters: what a sender puts into a body must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The name of a vehicle; one that is too long does without its make.
fn short_name(name: &str) -> String {
    const ROOM: usize = 13;
    match name.split_once(' ') {
        Some((_, model)) if name.chars().count() > ROOM => cut(model, ROOM),
        _ => cut(name, ROOM),
    }
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
    use crate::event::samples::{REQUEST, VEHICLE, WEBHOOK, schedule, unified_verify, vehicle_state};
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

    /// A unified event about one vehicle with this data after the vehicle, and these triggers.
    fn unified(kind: &str, data: &str, triggers: &str) -> Received {
        let body = vehicle_state();
        let begin = body.find(r#","signals""#).unwrap();
        let body = format!(r#"{},{data}}},"triggers":[{triggers}],"meta":{}"#, &body[..begin], meta(&body));
        received(&body.replace("VEHICLE_STATE", kind))
    }

    fn meta(body: &str) -> &str {
        body.split_once(r#""meta":{"deliveryId""#)
            .map(|_| &body[body.rfind(r#""meta":"#).unwrap() + 7..])
            .unwrap()
    }

    fn signal(code: &str, name: &str, body: &str) -> String {
        format!(
            r#"{{"code":"{code}","name":"{name}","group":"G","body":{body},"status":{{"value":"SUCCESS"}}}}"#
        )
    }

    fn trigger(code: &str, name: &str) -> String {
        format!(r#"{{"type":"SIGNAL_UPDATED","signal":{{"name":"{name}","code":"{code}","group":"G"}}}}"#)
    }

    /// The same signals, as a car charges and somebody opens a door.
    fn signals(charging: bool, charge: f64, open: bool) -> String {
        let all = [
            signal("charge-ischarging", "IsCharging", &format!(r#"{{"value":{charging}}}"#)),
            signal(
                "tractionbattery-stateofcharge",
                "StateOfCharge",
                &format!(r#"{{"value":{charge},"unit":"percent"}}"#),
            ),
            signal(
                "closure-doors",
                "Doors",
                &format!(
                    r#"{{"values":[{{"row":0,"column":0,"isOpen":{open},"isLocked":null}},{{"row":0,"column":1,"isOpen":false,"isLocked":null}}],"rowCount":1,"columnCount":2}}"#
                ),
            ),
            signal("diagnostics-airbag", "Airbag", r#"{"status":"OK","description":null}"#),
        ];
        format!(r#""signals":[{}]"#, all.join(","))
    }

    fn event_based(kind: &str) -> Received {
        received(&format!(
            r#"{{"version":"2.0","webhookId":"{WEBHOOK}","eventName":"eventBased","mode":"live","payload":{{"eventId":"{REQUEST}","vehicleId":"{VEHICLE}","eventType":"{kind}","eventTime":"2022-05-01T10:00:00.000Z"}}}}"#
        ))
    }

    fn plain(console: &mut Console, requests: &[Received]) -> String {
        let lines = requests.iter().map(|request| console.line(request)).collect::<Vec<_>>();
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string().trim_end().to_owned();
        lines.iter().map(plain).collect::<Vec<_>>().join("\n")
    }

    /// Every kind of line, as it looks without colours.
    fn screen(width: usize) -> String {
        let mut console = Console::new(width, ShownTime::Receipt);
        let heading = anstream::adapter::strip_str(&console.heading()).to_string();
        let requests = [
            received(&unified_verify("abcdefgh12345678")),
            received(&schedule()),
            v2(concat!(
                r#"{"path":"/location","code":200,"body":{"latitude":52.520008,"longitude":13.404954},"headers":{}},"#,
                r#"{"path":"/charge","code":200,"body":{"isPluggedIn":true,"state":"CHARGING"},"headers":{}},"#,
                r#"{"path":"/odometer","code":200,"body":{"distance":20123.45},"headers":{"sc-unit-system":"imperial"}},"#,
                r#"{"path":"/tires/pressure","code":200,"body":{"frontLeft":230.1,"frontRight":231,"backLeft":229,"backRight":228.96},"headers":{"sc-unit-system":"metric"}}"#
            )),
            received(&schedule().replace(r#""schedule""#, r#""dynamic""#)),
            received(&schedule().replace(r#""live""#, r#""test""#)),
            event_based("CHARGING_STARTED"),
            event_based("CHARGING_STOPPED"),
            event_based("CHARGING_COMPLETED"),
            received(&vehicle_state()),
            Received { signature: Signature::Bad, answer: Answer::Status(500), ..received(&schedule()) },
            Received {
                signature: Signature::Missing,
                answer: Answer::Nothing,
                ..received("not \u{1b}[31m JSON")
            },
            Received { answer: Answer::Unclear(200), ..received(&vehicle_state()) },
        ];
        format!("{}\n{}", heading.trim_end(), plain(&mut console, &requests))
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
                16:01:13  VERIFY         ✓    200   -                   challenge abcdefgh12345…
                16:01:13  schedule       ✓    200   TESLA Model 3 bbbb  odometer 501 COMPATIBIL…
                16:01:13  schedule       ✓    200   TESLA Model 3 bbbb  charge CHARGING …
                16:01:13  dynamic        ✓    200   TESLA Model 3 bbbb  odometer 501 COMPATIBIL…
                16:01:13  schedule       ✓    200   TESLA Model 3 bbbb  test …
                16:01:13  eventBased     ✓    200   TESLA Model 3 bbbb  CHARGING_STARTED
                16:01:13  eventBased     ✓    200   TESLA Model 3 bbbb  CHARGING_STOPPED
                16:01:13  eventBased     ✓    200   TESLA Model 3 bbbb  CHARGING_COMPLETED
                16:01:13  VEHICLE_STATE  ✓    200   BYD Seal bbbb       StateOfCharge 78% …
                16:01:13  schedule       ✗    500   TESLA Model 3 bbbb  odometer 501 COMPATIBIL…
                16:01:13  ?              no   none  -                   POST /hook: no event
                16:01:13  VEHICLE_STATE  ✓    200…  BYD Seal bbbb       StateOfCharge 78% …"#]],
        );
    }

    #[test]
    fn lines_use_a_hundred_and_twenty_columns() {
        check(
            120,
            expect![[r#"
                TIME      WEBHOOK   EVENT          SIG  HTTP  VEHICLE             DATA
                16:01:13  Home      VERIFY         ✓    200   -                   challenge abcdefgh12345678
                16:01:13  Home      schedule       ✓    200   TESLA Model 3 bbbb  odometer 501 COMPATIBILITY · battery 78% 312.4 km
                16:01:13  Home      schedule       ✓    200   TESLA Model 3 bbbb  charge CHARGING · odometer 20 123.5 mi …
                16:01:13  Home      dynamic        ✓    200   TESLA Model 3 bbbb  odometer 501 COMPATIBILITY · battery 78% 312.4 km
                16:01:13  Home      schedule       ✓    200   TESLA Model 3 bbbb  test · odometer 501 COMPATIBILITY …
                16:01:13  Home      eventBased     ✓    200   TESLA Model 3 bbbb  CHARGING_STARTED
                16:01:13  Home      eventBased     ✓    200   TESLA Model 3 bbbb  CHARGING_STOPPED
                16:01:13  Home      eventBased     ✓    200   TESLA Model 3 bbbb  CHARGING_COMPLETED
                16:01:13  Home      VEHICLE_STATE  ✓    200   BYD Seal bbbb       StateOfCharge 78% · 1 with errors
                16:01:13  Home      schedule       ✗    500   TESLA Model 3 bbbb  odometer 501 COMPATIBILITY · battery 78% 312.4 km
                16:01:13  -         ?              no   none  -                   POST /hook: no event
                16:01:13  Home      VEHICLE_STATE  ✓    200…  BYD Seal bbbb       StateOfCharge 78% · 1 with errors"#]],
        );
    }

    #[test]
    fn unified_events_tell_from_what_to_what_a_signal_changed() {
        let first = r#"{"type":"FIRST_DELIVERY","code":"FIRST_DELIVERY"}"#;
        let (charging, charge) = (
            trigger("charge-ischarging", "IsCharging"),
            trigger("tractionbattery-stateofcharge", "StateOfCharge"),
        );
        let state = |triggers: &str, charging, charge, open| {
            unified("VEHICLE_STATE", &signals(charging, charge, open), triggers)
        };
        let error = |state: &str, signals: &str| {
            let error = format!(
                r#""errors":[{{"type":"CONNECTED_SERVICES_ACCOUNT","code":"PERMISSION","state":"{state}"{signals}}}]"#
            );
            unified("VEHICLE_ERROR", &error, "")
        };
        let sunroof = r#","signals":[{"code":"closure-sunroof","name":"Sunroof","group":"Closure"}]"#;
        let lines = [
            state(first, false, 61.0, false),
            state(&format!("{charging},{charge}"), true, 62.5, false),
            state(&charge, true, 63.0, false),
            state(&trigger("closure-doors", "Doors"), true, 63.0, true),
            error("ERROR", ""),
            error("RESOLVED", sunroof),
        ];
        let mut console = Console::new(140, ShownTime::Receipt);
        expect![[r#"
            16:01:13  Home      VEHICLE_STATE  ✓    200   BYD Seal bbbb       FIRST_DELIVERY · IsCharging no · StateOfCharge 61% · Doors closed …
            16:01:13  Home      VEHICLE_STATE  ✓    200   BYD Seal bbbb       IsCharging no→yes · StateOfCharge 61→62.5% · Doors closed · Airbag OK
            16:01:13  Home      VEHICLE_STATE  ✓    200   BYD Seal bbbb       StateOfCharge 62.5→63% · IsCharging yes · Doors closed · Airbag OK
            16:01:13  Home      VEHICLE_STATE  ✓    200   BYD Seal bbbb       Doors closed→front-left open · IsCharging yes · StateOfCharge 63% …
            16:01:13  Home      VEHICLE_ERROR  ✓    200   BYD Seal bbbb       ERROR CONNECTED_SERVICES_ACCOUNT:PERMISSION
            16:01:13  Home      VEHICLE_ERROR  ✓    200   BYD Seal bbbb       RESOLVED CONNECTED_SERVICES_ACCOUNT:PERMISSION Sunroof"#]].assert_eq(&plain(&mut console, &lines));
    }

    #[test]
    fn a_faster_clock_is_shown_in_place_of_the_receivers() {
        let begun = "2024-05-01T16:01:03.002Z".parse().unwrap();
        let from = "2024-05-01T23:58:00.000Z".parse().unwrap();
        let mut console = Console::new(80, ShownTime::Paced { begun, from, speed: 60.0 });
        assert!(console.line(&received(&schedule())).contains("00:08:00"), "ten seconds are ten minutes");
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown = |value: f64| data::number(&json!(value), "").unwrap();
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
