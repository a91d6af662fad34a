//! The v2 reads that belong to one brand: paths like `/tesla/battery`, as data.
//!
//! Each is a list of fields. A field is made of a signal where the catalogue has one under the same permission, and of
//! what the source adds beside its signals ([`Details`]) where it has none or the car does not tell it.

use super::{
    BATTERY_RANGE, CHARGE_LIMITS, CHARGING_STATUS, EXTERNAL_TEMPERATURE, GEAR, IS_CABLE_CONNECTED,
    IS_CHARGING, IS_CHARGING_PORT_OPEN, Powertrain, Powertrains, SPEED, STATE_OF_CHARGE, SignalId, Value,
};
use crate::{
    connect::Permission::{self, *},
    time::Timestamp,
};

/// A v2 read that belongs to one brand, by its place in the table. Not stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrandRead(u8);

/// What a source tells of a car for a read of its brand, beside the car's signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// When the car measured it.
    pub captured_at: Timestamp,
    /// Values by the names of their fields.
    pub values: Vec<(&'static str, Value)>,
}

/// One field of the body.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// How its value is written.
    pub form: Form,
    /// Where its value is from.
    pub origin: Origin,
    /// Whether it is `null` where there is no value; else the read fails then.
    pub nullable: bool,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A word or a text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A flag as `ON` or `OFF`.
    Switch,
    /// A flag as `ENGAGED` or `DISENGAGED`.
    Latch,
    /// A number as it is.
    Number,
    /// A whole number.
    Whole,
    /// Percent as a fraction of 1.
    Fraction,
    /// A charge limit in percent, alone or among others, as a fraction of 1.
    Limit,
    /// Watts as kilowatts.
    Kilowatts,
    /// Kilometres, or kilometres in an hour, in the units asked for.
    Distance,
    /// Degrees Celsius in the units asked for.
    Temperature,
    /// Minutes from the measurement on, as the moment when they are over; `null` when none are left.
    Ahead,
    /// The list of a signal.
    List,
    /// A list or an object, as it is.
    Json,
}

/// Where the value of a field is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A signal; [`Details`] stand in for one that the car does not tell.
    Signal(SignalId),
    /// The record of the vehicle.
    Record,
    /// [`Details`].
    Source,
}

struct Row {
    path: &'static str,
    permission: Permission,
    powertrains: Powertrains,
    /// A car that is not charging has nothing to say.
    while_charging: bool,
    fields: &'static [Field],
}

impl BrandRead {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROWS.len()).map(|place| Self(place as u8))
    }

    /// The read with a path below a vehicle; in the brand's name, upper case is forgiven here.
    pub fn find(path: &str) -> Option<Self> {
        Self::all().find(|read| {
            let (brand, rest) = read.path().split_at(1 + read.brand().len());
            path.split_at_checked(brand.len())
                .is_some_and(|(first, second)| first.eq_ignore_ascii_case(brand) && second == rest)
        })
    }

    /// Its path below a vehicle: `/tesla/charge/ammeter`.
    pub fn path(self) -> &'static str {
        self.row().path
    }

    /// Its brand, in lower case.
    pub fn brand(self) -> &'static str {
        self.path().split('/').nth(1).unwrap_or_default()
    }

    /// What the owner has to grant.
    pub const fn permission(self) -> Permission {
        self.row().permission
    }

    /// Whether a vehicle of this make and powertrain can have anything to say about it.
    pub fn fits(self, make: &str, powertrain: Powertrain) -> bool {
        self.brand().eq_ignore_ascii_case(make) && self.row().powertrains.contains(powertrain)
    }

    /// Whether a car that is not charging has nothing to say.
    pub fn only_while_charging(self) -> bool {
        self.row().while_charging
    }

    /// Whether its body lists charging sessions, which are asked for by time and by page.
    pub fn has_sessions(self) -> bool {
        self.permission() == ReadChargeRecords
    }

    /// The fields of its body, in their order.
    pub fn fields(self) -> &'static [Field] {
        self.row().fields
    }

    /// The signals that a read of it asks for.
    pub fn signals(self) -> impl Iterator<Item = SignalId> {
        let of_fields = self.fields().iter().filter_map(|field| match field.origin {
            Origin::Signal(signal) => Some(signal),
            Origin::Record | Origin::Source => None,
        });
        of_fields.chain(self.only_while_charging().then_some(IS_CHARGING))
    }

    /// Whether it shows anything in units that can be chosen.
    pub fn has_units(self) -> bool {
        self.fields().iter().any(|field| matches!(field.form, Form::Distance | Form::Temperature))
    }

    const fn row(self) -> &'static Row {
        &ROWS[self.0 as usize]
    }
}

impl std::fmt::Debug for BrandRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path())
    }
}

const PLUG_IN: Powertrains = Powertrains::PLUG_IN;
const BEV: Powertrains = Powertrains::BEV_ONLY;

const AMPERAGE: SignalId = SignalId(1);
const AMPERAGE_MAX: SignalId = SignalId(2);
const AMPERAGE_REQUESTED: SignalId = SignalId(3);
const PORT_COLOR: SignalId = SignalId(5);
const CHARGE_RATE: SignalId = SignalId(6);
const PHASES: SignalId = SignalId(8);
const CONNECTOR: SignalId = SignalId(10);
const ENERGY_ADDED: SignalId = SignalId(12);
const FAST_CHARGER: SignalId = SignalId(13);
const LATCHED: SignalId = SignalId(16);
const IS_FAST: SignalId = SignalId(18);
const TIME_TO_COMPLETE: SignalId = SignalId(19);
const VOLTAGE: SignalId = SignalId(20);
const WATTAGE: SignalId = SignalId(21);
const INSIDE: SignalId = SignalId(23);
const FIRMWARE: SignalId = SignalId(32);
const KEY_PAIRED: SignalId = SignalId(34);
const CABIN_TARGET: SignalId = SignalId(59);
const HVAC: SignalId = SignalId(60);
const FRONT_DEFROSTER: SignalId = SignalId(61);
const REAR_DEFROSTER: SignalId = SignalId(62);
const STEERING_HEATER: SignalId = SignalId(63);
const BATTERY_HEATER: SignalId = SignalId(78);
const FULL_CHARGES: SignalId = SignalId(79);
const NICKNAME: SignalId = SignalId(86);
const TRIM: SignalId = SignalId(88);
const ACCOUNT_PERMISSIONS: SignalId = SignalId(90);
const ACCOUNT_ROLE: SignalId = SignalId(91);

const fn field(name: &'static str, form: Form, origin: Origin, nullable: bool) -> Field {
    Field { name, form, origin, nullable }
}

/// A field that is never null, of a signal.
const fn of(name: &'static str, form: Form, signal: SignalId) -> Field {
    field(name, form, Origin::Signal(signal), false)
}

/// A field that may be null, of a signal.
const fn may(name: &'static str, form: Form, signal: SignalId) -> Field {
    field(name, form, Origin::Signal(signal), true)
}

/// A field that is never null, without a signal.
const fn told(name: &'static str, form: Form) -> Field {
    field(name, form, Origin::Source, false)
}

/// A field that may be null, without a signal.
const fn may_be_told(name: &'static str, form: Form) -> Field {
    field(name, form, Origin::Source, true)
}

/// A field of the vehicle's record.
const fn record(name: &'static str, form: Form) -> Field {
    field(name, form, Origin::Record, false)
}

const fn row(
    path: &'static str,
    permission: Permission,
    powertrains: Powertrains,
    fields: &'static [Field],
) -> Row {
    Row { path, permission, powertrains, while_charging: false, fields }
}

const fn charging(path: &'static str, powertrains: Powertrains, fields: &'static [Field]) -> Row {
    Row { while_charging: true, ..row(path, ReadCharge, powertrains, fields) }
}

const COMPLETION: &[Field] = &[of("time", Form::Ahead, TIME_TO_COMPLETE)];
const VOLTMETER: &[Field] = &[of("voltage", Form::Number, VOLTAGE)];
const RECORDS: &[Field] = &[told("records", Form::Json)];
const PAGED_RECORDS: &[Field] = &[told("records", Form::Json), told("hasMoreData", Form::Flag)];
const PLACES: &[Field] = &[told("chargingLocations", Form::Json)];

const ROWS: &[Row] = &[
    row(
        "/audi/charge",
        ReadCharge,
        PLUG_IN,
        &[
            of("chargingStatus", Form::Text, CHARGING_STATUS),
            of("isPluggedIn", Form::Flag, IS_CABLE_CONNECTED),
            of("wattage", Form::Kilowatts, WATTAGE),
            of("chargeRate", Form::Distance, CHARGE_RATE),
            told("chargeType", Form::Text),
            of("chargePortColor", Form::Text, PORT_COLOR),
            of("chargePortLatch", Form::Latch, LATCHED),
            may("completionTime", Form::Ahead, TIME_TO_COMPLETE),
            told("chargeMode", Form::Text),
            of("socLimit", Form::Limit, CHARGE_LIMITS),
            told("externalPowerStatus", Form::Text),
        ],
    ),
    row("/bmw/charge/records", ReadChargeRecords, PLUG_IN, RECORDS),
    row("/mini/charge/records", ReadChargeRecords, PLUG_IN, RECORDS),
    row("/ford/charge/schedule_by_location", ReadChargeLocations, PLUG_IN, PLACES),
    row("/lincoln/charge/schedule_by_location", ReadChargeLocations, PLUG_IN, PLACES),
    charging("/cadillac/charge/completion", PLUG_IN, COMPLETION),
    charging("/cadillac/charge/voltmeter", PLUG_IN, VOLTMETER),
    charging("/chevrolet/charge/completion", PLUG_IN, COMPLETION),
    charging("/chevrolet/charge/voltmeter", PLUG_IN, VOLTMETER),
    row("/nissan/charge/schedule", ReadCharge, PLUG_IN, &[told("chargeSchedules", Form::Json)]),
    row("/tesla/alerts", ReadAlerts, BEV, &[told("alerts", Form::Json)]),
    row(
        "/tesla/battery",
        ReadBattery,
        BEV,
        &[
            of("percentRemaining", Form::Fraction, STATE_OF_CHARGE),
            of("range", Form::Distance, BATTERY_RANGE),
            of("heaterOn", Form::Flag, BATTERY_HEATER),
            may_be_told("rangeEstimated", Form::Distance),
            may_be_told("rangeIdeal", Form::Distance),
            may_be_told("percentRemainingUsable", Form::Fraction),
            may("maxRangeChargeCounter", Form::Whole, FULL_CHARGES),
            may_be_told("notEnoughPowerToHeat", Form::Flag),
        ],
    ),
    row(
        "/tesla/climate/cabin",
        ReadClimate,
        BEV,
        &[of("status", Form::Switch, HVAC), of("temperature", Form::Temperature, CABIN_TARGET)],
    ),
    row(
        "/tesla/climate/defroster",
        ReadClimate,
        BEV,
        &[of("frontStatus", Form::Switch, FRONT_DEFROSTER), of("rearStatus", Form::Switch, REAR_DEFROSTER)],
    ),
    row("/tesla/climate/steering_wheel", ReadClimate, BEV, &[of("status", Form::Switch, STEERING_HEATER)]),
    row(
        "/tesla/charge",
        ReadCharge,
        BEV,
        &[
            of("amperage", Form::Number, AMPERAGE),
            may("completionTime", Form::Ahead, TIME_TO_COMPLETE),
            of("wattage", Form::Kilowatts, WATTAGE),
            of("voltage", Form::Number, VOLTAGE),
            of("isPluggedIn", Form::Flag, IS_CABLE_CONNECTED),
            of("state", Form::Text, CHARGING_STATUS),
            of("socLimit", Form::Limit, CHARGE_LIMITS),
            of("amperageMaxVehicle", Form::Number, AMPERAGE_MAX),
            told("socLimitMax", Form::Fraction),
            told("socLimitMin", Form::Fraction),
            told("socLimitDefault", Form::Fraction),
            of("amperageRequested", Form::Number, AMPERAGE_REQUESTED),
            of("energyAdded", Form::Number, ENERGY_ADDED),
            told("rangeAddedRated", Form::Distance),
            told("rangeAddedIdeal", Form::Distance),
            of("chargeRate", Form::Distance, CHARGE_RATE),
            may("connector", Form::Text, CONNECTOR),
            of("fastChargerPresent", Form::Flag, IS_FAST),
            may("fastChargerType", Form::Text, FAST_CHARGER),
            may_be_told("fastChargerBrand", Form::Text),
            told("amperageMaxCharger", Form::Number),
            may("chargePortColor", Form::Text, PORT_COLOR),
            of("chargePortOpen", Form::Flag, IS_CHARGING_PORT_OPEN),
            may("chargePortLatch", Form::Latch, LATCHED),
            may("chargerPhases", Form::Whole, PHASES),
        ],
    ),
    charging("/tesla/charge/completion", BEV, COMPLETION),
    charging("/tesla/charge/voltmeter", BEV, VOLTMETER),
    charging("/tesla/charge/wattmeter", BEV, &[of("wattage", Form::Kilowatts, WATTAGE)]),
    charging("/tesla/charge/ammeter", BEV, &[of("amperage", Form::Number, AMPERAGE)]),
    row("/tesla/charge/records", ReadChargeRecords, BEV, PAGED_RECORDS),
    row("/tesla/charge/records/billing", ReadChargeRecords, BEV, PAGED_RECORDS),
    row(
        "/tesla/charge/schedule",
        ReadCharge,
        BEV,
        &[told("departureTime", Form::Json), told("startTime", Form::Json)],
    ),
    row("/tesla/compass", ReadCompass, BEV, &[told("direction", Form::Text), told("heading", Form::Number)]),
    row(
        "/tesla/attributes",
        ReadExtendedVehicleInfo,
        BEV,
        &[
            record("id", Form::Text),
            record("make", Form::Text),
            record("model", Form::Text),
            record("year", Form::Whole),
            may("firmwareVersion", Form::Text, FIRMWARE),
            may("trimBadging", Form::Text, TRIM),
            may_be_told("efficiencyPackage", Form::Text),
            may_be_told("performancePackage", Form::Text),
            may("nickname", Form::Text, NICKNAME),
            may_be_told("driverAssistVersion", Form::Text),
            may_be_told("atHome", Form::Flag),
            told("sentryMode", Form::Json),
            told("style", Form::Json),
            told("wheel", Form::Json),
            told("driveUnit", Form::Json),
        ],
    ),
    row(
        "/tesla/thermometer/exterior",
        ReadThermometer,
        BEV,
        &[of("temperature", Form::Temperature, EXTERNAL_TEMPERATURE)],
    ),
    row("/tesla/thermometer/interior", ReadThermometer, BEV, &[of("temperature", Form::Temperature, INSIDE)]),
    row("/tesla/migration", ReadVehicleInfo, BEV, &[told("requiresMigration", Form::Flag)]),
    row("/tesla/speedometer", ReadSpeedometer, BEV, &[of("speed", Form::Distance, SPEED)]),
    row(
        "/tesla/user/access",
        ReadUserProfile,
        BEV,
        &[of("accessType", Form::Text, ACCOUNT_ROLE), of("permissions", Form::List, ACCOUNT_PERMISSIONS)],
    ),
    row("/tesla/user/info", ReadUserProfile, BEV, &[told("email", Form::Text)]),
    row(
        "/tesla/status",
        ReadExtendedVehicleInfo,
        BEV,
        &[told("status", Form::Text), told("inService", Form::Flag), may("gear", Form::Text, GEAR)],
    ),
    row("/tesla/virtual_key", ReadVehicleInfo, BEV, &[of("isPaired", Form::Flag, KEY_PAIRED)]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::fmt::Write as _;

    #[test]
    fn the_fields_of_brands_are_those_of_the_wire() {
        let mut table = String::new();
        for read in BrandRead::all() {
            let units = if read.has_units() { " (units)" } else { "" };
            let fields: Vec<_> = read
                .fields()
                .iter()
                .map(|field| format!("{}{}", field.name, if field.nullable { "?" } else { "" }))
                .collect();
            writeln!(table, "{}{units} {}: {}", read.path(), read.permission(), fields.join(" ")).unwrap();
        }
        expect![[r#"
            /audi/charge (units) read_charge: chargingStatus isPluggedIn wattage chargeRate chargeType chargePortColor chargePortLatch completionTime? chargeMode socLimit externalPowerStatus
            /bmw/charge/records read_charge_records: records
            /mini/charge/records read_charge_records: records
            /ford/charge/schedule_by_location read_charge_locations: chargingLocations
            /lincoln/charge/schedule_by_location read_charge_locations: chargingLocations
            /cadillac/charge/completion read_charge: time
            /cadillac/charge/voltmeter read_charge: voltage
            /chevrolet/charge/completion read_charge: time
            /chevrolet/charge/voltmeter read_charge: voltage
            /nissan/charge/schedule read_charge: chargeSchedules
            /tesla/alerts read_alerts: alerts
            /tesla/battery (units) read_battery: percentRemaining range heaterOn rangeEstimated? rangeIdeal? percentRemainingUsable? maxRangeChargeCounter? notEnoughPowerToHeat?
            /tesla/climate/cabin (units) read_climate: status temperature
            /tesla/climate/defroster read_climate: frontStatus rearStatus
            /tesla/climate/steering_wheel read_climate: status
            /tesla/charge (units) read_charge: amperage completionTime? wattage voltage isPluggedIn state socLimit amperageMaxVehicle socLimitMax socLimitMin socLimitDefault amperageRequested energyAdded rangeAddedRated rangeAddedIdeal chargeRate connector? fastChargerPresent fastChargerType? fastChargerBrand? amperageMaxCharger chargePortColor? chargePortOpen chargePortLatch? chargerPhases?
            /tesla/charge/completion read_charge: time
            /tesla/charge/voltmeter read_charge: voltage
            /tesla/charge/wattmeter read_charge: wattage
            /tesla/charge/ammeter read_charge: amperage
            /tesla/charge/records read_charge_records: records hasMoreData
            /tesla/charge/records/billing read_charge_records: records hasMoreData
            /tesla/charge/schedule read_charge: departureTime startTime
            /tesla/compass read_compass: direction heading
            /tesla/attributes read_extended_vehicle_info: id make model year firmwareVersion? trimBadging? efficiencyPackage? performancePackage? nickname? driverAssistVersion? atHome? sentryMode style wheel driveUnit
            /tesla/thermometer/exterior (units) read_thermometer: temperature
            /tesla/thermometer/interior (units) read_thermometer: temperature
            /tesla/migration read_vehicle_info: requiresMigration
            /tesla/speedometer (units) read_speedometer: speed
            /tesla/user/access read_user_profile: accessType permissions
            /tesla/user/info read_user_profile: email
            /tesla/status read_extended_vehicle_info: status inService gear?
            /tesla/virtual_key read_vehicle_info: isPaired
        "#]].assert_eq(&table);
    }

    #[test]
    fn signals_of_a_field_carry_the_permission_of_the_read() {
        for read in BrandRead::all() {
            for signal in read.signals() {
                assert_eq!(signal.entry().permission, read.permission(), "{signal:?} of {read:?}");
            }
        }
    }

    #[test]
    fn a_path_is_found_in_either_case_of_its_brand_and_fits_cars_of_that_brand() {
        for read in BrandRead::all() {
            assert_eq!(BrandRead::find(read.path()), Some(read));
            let shouted = read.path().replacen(read.brand(), &read.brand().to_uppercase(), 1);
            assert_eq!(BrandRead::find(&shouted), Some(read));
            assert!(read.fits(&read.brand().to_uppercase(), Powertrain::Bev));
            assert!(!read.fits("KIA", Powertrain::Bev) && !read.fits(read.brand(), Powertrain::Ice));
        }
        for path in ["/tesla", "/tesla/battery/", "/tesla/Battery", "/kia/battery", "/", "", "/té"] {
            assert_eq!(BrandRead::find(path), None, "{path}");
        }
    }
}
