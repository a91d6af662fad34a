//! Idempotency keys: a request that is sent again gets the answer of the first time.
//!
//! What makes something new renders its answer before the commit, and the transaction that does the work keeps it
//! ([`App::keeping`]): after a crash, both are there or neither. An operation that only sets a state keeps its answer
//! afterwards: done twice, it leaves the same state.

use std::sync::Arc;

use domain::ids::EventNo;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use store::{KeepAnswer, Kept, Store, StoreError};
use uuid::Uuid;

use crate::{App, AppError, What};

/// A request under an idempotency key.
#[derive(Debug)]
pub struct KeyedRequest {
    key: String,
    request: [u8; 32],
    /// What its work was committed with.
    is_kept: Mutex<Option<(u16, Vec<u8>)>>,
}

impl KeyedRequest {
    /// A request under a key that has no answer yet.
    pub fn new(key: &str, request: &[u8]) -> Self {
        Self { key: key.to_owned(), request: Sha256::digest(request).into(), is_kept: Mutex::default() }
    }
}

/// How the answer to a request is made of what its work makes, before that is committed.
pub struct Answering<'a, T> {
    /// The request.
    pub request: &'a KeyedRequest,
    /// Status and body.
    pub answer: &'a (dyn Fn(&T) -> (u16, Vec<u8>) + Send + Sync),
}

/// Kept answers are sealed under a key of their own.
const SUBJECT: Uuid = Uuid::from_u128(0x6d69_6c65_706f_7374_6b65_7074);

/// An answer that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// The event that takes the place of event 0 in the body.
    pub event: Option<EventNo>,
}

impl App {
    /// Does the one write that is the work of a request. With a key, the same transaction keeps the answer.
    pub(crate) async fn keeping<T, R, F>(
        &self,
        answering: Option<&Answering<'_, T>>,
        made: &T,
        work: impl FnOnce(Arc<dyn Store>) -> F,
    ) -> Result<R, AppError>
    where
        F: Future<Output = Result<R, StoreError>>,
    {
        self.keeping_named(answering, made, false, work).await
    }

    /// As [`App::keeping`], for work that queues an event which the answer names as event 0: nobody knows its number yet.
    pub(crate) async fn keeping_event<R, F>(
        &self,
        answering: Option<&Answering<'_, EventNo>>,
        work: impl FnOnce(Arc<dyn Store>) -> F,
    ) -> Result<R, AppError>
    where
        F: Future<Output = Result<R, StoreError>>,
    {
        self.keeping_named(answering, &EventNo(0), true, work).await
    }

    async fn keeping_named<T, R, F>(
        &self,
        answering: Option<&Answering<'_, T>>,
        made: &T,
        names_event: bool,
        work: impl FnOnce(Arc<dyn Store>) -> F,
    ) -> Result<R, AppError>
    where
        F: Future<Output = Result<R, StoreError>>,
    {
        let Some(Answering { request, answer }) = answering else {
            return Ok(work(self.store.clone()).await?);
        };
        let (status, body) = answer(made);
        let answer = self.sealed_answer(request.request, status, &body).await?;
        let keep = KeepAnswer { key: request.key.clone(), answer, names_event, now: self.now() };
        let done = work(self.store.keeping(keep)).await?;
        *request.is_kept.lock() = Some((status, body));
        Ok(done)
    }

    async fn sealed_answer(&self, request: [u8; 32], status: u16, body: &[u8]) -> Result<Kept, AppError> {
        let key = self.sealer.make_keys(&[SUBJECT]).await?.remove(0);
        let body = key.seal(&*self.dice, What::Answer, SUBJECT, body);
        Ok(Kept { request, status, body, event: None })
    }

    /// The answer that was kept under a key.
    ///
    /// # Errors
    ///
    /// [`AppError::Conflict`] when the key was used for another request.
    pub async fn kept_answer(&self, request: &KeyedRequest) -> Result<Option<KeptAnswer>, AppError> {
        let Some(kept) = self.store.kept(request.key.clone()).await? else { return Ok(None) };
        if kept.request != request.request {
            let message = "this idempotency key was used for another request; take a new key";
            return Err(AppError::Conflict(message.into()));
        }
        let key = self.sealer.key(SUBJECT).await?;
        let body = key.open(What::Answer, SUBJECT, &kept.body)?;
        Ok(Some(KeptAnswer { status: kept.status, body, event: kept.event }))
    }

    /// Keeps the answer of a request, unless its work was committed with the same one.
    pub async fn keep_answer(
        &self,
        request: &KeyedRequest,
        status: u16,
        body: &[u8],
    ) -> Result<(), AppError> {
        let kept = request.is_kept.lock().clone();
        match kept {
            Some((kept_status, kept_body)) if kept_status == status && kept_body == body => Ok(()),
            Some(_) => {
                let answer = self.sealed_answer(request.request, status, body).await?;
                Ok(self.store.replace_kept(request.key.clone(), answer).await?)
            }
            None => {
                let answer = self.sealed_answer(request.request, status, body).await?;
                self.store.keep(request.key.clone(), answer, self.now()).await?;
                Ok(())
            }
        }
    }
}
