//! `/api/v1/applications/{id}/feeds` and `/api/v1/feeds`: who may push readings of an application's vehicles.

use std::sync::Arc;

use app::{App, FeedWatch};
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::ids::{ApplicationId, FeedId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::idempotency::Keyed;
use super::{Answer, Changed};
use crate::{
    extract::{Ids, Json},
    paging::Page,
    problem::ApiError,
    route::{Operation, operation},
    wire::{Id, Moment},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::GET,
            "/applications/{id}/feeds",
            list,
            "Lists the feeds of an application, oldest first, without their tokens",
        )
        .page_of::<Feed>(),
        operation(
            Method::POST,
            "/applications/{id}/feeds",
            create,
            "Makes a feed, which may push readings; its token is shown this once",
        )
        .takes::<NewFeed>()
        .answers::<CreatedFeed>(StatusCode::CREATED),
        operation(Method::DELETE, "/feeds/{id}", delete, "Removes a feed: its token opens nothing any more")
            .answers_nothing(),
    ]
}

/// Who may push readings of an application's vehicles.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Feed {
    id: Id,
    application_id: Id,
    name: String,
    newer: Newer,
    /// How long readings wait for earlier ones, in milliseconds.
    reorder_ms: u32,
    /// The last characters of its token.
    hint: String,
    created_at: Moment,
    readings: FeedReadings,
}

/// How the readings of a feed have turned out since the server started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeedReadings {
    /// Known or new, and taken.
    taken: u64,
    /// Older than what was known, though with another value.
    late: u64,
    /// As old as what was known, with another value. The last one counts.
    conflicts: u64,
    /// Not believed: values that the signal cannot have, or cannot have after the one that is known.
    implausible: u64,
    /// Without a value.
    unknown: u64,
    /// How often the numbers of a vehicle's readings have begun anew, and were followed.
    sequence_restarts: u64,
    /// Most of the newest ones came late: check what counts as newer for this feed.
    out_of_order: bool,
}

/// A new feed with its token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedFeed {
    #[serde(flatten)]
    feed: Feed,
    token: String,
}

/// A feed to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewFeed {
    name: String,
    /// `observed` by default.
    #[serde(default)]
    newer: Newer,
    /// How long readings wait for earlier ones, in milliseconds, at most a minute; 0 by default.
    #[serde(default)]
    #[schema(maximum = 60_000)]
    reorder_ms: u32,
}

/// What counts as newer among the readings of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Newer {
    /// What was measured later.
    #[default]
    Observed,
    /// What arrives later.
    Delivery,
    /// What has the higher number: every reading has a `sequence`.
    Sequence,
}

macro_rules! newer {
    ($($word:ident),*) => {
        impl From<store::Newer> for Newer {
            fn from(newer: store::Newer) -> Self {
                match newer { $(store::Newer::$word => Self::$word),* }
            }
        }

        impl From<Newer> for store::Newer {
            fn from(newer: Newer) -> Self {
                match newer { $(Newer::$word => Self::$word),* }
            }
        }
    };
}

newer!(Observed, Delivery, Sequence);

impl Feed {
    fn of(feed: &store::Feed, application: ApplicationId, watch: FeedWatch) -> Self {
        Self {
            readings: FeedReadings {
                taken: watch.all.taken,
                late: watch.all.late,
                conflicts: watch.all.conflicts,
                implausible: watch.all.implausible,
                unknown: watch.all.unknown,
                sequence_restarts: watch.all.restarts,
                out_of_order: watch.is_out_of_order,
            },
            id: Id::of(feed.id),
            application_id: Id::of(application),
            name: feed.name.clone(),
            newer: feed.newer.into(),
            reorder_ms: feed.hold_ms,
            hint: feed.hint.clone(),
            created_at: Moment(feed.created_at),
        }
    }
}

/// `GET /api/v1/applications/{id}/feeds`
async fn list(State(app): State<Arc<App>>, Ids(id): Ids<ApplicationId>) -> Answer<Page<Feed>> {
    let feeds = app.feeds(id)?;
    let shown = feeds.iter().map(|feed| Feed::of(feed, id, app.feed_watch(feed.id)));
    Ok(Out(Page::whole(shown.collect())))
}

/// `POST /api/v1/applications/{id}/feeds`
async fn create(
    State(app): State<Arc<App>>,
    keyed: Keyed,
    Ids(id): Ids<ApplicationId>,
    Json(new): Json<NewFeed>,
) -> Result<Changed<CreatedFeed>, ApiError> {
    let answer = |created: &app::CreatedFeed| {
        let feed = Feed::of(&created.feed, id, FeedWatch::default());
        Changed::created(CreatedFeed { feed, token: created.token.to_string() })
    };
    let kept = |created: &app::CreatedFeed| answer(created).to_kept();
    let answering = keyed.answering(&kept);
    let created =
        app.create_feed(id, &new.name, new.newer.into(), new.reorder_ms, answering.as_ref()).await?;
    Ok(answer(&created))
}

/// `DELETE /api/v1/feeds/{id}`
async fn delete(State(app): State<Arc<App>>, Ids(id): Ids<FeedId>) -> Result<StatusCode, ApiError> {
    app.delete_feed(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use crate::testing::Server;
    use app::ports::Clock;
    use axum::http::Method;
    use domain::signal;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn the_token_of_a_feed_is_shown_once_and_opens_until_the_feed_is_removed() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/feeds", tenant.application);
        let new = json!({"name": "Cars", "newer": "sequence", "reorderMs": 500});
        let made = server.admin(Method::POST, &path, new).await.expect(201);
        let token = made.text("token");
        assert!(token.starts_with("mpf_") && token.ends_with(&made.text("hint")), "{token}");
        let listed = server.admin(Method::GET, &path, Value::Null).await.expect(200);
        assert!(!listed.body.contains(&token));
        let shown = &listed.json()["items"][0];
        assert_eq!((&shown["newer"], &shown["reorderMs"]), (&json!("sequence"), &json!(500)));
        assert_eq!(shown["applicationId"], json!(tenant.application));
        assert!(server.app.feed(&token).is_some());

        let feed = format!("/feeds/{}", made.text("id"));
        server.admin(Method::DELETE, &feed, Value::Null).await.expect(204);
        assert!(server.app.feed(&token).is_none());
        server.admin(Method::DELETE, &feed, Value::Null).await.expect(404);
        assert_eq!(server.admin(Method::GET, &path, Value::Null).await.json()["items"], json!([]));
    }

    #[tokio::test]
    async fn a_feed_ends_with_its_application() {
        let server = Server::new().await;
        let made = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.expect(201);
        let application = format!("/applications/{}", made.text("id"));
        let feed = server.admin(Method::POST, &format!("{application}/feeds"), json!({"name": "Cars"})).await;
        let token = feed.expect(201).text("token");
        server.admin(Method::DELETE, &application, Value::Null).await.expect(204);
        assert!(server.app.feed(&token).is_none());
        let pushed = server.request(Method::POST, "/ingest/v1/readings", &token, json!([])).await;
        pushed.expect(401);
    }

    #[tokio::test]
    async fn a_feed_shows_that_its_readings_keep_coming_late() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let vehicle = server.pushed_vehicle(&tenant, "BMW").await;
        let path = format!("/applications/{}/feeds", tenant.application);
        let look = async || {
            server.admin(Method::GET, &path, Value::Null).await.json()["items"][0]["readings"].clone()
        };
        server.push_charge(&tenant, &vehicle, 50.0).await;
        let earlier = server.clock.now() - std::time::Duration::from_secs(600);
        for percent in 0..100 {
            let value = signal::Value::Number(percent.into());
            server.push_measured(&tenant, &vehicle, signal::STATE_OF_CHARGE, value, earlier).await;
        }
        // The one that says what is known anyway is late, too, but nothing was lost by it.
        let expected = json!({
            "taken": 1, "late": 99, "conflicts": 0, "implausible": 0, "unknown": 0, "sequenceRestarts": 0,
            "outOfOrder": true,
        });
        assert_eq!(look().await, expected);
    }

    #[tokio::test]
    async fn a_feed_that_cannot_be_is_refused_by_its_member() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/feeds", tenant.application);
        for (new, field) in [
            (json!({"name": "A", "newer": "guessed"}), "newer"),
            (json!({"name": "A", "reorderMs": 60_001}), "reorderMs"),
            (json!({"name": "A", "reorderMs": -1}), "reorderMs"),
            (json!({"name": "A", "token": "mine"}), "token"),
        ] {
            let refused = server.admin(Method::POST, &path, new).await.expect(400);
            assert_eq!(refused.text("field"), field, "{}", refused.body);
        }
        let usual = server.admin(Method::POST, &path, json!({"name": "A"})).await.expect(201).json();
        assert_eq!((&usual["newer"], &usual["reorderMs"]), (&json!("observed"), &json!(0)));
    }
}
