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
                Some(format!("https://www.tesla.com/_ak/{}", host_of(origin)))
            }
            _ => None,
        }
    }
}

/// The host of an origin, without its port and path. That of an address in brackets ends behind them.
fn host_of(origin: &str) -> &str {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let host = host.split('/').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_virtual_key_is_for_a_host_whatever_the_port() {
        for (origin, host) in [
            ("https://milepost.example", "milepost.example"),
            ("https://milepost.example:8443", "milepost.example"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "[::1]"),
            ("http://[::1]", "[::1]"),
            ("https://example.com/milepost", "example.com"),
            ("https://example.com:8443/a/b", "example.com"),
        ] {
            let links = Links { origin: origin.into(), client_id: String::new() };
            let error = ErrorCode::CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED;
            let url = links.resolution_url(error, VehicleId(Uuid::nil()));
            assert_eq!(url, Some(format!("https://www.tesla.com/_ak/{host}")), "{origin}");
        }
    }
}
