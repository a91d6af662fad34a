//! `/api/v1/applications/{id}/webhooks` and `/api/v1/webhooks`.

mod cadence;
mod headers;
mod health;
mod settings;
mod signals;
mod wire;

use std::sync::Arc;

use app::{App, WebhookView};
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::{
    ids::{ApplicationId, WebhookId},
    warning::Warning,
    webhook::Plan,
};

use super::{Answer, Change, Changed, Shown, Versioned};
use crate::admin::idempotency::Keyed;
use crate::{
    extract::{Ids, IfMatch, Json, MaybeJson, Query},
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
    keyed: Keyed,
    Ids(application): Ids<ApplicationId>,
    Json(new): Json<NewWebhook>,
) -> Change<Webhook> {
    // What a verification brings replaces this.
    let kept = |view: &WebhookView| shown(Changed::created, view).to_kept();
    let answering = keyed.answering(&kept);
    let view = app.create_webhook(new.into_request(application)?, answering.as_ref()).await?;
    Ok(shown(Changed::created, &view).warn(app.settings_warnings(&view.entry).await?))
}

/// `GET /api/v1/webhooks/{id}`
async fn get(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Shown<Webhook> {
    let view = app.webhook(id).await?;
    Ok(Versioned(version(&view), Webhook::from(&view)))
}

/// `PATCH /api/v1/webhooks/{id}`
async fn edit(
    State(app): State<Arc<App>>,
    Ids(id): Ids<WebhookId>,
    IfMatch(precondition): IfMatch,
    Json(edit): Json<WebhookEdit>,
) -> Change<Webhook> {
    let edit = |now: &Plan| edit.clone().into_edit(now);
    let view = app.edit_webhook_if::<ApiError>(id, &precondition, edit).await?;
    Ok(shown(Changed::ok, &view).warn(app.settings_warnings(&view.entry).await?))
}

/// `DELETE /api/v1/webhooks/{id}`
async fn delete(
    State(app): State<Arc<App>>,
    Ids(id): Ids<WebhookId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, ApiError> {
    app.delete_webhook(id, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/webhooks/{id}/verify`
async fn verify(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Change<Webhook> {
    Ok(shown(Changed::ok, &app.verify_webhook(id).await?))
}

/// `POST /api/v1/webhooks/{id}/test`
async fn test(
    State(app): State<Arc<App>>,
    Ids(id): Ids<WebhookId>,
    MaybeJson(test): MaybeJson<TestRequest>,
) -> Change<Webhook> {
    let error = test.event_type == TestEvent::VehicleError;
    Ok(shown(Changed::ok, &app.test_webhook(id, error).await?))
}

/// `POST /api/v1/webhooks/{id}/enable`
async fn enable(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Change<Webhook> {
    Ok(shown(Changed::ok, &app.enable_webhook(id).await?))
}

/// `POST /api/v1/webhooks/{id}/disable`
async fn disable(State(app): State<Arc<App>>, Ids(id): Ids<WebhookId>) -> Change<Webhook> {
    Ok(shown(Changed::ok, &app.disable_webhook(id).await?))
}

/// The version of what can be edited of a webhook.
fn version(view: &WebhookView) -> u64 {
    view.entry.webhook().revision.number.into()
}

/// A webhook after a change, with what keeps it from getting data.
fn shown(answer: fn(Webhook) -> Changed<Webhook>, view: &WebhookView) -> Changed<Webhook> {
    answer(Webhook::from(view)).version(version(view)).warn(Warning::of_webhook(view.entry.webhook()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{Answered, PRIVATE_HOST, Server, new_webhook, new_webhook_of, receiver};
    use app::ports::{Post, Reply};
    use axum::http::Method;
    use domain::{delivery::Failure, webhook::Kind};
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    #[track_caller]
    fn refused(answered: &Answered, expected: Expect) {
        let problem = answered.json();
        let shown = ["status", "code", "field", "detail"].map(|member| problem[member].to_string());
        expected.assert_eq(&shown.join("\n"));
    }

    #[tokio::test]
    async fn what_no_connected_vehicle_provides_is_a_warning_while_a_webhook_is_made_and_edited() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/webhooks", tenant.application);
        let unlikely = |answer: &Answered| {
            let warnings = answer.json()["warnings"].as_array().unwrap().clone();
            let found = warnings.into_iter().find(|warning| warning["code"] == "unlikely");
            found.map(|warning| warning["message"].as_str().unwrap().to_owned())
        };
        let new = |triggers: Value| {
            json!({
                "kind": "unified", "name": "Fleet", "callbackUri": "https://receiver.example/hooks",
                "triggers": triggers,
            })
        };
        let likely = new(json!(["tractionbattery-stateofcharge"]));
        let made = server.admin(Method::POST, &path, likely).await.expect(201);
        assert_eq!(unlikely(&made), None);
        let triggers = json!(["tractionbattery-stateofcharge", "charge-voltage"]);
        let message = "no vehicle that is connected now provides charge-voltage; the webhook waits for other vehicles";
        let warned = server.admin(Method::POST, &path, new(triggers.clone())).await.expect(201);
        assert_eq!(unlikely(&warned).as_deref(), Some(message));
        let webhook = format!("/webhooks/{}", made.text("id"));
        let edited = server.admin(Method::PATCH, &webhook, json!({"triggers": triggers})).await.expect(200);
        assert_eq!(unlikely(&edited).as_deref(), Some(message));
        // A vehicle whose readings are pushed can provide everything.
        server.pushed_vehicle(&tenant, "BMW").await;
        let edited = server.admin(Method::PATCH, &webhook, json!({"name": "Pushed"})).await.expect(200);
        assert_eq!(unlikely(&edited), None);
    }

    #[tokio::test]
    async fn a_webhook_is_shown_as_it_was_made() {
        let server = Server::new().await;
        let application = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.text("id");
        let path = format!("/applications/{application}/webhooks");
        let made = server.admin(Method::POST, &path, new_webhook()).await.expect(201);
        let shown = server.admin(Method::GET, &format!("/webhooks/{}", made.text("id")), Value::Null).await;
        assert_eq!(shown.json(), made.object());
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
              "vehiclesPerRequest": 1,
              "permissions": [
                "read_odometer",
                "read_battery"
              ],
              "autoSubscribe": false,
              "userAgent": "milepost",
              "verified": false,
              "verification": {
                "callbackUri": {
                  "status": "pending",
                  "at": null,
                  "problem": null
                }
              },
              "enabled": true,
              "subscriptions": 0,
              "queued": 0,
              "health": {
                "state": "ok",
                "retrying": 0,
                "breaker": "closed"
              },
              "createdAt": "2026-03-02T12:00:00.000Z"
            }"#]]
        .assert_eq(&format!("{shown:#}"));
    }

    /// The members that a webhook of a kind has beside those that all have.
    async fn own_members(new: Value) -> Value {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/webhooks/{}", server.webhook(&tenant, new).await);
        let shown = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        let common = [
            "id",
            "applicationId",
            "name",
            "callbackUri",
            "autoSubscribe",
            "userAgent",
            "verified",
            "enabled",
            "subscriptions",
            "queued",
            "health",
            "createdAt",
        ];
        let Value::Object(mut members) = shown else { panic!("{shown}") };
        members.retain(|name, _| !common.contains(&name.as_str()));
        members.into()
    }

    #[tokio::test]
    async fn a_webhook_of_each_kind_shows_the_settings_of_its_kind() {
        let mut shown = Vec::new();
        for kind in [Kind::EventBased, Kind::Dynamic, Kind::Unified] {
            shown.push(own_members(new_webhook_of(kind)).await);
        }
        let mut full = new_webhook_of(Kind::Unified);
        full["triggers"] =
            json!(["charge-ischarging", {"signal": "tractionbattery-stateofcharge", "deadBand": 5}]);
        full["data"] = json!(["odometer-traveleddistance", "charge-ischarging"]);
        full["profile"] = json!("docs-2026");
        full["simulatedMode"] = json!("live");
        full["lenientVerification"] = json!(true);
        full["errorCallbackUri"] = json!("https://receiver.example/errors");
        shown.push(own_members(full).await);
        expect![[r#"
            {"kind":"eventBased","events":["CHARGING_STARTED","CHARGING_COMPLETED"],"permissions":["read_battery","read_charge"],"verification":{"callbackUri":{"status":"pending","at":null,"problem":null}}}
            {"kind":"dynamic","pace":"halfHourly","permissions":["read_location","read_battery","read_charge"],"verification":{"callbackUri":{"status":"pending","at":null,"problem":null}}}
            {"kind":"unified","triggers":[{"signal":"tractionbattery-stateofcharge"}],"data":["tractionbattery-stateofcharge"],"profile":"union","simulatedMode":"simulated","lenientVerification":false,"permissions":["read_battery"],"verification":{"callbackUri":{"status":"pending","at":null,"problem":null}}}
            {"kind":"unified","errorCallbackUri":"https://receiver.example/errors","verifyErrorUri":true,"triggers":[{"signal":"charge-ischarging"},{"signal":"tractionbattery-stateofcharge","deadBand":5.0}],"data":["odometer-traveleddistance","charge-ischarging","tractionbattery-stateofcharge"],"profile":"docs-2026","simulatedMode":"live","lenientVerification":true,"permissions":["read_odometer","read_battery","read_charge"],"verification":{"callbackUri":{"status":"pending","at":null,"problem":null},"errorCallbackUri":{"status":"pending","at":null,"problem":null}}}"#]].assert_eq(&shown.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[tokio::test]
    async fn a_webhook_is_refused_by_the_member_that_is_wrong() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/webhooks", tenant.application);
        let mut said = String::new();
        for (kind, member, value) in [
            (Kind::Scheduled, "cadence", Value::Null),
            (Kind::Scheduled, "triggers", json!(["odometer-traveleddistance"])),
            (Kind::EventBased, "events", json!([])),
            (Kind::EventBased, "events", json!(["CHARGING_PAUSED"])),
            (Kind::EventBased, "endpoints", json!(["/odometer"])),
            (Kind::Dynamic, "cadence", json!({"every": "hours", "hours": 2})),
            (Kind::Dynamic, "errorCallbackUri", json!("https://receiver.example/errors")),
            (Kind::Unified, "units", json!("imperial")),
            (Kind::Unified, "triggers", json!([])),
            (Kind::Unified, "triggers", json!(["odometer"])),
            (Kind::Unified, "triggers", json!([{"signal": "charge-ischarging", "deadband": 1}])),
            (Kind::Unified, "triggers", json!([{"signal": "tractionbattery-stateofcharge", "deadBand": 0}])),
            (Kind::Unified, "triggers", json!([{"signal": "charge-ischarging", "deadBand": 5}])),
            (Kind::Unified, "triggers", json!([{"signal": "charge-chargelimits", "deadBand": 5}])),
            (Kind::Unified, "triggers", json!([7])),
            (Kind::Unified, "data", json!(["odometer-traveleddistance", "charge-ischarged"])),
            (Kind::Unified, "includeTriggers", json!(false)),
            (Kind::Unified, "profile", json!("newest")),
            (Kind::Unified, "errorCallbackUri", json!("http://receiver.example/errors")),
            (Kind::Unified, "kind", json!("hourly")),
            (Kind::Unified, "tirggers", json!([])),
        ] {
            let mut new = new_webhook_of(kind);
            new[member] = value;
            let refused = server.admin(Method::POST, &path, new).await.expect(400).json();
            said += &format!("{} [{}] {}\n", refused["code"], refused["field"], refused["detail"]);
        }
        expect![[r#"
            "invalid_value" ["cadence"] "say when the webhook is due, such as {\"every\":\"hours\",\"hours\":1}"
            "invalid_value" ["triggers"] "triggers goes with unified webhooks, and this one is scheduled; leave it out"
            "invalid_value" ["events"] "choose at least one event, such as CHARGING_STARTED"
            "malformed" ["events[0]"] "events[0] is one of CHARGING_STARTED, CHARGING_STOPPED, CHARGING_COMPLETED, and this is another word"
            "invalid_value" ["endpoints"] "endpoints goes with scheduled webhooks, and this one is eventBased; leave it out"
            "invalid_value" ["cadence"] "cadence goes with scheduled webhooks, and this one is dynamic; leave it out"
            "invalid_value" ["errorCallbackUri"] "only unified webhooks report errors of vehicles"
            "invalid_value" ["units"] "units goes with scheduled webhooks, and this one is unified; leave it out"
            "invalid_value" ["triggers"] "choose at least one signal, such as tractionbattery-stateofcharge"
            "invalid_value" ["triggers[0]"] "there is no signal \"odometer\"; is it odometer-traveleddistance?"
            "malformed" ["triggers[0].deadband"] "nobody knows the member triggers[0].deadband; there are signal, deadBand"
            "invalid_value" ["triggers"] "a deadBand is a number above 0"
            "invalid_value" ["triggers"] "charge-ischarging takes no deadBand: it is true or false; leave it out, and every change fires"
            "invalid_value" ["triggers"] "charge-chargelimits takes no deadBand: it is a number of percent, 0 to 100, or an object with values (each with limit), activeLimit, unit; leave it out, and every change fires"
            "malformed" ["triggers[0]"] "triggers[0] is the code of a signal, or {\"signal\":\"…\",\"deadBand\":1}, and this is a number"
            "invalid_value" ["data[1]"] "there is no signal \"charge-ischarged\"; is it charge-ischarging?"
            "invalid_value" ["data"] "without its triggers, say what the webhook's data is"
            "malformed" ["profile"] "profile is one of union, captured, docs-2026, and this is another word"
            "invalid_value" ["errorCallbackUri"] "the callback URI must start with https:// (http is only for targets that the operator permits in egress.allow)"
            "malformed" ["kind"] "kind is one of scheduled, eventBased, dynamic, unified, and this is another word"
            "malformed" ["tirggers"] "nobody knows the member tirggers; there are kind, name, callbackUri, verify, autoSubscribe, userAgent, headers, basicAuth, headersToErrorUri, errorCallbackUri, verifyErrorUri, cadence, endpoints, units, eventName, vehiclesPerRequest, events, pace, triggers, data, includeTriggers, profile, simulatedMode, lenientVerification"
        "#]].assert_eq(&said);
    }

    #[tokio::test]
    async fn an_edit_keeps_what_it_does_not_name_and_the_kind_for_ever() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let mut new = new_webhook_of(Kind::Unified);
        new["errorCallbackUri"] = json!("https://receiver.example/errors");
        let path = format!("/webhooks/{}", server.webhook(&tenant, new).await);
        let edited = async |edit: Value| server.admin(Method::PATCH, &path, edit).await.expect(200).json();
        let changed = edited(json!({"data": ["odometer-traveleddistance"], "autoSubscribe": true})).await;
        let data = json!(["odometer-traveleddistance", "tractionbattery-stateofcharge"]);
        assert_eq!((&changed["data"], &changed["autoSubscribe"]), (&data, &json!(true)));
        let changed = edited(json!({"triggers": ["charge-ischarging"], "kind": "unified"})).await;
        assert_eq!(changed["triggers"], json!([{"signal": "charge-ischarging"}]));
        assert_eq!(changed["data"][2], "charge-ischarging", "a trigger is data too");
        assert_eq!(changed["errorCallbackUri"], "https://receiver.example/errors");
        assert_eq!(edited(json!({"errorCallbackUri": null})).await.get("errorCallbackUri"), None);
        let alone = json!({"data": ["odometer-traveleddistance"], "includeTriggers": false});
        assert_eq!(edited(alone).await["data"], json!(["odometer-traveleddistance"]));
        let next = edited(json!({"triggers": ["charge-ischarging", "location-preciselocation"]})).await;
        assert_eq!(next["data"], json!(["odometer-traveleddistance"]), "triggers were taken out of the data");

        refused(
            &server.admin(Method::PATCH, &path, json!({"kind": "scheduled"})).await,
            expect![[r#"
            400
            "invalid_value"
            "kind"
            "a webhook stays unified; make another one for another kind""#]],
        );
        refused(
            &server.admin(Method::PATCH, &path, json!({"endpoints": ["/odometer"]})).await,
            expect![[r#"
                400
                "invalid_value"
                "endpoints"
                "endpoints goes with scheduled webhooks, and this one is unified; leave it out""#]],
        );

        let events = format!("/webhooks/{}", server.webhook(&tenant, new_webhook_of(Kind::EventBased)).await);
        let changed = server.admin(Method::PATCH, &events, json!({"events": ["CHARGING_STOPPED"]})).await;
        assert_eq!(changed.expect(200).json()["events"], json!(["CHARGING_STOPPED"]));
        let dynamic = format!("/webhooks/{}", server.webhook(&tenant, new_webhook_of(Kind::Dynamic)).await);
        let changed = server.admin(Method::PATCH, &dynamic, json!({"pace": "brand"})).await.expect(200);
        assert_eq!(changed.text("pace"), "brand");
    }

    #[tokio::test]
    async fn a_webhook_of_a_kind_that_the_plan_does_not_have_is_refused() {
        let server = Server::with_plan("unlimited", &[Kind::Scheduled]).await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/webhooks", tenant.application);
        let answered = server.admin(Method::POST, &path, new_webhook_of(Kind::Dynamic)).await.expect(403);
        assert_eq!(answered.text("code"), "plan");
    }

    #[tokio::test]
    async fn row_v02_a_unified_webhook_is_verified_in_its_own_form() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::Unified)).await;
        let seen = server.outbound.keep(receiver(tenant.management_token.clone(), 200));
        let path = format!("/webhooks/{webhook}/verify");
        let verified = server.admin(Method::POST, &path, Value::Null).await.expect(200).json();
        assert_eq!(verified["verified"], true);
        let sent = seen.lock().unwrap().remove(0);
        assert_eq!(sent["eventType"], "VERIFY");
        assert_eq!(sent["data"]["challenge"], verified["lastVerification"]["challenge"]);
        assert_eq!((&sent["meta"]["version"], &sent["meta"]["webhookId"]), (&json!("4.0"), &json!(webhook)));
    }

    #[tokio::test]
    async fn row_v06_an_error_status_does_not_verify_a_webhook_of_any_kind() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        for status in [404, 500] {
            server.outbound.answer(answers_challenges_with(tenant.management_token.clone(), status));
            for &kind in Kind::ALL {
                let webhook = server.webhook(&tenant, new_webhook_of(kind)).await;
                let path = format!("/webhooks/{webhook}/verify");
                let shown = server.admin(Method::POST, &path, Value::Null).await.expect(200).json();
                assert_eq!(
                    (&shown["verified"], &shown["lastVerification"]["status"]),
                    (&json!(false), &json!(status))
                );
            }
        }
    }

    #[tokio::test]
    async fn row_v07_a_unified_webhook_is_verified_by_200_alone_unless_it_is_lenient() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        for status in [201, 204] {
            server.outbound.answer(answers_challenges_with(tenant.management_token.clone(), status));
            for lenient in [false, true] {
                let mut new = new_webhook_of(Kind::Unified);
                new["lenientVerification"] = json!(lenient);
                let webhook = server.webhook(&tenant, new).await;
                let path = format!("/webhooks/{webhook}/verify");
                let shown = server.admin(Method::POST, &path, Value::Null).await.expect(200).json();
                assert_eq!(shown["verified"], json!(lenient), "{status}: {shown:#}");
            }
        }
    }

    /// Answers challenges with the right digest and a status.
    fn answers_challenges_with(token: String, status: u16) -> impl Fn(&Post) -> Result<Reply, Failure> {
        let right = receiver(token, 200);
        move |post| right(post).map(|reply| Reply { status, ..reply })
    }

    #[tokio::test]
    async fn row_v16_a_webhook_that_is_verified_again_goes_on_without_a_first_delivery() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::Unified)).await;
        let vehicle = server.pushed_vehicle(&tenant, "BMW").await;
        server.outbound.answer(receiver(tenant.management_token.clone(), 200));
        server.on(&webhook, &vehicle).await;
        server.push_charge(&tenant, &vehicle, 50.0).await;
        server.logged(1).await;
        server.clock.pass(Duration::from_secs(60));
        let verify = format!("/webhooks/{webhook}/verify");
        let again = server.admin(Method::POST, &verify, Value::Null).await.expect(200).json();
        assert_eq!(again["lastVerification"]["passed"], true);
        server.push_charge(&tenant, &vehicle, 60.0).await;
        let rows = server.logged(2).await;
        let triggers: Vec<_> = rows.iter().map(|row| row["triggers"].clone()).collect();
        assert_eq!(triggers, [json!(["tractionbattery-stateofcharge"]), json!(["FIRST_DELIVERY"])]);
        server.settle().await;
        assert_eq!(server.logged(2).await.len(), 2);
    }

    #[tokio::test]
    async fn a_unified_webhook_is_tested_with_a_state_or_with_an_error() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let webhook = server.webhook(&tenant, new_webhook_of(Kind::Unified)).await;
        let seen = server.outbound.keep(receiver(tenant.management_token.clone(), 200));
        let path = format!("/webhooks/{webhook}/test");
        for (body, expected) in [
            (Value::Null, "VEHICLE_STATE"),
            (json!({}), "VEHICLE_STATE"),
            (json!({"eventType": "VEHICLE_ERROR"}), "VEHICLE_ERROR"),
        ] {
            let tested = server.admin(Method::POST, &path, body).await.expect(200).json();
            assert_eq!(tested["lastTest"]["passed"], true);
            assert_eq!(seen.lock().unwrap().pop().unwrap()["eventType"], expected);
            server.clock.pass(Duration::from_secs(1));
        }
        let refused = server.admin(Method::POST, &path, json!({"eventType": "VERIFY"})).await.expect(400);
        assert_eq!(refused.text("field"), "eventType");
        let path = format!("/webhooks/{}/test", tenant.webhook);
        let refused = server.admin(Method::POST, &path, json!({"eventType": "VEHICLE_ERROR"})).await;
        assert_eq!(refused.expect(400).text("field"), "eventType");
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
            "the callback URI must start with https:// (http is only for targets that the operator permits in egress.allow)""#]],
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
            "the callback URI does not lead to a public internet address that can be reached; use one that does, or have the operator permit the target in egress.allow""#]],
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
