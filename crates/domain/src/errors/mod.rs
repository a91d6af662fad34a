//! The catalogue of errors: what may be said of a car, a brand's cloud or a request that failed.
//!
//! An error is known by its type and code, a pair of words that receivers match; stored, it is one number. The rest
//! (HTTP status, texts, what to do about it) is looked up, so that a better text also reaches old errors.

mod catalogue;

use std::{fmt, sync::LazyLock};

/// An error of the catalogue. Numbers are stored and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u8);

/// What helps against an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing that software can do: the wire says `null`.
    Nothing,
    /// Wait and ask again.
    RetryLater,
    /// Send the owner through the consent flow again.
    Reauthenticate,
    /// Ask whoever runs the server.
    ContactSupport,
    /// The owner has to do something at the brand.
    ActionRequired,
    /// Settle an invoice.
    Finance,
}

impl Resolution {
    /// The word of the wire, if there is one.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::RetryLater => Some("RETRY_LATER"),
            Self::Reauthenticate => Some("REAUTHENTICATE"),
            Self::ContactSupport => Some("CONTACT_SUPPORT"),
            Self::ActionRequired => Some("ACTION_REQUIRED"),
            Self::Finance => Some("FINANCE"),
        }
    }
}

impl ErrorCode {
    /// Every error, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=catalogue::ROWS.len()).map(|number| Self(number as u8))
    }

    /// The error with a stored number, if this program knows it.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => None,
            _ if number as usize > catalogue::ROWS.len() => None,
            _ => Some(Self(number)),
        }
    }

    /// The error with a type and a code of the wire.
    pub fn find(kind: &str, code: Option<&str>) -> Option<Self> {
        Self::all().find(|error| error.kind() == kind && error.code() == code)
    }

    /// The number that is stored.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its type: `VEHICLE_STATE`.
    pub const fn kind(self) -> &'static str {
        self.row().kind
    }

    /// Its code within the type: `ASLEEP`. Types without codes have `None`, and the wire says `null`.
    pub const fn code(self) -> Option<&'static str> {
        self.row().code
    }

    /// The HTTP status of an answer with this error.
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// What helps.
    pub const fn resolution(self) -> Resolution {
        self.row().resolution
    }

    /// What happened, for developers.
    pub const fn description(self) -> &'static str {
        self.row().description
    }

    /// What an application may tell the owner, where the owner can do something about it or should know.
    pub const fn user_message(self) -> Option<&'static str> {
        self.row().message
    }

    /// Where the server's own pages explain it: `/docs/errors/vehicle-state-errors#asleep`, without the origin.
    pub fn doc_path(self) -> &'static str {
        static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| ErrorCode::all().map(doc_path).collect());
        &PATHS[self.index()]
    }

    /// Whether the failure may pass by itself, so that asking again later makes sense.
    pub fn passes(self) -> bool {
        matches!(self.kind(), "VEHICLE_STATE" | "UPSTREAM" | "RATE_LIMIT") || self == Self::SERVER_INTERNAL
    }

    const fn index(self) -> usize {
        self.0 as usize - 1
    }

    const fn row(self) -> &'static catalogue::Row {
        &catalogue::ROWS[self.index()]
    }
}

fn doc_path(error: ErrorCode) -> String {
    let kebab = |words: &str| words.to_ascii_lowercase().replace('_', "-");
    format!("/docs/errors/{}-errors#{}", kebab(error.kind()), kebab(error.code().unwrap_or("null")))
}

/// `VEHICLE_STATE:ASLEEP`, or the type alone.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            Some(code) => write!(f, "{}:{code}", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::fmt::Write as _;

    /// The whole catalogue: a number, a word or a status that moves is a change of the wire or of stored data.
    #[test]
    fn the_catalogue_has_a_row_for_every_error_of_the_wire() {
        let mut table = String::new();
        for error in ErrorCode::all() {
            let resolution = error.resolution().as_str().unwrap_or("-");
            let passes = if error.passes() { "passes" } else { "stays" };
            writeln!(table, "{} {error} {} {resolution} {passes}", error.number(), error.status()).unwrap();
        }
        expect![[r#"
            1 AUTHENTICATION 401 - stays
            2 PERMISSION 403 REAUTHENTICATE stays
            3 VALIDATION 400 - stays
            4 VALIDATION:PARAMETER 400 - stays
            5 RESOURCE_NOT_FOUND:PATH 404 - stays
            6 RESOURCE_NOT_FOUND:VERSION 404 - stays
            7 BILLING:INVALID_PLAN 430 CONTACT_SUPPORT stays
            8 BILLING:VEHICLE_LIMIT 430 CONTACT_SUPPORT stays
            9 BILLING:VEHICLE_REQUEST_LIMIT 430 CONTACT_SUPPORT stays
            10 BILLING:ACCOUNT_SUSPENDED 430 FINANCE stays
            11 COMPATIBILITY:MAKE_NOT_COMPATIBLE 501 - stays
            12 COMPATIBILITY:SMARTCAR_NOT_CAPABLE 501 - stays
            13 COMPATIBILITY:VEHICLE_NOT_CAPABLE 501 - stays
            14 COMPATIBILITY:PLATFORM_NOT_CAPABLE 501 REAUTHENTICATE stays
            15 CONNECTED_SERVICES_ACCOUNT:ACCOUNT_ISSUE 400 - stays
            16 CONNECTED_SERVICES_ACCOUNT:AUTHENTICATION_FAILED 400 REAUTHENTICATE stays
            17 CONNECTED_SERVICES_ACCOUNT:NO_VEHICLES 400 - stays
            18 CONNECTED_SERVICES_ACCOUNT:PERMISSION 400 REAUTHENTICATE stays
            19 CONNECTED_SERVICES_ACCOUNT:SUBSCRIPTION 400 - stays
            20 CONNECTED_SERVICES_ACCOUNT:VEHICLE_MISSING 400 - stays
            21 CONNECTED_SERVICES_ACCOUNT:VIRTUAL_KEY_REQUIRED 400 ACTION_REQUIRED stays
            22 RATE_LIMIT:SMARTCAR_API 429 RETRY_LATER passes
            23 RATE_LIMIT:VEHICLE 429 RETRY_LATER passes
            24 SERVER:INTERNAL 500 RETRY_LATER passes
            25 SERVER:RECORD_NOT_FOUND 500 CONTACT_SUPPORT stays
            26 SERVER:MULTIPLE_RECORDS_FOUND 500 CONTACT_SUPPORT stays
            27 UPSTREAM:INVALID_DATA 502 RETRY_LATER passes
            28 UPSTREAM:KNOWN_ISSUE 502 RETRY_LATER passes
            29 UPSTREAM:NO_RESPONSE 502 RETRY_LATER passes
            30 UPSTREAM:RATE_LIMIT 502 RETRY_LATER passes
            31 UPSTREAM:UNKNOWN_ISSUE 502 RETRY_LATER passes
            32 VEHICLE_STATE:ASLEEP 409 - passes
            33 VEHICLE_STATE:CHARGING_IN_PROGRESS 409 - passes
            34 VEHICLE_STATE:CHARGING_PLUG_CONNECTED 409 - passes
            35 VEHICLE_STATE:CHARGING_PLUG_NOT_CONNECTED 409 - passes
            36 VEHICLE_STATE:DOOR_OPEN 409 - passes
            37 VEHICLE_STATE:FULLY_CHARGED 409 - passes
            38 VEHICLE_STATE:NOT_CHARGING 409 - passes
            39 VEHICLE_STATE:CHARGE_FAULT 409 - passes
            40 VEHICLE_STATE:HOOD_OPEN 409 - passes
            41 VEHICLE_STATE:IGNITION_ON 409 - passes
            42 VEHICLE_STATE:IN_MOTION 409 - passes
            43 VEHICLE_STATE:REMOTE_ACCESS_DISABLED 409 - passes
            44 VEHICLE_STATE:TRUNK_OPEN 409 - passes
            45 VEHICLE_STATE:UNREACHABLE 409 - passes
            46 VEHICLE_STATE:VEHICLE_OFFLINE_FOR_SERVICE 409 - passes
            47 VEHICLE_STATE:UNKNOWN 409 RETRY_LATER passes
            48 VEHICLE_STATE:LOW_BATTERY 409 RETRY_LATER passes
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn an_error_is_found_by_its_words_and_by_its_number() {
        for error in ErrorCode::all() {
            assert_eq!(ErrorCode::find(error.kind(), error.code()), Some(error));
            assert_eq!(ErrorCode::from_number(error.number()), Some(error));
        }
        assert_eq!(ErrorCode::find("PERMISSION", Some("ASLEEP")), None);
        assert_eq!(ErrorCode::from_number(0), None);
        assert_eq!(ErrorCode::from_number(u8::MAX), None);
    }

    #[test]
    fn a_constant_is_named_after_its_words() {
        assert_eq!(catalogue::NAMED.len(), ErrorCode::all().count());
        for &(error, name) in catalogue::NAMED {
            assert_eq!(error.to_string().replace(':', "_"), name);
        }
    }

    #[test]
    fn an_error_has_its_page_and_its_place_on_it() {
        assert_eq!(ErrorCode::VEHICLE_STATE_ASLEEP.doc_path(), "/docs/errors/vehicle-state-errors#asleep");
        assert_eq!(ErrorCode::PERMISSION.doc_path(), "/docs/errors/permission-errors#null");
    }

    #[test]
    fn texts_have_no_character_that_some_receivers_escape() {
        for error in ErrorCode::all() {
            for text in [error.description(), error.user_message().unwrap_or_default(), error.doc_path()] {
                assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{error}: {text}");
            }
        }
    }
}
