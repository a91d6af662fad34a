//! Scenarios of the simulated world, by subject. Each test reads like a page of the manual.

mod bodies;
mod breaker;
mod clock;
mod crash;
mod delivery;
mod endings;
mod errors;
mod isolation;
mod planted;
mod pushes;
mod recordings;
mod reference;
mod rights;
mod schedule;
mod soak;
mod switching;
mod unified;
mod upkeep;
mod v2;
mod verification;

use std::time::Duration;

use domain::{
    errors::ErrorCode,
    signal::{SignalId, Value},
    vehicle::{Answer, Fault},
};
use milepost_sim::{Mood, World, says};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(3_600 * hours)
}

/// Settings of a world that is looked at for weeks: its store is looked after once an hour.
fn for_weeks() -> app::Settings {
    let mut settings = app::Settings::default();
    settings.reads.look_every = hours(1);
    settings.retention.pass_every = hours(1);
    settings.retention.heartbeat_every = hours(1);
    settings
}

/// What must hold of all requests of any world: signatures are good, and no occurrence has two requests at a time.
fn check_requests(world: &World) {
    use lab::arrival::Signature;
    world.with_received(|all| {
        for post in all {
            assert_eq!(post.signature, Signature::Good, "{} {:?}", post.at, post.signature_text);
        }
        for (place, post) in all.iter().enumerate().filter(|(_, post)| post.id().is_some()) {
            let overlap = all[..place]
                .iter()
                .find(|other| other.id() == post.id() && other.ended.is_none_or(|ended| ended > post.began));
            assert!(overlap.is_none(), "two requests of one occurrence at {}", post.at);
        }
    });
}

/// A car that shows these values from now on, measured when they are asked for.
fn shows(values: &[(SignalId, Value)]) -> Mood {
    answers_with(values.iter().map(|(signal, value)| (*signal, Ok(value.clone()))))
}

/// A car that answers this from now on.
fn answers_with(answers: impl IntoIterator<Item = (SignalId, Result<Value, ErrorCode>)>) -> Mood {
    let answer = |(signal, outcome): (SignalId, Result<Value, ErrorCode>)| Answer {
        signal,
        outcome: outcome.map(|value| (value, None)).map_err(Fault::from),
    };
    says(answers.into_iter().map(answer).collect())
}

const fn number(value: f64) -> Value {
    Value::Number(value)
}
