//! `milepost listen`: a receiver for development.

use anyhow::Result;
use lab::behaviour::UnknownBehaviour;

use super::BadOption;
use crate::cli::Listen;

pub(crate) async fn run(args: Listen) -> Result<()> {
    let options = lab::listen::ListenOptions {
        address: args.listen,
        secret: args.secret,
        behaviour: args.respond.parse().map_err(|error: UnknownBehaviour| BadOption(format!("--respond: {error}")))?,
        json: args.json,
    };
    Ok(lab::listen::listen(options).await?)
}
