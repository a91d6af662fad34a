//! `milepost app`.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::done;
use crate::{
    cli::{AppCommand, ConnectDefaults, WithServer},
    commands::{WrongUse, client::Client, show},
};

pub(crate) async fn application(with: WithServer<AppCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    match with.command {
        AppCommand::Create { name, redirect_uris, plan, connect } => {
            let connect = connect_body(connect);
            let body =
                json!({ "name": name, "redirectUris": redirect_uris, "plan": plan, "connect": connect });
            show::object(&client.post("/applications", body).await?, json);
        }
        AppCommand::Edit { id, name, redirect_uris, plan, connect } => {
            let mut body = Map::new();
            let connect = connect_body(connect);
            if connect.as_object().is_some_and(|members| !members.is_empty()) {
                body.insert("connect".into(), connect);
            }
            body.extend(name.map(|name| ("name".into(), json!(name))));
            body.extend(plan.map(|plan| ("plan".into(), json!(plan))));
            if !redirect_uris.is_empty() {
                body.insert("redirectUris".into(), json!(redirect_uris));
            }
            if body.is_empty() {
                bail!(WrongUse("say what to change: --name, --redirect-uri, --plan, --permissions or --country"));
            }
            show::object(&client.patch(&format!("/applications/{id}"), body.into()).await?, json);
        }
        AppCommand::List { paging } => {
            let page = client.list("/applications", &[], &paging).await?;
            let hint = "no applications; `milepost app create NAME` makes one";
            show::list_or(&page, &["id", "name", "plan", "createdAt"], json, hint);
        }
        AppCommand::Show { id } => show::object(&client.get(&format!("/applications/{id}")).await?, json),
        AppCommand::RotateToken { id, overlap_seconds } => {
            let path = format!("/applications/{id}/management-token/rotate");
            let body = json!({ "overlapSeconds": overlap_seconds });
            show::object(&client.post(&path, body).await?, json);
        }
        AppCommand::EndOverlap { id } => {
            let path = format!("/applications/{id}/management-token/end-overlap");
            show::object(&client.post(&path, json!({})).await?, json);
        }
        AppCommand::Secrets { id } => {
            let page = client.get(&format!("/applications/{id}/secrets")).await?;
            show::list(&page, &["hint", "createdAt"], json);
        }
        AppCommand::AddSecret { id } => {
            show::object(&client.post(&format!("/applications/{id}/secrets"), json!({})).await?, json);
        }
        AppCommand::RemoveSecret { id, hint } => {
            client.delete(&format!("/applications/{id}/secrets/{hint}")).await?;
            done(json);
        }
        AppCommand::Delete { id } => {
            client.delete(&format!("/applications/{id}")).await?;
            done(json);
        }
    }
    Ok(())
}

/// What counts in Connect; an empty word leaves it open.
fn connect_body(connect: ConnectDefaults) -> Value {
    let mut body = Map::new();
    if let Some(mut words) = connect.permissions {
        words.retain(|word| !word.is_empty());
        body.insert("permissions".into(), if words.is_empty() { Value::Null } else { json!(words) });
    }
    if let Some(code) = connect.country {
        body.insert("country".into(), if code.is_empty() { Value::Null } else { json!(code) });
    }
    body.into()
}
