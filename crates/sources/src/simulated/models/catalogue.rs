//! The models, as data.

use domain::signal::{self, Endpoint, Powertrain};

use super::{
    Model,
    Region::{self, Canada, Europe, UnitedStates},
    SignalSet,
};

const WORLD: &[Region] = &[UnitedStates, Canada, Europe];
const AMERICA: &[Region] = &[UnitedStates, Canada];
const US: &[Region] = &[UnitedStates];
const EUROPE: &[Region] = &[Europe];

/// Tells all that its powertrain has.
const FULL: SignalSet = SignalSet::NONE;
/// Does not tell of its systems and of the workshop.
const MODERN: SignalSet = SignalSet::of_endpoint(Endpoint::SystemStatus)
    .and(SignalSet::of_endpoint(Endpoint::TroubleCodes))
    .and(SignalSet::of_endpoint(Endpoint::ServiceHistory));
/// Nor what it does at the moment.
const PLAIN: SignalSet =
    MODERN.with(signal::SPEED).with(signal::GEAR).with(signal::EXTERNAL_TEMPERATURE).with(signal::OIL_LIFE);
/// Where it is, how far it went and how full it is.
const SPARSE: SignalSet = PLAIN
    .and(SignalSet::of_endpoint(Endpoint::Security))
    .with(signal::TIRES)
    .with(signal::CHARGE_LIMITS)
    .with(signal::NOMINAL_CAPACITY);

struct Drive {
    powertrain: Powertrain,
    battery_kwh: f64,
    electric_range_km: f64,
    tank_litres: f64,
    fuel_range_km: f64,
}

const fn bev(battery_kwh: f64, electric_range_km: f64) -> Drive {
    Drive {
        powertrain: Powertrain::Bev,
        battery_kwh,
        electric_range_km,
        tank_litres: 0.0,
        fuel_range_km: 0.0,
    }
}

const fn phev(battery_kwh: f64, electric_range_km: f64, tank_litres: f64, fuel_range_km: f64) -> Drive {
    Drive { powertrain: Powertrain::Phev, battery_kwh, electric_range_km, tank_litres, fuel_range_km }
}

const fn hev(tank_litres: f64, fuel_range_km: f64) -> Drive {
    Drive {
        powertrain: Powertrain::Hev,
        battery_kwh: 0.0,
        electric_range_km: 0.0,
        tank_litres,
        fuel_range_km,
    }
}

const fn ice(tank_litres: f64, fuel_range_km: f64) -> Drive {
    Drive { powertrain: Powertrain::Ice, ..hev(tank_litres, fuel_range_km) }
}

const fn row(
    make: &'static str,
    name: &'static str,
    drive: Drive,
    years: (u16, u16),
    regions: &'static [Region],
    lacks: SignalSet,
) -> Model {
    let Drive { powertrain, battery_kwh, electric_range_km, tank_litres, fuel_range_km } = drive;
    Model {
        make,
        name,
        powertrain,
        battery_kwh,
        electric_range_km,
        tank_litres,
        fuel_range_km,
        years,
        regions,
        lacks,
    }
}

/// The place of a row is stored in cars.
#[rustfmt::skip]
pub(super) const ROWS: &[Model] = &[
    row("TESLA", "Model 3", bev(75.0, 510.0), (2017, 2026), WORLD, MODERN),
    row("TESLA", "Model Y", bev(78.0, 500.0), (2020, 2026), WORLD, MODERN),
    row("TESLA", "Model S", bev(100.0, 600.0), (2012, 2026), WORLD, MODERN),
    row("TESLA", "Model X", bev(100.0, 540.0), (2015, 2026), WORLD, MODERN),
    row("BYD", "Atto 3", bev(60.5, 420.0), (2022, 2026), EUROPE, PLAIN),
    row("BYD", "Seal", bev(82.5, 550.0), (2023, 2026), EUROPE, PLAIN),
    row("POLESTAR", "2", bev(78.0, 480.0), (2020, 2026), WORLD, MODERN),
    row("POLESTAR", "3", bev(111.0, 560.0), (2024, 2026), WORLD, MODERN),
    row("VOLVO", "XC40 Recharge", bev(78.0, 420.0), (2021, 2026), WORLD, MODERN),
    row("VOLVO", "XC60 T8", phev(18.8, 75.0, 70.0, 780.0), (2018, 2026), WORLD, MODERN),
    row("VOLVO", "V60", ice(60.0, 800.0), (2018, 2025), WORLD, PLAIN),
    row("VOLKSWAGEN", "ID.4", bev(77.0, 480.0), (2021, 2026), WORLD, MODERN),
    row("VOLKSWAGEN", "ID.3", bev(58.0, 410.0), (2020, 2026), EUROPE, MODERN),
    row("VOLKSWAGEN", "Golf GTE", phev(13.0, 60.0, 40.0, 680.0), (2020, 2026), EUROPE, PLAIN),
    row("VOLKSWAGEN", "Tiguan", ice(58.0, 700.0), (2018, 2026), WORLD, SPARSE),
    row("AUDI", "e-tron", bev(95.0, 400.0), (2019, 2023), WORLD, MODERN),
    row("AUDI", "Q4 e-tron", bev(82.0, 480.0), (2021, 2026), WORLD, MODERN),
    row("AUDI", "A3 TFSI e", phev(13.0, 60.0, 40.0, 650.0), (2020, 2024), EUROPE, PLAIN),
    row("AUDI", "A4", ice(54.0, 850.0), (2016, 2025), WORLD, PLAIN),
    row("RIVIAN", "R1T", bev(135.0, 500.0), (2021, 2026), AMERICA, MODERN),
    row("RIVIAN", "R1S", bev(135.0, 510.0), (2022, 2026), AMERICA, MODERN),
    row("HYUNDAI", "Ioniq 5", bev(77.4, 480.0), (2021, 2026), WORLD, MODERN),
    row("HYUNDAI", "Kona Electric", bev(64.0, 450.0), (2018, 2026), WORLD, PLAIN),
    row("HYUNDAI", "Tucson Hybrid", hev(52.0, 850.0), (2021, 2026), WORLD, PLAIN),
    row("KIA", "EV6", bev(77.4, 500.0), (2021, 2026), WORLD, MODERN),
    row("KIA", "Niro EV", bev(64.8, 440.0), (2019, 2026), WORLD, PLAIN),
    row("KIA", "Niro PHEV", phev(11.1, 55.0, 37.0, 750.0), (2018, 2026), WORLD, PLAIN),
    row("SKODA", "Enyaq", bev(77.0, 500.0), (2021, 2026), EUROPE, MODERN),
    row("SKODA", "Octavia iV", phev(13.0, 60.0, 40.0, 700.0), (2020, 2024), EUROPE, PLAIN),
    row("ALFA ROMEO", "Tonale", phev(15.5, 60.0, 42.5, 600.0), (2022, 2026), WORLD, PLAIN),
    row("ALFA ROMEO", "Giulia", ice(58.0, 750.0), (2016, 2026), WORLD, SPARSE),
    row("BMW", "i3", bev(42.2, 280.0), (2014, 2022), WORLD, PLAIN),
    row("BMW", "i4", bev(83.9, 520.0), (2021, 2026), WORLD, MODERN),
    row("BMW", "330e", phev(12.0, 55.0, 40.0, 600.0), (2016, 2026), WORLD, MODERN),
    row("BMW", "X3", ice(65.0, 800.0), (2018, 2026), WORLD, FULL),
    row("CHRYSLER", "Pacifica Hybrid", phev(16.0, 51.0, 62.0, 780.0), (2017, 2026), AMERICA, MODERN),
    row("CHRYSLER", "Pacifica", ice(72.0, 700.0), (2017, 2026), AMERICA, PLAIN),
    row("CITROEN", "e-C4", bev(50.0, 350.0), (2021, 2026), EUROPE, PLAIN),
    row("CITROEN", "C5 Aircross Hybrid", phev(13.2, 55.0, 43.0, 600.0), (2020, 2026), EUROPE, SPARSE),
    row("CUPRA", "Born", bev(58.0, 420.0), (2021, 2026), EUROPE, MODERN),
    row("CUPRA", "Formentor e-Hybrid", phev(13.0, 55.0, 40.0, 650.0), (2021, 2026), EUROPE, PLAIN),
    row("DODGE", "Hornet R/T", phev(15.5, 51.0, 42.5, 550.0), (2023, 2025), AMERICA, MODERN),
    row("DODGE", "Charger", ice(70.0, 620.0), (2015, 2023), AMERICA, PLAIN),
    row("DS", "DS 3 Crossback E-Tense", bev(50.0, 320.0), (2019, 2026), EUROPE, PLAIN),
    row("DS", "DS 7 E-Tense", phev(13.2, 58.0, 43.0, 600.0), (2019, 2026), EUROPE, SPARSE),
    row("FIAT", "500e", bev(42.0, 310.0), (2020, 2026), WORLD, PLAIN),
    row("FIAT", "Panda", ice(38.0, 700.0), (2018, 2025), EUROPE, SPARSE),
    row("FORD", "Mustang Mach-E", bev(91.0, 490.0), (2021, 2026), WORLD, FULL),
    row("FORD", "F-150 Lightning", bev(98.0, 390.0), (2022, 2026), AMERICA, FULL),
    row("FORD", "Escape PHEV", phev(14.4, 60.0, 42.0, 780.0), (2020, 2026), AMERICA, FULL),
    row("FORD", "Maverick Hybrid", hev(52.0, 800.0), (2022, 2026), AMERICA, FULL),
    row("FORD", "Transit", ice(95.0, 850.0), (2019, 2026), WORLD, FULL),
    row("INFINITI", "QX60", ice(70.0, 700.0), (2019, 2026), AMERICA, PLAIN),
    row("INFINITI", "Q50", ice(76.0, 720.0), (2018, 2024), AMERICA, SPARSE),
    row("JEEP", "Wrangler 4xe", phev(17.3, 35.0, 65.0, 560.0), (2021, 2025), WORLD, MODERN),
    row("JEEP", "Grand Cherokee", ice(87.0, 850.0), (2019, 2026), WORLD, PLAIN),
    row("LEXUS", "RZ 450e", bev(71.4, 350.0), (2023, 2026), WORLD, PLAIN),
    row("LEXUS", "NX 450h+", phev(18.1, 60.0, 55.0, 850.0), (2022, 2026), WORLD, PLAIN),
    row("LEXUS", "RX 350h", hev(65.0, 950.0), (2023, 2026), WORLD, SPARSE),
    row("LINCOLN", "Corsair Grand Touring", phev(14.4, 45.0, 42.0, 640.0), (2021, 2026), AMERICA, FULL),
    row("LINCOLN", "Nautilus", ice(68.0, 700.0), (2019, 2026), AMERICA, FULL),
    row("MAZDA", "MX-30", bev(35.5, 200.0), (2020, 2025), WORLD, PLAIN),
    row("MAZDA", "CX-60 PHEV", phev(17.8, 60.0, 50.0, 650.0), (2022, 2026), EUROPE, PLAIN),
    row("MAZDA", "CX-5", ice(58.0, 700.0), (2019, 2026), WORLD, MODERN),
    row("MERCEDES-BENZ", "EQE", bev(90.6, 580.0), (2022, 2026), WORLD, MODERN),
    row("MERCEDES-BENZ", "EQA", bev(66.5, 420.0), (2021, 2026), EUROPE, MODERN),
    row("MERCEDES-BENZ", "C 300 e", phev(25.4, 100.0, 50.0, 750.0), (2022, 2026), WORLD, MODERN),
    row("MERCEDES-BENZ", "Sprinter", ice(93.0, 900.0), (2019, 2026), WORLD, PLAIN),
    row("NISSAN", "Leaf", bev(40.0, 270.0), (2018, 2026), WORLD, PLAIN),
    row("NISSAN", "Ariya", bev(87.0, 480.0), (2022, 2026), WORLD, MODERN),
    row("NISSAN", "Rogue", ice(55.0, 720.0), (2019, 2026), AMERICA, FULL),
    row("OPEL", "Corsa Electric", bev(50.0, 340.0), (2020, 2026), EUROPE, PLAIN),
    row("OPEL", "Grandland PHEV", phev(13.2, 55.0, 43.0, 600.0), (2020, 2026), EUROPE, SPARSE),
    row("PEUGEOT", "e-208", bev(50.0, 350.0), (2020, 2026), EUROPE, PLAIN),
    row("PEUGEOT", "3008 Hybrid", phev(13.2, 55.0, 43.0, 600.0), (2020, 2026), EUROPE, SPARSE),
    row("RAM", "1500", ice(98.0, 850.0), (2019, 2026), AMERICA, MODERN),
    row("RAM", "ProMaster", ice(91.0, 800.0), (2019, 2026), AMERICA, SPARSE),
    row("SUBARU", "Solterra", bev(71.4, 370.0), (2023, 2026), WORLD, PLAIN),
    row("SUBARU", "Outback", ice(70.0, 850.0), (2020, 2026), WORLD, PLAIN),
    row("VAUXHALL", "Corsa Electric", bev(50.0, 340.0), (2020, 2026), EUROPE, PLAIN),
    row("VAUXHALL", "Mokka Electric", bev(50.0, 330.0), (2021, 2026), EUROPE, PLAIN),
    row("HONDA", "Prologue", bev(85.0, 440.0), (2024, 2026), AMERICA, PLAIN),
    row("HONDA", "CR-V Hybrid", hev(53.0, 850.0), (2020, 2026), WORLD, PLAIN),
    row("JAGUAR", "I-PACE", bev(90.0, 410.0), (2019, 2024), WORLD, MODERN),
    row("JAGUAR", "F-PACE", ice(82.0, 850.0), (2017, 2024), WORLD, PLAIN),
    row("LAND ROVER", "Range Rover PHEV", phev(38.2, 100.0, 71.0, 640.0), (2022, 2026), WORLD, MODERN),
    row("LAND ROVER", "Defender", ice(90.0, 850.0), (2020, 2026), WORLD, PLAIN),
    row("BUICK", "Enclave", ice(73.0, 700.0), (2018, 2026), AMERICA, FULL),
    row("BUICK", "Encore GX", ice(50.0, 600.0), (2020, 2026), AMERICA, MODERN),
    row("CADILLAC", "Lyriq", bev(102.0, 500.0), (2023, 2026), WORLD, FULL),
    row("CADILLAC", "XT5", ice(82.0, 800.0), (2017, 2026), AMERICA, FULL),
    row("CHEVROLET", "Volt", phev(18.4, 85.0, 33.7, 590.0), (2011, 2019), AMERICA, FULL),
    row("CHEVROLET", "Bolt EV", bev(65.0, 400.0), (2017, 2023), AMERICA, MODERN),
    row("CHEVROLET", "Equinox EV", bev(85.0, 510.0), (2024, 2026), AMERICA, MODERN),
    row("CHEVROLET", "Silverado", ice(91.0, 800.0), (2019, 2026), AMERICA, FULL),
    row("GMC", "Hummer EV", bev(212.0, 500.0), (2022, 2026), AMERICA, MODERN),
    row("GMC", "Sierra", ice(91.0, 800.0), (2019, 2026), AMERICA, FULL),
    row("ACURA", "ZDX", bev(102.0, 500.0), (2024, 2025), US, PLAIN),
    row("ACURA", "MDX", ice(70.0, 680.0), (2019, 2026), AMERICA, SPARSE),
    row("DACIA", "Spring", bev(26.8, 220.0), (2021, 2026), EUROPE, SPARSE),
    row("DACIA", "Duster", ice(50.0, 780.0), (2018, 2026), EUROPE, SPARSE),
    row("MG", "MG4", bev(64.0, 430.0), (2022, 2026), EUROPE, PLAIN),
    row("MG", "ZS EV", bev(51.0, 320.0), (2019, 2026), EUROPE, SPARSE),
    row("MINI", "Cooper SE", bev(32.6, 220.0), (2020, 2026), WORLD, PLAIN),
    row("MINI", "Countryman PHEV", phev(10.0, 45.0, 36.0, 550.0), (2017, 2024), WORLD, PLAIN),
    row("PORSCHE", "Taycan", bev(93.4, 480.0), (2020, 2026), WORLD, MODERN),
    row("PORSCHE", "Cayenne E-Hybrid", phev(25.9, 80.0, 70.0, 780.0), (2018, 2026), WORLD, PLAIN),
    row("RENAULT", "Zoe", bev(52.0, 390.0), (2013, 2024), EUROPE, PLAIN),
    row("RENAULT", "Twizy", bev(6.1, 90.0), (2012, 2023), EUROPE, SPARSE),
    row("RENAULT", "Megane E-Tech", bev(60.0, 450.0), (2022, 2026), EUROPE, PLAIN),
    row("TOYOTA", "bZ4X", bev(71.4, 400.0), (2022, 2026), WORLD, PLAIN),
    row("TOYOTA", "RAV4 Prime", phev(18.1, 68.0, 55.0, 900.0), (2021, 2026), WORLD, PLAIN),
    row("TOYOTA", "Prius", hev(43.0, 900.0), (2016, 2026), WORLD, PLAIN),
];
