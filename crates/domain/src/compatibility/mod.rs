//! Which cars can be used, and for what: by vehicle number, and as a table of models.
//!
//! A capability is a permission with a path that it opens. A car is capable of it when a model that it may be tells what
//! the path shows; if none of its make ever does, it is this server that is not.

mod country;
pub mod vin;

pub use country::region_of;

use crate::{
    connect::Permission,
    signal::{BrandRead, CHARGE_LIMITS, Endpoint, IS_CHARGING, IS_LOCKED, Powertrain, SignalId},
    vehicle::Region,
};

/// A model that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Upper case: `LAND ROVER`.
    pub make: String,
    /// `Defender`
    pub model: String,
    /// First and last model year.
    pub years: (u16, u16),
    /// What drives it.
    pub powertrain: Powertrain,
    /// Where it is sold.
    pub regions: Vec<Region>,
    /// What it can tell.
    pub signals: Vec<SignalId>,
}

/// Why something cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No car of this make in this country.
    Make,
    /// Not this car.
    Vehicle,
    /// The car has no such feature.
    Feature,
    /// This server has no way to ask cars of this make for it.
    Server,
}

impl Reason {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Make => "MAKE_NOT_COMPATIBLE",
            Self::Vehicle => "VEHICLE_NOT_COMPATIBLE",
            Self::Feature => "VEHICLE_NOT_CAPABLE",
            Self::Server => "SMARTCAR_NOT_CAPABLE",
        }
    }
}

/// A permission with a path that it opens, and whether a car can do that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The permission.
    pub permission: Permission,
    /// Below a vehicle; `None` when the permission opens nothing on this server.
    pub endpoint: Option<&'static str>,
    /// Why not; nothing when it can.
    pub lacking: Option<Reason>,
}

/// Whether a car can be used, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why the car cannot be used at all; nothing when it can.
    pub reason: Option<Reason>,
    /// What was asked about, in that order; nothing for a car that cannot be used.
    pub capabilities: Vec<Capability>,
}

impl Verdict {
    const fn no(reason: Reason) -> Self {
        Self { reason: Some(reason), capabilities: Vec::new() }
    }
}

/// What a car is known to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<'a> {
    /// One of the models, of a year.
    Exactly(&'a Model, u16),
    /// What its number tells.
    Decoded(vin::Decoded),
    /// Nobody knows its maker.
    Nothing,
}

/// Judges a car for what an application wants to do, by the models that it may be.
pub fn judge(known: &Known<'_>, region: Option<Region>, scope: &[Permission], models: &[Model]) -> Verdict {
    let make = match known {
        Known::Exactly(model, _) => model.make.as_str(),
        Known::Decoded(decoded) => decoded.make,
        Known::Nothing => return Verdict::no(Reason::Make),
    };
    let there = |model: &&Model| region.is_some_and(|region| model.regions.contains(&region));
    let of_make: Vec<&Model> = models.iter().filter(|model| model.make == make).collect();
    if !of_make.iter().any(there) {
        return Verdict::no(Reason::Make);
    }
    let may_be = |model: &Model| match known {
        Known::Exactly(exactly, _) => model == *exactly,
        Known::Decoded(decoded) => {
            decoded.model.is_none_or(|name| name == model.model)
                && decoded.year.is_none_or(|year| (model.years.0..=model.years.1).contains(&year))
        }
        Known::Nothing => false,
    };
    let candidates: Vec<&Model> =
        of_make.iter().copied().filter(|model| there(model) && may_be(model)).collect();
    if candidates.is_empty() {
        return Verdict::no(Reason::Vehicle);
    }
    let lacking = |doing: Doing| match () {
        () if candidates.iter().any(|model| doing.fits(model)) => None,
        () if of_make.iter().any(|model| doing.fits(model)) => Some(Reason::Feature),
        () => Some(Reason::Server),
    };
    Verdict { reason: None, capabilities: capabilities(scope, make, lacking) }
}

/// What a test car can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All there is.
    Compatible,
    /// What a plug-in hybrid can.
    Phev,
    /// Nothing: it cannot be used.
    Incompatible,
    /// What a car with a tank can.
    Fuel,
    /// Nothing: it is too old.
    Dinosaur,
    /// What an electric car can.
    Bev,
}

impl Level {
    /// All of them, in the order in which the wire lists them.
    pub const ALL: [Self; 6] =
        [Self::Compatible, Self::Phev, Self::Incompatible, Self::Fuel, Self::Dinosaur, Self::Bev];

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Phev => "phev",
            Self::Incompatible => "incompatible",
            Self::Fuel => "fuel",
            Self::Dinosaur => "dinosaur",
            Self::Bev => "bev",
        }
    }

    /// The level with a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }

    /// Judges a test car, whatever its number is.
    pub fn judge(self, scope: &[Permission]) -> Verdict {
        let powertrain = match self {
            Self::Incompatible | Self::Dinosaur => return Verdict::no(Reason::Vehicle),
            Self::Compatible => None,
            Self::Phev => Some(Powertrain::Phev),
            Self::Fuel => Some(Powertrain::Ice),
            Self::Bev => Some(Powertrain::Bev),
        };
        let lacking = |doing: Doing| match powertrain {
            Some(powertrain) if !doing.fits_powertrain(powertrain) => Some(Reason::Feature),
            _ => None,
        };
        Verdict { reason: None, capabilities: capabilities(scope, "", lacking) }
    }
}

fn capabilities(
    scope: &[Permission],
    make: &str,
    lacking: impl Fn(Doing) -> Option<Reason>,
) -> Vec<Capability> {
    let of = |&permission: &Permission| {
        let mut opened: Vec<_> = Doing::opened_by(permission, make)
            .map(|doing| Capability { permission, endpoint: Some(doing.path()), lacking: lacking(doing) })
            .collect();
        if opened.is_empty() {
            opened.push(Capability { permission, endpoint: None, lacking: Some(Reason::Server) });
        }
        opened
    };
    scope.iter().flat_map(of).collect()
}

/// A row of the table of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// `Defender`
    pub model: &'a str,
    /// First and last model year.
    pub years: (u16, u16),
    /// What drives it.
    pub powertrain: Powertrain,
    /// What it can do, for people.
    pub features: Vec<&'static str>,
    /// What an owner can grant for that.
    pub permissions: Vec<Permission>,
}

/// What a table of models is to be about. Empty lists ask for everything.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Where.
    pub region: Region,
    /// Driven by what.
    pub powertrain: Option<Powertrain>,
    /// Of which makes; a space, `_` and `-` are the same.
    pub makes: Vec<String>,
    /// Models for which an owner can grant all of this.
    pub scope: Vec<Permission>,
}

/// The models that can be used, with their makes, in the order of the catalogue.
pub fn table<'a>(wish: &Wish, models: &'a [Model]) -> Vec<(&'a str, Row<'a>)> {
    let words = |make: &str| make.to_uppercase().replace(['_', '-'], " ");
    let asked: Vec<String> = wish.makes.iter().map(|make| words(make)).collect();
    let about = |model: &&Model| {
        model.regions.contains(&wish.region)
            && wish.powertrain.is_none_or(|powertrain| powertrain == model.powertrain)
            && (asked.is_empty() || asked.contains(&words(&model.make)))
    };
    let row = |model: &'a Model| {
        let can: Vec<Doing> = Doing::all(&model.make).filter(|doing| doing.fits(model)).collect();
        let mut features: Vec<&'static str> = Vec::new();
        for feature in can.iter().filter_map(|doing| doing.feature()) {
            if !features.contains(&feature) {
                features.push(feature);
            }
        }
        let mut permissions: Vec<_> = can.iter().map(|doing| doing.permission()).collect();
        permissions.sort();
        permissions.dedup();
        let row = Row {
            model: &model.model,
            years: model.years,
            powertrain: model.powertrain,
            features,
            permissions,
        };
        (model.make.as_str(), row)
    };
    let all = |(_, row): &(&str, Row<'_>)| wish.scope.iter().all(|wanted| row.permissions.contains(wanted));
    models.iter().filter(about).map(row).filter(all).collect()
}

/// Something that a path below a vehicle does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    Read(Endpoint),
    ReadOfBrand(BrandRead),
    Charge,
    ChargeLimit,
    Lock,
    Destination,
}

impl Doing {
    /// Everything that a car of a make may do.
    fn all(make: &str) -> impl Iterator<Item = Self> {
        let of_brand = BrandRead::all().filter(move |read| read.brand().eq_ignore_ascii_case(make));
        let reads = Endpoint::ALL.iter().copied().map(Self::Read);
        let commands = [Self::Charge, Self::ChargeLimit, Self::Lock, Self::Destination];
        reads.chain(commands).chain(of_brand.map(Self::ReadOfBrand))
    }

    /// What a permission opens: paths that every brand has, else those of the brand.
    fn opened_by(permission: Permission, make: &str) -> impl Iterator<Item = Self> {
        let opened = move |doing: &Self| doing.permission() == permission;
        let common = Self::all("").any(|doing| opened(&doing));
        Self::all(if common { "" } else { make }).filter(opened)
    }

    const fn permission(self) -> Permission {
        match self {
            Self::Read(endpoint) => endpoint.permission(),
            Self::ReadOfBrand(read) => read.permission(),
            Self::Charge | Self::ChargeLimit => Permission::ControlCharge,
            Self::Lock => Permission::ControlSecurity,
            Self::Destination => Permission::ControlNavigation,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Read(endpoint) => endpoint.path(),
            Self::ReadOfBrand(read) => read.path(),
            Self::Charge => "/charge",
            Self::ChargeLimit => "/charge/limit",
            Self::Lock => "/security",
            Self::Destination => "/navigation/destination",
        }
    }

    fn fits_powertrain(self, powertrain: Powertrain) -> bool {
        match self {
            Self::Read(endpoint) => endpoint.fits(powertrain),
            Self::ReadOfBrand(read) => read.fits(read.brand(), powertrain),
            Self::Charge | Self::ChargeLimit => matches!(powertrain, Powertrain::Bev | Powertrain::Phev),
            Self::Lock | Self::Destination => true,
        }
    }

    fn fits(self, model: &Model) -> bool {
        let tells = |signal: SignalId| model.signals.contains(&signal);
        let told = match self {
            Self::Read(endpoint) => {
                endpoint.signals().is_empty() || endpoint.signals().iter().copied().any(tells)
            }
            Self::ReadOfBrand(_) => true,
            Self::Charge => tells(IS_CHARGING),
            Self::ChargeLimit => tells(CHARGE_LIMITS),
            Self::Lock | Self::Destination => tells(IS_LOCKED),
        };
        told && self.fits_powertrain(model.powertrain)
    }

    /// What people call it.
    const fn feature(self) -> Option<&'static str> {
        Some(match self {
            Self::Read(Endpoint::Attributes) => "Vehicle info",
            Self::Read(Endpoint::Vin) => "VIN",
            Self::Read(Endpoint::Location) => "Location",
            Self::Read(Endpoint::Odometer) => "Odometer",
            Self::Read(Endpoint::Fuel) => "Fuel tank",
            Self::Read(Endpoint::Battery) => "EV battery",
            Self::Read(Endpoint::BatteryCapacity | Endpoint::NominalCapacity) => "EV battery capacity",
            Self::Read(Endpoint::Charge) => "EV charging status",
            Self::Read(Endpoint::ChargeLimit) => "EV charge limit",
            Self::Read(Endpoint::EngineOil) => "Engine oil",
            Self::Read(Endpoint::TirePressure) => "Tire pressure",
            Self::Read(Endpoint::Security) => "Lock status",
            Self::Read(Endpoint::SystemStatus) => "System status",
            Self::Read(Endpoint::TroubleCodes) => "Diagnostic trouble codes",
            Self::Read(Endpoint::ServiceHistory) => "Service history",
            Self::Charge => "EV start and stop charge",
            Self::ChargeLimit => "EV set charge limit",
            Self::Lock => "Lock and unlock",
            Self::Destination => "Send destination",
            Self::ReadOfBrand(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Permission::*;

    fn model(make: &str, name: &str, powertrain: Powertrain, years: (u16, u16), regions: &[Region]) -> Model {
        let signals =
            SignalId::all().filter(|signal| signal.entry().powertrains.contains(powertrain)).collect();
        Model { make: make.into(), model: name.into(), years, powertrain, regions: regions.into(), signals }
    }

    fn models() -> Vec<Model> {
        use Region::*;
        vec![
            model("TESLA", "Model S", Powertrain::Bev, (2012, 2026), &[UnitedStates, Europe]),
            model("GMC", "Hummer EV", Powertrain::Bev, (2022, 2026), &[UnitedStates]),
            model("GMC", "Sierra", Powertrain::Ice, (2019, 2026), &[UnitedStates]),
            model("BMW", "X3", Powertrain::Ice, (2018, 2026), &[UnitedStates]),
            model("LAND ROVER", "Defender", Powertrain::Ice, (2020, 2026), &[Europe]),
        ]
    }

    /// What is wrong with the car, or with each path that the scope opens.
    #[track_caller]
    fn check(vin: &str, country: &str, scope: &[Permission], expected: &str) {
        let models = models();
        let known = vin::decode(vin).map_or(Known::Nothing, Known::Decoded);
        let verdict = judge(&known, region_of(country), scope, &models);
        assert_eq!(told(&verdict), expected, "{vin}");
    }

    fn told(verdict: &Verdict) -> String {
        let capability = |capability: &Capability| {
            let lacking = capability.lacking.map_or("yes", Reason::as_str);
            format!("{} {lacking}", capability.endpoint.unwrap_or("-"))
        };
        match verdict.reason {
            Some(reason) => reason.as_str().to_owned(),
            None => verdict.capabilities.iter().map(capability).collect::<Vec<_>>().join(", "),
        }
    }

    #[test]
    fn a_car_lacks_what_others_of_its_make_have_and_the_server_what_none_has() {
        let scope = [ReadOdometer, ReadFuel];
        check("5YJSA1E29LF403082", "US", &scope, "/odometer yes, /fuel SMARTCAR_NOT_CAPABLE");
        check("0SCGMCT0386A85356", "US", &scope, "/odometer yes, /fuel VEHICLE_NOT_CAPABLE");
    }

    #[test]
    fn a_car_of_another_year_country_or_make_cannot_be_used() {
        check("WBAKE5C58DJ107700", "US", &[ReadOdometer], "VEHICLE_NOT_COMPATIBLE");
        check("WBAKE5C58LJ107700", "US", &[ReadOdometer], "/odometer yes");
        check("WBAKE5C58LJ107700", "DE", &[ReadOdometer], "MAKE_NOT_COMPATIBLE");
        check("WBAKE5C58LJ107700", "AQ", &[ReadOdometer], "MAKE_NOT_COMPATIBLE");
        check("ZZZKE5C58LJ107700", "US", &[ReadOdometer], "MAKE_NOT_COMPATIBLE");
    }

    #[test]
    fn a_permission_opens_all_its_paths_and_those_of_the_brand_where_there_are_no_others() {
        let vin = "5YJSA1E29LF403082";
        check(vin, "US", &[ControlCharge], "/charge yes, /charge/limit yes");
        check(vin, "US", &[ReadCompass], "/tesla/compass yes");
        check(vin, "US", &[ControlPin], "- SMARTCAR_NOT_CAPABLE");
    }

    #[test]
    fn a_test_car_can_do_what_its_level_says() {
        let judged = |level: Level| told(&level.judge(&[ReadFuel, ReadBattery]));
        let battery = |word: &str| {
            format!("/battery {word}, /battery/capacity {word}, /battery/nominal_capacity {word}")
        };
        assert_eq!(judged(Level::Compatible), format!("/fuel yes, {}", battery("yes")));
        assert_eq!(judged(Level::Phev), format!("/fuel yes, {}", battery("yes")));
        assert_eq!(judged(Level::Bev), format!("/fuel VEHICLE_NOT_CAPABLE, {}", battery("yes")));
        assert_eq!(judged(Level::Fuel), format!("/fuel yes, {}", battery("VEHICLE_NOT_CAPABLE")));
        assert_eq!(judged(Level::Incompatible), "VEHICLE_NOT_COMPATIBLE");
        assert_eq!(judged(Level::Dinosaur), "VEHICLE_NOT_COMPATIBLE");
        assert!(Level::ALL.iter().all(|&level| Level::from_word(level.as_str()) == Some(level)));
    }

    #[test]
    fn the_table_is_about_what_was_asked() {
        let models = models();
        let all = Wish { region: Region::UnitedStates, powertrain: None, makes: vec![], scope: vec![] };
        let names = |wish: &Wish| {
            table(wish, &models).iter().map(|(make, row)| format!("{make} {}", row.model)).collect::<Vec<_>>()
        };
        assert_eq!(names(&all), ["TESLA Model S", "GMC Hummer EV", "GMC Sierra", "BMW X3"]);
        let gmc = Wish { makes: vec!["gmc".into()], ..all.clone() };
        assert_eq!(names(&gmc), ["GMC Hummer EV", "GMC Sierra"]);
        assert_eq!(names(&Wish { powertrain: Some(Powertrain::Bev), ..gmc.clone() }), ["GMC Hummer EV"]);
        assert_eq!(names(&Wish { scope: vec![ReadFuel], ..gmc }), ["GMC Sierra"]);
        let europe = Wish { region: Region::Europe, makes: vec!["land_rover".into()], ..all };
        assert_eq!(names(&europe), ["LAND ROVER Defender"]);
        let (_, row) = &table(&europe, &models)[0];
        assert!(row.permissions.contains(&ReadFuel) && !row.permissions.contains(&ReadBattery));
        assert!(row.features.contains(&"Fuel tank") && row.features.contains(&"Lock and unlock"));
    }
}
