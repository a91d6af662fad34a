//! `milepost connection | user`.

use anyhow::Result;
use serde_json::json;

use crate::{
    cli::{ConnectionCommand, UserCommand, WithServer},
    commands::{client::Client, show},
};

pub(crate) async fn connection(with: WithServer<ConnectionCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        ConnectionCommand::List { app, user, paging } => {
            let page =
                client.list("/connections", &[("applicationId", app), ("userId", user)], &paging).await?;
            let columns = &["id", "vehicleId", "userId", "permissions", "connectedAt"];
            show::list_or(&page, columns, json, "no connections; owners connect vehicles in Connect");
        }
    }
    Ok(())
}

pub(crate) async fn user(with: WithServer<UserCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        UserCommand::Erase { id } => {
            show::object(&client.post(&format!("/users/{}/erase", id), json!({})).await?, json);
        }
    }
    Ok(())
}
