//! The v2 read endpoints that a webhook may carry, and the signals that each is made of.

use super::{
    BATTERY_RANGE, BrandRead, CHARGE_LIMITS, CHARGING_STATUS, DOORS, DTC_LIST, FRONT_TRUNK, FUEL_AMOUNT,
    FUEL_LEVEL, FUEL_RANGE, IS_CABLE_CONNECTED, IS_CHARGING_PORT_OPEN, IS_LOCKED, LOCATION, NOMINAL_CAPACITY,
    ODOMETER, OIL_LIFE, Powertrain, REAR_TRUNK, SERVICE_RECORDS, STATE_OF_CHARGE, SUNROOF, SignalId, TIRES,
    VIN, WINDOWS,
};
use crate::connect::Permission::{self, *};

macro_rules! endpoints {
    ($($number:literal $name:ident $path:literal $permission:ident $units:ident [$($signal:expr),*];)*) => {
        /// A v2 read endpoint that is not specific to a brand. The discriminant is stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each is its path; see `path`")]
        pub enum Endpoint { $($name = $number),* }

        impl Endpoint {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        path: $path,
                        permission: $permission,
                        units: matches!(Units::$units, Units::Converted),
                        signals: const { &[$($signal),*] },
                    }),*
                }
            }
        }
    };
}

/// Whether entries of an endpoint say in which units they are.
enum Units {
    Converted,
    Same,
}

struct Row {
    path: &'static str,
    permission: Permission,
    units: bool,
    signals: &'static [SignalId],
}

#[rustfmt::skip]
endpoints! {
    0 Attributes "/" ReadVehicleInfo Same [];
    1 Vin "/vin" ReadVin Same [VIN];
    2 Location "/location" ReadLocation Same [LOCATION];
    3 Odometer "/odometer" ReadOdometer Converted [ODOMETER];
    4 Fuel "/fuel" ReadFuel Converted [FUEL_RANGE, FUEL_LEVEL, FUEL_AMOUNT];
    5 Battery "/battery" ReadBattery Converted [STATE_OF_CHARGE, BATTERY_RANGE];
    6 BatteryCapacity "/battery/capacity" ReadBattery Converted [NOMINAL_CAPACITY];
    7 Charge "/charge" ReadCharge Same [IS_CABLE_CONNECTED, CHARGING_STATUS];
    8 ChargeLimit "/charge/limit" ReadCharge Same [CHARGE_LIMITS];
    9 EngineOil "/engine/oil" ReadEngineOil Same [OIL_LIFE];
    10 TirePressure "/tires/pressure" ReadTires Converted [TIRES];
    11 Security "/security" ReadSecurity Same [
        IS_LOCKED, DOORS, WINDOWS, SUNROOF, FRONT_TRUNK, REAR_TRUNK, IS_CHARGING_PORT_OPEN
    ];
    12 NominalCapacity "/battery/nominal_capacity" ReadBattery Same [NOMINAL_CAPACITY];
    13 SystemStatus "/diagnostics/system_status" ReadDiagnostics Same [
        SignalId(36), SignalId(37), SignalId(38), SignalId(39), SignalId(40), SignalId(43), SignalId(44),
        SignalId(45), SignalId(46), SignalId(47), SignalId(48), SignalId(49), SignalId(50), SignalId(51),
        SignalId(52), SignalId(53), SignalId(54), SignalId(55), SignalId(56), SignalId(57), SignalId(58)
    ];
    14 TroubleCodes "/diagnostics/dtcs" ReadDiagnostics Same [DTC_LIST];
    15 ServiceHistory "/service/history" ReadServiceHistory Same [SERVICE_RECORDS];
}

impl Endpoint {
    /// The endpoint with a stored number, if this program knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The endpoint with a path below a vehicle: `/tires/pressure`.
    ///
    /// # Errors
    ///
    /// When the path belongs to one brand, or is none.
    pub fn from_path(path: &str) -> Result<Self, EndpointRefused> {
        if let Some(endpoint) = Self::ALL.iter().copied().find(|endpoint| endpoint.path() == path) {
            return Ok(endpoint);
        }
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match BrandRead::all().any(|read| read.brand().eq_ignore_ascii_case(first)) {
            true => Err(EndpointRefused::Brand(path.into())),
            false => Err(EndpointRefused::Unknown(path.into())),
        }
    }

    /// Its path below a vehicle: `/tires/pressure`; the attributes of the vehicle itself are `/`.
    pub const fn path(self) -> &'static str {
        self.row().path
    }

    /// What the owner has to grant.
    pub const fn permission(self) -> Permission {
        self.row().permission
    }

    /// The signals that a read of it asks for, in the order of the body. `/` has none: it is answered from the
    /// record of the vehicle.
    ///
    /// They carry the permission of the endpoint, with one exception that the format has: `/security` shows the
    /// charging port, which as a signal of its own needs `read_charge`.
    pub const fn signals(self) -> &'static [SignalId] {
        self.row().signals
    }

    /// Whether its entries carry the header `sc-unit-system`.
    pub const fn has_units(self) -> bool {
        self.row().units
    }

    /// Whether a vehicle with this powertrain can have anything to say about it.
    pub fn fits(self, powertrain: Powertrain) -> bool {
        let signals = self.signals();
        signals.is_empty() || signals.iter().any(|signal| signal.entry().powertrains.contains(powertrain))
    }
}

/// Why a path cannot be part of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointRefused {
    /// The path belongs to one brand.
    #[error("{0} is specific to a brand; a scheduled webhook takes endpoints that every brand has")]
    Brand(String),
    /// No such endpoint.
    #[error("{0} is not an endpoint; endpoints look like /odometer")]
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::fmt::Write as _;

    /// The whole mapping: a number that moves would change stored webhooks, a path or a permission the wire.
    #[test]
    fn endpoints_keep_their_numbers_paths_permissions_and_powertrains() {
        let mut table = String::new();
        for &endpoint in Endpoint::ALL {
            let units = if endpoint.has_units() { "units" } else { "-" };
            let fits = [Powertrain::Ice, Powertrain::Hev, Powertrain::Phev, Powertrain::Bev]
                .map(|powertrain| if endpoint.fits(powertrain) { powertrain.as_str() } else { "-" })
                .join(" ");
            let (path, permission) = (endpoint.path(), endpoint.permission());
            writeln!(table, "{} {path} {permission} {units} {fits}", endpoint as u8).unwrap();
        }
        expect![[r#"
            0 / read_vehicle_info - ICE HEV PHEV BEV
            1 /vin read_vin - ICE HEV PHEV BEV
            2 /location read_location - ICE HEV PHEV BEV
            3 /odometer read_odometer units ICE HEV PHEV BEV
            4 /fuel read_fuel units ICE HEV PHEV -
            5 /battery read_battery units - - PHEV BEV
            6 /battery/capacity read_battery units - - PHEV BEV
            7 /charge read_charge - - - PHEV BEV
            8 /charge/limit read_charge - - - PHEV BEV
            9 /engine/oil read_engine_oil - ICE HEV PHEV -
            10 /tires/pressure read_tires units ICE HEV PHEV BEV
            11 /security read_security - ICE HEV PHEV BEV
            12 /battery/nominal_capacity read_battery - - - PHEV BEV
            13 /diagnostics/system_status read_diagnostics - ICE HEV PHEV BEV
            14 /diagnostics/dtcs read_diagnostics - ICE HEV PHEV BEV
            15 /service/history read_service_history - ICE HEV PHEV BEV
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn an_endpoint_reads_back_from_its_number_and_its_path() {
        for &endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::from_number(endpoint as u8), Some(endpoint));
            assert_eq!(Endpoint::from_path(endpoint.path()), Ok(endpoint));
        }
        assert_eq!(Endpoint::from_number(Endpoint::ALL.len() as u8), None);
    }

    #[test]
    fn the_signals_of_an_endpoint_carry_its_permission() {
        for &endpoint in Endpoint::ALL {
            for &signal in endpoint.signals().iter().filter(|&&signal| signal != IS_CHARGING_PORT_OPEN) {
                assert_eq!(
                    signal.entry().permission,
                    endpoint.permission(),
                    "{signal:?} of {}",
                    endpoint.path()
                );
            }
        }
    }

    #[test]
    fn the_system_status_covers_every_system_that_the_catalogue_can_diagnose() {
        let systems: Vec<_> = SignalId::all()
            .filter(|signal| signal.entry().group == "Diagnostics")
            .filter(|signal| !signal.entry().name.starts_with("DTC"))
            .collect();
        assert_eq!(Endpoint::SystemStatus.signals(), systems);
    }

    #[test]
    fn paths_of_one_brand_and_unknown_paths_are_told_apart() {
        let refused = |path: &str| Endpoint::from_path(path).unwrap_err();
        assert_eq!(refused("/tesla/battery"), EndpointRefused::Brand("/tesla/battery".into()));
        assert_eq!(refused("/BMW/charge/records"), EndpointRefused::Brand("/BMW/charge/records".into()));
        for path in ["", "odometer", "/odometer/", "/Odometer", "/permissions", "//"] {
            assert_eq!(refused(path), EndpointRefused::Unknown(path.into()));
        }
    }
}
