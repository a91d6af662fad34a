//! What a vehicle number says: who made the car, of which model year it is, and for some which model.
//!
//! The first three characters name the maker (ISO 3780), as its associations have assigned them. Beyond that every maker
//! has a code of its own; the few that are known here are in `MODELS`.

/// What was read from a vehicle number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Upper case, as the catalogue has it.
    pub make: &'static str,
    /// The model, where its code is known.
    pub model: Option<&'static str>,
    /// The model year, where the number tells one.
    pub year: Option<u16>,
}

/// Whether a text has the form of a vehicle number: 17 letters and digits without I, O and Q.
pub fn is_vin(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() && !matches!(byte.to_ascii_uppercase(), b'I' | b'O' | b'Q');
    text.len() == 17 && text.bytes().all(allowed)
}

/// Reads an upper-case vehicle number; `None` when nobody here knows its maker.
pub fn decode(vin: &str) -> Option<Decoded> {
    if let Some((_, make, model)) = TEST.iter().find(|(prefix, ..)| vin.starts_with(prefix)) {
        return Some(Decoded { make, model: *model, year: None });
    }
    let maker = vin.get(..3)?;
    let (make, _) = MAKERS.iter().find(|(_, codes)| codes.contains(&maker))?;
    let model =
        MODELS.iter().find(|(of, place, code, _)| of == make && vin.as_bytes().get(*place) == Some(code));
    Some(Decoded { make, model: model.map(|(.., model)| *model), year: year(vin) })
}

/// The tenth character is the model year, from a row that repeats after 30 years; where the seventh is a letter, the
/// newer of two is meant. In numbers that tell no year, there is something else in its place.
fn year(vin: &str) -> Option<u16> {
    const YEARS: &[u8; 30] = b"ABCDEFGHJKLMNPRSTVWXY123456789";
    let (seventh, tenth) = (vin.as_bytes().get(6)?, vin.as_bytes().get(9)?);
    let place = YEARS.iter().position(|year| year == tenth)? as u16;
    Some(if seventh.is_ascii_alphabetic() { 2010 + place } else { 1980 + place })
}

/// Numbers of test cars, which name their brand in clear and tell no year.
const TEST: &[(&str, &str, Option<&str>)] =
    &[("0SCAUDI", "AUDI", None), ("0SCGMC", "GMC", Some("Hummer EV")), ("0SCLR", "LAND ROVER", None)];

/// Makes with the codes of their makers.
#[rustfmt::skip]
const MAKERS: &[(&str, &[&str])] = &[
    ("ACURA", &["19U", "5J8", "JH4", "5FR", "4W5"]),
    ("ALFA ROMEO", &["ZAR", "ZAS"]),
    ("AUDI", &["WAU", "WA1", "WUA", "WU1", "TRU"]),
    ("BMW", &["WBA", "WBS", "WBX", "WBY", "5UX", "5YM", "4US", "3MW"]),
    ("BUICK", &["1G4", "5GA", "KL4", "LRB"]),
    ("BYD", &["LGX", "LC0"]),
    ("CADILLAC", &["1G6", "1GY"]),
    ("CHEVROLET", &["1G1", "1GC", "1GN", "2G1", "2GN", "3GC", "3GN", "KL7", "KL8"]),
    ("CHRYSLER", &["1C3", "2C4"]),
    ("CITROEN", &["VF7", "VR7"]),
    ("CUPRA", &["VSS"]),
    ("DACIA", &["UU1"]),
    ("DODGE", &["1B3", "2B3", "2C3", "ZAC"]),
    ("DS", &["VR1"]),
    ("FIAT", &["ZFA", "3C3"]),
    ("FORD", &["1FA", "1FD", "1FM", "1FT", "2FM", "2FT", "3FA", "3FM", "NM0", "WF0"]),
    ("GMC", &["1GD", "1GK", "1GT", "2GT", "3GK", "3GT"]),
    ("HONDA", &["19X", "1HG", "2HG", "2HK", "3GP", "5FN", "5J6", "7FA", "JHM", "SHH"]),
    ("HYUNDAI", &["2HM", "5NM", "5NP", "7YA", "KM8", "KMH", "NLH", "TMA"]),
    ("INFINITI", &["3PC", "5N3", "JN1"]),
    ("JAGUAR", &["SAD", "SAJ"]),
    ("JEEP", &["1C4", "1J4", "1J8"]),
    ("KIA", &["3KP", "5XX", "5XY", "KNA", "KNC", "KND", "U5Y"]),
    ("LAND ROVER", &["SAL"]),
    ("LEXUS", &["2T2", "58A", "JTH", "JTJ"]),
    ("LINCOLN", &["1LN", "2LM", "3LN", "5L1", "5LM"]),
    ("MAZDA", &["3MZ", "7MM", "JM1", "JM3", "JMZ"]),
    ("MERCEDES-BENZ", &["4JG", "55S", "W1K", "W1N", "W1V", "W1X", "WD3", "WD4", "WDB", "WDC", "WDD"]),
    ("MG", &["LSJ", "SDP"]),
    ("MINI", &["WMW", "WMZ"]),
    ("NISSAN", &["1N4", "1N6", "3N1", "5N1", "JN6", "JN8", "SJN", "VSK"]),
    ("OPEL", &["VXK", "W0L", "W0V"]),
    ("PEUGEOT", &["VF3", "VR3"]),
    ("POLESTAR", &["LPS", "YSM"]),
    ("PORSCHE", &["WP0", "WP1"]),
    ("RAM", &["1C6", "3C6", "3C7"]),
    ("RENAULT", &["VF1"]),
    ("RIVIAN", &["7FC", "7PD"]),
    ("SKODA", &["TMB"]),
    ("SUBARU", &["4S3", "4S4", "JF1", "JF2"]),
    ("TESLA", &["5YJ", "7SA", "LRW", "SFZ", "XP7"]),
    ("TOYOTA", &["2T1", "2T3", "3TM", "4T1", "4T3", "5TD", "5TF", "5YF", "JTD", "JTE", "JTK", "JTM", "JTN",
        "NMT", "SB1", "VNK"]),
    ("VOLKSWAGEN", &["1V2", "1VW", "3VV", "3VW", "9BW", "WV1", "WV2", "WVG", "WVW"]),
    ("VOLVO", &["7JR", "LVY", "YV1", "YV4"]),
];

/// Models that one character tells: make, its place from 0, the character.
const MODELS: &[(&str, usize, u8, &str)] = &[
    ("TESLA", 3, b'S', "Model S"),
    ("TESLA", 3, b'3', "Model 3"),
    ("TESLA", 3, b'X', "Model X"),
    ("TESLA", 3, b'Y', "Model Y"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[track_caller]
    fn check(vin: &str, make: &'static str, model: Option<&'static str>, year: Option<u16>) {
        assert!(is_vin(vin));
        assert_eq!(decode(vin), Some(Decoded { make, model, year }), "{vin}");
    }

    #[test]
    fn a_number_tells_its_maker_and_its_year() {
        check("5YJXCDE22HF068739", "TESLA", Some("Model X"), Some(2017));
        check("5YJSA1E29LF403082", "TESLA", Some("Model S"), Some(2020));
        check("WAUAFAFL1GN014882", "AUDI", None, Some(2016));
        check("WBAKE5C58DJ107700", "BMW", None, Some(2013));
        check("WVWZZZ1KZ8W000001", "VOLKSWAGEN", None, Some(2008));
        check("1HGCM82633A004352", "HONDA", None, Some(2003));
        check("0SCGMCT0386A85356", "GMC", Some("Hummer EV"), None);
        assert_eq!(decode("ZZZXCDE22HF068739"), None);
    }

    #[test]
    fn what_is_no_vehicle_number_is_told_apart() {
        for no in ["", "5YJXCDE22HF06873", "5YJXCDE22HF0687399", "5YJXCDE22HF06873O", "5YJXCDE22HF06873ä"] {
            assert!(!is_vin(no), "{no}");
        }
    }

    #[test]
    fn no_two_makes_share_a_makers_code() {
        let codes: Vec<_> = MAKERS.iter().flat_map(|(_, codes)| *codes).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        assert!(codes.iter().all(|code| code.len() == 3));
    }
}
