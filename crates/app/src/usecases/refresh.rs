//! Keeping fresh what is known of a vehicle that somebody asks about without reading it: v3 answers from what the store knows.
//!
//! A question about a vehicle reads it when something that its owner has granted and its source offers is missing, or older
//! than data of its brand usually gets. How old that is follows from the brand and from what the car does (see
//! `vehicle::stale`), so a car that sleeps is asked once an hour and a Tesla that charges every minute, however many ask.
//!
//! One read serves all who ask meanwhile: the first one takes the vehicle's gate, the others wait for it and find what it has
//! brought. A read that fails is as good as one that succeeds: the vehicle is left alone until the interval has passed. Where
//! the limits do not allow a read (the brand's for the vehicle, the budget of its pool), what is known is answered; only
//! where nothing is known at all does the question fail with the limit.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::VehicleNo,
    signal::SignalId,
    vehicle::{self, Input},
};
use hashbrown::HashMap;
use parking_lot::Mutex;
use store::VehicleRow;

use super::{limits::throttled, vehicles::PUSHED};
use crate::{App, AppError, metrics, scheduler::in_time};

/// Vehicles whose gates are remembered. Beyond that those that nobody holds are forgotten: their next question may read.
const MOST_GATES: usize = 20_000;
/// However little a read has brought, the next one for questions is not sooner.
const BREATH: Duration = Duration::from_secs(30);

/// When vehicles were last read for questions.
#[derive(Default)]
pub(crate) struct Gates {
    by_vehicle: Mutex<HashMap<VehicleNo, Arc<Gate>>>,
}

#[derive(Default)]
struct Gate {
    /// Held by who reads.
    reading: tokio::sync::Mutex<()>,
    state: Mutex<GateState>,
}

#[derive(Clone, Copy, Default)]
struct GateState {
    /// In the time that rates are counted in.
    read_at: Option<Duration>,
    /// A command has changed the vehicle since it was last read.
    commanded: bool,
}

impl Gates {
    fn of(&self, vehicle: VehicleNo) -> Arc<Gate> {
        let mut gates = self.by_vehicle.lock();
        if gates.len() >= MOST_GATES && !gates.contains_key(&vehicle) {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        gates.entry(vehicle).or_default().clone()
    }

    /// What is known of a vehicle is not true any more: a command has changed it.
    pub(crate) fn commanded(&self, vehicle: VehicleNo) {
        *self.of(vehicle).state.lock() = GateState { read_at: None, commanded: true };
    }
}

impl App {
    /// Reads a vehicle where one of these signals is missing or stale, within the limits; afterwards what is known of it is
    /// as fresh as a question may expect.
    ///
    /// # Errors
    ///
    /// A limit, when nothing is known of the vehicle and it may not be read now.
    pub async fn freshen(&self, row: &VehicleRow, signals: &[SignalId]) -> Result<(), AppError> {
        if row.source.kind == PUSHED {
            return Ok(());
        }
        let offered = |signal: &SignalId| self.source.offers(&row.source, *signal);
        let offered: Vec<SignalId> = signals.iter().copied().filter(offered).collect();
        let gate = self.gates.of(row.no);
        // Who had to wait here finds nothing stale any more.
        let _reading = gate.reading.lock().await;
        let document = self.document(row.info.id).await?;
        let GateState { read_at, commanded } = *gate.state.lock();
        let wanted = match commanded {
            true => offered,
            false => vehicle::stale(&document, &row.info, &offered, self.now()),
        };
        let now = self.clock.rate_time();
        let too_soon = read_at.is_some_and(|at| now.saturating_sub(at) < BREATH);
        if wanted.is_empty() || too_soon {
            return Ok(());
        }
        let known = signals.iter().any(|&signal| document.signal(signal).is_some());
        let allowed = self.may_be_asked(row).and_then(|()| self.ask(row.source.pool).map_err(throttled));
        let _in_flight = match allowed {
            Ok(in_flight) => in_flight,
            Err(_) if known => return Ok(()),
            Err(limit) => return Err(limit),
        };
        let answered = in_time(self, self.source.read(&row.source, &wanted)).await;
        let pool = self.pool_name(row.source.pool).unwrap_or_default();
        metrics::read(&pool, if answered.is_ok() { "answered" } else { "failed" });
        self.deliver_letter(row.no, Input::Asked(wanted, answered)).await?;
        *gate.state.lock() = GateState { read_at: Some(now), commanded: false };
        Ok(())
    }
}
