//! Codes of signals in requests. One that there is not is refused with those that were probably meant.

use domain::signal::SignalId;

use crate::problem::ApiError;

/// How many codes a refusal suggests.
const MOST_HINTS: usize = 3;
/// Letters in which a code may differ from one that is suggested.
const NEAR: usize = 4;

/// The signals with these codes; `field` is where they were given.
pub(super) fn all(field: &str, codes: &[String]) -> Result<Vec<SignalId>, ApiError> {
    codes.iter().enumerate().map(|(at, code)| one(&format!("{field}[{at}]"), code)).collect()
}

/// The signal with this code; `place` is where it was given.
pub(super) fn one(place: &str, code: &str) -> Result<SignalId, ApiError> {
    SignalId::from_code(code).ok_or_else(|| {
        let hints = near(code);
        let hint = match hints.is_empty() {
            true => "codes look like tractionbattery-stateofcharge".to_owned(),
            false => format!("is it {}?", hints.join(" or ")),
        };
        ApiError::invalid(place, format!("there is no signal {code:?}; {hint}"))
    })
}

/// The codes that look most like this text, the nearest first.
fn near(text: &str) -> Vec<&'static str> {
    let wanted = letters(text);
    if wanted.len() > 2 * LONGEST {
        return vec![];
    }
    let distance = |signal: SignalId| {
        let entry = signal.entry();
        let (code, name) = (letters(&entry.code), letters(entry.name));
        let apart = apart(&wanted, &code).min(apart(&wanted, &name));
        let within = wanted.len() >= NEAR && (contains(&code, &wanted) || contains(&wanted, &name));
        (apart, within, entry.code.as_str())
    };
    let mut found: Vec<_> = SignalId::all()
        .map(distance)
        .filter(|&(apart, within, _)| within || (apart <= NEAR && 2 * apart < wanted.len()))
        .collect();
    found.sort_unstable_by_key(|&(apart, within, code)| (!within && apart > 1, apart, code));
    found.into_iter().take(MOST_HINTS).map(|(.., code)| code).collect()
}

/// No code is longer; what is much longer is not compared.
const LONGEST: usize = 64;

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn contains(text: &[char], part: &[char]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// How many letters have to be put in, left out or exchanged to make one text of the other (Levenshtein).
fn apart(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::told;
    use expect_test::expect;

    #[test]
    fn an_unknown_code_is_refused_by_its_place_with_what_was_probably_meant() {
        let refused = |code: &str| told(&one("triggers[1]", code).unwrap_err());
        let said = [
            "tractionbattery-stateofchrge",
            "TractionBattery.StateOfCharge",
            "state-of-charge",
            "odometer",
            "charge-ischargin",
            "teapot",
            "",
        ]
        .map(refused);
        expect![[r#"
            invalid_value [triggers[1]]: there is no signal "tractionbattery-stateofchrge"; is it tractionbattery-stateofcharge?
            invalid_value [triggers[1]]: there is no signal "TractionBattery.StateOfCharge"; is it tractionbattery-stateofcharge or lowvoltagebattery-stateofcharge?
            invalid_value [triggers[1]]: there is no signal "state-of-charge"; is it lowvoltagebattery-stateofcharge or tractionbattery-stateofcharge?
            invalid_value [triggers[1]]: there is no signal "odometer"; is it odometer-traveleddistance?
            invalid_value [triggers[1]]: there is no signal "charge-ischargin"; is it charge-ischarging or charge-ischargingcablelatched or charge-ischargingportflapopen?
            invalid_value [triggers[1]]: there is no signal "teapot"; codes look like tractionbattery-stateofcharge
            invalid_value [triggers[1]]: there is no signal ""; codes look like tractionbattery-stateofcharge"#]].assert_eq(&said.join("\n"));
    }

    #[test]
    fn codes_are_taken_in_their_order() {
        let codes = ["odometer-traveleddistance", "charge-ischarging"].map(String::from);
        let signals = all("data", &codes).unwrap();
        assert_eq!(signals.iter().map(|signal| signal.entry().code.clone()).collect::<Vec<_>>(), codes);
        let unknown = [codes[0].clone(), "x".repeat(100_000)];
        assert_eq!(all("data", &unknown).unwrap_err().field.as_deref(), Some("data[1]"));
    }
}
