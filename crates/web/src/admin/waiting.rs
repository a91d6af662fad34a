//! `/api/v1/deliveries?status=queued` and `retrying`: what waits, in pages along the queue.

use app::{App, WaitingQuery};
use domain::{
    ids::{EventNo, WebhookNo},
    time::Timestamp,
};
use store::{LaneKey, QueuePlace};

use super::deliveries::Delivery;
use crate::{paging::Page, problem::ApiError};

const LETTER: char = 'q';
const DIGITS: usize = 16;

/// Which waiting events to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// All of them.
    All,
    /// Those that were attempted.
    Attempted,
}

/// A page of waiting events. One that a vehicle is asked for may be short, or empty, and still have a next one.
pub(super) async fn list(
    app: &App,
    wanted: WaitingQuery,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Delivery>, ApiError> {
    let after = cursor.map(place).transpose()?;
    let (events, next) = app.waiting(WaitingQuery { after, ..wanted }, limit).await?;
    let of = |summary: &app::WaitingSummary| {
        let last = summary.attempts.last().map_or(&[][..], std::slice::from_ref);
        Delivery::waiting(summary, last, app)
    };
    Ok(Page::at(events.iter().map(of).collect(), next.map(text)))
}

fn text(place: QueuePlace) -> String {
    let QueuePlace { lane, attempt_at, event } = place;
    let lane = lane.webhook.0 << 8 | i64::from(lane.stripe);
    format!("{LETTER}{lane:016x}{:016x}{:016x}", attempt_at.as_micros(), event.0)
}

fn place(cursor: &str) -> Result<QueuePlace, ApiError> {
    let numbers =
        cursor.strip_prefix(LETTER).filter(|digits| digits.len() == 3 * DIGITS && digits.is_ascii());
    let read = |digits: &str| u64::from_str_radix(digits, 16).ok().map(u64::cast_signed);
    let numbers = numbers.and_then(|digits| {
        let (lane, rest) = digits.split_at(DIGITS);
        let (attempt_at, event) = rest.split_at(DIGITS);
        Some((read(lane)?, read(attempt_at)?, read(event)?))
    });
    let Some((lane, attempt_at, event)) = numbers else {
        return Err(ApiError::invalid("cursor", "take the cursor from nextCursor of the page before"));
    };
    Ok(QueuePlace {
        lane: LaneKey { webhook: WebhookNo(lane >> 8), stripe: (lane & 0xff) as u8 },
        attempt_at: Timestamp::from_micros(attempt_at),
        event: EventNo(event),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Server, receiver};
    use axum::http::Method;
    use serde_json::{Value, json};

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let lane = LaneKey { webhook: WebhookNo(77), stripe: 1 };
        let at = QueuePlace { lane, attempt_at: Timestamp::from_micros(-5), event: EventNo(i64::MAX) };
        assert_eq!(place(&text(at)).unwrap(), at);
        for wrong in ["", "q", "d00", &text(at)[1..], &text(at)[..40], "q\u{e9}"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    async fn get(server: &Server, path: &str) -> Value {
        server.admin(Method::GET, path, Value::Null).await.expect(200).json()
    }

    #[tokio::test]
    async fn an_event_whose_first_attempt_has_failed_is_listed_with_status_reason_and_next_attempt() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 503).await;
        server.clock.pass(HOUR);
        server.settle().await;
        for path in ["/deliveries?status=retrying", "/deliveries?status=queued"] {
            let row = get(&server, path).await["items"][0].clone();
            assert_eq!((&row["status"], &row["httpStatus"]), (&json!("retrying"), &json!(503)), "{path}");
            assert_eq!((&row["attemptCount"], &row["attempts"][0]["status"]), (&json!(1), &json!(503)));
            assert_eq!(row["nextAttemptAt"], "2026-03-02T13:00:20.000Z");
            assert_eq!((&row["endedAt"], &row["webhookId"]), (&Value::Null, &json!(tenant.webhook)));
            let shown = get(&server, &format!("/deliveries/{}", row["id"].as_str().unwrap())).await;
            assert_eq!((&shown["status"], &shown["id"]), (&json!("retrying"), &row["id"]));
        }
        let webhook = get(&server, &format!("/webhooks/{}", tenant.webhook)).await;
        let health = &webhook["health"];
        assert_eq!((&webhook["queued"], &health["state"]), (&json!(1), &json!("failing")));
        assert_eq!(health["failingSince"], "2026-03-02T13:00:00.000Z");
        assert_eq!((&health["retrying"], &health["breaker"]), (&json!(1), &json!("closed")));
        assert_eq!(health["nextAttemptAt"], "2026-03-02T13:00:20.000Z");
        assert_eq!(health["lastFailure"]["httpStatus"], 503);
        let diagnosis = get(&server, "/server/diagnosis").await;
        let findings = diagnosis["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["subject"] == "receivers").unwrap();
        let detail = finding["detail"].as_str().unwrap();
        assert_eq!(finding["good"], false);
        assert!(
            detail.contains(&tenant.webhook) && detail.contains("status 503") && detail.contains("13:00:00"),
            "{detail}"
        );
    }

    #[tokio::test]
    async fn an_event_that_the_breaker_holds_says_why_and_until_when() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 503).await;
        server.clock.pass(HOUR);
        server.settle().await;
        let (events, _) = server.app.waiting(WaitingQuery::default(), 1).await.unwrap();
        let mut event = events.into_iter().next().unwrap();
        assert_eq!(event.held_until, None, "it was attempted, and the breaker is closed");
        event.event.attempt_count = 0;
        event.held_until = Some(event.event.created_at + Duration::from_secs(900));
        let shown = serde_json::to_value(Delivery::waiting(&event, &[], &server.app)).unwrap();
        assert_eq!((&shown["status"], &shown["nextAttemptAt"]), (&json!("queued"), &json!("2026-03-02T13:15:00.000Z")));
        assert!(shown["reason"].as_str().unwrap().contains("circuit breaker"), "{shown}");
    }

    #[tokio::test]
    async fn a_receiver_that_takes_events_again_is_healthy() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        server.subscribed(&tenant, 503).await;
        server.clock.pass(HOUR);
        server.settle().await;
        server.outbound.answer(receiver(tenant.management_token.clone(), 200));
        server.clock.pass(Duration::from_secs(20));
        server.logged(1).await;
        let health = get(&server, &format!("/webhooks/{}", tenant.webhook)).await["health"].clone();
        assert_eq!((&health["state"], &health["retrying"]), (&json!("ok"), &json!(0)));
        assert_eq!(health["lastFailure"]["httpStatus"], 503, "the last failure is still known");
        assert!(get(&server, "/deliveries?status=queued").await["items"].as_array().unwrap().is_empty());
    }
}
