//! Values of signals, in canonical units.
//!
//! Which form a signal takes: `Is…` signals are flags; quantities are numbers; words, VIN and names are texts; doors,
//! windows and tyres are grids, and so are sunroof and trunks, as a grid of one cell (a plain flag says open or shut,
//! too). A health of a system is its word, `OK` or `ALERT`. Whatever has more to it than its number or word (charge
//! limits by place, a choice of capacities, a health with a remark) and every list is JSON, in the shape of the
//! signal's body in the catalogue: `{"values":[…],"activeLimit":80}`.

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
    },
    /// Doors, windows, tyres: cells by row and column from 0, row 0 in front, column 0 on the left.
    Grid(Vec<GridCell>),
    /// Anything else, as the JSON text of its body in canonical form (`payload::json::canonical`).
    Json(String),
}

impl Value {
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
