//! Owners of simulated cars: who signs in at which brand, and what is in the account.
//!
//! Any name and any password sign in. The same name at the same brand finds the same cars again, because all that there is
//! follows from the two; some names ask for something special, as [`TestLogin`] has it. What a ticket holds is that
//! name with its brand, so nothing is kept of who has signed in.

use app::ports::{AccountCar, AccountRefused, BrandAccount, BrandAccounts, Factor, SignIn, SignedIn};
use async_trait::async_trait;
use domain::{
    compatibility::Level,
    connect::{
        Permission::{self, *},
        PermissionSet,
        authorize::Mode,
    },
    signal::{Powertrain, SignalId},
    time::Timestamp,
    vehicle::{self, Region},
};
use minicbor::{Decoder, Encoder};

use super::{
    CarSpec, Model, ModelNo, Profile, SimulatedFleet, TestLogin, models, trouble_for_login, vin,
    vin_for_error,
};
use crate::SIMULATED;

/// Names that stand for an answer of the brand, with the vehicle's number that goes with it.
const INCOMPATIBLE: (&str, &str) = ("smartcar@vehicle-incompatible.com", "0SCAUDI012FE3B132");
const NO_SUBSCRIPTION: (&str, &str) = ("smartcar@invalid-subscription.com", "0SCAUDI0155C49A95");
const SUCCESS: (&str, &str) = ("smartcar@successful-request.com", "0SCAUDI037A5ADB1C");
const NO_VEHICLES: &str = "0-vehicles@";

/// Brands that ask for more than a password.
const FACTORS: &[(&str, Factor)] =
    &[("RIVIAN", Factor::Code(6)), ("VOLVO", Factor::Code(6)), ("SUBARU", Factor::Pin(4))];

/// Models of which a brand's cloud does not say which battery they have, in Wh.
const CAPACITIES: &[(&str, &str, &[u32])] = &[
    ("NISSAN", "Leaf", &[24_000, 30_000, 40_000, 62_000]),
    ("VOLKSWAGEN", "ID.3", &[45_000, 58_000, 77_000]),
    ("VOLKSWAGEN", "ID.4", &[52_000, 77_000]),
    ("HYUNDAI", "Kona Electric", &[39_200, 64_000]),
    ("RENAULT", "Zoe", &[22_000, 41_000, 52_000]),
];

/// The first characters of the numbers of real cars, by brand. Three decide; where they do not, what is asked is
/// not a number of a brand that is offered.
const MANUFACTURERS: &[(&str, &[&str])] = &[
    ("ACURA", &["19U", "5J8", "JH4", "2HN"]),
    ("ALFA ROMEO", &["ZAR", "ZAS"]),
    ("AUDI", &["WAU", "WA1", "WUA", "TRU"]),
    ("BMW", &["WBA", "WBS", "WBY", "WBX", "5UX", "5UM", "5YM"]),
    ("BUICK", &["1G4", "2G4", "5GA", "KL4", "LRB"]),
    ("BYD", &["LC0", "LGX"]),
    ("CADILLAC", &["1G6", "1GY", "3GY"]),
    ("CHEVROLET", &["1G1", "1GC", "1GN", "2G1", "3GC", "3GN", "KL8", "KL7"]),
    ("CHRYSLER", &["1C3", "2C3", "2C4"]),
    ("CITROEN", &["VF7", "VR7"]),
    ("CUPRA", &["VSS"]),
    ("DACIA", &["UU1"]),
    ("DODGE", &["1B3", "2B3", "1C4", "ZAC"]),
    ("DS", &["VR1"]),
    ("FIAT", &["ZFA"]),
    ("FORD", &["1FA", "1FM", "1FT", "2FM", "3FM", "3FA", "WF0", "NM0"]),
    ("GMC", &["1GT", "1GK", "1GD", "2GK", "3GT", "3GK"]),
    ("HONDA", &["1HG", "2HG", "2HK", "5FN", "7FA", "JHM", "SHH", "3GP"]),
    ("HYUNDAI", &["KMH", "KM8", "5NM", "5NP", "TMA", "NLH"]),
    ("INFINITI", &["JN8", "5N3", "JNK"]),
    ("JAGUAR", &["SAJ", "SAD"]),
    ("JEEP", &["1J4", "1J8", "3C4"]),
    ("KIA", &["KNA", "KND", "5XX", "5XY", "U5Y", "3KP"]),
    ("LAND ROVER", &["SAL"]),
    ("LEXUS", &["JTH", "JTJ", "2T2", "58A"]),
    ("LINCOLN", &["1LN", "2LM", "5LM", "3LN"]),
    ("MAZDA", &["JM1", "JM3", "JMZ", "3MZ", "7MM"]),
    ("MERCEDES-BENZ", &["WDB", "WDC", "WDD", "WDF", "W1K", "W1N", "W1V", "4JG", "55S"]),
    ("MG", &["LSJ", "SDP"]),
    ("MINI", &["WMW", "WMZ"]),
    ("NISSAN", &["1N4", "1N6", "5N1", "JN1", "SJN", "3N1", "JNR"]),
    ("OPEL", &["W0L", "W0V", "VXK"]),
    ("PEUGEOT", &["VF3", "VR3"]),
    ("POLESTAR", &["LPS", "YSM"]),
    ("PORSCHE", &["WP0", "WP1"]),
    ("RAM", &["1C6", "3C6", "3C7", "3D7"]),
    ("RENAULT", &["VF1"]),
    ("RIVIAN", &["7FC", "7PD"]),
    ("SKODA", &["TMB"]),
    ("SUBARU", &["JF1", "JF2", "4S3", "4S4"]),
    ("TESLA", &["5YJ", "7SA", "7G2", "LRW", "XP7", "SFZ"]),
    ("TOYOTA", &["JTD", "JTE", "JTM", "JTN", "2T1", "2T3", "4T1", "5TD", "SB1", "VNK"]),
    ("VAUXHALL", &["SED"]),
    ("VOLKSWAGEN", &["WVW", "WVG", "WV1", "WV2", "1VW", "1V2", "3VW", "3VV"]),
    ("VOLVO", &["YV1", "YV4", "LYV", "7JR", "LVY"]),
];

/// Who has signed in where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ticket {
    make: String,
    username: String,
    region: Region,
    /// The one vehicle that matters, if there is one.
    vin: Option<String>,
}

impl Ticket {
    fn encode(&self) -> Vec<u8> {
        let write = |e: &mut Encoder<Vec<u8>>| {
            e.array(4)?.str(&self.make)?.str(&self.username)?.u8(self.region as u8)?;
            match &self.vin {
                Some(vin) => e.str(vin)?.ok(),
                None => e.null()?.ok(),
            }
        };
        let mut encoder = Encoder::new(Vec::new());
        let written: Result<(), minicbor::encode::Error<std::convert::Infallible>> = write(&mut encoder);
        written.expect("a vector takes all bytes");
        encoder.into_writer()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let d = &mut Decoder::new(bytes);
        d.array().ok()?;
        Some(Self {
            make: d.str().ok()?.into(),
            username: d.str().ok()?.into(),
            region: Region::from_number(d.u8().ok()?)?,
            vin: d.decode().ok()?,
        })
    }
}

#[async_trait]
impl BrandAccounts for SimulatedFleet {
    fn brands(&self, mode: Mode, region: Region) -> Vec<String> {
        match mode {
            Mode::Live => Vec::new(),
            Mode::Simulated | Mode::Test => {
                let here = models().map(ModelNo::model).filter(|model| model.regions.contains(&region));
                let mut makes: Vec<_> = here.map(|model| model.make.to_owned()).collect();
                makes.sort_unstable();
                makes.dedup();
                makes
            }
        }
    }

    fn make_of(&self, vin: &str) -> Option<String> {
        make_of(vin)
    }

    async fn sign_in(&self, attempt: &SignIn) -> Result<SignedIn, AccountRefused> {
        if attempt.mode == Mode::Live {
            return Err(AccountRefused::Configuration("this server has no brand with real cars".into()));
        }
        let username = attempt.username.to_lowercase();
        match (username.as_str(), attempt.vin.as_deref()) {
            (name, _) if name == INCOMPATIBLE.0 => return Err(incompatible(INCOMPATIBLE.1, attempt)),
            (_, Some(vin)) if vin == INCOMPATIBLE.1 => return Err(incompatible(vin, attempt)),
            (name, _) if name == NO_SUBSCRIPTION.0 => return Err(AccountRefused::Subscription),
            (_, Some(vin)) if vin == NO_SUBSCRIPTION.1 => return Err(AccountRefused::Subscription),
            (name, _) if name.starts_with(NO_VEHICLES) => return Err(AccountRefused::NoVehicles),
            _ => {}
        }
        match TestLogin::parse(&attempt.username) {
            Some(TestLogin::Level { vin, level: Level::Incompatible }) => {
                return Err(incompatible(&vin, attempt));
            }
            Some(TestLogin::NoSuchError) => return Err(AccountRefused::WrongLogin),
            _ => {}
        }
        let ticket = Ticket {
            make: attempt.make.clone(),
            username: attempt.username.clone(),
            region: attempt.region,
            vin: attempt.vin.clone(),
        };
        let factor = FACTORS.iter().find(|(make, _)| *make == ticket.make).map(|&(_, factor)| factor);
        Ok(SignedIn { ticket: ticket.encode(), factor })
    }

    async fn confirm(&self, ticket: &[u8], typed: &str) -> Result<bool, AccountRefused> {
        let ticket = Ticket::decode(ticket).ok_or(AccountRefused::WrongLogin)?;
        let factor = FACTORS.iter().find(|(make, _)| *make == ticket.make).map(|&(_, factor)| factor);
        let Some(Factor::Code(digits) | Factor::Pin(digits)) = factor else { return Ok(true) };
        let is_number = typed.len() == usize::from(digits) && typed.bytes().all(|byte| byte.is_ascii_digit());
        Ok(is_number && typed.bytes().any(|byte| byte != b'0'))
    }

    async fn account(&self, ticket: &[u8], now: Timestamp) -> Result<BrandAccount, AccountRefused> {
        let ticket = Ticket::decode(ticket).ok_or(AccountRefused::WrongLogin)?;
        let cars = cars(&ticket, now).into_iter().map(|(spec, level)| account_car(&spec, level)).collect();
        Ok(BrandAccount { identity: format!("{}:{}", ticket.make, ticket.username.to_lowercase()), cars })
    }

    fn car(&self, kind: u8, spec: &[u8]) -> Option<AccountCar> {
        (kind == SIMULATED).then(|| CarSpec::decode(spec).ok()).flatten().map(|spec| account_car(&spec, None))
    }
}

/// The models of a brand that are sold in a region.
fn models_of(make: &str, region: Region) -> impl Iterator<Item = ModelNo> {
    models().filter(move |no| no.model().make == make && no.model().regions.contains(&region))
}

/// A car that is too old: of the first year of the brand's first model.
fn incompatible(vin: &str, attempt: &SignIn) -> AccountRefused {
    let model = models_of(&attempt.make, attempt.region).next().map(ModelNo::model);
    AccountRefused::Incompatible {
        vin: vin.into(),
        model: model.map(|model| model.name.into()),
        year: model.map(|model| model.years.0),
    }
}

/// The cars of an account, running since now.
fn cars(ticket: &Ticket, now: Timestamp) -> Vec<(CarSpec, Option<Level>)> {
    let of_make: Vec<ModelNo> = models_of(&ticket.make, ticket.region).collect();
    let username = ticket.username.to_lowercase();
    let login = TestLogin::parse(&username);
    let car = |place: usize, model: ModelNo| {
        let seed = seed(&ticket.make, &username, place);
        let year = model.model().years.1;
        let spec = CarSpec::new(seed, model, year, ticket.region, Profile::Day).ok()?;
        Some(spec.at_home().start(now))
    };
    let first = of_make.first().and_then(|&model| car(0, model));
    match login {
        Some(TestLogin::Vehicles(count)) => {
            let models = of_make.iter().cycle().take(count.into()).enumerate();
            models.filter_map(|(place, &model)| Some((car(place, model)?, None))).collect()
        }
        Some(TestLogin::Fails(code)) => {
            let number = vin_for_error(code).map(str::to_owned);
            let spec = first.map(|spec| spec.with_trouble(trouble_for_login(&username)));
            let spec = spec.map(|spec| match number {
                Some(number) => spec.with_vin(&number),
                None => spec,
            });
            spec.into_iter().map(|spec| (spec, None)).collect()
        }
        Some(TestLogin::Level { vin, level }) => {
            let fitting = of_make.iter().copied().find(|no| fits(no.model(), level));
            let spec = fitting.and_then(|model| car(0, model)).or(first);
            spec.into_iter().map(|spec| (spec.with_vin(&vin), Some(level))).collect()
        }
        // Nobody signs in like that.
        Some(TestLogin::NoSuchError) => vec![],
        None => {
            let number = match (username == SUCCESS.0, &ticket.vin) {
                (true, _) => Some(SUCCESS.1),
                (false, vin) => vin.as_deref(),
            };
            let spec = first.map(|spec| match number {
                // A number that was made here says which model it is.
                Some(number) => {
                    let model = vin::read(number).and_then(|(model, _)| ModelNo::from_number(model));
                    let model = model.filter(|model| of_make.contains(model));
                    model.and_then(|model| car(0, model)).unwrap_or(spec).with_vin(number)
                }
                None => spec,
            });
            spec.into_iter().map(|spec| (spec, None)).collect()
        }
    }
}

/// The same for the same owner, whenever that is; different for others. The cars of one account differ for certain, and
/// so do their numbers.
fn seed(make: &str, username: &str, place: usize) -> u32 {
    /// Odd, so that no two places lead to the same number; large, so that the numbers do not follow one another.
    const STRIDE: u32 = 0x9e37_79b1;
    // FNV-1a over what tells the account from others.
    let bytes = make.bytes().chain([0]).chain(username.bytes()).chain([0; 9]);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let first = (hash ^ hash >> 32) as u32;
    first.wrapping_add((place as u32).wrapping_mul(STRIDE))
}

/// Whether a model is what a level speaks of.
fn fits(model: &Model, level: Level) -> bool {
    match level {
        Level::Phev => model.powertrain == Powertrain::Phev,
        Level::Bev => model.powertrain == Powertrain::Bev,
        Level::Fuel | Level::Dinosaur => model.powertrain == Powertrain::Ice,
        Level::Compatible | Level::Incompatible => true,
    }
}

fn account_car(spec: &CarSpec, level: Option<Level>) -> AccountCar {
    let model = spec.model();
    AccountCar {
        vin: spec.vin(),
        make: model.make.into(),
        model: model.name.into(),
        year: spec.year(),
        mode: vehicle::Mode::Simulated,
        powertrain: model.powertrain,
        region: spec.region(),
        capacities_wh: capacities(model),
        supported: supported(model, level),
        needs_virtual_key: model.make == "TESLA"
            && spec.trouble()
                == Some(super::Trouble::Fail(
                    domain::errors::ErrorCode::CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED,
                )),
        kind: SIMULATED,
        spec: spec.encode(),
    }
}

fn capacities(model: &Model) -> Vec<u32> {
    let of = CAPACITIES.iter().find(|(make, name, _)| (*make, *name) == (model.make, model.name));
    of.map_or_else(Vec::new, |(_, _, capacities)| capacities.to_vec())
}

/// What a car of a model can give: what it tells, what it lets others do, and what its brand knows of its owner.
fn supported(model: &Model, level: Option<Level>) -> PermissionSet {
    let told = SignalId::all().filter(|&signal| model.has(signal)).map(|signal| signal.entry().permission);
    let always = [ReadVehicleInfo, ReadVin, ReadOdometer, ReadUserProfile, ReadExtendedVehicleInfo];
    let mut can: PermissionSet = told.chain(always).collect();
    if can.contains(ReadSecurity) {
        can = add(can, &[ControlSecurity, ControlNavigation, ControlClimate]);
    }
    if model.plugs_in() {
        can =
            add(can, &[ReadCharge, ReadChargeEvents, ReadChargeRecords, ReadChargeLocations, ControlCharge]);
    }
    if model.make == "TESLA" {
        can = add(can, &[ControlTrunk, ControlPin]);
    }
    match level {
        // From before cars could tell anything but what they are.
        Some(Level::Dinosaur) => add(PermissionSet::default(), &[ReadVehicleInfo, ReadVin]),
        _ => can,
    }
}

fn add(set: PermissionSet, more: &[Permission]) -> PermissionSet {
    more.iter().fold(set, |set, &permission| set.with(permission))
}

/// The brand of a vehicle's number: one that was made here, one of a test car, or one of a real car.
fn make_of(vin: &str) -> Option<String> {
    if let Some(model) = vin::read(vin).and_then(|(model, _)| ModelNo::from_number(model)) {
        return Some(model.model().make.into());
    }
    if let Some(named) = vin.strip_prefix("0SC") {
        let start = match named.get(..3)? {
            "LR0" => "LAND ROVER",
            "GMC" => "GMC",
            start => start,
        };
        return models().map(|no| no.model().make).find(|make| make.starts_with(start)).map(str::to_owned);
    }
    let manufacturer = vin.get(..3)?;
    let found = MANUFACTURERS.iter().find(|(_, codes)| codes.contains(&manufacturer));
    found.map(|(make, _)| (*make).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{simulated::Trouble, testing::TestClock};
    use futures::executor::block_on;
    use std::{collections::BTreeSet, sync::Arc};
    use zeroize::Zeroizing;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    fn fleet() -> SimulatedFleet {
        SimulatedFleet::new(Arc::new(TestClock::at(NOW)), 1)
    }

    fn attempt(make: &str, username: &str) -> SignIn {
        SignIn {
            make: make.into(),
            username: username.into(),
            password: Zeroizing::new("x".into()),
            mode: Mode::Test,
            region: Region::UnitedStates,
            vin: None,
        }
    }

    fn account_of(attempt: &SignIn) -> BrandAccount {
        let fleet = fleet();
        let signed_in = block_on(fleet.sign_in(attempt)).unwrap();
        block_on(fleet.account(&signed_in.ticket, NOW)).unwrap()
    }

    fn account(make: &str, username: &str) -> BrandAccount {
        account_of(&attempt(make, username))
    }

    #[test]
    fn the_same_login_finds_the_same_car_again_and_another_another() {
        let first = account("CHEVROLET", "jo@example.com");
        assert_eq!(account("CHEVROLET", "Jo@Example.com"), first);
        let [car] = &first.cars[..] else { panic!("{first:?}") };
        assert_eq!((car.make.as_str(), car.model.as_str(), car.vin.len()), ("CHEVROLET", "Volt", 17));
        let others = ["al@example.com", "jo@example.org"].map(|name| account("CHEVROLET", name));
        assert!(others.iter().all(|other| other.identity != first.identity && other.cars[0].vin != car.vin));
        assert_ne!(account("FORD", "jo@example.com").identity, first.identity);
    }

    #[test]
    fn suites_get_what_they_rely_on() {
        let can = |make: &str| account(make, "jo@example.com").cars[0].supported;
        let volt = can("CHEVROLET");
        for permission in [
            ReadVehicleInfo,
            ReadVin,
            ReadOdometer,
            ReadLocation,
            ReadBattery,
            ReadCharge,
            ReadFuel,
            ReadEngineOil,
            ReadTires,
            ReadSecurity,
            ControlCharge,
            ControlSecurity,
        ] {
            assert!(volt.contains(permission), "{permission}");
        }
        let ford = can("FORD");
        for permission in [ControlCharge, ControlNavigation, ReadServiceHistory, ReadDiagnostics] {
            assert!(ford.contains(permission), "{permission}");
        }
        for make in ["CHEVROLET", "FORD", "KIA", "BMW"] {
            assert!(account(make, "jo@example.com").cars[0].capacities_wh.is_empty(), "{make}");
            assert_eq!(block_on(fleet().sign_in(&attempt(make, "jo@example.com"))).unwrap().factor, None);
        }
    }

    #[test]
    fn every_brand_has_a_car_wherever_it_is_offered() {
        for &region in Region::ALL {
            let brands = fleet().brands(Mode::Simulated, region);
            assert!(brands.is_sorted() && brands.len() > 20, "{brands:?}");
            for make in brands {
                let account = account_of(&SignIn { region, ..attempt(&make, "jo@example.com") });
                assert_eq!(account.cars.len(), 1, "{make} {region:?}");
            }
        }
        assert!(fleet().brands(Mode::Live, Region::Europe).is_empty());
    }

    #[test]
    fn a_login_asks_for_many_cars_with_numbers_of_their_own_at_every_brand() {
        for &region in Region::ALL {
            for make in fleet().brands(Mode::Test, region) {
                let most = SignIn { region, ..attempt(&make, "999-vehicles@smartcar.com") };
                let cars = account_of(&most).cars;
                let numbers: BTreeSet<_> = cars.iter().map(|car| &car.vin).collect();
                assert_eq!((cars.len(), numbers.len()), (999, 999), "{make} {region:?}");
            }
        }
    }

    #[test]
    fn accounts_of_any_size_have_cars_with_numbers_of_their_own() {
        for (make, count) in [("HYUNDAI", 400), ("KIA", 900), ("TOYOTA", 800)] {
            let cars = account(make, &format!("{count}-vehicles@smartcar.com")).cars;
            let numbers: BTreeSet<_> = cars.iter().map(|car| &car.vin).collect();
            assert_eq!((cars.len(), numbers.len()), (count, count), "{make}");
            let again = account(make, &format!("{count}-Vehicles@smartcar.com")).cars;
            assert_eq!(cars, again);
        }
    }

    #[test]
    fn an_empty_account_has_no_cars() {
        let refused = block_on(fleet().sign_in(&attempt("BMW", "0-vehicles@smartcar.com")));
        assert_eq!(refused, Err(AccountRefused::NoVehicles));
    }

    #[test]
    fn a_login_gives_a_number_and_what_its_car_can_do() {
        let car =
            |level: &str| account("BMW", &format!("0SCBMWI0386A85356@{level}.smartcar.com")).cars.remove(0);
        for (level, powertrain) in
            [("bev", Powertrain::Bev), ("phev", Powertrain::Phev), ("fuel", Powertrain::Ice)]
        {
            let car = car(level);
            assert_eq!((car.vin.as_str(), car.powertrain), ("0SCBMWI0386A85356", powertrain), "{level}");
            assert_eq!(CarSpec::decode(&car.spec).unwrap().vin(), car.vin);
        }
        assert!(!car("dinosaur").supported.contains(ReadOdometer));
        let refused =
            block_on(fleet().sign_in(&attempt("BMW", "0SCBMWI0386A85356@incompatible.smartcar.com")));
        assert!(matches!(refused, Err(AccountRefused::Incompatible { .. })), "{refused:?}");
    }

    #[test]
    fn a_login_that_names_an_error_has_a_car_with_its_number_and_its_trouble() {
        let car = account("FORD", "VEHICLE_STATE.ASLEEP@smartcar.com").cars.remove(0);
        assert_eq!(car.vin, "0SCLR0002E8896323");
        let spec = CarSpec::decode(&car.spec).unwrap();
        assert_eq!(spec.trouble(), Some(Trouble::ASLEEP));
        let refused = |name: &str| block_on(fleet().sign_in(&attempt("AUDI", name))).unwrap_err();
        assert_eq!(refused("smartcar@invalid-subscription.com"), AccountRefused::Subscription);
        assert_eq!(refused("VEHICLE_STATE.TIRED@smartcar.com"), AccountRefused::WrongLogin);
        assert_eq!(account("AUDI", "smartcar@successful-request.com").cars[0].vin, "0SCAUDI037A5ADB1C");
    }

    #[test]
    fn what_is_not_compatible_is_told_with_model_and_year() {
        let by_name = attempt("AUDI", "smartcar@vehicle-incompatible.com");
        let by_number = SignIn { vin: Some("0SCAUDI012FE3B132".into()), ..attempt("AUDI", "jo@example.com") };
        for attempt in [by_name, by_number] {
            let refused = block_on(fleet().sign_in(&attempt)).unwrap_err();
            let (vin, model) = ("0SCAUDI012FE3B132".into(), Some("e-tron".into()));
            assert_eq!(refused, AccountRefused::Incompatible { vin, model, year: Some(2019) });
        }
    }

    #[test]
    fn a_wanted_number_is_that_of_the_car_and_says_its_brand() {
        let wanted = |vin: &str, make: &str| {
            assert_eq!(make_of(vin).as_deref(), Some(make), "{vin}");
            let attempt = SignIn { vin: Some(vin.into()), ..attempt(make, "jo@example.com") };
            let car = account_of(&attempt).cars.remove(0);
            assert_eq!(car.vin, vin);
            car
        };
        wanted("5YJSA1E29LF403082", "TESLA");
        wanted("0SCAUDI037A5ADB1C", "AUDI");
        wanted("0SCGMCT0386A85356", "GMC");
        let made = account("BMW", "3-vehicles@smartcar.com").cars.remove(2);
        assert_eq!(wanted(&made.vin, "BMW").model, made.model);
        assert_eq!(make_of("99999999999999999"), None);
        assert_eq!(make_of("ÄÄ"), None);
    }

    #[test]
    fn some_brands_ask_for_more_than_a_password() {
        for (make, factor, good, bad) in [
            ("RIVIAN", Factor::Code(6), "123456", vec!["000000", "12345", "1234567", "12345a", ""]),
            ("SUBARU", Factor::Pin(4), "0001", vec!["0000", "123", "12345"]),
        ] {
            let fleet = fleet();
            let signed_in = block_on(fleet.sign_in(&attempt(make, "jo@example.com"))).unwrap();
            assert_eq!(signed_in.factor, Some(factor));
            assert_eq!(block_on(fleet.confirm(&signed_in.ticket, good)), Ok(true));
            for typed in bad {
                assert_eq!(block_on(fleet.confirm(&signed_in.ticket, typed)), Ok(false), "{make} {typed:?}");
            }
        }
    }

    #[test]
    fn a_car_that_was_linked_runs() {
        let car = account("KIA", "jo@example.com").cars.remove(0);
        let spec = CarSpec::decode(&car.spec).unwrap();
        let answers = super::super::answer(&spec, &[domain::signal::ODOMETER], NOW).unwrap();
        assert!(answers[0].outcome.is_ok(), "{answers:?}");
        assert!(fleet().car(SIMULATED, &car.spec).is_some() && fleet().car(2, &car.spec).is_none());
        assert!(fleet().car(SIMULATED, b"x").is_none());
    }

    #[test]
    fn test_cars_of_the_united_states_stand_in_colorado() {
        let cars = account("FORD", "200-vehicles@smartcar.com").cars;
        let mut places = BTreeSet::new();
        for car in cars {
            let spec = CarSpec::decode(&car.spec).unwrap();
            let answers = super::super::answer(&spec, &[domain::signal::LOCATION], NOW).unwrap();
            let Ok((domain::signal::Value::Position { latitude, longitude, .. }, _)) = answers[0].outcome
            else {
                panic!("{answers:?}");
            };
            assert!((37.0..41.0).contains(&latitude), "{latitude}");
            assert!((-109.05..-102.05).contains(&longitude), "{longitude}");
            places.insert((latitude.round() as i32, longitude.round() as i32));
        }
        assert!(places.len() >= 4, "{places:?}");
    }

    #[test]
    fn the_brands_of_numbers_are_brands_of_the_catalogue() {
        let makes: BTreeSet<_> = models().map(|no| no.model().make).collect();
        let mut codes = BTreeSet::new();
        for (make, of_make) in MANUFACTURERS {
            assert!(makes.contains(make), "{make}");
            assert!(of_make.iter().all(|code| code.len() == 3 && codes.insert(*code)), "{make}");
        }
        for (make, ..) in FACTORS.iter().map(|(make, _)| (make, ())) {
            assert!(makes.contains(make));
        }
        for (make, name, _) in CAPACITIES {
            assert!(models().any(|no| (no.model().make, no.model().name) == (*make, *name)), "{make} {name}");
        }
    }
}
