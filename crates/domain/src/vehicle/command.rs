//! What an owner's application may have a vehicle do.

use crate::{
    connect::Permission,
    signal::{BrandRead, Powertrain, Powertrains},
};

/// Something that a vehicle is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Lock the doors.
    Lock,
    /// Unlock the doors.
    Unlock,
    /// Begin to charge, or go on with it.
    StartCharge,
    /// Stop charging, with the cable in.
    StopCharge,
    /// Charge up to so many percent from now on: 50 to 100.
    ChargeLimit(f64),
    /// Show the way to a place.
    Destination {
        /// Degrees, north is positive.
        latitude: f64,
        /// Degrees, east is positive.
        longitude: f64,
    },
    /// What only vehicles of some brands do.
    Brand(BrandCommand),
}

/// Something that only vehicles of some brands do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BrandCommand {
    /// Switch the climate of the cabin on or off, or leave it as it is, and set its temperature.
    Cabin {
        /// On or off; as it is where there is none.
        on: Option<bool>,
        /// In degrees Celsius; as it is where there is none.
        celsius: Option<f64>,
    },
    /// Switch both defrosters on or off.
    Defroster(bool),
    /// Switch the heating of the steering wheel on or off.
    SteeringWheel(bool),
    /// Draw at most so many amperes from the charger.
    Amperage(f64),
    /// Charge from a time of day on, or so that charging is done by then.
    ChargeTime {
        /// The time is that of the departure, not of the start.
        departure: bool,
        /// Minutes of the day; none where the schedule ends.
        minute: Option<u16>,
    },
    /// Open or close the door of the charging port.
    ChargePort(bool),
    /// Open or close the rear trunk.
    Trunk(bool),
    /// Open the front trunk.
    Frunk,
    /// Ask for a PIN before driving.
    SetPin,
    /// Do not ask for a PIN any more.
    ClearPin,
    /// Charge on some days from one time to another.
    ChargeDays([Option<ChargeDays>; MOST_CHARGE_DAYS]),
    /// Charge at a place up to a limit, at some hours.
    ChargeHours(ChargeHours),
}

/// The most schedules by days.
pub const MOST_CHARGE_DAYS: usize = 3;
/// The most spans of hours on weekdays, and on weekends.
pub const MOST_SPANS: usize = 4;

/// Days and times at which a vehicle charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChargeDays {
    /// Minutes of the day, in UTC.
    pub start: u16,
    /// Minutes of the day, in UTC; of the next day where it is not behind the start.
    pub end: u16,
    /// A bit per day, from Monday (1) on.
    pub days: u8,
}

/// From an hour of the day to another.
pub type Span = (u8, u8);

/// When a vehicle charges at a place, and up to which limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChargeHours {
    /// Degrees, north is positive.
    pub latitude: f64,
    /// Degrees, east is positive.
    pub longitude: f64,
    /// In percent.
    pub limit: f64,
    /// Monday to Friday; at any time where there is none here nor on weekends.
    pub weekday: [Option<Span>; MOST_SPANS],
    /// Saturday and Sunday.
    pub weekend: [Option<Span>; MOST_SPANS],
}

impl Command {
    /// What the owner has to grant.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Lock | Self::Unlock => Permission::ControlSecurity,
            Self::StartCharge | Self::StopCharge | Self::ChargeLimit(_) => Permission::ControlCharge,
            Self::Destination { .. } => Permission::ControlNavigation,
            Self::Brand(command) => command.permission(),
        }
    }

    /// Whether a vehicle of this brand with this powertrain can do it at all.
    pub fn fits(self, make: &str, powertrain: Powertrain) -> bool {
        match self {
            Self::StartCharge | Self::StopCharge | Self::ChargeLimit(_) => {
                Powertrains::PLUG_IN.contains(powertrain)
            }
            Self::Lock | Self::Unlock | Self::Destination { .. } => true,
            Self::Brand(command) => {
                command.makes().iter().any(|known| known.eq_ignore_ascii_case(make))
                    && Powertrains::PLUG_IN.contains(powertrain)
            }
        }
    }
}

impl BrandCommand {
    /// What the owner has to grant.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Cabin { .. } | Self::Defroster(_) | Self::SteeringWheel(_) => Permission::ControlClimate,
            Self::Trunk(_) | Self::Frunk => Permission::ControlTrunk,
            Self::SetPin | Self::ClearPin => Permission::ControlPin,
            Self::Amperage(_)
            | Self::ChargeTime { .. }
            | Self::ChargePort(_)
            | Self::ChargeDays(_)
            | Self::ChargeHours(_) => Permission::ControlCharge,
        }
    }

    /// The brands whose vehicles do it, in upper case.
    pub const fn makes(self) -> &'static [&'static str] {
        match self {
            Self::ChargeDays(_) => &["NISSAN"],
            Self::ChargeHours(_) => &["FORD", "LINCOLN"],
            _ => &["TESLA"],
        }
    }

    /// The read of the brand that shows what it has changed, where the answer to the command shows that.
    pub fn shown_by(self) -> Option<BrandRead> {
        BrandRead::find(match self {
            Self::Cabin { .. } => "/tesla/climate/cabin",
            Self::Amperage(_) => "/tesla/charge",
            Self::ChargeTime { .. } => "/tesla/charge/schedule",
            _ => return None,
        })
    }
}
