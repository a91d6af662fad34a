//! Links in errors: where they are explained, and where the owner can do something about them.

use super::json::Writer;
use crate::{errors::ErrorCode, ids::VehicleId};

/// What links in errors are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Where this server is reached: `https://milepost.example`, without a slash at the end.
    pub origin: String,
    /// The application's id in OAuth; it needs no escaping in a URL.
    pub client_id: String,
}

impl Links {
    /// Where an error is explained.
    pub fn docs(&self, error: ErrorCode) -> String {
        format!("{}{}", self.origin, error.doc_path())
    }

    /// Writes what helps against an error: always an object, whose type may be `null`.
    pub(super) fn resolution(&self, w: &mut Writer, error: ErrorCode, vehicle: VehicleId) {
        w.object(|w| {
            w.key("type").optional(error.resolution().as_str(), Writer::plain);
            if let Some(url) = self.resolution_url(error, vehicle) {
                w.key("url").string(&url);
            }
        });
    }

    /// Where the owner can do what the resolution asks for, if there is one place for it.
    pub fn resolution_url(&self, error: ErrorCode, vehicle: VehicleId) -> Option<String> {
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
