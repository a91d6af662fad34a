//! Bodies of unified webhooks: the challenge, the state of a vehicle, errors that appear or clear, and tests of both.
//!
//! The documents of the format contradict each other in places; a [`Profile`] is one way through them:
//!
//! | key | `captured` | `union` | `docs-2026` |
//! | --- | --- | --- | --- |
//! | `triggers` | typed | merged | – |
//! | `data.triggers` | – | merged | flat |
//! | `vehicleId`, `data.user.externalId`, `data.vehicle.mode`, `data.vehicle.powertrainType`, `meta.sequence`, `signals[].meta.fetchedAt` | – | yes | yes |
//!
//! A typed trigger is `{type, signal{name, code, group}}`, a flat one `{code, name, group}`, a merged one both at once.
//!
//! An event carries the newest known value of each signal of its webhook. What has none is an entry with an error and
//! without body and times: a signal that the observation does not speak of has failed with `UPSTREAM:NO_RESPONSE`, a
//! value in a form that the signal cannot have with `UPSTREAM:INVALID_DATA`.

pub(super) mod bodies;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use self::bodies::Body;
use super::{Links, fits, json::Writer, sample};
use crate::{
    errors::ErrorCode,
    ids::{EventId, UserId, WebhookId},
    signal::{Kind, SignalId, Value},
    time::Timestamp,
    vehicle::{ErrorChange, Mode, Observation, Occasion, Sample, VehicleInfo},
    webhook::{Profile, SimulatedMode, Unified},
};

/// What each event says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The same over all attempts.
    pub event: EventId,
    /// New with each attempt.
    pub delivery: Uuid,
    /// When the attempt is made.
    pub delivered_at: Timestamp,
    /// Whose event it is.
    pub webhook: WebhookId,
    /// The name that its operator gave it.
    pub webhook_name: &'a str,
}

/// The vehicle that an event is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its owner.
    pub user: UserId,
    /// Its owner's id at the application, where there is one.
    pub external_id: Option<&'a str>,
    /// Which vehicle.
    pub info: &'a VehicleInfo,
    /// Rises with the events of the vehicle on the webhook.
    pub sequence: u64,
}

/// Whether a value is of a form that its signal has, so that an event can carry it.
pub fn has_body(signal: SignalId, value: &Value) -> bool {
    Body::of(signal, value).is_some()
}

/// The unit that an event names beside a value, if it names one.
pub fn unit_of(signal: SignalId, value: &Value) -> Option<String> {
    let mut w = Writer::with_capacity(128);
    Body::of(signal, value)?.write(&mut w);
    let body = w.finish();
    Some(super::json::member(&body, "unit")?.trim_matches('"').to_owned())
}

/// The challenge to a callback URI. Here alone the moment of delivery is text.
pub fn verify(envelope: &Envelope<'_>, challenge: &str) -> String {
    let mut w = Writer::with_capacity(384);
    w.object(|w| {
        w.key("eventId").plain(envelope.event);
        w.key("eventType").plain("VERIFY");
        w.key("data").object(|w| w.key("challenge").string(challenge));
        w.key("meta").object(|w| {
            w.key("version").plain(VERSION);
            w.key("webhookId").plain(envelope.webhook);
            w.key("webhookName").string(envelope.webhook_name);
            w.key("deliveryId").plain(envelope.delivery);
            w.key("deliveredAt").plain(envelope.delivered_at);
        });
    });
    w.finish()
}

/// The state of a vehicle: all signals of the webhook, and why now. One that would be larger than what may be sent is written
/// in the terse profile, see `fitting`.
///
/// # Panics
///
/// When the occasion is neither a first delivery nor a change.
pub fn state(
    envelope: &Envelope<'_>,
    settings: &Unified,
    subject: &Subject<'_>,
    occasion: &Occasion,
    observation: &Observation,
) -> String {
    fitting(&Composer::new(envelope, settings, subject), occasion, observation)
}

/// The union profile names each trigger twice. With more than so many at once an event of another moment could be too large, so
/// it takes the terse profile.
const MOST_FIRED: usize = 50;

/// A state in the profile of the webhook where it fits into what may be sent, else in the terse profile. With that, the sample
/// values of all signals and all triggers of the catalogue fit, so a test and a real event are reduced alike.
fn fitting(composer: &Composer<'_>, occasion: &Occasion, observation: &Observation) -> String {
    let many = composer.settings.profile == Profile::Union
        && matches!(occasion, Occasion::Changed(fired) if fired.len() > MOST_FIRED);
    let full = (!many).then(|| composer.state(occasion, observation));
    match full.filter(|body| fits(body)) {
        Some(body) => body,
        None => {
            let terse = Unified { profile: Profile::Captured, ..composer.settings.clone() };
            Composer { settings: &terse, ..*composer }.state(occasion, observation)
        }
    }
}

/// Errors of a vehicle that have appeared or cleared.
pub fn errors(
    envelope: &Envelope<'_>,
    settings: &Unified,
    subject: &Subject<'_>,
    links: &Links,
    changes: &[ErrorChange],
) -> String {
    Composer::new(envelope, settings, subject).errors(links, changes)
}

/// A state to try a callback URI with: mode `TEST`, an invented vehicle, a sample value for each signal of the webhook,
/// each time 0, and each trigger fired.
pub fn test_state(envelope: &Envelope<'_>, settings: &Unified) -> String {
    let observation = sample::observation(settings.data.iter().copied(), Timestamp::default());
    let occasion = match settings.triggers.as_slice() {
        [] => Occasion::FirstDelivery,
        triggers => Occasion::Changed(triggers.iter().map(|trigger| trigger.signal).collect()),
    };
    let info = sample::info();
    fitting(&Composer::test(envelope, settings, &sample_subject(&info)), &occasion, &observation)
}

/// An error to try a callback URI with: the invented vehicle does not have the first signal of the webhook.
pub fn test_error(envelope: &Envelope<'_>, settings: &Unified, links: &Links) -> String {
    let change = ErrorChange {
        code: ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE,
        resolved: false,
        signals: settings.data.iter().copied().take(1).collect(),
    };
    let info = sample::info();
    Composer::test(envelope, settings, &sample_subject(&info)).errors(links, &[change])
}

fn sample_subject(info: &VehicleInfo) -> Subject<'_> {
    Subject { user: sample::user(), external_id: None, info, sequence: 0 }
}

const VERSION: &str = "4.0";
/// The trigger of the first delivery of a vehicle.
pub const FIRST_DELIVERY: &str = "FIRST_DELIVERY";

/// One event about a vehicle.
struct Composer<'a> {
    envelope: &'a Envelope<'a>,
    settings: &'a Unified,
    subject: &'a Subject<'a>,
    mode: &'static str,
}

impl<'a> Composer<'a> {
    fn new(envelope: &'a Envelope<'a>, settings: &'a Unified, subject: &'a Subject<'a>) -> Self {
        let mode = match (subject.info.mode, settings.simulated_mode) {
            (Mode::Simulated, SimulatedMode::Simulated) => "SIMULATED",
            (Mode::Live, _) | (_, SimulatedMode::Live) => "LIVE",
        };
        Self { envelope, settings, subject, mode }
    }

    fn test(envelope: &'a Envelope<'a>, settings: &'a Unified, subject: &'a Subject<'a>) -> Self {
        Self { mode: "TEST", ..Self::new(envelope, settings, subject) }
    }

    fn state(&self, occasion: &Occasion, observation: &Observation) -> String {
        let fired = match occasion {
            Occasion::FirstDelivery => None,
            Occasion::Changed(signals) => Some(signals.as_slice()),
            other => panic!("{} is no occasion for the state of a vehicle", other.as_str()),
        };
        const ENTRY: usize = 288;
        let signals = &self.settings.data;
        let mut w = Writer::with_capacity(1024 + ENTRY * signals.len());
        w.object(|w| {
            self.head(w, "VEHICLE_STATE");
            w.key("data").object(|w| {
                self.owner_and_vehicle(w);
                if self.shows_more() {
                    w.key("triggers").array(|w| self.triggers(w, fired));
                }
                w.key("signals").array(|w| {
                    for &signal in signals {
                        self.signal(w, signal, observation);
                    }
                });
            });
            if self.settings.profile != Profile::Docs2026 {
                w.key("triggers").array(|w| self.triggers(w, fired));
            }
            self.meta(w, Some(signals.len()));
        });
        w.finish()
    }

    fn errors(&self, links: &Links, changes: &[ErrorChange]) -> String {
        const ITEM: usize = 768;
        let mut w = Writer::with_capacity(1024 + ITEM * changes.len());
        w.object(|w| {
            self.head(w, "VEHICLE_ERROR");
            w.key("data").object(|w| {
                self.owner_and_vehicle(w);
                w.key("errors").array(|w| {
                    for change in changes {
                        w.object(|w| self.error(w, links, change));
                    }
                });
            });
            self.meta(w, None);
        });
        w.finish()
    }

    /// Whether the event has the keys that were documented but not captured.
    fn shows_more(&self) -> bool {
        self.settings.profile != Profile::Captured
    }

    fn head(&self, w: &mut Writer, event_type: &'static str) {
        w.key("eventId").plain(self.envelope.event);
        w.key("eventType").plain(event_type);
        if self.shows_more() {
            w.key("vehicleId").plain(self.subject.info.id);
        }
    }

    fn owner_and_vehicle(&self, w: &mut Writer) {
        let Subject { user, external_id, info, .. } = *self.subject;
        w.key("user").object(|w| {
            w.key("id").plain(user);
            if self.shows_more() {
                w.key("externalId").optional(external_id, Writer::string);
            }
        });
        w.key("vehicle").object(|w| {
            w.key("id").plain(info.id);
            w.key("make").string(&info.make);
            w.key("model").string(&info.model);
            w.key("year").integer(info.year.into());
            if self.shows_more() {
                w.key("mode").plain(info.mode.as_str());
                w.key("powertrainType").plain(info.powertrain.as_str());
            }
        });
    }

    fn triggers(&self, w: &mut Writer, fired: Option<&[SignalId]>) {
        let (typed, flat) = match self.settings.profile {
            Profile::Union => (true, true),
            Profile::Captured => (true, false),
            Profile::Docs2026 => (false, true),
        };
        let Some(fired) = fired else {
            w.object(|w| {
                if typed {
                    w.key("type").plain(FIRST_DELIVERY);
                }
                if flat {
                    w.key("code").plain(FIRST_DELIVERY);
                }
            });
            return;
        };
        for &signal in fired {
            let entry = signal.entry();
            w.object(|w| {
                if typed {
                    w.key("type").plain("SIGNAL_UPDATED");
                    w.key("signal").object(|w| {
                        w.key("name").plain(entry.name);
                        w.key("code").plain(&entry.code);
                        w.key("group").plain(entry.group);
                    });
                }
                if flat {
                    name(w, signal);
                }
            });
        }
    }

    fn signal(&self, w: &mut Writer, signal: SignalId, observation: &Observation) {
        let seen = observation.newest(signal).unwrap_or(Err(ErrorCode::UPSTREAM_NO_RESPONSE));
        let body = seen.and_then(|sample| {
            let body = Body::of(signal, &sample.value).ok_or(ErrorCode::UPSTREAM_INVALID_DATA)?;
            Ok((sample, body))
        });
        w.object(|w| match body {
            Ok((sample, body)) => {
                name(w, signal);
                body.write(w.key("body"));
                w.key("meta").object(|w| self.times(w, signal, sample));
                w.key("status").object(|w| w.key("value").plain("SUCCESS"));
            }
            Err(error) => failed(w, signal, error),
        });
    }

    /// What describes the vehicle and was never measured has the times 0.
    fn times(&self, w: &mut Writer, signal: SignalId, sample: &Sample) {
        let timeless = sample.captured_at.is_none() && signal.entry().kind == Kind::Attribute;
        let (updated, retrieved) = if timeless {
            (0, 0)
        } else {
            let retrieved = sample.retrieved_at.as_millis();
            (sample.captured_at.map_or(retrieved, Timestamp::as_millis), retrieved)
        };
        w.key("oemUpdatedAt").whole(updated);
        w.key("retrievedAt").whole(retrieved);
        if self.shows_more() {
            w.key("fetchedAt").whole(retrieved);
        }
    }

    fn error(&self, w: &mut Writer, links: &Links, change: &ErrorChange) {
        let error = change.code;
        w.key("type").plain(error.kind());
        w.key("code").optional(error.code(), Writer::plain);
        if change.resolved {
            w.key("state").plain("RESOLVED");
            w.key("description").string(error.description());
        } else {
            w.key("description").string(error.description());
            w.key("docURL").string(&links.docs(error));
            links.resolution(w.key("resolution"), error, self.subject.info.id);
            if let Some(message) = error.user_message() {
                w.key("suggestedUserMessage").string(message);
            }
            w.key("state").plain("ERROR");
        }
        if !change.signals.is_empty() {
            w.key("signals").array(|w| {
                for &signal in &change.signals {
                    w.object(|w| name(w, signal));
                }
            });
        }
    }

    fn meta(&self, w: &mut Writer, signal_count: Option<usize>) {
        let envelope = self.envelope;
        w.key("meta").object(|w| {
            w.key("deliveryId").plain(envelope.delivery);
            w.key("deliveredAt").whole(envelope.delivered_at.as_millis());
            w.key("version").plain(VERSION);
            w.key("webhookId").plain(envelope.webhook);
            w.key("webhookName").string(envelope.webhook_name);
            w.key("mode").plain(self.mode);
            if let Some(count) = signal_count {
                w.key("signalCount").integer(u32::try_from(count).unwrap_or(u32::MAX));
            }
            if self.shows_more() {
                w.key("sequence").whole(i64::try_from(self.subject.sequence).unwrap_or(i64::MAX));
            }
        });
    }
}

pub(super) fn name(w: &mut Writer, signal: SignalId) {
    let entry = signal.entry();
    w.key("code").plain(&entry.code);
    w.key("name").plain(entry.name);
    w.key("group").plain(entry.group);
}

fn failed(w: &mut Writer, signal: SignalId, error: ErrorCode) {
    let entry = signal.entry();
    w.key("name").plain(entry.name);
    w.key("group").plain(entry.group);
    w.key("code").plain(&entry.code);
    w.key("status").object(|w| {
        w.key("value").plain("ERROR");
        w.key("error").object(|w| {
            w.key("type").plain(error.kind());
            w.key("code").optional(error.code(), Writer::plain);
        });
    });
}
