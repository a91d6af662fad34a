//! `/api/v1/applications`: tenants, their client secrets and their management token.

use std::{sync::Arc, time::Duration};

use app::{App, ApplicationEntry, EditApplication, UNLIMITED};
use axum::{
    Json as Out,
    extract::{Path, State},
    http::{Method, StatusCode},
};
use domain::{
    connect::{
        country::{COUNTRIES, Country},
        defaults::{Defaults, Wanted},
    },
    ids::ApplicationId,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{Answer, Change, Changed, Shown, Versioned, idempotency::Keyed};
use crate::{
    extract::{Ids, IfMatch, Json, MaybeJson, Query},
    paging::{self, Cursor, List, Page, PageQuery},
    problem::ApiError,
    route::{Operation, operation},
    wire::{Id, Moment, some},
};

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
            .versioned()
            .answers::<Application>(StatusCode::OK),
        operation(
            Method::DELETE,
            "/applications/{id}",
            delete,
            "Deletes an application without connections and webhooks",
        )
        .versioned()
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
    connect: Connect,
    /// While the management token before still counts, and signs: until when that is.
    management_token_overlap_until: Option<Moment>,
    created_at: Moment,
}

/// What counts in Connect where a request leaves it open.
#[derive(Serialize, ToSchema)]
pub(crate) struct Connect {
    /// What is asked for when a request has no `scope`; null for all that can be read.
    #[schema(example = json!(["read_odometer", "required:read_vin"]))]
    permissions: Option<Vec<String>>,
    /// Where owners are when a request has no flag `country`; null for what their browsers say.
    #[schema(example = "DE")]
    country: Option<&'static str>,
}

/// What shall count in Connect where a request leaves it open.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectEdit {
    /// What to ask for when a request has no `scope`, as it would stand there. Null is all that can be read.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["read_odometer", "required:read_vin"]))]
    permissions: Option<Option<Vec<String>>>,
    /// Where owners are when a request has no flag `country`: two letters of ISO 3166-1. Null is what their browsers say.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<String>, example = "DE")]
    country: Option<Option<String>>,
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
    connect: Option<ConnectEdit>,
}

/// What to change about an application.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationEdit {
    #[serde(default, deserialize_with = "some")]
    name: Option<String>,
    #[serde(default, deserialize_with = "some")]
    redirect_uris: Option<Vec<String>>,
    #[serde(default, deserialize_with = "some")]
    plan: Option<String>,
    /// Members that are left out stay as they are; null leaves all of them open again.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<ConnectEdit>)]
    connect: Option<Option<ConnectEdit>>,
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
            connect: application.connect.into(),
            management_token_overlap_until: entry.overlap_until(now).and_then(Moment::known),
            created_at: Moment(application.created_at),
        }
    }
}

impl From<Defaults> for Connect {
    fn from(defaults: Defaults) -> Self {
        Self {
            permissions: defaults.permissions.map(|wanted| wanted.words().collect()),
            country: defaults.country.map(|country| country.code),
        }
    }
}

impl ConnectEdit {
    /// Leaves everything open.
    const OPEN: Self = Self { permissions: Some(None), country: Some(None) };

    fn permissions(&self) -> Result<Option<Option<Wanted>>, ApiError> {
        let read = |words: &Vec<String>| {
            let wanted = Wanted::of_words(words.iter().map(String::as_str))
                .map_err(|error| ApiError::invalid("connect.permissions", error))?;
            match wanted == Wanted::default() {
                true => Err(ApiError::invalid("connect.permissions", "name a permission, or write null")),
                false => Ok(wanted),
            }
        };
        self.permissions.as_ref().map(|words| words.as_ref().map(read).transpose()).transpose()
    }

    fn country(&self) -> Result<Option<Option<Country>>, ApiError> {
        let read = |code: &String| {
            Country::find(code).ok_or_else(|| {
                let known: Vec<_> = COUNTRIES.iter().map(|country| country.code).collect();
                let message = format!("{code:?} is no country with brands; there are {}", known.join(", "));
                ApiError::invalid("connect.country", message)
            })
        };
        self.country.as_ref().map(|code| code.as_ref().map(read).transpose()).transpose()
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
    keyed: Keyed,
    Json(new): Json<NewApplication>,
) -> Result<Changed<CreatedApplication>, ApiError> {
    let plan = new.plan.as_deref().unwrap_or(UNLIMITED);
    let connect = new.connect.unwrap_or_default();
    let connect =
        Defaults { permissions: connect.permissions()?.flatten(), country: connect.country()?.flatten() };
    let now = app.now();
    let answer = |created: &app::CreatedApplication| {
        Changed::created(CreatedApplication {
            application: Application::of(&created.entry, now),
            client_secret: created.client_secret.to_string(),
            management_token: created.entry.management_token.to_string(),
        })
    };
    let kept = |created: &app::CreatedApplication| answer(created).to_kept();
    let answering = keyed.answering(&kept);
    let created =
        app.create_application(&new.name, new.redirect_uris, plan, connect, answering.as_ref()).await?;
    let version = created.entry.application.version;
    Ok(answer(&created).version(version))
}

/// `GET /api/v1/applications/{id}`
async fn get(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Shown<Application> {
    let entry = app.application(id)?;
    Ok(Versioned(entry.application.version, Application::of(&entry, app.now())))
}

/// `PATCH /api/v1/applications/{id}`
async fn edit(
    State(app): State<Arc<App>>,
    Ids(id): Ids<ApplicationId>,
    IfMatch(precondition): IfMatch,
    Json(edit): Json<ApplicationEdit>,
) -> Change<Application> {
    let ApplicationEdit { name, redirect_uris, plan, connect } = edit;
    let connect = connect.map(|edit| edit.unwrap_or(ConnectEdit::OPEN)).unwrap_or_default();
    let (permissions, country) = (connect.permissions()?, connect.country()?);
    let edit = EditApplication { name, redirect_uris, plan, permissions, country };
    let entry = app.edit_application(id, &precondition, edit).await?;
    let warnings = app.plan_warnings(&entry).await?;
    Ok(Changed::ok(Application::of(&entry, app.now())).version(entry.application.version).warn(warnings))
}

/// `DELETE /api/v1/applications/{id}`
async fn delete(
    State(app): State<Arc<App>>,
    Ids(id): Ids<ApplicationId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, ApiError> {
    app.delete_application(id, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/applications/{id}/secrets`
async fn secrets(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Answer<Page<Secret>> {
    Ok(Out(Page::whole(app.secrets(id).await?.into_iter().map(Secret::from).collect())))
}

/// `POST /api/v1/applications/{id}/secrets`
async fn add_secret(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(id): Ids<ApplicationId>,
) -> Result<Changed<CreatedSecret>, ApiError> {
    let answer = |(secret, text): &(store::Secret, Zeroizing<String>)| {
        Changed::created(CreatedSecret { secret: secret.clone().into(), client_secret: text.to_string() })
    };
    let kept = |added: &_| answer(added).to_kept();
    Ok(answer(&app.add_secret(id, keyed.answering(&kept).as_ref()).await?))
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
    keyed: Keyed,
    Ids(id): Ids<ApplicationId>,
    MaybeJson(rotation): MaybeJson<Rotation>,
) -> Change<ManagementToken> {
    let (overlap, now) = (Duration::from_secs(rotation.overlap_seconds), app.now());
    let answer = |entry: &app::ApplicationEntry| {
        Changed::ok(ManagementToken {
            management_token: entry.management_token.to_string(),
            management_token_overlap_until: entry.overlap_until(now).and_then(Moment::known),
        })
    };
    let kept = |entry: &app::ApplicationEntry| answer(entry).to_kept();
    Ok(answer(&*app.rotate_management_token(id, overlap, keyed.answering(&kept).as_ref()).await?))
}

/// `POST /api/v1/applications/{id}/management-token/end-overlap`
async fn end_overlap(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Change<Application> {
    let entry = app.end_overlap(id).await?;
    Ok(Changed::ok(Application::of(&entry, app.now())).version(entry.application.version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::testing::{Answered, Server, Tenant, receiver};
    use domain::signature;
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

    /// A server with an application whose management token is replaced with an overlap of an hour.
    struct Overlap {
        server: Server,
        tenant: Tenant,
        old: String,
        new: String,
        until: String,
    }

    impl Overlap {
        async fn new() -> Self {
            let server = Server::new().await;
            let tenant = server.tenant("A").await;
            let path = format!("/applications/{}/management-token/rotate", tenant.application);
            let body = json!({"overlapSeconds": 3_600});
            let rotated = server.admin(Method::POST, &path, body).await.expect(200);
            let (old, new) = (tenant.management_token.clone(), rotated.text("managementToken"));
            Self { old, new, until: rotated.text("managementTokenOverlapUntil"), server, tenant }
        }

        async fn ask(&self, method: Method, path: &str, body: Value) -> Answered {
            self.server.admin(method, &format!("/applications/{}{path}", self.tenant.application), body).await
        }

        /// Until when the view says that the old token counts.
        async fn shown(&self) -> Value {
            self.ask(Method::GET, "", Value::Null).await.expect(200).json()["managementTokenOverlapUntil"]
                .take()
        }

        /// Whether management calls may present a token.
        async fn opens(&self, token: &str) -> bool {
            let path = format!("/v2.0/vehicles/{}/webhooks/{}", self.tenant.vehicle, self.tenant.webhook);
            let answered = self.server.request(Method::DELETE, &path, token, Value::Null).await;
            [200, 401].into_iter().find(|&status| answered.status == status).expect("one of both") == 200
        }

        /// Whether a receiver that knows only this token passes a verification, and sees good signatures.
        async fn is_signed_with(&self, token: &str) -> bool {
            self.server.clock.pass(Duration::from_secs(1));
            let (answer, token) = (receiver(token.to_owned(), 200), token.to_owned());
            let good = Arc::new(AtomicBool::new(false));
            let is_good = good.clone();
            self.server.outbound.answer(move |post| {
                let expected = signature::sign(&token, &post.body);
                is_good.store(post.signature.as_deref() == Some(&expected), Ordering::Relaxed);
                answer(post)
            });
            let path = format!("/webhooks/{}/verify", self.tenant.webhook);
            let verified = self.server.admin(Method::POST, &path, Value::Null).await.expect(200).json();
            let passed = verified["lastVerification"]["passed"] == true;
            assert_eq!(good.load(Ordering::Relaxed), passed, "signature and challenge go together");
            passed
        }
    }

    #[tokio::test]
    async fn while_two_management_tokens_count_either_opens_and_the_old_one_signs() {
        let overlap = Overlap::new().await;
        assert_eq!(overlap.shown().await, overlap.until);
        assert!(overlap.opens(&overlap.old).await && overlap.opens(&overlap.new).await);
        assert!(overlap.is_signed_with(&overlap.old).await && !overlap.is_signed_with(&overlap.new).await);
    }

    #[tokio::test]
    async fn after_an_overlap_or_its_early_end_only_the_new_management_token_counts() {
        for early in [true, false] {
            let overlap = Overlap::new().await;
            if early {
                let ended = overlap.ask(Method::POST, "/management-token/end-overlap", Value::Null).await;
                assert_eq!(ended.expect(200).json()["managementTokenOverlapUntil"], Value::Null);
            } else {
                overlap.server.clock.pass(Duration::from_secs(3_600));
            }
            assert_eq!(overlap.shown().await, Value::Null);
            assert!(!overlap.opens(&overlap.old).await && overlap.opens(&overlap.new).await);
            assert!(
                !overlap.is_signed_with(&overlap.old).await && overlap.is_signed_with(&overlap.new).await
            );
            overlap.server.settle().await;
            let id = overlap.tenant.application.parse().unwrap();
            let entry = overlap.server.app.application(id).unwrap();
            assert_eq!(entry.application.retiring, None, "the old one is forgotten");
        }
    }

    #[tokio::test]
    async fn an_overlap_has_bounds_and_there_is_one_at_a_time() {
        let overlap = Overlap::new().await;
        let rotate = async |seconds: u64| {
            overlap.ask(Method::POST, "/management-token/rotate", json!({"overlapSeconds": seconds})).await
        };
        let refused = rotate(30 * 24 * 3_600 + 1).await.expect(400);
        assert_eq!(refused.text("field"), "overlapSeconds");
        rotate(60).await.expect(409);
        assert!(overlap.opens(&overlap.old).await && overlap.opens(&overlap.new).await);
        let newest = rotate(0).await.expect(200);
        assert_eq!(newest.json()["managementTokenOverlapUntil"], Value::Null);
        assert!(!overlap.opens(&overlap.old).await && !overlap.opens(&overlap.new).await);
        assert!(overlap.opens(&newest.text("managementToken")).await);
        rotate(30 * 24 * 3_600).await.expect(200);
    }

    #[tokio::test]
    async fn a_redirect_uri_by_plain_http_is_refused_at_its_registration() {
        let server = Server::new().await;
        let made = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.expect(201);
        let path = format!("/applications/{}", made.text("id"));
        for uri in ["http://example.com/back", "http://localhost:80@example.com/back", "javascript://x"] {
            let uris = json!(["https://example.com/back", uri]);
            let new = json!({"name": "B", "redirectUris": uris});
            let refused = server.admin(Method::POST, "/applications", new).await.expect(400);
            assert_eq!(refused.text("field"), "redirectUris", "{uri}");
            server.admin(Method::PATCH, &path, json!({"redirectUris": uris})).await.expect(400);
        }
        let shown = server.admin(Method::GET, &path, Value::Null).await.json();
        assert_eq!(shown["redirectUris"], json!([]), "nothing has changed");
    }

    #[tokio::test]
    async fn what_counts_in_connect_is_set_shown_changed_and_left_open_again() {
        let server = Server::new().await;
        let set = json!({"permissions": ["required:read_vin", "control_charge"], "country": "de"});
        let new = json!({"name": "A", "connect": set});
        let made = server.admin(Method::POST, "/applications", new).await.expect(201);
        let path = format!("/applications/{}", made.text("id"));
        let permissions = json!(["required:read_vin", "control_charge"]);
        assert_eq!(made.json()["connect"], json!({"permissions": permissions, "country": "DE"}));
        for (edit, expected) in [
            (json!({}), json!({"permissions": permissions, "country": "DE"})),
            (json!({"country": "FR"}), json!({"permissions": permissions, "country": "FR"})),
            (json!({"country": null}), json!({"permissions": permissions, "country": null})),
            (json!({"permissions": null, "country": "CA"}), json!({"permissions": null, "country": "CA"})),
            (json!({"permissions": ["read_fuel"]}), json!({"permissions": ["read_fuel"], "country": "CA"})),
            (Value::Null, json!({"permissions": null, "country": null})),
        ] {
            let edited = server.admin(Method::PATCH, &path, json!({"connect": edit})).await.expect(200);
            assert_eq!(edited.json()["connect"], expected, "{edit}");
            let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200);
            assert_eq!(shown.json()["connect"], expected, "{edit}");
        }
        server.admin(Method::PATCH, &path, json!({"connect": {"country": "AT"}})).await.expect(200);
        server.admin(Method::PATCH, &path, json!({"name": "B"})).await.expect(200);
        assert_eq!(server.admin(Method::GET, &path, Value::Null).await.json()["connect"]["country"], "AT");
    }

    #[tokio::test]
    async fn what_connect_does_not_know_is_refused_with_what_to_write() {
        let server = Server::new().await;
        let made = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.expect(201);
        let path = format!("/applications/{}", made.text("id"));
        for (connect, field, says) in [
            (
                json!({"permissions": ["read_all"]}),
                "connect.permissions",
                "permissions look like read_odometer",
            ),
            (json!({"permissions": []}), "connect.permissions", "name a permission, or write null"),
            (json!({"country": "XX"}), "connect.country", "there are US, CA, AT"),
        ] {
            let new = json!({"name": "B", "connect": connect});
            for refused in [
                server.admin(Method::POST, "/applications", new).await.expect(400),
                server.admin(Method::PATCH, &path, json!({"connect": connect})).await.expect(400),
            ] {
                assert_eq!(refused.text("field"), field);
                assert!(refused.text("detail").contains(says), "{}", refused.body);
            }
        }
        server.admin(Method::PATCH, &path, json!({"connect": {"zone": "x"}})).await.expect(400);
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
