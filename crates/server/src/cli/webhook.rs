//! `milepost webhook`.

use clap::{Args, Subcommand};

use super::{Paging, id, one_of};

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Make a webhook of any kind
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// Its generation; dynamic is superseded by unified
        #[arg(
            long, default_value = "scheduled", value_parser = one_of(&["scheduled", "eventBased", "dynamic", "unified"]),
            ignore_case = true
        )]
        kind: String,
        /// The application's id
        #[arg(long, value_parser = id)]
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
        /// The webhook's id
        #[arg(value_parser = id)]
        id: String,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        /// Where data goes from now on
        #[arg(long)]
        callback_uri: Option<String>,
        #[command(flatten)]
        settings: Box<WebhookSettings>,
    },
    /// List the webhooks of an application
    List {
        /// The application's id
        #[arg(long, value_parser = id)]
        app: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a webhook
    Show {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Send a challenge to the callback URI
    Verify {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Send a payload with an invented vehicle
    Test {
        #[arg(value_parser = id)]
        id: String,
        /// Which event; VEHICLE_ERROR of a unified webhook only
        #[arg(
            long, value_name = "TYPE", value_parser = one_of(&["VEHICLE_STATE", "VEHICLE_ERROR"]), ignore_case = true
        )]
        event_type: Option<String>,
    },
    /// Switch a webhook on again
    Enable {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Switch a webhook off
    Disable {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Delete a webhook
    Delete {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Put vehicles on a webhook
    Subscribe {
        #[arg(value_parser = id)]
        id: String,
        /// Vehicle ids
        #[arg(value_parser = id)]
        vehicles: Vec<String>,
        /// Every vehicle of the application
        #[arg(long, conflicts_with = "vehicles")]
        all: bool,
    },
    /// Take a vehicle off a webhook
    Unsubscribe {
        #[arg(value_parser = id)]
        id: String,
        #[arg(value_parser = id)]
        vehicle: String,
    },
    /// List the vehicles on a webhook
    Vehicles {
        #[arg(value_parser = id)]
        id: String,
        #[command(flatten)]
        paging: Paging,
    },
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
    /// The name in User-Agent
    #[arg(long, value_parser = one_of(&["milepost", "smartcar"]), ignore_case = true)]
    pub user_agent: Option<String>,
    /// A header of your own on every request; may be repeated. NAME:env:VARIABLE and NAME:file:PATH read the value from there,
    /// NAME:- from standard input, so that it does not stand in the shell's history; NAME: alone removes it
    #[arg(long = "header", value_name = "NAME:VALUE", help_heading = "Headers")]
    pub headers: Vec<String>,
    /// User and password for basic auth; USER:env:VARIABLE, USER:file:PATH and USER:- as with --header; "" removes it
    #[arg(long, value_name = "USER:PASSWORD", help_heading = "Headers")]
    pub basic_auth: Option<String>,
    /// Remove all headers of your own first
    #[arg(long, help_heading = "Headers")]
    pub clear_headers: bool,
    /// Send them to an error URI on another origin, too
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Headers")]
    pub headers_to_error_uri: Option<bool>,
    /// hour, 6h, day, week, month
    #[arg(long, help_heading = "Scheduled webhooks")]
    pub every: Option<String>,
    /// Day of the week or of the month: monday, 31
    #[arg(long, requires = "every", help_heading = "Scheduled webhooks")]
    pub on: Option<String>,
    /// Hour of the day, 0 to 23
    #[arg(long, requires = "every", value_parser = clap::value_parser!(u8).range(0..=23), help_heading = "Scheduled webhooks")]
    pub hour: Option<u8>,
    /// IANA time zone of that hour: Europe/Berlin
    #[arg(long, requires = "every", help_heading = "Scheduled webhooks")]
    pub zone: Option<String>,
    /// What to send, separated by commas: /odometer,/location
    #[arg(long, value_delimiter = ',', help_heading = "Scheduled webhooks")]
    pub endpoints: Vec<String>,
    /// The units of payloads
    #[arg(
        long, value_parser = one_of(&["metric", "imperial"]), ignore_case = true, help_heading = "Scheduled webhooks"
    )]
    pub units: Option<String>,
    /// The eventName of payloads, which documents of the format spell in two ways
    #[arg(
        long, value_name = "NAME", value_parser = one_of(&["schedule", "scheduled"]), ignore_case = true,
        help_heading = "Scheduled webhooks"
    )]
    pub event_name: Option<String>,
    /// How many vehicles one request may carry, 1 to 100
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100), help_heading = "Scheduled webhooks"
    )]
    pub vehicles_per_request: Option<u16>,
    /// Which charging events to report, separated by commas
    #[arg(
        long, value_delimiter = ',', value_name = "EVENT", ignore_case = true,
        value_parser = one_of(&["CHARGING_STARTED", "CHARGING_STOPPED", "CHARGING_COMPLETED"]),
        help_heading = "EventBased webhooks"
    )]
    pub events: Vec<String>,
    /// How fast to follow a vehicle that is plugged in: every half hour, or as often as its brand has fresh data
    #[arg(
        long, value_parser = one_of(&["halfHourly", "brand"]), ignore_case = true, help_heading = "Dynamic webhooks"
    )]
    pub pace: Option<String>,
    /// Signals that make it fire, separated by commas; with a dead band after =: tractionbattery-stateofcharge=5
    #[arg(long, value_delimiter = ',', value_name = "SIGNAL[=DEAD_BAND]", help_heading = "Unified webhooks")]
    pub triggers: Vec<String>,
    /// Signals to send, separated by commas; the triggers are among them
    #[arg(long, value_delimiter = ',', value_name = "SIGNAL", help_heading = "Unified webhooks")]
    pub signals: Vec<String>,
    /// Do not send triggers that --signals does not name
    #[arg(long, conflicts_with = "include_triggers", help_heading = "Unified webhooks")]
    pub without_triggers: bool,
    /// Whether triggers are sent that --signals does not name; they are, unless this says false
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        help_heading = "Unified webhooks"
    )]
    pub include_triggers: Option<bool>,
    /// The documented shape of events
    #[arg(
        long, value_parser = one_of(&["union", "captured", "docs-2026"]), ignore_case = true,
        help_heading = "Unified webhooks"
    )]
    pub profile: Option<String>,
    /// What events say about simulated vehicles
    #[arg(
        long, value_parser = one_of(&["simulated", "live"]), ignore_case = true, help_heading = "Unified webhooks"
    )]
    pub simulated_mode: Option<String>,
    /// Take any 2xx for an answer to a challenge, not only 200
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        help_heading = "Unified webhooks"
    )]
    pub lenient_verification: Option<bool>,
    /// Whether an error URI on another origin has to answer a challenge first; it has to, unless this says false
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        help_heading = "Unified webhooks"
    )]
    pub verify_error_uri: Option<bool>,
    /// Where errors of vehicles go, if not to the callback URI; "" sends them there again
    #[arg(long, value_name = "URI", help_heading = "Unified webhooks")]
    pub error_callback_uri: Option<String>,
}
