//! The mailbox: everything that is learned about a vehicle waits here for its next step.
//!
//! Each vehicle belongs to one shard, and a shard steps a vehicle once per batch, so a vehicle never conflicts with
//! itself inside this process; between processes the version of its document decides, and the loser steps again from
//! what is stored. A batch is one load, one commit, and one hand-over to the lanes. Vehicles that are pushed about stay open
//! in memory between their steps.

mod kept;
mod waiting;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{
    delivery::History,
    ids::{UserId, VehicleNo},
    time::Timestamp,
    vehicle::{self, Document, Input, Judgement, Lapse, Occasion, Outcome, Reading, RowChange, VehicleInfo},
    webhook::{Revision, Webhook},
};
use hashbrown::HashMap;
use store::{
    LoadedVehicle, LogStatus, NewEvent, NewLapse, NewObservation, SourceRef, StepCommit, StepResult,
    StoreError, Version,
};
use tokio::sync::{mpsc, oneshot};

use self::{
    kept::Kept,
    waiting::{Waiting, count},
};
use crate::{
    App, AppError, DataKey, WebhookEntry, What,
    delivery::{Entry, lane_of},
    metrics,
    planted::Planted,
};

const SHARDS: usize = 4;
/// Letters that wait in one shard, twice: unsorted, and sorted by vehicle. Senders wait beyond it.
const WAITING: usize = 16_384;
/// Letters stepped at once.
const BATCH: usize = 1_024;
/// How often a step is begun anew after conflicts before its sender learns that it failed.
const TRIES: u8 = 20;

/// A vehicle as it is stored, opened.
pub(crate) struct Opened {
    pub no: VehicleNo,
    pub info: Arc<VehicleInfo>,
    pub user: UserId,
    pub source: SourceRef,
    /// The version that a commit must name.
    pub version: Version,
    pub document: Document,
    pub key: Arc<DataKey>,
}

/// Something that was learned about a vehicle.
pub(crate) struct Letter {
    pub vehicle: VehicleNo,
    pub input: Input,
    /// The vehicle, if the sender has just loaded it.
    pub opened: Option<Box<Opened>>,
    /// Whom to tell when it is committed; several, where readings were put together.
    pub replies: Vec<Reply>,
    /// Dropped when the letter is done with, whatever came of it.
    pub ticket: Option<crate::scheduler::Ticket>,
    pub tries: u8,
    /// How many letters it stands for: itself, and those that have joined it.
    pub joined: usize,
}

/// Whom to tell what became of a letter.
pub(crate) struct Reply {
    pub to: oneshot::Sender<Result<Vec<Judgement>, AppError>>,
    /// How many of the letter's readings are this sender's; those of several follow each other.
    pub readings: u32,
}

/// Where letters are put.
pub(crate) struct Mailbox {
    shards: Vec<mpsc::Sender<Letter>>,
    pending: Arc<AtomicUsize>,
}

impl Mailbox {
    pub(crate) fn new() -> (Self, Vec<mpsc::Receiver<Letter>>) {
        let (shards, letters) = (0..SHARDS).map(|_| mpsc::channel(WAITING)).unzip();
        (Self { shards, pending: Arc::default() }, letters)
    }

    /// Puts a letter into the shard of its vehicle, waiting while that is full.
    pub(crate) async fn put(&self, letter: Letter) -> Result<(), AppError> {
        // Neighbours share a shard, so that a slot that is worked through in order is committed in order.
        let shard = usize::try_from(letter.vehicle.0 / 64).unwrap_or(0) % SHARDS;
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.shards[shard].send(letter).await.map_err(|_| {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            AppError::Unavailable(StoreError::Closed)
        })
    }

    /// Nothing waits and nothing is being stepped.
    pub(crate) fn is_quiet(&self) -> bool {
        self.pending.load(Ordering::Relaxed) == 0
    }
}

impl App {
    /// Steps a vehicle with an input of a use-case and waits until it is committed.
    pub(crate) async fn deliver_letter(&self, vehicle: VehicleNo, input: Input) -> Result<(), AppError> {
        self.deliver(vehicle, input, 0).await.map(drop)
    }

    /// Steps a vehicle with readings and waits until they are committed. Answers with what became of those that were not
    /// simply applied, by their places.
    pub(crate) async fn deliver_readings(
        &self,
        vehicle: VehicleNo,
        readings: Vec<Reading>,
    ) -> Result<Vec<Judgement>, AppError> {
        let count = u32::try_from(readings.len()).unwrap_or(u32::MAX);
        self.deliver(vehicle, Input::Readings(readings), count).await
    }

    async fn deliver(
        &self,
        vehicle: VehicleNo,
        input: Input,
        readings: u32,
    ) -> Result<Vec<Judgement>, AppError> {
        let (to, answer) = oneshot::channel();
        let replies = vec![Reply { to, readings }];
        let letter = Letter { vehicle, input, opened: None, replies, ticket: None, tries: 0, joined: 1 };
        self.mailbox.put(letter).await?;
        answer.await.unwrap_or(Err(AppError::Unavailable(StoreError::Closed)))
    }
}

/// Steps the letters of one shard until the process stops.
pub(crate) async fn run(app: Arc<App>, _shard: usize, mut letters: mpsc::Receiver<Letter>) {
    let (mut waiting, mut kept) = (Waiting::default(), Kept::default());
    let mut received = Vec::new();
    loop {
        if waiting.is_empty() {
            let stop = Box::pin(app.stop.wished());
            let receive = Box::pin(letters.recv_many(&mut received, BATCH));
            let ended = match futures::future::select(receive, stop).await {
                futures::future::Either::Left((count, _)) => count == 0,
                futures::future::Either::Right(_) => true,
            };
            if ended && received.is_empty() {
                return;
            }
            received.drain(..).for_each(|letter| waiting.put(letter));
        }
        while waiting.count < WAITING
            && let Ok(letter) = letters.try_recv()
        {
            waiting.put(letter);
        }
        let taken = waiting.take(BATCH);
        let before = count(&taken);
        let again = step_batch(&app, taken, &mut kept).await;
        app.mailbox.pending.fetch_sub(before - count(&again), Ordering::Relaxed);
        again.into_iter().for_each(|letter| waiting.put_back(letter));
    }
}

/// A step that is made and waits to be committed.
struct Made {
    letter: Letter,
    /// With the document that the step has made.
    opened: Opened,
    outcome: Outcome,
    webhooks: Vec<Arc<WebhookEntry>>,
}

/// Steps letters of distinct vehicles. Answers with those that have to be stepped again.
///
/// A webhook may change while its vehicles are stepped. The commit decides: it queues no event of a webhook that does not
/// deliver any more, and an event that is handed over behind a tombstone that covers it is left out.
async fn step_batch(app: &Arc<App>, letters: Vec<Letter>, kept: &mut Kept) -> Vec<Letter> {
    let _hand_over = app.lanes.begin_hand_over();
    let now = app.now() + EARLY * u32::from(Planted::EarlyByAMinute.is_here());
    let opened = match open_all(app, letters, kept).await {
        Ok(opened) => opened,
        Err((letters, error)) => {
            refuse(letters, error);
            return Vec::new();
        }
    };
    let (mut made, mut commits) = (Vec::with_capacity(opened.len()), Vec::with_capacity(opened.len()));
    for (mut letter, mut opened) in opened {
        let webhooks = webhooks_of(app, &opened.document, &letter.input);
        let refs: Vec<&Webhook> = webhooks.iter().map(|entry| entry.webhook()).collect();
        let input = letter.input.clone();
        let mut outcome = vehicle::step(&mut opened.document, &opened.info, &refs, input, now);
        spoil(&mut outcome, letter.tries, &refs);
        if outcome.unchanged {
            // A clock that went back has made the vehicle due again later.
            app.notice_due(opened.source.pool, outcome.next_due.filter(|&due| due > now));
            answer(&mut letter, Ok(outcome.judgements));
            continue;
        }
        commits.push(commit_of(app, &opened, &outcome, &refs, now));
        made.push(Made { letter, opened, outcome, webhooks });
    }
    if Planted::AnswerBeforeCommit.is_here() {
        made.iter_mut().for_each(|made: &mut Made| answer(&mut made.letter, Ok(Vec::new())));
    }
    commit(app, made, commits, kept, now).await
}

/// How early slots come where that is planted.
const EARLY: Duration = Duration::from_secs(60);

/// Plants the faults that concern what a step made.
fn spoil(outcome: &mut Outcome, tries: u8, webhooks: &[&Webhook]) {
    if Planted::DueLostAfterConflict.is_here() && tries > 0 {
        outcome.next_due = None;
    }
    if Planted::ChangeLostAfterConflict.is_here() && tries > 0 {
        outcome.events.retain(|event| !matches!(event.occasion, Occasion::Changed(_)));
    }
    if Planted::FirstDeliveryOnlyOnce.is_here() {
        let again = |no| webhooks.iter().any(|webhook| webhook.no == no && webhook.status.epoch > 1);
        outcome.events.retain(|event| event.occasion != Occasion::FirstDelivery || !again(event.webhook));
    }
    if Planted::EarlyByAMinute.is_here() {
        outcome.next_due = outcome.next_due.map(|due| due - EARLY);
    }
    if Planted::PostedTwice.is_here() && outcome.events.len() > 1 {
        outcome.events.push(outcome.events[0].clone());
    }
    if Planted::MissedSlotsPosted.is_here()
        && let (Some(missed), Some(event)) = (outcome.lapsed.first(), outcome.events.last())
    {
        let late = vehicle::Event { id: missed.id, at: missed.until, ..event.clone() };
        outcome.events.push(late);
    }
}

type OpenedLetters = Vec<(Letter, Opened)>;

/// Loads and opens the vehicles of letters that do not bring theirs along and that are not kept; letters to vehicles that are
/// gone are answered.
async fn open_all(
    app: &Arc<App>,
    mut letters: Vec<Letter>,
    kept: &mut Kept,
) -> Result<OpenedLetters, (Vec<Letter>, AppError)> {
    for letter in &mut letters {
        // What a letter brings along is as new: if not, its commit fails, and it is stepped again.
        let open = kept.take(letter.vehicle).map(Box::new);
        letter.opened = letter.opened.take().or(open);
    }
    let missing: Vec<VehicleNo> =
        letters.iter().filter(|letter| letter.opened.is_none()).map(|letter| letter.vehicle).collect();
    let loaded = match open_vehicles(app, missing).await {
        Ok(loaded) => loaded,
        Err(error) => return Err((letters, error)),
    };
    let mut loaded = loaded.into_iter();
    let mut opened = Vec::with_capacity(letters.len());
    for mut letter in letters.drain(..) {
        let found = match letter.opened.take() {
            Some(found) => Ok(*found),
            None => loaded.next().unwrap_or(Err(GONE)),
        };
        match found {
            Ok(found) => opened.push((letter, found)),
            Err(error) => answer(&mut letter, Err(error)),
        }
    }
    Ok(opened)
}

/// There is no such vehicle, or it was erased.
const GONE: AppError = AppError::NotFound("vehicle");

/// Loads vehicles and opens their documents, in the order asked. One that does not open spoils no other.
async fn open_vehicles(
    app: &Arc<App>,
    vehicles: Vec<VehicleNo>,
) -> Result<Vec<Result<Opened, AppError>>, AppError> {
    if vehicles.is_empty() {
        return Ok(Vec::new());
    }
    let loaded = app.store.load(vehicles).await?;
    let present = loaded.iter().flatten().map(|vehicle| vehicle.user.0).collect::<Vec<_>>();
    let mut keys = app.sealer.keys(&present).await?.into_iter();
    let opened = loaded.into_iter().map(|vehicle| {
        let vehicle = vehicle.ok_or(GONE)?;
        open(vehicle, keys.next().flatten().ok_or(GONE)?)
    });
    Ok(opened.collect())
}

/// Opens the document of a loaded vehicle.
pub(crate) fn open(loaded: LoadedVehicle, key: Arc<DataKey>) -> Result<Opened, AppError> {
    let plain = key.open(What::Document, loaded.info.id.0, &loaded.document)?;
    let document = Document::decode(&plain).map_err(|error| AppError::Internal(error.to_string()))?;
    let LoadedVehicle { no, info, user, source, version, .. } = loaded;
    Ok(Opened { no, info: Arc::new(info), user, source, version, document, key })
}

/// The webhooks that a step has to know: those that the vehicle is on, and the one that it is put on.
pub(crate) fn webhooks_of(app: &App, document: &Document, input: &Input) -> Vec<Arc<WebhookEntry>> {
    let new = match input {
        Input::Subscribe { webhook, .. } => Some(*webhook),
        _ => None,
    };
    app.registry.webhooks_of(document.subscriptions.iter().map(|on| on.webhook).chain(new))
}

fn commit_of(
    app: &App,
    opened: &Opened,
    outcome: &Outcome,
    webhooks: &[&Webhook],
    now: Timestamp,
) -> StepCommit {
    let epoch =
        |no| webhooks.iter().find(|webhook| webhook.no == no).map_or(0, |webhook| webhook.status.epoch);
    let Opened { document, key, .. } = opened;
    let id = opened.info.id.0;
    StepCommit {
        vehicle: opened.no,
        expected: opened.version,
        document: key.seal(&*app.dice, What::Document, id, &document.encode()),
        due: outcome.next_due,
        observations: outcome
            .observations
            .iter()
            .map(|observation| NewObservation {
                taken_at: observation.taken_at,
                body: key.seal(&*app.dice, What::Observation, id, &observation.encode()),
            })
            .collect(),
        events: outcome
            .events
            .iter()
            .map(|event| NewEvent {
                lane: lane_of(event.webhook, &event.occasion),
                revision: event.revision,
                epoch: epoch(event.webhook),
                id: event.id,
                slot: event.at,
                sequence: event.sequence,
                occasion: event.occasion.encode(),
                observation: event.observation,
            })
            .collect(),
        lapsed: outcome
            .lapsed
            .iter()
            .map(|lapsed| NewLapse {
                webhook: lapsed.webhook,
                id: lapsed.id,
                from: lapsed.from,
                until: lapsed.until,
                count: lapsed.count,
                status: match lapsed.why {
                    Lapse::Missed => LogStatus::Missed,
                    Lapse::SwitchedOff => LogStatus::Dropped,
                    Lapse::Left => LogStatus::Cancelled,
                    Lapse::Unverified => LogStatus::Skipped,
                },
            })
            .collect(),
        rows: outcome.rows.clone(),
        now,
    }
}

/// Commits steps, tells whoever waits, and hands the events to the lanes.
async fn commit(
    app: &Arc<App>,
    made: Vec<Made>,
    commits: Vec<StepCommit>,
    kept: &mut Kept,
    now: Timestamp,
) -> Vec<Letter> {
    if commits.is_empty() {
        return Vec::new();
    }
    let begun = app.clock.monotonic();
    let ends = commits.iter().any(|commit| commit.rows.iter().any(is_an_end));
    let results = match app.store.commit_steps(commits).await {
        Ok(results) => results,
        Err(error) => {
            app.health.store_failed(&error);
            refuse(made.into_iter().map(|made| made.letter).collect(), error.into());
            return Vec::new();
        }
    };
    // An end is reported when no restore can undo it any more.
    let noted = if ends { app.note_ends().await } else { Ok(()) };
    let count = results.len();
    let (mut again, mut events, mut pushed) = (Vec::new(), Vec::new(), Vec::new());
    let mut revisions = HashMap::new();
    for (mut made, result) in made.into_iter().zip(results) {
        match result {
            StepResult::Committed { version, events: numbers, tombstones, .. } => {
                for tombstone in tombstones {
                    app.lanes.bury(tombstone);
                }
                report(&made.outcome, now);
                pushed.append(&mut made.outcome.pushed);
                app.notice_due(made.opened.source.pool, made.outcome.next_due);
                let is_noted = if made.outcome.rows.iter().any(is_an_end) { noted.clone() } else { Ok(()) };
                let judgements = std::mem::take(&mut made.outcome.judgements);
                answer(&mut made.letter, is_noted.map(|()| judgements));
                let stays = is_pushed(&made);
                let (opened, entries) = entries_of(made, numbers, &mut revisions, now);
                events.extend(entries);
                if stays {
                    kept.keep(Opened { version, ..opened });
                }
            }
            StepResult::Conflict if made.letter.tries < TRIES => {
                made.letter.tries += 1;
                again.push(made.letter);
            }
            StepResult::Conflict => {
                refuse(vec![made.letter], AppError::Unavailable(StoreError::Busy));
            }
            StepResult::Gone => answer(&mut made.letter, Err(GONE)),
        }
    }
    app.feeds.note(&pushed);
    metrics::stepped(count, again.len(), app.clock.monotonic().saturating_sub(begun));
    if !events.is_empty() {
        events.sort_by_key(|(_, entry): &(_, Entry)| entry.no);
        app.lanes.hand_over(app, events);
    }
    again
}

/// Whether a change of rows ends something that a restored backup could revive.
fn is_an_end(change: &RowChange) -> bool {
    match change {
        RowChange::Unsubscribe { .. } | RowChange::Disconnect => true,
        RowChange::Permissions { narrowed, .. } => *narrowed,
        RowChange::Subscribe { .. } => false,
    }
}

/// Whether more readings of the vehicle will come soon.
fn is_pushed(made: &Made) -> bool {
    let is_connected = !made.outcome.rows.contains(&RowChange::Disconnect);
    matches!(made.letter.input, Input::Readings(_)) && is_connected
}

/// The events of a committed step as entries of their lanes, and the vehicle as it is now.
fn entries_of(
    made: Made,
    numbers: Vec<Option<domain::ids::EventNo>>,
    revisions: &mut HashMap<(domain::ids::WebhookNo, u32), Arc<Revision>>,
    now: Timestamp,
) -> (Opened, Vec<(store::LaneKey, Entry)>) {
    let observations: Vec<_> = made.outcome.observations.into_iter().map(Arc::new).collect();
    let opened = made.opened;
    let entry = |(event, no): (vehicle::Event, Option<_>)| {
        let no = no?;
        let webhook = made.webhooks.iter().find(|entry| entry.webhook().no == event.webhook)?.webhook();
        let revision = revisions
            .entry((event.webhook, event.revision))
            .or_insert_with(|| Arc::new(webhook.revision.clone()))
            .clone();
        let lane = lane_of(event.webhook, &event.occasion);
        let entry = Entry {
            no,
            attempt_at: now,
            created_at: now,
            id: event.id,
            at: event.at,
            sequence: event.sequence,
            occasion: event.occasion,
            vehicle: opened.no,
            user: opened.user,
            info: opened.info.clone(),
            observation: observations[event.observation].clone(),
            revision,
            history: History::default(),
        };
        Some((lane, entry))
    };
    let entries = made.outcome.events.into_iter().zip(numbers).filter_map(entry).collect();
    (opened, entries)
}

fn report(outcome: &Outcome, now: Timestamp) {
    for event in outcome.events.iter().filter(|event| event.occasion == Occasion::Slot) {
        metrics::slot_posted(now.since(event.at));
    }
    for missed in outcome.lapsed.iter().filter(|lapsed| lapsed.why == Lapse::Missed) {
        metrics::missed(missed.count);
    }
}

fn answer(letter: &mut Letter, result: Result<Vec<Judgement>, AppError>) {
    let result = match result {
        Ok(judgements) if letter.replies.len() > 1 => return share(letter, judgements),
        other => other,
    };
    for reply in letter.replies.drain(..) {
        // A caller that has gone away does not want to know.
        let _ = reply.to.send(result.clone());
    }
}

/// Gives each of several senders the judgements of its own readings, by their places among these.
fn share(letter: &mut Letter, judgements: Vec<Judgement>) {
    let mut begin = 0;
    for reply in letter.replies.drain(..) {
        let end = begin + reply.readings;
        let own = judgements.iter().filter(|judgement| (begin..end).contains(&judgement.place));
        let own = own.map(|judgement| Judgement { place: judgement.place - begin, ..*judgement });
        let _ = reply.to.send(Ok(own.collect()));
        begin = end;
    }
}

/// Nothing of these letters was committed. What the scheduler sent is still due and comes again.
fn refuse(letters: Vec<Letter>, error: AppError) {
    tracing::warn!(%error, letters = letters.len(), "steps were not committed");
    for mut letter in letters {
        if let Some(ticket) = &letter.ticket {
            ticket.failed();
        }
        answer(&mut letter, Err(error.clone()));
    }
}
