//! `milepost listen`: a receiver for development.

use anyhow::Result;

use crate::cli::Listen;

pub(crate) async fn run(args: Listen) -> Result<()> {
    let options = lab::console::ListenOptions {
        listen: args.listen,
        secret: args.secret,
        behaviour: args.respond.parse()?,
        json: args.json,
    };
    Ok(lab::console::listen(options).await?)
}
