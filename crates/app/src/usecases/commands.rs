//! Commands to vehicles.

use domain::{
    errors::ErrorCode,
    signal::Details,
    vehicle::{Command, Fault},
};
use store::{SourceRef, VehicleRow};

use super::limits::throttled;
use crate::{App, AppError, scheduler::in_time};

/// How often a command is given anew because something else has changed the car meanwhile.
const TRIES: usize = 5;

impl App {
    /// Whether a vehicle can do something, as far as that is known without asking it.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn capable_of(&self, row: &VehicleRow, command: Command) -> Result<(), ErrorCode> {
        if !command.fits(&row.info.make, row.info.powertrain) {
            return Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE);
        }
        self.source.can(&row.source, command)
    }

    /// Has a vehicle do something. What that changes of the car is stored before it is told; reads show it from then on.
    /// Answers with what the source tells of it afterwards, where the answer to the command shows that.
    ///
    /// # Errors
    ///
    /// [`AppError::Vehicle`] when the car does not do it.
    pub async fn command(&self, row: &VehicleRow, command: Command) -> Result<Option<Details>, AppError> {
        let mut row = row.clone();
        for _ in 0..TRIES {
            let _in_flight = self.ask(row.source.pool).map_err(throttled)?;
            let after = in_time(self, self.source.command(&row.source, command)).await?;
            self.gates.commanded(row.no);
            let Some(after) = after else {
                return self.shown(&row.source, command).await;
            };
            if self.store.replace_spec(row.no, row.source.spec.clone(), after.clone()).await? {
                return self.shown(&SourceRef { spec: after, ..row.source }, command).await;
            }
            row = self.vehicle(row.info.id, Some(row.application)).await?;
        }
        Err(Fault::from(ErrorCode::UPSTREAM_UNKNOWN_ISSUE).into())
    }

    async fn shown(&self, source: &SourceRef, command: Command) -> Result<Option<Details>, AppError> {
        let Command::Brand(command) = command else { return Ok(None) };
        let Some(read) = command.shown_by() else { return Ok(None) };
        Ok(in_time(self, self.source.details(source, read)).await?)
    }
}
