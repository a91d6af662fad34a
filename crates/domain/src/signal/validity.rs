//! Which values a signal can have, by the table of [`form`](super::form).
//!
//! Whatever comes from outside goes through [`valid`] before it is compared, converted, kept or sent: pushed readings, answers
//! of sources, recordings. It gives the one form of a value that equal values share, and drops parts that cannot be while
//! the rest stands: a position without its impossible heading, a grid without the pressure that a sleeping sensor sends.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{
    GridCell, SignalId, Value,
    form::{
        BodyKind, Cells, Composite, Form, Lockable, MOST_CELLS, MOST_LATITUDE, MOST_PLACES, NULL_ISLAND,
        TYRE, TextKind,
    },
    read,
};
use crate::payload::json::{self, canonical};

/// Why a value is none that its signal can have. The discriminant is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Invalid {
    /// It means "not available".
    Nothing = 0,
    /// It lies outside of what there is on roads.
    OutOfRange = 1,
    /// It has another form than the signal.
    Form = 2,
    /// A word that is not in the list.
    Unlisted = 3,
    /// More bytes than the signal may have.
    TooLong = 4,
}

impl Invalid {
    /// The reason, for a user.
    pub fn describe(self, signal: SignalId) -> String {
        let (code, form) = (&signal.entry().code, signal.form());
        match self {
            Self::Nothing => "the value means that it is not available".into(),
            Self::OutOfRange | Self::Form => format!("{code} takes {}", form.describe()),
            Self::Unlisted => format!("{code} takes {}", form.describe()),
            Self::TooLong => format!("{code} takes at most {} bytes", form.max_bytes()),
        }
    }
}

/// The value in the form that equal values share, without the parts that cannot be.
///
/// # Errors
///
/// When nothing is left of it that the signal can have.
pub fn valid(signal: SignalId, value: Value) -> Result<Value, Invalid> {
    of_form(signal.form(), value)
}

fn of_form(form: &Form, value: Value) -> Result<Value, Invalid> {
    match (form, value) {
        (Form::Flag, value @ Value::Flag(_)) => Ok(value),
        (Form::Number(number), Value::Number(value)) if number.holds(value) => Ok(Value::Number(value + 0.0)),
        (Form::Number(number), Value::Number(value)) => Err(match number.sentinels.contains(&value) {
            true => Invalid::Nothing,
            false => Invalid::OutOfRange,
        }),
        (Form::Word(words), Value::Text(word)) => match listed(words, &word) {
            Some(listed) if listed == word => Ok(Value::Text(word)),
            Some(listed) => Ok(Value::Text(listed.into())),
            None if means_nothing(&word) => Err(Invalid::Nothing),
            None => Err(Invalid::Unlisted),
        },
        (Form::Text { max_bytes, kind }, Value::Text(text)) => {
            of_text(*max_bytes, *kind, &text).map(Value::Text)
        }
        (Form::Position, position @ Value::Position { .. }) => of_position(position),
        (Form::Grid(cells), Value::Grid(grid)) => of_grid(*cells, grid),
        (Form::Opening(lockable), Value::Flag(open)) => {
            of_opening(*lockable, GridCell { is_open: Some(open), ..GridCell::default() })
        }
        (Form::Opening(lockable), Value::Grid(grid)) => {
            of_opening(*lockable, grid.first().copied().ok_or(Invalid::Nothing)?)
        }
        (Form::Composite(composite), Value::Json(body)) => of_body(composite, &body),
        (Form::Composite(Composite { bare: Some(bare), .. }), value) => of_form(bare, value),
        (_, Value::Text(text)) if means_nothing(&text) => Err(Invalid::Nothing),
        (_, Value::Json(body)) => {
            // The catalogue's body of a value that is kept as what it says.
            let body = canonical(&body).map_err(|_| Invalid::Form)?;
            let read = read::object(form, &body).map_err(|_| Invalid::Form)?;
            match read.value {
                Some(Value::Json(_)) => Err(Invalid::Form),
                Some(value) => of_form(form, value),
                None => Err(Invalid::Nothing),
            }
        }
        _ => Err(Invalid::Form),
    }
}

/// The word of a closed list that a text is: case, spaces and hyphens aside.
pub(super) fn listed(words: &[&'static str], text: &str) -> Option<&'static str> {
    let same = |known: &str| {
        let text = text.trim();
        known.len() == text.len()
            && known.bytes().zip(text.bytes()).all(|(known, given)| {
                known.eq_ignore_ascii_case(&given) || known == b'_' && matches!(given, b' ' | b'-')
            })
    };
    words.iter().copied().find(|known| same(known))
}

/// A text in its one form.
pub(super) fn of_text(max_bytes: usize, kind: TextKind, text: &str) -> Result<String, Invalid> {
    let text = plain(text);
    match kind {
        _ if means_nothing(&text) => Err(Invalid::Nothing),
        TextKind::Vin => {
            let vin = text.to_ascii_uppercase();
            // Seventeen times the same is what stands where nobody has written the number.
            if vin.len() == 17 && vin.bytes().all(|byte| byte == vin.as_bytes()[0]) {
                return Err(Invalid::Nothing);
            }
            let can_be =
                |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() && !b"IOQ".contains(&byte);
            if vin.len() == 17 && vin.bytes().all(can_be) { Ok(vin) } else { Err(Invalid::Form) }
        }
        TextKind::Name | TextKind::Word if text.len() > max_bytes => Err(Invalid::TooLong),
        TextKind::Name | TextKind::Word => Ok(text.into_owned()),
    }
}

/// A text as equal ones are written: its characters composed (NFC), one blank between its words and none around them.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = text.is_ascii()
        && !text.bytes().any(|byte| byte.is_ascii_whitespace() && byte != b' ')
        && !text.contains("  ")
        && text.trim_matches(' ').len() == text.len();
    if is_plain {
        return text.into();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    ComposingNormalizerBorrowed::new_nfc().normalize(&words.join(" ")).into_owned().into()
}

/// A value in the words of the one that is known, where the two differ in nothing but the case of a brand's own words.
pub fn in_words_of(signal: SignalId, value: Value, known: &Value) -> Value {
    let is_word = match signal.form() {
        Form::Text { kind: TextKind::Word, .. } => true,
        Form::Composite(composite) => composite.body == BodyKind::DriveMode,
        _ => false,
    };
    match (&value, known) {
        (Value::Text(text), Value::Text(other)) | (Value::Json(text), Value::Json(other))
            if is_word && text != other && text.to_lowercase() == other.to_lowercase() =>
        {
            known.clone()
        }
        _ => value,
    }
}

/// Whether a text is one of the many that say that there is no value: pushed, read or recorded.
pub fn means_nothing(text: &str) -> bool {
    const NOTHING: &[&str] = &[
        "",
        "na",
        "nan",
        "n.a",
        "null",
        "none",
        "nil",
        "undefined",
        "unknown",
        "isunknown",
        "asn_isunknown",
        "invalid",
        "asn_isinvalid",
        "sna",
        "unavailable",
        "notavailable",
        "not available",
        "not_available",
        "no data",
        "no_data",
        "nodata",
        "n/a",
    ];
    const LONGEST: usize = 24;
    let frame = |c: char| {
        c.is_whitespace()
            || matches!(c, '-' | '<' | '>' | '?' | '(' | ')' | '[' | ']' | '_' | '.' | '*' | '#')
    };
    let core = text.trim_matches(frame);
    core.len() <= LONGEST && NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(core))
}

fn of_position(position: Value) -> Result<Value, Invalid> {
    let Value::Position { latitude, longitude, heading, direction, location_type } = position else {
        return Err(Invalid::Form);
    };
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return Err(Invalid::OutOfRange);
    }
    // The point 0°, 0° lies in the sea: it is what receivers without a fix say, exactly or nearly.
    if latitude.abs() < NULL_ISLAND && longitude.abs() < NULL_ISLAND || latitude.abs() > MOST_LATITUDE {
        return Err(Invalid::Nothing);
    }
    // A full turn is none, and the meridian opposite of Greenwich is one.
    let heading = heading.filter(|&heading| is_heading(heading)).map(|heading| heading % 360.0 + 0.0);
    let longitude = if longitude == -180.0 { 180.0 } else { longitude + 0.0 };
    Ok(Value::Position { latitude: latitude + 0.0, longitude, heading, direction, location_type })
}

pub(super) fn is_heading(degrees: f64) -> bool {
    (0.0..=360.0).contains(&degrees)
}

fn of_grid(cells: Cells, grid: Vec<GridCell>) -> Result<Value, Invalid> {
    if grid.len() > MOST_CELLS {
        return Err(Invalid::TooLong);
    }
    // A sensor that sleeps says 0, or less; more than there is on roads is an error of its unit.
    let is_beyond = grid.iter().any(|cell| cell.pressure.is_some_and(|pressure| pressure > TYRE.most));
    let mut grid: Vec<GridCell> = grid
        .into_iter()
        .filter(|cell| cell.row < MOST_PLACES && cell.column < MOST_PLACES)
        .map(|cell| of_cell(cells, cell))
        .collect();
    if !grid.iter().any(GridCell::says_something) {
        let is_beyond = is_beyond && cells == Cells::Tires;
        return Err(if is_beyond { Invalid::OutOfRange } else { Invalid::Nothing });
    }
    grid.sort_by_key(|cell| (cell.row, cell.column));
    // What is said last of one place counts; of two silences one.
    grid.dedup_by(|next, kept| {
        let same = (next.row, next.column) == (kept.row, kept.column);
        if same {
            *kept = *next;
        }
        same
    });
    Ok(Value::Grid(grid))
}

/// A cell with what cells of its grid say, without what cannot be.
pub(super) fn of_cell(cells: Cells, cell: GridCell) -> GridCell {
    let GridCell { row, column, is_open, is_locked, pressure } = cell;
    let place = GridCell { row, column, ..GridCell::default() };
    match cells {
        Cells::Doors => GridCell { is_open, is_locked, ..place },
        Cells::Windows => GridCell { is_open, ..place },
        Cells::Tires => GridCell { pressure: pressure.filter(|&pressure| TYRE.holds(pressure)), ..place },
    }
}

fn of_opening(lockable: Lockable, cell: GridCell) -> Result<Value, Invalid> {
    let is_locked = cell.is_locked.filter(|_| lockable == Lockable::Yes);
    let cell = GridCell { is_open: cell.is_open, is_locked, ..GridCell::default() };
    if cell.says_something() { Ok(Value::Grid(vec![cell])) } else { Err(Invalid::Nothing) }
}

fn of_body(composite: &Composite, body: &str) -> Result<Value, Invalid> {
    let body = canonical(body).map_err(|_| Invalid::Form)?;
    match read::composed(composite, &body) {
        Ok(read) => match read.value {
            Some(Value::Text(text)) if text.is_empty() => Err(Invalid::Nothing),
            Some(value) => Ok(value),
            None => Err(Invalid::Nothing),
        },
        Err(read::Unread::Invalid(invalid)) => Err(invalid),
        Err(_) => Err(Invalid::Form),
    }
}

/// A body as the number or word that says the same, if one does; what receivers read of it first has to be there.
pub(super) fn reduced(composite: &Composite, body: String) -> Result<Value, Invalid> {
    let text = |key| json::member(&body, key).and_then(json::text_of).map(|text| text.into_owned());
    let member = |key| json::member(&body, key).filter(|member| *member != "null");
    let number = |key| member(key).and_then(|number| number.parse::<f64>().ok());
    let bare = match composite.body {
        BodyKind::List => None,
        BodyKind::Range => {
            let value = number("value").ok_or(Invalid::Nothing)?;
            let is_plain = member("additionalValues") == Some("[]")
                && member("type").is_none_or(|kind| kind == r#""DEFAULT""#);
            is_plain.then_some(Value::Number(value))
        }
        BodyKind::Capacity => {
            let available = member("availableCapacities").unwrap_or("[]");
            match number("capacity") {
                None if available == "[]" => return Err(Invalid::Nothing),
                None => None,
                Some(capacity) => {
                    let only = member("capacity")
                        .map(|capacity| format!(r#"[{{"capacity":{capacity},"description":null}}]"#));
                    let is_plain = only.as_deref() == Some(available)
                        && member("source").is_none_or(|source| source == r#""SMARTCAR""#);
                    is_plain.then_some(Value::Number(capacity))
                }
            }
        }
        BodyKind::Limits => match (number("activeLimit"), member("values").unwrap_or("[]")) {
            (None, "[]") => return Err(Invalid::Nothing),
            (Some(active), values) => {
                let limit = json::member(&body, "activeLimit").unwrap_or_default();
                let only = format!(r#"[{{"type":"GLOBAL","limit":{limit},"condition":null}}]"#);
                (values == only).then_some(Value::Number(active))
            }
            (None, _) => None,
        },
        BodyKind::DriveMode => {
            // One of the two names stands for both.
            match (text("canonical"), text("oemDisplayName")) {
                (None, None) if member("canonical").or(member("oemDisplayName")).is_none() => {
                    return Err(Invalid::Nothing);
                }
                (Some(one), Some(other)) if one == other => Some(Value::Text(one)),
                (Some(one), None) | (None, Some(one)) => Some(Value::Text(one)),
                _ => None,
            }
        }
        BodyKind::Health => {
            member("status").ok_or(Invalid::Nothing)?;
            member("description").is_none().then(|| text("status").map(Value::Text)).flatten()
        }
    };
    match (bare, composite.bare) {
        (Some(value), Some(form)) => of_form(form, value),
        _ => Ok(Value::Json(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        payload::arbitrary::any_value,
        signal::{
            BATTERY_RANGE, CHARGE_LIMITS, CHARGING_STATUS, GEAR, LOCATION, ODOMETER, SPEED, STATE_OF_CHARGE,
            TIRES,
        },
    };
    use proptest::prelude::*;

    fn tyres(pressures: &[f64]) -> Value {
        let cell = |(column, &pressure)| GridCell {
            column: column as u8,
            pressure: Some(pressure),
            ..GridCell::default()
        };
        Value::Grid(pressures.iter().enumerate().map(cell).collect())
    }

    #[test]
    fn what_means_nothing_or_cannot_be_is_not_a_value() {
        let position = |latitude, longitude| Value::position(latitude, longitude, None);
        let word = |word: &str| Value::Text(word.into());
        use Invalid::*;
        let table = [
            (STATE_OF_CHARGE, Value::Number(0.0), None),
            (STATE_OF_CHARGE, Value::Number(100.0), None),
            (STATE_OF_CHARGE, Value::Number(255.0), Some(OutOfRange)),
            (STATE_OF_CHARGE, Value::Number(-1.0), Some(OutOfRange)),
            (STATE_OF_CHARGE, Value::Flag(true), Some(Form)),
            (BATTERY_RANGE, Value::Number(699.9), Some(Nothing)),
            (BATTERY_RANGE, Value::Number(f64::INFINITY), Some(OutOfRange)),
            (ODOMETER, Value::Number(1e20), Some(OutOfRange)),
            (ODOMETER, Value::Number(f64::NAN), Some(OutOfRange)),
            (SPEED, Value::Number(-1.0), Some(OutOfRange)),
            (SPEED, Value::Number(130.0), None),
            (GEAR, word("SNA"), Some(Nothing)),
            (GEAR, word("<invalid>"), Some(Nothing)),
            (GEAR, word("-NA-"), Some(Nothing)),
            (GEAR, word("N/A"), Some(Nothing)),
            (GEAR, word("  "), Some(Nothing)),
            (GEAR, word("SPORT"), Some(Unlisted)),
            (GEAR, word("DRIVE"), None),
            (CHARGING_STATUS, word("Complete"), Some(Unlisted)),
            (LOCATION, position(0.0, 0.0), Some(Nothing)),
            (LOCATION, position(0.000_001, 0.000_001), Some(Nothing)),
            (LOCATION, position(52.5, 13.4), None),
            (LOCATION, position(0.0, 13.4), None),
            (LOCATION, position(91.0, 13.4), Some(OutOfRange)),
            (LOCATION, position(f64::NAN, 13.4), Some(OutOfRange)),
            (TIRES, tyres(&[235.0]), None),
            (TIRES, tyres(&[-1.0]), Some(Nothing)),
            (TIRES, tyres(&[0.0, 0.0, 0.0, 0.0]), Some(Nothing)),
        ];
        for (signal, value, expected) in table {
            assert_eq!(valid(signal, value.clone()).err(), expected, "{signal:?} {value:?}");
        }
    }

    #[test]
    fn a_bad_part_does_not_take_good_ones_along() {
        assert_eq!(
            valid(LOCATION, Value::position(48.2, 11.6, Some(-1.0))),
            Ok(Value::position(48.2, 11.6, None))
        );
        let Ok(Value::Grid(cells)) = valid(TIRES, tyres(&[240.0, 0.0, f64::NAN, 250.0])) else { panic!() };
        let pressures: Vec<_> = cells.iter().map(|cell| cell.pressure).collect();
        assert_eq!(pressures, [Some(240.0), None, None, Some(250.0)]);
        let limits =
            r#"{"values":[{"type":"global","limit":800},{"type":"LOCATION","limit":90}],"activeLimit":80}"#;
        assert_eq!(
            valid(CHARGE_LIMITS, Value::Json(limits.into())),
            Ok(Value::Json(
                r#"{"values":[{"type":"LOCATION","limit":90,"condition":null}],"activeLimit":80,"unit":"percent"}"#
                    .into()
            ))
        );
    }

    #[test]
    fn equal_composites_are_one_value() {
        let limits = |text: &str| valid(CHARGE_LIMITS, Value::Json(text.into())).unwrap();
        assert_eq!(
            limits(r#"{"values":[],"activeLimit":80}"#),
            limits(r#"{"activeLimit":80.0,"values":[],"unit":"percent"}"#)
        );
        let two = [
            r#"{"type":"GLOBAL","limit":80}"#,
            r#"{"limit":90,"condition":{"name":"Home"},"type":"LOCATION"}"#,
        ];
        assert_eq!(
            limits(&format!(r#"{{"values":[{},{}]}}"#, two[0], two[1])),
            limits(&format!(r#"{{"values":[{},{}],"activeLimit":null}}"#, two[1], two[0])),
        );
        let plain =
            r#"{"values":[{"type":"GLOBAL","limit":80,"condition":null}],"activeLimit":80,"unit":"percent"}"#;
        assert_eq!(limits(plain), Value::Number(80.0));
        let health = SignalId::from_code("diagnostics-abs").unwrap();
        assert_eq!(
            valid(health, Value::Json(r#"{"description":null,"status":"ok"}"#.into())),
            Ok(Value::Text("OK".into()))
        );
    }

    #[test]
    fn equal_texts_and_positions_are_one_value() {
        let nickname = SignalId::from_code("vehicleidentification-nickname").unwrap();
        let named = |text: &str| valid(nickname, Value::Text(text.into())).unwrap();
        assert_eq!(named("Ka\u{308}fer  1\u{a0}"), named(" K\u{e4}fer 1"));
        assert_eq!(named("Ka\u{308}fer"), Value::Text("Käfer".into()));
        assert_ne!(named("käfer"), named("Käfer"), "a name is as it is written");
        let heading = |degrees| valid(LOCATION, Value::position(48.2, 11.6, Some(degrees)));
        assert_eq!(heading(360.0), heading(0.0));
        let at = |longitude| valid(LOCATION, Value::position(-17.0, longitude, None));
        assert_eq!(at(180.0), at(-180.0));
    }

    #[test]
    fn words_for_nothing_are_the_same_everywhere() {
        for word in ["none", "None", "NONE", "n/a", "-", "?", "<invalid>", "Unknown", " ", "nil", "NaN"] {
            assert!(means_nothing(word), "{word}");
            for code in ["transmission-gearstate", "charge-ischarging", "vehicleidentification-nickname"] {
                let signal = SignalId::from_code(code).unwrap();
                let read = read::read(signal, &format!("{word:?}")).unwrap();
                assert_eq!(valid(signal, read.value.unwrap()), Err(Invalid::Nothing), "{code} {word}");
            }
        }
        assert!(!means_nothing("nonesuch") && !means_nothing("0"));
    }

    #[test]
    fn a_drive_mode_by_one_name_stands_for_both_if_it_is_short_enough() {
        let mode = SignalId::from_code("transmission-drivemode").unwrap();
        let named = |name: &str| {
            valid(mode, Value::Json(format!(r#"{{"canonical":null,"oemDisplayName":"{name}"}}"#)))
        };
        assert_eq!(named(r#"a \"b\""#), Ok(Value::Text(r#"a "b""#.into())));
        assert_eq!(named(&"x".repeat(100)), Err(Invalid::TooLong));
        assert_eq!(named("N/A"), Err(Invalid::Nothing));
    }

    #[test]
    fn every_example_is_a_valid_value_of_its_signal() {
        for signal in SignalId::all() {
            let read =
                read::read(signal, signal.example()).unwrap_or_else(|error| panic!("{signal:?}: {error}"));
            assert_eq!(read.ignored, Vec::<String>::new(), "{signal:?}");
            let value = read.value.unwrap();
            assert_eq!(valid(signal, value.clone()), Ok(value), "{signal:?}");
        }
    }

    proptest! {
        #[test]
        fn valid_values_stay_as_they_are_and_have_a_body(place in 0..93_usize, value in any_value()) {
            let signal = SignalId::all().nth(place).unwrap();
            if let Ok(value) = valid(signal, value) {
                prop_assert_eq!(valid(signal, value.clone()), Ok(value.clone()));
                prop_assert!(crate::payload::unified::has_body(signal, &value), "{:?}", value);
                prop_assert!(value.weight() <= 6 * signal.form().max_bytes().max(64));
            }
        }
    }
}
