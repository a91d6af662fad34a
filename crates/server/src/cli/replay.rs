//! `milepost replay`.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The recording: separated text (CSV) or a track (GPX); for --vehicle also readings as lines of JSON
    pub file: PathBuf,
    /// Push its readings for this vehicle, with the token of a feed (mpf_…) as --token
    #[arg(long, value_name = "ID", value_parser = super::id, conflicts_with_all = ["app", "webhook"])]
    pub vehicle: Option<String>,
    /// Make a simulated car that drives it, connected to this application
    #[arg(long, value_name = "ID", value_parser = super::id)]
    pub app: Option<String>,
    /// Put that car on this webhook
    #[arg(long, value_name = "ID", value_parser = super::id, requires = "app")]
    pub webhook: Option<String>,
    /// The column map (TOML): a CSV file needs one, unless its header begins with Date,Time,Soc,Speed,Mode,LAT,LON; see
    /// docs/recordings.md
    #[arg(long, value_name = "FILE.toml")]
    pub columns: Option<PathBuf>,
    /// So many times faster than it was recorded; max pushes as fast as the server takes it
    #[arg(long, value_name = "N|max", default_value = "1")]
    pub speed: ReplaySpeed,
    /// Shorten every pause between two rows to so many seconds; by default pauses are as they were recorded
    #[arg(long, value_name = "SECONDS", value_parser = super::positive::<u64>)]
    pub longest_pause: Option<u64>,
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
