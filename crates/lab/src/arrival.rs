//! What arrived, in the form in which it is compared: one entry per occurrence and vehicle, without the body.

use crate::event::{Event, Fingerprint, Item};
use crate::id::Id;
use crate::receiver::{Answer, Outcome, Received};
use crate::time::Timestamp;

/// What the signature header was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// Made with one of the tokens of the path, over exactly these bytes.
    Good,
    /// Present and wrong.
    Bad,
    /// Absent.
    Missing,
    /// Not looked at, or no token known to check it with.
    Unchecked,
}

/// One occurrence for one vehicle, in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// By the receiver's wall clock.
    pub at: Timestamp,
    /// The id that repeats when the delivery does.
    pub id: Id,
    /// The webhook, if the body named one.
    pub webhook: Option<Id>,
    /// The vehicle, if the body named one.
    pub vehicle: Option<Id>,
    /// When it was built, as the sender says.
    pub built: Option<Timestamp>,
    /// Of the data.
    pub fingerprint: Fingerprint,
    /// Of the request that it came in.
    pub signature: Signature,
    /// What the sender was answered.
    pub outcome: Outcome,
}

impl Arrival {
    /// The occurrences of a request: none for verifications and for what is no event.
    pub fn of(received: &Received) -> Vec<Self> {
        let Received { at, event, signature, answer, .. } = received;
        event.as_ref().map(|event| Self::from_event(event, *at, *signature, *answer)).unwrap_or_default()
    }

    /// The occurrences of an event that came in this way.
    pub(crate) fn from_event(
        event: &Event,
        at: Timestamp,
        signature: Signature,
        answer: Answer,
    ) -> Vec<Self> {
        let arrival = |item: Item| Self {
            at,
            id: item.id,
            webhook: event.webhook,
            vehicle: item.vehicle,
            built: item.built,
            fingerprint: item.fingerprint,
            signature,
            outcome: answer.outcome(),
        };
        event.items().into_iter().map(arrival).collect()
    }

    /// The line of a journal: fields between tabs, `-` for what is not known.
    pub(crate) fn to_line(&self) -> String {
        let signature = match self.signature {
            Signature::Good => "good",
            Signature::Bad => "bad",
            Signature::Missing => "missing",
            Signature::Unchecked => "unchecked",
        };
        let outcome = match self.outcome {
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
            Outcome::Unclear => "unclear",
        };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        format!(
            "{}\t{}\t{}\t{}\t{}\t{:016x}\t{signature}\t{outcome}\n",
            self.id,
            self.at.micros(),
            or_dash(self.webhook.map(|id| id.to_string())),
            or_dash(self.vehicle.map(|id| id.to_string())),
            or_dash(self.built.map(|at| at.micros().to_string())),
            self.fingerprint.0,
        )
    }

    /// Reads the line of a journal, without its end.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let arrival = Self {
            id: next()?.parse().ok()?,
            at: Timestamp::from_micros(next()?.parse().ok()?),
            webhook: unless_dash(next()?, |text| text.parse().ok())?,
            vehicle: unless_dash(next()?, |text| text.parse().ok())?,
            built: unless_dash(next()?, |text| text.parse().ok().map(Timestamp::from_micros))?,
            fingerprint: Fingerprint(u64::from_str_radix(next()?, 16).ok()?),
            signature: match next()? {
                "good" => Signature::Good,
                "bad" => Signature::Bad,
                "missing" => Signature::Missing,
                "unchecked" => Signature::Unchecked,
                _ => return None,
            },
            outcome: match next()? {
                "accepted" => Outcome::Accepted,
                "refused" => Outcome::Refused,
                "unclear" => Outcome::Unclear,
                _ => return None,
            },
        };
        fields.next().is_none().then_some(arrival)
    }
}

/// `Some(None)` for a dash, `None` for what cannot be read.
fn unless_dash<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == "-" { Some(None) } else { read(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_survives_the_journal() {
        let full = Arrival {
            at: Timestamp::from_micros(1_714_579_272_345_678),
            id: Id(7),
            webhook: Some(Id(8)),
            vehicle: Some(Id(9)),
            built: Some(Timestamp::from_micros(5)),
            fingerprint: Fingerprint(u64::MAX),
            signature: Signature::Bad,
            outcome: Outcome::Unclear,
        };
        let bare = Arrival { webhook: None, vehicle: None, built: None, ..full.clone() };
        for arrival in [full, bare] {
            let line = arrival.to_line();
            assert_eq!(Arrival::from_line(line.strip_suffix('\n').unwrap()), Some(arrival));
            assert_eq!(Arrival::from_line(&line[..line.len() - 3]), None, "cut off");
        }
    }
}
