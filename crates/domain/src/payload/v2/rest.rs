//! Bodies of v2 reads that somebody has asked for: the same as in the entries of webhooks, and those of brands.

use super::{
    super::value::{flag, json_number, list, number, text},
    Writer,
    bodies::{self, Ages},
};
use crate::{
    errors::ErrorCode,
    payload::json,
    signal::{BrandRead, Details, Endpoint, Field, Form, IS_CHARGING, Origin, SignalId, Value},
    time::Timestamp,
    units::{UnitSystem, fraction},
    vehicle::{Observation, Sample, VehicleInfo},
};
use std::time::Duration;

/// A read that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// One that every brand has.
    Core(Endpoint),
    /// One of a brand.
    Brand(BrandRead),
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Canonical JSON.
    pub body: String,
    /// When the oldest of its values was measured, where that is told.
    pub data_age: Option<Timestamp>,
    /// When we had it.
    pub fetched_at: Option<Timestamp>,
    /// The units of its values, where that is told.
    pub units: Option<UnitSystem>,
}

impl Read {
    /// The signals that it asks for.
    pub fn signals(self) -> Vec<SignalId> {
        match self {
            Self::Core(endpoint) => endpoint.signals().to_vec(),
            Self::Brand(read) => read.signals().collect(),
        }
    }

    /// Whether it is told in which units its values are. The capacity of a battery is the same in all of them.
    pub fn has_units(self) -> bool {
        match self {
            Self::Core(endpoint) => endpoint.has_units() && endpoint != Endpoint::BatteryCapacity,
            Self::Brand(read) => read.has_units(),
        }
    }

    /// The answer, from what was seen of the vehicle and what its source has added.
    ///
    /// # Errors
    ///
    /// Why there is nothing to show.
    pub fn answer(
        self,
        info: &VehicleInfo,
        observation: &Observation,
        details: Option<&Details>,
        units: UnitSystem,
    ) -> Result<Answer, ErrorCode> {
        let mut body = Writer::with_capacity(256);
        let mut ages = match self {
            Self::Core(endpoint) => bodies::read(&mut body, endpoint, info, observation, units)?,
            Self::Brand(read) => {
                let mut brand =
                    Brand { info, observation, details, units, ages: Ages::default(), failure: None };
                brand.write(&mut body, read)?;
                brand.ages
            }
        };
        // What belongs to the car's papers does not age.
        if self == Self::Core(Endpoint::Vin) {
            ages.measured = None;
        }
        Ok(Answer {
            body: body.finish(),
            data_age: ages.measured,
            fetched_at: ages.fetched,
            units: self.has_units().then_some(units),
        })
    }
}

/// The capacities that a battery may have, where it is not settled which it has.
pub fn capacities(observation: &Observation) -> Vec<f64> {
    let Some(Ok(Sample { value: Value::Json(choice), .. })) =
        observation.get(crate::signal::NOMINAL_CAPACITY)
    else {
        return Vec::new();
    };
    let available = json::member(choice, "availableCapacities").and_then(json::elements);
    let capacity = |one| json_number(json::member(one, "capacity")?);
    available.into_iter().flatten().filter_map(capacity).collect()
}

/// The nominal capacity of a battery that the brand does not settle: what there is, what the owner has chosen, and where
/// that can be done. In kWh.
pub fn capacity_choice(available: &[f64], chosen: Option<f64>, link: &str) -> String {
    let mut w = Writer::with_capacity(512);
    w.object(|w| {
        w.key("availableCapacities").array(|w| {
            for &capacity in available {
                w.object(|w| {
                    w.key("capacity").number(capacity);
                    w.key("description").null();
                });
            }
        });
        w.key("capacity").optional(chosen, |w, chosen| {
            w.object(|w| {
                w.key("nominal").number(chosen);
                w.key("source").plain("USER_SELECTED");
            });
        });
        w.key("url").optional(chosen.is_none().then_some(link), Writer::string);
    });
    w.finish()
}

/// The capacity of a battery as the owner has chosen it, in kWh.
pub fn capacity(chosen: f64) -> String {
    let mut w = Writer::with_capacity(32);
    w.object(|w| w.key("capacity").number(chosen));
    w.finish()
}

/// A time with a beginning or an end, or without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

impl Within {
    /// Whether an object happened in it, by the moment that it has under a name. One without a moment did.
    fn has(self, object: &str, name: &str) -> bool {
        let at = json::member(object, name).map(|at| at.trim_matches('"'));
        let at = at.and_then(|at| at.parse().ok()).map(Timestamp::from_jiff);
        at.is_none_or(|at| {
            self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at <= until)
        })
    }
}

/// The visits of a service history that were within a time; a body of another form stays as it is.
pub fn visits_within(body: &str, within: Within) -> String {
    let Some(visits) = json::elements(body) else { return body.to_owned() };
    let mut kept = Writer::with_capacity(body.len());
    kept.array(|w| visits.filter(|visit| within.has(visit, "serviceDate")).for_each(|visit| w.raw(visit)));
    kept.finish()
}

/// Charging sessions on a page.
const SESSIONS: usize = 50;

/// A page of the charging sessions that began within a time, the first page being 1; a body of another form stays as it is.
pub fn sessions_within(body: &str, within: Within, page: usize) -> String {
    let Some(sessions) = json::member(body, "records").and_then(json::elements) else {
        return body.to_owned();
    };
    let before = SESSIONS.saturating_mul(page - 1);
    let mut wanted = sessions.filter(|session| within.has(session, "chargeStart")).skip(before);
    let mut kept = Writer::with_capacity(body.len());
    kept.object(|w| {
        w.key("records").array(|w| wanted.by_ref().take(SESSIONS).for_each(|session| w.raw(session)));
        if json::member(body, "hasMoreData").is_some() {
            w.key("hasMoreData").flag(wanted.next().is_some());
        }
    });
    kept.finish()
}

/// A read of a brand on its way to a body.
struct Brand<'a> {
    info: &'a VehicleInfo,
    observation: &'a Observation,
    details: Option<&'a Details>,
    units: UnitSystem,
    ages: Ages,
    failure: Option<ErrorCode>,
}

impl<'a> Brand<'a> {
    fn write(&mut self, w: &mut Writer, read: BrandRead) -> Result<(), ErrorCode> {
        if read.only_while_charging() {
            self.check_charging()?;
        }
        w.object(|w| {
            for field in read.fields() {
                self.field(w.key(field.name), field);
            }
        });
        self.failure.map_or(Ok(()), Err)
    }

    fn check_charging(&self) -> Result<(), ErrorCode> {
        match self.observation.get(IS_CHARGING) {
            Some(Ok(Sample { value: Value::Flag(true), .. })) => Ok(()),
            Some(Ok(_)) => Err(ErrorCode::VEHICLE_STATE_NOT_CHARGING),
            Some(Err(error)) => Err(*error),
            None => Err(ErrorCode::UPSTREAM_NO_RESPONSE),
        }
    }

    fn field(&mut self, w: &mut Writer, field: &Field) {
        if field.origin == Origin::Record {
            return self.record(w, field.name);
        }
        match self.value(field) {
            Ok((value, measured)) if put(w, field.form, value, measured, self.units) => {}
            Ok(_) if field.nullable => w.null(),
            Err(_) if field.nullable => w.null(),
            Ok(_) => self.fail(w, ErrorCode::UPSTREAM_INVALID_DATA),
            Err(error) => self.fail(w, error),
        }
    }

    fn fail(&mut self, w: &mut Writer, error: ErrorCode) {
        self.failure.get_or_insert(error);
        w.null();
    }

    fn record(&self, w: &mut Writer, name: &str) {
        match name {
            "id" => w.plain(self.info.id),
            "make" => w.string(&self.info.make),
            "model" => w.string(&self.info.model),
            _ => w.integer(self.info.year.into()),
        }
    }

    /// The value of a field with the moment of its measurement.
    fn value(&mut self, field: &Field) -> Result<(&'a Value, Timestamp), ErrorCode> {
        let error = match field.origin {
            Origin::Signal(signal) => match self.observation.get(signal) {
                Some(Ok(sample)) => {
                    self.ages.add(sample);
                    return Ok((&sample.value, sample.captured_at.unwrap_or(sample.retrieved_at)));
                }
                Some(Err(error)) => *error,
                None => ErrorCode::UPSTREAM_NO_RESPONSE,
            },
            Origin::Record | Origin::Source => ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE,
        };
        let details = self.details.ok_or(error)?;
        let (_, value) = details.values.iter().find(|(name, _)| *name == field.name).ok_or(error)?;
        self.ages.add(&Sample {
            value: Value::Flag(true),
            captured_at: Some(details.captured_at),
            retrieved_at: self.observation.taken_at,
        });
        Ok((value, details.captured_at))
    }
}

/// Writes a value in its form; false, and nothing is written, when it is of another form or there is nothing to say.
fn put(w: &mut Writer, form: Form, value: &Value, measured: Timestamp, units: UnitSystem) -> bool {
    let word = |on: &'static str, off: &'static str| {
        flag(value).map(|flag| if flag { on } else { off }).or_else(|| text(value))
    };
    let quantity = match form {
        Form::Text => return text(value).map(|text| w.string(text)).is_some(),
        Form::Switch => return word("ON", "OFF").map(|word| w.string(word)).is_some(),
        Form::Latch => return word("ENGAGED", "DISENGAGED").map(|word| w.string(word)).is_some(),
        Form::Flag => return flag(value).map(|flag| w.flag(flag)).is_some(),
        Form::List => return list(value).map(|list| w.raw(list)).is_some(),
        Form::Json => {
            let Value::Json(text) = value else { return false };
            if json::has_unsafe_number(text) {
                return false;
            }
            w.raw(text);
            return true;
        }
        Form::Ahead => {
            let minutes = number(value).filter(|&minutes| (0.0..=100_000.0).contains(&minutes));
            let moment = minutes
                .filter(|&minutes| minutes > 0.0)
                .map(|minutes| measured + Duration::from_secs_f64(minutes * 60.0));
            return moment.map(|moment| w.plain(moment)).is_some();
        }
        Form::Limit => bodies::limit_of(value).map(fraction),
        Form::Number => number(value),
        Form::Whole => number(value).map(f64::round),
        Form::Fraction => number(value).map(fraction),
        Form::Kilowatts => number(value).map(|watts| watts / 1_000.0),
        Form::Distance => number(value).map(|km| units.distance(km)),
        Form::Temperature => number(value).map(|celsius| units.temperature(celsius)),
    };
    quantity.map(|quantity| w.number(quantity)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<Timestamp> {
        Some(Timestamp::from_jiff(format!("{text}T00:00:00Z").parse().unwrap()))
    }

    fn session(number: usize, start: &str) -> String {
        format!(r#"{{"recordId":"{number}","chargeStart":"{start}T20:00:00.000Z"}}"#)
    }

    #[test]
    fn sessions_are_told_by_time_and_by_page() {
        let within = |from, until| Within { from, until };
        let body = format!(r#"{{"records":[{},{}]}}"#, session(1, "2026-03-01"), session(2, "2026-03-02"));
        assert_eq!(sessions_within(&body, Within::default(), 1), body);
        let second = format!(r#"{{"records":[{}]}}"#, session(2, "2026-03-02"));
        assert_eq!(sessions_within(&body, within(day("2026-03-02"), None), 1), second);
        let first = format!(r#"{{"records":[{}]}}"#, session(1, "2026-03-01"));
        assert_eq!(sessions_within(&body, within(None, day("2026-03-02")), 1), first);
        assert_eq!(sessions_within(&body, Within::default(), 2), r#"{"records":[]}"#);
        assert_eq!(sessions_within(r#"{"records":null}"#, Within::default(), 2), r#"{"records":null}"#);

        let many: Vec<_> = (0..SESSIONS + 1).map(|number| session(number, "2026-03-01")).collect();
        let body = format!(r#"{{"records":[{}],"hasMoreData":false}}"#, many.join(","));
        let (first, second) = (many[..SESSIONS].join(","), &many[SESSIONS]);
        let page = |number| sessions_within(&body, Within::default(), number);
        assert_eq!(page(1), format!(r#"{{"records":[{first}],"hasMoreData":true}}"#));
        assert_eq!(page(2), format!(r#"{{"records":[{second}],"hasMoreData":false}}"#));
    }

    #[test]
    fn a_number_that_javascript_cannot_hold_is_not_written_in_any_form() {
        let (measured, units) = (Timestamp::from_secs(1_800_000_000), UnitSystem::Imperial);
        let written = |form, value: Value| {
            let mut w = Writer::with_capacity(64);
            put(&mut w, form, &value, measured, units).then(|| w.finish())
        };
        let list = Value::Json(r#"{"values":[{"odometer":100000000000000000000}]}"#.into());
        assert_eq!(written(Form::Json, list.clone()), None);
        assert_eq!(written(Form::List, list), None);
        for form in
            [Form::Number, Form::Whole, Form::Kilowatts, Form::Distance, Form::Temperature, Form::Fraction]
        {
            for number in [1e20, 1.7e308, f64::NAN, f64::INFINITY] {
                assert_eq!(written(form, Value::Number(number)), None, "{form:?} {number}");
            }
        }
        assert_eq!(written(Form::Temperature, Value::Number(20.0)).as_deref(), Some("68"));
    }

    #[test]
    fn visits_are_told_by_time() {
        let body = r#"[{"serviceDate":"2026-03-01T09:00:00.000Z"},{"serviceDate":null}]"#;
        let within = Within { from: day("2026-03-02"), until: None };
        assert_eq!(visits_within(body, within), r#"[{"serviceDate":null}]"#);
        assert_eq!(visits_within(body, Within::default()), body);
    }
}
