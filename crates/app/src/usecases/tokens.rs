//! Codes and tokens of owners: given for a consent, redeemed, refreshed, revoked.
//!
//! What is given out is text that is shown once; the store has hashes. A code or a token that is not taken is named in
//! no error of this layer: whoever sent it knows it.

use std::{sync::Arc, time::Duration};

use domain::{
    connect::{
        exchange::{Binding, ExchangeRefused},
        lives::{CODE_LIFE, Grace, Lives},
        pkce::Challenge,
    },
    ids::{ApplicationNo, UserId, VehicleId},
    time::Timestamp,
};
use store::{Code, NewPair, Redeemed, Refreshed, Store, StoreError, TokenGrant};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{idempotency::Answering, token_hash};
use crate::{App, AppError, ApplicationEntry, ports::Dice};

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

/// A pair of tokens, shown this once.
pub struct GivenTokens {
    /// Opens what was consented to.
    pub access_token: Zeroizing<String>,
    /// How long it does.
    pub expires_in: Duration,
    /// Gives the next pair.
    pub refresh_token: Zeroizing<String>,
}

/// Why no tokens were given.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenRefused {
    /// The application has no such code, its time is over, or it was redeemed before.
    #[error("the code is not valid")]
    Code,
    /// The code was asked for in another way. It still can be redeemed.
    #[error(transparent)]
    Exchange(#[from] ExchangeRefused),
    /// The application has no such refresh token, its time is over, or it was spent before.
    #[error("the refresh token is not valid")]
    RefreshToken,
    /// Not now, or not at all.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<StoreError> for TokenRefused {
    fn from(error: StoreError) -> Self {
        Self::App(error.into())
    }
}

impl App {
    /// The application with this client id, if this is one of its secrets. How long it takes depends on neither.
    pub async fn authenticate_client(
        &self,
        id: &str,
        secret: &str,
    ) -> Result<Option<Arc<ApplicationEntry>>, AppError> {
        let entry = id.parse().ok().and_then(|id| self.registry.application_by_id(id));
        // Nobody's secrets are asked for, too.
        let no = entry.as_ref().map_or(ApplicationNo(0), |entry| entry.application.no);
        let (hash, known) = (token_hash(secret), self.store.secrets(no).await?);
        let fits = known.iter().fold(Choice::from(0), |found, known| found | known.hash.ct_eq(&hash));
        Ok(entry.filter(|_| fits.into()))
    }

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
            expires_at: self.now() + CODE_LIFE * self.settings.pace,
            grant: None,
        };
        self.store.keep_code(token_hash(&text), code).await?;
        Ok(text)
    }

    /// Redeems a code for tokens. A code that was redeemed before takes back what it gave then.
    pub async fn redeem_code(
        &self,
        client: &ApplicationEntry,
        code: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
    ) -> Result<GivenTokens, TokenRefused> {
        let (hash, no, now) = (token_hash(code), client.application.no, self.now());
        let known = self.store.code(hash).await?;
        let known = known.filter(|code| code.application == no && code.expires_at > now);
        let known = known.ok_or(TokenRefused::Code)?;
        let binding = Binding {
            redirect_uri: known.redirect_uri.as_deref(),
            default_uri: client.application.redirect_uris.first().map(String::as_str),
            challenge: known.challenge.as_deref().map(parsed).transpose()?,
        };
        binding.check(redirect_uri, verifier)?;
        let pair = TokenPair::new(&*self.dice);
        match self.store.spend_code(hash, no, pair.hashes(), Lives::default(), now).await? {
            Redeemed::Given(life) => Ok(pair.given(life.access, now)),
            Redeemed::Replayed => {
                self.note_ends().await?;
                let (application, user) = (client.application.id, known.user);
                tracing::warn!(
                    application.id = %application, user.id = %user,
                    "An authorization code came a second time: what it gave is revoked"
                );
                Err(TokenRefused::Code)
            }
            Redeemed::Unknown => Err(TokenRefused::Code),
        }
    }

    /// Spends a refresh token for a pair of tokens. For ten minutes it may come again, as crossing requests do; later
    /// it revokes everything that comes of the same consent.
    pub async fn refresh(
        &self,
        client: &ApplicationEntry,
        refresh_token: &str,
    ) -> Result<GivenTokens, TokenRefused> {
        let (hash, no, now) = (token_hash(refresh_token), client.application.no, self.now());
        let pair = TokenPair::new(&*self.dice);
        let (lives, grace) = (Lives::default(), Grace::default());
        match self.store.refresh(hash, no, pair.hashes(), lives, grace, now).await? {
            Refreshed::Given(life) => Ok(pair.given(life.access, now)),
            Refreshed::Replayed => {
                self.note_ends().await?;
                tracing::warn!(
                    application.id = %client.application.id,
                    "A refresh token came long after it was spent: all tokens of its consent are revoked"
                );
                Err(TokenRefused::RefreshToken)
            }
            Refreshed::Exhausted => {
                tracing::info!(
                    application.id = %client.application.id,
                    "A refresh token has given as many successors as it may"
                );
                Err(TokenRefused::RefreshToken)
            }
            Refreshed::Unknown => Err(TokenRefused::RefreshToken),
        }
    }

    /// Ends what a token of the application opens: an access token alone, or with a refresh token all tokens of its
    /// consent. False when the application has no such token.
    pub async fn revoke(&self, client: &ApplicationEntry, token: &str) -> Result<bool, AppError> {
        let revoked = self.store.revoke(token_hash(token), client.application.no, self.now()).await?;
        self.note_ends().await?;
        Ok(revoked)
    }

    /// Gives out an access token that opens all vehicles of an owner to their application, without the owner's consent:
    /// for operators. Answers with how long it works, too.
    pub async fn grant_access_token(
        &self,
        vehicle: VehicleId,
        answering: Option<&Answering<'_, (Zeroizing<String>, Duration)>>,
    ) -> Result<(Zeroizing<String>, Duration), AppError> {
        let row = self.vehicle(vehicle, None).await?;
        let (text, life) = (short_token(&*self.dice, "mpa_"), Lives::default().access);
        let (hash, until) = (token_hash(&text), self.now() + life);
        let given = (text, life);
        let grant = move |store: Arc<dyn Store>| async move {
            store.grant_token(hash, row.application, row.user, until).await
        };
        self.keeping(answering, &given, grant).await?;
        Ok(given)
    }

    /// What an access token opens; `None` when it is unknown, expired or revoked.
    pub async fn access(&self, token: &str) -> Result<Option<TokenGrant>, AppError> {
        let grant = self.store.token(token_hash(token)).await?;
        Ok(grant.filter(|grant| grant.expires_at > self.now()))
    }
}

/// The challenge of a code, which was checked when the code was given out.
fn parsed(challenge: &str) -> Result<Challenge, AppError> {
    challenge.parse().map_err(|_| AppError::Internal("the challenge of a code is damaged".into()))
}

/// Two tokens that nobody has seen.
struct TokenPair {
    access: Zeroizing<String>,
    refresh: Zeroizing<String>,
}

impl TokenPair {
    fn new(dice: &dyn Dice) -> Self {
        Self { access: short_token(dice, "mpa_"), refresh: short_token(dice, "mpr_") }
    }

    fn hashes(&self) -> NewPair {
        NewPair { access: token_hash(&self.access), refresh: token_hash(&self.refresh) }
    }

    fn given(self, until: Timestamp, now: Timestamp) -> GivenTokens {
        GivenTokens { access_token: self.access, expires_in: until.since(now), refresh_token: self.refresh }
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
