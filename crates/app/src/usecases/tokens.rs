//! Codes and tokens of owners: given for a consent, redeemed, refreshed, revoked.
//!
//! What is given out is text that is shown once; the store has hashes. A code or a token that is not taken is named in
//! no error of this layer: whoever sent it knows it.

use domain::{
    connect::{
        lives::{CODE_LIFE, Lives},
        pkce::Challenge,
    },
    ids::{ApplicationNo, UserId, VehicleId},
};
use store::{Code, TokenGrant};
use zeroize::Zeroizing;

use super::token_hash;
use crate::{App, AppError, ports::Dice};

/// Vehicles of one consent.
const MOST_VEHICLES: usize = 1_000;

/// What an owner has consented to.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The application that asked.
    pub application: ApplicationNo,
    /// The owner.
    pub user: UserId,
    /// The vehicles that the owner picked.
    pub vehicles: Vec<VehicleId>,
    /// The redirect URI as the authorize request had it; `None` when the application's default is used.
    pub redirect_uri: Option<String>,
    /// The S256 challenge of the authorize request, if it had one.
    pub challenge: Option<String>,
}

impl App {
    /// Gives out an authorization code for a consent. It can be redeemed once, within ten minutes.
    pub async fn issue_code(&self, new: NewCode) -> Result<Zeroizing<String>, AppError> {
        if !(1..=MOST_VEHICLES).contains(&new.vehicles.len()) {
            let message = format!("a consent is about 1 to {MOST_VEHICLES} vehicles");
            return Err(AppError::invalid("vehicles", message));
        }
        if let Some(challenge) = &new.challenge {
            challenge.parse::<Challenge>().map_err(|refused| AppError::invalid("code_challenge", refused))?;
        }
        let text = short_token(&*self.dice, "mpc_");
        let code = Code {
            application: new.application,
            user: new.user,
            vehicles: new.vehicles,
            redirect_uri: new.redirect_uri,
            challenge: new.challenge,
            expires_at: self.now() + CODE_LIFE,
            grant: None,
        };
        self.store.keep_code(token_hash(&text), code).await?;
        Ok(text)
    }

    /// Gives out an access token that opens all vehicles of an owner to their application, without the owner's consent:
    /// for operators. Answers with how long it works, too.
    pub async fn grant_access_token(
        &self,
        vehicle: VehicleId,
    ) -> Result<(Zeroizing<String>, std::time::Duration), AppError> {
        let row = self.vehicle(vehicle, None).await?;
        let (text, life) = (short_token(&*self.dice, "mpa_"), Lives::default().access);
        self.store.grant_token(token_hash(&text), row.application, row.user, self.now() + life).await?;
        Ok((text, life))
    }

    /// What an access token opens; `None` when it is unknown, expired or revoked.
    pub async fn access(&self, token: &str) -> Result<Option<TokenGrant>, AppError> {
        let grant = self.store.token(token_hash(token)).await?;
        Ok(grant.filter(|grant| grant.expires_at > self.now()))
    }
}

/// Characters of a token's random part: 190 bits, in a text as long as a UUID, which is what SDKs of the format expect.
const RANDOM: usize = 32;

/// A token of 36 characters under a prefix of four that leak scanners recognise.
fn short_token(dice: &dyn Dice, prefix: &str) -> Zeroizing<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut bytes = Zeroizing::new([0; RANDOM * 8]);
    dice.fill(&mut *bytes);
    // The string is as long as it gets from the beginning: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + RANDOM));
    text.push_str(prefix);
    for chunk in bytes.chunks_exact(8) {
        // Of 64 bits, the remainder favours no character by more than one part in 2^58.
        let number = chunk.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        text.push(char::from(ALPHABET[(number % 62) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicU64, Ordering},
    };

    /// Numbers that go all over the place.
    struct Sequence(AtomicU64);

    impl Dice for Sequence {
        fn fill(&self, buffer: &mut [u8]) {
            for chunk in buffer.chunks_mut(8) {
                let number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
                chunk.copy_from_slice(&number.to_be_bytes()[..chunk.len()]);
            }
        }
    }

    #[test]
    fn a_token_is_as_long_as_a_uuid_and_uses_every_letter_and_digit() {
        let dice = Sequence(AtomicU64::new(7));
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let token = short_token(&dice, "mpa_");
            let random = token.strip_prefix("mpa_").expect("has its prefix");
            assert_eq!(random.len(), RANDOM);
            assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{random}");
            seen.extend(random.bytes());
        }
        assert_eq!(seen.len(), 62);
    }
}
