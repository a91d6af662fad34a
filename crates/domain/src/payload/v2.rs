//! Bodies of v2 webhooks: the challenge, the scheduled payload and its test.
//!
//! A scheduled payload has one entry per configured endpoint, as a v2 read would have been answered. What a read was
//! made of is one signal or several; three rules say what becomes of those that are missing:
//!
//! - If none of its signals has a value, the entry is the error of the first of them that failed. A signal that the
//!   observation does not speak of has failed with `UPSTREAM:NO_RESPONSE`, a value in a form that the signal cannot
//!   have with `UPSTREAM:INVALID_DATA`.
//! - If some have a value, the entry is a success; what is missing is `null`, or left out of a list.
//! - `sc-data-age` is the oldest moment among the values shown: nothing in the entry is older. Where the source does
//!   not say when the car measured, the moment at which we had the value stands in.
//!
//! `sc-fetched-at` is not written: no scheduled payload has been seen with it.

mod bodies;
mod sample;

use super::json::Writer;
use crate::{
    errors::ErrorCode,
    ids::{RequestId, VehicleId, WebhookId},
    signal::Endpoint,
    time::Timestamp,
    units::UnitSystem,
    vehicle::{Observation, VehicleInfo},
    webhook::Scheduled,
};

/// One vehicle of a scheduled payload.
#[derive(Clone, Copy, Debug)]
pub struct VehicleBlock<'a> {
    /// Which vehicle.
    pub info: &'a VehicleInfo,
    /// Under which id support finds the read.
    pub request: RequestId,
    /// What was seen of it.
    pub observation: &'a Observation,
    /// Where links in errors lead.
    pub links: &'a Links,
}

/// What links in errors are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Where this server is reached: `https://milepost.example`, without a slash at the end.
    pub origin: String,
    /// The application's id in OAuth; it needs no escaping in a URL.
    pub client_id: String,
}

impl Links {
    fn docs(&self, error: ErrorCode) -> String {
        format!("{}{}", self.origin, error.doc_path())
    }

    /// Where the owner can do what the resolution asks for, if there is one place for it.
    fn resolution(&self, error: ErrorCode, vehicle: VehicleId) -> Option<String> {
        let Self { origin, client_id } = self;
        match error {
            ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED => Some(format!(
                "{origin}/oauth/reauthenticate?response_type=vehicle_id&client_id={client_id}&vehicle_id={vehicle}"
            )),
            ErrorCode::CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED => {
                let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
                Some(format!("https://www.tesla.com/_ak/{host}"))
            }
            _ => None,
        }
    }
}

/// The challenge to a callback URI.
pub fn verify(webhook: WebhookId, challenge: &str) -> String {
    let mut w = Writer::with_capacity(160);
    w.object(|w| {
        head(w, webhook, "verify");
        w.key("payload").object(|w| w.key("challenge").string(challenge));
    });
    w.finish()
}

/// A scheduled payload.
///
/// # Panics
///
/// When there is no vehicle, or real and simulated ones are mixed: one request has one mode.
pub fn schedule(webhook: WebhookId, settings: &Scheduled, vehicles: &[VehicleBlock<'_>]) -> String {
    let mode = vehicles.first().expect("a scheduled payload is about a vehicle").info.mode;
    assert!(vehicles.iter().all(|block| block.info.mode == mode), "vehicles of two modes in one request");
    payload(webhook, settings, mode.as_str(), vehicles)
}

/// A scheduled payload to try a callback URI with: mode `test`, an invented vehicle, and a sample value for everything
/// that the webhook sends.
pub fn test(webhook: WebhookId, settings: &Scheduled, request: RequestId, now: Timestamp) -> String {
    let (info, observation) = (sample::info(), sample::observation(now));
    let links = Links { origin: String::new(), client_id: String::new() };
    let block = VehicleBlock { info: &info, request, observation: &observation, links: &links };
    payload(webhook, settings, "test", &[block])
}

fn payload(webhook: WebhookId, settings: &Scheduled, mode: &str, vehicles: &[VehicleBlock<'_>]) -> String {
    const ENTRY: usize = 192;
    let mut w = Writer::with_capacity(192 + vehicles.len() * (160 + settings.endpoints.len() * ENTRY));
    w.object(|w| {
        head(w, webhook, settings.event_name.as_str());
        w.key("mode").plain(mode);
        w.key("payload").object(|w| {
            w.key("vehicles").array(|w| {
                for block in vehicles {
                    vehicle(w, settings, block);
                }
            });
        });
    });
    w.finish()
}

fn head(w: &mut Writer, webhook: WebhookId, event_name: &'static str) {
    w.key("version").plain("2.0");
    w.key("webhookId").plain(webhook);
    w.key("eventName").plain(event_name);
}

fn vehicle(w: &mut Writer, settings: &Scheduled, block: &VehicleBlock<'_>) {
    w.object(|w| {
        w.key("vehicleId").plain(block.info.id);
        w.key("requestId").plain(block.request);
        w.key("data").array(|w| {
            for &endpoint in &settings.endpoints {
                entry(w, endpoint, settings.units, block);
            }
        });
        w.key("timestamp").plain(block.observation.taken_at);
    });
}

fn entry(w: &mut Writer, endpoint: Endpoint, units: UnitSystem, block: &VehicleBlock<'_>) {
    let mut body = Writer::with_capacity(128);
    let read = bodies::read(&mut body, endpoint, block.info, block.observation, units);
    w.object(|w| {
        w.key("path").plain(endpoint.path());
        match read {
            Ok(age) => {
                w.key("code").integer(200);
                w.key("body").raw(&body.finish());
                w.key("headers").object(|w| headers(w, endpoint, units, age));
            }
            Err(error) => {
                w.key("code").integer(error.status().into());
                w.key("body").object(|w| error_body(w, error, block));
                w.key("headers").object(|_| {});
            }
        }
    });
}

/// What the owner's own record says (`/`, `/vin`) has neither age nor units.
fn headers(w: &mut Writer, endpoint: Endpoint, units: UnitSystem, age: Option<Timestamp>) {
    if let Some(age) = age.filter(|_| endpoint != Endpoint::Vin) {
        w.key("sc-data-age").plain(age);
    }
    if endpoint.has_units() {
        w.key("sc-unit-system").plain(units.as_str());
    }
}

fn error_body(w: &mut Writer, error: ErrorCode, block: &VehicleBlock<'_>) {
    w.key("statusCode").integer(error.status().into());
    w.key("type").plain(error.kind());
    w.key("code").optional(error.code(), Writer::plain);
    w.key("description").string(error.description());
    w.key("docURL").string(&block.links.docs(error));
    w.key("requestId").plain(block.request);
    w.key("resolution").object(|w| {
        w.key("type").optional(error.resolution().as_str(), Writer::plain);
        if let Some(url) = block.links.resolution(error, block.info.id) {
            w.key("url").string(&url);
        }
    });
    if let Some(message) = error.user_message() {
        w.key("suggestedUserMessage").string(message);
    }
}
