//! Vehicle numbers of simulated cars.
//!
//! They have the form of ISO 3779 with the North American check digit, and begin with a zero: no country has been
//! given that region code, so none of them is the number of a real car.

/// No I, O and Q, which look like digits.
const ALPHABET: &[u8; 33] = b"0123456789ABCDEFGHJKLMNPRSTUVWXYZ";
/// The letters of position 10, from model year 1980 on; they repeat after 30 years.
const YEARS: &[u8; 30] = b"ABCDEFGHJKLMNPRSTVWXY123456789";
const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

/// The number of a car: different for different seeds, whatever the rest.
pub(super) fn vin(seed: u32, model: u8, year: u16) -> String {
    let (high, serial) = (seed / 1_000_000, seed % 1_000_000);
    let mut vin = *b"0MP00000000000000";
    vin[3..5].copy_from_slice(&base33::<2>(model.into()));
    vin[5..8].copy_from_slice(&base33::<3>(high));
    vin[9] = YEARS[usize::from(year.saturating_sub(1980)) % YEARS.len()];
    vin[10] = b'M';
    for (place, byte) in vin[11..].iter_mut().rev().enumerate() {
        *byte = b'0' + (serial / 10_u32.pow(place as u32) % 10) as u8;
    }
    vin[8] = check_digit(&vin);
    vin.iter().map(|&byte| char::from(byte)).collect()
}

/// The number of the model in a number that was made here.
pub(super) fn model_in(vin: &str) -> Option<u8> {
    let digits = vin.strip_prefix("0MP")?.as_bytes().get(..2)?;
    let digit = |byte: &u8| ALPHABET.iter().position(|known| known == byte);
    u8::try_from(digit(&digits[0])? * ALPHABET.len() + digit(&digits[1])?).ok()
}

fn base33<const N: usize>(mut number: u32) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[number as usize % ALPHABET.len()];
        number /= ALPHABET.len() as u32;
    }
    digits
}

fn check_digit(vin: &[u8; 17]) -> u8 {
    let sum: u32 = vin.iter().zip(WEIGHTS).map(|(&byte, weight)| transliterated(byte) * weight).sum();
    match sum % 11 {
        10 => b'X',
        rest => b'0' + rest as u8,
    }
}

/// The number that stands for a character in the check sum.
fn transliterated(byte: u8) -> u32 {
    u32::from(match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'H' => byte - b'A' + 1,
        b'J'..=b'R' => byte - b'J' + 1,
        _ => byte - b'S' + 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn the_check_digit_is_that_of_the_standard() {
        for known in [b"11111111111111111", b"1M8GDM9AXKP042788", b"5YJSA1E29LF403082"] {
            assert_eq!(check_digit(known), known[8]);
        }
    }

    #[test]
    fn a_million_cars_have_a_million_numbers() {
        let vins: HashSet<_> = (0..1_000_000).map(|seed| vin(seed * 4_001, 3, 2024)).collect();
        assert_eq!(vins.len(), 1_000_000);
    }

    proptest! {
        #[test]
        fn a_number_has_seventeen_allowed_characters_and_belongs_to_no_country(
            seed: u32, model: u8, year in 1980..2040_u16,
        ) {
            let vin = vin(seed, model, year);
            prop_assert_eq!(model_in(&vin), Some(model));
            prop_assert_eq!(vin.len(), 17);
            prop_assert!(vin.bytes().all(|byte| ALPHABET.contains(&byte)));
            prop_assert!(vin.starts_with('0'));
            let bytes: [u8; 17] = vin.as_bytes().try_into().unwrap();
            prop_assert_eq!(check_digit(&bytes), bytes[8]);
        }
    }
}
