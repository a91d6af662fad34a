//! Readings that are pushed: taking them in.
//!
//! A request is answered once everything in it is committed. Readings of one vehicle go into its mailbox as one letter, so
//! a vehicle is stepped once per request, and readings that wait for it already join them.

use std::time::Duration;

use domain::{
    ids::{FeedId, VehicleId, VehicleNo},
    signal::{SignalId, Value},
    time::Timestamp,
    vehicle::{Judgement, Order, Reading, ReadingOutcome},
};
use futures::future;
use hashbrown::HashMap;
use parking_lot::Mutex;
use store::{Feed, Newer};
use tokio::sync::Semaphore;

use super::feeds::key_of;
use crate::{App, AppError, planted::Planted};

/// Readings that are being taken in at once; more are sent away for a moment.
pub const MOST_IN_FLIGHT: usize = 65_536;
/// How long those who are sent away are asked to wait.
const BACK_OFF: Duration = Duration::from_secs(1);
/// Vehicles whose row numbers are remembered.
const MOST_KNOWN: usize = 262_144;

/// A reading as a feed pushes it.
#[derive(Clone, Debug, PartialEq)]
pub struct PushedReading {
    /// Which vehicle.
    pub vehicle: VehicleId,
    /// Which signal.
    pub signal: SignalId,
    /// Its value, in its canonical unit; none says that it is no longer known.
    pub value: Option<Value>,
    /// It counts whatever was known before.
    pub reset: bool,
    /// Parts of the value that were left out, by their paths.
    pub ignored: Vec<String>,
    /// When the car measured it, if the feed says.
    pub observed_at: Option<Timestamp>,
    /// Its id at the feed.
    pub id: Option<String>,
    /// Its number among the readings of the feed, where that counts them.
    pub sequence: Option<u64>,
}

impl PushedReading {
    /// A reading of which no more is said.
    pub fn of(vehicle: VehicleId, signal: SignalId, value: Value) -> Self {
        let (observed_at, id, sequence) = (None, None, None);
        let (value, ignored) = (Some(value), Vec::new());
        Self { vehicle, signal, value, reset: false, ignored, observed_at, id, sequence }
    }
}

/// Why one reading of a request was not taken in; the others were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Why, and what to do.
    pub reason: String,
}

/// What became of the readings of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Those that were not taken, by their places.
    pub rejected: Vec<Rejected>,
    /// What became of the others that were not simply applied, by their places.
    pub outcomes: Vec<(usize, SignalId, ReadingOutcome)>,
    /// Parts that were left out of values, by the places of their readings.
    pub ignored: Vec<(usize, Vec<String>)>,
}

/// What taking readings in needs in memory.
pub(crate) struct Intake {
    room: Semaphore,
    known: Mutex<HashMap<VehicleId, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    no: VehicleNo,
    application: domain::ids::ApplicationNo,
}

impl Ingested {
    /// Notes what became of readings with these places in the request.
    fn note(&mut self, places: &[usize], judgements: Vec<Judgement>) {
        for Judgement { place, signal, outcome } in judgements {
            let Some(&index) = places.get(place as usize) else { continue };
            match outcome {
                ReadingOutcome::Rejected(_) => {
                    let reason = outcome.reason(signal).unwrap_or_default();
                    self.rejected.push(Rejected { index, reason });
                }
                outcome => self.outcomes.push((index, signal, outcome)),
            }
        }
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self { room: Semaphore::new(MOST_IN_FLIGHT), known: Mutex::default() }
    }
}

impl App {
    /// Takes readings in, each with its place in the request. Returns when what was accepted is committed, with what
    /// became of each.
    pub async fn ingest(
        &self,
        feed: &Feed,
        readings: Vec<(usize, PushedReading)>,
    ) -> Result<Ingested, AppError> {
        let count = u32::try_from(readings.len()).unwrap_or(u32::MAX);
        let wait = u64::try_from(BACK_OFF.as_millis()).unwrap_or(u64::MAX);
        let Ok(_room) = self.intake.room.try_acquire_many(count) else {
            return Err(AppError::TooOften(wait));
        };
        let mut ingested = Ingested::default();
        let letters = self.letters_of(feed, readings, &mut ingested).await?;
        let mut deliveries = Vec::with_capacity(letters.len());
        for (vehicle, (places, readings)) in letters {
            deliveries.push(async move { (places, self.deliver_readings(vehicle, readings).await) });
        }
        for (places, delivered) in future::join_all(deliveries).await {
            match delivered {
                Ok(judgements) => ingested.note(&places, judgements),
                Err(AppError::NotFound(_)) => {
                    let unknown = |index| Rejected { index, reason: UNKNOWN.into() };
                    ingested.rejected.extend(places.into_iter().map(unknown));
                }
                Err(error) => return Err(error),
            }
        }
        ingested.rejected.sort_unstable_by_key(|rejected| rejected.index);
        ingested.outcomes.sort_unstable_by_key(|(index, ..)| *index);
        Ok(ingested)
    }

    /// Sorts readings by vehicle, in the order in which each vehicle is first spoken of.
    async fn letters_of(
        &self,
        feed: &Feed,
        readings: Vec<(usize, PushedReading)>,
        ingested: &mut Ingested,
    ) -> Result<Letters, AppError> {
        let now = self.now();
        let vehicles = self.known_vehicles(readings.iter().map(|(_, pushed)| pushed.vehicle)).await?;
        let mut places: HashMap<VehicleId, Option<usize>> = HashMap::with_capacity(vehicles.len());
        let mut letters = Letters::new();
        for (index, mut pushed) in readings {
            let ignored = std::mem::take(&mut pushed.ignored);
            let place = *places.entry(pushed.vehicle).or_insert_with(|| {
                let known = vehicles.get(&pushed.vehicle);
                known.filter(|known| known.application == feed.application).map(|known| {
                    letters.push((known.no, Default::default()));
                    letters.len() - 1
                })
            });
            match place
                .ok_or_else(|| UNKNOWN.to_owned())
                .and_then(|place| checked(feed, pushed, now).map(|reading| (place, reading)))
            {
                Ok((place, reading)) => {
                    if !ignored.is_empty() {
                        ingested.ignored.push((index, ignored));
                    }
                    let (of, readings) = &mut letters[place].1;
                    of.push(index);
                    readings.push(reading);
                }
                Err(reason) => ingested.rejected.push(Rejected { index, reason }),
            }
        }
        letters.retain(|(_, (of, _))| !of.is_empty());
        Ok(letters)
    }

    /// The vehicles that there are: from memory, and the others with one question to the store.
    async fn known_vehicles(
        &self,
        ids: impl Iterator<Item = VehicleId>,
    ) -> Result<HashMap<VehicleId, Known>, AppError> {
        let (mut found, mut unknown) = (HashMap::new(), Vec::new());
        {
            let remembered = self.intake.known.lock();
            for id in ids {
                match remembered.get(&id) {
                    Some(&known) => drop(found.insert(id, known)),
                    None => unknown.push(id),
                }
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        unknown.sort_unstable();
        unknown.dedup();
        let numbers = self.store.vehicle_numbers(unknown.clone()).await?;
        let mut remembered = self.intake.known.lock();
        if remembered.len() + unknown.len() > MOST_KNOWN {
            remembered.clear();
        }
        for (id, number) in unknown.into_iter().zip(numbers) {
            let Some((no, application)) = number else { continue };
            let known = Known { no, application };
            remembered.insert(id, known);
            found.insert(id, known);
        }
        Ok(found)
    }
}

/// Readings by vehicle, each with its place in the request.
type Letters = Vec<(VehicleNo, (Vec<usize>, Vec<Reading>))>;

const UNKNOWN: &str = "no vehicle of this application has this id; connect it first";

/// A reading as the step takes it, or why it cannot be one.
fn checked(feed: &Feed, pushed: PushedReading, now: Timestamp) -> Result<Reading, String> {
    // What cannot be believed is taken in and judged, so that it can be explained.
    let PushedReading { signal, value, observed_at, id, sequence, reset, .. } = pushed;
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
    let (feed, received_at) = (key_of(feed.id), now);
    Ok(Reading { feed, signal, value, observed_at, received_at, order, id, hold, reset, place: 0 })
}

/// The hash under which an id of a feed is remembered.
fn hash_of(feed: FeedId, id: &str) -> u64 {
    let hash = uuid::Uuid::new_v5(&feed.0, id.as_bytes()).as_u64_pair();
    hash.0 ^ hash.1
}
