//! What a simulated car does when it is told to: a function from spec to spec, as every control is.

use domain::{
    errors::ErrorCode,
    signal::{CHARGE_LIMITS, IS_CHARGING, IS_LOCKED},
    time::Timestamp,
    vehicle::{BrandCommand, ChargeHours, Command, Fault},
};

use super::{
    charger::Charger,
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
        Command::Brand(_) => command.fits(model.make, model.powertrain),
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
    let before = spec.clone();
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
            // It does not charge already, as a car that charges is started without more ado.
            Activity::Interrupted | Activity::Charged => Ok(spec),
            _ => return Err(ErrorCode::VEHICLE_STATE_CHARGING_PLUG_NOT_CONNECTED.into()),
        },
        Command::ChargeLimit(percent) => spec.with_charge_limit(percent, now),
        Command::Destination { .. } => Ok(spec),
        Command::Brand(command) => of_brand(spec, &moment, command, now)?,
    };
    let done = done.map(|after| before.commanded(after, now));
    done.map_err(|refused: SpecRefused| {
        tracing::error!(error = &refused as &dyn std::error::Error, "A simulated car broke off a command.");
        ErrorCode::VEHICLE_STATE_UNKNOWN.into()
    })
}

/// What only cars of a brand do.
fn of_brand(
    spec: CarSpec,
    moment: &Moment,
    command: BrandCommand,
    now: Timestamp,
) -> Result<Result<CarSpec, SpecRefused>, ErrorCode> {
    let command = match command {
        BrandCommand::Amperage(_) if !moment.activity.is_plugged_in() => {
            return Err(ErrorCode::VEHICLE_STATE_CHARGING_PLUG_NOT_CONNECTED);
        }
        // More than the charger gives is the most that it gives.
        BrandCommand::Amperage(amperes) => {
            let most = Charger::at_home(spec.model(), spec.seed).most_amperes(spec.region);
            BrandCommand::Amperage((amperes.min(most) * 10.0).floor() / 10.0)
        }
        BrandCommand::Trunk(_) | BrandCommand::Frunk | BrandCommand::ChargePort(_)
            if moment.activity == Activity::Moving =>
        {
            return Err(ErrorCode::VEHICLE_STATE_IN_MOTION);
        }
        BrandCommand::ChargeHours(hours) if !is_at_home(&spec, &hours) => {
            return Err(ErrorCode::VALIDATION_PARAMETER);
        }
        command => command,
    };
    let spec = spec.with_setting(command, moment.stage, now);
    // Another amperage is another curve from here on.
    let charges = moment.activity == Activity::Charging && matches!(command, BrandCommand::Amperage(_));
    Ok(if charges { spec.charge_on(now) } else { Ok(spec) })
}

/// Whether hours are meant for the place where the car is charged. Brands round the places that they tell.
fn is_at_home(spec: &CarSpec, hours: &ChargeHours) -> bool {
    const NEAR_DEGREES: f64 = 0.005;
    let near = |told: f64, micro: i32| (told - f64::from(micro) / 1e6).abs() <= NEAR_DEGREES;
    near(hours.latitude, spec.begin.latitude) && near(hours.longitude, spec.begin.longitude)
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
