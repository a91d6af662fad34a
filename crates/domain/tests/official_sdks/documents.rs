//! Documents of the real composers, over observations that no car would make: a document per seed.

use std::ops::Range;

use milepost_domain::{
    cadence::Cadence,
    errors::ErrorCode,
    ids::{EventId, RequestId, UserId, VehicleId, WebhookId},
    payload::{
        Links, json, unified,
        v2::{self, VehicleBlock},
    },
    signal::{Endpoint, GridCell, Powertrain, SignalId, Value},
    time::Timestamp,
    units::UnitSystem,
    vehicle::{ErrorChange, Mode, Observation, Observed, Occasion, Region, Sample, VehicleInfo},
    webhook::{ChargingEvent, Profile, Scheduled, ScheduledName, SimulatedMode, Unified},
};
use serde_json::{Map, json};
use uuid::Uuid;

/// The documents of a range of seeds, each with the name of its kind.
pub(crate) struct Documents {
    seeds: Range<u64>,
    signals: Vec<SignalId>,
    errors: Vec<ErrorCode>,
}

impl Documents {
    pub(crate) fn of(seeds: Range<u64>) -> Self {
        Self { seeds, signals: SignalId::all().collect(), errors: ErrorCode::all().collect() }
    }
}

impl Iterator for Documents {
    type Item = (&'static str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let seed = self.seeds.next()?;
        let mut chance = Chance { state: seed, catalogue: self };
        Some(match chance.below(10) {
            0..=4 => ("unified states", chance.state_of_a_vehicle()),
            5 => ("unified errors", chance.errors()),
            6 => ("challenges", chance.challenge()),
            7..=8 => ("scheduled or dynamic payloads", chance.payload()),
            _ => ("charging events", chance.charging()),
        })
    }
}

/// Draws from a seed (SplitMix64).
struct Chance<'a> {
    state: u64,
    catalogue: &'a Documents,
}

/// Where writers and readers of numbers have gone wrong.
const NUMBERS: &[f64] = &[
    0.0,
    -0.0,
    0.1 + 0.2,
    1e21,
    -1e21,
    999_999_999_999_999_900_000.0,
    1e-6,
    1e-7,
    5e-324,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    f64::EPSILON,
    9_007_199_254_740_991.0,
    9_007_199_254_740_993.0,
    -9_007_199_254_740_992.0,
    5_600_301_794_945_413.0 / 4.0,
    1.0 / 3.0,
    123_456_789.123_456_79,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

const CHARACTERS: &[char] = &[
    'a',
    'Z',
    ' ',
    '7',
    'ä',
    'ß',
    'ğ',
    'Ω',
    '車',
    '🚗',
    '"',
    '\\',
    '/',
    '<',
    '>',
    '&',
    '\'',
    '{',
    ',',
    ':',
    '\0',
    '\u{1}',
    '\u{8}',
    '\t',
    '\n',
    '\u{b}',
    '\u{c}',
    '\r',
    '\u{1f}',
    '\u{7f}',
    '\u{80}',
    '\u{a0}',
    '\u{301}',
    '\u{200d}',
    '\u{2028}',
    '\u{2029}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '\u{10000}',
    '\u{10ffff}',
];

const KEYS: &[&str] = &[
    "",
    "__proto__",
    "constructor",
    "toString",
    "-1",
    "017",
    "1e3",
    "4294967295",
    "ключ",
    "a\"b",
    "\u{2028}",
];

impl Chance<'_> {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.one_in(3) { None } else { Some(make(self)) }
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }

    /// Mostly as a clock would say, now and then any.
    fn moment(&mut self) -> Timestamp {
        match self.below(8) {
            0 => Timestamp::from_micros(self.next().cast_signed()),
            _ => Timestamp::from_millis(1_700_000_000_000 + self.below(100_000_000_000) as i64),
        }
    }

    fn number(&mut self) -> f64 {
        match self.below(4) {
            0 => self.of(NUMBERS),
            1 => f64::from_bits(self.next()),
            2 => self.below(1_000_000) as f64 / 10.0,
            _ => self.next().cast_signed() as f64 / 1_048_576.0,
        }
    }

    fn finite(&mut self) -> f64 {
        Some(self.number()).filter(|number| number.is_finite()).unwrap_or_default()
    }

    fn text(&mut self) -> String {
        let length = self.below(12);
        (0..length).map(|_| self.character()).collect()
    }

    fn character(&mut self) -> char {
        match self.below(4) {
            0 => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('\u{fffd}'),
            _ => self.of(CHARACTERS),
        }
    }

    fn flag(&mut self) -> Option<bool> {
        self.maybe(|chance| chance.one_in(2))
    }

    fn value(&mut self, signal: SignalId) -> Value {
        let code = signal.entry().code.as_str();
        match self.below(8) {
            0 => self.value_of_any_form(),
            1..=2 => self.body(),
            _ if signal.entry().name.starts_with("Is") => Value::Flag(self.one_in(2)),
            _ if ["closure-doors", "closure-windows", "wheel-tires"].contains(&code) => self.grid(),
            _ if code.starts_with("closure") => self.grid(),
            _ if code == "location-preciselocation" => self.position(),
            _ if ["vehicle", "diagnostics", "transmission"].iter().any(|group| code.starts_with(group)) => {
                Value::Text(self.text())
            }
            _ => Value::Number(self.number()),
        }
    }

    fn value_of_any_form(&mut self) -> Value {
        match self.below(6) {
            0 => Value::Flag(true),
            1 => Value::Number(self.number()),
            2 => Value::Text(self.text()),
            3 => self.position(),
            4 => self.grid(),
            _ => self.body(),
        }
    }

    fn position(&mut self) -> Value {
        let (latitude, longitude) = (self.number(), self.number());
        Value::position(latitude, longitude, self.maybe(Self::number))
    }

    fn grid(&mut self) -> Value {
        let count = self.below(5);
        let cells = (0..count).map(|_| GridCell {
            row: self.below(256) as u8,
            column: self.below(3) as u8,
            is_open: self.flag(),
            is_locked: self.flag(),
            pressure: self.maybe(Self::number),
        });
        Value::Grid(cells.collect())
    }

    /// The JSON of a whole body: what bodies have, each with extreme content, and members that none has.
    fn body(&mut self) -> Value {
        let (number, text) = (self.finite(), self.text());
        let key = match self.below(3) {
            0 => self.text(),
            1 => self.of(KEYS).to_owned(),
            // Looks like an array index, which JavaScript would move.
            _ => self.below(200).to_string(),
        };
        let value = match self.below(3) {
            0 => json!(number),
            1 => json!(text),
            _ => json!(self.one_in(2)),
        };
        let mut item = Map::new();
        item.insert("id".into(), json!(text));
        item.insert("odometer".into(), json!(number));
        item.insert(self.of(KEYS).into(), json!([self.finite(), null, { self.of(KEYS): self.text() }]));
        let mut body = json!({
            "values": [item, number, text],
            "value": value,
            "status": text,
            "canonical": text,
            "oemDisplayName": text,
            "isOpen": null,
            "latitude": number,
            "longitude": number,
            "capacity": number,
            "availableCapacities": [{ "capacity": number, "description": text }],
        });
        body[key] = json!(self.finite());
        Value::Json(json::canonical(&body.to_string()).expect("what a serialiser wrote is JSON"))
    }

    fn info(&mut self) -> VehicleInfo {
        VehicleInfo {
            id: VehicleId(self.uuid()),
            make: self.text(),
            model: self.text(),
            year: self.below(65_536) as u16,
            mode: self.of(&[Mode::Live, Mode::Simulated]),
            powertrain: self.of(&[Powertrain::Bev, Powertrain::Ice]),
            region: Region::Europe,
        }
    }

    fn links(&mut self) -> Links {
        Links { origin: "https://milepost.example".into(), client_id: self.uuid().to_string() }
    }

    fn some_signals(&mut self, most: usize) -> Vec<SignalId> {
        let mut signals: Vec<_> =
            (0..self.below(most + 1)).map(|_| self.of(&self.catalogue.signals)).collect();
        signals.sort_unstable();
        signals.dedup();
        signals
    }

    fn observation(&mut self, signals: &[SignalId]) -> Observation {
        let observed = signals.iter().map(|&signal| {
            let outcome = match self.below(8) {
                0 => Err(self.of(&self.catalogue.errors)),
                _ => Ok(self.sample(signal)),
            };
            Observed { signal, older: outcome.is_err().then(|| self.sample(signal)), outcome }
        });
        let signals = observed.collect();
        Observation { taken_at: self.moment(), signals, causes: vec![] }
    }

    fn sample(&mut self, signal: SignalId) -> Sample {
        let captured_at = self.maybe(Self::moment);
        Sample { value: self.value(signal), captured_at, retrieved_at: self.moment() }
    }

    fn settings(&mut self) -> Unified {
        Unified {
            triggers: vec![],
            data: self.some_signals(10),
            profile: self.of(Profile::ALL),
            simulated_mode: SimulatedMode::Simulated,
            lenient_verification: false,
        }
    }

    /// An event of a unified webhook with a name, an owner and a vehicle of its own.
    fn event(
        &mut self,
        compose: impl FnOnce(&mut Self, &unified::Envelope<'_>, &unified::Subject<'_>) -> String,
    ) -> String {
        let (name, external_id, info) = (self.text(), self.maybe(Self::text), self.info());
        let envelope = unified::Envelope {
            event: EventId(self.uuid()),
            delivery: self.uuid(),
            delivered_at: self.moment(),
            webhook: WebhookId(self.uuid()),
            webhook_name: &name,
        };
        let subject = unified::Subject {
            user: UserId(self.uuid()),
            external_id: external_id.as_deref(),
            info: &info,
            sequence: self.next() >> self.below(64),
        };
        compose(self, &envelope, &subject)
    }

    fn state_of_a_vehicle(&mut self) -> String {
        self.event(|chance, envelope, subject| {
            let settings = chance.settings();
            let occasion = match chance.one_in(4) {
                true => Occasion::FirstDelivery,
                false => Occasion::Changed(chance.some_signals(3)),
            };
            let observation = chance.observation(&settings.data);
            unified::state(envelope, &settings, subject, &occasion, &observation)
        })
    }

    fn errors(&mut self) -> String {
        self.event(|chance, envelope, subject| {
            let count = 1 + chance.below(3);
            let changes: Vec<_> = (0..count)
                .map(|_| ErrorChange {
                    code: chance.of(&chance.catalogue.errors),
                    resolved: chance.one_in(2),
                    signals: chance.some_signals(3),
                })
                .collect();
            unified::errors(envelope, &chance.settings(), subject, &chance.links(), &changes)
        })
    }

    fn challenge(&mut self) -> String {
        let challenge = self.text();
        if self.one_in(2) {
            return v2::verify(WebhookId(self.uuid()), &challenge);
        }
        self.event(|_, envelope, _| unified::verify(envelope, &challenge))
    }

    fn payload(&mut self) -> String {
        let endpoints: Vec<_> = (0..self.below(6)).map(|_| self.of(Endpoint::ALL)).collect();
        let mut signals: Vec<_> = endpoints.iter().flat_map(|endpoint| endpoint.signals()).copied().collect();
        signals.sort_unstable();
        signals.dedup();
        let (info, links, observation) = (self.info(), self.links(), self.observation(&signals));
        let (webhook, request) = (WebhookId(self.uuid()), RequestId(self.uuid()));
        let block = VehicleBlock { info: &info, request, observation: &observation, links: &links };
        if self.one_in(4) {
            return v2::dynamic(webhook, block);
        }
        let settings = Scheduled {
            cadence: Cadence::daily(),
            endpoints: endpoints.into_iter().collect(),
            units: self.of(&[UnitSystem::Metric, UnitSystem::Imperial]),
            event_name: ScheduledName::Schedule,
            vehicles_per_request: 1,
        };
        v2::schedule(webhook, &settings, &[block])
    }

    fn charging(&mut self) -> String {
        let (webhook, event, vehicle) =
            (WebhookId(self.uuid()), EventId(self.uuid()), VehicleId(self.uuid()));
        v2::charging(webhook, Mode::Live, event, vehicle, self.of(ChargingEvent::ALL), self.moment())
    }
}
