//! The command line.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand};

/// Connected vehicles to webhooks: link cars, read them within their limits, POST signed data to callback URIs.
#[derive(Debug, Parser)]
#[command(name = "milepost", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Server, simulated fleet and receiver in one: see webhooks arrive within a minute
    Demo(Demo),
    /// Run the server
    Serve(Serve),
    /// A receiver for development: answers verification, checks signatures, prints events, misbehaves on request
    Listen(Listen),
    /// Applications: create, edit, list, show, their secrets, rotate their management token
    App(WithServer<AppCommand>),
    /// Webhooks: create, list, show, edit, verify, test, enable, disable, subscribe, delete
    Webhook(WithServer<WebhookCommand>),
    /// Vehicles: simulate, add, list, show, explain, approve, disconnect, erase
    Vehicle(WithServer<VehicleCommand>),
    /// Feeds, which push readings of an application's vehicles: create, list, delete
    Feed(WithServer<FeedCommand>),
    /// The delivery log: list, show, redeliver
    Delivery(WithServer<DeliveryCommand>),
    /// Push a recording into a running server, or let a simulated car drive it
    Replay(WithServerArgs<Replay>),
    /// Measure this machine: drain, latency, slots, beside a bare loop
    Bench(Bench),
    /// The receiver of the benchmark
    #[command(hide = true)]
    BenchReceiver {
        #[arg(long)]
        secret: String,
    },
    /// Ask a running server whether all is well
    Doctor(WithServerArgs<Doctor>),
    /// Write a consistent copy of a running server's database
    Backup(WithServerArgs<Backup>),
    /// Put a backup into a data folder, with the server stopped
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the data goes
    #[arg(long, default_value = "./milepost-data")]
    pub data: PathBuf,
    /// How many times faster than time the demo's clock runs
    #[arg(long, default_value_t = 60.0)]
    pub speed: f64,
    /// Drive one vehicle from a recorded trip (CSV) instead of the simulated fleet
    #[arg(long, value_name = "FILE.csv")]
    pub replay: Option<PathBuf>,
    /// Stop after so many hourly slots
    #[arg(long)]
    pub slots: Option<u64>,
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// One JSON object per line instead of pictures for people
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A configuration file; see --print-config for all settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Over server.listen
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Over server.data
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Over server.tls_cert: a certificate chain in PEM, read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Over server.tls_key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Print every setting with its default, and stop
    #[arg(long)]
    pub print_config: bool,
    /// For rehearsals: a clock that says this time at the start (seconds since 1970, UTC) instead of the machine's. On one
    /// data folder it must never go back. Cadences, retries and token lives follow it; deadlines of sockets do not
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub clock_from: Option<i64>,
    /// For rehearsals: how many times faster than time the clock of --clock-from runs
    #[arg(long, hide = true, default_value_t = 1.0, requires = "clock_from", value_parser = speed)]
    pub clock_speed: f64,
}

/// How fast a clock may run: from time itself to an hour in a second.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (1.0..=3_600.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 1 to 3600 is needed".into()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// The application's management token, which verifies signatures and answers challenges; without it neither is done
    #[arg(long, env = "MILEPOST_MANAGEMENT_TOKEN", hide_env_values = true)]
    pub secret: Option<String>,
    /// How to answer: 200, 500, hang, slow, redirect, drip, …
    #[arg(long, default_value = "200")]
    pub respond: String,
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// Where the server is and who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address
    #[arg(long, global = true, env = "MILEPOST_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The admin token; by default the file in the data folder is read
    #[arg(long, global = true, env = "MILEPOST_ADMIN_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The data folder that has the admin token
    #[arg(long, global = true, default_value = "./milepost-data")]
    pub data: PathBuf,
    /// Answers as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WithServer<C: Subcommand> {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(subcommand)]
    pub command: C,
}

#[derive(Debug, Args)]
pub(crate) struct WithServerArgs<A: Args> {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub args: A,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Make an application; its secrets are shown this once
    Create {
        name: String,
        /// A redirect URI for the consent flow; may be repeated
        #[arg(long = "redirect-uri")]
        redirect_uris: Vec<String>,
        /// The plan that says what it may use, as the server's configuration has it; "unlimited" by default
        #[arg(long)]
        plan: Option<String>,
        #[command(flatten)]
        connect: ConnectDefaults,
    },
    /// Change an application; what is not given stays as it is
    Edit {
        id: String,
        #[arg(long)]
        name: Option<String>,
        /// A redirect URI instead of those that there are; may be repeated
        #[arg(long = "redirect-uri")]
        redirect_uris: Vec<String>,
        #[arg(long)]
        plan: Option<String>,
        #[command(flatten)]
        connect: ConnectDefaults,
    },
    /// List applications
    List,
    /// Show an application
    Show { id: String },
    /// Replace the management token: the old one does nothing any more, unless there is an overlap
    RotateToken {
        id: String,
        /// For so many seconds either token opens management calls, and the old one signs
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        overlap_seconds: u64,
    },
    /// End the overlap after a rotation: only the new management token counts
    EndOverlap { id: String },
    /// List client secrets by their last characters
    Secrets { id: String },
    /// Add a client secret, shown this once; an application has three at most
    AddSecret { id: String },
    /// Remove the client secret with these last characters, unless it is the last one
    RemoveSecret { id: String, hint: String },
    /// Delete an application without connections and webhooks
    Delete { id: String },
}

/// What counts in Connect where a request leaves it open.
#[derive(Debug, Args)]
pub(crate) struct ConnectDefaults {
    /// What to ask owners for when a request has no scope, separated by commas: read_odometer,required:read_vin; "" is
    /// all that can be read
    #[arg(long, value_delimiter = ',', value_name = "PERMISSION", help_heading = "Connect")]
    pub permissions: Option<Vec<String>>,
    /// Where owners are when a request does not say it: DE; "" is what their browsers say
    #[arg(long, value_name = "COUNTRY", help_heading = "Connect")]
    pub country: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Make a webhook of any kind
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// scheduled, eventBased, dynamic (superseded) or unified
        #[arg(long, default_value = "scheduled")]
        kind: String,
        /// The application's id
        #[arg(long)]
        app: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// Where data goes: https://…
        #[arg(long)]
        callback_uri: String,
        #[command(flatten)]
        settings: Box<WebhookSettings>,
        /// Send a challenge to the callback URI at once
        #[arg(long)]
        verify: bool,
    },
    /// Change a webhook; a new callback URI is verified at once
    Edit {
        id: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        callback_uri: Option<String>,
        #[command(flatten)]
        settings: Box<WebhookSettings>,
    },
    /// List the webhooks of an application
    List {
        #[arg(long)]
        app: String,
    },
    /// Show a webhook
    Show { id: String },
    /// Send a challenge to the callback URI
    Verify { id: String },
    /// Send a payload with an invented vehicle
    Test {
        id: String,
        /// Of a unified webhook: VEHICLE_STATE or VEHICLE_ERROR
        #[arg(long, value_name = "TYPE")]
        event_type: Option<String>,
    },
    /// Switch a webhook on again
    Enable { id: String },
    /// Switch a webhook off
    Disable { id: String },
    /// Delete a webhook
    Delete { id: String },
    /// Put vehicles on a webhook
    Subscribe {
        id: String,
        /// Vehicle ids
        vehicles: Vec<String>,
        /// Every vehicle of the application
        #[arg(long, conflicts_with = "vehicles")]
        all: bool,
    },
    /// Take a vehicle off a webhook
    Unsubscribe { id: String, vehicle: String },
    /// List the vehicles on a webhook
    Vehicles { id: String },
}

const CREATE_EXAMPLES: &str = "\
Examples:
  milepost webhook create --app APP --name Fleet --callback-uri https://example.com/hooks --endpoints /odometer,/battery
  milepost webhook create --app APP --kind eventBased --name Charging --callback-uri https://example.com/hooks \\
      --events CHARGING_STARTED,CHARGING_COMPLETED
  milepost webhook create --app APP --kind unified --name Low --callback-uri https://example.com/hooks \\
      --triggers charge-ischarging,tractionbattery-stateofcharge=5 --signals location-preciselocation";

#[derive(Debug, Args)]
pub(crate) struct WebhookSettings {
    /// Put all vehicles of the application on it, present and coming ones
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub auto_subscribe: Option<bool>,
    /// The name in User-Agent: milepost or smartcar
    #[arg(long)]
    pub user_agent: Option<String>,
    /// hour, 6h, day, week, month
    #[arg(long, help_heading = "Scheduled webhooks")]
    pub every: Option<String>,
    /// Day of the week or of the month: monday, 31
    #[arg(long, help_heading = "Scheduled webhooks")]
    pub on: Option<String>,
    /// Hour of the day, 0 to 23
    #[arg(long, help_heading = "Scheduled webhooks")]
    pub hour: Option<u8>,
    /// IANA time zone of that hour: Europe/Berlin
    #[arg(long, help_heading = "Scheduled webhooks")]
    pub zone: Option<String>,
    /// What to send, separated by commas: /odometer,/location
    #[arg(long, value_delimiter = ',', help_heading = "Scheduled webhooks")]
    pub endpoints: Vec<String>,
    /// metric or imperial
    #[arg(long, help_heading = "Scheduled webhooks")]
    pub units: Option<String>,
    /// Which charging events to report, separated by commas: CHARGING_STARTED,CHARGING_STOPPED,CHARGING_COMPLETED
    #[arg(long, value_delimiter = ',', help_heading = "EventBased webhooks")]
    pub events: Vec<String>,
    /// halfHourly or brand
    #[arg(long, help_heading = "Dynamic webhooks")]
    pub pace: Option<String>,
    /// Signals that make it fire, separated by commas; with a dead band after =: tractionbattery-stateofcharge=5
    #[arg(long, value_delimiter = ',', value_name = "SIGNAL[=DEAD_BAND]", help_heading = "Unified webhooks")]
    pub triggers: Vec<String>,
    /// Signals to send, separated by commas; the triggers are among them
    #[arg(long, value_delimiter = ',', value_name = "SIGNAL", help_heading = "Unified webhooks")]
    pub signals: Vec<String>,
    /// Do not send triggers that --signals does not name
    #[arg(long, help_heading = "Unified webhooks")]
    pub without_triggers: bool,
    /// The documented shape of events: union, captured or docs-2026
    #[arg(long, help_heading = "Unified webhooks")]
    pub profile: Option<String>,
    /// What events say about simulated vehicles: simulated or live
    #[arg(long, help_heading = "Unified webhooks")]
    pub simulated_mode: Option<String>,
    /// Take any 2xx for an answer to a challenge, not only 200
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        help_heading = "Unified webhooks"
    )]
    pub lenient_verification: Option<bool>,
    /// Where errors of vehicles go, if not to the callback URI; "" sends them there again
    #[arg(long, value_name = "URI", help_heading = "Unified webhooks")]
    pub error_callback_uri: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Make a feed; its token is shown this once
    Create {
        /// The application's id
        #[arg(long)]
        app: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// What counts as newer: observed (measured later), delivery (arrives later) or sequence (has a higher number)
        #[arg(long, default_value = "observed")]
        newer: String,
        /// How long readings wait for earlier ones, in milliseconds
        #[arg(long, default_value_t = 0)]
        reorder_ms: u32,
    },
    /// List the feeds of an application
    List {
        #[arg(long)]
        app: String,
    },
    /// Remove a feed: its token opens nothing any more
    Delete { id: String },
}

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
        /// home, day, driving, charging or parked; home is a day that begins at home, plugged in
        #[arg(long, default_value = "home")]
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

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// List ended deliveries, newest first
    List {
        #[arg(long)]
        webhook: Option<String>,
        #[arg(long)]
        vehicle: Option<String>,
        /// delivered, failed, dropped, cancelled, expired, missed
        #[arg(long)]
        status: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: u16,
    },
    /// Show a delivery with its attempts
    Show { id: String },
    /// Send a delivery again, with the same event id
    Redeliver { id: String },
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The recording: CSV; for --vehicle also readings as lines of JSON
    pub file: PathBuf,
    /// Push its readings for this vehicle, with the token of a feed (mpf_…) as --token
    #[arg(long, value_name = "ID", conflicts_with_all = ["app", "webhook"], required_unless_present = "app")]
    pub vehicle: Option<String>,
    /// Make a simulated car that drives it, connected to this application
    #[arg(long, value_name = "ID")]
    pub app: Option<String>,
    /// Put that car on this webhook
    #[arg(long, value_name = "ID", requires = "app")]
    pub webhook: Option<String>,
    /// Which column is which signal (TOML), where the header does not say it
    #[arg(long, value_name = "FILE.toml")]
    pub columns: Option<PathBuf>,
    /// So many times faster than it was recorded; max pushes as fast as the server takes it
    #[arg(long, value_name = "N|max", default_value = "1")]
    pub speed: ReplaySpeed,
    /// Push readings with the times of the recording; otherwise the last one is measured when the replay ends
    #[arg(long, requires = "vehicle")]
    pub keep_times: bool,
}

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplaySpeed {
    /// So many times faster than it was recorded.
    Times(u16),
    /// Without pauses.
    Max,
}

impl ReplaySpeed {
    /// How long a part of the recording takes.
    pub(crate) fn time_for(self, recorded: Duration) -> Duration {
        match self {
            Self::Times(times) => recorded / u32::from(times.max(1)),
            Self::Max => Duration::ZERO,
        }
    }
}

impl FromStr for ReplaySpeed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "max" => Ok(Self::Max),
            text => match text.parse() {
                Ok(0) | Err(_) => Err("a whole number from 1 to 65535, or max"),
                Ok(times) => Ok(Self::Times(times)),
            },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// loop, drain, latency, readings, slot; all of them by default
    #[arg(long = "only", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Vehicles of the slots
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
    pub vehicles: Vec<usize>,
    /// Events of the drain
    #[arg(long, default_value_t = 200_000)]
    pub events: usize,
    /// How often each figure is taken; the median is shown
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Where data goes meanwhile; removed at the end. By default a folder beside ./milepost-data
    #[arg(long, default_value = "./milepost-bench")]
    pub data: PathBuf,
    /// The table as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The new file
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    pub file: PathBuf,
    /// The data folder
    #[arg(long, default_value = "./milepost-data")]
    pub data: PathBuf,
    /// Replace the database that is there
    #[arg(long)]
    pub force: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn no_option_of_a_command_is_in_the_way_of_one_that_all_have() {
        Cli::command().debug_assert();
    }
}
