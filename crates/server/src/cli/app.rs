//! `milepost app`.

use clap::{Args, Subcommand};

use super::{Paging, id};

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Make an application; its secrets are shown this once
    Create {
        /// Its name
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
        /// The application's id
        #[arg(value_parser = id)]
        id: String,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        /// A redirect URI instead of those that there are; may be repeated
        #[arg(long = "redirect-uri")]
        redirect_uris: Vec<String>,
        /// Another plan of the server's configuration
        #[arg(long)]
        plan: Option<String>,
        #[command(flatten)]
        connect: ConnectDefaults,
    },
    /// List applications
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an application
    Show {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Replace the management token: the old one does nothing any more, unless there is an overlap
    RotateToken {
        #[arg(value_parser = id)]
        id: String,
        /// For so many seconds either token opens management calls, and the old one signs
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        overlap_seconds: u64,
    },
    /// End the overlap after a rotation: only the new management token counts
    EndOverlap {
        #[arg(value_parser = id)]
        id: String,
    },
    /// List client secrets by their last characters
    Secrets {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Add a client secret, shown this once; an application has three at most
    AddSecret {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Remove the client secret with these last characters, unless it is the last one
    RemoveSecret {
        #[arg(value_parser = id)]
        id: String,
        #[arg(value_parser = id)]
        hint: String,
    },
    /// Delete an application without connections and webhooks
    Delete {
        #[arg(value_parser = id)]
        id: String,
    },
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
