//! The form of each signal's value: the one table by which values are read, believed, bounded, shown and documented.
//!
//! | form | what is taken | kept as |
//! | --- | --- | --- |
//! | flag | `true`, `false` | [`Value::Flag`] |
//! | number | a number in the unit of its signal, or `{"value":…,"unit":"…"}` in one that converts into it | [`Value::Number`] |
//! | word | a word of a closed list, in any case | [`Value::Text`], upper case |
//! | text | any text that says something, in whatever blanks and characters it is composed of | [`Value::Text`] |
//! | position | latitude and longitude, with heading, direction and kind of fix where they are known | [`Value::Position`] |
//! | grid | doors, windows or tyres by row and column | [`Value::Grid`] |
//! | opening | something single that stands open or not, with or without a lock | [`Value::Grid`] of one cell |
//! | composite | the body of the catalogue, or the bare number or word that says the same | that number or word, else [`Value::Json`] |
//!
//! [`Value::Flag`]: super::Value::Flag
//! [`Value::Number`]: super::Value::Number
//! [`Value::Text`]: super::Value::Text
//! [`Value::Position`]: super::Value::Position
//! [`Value::Grid`]: super::Value::Grid
//! [`Value::Json`]: super::Value::Json

use std::sync::LazyLock;

use super::{Dimension, SignalId};

/// The form of a signal's values.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Yes or no.
    Flag,
    /// A number.
    Number(Number),
    /// A word of a closed list.
    Word(&'static [&'static str]),
    /// Any text.
    Text {
        /// The longest.
        max_bytes: usize,
        /// What it says.
        kind: TextKind,
    },
    /// Where the vehicle is.
    Position,
    /// Cells by row and column.
    Grid(Cells),
    /// Something single that stands open or not.
    Opening(Lockable),
    /// The body of the catalogue, with more to it than a number or a word.
    Composite(Composite),
}

/// Which numbers a signal can be, in its canonical unit.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// The word for the unit in bodies; the catalogue has none for minutes.
    pub unit: Option<&'static str>,
    /// What it measures, and so which units convert into it.
    pub dimension: Dimension,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// Numbers in between that mean "not available".
    pub sentinels: &'static [f64],
    /// Only whole numbers.
    pub whole: bool,
}

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// A name: every character counts.
    Name,
    /// A word of the brand's own: the same in any case.
    Word,
    /// A vehicle identification number (ISO 3779), upper case.
    Vin,
}

/// What the cells of a grid say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// `isOpen` and `isLocked`.
    Doors,
    /// `isOpen`.
    Windows,
    /// `tirePressure`.
    Tires,
}

/// Whether something that can stand open has a lock to speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the type says it")]
pub enum Lockable {
    Yes,
    No,
}

/// A body with more to it than a number or a word.
#[derive(Clone, Copy, Debug)]
pub struct Composite {
    /// Which of the bodies.
    pub body: BodyKind,
    /// What a bare number or word stands for, where that says all that there is to say.
    pub bare: Option<&'static Form>,
    /// Its members, in the order of writing.
    pub members: &'static [Member],
    /// The longest, as canonical JSON.
    pub max_bytes: usize,
}

/// The bodies of composites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// A distance, with other estimates of it.
    Range,
    /// A capacity, with the choices of the model.
    Capacity,
    /// Charge limits, of everywhere and of places.
    Limits,
    /// A drive mode by two names.
    DriveMode,
    /// The verdict on a system, with a remark.
    Health,
    /// A list.
    List,
}

/// A member of a composite.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its key.
    pub name: &'static str,
    /// What it can be.
    pub shape: Shape,
    /// Whether it is written as `null` where it is not known; else it is left out.
    pub always: bool,
    /// An object with such members is none where all of them are unknown: a trouble code without its code.
    pub key: bool,
}

/// What a member of a composite can be; any of them may be null.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `true` or `false`.
    Flag,
    /// A number within bounds, both included.
    Number(f64, f64),
    /// A number within bounds in the unit of the body, which is converted with it.
    Quantity(f64, f64),
    /// A word of a closed list, in any case.
    Word(&'static [&'static str]),
    /// A text of at most so many bytes.
    Text(usize),
    /// A moment from 2000 to 2099, or its day: text, or a number since 1970.
    Moment,
    /// A time of day, or a moment.
    Time,
    /// Always this word, whatever is sent: the unit that the body is kept in.
    Unit(&'static str),
    /// An object.
    Object(&'static [Member]),
    /// A list of at most [`MOST_ITEMS`] items.
    List(&'static Shape, Ordering),
}

/// Whether the order of a list means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// It is kept.
    Kept,
    /// It does not: the list is sorted and has nothing twice, so that equal lists are equal.
    Free,
    /// The same, with the latest of this member first.
    Latest(&'static str),
}

/// Items of a list.
pub const MOST_ITEMS: usize = 200;
/// Cells of a grid: rows and columns are counted from 0 to 15.
pub const MOST_CELLS: usize = 64;
/// Rows and columns of a grid.
pub const MOST_PLACES: u8 = 16;
/// Bytes of all values of one vehicle together, so that an event with every signal fits into a body. Beyond that, what is new
/// is not taken, except [`ALWAYS_TAKEN`].
pub const MOST_BYTES_OF_VEHICLE: usize = 16 * 1_024;
/// Values of at most so many bytes are taken however much there is.
pub const ALWAYS_TAKEN: usize = 160;
/// The pressure of a tyre: 0 is a sensor that sleeps.
pub const TYRE: Number = number("kPa", Dimension::Pressure, 1.0, 1_500.0).besides(&[699.9]);
/// Nearer to 0°, 0° than this, in degrees, is a receiver without a fix.
pub const NULL_ISLAND: f64 = 0.01;
/// The furthest north and south, in degrees: no road goes on from there.
pub const MOST_LATITUDE: f64 = 85.0;
/// The compass points of `direction`, clockwise from north.
pub const DIRECTIONS: &[&str] = &["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
/// The kinds of fix of `locationType`.
pub const LOCATION_TYPES: &[&str] = &["LAST_PARKED", "CURRENT"];

impl Form {
    /// The word for the unit in bodies, where they name one.
    pub fn unit(&self) -> Option<&'static str> {
        match self {
            Self::Number(number) => number.unit,
            Self::Grid(Cells::Tires) => TYRE.unit,
            Self::Composite(composite) => composite.members.iter().find_map(|member| match member.shape {
                Shape::Unit(unit) => Some(unit),
                _ => None,
            }),
            _ => None,
        }
    }

    /// The numbers of a signal that is one, alone or with more to it: what units are converted into, and what a dead band is
    /// measured in.
    pub fn number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Grid(Cells::Tires) => Some(&TYRE),
            Self::Composite(Composite { bare: Some(Self::Number(number)), .. }) => Some(number),
            _ => None,
        }
    }

    /// Whether a dead band means something for it.
    pub fn takes_dead_band(&self) -> bool {
        match self {
            Self::Number(_) | Self::Position | Self::Grid(Cells::Tires) => true,
            Self::Composite(composite) => composite.body == BodyKind::Range,
            _ => false,
        }
    }

    /// The most bytes that a value takes, as JSON.
    pub fn max_bytes(&self) -> usize {
        match self {
            Self::Flag => 5,
            Self::Number(_) => 24,
            Self::Word(words) => 2 + words.iter().map(|word| word.len()).max().unwrap_or(0),
            Self::Text { max_bytes, .. } => *max_bytes,
            Self::Position => 160,
            Self::Grid(_) => MOST_CELLS * 64,
            Self::Opening(_) => 64,
            Self::Composite(composite) => composite.max_bytes,
        }
    }

    /// The form in words for a user: `a number of percent, 0 to 100`.
    pub fn describe(&self) -> String {
        match self {
            Self::Flag => "true or false".into(),
            Self::Number(number) => number.describe(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Text { kind: TextKind::Vin, .. } => {
                "a VIN: 17 digits and letters, of which I, O and Q are none".into()
            }
            Self::Text { max_bytes, .. } => format!("a text of at most {max_bytes} bytes"),
            Self::Position => {
                "an object with latitude and longitude in degrees, and heading (0 to 360), direction \
                (N, NE, …) and locationType (LAST_PARKED, CURRENT) where they are known"
                    .into()
            }
            Self::Grid(cells) => {
                let says = match cells {
                    Cells::Doors => "isOpen and isLocked",
                    Cells::Windows => "isOpen",
                    Cells::Tires => "tirePressure in kPa (1 to 1500)",
                };
                format!(
                    "an object with values: a list of cells with row and column from 0 (front, left), and {says}"
                )
            }
            Self::Opening(Lockable::Yes) => "true for open, or an object with isOpen and isLocked".into(),
            Self::Opening(Lockable::No) => "true for open, or an object with isOpen".into(),
            Self::Composite(composite) => composite.describe(),
        }
    }
}

impl Number {
    const fn besides(self, sentinels: &'static [f64]) -> Self {
        Self { sentinels, ..self }
    }

    const fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// Whether it is a number that the signal can be.
    pub fn holds(&self, number: f64) -> bool {
        (self.least..=self.most).contains(&number)
            && !self.sentinels.contains(&number)
            && (!self.whole || number.fract() == 0.0)
    }

    fn describe(&self) -> String {
        let kind = if self.whole { "a whole number" } else { "a number" };
        let unit = self.dimension.words().next().unwrap_or_default();
        let unit = self.unit.unwrap_or(unit);
        let of = if unit == "count" { String::new() } else { format!(" of {unit}") };
        format!("{kind}{of}, {} to {}", self.least, self.most)
    }
}

impl Composite {
    fn describe(&self) -> String {
        let named = |member: &Member| {
            let keys = member.shape.keys_of_items().join(" or ");
            let each = if keys.is_empty() { String::new() } else { format!(" (each with {keys})") };
            format!("{}{each}", member.name)
        };
        let names: Vec<String> = self.members.iter().map(named).collect();
        let object = format!("an object with {}", names.join(", "));
        match self.bare {
            Some(bare) => format!("{}, or {object}", bare.describe()),
            None => object,
        }
    }
}

impl Shape {
    /// The members without one of which an item of a list is none.
    fn keys_of_items(&self) -> Vec<&'static str> {
        match self {
            Self::List(Self::Object(members), _) => {
                members.iter().filter(|member| member.key).map(|member| member.name).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl SignalId {
    /// The form of its values.
    pub fn form(self) -> &'static Form {
        &row(self).1
    }

    /// A value of it, as a sender writes it: JSON.
    pub fn example(self) -> &'static str {
        row(self).2
    }
}

/// A row of the table: code, form, and an example of a value.
type Row = (&'static str, Form, &'static str);

fn row(signal: SignalId) -> &'static Row {
    static BY_NUMBER: LazyLock<[Option<&'static Row>; 256]> = LazyLock::new(|| {
        let mut rows = [None; 256];
        for row in ROWS {
            if let Some(signal) = SignalId::from_code(row.0) {
                rows[usize::from(signal.number())] = Some(row);
            }
        }
        rows
    });
    BY_NUMBER[usize::from(signal.number())].expect("each signal of the catalogue has a form")
}

const fn number(unit: &'static str, dimension: Dimension, least: f64, most: f64) -> Number {
    Number { unit: Some(unit), dimension, least, most, sentinels: &[], whole: false }
}

const fn count(most: f64) -> Number {
    number("count", Dimension::Count, 0.0, most).whole()
}

const fn text(max_bytes: usize) -> Form {
    Form::Text { max_bytes, kind: TextKind::Name }
}

const fn word(max_bytes: usize) -> Form {
    Form::Text { max_bytes, kind: TextKind::Word }
}

const fn composite(
    body: BodyKind,
    bare: Option<&'static Form>,
    members: &'static [Member],
    max_bytes: usize,
) -> Form {
    Form::Composite(Composite { body, bare, members, max_bytes })
}

/// A member that is left out where it is not known.
const fn member(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, always: false, key: false }
}

/// A member that is null where it is not known.
const fn always(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, always: true, key: false }
}

/// A member without which its object is none, unless it has another such member.
const fn key(member: Member) -> Member {
    Member { key: true, ..member }
}

const PERCENT: Number = number("percent", Dimension::Share, 0.0, 100.0);
const AMPERE: Number = number("ampere", Dimension::Current, 0.0, 5_000.0);
const CELSIUS: Number = number("celsius", Dimension::Temperature, -80.0, 85.0);
/// A kind of vehicle reports 699.9 km for a range that it does not know.
const RANGE: Number = number("km", Dimension::Distance, 0.0, 2_000.0).besides(&[699.9]);
const RANGE_FORM: Form = Form::Number(RANGE);
/// The most of counters of 24, 31 and 32 bits in tenths of a kilometre or metres.
const ODOMETER: Number =
    number("km", Dimension::Distance, 0.0, 5_000_000.0).besides(&[1_677_721.5, 2_147_483.647, 4_294_967.295]);
const CAPACITY: Form = Form::Number(number("kWh", Dimension::Energy, 0.1, 2_000.0));
const LIMIT: Form = Form::Number(number("percent", Dimension::Share, 0.0, 100.0));
const MODE: Form = word(64);
const VERDICTS: &[&str] = &["OK", "ALERT"];
const VERDICT: Form = Form::Word(VERDICTS);
const MONEY: Shape = Shape::Number(-1_000_000_000.0, 1_000_000_000.0);
const SHORT: Shape = Shape::Text(128);
const LIST: Ordering = Ordering::Kept;
const SET: Ordering = Ordering::Free;
const KM: Shape = Shape::Number(0.0, 5_000_000.0);
const OF_HUNDRED: Shape = Shape::Number(0.0, 100.0);
const LATITUDE: Shape = Shape::Number(-90.0, 90.0);
const LONGITUDE: Shape = Shape::Number(-180.0, 180.0);
const SCOPES: Shape = Shape::Word(&["GLOBAL", "LOCATION", "CONNECTOR", "CHARGING_TYPE"]);
const DAYS: Shape = Shape::List(
    &Shape::Word(&["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]),
    SET,
);
const CONDITION: Shape = Shape::Object(&[
    member("name", SHORT),
    member("address", Shape::Text(256)),
    member("latitude", LATITUDE),
    member("longitude", LONGITUDE),
    member("connectorType", SHORT),
    member("chargingType", SHORT),
]);
const NAMED: Shape = Shape::Object(&[member("id", SHORT), member("description", Shape::Text(512))]);

const HEALTH: Form = composite(
    BodyKind::Health,
    Some(&VERDICT),
    &[always("status", Shape::Word(VERDICTS)), always("description", Shape::Text(512))],
    640,
);
const OPEN: Form = Form::Opening(Lockable::No);
const OPEN_AND_LOCK: Form = Form::Opening(Lockable::Yes);
const NAMES: &[Member] = &[always("values", Shape::List(&SHORT, SET))];

/// One row per signal. Ranges hold every vehicle on roads, with room; what lies beyond is an error of measurement or of unit.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // A vehicle that feeds a house or the grid reports a negative current and power.
    ("charge-amperage", Form::Number(number("ampere", Dimension::Current, -5_000.0, 5_000.0)), "16"),
    ("charge-amperagemax", Form::Number(AMPERE), "32"),
    ("charge-amperagerequested", Form::Number(AMPERE), "16"),
    ("charge-chargelimits", composite(BodyKind::Limits, Some(&LIMIT), &[
        always("values", Shape::List(&Shape::Object(&[
            always("type", SCOPES),
            key(always("limit", Shape::Quantity(0.0, 100.0))),
            always("condition", CONDITION),
        ]), SET)),
        always("activeLimit", Shape::Quantity(0.0, 100.0)),
        always("unit", Shape::Unit("percent")),
    ], 4_096), r#"{"values":[{"type":"GLOBAL","limit":80,"condition":null}],"activeLimit":80,"unit":"percent"}"#),
    ("charge-chargeportstatuscolor", word(64), r#""GREEN""#),
    ("charge-chargerate", Form::Number(number("km/h", Dimension::Speed, -5_000.0, 20_000.0)), "24"),
    ("charge-chargerecords", composite(BodyKind::List, None, &[
        always("values", Shape::List(&Shape::Object(&[
            key(member("id", SHORT)),
            member("cost", Shape::Object(&[
                member("currency", Shape::Text(8)), member("energyAmount", MONEY), member("otherAmount", MONEY),
            ])),
            key(member("startTime", Shape::Moment)),
            member("endTime", Shape::Moment),
            always("location", CONDITION),
            member("energyAdded", Shape::Number(0.0, 10_000.0)),
            member("connectorType", SHORT),
            member("chargingType", SHORT),
            member("isPublicCharger", Shape::Flag),
            member("startStateOfCharge", OF_HUNDRED),
            member("endStateOfCharge", OF_HUNDRED),
        ]), Ordering::Latest("startTime"))),
    ], 6_144), r#"{"values":[{"id":"rec-1","startTime":"2026-03-01T20:00:00Z","endTime":"2026-03-01T23:10:00Z","location":null,"energyAdded":21.5}]}"#),
    ("charge-chargerphases", Form::Number(count(3.0)), "3"),
    ("charge-chargetimers", composite(BodyKind::List, None, &[
        always("values", Shape::List(&Shape::Object(&[
            always("type", SCOPES),
            always("condition", CONDITION),
            member("schedules", Shape::List(&Shape::Object(&[
                key(member("start", Shape::Time)), key(member("end", Shape::Time)), member("days", DAYS),
            ]), SET)),
            member("departureTimers", Shape::List(&Shape::Object(&[
                key(member("time", Shape::Time)), member("days", DAYS),
            ]), SET)),
            member("isOEMOptimizationEnabled", Shape::Flag),
            member("scheduleType", Shape::Word(&["DAILY", "WEEKLY", "WORKWEEK"])),
            member("scheduleId", SHORT),
        ]), SET)),
    ], 4_096), r#"{"values":[{"type":"GLOBAL","condition":null,"schedules":[{"start":"22:00:00","end":"06:00:00","days":["MONDAY"]}],"departureTimers":[],"isOEMOptimizationEnabled":false}]}"#),
    ("charge-chargingconnectortype", word(64), r#""J1772""#),
    ("charge-detailedchargingstatus", Form::Word(&["CHARGING", "NOT_CHARGING", "FULLY_CHARGED"]), r#""NOT_CHARGING""#),
    ("charge-energyadded", Form::Number(number("kWh", Dimension::Energy, 0.0, 10_000.0)), "12.5"),
    ("charge-fastchargertype", word(64), r#""CCS""#),
    ("charge-ischarging", Form::Flag, "true"),
    ("charge-ischargingcableconnected", Form::Flag, "true"),
    ("charge-ischargingcablelatched", Form::Flag, "true"),
    ("charge-ischargingportflapopen", Form::Flag, "false"),
    ("charge-isfastchargerpresent", Form::Flag, "false"),
    ("charge-timetocomplete", Form::Number(Number { unit: None, ..number("", Dimension::Time, 0.0, 20_160.0) }), "45"),
    ("charge-voltage", Form::Number(number("volts", Dimension::Voltage, 0.0, 2_000.0)), "230"),
    ("charge-wattage", Form::Number(number("watts", Dimension::Power, -5_000_000.0, 5_000_000.0)), "7200"),
    ("climate-externaltemperature", Form::Number(CELSIUS), "18.5"),
    ("climate-internaltemperature", Form::Number(number("celsius", Dimension::Temperature, -80.0, 120.0)), "21"),
    ("closure-doors", Form::Grid(Cells::Doors), r#"{"values":[{"row":0,"column":0,"isOpen":false,"isLocked":true}],"rowCount":1,"columnCount":1}"#),
    ("closure-enginecover", OPEN, r#"{"isOpen":false}"#),
    ("closure-fronttrunk", OPEN_AND_LOCK, r#"{"isOpen":false,"isLocked":true}"#),
    ("closure-islocked", Form::Flag, "true"),
    ("closure-reartrunk", OPEN_AND_LOCK, r#"{"isOpen":false,"isLocked":true}"#),
    ("closure-sunroof", OPEN, r#"{"isOpen":false}"#),
    ("closure-tailgate", OPEN_AND_LOCK, r#"{"isOpen":false,"isLocked":true}"#),
    ("closure-windows", Form::Grid(Cells::Windows), r#"{"values":[{"row":0,"column":0,"isOpen":false}],"rowCount":1,"columnCount":1}"#),
    ("connectivitysoftware-currentfirmwareversion", text(128), r#""4.2.13""#),
    ("connectivitystatus-isasleep", Form::Flag, "false"),
    ("connectivitystatus-isdigitalkeypaired", Form::Flag, "false"),
    ("connectivitystatus-isonline", Form::Flag, "true"),
    ("diagnostics-abs", HEALTH, r#""OK""#),
    ("diagnostics-activesafety", HEALTH, r#""OK""#),
    ("diagnostics-airbag", HEALTH, r#""OK""#),
    ("diagnostics-brakefluid", HEALTH, r#""OK""#),
    ("diagnostics-driverassistance", HEALTH, r#""OK""#),
    ("diagnostics-dtccount", Form::Number(count(1_000.0).besides(&[255.0])), "0"),
    ("diagnostics-dtclist", composite(BodyKind::List, None, &[
        always("values", Shape::List(&Shape::Object(&[
            key(always("code", Shape::Text(64))), always("timestamp", Shape::Moment),
        ]), SET)),
    ], 4_096), r#"{"values":[{"code":"P0A80","timestamp":"2026-02-03T10:00:00Z"}]}"#),
    ("diagnostics-emissions", HEALTH, r#""OK""#),
    ("diagnostics-evbatteryconditioning", HEALTH, r#""OK""#),
    ("diagnostics-evcharging", HEALTH, r#""OK""#),
    ("diagnostics-evdriveunit", HEALTH, r#""OK""#),
    ("diagnostics-evhvbattery", HEALTH, r#""OK""#),
    ("diagnostics-lighting", HEALTH, r#""OK""#),
    ("diagnostics-mil", HEALTH, r#""OK""#),
    ("diagnostics-oillife", HEALTH, r#""OK""#),
    ("diagnostics-oilpressure", HEALTH, r#""OK""#),
    ("diagnostics-oiltemperature", HEALTH, r#""OK""#),
    ("diagnostics-telematics", HEALTH, r#""OK""#),
    ("diagnostics-tirepressure", HEALTH, r#""OK""#),
    ("diagnostics-tirepressuremonitoring", HEALTH, r#""OK""#),
    ("diagnostics-transmission", HEALTH, r#""OK""#),
    ("diagnostics-washerfluid", HEALTH, r#""OK""#),
    ("diagnostics-waterinfuel", HEALTH, r#"{"status":"ALERT","description":"drain the filter"}"#),
    ("hvac-cabintargettemperature", Form::Number(number("celsius", Dimension::Temperature, 0.0, 60.0)), "21"),
    ("hvac-iscabinhvacactive", Form::Flag, "false"),
    ("hvac-isfrontdefrosteractive", Form::Flag, "false"),
    ("hvac-isreardefrosteractive", Form::Flag, "false"),
    ("hvac-issteeringheateractive", Form::Flag, "false"),
    ("internalcombustionengine-amountremaining", Form::Number(number("liters", Dimension::Volume, 0.0, 2_000.0)), "31.2"),
    ("internalcombustionengine-fuellevel", Form::Number(PERCENT), "62"),
    ("internalcombustionengine-oillife", Form::Number(PERCENT), "84"),
    ("internalcombustionengine-range", Form::Number(number("km", Dimension::Distance, 0.0, 4_000.0).besides(&[699.9])), "480"),
    ("location-isathome", Form::Flag, "true"),
    ("location-preciselocation", Form::Position, r#"{"latitude":52.0907,"longitude":5.1214,"heading":132,"locationType":"CURRENT"}"#),
    ("lowvoltagebattery-stateofcharge", Form::Number(PERCENT), "92"),
    ("lowvoltagebattery-status", Form::Word(&["GOOD", "WARN", "BAD"]), r#""GOOD""#),
    ("motion-currentspeed", Form::Number(number("kph", Dimension::Speed, 0.0, 450.0)), "87"),
    ("odometer-traveleddistance", Form::Number(ODOMETER), "42506.3"),
    ("service-isinservice", Form::Flag, "false"),
    ("service-records", composite(BodyKind::List, None, &[
        always("values", Shape::List(&Shape::Object(&[
            key(member("id", SHORT)),
            key(member("time", Shape::Moment)),
            member("odometer", KM),
            member("cost", Shape::Object(&[member("amount", MONEY), member("currency", Shape::Text(8))])),
            member("tasks", Shape::List(&NAMED, LIST)),
            member("details", Shape::List(&NAMED, LIST)),
        ]), Ordering::Latest("time"))),
    ], 6_144), r#"{"values":[{"id":"svc-1","time":"2026-01-15T09:00:00Z","odometer":41200,"cost":{"amount":210,"currency":"EUR"},"tasks":[{"id":"t1","description":"oil"}]}]}"#),
    ("surveillance-brand", text(128), r#""Guard""#),
    ("surveillance-isenabled", Form::Flag, "false"),
    ("tractionbattery-isheateractive", Form::Flag, "false"),
    ("tractionbattery-maxrangechargecounter", Form::Number(count(100_000.0)), "12"),
    ("tractionbattery-nominalcapacity", composite(BodyKind::Capacity, Some(&CAPACITY), &[
        always("capacity", Shape::Quantity(0.1, 2_000.0)),
        always("source", Shape::Word(&["SMARTCAR", "USER_SELECTED"])),
        always("availableCapacities", Shape::List(&Shape::Object(&[
            key(always("capacity", Shape::Quantity(0.1, 2_000.0))), always("description", SHORT),
        ]), SET)),
        always("unit", Shape::Unit("kWh")),
    ], 2_048), "82"),
    ("tractionbattery-range", composite(BodyKind::Range, Some(&RANGE_FORM), &[
        always("value", Shape::Quantity(0.0, 2_000.0)),
        always("type", SHORT),
        always("additionalValues", Shape::List(&Shape::Object(&[
            always("type", Shape::Word(&["IDEAL_CONDITIONS", "ESTIMATED", "RATED"])),
            key(always("value", Shape::Quantity(0.0, 2_000.0))),
        ]), SET)),
        always("unit", Shape::Unit("km")),
    ], 1_024), "290"),
    ("tractionbattery-stateofcharge", Form::Number(PERCENT), "78"),
    ("transmission-drivemode", composite(BodyKind::DriveMode, Some(&MODE), &[
        always("canonical", Shape::Text(64)), always("oemDisplayName", SHORT),
    ], 256), r#"{"canonical":"NORMAL","oemDisplayName":"everyday"}"#),
    ("transmission-gearstate", Form::Word(&["PARK", "DRIVE", "REVERSE", "NEUTRAL"]), r#""PARK""#),
    ("vehicleidentification-exteriorcolor", text(64), r#""Space""#),
    ("vehicleidentification-nickname", text(128), r#""Blue van""#),
    ("vehicleidentification-packages", composite(BodyKind::List, None, NAMES, 2_048), r#"{"values":["Pilot","Plus"]}"#),
    ("vehicleidentification-trim", text(64), r#""Long Range""#),
    ("vehicleidentification-vin", Form::Text { max_bytes: 17, kind: TextKind::Vin }, r#""XXXSAMPLE0VN00001""#),
    ("vehicleuseraccount-permissions", composite(BodyKind::List, None, NAMES, 2_048), r#"{"values":["vehicle_read"]}"#),
    ("vehicleuseraccount-role", word(64), r#""OWNER""#),
    ("wheel-style", text(64), r#""Aero19""#),
    ("wheel-tires", Form::Grid(Cells::Tires), r#"{"values":[{"row":0,"column":0,"tirePressure":240},{"row":0,"column":1,"tirePressure":240}],"rowCount":1,"columnCount":2,"unit":"kPa"}"#),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_one_row_per_signal_and_no_other() {
        let mut codes: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ROWS.len());
        let mut signals: Vec<&str> = SignalId::all().map(|signal| signal.entry().code.as_str()).collect();
        signals.sort_unstable();
        assert_eq!(codes, signals);
    }

    #[test]
    fn a_number_within_its_range_is_one_that_javascript_holds() {
        for signal in SignalId::all() {
            if let Some(number) = signal.form().number() {
                assert!(number.least.abs().max(number.most.abs()) < 9_007_199_254_740_992.0, "{signal:?}");
                assert!(number.least < number.most && number.most.is_finite(), "{signal:?}");
            }
        }
    }

    #[test]
    fn the_unit_of_a_number_is_one_that_its_dimension_knows_and_does_not_convert() {
        for signal in SignalId::all() {
            if let Some((number, unit)) = signal.form().number().and_then(|n| Some((n, n.unit?))) {
                assert_eq!(number.dimension.convert(7.25, unit), Some(7.25), "{signal:?} {unit}");
            }
        }
    }
}
