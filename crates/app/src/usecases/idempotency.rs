//! Idempotency keys: a request that is sent again gets the answer of the first time.

use sha2::{Digest, Sha256};
use store::Kept;
use uuid::Uuid;

use crate::{App, AppError, What};

/// Kept answers are sealed under a key of their own.
const SUBJECT: Uuid = Uuid::from_u128(0x6d69_6c65_706f_7374_6b65_7074);

impl App {
    /// The answer that was kept under a key.
    ///
    /// # Errors
    ///
    /// [`AppError::Conflict`] when the key was used for another request.
    pub async fn kept_answer(&self, key: &str, request: &[u8]) -> Result<Option<(u16, Vec<u8>)>, AppError> {
        let Some(kept) = self.store.kept(key.to_owned()).await? else { return Ok(None) };
        if kept.request != <[u8; 32]>::from(Sha256::digest(request)) {
            let message = "this idempotency key was used for another request; take a new key";
            return Err(AppError::Conflict(message.into()));
        }
        let key = self.sealer.key(SUBJECT).await?;
        Ok(Some((kept.status, key.open(What::Answer, SUBJECT, &kept.body)?)))
    }

    /// Keeps the answer of a request.
    pub async fn keep_answer(
        &self,
        key: &str,
        request: &[u8],
        status: u16,
        body: &[u8],
    ) -> Result<(), AppError> {
        let sealing = self.sealer.make_keys(&[SUBJECT]).await?.remove(0);
        let kept = Kept {
            request: Sha256::digest(request).into(),
            status,
            body: sealing.seal(&*self.dice, What::Answer, SUBJECT, body),
        };
        self.store.keep(key.to_owned(), kept, self.now()).await?;
        Ok(())
    }
}
