//! How a receiver behaves, and the text form of it that people type.

use bytes::Bytes;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a receiver does with a request that it has read in full.
///
/// A verification is answered with the right digest and the behaviour's status, unless the behaviour is about digests or
/// does not get as far as an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with this status and no body.
    Respond(u16),
    /// Answers with exactly this, also where the standard forbids it, such as a body after a 204.
    RespondWith {
        /// The status.
        status: u16,
        /// Header lines besides `content-length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// Answers with one status after the other, then with the last one for ever.
    RespondSequence {
        /// The statuses to begin with.
        first: Vec<u16>,
        /// The status after those.
        then: u16,
    },
    /// Answers a share of the requests, spread evenly and not by chance, with a failure and the others with 200.
    FailRatio {
        /// 0 to 100.
        percent: u8,
        /// The status of the failures.
        status: u16,
    },
    /// Answers 200 after a pause.
    Slow(Duration),
    /// Never answers, and keeps the connection.
    Hang,
    /// Sends its headers one byte per pause, without end.
    SlowHeaders(Duration),
    /// Sends good headers, then a body of one byte per pause, without end.
    DripBody(Duration),
    /// Sends good headers, then a body without end.
    EndlessBody,
    /// Sends a body of this many bytes.
    HugeBody(u64),
    /// Sends one header line of a megabyte.
    HugeHeaders,
    /// Sends a hundred thousand header lines.
    ManyHeaders,
    /// Sends `100 Continue` without end.
    EndlessContinue,
    /// Points somewhere else.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location`.
        location: String,
    },
    /// Closes the connection in place of an answer.
    CloseBeforeAnswer,
    /// Promises a longer body than it sends.
    CloseMidBody,
    /// Resets the connection in place of an answer.
    ResetAfterRequest,
    /// Closes its own direction in place of an answer, and goes on reading.
    HalfClose,
    /// Answers in another protocol.
    GarbageAnswer,
    /// Answers as HTTP did before it had a status line.
    Http09,
    /// Answers 200 with chunks that are none.
    BadChunks,
    /// Answers 200 with header lines that are folded, nameless, repeated, or not ASCII.
    OddHeaders,
    /// Answers 200 with lines that end with LF alone, and no words after the status.
    BareLines,
    /// Answers 200 as HTTP/1.0, without a length, and closes.
    Http10,
    /// Answers 200 without saying how long the body is, and keeps the connection.
    NoLength,
    /// Answers 200, and then sends an answer to a request that nobody has made.
    StrayAnswer,
    /// Answers 200 as if the connection would stay, and closes it.
    KeepAliveLie,
    /// Answers 200, and resets the connection.
    ResetAfterAnswer,
    /// Answers 200 with its body compressed, whatever the request asks for.
    Gzipped,
    /// Answers 200 with a byte order mark and white space around the body.
    ByteOrderMark,
    /// Answers 200 with a small compressed body that unpacks to 166 megabytes.
    GzipBomb,
    /// Answers verifications with a digest made with another token; events with 200.
    WrongDigest,
    /// Answers verifications with the digest in upper case; events with 200.
    UppercaseDigest,
    /// Answers verifications with the digest in base64; events with 200.
    Base64Digest,
    /// Answers verifications with 204 and no body; events with 200.
    EmptyBody204,
}

impl Behaviour {
    /// Answers 200 to everything.
    pub const GOOD: Self = Self::Respond(200);

    /// Whether it is only about how verifications are answered.
    pub fn is_about_verification(&self) -> bool {
        matches!(self, Self::WrongDigest | Self::UppercaseDigest | Self::Base64Digest | Self::EmptyBody204)
    }
}

/// The pause of the slow behaviours when none is given.
const SECOND: Duration = Duration::from_secs(1);

/// Every text form with what it means, in the order in which help shows them.
pub const CHOICES: &[(&str, &str)] = &[
    ("ok", "answer 200"),
    ("500", "answer with this status (200 to 999)"),
    ("sequence:500,500,200", "answer with these statuses in turn, then always with the last"),
    ("fail:30%", "fail this share with 503; fail:30%:500 chooses the status"),
    ("slow:5s", "answer 200 after a pause (slow alone: 20s)"),
    ("hang", "never answer"),
    ("slow-headers", "drip headers, a byte per second; slow-headers:100ms is faster"),
    ("drip", "drip a body, a byte per second; drip:100ms is faster"),
    ("endless", "a body without end"),
    ("huge:10MB", "a body of this size (huge alone: 10GB)"),
    ("huge-headers", "one header line of a megabyte"),
    ("many-headers", "100,000 header lines"),
    ("continue", "100 Continue without end"),
    ("redirect", "302 to /elsewhere; redirect:307:https://example.com/ chooses both"),
    ("close", "close before the answer"),
    ("close-mid-body", "close inside the body"),
    ("reset", "reset the connection after the request"),
    ("half-close", "close one direction only, without an answer"),
    ("garbage", "an answer that is not HTTP"),
    ("http09", "a body without status line and headers"),
    ("bad-chunks", "chunked encoding with broken chunks"),
    ("odd-headers", "200 with header lines that are folded, nameless, repeated or not ASCII"),
    ("bare-lines", "200 with lines that end with LF alone"),
    ("http10", "200 as HTTP/1.0, ended by a close"),
    ("no-length", "200 with a body that has no end"),
    ("stray", "200, and an answer that nobody asked for"),
    ("keep-alive-lie", "200 with keep-alive, and a close"),
    ("reset-after-answer", "200, and a reset"),
    ("gzip", "200 with a compressed body"),
    ("bom", "200 with a byte order mark before the body"),
    ("gzip-bomb", "a compressed body that unpacks to 166 MB"),
    ("wrong-digest", "fail verification: digest of another token"),
    ("uppercase-digest", "fail verification: digest in upper case"),
    ("base64-digest", "fail verification: digest in base64"),
    ("empty-204", "fail verification: 204 without body"),
];

/// The text named no behaviour. Its display lists the choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownBehaviour {
    given: String,
    problem: &'static str,
}

impl fmt::Display for UnknownBehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no behaviour: {}. Choose one of", self.given, self.problem)?;
        for (form, meaning) in CHOICES {
            write!(f, "\n  {form:<21} {meaning}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownBehaviour {}

impl FromStr for Behaviour {
    type Err = UnknownBehaviour;

    fn from_str(text: &str) -> Result<Self, UnknownBehaviour> {
        parse(text.trim()).map_err(|problem| UnknownBehaviour { given: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Behaviour, &'static str> {
    let (name, argument) = match text.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (text, None),
    };
    if let Some(argument) = argument {
        return parse_with(name, argument);
    }
    Ok(match name {
        "ok" => Behaviour::GOOD,
        "slow" => Behaviour::Slow(20 * SECOND),
        "hang" => Behaviour::Hang,
        "slow-headers" => Behaviour::SlowHeaders(SECOND),
        "drip" => Behaviour::DripBody(SECOND),
        "endless" => Behaviour::EndlessBody,
        "huge" => Behaviour::HugeBody(10_000_000_000),
        "huge-headers" => Behaviour::HugeHeaders,
        "many-headers" => Behaviour::ManyHeaders,
        "continue" => Behaviour::EndlessContinue,
        "redirect" => Behaviour::Redirect { status: 302, location: "/elsewhere".to_owned() },
        "close" => Behaviour::CloseBeforeAnswer,
        "close-mid-body" => Behaviour::CloseMidBody,
        "reset" => Behaviour::ResetAfterRequest,
        "half-close" => Behaviour::HalfClose,
        "garbage" => Behaviour::GarbageAnswer,
        "http09" => Behaviour::Http09,
        "bad-chunks" => Behaviour::BadChunks,
        "odd-headers" => Behaviour::OddHeaders,
        "bare-lines" => Behaviour::BareLines,
        "http10" => Behaviour::Http10,
        "no-length" => Behaviour::NoLength,
        "stray" => Behaviour::StrayAnswer,
        "keep-alive-lie" => Behaviour::KeepAliveLie,
        "reset-after-answer" => Behaviour::ResetAfterAnswer,
        "gzip" => Behaviour::Gzipped,
        "bom" => Behaviour::ByteOrderMark,
        "gzip-bomb" => Behaviour::GzipBomb,
        "wrong-digest" => Behaviour::WrongDigest,
        "uppercase-digest" => Behaviour::UppercaseDigest,
        "base64-digest" => Behaviour::Base64Digest,
        "empty-204" => Behaviour::EmptyBody204,
        digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Behaviour::Respond(status(digits)?)
        }
        _ => return Err("there is no such name"),
    })
}

fn parse_with(name: &str, argument: &str) -> Result<Behaviour, &'static str> {
    Ok(match name {
        "slow" => Behaviour::Slow(duration(argument)?),
        "slow-headers" => Behaviour::SlowHeaders(duration(argument)?),
        "drip" => Behaviour::DripBody(duration(argument)?),
        "huge" => Behaviour::HugeBody(size(argument)?),
        "sequence" => sequence(argument)?,
        "fail" => fail(argument)?,
        "redirect" => redirect(argument)?,
        _ => return Err("there is no such name that takes a value"),
    })
}

fn status(text: &str) -> Result<u16, &'static str> {
    text.parse()
        .ok()
        .filter(|status| (200..=999).contains(status))
        .ok_or("a status is a number from 200 to 999")
}

fn sequence(text: &str) -> Result<Behaviour, &'static str> {
    let mut first = text.split(',').map(|part| status(part.trim())).collect::<Result<Vec<_>, _>>()?;
    let then = first.pop().ok_or("a sequence needs a status")?;
    Ok(Behaviour::RespondSequence { first, then })
}

fn fail(text: &str) -> Result<Behaviour, &'static str> {
    let (share, code) = text.split_once(':').unwrap_or((text, "503"));
    let percent =
        share.strip_suffix('%').and_then(|digits| digits.parse().ok()).filter(|&percent| percent <= 100);
    Ok(Behaviour::FailRatio { percent: percent.ok_or("a share is written as 30%")?, status: status(code)? })
}

/// `307:https://example.com/`, or only where to.
fn redirect(text: &str) -> Result<Behaviour, &'static str> {
    let with_status = text.split_once(':').filter(|(code, _)| code.bytes().all(|b| b.is_ascii_digit()));
    let (code, location) = with_status.unwrap_or(("302", text));
    if location.bytes().any(|b| b.is_ascii_control()) {
        return Err("a location has no control characters");
    }
    Ok(Behaviour::Redirect { status: status(code)?, location: location.to_owned() })
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let problem = "a duration is written as 250ms, 5s or 2m";
    let (number, unit) = split_unit(text);
    let number: u64 = number.parse().map_err(|_| problem)?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(problem),
    }
}

fn size(text: &str) -> Result<u64, &'static str> {
    let problem = "a size is written as 500, 64KB, 10MB or 1GB";
    let (number, unit) = split_unit(text);
    let number: u64 = number.parse().map_err(|_| problem)?;
    let factor = match unit {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(problem),
    };
    number.checked_mul(factor).ok_or(problem)
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The text form; what has none (an exact answer) is described.
impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Respond(status) => return write!(f, "{status}"),
            Self::RespondWith { status, headers, body } => {
                return write!(f, "{status} with {} headers and {} bytes", headers.len(), body.len());
            }
            Self::RespondSequence { first, then } => {
                f.write_str("sequence:")?;
                first.iter().try_for_each(|status| write!(f, "{status},"))?;
                return write!(f, "{then}");
            }
            Self::FailRatio { percent, status } => return write!(f, "fail:{percent}%:{status}"),
            Self::Slow(pause) => return write!(f, "slow:{}ms", pause.as_millis()),
            Self::SlowHeaders(pause) => return write!(f, "slow-headers:{}ms", pause.as_millis()),
            Self::DripBody(pause) => return write!(f, "drip:{}ms", pause.as_millis()),
            Self::HugeBody(size) => return write!(f, "huge:{size}"),
            Self::Redirect { status, location } => return write!(f, "redirect:{status}:{location}"),
            Self::Hang => "hang",
            Self::EndlessBody => "endless",
            Self::HugeHeaders => "huge-headers",
            Self::ManyHeaders => "many-headers",
            Self::EndlessContinue => "continue",
            Self::CloseBeforeAnswer => "close",
            Self::CloseMidBody => "close-mid-body",
            Self::ResetAfterRequest => "reset",
            Self::HalfClose => "half-close",
            Self::GarbageAnswer => "garbage",
            Self::Http09 => "http09",
            Self::BadChunks => "bad-chunks",
            Self::OddHeaders => "odd-headers",
            Self::BareLines => "bare-lines",
            Self::Http10 => "http10",
            Self::NoLength => "no-length",
            Self::StrayAnswer => "stray",
            Self::KeepAliveLie => "keep-alive-lie",
            Self::ResetAfterAnswer => "reset-after-answer",
            Self::Gzipped => "gzip",
            Self::ByteOrderMark => "bom",
            Self::GzipBomb => "gzip-bomb",
            Self::WrongDigest => "wrong-digest",
            Self::UppercaseDigest => "uppercase-digest",
            Self::Base64Digest => "base64-digest",
            Self::EmptyBody204 => "empty-204",
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_the_help_is_understood_and_prints_what_is_understood_again() {
        for (form, _) in CHOICES {
            let behaviour: Behaviour = form.parse().unwrap_or_else(|problem| panic!("{form}: {problem}"));
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour), "{form}");
        }
    }

    #[test]
    fn values_are_taken() {
        assert_eq!("slow:250ms".parse(), Ok(Behaviour::Slow(Duration::from_millis(250))));
        assert_eq!("huge:64KB".parse(), Ok(Behaviour::HugeBody(64_000)));
        assert_eq!("fail:5%:500".parse(), Ok(Behaviour::FailRatio { percent: 5, status: 500 }));
        assert_eq!(
            "sequence:500,404,200".parse(),
            Ok(Behaviour::RespondSequence { first: vec![500, 404], then: 200 })
        );
        let location = "http://127.0.0.1:80/x".to_owned();
        assert_eq!(
            "redirect:http://127.0.0.1:80/x".parse(),
            Ok(Behaviour::Redirect { status: 302, location: location.clone() })
        );
        assert_eq!(
            "redirect:308:http://127.0.0.1:80/x".parse(),
            Ok(Behaviour::Redirect { status: 308, location })
        );
    }

    #[test]
    fn a_slip_is_answered_with_the_problem_and_the_choices() {
        for (text, problem) in [
            ("teapot", "there is no such name"),
            ("hang:5s", "there is no such name that takes a value"),
            ("99", "a status is a number from 200 to 999"),
            ("slow:5", "a duration is written as 250ms, 5s or 2m"),
            ("huge:5TB", "a size is written as 500, 64KB, 10MB or 1GB"),
            ("fail:120%", "a share is written as 30%"),
            ("", "there is no such name"),
        ] {
            let message = text.parse::<Behaviour>().unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("`{text}` is no behaviour: {problem}. Choose one of\n")),
                "{message}"
            );
            assert!(CHOICES.iter().all(|(form, _)| message.contains(form)));
        }
    }
}
