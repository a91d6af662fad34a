//! Readings that are pushed: who may push them, and taking them in.
//!
//! A request is answered once everything in it is committed. Readings of one vehicle go into its mailbox as one letter, so
//! a vehicle is stepped once per request, and readings that wait for it already join them.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::{ApplicationId, FeedId, VehicleId, VehicleNo},
    payload::unified::has_body,
    signal::{SignalId, Value},
    time::Timestamp,
    vehicle::{Input, Order, Reading},
};
use futures::future;
use hashbrown::HashMap;
use parking_lot::Mutex;
use store::{Feed, Newer, VehicleRow};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{applications::checked_name, chance, token, token_hash};
use crate::{App, AppError, planted::Planted};

/// Feeds of one application.
const MOST_FEEDS: usize = 20;
/// Readings that are being taken in at once; more are sent away for a moment.
pub const MOST_IN_FLIGHT: usize = 65_536;
/// How long those who are sent away are asked to wait.
const BACK_OFF: Duration = Duration::from_secs(1);
/// Vehicles whose row numbers are remembered.
const MOST_KNOWN: usize = 262_144;
/// The longest time that readings may wait for earlier ones.
const MOST_HOLD_MS: u32 = 60_000;

/// A reading as a feed pushes it.
#[derive(Clone, Debug, PartialEq)]
pub struct PushedReading {
    /// Which vehicle.
    pub vehicle: VehicleId,
    /// Which signal.
    pub signal: SignalId,
    /// Its value, in its canonical unit.
    pub value: Value,
    /// When the car measured it, if the feed says.
    pub observed_at: Option<Timestamp>,
    /// Its id at the feed.
    pub id: Option<String>,
    /// Its number among the readings of the feed, where that counts them.
    pub sequence: Option<u64>,
}

/// Why one reading of a request was not taken in; the others were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Why, and what to do.
    pub reason: String,
}

/// A new feed with its token, which is shown this once.
pub struct CreatedFeed {
    /// The feed.
    pub feed: Arc<Feed>,
    /// Its token.
    pub token: Zeroizing<String>,
}

/// What taking readings in needs in memory.
pub(crate) struct Intake {
    room: Semaphore,
    known: Mutex<HashMap<VehicleId, Known>>,
    feeds: parking_lot::RwLock<HashMap<store::SecretHash, Arc<Feed>>>,
}

#[derive(Clone, Copy)]
struct Known {
    no: VehicleNo,
    application: domain::ids::ApplicationNo,
}

impl Intake {
    pub(crate) fn new(feeds: Vec<Feed>) -> Self {
        let feeds = feeds.into_iter().map(|feed| (feed.hash, Arc::new(feed))).collect();
        Self {
            room: Semaphore::new(MOST_IN_FLIGHT),
            known: Mutex::default(),
            feeds: parking_lot::RwLock::new(feeds),
        }
    }
}

impl App {
    /// Makes a feed for an application's vehicles.
    pub async fn create_feed(
        &self,
        application: ApplicationId,
        name: &str,
        newer: Newer,
        hold_ms: u32,
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
        if !self.store.create_feed(feed.clone(), MOST_FEEDS).await? {
            let message = format!("an application has at most {MOST_FEEDS} feeds; remove one first");
            return Err(AppError::Conflict(message));
        }
        let feed = Arc::new(feed);
        self.intake.feeds.write().insert(feed.hash, feed.clone());
        Ok(CreatedFeed { feed, token: text })
    }

    /// The feeds of an application, oldest first.
    pub fn feeds(&self, application: ApplicationId) -> Result<Vec<Arc<Feed>>, AppError> {
        let no = self.application(application)?.application.no;
        let mut feeds: Vec<_> =
            self.intake.feeds.read().values().filter(|feed| feed.application == no).cloned().collect();
        feeds.sort_by_key(|feed| feed.id);
        Ok(feeds)
    }

    /// Removes a feed: its token opens nothing any more.
    pub async fn delete_feed(&self, id: FeedId) -> Result<(), AppError> {
        if !self.store.delete_feed(id).await? {
            return Err(AppError::NotFound("feed"));
        }
        self.intake.feeds.write().retain(|_, feed| feed.id != id);
        Ok(())
    }

    /// The feed that a token belongs to.
    pub fn feed(&self, token: &str) -> Option<Arc<Feed>> {
        let feed = self.intake.feeds.read().get(&token_hash(token)).cloned()?;
        self.registry.application(feed.application).is_some().then_some(feed)
    }

    /// Takes readings in, each with its place in the request. Returns when what was accepted is committed, with those
    /// that were not.
    pub async fn ingest(
        &self,
        feed: &Feed,
        readings: Vec<(usize, PushedReading)>,
    ) -> Result<Vec<Rejected>, AppError> {
        let count = u32::try_from(readings.len()).unwrap_or(u32::MAX);
        let wait = u64::try_from(BACK_OFF.as_millis()).unwrap_or(u64::MAX);
        let Ok(_room) = self.intake.room.try_acquire_many(count) else {
            return Err(AppError::TooOften(wait));
        };
        let mut rejected = Vec::new();
        let letters = self.letters_of(feed, readings, &mut rejected).await?;
        let mut deliveries = Vec::with_capacity(letters.len());
        for (vehicle, (places, readings)) in letters {
            deliveries
                .push(async move { (places, self.deliver_letter(vehicle, Input::Readings(readings)).await) });
        }
        for (places, delivered) in future::join_all(deliveries).await {
            match delivered {
                Ok(()) => {}
                Err(AppError::NotFound(_)) => {
                    rejected
                        .extend(places.into_iter().map(|index| Rejected { index, reason: UNKNOWN.into() }));
                }
                Err(error) => return Err(error),
            }
        }
        rejected.sort_unstable_by_key(|rejected| rejected.index);
        crate::metrics::ingested(count as usize - rejected.len(), rejected.len());
        Ok(rejected)
    }

    /// Sorts readings by vehicle, in the order in which each vehicle is first spoken of.
    async fn letters_of(
        &self,
        feed: &Feed,
        readings: Vec<(usize, PushedReading)>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<Letters, AppError> {
        let now = self.now();
        let mut places: HashMap<VehicleId, Option<usize>> = HashMap::with_capacity(readings.len());
        let mut letters = Letters::new();
        for (index, pushed) in readings {
            let place = match places.get(&pushed.vehicle) {
                Some(place) => *place,
                None => {
                    let known = self.known_vehicle(pushed.vehicle).await?;
                    let known = known.filter(|known| known.application == feed.application);
                    let place = known.map(|known| {
                        letters.push((known.no, Default::default()));
                        letters.len() - 1
                    });
                    places.insert(pushed.vehicle, place);
                    place
                }
            };
            match place
                .ok_or_else(|| UNKNOWN.to_owned())
                .and_then(|place| checked(feed, pushed, now).map(|reading| (place, reading)))
            {
                Ok((place, reading)) => {
                    let (of, readings) = &mut letters[place].1;
                    of.push(index);
                    readings.push(reading);
                }
                Err(reason) => rejected.push(Rejected { index, reason }),
            }
        }
        letters.retain(|(_, (of, _))| !of.is_empty());
        Ok(letters)
    }

    async fn known_vehicle(&self, id: VehicleId) -> Result<Option<Known>, AppError> {
        if let Some(&known) = self.intake.known.lock().get(&id) {
            return Ok(Some(known));
        }
        let Some(VehicleRow { no, application, .. }) = self.store.find_vehicle(id).await? else {
            return Ok(None);
        };
        let known = Known { no, application };
        let mut remembered = self.intake.known.lock();
        if remembered.len() >= MOST_KNOWN {
            remembered.clear();
        }
        remembered.insert(id, known);
        Ok(Some(known))
    }
}

/// Readings by vehicle, each with its place in the request.
type Letters = Vec<(VehicleNo, (Vec<usize>, Vec<Reading>))>;

const UNKNOWN: &str = "no vehicle of this application has this id; connect it first";

/// A reading as the step takes it, or why it cannot be one.
fn checked(feed: &Feed, pushed: PushedReading, now: Timestamp) -> Result<Reading, String> {
    let PushedReading { signal, value, observed_at, id, sequence, .. } = pushed;
    // What cannot be believed is taken in and judged, so that it can be explained; what cannot be written is not.
    if !has_body(signal, &value) {
        let code = &signal.entry().code;
        return Err(format!("{code} does not have values of this form; see the catalogue of signals"));
    }
    let order = match (feed.newer, sequence) {
        (Newer::Observed, _) => Order::Observed,
        (Newer::Delivery, _) => Order::Delivery,
        (Newer::Sequence, Some(number)) => Order::Sequence(number),
        (Newer::Sequence, None) => {
            return Err("this feed orders its readings by number; give each a \"sequence\"".into());
        }
    };
    let hold = Duration::from_millis(feed.hold_ms.into());
    let id = id.map(|id| hash_of(feed.id, &id));
    let observed_at = observed_at.filter(|_| !Planted::MeasuredTimeIgnored.is_here());
    let value = value.canonical();
    Ok(Reading { signal, value, observed_at, received_at: now, order, id, hold })
}

/// The hash under which an id of a feed is remembered.
fn hash_of(feed: FeedId, id: &str) -> u64 {
    let hash = uuid::Uuid::new_v5(&feed.0, id.as_bytes()).as_u64_pair();
    hash.0 ^ hash.1
}
