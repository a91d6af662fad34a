//! What an owner grants: permissions, and sets of them; Connect, the visit in which an owner does; how long what was
//! granted lives, and who may redeem it.

pub mod authorize;
pub mod consent;
pub mod country;
pub mod defaults;
pub mod exchange;
pub mod form;
pub mod lives;
pub mod outcome;
pub mod pkce;
pub mod redirect;

pub use authorize::{AuthorizeRequest, authorize};
pub use outcome::{ConnectError, Outcome};

use std::{fmt, str::FromStr};

macro_rules! permissions {
    ($($number:literal $name:ident $text:literal),* $(,)?) => {
        /// What an owner may allow an application to read or do. The discriminant is stored: numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the names are the documentation: the wire's own words")]
        pub enum Permission { $($name = $number),* }

        impl Permission {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

permissions! {
    0 ReadVehicleInfo "read_vehicle_info",
    1 ReadVin "read_vin",
    2 ReadOdometer "read_odometer",
    3 ReadLocation "read_location",
    4 ReadBattery "read_battery",
    5 ReadCharge "read_charge",
    6 ReadChargeRecords "read_charge_records",
    7 ReadChargeLocations "read_charge_locations",
    8 ReadChargeEvents "read_charge_events",
    9 ReadFuel "read_fuel",
    10 ReadEngineOil "read_engine_oil",
    11 ReadTires "read_tires",
    12 ReadSecurity "read_security",
    13 ReadClimate "read_climate",
    14 ReadThermometer "read_thermometer",
    15 ReadCompass "read_compass",
    16 ReadSpeedometer "read_speedometer",
    17 ReadDiagnostics "read_diagnostics",
    18 ReadServiceHistory "read_service_history",
    19 ReadAlerts "read_alerts",
    20 ReadExtendedVehicleInfo "read_extended_vehicle_info",
    21 ReadUserProfile "read_user_profile",
    22 ControlSecurity "control_security",
    23 ControlCharge "control_charge",
    24 ControlClimate "control_climate",
    25 ControlNavigation "control_navigation",
    26 ControlTrunk "control_trunk",
    27 ControlPin "control_pin",
    28 ControlIgnition "control_ignition",
}

impl Permission {
    /// Whether it lets an application do something to the vehicle, rather than read of it.
    pub const fn controls(self) -> bool {
        self as u8 >= Self::ControlSecurity as u8
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.iter().copied().find(|p| p.as_str() == text).ok_or_else(|| UnknownPermission(text.into()))
    }
}

/// No permission has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown permission {0:?}; permissions look like read_odometer")]
pub struct UnknownPermission(pub String);

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct PermissionSet(#[n(0)] u32);

impl PermissionSet {
    /// Every permission.
    pub const ALL: Self = Self((1 << Permission::ALL.len()) - 1);

    /// The set from its stored bits; bits without a meaning are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The bits that are stored: bit n is the permission with number n.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the permission is in the set.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }

    /// The set with the permission in it.
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u8)
    }

    /// The set without the permission.
    pub const fn without(self, permission: Permission) -> Self {
        Self(self.0 & !(1 << permission as u8))
    }

    /// What is in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in one of them.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |&p| self.contains(p))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_back_from_their_names_and_bits() {
        for &permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(permission));
        }
        let set: PermissionSet = [Permission::ReadVin, Permission::ControlIgnition].into_iter().collect();
        assert_eq!(PermissionSet::from_bits(set.bits()), set);
        assert_eq!(set.iter().count(), 2);
        assert!(Permission::ALL.iter().all(|p| p.controls() == p.as_str().starts_with("control_")));
        assert!("read_everything".parse::<Permission>().is_err());
    }
}
