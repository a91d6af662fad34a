//! Signatures: HMAC-SHA256 under the application's management token, in lower-case hexadecimal.
//!
//! The same function signs what we send (`SC-Signature`, over the bytes of the body) and computes the answer that a
//! callback URI has to give to a challenge.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// A key that is ready to sign: setting it up costs as much as signing a small body.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// Prepares a key: the bytes of the token's text.
    pub fn new(key: &str) -> Self {
        Self(Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// The signature of a body: 64 lower-case hexadecimal digits.
    pub fn sign(&self, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Says nothing of the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// The signature of one body under a key; for many bodies keep a [`Signer`].
pub fn sign(key: &str, body: &[u8]) -> String {
    Signer::new(key).sign(body)
}

/// What a callback URI that knows the key answers to a challenge.
pub fn expected_challenge(key: &str, challenge: &str) -> String {
    sign(key, challenge.as_bytes())
}

/// Whether a digest is the expected one, to the letter: upper case and other encodings are not. The time that it takes
/// does not depend on where they differ.
pub fn matches(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHALLENGE: &str = "9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e";

    #[test]
    fn row_v03_the_digest_of_a_challenge_is_the_published_one() {
        assert_eq!(expected_challenge("amt", "challenge"), CHALLENGE);
        assert!(matches(CHALLENGE, &expected_challenge("amt", "challenge")));
    }

    #[test]
    fn row_h03_the_signature_of_a_body_is_the_published_one() {
        let published = "4c05a8da471f05156ad717baa4017acd13a3a809850b9ca7d3301dcaaa854f70";
        assert_eq!(sign("amt", br#"{"pizza":"pasta"}"#), published);
    }

    #[test]
    fn row_v05_a_digest_in_upper_case_or_base64_or_with_anything_around_it_is_refused() {
        let base64 = "m69adGS9hnQK1aBuQ53PU1oHUCLtLJLXTvrPZG15Mo4=";
        let upper = CHALLENGE.to_uppercase();
        let (prefixed, padded) = (format!("sha256={CHALLENGE}"), format!("{CHALLENGE} "));
        for given in [base64, &upper, &prefixed, &padded, &CHALLENGE[..63], "", &"0".repeat(64)] {
            assert!(!matches(CHALLENGE, given), "{given}");
        }
    }

    #[test]
    fn row_h02_a_receiver_with_the_key_computes_the_same_signature_over_the_raw_body() {
        // RFC 4231, test case 2: independent of any code here.
        let published = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", b"what do ya want for nothing?"), published);
    }

    #[test]
    fn a_signer_does_not_show_its_key() {
        assert_eq!(format!("{:?}", Signer::new("secret")), "Signer");
    }

    proptest! {
        #[test]
        fn row_h07_each_body_has_its_own_signature_whatever_was_signed_before(
            key in ".*", first: Vec<u8>, second: Vec<u8>,
        ) {
            let signer = Signer::new(&key);
            prop_assert_eq!(signer.sign(&first), sign(&key, &first));
            prop_assert_eq!(signer.sign(&second), sign(&key, &second));
            prop_assert_eq!(signer.sign(&first) == signer.sign(&second), first == second);
        }
    }
}
