//! Sealing: what may reach a disk only encrypted.
//!
//! Each user and each application has a data key of its own; the keyring stores them wrapped under the key-encryption
//! key. Destroying a data key erases everything that was sealed under it, in backups too. The associated data names what
//! a sealed text is and whose, so that a text moved to another row does not open.

use std::sync::Arc;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use hashbrown::HashMap;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use store::{Keyring, StoreError, Subject, WrappedKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::ports::Dice;

const NONCE: usize = 24;
/// Data keys held in memory; when there are more, all are dropped and fetched again as they are needed.
const CACHED: usize = 200_000;
/// The note with the check value of the key-encryption key.
pub(crate) const CHECK: &str = "kek-check";

/// What a sealed text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A vehicle's document.
    Document,
    /// An observation of a vehicle.
    Observation,
    /// An application's management token.
    ManagementToken,
    /// The kept answer of an idempotent request.
    Answer,
    /// A wrapped data key.
    DataKey,
    /// How far an owner is in Connect.
    Visit,
    /// An application's own id of an owner.
    ExternalId,
    /// The link that lets an owner say which battery a vehicle has.
    CapacityLink,
    /// The headers of a webhook.
    WebhookHeaders,
    /// A part of a recorded trip.
    Recording,
}

/// What a keyed hash finds again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// An account at a brand.
    Account,
    /// A vehicle's number.
    Vin,
    /// The password of a simulated car's owner.
    SimulatedPassword,
}

impl Find {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Account => b"account",
            Self::Vin => b"vin",
            Self::SimulatedPassword => b"simulated password",
        }
    }
}

/// Why something could not be sealed or opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SealError {
    /// The text was not sealed with this key for this purpose, or is damaged.
    #[error("sealed data does not open: it is damaged or belongs to something else")]
    Damaged,
    /// The subject was erased; its data can never be read again.
    #[error("the data key was destroyed")]
    Erased,
    /// The keyring was sealed under another key-encryption key.
    #[error(
        "the master key does not fit this keyring; put back the master.key that belongs to this data folder"
    )]
    WrongMasterKey,
    /// The keyring failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key that seals, and that hashes what has to be found again without being kept.
#[derive(Clone)]
pub struct DataKey {
    cipher: XChaCha20Poly1305,
    finder: Hmac<Sha256>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

impl DataKey {
    fn new(key: &[u8; 32]) -> Self {
        let hmac = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        // A key of its own: what is learned of hashes says nothing about what is sealed.
        let finder: Zeroizing<[u8; 32]> =
            Zeroizing::new(hmac(key).chain_update(b"milepost: found again").finalize().into_bytes().into());
        Self { cipher: XChaCha20Poly1305::new(key.into()), finder: hmac(&*finder) }
    }

    /// A hash by which something is found again, and from which it cannot be learned without the key.
    pub fn find(&self, what: Find, text: &[u8]) -> [u8; 32] {
        self.finder
            .clone()
            .chain_update(what.label())
            .chain_update([0])
            .chain_update(text)
            .finalize()
            .into_bytes()
            .into()
    }

    /// Seals a text for one purpose of one thing.
    pub fn seal(&self, dice: &dyn Dice, what: What, of: Uuid, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        dice.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: &associated(what, of) };
        let sealed =
            self.cipher.encrypt(&nonce.into(), payload).expect("texts are far below the cipher's limit");
        let mut out = Vec::with_capacity(NONCE + sealed.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens a sealed text.
    pub fn open(&self, what: What, of: Uuid, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>().ok_or(SealError::Damaged)?;
        let payload = Payload { msg: text, aad: &associated(what, of) };
        self.cipher.decrypt(nonce.into(), payload).map_err(|_| SealError::Damaged)
    }
}

fn associated(what: What, of: Uuid) -> [u8; 17] {
    let mut aad = [0; 17];
    aad[0] = what as u8;
    aad[1..].copy_from_slice(of.as_bytes());
    aad
}

/// Makes, keeps and destroys data keys.
pub struct Sealer {
    master: DataKey,
    keyring: Arc<dyn Keyring>,
    dice: Arc<dyn Dice>,
    cache: Mutex<HashMap<Subject, Arc<DataKey>>>,
}

impl Sealer {
    /// Opens the keyring with the key-encryption key; a new keyring takes the key that comes first.
    pub async fn open(
        master: Zeroizing<[u8; 32]>,
        keyring: Arc<dyn Keyring>,
        dice: Arc<dyn Dice>,
    ) -> Result<Self, SealError> {
        let master = DataKey::new(&master);
        match keyring.note(CHECK).await? {
            Some(check) => {
                master.open(What::DataKey, Uuid::nil(), &check).map_err(|_| SealError::WrongMasterKey)?;
            }
            None => {
                let check = master.seal(&*dice, What::DataKey, Uuid::nil(), b"milepost");
                keyring.set_note(CHECK, check).await?;
            }
        }
        Ok(Self { master, keyring, dice, cache: Mutex::default() })
    }

    /// The keys of subjects, in the order asked; `None` for those that were erased or never had one.
    pub async fn keys(&self, subjects: &[Subject]) -> Result<Vec<Option<Arc<DataKey>>>, SealError> {
        let mut found: Vec<_> = {
            let cache = self.cache.lock();
            subjects.iter().map(|subject| cache.get(subject).cloned()).collect()
        };
        let missing: Vec<usize> = (0..subjects.len()).filter(|&at| found[at].is_none()).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let wrapped = self.keyring.keys(missing.iter().map(|&at| subjects[at]).collect()).await?;
        for (at, wrapped) in missing.into_iter().zip(wrapped) {
            found[at] = wrapped.map(|wrapped| self.unwrap(subjects[at], &wrapped)).transpose()?;
        }
        Ok(found)
    }

    /// The key of one subject.
    pub async fn key(&self, subject: Subject) -> Result<Arc<DataKey>, SealError> {
        self.keys(&[subject]).await?.pop().flatten().ok_or(SealError::Erased)
    }

    /// The keys of subjects, made for those that have none. Durable before it returns.
    pub async fn make_keys(&self, subjects: &[Subject]) -> Result<Vec<Arc<DataKey>>, SealError> {
        let fresh = subjects.iter().map(|&subject| (subject, self.new_key(subject))).collect();
        let wrapped = self.keyring.add(fresh).await?;
        subjects
            .iter()
            .zip(wrapped)
            .map(|(&subject, wrapped)| self.unwrap(subject, &wrapped.ok_or(SealError::Erased)?))
            .collect()
    }

    /// Where the keys are kept.
    pub(crate) fn keyring(&self) -> &Arc<dyn Keyring> {
        &self.keyring
    }

    /// A hash under the key-encryption key.
    pub fn find(&self, what: Find, text: &[u8]) -> [u8; 32] {
        self.master.find(what, text)
    }

    /// Destroys a key for good.
    pub async fn erase(&self, subject: Subject, now: domain::time::Timestamp) -> Result<(), SealError> {
        self.keyring.erase(subject, now).await?;
        self.cache.lock().remove(&subject);
        Ok(())
    }

    fn new_key(&self, subject: Subject) -> WrappedKey {
        let mut key = Zeroizing::new([0; 32]);
        self.dice.fill(&mut *key);
        WrappedKey(self.master.seal(&*self.dice, What::DataKey, subject, &*key))
    }

    fn unwrap(&self, subject: Subject, wrapped: &WrappedKey) -> Result<Arc<DataKey>, SealError> {
        let plain = Zeroizing::new(self.master.open(What::DataKey, subject, &wrapped.0)?);
        let key: &[u8; 32] = plain.as_slice().try_into().map_err(|_| SealError::Damaged)?;
        let key = Arc::new(DataKey::new(key));
        let mut cache = self.cache.lock();
        if cache.len() >= CACHED {
            cache.clear();
        }
        cache.insert(subject, key.clone());
        Ok(key)
    }
}
