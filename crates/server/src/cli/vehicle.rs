//! `milepost vehicle`.

use clap::Subcommand;

use super::{NewCar, Paging, id, one_of};

#[derive(Debug, Subcommand)]
pub(crate) enum VehicleCommand {
    /// Make a simulated car, and connect it to an application if one is named; `milepost simulator` controls it
    Simulate(Box<NewCar>),
    /// List the models that can be simulated
    Models,
    /// Connect a vehicle that cannot be asked: all that is known of it is pushed by feeds
    Add {
        /// The application's id
        #[arg(long, value_parser = id)]
        app: String,
        /// Its brand
        #[arg(long)]
        make: String,
        #[arg(long)]
        model: String,
        /// The model year
        #[arg(long)]
        year: u16,
        #[arg(long, default_value = "BEV", value_parser = one_of(&["ICE", "HEV", "PHEV", "BEV"]), ignore_case = true)]
        powertrain: String,
        #[arg(long, default_value = "US", value_parser = one_of(&["US", "CA", "EUROPE"]), ignore_case = true)]
        region: String,
        /// The id of its owner; a new one by default
        #[arg(long, value_parser = id)]
        user: Option<String>,
        /// What the owner grants, separated by commas: read_battery,read_location; everything by default
        #[arg(long, value_delimiter = ',')]
        permissions: Vec<String>,
    },
    /// Explain why the triggers of a unified or eventBased webhook fired about a vehicle, or did not
    Explain {
        #[arg(value_parser = id)]
        id: String,
        /// The webhook's id
        #[arg(long, value_parser = id)]
        webhook: String,
    },
    /// Say that the owner has approved at the brand that charging events are reported
    Approve {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Set what the owner grants, separated by commas
    Permit {
        #[arg(value_parser = id)]
        id: String,
        /// read_battery,read_location; none at all takes everything away
        #[arg(value_delimiter = ',')]
        permissions: Vec<String>,
    },
    /// List connected vehicles
    List {
        /// Only of this application
        #[arg(long, value_parser = id)]
        app: Option<String>,
        /// Only of this owner
        #[arg(long, value_parser = id)]
        user: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a vehicle with its subscriptions, and what is known of it; also one that was disconnected
    Show {
        #[arg(value_parser = id)]
        id: String,
    },
    /// End the connection of a vehicle
    Disconnect {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Disconnect a vehicle and delete what is kept of it; also one that was disconnected before
    Erase {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Give out an access token of its owner
    Token {
        #[arg(value_parser = id)]
        id: String,
    },
}
