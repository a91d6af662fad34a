//! A body of readings: unpacked and divided into readings as it is read, in steps.
//!
//! Nothing is built of a body as a whole. What is unpacked goes into one buffer, which holds a chunk and the beginning of a
//! reading; a reading that is complete is parsed from there and leaves. So the memory of a request is bounded by the bytes
//! that it unpacks to, which are taken from the budget of bodies before they are unpacked, and one reading by
//! [`MOST_READING`]. What is longer is skipped and reported by its place, as everything is that cannot be a reading.

use std::io::{Cursor, Read};

use app::{PushedReading, Rejected};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::reading;
use crate::{
    problem::ApiError,
    whole::{Budget, Room},
};

/// Readings of one request.
pub(super) const MOST_READINGS: usize = 10_000;
/// Bytes of one reading.
pub(super) const MOST_READING: usize = 32 * 1_024;
/// Bytes of a body once it is unpacked.
const MOST_UNPACKED: usize = 8 * 1_024 * 1_024;
/// A packed body may unpack to so many times its size, beyond what any may: readings that look alike are packed to a fiftieth.
const MOST_RATIO: usize = 100;
const ANY_RATIO: usize = 256 * 1_024;
/// Bytes that are unpacked at once.
const CHUNK: usize = 64 * 1_024;
/// Bytes of a packed body that are read where they arrive. Unpacking more may take long, whatever it unpacks to.
const MOST_PACKED_HERE: usize = 16 * 1_024;
/// Bytes of the reason that a reading is refused for.
pub(super) const MOST_REASON: usize = 512;

/// How a body is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Array,
    Lines,
}

pub(super) fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Array),
        "application/x-ndjson" | "application/jsonl" => Ok(Form::Lines),
        _ => Err(ApiError::readings_type()),
    }
}

/// Whether a body is under gzip; `None` for any other coding. Codings are a list, in one header or in several, in which
/// `identity` says nothing.
fn is_packed(headers: &HeaderMap) -> Option<bool> {
    let mut is_packed = false;
    for codings in headers.get_all(header::CONTENT_ENCODING) {
        for coding in codings.as_bytes().split(|&byte| byte == b',') {
            match coding.trim_ascii().to_ascii_lowercase().as_slice() {
                b"" | b"identity" => {}
                b"gzip" | b"x-gzip" if !is_packed => is_packed = true,
                _ => return None,
            }
        }
    }
    Some(is_packed)
}

/// The mark that some editors and libraries put before text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The bytes of a body as they are, or packed.
enum Source {
    Plain(Cursor<Bytes>),
    Gzip(Box<MultiGzDecoder<Cursor<Bytes>>>),
}

impl Source {
    fn of(headers: &HeaderMap, body: Bytes) -> Result<Self, ApiError> {
        match is_packed(headers).ok_or_else(ApiError::readings_type)? {
            false => Ok(Self::Plain(Cursor::new(body))),
            true => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Cursor::new(body))))),
        }
    }

    /// How many bytes there may be.
    fn most_unpacked(&self) -> usize {
        match self {
            Self::Plain(_) => MOST_UNPACKED,
            Self::Gzip(packed) => {
                MOST_UNPACKED.min(ANY_RATIO + MOST_RATIO * packed.get_ref().get_ref().len())
            }
        }
    }

    /// Whether reading this begins where the request is served.
    fn is_small(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Gzip(packed) => packed.get_ref().get_ref().len() <= MOST_PACKED_HERE,
        }
    }

    /// How many bytes are worth asking for: one more than there are, so that the end is noticed.
    fn next_most(&self) -> usize {
        match self {
            Self::Plain(body) => body.get_ref().len() - body.position() as usize + 1,
            Self::Gzip(_) => CHUNK,
        }
    }

    /// The next bytes; none at the end.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ApiError> {
        let read = match self {
            Self::Plain(body) => body.read(into),
            Self::Gzip(packed) => packed.read(into),
        };
        read.map_err(|error| ApiError::malformed(format!("the body is not gzip: {error}")))
    }
}

/// A body that is being read.
pub(super) struct Reader {
    source: Source,
    budget: Budget,
    /// What it unpacks to counts until the request is answered.
    room: Option<Room>,
    unpacked: usize,
    buffer: Vec<u8>,
    splitter: Splitter,
    sorted: Sorted,
}

/// The readings of a body by their places, and those that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) readings: Vec<(usize, PushedReading)>,
    pub(super) rejected: Vec<Rejected>,
}

impl Reader {
    pub(super) fn new(headers: &HeaderMap, body: Bytes, budget: Budget) -> Result<Self, ApiError> {
        let (form, source) = (form(headers)?, Source::of(headers, body)?);
        let (buffer, splitter) = (Vec::new(), Splitter::new(form));
        Ok(Self { source, budget, room: None, unpacked: 0, buffer, splitter, sorted: Sorted::default() })
    }

    /// Reads as much as may be read where the request is served; true at the end.
    pub(super) fn begin(&mut self) -> Result<bool, ApiError> {
        if !self.source.is_small() { Ok(false) } else { self.step() }
    }

    /// Reads to the end.
    pub(super) fn finish(&mut self) -> Result<(), ApiError> {
        while !self.step()? {}
        Ok(())
    }

    /// The readings, and the room that they take.
    pub(super) fn into_parts(self) -> (Sorted, Option<Room>) {
        (self.sorted, self.room)
    }

    /// Reads one chunk; true at the end.
    fn step(&mut self) -> Result<bool, ApiError> {
        let begins = self.buffer.len();
        self.buffer.resize(begins + self.source.next_most().min(CHUNK), 0);
        let mut filled = begins;
        let mut is_end = false;
        while filled < self.buffer.len() && !is_end {
            let count = self.source.read(&mut self.buffer[filled..])?;
            filled += count;
            is_end = count == 0;
        }
        self.buffer.truncate(filled);
        self.unpacked += filled - begins;
        let most = self.source.most_unpacked();
        if self.unpacked > most {
            return Err(ApiError::too_large(most));
        }
        if matches!(self.source, Source::Gzip(_)) {
            self.budget.take(&mut self.room, filled - begins)?;
        }
        let is_first = self.unpacked == filled;
        let Self { buffer, splitter, sorted, .. } = self;
        if is_first && buffer.starts_with(BYTE_ORDER_MARK) {
            buffer.drain(..BYTE_ORDER_MARK.len());
        }
        let used = splitter.split(buffer, begins, is_end, |place, part| sorted.put(place, part))?;
        buffer.drain(..used);
        Ok(is_end)
    }
}

impl Sorted {
    fn put(&mut self, place: usize, part: Part<'_>) -> Result<(), ApiError> {
        if self.readings.len() + self.rejected.len() >= MOST_READINGS {
            return Err(ApiError::too_many_readings(MOST_READINGS));
        }
        let read = match part {
            Part::Reading(raw) => reading::read(raw),
            Part::TooLong => Err(format!("a reading has at most {MOST_READING} bytes")),
        };
        match read {
            Ok(reading) => self.readings.push((place, reading)),
            Err(mut reason) => {
                reason.truncate(reason.floor_char_boundary(MOST_REASON));
                self.rejected.push(Rejected { index: place, reason });
            }
        }
        Ok(())
    }
}

/// A part of a body that stands for a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part<'b> {
    Reading(&'b [u8]),
    TooLong,
}

/// Finds where readings begin and end, and looks at nothing else of them.
struct Splitter {
    at: At,
    /// The place of the next reading.
    place: usize,
    /// The reading under way is too long: its bytes are gone.
    is_too_long: bool,
}

/// Where a body has been read to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// In a line.
    Line,
    /// Before the array.
    Begin,
    /// Before an item; the first may be missing.
    Before { first: bool },
    /// In an item, within so many braces and brackets.
    Item { depth: usize, string: bool, escaped: bool },
    /// After the array.
    End,
}

impl Splitter {
    fn new(form: Form) -> Self {
        let at = if form == Form::Lines { At::Line } else { At::Begin };
        Self { at, place: 0, is_too_long: false }
    }

    /// Hands out the readings that are complete in `buffer`, of which everything before `begins` was looked at before.
    /// Answers with how many bytes are done with.
    fn split(
        &mut self,
        buffer: &[u8],
        begins: usize,
        is_end: bool,
        mut take: impl FnMut(usize, Part<'_>) -> Result<(), ApiError>,
    ) -> Result<usize, ApiError> {
        // Where the reading under way begins: what was left of the buffer is the beginning of one.
        let (mut from, mut next) = (0, begins);
        while let Some(&byte) = buffer.get(next) {
            match self.at {
                At::Line => match memchr::memchr(b'\n', &buffer[next..]) {
                    Some(length) => {
                        self.line(&buffer[from..next + length], &mut take)?;
                        next += length + 1;
                        from = next;
                    }
                    None => next = buffer.len(),
                },
                At::Begin if byte == b'[' => {
                    (self.at, next) = (At::Before { first: true }, next + 1);
                }
                At::Before { .. } | At::Begin | At::End if byte.is_ascii_whitespace() => next += 1,
                At::Begin => return Err(malformed("it begins with something else")),
                At::End => return Err(malformed("something follows its end")),
                At::Before { first: true } if byte == b']' => (self.at, next) = (At::End, next + 1),
                At::Before { .. } if byte == b',' || byte == b']' => {
                    return Err(malformed("a reading is missing before a comma or at its end"));
                }
                At::Before { .. } => {
                    from = next;
                    self.at = At::Item { depth: 0, string: false, escaped: false };
                }
                At::Item { depth, string: true, escaped } => {
                    let rest = &buffer[next..];
                    let (length, string, escaped) = match escaped {
                        true => (1, true, false),
                        false => match memchr::memchr2(b'"', b'\\', rest) {
                            Some(length) => (length + 1, rest[length] != b'"', rest[length] == b'\\'),
                            None => (rest.len(), true, false),
                        },
                    };
                    next += length;
                    self.at = At::Item { depth, string, escaped };
                }
                At::Item { depth: 0, .. } if byte == b',' || byte == b']' => {
                    self.item(&buffer[from..next], &mut take)?;
                    self.at = if byte == b',' { At::Before { first: false } } else { At::End };
                    next += 1;
                }
                At::Item { depth, .. } => {
                    let (depth, string) = match byte {
                        b'"' => (depth, true),
                        b'{' | b'[' => (depth + 1, false),
                        b'}' | b']' => (depth.saturating_sub(1), false),
                        _ => (depth, false),
                    };
                    next += 1;
                    self.at = At::Item { depth, string, escaped: false };
                }
            }
        }
        if is_end {
            match self.at {
                At::Line => self.line(&buffer[from..], &mut take)?,
                At::End => {}
                _ => return Err(malformed("it does not end")),
            }
            return Ok(buffer.len());
        }
        let is_in_reading = matches!(self.at, At::Line | At::Item { .. });
        if is_in_reading && buffer.len() - from > MOST_READING {
            self.is_too_long = true;
        }
        Ok(if is_in_reading && !self.is_too_long { from } else { buffer.len() })
    }

    fn line(
        &mut self,
        raw: &[u8],
        take: impl FnMut(usize, Part<'_>) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        if raw.trim_ascii().is_empty() && !self.is_too_long {
            // A reading's place is that of its line; empty ones count, too.
            self.place += 1;
            return Ok(());
        }
        self.item(raw, take)
    }

    fn item(
        &mut self,
        raw: &[u8],
        mut take: impl FnMut(usize, Part<'_>) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let is_too_long = std::mem::take(&mut self.is_too_long) || raw.len() > MOST_READING;
        let place = self.place;
        self.place += 1;
        take(place, if is_too_long { Part::TooLong } else { Part::Reading(raw) })
    }
}

fn malformed(what: &str) -> ApiError {
    ApiError::malformed(format!("the body is not an array of readings: {what}"))
}

/// The parts of a body that comes in pieces of `chunk` bytes, each after its place.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn divided(form: Form, body: &[u8], chunk: usize) -> Result<Vec<String>, String> {
    let (mut splitter, mut buffer, mut parts) = (Splitter::new(form), Vec::new(), Vec::new());
    let mut pieces: Vec<&[u8]> = body.chunks(chunk).collect();
    pieces.push(b"");
    let count = pieces.len();
    for (number, piece) in pieces.into_iter().enumerate() {
        let begins = buffer.len();
        buffer.extend_from_slice(piece);
        let take = |place, part: Part<'_>| {
            parts.push(match part {
                Part::Reading(raw) => format!("{place} {}", String::from_utf8_lossy(raw)),
                Part::TooLong => format!("{place} too long"),
            });
            Ok(())
        };
        let used =
            splitter.split(&buffer, begins, number + 1 == count, take).map_err(|error| error.detail)?;
        buffer.drain(..used);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    /// The readings of a body that comes in pieces of `chunk` bytes.
    fn split(form: Form, body: &str, chunk: usize) -> Result<Vec<String>, String> {
        divided(form, body.as_bytes(), chunk)
    }

    /// A body is divided into these, in whatever pieces it comes.
    #[track_caller]
    fn check(form: Form, body: &str, expected: &[&str]) {
        for chunk in (1..8).chain([1 << 20]) {
            assert_eq!(split(form, body, chunk).unwrap(), expected, "in pieces of {chunk} bytes");
        }
    }

    #[test]
    fn an_array_is_divided_at_its_own_commas() {
        check(Form::Array, " [ ] ", &[]);
        let body = r#" [{"a":[1,2],"b":"],\"{"},2, "\\",[[]]]"#;
        check(Form::Array, body, &[r#"0 {"a":[1,2],"b":"],\"{"}"#, "1 2", r#"2 "\\""#, "3 [[]]"]);
        check(Form::Array, r#"[{"value":NaN},{}]"#, &[r#"0 {"value":NaN}"#, "1 {}"]);
    }

    #[test]
    fn what_is_no_array_is_refused_as_a_whole() {
        let refused = |body| split(Form::Array, body, 3).unwrap_err();
        let told = ["{}", "", "[1", "[1,]", "[,1]", "[1]]", "[\"a]"].map(refused);
        expect![[r#"
            the body is not an array of readings: it begins with something else
            the body is not an array of readings: it does not end
            the body is not an array of readings: it does not end
            the body is not an array of readings: a reading is missing before a comma or at its end
            the body is not an array of readings: a reading is missing before a comma or at its end
            the body is not an array of readings: something follows its end
            the body is not an array of readings: it does not end"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn lines_are_readings_and_empty_ones_count() {
        check(Form::Lines, "{}\n\n{\"a\":1}\n2", &["0 {}", "2 {\"a\":1}", "3 2"]);
    }

    #[test]
    fn a_reading_that_is_too_long_is_skipped_and_the_others_are_taken() {
        let long = format!("[{}]", "1,".repeat(MOST_READING));
        for chunk in [999, 65_536] {
            let parts = split(Form::Array, &format!("[1,{long},{{\"a\":{long}}},2]"), chunk).unwrap();
            assert_eq!(parts, ["0 1", "1 too long", "2 too long", "3 2"]);
            let parts = split(Form::Lines, &format!("1\n{long}\n2"), chunk).unwrap();
            assert_eq!(parts, ["0 1", "1 too long", "2 2"]);
        }
    }

    proptest! {
        #[test]
        fn what_is_divided_is_what_was_put_together(
            items in prop::collection::vec(r#"[0-9a-z]{1,9}|"([a-z,\[\]{} ]|\\\\|\\"){0,9}"|\{"a":\[1,2\]\}"#, 0..9),
            chunk in 1..40_usize,
        ) {
            let body = format!("[{}]", items.join(","));
            let expected: Vec<_> = items.iter().enumerate().map(|(place, item)| format!("{place} {item}")).collect();
            prop_assert_eq!(split(Form::Array, &body, chunk).unwrap(), expected);
        }
    }
}
