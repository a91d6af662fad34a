//! `milepost bench`.
use anyhow::Result;
use crate::cli::Bench;
pub(crate) async fn run(_args: Bench) -> Result<()> { anyhow::bail!("being built") }
