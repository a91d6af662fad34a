//! Whether a code may be redeemed by a request: it leads back to the same place, and its verifier fits.

use super::pkce::Challenge;

/// What an authorization code was bound to by the authorize request.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The redirect URI as it was sent; `None` when the application's default was used.
    pub redirect_uri: Option<&'a str>,
    /// The default redirect URI of the application.
    pub default_uri: Option<&'a str>,
    /// The challenge, if there was one.
    pub challenge: Option<Challenge>,
}

/// Why a code is not redeemed. It stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeRefused {
    /// Another redirect URI than that of the authorize request.
    #[error("The redirect_uri is not the one of the authorize request.")]
    RedirectUri,
    /// There was a challenge, and no verifier came.
    #[error("The code_verifier is missing: the authorize request had a code_challenge.")]
    NoVerifier,
    /// A verifier came without a challenge: somebody has taken the challenge away.
    #[error("There is a code_verifier, but the authorize request had no code_challenge.")]
    NoChallenge,
    /// The verifier is not that of the challenge.
    #[error("The code_verifier does not fit the code_challenge.")]
    Verifier,
}

impl Binding<'_> {
    /// Compares a request with what the code was bound to.
    ///
    /// # Errors
    ///
    /// The first thing that does not fit.
    pub fn check(&self, redirect_uri: Option<&str>, verifier: Option<&str>) -> Result<(), ExchangeRefused> {
        let same_place = match (self.redirect_uri, redirect_uri) {
            (Some(bound), sent) => sent == Some(bound),
            // Where nothing is set, one of the SDKs sends the word that its language has for that.
            (None, None | Some("undefined")) => true,
            (None, sent) => sent == self.default_uri,
        };
        if !same_place {
            return Err(ExchangeRefused::RedirectUri);
        }
        match (self.challenge, verifier) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(ExchangeRefused::NoChallenge),
            (Some(_), None) => Err(ExchangeRefused::NoVerifier),
            (Some(challenge), Some(verifier)) if challenge.is_of(verifier) => Ok(()),
            (Some(_), Some(_)) => Err(ExchangeRefused::Verifier),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ExchangeRefused::*, *};

    const URI: &str = "https://fleet.example/callback";
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[track_caller]
    fn check_uri(bound: Option<&str>, sent: Option<&str>, fits: bool) {
        let binding = Binding { redirect_uri: bound, default_uri: Some(URI), challenge: None };
        let expected = if fits { Ok(()) } else { Err(RedirectUri) };
        assert_eq!(binding.check(sent, None), expected, "{bound:?} {sent:?}");
    }

    #[test]
    fn a_redirect_uri_is_repeated_to_the_letter() {
        check_uri(Some(URI), Some(URI), true);
        for near in ["https://fleet.example/callback/", "https://fleet.example/Callback", "undefined", ""] {
            check_uri(Some(URI), Some(near), false);
        }
        check_uri(Some(URI), None, false);
    }

    #[test]
    fn where_the_default_was_used_it_may_be_left_out() {
        check_uri(None, None, true);
        check_uri(None, Some("undefined"), true);
        check_uri(None, Some(URI), true);
        check_uri(None, Some("https://fleet.example/other"), false);
    }

    #[test]
    fn without_a_default_nothing_but_leaving_it_out_fits() {
        let binding = Binding { redirect_uri: None, default_uri: None, challenge: None };
        assert_eq!(binding.check(None, None), Ok(()));
        assert_eq!(binding.check(Some(URI), None), Err(RedirectUri));
    }

    #[test]
    fn a_verifier_comes_exactly_when_there_was_a_challenge() {
        let challenge = CHALLENGE.parse().ok();
        let other = "a".repeat(43);
        for (challenge, verifier, expected) in [
            (None, None, Ok(())),
            (None, Some(VERIFIER), Err(NoChallenge)),
            (challenge, None, Err(NoVerifier)),
            (challenge, Some(VERIFIER), Ok(())),
            (challenge, Some(CHALLENGE), Err(Verifier)),
            (challenge, Some(other.as_str()), Err(Verifier)),
        ] {
            let binding = Binding { redirect_uri: None, default_uri: None, challenge };
            assert_eq!(binding.check(None, verifier), expected, "{challenge:?} {verifier:?}");
        }
    }
}
