//! What owners have granted: authorization codes, the grants that they become, and the tokens of those.
//!
//! A **code** is redeemed once and becomes a **grant**: what one consent covers, and the family of all tokens that come
//! of it. Each refresh spends a refresh token of the grant and gives a successor pair. A code or a refresh token that is
//! used when it should be forgotten betrays a copy, and then the whole grant is revoked. Only hashes are stored.
//!
//! What is past its time is as if it had never been there, whether or not retention has come by.

use async_trait::async_trait;
use domain::{
    connect::lives::{Grace, Lives, PairLife},
    ids::{ApplicationNo, GrantNo, UserId, VehicleId},
    time::Timestamp,
};

use crate::{SecretHash, StoreError};

/// What an access token opens.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenGrant {
    /// The application it was given to.
    pub application: ApplicationNo,
    /// The owner whose vehicles it covers.
    pub user: UserId,
    /// The vehicles that the owner picked; `None` for all that the application may use.
    pub vehicles: Option<Vec<VehicleId>>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl TokenGrant {
    /// Whether a vehicle of the owner is among those that were picked.
    pub fn covers(&self, vehicle: VehicleId) -> bool {
        self.vehicles.as_ref().is_none_or(|picked| picked.contains(&vehicle))
    }
}

/// An authorization code.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// The application it was given to.
    pub application: ApplicationNo,
    /// The owner who has consented.
    pub user: UserId,
    /// The vehicles that the owner picked.
    pub vehicles: Vec<VehicleId>,
    /// The redirect URI of the authorize request, if it had one.
    pub redirect_uri: Option<String>,
    /// The S256 challenge of the authorize request, if it had one.
    pub challenge: Option<String>,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// What it became when it was redeemed.
    pub grant: Option<GrantNo>,
}

/// A pair of tokens to be given.
#[derive(Clone, Copy)]
pub struct NewPair {
    /// Hash of the access token.
    pub access: SecretHash,
    /// Hash of the refresh token.
    pub refresh: SecretHash,
}

/// What came of redeeming a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The pair works.
    Given(PairLife),
    /// It was redeemed before: what it gave then is revoked.
    Replayed,
    /// The application has no such code, or its time is over.
    Unknown,
}

/// What came of refreshing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The pair works.
    Given(PairLife),
    /// It has given as many pairs as it may; nothing has changed.
    Exhausted,
    /// It was spent before, and the grace is over: the grant is revoked.
    Replayed,
    /// The application has no such token, its time is over, or its grant is revoked.
    Unknown,
}

/// Codes, grants, tokens.
#[async_trait]
pub trait Grants: Send + Sync + 'static {
    /// Keeps the hash of an access token that belongs to no grant: it covers all vehicles of its owner.
    async fn grant_token(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        user: UserId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;
    /// What an access token opens, expired or not. A token of a revoked grant is not found.
    async fn token(&self, hash: SecretHash) -> Result<Option<TokenGrant>, StoreError>;

    /// Keeps the hash of a code that nobody has redeemed; its `grant` is not looked at.
    async fn keep_code(&self, hash: SecretHash, code: Code) -> Result<(), StoreError>;
    /// What a code was given for, expired, redeemed or neither.
    async fn code(&self, hash: SecretHash) -> Result<Option<Code>, StoreError>;
    /// Redeems a code: the first time it becomes a grant with a pair of tokens, a second time that grant is revoked.
    async fn spend_code(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        pair: NewPair,
        lives: Lives,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError>;

    /// Spends a refresh token for a successor pair, as `grace` decides.
    async fn refresh(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        pair: NewPair,
        lives: Lives,
        grace: Grace,
        now: Timestamp,
    ) -> Result<Refreshed, StoreError>;

    /// Ends what a token opens: an access token alone, or with a refresh token its whole grant. False when the
    /// application has no such token.
    async fn revoke(
        &self,
        hash: SecretHash,
        application: ApplicationNo,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Deletes the codes and grants of an owner and all access tokens to that owner's vehicles.
    async fn forget_grants(&self, user: UserId) -> Result<(), StoreError>;
}
