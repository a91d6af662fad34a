//! Values of signals, in canonical units. Which form a signal takes, and which values it can have, is in the table of
//! [`form`](super::form).

use super::form::{DIRECTIONS, LOCATION_TYPES, MOST_CELLS};

/// What a car said about one signal. Composite values are one value: they move together.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A finite number in the canonical unit of its signal.
    Number(f64),
    /// A word or a text; enumerations in the wire's upper case.
    Text(String),
    /// Where the car is (WGS 84).
    Position {
        /// Degrees, north is positive.
        latitude: f64,
        /// Degrees, east is positive.
        longitude: f64,
        /// Degrees clockwise from north, where it is known.
        heading: Option<f64>,
        /// The compass point, where the source says it.
        direction: Option<Direction>,
        /// Which kind of fix it is, where the source says it.
        location_type: Option<LocationType>,
    },
    /// Doors, windows, tyres: cells by row and column from 0, row 0 in front, column 0 on the left.
    Grid(Vec<GridCell>),
    /// Anything else, as the JSON text of its body in canonical form (`payload::json::canonical`).
    Json(String),
}

/// A compass point, by its place clockwise from north.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction(u8);

/// Which kind of fix a position is, by its place in the catalogue's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocationType(u8);

macro_rules! listed {
    ($of:ident, $words:ident) => {
        impl $of {
            /// From its number.
            pub fn from_number(number: u8) -> Option<Self> {
                $words.get(usize::from(number)).map(|_| Self(number))
            }

            /// The number that is stored.
            pub const fn number(self) -> u8 {
                self.0
            }

            /// From the word of the wire, in any case.
            pub fn from_word(word: &str) -> Option<Self> {
                let place = $words.iter().position(|known| known.eq_ignore_ascii_case(word.trim()))?;
                u8::try_from(place).ok().map(Self)
            }

            /// The word of the wire.
            pub fn as_str(self) -> &'static str {
                $words[usize::from(self.0)]
            }
        }
    };
}

listed!(Direction, DIRECTIONS);
listed!(LocationType, LOCATION_TYPES);

/// Bytes of a cell of a grid in a body.
pub(super) const GRID_CELL: usize = 56;

impl Value {
    /// A position of which no more is known.
    pub const fn position(latitude: f64, longitude: f64, heading: Option<f64>) -> Self {
        Self::Position { latitude, longitude, heading, direction: None, location_type: None }
    }

    /// The number that a value is, or that stands in its body under a key.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Json(body) => crate::payload::json::member(body, key)?.parse().ok(),
            _ => None,
        }
        .filter(|number: &f64| number.is_finite())
    }

    /// About how many bytes it takes where it is sent.
    pub fn weight(&self) -> usize {
        match self {
            Self::Flag(_) => 1,
            Self::Number(_) => 9,
            Self::Position { .. } => 120,
            // Characters that JSON escapes take up to six bytes.
            Self::Text(text) => text.len() + 5 * text.bytes().filter(|byte| !(0x20..).contains(byte)).count(),
            Self::Json(text) => text.len(),
            Self::Grid(cells) => GRID_CELL * cells.len(),
        }
    }

    /// A grid with what was known of the places of which it says nothing itself: a door that was not spoken of is as it was,
    /// and so is a tyre whose sensor sleeps. Every other value stands for itself.
    pub fn completed_by(self, known: &Self) -> Self {
        let Self::Grid(before) = known else { return self };
        let Self::Grid(mut cells) = self else { return self };
        for known in before {
            let full = cells.len() >= MOST_CELLS;
            match cells.iter_mut().find(|cell| (cell.row, cell.column) == (known.row, known.column)) {
                Some(cell) => {
                    cell.is_open = cell.is_open.or(known.is_open);
                    cell.is_locked = cell.is_locked.or(known.is_locked);
                    cell.pressure = cell.pressure.or(known.pressure);
                }
                None if full => {}
                None => cells.push(*known),
            }
        }
        Self::Grid(cells).canonical()
    }

    /// The form in which equal values are equal: cells in the order of their places.
    pub fn canonical(mut self) -> Self {
        if let Self::Grid(cells) = &mut self {
            cells.sort_by_key(|cell| (cell.row, cell.column));
        }
        self
    }
}

/// One door, window or tyre.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GridCell {
    /// 0 is the front.
    pub row: u8,
    /// 0 is the left.
    pub column: u8,
    /// Doors and windows: whether it is open.
    pub is_open: Option<bool>,
    /// Doors: whether it is locked.
    pub is_locked: Option<bool>,
    /// Tyres: kPa.
    pub pressure: Option<f64>,
}

impl GridCell {
    /// Whether anything is known of its place.
    pub const fn says_something(&self) -> bool {
        self.is_open.is_some() || self.is_locked.is_some() || self.pressure.is_some()
    }
}
