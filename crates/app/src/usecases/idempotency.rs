//! Idempotency keys: a request that is sent again gets the answer of the first time.
//!
//! What makes something new renders its answer before the commit, and the transaction that does the work keeps it
//! ([`App::keeping`]): after a crash, both are there or neither. An operation that only sets a state keeps its answer
//! afterwards: done twice, it leaves the same state.

use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use store::{KeepAnswer, Kept, Store};
use uuid::Uuid;

use crate::{App, AppError, What};

/// A request under an idempotency key.
#[derive(Debug)]
pub struct KeyedRequest {
    key: String,
    request: [u8; 32],
    /// What its work was committed with.
    kept: Mutex<Option<(u16, Vec<u8>)>>,
}

impl KeyedRequest {
    /// A request under a key that has no answer yet.
    pub fn new(key: &str, request: &[u8]) -> Self {
        Self { key: key.to_owned(), request: Sha256::digest(request).into(), kept: Mutex::default() }
    }

    /// The answer that was kept with the work, if that was committed.
    pub fn kept(&self) -> Option<(u16, Vec<u8>)> {
        self.kept.lock().clone()
    }
}

/// How the answer to a request is made of what its work makes, before that is committed.
pub struct Answering<'a, T> {
    /// The request.
    pub request: &'a KeyedRequest,
    /// Status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub body: &'a (dyn Fn(&T) -> Vec<u8> + Send + Sync),
}

/// Kept answers are sealed under a key of their own.
const SUBJECT: Uuid = Uuid::from_u128(0x6d69_6c65_706f_7374_6b65_7074);

impl App {
    /// Does the one write that is the work of a request. With a key, the same transaction keeps the answer.
    pub(crate) async fn keeping<T, R>(
        &self,
        answering: Option<&Answering<'_, T>>,
        made: &T,
        work: impl AsyncFnOnce(Arc<dyn Store>) -> Result<R, AppError>,
    ) -> Result<R, AppError> {
        let Some(Answering { request, status, body }) = answering else { return work(self.store.clone()).await };
        let body = body(made);
        let sealing = self.sealer.make_keys(&[SUBJECT]).await?.remove(0);
        let keep = KeepAnswer {
            key: request.key.clone(),
            answer: Kept {
                request: request.request,
                status: *status,
                body: sealing.seal(&*self.dice, What::Answer, SUBJECT, &body),
            },
            now: self.now(),
        };
        let done = work(self.store.keeping(keep)).await?;
        *request.kept.lock() = Some((*status, body));
        Ok(done)
    }

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
