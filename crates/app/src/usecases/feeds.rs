//! Feeds: who may push readings, and how their readings turn out.
//!
//! What counts as newer is a property of a feed, and an operator who says it wrongly sees values that freeze. So each feed
//! is watched: what its requests were answered, in the words of the answers, and whether most of the newest readings came
//! late with another value. This is kept in memory, since the server started.

use std::sync::Arc;

use domain::{
    ids::{ApplicationId, FeedId},
    vehicle::{FeedKey, Tally},
};
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use store::{Feed, Newer, Store};
use zeroize::Zeroizing;

use super::{applications::checked_name, chance, idempotency::Answering, token, token_hash};
use crate::{App, AppError, metrics};

/// Feeds of one application.
const MOST_FEEDS: usize = 20;
/// The longest time that readings may wait for earlier ones.
const MOST_HOLD_MS: u32 = 60_000;

/// A new feed with its token, which is shown this once.
pub struct CreatedFeed {
    /// The feed.
    pub feed: Arc<Feed>,
    /// Its token.
    pub token: Zeroizing<String>,
}

/// All feeds, and how their readings turn out.
pub(crate) struct Feeds {
    by_token: RwLock<HashMap<store::SecretHash, Arc<Feed>>>,
    watches: Mutex<HashMap<FeedKey, FeedWatch>>,
}

/// What the readings of requests became, as the answers said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerCounts {
    /// Could not be read at all.
    pub rejected: u64,
    /// The value counts now, and it is another one than before.
    pub applied: u64,
    /// Says what was known already.
    pub unchanged: u64,
    /// Older than what is known.
    pub late: u64,
    /// Another value of the same moment; the last one counts.
    pub conflicting: u64,
    /// Not believed.
    pub implausible: u64,
    /// Says that the value is not known.
    pub unknown: u64,
    /// Waits for earlier readings.
    pub buffered: u64,
}

impl AnswerCounts {
    /// Each count with the word of the answers.
    pub const fn by_word(self) -> [(&'static str, u64); 8] {
        [
            ("rejected", self.rejected),
            ("applied", self.applied),
            ("unchanged", self.unchanged),
            ("late", self.late),
            ("conflicting", self.conflicting),
            ("implausible", self.implausible),
            ("unknown", self.unknown),
            ("buffered", self.buffered),
        ]
    }

    /// All readings of the requests.
    pub fn received(self) -> u64 {
        self.by_word().into_iter().map(|(_, count)| count).sum()
    }

    fn add(&mut self, other: Self) {
        self.rejected += other.rejected;
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.late += other.late;
        self.conflicting += other.conflicting;
        self.implausible += other.implausible;
        self.unknown += other.unknown;
        self.buffered += other.buffered;
    }
}

/// How the readings of a feed have turned out since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedWatch {
    /// What its requests were answered.
    pub answers: AnswerCounts,
    /// How often the numbers of a vehicle's readings began anew, and were followed.
    pub restarts: u64,
    /// Most of the newest ones were older than what was known, though they said something else.
    pub is_out_of_order: bool,
    newest: Tally,
}

impl FeedWatch {
    /// Counts readings; true when they show that the feed has just fallen out of order.
    fn note(&mut self, tally: Tally) -> bool {
        self.restarts += tally.restarts;
        self.newest.add(tally);
        if self.newest.readings() < Tally::ENOUGH {
            return false;
        }
        let was = std::mem::replace(&mut self.is_out_of_order, self.newest.is_out_of_order());
        self.newest = Tally::default();
        self.is_out_of_order && !was
    }
}

impl Feeds {
    pub(crate) fn new(feeds: Vec<Feed>) -> Self {
        let by_token = feeds.into_iter().map(|feed| (feed.hash, Arc::new(feed))).collect();
        Self { by_token: RwLock::new(by_token), watches: Mutex::default() }
    }

    /// Counts how readings have turned out.
    pub(crate) fn note(&self, tallies: &[(FeedKey, Tally)]) {
        if tallies.is_empty() {
            return;
        }
        let mut watches = self.watches.lock();
        for (feed, tally) in tallies {
            if tally.restarts > 0 {
                tracing::info!(
                    feed = format!("…{:08x}", feed.0),
                    "The numbers of a feed have begun anew; its readings are followed from there"
                );
            }
            if watches.entry(*feed).or_default().note(*tally) {
                tracing::warn!(
                    feed = format!("…{:08x}", feed.0),
                    "Most readings of a feed are older than what is known, though they say something else; check \
                     what counts as newer for it"
                );
            }
        }
    }
}

/// What the readings of a feed carry of its id.
pub(crate) const fn key_of(feed: FeedId) -> FeedKey {
    let id = feed.0.as_u128();
    FeedKey(id as u32)
}

impl App {
    /// Makes a feed for an application's vehicles.
    pub async fn create_feed(
        &self,
        application: ApplicationId,
        name: &str,
        newer: Newer,
        hold_ms: u32,
        answering: Option<&Answering<'_, CreatedFeed>>,
    ) -> Result<CreatedFeed, AppError> {
        let application = self.application(application)?.application.no;
        let name = checked_name(name)?;
        if hold_ms > MOST_HOLD_MS {
            let message = format!("reorderMs is a number from 0 to {MOST_HOLD_MS}");
            return Err(AppError::invalid("reorderMs", message));
        }
        let now = self.now();
        let text = Zeroizing::new(token(&*self.dice, "mpf_"));
        let feed = Feed {
            id: FeedId::new(now, chance(&*self.dice)),
            application,
            name,
            hash: token_hash(&text),
            hint: text[text.len() - 4..].to_owned(),
            newer,
            hold_ms,
            created_at: now,
        };
        let created = CreatedFeed { feed: Arc::new(feed.clone()), token: text };
        let hash = feed.hash;
        let make = move |store: Arc<dyn Store>| async move { store.create_feed(feed, MOST_FEEDS).await };
        if !self.keeping(answering, &created, make).await? {
            let message = format!("an application has at most {MOST_FEEDS} feeds; remove one first");
            return Err(AppError::Conflict(message));
        }
        self.feeds.by_token.write().insert(hash, created.feed.clone());
        Ok(created)
    }

    /// The feeds of an application, oldest first.
    pub fn feeds(&self, application: ApplicationId) -> Result<Vec<Arc<Feed>>, AppError> {
        let no = self.application(application)?.application.no;
        let mut feeds: Vec<_> =
            self.feeds.by_token.read().values().filter(|feed| feed.application == no).cloned().collect();
        feeds.sort_by_key(|feed| feed.id);
        Ok(feeds)
    }

    /// Removes a feed: its token opens nothing any more.
    pub async fn delete_feed(&self, id: FeedId) -> Result<(), AppError> {
        if !self.store.delete_feed(id).await? {
            return Err(AppError::NotFound("feed"));
        }
        self.feeds.by_token.write().retain(|_, feed| feed.id != id);
        self.feeds.watches.lock().remove(&key_of(id));
        self.note_ends().await
    }

    /// The feed that a token belongs to.
    pub fn feed(&self, token: &str) -> Option<Arc<Feed>> {
        let feed = self.feeds.by_token.read().get(&token_hash(token)).cloned()?;
        self.registry.application(feed.application).is_some().then_some(feed)
    }

    /// Counts what the readings of a request of a feed became, as its answer says it.
    pub fn count_answer(&self, feed: FeedId, counts: AnswerCounts) {
        metrics::answered(counts);
        self.feeds.watches.lock().entry(key_of(feed)).or_default().answers.add(counts);
    }

    /// How the readings of a feed have turned out since the server started.
    pub fn feed_watch(&self, feed: FeedId) -> FeedWatch {
        self.feeds.watches.lock().get(&key_of(feed)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_whose_readings_mostly_come_late_is_reported_once_until_it_recovers() {
        let mut watch = FeedWatch::default();
        let late = Tally { taken: 40, late: 60, ..Tally::default() };
        let good = Tally { taken: 90, late: 10, ..Tally::default() };
        let reported: Vec<bool> =
            [good, late, late, good, late].into_iter().map(|tally| watch.note(tally)).collect();
        assert_eq!(reported, [false, true, false, false, true]);
        assert!(!watch.note(Tally { late: 99, ..Tally::default() }), "too few to tell");
    }
}
