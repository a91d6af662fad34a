//! Faults that tests plant to see that tests find them. Without the cargo feature `planted` there are none.

/// A fault of the kind that a queue, a scheduler or a journal can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A use-case is answered before its step is committed.
    AnswerBeforeCommit,
    /// A step that is made again after a conflict forgets when the vehicle is due next.
    DueLostAfterConflict,
    /// An event that finds the window full is not looked for in the store.
    FullWindowDrops,
    /// What came of an attempt is not recorded.
    EndNotRecorded,
    /// A retry has another event id.
    NewIdOnRetry,
    /// An event that is read from the store again has forgotten its attempts.
    AttemptsForgotten,
    /// Missed slots are posted as well as counted.
    MissedSlotsPosted,
    /// Retries never end.
    RetriesWithoutEnd,
    /// Nobody looks at tombstones before a request.
    TombstonesIgnored,
    /// Slots come a minute early.
    EarlyByAMinute,
    /// Where two webhooks are due at once, one gets its event twice.
    PostedTwice,
    /// What was accepted is sent again.
    AcceptedRetried,
    /// A step that is made again after a conflict forgets the changes that it owes.
    ChangeLostAfterConflict,
    /// Errors of vehicles go where data goes.
    ErrorsSentAsData,
    /// A webhook that is switched on again is owed no first delivery.
    FirstDeliveryOnlyOnce,
    /// When a pushed reading was measured does not count.
    MeasuredTimeIgnored,
}

impl Planted {
    /// Whether the fault is planted in this thread.
    #[cfg(feature = "planted")]
    pub(crate) fn is_here(self) -> bool {
        HERE.get() == Some(self)
    }

    /// Never.
    #[cfg(not(feature = "planted"))]
    pub(crate) const fn is_here(self) -> bool {
        false
    }
}

#[cfg(feature = "planted")]
thread_local! {
    /// A simulated world is one thread, so worlds beside each other have faults of their own.
    static HERE: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in this thread, or removes the one that is there.
#[cfg(feature = "planted")]
pub fn plant(fault: Option<Planted>) {
    HERE.set(fault);
}
