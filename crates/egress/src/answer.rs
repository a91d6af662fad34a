//! Reading an answer: from bytes to a status, a body, and whether the connection may carry another request. No I/O.
//!
//! A status line that can be read decides. Receivers are written by hand, stand behind old proxies and send header lines
//! that no grammar allows, so whatever follows the status line is read generously, within bounds: lines that are folded, have no
//! name, no colon or odd bytes are skipped.
//!
//! Generosity ends where a connection is to be used again. There, a byte too few or too many would make the rest of this
//! answer the beginning of the next one. So the framing is judged strictly, and in doubt the answer stands and the connection
//! is closed.
//!
//! Bounds: the heads of an answer, interim ones included, in bytes; all of the answer in bytes, with chunk extensions and trailers.

use bytes::{Bytes, BytesMut};

/// Bytes of all heads of one answer, interim answers and blank lines before them included.
pub(crate) const LONGEST_HEAD: usize = 32 * 1_024;
/// All bytes of one answer that are ever read.
pub(crate) const LONGEST_ANSWER: usize = LONGEST_HEAD + 64 * 1_024;
/// Chunk sizes of more digits than this are beyond any bound.
const MOST_SIZE_DIGITS: u32 = 12;
const VERSION: &[u8] = b"HTTP/1.";

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More bytes are needed.
    More,
    /// Nothing more is to be read.
    Complete,
    /// This is no answer of HTTP/1, or its head is beyond all bounds.
    Malformed,
}

/// How a body is coded, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Coding {
    #[default]
    Plain,
    Gzip,
    Deflate,
    Other,
}

/// Reads one answer, in pieces of any size.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    state: State,
    /// The part of a head's line that is there.
    line: Vec<u8>,
    /// Bytes read so far.
    read: usize,
    head: Head,
    /// How many bytes of the body to keep.
    keep: usize,
    body: BytesMut,
    /// Bytes came after the end of the answer.
    has_stray_bytes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    StatusLine,
    Headers,
    Length(u64),
    Chunks(Chunks),
    /// The body ends with the connection.
    UntilClose,
    Complete,
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    Size {
        size: u64,
        digits: u32,
        in_extension: bool,
    },
    Data(u64),
    /// The line end after a chunk's data; whether its CR is there.
    DataEnd {
        has_cr: bool,
    },
    /// A line of the trailers; whether it has any bytes.
    Trailer {
        is_blank: bool,
    },
}

/// What a head says.
#[derive(Debug, Default)]
struct Head {
    status: Option<u16>,
    minor_version: u8,
    framing: Framing,
    says_close: bool,
    says_keep_alive: bool,
    coding: Coding,
    /// The last header line, when it was one that a fold would change the meaning of.
    last_matters: bool,
}

#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    has_transfer_coding: bool,
    is_chunked: bool,
    /// Something about the framing can be read in two ways.
    is_doubtful: bool,
}

impl AnswerReader {
    /// Keeps so many bytes of the body.
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            state: State::StatusLine,
            line: Vec::new(),
            read: 0,
            head: Head::default(),
            keep,
            body: BytesMut::new(),
            has_stray_bytes: false,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Progress {
        while !bytes.is_empty() {
            if matches!(self.state, State::Complete | State::Malformed) {
                self.has_stray_bytes = true;
                break;
            }
            let used = self.step(bytes);
            self.read += used;
            bytes = &bytes[used..];
            self.check_bounds();
        }
        match self.state {
            State::Complete => Progress::Complete,
            State::Malformed => Progress::Malformed,
            _ => Progress::More,
        }
    }

    /// Whether any byte was read.
    pub(crate) fn has_begun(&self) -> bool {
        self.read > 0
    }

    /// The status, once the whole head of the final answer is there. It stands whatever becomes of the body.
    pub(crate) fn status(&self) -> Option<u16> {
        match self.state {
            State::StatusLine | State::Headers | State::Malformed => None,
            _ => self.head.status,
        }
    }

    /// Whether nothing more is to be read.
    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Whether only the end of the connection ends this body.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Whether bytes of a body, or of something else, came after the head.
    pub(crate) fn has_more_than_a_head(&self) -> bool {
        self.has_stray_bytes || !self.body.is_empty() || matches!(self.state, State::Chunks(_))
    }

    /// Whether the connection may carry another request: the answer is complete, nothing followed it, and its framing
    /// could be read in one way only.
    pub(crate) fn is_reusable(&self) -> bool {
        let head = &self.head;
        let persists = if head.minor_version == 0 { head.says_keep_alive } else { !head.says_close };
        self.state == State::Complete
            && persists
            && !head.says_close
            && !head.framing.is_doubtful
            && !self.has_stray_bytes
            && self.read <= LONGEST_ANSWER
    }

    /// How the body is coded.
    pub(crate) fn coding(&self) -> Coding {
        self.head.coding
    }

    /// What was kept of the body.
    pub(crate) fn into_body(self) -> Bytes {
        self.body.freeze()
    }

    /// Makes progress with at least one of these bytes; answers with how many were used.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.state {
            State::StatusLine | State::Headers => self.take_line(bytes),
            State::Length(left) => {
                let used = at_most(left, bytes.len());
                self.keep(&bytes[..used]);
                let left = left - used as u64;
                self.state = if left == 0 { State::Complete } else { State::Length(left) };
                used
            }
            State::UntilClose => {
                self.keep(bytes);
                bytes.len()
            }
            State::Chunks(Chunks::Data(left)) => {
                let used = at_most(left, bytes.len());
                self.keep(&bytes[..used]);
                let left = left - used as u64;
                let next = if left == 0 { Chunks::DataEnd { has_cr: false } } else { Chunks::Data(left) };
                self.state = State::Chunks(next);
                used
            }
            State::Chunks(chunks) => {
                match chunks.take(bytes[0]) {
                    Some(next) => self.state = State::Chunks(next),
                    None => self.end_chunks(chunks, bytes[0]),
                }
                1
            }
            State::Complete | State::Malformed => bytes.len(),
        }
    }

    /// The last chunk's trailers have ended, or what came is no chunk: then the body ends here, and with it the connection.
    fn end_chunks(&mut self, chunks: Chunks, byte: u8) {
        let is_end = byte == b'\n' && chunks == Chunks::Trailer { is_blank: true };
        self.head.framing.is_doubtful |= !is_end;
        self.state = State::Complete;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.keep.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn check_bounds(&mut self) {
        match self.state {
            State::StatusLine | State::Headers if self.read > LONGEST_HEAD => self.state = State::Malformed,
            State::Length(_) | State::Chunks(_) | State::UntilClose if self.read > LONGEST_ANSWER => {
                self.head.framing.is_doubtful = true;
                self.state = State::Complete;
            }
            _ => {}
        }
    }

    /// Collects a line of a head, which ends with LF alone, too.
    fn take_line(&mut self, bytes: &[u8]) -> usize {
        let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            // What is not HTTP shows in its first bytes, and may never send a line end.
            if self.state == State::StatusLine && !may_begin_an_answer(&self.line) {
                self.state = State::Malformed;
            }
            return bytes.len();
        };
        self.line.extend_from_slice(&bytes[..end]);
        let mut line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\r").unwrap_or(&line);
        match self.state {
            State::StatusLine => self.take_status_line(text),
            _ if text.is_empty() => self.end_head(),
            _ => self.head.take_header(text),
        }
        line.clear();
        self.line = line;
        end + 1
    }

    fn take_status_line(&mut self, line: &[u8]) {
        // Some receivers end the answer before with a line end too many.
        if line.is_empty() {
            return;
        }
        match status_line(line) {
            Some((minor_version, status)) => {
                self.head = Head { status: Some(status), minor_version, ..Head::default() };
                self.state = State::Headers;
            }
            None => self.state = State::Malformed,
        }
    }

    fn end_head(&mut self) {
        let status = self.head.status.unwrap_or_default();
        self.state = match status {
            // The other side wants to speak something else from here on.
            101 => State::Malformed,
            100..=199 => State::StatusLine,
            _ => self.head.body_of(status),
        };
    }
}

impl Head {
    /// Takes a line after the status line.
    fn take_header(&mut self, line: &[u8]) {
        if matches!(line[0], b' ' | b'\t') {
            // A folded line belongs to the one before.
            self.framing.is_doubtful |= self.last_matters;
            return;
        }
        self.last_matters = false;
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return };
        let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
        let letters: Vec<u8> = name
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
            .map(u8::to_ascii_lowercase)
            .take(32)
            .collect();
        let is_exact = letters.len() == name.len();
        match letters.as_slice() {
            b"content-length" => self.take_length(value),
            b"transfer-encoding" => self.take_transfer_coding(value),
            b"connection" | b"proxy-connection" => {
                for token in tokens(value) {
                    self.says_close |= token.eq_ignore_ascii_case(b"close");
                    self.says_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            b"content-encoding" => {
                self.coding = coding(value);
                return;
            }
            _ => return,
        }
        self.last_matters = true;
        // `Content-Length : 5` is the same header for some and another one for others.
        self.framing.is_doubtful |= !is_exact;
    }

    /// A length may be said several times, if always the same.
    fn take_length(&mut self, value: &[u8]) {
        for token in tokens(value) {
            let digits = token.iter().all(u8::is_ascii_digit) && (1..=18).contains(&token.len());
            let length =
                digits.then(|| token.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0')));
            let same = self.framing.length.is_none() || self.framing.length == length;
            self.framing.is_doubtful |= length.is_none() || !same;
            self.framing.length = length;
        }
        self.framing.is_doubtful |= value.is_empty();
    }

    fn take_transfer_coding(&mut self, value: &[u8]) {
        // What RFC 2616 called no coding.
        if value.trim_ascii().eq_ignore_ascii_case(b"identity") {
            return;
        }
        // Chunks within chunks, or a coding after them, is nothing that anybody reads.
        self.framing.is_doubtful |= self.framing.has_transfer_coding;
        self.framing.has_transfer_coding = true;
        let last = tokens(value).last();
        self.framing.is_chunked = last.is_some_and(|token| token.eq_ignore_ascii_case(b"chunked"));
        self.framing.is_doubtful |= !self.framing.is_chunked;
    }

    /// How the body of the final answer ends.
    fn body_of(&mut self, status: u16) -> State {
        let Framing { length, has_transfer_coding, is_chunked, .. } = self.framing;
        if matches!(status, 204 | 304) {
            // These have no body. One that is announced may come all the same.
            self.framing.is_doubtful |=
                has_transfer_coding || (status == 204 && length.is_some_and(|n| n > 0));
            return State::Complete;
        }
        if has_transfer_coding {
            self.framing.is_doubtful |= length.is_some() || self.minor_version == 0;
            return if is_chunked { State::Chunks(Chunks::FIRST) } else { State::UntilClose };
        }
        match length {
            Some(0) if !self.framing.is_doubtful => State::Complete,
            Some(length) if !self.framing.is_doubtful => State::Length(length),
            _ => State::UntilClose,
        }
    }
}

impl Chunks {
    const FIRST: Self = Self::Size { size: 0, digits: 0, in_extension: false };

    /// What follows a byte of the framing; nothing when the body ends with it, in order or not.
    fn take(self, byte: u8) -> Option<Self> {
        match self {
            Self::Size { size, digits, in_extension } => match byte {
                b'\n' if digits == 0 => None,
                b'\n' if size == 0 => Some(Self::Trailer { is_blank: true }),
                b'\n' => Some(Self::Data(size)),
                b'\r' => Some(Self::Size { size, digits, in_extension: true }),
                _ if in_extension => Some(self),
                b';' | b' ' | b'\t' if digits > 0 => Some(Self::Size { size, digits, in_extension: true }),
                _ => {
                    let digit = char::from(byte).to_digit(16).filter(|_| digits < MOST_SIZE_DIGITS)?;
                    Some(Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1, in_extension })
                }
            },
            Self::Data(_) => Some(self),
            Self::DataEnd { has_cr } => match byte {
                b'\r' if !has_cr => Some(Self::DataEnd { has_cr: true }),
                b'\n' => Some(Self::FIRST),
                _ => None,
            },
            Self::Trailer { is_blank } => match byte {
                b'\n' if is_blank => None,
                b'\n' => Some(Self::Trailer { is_blank: true }),
                b'\r' => Some(self),
                _ => Some(Self::Trailer { is_blank: false }),
            },
        }
    }
}

/// Version and status of `HTTP/1.1 200 OK`; the words after the status may be missing.
fn status_line(line: &[u8]) -> Option<(u8, u16)> {
    let (&minor, rest) = line.strip_prefix(VERSION)?.split_first()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    if !minor.is_ascii_digit() || !rest.first().is_some_and(is_blank) {
        return None;
    }
    let rest = &rest[rest.iter().take_while(|byte| is_blank(byte)).count()..];
    let (digits, rest) = rest.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !rest.first().is_none_or(is_blank) {
        return None;
    }
    let status = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    (status >= 100).then_some((minor - b'0', status))
}

/// Whether the beginning of a line may be that of a status line.
fn may_begin_an_answer(line: &[u8]) -> bool {
    let length = line.len().min(VERSION.len());
    line[..length] == VERSION[..length] || line == b"\r"
}

fn coding(value: &[u8]) -> Coding {
    let mut codings = tokens(value).filter(|token| !token.eq_ignore_ascii_case(b"identity"));
    match (codings.next(), codings.next()) {
        (None, _) => Coding::Plain,
        (Some(one), None) if [&b"gzip"[..], b"x-gzip"].iter().any(|name| one.eq_ignore_ascii_case(name)) => {
            Coding::Gzip
        }
        (Some(one), None) if one.eq_ignore_ascii_case(b"deflate") => Coding::Deflate,
        _ => Coding::Other,
    }
}

/// The parts between commas that are not empty.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trimmed).filter(|token| !token.is_empty())
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

fn at_most(left: u64, here: usize) -> usize {
    usize::try_from(left).map_or(here, |left| left.min(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer in these bytes, read at once and byte by byte alike: its status, its body, and whether the connection
    /// may be used again.
    #[track_caller]
    fn check(bytes: &str, expected: (Progress, Option<u16>, &str, bool)) {
        let bytes = bytes.as_bytes();
        for piece in [bytes.len(), 1, 3] {
            let mut reader = AnswerReader::new(64);
            let mut progress = Progress::More;
            for bytes in bytes.chunks(piece.max(1)) {
                progress = reader.take(bytes);
            }
            let (status, reusable) = (reader.status(), reader.is_reusable());
            let body = String::from_utf8_lossy(&reader.into_body()).into_owned();
            assert_eq!((progress, status, body.as_str(), reusable), expected, "in pieces of {piece}");
        }
    }

    use Progress::{Complete, Malformed, More};

    #[test]
    fn an_orderly_answer_leaves_the_connection_usable() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (Complete, Some(200), "ok", true));
        check("HTTP/1.1 204 No Content\r\n\r\n", (Complete, Some(204), "", true));
        check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (Complete, Some(304), "", true));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nT: r\r\n\r\n",
            (Complete, Some(200), "abcde", true),
        );
        check(
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
            (Complete, Some(200), "", true),
        );
    }

    #[test]
    fn a_status_line_that_can_be_read_decides() {
        for line in [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200",
            "HTTP/1.1 200 ",
            "HTTP/1.1  200  Fine",
            "HTTP/1.0 200 OK",
            "HTTP/1.9 200 \u{e4}\u{f6}",
            "\r\nHTTP/1.1 200 OK",
            "\n\nHTTP/1.1 200 OK",
        ] {
            check(
                &format!("{line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
                (Complete, Some(200), "", false),
            );
            check(
                &format!("{line}\nConnection: close\nContent-Length: 0\n\n"),
                (Complete, Some(200), "", false),
            );
        }
        check("HTTP/1.1 999 Why\r\nContent-Length: 0\r\n\r\n", (Complete, Some(999), "", true));
    }

    #[test]
    fn what_is_not_http_is_known_at_once() {
        for text in [
            "http/1.1 200 OK\r\n",
            "HTTP/2 200\r\n",
            "HTTP/2.0 200 OK\r\n",
            "HTTP 200 OK\r\n",
            "ICY 200 OK\r\n",
            "SSH-2.0-OpenSSH_9.9\r\n",
            "<html>",
            "HTTP/1.1 abc\r\n",
            "HTTP/1.1 20\r\n",
            "HTTP/1.1 2000 OK\r\n",
            "HTTP/1.1 200OK\r\n",
            "HTTP/1.1 099 Low\r\n",
            "HTTP/1.1 -20 OK\r\n",
            "HTTP/1.1\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "\u{0}\u{0}\u{4}",
        ] {
            check(text, (Malformed, None, "", false));
        }
    }

    #[test]
    fn odd_header_lines_are_skipped() {
        for odd in [
            "X-Folded: one\r\n two\r\n\tthree",
            " folded before any header",
            "no colon",
            ": no name",
            "Name With Spaces: x",
            "X-\u{e9}t\u{e9}: \u{e9}t\u{e9}",
            "X-Nul: a\u{0}b",
            "Set-Cookie: a=1\r\nSet-Cookie: a=2\r\nDate: x\r\nDate: y",
            "X-Empty:",
            "X-Cr: a\rb",
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{odd}\r\nContent-Length: 2\r\n\r\nok");
            check(&answer, (Complete, Some(200), "ok", true));
        }
    }

    #[test]
    fn doubtful_framing_costs_the_connection_and_not_the_answer() {
        for (headers, body, progress) in [
            ("Content-Length: 2\r\nContent-Length: 3", "ok", More),
            ("Content-Length: 2, 3", "ok", More),
            ("Content-Length: -2", "ok", More),
            ("Content-Length: +2", "ok", More),
            ("Content-Length: 0x2", "ok", More),
            ("Content-Length:", "ok", More),
            ("Content-Length: 99999999999999999999", "ok", More),
            ("Content-Length : 2", "ok", More),
            ("Content-Length: 2\r\n 0", "ok", More),
            ("Transfer-Encoding: gzip", "ok", More),
            ("Transfer-Encoding: chunked, gzip", "ok", More),
            ("X: y", "ok", More),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n", Complete),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n", Complete),
            ("Transfer-Encoding: chunked\r\n ", "2\r\nok\r\n0\r\n\r\n", Complete),
            ("Content-Length: 2", "okHTTP/1.1 500 Smuggled\r\n\r\n", Complete),
            ("Content-Length: 2\r\nConnection: x, CLOSE", "ok", Complete),
            ("Transfer-Encoding: chunked", "2\r\nok!!", Complete),
            ("Transfer-Encoding: chunked", "2\r\nok\r\nnonsense", Complete),
            ("Transfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\nmore", Complete),
            ("Transfer-Encoding: chunked", "2\r\nok\r\nfffffffffffffff\r\n", Complete),
        ] {
            check(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{body}"), (progress, Some(200), "ok", false));
        }
        check("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", (Complete, Some(200), "ok", false));
        check("HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n", (Complete, Some(204), "", false));
        check("HTTP/1.1 204 No\r\n\r\nbody", (Complete, Some(204), "", false));
        check("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", (Complete, Some(304), "", false));
    }

    #[test]
    fn the_same_length_twice_is_one_length() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            (Complete, Some(200), "ok", true),
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", (Complete, Some(200), "ok", true));
    }

    #[test]
    fn line_feeds_alone_end_the_lines_of_chunks_too() {
        check(
            "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n",
            (Complete, Some(200), "ok", true),
        );
    }

    #[test]
    fn interim_answers_are_read_over() {
        let interim = "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n";
        check(
            &format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            (Complete, Some(200), "", true),
        );
        check(interim, (More, None, "", false));
    }

    #[test]
    fn a_head_that_is_not_complete_is_no_answer() {
        for text in ["", "H", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Le"] {
            check(text, (More, None, "", false));
        }
    }

    #[test]
    fn heads_and_bodies_have_bounds() {
        let long = |text: &str, times| format!("HTTP/1.1 200 OK\r\n{}", text.repeat(times));
        check(&long("a: b\r\n", LONGEST_HEAD / 6), (Malformed, None, "", false));
        check(&long("a", LONGEST_HEAD), (Malformed, None, "", false));
        check(&"\r\n".repeat(LONGEST_HEAD), (Malformed, None, "", false));
        check(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(LONGEST_HEAD / 25 + 1), (Malformed, None, "", false));
        let kept = "x".repeat(64);
        for framing in ["X: y", "Content-Length: 10000000000"] {
            let body = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{}", "x".repeat(LONGEST_ANSWER));
            check(&body, (Complete, Some(200), &kept, false));
        }
        let chunks = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
            "e=1;".repeat(LONGEST_ANSWER)
        );
        check(&chunks, (Complete, Some(200), "", false));
    }
}
