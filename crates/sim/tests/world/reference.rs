//! What unified webhooks should be told about a car that only pushes, worked out as simply as can be.
//!
//! A list of moments, each with the values that were measured then. The first moment is the first delivery; after it, a
//! trigger fires when its value differs from its last one. Nothing here is the product's.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// What was measured at one moment: the code of a signal, and its value as it stands in `body`.
pub(super) type Moment = Vec<(&'static str, Json)>;

/// An event: what fired, and the values that it carries.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) fired: Vec<String>,
    pub(super) values: Vec<Json>,
}

/// The events of a webhook whose triggers are what it carries.
pub(super) fn told(moments: &[Moment], triggers: &[&'static str]) -> Vec<Told> {
    let mut last: BTreeMap<&str, &Json> = BTreeMap::new();
    let mut told = Vec::new();
    for (place, moment) in moments.iter().enumerate() {
        let mut fired = Vec::new();
        for code in triggers {
            let Some((_, value)) = moment.iter().find(|(of, _)| of == code) else { continue };
            if last.insert(code, value).is_some_and(|before| before != value) {
                fired.push((*code).to_owned());
            }
        }
        if place == 0 {
            fired = vec!["FIRST_DELIVERY".to_owned()];
        }
        if !fired.is_empty() {
            let values = triggers.iter().map(|code| last.get(code).map_or(Json::Null, |&value| plain(value)));
            told.push(Told { fired, values: values.collect() });
        }
    }
    told
}

/// What accepted bodies of one car say, each event once, in the order of their numbers.
pub(super) fn read(bodies: &[Json]) -> Vec<Told> {
    let mut events: BTreeMap<i64, (&str, Told)> = BTreeMap::new();
    for body in bodies {
        let list = |value: &Json, item: &dyn Fn(&Json) -> Json| -> Vec<Json> {
            value.as_array().expect("a list").iter().map(item).collect()
        };
        let fired = list(&body["triggers"], &|trigger| trigger["code"].clone());
        let fired = fired.iter().map(|code| code.as_str().expect("a code").to_owned()).collect();
        let values = list(&body["data"]["signals"], &|signal| plain(&signal["body"]));
        let id = body["eventId"].as_str().expect("an id");
        let sequence = body["meta"]["sequence"].as_i64().expect("a number");
        let event = (id, Told { fired, values });
        if let Some(known) = events.insert(sequence, event.clone()) {
            assert_eq!(known, event, "an event that is sent again is the same one");
        }
    }
    events.into_values().map(|(_, told)| told).collect()
}

/// A value whose numbers are all of one kind: the wire writes 10.0 as 10.
fn plain(value: &Json) -> Json {
    match value {
        Json::Number(number) => Json::from(number.as_f64()),
        Json::Object(keys) => keys.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}
