//! `/api/v1/applications/{id}/feeds` and `/api/v1/feeds`: who may push readings of an application's vehicles.

use std::sync::Arc;

use app::{AnswerCounts, App, FeedWatch};
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

/// What the readings of a feed became since the server started, in the words of the answers to its requests.
/// `received` is the sum of `rejected` and of the outcomes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeedReadings {
    received: u64,
    /// Could not be read at all.
    rejected: u64,
    /// The value counts now, and it is another one than before.
    applied: u64,
    /// Says what was known already.
    unchanged: u64,
    /// Older than what is known.
    late: u64,
    /// Another value was known of the same moment. The last one counts.
    conflicting: u64,
    /// Not believed: values that the signal cannot have, or cannot have after the one that is known.
    implausible: u64,
    /// Says that the value is not known.
    unknown: u64,
    /// Was answered as waiting for earlier readings.
    buffered: u64,
    /// How often the numbers of a vehicle's readings have begun anew, and were followed.
    sequence_restarts: u64,
    /// Most of the newest ones came late with another value: check what counts as newer for this feed.
    out_of_order: bool,
}

impl From<FeedWatch> for FeedReadings {
    fn from(watch: FeedWatch) -> Self {
        let AnswerCounts { rejected, applied, unchanged, late, conflicting, implausible, unknown, buffered } =
            watch.answers;
        Self {
            received: watch.answers.received(),
            rejected,
            applied,
            unchanged,
            late,
            conflicting,
            implausible,
            unknown,
            buffered,
            sequence_restarts: watch.restarts,
            out_of_order: watch.is_out_of_order,
        }
    }
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
            readings: watch.into(),
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

    /// Readings of charge, each measured so many seconds ago.
    fn charges(server: &Server, vehicle: &str, readings: impl Iterator<Item = (Value, u64)>) -> Value {
        readings
            .map(|(value, ago)| {
                let at = server.clock.now() - std::time::Duration::from_secs(ago);
                json!({
                    "vehicleId": vehicle, "signal": "tractionbattery-stateofcharge", "value": value,
                    "observedAt": at.as_millis(),
                })
            })
            .collect()
    }

    #[tokio::test]
    async fn a_feed_counts_its_readings_by_the_words_of_the_answers_and_they_add_up() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/feeds", tenant.application);
        let made = server.admin(Method::POST, &path, json!({"name": "Cars"})).await.expect(201);
        let push = async |body: Value| {
            server
                .request(Method::POST, "/ingest/v1/readings", &made.text("token"), body)
                .await
                .expect(200)
                .json()
        };
        let of = |readings: Vec<(Value, u64)>| charges(&server, &tenant.vehicle, readings.into_iter());
        let answers = [
            push(of(vec![(json!(50), 60), (json!(50), 50), (json!(40), 55), (json!(41), 50)])).await,
            push(of(vec![(json!(255), 40), (json!(null), 30), (json!("full"), 20)])).await,
            push(json!([{"vehicleId": tenant.vehicle, "value": 1}, 7])).await,
        ];
        let shown =
            server.admin(Method::GET, &path, Value::Null).await.json()["items"][0]["readings"].clone();
        let sum = |of: &dyn Fn(&Value) -> u64| answers.iter().map(of).sum::<u64>();
        for word in ["applied", "unchanged", "late", "conflicting", "implausible", "unknown", "buffered"] {
            let answered = sum(&|answer| answer["outcomes"][word].as_u64().unwrap());
            assert_eq!(shown[word], answered, "{word} of {shown}");
        }
        assert_eq!(shown["rejected"], sum(&|answer| answer["rejected"].as_array().unwrap().len() as u64));
        assert_eq!((&shown["received"], &shown["rejected"]), (&json!(9), &json!(3)));
        let counts = shown.as_object().unwrap().iter();
        let parts = counts.filter(|(name, _)| !["received", "sequenceRestarts"].contains(&name.as_str()));
        assert_eq!(parts.filter_map(|(_, count)| count.as_u64()).sum::<u64>(), 9);
    }

    #[tokio::test]
    async fn numbers_that_begin_anew_are_followed_and_reported() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/feeds", tenant.application);
        let made = json!({"name": "Cars", "newer": "sequence"});
        let made = server.admin(Method::POST, &path, made).await.expect(201);
        let mut last = Value::Null;
        for (number, charge, ago) in
            [(1000, 50, 60), (1001, 51, 50), (1, 52, 40), (2, 53, 30), (3, 54, 20), (4, 55, 10)]
        {
            let mut reading = charges(&server, &tenant.vehicle, std::iter::once((json!(charge), ago)));
            reading[0]["sequence"] = json!(number);
            let token = made.text("token");
            let answer = server.request(Method::POST, "/ingest/v1/readings", &token, reading).await;
            last = answer.expect(200).json();
        }
        assert_eq!(last["outcomes"]["applied"], 1, "{last}");
        let feeds = server.admin(Method::GET, &path, Value::Null).await.json();
        assert_eq!(feeds["items"][0]["readings"]["sequenceRestarts"], 1, "{feeds}");
    }

    #[tokio::test]
    async fn a_feed_shows_that_its_readings_keep_coming_late() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/feeds", tenant.application);
        let made = server.admin(Method::POST, &path, json!({"name": "Cars"})).await.expect(201);
        let push = async |body: Value| {
            server.request(Method::POST, "/ingest/v1/readings", &made.text("token"), body).await.expect(200)
        };
        push(charges(&server, &tenant.vehicle, std::iter::once((json!(50), 60)))).await;
        // Many in one request are judged together; one that says what is known is late, too, though nothing was lost by it.
        for percent in 0..100 {
            push(charges(&server, &tenant.vehicle, std::iter::once((json!(percent), 600)))).await;
        }
        let shown =
            server.admin(Method::GET, &path, Value::Null).await.json()["items"][0]["readings"].clone();
        assert_eq!((&shown["received"], &shown["outOfOrder"]), (&json!(101), &json!(true)), "{shown}");
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
