//! How documents and observations are stored: CBOR arrays whose positions never change their meaning.
//!
//! New fields are appended, so an old document is readable by a newer program; what a program does not know at the end
//! of an array is skipped, so the other way round holds too. Times are milliseconds relative to a base in the same
//! item, numbers take the shortest exact form: 30 signals stay below 1 KB.

use minicbor::{Decoder, Encoder, data::Type, decode::Error};

use super::{Document, Gathering, Observation, Observed, Sample, SignalState, Subscription};
use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{SubscriptionId, WebhookNo},
    signal::{GridCell, SignalId, Value},
    time::Timestamp,
};

/// Stored bytes that are not what this program or an older or newer one wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes cannot be read: {0}")]
pub struct Malformed(String);

impl From<Error> for Malformed {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// An encoder into a vector, which cannot fail.
struct Out(Encoder<Vec<u8>>);

impl Document {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let base = self.signals.iter().map(|state| state.answered_at).max().unwrap_or_default();
        let mut out = Out::with_capacity(64 + 40 * self.signals.len() + 48 * self.subscriptions.len());
        out.array(4).int(i64::from(self.permissions.bits())).int(base.as_millis());
        out.array(self.signals.len());
        for state in &self.signals {
            out.signal_state(state, base);
        }
        out.array(self.subscriptions.len());
        for subscription in &self.subscriptions {
            out.subscription(subscription);
        }
        out.done()
    }

    /// From the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let d = &mut Decoder::new(bytes);
        let fields = array(d)?;
        let permissions = PermissionSet::from_bits(d.u32()?);
        let base = d.i64()?;
        let mut signals = Vec::new();
        for _ in 0..array(d)? {
            signals.extend(signal_state(d, base)?);
        }
        let mut subscriptions = Vec::new();
        for _ in 0..array(d)? {
            subscriptions.push(subscription(d)?);
        }
        skip(d, fields, 4)?;
        Ok(Self { permissions, signals, subscriptions })
    }
}

impl Observation {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::with_capacity(16 + 24 * self.signals.len());
        out.array(2).int(self.taken_at.as_micros()).array(self.signals.len());
        for observed in &self.signals {
            match &observed.outcome {
                Ok(sample) => {
                    out.array(4).int(i64::from(observed.signal.number())).value(&sample.value);
                    out.delta(sample.captured_at, self.taken_at)
                        .delta(Some(sample.retrieved_at), self.taken_at);
                }
                Err(code) => {
                    out.array(2 + 3 * usize::from(observed.older.is_some()));
                    out.int(i64::from(observed.signal.number())).int(i64::from(code.number()));
                    if let Some(older) = &observed.older {
                        out.value(&older.value)
                            .delta(older.captured_at, self.taken_at)
                            .delta(Some(older.retrieved_at), self.taken_at);
                    }
                }
            }
        }
        out.done()
    }

    /// From the stored form. Signals that this program does not know are left out.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let d = &mut Decoder::new(bytes);
        let fields = array(d)?;
        let taken_at = Timestamp::from_micros(d.i64()?);
        let count = array(d)?;
        let mut signals = Vec::with_capacity(count.min(256));
        for _ in 0..count {
            let len = array(d)?;
            let signal = SignalId::from_number(d.u8()?);
            let (outcome, older) = match len {
                4 => (sample(d, taken_at)?.ok_or(ErrorCode::SERVER_INTERNAL), None),
                _ => {
                    let error = ErrorCode::from_number(d.u8()?).unwrap_or(ErrorCode::SERVER_INTERNAL);
                    (Err(error), if len < 5 { None } else { sample(d, taken_at)? })
                }
            };
            skip(d, len, 5.min(len))?;
            signals.extend(signal.map(|signal| Observed { signal, outcome, older }));
        }
        skip(d, fields, 2)?;
        Ok(Self { taken_at, signals })
    }
}

/// A value with its times; `None` for a value that only a newer program knows.
fn sample(d: &mut Decoder<'_>, base: Timestamp) -> Result<Option<Sample>, Error> {
    let value = value(d)?;
    let captured_at = delta(d, base.as_millis())?;
    let retrieved_at = delta(d, base.as_millis())?.unwrap_or(base);
    Ok(value.map(|value| Sample { value, captured_at, retrieved_at }))
}

impl Out {
    fn with_capacity(bytes: usize) -> Self {
        Self(Encoder::new(Vec::with_capacity(bytes)))
    }

    fn done(self) -> Vec<u8> {
        self.0.into_writer()
    }

    fn put(
        &mut self,
        write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), minicbor::encode::Error<std::convert::Infallible>>,
    ) -> &mut Self {
        write(&mut self.0).expect("a vector takes all bytes");
        self
    }

    fn array(&mut self, len: usize) -> &mut Self {
        self.put(|e| e.array(len as u64)?.ok())
    }

    fn int(&mut self, number: i64) -> &mut Self {
        self.put(|e| e.i64(number)?.ok())
    }

    fn optional(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.int(number),
            None => self.put(|e| e.null()?.ok()),
        }
    }

    /// A time as milliseconds before a base.
    fn delta(&mut self, at: Option<Timestamp>, base: Timestamp) -> &mut Self {
        self.optional(at.map(|at| base.as_millis().saturating_sub(at.as_millis())))
    }

    /// The shortest form that is exact.
    fn number(&mut self, number: f64) -> &mut Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && number.abs() < EXACT {
            return self.int(number as i64);
        }
        let short = number as f32;
        if f64::from(short) == number {
            self.put(|e| e.f32(short)?.ok())
        } else {
            self.put(|e| e.f64(number)?.ok())
        }
    }

    fn maybe(&mut self, number: Option<f64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.put(|e| e.null()?.ok()),
        }
    }

    fn flag(&mut self, flag: Option<bool>) -> &mut Self {
        match flag {
            Some(flag) => self.put(|e| e.bool(flag)?.ok()),
            None => self.put(|e| e.null()?.ok()),
        }
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.put(|e| e.str(text)?.ok())
    }

    fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Flag(flag) => self.flag(Some(*flag)),
            Value::Number(number) => self.number(*number),
            Value::Text(text) => self.text(text),
            Value::Position { latitude, longitude, heading } => {
                self.array(4).int(0).number(*latitude).number(*longitude).maybe(*heading)
            }
            Value::Grid(cells) => {
                self.array(2).int(1).array(cells.len());
                for cell in cells {
                    self.array(5).int(i64::from(cell.row)).int(i64::from(cell.column));
                    self.flag(cell.is_open).flag(cell.is_locked).maybe(cell.pressure);
                }
                self
            }
            Value::Json(text) => self.array(2).int(2).text(text),
        }
    }

    fn signal_state(&mut self, state: &SignalState, base: Timestamp) {
        self.array(if state.value.is_some() { 5 } else { 3 });
        self.int(i64::from(state.signal.number())).delta(Some(state.answered_at), base);
        self.optional(state.fault.map(|fault| i64::from(fault.number())));
        if let Some((value, captured_at, retrieved_at)) = &state.value {
            self.value(value).array(2).delta(*captured_at, base).delta(Some(*retrieved_at), base);
        }
    }

    fn subscription(&mut self, subscription: &Subscription) {
        self.array(8).int(subscription.webhook.0);
        self.put(|e| e.bytes(subscription.id.0.as_bytes())?.ok());
        self.int(subscription.since.as_micros()).int(subscription.next_slot.as_micros());
        self.int(i64::from(subscription.cadence_epoch));
        self.int(subscription.sequence as i64).int(subscription.missed as i64);
        match &subscription.gathering {
            None => self.put(|e| e.null()?.ok()),
            Some(gathering) => self
                .array(4)
                .int(gathering.slot.as_micros())
                .int(gathering.fresh_from.as_micros())
                .int(i64::from(gathering.reads))
                .int(gathering.read_at.as_micros()),
        };
    }
}

fn array(d: &mut Decoder<'_>) -> Result<usize, Error> {
    let len = d.array()?.ok_or_else(|| Error::message("an array without a length"))?;
    usize::try_from(len).map_err(Error::message)
}

/// Skips what a newer program has appended.
fn skip(d: &mut Decoder<'_>, len: usize, known: usize) -> Result<(), Error> {
    (known..len).try_for_each(|_| d.skip())
}

fn optional<'b, T>(
    d: &mut Decoder<'b>,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if d.datatype()? == Type::Null { d.null().map(|()| None) } else { read(d).map(Some) }
}

fn delta(d: &mut Decoder<'_>, base_ms: i64) -> Result<Option<Timestamp>, Error> {
    Ok(optional(d, |d| d.i64())?.map(|before| Timestamp::from_millis(base_ms.saturating_sub(before))))
}

fn number(d: &mut Decoder<'_>) -> Result<f64, Error> {
    match d.datatype()? {
        Type::F32 => d.f32().map(f64::from),
        Type::F64 => d.f64(),
        _ => d.i64().map(|n| n as f64),
    }
}

/// A value; `None` for a kind that only a newer program knows.
fn value(d: &mut Decoder<'_>) -> Result<Option<Value>, Error> {
    Ok(Some(match d.datatype()? {
        Type::Bool => Value::Flag(d.bool()?),
        Type::String => Value::Text(d.str()?.to_owned()),
        Type::Array => return composite(d),
        _ => Value::Number(number(d)?),
    }))
}

fn composite(d: &mut Decoder<'_>) -> Result<Option<Value>, Error> {
    let len = array(d)?;
    Ok(Some(match d.u8()? {
        0 => {
            let (latitude, longitude) = (number(d)?, number(d)?);
            let heading = optional(d, number)?;
            skip(d, len, 4)?;
            Value::Position { latitude, longitude, heading }
        }
        1 => {
            let cells = (0..array(d)?).map(|_| grid_cell(d)).collect::<Result<_, _>>()?;
            skip(d, len, 2)?;
            Value::Grid(cells)
        }
        2 => {
            let text = d.str()?.to_owned();
            skip(d, len, 2)?;
            Value::Json(text)
        }
        _ => return skip(d, len, 1).map(|()| None),
    }))
}

fn grid_cell(d: &mut Decoder<'_>) -> Result<GridCell, Error> {
    let len = array(d)?;
    let cell = GridCell {
        row: d.u8()?,
        column: d.u8()?,
        is_open: optional(d, |d| d.bool())?,
        is_locked: optional(d, |d| d.bool())?,
        pressure: optional(d, number)?,
    };
    skip(d, len, 5)?;
    Ok(cell)
}

fn signal_state(d: &mut Decoder<'_>, base: i64) -> Result<Option<SignalState>, Error> {
    let len = array(d)?;
    let signal = SignalId::from_number(d.u8()?);
    let answered_at = delta(d, base)?.unwrap_or_default();
    let fault =
        optional(d, |d| d.u8())?.map(|n| ErrorCode::from_number(n).unwrap_or(ErrorCode::SERVER_INTERNAL));
    let mut known = None;
    if len > 3 {
        let value = value(d)?;
        let times = array(d)?;
        let captured_at = delta(d, base)?;
        let retrieved_at = delta(d, base)?.unwrap_or(answered_at);
        skip(d, times, 2)?;
        known = value.map(|value| (value, captured_at, retrieved_at));
        skip(d, len, 5)?;
    }
    Ok(signal.map(|signal| SignalState { signal, value: known, answered_at, fault }))
}

fn subscription(d: &mut Decoder<'_>) -> Result<Subscription, Error> {
    let len = array(d)?;
    let webhook = WebhookNo(d.i64()?);
    let id =
        uuid::Uuid::from_slice(d.bytes()?).map(SubscriptionId).map_err(|_| Error::message("not an id"))?;
    let since = Timestamp::from_micros(d.i64()?);
    let next_slot = Timestamp::from_micros(d.i64()?);
    let cadence_epoch = d.u32()?;
    let (sequence, missed) = (d.u64()?, d.u64()?);
    let gathering = optional(d, gathering)?;
    skip(d, len, 8)?;
    Ok(Subscription { webhook, id, since, next_slot, cadence_epoch, gathering, sequence, missed })
}

fn gathering(d: &mut Decoder<'_>) -> Result<Gathering, Error> {
    let len = array(d)?;
    let gathering = Gathering {
        slot: Timestamp::from_micros(d.i64()?),
        fresh_from: Timestamp::from_micros(d.i64()?),
        reads: d.u8()?,
        read_at: Timestamp::from_micros(d.i64()?),
    };
    skip(d, len, 4)?;
    Ok(gathering)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Permission;
    use proptest::prelude::*;

    fn times() -> impl Strategy<Value = Timestamp> {
        (0..4_000_000_000_000i64).prop_map(Timestamp::from_millis)
    }

    fn values() -> impl Strategy<Value = Value> {
        let number =
            prop_oneof![any::<f64>().prop_filter("finite", |n| n.is_finite()), (0..100).prop_map(f64::from)];
        prop_oneof![
            any::<bool>().prop_map(Value::Flag),
            number.clone().prop_map(Value::Number),
            ".{0,12}".prop_map(Value::Text),
            (number.clone(), number.clone(), proptest::option::of(number.clone()))
                .prop_map(|(latitude, longitude, heading)| Value::Position { latitude, longitude, heading }),
            proptest::collection::vec(
                (any::<u8>(), any::<u8>(), any::<Option<bool>>(), any::<Option<bool>>()),
                0..5
            )
            .prop_map(|cells| Value::Grid(
                cells
                    .into_iter()
                    .map(|(row, column, is_open, is_locked)| GridCell {
                        row,
                        column,
                        is_open,
                        is_locked,
                        pressure: is_open.map(|_| 230.5)
                    })
                    .collect()
            )),
            Just(Value::Json(r#"{"a":1}"#.into())),
        ]
    }

    fn states() -> impl Strategy<Value = Vec<SignalState>> {
        let state = (
            proptest::option::of((values(), proptest::option::of(times()), times())),
            times(),
            any::<bool>(),
        );
        proptest::collection::vec(state, 0..30).prop_map(|states| {
            SignalId::all()
                .zip(states)
                .map(|(signal, (value, answered_at, failed))| SignalState {
                    signal,
                    value,
                    answered_at,
                    fault: failed.then_some(ErrorCode::VEHICLE_STATE_ASLEEP),
                })
                .collect()
        })
    }

    fn subscriptions() -> impl Strategy<Value = Vec<Subscription>> {
        let one =
            (any::<u128>(), any::<i64>(), times(), times(), any::<u32>(), any::<bool>(), 0..i64::MAX as u64);
        proptest::collection::vec(one, 0..4).prop_map(|all| {
            all.into_iter()
                .map(|(id, webhook, since, next_slot, cadence_epoch, open, sequence)| Subscription {
                    webhook: WebhookNo(webhook),
                    id: SubscriptionId(uuid::Uuid::from_u128(id)),
                    since,
                    next_slot,
                    cadence_epoch,
                    gathering: open.then_some(Gathering {
                        slot: since,
                        fresh_from: since,
                        reads: 3,
                        read_at: next_slot,
                    }),
                    sequence,
                    missed: sequence / 2,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_stored_reads_back(signals in states(), subscriptions in subscriptions(), bits in any::<u32>()) {
            let document = Document { permissions: PermissionSet::from_bits(bits), signals, subscriptions };
            prop_assert_eq!(Document::decode(&document.encode()), Ok(document.clone()));
            let observation = Observation {
                taken_at: Timestamp::from_millis(1_700_000_000_123),
                signals: document
                    .signals
                    .into_iter()
                    .map(|state| {
                        let sample = state.value.map(|(value, captured_at, retrieved_at)| Sample {
                            value,
                            captured_at,
                            retrieved_at,
                        });
                        let (outcome, older) = match (state.fault, sample) {
                            (None, Some(sample)) => (Ok(sample), None),
                            (fault, older) => (Err(fault.unwrap_or(ErrorCode::PERMISSION)), older),
                        };
                        Observed { signal: state.signal, outcome, older }
                    })
                    .collect(),
            };
            prop_assert_eq!(Observation::decode(&observation.encode()), Ok(observation));
        }

        #[test]
        fn foreign_bytes_are_refused_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::decode(&bytes);
            let _ = Observation::decode(&bytes);
        }
    }

    #[test]
    fn thirty_signals_take_less_than_a_kilobyte() {
        let at = Timestamp::from_millis(1_750_000_000_000);
        let signals = SignalId::all()
            .take(30)
            .map(|signal| SignalState {
                signal,
                value: Some((Value::Number(123.456), Some(at - std::time::Duration::from_secs(9)), at)),
                answered_at: at,
                fault: None,
            })
            .collect();
        let document = Document {
            permissions: PermissionSet::default().with(Permission::ReadVin),
            signals,
            subscriptions: vec![],
        };
        assert!(document.encode().len() < 1_000, "{}", document.encode().len());
    }

    #[test]
    fn what_a_newer_program_appends_is_skipped() {
        let mut out = Out::with_capacity(64);
        out.array(6).int(3).int(0).array(0).array(0).text("new").array(1).int(7);
        let document = Document::decode(&out.done()).expect("an old program reads a newer document");
        assert_eq!(document.permissions.bits(), 3);
    }
}
