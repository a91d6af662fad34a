//! Attempts and their history.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::Failure;
use crate::time::Timestamp;

/// One HTTP request of an event, or the try to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Attempt {
    /// When it began.
    #[n(0)]
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    #[n(1)]
    pub took_ms: u32,
    /// What it came to.
    #[n(2)]
    pub result: AttemptResult,
}

/// What an attempt came to. Stored as one integer: the status, or the failure's number below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// The receiver answered.
    Answered {
        /// The code of the status line.
        status: u16,
    },
    /// It did not.
    Failed(Failure),
}

/// What a result means for the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has the event: it answered with a 2xx.
    Accepted,
    /// The receiver, or the way to it, failed.
    Failed,
    /// We could not even try, through no fault of the receiver.
    OwnFault,
    /// The event can never be sent.
    Unsendable,
}

/// The attempts of one event, oldest first; at most [`History::KEPT`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(Vec<Attempt>);

/// Stored bytes are not a history.
#[derive(Debug, thiserror::Error)]
#[error("the stored attempts cannot be read")]
pub struct MalformedHistory(#[source] decode::Error);

impl Attempt {
    /// When it ended.
    pub fn ended_at(&self) -> Timestamp {
        self.started_at + std::time::Duration::from_millis(self.took_ms.into())
    }
}

impl AttemptResult {
    /// What it means for the event.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Answered { status: 200..=299 } => Outcome::Accepted,
            Self::Failed(Failure::Local | Failure::ProxyUnreachable | Failure::ProxyAuthentication) => {
                Outcome::OwnFault
            }
            Self::Failed(Failure::BodyTooLarge) => Outcome::Unsendable,
            Self::Answered { .. } | Self::Failed(_) => Outcome::Failed,
        }
    }

    /// The status of the answer, if there was one.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Answered { status } => Some(status),
            Self::Failed(_) => None,
        }
    }

    /// Whether the receiver was too slow.
    pub const fn is_time_out(self) -> bool {
        matches!(self, Self::Failed(Failure::TimedOut | Failure::ConnectTimedOut))
    }

    /// What an operator should look at first, where the result alone does not say it.
    pub const fn hint(self) -> Option<&'static str> {
        let status = match self {
            Self::Failed(failure) => return failure.hint(),
            Self::Answered { status } => status,
        };
        Some(match status {
            0..=199 | 600.. => {
                "This is not a final status of HTTP: answer with a 2xx once the event is taken."
            }
            304 => {
                "304 answers a request for what is cached, and an event is none: the receiver, or a cache before it, must \
                 answer with a 2xx."
            }
            300..=399 => "Redirects are not followed: enter the final address as the callback URI.",
            400 | 422 => {
                "The receiver could not use the request: check that it reads the body as JSON, as it came."
            }
            401 | 403 => {
                "The receiver turned the request away: check that it verifies the signature with the current \
                 management token. A receiver that wants a login or a key of its own gets it by the webhook's `headers` \
                 or `basicAuth`."
            }
            404 => "Check the path of the callback URI.",
            405 | 501 => "The receiver must accept POST at the callback URI.",
            406 => "The receiver must not demand an Accept header.",
            407 | 511 => "A proxy between here and the receiver asks for a login; see egress.proxy.",
            408 => "The receiver did not get the whole request in the time that it allows.",
            410 => "The receiver says that it is gone: if that is meant, delete the webhook.",
            411 => "The receiver, or a proxy before it, overlooks Content-Length.",
            413 => "The receiver's limit on the size of requests is the usual cause: allow at least 50 KB.",
            414 => "The receiver takes the callback URI for too long.",
            415 => "The receiver must accept application/json.",
            421 => "The receiver does not serve the host of the callback URI at this address.",
            429 => {
                "The receiver limits its rate: let it take bursts, since a slot sends all its vehicles at once."
            }
            431 => "The receiver's limit on headers is too low: they are far below 16 KB.",
            500 => "The receiver failed: its own log says why.",
            502..=504 => "A proxy answered: the receiver behind it is down or slow.",
            505 => "The receiver must accept HTTP/1.1.",
            520..=530 => {
                "A content delivery network answered: the receiver behind it is down, slow or misconfigured."
            }
            _ => return None,
        })
    }
}

impl History {
    /// How many attempts are kept: more than any policy asks for, so only repeated faults of our own overflow it.
    pub const KEPT: usize = 32;

    /// From the stored bytes; none before the first attempt.
    ///
    /// # Errors
    ///
    /// When the bytes are not what [`History::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedHistory> {
        match bytes {
            [] => Ok(Self::default()),
            _ => minicbor::decode(bytes).map(Self).map_err(MalformedHistory),
        }
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(&self.0).expect("writing to memory does not fail")
    }

    /// Adds the newest attempt. When there are too many, a fault of our own makes room, else the second oldest attempt.
    pub fn push(&mut self, attempt: Attempt) {
        if self.0.len() >= Self::KEPT {
            let own_fault = self.0.iter().skip(1).position(|kept| kept.result.outcome() == Outcome::OwnFault);
            self.0.remove(1 + own_fault.unwrap_or(0));
        }
        self.0.push(attempt);
    }

    /// All that are kept, oldest first.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0
    }

    /// The newest.
    pub fn last(&self) -> Option<&Attempt> {
        self.0.last()
    }

    /// When the first began.
    pub fn began_at(&self) -> Option<Timestamp> {
        self.0.first().map(|attempt| attempt.started_at)
    }

    /// How many attempts the receiver, or the way to it, has failed.
    pub fn failures(&self) -> usize {
        self.0.iter().filter(|attempt| attempt.result.outcome() == Outcome::Failed).count()
    }

    /// How many of the newest attempts in a row failed through a fault of our own.
    pub fn own_faults_in_a_row(&self) -> usize {
        self.0.iter().rev().take_while(|attempt| attempt.result.outcome() == Outcome::OwnFault).count()
    }
}

impl<C> Encode<C> for AttemptResult {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        match *self {
            Self::Answered { status } => e.u16(status)?.ok(),
            Self::Failed(failure) => e.i16(-1 - i16::from(failure.number()))?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for AttemptResult {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let number = d.i32()?;
        match u16::try_from(number) {
            Ok(status) => Ok(Self::Answered { status }),
            Err(_) => u8::try_from(-1 - number)
                .map(|number| Self::Failed(Failure::from_number(number)))
                .map_err(|_| decode::Error::message("neither a status nor a failure")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempt(second: i64, result: AttemptResult) -> Attempt {
        Attempt { started_at: Timestamp::from_secs(second), took_ms: 7, result }
    }

    fn local(second: i64) -> Attempt {
        attempt(second, AttemptResult::Failed(Failure::Local))
    }

    fn history(attempts: impl IntoIterator<Item = Attempt>) -> History {
        let mut history = History::default();
        attempts.into_iter().for_each(|attempt| history.push(attempt));
        history
    }

    fn results() -> impl Strategy<Value = AttemptResult> {
        prop_oneof![
            any::<u16>().prop_map(|status| AttemptResult::Answered { status }),
            prop::sample::select(Failure::ALL).prop_map(AttemptResult::Failed),
        ]
    }

    #[test]
    fn row_r01_any_2xx_is_success() {
        for status in 200..=299 {
            assert_eq!(AttemptResult::Answered { status }.outcome(), Outcome::Accepted);
        }
    }

    #[test]
    fn row_r03_any_other_answer_is_a_failure() {
        for status in (100..=599).filter(|status| !(200..=299).contains(status)) {
            assert_eq!(AttemptResult::Answered { status }.outcome(), Outcome::Failed, "{status}");
        }
    }

    #[test]
    fn a_delivery_at_the_first_attempt_takes_sixteen_bytes() {
        let first = Attempt {
            started_at: Timestamp::from_millis(1_780_000_000_123),
            took_ms: 15_000,
            result: AttemptResult::Answered { status: 204 },
        };
        assert_eq!(history([first]).to_bytes().len(), 16);
    }

    #[test]
    fn nothing_stored_is_an_event_that_was_not_tried() {
        assert_eq!(History::from_bytes(&[]).unwrap(), History::default());
        assert!(History::from_bytes(b"\xff").is_err());
    }

    #[test]
    fn a_failure_of_a_newer_program_is_read_as_some_other() {
        let mut bytes = history([attempt(0, AttemptResult::Failed(Failure::Local))]).to_bytes();
        bytes.pop();
        bytes.extend([0x38, 200]);
        let read = History::from_bytes(&bytes).unwrap();
        assert_eq!(read.last().unwrap().result, AttemptResult::Failed(Failure::Other));
    }

    #[test]
    fn our_own_faults_are_told_apart_from_failures() {
        let refused = AttemptResult::Answered { status: 500 };
        let history = history([attempt(0, refused), local(1), attempt(2, refused), local(3), local(4)]);
        assert_eq!((history.failures(), history.own_faults_in_a_row()), (2, 2));
        assert_eq!(history.began_at(), Some(Timestamp::from_secs(0)));
    }

    #[test]
    fn endless_faults_of_our_own_push_out_neither_the_first_attempt_nor_a_failure() {
        let refused = AttemptResult::Answered { status: 500 };
        let history = history((0..500).map(|n| if n == 9 { attempt(n, refused) } else { local(n) }));
        assert_eq!(history.attempts().len(), History::KEPT);
        assert_eq!(history.began_at(), Some(Timestamp::from_secs(0)));
        assert_eq!(history.last(), Some(&local(499)));
        assert_eq!(history.failures(), 1);
    }

    #[test]
    fn a_receiver_that_finds_the_body_too_large_is_told_about_its_limit() {
        let hint = |status| AttemptResult::Answered { status }.hint();
        assert!(hint(413).unwrap().contains("limit on the size"));
        assert!(hint(401).unwrap().contains("signature"));
        assert!(hint(302).unwrap().contains("not followed"));
        assert!(hint(200).is_none() && hint(418).is_none());
    }

    #[test]
    fn a_hint_fits_its_status() {
        let hint = |status| AttemptResult::Answered { status }.hint().unwrap();
        assert!(hint(304).contains("cached") && !hint(304).contains("Redirects"));
        assert!(hint(300).contains("Redirects") && hint(308).contains("Redirects"));
        assert!(hint(401).contains("basicAuth") && hint(403).contains("headers"));
        assert!(hint(405).contains("POST") && hint(415).contains("application/json"));
        assert!(hint(410).contains("gone") && hint(429).contains("rate") && hint(500).contains("log"));
        for no_status in [0, 99, 199, 600, 999] {
            assert!(hint(no_status).contains("not a final status"), "{no_status}");
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_is_what_is_read(
            attempts in prop::collection::vec((any::<i64>(), any::<u32>(), results()), 0..History::KEPT),
        ) {
            let history = history(attempts.into_iter().map(|(at, took_ms, result)| Attempt {
                started_at: Timestamp::from_micros(at),
                took_ms,
                result,
            }));
            prop_assert_eq!(History::from_bytes(&history.to_bytes()).unwrap(), history);
        }
    }
}
