//! Reads that somebody asks for and waits for.
//!
//! One read of the source serves all that is asked at once. What it brings goes through the vehicle's step as every
//! other read does, and the answer is made of what is known after that: it never contradicts what webhooks are told.

use std::time::Duration;

use domain::{
    errors::ErrorCode,
    ids::VehicleId,
    payload::v2::rest::{self, Read},
    signal::{BrandRead, Details, SignalId},
    time::Timestamp,
    units::UnitSystem,
    vehicle::{self, Fault, Input, Observation},
};
use store::{TokenGrant, VehicleFilter, VehicleRow};

use super::{limits::throttled, vehicles::PUSHED};
use crate::{App, AppError, metrics, scheduler::in_time};

/// Vehicles of an owner that are looked up at once.
const AT_ONCE: usize = 500;

/// What came of looking at a vehicle.
#[derive(Clone, Debug)]
pub struct Look {
    row: VehicleRow,
    observation: Observation,
    details: Vec<(BrandRead, Result<Option<Details>, Fault>)>,
    /// How the source as a whole failed, if it did.
    failed: Option<Fault>,
    /// Faults of single signals that say how long to stay away.
    throttled: Vec<Fault>,
}

impl Look {
    /// The answer to one of the reads that it was for.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn answer(&self, read: Read, units: UnitSystem) -> Result<rest::Answer, Fault> {
        let details = match read {
            Read::Core(_) => None,
            Read::Brand(read) => self.details.iter().find(|(known, _)| *known == read),
        };
        let details = match details {
            Some((_, Err(fault))) => return Err(*fault),
            Some((_, Ok(details))) => details.as_ref(),
            None => None,
        };
        if let (Some(fault), true) = (self.failed, asks_the_source(read)) {
            return Err(fault);
        }
        let answer = read.answer(&self.row.info, &self.observation, details, units);
        answer.map_err(|code| {
            self.throttled.iter().find(|fault| fault.code == code).copied().unwrap_or(code.into())
        })
    }

    /// The capacities that the battery may have, where it is not settled which it has.
    pub fn capacities(&self) -> Vec<f64> {
        rest::capacities(&self.observation)
    }
}

/// Whether a read is about more than the record of the vehicle.
fn asks_the_source(read: Read) -> bool {
    matches!(read, Read::Brand(_)) || !read.signals().is_empty()
}

impl App {
    /// The vehicles that a token covers, in the order of linking.
    pub async fn vehicles_of_grant(&self, grant: &TokenGrant) -> Result<Vec<VehicleId>, AppError> {
        let mut filter = VehicleFilter {
            application: Some(grant.application),
            user: Some(grant.user),
            ..VehicleFilter::default()
        };
        let mut found = Vec::new();
        loop {
            let rows = self.store.list_vehicles(filter.clone(), AT_ONCE).await?;
            found.extend(rows.iter().map(|row| row.info.id).filter(|&vehicle| grant.covers(vehicle)));
            match rows.last() {
                Some(last) if rows.len() == AT_ONCE => filter.after = Some(last.no),
                _ => return Ok(found),
            }
        }
    }

    /// Whether the vehicle can have anything to say about a read, as far as that is known without asking it.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn capable_of_read(&self, row: &VehicleRow, read: Read) -> Result<(), ErrorCode> {
        let info = &row.info;
        let fits = match read {
            Read::Brand(read) => read.fits(&info.make, info.powertrain),
            Read::Core(endpoint) => {
                let signals = endpoint.signals();
                let offered = || signals.iter().any(|&signal| self.source.offers(&row.source, signal));
                endpoint.fits(info.powertrain) && (signals.is_empty() || offered())
            }
        };
        if fits { Ok(()) } else { Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE) }
    }

    /// Looks at a vehicle for these reads, with one read of its source at most.
    pub async fn look(&self, row: &VehicleRow, reads: &[Read]) -> Result<Look, AppError> {
        // Documents keep milliseconds.
        let begun = Timestamp::from_millis(self.now().as_millis());
        let mut wanted: Vec<SignalId> = reads.iter().flat_map(|read| read.signals()).collect();
        wanted.retain(|signal| row.permissions.contains(signal.entry().permission));
        wanted.sort_unstable();
        wanted.dedup();
        let only_pushes = row.source.kind == PUSHED;
        let asks = !only_pushes && reads.iter().any(|&read| asks_the_source(read));
        let _in_flight = if asks { Some(self.ask(row.source.pool).map_err(throttled)?) } else { None };
        let (mut failed, mut throttled) = (None, Vec::new());
        if asks && !wanted.is_empty() {
            let answered = in_time(self, self.source.read(&row.source, &wanted)).await;
            let pool = self.pool_name(row.source.pool).unwrap_or_default();
            metrics::read(&pool, if answered.is_ok() { "answered" } else { "failed" });
            match &answered {
                Ok(answers) => {
                    let faults = answers.iter().filter_map(|answer| answer.outcome.as_ref().err());
                    throttled.extend(faults.filter(|fault| fault.retry_after.is_some()).copied());
                }
                Err(fault) => failed = Some(*fault),
            }
            self.deliver_letter(row.no, Input::Asked(wanted.clone(), answered)).await?;
        }
        let details = match (asks, failed) {
            (true, None) => self.details(row, reads).await,
            _ => Vec::new(),
        };
        let document = self.document(row.info.id).await?;
        let fresh_from = if only_pushes { Timestamp::from_micros(i64::MIN) } else { begun };
        let observation = vehicle::observe(&document, &wanted, fresh_from, self.now());
        Ok(Look { row: row.clone(), observation, details, failed, throttled })
    }

    async fn details(
        &self,
        row: &VehicleRow,
        reads: &[Read],
    ) -> Vec<(BrandRead, Result<Option<Details>, Fault>)> {
        let mut details = Vec::new();
        for read in reads {
            if let Read::Brand(read) = *read {
                details.push((read, in_time(self, self.source.details(&row.source, read)).await));
            }
        }
        details
    }
}

/// How long a client that was refused is told to wait, in whole seconds.
pub fn wait_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
