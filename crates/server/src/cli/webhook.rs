//! `milepost webhook`.

use clap::{Args, Subcommand};

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
