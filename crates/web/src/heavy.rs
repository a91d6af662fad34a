//! Long work of requests, such as reading a large body: off the threads that serve everybody, and a bounded amount at once.
//!
//! A thread of the runtime that reads for a tenth of a second serves nobody meanwhile. So work that may take long runs on
//! threads of its own, half as many as there are processors, and waits for its turn: applications take turns, and each may
//! have so much waiting. Beyond that a request is told when to come back.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use domain::{delivery::RoundRobin, ids::ApplicationNo};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::problem::ApiError;

/// Requests of one application that wait for their turn.
const MOST_OF_ONE: usize = 64;
/// Requests that wait in all.
const MOST_WAITING: usize = 256;
/// When to come back where so many wait already.
const COME_BACK: Duration = Duration::from_secs(2);

/// Who works and who waits; clones are the same.
#[derive(Clone)]
pub(crate) struct Heavy(Arc<Mutex<Inner>>);

struct Inner {
    /// Turns that nobody has.
    free: usize,
    applications: RoundRobin<ApplicationNo>,
    waiting: HashMap<ApplicationNo, VecDeque<oneshot::Sender<Turn>>>,
    count: usize,
}

/// Leave to work, until it is dropped.
struct Turn(Option<Heavy>);

impl Heavy {
    /// Leaves half of the processors to everything else.
    pub(crate) fn of_the_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, |count| count.get() / 2))
    }

    fn new(at_once: usize) -> Self {
        let (applications, waiting) = (RoundRobin::new(1), HashMap::new());
        Self(Arc::new(Mutex::new(Inner { free: at_once.max(1), applications, waiting, count: 0 })))
    }

    /// Does work of an application when it has its turn. Work that has begun is finished, though nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// When too much waits already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        application: ApplicationNo,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turn(application).await?;
        let work = move || {
            let done = work();
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }

    async fn turn(&self, application: ApplicationNo) -> Result<Turn, ApiError> {
        let turn = {
            let inner = &mut *self.0.lock();
            if inner.free > 0 {
                inner.free -= 1;
                return Ok(Turn(Some(self.clone())));
            }
            inner.queue(application)?
        };
        turn.await.map_err(ApiError::internal)
    }
}

impl Inner {
    fn queue(&mut self, application: ApplicationNo) -> Result<oneshot::Receiver<Turn>, ApiError> {
        let waiting = self.waiting.entry(application).or_default();
        // Those whose clients have had their time wait no more.
        let before = waiting.len();
        waiting.retain(|one| !one.is_closed());
        self.count -= before - waiting.len();
        if waiting.len() >= MOST_OF_ONE || self.count >= MOST_WAITING {
            return Err(ApiError::come_back(COME_BACK));
        }
        let (gives, turn) = oneshot::channel();
        waiting.push_back(gives);
        self.count += 1;
        self.applications.add(application);
        Ok(turn)
    }

    /// Who has the next turn.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        loop {
            let application = self.applications.next_lane()?;
            match self.waiting.get_mut(&application).and_then(VecDeque::pop_front) {
                Some(next) => {
                    self.count -= 1;
                    return Some(next);
                }
                None => {
                    self.applications.remove(application);
                    self.waiting.remove(&application);
                }
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(heavy) = self.0.take() else { return };
        loop {
            let next = {
                let inner = &mut *heavy.0.lock();
                let next = inner.next();
                inner.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(heavy.clone()))) {
                Ok(()) => return,
                // It has gone away meanwhile: the turn is for the next one.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LOUD: ApplicationNo = ApplicationNo(1);
    const OTHER: ApplicationNo = ApplicationNo(2);

    #[tokio::test]
    async fn applications_take_turns_and_one_with_too_much_waiting_is_told_to_come_back() {
        let heavy = Heavy::new(1);
        let (release, held) = mpsc::channel::<()>();
        let first = heavy.run(LOUD, move || held.recv().is_ok());
        let mut first = Box::pin(first);
        assert!(futures::poll!(&mut first).is_pending());
        let order: Arc<Mutex<Vec<u64>>> = Arc::default();
        let done = |who: ApplicationNo| {
            let order = order.clone();
            heavy.run(who, move || order.lock().push(who.0 as u64))
        };
        let mut waiting: Vec<_> = (0..MOST_OF_ONE).map(|_| Box::pin(done(LOUD))).collect();
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        let refused = done(LOUD).await.unwrap_err();
        assert_eq!((refused.kind.status.as_u16(), refused.retry_after_seconds), (429, Some(2)));
        let mut other = Box::pin(done(OTHER));
        assert!(futures::poll!(&mut other).is_pending());
        release.send(()).unwrap();
        // A turn is for the request that has it: all of them go on, as requests do.
        let (first, other, _) = futures::join!(first, other, futures::future::join_all(waiting));
        assert!(first.unwrap());
        other.unwrap();
        let order = order.lock();
        assert!(order[..2].contains(&2), "{order:?}");
        assert_eq!(order.len(), MOST_OF_ONE + 1);
    }

    #[tokio::test]
    async fn the_turn_of_one_that_has_gone_passes_to_the_next() {
        let heavy = Heavy::new(1);
        let (release, held) = mpsc::channel::<()>();
        let mut first = Box::pin(heavy.run(LOUD, move || held.recv().is_ok()));
        assert!(futures::poll!(&mut first).is_pending());
        let mut gone = Box::pin(heavy.run(LOUD, || ()));
        let mut next = Box::pin(heavy.run(OTHER, || ()));
        assert!(futures::poll!(&mut gone).is_pending() && futures::poll!(&mut next).is_pending());
        drop(gone);
        release.send(()).unwrap();
        first.await.unwrap();
        next.await.unwrap();
        let inner = heavy.0.lock();
        assert_eq!((inner.free, inner.count), (1, 0));
    }
}
