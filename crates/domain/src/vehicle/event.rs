//! Events: a webhook is owed a POST, and why.

use minicbor::{Decoder, Encoder, data::Type, decode::Error};

use super::codec::Malformed;
use crate::{
    errors::ErrorCode,
    ids::{EventId, WebhookNo},
    signal::SignalId,
    time::Timestamp,
    webhook::ChargingEvent,
};

/// A webhook is owed a POST.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The webhook.
    pub webhook: WebhookNo,
    /// The revision that it is made under.
    pub revision: u32,
    /// Its id on the wire.
    pub id: EventId,
    /// The slot it is for, or when it happened.
    pub at: Timestamp,
    /// Rises with the events of its subscription.
    pub sequence: u64,
    /// Why it is owed.
    pub occasion: Occasion,
    /// Which of the step's observations it carries.
    pub observation: usize,
}

/// Why a POST is owed.
#[derive(Clone, Debug, PartialEq)]
pub enum Occasion {
    /// A slot of a scheduled or dynamic webhook has come.
    Slot,
    /// The first delivery of a vehicle to a unified webhook.
    FirstDelivery,
    /// These triggers of a unified webhook have fired.
    Changed(Vec<SignalId>),
    /// Errors have appeared or cleared.
    Errors(Vec<ErrorChange>),
    /// Charging began or ended.
    Charging(ChargingEvent),
}

/// An error that has appeared or cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorChange {
    /// Which.
    pub code: ErrorCode,
    /// It has cleared.
    pub resolved: bool,
    /// The signals that it concerns; none when it concerns the whole vehicle.
    pub signals: Vec<SignalId>,
}

impl Occasion {
    /// Whether it goes to the URI for errors.
    pub const fn is_error(&self) -> bool {
        matches!(self, Self::Errors(_))
    }

    /// The word for lists and logs: the `eventType` or `eventName` of the wire, as far as it has one.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Slot => "SLOT",
            Self::FirstDelivery | Self::Changed(_) => "VEHICLE_STATE",
            Self::Errors(_) => "VEHICLE_ERROR",
            Self::Charging(event) => event.as_str(),
        }
    }

    /// The stored form; nothing for a slot, which large queues are full of.
    pub fn encode(&self) -> Vec<u8> {
        if *self == Self::Slot {
            return Vec::new();
        }
        let mut e = Encoder::new(Vec::with_capacity(16));
        let written = match self {
            Self::Slot => Ok(&mut e),
            Self::FirstDelivery => e.array(1).and_then(|e| e.u8(1)),
            Self::Changed(signals) => e.array(2).and_then(|e| e.u8(2)).and_then(|e| numbers(e, signals)),
            Self::Errors(changes) => e.array(2).and_then(|e| e.u8(3)).and_then(|e| {
                e.array(changes.len() as u64)?;
                for change in changes {
                    e.array(3)?.u8(change.code.number())?.bool(change.resolved)?;
                    numbers(e, &change.signals)?;
                }
                Ok(e)
            }),
            Self::Charging(event) => e.array(2).and_then(|e| e.u8(4)).and_then(|e| e.u8(*event as u8)),
        };
        written.expect("a vector takes all bytes");
        e.into_writer()
    }

    /// From the stored form.
    ///
    /// # Errors
    ///
    /// When the bytes are not what this or an older program wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Ok(Self::Slot);
        }
        let d = &mut Decoder::new(bytes);
        d.array()?;
        Ok(match d.u8()? {
            1 => Self::FirstDelivery,
            2 => Self::Changed(signals(d)?),
            3 => Self::Errors(changes(d)?),
            4 => {
                let event = usize::from(d.u8()?);
                let event = ChargingEvent::ALL.get(event);
                Self::Charging(*event.ok_or_else(|| Error::message("an event of a newer program"))?)
            }
            _ => return Err(Error::message("an occasion of a newer program").into()),
        })
    }
}

fn numbers<'e>(
    e: &'e mut Encoder<Vec<u8>>,
    signals: &[SignalId],
) -> Result<&'e mut Encoder<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>> {
    e.array(signals.len() as u64)?;
    for signal in signals {
        e.u8(signal.number())?;
    }
    Ok(e)
}

fn signals(d: &mut Decoder<'_>) -> Result<Vec<SignalId>, Error> {
    let numbers = d.array_iter::<u8>()?.collect::<Result<Vec<_>, _>>()?;
    Ok(numbers.into_iter().filter_map(SignalId::from_number).collect())
}

fn changes(d: &mut Decoder<'_>) -> Result<Vec<ErrorChange>, Error> {
    if d.datatype()? != Type::Array {
        return Err(Error::message("not a list of errors"));
    }
    let count = d.array()?.unwrap_or_default();
    let mut changes = Vec::new();
    for _ in 0..count {
        d.array()?;
        let code = ErrorCode::from_number(d.u8()?).unwrap_or(ErrorCode::SERVER_INTERNAL);
        changes.push(ErrorChange { code, resolved: d.bool()?, signals: signals(d)? });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal;

    #[test]
    fn an_occasion_reads_back_and_a_slot_takes_no_bytes() {
        let error = |resolved, signals| ErrorChange {
            code: ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE,
            resolved,
            signals,
        };
        let all = [
            Occasion::Slot,
            Occasion::FirstDelivery,
            Occasion::Changed(vec![signal::STATE_OF_CHARGE, signal::DOORS]),
            Occasion::Errors(vec![error(false, vec![signal::SUNROOF]), error(true, vec![])]),
            Occasion::Charging(ChargingEvent::Started),
            Occasion::Charging(ChargingEvent::Stopped),
            Occasion::Charging(ChargingEvent::Completed),
        ];
        for occasion in all {
            assert_eq!(Occasion::decode(&occasion.encode()), Ok(occasion));
        }
        assert!(Occasion::Slot.encode().is_empty());
        assert!(Occasion::decode(&[0x81, 0x18, 0x63]).is_err());
    }
}
