//! What commands have set about a simulated car, beyond locks and limits: how it heats, when and how fast it charges, and
//! what stands open.

use domain::vehicle::{BrandCommand, ChargeDays, ChargeHours, MOST_CHARGE_DAYS, MOST_SPANS, Span};
use minicbor::{Decoder, Encoder, data::Type, decode::Error};

/// What commands have set. What was never set is as the car's profile has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// A command has changed the profile of a car that lives day by day: its simulation does not end.
    pub(super) lives_on: bool,
    pub(super) cabin_on: Option<bool>,
    /// Tenths of a degree Celsius.
    pub(super) cabin_target: Option<u16>,
    pub(super) defroster: Option<bool>,
    pub(super) steering_wheel: Option<bool>,
    /// Tenths of an ampere.
    pub(super) amperage: Option<u16>,
    pub(super) charge_time: Option<ChargeTime>,
    pub(super) charge_port: Option<Opened>,
    pub(super) trunk: Option<Opened>,
    pub(super) frunk: Option<Opened>,
    pub(super) charge_days: Option<[Option<ChargeDays>; MOST_CHARGE_DAYS]>,
    pub(super) charge_hours: Option<ChargeHours>,
}

/// When charging starts or has to be done. Only one of the two schedules is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChargeTime {
    pub(super) departure: bool,
    /// Minutes of the day; none where the schedule is off.
    pub(super) minute: Option<u16>,
}

/// Something that was opened or closed from afar, which holds until the car does something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) open: bool,
    /// The stage of the profile in which that was.
    pub(super) stage: u64,
}

impl Opened {
    /// Whether it stands open in a stage, if that was set in it.
    pub(super) fn in_stage(one: Option<Self>, stage: u64) -> Option<bool> {
        one.filter(|opened| opened.stage == stage).map(|opened| opened.open)
    }
}

impl Settings {
    /// As a command leaves them, in a stage of the car's profile.
    #[must_use]
    pub(super) fn after(mut self, command: BrandCommand, stage: u64) -> Self {
        let opened = |open| Some(Opened { open, stage });
        match command {
            BrandCommand::Cabin { on, celsius } => {
                self.cabin_on = on.or(self.cabin_on);
                self.cabin_target = celsius.map(tenths).or(self.cabin_target);
            }
            BrandCommand::Defroster(on) => self.defroster = Some(on),
            BrandCommand::SteeringWheel(on) => self.steering_wheel = Some(on),
            BrandCommand::Amperage(amperes) => self.amperage = Some(tenths(amperes)),
            BrandCommand::ChargeTime { departure, minute } => {
                self.charge_time = Some(ChargeTime { departure, minute });
            }
            BrandCommand::ChargePort(open) => self.charge_port = opened(open),
            BrandCommand::Trunk(open) => self.trunk = opened(open),
            BrandCommand::Frunk => self.frunk = opened(true),
            // Nothing that can be read tells of it.
            BrandCommand::SetPin | BrandCommand::ClearPin => {}
            BrandCommand::ChargeDays(days) => self.charge_days = Some(days),
            BrandCommand::ChargeHours(hours) => self.charge_hours = Some(hours),
        }
        self
    }

    /// In another stage, where nobody has touched the car between the two.
    pub(super) fn carry(&mut self, before: u64, after: u64) {
        for opened in [&mut self.charge_port, &mut self.trunk, &mut self.frunk].into_iter().flatten() {
            if opened.stage == before {
                opened.stage = after;
            }
        }
    }
}

fn tenths(number: f64) -> u16 {
    (number * 10.0).round().clamp(0.0, f64::from(u16::MAX)) as u16
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

impl Settings {
    pub(super) fn encode(&self, e: &mut Encoder<Vec<u8>>) -> Written {
        e.array(12)?.bool(self.lives_on)?.encode(self.cabin_on)?.encode(self.cabin_target)?;
        e.encode(self.defroster)?.encode(self.steering_wheel)?.encode(self.amperage)?;
        match self.charge_time {
            None => e.null()?.ok()?,
            Some(ChargeTime { departure, minute }) => e.array(2)?.bool(departure)?.encode(minute)?.ok()?,
        }
        for opened in [self.charge_port, self.trunk, self.frunk] {
            match opened {
                None => e.null()?.ok()?,
                Some(Opened { open, stage }) => e.array(2)?.bool(open)?.u64(stage)?.ok()?,
            }
        }
        match self.charge_days {
            None => e.null()?.ok()?,
            Some(days) => {
                e.array(days.iter().flatten().count() as u64)?;
                for ChargeDays { start, end, days } in days.into_iter().flatten() {
                    e.array(3)?.u16(start)?.u16(end)?.u8(days)?;
                }
            }
        }
        match self.charge_hours {
            None => e.null()?.ok(),
            Some(hours) => {
                e.array(5)?.f64(hours.latitude)?.f64(hours.longitude)?.f64(hours.limit)?;
                for spans in [hours.weekday, hours.weekend] {
                    e.array(spans.iter().flatten().count() as u64)?;
                    for (start, end) in spans.into_iter().flatten() {
                        e.array(2)?.u8(start)?.u8(end)?;
                    }
                }
                Ok(())
            }
        }
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        d.array()?;
        Ok(Self {
            lives_on: d.bool()?,
            cabin_on: d.decode()?,
            cabin_target: d.decode()?,
            defroster: d.decode()?,
            steering_wheel: d.decode()?,
            amperage: d.decode()?,
            charge_time: optional(d, |d| {
                d.array()?;
                Ok(ChargeTime { departure: d.bool()?, minute: d.decode()? })
            })?,
            charge_port: optional(d, opened)?,
            trunk: optional(d, opened)?,
            frunk: optional(d, opened)?,
            charge_days: optional(d, |d| {
                few(d, |d| {
                    d.array()?;
                    Ok(ChargeDays { start: d.u16()?, end: d.u16()?, days: d.u8()? })
                })
            })?,
            charge_hours: optional(d, |d| {
                d.array()?;
                Ok(ChargeHours {
                    latitude: d.f64()?,
                    longitude: d.f64()?,
                    limit: d.f64()?,
                    weekday: few::<_, MOST_SPANS>(d, span)?,
                    weekend: few::<_, MOST_SPANS>(d, span)?,
                })
            })?,
        })
    }
}

fn optional<T>(
    d: &mut Decoder<'_>,
    read: impl FnOnce(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    match d.datatype()? {
        Type::Null => d.null().map(|()| None),
        _ => read(d).map(Some),
    }
}

fn opened(d: &mut Decoder<'_>) -> Result<Opened, Error> {
    d.array()?;
    Ok(Opened { open: d.bool()?, stage: d.u64()? })
}

fn span(d: &mut Decoder<'_>) -> Result<Span, Error> {
    d.array()?;
    Ok((d.u8()?, d.u8()?))
}

/// A list that has room for what it holds.
fn few<T: Copy, const MOST: usize>(
    d: &mut Decoder<'_>,
    read: impl Fn(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<[Option<T>; MOST], Error> {
    let count = d.array()?.unwrap_or(0);
    if count > MOST as u64 {
        return Err(Error::message("more than there can be"));
    }
    let mut list = [None; MOST];
    for slot in list.iter_mut().take(count as usize) {
        *slot = Some(read(d)?);
    }
    Ok(list)
}

/// What a brand tells of the schedules that were set, as JSON.
pub(super) mod shown {
    use super::{ChargeDays, ChargeHours, ChargeTime, Span};

    const DAYS: [&str; 7] = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];

    /// One of the two schedules of a time.
    pub(in super::super) fn charge_time(set: ChargeTime, departure: bool) -> String {
        match set.minute.filter(|_| set.departure == departure) {
            Some(minute) => format!(r#"{{"enabled":true,"time":"{}"}}"#, time(minute)),
            None => r#"{"enabled":false,"time":null}"#.into(),
        }
    }

    pub(in super::super) fn charge_days(days: &[Option<ChargeDays>]) -> String {
        let one = |set: &ChargeDays| {
            let named = DAYS.iter().enumerate().filter(|(place, _)| set.days & 1 << place != 0);
            let named: Vec<_> = named.map(|(_, day)| format!("\"{day}\"")).collect();
            let (start, end) = (time(set.start), time(set.end));
            format!(r#"{{"start":"{start}","end":"{end}","days":[{}]}}"#, named.join(","))
        };
        let all: Vec<_> = days.iter().flatten().map(one).collect();
        format!("[{}]", all.join(","))
    }

    /// The hours of a charging location.
    pub(in super::super) fn charge_hours(set: &ChargeHours) -> String {
        format!(r#"{{"weekday":[{}],"weekend":[{}]}}"#, spans(&set.weekday), spans(&set.weekend))
    }

    fn spans(spans: &[Option<Span>]) -> String {
        let one = |&(start, end): &Span| format!(r#"{{"start":"{start:02}:00","end":"{end:02}:00"}}"#);
        spans.iter().flatten().map(one).collect::<Vec<_>>().join(",")
    }

    fn time(minute: u16) -> String {
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }
}
