//! Answers for people: a list as a table, an object as lines. With `--json`, as they came.

use std::io::IsTerminal;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::refusal::spaced;

/// Longest cell of a table.
const CELL: usize = 44;

/// Prints an object.
pub(crate) fn object(value: &Value, json: bool) {
    if json {
        println!("{value}");
    } else {
        print!("{}", with_warnings(value));
    }
}

/// An object as lines, and its warnings after it.
fn with_warnings(value: &Value) -> String {
    let Value::Object(members) = value else { return String::new() };
    let mut members = members.clone();
    let warnings = members.remove("warnings").unwrap_or_default();
    let warnings = warnings.as_array().map(Vec::as_slice).unwrap_or_default();
    let warning = |warning: &Value| format!("warning: {}\n", plain(&warning["message"]));
    lines(&members, 0) + &warnings.iter().map(warning).collect::<String>()
}

/// Prints the items of a page as a table of these members; `state.profile` is a member of a member.
pub(crate) fn list(page: &Value, columns: &[&str], json: bool) {
    list_or(page, columns, json, "nothing to list");
}

/// The same, with what to do when there are none.
pub(crate) fn list_or(page: &Value, columns: &[&str], json: bool, hint: &str) {
    if json {
        println!("{page}");
        return;
    }
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        println!("{hint}");
        return;
    }
    // What is read by another program is never cut.
    let widest = if std::io::stdout().is_terminal() { CELL } else { usize::MAX };
    print!("{}", table(items, columns, widest));
    if let Some(cursor) = page["nextCursor"].as_str() {
        println!("… and more: --all, or --cursor {cursor}");
    }
}

/// Prints why triggers fired, or did not.
pub(crate) fn explanations(page: &Value, json: bool) {
    if json {
        println!("{page}");
        return;
    }
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    print!("{}", items.iter().map(explanation).collect::<Vec<_>>().join("\n"));
}

/// One trigger: its name and what was found, then what that was found from.
fn explanation(item: &Value) -> String {
    let reading = &item["lastReading"];
    let how = if reading["pushed"] == true { "pushed" } else { "read" };
    let fired = &item["lastFired"];
    let seen = |of: &Value| {
        let values = of.as_array().map(Vec::as_slice).unwrap_or_default().iter();
        let values = values.filter_map(|value| match item["signal"].is_null() {
            true => {
                Some(format!("{} {}", plain(&value["signal"]), with_time(value, "value", "retrievedAt")?))
            }
            false => with_time(value, "value", "retrievedAt"),
        });
        Some(values.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
    };
    let rows = [
        ("value", seen(&item["values"])),
        ("before", with_time(&reading["before"], "value", "receivedAt")),
        ("last reading", with_time(reading, "verdict", "receivedAt").map(|text| format!("{text}, {how}"))),
        ("refused", shown(&reading["refused"])),
        ("measured", shown(&reading["observedAt"])),
        ("error", shown(&item["fault"]["description"])),
        ("dead band", shown(&item["deadBand"])),
        ("moves from", shown(&item["baseline"])),
        ("last fired", with_time(fired, "eventId", "at")),
        ("  by", seen(&fired["seen"])),
        ("  against", shown(&fired["before"])),
        ("next read", shown(&item["nextRead"])),
        ("last event", shown(&item["lastEventId"])),
    ];
    let name = if item["signal"].is_null() { &item["event"] } else { &item["signal"] };
    let head = format!("{}  {}\n  {}\n", plain(name), plain(&item["finding"]), plain(&item["sentence"]));
    let rows = rows.into_iter().filter_map(|(name, text)| Some(format!("  {name:<12}  {}\n", text?)));
    head + &rows.collect::<String>()
}

fn shown(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| plain(value))
}

fn with_time(value: &Value, member: &str, time: &str) -> Option<String> {
    Some(format!("{} at {}", shown(&value[member])?, plain(&value[time])))
}

fn table(items: &[Value], columns: &[&str], widest: usize) -> String {
    let cell = |item: &Value, column: &str| {
        let value = column.split('.').fold(item, |value, member| &value[member]);
        let text = plain(value);
        if text.chars().count() > widest {
            text.chars().take(widest - 1).collect::<String>() + "…"
        } else {
            text
        }
    };
    let heads: Vec<String> = columns.iter().map(|column| head(column)).collect();
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([heads[at].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    line(&heads) + &rows.iter().map(|row| line(row)).collect::<String>()
}

/// The head of a column: `callbackUri` as `CALLBACK URI`, of `state.profile` the last part.
fn head(column: &str) -> String {
    spaced(column.split('.').next_back().unwrap_or(column)).to_uppercase()
}

fn lines(members: &Map<String, Value>, indent: usize) -> String {
    let shown: Vec<(String, &Value)> = members
        .iter()
        .filter(|(_, value)| !value.is_null() && value.as_object().is_none_or(|inner| !inner.is_empty()))
        .map(|(name, value)| (spaced(name), value))
        .collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): &(String, &Value)| match value {
        Value::Object(inner) => {
            format!("{:indent$}{name}\n{}", "", lines(inner, indent + 2))
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let items = items.iter().filter_map(Value::as_object).map(|item| lines(item, indent + 2));
            format!("{:indent$}{name}\n{}", "", items.collect::<Vec<_>>().join("\n"))
        }
        value => format!("{:indent$}{name:<width$}  {}\n", "", plain(value)),
    };
    shown.iter().map(line).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::Bool(yes) => (if *yes { "yes" } else { "no" }).into(),
        Value::String(text) => local(text).unwrap_or_else(|| text.clone()),
        Value::Array(items) if items.is_empty() => "–".into(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A moment of the wire as it is here: `2026-03-02 13:03:00 +01:00`. `None` when the text is no moment.
fn local(text: &str) -> Option<String> {
    let is_moment = text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    let at: Timestamp = is_moment.then(|| text.parse().ok())??;
    Some(at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_is_aligned_and_cuts_long_cells() {
        let items = [json!({ "id": "1", "name": "a" }), json!({ "id": "22", "name": "x".repeat(60) })];
        let text = table(&items, &["id", "name"], CELL);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ID  NAME");
        assert_eq!(lines[1], "1   a");
        assert!(lines[2].ends_with('…') && lines[2].chars().count() == 4 + CELL);
    }

    #[test]
    fn an_explanation_says_what_was_found_and_from_what() {
        let item = json!({
            "signal": "tractionbattery-stateofcharge", "finding": "withinDeadBand",
            "sentence": "The value has not moved by the dead band since the last event.",
            "values": [{ "signal": "x", "value": 52.0, "retrievedAt": "2026-03-02T12:03:00.000Z" }],
            "lastFired": {
                "eventId": "0190a8c8", "at": "2026-03-02T12:01:00.000Z", "before": 44.5,
                "seen": [{ "signal": "x", "value": 50.0, "retrievedAt": "2026-03-02T12:01:00.000Z" }],
            },
            "lastReading": {
                "verdict": "applied", "observedAt": "2026-03-02T12:02:59.000Z",
                "receivedAt": "2026-03-02T12:03:00.000Z", "pushed": true,
                "before": { "value": 50.0, "receivedAt": "2026-03-02T12:02:00.000Z" },
            },
            "deadBand": 5.0, "baseline": 50.0,
        });
        let expected = "\
tractionbattery-stateofcharge  withinDeadBand
  The value has not moved by the dead band since the last event.
  value         52.0 at 2026-03-02T12:03:00.000Z
  before        50.0 at 2026-03-02T12:02:00.000Z
  last reading  applied at 2026-03-02T12:03:00.000Z, pushed
  measured      2026-03-02T12:02:59.000Z
  dead band     5.0
  moves from    50.0
  last fired    0190a8c8 at 2026-03-02T12:01:00.000Z
    by          50.0 at 2026-03-02T12:01:00.000Z
    against     44.5
";
        let moments = ["12:00", "12:01", "12:02", "12:03"].map(|time| format!("2026-03-02T{time}:00.000Z"));
        let moments = moments.into_iter().chain(["2026-03-02T12:02:59.000Z".into()]);
        let expected = moments.fold(expected.to_owned(), |text, at| text.replace(&at, &local(&at).unwrap()));
        assert_eq!(explanation(&item), expected);
    }

    #[test]
    fn a_table_shows_members_of_members_and_all_of_long_cells_where_nobody_watches() {
        let items =
            [json!({ "callbackUri": "x".repeat(60), "state": { "profile": "day" }, "verified": true })];
        let text = table(&items, &["callbackUri", "state.profile", "verified"], usize::MAX);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("CALLBACK URI ") && lines[0].ends_with("  PROFILE  VERIFIED"),
            "{}",
            lines[0]
        );
        assert_eq!(lines[1], format!("{}  day      yes", "x".repeat(60)));
    }

    #[test]
    fn a_moment_is_shown_in_the_zone_of_this_machine_and_other_texts_stay() {
        let shown = local("2026-03-02T12:03:00.000Z").unwrap();
        let at: Timestamp = "2026-03-02T12:03:00Z".parse().unwrap();
        let read: jiff::Zoned = at.to_zoned(TimeZone::system());
        assert_eq!(shown, read.strftime("%Y-%m-%d %H:%M:%S %:z").to_string());
        for text in
            ["Z", "0190a8c8-0000-7000-8000-0000000000Z", "2026-03-02TxxxxxxxxxxxxZ", "Müller GmbH Tübingen Z"]
        {
            assert_eq!(local(text), None, "{text}");
        }
    }

    #[test]
    fn warnings_are_shown_after_the_object() {
        let warned =
            json!({ "id": "1", "warnings": [{ "code": "notVerified", "message": "verify it" }], "z": 2 });
        assert_eq!(with_warnings(&warned), "id  1\nz   2\nwarning: verify it\n");
        assert_eq!(with_warnings(&json!({ "id": "1", "warnings": [] })), "id  1\n");
    }

    #[test]
    fn an_object_is_shown_as_lines_without_what_is_missing() {
        let value = json!({ "id": "1", "problem": null, "last": { "status": 200 } });
        assert_eq!(lines(value.as_object().unwrap(), 0), "id    1\nlast\n  status  200\n");
    }
}
