//! What a body says, of either dialect: enough to count, to compare and to name what arrived.

use crate::id::Id;
use crate::time::Timestamp;
use memchr::memmem;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A body that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The webhook that it belongs to.
    pub webhook: Option<Id>,
    /// `eventName` of v2 (`schedule`, `verify`, …) or `eventType` of the unified dialect (`VEHICLE_STATE`, …).
    pub name: String,
    /// `live`, `test`, `simulated`, `LIVE`, …, as it was written.
    pub mode: Option<String>,
    /// The rest.
    pub content: Content,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A verification and its challenge.
    Challenge(String),
    /// Readings of one or more vehicles: `schedule` and `dynamic`.
    Vehicles(Vec<VehicleBlock>),
    /// One occurrence with an id of its own: `eventBased` and the unified dialect.
    Single {
        /// `eventId`, the same in every attempt.
        id: Id,
        /// The vehicle, where one is named.
        vehicle: Option<Id>,
        /// When the sender says that it happened or was sent.
        told: Option<Timestamp>,
        /// Of what must be the same in every attempt.
        fingerprint: Fingerprint,
    },
    /// An envelope around something else.
    Other,
}

/// One vehicle of a v2 body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VehicleBlock {
    /// The vehicle.
    pub vehicle: Id,
    /// The id of this occurrence, the only handle that v2 has.
    pub request: Id,
    /// When the block was built, as the sender says.
    pub timestamp: Option<Timestamp>,
    /// Path and code of each entry, in order.
    pub entries: Vec<(String, u16)>,
    /// Of the entries.
    pub fingerprint: Fingerprint,
}

/// Stands for data when attempts are compared: equal data has equal fingerprints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// One occurrence for one vehicle: what a delivery is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The id that repeats when the delivery does.
    pub id: Id,
    /// The vehicle, where one is named.
    pub vehicle: Option<Id>,
    /// When it was built, as the sender says.
    pub built: Option<Timestamp>,
    /// Of the data.
    pub fingerprint: Fingerprint,
}

impl Event {
    /// Reads a body; `None` if it is neither dialect's envelope.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        if let Some(name) = body["eventName"].as_str() {
            Some(Self::from_v2(name, &body))
        } else {
            body["eventType"].as_str().map(|name| Self::from_unified(name, &body))
        }
    }

    fn from_v2(name: &str, body: &Value) -> Self {
        let payload = &body["payload"];
        let content = if name == "verify" {
            payload["challenge"].as_str().map(|text| Content::Challenge(text.to_owned()))
        } else if let Some(vehicles) = payload["vehicles"].as_array() {
            vehicles.iter().map(VehicleBlock::parse).collect::<Option<_>>().map(Content::Vehicles)
        } else {
            id_at(&payload["eventId"]).map(|id| Content::Single {
                id,
                vehicle: id_at(&payload["vehicleId"]),
                told: time_at(&payload["eventTime"]),
                fingerprint: Fingerprint::of(&[payload]),
            })
        };
        Self {
            webhook: id_at(&body["webhookId"]),
            name: name.to_owned(),
            mode: text_at(&body["mode"]),
            content: content.unwrap_or(Content::Other),
        }
    }

    fn from_unified(name: &str, body: &Value) -> Self {
        let (data, meta) = (&body["data"], &body["meta"]);
        let content = if name == "VERIFY" {
            data["challenge"].as_str().map(|text| Content::Challenge(text.to_owned()))
        } else {
            id_at(&body["eventId"]).map(|id| Content::Single {
                id,
                vehicle: id_at(&data["vehicle"]["id"]),
                told: time_at(&meta["deliveredAt"]),
                fingerprint: Fingerprint::of(&[data, &body["triggers"]]),
            })
        };
        Self {
            webhook: id_at(&meta["webhookId"]),
            name: name.to_owned(),
            mode: text_at(&meta["mode"]),
            content: content.unwrap_or(Content::Other),
        }
    }

    /// Whether this asks the receiver to prove that it knows the token.
    pub fn is_verification(&self) -> bool {
        matches!(self.content, Content::Challenge(_))
    }

    /// The occurrences in it: none for a verification, several for a v2 body with several vehicles.
    pub fn items(&self) -> Vec<Item> {
        match &self.content {
            Content::Vehicles(blocks) => blocks.iter().map(VehicleBlock::item).collect(),
            // The time of a unified event is that of the attempt; nothing in it says when it was built.
            &Content::Single { id, vehicle, fingerprint, .. } => {
                vec![Item { id, vehicle, built: None, fingerprint }]
            }
            Content::Challenge(_) | Content::Other => Vec::new(),
        }
    }

    /// The time that the sender put on it: when a v2 block was built, when a unified event was sent.
    pub fn told(&self) -> Option<Timestamp> {
        match &self.content {
            Content::Vehicles(blocks) => blocks.first().and_then(|block| block.timestamp),
            Content::Single { told, .. } => *told,
            Content::Challenge(_) | Content::Other => None,
        }
    }
}

impl VehicleBlock {
    fn parse(block: &Value) -> Option<Self> {
        let entries = block["data"].as_array()?.iter().map(|entry| {
            let path = text_at(&entry["path"])?;
            let code = entry["code"].as_u64()?.try_into().ok()?;
            Some((path, code))
        });
        Some(Self {
            vehicle: id_at(&block["vehicleId"])?,
            request: id_at(&block["requestId"])?,
            timestamp: time_at(&block["timestamp"]),
            entries: entries.collect::<Option<_>>()?,
            fingerprint: Fingerprint::of(&[&block["data"]]),
        })
    }

    fn item(&self) -> Item {
        let &Self { vehicle, request, timestamp, fingerprint, .. } = self;
        Item { id: request, vehicle: Some(vehicle), built: timestamp, fingerprint }
    }
}

impl Fingerprint {
    fn of(parts: &[&Value]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.to_string());
        }
        let first = hash.finalize().iter().take(8).fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        Self(first)
    }
}

/// Whether a body may be a verification. Cheap, and never wrong with a no.
pub(crate) fn may_be_verification(body: &[u8]) -> bool {
    memmem::find(body, br#""challenge""#).is_some()
}

/// The ids and vehicles of a body without reading all of it: for receivers that only count.
///
/// It relies on the order of keys that the wire prescribes; a body with another order is read in full.
pub(crate) fn scan(body: &[u8], mut found: impl FnMut(Id, Option<Id>)) {
    if !scan_unified(body, &mut found) && !scan_v2(body, &mut found) {
        for item in Event::parse(body).iter().flat_map(Event::items) {
            found(item.id, item.vehicle);
        }
    }
}

fn scan_unified(body: &[u8], found: &mut impl FnMut(Id, Option<Id>)) -> bool {
    let Some(id) = body.strip_prefix(br#"{"eventId":""#).and_then(leading_id) else { return false };
    let key = br#""vehicle":{"id":""#;
    let vehicle = memmem::find(body, key).and_then(|at| leading_id(&body[at + key.len()..]));
    found(id, vehicle);
    true
}

fn scan_v2(body: &[u8], found: &mut impl FnMut(Id, Option<Id>)) -> bool {
    let (vehicle_key, request_key) = (br#"{"vehicleId":""#, br#"","requestId":""#);
    let mut any = false;
    for at in memmem::find_iter(body, vehicle_key) {
        let rest = &body[at + vehicle_key.len()..];
        let request =
            rest.get(Id::LENGTH..).and_then(|rest| rest.strip_prefix(request_key)).and_then(leading_id);
        if let (Some(vehicle), Some(request)) = (leading_id(rest), request) {
            found(request, Some(vehicle));
            any = true;
        }
    }
    any
}

fn leading_id(text: &[u8]) -> Option<Id> {
    text.get(..Id::LENGTH).and_then(Id::from_bytes)
}

fn id_at(value: &Value) -> Option<Id> {
    value.as_str()?.parse().ok()
}

fn text_at(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Times are ISO 8601 in v2 and in verifications, epoch milliseconds in unified data events.
fn time_at(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().map(Timestamp::from_millis),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Bodies with invented values in the shape of the wire.

    pub(crate) const WEBHOOK: &str = "0190f3b2-0000-7000-8000-00000000aaaa";
    pub(crate) const VEHICLE: &str = "0190f3b2-0000-7000-8000-00000000bbbb";
    pub(crate) const REQUEST: &str = "0190f3b2-0000-7000-8000-00000000cccc";

    pub(crate) fn schedule() -> String {
        block(VEHICLE, REQUEST, "2024-05-01T16:01:12.345Z")
    }

    pub(crate) fn block(vehicle: &str, request: &str, timestamp: &str) -> String {
        format!(
            concat!(
                r#"{{"version":"2.0","webhookId":"{WEBHOOK}","eventName":"schedule","mode":"live","payload":{{"vehicles":["#,
                r#"{{"vehicleId":"{vehicle}","requestId":"{request}","data":["#,
                r#"{{"path":"/","code":200,"body":{{"id":"{vehicle}","make":"TESLA","model":"Model 3","year":2021}},"headers":{{}}}},"#,
                r#"{{"path":"/battery","code":200,"body":{{"percentRemaining":0.78,"range":312.4}},"headers":{{"sc-unit-system":"metric"}}}},"#,
                r#"{{"path":"/odometer","code":501,"body":{{"type":"COMPATIBILITY","code":"VEHICLE_NOT_CAPABLE","requestId":"{request}"}},"headers":{{}}}}"#,
                r#"],"timestamp":"{timestamp}"}}]}}}}"#
            ),
            WEBHOOK = WEBHOOK,
            vehicle = vehicle,
            request = request,
            timestamp = timestamp,
        )
    }

    pub(crate) fn v2_verify(challenge: &str) -> String {
        format!(
            r#"{{"version":"2.0","webhookId":"{WEBHOOK}","eventName":"verify","payload":{{"challenge":"{challenge}"}}}}"#
        )
    }

    pub(crate) fn unified_verify(challenge: &str) -> String {
        format!(
            concat!(
                r#"{{"eventId":"{REQUEST}","eventType":"VERIFY","data":{{"challenge":"{challenge}"}},"#,
                r#""meta":{{"version":"4.0","webhookId":"{WEBHOOK}","webhookName":"Home","deliveryId":"{VEHICLE}","deliveredAt":"2024-05-01T16:01:12.345Z"}}}}"#
            ),
            REQUEST = REQUEST,
            WEBHOOK = WEBHOOK,
            VEHICLE = VEHICLE,
            challenge = challenge
        )
    }

    pub(crate) fn vehicle_state() -> String {
        format!(
            concat!(
                r#"{{"eventId":"{REQUEST}","eventType":"VEHICLE_STATE","data":{{"user":{{"id":"{REQUEST}"}},"#,
                r#""vehicle":{{"id":"{VEHICLE}","make":"BYD","model":"Seal","year":2025}},"signals":["#,
                r#"{{"code":"tractionbattery-stateofcharge","name":"StateOfCharge","group":"TractionBattery","body":{{"value":78,"unit":"percent"}},"#,
                r#""meta":{{"oemUpdatedAt":1767920001000,"retrievedAt":1767920009852}},"status":{{"value":"SUCCESS"}}}},"#,
                r#"{{"name":"Role","group":"VehicleUserAccount","code":"vehicleuseraccount-role","status":{{"value":"ERROR","error":{{"type":"COMPATIBILITY","code":null}}}}}}]}},"#,
                r#""triggers":[{{"type":"SIGNAL_UPDATED","signal":{{"name":"StateOfCharge","code":"tractionbattery-stateofcharge","group":"TractionBattery"}}}}],"#,
                r#""meta":{{"deliveryId":"{WEBHOOK}","deliveredAt":1767920009942,"version":"4.0","webhookId":"{WEBHOOK}","webhookName":"Home","mode":"LIVE","signalCount":2}}}}"#
            ),
            REQUEST = REQUEST,
            WEBHOOK = WEBHOOK,
            VEHICLE = VEHICLE,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::samples::*;
    use super::*;

    fn parse(body: &str) -> Event {
        Event::parse(body.as_bytes()).unwrap()
    }

    fn scanned(body: &str) -> Vec<(Id, Option<Id>)> {
        let mut ids = Vec::new();
        scan(body.as_bytes(), |id, vehicle| ids.push((id, vehicle)));
        ids
    }

    #[test]
    fn a_schedule_names_its_webhook_vehicles_and_entries() {
        let event = parse(&schedule());
        assert_eq!(event.webhook, Some(WEBHOOK.parse().unwrap()));
        assert_eq!((event.name.as_str(), event.mode.as_deref()), ("schedule", Some("live")));
        let Content::Vehicles(blocks) = &event.content else { panic!("{event:?}") };
        let entries: Vec<_> = blocks[0].entries.iter().map(|(path, code)| (path.as_str(), *code)).collect();
        assert_eq!(entries, [("/", 200), ("/battery", 200), ("/odometer", 501)]);
        assert_eq!(blocks[0].timestamp, Some("2024-05-01T16:01:12.345Z".parse().unwrap()));
    }

    #[test]
    fn both_dialects_ask_for_verification() {
        for body in [v2_verify("abc"), unified_verify("abc")] {
            assert!(may_be_verification(body.as_bytes()));
            assert_eq!(parse(&body).content, Content::Challenge("abc".to_owned()));
            assert!(parse(&body).items().is_empty());
        }
    }

    #[test]
    fn counting_finds_the_same_ids_as_reading() {
        let event_based = format!(
            r#"{{"version":"2.0","webhookId":"{WEBHOOK}","eventName":"eventBased","mode":"live","payload":{{"eventId":"{REQUEST}","vehicleId":"{VEHICLE}","eventType":"CHARGING_STARTED","eventTime":"2022-05-01T10:00:00.000Z"}}}}"#
        );
        let spaced = schedule().replace("\":", "\": ");
        for body in [schedule(), vehicle_state(), event_based, spaced] {
            let read: Vec<_> = parse(&body).items().iter().map(|item| (item.id, item.vehicle)).collect();
            assert_eq!(scanned(&body), read, "{body}");
            assert_eq!(read, [(REQUEST.parse().unwrap(), Some(VEHICLE.parse().unwrap()))]);
        }
    }

    #[test]
    fn other_data_has_another_fingerprint_and_another_time_alone_has_not() {
        let of = |body: &str| parse(body).items()[0].fingerprint;
        let original = of(&schedule());
        assert_eq!(of(&schedule().replace("16:01:12.345", "16:02:00.000")), original);
        assert_ne!(of(&schedule().replace("0.78", "0.79")), original);
        assert_eq!(of(&vehicle_state().replace("1767920009942", "1767920034942")), of(&vehicle_state()));
        assert_ne!(of(&vehicle_state().replace(":78,", ":79,")), of(&vehicle_state()));
    }

    #[test]
    fn what_is_no_event_is_not_understood() {
        for body in ["", "[]", "{}", "{\"eventName\":3}", "nonsense"] {
            assert_eq!(Event::parse(body.as_bytes()), None, "{body}");
            assert!(scanned(body).is_empty());
        }
    }
}
