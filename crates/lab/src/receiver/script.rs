//! From a behaviour to what is done to the socket. All misbehaviour is data here; `connection` only performs it.

use crate::behaviour::Behaviour;
use crate::secret::Secret;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::StatusCode;
use std::fmt::Write as _;
use std::time::Duration;

/// One thing done to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Write(Bytes),
    /// Writes a chunk again and again, this many bytes in all.
    Repeat {
        chunk: Bytes,
        total: u64,
    },
    /// Writes a byte, pauses, and so on without end.
    Drip {
        byte: u8,
        every: Duration,
    },
    Pause(Duration),
    /// Keeps the connection until the other side closes it.
    AwaitPeer,
    /// Sends FIN and keeps the other direction.
    CloseWriting,
    Close,
    Reset,
}

/// What the receiver answered, as far as the sender could know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A whole answer, at once.
    Status(u16),
    /// An answer that begins with this status and is late, broken, oversized or has no end: a sender may take it either way.
    Unclear(u16),
    /// Nothing that could be taken for an answer.
    Nothing,
}

/// What follows from an answer for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered: sending it again is a duplicate.
    Accepted,
    /// Not delivered: sending it again is a retry.
    Refused,
    /// May be taken either way.
    Unclear,
}

impl Answer {
    /// What follows from it.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Status(200..=299) => Outcome::Accepted,
            Self::Status(_) | Self::Nothing => Outcome::Refused,
            Self::Unclear(_) => Outcome::Unclear,
        }
    }
}

/// How one request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Play {
    /// One write, and the connection stays open: what good receivers do, and the fast path.
    Reply(Bytes),
    Steps(Vec<Step>),
}

/// A challenge to be answered, with the token to answer it with.
pub(crate) struct Challenge<'a> {
    pub(crate) text: &'a str,
    pub(crate) secret: Option<&'a Secret>,
}

const OK: Bytes = Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
const CHUNK: Bytes = Bytes::from_static(&[b'a'; 16 * 1024]);
const FOR_EVER: u64 = u64::MAX;
const MEGABYTE: usize = 1024 * 1024;

/// Decides how the request number `turn` (from 0) of an endpoint is answered.
pub(crate) fn play(behaviour: &Behaviour, turn: u64, challenge: Option<Challenge<'_>>) -> (Play, Answer) {
    let body = challenge.as_ref().map(|challenge| challenge.body(behaviour));
    match behaviour {
        Behaviour::Respond(status) => respond(*status, body),
        Behaviour::RespondSequence { first, then } => {
            let status = usize::try_from(turn).ok().and_then(|turn| first.get(turn));
            respond(*status.unwrap_or(then), body)
        }
        Behaviour::FailRatio { percent, status } => {
            respond(if falls_due(*percent, turn) { *status } else { 200 }, body)
        }
        Behaviour::EmptyBody204 if body.is_some() => respond(204, None),
        Behaviour::WrongDigest
        | Behaviour::UppercaseDigest
        | Behaviour::Base64Digest
        | Behaviour::EmptyBody204 => respond(200, body),
        Behaviour::RespondWith { status, headers, body } => {
            (Play::Reply(message(*status, headers, Some(body))), Answer::Status(*status))
        }
        Behaviour::Redirect { status, location } => {
            let headers = [("location".to_owned(), location.clone())];
            (Play::Reply(message(*status, &headers, body.as_ref())), Answer::Status(*status))
        }
        Behaviour::Slow(pause) => {
            let steps = vec![Step::Pause(*pause), Step::Write(message(200, &[], body.as_ref()))];
            (Play::Steps(steps), Answer::Unclear(200))
        }
        Behaviour::OddHeaders
        | Behaviour::BareLines
        | Behaviour::Http10
        | Behaviour::NoLength
        | Behaviour::StrayAnswer
        | Behaviour::KeepAliveLie
        | Behaviour::ResetAfterAnswer
        | Behaviour::Gzipped
        | Behaviour::ByteOrderMark => odd(behaviour, &body.unwrap_or_default()),
        other => broken(other),
    }
}

/// Behaviours that come to an answer, in a form that receivers in the field have and no standard does.
fn odd(behaviour: &Behaviour, body: &Bytes) -> (Play, Answer) {
    let answer = |head: &str, body: &[u8]| Bytes::from([head.as_bytes(), body].concat());
    let length = body.len();
    let (bytes, then) = match behaviour {
        Behaviour::OddHeaders => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nX-Policy: default-src 'self';\r\n\tscript-src 'none'\r\n: nameless\r\nno colon\r\n\
                 X-Caf\u{e9}: \u{fc}\r\nDate: x\r\nDate: y\r\nContent-Length: {length}\r\n\r\n"
            );
            return (Play::Reply(answer(&head, body)), Answer::Status(200));
        }
        Behaviour::BareLines => {
            let head = format!("HTTP/1.1 200\ncontent-length: {length}\n\n");
            return (Play::Reply(answer(&head, body)), Answer::Status(200));
        }
        Behaviour::Gzipped => {
            let headers = [("content-encoding".to_owned(), "gzip".to_owned())];
            return (Play::Reply(message(200, &headers, Some(&gzip(body)))), Answer::Status(200));
        }
        Behaviour::ByteOrderMark => {
            let body = answer("\u{feff} \r\n", &[body.as_ref(), b"\r\n"].concat());
            return (Play::Reply(message(200, &[], Some(&body))), Answer::Status(200));
        }
        Behaviour::Http10 => (answer("HTTP/1.0 200 OK\r\n\r\n", body), Step::Close),
        Behaviour::NoLength => (answer("HTTP/1.1 200 OK\r\n\r\n", body), Step::AwaitPeer),
        Behaviour::StrayAnswer => {
            let stray = b"HTTP/1.1 500 Stray\r\ncontent-length: 0\r\n\r\n";
            let bytes = [message(200, &[], Some(body)).as_ref(), stray].concat();
            (bytes.into(), Step::AwaitPeer)
        }
        Behaviour::ResetAfterAnswer => (message(200, &[], Some(body)), Step::Reset),
        _ => {
            let headers = [("connection".to_owned(), "keep-alive".to_owned())];
            (message(200, &headers, Some(body)), Step::Close)
        }
    };
    (Play::Steps(vec![Step::Write(bytes), then]), Answer::Unclear(200))
}

/// A gzip member whose text is stored as it is.
fn gzip(text: &[u8]) -> Bytes {
    let length = u16::try_from(text.len()).expect("the answer to a challenge is short");
    let mut bytes = BytesMut::from(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1][..]);
    bytes.put_u16_le(length);
    bytes.put_u16_le(!length);
    bytes.extend_from_slice(text);
    bytes.put_u32_le(crc32(text));
    bytes.put_u32_le(length.into());
    bytes.freeze()
}

fn crc32(text: &[u8]) -> u32 {
    !text.iter().fold(!0, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

/// Whether this turn is among the `percent` of 100 turns, evenly spread, the last of each spread first.
fn falls_due(percent: u8, turn: u64) -> bool {
    let percent = u64::from(percent);
    (turn % 100 + 1) * percent / 100 > turn % 100 * percent / 100
}

fn respond(status: u16, body: Option<Bytes>) -> (Play, Answer) {
    let bytes = match (status, &body) {
        (200, None) => OK,
        // No body may follow these.
        (204 | 304, _) => message(status, &[], None),
        _ => message(status, &[], body.as_ref()),
    };
    (Play::Reply(bytes), Answer::Status(status))
}

/// Behaviours that do not come to an orderly end.
fn broken(behaviour: &Behaviour) -> (Play, Answer) {
    let text = |text: &'static str| Step::Write(Bytes::from_static(text.as_bytes()));
    let (steps, answer) = match behaviour {
        Behaviour::SlowHeaders(every) => (
            vec![text("HTTP/1.1 200 OK\r\nx-slow: "), Step::Drip { byte: b'a', every: *every }],
            Answer::Nothing,
        ),
        Behaviour::DripBody(every) => (
            vec![
                text("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"),
                Step::Drip { byte: b'a', every: *every },
            ],
            Answer::Unclear(200),
        ),
        Behaviour::EndlessBody => (
            vec![text("HTTP/1.1 200 OK\r\n\r\n"), Step::Repeat { chunk: CHUNK, total: FOR_EVER }],
            Answer::Unclear(200),
        ),
        Behaviour::HugeBody(size) => (
            vec![
                Step::Write(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into()),
                Step::Repeat { chunk: CHUNK, total: *size },
            ],
            Answer::Unclear(200),
        ),
        Behaviour::HugeHeaders => {
            (vec![Step::Write(huge_headers()), Step::Write(END_OF_HEAD)], Answer::Unclear(200))
        }
        Behaviour::ManyHeaders => {
            (vec![Step::Write(many_headers()), Step::Write(END_OF_HEAD)], Answer::Unclear(200))
        }
        Behaviour::EndlessContinue => {
            let chunk = Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n");
            (vec![Step::Repeat { chunk, total: FOR_EVER }], Answer::Nothing)
        }
        Behaviour::CloseMidBody => (
            vec![text("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this"), Step::Close],
            Answer::Unclear(200),
        ),
        Behaviour::GarbageAnswer => (vec![text("SSH-2.0-OpenSSH_9.6\r\n"), Step::Close], Answer::Nothing),
        Behaviour::Http09 => (vec![text("<html><body>ok</body></html>\n"), Step::Close], Answer::Nothing),
        Behaviour::BadChunks => (
            vec![
                text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nnot a size\r\n"),
                Step::Close,
            ],
            Answer::Unclear(200),
        ),
        Behaviour::GzipBomb => {
            let headers = [("content-encoding".to_owned(), "gzip".to_owned())];
            (vec![Step::Write(message(200, &headers, Some(&gzip_bomb())))], Answer::Unclear(200))
        }
        Behaviour::CloseBeforeAnswer => (vec![Step::Close], Answer::Nothing),
        Behaviour::ResetAfterRequest => (vec![Step::Reset], Answer::Nothing),
        Behaviour::HalfClose => (vec![Step::CloseWriting, Step::AwaitPeer], Answer::Nothing),
        _ => (vec![Step::AwaitPeer], Answer::Nothing),
    };
    (Play::Steps(steps), answer)
}

impl Challenge<'_> {
    /// The body that answers it, right or wrong as the behaviour wants.
    fn body(&self, behaviour: &Behaviour) -> Bytes {
        let Some(secret) = self.secret else {
            return Bytes::from_static(br#"{"error":"this receiver was given no token"}"#);
        };
        let message = self.text.as_bytes();
        let digest = match behaviour {
            Behaviour::WrongDigest => Secret::new("another token").hex(message),
            Behaviour::UppercaseDigest => secret.hex(message).to_ascii_uppercase(),
            Behaviour::Base64Digest => base64(&secret.digest(message)),
            _ => secret.hex(message),
        };
        format!(r#"{{"challenge":"{digest}"}}"#).into()
    }
}

/// An orderly answer; `None` as body sends none and, with 204 and 304, no length either.
fn message(status: u16, headers: &[(String, String)], body: Option<&Bytes>) -> Bytes {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if let Some(body) = body {
        let _ = write!(head, "content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    } else if !matches!(status, 204 | 304) {
        head.push_str("content-length: 0\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = BytesMut::from(head.as_bytes());
    bytes.extend_from_slice(body.map_or(&[], Bytes::as_ref));
    bytes.freeze()
}

const END_OF_HEAD: Bytes = Bytes::from_static(b"content-length: 0\r\n\r\n");

fn huge_headers() -> Bytes {
    let mut bytes = BytesMut::from(&b"HTTP/1.1 200 OK\r\nx-huge: "[..]);
    bytes.put_bytes(b'a', MEGABYTE);
    bytes.extend_from_slice(b"\r\n");
    bytes.freeze()
}

fn many_headers() -> Bytes {
    let mut text = String::from("HTTP/1.1 200 OK\r\n");
    for number in 0..100_000 {
        let _ = write!(text, "x-{number}: {number}\r\n");
    }
    text.into()
}

/// A gzip member of a megabyte that unpacks to 166 MB of zeros: one literal zero, then again and again "the last 258
/// bytes once more", 13 bits each in deflate's fixed code. The checksum at its end is wrong; who gets there has unpacked it all.
fn gzip_bomb() -> Bytes {
    const FIXED_BLOCK: (u64, u32) = (0b011, 3);
    const LITERAL_ZERO: (u64, u32) = (0b0000_1100, 8);
    // Codes are sent from their highest bit into bytes from their lowest: 11000101 for length 258, 00000 for distance 1.
    const AGAIN: (u64, u32) = (0b1010_0011, 13);
    const END: (u64, u32) = (0, 7);
    let mut bytes = BytesMut::from(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..]);
    let (mut pending, mut width) = (0, 0);
    let again = std::iter::repeat_n(AGAIN, MEGABYTE * 8 / 13);
    for (code, bits) in [FIXED_BLOCK, LITERAL_ZERO].into_iter().chain(again).chain([END, (0, 7)]) {
        pending |= code << width;
        width += bits;
        while width >= 8 {
            bytes.put_u8((pending & 0xff) as u8);
            pending >>= 8;
            width -= 8;
        }
    }
    bytes.put_bytes(0, 8);
    bytes.freeze()
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().chain(&[0, 0]).take(3).fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        for place in 0..4 {
            let digit = DIGITS[value >> (18 - 6 * place) & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::CHOICES;

    fn verification(behaviour: &Behaviour) -> String {
        let secret = Secret::new("amt");
        let challenge = Challenge { text: "challenge", secret: Some(&secret) };
        match play(behaviour, 0, Some(challenge)).0 {
            Play::Reply(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Play::Steps(steps) => panic!("{steps:?}"),
        }
    }

    fn statuses(behaviour: &str, turns: u64) -> Vec<Answer> {
        let behaviour = behaviour.parse().unwrap();
        (0..turns).map(|turn| play(&behaviour, turn, None).1).collect()
    }

    #[test]
    fn a_challenge_is_answered_with_the_right_digest() {
        let answer = verification(&Behaviour::GOOD);
        assert!(
            answer.starts_with(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 80\r\n\r\n"
            )
        );
        assert!(answer.ends_with(
            r#"{"challenge":"9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e"}"#
        ));
    }

    #[test]
    fn wrong_digests_are_wrong_each_in_its_way() {
        let right = "9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e";
        assert!(verification(&Behaviour::UppercaseDigest).contains(&right.to_uppercase()));
        assert!(
            verification(&Behaviour::Base64Digest)
                .contains(r#""m69adGS9hnQK1aBuQ53PU1oHUCLtLJLXTvrPZG15Mo4=""#)
        );
        let wrong = verification(&Behaviour::WrongDigest);
        assert!(!wrong.contains(right) && wrong.len() == verification(&Behaviour::GOOD).len());
    }

    #[test]
    fn a_204_has_no_body() {
        assert_eq!(verification(&Behaviour::EmptyBody204), "HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(verification(&Behaviour::Respond(204)), "HTTP/1.1 204 No Content\r\n\r\n");
        assert!(verification(&Behaviour::Respond(201)).starts_with("HTTP/1.1 201 Created\r\n"));
    }

    #[test]
    fn a_sequence_ends_in_its_last_status() {
        assert_eq!(statuses("sequence:500,404,200", 4), [500, 404, 200, 200].map(Answer::Status));
    }

    #[test]
    fn a_share_of_failures_is_exact_and_spread() {
        let answers = statuses("fail:30%", 1_000);
        assert_eq!(answers.iter().filter(|&&answer| answer == Answer::Status(503)).count(), 300);
        assert!(answers.windows(4).all(|four| four.contains(&Answer::Status(503))));
        assert!(statuses("fail:0%", 100).iter().all(|&answer| answer == Answer::Status(200)));
        assert!(statuses("fail:100%", 100).iter().all(|&answer| answer == Answer::Status(503)));
    }

    #[test]
    fn only_whole_answers_are_clear() {
        for (form, _) in CHOICES {
            let (play, answer) = play(&form.parse().unwrap(), 0, None);
            assert_eq!(matches!(play, Play::Reply(_)), matches!(answer, Answer::Status(_)), "{form}");
        }
        assert_eq!(Answer::Status(204).outcome(), Outcome::Accepted);
        assert_eq!(Answer::Status(302).outcome(), Outcome::Refused);
        assert_eq!(Answer::Unclear(200).outcome(), Outcome::Unclear);
        assert_eq!(Answer::Nothing.outcome(), Outcome::Refused);
    }

    #[test]
    fn a_packed_text_has_its_checksum() {
        // The check value that the standard's catalogue gives.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let packed = gzip(b"ab");
        assert_eq!(&packed[10..17], [1, 2, 0, 0xfd, 0xff, b'a', b'b']);
    }

    #[test]
    fn the_bomb_is_a_megabyte_of_repetitions() {
        let bomb = gzip_bomb();
        assert!(bomb.starts_with(&[0x1f, 0x8b, 8]));
        assert!(bomb.len() < MEGABYTE + 100);
        // 13 bits repeat every 13 bytes.
        let middle = &bomb[1_000..1_000_000];
        assert!(middle.iter().zip(&middle[13..]).all(|(a, b)| a == b));
    }
}
