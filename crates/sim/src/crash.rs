//! When the process ends: at a commit, or at a call to the world outside.
//!
//! Between two such moments only memory changes, and memory is lost anyway; so these are all the crashes there are.

use std::sync::Arc;

use parking_lot::Mutex;
use store_sqlite::{Fault, FaultHook, Point};

/// A moment at which a process may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A transaction is complete and not committed: its writes are lost.
    BeforeCommit,
    /// It is committed, and nobody knows yet.
    AfterCommit,
    /// A request is about to be sent.
    BeforePost,
    /// It was answered, and nobody knows yet.
    AfterPost,
    /// A vehicle is about to be read.
    BeforeRead,
    /// It was read, and nobody knows yet.
    AfterRead,
}

/// When a life of the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// At the moment after so many, of any kind.
    After(u64),
    /// At the moment of this kind after so many of it.
    At(Moment, u64),
}

/// The fate of one life of the process.
#[derive(Clone, Default)]
pub(crate) struct Fate(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    strike: Option<Strike>,
    /// The process has ended.
    sealed: Option<Moment>,
    /// Writes fail for want of space.
    disk_is_full: bool,
}

impl Fate {
    pub(crate) fn foresee(&self, strike: Option<Strike>) {
        self.0.lock().strike = strike;
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.0.lock().sealed.is_some()
    }

    /// At which moment the process ended, if it has.
    pub(crate) fn sealed(&self) -> Option<Moment> {
        self.0.lock().sealed
    }

    pub(crate) fn set_disk_is_full(&self, full: bool) {
        self.0.lock().disk_is_full = full;
    }

    pub(crate) fn disk_is_full(&self) -> bool {
        self.0.lock().disk_is_full
    }

    /// Whether the process ends here, or has ended before.
    pub(crate) fn strikes(&self, moment: Moment) -> bool {
        let inner = &mut *self.0.lock();
        if inner.sealed.is_some() {
            return true;
        }
        let over = match &mut inner.strike {
            Some(Strike::After(left)) => count_down(left),
            Some(Strike::At(at, left)) if *at == moment => count_down(left),
            _ => false,
        };
        if over {
            inner.sealed = Some(moment);
        }
        over
    }

    /// What the databases ask at every commit.
    pub(crate) fn at_commits(&self) -> FaultHook {
        let fate = self.clone();
        Arc::new(move |point| {
            let moment = match point {
                Point::BeforeCommit => Moment::BeforeCommit,
                Point::AfterCommit => Moment::AfterCommit,
            };
            fate.strikes(moment).then_some(Fault::Crash)
        })
    }
}

/// True when nothing was left.
fn count_down(left: &mut u64) -> bool {
    match left.checked_sub(1) {
        Some(rest) => {
            *left = rest;
            false
        }
        None => true,
    }
}
