//! The recorder: writes what came of attempts, in batches.
//!
//! An end that is not written yet only means a repeated delivery after a crash, under the same id. So ends are collected
//! while the previous batch is being written, and a store that cannot write stops the workers instead of losing ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::delivery::History;
use futures::future::join_all;
use store::{LaneKey, StoreError};
use tokio::sync::mpsc;

use super::{
    Inner, covers,
    lane::{Ending, Lane},
};
use crate::{App, AppError, planted::Planted};

/// Ends written at once.
const BATCH: usize = 512;
/// The pause after a store that could not write.
const PAUSE: Duration = Duration::from_millis(500);

/// What came of an event of a lane.
pub(crate) struct Ended {
    pub key: LaneKey,
    pub ending: Ending,
    /// The retries of this event are used up, and nothing was delivered meanwhile: the webhook is switched off.
    pub switch_off: bool,
}

/// Records until the lanes are gone.
pub(crate) async fn run(app: Arc<App>, mut ended: mpsc::Receiver<Ended>) {
    let mut batch = Vec::with_capacity(BATCH);
    while ended.recv_many(&mut batch, BATCH).await > 0 {
        let mut lanes: BTreeMap<LaneKey, Vec<Ended>> = BTreeMap::new();
        for one in batch.drain(..) {
            lanes.entry(one.key).or_default().push(one);
        }
        join_all(lanes.into_iter().map(|(key, ended)| record(&app, key, ended))).await;
    }
}

/// Writes the ends of one lane. While the store cannot write, this waits, and with it the workers.
async fn record(app: &Arc<App>, key: LaneKey, ended: Vec<Ended>) {
    let records: Vec<_> = ended.iter().map(|one| one.ending.record.clone()).collect();
    let count = records.len();
    let mut overtaken = false;
    while !Planted::EndNotRecorded.is_here() {
        let lease = app.lanes.inner.lock().lanes.get(&key).and_then(Lane::lease);
        let Some(lease) = lease else { break };
        match app.store.record(lease, records.clone()).await {
            Ok(recorded) => {
                crate::metrics::recorded(count);
                overtaken = recorded.absent > 0;
                break;
            }
            Err(StoreError::LeaseLost) => {
                tracing::warn!(webhook.no = key.webhook.0, "the lane has passed to another node");
                with_lane(app, key, Lane::lose);
                break;
            }
            Err(error @ StoreError::Closed) => {
                tracing::warn!(%error, "ends of attempts were not recorded; they will be sent again");
                break;
            }
            Err(error) => {
                tracing::warn!(%error, "ends of attempts wait to be recorded");
                app.health.store_failed(&error);
                app.clock.sleep_until(app.now() + PAUSE).await;
            }
        }
    }
    let exhausted = ended.iter().find(|one| one.switch_off).map(|one| one.ending.record.clone());
    if settle(app, key, ended, overtaken) {
        app.lanes.attention.notify_one();
    }
    if let Some(record) = exhausted {
        let last = History::from_bytes(&record.attempts).ok().and_then(|history| history.last().copied());
        match app.switch_off(key.webhook, last.map(|attempt| attempt.result)).await {
            // It was deleted meanwhile.
            Ok(()) | Err(AppError::NotFound(_)) => {}
            Err(error) => {
                tracing::error!(%error, webhook.no = key.webhook.0, "a webhook could not be switched off");
            }
        }
    }
}

/// Lets go of ended events and puts those that are to be tried again back into their lane; true when the lane has to be
/// looked at.
///
/// Some of them may have ended under a tombstone while their attempt was under way. If the sweep of the tombstone was
/// faster than the record, only the store knows which: then the lane reads it again.
fn settle(app: &App, key: LaneKey, ended: Vec<Ended>, overtaken: bool) -> bool {
    let inner = &mut *app.lanes.inner.lock();
    let Inner { lanes, tombstones, unrecorded, .. } = inner;
    *unrecorded -= ended.len();
    let Some(lane) = lanes.get_mut(&key) else { return false };
    let mut wants_attention = false;
    for Ended { ending: Ending { record, again }, .. } in ended {
        let again = again.filter(|entry| !overtaken && !covers(tombstones, key, entry.no, entry.vehicle));
        wants_attention |= again.is_some();
        lane.recorded(record.event, again);
    }
    if overtaken {
        lane.expect_stored();
    }
    wants_attention || lane.wants_fill(app.settings.delivery.window, app.now())
}

fn with_lane(app: &App, key: LaneKey, act: impl FnOnce(&mut Lane)) {
    if let Some(lane) = app.lanes.inner.lock().lanes.get_mut(&key) {
        act(lane);
    }
}
