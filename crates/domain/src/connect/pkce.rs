//! Proof key for code exchange (RFC 7636): whoever asked for a code shows that it is the same one who redeems it.
//!
//! The request carries a challenge, the redemption the verifier that it was made from. Only the method S256 is taken:
//! with `plain` the challenge is the verifier, and whoever sees the request has it.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 of a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

/// Why the two parameters of an authorize request are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeRefused {
    /// A method other than S256; without a method, it would be `plain`.
    #[error("code_challenge_method must be S256")]
    Method,
    /// A method alone.
    #[error("code_challenge_method needs a code_challenge")]
    Missing,
    /// Not the hash of anything.
    #[error("code_challenge must be the SHA-256 of the verifier: 43 characters of base64url")]
    Malformed,
}

impl Challenge {
    /// Reads the parameters `code_challenge` and `code_challenge_method` of an authorize request.
    ///
    /// # Errors
    ///
    /// When they are not an S256 challenge; a request without either is one without a challenge.
    pub fn of_request(
        challenge: Option<&str>,
        method: Option<&str>,
    ) -> Result<Option<Self>, ChallengeRefused> {
        match (challenge, method) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ChallengeRefused::Missing),
            (Some(challenge), Some("S256")) => challenge.parse().map(Some),
            (Some(_), _) => Err(ChallengeRefused::Method),
        }
    }

    /// Whether the challenge was made from this verifier.
    pub fn is_of(&self, verifier: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(verifier.as_bytes()).into();
        is_verifier(verifier) && bool::from(self.0.ct_eq(&hash))
    }
}

/// Accepts the one form that base64url has for a hash: no padding, no bits left over.
impl FromStr for Challenge {
    type Err = ChallengeRefused;

    fn from_str(text: &str) -> Result<Self, ChallengeRefused> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ChallengeRefused::Malformed)?;
        bytes.try_into().map(Self).map_err(|_| ChallengeRefused::Malformed)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Whether the text has the form of a verifier: 43 to 128 characters that URLs leave as they are.
fn is_verifier(text: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_published_verifier_answers_the_published_challenge() {
        let challenge: Challenge = CHALLENGE.parse().unwrap();
        assert!(challenge.is_of(VERIFIER));
        assert!(!challenge.is_of(CHALLENGE));
        assert!(!challenge.is_of(&VERIFIER.to_lowercase()));
        assert_eq!(challenge.to_string(), CHALLENGE);
    }

    #[test]
    fn only_s256_is_taken() {
        let challenge = Challenge(Sha256::digest(VERIFIER).into());
        for (given, method, expected) in [
            (None, None, Ok(None)),
            (Some(CHALLENGE), Some("S256"), Ok(Some(challenge))),
            (Some(CHALLENGE), Some("plain"), Err(ChallengeRefused::Method)),
            (Some(CHALLENGE), Some("s256"), Err(ChallengeRefused::Method)),
            (Some(CHALLENGE), None, Err(ChallengeRefused::Method)),
            (None, Some("S256"), Err(ChallengeRefused::Missing)),
            (Some(""), Some("S256"), Err(ChallengeRefused::Malformed)),
            (Some(&CHALLENGE[1..]), Some("S256"), Err(ChallengeRefused::Malformed)),
            (
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
                Some("S256"),
                Err(ChallengeRefused::Malformed),
            ),
            (
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN"),
                Some("S256"),
                Err(ChallengeRefused::Malformed),
            ),
        ] {
            assert_eq!(Challenge::of_request(given, method), expected, "{given:?} {method:?}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_verifier_answers_nothing() {
        for text in ["", "short", &"a".repeat(42), &"a".repeat(129), &" ".repeat(43), &"ä".repeat(40)] {
            assert!(!Challenge(Sha256::digest(text).into()).is_of(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_challenge_is_answered_by_its_verifier_and_no_other(
            one in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}",
        ) {
            let challenge = Challenge(Sha256::digest(&one).into());
            prop_assert_eq!(challenge.to_string().parse(), Ok(challenge));
            prop_assert!(challenge.is_of(&one));
            prop_assert_eq!(challenge.is_of(&other), one == other);
        }
    }
}
