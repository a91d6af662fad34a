//! The receiver's side of the signature, written for the lab alone: a witness that used the server's own code would
//! repeat its mistakes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// An application management token that a receiver knows, ready to compute digests.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// Takes the token's text; its UTF-8 bytes are the key.
    pub fn new(token: &str) -> Self {
        Self(Hmac::new_from_slice(token.as_bytes()).expect("an HMAC key may have any length"))
    }

    /// HMAC-SHA256 of a message.
    pub fn digest(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// The digest in lower-case hexadecimal: what `SC-Signature` holds, and what answers a challenge.
    pub fn hex(&self, message: &[u8]) -> String {
        hex::encode(self.digest(message))
    }

    /// Whether the text is the signature of the body, to the letter. The time it takes does not depend on where the two differ.
    pub fn signed(&self, body: &[u8], signature: &[u8]) -> bool {
        let mut expected = [0; 64];
        hex::encode_to_slice(self.digest(body), &mut expected).expect("32 bytes are 64 digits");
        expected.ct_eq(signature).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_with_the_published_digest() {
        assert_eq!(
            Secret::new("amt").hex(b"challenge"),
            "9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e"
        );
    }

    #[test]
    fn the_published_body_has_the_published_signature() {
        let signature = b"4c05a8da471f05156ad717baa4017acd13a3a809850b9ca7d3301dcaaa854f70";
        let secret = Secret::new("amt");
        assert!(secret.signed(br#"{"pizza":"pasta"}"#, signature));
        assert!(!secret.signed(br#"{"pizza":"pesto"}"#, signature));
        assert!(!secret.signed(br#"{"pizza":"pasta"}"#, &signature.to_ascii_uppercase()));
        assert!(!secret.signed(br#"{"pizza":"pasta"}"#, b""));
    }
}
