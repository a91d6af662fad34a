//! The answer to a push: what became of each reading.
//!
//! ```json
//! {"accepted":3,"rejected":[{"index":3,"error":"…"}],
//!  "outcomes":{"applied":1,"unchanged":1,"late":1,"conflicting":0,"implausible":0,"unknown":0,"buffered":0},
//!  "results":[{"index":1,"outcome":"unchanged"},{"index":2,"outcome":"late","reason":"…"}]}
//! ```
//!
//! `accepted` and `rejected` add up to the readings of the request, and so do the outcomes to those that were accepted.
//! `results` names what was not simply applied; `?results=all` names every reading.

use app::{AnswerCounts, Ingested, Rejected};
use domain::{signal::SignalId, vehicle::ReadingOutcome};
use serde::Serialize;

use crate::problem::ApiError;

/// Readings that are named.
const MOST_RESULTS: usize = 1_000;

/// Which readings are named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those that were not simply applied.
    Notable,
    /// All of them.
    All,
}

impl Wanted {
    /// From the query of the request.
    pub(super) fn of(query: Option<&str>) -> Result<Self, ApiError> {
        let mut wanted = Self::Notable;
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            wanted = match (&*name, &*value) {
                ("results", "all") => Self::All,
                ("results", "notable") => Self::Notable,
                ("results", other) => {
                    return Err(ApiError::invalid(
                        "results",
                        format!("{other:?} is neither \"all\" nor \"notable\""),
                    ));
                }
                _ => wanted,
            };
        }
        Ok(wanted)
    }
}

/// What became of a request.
#[derive(Serialize)]
pub(super) struct Taken {
    accepted: usize,
    rejected: Vec<Refused>,
    outcomes: Outcomes,
    results: Vec<ResultOf>,
    /// Readings that are not named because there are too many.
    #[serde(skip_serializing_if = "is_zero")]
    unnamed: usize,
}

const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A reading that was not taken.
#[derive(Serialize)]
struct Refused {
    index: usize,
    error: String,
}

/// How many readings became what.
#[derive(Default, Serialize)]
struct Outcomes {
    applied: usize,
    unchanged: usize,
    late: usize,
    conflicting: usize,
    implausible: usize,
    unknown: usize,
    buffered: usize,
}

/// What became of one reading.
#[derive(Serialize)]
struct ResultOf {
    index: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Parts that were left out of its value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

impl Taken {
    /// How many readings became what.
    pub(super) fn counts(&self) -> AnswerCounts {
        let Outcomes { applied, unchanged, late, conflicting, implausible, unknown, buffered } =
            self.outcomes;
        AnswerCounts {
            rejected: self.rejected.len() as u64,
            applied: applied as u64,
            unchanged: unchanged as u64,
            late: late as u64,
            conflicting: conflicting as u64,
            implausible: implausible as u64,
            unknown: unknown as u64,
            buffered: buffered as u64,
        }
    }

    /// The answer to a request with readings at these places.
    pub(super) fn of(places: &[usize], ingested: Ingested, wanted: Wanted) -> Self {
        let Ingested { rejected, outcomes, mut ignored } = ingested;
        ignored.sort_unstable_by_key(|(index, _)| *index);
        let is_rejected = |index| rejected.binary_search_by_key(&index, |rejected| rejected.index).is_ok();
        let accepted = places.iter().filter(|&&index| !is_rejected(index)).count();
        let mut counts = Outcomes { applied: accepted - outcomes.len(), ..Outcomes::default() };
        for (_, _, outcome) in &outcomes {
            *counts.of(*outcome) += 1;
        }
        let mut named = Named { results: Vec::new(), unnamed: 0, ignored: ignored.into_iter().peekable() };
        let mut outcomes = outcomes.into_iter().peekable();
        let accepted_places = places.iter().copied().filter(|&index| !is_rejected(index));
        match wanted {
            Wanted::Notable if outcomes.peek().is_none() && named.ignored.peek().is_none() => {}
            Wanted::Notable | Wanted::All => {
                for index in accepted_places {
                    let outcome = outcomes
                        .next_if(|(of, ..)| *of == index)
                        .map(|(_, signal, outcome)| (signal, outcome));
                    named.name(index, outcome, wanted);
                }
            }
        }
        let Named { results, unnamed, .. } = named;
        let refused = |Rejected { index, reason }| Refused { index, error: reason };
        Self {
            accepted,
            rejected: rejected.into_iter().map(refused).collect(),
            outcomes: counts,
            results,
            unnamed,
        }
    }
}

struct Named<I: Iterator<Item = (usize, Vec<String>)>> {
    results: Vec<ResultOf>,
    unnamed: usize,
    ignored: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = (usize, Vec<String>)>> Named<I> {
    fn name(&mut self, index: usize, outcome: Option<(SignalId, ReadingOutcome)>, wanted: Wanted) {
        let ignored =
            self.ignored.next_if(|(of, _)| *of == index).map(|(_, ignored)| ignored).unwrap_or_default();
        if outcome.is_none() && ignored.is_empty() && wanted == Wanted::Notable {
            return;
        }
        if self.results.len() == MOST_RESULTS {
            self.unnamed += 1;
            return;
        }
        let reason = outcome.and_then(|(signal, outcome)| outcome.reason(signal));
        let outcome = outcome.map_or(ReadingOutcome::Applied, |(_, outcome)| outcome).as_str();
        self.results.push(ResultOf { index, outcome, reason, ignored });
    }
}

impl Outcomes {
    fn of(&mut self, outcome: ReadingOutcome) -> &mut usize {
        match outcome {
            ReadingOutcome::Applied | ReadingOutcome::Rejected(_) => &mut self.applied,
            ReadingOutcome::Unchanged => &mut self.unchanged,
            ReadingOutcome::Late { .. } => &mut self.late,
            ReadingOutcome::Implausible(_) => &mut self.implausible,
            ReadingOutcome::Conflicting => &mut self.conflicting,
            ReadingOutcome::Unknown { .. } => &mut self.unknown,
            ReadingOutcome::Buffered => &mut self.buffered,
        }
    }
}
