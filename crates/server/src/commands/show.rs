//! Answers for people: a list as a table, an object as lines. With `--json`, as they came.

use serde_json::{Map, Value};

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

/// Prints the items of a page as a table of these members.
pub(crate) fn list(page: &Value, columns: &[&str], json: bool) {
    if json {
        println!("{page}");
        return;
    }
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        println!("none yet");
        return;
    }
    print!("{}", table(items, columns));
    if !page["nextCursor"].is_null() {
        println!("… and more; --json shows the cursor");
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

fn table(items: &[Value], columns: &[&str]) -> String {
    let cell = |item: &Value, column: &str| {
        let text = plain(&item[column]);
        if text.chars().count() > CELL {
            text.chars().take(CELL - 1).collect::<String>() + "…"
        } else {
            text
        }
    };
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([columns[at].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let head: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    line(&head) + &rows.iter().map(|row| line(row)).collect::<String>()
}

fn lines(members: &Map<String, Value>, indent: usize) -> String {
    let width = members.keys().map(String::len).max().unwrap_or_default();
    let line = |(name, value): (&String, &Value)| match value {
        Value::Object(inner) if !inner.is_empty() => {
            format!("{:indent$}{name}\n{}", "", lines(inner, indent + 2))
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let items = items.iter().filter_map(Value::as_object).map(|item| lines(item, indent + 2));
            format!("{:indent$}{name}\n{}", "", items.collect::<Vec<_>>().join("\n"))
        }
        value => format!("{:indent$}{name:<width$}  {}\n", "", plain(value)),
    };
    members.iter().filter(|(_, value)| !value.is_null()).map(line).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_is_aligned_and_cuts_long_cells() {
        let items = [json!({ "id": "1", "name": "a" }), json!({ "id": "22", "name": "x".repeat(60) })];
        let text = table(&items, &["id", "name"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "id  name");
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
                "verdict": "changed", "observedAt": "2026-03-02T12:02:59.000Z",
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
  last reading  changed at 2026-03-02T12:03:00.000Z, pushed
  measured      2026-03-02T12:02:59.000Z
  dead band     5.0
  moves from    50.0
  last fired    0190a8c8 at 2026-03-02T12:01:00.000Z
    by          50.0 at 2026-03-02T12:01:00.000Z
    against     44.5
";
        assert_eq!(explanation(&item), expected);
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
        assert_eq!(lines(value.as_object().unwrap(), 0), "id       1\nlast\n  status  200\n");
    }
}
