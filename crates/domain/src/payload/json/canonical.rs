//! JSON texts of others: brought into canonical form when they come in, looked into without parsing afterwards.

use super::{write_number, write_string};
use std::collections::BTreeSet;

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 32;

/// The text is not JSON, or is JSON that cannot be passed on unambiguously.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Where it is.
    pub at: usize,
}

/// The canonical form of a JSON text: what JavaScript's parse and stringify make of it.
///
/// # Errors
///
/// When it is not JSON, is nested deeper than 32, has a key twice in one object (which of them counts differs between
/// readers), a number beyond the range of a double or half of a surrogate pair.
pub fn canonical(text: &str) -> Result<String, Malformed> {
    let mut reader = Reader { text, at: 0 };
    let mut out = String::with_capacity(text.len());
    reader.skip_space();
    reader.value(&mut out, MAX_DEPTH)?;
    match reader.peek() {
        None => Ok(out),
        Some(_) => Err(reader.malformed("something after the value")),
    }
}

/// The value of a member of an object in canonical form. The key is a plain one, as all of ours are.
pub fn member<'t>(object: &'t str, key: &str) -> Option<&'t str> {
    let inside = object.strip_prefix('{')?.strip_suffix('}')?;
    Parts(inside).find_map(|part| part.strip_prefix('"')?.strip_prefix(key)?.strip_prefix("\":"))
}

/// The elements of an array in canonical form.
pub fn elements(array: &str) -> Option<impl Iterator<Item = &str>> {
    array.strip_prefix('[')?.strip_suffix(']').map(Parts)
}

/// The members of an object in canonical form, by their keys as they are written.
pub fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let inside = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    Parts(inside).filter_map(split_member)
}

/// The text that a JSON string says; `None` for what is no string.
pub fn text_of(json: &str) -> Option<std::borrow::Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.bytes().any(super::needs_escape) {
        return Some(inside.into());
    }
    let mut reader = Reader { text: json, at: 0 };
    let text = reader.string().ok()?;
    reader.peek().is_none().then_some(text.into())
}

/// Whether an object anywhere in a text in canonical form has a key that looks like an array index.
pub(in super::super) fn has_index_key(text: &str) -> bool {
    if let Some(inside) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Parts(inside).any(|part| {
            let Some((key, value)) = split_member(part) else { return false };
            array_index(key).is_some() || has_index_key(value)
        })
    } else {
        elements(text).is_some_and(|mut elements| elements.any(has_index_key))
    }
}

/// Whether a number anywhere in a text in canonical form is one that JavaScript does not hold exactly.
pub(in super::super) fn has_unsafe_number(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'{') => members(text).any(|(_, value)| has_unsafe_number(value)),
        Some(b'[') => elements(text).is_some_and(|mut elements| elements.any(has_unsafe_number)),
        Some(b'-' | b'0'..=b'9') => text.parse::<f64>().is_ok_and(|number| number.abs() >= super::UNSAFE),
        _ => false,
    }
}

/// The key of a member, still escaped, and its value. An escape is never part of an index.
fn split_member(member: &str) -> Option<(&str, &str)> {
    let quoted = member.strip_prefix('"')?;
    let mut escaped = false;
    let end = quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((&quoted[..end], quoted[end + 1..].strip_prefix(':')?))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    /// Reads a value and the white space after it.
    fn value(&mut self, out: &mut String, depth: usize) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'{') => self.object(out, self.deeper(depth)?)?,
            Some(b'[') => self.array(out, self.deeper(depth)?)?,
            Some(b'"') => write_string(out, &self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number(out)?,
            _ => self.word(out)?,
        }
        self.skip_space();
        Ok(())
    }

    fn deeper(&self, depth: usize) -> Result<usize, Malformed> {
        depth.checked_sub(1).ok_or_else(|| self.malformed("nested too deep"))
    }

    fn object(&mut self, out: &mut String, depth: usize) -> Result<(), Malformed> {
        let (mut members, mut keys) = (Vec::<(String, String)>::new(), BTreeSet::new());
        self.list(b'}', |reader| {
            let start = reader.at;
            let key = reader.string()?;
            if !keys.insert(key.clone()) {
                return Err(Malformed { what: "the same key again", at: start });
            }
            reader.skip_space();
            reader.expect(b':', "no colon")?;
            reader.skip_space();
            let mut value = String::new();
            reader.value(&mut value, depth)?;
            members.push((key, value));
            Ok(())
        })?;
        // JavaScript has keys that look like an array index first, in ascending order.
        members.sort_by_key(|(key, _)| array_index(key).unwrap_or(u32::MAX));
        out.push('{');
        for (place, (key, value)) in members.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            write_string(out, key);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        Ok(())
    }

    fn array(&mut self, out: &mut String, depth: usize) -> Result<(), Malformed> {
        let mut first = true;
        out.push('[');
        self.list(b']', |reader| {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            reader.value(out, depth)
        })?;
        out.push(']');
        Ok(())
    }

    /// Reads items, each with the white space after it, from an opening bracket to the closing one.
    fn list(
        &mut self,
        closing: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(closing) {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            if self.peek() != Some(b',') {
                return self.expect(closing, "neither a comma nor the closing bracket");
            }
            self.at += 1;
            self.skip_space();
        }
    }

    fn string(&mut self) -> Result<String, Malformed> {
        self.expect(b'"', "no string")?;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().position(super::needs_escape).unwrap_or(rest.len());
            string.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                _ => return Err(self.malformed("a string without an end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.utf16(),
            _ => return Err(Malformed { what: "an unknown escape", at: self.at - 1 }),
        })
    }

    /// The character of one `uXXXX`, or of two that are a surrogate pair.
    fn utf16(&mut self) -> Result<char, Malformed> {
        let start = self.at;
        let first = self.hex4()?;
        let second = match (first, self.text[self.at..].strip_prefix("\\u")) {
            (0xd800..=0xdbff, Some(_)) => {
                self.at += 2;
                Some(self.hex4()?)
            }
            _ => None,
        };
        let mut decoded = char::decode_utf16(std::iter::once(first).chain(second));
        match decoded.next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(Malformed { what: "half of a surrogate pair", at: start }),
        }
    }

    fn hex4(&mut self) -> Result<u16, Malformed> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let unit = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit)).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u16::from_str_radix(digits, 16).ok()
        });
        let unit = unit.ok_or_else(|| self.malformed("not four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    fn number(&mut self, out: &mut String) -> Result<(), Malformed> {
        let start = self.at;
        self.skip_if(b"-");
        if !self.skip_if(b"0") {
            self.digits()?;
        }
        if self.skip_if(b".") {
            self.digits()?;
        }
        if self.skip_if(b"eE") {
            self.skip_if(b"+-");
            self.digits()?;
        }
        match self.text[start..self.at].parse::<f64>() {
            Ok(number) if number.is_finite() => {
                write_number(out, number);
                Ok(())
            }
            _ => Err(Malformed { what: "a number beyond the range of a double", at: start }),
        }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.malformed("no digit")) } else { Ok(()) }
    }

    fn word(&mut self, out: &mut String) -> Result<(), Malformed> {
        let word = ["true", "false", "null"].into_iter().find(|word| self.text[self.at..].starts_with(word));
        let word = word.ok_or_else(|| self.malformed("no value"))?;
        self.at += word.len();
        out.push_str(word);
        Ok(())
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), Malformed> {
        if self.skip_if(&[byte]) { Ok(()) } else { Err(self.malformed(otherwise)) }
    }

    fn skip_if(&mut self, bytes: &[u8]) -> bool {
        let found = self.peek().is_some_and(|byte| bytes.contains(&byte));
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while self.skip_if(b" \t\n\r") {}
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }
}

/// The array index that a key looks like to JavaScript: a whole number below 2³² − 1, written plainly.
fn array_index(key: &str) -> Option<u32> {
    let plain = key == "0" || key.starts_with(|first: char| ('1'..='9').contains(&first));
    key.parse().ok().filter(|&index| plain && index != u32::MAX)
}

/// What stands between the commas of an object or an array in canonical form.
struct Parts<'t>(&'t str);

impl<'t> Iterator for Parts<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.0.is_empty() {
            return None;
        }
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let end = self.0.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' => return depth == 0,
                _ => {}
            }
            false
        });
        let (part, rest) = match end {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (self.0, ""),
        };
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::javascript, *};
    use expect_test::{Expect, expect};
    use proptest::{collection, prelude::*};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&canonical(text).unwrap_or_else(|malformed| malformed.to_string()));
    }

    #[test]
    fn json_of_others_is_brought_into_canonical_form() {
        check(
            " { \"a\" : [ 1.0 , -0 , 1E2 , true ] , \"b\" : { } , \"c\" : [ ] } \n",
            expect![[r#"{"a":[1,0,100,true],"b":{},"c":[]}"#]],
        );
        check(r#""\u00e4\/\ud83d\ude97\u000a\u001F""#, expect![[r#""ä/🚗\n\u001f""#]]);
        check(
            r#"{"b":1,"17":2,"a":3,"2":4,"017":5,"4294967295":6}"#,
            expect![[r#"{"2":4,"17":2,"b":1,"a":3,"017":5,"4294967295":6}"#]],
        );
        check("0.10000000000000000555", expect!["0.1"]);
    }

    #[test]
    fn what_is_not_json_or_is_ambiguous_is_refused_with_its_place() {
        check("", expect!["no value at byte 0"]);
        check("[1,]", expect!["no value at byte 3"]);
        check("[1 2]", expect!["neither a comma nor the closing bracket at byte 3"]);
        check("{\"a\":1}x", expect!["something after the value at byte 7"]);
        check("{\"a\"1}", expect!["no colon at byte 4"]);
        check("{a:1}", expect!["no string at byte 1"]);
        check("01", expect!["something after the value at byte 1"]);
        check("1.", expect!["no digit at byte 2"]);
        check("+1", expect!["no value at byte 0"]);
        check("NaN", expect!["no value at byte 0"]);
        check("1e999", expect!["a number beyond the range of a double at byte 0"]);
        check("\"a\nb\"", expect!["a string without an end at byte 2"]);
        check("\"abc", expect!["a string without an end at byte 4"]);
        check(r#""\x""#, expect!["an unknown escape at byte 2"]);
        check(r#""\u12""#, expect!["not four hexadecimal digits at byte 3"]);
        check(r#""\ud83d""#, expect!["half of a surrogate pair at byte 3"]);
        check(r#""\ud83d\u0041""#, expect!["half of a surrogate pair at byte 3"]);
        check(r#""\ude97""#, expect!["half of a surrogate pair at byte 3"]);
        check(r#"{"a":1,"a":2}"#, expect!["the same key again at byte 7"]);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(canonical(&nested(MAX_DEPTH)), Ok(nested(MAX_DEPTH)));
        assert!(canonical(&nested(MAX_DEPTH + 1)).is_err());
        assert!(canonical(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn members_and_elements_are_found_without_parsing() {
        let text = r#"{"a":{"b":1,"c":[1,2]},"s":"x,\"}","b":[{"x":1},[2,3],"],",4],"e":[]}"#;
        assert_eq!(member(text, "a"), Some(r#"{"b":1,"c":[1,2]}"#));
        assert_eq!(member(text, "s"), Some(r#""x,\"}""#));
        assert_eq!(member(text, "x"), None);
        let list = |key| elements(member(text, key).unwrap()).unwrap().collect::<Vec<_>>();
        assert_eq!(list("b"), [r#"{"x":1}"#, "[2,3]", "\"],\"", "4"]);
        assert!(list("e").is_empty());
        assert!(elements(text).is_none());
    }

    #[test]
    fn keys_that_look_like_an_index_are_found_wherever_they_are() {
        for text in [r#"{"0":1}"#, r#"[1,{"a":{"17":[]}}]"#, r#"{"a\\\"":{"4294967294":null}}"#] {
            assert!(has_index_key(&canonical(text).unwrap()), "{text}");
        }
        let none = r#"{"a":["0","{\"1\":2}"],"017":1,"4294967295":2,"-1":3,"1e1":4,"":{"\"7":{}}}"#;
        assert!(!has_index_key(&canonical(none).unwrap()));
    }

    /// Any JSON, with keys that like to be an index.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let number = prop_oneof![any::<i64>().prop_map(|n| n as f64), any::<f64>(), -100.0..100.0];
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            number.prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                collection::vec(("[0-9]{1,2}|.{0,6}", inner), 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    #[ignore = "lets Node read two hundred thousand texts, for a minute"]
    fn soak_canonical_texts_of_others_are_what_node_makes_of_them() {
        const TEXTS: usize = 200_000;
        javascript::soak(TEXTS, &json(), |value| {
            let text = value.to_string();
            let made = canonical(&text).unwrap();
            (text, made)
        });
        println!("soak: {TEXTS} texts of others brought into the form that Node gives them");
    }

    proptest! {
        #[test]
        fn row_h04_a_canonical_text_is_what_javascript_makes_of_it(value in json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let made = canonical(&text).unwrap();
                prop_assert_eq!(&made, &javascript::reserialised(&text));
                prop_assert_eq!(canonical(&made), Ok(made.clone()));
            }
        }

        #[test]
        fn whatever_is_taken_for_json_is_json(text in r#"[\[\]{}",:0-9eE.+\-\\ua-f ]{0,40}|"(\\\\|.){0,8}""#) {
            if canonical(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }

        #[test]
        fn elements_are_those_of_the_value(values in collection::vec(json(), 0..5)) {
            let text = canonical(&serde_json::Value::from(values.clone()).to_string()).unwrap();
            let found: Vec<String> = elements(&text).unwrap().map(str::to_owned).collect();
            let expected: Vec<String> = values.iter().map(|v| canonical(&v.to_string()).unwrap()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
