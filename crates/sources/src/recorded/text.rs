//! Text of any usual encoding, as UTF-8.
//!
//! A byte order mark decides. Without one, zero bytes in the first two say UTF-16, and everything else is UTF-8, except
//! for bytes that UTF-8 cannot have: these are windows-1252, one by one, because recorders write `°` so.

use std::io::{self, BufRead, Read};

/// How characters are written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

impl Encoding {
    pub(super) const NAMES: &'static str = "auto, utf-8, utf-16le, utf-16be, windows-1252 or latin-1";

    /// By the name that a column map uses; `Some(None)` for `auto`.
    pub(super) fn from_name(name: &str) -> Option<Option<Self>> {
        Some(match name.to_ascii_lowercase().as_str() {
            "auto" => None,
            "utf-8" | "utf8" => Some(Self::Utf8),
            "utf-16le" => Some(Self::Utf16Le),
            "utf-16be" => Some(Self::Utf16Be),
            // Browsers and recorders read the one as the other, too.
            "windows-1252" | "cp1252" | "latin-1" | "latin1" | "iso-8859-1" => Some(Self::Windows1252),
            _ => return None,
        })
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Windows1252 => "windows-1252",
        }
    }
}

/// A file that is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Gzip,
    Zip,
}

const BLOCK: usize = 64 * 1024;

/// Reads text of an encoding as UTF-8; at most so many bytes of it.
pub(super) struct Utf8<R> {
    inner: R,
    encoding: Encoding,
    /// Bytes that are not UTF-8 are read as windows-1252.
    lenient: bool,
    raw: Vec<u8>,
    text: Vec<u8>,
    at: usize,
    left: u64,
    ended: bool,
    fallback: bool,
}

impl<R: Read> Utf8<R> {
    /// Looks at the first bytes; an error within says that the file is no text.
    pub(super) fn new(mut inner: R, wanted: Option<Encoding>, most: u64) -> io::Result<Result<Self, Binary>> {
        let mut head = [0; 4];
        let mut known = 0;
        while known < head.len() {
            match inner.read(&mut head[known..]) {
                Ok(0) => break,
                Ok(more) => known += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let head = &head[..known];
        if head.starts_with(&[0x1f, 0x8b]) {
            return Ok(Err(Binary::Gzip));
        }
        if head.starts_with(b"PK\x03\x04") {
            return Ok(Err(Binary::Zip));
        }
        let (marked, mark) = match head {
            [0xef, 0xbb, 0xbf, ..] => (Some(Encoding::Utf8), 3),
            [0xff, 0xfe, ..] => (Some(Encoding::Utf16Le), 2),
            [0xfe, 0xff, ..] => (Some(Encoding::Utf16Be), 2),
            _ => (None, 0),
        };
        let guessed = match head {
            [0, low, ..] if *low != 0 => Encoding::Utf16Be,
            [high, 0, ..] if *high != 0 => Encoding::Utf16Le,
            _ => Encoding::Utf8,
        };
        let encoding = marked.or(wanted).unwrap_or(guessed);
        Ok(Ok(Self {
            inner,
            encoding,
            lenient: marked.or(wanted).is_none(),
            raw: head[mark..].to_vec(),
            text: Vec::new(),
            at: 0,
            left: most.saturating_sub(known as u64),
            ended: false,
            fallback: false,
        }))
    }

    /// The encoding as people call it.
    pub(super) fn name(&self) -> &'static str {
        if self.fallback { Encoding::Windows1252.as_str() } else { self.encoding.as_str() }
    }

    /// Reads and decodes one more block.
    fn more(&mut self) -> io::Result<()> {
        self.text.clear();
        self.at = 0;
        while self.text.is_empty() && !self.ended {
            let known = self.raw.len();
            self.raw.resize(known + BLOCK, 0);
            let read = match self.inner.read(&mut self.raw[known..]) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.raw.truncate(known);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.raw.truncate(known + read);
            self.ended = read == 0;
            self.left = self.left.checked_sub(read as u64).ok_or_else(too_large)?;
            self.decode();
        }
        Ok(())
    }

    /// Moves all complete characters from the raw bytes to the text.
    fn decode(&mut self) {
        let used = match self.encoding {
            Encoding::Utf8 => self.decode_utf8(),
            Encoding::Windows1252 => {
                self.text.reserve(self.raw.len());
                self.raw.iter().for_each(|&byte| push(&mut self.text, windows_1252(byte)));
                self.raw.len()
            }
            Encoding::Utf16Le => decode_utf16(&self.raw, &mut self.text, u16::from_le_bytes, self.ended),
            Encoding::Utf16Be => decode_utf16(&self.raw, &mut self.text, u16::from_be_bytes, self.ended),
        };
        self.raw.drain(..used);
    }

    fn decode_utf8(&mut self) -> usize {
        let mut used = 0;
        let mut chunks = self.raw.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.text.extend_from_slice(chunk.valid().as_bytes());
            used += chunk.valid().len();
            let invalid = chunk.invalid();
            // The first bytes of a character whose others are in the next block.
            let may_go_on = chunks.peek().is_none() && !self.ended && invalid.len() < 4;
            if may_go_on && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none()) {
                break;
            }
            for &byte in invalid {
                self.fallback |= self.lenient;
                push(
                    &mut self.text,
                    if self.lenient { windows_1252(byte) } else { char::REPLACEMENT_CHARACTER },
                );
            }
            used += invalid.len();
        }
        used
    }
}

/// Told apart by its kind from what reading the file itself can fail with.
fn too_large() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}

fn decode_utf16(raw: &[u8], text: &mut Vec<u8>, unit: fn([u8; 2]) -> u16, ended: bool) -> usize {
    let mut units: Vec<u16> = raw.as_chunks::<2>().0.iter().map(|&pair| unit(pair)).collect();
    // The first half of a character whose other half is in the next block.
    if !ended && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
        units.pop();
    }
    let used = units.len() * 2;
    for character in char::decode_utf16(units) {
        push(text, character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    used
}

fn push(text: &mut Vec<u8>, character: char) {
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The characters of windows-1252 where it differs from latin-1; what it leaves open stays a control character.
fn windows_1252(byte: u8) -> char {
    const FROM_80: [u16; 32] = [
        0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152,
        0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122,
        0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
    ];
    match byte {
        0x80..0xa0 => {
            char::from_u32(FROM_80[usize::from(byte) - 0x80].into()).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        byte => char::from(byte),
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let text = self.fill_buf()?;
        let taken = text.len().min(buf.len());
        buf[..taken].copy_from_slice(&text[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: Read> BufRead for Utf8<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.text.len() {
            self.more()?;
        }
        Ok(&self.text[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.text.len());
    }
}

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Read,
    TooLong,
    End,
}

/// Lines that end with LF, CR LF or CR.
pub(super) struct Lines<R> {
    pub(super) inner: Utf8<R>,
    /// Of the last line that was read, counted from 1.
    pub(super) number: u64,
    after_cr: bool,
}

impl<R: Read> Lines<R> {
    /// No line of a recording is longer, in bytes of UTF-8.
    pub(super) const LONGEST: usize = 1024 * 1024;

    pub(super) fn new(inner: Utf8<R>) -> Self {
        Self { inner, number: 0, after_cr: false }
    }

    /// Reads the next line without its end. Of one that is too long, all is skipped.
    pub(super) fn next(&mut self, line: &mut String) -> io::Result<Line> {
        let mut bytes = std::mem::take(line).into_bytes();
        bytes.clear();
        let (mut too_long, mut any) = (false, false);
        loop {
            let mut text = self.inner.fill_buf()?;
            if text.is_empty() {
                break;
            }
            let mut skipped = 0;
            if std::mem::take(&mut self.after_cr) && text[0] == b'\n' {
                text = &text[1..];
                skipped = 1;
            }
            any |= !text.is_empty();
            let end = text.iter().position(|&byte| byte == b'\n' || byte == b'\r');
            let part = &text[..end.unwrap_or(text.len())];
            if bytes.len() + part.len() > Self::LONGEST {
                too_long = true;
                bytes.clear();
            } else if !too_long {
                bytes.extend_from_slice(part);
            }
            self.after_cr = end.is_some_and(|end| text[end] == b'\r');
            let used = skipped + part.len() + usize::from(end.is_some());
            self.inner.consume(used);
            if end.is_some() {
                break;
            }
        }
        *line = String::from_utf8(bytes).unwrap_or_default();
        if !any {
            return Ok(Line::End);
        }
        self.number += 1;
        Ok(if too_long { Line::TooLong } else { Line::Read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives few bytes at a time, so that characters are cut.
    struct Dripping<'t>(&'t [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let some = self.0.len().min(buf.len()).min(3);
            buf[..some].copy_from_slice(&self.0[..some]);
            self.0 = &self.0[some..];
            Ok(some)
        }
    }

    fn lines(bytes: &[u8], wanted: Option<Encoding>) -> (Vec<String>, &'static str) {
        let mut lines = Lines::new(Utf8::new(Dripping(bytes), wanted, 10_000).unwrap().unwrap());
        let (mut all, mut line) = (Vec::new(), String::new());
        while lines.next(&mut line).unwrap() != Line::End {
            all.push(line.clone());
        }
        assert_eq!(lines.number, all.len() as u64);
        (all, lines.inner.name())
    }

    #[test]
    fn text_of_every_encoding_reads_alike() {
        let text = "Temp °C;Größe\n–5;😀\n";
        let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let expected = vec!["Temp °C;Größe".to_owned(), "–5;😀".to_owned()];
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for (bytes, name) in [
            (text.as_bytes().to_vec(), "UTF-8"),
            (marked(b"\xef\xbb\xbf", text.as_bytes()), "UTF-8"),
            (marked(b"\xff\xfe", &utf16(u16::to_le_bytes)), "UTF-16LE"),
            (marked(b"\xfe\xff", &utf16(u16::to_be_bytes)), "UTF-16BE"),
            (utf16(u16::to_le_bytes), "UTF-16LE"),
            (utf16(u16::to_be_bytes), "UTF-16BE"),
        ] {
            assert_eq!(lines(&bytes, None), (expected.clone(), name));
        }
        let latin = b"Temp \xb0C;Gr\xf6\xdfe\n\x965;\x80\n";
        let expected = vec!["Temp °C;Größe".to_owned(), "–5;€".to_owned()];
        assert_eq!(lines(latin, None), (expected.clone(), "windows-1252"));
        assert_eq!(lines(latin, Some(Encoding::Windows1252)), (expected, "windows-1252"));
        assert_eq!(lines(b"\xb0\n", Some(Encoding::Utf8)), (vec!["\u{fffd}".to_owned()], "UTF-8"));
    }

    #[test]
    fn lines_end_as_any_system_ends_them() {
        for text in ["a\nb\n\nc", "a\r\nb\r\n\r\nc\r\n", "a\rb\r\rc\r"] {
            assert_eq!(lines(text.as_bytes(), None).0, ["a", "b", "", "c"], "{text:?}");
        }
        assert_eq!(lines(b"", None).0, Vec::<String>::new());
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_not_the_next_line() {
        let text = [b"x".repeat(Lines::<&[u8]>::LONGEST + 1), b"\nb\n".to_vec()].concat();
        let mut lines = Lines::new(Utf8::new(&text[..], None, u64::MAX).unwrap().unwrap());
        let mut line = String::new();
        assert_eq!((lines.next(&mut line).unwrap(), line.as_str()), (Line::TooLong, ""));
        assert_eq!((lines.next(&mut line).unwrap(), line.as_str()), (Line::Read, "b"));
    }

    #[test]
    fn archives_and_files_that_are_too_large_are_known_as_such() {
        assert_eq!(Utf8::new(&b"\x1f\x8b\x08"[..], None, 9).unwrap().err(), Some(Binary::Gzip));
        assert_eq!(Utf8::new(&b"PK\x03\x04"[..], None, 9).unwrap().err(), Some(Binary::Zip));
        let mut large = Utf8::new(&b"0123456789"[..], None, 9).unwrap().unwrap();
        let error = io::read_to_string(&mut large).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
