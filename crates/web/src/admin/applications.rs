//! `/api/v1/applications`: tenants, their client secrets and their management token.

use std::{sync::Arc, time::Duration};

use app::{App, ApplicationEntry, EditApplication};
use axum::{
    Json as Out,
    extract::{Path, State},
    http::{Method, StatusCode},
};
use domain::{ids::ApplicationId, time::Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, With};
use crate::{
    extract::{Ids, Json, MaybeJson, Query},
    paging::{self, Cursor, List, Page, PageQuery},
    problem::ApiError,
    route::{Operation, operation},
    wire::{Id, Moment},
};

/// The plan of an application that names none: nothing is limited.
const UNLIMITED: &str = "unlimited";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(Method::GET, "/applications", list, "Lists applications, oldest first")
            .query::<PageQuery>()
            .page_of::<Application>(),
        operation(
            Method::POST,
            "/applications",
            create,
            "Makes an application; its secrets are shown this once",
        )
        .takes::<NewApplication>()
        .answers::<CreatedApplication>(StatusCode::CREATED),
        operation(Method::GET, "/applications/{id}", get, "Shows an application")
            .answers::<Application>(StatusCode::OK),
        operation(Method::PATCH, "/applications/{id}", edit, "Changes an application")
            .takes::<ApplicationEdit>()
            .answers::<Application>(StatusCode::OK),
        operation(
            Method::DELETE,
            "/applications/{id}",
            delete,
            "Deletes an application without connections and webhooks",
        )
        .answers_nothing(),
        operation(
            Method::GET,
            "/applications/{id}/secrets",
            secrets,
            "Lists client secrets by their last characters",
        )
        .page_of::<Secret>(),
        operation(
            Method::POST,
            "/applications/{id}/secrets",
            add_secret,
            "Adds a client secret, shown this once",
        )
        .answers::<CreatedSecret>(StatusCode::CREATED),
        operation(
            Method::DELETE,
            "/applications/{id}/secrets/{hint}",
            remove_secret,
            "Removes the client secret with these last characters, unless it is the last one",
        )
        .answers_nothing(),
        operation(
            Method::POST,
            "/applications/{id}/management-token/rotate",
            rotate,
            "Replaces the management token, which signs payloads and opens management calls",
        )
        .may_take::<Rotation>()
        .answers::<ManagementToken>(StatusCode::OK),
        operation(
            Method::POST,
            "/applications/{id}/management-token/end-overlap",
            end_overlap,
            "Ends the overlap after a rotation: only the new management token counts",
        )
        .answers::<Application>(StatusCode::OK),
    ]
}

/// An application.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Application {
    id: Id,
    /// The same as `id`, under the name that OAuth has for it.
    client_id: Id,
    name: String,
    redirect_uris: Vec<String>,
    plan: String,
    /// While the management token before still counts, and signs: until when that is.
    management_token_overlap_until: Option<Moment>,
    created_at: Moment,
}

/// A new application with the secrets that are shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedApplication {
    #[serde(flatten)]
    application: Application,
    client_secret: String,
    management_token: String,
}

/// An application to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewApplication {
    name: String,
    /// Where Connect may lead back to, the default first.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// `unlimited` by default.
    plan: Option<String>,
}

/// What to change about an application.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationEdit {
    name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    plan: Option<String>,
}

/// A client secret, without itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secret {
    /// Its last characters.
    hint: String,
    created_at: Moment,
}

/// A new client secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedSecret {
    #[serde(flatten)]
    secret: Secret,
    client_secret: String,
}

/// How to replace a management token.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rotation {
    /// For so long management calls may present either token, and the old one signs; 30 days at most. 0 by default: the
    /// old one does nothing any more.
    #[serde(default)]
    overlap_seconds: u64,
}

/// The management token of an application.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagementToken {
    management_token: String,
    /// From then on only this token counts, and signs; null when that is so already.
    management_token_overlap_until: Option<Moment>,
}

impl Application {
    fn of(entry: &ApplicationEntry, now: Timestamp) -> Self {
        let application = &entry.application;
        Self {
            id: Id::of(application.id),
            client_id: Id::of(application.id),
            name: application.name.clone(),
            redirect_uris: application.redirect_uris.clone(),
            plan: application.plan.clone(),
            management_token_overlap_until: entry.overlap_until(now).map(Moment),
            created_at: Moment(application.created_at),
        }
    }
}

impl From<store::Secret> for Secret {
    fn from(secret: store::Secret) -> Self {
        Self { hint: secret.hint, created_at: Moment(secret.created_at) }
    }
}

/// `GET /api/v1/applications`
async fn list(State(app): State<Arc<App>>, Query(page): Query<PageQuery>) -> Answer<Page<Application>> {
    let (after, limit) = page.of(List::Applications)?;
    let after = after.map(paging::row);
    let mut entries = app.applications();
    entries.retain(|entry| after.is_none_or(|row| entry.application.no.0 > row));
    let next = paging::cut(&mut entries, limit, |entry| {
        Cursor::after_row(List::Applications, entry.application.no.0)
    });
    let now = app.now();
    Ok(Out(Page::new(entries.iter().map(|entry| Application::of(entry, now)).collect(), next)))
}

/// `POST /api/v1/applications`
async fn create(
    State(app): State<Arc<App>>,
    Json(new): Json<NewApplication>,
) -> Result<With<CreatedApplication>, ApiError> {
    let plan = new.plan.as_deref().unwrap_or(UNLIMITED);
    let created = app.create_application(&new.name, new.redirect_uris, plan).await?;
    let answer = CreatedApplication {
        application: Application::of(&created.entry, app.now()),
        client_secret: created.client_secret.to_string(),
        management_token: created.entry.management_token.to_string(),
    };
    Ok(With(StatusCode::CREATED, answer))
}

/// `GET /api/v1/applications/{id}`
async fn get(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Answer<Application> {
    Ok(Out(Application::of(&*app.application(id)?, app.now())))
}

/// `PATCH /api/v1/applications/{id}`
async fn edit(
    State(app): State<Arc<App>>,
    Ids(id): Ids<ApplicationId>,
    Json(edit): Json<ApplicationEdit>,
) -> Answer<Application> {
    let ApplicationEdit { name, redirect_uris, plan } = edit;
    let entry = app.edit_application(id, EditApplication { name, redirect_uris, plan }).await?;
    Ok(Out(Application::of(&entry, app.now())))
}

/// `DELETE /api/v1/applications/{id}`
async fn delete(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Result<StatusCode, ApiError> {
    app.delete_application(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/applications/{id}/secrets`
async fn secrets(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Answer<Page<Secret>> {
    Ok(Out(Page::whole(app.secrets(id).await?.into_iter().map(Secret::from).collect())))
}

/// `POST /api/v1/applications/{id}/secrets`
async fn add_secret(
    State(app): State<Arc<App>>,
    Ids(id): Ids<ApplicationId>,
) -> Result<With<CreatedSecret>, ApiError> {
    let (secret, text) = app.add_secret(id).await?;
    Ok(With(StatusCode::CREATED, CreatedSecret { secret: secret.into(), client_secret: text.to_string() }))
}

/// `DELETE /api/v1/applications/{id}/secrets/{hint}`
async fn remove_secret(
    State(app): State<Arc<App>>,
    Path((id, hint)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = id.parse().map_err(|_| ApiError::not_found("application"))?;
    app.remove_secret(id, &hint).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/applications/{id}/management-token/rotate`
async fn rotate(
    State(app): State<Arc<App>>,
    Ids(id): Ids<ApplicationId>,
    MaybeJson(rotation): MaybeJson<Rotation>,
) -> Answer<ManagementToken> {
    let overlap = Duration::from_secs(rotation.overlap_seconds);
    let entry = app.rotate_management_token(id, overlap).await?;
    Ok(Out(ManagementToken {
        management_token: entry.management_token.to_string(),
        management_token_overlap_until: entry.overlap_until(app.now()).map(Moment),
    }))
}

/// `POST /api/v1/applications/{id}/management-token/end-overlap`
async fn end_overlap(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Answer<Application> {
    let entry = app.end_overlap(id).await?;
    Ok(Out(Application::of(&entry, app.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Server;
    use axum::http::Method;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn secrets_are_shown_when_they_are_made_and_never_again() {
        let server = Server::new().await;
        let new = json!({"name": "A", "redirectUris": ["https://a.example/callback"]});
        let made = server.admin(Method::POST, "/applications", new).await.expect(201);
        let (secret, token) = (made.text("clientSecret"), made.text("managementToken"));
        let path = format!("/applications/{}", made.text("id"));
        for path in [path.clone(), "/applications".into(), format!("{path}/secrets")] {
            let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200).body;
            assert!(!shown.contains(&secret) && !shown.contains(&token), "{path}");
        }
        let shown = server.admin(Method::GET, &path, Value::Null).await.json();
        assert_eq!((&shown["clientId"], &shown["plan"]), (&shown["id"], &json!("unlimited")));
    }

    #[tokio::test]
    async fn an_application_keeps_one_client_secret_at_least() {
        let server = Server::new().await;
        let made = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.expect(201);
        let secrets = format!("/applications/{}/secrets", made.text("id"));
        let first = made.text("clientSecret");
        let first = format!("{secrets}/{}", &first[first.len() - 6..]);
        server.admin(Method::DELETE, &first, Value::Null).await.expect(409);
        server.admin(Method::POST, &secrets, Value::Null).await.expect(201);
        server.admin(Method::DELETE, &first, Value::Null).await.expect(204);
        let left = server.admin(Method::GET, &secrets, Value::Null).await.json();
        assert_eq!(left["items"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_application_is_changed_and_its_management_token_replaced() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}", tenant.application);
        let changed = server.admin(Method::PATCH, &path, json!({"name": "B"})).await.expect(200);
        assert_eq!(changed.text("name"), "B");
        let rotated =
            server.admin(Method::POST, &format!("{path}/management-token/rotate"), Value::Null).await;
        let token = rotated.expect(200).text("managementToken");
        let unsubscribe = format!("/v2.0/vehicles/{}/webhooks/{}", tenant.vehicle, tenant.webhook);
        let try_with = |token: String| {
            let (server, path) = (&server, &unsubscribe);
            async move { server.request(Method::DELETE, path, &token, Value::Null).await }
        };
        try_with(tenant.management_token.clone()).await.expect(401);
        try_with(token).await.expect(200);
    }

    #[tokio::test]
    async fn an_application_is_deleted_only_when_nothing_depends_on_it() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}", tenant.application);
        server.admin(Method::DELETE, &path, Value::Null).await.expect(409);
        server.admin(Method::DELETE, &format!("/webhooks/{}", tenant.webhook), Value::Null).await.expect(204);
        server
            .admin(Method::POST, &format!("/vehicles/{}/erase", tenant.vehicle), Value::Null)
            .await
            .expect(204);
        server.admin(Method::DELETE, &path, Value::Null).await.expect(204);
        server.admin(Method::GET, &path, Value::Null).await.expect(404);
    }
}
