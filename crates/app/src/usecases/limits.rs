//! How fast applications may make requests, and how often they may ask about a vehicle: what the plan has, in a short time
//! and in a month.
//!
//! What is free passes here and takes nothing. Monthly requests are counted before something is done, and taken back if
//! it fails: only what was done is counted.

use std::time::Duration;

use domain::{
    errors::ErrorCode,
    ids::{ApplicationNo, VehicleNo},
    limits::{Buckets, Limit},
    vehicle::Fault,
};
use parking_lot::Mutex;
use store::VehicleRow;

use crate::{App, AppError};

/// Vehicles whose last minute is remembered.
const MOST_VEHICLES: usize = 100_000;
const MOST_APPLICATIONS: usize = 10_000;

/// How many requests came lately. Lost with the process, which is no harm: buckets begin full.
pub(crate) struct Limits {
    applications: Mutex<Buckets<ApplicationNo>>,
    vehicles: Mutex<Buckets<VehicleNo>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            applications: Mutex::new(Buckets::new(MOST_APPLICATIONS)),
            vehicles: Mutex::new(Buckets::new(MOST_VEHICLES)),
        }
    }
}

impl App {
    /// Lets requests of an application pass as fast as its plan allows.
    ///
    /// # Errors
    ///
    /// [`AppError::TooManyRequests`], or [`AppError::Invalid`] when there are more than can ever be made at once; none of them
    /// may be done.
    pub fn admit(&self, application: ApplicationNo, requests: u32) -> Result<(), AppError> {
        let Some(entry) = self.registry.application(application) else { return Ok(()) };
        let Some(limit) = self.settings.plans.rate(&entry.application.plan) else { return Ok(()) };
        fits(requests, limit)?;
        let now = self.clock.rate_time();
        let taken = self.limits.applications.lock().take(application, requests, limit, now);
        taken.map_err(AppError::TooManyRequests)
    }

    /// Counts requests about a vehicle: against how often its brand lets it be asked, and against what the plan has in a month.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT:VEHICLE`, or [`AppError::PlanRequests`].
    pub async fn spend_requests(&self, row: &VehicleRow, requests: u32) -> Result<(), AppError> {
        let Some(entry) = self.registry.application(row.application) else { return Ok(()) };
        let plan = &entry.application.plan;
        self.take_of_vehicle(row, requests)?;
        let Some(most) = self.settings.plans.requests(plan) else { return Ok(()) };
        let by = i32::try_from(requests).unwrap_or(i32::MAX);
        let month = self.now().month();
        if self.store.count_requests(row.no, month, by).await? <= most {
            return Ok(());
        }
        self.store.count_requests(row.no, month, -by).await?;
        Err(AppError::PlanRequests(format!(
            "the plan {plan:?} has {most} requests about a vehicle in a month, and they are spent"
        )))
    }

    /// Counts one read of a vehicle against how often its brand lets it be asked.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT:VEHICLE`.
    pub(crate) fn may_be_asked(&self, row: &VehicleRow) -> Result<(), AppError> {
        self.take_of_vehicle(row, 1)
    }

    fn take_of_vehicle(&self, row: &VehicleRow, requests: u32) -> Result<(), AppError> {
        let Some(limit) = self.settings.reads.vehicle_rates.of(&row.info.make) else { return Ok(()) };
        // A batch is one look at the vehicle: one that is larger than the bucket takes all of it.
        let taking = requests.min(limit.burst as u32);
        let now = self.clock.rate_time();
        self.limits.vehicles.lock().take(row.no, taking, limit, now).map_err(throttled)
    }

    /// Takes back requests about a vehicle that were counted and not done.
    pub async fn give_back_requests(&self, row: &VehicleRow, requests: u32) -> Result<(), AppError> {
        let Some(entry) = self.registry.application(row.application) else { return Ok(()) };
        if requests > 0 && self.settings.plans.requests(&entry.application.plan).is_some() {
            let by = i32::try_from(requests).unwrap_or(i32::MAX);
            self.store.count_requests(row.no, self.now().month(), -by).await?;
        }
        Ok(())
    }
}

/// Whether so many requests can ever be made at once. Who had to wait for that would wait for ever.
fn fits(requests: u32, limit: Limit) -> Result<(), AppError> {
    if f64::from(requests) <= limit.burst {
        return Ok(());
    }
    let most = limit.burst.floor();
    Err(AppError::invalid(
        "requests",
        format!("{requests} requests are more than the {most} that may be made at once; send fewer"),
    ))
}

/// A vehicle that was asked too often.
pub(crate) fn throttled(wait: Duration) -> AppError {
    Fault { code: ErrorCode::RATE_LIMIT_VEHICLE, retry_after: Some(wait) }.into()
}
