//! Sending: lanes of waiting events, workers that take turns, and the loop that keeps lanes filled.
//!
//! A lane holds a bounded window of its queue in memory. Events come into it straight from a commit while nothing older
//! waits in the store, and from the store otherwise, so order is the store's. Workers take the next event of the lane
//! whose turn it is, send it with no transaction open, and pass what came of it to the [`recorder`], which writes in
//! batches. What a lane holds can be lost without losing an event: the row stays until its end is recorded.
//!
//! Nothing that a tombstone covers is handed to a worker, and a request that is under way for it is broken off.

pub(crate) mod compose;
mod health;
mod lane;
pub(crate) mod recorder;
mod turns;
mod worker;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::{
    delivery::{Capacity, History, ReceiverHealth},
    ids::{ApplicationNo, EventNo, WebhookNo},
    time::Timestamp,
    vehicle::{Observation, Occasion, VehicleInfo},
    webhook::Revision,
};
use futures::future::select;
use hashbrown::HashMap;
use parking_lot::Mutex;
use store::{LaneKey, LaneLease, NodeId, QueuedEvent, Scope, StoreError, Tombstone};
use tokio::sync::{Notify, mpsc};

use self::{lane::Lane, recorder::Ended, turns::Turns};
use crate::{
    App, AppError, WebhookEntry, What, planted::Planted, settings::DeliverySettings,
    usecases::pressure::LaneTotals,
};

/// The one node of a store that one process owns.
const NODE: NodeId = NodeId(1);
/// The stripe of a webhook's data.
const DATA: u8 = 0;
/// The stripe of errors of vehicles.
const ERRORS: u8 = 1;
/// Ends of attempts that wait to be recorded; workers wait beyond it.
const RECORDS: usize = 1_024;
/// After a failure of the store.
const PAUSE: Duration = Duration::from_millis(500);

/// The lane of a webhook for its data; errors of vehicles have one of their own, because they may go elsewhere.
pub(crate) const fn lane_of(webhook: WebhookNo, occasion: &Occasion) -> LaneKey {
    LaneKey { webhook, stripe: if occasion.is_error() { ERRORS } else { DATA } }
}

/// The lanes of a webhook.
pub(crate) const fn lanes_of(webhook: WebhookNo) -> [LaneKey; 2] {
    [LaneKey { webhook, stripe: DATA }, LaneKey { webhook, stripe: ERRORS }]
}

/// A waiting event in memory, with all that composing its body needs.
pub(crate) struct Entry {
    pub no: EventNo,
    pub attempt_at: Timestamp,
    pub created_at: Timestamp,
    pub id: domain::ids::EventId,
    /// The slot it is for, or when it happened.
    pub at: Timestamp,
    pub sequence: u64,
    pub occasion: Occasion,
    pub vehicle: domain::ids::VehicleNo,
    pub user: domain::ids::UserId,
    pub info: Arc<VehicleInfo>,
    pub observation: Arc<Observation>,
    pub revision: Arc<Revision>,
    pub history: History,
}

/// All lanes of this node.
pub(crate) struct Lanes {
    inner: Mutex<Inner>,
    settings: DeliverySettings,
    /// A lane wants to be filled, or its timer has changed.
    attention: Notify,
    /// There is something to send.
    work: Notify,
    records: mpsc::Sender<Ended>,
}

struct Inner {
    /// In order, so that whatever is done to all of them is done in the same order each time.
    lanes: BTreeMap<LaneKey, Lane>,
    turns: Turns,
    /// Of webhooks that had an attempt.
    health: HashMap<WebhookNo, ReceiverHealth>,
    /// Tombstones that are not worked off, or that an event may still come behind.
    tombstones: Vec<Tombstone>,
    /// By tombstone, the first hand-over that begins after it.
    buried_at: HashMap<i64, u64>,
    /// Hand-overs that have begun and not ended: they may bring events that were committed before a tombstone.
    hand_overs: BTreeSet<u64>,
    next_hand_over: u64,
    workers: usize,
    idle: usize,
    unrecorded: usize,
}

impl Lanes {
    pub(crate) fn new(settings: DeliverySettings) -> (Self, mpsc::Receiver<Ended>) {
        let (records, receiver) = mpsc::channel(RECORDS);
        let most = u32::try_from(settings.in_flight).unwrap_or(u32::MAX);
        let inner = Inner {
            lanes: BTreeMap::new(),
            turns: Turns::new(Capacity::new(most, settings.lane_in_flight)),
            health: HashMap::new(),
            tombstones: Vec::new(),
            buried_at: HashMap::new(),
            hand_overs: BTreeSet::new(),
            next_hand_over: 0,
            workers: 0,
            idle: 0,
            unrecorded: 0,
        };
        let lanes = Self {
            inner: Mutex::new(inner),
            settings,
            attention: Notify::new(),
            work: Notify::new(),
            records,
        };
        (lanes, receiver)
    }

    /// Takes up the lanes that have work in the store, and the tombstones that are not done.
    pub(crate) async fn restore(&self, app: &Arc<App>) -> Result<(), AppError> {
        for tombstone in app.store.tombstones().await? {
            self.bury(tombstone);
        }
        for key in app.store.lanes_with_work().await? {
            self.with_lane(app, key, |lane| lane.expect_stored());
        }
        Ok(())
    }

    /// From before events are committed until they are handed over: meanwhile no tombstone is forgotten, so that none of them
    /// slips in behind one that covers it.
    pub(crate) fn begin_hand_over(&self) -> HandOver<'_> {
        let inner = &mut *self.inner.lock();
        let id = inner.next_hand_over;
        inner.next_hand_over += 1;
        inner.hand_overs.insert(id);
        HandOver { lanes: self, id }
    }

    /// Takes events that were just committed, in the order of their numbers, except those that a tombstone covers already.
    pub(crate) fn hand_over(&self, app: &Arc<App>, events: Vec<(LaneKey, Entry)>) {
        let inner = &mut *self.inner.lock();
        let mut needs_attention = false;
        for (key, entry) in events {
            if covers(&inner.tombstones, key, entry.no, entry.vehicle) {
                continue;
            }
            let Some(lane) = inner.lane(app, key, &self.settings) else { continue };
            needs_attention |= !lane.take(entry, self.settings.window);
            let application = lane.application();
            inner.turns.add(application, key);
            inner.turns.handed_over(application);
        }
        self.wake_a_worker(app, inner);
        if needs_attention {
            self.attention.notify_one();
        }
    }

    /// Takes an event that the store has queued again.
    pub(crate) async fn hand_over_queued(&self, app: &Arc<App>, key: LaneKey, queued: QueuedEvent) {
        if let Ok(mut hydrated) = hydrate(app, key, vec![queued]).await
            && let Some(Ok(entry)) = hydrated.pop()
        {
            self.hand_over(app, vec![(key, entry)]);
        } else {
            self.with_lane(app, key, |lane| lane.expect_stored());
        }
    }

    /// From now on, nothing that the tombstone covers leaves; what is under way is broken off.
    pub(crate) fn bury(&self, tombstone: Tombstone) {
        let inner = &mut *self.inner.lock();
        for lane in inner.lanes.values_mut() {
            lane.bury(&tombstone);
        }
        if !inner.tombstones.iter().any(|known| known.no == tombstone.no) {
            inner.buried_at.insert(tombstone.no, inner.next_hand_over);
            inner.tombstones.push(tombstone);
        }
        drop_covered(inner);
    }

    /// A tombstone's events have all ended in the store. It is kept while a lane takes in what it has read before, and while
    /// events are handed over that may be older; then the caller comes again.
    pub(crate) fn buried(&self, tombstone: i64) {
        let inner = &mut *self.inner.lock();
        let buried_at = inner.buried_at.get(&tombstone).copied().unwrap_or(0);
        let is_awaited = inner.hand_overs.first().is_some_and(|&oldest| oldest < buried_at);
        if !is_awaited && !inner.lanes.values().any(Lane::is_filling) {
            inner.tombstones.retain(|known| known.no != tombstone);
            inner.buried_at.remove(&tombstone);
        }
        inner.lanes.values_mut().for_each(Lane::unblock);
        self.attention.notify_one();
    }

    /// The tombstones that are not done.
    pub(crate) fn tombstones(&self) -> Vec<i64> {
        self.inner.lock().tombstones.iter().map(|tombstone| tombstone.no).collect()
    }

    /// A webhook has changed.
    pub(crate) fn refresh(&self, entry: Arc<WebhookEntry>) {
        let inner = &mut *self.inner.lock();
        for key in lanes_of(entry.webhook().no) {
            if let Some(lane) = inner.lanes.get_mut(&key) {
                lane.refresh(entry.clone());
                inner.turns.add(lane.application(), key);
                self.attention.notify_one();
            }
        }
    }

    /// A webhook was deleted.
    pub(crate) fn close(&self, webhook: WebhookNo) {
        let inner = &mut *self.inner.lock();
        inner.health.remove(&webhook);
        for key in lanes_of(webhook) {
            if let Some(lane) = inner.lanes.get_mut(&key) {
                lane.close();
            }
        }
    }

    /// Makes every loop look again.
    pub(crate) fn wake(&self) {
        self.attention.notify_one();
        self.work.notify_waiters();
    }

    /// Nothing is in flight and nothing waits to be recorded.
    pub(crate) fn is_quiet(&self) -> bool {
        let inner = self.inner.lock();
        inner.turns.in_flight() == 0 && inner.unrecorded == 0
    }

    /// Every lane with the number of events in memory and whether the store may hold more.
    pub(crate) fn depths(&self) -> Vec<(LaneKey, usize, bool)> {
        self.inner.lock().lanes.iter().map(|(key, lane)| (*key, lane.held(), lane.has_stored())).collect()
    }

    /// What the lanes of each application have done, and have to do.
    pub(crate) fn totals(&self, now: Timestamp) -> HashMap<ApplicationNo, LaneTotals> {
        let inner = &*self.inner.lock();
        let mut totals = inner.turns.totals().clone();
        for lane in inner.lanes.values() {
            let waiting = lane.waits_for_us(self.settings.window, now);
            if waiting > 0 {
                totals.entry(lane.application()).or_default().pending += waiting as u64;
            }
        }
        totals
    }

    fn with_lane<T>(&self, app: &Arc<App>, key: LaneKey, act: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        let done = self.inner.lock().lane(app, key, &self.settings).map(act);
        self.attention.notify_one();
        done
    }

    /// Starts a worker or wakes one, if a lane has its turn.
    fn wake_a_worker(&self, app: &Arc<App>, inner: &mut Inner) {
        if inner.idle > 0 {
            self.work.notify_one();
        } else if inner.workers < inner.turns.most_requests() && !app.stop.is_set() {
            inner.workers += 1;
            app.spawn.spawn("delivery-worker", Box::pin(worker::run(app.clone())));
        }
    }
}

/// Events are on their way from a commit to their lanes.
pub(crate) struct HandOver<'a> {
    lanes: &'a Lanes,
    id: u64,
}

impl Drop for HandOver<'_> {
    fn drop(&mut self) {
        self.lanes.inner.lock().hand_overs.remove(&self.id);
    }
}

impl Inner {
    /// The lane, made when its webhook is there.
    fn lane(&mut self, app: &Arc<App>, key: LaneKey, settings: &DeliverySettings) -> Option<&mut Lane> {
        if !self.lanes.contains_key(&key) {
            let entry = app.registry.webhook(key.webhook)?;
            let mut lane = Lane::new(entry, key.stripe == ERRORS, settings.lane_in_flight);
            for tombstone in &self.tombstones {
                lane.bury(tombstone);
            }
            self.lanes.insert(key, lane);
        }
        self.lanes.get_mut(&key)
    }
}

/// Drops waiting entries that a tombstone covers from memory: the sweep of the tombstone ends their rows.
fn drop_covered(inner: &mut Inner) {
    let tombstones = &inner.tombstones;
    for (key, lane) in &mut inner.lanes {
        lane.drop_covered(|no, vehicle| covers(tombstones, *key, no, vehicle));
    }
}

/// Whether a tombstone covers an event of a lane.
fn covers(tombstones: &[Tombstone], lane: LaneKey, no: EventNo, vehicle: domain::ids::VehicleNo) -> bool {
    !Planted::TombstonesIgnored.is_here()
        && tombstones.iter().any(|tombstone| {
            no <= tombstone.up_to
                && match tombstone.scope {
                    Scope::Webhook(webhook) => webhook == lane.webhook,
                    Scope::Subscription(webhook, of) => webhook == lane.webhook && of == vehicle,
                    Scope::Vehicle(of) => of == vehicle,
                }
        })
}

/// The loop that fills lanes and minds their timers.
pub(crate) async fn run(app: Arc<App>) {
    while !app.stop.is_set() {
        let now = app.now();
        let (wanting, wake_at) = look(&app, now);
        let mut failed = false;
        for key in wanting {
            match fill(&app, key, now).await {
                Ok(()) => {}
                // The process is stopping: what waits is on disk.
                Err(AppError::Unavailable(StoreError::Closed)) if app.stop.is_set() => return,
                Err(error) => {
                    tracing::warn!(webhook.no = key.webhook.0, %error, "a lane could not be filled");
                    failed = true;
                }
            }
        }
        let until = if failed { now + PAUSE } else { wake_at };
        select(Box::pin(app.lanes.attention.notified()), app.clock.sleep_until(until)).await;
    }
}

/// Lanes that want to be filled, and when to look again.
fn look(app: &Arc<App>, now: Timestamp) -> (Vec<LaneKey>, Timestamp) {
    let inner = &mut *app.lanes.inner.lock();
    let (mut wanting, mut wake_at) = (Vec::new(), now + Duration::from_secs(60));
    let mut ready = false;
    for (&key, lane) in &mut inner.lanes {
        if lane.wants_fill(app.lanes.settings.window, now) {
            lane.begin_fill();
            wanting.push(key);
        }
        if lane.startable(now).is_some() {
            inner.turns.add(lane.application(), key);
            ready = true;
        }
        wake_at = lane.next_time(now).map_or(wake_at, |at| wake_at.min(at));
    }
    if ready {
        app.lanes.wake_a_worker(app, inner);
    }
    (wanting, wake_at)
}

/// Loads the next events of a lane.
async fn fill(app: &Arc<App>, key: LaneKey, now: Timestamp) -> Result<(), AppError> {
    let window = app.lanes.settings.window;
    let loaded = load(app, key, now, window).await;
    let lost = {
        let inner = &mut *app.lanes.inner.lock();
        let Inner { lanes, turns, tombstones, unrecorded, .. } = inner;
        let Some(lane) = lanes.get_mut(&key) else { return Ok(()) };
        let lost = match loaded {
            Ok(loaded) => lane.end_fill(loaded, now, |no, vehicle| covers(tombstones, key, no, vehicle)),
            Err(error) => {
                lane.fail_fill();
                return Err(error);
            }
        };
        turns.add(lane.application(), key);
        *unrecorded += lost.len();
        app.lanes.wake_a_worker(app, inner);
        lost
    };
    for ending in lost {
        // The recorder outlives this loop; it is gone only when the process ends.
        let _ = app.lanes.records.send(Ended { key, ending, switch_off: false }).await;
    }
    Ok(())
}

/// What a fill has read.
struct Loaded {
    lease: LaneLease,
    /// In the order of the queue; those that cannot be composed any more by their place.
    events: Vec<Result<Entry, (EventNo, Timestamp)>>,
    /// There is more that is due.
    more: bool,
    /// When the next attempt after these is due.
    next: Option<Timestamp>,
    /// When something was last delivered, as far as the store knows.
    last_delivered: Option<Timestamp>,
}

async fn load(app: &Arc<App>, key: LaneKey, now: Timestamp, window: usize) -> Result<Loaded, AppError> {
    let lease = app.store.lease_lane(NODE, key, now, Timestamp::NEVER).await?.ok_or(StoreError::LeaseLost)?;
    let held = app.lanes.inner.lock().lanes.get(&key).map_or(0, Lane::held);
    let last_delivered = app.store.last_delivered(key.webhook).await?;
    let limit = held + window / 2;
    let queued = app.store.fill(key, now, limit).await?;
    let more = queued.len() >= limit;
    let next = app.store.next_attempt(key, now).await?;
    Ok(Loaded { lease, events: hydrate(app, key, queued).await?, more, next, last_delivered })
}

/// Opens what the store keeps sealed. An event whose observation or revision is gone cannot be sent any more.
async fn hydrate(
    app: &Arc<App>,
    key: LaneKey,
    queued: Vec<QueuedEvent>,
) -> Result<Vec<Result<Entry, (EventNo, Timestamp)>>, AppError> {
    let subjects: Vec<_> = queued.iter().map(|event| event.user.0).collect();
    let keys = app.sealer.keys(&subjects).await?;
    let mut revisions: HashMap<u32, Option<Arc<Revision>>> = HashMap::new();
    if let Some(webhook) = app.registry.webhook(key.webhook) {
        for event in &queued {
            if !revisions.contains_key(&event.revision) {
                let revision = app.registry.revision(&webhook, event.revision).await?;
                revisions.insert(event.revision, revision.map(Arc::new));
            }
        }
    }
    let open = |(event, sealing): (QueuedEvent, Option<Arc<crate::DataKey>>)| {
        let revision = revisions.get(&event.revision).cloned().flatten();
        let observation = sealing.and_then(|sealing| {
            let plain = sealing.open(What::Observation, event.info.id.0, &event.observed).ok()?;
            Observation::decode(&plain).ok()
        });
        let attempts = if Planted::AttemptsForgotten.is_here() { &[][..] } else { &event.attempts };
        let occasion = Occasion::decode(&event.occasion);
        match (revision, observation, History::from_bytes(attempts), occasion) {
            (Some(revision), Some(observation), Ok(history), Ok(occasion)) => Ok(Entry {
                no: event.no,
                attempt_at: event.attempt_at,
                created_at: event.created_at,
                id: event.id,
                at: event.slot,
                sequence: event.sequence,
                occasion,
                vehicle: event.vehicle,
                user: event.user,
                info: Arc::new(event.info),
                observation: Arc::new(observation),
                revision,
                history,
            }),
            _ => Err((event.no, event.attempt_at)),
        }
    };
    Ok(queued.into_iter().zip(keys).map(open).collect())
}
