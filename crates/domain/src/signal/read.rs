//! Reading a value as a sender writes it: JSON, in the form of its signal.
//!
//! A scalar stands alone or as `{"value":…,"unit":"…"}`; whatever has more to it is the body of the catalogue. Numbers and
//! flags may be written as text, wherever they stand. A unit that is known is converted. `null` says that the value is no longer known; a body in which nothing is known says nothing. What
//! is not taken of a body is named, so that its sender learns of it. Whether a number can be is not asked here:
//! [`valid`](super::valid) does.

use super::{
    Direction, GridCell, LocationType, SignalId, Value,
    form::{
        Cells, Composite, Form, Lockable, MOST_CELLS, MOST_ITEMS, MOST_PLACES, Member, Number, Ordering,
        Shape, TYRE,
    },
    validity::{Invalid, is_heading, listed, means_nothing, of_cell, of_text, plain, reduced},
};
use crate::{
    payload::json::{canonical, elements, member, members, text_of},
    time::Timestamp,
};

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
/// Bytes of the text of a moment.
const MOST_MOMENT: usize = 40;

/// The value that a JSON text says of a signal.
///
/// # Errors
///
/// Why it is none, for its sender.
pub fn read(signal: SignalId, text: &str) -> Result<Read, String> {
    let text = text.trim();
    let form = signal.form();
    let taken = match text.as_bytes().first() {
        Some(b'{' | b'[') => match canonical(text) {
            Ok(body) => object(form, &body),
            Err(malformed) => Err(Unread::Json(malformed.what)),
        },
        _ => value_of(form, text, None),
    };
    taken.map_err(|unread| unread.describe(signal, text))
}

/// Why a text is no value.
#[derive(Debug)]
pub(super) enum Unread {
    Invalid(Invalid),
    /// A unit that is not known.
    Unit(String),
    /// A unit at this place that is no text.
    UnitForm(String),
    Json(&'static str),
}

impl Unread {
    fn describe(self, signal: SignalId, text: &str) -> String {
        let (code, form) = (&signal.entry().code, signal.form());
        let units = || form.number().map(|number| number.dimension.words().collect::<Vec<_>>());
        match self {
            Self::Invalid(Invalid::Unlisted) => {
                let given: String = text.chars().take(64).collect();
                format!("{code} takes {}, not {given}", form.describe())
            }
            Self::Invalid(invalid) => invalid.describe(signal),
            Self::Unit(unit) => {
                format!("{code} takes {}, not {unit:?}", units().unwrap_or_default().join(", "))
            }
            Self::UnitForm(place) => match units().as_deref() {
                Some([unit, ..]) => format!("{code}: {place} is a text, such as {unit:?}"),
                _ => format!("{code}: {place} is a text"),
            },
            Self::Json(what) => format!("value: {what}"),
        }
    }
}

impl From<Invalid> for Unread {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// The number that JSON says, as a number or as a text with nothing but one: some brokers make a text of every value.
fn number_in(json: &str) -> Option<f64> {
    let text = text_of(json);
    let text = text.as_deref().map_or(json, str::trim);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_decimal = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        && !digits.contains(".e")
        && !digits.contains(".E");
    if is_decimal { text.parse().ok() } else { None }
}

/// The flag that JSON says, as `true` and `false` or as a text with nothing but one of them, in any case.
fn flag_in(json: &str) -> Option<bool> {
    let text = text_of(json);
    match text.as_deref().map(str::trim) {
        Some(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Some(word) if word.eq_ignore_ascii_case("false") => Some(false),
        Some(_) => None,
        None => json.parse().ok(),
    }
}

/// The unit that a body names. One that is no text cannot be guessed.
fn unit_in(body: &str, place: impl FnOnce() -> String) -> Result<Option<String>, Unread> {
    match member(body, "unit") {
        None | Some("null") => Ok(None),
        Some(unit) => match text_of(unit) {
            Some(unit) => Ok(Some(unit.into_owned())),
            None => Err(Unread::UnitForm(place())),
        },
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

fn number(form: &Form, number: f64, unit: Option<&str>) -> Result<Read, Unread> {
    match form {
        Form::Number(of) | Form::Composite(Composite { bare: Some(Form::Number(of)), .. }) => {
            Ok(Read::whole(Value::Number(converted(of, number, unit)?)))
        }
        _ => Err(Invalid::Form.into()),
    }
}

/// A word. One that means nothing is taken for every form: it is judged as such.
fn word(form: &Form, json: &str, unit: Option<&str>) -> Result<Read, Unread> {
    let word = text_of(json).ok_or(Unread::Json("a text that is not complete"))?;
    match form {
        _ if means_nothing(&word) => Ok(Read::whole(Value::Text(word.into_owned()))),
        Form::Word(words) | Form::Composite(Composite { bare: Some(Form::Word(words)), .. }) => {
            let word = listed(words, &word).ok_or(Invalid::Unlisted)?;
            Ok(Read::whole(Value::Text(word.into())))
        }
        Form::Text { max_bytes, kind }
        | Form::Composite(Composite { bare: Some(Form::Text { max_bytes, kind }), .. }) => {
            Ok(Read::whole(Value::Text(of_text(*max_bytes, *kind, &word)?)))
        }
        _ => match (number_in(json), flag_in(json)) {
            (Some(given), _) => number(form, given, unit),
            (_, Some(given)) => flag(form, given),
            (None, None) => Err(Invalid::Form.into()),
        },
    }
}

/// A body in canonical form.
pub(super) fn object(form: &Form, body: &str) -> Result<Read, Unread> {
    let unit = unit_in(body, || "unit".into())?;
    match form {
        Form::Grid(cells) => grid(*cells, body, unit.as_deref()),
        Form::Opening(lockable) => opening(*lockable, body),
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
            let taken: &[&str] = if form.number().is_some() { &["value", "unit"] } else { &["value"] };
            read.ignored = others(body, taken);
            Ok(read)
        }
    }
}

/// A value that stands alone, or in a body that names its unit.
fn value_of(form: &Form, value: &str, unit: Option<&str>) -> Result<Read, Unread> {
    match value.as_bytes().first() {
        Some(b'n') if value == "null" => Ok(Read::NO_LONGER_KNOWN),
        Some(b't' | b'f') => flag(form, flag_in(value).ok_or(Unread::Json("no value"))?),
        Some(b'"') => word(form, value, unit),
        Some(b'{' | b'[') => Err(Invalid::Form.into()),
        _ => number(form, number_in(value).ok_or(Unread::Json("no value"))?, unit),
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
        Some(degrees) if !says_something(Some(degrees)) => Ok(None),
        Some(degrees) => number_in(degrees).map(Some).ok_or(Unread::from(Invalid::Form)),
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

fn opening(lockable: Lockable, body: &str) -> Result<Read, Unread> {
    let (cell, more) = match member(body, "values").or_else(|| body.starts_with('[').then_some(body)) {
        Some(cells) => {
            let mut cells = elements(cells).ok_or(Invalid::Form)?;
            (cells.next().ok_or(Invalid::Form)?, cells.count())
        }
        None => (body, 0),
    };
    let mut ignored = others(cell, &["isOpen", "isLocked", "row", "column", "value"]);
    let flag = |name| member(cell, name).map(|given| (name, given, flag_in(given)));
    let (open, locked) = (flag("isOpen").or_else(|| flag("value")), flag("isLocked"));
    if open.or(locked).is_none() {
        return Err(Invalid::Form.into());
    }
    let is_open = open.and_then(|(.., open)| open);
    let is_locked = locked.and_then(|(.., locked)| locked).filter(|_| lockable == Lockable::Yes);
    for ((name, given, _), taken) in
        [(open, is_open), (locked, is_locked)].into_iter().filter_map(|(given, taken)| Some((given?, taken)))
    {
        if taken.is_none() && says_something(Some(given)) {
            ignored.push(name.into());
        }
    }
    ignored.extend((1..=more).take(MOST_NAMED).map(|place| format!("values[{place}]")));
    let cell = GridCell { is_open, is_locked, ..GridCell::default() };
    if !cell.says_something() && !ignored.is_empty() {
        return Err(Invalid::Form.into());
    }
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
        match given_cell(cells, cell, unit, place)? {
            Some((cell, lost)) => {
                taken.push(cell);
                ignored.extend(lost.into_iter().map(|name| format!("values[{place}].{name}")));
            }
            None => ignored.push(format!("values[{place}]")),
        }
    }
    // A pressure that cannot be is given, too: it is judged as what it is.
    if !taken.iter().any(GridCell::says_something) && !ignored.is_empty() {
        return Err(Invalid::Form.into());
    }
    let size = |key| {
        number_in(member(body, key)?).filter(|size| (0.0..=255.0).contains(size)).map(|size| size as u8)
    };
    fill(&mut taken, size("rowCount"), size("columnCount"));
    ignored.truncate(MOST_NAMED);
    Ok(Read { value: Some(Value::Grid(taken)), ignored })
}

/// A cell as it is given, and the members of it that cells of its grid do not have or that cannot be; none for one without a
/// place.
fn given_cell<'t>(
    cells: Cells,
    cell: &'t str,
    unit: Option<&str>,
    index: usize,
) -> Result<Option<(GridCell, Vec<&'t str>)>, Unread> {
    let own = unit_in(cell, || format!("values[{index}].unit"))?;
    let place = |key| {
        let place = number_in(member(cell, key)?)?;
        ((0.0..f64::from(MOST_PLACES)).contains(&place) && place.fract() == 0.0).then_some(place as u8)
    };
    let (Some(row), Some(column)) = (place("row"), place("column")) else { return Ok(None) };
    let flag = |key| member(cell, key).and_then(flag_in);
    let pressure = member(cell, "tirePressure").or_else(|| member(cell, "pressure")).and_then(number_in);
    let pressure = match cells {
        Cells::Tires => pressure.map(|given| converted(&TYRE, given, own.as_deref().or(unit))).transpose()?,
        Cells::Doors | Cells::Windows => None,
    };
    let given = GridCell { row, column, is_open: flag("isOpen"), is_locked: flag("isLocked"), pressure };
    let taken = of_cell(cells, given);
    let is_lost = |key: &str| match key {
        "row" | "column" | "unit" => false,
        "isOpen" => taken.is_open.is_none(),
        "isLocked" => taken.is_locked.is_none(),
        "tirePressure" | "pressure" => taken.pressure.is_none(),
        _ => true,
    };
    let lost = members(cell).filter(|(key, value)| is_lost(key) && says_something(Some(value)));
    let lost = lost.map(|(key, _)| key).collect();
    Ok(Some((GridCell { pressure, ..taken }, lost)))
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
    composed(composite, json)
}

/// A body of a composite with its members in their order, each as it can be, and what is left out of it.
pub(super) fn composed(composite: &Composite, json: &str) -> Result<Read, Unread> {
    let is_own =
        |known: &Member| !matches!(known.shape, Shape::Unit(_)) && member(json, known.name).is_some();
    let is_body = composite.members.iter().any(is_own);
    if !is_body {
        return Err(Invalid::Form.into());
    }
    let number = match composite.bare {
        Some(Form::Number(number)) => Some(number),
        _ => None,
    };
    let unit = unit_in(json, || "unit".into())?;
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
    let says_something = writing.object(composite.members, json);
    let Writing { out: body, ignored, .. } = writing;
    let made = match says_something {
        true if body.len() > composite.max_bytes => Err(Invalid::TooLong),
        true => reduced(composite, body),
        false => Err(Invalid::Nothing),
    };
    match made {
        Ok(value) => Ok(Read { value: Some(value), ignored }),
        // What says something, though nothing that can be read, does not say that nothing is known.
        Err(Invalid::Nothing) if ignored.is_empty() => Ok(Read::nothing()),
        Err(Invalid::Nothing) => Err(Invalid::Form.into()),
        Err(invalid) => Err(invalid.into()),
    }
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
    /// Writes an object; false, and nothing is written, when nothing in it is known or none of its keys.
    fn object(&mut self, known: &[Member], json: &str) -> bool {
        let start = self.out.len();
        let (mut first, mut says_something, mut has_key) = (true, false, false);
        self.out.push('{');
        for Member { name, shape, always, key } in known {
            let before = self.out.len();
            if !std::mem::take(&mut first) {
                self.out.push(',');
            }
            self.out.push('"');
            self.out.push_str(name);
            self.out.push_str("\":");
            let given = member(json, name).unwrap_or("null");
            let taken = self.at(name, |writing| writing.shape(shape, given));
            says_something |= taken && !matches!(shape, Shape::Unit(_));
            has_key |= taken && *key;
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
        let stands = says_something && (has_key || !known.iter().any(|known| known.key));
        if !stands {
            self.out.truncate(start);
        }
        stands
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
            Shape::Flag => match flag_in(json) {
                Some(flag) => {
                    self.out.push_str(if flag { "true" } else { "false" });
                    true
                }
                None => false,
            },
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
            Shape::Text(most) => self.text(json, *most),
            Shape::Moment => self.moment(json, moment_in),
            Shape::Time => self.moment(json, |text| time_in(text).or_else(|| moment_in(text))),
            Shape::Object(members) if json.starts_with('{') => return self.part(members, json),
            Shape::List(item, ordering) if json.starts_with('[') => return self.list(item, *ordering, json),
            Shape::Object(_) | Shape::List(..) => false,
        };
        if !taken {
            self.lose();
        }
        taken
    }

    /// Writes an object within a body. One that does not stand is left out as a whole, and so are its parts.
    fn part(&mut self, members: &[Member], json: &str) -> bool {
        let before = self.ignored.len();
        let stands = self.object(members, json);
        if !stands {
            self.ignored.truncate(before);
            if crate::payload::json::members(json).any(|(_, value)| says_something(Some(value))) {
                self.lose();
            }
        }
        stands
    }

    fn text(&mut self, json: &str, most: usize) -> bool {
        let Some(text) = text_of(json) else { return false };
        let before = self.out.len();
        crate::payload::json::write_string(&mut self.out, &plain(&text));
        let fits = self.out.len() - before <= most + 2;
        if !fits {
            self.out.truncate(before);
        }
        fits
    }

    fn moment(&mut self, json: &str, read: impl Fn(&str) -> Option<String>) -> bool {
        let text = text_of(json).unwrap_or(json.into());
        let moment = read(plain(&text).as_ref());
        moment.inspect(|moment| self.quoted(moment)).is_some()
    }

    fn number(&mut self, json: &str, least: f64, most: f64, unit: Option<&str>) -> bool {
        let number = number_in(json).and_then(|number| match (self.number, unit) {
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

    /// Writes a list of the items that can be read; false, and nothing is written, when it has items and none can.
    fn list(&mut self, item: &Shape, ordering: Ordering, json: &str) -> bool {
        let Some(items) = elements(json) else { return false };
        let start = self.out.len();
        let (mut written, mut count): (Vec<String>, usize) = (Vec::new(), 0);
        for (place, json) in items.enumerate() {
            count = place + 1;
            if place >= MOST_ITEMS {
                self.at(&format!("[{place}]"), Self::lose);
                break;
            }
            if self.at(&format!("[{place}]"), |writing| writing.shape(item, json)) {
                written.push(self.out.split_off(start));
            }
        }
        if written.is_empty() && count > 0 {
            return false;
        }
        ordered(&mut written, ordering);
        self.out.push('[');
        self.out.push_str(&written.join(","));
        self.out.push(']');
        true
    }
}

/// Brings items into the order that equal lists share.
fn ordered(items: &mut Vec<String>, ordering: Ordering) {
    match ordering {
        Ordering::Kept => return,
        Ordering::Free => items.sort_unstable(),
        Ordering::Latest(key) => items
            .sort_unstable_by(|one, other| (member(other, key), &**one).cmp(&(member(one, key), &**other))),
    }
    items.dedup();
}

/// A moment as it is kept: text as it was sent, numbers as text. One without an offset, and a day alone, are taken too.
fn moment_in(text: &str) -> Option<String> {
    if text.parse::<f64>().is_ok() {
        return Some(Timestamp::read(text)?.to_string());
    }
    let readings = [text.to_owned(), format!("{text}Z"), format!("{text}T00:00:00Z")];
    let is_moment = text.len() <= MOST_MOMENT && readings.iter().any(|text| Timestamp::read(text).is_some());
    is_moment.then(|| text.to_owned())
}

/// A time of day: hours and minutes, with seconds or without.
fn time_in(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let within = |part: &str, end: u8| part.len() == 2 && part.parse::<u8>().is_ok_and(|number| number < end);
    let is_time = match parts.as_slice() {
        [hours, rest @ ..] if (1..=2).contains(&rest.len()) => {
            within(hours, 24) && rest.iter().all(|part| within(part, 60))
        }
        _ => false,
    };
    is_time.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{
        CHARGE_LIMITS, DOORS, GEAR, IS_CHARGING, LOCATION, ODOMETER, REAR_TRUNK, SPEED, STATE_OF_CHARGE,
        TIRES, valid,
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
                {"latitude":"48.2","longitude":11.6} Some(Position { latitude: 48.2, longitude: 11.6, heading: None, direction: None, location_type: None })
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
                {"foo":1} ! charge-chargelimits takes a number of percent, 0 to 100, or an object with values (each with limit), activeLimit, unit
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
    fn a_list_of_which_no_item_can_be_read_is_no_list() {
        check(
            crate::signal::DTC_LIST,
            &[
                r#"{"values":[]}"#,
                r#"{"values":["P0420",7]}"#,
                r#"{"values":[{"name":"P0420"}]}"#,
                r#"{"values":[{"timestamp":"2026-05-01T10:00:00Z"}]}"#,
                r#"{"values":[{"code":"P0420"},{"timestamp":"2026-05-01T10:00:00Z"},{}]}"#,
                r#"{"values":[{"code":null},null]}"#,
                r#"[{"code":"P0420"},{"code":"P0171"},{"code":"P0420"}]"#,
                r#"{"values":{"code":"P0420"}}"#,
                "{}",
            ],
            expect![[r#"
                {"values":[]} Some(Json("{\"values\":[]}"))
                {"values":["P0420",7]} ! diagnostics-dtclist takes an object with values (each with code)
                {"values":[{"name":"P0420"}]} ! diagnostics-dtclist takes an object with values (each with code)
                {"values":[{"timestamp":"2026-05-01T10:00:00Z"}]} ! diagnostics-dtclist takes an object with values (each with code)
                {"values":[{"code":"P0420"},{"timestamp":"2026-05-01T10:00:00Z"},{}]} Some(Json("{\"values\":[{\"code\":\"P0420\",\"timestamp\":null}]}")) without values[1]
                {"values":[{"code":null},null]} Some(Text(""))
                [{"code":"P0420"},{"code":"P0171"},{"code":"P0420"}] Some(Json("{\"values\":[{\"code\":\"P0171\",\"timestamp\":null},{\"code\":\"P0420\",\"timestamp\":null}]}"))
                {"values":{"code":"P0420"}} ! diagnostics-dtclist takes an object with values (each with code)
                {} ! diagnostics-dtclist takes an object with values (each with code)
            "#]],
        );
        check(
            CHARGE_LIMITS,
            &[r#"{"values":[{"type":"GLOBAL"}]}"#, r#"{"values":[{"type":"GLOBAL"}],"activeLimit":80}"#],
            expect![[r#"
                {"values":[{"type":"GLOBAL"}]} ! charge-chargelimits takes a number of percent, 0 to 100, or an object with values (each with limit), activeLimit, unit
                {"values":[{"type":"GLOBAL"}],"activeLimit":80} Some(Json("{\"values\":[],\"activeLimit\":80,\"unit\":\"percent\"}")) without values[0]
            "#]],
        );
        let sessions = SignalId::from_code("charge-chargerecords").unwrap();
        let body = |ids: &[&str]| {
            let item = |id: &&str| format!(r#"{{"id":"{id}","startTime":"2026-05-0{id}T10:00:00Z"}}"#);
            read(sessions, &format!("[{}]", ids.iter().map(item).collect::<Vec<_>>().join(",")))
                .unwrap()
                .value
        };
        assert_eq!(body(&["1", "3", "2", "3"]), body(&["3", "2", "1"]), "sessions are a set");
        let Some(Value::Json(text)) = body(&["1", "3", "2"]) else { panic!() };
        let place = |id: &str| text.find(&format!(r#""id":"{id}""#)).unwrap();
        assert!(place("3") < place("2") && place("2") < place("1"), "the latest first: {text}");
    }

    #[test]
    fn numbers_and_flags_may_be_written_as_text_wherever_they_stand() {
        let same = |code: &str, texts: &str, plain: &str| {
            let signal = SignalId::from_code(code).unwrap();
            let plain = read(signal, plain).unwrap();
            assert!(plain.value.is_some() && plain.ignored.is_empty(), "{code}");
            assert_eq!(read(signal, texts).unwrap(), plain, "{code} {texts}");
        };
        same("tractionbattery-stateofcharge", r#"" 80.5 ""#, "80.5");
        same(
            "odometer-traveleddistance",
            r#"{"value":"1e2","unit":"miles"}"#,
            r#"{"value":100,"unit":"mi"}"#,
        );
        same("charge-ischarging", r#""True""#, "true");
        same("charge-ischarging", r#"{"value":"false"}"#, "false");
        same("charge-chargelimits", r#""80""#, "80");
        same(
            "charge-chargelimits",
            r#"{"values":[{"limit":"80","type":"LOCATION"}],"activeLimit":"80"}"#,
            r#"{"values":[{"limit":80,"type":"LOCATION"}],"activeLimit":80}"#,
        );
        same("closure-reartrunk", r#""true""#, "true");
        same(
            "closure-reartrunk",
            r#"{"isOpen":"true","isLocked":"FALSE"}"#,
            r#"{"isOpen":true,"isLocked":false}"#,
        );
        same(
            "closure-doors",
            r#"[{"row":"0","column":"1","isOpen":"true"}]"#,
            r#"[{"row":0,"column":1,"isOpen":true}]"#,
        );
        same(
            "wheel-tires",
            r#"{"values":[{"row":0,"column":0,"tirePressure":"2.4"}],"unit":"bar"}"#,
            r#"{"values":[{"row":0,"column":0,"tirePressure":2.4}],"unit":"bar"}"#,
        );
        same(
            "location-preciselocation",
            r#"{"latitude":"48.2","longitude":"-11.6","heading":"42"}"#,
            r#"{"latitude":48.2,"longitude":-11.6,"heading":42}"#,
        );
        same(
            "charge-chargerecords",
            r#"[{"id":"1","energyAdded":"21.5","isPublicCharger":"true"}]"#,
            r#"[{"id":"1","energyAdded":21.5,"isPublicCharger":true}]"#,
        );
        for text in ["80 %", "8O", "0x50", "80.", ".8", "+80", "80,5", "inf", "NaN80", "1 000", "yes"] {
            let refused = read(STATE_OF_CHARGE, &format!("\"{text}\"")).unwrap_err();
            assert_eq!(
                refused, "tractionbattery-stateofcharge takes a number of percent, 0 to 100",
                "{text}"
            );
        }
        for text in ["1", "0", "yes", "on"] {
            assert!(read(IS_CHARGING, &format!("\"{text}\"")).is_err(), "{text}");
        }
        let nickname = SignalId::from_code("vehicleidentification-nickname").unwrap();
        assert!(read(nickname, "80").is_err(), "a number is no text");
    }

    #[test]
    fn a_unit_that_is_no_text_is_refused_with_its_place() {
        let capacity = SignalId::from_code("tractionbattery-nominalcapacity").unwrap();
        check(
            ODOMETER,
            &[r#"{"value":100,"unit":7}"#, r#"{"value":100,"unit":null}"#],
            expect![[r#"
            {"value":100,"unit":7} ! odometer-traveleddistance: unit is a text, such as "km"
            {"value":100,"unit":null} Some(Number(100.0))
        "#]],
        );
        check(
            TIRES,
            &[
                r#"{"values":[{"row":0,"column":0,"tirePressure":240,"unit":["kPa"]}]}"#,
                r#"{"values":[{"row":0,"column":0,"tirePressure":240}],"unit":false}"#,
            ],
            expect![[r#"
                {"values":[{"row":0,"column":0,"tirePressure":240,"unit":["kPa"]}]} ! wheel-tires: values[0].unit is a text, such as "kPa"
                {"values":[{"row":0,"column":0,"tirePressure":240}],"unit":false} ! wheel-tires: unit is a text, such as "kPa"
            "#]],
        );
        check(
            CHARGE_LIMITS,
            &[r#"{"activeLimit":80,"values":[],"unit":{}}"#],
            expect![[r#"
            {"activeLimit":80,"values":[],"unit":{}} ! charge-chargelimits: unit is a text, such as "percent"
        "#]],
        );
        check(
            capacity,
            &[r#"{"value":82,"unit":1}"#],
            expect![[r#"
            {"value":82,"unit":1} ! tractionbattery-nominalcapacity: unit is a text, such as "kWh"
        "#]],
        );
        check(
            IS_CHARGING,
            &[r#"{"value":true,"unit":1}"#, r#"{"value":true,"unit":"kWh"}"#],
            expect![[r#"
            {"value":true,"unit":1} ! charge-ischarging: unit is a text
            {"value":true,"unit":"kWh"} Some(Flag(true)) without unit
        "#]],
        );
    }

    #[test]
    fn what_cannot_be_of_every_place_is_refused_and_a_pressure_beyond_all_is_implausible() {
        let judged = |signal, text: &str| read(signal, text).map(|read| valid(signal, read.value.unwrap()));
        let tyre = |pressure: &str| {
            format!(r#"{{"values":[{{"row":0,"column":0,"tirePressure":{pressure}}}],"unit":"bar"}}"#)
        };
        assert_eq!(judged(TIRES, &tyre("258")), Ok(Err(Invalid::OutOfRange)));
        assert_eq!(judged(TIRES, &tyre("0")), Ok(Err(Invalid::Nothing)));
        assert_eq!(judged(TIRES, &tyre("null")), Ok(Err(Invalid::Nothing)));
        assert!(judged(TIRES, &tyre(r#""low""#)).is_err());
        assert!(judged(DOORS, r#"[{"row":0,"column":0,"isOpen":"maybe"}]"#).is_err());
        assert!(judged(DOORS, r#"[{"row":0,"column":0,"tirePressure":240}]"#).is_err());
        assert_eq!(judged(DOORS, r#"[{"row":0,"column":0,"isOpen":null}]"#), Ok(Err(Invalid::Nothing)));
        assert!(judged(REAR_TRUNK, r#"{"isOpen":"maybe"}"#).is_err());
        assert_eq!(judged(REAR_TRUNK, r#"{"isOpen":null}"#), Ok(Err(Invalid::Nothing)));
        let hood = SignalId::from_code("closure-enginecover").unwrap();
        check(
            hood,
            &[r#"{"isOpen":true,"isLocked":true}"#, r#"{"isLocked":true}"#],
            expect![[r#"
            {"isOpen":true,"isLocked":true} Some(Grid([GridCell { row: 0, column: 0, is_open: Some(true), is_locked: None, pressure: None }])) without isLocked
            {"isLocked":true} ! closure-enginecover takes true for open, or an object with isOpen
        "#]],
        );
    }

    #[test]
    fn a_vehicle_number_has_the_form_of_one() {
        check(
            crate::signal::VIN,
            &[
                r#"" 5yj3e1ea7kf000001 ""#,
                r#""5YJ3E1EA7KF00000""#,
                r#""5YJ3E1EA7KF00000O""#,
                r#""5YJ3E1EA7KF0000011""#,
                r#""my car""#,
                "17",
                r#""N/A""#,
            ],
            expect![[r#"
                " 5yj3e1ea7kf000001 " Some(Text("5YJ3E1EA7KF000001"))
                "5YJ3E1EA7KF00000" ! vehicleidentification-vin takes a VIN: 17 digits and letters, of which I, O and Q are none
                "5YJ3E1EA7KF00000O" ! vehicleidentification-vin takes a VIN: 17 digits and letters, of which I, O and Q are none
                "5YJ3E1EA7KF0000011" ! vehicleidentification-vin takes a VIN: 17 digits and letters, of which I, O and Q are none
                "my car" ! vehicleidentification-vin takes a VIN: 17 digits and letters, of which I, O and Q are none
                17 ! vehicleidentification-vin takes a VIN: 17 digits and letters, of which I, O and Q are none
                "N/A" Some(Text("N/A"))
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

    #[test]
    fn moments_within_bodies_are_moments() {
        for (json, expected) in [
            (r#""2026-03-01T20:00:00Z""#, Some("2026-03-01T20:00:00Z")),
            (r#""2026-03-01T20:00:00""#, Some("2026-03-01T20:00:00")),
            (r#""2026-03-01""#, Some("2026-03-01")),
            ("1777629600", Some("2026-05-01T10:00:00.000Z")),
            ("1777629600000", Some("2026-05-01T10:00:00.000Z")),
            (r#""1777629600000""#, Some("2026-05-01T10:00:00.000Z")),
            (r#""yesterday""#, None),
            (r#""1970-01-01T00:00:00Z""#, None),
            (r#""0000-00-00""#, None),
            ("0", None),
            ("true", None),
        ] {
            let body = format!(r#"{{"values":[{{"code":"P0420","timestamp":{json}}}]}}"#);
            let taken = read(crate::signal::DTC_LIST, &body).unwrap().value.unwrap();
            let Value::Json(taken) = taken else { panic!("{taken:?}") };
            let timestamp = expected.map_or("null".into(), |text| format!("\"{text}\""));
            assert_eq!(taken, format!(r#"{{"values":[{{"code":"P0420","timestamp":{timestamp}}}]}}"#));
        }
        for (text, is_time) in
            [("22:00:00", true), ("06:30", true), ("25:00:00", false), ("6", false), ("1:2:3:4", false)]
        {
            assert_eq!(time_in(text).is_some(), is_time, "{text}");
        }
    }
}
