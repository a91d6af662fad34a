//! What JavaScript makes of a body, for tests: `JSON.stringify(JSON.parse(text))` written a second time, from the
//! language's rules and over another parser, so that it shares no code with what it judges. Long runs ask Node itself.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::Value;

/// How many texts one Node reads.
const TEXTS: usize = 10_000;

/// Lines come in pairs: a text, and what has to become of it.
const SCRIPT: &str = r#"
    const lines = require("fs").readFileSync(0, "utf8").split("\n");
    for (let at = 0; at + 1 < lines.length; at += 2) {
        const made = JSON.stringify(JSON.parse(lines[at]));
        if (made !== lines[at + 1]) {
            console.log(JSON.stringify({ read: lines[at], expected: lines[at + 1], made }));
            process.exit(1);
        }
    }
"#;

/// Lets Node parse and serialise `count` texts on one line each; `pair` makes a text, and what has to become of it.
pub(super) fn soak<S: Strategy>(count: usize, strategy: &S, pair: impl Fn(S::Value) -> (String, String)) {
    let mut runner = TestRunner::deterministic();
    for _ in 0..count.div_ceil(TEXTS) {
        let lines = (0..TEXTS).flat_map(|_| {
            let (text, expected) = pair(strategy.new_tree(&mut runner).expect("a value").current());
            [text, "\n".into(), expected, "\n".into()]
        });
        let lines: String = lines.collect();
        let mut node = Command::new("node")
            .args(["-e", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the soak needs Node");
        node.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("Node reads");
        let output = node.wait_with_output().expect("Node ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

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
