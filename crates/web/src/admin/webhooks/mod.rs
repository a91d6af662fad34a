//! `/api/v1/applications/{id}/webhooks` and `/api/v1/webhooks`.

mod cadence;
mod settings;
mod signals;
mod wire;

use std::sync::Arc;

use app::App;
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::ids::{ApplicationId, WebhookId};

use super::{Answer, With};
use crate::{
    extract::{Ids, Json, MaybeJson, Query},
    paging::{self, Cursor, List, Page, PageQuery},
    problem::ApiError,
    route::{Operation, operation},
};
use wire::{NewWebhook, TestEvent, TestRequest, Webhook, WebhookEdit};

pub(super) fn operations() -> Vec<Operation> {
    let ok = StatusCode::OK;
    vec![
        operation(
            Method::GET,
            "/applications/{id}/webhooks",
            list,
            "Lists the webhooks of an application, oldest first",
        )
        .query::<PageQuery>()
        .page_of::<Webhook>(),
        operation(
            Method::POST,
            "/applications/{id}/webhooks",
            create,
            "Makes a webhook, and verifies it on request",
        )
        .takes::<NewWebhook>()
        .answers::<Webhook>(StatusCode::CREATED),
        operation(Method::GET, "/webhooks/{id}", get, "Shows a webhook").answers::<Webhook>(ok),
        operation(
            Method::PATCH,
            "/webhooks/{id}",
            edit,
            "Changes a webhook; a new callback URI is verified at once and gets no data before",
        )
        .takes::<WebhookEdit>()
        .answers::<Webhook>(ok),
        operation(
            Method::DELETE,
            "/webhooks/{id}",
            delete,
            "Deletes a webhook with its subscriptions; its log stays",
        )
        .answers_nothing(),
        operation(Method::POST, "/webhooks/{id}/verify", verify, "Sends a challenge to the callback URI")
            .answers::<Webhook>(ok),
        operation(Method::POST, "/webhooks/{id}/test", test, "Sends a payload with an invented vehicle")
            .may_take::<TestRequest>()
            .answers::<Webhook>(ok),
        operation(
            Method::POST,
            "/webhooks/{id}/enable",
            enable,
            "Switches a webhook on; what was dropped while it was off is not sent by itself",
        )
        .answers::<Webhook>(ok),
        operation(
            Method::POST,
            "/webhooks/{id}/disable",
            disable,
            "Switches a webhook off and drops what is queued",
        )
        .answers::<Webhook>(ok),
    ]
}

/// `GET /api/v1/applications/{id}/webhooks`
async fn list(
    State(app): State<Arc<App>>,
    Ids(id): Ids<ApplicationId>,
    Query(page): Query<PageQuery>,
) -> Answer<Page<Webhook>> {
    let (after, limit) = page.of(List::Webhooks)?;
    let after = after.map(paging::row);
    let application = app.application(id)?.application.no;
    let mut entries = app.webhooks(Some(application));
    entries.retain(|entry| after.is_none_or(|row| entry.webhook().no.0 > row));
    let next =
        paging::cut(&mut entries, limit, |entry| Cursor::after_row(List::Webhooks, entry.webhook().no.0));
    let mut webhooks = Vec::with_capacity(entries.len());
    for entry in entries {
        webhooks.push(Webhook::from(&app.webhook(entry.webhook().id).await?));
    }
    Ok(Out(Page::new(webhooks, next)))
}

/// `POST /api/v1/applications/{id}/webhooks`
async fn create(
    State(app): State<Arc<App>>,
    Ids(application): Ids<ApplicationId>,
    Json(new): Json<NewWebhook>,
) -> Result<With<Webhook>, ApiError> {
    let verify = new.verify;
    let mut view = app.create_webhook(new.into_request(application)?).await?;
    if verify {
        view = app.verify_webhook(view.entry.webhook().id).await?;
    }
    Ok(With(StatusCode::CREATED, Webhook::from(&view)))
}

/// `GET /api/v1/webhooks/{id}`
async fn get(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Answer<Webhook> {
    Ok(Out(Webhook::from(&app.webhook(id).await?)))
}

/// `PATCH /api/v1/webhooks/{id}`
async fn edit(
    State(app): State<Arc<App>>,
    Ids(id): Ids<WebhookId>,
    Json(edit): Json<WebhookEdit>,
) -> Answer<Webhook> {
    let current = app.webhook_entry(id)?;
    let edit = edit.into_edit(&current.webhook().revision.plan)?;
    Ok(Out(Webhook::from(&app.edit_webhook(id, edit).await?)))
}

/// `DELETE /api/v1/webhooks/{id}`
async fn delete(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Result<StatusCode, ApiError> {
    app.delete_webhook(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/webhooks/{id}/verify`
async fn verify(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Answer<Webhook> {
    Ok(Out(Webhook::from(&app.verify_webhook(id).await?)))
}

/// `POST /api/v1/webhooks/{id}/test`
async fn test(
    State(app): State<Arc<App>>,
    Ids(id): Ids<WebhookId>,
    MaybeJson(test): MaybeJson<TestRequest>,
) -> Answer<Webhook> {
    let error = test.event_type == TestEvent::VehicleError;
    Ok(Out(Webhook::from(&app.test_webhook(id, error).await?)))
}

/// `POST /api/v1/webhooks/{id}/enable`
async fn enable(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Answer<Webhook> {
    Ok(Out(Webhook::from(&app.enable_webhook(id).await?)))
}

/// `POST /api/v1/webhooks/{id}/disable`
async fn disable(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Answer<Webhook> {
    Ok(Out(Webhook::from(&app.disable_webhook(id).await?)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{Answered, PRIVATE_HOST, Server, new_webhook, receiver};
    use app::ports::Reply;
    use axum::http::Method;
    use domain::delivery::Failure;
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    #[track_caller]
    fn refused(answered: &Answered, expected: Expect) {
        let problem = answered.json();
        let shown = ["status", "code", "field", "detail"].map(|member| problem[member].to_string());
        expected.assert_eq(&shown.join("\n"));
    }

    #[tokio::test]
    async fn a_webhook_is_shown_as_it_was_made() {
        let server = Server::new().await;
        let application = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.text("id");
        let path = format!("/applications/{application}/webhooks");
        let made = server.admin(Method::POST, &path, new_webhook()).await.expect(201);
        let shown = server.admin(Method::GET, &format!("/webhooks/{}", made.text("id")), Value::Null).await;
        assert_eq!(shown.json(), made.json());
        let mut shown = shown.json();
        (shown["id"], shown["applicationId"]) = (Value::Null, Value::Null);
        expect![[r#"
            {
              "id": null,
              "applicationId": null,
              "kind": "scheduled",
              "name": "Fleet",
              "callbackUri": "https://receiver.example/hooks",
              "cadence": {
                "every": "hours",
                "hours": 1
              },
              "endpoints": [
                "/odometer",
                "/battery"
              ],
              "units": "metric",
              "eventName": "schedule",
              "userAgent": "milepost",
              "vehiclesPerRequest": 1,
              "verified": false,
              "enabled": true,
              "subscriptions": 0,
              "queued": 0,
              "createdAt": "2026-03-02T12:00:00.000Z"
            }"#]]
        .assert_eq(&format!("{shown:#}"));
    }

    #[tokio::test]
    async fn row_n01_a_callback_uri_without_tls_is_refused() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let mut new = new_webhook();
        new["callbackUri"] = json!("http://receiver.example/hooks");
        let path = format!("/applications/{}/webhooks", tenant.application);
        refused(
            &server.admin(Method::POST, &path, new.clone()).await,
            expect![[r#"
            400
            "invalid_value"
            "callbackUri"
            "the callback URI must start with https:// (http is allowed only for targets on the operator's allow list)""#]],
        );
        let edit = json!({"callbackUri": new["callbackUri"]});
        let path = format!("/webhooks/{}", tenant.webhook);
        assert_eq!(server.admin(Method::PATCH, &path, edit).await.json()["field"], "callbackUri");
    }

    #[tokio::test]
    async fn row_n02_a_callback_uri_that_leads_to_a_private_address_is_refused() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let mut new = new_webhook();
        new["callbackUri"] = json!(format!("https://{PRIVATE_HOST}/hooks"));
        let path = format!("/applications/{}/webhooks", tenant.application);
        refused(
            &server.admin(Method::POST, &path, new.clone()).await,
            expect![[r#"
            400
            "invalid_value"
            "callbackUri"
            "the callback URI does not lead to a public internet address that can be reached""#]],
        );
        let edit = json!({"callbackUri": new["callbackUri"]});
        let path = format!("/webhooks/{}", tenant.webhook);
        assert_eq!(server.admin(Method::PATCH, &path, edit).await.json()["field"], "callbackUri");
    }

    #[tokio::test]
    async fn row_v13_a_failed_verification_shows_what_was_expected_and_what_came() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let reply = Reply { status: 200, body: r#"{"challenge":"wrong"}"#.into() };
        server.outbound.answer(move |_| Ok(reply.clone()));
        let path = format!("/webhooks/{}/verify", tenant.webhook);
        let shown = server.admin(Method::POST, &path, Value::Null).await.expect(200).json();
        assert_eq!(shown["verified"], false);
        let verification = &shown["lastVerification"];
        assert_eq!(verification["passed"], false);
        assert_eq!(verification["status"], 200);
        assert_eq!(verification["received"], r#"{"challenge":"wrong"}"#);
        assert_eq!(verification["challenge"].as_str().unwrap().len(), 16);
        assert_eq!(verification["expected"].as_str().unwrap().len(), 64);
        assert!(verification["problem"].as_str().unwrap().contains("HMAC-SHA256"));
    }

    #[tokio::test]
    async fn a_webhook_is_verified_as_it_is_made_if_one_wishes() {
        let server = Server::new().await;
        let made = server.admin(Method::POST, "/applications", json!({"name": "A"})).await;
        server.outbound.answer(receiver(made.text("managementToken"), 200));
        let mut new = new_webhook();
        new["verify"] = json!(true);
        let path = format!("/applications/{}/webhooks", made.text("id"));
        let webhook = server.admin(Method::POST, &path, new).await.expect(201).json();
        assert_eq!(
            (&webhook["verified"], &webhook["lastVerification"]["passed"]),
            (&json!(true), &json!(true))
        );
    }

    #[tokio::test]
    async fn a_webhook_is_tested_once_a_second_at_most() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.outbound.answer(|_| Err(Failure::TimedOut));
        let path = format!("/webhooks/{}/test", tenant.webhook);
        let tested = server.admin(Method::POST, &path, Value::Null).await.expect(200).json();
        assert_eq!(tested["lastTest"]["passed"], false);
        assert!(tested["lastTest"].get("challenge").is_none());
        let refused = server.admin(Method::POST, &path, Value::Null).await.expect(429);
        assert_eq!(refused.headers["retry-after"], "1");
        server.clock.pass(Duration::from_secs(1));
        server.admin(Method::POST, &path, Value::Null).await.expect(200);
    }

    #[tokio::test]
    async fn a_webhook_is_switched_off_and_on_and_deleted() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/webhooks/{}", tenant.webhook);
        let off =
            server.admin(Method::POST, &format!("{path}/disable"), Value::Null).await.expect(200).json();
        assert_eq!((&off["enabled"], &off["disabledReason"]), (&json!(false), &json!("operator")));
        let on = server.admin(Method::POST, &format!("{path}/enable"), Value::Null).await.expect(200).json();
        assert_eq!((&on["enabled"], on.get("disabledReason")), (&json!(true), None));
        server.admin(Method::DELETE, &path, Value::Null).await.expect(204);
        server.admin(Method::GET, &path, Value::Null).await.expect(404);
    }

    #[tokio::test]
    async fn webhooks_are_listed_page_by_page() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let list = format!("/applications/{}/webhooks", tenant.application);
        for _ in 0..2 {
            server.admin(Method::POST, &list, new_webhook()).await.expect(201);
        }
        let first = server.admin(Method::GET, &format!("{list}?limit=2"), Value::Null).await.expect(200);
        assert_eq!(first.json()["items"].as_array().unwrap().len(), 2);
        let cursor = first.text("nextCursor");
        let second =
            server.admin(Method::GET, &format!("{list}?limit=2&cursor={cursor}"), Value::Null).await.json();
        assert_eq!(second["items"].as_array().unwrap().len(), 1);
        assert_eq!(second["nextCursor"], Value::Null);
        server.admin(Method::GET, &format!("/applications?cursor={cursor}"), Value::Null).await.expect(400);
        server.admin(Method::GET, &format!("{list}?limit=0"), Value::Null).await.expect(400);
        server.admin(Method::GET, &format!("{list}?page=2"), Value::Null).await.expect(400);
    }
}
