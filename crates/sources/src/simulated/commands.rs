//! What a simulated car does when it is told to: a function from spec to spec, as every control is.

use domain::{
    errors::ErrorCode,
    signal::{CHARGE_LIMITS, IS_CHARGING, IS_LOCKED},
    time::Timestamp,
    vehicle::{Command, Fault},
};

use super::{
    journey::{Activity, Moment},
    mishap,
    spec::{CarSpec, Run, SpecRefused},
    values::drivers_door_is_open,
};

/// Whether a car of this model can do something at all.
///
/// # Errors
///
/// `COMPATIBILITY:VEHICLE_NOT_CAPABLE` when it cannot.
pub fn can(spec: &CarSpec, command: Command) -> Result<(), ErrorCode> {
    let model = spec.model();
    let capable = match command {
        Command::Lock | Command::Unlock | Command::Destination { .. } => model.has(IS_LOCKED),
        Command::StartCharge | Command::StopCharge => model.has(IS_CHARGING),
        Command::ChargeLimit(_) => model.has(CHARGE_LIMITS),
    };
    if capable { Ok(()) } else { Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE) }
}

/// The car after it did what it was told.
///
/// # Errors
///
/// Why it did not: its account, its trouble, a simulation that does not run, what it cannot do, and the state that it
/// is in.
pub fn command(spec: CarSpec, command: Command, now: Timestamp) -> Result<CarSpec, Fault> {
    if let Some(fault) = spec.refusal(now) {
        return Err(fault);
    }
    if spec.run() == Run::Paused || spec.is_over(now) {
        return Err(ErrorCode::VEHICLE_STATE_UNREACHABLE.into());
    }
    can(&spec, command)?;
    let moment = Moment::at(&spec, spec.elapsed_us(now));
    let done = match command {
        Command::Lock | Command::Unlock => {
            check_lock(&spec, &moment, command)?;
            Ok(spec.with_lock(command == Command::Lock, now))
        }
        Command::StartCharge => match moment.activity {
            Activity::Charging => Ok(spec),
            Activity::Interrupted => spec.charge_on(now),
            Activity::Charged => return Err(ErrorCode::VEHICLE_STATE_FULLY_CHARGED.into()),
            _ => return Err(ErrorCode::VEHICLE_STATE_CHARGING_PLUG_NOT_CONNECTED.into()),
        },
        Command::StopCharge => match moment.activity {
            Activity::Charging => spec.interrupt(now),
            Activity::Interrupted | Activity::Charged => {
                return Err(ErrorCode::VEHICLE_STATE_NOT_CHARGING.into());
            }
            _ => return Err(ErrorCode::VEHICLE_STATE_CHARGING_PLUG_NOT_CONNECTED.into()),
        },
        Command::ChargeLimit(percent) => spec.with_charge_limit(percent, now),
        Command::Destination { .. } => Ok(spec),
    };
    done.map_err(|refused: SpecRefused| {
        tracing::error!(error = &refused as &dyn std::error::Error, "A simulated car broke off a command.");
        ErrorCode::VEHICLE_STATE_UNKNOWN.into()
    })
}

/// Doors are worked from afar only while the car stands, and locked only while everything is shut.
fn check_lock(spec: &CarSpec, moment: &Moment, command: Command) -> Result<(), ErrorCode> {
    if moment.activity == Activity::Moving {
        return Err(ErrorCode::VEHICLE_STATE_IN_MOTION);
    }
    match command {
        Command::Lock if drivers_door_is_open(spec, moment) => Err(ErrorCode::VEHICLE_STATE_DOOR_OPEN),
        Command::Lock if mishap::trunk_is_open(spec, moment) => Err(ErrorCode::VEHICLE_STATE_TRUNK_OPEN),
        _ => Ok(()),
    }
}
