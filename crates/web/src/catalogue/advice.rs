//! What to do about each error of payloads and of the v2 API: by the developer of the application, by the owner of the
//! vehicle, or by the operator of this server.
//!
//! The word of the wire ([`Resolution`](domain::errors::Resolution)) is `null` for half of the errors, because software
//! cannot resolve them by itself. Somebody can.

use domain::errors::ErrorCode;

/// What to do about an error, in sentences that begin with who does it.
pub(crate) fn advice(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::AUTHENTICATION => {
            "Developer: send Authorization: Bearer with an access token. When it has expired, get a new one with the refresh \
             token; when that is refused, too, send the owner through Connect again."
        }
        ErrorCode::PERMISSION => {
            "Developer: send the owner through Connect again with this permission in the scope; /docs/permissions says which \
             one a read needs."
        }
        ErrorCode::VALIDATION => {
            "Developer: correct the request as the description says. The same request fails again."
        }
        ErrorCode::VALIDATION_PARAMETER => {
            "Developer: correct the value that the detail names. The same request fails again."
        }
        ErrorCode::RESOURCE_NOT_FOUND_PATH => {
            "Developer: check the path, the method and the vehicle's id; /docs/endpoints lists the paths."
        }
        ErrorCode::RESOURCE_NOT_FOUND_VERSION => {
            "Developer: begin the path with a version that is served: /v2.0."
        }
        ErrorCode::BILLING_INVALID_PLAN => {
            "Operator: give the application a plan that includes the feature (milepost app edit ID --plan PLAN)."
        }
        ErrorCode::BILLING_VEHICLE_LIMIT => {
            "Developer: disconnect vehicles that are not needed any more. Operator: or give the application a plan with more \
             room (milepost app edit ID --plan PLAN)."
        }
        ErrorCode::BILLING_VEHICLE_REQUEST_LIMIT => {
            "Developer: ask this vehicle again next month, or use a webhook instead of requests. Operator: or give the \
             application a plan with more requests."
        }
        ErrorCode::BILLING_ACCOUNT_SUSPENDED => "Developer: settle the invoice with the operator.",
        ErrorCode::COMPATIBILITY_MAKE_NOT_COMPATIBLE => {
            "Developer: check compatibility (GET /v2.0/compatibility) before the owner connects, and do not offer this brand \
             in this country."
        }
        ErrorCode::COMPATIBILITY_SMARTCAR_NOT_CAPABLE | ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE => {
            "Developer: do not ask this vehicle for it again, and hide the feature for it; GET /v2.0/compatibility says before \
             what a vehicle can do."
        }
        ErrorCode::COMPATIBILITY_PLATFORM_NOT_CAPABLE => {
            "Developer: send the owner through Connect again; the vehicle is then connected through the newer interface."
        }
        ErrorCode::CONNECTED_SERVICES_ACCOUNT_ACCOUNT_ISSUE => {
            "Owner: open the app or the site of the brand and finish what it asks for, such as new terms. Developer: show the \
             owner the message; ask again afterwards."
        }
        ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED
        | ErrorCode::CONNECTED_SERVICES_ACCOUNT_PERMISSION => {
            "Developer: send the owner through Connect again. Owner: sign in at the brand and allow the access."
        }
        ErrorCode::CONNECTED_SERVICES_ACCOUNT_NO_VEHICLES
        | ErrorCode::CONNECTED_SERVICES_ACCOUNT_VEHICLE_MISSING => {
            "Owner: add the vehicle to the account in the brand's app. Developer: show the owner the message; if the vehicle \
             was sold, disconnect it."
        }
        ErrorCode::CONNECTED_SERVICES_ACCOUNT_SUBSCRIPTION => {
            "Owner: renew or extend the connected services at the brand. Developer: show the owner the message."
        }
        ErrorCode::CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED => {
            "Owner: add the virtual key to the vehicle; the URL of the resolution leads there. Developer: show the owner the \
             link, then ask again."
        }
        ErrorCode::RATE_LIMIT_SMARTCAR_API => {
            "Developer: wait as long as Retry-After says and spread requests, or use webhooks. Operator: or give the \
             application a plan with a higher rate."
        }
        ErrorCode::RATE_LIMIT_VEHICLE => {
            "Developer: wait as long as Retry-After says, and ask this vehicle less often; webhooks share the reads of a \
             vehicle."
        }
        ErrorCode::SERVER_INTERNAL => {
            "Developer: ask again; if it stays, give the request id to the operator. Operator: search the log for that id."
        }
        ErrorCode::SERVER_RECORD_NOT_FOUND | ErrorCode::SERVER_MULTIPLE_RECORDS_FOUND => {
            "Developer: go on without the capacity; asking again does not help. Operator: the catalogue of vehicles needs the \
             capacity of this model."
        }
        ErrorCode::UPSTREAM_INVALID_DATA
        | ErrorCode::UPSTREAM_NO_RESPONSE
        | ErrorCode::UPSTREAM_UNKNOWN_ISSUE => {
            "Developer: ask again later. Operator: if a brand stays like this, milepost vehicle show ID says what was answered \
             last."
        }
        ErrorCode::UPSTREAM_KNOWN_ISSUE => "Developer: ask again later, when the brand has repaired it.",
        ErrorCode::UPSTREAM_RATE_LIMIT => {
            "Developer: ask again later and less often. Operator: lower reads.per_second if the brand goes on refusing."
        }
        ErrorCode::VEHICLE_STATE_ASLEEP => {
            "Developer: ask again later; a vehicle wakes up by being driven. Owner: start it or open its app."
        }
        ErrorCode::VEHICLE_STATE_CHARGING_IN_PROGRESS => {
            "Owner: stop charging. Developer: or do it with POST /charge; then ask again."
        }
        ErrorCode::VEHICLE_STATE_CHARGING_PLUG_CONNECTED => "Owner: unplug the vehicle. Developer: then ask again.",
        ErrorCode::VEHICLE_STATE_CHARGING_PLUG_NOT_CONNECTED => {
            "Owner: plug in the vehicle. Developer: then ask again."
        }
        ErrorCode::VEHICLE_STATE_DOOR_OPEN
        | ErrorCode::VEHICLE_STATE_HOOD_OPEN
        | ErrorCode::VEHICLE_STATE_TRUNK_OPEN => "Owner: close what is open. Developer: then ask again.",
        ErrorCode::VEHICLE_STATE_FULLY_CHARGED => {
            "Developer: nothing is left to charge; ask again when the battery is lower, or raise the charge limit first."
        }
        ErrorCode::VEHICLE_STATE_NOT_CHARGING => {
            "Developer: start charging first (POST /charge), then ask again. Owner: or start it at the charger."
        }
        ErrorCode::VEHICLE_STATE_CHARGE_FAULT => {
            "Owner: check the cable and the charger; if the fault stays, a workshop. Developer: show the owner the message."
        }
        ErrorCode::VEHICLE_STATE_IGNITION_ON => "Owner: switch off the vehicle. Developer: then ask again.",
        ErrorCode::VEHICLE_STATE_IN_MOTION => "Developer: ask again when the vehicle is parked.",
        ErrorCode::VEHICLE_STATE_REMOTE_ACCESS_DISABLED => {
            "Owner: switch on remote access in the settings of the vehicle. Developer: then ask again."
        }
        ErrorCode::VEHICLE_STATE_UNREACHABLE => {
            "Owner: park the vehicle where it has mobile reception. Developer: ask again later."
        }
        ErrorCode::VEHICLE_STATE_VEHICLE_OFFLINE_FOR_SERVICE => {
            "Developer: ask again when the workshop has finished."
        }
        ErrorCode::VEHICLE_STATE_LOW_BATTERY => "Owner: charge the vehicle. Developer: then ask again.",
        // The brand does not say what it is.
        _ => "Developer: ask again later.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_who_does_what() {
        for error in ErrorCode::all() {
            let text = advice(error);
            let who = ["Developer: ", "Owner: ", "Operator: "];
            assert!(who.iter().any(|who| text.starts_with(who)) && text.ends_with('.'), "{error}: {text}");
            assert!(!text.contains("Nothing"), "{error}: {text}");
            let unnamed = error == ErrorCode::VEHICLE_STATE_UNKNOWN;
            assert_eq!(text == "Developer: ask again later.", unnamed, "{error} has no advice of its own");
        }
    }

    #[test]
    fn errors_that_an_owner_can_end_say_what_the_owner_does() {
        for error in ErrorCode::all().filter(|error| error.kind() == "CONNECTED_SERVICES_ACCOUNT") {
            assert!(advice(error).contains("Owner: "), "{error}");
        }
        for kind in ["AUTHENTICATION", "VALIDATION", "RESOURCE_NOT_FOUND"] {
            for error in ErrorCode::all().filter(|error| error.kind() == kind) {
                assert!(advice(error).starts_with("Developer: "), "{error}");
            }
        }
    }
}
