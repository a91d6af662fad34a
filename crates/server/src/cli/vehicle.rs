//! `milepost vehicle`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum VehicleCommand {
    /// Make a simulated car, and connect it to an application if one is named
    Simulate {
        #[arg(long, default_value = "TESLA")]
        make: String,
        #[arg(long, default_value = "Model 3")]
        model: String,
        #[arg(long)]
        year: Option<u16>,
        #[arg(long, default_value = "US")]
        region: String,
        /// driving, charging, parked or day
        #[arg(long, default_value = "driving")]
        profile: String,
        /// The same number makes the same car; drawn by default
        #[arg(long)]
        seed: Option<u32>,
        /// Connect it to this application
        #[arg(long)]
        app: Option<String>,
    },
    /// List the models that can be simulated
    Models,
    /// Connect a vehicle that cannot be asked: all that is known of it is pushed by feeds
    Add {
        /// The application's id
        #[arg(long)]
        app: String,
        #[arg(long)]
        make: String,
        #[arg(long)]
        model: String,
        #[arg(long)]
        year: u16,
        /// ICE, HEV, PHEV or BEV
        #[arg(long, default_value = "BEV")]
        powertrain: String,
        /// US, CA or EUROPE
        #[arg(long, default_value = "US")]
        region: String,
        /// The id of its owner; a new one by default
        #[arg(long)]
        user: Option<String>,
        /// What the owner grants, separated by commas: read_battery,read_location; everything by default
        #[arg(long, value_delimiter = ',')]
        permissions: Vec<String>,
    },
    /// Explain why the triggers of a unified or eventBased webhook fired about a vehicle, or did not
    Explain {
        id: String,
        /// The webhook's id
        #[arg(long)]
        webhook: String,
    },
    /// Say that the owner has approved at the brand that charging events are reported
    Approve { id: String },
    /// Set what the owner grants, separated by commas
    Permit {
        id: String,
        /// read_battery,read_location; none at all takes everything away
        #[arg(value_delimiter = ',')]
        permissions: Vec<String>,
    },
    /// List vehicles
    List {
        #[arg(long)]
        app: Option<String>,
    },
    /// Show a vehicle with its subscriptions
    Show { id: String },
    /// End the connection of a vehicle
    Disconnect { id: String },
    /// Disconnect a vehicle and delete what is kept of it
    Erase { id: String },
    /// Give out an access token of its owner
    Token { id: String },
}
