//! `milepost bench`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// loop, drain, latency, readings, bombs, hanging, overload, slot; all of them by default
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
