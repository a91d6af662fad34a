//! The error catalogue, as data. The texts are for developers (`description`) and for owners (`message`); neither
//! contains `<`, `>` or `&`, which some receivers escape before they check a signature.

use super::{
    ErrorCode,
    Resolution::{self, *},
};

/// One row of the catalogue.
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) status: u16,
    pub(super) resolution: Resolution,
    pub(super) description: &'static str,
    pub(super) message: Option<&'static str>,
}

macro_rules! catalogue {
    ($($kind:literal $status:literal {
        $($number:literal $name:ident $code:expr, $resolution:expr, $description:literal, $message:expr;)*
    })*) => {
        impl ErrorCode {
            $($(#[doc = $description] pub const $name: Self = Self($number);)*)*
        }

        /// By number, from 1 without gaps: a new error goes to the end, in a further block of its type.
        pub(super) const ROWS: &[Row] = &[$($(Row {
            kind: $kind,
            code: $code,
            status: $status,
            resolution: $resolution,
            description: $description,
            message: $message,
        }),*),*];

        #[cfg(test)]
        pub(super) const NAMED: &[(ErrorCode, &str)] = &[$($((ErrorCode::$name, stringify!($name))),*),*];
    };
}

#[rustfmt::skip]
catalogue! {
    "AUTHENTICATION" 401 {
        1 AUTHENTICATION None, Nothing,
            "The authorization header is missing or malformed, or it contains invalid or expired authentication credentials. Please check for missing parameters, spelling and casing mistakes, and other syntax issues.", None;
    }
    "PERMISSION" 403 {
        2 PERMISSION None, Reauthenticate,
            "Your application has insufficient permissions to access the requested resource. Please prompt the user to re-authenticate using Smartcar Connect.",
            Some("Please connect your car again and allow access to the data that this app asks for.");
    }
    "VALIDATION" 400 {
        3 VALIDATION None, Nothing,
            "The request, an id in it or its body is malformed.", None;
        4 VALIDATION_PARAMETER Some("PARAMETER"), Nothing,
            "The request is well formed, but a value in it is not acceptable.", None;
    }
    "RESOURCE_NOT_FOUND" 404 {
        5 RESOURCE_NOT_FOUND_PATH Some("PATH"), Nothing,
            "There is nothing at this path for this method.", None;
        6 RESOURCE_NOT_FOUND_VERSION Some("VERSION"), Nothing,
            "The path names no version of the API, or one that is not served.", None;
    }
    "BILLING" 430 {
        7 BILLING_INVALID_PLAN Some("INVALID_PLAN"), ContactSupport,
            "The plan of the application does not include this feature.", None;
        8 BILLING_VEHICLE_LIMIT Some("VEHICLE_LIMIT"), ContactSupport,
            "The application has as many vehicles as its plan allows.", None;
        9 BILLING_VEHICLE_REQUEST_LIMIT Some("VEHICLE_REQUEST_LIMIT"), ContactSupport,
            "The requests that the plan allows for this vehicle this month are used up.", None;
        10 BILLING_ACCOUNT_SUSPENDED Some("ACCOUNT_SUSPENDED"), Finance,
            "The account of the application is suspended because an invoice is overdue.", None;
    }
    "COMPATIBILITY" 501 {
        11 COMPATIBILITY_MAKE_NOT_COMPATIBLE Some("MAKE_NOT_COMPATIBLE"), Nothing,
            "Cars of this make cannot be reached in the owner's country.",
            Some("Cars of this make are not supported in your country yet.");
        12 COMPATIBILITY_SMARTCAR_NOT_CAPABLE Some("SMARTCAR_NOT_CAPABLE"), Nothing,
            "The vehicle may be able to do this, but this server has no way to ask it.",
            Some("This feature is not available for your car yet.");
        13 COMPATIBILITY_VEHICLE_NOT_CAPABLE Some("VEHICLE_NOT_CAPABLE"), Nothing,
            "The vehicle does not have this feature; asking again will not help.",
            Some("Your car does not have this feature.");
        14 COMPATIBILITY_PLATFORM_NOT_CAPABLE Some("PLATFORM_NOT_CAPABLE"), Reauthenticate,
            "The vehicle is connected through an older interface of its brand, which cannot do this.",
            Some("Please connect your car again to use this feature.");
    }
    "CONNECTED_SERVICES_ACCOUNT" 400 {
        15 CONNECTED_SERVICES_ACCOUNT_ACCOUNT_ISSUE Some("ACCOUNT_ISSUE"), Nothing,
            "The owner has something left to do in the brand's app or site before the vehicle can be used.",
            Some("Please open the app or the site of your car's brand and finish what it asks for.");
        16 CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED Some("AUTHENTICATION_FAILED"), Reauthenticate,
            "The brand no longer accepts the owner's sign-in.",
            Some("Please sign in again to the account of your car's brand.");
        17 CONNECTED_SERVICES_ACCOUNT_NO_VEHICLES Some("NO_VEHICLES"), Nothing,
            "The owner's account at the brand holds no vehicle.",
            Some("There is no car in the account of your car's brand. Please add it there first.");
        18 CONNECTED_SERVICES_ACCOUNT_PERMISSION Some("PERMISSION"), Reauthenticate,
            "The owner has withdrawn access at the brand.",
            Some("Please connect your car again and allow access to it.");
        19 CONNECTED_SERVICES_ACCOUNT_SUBSCRIPTION Some("SUBSCRIPTION"), Nothing,
            "The owner's contract for connected services at the brand is inactive or does not cover this.",
            Some("Please renew or extend the connected services of your car.");
        20 CONNECTED_SERVICES_ACCOUNT_VEHICLE_MISSING Some("VEHICLE_MISSING"), Nothing,
            "The vehicle is no longer in the owner's account at the brand.",
            Some("This car is no longer in the account of its brand. Please add it there again.");
        21 CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED Some("VIRTUAL_KEY_REQUIRED"), ActionRequired,
            "The owner has to add a virtual key to the vehicle before this can be done.",
            Some("Please add the virtual key to your car.");
    }
    "RATE_LIMIT" 429 {
        22 RATE_LIMIT_SMARTCAR_API Some("SMARTCAR_API"), RetryLater,
            "The application has sent more requests than it may; wait a few minutes.", None;
        23 RATE_LIMIT_VEHICLE Some("VEHICLE"), RetryLater,
            "The vehicle has been asked too often; wait as long as Retry-After says.",
            Some("Your car has been asked too often. Please try again later.");
    }
    "SERVER" 500 {
        24 SERVER_INTERNAL Some("INTERNAL"), RetryLater,
            "The server has failed; the request id helps its operator to find out why.", None;
        25 SERVER_RECORD_NOT_FOUND Some("RECORD_NOT_FOUND"), ContactSupport,
            "There is no record of the battery capacity of this vehicle.", None;
        26 SERVER_MULTIPLE_RECORDS_FOUND Some("MULTIPLE_RECORDS_FOUND"), ContactSupport,
            "There are several records of the battery capacity of this vehicle, and none can be preferred.", None;
    }
    "UPSTREAM" 502 {
        27 UPSTREAM_INVALID_DATA Some("INVALID_DATA"), RetryLater,
            "The brand has answered with data that cannot be right.",
            Some("Your car's brand has sent data that cannot be used. Please try again later.");
        28 UPSTREAM_KNOWN_ISSUE Some("KNOWN_ISSUE"), RetryLater,
            "The brand has a fault that is known.",
            Some("The service of your car's brand has a problem. Please try again later.");
        29 UPSTREAM_NO_RESPONSE Some("NO_RESPONSE"), RetryLater,
            "The brand has not answered.",
            Some("The service of your car's brand does not answer. Please try again later.");
        30 UPSTREAM_RATE_LIMIT Some("RATE_LIMIT"), RetryLater,
            "The brand has refused the request because there were too many.",
            Some("The service of your car's brand is busy. Please try again later.");
        31 UPSTREAM_UNKNOWN_ISSUE Some("UNKNOWN_ISSUE"), RetryLater,
            "The brand has failed in a way that is not known.",
            Some("The service of your car's brand has a problem. Please try again later.");
    }
    "VEHICLE_STATE" 409 {
        32 VEHICLE_STATE_ASLEEP Some("ASLEEP"), Nothing,
            "The vehicle is asleep and cannot be asked.",
            Some("Your car is asleep. Start it or open its app, then try again.");
        33 VEHICLE_STATE_CHARGING_IN_PROGRESS Some("CHARGING_IN_PROGRESS"), Nothing,
            "The vehicle cannot do this while it is charging.",
            Some("Please stop charging your car, then try again.");
        34 VEHICLE_STATE_CHARGING_PLUG_CONNECTED Some("CHARGING_PLUG_CONNECTED"), Nothing,
            "The vehicle cannot do this while its charging cable is plugged in.",
            Some("Please unplug your car, then try again.");
        35 VEHICLE_STATE_CHARGING_PLUG_NOT_CONNECTED Some("CHARGING_PLUG_NOT_CONNECTED"), Nothing,
            "The vehicle can do this only while its charging cable is plugged in.",
            Some("Please plug in your car, then try again.");
        36 VEHICLE_STATE_DOOR_OPEN Some("DOOR_OPEN"), Nothing,
            "The vehicle cannot do this while a door is open.",
            Some("Please close the doors of your car, then try again.");
        37 VEHICLE_STATE_FULLY_CHARGED Some("FULLY_CHARGED"), Nothing,
            "The battery of the vehicle is full.",
            Some("Your car is fully charged.");
        38 VEHICLE_STATE_NOT_CHARGING Some("NOT_CHARGING"), Nothing,
            "The vehicle can do this only while it is charging.",
            Some("Please start charging your car, then try again.");
        39 VEHICLE_STATE_CHARGE_FAULT Some("CHARGE_FAULT"), Nothing,
            "The vehicle or the charger reports a fault of charging.",
            Some("Your car cannot charge. Please check the cable and the charger.");
        40 VEHICLE_STATE_HOOD_OPEN Some("HOOD_OPEN"), Nothing,
            "The vehicle cannot do this while its hood is open.",
            Some("Please close the hood of your car, then try again.");
        41 VEHICLE_STATE_IGNITION_ON Some("IGNITION_ON"), Nothing,
            "The vehicle cannot do this while its ignition is on.",
            Some("Please switch off your car, then try again.");
        42 VEHICLE_STATE_IN_MOTION Some("IN_MOTION"), Nothing,
            "The vehicle cannot do this while it moves.",
            Some("Please try again when your car is parked.");
        43 VEHICLE_STATE_REMOTE_ACCESS_DISABLED Some("REMOTE_ACCESS_DISABLED"), Nothing,
            "Remote access is switched off in the vehicle.",
            Some("Please switch on remote access in the settings of your car.");
        44 VEHICLE_STATE_TRUNK_OPEN Some("TRUNK_OPEN"), Nothing,
            "The vehicle cannot do this while its trunk is open.",
            Some("Please close the trunk of your car, then try again.");
        45 VEHICLE_STATE_UNREACHABLE Some("UNREACHABLE"), Nothing,
            "The vehicle has no connection.",
            Some("Your car cannot be reached. Park it where it has mobile reception, then try again.");
        46 VEHICLE_STATE_VEHICLE_OFFLINE_FOR_SERVICE Some("VEHICLE_OFFLINE_FOR_SERVICE"), Nothing,
            "The vehicle is in a workshop's service mode.",
            Some("Your car is being serviced. Please try again when that is done.");
        47 VEHICLE_STATE_UNKNOWN Some("UNKNOWN"), RetryLater,
            "The state of the vehicle forbids this; the brand does not say which state.",
            Some("Your car cannot do this at the moment. Please try again later.");
        48 VEHICLE_STATE_LOW_BATTERY Some("LOW_BATTERY"), RetryLater,
            "The battery of the vehicle is too low for this.",
            Some("The battery of your car is too low. Please charge it, then try again.");
    }
}
