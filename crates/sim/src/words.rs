//! The words in which tests speak and are answered.

use app::DeliverySummary;
use domain::{
    cadence::{Cadence, Weekday, Zone},
    ids::VehicleId,
    time::Timestamp,
};
use store::LogStatus;

use crate::{
    receivers::{Answered, Received},
    world::Car,
};

/// `16:05`, `16:05:30` (the next such moment after `now`), or `2026-03-03 16:05`.
pub(crate) fn moment(text: &str, now: Timestamp) -> Timestamp {
    let at = |date: &str, time: &str| {
        let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
        let parsed: jiff::Timestamp =
            format!("{date}T{time}Z").parse().expect("a moment such as 2026-03-03 16:05");
        Timestamp::from_jiff(parsed)
    };
    if let Some((date, time)) = text.split_once(' ') {
        return at(date, time);
    }
    let today = now.to_string();
    let today = at(&today[..10], text);
    if today > now { today } else { today + std::time::Duration::from_secs(86_400) }
}

/// `every hour`, `every 2 hours`, `daily at 06:00 Europe/Berlin`, `weekly on monday`, `monthly on 31`.
pub(crate) fn cadence(text: &str) -> Cadence {
    let words: Vec<&str> = text.split(' ').collect();
    let (cadence, rest) = match words.as_slice() {
        ["every", "hour"] => (Cadence::every_hours(1).expect("1 is a number of hours"), &[][..]),
        ["every", hours, "hours"] => {
            (Cadence::every_hours(hours.parse().expect("a number")).expect("1 to 24"), &[][..])
        }
        ["daily", rest @ ..] => (Cadence::daily(), rest),
        ["weekly", "on", day, rest @ ..] => {
            (Cadence::weekly(day.parse::<Weekday>().expect("a day of the week")), rest)
        }
        ["monthly", "on", day, rest @ ..] => {
            (Cadence::monthly(day.parse().expect("a number")).expect("1 to 31"), rest)
        }
        _ => panic!("no such cadence: {text}"),
    };
    let hour = |at: &str| at[..2].parse().expect("an hour such as 06:00");
    match rest {
        [] => cadence,
        ["at", at] => cadence.at_hour(hour(at)).expect("an hour of the day"),
        ["at", at, zone] => {
            let zone: Zone = zone.parse().expect("a zone");
            cadence.at_hour(hour(at)).and_then(|cadence| cadence.in_zone(zone)).expect("an hour of the day")
        }
        _ => panic!("no such cadence: {text}"),
    }
}

/// A request in words: `16:00:00 car 1: 200`, with what it tells where that is not a slot:
/// `16:00:00 car 1 FIRST_DELIVERY: 200`.
pub(crate) fn post(post: &Received, cars: &[Car]) -> String {
    let items = post.event.as_ref().map(lab::event::Event::items).unwrap_or_default();
    let vehicles: Vec<_> = items.iter().filter_map(|item| Some(name_of(item.vehicle?.0, cars))).collect();
    let told = told(&post.json()).map(|told| format!(" {told}")).unwrap_or_default();
    let answered = match post.answered {
        Answered::Status(status) => status.to_string(),
        Answered::BrokenOff => "broken off".to_owned(),
        Answered::Reset => "reset".to_owned(),
        Answered::Open => "open".to_owned(),
    };
    format!("{} {}{told}: {answered}", time(post.at), vehicles.join(", "))
}

/// What a body tells beside data: triggers, errors with their signals, or what happened about charging.
fn told(body: &serde_json::Value) -> Option<String> {
    let all = |list: &serde_json::Value, word: &dyn Fn(&serde_json::Value) -> String| {
        list.as_array().map(|items| items.iter().map(word).collect::<Vec<_>>().join(" + "))
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("null").to_owned();
    match (body["eventType"].as_str(), body["payload"]["eventType"].as_str()) {
        (Some("VEHICLE_STATE"), _) => all(&body["triggers"], &|trigger| match &trigger["signal"]["code"] {
            serde_json::Value::Null => text(&trigger["type"]),
            code => text(code),
        }),
        (Some("VEHICLE_ERROR"), _) => all(&body["data"]["errors"], &|error| {
            let signals = all(&error["signals"], &|signal| text(&signal["code"]));
            let signals = signals.map(|signals| format!(" of {signals}")).unwrap_or_default();
            format!("{} {}:{}{signals}", text(&error["state"]), text(&error["type"]), text(&error["code"]))
        }),
        (_, charging) => charging.map(str::to_owned),
    }
}

/// A row of the log in words: `car 1 16:00: delivered after 2 attempts`.
pub(crate) fn log_row(row: &DeliverySummary, cars: &[Car]) -> String {
    let logged = &row.logged;
    let car = cars.iter().find(|car| car.linked.no == logged.vehicle);
    let car = car.map_or_else(|| "another car".to_owned(), |car| format!("car {}", car.number));
    let slot = time(logged.slot);
    let status = logged.status.as_str();
    if logged.status == LogStatus::Missed {
        let from = time(logged.missed_from.unwrap_or(logged.slot));
        return format!("{car} {from} to {slot}: missed {}", logged.missed);
    }
    match row.attempts.len() {
        0 => format!("{car} {slot}: {status}"),
        1 => format!("{car} {slot}: {status} after 1 attempt"),
        count => format!("{car} {slot}: {status} after {count} attempts"),
    }
}

/// The time of day to the second; with the day when it is another than the first of a world.
fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = (&text[..10], &text[11..19]);
    match crate::world::BEGIN.starts_with(date) {
        true => time.to_owned(),
        false => format!("{} {time}", &date[5..]),
    }
}

fn name_of(vehicle: u128, cars: &[Car]) -> String {
    let car = cars.iter().find(|car| car.id() == VehicleId(uuid::Uuid::from_u128(vehicle)));
    car.map_or_else(|| "another car".to_owned(), |car| format!("car {}", car.number))
}
