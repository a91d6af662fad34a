//! Applications, their secrets, webhooks and feeds: few rows, read into memory at start.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    connect::defaults::Defaults,
    ids::{ApplicationId, ApplicationNo, EventNo, FeedId, VehicleNo, WebhookId, WebhookNo},
    time::Timestamp,
    webhook::{Disabled, Revision, Webhook},
};

use crate::StoreError;

/// SHA-256 of something that is only verified: a client secret, an access token.
pub type SecretHash = [u8; 32];

/// A tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// Row number.
    pub no: ApplicationNo,
    /// The id on the wire, which is the client id too.
    pub id: ApplicationId,
    /// The name its operator gave it.
    pub name: String,
    /// Registered redirect URIs, the default first.
    pub redirect_uris: Vec<String>,
    /// The plan whose limits apply.
    pub plan: String,
    /// What counts in Connect where a request leaves it open.
    pub connect: Defaults,
    /// The management token, sealed.
    pub management_token: Vec<u8>,
    /// The management token before, while it still counts.
    pub retiring: Option<RetiringToken>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Rises with each edit: an edit names the version that it was made on.
    pub version: u64,
}

/// What became of an edit that names the version that it was made on.
#[derive(Clone, Debug, PartialEq)]
pub enum Edited<T> {
    /// It is written, and this is so now.
    Done(T),
    /// Somebody else was faster: nothing is written, and this is so now.
    Stale(T),
    /// There is no such thing.
    Gone,
}

impl<T> Edited<T> {
    /// What is so now, if the edit is written.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(now) => Some(now),
            Self::Stale(_) | Self::Gone => None,
        }
    }
}

/// A management token that was replaced and still counts beside its successor.
#[derive(Clone, Debug, PartialEq)]
pub struct RetiringToken {
    /// The token, sealed.
    pub sealed: Vec<u8>,
    /// How long it counts.
    pub until: Timestamp,
}

/// An application to be made, with its first secret.
#[derive(Clone, Debug)]
pub struct NewApplication {
    /// The id on the wire.
    pub id: ApplicationId,
    /// The name its operator gave it.
    pub name: String,
    /// Registered redirect URIs.
    pub redirect_uris: Vec<String>,
    /// The plan whose limits apply.
    pub plan: String,
    /// What counts in Connect where a request leaves it open.
    pub connect: Defaults,
    /// The management token, sealed.
    pub management_token: Vec<u8>,
    /// The first client secret.
    pub secret: Secret,
    /// Now.
    pub created_at: Timestamp,
}

/// A client secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Secret {
    /// Its hash.
    pub hash: SecretHash,
    /// Its last characters, to tell secrets apart in a list.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A webhook to be made, not verified yet.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// The id on the wire.
    pub id: WebhookId,
    /// Its application.
    pub application: ApplicationNo,
    /// The name its operator gave it.
    pub name: String,
    /// Its first revision.
    pub revision: Revision,
    /// Whether all vehicles of the application are put on it, present and coming ones.
    pub auto_subscribe: bool,
    /// A challenge is to follow.
    pub verify: bool,
    /// Now.
    pub created_at: Timestamp,
}

/// A webhook with what the operator sees of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredWebhook {
    /// What the step and the lanes see.
    pub webhook: Webhook,
    /// Whether all vehicles of the application are put on it, present and coming ones.
    pub auto_subscribe: bool,
    /// The last vehicle that was put on it so. Who was taken off since is not put on again.
    pub auto_after: VehicleNo,
    /// When it was made.
    pub created_at: Timestamp,
    /// The result of the last verification and of the last test, encoded by the application; empty before the first.
    pub last_verification: Vec<u8>,
    /// See `last_verification`.
    pub last_test: Vec<u8>,
    /// The result of the last challenge of the URI for errors, encoded by the application; empty before the first.
    pub last_error_verification: Vec<u8>,
    /// The URI for errors that has answered a challenge since it was last changed.
    pub verified_error_uri: Option<String>,
    /// A challenge was asked for and has not been answered, nor failed.
    pub verifying: bool,
    /// Since when it is switched off, and after what.
    pub switched_off: Option<SwitchedOff>,
    /// Rises with each change of any kind, by which the newer of two states is known.
    pub changes: u64,
}

/// When a webhook was switched off, and how its last attempt had ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchedOff {
    /// When.
    pub at: Timestamp,
    /// The status of the last answer; `None` when there was none, or when no attempt is the cause.
    pub status: Option<u16>,
    /// Why there was no answer, in the word of the log.
    pub failure: Option<String>,
}

/// A change of one webhook; each is one transaction. One by which a webhook begins to deliver raises its epoch, and
/// begins a [`Sweep`] when the webhook watches its vehicles.
#[derive(Clone, Debug)]
pub enum WebhookChange {
    /// A new revision, current from now on. `verified: false` when the callback URI has changed; `sweep: true` when the
    /// cadence has, which begins a [`Sweep`].
    ///
    /// Its number is one above the revision that it was made on; when that is not the current one, nothing is written.
    Revise {
        /// The name from now on.
        name: String,
        /// What is sent from now on, and where to.
        revision: Revision,
        /// Whether the webhook is verified after the change.
        verified: bool,
        /// Whether its vehicles have to be replanned.
        sweep: bool,
        /// Whether all vehicles of the application are put on it from now on.
        auto_subscribe: bool,
        /// The URI for errors has changed: what another one has answered counts no more.
        errors_moved: bool,
        /// A challenge is to follow.
        verify: bool,
    },
    /// The result of a verification: kept, and the webhook verified if it passed and the URI is still the webhook's.
    Verification {
        /// The URI that was challenged.
        uri: String,
        /// What came of it, encoded by the application.
        result: Vec<u8>,
        /// The callback URI has proved that it holds the management token.
        passed: bool,
    },
    /// The result of a challenge of the URI for errors: kept, and the URI verified if it passed and is still the webhook's.
    /// Vehicles are told by a [`Sweep`] then: errors that have waited are reported.
    ErrorVerification {
        /// The URI that was challenged.
        uri: String,
        /// What came of it, encoded by the application.
        result: Vec<u8>,
        /// The URI has proved that it holds the management token.
        passed: bool,
    },
    /// The result of a test.
    Test {
        /// What came of it, encoded by the application.
        result: Vec<u8>,
    },
    /// Switched on again.
    Enable,
    /// Switched off: a tombstone covers everything that is queued.
    Disable {
        /// Who or what did it.
        why: Disabled,
        /// When, and after what.
        since: SwitchedOff,
    },
    /// Deleted: subscriptions vanish, a tombstone covers everything that is queued; its log stays until it expires.
    Delete {
        /// Now.
        now: Timestamp,
    },
}

/// A walk over the vehicles of a webhook that replans their slots; it goes on where it was after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The webhook.
    pub webhook: WebhookNo,
    /// The revision that asked for it: a newer one begins anew, and progress of the older one then counts for nothing.
    pub revision: u32,
    /// The last vehicle that is done.
    pub after: Option<VehicleNo>,
    /// How many are done.
    pub done: u64,
}

/// Who may push readings: a token that is bound to an application, and how its readings are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// The id on the wire.
    pub id: FeedId,
    /// The application whose vehicles it may speak of.
    pub application: ApplicationNo,
    /// The name its operator gave it.
    pub name: String,
    /// Hash of its token.
    pub hash: SecretHash,
    /// The last characters of the token, to tell tokens apart in a list.
    pub hint: String,
    /// What counts as newer among its readings.
    pub newer: Newer,
    /// How long its readings wait for earlier ones, in milliseconds.
    pub hold_ms: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What counts as newer among the readings of a feed. The discriminant is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Newer {
    /// What was measured later.
    #[default]
    Observed = 0,
    /// What arrives later.
    Delivery = 1,
    /// What has the higher number.
    Sequence = 2,
}

impl Newer {
    /// All of them, by number.
    pub const ALL: &[Self] = &[Self::Observed, Self::Delivery, Self::Sequence];

    /// From the stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Delivery => "delivery",
            Self::Sequence => "sequence",
        }
    }
}

/// An answer to be kept by the transaction that does the work, under an idempotency key that has none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAnswer {
    /// The key.
    pub key: String,
    /// The answer.
    pub answer: Kept,
    /// Whether it names the event that the work queues. Its number is kept beside the answer.
    pub names_event: bool,
    /// Now.
    pub now: Timestamp,
}

/// The kept answer of an idempotent request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Hash of the request: the same key with another request is a mistake of the client.
    pub request: [u8; 32],
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer, sealed.
    pub body: Vec<u8>,
    /// The event that it names, whose number was given with the work: the body has a place for it.
    pub event: Option<EventNo>,
}

/// Applications, webhooks, kept answers.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// The same store, whose next write that changes something also keeps an answer under an idempotency key, in the same
    /// transaction: work and answer are there together or not at all. A key that has an answer already refuses the work.
    fn keeping(&self, keep: KeepAnswer) -> Arc<dyn crate::Store>;
    /// Makes an application.
    async fn create_application(&self, new: NewApplication) -> Result<Application, StoreError>;
    /// Every application, oldest first.
    async fn applications(&self) -> Result<Vec<Application>, StoreError>;
    /// Changes name, redirect URIs, plan and what counts in Connect of an application that has this version still.
    async fn update_application(
        &self,
        no: ApplicationNo,
        version: u64,
        name: String,
        redirect_uris: Vec<String>,
        plan: String,
        connect: Defaults,
    ) -> Result<Edited<Application>, StoreError>;
    /// Deletes an application that has no connections and no webhooks left; false when it has.
    async fn delete_application(&self, no: ApplicationNo) -> Result<bool, StoreError>;
    /// Replaces the sealed management token, and the one before it, of an application that has this version still.
    async fn set_management_token(
        &self,
        no: ApplicationNo,
        version: u64,
        sealed: Vec<u8>,
        retiring: Option<RetiringToken>,
    ) -> Result<Edited<Application>, StoreError>;
    /// The client secrets of an application, oldest first.
    async fn secrets(&self, no: ApplicationNo) -> Result<Vec<Secret>, StoreError>;
    /// Adds a secret unless there are `most` already; false then.
    async fn add_secret(&self, no: ApplicationNo, secret: Secret, most: usize) -> Result<bool, StoreError>;
    /// Removes the secret with this hint; false when there is none or it is the last.
    async fn remove_secret(&self, no: ApplicationNo, hint: String) -> Result<bool, StoreError>;

    /// Makes a webhook.
    async fn create_webhook(&self, new: NewWebhook) -> Result<StoredWebhook, StoreError>;
    /// Every webhook that is not deleted, oldest first.
    async fn webhooks(&self) -> Result<Vec<StoredWebhook>, StoreError>;
    /// The ids of webhooks that are deleted: the log still names them.
    async fn deleted_webhooks(&self) -> Result<Vec<(WebhookNo, WebhookId)>, StoreError>;
    /// An earlier or the current revision.
    async fn revision(&self, webhook: WebhookNo, number: u32) -> Result<Option<Revision>, StoreError>;
    /// Changes a webhook and answers with its new state and the tombstone that the change wrote, if any; after `Delete`, the
    /// state is the last one. Only [`WebhookChange::Revise`] can be stale.
    async fn change_webhook(
        &self,
        no: WebhookNo,
        change: WebhookChange,
    ) -> Result<Edited<(StoredWebhook, Option<crate::Tombstone>)>, StoreError>;

    /// Notes up to which vehicle an automatic webhook has them all.
    async fn advance_auto(&self, webhook: WebhookNo, after: VehicleNo) -> Result<(), StoreError>;

    /// Makes a feed unless its application has `most` already; false then.
    async fn create_feed(&self, feed: Feed, most: usize) -> Result<bool, StoreError>;
    /// Every feed, oldest first.
    async fn feeds(&self) -> Result<Vec<Feed>, StoreError>;
    /// Removes a feed; false when there is none.
    async fn delete_feed(&self, id: FeedId) -> Result<bool, StoreError>;

    /// Sweeps that have not ended.
    async fn sweeps(&self) -> Result<Vec<Sweep>, StoreError>;
    /// Notes how far a sweep is, unless a newer revision has begun it anew since.
    async fn advance_sweep(&self, sweep: Sweep) -> Result<(), StoreError>;
    /// Ends a sweep, unless a newer revision has begun it anew since.
    async fn end_sweep(&self, sweep: Sweep) -> Result<(), StoreError>;

    /// The kept answer under an idempotency key.
    async fn kept(&self, key: String) -> Result<Option<Kept>, StoreError>;
    /// Keeps an answer; the first one under a key stays, and is returned.
    async fn keep(&self, key: String, answer: Kept, now: Timestamp) -> Result<Kept, StoreError>;
    /// Replaces an answer that was kept with its work by one that says what followed. Without one, nothing happens.
    async fn replace_kept(&self, key: String, answer: Kept) -> Result<(), StoreError>;
}
