//! Canonical JSON: text that JavaScript's `JSON.parse` and `JSON.stringify` give back unchanged.
//!
//! Many receivers check a signature not over the bytes that they got but over their parsed body, serialised again. So
//! that this works too, what is written here has no white space, keys in the order of writing, none twice and none
//! that looks like an array index (JavaScript would move it to the front), numbers as ECMAScript prints them, and
//! strings in which only `"`, `\` and control characters are escaped.

mod canonical;

pub use canonical::{Malformed, canonical, elements, member, members, text_of};
pub(super) use canonical::{has_index_key, has_unsafe_number};

use std::fmt::{Display, Write as _};

/// From here on JavaScript does not tell a whole number from its neighbour.
pub const UNSAFE: f64 = 9_007_199_254_740_992.0;

/// Writes one JSON text from front to back. There is no tree in between.
///
/// Commas need no bookkeeping: one is due unless the text ends in `{`, `[` or `:`, and no value ends so.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    /// The keys of each object that is open; a list for each open array, too.
    #[cfg(debug_assertions)]
    open: Vec<Vec<&'static str>>,
}

impl Writer {
    /// A writer with room for a text of `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ..Self::default() }
    }

    /// The text, when it is complete.
    pub fn finish(self) -> String {
        self.text
    }

    /// An object of the members that `members` writes.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.nested('{', members, '}');
    }

    /// An array of the elements that `elements` writes.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.nested('[', elements, ']');
    }

    /// The key of a member; its value has to be written next.
    pub fn key(&mut self, key: &'static str) -> &mut Self {
        #[cfg(debug_assertions)]
        self.check(key);
        self.separate();
        self.text.push('"');
        self.text.push_str(key);
        self.text.push_str("\":");
        self
    }

    /// Any text.
    pub fn string(&mut self, text: &str) {
        self.separate();
        write_string(&mut self.text, text);
    }

    /// Something whose text never needs escaping: an id, a moment, a word of ours.
    pub fn plain(&mut self, value: impl Display) {
        self.separate();
        self.text.push('"');
        let start = self.text.len();
        write!(self.text, "{value}").expect("a String takes all that is written");
        debug_assert!(!self.text[start..].bytes().any(needs_escape), "not plain: {}", &self.text[start..]);
        self.text.push('"');
    }

    /// A number.
    ///
    /// # Panics
    ///
    /// On infinities and what is not a number: JSON has neither, and no reading may hold them.
    pub fn number(&mut self, number: f64) {
        self.separate();
        write_number(&mut self.text, number);
    }

    /// A small whole number.
    pub fn integer(&mut self, number: u32) {
        self.number(f64::from(number));
    }

    /// A whole number of any size, held within those that JavaScript has exactly.
    pub fn whole(&mut self, number: i64) {
        const LARGEST: i64 = (1 << 53) - 1;
        self.number(number.clamp(-LARGEST, LARGEST) as f64);
    }

    /// `true` or `false`.
    pub fn flag(&mut self, flag: bool) {
        self.raw(if flag { "true" } else { "false" });
    }

    /// `null`.
    pub fn null(&mut self) {
        self.raw("null");
    }

    /// The value, or `null`.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    /// A value that is canonical JSON already.
    pub fn raw(&mut self, json: &str) {
        debug_assert_eq!(canonical(json).as_deref(), Ok(json), "not canonical");
        self.separate();
        self.text.push_str(json);
    }

    fn nested(&mut self, opening: char, write: impl FnOnce(&mut Self), closing: char) {
        self.separate();
        self.text.push(opening);
        #[cfg(debug_assertions)]
        self.open.push(Vec::new());
        write(self);
        #[cfg(debug_assertions)]
        self.open.pop();
        self.text.push(closing);
    }

    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    #[cfg(debug_assertions)]
    fn check(&mut self, key: &'static str) {
        assert!(!key.bytes().any(needs_escape), "{key:?} needs escaping");
        assert!(
            !key.starts_with(|first: char| first.is_ascii_digit()),
            "{key:?} may look like an array index"
        );
        let keys = self.open.last_mut().expect("a key belongs into an object");
        assert!(!keys.contains(&key), "{key:?} twice in one object");
        keys.push(key);
    }
}

const fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

/// A string in quotes, as `JSON.stringify` writes it.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => write!(out, "\\u{control:04x}").expect("a String takes all that is written"),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// A number as ECMAScript's `Number::toString` writes it.
pub(crate) fn write_number(out: &mut String, number: f64) {
    assert!(number.is_finite(), "{number} has no place in JSON");
    out.push_str(ryu_js::Buffer::new().format_finite(number));
}

#[cfg(test)]
mod tests {
    use super::{super::javascript, *};
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.finish()
    }

    #[test]
    fn row_h05_numbers_are_written_as_javascript_writes_them() {
        for (number, text) in [
            (78.0, "78"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (-0.0, "0"),
            (1e-6, "0.000001"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (5_600_301_794_945_413.0 / 4.0, "1400075448736353.2"),
            (-20_123.4, "-20123.4"),
        ] {
            assert_eq!(written(|w| w.number(number)), text);
        }
    }

    #[test]
    fn row_h06_names_with_umlauts_slashes_and_emoji_are_not_escaped() {
        assert_eq!(written(|w| w.string("Käfer 1/2 🚗 \u{2028} \u{7f}")), "\"Käfer 1/2 🚗 \u{2028} \u{7f}\"");
        assert_eq!(written(|w| w.string("\"\\\u{8}\u{c}\n\r\t\0\u{1f}")), r#""\"\\\b\f\n\r\t\u0000\u001f""#);
    }

    #[test]
    fn row_h09_bodies_are_compact_and_end_without_a_newline() {
        let text = written(|w| {
            w.object(|w| {
                w.key("a").array(|w| {
                    w.null();
                    w.array(|_| {});
                    w.flag(true);
                    w.object(|_| {});
                });
                w.key("b").string("{");
                w.key("c").integer(7);
                w.key("d").optional(None::<u32>, Writer::integer);
                w.key("e").raw(r#"{"x":[1,2]}"#);
            });
        });
        assert_eq!(text, r#"{"a":[null,[],true,{}],"b":"{","c":7,"d":null,"e":{"x":[1,2]}}"#);
    }

    #[test]
    #[should_panic(expected = "has no place in JSON")]
    fn a_number_that_is_none_is_a_bug() {
        written(|w| w.number(f64::NAN));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "twice in one object")]
    fn a_key_twice_is_a_bug() {
        written(|w| {
            w.object(|w| {
                w.key("a").null();
                w.key("a").null();
            });
        });
    }

    proptest! {
        #[test]
        fn row_h04_numbers_and_strings_survive_javascript(number in any::<f64>(), text in ".*") {
            let text = written(|w| {
                w.array(|w| {
                    w.number(number);
                    w.string(&text);
                });
            });
            prop_assert_eq!(javascript::reserialised(&text), text);
        }
    }
}
