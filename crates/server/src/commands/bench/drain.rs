//! Drain: events that are stored and due when the server starts, until the receiver has them all.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use app::{Sealer, What};
use domain::{
    errors::ErrorCode,
    ids::{EventId, VehicleNo},
    signal,
    vehicle::{Observation, Observed, Sample},
};
use sources::simulated::Latency;
use store::{LaneKey, NewEvent, NewObservation, StepCommit, StepResult, Vehicles};

use super::{
    Figure,
    stage::{self, FIRST_HOUR, HOUR, Stage},
};
use crate::{cli::Bench, machine::MachineDice, wiring::Stores};

const VEHICLES: usize = 2_000;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(super) async fn measure(args: &Bench, bound: f64) -> Result<Vec<Figure>> {
    let config = stage::config(&args.data)?;
    let running = stage::start(&config, FIRST_HOUR - HOUR).await?;
    let (stage, mut counter) = stage::prepare(&running, config).await?;
    stage::populate(&running.app, &stage, VEHICLES, Latency::Ideal, args.json).await?;
    running.stop().await?;
    let (mut rates, mut expected) = (Vec::new(), 0);
    for run in 0..args.runs {
        let events = fill(&stage, args.events, run, args.json).await?;
        expected += events as u64;
        let begun = Instant::now();
        let running = stage::start(&stage.config, FIRST_HOUR - HOUR).await?;
        counter.wait(expected).await?;
        rates.push(events as f64 / begun.elapsed().as_secs_f64());
        running.stop().await?;
        let (distinct, repeated, bad) = counter.tally().await?;
        ensure!(
            (distinct, repeated, bad) == (expected, 0, 0),
            "{distinct} of {expected} came, {repeated} again, {bad} with a bad signature"
        );
    }
    counter.stop().await?;
    std::fs::remove_dir_all(&args.data)?;
    let what = format!("drain of {} stored events, from start to the last", args.events);
    Ok(vec![Figure { bound: Some(bound), ..Figure::new(what, "POST/s", rates) }])
}

/// Stores events as the step would, with the server stopped.
async fn fill(stage: &Stage, events: usize, run: usize, quiet: bool) -> Result<usize> {
    let data = &stage.config.server.data;
    let Stores { store, keyring, master_key } = Stores::open(data)?;
    let sealer = Sealer::open(master_key, keyring.clone(), Arc::new(MachineDice)).await?;
    let numbers: Vec<VehicleNo> = (1..=VEHICLES as i64).map(VehicleNo).collect();
    let webhook = *store::Registry::webhooks(&store)
        .await?
        .first()
        .map(|stored| &stored.webhook.no)
        .context("no webhook")?;
    let rounds = events / VEHICLES;
    let bar = stage::progress((rounds * VEHICLES) as u64, "events", quiet);
    for round in 0..rounds {
        let slot = FIRST_HOUR - HOUR * u32::try_from(2 + run * rounds + round)?;
        let loaded: Vec<_> = store.load(numbers.clone()).await?.into_iter().flatten().collect();
        ensure!(loaded.len() == VEHICLES, "the vehicles are not there");
        let mut commits = Vec::with_capacity(VEHICLES);
        for vehicle in loaded {
            let key = sealer.key(vehicle.user.0).await?;
            let body =
                key.seal(&MachineDice, What::Observation, vehicle.info.id.0, &observation(slot).encode());
            commits.push(StepCommit {
                vehicle: vehicle.no,
                expected: vehicle.version,
                document: vehicle.document,
                due: None,
                observations: vec![NewObservation { taken_at: slot, body }],
                events: vec![NewEvent {
                    epoch: 1,
                    lane: LaneKey { webhook, stripe: 0 },
                    revision: 1,
                    id: EventId::of_slot(stage.webhook, vehicle.info.id, slot),
                    slot,
                    sequence: 1,
                    occasion: Vec::new(),
                    observation: 0,
                }],
                lapsed: vec![],
                rows: vec![],
                now: FIRST_HOUR - HOUR,
            });
        }
        let results = store.commit_steps(commits).await?;
        ensure!(
            results.iter().all(|result| matches!(result, StepResult::Committed { .. })),
            "an event was not stored"
        );
        bar.inc(VEHICLES as u64);
    }
    bar.finish_and_clear();
    store::Upkeep::close(&store).await?;
    keyring.close().await?;
    Ok(rounds * VEHICLES)
}

/// What a car in motion says of the five endpoints.
fn observation(at: domain::time::Timestamp) -> Observation {
    use signal::Value::{self, Flag, Number, Text};
    let seen = |signal, value| Observed {
        signal,
        outcome: Ok(Sample { value, captured_at: Some(at), retrieved_at: at }),
        older: None,
    };
    let mut signals = vec![
        seen(signal::ODOMETER, Number(20_123.4)),
        seen(signal::LOCATION, Value::position(52.520_008, 13.404_954, Some(90.0))),
        seen(signal::STATE_OF_CHARGE, Number(78.0)),
        seen(signal::BATTERY_RANGE, Number(312.5)),
        seen(signal::IS_CABLE_CONNECTED, Flag(false)),
        seen(signal::CHARGING_STATUS, Text("NOT_CHARGING".into())),
        Observed {
            signal: signal::FUEL_LEVEL,
            outcome: Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE),
            older: None,
        },
    ];
    signals.sort_by_key(|observed| observed.signal);
    Observation { taken_at: at, signals, causes: vec![] }
}
