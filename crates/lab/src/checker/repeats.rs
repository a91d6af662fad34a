//! Deliveries that come more than once: retries are none of ours, duplicates need a fault to explain them, and all of
//! them carry the same data.

use super::{FaultMark, Finding, Verdict, about};
use crate::arrival::Arrival;
use crate::receiver::Outcome;
use crate::time::Timestamp;
use std::time::Duration;

/// An arrival of what had been accepted before.
struct Repeat<'a> {
    accepted: Timestamp,
    again: &'a Arrival,
}

/// Checks the arrivals of each id, given in the order of time.
pub(super) fn check<'a, 'b: 'a>(
    histories: impl Iterator<Item = &'a [&'b Arrival]>,
    faults: &[FaultMark],
    settle: Duration,
    verdict: &mut Verdict,
) {
    let mut repeats = Vec::new();
    for history in histories {
        if let Some(other) = history.iter().find(|arrival| arrival.fingerprint != history[0].fingerprint) {
            verdict.data_changes.push(about(other, "came again with other data"));
        }
        repeats.extend(repeats_of(history));
    }
    repeats.sort_by_key(|repeat| repeat.again.at);
    let mut budgets: Vec<(Timestamp, usize)> =
        faults.iter().map(|fault| (fault.at, fault.in_flight)).collect();
    budgets.sort_unstable();
    for repeat in repeats {
        if excuse(&repeat, &mut budgets, settle) {
            verdict.excused += 1;
        } else {
            let says = format!("came again after it had been accepted at {}", repeat.accepted);
            verdict.duplicates.push(Finding { says, ..about(repeat.again, "") });
        }
    }
}

/// The first arrival after each acceptance. A sender that lost an acceptance does not know of it: those that follow until
/// the next one are its retries, not further repeats.
fn repeats_of<'a, 'b: 'a>(history: &'a [&'b Arrival]) -> impl Iterator<Item = Repeat<'b>> + use<'a, 'b> {
    let mut accepted = None;
    history.iter().filter_map(move |again| {
        let repeat = accepted.take().map(|accepted| Repeat { accepted, again });
        if again.outcome == Outcome::Accepted {
            accepted = Some(again.at);
        }
        repeat
    })
}

/// Charges a repeat to the earliest fault between the acceptance and the repeat that has attempts left. Repeats come in
/// the order of time, so this excuses as many of them as any choice could.
fn excuse(repeat: &Repeat<'_>, budgets: &mut [(Timestamp, usize)], settle: Duration) -> bool {
    let between = |at: Timestamp| repeat.accepted <= at + settle && at <= repeat.again.at;
    match budgets.iter_mut().find(|(at, left)| *left > 0 && between(*at)) {
        Some((_, left)) => {
            *left -= 1;
            true
        }
        None => false,
    }
}
