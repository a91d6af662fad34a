//! What JavaScript makes of a body, for tests: `JSON.stringify(JSON.parse(text))` written a second time, from the
//! language's rules and over another parser, so that it shares no code with what it judges.

use serde_json::Value;

/// The text after a JavaScript receiver has parsed it and serialised it again.
pub(super) fn reserialised(text: &str) -> String {
    stringify(&serde_json::from_str(text).expect("bodies are JSON"))
}

fn stringify(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Number(number) => number_to_string(number.as_f64().expect("JavaScript has doubles only")),
        Value::String(text) => quote(text),
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(stringify).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let is_index = |key: &str| key.parse::<u32>().is_ok_and(|n| n < u32::MAX && n.to_string() == key);
            let (mut indices, names): (Vec<_>, Vec<_>) = members.iter().partition(|(key, _)| is_index(key));
            indices.sort_by_key(|(key, _)| key.parse::<u32>().expect("an index"));
            let member = |(key, value): (&String, &Value)| format!("{}:{}", quote(key), stringify(value));
            format!("{{{}}}", indices.into_iter().chain(names).map(member).collect::<Vec<_>>().join(","))
        }
    }
}

/// ECMA-262, Number::toString with radix 10: from the shortest digits and the exponent.
fn number_to_string(number: f64) -> String {
    if number == 0.0 {
        return "0".into();
    }
    let sign = if number < 0.0 { "-" } else { "" };
    let scientific = shortest(number.abs());
    let (digits, exponent) = scientific.split_once('e').expect("scientific notation");
    let digits = digits.replace('.', "");
    let (k, n) = (digits.len() as i32, exponent.parse::<i32>().expect("an exponent") + 1);
    let body = if k <= n && n <= 21 {
        format!("{digits}{}", "0".repeat((n - k) as usize))
    } else if 0 < n && n <= 21 {
        format!("{}.{}", &digits[..n as usize], &digits[n as usize..])
    } else if -6 < n && n <= 0 {
        format!("0.{}{digits}", "0".repeat(-n as usize))
    } else {
        let exponent = format!("{}{}", if n > 0 { "+" } else { "-" }, (n - 1).abs());
        match k {
            1 => format!("{digits}e{exponent}"),
            _ => format!("{}.{}e{exponent}", &digits[..1], &digits[1..]),
        }
    };
    format!("{sign}{body}")
}

/// The fewest digits that read back as the number, and of those the closest: of two that are equally close the even
/// one, where Rust's own shortest form takes the larger.
fn shortest(number: f64) -> String {
    let shortest = format!("{number:e}");
    let digits = shortest.bytes().take_while(|&byte| byte != b'e').filter(u8::is_ascii_digit).count();
    let closest = format!("{number:.*e}", digits - 1);
    if closest.parse() == Ok(number) { closest } else { shortest }
}

/// ECMA-262, QuoteJSONString.
fn quote(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|character| match character {
            '\u{8}' => "\\b".into(),
            '\t' => "\\t".into(),
            '\n' => "\\n".into(),
            '\u{c}' => "\\f".into(),
            '\r' => "\\r".into(),
            '"' => "\\\"".into(),
            '\\' => "\\\\".into(),
            control if control < ' ' => format!("\\u{:04x}", control as u32),
            other => other.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
