//! Reading a value as a sender writes it: JSON, in the form of its signal.
//!
//! A scalar stands alone or as `{"value":…,"unit":"…"}`; whatever has more to it is the body of the catalogue. A unit that is
//! known is converted. `null` says that the value is no longer known; a body in which nothing is known says nothing. What
//! is not taken of a body is named, so that its sender learns of it. Whether a number can be is not asked here:
//! [`valid`](super::valid) does.

use super::{
    Direction, GridCell, LocationType, SignalId, Value,
    form::{
        Cells, Composite, Form, MOST_CELLS, MOST_ITEMS, MOST_PLACES, Member, Number, Ordering, Shape, TYRE,
    },
    validity::{Invalid, is_heading, listed, means_nothing, reduced},
};
use crate::payload::json::{canonical, elements, member, members, text_of};

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The value; none says that it is no longer known. A body in which nothing is known is an empty text, which is no
    /// value of any signal: it says nothing, and what was known stands.
    pub value: Option<Value>,
    /// The parts that were left out, by their path: `values[1].tirePressure`.
    pub ignored: Vec<String>,
}

impl Read {
    const NO_LONGER_KNOWN: Self = Self { value: None, ignored: Vec::new() };

    /// A body in which nothing is known.
    const fn nothing() -> Self {
        Self::whole(Value::Text(String::new()))
    }

    const fn whole(value: Value) -> Self {
        Self { value: Some(value), ignored: Vec::new() }
    }
}

/// Parts that are named; there may be more.
const MOST_NAMED: usize = 16;

/// The value that a JSON text says of a signal.
///
/// # Errors
///
/// Why it is none, for its sender.
pub fn read(signal: SignalId, text: &str) -> Result<Read, String> {
    let text = text.trim();
    let form = signal.form();
    let taken = match text.as_bytes().first() {
        Some(b'n') if text == "null" => Ok(Read::NO_LONGER_KNOWN),
        Some(b't') if text == "true" => flag(form, true),
        Some(b'f') if text == "false" => flag(form, false),
        Some(b'"') => match text_of(text) {
            Some(word) => scalar(form, &word),
            None => Err(Unread::Json("a text that is not complete")),
        },
        Some(b'{' | b'[') => match canonical(text) {
            Ok(body) => object(form, &body),
            Err(malformed) => Err(Unread::Json(malformed.what)),
        },
        _ => match text.parse::<f64>() {
            Ok(number) => bare_number(form, number),
            Err(_) => Err(Unread::Json("no value")),
        },
    };
    taken.map_err(|unread| {
        let code = &signal.entry().code;
        match unread {
            Unread::Invalid(Invalid::Unlisted) => {
                let given: String = text.chars().take(64).collect();
                format!("{code} takes {}, not {given}", form.describe())
            }
            Unread::Invalid(invalid) => invalid.describe(signal),
            Unread::Unit(unit) => {
                let units: Vec<&str> =
                    form.number().map(|number| number.dimension.words().collect()).unwrap_or_default();
                format!("{code} takes {}, not {unit:?}", units.join(", "))
            }
            Unread::Json(what) => format!("value: {what}"),
        }
    })
}

/// Why a text is no value.
#[derive(Debug)]
pub(super) enum Unread {
    Invalid(Invalid),
    Unit(String),
    Json(&'static str),
}

impl From<Invalid> for Unread {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

fn flag(form: &Form, flag: bool) -> Result<Read, Unread> {
    match form {
        Form::Flag => Ok(Read::whole(Value::Flag(flag))),
        Form::Opening(_) => {
            Ok(Read::whole(Value::Grid(vec![GridCell { is_open: Some(flag), ..GridCell::default() }])))
        }
        _ => Err(Invalid::Form.into()),
    }
}

fn bare_number(form: &Form, number: f64) -> Result<Read, Unread> {
    match form {
        Form::Number(_) | Form::Composite(Composite { bare: Some(Form::Number(_)), .. }) => {
            Ok(Read::whole(Value::Number(number)))
        }
        _ => Err(Invalid::Form.into()),
    }
}

/// A word. One that means nothing is taken for every form: it is judged as such.
fn scalar(form: &Form, word: &str) -> Result<Read, Unread> {
    let text = || Ok(Read::whole(Value::Text(word.to_owned())));
    match form {
        _ if means_nothing(word) => text(),
        Form::Word(words) | Form::Composite(Composite { bare: Some(Form::Word(words)), .. }) => {
            let word = listed(words, word).ok_or(Invalid::Unlisted)?;
            Ok(Read::whole(Value::Text(word.into())))
        }
        Form::Text { max_bytes }
        | Form::Composite(Composite { bare: Some(Form::Text { max_bytes }), .. }) => {
            if word.len() > *max_bytes { Err(Invalid::TooLong.into()) } else { text() }
        }
        _ => Err(Invalid::Form.into()),
    }
}

/// A body in canonical form.
pub(super) fn object(form: &Form, body: &str) -> Result<Read, Unread> {
    let unit = member(body, "unit").and_then(text_of);
    match form {
        Form::Grid(cells) => grid(*cells, body, unit.as_deref()),
        Form::Opening(_) => opening(body),
        Form::Position => position(body),
        Form::Composite(composite) => {
            let (bare, only) = (member(body, "value"), is_only(body, &["value", "unit"]));
            match (bare, composite.bare) {
                (Some(bare), Some(form)) if only => value_of(form, bare, unit.as_deref()),
                _ => of_composite(composite, body),
            }
        }
        Form::Flag | Form::Number(_) | Form::Word(_) | Form::Text { .. } => {
            let value = member(body, "value").ok_or(Invalid::Form)?;
            let mut read = value_of(form, value, unit.as_deref())?;
            read.ignored = others(body, &["value", "unit"]);
            Ok(read)
        }
    }
}

/// The scalar of a body, in the unit that the body names.
fn value_of(form: &Form, value: &str, unit: Option<&str>) -> Result<Read, Unread> {
    match (value, form) {
        ("null", _) => Ok(Read::NO_LONGER_KNOWN),
        ("true", _) => flag(form, true),
        ("false", _) => flag(form, false),
        (text, _) if text.starts_with('"') => scalar(form, &text_of(text).unwrap_or_default()),
        (number, Form::Number(of)) => {
            let number = number.parse::<f64>().map_err(|_| Invalid::Form)?;
            Ok(Read::whole(Value::Number(converted(of, number, unit)?)))
        }
        _ => Err(Invalid::Form.into()),
    }
}

fn converted(of: &Number, number: f64, unit: Option<&str>) -> Result<f64, Unread> {
    let Some(unit) = unit else { return Ok(number) };
    of.dimension.convert(number, unit).ok_or_else(|| Unread::Unit(unit.to_owned()))
}

fn is_only(body: &str, names: &[&str]) -> bool {
    members(body).all(|(key, _)| names.contains(&key))
}

/// The members of a body besides those that are taken.
fn others(body: &str, taken: &[&str]) -> Vec<String> {
    let others = members(body).filter(|(key, value)| !taken.contains(key) && *value != "null");
    others.map(|(key, _)| key.to_owned()).take(MOST_NAMED).collect()
}

fn position(body: &str) -> Result<Read, Unread> {
    let degrees = |key| match member(body, key) {
        None | Some("null") => Ok(None),
        Some(degrees) => degrees.parse::<f64>().map(Some).map_err(|_| Unread::from(Invalid::Form)),
    };
    if members(body).next().is_none()
        || member(body, "latitude").is_none() && member(body, "longitude").is_none()
    {
        return Err(Invalid::Form.into());
    }
    let (Some(latitude), Some(longitude)) = (degrees("latitude")?, degrees("longitude")?) else {
        return Ok(Read::nothing());
    };
    let mut ignored = others(body, &["latitude", "longitude", "heading", "direction", "locationType"]);
    let heading = degrees("heading").ok().flatten().filter(|&heading| is_heading(heading));
    let word = |key| member(body, key).and_then(text_of);
    let direction = word("direction").and_then(|word| Direction::from_word(&word));
    let location_type = word("locationType").and_then(|word| LocationType::from_word(&word));
    for (key, taken) in [
        ("heading", heading.is_some()),
        ("direction", direction.is_some()),
        ("locationType", location_type.is_some()),
    ] {
        if !taken && says_something(member(body, key)) {
            ignored.push(key.into());
        }
    }
    Ok(Read {
        value: Some(Value::Position { latitude, longitude, heading, direction, location_type }),
        ignored,
    })
}

/// Whether a member says something that can be lost.
fn says_something(member: Option<&str>) -> bool {
    member.is_some_and(|member| member != "null" && !text_of(member).is_some_and(|text| means_nothing(&text)))
}

fn opening(body: &str) -> Result<Read, Unread> {
    let cell = match member(body, "values").or_else(|| body.starts_with('[').then_some(body)) {
        Some(cells) => elements(cells).and_then(|mut cells| cells.next()).ok_or(Invalid::Form)?,
        None => body,
    };
    let (mut ignored, mut known) = (others(cell, &["isOpen", "isLocked", "row", "column", "value"]), false);
    let mut flag = |names: &[&str]| {
        let (name, given) = names.iter().find_map(|name| Some((*name, member(cell, name)?)))?;
        known = true;
        match given {
            "true" => Some(true),
            "false" => Some(false),
            given => {
                if says_something(Some(given)) {
                    ignored.push(name.into());
                }
                None
            }
        }
    };
    let (is_open, is_locked) = (flag(&["isOpen", "value"]), flag(&["isLocked"]));
    if !known {
        return Err(Invalid::Form.into());
    }
    let cell = GridCell { is_open, is_locked, ..GridCell::default() };
    Ok(Read { value: Some(Value::Grid(vec![cell])), ignored })
}

fn grid(cells: Cells, body: &str, unit: Option<&str>) -> Result<Read, Unread> {
    let list = match body.starts_with('[') {
        true => Some(body),
        false => {
            ["values", "doors", "windows", "tires", "tyres"].into_iter().find_map(|key| member(body, key))
        }
    };
    let list = match list {
        Some("null") => return Ok(Read::nothing()),
        list => list.and_then(elements).ok_or(Invalid::Form)?,
    };
    let names = ["values", "doors", "windows", "tires", "tyres", "rowCount", "columnCount", "unit"];
    let (mut taken, mut ignored) = (Vec::new(), others(body, &names));
    for (place, cell) in list.enumerate() {
        if place >= MOST_CELLS {
            return Err(Invalid::TooLong.into());
        }
        match of_cell(cells, cell, unit)? {
            Some((cell, lost)) => {
                taken.push(cell);
                ignored.extend(lost.into_iter().map(|name| format!("values[{place}].{name}")));
            }
            None => ignored.push(format!("values[{place}]")),
        }
    }
    if taken.is_empty() && !ignored.is_empty() {
        return Err(Invalid::Form.into());
    }
    let size = |key| member(body, key).and_then(|size| size.parse::<u8>().ok());
    fill(&mut taken, size("rowCount"), size("columnCount"));
    ignored.truncate(MOST_NAMED);
    Ok(Read { value: Some(Value::Grid(taken)), ignored })
}

/// A cell, and the members of it that cannot be; none for one without a place.
fn of_cell<'t>(
    cells: Cells,
    cell: &'t str,
    unit: Option<&str>,
) -> Result<Option<(GridCell, Vec<&'t str>)>, Unread> {
    let place = |key| {
        let place = member(cell, key)?.parse::<f64>().ok()?;
        ((0.0..f64::from(MOST_PLACES)).contains(&place) && place.fract() == 0.0).then_some(place as u8)
    };
    let (Some(row), Some(column)) = (place("row"), place("column")) else { return Ok(None) };
    let (mut taken, mut lost) = (GridCell { row, column, ..GridCell::default() }, Vec::new());
    let own = member(cell, "unit").and_then(text_of);
    for (key, value) in members(cell) {
        let flag = match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        let known = match (cells, key) {
            (_, "row" | "column" | "unit") => true,
            (Cells::Doors | Cells::Windows, "isOpen") => {
                taken.is_open = flag;
                flag.is_some()
            }
            (Cells::Doors, "isLocked") => {
                taken.is_locked = flag;
                flag.is_some()
            }
            (Cells::Tires, "tirePressure" | "pressure") => {
                let pressure = value.parse::<f64>().ok();
                let pressure = pressure.map(|pressure| converted(&TYRE, pressure, own.as_deref().or(unit)));
                taken.pressure = pressure.transpose()?;
                taken.pressure.is_some_and(|pressure| TYRE.holds(pressure))
            }
            _ => false,
        };
        if !known && says_something(Some(value)) {
            lost.push(key);
        }
    }
    Ok(Some((taken, lost)))
}

/// Adds the cells that a layout has and that were not named: nothing is known of them.
fn fill(cells: &mut Vec<GridCell>, rows: Option<u8>, columns: Option<u8>) {
    let (Some(rows), Some(columns)) = (rows, columns) else { return };
    if usize::from(rows) * usize::from(columns) > MOST_CELLS || rows > MOST_PLACES || columns > MOST_PLACES {
        return;
    }
    for row in 0..rows {
        for column in 0..columns {
            if !cells.iter().any(|cell| (cell.row, cell.column) == (row, column)) {
                cells.push(GridCell { row, column, ..GridCell::default() });
            }
        }
    }
}

fn of_composite(composite: &Composite, json: &str) -> Result<Read, Unread> {
    let listed;
    let json = match json.starts_with('[')
        && composite.members.first().is_some_and(|first| first.name == "values")
    {
        true => {
            listed = format!(r#"{{"values":{json}}}"#);
            &listed
        }
        false => json,
    };
    let own = composite.members.iter().any(|known| says_something(member(json, known.name)));
    if let (false, Some(nothing)) = (own, composite.members.first()) {
        // The body of the signal in which nothing is known, or none at all.
        let is_body = member(json, nothing.name).is_some();
        return if is_body { Ok(Read::nothing()) } else { Err(Invalid::Form.into()) };
    }
    let (body, ignored) = body_in(composite, json)?;
    if body.len() > composite.max_bytes {
        return Err(Invalid::TooLong.into());
    }
    match reduced(composite, body) {
        Ok(value) => Ok(Read { value: Some(value), ignored }),
        Err(Invalid::Nothing) if ignored.is_empty() => Ok(Read::nothing()),
        Err(Invalid::Nothing) => Err(Invalid::Form.into()),
        Err(invalid) => Err(invalid.into()),
    }
}

/// A body of a composite with its members in their order, each as it can be, and what is left out of it.
pub(super) fn body(composite: &Composite, json: &str) -> Option<(String, Vec<String>)> {
    json.starts_with('{').then(|| body_in(composite, json).ok())?
}

fn body_in(composite: &Composite, json: &str) -> Result<(String, Vec<String>), Unread> {
    if !json.starts_with('{') {
        return Err(Invalid::Form.into());
    }
    let number = match composite.bare {
        Some(Form::Number(number)) => Some(number),
        _ => None,
    };
    let unit = member(json, "unit").and_then(text_of).map(|unit| unit.into_owned());
    if let (Some(number), Some(unit)) = (number, &unit) {
        converted(number, 0.0, Some(unit))?;
    }
    let mut writing = Writing {
        out: String::with_capacity(json.len()),
        path: String::new(),
        ignored: Vec::new(),
        number,
        unit,
    };
    writing.object(composite.members, json);
    Ok((writing.out, writing.ignored))
}

/// A body that is being written in its one form.
struct Writing<'a> {
    out: String,
    /// Where it is: `values[1].limit`.
    path: String,
    ignored: Vec<String>,
    number: Option<&'a Number>,
    unit: Option<String>,
}

impl Writing<'_> {
    fn object(&mut self, known: &[Member], json: &str) {
        self.out.push('{');
        let mut first = true;
        for Member { name, shape, always } in known {
            let before = self.out.len();
            if !std::mem::take(&mut first) {
                self.out.push(',');
            }
            self.out.push('"');
            self.out.push_str(name);
            self.out.push_str("\":");
            let given = member(json, name).unwrap_or("null");
            let taken = self.at(name, |writing| writing.shape(shape, given));
            match (taken, always, shape) {
                (true, ..) => {}
                (false, true, Shape::List(..)) => self.out.push_str("[]"),
                (false, true, _) => self.out.push_str("null"),
                (false, false, _) => {
                    self.out.truncate(before);
                    first = self.out.ends_with('{');
                }
            }
        }
        self.out.push('}');
        for (key, value) in members(json) {
            if value != "null" && !known.iter().any(|known| known.name == key) {
                self.at(key, |writing| writing.lose());
            }
        }
    }

    /// Works at a place one level deeper.
    fn at<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if before > 0 && !name.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(name);
        let done = work(self);
        self.path.truncate(before);
        done
    }

    fn lose(&mut self) {
        if self.ignored.len() < MOST_NAMED {
            self.ignored.push(self.path.clone());
        }
    }

    /// Writes a member as it can be; false, and nothing is written, when it is not known.
    fn shape(&mut self, shape: &Shape, json: &str) -> bool {
        if let Shape::Unit(unit) = shape {
            self.quoted(unit);
            return true;
        }
        if !says_something(Some(json)) {
            return false;
        }
        let taken = match shape {
            Shape::Unit(_) => true,
            Shape::Flag if matches!(json, "true" | "false") => {
                self.out.push_str(json);
                true
            }
            Shape::Number(least, most) => self.number(json, *least, *most, None),
            Shape::Quantity(least, most) => {
                let unit = self.unit.clone();
                self.number(json, *least, *most, unit.as_deref())
            }
            Shape::Word(words) => match text_of(json).and_then(|text| listed(words, &text)) {
                Some(word) => {
                    self.quoted(word);
                    true
                }
                None => false,
            },
            Shape::Text(most) if json.starts_with('"') && json.len() <= *most + 2 => {
                self.out.push_str(json);
                true
            }
            Shape::Object(members) if json.starts_with('{') => {
                self.object(members, json);
                true
            }
            Shape::List(item, ordering) => self.list(item, *ordering, json),
            Shape::Flag | Shape::Text(_) | Shape::Object(_) => false,
        };
        if !taken {
            self.lose();
        }
        taken
    }

    fn number(&mut self, json: &str, least: f64, most: f64, unit: Option<&str>) -> bool {
        let number = json.parse::<f64>().ok().and_then(|number| match (self.number, unit) {
            (Some(of), Some(unit)) => of.dimension.convert(number, unit),
            _ => Some(number),
        });
        let Some(number) = number.filter(|number| (least..=most).contains(number)) else { return false };
        if self.number.is_some_and(|of| unit.is_some() && of.sentinels.contains(&number)) {
            return false;
        }
        crate::payload::json::write_number(&mut self.out, number);
        true
    }

    fn quoted(&mut self, word: &str) {
        self.out.push('"');
        self.out.push_str(word);
        self.out.push('"');
    }

    fn list(&mut self, item: &Shape, ordering: Ordering, json: &str) -> bool {
        let Some(items) = elements(json) else { return false };
        let start = self.out.len();
        self.out.push('[');
        let mut written: Vec<String> = Vec::new();
        for (place, json) in items.enumerate() {
            let begin = self.out.len();
            if place >= MOST_ITEMS {
                self.at(&format!("[{place}]"), Self::lose);
                break;
            }
            if self.at(&format!("[{place}]"), |writing| writing.shape(item, json)) {
                written.push(self.out.split_off(begin));
            }
        }
        if ordering == Ordering::Free {
            written.sort_unstable();
        }
        self.out.truncate(start);
        self.out.push('[');
        self.out.push_str(&written.join(","));
        self.out.push(']');
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{
        CHARGE_LIMITS, DOORS, GEAR, IS_CHARGING, LOCATION, ODOMETER, REAR_TRUNK, SPEED, STATE_OF_CHARGE,
        TIRES,
    };
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    #[track_caller]
    fn check(signal: SignalId, rows: &[&str], expected: Expect) {
        let shown = rows.iter().map(|row| match read(signal, row) {
            Ok(Read { value, ignored }) if ignored.is_empty() => format!("{row} {value:?}\n"),
            Ok(Read { value, ignored }) => format!("{row} {value:?} without {}\n", ignored.join(", ")),
            Err(error) => format!("{row} ! {error}\n"),
        });
        expected.assert_eq(&shown.collect::<String>());
    }

    #[test]
    fn scalars_stand_alone_or_with_their_unit() {
        check(
            STATE_OF_CHARGE,
            &[
                "78.5",
                r#"{"value":78,"unit":"percent"}"#,
                r#"{"value":0.78,"unit":"fraction"}"#,
                "null",
                "[1]",
                "true",
                r#""N/A""#,
                r#"{"value":78,"unit":"psi"}"#,
                r#"{"value":7,"source":"bms"}"#,
            ],
            expect![[r#"
                78.5 Some(Number(78.5))
                {"value":78,"unit":"percent"} Some(Number(78.0))
                {"value":0.78,"unit":"fraction"} Some(Number(78.0))
                null None
                [1] ! tractionbattery-stateofcharge takes a number of percent, 0 to 100
                true ! tractionbattery-stateofcharge takes a number of percent, 0 to 100
                "N/A" Some(Text("N/A"))
                {"value":78,"unit":"psi"} ! tractionbattery-stateofcharge takes percent, fraction, not "psi"
                {"value":7,"source":"bms"} Some(Number(7.0)) without source
            "#]],
        );
        check(
            ODOMETER,
            &[r#"{"value":100,"unit":"miles"}"#, r#"{"value":1,"unit":"furlongs"}"#],
            expect![[r#"
                {"value":100,"unit":"miles"} Some(Number(160.9344))
                {"value":1,"unit":"furlongs"} ! odometer-traveleddistance takes km, mi, m, ft, nmi, not "furlongs"
            "#]],
        );
        check(
            GEAR,
            &[r#""drive""#, r#""SPORT""#, "7", r#"{"value":"Park"}"#],
            expect![[r#"
                "drive" Some(Text("DRIVE"))
                "SPORT" ! transmission-gearstate takes one of PARK, DRIVE, REVERSE, NEUTRAL, not "SPORT"
                7 ! transmission-gearstate takes one of PARK, DRIVE, REVERSE, NEUTRAL
                {"value":"Park"} Some(Text("PARK"))
            "#]],
        );
    }

    #[test]
    fn bodies_keep_their_good_parts_and_name_the_others() {
        check(
            LOCATION,
            &[
                r#"{"latitude":48.2,"longitude":11.6,"heading":-1}"#,
                r#"{"latitude":48.2,"longitude":11.6,"heading":42,"direction":"ne","locationType":"CURRENT"}"#,
                r#"{"latitude":48.2,"longitude":null}"#,
                r#"{"latitude":"48.2","longitude":11.6}"#,
                "{}",
            ],
            expect![[r#"
                {"latitude":48.2,"longitude":11.6,"heading":-1} Some(Position { latitude: 48.2, longitude: 11.6, heading: None, direction: None, location_type: None }) without heading
                {"latitude":48.2,"longitude":11.6,"heading":42,"direction":"ne","locationType":"CURRENT"} Some(Position { latitude: 48.2, longitude: 11.6, heading: Some(42.0), direction: Some(Direction(1)), location_type: Some(LocationType(1)) })
                {"latitude":48.2,"longitude":null} Some(Text(""))
                {"latitude":"48.2","longitude":11.6} ! location-preciselocation takes an object with latitude and longitude in degrees, and heading (0 to 360), direction (N, NE, …) and locationType (LAST_PARKED, CURRENT) where they are known
                {} ! location-preciselocation takes an object with latitude and longitude in degrees, and heading (0 to 360), direction (N, NE, …) and locationType (LAST_PARKED, CURRENT) where they are known
            "#]],
        );
        let pressures = |text: &str| {
            let Ok(Read { value: Some(Value::Grid(cells)), ignored }) = read(TIRES, text) else {
                panic!("{text}")
            };
            (cells.iter().map(|cell| cell.pressure).collect::<Vec<_>>(), ignored)
        };
        let cell = |column: u8, pressure: &str| {
            format!(r#"{{"row":0,"column":{column},"tirePressure":{pressure}}}"#)
        };
        let of =
            |cells: &[String], unit: &str| format!(r#"{{"values":[{}],"unit":"{unit}"}}"#, cells.join(","));
        assert_eq!(pressures(&of(&[cell(0, "2.4")], "bar")).0, [Some(240.0)]);
        assert_eq!(pressures(&of(&[cell(0, "35")], "psi")).0, [Some(241.316505261)]);
        assert_eq!(
            pressures(&of(&[cell(0, "240"), cell(1, r#""low""#), r#"{"row":0}"#.into()], "kPa")),
            (vec![Some(240.0), None], vec!["values[1].tirePressure".into(), "values[2]".into()])
        );
        let laid_out = r#"{"values":[{"row":0,"column":0,"isOpen":true}],"rowCount":2,"columnCount":2}"#;
        let Ok(Read { value: Some(Value::Grid(cells)), .. }) = read(DOORS, laid_out) else { panic!() };
        assert_eq!(cells.len(), 4);
        check(
            REAR_TRUNK,
            &["true", r#"{"isOpen":true,"isLocked":"no"}"#, r#"{"isOpen":null,"isLocked":null}"#, "{}"],
            expect![[r#"
                true Some(Grid([GridCell { row: 0, column: 0, is_open: Some(true), is_locked: None, pressure: None }]))
                {"isOpen":true,"isLocked":"no"} Some(Grid([GridCell { row: 0, column: 0, is_open: Some(true), is_locked: None, pressure: None }])) without isLocked
                {"isOpen":null,"isLocked":null} Some(Grid([GridCell { row: 0, column: 0, is_open: None, is_locked: None, pressure: None }]))
                {} ! closure-reartrunk takes true for open, or an object with isOpen and isLocked
            "#]],
        );
    }

    #[test]
    fn composites_have_one_form_however_they_are_written() {
        check(
            CHARGE_LIMITS,
            &[
                "80",
                r#"{"activeLimit":80,"values":[]}"#,
                r#"{"activeLimit":0.8,"values":[],"unit":"fraction"}"#,
                r#"{"values":[{"limit":80,"type":"global"},7],"activeLimit":80}"#,
                r#"{"foo":1}"#,
                r#"{"values":null,"activeLimit":null}"#,
            ],
            expect![[r#"
                80 Some(Number(80.0))
                {"activeLimit":80,"values":[]} Some(Json("{\"values\":[],\"activeLimit\":80,\"unit\":\"percent\"}"))
                {"activeLimit":0.8,"values":[],"unit":"fraction"} Some(Json("{\"values\":[],\"activeLimit\":80,\"unit\":\"percent\"}"))
                {"values":[{"limit":80,"type":"global"},7],"activeLimit":80} Some(Number(80.0)) without values[1]
                {"foo":1} ! charge-chargelimits takes a number of percent, 0 to 100, or an object with values, activeLimit, unit
                {"values":null,"activeLimit":null} Some(Text(""))
            "#]],
        );
        let range = SignalId::from_code("tractionbattery-range").unwrap();
        check(
            range,
            &[
                r#"{"value":100,"unit":"miles","type":"DEFAULT","additionalValues":[]}"#,
                r#"{"value":100,"unit":"miles","additionalValues":[{"type":"rated","value":110}]}"#,
            ],
            expect![[r#"
                {"value":100,"unit":"miles","type":"DEFAULT","additionalValues":[]} Some(Number(160.9344))
                {"value":100,"unit":"miles","additionalValues":[{"type":"rated","value":110}]} Some(Json("{\"value\":160.9344,\"type\":null,\"additionalValues\":[{\"type\":\"RATED\",\"value\":177.02784}],\"unit\":\"km\"}"))
            "#]],
        );
    }

    #[test]
    fn a_value_is_bounded_by_the_shape_of_its_signal() {
        let long = format!("\"{}\"", "x".repeat(60_000));
        let version = SignalId::from_code("connectivitysoftware-currentfirmwareversion").unwrap();
        assert_eq!(
            read(version, &long).unwrap_err(),
            "connectivitysoftware-currentfirmwareversion takes at most 128 bytes"
        );
        let codes: Vec<String> = (0..150).map(|n| format!(r#"{{"code":"P{n:040}"}}"#)).collect();
        let codes = format!(r#"{{"values":[{}]}}"#, codes.join(","));
        assert_eq!(
            read(crate::signal::DTC_LIST, &codes).unwrap_err(),
            "diagnostics-dtclist takes at most 4096 bytes"
        );
        assert!(read(SPEED, &"[".repeat(100_000)).is_err());
        assert!(read(IS_CHARGING, r#"{"value":{"a":1}}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(place in 0..93_usize, text in r#"[\[\]{}",:0-9eE.+\-a-z ]{0,60}|.{0,20}"#) {
            let _ = read(SignalId::all().nth(place).unwrap(), &text);
        }

        #[test]
        fn what_is_read_of_any_body_is_within_its_bound(place in 0..93_usize, value in crate::payload::arbitrary::any_value()) {
            let signal = SignalId::all().nth(place).unwrap();
            if let Value::Json(body) = value && let Ok(Read { value: Some(value), .. }) = read(signal, &body) {
                prop_assert!(value.weight() <= 6 * signal.form().max_bytes().max(64));
            }
        }
    }
}
