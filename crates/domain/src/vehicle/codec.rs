//! How documents and observations are stored: CBOR arrays whose positions never change their meaning.
//!
//! New fields are appended, so an old document is readable by a newer program; what a program does not know at the end
//! of an array is skipped, so the other way round holds too. Times are milliseconds relative to a base in the same
//! item, numbers take the shortest exact form: 30 signals stay below 1 KB.

use minicbor::{Decoder, Encoder, data::Type, decode::Error};

use super::{
    Cause, Document, Doubt, FeedKey, Fired, Forgotten, Gathering, Judged, Observation, Observed, Order,
    Pushes, Reading, Renumbered, Sample, SignalState, Subscription, Told, Verdict, Watching, readings::HELD,
};
use crate::{
    connect::PermissionSet,
    errors::ErrorCode,
    ids::{SubscriptionId, WebhookNo},
    signal::{Direction, GridCell, LocationType, SignalId, Value},
    time::Timestamp,
    webhook::ChargingEvent,
};

/// Where the numbers of charging events begin, above those of signals.
const CHARGING: i64 = 256;

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
        out.array(6).int(i64::from(self.permissions.bits())).int(base.as_millis());
        out.array(self.signals.len());
        for state in &self.signals {
            out.signal_state(state, base);
        }
        out.array(self.subscriptions.len());
        for subscription in &self.subscriptions {
            out.subscription(subscription);
        }
        out.watching(&self.watching);
        out.pushes(&self.pushes);
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
        let watching = if fields > 4 { watching(d)? } else { Watching::default() };
        let pushes = if fields > 5 { pushes(d)? } else { Pushes::default() };
        skip(d, fields, 6.min(fields))?;
        Ok(Self { permissions, signals, subscriptions, watching, pushes })
    }
}

impl Observation {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::with_capacity(16 + 24 * self.signals.len());
        let causes = !self.causes.is_empty();
        out.array(2 + usize::from(causes)).int(self.taken_at.as_micros()).array(self.signals.len());
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
        if causes {
            out.array(self.causes.len());
            self.causes.iter().for_each(|cause| out.cause(cause));
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
        let mut causes = Vec::new();
        if fields > 2 {
            for _ in 0..array(d)? {
                causes.extend(cause(d)?);
            }
        }
        skip(d, fields, 3.min(fields))?;
        Ok(Self { taken_at, signals, causes })
    }
}

/// Why a webhook is told; `None` for something that only a newer program knows.
fn cause(d: &mut Decoder<'_>) -> Result<Option<Cause>, Error> {
    let len = array(d)?;
    let (webhook, sequence, number) = (WebhookNo(d.i64()?), d.i64()? as u64, d.i64()?);
    let before = optional(d, value)?.flatten();
    skip(d, len, 4)?;
    let fired = match usize::try_from(number - CHARGING) {
        Ok(event) => ChargingEvent::ALL.get(event).copied().map(Fired::Charging),
        Err(_) => u8::try_from(number).ok().and_then(SignalId::from_number).map(Fired::Signal),
    };
    Ok(fired.map(|fired| Cause { webhook, sequence, fired, before }))
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
            Value::Position { latitude, longitude, heading, direction, location_type } => {
                let more = direction.is_some() || location_type.is_some();
                self.array(if more { 6 } else { 4 })
                    .int(0)
                    .number(*latitude)
                    .number(*longitude)
                    .maybe(*heading);
                if more {
                    self.optional(direction.map(|direction| i64::from(direction.number())));
                    self.optional(location_type.map(|kind| i64::from(kind.number())));
                }
                self
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

    fn cause(&mut self, cause: &Cause) {
        self.array(4).int(cause.webhook.0).int(cause.sequence as i64);
        self.int(match cause.fired {
            Fired::Signal(signal) => i64::from(signal.number()),
            Fired::Charging(event) => CHARGING + event as i64,
        });
        match &cause.before {
            Some(value) => self.value(value),
            None => self.null(),
        };
    }

    fn signal_state(&mut self, state: &SignalState, base: Timestamp) {
        let judged = state.judged.is_some() || state.sequence.is_some();
        let more = state.estimated
            || state.forgotten.is_some()
            || state.doubt.is_some()
            || state.renumbered.is_some();
        let judged = judged || more;
        self.array(match (state.value.is_some(), judged) {
            (_, true) if more => 9,
            (_, true) => 7 + usize::from(state.sequence.is_some()),
            (true, false) => 5,
            (false, false) => 3,
        });
        self.int(i64::from(state.signal.number())).delta(Some(state.answered_at), base);
        self.optional(state.fault.map(|fault| i64::from(fault.number())));
        match &state.value {
            Some((value, captured_at, retrieved_at)) => {
                self.value(value).array(2).delta(*captured_at, base).delta(Some(*retrieved_at), base);
            }
            None if judged => {
                self.null().null();
            }
            None => {}
        }
        if judged {
            self.optional(state.sequence.and_then(|(_, number)| i64::try_from(number).ok()));
            self.judged(state.judged.as_ref(), base);
            match state.sequence {
                Some((feed, _)) => {
                    self.int(i64::from(feed.0));
                }
                None if more => {
                    self.int(0);
                }
                None => {}
            }
        }
        if more {
            self.doubts(state, base);
        }
    }

    /// What makes a state doubtful: appended, and left out where there is none.
    fn doubts(&mut self, state: &SignalState, base: Timestamp) {
        self.array(4).flag(Some(state.estimated));
        match &state.forgotten {
            Some(Forgotten { value, since, measured_at }) => {
                self.array(3).value(value).delta(Some(*since), base).delta(Some(*measured_at), base)
            }
            None => self.null(),
        };
        match &state.doubt {
            Some(Doubt { value, at, count }) => {
                self.array(3).value(value).delta(Some(*at), base).int(i64::from(*count))
            }
            None => self.null(),
        };
        match state.renumbered {
            Some(Renumbered { number, count }) => {
                self.array(2).int(number.cast_signed()).int(i64::from(count))
            }
            None => self.null(),
        };
    }

    fn judged(&mut self, judged: Option<&Judged>, base: Timestamp) {
        let Some(judged) = judged else {
            self.null();
            return;
        };
        self.array(7).int(i64::from(judged.verdict as u8));
        self.delta(Some(judged.observed_at), base).delta(Some(judged.received_at), base);
        self.flag(Some(judged.pushed));
        match &judged.refused {
            Some(value) => self.value(value),
            None => self.null(),
        };
        match &judged.before {
            Some((value, at)) => self.value(value).delta(Some(*at), base),
            None => self.null().null(),
        };
    }

    fn watching(&mut self, watching: &Watching) {
        self.array(5).optional(watching.read_at.map(Timestamp::as_micros)).int(i64::from(watching.quiet));
        self.optional(watching.source_fault.map(|fault| i64::from(fault.number())));
        // Whether the vehicle charges stood here; its signals say it.
        self.null().flag(Some(watching.approved));
    }

    fn pushes(&mut self, pushes: &Pushes) {
        self.array(3).flag(Some(pushes.only));
        let seen: Vec<u8> = pushes.seen.iter().flat_map(|id| id.to_le_bytes()).collect();
        self.put(|e| e.bytes(&seen)?.ok());
        self.array(pushes.held.len());
        for reading in &pushes.held {
            self.array(9 + usize::from(reading.reset)).int(i64::from(reading.signal.number()));
            match &reading.value {
                Some(value) => self.value(value),
                None => self.null(),
            };
            self.optional(reading.observed_at.map(Timestamp::as_micros)).int(reading.received_at.as_micros());
            match reading.order {
                Order::Observed => self.int(0).null(),
                Order::Delivery => self.int(1).null(),
                Order::Sequence(number) => self.int(2).int(number as i64),
            };
            self.optional(reading.id.map(|id| id as i64)).int(reading.hold.as_millis() as i64);
            self.int(i64::from(reading.feed.0));
            if reading.reset {
                self.flag(Some(true));
            }
        }
    }

    fn null(&mut self) -> &mut Self {
        self.put(|e| e.null()?.ok())
    }

    fn told(&mut self, told: &Told) {
        self.array(3).int(i64::from(told.epoch)).array(told.baselines.len());
        for (signal, value) in &told.baselines {
            self.array(2).int(i64::from(signal.number())).value(value);
        }
        self.array(told.open_errors.len());
        for (code, of) in &told.open_errors {
            self.array(2).int(i64::from(code.number()));
            self.optional(of.map(|signal| i64::from(signal.number())));
        }
    }

    fn subscription(&mut self, subscription: &Subscription) {
        let told = subscription.told != Told::default();
        self.array(8 + usize::from(told)).int(subscription.webhook.0);
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
        if told {
            self.told(&subscription.told);
        }
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
            let (direction, location_type) = match len {
                ..6 => (None, None),
                _ => (
                    optional(d, |d| d.u8())?.and_then(Direction::from_number),
                    optional(d, |d| d.u8())?.and_then(LocationType::from_number),
                ),
            };
            skip(d, len, if len < 6 { 4.min(len) } else { 6 })?;
            Value::Position { latitude, longitude, heading, direction, location_type }
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
    let mut state = signal.map(SignalState::new);
    let answered_at = delta(d, base)?.unwrap_or_default();
    let fault =
        optional(d, |d| d.u8())?.map(|n| ErrorCode::from_number(n).unwrap_or(ErrorCode::SERVER_INTERNAL));
    let mut known = None;
    if len > 3 {
        let value = optional(d, value)?.flatten();
        let times = optional(d, |d| times(d, base))?;
        known = value.zip(times).map(|(value, (captured_at, retrieved_at))| {
            (value, captured_at, retrieved_at.unwrap_or(answered_at))
        });
    }
    let (mut counted, mut judgement) = (None, None);
    if len > 5 {
        let sequence = optional(d, |d| d.u64())?;
        judgement = optional(d, |d| judged(d, base))?.flatten();
        let feed = if len > 7 { d.u32()? } else { 0 };
        counted = sequence.map(|number| (FeedKey(feed), number));
    }
    if len > 8 {
        doubts(d, base, state.as_mut())?;
    }
    skip(d, len, 9.min(len))?;
    if let Some(state) = &mut state {
        (state.answered_at, state.fault, state.value) = (answered_at, fault, known);
        (state.sequence, state.judged) = (counted, judgement);
    }
    Ok(state)
}

fn doubts(d: &mut Decoder<'_>, base: i64, state: Option<&mut SignalState>) -> Result<(), Error> {
    let len = array(d)?;
    let estimated = d.bool()?;
    let forgotten = optional(d, |d| {
        let len = array(d)?;
        let (value, since) = (value(d)?, delta(d, base)?.unwrap_or_default());
        // Older programs have not kept when it was true.
        let measured_at = if len > 2 { delta(d, base)?.unwrap_or(since) } else { since };
        skip(d, len, 3.min(len))?;
        Ok(value.map(|value| Forgotten { value, since, measured_at }))
    })?;
    let doubt = optional(d, |d| {
        let len = array(d)?;
        let doubt = (value(d)?, delta(d, base)?.unwrap_or_default(), d.u8()?);
        skip(d, len, 3).map(|()| doubt)
    })?;
    let renumbered = optional(d, |d| {
        let len = array(d)?;
        let renumbered = Renumbered { number: d.i64()?.cast_unsigned(), count: d.u8()? };
        skip(d, len, 2).map(|()| renumbered)
    })?;
    skip(d, len, 4)?;
    if let Some(state) = state {
        state.estimated = estimated;
        state.forgotten = forgotten.flatten();
        state.doubt = doubt.and_then(|(value, at, count)| Some(Doubt { value: value?, at, count }));
        state.renumbered = renumbered;
    }
    Ok(())
}

fn times(d: &mut Decoder<'_>, base: i64) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
    let len = array(d)?;
    let times = (delta(d, base)?, delta(d, base)?);
    skip(d, len, 2)?;
    Ok(times)
}

/// A judgement; `None` for one that only a newer program knows.
fn judged(d: &mut Decoder<'_>, base: i64) -> Result<Option<Judged>, Error> {
    let len = array(d)?;
    let verdict = Verdict::from_number(d.u8()?);
    let observed_at = delta(d, base)?.unwrap_or_default();
    let received_at = delta(d, base)?.unwrap_or_default();
    let pushed = d.bool()?;
    let refused = optional(d, value)?.flatten();
    let before = optional(d, value)?.flatten();
    let before = before.zip(delta(d, base)?);
    skip(d, len, 7)?;
    Ok(verdict.map(|verdict| Judged { verdict, observed_at, received_at, pushed, refused, before }))
}

fn micros(d: &mut Decoder<'_>) -> Result<Timestamp, Error> {
    d.i64().map(Timestamp::from_micros)
}

fn watching(d: &mut Decoder<'_>) -> Result<Watching, Error> {
    let len = array(d)?;
    let watching = Watching {
        read_at: optional(d, micros)?,
        quiet: d.u8()?,
        source_fault: optional(d, |d| d.u8())?
            .map(|n| ErrorCode::from_number(n).unwrap_or(ErrorCode::SERVER_INTERNAL)),
        approved: {
            d.skip()?;
            d.bool()?
        },
    };
    skip(d, len, 5)?;
    Ok(watching)
}

fn pushes(d: &mut Decoder<'_>) -> Result<Pushes, Error> {
    let len = array(d)?;
    let only = d.bool()?;
    let seen = d.bytes()?.as_chunks::<8>().0.iter().map(|id| u64::from_le_bytes(*id)).collect();
    let mut held = Vec::new();
    for _ in 0..array(d)? {
        held.extend(reading(d)?);
    }
    skip(d, len, 3)?;
    Ok(Pushes { only, seen, held })
}

/// A held reading; `None` for one that only a newer program understands.
fn reading(d: &mut Decoder<'_>) -> Result<Option<Reading>, Error> {
    let len = array(d)?;
    let signal = SignalId::from_number(d.u8()?);
    let value = optional(d, value)?;
    let (observed_at, received_at) = (optional(d, micros)?, micros(d)?);
    let (order, number) = (d.u8()?, optional(d, |d| d.i64())?);
    let id = optional(d, |d| d.i64())?.map(|id| id as u64);
    let hold = std::time::Duration::from_millis(d.u64()?);
    let feed = FeedKey(if len > 8 { d.u32()? } else { 0 });
    let reset = len > 9 && d.bool()?;
    skip(d, len, 10.min(len))?;
    let order = match (order, number) {
        (1, _) => Order::Delivery,
        (2, Some(number)) => Order::Sequence(number as u64),
        _ => Order::Observed,
    };
    // A value of a kind that only a newer program knows; none at all is one that is no longer known.
    let known = signal.filter(|_| !matches!(value, Some(None)));
    Ok(known.map(|signal| Reading {
        feed,
        signal,
        value: value.flatten(),
        reset,
        place: HELD,
        observed_at,
        received_at,
        order,
        id,
        hold,
    }))
}

fn told(d: &mut Decoder<'_>) -> Result<Told, Error> {
    let len = array(d)?;
    let epoch = d.u32()?;
    let mut baselines = Vec::new();
    for _ in 0..array(d)? {
        let fields = array(d)?;
        let (signal, value) = (SignalId::from_number(d.u8()?), value(d)?);
        skip(d, fields, 2)?;
        baselines.extend(signal.zip(value));
    }
    let mut open_errors = Vec::new();
    for _ in 0..array(d)? {
        let fields = array(d)?;
        let code = ErrorCode::from_number(d.u8()?);
        let of = optional(d, |d| d.u8())?.map(SignalId::from_number);
        skip(d, fields, 2)?;
        match (code, of) {
            (Some(code), None) => open_errors.push((code, None)),
            (Some(code), Some(Some(signal))) => open_errors.push((code, Some(signal))),
            // Of a signal or an error that only a newer program knows.
            _ => {}
        }
    }
    skip(d, len, 3)?;
    Ok(Told { epoch, baselines, open_errors })
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
    let told = if len > 8 { told(d)? } else { Told::default() };
    skip(d, len, 9.min(len))?;
    Ok(Subscription { webhook, id, since, next_slot, cadence_epoch, gathering, sequence, missed, told })
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
            (number.clone(), number.clone(), proptest::option::of(number.clone()), 0..9u8).prop_map(
                |(latitude, longitude, heading, word)| Value::Position {
                    latitude,
                    longitude,
                    heading,
                    direction: Direction::from_number(word),
                    location_type: LocationType::from_number(word),
                }
            ),
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

    fn causes() -> impl Strategy<Value = Vec<Cause>> {
        let fired = prop_oneof![
            Just(Fired::Signal(crate::signal::DOORS)),
            Just(Fired::Charging(ChargingEvent::Completed)),
        ];
        let cause = (1..99i64, 0..i64::MAX as u64, fired, proptest::option::of(values()));
        let cause = cause.prop_map(|(webhook, sequence, fired, before)| {
            let webhook = WebhookNo(webhook);
            Cause { webhook, sequence, fired, before }
        });
        proptest::collection::vec(cause, 0..3)
    }

    fn states() -> impl Strategy<Value = Vec<SignalState>> {
        let state = (
            proptest::option::of((values(), proptest::option::of(times()), times())),
            times(),
            any::<bool>(),
            proptest::option::of(judgements()),
            proptest::option::of((any::<u32>().prop_map(FeedKey), 0..i64::MAX as u64)),
            doubtful(),
        );
        proptest::collection::vec(state, 0..30).prop_map(|states| {
            SignalId::all()
                .zip(states)
                .map(|(signal, (value, answered_at, failed, judged, sequence, doubtful))| SignalState {
                    signal,
                    value,
                    answered_at,
                    fault: failed.then_some(ErrorCode::VEHICLE_STATE_ASLEEP),
                    judged,
                    sequence,
                    estimated: doubtful.0,
                    forgotten: doubtful.1.map(|(value, since, measured_at)| Forgotten {
                        value,
                        since,
                        measured_at,
                    }),
                    doubt: doubtful.2.map(|(value, at, count)| Doubt { value, at, count }),
                    renumbered: doubtful.3.map(|(number, count)| Renumbered { number, count }),
                })
                .collect()
        })
    }

    type Doubtful =
        (bool, Option<(Value, Timestamp, Timestamp)>, Option<(Value, Timestamp, u8)>, Option<(u64, u8)>);

    fn doubtful() -> impl Strategy<Value = Doubtful> {
        (
            any::<bool>(),
            proptest::option::of((values(), times(), times())),
            proptest::option::of((values(), times(), any::<u8>())),
            proptest::option::of(any::<(u64, u8)>()),
        )
    }

    fn judgements() -> impl Strategy<Value = Judged> {
        let before = proptest::option::of((values(), times()));
        let (refused, pushed) = (proptest::option::of(values()), any::<bool>());
        (0..10u8, times(), times(), pushed, refused, before).prop_map(
            |(verdict, observed_at, received_at, pushed, refused, before)| {
                let verdict = Verdict::from_number(verdict).unwrap();
                Judged { verdict, observed_at, received_at, pushed, refused, before }
            },
        )
    }

    fn watchings() -> impl Strategy<Value = Watching> {
        let read_at = proptest::option::of(times());
        (read_at, any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(read_at, quiet, failed, approved)| {
            let source_fault = failed.then_some(ErrorCode::VEHICLE_STATE_UNREACHABLE);
            Watching { read_at, quiet, source_fault, approved }
        })
    }

    fn pushes() -> impl Strategy<Value = Pushes> {
        let order = prop_oneof![
            Just(Order::Observed),
            Just(Order::Delivery),
            (0..i64::MAX as u64).prop_map(Order::Sequence)
        ];
        let held = (
            proptest::option::of(values()),
            proptest::option::of(times()),
            times(),
            order,
            any::<Option<u64>>(),
            0..9_999u64,
        );
        let held = held.prop_map(|(value, observed_at, received_at, order, id, hold)| Reading {
            feed: FeedKey(hold as u32),
            signal: crate::signal::SPEED,
            value,
            observed_at,
            received_at,
            order,
            id,
            hold: std::time::Duration::from_millis(hold),
            reset: hold % 2 == 0,
            place: HELD,
        });
        let (seen, held) =
            (proptest::collection::vec(any::<u64>(), 0..9), proptest::collection::vec(held, 0..4));
        (any::<bool>(), seen, held).prop_map(|(only, seen, held)| Pushes { only, seen, held })
    }

    fn tolds() -> impl Strategy<Value = Told> {
        let error = prop_oneof![Just(None), Just(Some(crate::signal::DOORS))];
        let baselines =
            proptest::collection::vec(values().prop_map(|value| (crate::signal::SPEED, value)), 0..3);
        let open = error.prop_map(|of| (ErrorCode::VEHICLE_STATE_ASLEEP, of));
        (any::<u32>(), baselines, proptest::collection::vec(open, 0..3))
            .prop_map(|(epoch, baselines, open_errors)| Told { epoch, baselines, open_errors })
    }

    fn subscriptions() -> impl Strategy<Value = Vec<Subscription>> {
        let one = (
            any::<u128>(),
            any::<i64>(),
            times(),
            times(),
            any::<u32>(),
            any::<bool>(),
            0..i64::MAX as u64,
            tolds(),
        );
        proptest::collection::vec(one, 0..4).prop_map(|all| {
            all.into_iter()
                .map(|(id, webhook, since, next_slot, cadence_epoch, open, sequence, told)| Subscription {
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
                    told,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_stored_reads_back(
            signals in states(),
            subscriptions in subscriptions(),
            bits in any::<u32>(),
            watching in watchings(),
            pushes in pushes(),
            causes in causes(),
        ) {
            let permissions = PermissionSet::from_bits(bits);
            let document = Document { permissions, signals, subscriptions, watching, pushes };
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
                causes,
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
                ..SignalState::new(signal)
            })
            .collect();
        let document = Document {
            permissions: PermissionSet::default().with(Permission::ReadVin),
            signals,
            ..Document::default()
        };
        assert!(document.encode().len() < 1_000, "{}", document.encode().len());
    }

    #[test]
    fn what_a_newer_program_appends_is_skipped() {
        let mut out = Out::with_capacity(64);
        out.array(8).int(3).int(0).array(0).array(0);
        out.watching(&Watching::default());
        out.pushes(&Pushes::default());
        out.text("new").array(1).int(7);
        let document = Document::decode(&out.done()).expect("an old program reads a newer document");
        assert_eq!(document.permissions.bits(), 3);
    }

    #[test]
    fn a_document_from_before_webhooks_watched_vehicles_is_readable() {
        let mut out = Out::with_capacity(64);
        out.array(4).int(3).int(1_000).array(1).array(5).int(73).int(0).optional(None);
        out.number(12.5).array(2).int(9).int(0).array(1).array(8).int(1);
        out.put(|e| e.bytes(&[7; 16])?.ok());
        out.int(0).int(5).int(1).int(2).int(3).optional(None);
        let document = Document::decode(&out.done()).expect("a new program reads an older document");
        assert_eq!(document.value(crate::signal::ODOMETER), Some(&Value::Number(12.5)));
        assert_eq!(document.subscriptions[0].told, Told::default());
        assert_eq!(document.watching, Watching::default());
    }
}
