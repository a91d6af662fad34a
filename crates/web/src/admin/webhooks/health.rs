//! How the receiver of a webhook does, as answers have it.

use app::ReceiverState;
use domain::delivery::{AttemptResult, LastFailure};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::Moment;

/// How the receiver of a webhook does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookHealth {
    state: ReceiverWord,
    /// Since when its attempts fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Moment>,
    /// The last attempt that failed, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<FailedAttempt>,
    /// How many events wait for another attempt, counted up to 100.
    retrying: u64,
    /// When the first of them is attempted.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Moment>,
    /// `closed`; `open` while first attempts are held back, because several events in a row have failed; `recovering` while they
    /// go out at a ramp.
    breaker: &'static str,
}

/// Whether a receiver takes events.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ReceiverWord {
    /// The last attempt did not fail, or there was none.
    Ok,
    /// Attempts fail.
    Failing,
}

/// A failed attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FailedAttempt {
    at: Moment,
    /// The status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    /// Why there was no answer, as a word that never changes: `timed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    /// What happened, as a sentence.
    error: String,
    /// What to look at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl From<&ReceiverState> for WebhookHealth {
    fn from(state: &ReceiverState) -> Self {
        Self {
            state: if state.failing_since.is_some() { ReceiverWord::Failing } else { ReceiverWord::Ok },
            failing_since: state.failing_since.map(Moment),
            last_failure: state.last_failure.map(Into::into),
            retrying: state.retrying,
            next_attempt_at: state.next_attempt_at.and_then(Moment::known),
            breaker: state.breaker,
        }
    }
}

impl From<LastFailure> for FailedAttempt {
    fn from(LastFailure { at, result }: LastFailure) -> Self {
        let failure = match result {
            AttemptResult::Answered { .. } => None,
            AttemptResult::Failed(failure) => Some(failure),
        };
        Self {
            at: Moment(at),
            http_status: result.status(),
            failure: failure.map(|failure| failure.as_str()),
            error: match result {
                AttemptResult::Answered { status } => format!("The receiver answered with status {status}."),
                AttemptResult::Failed(failure) => failure.sentence().to_owned(),
            },
            hint: result.hint(),
        }
    }
}
