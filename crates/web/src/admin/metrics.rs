//! `/api/v1/metrics/deliveries`: how events ended per minute, for charts.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use app::App;
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::Bucket;
use utoipa::{IntoParams, ToSchema};

use super::{Answer, deliveries::DeliveryStatus};
use crate::{
    extract::{Query, id_in_query},
    problem::ApiError,
    route::{Operation, operation},
    wire::Moment,
};

const HOUR: Duration = Duration::from_secs(3_600);
/// The longest span of one answer, which bounds the minutes in it.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(Method::GET, "/metrics/deliveries", deliveries, "Counts how events ended, by the minute")
            .query::<MetricsQuery>()
            .answers::<DeliveryMetrics>(StatusCode::OK),
    ]
}

/// Which minutes to count.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MetricsQuery {
    /// Of one webhook; of all by default.
    webhook_id: Option<String>,
    /// From this minute on; an hour before `to` by default.
    from: Option<Moment>,
    /// Before this minute; now by default. At most a day after `from`.
    to: Option<Moment>,
}

/// How events ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryMetrics {
    from: Moment,
    to: Moment,
    /// Oldest first; minutes in which nothing ended are left out.
    minutes: Vec<Minute>,
}

/// The events of a minute that ended alike.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Minute {
    minute: Moment,
    status: DeliveryStatus,
    count: u64,
    /// Attempts that they took.
    attempts: u64,
    /// How long their last attempts took, on average.
    average_took_ms: u64,
}

/// `GET /api/v1/metrics/deliveries`
async fn deliveries(
    State(app): State<Arc<App>>,
    Query(query): Query<MetricsQuery>,
) -> Answer<DeliveryMetrics> {
    let webhook = id_in_query(query.webhook_id.as_deref(), "webhookId")?;
    let webhooks = webhook.map(|id| app.webhook_number(id)).transpose()?.into_iter().collect();
    let (from, to) = span(query.from.map(|from| from.0), query.to.map(|to| to.0), app.now())?;
    let minutes = folded(app.delivery_metrics(webhooks, from, to).await?);
    Ok(Out(DeliveryMetrics { from: Moment(from), to: Moment(to), minutes }))
}

fn span(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), ApiError> {
    let to = to.unwrap_or(now);
    let from = from.unwrap_or(to - HOUR);
    match from <= to && to.since(from) <= LONGEST {
        true => Ok((from, to)),
        false => {
            Err(ApiError::invalid("from", "choose a from that is before to, and at most a day before it"))
        }
    }
}

/// Adds up the webhooks of each minute.
fn folded(buckets: Vec<Bucket>) -> Vec<Minute> {
    let mut sums: BTreeMap<(Timestamp, u8), Bucket> = BTreeMap::new();
    for bucket in buckets {
        match sums.entry((bucket.minute, bucket.status as u8)) {
            Entry::Vacant(first) => {
                first.insert(bucket);
            }
            Entry::Occupied(mut sum) => {
                let sum = sum.get_mut();
                sum.count += bucket.count;
                sum.attempts += bucket.attempts;
                sum.took_ms += bucket.took_ms;
            }
        }
    }
    let minute = |sum: Bucket| Minute {
        minute: Moment(sum.minute),
        status: sum.status.into(),
        count: sum.count,
        attempts: sum.attempts,
        average_took_ms: sum.took_ms.checked_div(sum.count).unwrap_or(0),
    };
    sums.into_values().map(minute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::WebhookNo;
    use store::LogStatus;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn the_last_hour_is_counted_unless_asked_otherwise() {
        assert_eq!(span(None, None, NOW).unwrap(), (NOW - HOUR, NOW));
        assert_eq!(span(Some(NOW - LONGEST), None, NOW).unwrap(), (NOW - LONGEST, NOW));
    }

    #[test]
    fn a_span_is_bounded_and_goes_forward() {
        assert!(span(Some(NOW - LONGEST - HOUR), None, NOW).is_err());
        assert!(span(Some(NOW + HOUR), None, NOW).is_err());
    }

    #[test]
    fn webhooks_of_a_minute_are_added_up_by_how_events_ended() {
        let bucket = |webhook, minute: i64, status, count, took_ms| Bucket {
            webhook: WebhookNo(webhook),
            minute: Timestamp::from_secs(minute * 60),
            status,
            count,
            attempts: count,
            took_ms,
        };
        let minutes = folded(vec![
            bucket(1, 2, LogStatus::Delivered, 1, 10),
            bucket(2, 1, LogStatus::Delivered, 3, 90),
            bucket(1, 1, LogStatus::Delivered, 1, 30),
            bucket(1, 1, LogStatus::Missed, 0, 0),
        ]);
        let shown: Vec<_> =
            minutes.iter().map(|m| (m.minute.0.as_secs(), m.count, m.average_took_ms)).collect();
        assert_eq!(shown, [(60, 4, 30), (60, 0, 0), (120, 1, 10)]);
    }
}
