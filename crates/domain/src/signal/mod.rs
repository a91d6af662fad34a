//! What a car can tell: the catalogue of signals, their values, and the v2 endpoints that carry them.
//!
//! A signal is a code of the catalogue (`tractionbattery-stateofcharge`). Inside, its value has one canonical metric
//! unit: percent 0 to 100, km, kWh, litres, kPa, °C, km/h, minutes; the v2 endpoints turn percent into fractions. Which
//! form a value has, and which values a signal can have, is one table ([`form`]).

mod brand;
mod catalogue;
mod endpoint;
pub mod form;
mod read;
mod succession;
mod unit;
mod validity;
mod value;

pub use brand::{BrandRead, Details, Field, Form, Origin};
pub use endpoint::{Endpoint, EndpointRefused};
pub use read::{Read, read};
pub use succession::can_follow;
pub use unit::Dimension;
pub use validity::{Invalid, in_words_of, means_nothing, valid};
pub use value::{Direction, GridCell, LocationType, Value};

use std::{collections::HashMap, sync::LazyLock};

use crate::connect::Permission;

/// A signal of the catalogue, by its stored number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalId(u8);

/// Whether a signal may be a trigger, or only data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May be a trigger and data.
    Signal,
    /// Data only.
    Attribute,
}

/// What drives a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field's own abbreviations")]
pub enum Powertrain {
    Ice,
    Hev,
    Phev,
    Bev,
}

impl Powertrain {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ice, Self::Hev, Self::Phev, Self::Bev];

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ice => "ICE",
            Self::Hev => "HEV",
            Self::Phev => "PHEV",
            Self::Bev => "BEV",
        }
    }
}

/// A set of powertrains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powertrains(u8);

impl Powertrains {
    /// Every vehicle.
    pub const ALL: Self = Self(0b1111);
    /// What has a plug.
    pub const PLUG_IN: Self = Self(0b1100);
    /// What burns fuel.
    pub const COMBUSTION: Self = Self(0b0111);
    /// What has a traction battery and nothing else.
    pub const BEV_ONLY: Self = Self(0b1000);
    /// What burns fuel and nothing else.
    pub const ICE_ONLY: Self = Self(0b0001);

    /// Whether the powertrain is in the set.
    pub const fn contains(self, powertrain: Powertrain) -> bool {
        self.0 & (1 << powertrain as u8) != 0
    }
}

/// The row of a signal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `tractionbattery-stateofcharge`
    pub code: String,
    /// `TractionBattery`
    pub group: &'static str,
    /// `StateOfCharge`
    pub name: &'static str,
    /// What the owner has to grant.
    pub permission: Permission,
    /// Whether it may be a trigger.
    pub kind: Kind,
    /// Which vehicles can have it.
    pub powertrains: Powertrains,
}

static ENTRIES: LazyLock<Vec<Option<Entry>>> = LazyLock::new(|| {
    let mut entries = vec![None; 256];
    for &(number, group, name, permission, kind, powertrains) in catalogue::ROWS {
        let code = format!("{}-{}", group.to_lowercase(), name.to_lowercase());
        entries[usize::from(number)] = Some(Entry { code, group, name, permission, kind, powertrains });
    }
    entries
});

impl SignalId {
    /// The signal with a stored number, if this program knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        ENTRIES[usize::from(number)].is_some().then_some(Self(number))
    }

    /// The number that is stored.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The signal with a code of the wire.
    pub fn from_code(code: &str) -> Option<Self> {
        static CODES: LazyLock<HashMap<&str, SignalId>> =
            LazyLock::new(|| SignalId::all().map(|signal| (signal.entry().code.as_str(), signal)).collect());
        CODES.get(code).copied()
    }

    /// Its row in the catalogue.
    pub fn entry(self) -> &'static Entry {
        ENTRIES[usize::from(self.0)].as_ref().expect("a SignalId is only made for a row of the catalogue")
    }

    /// Every signal, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        catalogue::ROWS.iter().map(|row| Self(row.0))
    }
}

impl std::fmt::Debug for SignalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.entry().code)
    }
}

macro_rules! named {
    ($($name:ident = $number:literal $code:literal),* $(,)?) => {
        $(#[doc = concat!("`", $code, "`")] pub const $name: SignalId = SignalId($number);)*
        #[cfg(test)]
        const NAMED: &[(SignalId, &str)] = &[$(($name, $code)),*];
    };
}

named! {
    CHARGE_LIMITS = 4 "charge-chargelimits",
    CHARGING_STATUS = 11 "charge-detailedchargingstatus",
    ENERGY_ADDED = 12 "charge-energyadded",
    IS_CHARGING = 14 "charge-ischarging",
    IS_CABLE_CONNECTED = 15 "charge-ischargingcableconnected",
    IS_CHARGING_PORT_OPEN = 17 "charge-ischargingportflapopen",
    EXTERNAL_TEMPERATURE = 22 "climate-externaltemperature",
    DOORS = 24 "closure-doors",
    FRONT_TRUNK = 26 "closure-fronttrunk",
    IS_LOCKED = 27 "closure-islocked",
    REAR_TRUNK = 28 "closure-reartrunk",
    SUNROOF = 29 "closure-sunroof",
    WINDOWS = 31 "closure-windows",
    IS_ASLEEP = 33 "connectivitystatus-isasleep",
    DTC_LIST = 42 "diagnostics-dtclist",
    FUEL_AMOUNT = 64 "internalcombustionengine-amountremaining",
    FUEL_LEVEL = 65 "internalcombustionengine-fuellevel",
    OIL_LIFE = 66 "internalcombustionengine-oillife",
    FUEL_RANGE = 67 "internalcombustionengine-range",
    LOCATION = 69 "location-preciselocation",
    LOW_VOLTAGE_CHARGE = 70 "lowvoltagebattery-stateofcharge",
    SPEED = 72 "motion-currentspeed",
    ODOMETER = 73 "odometer-traveleddistance",
    SERVICE_RECORDS = 75 "service-records",
    MAX_RANGE_CHARGES = 79 "tractionbattery-maxrangechargecounter",
    NOMINAL_CAPACITY = 80 "tractionbattery-nominalcapacity",
    BATTERY_RANGE = 81 "tractionbattery-range",
    STATE_OF_CHARGE = 82 "tractionbattery-stateofcharge",
    GEAR = 84 "transmission-gearstate",
    VIN = 89 "vehicleidentification-vin",
    TIRES = 93 "wheel-tires",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_one_row_per_number_and_per_code() {
        let mut codes: Vec<_> = SignalId::all().map(|s| &s.entry().code).collect();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 93);
        assert_eq!(ENTRIES.iter().flatten().count(), 93);
    }

    #[test]
    fn signals_with_a_name_here_have_the_code_that_they_claim() {
        for (signal, code) in NAMED {
            assert_eq!(&signal.entry().code, code);
            assert_eq!(SignalId::from_code(code), Some(*signal));
        }
    }
}
