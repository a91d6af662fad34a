//! A worker: takes the next request, sends it, and says what came of it.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{
    delivery::{Attempt, AttemptResult, Failure, History, Verdict, switches_off},
    ids::{EventId, EventNo},
    time::Timestamp,
};
use futures::future::{Abortable, Either, select};
use store::{LogStatus, OutcomeOf, Record};

use super::{
    Entry, Inner, compose, health,
    lane::{Ending, Job, Next},
    recorder::Ended,
};
use crate::{
    App, WebhookEntry,
    planted::Planted,
    ports::{Post, Purpose},
};

/// Works until there has been nothing to do for a while; the lanes start another when there is.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        match take(&app) {
            Taken::Job(key, job) => send(&app, key, job).await,
            Taken::Ended(key, endings) => {
                for ending in endings {
                    pass_on(&app, Ended { key, ending, switch_off: false }).await;
                }
            }
            Taken::Nothing => {
                if !wait(&app).await {
                    return;
                }
            }
        }
    }
}

enum Taken {
    Job(store::LaneKey, Job),
    Ended(store::LaneKey, Vec<Ending>),
    Nothing,
}

/// Takes the next request of the lane whose turn it is; a lane that has nothing to send loses its turn, and so does one that
/// there is no place for.
fn take(app: &Arc<App>) -> Taken {
    let lanes = &app.lanes;
    let inner = &mut *lanes.inner.lock();
    if app.stop.is_set() {
        return Taken::Nothing;
    }
    let now = app.now();
    while let Some((application, key)) = inner.turns.next() {
        let Some(lane) = inner.lanes.get_mut(&key) else {
            inner.turns.remove(application, key);
            continue;
        };
        if lane.startable(now).is_some() && !inner.turns.admits(lane) {
            inner.turns.wait(key, lane);
            continue;
        }
        let next = lane.next(now, lanes.settings.max_age);
        if lane.wants_fill(lanes.settings.window, now) {
            lanes.attention.notify_one();
        }
        match next {
            Next::Job(job) => {
                let has_more = lane.startable(now).is_some();
                inner.turns.begin(application);
                inner.unrecorded += job.entries.len();
                if has_more || inner.lanes.len() > 1 {
                    lanes.wake_a_worker(app, inner);
                }
                return Taken::Job(key, job);
            }
            Next::Ended(endings) => {
                inner.unrecorded += endings.len();
                return Taken::Ended(key, endings);
            }
            Next::Nothing => {
                inner.turns.remove(application, key);
                if lane.next_time(now).is_some() {
                    lanes.attention.notify_one();
                }
            }
        }
    }
    Taken::Nothing
}

/// Waits for work; false when the worker should end.
async fn wait(app: &Arc<App>) -> bool {
    let notified = app.lanes.work.notified();
    {
        let inner = &mut *app.lanes.inner.lock();
        if app.stop.is_set() || inner.idle >= IDLE {
            inner.workers -= 1;
            return false;
        }
        inner.idle += 1;
    }
    notified.await;
    app.lanes.inner.lock().idle -= 1;
    true
}

/// Workers that wait for work; more than these end when they have nothing to do.
const IDLE: usize = 64;

async fn send(app: &Arc<App>, key: store::LaneKey, mut job: Job) {
    let (started_at, begun) = (app.now(), app.clock.monotonic());
    let composed = compose::compose(&job.webhook, &mut job.entries, started_at);
    if !composed.left_over.is_empty() {
        let inner = &mut *app.lanes.inner.lock();
        inner.unrecorded -= composed.left_over.len();
        if let Some(lane) = inner.lanes.get_mut(&key) {
            lane.put_back(composed.left_over);
        }
    }
    let first = job.entries[0].no;
    let result = match composed.body {
        None => Ok(AttemptResult::Failed(Failure::BodyTooLarge)),
        Some(body) => {
            let request = Abortable::new(post(app, &job.webhook, &job.entries[0], body), job.abort);
            watched(app, key, first, job.patience, request).await
        }
    };
    let now = app.now();
    let took = app.clock.monotonic().saturating_sub(begun);
    let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
    let news;
    let last_delivered = {
        let inner = &mut *app.lanes.inner.lock();
        news = result.as_ref().ok().and_then(|result| inner.observe(key.webhook, *result, started_at, now));
        let Inner { lanes, turns, unrecorded, .. } = inner;
        // Lanes are never taken out of memory.
        let lane = lanes.get_mut(&key).expect("a lane with a request in flight");
        let application = lane.application();
        let (was_slow, last_delivered) = match &result {
            Ok(result) => (lane.ended(first, job.class, *result, took, now), lane.last_delivered()),
            // The tombstone that broke it off ends the rows, as dropped or as cancelled.
            Err(_) => {
                *unrecorded -= job.entries.len();
                (lane.broken_off(first, job.class, &job.entries), None)
            }
        };
        turns.end(application, was_slow);
        turns.add(application, key);
        if turns.look_again(lanes) {
            app.lanes.wake_a_worker(app, inner);
        }
        last_delivered
    };
    let Ok(result) = result else { return };
    if let Some(report) = news {
        health::log(&job.webhook, report, result);
    }
    crate::metrics::attempt(result, took_ms);
    for entry in job.entries {
        pass_on(app, end(key, entry, Attempt { started_at, took_ms, result }, last_delivered, now)).await;
    }
}

/// Waits for the end of a request. One that is out for longer than the patience gives its place to others meanwhile.
async fn watched<T>(
    app: &Arc<App>,
    key: store::LaneKey,
    first: EventNo,
    patience: Duration,
    request: impl Future<Output = T>,
) -> T {
    // Receivers live in real time, whatever the product's clock does.
    let patience = app.clock.sleep(patience * app.settings.pace);
    let request = pin!(request);
    let request = match select(request, patience).await {
        Either::Left((ended, _)) => return ended,
        Either::Right(((), request)) => request,
    };
    {
        let inner = &mut *app.lanes.inner.lock();
        let Inner { lanes, turns, .. } = inner;
        if let Some(lane) = lanes.get_mut(&key)
            && lane.became_slow(first)
        {
            let application = lane.application();
            turns.turn_slow(application);
            turns.add(application, key);
            turns.look_again(lanes);
            app.lanes.wake_a_worker(app, inner);
        }
    }
    request.await
}

/// One POST, with no transaction open: a slow receiver must not hold a row.
async fn post(app: &App, webhook: &WebhookEntry, entry: &Entry, body: String) -> AttemptResult {
    let is_error = entry.occasion.is_error() && !Planted::ErrorsSentAsData.is_here();
    let Some((target, headers)) = webhook.destination(is_error) else {
        return AttemptResult::Failed(Failure::Blocked);
    };
    let post = Post {
        target,
        headers,
        purpose: Purpose::Delivery,
        webhook: webhook.webhook().no,
        signature: Some(webhook.application.signer(app.now()).sign(body.as_bytes())),
        agent: entry.revision.agent.header(),
        body: Bytes::from(body),
        deadline: app.settings.delivery.deadline,
        keep: 0,
    };
    match app.outbound.post(post).await {
        Ok(reply) => AttemptResult::Answered { status: reply.status },
        Err(failure) => AttemptResult::Failed(failure),
    }
}

/// What follows an attempt.
fn end(
    key: store::LaneKey,
    mut entry: Entry,
    attempt: Attempt,
    last_delivered: Option<Timestamp>,
    now: Timestamp,
) -> Ended {
    entry.history.push(attempt);
    let verdict = spoiled(entry.revision.plan.retries().after(&entry.history), &mut entry, now);
    let mut switch_off = false;
    let outcome = match verdict {
        Verdict::Delivered => OutcomeOf::Ended(LogStatus::Delivered, now),
        Verdict::RetryAt(at) => OutcomeOf::RetryAt(at),
        Verdict::Abandon(reason) => {
            let began_at = entry.history.began_at().unwrap_or(now);
            switch_off = entry.revision.plan.switches_off() && switches_off(reason, began_at, last_delivered);
            OutcomeOf::Ended(LogStatus::Failed, now)
        }
    };
    let record = Record {
        event: entry.no,
        attempt_at: entry.attempt_at,
        attempts: entry.history.to_bytes(),
        attempt_count: attempt_count(&entry.history),
        http_status: attempt.result.status().unwrap_or(0),
        took_ms: attempt.took_ms,
        outcome,
    };
    let again = match outcome {
        OutcomeOf::RetryAt(at) => Some(Entry { attempt_at: at, ..entry }),
        OutcomeOf::Ended(..) => None,
    };
    Ended { key, ending: Ending { record, again }, switch_off }
}

/// Plants the faults that concern retries.
fn spoiled(verdict: Verdict, entry: &mut Entry, now: Timestamp) -> Verdict {
    let again = Verdict::RetryAt(now + Duration::from_secs(300));
    match verdict {
        Verdict::Abandon(_) if Planted::RetriesWithoutEnd.is_here() => again,
        Verdict::Delivered if Planted::AcceptedRetried.is_here() && entry.history.attempts().len() == 1 => {
            again
        }
        Verdict::RetryAt(_) if Planted::NewIdOnRetry.is_here() => {
            entry.id = EventId(entry.id.request().0);
            verdict
        }
        verdict => verdict,
    }
}

fn attempt_count(history: &History) -> u16 {
    u16::try_from(history.attempts().len()).unwrap_or(u16::MAX)
}

/// Hands an end to the recorder, waiting while too many are unwritten.
async fn pass_on(app: &App, ended: Ended) {
    // The recorder lives as long as the process, so there is somebody to take it.
    let _ = app.lanes.records.send(ended).await;
}
