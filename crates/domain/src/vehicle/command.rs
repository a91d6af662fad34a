//! What an owner's application may have a vehicle do.

use crate::{
    connect::Permission,
    signal::{Powertrain, Powertrains},
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
}

impl Command {
    /// What the owner has to grant.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Lock | Self::Unlock => Permission::ControlSecurity,
            Self::StartCharge | Self::StopCharge | Self::ChargeLimit(_) => Permission::ControlCharge,
            Self::Destination { .. } => Permission::ControlNavigation,
        }
    }

    /// Whether a vehicle with this powertrain can do it at all.
    pub const fn fits(self, powertrain: Powertrain) -> bool {
        match self {
            Self::StartCharge | Self::StopCharge | Self::ChargeLimit(_) => {
                Powertrains::PLUG_IN.contains(powertrain)
            }
            Self::Lock | Self::Unlock | Self::Destination { .. } => true,
        }
    }

    /// What is said when it is done.
    pub const fn done(self) -> &'static str {
        match self {
            Self::Lock => "The vehicle locks its doors.",
            Self::Unlock => "The vehicle unlocks its doors.",
            Self::StartCharge => "The vehicle charges.",
            Self::StopCharge => "The vehicle does not charge any more.",
            Self::ChargeLimit(_) => "The vehicle charges up to this limit from now on.",
            Self::Destination { .. } => "The vehicle has the destination.",
        }
    }
}
