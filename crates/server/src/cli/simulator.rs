//! `milepost simulator`: cars to try things with.

use clap::{Args, Subcommand};

use super::{Paging, id, one_of};

/// Where cars of the simulator are sold.
pub(crate) const REGIONS: &[&str] = &["US", "CA", "EUROPE"];
/// What they do.
pub(crate) const PROFILES: &[&str] = &["driving", "charging", "parked", "day"];
/// What a new car can be made with: `home` is a day that begins at home, plugged in.
const FIRST_PROFILES: &[&str] = &["home", "driving", "charging", "parked", "day"];

#[derive(Debug, Subcommand)]
pub(crate) enum SimulatorCommand {
    /// Make a simulated car, and connect it to an application if one is named
    Make(Box<NewCar>),
    /// List simulated cars with what they do and how their owners sign in
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// List the models that can be simulated
    Models,
    /// Show a car: its state, its owner's sign-in, its vehicles
    Show(Car),
    /// Connect a car to an application, as its owner would
    Connect {
        #[command(flatten)]
        car: Car,
        /// The application's id
        #[arg(long, value_parser = id)]
        app: String,
        #[command(flatten)]
        owner: Owner,
    },
    /// Delete a car
    Delete(Car),
    /// Let a car begin, or go on
    Start(Car),
    /// Hold a car: its time stands still
    Pause(Car),
    /// Send a car back to its beginning
    Restart(Car),
    /// Let a car's time run faster
    Speed {
        #[command(flatten)]
        car: Car,
        /// How many times faster than time
        factor: f64,
    },
    /// List what a car does in its profile, one thing after the other
    Stages(Car),
    /// Send a car ahead in its time, or to a stage of its profile
    Jump {
        #[command(flatten)]
        car: Car,
        /// Ahead in its time
        #[arg(long, required_unless_present = "stage", conflicts_with = "stage")]
        seconds: Option<f64>,
        /// To the beginning of this stage, as `stages` numbers them
        #[arg(long)]
        stage: Option<usize>,
    },
    /// Give a car another profile
    Profile {
        #[command(flatten)]
        car: Car,
        #[arg(value_parser = one_of(PROFILES), ignore_case = true)]
        profile: String,
    },
    /// Let every read of a car fail with an error, or succeed again
    Fail {
        #[command(flatten)]
        car: Car,
        /// TYPE or TYPE:CODE, as `milepost errors` lists them: VEHICLE_STATE:ASLEEP
        #[arg(required_unless_present = "never", conflicts_with = "never")]
        error: Option<String>,
        /// Let reads succeed again
        #[arg(long)]
        never: bool,
    },
    /// Set how long reads of a car take
    Latency {
        #[command(flatten)]
        car: Car,
        #[arg(value_parser = one_of(&["ideal", "realistic"]), ignore_case = true)]
        latency: String,
    },
    /// Plug a car in where it is
    PlugIn(Car),
    /// Unplug a car, and leave it parked
    Unplug(Car),
    /// Stop its charging before the limit
    Interrupt(Car),
    /// Hold the driver's door open
    OpenDoor(Car),
    /// Let go of the driver's door
    CloseDoor(Car),
    /// Give one of its systems a fault
    Fault {
        #[command(flatten)]
        car: Car,
        /// The system's name in the signals of group Diagnostics: Airbag
        system: String,
    },
    /// Mend its faults
    ClearFault(Car),
    /// Let the owner withdraw the access at the brand
    Revoke(Car),
    /// Let the owner change the password at the brand
    ChangePassword(Car),
    /// Let the owner give the access back
    Restore(Car),
}

/// Which car.
#[derive(Debug, Args)]
pub(crate) struct Car {
    /// The id of a simulated car, or of a vehicle that is one
    #[arg(value_parser = id)]
    pub id: String,
}

/// A car to be made.
#[derive(Debug, Args)]
pub(crate) struct NewCar {
    /// The brand; see `simulator models`
    #[arg(long, default_value = "TESLA")]
    pub make: String,
    #[arg(long, default_value = "Model 3")]
    pub model: String,
    /// The model year; the newest by default
    #[arg(long)]
    pub year: Option<u16>,
    #[arg(long, default_value = "US", value_parser = one_of(REGIONS), ignore_case = true)]
    pub region: String,
    /// home is a day that begins at home, plugged in
    #[arg(long, default_value = "home", value_parser = one_of(FIRST_PROFILES), ignore_case = true)]
    pub profile: String,
    /// The same number makes the same car; drawn by default
    #[arg(long)]
    pub seed: Option<u32>,
    /// Make a car that answers nobody until `simulator start`
    #[arg(long)]
    pub not_started: bool,
    /// Connect it to this application
    #[arg(long, value_parser = id)]
    pub app: Option<String>,
    #[command(flatten)]
    pub owner: Owner,
}

/// Who owns a connected car, and what is granted.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// The id of its owner; a new one by default
    #[arg(long, value_parser = id)]
    pub user: Option<String>,
    /// What the owner grants, separated by commas: read_battery,read_location; everything by default
    #[arg(long, value_delimiter = ',', value_name = "PERMISSION")]
    pub permissions: Vec<String>,
}
